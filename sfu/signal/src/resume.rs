//! Resuming: a client whose socket broke comes again with a new one and goes on with its session. Its transports have
//! their own life and are not touched; a client that wants another path restarts ICE ([`crate::negotiate`]).
//!
//! What a resume needs is in the participant alone. It is told, in this order: `reconnect`; what it may have missed and
//! no state repeats ([`crate::missed`]); everything else as state. Then the client says in `sync_state` what it holds
//! for true, and what differs is put right, or it joins anew.

use crate::context::Context;
use crate::join::{Admission, JoinAttempt, PeerConnections};
use crate::life::Cause;
use crate::limits::{LIST_ENTRIES_MAX, REQUIREMENT_WAIT};
use crate::missed::Missed;
use crate::negotiate::offer::SectionKind;
use crate::participant::Participant;
use crate::room::{Room, server_info};
use crate::signalling::SessionId;
use crate::timers::Timer;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    JoinRequest, ParticipantUpdate, ReconnectResponse, RoomUpdate, SyncState, UpdateTrackSettings,
};
use std::collections::HashSet;

impl Room {
    /// The session that a client may go on with. `None`: there is none, it is another one than the client means, it
    /// speaks the other form, or more was said to it than is remembered.
    pub fn resumable(
        &self,
        cx: &mut Context,
        attempt: &JoinAttempt,
        admission: &Admission<'_>,
    ) -> Option<SessionId> {
        let session = *self.identities.get(&admission.identity)?;
        let participant = self.participants.get(&session)?;
        let asked = &admission.request.participant_sid;
        // Clients of long ago only say who they are.
        let is_meant = asked.is_empty() || *asked == participant.sid;
        let has_two = attempt.peer_connections == PeerConnections::Two;
        if !is_meant || has_two != participant.subscriber.is_some() {
            return None;
        }
        let now = cx.now;
        let log = cx.missed.get_mut(&session)?;
        if participant.stage.is_reachable() {
            log.settle(now);
        }
        log.is_whole().then_some(session)
    }

    /// Goes on with a session on a new socket.
    pub fn resume(&mut self, cx: &mut Context, session: SessionId, request: &JoinRequest) {
        self.live(cx, session, Cause::Resume);
        // What other clients say in messages afterwards, a client may bring along.
        if let Some(state) = &request.sync_state {
            self.handle_sync_state(cx, session, state.clone());
        }
        let offer = request.publisher_offer.as_ref();
        if let Some(offer) = offer.filter(|offer| !offer.sdp.is_empty()) {
            self.handle_offer(cx, session, offer);
        }
        if self.closes_resume(cx.now, session) {
            cx.close(session);
            self.live(cx, session, Cause::SocketClosed);
        }
    }

    /// Everything that a client has to hear that comes again.
    pub fn send_reconnect(&mut self, cx: &mut Context, session: SessionId) {
        let ice_servers = self.ice_servers(cx, session);
        let client_configuration = self.client_configuration(cx, session);
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let reconnect = ReconnectResponse {
            ice_servers,
            client_configuration,
            server_info: Some(server_info(&cx.config)),
            last_message_seq: participant.data.last_sequence(),
        };
        participant.negotiation.doubt_slots();
        participant.data.expect_receive_states();
        // Before anything is said to the new socket: what is said to one that is there makes the log forget.
        let log = cx.missed.get_mut(&session);
        let missed = log.map(|log| log.take()).unwrap_or_default();
        self.send(cx, session, Message::Reconnect(reconnect));
        self.send_missed(cx, session, missed);
        let everybody = self
            .participants
            .values()
            .filter(|participant| participant.session == session || !participant.is_hidden())
            .map(|participant| participant.info(cx, &self.tracks))
            .collect();
        let update = ParticipantUpdate {
            participants: everybody,
        };
        self.send(cx, session, Message::Update(update));
        let room = Some(self.info());
        self.send(cx, session, Message::RoomUpdate(RoomUpdate { room }));
        self.send_token(cx, session);
        self.repeat_dynacast(cx, session);
        self.repeat_stream_states(cx, session);
        self.repeat_speakers(cx, session);
        self.owe_quality(cx, session);
        self.repeat_data_track_handles(cx, session);
        self.negotiate_again(cx, session);
    }

    /// What was said and may not have arrived, if it still holds: those who are gone first.
    fn send_missed(&mut self, cx: &mut Context, session: SessionId, missed: Vec<Missed>) {
        let mut gone = Vec::new();
        let mut said = Vec::new();
        // Of what a later word replaces, only that one.
        let mut permissions = HashSet::new();
        for missed in missed.into_iter().rev() {
            match missed {
                Missed::Gone(one) if !self.is_seen(&one.identity) => gone.push(one.into_info()),
                // It is back already. Clients go by identity and would take the new one for gone.
                Missed::Gone(_) => {}
                Missed::Said(message) => {
                    let is_latest = match &*message {
                        Message::SubscriptionPermissionUpdate(update) => {
                            permissions.insert(update.track_sid.clone())
                        }
                        _ => true,
                    };
                    if is_latest && self.still_holds(session, &message) {
                        said.push(*message);
                    }
                }
            }
        }
        if !gone.is_empty() {
            gone.reverse();
            self.send(
                cx,
                session,
                Message::Update(ParticipantUpdate { participants: gone }),
            );
        }
        for message in said.into_iter().rev() {
            self.send(cx, session, message);
        }
    }

