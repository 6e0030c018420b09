//! What an operator or the focus changes about a room and the people in it: who is told, who gets it, and who must not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, START_UNIX_S, Town, change_participant, change_rights, claims, info_of, keys};
use hanse_sfu_signal::{ParticipantChange, SfuCommand, SfuRefusal, SfuReply, verify};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::{
    ParticipantInfo, ParticipantPermission, SubscriptionError, TrackSource, UpdateSubscription,
};
use std::collections::HashMap;
use std::time::Duration;

/// Joins another room.
fn join_elsewhere(town: &mut Town, name: &str) {
    town.join_with_claims(name, |claims| claims.video.room = "elsewhere".into());
}

fn join_hidden(town: &mut Town, name: &str) {
    town.join_with_claims(name, |claims| claims.video.hidden = true);
}

/// Joins and subscribes to nothing itself.
fn join_manual(town: &mut Town, name: &str) {
    town.join_as(name, claims(name), Browser::manual(name)).unwrap();
}

fn attributes(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn shown(name: &str, metadata: &str, pairs: &[(&str, &str)]) -> ParticipantChange {
    ParticipantChange {
        name: name.into(),
        metadata: metadata.into(),
        attributes: attributes(pairs),
        permission: None,
    }
}

/// Changes somebody and says what the answer is.
fn changed(
    town: &mut Town,
    identity: &str,
    change: ParticipantChange,
) -> Result<ParticipantInfo, SfuRefusal> {
    match town.command(change_participant(identity, change))? {
        SfuReply::Participant(info) => Ok(info),
        other => panic!("{other:?}"),
    }
}

fn messages(town: &Town, name: &str) -> usize {
    town.people[name].inbox.len()
}

fn metadata(room: &str, metadata: &str) -> SfuCommand {
    SfuCommand::ChangeRoomMetadata {
        room: room.into(),
        metadata: metadata.into(),
    }
}

fn receive(identity: &str, sids: &[&str], subscribe: bool) -> SfuCommand {
    SfuCommand::ChangeSubscriptions {
        room: "standup".into(),
        identity: identity.into(),
        track_sids: sids.iter().map(|sid| (*sid).to_owned()).collect(),
        subscribe,
    }
}

#[test]
fn everybody_in_the_room_is_told_what_somebody_is_shown_as_and_nobody_elsewhere() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
    }
    join_elsewhere(&mut town, "carol");
    let untold = messages(&town, "carol");
    let alice = town.people["alice"].sid.clone();
    let before = info_of(&town, "bob", &alice).unwrap();
    let first = changed(
        &mut town,
        "alice",
        shown("Alice B", "m", &[("hand", "up"), ("role", "chair")]),
    )
    .unwrap();
    assert!(first.version > before.version);
    let second = changed(
        &mut town,
        "alice",
        shown("", "", &[("hand", ""), ("mood", "good"), ("never", "")]),
    )
    .unwrap();
    assert!(second.version > first.version);
    assert_eq!((second.name.as_str(), second.metadata.as_str()), ("Alice B", "m"));
    assert_eq!(
        second.attributes,
        attributes(&[("role", "chair"), ("mood", "good")])
    );
    assert_eq!(second.permission, before.permission);
    for name in ["alice", "bob"] {
        assert_eq!(info_of(&town, name, &alice), Some(second.clone()));
    }
    assert_eq!(messages(&town, "carol"), untold);
    let bob = info_of(&town, "alice", &town.people["bob"].sid).unwrap();
    assert_eq!((bob.name.as_str(), bob.metadata.as_str()), ("BOB", ""));
    let token = verify(
        &last!(town, "alice", RefreshToken).unwrap(),
        &keys(),
        START_UNIX_S,
    )
    .unwrap();
    assert_eq!((token.name.as_str(), token.metadata.as_str()), ("Alice B", "m"));
}

#[test]
fn a_change_of_somebody_hidden_is_told_to_that_one_alone() {
    let mut town = Town::default();
    town.join("alice");
    join_hidden(&mut town, "ghost");
    let untold = messages(&town, "alice");
    let after = changed(&mut town, "ghost", shown("Ghost", "", &[])).unwrap();
    let ghost = town.people["ghost"].sid.clone();
    assert_eq!(info_of(&town, "ghost", &ghost), Some(after));
    assert_eq!(messages(&town, "alice"), untold);
}

