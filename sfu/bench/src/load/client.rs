//! One participant's life: it joins as livekit-client does, publishes once its media is connected, hears and sees the
//! others, and leaves.

use super::crowd::{Crowd, Who};
use super::media::{Index, KeyFrame, Source};
use super::sdp::{Announced, Kind, Local, Remote, Sections, answer};
use super::token::ApiKey;
use super::transport::{Heard, Identity, Transport};
use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{SinkExt, StreamExt};
use hanse_sfu_core::rtcp::{self, Feedback};
use hanse_sfu_core::rtp::RtpHeader;
use hanse_sfu_core::srtp::SrtpSession;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AddTrackRequest, ClientInfo, ConnectionSettings, JoinRequest, LeaveRequest, MediaSectionsRequirement,
    Ping, SessionDescription, SignalRequest, SignalResponse, SignalTarget, SimulcastCodec, TrackSource,
    TrackType, WrappedJoinRequest, client_info, wrapped_join_request,
};
use prost::Message as _;
use rand::RngExt;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// As livekit-client has it.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How long the socket and its first message may take, as livekit-client has it.
const JOIN_PATIENCE: Duration = Duration::from_secs(15);

/// Who sees packets but no key frame asks for one, and again.
const KEY_FRAME_PATIENCE: Duration = Duration::from_millis(300);

