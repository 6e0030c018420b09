//! How often somebody may ask.
//!
//! Counted are people, once they are proven; before that, homeservers of others that people name, and addresses: they cost
//! us a question to that homeserver. An address may have an office of hundreds behind it, so it may ask for a lot.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

/// How often: so many requests at once, and after that one in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests at once.
    pub at_once: u32,
    /// One more after this time.
    pub interval: Duration,
}

/// For one person. A join takes one to three requests on each SFU; a page that is loaded again and again must not lock its
/// owner out.
pub const PERSON: Rate = Rate {
    at_once: 30,
    interval: Duration::from_secs(2),
};

/// For one homeserver of others. A large meeting begins on the minute.
pub const HOMESERVER: Rate = Rate {
    at_once: 600,
    interval: Duration::from_millis(50),
};

/// For one address.
pub const ADDRESS: Rate = Rate {
    at_once: 600,
    interval: Duration::from_millis(50),
};

/// People, homeservers or addresses that are counted at a time, some 32 bytes each; who has not asked for a minute is not.
/// Beyond it those who are not counted yet go uncounted: a crowd must not be locked out.
pub const COUNTED_MAX: usize = 16_384;

/// A bounded table of who asked how much. It holds no ids and no addresses, only keyed hashes of them.
pub(crate) struct Limiter {
    rate: Rate,
    /// For each, the moment at which everything is paid back (the generic cell rate algorithm's arrival time).
    paid_at: HashMap<u64, Instant>,
    key: RandomState,
}

impl Limiter {
    /// A table in which nobody is counted yet.
    pub(crate) fn new(rate: Rate) -> Self {
        Limiter {
            rate,
            paid_at: HashMap::new(),
            key: RandomState::new(),
        }
    }

    /// Counts one request.
    ///
    /// # Errors
    ///
    /// How long to wait, when there were too many.
    pub(crate) fn count(&mut self, who: &impl Hash, now: Instant) -> Result<(), Duration> {
        let who = self.key.hash_one(who);
        if self.paid_at.len() >= COUNTED_MAX && !self.paid_at.contains_key(&who) {
            self.paid_at.retain(|_, paid_at| *paid_at > now);
            if self.paid_at.len() >= COUNTED_MAX {
                return Ok(());
            }
        }
        let paid_at = self.paid_at.entry(who).or_insert(now);
        let next = (*paid_at).max(now) + self.rate.interval;
        let ahead = next.saturating_duration_since(now);
        let allowed = self.rate.interval * self.rate.at_once;
        if ahead > allowed {
            return Err(ahead - allowed);
        }
        *paid_at = next;
        Ok(())
    }

    /// Takes back what was counted for one request.
    pub(crate) fn give_back(&mut self, who: &impl Hash) {
        let who = self.key.hash_one(who);
        if let Some(paid_at) = self.paid_at.get_mut(&who) {
            // Before that moment nothing is owed anyway.
            *paid_at = paid_at.checked_sub(self.rate.interval).unwrap_or(*paid_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_matrixrtc::UserId;

    fn user(name: usize) -> UserId {
        format!("@u{name}:org-a.example").parse().unwrap()
    }

    #[test]
    fn who_asks_too_often_waits_and_others_do_not() {
        let now = hanse_runtime::clock::now();
        let mut limiter = Limiter::new(PERSON);
        for _ in 0..PERSON.at_once {
            assert_eq!(limiter.count(&user(1), now), Ok(()));
        }
        assert_eq!(limiter.count(&user(1), now), Err(PERSON.interval));
        assert_eq!(limiter.count(&user(2), now), Ok(()));
        let half = now + PERSON.interval / 2;
        assert_eq!(limiter.count(&user(1), half), Err(PERSON.interval / 2));
        let later = now + PERSON.interval;
        assert_eq!(limiter.count(&user(1), later), Ok(()));
        assert!(
            limiter.count(&user(1), later).is_err(),
            "one came back, not thirty"
        );
    }

    #[test]
    fn what_is_given_back_may_be_asked_once_more_and_not_twice() {
        let now = hanse_runtime::clock::now();
        let mut limiter = Limiter::new(PERSON);
        for _ in 0..PERSON.at_once {
            limiter.count(&user(1), now).unwrap();
        }
        limiter.give_back(&user(1));
        limiter.give_back(&user(2));
        assert_eq!(limiter.count(&user(1), now), Ok(()));
        assert!(limiter.count(&user(1), now).is_err());
    }

    #[test]
    fn a_full_table_locks_nobody_out_and_forgets_who_was_quiet() {
        let now = hanse_runtime::clock::now();
        let mut limiter = Limiter::new(PERSON);
        for name in 0..COUNTED_MAX {
            limiter.count(&user(name), now).unwrap();
        }
        for _ in 0..=PERSON.at_once {
            assert_eq!(limiter.count(&user(COUNTED_MAX), now), Ok(()));
        }
        assert_eq!(limiter.paid_at.len(), COUNTED_MAX);
        limiter.count(&user(COUNTED_MAX), now + PERSON.interval).unwrap();
        assert_eq!(limiter.paid_at.len(), 1);
    }
}
