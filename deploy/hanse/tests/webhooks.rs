//! An SFU of ours and a focus of ours in two processes: what the one tells by webhook, the other believes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod organisation;

use hanse_runtime::Secret;
use hanse_sfu::{DisconnectReason, Room, SfuEvent, WebhookConfig, Webhooks};
use organisation::{Organisation, SECRET, identity, kitchen_call};
use std::sync::Arc;
use tokio::sync::broadcast;

const METRICS: &str = "[metrics]\nbind_address = \"127.0.0.1\"\nport = 0";

/// Sends webhooks of these events, and waits until all are answered. `seed` makes their ids.
fn tell(org: &Organisation, seed: u8, events: Vec<SfuEvent>) {
    let config = WebhookConfig {
        urls: vec![format!("http://{}", org.url("/sfu_webhook")).parse().unwrap()],
        key_name: "devkey".to_owned(),
        secret: Secret::new(SECRET.to_owned()),
        folder: None,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (sender, subscribed) = broadcast::channel(64);
        let webhooks = Webhooks::start(&config, subscribed.into(), [seed; 32]);
        for event in events {
            sender.send(Arc::new(event)).unwrap();
        }
        webhooks.unwrap().unwrap().drain().await;
    });
}

fn is_connected(org: &Organisation) -> bool {
    let calls = org.ask(&["calls", "--json"]).json();
    calls["calls"].as_array().is_some_and(|calls| {
        calls
            .iter()
            .any(|call| call["id"] == kitchen_call() && call["people"] == 1)
    })
}

#[test]
fn the_focus_believes_an_sfu_of_ours_elsewhere() {
    let org = Organisation::start("webhooks", METRICS);
    let ours = org.homeservers.ours.clone();
    assert_eq!(org.token("alice", &ours), 200);
    assert!(!is_connected(&org));
    let (room, room_sid) = (kitchen_call(), "RM_1".to_owned());
    let (identity, sid) = (identity(&format!("@alice:{ours}")), "PA_1".to_owned());
    let described = Room {
        name: room.clone(),
        sid: room_sid.clone(),
        ..Room::default()
    };

    let joined = SfuEvent::ParticipantJoined {
        room: room.clone(),
        room_sid: room_sid.clone(),
        identity: identity.clone(),
        sid: sid.clone(),
    };
    let started = SfuEvent::RoomStarted {
        room: described.clone(),
    };
    tell(&org, 1, vec![started, joined]);
    assert!(is_connected(&org));

    let left = SfuEvent::ParticipantLeft {
        room: room.clone(),
        room_sid: room_sid.clone(),
        identity: identity.clone(),
        sid,
        reason: DisconnectReason::ClientInitiated,
    };
    tell(&org, 2, vec![left]);
    assert!(!is_connected(&org));

    let aborted = SfuEvent::ParticipantConnectionAborted {
        room,
        room_sid,
        identity,
        sid: "PA_2".to_owned(),
        reason: DisconnectReason::JoinFailure,
    };
    tell(&org, 3, vec![aborted, SfuEvent::RoomFinished { room: described }]);
    let text = org.scrape();
    let heard = "hanse_focus_requests_total{route=\"/sfu_webhook\",outcome=\"ok\"} 5";
    assert!(text.lines().any(|line| line == heard), "{text}");
    let routes = text
        .lines()
        .filter(|line| line.contains("requests_total{route=\"/sfu_webhook\""));
    assert_eq!(routes.count(), 1, "none was refused: {text}");
}
