//! What a device receives of one track: a jitter buffer that asks for what is missing, puts packets back in order,
//! and hands out whole frames. It checks every packet as it comes: right track, untouched content.

use super::content::Content;
use super::wire::extend;
use super::{ms, units};
use hanse_sfu_core::command::{Codec, SendPlan};
use hanse_sfu_core::ids::{DownTrackId, TrackId};
use hanse_sfu_core::rtp::RtpHeader;
use hanse_sfu_core::vp8::{self, Vp8Descriptor};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A packet that is missing for this long is given up.
const PATIENCE: Duration = ms(900);

/// Sound is never sent again to a subscriber; it waits for packets that were overtaken, or repaired on the publisher's
/// side.
const SOUND_PATIENCE: Duration = ms(200);

/// Between two requests for one packet.
const NACK_SPACING: Duration = ms(70);

/// Between two requests for a key frame.
const PLI_SPACING: Duration = ms(300);

/// A whole frame, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub content: Content,
    pub timestamp: u32,
    /// First and last packet.
    pub sequences: (u64, u64),
    /// The descriptor of its first packet (video).
    pub descriptor: Option<Vp8Descriptor>,
    /// All that it needs has been received too.
    pub decodable: bool,
    pub at: Instant,
}

impl Frame {
    pub fn layer(&self) -> u8 {
        self.content.layer
    }

    /// What identifies it wherever and whenever it is received.
    pub fn name(&self) -> (TrackId, u8, u32, bool) {
        (
            self.content.track,
            self.content.layer,
            self.content.frame,
            self.content.key,
        )
    }
}

/// A packet of a scalable codec; [`super::scalable`] puts pictures together.
#[derive(Clone, Debug)]
pub struct Scaled {
    pub marker: bool,
    pub timestamp: u32,
    pub dependency: Vec<u8>,
    pub payload: Vec<u8>,
}

#[derive(Debug)]
struct Held {
    marker: bool,
    timestamp: u32,
    descriptor: Option<Vp8Descriptor>,
    starts: bool,
    key_start: bool,
    content: Content,
    at: Instant,
}

#[derive(Debug)]
struct Gap {
    since: Instant,
    due: Instant,
}

/// One track as one device receives it.
#[derive(Debug)]
pub struct Sink {
    pub down_track: DownTrackId,
    pub track: TrackId,
    pub codec: Codec,
    pub plan: SendPlan,
    /// Whole frames in order; for audio one per packet.
    pub frames: Vec<Frame>,
    /// Packets that arrived on the stream itself, and by retransmission.
    pub packets: u64,
    pub repaired: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Numbers that were given up.
    pub given_up: u64,
    /// Frames that could not be put together.
    pub broken_frames: u64,
    /// The latest packet of the stream itself.
    pub latest: Option<Instant>,
    /// When each packet of sound came.
    pub arrivals: Vec<Instant>,
    /// Asks for retransmissions.
    pub nacks: bool,
    /// Middle of the last sender report's NTP time, and when it came.
    pub report: Option<(u32, Instant)>,
    /// NTP and RTP time of the last sender report.
    pub clock: Option<(u64, u32)>,
    pub highest: Option<u64>,
    rtx_highest: Option<u64>,
    lowest: u64,
    buffer: BTreeMap<u64, Held>,
    gaps: BTreeMap<u64, Gap>,
    taken: BTreeSet<u64>,
    /// Copies of earlier sound that came in RED: how far back, and what.
    pub copies: Vec<(u32, Vec<u8>)>,
    /// Packets of a scalable codec.
    pub scaled: BTreeMap<u64, Scaled>,
    /// Packets without payload.
    fillers: BTreeSet<u64>,
    next: Option<u64>,
    assembling: Vec<(u64, Held)>,
    broken: bool,
    waits_since: Option<Instant>,
    asked: Option<Instant>,
    reported: (u64, u64),
    lost: u64,
}

impl Sink {
    pub fn new(down_track: DownTrackId, track: TrackId, codec: Codec, plan: SendPlan) -> Sink {
        Sink {
            down_track,
            track,
            codec,
            plan,
            frames: Vec::new(),
            packets: 0,
            repaired: 0,
            duplicates: 0,
            given_up: 0,
            broken_frames: 0,
            latest: None,
            arrivals: Vec::new(),
            nacks: true,
            report: None,
            clock: None,
            highest: None,
            rtx_highest: None,
            lowest: u64::MAX,
            buffer: BTreeMap::new(),
            gaps: BTreeMap::new(),
            taken: BTreeSet::new(),
            copies: Vec::new(),
            scaled: BTreeMap::new(),
            fillers: BTreeSet::new(),
            next: None,
            assembling: Vec::new(),
            broken: true,
            waits_since: None,
            asked: None,
            reported: (0, 0),
            lost: 0,
        }
    }

    /// The SRTP index of a packet of this track.
    pub fn index(&self, header: &RtpHeader) -> u64 {
        let highest = if header.ssrc == self.plan.ssrc {
            self.highest
        } else {
            self.rtx_highest
        };
        extend(highest, header.sequence)
    }

