//! One published track on one shard: its layers, its ring, and who receives it.

use crate::command::{Codec, Layering, Precedence, ReceivedQuality};
use crate::dependency::{self, Frame, Parsed, Structure};
use crate::down_track::DownTrack;
use crate::ids::{LAYERS_MAX, Layer, ShardId, TEMPORAL_LAYERS_MAX, TrackId};
use crate::loudness::LoudnessMeter;
use crate::nack::NackTracker;
use crate::nal::KeyFrameFinder;
use crate::quality::{Counted, ReceiveWindow};
use crate::replay::ReplayWindow;
use crate::ring::{AUDIO_SLOTS, Description, PacketFacts, PacketRing, RingPosition, VIDEO_SLOTS};
use crate::sequence::{SequenceExtender, TimestampExtender};
use crate::{nal, vp8, vp9};
use arrayvec::ArrayVec;
use std::time::{Duration, Instant};

/// Time between two key-frame requests for one layer. Shorter, and a room of joiners drowns the publisher's link in
/// key frames; longer, and a joiner looks at black. A joiner begins with one from the ring that is younger than this: until then
/// no new one may be asked for.
const KEY_FRAME_SPACING: Duration = Duration::from_millis(500);

/// A layer that has sent nothing for this long has stopped, if another one flows.
const LAYER_SILENCE: Duration = Duration::from_millis(1500);

/// Packets that wait for one late structure: more than a key picture has. Further ones are lost.
const RELEASED_MAX: usize = 64;

/// Window of the bitrate measurement.
const RATE_WINDOW: Duration = Duration::from_millis(500);

/// Where a track comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A connection of this shard (slab key).
    Connection(usize),
    /// Another shard, which copies each packet here once.
    Shard(ShardId),
}

/// Bits per second, smoothed over about a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateMeter {
    bytes: u64,
    since: Option<Instant>,
    rate: u64,
}

impl RateMeter {
    /// Notes bytes.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Closes the window when it is over.
    pub fn tick(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= RATE_WINDOW {
            let rate = (self.bytes as f64 * 8.0 / elapsed.as_secs_f64()) as u64;
            self.rate = if self.rate == 0 {
                rate
            } else {
                (self.rate + rate) / 2
            };
            self.bytes = 0;
            self.since = Some(now);
        }
    }

    /// Bits per second; 0 before the first window is over.
    pub fn bits_per_second(&self) -> u64 {
        self.rate
    }
}

/// Which part of a layer its temporal layers are, over the last ten seconds or so: within one [`RATE_WINDOW`] there are too
/// few pictures to tell.
#[derive(Clone, Copy, Debug, Default)]
struct TemporalShares {
    /// What has come of each, less a sixteenth with each window.
    bytes: [u64; TEMPORAL_LAYERS_MAX],
    since: Option<Instant>,
}

impl TemporalShares {
    fn add(&mut self, temporal: u8, bytes: usize) {
        let place = usize::from(temporal).min(TEMPORAL_LAYERS_MAX - 1);
        if let Some(own) = self.bytes.get_mut(place) {
            *own += bytes as u64;
        }
    }

    fn tick(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= RATE_WINDOW {
            self.since = Some(now);
            self.bytes.iter_mut().for_each(|bytes| *bytes -= *bytes / 16);
        }
    }

    /// What each of them takes with those below it, of so many bit/s together; the last one takes all.
    fn of(&self, bps: u64) -> [u64; TEMPORAL_LAYERS_MAX] {
        let all: u64 = self.bytes.iter().sum();
        let mut below = 0;
        self.bytes.map(|bytes| {
            below += bytes;
            bps.saturating_mul(below).checked_div(all).unwrap_or(bps)
        })
    }
}

/// Asks for key frames, never faster than [`KEY_FRAME_SPACING`], and again until one comes.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyFrameSeeker {
    wanted: bool,
    asked: Option<Instant>,
}

impl KeyFrameSeeker {
    /// Somebody waits for a key frame.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame has begun.
    fn found(&mut self) {
        self.wanted = false;
    }

    /// Whether to ask now.
    pub fn poll(&mut self, now: Instant) -> bool {
        let spaced = self
            .asked
            .is_none_or(|asked| now.saturating_duration_since(asked) >= KEY_FRAME_SPACING);
        let ask = self.wanted && spaced;
        if ask {
            self.asked = Some(now);
        }
        ask
    }
}

