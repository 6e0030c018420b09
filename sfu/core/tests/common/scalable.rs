//! Scalable streams: what a device sends (three temporal layers, and three spatial ones in a stream or one in each), and
//! the pictures that a receiver can decode of what it got.
//!
//! Pictures follow the pattern T0 T2 T1 T2. A frame needs the latest frame of a lower or equal temporal layer in its own
//! spatial layer, T0 that of T0; and the next smaller spatial layer of its picture, of key pictures only if `key_only`.

use super::content::Content;
use super::sink::{Scaled, Sink};
use super::source::{RIDS, SIZES, SentFrame, Source};
use super::wire::Rtp;
use hanse_sfu_core::command::{Codec, ExtensionIds};
use hanse_sfu_core::dependency::{self, Parsed, Structure};
use hanse_sfu_core::vp9;
use std::collections::{BTreeMap, BTreeSet};

/// How a stream is scalable.
#[derive(Clone, Copy, Debug)]
pub struct Scalable {
    /// Only key pictures are predicted between spatial layers (L3T3_KEY).
    pub key_only: bool,
    /// It comes with dependency descriptors.
    pub dependency: bool,
}

/// Numbers of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    frame: u16,
    /// Pictures since the latest key picture.
    place: u32,
    /// The latest frame of each chain.
    chains: [u16; 3],
    /// Each key picture brings a structure with templates of its own, so that nobody can read it by the one before.
    first_template: u8,
}

pub const fn temporal(place: u32) -> u8 {
    [0, 2, 1, 2][(place % 4) as usize]
}

/// How many pictures back the picture is that this one needs.
const fn distance(place: u32) -> u32 {
    [4, 1, 2, 1][(place % 4) as usize]
}

/// Not present, discardable, switch, required.
fn indication(
    key_only: bool,
    key: bool,
    (spatial, temporal): (u8, u8),
    (target_s, target_t): (u8, u8),
) -> u64 {
    let between = key || !key_only;
    if temporal > target_t || spatial > target_s || (spatial != target_s && !between) {
        0
    } else if key || (temporal == 0 && spatial == target_s) {
        2
    } else if temporal == target_t && spatial == target_s {
        1
    } else {
        3
    }
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u64, count: u32) {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            bits.iter()
                .enumerate()
                .map(|(at, bit)| u8::from(*bit) << (7 - at))
                .sum()
        };
        self.0.chunks(8).map(byte).collect()
    }
}

/// Templates in their order: key, T0, T1 and T2 of each spatial layer.
fn templates(spatials: u8) -> Vec<(u8, u8, bool)> {
    let of = |spatial| {
        [
            (spatial, 0, true),
            (spatial, 0, false),
            (spatial, 1, false),
            (spatial, 2, false),
        ]
    };
    (0..spatials).flat_map(of).collect()
}

fn targets(spatials: u8) -> Vec<(u8, u8)> {
    (0..spatials)
        .flat_map(|spatial| (0..3).map(move |temporal| (spatial, temporal)))
        .collect()
}

fn structure(bits: &mut Bits, first_template: u8, spatials: u8, key_only: bool) {
    let (templates, targets) = (templates(spatials), targets(spatials));
    bits.put(first_template.into(), 6);
    bits.put(targets.len() as u64 - 1, 5);
    for pair in templates.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        bits.put(
            if after.0 > before.0 {
                2
            } else {
                u64::from(after.1 > before.1)
            },
            2,
        );
    }
    bits.put(3, 2);
    for (spatial, temporal, key) in &templates {
        for target in &targets {
            bits.put(indication(key_only, *key, (*spatial, *temporal), *target), 2);
        }
    }
    for _ in &templates {
        bits.put(0, 1);
    }
    // ns(n): all numbers here are below the short ones' bound or take one bit more.
    below(bits, spatials.into(), targets.len() as u64 + 1);
    for (spatial, _) in &targets {
        below(bits, (*spatial).into(), spatials.into());
    }
    for _ in 0..templates.len() * usize::from(spatials) {
        bits.put(0, 4);
    }
    bits.put(0, 1);
}

fn below(bits: &mut Bits, value: u64, n: u64) {
    let width = 64 - n.leading_zeros();
    let short = (1 << width) - n;
    if value < short {
        bits.put(value, width - 1);
    } else {
        bits.put(value + short, width);
    }
}

