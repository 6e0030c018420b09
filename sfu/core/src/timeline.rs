//! RTP timestamps of one down track: one clock for its whole life, whatever streams are behind it.
//!
//! Receivers tell by it how far apart pictures are, and bring sound and picture together by what sender reports say of it.
//! libwebrtc draws a line through the latest twenty reports, so that a clock that moves against the publisher's costs a
//! minute of bad lip sync. Hence another stream goes on where the publisher's own reports say that it belongs
//! (RFC 3550, section 6.4.1), to the tick. Its first pictures may lie before what has been shown: a key frame is large and
//! comes late. They follow at once, close together, until the clock is theirs again.

use crate::ids::Layer;
use std::time::Duration;

/// What reports say of a switch may differ from the clock of arrival by this much; past it (a publisher whose reports are
/// wrong, one whose clock stood still in between) arrival is right.
const TOLERANCE: Duration = Duration::from_millis(1000);

/// Pictures from before what has been shown follow each other so many times faster than they were captured.
const CATCH_UP: u64 = 64;

/// The latest timestamp that went out, and how long ago.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// With its turns in front.
    pub timestamp: u64,
    /// Since it went out.
    pub age: Duration,
}

/// The timestamps of one down track.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeline {
    /// The stream that goes out, or went out last.
    stream: Option<Layer>,
    /// From its timestamps to ours.
    offset: u64,
    /// Where it began, and the first timestamp that it could have then.
    begin: (u64, u64),
}

impl Timeline {
    /// The distance from the stream's timestamps to ours.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What a timestamp of the stream becomes. Of two, the later one becomes the later one.
    pub fn map(&self, timestamp: u64) -> u64 {
        let (begin, first) = self.begin;
        let since = timestamp.wrapping_sub(begin).cast_signed().max(0).cast_unsigned();
        timestamp.wrapping_add(self.offset).max(first + since / CATCH_UP)
    }

