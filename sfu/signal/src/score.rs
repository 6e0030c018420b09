//! How well one track comes in from its publisher, or goes out to one subscriber, from 0 to 100; pure.
//!
//! As LiveKit's server weighs it (`pkg/sfu/connectionquality/scorer.go`): the worse of a simplified E-model of loss and
//! delay, and of the layers that are missing. A fall is believed faster than a recovery. Bitrates are not compared with
//! what a publisher has announced, which LiveKit's server can, but does not unless told to: a covered camera needs hardly
//! any bits.

use crate::limits::QUALITY_INTERVAL;
use hanse_sfu_core::command::Codec;
use livekit_protocol::ConnectionQuality;
use std::time::Duration;

const BEST: f32 = 100.0;

/// No measurement takes a score below this, so that a recovery shows soon.
const WORST: f32 = 30.0;

/// Of a track that should flow, and does not.
const DRY: f32 = 40.0;

/// Of a track that should flow, and whose sender is not heard at all.
const LOST: f32 = 20.0;

/// A worse score counts this much of the way at once.
const FALL_FACTOR: f32 = 0.8;

/// A better one is believed more slowly.
const RISE_FACTOR: f32 = 0.4;

/// What a missing layer costs: about a grade.
const LAYER_COST: f32 = 35.0;

/// Intervals in a row in which something goes out and the receiver reports nothing, until that is bad news: 30 s.
const UNREPORTED_MAX: u8 = 6;

/// How much of the usual packet rate is forgotten in an interval that has less.
const USUAL_DECAY: f32 = 0.1;

/// One interval of a track.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    /// Packets that should have arrived.
    pub expected: u32,
    /// How many did not.
    pub lost: u32,
    /// Points that one percent of loss costs; see [`loss_weight`].
    pub loss_weight: f32,
    pub round_trip: Option<Duration>,
    pub jitter: Option<Duration>,
    /// Layers that should have come and did not, on average.
    pub missing_layers: f32,
}

/// The score of one track.
#[derive(Clone, Debug)]
pub(crate) struct Score {
    value: f32,
    /// Whether packets have ever come.
    has_begun: bool,
    /// For a part of the running interval nothing was to be expected: it is not judged.
    is_interrupted: bool,
    /// Nothing goes out because the receiver's downlink is too small.
    is_paused: bool,
    unreported: u8,
    /// Packets of an interval in which there was much to send.
    usual: f32,
}

impl Default for Score {
    fn default() -> Self {
        Score {
            value: BEST,
            has_begun: false,
            is_interrupted: true,
            is_paused: false,
            unreported: 0,
            usual: 0.0,
        }
    }
}

impl Score {
    pub fn value(&self) -> f32 {
        self.value
    }

    /// From now on nothing is to be expected: it was muted, hidden or is not wanted. That is no loss; but somebody who was
    /// lost is not found by it.
    pub fn interrupt(&mut self) {
        self.is_interrupted = true;
        self.unreported = 0;
        if self.value > LOST {
            self.value = BEST;
        }
    }

    /// An interval is over in which nothing was to be expected, though its sender was heard.
    pub fn rest(&mut self) {
        self.interrupt();
        self.value = BEST;
    }

