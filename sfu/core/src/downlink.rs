//! Which layers fit a subscriber's downlink, and how much that carries as far as its receiver says so by REMB
//! (draft-alvestrand-rmcat-remb-03). Where the receiver tells instead what arrives, [`crate::estimate`] says how much.
//!
//! A receiver's estimate never rises far above what it is sent, so a low estimate alone says nothing. It counts only
//! while it stays below what actually goes out, and does not rise: after a step up, to a larger layer for instance, it
//! needs many seconds to follow. Then it is a limit, which is lifted again on trial.

use crate::command::Precedence;
use crate::ids::{LAYERS_MAX, Layer, TEMPORAL_LAYERS_MAX};
use std::time::{Duration, Instant};

/// Estimates below the sent rate, and not above the one before, until they are believed; one that reaches it starts over.
const BELOW_TO_ACT: u8 = 2;

/// An estimate below this share of the sent rate says that the link is too small, in %.
const BELOW_PERCENT: u64 = 90;

/// First wait before a limit is lifted on trial; doubles with each trial that fails.
const TRIAL_AFTER: Duration = Duration::from_secs(8);

/// Longest wait between two trials.
const TRIAL_AFTER_MAX: Duration = Duration::from_secs(60);

/// Below this rate, in bit/s, estimates are not judged: audio alone always passes.
const JUDGED_FROM_BPS: u64 = 100_000;

/// One subscriber's downlink.
#[derive(Clone, Copy, Debug, Default)]
pub struct Downlink {
    /// What it may carry at most, whatever it can.
    cap_bps: Option<u64>,
    limit_bps: Option<u64>,
    /// The latest estimate.
    estimate_bps: Option<u64>,
    below: u8,
    trial_at: Option<Instant>,
    trial_after: Option<Duration>,
}

impl Downlink {
    /// Takes an estimate; `sent_bps` is what went out lately.
    pub fn on_estimate(&mut self, now: Instant, estimate_bps: u64, sent_bps: u64) {
        let too_small =
            sent_bps > JUDGED_FROM_BPS && estimate_bps < sent_bps.saturating_mul(BELOW_PERCENT) / 100;
        let before = self.estimate_bps.replace(estimate_bps);
        let is_rising = before.is_some_and(|before| estimate_bps > before);
        self.below = match (too_small, is_rising) {
            (true, false) => self.below.saturating_add(1),
            (true, true) => self.below,
            (false, _) => 0,
        };
        if self.below >= BELOW_TO_ACT {
            if self.limit_bps.is_none() {
                let after = self
                    .trial_after
                    .map_or(TRIAL_AFTER, |last| (last * 2).min(TRIAL_AFTER_MAX));
                self.trial_after = Some(after);
                self.trial_at = Some(now + after);
            }
            self.limit_bps = Some(estimate_bps);
        } else if let Some(limit) = &mut self.limit_bps {
            *limit = estimate_bps.max(*limit);
        }
    }

    /// Lifts the limit when its time is over.
    pub fn tick(&mut self, now: Instant) {
        if self.limit_bps.is_some() && self.trial_at.is_some_and(|at| now >= at) {
            self.limit_bps = None;
            self.below = 0;
        } else if self.limit_bps.is_none()
            && self
                .trial_at
                .is_some_and(|at| now.saturating_duration_since(at) > TRIAL_AFTER_MAX)
        {
            // The trial has succeeded.
            *self = Downlink {
                cap_bps: self.cap_bps,
                estimate_bps: self.estimate_bps,
                ..Downlink::default()
            };
        }
    }

    /// Bits per second that may go out; `None` is no limit.
    pub fn limit_bps(&self) -> Option<u64> {
        match (self.limit_bps, self.cap_bps) {
            (Some(limit), Some(cap)) => Some(limit.min(cap)),
            (limit, cap) => limit.or(cap),
        }
    }

    /// What the link carries by the peer's own estimate, if that limits.
    pub fn told_bps(&self) -> Option<u64> {
        self.limit_bps
    }

    /// What may go out at most, whatever the link carries.
    pub fn cap_bps(&self) -> Option<u64> {
        self.cap_bps
    }

