//! Whether the application sends far less than the link carries (an application-limited region; goog_cc's `AlrDetector`):
//! then nothing is learned about the link but by probing.

/// The region is where less than this share of the estimate is sent.
const USAGE: f64 = 0.65;

/// The budget of unused bytes spans this much time.
const WINDOW_US: f64 = 500_000.0;

/// It begins when the budget is this full …
const BEGINS_ABOVE: f64 = 0.80;
/// … and ends when it has fallen to this.
const ENDS_BELOW: f64 = 0.50;

/// A budget that fills with time and empties with what is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlrDetector {
    left: f64,
    updated_us: Option<i64>,
    since_us: Option<i64>,
}

impl AlrDetector {
    /// What was sent since the last call, against the present estimate.
    pub fn update(&mut self, now_us: i64, sent_bytes: u64, estimate_bps: f64) {
        let elapsed = now_us - self.updated_us.replace(now_us).unwrap_or(now_us);
        let per_us = estimate_bps * USAGE / 8e6;
        let full = (per_us * WINDOW_US).max(1.0);
        let left = self.left - sent_bytes as f64 + per_us * elapsed.max(0) as f64;
        self.left = left.max(-full).min(full);
        let share = self.left / full;
        if self.since_us.is_none() && share > BEGINS_ABOVE {
            self.since_us = Some(now_us);
        } else if share < ENDS_BELOW {
            self.since_us = None;
        }
    }

    /// Since when the application limits itself, if it does.
    pub fn since_us(&self) -> Option<i64> {
        self.since_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_where_little_is_sent_for_half_a_second_and_ends_where_much_is() {
        let mut alr = AlrDetector::default();
        let run = |alr: &mut AlrDetector, from_ms: i64, bps: u64| {
            (from_ms..from_ms + 2_000)
                .step_by(10)
                .find(|ms| {
                    let before = alr.since_us();
                    alr.update(ms * 1_000, bps / 800, 1e6);
                    before.is_some() != alr.since_us().is_some()
                })
                .map(|ms| ms - from_ms)
        };
        assert_eq!(run(&mut alr, 0, 700_000), None, "more than 65 %");
        let begun = run(&mut alr, 2_000, 100_000).unwrap();
        assert!((400..1_300).contains(&begun), "{begun} ms");
        let ended = run(&mut alr, 4_000, 1_000_000).unwrap();
        assert!(ended < 1_000, "{ended} ms");
    }
}