/// What a client says about itself in the older form.
const OLDER_FORM: &str = "auto_subscribe=1&sdk=js&version=2.15.0&protocol=16";

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/rtc/v1`: one peer connection, on which the client offers.
    Single,
    /// `/rtc`: two, and on one of them the server offers.
    Dual,
}

/// What all clients have in common.
pub struct World {
    /// The server's HTTP.
    pub server: SocketAddr,
    /// What signs their tokens.
    pub key: ApiKey,
    /// Their certificate.
    pub identity: Identity,
    /// Who they are and what they have seen.
    pub crowd: RefCell<Crowd>,
}

/// One client's part.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its number.
    pub who: Who,
    /// Where.
    pub room: usize,
    /// How it speaks.
    pub form: Form,
    /// With microphone and camera.
    pub publishes: bool,
    /// For so long.
    pub stays: Duration,
    /// It goes without a word: its process is killed, its network is gone.
    pub vanishes: bool,
}

/// Plays a part to its end, and notes what becomes of it.
pub async fn play(world: Rc<World>, part: Part) {
    let result = live(&world, part).await;
    let now = Instant::now();
    world.crowd.borrow_mut().note(part.who, |person| {
        person.left = Some(now);
        person.failed = result.err().map(|error| format!("{error:#}"));
    });
}

async fn live(world: &World, part: Part) -> anyhow::Result<()> {
    let mut client = Client::join(world, part).await?;
    let leaves = Instant::now() + part.stays;
    while Instant::now() < leaves {
        client.turn(leaves).await?;
    }
    if !part.vanishes {
        client.leave().await?;
    }
    Ok(())
}

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The peer connection on which we offer; in the newer form it is the only one.
struct Publisher {
    local: Local,
    sections: Sections,
    remote: Remote,
    transport: Option<Transport>,
    offers: u32,
    /// An offer is out.
    in_flight: bool,
    /// Something has changed since.
    again: bool,
}

/// The peer connection on which the server offers.
struct Subscriber {
    local: Local,
    remote: Remote,
    transport: Option<Transport>,
}

/// A stream that comes in.
struct Incoming {
    kind: Kind,
    publisher_sid: String,
    index: Index,
    frame: KeyFrame,
    /// It is heard, or seen.
    is_known: bool,
    /// When the last key frame was asked for, or the first packet came.
    waits_since: Option<Instant>,
}

struct Client<'a> {
    world: &'a World,
    part: Part,
    socket: WebSocket,
    publisher: Publisher,
    subscriber: Option<Subscriber>,
    incoming: HashMap<u32, Incoming>,
    source: Option<Source>,
    ssrcs: (u32, u32),
    /// Its tracks have been announced, with this offer.
    published_with: Option<u32>,
    /// That offer has been answered.
    is_published: bool,
    ping_at: Instant,
}

fn local(world: &World) -> Local {
    Local {
        ufrag: format!("{:08x}", rand::rng().random::<u32>()),
        fingerprint: world.identity.fingerprint.clone(),
    }
}

impl<'a> Client<'a> {
    async fn join(world: &'a World, part: Part) -> anyhow::Result<Self> {
        let token = world
            .key
            .seat(&format!("room-{}", part.room), &format!("person-{}", part.who))?;
        let mut publisher = Publisher {
            local: local(world),
            sections: match part.form {
                Form::Single => Sections::first(),
                Form::Dual => Sections::publisher(),
            },
            remote: Remote::default(),
            transport: None,
            offers: 0,
            in_flight: false,
            again: false,
        };
        let subscriber = (part.form == Form::Dual).then(|| Subscriber {
            local: local(world),
            remote: Remote::default(),
            transport: None,
        });
        let path = match part.form {
            Form::Single => format!(
                "/rtc/v1?access_token={token}&join_request={}",
                join_request(publisher.next_offer())?
            ),
            Form::Dual => format!("/rtc?access_token={token}&{OLDER_FORM}"),
        };
        let connecting = connect_async(format!("ws://{}{path}", world.server));
        let (socket, _) = timeout(JOIN_PATIENCE, connecting)
            .await
            .context("the server does not open the socket")??;
        let random = rand::rng().random::<u32>() & 0x7fff_fffe;
        let mut client = Client {
            world,
            part,
            socket,
            publisher,
            subscriber,
            incoming: HashMap::new(),
            source: None,
            ssrcs: (random | 0x1000, (random | 0x1000) + 1),
            published_with: None,
            is_published: false,
            ping_at: Instant::now() + PING_INTERVAL,
        };
        let first = timeout(JOIN_PATIENCE, client.socket.next())
            .await
            .context("no first message")?;
        match decode(first)? {
            Some(Message::Join(join)) => {
                let sid = join.participant.map(|own| own.sid).unwrap_or_default();
                world.crowd.borrow_mut().name(part.who, &sid);
            }
            _ => bail!("the first message is no join"),
        }
        Ok(client)
    }

    /// Waits for whatever comes next, and does it.
    async fn turn(&mut self, until: Instant) -> anyhow::Result<()> {
        let deadline = self.poll_timeout().min(until);
        tokio::select! {
            frame = self.socket.next() => {
                if let Some(message) = decode(frame)? {
                    self.handle(message).await?;
                }
            }
            _ = readable(self.publisher.transport.as_ref()) => {}
            _ = readable(self.subscriber.as_ref().and_then(|subscriber| subscriber.transport.as_ref())) => {}
            () = sleep_until(deadline.into()) => {}
        }
        let now = Instant::now();
        self.receive(now)?;
        self.handle_timeout(now).await
    }

    fn poll_timeout(&self) -> Instant {
        let source = self.source.as_ref().map(Source::poll_timeout);
        let transports = self.transports().map(|transport| Some(transport.poll_timeout()));
        transports
            .chain([source])
            .flatten()
            .fold(self.ping_at, Instant::min)
    }

    fn transports(&self) -> impl Iterator<Item = &Transport> {
        let subscriber = self.subscriber.as_ref();
        let subscribing = subscriber.and_then(|subscriber| subscriber.transport.as_ref());
        self.publisher.transport.iter().chain(subscribing)
    }

    /// The one whose connection makes the participant's state.
    fn is_connected(&self) -> bool {
        let transport = match &self.subscriber {
            Some(subscriber) => subscriber.transport.as_ref(),
            None => self.publisher.transport.as_ref(),
        };
        transport.is_some_and(Transport::is_connected)
    }

    async fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<()> {
        let subscriber = self.subscriber.as_mut();
        let subscribing = subscriber.and_then(|subscriber| subscriber.transport.as_mut());
        for transport in self.publisher.transport.iter_mut().chain(subscribing) {
            if transport.poll_timeout() <= now {
                transport.handle_timeout(now)?;
            }
        }
        if self.ping_at <= now {
            self.ping_at = now + PING_INTERVAL;
            self.send(Ask::PingReq(Ping::default())).await?;
        }
        if let (Some(source), Some(transport)) = (&mut self.source, &mut self.publisher.transport) {
            source.poll(now, |packet| transport.send_media(packet));
        }
        self.advance(now).await
    }

    /// What follows once media is connected.
    async fn advance(&mut self, now: Instant) -> anyhow::Result<()> {
        if !self.is_connected() || self.source.is_some() {
            return Ok(());
        }
        let who = self.part.who;
        let is_new = {
            let mut crowd = self.world.crowd.borrow_mut();
            let mut is_new = false;
            crowd.note(who, |person| {
                is_new = person.connected.is_none();
                person.connected.get_or_insert(now);
                if !person.publishes {
                    person.settled.get_or_insert(now);
                }
            });
            is_new
        };
        if is_new && self.part.publishes {
            self.publish().await?;
        }
        let transport = self.publisher.transport.as_ref();
        if self.is_published && transport.is_some_and(Transport::is_connected) {
            self.source = Some(Source::new(now, self.ssrcs.0, self.ssrcs.1));
            let note = |person: &mut super::crowd::Person| person.settled = Some(now);
            self.world.crowd.borrow_mut().note(who, note);
        }
        Ok(())
    }

    /// A microphone and a camera: the announcements and the offer go out together.
    async fn publish(&mut self) -> anyhow::Result<()> {
        let cids = [
            format!("microphone-{}", self.part.who),
            format!("camera-{}", self.part.who),
        ];
        for (cid, kind) in cids.iter().zip([TrackType::Audio, TrackType::Video]) {
            self.send(Ask::AddTrack(announcement(cid, kind))).await?;
        }
        let [microphone, camera] = cids;
        self.publisher
            .sections
            .add_sender(Kind::Audio, &microphone, self.ssrcs.0);
        self.publisher
            .sections
            .add_sender(Kind::Video, &camera, self.ssrcs.1);
        self.published_with = Some(self.publisher.offers + 1);
        self.offer().await
    }

    async fn offer(&mut self) -> anyhow::Result<()> {
        if self.publisher.in_flight {
            self.publisher.again = true;
            return Ok(());
        }
        let offer = self.publisher.next_offer();
        self.send(Ask::Offer(offer)).await
    }

    async fn handle(&mut self, message: Message) -> anyhow::Result<()> {
        let now = Instant::now();
        match message {
            Message::Answer(answer) => self.answered(now, &answer).await,
            Message::Offer(offer) => self.offered(now, &offer).await,
            Message::Trickle(trickle) => {
                self.add_candidate(now, trickle.target(), &trickle.candidate_init)
                    .await
            }
            Message::MediaSectionsRequirement(MediaSectionsRequirement {
                num_audios,
                num_videos,
            }) => {
                let sections = &mut self.publisher.sections;
                sections.add_slots(Kind::Audio, num_audios as usize);
                sections.add_slots(Kind::Video, num_videos as usize);
                self.offer().await
            }
            Message::Leave(leave) => bail!("told to leave: {}", leave.reason().as_str_name()),
            _ => Ok(()),
        }
    }

    async fn answered(&mut self, now: Instant, answer: &SessionDescription) -> anyhow::Result<()> {
        let remote = Remote::parse(&answer.sdp);
        let streams = self.publisher.described(remote);
        if self.subscriber.is_none() {
            self.announced(streams);
        }
        self.dial_publisher(now).await?;
        self.publisher.in_flight = false;
        self.is_published |= self
            .published_with
            .is_some_and(|with| self.publisher.offers >= with);
        if std::mem::take(&mut self.publisher.again) {
            self.offer().await?;
        }
        self.advance(now).await
    }

    async fn offered(&mut self, now: Instant, offer: &SessionDescription) -> anyhow::Result<()> {
        let Some(subscriber) = &mut self.subscriber else {
            bail!("the server offers where it must not");
        };
        let mut remote = Remote::parse(&offer.sdp);
        let streams = std::mem::take(&mut remote.streams);
        remote.address = remote.address.or(subscriber.remote.address);
        subscriber.remote = remote;
        let sdp = answer(&offer.sdp, &subscriber.local);
        self.announced(streams);
        let answer = SessionDescription {
            r#type: "answer".to_owned(),
            sdp,
            id: offer.id,
            ..SessionDescription::default()
        };
        self.send(Ask::Answer(answer)).await?;
        self.dial_subscriber(now).await
    }

    async fn add_candidate(
        &mut self,
        now: Instant,
        target: SignalTarget,
        candidate: &str,
    ) -> anyhow::Result<()> {
        match (target, &mut self.subscriber) {
            (SignalTarget::Subscriber, Some(subscriber)) => {
                subscriber.remote.add_candidate(candidate);
                self.dial_subscriber(now).await
            }
            _ => {
                self.publisher.remote.add_candidate(candidate);
                self.dial_publisher(now).await
            }
        }
    }

    async fn dial_publisher(&mut self, now: Instant) -> anyhow::Result<()> {
        let publisher = &mut self.publisher;
        if publisher.transport.is_none() && publisher.remote.is_complete() {
            let transport = Transport::dial(
                now,
                &publisher.remote,
                &publisher.local.ufrag,
                &self.world.identity,
            )
            .await?;
            publisher.transport = Some(transport);
        }
        Ok(())
    }

    async fn dial_subscriber(&mut self, now: Instant) -> anyhow::Result<()> {
        if let Some(subscriber) = &mut self.subscriber
            && subscriber.transport.is_none()
            && subscriber.remote.is_complete()
        {
            let transport = Transport::dial(
                now,
                &subscriber.remote,
                &subscriber.local.ufrag,
                &self.world.identity,
            )
            .await?;
            subscriber.transport = Some(transport);
        }
        Ok(())
    }

    /// What the server sends from now on.
    fn announced(&mut self, streams: Vec<Announced>) {
        let mut before = std::mem::take(&mut self.incoming);
        for stream in streams {
            let known = before
                .remove(&stream.ssrc)
                .filter(|known| known.publisher_sid == stream.publisher_sid);
            let incoming = known.unwrap_or(Incoming {
                kind: stream.kind,
                publisher_sid: stream.publisher_sid,
                index: Index::default(),
                frame: KeyFrame::default(),
                is_known: false,
                waits_since: None,
            });
            self.incoming.insert(stream.ssrc, incoming);
        }
    }

    /// Takes what transports have received.
    fn receive(&mut self, now: Instant) -> anyhow::Result<()> {
        let (incoming, source) = (&mut self.incoming, &mut self.source);
        let (crowd, who, video_ssrc) = (&self.world.crowd, self.part.who, self.ssrcs.1);
        let subscriber = self.subscriber.as_mut();
        let subscribing = subscriber.and_then(|subscriber| subscriber.transport.as_mut());
        for transport in self.publisher.transport.iter_mut().chain(subscribing) {
            let mut wanted = Vec::new();
            transport.receive(now, |session, heard| match heard {
                Heard::Media(packet) => {
                    let Some(header) = RtpHeader::parse(packet) else {
                        return;
                    };
                    let Some(stream) = incoming.get_mut(&header.ssrc) else {
                        return;
                    };
                    if stream.is_known {
                        return;
                    }
                    if stream.take(session, packet, &header) {
                        stream.is_known = true;
                        let mut crowd = crowd.borrow_mut();
                        crowd.received(who, &stream.publisher_sid, stream.kind, now);
                    } else if now >= *stream.waits_since.get_or_insert(now) + KEY_FRAME_PATIENCE {
                        stream.waits_since = Some(now);
                        wanted.push(header.ssrc);
                    }
                }
                Heard::Control(compound) => rtcp::parse(&compound, &mut |feedback| match feedback {
                    Feedback::Pli { media_ssrc } | Feedback::Fir { media_ssrc }
                        if media_ssrc == video_ssrc =>
                    {
                        if let Some(source) = source {
                            source.want_key_frame();
                        }
                    }
                    _ => {}
                }),
            })?;
            for ssrc in wanted {
                let mut request = Vec::new();
                rtcp::pli(1, ssrc, &mut request);
                transport.send_control(&request);
            }
        }
        Ok(())
    }

    async fn leave(mut self) -> anyhow::Result<()> {
        self.send(Ask::Leave(LeaveRequest::default())).await?;
        // The server may have closed it meanwhile.
        let _ = self.socket.close(None).await;
        Ok(())
    }

    async fn send(&mut self, message: Ask) -> anyhow::Result<()> {
        let request = SignalRequest {
            message: Some(message),
        };
        let frame = Frame::Binary(request.encode_to_vec().into());
        Ok(self.socket.send(frame).await?)
    }
}

fn decode(frame: Option<Result<Frame, Error>>) -> anyhow::Result<Option<Message>> {
    match frame.context("the server has hung up")?? {
        Frame::Binary(frame) => Ok(SignalResponse::decode(frame)?.message),
        Frame::Close(close) => bail!("the server closes the socket: {close:?}"),
        _ => Ok(None),
    }
}

impl Publisher {
    /// Counts as sent.
    fn next_offer(&mut self) -> SessionDescription {
        self.offers += 1;
        self.in_flight = true;
        SessionDescription {
            r#type: "offer".to_owned(),
            sdp: self.sections.offer(&self.local),
            id: self.offers,
            ..SessionDescription::default()
        }
    }

    /// Takes an answer and hands back what the server sends.
    fn described(&mut self, mut remote: Remote) -> Vec<Announced> {
        remote.address = remote.address.or(self.remote.address);
        let streams = std::mem::take(&mut remote.streams);
        self.remote = remote;
        streams
    }
}

impl Remote {
    /// Enough to dial.
    fn is_complete(&self) -> bool {
        !self.ufrag.is_empty() && self.address.is_some()
    }
}

impl Incoming {
    /// Opens a packet; whether its sender is now heard or seen.
    fn take(&mut self, session: &SrtpSession, packet: &mut [u8], header: &RtpHeader) -> bool {
        let index = self.index.of(header.sequence);
        let Ok(len) = session.open(packet, header.len, header.ssrc, index) else {
            return false;
        };
        let payload = packet.get(header.len..len).unwrap_or_default();
        match self.kind {
            Kind::Audio => !payload.is_empty(),
            Kind::Video => self.frame.push(header, payload),
        }
    }
}

async fn readable(transport: Option<&Transport>) {
    match transport {
        // An error shows again when it is read.
        Some(transport) => drop(transport.readable().await),
        None => std::future::pending().await,
    }
}

fn announcement(cid: &str, kind: TrackType) -> AddTrackRequest {
    let (source, name, codec) = match kind {
        TrackType::Video => (TrackSource::Camera, "camera", "vp8"),
        _ => (TrackSource::Microphone, "microphone", "opus"),
    };
    AddTrackRequest {
        cid: cid.to_owned(),
        name: name.to_owned(),
        r#type: kind.into(),
        source: source.into(),
        width: if kind == TrackType::Video { 640 } else { 0 },
        height: if kind == TrackType::Video { 360 } else { 0 },
        simulcast_codecs: vec![SimulcastCodec {
            codec: codec.to_owned(),
            cid: cid.to_owned(),
            ..SimulcastCodec::default()
        }],
        ..AddTrackRequest::default()
    }
}

/// Compressed, as livekit-client has it.
fn join_request(offer: SessionDescription) -> anyhow::Result<String> {
    let request = JoinRequest {
        client_info: Some(ClientInfo {
            sdk: client_info::Sdk::Js.into(),
            protocol: 17,
            version: "2.23.0".to_owned(),
            ..ClientInfo::default()
        }),
        connection_settings: Some(ConnectionSettings {
            auto_subscribe: true,
            ..ConnectionSettings::default()
        }),
        publisher_offer: Some(offer),
        ..JoinRequest::default()
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&request.encode_to_vec())?;
    let wrapped = WrappedJoinRequest {
        compression: wrapped_join_request::Compression::Gzip.into(),
        join_request: gzip.finish()?,
    };
    Ok(BASE64_URL_SAFE_NO_PAD.encode(wrapped.encode_to_vec()))
}
