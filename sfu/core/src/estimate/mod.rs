//! How much the way to a peer carries, by what it tells about the packets that it gets (transport-wide feedback).
//!
//! In: when each numbered packet left and how large it was, the peer's feedback, and time. Out: the rate at which to send,
//! and probes, which are a few packets sent faster than that. One estimator per transport; it never looks at packets and
//! allocates nothing after its beginning. Everything that comes from the peer is bounded: a hostile one spoils its own
//! picture and nothing else.
//!
//! The way of the algorithm is that of goog_cc in libwebrtc as of 2025-05-06 (its `call/version.cc`), in our own words; the
//! constants are its defaults where a comment does not say otherwise (libwebrtc: copyright of the WebRTC project authors,
//! BSD 3-clause licence). `docs/bad-network.md` says what differs and why:
//!
//! - [`arrival`] and [`trendline`]: do the delays grow from one burst to the next? [`rate_control`] moves a rate by that;
//! - [`loss`]: is more lost than the link loses anyway?
//! - [`acknowledged`]: what arrives, which is what every decrease goes by;
//! - [`alr`], [`probe`] and [`cluster`]: where less is sent than the link carries only probing learns something;
//! - [`log`] and [`feedback`]: what was sent, and what the peer says of it.
//!
//! The lesser of the rates by delay and by loss is the result.
//!
//! Memory of one transport: [`LOG_LEN`] × 12 bytes for the log and 6 kB for the throughput, together with all the
//! rest less than 33 kB (`an_estimator_takes_33_kb`).

mod acknowledged;
mod alr;
mod arrival;
mod cluster;
pub mod feedback;
mod log;
mod loss;
mod probe;
mod queue;
mod rate_control;
mod trendline;

pub use log::LOG_LEN;

use acknowledged::{AcknowledgedBitrate, Throughput};
use alr::AlrDetector;
use arrival::InterArrival;
use cluster::{ProbeResults, Prober, Shown};
use feedback::{PeerClock, TICK_US, TransportFeedback};
use log::SendLog;
use loss::{LossBased, LossState};
use probe::{Limit, ProbeController};
use queue::{Standing, StandingQueue};
use rate_control::RateControl;
use std::time::{Duration, Instant};
use trendline::{Trendline, Usage};

/// The rate before anything is known, in bit/s: twice what goog_cc begins with, because the smallest layers of some
/// cameras have to fit before the first probe is back.
pub const START_BPS: f64 = 600_000.0;

/// The rate never falls below this, in bit/s …
pub const MIN_BPS: f64 = 30_000.0;
/// … and never rises above this.
pub const MAX_BPS: f64 = 1e9;

/// How often a peer may speak of each packet that it is sent. Feedback overlaps where packets come late; raising it makes
/// hostile feedback cost more.
const STATUSES_PER_PACKET: u32 = 16;

/// Packets of which a peer may speak at a time, at most, with what it has not said before. Feedback about more is not read.
const STATUSES_MAX: u32 = 32_768;

const _: () = assert!(STATUSES_MAX == STATUSES_PER_PACKET * LOG_LEN as u32);

/// A pause in the feedback after which delays before and behind it are not compared.
const STREAM_TIMEOUT_US: i64 = 2_000_000;

/// Packets go out and nothing is heard of them for this long beyond the round trip: the rate backs off. (goog_cc waits for
/// 3 s, because an encoder stops by itself when its pacer is full.) …
const SILENCE_US: i64 = 500_000;
/// … by this factor …
const SILENCE_FACTOR: f64 = 0.8;
/// … this often.
const SILENCE_SPACING_US: i64 = 200_000;

/// After so long beyond the round trip what was sent is lost, and a probe may ask whether the way is there again.
const LOST_US: i64 = 3_000_000;

/// Nothing is under way for so long: queues are empty, and what was lost before says nothing about now.
const IDLE_US: i64 = 2_000_000;

/// A peer that has told nothing about the first packets for this long does not measure at all.
const UNHEARD_US: i64 = 2_000_000;

/// A packet that has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// When it was sent, in µs since the estimator began.
    pub sent_us: i64,
    /// When it arrived, in µs of the peer's clock.
    pub arrived_us: i64,
    /// Its size.
    pub bytes: u32,
    /// What went out without a number just before it.
    pub unnumbered: u32,
    /// The probe cluster; 0 is none.
    pub cluster: u8,
}

