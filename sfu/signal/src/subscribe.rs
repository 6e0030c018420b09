//! Subscribing: what a participant wants, what it may have, and what it gets.
//!
//! A [`Subscription`] is a wish. It is bound to a slot when an answer maps the track; only then does the media plane
//! forward. It waits where it is not permitted or no slot is free, and outlives both.

use crate::context::Context;
use crate::dynacast::Wanted;
use crate::limits::{
    LIST_ENTRIES_MAX, SETTING_DELAY, SUBSCRIPTIONS_MAX, TRACK_SID_BYTES_MAX, UNKNOWN_SUBSCRIPTION_WAIT,
    UNKNOWN_SUBSCRIPTIONS_MAX,
};
use crate::negotiate::codec::Format;
use crate::room::Room;
use crate::score::Score;
use crate::signalling::SessionId;
use crate::timers::Timer;
use crate::track::{Source, Track};
use hanse_sfu_core::command::{Codec, Want};
use hanse_sfu_core::ids::{DownTrackId, Layer, Mid, TrackId};
use hanse_sfu_core::sent_layers::SentLayers;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    SubscriptionError, SubscriptionPermission, SubscriptionPermissionUpdate, SubscriptionResponse,
    TrackPermission, UpdateSubscription, UpdateTrackSettings, VideoQuality,
};
use std::collections::BTreeMap;

/// One participant's wish for one track.
#[derive(Default)]
pub(crate) struct Subscription {
    /// The subscriber's rights and the publisher's audience allow it.
    pub is_permitted: bool,
    /// It can decode nothing of what comes in of the track; its publisher is asked for this codec.
    pub awaits: Option<Codec>,
    pub setting: Option<Setting>,
    /// A newer setting, which takes effect in a moment.
    pub next_setting: Option<Setting>,
    /// The slot it goes out on.
    pub bound: Option<Bound>,
}

/// The latest `track_setting`.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub is_disabled: bool,
    pub quality: VideoQuality,
    pub width: u32,
    pub height: u32,
    /// Frames a second; 0: as many as there are.
    pub fps: u32,
}

impl Setting {
    /// The highest temporal layer that it needs. Nobody says how many frames a second a track has; cameras have 30, and
    /// the temporal layers of every encoder halve that: 30, 15, 7.5.
    fn temporal_max(&self) -> u8 {
        match self.fps {
            0 | 16.. => u8::MAX,
            8..=15 => 1,
            1..=7 => 0,
        }
    }
}

/// A track that goes out.
pub(crate) struct Bound {
    pub down_track: DownTrackId,
    /// Which of the track's sources.
    pub source: TrackId,
    pub mid: Mid,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    /// As the subscriber's section has it.
    pub format: Format,
    pub want: Want,
    /// How it goes out.
    pub score: Score,
    /// Which layers of it do, as the media plane told last; never of sound.
    pub layers: Option<SentLayers>,
    /// What its subscriber was told last of whether it is paused.
    pub told_paused: Option<bool>,
}

/// Whom a publisher lets receive its tracks.
pub(crate) enum Audience {
    Everybody,
    Only(Vec<TrackPermission>),
}

impl Audience {
    pub fn admits(&self, sid: &str, identity: &str, track_sid: &str) -> bool {
        match self {
            Audience::Everybody => true,
            Audience::Only(permissions) => permissions.iter().any(|permission| {
                let is_meant = if permission.participant_sid.is_empty() {
                    permission.participant_identity == identity
                } else {
                    permission.participant_sid == sid
                };
                is_meant
                    && (permission.all_tracks || permission.track_sids.iter().any(|sid| sid == track_sid))
            }),
        }
    }
}

impl Subscription {
    /// The quality that serves the subscriber now. Until it says otherwise: the lowest if it adapts, else the highest.
    pub fn wanted(&self, track: &Track, is_adaptive: bool) -> Wanted {
        match self.setting {
            None if is_adaptive => Some(VideoQuality::Low),
            None => Some(VideoQuality::High),
            Some(setting) if setting.is_disabled => None,
            Some(setting) if setting.width > 0 => Some(track.quality_for(setting.width, setting.height)),
            Some(setting) => Some(setting.quality).filter(|quality| *quality != VideoQuality::Off),
        }
    }

