//! The rate by loss (goog_cc's `LossBasedBweV2`): the most likely pair of a loss that the link has anyway and a rate above
//! which it loses everything, given what was lost of late. A link that loses 5 % whatever is sent thus keeps its rate, and
//! one that loses because too much is sent does not.

use super::{MAX_BPS, MIN_BPS, bounded, within};
use arrayvec::ArrayVec;

/// Observations that are looked at.
const WINDOW: usize = 15;

/// Observations before the result counts.
const WINDOW_REQUIRED: u64 = 3;

/// Packets of at least this much time are one observation.
const OBSERVATION_US: i64 = 250_000;

/// Weight of an observation relative to the next younger one.
const AGEING: f64 = 0.9;

/// The rates that are tried, relative to the present one.
const CANDIDATES: [f64; 3] = [1.02, 1.0, 0.95];

/// The loss that a link may have anyway: at least this …
const INHERENT_MIN: f64 = 1.0e-3;
/// … and at most this, and for slow ones this rate's share more.
const INHERENT_MAX: f64 = 0.05;
const INHERENT_BALANCE_BPS: f64 = 100_000.0;
const INHERENT_START: f64 = 0.01;

/// Step of the one iteration of Newton's method.
const NEWTON_STEP: f64 = 0.75;

/// Of two rates that explain the loss equally well the higher one is preferred, as long as less than this is lost.
const PREFERENCE_LOSS: f64 = 0.2;
const PREFERENCE_SMOOTHING: f64 = 0.002;
const PREFERENCE: f64 = 0.000_2;
const PREFERENCE_LOG: f64 = 0.02;

/// The rate is at most the throughput times this after a decrease …
const RAMP_UP: f64 = 1.5;
/// … and times this while the throughput is not far above the rate that was held.
const RAMP_UP_HELD: f64 = 1.2;
const HELD_SHARE: f64 = 1.3;

/// While it recovers, it grows by this per window at most.
const RECOVERY_GROWTH: f64 = 1.3;
const RECOVERY_US: i64 = 300_000;

/// How long the rate is held after a decrease: at first, and at most; each time twice as long.
const HOLD_US: (i64, i64) = (300_000, 60_000_000);

/// Where more than this is lost a probe proves nothing.
const PROBED_LOSS_MAX: f64 = 0.1;

/// An observation that was sent this much faster than the median is no outlier but the cause.
const BURST: f64 = 2.0;

/// What limits the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossState {
    /// Not the loss.
    #[default]
    DelayBased,
    /// The loss, and the rate recovers.
    Increasing,
    /// The loss, and the rate falls or is held.
    Decreasing,
}

/// A guess at the link.
#[derive(Clone, Copy, Debug)]
struct Channel {
    /// Above this everything is lost.
    bandwidth_bps: f64,
    /// The share of what is lost below it.
    inherent_loss: f64,
}

/// What happened to the packets of a while.
#[derive(Clone, Copy, Debug, Default)]
struct Observation {
    kilobytes: f64,
    lost_kilobytes: f64,
    sending_bps: f64,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    until_us: Option<i64>,
    duration_us: i64,
    rate_bps: f64,
}

impl Default for Hold {
    fn default() -> Self {
        Hold {
            until_us: None,
            duration_us: HOLD_US.0,
            rate_bps: f64::INFINITY,
        }
    }
}

/// The rate by loss.
#[derive(Clone, Debug, Default)]
pub struct LossBased {
    best: Option<Channel>,
    /// The youngest first.
    observations: ArrayVec<Observation, WINDOW>,
    count: u64,
    /// Bytes and lost bytes of the observation that is being made.
    partial: (f64, f64),
    /// Sending time of the last packet of the latest observation.
    observed_us: Option<i64>,
    average_loss: f64,
    throughput_bps: Option<f64>,
    state: LossState,
    result_bps: f64,
    hold: Hold,
    /// When the running recovery window began, and its limit.
    recovery: Option<(i64, f64)>,
}

impl LossBased {
    /// The rate and what limits it; `None` until enough has been seen.
    pub fn result(&self) -> Option<(f64, LossState)> {
        (self.best.is_some() && self.count >= WINDOW_REQUIRED).then_some((self.result_bps, self.state))
    }

    /// A probe has shown that the link carries so much. What is lost anyway does not speak against it.
    pub fn on_probe(&mut self, bps: f64) {
        if let Some(best) = self.best.as_mut().filter(|_| self.average_loss < PROBED_LOSS_MAX) {
            best.bandwidth_bps = best.bandwidth_bps.max(bps);
            self.state = LossState::DelayBased;
        }
    }