/// What each packet that goes out touches: two cache lines, beside each other.
#[derive(Debug)]
#[repr(C, align(64))]
struct Departures {
    log: SendLog,
    epoch: Instant,
    /// Bytes of media since the last look at what the application uses.
    media_bytes: u64,
    /// The first packet since the peer has told anything.
    unanswered_us: Option<i64>,
    /// A probe may be under way.
    may_probe: bool,
}

const _: () = assert!(size_of::<Departures>() == 128);

/// The estimator of one transport.
#[derive(Debug)]
pub struct BandwidthEstimator {
    departures: Departures,
    clock: PeerClock,
    arrival: InterArrival,
    trendline: Trendline,
    queue: StandingQueue,
    rate: RateControl,
    acknowledged: AcknowledgedBitrate,
    loss: LossBased,
    alr: AlrDetector,
    controller: ProbeController,
    prober: Prober,
    results: ProbeResults,
    /// Statuses that the peer may tell still, and the next number when that was last reckoned.
    statuses_left: u32,
    statuses_number: u16,
    round_trip_us: i64,
    told_us: Option<i64>,
    backed_off_us: Option<i64>,
    /// The last word of the peer before the latest pause that was long enough to forget what hindered.
    anew_us: Option<i64>,
    estimate_bps: f64,
    #[cfg(feature = "debug-tap")]
    pub(crate) record: crate::tap::Record,
}

impl BandwidthEstimator {
    /// Nothing is known. Allocates all that it will ever need.
    pub fn new(now: Instant) -> Self {
        BandwidthEstimator {
            departures: Departures {
                log: SendLog::new(),
                epoch: now,
                media_bytes: 0,
                unanswered_us: None,
                may_probe: false,
            },
            clock: PeerClock::default(),
            arrival: InterArrival::default(),
            trendline: Trendline::new(),
            queue: StandingQueue::default(),
            rate: RateControl::new(START_BPS),
            acknowledged: AcknowledgedBitrate::new(),
            loss: LossBased::default(),
            alr: AlrDetector::default(),
            controller: ProbeController::new(START_BPS),
            prober: Prober::default(),
            results: ProbeResults::default(),
            statuses_left: STATUSES_MAX,
            statuses_number: 0,
            round_trip_us: 0,
            told_us: None,
            backed_off_us: None,
            anew_us: None,
            estimate_bps: START_BPS,
            #[cfg(feature = "debug-tap")]
            record: crate::tap::Record::default(),
        }
    }

    /// Since when its record counts.
    #[cfg(feature = "debug-tap")]
    pub(crate) fn epoch(&self) -> Instant {
        self.departures.epoch
    }

    /// Notes feedback that [`Self::on_feedback`] gets next.
    #[cfg(feature = "debug-tap")]
    pub(crate) fn record_feedback(&mut self, now: Instant, body: &[u8]) {
        let now_us = self.us(now);
        self.record.feedback(now_us, body);
    }

