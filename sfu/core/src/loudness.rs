//! How loud a microphone is: from the level that every audio packet announces (RFC 6464, client to mixer) to one number
//! per window, smoothed, as LiveKit's servers compute it, so that clients light up the same speakers.
//!
//! In: levels, as packets arrive. Out: a linear loudness every [`SPEAKER_WINDOW`] while somebody speaks. A window counts
//! when at least 40 % of it is at or above −35 dBov; its loudest level is lowered by the share that was not, and
//! smoothed over two windows. A meter that hears nothing needs no timer.

use crate::SPEAKER_WINDOW;
use std::time::{Duration, Instant};

/// The quietest level that counts as speech, in −dBov. LiveKit's default; higher lets breathing through.
const ACTIVE_LEVEL: u8 = 35;

/// Share of a window that must be speech, in percent. LiveKit's default; lower lets a cough through.
const ACTIVE_PERCENT_MIN: u32 = 40;

/// Windows over which the moving average has its weight.
const SMOOTHED_WINDOWS: f32 = 2.0;

/// Measures one microphone.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoudnessMeter {
    /// End of the running window; `None` while silent and nothing has arrived.
    window_end: Option<Instant>,
    last_level_at: Option<Instant>,
    heard: bool,
    active: Duration,
    /// In −dBov; means something only while `active` is above zero.
    loudest: u8,
    smoothed: f32,
    speaking: bool,
}

impl LoudnessMeter {
    /// A silent meter.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet of `duration` (milliseconds of sound; 20 for nearly every sender) arrived with this level in −dBov,
    /// 0 (loudest) to 127 (silence).
    pub fn on_level(&mut self, now: Instant, level_dbov: u8, duration: u32) {
        self.window_end.get_or_insert(now + SPEAKER_WINDOW);
        self.last_level_at = Some(now);
        self.heard = true;
        if level_dbov > ACTIVE_LEVEL {
            return;
        }
        self.loudest = if self.active.is_zero() {
            level_dbov
        } else {
            self.loudest.min(level_dbov)
        };
        // A packet longer than the window (not possible with Opus) must not make more than a full window of it.
        let duration = Duration::from_millis(u64::from(duration)).min(SPEAKER_WINDOW);
        self.active = self.active.saturating_add(duration);
    }

    /// Closes the window when it is over: loudness from 0 to 1 while speaking, 0 once when that ends, else `None`.
    /// Loss of every packet for less than two windows changes nothing.
    pub fn poll_window(&mut self, now: Instant) -> Option<f32> {
        let end = self.poll_timeout().filter(|end| now >= *end)?;
        let lost_in_between = !self.heard
            && self
                .last_level_at
                .is_some_and(|at| now.saturating_duration_since(at) < SPEAKER_WINDOW * 2);
        if !lost_in_between {
            self.smoothed = self.window_level().map_or(0.0, |level| {
                let weight = 2.0 / (SMOOTHED_WINDOWS + 1.0);
                self.smoothed + (level - self.smoothed) * weight
            });
        }
        self.heard = false;
        self.active = Duration::ZERO;
        let was_speaking = self.speaking;
        self.speaking = self.smoothed >= linear(f32::from(ACTIVE_LEVEL));
        // The next window follows at once while there is something to smooth; a silent one waits for a packet. After a
        // long time without polls the rhythm starts anew instead of catching up.
        let next_end = end + SPEAKER_WINDOW;
        self.window_end = (self.smoothed > 0.0).then_some(if next_end > now {
            next_end
        } else {
            now + SPEAKER_WINDOW
        });
        if self.speaking {
            Some(self.smoothed)
        } else {
            was_speaking.then_some(0.0)
        }
    }

    /// When [`LoudnessMeter::poll_window`] has something to do.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.window_end
    }

    /// The running window's loudness, if enough of it was speech.
    fn window_level(&self) -> Option<f32> {
        if self.active < SPEAKER_WINDOW * ACTIVE_PERCENT_MIN / 100 {
            return None;
        }
        let share = self.active.as_secs_f32() / SPEAKER_WINDOW.as_secs_f32();
        Some(linear(f32::from(self.loudest) - 20.0 * share.min(1.0).log10()))
    }
}

