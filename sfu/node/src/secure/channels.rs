//! Data channels (RFC 8831): opened by the peer or by us (RFC 8832), read as fast as the peer's budget allows, and
//! written as far as the peer keeps up.
//!
//! **In:** a message stays in the association until the shard asks for it ([`DataChannels::poll_data`]), and each peer may
//! have so many taken in a second ([`INTAKE_BYTES_PER_SECOND`]). What is beyond that fills its own window, so it waits, and
//! nobody else does.
//!
//! What a peer that breaks the rules could make the crate do or keep is stopped before it ([`super::gate`]).
//!
//! **Out:** a lossy channel drops what would wait longer than [`LOSSY_LATENCY_MAX`]. A reliable one queues up to
//! [`RELIABLE_QUEUE_MAX`] for each peer; beyond, that peer misses messages, and when it has taken nothing at all for
//! [`STALL_MAX`], it is given up ([`SecureEvent::Stalled`]).

use super::budget::{Budget, DrainRate};
use super::gate::Gate;
use super::{PSEUDO_LOCAL, PSEUDO_PEER, fenced};
use bytes::Bytes;
use hanse_sfu_core::DATA_MESSAGE_BYTES_MAX;
use hanse_sfu_core::command::DataChannel;
use hanse_sfu_core::secure::SecureEvent;
use rtc_sctp::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ReliabilityType, ServerConfig, StreamEvent, StreamId, TransportConfig,
};
use rtc_shared::TransportProtocol;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Streams of one association. LiveKit's clients open three. A peer that opens more loses its data channels, not its
/// media.
const STREAMS_MAX: u16 = 64;

/// Bytes that may wait for the rest of their message or for the peer's budget, per peer; more would let a few peers fill
/// the memory, less than one message (64 KiB) would stall it. The window tells the peer.
pub(super) const BUFFER_MAX: u32 = 256 * 1024;

/// Bytes that may wait for one peer on a reliable channel. Beyond: it does not get the message. What waits for several
/// peers is in memory once.
pub(super) const RELIABLE_QUEUE_MAX: usize = 4 * 1024 * 1024;

/// How long a peer with a full queue may take nothing at all before it is given up. Longer than any network holds its
/// breath while its connectivity checks still arrive.
pub(super) const STALL_MAX: Duration = Duration::from_secs(10);

/// Bytes that wait on a lossy channel before anything is dropped (LiveKit's server: the same).
const LOSSY_QUEUE_MIN: usize = 8 * 1024;

/// How long a message may wait on a lossy channel, at the rate at which the peer took the last ones (LiveKit's server:
/// the same for data tracks).
const LOSSY_LATENCY_MAX: Duration = Duration::from_millis(100);

/// Turns of the crate's machine on one input. It never takes more than a few; a bound instead of a hope.
const TURNS_MAX: usize = 256;

/// DCEP (RFC 8832, sections 8.2.1 and 5).
const OPEN: u8 = 3;
const ACK: [u8; 1] = [2];
const OPEN_HEADER: usize = 12;
const UNORDERED: u8 = 0x80;

/// The one SCTP association of a connection, if the peer wants one.
pub(super) struct DataChannels {
    association: Option<(Endpoint, AssociationHandle, Association)>,
    /// What of its packets the association gets.
    gate: Option<Gate>,
    established: bool,
    /// It broke a bound or made the crate panic; there will be no other.
    refused: bool,
    /// We are to open the known channels.
    opens: bool,
    /// We have opened them.
    opened: bool,
    /// The latest last; at most [`STREAMS_MAX`].
    channels: Vec<(StreamId, DataChannel)>,
    /// Streams with messages, each once.
    readable: VecDeque<StreamId>,
    intake: Budget,
    lossy_rate: DrainRate,
    /// When the peer last took something, or had nothing to take.
    moved_at: Option<Instant>,
    stalled: bool,
    outgoing: VecDeque<Bytes>,
    events: VecDeque<SecureEvent>,
}