    /// A packet of which the peer had not spoken before arrived or was lost.
    pub fn on_packet(&mut self, bytes: u32, is_lost: bool) {
        self.partial.0 += f64::from(bytes);
        if is_lost {
            self.partial.1 += f64::from(bytes);
        }
    }

    /// A packet that was taken for lost has arrived after all.
    pub fn on_recovered(&mut self, bytes: u32) {
        // It counts as lost in the observation that is being made, or in one of the last.
        let mut kilobytes = f64::from(bytes) / 1_000.0;
        let mut take = |lost: &mut f64| {
            let part = lost.min(kilobytes);
            *lost -= part;
            kilobytes -= part;
        };
        let mut partial = self.partial.1 / 1_000.0;
        take(&mut partial);
        self.partial.1 = partial * 1_000.0;
        self.observations
            .iter_mut()
            .for_each(|observation| take(&mut observation.lost_kilobytes));
    }

    /// Ends a feedback whose packets were sent between these times. `throughput_bps` is what arrives, `delay_bps` the rate
    /// by delay.
    pub fn update(
        &mut self,
        sent_us: (i64, i64),
        throughput_bps: Option<f64>,
        delay_bps: f64,
        is_app_limited: bool,
    ) {
        self.throughput_bps = throughput_bps.or(self.throughput_bps);
        if !self.observe(sent_us) {
            return;
        }
        let now_us = self.observed_us.unwrap_or(sent_us.1);
        let current = *self.best.get_or_insert_with(|| {
            self.result_bps = delay_bps;
            Channel {
                bandwidth_bps: delay_bps,
                inherent_loss: INHERENT_START,
            }
        });
        let mut best = self.best_candidate(current, delay_bps, is_app_limited);
        if self.average_loss > best.inherent_loss {
            best.bandwidth_bps = best.bandwidth_bps.min(current.bandwidth_bps);
        }
        if self.state != LossState::DelayBased {
            self.bound_recovery(now_us, current, &mut best);
        }
        let bounded_bps = best
            .bandwidth_bps
            .min(self.upper_bps())
            .min(delay_bps)
            .max(self.lower_bps());
        if bounded_bps < best.bandwidth_bps {
            best.bandwidth_bps = bounded_bps;
            best.inherent_loss = 0.0;
        } else {
            best.bandwidth_bps = best.bandwidth_bps.max(self.lower_bps());
        }
        self.best = Some(best);
        self.conclude(now_us, bounded_bps, delay_bps);
        if self.state != LossState::DelayBased
            && self
                .recovery
                .is_none_or(|(since, _)| now_us - since > RECOVERY_US)
        {
            self.recovery = Some((now_us, (best.bandwidth_bps * RECOVERY_GROWTH).max(MIN_BPS)));
        }
    }

    /// Closes the observation that is being made, if it is long enough.
    fn observe(&mut self, sent_us: (i64, i64)) -> bool {
        let began_us = *self.observed_us.get_or_insert(sent_us.0);
        let elapsed = sent_us.1 - began_us;
        let (bytes, lost) = self.partial;
        if elapsed < OBSERVATION_US || bytes <= 0.0 {
            return false;
        }
        self.observed_us = Some(sent_us.1);
        self.partial = (0.0, 0.0);
        if self.observations.is_full() {
            self.observations.pop();
        }
        self.observations.insert(
            0,
            Observation {
                kilobytes: bytes / 1_000.0,
                lost_kilobytes: lost.min(bytes) / 1_000.0,
                sending_bps: bytes * 8e6 / elapsed as f64,
            },
        );
        self.count = self.count.saturating_add(1);
        self.average_loss = self.loss_without_outliers();
        true
    }

    fn weighted(&self) -> impl Iterator<Item = (f64, &Observation)> {
        let mut weight = 1.0 / AGEING;
        self.observations.iter().map(move |observation| {
            weight *= AGEING;
            (weight, observation)
        })
    }

    fn loss_without_outliers(&self) -> f64 {
        let loss =
            |(_, observation): &(f64, &Observation)| observation.lost_kilobytes / observation.kilobytes;
        let (mut total, mut lost) = (0.0, 0.0);
        for (weight, observation) in self.weighted() {
            total += weight * observation.kilobytes;
            lost += weight * observation.lost_kilobytes;
        }
        let most = self.weighted().max_by(|a, b| loss(a).total_cmp(&loss(b)));
        let least = self.weighted().min_by(|a, b| loss(a).total_cmp(&loss(b)));
        let all = lost / total;
        let (Some((high, most)), Some((low, least))) = (most, least) else {
            return 0.0;
        };
        if self.observations.len() <= WINDOW_REQUIRED as usize
            || self.median_sending_bps() * BURST <= most.sending_bps
        {
            return all;
        }
        let total = total - high * most.kilobytes - low * least.kilobytes;
        let lost = lost - high * most.lost_kilobytes - low * least.lost_kilobytes;
        if total <= 0.0 {
            all
        } else {
            within(lost / total, 0.0, 1.0)
        }
    }

