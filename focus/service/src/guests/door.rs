//! How often somebody may be wrong, and how often somebody may come in.
//!
//! A wrong code is counted before it is looked at and taken back when it was right, so questions that come at the same time
//! count as well. Counted are three things: the address that it comes from, the space of codes that is being tried, and
//! all spoken codes and passcodes together.
//!
//! **How likely a guess is.** Of a billion spoken codes, `n` open something. Whoever guesses from as many addresses as they
//! like is let try [`SPOKEN`]'s 50 codes at once and 720 a day after that. So the probability that one of a day's guesses opens a
//! link is at most 770 · n / 10^9: with 100 links one in 13,000, with 1,000 links one in 1,300. Then they are in the lobby with a
//! name that a moderator has to admit, or before a passcode, if the link has one. One address alone has 10 tries and
//! 1,440 a day, which [`SPOKEN`] cuts to the same 770. A passcode is tried at most ten times for each link, ever. A link's
//! secret has 2^192 values; it is counted as well, for the address only, because to refuse all strangers when somebody tries
//! what is hopeless would lock everybody out.
//!
//! The price: whoever sends wrong codes from many addresses can keep spoken codes from being used, as long as they go on. Links
//! go on opening.
//!
//! The counts are in memory: a restart of the focus gives back what was used up.

use crate::limiter::{Limiter, Rate};
use hanse_runtime::ClientAddress;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong tries of one address, of whatever kind.
pub(crate) const ADDRESS: Rate = Rate {
    at_once: 10,
    interval: Duration::from_secs(60),
};

/// Wrong spoken codes of everybody.
pub(crate) const SPOKEN: Rate = Rate {
    at_once: 50,
    interval: Duration::from_secs(120),
};

/// Wrong spoken codes and passcodes of everybody. When it is used up, both wait; links without passcode open.
pub(crate) const OVERALL: Rate = Rate {
    at_once: 300,
    interval: Duration::from_secs(10),
};

/// Guests from one address: a meeting room at another organisation has one for all.
pub(crate) const ENTER_ADDRESS: Rate = Rate {
    at_once: 30,
    interval: Duration::from_secs(5),
};

/// Guests by one link. A meeting begins on the minute, and each guest is a user that is made.
pub(crate) const ENTER_LINK: Rate = Rate {
    at_once: 60,
    interval: Duration::from_secs(1),
};

/// What somebody tries to open a link by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Secret,
    Spoken,
    Passcode,
}

/// Everybody is one.
const EVERYBODY: () = ();

/// Who tried how much.
pub(crate) struct Door {
    addresses: Limiter,
    spoken: Limiter,
    overall: Limiter,
    entering: Limiter,
    links: Limiter,
}

impl Door {
    pub fn new() -> Self {
        Door {
            addresses: Limiter::new(ADDRESS),
            spoken: Limiter::new(SPOKEN),
            overall: Limiter::new(OVERALL),
            entering: Limiter::new(ENTER_ADDRESS),
            links: Limiter::new(ENTER_LINK),
        }
    }

    /// Counts a try as a wrong one, before it is looked at.
    ///
    /// # Errors
    ///
    /// How long to wait: it is not to be looked at.
    pub fn charge(
        &mut self,
        code: Code,
        address: Option<ClientAddress>,
        now: Instant,
    ) -> Result<(), Duration> {
        if let Some(address) = address {
            self.addresses.count(&network(address), now)?;
        }
        let beyond = self.charge_all(code, now);
        if beyond.is_err()
            && let Some(address) = address
        {
            self.addresses.give_back(&network(address));
        }
        beyond
    }

    fn charge_all(&mut self, code: Code, now: Instant) -> Result<(), Duration> {
        match code {
            Code::Secret => {}
            Code::Passcode => self.overall.count(&EVERYBODY, now)?,
            Code::Spoken => {
                self.spoken.count(&EVERYBODY, now)?;
                if let Err(wait) = self.overall.count(&EVERYBODY, now) {
                    self.spoken.give_back(&EVERYBODY);
                    return Err(wait);
                }
            }
        }
        Ok(())
    }

    /// The try was right.
    pub fn give_back(&mut self, code: Code, address: Option<ClientAddress>) {
        if let Some(address) = address {
            self.addresses.give_back(&network(address));
        }
        if code == Code::Spoken {
            self.spoken.give_back(&EVERYBODY);
        }
        if code != Code::Secret {
            self.overall.give_back(&EVERYBODY);
        }
    }

