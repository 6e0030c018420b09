//! How fast one participant may speak. Pure: the clock is an argument.

use crate::limits::{
    REQUEST_BURST, REQUEST_BYTES_BURST, REQUEST_BYTES_PER_SECOND, REQUESTS_PER_SECOND, TOLD_TO_ALL_WEIGHT,
};
use livekit_protocol::signal_request::Message;
use std::time::{Duration, Instant};

/// A bucket of tokens that fills evenly, and may be overdrawn: whoever takes more than there is has to wait until the
/// debt is paid.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    per_second: u32,
    burst: u32,
    /// When it will be full, if nothing is taken.
    full_at: Instant,
}

impl Bucket {
    fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        Bucket {
            per_second,
            burst,
            full_at: now,
        }
    }

    /// The time in which so many come.
    fn time(&self, tokens: u32) -> Duration {
        Duration::from_secs(1) * tokens / self.per_second
    }

    /// Takes tokens; says from when on it is not overdrawn.
    fn take(&mut self, now: Instant, tokens: u32) -> Instant {
        self.full_at = self.full_at.max(now) + self.time(tokens);
        self.full_at
            .checked_sub(self.time(self.burst))
            .unwrap_or(now)
            .max(now)
    }
}

/// What one participant may send; see [`crate::limits`]. Whoever keeps it stops reading that participant's socket for as
/// long as it says, so that a flood waits where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct RequestBudget {
    requests: Bucket,
    bytes: Bucket,
}

impl RequestBudget {
    /// A full budget.
    pub fn new(now: Instant) -> Self {
        RequestBudget {
            requests: Bucket::new(now, REQUESTS_PER_SECOND, REQUEST_BURST),
            bytes: Bucket::new(now, REQUEST_BYTES_PER_SECOND, REQUEST_BYTES_BURST),
        }
    }

    /// Takes a message of so many bytes. `Some`: the budget is overdrawn; nothing more is to be read before that.
    pub fn take(&mut self, now: Instant, bytes: usize, message: Option<&Message>) -> Option<Instant> {
        let weight = match message {
            Some(Message::UpdateMetadata(_)) => TOLD_TO_ALL_WEIGHT,
            _ => 1,
        };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_mul(weight);
        let until = self.requests.take(now, 1).max(self.bytes.take(now, bytes));
        (until > now).then_some(until)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
mod tests {
    use super::*;
    use livekit_protocol::UpdateParticipantMetadata;

    /// How many messages somebody sends in a time who sends as fast as is read.
    fn sent(seconds: u64, bytes: usize, message: Option<&Message>) -> u64 {
        let start = Instant::now();
        let mut now = start;
        let mut budget = RequestBudget::new(start);
        let mut count = 0;
        while now < start + Duration::from_secs(seconds) {
            count += 1;
            now = budget.take(now, bytes, message).unwrap_or(now);
        }
        count
    }

    #[test]
    fn a_flood_is_read_at_the_rate_of_the_budget_and_a_burst_at_once() {
        let (rate, burst) = (u64::from(REQUESTS_PER_SECOND), u64::from(REQUEST_BURST));
        assert!((burst..=burst + rate + 1).contains(&sent(1, 20, None)));
        assert!((burst + 59 * rate..=burst + 60 * rate + 1).contains(&sent(60, 20, None)));
    }

    #[test]
    fn large_messages_are_read_at_the_rate_of_their_bytes_and_what_all_are_told_more_slowly() {
        let len = 512 * 1024;
        let (rate, burst) = (
            u64::from(REQUEST_BYTES_PER_SECOND) / len,
            u64::from(REQUEST_BYTES_BURST) / len,
        );
        let len = len as usize;
        assert!((burst + 59 * rate..=burst + 60 * rate + 1).contains(&sent(60, len, None)));
        let update = Message::UpdateMetadata(UpdateParticipantMetadata::default());
        let (rate, burst) = (
            60 * rate / u64::from(TOLD_TO_ALL_WEIGHT),
            burst / u64::from(TOLD_TO_ALL_WEIGHT),
        );
        assert!((1..=burst + rate + 1).contains(&sent(60, len, Some(&update))));
    }

    #[test]
    fn who_behaves_never_waits_and_a_debt_is_forgotten_once_it_is_paid() {
        let start = Instant::now();
        let mut now = start;
        let mut budget = RequestBudget::new(now);
        for _ in 0..600 {
            now += Duration::from_secs(1) / REQUESTS_PER_SECOND;
            assert_eq!(budget.take(now, 2_000, None), None);
        }
        let until = budget.take(now, usize::MAX, None).unwrap();
        assert!(until > now + Duration::from_secs(60));
        let later = until + Duration::from_secs(10);
        assert_eq!(budget.take(later, 2_000, None), None);
    }
}
