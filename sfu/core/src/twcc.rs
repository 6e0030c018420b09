//! Transport-wide congestion control, the receiver's half (draft-holmer-rmcat-transport-wide-cc-extensions-01,
//! section 3): when each packet of a transport arrived, told to the peer that sent it, whose estimator sets its bitrate.
//!
//! In: the transport-wide number of every packet (retransmissions too) and its time. Out: feedback packets, one at a
//! time. The recorder keeps arrivals after it has told them, so that a late packet is told in its true place.

use crate::sequence::SequenceExtender;
use arrayvec::ArrayVec;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Numbers that are remembered. More at a time (a jump of the counter) forgets the oldest, and no feedback about those
/// will come; a larger window costs 4 bytes each per transport. A power of two.
const WINDOW: usize = 2_048;

/// Feedback is due this long after the last one: with a tick of the shard on top, a sender hears of a packet within 50 ms of
/// its arrival, so that its estimate falls within a round trip and little more. libwebrtc takes 50 to 250 ms.
const INTERVAL: Duration = Duration::from_millis(40);

/// Feedback is due at once when more packets than this came.
const HELD_MAX: usize = 100;

/// A feedback packet ends before this length, so that it fits into a datagram together with other RTCP.
const FEEDBACK_LEN_MAX: usize = 1_000;

const HEADER_LEN: usize = 20;
const FORMAT: u8 = 15;
const PACKET_TYPE: u8 = 205;

/// A delta counts 250 µs, the reference time 256 of these: 64 ms (section 3.1).
const TICK_MICROS: u128 = 250;
const TICKS_PER_REFERENCE: u32 = 256;

/// Arrival in ticks since the first packet. It wraps every 12.4 days, exactly when the reference time does; zero is
/// moved by one tick to make room for "has not arrived".
type Arrival = NonZeroU32;

/// Arrivals on one transport.
#[derive(Debug)]
pub struct TwccRecorder {
    numbers: SequenceExtender,
    epoch: Option<Instant>,
    /// Slot of a number: its low bits.
    arrivals: Box<[Option<Arrival>]>,
    /// The first number of the next feedback.
    begin: u64,
    /// One past the highest number.
    end: u64,
    /// Packets since the last feedback.
    held: usize,
    /// Of the last feedback, or of the first packet before there was one.
    last_feedback: Option<Instant>,
    feedback_count: u8,
}

impl Default for TwccRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl TwccRecorder {
    /// An empty recorder. The only allocation of its life: 8 kB.
    pub fn new() -> Self {
        Self {
            numbers: SequenceExtender::new(),
            epoch: None,
            arrivals: vec![None; WINDOW].into_boxed_slice(),
            begin: 0,
            end: 0,
            held: 0,
            last_feedback: None,
            feedback_count: 0,
        }
    }

    /// A packet with this number arrived. A number that came before counts once, with its first time; one that is older
    /// than the window is ignored.
    pub fn record(&mut self, now: Instant, sequence: u16) {
        let number = self.numbers.extend(sequence);
        let epoch = *self.epoch.get_or_insert(now);
        let elapsed = now.saturating_duration_since(epoch).as_micros() / TICK_MICROS;
        // Starts at 1 reference, so that the first packet need not be moved off zero.
        let ticks = TICKS_PER_REFERENCE.wrapping_add(elapsed as u32);
        if self.end == 0 {
            (self.begin, self.end) = (number, number);
        }
        if number >= self.end {
            let forgotten = number.saturating_sub(WINDOW as u64 - 1);
            for fresh in self.end.max(forgotten)..number {
                self.put(fresh, None);
            }
            self.end = number + 1;
            self.begin = self.begin.max(forgotten);
        } else if self.end - number > WINDOW as u64 || self.arrival(number).is_some() {
            return;
        }
        self.put(number, Some(Arrival::new(ticks).unwrap_or(Arrival::MIN)));
        self.begin = self.begin.min(number);
        self.held += 1;
        self.last_feedback.get_or_insert(now);
    }

