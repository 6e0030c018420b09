//! The entrance: every input, and the queue of outputs.

use crate::api::{
    CallId, RoomSettings, RpcCall, RpcError, RpcFailure, SfuCommand, SfuEvent, SfuRefusal, SfuReply,
};
use crate::context::Context;
use crate::join::{Admission, JoinAttempt, JoinRefusal};
use crate::life::{self, Cause};
use crate::limits::{METADATA_BYTES_MAX, NAME_BYTES_MAX, ROOMS_MAX, TOKEN_LEEWAY_S};
use crate::negotiate::candidate::Candidate;
use crate::revocations::Revocations;
use crate::room::Room;
use crate::streams::VideoStreams;
use crate::timers::{RoomKey, Timer};
use crate::token::ApiKeys;
use crate::transport;
use crate::turn::TurnServers;
use hanse_sfu_core::command::{Codec, ConnectionEnd, MediaCommand, MediaEvent};
use livekit_protocol::{ConnectionQuality, SignalRequest, SignalResponse, UpdateSubscription};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the wall clock said at a moment of the monotonic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// The moment.
    pub at: Instant,
    /// Milliseconds since 1970 at that moment.
    pub unix_ms: u64,
}

/// How the signalling of a node is set up.
#[derive(Clone, Debug)]
pub struct SignalConfig {
    /// A join creates its room, whoever joins. Otherwise the token needs `roomCreate`, or the room must exist.
    pub auto_create: bool,
    /// Seconds after which a room that nobody ever joined is closed, unless its creator said otherwise.
    pub empty_timeout_s: u32,
    /// Seconds after which a room is closed when the last one has left, unless its creator said otherwise.
    pub departure_timeout_s: u32,
    /// People in a room, unless its creator said otherwise; 0: no limit.
    pub max_participants: u32,
    /// People on the node. Beyond: 503.
    pub participants_max_on_node: u32,
    /// Codecs that may be used, in any order.
    pub codecs: Vec<Codec>,
    /// Where media comes in, offered as host candidates in this order.
    pub candidates: Vec<Candidate>,
    /// Relays for those who reach none of them.
    pub turn: Option<TurnServers>,
    /// `sha-256 AA:BB:…` of our DTLS certificate.
    pub fingerprint: String,
    /// `ND_…`
    pub node_id: String,
    /// Shown to clients; may be empty.
    pub region: String,
    /// The first one signs refreshed tokens.
    pub keys: ApiKeys,
    /// For times that clients see, and for the life of tokens.
    pub wall: WallClock,
    /// Whether clients may ask for simulated scenarios. For tests of clients only.
    pub simulate: bool,
}

/// One signalling session: one participant over its whole life, with one WebSocket at a time. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// What comes out. Its `Debug` form names no person and shows no token.
#[derive(Clone)]
pub enum Output {
    /// The socket of a join takes its place: what follows for the session is for it. An earlier one is to be closed in
    /// order. Once for each join that was taken, in the order of [`Signalling::handle_join`].
    Attach {
        /// Whose.
        session: SessionId,
    },
    /// A message for a session's socket.
    Send {
        /// Whose.
        session: SessionId,
        /// The message.
        message: Box<SignalResponse>,
    },
    /// Flush what was sent to the session, then close its socket (code 1000).
    Close {
        /// Whose.
        session: SessionId,
    },
    /// For the media plane, in order.
    Media(MediaCommand),
    /// For whoever watches the SFU.
    Event(SfuEvent),
    /// For whoever has made a call ([`Signalling::handle_call`]): it is over.
    CallEnded {
        /// Which.
        call: CallId,
        /// What the method has answered.
        result: Result<String, RpcError>,
    },
    /// For whoever measures: the session's first key frame has gone out. Once per session.
    FirstPicture {
        /// Whose.
        session: SessionId,
        /// The time since its join was taken, which is just before its socket opens.
        after: Duration,
    },
    /// For whoever measures: how some participant's connection is. For each connected one every
    /// [`hanse_sfu_core::QUALITY_INTERVAL`].
    Quality {
        /// Its grade.
        grade: ConnectionQuality,
        /// Mean opinion score, 1 to 4.5.
        score: f32,
    },
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Output::Attach { session } => write!(f, "Attach({})", session.0),
            Output::Send { session, .. } => write!(f, "Send({})", session.0),
            Output::Close { session } => write!(f, "Close({})", session.0),
            Output::Media(_) => f.write_str("Media"),
            Output::Event(_) => f.write_str("Event"),
            Output::CallEnded { call, .. } => write!(f, "CallEnded({})", call.0),
            Output::FirstPicture { session, .. } => write!(f, "FirstPicture({})", session.0),
            Output::Quality { grade, .. } => write!(f, "Quality({})", grade.as_str_name()),
        }
    }
}