    /// A stream begins, or goes on after a pause, with a packet of this timestamp. `translate` converts it to the clock of
    /// another stream, if sender reports allow. Says whether the clock begins or has moved against the publisher's: then
    /// receivers must hear of it.
    pub fn switch(
        &mut self,
        stream: Layer,
        timestamp: u64,
        shown: Option<Shown>,
        clock_rate_hz: u32,
        translate: impl Fn(Layer, u64) -> Option<u64>,
    ) -> bool {
        let before = self.stream.replace(stream);
        let Some(shown) = shown else {
            (self.offset, self.begin) = (0, (timestamp, 0));
            return true;
        };
        let ticks = |duration: Duration| (duration.as_secs_f64() * f64::from(clock_rate_hz)) as u64;
        let by_arrival = shown.timestamp + ticks(shown.age).max(1);
        let on_its_clock = match before {
            Some(before) if before == stream => Some(timestamp),
            Some(before) => translate(before, timestamp),
            None => None,
        };
        let by_reports = on_its_clock
            .map(|timestamp| timestamp.wrapping_add(self.offset))
            .filter(|ours| ours.abs_diff(by_arrival) < ticks(TOLERANCE));
        let ours = by_reports.unwrap_or(by_arrival);
        self.offset = ours.wrapping_sub(timestamp);
        self.begin = (timestamp, shown.timestamp + 1);
        by_reports.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: u32 = 90_000;
    const FRAME: u64 = 3_000;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn shown(timestamp: u64, age: Duration) -> Option<Shown> {
        Some(Shown { timestamp, age })
    }

    /// A timeline whose small stream has begun with this timestamp.
    fn begun(timestamp: u64) -> Timeline {
        let mut timeline = Timeline::default();
        assert!(
            timeline.switch(Layer(0), timestamp, None, RATE, |_, _| None),
            "it begins"
        );
        timeline
    }

    #[test]
    fn another_stream_goes_on_where_its_reports_say() {
        let mut timeline = begun(1_000_000);
        // The large stream's clock is 5,000,000 ahead; what comes was captured one frame after the latest, and late.
        let moved = timeline.switch(
            Layer(2),
            6_000_000 + FRAME,
            shown(1_000_000, ms(400)),
            RATE,
            |to, timestamp| (to == Layer(0)).then(|| timestamp - 5_000_000),
        );
        assert!(!moved);
        assert_eq!(timeline.map(6_000_000 + FRAME), 1_000_000 + FRAME);
        assert_eq!(timeline.map(6_000_000 + 2 * FRAME), 1_000_000 + 2 * FRAME);
    }

    #[test]
    fn without_reports_it_goes_on_by_the_clock_of_arrival_and_that_is_said() {
        let mut timeline = begun(1_000_000);
        let (latest, nothing) = (shown(1_000_000, ms(50)), |_, _| None);
        assert!(timeline.switch(Layer(1), 77, latest, RATE, nothing));
        assert_eq!(timeline.map(77), 1_004_500);
        // Reports that are off by more than a second are no better than none.
        let wrong = |_, timestamp| Some(timestamp + u64::from(2 * RATE));
        assert!(timeline.switch(Layer(2), 50_000, shown(1_004_500, ms(10)), RATE, wrong));
        assert_eq!(timeline.map(50_000), 1_005_400);
    }

    #[test]
    fn pictures_from_before_what_was_shown_hurry_and_move_nothing() {
        let mut timeline = begun(1_000_000);
        let latest = 1_000_000 + 4 * FRAME;
        // A key frame captured three frames before the latest one that went out.
        let same = |_, timestamp| Some(timestamp);
        assert!(!timeline.switch(Layer(2), 1_000_000 + FRAME, shown(latest, ms(20)), RATE, same));
        let mut before = latest;
        for place in 1..=4 {
            let out = timeline.map(1_000_000 + place * FRAME);
            assert!(out > before && out < latest + FRAME / 4, "{place}: {out}");
            before = out;
        }
        assert_eq!(
            timeline.map(1_000_000 + 5 * FRAME),
            latest + FRAME,
            "on time again"
        );
    }

    #[test]
    fn a_stream_that_goes_on_after_a_pause_keeps_its_clock() {
        let mut timeline = begun(1_000_000);
        let (second, none) = (u64::from(RATE), |_, _| None);
        let mut at = 1_000_000;
        for (pause, held) in [(20, 0), (1, 300), (3_600, 40)] {
            let next = at + pause * second;
            let age = Duration::from_secs(pause) + ms(held);
            assert!(!timeline.switch(Layer(0), next, shown(at, age), RATE, none));
            assert_eq!(timeline.map(next), next, "however long it took to come");
            at = next;
        }
        // A device whose clock stood still meanwhile.
        assert!(timeline.switch(Layer(0), at + FRAME, shown(at, ms(30_000)), RATE, none));
        assert_eq!(timeline.map(at + FRAME), at + 30 * second);
    }

    proptest! {
        /// Whatever streams follow each other, and whatever their clocks and reports say: time goes on.
        #[test]
        fn time_never_goes_back(
            steps in prop::collection::vec((0u8..3, 1u64..6_000, 0u64..200, any::<Option<i32>>(), 1usize..6), 1..60),
        ) {
            let mut timeline = begun(1 << 33);
            let clocks = [1u64 << 33, 1 << 34, 3 << 33];
            let (mut latest, mut captured) = (timeline.map(1 << 33), 0u64);
            for (layer, step, back, report, frames) in steps {
                let own = clocks[usize::from(layer)];
                let key = (captured + step).saturating_sub(back * 90);
                let translate = |to: Layer, timestamp: u64| {
                    let error = i64::from(report?) / 10_000;
                    (timestamp - own + clocks[usize::from(to.0)]).checked_add_signed(error)
                };
                timeline.switch(Layer(layer), own + key, shown(latest, ms(step / 90)), RATE, translate);
                for frame in 0..frames as u64 {
                    captured = key + frame * FRAME;
                    let out = timeline.map(own + captured);
                    prop_assert!(out > latest, "{out} after {latest}");
                    latest = out;
                }
            }
        }
    }
}