    /// The same for the media plane.
    pub fn want(&self, track: &Track, source: &Source, is_adaptive: bool) -> Want {
        let wanted = self.wanted(track, is_adaptive);
        let layer_max = if track.is_video() {
            track.layer_of(source, wanted.unwrap_or(VideoQuality::Low))
        } else {
            Layer(0)
        };
        Want {
            enabled: wanted.is_some(),
            layer_max,
            temporal_max: self.setting.map_or(u8::MAX, |setting| setting.temporal_max()),
        }
    }
}

impl Room {
    /// `subscription`: tracks that a client wants, or does not want any more.
    pub fn handle_subscription(&mut self, cx: &mut Context, session: SessionId, update: UpdateSubscription) {
        let grouped = update
            .participant_tracks
            .into_iter()
            .flat_map(|tracks| tracks.track_sids);
        for sid in update
            .track_sids
            .into_iter()
            .chain(grouped)
            .take(LIST_ENTRIES_MAX)
        {
            if let Some(participant) = self.participants.get_mut(&session) {
                participant.unknown_tracks.remove(&sid);
            }
            match (self.visible_track(&sid), update.subscribe) {
                (Some(track), true) => self.subscribe(cx, session, track),
                (Some(track), false) => self.unsubscribe(cx, session, track),
                (None, true) => self.await_track(cx, session, sid),
                (None, false) => {}
            }
        }
        self.require_sections(cx, session);
    }

    /// A track by its sid, unless its publisher is hidden: nobody knows that one.
    fn visible_track(&self, sid: &str) -> Option<TrackId> {
        let id = *self.track_sids.get(sid)?;
        let publisher = self.participants.get(&self.tracks.get(&id)?.publisher)?;
        (!publisher.is_hidden()).then_some(id)
    }

