//! Down tracks: binding wishes to slots, forwarding, what is wanted of each, and what that means for the publisher.

use crate::choose::{Choice, choose};
use crate::context::Context;
use crate::dynacast::Wanted;
use crate::negotiate::codec::Format;
use crate::negotiate::offer::SectionKind;
use crate::negotiate::slots::Slot;
use crate::participant::Participant;
use crate::room::Room;
use crate::score::Score;
use crate::signalling::SessionId;
use crate::subscribe::{Bound, Subscription};
use crate::timers::Timer;
use crate::track::{Source, Track};
use hanse_sfu_core::command::{Codec, MediaCommand, SendPlan};
use hanse_sfu_core::ids::{Mid, TrackId};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{StreamState, StreamStateInfo, StreamStateUpdate, SubscriptionError, TrackSubscribed};
use std::collections::BTreeSet;

impl Room {
    /// A wish has changed: tells the media plane, and the publisher when it is time.
    pub fn update_want(&mut self, cx: &mut Context, session: SessionId, track: TrackId) {
        let Some(known) = self.tracks.get(&track) else {
            return;
        };
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let is_adaptive = participant.adaptive_stream;
        let Some(subscription) = participant.subscriptions.get_mut(&track) else {
            return;
        };
        let source = subscription.bound.as_ref().map(|bound| bound.source);
        let Some(source) = source.and_then(|source| known.source(source)) else {
            return;
        };
        let want = subscription.want(known, source, is_adaptive);
        let Some(bound) = subscription.bound.as_mut() else {
            return;
        };
        let goes_out = known.subscribers.contains(&session);
        let before = std::mem::replace(&mut bound.want, want);
        if before.enabled != want.enabled {
            bound.score.interrupt();
        }
        if before != want && goes_out {
            cx.media(MediaCommand::SetWant {
                down_track: bound.down_track,
                want,
            });
        }
        self.update_dynacast(cx, track);
    }

    /// Wants of all subscribers again, after the layers of a track have changed.
    pub fn update_wants(&mut self, cx: &mut Context, track: TrackId) {
        let subscribers = self
            .tracks
            .get(&track)
            .map(|track| track.subscribers.clone())
            .unwrap_or_default();
        for session in subscribers {
            self.update_want(cx, session, track);
        }
    }

    /// Subscriptions of a kind that have no slot though they may have one, the oldest track first.
    pub fn waiting(&self, session: SessionId, kind: SectionKind) -> Vec<TrackId> {
        let Some(participant) = self.participants.get(&session) else {
            return Vec::new();
        };
        let is_of_kind = |track: &TrackId| {
            self.tracks
                .get(track)
                .is_some_and(|track| track.is_video() == (kind == SectionKind::Video))
        };
        participant
            .subscriptions
            .iter()
            .filter(|(track, subscription)| {
                subscription.is_permitted
                    && subscription.bound.is_none()
                    && subscription.awaits.is_none()
                    && is_of_kind(track)
            })
            .map(|(track, _)| *track)
            .collect()
    }

    /// Gives free slots to waiting subscriptions; the answer that follows will map them.
    pub fn bind_waiting(&mut self, cx: &mut Context, session: SessionId) -> Vec<TrackId> {
        let mut bound = Vec::new();
        for kind in [SectionKind::Audio, SectionKind::Video] {
            let Some(participant) = self.participants.get(&session) else {
                break;
            };
            let mut free = participant.negotiation.free_slots(kind).into_iter().peekable();
            for track in self.waiting(session, kind) {
                let Some(mid) = free.peek().copied() else {
                    break;
                };
                let section = self
                    .participants
                    .get(&session)
                    .and_then(|participant| participant.negotiation.section(&mid));
                let formats = section.map(|section| section.formats.clone()).unwrap_or_default();
                match self.bind(cx, session, track, mid, &formats) {
                    Binding::Done => {
                        free.next();
                        if let Some(participant) = self.participants.get_mut(&session) {
                            participant.negotiation.slots.insert(mid, Slot::Busy(track));
                        }
                        bound.push(track);
                    }
                    Binding::Awaits => self.update_dynacast(cx, track),
                    Binding::Impossible => {
                        let error = SubscriptionError::SeCodecUnsupported;
                        self.refuse_subscription(cx, session, track, error);
                    }
                }
            }
        }
        bound
    }

