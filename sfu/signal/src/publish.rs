//! Publishing: an announcement (`add_track`) and a media section become a track, in either order.

use crate::api::SfuEvent;
use crate::client::Abilities;
use crate::context::Context;
use crate::dynacast::TrackDynacast;
use crate::negotiate::Incoming;
use crate::negotiate::codec::{codec_named, to_publish};
use crate::negotiate::offer::{Section, SectionKind};
use crate::room::Room;
use crate::signalling::SessionId;
use crate::timers::Timer;
use crate::track::{self, PendingTrack, Source, Track};
use hanse_sfu_core::command::{Codec, Layering, MediaCommand};
use hanse_sfu_core::ids::{Mid, TrackId};
use livekit_protocol::request_response::{Reason, Request};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    MuteTrackRequest, TrackInfo, TrackType, TrackUnpublishedResponse, UpdateLocalAudioTrack,
    UpdateLocalVideoTrack, encryption,
};
use std::collections::BTreeSet;

/// Features that an audio track may list; there are far fewer.
const AUDIO_FEATURES_MAX: usize = 16;

impl Room {
    /// Brings announcements and media sections together. Browsers put the client's own id of a track into its section;
    /// where none fits (Firefox, reused transceivers), the first announcement of the kind is meant.
    pub fn match_tracks(&mut self, cx: &mut Context, session: SessionId) {
        let mut live = Vec::new();
        let mut grown = Vec::new();
        for is_exact in [true, false] {
            while let Some((found, section)) = self.find_match(session, is_exact) {
                match found {
                    Match::Pending(place) => match self.go_live(cx, session, place, &section) {
                        Some(track) => live.push(track),
                        None => break,
                    },
                    Match::Backup(track, codec) => match self.add_source(cx, session, track, codec, &section)
                    {
                        Some(()) => grown.push(track),
                        None => break,
                    },
                }
            }
        }
        if live.is_empty() && grown.is_empty() {
            return;
        }
        self.broadcast_change(cx, session);
        self.room_changed(cx);
        for track in grown {
            self.rebind_awaiting(cx, track);
        }
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

    /// What a section that the client sends on belongs to, and the section.
    fn find_match(&self, session: SessionId, is_exact: bool) -> Option<(Match, Section)> {
        let participant = self.participants.get(&session)?;
        let negotiation = &participant.negotiation;
        let publish = &participant.abilities.publish;
        let open = negotiation.sections.iter().filter(|section| {
            section.sends
                && section
                    .formats
                    .iter()
                    .any(|format| publish.contains(&format.codec))
                && !negotiation.publishing.contains_key(&section.mid)
        });
        // Hardly ever there.
        let growing: Vec<&Track> = self
            .tracks
            .values()
            .filter(|track| track.publisher == session && track.offered_codecs().next().is_some())
            .collect();
        for section in open {
            let is_kind = |info: &TrackInfo| {
                (info.r#type() == TrackType::Video) == (section.kind == SectionKind::Video)
            };
            let place = participant.pending.iter().position(|pending| {
                is_kind(&pending.info) && (!is_exact || is_meant(&pending.cid, &pending.info, section))
            });
            if let Some(place) = place {
                return Some((Match::Pending(place), section.clone()));
            }
            // A codec that was announced for a track, and that the section can carry.
            for track in growing.iter().filter(|track| is_kind(&track.info)) {
                let announced = track.info.codecs.iter().filter(|codec| {
                    codec.mid.is_empty()
                        && !codec.cid.is_empty()
                        && (!is_exact || is_named(&codec.cid, section))
                });
                let codec = announced
                    .filter_map(|codec| codec_named(&codec.mime_type))
                    .find(|codec| publish.contains(codec) && section.has_codec(*codec));
                if let Some(codec) = codec {
                    return Some((Match::Backup(track.id, codec), section.clone()));
                }
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
        let wanted = wanted_codec(
            &participant.pending.get(place)?.info,
            &participant.abilities,
            section,
        )?;
        let PendingTrack { cid, mut info } = participant.pending.remove(place);
        let negotiation = &mut participant.negotiation;
        // A section that came before its announcement is answered already.
        let codec = *negotiation.answered.entry(section.mid).or_insert(wanted);
        let format = to_publish(&section.formats, codec)?;
        track::set_negotiated(&mut info, section, codec, true);
        let id = cx.names.track();
        let source = Source::new(id, &info, section, format);
        let incoming = Incoming {
            track: id,
            source: id,
            layering: source.layering,
        };
        negotiation.publishing.insert(section.mid, incoming);
        participant.is_publisher = true;
        cx.track_rooms.insert(id, self.key);
        cx.event(SfuEvent::TrackPublished {
            room: self.name.clone(),
            room_sid: self.sid.clone(),
            identity: participant.identity.clone(),
            sid: participant.sid.clone(),
            track: Box::new(info.clone()),
        });
        self.track_sids.insert(info.sid.clone(), id);
        let backup = info.codecs.get(1);
        let backup = backup.and_then(|codec| codec_named(&codec.mime_type));
        let mut track = Track {
            id,
            publisher: session,
            cid,
            info,
            sources: vec![source],
            backup,
            regressed: None,
            subscribers: BTreeSet::new(),
            subscribed_told: false,
            dynacast: TrackDynacast::default(),
            level: 0.0,
        };
        if track.is_video() {
            track.dynacast.add(cx.now, codec, true);
            for codec in track.offered_codecs().collect::<Vec<_>>() {
                track.dynacast.add(cx.now, codec, false);
            }
        }
        self.tracks.insert(id, track);
        self.update_dynacast(cx, id);
        Some(id)
    }

    /// Another codec of a track comes in from now on.
    fn add_source(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        track: TrackId,
        codec: Codec,
        section: &Section,
    ) -> Option<()> {
        let negotiation = &mut self.participants.get_mut(&session)?.negotiation;
        let track = self.tracks.get_mut(&track)?;
        let codec = *negotiation
            .answered
            .entry(section.mid)
            .and_modify(|answered| {
                if track
                    .sources
                    .iter()
                    .any(|source| source.format.codec == *answered)
                {
                    *answered = codec;
                }
            })
            .or_insert(codec);
        let format = to_publish(&section.formats, codec)?;
        track::set_negotiated(&mut track.info, section, codec, false);
        let id = cx.names.track();
        let source = Source::new(id, &track.info, section, format);
        let incoming = Incoming {
            track: track.id,
            source: id,
            layering: source.layering,
        };
        negotiation.publishing.insert(section.mid, incoming);
        cx.track_rooms.insert(id, self.key);
        track.sources.push(source);
        if track.is_video() {
            track.dynacast.add(cx.now, codec, false);
        }
        Some(())
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
        let goes_on = |mid: &Mid, codec: Codec| {
            negotiation
                .section(mid)
                .filter(|section| section.sends && section.has_codec(codec))
        };
        let mut stopped = Vec::new();
        let mut reduced = Vec::new();
        let mut layered = Vec::new();
        for (mid, incoming) in &negotiation.publishing {
            let codec = negotiation.answered.get(mid);
            match codec.and_then(|codec| goes_on(mid, *codec)) {
                Some(section) => layered.push((*incoming, section.layers().len() as u8)),
                None if incoming.source == incoming.track => stopped.push(incoming.track),
                None => reduced.push(*incoming),
            }
        }
        let over: Vec<Mid> = negotiation
            .answered
            .iter()
            .filter(|(mid, codec)| goes_on(mid, **codec).is_none())
            .map(|(mid, _)| *mid)
            .collect();
        for (incoming, layers) in layered {
            if incoming.layering == Layering::InStream {
                continue;
            }
            let track = self.tracks.get_mut(&incoming.track);
            let source = track.and_then(|track| {
                let mut sources = track.sources.iter_mut();
                sources.find(|source| source.id == incoming.source)
            });
            if let Some(source) = source.filter(|source| source.layers != layers) {
                source.layers = layers;
                self.update_wants(cx, incoming.track);
            }
        }
        self.end_tracks(cx, session, stopped);
        for incoming in reduced {
            self.end_source(cx, session, incoming);
        }
        if let Some(participant) = self.participants.get_mut(&session) {
            for mid in over {
                participant.negotiation.answered.remove(&mid);
            }
        }
    }

    /// A backup codec does not come in any more; whoever got it gets another one, or waits for it.
    fn end_source(&mut self, cx: &mut Context, session: SessionId, incoming: Incoming) {
        let Some(track) = self.tracks.get_mut(&incoming.track) else {
            return;
        };
        let Some(place) = track
            .sources
            .iter()
            .position(|source| source.id == incoming.source)
        else {
            return;
        };
        let source = track.sources.remove(place);
        track.regressed = track.regressed.filter(|regressed| *regressed != source.id);
        track::set_stopped(&mut track.info, &source.mid);
        let subscribers = track.subscribers.clone();
        cx.track_rooms.remove(&source.id);
        if let Some(participant) = self.participants.get_mut(&session) {
            participant.negotiation.publishing.remove(&source.mid);
        }
        self.broadcast_change(cx, session);
        for other in subscribers {
            let bound = self
                .participants
                .get(&other)
                .and_then(|participant| participant.subscriptions.get(&incoming.track)?.bound.as_ref());
            if bound.is_some_and(|bound| bound.source == source.id) {
                self.unbind(cx, other, incoming.track);
                self.require_sections(cx, other);
            }
        }
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
        let (publisher, sid) = (track.publisher, track.info.sid.clone());
        let affected = track.subscribers.clone();
        for session in self.others(publisher) {
            self.unsubscribe(cx, session, id);
        }
        let ended = self.tracks.remove(&id);
        self.track_sids.remove(&sid);
        cx.timers.cancel(Timer::Dynacast(self.key, id));
        if let (Some(track), Some(participant)) = (ended, self.participants.get_mut(&publisher)) {
            for source in &track.sources {
                cx.track_rooms.remove(&source.id);
                participant.negotiation.publishing.remove(&source.mid);
            }
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
        // What was only announced may have held up others, too.
        self.publish_queued(cx, session);
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
        } else if track.is_video() {
            track.dynacast.refresh(cx.now);
            for source in &track.sources {
                cx.media(MediaCommand::RequestKeyFrame { track: source.id });
            }
        }
        self.interrupt_scores(cx, id);
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

/// What a section was found to belong to.
enum Match {
    /// The announcement at this place.
    Pending(usize),
    /// Another codec of a track.
    Backup(TrackId, Codec),
}

fn is_named(cid: &str, section: &Section) -> bool {
    let Some(msid) = &section.msid else { return false };
    !cid.is_empty() && (cid == msid.track || cid == msid.stream)
}

fn is_meant(cid: &str, info: &TrackInfo, section: &Section) -> bool {
    is_named(cid, section) || info.codecs.iter().any(|codec| is_named(&codec.cid, section))
}

/// The codec in which a track is to come in on a section: the announced one if the section has it, else the client's own
/// preference. Sound without an announced codec comes with redundancy (RED), unless that is not wanted, or the frames are
/// sealed: then it could not be taken off for receivers that do not know it.
fn wanted_codec(info: &TrackInfo, abilities: &Abilities, section: &Section) -> Option<Codec> {
    let is_possible = |codec: &Codec| abilities.publish.contains(codec) && section.has_codec(*codec);
    let announced = info
        .codecs
        .first()
        .and_then(|codec| codec_named(&codec.mime_type));
    let may_be_red = announced.is_none()
        && !info.disable_red
        && info.encryption() == encryption::Type::None
        && info.r#type() == TrackType::Audio;
    announced
        .or(may_be_red.then_some(Codec::Red))
        .filter(is_possible)
        .or_else(|| {
            let own = section.formats.iter().map(|format| format.codec);
            own.filter(|codec| *codec != Codec::Red).find(is_possible)
        })
}
