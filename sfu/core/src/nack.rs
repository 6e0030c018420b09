//! What is missing in an incoming stream: which packets to ask for again (NACK, RFC 4585, section 6.2.1) and what the
//! receiver reports say of it (RFC 3550, sections 6.4.1, A.3 and A.8).
//!
//! In: extended sequence numbers as packets arrive ([`crate::sequence::SequenceExtender`]), and time. Out: numbers to
//! ask for, a wish for a key frame when there are too many, and [`ReceptionStats`]. One tracker per SSRC; it never
//! looks at packets.

use crate::sequence::SequenceExtender;
use arrayvec::ArrayVec;
use std::time::{Duration, Instant};

/// Packets that may be missing at a time. More, and asking for each costs more than a key frame would: the tracker
/// forgets them all and wants one. Raising it makes a burst of loss answer with a burst of retransmissions.
pub const MISSING_MAX: usize = 100;

/// The round trip to assume before one has been measured.
pub const RTT_DEFAULT: Duration = Duration::from_millis(70);

/// How long a packet may be merely out of order before it is asked for.
const FIRST_NACK_DELAY: Duration = Duration::from_millis(20);

/// How often one packet is asked for. After that it is too late for it: the decoder asks for a key frame.
const TRIES_MAX: u8 = 5;

const SPACING_MIN: Duration = Duration::from_millis(20);
const SPACING_MAX: Duration = Duration::from_millis(400);

/// A step of transit time beyond this is a stream that was paused or started anew, not jitter.
const JITTER_STEP_MAX_SECS: u32 = 5;

#[derive(Clone, Copy, Debug)]
struct Missing {
    extended: u64,
    tries: u8,
    due: Instant,
    /// When it was asked for first.
    asked: Option<Instant>,
}

/// Reception of one SSRC since the stream began, for a report block (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceptionStats {
    /// Highest sequence number, with the turns of the counter in the upper half; turns start at 0.
    pub extended_highest: u32,
    /// Expected less received, within 24 bits. Negative when packets came twice.
    pub cumulative_lost: i32,
    /// Share that was lost since the last report, in 1/256; 0 when it came out negative.
    pub fraction_lost: u8,
    /// Packets that arrived by themselves, late and repeated ones included.
    pub received: u64,
    /// Packets that should have arrived, from the first to the highest.
    pub expected: u64,
    /// Of those lost, how many a retransmission brought back.
    pub recovered: u64,
    /// Interarrival jitter in units of the RTP clock.
    pub jitter: u32,
}

/// Watches one incoming stream; the default is one that has not begun.
#[derive(Clone, Debug, Default)]
pub struct NackTracker {
    /// Lowest and highest number that arrived; `None` before the first packet.
    range: Option<(u64, u64)>,
    /// Ascending.
    missing: ArrayVec<Missing, MISSING_MAX>,
    /// No entry of `missing` is due before this.
    next_due: Option<Instant>,
    key_frame_needed: bool,
    /// How long the latest packet that was asked for took to come.
    answered: Option<Duration>,
    received: u64,
    recovered: u64,
    /// Expected and received at the last report.
    reported: (u64, u64),
    jitter: Jitter,
}

impl NackTracker {
    /// A packet arrived on the stream's own SSRC.
    pub fn on_packet(&mut self, now: Instant, extended: u64) {
        self.received += 1;
        let Some((lowest, highest)) = self.range else {
            self.range = Some((extended, extended));
            return;
        };
        self.range = Some((lowest.min(extended), highest.max(extended)));
        if extended > highest {
            self.miss(now, highest + 1, extended);
        } else if extended < lowest {
            self.miss_before(now, extended + 1, lowest);
        } else {
            self.find(extended);
        }
    }

    /// Notes the packets from `from` up to but without `to`, all below those that are known: the first packets of the
    /// stream came out of order. Many at once are no such gap, but a stray from long ago.
    fn miss_before(&mut self, now: Instant, from: u64, to: u64) {
        if to - from <= self.missing.remaining_capacity() as u64 {
            let later = std::mem::take(&mut self.missing);
            self.miss(now, from, to);
            self.missing.extend(later);
        }
    }