    /// Gives a section to a subscription that can go out in one of these formats.
    pub fn bind(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        track: TrackId,
        mid: Mid,
        formats: &[Format],
    ) -> Binding {
        let (Some(known), Some(participant)) = (self.tracks.get(&track), self.participants.get_mut(&session))
        else {
            return Binding::Impossible;
        };
        let mut taken = participant.ssrcs();
        let is_adaptive = participant.adaptive_stream;
        let Some(subscription) = participant.subscriptions.get_mut(&track) else {
            return Binding::Impossible;
        };
        let (source, format) = match chosen(subscription, known, formats) {
            Ok(chosen) => chosen,
            Err(binding) => return binding,
        };
        if let Some(setting) = subscription.setting.as_mut().filter(|_| is_adaptive) {
            // It was hidden when it ended; an adaptive client says anew what it shows.
            setting.is_disabled = false;
        }
        let ssrc = free_ssrc(cx, &taken);
        taken.insert(ssrc);
        subscription.bound = Some(Bound {
            down_track: cx.names.down_track(),
            source: source.id,
            mid,
            ssrc,
            rtx_ssrc: format.rtx_payload_type.map(|_| free_ssrc(cx, &taken)),
            format: format.clone(),
            want: subscription.want(known, source, is_adaptive),
            score: Score::default(),
            layers: None,
            told_paused: None,
        });
        Binding::Done
    }

    /// The client has answered what was offered with these formats: the subscription goes out in one of them, awaits a
    /// codec that they have, or cannot be served.
    pub fn settle_format(&mut self, session: SessionId, track: TrackId, formats: &[Format]) -> Binding {
        let (Some(known), Some(participant)) = (self.tracks.get(&track), self.participants.get_mut(&session))
        else {
            return Binding::Impossible;
        };
        let is_adaptive = participant.adaptive_stream;
        let Some(subscription) = participant.subscriptions.get_mut(&track) else {
            return Binding::Impossible;
        };
        let (source, format) = match chosen(subscription, known, formats) {
            Ok(chosen) => chosen,
            Err(binding) => return binding,
        };
        let want = subscription.want(known, source, is_adaptive);
        let Some(bound) = &mut subscription.bound else {
            return Binding::Impossible;
        };
        bound.source = source.id;
        bound.format = format.clone();
        bound.rtx_ssrc = bound.rtx_ssrc.filter(|_| format.rtx_payload_type.is_some());
        bound.want = want;
        Binding::Done
    }

    /// A track has got another codec: whoever waited for one tries again.
    pub fn rebind_awaiting(&mut self, cx: &mut Context, track: TrackId) {
        let mut affected = Vec::new();
        for (session, participant) in &mut self.participants {
            let subscription = participant.subscriptions.get_mut(&track);
            if subscription.is_some_and(|subscription| subscription.awaits.take().is_some()) {
                affected.push(*session);
            }
        }
        for session in affected {
            self.require_sections(cx, session);
        }
    }

    /// The client knows or is told where a track goes out: media may follow.
    pub fn start_forwarding(&mut self, cx: &mut Context, session: SessionId, track: TrackId) {
        let Some(known) = self.tracks.get(&track) else {
            return;
        };
        let publisher = known.publisher;
        let cname = self.stream_id(known);
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let Some(bound) = participant
            .subscriptions
            .get(&track)
            .and_then(|subscription| subscription.bound.as_ref())
        else {
            return;
        };
        let extensions = match &participant.subscriber {
            Some(subscriber) => subscriber.extensions(&bound.format),
            None => match participant.negotiation.section(&bound.mid) {
                Some(section) => participant.send_extensions(section, &bound.format),
                None => return,
            },
        };
        let plan = SendPlan {
            codec: bound.format.codec,
            ssrc: bound.ssrc,
            rtx_ssrc: bound.rtx_ssrc,
            payload_type: bound.format.payload_type,
            rtx_payload_type: bound.format.rtx_payload_type,
            primary_payload_type: bound.format.primary_payload_type,
            mid: bound.mid,
            extensions,
            cname,
            may_pause: participant.allows_pause,
        };
        let source = bound.source;
        let (connection, down_track, want) = (participant.downstream(), bound.down_track, bound.want);
        let is_hidden = participant.is_hidden();
        cx.media(MediaCommand::Subscribe {
            connection,
            track: source,
            down_track,
            plan,
            want,
        });
        let is_new = !self.publishers_of(session).contains(&publisher);
        if let Some(known) = self.tracks.get_mut(&track) {
            known.subscribers.insert(session);
            if !is_hidden && !std::mem::replace(&mut known.subscribed_told, true) {
                let track_sid = known.info.sid.clone();
                self.send(
                    cx,
                    publisher,
                    Message::TrackSubscribed(TrackSubscribed { track_sid }),
                );
            }
        }
        self.update_dynacast(cx, track);
        if is_new {
            self.send_speaker(cx, session, publisher, true);
            self.owe_quality(cx, session);
        }
    }

