//! One connection to one SFU, from the first message to the last. On the participant's own SFU it publishes; on those of others it only
//! receives.

use super::ice::{Dial, Ice, Path, Ways};
use super::peer::{self, Event, Outgoing};
use super::socket::Socket;
use anyhow::{Context, Result, anyhow, bail};
use hanse_callkeys::frame::FrameKind;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message as Answer;
use livekit_protocol::{
    AddTrackRequest, LeaveRequest, ParticipantInfo, Ping, SessionDescription, SignalTarget, TrackSource,
    TrackType, encryption, participant_info,
};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::RTCIceCandidateInit;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::PeerConnection;

/// How long the server may take with each step of joining.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often the server is asked whether it is there, and for how long it may say nothing.
const PING: Duration = Duration::from_secs(5);
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Frames on their way to who judges them.
const EVENTS_MAX: usize = 1_024;

/// Wishes that wait.
const WISHES_MAX: usize = 64;

/// People on one SFU whose names are kept. Further ones are passed over.
const PEOPLE_MAX: usize = 4_096;

/// Where to connect.
pub struct Seat {
    /// The SFU's WebSocket URL.
    pub url: String,
    /// What opens it.
    pub jwt: String,
    /// Of TLS.
    pub tls: Arc<rustls::ClientConfig>,
    /// By which ways.
    pub ice: Ice,
    /// Whether what others publish is to come.
    pub receives: bool,
}

/// What a link has seen.
#[derive(Debug)]
pub enum Seen {
    /// Media flows: both ways on one's own SFU.
    Connected,
    /// By which way it does, on one of the connections.
    Path(Path),
    /// Who is on this SFU now, by identity, without this participant.
    People(Vec<String>),
    /// A frame of somebody's.
    Frame {
        /// Whose.
        identity: String,
        /// Sound or picture.
        kind: FrameKind,
        /// As it came.
        frame: bytes::Bytes,
    },
    /// It is over, and not because this participant wanted it.
    Lost(String),
}

enum Wish {
    Leave,
    KeyFrame(String),
}

/// A connection that runs.
pub struct Link {
    wishes: mpsc::Sender<Wish>,
    task: tokio::task::JoinHandle<()>,
}

impl Link {
    /// Joins. With `sealed`, tracks are published (`Some(true)`: as encrypted) and given to `publish` once media flows.
    ///
    /// # Errors
    /// When the server does not let this participant in, in a sentence.
    pub async fn join(
        seat: Seat,
        sealed: Option<bool>,
        observer: Observer,
    ) -> Result<(Link, Option<[Outgoing; 2]>)> {
        let opening = Socket::open(&seat.url, &seat.jwt, seat.receives, Arc::clone(&seat.tls));
        let mut socket = timeout(PATIENCE, opening)
            .await
            .context("the SFU does not answer")??;
        let first = timeout(PATIENCE, socket.next())
            .await
            .context("the SFU says nothing")??;
        let Some(Answer::Join(join)) = first else {
            bail!("the SFU's first message is not the one that LiveKit's protocol has");
        };
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let (wishes, wished) = mpsc::channel(WISHES_MAX);
        let own = join.participant.unwrap_or_default();
        let [publishes, subscribes] = [
            Ways::open(seat.ice, &join.ice_servers, &seat.tls).await?,
            Ways::open(seat.ice, &join.ice_servers, &seat.tls).await?,
        ];
        let mut run = Run {
            socket,
            own: own.sid,
            names: HashMap::new(),
            pictures: HashMap::new(),
            publisher: peer::open(PUBLISHER, &publishes, events.clone()).await?,
            subscriber: peer::open(SUBSCRIBER, &subscribes, events).await?,
            publishes,
            subscribes,
            ice: seat.ice,
            dial: Dial::default(),
            awaits: BTreeSet::from_iter(
                [
                    sealed.is_some().then_some(PUBLISHER),
                    seat.receives.then_some(SUBSCRIBER),
                ]
                .into_iter()
                .flatten(),
            ),
        };
        let tracks = match sealed {
            Some(sealed) => Some(run.publish(sealed).await?),
            None => None,
        };
        run.note(&join.other_participants);
        let task = tokio::spawn(async move { run.run(inbox, wished, &observer).await });
        Ok((Link { wishes, task }, tracks))
    }

    /// Asks for a picture of somebody's that stands for itself.
    pub fn ask_for_key_frame(&self, identity: &str) {
        let _ = self.wishes.try_send(Wish::KeyFrame(identity.to_owned()));
    }

    /// Says goodbye and closes.
    pub async fn leave(self) {
        let _ = self.wishes.send(Wish::Leave).await;
        let _ = timeout(PATIENCE, self.task).await;
    }
}