    /// A client may ask for a track before we know it.
    fn await_track(&mut self, cx: &mut Context, session: SessionId, sid: String) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        if participant.unknown_tracks.len() >= UNKNOWN_SUBSCRIPTIONS_MAX || sid.len() > TRACK_SID_BYTES_MAX {
            return self.send_subscription_error(cx, session, sid, SubscriptionError::SeTrackNotfound);
        }
        let deadline = cx.now + UNKNOWN_SUBSCRIPTION_WAIT;
        participant.unknown_tracks.insert(sid, deadline);
        cx.timers
            .set_if_unset(Timer::UnknownTracks(self.key, session), deadline);
    }

    /// Tells a client which of its tracks never came.
    pub fn expire_unknown_tracks(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let unknown = std::mem::take(&mut participant.unknown_tracks);
        let (over, waiting) = unknown.into_iter().partition(|(_, deadline)| *deadline <= cx.now);
        participant.unknown_tracks = waiting;
        if let Some(next) = participant.unknown_tracks.values().min() {
            cx.timers.set(Timer::UnknownTracks(self.key, session), *next);
        }
        for sid in BTreeMap::into_keys(over) {
            self.send_subscription_error(cx, session, sid, SubscriptionError::SeTrackNotfound);
        }
    }

    fn send_subscription_error(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        track_sid: String,
        error: SubscriptionError,
    ) {
        self.send(
            cx,
            session,
            Message::SubscriptionResponse(SubscriptionResponse {
                track_sid,
                err: error.into(),
            }),
        );
    }

    /// The first packet of a track that can be decoded has gone out to a subscriber.
    pub fn handle_first_forwarded(&mut self, cx: &mut Context, session: SessionId, track: TrackId) {
        if !self.track_from(track).is_some_and(Track::is_video) {
            return;
        }
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        if let Some(since) = participant.awaits_picture_since.take() {
            let after = cx.now.saturating_duration_since(since);
            cx.first_picture(session, after);
        }
    }

    /// Ends a subscription that cannot be served.
    pub fn refuse_subscription(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        track: TrackId,
        error: SubscriptionError,
    ) {
        self.unsubscribe(cx, session, track);
        if let Some(sid) = self.tracks.get(&track).map(|track| track.info.sid.clone()) {
            self.send_subscription_error(cx, session, sid, error);
        }
    }

    /// Notes the wish. Nobody receives its own tracks.
    pub fn subscribe(&mut self, cx: &mut Context, session: SessionId, track: TrackId) {
        let Some(publisher) = self.tracks.get(&track).map(|track| track.publisher) else {
            return;
        };
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        if publisher == session || participant.subscriptions.contains_key(&track) {
            return;
        }
        if participant.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let sid = self
                .tracks
                .get(&track)
                .map(|track| track.info.sid.clone())
                .unwrap_or_default();
            return self.send_subscription_error(cx, session, sid, SubscriptionError::SeTrackNotfound);
        }
        participant.subscriptions.insert(
            track,
            Subscription {
                is_permitted: true,
                ..Subscription::default()
            },
        );
        self.refresh_permission(cx, session, track);
    }

    pub fn unsubscribe(&mut self, cx: &mut Context, session: SessionId, track: TrackId) {
        self.unbind(cx, session, track);
        if let Some(participant) = self.participants.get_mut(&session) {
            participant.subscriptions.remove(&track);
        }
    }

    /// Looks again whether a subscription is allowed, and tells the subscriber what its publisher has changed.
    pub fn refresh_permission(&mut self, cx: &mut Context, session: SessionId, track: TrackId) {
        let Some(known) = self.tracks.get(&track) else {
            return;
        };
        let Some(publisher) = self.participants.get(&known.publisher) else {
            return;
        };
        let (publisher_sid, track_sid) = (publisher.sid.clone(), known.info.sid.clone());
        let Some(subscriber) = self.participants.get(&session) else {
            return;
        };
        let is_admitted = publisher
            .audience
            .admits(&subscriber.sid, &subscriber.identity, &track_sid);
        let may_subscribe = subscriber.permission.can_subscribe;
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let Some(subscription) = participant.subscriptions.get_mut(&track) else {
            return;
        };
        let is_permitted = is_admitted && may_subscribe;
        if std::mem::replace(&mut subscription.is_permitted, is_permitted) == is_permitted {
            return;
        }
        if !is_permitted {
            self.unbind(cx, session, track);
        }
        if may_subscribe {
            let update = SubscriptionPermissionUpdate {
                participant_sid: publisher_sid,
                track_sid,
                allowed: is_admitted,
            };
            self.send(cx, session, Message::SubscriptionPermissionUpdate(update));
        }
    }

    /// `subscription_permission`: whom a publisher lets receive its tracks. Replaces what it said before.
    pub fn handle_audience(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        permission: SubscriptionPermission,
    ) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        participant.audience = if permission.all_participants {
            Audience::Everybody
        } else {
            let mut permissions = permission.track_permissions;
            permissions.truncate(LIST_ENTRIES_MAX);
            permissions
                .iter_mut()
                .for_each(|permission| permission.track_sids.truncate(LIST_ENTRIES_MAX));
            Audience::Only(permissions)
        };
        let tracks: Vec<TrackId> = self.tracks_of(session);
        for other in self.others(session) {
            for track in &tracks {
                self.refresh_permission(cx, other, *track);
            }
            self.require_sections(cx, other);
        }
        self.review_all_data_tracks(cx, session);
    }

    /// `track_setting`: how large, or whether at all, tracks are shown.
    pub fn handle_track_setting(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        settings: UpdateTrackSettings,
    ) {
        let setting = Setting {
            is_disabled: settings.disabled,
            quality: settings.quality(),
            width: settings.width,
            height: settings.height,
            fps: settings.fps,
        };
        let due = cx.now + SETTING_DELAY;
        for sid in settings.track_sids.iter().take(LIST_ENTRIES_MAX) {
            let Some(track) = self.track_sids.get(sid).copied() else {
                continue;
            };
            let subscription = self
                .participants
                .get_mut(&session)
                .and_then(|participant| participant.subscriptions.get_mut(&track));
            let Some(subscription) = subscription else {
                continue;
            };
            let was_hidden = subscription.setting.is_some_and(|before| before.is_disabled);
            if was_hidden && !setting.is_disabled || subscription.bound.is_none() {
                subscription.setting = Some(setting);
                subscription.next_setting = None;
                self.update_want(cx, session, track);
            } else {
                subscription.next_setting = Some(setting);
                cx.timers.set_if_unset(Timer::Settings(self.key, session), due);
            }
        }
    }

    /// Changed track settings take effect.
    pub fn apply_settings(&mut self, cx: &mut Context, session: SessionId) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let mut changed = Vec::new();
        for (track, subscription) in &mut participant.subscriptions {
            if let Some(setting) = subscription.next_setting.take() {
                subscription.setting = Some(setting);
                changed.push(*track);
            }
        }
        for track in changed {
            self.update_want(cx, session, track);
        }
    }
}
