//! People who come again on new sockets, in both forms.

use super::{Browser, Town, claims};
use hanse_sfu_signal::limits::MISSED_WAIT;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{DisconnectReason, TrackSource};
use std::time::Duration;

/// Until offers that were held back have gone out.
pub const MOMENT: Duration = Duration::from_millis(200);

pub const FORMS: [fn(&str) -> Browser; 2] = [Browser::new, Browser::dual];

/// People of one form, each with a microphone and a camera, who have been there for a while.
pub fn meeting(form: fn(&str) -> Browser, names: &[&str]) -> Town {
    let mut town = Town::default();
    for name in names {
        town.join_as(name, claims(name), form(name)).unwrap();
        town.publish(name, TrackSource::Microphone);
        town.publish(name, TrackSource::Camera);
    }
    town.pass(MISSED_WAIT + MOMENT);
    town
}

pub fn hears_all(town: &Town, name: &str, publisher: &str) {
    for source in [TrackSource::Microphone, TrackSource::Camera] {
        assert!(
            town.hears(name, publisher, source),
            "{name}, {publisher}: {source:?}"
        );
    }
}

/// What somebody got since a place in its inbox.
pub fn since<'a>(town: &'a Town, name: &str, place: usize) -> &'a [Message] {
    &town.people[name].inbox[place..]
}

pub fn place(town: &Town, name: &str) -> usize {
    town.people[name].inbox.len()
}

pub fn sort(message: &Message) -> &'static str {
    match message {
        Message::Reconnect(_) => "reconnect",
        Message::Update(_) => "update",
        Message::RoomUpdate(_) => "room_update",
        Message::RefreshToken(_) => "refresh_token",
        Message::SubscribedQualityUpdate(_) => "subscribed_quality_update",
        Message::SpeakersChanged(_) => "speakers_changed",
        Message::Mute(_) => "mute",
        Message::TrackUnpublished(_) => "track_unpublished",
        Message::Answer(_) => "answer",
        Message::Offer(_) => "offer",
        Message::Trickle(_) => "trickle",
        Message::MediaSectionsRequirement(_) => "media_sections_requirement",
        Message::TrackSubscribed(_) => "track_subscribed",
        Message::TrackPublished(_) => "track_published",
        Message::SubscriptionPermissionUpdate(_) => "subscription_permission_update",
        _ => "another",
    }
}

pub fn assert_refused(town: &Town, name: &str) {
    let refused = &town.people[&format!("{name} refused")];
    let [Message::Leave(leave)] = &refused.inbox[..] else {
        panic!("{:?}", refused.inbox)
    };
    assert_eq!(
        (leave.reason(), leave.action(), leave.can_reconnect),
        (DisconnectReason::StateMismatch, Action::Reconnect, true)
    );
    assert!(refused.is_closed);
}