    /// Others see somebody of this identity.
    fn is_seen(&self, identity: &str) -> bool {
        self.identities
            .get(identity)
            .and_then(|session| self.participants.get(session))
            .is_some_and(|participant| !participant.is_hidden())
    }

    fn still_holds(&self, session: SessionId, message: &Message) -> bool {
        let Some(participant) = self.participants.get(&session) else {
            return false;
        };
        let track = |sid: &str| self.track_sids.get(sid).and_then(|id| self.tracks.get(id));
        match message {
            // Its client may have unmuted since.
            Message::Mute(mute) => track(&mute.sid).is_some_and(|track| track.info.muted),
            Message::SubscriptionPermissionUpdate(update) => track(&update.track_sid).is_some(),
            // It may have been asked for again since.
            Message::SubscriptionResponse(response) => self
                .track_sids
                .get(&response.track_sid)
                .is_none_or(|id| !participant.subscriptions.contains_key(id)),
            Message::TrackPublished(published) => {
                let sid = published.track.as_ref().map_or("", |track| &track.sid);
                self.publishes(participant, sid)
            }
            Message::TrackSubscribed(subscribed) => track(&subscribed.track_sid).is_some(),
            _ => true,
        }
    }

    /// Whether a participant publishes a track, or has announced it.
    fn publishes(&self, participant: &Participant, sid: &str) -> bool {
        let is_own = |id| {
            let track = self.tracks.get(id);
            track.is_some_and(|track| track.publisher == participant.session)
        };
        self.track_sids.get(sid).is_some_and(is_own)
            || participant.pending.iter().any(|pending| pending.info.sid == sid)
    }

    /// What was offered, or asked for, may never have arrived.
    fn negotiate_again(&mut self, cx: &mut Context, session: SessionId) {
        let is_waiting = [SectionKind::Audio, SectionKind::Video]
            .into_iter()
            .any(|kind| !self.waiting(session, kind).is_empty());
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        if participant.subscriber.is_some() {
            return self.offer_again(cx, session);
        }
        let negotiation = &mut participant.negotiation;
        negotiation.requirement = None;
        if is_waiting {
            self.require_sections(cx, session);
        } else if negotiation.has_begun() {
            // Clients that resume offer by themselves.
            negotiation.expect_offer();
            cx.timers
                .set(Timer::Requirement(self.key, session), cx.now + REQUIREMENT_WAIT);
        }
    }

    /// `sync_state`: what a client that has resumed holds for true.
    pub fn handle_sync_state(&mut self, cx: &mut Context, session: SessionId, state: SyncState) {
        if !self.knows_published(cx, session, &state) {
            tracing::info!(
                session = session.0,
                "a client believes to publish what it does not"
            );
            return self.live(cx, session, Cause::Confused);
        }
        let disabled: Vec<String> = state
            .track_sids_disabled
            .into_iter()
            .take(LIST_ENTRIES_MAX)
            .filter(|sid| !self.is_disabled(session, sid))
            .collect();
        if !disabled.is_empty() {
            let settings = UpdateTrackSettings {
                track_sids: disabled,
                disabled: true,
                ..UpdateTrackSettings::default()
            };
            self.handle_track_setting(cx, session, settings);
        }
        if let Some(subscription) = state.subscription {
            self.handle_subscription(cx, session, subscription);
        }
        if let Some(subscription) = state.data_subscription {
            self.handle_data_subscription(cx, session, subscription);
        }
        self.resend_data(cx, session, &state.datachannel_receive_states);
    }

    /// Every track that the client believes to publish is there, or it was told of its end a moment ago.
    fn knows_published(&self, cx: &Context, session: SessionId, state: &SyncState) -> bool {
        let Some(participant) = self.participants.get(&session) else {
            return true;
        };
        let mut ended: HashSet<&str> = HashSet::new();
        for message in cx.missed.get(&session).into_iter().flat_map(|log| log.said()) {
            match message {
                Message::TrackUnpublished(track) => ended.insert(&track.track_sid),
                Message::UnpublishDataTrackResponse(track) => {
                    ended.insert(track.info.as_ref().map_or("", |info| &info.sid))
                }
                _ => continue,
            };
        }
        let tracks = state.publish_tracks.iter().all(|published| {
            let sid = published.track.as_ref().map(|track| track.sid.as_str());
            sid.is_some_and(|sid| ended.contains(sid) || self.publishes(participant, sid))
        });
        let own = participant.data.track_infos();
        let data_tracks = state.publish_data_tracks.iter().all(|published| {
            let sid = published.info.as_ref().map(|info| info.sid.as_str());
            sid.is_some_and(|sid| ended.contains(sid) || own.iter().any(|info| info.sid == sid))
        });
        tracks && data_tracks
    }

    /// Its size is not to be forgotten for nothing.
    fn is_disabled(&self, session: SessionId, sid: &str) -> bool {
        let participant = self.participants.get(&session);
        let subscription = self
            .track_sids
            .get(sid)
            .zip(participant)
            .and_then(|(track, participant)| participant.subscriptions.get(track));
        subscription
            .and_then(|subscription| subscription.next_setting.or(subscription.setting))
            .is_some_and(|setting| setting.is_disabled)
    }
}
