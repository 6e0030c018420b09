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

/// SCTP packets of a peer that has keys, each with its length (two bytes) in front: each is answered with a bounded
/// number of packets.
pub fn read_sctp(packets: &[u8]) {
    let mut now = clock::now();
    let mut script = Script::new(packets);
    let mut channels = DataChannels::new();
    while let Some(high) = script.byte() {
        let len = usize::from(u16::from_be_bytes([high % 8, script.byte().unwrap_or_default()]));
        channels.handle_packet(now, script.bytes(len).to_vec().into());
        while channels.poll_event().is_some() {}
        while let Some((_, message)) = channels.poll_data(now) {
            assert!(message.len() <= DATA_MESSAGE_BYTES_MAX);
        }
        let answers = std::iter::from_fn(|| channels.poll_transmit()).count();
        assert!(answers <= ANSWERS_MAX, "{answers} packets for one");
        now += Duration::from_millis(500);
        channels.handle_timeout(now);
    }
}