    /// Appends one feedback packet if one is due; call again until it says `false`, because a packet ends where it would
    /// grow too long or where two arrivals lie more than 8 s apart. `media_ssrc` is any stream of the peer. A packet
    /// that arrives after it was told missing is told again, with everything since.
    pub fn poll_feedback(
        &mut self,
        now: Instant,
        sender_ssrc: u32,
        media_ssrc: u32,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return false;
        }
        let Some(first) = (self.begin..self.end).find_map(|number| self.arrival(number)) else {
            return false;
        };
        let reference = first.get() / TICKS_PER_REFERENCE;
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_LEN]);
        let stop = self.append_chunks(reference, out);
        self.append_deltas(reference, stop, out);
        let padding = (out.len() - start).next_multiple_of(4) - (out.len() - start);
        if padding > 0 {
            out.extend(std::iter::repeat_n(0, padding - 1));
            out.push(padding as u8);
        }
        // FEEDBACK_LEN_MAX and WINDOW keep both within 16 bits.
        let words = ((out.len() - start) / 4 - 1) as u16;
        let count = (stop - self.begin) as u16;
        if let Some(header) = out.get_mut(start..).and_then(|packet| packet.first_chunk_mut()) {
            *header = self.header(padding > 0, words, sender_ssrc, media_ssrc, count, reference);
        }
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.begin = stop;
        self.held = (stop..self.end)
            .filter(|number| self.arrival(*number).is_some())
            .count();
        if self.held == 0 {
            self.last_feedback = Some(now);
        }
        true
    }

    /// When [`TwccRecorder::poll_feedback`] has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let last = self.last_feedback.filter(|_| self.held > 0)?;
        Some(if self.held > HELD_MAX {
            last
        } else {
            last + INTERVAL
        })
    }

    fn header(
        &self,
        padded: bool,
        words: u16,
        sender_ssrc: u32,
        media_ssrc: u32,
        count: u16,
        reference: u32,
    ) -> [u8; HEADER_LEN] {
        let first = if padded { 0b1010_0000 } else { 0b1000_0000 } | FORMAT;
        let [w0, w1] = words.to_be_bytes();
        let [s0, s1, s2, s3] = sender_ssrc.to_be_bytes();
        let [m0, m1, m2, m3] = media_ssrc.to_be_bytes();
        let [b0, b1] = (self.begin as u16).to_be_bytes();
        let [c0, c1] = count.to_be_bytes();
        let [_, r0, r1, r2] = reference.to_be_bytes();
        [
            first,
            PACKET_TYPE,
            w0,
            w1, //
            s0,
            s1,
            s2,
            s3, //
            m0,
            m1,
            m2,
            m3, //
            b0,
            b1,
            c0,
            c1, //
            r0,
            r1,
            r2,
            self.feedback_count,
        ]
    }

    /// Appends the status of as many numbers as fit and returns the one after them.
    fn append_chunks(&self, reference: u32, out: &mut Vec<u8>) -> u64 {
        let mut chunks = Chunks::default();
        let mut previous = reference * TICKS_PER_REFERENCE;
        let mut len = HEADER_LEN;
        for number in self.begin..self.end {
            let mut symbol = Symbol::Missing;
            if let Some(arrival) = self.arrival(number) {
                let delta = Delta::between(previous, arrival.get());
                let Some(delta) = delta else {
                    chunks.finish(out);
                    return number;
                };
                symbol = delta.symbol();
                len += delta.len();
                previous = arrival.get();
            }
            len += chunks.push(symbol, out);
            // What is pending takes three more chunks at most, the padding three bytes.
            if len > FEEDBACK_LEN_MAX - 3 * 2 - 3 {
                chunks.finish(out);
                return number + 1;
            }
        }
        chunks.finish(out);
        self.end
    }

    fn append_deltas(&self, reference: u32, stop: u64, out: &mut Vec<u8>) {
        let mut previous = reference * TICKS_PER_REFERENCE;
        for arrival in (self.begin..stop).filter_map(|number| self.arrival(number)) {
            match Delta::between(previous, arrival.get()) {
                Some(Delta::Small(ticks)) => out.push(ticks),
                Some(Delta::Large(ticks)) => out.extend_from_slice(&ticks.to_be_bytes()),
                // The status of such a number is never appended.
                None => return,
            }
            previous = arrival.get();
        }
    }

    fn arrival(&self, number: u64) -> Option<Arrival> {
        self.arrivals.get(slot(number)).copied().flatten()
    }

    fn put(&mut self, number: u64, arrival: Option<Arrival>) {
        if let Some(place) = self.arrivals.get_mut(slot(number)) {
            *place = arrival;
        }
    }
}

const fn slot(number: u64) -> usize {
    number as usize & (WINDOW - 1)
}

/// Time between two arrivals, in ticks (section 3.1.5).
#[derive(Clone, Copy)]
enum Delta {
    Small(u8),
    Large(i16),
}

impl Delta {
    /// `None` when the arrivals lie too far apart for one packet.
    fn between(before: u32, after: u32) -> Option<Self> {
        let ticks = after.wrapping_sub(before).cast_signed();
        u8::try_from(ticks)
            .map(Self::Small)
            .or_else(|_| i16::try_from(ticks).map(Self::Large))
            .ok()
    }