impl DataChannels {
    pub(super) fn new() -> Self {
        DataChannels {
            association: None,
            gate: None,
            established: false,
            refused: false,
            opens: false,
            opened: false,
            channels: Vec::new(),
            readable: VecDeque::new(),
            intake: Budget::default(),
            lossy_rate: DrainRate::default(),
            moved_at: None,
            stalled: false,
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes an SCTP packet (the content of one DTLS record).
    pub(super) fn handle_packet(&mut self, now: Instant, packet: Bytes) {
        if self.refused {
            return;
        }
        // The crate does not know an INIT again that it has answered (our answer was lost): start over with it, as long
        // as nothing is established.
        if is_init(&packet) && !self.established {
            self.association = None;
        }
        if self.association.is_some() && self.gate.as_mut().is_some_and(|gate| !gate.admits(&packet)) {
            return;
        }
        let result = match &mut self.association {
            Some((endpoint, _, association)) => fenced(|| {
                if let Some((_, DatagramEvent::AssociationEvent(event))) =
                    endpoint.handle(now, PSEUDO_PEER, None, packet)
                {
                    association.handle_event(event);
                }
            }),
            None => {
                self.gate = Some(Gate::new(&packet));
                fenced(|| accept(now, packet)).map(|accepted| self.association = accepted)
            }
        };
        if result.is_none() {
            self.refuse();
        }
        self.turn(now);
    }

    /// Repeats and acknowledges what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, _, association)) = &mut self.association
            && association.poll_timeout().is_some_and(|at| at <= now)
        {
            if fenced(|| association.handle_timeout(now)).is_none() {
                self.refuse();
            }
            self.turn(now);
        }
    }

    /// When [`DataChannels::handle_timeout`] wants to be called, or [`DataChannels::poll_data`] has something again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let association = self
            .association
            .as_ref()
            .and_then(|(_, _, association)| association.poll_timeout());
        let intake = self.intake.blocked_until().filter(|_| self.has_data());
        association.into_iter().chain(intake).min()
    }

    /// The next packet to seal and send.
    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outgoing.pop_front()
    }

    /// The next thing that happened.
    pub(super) fn poll_event(&mut self) -> Option<SecureEvent> {
        self.events.pop_front()
    }

    /// Opens the known channels, now or when the peer's association is there.
    pub(super) fn open(&mut self, now: Instant) {
        if !self.opens {
            self.opens = true;
            self.turn(now);
        }
    }

    pub(super) fn has_data(&self) -> bool {
        !self.readable.is_empty()
    }

    /// The next message, of each stream in turn, unless the peer's budget is used up.
    pub(super) fn poll_data(&mut self, now: Instant) -> Option<(DataChannel, Bytes)> {
        while let Some(&id) = self.readable.front() {
            if !self.intake.allows(now) {
                return None;
            }
            let (_, _, association) = self.association.as_mut()?;
            let message = fenced(|| {
                let message = association.stream(id).ok()?.read_sctp().ok()??;
                let size = (message.len(), message.chunks.len());
                Some((message.ppi, size, message.to_payload(DATA_MESSAGE_BYTES_MAX).ok()))
            });
            match message {
                Some(Some((ppi, (len, chunks), payload))) => {
                    self.readable.rotate_left(1);
                    if let Some(gate) = &mut self.gate {
                        gate.on_taken(len, chunks);
                    }
                    self.intake.spend(len);
                    let kind = self.channels.iter().find(|(stream, _)| *stream == id);
                    if let (Some((_, kind)), Some(payload)) = (kind, payload)
                        && is_content(ppi)
                    {
                        return Some((*kind, payload.freeze()));
                    }
                }
                Some(None) => {
                    self.readable.pop_front();
                }
                None => {
                    self.refuse();
                    return None;
                }
            }
        }
        None
    }

    /// Sends a message by the latest channel of a kind, or drops it.
    pub(super) fn send(&mut self, now: Instant, kind: DataChannel, payload: &Bytes) {
        if self.stalled || payload.is_empty() || payload.len() > DATA_MESSAGE_BYTES_MAX {
            return;
        }
        let Some((_, _, association)) = &mut self.association else {
            return;
        };
        let Some((id, _)) = self.channels.iter().rev().find(|(_, it)| *it == kind) else {
            return;
        };
        let (rate, moved_at) = (&self.lossy_rate, &mut self.moved_at);
        let sent = fenced(|| {
            let Ok(mut stream) = association.stream(*id) else {
                return Sent::Dropped;
            };
            let waiting = stream.buffered_amount().unwrap_or(usize::MAX);
            if kind.is_lossy() {
                let limit = rate.bytes_in(LOSSY_LATENCY_MAX).max(LOSSY_QUEUE_MIN);
                if waiting > limit {
                    return Sent::Dropped;
                }
            } else if waiting == 0 {
                *moved_at = Some(now);
            } else if waiting.saturating_add(payload.len()) > RELIABLE_QUEUE_MAX {
                let since = moved_at.get_or_insert(now);
                return if now.saturating_duration_since(*since) >= STALL_MAX {
                    Sent::Stalled
                } else {
                    Sent::Dropped
                };
            }
            // It fails only when the stream is already gone.
            let _ = stream.write_chunk_with_ppi(now, payload, PayloadProtocolIdentifier::Binary);
            Sent::Queued
        });
        match sent {
            Some(Sent::Queued) => self.turn(now),
            Some(Sent::Dropped) => {}
            Some(Sent::Stalled) => {
                self.stalled = true;
                self.events.push_back(SecureEvent::Stalled);
            }
            None => self.refuse(),
        }
    }

    fn refuse(&mut self) {
        self.refused = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.association = None;
        self.gate = None;
        self.established = false;
        self.opened = false;
        self.channels.clear();
        self.readable.clear();
    }

    /// Lets the association do what it has to do.
    fn turn(&mut self, now: Instant) {
        let Some((endpoint, handle, association)) = &mut self.association else {
            return;
        };
        let (outgoing, established) = (&mut self.outgoing, &mut self.established);
        let (channels, readable, events) = (&mut self.channels, &mut self.readable, &mut self.events);
        let (rate, moved_at) = (&mut self.lossy_rate, &mut self.moved_at);
        let (opens, opened) = (self.opens, &mut self.opened);
        let gate = &mut self.gate;
        let stays = fenced(|| {
            let mut alive = true;
            for _ in 0..TURNS_MAX {
                let Some(event) = association.poll() else { break };
                match event {
                    Event::Connected => *established = true,
                    Event::HandshakeFailed { .. } => alive = false,
                    // Said of each stream that is closed, too.
                    Event::AssociationLost { id, .. } => {
                        alive &= !association.is_closed();
                        channels.retain(|(stream, _)| *stream != id);
                        readable.retain(|stream| *stream != id);
                    }
                    Event::Stream(StreamEvent::Readable { id })
                        if is_open(now, association, id, channels, events) && !readable.contains(&id) =>
                    {
                        readable.push_back(id);
                    }
                    Event::Stream(StreamEvent::BufferedAmountReleased { id, n_bytes }) => {
                        *moved_at = Some(now);
                        if channels
                            .iter()
                            .any(|(stream, kind)| *stream == id && kind.is_lossy())
                        {
                            rate.took(now, n_bytes);
                        }
                    }
                    _ => {}
                }
            }
            while association.accept_stream().is_some() {}
            if opens && *established && !*opened {
                *opened = true;
                open_known(now, association, channels, events);
            }
            while let Some(event) = association.poll_endpoint_event() {
                alive = false;
                endpoint.handle_event(*handle, event);
            }
            for _ in 0..TURNS_MAX {
                let Some(transmit) = association.poll_transmit(now) else {
                    break;
                };
                if let Payload::RawEncode(packets) = transmit.message {
                    if let Some(gate) = gate {
                        packets.iter().for_each(|packet| gate.on_sent(packet));
                    }
                    outgoing.extend(packets);
                }
            }
            (alive, association.stream_ids().len() <= usize::from(STREAMS_MAX))
        });
        match stays {
            Some((true, true)) => {}
            // Ended in order: the peer may start again.
            Some((false, true)) => self.forget(),
            _ => self.refuse(),
        }
    }
}