    fn median_sending_bps(&self) -> f64 {
        let mut rates: ArrayVec<f64, WINDOW> = self.observations.iter().map(|it| it.sending_bps).collect();
        rates.sort_unstable_by(f64::total_cmp);
        let middle = rates.len() / 2;
        let upper = rates.get(middle).copied().unwrap_or(0.0);
        match rates.len() % 2 {
            1 => upper,
            _ => rates
                .get(middle.wrapping_sub(1))
                .map_or(upper, |lower| (lower + upper) / 2.0),
        }
    }

    /// The most likely channel among those that lie near the present one.
    fn best_candidate(&self, current: Channel, delay_bps: f64, is_app_limited: bool) -> Channel {
        let mut rates: ArrayVec<f64, 5> = CANDIDATES
            .iter()
            .map(|factor| factor * current.bandwidth_bps)
            .collect();
        rates.extend(self.throughput_bps.filter(|_| !is_app_limited));
        rates.extend((delay_bps > current.bandwidth_bps).then_some(delay_bps));
        let limit = match (self.state, self.recovery) {
            (LossState::Increasing | LossState::Decreasing, Some((_, limit))) => limit,
            _ => MAX_BPS,
        };
        let mut best = (f64::NEG_INFINITY, current);
        for rate in rates {
            let bandwidth_bps = rate.min(limit.max(current.bandwidth_bps));
            let mut candidate = Channel {
                bandwidth_bps,
                inherent_loss: feasible(current.inherent_loss, bandwidth_bps),
            };
            self.refine(&mut candidate);
            let likelihood = self.likelihood(candidate);
            if likelihood > best.0 {
                best = (likelihood, candidate);
            }
        }
        best.1
    }

    /// One step of Newton's method towards the most likely inherent loss.
    fn refine(&self, channel: &mut Channel) {
        let (mut first, mut second) = (0.0, 0.0);
        for (weight, observation) in self.weighted() {
            let loss = channel.loss(observation.sending_bps);
            let (lost, received) = observation.split();
            first += weight * (lost / loss - received / (1.0 - loss));
            second -= weight * (lost / (loss * loss) + received / ((1.0 - loss) * (1.0 - loss)));
        }
        let second = if second < 0.0 { second } else { -1.0e-6 };
        let inherent_loss = channel.inherent_loss - NEWTON_STEP * first / second;
        channel.inherent_loss = feasible(inherent_loss, channel.bandwidth_bps);
    }

    /// How likely a channel explains what was seen, with a preference for higher rates.
    fn likelihood(&self, channel: Channel) -> f64 {
        let preference = self.preference(channel.bandwidth_bps);
        self.weighted()
            .map(|(weight, observation)| {
                let loss = channel.loss(observation.sending_bps);
                let (lost, received) = observation.split();
                let seen = lost * loss.ln() + received * (1.0 - loss).ln();
                weight * (seen + preference * observation.kilobytes)
            })
            .sum()
    }

    fn preference(&self, bandwidth_bps: f64) -> f64 {
        let distance = PREFERENCE_LOSS - self.average_loss;
        let adjust = distance / (PREFERENCE_SMOOTHING + distance.abs());
        let kbps = bandwidth_bps / 1_000.0;
        adjust * (PREFERENCE * kbps + PREFERENCE_LOG * kbps.ln_1p())
    }

    /// While loss limits the rate it grows no faster than the window and the throughput allow.
    fn bound_recovery(&self, now_us: i64, current: Channel, best: &mut Channel) {
        if let Some((since, limit)) = self.recovery
            && now_us - since < RECOVERY_US
        {
            best.bandwidth_bps = best.bandwidth_bps.min(limit);
        }
        let grows = current.bandwidth_bps < best.bandwidth_bps
            || (current.bandwidth_bps == best.bandwidth_bps && self.state == LossState::Increasing);
        if let Some(throughput) = self.throughput_bps.filter(|_| grows) {
            let is_held = throughput < HELD_SHARE * self.hold.rate_bps && self.hold.rate_bps.is_finite();
            let factor = if is_held { RAMP_UP_HELD } else { RAMP_UP };
            best.bandwidth_bps = best
                .bandwidth_bps
                .min(factor * throughput)
                .max(current.bandwidth_bps);
            if self.state == LossState::Decreasing && best.bandwidth_bps == current.bandwidth_bps {
                best.bandwidth_bps += 1.0; // so that it counts as growing
            }
        }
    }