impl Source {
    /// All spatial layers in one stream.
    pub fn in_one_stream(&mut self, scalable: Scalable) {
        self.streams.truncate(1);
        self.scalable = Some(scalable);
    }

    /// The next picture of a stream.
    pub(super) fn picture_of(&mut self, at: usize, now_us: u64, ids: &ExtensionIds, packets: &mut Vec<Rtp>) {
        let Scalable { key_only, dependency } = self.scalable.unwrap();
        let (mid, track, codec, frame, payload_type) =
            (self.mid, self.track, self.codec, self.frame, self.payload_type);
        let in_stream = self.streams.len() == 1;
        let spatials = if in_stream { 3 } else { 1 };
        let timestamp = self.timestamp(at, now_us);
        let stream = &mut self.streams[at];
        let key = std::mem::take(&mut stream.key_wanted);
        stream.numbers.place = if key { 0 } else { stream.numbers.place + 1 };
        if key {
            stream.numbers.first_template = (stream.numbers.first_template + 4 * spatials) % 64;
        }
        let first_template = stream.numbers.first_template;
        let tid = temporal(stream.numbers.place);
        stream.picture_id = (stream.picture_id + 1) & 0x7fff;
        stream.tl0 = stream.tl0.wrapping_add(u8::from(tid == 0));
        let mut sum = 0;
        for spatial in 0..spatials {
            let layer = if in_stream { spatial } else { at as u8 };
            let (count, len) = SIZES[usize::from(layer)];
            let count = if key { count * 2 } else { count };
            sum += count;
            stream.numbers.frame = stream.numbers.frame.wrapping_add(1);
            let number = stream.numbers.frame;
            let differences: Vec<u16> = (0..usize::from(spatials))
                .map(|chain| {
                    if key && spatial == 0 {
                        0
                    } else {
                        number.wrapping_sub(stream.numbers.chains[chain])
                    }
                })
                .collect();
            for chain in spatial..spatials {
                if tid == 0 && (chain == spatial || key || !key_only) {
                    stream.numbers.chains[usize::from(chain)] = number;
                }
            }
            for packet in 0..count {
                let (start, end) = (packet == 0, packet + 1 == count);
                let content = Content {
                    track,
                    layer,
                    frame,
                    packet,
                    packets: count,
                    key,
                    captured_us: now_us,
                };
                let mut payload = match codec {
                    Codec::Vp9 => {
                        let inter_layer = spatial > 0 && (key || !key_only);
                        let [high, low] = stream.picture_id.to_be_bytes();
                        vec![
                            0xa0 | u8::from(!key) << 6 | u8::from(start) << 3 | u8::from(end) << 2,
                            0x80 | high,
                            low,
                            // One may climb at T0 and T1. Each stream of a simulcast may call its layer what it likes.
                            tid << 5 | u8::from(tid < 2) << 4 | layer << 1 | u8::from(inter_layer),
                            stream.tl0,
                        ]
                    }
                    _ => vec![0x10],
                };
                payload.extend(content.write(len));
                let mut extensions = stream.names(ids, &mid, (!in_stream).then_some(RIDS[at]));
                if dependency {
                    let template = 4 * spatial + if key { 0 } else { 1 + tid };
                    let mut bits = Bits::default();
                    bits.put(start.into(), 1);
                    bits.put(end.into(), 1);
                    bits.put(u64::from((first_template + template) % 64), 6);
                    bits.put(number.into(), 16);
                    let begins = key && spatial == 0 && start;
                    bits.put(u64::from(begins) << 4 | 1, 5);
                    if begins {
                        structure(&mut bits, first_template, spatials, key_only);
                    }
                    for difference in &differences {
                        bits.put((*difference).into(), 8);
                    }
                    extensions.push((ids.dependency_descriptor.unwrap(), bits.bytes()));
                }
                let rtp = Rtp {
                    marker: end && spatial + 1 == spatials,
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
        }
        stream.sent.insert(frame, SentFrame { key, packets: sum });
    }
}

/// A picture that came whole and can be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its number among the captured ones.
    pub frame: u32,
    pub key: bool,
    /// The largest spatial layer of it; of a simulcast the stream.
    pub top: u8,
    pub temporal: u8,
    /// PictureID and TL0PICIDX of VP9.
    pub numbers: Option<(u16, u8)>,
    /// The mask of decode targets that the receiver knows.
    pub active: Option<u32>,
}

/// Every picture that a device got, in order. Each must be whole and decodable, end with its only marker, and have
/// numbers that go on; nothing may be missing between the first and the last packet.
pub fn pictures(sink: &Sink, source: &Source) -> Vec<Picture> {
    let Scalable { key_only, .. } = source.scalable.unwrap();
    let in_stream = source.streams.len() == 1;
    let mut decoded: BTreeSet<(u32, u8)> = BTreeSet::new();
    let (mut pictures, mut known, mut active) = (Vec::new(), None::<Box<Structure>>, None);
    let mut latest_number: Option<u16> = None;
    for packets in split(sink) {
        let mut frames: BTreeMap<u8, Vec<Content>> = BTreeMap::new();
        let mut numbers = None;
        let mut marker = false;
        for packet in &packets {
            assert!(!marker, "a picture goes on behind its marker");
            marker = packet.marker;
            let head = if sink.codec == Codec::Vp9 {
                let descriptor = vp9::parse(&packet.payload).unwrap();
                numbers = Some((
                    descriptor.picture_id.unwrap().value,
                    descriptor.tl0_pic_idx.unwrap(),
                ));
                descriptor.len
            } else {
                1
            };
            let content = Content::read(&packet.payload[head..])
                .expect("what stands behind the descriptor is untouched");
            assert_eq!(content.track, sink.track);
            frames.entry(content.layer).or_default().push(content);
            if sink.plan.extensions.dependency_descriptor.is_some() && source.scalable.unwrap().dependency {
                let Some(Parsed::Frame(frame)) = dependency::parse(&packet.dependency, &mut known) else {
                    panic!("no dependency descriptor that can be read");
                };
                if frame.has_structure {
                    active = Some(frame.all_targets());
                }
                active = frame.active.or(active);
                let step = latest_number.map_or(1, |latest| frame.number.wrapping_sub(latest));
                let allowed = if frame.start { 1..100 } else { 0..1 };
                assert!(
                    allowed.contains(&step),
                    "frame numbers go on: {latest_number:?} then {}",
                    frame.number
                );
                latest_number = Some(frame.number);
            }
        }
        assert!(marker, "a picture ends with a marker");
        let first = *frames.values().next().unwrap().first().unwrap();
        let sent = &source.streams[if in_stream { 0 } else { usize::from(first.layer) }].sent;
        let key_picture = sent
            .range(..=first.frame)
            .rev()
            .find(|(_, sent)| sent.key)
            .map(|(frame, _)| *frame);
        let place = first.frame - key_picture.unwrap();
        for (layer, parts) in &frames {
            for (at, part) in parts.iter().enumerate() {
                assert_eq!(
                    *part,
                    Content {
                        packet: at as u8,
                        ..parts[0]
                    },
                    "a frame in order and by itself"
                );
            }
            assert_eq!(parts.len(), usize::from(parts[0].packets), "a whole frame");
            let key = place == 0;
            let needs_smaller = in_stream && *layer > 0 && (key || !key_only);
            assert!(
                !needs_smaller || decoded.contains(&(first.frame, layer - 1)),
                "the smaller layer of {parts:?}"
            );
            assert!(
                key || decoded.contains(&(first.frame - distance(place), *layer)),
                "an earlier picture that {parts:?} needs"
            );
            decoded.insert((first.frame, *layer));
        }
        pictures.push(Picture {
            frame: first.frame,
            key: place == 0,
            top: *frames.keys().last().unwrap(),
            temporal: temporal(place),
            numbers,
            active,
        });
    }
    pictures
}

/// Packets by their pictures, without the last, which may still be under way.
fn split(sink: &Sink) -> Vec<Vec<Scaled>> {
    let mut split: Vec<Vec<Scaled>> = Vec::new();
    let mut next = None;
    for (sequence, packet) in &sink.scaled {
        assert!(
            next.is_none_or(|next| next == *sequence),
            "packet {next:?} is missing"
        );
        next = Some(sequence + 1);
        if packet.payload.is_empty() {
            continue;
        }
        match split
            .last_mut()
            .filter(|last| last[0].timestamp == packet.timestamp)
        {
            Some(last) => last.push(packet.clone()),
            None => split.push(vec![packet.clone()]),
        }
    }
    split.pop();
    split
}
