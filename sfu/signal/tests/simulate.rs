//! What testers of clients may ask for, and that nobody else may. Ends are in `life.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, claims, relays};
use hanse_sfu_core::command::MediaCommand;
use hanse_sfu_signal::SfuCommand;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::simulate_scenario::Scenario;
use livekit_protocol::{ClientConfigSetting, SimulateScenario, TrackSource};
use std::time::Duration;

fn testing() -> Town {
    Town::new(|config| config.simulate = true)
}

fn simulate(town: &mut Town, name: &str, scenario: Scenario) {
    let scenario = Some(scenario);
    town.ask(name, Ask::Simulate(SimulateScenario { scenario }));
    town.pass(Duration::ZERO);
}

/// Whether a person was last told that somebody speaks.
fn speaks(town: &Town, name: &str, speaker: &str) -> Option<bool> {
    let sid = &town.people[speaker].sid;
    let told = last!(town, name, SpeakersChanged)?;
    told.speakers
        .iter()
        .find(|speaker| speaker.sid == *sid)
        .map(|speaker| speaker.active)
}

/// What the media plane was last told that somebody may be sent.
fn limit(town: &Town, name: &str) -> Option<u64> {
    let wanted = town.connection(name);
    let limits = town.commands().iter().rev().find_map(|command| match command {
        MediaCommand::LimitDownlink {
            connection,
            bits_per_second,
        } if *connection == wanted => Some(*bits_per_second),
        _ => None,
    });
    limits.flatten()
}

#[test]
fn on_an_ordinary_server_nobody_simulates_anything() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    town.publish("alice", TrackSource::Microphone);
    for scenario in [
        Scenario::ServerLeave(true),
        Scenario::NodeFailure(true),
        Scenario::Migration(true),
        Scenario::LeaveRequestFullReconnect(true),
        Scenario::SpeakerUpdate(5),
        Scenario::SubscriberBandwidth(100_000),
        Scenario::SwitchCandidateProtocol(1),
    ] {
        simulate(&mut town, "alice", scenario);
    }
    assert!(!town.people["alice"].is_closed);
    assert_eq!(speaks(&town, "bob", "alice"), None);
    assert_eq!(limit(&town, "alice"), None);
}

#[test]
fn a_tester_appears_to_speak_for_so_long_to_itself_and_to_those_who_receive_it() {
    let mut town = testing();
    for name in ["alice", "bob", "carol"] {
        town.join(name);
    }
    town.publish("alice", TrackSource::Microphone);
    let mut deaf = claims("dave");
    deaf.video.can_subscribe = Some(false);
    town.join_as("dave", deaf, Browser::new("dave")).unwrap();
    simulate(&mut town, "alice", Scenario::SpeakerUpdate(5));
    for name in ["alice", "bob", "carol"] {
        assert_eq!(speaks(&town, name, "alice"), Some(true), "{name}");
    }
    assert_eq!(speaks(&town, "dave", "alice"), None);
    town.pass(Duration::from_millis(4_900));
    assert_eq!(speaks(&town, "bob", "alice"), Some(true));
    town.pass(Duration::from_millis(200));
    for name in ["alice", "bob", "carol"] {
        assert_eq!(speaks(&town, name, "alice"), Some(false), "{name}");
    }
    simulate(&mut town, "alice", Scenario::SpeakerUpdate(i32::MAX));
    town.pass(Duration::from_secs(601));
    assert_eq!(speaks(&town, "bob", "alice"), Some(false), "not for years");
    simulate(&mut town, "alice", Scenario::SpeakerUpdate(-1));
    assert_eq!(speaks(&town, "bob", "alice"), Some(false));
}

#[test]
fn a_tester_limits_what_it_is_sent_but_never_lifts_a_rule() {
    let mut town = testing();
    town.join("alice");
    town.join("bob");
    simulate(&mut town, "alice", Scenario::SubscriberBandwidth(100_000));
    assert_eq!(
        (limit(&town, "alice"), limit(&town, "bob")),
        (Some(100_000), None)
    );
    let rule = |kbps| SfuCommand::LimitDownlink {
        room: "standup".into(),
        identity: "alice".into(),
        kbps,
    };
    town.command(rule(Some(50))).unwrap();
    assert_eq!(limit(&town, "alice"), Some(50_000));
    simulate(&mut town, "alice", Scenario::SubscriberBandwidth(0));
    assert_eq!(limit(&town, "alice"), Some(50_000));
    simulate(&mut town, "alice", Scenario::SubscriberBandwidth(i64::MAX));
    assert_eq!(limit(&town, "alice"), Some(50_000));
    simulate(&mut town, "alice", Scenario::SubscriberBandwidth(-1));
    town.command(rule(None)).unwrap();
    assert_eq!(limit(&town, "alice"), None);
}

/// What somebody gets who comes again.
fn resume(town: &mut Town) -> (bool, Vec<Message>) {
    let before = town.people["alice"].inbox.len();
    town.people.remove("alice refused");
    let resumed = town.resume("alice");
    let got = match town.people.get("alice refused") {
        Some(refused) => refused.inbox.clone(),
        None => town.people["alice"].inbox[before..].to_vec(),
    };
    (resumed, got)
}