    /// A retransmission brought this packet (RFC 4588). It is not asked for again, but stays lost in the reports: the
    /// sender measures the path by them. Ignored before the first packet: a stream never starts with a retransmission.
    pub fn on_recovered(&mut self, now: Instant, extended: u64) {
        let Some((lowest, highest)) = self.range else {
            return;
        };
        if extended > highest {
            self.range = Some((lowest, extended));
            self.miss(now, highest + 1, extended);
            self.recovered += 1;
        } else if let Some(found) = self.find(extended) {
            self.recovered += 1;
            let took = found.asked.map(|asked| now.saturating_duration_since(asked));
            self.answered = took.or(self.answered);
        }
    }

    /// How long it took from the first time that a packet was asked for until a retransmission brought it: the way there and
    /// back, and longer where the request was lost. Says so once.
    pub const fn take_answered(&mut self) -> Option<Duration> {
        self.answered.take()
    }

    /// Notes the packets from `from` up to but without `to`.
    fn miss(&mut self, now: Instant, from: u64, to: u64) {
        let free = self.missing.remaining_capacity() as u64;
        if to - from > free {
            self.missing.clear();
            self.next_due = None;
            self.key_frame_needed = true;
            return;
        }
        let due = now + FIRST_NACK_DELAY;
        self.missing.extend((from..to).map(|extended| Missing {
            extended,
            tries: 0,
            due,
            asked: None,
        }));
        if from < to {
            self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
        }
    }

    /// The packet, if it was missing; it is not any more.
    fn find(&mut self, extended: u64) -> Option<Missing> {
        let at = self
            .missing
            .binary_search_by_key(&extended, |missing| missing.extended)
            .ok()?;
        let found = self.missing.remove(at);
        if self.missing.is_empty() {
            self.next_due = None;
        }
        Some(found)
    }

    /// Appends the numbers that are due to be asked for, in order. Each is asked for at most five times: 20 ms after it
    /// was missed, then at intervals of `rtt`·1.25ⁿ between 20 and 400 ms. What does not fit into `out` stays due.
    pub fn poll_nacks(&mut self, now: Instant, rtt: Duration, out: &mut ArrayVec<u16, MISSING_MAX>) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        let mut next_due: Option<Instant> = None;
        self.missing.retain(|missing| {
            if missing.due <= now {
                if missing.tries >= TRIES_MAX {
                    return false;
                }
                if out.try_push(missing.extended as u16).is_ok() {
                    missing.due = now + spacing(rtt, missing.tries);
                    missing.asked.get_or_insert(now);
                    missing.tries += 1;
                }
            }
            next_due = Some(next_due.map_or(missing.due, |next| next.min(missing.due)));
            true
        });
        self.next_due = next_due;
    }

    /// When [`NackTracker::poll_nacks`] has something to do. May be earlier than necessary after packets were found.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.next_due
    }

    /// Whether more was lost than can be asked for since the last call: only a key frame helps.
    pub const fn key_frame_needed(&mut self) -> bool {
        std::mem::replace(&mut self.key_frame_needed, false)
    }

    /// A packet with this RTP timestamp arrived: measures jitter (RFC 3550, A.8). Only the first packet of each
    /// timestamp counts, because the packets of one picture are paced by their sender.
    pub fn on_timestamp(&mut self, now: Instant, rtp_timestamp: u32, clock_rate: u32) {
        self.jitter.on_timestamp(now, rtp_timestamp, clock_rate);
    }

    /// The state of a report block (RFC 3550, A.3); begins the next interval of the lost fraction. All zero before the
    /// first packet.
    pub fn report(&mut self) -> ReceptionStats {
        let Some((lowest, highest)) = self.range else {
            return ReceptionStats::default();
        };
        let expected = highest - lowest + 1;
        let lost = expected.cast_signed().saturating_sub_unsigned(self.received);
        let (expected_before, received_before) = self.reported;
        let expected_now = expected - expected_before;
        let lost_now = expected_now.saturating_sub(self.received - received_before);
        self.reported = (expected, self.received);
        ReceptionStats {
            // The report has room for 2^16 turns; RFC 3550 lets it wrap.
            extended_highest: highest.wrapping_sub(SequenceExtender::FIRST_TURN) as u32,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            fraction_lost: (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            received: self.received,
            expected,
            recovered: self.recovered,
            jitter: self.jitter.value(),
        }
    }
}