/// Where a link says what it has seen, and which one it is.
#[derive(Clone)]
pub struct Observer {
    /// The number that its owner knows the link by.
    pub link: usize,
    /// Its owner.
    pub to: mpsc::Sender<(usize, Seen)>,
}

impl Observer {
    async fn tell(&self, seen: Seen) {
        // An owner that does not listen any more is about to end this link.
        let _ = self.to.send((self.link, seen)).await;
    }
}

struct Run {
    socket: Socket,
    own: String,
    /// Identities by the server's own names for people.
    names: HashMap<String, String>,
    /// Tracks with pictures, by the server's own name for whose they are.
    pictures: HashMap<String, Arc<dyn TrackRemote>>,
    publisher: Arc<dyn PeerConnection>,
    subscriber: Arc<dyn PeerConnection>,
    publishes: Ways,
    subscribes: Ways,
    ice: Ice,
    dial: Dial,
    /// Connections that are not there yet.
    awaits: BTreeSet<&'static str>,
}

impl Run {
    async fn publish(&mut self, sealed: bool) -> Result<[Outgoing; 2]> {
        let [sound, picture] = [TrackType::Audio, TrackType::Video].map(|kind| announcement(kind, sealed));
        let names = [sound.cid.clone(), picture.cid.clone()];
        for request in [sound, picture] {
            self.socket.send(Ask::AddTrack(request)).await?;
        }
        let ssrc = rand::random::<u32>() | 1;
        let [sound, picture] = &names;
        let tracks = [
            peer::add_track(&*self.publisher, sound, RtpCodecKind::Audio, ssrc).await?,
            peer::add_track(&*self.publisher, picture, RtpCodecKind::Video, ssrc ^ 2).await?,
        ];
        let offer = self.publisher.create_offer(None).await?;
        self.publisher.set_local_description(offer.clone()).await?;
        self.socket
            .send(Ask::Offer(described("offer", offer.sdp, 0)))
            .await?;
        Ok(tracks)
    }

    async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut wished: mpsc::Receiver<Wish>,
        observer: &Observer,
    ) {
        let mut ping = interval(PING);
        let mut heard = Instant::now();
        observer.tell(self.people()).await;
        let lost = loop {
            let done = tokio::select! {
                answer = self.socket.next() => match answer {
                    Ok(Some(answer)) => {
                        heard = Instant::now();
                        self.handle(answer, observer).await
                    }
                    Ok(None) => Err(anyhow!("the SFU has closed the connection")),
                    Err(error) => Err(error),
                },
                event = events.recv() => self.media(event, observer).await,
                _ = ping.tick() => match heard.elapsed() {
                    silence if silence > SILENCE_MAX => Err(anyhow!("the SFU says nothing any more")),
                    _ => self.socket.send(Ask::PingReq(Ping::default())).await,
                },
                wish = wished.recv() => match wish {
                    Some(Wish::KeyFrame(identity)) => {
                        self.ask_for_key_frame(&identity).await;
                        Ok(())
                    }
                    Some(Wish::Leave) | None => break None,
                },
            };
            if let Err(error) = done {
                break Some(error);
            }
        };
        if let Some(error) = lost {
            observer.tell(Seen::Lost(format!("{error:#}"))).await;
        }
        // It may be too late to be heard.
        let _ = self.socket.send(Ask::Leave(LeaveRequest::default())).await;
        let _ = self.publisher.close().await;
        let _ = self.subscriber.close().await;
    }

    async fn media(&mut self, event: Option<Event>, observer: &Observer) -> Result<()> {
        match event {
            Some(Event::Connected(name)) => {
                let path = if name == PUBLISHER {
                    self.publishes.taken(name, &*self.publisher).await
                } else {
                    self.subscribes.taken(name, &*self.subscriber).await
                };
                if let Some(path) = path {
                    observer.tell(Seen::Path(path)).await;
                }
                if self.awaits.remove(name) && self.awaits.is_empty() {
                    observer.tell(Seen::Connected).await;
                }
            }
            Some(Event::Pictures { stream, track }) if self.pictures.len() < PEOPLE_MAX => {
                self.pictures.insert(publisher(&stream).to_owned(), track);
            }
            Some(Event::Frame { stream, kind, frame }) => {
                if let Some(identity) = self.names.get(publisher(&stream)).cloned() {
                    observer
                        .tell(Seen::Frame {
                            identity,
                            kind,
                            frame,
                        })
                        .await;
                }
            }
            Some(Event::Pictures { .. }) => {}
            Some(Event::Failed) | None => {
                bail!(
                    "no media reaches the SFU, or none comes from it: {}",
                    self.ice.blocked()
                )
            }
        }
        Ok(())
    }

    async fn handle(&mut self, answer: Answer, observer: &Observer) -> Result<()> {
        match answer {
            Answer::Answer(answer) => {
                let candidates = self.dial.new_in(PUBLISHER, &answer.sdp);
                let answer = RTCSessionDescription::answer(answer.sdp)?;
                self.publisher.set_remote_description(answer).await?;
                for candidate in candidates {
                    self.publisher.add_ice_candidate(by_tcp(candidate)).await?;
                }
            }
            Answer::Offer(offer) => {
                let id = offer.id;
                let candidates = self.dial.new_in(SUBSCRIBER, &offer.sdp);
                let offer = RTCSessionDescription::offer(offer.sdp)?;
                self.subscriber.set_remote_description(offer).await?;
                let answer = self.subscriber.create_answer(None).await?;
                self.subscriber.set_local_description(answer.clone()).await?;
                self.socket
                    .send(Ask::Answer(described("answer", answer.sdp, id)))
                    .await?;
                for candidate in candidates {
                    self.subscriber.add_ice_candidate(by_tcp(candidate)).await?;
                }
            }
            Answer::Trickle(trickle) => {
                let (name, target) = match trickle.target() {
                    SignalTarget::Publisher => (PUBLISHER, &self.publisher),
                    SignalTarget::Subscriber => (SUBSCRIBER, &self.subscriber),
                };
                let candidate = candidate(&trickle.candidate_init)?;
                if self.dial.is_new(name, &candidate.candidate) {
                    target.add_ice_candidate(candidate).await?;
                }
            }
            Answer::Update(update) => {
                self.note(&update.participants);
                observer.tell(self.people()).await;
            }
            Answer::Leave(leave) => bail!("the SFU says: {}", leave.reason().as_str_name()),
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, participants: &[ParticipantInfo]) {
        for participant in participants
            .iter()
            .filter(|participant| participant.sid != self.own)
        {
            if participant.state() == participant_info::State::Disconnected {
                self.names.remove(&participant.sid);
                self.pictures.remove(&participant.sid);
            } else if self.names.len() < PEOPLE_MAX || self.names.contains_key(&participant.sid) {
                self.names
                    .insert(participant.sid.clone(), participant.identity.clone());
            }
        }
    }

    async fn ask_for_key_frame(&self, identity: &str) {
        for (sid, track) in &self.pictures {
            if self.names.get(sid).is_some_and(|name| name == identity) {
                peer::ask_for_key_frame(&**track).await;
            }
        }
    }

    fn people(&self) -> Seen {
        Seen::People(self.names.values().cloned().collect())
    }
}