    fn us(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.departures.epoch).as_micros() as i64
    }

    /// The transport-wide number that the next packet has to carry.
    #[inline]
    pub fn next_number(&self) -> u16 {
        self.departures.log.next_number()
    }

    /// A packet of media went out; `is_numbered`: with the next number.
    #[inline]
    pub fn on_sent(&mut self, now: Instant, bytes: usize, is_numbered: bool) {
        if is_numbered {
            self.on_media_sent(now, bytes);
        } else {
            self.on_unnumbered_sent(bytes);
        }
    }

    /// The next number went out with so many bytes of media.
    #[inline]
    pub fn on_media_sent(&mut self, now: Instant, bytes: usize) {
        self.departures.media_bytes += bytes as u64;
        #[cfg(feature = "debug-tap")]
        {
            self.record.is_media = true;
        }
        self.on_padding_sent(now, bytes);
    }

    /// The next number went out with so many bytes that only probe.
    #[inline]
    pub fn on_padding_sent(&mut self, now: Instant, bytes: usize) {
        let now_us = self.us(now);
        let mut cluster = 0;
        if self.departures.may_probe {
            cluster = self.prober.on_packet(now_us, bytes);
            self.departures.may_probe = self.prober.is_active();
        }
        #[cfg(feature = "debug-tap")]
        self.record.numbered(now_us, cluster, bytes);
        self.departures.log.push(now_us, bytes, cluster);
        self.departures.unanswered_us.get_or_insert(now_us);
    }

    /// Something went out that carries no number.
    #[inline]
    pub fn on_unnumbered_sent(&mut self, bytes: usize) {
        #[cfg(feature = "debug-tap")]
        self.record.unnumbered(bytes);
        self.departures.media_bytes += bytes as u64;
        self.departures.log.add_unnumbered(bytes);
    }

    /// A packet of a probe that another estimator wished for goes out, of so many bytes in all: what is replayed is not
    /// what this one would have sent. Its own probes are to be abandoned meanwhile.
    #[cfg(any(test, feature = "simulation"))]
    pub fn on_replayed_probe_sent(&mut self, now: Instant, bytes: usize, is_media: bool, probe: u8) {
        let now_us = self.us(now);
        self.departures.media_bytes += if is_media { bytes as u64 } else { 0 };
        self.departures.log.push(now_us, bytes, u8::MAX - probe);
        self.departures.unanswered_us.get_or_insert(now_us);
    }

    /// Such a probe begins.
    #[cfg(any(test, feature = "simulation"))]
    pub fn expect_replayed_probe(&mut self, probe: u8, bytes: u64) {
        // Its own ones count from the other end.
        self.results.expect(u8::MAX - probe, bytes);
    }

    /// Whether the peer has told anything.
    pub fn is_heard(&self) -> bool {
        self.told_us.is_some()
    }

    /// What would be sent if the link carried anything, in bit/s; 0 is unknown. Probes go no further than twice this.
    pub fn set_wanted(&mut self, bps: u64) {
        #[cfg(feature = "debug-tap")]
        self.record.wanted(bps);
        self.controller.set_wanted((bps as f64).min(MAX_BPS));
    }

    /// The rate at which to send, in bit/s; `None` when the peer evidently does not measure.
    pub fn target_bps(&self, now: Instant) -> Option<u64> {
        let is_unheard = self.told_us.is_none()
            && self
                .departures
                .unanswered_us
                .is_some_and(|first| self.us(now) - first >= UNHEARD_US);
        let target = (self.estimate_bps * self.queue.drain_share()).max(MIN_BPS);
        (!is_unheard).then_some(target as u64)
    }

    /// Whether the rate may be all that the link carries: more is wanted, or there is a queue. Else it is what it carries at
    /// least.
    pub fn is_limit(&self) -> bool {
        self.is_heard() && (self.controller.wants_more() || self.queue.is_long())
    }

    /// The peer is reached by another way: nothing is known of it. The numbers run on; feedback about packets that went
    /// the old way says nothing any more. Allocates nothing.
    pub fn on_route_changed(&mut self, now: Instant) {
        #[cfg(feature = "debug-tap")]
        {
            let now_us = self.us(now);
            self.record.route(now_us);
        }
        self.departures.log.forget();
        self.acknowledged.forget();
        self.arrival = InterArrival::default();
        self.trendline = Trendline::new();
        self.queue = StandingQueue::default();
        self.rate = RateControl::new(START_BPS);
        self.loss = LossBased::default();
        self.alr = AlrDetector::default();
        self.controller = self.controller.begin_anew(START_BPS);
        self.prober.abandon();
        self.results = ProbeResults::default();
        self.round_trip_us = 0;
        if self.is_heard() {
            self.departures.unanswered_us = None;
        }
        self.backed_off_us = None;
        self.told_us = self.told_us.map(|_| self.us(now));
        self.estimate_bps = START_BPS;
    }

    /// Whether the peer may speak of so many packets now.
    fn allows(&mut self, statuses: u16) -> bool {
        let sent = self.next_number().wrapping_sub(self.statuses_number);
        self.statuses_number = self.next_number();
        let allowed = self.statuses_left + u32::from(sent) * STATUSES_PER_PACKET;
        let left = allowed.min(STATUSES_MAX).checked_sub(u32::from(statuses));
        self.statuses_left = left.unwrap_or(allowed.min(STATUSES_MAX));
        left.is_some()
    }

    /// Takes a feedback. `scratch` is emptied and used; it never holds more than [`LOG_LEN`].
    pub fn on_feedback(
        &mut self,
        now: Instant,
        feedback: &TransportFeedback<'_>,
        scratch: &mut Vec<Arrived>,
    ) {
        if !self.allows(feedback.count()) {
            return;
        }
        let now_us = self.us(now);
        let base_us = self.clock.reference_us(feedback);
        scratch.clear();
        let mut sent_us = (i64::MAX, i64::MIN);
        for (number, ticks) in feedback.statuses() {
            let Some(told) = self.departures.log.tell(now_us, number, ticks.is_some()) else {
                continue;
            };
            sent_us = (sent_us.0.min(told.sent_us), sent_us.1.max(told.sent_us));
            if told.was_missing {
                self.loss.on_recovered(told.bytes);
            } else {
                self.loss.on_packet(told.bytes, ticks.is_none());
            }
            scratch.extend(ticks.map(|ticks| Arrived {
                sent_us: told.sent_us,
                arrived_us: base_us.saturating_add(ticks * TICK_US),
                bytes: told.bytes,
                unnumbered: told.unnumbered,
                cluster: told.cluster,
            }));
        }
        if sent_us.0 > sent_us.1 {
            return; // no news
        }
        self.departures.unanswered_us = None;
        scratch.sort_unstable_by_key(|packet| (packet.arrived_us, packet.sent_us));
        let pause_us = now_us - self.told_us.replace(now_us).unwrap_or(now_us);
        if pause_us > STREAM_TIMEOUT_US {
            self.arrival = InterArrival::default();
            self.trendline = Trendline::new();
        }
        self.measure_round_trip(now_us, scratch);
        self.queue.on_packets(now_us, scratch);
        self.update_limited(now_us);
        let mut shown = None;
        for packet in scratch.iter() {
            self.acknowledged.on_packet(packet);
            if packet.cluster != 0 {
                shown = self.results.on_packet(packet).or(shown);
            }
        }
        let throughput = self.acknowledged.throughput();
        let has_recovered = self.follow_delays(now_us, scratch);
        let is_limited = self.alr.since_us().is_some();
        let by_probe = self.update_rate(now_us, throughput, shown, is_limited);
        let recent_bps = throughput.map(|throughput| throughput.recent_bps);
        self.loss
            .update(sent_us, recent_bps, self.rate.estimate_bps(), is_limited);
        self.conclude(now_us, by_probe);
        if has_recovered {
            let rate = self.controller.on_recovered(now_us);
            self.probe(now_us, rate);
        }
    }

    fn measure_round_trip(&mut self, now_us: i64, packets: &[Arrived]) {
        let Some(last) = packets.last() else { return };
        // How long the peer waited with the feedback does not count.
        let round_trip = packets.iter().map(|packet| {
            let waited = last.arrived_us.saturating_sub(packet.arrived_us);
            (now_us - packet.sent_us).saturating_sub(waited)
        });
        self.round_trip_us = round_trip.min().unwrap_or(0);
        self.rate.set_round_trip(self.round_trip_us);
    }

    /// Whether queues that were being emptied are empty now.
    fn follow_delays(&mut self, now_us: i64, packets: &[Arrived]) -> bool {
        let mut has_recovered = false;
        for packet in packets {
            let before = self.trendline.usage();
            if let Some(deltas) = self.arrival.on_packet(now_us, packet) {
                self.trendline.on_deltas(deltas, packet.arrived_us);
            }
            has_recovered |= before == Usage::Under && self.trendline.usage() == Usage::Normal;
        }
        has_recovered
    }

    /// The rate by delay. True: a probe has set it.
    fn update_rate(
        &mut self,
        now_us: i64,
        throughput: Option<Throughput>,
        shown: Option<Shown>,
        is_limited: bool,
    ) -> bool {
        let standing = self.queue.standing();
        let usage = match (self.trendline.usage(), standing) {
            (Usage::Normal, Standing::TooLong) => Usage::Over,
            (Usage::Over, Standing::None) => Usage::Normal,
            (usage, _) => usage,
        };
        match (usage, throughput, shown) {
            (Usage::Over, Some(Throughput { recent_bps, .. }), _) => {
                // The trend lags behind: once the queue falls, enough has been done.
                if self.rate.may_reduce(now_us, recent_bps) && self.queue.may_reduce(now_us) {
                    self.queue.on_reduced(now_us);
                    self.controller.on_overuse(now_us);
                    self.rate.update(now_us, usage, Some(recent_bps), is_limited);
                }
            }
            (Usage::Over, None, _) => {
                // Too much before anything is known.
                let half = self.rate.estimate_bps() / 2.0;
                if self.rate.may_reduce(now_us, half) {
                    self.rate.set_estimate(now_us, half);
                }
            }
            (_, _, Some(shown)) if shown.bps > self.estimate_bps && !self.pushes_aside(shown) => {
                self.rate
                    .set_estimate(now_us, shown.bps.max(self.rate.estimate_bps()));
                self.loss.on_probe(shown.bps);
                return true;
            }
            _ => {
                if let Some(shown) = shown.filter(|shown| shown.is_full && shown.bps <= self.estimate_bps) {
                    // Jitter makes a short probe look slow; a queue beside it tells the difference.
                    let is_first = !self.rate.knows_capacity();
                    self.rate.on_full(shown.bps);
                    if is_first && self.queue.is_long() {
                        self.rate
                            .set_estimate(now_us, shown.bps.min(self.rate.estimate_bps()));
                    }
                }
                let grows = !is_limited && !self.queue.is_long();
                let throughput_bps = throughput.map(|throughput| throughput.bps);
                self.rate.update(now_us, usage, throughput_bps, !grows);
            }
        }
        false
    }

    /// On a link that was full before, a probe that fills it has only pushed somebody else aside. What it shows is nobody's
    /// share: whoever probed more often would come to have more.
    fn pushes_aside(&self, shown: Shown) -> bool {
        shown.is_full && self.rate.knows_capacity()
    }

    fn conclude(&mut self, now_us: i64, by_probe: bool) {
        let delay_bps = self.rate.estimate_bps();
        let (loss_bps, loss_state) = match self.loss.result() {
            Some((bps, state)) if state != LossState::DelayBased => (bps, state),
            _ => (delay_bps, LossState::DelayBased),
        };
        if loss_state == LossState::Decreasing {
            self.controller.on_overuse(now_us);
        }
        self.estimate_bps = bounded(delay_bps.min(loss_bps));
        let limit = match (self.trendline.usage(), loss_state) {
            (Usage::Over | Usage::Under, _) => Limit::Delay,
            _ if self.queue.is_long() => Limit::Delay,
            (Usage::Normal, LossState::Decreasing) => Limit::Loss,
            (Usage::Normal, LossState::Increasing) => Limit::LossRecovering,
            (Usage::Normal, LossState::DelayBased) => Limit::None,
        };
        let rate = self
            .controller
            .set_estimate(now_us, self.estimate_bps, limit, by_probe);
        self.probe(now_us, rate);
    }

    fn update_limited(&mut self, now_us: i64) {
        let bytes = std::mem::take(&mut self.departures.media_bytes);
        self.alr.update(now_us, bytes, self.estimate_bps);
        self.controller.set_limited(now_us, self.alr.since_us());
    }

    /// Does what is due; to be called every 10 ms or so. `can_probe`: there is something that probes can be made of.
    pub fn handle_timeout(&mut self, now: Instant, can_probe: bool) {
        let now_us = self.us(now);
        self.update_limited(now_us);
        let silent_us = match (self.told_us, self.departures.unanswered_us) {
            (Some(told), Some(sent)) => now_us - told.max(sent),
            _ => 0,
        };
        if silent_us > SILENCE_US + self.round_trip_us {
            if self
                .backed_off_us
                .is_none_or(|at| now_us - at >= SILENCE_SPACING_US)
            {
                self.backed_off_us = Some(now_us);
                self.rate.set_estimate(now_us, self.estimate_bps * SILENCE_FACTOR);
                self.estimate_bps = self.rate.estimate_bps();
                self.controller
                    .set_estimate(now_us, self.estimate_bps, Limit::Delay, false);
            }
            self.prober.abandon();
            if silent_us > LOST_US + self.round_trip_us {
                self.departures.unanswered_us = None;
            }
            return;
        }
        let is_idle = self.departures.unanswered_us.is_none()
            && self.told_us.is_some_and(|told| now_us - told > IDLE_US);
        if is_idle && self.anew_us != self.told_us {
            self.anew_us = self.told_us;
            self.begin_anew();
        }
        if can_probe {
            let rate = self.controller.process(now_us);
            self.probe(now_us, rate);
        }
    }

    /// Forgets what hindered before a pause; the rate itself stays.
    fn begin_anew(&mut self) {
        self.arrival = InterArrival::default();
        self.trendline = Trendline::new();
        self.queue.on_idle();
        self.loss = LossBased::default();
        self.controller.on_idle();
    }

    fn probe(&mut self, now_us: i64, rate_bps: Option<f64>) {
        if let Some(rate) = rate_bps {
            let (id, bytes) = self.prober.begin(now_us, rate, self.queue.jitter_us());
            #[cfg(feature = "debug-tap")]
            self.record.probe(now_us, id, bytes);
            self.departures.may_probe = true;
            self.results.expect(id, bytes);
        }
    }

    /// Bytes of padding that a probe wants to be sent now.
    pub fn probe_bytes(&mut self, now: Instant) -> usize {
        let now_us = self.us(now);
        self.prober.bytes_due(now_us)
    }

    /// Nothing can carry the running probe.
    pub fn abandon_probe(&mut self) {
        self.prober.abandon();
    }

    /// When a running probe wants to go on.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due_us = self.prober.due_us()?;
        Some(self.departures.epoch + Duration::from_micros(due_us.max(0).cast_unsigned()))
    }
}