/// How long to wait after an attempt that had `tries` before it.
fn spacing(rtt: Duration, tries: u8) -> Duration {
    (0..tries)
        .fold(rtt.min(SPACING_MAX), |wait, _| wait * 5 / 4)
        .clamp(SPACING_MIN, SPACING_MAX)
}

/// Interarrival jitter as RFC 3550, A.8 estimates it, in whole numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    epoch: Option<Instant>,
    /// Transit time and timestamp of the last packet.
    last: Option<(u32, u32)>,
    /// Sixteen times the estimate.
    scaled: u64,
}

impl Jitter {
    fn on_timestamp(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        let epoch = *self.epoch.get_or_insert(now);
        let elapsed = now.saturating_duration_since(epoch).as_micros();
        // Both wrap, and only their difference matters.
        let arrival = (elapsed * u128::from(clock_rate) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        let Some((last_transit, last_timestamp)) = self.last else {
            self.last = Some((transit, timestamp));
            return;
        };
        if timestamp == last_timestamp {
            return;
        }
        self.last = Some((transit, timestamp));
        let step = transit.wrapping_sub(last_transit).cast_signed().unsigned_abs();
        if step < clock_rate.saturating_mul(JITTER_STEP_MAX_SECS) {
            self.scaled = (self.scaled + u64::from(step)).saturating_sub((self.scaled + 8) >> 4);
        }
    }

    fn value(self) -> u32 {
        u32::try_from(self.scaled >> 4).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RTT: Duration = Duration::from_millis(100);

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn nacks(tracker: &mut NackTracker, now: Instant) -> Vec<u16> {
        let mut out = ArrayVec::new();
        tracker.poll_nacks(now, RTT, &mut out);
        out.to_vec()
    }

    /// A tracker that has seen these packets at one moment.
    fn tracker_after(now: Instant, packets: impl IntoIterator<Item = u64>) -> NackTracker {
        let mut tracker = NackTracker::default();
        for packet in packets {
            tracker.on_packet(now, packet);
        }
        tracker
    }

    #[test]
    fn a_missing_packet_is_asked_for_after_20_ms_and_the_others_never() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [65_534, 65_535, 65_538]);
        assert_eq!(tracker.poll_timeout(), Some(start + millis(20)));
        assert_eq!(nacks(&mut tracker, start + millis(19)), []);
        assert_eq!(nacks(&mut tracker, start + millis(20)), [0, 1]);
        assert_eq!(nacks(&mut tracker, start + millis(20)), []);
    }

