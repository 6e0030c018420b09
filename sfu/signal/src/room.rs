//! One room: who is in, what is published, and who is told what.

use crate::api::{ParticipantChange, RoomSettings, SfuEvent, SfuRefusal};
use crate::client::Abilities;
use crate::context::Context;
use crate::data::RoomData;
use crate::join::{Admission, JoinAttempt};
use crate::life::{self, Cause, Gets, Stage, Step, Told};
use crate::limits::{
    JOIN_DEADLINE, REFRESHED_TOKEN_TTL_S_MIN, ROOM_UPDATE_INTERVAL, TOKEN_BYTES_MAX, TOKEN_REFRESH_INTERVAL,
};
use crate::missed::MissedLog;
use crate::participant::Participant;
use crate::precedence::RecentSpeakers;
use crate::signalling::{SessionId, SignalConfig};
use crate::speakers::ToldSpeakers;
use crate::timers::{RoomKey, Timer};
use crate::token::{self, Claims};
use crate::track::Track;
use crate::transport::Side;
use hanse_sfu_core::command::MediaCommand;
use hanse_sfu_core::ids::TrackId;
use livekit_protocol::server_info::Edition;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    CandidateProtocol, ClientInfo, JoinRequest, JoinResponse, ParticipantInfo, ParticipantUpdate, RoomUpdate,
    ServerInfo, TrackSource,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// The release of LiveKit's server whose signalling ours is like. Clients refuse an empty one and switch features off
/// for old ones.
const SERVER_VERSION: &str = "1.9.0";

/// LiveKit's protocol version that we speak.
const SERVER_PROTOCOL: i32 = 17;

/// Seconds between a client's pings.
const PING_INTERVAL_S: i32 = 5;

/// Seconds without an answer after which a client gives up.
const PING_TIMEOUT_S: i32 = 15;

pub(crate) struct Room {
    pub key: RoomKey,
    pub name: String,
    pub sid: String,
    metadata: String,
    empty_timeout_s: u32,
    departure_timeout_s: u32,
    max_participants: u32,
    created_unix_ms: u64,
    /// Marks frames that a server inserts; we insert none, but clients of encrypted calls want to know it.
    trailer: Vec<u8>,
    /// In order of their joins.
    pub participants: BTreeMap<SessionId, Participant>,
    pub identities: HashMap<String, SessionId>,
    /// Live ones, the oldest first.
    pub tracks: BTreeMap<TrackId, Track>,
    pub track_sids: HashMap<String, TrackId>,
    pub told_speakers: ToldSpeakers,
    pub recent_speakers: RecentSpeakers,
    pub data: RoomData,
    /// Identities that test media over TCP or by a relay, and until when; at most
    /// [`TESTED_TRANSPORTS_MAX`](crate::limits::TESTED_TRANSPORTS_MAX).
    pub tested_transports: BTreeMap<String, (CandidateProtocol, Instant)>,
    /// What may be published by clients that do everything well.
    enabled_codecs: Vec<livekit_protocol::Codec>,
    /// Somebody has been in.
    had_people: bool,
}

impl Room {
    pub fn new(cx: &mut Context, settings: RoomSettings) -> Self {
        let mut room = Room {
            key: RoomKey(cx.names.room()),
            name: settings.name.clone(),
            sid: cx.names.room_sid(),
            metadata: String::new(),
            empty_timeout_s: cx.config.empty_timeout_s,
            departure_timeout_s: cx.config.departure_timeout_s,
            max_participants: cx.config.max_participants,
            created_unix_ms: cx.unix_ms(),
            trailer: cx.names.trailer(),
            participants: BTreeMap::new(),
            identities: HashMap::new(),
            tracks: BTreeMap::new(),
            track_sids: HashMap::new(),
            told_speakers: ToldSpeakers::new(),
            recent_speakers: RecentSpeakers::new(),
            data: RoomData::default(),
            tested_transports: BTreeMap::new(),
            enabled_codecs: Abilities::new(&cx.config.codecs, &ClientInfo::default()).publish_codecs(),
            had_people: false,
        };
        room.take_settings(settings);
        let deadline = cx.now + Duration::from_secs(room.empty_timeout_s.into());
        cx.timers.set(Timer::Empty(room.key), deadline);
        cx.event(SfuEvent::RoomStarted { room: room.info() });
        room
    }

