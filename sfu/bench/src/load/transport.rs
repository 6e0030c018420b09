//! A client's transport: one UDP socket, ICE checks, DTLS as the client, three data channels, SRTP.

use super::media::Packet;
use super::sdp::Remote;
use anyhow::{Context, anyhow};
use bytes::{Bytes, BytesMut};
use hanse_sfu_core::rtp::is_rtcp;
use hanse_sfu_core::secure::SrtpKeys;
use hanse_sfu_core::simulation::check;
use hanse_sfu_core::srtp::SrtpSession;
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_sctp::{
    Association, ClientConfig, DatagramEvent, EndpointConfig, Event, Payload, PayloadProtocolIdentifier,
    StreamEvent,
};
use rtc_shared::TransportProtocol;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// Between two checks until one is answered.
const CHECK_FIRST: Duration = Duration::from_millis(50);

/// Between two checks afterwards, as browsers have it for a pair in use.
const CHECK_INTERVAL: Duration = Duration::from_millis(2500);

/// `EXTRACTOR-dtls_srtp` (RFC 5764, section 4.2): two 16-byte keys, then two 12-byte salts.
const KEYING_MATERIAL: usize = 56;

/// Which channels a LiveKit client opens: stream, label, and whether it is reliable and ordered (RFC 8832, 5.1).
const CHANNELS: [(u16, &str, u8); 3] = [(0, "_reliable", 0), (2, "_lossy", 0x81), (4, "_data_track", 0x81)];

/// The crates tell peers apart by address; each endpoint here has one.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// Datagrams that one turn takes, so that one client's flood leaves time for the others.
const DATAGRAMS_PER_TURN: usize = 64;

/// The certificate of all clients; making one for each would only cost time.
pub struct Identity {
    configuration: Arc<HandshakeConfig>,
    /// `sha-256 AA:…`
    pub fingerprint: String,
}

impl Identity {
    /// Makes a certificate.
    pub fn generate() -> anyhow::Result<Self> {
        let provider = rtc_crypto::default_provider()?;
        let certificate = Certificate::generate_self_signed(vec!["client".to_owned()], provider.crypto())?;
        let first = certificate.certificate.first().context("an empty certificate")?;
        let hash = provider.crypto().hash(HashAlgorithm::Sha256, first)?;
        let pairs: Vec<String> = hash.iter().map(|byte| format!("{byte:02X}")).collect();
        let configuration = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&provider) as Arc<dyn RTCCryptoProvider>)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_insecure_skip_verify(true)
            .build(true, None)?;
        Ok(Identity {
            configuration: Arc::new(configuration),
            fingerprint: format!("sha-256 {}", pairs.join(":")),
        })
    }
}

/// What has come.
pub enum Heard<'a> {
    /// SRTP, still sealed.
    Media(&'a mut [u8]),
    /// RTCP, opened.
    Control(BytesMut),
}

/// See [`self`].
pub struct Transport {
    socket: UdpSocket,
    username: String,
    password: String,
    check_at: Instant,
    answered: bool,
    dtls: Endpoint,
    configuration: Arc<HandshakeConfig>,
    session: Option<SrtpSession>,
    channels: Option<Channels>,
    connected: bool,
}

impl Transport {
    /// A transport to where `remote` says; its first check is due at once.
    pub async fn dial(
        now: Instant,
        remote: &Remote,
        ufrag: &str,
        identity: &Identity,
    ) -> anyhow::Result<Self> {
        let address = remote.address.context("the server names no address for media")?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(address).await?;
        Ok(Transport {
            socket,
            username: format!("{}:{ufrag}", remote.ufrag),
            password: remote.password.clone(),
            check_at: now,
            answered: false,
            dtls: Endpoint::new(PEER, TransportProtocol::UDP, None),
            configuration: Arc::clone(&identity.configuration),
            session: None,
            channels: None,
            connected: false,
        })
    }

    /// Media can be sent, and data channels are open.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Returns when [`Transport::receive`] finds something.
    pub async fn readable(&self) -> std::io::Result<()> {
        self.socket.readable().await
    }

    /// When [`Transport::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        let channels = self.channels.as_ref().and_then(Channels::poll_timeout);
        [self.dtls.poll_timeout(&PEER), channels]
            .into_iter()
            .flatten()
            .fold(self.check_at, Instant::min)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<()> {
        if self.check_at <= now {
            self.check_at = now
                + if self.answered {
                    CHECK_INTERVAL
                } else {
                    CHECK_FIRST
                };
            self.send(&check(&self.username, &self.password, true));
        }
        if self.dtls.poll_timeout(&PEER).is_some_and(|at| at <= now) {
            self.dtls.handle_timeout(PEER, now)?;
        }
        if let Some(channels) = &mut self.channels {
            channels.handle_timeout(now);
        }
        self.flush(now)
    }