    #[test]
    fn a_packet_that_was_only_late_is_not_asked_for() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [1, 3, 2]);
        assert_eq!(tracker.poll_timeout(), None);
        assert_eq!(nacks(&mut tracker, start + millis(500)), []);
    }

    #[test]
    fn there_are_five_tries_at_growing_distance_and_then_it_is_forgotten() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [1, 3]);
        let mut asked_at = Vec::new();
        while let Some(due) = tracker.poll_timeout() {
            asked_at.extend(nacks(&mut tracker, due).iter().map(|_| (due - start).as_micros()));
        }
        assert_eq!(asked_at, [20_000, 120_000, 245_000, 401_250, 596_562]);
        assert!(!tracker.key_frame_needed());
    }

    #[test]
    fn spacing_stays_between_20_and_400_ms() {
        assert_eq!(spacing(Duration::ZERO, 4), millis(20));
        assert_eq!(spacing(millis(399), 1), millis(400));
        assert_eq!(spacing(Duration::MAX, 4), millis(400));
    }

    #[test]
    fn more_than_a_hundred_missing_asks_for_a_key_frame_once_and_for_no_packet() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [1_000, 1_101]);
        assert!(!tracker.key_frame_needed(), "a hundred are still tracked");
        assert_eq!(nacks(&mut tracker, start + millis(20)).len(), 100);
        tracker.on_packet(start, 1_103);
        assert!(tracker.key_frame_needed());
        assert!(!tracker.key_frame_needed(), "taken");
        assert_eq!(tracker.poll_timeout(), None);
        tracker.on_packet(start, 1_105);
        assert_eq!(nacks(&mut tracker, start + millis(20)), [1_104]);
    }

    #[test]
    fn what_does_not_fit_into_the_list_stays_due() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [1, 4]);
        let mut out = ArrayVec::from_iter(0..99);
        tracker.poll_nacks(start + millis(20), RTT, &mut out);
        assert_eq!(out.last(), Some(&2));
        assert_eq!(nacks(&mut tracker, start + millis(20)), [3]);
    }

    #[test]
    fn a_retransmission_ends_the_asking_but_stays_lost_in_the_report() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [65_537, 65_540]);
        tracker.on_recovered(start, 65_538);
        tracker.on_recovered(start, 65_538);
        assert_eq!(nacks(&mut tracker, start + millis(20)), [3]);
        let stats = tracker.report();
        assert_eq!((stats.expected, stats.received, stats.recovered), (4, 2, 1));
        assert_eq!((stats.cumulative_lost, stats.fraction_lost), (2, 128));
    }

    #[test]
    fn a_stream_does_not_start_with_a_retransmission() {
        let start = Instant::now();
        let mut tracker = NackTracker::default();
        tracker.on_recovered(start, 70_000);
        assert_eq!(tracker.report(), ReceptionStats::default());
        tracker.on_packet(start, 70_005);
        assert_eq!(tracker.poll_timeout(), None);
    }

    #[test]
    fn the_lost_fraction_is_that_of_the_interval_and_the_count_that_of_the_stream() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, (65_536..65_546).filter(|packet| packet % 2 == 0));
        let first = tracker.report();
        assert_eq!(
            (first.extended_highest, first.expected, first.received),
            (8, 9, 5)
        );
        assert_eq!(
            (first.cumulative_lost, first.fraction_lost),
            (4, (4 * 256 / 9) as u8)
        );
        for packet in 65_545..65_645 {
            tracker.on_packet(start, packet);
        }
        let second = tracker.report();
        assert_eq!((second.cumulative_lost, second.fraction_lost), (4, 0));
        assert_eq!(second.extended_highest, 108);
        assert_eq!(tracker.report().fraction_lost, 0, "an interval without packets");
    }

    #[test]
    fn packets_that_come_twice_make_the_loss_negative_and_the_fraction_zero() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [65_536, 65_537, 65_537, 65_537]);
        let stats = tracker.report();
        assert_eq!((stats.cumulative_lost, stats.fraction_lost), (-2, 0));
    }

    #[test]
    fn jitter_settles_at_the_mean_change_of_transit_time() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [65_536]);
        for packet in 0..500_u32 {
            // Every other packet is 5 ms late: transit changes by 240 units of 48 kHz each time.
            let late = if packet % 2 == 0 { 0 } else { 5 };
            tracker.on_timestamp(
                start + millis(u64::from(packet) * 20 + late),
                packet * 960,
                48_000,
            );
        }
        let jitter = tracker.report().jitter;
        assert!((239..=241).contains(&jitter), "{jitter}");
    }

    #[test]
    fn packets_of_one_picture_and_a_restarted_clock_are_not_jitter() {
        let start = Instant::now();
        let mut tracker = tracker_after(start, [65_536]);
        tracker.on_timestamp(start, u32::MAX - 1_499, 90_000);
        tracker.on_timestamp(start + millis(15), u32::MAX - 1_499, 90_000);
        tracker.on_timestamp(start + Duration::from_nanos(33_333_334), 1_500, 90_000);
        tracker.on_timestamp(start + millis(66), 2_000_000_000, 90_000);
        assert_eq!(tracker.report().jitter, 0);
    }

    proptest! {
        #[test]
        fn no_order_of_packets_panics_or_asks_for_what_arrived(
            packets in prop::collection::vec((any::<u16>(), any::<bool>(), 0_u64..50), 1..300),
        ) {
            let mut now = Instant::now();
            let mut tracker = NackTracker::default();
            let mut extender = SequenceExtender::default();
            let mut sequence = 0_u16;
            for (step, recovered, pause) in packets {
                // Mostly small steps, sometimes anywhere.
                sequence = if step % 16 == 0 { step } else { sequence.wrapping_add(step % 8) };
                now += millis(pause);
                let extended = extender.extend(sequence);
                if recovered {
                    tracker.on_recovered(now, extended);
                } else {
                    tracker.on_packet(now, extended);
                }
                let asked = nacks(&mut tracker, now);
                prop_assert!(!asked.contains(&sequence));
                prop_assert_eq!(tracker.poll_timeout().is_some(), !tracker.missing.is_empty());
                tracker.report();
            }
        }
    }
}