    /// Takes a packet of nothing but padding on the stream for retransmissions.
    pub fn note_padding(&mut self, index: u64) {
        self.rtx_highest = self.rtx_highest.max(Some(index));
    }

    /// Takes an opened packet.
    pub fn take(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        index: u64,
        dependency: &[u8],
        mut payload: &[u8],
    ) {
        let repair = header.ssrc != self.plan.ssrc;
        let mut sequence = index;
        if repair {
            assert_eq!(Some(header.ssrc), self.plan.rtx_ssrc);
            assert_eq!(Some(header.payload_type), self.plan.rtx_payload_type);
            self.rtx_highest = self.rtx_highest.max(Some(index));
            let (original, rest) = payload
                .split_first_chunk()
                .expect("a retransmission begins with a number");
            sequence = extend(self.highest, u16::from_be_bytes(*original));
            payload = rest;
        } else {
            assert_eq!(header.payload_type, self.plan.payload_type);
            self.latest = Some(now);
            self.packets += 1;
        }
        if !self.taken.insert(sequence) {
            self.duplicates += 1;
            return;
        }
        self.repaired += u64::from(repair);
        self.note_number(now, sequence);
        if !self.codec.is_video() {
            self.arrivals.push(now);
        }
        if self.codec == Codec::Red {
            payload = self.unwrap(payload);
        }
        if matches!(self.codec, Codec::Vp9 | Codec::Av1) {
            let packet = Scaled {
                marker: header.marker,
                timestamp: header.timestamp,
                dependency: dependency.to_vec(),
                payload: payload.to_vec(),
            };
            self.scaled.insert(sequence, packet);
            return;
        }
        if self.next.is_some_and(|next| sequence < next) {
            return; // too late to matter
        }
        if payload.is_empty() {
            self.fillers.insert(sequence);
            return self.release(now);
        }
        let descriptor = (self.codec == Codec::Vp8).then(|| vp8::parse(payload).expect("a VP8 descriptor"));
        let head = descriptor.map_or_else(
            || units::head_len(self.codec, payload),
            |descriptor| descriptor.len,
        );
        let content =
            Content::read(&payload[head..]).expect("what stands behind the descriptor is untouched");
        assert_eq!(content.track, self.track, "somebody else's picture or sound");
        let starts = descriptor.map_or(content.packet == 0, |descriptor| descriptor.start);
        let key_start = descriptor.map_or(content.key && starts, |descriptor| descriptor.key_frame);
        self.buffer.entry(sequence).or_insert(Held {
            marker: header.marker,
            timestamp: header.timestamp,
            descriptor,
            starts,
            key_start,
            content,
            at: now,
        });
        self.waits_since.get_or_insert(now);
        self.release(now);
    }

