//! One DTLS association: our side is always the server.

use super::channels::DataChannels;
use super::guard::{RecordGuard, Verdict};
use super::{PSEUDO_LOCAL, PSEUDO_PEER, fenced, shows};
use bytes::{Bytes, BytesMut};
use hanse_sfu_core::command::{DataChannel, Fingerprint};
use hanse_sfu_core::secure::{SecureEvent, SecureTransport, SrtpKeys};
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::config::HandshakeConfig;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error as RtcError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From a client's first record to the end of the handshake. A client that has not finished by then is gone.
pub(super) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(60);

/// When a flight is first repeated; each time doubles it, up to [`REPEAT_MAX`].
const REPEAT_FIRST: Duration = Duration::from_millis(100);

/// A lost packet on a slow link costs no more than this.
const REPEAT_MAX: Duration = Duration::from_millis(1600);

/// `EXTRACTOR-dtls_srtp` (RFC 5764, section 4.2): two 16-byte keys, then two 12-byte salts (RFC 7714, section 12).
const KEYING_MATERIAL: usize = 56;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Handshaking,
    Open,
    Ended,
}

/// See [`super`].
///
/// The crate stops its own repeat timer whenever a part of the client's flight arrives and never starts it again, so a
/// lost flight of ours could stay lost. Therefore its timer is never used: the last flight is kept here and
/// repeated as it was until the client has moved on. A client that got parts of it drops those as replays.
pub(super) struct DtlsTransport {
    endpoint: Option<Endpoint>,
    provider: Arc<dyn RTCCryptoProvider>,
    expected: Fingerprint,
    state: State,
    guard: RecordGuard,
    /// Our latest flight of the handshake.
    flight: Vec<Bytes>,
    repeat_at: Option<Instant>,
    repeat_after: Duration,
    give_up_at: Option<Instant>,
    channels: DataChannels,
    outgoing: VecDeque<Vec<u8>>,
    events: VecDeque<SecureEvent>,
}

impl DtlsTransport {
    /// Without a configuration it fails at once.
    pub(super) fn new(
        configuration: Option<HandshakeConfig>,
        provider: Arc<dyn RTCCryptoProvider>,
        expected: Fingerprint,
    ) -> Self {
        let mut transport = DtlsTransport {
            endpoint: None,
            provider,
            expected,
            state: State::Handshaking,
            guard: RecordGuard::default(),
            flight: Vec::new(),
            repeat_at: None,
            repeat_after: REPEAT_FIRST,
            give_up_at: None,
            channels: DataChannels::new(),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
        };
        match configuration {
            Some(configuration) => {
                transport.endpoint = Some(Endpoint::new(
                    PSEUDO_LOCAL,
                    TransportProtocol::UDP,
                    Some(Arc::new(configuration)),
                ));
            }
            None => transport.end(SecureEvent::Failed),
        }
        transport
    }

    /// The endpoint goes with the end: what it would make of another datagram is a new association.
    fn end(&mut self, event: SecureEvent) {
        if self.state != State::Ended {
            self.state = State::Ended;
            self.endpoint = None;
            self.flight.clear();
            self.repeat_at = None;
            self.give_up_at = None;
            self.channels = DataChannels::new();
            self.events.push_back(event);
        }
    }

    fn read(&mut self, now: Instant, datagram: &[u8], handshake: bool) {
        let Some(endpoint) = &mut self.endpoint else {
            return;
        };
        let was_open = self.state == State::Open;
        let Some(result) = fenced(|| endpoint.read(now, PSEUDO_PEER, None, BytesMut::from(datagram))) else {
            self.end(if was_open {
                SecureEvent::Closed
            } else {
                SecureEvent::Failed
            });
            return;
        };
        let mut transmits: Vec<Bytes> = Vec::new();
        while let Some(transmit) = endpoint.poll_transmit() {
            transmits.push(transmit.message.freeze());
        }
        match result {
            Ok(events) => {
                self.keep_flight(now, &mut transmits, was_open, handshake);
                self.outgoing
                    .extend(transmits.iter().map(|datagram| datagram.to_vec()));
                for event in events {
                    self.take(now, event);
                }
            }
            // An alert of an established peer. A fatal one ends it. The crate answers a warning with the same warning,
            // and two of its kind would never stop, so nothing is sent.
            Err(error) if was_open => {
                if matches!(error, RtcError::ErrAlertFatalOrClose) {
                    self.end(SecureEvent::Closed);
                }
            }
            Err(_) => {
                // The alert that tells the client why.
                self.outgoing
                    .extend(transmits.iter().map(|datagram| datagram.to_vec()));
                self.end(SecureEvent::Failed);
            }
        }
    }