    /// The receiver's downlink is too small, or carries it again. The way back up begins when something goes out.
    pub fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        if is_paused {
            self.value = WORST;
            self.is_interrupted = true;
        }
    }

    /// An interval is over in which something should have come. Says whether it may be judged.
    fn ends_interval(&mut self, has_packets: bool) -> bool {
        let is_judged = self.is_judged();
        self.has_begun |= has_packets;
        self.is_interrupted = false;
        is_judged
    }

    /// An interval is over in which packets should have come, and did.
    pub fn measure(&mut self, window: &Window) {
        let usual = self.usual;
        let expected = window.expected as f32;
        self.usual = expected.max(usual - (usual - expected).max(0.0) * USUAL_DECAY);
        self.unreported = 0;
        if self.ends_interval(true) {
            let measured = packets(window, usual).min(BEST - window.missing_layers.max(0.0) * LAYER_COST);
            self.move_to(measured);
        }
    }

    /// An interval is over in which packets went out and the receiver has reported nothing.
    pub fn measure_unreported(&mut self, missing_layers: f32) {
        self.unreported = self.unreported.saturating_add(1);
        if !self.ends_interval(true) {
            return;
        }
        if self.unreported >= UNREPORTED_MAX {
            self.value = DRY;
        } else if missing_layers > 0.0 {
            // Without a report there is no good news either.
            self.move_to((BEST - missing_layers * LAYER_COST).min(self.value));
        }
    }

    /// Whether the running interval counts: something could have been missed from its beginning on.
    pub fn is_judged(&self) -> bool {
        self.has_begun && !self.is_interrupted && !self.is_paused
    }

    /// An interval is over in which packets should have come, and none did. `is_lost`: and nothing else came from its
    /// sender either.
    pub fn starve(&mut self, is_lost: bool) {
        if self.ends_interval(false) {
            self.value = if is_lost { LOST } else { DRY };
        }
    }

    /// As is known now, its sender was not heard at all in the interval that is over, and nothing has changed since.
    pub fn lose(&mut self) {
        if self.is_judged() {
            self.value = LOST;
        }
    }

    /// An interval is over in which nothing came, and that says nothing.
    pub fn idle(&mut self) {
        self.is_interrupted &= !self.has_begun;
    }

    fn move_to(&mut self, measured: f32) {
        let factor = if measured < self.value {
            FALL_FACTOR
        } else {
            RISE_FACTOR
        };
        self.value = (self.value + factor * (measured - self.value)).clamp(WORST, BEST);
    }
}

/// What loss and delay leave. Loss counts less while less is sent than usual, by the root of that: a silence or a still
/// picture suffers less.
fn packets(window: &Window, usual: f32) -> f32 {
    let expected = window.expected as f32;
    let share = if usual > expected { expected / usual } else { 1.0 };
    let loss = if window.expected > 0 {
        window.lost as f32 * 100.0 / expected
    } else {
        0.0
    };
    (BEST - delay_effect(window) - loss * window.loss_weight * share.sqrt()).max(0.0)
}

/// Points that delay costs: one way, and what a jitter buffer adds to it. Up to 160 ms nobody minds much.
fn delay_effect(window: &Window) -> f32 {
    let ms = |time: Option<Duration>| time.unwrap_or_default().as_secs_f32() * 1_000.0;
    let delay = ms(window.round_trip) / 2.0 + ms(window.jitter) * 2.0;
    if delay > 160.0 {
        (delay - 120.0) / 10.0
    } else {
        delay / 40.0
    }
}

/// Points that one percent of loss costs. Opus repairs a part of its losses itself (`useinbandfec`, which every client
/// sends), and RED most of them.
pub(crate) fn loss_weight(codec: Codec) -> f32 {
    match codec {
        Codec::Opus => 8.0 / 1.5,
        Codec::Red => 4.0 / 1.5,
        Codec::Pcmu | Codec::Pcma => 8.0,
        Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1 => 10.0,
    }
}

/// The grade of a score.
pub(crate) fn grade(score: f32) -> ConnectionQuality {
    if score > 80.0 {
        ConnectionQuality::Excellent
    } else if score > DRY {
        ConnectionQuality::Good
    } else if score > LOST {
        ConnectionQuality::Poor
    } else {
        ConnectionQuality::Lost
    }
}

/// Mean opinion score, 1 to 4.5 (ITU-T G.107, annex B).
pub(crate) fn mean_opinion(score: f32) -> f32 {
    let r = score.clamp(0.0, BEST);
    1.0 + 0.035 * r + r * (r - 60.0) * (BEST - r) * 0.000_007
}

const _: () = assert!(QUALITY_INTERVAL.as_secs() * UNREPORTED_MAX as u64 == 30);

#[cfg(test)]
mod tests {
    use super::*;

    fn flowing() -> Score {
        let mut score = Score::default();
        score.measure(&video(0));
        score
    }