    const fn symbol(self) -> Symbol {
        match self {
            Self::Small(_) => Symbol::SmallDelta,
            Self::Large(_) => Symbol::LargeDelta,
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::Small(_) => 1,
            Self::Large(_) => 2,
        }
    }
}

/// Status of one number (section 3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Missing = 0,
    SmallDelta = 1,
    LargeDelta = 2,
}

/// Packs symbols into chunks of 16 bits, as they come (sections 3.1.3 and 3.1.4): a run of one symbol, fourteen symbols
/// of one bit, or seven of two.
#[derive(Default)]
struct Chunks {
    /// Pending symbols; of a longer run only the first fourteen.
    symbols: ArrayVec<Symbol, ONE_BIT_SYMBOLS>,
    /// Pending symbols, all of them.
    pending: u16,
}

const ONE_BIT_SYMBOLS: usize = 14;
const TWO_BIT_SYMBOLS: usize = 7;

// A run has thirteen bits, so that a whole window fits into one.
const _: () = assert!(WINDOW < 1 << 13 && WINDOW.is_power_of_two());

impl Chunks {
    /// Takes one symbol; returns the bytes that were appended.
    fn push(&mut self, symbol: Symbol, out: &mut Vec<u8>) -> usize {
        let mut len = 0;
        while !self.fits(symbol) {
            self.emit(out);
            len += 2;
        }
        // Of a run longer than the list only the length matters.
        let _full = self.symbols.try_push(symbol);
        self.pending += 1;
        len
    }

    fn fits(&self, symbol: Symbol) -> bool {
        let pending = usize::from(self.pending);
        let one_bit = !self.symbols.contains(&Symbol::LargeDelta) && symbol != Symbol::LargeDelta;
        pending < TWO_BIT_SYMBOLS || (one_bit && pending < ONE_BIT_SYMBOLS) || self.run() == Some(symbol)
    }

    /// The symbol that all pending ones are; `None` when they differ or there are none.
    fn run(&self) -> Option<Symbol> {
        let first = *self.symbols.first()?;
        self.symbols
            .iter()
            .all(|symbol| *symbol == first)
            .then_some(first)
    }

    /// Appends one chunk: a run, or the most that a list holds.
    fn emit(&mut self, out: &mut Vec<u8>) {
        let chunk = if let Some(symbol) = self.run() {
            let run = (symbol as u16) << 13 | self.pending;
            self.symbols.clear();
            run
        } else if self.symbols.is_full() {
            self.list(0b10, 1, ONE_BIT_SYMBOLS)
        } else {
            self.list(0b11, 2, TWO_BIT_SYMBOLS)
        };
        self.pending = self.symbols.len() as u16;
        out.extend_from_slice(&chunk.to_be_bytes());
    }

    /// Appends what is pending.
    fn finish(mut self, out: &mut Vec<u8>) {
        while self.pending > 0 {
            self.emit(out);
        }
    }

    /// Takes up to `max` symbols of `bits` bits each behind the two bits of the chunk's kind; missing ones stay zero.
    fn list(&mut self, kind: u16, bits: usize, max: usize) -> u16 {
        let count = self.symbols.len().min(max);
        let mut chunk = kind << 14;
        for (place, symbol) in self.symbols.drain(..count).enumerate() {
            chunk |= (symbol as u16) << (14 - bits * (place + 1));
        }
        chunk
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
    };
    use rtc_shared::marshal::Unmarshal;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// One feedback packet as an independent parser reads it: each number, and its arrival in µs of its reference clock.
    fn read(packet: &[u8]) -> (TransportLayerCc, Vec<(u16, Option<i64>)>) {
        assert_eq!(packet.len() % 4, 0);
        assert_eq!(
            usize::from(u16::from_be_bytes([packet[2], packet[3]])) * 4 + 4,
            packet.len()
        );
        if packet[0] & 0x20 != 0 {
            assert!(
                (1..4).contains(packet.last().unwrap()),
                "padding says how long it is"
            );
        }
        let feedback = TransportLayerCc::unmarshal(&mut &packet[..]).unwrap();
        let mut symbols = Vec::new();
        for chunk in &feedback.packet_chunks {
            match chunk {
                PacketStatusChunk::RunLengthChunk(run) => {
                    symbols.extend(std::iter::repeat_n(
                        run.packet_status_symbol,
                        run.run_length.into(),
                    ));
                }
                PacketStatusChunk::StatusVectorChunk(list) => symbols.extend(&list.symbol_list),
            }
        }
        let mut deltas = feedback.recv_deltas.iter();
        let mut time = i64::from(feedback.reference_time) * 64_000;
        let statuses = (0..feedback.packet_status_count)
            .zip(symbols)
            .map(|(offset, symbol)| {
                let number = feedback.base_sequence_number.wrapping_add(offset);
                let arrival = (symbol != SymbolTypeTcc::PacketNotReceived).then(|| {
                    time += deltas.next().unwrap().delta;
                    time
                });
                (number, arrival)
            })
            .collect::<Vec<_>>();
        assert_eq!(statuses.len(), usize::from(feedback.packet_status_count));
        assert_eq!(deltas.next(), None);
        (feedback, statuses)
    }