#[test]
fn a_resume_is_cut_off_once_and_only_shortly_after_the_wish() {
    let mut town = testing();
    town.join("alice");
    let cut = Scenario::DisconnectSignalOnResumeNoMessages(true);
    simulate(&mut town, "alice", cut);
    assert_eq!(resume(&mut town), (false, vec![]));
    assert!(town.people["alice refused"].is_closed && !town.people["alice"].is_closed);
    let (resumed, got) = resume(&mut town);
    assert!(resumed && matches!(got[0], Message::Reconnect(_)));
    simulate(&mut town, "alice", cut);
    town.pass(Duration::from_secs(5));
    assert!(resume(&mut town).0);
}

/// Which transports somebody was offered last: in our answer, our offer if there is one, and by themselves.
fn offered(town: &Town, name: &str) -> Vec<&'static str> {
    let answer = last!(town, name, Answer).expect("an answer").sdp;
    let offer = last!(town, name, Offer).map(|offer| offer.sdp);
    let trickled = last!(town, name, Trickle).map(|trickle| trickle.candidate_init);
    let has = |text: &str, transport: &str| text.contains(&format!(" 1 {transport} "));
    // The last one is a TCP candidate in any case.
    assert!(trickled.is_none_or(|trickled| has(&trickled, "tcp")));
    if let Some(offer) = offer {
        assert_eq!(has(&offer, "udp"), has(&answer, "udp"), "both ways");
    }
    ["udp", "tcp"]
        .into_iter()
        .filter(|transport| has(&answer, transport))
        .collect()
}

#[test]
fn a_tester_that_forces_tcp_is_offered_nothing_else_when_it_comes_again_and_others_are() {
    for browser in [Browser::new, Browser::dual] {
        let mut town = testing();
        let come = |town: &mut Town, name: &str| {
            if town.people.contains_key(name) {
                town.leave(name);
            }
            town.join_as(name, claims(name), browser(name)).unwrap();
            town.publish(name, TrackSource::Camera);
        };
        come(&mut town, "bob");
        come(&mut town, "alice");
        let [udp, tcp, tls] = [0, 1, 2].map(Scenario::SwitchCandidateProtocol);
        simulate(&mut town, "alice", tcp);
        assert!(!town.people["alice"].is_closed, "her client does the rest");
        come(&mut town, "alice");
        come(&mut town, "bob");
        assert_eq!(offered(&town, "alice"), ["tcp"]);
        assert_eq!(offered(&town, "bob"), ["udp", "tcp"]);
        simulate(&mut town, "alice", tls);
        simulate(&mut town, "alice", Scenario::SwitchCandidateProtocol(7));
        come(&mut town, "alice");
        assert_eq!(offered(&town, "alice"), ["tcp"]);
        simulate(&mut town, "alice", udp);
        come(&mut town, "alice");
        assert_eq!(offered(&town, "alice"), ["udp", "tcp"]);
        simulate(&mut town, "alice", tcp);
        town.pass(Duration::from_secs(301));
        come(&mut town, "alice");
        assert_eq!(offered(&town, "alice"), ["udp", "tcp"]);
    }
}

#[test]
fn a_tester_that_forces_a_relay_must_use_nothing_else_when_it_comes_again_and_others_may() {
    for has_relay in [true, false] {
        let mut town = Town::new(|config| {
            config.simulate = true;
            config.turn = has_relay.then(relays);
        });
        let forced = |town: &Town, name: &str| {
            let configuration = last!(town, name, Join).unwrap().client_configuration;
            configuration.is_some_and(|it| it.force_relay() == ClientConfigSetting::Enabled)
        };
        for name in ["alice", "bob"] {
            town.join(name);
        }
        simulate(&mut town, "alice", Scenario::SwitchCandidateProtocol(2));
        for name in ["alice", "bob"] {
            assert!(!forced(&town, name));
            town.leave(name);
            town.join(name);
        }
        assert_eq!((forced(&town, "alice"), forced(&town, "bob")), (has_relay, false));
    }
}

#[test]
fn without_tcp_a_tester_that_forces_it_is_offered_what_there_is() {
    let mut town = Town::new(|config| {
        config.simulate = true;
        config.candidates.truncate(2);
    });
    town.join("alice");
    simulate(&mut town, "alice", Scenario::SwitchCandidateProtocol(1));
    town.leave("alice");
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    let answer = last!(town, "alice", Answer).unwrap().sdp;
    assert!(
        answer.contains(" 1 udp ") && !answer.contains(" 1 tcp "),
        "{answer}"
    );
}

#[test]
fn a_resume_ends_with_its_socket_closed_once_and_the_next_one_goes_on() {
    let mut town = testing();
    town.join("alice");
    simulate(&mut town, "alice", Scenario::DisconnectSignalOnResume(true));
    let (resumed, got) = resume(&mut town);
    assert!(resumed && town.people["alice"].is_closed);
    assert!(matches!(got[0], Message::Reconnect(_)));
    assert!(
        got.iter()
            .any(|message| matches!(message, Message::RoomUpdate(_)))
    );
    assert!(resume(&mut town).0 && !town.people["alice"].is_closed);
    simulate(&mut town, "alice", Scenario::DisconnectSignalOnResume(true));
    town.pass(Duration::from_secs(5));
    assert!(resume(&mut town).0 && !town.people["alice"].is_closed);
}
