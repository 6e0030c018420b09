//! What the signed form asks of our homeservers: requests to others, delayed events of their users, who is in a room.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::homeserver::{Matrix, Running};
use common::{World, assert_impersonal};
use hanse_bridge::{ApiError, DelayedEvent, Forwarded, NotKnown, ServerName};
use hanse_matrixrtc::{RoomId, UserId};
use serde_json::json;
use std::time::Duration;

const ROOM: &str = "!standup";
const ALICE: &str = "@alice:org-a.example";
const BOB: &str = "@bob:org-b.example";
const PATH: &str = "/_matrix/federation/v1/rtc/livekit/get_token";

fn server(name: &str) -> ServerName {
    name.parse().unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn room() -> RoomId {
    ROOM.parse().unwrap()
}

fn status(of: Result<Forwarded, NotKnown>) -> u16 {
    assert_impersonal(&format!("{of:?}"));
    match of.unwrap_err() {
        NotKnown::Api(ApiError::Status { status, .. }) => status,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_homeserver_that_is_meant_sends_the_request_and_its_answer_comes_back_whatever_its_status() {
    let world = World::new();
    let (org_a, annexe) = (
        Matrix::start("org-a.example").await,
        Matrix::start("annexe.example").await,
    );
    let running = Running::start(&world, &[&annexe, &org_a]).await;
    let own = server("org-a.example");
    let other = server("org-b.example:8448");
    let body = json!({"user_id": ALICE});
    let forward = || running.bridge.forward(&own, &other, PATH, &body);
    for (answer, expected) in [
        (
            json!({"status": 200, "content": {"jwt": "t"}}),
            (200, json!({"jwt": "t"})),
        ),
        (
            json!({"status": 403, "content": {"errcode": "M_FORBIDDEN"}, "later": 1}),
            (403, json!({"errcode": "M_FORBIDDEN"})),
        ),
        (json!({"status": 502, "content": null}), (502, json!(null))),
    ] {
        org_a.inside.lock().unwrap().others = Some((200, answer));
        let (status, content) = expected;
        assert_eq!(forward().await, Ok(Forwarded { status, content }));
    }
    let sent = org_a.inside.lock().unwrap().forwarded.clone();
    let expected = json!({"destination": "org-b.example:8448", "method": "POST", "path": PATH, "body": body});
    assert!(
        sent.len() == 3 && sent.iter().all(|sent| *sent == expected),
        "{sent:?}"
    );
    assert!(annexe.inside.lock().unwrap().forwarded.is_empty());
    let foreign = running.bridge.forward(&other, &own, PATH, &body).await;
    assert!(matches!(foreign, Err(NotKnown::NotTold(_))), "{foreign:?}");
}

#[tokio::test]
async fn that_our_homeserver_does_not_send_it_is_told_apart_from_what_another_answers() {
    let world = World::new();
    let matrix = Matrix::start("org-a.example").await;
    let running = Running::start(&world, &[&matrix]).await;
    let (own, other) = (server("org-a.example"), server("org-b.example"));
    let body = json!({});
    let forward = async |answer: (u16, serde_json::Value)| {
        matrix.inside.lock().unwrap().others = Some(answer);
        running.bridge.forward(&own, &other, PATH, &body).await
    };
    let refused = json!({"errcode": "M_FORBIDDEN", "error": "org-b.example"});
    assert_eq!(status(forward((403, refused.clone())).await), 403);
    assert_eq!(status(forward((502, refused)).await), 502);
    for nonsense in [json!([]), json!({"status": "ok"}), json!({"content": {}})] {
        assert_eq!(forward((200, nonsense)).await, Err(NotKnown::Api(ApiError::Form)));
    }
}

#[tokio::test]
async fn another_homeserver_that_never_answers_keeps_nobody_from_asking_ours() {
    let world = World::new();
    let matrix = Matrix::start("org-a.example").await;
    matrix.make_room(ROOM, ALICE);
    let running = Running::start(&world, &[&matrix]).await;
    let (own, other) = (server("org-a.example"), server("org-b.example"));
    let body = json!({});
    let forwards = (0..200).map(|_| running.bridge.forward(&own, &other, PATH, &body));
    let forwards = futures_util::future::join_all(forwards);
    tokio::select! {
        _ = forwards => panic!("nobody answers"),
        joined = async {
            // Once they hang.
            while matrix.inside.lock().unwrap().forwarded.len() < 16 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            running.bridge.is_joined(&room(), &user(ALICE)).await
        } => assert_eq!(joined, Ok(true)),
    }
    assert_eq!(
        matrix.inside.lock().unwrap().forwarded.len(),
        16,
        "the others wait their turn"
    );
}

#[tokio::test]
async fn a_delayed_event_is_looked_up_as_its_user_where_the_homeserver_lets_us() {
    let world = World::new();
    let matrix = Matrix::start("org-a.example").await;
    let event = json!({"delay_id": "d1", "room_id": ROOM, "type": "m", "delay_ms": 3_600_000, "delayed_since_ts": 1, "content": {}});
    let earlier = json!({"room_id": ROOM, "delay": 8000});
    let events = [("d1".to_owned(), event), ("d/2".to_owned(), earlier)];
    let of_alice = (ALICE.to_owned(), events.into());
    matrix.inside.lock().unwrap().delayed_of.extend([of_alice]);
    let running = Running::start(&world, &[&matrix]).await;
    for (id, delay_ms) in [("d1", 3_600_000), ("d/2", 8000)] {
        let found = running.bridge.look_up_delayed(&user(ALICE), id).await;
        let room_id = ROOM.to_owned();
        assert_eq!(found, Ok(Some(DelayedEvent { room_id, delay_ms })));
    }
    assert_eq!(running.bridge.look_up_delayed(&user(ALICE), "d3").await, Ok(None));
    let carol = running
        .bridge
        .look_up_delayed(&user("@carol:org-a.example"), "d1")
        .await;
    assert!(matches!(&carol, Err(NotKnown::Api(_))), "{carol:?}");
    assert_impersonal(&format!("{carol:?}"));
    let bob = running.bridge.look_up_delayed(&user(BOB), "d1").await;
    assert!(
        matches!(bob, Err(NotKnown::NotTold(_))),
        "no homeserver of ours: {bob:?}"
    );
}

#[tokio::test]
async fn a_homeserver_is_in_a_room_as_long_as_anybody_of_it_is() {
    let world = World::new();
    let matrix = Matrix::start("org-a.example").await;
    matrix.make_room(ROOM, ALICE);
    matrix.set_member(ROOM, BOB, "join");
    let mut running = Running::start(&world, &[&matrix]).await;
    let is_in = async |running: &Running, name| running.bridge.is_server_joined(&room(), &server(name)).await;
    assert_eq!(is_in(&running, "org-b.example").await, Ok(true));
    assert_eq!(is_in(&running, "org-a.example").await, Ok(true));
    assert_eq!(is_in(&running, "org-c.example").await, Ok(false));
    matrix.set_member(ROOM, BOB, "leave");
    assert_eq!(is_in(&running, "org-b.example").await, Ok(false));
    matrix.inside.lock().unwrap().is_joined = false;
    let unsure = is_in(&running, "org-a.example").await;
    assert!(matches!(unsure, Err(NotKnown::NotTold(_))), "{unsure:?}");
    matrix.inside.lock().unwrap().is_joined = true;
    // With the bridge user in the room, its facts say so, and the homeserver is asked before a no.
    let mut invitation = matrix.set_member(ROOM, "@hanse:org-a.example", "invite");
    invitation["sender"] = json!(ALICE);
    assert_eq!(matrix.push(&[invitation]).await, 200);
    running
        .until("the room is known", |bridge| bridge.facts(&room()).is_some())
        .await;
    matrix.set_member(ROOM, BOB, "join");
    assert_eq!(is_in(&running, "org-b.example").await, Ok(true));
    matrix.inside.lock().unwrap().is_joined = false;
    assert_eq!(is_in(&running, "org-a.example").await, Ok(true));
    assert_eq!(is_in(&running, "org-c.example").await, Ok(false));
    matrix.inside.lock().unwrap().broken = Some(500);
    assert!(matches!(
        is_in(&running, "org-c.example").await,
        Err(NotKnown::Api(_))
    ));
}
