//! Announcements (`add_track`): a client says what it is about to publish, or that it will send another codec of a track.

use crate::context::Context;
use crate::limits::{
    ANNOUNCEMENT_BYTES_MAX, CODECS_PER_TRACK_MAX, PENDING_TRACKS_MAX, PUBLISHED_TRACKS_MAX, QUEUED_TRACKS_MAX,
};
use crate::negotiate::codec::codec_named;
use crate::participant::Participant;
use crate::room::Room;
use crate::signalling::SessionId;
use crate::track::{self, PendingTrack, Track};
use livekit_protocol::request_response::{Reason, Request};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{AddTrackRequest, TrackInfo, TrackPublishedResponse, TrackType, encryption};
use prost::Message as _;

type Refusal = (Reason, &'static str);

impl Room {
    /// `add_track`
    pub fn handle_add_track(&mut self, cx: &mut Context, session: SessionId, request: AddTrackRequest) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let checked = check(participant, &request).and_then(|()| {
            if request.sid.is_empty() {
                self.check_limits(participant)
            } else {
                self.check_codec(participant, &request)
            }
        });
        if let Err((reason, text)) = checked {
            return self.respond(cx, session, 0, reason, text, Request::AddTrack(request));
        }
        if !request.sid.is_empty() {
            return self.announce_codec(cx, session, request);
        }
        if self.is_cid_taken(participant, &request.cid) {
            return self.queue(cx, session, request);
        }
        self.announce(cx, session, request);
    }

    fn check_limits(&self, participant: &Participant) -> Result<(), Refusal> {
        if participant.pending.len() >= PENDING_TRACKS_MAX {
            let text = "too many tracks are announced and not published";
            return Err((Reason::LimitExceeded, text));
        }
        if participant.pending.len() + self.tracks_of(participant.session).len() >= PUBLISHED_TRACKS_MAX {
            return Err((Reason::LimitExceeded, "too many tracks are published"));
        }
        Ok(())
    }

    /// Checks a request for another codec of a track.
    fn check_codec(&self, participant: &Participant, request: &AddTrackRequest) -> Result<(), Refusal> {
        let track = self
            .track_sids
            .get(&request.sid)
            .and_then(|id| self.tracks.get(id))
            .filter(|track| track.publisher == participant.session)
            .ok_or((Reason::NotFound, "the track does not exist"))?;
        if track.info.r#type() != request.r#type() {
            return Err((Reason::UnsupportedType, "the track is of another kind"));
        }
        let is_usable = |name: &str| {
            codec_named(name).is_some_and(|codec| {
                codec.is_video() == track.is_video() && participant.abilities.publish.contains(&codec)
            })
        };
        if !request
            .simulcast_codecs
            .iter()
            .any(|codec| is_usable(&codec.codec))
        {
            return Err((Reason::UnsupportedType, "the codec cannot be published"));
        }
        if track.info.codecs.len() >= CODECS_PER_TRACK_MAX {
            return Err((Reason::LimitExceeded, "the track has too many codecs"));
        }
        Ok(())
    }

    /// Whether a track with this cid is announced or published already.
    fn is_cid_taken(&self, participant: &Participant, cid: &str) -> bool {
        let has = |info: &TrackInfo| {
            let mut codecs = info.codecs.iter();
            codecs.any(|codec| !cid.is_empty() && (codec.cid == cid || codec.sdp_cid == cid))
        };
        let is_own = |track: &Track| track.publisher == participant.session;
        participant.pending.iter().any(|pending| pending.cid == cid)
            || self
                .tracks
                .values()
                .any(|track| is_own(track) && (track.cid == cid || has(&track.info)))
    }

    /// Keeps an announcement until the track with its cid has ended.
    fn queue(&mut self, cx: &mut Context, session: SessionId, request: AddTrackRequest) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let same = participant
            .queued
            .iter()
            .filter(|queued| queued.cid == request.cid)
            .count();
        let (reason, text) = if same >= QUEUED_TRACKS_MAX || participant.queued.len() >= PENDING_TRACKS_MAX {
            let text = "too many tracks wait for one with the same cid";
            (Reason::LimitExceeded, text)
        } else {
            participant.queued.push(request.clone());
            (Reason::Queued, "a track with the same cid is published already")
        };
        self.respond(cx, session, 0, reason, text, Request::AddTrack(request));
    }

    fn announce(&mut self, cx: &mut Context, session: SessionId, request: AddTrackRequest) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let info = track::track_info(&request, request.r#type(), &participant.abilities, &mut cx.names);
        participant.pending.push(PendingTrack {
            cid: request.cid.clone(),
            info: info.clone(),
        });
        self.confirm(cx, session, request.cid, info);
    }

    /// Another codec of a track is about to come.
    fn announce_codec(&mut self, cx: &mut Context, session: SessionId, request: AddTrackRequest) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let Some(track) = self
            .track_sids
            .get(&request.sid)
            .and_then(|id| self.tracks.get_mut(id))
        else {
            return;
        };
        for announced in request.simulcast_codecs.iter().take(CODECS_PER_TRACK_MAX) {
            let mut announced = announced.clone();
            if announced.cid.is_empty() {
                announced.cid.clone_from(&request.cid);
            }
            track::add_codec(&mut track.info, &request, &announced, &participant.abilities);
        }
        for codec in track.offered_codecs().collect::<Vec<_>>() {
            track.dynacast.add(cx.now, codec, false);
        }
        let info = track.info.clone();
        self.confirm(cx, session, request.cid, info);
    }

    fn confirm(&mut self, cx: &mut Context, session: SessionId, cid: String, info: TrackInfo) {
        let published = TrackPublishedResponse {
            cid,
            track: Some(info),
        };
        self.send(cx, session, Message::TrackPublished(published));
        // Its section may have come first.
        self.match_tracks(cx, session);
        self.send_receive_plan(cx, session, false);
    }

    /// Announcements that waited for a cid which is free now.
    pub fn publish_queued(&mut self, cx: &mut Context, session: SessionId) {
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
}

/// What is wrong with an announcement whatever else there is, in LiveKit's order.
fn check(participant: &Participant, request: &AddTrackRequest) -> Result<(), Refusal> {
    if request.encoded_len() > ANNOUNCEMENT_BYTES_MAX {
        return Err((Reason::LimitExceeded, "the announcement is too long"));
    }
    if !participant.may_publish(request.source()) {
        let text = "does not have permission to publish this source";
        return Err((Reason::NotAllowed, text));
    }
    let kind = TrackType::try_from(request.r#type);
    if !matches!(kind, Ok(TrackType::Audio | TrackType::Video)) {
        return Err((Reason::UnsupportedType, "a track is audio or video"));
    }
    // Everybody is told what it is, and a number without a name has no JSON form.
    if encryption::Type::try_from(request.encryption).is_err() {
        return Err((Reason::UnsupportedType, "the encryption is not known"));
    }
    Ok(())
}
