//! When to probe, and how far (goog_cc's `ProbeController`, with one more reason: a subscriber wants more than the estimate
//! carries. An encoder could simply send a bit more; a server has nothing between two layers).

/// The first probe, relative to the rate at which everything begins.
const FIRST: f64 = 3.0;

/// Each further probe, relative to what the one before has shown …
const FURTHER: f64 = 2.0;
/// … as long as that is at least this share of its rate.
const FURTHER_ABOVE: f64 = 0.7;

/// How long a result is awaited.
const RESULT_US: i64 = 1_000_000;

/// Between two probes where the application sends less than the link carries.
const LIMITED_SPACING_US: i64 = 5_000_000;

/// They end where the estimate is this much above what is wanted.
const LIMITED_HEADROOM: f64 = 1.5;

/// Between two probes while more is wanted than the estimate carries: at first, and at most, after probes that promised
/// what the link did not keep.
const WANTED_SPACING_US: (i64, i64) = (1_500_000, 24_000_000);

/// More is wanted until the estimate lies so far above what is: layers are only added with something to spare.
const HEADROOM: f64 = 1.2;

/// A promise has to be kept for so long.
const PROMISE_US: i64 = 4_000_000;

/// Both, relative to the estimate.
const PERIODIC: f64 = 2.0;

/// Probes go up to what is wanted times this.
const WANTED_SHARE_MAX: f64 = 2.0;

/// They end here while it is not known what is wanted.
const UNKNOWN_MAX_BPS: f64 = 5e6;

/// While loss limits the rate, a probe is at most this, relative to the estimate.
const LOSS_LIMITED_MAX: f64 = 1.5;

/// A fall of the estimate below this share is a large one …
const DROP: f64 = 0.66;
/// … after which, for so long, a probe may show that it is over …
const DROP_US: i64 = 5_000_000;
/// … at this share of the rate before it …
const DROP_SHARE: f64 = 0.85;
/// … and no more than this, relative to the estimate. (goog_cc has no such bound. If it is not over, the probe fills the link
/// for so many times its own duration, and sound has a gap.)
const DROP_PROBE_MAX: f64 = 4.0;

/// Between two of those.
const DROP_SPACING_US: i64 = 5_000_000;

/// A region in which the application limited itself ended so long ago at most for that.
const ENDED_US: i64 = 3_000_000;

/// A probe must promise at least this much more than there is.
const UNCERTAINTY: f64 = 0.05;

/// What limits the estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// Nothing that speaks against probing.
    #[default]
    None,
    /// Queues grow or are being emptied, or nothing is heard of the peer.
    Delay,
    /// Loss, and the estimate falls.
    Loss,
    /// Loss, and the estimate recovers.
    LossRecovering,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    /// No probe yet.
    #[default]
    Fresh,
    /// A result above this calls for a further probe.
    Waiting { above_bps: f64 },
    /// The last probe was the last of its row.
    Complete,
}

/// Decides about probes. Each answer is the rate of one that is to be sent now.
#[derive(Clone, Copy, Debug)]
pub struct ProbeController {
    state: State,
    estimate_bps: f64,
    wanted_bps: f64,
    limit: Limit,
    probed_us: Option<i64>,
    spacing_us: i64,
    /// When a probe has raised the estimate, and overuse has not yet followed.
    raised_us: Option<i64>,
    /// When the estimate fell by much, and from where.
    drop: Option<(i64, f64)>,
    drop_probed_us: Option<i64>,
    limited_since_us: Option<i64>,
    limited_until_us: Option<i64>,
}

impl ProbeController {
    /// Nothing has been probed.
    pub fn new(start_bps: f64) -> Self {
        ProbeController {
            state: State::Fresh,
            estimate_bps: start_bps,
            wanted_bps: 0.0,
            limit: Limit::None,
            probed_us: None,
            spacing_us: WANTED_SPACING_US.0,
            raised_us: None,
            drop: None,
            drop_probed_us: None,
            limited_since_us: None,
            limited_until_us: None,
        }
    }

    /// Nothing has been probed on the new way; what is wanted is the same.
    pub fn begin_anew(&self, start_bps: f64) -> Self {
        ProbeController {
            wanted_bps: self.wanted_bps,
            ..ProbeController::new(start_bps)
        }
    }