    /// Changes what may go out at most, whatever the link carries; `None` is no limit.
    pub fn set_cap(&mut self, cap_bps: Option<u64>) {
        self.cap_bps = cap_bps;
    }
}

/// A video stream that wants its share.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Rates of the layers that flow, in bit/s, the smallest first; 0 for one that does not.
    pub layers_bps: [u64; LAYERS_MAX],
    /// What the smallest of them takes up to each temporal layer; up to the last one, all of it.
    pub temporal_bps: [u64; TEMPORAL_LAYERS_MAX],
    /// The largest layer that is wanted.
    pub wanted: Layer,
    /// The highest temporal layer that is wanted; those above cost nothing.
    pub wanted_temporal: u8,
    /// The largest layer that it had; `None`: nothing. A larger one than this has to fit with [`HEADROOM_PERCENT`] to
    /// spare.
    pub had: Option<Layer>,
    /// The highest temporal layer that it had, likewise.
    pub had_temporal: u8,
    /// Nothing at all may go out where not even the lowest layer fits.
    pub may_pause: bool,
    /// Whose turn it is.
    pub precedence: Precedence,
    /// The result.
    pub granted: Budget,
}

/// What must be left of a layer that was not there before, lest it goes again with the next breath of the link, in %.
pub const HEADROOM_PERCENT: u64 = 10;

impl Claim {
    /// What goes out of it as it was granted, in bit/s; more where not even that fits.
    pub fn granted_bps(&self) -> u64 {
        match self.granted {
            Budget::Unlimited => self.rate(self.wanted.0),
            Budget::UpTo(layer) => self.rate(layer.min(self.wanted).0),
            Budget::Thinned(_) => self.rate(0),
            Budget::Paused => 0,
        }
    }

    fn rate(&self, layer: u8) -> u64 {
        self.layers_bps.get(usize::from(layer)).copied().unwrap_or(0)
    }

    /// What the smallest layer takes in so many of its pictures.
    fn thinned_rate(&self, temporal: u8) -> u64 {
        let place = usize::from(temporal.min(self.wanted_temporal)).min(TEMPORAL_LAYERS_MAX - 1);
        self.temporal_bps.get(place).copied().unwrap_or(0)
    }

    /// What has to be left beyond what these pictures of it take.
    fn thinned_headroom(&self, temporal: u8) -> u64 {
        let had_all = self.had.is_some_and(|had| had.0 > 0);
        if had_all || self.had.is_some() && temporal <= self.had_temporal {
            0
        } else {
            self.thinned_rate(temporal) * HEADROOM_PERCENT / 100
        }
    }

    /// What has to be left beyond what the layer takes.
    fn headroom(&self, layer: u8) -> u64 {
        if self.had.is_some_and(|had| layer <= had.0) {
            0
        } else {
            self.rate(layer) * HEADROOM_PERCENT / 100
        }
    }
}

/// What a limited downlink leaves to one video stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budget {
    /// The downlink is not limited.
    #[default]
    Unlimited,
    /// At most this layer.
    UpTo(Layer),
    /// The smallest layer, and of that only the pictures up to this temporal layer.
    Thinned(u8),
    /// Nothing.
    Paused,
}

