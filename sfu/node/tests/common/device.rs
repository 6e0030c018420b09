//! A participant with all that a device has: connectivity checks, DTLS as the client, data channels, and sealed packets.
//! A task of its own keeps the transport going, so that a test may do one thing after the other.

use super::peer::check;
use super::{PATIENCE, Participant, Sfu, sdp_value};
use bytes::{Bytes, BytesMut};
use hanse_sfu_core::rtp::{RtpHeader, is_rtcp};
use hanse_sfu_core::secure::SrtpKeys;
use hanse_sfu_core::srtp::{SrtpSession, TAG};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{AddTrackRequest, SessionDescription, TrackType};
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_sctp::{
    Association, ClientConfig, DatagramEvent, EndpointConfig, Event, Payload, PayloadProtocolIdentifier,
    ReliabilityType, TransportConfig,
};
use rtc_shared::TransportProtocol;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

/// Streams of the channels that a LiveKit client opens.
pub const RELIABLE: u16 = 0;
pub const LOSSY: u16 = 2;
const DATA_TRACK: u16 = 4;

/// RFC 8832, section 8.2.2: reliable and ordered, or never repeated and in any order.
pub const IN_ORDER: u8 = 0;
pub const ONCE: u8 = 0x81;

/// The crates tell peers apart by address; each endpoint here has one.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

const PASSWORD: &str = "thePasswordOfThisDevice1";

/// Between two checks until one is answered, and afterwards.
const CHECK_FIRST: Duration = Duration::from_millis(50);
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Between two packets of sound, and of what is sent at a pace.
const SOUND_INTERVAL: Duration = Duration::from_millis(20);
const PACE: Duration = Duration::from_millis(1);

/// What waits in the association before more is written.
const WRITTEN_MAX: usize = 256 * 1024;

pub const OPUS: u8 = 111;
pub const VP8: u8 = 96;

/// A packet to be sealed and sent.
#[derive(Clone, Debug)]
pub struct Packet {
    pub payload_type: u8,
    pub marker: bool,
    pub ssrc: u32,
    pub index: u64,
    /// Identifiers and bytes of header extensions (RFC 8285, section 4.2).
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl Packet {
    fn seal(&self, session: &SrtpSession) -> Vec<u8> {
        let has_extensions = !self.extensions.is_empty();
        let mut bytes = vec![
            if has_extensions { 0x90 } else { 0x80 },
            self.payload_type | u8::from(self.marker) << 7,
        ];
        bytes.extend((self.index as u16).to_be_bytes());
        bytes.extend((self.index as u32).wrapping_mul(960).to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        if has_extensions {
            let mut block = Vec::new();
            for (id, content) in &self.extensions {
                block.push(id << 4 | (content.len() - 1) as u8);
                block.extend(content);
            }
            block.resize(block.len().next_multiple_of(4), 0);
            bytes.extend([0xbe, 0xde]);
            bytes.extend(((block.len() / 4) as u16).to_be_bytes());
            bytes.extend(block);
        }
        let header = bytes.len();
        bytes.extend(&self.payload);
        bytes.resize(bytes.len() + TAG, 0);
        session.seal(&mut bytes, header, self.ssrc, self.index).unwrap();
        bytes
    }
}

/// What the transport is told.
#[derive(Debug)]
enum Order {
    Open {
        stream: u16,
        label: String,
        way: u8,
    },
    Write {
        stream: u16,
        payload: Bytes,
    },
    Send(Packet),
    Pace(Vec<Packet>),
    /// A microphone and a camera that never end.
    Play {
        sound: u32,
        picture: u32,
    },
    /// Whether the application takes what arrives on data channels.
    Read(bool),
    /// Says what is still to be sent.
    Count(oneshot::Sender<Left>),
}

/// What is still to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Packets, at their pace.
    pub packets: usize,
    /// Messages that the association has not taken.
    pub messages: usize,
}

/// What the transport says.
#[derive(Debug)]
pub enum Heard {
    /// A channel is open.
    Open { stream: u16 },
    /// A message came.
    Data { stream: u16, payload: Vec<u8> },
    /// A packet came, and was authentic.
    Media { ssrc: u32, payload: Vec<u8> },
}

enum Section {
    Data,
    Slot(TrackType),
    Sender { kind: TrackType, cid: String, ssrc: u32 },
}

/// See [`self`].
pub struct Device {
    pub participant: Participant,
    /// What comes in, by the sid of its track.
    pub incoming: HashMap<String, u32>,
    sections: Vec<Section>,
    offers: u32,
    ufrag: String,
    fingerprint: String,
    configuration: Option<Arc<HandshakeConfig>>,
    orders: Option<mpsc::UnboundedSender<Order>>,
    heard: Option<mpsc::UnboundedReceiver<Heard>>,
}

impl Device {
    /// Joins a room, and has its media up and its channels open.
    pub async fn join(sfu: &Sfu, room: &str, identity: &str) -> Device {
        let (participant, _) = sfu.join(room, identity).await;
        let mut device = Device::new(participant);
        device.connect(sfu).await;
        device
    }

