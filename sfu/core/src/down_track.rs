//! One track as one subscriber receives it: which layer, under which numbers, and what to send again.
//!
//! A down track has one SSRC and one run of sequence numbers, timestamps and picture ids for its whole life, whatever
//! the publisher's layers do behind it.

use crate::closing::Closing;
use crate::command::{Codec, Layering, SendPlan, SentQuality, Want};
use crate::dependency::{self, Structure};
use crate::downlink::Budget;
use crate::ids::{DownTrackId, Layer};
use crate::line::{Joins, Line};
use crate::pacer::GivenUp;
use crate::quality::SendWindow;
use crate::red::{self, Earlier};
use crate::ring::{Description, PacketFacts, PacketRing, RingPosition, Slot};
use crate::rtcp::ReportBlock;
use crate::rtp::{HeaderTemplate, Stamp};
use crate::selection::{Numbers, Selection, Verdict, Wish};
use crate::sent_layers::Offered;
use crate::srtp::{SrtpSession, TAG};
use crate::timeline::{Shown, Timeline};
use crate::track::{LayerState, Reach};
use crate::{vp8, vp9};
use std::time::{Duration, Instant};

/// Packets that a subscriber may still ask for; as many as the ring holds.
const HISTORY: usize = crate::ring::VIDEO_SLOTS;

/// How often one packet is sent again. More only feeds a link that is down anyway.
const REPEATS_MAX: u8 = 3;

/// Wait between two repetitions of a packet, at most; less when the round trip is shorter.
const REPEAT_SPACING_MAX: Duration = Duration::from_millis(100);

/// How a track's payloads become those of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packaging {
    /// They are the same, but for the numbers in their descriptors.
    Same,
    /// RED with the blocks' payload type in the subscriber's numbering.
    Renumbered(u8),
    /// The Opus inside RED.
    Unwrapped,
    /// Opus as RED, with earlier packets, of this payload type.
    Wrapped(u8),
}

impl Packaging {
    /// `None`: it cannot be had, because nothing else is ever converted.
    pub fn of(codec: Codec, plan: &SendPlan) -> Option<Self> {
        match (codec, plan.codec) {
            (Codec::Red, Codec::Red) => plan.primary_payload_type.map(Packaging::Renumbered),
            (Codec::Red, Codec::Opus) => Some(Packaging::Unwrapped),
            (Codec::Opus, Codec::Red) => plan.primary_payload_type.map(Packaging::Wrapped),
            (own, wanted) => (own == wanted).then_some(Packaging::Same),
        }
    }

    /// Whether earlier packets go along with each.
    pub fn wraps(self) -> bool {
        matches!(self, Packaging::Wrapped(_))
    }
}

/// Bytes that a forwarded packet may need beyond its payload and its dependency descriptor.
pub const OVERHEAD_MAX: usize = 64 + dependency::GROWTH_MAX + EXTENSION_HEAD_MAX + red::OVERHEAD_MAX;

/// Bytes of padding in a packet of [`DownTrack::pad`]: the most that RTP can say.
pub const PADDING: u8 = u8::MAX;

/// The padding bit of an RTP header.
const PADDED: u8 = 0x20;

/// Bytes around one more header extension: longer heads of all elements, and padding.
const EXTENSION_HEAD_MAX: usize = 10;

/// A packet that went out.
#[derive(Clone, Copy, Debug)]
struct Sent {
    sequence: u64,
    position: RingPosition,
    timestamp: u32,
    numbers: Numbers,
    marker: bool,
    repeats: u8,
    /// Milliseconds since the shard started.
    repeated_at_ms: u32,
}

/// The latest packet that went out.
#[derive(Clone, Copy, Debug)]
struct Latest {
    sequence: u64,
    timestamp: u64,
    at: Instant,
}

