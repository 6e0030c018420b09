//! People come and go, and nobody else's subscriptions suffer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, claims};
use livekit_protocol::participant_info::State;
use livekit_protocol::{TrackSource, TrackType};
use std::time::Duration;

const BOTH: [TrackSource; 2] = [TrackSource::Camera, TrackSource::Microphone];

fn publish_both(town: &mut Town, name: &str) {
    BOTH.into_iter()
        .for_each(|source| drop(town.publish(name, source)));
}

fn assert_received(town: &Town, name: &str, other: &str) {
    for source in BOTH {
        assert!(
            town.hears(name, other, source),
            "{name} does not get {source:?} of {other}"
        );
    }
}

#[test]
fn fifty_joins_and_leaves_of_one_keep_every_subscription_of_the_others_and_few_sections() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
        publish_both(&mut town, name);
    }
    for round in 0..50 {
        let carol = format!("carol {round}");
        town.join_as(&carol, claims("carol"), Browser::new("carol"))
            .unwrap();
        publish_both(&mut town, &carol);
        for (name, other) in [
            ("alice", "bob"),
            ("bob", "alice"),
            (&carol, "alice"),
            (&carol, "bob"),
        ] {
            assert_received(&town, name, other);
        }
        assert_received(&town, "alice", &carol);
        assert_received(&town, "bob", &carol);
        // Three ways to go.
        match round % 3 {
            0 => town.leave(&carol),
            1 => town.close_socket(&carol),
            _ => {}
        }
        assert_received(&town, "alice", "bob");
        assert_received(&town, "bob", "alice");
        town.pass(Duration::from_millis(700));
    }
    assert_eq!(town.people["alice"].slots(), 6, "slots are used again");
    assert_eq!(town.people["bob"].slots(), 6);
}

#[test]
fn a_client_that_answers_no_requirement_is_asked_again_and_not_in_between() {
    let mut town = Town::default();
    town.join("alice");
    let mut lazy = Browser::new("bob");
    lazy.is_obedient = false;
    town.join_as("bob", claims("bob"), lazy).unwrap();
    publish_both(&mut town, "alice");
    town.publish("alice", TrackSource::ScreenShare);
    town.pass(Duration::from_secs(4));
    assert_eq!(count!(town, "bob", MediaSectionsRequirement), 1);
    town.pass(Duration::from_secs(2));
    assert_eq!(count!(town, "bob", MediaSectionsRequirement), 2);
    town.browser("bob").offer();
    town.settle();
    assert_received(&town, "bob", "alice");
    town.pass(Duration::from_secs(20));
    assert_eq!(
        count!(town, "bob", MediaSectionsRequirement),
        2,
        "nothing is missing any more"
    );
}

#[test]
fn an_offer_that_crosses_the_requirement_does_not_make_a_second_one() {
    let mut town = Town::default();
    for name in ["alice", "bob", "carol", "dave"] {
        town.join(name);
    }
    let mut slow = Browser::new("erin");
    slow.is_obedient = false;
    town.join_as("erin", claims("erin"), slow).unwrap();
    for name in ["alice", "bob", "carol", "dave"] {
        town.publish(name, TrackSource::Microphone);
        // Its own offers come for reasons of its own.
        town.browser("erin").offer();
        town.settle();
    }
    // 0/0 for each of the first three, then one more section for the fourth.
    let last = last!(town, "erin", MediaSectionsRequirement).unwrap();
    assert_eq!((last.num_audios, last.num_videos), (1, 0));
    let asked = count!(town, "erin", MediaSectionsRequirement);
    town.browser("erin").offer();
    town.settle();
    assert_eq!(
        count!(town, "erin", MediaSectionsRequirement),
        asked,
        "that offer had not heard of it"
    );
    town.browser("erin").add_slots(TrackType::Audio, 1);
    town.browser("erin").offer();
    town.settle();
    assert!(town.hears("erin", "dave", TrackSource::Microphone));
}