/// Within what a rate may be.
fn bounded(bps: f64) -> f64 {
    within(bps, MIN_BPS, MAX_BPS)
}

/// Like [`f64::clamp`], but what is not a number becomes the least.
fn within(value: f64, least: f64, most: f64) -> f64 {
    value.max(least).min(most)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Feedback that everything from `base` on arrived, 10 ms apart.
    fn all_arrived(base: u16, count: u8, reference: u32) -> Vec<u8> {
        let [_, r0, r1, r2] = reference.to_be_bytes();
        let mut body = vec![0; 8];
        body.extend(base.to_be_bytes());
        body.extend(u16::from(count).to_be_bytes());
        body.extend([r0, r1, r2, 0]);
        body.extend((0x2000 | u16::from(count)).to_be_bytes());
        body.extend(std::iter::repeat_n(40, usize::from(count)));
        body
    }

    #[test]
    fn an_estimator_takes_33_kb() {
        let all = size_of::<BandwidthEstimator>() + LOG_LEN * 12 + 501 * 12;
        assert!((20_000..33_000).contains(&all), "{all}");
    }

    #[test]
    fn a_peer_that_never_tells_anything_has_no_estimate_and_one_that_falls_silent_a_shrinking_one() {
        let start = Instant::now();
        let mut estimator = BandwidthEstimator::new(start);
        assert_eq!(
            estimator.target_bps(start + ms(60_000)),
            Some(600_000),
            "nothing was sent"
        );
        estimator.on_media_sent(start, 1_000);
        assert_eq!(estimator.target_bps(start + ms(1_999)), Some(600_000));
        assert_eq!(estimator.target_bps(start + ms(2_000)), None);
        let body = all_arrived(0, 1, 0);
        let feedback = TransportFeedback::parse(&body).unwrap();
        estimator.on_feedback(start + ms(3_000), &feedback, &mut Vec::new());
        let before = estimator.target_bps(start + ms(3_000)).unwrap();
        for tick in 300..1_300 {
            estimator.on_media_sent(start + ms(10 * tick), 100);
            estimator.handle_timeout(start + ms(10 * tick), true);
        }
        let after = estimator.target_bps(start + ms(13_000)).unwrap();
        assert!(after < before / 3, "{before} {after}");
        assert!(after >= MIN_BPS as u64);
    }

    #[test]
    fn a_peer_that_says_the_same_again_and_again_is_not_listened_to_beyond_its_share() {
        let start = Instant::now();
        let mut estimator = BandwidthEstimator::new(start);
        let mut about_all = vec![0; 10];
        about_all.extend((LOG_LEN as u16).to_be_bytes());
        about_all.extend([0, 0, 0, 0]);
        about_all.extend((LOG_LEN as u16).to_be_bytes()); // a run of what has not arrived
        let about_all = TransportFeedback::parse(&about_all).unwrap();
        let read = (0..100).filter(|_| {
            let before = estimator.statuses_left;
            estimator.on_feedback(start, &about_all, &mut Vec::new());
            estimator.statuses_left < before
        });
        assert_eq!(read.count(), STATUSES_PER_PACKET as usize);
        assert!(!estimator.is_heard(), "nothing of it was news");
        // Of what it is sent it may speak, and of nothing that the others are sent.
        let number = estimator.next_number();
        estimator.on_media_sent(start, 1_000);
        estimator.on_feedback(start, &about_all, &mut Vec::new());
        assert!(!estimator.is_heard());
        let body = all_arrived(number, 1, 0);
        let feedback = TransportFeedback::parse(&body).unwrap();
        estimator.on_feedback(start, &feedback, &mut Vec::new());
        assert!(estimator.is_heard());
        assert_eq!(estimator.statuses_left, STATUSES_PER_PACKET - 1);
    }

    #[test]
    fn of_another_way_to_the_peer_nothing_is_known_and_the_numbers_run_on() {
        let start = Instant::now();
        let mut estimator = BandwidthEstimator::new(start);
        let mut scratch = Vec::new();
        estimator.on_media_sent(start, 1_000);
        let body = all_arrived(0, 1, 0);
        let feedback = TransportFeedback::parse(&body).unwrap();
        estimator.on_feedback(start + ms(50), &feedback, &mut scratch);
        // The way ends, and silence makes the rate shrink.
        for tick in 10..400 {
            estimator.on_media_sent(start + ms(10 * tick), 100);
            estimator.handle_timeout(start + ms(10 * tick), true);
        }
        let known = estimator.target_bps(start + ms(4_000)).unwrap();
        assert!(known < START_BPS as u64 / 3, "{known}");
        let before = estimator.next_number();
        for _ in 0..10 {
            estimator.on_media_sent(start + ms(4_000), 200);
        }
        let moved = start + ms(4_100);
        estimator.on_route_changed(moved);
        assert_eq!(estimator.next_number(), before + 10);
        assert_eq!(estimator.target_bps(moved), Some(START_BPS as u64));
        let body = all_arrived(before, 10, 70);
        let feedback = TransportFeedback::parse(&body).unwrap();
        estimator.on_feedback(moved + ms(50), &feedback, &mut scratch);
        assert_eq!(scratch, [], "they went the old way");
        assert_eq!(estimator.target_bps(moved + ms(50)), Some(START_BPS as u64));
        estimator.handle_timeout(moved + ms(60), true);
        assert!(estimator.probe_bytes(moved + ms(60)) > 0, "it is probed at once");
    }

    proptest! {
        #[test]
        fn hostile_feedback_neither_panics_nor_leaves_the_bounds_nor_grows(
            rounds in prop::collection::vec(
                (any::<u16>(), any::<u16>(), 0..1_u32 << 24, prop::collection::vec(any::<u8>(), 2..60), 0_u64..100_000, 0_usize..400),
                1..40,
            ),
        ) {
            let start = Instant::now();
            let mut estimator = BandwidthEstimator::new(start);
            let mut scratch = Vec::new();
            let mut now = start;
            for (base, count, reference, rest, pause, sent) in rounds {
                now += ms(pause);
                for packet in 0..sent {
                    estimator.on_media_sent(now, packet * 7);
                    estimator.on_unnumbered_sent(packet);
                }
                let [_, r0, r1, r2] = reference.to_be_bytes();
                let mut body = vec![0; 8];
                // Mostly about packets that were sent.
                let base = if base % 4 == 0 { base } else { estimator.next_number().wrapping_sub(base % 64) };
                body.extend(base.to_be_bytes());
                body.extend((count % 300).to_be_bytes());
                body.extend([r0, r1, r2, 0]);
                body.extend(rest);
                if let Some(feedback) = TransportFeedback::parse(&body) {
                    estimator.on_feedback(now, &feedback, &mut scratch);
                }
                estimator.set_wanted(u64::from(reference) << 40);
                estimator.handle_timeout(now, true);
                prop_assert!(estimator.probe_bytes(now) < 10_000_000);
                prop_assert!(scratch.len() <= LOG_LEN);
                let bps = estimator.target_bps(now).unwrap_or(MIN_BPS as u64);
                prop_assert!((MIN_BPS as u64..=MAX_BPS as u64).contains(&bps));
                prop_assert!(estimator.rate.estimate_bps().is_finite());
            }
        }
    }
}
