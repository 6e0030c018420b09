//! Media that shows nothing: packets with the shape of Opus and VP8, sealed by the client and opened by the others.

use hanse_sfu_core::rtp::RtpHeader;
use hanse_sfu_core::srtp::TAG;
use hanse_sfu_core::vp8;
use std::time::{Duration, Instant};

/// Between two packets of sound. A microphone sends five times as many: what forwarding costs is measured elsewhere
/// (`packet-path`), here they show that somebody is heard.
const SOUND_INTERVAL: Duration = Duration::from_millis(100);

/// Between two pictures.
const PICTURE_INTERVAL: Duration = Duration::from_millis(100);

/// Packets of a key frame, and bytes of each.
const KEY_FRAME: (usize, usize) = (3, 900);

/// Bytes of a picture that needs the one before.
const DELTA_FRAME: usize = 300;

/// Bytes of a packet of sound.
const SOUND: usize = 80;

/// Payload types of the offer that [`super::sdp`] cuts.
const OPUS: u8 = 111;
const VP8: u8 = 96;

/// Extension id of the audio level in that offer, and a level of somebody who speaks.
const AUDIO_LEVEL_ID: u8 = 1;
const AUDIO_LEVEL: u8 = 30;

/// RTP header of a packet of sound, with its level.
const SOUND_HEADER: usize = 20;
const PICTURE_HEADER: usize = 12;

/// A packet to be sealed: header, payload, and room for the tag.
pub struct Packet {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Of it, the header.
    pub header: usize,
    /// Whose stream.
    pub ssrc: u32,
    /// SRTP's packet index.
    pub index: u64,
}

struct Stream {
    ssrc: u32,
    index: u64,
    timestamp: u32,
}

impl Stream {
    fn header(&mut self, bytes: &mut Vec<u8>, payload_type: u8, marker: bool, extended: bool) -> u64 {
        let index = self.index;
        self.index += 1;
        bytes.push(if extended { 0x90 } else { 0x80 });
        bytes.push(payload_type | u8::from(marker) << 7);
        bytes.extend((index as u16).to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        index
    }
}

/// A microphone and a camera.
pub struct Source {
    audio: Stream,
    video: Stream,
    picture: u16,
    wants_key_frame: bool,
    due: Instant,
    due_picture: Instant,
}

impl Source {
    /// Begins at once, with a key frame.
    pub fn new(now: Instant, audio_ssrc: u32, video_ssrc: u32) -> Self {
        let stream = |ssrc: u32| Stream {
            ssrc,
            // In the lower half, so that nobody mistakes the first packets for those before a wrap (RFC 3711, 3.3.1).
            index: u64::from(ssrc & 0x3fff),
            timestamp: ssrc,
        };
        Source {
            audio: stream(audio_ssrc),
            video: stream(video_ssrc),
            picture: (video_ssrc & 0x7fff) as u16,
            wants_key_frame: true,
            due: now,
            due_picture: now,
        }
    }

    /// Somebody needs a key frame.
    pub fn want_key_frame(&mut self) {
        self.wants_key_frame = true;
    }

    /// When there is something to send.
    pub fn poll_timeout(&self) -> Instant {
        self.due.min(self.due_picture)
    }

    /// What is due.
    pub fn poll(&mut self, now: Instant, mut each: impl FnMut(Packet)) {
        if self.due <= now {
            self.due = later(self.due, SOUND_INTERVAL, now);
            self.audio.timestamp = self.audio.timestamp.wrapping_add(4800);
            let mut bytes = Vec::with_capacity(SOUND_HEADER + SOUND + TAG);
            let index = self.audio.header(&mut bytes, OPUS, false, true);
            bytes.extend([0xbe, 0xde, 0, 1, AUDIO_LEVEL_ID << 4, AUDIO_LEVEL, 0, 0]);
            bytes.resize(SOUND_HEADER + SOUND + TAG, 0);
            each(Packet {
                bytes,
                header: SOUND_HEADER,
                ssrc: self.audio.ssrc,
                index,
            });
        }
        if self.due_picture <= now {
            self.due_picture = later(self.due_picture, PICTURE_INTERVAL, now);
            self.picture(each);
        }
    }

