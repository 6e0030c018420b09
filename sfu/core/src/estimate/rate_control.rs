//! The rate by delay: up while the delays allow it, fast when the capacity is unknown and slowly near it, down to below
//! what arrives when they grow (goog_cc's `AimdRateControl` and `LinkCapacityEstimator`).

use super::trendline::Usage;
use super::{bounded, within};

/// What is left of the throughput after a decrease.
const BETA: f64 = 0.85;

/// Growth per second while the capacity is unknown.
const GROWTH: f64 = 1.08;

/// The rate stays below so much of what arrives …
const THROUGHPUT_SHARE_MAX: f64 = 1.5;
/// … and this, in bit/s, lest it gets stuck where little is sent.
const THROUGHPUT_EXTRA_BPS: f64 = 10_000.0;

/// The slowest growth near the capacity, in bit/s per second.
const NEAR_MAX_GROWTH_BPS: f64 = 4_000.0;

/// How long an overuse takes to be noticed, beyond the round trip.
const DETECTION_US: i64 = 100_000;

/// The least and the most time between two decreases.
const DECREASE_SPACING_US: (i64, i64) = (10_000, 200_000);

/// The round trip until one is known.
const ROUND_TRIP_DEFAULT_US: i64 = 200_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
    Decrease,
}

/// The rate.
#[derive(Clone, Debug)]
pub struct RateControl {
    state: State,
    estimate_bps: f64,
    throughput_bps: f64,
    capacity: LinkCapacity,
    changed_us: Option<i64>,
    round_trip_us: i64,
}

impl RateControl {
    /// Begins at a rate that is known to be safe.
    pub fn new(start_bps: f64) -> Self {
        RateControl {
            state: State::Hold,
            estimate_bps: bounded(start_bps),
            throughput_bps: bounded(start_bps),
            capacity: LinkCapacity::default(),
            changed_us: None,
            round_trip_us: ROUND_TRIP_DEFAULT_US,
        }
    }

    /// The present rate.
    pub fn estimate_bps(&self) -> f64 {
        self.estimate_bps
    }

    /// Whether an overuse has shown where the capacity lies, and nothing since that it lies elsewhere.
    pub fn knows_capacity(&self) -> bool {
        self.capacity.estimate_bps.is_some()
    }

    /// Notes the round trip to the peer.
    pub fn set_round_trip(&mut self, round_trip_us: i64) {
        self.round_trip_us = round_trip_us.max(0);
    }

    /// Takes a rate that was measured by other means.
    pub fn set_estimate(&mut self, now_us: i64, bps: f64) {
        self.estimate_bps = bounded(bps);
        self.changed_us = Some(now_us);
    }

    /// A probe has shown that the link carries this and no more: from there on the rate grows slowly, as after an overuse.
    pub fn on_full(&mut self, bps: f64) {
        self.capacity.on_overuse(bps);
    }

    /// Whether a further decrease is due: the last one has had time to show, or far less arrives than was believed.
    pub fn may_reduce(&self, now_us: i64, throughput_bps: f64) -> bool {
        let spacing = self
            .round_trip_us
            .clamp(DECREASE_SPACING_US.0, DECREASE_SPACING_US.1);
        self.changed_us.is_none_or(|at| now_us - at >= spacing) || throughput_bps < self.estimate_bps / 2.0
    }

    /// Moves the rate by what the delays say. `throughput_bps` is what arrives, if that is known. In an application-limited
    /// region it does not grow: nothing would tell whether the link carries more.
    pub fn update(&mut self, now_us: i64, usage: Usage, throughput_bps: Option<f64>, is_app_limited: bool) {
        self.throughput_bps = throughput_bps.unwrap_or(self.throughput_bps);
        self.state = match (self.state, usage) {
            (_, Usage::Over) => State::Decrease,
            (_, Usage::Under) => State::Hold,
            (State::Hold, Usage::Normal) => {
                self.changed_us = Some(now_us);
                State::Increase
            }
            (state, Usage::Normal) => state,
        };
        match self.state {
            State::Hold => {}
            State::Increase => self.increase(now_us, is_app_limited),
            State::Decrease => self.decrease(now_us),
        }
    }

    fn increase(&mut self, now_us: i64, is_app_limited: bool) {
        if self.throughput_bps > self.capacity.upper_bps() {
            self.capacity = LinkCapacity::default();
        }
        let limit = self.throughput_bps * THROUGHPUT_SHARE_MAX + THROUGHPUT_EXTRA_BPS;
        let elapsed = self
            .changed_us
            .map_or(1.0, |at| (now_us - at) as f64 / 1e6)
            .max(0.0);
        if !is_app_limited && self.estimate_bps < limit {
            let growth = if self.capacity.estimate_bps.is_some() {
                elapsed * self.near_max_growth_bps()
            } else {
                (self.estimate_bps * (GROWTH.powf(elapsed.min(1.0)) - 1.0)).max(1_000.0)
            };
            self.estimate_bps = bounded((self.estimate_bps + growth).min(limit));
        }
        self.changed_us = Some(now_us);
    }