/// The server's own name for whose stream this is: `PA_…|TR_…`.
fn publisher(stream: &str) -> &str {
    stream.split('|').next().unwrap_or_default()
}

fn announcement(kind: TrackType, sealed: bool) -> AddTrackRequest {
    let (cid, source) = match kind {
        TrackType::Audio => ("tone", TrackSource::Microphone),
        _ => ("picture", TrackSource::Camera),
    };
    let encryption = if sealed {
        encryption::Type::Gcm
    } else {
        encryption::Type::None
    };
    AddTrackRequest {
        cid: cid.to_owned(),
        name: cid.to_owned(),
        r#type: kind.into(),
        source: source.into(),
        width: if kind == TrackType::Video { 320 } else { 0 },
        height: if kind == TrackType::Video { 180 } else { 0 },
        disable_red: true,
        encryption: encryption.into(),
        ..AddTrackRequest::default()
    }
}

fn described(kind: &str, sdp: String, id: u32) -> SessionDescription {
    SessionDescription {
        r#type: kind.to_owned(),
        sdp,
        id,
        ..SessionDescription::default()
    }
}

/// The names of the two connections, in reports.
const PUBLISHER: &str = "publisher";
const SUBSCRIBER: &str = "subscriber";

/// A candidate of a description, which belongs to its first section.
fn by_tcp(candidate: String) -> RTCIceCandidateInit {
    RTCIceCandidateInit {
        candidate,
        sdp_mline_index: Some(0),
        ..Default::default()
    }
}

/// A candidate as browsers write it to JSON.
fn candidate(json: &str) -> Result<RTCIceCandidateInit> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Init {
        candidate: String,
        sdp_mid: Option<String>,
        sdp_m_line_index: Option<u16>,
    }
    let init: Init = serde_json::from_str(json).context("a candidate of the SFU is none")?;
    Ok(RTCIceCandidateInit {
        candidate: init.candidate,
        sdp_mid: init.sdp_mid,
        sdp_mline_index: init.sdp_m_line_index,
        ..Default::default()
    })
}
