//! Publishing: an announcement (`add_track`) and a media section become a track, in either order.

use crate::api::SfuEvent;
use crate::context::Context;
use crate::dynacast::Dynacast;
use crate::limits::{ANNOUNCEMENT_BYTES_MAX, PENDING_TRACKS_MAX, PUBLISHED_TRACKS_MAX, QUEUED_TRACKS_MAX};
use crate::negotiate::offer::{Section, SectionKind};
use crate::participant::Participant;
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use crate::track::{self, PendingTrack, Track};
use hanse_sfu_core::command::MediaCommand;
use hanse_sfu_core::ids::TrackId;
use livekit_protocol::request_response::{Reason, Request};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AddTrackRequest, MuteTrackRequest, TrackInfo, TrackPublishedResponse, TrackType,
    TrackUnpublishedResponse, UpdateLocalAudioTrack, UpdateLocalVideoTrack, encryption,
};
use prost::Message as _;
use std::collections::BTreeSet;

/// Features that an audio track may list; there are far fewer.
const AUDIO_FEATURES_MAX: usize = 16;

impl Room {
    /// `add_track`: a client is about to publish.
    pub fn handle_add_track(&mut self, cx: &mut Context, session: SessionId, request: AddTrackRequest) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        if let Err((reason, text)) = self.check_announcement(participant, &request) {
            return self.respond(cx, session, 0, reason, text, Request::AddTrack(request));
        }
        if self.is_cid_taken(participant, &request.cid) {
            if participant.queued.len() >= QUEUED_TRACKS_MAX {
                let text = "too many tracks wait for one with the same cid";
                return self.respond(
                    cx,
                    session,
                    0,
                    Reason::LimitExceeded,
                    text,
                    Request::AddTrack(request),
                );
            }
            if let Some(participant) = self.participants.get_mut(&session) {
                participant.queued.push(request.clone());
            }
            let text = "a track with the same cid is published already";
            return self.respond(cx, session, 0, Reason::Queued, text, Request::AddTrack(request));
        }
        self.announce(cx, session, request);
    }

    fn check_announcement(
        &self,
        participant: &Participant,
        request: &AddTrackRequest,
    ) -> Result<(), (Reason, &'static str)> {
        if request.encoded_len() > ANNOUNCEMENT_BYTES_MAX {
            return Err((Reason::LimitExceeded, "the announcement is too long"));
        }
        if !request.sid.is_empty() {
            let is_own =
                |track: &Track| track.info.sid == request.sid && track.publisher == participant.session;
            return Err(if self.tracks.values().any(is_own) {
                (Reason::UnsupportedType, "a track has one codec here")
            } else {
                (Reason::NotFound, "the track does not exist")
            });
        }
        if !matches!(
            TrackType::try_from(request.r#type),
            Ok(TrackType::Audio | TrackType::Video)
        ) {
            return Err((Reason::UnsupportedType, "a track is audio or video"));
        }
        // Everybody is told what it is, and a number without a name has no JSON form.
        if encryption::Type::try_from(request.encryption).is_err() {
            return Err((Reason::UnsupportedType, "the encryption is not known"));
        }
        if !participant.may_publish(request.source()) {
            return Err((
                Reason::NotAllowed,
                "does not have permission to publish this source",
            ));
        }
        if participant.pending.len() >= PENDING_TRACKS_MAX {
            return Err((
                Reason::LimitExceeded,
                "too many tracks are announced and not published",
            ));
        }
        if participant.pending.len() + self.tracks_of(participant.session).len() >= PUBLISHED_TRACKS_MAX {
            return Err((Reason::LimitExceeded, "too many tracks are published"));
        }
        Ok(())
    }

    fn is_cid_taken(&self, participant: &Participant, cid: &str) -> bool {
        participant.pending.iter().any(|pending| pending.cid == cid)
            || self
                .tracks
                .values()
                .any(|track| track.publisher == participant.session && track.cid == cid)
    }

    fn announce(&mut self, cx: &mut Context, session: SessionId, request: AddTrackRequest) {
        let info = track::track_info(&request, request.r#type(), &mut cx.names);
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        participant.pending.push(PendingTrack {
            cid: request.cid.clone(),
            info: info.clone(),
        });
        self.send(
            cx,
            session,
            Message::TrackPublished(TrackPublishedResponse {
                cid: request.cid,
                track: Some(info),
            }),
        );
        // Its section may have come first.
        self.match_tracks(cx, session);
        self.send_receive_plan(cx, session, false);
    }

    /// Brings announcements and media sections together. Browsers put the client's own id of a track into its section;
    /// where none fits (Firefox, reused transceivers), the first announcement of the kind is meant.
    pub fn match_tracks(&mut self, cx: &mut Context, session: SessionId) {
        let mut live = Vec::new();
        for is_exact in [true, false] {
            while let Some((place, section)) = self.find_match(session, is_exact) {
                live.extend(self.go_live(cx, session, place, &section));
            }
        }
        if live.is_empty() {
            return;
        }
        self.broadcast_change(cx, session);
        self.room_changed(cx);
        let Some(publisher) = self.participants.get(&session) else {
            return;
        };
        if publisher.is_hidden() {
            return;
        }
        for other in self.others(session) {
            for track in &live {
                self.offer_track(cx, other, *track);
            }
            self.require_sections(cx, other);
        }
    }

    /// The place of an announcement, and the section that it belongs to.
    fn find_match(&self, session: SessionId, is_exact: bool) -> Option<(usize, Section)> {
        let participant = self.participants.get(&session)?;
        let negotiation = &participant.negotiation;
        let open = negotiation.sections.iter().filter(|section| {
            section.sends && section.codec.is_some() && !negotiation.publishing.contains_key(&section.mid)
        });
        for section in open {
            let place = participant.pending.iter().position(|pending| {
                let is_kind =
                    (pending.info.r#type() == TrackType::Video) == (section.kind == SectionKind::Video);
                is_kind && (!is_exact || is_meant(pending, section))
            });
            if let Some(place) = place {
                return Some((place, section.clone()));
            }
        }
        None
    }

    fn go_live(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        place: usize,
        section: &Section,
    ) -> Option<TrackId> {
        let participant = self.participants.get_mut(&session)?;
        let PendingTrack { cid, mut info } = participant.pending.remove(place);
        let sdp_cid = section.msid.as_ref().map(|msid| msid.track.as_str());
        track::set_negotiated(&mut info, &section.mid, sdp_cid);
        let id = cx.names.track();
        participant.negotiation.publishing.insert(section.mid, id);
        participant.is_publisher = true;
        let is_video = section.kind == SectionKind::Video;
        cx.track_rooms.insert(id, self.key);
        cx.event(SfuEvent::TrackPublished {
            room: self.name.clone(),
            room_sid: self.sid.clone(),
            identity: participant.identity.clone(),
            sid: participant.sid.clone(),
            track: Box::new(info.clone()),
        });
        self.track_sids.insert(info.sid.clone(), id);
        let track = Track {
            id,
            publisher: session,
            cid,
            mid: section.mid,
            info,
            layers: section.layers().len() as u8,
            subscribers: BTreeSet::new(),
            subscribed_told: false,
            dynacast: is_video.then(|| Dynacast::new(cx.now)),
            level: 0.0,
        };
        self.tracks.insert(id, track);
        self.update_dynacast(cx, id);
        Some(id)
    }

    /// Somebody may want a track: because it takes all, or because it has asked for this one already.
    pub fn offer_track(&mut self, cx: &mut Context, session: SessionId, track: TrackId) {
        let Some(sid) = self.tracks.get(&track).map(|track| track.info.sid.clone()) else {
            return;
        };
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        if participant.unknown_tracks.remove(&sid).is_some() || participant.auto_subscribe {
            self.subscribe(cx, session, track);
        }
    }

    /// After an offer: what the client does not send any more has ended; the layers of the rest may have changed.
    pub fn end_stopped_tracks(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let negotiation = &participant.negotiation;
        let mut stopped = Vec::new();
        let mut layered = Vec::new();
        for (mid, track) in &negotiation.publishing {
            match negotiation
                .section(mid)
                .filter(|section| section.sends && section.codec.is_some())
            {
                Some(section) => layered.push((*track, section.layers().len() as u8)),
                None => stopped.push(*track),
            }
        }
        for (id, layers) in layered {
            if let Some(track) = self.tracks.get_mut(&id).filter(|track| track.layers != layers) {
                track.layers = layers;
                self.update_wants(cx, id);
            }
        }
        self.end_tracks(cx, session, stopped);
    }

    /// Ends tracks of one publisher for everybody and tells so.
    pub fn end_tracks(&mut self, cx: &mut Context, session: SessionId, tracks: Vec<TrackId>) {
        if tracks.is_empty() {
            return;
        }
        let mut affected = BTreeSet::new();
        for track in tracks {
            affected.extend(self.end_track(cx, track));
        }
        self.broadcast_change(cx, session);
        self.publish_queued(cx, session);
        for other in affected {
            self.require_sections(cx, other);
        }
    }

    /// Ends a track; says who received it. The publisher's information has changed with it.
    pub fn end_track(&mut self, cx: &mut Context, id: TrackId) -> BTreeSet<SessionId> {
        let Some(track) = self.tracks.get(&id) else {
            return BTreeSet::new();
        };
        let (publisher, mid, sid) = (track.publisher, track.mid, track.info.sid.clone());
        let affected = track.subscribers.clone();
        for session in self.others(publisher) {
            self.unsubscribe(cx, session, id);
        }
        let ended = self.tracks.remove(&id);
        self.track_sids.remove(&sid);
        cx.track_rooms.remove(&id);
        cx.timers.cancel(Timer::Dynacast(self.key, id));
        if let (Some(track), Some(participant)) = (ended, self.participants.get_mut(&publisher)) {
            participant.negotiation.publishing.remove(&mid);
            cx.event(SfuEvent::TrackUnpublished {
                room: self.name.clone(),
                room_sid: self.sid.clone(),
                identity: participant.identity.clone(),
                sid: participant.sid.clone(),
                track: Box::new(track.info),
            });
        }
        affected
    }

    /// Announcements that waited for a cid which is free now.
    fn publish_queued(&mut self, cx: &mut Context, session: SessionId) {
        loop {
            let Some(participant) = self.participants.get(&session) else {
                return;
            };
            let free = participant
                .queued
                .iter()
                .position(|request| !self.is_cid_taken(participant, &request.cid));
            let (Some(place), Some(participant)) = (free, self.participants.get_mut(&session)) else {
                return;
            };
            let request = participant.queued.remove(place);
            self.handle_add_track(cx, session, request);
        }
    }

    /// What a participant may not publish any more ends, with a word to it.
    pub fn end_forbidden_tracks(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let mut pending = std::mem::take(&mut participant.pending);
        let mut told: Vec<String> = Vec::new();
        pending.retain(|pending| {
            let is_allowed = participant.may_publish(pending.info.source());
            if !is_allowed {
                told.push(pending.info.sid.clone());
            }
            is_allowed
        });
        participant.pending = pending;
        let mut queued = std::mem::take(&mut participant.queued);
        queued.retain(|request| participant.may_publish(request.source()));
        participant.queued = queued;
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let mut forbidden = Vec::new();
        for track in self.tracks.values().filter(|track| track.publisher == session) {
            if !participant.may_publish(track.info.source()) {
                told.push(track.info.sid.clone());
                forbidden.push(track.id);
            }
        }
        self.end_tracks(cx, session, forbidden);
        self.send_receive_plan(cx, session, false);
        for track_sid in told {
            self.send(
                cx,
                session,
                Message::TrackUnpublished(TrackUnpublishedResponse { track_sid }),
            );
        }
    }

    /// `mute`: a client mutes or unmutes one of its own tracks.
    pub fn handle_mute(&mut self, cx: &mut Context, session: SessionId, request: MuteTrackRequest) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        if let Some(pending) = participant
            .pending
            .iter_mut()
            .find(|pending| pending.info.sid == request.sid)
        {
            pending.info.muted = request.muted;
            return;
        }
        let Some(track) = self.own_track(session, &request.sid) else {
            let text = "the track does not exist";
            return self.respond(cx, session, 0, Reason::NotFound, text, Request::Mute(request));
        };
        let id = track.id;
        self.set_muted(cx, session, id, request.muted);
    }

    /// Mutes a track at somebody else's wish: its publisher's client is told to. `None`: it has no such track.
    pub fn mute(&mut self, cx: &mut Context, session: SessionId, sid: &str) -> Option<TrackInfo> {
        let id = self.own_track(session, sid)?.id;
        self.set_muted(cx, session, id, true);
        let mute = MuteTrackRequest {
            sid: sid.to_owned(),
            muted: true,
        };
        self.send(cx, session, Message::Mute(mute));
        self.tracks.get(&id).map(|track| track.info.clone())
    }

    fn set_muted(&mut self, cx: &mut Context, session: SessionId, id: TrackId, muted: bool) {
        let Some(track) = self.tracks.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut track.info.muted, muted) == muted {
            return;
        }
        if muted {
            self.silence(cx, id);
        } else if let Some(dynacast) = track.dynacast.as_mut() {
            dynacast.refresh(cx.now);
            cx.media(MediaCommand::RequestKeyFrame { track: id });
        }
        self.broadcast_change(cx, session);
        self.update_dynacast(cx, id);
    }

    /// `update_audio_track`
    pub fn handle_update_audio(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        request: UpdateLocalAudioTrack,
    ) {
        let Some(track) = self
            .own_track(session, &request.track_sid)
            .filter(|track| !track.is_video())
        else {
            let text = "the audio track does not exist";
            return self.respond(
                cx,
                session,
                0,
                Reason::NotFound,
                text,
                Request::UpdateAudioTrack(request),
            );
        };
        let features: BTreeSet<i32> = request.features.into_iter().take(AUDIO_FEATURES_MAX).collect();
        track::set_audio_features(&mut track.info, features.into_iter().collect());
        self.broadcast_change(cx, session);
    }

    /// `update_video_track`
    pub fn handle_update_video(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        request: UpdateLocalVideoTrack,
    ) {
        let Some(track) = self
            .own_track(session, &request.track_sid)
            .filter(|track| track.is_video())
        else {
            let text = "the video track does not exist";
            return self.respond(
                cx,
                session,
                0,
                Reason::NotFound,
                text,
                Request::UpdateVideoTrack(request),
            );
        };
        track.info.width = request.width;
        track.info.height = request.height;
        self.broadcast_change(cx, session);
    }

    /// Whose track it is comes first: nobody touches another one's.
    fn own_track(&mut self, session: SessionId, sid: &str) -> Option<&mut Track> {
        let id = self.track_sids.get(sid)?;
        self.tracks.get_mut(id).filter(|track| track.publisher == session)
    }

    pub fn tracks_of(&self, session: SessionId) -> Vec<TrackId> {
        self.tracks
            .values()
            .filter(|track| track.publisher == session)
            .map(|track| track.id)
            .collect()
    }
}

fn is_meant(pending: &PendingTrack, section: &Section) -> bool {
    let Some(msid) = &section.msid else { return false };
    let names = |cid: &str| !cid.is_empty() && (cid == msid.track || cid == msid.stream);
    names(&pending.cid) || pending.info.codecs.iter().any(|codec| names(&codec.cid))
}