/// The down track.
#[derive(Debug)]
pub struct DownTrack {
    /// Its name.
    pub id: DownTrackId,
    /// Slab key of the subscriber's connection.
    pub connection: usize,
    /// The negotiated numbers.
    pub plan: SendPlan,
    codec: Codec,
    layering: Layering,
    /// How payloads are to be changed.
    pub packaging: Packaging,
    want: Want,
    /// The most that the subscriber's downlink carries, if that is known to be too little.
    budget: Budget,
    current: Option<Layer>,
    /// The key frame in the track's ring that it begins with at the next pass.
    catch_up: Option<RingPosition>,
    /// First number of the current layer that may go out: what came before the switch belongs to another run.
    floor: u64,
    /// The highest number of the current layer so far.
    newest: u64,
    sequence_offset: u64,
    closing: Closing,
    timeline: Timeline,
    selection: Selection,
    latest: Option<Latest>,
    history: Vec<Option<Sent>>,
    header: HeaderTemplate,
    header_with_mid: HeaderTemplate,
    rtx: Option<(u32, HeaderTemplate)>,
    rtx_sequence: u64,
    /// Receivers learn the SSRC from the MID extension until they send their first report (RFC 9143, section 9.2).
    mid_needed: bool,
    /// Packets and payload bytes sent, for sender reports (they wrap, RFC 3550, section 6.4.1).
    pub packets: u32,
    /// See [`DownTrack::packets`].
    pub octets: u32,
    report: Option<(u32, Instant)>,
    /// Its clock has begun or moved since the latest sender report.
    is_report_due: bool,
    rtt: Option<Duration>,
    /// What of it waits in its subscriber's pacer.
    line: Line,
    /// The latest key frame's first number: of what lies before it nothing is needed any more.
    run_start: u64,
    window: SendWindow,
}

/// A packet of a track's ring.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Where it lies.
    pub position: RingPosition,
    /// What lies there.
    pub slot: Slot<'a>,
    /// The structure of its stream's dependency descriptors, if it has any.
    pub structure: Option<&'a Structure>,
}

impl<'a> Packet<'a> {
    /// The packet at a position, unless it has been overwritten.
    #[inline]
    pub fn read(ring: &'a PacketRing, layers: &'a [LayerState], position: RingPosition) -> Option<Self> {
        let slot = ring.read(position)?;
        let layer = layers.get(usize::from(slot.facts.layer.0));
        Some(Packet {
            position,
            slot,
            structure: layer.and_then(LayerState::structure),
        })
    }
}

/// How one packet goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outgoing {
    sequence: u64,
    timestamp: u32,
    marker: bool,
    numbers: Numbers,
}

impl DownTrack {
    /// A down track that has sent nothing. `rtx_start` is the first number of its retransmissions.
    pub fn new(
        id: DownTrackId,
        connection: usize,
        codec: Codec,
        layering: Layering,
        plan: SendPlan,
        want: Want,
        rtx_start: u16,
    ) -> Self {
        let mut extensions = plan.extensions;
        extensions.transport_cc = extensions.transport_cc.filter(|_| plan.is_measured());
        let rtx = plan
            .rtx_ssrc
            .zip(plan.rtx_payload_type)
            .map(|(ssrc, payload_type)| {
                let header = HeaderTemplate::new(ssrc, payload_type, &extensions, Some(&plan.mid));
                (ssrc, header)
            });
        DownTrack {
            id,
            connection,
            codec,
            want,
            budget: Budget::Unlimited,
            current: None,
            catch_up: None,
            floor: 0,
            newest: 0,
            sequence_offset: 0,
            closing: Closing::default(),
            timeline: Timeline::default(),
            layering,
            packaging: Packaging::of(codec, &plan).unwrap_or(Packaging::Same),
            selection: Selection::new(codec, layering, &plan),
            latest: None,
            history: Vec::new(),
            header: HeaderTemplate::new(plan.ssrc, plan.payload_type, &extensions, None),
            header_with_mid: HeaderTemplate::new(plan.ssrc, plan.payload_type, &extensions, Some(&plan.mid)),
            rtx,
            rtx_sequence: u64::from(rtx_start),
            mid_needed: true,
            packets: 0,
            octets: 0,
            report: None,
            is_report_due: false,
            rtt: None,
            line: Line::default(),
            run_start: 0,
            window: SendWindow::default(),
            plan,
        }
    }