    /// A thousand packets, of which these many permille were lost.
    fn video(permille: u32) -> Window {
        Window {
            expected: 1_000,
            lost: permille,
            loss_weight: loss_weight(Codec::Vp8),
            ..Window::default()
        }
    }

    fn settled(window: Window) -> ConnectionQuality {
        let mut score = flowing();
        (0..20).for_each(|_| score.measure(&window));
        grade(score.value())
    }

    #[test]
    fn two_percent_of_pictures_lost_are_not_excellent_any_more_and_six_are_poor() {
        assert_eq!(settled(video(0)), ConnectionQuality::Excellent);
        assert_eq!(settled(video(15)), ConnectionQuality::Excellent);
        assert_eq!(settled(video(30)), ConnectionQuality::Good);
        assert_eq!(settled(video(70)), ConnectionQuality::Poor);
        assert_eq!(settled(video(1_000)), ConnectionQuality::Poor, "and never lost");
    }

    #[test]
    fn sound_that_repairs_itself_suffers_less() {
        let of = |codec, permille| {
            settled(Window {
                loss_weight: loss_weight(codec),
                ..video(permille)
            })
        };
        assert_eq!(of(Codec::Pcmu, 30), ConnectionQuality::Good);
        assert_eq!(of(Codec::Opus, 30), ConnectionQuality::Excellent);
        assert_eq!(of(Codec::Opus, 60), ConnectionQuality::Good);
        assert_eq!(of(Codec::Red, 60), ConnectionQuality::Excellent);
        assert_eq!(of(Codec::Red, 300), ConnectionQuality::Poor);
    }

    #[test]
    fn each_missing_layer_costs_a_grade() {
        let without = |missing_layers| {
            settled(Window {
                missing_layers,
                ..video(0)
            })
        };
        assert_eq!(without(0.4), ConnectionQuality::Excellent);
        assert_eq!(without(1.0), ConnectionQuality::Good);
        assert_eq!(without(2.0), ConnectionQuality::Poor);
        assert_eq!(
            without(-1.0),
            ConnectionQuality::Excellent,
            "more than wanted is no gain"
        );
    }

    fn delayed(round_trip_ms: u64, jitter_ms: u64) -> Window {
        Window {
            round_trip: Some(Duration::from_millis(round_trip_ms)),
            jitter: Some(Duration::from_millis(jitter_ms)),
            ..video(0)
        }
    }

    #[test]
    fn delay_counts_where_people_notice_it() {
        let around_the_world = delayed(300, 5);
        assert_eq!(settled(around_the_world), ConnectionQuality::Excellent);
        assert_eq!(settled(delayed(800, 0)), ConnectionQuality::Good);
        assert_eq!(settled(delayed(100, 150)), ConnectionQuality::Good);
        assert_eq!(settled(delayed(1_000, 200)), ConnectionQuality::Poor);
        assert_eq!(
            settled(delayed(60_000, 60_000)),
            ConnectionQuality::Poor,
            "and never lost"
        );
        assert!(
            (delay_effect(&delayed(320, 0)) - 4.0).abs() < 0.01,
            "no step at 160 ms"
        );
        assert!((delay_effect(&delayed(320, 1)) - 4.2).abs() < 0.01);
    }

    #[test]
    fn delay_and_loss_add_up_and_the_worse_of_packets_and_layers_decides() {
        let both = Window {
            lost: 10,
            ..delayed(500, 0)
        };
        assert_eq!(settled(both), ConnectionQuality::Good);
        assert_eq!(settled(video(10)), ConnectionQuality::Excellent);
        assert_eq!(settled(delayed(500, 0)), ConnectionQuality::Excellent);
        let without_a_layer = Window {
            missing_layers: 0.5,
            ..video(10)
        };
        assert_eq!(settled(without_a_layer), ConnectionQuality::Excellent);
    }