    /// What would be sent if the link carried anything; 0 is unknown.
    pub fn set_wanted(&mut self, bps: f64) {
        self.wanted_bps = bps;
    }

    /// Since when the application limits itself, if it does.
    pub fn set_limited(&mut self, now_us: i64, since_us: Option<i64>) {
        if self.limited_since_us.is_some() && since_us.is_none() {
            self.limited_until_us = Some(now_us);
        }
        self.limited_since_us = since_us;
    }

    /// The estimate has changed, or what limits it. `by_probe`: a probe has set it.
    pub fn set_estimate(&mut self, now_us: i64, bps: f64, limit: Limit, by_probe: bool) -> Option<f64> {
        self.limit = limit;
        if bps < DROP * self.estimate_bps {
            self.drop = Some((now_us, self.estimate_bps));
        }
        if by_probe && bps > self.estimate_bps {
            self.raised_us = Some(now_us);
        }
        self.estimate_bps = bps;
        match self.state {
            State::Waiting { above_bps } if by_probe && bps > above_bps => {
                self.begin(now_us, FURTHER * bps, true)
            }
            _ => None,
        }
    }

    /// Queues grow. If a probe has just promised more, the next ones come less often.
    pub fn on_overuse(&mut self, now_us: i64) {
        if let Some(raised_us) = self.raised_us.take()
            && now_us - raised_us < PROMISE_US
        {
            self.spacing_us = (self.spacing_us * 2).min(WANTED_SPACING_US.1);
        }
    }

    /// Nothing is under way: nothing speaks against a probe.
    pub fn on_idle(&mut self) {
        self.limit = Limit::None;
    }

    /// The queues are empty again. After a large fall a probe may show that it is over.
    pub fn on_recovered(&mut self, now_us: i64) -> Option<f64> {
        let was_limited = self.limited_since_us.is_some()
            || self
                .limited_until_us
                .is_some_and(|until| now_us - until < ENDED_US);
        let (dropped_us, before_bps) = self.drop?;
        let rate = (DROP_SHARE * before_bps).min(DROP_PROBE_MAX * self.estimate_bps);
        let is_due = self.drop_probed_us.is_none_or(|at| now_us - at > DROP_SPACING_US);
        let promises = (1.0 - UNCERTAINTY) * rate > self.estimate_bps;
        if !was_limited || self.is_waiting() || now_us - dropped_us >= DROP_US || !is_due || !promises {
            return None;
        }
        self.drop_probed_us = Some(now_us);
        self.begin(now_us, rate, false)
    }

    /// Does what is due.
    pub fn process(&mut self, now_us: i64) -> Option<f64> {
        let elapsed = self.probed_us.map_or(i64::MAX, |at| now_us - at);
        if self.is_waiting() && elapsed > RESULT_US {
            self.state = State::Complete;
        }
        if self.raised_us.is_some_and(|at| now_us - at >= PROMISE_US) {
            self.raised_us = None;
            self.spacing_us = WANTED_SPACING_US.0;
        }
        match self.state {
            State::Fresh => self.begin(now_us, FIRST * self.estimate_bps, true),
            // What the last result called for could not be sent then.
            State::Waiting { above_bps } if self.estimate_bps > above_bps => {
                self.begin(now_us, FURTHER * self.estimate_bps, true)
            }
            State::Waiting { .. } => None,
            State::Complete => {
                let is_wanted = self.wants_more() && elapsed >= self.spacing_us;
                let limited_us = self.limited_since_us.map_or(0, |since| now_us - since);
                let is_limited = self.wanted_bps * LIMITED_HEADROOM > self.estimate_bps
                    && elapsed.min(limited_us) >= LIMITED_SPACING_US;
                (is_wanted || is_limited)
                    .then(|| self.begin(now_us, PERIODIC * self.estimate_bps, true))
                    .flatten()
            }
        }
    }

    /// Whether more is wanted than the estimate carries.
    pub fn wants_more(&self) -> bool {
        self.wanted_bps * HEADROOM > self.estimate_bps
    }

    fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    fn begin(&mut self, now_us: i64, rate_bps: f64, further: bool) -> Option<f64> {
        let most = if self.wanted_bps > 0.0 {
            WANTED_SHARE_MAX * self.wanted_bps
        } else {
            UNKNOWN_MAX_BPS
        };
        let most = match self.limit {
            Limit::None => most,
            Limit::LossRecovering => most.min(LOSS_LIMITED_MAX * self.estimate_bps),
            Limit::Delay | Limit::Loss => return None,
        };
        let rate = rate_bps.min(most);
        if rate <= self.estimate_bps {
            self.state = State::Complete;
            return None;
        }
        self.probed_us = Some(now_us);
        let is_bounded = rate_bps >= most && self.limit == Limit::None;
        self.state = if further && !is_bounded {
            State::Waiting {
                above_bps: FURTHER_ABOVE * rate,
            }
        } else {
            State::Complete
        };
        Some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn controller(wanted_bps: f64) -> ProbeController {
        let mut controller = ProbeController::new(600e3);
        controller.set_wanted(wanted_bps);
        controller
    }

    #[test]
    fn it_begins_with_three_times_the_start_and_doubles_while_that_is_carried() {
        let mut controller = controller(10e6);
        assert_eq!(controller.process(0), Some(1.8e6));
        assert_eq!(controller.process(SECOND / 2), None, "it waits");
        assert_eq!(
            controller.set_estimate(SECOND / 2, 1.7e6, Limit::None, true),
            Some(3.4e6)
        );
        assert_eq!(
            controller.set_estimate(SECOND, 2.3e6, Limit::None, true),
            None,
            "the link is full"
        );
        assert_eq!(controller.process(SECOND + SECOND / 2), None);
        assert_eq!(
            controller.process(2 * SECOND),
            Some(4.6e6),
            "more is still wanted"
        );
    }

    #[test]
    fn it_stops_at_what_is_wanted() {
        let mut controller = controller(1e6);
        assert_eq!(controller.process(0), Some(1.8e6));
        assert_eq!(controller.set_estimate(1, 1.7e6, Limit::None, true), Some(2e6));
        assert_eq!(controller.set_estimate(2, 1.9e6, Limit::None, true), None);
        for second in 1..60 {
            assert_eq!(controller.process(second * SECOND), None);
        }
        controller.set_wanted(1.5e6);
        controller.set_limited(60 * SECOND, Some(58 * SECOND));
        assert_eq!(controller.process(62 * SECOND), None);
        assert_eq!(
            controller.process(63 * SECOND),
            Some(3e6),
            "a region of its own limit"
        );
    }

    #[test]
    fn nothing_is_probed_while_queues_or_losses_speak_against_it() {
        for (limit, rate) in [
            (Limit::Delay, None),
            (Limit::Loss, None),
            (Limit::LossRecovering, Some(900e3)),
        ] {
            let mut controller = controller(10e6);
            controller.set_estimate(0, 600e3, limit, false);
            assert_eq!(controller.process(SECOND), rate);
        }
    }

    #[test]
    fn promises_that_the_link_does_not_keep_make_probes_rare() {
        let mut controller = controller(10e6);
        controller.process(0);
        let (mut now, mut probes) = (0, 0);
        while now < 60 * SECOND {
            now += SECOND / 10;
            if controller.process(now).is_some() {
                probes += 1;
                controller.set_estimate(now, 900e3, Limit::None, true);
                controller.on_overuse(now);
                controller.set_estimate(now, 600e3, Limit::None, false);
            }
        }
        assert!((3..8).contains(&probes), "{probes}");
    }

    #[test]
    fn after_a_large_fall_a_probe_may_show_that_it_is_over() {
        let mut controller = controller(0.0);
        controller.process(0);
        controller.process(2 * SECOND);
        controller.set_estimate(3 * SECOND, 2e6, Limit::None, false);
        controller.set_estimate(4 * SECOND, 500e3, Limit::None, false);
        assert_eq!(
            controller.on_recovered(5 * SECOND),
            None,
            "it was not limited by itself"
        );
        controller.set_limited(5 * SECOND, Some(5 * SECOND));
        assert_eq!(controller.on_recovered(5 * SECOND), Some(1.7e6));
        assert_eq!(controller.on_recovered(6 * SECOND), None, "once");
    }
}