    /// Every packet that is due.
    fn drain(recorder: &mut TwccRecorder, now: Instant) -> Vec<Vec<(u16, Option<i64>)>> {
        let mut all = Vec::new();
        loop {
            let mut out = vec![0xee; 3];
            if !recorder.poll_feedback(now, 1, 2, &mut out) {
                assert_eq!(out.len(), 3, "nothing is appended when nothing is due");
                return all;
            }
            assert!(out.len() - 3 <= FEEDBACK_LEN_MAX);
            all.push(read(&out[3..]).1);
        }
    }

    /// The clock of the feedback starts at 64 ms.
    fn at(since_start: Duration) -> Option<i64> {
        Some(64_000 + since_start.as_micros() as i64)
    }

    #[test]
    fn feedback_names_its_parties_and_counts_up() {
        let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
        for round in 0..3_u16 {
            recorder.record(start, round);
            let due = recorder.poll_timeout().unwrap();
            let mut out = Vec::new();
            assert!(recorder.poll_feedback(due, 0x0102_0304, 0x0506_0708, &mut out));
            let (feedback, _) = read(&out);
            assert_eq!(
                (feedback.sender_ssrc, feedback.media_ssrc),
                (0x0102_0304, 0x0506_0708)
            );
            assert_eq!(
                (feedback.base_sequence_number, feedback.packet_status_count),
                (round, 1)
            );
            assert_eq!(u16::from(feedback.fb_pkt_count), round);
        }
    }

    #[test]
    fn a_stream_is_told_every_40_ms_and_a_flood_at_once() {
        let start = Instant::now();
        for (packets, wait) in [(1, 40), (20, 40), (100, 40), (101, 0)] {
            let mut recorder = TwccRecorder::new();
            assert_eq!(recorder.poll_timeout(), None);
            for number in 0..packets {
                recorder.record(start, number);
            }
            assert_eq!(
                recorder.poll_timeout(),
                Some(start + millis(wait)),
                "{packets} packets"
            );
            if wait > 0 {
                assert!(drain(&mut recorder, start + millis(wait - 1)).is_empty());
            }
            assert_eq!(
                drain(&mut recorder, start + millis(wait)).concat().len(),
                usize::from(packets)
            );
            assert_eq!(recorder.poll_timeout(), None);
        }
    }

    #[test]
    fn lost_packets_are_missing_and_times_are_exact_to_a_quarter_millisecond() {
        let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
        recorder.record(start, 10);
        recorder.record(start + Duration::from_micros(1_250), 11);
        recorder.record(start + millis(70), 14);
        assert_eq!(
            drain(&mut recorder, start + millis(100)),
            [vec![
                (10, at(Duration::ZERO)),
                (11, at(Duration::from_micros(1_250))),
                (12, None),
                (13, None),
                (14, at(millis(70))),
            ]]
        );
        // What was lost between two reports is in the second one.
        recorder.record(start + millis(110), 17);
        assert_eq!(
            drain(&mut recorder, start + millis(200)),
            [vec![(15, None), (16, None), (17, at(millis(110))),]]
        );
    }

    #[test]
    fn a_reordered_packet_has_a_negative_delta_and_one_that_was_told_missing_is_told_again() {
        let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
        recorder.record(start, 1);
        recorder.record(start + millis(3), 3);
        recorder.record(start + millis(5), 2);
        recorder.record(start + millis(6), 5);
        assert_eq!(
            drain(&mut recorder, start + millis(100)).concat(),
            [
                (1, at(Duration::ZERO)),
                (2, at(millis(5))),
                (3, at(millis(3))),
                (4, None),
                (5, at(millis(6))),
            ]
        );
        recorder.record(start + millis(120), 4);
        assert_eq!(
            drain(&mut recorder, start + millis(200)).concat(),
            [(4, at(millis(120))), (5, at(millis(6)))]
        );
    }

