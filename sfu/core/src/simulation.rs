//! The other end of a connection, for virtual-time tests and benches (feature `simulation`): a secure transport whose
//! keys are ready at once, and the connectivity check that a peer would send. Never part of a release.

pub use crate::twcc::TwccRecorder;

use crate::command::{DataChannel, Fingerprint};
use crate::secure::{SecureEvent, SecureTransport, SecureTransports, SrtpKeys};
use crate::srtp::{SrtpError, SrtpSession};
use bytes::Bytes;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, RawAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter};
use rtc_stun::textattrs::TextAttribute;
use std::time::Instant;

/// Hands out keys that follow from the peer's fingerprint, without a handshake.
#[derive(Debug, Default)]
pub struct ReadyKeys;

struct Ready {
    keys: Option<SrtpKeys>,
}

impl SecureTransports for ReadyKeys {
    fn accept(&mut self, _now: Instant, expected: Fingerprint) -> Box<dyn SecureTransport> {
        Box::new(Ready {
            keys: Some(server_keys(expected)),
        })
    }
}

impl SecureTransport for Ready {
    fn handle_datagram(&mut self, _now: Instant, _datagram: &[u8]) {}
    fn handle_timeout(&mut self, _now: Instant) {}
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    fn poll_transmit(&mut self, _now: Instant) -> Option<Vec<u8>> {
        None
    }
    fn poll_event(&mut self) -> Option<SecureEvent> {
        self.keys.take().map(SecureEvent::Keys)
    }
    fn open_channels(&mut self, _now: Instant) {}
    fn send_data(&mut self, _now: Instant, _channel: DataChannel, _payload: &Bytes) {}
    fn has_data(&self) -> bool {
        false
    }
    fn poll_data(&mut self, _now: Instant) -> Option<(DataChannel, Bytes)> {
        None
    }
}

fn server_keys(Fingerprint(bytes): Fingerprint) -> SrtpKeys {
    let (mut remote_key, mut local_key) = ([1; 16], [2; 16]);
    remote_key
        .iter_mut()
        .zip(bytes)
        .for_each(|(key, byte)| *key ^= byte);
    local_key
        .iter_mut()
        .zip(bytes)
        .for_each(|(key, byte)| *key ^= byte);
    SrtpKeys {
        remote_key,
        remote_salt: [3; 12],
        local_key,
        local_salt: [4; 12],
    }
}

/// The peer's side of the session that [`ReadyKeys`] makes.
///
/// # Errors
/// When the crypto library refuses the keys, which it does not.
pub fn peer_session(fingerprint: Fingerprint) -> Result<SrtpSession, SrtpError> {
    let keys = server_keys(fingerprint);
    SrtpSession::new(&SrtpKeys {
        remote_key: keys.local_key,
        remote_salt: keys.local_salt,
        local_key: keys.remote_key,
        local_salt: keys.remote_salt,
    })
}

/// A DTLS record, after which the shard looks for the keys.
pub const HANDSHAKE: &[u8] = &[22];

/// A connectivity check for `username` (`ours:theirs`), or nothing if the library refuses to build it.
pub fn check(username: &str, password: &str, nominate: bool) -> Vec<u8> {
    let provider = AwsLcRsProvider::new();
    let mut message = Message::new();
    let mut parts: Vec<Box<dyn Setter>> = vec![
        Box::new(BINDING_REQUEST),
        Box::new(TextAttribute::new(ATTR_USERNAME, username.into())),
    ];
    if nominate {
        parts.push(Box::new(RawAttribute {
            typ: ATTR_USE_CANDIDATE,
            length: 0,
            value: Vec::new(),
        }));
    }
    parts.push(Box::new(
        MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto()),
    ));
    parts.push(Box::new(FINGERPRINT));
    message.build(&parts).map(|()| message.raw).unwrap_or_default()
}
