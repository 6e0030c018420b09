//! A small town of people who hold calls in virtual time. Each person is a browser that behaves: it offers, applies
//! answers, adds sections when it is asked to, and checks at every step what a real client would stumble over. The media
//! plane is a model that checks every command.
#![allow(dead_code, reason = "each test file uses a part of it")]

mod browser;
pub mod comeback;
pub mod data;
mod media;
pub mod second;
pub mod wild;

pub use browser::Browser;
use hanse_sfu_core::command::{ConnectionEnd, MediaCommand, MediaEvent};
use hanse_sfu_core::ids::{ConnectionId, TrackId};
use hanse_sfu_signal::{
    ApiKeys, CODECS, CallId, Candidate, CandidateTransport, Claims, JoinAttempt, JoinRefusal, Output,
    ParticipantChange, PeerConnections, RpcError, SessionId, SfuCommand, SfuEvent, SfuRefusal, SfuReply,
    SignalConfig, Signalling, TurnServers, VideoGrant, WallClock,
};
use livekit_protocol::participant_info::Kind;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AddTrackRequest, ConnectionQuality, LeaveRequest, ParticipantPermission, SessionDescription,
    SignalRequest, TrackInfo, TrackSource, TrackType,
};
pub use media::Media;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// 2023-11-14, 22:13:20 UTC.
pub const START_UNIX_S: u64 = 1_700_000_000;

pub struct Town {
    pub signalling: Signalling,
    pub start: Instant,
    pub now: Instant,
    /// Everybody who ever joined, by the name of the session ("bob", or "bob again").
    pub people: BTreeMap<String, Browser>,
    pub media: Media,
    pub events: Vec<SfuEvent>,
    /// Calls of methods that have ended.
    pub ended_calls: Vec<(CallId, Result<String, RpcError>)>,
    /// Whose first picture has gone out, and how long after the join.
    pub first_pictures: Vec<(SessionId, Duration)>,
    /// What was measured of people's connections.
    pub qualities: Vec<(ConnectionQuality, f32)>,
    /// Media connects as soon as the first answer is out.
    pub connects: bool,
    /// Messages that went to any socket.
    pub signalled: u64,
}

pub fn keys() -> ApiKeys {
    ApiKeys::new(vec![("key".into(), "a secret that is long enough".into())]).unwrap()
}

/// Two relays, whose credentials hold for an hour.
pub fn relays() -> TurnServers {
    let urls = [
        "turns:turn.org-a.example:443?transport=tcp",
        "turn:turn.org-a.example",
    ];
    TurnServers::new(
        urls.map(String::from).to_vec(),
        "shared".into(),
        Duration::from_secs(3600),
    )
}

pub fn config(start: Instant) -> SignalConfig {
    SignalConfig {
        auto_create: true,
        codecs: CODECS.to_vec(),
        empty_timeout_s: 300,
        departure_timeout_s: 20,
        max_participants: 0,
        participants_max_on_node: 1_000,
        candidates: [
            (CandidateTransport::Udp, "192.0.2.1:7882"),
            (CandidateTransport::Udp, "[2001:db8::1]:7882"),
            (CandidateTransport::Tcp, "192.0.2.1:7881"),
        ]
        .map(|(transport, address)| Candidate {
            transport,
            address: address.parse().unwrap(),
        })
        .to_vec(),
        turn: None,
        fingerprint: format!("sha-256 {}", ["AB"; 32].join(":")),
        node_id: "ND_test".into(),
        region: String::new(),
        keys: keys(),
        wall: WallClock {
            at: start,
            unix_ms: START_UNIX_S * 1000,
        },
        simulate: false,
    }
}

