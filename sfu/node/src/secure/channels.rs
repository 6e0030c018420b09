//! Data channels (RFC 8831) that a peer opens: accepted (RFC 8832), read so that nobody's window fills, and what they
//! carry is dropped for now.

use super::{PSEUDO_LOCAL, PSEUDO_PEER, fenced};
use bytes::Bytes;
use rtc_sctp::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ServerConfig, StreamEvent, StreamId, TransportConfig,
};
use rtc_shared::TransportProtocol;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Streams of one association. LiveKit's clients open three. A peer that opens more loses its data channels, not its
/// media.
const STREAMS_MAX: u16 = 64;

/// Bytes that may wait for the rest of their message, per peer; more would let a few peers fill the memory, less than
/// one message (64 KiB) would stall it. The window tells the peer.
const BUFFER_MAX: u32 = 256 * 1024;

/// Bytes of one message that we would send.
const MESSAGE_MAX: u32 = 65_536;

/// Turns of the crate's machine on one input. It never takes more than a few; a bound instead of a hope.
const TURNS_MAX: usize = 256;

/// DCEP (RFC 8832, sections 8.2.1 and 5).
const OPEN: u8 = 3;
const ACK: [u8; 1] = [2];
const OPEN_HEADER: usize = 12;

/// The one SCTP association of a connection, if the peer wants one.
pub(super) struct DataChannels {
    association: Option<(Endpoint, AssociationHandle, Association)>,
    established: bool,
    /// It broke a bound or made the crate panic; there will be no other.
    refused: bool,
    outgoing: VecDeque<Bytes>,
}

impl DataChannels {
    pub(super) fn new() -> Self {
        DataChannels {
            association: None,
            established: false,
            refused: false,
            outgoing: VecDeque::new(),
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
        let result = match &mut self.association {
            Some((endpoint, _, association)) => fenced(|| {
                if let Some((_, DatagramEvent::AssociationEvent(event))) =
                    endpoint.handle(now, PSEUDO_PEER, None, packet)
                {
                    association.handle_event(event);
                }
            }),
            None => fenced(|| accept(now, packet)).map(|accepted| self.association = accepted),
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

    /// When [`DataChannels::handle_timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.association
            .as_ref()
            .and_then(|(_, _, association)| association.poll_timeout())
    }

    /// The next packet to seal and send.
    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outgoing.pop_front()
    }

    fn refuse(&mut self) {
        self.refused = true;
        self.association = None;
    }

    /// Lets the association do what it has to do.
    fn turn(&mut self, now: Instant) {
        let Some((endpoint, handle, association)) = &mut self.association else {
            return;
        };
        let (outgoing, established) = (&mut self.outgoing, &mut self.established);
        let stays = fenced(|| {
            let mut alive = true;
            for _ in 0..TURNS_MAX {
                let Some(event) = association.poll() else { break };
                match event {
                    Event::Connected => *established = true,
                    Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => alive = false,
                    Event::Stream(StreamEvent::Readable { id }) => read(now, association, id),
                    _ => {}
                }
            }
            while association.accept_stream().is_some() {}
            while let Some(event) = association.poll_endpoint_event() {
                alive = false;
                endpoint.handle_event(*handle, event);
            }
            for _ in 0..TURNS_MAX {
                let Some(transmit) = association.poll_transmit(now) else {
                    break;
                };
                if let Payload::RawEncode(packets) = transmit.message {
                    outgoing.extend(packets);
                }
            }
            (alive, association.stream_ids().len() <= usize::from(STREAMS_MAX))
        });
        match stays {
            Some((true, true)) => {}
            // Ended in order: the peer may start again.
            Some((false, true)) => {
                self.association = None;
                self.established = false;
            }
            _ => self.refuse(),
        }
    }
}

/// An endpoint for one association, and the association when the packet begins one.
fn accept(now: Instant, packet: Bytes) -> Option<(Endpoint, AssociationHandle, Association)> {
    let transport = TransportConfig::default()
        .with_max_receive_buffer_size(BUFFER_MAX)
        .with_max_message_size(MESSAGE_MAX)
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

/// Takes every whole message of a stream; answers the one that opens a channel.
fn read(now: Instant, association: &mut Association, id: StreamId) {
    let Ok(mut stream) = association.stream(id) else {
        return;
    };
    while let Ok(Some(message)) = stream.read_sctp() {
        let opens = message.ppi == PayloadProtocolIdentifier::Dcep
            && message
                .to_payload(MESSAGE_MAX as usize)
                .is_ok_and(|message| opens_channel(&message));
        if opens {
            // It fails only when the stream is already gone.
            let _ = stream.write_with_ppi(now, &ACK, PayloadProtocolIdentifier::Dcep);
        }
    }
}

/// Whether this is a whole DATA_CHANNEL_OPEN, of whatever label (RFC 8832, section 5.1).
fn opens_channel(message: &[u8]) -> bool {
    let Some((header, rest)) = message.split_first_chunk::<OPEN_HEADER>() else {
        return false;
    };
    let [
        kind,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        label_high,
        label_low,
        protocol_high,
        protocol_low,
    ] = *header;
    let label = usize::from(u16::from_be_bytes([label_high, label_low]));
    let protocol = usize::from(u16::from_be_bytes([protocol_high, protocol_low]));
    kind == OPEN && rest.len() == label + protocol
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
        assert!(opens_channel(&open(b"_reliable")));
        assert!(opens_channel(&open(b"")));
        assert!(!opens_channel(&open(b"_reliable")[..20]));
        assert!(!opens_channel(&[open(b"_lossy"), vec![0]].concat()));
        assert!(!opens_channel(&ACK));
        assert!(!opens_channel(&[]));
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
            }
            channels.handle_timeout(now);
        }
    }
}