    /// Stops forwarding; the wish stays. The slot drains.
    pub fn unbind(&mut self, cx: &mut Context, session: SessionId, track: TrackId) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let Some(bound) = participant
            .subscriptions
            .get_mut(&track)
            .and_then(|subscription| subscription.bound.take())
        else {
            return;
        };
        match &mut participant.subscriber {
            Some(subscriber) => subscriber.drain(&bound.mid),
            None => {
                if let Some(slot) = participant.negotiation.slots.get_mut(&bound.mid) {
                    *slot = Slot::Draining;
                }
            }
        }
        let Some(known) = self.tracks.get_mut(&track) else {
            return;
        };
        // One that was offered, but not answered yet, has not gone out.
        if !known.subscribers.remove(&session) {
            return;
        }
        cx.media(MediaCommand::Unsubscribe {
            down_track: bound.down_track,
        });
        let publisher = known.publisher;
        self.update_dynacast(cx, track);
        if !self.publishers_of(session).contains(&publisher) {
            self.send_speaker(cx, session, publisher, false);
        }
    }

    /// Tells a publisher what is wanted of its track, when it is time.
    pub fn update_dynacast(&mut self, cx: &mut Context, id: TrackId) {
        let Some(track) = self.tracks.get(&id) else { return };
        let wants = self.wants(track);
        let wanted = |codec: Codec| {
            let own = wants.iter().filter(|(own, _)| *own == codec);
            own.filter_map(|(_, quality)| *quality).max()
        };
        let Some(track) = self.tracks.get_mut(&id) else {
            return;
        };
        let publisher = track.publisher;
        let message = if track.is_video() {
            let news = track
                .dynacast
                .update(cx.now, &track.info.sid, track.info.muted, wanted);
            match track.dynacast.due() {
                Some(due) => cx.timers.set(Timer::Dynacast(self.key, id), due),
                None => cx.timers.cancel(Timer::Dynacast(self.key, id)),
            }
            let told = &track.dynacast;
            for source in &mut track.sources {
                if told.told(source.format.codec).is_none() {
                    source.score.score.interrupt();
                }
            }
            news.map(Message::SubscribedQualityUpdate)
        } else if track.info.codecs.len() > 1 {
            let sent = track.sources.iter().map(|source| source.format.codec);
            let codecs = sent
                .chain(track.offered_codecs())
                .map(|codec| (codec, wanted(codec).is_some()))
                .collect();
            track
                .dynacast
                .update_audio(&track.info.sid, codecs)
                .map(Message::SubscribedAudioCodecUpdate)
        } else {
            None
        };
        if let Some(message) = message {
            self.send(cx, publisher, message);
        }
    }

    /// What a publisher was told of its tracks, once more.
    pub fn repeat_dynacast(&self, cx: &mut Context, publisher: SessionId) {
        for track in self.tracks.values().filter(|track| track.publisher == publisher) {
            let (dynacast, sid) = (&track.dynacast, &track.info.sid);
            // One that is muted hears it when it goes on.
            let video = dynacast.repeat(sid).filter(|_| !track.info.muted);
            let video = video.map(Message::SubscribedQualityUpdate);
            let audio = dynacast
                .repeat_audio(sid)
                .map(Message::SubscribedAudioCodecUpdate);
            for message in video.into_iter().chain(audio) {
                self.send(cx, publisher, message);
            }
        }
    }

    /// Which codec of a track each of those who want it receives or waits for, and in which quality.
    fn wants(&self, track: &Track) -> Vec<(Codec, Wanted)> {
        let want = |participant: &Participant| {
            let subscription = participant.subscriptions.get(&track.id)?;
            let codec = match &subscription.bound {
                Some(bound) => track.source(bound.source)?.format.codec,
                None => subscription.awaits.filter(|_| subscription.is_permitted)?,
            };
            Some((codec, subscription.wanted(track, participant.adaptive_stream)))
        };
        if track.info.codecs.len() > 1 {
            // Somebody may wait for a codec that does not come in yet.
            return self.participants.values().filter_map(want).collect();
        }
        let subscribers = track.subscribers.iter();
        subscribers
            .filter_map(|session| want(self.participants.get(session)?))
            .collect()
    }

    /// The track that one of the media plane's tracks is a source of.
    pub fn track_from(&self, source: TrackId) -> Option<&Track> {
        let is_source = |track: &&Track| track.source(source).is_some();
        // Nearly always it is the first one, which has the track's own name.
        self.tracks
            .get(&source)
            .or_else(|| self.tracks.values().find(is_source))
    }

    /// A subscriber's downlink is too small for a track, or carries it again.
    pub fn send_stream_state(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        track: TrackId,
        is_paused: bool,
    ) {
        let Some(track) = self.track_from(track) else {
            return;
        };
        if !track.subscribers.contains(&session) {
            return;
        }
        let Some(info) = self.stream_state(track, is_paused) else {
            return;
        };
        let id = track.id;
        let participant = self.participants.get_mut(&session);
        let subscription = participant.and_then(|participant| participant.subscriptions.get_mut(&id));
        if let Some(bound) = subscription.and_then(|subscription| subscription.bound.as_mut()) {
            bound.told_paused = Some(is_paused);
        }
        let update = StreamStateUpdate {
            stream_states: vec![info],
        };
        self.send(cx, session, Message::StreamStateUpdate(update));
    }

    fn stream_state(&self, track: &Track, is_paused: bool) -> Option<StreamStateInfo> {
        let state = if is_paused {
            StreamState::Paused
        } else {
            StreamState::Active
        };
        Some(StreamStateInfo {
            participant_sid: self.participants.get(&track.publisher)?.sid.clone(),
            track_sid: track.info.sid.clone(),
            state: state.into(),
        })
    }

    /// What a subscriber was told of what it receives, once more.
    pub fn repeat_stream_states(&self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get(&session) else {
            return;
        };
        let told = participant
            .subscriptions
            .iter()
            .filter_map(|(track, subscription)| {
                let is_paused = subscription.bound.as_ref()?.told_paused?;
                self.stream_state(self.tracks.get(track)?, is_paused)
            });
        let stream_states: Vec<StreamStateInfo> = told.collect();
        if !stream_states.is_empty() {
            let update = StreamStateUpdate { stream_states };
            self.send(cx, session, Message::StreamStateUpdate(update));
        }
    }

    /// Whom a participant receives.
    pub fn publishers_of(&self, session: SessionId) -> BTreeSet<SessionId> {
        let Some(participant) = self.participants.get(&session) else {
            return BTreeSet::new();
        };
        let bound = participant
            .subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.bound.is_some());
        bound
            .filter_map(|(track, _)| self.tracks.get(track))
            .filter(|track| track.subscribers.contains(&session))
            .map(|track| track.publisher)
            .collect()
    }

    /// Who receives a participant.
    pub fn subscribers_of(&self, session: SessionId) -> BTreeSet<SessionId> {
        let own = self.tracks.values().filter(|track| track.publisher == session);
        own.flat_map(|track| track.subscribers.iter().copied()).collect()
    }

    /// `PA_x|TR_y`: clients read whose a track is from its stream's name.
    pub fn stream_id(&self, track: &Track) -> String {
        let publisher = self
            .participants
            .get(&track.publisher)
            .map_or("", |participant| &participant.sid);
        format!("{publisher}|{}", track.info.sid)
    }
}

/// What became of an attempt to give a subscription a slot, or a format that its client has agreed to.
pub(crate) enum Binding {
    Done,
    /// The publisher has to send another codec first.
    Awaits,
    Impossible,
}

/// What a subscription gets of a track, and in which format; or it awaits a codec, or cannot be served.
fn chosen<'a>(
    subscription: &mut Subscription,
    track: &'a Track,
    formats: &'a [Format],
) -> Result<(&'a Source, &'a Format), Binding> {
    match choose(track, formats) {
        Choice::Send(source, format) => Ok((source, format)),
        Choice::Await(codec) => {
            subscription.awaits = Some(codec);
            Err(Binding::Awaits)
        }
        Choice::Impossible => Err(Binding::Impossible),
    }
}

fn free_ssrc(cx: &mut Context, taken: &BTreeSet<u32>) -> u32 {
    loop {
        let ssrc = cx.names.ssrc();
        if !taken.contains(&ssrc) {
            return ssrc;
        }
    }
}
