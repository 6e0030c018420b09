//! Transport-wide feedback as peers send it (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1): which of
//! our numbers arrived, and when by the peer's clock. [`crate::twcc`] writes the same format in the other direction.

use super::log::LOG_LEN;

/// One tick of the peer's clock, in µs (section 3.1).
pub const TICK_US: i64 = 250;

/// The reference time counts so many ticks: 64 ms.
const TICKS_PER_REFERENCE: i64 = 256;

/// Bits of the reference time.
const REFERENCE_BITS: u32 = 24;

/// SSRCs of sender and media, base number, status count, reference time with the feedback's own number.
const HEAD_LEN: usize = 16;

/// One feedback packet; its statuses are read from the bytes as they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    base: u16,
    count: u16,
    reference: u32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// Reads what follows the RTCP header, without padding. `None`: cut short, about nothing, or about more packets than
    /// are remembered.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let (head, rest) = body.split_first_chunk::<HEAD_LEN>()?;
        let [_, _, _, _, _, _, _, _, b0, b1, c0, c1, r0, r1, r2, _] = *head;
        let count = u16::from_be_bytes([c0, c1]);
        if count == 0 || usize::from(count) > LOG_LEN {
            return None;
        }
        let (mut left, mut len) = (count, 0);
        while left > 0 {
            let chunk = rest.get(len..)?.first_chunk()?;
            left = left.saturating_sub(Chunk::read(*chunk).left);
            len += 2;
        }
        let (chunks, deltas) = rest.split_at_checked(len)?;
        Some(Self {
            base: u16::from_be_bytes([b0, b1]),
            count,
            reference: u32::from_be_bytes([0, r0, r1, r2]),
            chunks,
            deltas,
        })
    }

    /// Packets that it is about.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Each number in order with its time, in ticks since the reference time; `None` when it has not arrived. Ends early
    /// where times are missing.
    pub fn statuses(&self) -> Statuses<'a> {
        Statuses {
            number: self.base,
            left: self.count,
            chunks: self.chunks,
            chunk: Chunk::default(),
            deltas: self.deltas,
            ticks: 0,
        }
    }
}

/// The packets of one feedback.
#[derive(Debug)]
pub struct Statuses<'a> {
    number: u16,
    left: u16,
    chunks: &'a [u8],
    chunk: Chunk,
    deltas: &'a [u8],
    ticks: i64,
}

impl Iterator for Statuses<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if self.chunk.left == 0 {
            let (chunk, rest) = self.chunks.split_first_chunk()?;
            self.chunk = Chunk::read(*chunk);
            self.chunks = rest;
        }
        let arrived = match self.chunk.next() {
            SMALL_DELTA => {
                let (delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                self.ticks += i64::from(*delta);
                true
            }
            LARGE_DELTA => {
                let (delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                self.ticks += i64::from(i16::from_be_bytes(*delta));
                true
            }
            _ => false,
        };
        let number = self.number;
        self.number = number.wrapping_add(1);
        Some((number, arrived.then_some(self.ticks)))
    }
}

/// Symbols of section 3.1.1; the others mean that there is no time.
const SMALL_DELTA: u16 = 1;
const LARGE_DELTA: u16 = 2;

/// A packet status chunk: a run of one symbol (section 3.1.3) or a list (section 3.1.4).
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    /// The symbols that are left, the next one on top.
    bits: u16,
    /// Bits of one symbol; 0 for a run.
    width: u32,
    left: u16,
}

impl Chunk {
    fn read(chunk: [u8; 2]) -> Self {
        let chunk = u16::from_be_bytes(chunk);
        let (width, left) = match chunk >> 14 {
            0b10 => (1, 14),
            0b11 => (2, 7),
            // A run of no packets says nothing; it counts as one so that reading goes on.
            _ => (0, (chunk & 0x1fff).max(1)),
        };
        let bits = if width == 0 { chunk >> 13 } else { chunk << 2 };
        Self { bits, width, left }
    }

    fn next(&mut self) -> u16 {
        self.left -= 1;
        if self.width == 0 {
            return self.bits;
        }
        let symbol = self.bits >> (u16::BITS - self.width);
        self.bits <<= self.width;
        symbol
    }
}

/// The peer's clock over many feedbacks: unwraps the reference time.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerClock {
    last: Option<u32>,
    ticks: i64,
}

