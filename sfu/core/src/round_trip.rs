//! How long a packet takes to a peer and back, by which repetitions are paced.
//!
//! Two kinds of reports tell it. A peer that receives from us echoes the times of our sender reports (RFC 3550,
//! section 6.4.1). One that only sends echoes a reference time that we send it (RFC 3611, sections 4.4 and 4.5); browsers
//! and LiveKit's SDKs do. Of one that does neither, the retransmissions that it was asked for say how far away it is
//! ([`crate::nack`]).

use std::time::Duration;

/// A longer one is no measurement, but a peer that makes its numbers up.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// Both ends round their times to 1/65,536 s: a round trip may come out this much below nothing.
const ROUNDING: i32 = 66;

/// What a new measurement counts (RFC 6298, section 2): an eighth, so that one report that was held up does not matter.
const SMOOTHING: u32 = 8;

/// The round trip to one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTrip {
    smoothed: Option<Duration>,
}

impl RoundTrip {
    /// Takes a measurement.
    pub fn measure(&mut self, measured: Duration) {
        let measured = measured.min(ROUND_TRIP_MAX);
        self.smoothed = Some(match self.smoothed {
            Some(smoothed) => (smoothed * (SMOOTHING - 1) + measured) / SMOOTHING,
            None => measured,
        });
    }

    /// The smoothed one; `None` before the first measurement.
    pub fn smoothed(self) -> Option<Duration> {
        self.smoothed
    }
}

/// A reference time, NTP format. The first second is left out, because 0 in an echo means that none has come.
pub fn reference(since_start: Duration) -> u64 {
    ntp(since_start + Duration::from_secs(1))
}

/// A span in NTP format: seconds in the upper half, fraction in the lower.
pub fn ntp(span: Duration) -> u64 {
    (span.as_secs() << 32) + (u64::from(span.subsec_nanos()) << 32) / 1_000_000_000
}

/// The round trip that follows from an echo of [`reference`] which comes now. `None`: the peer has had none yet, or
/// says what cannot be.
pub fn by_echo(since_start: Duration, time: u32, delay: u32) -> Option<Duration> {
    if time == 0 {
        return None;
    }
    let now = (reference(since_start) >> 16) as u32;
    let ticks = now.wrapping_sub(time).wrapping_sub(delay).cast_signed();
    let ticks = if ticks >= -ROUNDING {
        ticks.max(0)
    } else {
        return None;
    };
    let round_trip = Duration::from_secs_f64(f64::from(ticks) / 65_536.0);
    (round_trip <= ROUND_TRIP_MAX).then_some(round_trip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn middle(since_start: Duration) -> u32 {
        (reference(since_start) >> 16) as u32
    }

    #[test]
    fn an_echo_tells_the_way_there_and_back_without_the_time_it_was_held() {
        for began in [
            ms(0),
            ms(500),
            Duration::from_secs(65_536 * 3 - 2),
            Duration::from_secs(1 << 32),
        ] {
            let held = 65_536 * 4 / 10;
            let measured = by_echo(began + ms(400 + 120), middle(began), held).unwrap();
            assert!(
                measured.abs_diff(ms(120)) < Duration::from_micros(50),
                "{measured:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_is_no_measurement() {
        let now = Duration::from_secs(100);
        assert_eq!(by_echo(now, 0, 0), None, "the peer has had none");
        let time = middle(now);
        assert_eq!(by_echo(now, time, 1), Some(Duration::ZERO), "rounded");
        assert_eq!(
            by_echo(now, time, 6_554),
            None,
            "held for longer than it was away"
        );
        assert_eq!(by_echo(now, middle(ms(0)), 0), None, "100 s");
    }

    #[test]
    fn one_late_report_hardly_matters_and_a_longer_way_does_after_some() {
        let mut round_trip = RoundTrip::default();
        assert_eq!(round_trip.smoothed(), None);
        round_trip.measure(ms(40));
        assert_eq!(round_trip.smoothed(), Some(ms(40)));
        round_trip.measure(ms(440));
        assert_eq!(round_trip.smoothed(), Some(ms(90)));
        (0..16).for_each(|_| round_trip.measure(ms(300)));
        let smoothed = round_trip.smoothed().unwrap();
        assert!((ms(270)..ms(300)).contains(&smoothed), "{smoothed:?}");
        round_trip.measure(Duration::MAX);
        assert!(round_trip.smoothed().unwrap() < ms(1_600));
    }

    proptest! {
        #[test]
        fn no_echo_panics_or_takes_long(now_ms: u64, time: u32, delay: u32) {
            let now = ms(now_ms / 2);
            prop_assert!(by_echo(now, time, delay).is_none_or(|measured| measured <= ROUND_TRIP_MAX));
        }
    }
}
