//! What a device publishes: VP8 in three layers, each with its own numbers, and Opus.

use super::content::Content;
use super::scalable::{Numbers, Scalable};
use super::units;
use super::wire::{Descriptor, Rtp};
use hanse_sfu_core::command::{Codec, ExtensionIds, LayerSource, Layering, ReceiveSection};
use hanse_sfu_core::ids::{Layer, Mid, Rid, TrackId};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Between two pictures.
pub const FRAME: Duration = Duration::from_millis(50);

/// Payload type of the Opus inside a device's RED.
pub const PRIMARY: u8 = 63;

/// Between two packets of sound.
pub const SOUND: Duration = Duration::from_millis(20);

/// Packets and bytes per packet of a picture, by layer; a key frame has twice as many packets.
pub(super) const SIZES: [(u8, usize); 3] = [(1, 300), (2, 500), (3, 900)];

pub(super) const RIDS: [&str; 3] = ["q", "h", "f"];

/// Packets that can be sent again.
const HISTORY: usize = 400;

/// A frame that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentFrame {
    pub key: bool,
    pub packets: u8,
}

/// One outgoing stream and, for video, its retransmissions.
#[derive(Debug)]
pub struct Stream {
    pub layer: u8,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    /// The device has stopped this layer.
    pub paused: bool,
    /// The next picture is a key frame.
    pub key_wanted: bool,
    /// Key frame requests, in µs since the world began.
    pub asked_us: Vec<u64>,
    /// Every frame that went out.
    pub sent: BTreeMap<u32, SentFrame>,
    /// The SFU has reported this stream, so that the MID is no longer needed.
    pub known: bool,
    pub packets: u32,
    pub octets: u32,
    /// Packets that went out again because the SFU asked.
    pub repeated: u64,
    pub(super) sequence: u64,
    rtx_sequence: u64,
    timestamp: u32,
    pub(super) picture_id: u16,
    pub(super) tl0: u8,
    key_idx: u8,
    pub(super) history: VecDeque<Rtp>,
    /// Counts frames and pictures of a scalable stream.
    pub(super) numbers: Numbers,
}

/// One published track.
#[derive(Debug)]
pub struct Source {
    pub track: TrackId,
    pub mid: Mid,
    pub codec: Codec,
    pub payload_type: u8,
    pub rtx_payload_type: u8,
    pub streams: Vec<Stream>,
    /// Loudness that the device announces, in −dBov.
    pub level: u8,
    /// Sender reports go out.
    pub reports: bool,
    /// The microphone or camera is off: nothing goes out.
    pub muted: bool,
    /// It is scalable.
    pub scalable: Option<Scalable>,
    /// Packets and bytes per packet of a picture, by layer.
    pub sizes: [(u8, usize); 3],
    pub(super) frame: u32,
    due_us: u64,
}

impl Stream {
    /// Header extensions that say which stream it is, until that is known.
    pub(super) fn names(&self, ids: &ExtensionIds, mid: &Mid, rid: Option<&str>) -> Vec<(u8, Vec<u8>)> {
        let names = [(ids.mid, Some(mid.as_str())), (ids.rid, rid)];
        let used = names
            .into_iter()
            .filter(|(_, name)| !self.known && name.is_some());
        used.map(|(id, name)| (id.unwrap(), name.unwrap().as_bytes().to_vec()))
            .collect()
    }

    /// Notes that its next packet goes out.
    pub(super) fn keep(&mut self, rtp: &Rtp) {
        self.sequence += 1;
        self.packets += 1;
        self.octets += rtp.payload.len() as u32;
        self.history.push_back(rtp.clone());
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }
}

impl Source {
    /// A track whose numbers all start somewhere.
    pub fn new(
        track: TrackId,
        mid: &str,
        codec: Codec,
        payload_type: u8,
        due_us: u64,
        random: &mut ChaCha8Rng,
    ) -> Source {
        let layers = if codec.is_video() { 3 } else { 1 };
        let streams = (0..layers)
            .map(|layer| Stream {
                layer,
                ssrc: random.random_range(0x1000_0000..u32::MAX),
                rtx_ssrc: random.random_range(0x1000_0000..u32::MAX),
                paused: false,
                key_wanted: true,
                asked_us: Vec::new(),
                sent: BTreeMap::new(),
                known: false,
                packets: 0,
                octets: 0,
                repeated: 0,
                // The lower half, so that the receiver's rollover counter starts right (RFC 3711, section 3.3.1).
                sequence: random.random_range(0..0x8000),
                rtx_sequence: random.random_range(0..0x8000),
                timestamp: random.random_range(0..u32::MAX),
                picture_id: random.random_range(0..0x8000),
                tl0: random.random_range(0..=u8::MAX),
                key_idx: random.random_range(0..32),
                history: VecDeque::new(),
                numbers: Numbers::default(),
            })
            .collect();
        Source {
            track,
            mid: Mid::from(mid).unwrap(),
            codec,
            payload_type,
            rtx_payload_type: payload_type + 1,
            streams,
            level: 127,
            reports: true,
            muted: false,
            scalable: None,
            sizes: SIZES,
            frame: 0,
            due_us,
        }
    }

    /// What the negotiation says of it.
    pub fn section(&self) -> ReceiveSection {
        let video = self.codec.is_video();
        let layer = |stream: &Stream| LayerSource {
            layer: Layer(stream.layer),
            rid: (video && self.streams.len() > 1)
                .then(|| Rid::from(RIDS[usize::from(stream.layer)]).unwrap()),
            ssrc: (!video || self.streams.len() == 1).then_some(stream.ssrc),
            rtx_ssrc: None,
        };
        ReceiveSection {
            mid: self.mid,
            track: self.track,
            codec: self.codec,
            payload_type: self.payload_type,
            rtx_payload_type: video.then_some(self.rtx_payload_type),
            primary_payload_type: (self.codec == Codec::Red).then_some(PRIMARY),
            layering: if video && self.streams.len() == 1 {
                Layering::InStream
            } else {
                Layering::PerStream
            },
            layers: self.streams.iter().map(layer).collect(),
        }
    }