/// One layer as it comes in.
#[derive(Debug, Default)]
pub struct LayerState {
    /// The layer's SSRC, once known.
    pub ssrc: Option<u32>,
    sequence: SequenceExtender,
    timestamp: TimestampExtender,
    seen: ReplayWindow,
    /// By which its dependency descriptors are read.
    structure: Option<Box<Structure>>,
    /// Where key frames begin, of codecs whose packets do not say so each for itself.
    key_frames: KeyFrameFinder,
    /// What is missing of it (locally received tracks only).
    pub nack: NackTracker,
    /// Who waits for its key frame.
    pub seeker: KeyFrameSeeker,
    /// The latest key frame's first packet, and when it came.
    key_frame: Option<(RingPosition, Instant)>,
    /// Its time, and its bytes so far.
    key_frame_bytes: (u64, u64),
    /// How much it brings.
    pub rate: RateMeter,
    arrived: Option<Instant>,
    /// What was counted of it last.
    pub counted: Counted,
    /// Latest sender report: NTP time, extended RTP time, when it came.
    pub report: Option<(u64, u64, Instant)>,
}

impl LayerState {
    /// Whether packets have come lately.
    fn flows(&self, now: Instant) -> bool {
        flows(self.arrived, now)
    }

    /// The structure of the dependency descriptors in its packets.
    pub fn structure(&self) -> Option<&Structure> {
        self.structure.as_deref()
    }

    /// Where a key frame begins that is young enough to begin with.
    fn recent_key_frame(&self, now: Instant, ring: &PacketRing) -> Option<RingPosition> {
        let (position, at) = self.key_frame?;
        let is_recent = now.saturating_duration_since(at) < KEY_FRAME_SPACING;
        (is_recent && ring.read(position).is_some()).then_some(position)
    }

    /// Takes a sender report (RFC 3550, section 6.4.1).
    pub fn on_sender_report(&mut self, now: Instant, ntp: u64, rtp: u32) {
        // A copy, because a report must not move the highest timestamp.
        let mut timestamp = self.timestamp;
        self.report = Some((ntp, timestamp.extend(rtp), now));
    }
}

/// One spatial layer of a stream that has several.
#[derive(Clone, Copy, Debug, Default)]
struct SpatialLayer {
    arrived: Option<Instant>,
    /// What it brings by itself.
    rate: RateMeter,
}

fn flows(arrived: Option<Instant>, now: Instant) -> bool {
    arrived.is_some_and(|at| now.saturating_duration_since(at) < LAYER_SILENCE)
}

/// For each layer that a subscriber may want, the one that it should get: the largest that flows and is not above it,
/// else the smallest that flows, else the wanted one itself (nothing flows; the first packet will decide).
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    layers: [Layer; LAYERS_MAX],
    /// Anything flows at all.
    flowing: bool,
}

impl Default for Reach {
    fn default() -> Self {
        Reach {
            layers: [Layer(0), Layer(1), Layer(2)],
            flowing: false,
        }
    }
}

impl Reach {
    /// How many layers flow: the largest that does, and all below it.
    pub fn count(&self) -> u8 {
        let largest = self.layers.last().map_or(0, |layer| layer.0);
        if self.flowing { largest + 1 } else { 0 }
    }

    /// What to send to a subscriber that wants `target`.
    #[inline]
    pub fn of(&self, target: Layer) -> Layer {
        self.layers
            .get(usize::from(target.0))
            .copied()
            .unwrap_or(Layer(LAYERS_MAX as u8 - 1))
    }
}

/// A packet of a layer, opened.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Which layer.
    pub layer: Layer,
    /// Its number in the layer.
    pub sequence: u16,
    /// Its time in the layer.
    pub timestamp: u32,
    /// Ends a frame.
    pub marker: bool,
    /// Came as a retransmission.
    pub repaired: bool,
    /// Its dependency descriptor; empty without one.
    pub dependency: &'a [u8],
    /// Without padding.
    pub payload: &'a [u8],
}