    /// Takes what has come. Media and control are passed to `each` with the session that opens the one and has opened
    /// the other.
    pub fn receive(
        &mut self,
        now: Instant,
        mut each: impl FnMut(&SrtpSession, Heard<'_>),
    ) -> anyhow::Result<()> {
        let mut buffer = [0; 2048];
        for _ in 0..DATAGRAMS_PER_TURN {
            let Ok(len) = self.socket.try_recv(&mut buffer) else {
                break;
            };
            let Some(datagram) = buffer.get_mut(..len) else {
                continue;
            };
            match datagram.first() {
                Some(0..=3) => self.checked(now)?,
                Some(20..=63) => self.handshake(now, datagram)?,
                Some(128..=191) => {
                    let Some(session) = &mut self.session else {
                        continue;
                    };
                    if !is_rtcp(datagram) {
                        each(session, Heard::Media(datagram));
                    } else if let Ok(opened) = session.open_control(datagram) {
                        each(session, Heard::Control(opened));
                    }
                }
                _ => {}
            }
        }
        self.flush(now)
    }

    /// A check has been answered: the handshake begins.
    fn checked(&mut self, now: Instant) -> anyhow::Result<()> {
        if !self.answered {
            self.answered = true;
            self.check_at = now + CHECK_INTERVAL;
            self.dtls
                .connect(now, PEER, Arc::clone(&self.configuration), None)?;
        }
        Ok(())
    }

    fn handshake(&mut self, now: Instant, datagram: &[u8]) -> anyhow::Result<()> {
        for event in self.dtls.read(now, PEER, None, BytesMut::from(datagram))? {
            match event {
                EndpointEvent::HandshakeComplete => {
                    self.session = Some(SrtpSession::new(&self.keys()?)?);
                    self.channels = Some(Channels::connect(now)?);
                }
                EndpointEvent::ApplicationData(data) => {
                    if let Some(channels) = &mut self.channels {
                        channels.handle_packet(now, data.freeze());
                        self.connected |= channels.are_open();
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// We are the client, so the server's half is the remote one.
    fn keys(&self) -> anyhow::Result<SrtpKeys> {
        let state = self.dtls.get_connection_state(PEER).context("no DTLS state")?;
        let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], KEYING_MATERIAL)?;
        let split = |material: &[u8]| {
            let (local_key, rest) = material.split_first_chunk::<16>()?;
            let (remote_key, rest) = rest.split_first_chunk::<16>()?;
            let (local_salt, rest) = rest.split_first_chunk::<12>()?;
            let (remote_salt, _) = rest.split_first_chunk::<12>()?;
            Some(SrtpKeys {
                remote_key: *remote_key,
                remote_salt: *remote_salt,
                local_key: *local_key,
                local_salt: *local_salt,
            })
        };
        split(material.as_ref()).ok_or_else(|| anyhow!("keying material is too short"))
    }

    fn flush(&mut self, now: Instant) -> anyhow::Result<()> {
        while let Some(packet) = self
            .channels
            .as_mut()
            .and_then(|channels| channels.poll_transmit(now))
        {
            self.dtls.write(now, PEER, &packet)?;
        }
        while let Some(transmit) = self.dtls.poll_transmit() {
            self.send(&transmit.message);
        }
        Ok(())
    }

    /// Seals a packet and sends it.
    pub fn send_media(&mut self, mut packet: Packet) {
        if let Some(session) = &self.session
            && session
                .seal(&mut packet.bytes, packet.header, packet.ssrc, packet.index)
                .is_ok()
        {
            self.send(&packet.bytes);
        }
    }

    /// Seals RTCP and sends it.
    pub fn send_control(&mut self, packet: &[u8]) {
        if let Some(session) = &mut self.session
            && let Ok(sealed) = session.seal_control(packet)
        {
            self.send(&sealed);
        }
    }

    /// UDP loses packets; what matters is repeated.
    fn send(&self, datagram: &[u8]) {
        let _ = self.socket.try_send(datagram);
    }
}

/// Data channels over SCTP (RFC 8831), opened in band (RFC 8832).
struct Channels {
    endpoint: rtc_sctp::Endpoint,
    association: Association,
    outgoing: Vec<Bytes>,
    acknowledged: usize,
}

impl Channels {
    fn connect(now: Instant) -> anyhow::Result<Self> {
        let configuration = Arc::new(EndpointConfig::new());
        let mut endpoint = rtc_sctp::Endpoint::new(PEER, TransportProtocol::UDP, configuration, None);
        let (_, association) = endpoint
            .connect(now, ClientConfig::default(), PEER)
            .map_err(|error| anyhow!("SCTP does not begin: {error:?}"))?;
        Ok(Channels {
            endpoint,
            association,
            outgoing: Vec::new(),
            acknowledged: 0,
        })
    }

    fn are_open(&self) -> bool {
        self.acknowledged >= CHANNELS.len()
    }

    fn handle_packet(&mut self, now: Instant, packet: Bytes) {
        if let Some((_, DatagramEvent::AssociationEvent(event))) =
            self.endpoint.handle(now, PEER, None, packet)
        {
            self.association.handle_event(event);
        }
        while let Some(event) = self.association.poll() {
            match event {
                Event::Connected => self.open(now),
                Event::Stream(StreamEvent::Readable { id }) => {
                    let Ok(mut stream) = self.association.stream(id) else {
                        continue;
                    };
                    while let Ok(Some(message)) = stream.read_sctp() {
                        self.acknowledged += usize::from(message.ppi == PayloadProtocolIdentifier::Dcep);
                    }
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, now: Instant) {
        for (id, label, kind) in CHANNELS {
            let mut open = vec![3, kind, 0, 0, 0, 0, 0, 0, 0, label.len() as u8, 0, 0];
            open.extend(label.as_bytes());
            if let Ok(mut stream) = self
                .association
                .open_stream(id, PayloadProtocolIdentifier::Binary)
            {
                // It fails only when the association has ended.
                let _ = stream.write_with_ppi(now, &open, PayloadProtocolIdentifier::Dcep);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.association.handle_timeout(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.association.poll_timeout()
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if self.outgoing.is_empty()
            && let Some(transmit) = self.association.poll_transmit(now)
            && let Payload::RawEncode(packets) = transmit.message
        {
            self.outgoing = packets;
            self.outgoing.reverse();
        }
        self.outgoing.pop()
    }
}
