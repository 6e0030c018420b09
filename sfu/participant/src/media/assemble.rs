//! Whole VP8 frames from RTP packets (RFC 7741). Sealed frames are opaque behind the payload descriptor, so nothing else is looked at.

use bytes::{Bytes, BytesMut};
use rtc::rtp::Packet;
use rtc::rtp::codec::vp8::Vp8Packet;
use rtc::rtp::packetizer::Depacketizer;
use std::collections::BTreeMap;

/// Packets that wait for one before them.
const WAITING_MAX: usize = 256;

/// Bytes of a frame. A larger one is left out.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One stream of VP8.
#[derive(Default)]
pub struct Assembler {
    /// The number of the packet that continues what was taken, extended over wraps.
    next: Option<u64>,
    waiting: BTreeMap<u64, Packet>,
    frame: BytesMut,
    /// The frame under way began with its first packet.
    is_whole: bool,
}

impl Assembler {
    /// Takes a packet, and gives the frames that are whole with it. What is missing for longer than [`WAITING_MAX`] packets is given up.
    pub fn take(&mut self, packet: Packet) -> Vec<Bytes> {
        let next = *self
            .next
            .get_or_insert(u64::from(packet.header.sequence_number) + 0x1_0000);
        let number = extend(packet.header.sequence_number, next);
        if number >= next {
            self.waiting.insert(number, packet);
        }
        if self.waiting.len() > WAITING_MAX
            && let Some((first, _)) = self.waiting.first_key_value()
        {
            self.next = Some(*first);
            self.is_whole = false;
        }
        let mut frames = Vec::new();
        while let Some(next) = self.next
            && let Some(packet) = self.waiting.remove(&next)
        {
            self.next = Some(next + 1);
            frames.extend(self.add(&packet));
        }
        frames
    }

    fn add(&mut self, packet: &Packet) -> Option<Bytes> {
        // Padding alone keeps numbers going.
        if packet.payload.is_empty() {
            return None;
        }
        let mut descriptor = Vp8Packet::default();
        let payload = descriptor.depacketize(&packet.payload).ok()?;
        if descriptor.s == 1 && descriptor.pid == 0 {
            self.frame.clear();
            self.is_whole = true;
        }
        if self.frame.len() + payload.len() > FRAME_BYTES_MAX {
            self.frame.clear();
            self.is_whole = false;
        }
        self.frame.extend_from_slice(&payload);
        if !packet.header.marker {
            return None;
        }
        let frame = self.frame.split().freeze();
        std::mem::take(&mut self.is_whole).then_some(frame)
    }
}

/// The 16 bits of a number nearest to the one that is expected (RFC 3711, appendix A).
fn extend(sequence: u16, near: u64) -> u64 {
    let distance = sequence.wrapping_sub(near as u16) as i16;
    near.saturating_add_signed(i64::from(distance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::rtp::header::Header;

    fn packet(sequence_number: u16, first: bool, marker: bool, payload: &[u8]) -> Packet {
        let descriptor = [if first { 0x10 } else { 0 }];
        Packet {
            header: Header {
                sequence_number,
                marker,
                ..Header::default()
            },
            payload: Bytes::from([&descriptor, payload].concat()),
        }
    }

    #[test]
    fn frames_come_whole_and_in_order_whatever_overtakes() {
        let mut assembler = Assembler::default();
        assert!(assembler.take(packet(65534, true, false, b"one")).is_empty());
        assert!(assembler.take(packet(0, true, true, b"three")).is_empty());
        let frames = assembler.take(packet(65535, false, true, b"two"));
        assert_eq!(frames, [&b"onetwo"[..], b"three"]);
    }

    #[test]
    fn what_comes_twice_counts_once() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.take(packet(1, true, true, b"one")), [&b"one"[..]]);
        assert!(assembler.take(packet(1, true, true, b"one")).is_empty());
    }

    #[test]
    fn a_frame_that_lacks_a_packet_for_good_is_left_out() {
        let mut assembler = Assembler::default();
        assembler.take(packet(0, true, false, b"lost"));
        let frames: Vec<_> = (2..=2 + WAITING_MAX as u16)
            .flat_map(|number| assembler.take(packet(number, number % 2 == 0, number % 2 == 1, b"half")))
            .collect();
        assert!(frames.len() > WAITING_MAX / 2 - 2);
        assert!(frames.iter().all(|frame| &frame[..] == b"halfhalf"));
    }

    #[test]
    fn a_frame_without_end_is_not_kept() {
        let mut assembler = Assembler::default();
        let payload = [7; 60_000];
        assert!(assembler.take(packet(0, true, false, &payload)).is_empty());
        for number in 1..200 {
            assert!(assembler.take(packet(number, false, false, &payload)).is_empty());
            assert!(assembler.frame.len() <= FRAME_BYTES_MAX);
        }
        assert!(assembler.take(packet(200, false, true, b"end")).is_empty());
        assert_eq!(assembler.take(packet(201, true, true, b"next")), [&b"next"[..]]);
    }

    #[test]
    fn padding_between_frames_is_no_frame() {
        let mut assembler = Assembler::default();
        assembler.take(packet(0, true, true, b"one"));
        let mut padding = packet(1, false, true, b"");
        padding.payload = Bytes::new();
        assert!(assembler.take(padding).is_empty());
        assert_eq!(assembler.take(packet(2, true, true, b"two")), [&b"two"[..]]);
    }
}