/// Decibels below full scale as a factor.
fn linear(level: f32) -> f32 {
    10_f32.powf(-level / 20.0)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACKET: Duration = Duration::from_millis(20);

    /// One window of packets, `active` of twenty at `level` and the others silent, then the poll that closes it.
    fn window(meter: &mut LoudnessMeter, now: &mut Instant, active: usize, level: u8) -> Option<f32> {
        for packet in 0..20 {
            assert_eq!(meter.poll_window(*now), None, "in the middle of a window");
            meter.on_level(*now, if packet < active { level } else { 127 }, 20);
            *now += PACKET;
        }
        meter.poll_window(*now)
    }

    #[test]
    fn steady_speech_is_reported_every_window_and_approaches_its_level() {
        let (mut meter, mut now) = (LoudnessMeter::new(), Instant::now());
        let first = window(&mut meter, &mut now, 20, 20).unwrap();
        assert!((first - 0.1 * 2.0 / 3.0).abs() < 1e-6, "{first}");
        let second = window(&mut meter, &mut now, 20, 20).unwrap();
        assert!(
            (second - (first + (0.1 - first) * 2.0 / 3.0)).abs() < 1e-6,
            "{second}"
        );
    }

    #[test]
    fn forty_percent_of_speech_counts_at_that_share_and_less_does_not() {
        let (mut meter, mut now) = (LoudnessMeter::new(), Instant::now());
        let level = window(&mut meter, &mut now, 8, 0).unwrap();
        assert!((level - 0.4 * 2.0 / 3.0).abs() < 1e-6, "{level}");
        let (mut meter, mut now) = (LoudnessMeter::new(), Instant::now());
        assert_eq!(window(&mut meter, &mut now, 7, 0), None);
    }

    #[test]
    fn a_level_of_35_counts_and_36_does_not() {
        for (level, speaks) in [(35, true), (36, false)] {
            let (mut meter, mut now) = (LoudnessMeter::new(), Instant::now());
            window(&mut meter, &mut now, 20, 0);
            assert_eq!(
                window(&mut meter, &mut now, 20, level),
                Some(if speaks {
                    let (before, target) = (2.0 / 3.0, linear(35.0));
                    before + (target - before) * (2.0 / 3.0)
                } else {
                    0.0
                })
            );
        }
    }

    #[test]
    fn silence_is_reported_once_and_then_needs_no_timer() {
        let (mut meter, mut now) = (LoudnessMeter::new(), Instant::now());
        assert!(window(&mut meter, &mut now, 20, 10).is_some());
        assert_eq!(window(&mut meter, &mut now, 0, 10), Some(0.0));
        assert_eq!(meter.poll_timeout(), None);
        assert_eq!(window(&mut meter, &mut now, 0, 10), None);
        assert!(window(&mut meter, &mut now, 20, 10).is_some());
    }

    #[test]
    fn a_muted_microphone_keeps_its_level_for_one_empty_window_and_then_falls_silent() {
        let (mut meter, mut now) = (LoudnessMeter::new(), Instant::now());
        let level = window(&mut meter, &mut now, 20, 10);
        now = meter.poll_timeout().unwrap();
        assert_eq!(meter.poll_window(now), level);
        now = meter.poll_timeout().unwrap();
        assert_eq!(meter.poll_window(now), Some(0.0));
        assert_eq!(meter.poll_timeout(), None);
    }

    #[test]
    fn a_poll_that_comes_far_too_late_closes_one_window_only() {
        let (mut meter, mut now) = (LoudnessMeter::new(), Instant::now());
        window(&mut meter, &mut now, 20, 10);
        meter.on_level(now, 10, 20);
        now += Duration::from_secs(60);
        assert_eq!(meter.poll_window(now), Some(0.0));
        assert_eq!(meter.poll_window(now), None);
    }

    proptest! {
        #[test]
        fn loudness_stays_between_0_and_1(packets in prop::collection::vec((any::<u8>(), 0_u32..5_000, 0_u64..900), 0..300)) {
            let (mut meter, mut now) = (LoudnessMeter::new(), Instant::now());
            for (level, duration, pause) in packets {
                meter.on_level(now, level, duration);
                now += Duration::from_millis(pause);
                if let Some(loudness) = meter.poll_window(now) {
                    prop_assert!((0.0..=1.0).contains(&loudness));
                }
            }
        }
    }
}
