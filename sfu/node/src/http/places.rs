//! How many connections one address may have, so that nobody takes the places of all others.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bits of an IPv6 address that tell networks apart: within, whoever is there chooses addresses freely (RFC 4291, section
/// 2.5.4).
const NETWORK_BITS: u32 = 64;

/// The connections of every address, in IPv6 of every network.
#[derive(Clone)]
pub struct Places {
    max: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Places {
    /// Nobody has more than `max`.
    pub fn new(max: usize) -> Self {
        Places {
            max,
            taken: Arc::default(),
        }
    }

    /// A place for this address until it is dropped; `None`: it has as many as it may.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let network = network(address);
        let mut taken = lock(&self.taken);
        let count = taken.entry(network).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Place {
            network,
            taken: Arc::clone(&self.taken),
        })
    }
}

/// The place of one connection.
pub struct Place {
    network: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(&self.taken).entry(self.network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - NETWORK_BITS);
            IpAddr::V6((address.to_bits() & mask).into())
        }
        address => address,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_places_as_it_may_and_others_have_theirs() {
        let places = Places::new(2);
        let take = |address: &str| places.take(address.parse().unwrap());
        let held = [take("192.0.2.1"), take("::ffff:192.0.2.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(take("192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some());
        drop(held);
        assert!(take("192.0.2.1").is_some(), "whoever goes makes room");
        assert!(lock(&places.taken).is_empty(), "and leaves nothing behind");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let places = Places::new(1);
        let take = |address: &str| places.take(address.parse().unwrap());
        let _held = take("2001:db8:1:2::1").unwrap();
        assert!(take("2001:db8:1:2:ffff::9").is_none());
        assert!(take("2001:db8:1:3::1").is_some());
    }
}