/// What became of a message.
enum Sent {
    Queued,
    Dropped,
    Stalled,
}

/// An endpoint for one association, and the association when the packet begins one.
fn accept(now: Instant, packet: Bytes) -> Option<(Endpoint, AssociationHandle, Association)> {
    let transport = TransportConfig::default()
        .with_max_receive_buffer_size(BUFFER_MAX)
        .with_max_message_size(DATA_MESSAGE_BYTES_MAX as u32)
        .with_max_num_inbound_streams(STREAMS_MAX)
        .with_max_num_outbound_streams(STREAMS_MAX);
    let mut endpoint = Endpoint::new(
        PSEUDO_LOCAL,
        TransportProtocol::UDP,
        Arc::new(EndpointConfig::new()),
        Some(Arc::new(ServerConfig::new(transport))),
    );
    match endpoint.handle(now, PSEUDO_PEER, None, packet) {
        Some((handle, DatagramEvent::NewAssociation(association))) => {
            endpoint.reject_new_associations();
            Some((endpoint, handle, association))
        }
        _ => None,
    }
}

/// A packet that begins an association: verification tag 0 and INIT as its first chunk (RFC 4960, section 8.5.1).
fn is_init(packet: &[u8]) -> bool {
    packet.get(4..8) == Some(&[0; 4]) && packet.get(12) == Some(&1)
}

/// A message of whoever uses the channel (RFC 8831, section 8). Empty ones carry nothing that could be passed on.
fn is_content(ppi: PayloadProtocolIdentifier) -> bool {
    matches!(
        ppi,
        PayloadProtocolIdentifier::String | PayloadProtocolIdentifier::Binary
    )
}