    fn decrease(&mut self, now_us: i64) {
        let throughput = self.throughput_bps;
        let mut lowered = throughput * BETA;
        if lowered > self.estimate_bps
            && let Some(capacity) = self.capacity.estimate_bps
        {
            lowered = capacity * BETA;
        }
        // An overuse never raises the rate.
        self.estimate_bps = bounded(lowered.min(self.estimate_bps));
        if throughput < self.capacity.lower_bps() {
            self.capacity = LinkCapacity::default();
        }
        self.capacity.on_overuse(throughput);
        // Until the queues are empty.
        self.state = State::Hold;
        self.changed_us = Some(now_us);
    }

    /// About one packet per response time, in bit/s per second.
    fn near_max_growth_bps(&self) -> f64 {
        const FRAMES_PER_SECOND: f64 = 30.0;
        const PACKET_BITS: f64 = 1_200.0 * 8.0;
        let frame_bits = self.estimate_bps / FRAMES_PER_SECOND;
        let packet_bits = frame_bits / (frame_bits / PACKET_BITS).ceil().max(1.0);
        let response = 2.0 * (self.round_trip_us + DETECTION_US) as f64 / 1e6;
        (packet_bits / response).max(NEAR_MAX_GROWTH_BPS)
    }
}

/// What the link is believed to carry: the throughput at overuses, with its deviation.
#[derive(Clone, Copy, Debug)]
struct LinkCapacity {
    estimate_bps: Option<f64>,
    /// Variance, relative to the estimate, in kbit/s.
    deviation_kbps: f64,
}

impl Default for LinkCapacity {
    fn default() -> Self {
        LinkCapacity {
            estimate_bps: None,
            deviation_kbps: 0.4,
        }
    }
}

impl LinkCapacity {
    /// Weight of a new throughput.
    const WEIGHT: f64 = 0.05;

    fn on_overuse(&mut self, throughput_bps: f64) {
        let sample = throughput_bps / 1_000.0;
        let estimate = self.estimate_bps.map_or(sample, |bps| {
            (1.0 - Self::WEIGHT) * bps / 1_000.0 + Self::WEIGHT * sample
        });
        let error = estimate - sample;
        let deviation =
            (1.0 - Self::WEIGHT) * self.deviation_kbps + Self::WEIGHT * error * error / estimate.max(1.0);
        self.deviation_kbps = within(deviation, 0.4, 2.5);
        self.estimate_bps = Some(estimate * 1_000.0);
    }

    /// Three standard deviations.
    fn spread_bps(&self) -> f64 {
        let estimate = self.estimate_bps.unwrap_or(0.0) / 1_000.0;
        3.0 * (self.deviation_kbps * estimate).max(0.0).sqrt() * 1_000.0
    }

    fn upper_bps(&self) -> f64 {
        self.estimate_bps
            .map_or(f64::INFINITY, |bps| bps + self.spread_bps())
    }

    fn lower_bps(&self) -> f64 {
        self.estimate_bps.map_or(0.0, |bps| bps - self.spread_bps())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn it_grows_by_8_percent_a_second_until_an_overuse_and_slowly_after_it() {
        let mut control = RateControl::new(1e6);
        for step in 0..=100 {
            control.update(step * SECOND / 10, Usage::Normal, Some(1e6), false);
        }
        let grown = control.estimate_bps();
        assert!(
            (1.50e6..1.52e6).contains(&grown),
            "{grown}: half more than arrives at most"
        );
        control.update(11 * SECOND, Usage::Over, Some(1.4e6), false);
        assert_eq!(control.estimate_bps(), 1.4e6 * BETA);
        for step in 0..=10 {
            control.update(
                12 * SECOND + step * SECOND / 10,
                Usage::Normal,
                Some(1.39e6),
                false,
            );
        }
        let near = control.estimate_bps() - 1.4e6 * BETA;
        assert!(
            (4_000.0..50_000.0).contains(&near),
            "near the capacity by a packet at a time: {near}"
        );
        for step in 0..=10 {
            control.update(14 * SECOND + step * SECOND / 10, Usage::Normal, Some(3e6), false);
        }
        assert!(
            control.estimate_bps() > 1.06 * (1.4e6 * BETA),
            "the capacity was another one"
        );
    }

    #[test]
    fn it_stays_where_the_application_sends_little_and_while_queues_empty() {
        let mut control = RateControl::new(1e6);
        for step in 0..50 {
            control.update(step * SECOND / 10, Usage::Normal, Some(1e5), true);
            control.update(step * SECOND / 10, Usage::Under, Some(1e6), false);
        }
        assert_eq!(control.estimate_bps(), 1e6);
    }

    #[test]
    fn an_overuse_never_raises_it_and_decreases_keep_their_distance() {
        let mut control = RateControl::new(1e6);
        control.update(0, Usage::Over, Some(5e6), false);
        assert_eq!(control.estimate_bps(), 1e6);
        assert!(!control.may_reduce(100_000, 9e5));
        assert!(control.may_reduce(200_000, 9e5));
        assert!(control.may_reduce(100_000, 4e5), "far less arrives");
    }
}
