//! How long media stays in the node: from the moment at which a shard has woken up and reads it, to the moment at which
//! everybody who gets it has been sent it.
//!
//! A shard looks at its clock once more for one wake-up in [`SPACING`] at most, so that this costs nothing per packet; the
//! control task puts what all of them have measured together.

use crate::metrics::{FORWARD_JITTER, FORWARD_LATENCIES, FORWARD_LATENCY};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Between two samples of a shard.
const SPACING: Duration = Duration::from_millis(20);

/// Samples of a shard that wait to be taken; further ones are dropped. Two seconds' worth.
const SAMPLES_MAX: usize = 100;

/// Over how long averages go.
const WINDOW: Duration = Duration::from_secs(60);

/// Lists of samples that may wait for the control task, of all shards. When it is full they are dropped.
pub(crate) const LISTS_MAX: usize = 256;

/// What one shard has measured.
pub(crate) type Samples = Vec<Duration>;

/// Of one shard.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    due: Option<Instant>,
    samples: Samples,
}

impl Stopwatch {
    /// Whether the wake-up of this moment is to be measured, if it forwards anything.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| now >= due) && self.samples.len() < SAMPLES_MAX
    }

    /// Notes a wake-up that has forwarded something.
    pub fn note(&mut self, woken: Instant, sent: Instant) {
        self.due = Some(woken + SPACING);
        self.samples.push(sent.saturating_duration_since(woken));
    }

    /// What was noted since the last call.
    pub fn take(&mut self) -> Samples {
        std::mem::take(&mut self.samples)
    }
}

/// Of the node. At most one entry for each list of samples of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    window: VecDeque<(Instant, Summary)>,
}

/// Of some samples.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Forwarding {
    /// Takes what a shard has measured.
    pub fn take(&mut self, now: Instant, samples: &[Duration]) {
        let mut own = Summary::default();
        for sample in samples {
            let nanoseconds = sample.as_secs_f64() * 1e9;
            FORWARD_LATENCIES.record(nanoseconds, []);
            own.count += 1.0;
            own.sum += nanoseconds;
            own.squares += nanoseconds * nanoseconds;
        }
        self.window.push_back((now, own));
        while let Some((at, _)) = self.window.front()
            && now.saturating_duration_since(*at) >= WINDOW
        {
            self.window.pop_front();
        }
        let mut all = Summary::default();
        for (_, own) in &self.window {
            all.count += own.count;
            all.sum += own.sum;
            all.squares += own.squares;
        }
        if all.count > 0.0 {
            let mean = all.sum / all.count;
            let variance = (all.squares / all.count - mean * mean).max(0.0);
            FORWARD_LATENCY.set(mean as usize, []);
            FORWARD_JITTER.set(variance.sqrt() as usize, []);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::METRICS;
    use hanse_runtime::clock;
    use hanse_runtime::metrics::recorder;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_wake_up_in_a_while_is_measured_and_what_nobody_takes_does_not_pile_up() {
        let start = clock::now();
        let mut watch = Stopwatch::default();
        assert!(watch.is_due(start));
        watch.note(start, start + MS);
        assert!(!watch.is_due(start + SPACING / 2));
        assert!(watch.is_due(start + SPACING));
        assert_eq!(watch.take(), [MS]);
        let mut now = start + SPACING;
        for _ in 0..10_000 {
            now += SPACING;
            if watch.is_due(now) {
                watch.note(now, now + MS);
            }
        }
        assert_eq!(watch.take().len(), SAMPLES_MAX);
    }

    #[test]
    fn averages_are_those_of_all_shards_over_the_last_minute() {
        let (recorder, counted) = recorder(&METRICS).unwrap();
        let mut forwarding = Forwarding::default();
        let start = clock::now();
        let mut at = |seconds, samples: &[Duration]| {
            metrics::with_local_recorder(&recorder, || {
                forwarding.take(start + Duration::from_secs(seconds), samples);
            });
            counted.tidy();
            counted.text_of("livekit_forward")
        };
        at(0, &[MS * 30]);
        at(1, &[MS, MS * 3]);
        let text = at(60, &[MS * 2, MS * 2]);
        for line in [
            "livekit_forward_latency 2000000",
            "livekit_forward_jitter 707106",
            "livekit_forward_latency_ns_bucket{le=\"1000000\"} 1",
            "livekit_forward_latency_ns_bucket{le=\"20000000\"} 4",
            "livekit_forward_latency_ns_count 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        let text = at(200, &[]);
        assert!(
            text.contains("livekit_forward_latency 2000000\n"),
            "nothing new is no news"
        );
        assert!(forwarding.window.len() <= 1);
    }
}