/// A track.
#[derive(Debug)]
pub struct Track {
    /// Its name.
    pub id: TrackId,
    /// Its codec.
    pub codec: Codec,
    /// Whether [`Track::layers`] are its spatial layers, or the one stream has them all.
    pub layering: Layering,
    /// Where it comes from.
    pub origin: Origin,
    /// Its layers, the smallest first.
    pub layers: ArrayVec<LayerState, LAYERS_MAX>,
    /// Its latest packets.
    pub ring: PacketRing,
    /// Who receives it on this shard.
    pub down_tracks: Vec<DownTrack>,
    /// The spatial layers of its one stream.
    spatial: Option<Box<[SpatialLayer; LAYERS_MAX]>>,
    /// Which part of its smallest layer each temporal layer is.
    temporal: TemporalShares,
    /// Packets that had to wait for a late one that explains them, and are to be copied to other shards.
    pub released: Vec<RingPosition>,
    /// Packets that are not forwarded yet.
    pub fresh: Vec<RingPosition>,
    /// The shard knows of them.
    pub queued: bool,
    /// Which layer a subscriber can get.
    pub reach: Reach,
    /// How much it matters to whom not everything fits.
    pub precedence: Precedence,
    /// Other shards that get a copy.
    pub mirrors: Vec<ShardId>,
    /// How loud it is (audio with the level extension).
    pub loudness: LoudnessMeter,
    /// Whether a packet has come.
    pub flowing: bool,
    /// How it comes in.
    pub window: ReceiveWindow,
}

impl Track {
    /// A track that nobody sends or receives yet.
    pub fn new(id: TrackId, codec: Codec, layering: Layering, origin: Origin, layers: usize) -> Self {
        let slots = if codec.is_video() {
            VIDEO_SLOTS
        } else {
            AUDIO_SLOTS
        };
        Track {
            id,
            codec,
            layering,
            origin,
            layers: (0..layers.clamp(1, LAYERS_MAX))
                .map(|_| LayerState::default())
                .collect(),
            ring: PacketRing::new(slots),
            down_tracks: Vec::new(),
            spatial: (layering == Layering::InStream).then(Box::default),
            temporal: TemporalShares::default(),
            released: Vec::new(),
            fresh: Vec::new(),
            queued: false,
            reach: Reach::default(),
            precedence: Precedence::default(),
            mirrors: Vec::new(),
            loudness: LoudnessMeter::new(),
            flowing: false,
            window: ReceiveWindow::default(),
        }
    }

    /// Keeps a packet for forwarding. `None` if it is a repetition, too large, or of a layer that the track lacks.
    pub fn take(&mut self, now: Instant, incoming: Incoming<'_>) -> Option<PacketFacts> {
        let layer = self.layers.get_mut(usize::from(incoming.layer.0))?;
        if incoming.repaired && layer.arrived.is_none() {
            return None; // probing may repeat packets of a layer that never began
        }
        let sequence = layer.sequence.extend(incoming.sequence);
        if incoming.repaired {
            layer.nack.on_recovered(now, sequence);
        } else {
            layer.nack.on_packet(now, sequence);
            layer
                .nack
                .on_timestamp(now, incoming.timestamp, self.codec.clock_rate_hz());
        }
        if !layer.seen.accept(sequence) {
            return None;
        }
        let began = !layer.flows(now);
        layer.arrived = Some(now);
        layer.rate.add(incoming.payload.len());
        let timestamp = layer.timestamp.extend(incoming.timestamp);
        let (description, entry) = match self.codec {
            // Padding that Chromium sends on the media SSRC has no descriptor; it goes on as an empty packet, so that
            // the subscriber sees no gap.
            codec if codec.is_video() && incoming.payload.is_empty() => (Description::Padding, false),
            Codec::Vp8 => {
                let descriptor = vp8::parse(incoming.payload)?;
                (Description::Vp8(descriptor), descriptor.key_frame)
            }
            codec @ (Codec::H264 | Codec::H265) => {
                let units = nal::units(codec, incoming.payload);
                (
                    Description::Opaque,
                    layer.key_frames.begins(sequence, timestamp, units),
                )
            }
            Codec::Vp9 => {
                let descriptor = vp9::parse(incoming.payload)?;
                // In a stream with one spatial layer its index says nothing.
                let is_smallest = descriptor.spatial == 0 || self.layering == Layering::PerStream;
                let entry = descriptor.start && !descriptor.inter_predicted && is_smallest;
                (Description::Vp9(descriptor), entry)
            }
            // Its payload is not read; a key frame is what brings a structure.
            Codec::Av1 => (Description::Opaque, false),
            codec => (Description::Opaque, !codec.is_video()),
        };
        let parsed = (!incoming.dependency.is_empty() && !incoming.payload.is_empty())
            .then(|| dependency::parse(incoming.dependency, &mut layer.structure))
            .flatten();
        let dependency = match parsed {
            Some(Parsed::Frame(frame)) => Some(frame),
            _ => None,
        };
        let waits = matches!(parsed, Some(Parsed::UnknownTemplate));
        let is_late = layer.sequence.highest().is_some_and(|highest| sequence < highest);
        let brings_structure = dependency.is_some_and(|frame| frame.has_structure);
        let entry = match self.codec {
            Codec::Av1 => dependency.is_some_and(|frame| frame.has_structure && frame.start),
            _ => entry,
        };
        if entry {
            layer.seeker.found();
        }
        let facts = PacketFacts {
            layer: incoming.layer,
            sequence,
            timestamp,
            marker: incoming.marker,
            entry,
            description,
            dependency,
        };
        self.note_spatial(now, &facts, incoming.payload.len());
        self.note_temporal(&facts, incoming.payload.len());
        if began {
            self.review(now);
        }
        if waits {
            // It overtook the structure by which it is read.
            self.ring.push(facts, incoming.payload, incoming.dependency);
            return None;
        }
        if !self.keep(now, facts, incoming.payload, incoming.dependency) {
            return None;
        }
        if brings_structure && is_late {
            self.release_overtakers(facts.layer);
        }
        Some(facts)
    }