    /// Changes what the subscriber wants. Disabling stops the stream at once; enabling waits for a key frame.
    pub fn set_want(&mut self, want: Want) {
        self.want = want;
        if !want.enabled {
            self.stop();
        }
    }

    /// Changes what the downlink leaves to it. Pausing stops the stream at once; going on waits for a key frame. True: it
    /// has paused, or goes on.
    pub fn set_budget(&mut self, budget: Budget) -> bool {
        let before = std::mem::replace(&mut self.budget, budget);
        if budget == Budget::Paused {
            self.stop();
        }
        (before == Budget::Paused) != (budget == Budget::Paused)
    }

    fn stop(&mut self) {
        self.current = None;
        self.line.on_stopped();
    }

    /// The largest layer that is wanted and carried; `None` while disabled or paused.
    pub fn target(&self) -> Option<Layer> {
        let wanted = self.wanted()?;
        match self.budget {
            Budget::Unlimited => Some(wanted),
            Budget::UpTo(layer) => Some(layer.min(wanted)),
            Budget::Thinned(_) => Some(Layer(0)),
            Budget::Paused => None,
        }
    }

    /// The highest temporal layer that is wanted and carried; `u8::MAX` is all of them.
    pub fn temporal_max(&self) -> u8 {
        match self.budget {
            Budget::Thinned(temporal) => temporal.min(self.want.temporal_max),
            _ => self.want.temporal_max,
        }
    }

    /// The highest temporal layer that is wanted, whatever the downlink says.
    pub fn wanted_temporal(&self) -> u8 {
        self.want.temporal_max
    }

    /// The largest layer that is wanted, whatever the downlink says.
    pub fn wanted(&self) -> Option<Layer> {
        self.want.enabled.then_some(self.want.layer_max)
    }

    /// The layer that goes out.
    pub fn current(&self) -> Option<Layer> {
        self.current
    }

    /// The publisher's stream that goes out.
    pub fn stream(&self) -> Option<Layer> {
        match self.layering {
            Layering::PerStream => self.current,
            Layering::InStream => self.current.map(|_| Layer(0)),
        }
    }

    /// The layer that goes out once all has gone out that waits.
    pub fn heading(&self) -> Option<Layer> {
        self.line.heading(self.current)
    }

    /// Whether a key frame is needed to go from the layer that goes out to this one.
    pub fn needs_key_frame(&self, target: Layer) -> bool {
        match self.heading() {
            Some(_) if self.layering == Layering::InStream => {
                self.current.is_some() && self.selection.needs_key_frame(target.0)
            }
            heading => heading != Some(target),
        }
    }