    /// The next frame of every layer, if it is time.
    pub fn poll(&mut self, now_us: u64, ids: &ExtensionIds) -> Vec<Rtp> {
        if now_us < self.due_us {
            return Vec::new();
        }
        self.due_us += if self.codec.is_video() { FRAME } else { SOUND }.as_micros() as u64;
        if self.muted {
            Vec::new()
        } else {
            self.capture(now_us, ids)
        }
    }

    /// The next frame of every layer, whatever the time.
    pub fn capture(&mut self, now_us: u64, ids: &ExtensionIds) -> Vec<Rtp> {
        self.frame += 1;
        let mut packets = Vec::new();
        for at in 0..self.streams.len() {
            if self.scalable.is_some() {
                self.picture_of(at, now_us, ids, &mut packets);
            } else if !self.streams[at].paused {
                self.frame_of(at, now_us, ids, &mut packets);
            }
        }
        packets
    }

    fn frame_of(&mut self, at: usize, now_us: u64, ids: &ExtensionIds, packets: &mut Vec<Rtp>) {
        let (mid, frame, level, payload_type) = (self.mid, self.frame, self.level, self.payload_type);
        let video = self.codec.is_video();
        let timestamp = self.timestamp(at, now_us);
        let stream = &mut self.streams[at];
        let key = std::mem::take(&mut stream.key_wanted) && video;
        let (count, len) = if video { self.sizes[at] } else { (1, 60) };
        let count = if key { count * 2 } else { count };
        // Two temporal layers: every second picture is of the upper one. A key frame is always of the base.
        let tid = if key { 0 } else { frame as u8 & 1 };
        stream.picture_id = (stream.picture_id + 1) & 0x7fff;
        stream.tl0 = stream.tl0.wrapping_add(u8::from(tid == 0));
        stream.key_idx = (stream.key_idx + u8::from(key)) & 0x1f;
        for packet in 0..count {
            let start = packet == 0;
            let content = Content {
                track: self.track,
                layer: stream.layer,
                frame,
                packet,
                packets: count,
                key,
                captured_us: now_us,
            };
            let Stream {
                picture_id,
                tl0,
                key_idx,
                ..
            } = *stream;
            let mut payload = Vec::new();
            if self.codec == Codec::Vp8 {
                let sync = tid > 0 && frame % 8 == 1;
                payload.extend(
                    Descriptor {
                        start,
                        picture_id,
                        tl0,
                        tid,
                        sync,
                        key_idx,
                    }
                    .write(),
                );
            }
            let content = content.write(len);
            payload.extend(units::head(self.codec, key, start, content.len()));
            if self.codec == Codec::Red {
                // One copy from 20 ms before (RFC 2198): 960 << 10 | 3.
                payload.extend([0x80 | PRIMARY, 0x0f, 0x00, 0x03, PRIMARY, b'o', b'l', b'd']);
            }
            payload.extend(content);
            let mut extensions = stream.names(ids, &mid, video.then_some(RIDS[at]));
            if !video {
                extensions.push((ids.audio_level.unwrap(), vec![0x80 | level]));
            }
            let rtp = Rtp {
                marker: video && packet + 1 == count,
                payload_type,
                sequence: stream.sequence,
                timestamp,
                ssrc: stream.ssrc,
                extensions,
                payload,
            };
            stream.keep(&rtp);
            packets.push(rtp);
        }
        stream.sent.insert(frame, SentFrame { key, packets: count });
    }

    /// A moment on a stream's clock.
    pub fn timestamp(&self, at: usize, now_us: u64) -> u32 {
        let ticks = u128::from(now_us) * u128::from(self.codec.clock_rate_hz()) / 1_000_000;
        self.streams[at].timestamp.wrapping_add(ticks as u32)
    }

    /// The latest packet of a stream.
    pub fn latest(&self, at: usize) -> Rtp {
        self.streams[at].history.back().unwrap().clone()
    }

    /// Sends a packet again: video on the retransmission stream (RFC 4588) with mid and rrid, audio as it was.
    pub fn repeat(&mut self, at: usize, sequence: u16, ids: &ExtensionIds) -> Option<Rtp> {
        let (mid, rtx_payload_type, video) = (self.mid, self.rtx_payload_type, self.codec.is_video());
        let stream = &mut self.streams[at];
        let original = stream
            .history
            .iter()
            .find(|rtp| rtp.sequence as u16 == sequence)?;
        stream.repeated += 1;
        if !video {
            return Some(original.clone());
        }
        let mut payload = sequence.to_be_bytes().to_vec();
        payload.extend(&original.payload);
        let mut extensions = vec![
            (ids.mid.unwrap(), mid.as_bytes().to_vec()),
            (ids.repaired_rid.unwrap(), RIDS[at].as_bytes().to_vec()),
        ];
        let own = original.extensions.iter();
        extensions.extend(
            own.filter(|(id, _)| Some(*id) == ids.dependency_descriptor)
                .cloned(),
        );
        let rtp = Rtp {
            payload_type: rtx_payload_type,
            sequence: stream.rtx_sequence,
            ssrc: stream.rtx_ssrc,
            extensions,
            payload,
            ..original.clone()
        };
        stream.rtx_sequence += 1;
        Some(rtp)
    }
}