    /// A structure has come late: what overtook it can be read now.
    fn release_overtakers(&mut self, layer: Layer) {
        let Some(state) = self.layers.get_mut(usize::from(layer.0)) else {
            return;
        };
        let mut released = ArrayVec::<(RingPosition, Frame), RELEASED_MAX>::new();
        for position in self.ring.overtakers(self.ring.latest()) {
            if let Some(slot) = self.ring.read(position)
                && slot.facts.dependency.is_none()
                && let Some(Parsed::Frame(frame)) = dependency::parse(slot.extension, &mut state.structure)
                && released.try_push((position, frame)).is_err()
            {
                break;
            }
        }
        for (position, frame) in released {
            self.ring.describe(position, frame);
            if !self.down_tracks.is_empty() {
                self.fresh.push(position);
            }
            if !self.mirrors.is_empty() {
                self.released.push(position);
            }
        }
    }

    /// Notes that a spatial layer flows, of a stream that has several.
    fn note_spatial(&mut self, now: Instant, facts: &PacketFacts, bytes: usize) {
        let Some(layers) = &mut self.spatial else { return };
        let spatial = match (&facts.dependency, &facts.description) {
            (Some(frame), _) => frame.spatial,
            (None, Description::Vp9(descriptor)) => descriptor.spatial,
            _ => return,
        };
        let place = usize::from(spatial).min(LAYERS_MAX - 1);
        if let Some(layer) = layers.get_mut(place) {
            let began = !flows(layer.arrived, now);
            layer.arrived = Some(now);
            layer.rate.add(bytes);
            if began {
                self.review(now);
            }
        }
    }

    /// Notes what a temporal layer of the smallest layer brings. What does not say its temporal layer, or cannot be chosen by
    /// it, is of the lowest.
    fn note_temporal(&mut self, facts: &PacketFacts, bytes: usize) {
        let (spatial, temporal) = match (self.codec, &facts.dependency, &facts.description) {
            (Codec::Vp8, _, Description::Vp8(descriptor)) => {
                (0, descriptor.picture_id.and(descriptor.tid).unwrap_or(0))
            }
            (Codec::Vp9 | Codec::Av1 | Codec::H264, Some(frame), _) => (frame.spatial, frame.temporal),
            (Codec::Vp9, None, Description::Vp9(descriptor)) => (descriptor.spatial, descriptor.temporal),
            _ => (0, 0),
        };
        if facts.layer == Layer(0) && (self.spatial.is_none() || spatial == 0) {
            self.temporal.add(temporal, bytes);
        }
    }

    /// What the smallest layer brings up to each temporal layer, in bit/s; up to the last one, all of it.
    pub fn temporal_bps(&self) -> [u64; TEMPORAL_LAYERS_MAX] {
        self.temporal.of(self.layers_bps()[0])
    }