#[test]
fn a_slot_that_drains_counts_as_one_that_will_be_free() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let first = town.publish("alice", TrackSource::Microphone);
    town.publish("alice", TrackSource::Microphone);
    town.publish("alice", TrackSource::Microphone);
    town.browser("bob").is_obedient = false;
    town.unpublish("alice", &first);
    town.publish("alice", TrackSource::ScreenShareAudio);
    town.pass(Duration::from_secs(5));
    let last = last!(town, "bob", MediaSectionsRequirement).unwrap();
    assert_eq!((last.num_audios, last.num_videos), (0, 0));
    town.browser("bob").is_obedient = true;
    town.browser("bob").offer();
    town.settle();
    assert!(town.hears("bob", "alice", TrackSource::ScreenShareAudio));
    assert_eq!(town.people["bob"].slots(), 6);
}

#[test]
fn a_stopped_slot_gives_its_track_to_another_one() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    town.publish("alice", TrackSource::Camera);
    let mid = town.people["bob"].heard()[0].mid.clone();
    town.browser("bob").stop_section(&mid);
    town.browser("bob").offer();
    town.settle();
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    assert_ne!(town.people["bob"].heard()[0].mid, mid);
}

#[test]
fn the_same_identity_again_replaces_itself_and_others_see_only_the_new_one() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    publish_both(&mut town, "bob");
    let before = town.people["bob"].sid.clone();
    town.join_as("bob again", claims("bob"), Browser::new("bob"))
        .unwrap();
    let leave = last!(town, "bob", Leave).unwrap();
    assert_eq!(
        leave.reason(),
        livekit_protocol::DisconnectReason::DuplicateIdentity
    );
    assert_eq!(
        leave.action(),
        livekit_protocol::leave_request::Action::Disconnect
    );
    assert!(town.people["bob"].is_closed);
    let alice = &town.people["alice"];
    assert!(
        !alice.gone.contains(&before),
        "nobody is told that the old one left"
    );
    assert!(!alice.known.contains_key(&before));
    let again = town.people["bob again"].sid.clone();
    assert_eq!(town.people["alice"].known[&again].state(), State::Active);
    assert!(town.people["alice"].heard().is_empty());
    publish_both(&mut town, "bob again");
    assert_received(&town, "alice", "bob again");
    assert_eq!(town.media.connections(), 2);
}

#[test]
fn a_hundred_people_in_one_room_receive_a_speaker_each_on_one_slot() {
    let mut town = Town::default();
    town.join("speaker");
    town.publish("speaker", TrackSource::Microphone);
    for place in 0..100 {
        town.join(&format!("listener {place}"));
    }
    for place in 0..100 {
        let name = format!("listener {place}");
        assert!(town.hears(&name, "speaker", TrackSource::Microphone));
        assert_eq!(town.people[&name].slots(), 6);
    }
    assert_eq!(town.media.down.len(), 100);
}

#[test]
fn safari_gets_a_new_slot_for_every_track_and_others_use_theirs_again() {
    let mut town = Town::default();
    let mut safari = Browser::new("alice");
    safari.name = ("Safari", "macOS");
    town.join_as("alice", claims("alice"), safari).unwrap();
    town.join("carol");
    town.join("bob");
    for _ in 0..5 {
        let sid = town.publish("bob", TrackSource::Camera);
        for name in ["alice", "carol"] {
            assert!(town.hears(name, "bob", TrackSource::Camera), "{name}");
        }
        town.unpublish("bob", &sid);
    }
    assert_eq!(town.people["alice"].slots(), 3 + 5);
    assert_eq!(town.people["carol"].slots(), 3 + 3);
    // Two at once that had none.
    town.publish("bob", TrackSource::Camera);
    town.publish("bob", TrackSource::ScreenShare);
    assert!(
        town.hears("alice", "bob", TrackSource::Camera)
            && town.hears("alice", "bob", TrackSource::ScreenShare)
    );
    assert_eq!(town.people["alice"].slots(), 3 + 7);
    assert_eq!(count!(town, "alice", Leave), 0);
}