    /// Counts somebody who comes in.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub fn enter(
        &mut self,
        link_id: &str,
        address: Option<ClientAddress>,
        now: Instant,
    ) -> Result<(), Duration> {
        if let Some(address) = address {
            self.entering.count(&network(address), now)?;
        }
        self.links.count(&link_id, now)
    }
}

/// What one customer has: of IPv6 that is a network of 64 bits, in which they choose as many addresses as they like.
fn network(address: ClientAddress) -> IpAddr {
    match address.0.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<ClientAddress> {
        Some(ClientAddress(text.parse().unwrap()))
    }

    fn numbered(number: u32) -> Option<ClientAddress> {
        Some(ClientAddress(IpAddr::from(number.to_be_bytes())))
    }

    #[test]
    fn an_address_that_is_wrong_too_often_waits_and_others_do_not() {
        let now = hanse_runtime::clock::now();
        let mut door = Door::new();
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..ADDRESS.at_once {
            assert_eq!(door.charge(Code::Spoken, one, now), Ok(()));
        }
        for code in [Code::Spoken, Code::Secret, Code::Passcode] {
            assert_eq!(door.charge(code, one, now), Err(ADDRESS.interval), "{code:?}");
            assert_eq!(door.charge(code, other, now), Ok(()));
        }
        assert_eq!(door.charge(Code::Spoken, one, now + ADDRESS.interval), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_and_mapped_ones_are_those_of_ipv4() {
        let now = hanse_runtime::clock::now();
        let mut door = Door::new();
        for last in 0..ADDRESS.at_once {
            door.charge(Code::Secret, address(&format!("2001:db8:1:2:{last:x}::1")), now)
                .unwrap();
            door.charge(Code::Secret, address("192.0.2.1"), now).unwrap();
        }
        for same in ["2001:db8:1:2:ffff::9", "::ffff:192.0.2.1"] {
            assert!(door.charge(Code::Secret, address(same), now).is_err(), "{same}");
        }
        assert_eq!(door.charge(Code::Secret, address("2001:db8:1:3::1"), now), Ok(()));
    }

    #[test]
    fn guesses_from_everywhere_get_no_more_spoken_codes_in_a_day_than_the_page_above_says() {
        let began = hanse_runtime::clock::now();
        let mut door = Door::new();
        let mut tried = 0;
        // Every ten seconds from five addresses that nobody has seen before.
        for round in 0..8_640_u32 {
            let now = began + Duration::from_secs(10) * round;
            for guess in 0..5 {
                tried += u32::from(
                    door.charge(Code::Spoken, numbered(round * 5 + guess), now)
                        .is_ok(),
                );
            }
        }
        assert!((765..=770).contains(&tried), "{tried}");
    }

    #[test]
    fn who_is_right_uses_nothing_up() {
        let now = hanse_runtime::clock::now();
        let mut door = Door::new();
        for _ in 0..1000 {
            for code in [Code::Spoken, Code::Secret, Code::Passcode] {
                assert_eq!(door.charge(code, address("192.0.2.1"), now), Ok(()));
                door.give_back(code, address("192.0.2.1"));
            }
        }
    }

    #[test]
    fn when_codes_wait_because_of_others_links_open_all_the_same_and_no_address_pays_for_it() {
        let now = hanse_runtime::clock::now();
        let mut door = Door::new();
        for guess in 0..OVERALL.at_once {
            door.charge(Code::Passcode, numbered(guess), now).unwrap();
        }
        let honest = address("192.0.2.1");
        for _ in 0..=ADDRESS.at_once {
            assert!(door.charge(Code::Spoken, honest, now).is_err());
            assert!(door.charge(Code::Passcode, honest, now).is_err());
        }
        assert_eq!(door.charge(Code::Secret, honest, now), Ok(()));
        // Whoever has a link cannot win guesses by opening it.
        door.give_back(Code::Secret, honest);
        assert!(door.charge(Code::Passcode, honest, now).is_err());
    }

    #[test]
    fn a_crowd_comes_in_and_a_flood_waits() {
        let now = hanse_runtime::clock::now();
        let mut door = Door::new();
        for guest in 0..ENTER_LINK.at_once {
            assert_eq!(door.enter("link", numbered(guest), now), Ok(()));
        }
        assert!(door.enter("link", numbered(1_000), now).is_err());
        assert_eq!(door.enter("another", numbered(1_000), now), Ok(()));
        let mut one = Door::new();
        let let_in = (0..1000).filter(|guest| {
            one.enter(&format!("link {guest}"), address("192.0.2.1"), now)
                .is_ok()
        });
        assert_eq!(let_in.count(), ENTER_ADDRESS.at_once as usize);
    }
}