    /// What each layer brings, with the smaller ones that it needs, in bit/s.
    pub fn layers_bps(&self) -> [u64; LAYERS_MAX] {
        let mut all = [0; LAYERS_MAX];
        if let Some(layers) = &self.spatial {
            let mut sum = 0;
            for (bps, layer) in all.iter_mut().zip(layers.iter()) {
                sum += layer.rate.bits_per_second();
                *bps = sum;
            }
        } else {
            for (bps, layer) in all.iter_mut().zip(&self.layers) {
                *bps = layer.rate.bits_per_second();
            }
        }
        all
    }

    /// Closes the windows of all measurements that are over.
    pub fn tick_rates(&mut self, now: Instant) {
        for layer in &mut self.layers {
            layer.rate.tick(now);
        }
        for layer in self.spatial.iter_mut().flat_map(|layers| layers.iter_mut()) {
            layer.rate.tick(now);
        }
        self.temporal.tick(now);
    }

    /// Keeps a packet that another shard has already judged.
    pub fn take_mirrored(
        &mut self,
        now: Instant,
        facts: PacketFacts,
        payload: &[u8],
        dependency: &[u8],
    ) -> bool {
        if let Some(layer) = self.layers.get_mut(usize::from(facts.layer.0)) {
            layer.arrived = Some(now);
            layer.rate.add(payload.len());
            layer.timestamp.extend(facts.timestamp as u32);
            if facts.entry {
                layer.seeker.found();
            }
            if facts.dependency.is_some_and(|frame| frame.has_structure) {
                dependency::parse(dependency, &mut layer.structure);
            }
        }
        self.note_spatial(now, &facts, payload.len());
        self.note_temporal(&facts, payload.len());
        self.review(now);
        self.keep(now, facts, payload, dependency)
    }

    fn keep(&mut self, now: Instant, facts: PacketFacts, payload: &[u8], dependency: &[u8]) -> bool {
        let position = self.ring.push(facts, payload, dependency);
        if let Some(position) = position
            && let Some(layer) = self.layers.get_mut(usize::from(facts.layer.0))
        {
            if facts.entry {
                layer.key_frame = Some((position, now));
                layer.key_frame_bytes = (facts.timestamp, 0);
            }
            if layer.key_frame_bytes.0 == facts.timestamp {
                layer.key_frame_bytes.1 += payload.len() as u64;
            }
        }
        if !self.down_tracks.is_empty() {
            self.fresh.extend(position);
        }
        position.is_some()
    }

    /// How it has come in since the last call.
    pub fn take_quality(&mut self, now: Instant) -> ReceivedQuality {
        let reports = self.layers.iter().filter_map(|layer| layer.report);
        let is_reported = reports
            .map(|(_, _, at)| now.saturating_duration_since(at))
            .any(|age| age < crate::QUALITY_INTERVAL);
        self.window.take(self.id, is_reported)
    }

    /// Looks again which layers flow. Due whenever one begins, and every now and then because one may have stopped.
    pub fn review(&mut self, now: Instant) {
        let flowing = |layer: &u8| {
            let place = usize::from(*layer);
            let arrived = match &self.spatial {
                Some(layers) => layers.get(place).and_then(|layer| layer.arrived),
                None => self.layers.get(place).and_then(|layer| layer.arrived),
            };
            flows(arrived, now)
        };
        let count = self
            .spatial
            .as_ref()
            .map_or(self.layers.len(), |layers| layers.len()) as u8;
        self.reach.flowing = (0..count).any(|layer| flowing(&layer));
        for (target, reach) in (0..).zip(self.reach.layers.iter_mut()) {
            let top = target.min(count - 1);
            let layer = (0..=top)
                .rev()
                .find(flowing)
                .or_else(|| (top..count).find(flowing))
                .unwrap_or(top);
            *reach = Layer(layer);
        }
    }