    /// Of somebody who has joined without an offer.
    pub fn new(participant: Participant) -> Device {
        let provider = rtc_crypto::default_provider().unwrap();
        let certificate =
            Certificate::generate_self_signed(vec!["device".to_owned()], provider.crypto()).unwrap();
        let hash = provider
            .crypto()
            .hash(HashAlgorithm::Sha256, &certificate.certificate[0]);
        let pairs: Vec<String> = hash.unwrap().iter().map(|byte| format!("{byte:02X}")).collect();
        let configuration = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&provider) as Arc<dyn RTCCryptoProvider>)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_insecure_skip_verify(true)
            .build(true, None)
            .unwrap();
        Device {
            participant,
            incoming: HashMap::new(),
            sections: vec![Section::Data],
            offers: 0,
            ufrag: "dvce".to_owned(),
            fingerprint: format!("sha-256 {}", pairs.join(":")),
            configuration: Some(Arc::new(configuration)),
            orders: None,
            heard: None,
        }
    }

    /// Offers, and returns when the channels of a LiveKit client are open.
    pub async fn connect(&mut self, sfu: &Sfu) {
        let offer = self.offer();
        self.participant.send(offer).await;
        let answer = self.answer().await;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.connect(sfu.media).await.unwrap();
        let (orders, taken) = mpsc::unbounded_channel();
        let (said, heard) = mpsc::unbounded_channel();
        let transport = Transport {
            socket,
            username: format!("{}:{}", sdp_value(&answer, "ice-ufrag"), self.ufrag),
            password: sdp_value(&answer, "ice-pwd").to_owned(),
            check_at: Instant::now(),
            answered: false,
            dtls: Endpoint::new(PEER, TransportProtocol::UDP, None),
            configuration: self.configuration.take().expect("it connects once"),
            session: None,
            sctp: None,
            connected: false,
            reads: true,
            waiting: VecDeque::new(),
            paced: VecDeque::new(),
            paced_at: Instant::now(),
            plays: None,
            indices: HashMap::new(),
            said,
        };
        tokio::spawn(transport.run(taken));
        (self.orders, self.heard) = (Some(orders), Some(heard));
        self.open(RELIABLE, "_reliable", IN_ORDER);
        self.open(LOSSY, "_lossy", ONCE);
        self.open(DATA_TRACK, "_data_track", ONCE);
        let mut open = 0;
        while open < 3 {
            open += usize::from(matches!(self.hear().await, Heard::Open { .. }));
        }
    }

    /// Announces a track and offers a section for it. Its sid.
    pub async fn publish(&mut self, request: AddTrackRequest, ssrc: u32) -> String {
        self.sections.push(Section::Sender {
            kind: request.r#type(),
            cid: request.cid.clone(),
            ssrc,
        });
        let cid = request.cid.clone();
        self.participant.send(Ask::AddTrack(request)).await;
        let offer = self.offer();
        self.participant.send(offer).await;
        let published = |message| match message {
            Message::TrackPublished(published) if published.cid == cid => published.track,
            _ => None,
        };
        let track = self.participant.wait_for(published).await;
        self.answer().await;
        track.sid
    }

    /// Does what the server asks for until so many tracks come in.
    pub async fn receive(&mut self, tracks: usize) {
        while self.incoming.len() < tracks {
            let required = |message| match message {
                Message::MediaSectionsRequirement(required) => Some(required),
                _ => None,
            };
            let required = self.participant.wait_for(required).await;
            for (kind, count) in [
                (TrackType::Audio, required.num_audios),
                (TrackType::Video, required.num_videos),
            ] {
                self.sections.extend((0..count).map(|_| Section::Slot(kind)));
            }
            let offer = self.offer();
            self.participant.send(offer).await;
            self.answer().await;
        }
    }

    /// The next message or packet.
    pub async fn hear(&mut self) -> Heard {
        let heard = self.heard.as_mut().expect("it has connected");
        let next = tokio::time::timeout(PATIENCE, heard.recv());
        next.await.expect("something in time").expect("a transport")
    }

    /// What has come, as far as it is here.
    pub fn heard(&mut self) -> Vec<Heard> {
        let heard = self.heard.as_mut().expect("it has connected");
        std::iter::from_fn(|| heard.try_recv().ok()).collect()
    }

    pub fn open(&self, stream: u16, label: &str, way: u8) {
        let label = label.to_owned();
        self.order(Order::Open { stream, label, way });
    }

    pub fn write(&self, stream: u16, payload: impl Into<Bytes>) {
        let payload = payload.into();
        self.order(Order::Write { stream, payload });
    }

    pub fn send(&self, packet: Packet) {
        self.order(Order::Send(packet));
    }

    /// A thousand packets a second.
    pub fn pace(&self, packets: Vec<Packet>) {
        self.order(Order::Pace(packets));
    }

    /// Speaks and shows itself from now on.
    pub fn play(&self, sound: u32, picture: u32) {
        self.order(Order::Play { sound, picture });
    }

    pub fn stop_reading(&self) {
        self.order(Order::Read(false));
    }

    pub async fn left(&self) -> Left {
        let (answer, left) = oneshot::channel();
        self.order(Order::Count(answer));
        left.await.expect("a transport")
    }

    fn order(&self, order: Order) {
        let orders = self.orders.as_ref().expect("it has connected");
        orders.send(order).expect("a transport");
    }

    /// The next offer, as a request.
    pub fn offer(&mut self) -> Ask {
        self.offers += 1;
        Ask::Offer(SessionDescription {
            r#type: "offer".to_owned(),
            sdp: self.description(),
            id: self.offers,
            ..SessionDescription::default()
        })
    }

    /// Waits for the answer to the last offer, and notes what comes in by it.
    async fn answer(&mut self) -> String {
        let id = self.offers;
        let answered = |message| match message {
            Message::Answer(answer) if answer.id == id => Some(answer),
            _ => None,
        };
        let answer = self.participant.wait_for(answered).await;
        self.incoming.clear();
        for block in answer.sdp.split("\r\nm=").skip(1) {
            let value = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let track = value("a=mid:").and_then(|mid| answer.mid_to_track_id.get(mid));
            let ssrc = value("a=ssrc:").and_then(|ssrc| ssrc.split(' ').next()?.parse().ok());
            if let (Some(track), Some(ssrc)) = (track, ssrc) {
                self.incoming.insert(track.clone(), ssrc);
            }
        }
        answer.sdp
    }

    fn description(&self) -> String {
        let mut sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE".to_owned();
        for mid in 0..self.sections.len() {
            write!(sdp, " {mid}").unwrap();
        }
        for (mid, section) in self.sections.iter().enumerate() {
            let kind = match section {
                Section::Data => None,
                Section::Slot(kind) | Section::Sender { kind, .. } => Some(*kind),
            };
            sdp += match kind {
                None => "\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000",
                Some(TrackType::Video) => {
                    "\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n\
                     a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli"
                }
                Some(_) => {
                    "\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
                     a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level"
                }
            };
            write!(
                sdp,
                "\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{PASSWORD}\r\na=fingerprint:{}\r\n\
                 a=setup:actpass\r\na=mid:{mid}",
                self.ufrag, self.fingerprint
            )
            .unwrap();
            if kind.is_some() {
                sdp += "\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
            }
            match section {
                Section::Data => {}
                Section::Slot(_) => sdp += "\r\na=recvonly",
                Section::Sender { cid, ssrc, .. } => write!(
                    sdp,
                    "\r\na=sendonly\r\na=msid:- {cid}\r\na=ssrc:{ssrc} cname:device"
                )
                .unwrap(),
            }
        }
        sdp + "\r\n"
    }
}