/// Shares a limit: the pictures of everyone's smallest layer that no other ones of it need first, by its temporal layers;
/// then the rest of them by [`Precedence`]; then larger layers, likewise, among equals one step up at a time, and those
/// first whose tiles are large. What is lowest of a stream that may not pause is granted even when it does not fit; a face
/// that is blurred and jerks is better than none. Those that may pause get theirs of what is left.
pub fn share(limit_bps: u64, claims: &mut [Claim]) {
    let mut left = limit_bps;
    for claim in claims.iter_mut().filter(|claim| !claim.may_pause) {
        claim.granted = Budget::Thinned(0);
        left = left.saturating_sub(claim.thinned_rate(0));
    }
    for precedence in Precedence::ORDER {
        for claim in claims.iter_mut().filter(|claim| claim.precedence == precedence) {
            if claim.may_pause {
                let lowest = claim.thinned_rate(0);
                claim.granted = if lowest + claim.thinned_headroom(0) <= left {
                    left -= lowest;
                    Budget::Thinned(0)
                } else {
                    Budget::Paused
                };
            }
        }
    }
    for precedence in Precedence::ORDER {
        for step in 1..TEMPORAL_LAYERS_MAX as u8 {
            let is_due =
                |claim: &Claim| claim.precedence == precedence && claim.granted == Budget::Thinned(step - 1);
            for claim in claims.iter_mut().filter(|claim| is_due(claim)) {
                let more = claim
                    .thinned_rate(step)
                    .saturating_sub(claim.thinned_rate(step - 1));
                if more == 0 || more + claim.thinned_headroom(step) <= left {
                    left -= more;
                    claim.granted = Budget::Thinned(step);
                }
            }
        }
    }
    for claim in claims.iter_mut() {
        if claim.granted == Budget::Thinned(TEMPORAL_LAYERS_MAX as u8 - 1) {
            claim.granted = Budget::UpTo(Layer(0));
        }
    }
    for precedence in Precedence::ORDER {
        for step in 1..LAYERS_MAX as u8 {
            for wanted in (step..LAYERS_MAX as u8).rev() {
                let is_due = |claim: &Claim| {
                    claim.precedence == precedence
                        && claim.wanted.0.min(LAYERS_MAX as u8 - 1) == wanted
                        && claim.granted == Budget::UpTo(Layer(step - 1))
                };
                for claim in claims.iter_mut().filter(|claim| is_due(claim)) {
                    let more = claim.rate(step).saturating_sub(claim.rate(step - 1));
                    if claim.rate(step) == 0 || more + claim.headroom(step) <= left {
                        left -= more.min(left);
                        claim.granted = Budget::UpTo(Layer(step));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
mod tests {
    use super::*;

    fn claim(wanted: u8) -> Claim {
        Claim {
            layers_bps: [150_000, 450_000, 1_700_000],
            temporal_bps: [150_000; TEMPORAL_LAYERS_MAX],
            wanted: Layer(wanted),
            wanted_temporal: u8::MAX,
            had: Some(Layer(2)),
            had_temporal: u8::MAX,
            may_pause: false,
            precedence: Precedence::Listener,
            granted: Budget::Unlimited,
        }
    }

    fn granted<const N: usize>(limit_bps: u64, mut claims: [Claim; N]) -> [Option<u8>; N] {
        share(limit_bps, &mut claims);
        claims.map(|claim| match claim.granted {
            Budget::UpTo(layer) => Some(layer.0),
            Budget::Paused => None,
            Budget::Thinned(_) => panic!("there are no temporal layers"),
            Budget::Unlimited => panic!("a limit limits everyone"),
        })
    }

    #[test]
    fn everyone_gets_the_lowest_layer_before_anyone_gets_a_higher_one() {
        let claims = [claim(2), claim(2), claim(0)];
        assert_eq!(granted(1_100_000, claims), [Some(1), Some(1), Some(0)]);
        assert_eq!(granted(100_000, claims), [Some(0), Some(0), Some(0)]);
        assert_eq!(granted(10_000_000, claims), [Some(2), Some(2), Some(0)]);
    }

    /// Of a camera with three temporal layers.
    fn thinned(wanted_temporal: u8, may_pause: bool, precedence: Precedence) -> Claim {
        Claim {
            temporal_bps: [75_000, 105_000, 150_000, 150_000],
            wanted_temporal,
            may_pause,
            precedence,
            ..claim(2)
        }
    }

    fn budgets<const N: usize>(limit_bps: u64, mut claims: [Claim; N]) -> [Budget; N] {
        share(limit_bps, &mut claims);
        claims.map(|claim| claim.granted)
    }

    #[test]
    fn where_the_smallest_layer_does_not_fit_fewer_of_its_pictures_go_out_before_it_pauses() {
        let all = Budget::UpTo(Layer(0));
        for (limit_bps, patient, others) in [
            (160_000, all, all),
            (149_999, Budget::Thinned(1), Budget::Thinned(1)),
            (104_999, Budget::Thinned(0), Budget::Thinned(0)),
            (74_999, Budget::Paused, Budget::Thinned(0)),
        ] {
            let of = |may_pause| thinned(u8::MAX, may_pause, Precedence::Listener);
            assert_eq!(budgets(limit_bps, [of(true)]), [patient], "{limit_bps}");
            assert_eq!(budgets(limit_bps, [of(false)]), [others], "{limit_bps}");
        }
        // Who wants no more of them gets all that it wants.
        let few = thinned(0, true, Precedence::Listener);
        assert_eq!(budgets(80_000, [few]), [all]);
        assert_eq!(budgets(74_000, [few]), [Budget::Paused]);
    }

    #[test]
    fn everyone_gets_some_pictures_then_all_of_them_by_precedence_and_then_larger_ones() {
        let claims = [Precedence::Listener, Precedence::Speaker, Precedence::Screen]
            .map(|precedence| thinned(u8::MAX, true, precedence));
        let all = Budget::UpTo(Layer(0));
        let few = Budget::Thinned(0);
        assert_eq!(
            budgets(224_999, claims),
            [Budget::Paused, Budget::Thinned(1), Budget::Thinned(1)]
        );
        assert_eq!(budgets(225_000, claims), [few, few, few]);
        assert_eq!(budgets(300_000, claims), [few, few, all]);
        assert_eq!(budgets(449_999, claims), [Budget::Thinned(1), all, all]);
        assert_eq!(budgets(450_000, claims), [all, all, all]);
        assert_eq!(budgets(750_000, claims), [all, all, Budget::UpTo(Layer(1))]);
    }

    #[test]
    fn pictures_that_were_not_there_before_have_to_fit_with_something_to_spare() {
        let had = |had: Option<u8>, had_temporal| Claim {
            had: had.map(Layer),
            had_temporal,
            ..thinned(u8::MAX, true, Precedence::Listener)
        };
        assert_eq!(budgets(155_000, [had(Some(0), 1)]), [Budget::Thinned(1)]);
        assert_eq!(budgets(166_000, [had(Some(0), 1)]), [Budget::UpTo(Layer(0))]);
        assert_eq!(
            budgets(155_000, [had(Some(0), u8::MAX)]),
            [Budget::UpTo(Layer(0))]
        );
        assert_eq!(budgets(155_000, [had(Some(1), 0)]), [Budget::UpTo(Layer(0))]);
        assert_eq!(budgets(80_000, [had(None, u8::MAX)]), [Budget::Paused]);
        assert_eq!(budgets(83_000, [had(None, u8::MAX)]), [Budget::Thinned(0)]);
    }

    #[test]
    fn a_layer_that_was_not_there_before_has_to_fit_with_something_to_spare() {
        let had = |layer: Option<u8>| Claim {
            had: layer.map(Layer),
            ..claim(2)
        };
        assert_eq!(granted(1_750_000, [had(Some(2))]), [Some(2)]);
        assert_eq!(granted(1_750_000, [had(Some(1))]), [Some(1)]);
        assert_eq!(granted(1_900_000, [had(Some(1))]), [Some(2)]);
        let paused = Claim {
            may_pause: true,
            ..had(None)
        };
        assert_eq!(granted(155_000, [paused]), [None]);
        assert_eq!(granted(170_000, [paused]), [Some(0)]);
    }

    #[test]
    fn a_screen_comes_before_a_speaker_and_a_speaker_before_the_rest_once_everyone_has_something() {
        let of = |precedence| Claim {
            precedence,
            ..claim(2)
        };
        let claims = [Precedence::Listener, Precedence::Speaker, Precedence::Screen].map(of);
        assert_eq!(granted(450_000, claims), [Some(0), Some(0), Some(0)]);
        assert_eq!(granted(750_000, claims), [Some(0), Some(0), Some(1)]);
        assert_eq!(granted(2_000_000, claims), [Some(0), Some(0), Some(2)]);
        assert_eq!(granted(2_300_000, claims), [Some(0), Some(1), Some(2)]);
        assert_eq!(granted(3_900_000, claims), [Some(1), Some(2), Some(2)]);
        let patient = claims.map(|claim| Claim {
            may_pause: true,
            ..claim
        });
        assert_eq!(granted(200_000, patient), [None, None, Some(0)]);
        assert_eq!(granted(300_000, patient), [None, Some(0), Some(0)]);
    }

    #[test]
    fn among_equals_large_tiles_come_before_small_ones() {
        let claims = [claim(1), claim(2)];
        assert_eq!(granted(600_000, claims), [Some(0), Some(1)]);
        assert_eq!(granted(900_000, claims), [Some(1), Some(1)]);
        assert_eq!(granted(2_150_000, claims), [Some(1), Some(2)]);
    }

    #[test]
    fn what_may_pause_pauses_before_what_may_not_is_blurred_further() {
        let patient = Claim {
            may_pause: true,
            ..claim(2)
        };
        assert_eq!(granted(200_000, [patient, claim(2)]), [None, Some(0)]);
        assert_eq!(
            granted(300_000, [patient, patient, patient]),
            [Some(0), Some(0), None]
        );
        assert_eq!(granted(10_000_000, [patient, claim(2)]), [Some(2), Some(2)]);
    }

    #[test]
    fn a_low_estimate_limits_only_while_more_than_that_goes_out() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut downlink = Downlink::default();
        for second in 0..5 {
            downlink.on_estimate(at(second), 200_000, 150_000);
        }
        assert_eq!(downlink.limit_bps(), None, "the receiver simply is not sent more");
        downlink.on_estimate(at(5), 700_000, 1_700_000);
        downlink.on_estimate(at(6), 650_000, 1_700_000);
        assert_eq!(downlink.limit_bps(), None, "once is an accident");
        downlink.on_estimate(at(6), 600_000, 1_700_000);
        assert_eq!(downlink.limit_bps(), Some(600_000));
        downlink.on_estimate(at(7), 700_000, 450_000);
        assert_eq!(downlink.limit_bps(), Some(700_000));
    }

    #[test]
    fn an_estimate_that_follows_a_step_up_is_no_limit_and_one_that_falls_again_is() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut downlink = Downlink::default();
        downlink.on_estimate(at(0), 100_000, 60_000);
        for (second, estimate) in (1..).zip([108_000, 117_000, 300_000, 400_000]) {
            downlink.on_estimate(at(second), estimate, 700_000);
        }
        assert_eq!(downlink.limit_bps(), None, "it is on its way");
        downlink.on_estimate(at(5), 250_000, 700_000);
        downlink.on_estimate(at(6), 270_000, 700_000);
        assert_eq!(downlink.limit_bps(), None, "once is an accident");
        downlink.on_estimate(at(7), 240_000, 700_000);
        assert_eq!(downlink.limit_bps(), Some(240_000));
        // Once it reaches what is sent, what was before is forgotten.
        let mut downlink = Downlink::default();
        for estimate in [400_000, 700_000, 400_000] {
            downlink.on_estimate(at(0), estimate, 700_000);
        }
        assert_eq!(downlink.limit_bps(), None);
    }

    #[test]
    fn a_cap_holds_beside_the_limit_and_outlives_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut downlink = Downlink::default();
        downlink.set_cap(Some(500_000));
        assert_eq!(downlink.limit_bps(), Some(500_000));
        for estimate in [300_000, 300_000] {
            downlink.on_estimate(at(0), estimate, 500_000);
        }
        assert_eq!(downlink.limit_bps(), Some(300_000));
        downlink.tick(at(8));
        downlink.tick(at(90));
        assert_eq!(downlink.limit_bps(), Some(500_000));
        downlink.set_cap(None);
        assert_eq!(downlink.limit_bps(), None);
    }

    #[test]
    fn a_limit_is_lifted_on_trial_and_each_failure_doubles_the_wait() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut downlink = Downlink::default();
        let fail = |downlink: &mut Downlink, second| {
            downlink.on_estimate(at(second), 600_000, 1_700_000);
            downlink.on_estimate(at(second), 600_000, 1_700_000);
        };
        fail(&mut downlink, 0);
        downlink.tick(at(7));
        assert!(downlink.limit_bps().is_some());
        downlink.tick(at(8));
        assert!(downlink.limit_bps().is_none());
        fail(&mut downlink, 9);
        downlink.tick(at(24));
        assert!(downlink.limit_bps().is_some(), "16 s this time");
        downlink.tick(at(25));
        assert!(downlink.limit_bps().is_none());
        downlink.tick(at(90));
        fail(&mut downlink, 100);
        downlink.tick(at(108));
        assert!(downlink.limit_bps().is_none(), "after a success it starts over");
    }
}