    #[test]
    fn a_repeated_number_keeps_its_first_time_and_does_not_ask_for_feedback() {
        let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
        recorder.record(start, 7);
        recorder.record(start + millis(9), 7);
        assert_eq!(
            drain(&mut recorder, start + millis(100)),
            [vec![(7, at(Duration::ZERO))]]
        );
        recorder.record(start + millis(101), 7);
        assert_eq!(recorder.poll_timeout(), None);
    }

    #[test]
    fn arrivals_more_than_8_seconds_apart_go_into_two_packets() {
        let start = Instant::now();
        for (gap, packets) in [
            (Duration::from_micros(8_191_750), 1),
            (millis(8_192), 2),
            (millis(100_000), 2),
        ] {
            let mut recorder = TwccRecorder::new();
            recorder.record(start, 1);
            recorder.record(start + gap, 3);
            let told = drain(&mut recorder, start + gap);
            assert_eq!(told.len(), packets);
            assert_eq!(told.concat(), [(1, at(Duration::ZERO)), (2, None), (3, at(gap))]);
        }
    }

    #[test]
    fn numbers_wrap() {
        let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
        for number in [65_534, 65_535, 1] {
            recorder.record(start, number);
        }
        let numbers = drain(&mut recorder, start + millis(100)).concat();
        let zero = at(Duration::ZERO);
        assert_eq!(numbers, [(65_534, zero), (65_535, zero), (0, None), (1, zero)]);
    }

    #[test]
    fn the_reference_time_wraps_after_twelve_days_and_the_deltas_do_not_notice() {
        let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
        recorder.record(start, 0);
        drain(&mut recorder, start + millis(100));
        let wrap = millis(64 * (1 << 24)) - millis(64);
        recorder.record(start + wrap - millis(1), 1);
        recorder.record(start + wrap, 2);
        recorder.record(start + wrap + millis(1), 3);
        let told = drain(&mut recorder, start + wrap + millis(100)).concat();
        let times = told.iter().map(|(_, time)| time.unwrap()).collect::<Vec<_>>();
        // The moment of the wrap itself is moved by one tick of 250 µs.
        assert_eq!((times[1] - times[0], times[2] - times[1]), (1_250, 750));
    }

    #[test]
    fn a_jump_beyond_the_window_forgets_the_oldest_only() {
        let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
        recorder.record(start, 0);
        recorder.record(start, 1_000);
        recorder.record(start, 2_999);
        let told = drain(&mut recorder, start + millis(100)).concat();
        assert_eq!(told.first(), Some(&(952, None)));
        assert_eq!(told.len(), WINDOW);
        let arrived = told
            .iter()
            .filter(|(_, time)| time.is_some())
            .map(|(number, _)| *number);
        assert_eq!(arrived.collect::<Vec<_>>(), [1_000, 2_999]);
    }

    #[test]
    fn long_feedback_is_split_and_loses_nothing() {
        let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
        let mut now = start;
        for number in 0..2_000 {
            now += millis(if number % 3 == 0 { 70 } else { 1 });
            recorder.record(now, number);
        }
        let told = drain(&mut recorder, now);
        assert!(told.len() > 1);
        assert_eq!(told.concat().len(), 2_000);
        assert!(told.concat().iter().all(|(_, time)| time.is_some()));
    }

    proptest! {
        #[test]
        fn every_arrival_is_told_exactly(
            first in any::<u16>(),
            packets in prop::collection::vec((0_u16..20, 0_u64..200_000, any::<bool>()), 1..300),
        ) {
            let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
            let (mut number, mut now) = (first, start);
            recorder.record(start, first);
            let mut expected = std::collections::BTreeMap::from([(first, 64_000)]);
            let mut told = std::collections::BTreeMap::new();
            for (step, pause, poll) in packets {
                number = number.wrapping_add(step);
                now += Duration::from_micros(pause);
                recorder.record(now, number);
                expected.entry(number).or_insert((now - start).as_micros() as i64 / 250 * 250 + 64_000);
                if poll {
                    told.extend(drain(&mut recorder, now).concat());
                }
            }
            told.extend(drain(&mut recorder, now + millis(100)).concat());
            prop_assert_eq!(recorder.poll_timeout(), None);
            told.retain(|_, time| time.is_some());
            let expected = expected.into_iter().map(|(number, time)| (number, Some(time))).collect();
            prop_assert_eq!(told, expected);
        }

        #[test]
        fn any_order_of_numbers_makes_readable_feedback(
            packets in prop::collection::vec((any::<u16>(), 0_u64..20_000_000), 1..60),
        ) {
            let (mut recorder, start) = (TwccRecorder::new(), Instant::now());
            let mut now = start;
            for (number, pause) in packets {
                now += Duration::from_micros(pause);
                recorder.record(now, number);
                drain(&mut recorder, now);
            }
        }
    }
}