    /// Zero and the empty string keep what is there.
    fn take_settings(&mut self, settings: RoomSettings) {
        let keep = |own: &mut u32, new: u32| *own = if new == 0 { *own } else { new };
        keep(&mut self.empty_timeout_s, settings.empty_timeout_s);
        keep(&mut self.departure_timeout_s, settings.departure_timeout_s);
        keep(&mut self.max_participants, settings.max_participants);
        if !settings.metadata.is_empty() {
            self.metadata = settings.metadata;
        }
    }

    /// Takes new settings for a room that exists.
    pub fn change_settings(&mut self, cx: &mut Context, settings: RoomSettings) {
        let before = self.info();
        self.take_settings(settings);
        if self.is_empty() && !self.had_people {
            let deadline = cx.now + Duration::from_secs(self.empty_timeout_s.into());
            cx.timers.set(Timer::Empty(self.key), deadline);
        }
        if self.info() != before {
            self.send_room_update(cx);
        }
    }

    /// Replaces the metadata, also by an empty one.
    pub fn change_metadata(&mut self, cx: &mut Context, metadata: String) {
        if self.metadata != metadata {
            self.metadata = metadata;
            self.send_room_update(cx);
        }
    }

    pub fn info(&self) -> livekit_protocol::Room {
        let created = i64::try_from(self.created_unix_ms).unwrap_or(i64::MAX);
        let visible = || {
            self.participants
                .values()
                .filter(|participant| !participant.is_hidden())
        };
        livekit_protocol::Room {
            sid: self.sid.clone(),
            name: self.name.clone(),
            empty_timeout: self.empty_timeout_s,
            departure_timeout: self.departure_timeout_s,
            max_participants: self.max_participants,
            creation_time: created / 1000,
            creation_time_ms: created,
            enabled_codecs: self.enabled_codecs.clone(),
            metadata: self.metadata.clone(),
            num_participants: visible().count() as u32,
            num_publishers: visible().filter(|participant| participant.is_publisher).count() as u32,
            ..livekit_protocol::Room::default()
        }
    }

    /// Nobody is in who keeps it open.
    pub fn is_empty(&self) -> bool {
        self.participants
            .values()
            .all(|participant| participant.is_dependent())
    }

    /// Whether somebody else may come in. Who is in already, under the same identity, makes place for itself.
    pub fn has_place_for(&self, identity: &str) -> bool {
        let others = self
            .participants
            .values()
            .filter(|participant| !participant.is_dependent() && participant.identity != identity)
            .count();
        self.max_participants == 0 || others < self.max_participants as usize
    }

    /// Everybody but one.
    pub fn others(&self, session: SessionId) -> Vec<SessionId> {
        self.participants
            .keys()
            .copied()
            .filter(|other| *other != session)
            .collect()
    }

