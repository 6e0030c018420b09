//! The addresses of this machine (`getifaddrs(3)`).

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub ip: IpAddr,
    /// The interface that has it, such as `eth0`.
    pub interface: String,
}

/// Addresses of interfaces that are up, in the system's order, without duplicates. Loopback and link-local addresses
/// are left out: nobody else can reach them.
///
/// # Errors
///
/// When the system refuses to list them.
pub fn local_addresses() -> io::Result<Vec<LocalAddress>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `list` is a valid place for the pointer that the call stores.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: `entry` walks the list that getifaddrs allocated and that is freed below; `ifa_addr` may be null, and
        // otherwise points to an address of the size that its family says; `ifa_name` is a string that ends with a zero.
        let (up, address, interface, next) = unsafe {
            let up = (*entry).ifa_flags & libc::IFF_UP as u32 != 0;
            let interface = CStr::from_ptr((*entry).ifa_name).to_string_lossy().into_owned();
            (up, address_of((*entry).ifa_addr), interface, (*entry).ifa_next)
        };
        if let Some(ip) = address
            && up
            && reachable(ip)
            && !addresses.iter().any(|known: &LocalAddress| known.ip == ip)
        {
            addresses.push(LocalAddress { ip, interface });
        }
        entry = next;
    }
    // SAFETY: `list` came from getifaddrs and nothing points into it any more.
    unsafe { libc::freeifaddrs(list) };
    Ok(addresses)
}

/// # Safety
///
/// `address` is null or points to a socket address as large as its family says.
unsafe fn address_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: as the caller promises; the family decides which type is read.
    unsafe {
        match i32::from((*address).sa_family) {
            libc::AF_INET => {
                let address = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(IpAddr::V4(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes())))
            }
            libc::AF_INET6 => {
                let address = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)))
            }
            _ => None,
        }
    }
}

fn reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !address.is_loopback() && !address.is_link_local() && !address.is_unspecified()
        }
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_unicast_link_local() && !address.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_listed_that_others_cannot_reach_and_none_twice() {
        let addresses = local_addresses().unwrap();
        for (index, address) in addresses.iter().enumerate() {
            assert!(
                reachable(address.ip) && !address.interface.is_empty(),
                "{address:?}"
            );
            assert!(
                !addresses[..index].iter().any(|other| other.ip == address.ip),
                "{address:?}"
            );
        }
    }

    #[test]
    fn loopback_and_link_local_addresses_count_as_unreachable() {
        for address in ["127.0.0.1", "169.254.1.1", "::1", "fe80::1", "0.0.0.0"] {
            assert!(!reachable(address.parse().unwrap()), "{address}");
        }
        for address in ["192.0.2.2", "10.0.0.1", "2001:db8::1", "fd00::2"] {
            assert!(reachable(address.parse().unwrap()), "{address}");
        }
    }
}
