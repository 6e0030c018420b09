//! What comes as DTLS and SCTP, as functions of bytes; see [`crate::fuzz`].
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a fuzz target says what it finds by panicking"
)]

use super::channels::DataChannels;
use super::{DtlsTransports, Identity};
use hanse_runtime::clock;
use hanse_sfu_core::DATA_MESSAGE_BYTES_MAX;
use hanse_sfu_core::command::Fingerprint;
use hanse_sfu_core::fuzz::Script;
use hanse_sfu_core::secure::{SecureEvent, SecureTransports};
use std::sync::OnceLock;
use std::time::Duration;

/// Datagrams that one of the peer's may make us send: a flight of the handshake, or an alert.
const ANSWERS_MAX: usize = 16;

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::generate().expect("a key pair"))
}

/// DTLS datagrams of a peer, each with its length (two bytes) in front: nobody gets keys without the handshake, each
/// is answered with a bounded number of datagrams, and an end is an end.
pub fn read_dtls(datagrams: &[u8]) {
    let mut now = clock::now();
    let mut script = Script::new(datagrams);
    let mut transport = DtlsTransports::new(identity().clone()).accept(now, Fingerprint([7; 32]));
    let mut ended = false;
    while let Some(high) = script.byte() {
        let len = usize::from(u16::from_be_bytes([high % 8, script.byte().unwrap_or_default()]));
        transport.handle_datagram(now, script.bytes(len));
        now += Duration::from_millis(50);
        transport.handle_timeout(now);
        let answers = std::iter::from_fn(|| transport.poll_transmit(now)).count();
        assert!(answers <= ANSWERS_MAX, "{answers} datagrams for one");
        while let Some(event) = transport.poll_event() {
            assert!(!matches!(event, SecureEvent::Keys(_)), "keys without a handshake");
            assert!(!ended, "it ends once");
            ended = true;
        }
    }
    transport.handle_timeout(now + Duration::from_secs(120));
    assert!(
        transport.poll_timeout().is_none_or(|at| at > now),
        "a deadline that never passes"
    );
}

/// CRC32c (RFC 9260, appendix A), bit by bit.
pub(super) fn checksum(packet: &[u8]) -> u32 {
    !packet.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            sum >> 1 ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

/// Puts the right checksum into an SCTP packet.
pub(super) fn sum_up(packet: &mut [u8]) {
    if let Some(field) = packet.get_mut(8..12) {
        field.fill(0);
    }
    let sum = checksum(packet).to_le_bytes();
    if let Some(field) = packet.get_mut(8..12) {
        field.copy_from_slice(&sum);
    }
}

/// What a peer has learned from our INIT ACK (RFC 9260, section 3.3.3).
#[derive(Default)]
struct Learned {
    tag: [u8; 4],
    /// What comes first among the parameters is the cookie.
    cookie: Vec<u8>,
}

impl Learned {
    fn read(&mut self, packet: &[u8]) {
        if packet.get(12) != Some(&2) {
            return;
        }
        let parameters = packet.get(32..).unwrap_or_default();
        let mut rest = parameters;
        while let Some((head, _)) = rest.split_first_chunk::<4>() {
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let Some(content) = rest.get(4..len) else { break };
            if head[..2] == [0, 7] {
                self.cookie = content.to_vec();
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        if let Some((_, tag)) = packet.get(..20).and_then(|head| head.split_last_chunk()) {
            self.tag = *tag;
        }
    }

    /// COOKIE ECHO: with it the association is there.
    fn echo(&self) -> Vec<u8> {
        let mut packet = [&[0x13, 0x88, 0x13, 0x88][..], &self.tag, &[0, 0, 0, 0, 10, 0]].concat();
        packet.extend((self.cookie.len() as u16 + 4).to_be_bytes());
        packet.extend(&self.cookie);
        packet.resize(packet.len().next_multiple_of(4), 0);
        packet
    }
}

/// SCTP packets of a peer that has keys, each with its length (two bytes) in front: each is answered with a bounded
/// number of packets. The upper bits of the length say that a packet has our tag, and that our cookie comes back before
/// it; all have the right checksum.
pub fn read_sctp(packets: &[u8]) {
    let mut now = clock::now();
    let mut script = Script::new(packets);
    let mut channels = DataChannels::new();
    let mut learned = Learned::default();
    while let Some(high) = script.byte() {
        let len = usize::from(u16::from_be_bytes([high % 8, script.byte().unwrap_or_default()]));
        let mut packet = script.bytes(len).to_vec();
        if high & 0x80 != 0
            && let Some(tag) = packet.get_mut(4..8)
        {
            tag.copy_from_slice(&learned.tag);
        }
        let echo = (high & 0x40 != 0).then(|| learned.echo());
        for mut packet in echo.into_iter().chain([packet]) {
            sum_up(&mut packet);
            channels.handle_packet(now, packet.into());
            while channels.poll_event().is_some() {}
            while let Some((_, message)) = channels.poll_data(now) {
                assert!(message.len() <= DATA_MESSAGE_BYTES_MAX);
            }
            let mut answers = 0;
            while let Some(answer) = channels.poll_transmit() {
                learned.read(&answer);
                answers += 1;
            }
            assert!(answers <= ANSWERS_MAX, "{answers} packets for one");
        }
        now += Duration::from_millis(500);
        channels.handle_timeout(now);
    }
}