    /// Sends to one whose socket is there. What others must not miss is remembered for them ([`crate::missed`]).
    pub fn send(&self, cx: &mut Context, session: SessionId, message: Message) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let (now, is_reachable) = (cx.now, participant.stage.is_reachable());
        if let Some(log) = cx.missed.get_mut(&session) {
            if is_reachable {
                log.settle(now);
            }
            log.note(now, &message);
        }
        if is_reachable {
            cx.send(session, message);
        }
    }

    /// Lets somebody in: the join message, then the others' tracks, then what the client has brought along.
    pub fn join(&mut self, cx: &mut Context, attempt: &JoinAttempt, admission: &Admission<'_>) -> SessionId {
        if let Some(before) = self.identities.get(&admission.identity).copied() {
            self.live(cx, before, Cause::Replaced);
        }
        let mut participant = Participant::new(cx, attempt, admission);
        let session = participant.session;
        participant.stage = life::JOIN.to;
        participant.changed();
        cx.attach(session);
        cx.missed.insert(session, MissedLog::default());
        self.tell(cx, &participant, &life::JOIN);
        self.identities.insert(participant.identity.clone(), session);
        self.participants.insert(session, participant);
        cx.sessions.insert(session, self.key);
        if !self.is_empty() {
            self.had_people = true;
            cx.timers.cancel(Timer::Empty(self.key));
        }
        cx.timers
            .set(Timer::Join(self.key, session), cx.now + JOIN_DEADLINE);

        let join = self.join_response(cx, session);
        self.send(cx, session, Message::Join(join));
        self.send_token(cx, session);
        self.broadcast(cx, session, false);
        self.room_changed(cx);

        let publishers_hidden = |track: &Track| {
            self.participants
                .get(&track.publisher)
                .is_none_or(|publisher| publisher.is_hidden())
        };
        let tracks: Vec<TrackId> = self
            .tracks
            .values()
            .filter(|track| !publishers_hidden(track))
            .map(|track| track.id)
            .collect();
        for track in tracks {
            self.offer_track(cx, session, track);
        }
        self.offer_data_tracks(cx, session);
        self.take_along(cx, session, admission.request);
        let is_awaited = |participant: &Participant| participant.primary() == Side::Subscriber;
        if self.participants.get(&session).is_some_and(is_awaited) {
            self.send_offer(cx, session);
        } else {
            self.plan_offer(cx, session);
        }
        session
    }

    /// What a join request carries besides the join.
    fn take_along(&mut self, cx: &mut Context, session: SessionId, request: &JoinRequest) {
        for announcement in request
            .add_track_requests
            .iter()
            .take(crate::limits::PENDING_TRACKS_MAX)
        {
            self.handle_add_track(cx, session, announcement.clone());
        }
        if let Some(offer) = request
            .publisher_offer
            .as_ref()
            .filter(|offer| !offer.sdp.is_empty())
        {
            self.handle_offer(cx, session, offer);
        }
    }

    fn join_response(&self, cx: &Context, session: SessionId) -> JoinResponse {
        let visible = |participant: &&Participant| participant.session != session && !participant.is_hidden();
        let primary = self.participants.get(&session).map(Participant::primary);
        let abilities = self
            .participants
            .get(&session)
            .map(|participant| participant.abilities.clone())
            .unwrap_or_default();
        JoinResponse {
            room: Some(self.info()),
            participant: self.participant_info(cx, session),
            other_participants: self
                .participants
                .values()
                .filter(visible)
                .map(|participant| participant.info(cx, &self.tracks))
                .collect(),
            server_version: SERVER_VERSION.to_owned(),
            server_region: cx.config.region.clone(),
            ping_timeout: PING_TIMEOUT_S,
            ping_interval: PING_INTERVAL_S,
            server_info: Some(server_info(&cx.config)),
            sif_trailer: self.trailer.clone(),
            enabled_publish_codecs: abilities.publish_codecs(),
            ice_servers: self.ice_servers(cx, session),
            client_configuration: self.client_configuration(cx, session),
            subscriber_primary: primary == Some(Side::Subscriber),
            fast_publish: true,
            ..JoinResponse::default()
        }
    }

    pub fn participant_info(&self, cx: &Context, session: SessionId) -> Option<ParticipantInfo> {
        Some(self.participants.get(&session)?.info(cx, &self.tracks))
    }

    /// Something about a participant has changed: it and everybody who knows of it are told.
    pub fn broadcast_change(&mut self, cx: &mut Context, session: SessionId) {
        if let Some(participant) = self.participants.get_mut(&session) {
            participant.changed();
            self.broadcast(cx, session, true);
        }
    }

    fn broadcast(&self, cx: &mut Context, session: SessionId, also_itself: bool) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let update = ParticipantUpdate {
            participants: vec![participant.info(cx, &self.tracks)],
        };
        if also_itself {
            self.send(cx, session, Message::Update(update.clone()));
        }
        if !participant.is_hidden() {
            for other in self.others(session) {
                self.send(cx, other, Message::Update(update.clone()));
            }
        }
    }

    /// One of its transports is connected. The one that its client waits for counts.
    pub fn handle_connected(&mut self, cx: &mut Context, session: SessionId, side: Side) {
        let is_awaited = |participant: &Participant| participant.primary() == side;
        if self.participants.get(&session).is_some_and(is_awaited) {
            self.live(cx, session, Cause::MediaConnected);
        }
    }

    /// Something happens to a participant: what follows is in [`crate::life`].
    pub fn live(&mut self, cx: &mut Context, session: SessionId, cause: Cause) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let Some(step) = life::step(participant.stage, cause) else {
            return;
        };
        if step.to == Stage::Absent {
            return self.end(cx, session, &step);
        }
        participant.stage = step.to;
        if cause == Cause::SocketClosed
            && let Some(log) = cx.missed.get_mut(&session)
        {
            log.settle(cx.now);
        }
        if participant.is_connected() {
            cx.timers.cancel(Timer::Join(self.key, session));
        }
        if let Some(participant) = self.participants.get(&session) {
            self.tell(cx, participant, &step);
        }
        if step.others.is_some() {
            self.broadcast_change(cx, session);
        }
        if step.gets == Gets::Update {
            self.send_own_quality(cx, session);
        }
        if step.gets == Gets::Reconnect {
            self.send_reconnect(cx, session);
        }
    }

    /// Whoever watches hears of a participant.
    fn tell(&self, cx: &mut Context, participant: &Participant, step: &Step) {
        let (room, room_sid) = (self.name.clone(), self.sid.clone());
        let (identity, sid) = (participant.identity.clone(), participant.sid.clone());
        let reason = step.reason.unwrap_or_default();
        cx.event(match step.told {
            None => return,
            Some(Told::Connecting) => SfuEvent::ParticipantConnecting { room, identity, sid },
            Some(Told::Joined) => SfuEvent::ParticipantJoined {
                room,
                room_sid,
                identity,
                sid,
            },
            Some(Told::Left) => SfuEvent::ParticipantLeft {
                room,
                room_sid,
                identity,
                sid,
                reason,
            },
            Some(Told::Aborted) => SfuEvent::ParticipantConnectionAborted {
                room,
                room_sid,
                identity,
                sid,
                reason,
            },
        });
    }

    /// Ends a session and everything it published and received.
    fn end(&mut self, cx: &mut Context, session: SessionId, step: &Step) {
        self.end_data_of(cx, session);
        let tracks = self.tracks_of(session);
        let mut affected = BTreeSet::new();
        for track in tracks {
            affected.extend(self.end_track(cx, track));
        }
        let Some(mut participant) = self.participants.remove(&session) else {
            return;
        };
        for track in participant.subscriptions.keys() {
            if let Some(known) = self.tracks.get_mut(track) {
                known.subscribers.remove(&session);
                self.update_dynacast(cx, *track);
            }
        }
        self.keep_data_of_left(cx.now, &mut participant);
        if self.identities.get(&participant.identity) == Some(&session) {
            self.identities.remove(&participant.identity);
        }
        self.told_speakers.remove(&session);
        self.recent_speakers.remove(&session);
        cx.sessions.remove(&session);
        cx.missed.remove(&session);
        for timer in [
            Timer::Join,
            Timer::Token,
            Timer::UnknownTracks,
            Timer::Requirement,
            Timer::Settings,
            Timer::Offer,
            Timer::Answer,
            Timer::Metrics,
        ] {
            cx.timers.cancel(timer(self.key, session));
        }
        if participant.negotiation.has_begun() {
            cx.media(MediaCommand::CloseConnection {
                connection: participant.connection(),
            });
        }
        if participant
            .subscriber
            .as_ref()
            .is_some_and(|subscriber| subscriber.has_begun())
        {
            cx.media(MediaCommand::CloseConnection {
                connection: participant.downstream(),
            });
        }
        cx.end(session, step);
        participant.stage = step.to;
        participant.changed();
        if step.others.is_some() && !participant.is_hidden() {
            let mut info = participant.info(cx, &self.tracks);
            info.disconnect_reason = step.reason.unwrap_or_default().into();
            for other in self.others(session) {
                self.send(
                    cx,
                    other,
                    Message::Update(ParticipantUpdate {
                        participants: vec![info.clone()],
                    }),
                );
            }
        }
        self.tell(cx, &participant, step);
        for other in affected {
            self.require_sections(cx, other);
        }
        self.room_changed(cx);
        if self.is_empty() && self.had_people {
            let deadline = cx.now + Duration::from_secs(self.departure_timeout_s.into());
            cx.timers.set_if_unset(Timer::Empty(self.key), deadline);
        }
    }

    /// Somebody is to be sent at most so much; `None` is no limit.
    pub fn limit_downlink(&mut self, cx: &mut Context, session: SessionId, bits_per_second: Option<u64>) {
        if let Some(participant) = self.participants.get_mut(&session) {
            participant.downlink_bps = bits_per_second;
            self.send_downlink_limit(cx, session);
        }
    }

    /// Tells the media plane the lower of the limits that hold for somebody.
    pub fn send_downlink_limit(&self, cx: &mut Context, session: SessionId) {
        if let Some(participant) = self.participants.get(&session) {
            let limits = [participant.downlink_bps, participant.tested.downlink_bps];
            cx.media(MediaCommand::LimitDownlink {
                connection: participant.downstream(),
                bits_per_second: limits.into_iter().flatten().min(),
            });
        }
    }

    /// Ends every session; the room is to be forgotten.
    pub fn close(&mut self, cx: &mut Context, cause: Cause) {
        let sessions: Vec<SessionId> = self.participants.keys().copied().collect();
        for session in sessions {
            self.live(cx, session, cause);
        }
        for timer in [Timer::Empty, Timer::RoomUpdate, Timer::Speakers, Timer::Quality] {
            cx.timers.cancel(timer(self.key));
        }
        cx.event(SfuEvent::RoomFinished { room: self.info() });
    }

    /// Counts have changed; they are told within [`ROOM_UPDATE_INTERVAL`].
    pub fn room_changed(&self, cx: &mut Context) {
        cx.timers
            .set_if_unset(Timer::RoomUpdate(self.key), cx.now + ROOM_UPDATE_INTERVAL);
    }

    /// Tells everybody what the room is like.
    pub fn send_room_update(&self, cx: &mut Context) {
        cx.timers.cancel(Timer::RoomUpdate(self.key));
        let room = self.info();
        for session in self.participants.keys() {
            self.send(
                cx,
                *session,
                Message::RoomUpdate(RoomUpdate {
                    room: Some(room.clone()),
                }),
            );
        }
    }

    /// Hands out a token with which the client may come again.
    pub fn send_token(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let now_unix_s = cx.unix_s();
        let remaining_s = participant.claims.expires_at_unix_s.saturating_sub(now_unix_s);
        let ttl_s = remaining_s.max(REFRESHED_TOKEN_TTL_S_MIN);
        let sign = |claims: &Claims| token::sign(claims, &cx.config.keys, now_unix_s, ttl_s);
        let token = sign(&participant.claims).and_then(|token| {
            if token.len() <= TOKEN_BYTES_MAX {
                return Ok(token);
            }
            // A token that opens the room without what its bearer has told of itself is better than one that we refuse.
            sign(&Claims {
                metadata: String::new(),
                attributes: BTreeMap::new(),
                ..participant.claims.clone()
            })
        });
        match token {
            Ok(token) => self.send(cx, session, Message::RefreshToken(token)),
            Err(error) => tracing::error!(%error, "no token could be refreshed"),
        }
        cx.timers
            .set(Timer::Token(self.key, session), cx.now + TOKEN_REFRESH_INTERVAL);
    }

    /// Changes what a participant is shown as and what it may do, or neither.
    pub fn change_participant(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        change: ParticipantChange,
    ) -> Result<(), SfuRefusal> {
        if change == ParticipantChange::default() {
            return Ok(());
        }
        let participant = self
            .participants
            .get_mut(&session)
            .ok_or(SfuRefusal::ParticipantNotFound)?;
        participant
            .describe(&change.name, &change.metadata, &change.attributes)
            .map_err(|text| SfuRefusal::Invalid(text.to_owned()))?;
        if let Some(mut permission) = change.permission {
            for source in &mut permission.can_publish_sources {
                *source = TrackSource::try_from(*source).unwrap_or_default().into();
            }
            participant.claims.video.set_permission(&permission);
            participant.permission = permission;
            let wishes: Vec<TrackId> = participant.subscriptions.keys().copied().collect();
            self.end_forbidden_tracks(cx, session);
            self.end_forbidden_data_tracks(cx, session);
            for track in wishes {
                self.refresh_permission(cx, session, track);
            }
        }
        self.broadcast_change(cx, session);
        self.review_data_tracks(cx, session);
        self.review_all_data_tracks(cx, session);
        self.send_token(cx, session);
        self.require_sections(cx, session);
        Ok(())
    }
}

/// What clients are told about us.
pub(crate) fn server_info(config: &SignalConfig) -> ServerInfo {
    ServerInfo {
        edition: Edition::Standard.into(),
        version: SERVER_VERSION.to_owned(),
        protocol: SERVER_PROTOCOL,
        region: config.region.clone(),
        node_id: config.node_id.clone(),
        ..ServerInfo::default()
    }
}