    /// The primary block of RED (RFC 2198); the copies in front of it are kept.
    fn unwrap<'a>(&mut self, payload: &'a [u8]) -> &'a [u8] {
        let own = self.plan.primary_payload_type;
        let (mut at, mut copies) = (0, Vec::new());
        while payload[at] & 0x80 != 0 {
            assert_eq!(Some(payload[at] & 0x7f), own, "the receiver's payload type");
            let fields = u32::from_be_bytes([0, payload[at + 1], payload[at + 2], payload[at + 3]]);
            copies.push((fields >> 10, (fields & 0x3ff) as usize));
            at += 4;
        }
        assert_eq!(Some(payload[at]), own, "the receiver's payload type");
        at += 1;
        for (offset, len) in copies {
            self.copies.push((offset, payload[at..at + len].to_vec()));
            at += len;
        }
        &payload[at..]
    }

    fn note_number(&mut self, now: Instant, sequence: u64) {
        self.gaps.remove(&sequence);
        // Missing from now on: what lies above the highest so far, or below the lowest.
        let missing = match self.highest {
            Some(_) if sequence < self.lowest => sequence + 1..self.lowest,
            Some(highest) => highest + 1..sequence,
            None => 0..0,
        };
        self.gaps.extend(missing.map(|missing| {
            (
                missing,
                Gap {
                    since: now,
                    due: now + ms(10),
                },
            )
        }));
        self.lowest = self.lowest.min(sequence);
        self.highest = self.highest.max(Some(sequence));
    }

    /// Hands on what is in order.
    fn release(&mut self, now: Instant) {
        if self.next.is_none() {
            self.next = match self.codec {
                codec if !codec.is_video() => {
                    let oldest = self.buffer.values().map(|held| held.at).min();
                    let ready = oldest.is_some_and(|at| now - at >= SOUND_PATIENCE);
                    self.buffer.keys().next().copied().filter(|_| ready)
                }
                // Decoding begins at a key frame's first packet.
                _ => {
                    let mut starts = self.buffer.iter();
                    starts.find(|(_, held)| held.key_start).map(|(at, _)| *at)
                }
            };
        }
        let Some(mut next) = self.next else { return };
        loop {
            if let Some(held) = self.buffer.remove(&next) {
                self.hand_on(now, next, held);
            } else if self.fillers.remove(&next) {
                // A number that only closes a gap.
            } else if self.gives_up(now, next) {
                self.given_up += 1;
                self.gaps.remove(&next);
                if !self.assembling.is_empty() {
                    self.abandon();
                }
                self.broken = true;
            } else if let Some(key_frame) = self.whole_key_frame() {
                // Nothing before it is needed any more.
                self.given_up += key_frame - next;
                if !self.assembling.is_empty() {
                    self.abandon();
                }
                next = key_frame;
                continue;
            } else {
                break;
            }
            next += 1;
        }
        self.next = Some(next);
        self.buffer = self.buffer.split_off(&next);
    }

    /// The first packet of a whole key frame that waits behind a gap.
    fn whole_key_frame(&self) -> Option<u64> {
        let starts = self.buffer.iter().filter(|(_, held)| held.key_start);
        let whole = |first: &u64, packets: u8| {
            (*first..first + u64::from(packets)).all(|sequence| self.buffer.contains_key(&sequence))
        };
        let mut whole = starts.filter(|(first, held)| whole(first, held.content.packets));
        whole.next().map(|(first, _)| *first)
    }

    fn gives_up(&self, now: Instant, sequence: u64) -> bool {
        let patience = if self.codec.is_video() {
            PATIENCE
        } else {
            SOUND_PATIENCE
        };
        self.gaps
            .get(&sequence)
            .is_some_and(|gap| now - gap.since >= patience)
            || (self.highest.is_some_and(|highest| sequence < highest) && !self.gaps.contains_key(&sequence))
    }

    fn abandon(&mut self) {
        self.assembling.clear();
        self.broken_frames += 1;
        self.broken = true;
    }

    fn hand_on(&mut self, now: Instant, sequence: u64, held: Held) {
        if !self.codec.is_video() {
            let Held {
                timestamp, content, ..
            } = held;
            let sequences = (sequence, sequence);
            self.frames.push(Frame {
                content,
                timestamp,
                sequences,
                descriptor: None,
                decodable: true,
                at: now,
            });
            return;
        }
        if self
            .assembling
            .first()
            .is_some_and(|(_, first)| first.timestamp != held.timestamp)
        {
            self.abandon(); // a layer switch may cut the old layer's last frame short
        }
        let starts = held.starts;
        if self.assembling.is_empty() && !starts {
            return;
        }
        let marker = held.marker;
        self.assembling.push((sequence, held));
        if !marker {
            return;
        }
        let parts = std::mem::take(&mut self.assembling);
        let (first, head) = &parts[0];
        for (at, (_, part)) in parts.iter().enumerate() {
            let expected = Content {
                packet: at as u8,
                ..head.content
            };
            assert_eq!(
                part.content, expected,
                "packets of different frames under one timestamp"
            );
        }
        assert_eq!(parts.len(), usize::from(head.content.packets));
        if head.content.key {
            self.broken = false;
            self.waits_since = None;
        }
        self.frames.push(Frame {
            content: head.content,
            timestamp: head.timestamp,
            sequences: (*first, first + parts.len() as u64 - 1),
            descriptor: head.descriptor,
            decodable: !self.broken,
            at: now,
        });
    }

    /// Does what is due; the numbers to ask for again.
    pub fn poll(&mut self, now: Instant) -> Vec<u16> {
        self.release(now);
        let mut numbers = Vec::new();
        if self.plan.rtx_ssrc.is_some() && self.nacks {
            for (sequence, gap) in self.gaps.iter_mut().filter(|(_, gap)| gap.due <= now) {
                gap.due = now + NACK_SPACING;
                numbers.push(*sequence as u16);
            }
        }
        self.gaps.retain(|_, gap| now - gap.since < ms(2_000));
        numbers
    }

    /// Whether to ask for a key frame now: packets come, and none of them helps.
    pub fn poll_key_frame(&mut self, now: Instant) -> bool {
        let begun = self.waits_since.is_some_and(|since| now - since >= PLI_SPACING);
        let waits = self.codec.is_video() && self.broken && begun;
        let ask = waits && self.asked.is_none_or(|asked| now - asked >= PLI_SPACING);
        if ask {
            self.asked = Some(now);
        }
        ask
    }

    /// Fraction lost, cumulative loss, highest number: the stream's own part of a report block.
    pub fn reception(&mut self) -> Option<(u8, u32, u32)> {
        let highest = self.highest?;
        let expected = highest + 1 - self.lowest;
        let received = self.packets;
        let (expected_now, received_now) = (expected - self.reported.0, received - self.reported.1);
        self.reported = (expected, received);
        let lost_now = expected_now.saturating_sub(received_now);
        self.lost += lost_now;
        let fraction = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255);
        Some((fraction as u8, self.lost as u32, highest as u32))
    }

    /// Frames of the layer that arrived last.
    pub fn current_layer(&self) -> Option<u8> {
        self.frames.last().map(Frame::layer)
    }
}