    #[test]
    fn a_recovery_is_believed_more_slowly_than_a_fall() {
        let mut score = flowing();
        score.measure(&video(100));
        assert_eq!(grade(score.value()), ConnectionQuality::Poor);
        score.measure(&video(0));
        assert_eq!(grade(score.value()), ConnectionQuality::Good);
        score.measure(&video(0));
        score.measure(&video(0));
        assert_eq!(grade(score.value()), ConnectionQuality::Excellent);
    }

    #[test]
    fn what_has_not_begun_is_not_missed() {
        let mut score = Score::default();
        (0..10).for_each(|_| score.starve(true));
        assert_eq!(grade(score.value()), ConnectionQuality::Excellent);
        score.measure(&video(500));
        assert_eq!(
            grade(score.value()),
            ConnectionQuality::Excellent,
            "it has begun within this interval"
        );
        score.starve(false);
        assert_eq!(grade(score.value()), ConnectionQuality::Poor);
        score.starve(true);
        assert_eq!(grade(score.value()), ConnectionQuality::Lost);
    }

    #[test]
    fn whoever_was_lost_is_found_by_packets_and_not_by_muting() {
        let mut score = flowing();
        score.starve(true);
        score.interrupt();
        assert_eq!(grade(score.value()), ConnectionQuality::Lost);
        score.measure(&video(0));
        assert_eq!(
            grade(score.value()),
            ConnectionQuality::Lost,
            "muted in this interval, which is not judged"
        );
        score.measure(&video(0));
        assert_eq!(grade(score.value()), ConnectionQuality::Good);
        score.starve(true);
        score.rest();
        assert_eq!(
            grade(score.value()),
            ConnectionQuality::Excellent,
            "heard while muted"
        );
    }

    #[test]
    fn an_interval_with_a_mute_in_it_is_not_judged_and_muting_forgives_at_once() {
        let mut score = flowing();
        score.measure(&video(500));
        assert_eq!(grade(score.value()), ConnectionQuality::Poor);
        score.interrupt();
        assert_eq!(grade(score.value()), ConnectionQuality::Excellent);
        score.starve(true);
        assert_eq!(grade(score.value()), ConnectionQuality::Excellent);
        score.starve(false);
        assert_eq!(
            grade(score.value()),
            ConnectionQuality::Poor,
            "the next one is: it was unmuted"
        );
    }

    #[test]
    fn a_pause_is_poor_at_once_and_climbs_back_when_something_goes_out() {
        let mut score = flowing();
        score.pause(true);
        assert_eq!(grade(score.value()), ConnectionQuality::Poor);
        score.measure(&video(0));
        assert_eq!(grade(score.value()), ConnectionQuality::Poor);
        score.pause(false);
        score.measure(&video(0));
        assert_eq!(grade(score.value()), ConnectionQuality::Good);
    }

    #[test]
    fn silence_of_a_receiver_is_bad_news_only_after_half_a_minute() {
        let mut score = flowing();
        (0..5).for_each(|_| score.measure_unreported(0.0));
        assert_eq!(grade(score.value()), ConnectionQuality::Excellent);
        score.measure_unreported(0.0);
        assert_eq!(grade(score.value()), ConnectionQuality::Poor);
        let mut score = flowing();
        score.measure_unreported(1.0);
        assert_eq!(
            grade(score.value()),
            ConnectionQuality::Good,
            "that a layer is missing is known without it"
        );
        score.measure_unreported(0.0);
        assert_eq!(grade(score.value()), ConnectionQuality::Good);
    }

    #[test]
    fn loss_counts_less_while_little_is_sent() {
        let silence = Window {
            expected: 50,
            lost: 2,
            ..video(0)
        };
        assert_eq!(
            settled(silence),
            ConnectionQuality::Good,
            "if it always is so little"
        );
        let mut score = flowing();
        score.measure(&silence);
        assert_eq!(grade(score.value()), ConnectionQuality::Excellent);
    }

    #[test]
    fn a_perfect_connection_has_the_best_opinion_and_none_is_outside_the_scale() {
        assert!((mean_opinion(BEST) - 4.5).abs() < 0.01);
        for score in [LOST, WORST, DRY, 0.0] {
            assert!((1.0..4.5).contains(&mean_opinion(score)));
        }
    }
}