    /// Whether packets of it have been given up, so that it goes on with a key frame.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.line.is_held()
    }

    /// Whether to ask now for the key frame with which it goes on.
    pub fn seeks_after_loss(&self, now: Instant) -> bool {
        self.line.seeks(now)
    }

    /// Whether a packet goes out after all that waits, and as what, if it now waits with the others.
    pub fn join_line(&mut self, facts: &PacketFacts, target: Layer) -> Option<Joins> {
        let heading = self.heading().filter(|_| !self.is_held());
        let begins = match self.layering {
            Layering::PerStream => heading != Some(facts.layer),
            Layering::InStream => heading.is_none(),
        };
        if begins && (!facts.entry || !moves_to(heading, facts.layer, target)) {
            return None;
        }
        let spatial_max = match self.layering {
            Layering::PerStream => u8::MAX,
            Layering::InStream => target.max(self.current.unwrap_or(target)).0,
        };
        let passes = |spatial, temporal| spatial <= spatial_max && temporal <= self.temporal_max();
        let passes = match (&facts.dependency, &facts.description) {
            (Some(frame), _) => passes(frame.spatial, frame.temporal),
            (None, Description::Vp8(descriptor)) => passes(0, descriptor.tid.unwrap_or(0)),
            (None, Description::Vp9(descriptor)) => passes(descriptor.spatial, descriptor.temporal),
            _ => true,
        };
        Some(self.line.join(facts, begins, passes))
    }

    /// One of its packets does not wait any more. True: it is of the present line and goes out, after an interruption if
    /// it begins anew.
    pub fn leave_line(&mut self, epoch: u8, anew: bool) -> bool {
        let is_present = self.line.leave(epoch);
        if is_present && anew {
            self.current = None;
        }
        is_present
    }

    /// Takes note that packets of it were given up.
    pub fn on_given_up(&mut self, now: Instant, given_up: GivenUp) {
        self.line.on_given_up(now, given_up);
    }

    /// Everything fits that goes out to its subscriber.
    pub fn on_room(&mut self) {
        self.line.on_room();
    }

    /// Begins with a key frame that has arrived already.
    pub fn catch_up(&mut self, key_frame: RingPosition) {
        self.catch_up = Some(key_frame);
    }

    /// Where to begin, if that is due. Says so once.
    pub fn take_catch_up(&mut self) -> Option<RingPosition> {
        self.catch_up.take().filter(|_| self.heading().is_none())
    }

    /// Whether anything has gone out yet.
    pub fn has_started(&self) -> bool {
        self.latest.is_some()
    }

    /// The current layer's distance to the outgoing timestamps; `None` before the first packet.
    pub fn timestamp_offset(&self) -> Option<u64> {
        self.current.map(|_| self.timeline.offset())
    }

    /// Whether the subscriber is to have a sender report before the usual one is due: without it, it cannot bring sound
    /// and picture together.
    pub fn is_report_due(&self) -> bool {
        self.is_report_due
    }

    /// Decides whether a packet goes out, and under which numbers. `target` is the layer to move to among those that
    /// flow; `translate` converts a timestamp of the first layer to the second one's clock, if sender reports allow.
    #[inline]
    fn choose(
        &mut self,
        now: Instant,
        facts: &PacketFacts,
        structure: Option<&Structure>,
        target: Layer,
        translate: impl Fn(Layer, Layer, u64) -> Option<u64>,
    ) -> Option<Outgoing> {
        let is_other_stream = match self.layering {
            Layering::PerStream => self.current != Some(facts.layer),
            Layering::InStream => self.current.is_none(),
        };
        if is_other_stream {
            if !facts.entry || !moves_to(self.current, facts.layer, target) {
                return None;
            }
            self.switch(now, facts, translate);
        } else if facts.sequence < self.floor {
            return None;
        }
        let is_newest = facts.sequence > self.newest;
        self.newest = self.newest.max(facts.sequence);
        let wish = Wish {
            spatial: target.0,
            temporal: self.temporal_max(),
        };
        let (verdict, marker) = self.selection.judge(facts, structure, wish);
        if let Some(spatial) = self.selection.spatial() {
            self.current = Some(Layer(spatial));
        }
        let numbers = match verdict {
            Verdict::Forward(numbers) => numbers,
            Verdict::LeaveOut if is_newest => {
                self.closing.leave_out(facts.sequence);
                return None;
            }
            // Its number waits for it: without an empty packet the subscriber would ask for it again and again.
            Verdict::LeaveOut => Numbers::Empty,
            Verdict::Lose => return None,
        };
        let shift = self.closing.shift(facts.sequence, is_newest)?;
        let sequence = facts
            .sequence
            .wrapping_add(self.sequence_offset)
            .wrapping_sub(shift);
        let timestamp = self.timeline.map(facts.timestamp);
        if self.latest.is_none_or(|latest| sequence > latest.sequence) {
            if facts.entry {
                self.run_start = sequence;
            }
            self.latest = Some(Latest {
                sequence,
                timestamp,
                at: now,
            });
        }
        Some(Outgoing {
            sequence,
            timestamp: timestamp as u32,
            marker: marker && numbers != Numbers::Empty,
            numbers,
        })
    }

    fn switch(
        &mut self,
        now: Instant,
        facts: &PacketFacts,
        translate: impl Fn(Layer, Layer, u64) -> Option<u64>,
    ) {
        let shown = self.latest.map(|latest| Shown {
            timestamp: latest.timestamp,
            age: now.saturating_duration_since(latest.at),
        });
        let clock_rate_hz = self.codec.clock_rate_hz();
        self.is_report_due |= self.timeline.switch(
            facts.layer,
            facts.timestamp,
            shown,
            clock_rate_hz,
            |to, timestamp| translate(facts.layer, to, timestamp),
        );
        if let Some(latest) = self.latest {
            self.sequence_offset = (latest.sequence + 1).wrapping_sub(facts.sequence);
        } else {
            // The receiver takes the rollover counter to be 0, and the lower half of the numbers leaves it room to
            // lose the first packets without mistaking a wrap (RFC 3711, section 3.3.1).
            self.sequence_offset = (facts.sequence & 0x7fff).wrapping_sub(facts.sequence);
        }
        self.selection.switch(facts);
        self.closing.clear();
        self.floor = facts.sequence;
        self.newest = facts.sequence.saturating_sub(1);
        self.current = Some(facts.layer);
    }

    /// Builds and seals one packet in `out` (payload, descriptor, `earlier` and [`OVERHEAD_MAX`] bytes of room); `None` if it
    /// is not for this subscriber. `earlier`: the packets just before it, oldest first, if the down track wraps them up with
    /// it.
    #[inline]
    #[expect(
        clippy::too_many_arguments,
        reason = "what one packet needs, taken apart so that borrows stay disjoint"
    )]
    pub fn forward(
        &mut self,
        now: Instant,
        stamp: Stamp,
        session: &SrtpSession,
        packet: &Packet<'_>,
        earlier: &[Option<Earlier<'_>>],
        target: Layer,
        translate: impl Fn(Layer, Layer, u64) -> Option<u64>,
        out: &mut [u8],
    ) -> Option<usize> {
        let Packet {
            position,
            slot,
            structure,
        } = packet;
        let outgoing = self.choose(now, slot.facts, *structure, target, translate)?;
        let template = if self.mid_needed {
            &self.header_with_mid
        } else {
            &self.header
        };
        let mut header = template.write(
            out,
            outgoing.marker,
            outgoing.sequence as u16,
            outgoing.timestamp,
            stamp,
        )?;
        if let Some(id) = self.plan.extensions.dependency_descriptor
            && let Some(end) = write_dependency(template, id, slot, outgoing.numbers, out)
        {
            header = end;
        }
        let room = out.get_mut(header..)?;
        let written = match self.packaging {
            Packaging::Same => write_payload(slot, outgoing.numbers, room)?,
            Packaging::Renumbered(payload_type) => red::renumber(payload_type, slot.payload, room)?,
            Packaging::Unwrapped => {
                let primary = red::primary(slot.payload)?;
                room.get_mut(..primary.len())?.copy_from_slice(primary);
                primary.len()
            }
            Packaging::Wrapped(payload_type) => red::wrap(payload_type, earlier, slot.payload, room)?,
        };
        let len = header + written + TAG;
        session
            .seal(out.get_mut(..len)?, header, self.plan.ssrc, outgoing.sequence)
            .ok()?;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add((len - header - TAG) as u32);
        if self.rtx.is_some() {
            self.remember(*position, outgoing);
        }
        Some(len)
    }

    fn remember(&mut self, position: RingPosition, outgoing: Outgoing) {
        if self.history.is_empty() {
            self.history = vec![None; HISTORY];
        }
        let Outgoing {
            sequence,
            timestamp,
            marker,
            numbers,
        } = outgoing;
        if let Some(slot) = self.history.get_mut(sequence as usize % HISTORY) {
            *slot = Some(Sent {
                sequence,
                position,
                timestamp,
                marker,
                numbers,
                repeats: 0,
                repeated_at_ms: 0,
            });
        }
    }

    /// Finds the packet that a subscriber misses, if it may be sent (again) now.
    pub fn missing(&mut self, now_ms: u32, number: u16) -> Option<Repair> {
        let latest = self.latest?;
        let age = (latest.sequence as u16).wrapping_sub(number);
        let sequence = latest.sequence.checked_sub(u64::from(age))?;
        let spacing = self
            .rtt
            .map_or(REPEAT_SPACING_MAX, |rtt| rtt.min(REPEAT_SPACING_MAX))
            .as_millis() as u32;
        let sent = self.history.get_mut(sequence as usize % HISTORY)?.as_mut()?;
        let too_soon = sent.repeats > 0 && now_ms.wrapping_sub(sent.repeated_at_ms) < spacing;
        let is_over = sequence < self.run_start;
        if sent.sequence != sequence || is_over || sent.repeats >= REPEATS_MAX || too_soon {
            return None;
        }
        sent.repeats += 1;
        sent.repeated_at_ms = now_ms;
        Some(Repair {
            number,
            position: sent.position,
            timestamp: sent.timestamp,
            marker: sent.marker,
            numbers: sent.numbers,
        })
    }

    /// Builds and seals a retransmission (RFC 4588, section 4) in `out`.
    pub fn repair(
        &mut self,
        repair: Repair,
        stamp: Stamp,
        session: &SrtpSession,
        slot: Slot<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let (ssrc, template) = self.rtx.as_ref()?;
        let sequence = self.rtx_sequence;
        let mut header = template.write(out, repair.marker, sequence as u16, repair.timestamp, stamp)?;
        if let Some(id) = self.plan.extensions.dependency_descriptor
            && let Some(end) = write_dependency(template, id, &slot, repair.numbers, out)
        {
            header = end;
        }
        *out.get_mut(header..)?.first_chunk_mut()? = repair.number.to_be_bytes();
        let body = header + 2;
        let len = body + write_payload(&slot, repair.numbers, out.get_mut(body..)?)? + TAG;
        session.seal(out.get_mut(..len)?, header, *ssrc, sequence).ok()?;
        self.rtx_sequence += 1;
        Some(len)
    }

    /// Whether its packets carry transport-wide numbers, and its stream for retransmissions may carry padding.
    pub fn is_numbered(&self) -> bool {
        self.header.is_numbered()
    }

    /// Builds and seals a packet that is nothing but [`PADDING`] bytes of padding (RFC 3550, section 5.1) on the
    /// retransmission stream; receivers measure it and throw it away.
    pub fn pad(&mut self, stamp: Stamp, session: &SrtpSession, out: &mut [u8]) -> Option<usize> {
        let (ssrc, template) = self.rtx.as_ref()?;
        let sequence = self.rtx_sequence;
        let timestamp = self.latest.map_or(0, |latest| latest.timestamp as u32);
        let header = template.write(out, false, sequence as u16, timestamp, stamp)?;
        *out.first_mut()? |= PADDED;
        let end = header + usize::from(PADDING);
        let padding = out.get_mut(header..end)?;
        padding.fill(0);
        *padding.last_mut()? = PADDING;
        let len = end + TAG;
        session.seal(out.get_mut(..len)?, header, *ssrc, sequence).ok()?;
        self.rtx_sequence += 1;
        Some(len)
    }

    /// Notes that a sender report with this NTP time went out.
    pub fn on_report_sent(&mut self, now: Instant, ntp: u64) {
        self.is_report_due = false;
        self.report = Some(((ntp >> 16) as u32, now));
    }

    /// Takes a receiver report about this stream: the subscriber knows the SSRC, and the round trip may follow
    /// (RFC 3550, section 6.4.1).
    pub fn on_receiver_report(&mut self, now: Instant, block: &ReportBlock) -> Option<Duration> {
        self.mid_needed = false;
        let mut measured = None;
        if let Some((middle, sent)) = self.report
            && block.lsr != 0
            && block.lsr == middle
        {
            let delay = Duration::from_secs_f64(f64::from(block.dlsr) / 65_536.0);
            measured = Some(now.saturating_duration_since(sent).saturating_sub(delay));
            self.rtt = measured;
        }
        self.window.on_report(block, measured);
        measured
    }

    /// Notes what goes out of what the subscriber wants and could get. To be called once a second.
    pub fn sample_layers(&mut self, reach: &Reach) {
        if let Some(wanted) = self.wanted()
            && self.budget != Budget::Paused
            && reach.count() > 0
        {
            self.window.sample(reach.of(wanted), self.current);
        }
    }

    /// How it has gone out since the last call. `layers`: what there is of it, if it is a video, and how its subscriber's
    /// downlink was shared.
    pub fn take_quality(&mut self, layers: Option<Offered<'_>>) -> SentQuality {
        let sequence = self.latest.map_or(0, |latest| latest.sequence);
        let layers = layers.map(|offered| offered.explain(self.want, self.budget, self.current));
        self.window.take(self.id, self.packets, sequence, layers)
    }
}