/// What a token for the room "standup" says.
pub fn claims(identity: &str) -> Claims {
    Claims {
        identity: identity.into(),
        name: identity.to_uppercase(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        kind: Kind::Standard,
        not_before_unix_s: 0,
        expires_at_unix_s: START_UNIX_S + 3600,
        video: VideoGrant {
            room_join: true,
            room: "standup".into(),
            ..VideoGrant::default()
        },
    }
}

/// A join as `livekit-client` makes it.
pub fn attempt(claims: Claims, browser: &mut Browser) -> JoinAttempt {
    JoinAttempt {
        claims,
        peer_connections: if browser.second.is_some() {
            PeerConnections::Two
        } else {
            PeerConnections::One
        },
        request: Some(browser.join_request()),
        publish: None,
    }
}

impl Default for Town {
    fn default() -> Self {
        Town::new(|_| {})
    }
}

impl Town {
    pub fn new(change: impl FnOnce(&mut SignalConfig)) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time starts at some moment")]
        let start = Instant::now();
        let mut config = config(start);
        change(&mut config);
        Town {
            signalling: Signalling::new(start, config, [42; 32]),
            start,
            now: start,
            people: BTreeMap::new(),
            media: Media::default(),
            events: Vec::new(),
            ended_calls: Vec::new(),
            first_pictures: Vec::new(),
            qualities: Vec::new(),
            connects: true,
            signalled: 0,
        }
    }

    /// A town where media connects only when the test says so.
    pub fn unconnected() -> Self {
        Town {
            connects: false,
            ..Town::default()
        }
    }

    /// Joins with an ordinary token.
    pub fn join(&mut self, name: &str) {
        self.join_as(name, claims(name), Browser::new(name)).unwrap();
    }

    /// Joins with a token that says something else than an ordinary one.
    pub fn join_with_claims(&mut self, name: &str, change: impl FnOnce(&mut Claims)) {
        let mut claims = claims(name);
        change(&mut claims);
        self.join_as(name, claims, Browser::new(name)).unwrap();
    }

    pub fn join_as(
        &mut self,
        name: &str,
        claims: Claims,
        mut browser: Browser,
    ) -> Result<SessionId, JoinRefusal> {
        let attempt = attempt(claims, &mut browser);
        self.join_with(name, attempt, browser)
    }

    pub fn join_with(
        &mut self,
        name: &str,
        attempt: JoinAttempt,
        mut browser: Browser,
    ) -> Result<SessionId, JoinRefusal> {
        let checked = self.signalling.check_join(&attempt);
        let joined = self.signalling.handle_join(self.now, attempt);
        assert_eq!(
            checked.err(),
            joined.err(),
            "validation says what the join will get"
        );
        let session = joined?;
        browser.session = Some(session);
        self.people.insert(name.to_owned(), browser);
        self.settle();
        Ok(session)
    }

    /// Carries everything to where it belongs, until nothing moves any more.
    pub fn settle(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.signalling.poll_output() {
                moved = true;
                match output {
                    Output::Attach { session } => self.browser_of(session).attach(),
                    Output::Send { session, message } => {
                        self.signalled += 1;
                        let browser = self.browser_of(session);
                        browser.receive(message.message.unwrap());
                    }
                    Output::Close { session } => {
                        let browser = self.browser_of(session);
                        assert!(!browser.is_closed, "closed twice");
                        browser.is_closed = true;
                    }
                    Output::Media(command) => self.media.take(command),
                    Output::Event(event) => self.events.push(event),
                    Output::CallEnded { call, result } => self.ended_calls.push((call, result)),
                    Output::FirstPicture { session, after } => self.first_pictures.push((session, after)),
                    Output::Quality { grade, score } => self.qualities.push((grade, score)),
                }
            }
            let mut asks = Vec::new();
            for browser in self.people.values_mut() {
                if browser.is_dead {
                    browser.outbox.clear();
                }
            }
            for browser in self.people.values_mut().filter(|browser| !browser.is_closed) {
                asks.extend(
                    browser
                        .outbox
                        .drain(..)
                        .map(|ask| (browser.session.unwrap(), ask)),
                );
            }
            for (session, ask) in asks {
                moved = true;
                self.signalling
                    .handle_request(self.now, session, SignalRequest { message: Some(ask) });
            }
            if self.connects {
                for connection in self.media.unconnected() {
                    moved = true;
                    self.signalling
                        .handle_media(self.now, MediaEvent::Connected { connection });
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn browser_of(&mut self, session: SessionId) -> &mut Browser {
        self.people
            .values_mut()
            .find(|browser| browser.session == Some(session))
            .expect("a message for a session that nobody has")
    }

    /// Lets time pass, from timer to timer.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(due) = self.signalling.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.signalling.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    pub fn browser(&mut self, name: &str) -> &mut Browser {
        self.people.get_mut(name).expect("nobody of that name")
    }

    pub fn session(&self, name: &str) -> SessionId {
        self.people[name].session.unwrap()
    }

    pub fn connection(&self, name: &str) -> ConnectionId {
        ConnectionId(self.session(name).0)
    }

    /// Where what a person receives goes out.
    pub fn downstream(&self, name: &str) -> ConnectionId {
        let ConnectionId(own) = self.connection(name);
        ConnectionId(own | u64::from(self.people[name].second.is_some()) << 63)
    }

    pub fn ask(&mut self, name: &str, ask: Ask) {
        self.browser(name).outbox.push(ask);
        self.settle();
    }

    pub fn event(&mut self, event: MediaEvent) {
        self.signalling.handle_media(self.now, event);
        self.settle();
    }

    pub fn end_media(&mut self, name: &str, end: ConnectionEnd) {
        let connection = self.connection(name);
        self.media.forget(connection);
        self.event(MediaEvent::Ended { connection, end });
    }

    pub fn close_socket(&mut self, name: &str) {
        let session = self.session(name);
        self.browser(name).is_closed = true;
        self.signalling.handle_socket_closed(self.now, session);
        self.settle();
    }

    /// Comes again on a new socket. False: it was told to join anew; what it got has the name "bob refused".
    pub fn resume(&mut self, name: &str) -> bool {
        self.resume_with(name, |_| {}).unwrap()
    }

    pub fn resume_with(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut JoinAttempt),
    ) -> Result<bool, JoinRefusal> {
        let browser = &self.people[name];
        let mut attempt = JoinAttempt {
            claims: claims(&browser.identity),
            peer_connections: if browser.second.is_some() {
                PeerConnections::Two
            } else {
                PeerConnections::One
            },
            request: Some(browser.resume_request()),
            publish: None,
        };
        change(&mut attempt);
        let own = browser.session.unwrap();
        let checked = self.signalling.check_join(&attempt);
        let joined = self.signalling.handle_join(self.now, attempt);
        assert_eq!(checked.err(), joined.err(), "validation says what it will get");
        let session = joined?;
        if session != own {
            let mut refused = Browser::new(&self.people[name].identity);
            refused.session = Some(session);
            self.people.insert(format!("{name} refused"), refused);
        }
        self.settle();
        Ok(session == own)
    }

    pub fn leave(&mut self, name: &str) {
        self.ask(name, Ask::Leave(LeaveRequest::default()));
    }

    pub fn command(&mut self, command: SfuCommand) -> Result<SfuReply, SfuRefusal> {
        let reply = self.signalling.handle_command(self.now, command);
        self.settle();
        reply
    }

    /// Publishes as `livekit-client` does: announcement and offer at once. Says the track's sid.
    pub fn publish(&mut self, name: &str, source: TrackSource) -> String {
        let cid = format!("{name}-{source:?}-{}", self.people[name].sections());
        let browser = self.browser(name);
        browser.announce(add_track(&cid, source));
        browser.add_sender(kind_of(source), &cid);
        browser.offer();
        self.settle();
        self.browser(name)
            .published(&cid)
            .expect("the track was refused")
            .sid
            .clone()
    }

    /// Stops sending and offers again.
    pub fn unpublish(&mut self, name: &str, track_sid: &str) {
        let browser = self.browser(name);
        browser.remove_sender(track_sid);
        browser.offer();
        self.settle();
    }

    /// A track that a person receives, by whose and which it is.
    pub fn hears(&self, name: &str, publisher: &str, source: TrackSource) -> bool {
        let sid = &self.people[publisher].sid;
        let heard = self.people[name].heard();
        let is_mapped = heard
            .iter()
            .any(|heard| heard.publisher_sid == *sid && heard.source == source);
        let connection = self.downstream(name);
        let flows = heard
            .iter()
            .filter(|heard| heard.publisher_sid == *sid && heard.source == source)
            .all(|heard| self.media.sends(connection, heard.ssrc));
        assert!(
            !is_mapped || flows,
            "an answer maps a track that the media plane does not send"
        );
        is_mapped
    }

    /// The media plane's name for a track.
    pub fn track(&self, publisher: &str, track_sid: &str) -> TrackId {
        let mid = self.people[publisher].mid_of(track_sid);
        self.media
            .track_at(self.connection(publisher), &mid)
            .expect("the track is not received")
    }

    pub fn commands(&self) -> &[MediaCommand] {
        &self.media.commands
    }
}

pub fn kind_of(source: TrackSource) -> TrackType {
    match source {
        TrackSource::Camera | TrackSource::ScreenShare => TrackType::Video,
        _ => TrackType::Audio,
    }
}

/// An announcement with the layers of a 720p camera.
pub fn add_track(cid: &str, source: TrackSource) -> AddTrackRequest {
    use livekit_protocol::{SimulcastCodec, VideoLayer, VideoQuality, encryption};
    let kind = kind_of(source);
    let layers: Vec<VideoLayer> = if kind == TrackType::Video {
        [
            (VideoQuality::Low, 320, 180),
            (VideoQuality::Medium, 640, 360),
            (VideoQuality::High, 1280, 720),
        ]
        .into_iter()
        .map(|(quality, width, height)| VideoLayer {
            quality: quality.into(),
            width,
            height,
            ..Default::default()
        })
        .collect()
    } else {
        Vec::new()
    };
    AddTrackRequest {
        cid: cid.into(),
        name: format!("{source:?}"),
        r#type: kind.into(),
        source: source.into(),
        width: if kind == TrackType::Video { 1280 } else { 0 },
        height: if kind == TrackType::Video { 720 } else { 0 },
        encryption: encryption::Type::Gcm.into(),
        simulcast_codecs: if kind == TrackType::Video {
            vec![SimulcastCodec {
                codec: "vp8".into(),
                cid: cid.into(),
                ..Default::default()
            }]
        } else {
            Vec::new()
        },
        layers,
        ..Default::default()
    }
}

/// Changes somebody in "standup".
pub fn change_participant(identity: &str, change: ParticipantChange) -> SfuCommand {
    SfuCommand::ChangeParticipant {
        room: "standup".into(),
        identity: identity.into(),
        change,
    }
}

/// Changes what somebody in "standup" may do.
pub fn change_rights(identity: &str, permission: ParticipantPermission) -> SfuCommand {
    change_participant(
        identity,
        ParticipantChange {
            permission: Some(permission),
            ..ParticipantChange::default()
        },
    )
}

/// The last message of a sort that a person received.
#[macro_export]
macro_rules! last {
    ($town:expr, $name:expr, $sort:ident) => {
        $town.people[$name]
            .inbox
            .iter()
            .rev()
            .find_map(|message| match message {
                livekit_protocol::signal_response::Message::$sort(content) => Some(content.clone()),
                _ => None,
            })
    };
}

/// How many messages of a sort a person received.
#[macro_export]
macro_rules! count {
    ($town:expr, $name:expr, $sort:ident) => {
        $town.people[$name]
            .inbox
            .iter()
            .filter(|message| matches!(message, livekit_protocol::signal_response::Message::$sort(_)))
            .count()
    };
}

/// What a person last heard about another one.
pub fn info_of(town: &Town, name: &str, sid: &str) -> Option<livekit_protocol::ParticipantInfo> {
    town.people[name].known.get(sid).cloned()
}

pub fn tracks_of(town: &Town, name: &str, sid: &str) -> Vec<TrackInfo> {
    info_of(town, name, sid)
        .map(|info| info.tracks)
        .unwrap_or_default()
}

pub fn is_leave(message: &Message) -> bool {
    matches!(message, Message::Leave(_))
}

fn offer_of(sdp: String, id: u32) -> Ask {
    Ask::Offer(SessionDescription {
        r#type: "offer".into(),
        sdp,
        id,
        ..Default::default()
    })
}

/// Gives an offer to a fresh session; says what came back: an answer, or a goodbye.
pub fn answer_to(sdp: String) -> Message {
    let mut town = Town::default();
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    let mut browser = Browser::new("bob");
    browser.offers_at_join = false;
    let session = town
        .signalling
        .handle_join(town.now, attempt(claims("bob"), &mut browser))
        .unwrap();
    while town.signalling.poll_output().is_some() {}
    town.signalling.handle_request(
        town.now,
        session,
        SignalRequest {
            message: Some(offer_of(sdp, 3)),
        },
    );
    let mut verdict = None;
    while let Some(output) = town.signalling.poll_output() {
        let Output::Send {
            session: own,
            message,
        } = output
        else {
            continue;
        };
        if let Some(message @ (Message::Answer(_) | Message::Leave(_))) = message.message
            && own == session
        {
            assert!(verdict.replace(message).is_none(), "one answer per offer");
        }
    }
    verdict.expect("an offer is answered, or the session ends")
}

pub fn mids(sdp: &str) -> Vec<String> {
    sdp.lines()
        .filter_map(|line| line.strip_prefix("a=mid:"))
        .map(|mid| mid.trim().to_owned())
        .collect()
}

pub fn media(sdp: &str) -> Vec<String> {
    sdp.lines()
        .filter_map(|line| line.strip_prefix("m="))
        .map(|m| m.split(' ').next().unwrap().to_owned())
        .collect()
}

pub fn full_offer() -> String {
    let mut browser = Browser::new("bob");
    browser.add_sender(TrackType::Audio, "mic");
    browser.add_sender(TrackType::Video, "bob-Camera");
    browser.add_sender(TrackType::Video, "screen");
    browser.offer_text()
}