    /// Sees to the key frames that subscribers wait for, while the track flows (one that is muted would be asked for
    /// ever): who has nothing yet begins with a recent one, all others are asked for. `ready` says whether a connection
    /// can receive already. Says whether somebody has something to catch up on.
    pub fn seek_key_frames(&mut self, now: Instant, ready: impl Fn(usize) -> bool) -> bool {
        if !self.codec.is_video() || !self.reach.flowing {
            return false;
        }
        let mut catches_up = false;
        for down_track in &mut self.down_tracks {
            let Some(target) = down_track.target().filter(|_| ready(down_track.connection)) else {
                continue;
            };
            let target = self.reach.of(target);
            let stream = stream_of(self.layering, target);
            let Some(layer) = self.layers.get_mut(stream) else {
                continue;
            };
            match (down_track.heading(), layer.recent_key_frame(now, &self.ring)) {
                // What was too much shall not come a second time.
                _ if down_track.is_held() => {
                    if down_track.seeks_after_loss(now) {
                        layer.seeker.want();
                    }
                }
                (Some(_), _) if !down_track.needs_key_frame(target) => {}
                (None, Some(key_frame)) => {
                    down_track.catch_up(key_frame);
                    catches_up = true;
                }
                _ => layer.seeker.want(),
            }
        }
        catches_up
    }

    /// Asks for the key frame that a down track will begin with once its subscriber is connected, unless a recent one is
    /// there.
    pub fn foresee_key_frame(&mut self, now: Instant, down_track: usize) {
        let target = self.down_tracks.get(down_track).and_then(DownTrack::target);
        let Some(target) = target.filter(|_| self.codec.is_video() && self.reach.flowing) else {
            return;
        };
        let stream = stream_of(self.layering, self.reach.of(target));
        if let Some(layer) = self.layers.get_mut(stream)
            && layer.recent_key_frame(now, &self.ring).is_none()
        {
            layer.seeker.want();
        }
    }

    /// Where the first of the recent key frames of all layers begins.
    pub fn oldest_recent_key_frame(&self, now: Instant) -> Option<RingPosition> {
        let recent = self.layers.iter().filter_map(|layer| {
            let position = layer.recent_key_frame(now, &self.ring)?;
            Some((layer.key_frame?.1, position))
        });
        recent.min_by_key(|(at, _)| *at).map(|(_, position)| position)
    }

    /// How large the latest key frame is of what a subscriber is to get.
    pub fn key_frame_bytes(&self, down_track: &DownTrack) -> u64 {
        let target = down_track.target().map(|target| self.reach.of(target));
        let layer = target.and_then(|target| self.layers.get(stream_of(self.layering, target)));
        layer.map_or(0, |layer| layer.key_frame_bytes.1)
    }

    /// A subscriber asks for a key frame of what it receives.
    pub fn want_key_frame(&mut self, now: Instant, down_track: usize) {
        let Some(down_track) = self.down_tracks.get(down_track) else {
            return;
        };
        if down_track.is_held() && !down_track.seeks_after_loss(now) {
            return; // its link carries none now
        }
        let layer = down_track
            .current()
            .or_else(|| down_track.target().map(|target| self.reach.of(target)));
        let stream = layer.map(|layer| stream_of(self.layering, layer));
        if let Some(layer) = stream.and_then(|stream| self.layers.get_mut(stream)) {
            layer.seeker.want();
        }
    }

    /// Asks for a key frame of every layer that flows and has had none recently.
    pub fn want_all_key_frames(&mut self, now: Instant) {
        if !self.codec.is_video() {
            return;
        }
        for layer in self.layers.iter_mut().filter(|layer| layer.flows(now)) {
            if layer.recent_key_frame(now, &self.ring).is_none() {
                layer.seeker.want();
            }
        }
    }
}

/// Which of [`Track::layers`] carries a layer.
fn stream_of(layering: Layering, layer: Layer) -> usize {
    match layering {
        Layering::PerStream => usize::from(layer.0),
        Layering::InStream => 0,
    }
}

/// Converts a timestamp of `from` to the clock of `to`, by the latest sender reports of both (RFC 3550, section 6.4.1:
/// the NTP time is common to all of a sender's streams).
pub fn translate(
    layers: &[LayerState],
    clock_rate_hz: u32,
    from: Layer,
    to: Layer,
    timestamp: u64,
) -> Option<u64> {
    let (from_ntp, from_rtp, _) = layers.get(usize::from(from.0))?.report?;
    let (to_ntp, to_rtp, _) = layers.get(usize::from(to.0))?.report?;
    let ntp_difference = from_ntp.wrapping_sub(to_ntp).cast_signed();
    let ticks = (i128::from(ntp_difference) * i128::from(clock_rate_hz)) >> 32;
    let since_report = i128::from(timestamp.wrapping_sub(from_rtp).cast_signed());
    u64::try_from(i128::from(to_rtp) + ticks + since_report).ok()
}