    fn conclude(&mut self, now_us: i64, bounded_bps: f64, delay_bps: f64) {
        let is_limited = bounded_bps < delay_bps && bounded_bps < MAX_BPS;
        if self.state == LossState::Decreasing
            && self.hold.until_us.is_some_and(|until| until > now_us)
            && bounded_bps < delay_bps
        {
            self.hold.rate_bps = self.hold.rate_bps.max(self.lower_bps());
            self.result_bps = bounded(self.hold.rate_bps.min(bounded_bps));
            return;
        }
        let grows = self.state != LossState::DelayBased
            && (self.result_bps < bounded_bps
                || (self.result_bps == bounded_bps && self.state == LossState::Increasing));
        self.state = match (is_limited, grows) {
            (true, true) => LossState::Increasing,
            (true, false) => {
                if self.state != LossState::Decreasing {
                    self.hold = Hold {
                        until_us: Some(now_us + self.hold.duration_us),
                        duration_us: (self.hold.duration_us * 2).min(HOLD_US.1),
                        rate_bps: bounded_bps,
                    };
                }
                LossState::Decreasing
            }
            (false, _) => {
                self.hold = Hold::default();
                LossState::DelayBased
            }
        };
        self.result_bps = bounded(bounded_bps);
    }

    /// So much is lost right now that the rate cannot be higher.
    fn upper_bps(&self) -> f64 {
        if self.average_loss > INHERENT_MAX {
            INHERENT_BALANCE_BPS / (self.average_loss - INHERENT_MAX)
        } else {
            MAX_BPS
        }
    }

    /// What arrives is no loss.
    fn lower_bps(&self) -> f64 {
        self.throughput_bps.unwrap_or(0.0).max(MIN_BPS)
    }
}

impl Channel {
    /// The share that is lost when so much is sent.
    fn loss(&self, sending_bps: f64) -> f64 {
        let excess = ((sending_bps - self.bandwidth_bps) / sending_bps.max(1.0)).max(0.0);
        let loss = self.inherent_loss + (1.0 - self.inherent_loss) * excess;
        within(loss, 1.0e-6, 1.0 - 1.0e-6)
    }
}

impl Observation {
    /// Lost and received.
    fn split(&self) -> (f64, f64) {
        (self.lost_kilobytes, self.kilobytes - self.lost_kilobytes)
    }
}

fn feasible(inherent_loss: f64, bandwidth_bps: f64) -> f64 {
    let most = INHERENT_MAX + INHERENT_BALANCE_BPS / bandwidth_bps.max(1.0);
    inherent_loss.max(INHERENT_MIN).min(most.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so much for so many quarters of a second; the result.
    fn run(loss: &mut LossBased, from: i64, quarters: i64, bps: f64, share: f64, delay_bps: f64) -> f64 {
        for quarter in from..from + quarters {
            let bytes = (bps / 8.0 / 4.0 / 100.0) as u32;
            for packet in 0..100 {
                loss.on_packet(bytes, f64::from(packet) < share * 100.0);
            }
            let sent = (quarter * 250_000, (quarter + 1) * 250_000);
            loss.update(sent, Some(bps * (1.0 - share)), delay_bps, false);
        }
        loss.result().map_or(0.0, |(bps, _)| bps)
    }

    #[test]
    fn a_link_that_loses_5_percent_of_anything_keeps_its_rate() {
        let mut loss = LossBased::default();
        let result = run(&mut loss, 0, 40, 2e6, 0.05, 2e6);
        assert!(result > 1.8e6, "{result}");
    }

    #[test]
    fn a_link_that_loses_what_is_too_much_gets_less_and_recovers() {
        let mut loss = LossBased::default();
        let result = run(&mut loss, 0, 8, 2e6, 0.0, 2e6);
        assert_eq!((result, loss.state), (2e6, LossState::DelayBased));
        let result = run(&mut loss, 8, 8, 2e6, 0.5, 2e6);
        assert!((0.95e6..1.1e6).contains(&result), "{result}");
        assert_eq!(loss.state, LossState::Decreasing);
        let result = run(&mut loss, 16, 120, 1e6, 0.0, 2e6);
        assert!(result > 1.1e6, "{result}");
        assert_ne!(loss.state, LossState::Decreasing);
    }

    #[test]
    fn a_packet_that_was_only_late_is_not_lost() {
        let mut loss = LossBased::default();
        for quarter in 0..8 {
            for _ in 0..100 {
                loss.on_packet(500, true);
                loss.on_recovered(500);
            }
            let sent = (quarter * 250_000, (quarter + 1) * 250_000);
            loss.update(sent, Some(1.6e6), 2e6, false);
        }
        assert_eq!(loss.average_loss, 0.0);
    }
}