    fn keep_flight(&mut self, now: Instant, transmits: &mut Vec<Bytes>, was_open: bool, handshake: bool) {
        if !was_open && !transmits.is_empty() {
            self.flight = transmits.clone();
            self.repeat_after = REPEAT_FIRST;
            self.repeat_at = Some(now + self.repeat_after);
        } else if was_open && handshake && transmits.is_empty() {
            // The client repeats its last flight because ours was lost, and the crate has no answers left.
            transmits.clone_from(&self.flight);
        }
    }

    fn take(&mut self, now: Instant, event: EndpointEvent) {
        match event {
            EndpointEvent::HandshakeComplete => self.complete(),
            EndpointEvent::ApplicationData(data) if self.state == State::Open => {
                self.channels.handle_packet(now, data.freeze());
                self.flush_channels(now);
            }
            EndpointEvent::PeerClosed => self.end(SecureEvent::Closed),
            _ => {}
        }
    }

    /// The certificate was checked during the handshake; a handshake that completed without that check (no
    /// certificate shown) must not get keys, so it is checked where the keys are handed out, too.
    fn complete(&mut self) {
        match self.keys() {
            Some(keys) => {
                self.state = State::Open;
                self.guard.complete();
                self.repeat_at = None;
                self.give_up_at = None;
                self.events.push_back(SecureEvent::Keys(keys));
            }
            None => {
                self.outgoing.clear();
                self.end(SecureEvent::Failed);
            }
        }
    }

    fn keys(&self) -> Option<SrtpKeys> {
        let state = self.endpoint.as_ref()?.get_connection_state(PSEUDO_PEER)?;
        if !shows(self.provider.as_ref(), &state.peer_certificates, self.expected)
            || state.srtp_protection_profile() != SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm
        {
            return None;
        }
        let material = state
            .export_keying_material("EXTRACTOR-dtls_srtp", &[], KEYING_MATERIAL)
            .ok()?;
        split_keys(material.as_ref())
    }

    fn flush_channels(&mut self, now: Instant) {
        let Some(endpoint) = &mut self.endpoint else {
            return;
        };
        while let Some(packet) = self.channels.poll_transmit() {
            if fenced(|| endpoint.write(now, PSEUDO_PEER, &packet)).is_none() {
                self.end(SecureEvent::Closed);
                return;
            }
        }
        while let Some(transmit) = endpoint.poll_transmit() {
            self.outgoing.push_back(transmit.message.to_vec());
        }
        while let Some(event) = self.channels.poll_event() {
            self.events.push_back(event);
        }
    }
}

/// We are the server, so the client's half is the remote one.
fn split_keys(material: &[u8]) -> Option<SrtpKeys> {
    let (remote_key, rest) = material.split_first_chunk::<16>()?;
    let (local_key, rest) = rest.split_first_chunk::<16>()?;
    let (remote_salt, rest) = rest.split_first_chunk::<12>()?;
    let (local_salt, _) = rest.split_first_chunk::<12>()?;
    Some(SrtpKeys {
        remote_key: *remote_key,
        remote_salt: *remote_salt,
        local_key: *local_key,
        local_salt: *local_salt,
    })
}

impl SecureTransport for DtlsTransport {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if self.state == State::Ended {
            return;
        }
        let Verdict::Pass { handshake } = self.guard.judge(datagram) else {
            return;
        };
        if self.state == State::Handshaking {
            self.give_up_at.get_or_insert(now + HANDSHAKE_LIMIT);
        }
        self.read(now, datagram, handshake);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.give_up_at.is_some_and(|at| at <= now) {
            self.end(SecureEvent::Failed);
        }
        if self.repeat_at.is_some_and(|at| at <= now) {
            self.outgoing
                .extend(self.flight.iter().map(|datagram| datagram.to_vec()));
            self.repeat_after = (self.repeat_after * 2).min(REPEAT_MAX);
            self.repeat_at = Some(now + self.repeat_after);
        }
        if self.state == State::Open {
            self.channels.handle_timeout(now);
            self.flush_channels(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.repeat_at, self.give_up_at, self.channels.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    fn poll_event(&mut self) -> Option<SecureEvent> {
        self.events.pop_front()
    }

    fn open_channels(&mut self, now: Instant) {
        self.channels.open(now);
        self.flush_channels(now);
    }

    fn send_data(&mut self, now: Instant, channel: DataChannel, payload: &Bytes) {
        self.channels.send(now, channel, payload);
        self.flush_channels(now);
    }

    fn has_data(&self) -> bool {
        self.channels.has_data()
    }

    fn poll_data(&mut self, now: Instant) -> Option<(DataChannel, Bytes)> {
        self.channels.poll_data(now)
    }
}
