//! How often one person may ask.
//!
//! Counted is who is proven. Strangers who cannot prove anything are bounded where they cost something, by the adapter
//! of [`crate::Homeserver`]; by address nobody is counted, because behind a reverse proxy all have the same one.

use hanse_matrixrtc::UserId;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Requests that one person may make at once. A join takes one to three on each SFU; a page that is loaded again and
/// again must not lock its owner out.
pub const REQUESTS_AT_ONCE: u32 = 30;

/// After that, one request in this time.
pub const REQUEST_INTERVAL: Duration = Duration::from_secs(2);

/// People who are counted at a time, some 32 bytes each; who has not asked for a minute is not. Beyond it people who
/// are not counted yet go uncounted: they are proven, and a crowd must not be locked out.
pub const COUNTED_MAX: usize = 16_384;

/// A bounded table of who asked how much. It holds no ids, only keyed hashes of them.
#[derive(Default)]
pub(crate) struct Limiter {
    /// Per person, the moment at which everything is paid back (the generic cell rate algorithm's arrival time).
    paid_at: HashMap<u64, Instant>,
    key: RandomState,
}

impl Limiter {
    /// Counts one request.
    ///
    /// # Errors
    ///
    /// How long to wait, when there were too many.
    pub(crate) fn count(&mut self, user: &UserId, now: Instant) -> Result<(), Duration> {
        let person = self.key.hash_one(user);
        if self.paid_at.len() >= COUNTED_MAX && !self.paid_at.contains_key(&person) {
            self.paid_at.retain(|_, paid_at| *paid_at > now);
            if self.paid_at.len() >= COUNTED_MAX {
                return Ok(());
            }
        }
        let paid_at = self.paid_at.entry(person).or_insert(now);
        let next = (*paid_at).max(now) + REQUEST_INTERVAL;
        let ahead = next.saturating_duration_since(now);
        let allowed = REQUEST_INTERVAL * REQUESTS_AT_ONCE;
        if ahead > allowed {
            return Err(ahead - allowed);
        }
        *paid_at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: usize) -> UserId {
        format!("@u{name}:org-a.example").parse().unwrap()
    }

    #[test]
    fn who_asks_too_often_waits_and_others_do_not() {
        let now = hanse_runtime::clock::now();
        let mut limiter = Limiter::default();
        for _ in 0..REQUESTS_AT_ONCE {
            assert_eq!(limiter.count(&user(1), now), Ok(()));
        }
        assert_eq!(limiter.count(&user(1), now), Err(REQUEST_INTERVAL));
        assert_eq!(limiter.count(&user(2), now), Ok(()));
        let half = now + REQUEST_INTERVAL / 2;
        assert_eq!(limiter.count(&user(1), half), Err(REQUEST_INTERVAL / 2));
        let later = now + REQUEST_INTERVAL;
        assert_eq!(limiter.count(&user(1), later), Ok(()));
        assert!(
            limiter.count(&user(1), later).is_err(),
            "one came back, not thirty"
        );
    }

    #[test]
    fn a_full_table_locks_nobody_out_and_forgets_who_was_quiet() {
        let now = hanse_runtime::clock::now();
        let mut limiter = Limiter::default();
        for name in 0..COUNTED_MAX {
            limiter.count(&user(name), now).unwrap();
        }
        for _ in 0..=REQUESTS_AT_ONCE {
            assert_eq!(limiter.count(&user(COUNTED_MAX), now), Ok(()));
        }
        assert_eq!(limiter.paid_at.len(), COUNTED_MAX);
        limiter.count(&user(COUNTED_MAX), now + REQUEST_INTERVAL).unwrap();
        assert_eq!(limiter.paid_at.len(), 1);
    }
}
