//! How much of a peer's data is taken, and how fast a peer takes ours.

use std::time::{Duration, Instant};

/// Bytes of data-channel messages that are taken from one peer in a second; more would let one peer keep everybody's
/// connection and the shard busy, since each message goes out once for each receiver. Beyond: they wait with the peer.
pub(super) const INTAKE_BYTES_PER_SECOND: u32 = 1024 * 1024;

/// Bytes that may be taken at once after a pause.
pub(super) const INTAKE_BURST: i64 = 1024 * 1024;

/// What a message costs beyond its bytes, so that a flood of small ones is bounded, too: 4096 a second.
const MESSAGE_COST: i64 = 256;

/// A peer's intake: a bucket that fills at a constant rate.
pub(super) struct Budget {
    bytes: i64,
    filled_at: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            bytes: INTAKE_BURST,
            filled_at: None,
        }
    }
}

impl Budget {
    /// Whether another message may be taken. One that is too large for what is left makes a debt.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let since = self.filled_at.get_or_insert(now);
        let passed = now.saturating_duration_since(*since).as_secs_f64();
        let filled = (passed * f64::from(INTAKE_BYTES_PER_SECOND)) as i64;
        if filled > 0 {
            self.bytes = self.bytes.saturating_add(filled).min(INTAKE_BURST);
            self.filled_at = Some(now);
        }
        self.bytes > 0
    }

    pub(super) fn spend(&mut self, len: usize) {
        self.bytes -= MESSAGE_COST + i64::try_from(len).unwrap_or(i64::MAX / 2);
    }

    /// When a debt is paid.
    pub(super) fn blocked_until(&self) -> Option<Instant> {
        let debt = u64::try_from(1 - self.bytes).ok().filter(|debt| *debt > 0)?;
        let wait = Duration::from_secs_f64(debt as f64 / f64::from(INTAKE_BYTES_PER_SECOND));
        Some(self.filled_at? + wait)
    }
}

/// Time over which a rate is measured.
const RATE_WINDOW: Duration = Duration::from_millis(250);

/// How fast a peer takes what is sent to it. Pauses make it too low; that heals itself, since a peer that takes more is
/// then sent more.
#[derive(Default)]
pub(super) struct DrainRate {
    since: Option<Instant>,
    bytes: usize,
    bytes_per_second: f64,
}

impl DrainRate {
    pub(super) fn took(&mut self, now: Instant, bytes: usize) {
        let since = *self.since.get_or_insert(now);
        self.bytes = self.bytes.saturating_add(bytes);
        let passed = now.saturating_duration_since(since);
        if passed >= RATE_WINDOW {
            self.bytes_per_second = self.bytes as f64 / passed.as_secs_f64();
            self.since = Some(now);
            self.bytes = 0;
        }
    }

    /// How much it takes in so long a time.
    pub(super) fn bytes_in(&self, time: Duration) -> usize {
        (self.bytes_per_second * time.as_secs_f64()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_by_a_burst_and_fills_at_its_rate() {
        let start = Instant::now();
        let mut budget = Budget::default();
        let mut taken = 0;
        while budget.allows(start) {
            budget.spend(1000);
            taken += 1000;
        }
        assert!(taken <= INTAKE_BURST as usize, "{taken}");
        let resumes = budget.blocked_until().unwrap();
        assert!(
            !budget.allows(resumes - Duration::from_millis(1))
                && budget.allows(resumes + Duration::from_micros(2))
        );
        let mut later = 0;
        for ms in 1..=1000 {
            let now = resumes + Duration::from_millis(ms);
            while budget.allows(now) {
                budget.spend(1000);
                later += 1000;
            }
        }
        let fair = f64::from(INTAKE_BYTES_PER_SECOND) * 1000.0 / 1256.0;
        assert!((f64::from(later) / fair - 1.0).abs() < 0.02, "{later} of {fair}");
    }

    #[test]
    fn small_messages_cost_more_than_their_bytes() {
        let now = Instant::now();
        let mut budget = Budget::default();
        let mut count = 0;
        while budget.allows(now) {
            budget.spend(1);
            count += 1;
        }
        assert!(count <= 4096, "{count}");
    }

    #[test]
    fn a_rate_follows_what_is_taken() {
        let start = Instant::now();
        let mut rate = DrainRate::default();
        assert_eq!(rate.bytes_in(Duration::from_secs(1)), 0);
        for ms in (0..=1000).step_by(10) {
            rate.took(start + Duration::from_millis(ms), 1000);
        }
        let measured = rate.bytes_in(Duration::from_secs(1));
        assert!((95_000..=110_000).contains(&measured), "{measured}");
    }
}