struct Transport {
    socket: UdpSocket,
    username: String,
    password: String,
    check_at: Instant,
    answered: bool,
    dtls: Endpoint,
    configuration: Arc<HandshakeConfig>,
    session: Option<SrtpSession>,
    sctp: Option<(rtc_sctp::Endpoint, Association)>,
    connected: bool,
    reads: bool,
    /// What is to be written to streams.
    waiting: VecDeque<(u16, PayloadProtocolIdentifier, Bytes)>,
    paced: VecDeque<Packet>,
    paced_at: Instant,
    /// SSRCs of the microphone and the camera, how far they are, and when they go on.
    plays: Option<(u32, u32, u64, Instant)>,
    /// The highest packet index of each stream that comes in (RFC 3711, section 3.3.1).
    indices: HashMap<u32, u64>,
    said: mpsc::UnboundedSender<Heard>,
}

impl Transport {
    /// Until nobody gives orders any more.
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            let deadline = self.poll_timeout();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => return,
                },
                _ = self.socket.readable() => {}
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
            while let Ok(order) = orders.try_recv() {
                self.take(order);
            }
            self.turn(Instant::now());
        }
    }

    fn poll_timeout(&self) -> Instant {
        let sctp = self
            .sctp
            .as_ref()
            .and_then(|(_, association)| association.poll_timeout());
        let paced = (!self.paced.is_empty()).then_some(self.paced_at);
        let plays = self.plays.map(|(.., at)| at);
        [self.dtls.poll_timeout(&PEER), sctp, paced, plays]
            .into_iter()
            .flatten()
            .fold(self.check_at, Instant::min)
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Open { stream, label, way } => {
                let mut open = vec![3, way, 0, 0, 0, 0, 0, 0, 0, label.len() as u8, 0, 0];
                open.extend(label.as_bytes());
                self.waiting
                    .push_back((stream, PayloadProtocolIdentifier::Dcep, open.into()));
            }
            Order::Write { stream, payload } => {
                self.waiting
                    .push_back((stream, PayloadProtocolIdentifier::Binary, payload));
            }
            Order::Send(packet) => self.seal(&packet),
            Order::Pace(packets) => self.paced.extend(packets),
            Order::Play { sound, picture } => self.plays = Some((sound, picture, 1, Instant::now())),
            Order::Read(reads) => self.reads = reads,
            Order::Count(answer) => {
                let left = Left {
                    packets: self.paced.len(),
                    messages: self.waiting.len(),
                };
                answer.send(left).expect("somebody asks");
            }
        }
    }

    /// UDP may lose packets; what matters is repeated.
    fn datagram(&self, datagram: &[u8]) {
        let _ = self.socket.try_send(datagram);
    }

    fn seal(&self, packet: &Packet) {
        let session = self.session.as_ref().expect("media is up");
        self.datagram(&packet.seal(session));
    }

    fn turn(&mut self, now: Instant) {
        if self.check_at <= now {
            self.check_at = now
                + if self.answered {
                    CHECK_INTERVAL
                } else {
                    CHECK_FIRST
                };
            self.datagram(&check(&self.username, &self.password));
        }
        let mut buffer = [0; 2048];
        while let Ok(len) = self.socket.try_recv(&mut buffer) {
            self.receive(now, &mut buffer[..len]);
        }
        if self.dtls.poll_timeout(&PEER).is_some_and(|at| at <= now) {
            self.dtls.handle_timeout(PEER, now).unwrap();
        }
        if let Some((_, association)) = &mut self.sctp
            && association.poll_timeout().is_some_and(|at| at <= now)
        {
            association.handle_timeout(now);
        }
        while self.paced_at <= now
            && let Some(packet) = self.paced.pop_front()
        {
            self.paced_at = self.paced_at.max(now - 100 * PACE) + PACE;
            self.seal(&packet);
        }
        self.play(now);
        self.read();
        self.write(now);
        self.flush(now);
    }

    fn receive(&mut self, now: Instant, datagram: &mut [u8]) {
        match datagram.first() {
            Some(0..=3) if !self.answered => {
                self.answered = true;
                let configuration = Arc::clone(&self.configuration);
                self.dtls.connect(now, PEER, configuration, None).unwrap();
            }
            Some(20..=63) => {
                let events = self.dtls.read(now, PEER, None, BytesMut::from(&*datagram));
                for event in events.unwrap_or_default() {
                    match event {
                        EndpointEvent::HandshakeComplete => self.secured(now),
                        EndpointEvent::ApplicationData(data) => self.sctp_packet(now, data.freeze()),
                        _ => {}
                    }
                }
            }
            Some(128..=191) if !is_rtcp(datagram) => {
                let Some((session, header)) = self.session.as_ref().zip(RtpHeader::parse(datagram)) else {
                    return;
                };
                let highest = self.indices.entry(header.ssrc).or_insert(header.sequence.into());
                let step = i64::from(header.sequence.wrapping_sub(*highest as u16) as i16);
                let index = highest.saturating_add_signed(step);
                if let Ok(len) = session.open(datagram, header.len, header.ssrc, index) {
                    *highest = index.max(*highest);
                    let (ssrc, payload) = (header.ssrc, datagram[header.len..len].to_vec());
                    let _ = self.said.send(Heard::Media { ssrc, payload });
                }
            }
            _ => {}
        }
    }

    /// We are the client, so the server's half is the remote one (RFC 5764, section 4.2).
    fn secured(&mut self, now: Instant) {
        let state = self.dtls.get_connection_state(PEER).unwrap();
        let material = state
            .export_keying_material("EXTRACTOR-dtls_srtp", &[], 56)
            .unwrap();
        let material: &[u8] = material.as_ref();
        let keys = SrtpKeys {
            local_key: material[..16].try_into().unwrap(),
            remote_key: material[16..32].try_into().unwrap(),
            local_salt: material[32..44].try_into().unwrap(),
            remote_salt: material[44..].try_into().unwrap(),
        };
        self.session = Some(SrtpSession::new(&keys).unwrap());
        let mut endpoint = rtc_sctp::Endpoint::new(
            PEER,
            TransportProtocol::UDP,
            Arc::new(EndpointConfig::new()),
            None,
        );
        // It sends messages of any length, whatever the server says.
        let transport = TransportConfig::default().with_max_message_size(u32::MAX);
        let (_, association) = endpoint.connect(now, ClientConfig::new(transport), PEER).unwrap();
        self.sctp = Some((endpoint, association));
    }

    fn sctp_packet(&mut self, now: Instant, packet: Bytes) {
        if let Some((endpoint, association)) = &mut self.sctp
            && let Some((_, DatagramEvent::AssociationEvent(event))) =
                endpoint.handle(now, PEER, None, packet)
        {
            association.handle_event(event);
        }
    }

    fn read(&mut self) {
        let Some((_, association)) = &mut self.sctp else {
            return;
        };
        while let Some(event) = association.poll() {
            self.connected |= matches!(event, Event::Connected);
        }
        if !self.reads {
            return;
        }
        for stream in association.stream_ids() {
            let mut it = association.stream(stream).unwrap();
            while let Ok(Some(message)) = it.read_sctp() {
                let payload = message.to_payload(1 << 20).unwrap().to_vec();
                // Our own channels are acknowledged, and we are sent messages.
                let _ = self.said.send(match message.ppi {
                    PayloadProtocolIdentifier::Dcep => Heard::Open { stream },
                    _ => Heard::Data { stream, payload },
                });
            }
        }
    }

    fn write(&mut self, now: Instant) {
        let Some((_, association)) = self.sctp.as_mut().filter(|_| self.connected) else {
            return;
        };
        while let Some((stream, ppi, payload)) = self.waiting.front() {
            if *ppi == PayloadProtocolIdentifier::Dcep {
                // It fails when the stream is there already.
                let _ = association.open_stream(*stream, PayloadProtocolIdentifier::Binary);
            }
            let Ok(mut it) = association.stream(*stream) else {
                return;
            };
            if it.buffered_amount().unwrap() > WRITTEN_MAX {
                return;
            }
            it.write_chunk_with_ppi(now, payload, *ppi).unwrap();
            if *ppi == PayloadProtocolIdentifier::Dcep && payload[1] == ONCE {
                it.set_reliability_params(true, ReliabilityType::Rexmit, 0)
                    .unwrap();
            }
            self.waiting.pop_front();
        }
    }

    fn flush(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.sctp {
            while let Some(transmit) = association.poll_transmit(now) {
                let Payload::RawEncode(packets) = transmit.message else {
                    continue;
                };
                for packet in packets {
                    self.dtls.write(now, PEER, &packet).unwrap();
                }
            }
        }
        while let Some(transmit) = self.dtls.poll_transmit() {
            self.datagram(&transmit.message);
        }
    }

    fn play(&mut self, now: Instant) {
        let Some((sound, picture, index, at)) = self.plays.filter(|(.., at)| *at <= now) else {
            return;
        };
        self.plays = Some((
            sound,
            picture,
            index + 1,
            at.max(now - SOUND_INTERVAL) + SOUND_INTERVAL,
        ));
        self.seal(&Packet {
            payload_type: OPUS,
            marker: false,
            ssrc: sound,
            index,
            // As loud as somebody who speaks up.
            extensions: vec![(1, vec![10])],
            payload: vec![0; 80],
        });
        // RFC 7741: X and S; I; a picture id of 15 bits; then P, clear in a key frame.
        let mut payload = vec![0x90, 0x80];
        payload.extend((index as u16 & 0x7fff | 0x8000).to_be_bytes());
        payload.resize(900, 0);
        self.seal(&Packet {
            payload_type: VP8,
            marker: true,
            ssrc: picture,
            index,
            extensions: Vec::new(),
            payload,
        });
    }
}