/// All rooms of a node. Feed it with `handle_*`, then drain [`Signalling::poll_output`] until it says `None`, then sleep
/// until [`Signalling::poll_timeout`].
pub struct Signalling {
    cx: Context,
    rooms: BTreeMap<RoomKey, Room>,
    names: BTreeMap<String, RoomKey>,
    revocations: Revocations,
    /// No room is made any more.
    is_draining: bool,
}

impl Signalling {
    /// An empty node. The seed decides every id, password and SSRC; it must be secret and never used twice.
    pub fn new(now: Instant, config: SignalConfig, seed: [u8; 32]) -> Self {
        Signalling {
            cx: Context::new(now, config, seed),
            rooms: BTreeMap::new(),
            names: BTreeMap::new(),
            revocations: Revocations::default(),
            is_draining: false,
        }
    }

    /// While it drains, no room is made: who is in a room stays and comes again, others come to those who are there, and
    /// nobody begins anything new ([`JoinRefusal::Draining`], [`SfuRefusal::Draining`]).
    pub fn set_draining(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
    }

    /// The keys that sign.
    pub fn keys(&self) -> &ApiKeys {
        &self.cx.config.keys
    }

    /// Other keys sign what is handed out from now on.
    pub fn set_keys(&mut self, keys: ApiKeys) {
        self.cx.config.keys = keys;
    }

    /// Participants with a session, connected or coming again.
    pub fn people(&self) -> usize {
        self.cx.sessions.len()
    }

    /// Where media comes in from now on, for offers and answers that are yet to be made. Whoever is connected stays so.
    pub fn handle_candidates(&mut self, candidates: Vec<Candidate>) {
        self.cx.config.candidates = candidates;
    }

    /// Says what a join would get, and changes nothing (`/rtc/v1/validate`).
    pub fn check_join(&self, attempt: &JoinAttempt) -> Result<(), JoinRefusal> {
        self.admit(attempt).map(|_| ())
    }

