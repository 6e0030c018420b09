//! The port behind which DTLS and SCTP live. Their crates read clocks and the system's randomness, so the shell
//! (`hanse-sfu`) brings them; a test brings ready keys, and a whole call runs in virtual time.

use crate::command::{DataChannel, Fingerprint};
use bytes::Bytes;
use std::time::Instant;

/// SRTP keying material for AEAD_AES_128_GCM (RFC 7714, section 12): 16-byte master keys, 12-byte master salts.
#[derive(Clone)]
pub struct SrtpKeys {
    /// Opens what the peer sends.
    pub remote_key: [u8; 16],
    /// Salt of [`SrtpKeys::remote_key`].
    pub remote_salt: [u8; 12],
    /// Seals what we send.
    pub local_key: [u8; 16],
    /// Salt of [`SrtpKeys::local_key`].
    pub local_salt: [u8; 12],
}

impl std::fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SrtpKeys(redacted)")
    }
}

/// What a secure transport reports.
#[derive(Clone, Debug)]
pub enum SecureEvent {
    /// The handshake is complete and the certificate is the expected one. Once.
    Keys(SrtpKeys),
    /// A data channel can carry messages both ways.
    ChannelOpen(DataChannel),
    /// The peer does not take what is sent to it by a channel that drops nothing. Once.
    Stalled,
    /// The handshake failed; nothing more will come.
    Failed,
    /// The peer closed in order; nothing more will come.
    Closed,
}

/// One DTLS association (RFC 6347, RFC 5764), and SCTP on top of it (RFC 8261). Never sees who sends: the shard hands
/// over only datagrams of a peer that has passed a STUN check.
pub trait SecureTransport: Send {
    /// Takes a datagram whose first byte says DTLS (20 to 63, RFC 7983). Bad ones are dropped.
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]);
    /// Retransmits what is due.
    fn handle_timeout(&mut self, now: Instant);
    /// When [`SecureTransport::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
    /// The next datagram to send.
    fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>>;
    /// The next thing that happened.
    fn poll_event(&mut self) -> Option<SecureEvent>;
    /// Opens the known data channels from our side, now or as soon as there is SCTP.
    fn open_channels(&mut self, now: Instant);
    /// Sends a message by a channel; without such a channel it is dropped.
    fn send_data(&mut self, now: Instant, channel: DataChannel, payload: &Bytes);
    /// Whether messages wait for [`SecureTransport::poll_data`].
    fn has_data(&self) -> bool;
    /// The next message, if the peer may send one already: each has a budget, and what is beyond it fills its window.
    fn poll_data(&mut self, now: Instant) -> Option<(DataChannel, Bytes)>;
}

/// Makes a [`SecureTransport`] for each new connection; we are always the DTLS server (`a=setup:passive`).
pub trait SecureTransports: Send {
    /// A transport that accepts exactly one certificate.
    fn accept(&mut self, now: Instant, expected: Fingerprint) -> Box<dyn SecureTransport>;
}