/// Up when that is closer to the target, down when the current layer is above it, anything at the very start.
fn moves_to(current: Option<Layer>, layer: Layer, target: Layer) -> bool {
    match current {
        None => layer <= target,
        Some(current) => (current < layer && layer <= target) || (target <= layer && layer < current),
    }
}

/// A packet to send again.
#[derive(Clone, Copy, Debug)]
pub struct Repair {
    number: u16,
    /// Where it lies in the track's ring.
    pub position: RingPosition,
    timestamp: u32,
    marker: bool,
    numbers: Numbers,
}

/// Copies a payload behind a header; the descriptor gets the down track's numbers, the rest is never touched.
#[inline]
fn write_payload(slot: &Slot<'_>, numbers: Numbers, out: &mut [u8]) -> Option<usize> {
    let payload = slot.payload;
    let (descriptor, rest) = match (&slot.facts.description, numbers) {
        (_, Numbers::Empty) => return Some(0),
        (Description::Vp8(descriptor), Numbers::Vp8(numbers)) => (
            vp8::write(payload, descriptor, numbers, out)?,
            payload.get(descriptor.len..)?,
        ),
        (Description::Vp9(descriptor), Numbers::Vp9(numbers)) => (
            vp9::write(payload, descriptor, numbers, out)?,
            payload.get(descriptor.len..)?,
        ),
        _ => (0, payload),
    };
    out.get_mut(descriptor..descriptor + rest.len())?
        .copy_from_slice(rest);
    Some(descriptor + rest.len())
}

/// Puts the dependency descriptor into a header that has just been written, with the down track's numbers; the new
/// length of the header. `None` if the packet goes out without one.
fn write_dependency(
    template: &HeaderTemplate,
    id: u8,
    slot: &Slot<'_>,
    numbers: Numbers,
    out: &mut [u8],
) -> Option<usize> {
    let Numbers::Dependency { number, active } = numbers else {
        return None;
    };
    let mut own = [0; dependency::LEN_MAX + dependency::GROWTH_MAX];
    let len = dependency::write(
        slot.extension,
        slot.facts.dependency.as_ref()?,
        number,
        active,
        &mut own,
    )?;
    template.extend(out, id, own.get(..len)?)
}
