//! Down tracks: binding wishes to slots, forwarding, what is wanted of each, and what that means for the publisher.

use crate::context::Context;
use crate::dynacast;
use crate::negotiate::offer::SectionKind;
use crate::negotiate::slots::Slot;
use crate::room::Room;
use crate::signalling::SessionId;
use crate::subscribe::Bound;
use crate::timers::Timer;
use crate::track::Track;
use hanse_sfu_core::command::{MediaCommand, SendPlan};
use hanse_sfu_core::ids::TrackId;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{StreamState, StreamStateInfo, StreamStateUpdate, TrackSubscribed};
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
        let want = subscription.want(known, is_adaptive);
        let Some(bound) = subscription.bound.as_mut() else {
            return;
        };
        if std::mem::replace(&mut bound.want, want) != want {
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
                subscription.is_permitted && subscription.bound.is_none() && is_of_kind(track)
            })
            .map(|(track, _)| *track)
            .collect()
    }

    /// Gives free slots to waiting subscriptions; the answer that follows will map them.
    pub fn bind_waiting(&mut self, cx: &mut Context, session: SessionId) -> Vec<TrackId> {
        let mut bound = Vec::new();
        for kind in [SectionKind::Audio, SectionKind::Video] {
            let waiting = self.waiting(session, kind);
            let Some(participant) = self.participants.get_mut(&session) else {
                break;
            };
            for (track, mid) in waiting.into_iter().zip(participant.negotiation.free_slots(kind)) {
                let mut taken = participant.ssrcs();
                let ssrc = free_ssrc(cx, &taken);
                taken.insert(ssrc);
                let rtx_ssrc = participant
                    .negotiation
                    .section(&mid)
                    .and_then(|section| section.codec.as_ref()?.rtx_payload_type)
                    .map(|_| free_ssrc(cx, &taken));
                let is_adaptive = participant.adaptive_stream;
                let (Some(known), Some(subscription)) =
                    (self.tracks.get(&track), participant.subscriptions.get_mut(&track))
                else {
                    continue;
                };
                if let Some(setting) = subscription.setting.as_mut().filter(|_| is_adaptive) {
                    // It was hidden when it ended; an adaptive client says anew what it shows.
                    setting.is_disabled = false;
                }
                let want = subscription.want(known, is_adaptive);
                let down_track = cx.names.down_track();
                subscription.bound = Some(Bound {
                    down_track,
                    mid,
                    ssrc,
                    rtx_ssrc,
                    want,
                });
                participant.negotiation.slots.insert(mid, Slot::Busy(track));
                bound.push(track);
            }
        }
        bound
    }

    /// The answer that maps a track is out: media may follow.
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
        let Some(codec) = participant
            .negotiation
            .section(&bound.mid)
            .and_then(|section| section.codec.as_ref())
        else {
            return;
        };
        let plan = SendPlan {
            codec: codec.codec,
            ssrc: bound.ssrc,
            rtx_ssrc: bound.rtx_ssrc,
            payload_type: codec.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
            primary_payload_type: None,
            mid: bound.mid,
            extensions: participant.send_extensions(known.is_video()),
            cname,
            may_pause: participant.allows_pause,
        };
        let (connection, down_track, want) = (participant.connection(), bound.down_track, bound.want);
        let is_hidden = participant.is_hidden();
        cx.media(MediaCommand::Subscribe {
            connection,
            track,
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
        if let Some(slot) = participant.negotiation.slots.get_mut(&bound.mid) {
            *slot = Slot::Draining;
        }
        cx.media(MediaCommand::Unsubscribe {
            down_track: bound.down_track,
        });
        let Some(known) = self.tracks.get_mut(&track) else {
            return;
        };
        known.subscribers.remove(&session);
        let publisher = known.publisher;
        self.update_dynacast(cx, track);
        if !self.publishers_of(session).contains(&publisher) {
            self.send_speaker(cx, session, publisher, false);
        }
    }

    /// Tells a publisher what is wanted of its track, when it is time.
    pub fn update_dynacast(&mut self, cx: &mut Context, id: TrackId) {
        let Some(track) = self.tracks.get(&id) else { return };
        let wanted = track
            .subscribers
            .iter()
            .filter_map(|session| {
                let participant = self.participants.get(session)?;
                participant
                    .subscriptions
                    .get(&id)?
                    .wanted(track, participant.adaptive_stream)
            })
            .max();
        let Some(track) = self.tracks.get_mut(&id) else {
            return;
        };
        let Some(state) = track.dynacast.as_mut() else {
            return;
        };
        let news = state.update(cx.now, wanted, track.info.muted);
        match state.due() {
            Some(due) => cx.timers.set(Timer::Dynacast(self.key, id), due),
            None => cx.timers.cancel(Timer::Dynacast(self.key, id)),
        }
        if let Some(wanted) = news {
            let (publisher, message) = (track.publisher, dynacast::message(&track.info.sid, "vp8", wanted));
            self.send(cx, publisher, Message::SubscribedQualityUpdate(message));
        }
    }

    /// A subscriber's downlink is too small for a track, or carries it again.
    pub fn send_stream_state(&self, cx: &mut Context, session: SessionId, track: TrackId, is_paused: bool) {
        let Some(track) = self.tracks.get(&track) else {
            return;
        };
        let (Some(publisher), true) = (
            self.participants.get(&track.publisher),
            track.subscribers.contains(&session),
        ) else {
            return;
        };
        let state = if is_paused {
            StreamState::Paused
        } else {
            StreamState::Active
        };
        let info = StreamStateInfo {
            participant_sid: publisher.sid.clone(),
            track_sid: track.info.sid.clone(),
            state: state.into(),
        };
        let update = StreamStateUpdate {
            stream_states: vec![info],
        };
        self.send(cx, session, Message::StreamStateUpdate(update));
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

fn free_ssrc(cx: &mut Context, taken: &BTreeSet<u32>) -> u32 {
    loop {
        let ssrc = cx.names.ssrc();
        if !taken.contains(&ssrc) {
            return ssrc;
        }
    }
}
