//! Relays: who is told of them, when, and with which credential.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::comeback::FORMS;
use common::{START_UNIX_S, Town, claims, relays};
use livekit_protocol::signal_response::Message;
use livekit_protocol::{IceServer, TrackSource};
use std::time::Duration;

/// What somebody was told in the latest message of either kind.
fn told(town: &Town, name: &str) -> Vec<IceServer> {
    let messages = town.people[name].inbox.iter().rev();
    let told = messages.into_iter().find_map(|message| match message {
        Message::Join(join) => Some(join.ice_servers.clone()),
        Message::Reconnect(reconnect) => Some(reconnect.ice_servers.clone()),
        _ => None,
    });
    told.expect("a join")
}

#[test]
fn each_client_is_told_of_relays_with_a_credential_of_its_own_and_a_later_one_when_it_comes_again() {
    for form in FORMS {
        let mut town = Town::new(|config| config.turn = Some(relays()));
        for name in ["alice", "bob"] {
            town.join_as(name, claims(name), form(name)).unwrap();
        }
        let [hers, his] = ["alice", "bob"].map(|name| told(&town, name));
        assert_eq!((hers.len(), his.len()), (1, 1));
        assert_eq!(hers[0].urls, relays().urls());
        let sid = town.people["alice"].sid.clone();
        assert_eq!(hers[0], relays().for_client(START_UNIX_S, &sid), "{sid}");
        assert_ne!(
            (&hers[0].username, &hers[0].credential),
            (&his[0].username, &his[0].credential)
        );
        assert!(!hers[0].username.contains("alice"), "a TURN server may log it");

        town.publish("alice", TrackSource::Camera);
        town.close_socket("alice");
        town.pass(Duration::from_secs(600));
        assert!(town.resume("alice"));
        assert_eq!(
            told(&town, "alice"),
            [relays().for_client(START_UNIX_S + 600, &sid)]
        );
    }
}

#[test]
fn without_relays_nobody_is_told_of_any() {
    let mut town = Town::default();
    town.join("alice");
    assert_eq!(told(&town, "alice"), []);
    town.close_socket("alice");
    assert!(town.resume("alice"));
    assert_eq!(told(&town, "alice"), []);
}

#[test]
fn new_addresses_of_the_server_are_offered_to_whoever_negotiates_from_then_on() {
    let mut town = Town::default();
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    let candidates = |town: &Town, name: &str| {
        let answers = town.people[name]
            .inbox
            .iter()
            .rev()
            .find_map(|message| match message {
                Message::Answer(answer) => Some(answer.sdp.clone()),
                _ => None,
            });
        let lines: Vec<String> = answers
            .unwrap()
            .lines()
            .filter(|line| line.contains("a=candidate:"))
            .map(String::from)
            .collect();
        lines
    };
    let before = candidates(&town, "alice");
    assert!(before.iter().any(|line| line.contains("192.0.2.1")));
    let mut moved = common::config(town.start).candidates;
    moved.truncate(1);
    moved[0].address = "203.0.113.8:7882".parse().unwrap();
    town.signalling.handle_candidates(moved);
    assert_eq!(candidates(&town, "alice"), before);
    town.join("bob");
    town.publish("bob", TrackSource::Camera);
    assert_eq!(
        candidates(&town, "bob"),
        ["a=candidate:1 1 udp 2130706431 203.0.113.8 7882 typ host"]
    );
}