    /// The checks of a join, in LiveKit's order.
    fn admit<'a>(&self, attempt: &'a JoinAttempt) -> Result<Admission<'a>, JoinRefusal> {
        let admission = attempt.admission()?;
        let valid_since = attempt.claims.not_before_unix_s;
        if self
            .revocations
            .concerns(admission.room, &admission.identity, valid_since)
        {
            return Err(JoinRefusal::TokenRevoked);
        }
        // It has its place already; if not, it is told to join anew, and hears then what is in its way.
        if admission.request.reconnect {
            return Ok(admission);
        }
        let room = self.names.get(admission.room).and_then(|key| self.rooms.get(key));
        let may_create = self.cx.config.auto_create || attempt.claims.video.room_create;
        if room.is_none() && !may_create {
            return Err(JoinRefusal::RoomNotFound);
        }
        if room.is_none() && self.is_draining {
            return Err(JoinRefusal::Draining);
        }
        let is_in = room.is_some_and(|room| room.identities.contains_key(&admission.identity));
        let people = self.cx.sessions.len().saturating_sub(usize::from(is_in));
        if people >= self.cx.config.participants_max_on_node as usize
            || room.is_none() && self.rooms.len() >= ROOMS_MAX
        {
            return Err(JoinRefusal::NodeFull);
        }
        attempt.check_metadata(admission.request)?;
        if room.is_some_and(|room| !room.has_place_for(&admission.identity)) {
            return Err(JoinRefusal::RoomFull);
        }
        Ok(admission)
    }

    /// Takes a join, before the upgrade is answered; the first output about it is [`Output::Attach`]. The first message for
    /// the session is `join`. A client that wants to go on with its session gets that one back, and `reconnect` first; if
    /// it cannot be had, `leave` (`STATE_MISMATCH`, reconnect), and is closed.
    pub fn handle_join(&mut self, now: Instant, attempt: JoinAttempt) -> Result<SessionId, JoinRefusal> {
        self.cx.now = now;
        let admission = self.admit(&attempt)?;
        if admission.request.reconnect {
            return Ok(self.resume(&attempt, &admission));
        }
        let key = self.room_key(admission.room);
        let room = self.rooms.get_mut(&key).ok_or(JoinRefusal::RoomNotFound)?;
        Ok(room.join(&mut self.cx, &attempt, &admission))
    }

    fn resume(&mut self, attempt: &JoinAttempt, admission: &Admission<'_>) -> SessionId {
        let cx = &mut self.cx;
        let key = self.names.get(admission.room);
        let mut step = life::RESUME;
        if let Some(room) = key.and_then(|key| self.rooms.get_mut(key)) {
            if room.cuts_resume(cx.now, &admission.identity) {
                step = life::CUT_RESUME;
            } else if let Some(session) = room.resumable(cx, attempt, admission) {
                cx.attach(session);
                room.resume(cx, session, admission.request);
                return session;
            }
        }
        let session = SessionId(cx.names.session());
        cx.attach(session);
        cx.end(session, &step);
        session
    }

    /// A room by its name, made if need be.
    fn room_key(&mut self, name: &str) -> RoomKey {
        if let Some(key) = self.names.get(name) {
            return *key;
        }
        self.create_room(RoomSettings {
            name: name.to_owned(),
            ..RoomSettings::default()
        })
    }

    fn create_room(&mut self, settings: RoomSettings) -> RoomKey {
        let room = Room::new(&mut self.cx, settings);
        let key = room.key;
        self.names.insert(room.name.clone(), key);
        self.rooms.insert(key, room);
        key
    }

    /// Takes a message. One for a session that is over is ignored.
    pub fn handle_request(&mut self, now: Instant, session: SessionId, request: SignalRequest) {
        self.cx.now = now;
        if let (Some(room), Some(message)) = (room_of(&mut self.rooms, &self.cx, session), request.message) {
            room.handle_request(&mut self.cx, session, message);
        }
    }

    /// The socket is gone, and no other one has taken its place. A participant whose media is connected stays in the room
    /// until that ends too, or until the same identity joins again.
    pub fn handle_socket_closed(&mut self, now: Instant, session: SessionId) {
        self.cx.now = now;
        if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
            room.live(&mut self.cx, session, Cause::SocketClosed);
        }
    }

    /// Takes what the media plane says.
    pub fn handle_media(&mut self, now: Instant, event: MediaEvent) {
        self.cx.now = now;
        match event {
            MediaEvent::Connected { connection } => {
                let (session, side) = transport::session_of(connection);
                if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
                    room.handle_connected(&mut self.cx, session, side);
                }
            }
            MediaEvent::Ended { connection, end } => {
                let (session, _) = transport::session_of(connection);
                if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
                    let cause = match end {
                        ConnectionEnd::DtlsFailed => Cause::DtlsFailed,
                        ConnectionEnd::IceTimeout => Cause::MediaLost,
                        ConnectionEnd::ClosedByPeer => Cause::MediaClosed,
                    };
                    room.live(&mut self.cx, session, cause);
                }
            }
            MediaEvent::Quality { connection, quality } => {
                let (session, side) = transport::session_of(connection);
                if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
                    room.handle_quality(&mut self.cx, session, side, &quality);
                }
            }
            MediaEvent::AudioLevel { track, level } => {
                let key = self.cx.track_rooms.get(&track).copied();
                if let Some(room) = key.and_then(|key| self.rooms.get_mut(&key)) {
                    room.handle_level(&mut self.cx, track, level);
                }
            }
            MediaEvent::StreamState {
                connection,
                track,
                is_paused,
            } => {
                let (session, _) = transport::session_of(connection);
                if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
                    room.send_stream_state(&mut self.cx, session, track, is_paused);
                    room.pause_received(&mut self.cx, session, track, is_paused);
                }
            }
            MediaEvent::FirstForwarded { connection, track } => {
                let (session, _) = transport::session_of(connection);
                if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
                    room.handle_first_forwarded(&mut self.cx, session, track);
                }
            }
            MediaEvent::DataChannelOpen { connection, channel } => {
                let (session, _) = transport::session_of(connection);
                if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
                    room.handle_data_channel_open(&mut self.cx, session, connection, channel);
                }
            }
            MediaEvent::Data {
                connection,
                channel,
                payload,
            } => {
                let (session, _) = transport::session_of(connection);
                if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
                    room.handle_data(&mut self.cx, session, channel, payload);
                }
            }
            MediaEvent::DataStalled { connection } => {
                let (session, _) = transport::session_of(connection);
                if let Some(room) = room_of(&mut self.rooms, &self.cx, session) {
                    room.handle_data_stalled(&mut self.cx, session);
                }
            }
            MediaEvent::TrackFlowing { track } => {
                let key = self.cx.track_rooms.get(&track).copied();
                if let Some(room) = key.and_then(|key| self.rooms.get_mut(&key)) {
                    room.handle_flowing(&mut self.cx, track);
                }
            }
        }
    }

    /// Takes a command of the operator or of the focus.
    pub fn handle_command(&mut self, now: Instant, command: SfuCommand) -> Result<SfuReply, SfuRefusal> {
        self.cx.now = now;
        match command {
            SfuCommand::CreateRoom(settings) => self.handle_create_room(settings),
            SfuCommand::ListRooms { names } => {
                let is_meant = |room: &&Room| names.is_empty() || names.contains(&room.name);
                let keys = self.names.values().filter_map(|key| self.rooms.get(key));
                Ok(SfuReply::Rooms(keys.filter(is_meant).map(Room::info).collect()))
            }
            SfuCommand::DeleteRoom { room } => {
                let key = self.names.get(&room).copied().ok_or(SfuRefusal::RoomNotFound)?;
                self.close_room(key, Cause::RoomDeleted);
                Ok(SfuReply::Done)
            }
            SfuCommand::ListParticipants { room } => {
                let room = self.room(&room)?;
                let infos = room
                    .participants
                    .values()
                    .map(|participant| participant.info(&self.cx, &room.tracks));
                Ok(SfuReply::Participants(infos.collect()))
            }
            SfuCommand::Participant { room, identity } => {
                let (room, session) = self.participant(&room, &identity)?;
                self.reply_participant(room, session)
            }
            SfuCommand::RemoveParticipant {
                room,
                identity,
                revoke_before_unix_s,
            } => {
                let before = revoke_before_unix_s.unwrap_or(self.cx.unix_s() + TOKEN_LEEWAY_S);
                self.revocations.revoke(&room, &identity, before);
                let (key, session) = self.participant(&room, &identity)?;
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.live(&mut self.cx, session, Cause::Removed);
                }
                Ok(SfuReply::Done)
            }
            SfuCommand::ChangeRoomMetadata { room, metadata } => {
                check_metadata(&metadata)?;
                let key = self.names.get(&room).ok_or(SfuRefusal::RoomNotFound)?;
                let room = self.rooms.get_mut(key).ok_or(SfuRefusal::RoomNotFound)?;
                room.change_metadata(&mut self.cx, metadata);
                Ok(SfuReply::Room(room.info()))
            }
            SfuCommand::ChangeParticipant {
                room,
                identity,
                change,
            } => {
                let (key, session) = self.participant(&room, &identity)?;
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.change_participant(&mut self.cx, session, change)?;
                }
                self.reply_participant(key, session)
            }
            SfuCommand::ChangeSubscriptions {
                room,
                identity,
                track_sids,
                subscribe,
            } => {
                let (key, session) = self.participant(&room, &identity)?;
                if let Some(room) = self.rooms.get_mut(&key) {
                    let update = UpdateSubscription {
                        track_sids,
                        subscribe,
                        ..UpdateSubscription::default()
                    };
                    room.handle_subscription(&mut self.cx, session, update);
                }
                Ok(SfuReply::Done)
            }
            SfuCommand::LimitDownlink { room, identity, kbps } => {
                let (key, session) = self.participant(&room, &identity)?;
                if let Some(room) = self.rooms.get_mut(&key) {
                    let bits_per_second = kbps.map(|kbps| u64::from(kbps) * 1000);
                    room.limit_downlink(&mut self.cx, session, bits_per_second);
                }
                Ok(SfuReply::Done)
            }
            SfuCommand::SendData { room, message } => {
                let key = self.names.get(&room).ok_or(SfuRefusal::RoomNotFound)?;
                let room = self.rooms.get_mut(key).ok_or(SfuRefusal::RoomNotFound)?;
                room.send_data(&mut self.cx, message)?;
                Ok(SfuReply::Done)
            }
            SfuCommand::Mute {
                room,
                identity,
                track_sid,
            } => {
                let (key, session) = self.participant(&room, &identity)?;
                let room = self.rooms.get_mut(&key).ok_or(SfuRefusal::RoomNotFound)?;
                room.mute(&mut self.cx, session, &track_sid)
                    .map(SfuReply::Track)
                    .ok_or(SfuRefusal::TrackNotFound)
            }
        }
    }

    /// Calls a method that a participant's client has registered. Each call that is let in ends with one
    /// [`Output::CallEnded`]: when it is answered, or was not in time, or the participant has left.
    ///
    /// # Errors
    ///
    /// Nobody is called.
    pub fn handle_call(&mut self, now: Instant, call: &RpcCall) -> Result<CallId, RpcFailure> {
        self.cx.now = now;
        if call.identity.is_empty() {
            return Err(SfuRefusal::Invalid("destination identity is required".to_owned()).into());
        }
        let (key, session) = self.participant(&call.room, &call.identity)?;
        let room = self.rooms.get_mut(&key).ok_or(SfuRefusal::RoomNotFound)?;
        room.start_call(&mut self.cx, session, call)
    }

    /// What participants of a room get of each other's videos, and why not more; of everybody, or of some identities; at
    /// most `max`. A room that does not exist has none.
    pub fn video_streams(&self, room: &str, of: Option<&[String]>, max: usize) -> VideoStreams {
        self.room(room)
            .map(|room| room.video_streams(of, max))
            .unwrap_or_default()
    }

    fn handle_create_room(&mut self, settings: RoomSettings) -> Result<SfuReply, SfuRefusal> {
        if settings.name.is_empty() {
            return Err(SfuRefusal::Invalid("no room name".to_owned()));
        }
        if settings.name.len() > NAME_BYTES_MAX {
            return Err(SfuRefusal::Invalid(format!(
                "room name length exceeds limits: max length {NAME_BYTES_MAX}"
            )));
        }
        check_metadata(&settings.metadata)?;
        let key = match self.names.get(&settings.name).copied() {
            Some(key) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.change_settings(&mut self.cx, settings);
                }
                key
            }
            None if self.is_draining => return Err(SfuRefusal::Draining),
            None if self.rooms.len() >= ROOMS_MAX => {
                return Err(SfuRefusal::Full(format!(
                    "the node has {ROOMS_MAX} rooms already"
                )));
            }
            None => self.create_room(settings),
        };
        self.rooms
            .get(&key)
            .map(|room| SfuReply::Room(room.info()))
            .ok_or(SfuRefusal::RoomNotFound)
    }

    fn room(&self, name: &str) -> Result<&Room, SfuRefusal> {
        self.names
            .get(name)
            .and_then(|key| self.rooms.get(key))
            .ok_or(SfuRefusal::RoomNotFound)
    }

    fn participant(&self, room: &str, identity: &str) -> Result<(RoomKey, SessionId), SfuRefusal> {
        let room = self.room(room)?;
        let session = room
            .identities
            .get(identity)
            .ok_or(SfuRefusal::ParticipantNotFound)?;
        Ok((room.key, *session))
    }

    fn reply_participant(&self, room: RoomKey, session: SessionId) -> Result<SfuReply, SfuRefusal> {
        let room = self.rooms.get(&room).ok_or(SfuRefusal::RoomNotFound)?;
        let info = room
            .participant_info(&self.cx, session)
            .ok_or(SfuRefusal::ParticipantNotFound)?;
        Ok(SfuReply::Participant(info))
    }

    fn close_room(&mut self, key: RoomKey, cause: Cause) {
        if let Some(mut room) = self.rooms.remove(&key) {
            self.names.remove(&room.name);
            room.close(&mut self.cx, cause);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.cx.now = now;
        while let Some(timer) = self.cx.timers.pop(now) {
            self.handle_timer(timer);
        }
    }

    fn handle_timer(&mut self, timer: Timer) {
        let cx = &mut self.cx;
        match timer {
            Timer::Empty(key) => {
                if self.rooms.get(&key).is_some_and(Room::is_empty) {
                    self.close_room(key, Cause::RoomClosed);
                }
            }
            Timer::RoomUpdate(key) => {
                if let Some(room) = self.rooms.get(&key) {
                    room.send_room_update(cx);
                }
            }
            Timer::Speakers(key) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.send_speakers(cx);
                }
            }
            Timer::Quality(key) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.send_qualities(cx);
                }
            }
            Timer::Join(key, session) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.live(cx, session, Cause::JoinTimeout);
                }
            }
            Timer::Token(key, session) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.send_token(cx, session);
                }
            }
            Timer::UnknownTracks(key, session) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.expire_unknown_tracks(cx, session);
                }
            }
            Timer::Requirement(key, session) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.handle_requirement_timeout(cx, session);
                }
            }
            Timer::Settings(key, session) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.apply_settings(cx, session);
                }
            }
            Timer::Offer(key, session) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.send_offer(cx, session);
                }
            }
            Timer::Answer(key, session) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.handle_answer_timeout(cx, session);
                }
            }
            Timer::Metrics(key, session) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.send_metrics(cx, session);
                }
            }
            Timer::Call(key, session, call) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.handle_call_timeout(cx, session, call);
                }
            }
            Timer::Dynacast(key, track) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.update_dynacast(cx, track);
                }
            }
        }
    }

    /// Tells everybody `SERVER_SHUTDOWN` and closes every room.
    pub fn handle_shutdown(&mut self, now: Instant) {
        self.cx.now = now;
        let keys: Vec<RoomKey> = self.rooms.keys().copied().collect();
        for key in keys {
            self.close_room(key, Cause::ServerStops);
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.outputs.pop_front()
    }

    /// When [`Signalling::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cx.timers.next()
    }
}

fn check_metadata(metadata: &str) -> Result<(), SfuRefusal> {
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(SfuRefusal::Invalid(format!(
            "metadata size exceeds limits: max size {METADATA_BYTES_MAX}"
        )));
    }
    Ok(())
}

fn room_of<'a>(
    rooms: &'a mut BTreeMap<RoomKey, Room>,
    cx: &Context,
    session: SessionId,
) -> Option<&'a mut Room> {
    rooms.get_mut(cx.sessions.get(&session)?)
}