/// Whether a stream is a channel by now: what comes on one that is not is dropped, up to the message that opens it, which
/// is answered.
fn is_open(
    now: Instant,
    association: &mut Association,
    id: StreamId,
    channels: &mut Vec<(StreamId, DataChannel)>,
    events: &mut VecDeque<SecureEvent>,
) -> bool {
    if channels.iter().any(|(stream, _)| *stream == id) {
        return true;
    }
    let Ok(mut stream) = association.stream(id) else {
        return false;
    };
    while let Ok(Some(message)) = stream.read_sctp() {
        if message.ppi != PayloadProtocolIdentifier::Dcep {
            continue;
        }
        let message = message.to_payload(DATA_MESSAGE_BYTES_MAX).ok();
        if let Some(opened) = message.as_deref().and_then(Opened::parse) {
            // These fail only when the stream is already gone. Both ends send in the way that the opener has chosen.
            let (unordered, reliability, value) = opened.delivery;
            let _ = stream.set_reliability_params(unordered, reliability, value);
            let _ = stream.write_with_ppi(now, &ACK, PayloadProtocolIdentifier::Dcep);
            channels.push((id, opened.kind));
            events.push_back(SecureEvent::ChannelOpen(opened.kind));
            return true;
        }
    }
    false
}

/// Opens the known channels. We are the DTLS server, so our streams are odd (RFC 8832, section 6).
fn open_known(
    now: Instant,
    association: &mut Association,
    channels: &mut Vec<(StreamId, DataChannel)>,
    events: &mut VecDeque<SecureEvent>,
) {
    let mut id = 1;
    for kind in DataChannel::KNOWN {
        while association.stream(id).is_ok() {
            id += 2;
        }
        let Ok(mut stream) = association.open_stream(id, PayloadProtocolIdentifier::Binary) else {
            continue;
        };
        let (way, reliability) = match kind.is_lossy() {
            true => (UNORDERED | 1, ReliabilityType::Rexmit),
            false => (0, ReliabilityType::Reliable),
        };
        let label = kind.label().as_bytes();
        let mut open = vec![OPEN, way, 0, 0, 0, 0, 0, 0, 0, label.len() as u8, 0, 0];
        open.extend(label);
        // These fail only when the association is already gone.
        let _ = stream.set_reliability_params(kind.is_lossy(), reliability, 0);
        let _ = stream.write_with_ppi(now, &open, PayloadProtocolIdentifier::Dcep);
        channels.push((id, kind));
        // What we send by it may follow at once.
        events.push_back(SecureEvent::ChannelOpen(kind));
    }
}

/// A whole DATA_CHANNEL_OPEN (RFC 8832, section 5.1).
struct Opened {
    kind: DataChannel,
    /// Unordered; how reliable; how often or how long.
    delivery: (bool, ReliabilityType, u32),
}

impl Opened {
    fn parse(message: &[u8]) -> Option<Self> {
        let (header, rest) = message.split_first_chunk::<OPEN_HEADER>()?;
        let [
            kind,
            way,
            _,
            _,
            a,
            b,
            c,
            d,
            label_high,
            label_low,
            protocol_high,
            protocol_low,
        ] = *header;
        let label = usize::from(u16::from_be_bytes([label_high, label_low]));
        let protocol = usize::from(u16::from_be_bytes([protocol_high, protocol_low]));
        if kind != OPEN || rest.len() != label + protocol {
            return None;
        }
        let value = u32::from_be_bytes([a, b, c, d]);
        let reliability = match way & !UNORDERED {
            0 => ReliabilityType::Reliable,
            1 => ReliabilityType::Rexmit,
            2 => ReliabilityType::Timed,
            _ => return None,
        };
        Some(Opened {
            kind: DataChannel::from_label(rest.get(..label)?),
            delivery: (way & UNORDERED != 0, reliability, value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(label: &[u8]) -> Vec<u8> {
        let mut message = vec![OPEN, 0, 0, 0, 0, 0, 0, 0, 0, label.len() as u8, 0, 0];
        message.extend(label);
        message
    }

    #[test]
    fn an_open_message_of_any_label_is_known_and_a_cut_one_is_not() {
        let kind = |message: &[u8]| Opened::parse(message).map(|opened| opened.kind);
        assert_eq!(kind(&open(b"_reliable")), Some(DataChannel::Reliable));
        assert_eq!(kind(&open(b"")), Some(DataChannel::Foreign));
        assert_eq!(kind(&open(b"_reliable")[..20]), None);
        assert_eq!(kind(&[open(b"_lossy"), vec![0]].concat()), None);
        assert_eq!(kind(&ACK), None);
        assert_eq!(kind(&[]), None);
    }

    proptest! {
        #[test]
        fn any_packets_leave_a_peer_with_at_most_one_association(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..20)
        ) {
            let now = Instant::now();
            let mut channels = DataChannels::new();
            for packet in packets {
                channels.handle_packet(now, packet.into());
                while channels.poll_transmit().is_some() {}
                while channels.poll_data(now).is_some() {}
                channels.send(now, DataChannel::Reliable, &Bytes::from_static(b"x"));
            }
            channels.handle_timeout(now);
        }
    }
}