impl PeerClock {
    /// The reference time of a feedback, in µs since that of the first one. It wraps every 12.4 days; steps back are
    /// late feedback.
    pub fn reference_us(&mut self, feedback: &TransportFeedback<'_>) -> i64 {
        let step = feedback
            .reference
            .wrapping_sub(self.last.unwrap_or(feedback.reference));
        let sign = u32::BITS - REFERENCE_BITS;
        let step = i64::from((step << sign).cast_signed() >> sign);
        self.last = Some(feedback.reference);
        self.ticks = self.ticks.saturating_add(step * TICKS_PER_REFERENCE);
        self.ticks.saturating_mul(TICK_US)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one instant to start from")]
mod tests {
    use super::*;
    use crate::twcc::TwccRecorder;
    use proptest::prelude::*;
    use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
    use rtc_shared::marshal::Unmarshal;
    use std::time::{Duration, Instant};

    fn body(packet: &[u8]) -> &[u8] {
        let padding = if packet[0] & 0x20 == 0 {
            0
        } else {
            usize::from(packet[packet.len() - 1])
        };
        &packet[4..packet.len() - padding]
    }

    fn read(packet: &[u8]) -> Vec<(u16, Option<i64>)> {
        TransportFeedback::parse(body(packet))
            .unwrap()
            .statuses()
            .collect()
    }

    #[test]
    fn every_kind_of_chunk_is_read() {
        let head = [0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe];
        let mut packet = head.to_vec();
        // 3 + 14 + 7 packets: a run of small deltas, a list of bits, a list of pairs.
        packet.extend([0, 24, 0, 0, 1, 0]);
        packet.extend(0b0010_0000_0000_0011_u16.to_be_bytes());
        packet.extend(0b1010_0000_0000_0001_u16.to_be_bytes());
        packet.extend(0b1110_0100_0000_0011_u16.to_be_bytes());
        packet.extend([1, 2, 3, 4, 5]);
        packet.extend((-6_i16).to_be_bytes());
        packet.push(10);
        let statuses: Vec<_> = TransportFeedback::parse(&packet).unwrap().statuses().collect();
        assert_eq!(statuses.len(), 24);
        let numbers: Vec<_> = statuses.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers[..4], [65_534, 65_535, 0, 1]);
        let arrived: Vec<_> = statuses
            .iter()
            .enumerate()
            .filter_map(|(place, (_, ticks))| Some((place, (*ticks)?)))
            .collect();
        assert_eq!(
            arrived,
            [(0, 1), (1, 3), (2, 6), (3, 10), (16, 15), (17, 9), (18, 19)]
        );
    }

    #[test]
    fn counts_that_do_not_fit_and_missing_times_are_refused_or_cut() {
        let head = |count: u16| {
            let mut packet = vec![0; 10];
            packet.extend(count.to_be_bytes());
            packet.extend([0, 0, 0, 0]);
            packet
        };
        assert!(TransportFeedback::parse(&head(0)).is_none());
        assert!(TransportFeedback::parse(&head(1)).is_none(), "no chunk");
        let mut long = head(u16::MAX);
        long.extend([0x1f; 2].repeat(20));
        assert!(
            TransportFeedback::parse(&long).is_none(),
            "more than anybody remembers"
        );
        let mut cut = head(5);
        cut.extend(0b0010_0000_0000_0101_u16.to_be_bytes());
        cut.extend([1, 1]);
        let statuses: Vec<_> = TransportFeedback::parse(&cut).unwrap().statuses().collect();
        assert_eq!(statuses, [(0, Some(1)), (1, Some(2))]);
    }

    #[test]
    fn the_reference_time_goes_on_over_its_wrap_and_back_for_late_feedback() {
        let mut clock = PeerClock::default();
        let at = |reference: u32| TransportFeedback {
            base: 0,
            count: 1,
            reference,
            chunks: &[],
            deltas: &[],
        };
        let times = [0xff_fffe, 0xff_ffff, 1, 0].map(|reference| clock.reference_us(&at(reference)) / 64_000);
        assert_eq!(times, [0, 1, 3, 2]);
    }

    proptest! {
        #[test]
        fn what_our_recorder_tells_is_read_back_as_an_independent_parser_reads_it(
            first in any::<u16>(),
            packets in prop::collection::vec((1_u16..6, 0_u64..40_000), 1..200),
        ) {
            let start = Instant::now();
            let (mut recorder, mut number, mut now) = (TwccRecorder::new(), first, start);
            for (step, pause) in packets {
                recorder.record(now, number);
                number = number.wrapping_add(step);
                now += Duration::from_micros(pause);
            }
            let mut packet = Vec::new();
            recorder.poll_feedback(now + Duration::from_millis(100), 1, 2, &mut packet);
            let statuses = read(&packet);
            let independent = TransportLayerCc::unmarshal(&mut &packet[..]).unwrap();
            prop_assert_eq!(statuses.len(), usize::from(independent.packet_status_count));
            let deltas: Vec<i64> = independent.recv_deltas.iter().map(|delta| delta.delta / TICK_US).collect();
            let mut ticks = 0;
            let ours: Vec<i64> = statuses.iter().filter_map(|(_, at)| *at).map(|at| at - std::mem::replace(&mut ticks, at)).collect();
            prop_assert_eq!(ours, deltas);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic_and_end(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(feedback) = TransportFeedback::parse(&bytes) {
                prop_assert!(feedback.statuses().count() <= LOG_LEN);
            }
        }
    }
}