#[test]
fn a_change_beyond_a_limit_changes_nothing_and_no_change_is_told_to_nobody() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
    }
    let alice = town.people["alice"].sid.clone();
    let before = info_of(&town, "bob", &alice);
    let untold = (messages(&town, "alice"), messages(&town, "bob"));
    let half = "a".repeat(40_000);
    for (change, sentence) in [
        (shown(&"n".repeat(257), "m", &[]), "name length exceeds limits"),
        (
            shown("n", &"m".repeat(512 * 1024 + 1), &[]),
            "metadata size exceeds limits",
        ),
        (
            shown("n", "m", &[("a", &half), ("b", &half)]),
            "attribute size exceeds limits",
        ),
    ] {
        let change = ParticipantChange {
            permission: Some(ParticipantPermission::default()),
            ..change
        };
        assert_eq!(
            changed(&mut town, "alice", change),
            Err(SfuRefusal::Invalid(sentence.into()))
        );
    }
    let same = changed(&mut town, "alice", ParticipantChange::default()).unwrap();
    assert_eq!(before, Some(same));
    assert_eq!((messages(&town, "alice"), messages(&town, "bob")), untold);
    assert_eq!(
        changed(&mut town, "mallory", shown("n", "", &[])),
        Err(SfuRefusal::ParticipantNotFound)
    );
}

#[test]
fn a_rooms_metadata_is_told_to_everybody_in_it_and_to_nobody_elsewhere() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
    }
    join_hidden(&mut town, "ghost");
    join_elsewhere(&mut town, "carol");
    let untold = messages(&town, "carol");
    for text in ["agenda", ""] {
        let Ok(SfuReply::Room(room)) = town.command(metadata("standup", text)) else {
            panic!("no room");
        };
        assert_eq!(room.metadata, text);
        for name in ["alice", "bob", "ghost"] {
            let update = last!(town, name, RoomUpdate).unwrap();
            assert_eq!(update.room, Some(room.clone()), "{name} after {text:?}");
        }
    }
    assert_eq!(messages(&town, "carol"), untold);
    let told = messages(&town, "bob");
    town.command(metadata("standup", "")).unwrap();
    assert!(matches!(
        town.command(metadata("standup", &"m".repeat(512 * 1024 + 1))),
        Err(SfuRefusal::Invalid(_))
    ));
    assert_eq!(messages(&town, "bob"), told, "nothing has changed");
    assert_eq!(
        town.command(metadata("nowhere", "m")),
        Err(SfuRefusal::RoomNotFound)
    );
}

#[test]
fn a_moderator_subscribes_one_person_and_nobody_else_and_takes_it_back() {
    let mut town = Town::default();
    town.join("alice");
    let camera = town.publish("alice", TrackSource::Camera);
    town.publish("alice", TrackSource::Microphone);
    for name in ["bob", "carol"] {
        join_manual(&mut town, name);
    }
    assert_eq!(town.command(receive("bob", &[&camera], true)), Ok(SfuReply::Done));
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    assert!(!town.hears("bob", "alice", TrackSource::Microphone));
    assert!(town.people["carol"].heard().is_empty());

    assert_eq!(
        town.command(receive("bob", &[&camera], false)),
        Ok(SfuReply::Done)
    );
    assert!(town.people["bob"].heard().is_empty());
    assert!(town.media.down.is_empty());
    let again = UpdateSubscription {
        track_sids: vec![camera.clone()],
        subscribe: true,
        ..UpdateSubscription::default()
    };
    town.ask("bob", Ask::Subscription(again));
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    assert_eq!(
        town.command(receive("mallory", &[&camera], true)),
        Err(SfuRefusal::ParticipantNotFound)
    );
}

#[test]
fn a_moderator_gives_nobody_what_it_may_not_receive_or_what_is_hidden_or_its_own() {
    let mut town = Town::default();
    town.join("alice");
    join_hidden(&mut town, "ghost");
    let camera = town.publish("alice", TrackSource::Camera);
    let sound = town.publish("ghost", TrackSource::Microphone);
    join_manual(&mut town, "bob");
    let deaf = ParticipantPermission {
        can_publish: true,
        ..ParticipantPermission::default()
    };
    town.command(change_rights("bob", deaf.clone())).unwrap();
    let down = town.media.down.len();
    for name in ["alice", "bob"] {
        town.command(receive(name, &[&camera, &sound], true)).unwrap();
    }
    assert_eq!(town.media.down.len(), down);
    let hears = ParticipantPermission {
        can_subscribe: true,
        ..deaf
    };
    town.command(change_rights("bob", hears)).unwrap();
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    assert!(!town.hears("bob", "ghost", TrackSource::Microphone));
    assert!(town.people["alice"].heard().is_empty());
}

#[test]
fn whoever_is_subscribed_to_a_track_that_never_comes_hears_so_and_nobody_else() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
    }
    town.command(receive("bob", &["TR_never"], true)).unwrap();
    town.pass(Duration::from_secs(60));
    let response = last!(town, "bob", SubscriptionResponse).unwrap();
    assert_eq!(
        (response.track_sid.as_str(), response.err()),
        ("TR_never", SubscriptionError::SeTrackNotfound)
    );
    assert_eq!(count!(town, "alice", SubscriptionResponse), 0);
}