    fn picture(&mut self, mut each: impl FnMut(Packet)) {
        self.video.timestamp = self.video.timestamp.wrapping_add(9000);
        self.picture = (self.picture + 1) & 0x7fff;
        let is_key = std::mem::take(&mut self.wants_key_frame);
        let (packets, size) = if is_key { KEY_FRAME } else { (1, DELTA_FRAME) };
        for number in 0..packets {
            let mut bytes = Vec::with_capacity(PICTURE_HEADER + size + TAG);
            let index = self.video.header(&mut bytes, VP8, number + 1 == packets, false);
            // RFC 7741, section 4.2: X, and S in the first packet; I; PictureID of 15 bits.
            bytes.extend([if number == 0 { 0x90 } else { 0x80 }, 0x80]);
            bytes.extend((self.picture | 0x8000).to_be_bytes());
            // RFC 7741, section 4.3: P, clear in a key frame.
            bytes.push(u8::from(!is_key));
            bytes.resize(PICTURE_HEADER + size + TAG, 0);
            each(Packet {
                bytes,
                header: PICTURE_HEADER,
                ssrc: self.video.ssrc,
                index,
            });
        }
    }
}

/// The next time; what was missed is left out.
fn later(due: Instant, interval: Duration, now: Instant) -> Instant {
    (due + interval).max(now)
}

/// How far a picture has come.
#[derive(Default)]
pub struct KeyFrame {
    begun: Option<(u32, u16)>,
    packets: u16,
}

impl KeyFrame {
    /// Takes an opened packet of VP8, in order; whether a key frame is whole with it.
    pub fn push(&mut self, header: &RtpHeader, payload: &[u8]) -> bool {
        let Some(descriptor) = vp8::parse(payload) else {
            return false;
        };
        if descriptor.key_frame {
            self.begun = Some((header.timestamp, header.sequence));
            self.packets = 0;
        }
        let Some((timestamp, first)) = self.begun else {
            return false;
        };
        if header.timestamp != timestamp {
            self.begun = None;
            return false;
        }
        self.packets += 1;
        header.marker && header.sequence.wrapping_sub(first).wrapping_add(1) == self.packets
    }
}

/// Finds the packet index of a received packet (RFC 3711, section 3.3.1).
#[derive(Default)]
pub struct Index(Option<u64>);

impl Index {
    /// The index that lies closest to the highest so far.
    pub fn of(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.0 else {
            self.0 = Some(u64::from(sequence));
            return u64::from(sequence);
        };
        let step = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        let index = highest.saturating_add_signed(step);
        self.0 = Some(index.max(highest));
        index
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A test may panic.
mod tests {
    use super::*;

    fn packets(source: &mut Source, now: Instant) -> Vec<Packet> {
        let mut packets = Vec::new();
        source.poll(now, |packet| packets.push(packet));
        packets
    }

    fn is_seen(packets: &[Packet]) -> bool {
        let mut frame = KeyFrame::default();
        packets
            .iter()
            .filter(|packet| packet.header == PICTURE_HEADER)
            .any(|packet| {
                let header = RtpHeader::parse(&packet.bytes).unwrap();
                assert_eq!(header.len, packet.header);
                frame.push(&header, &packet.bytes[packet.header..packet.bytes.len() - TAG])
            })
    }

    #[test]
    fn a_source_begins_with_a_key_frame_and_makes_another_when_it_is_asked_to_and_no_other() {
        let now = Instant::now();
        let mut source = Source::new(now, 1, 2);
        assert!(is_seen(&packets(&mut source, now)));
        assert!(packets(&mut source, now).is_empty());
        let now = now + PICTURE_INTERVAL;
        assert!(!is_seen(&packets(&mut source, now)));
        source.want_key_frame();
        assert!(is_seen(&packets(&mut source, now + PICTURE_INTERVAL)));
    }

    #[test]
    fn a_key_frame_with_a_hole_is_not_seen() {
        let now = Instant::now();
        for missing in 0..KEY_FRAME.0 {
            let mut source = Source::new(now, 1, 2);
            let mut frame: Vec<Packet> = packets(&mut source, now).split_off(1);
            frame.remove(missing);
            assert!(!is_seen(&frame), "without packet {missing}");
        }
    }

    #[test]
    fn an_index_follows_its_sequence_across_a_wrap() {
        let mut index = Index::default();
        let indices = [65_534, 65_535, 1, 0, 2].map(|sequence| index.of(sequence));
        assert_eq!(indices, [65_534, 65_535, 65_537, 65_536, 65_538]);
    }
}
