//! Users for guests: made at a homeserver that makes any, ended at one that may not have made them, seen wherever they go.

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
use hanse_bridge::{GuestError, GuestStanding, ServerName};
use hanse_matrixrtc::{Membership, RoomId, UserId};
use serde_json::json;
use std::collections::BTreeMap;

const GUEST: &str = "@hanse-guest-0a1b:org-a.example";

fn guest() -> UserId {
    GUEST.parse().unwrap()
}

fn org_a() -> ServerName {
    "org-a.example".parse().unwrap()
}

/// A homeserver that makes users for application services.
async fn classic() -> Matrix {
    let matrix = Matrix::start("org-a.example").await;
    matrix.inside.lock().unwrap().users = Some(BTreeMap::new());
    matrix
}

#[tokio::test]
async fn a_guest_gets_a_device_and_a_name_and_is_gone_after_the_end() {
    let (world, matrix) = (World::new(), classic().await);
    let bridge = Running::start(&world, &[&matrix]).await.bridge;
    assert_eq!(
        bridge.guest_standing(&org_a()).await.unwrap(),
        GuestStanding::Offered
    );
    assert!(matrix.inside.lock().unwrap().users.as_ref().unwrap().is_empty());

    let session = bridge.make_guest(&guest(), "Grace").await.unwrap();
    assert_eq!(session.device_id, "DEVICE");
    assert_eq!(session.access_token.expose(), "its-token");
    assert_eq!(
        session.homeserver, "https://org-a.example",
        "its well-known says the rest"
    );
    assert_eq!(
        matrix.inside.lock().unwrap().users.as_ref().unwrap()[GUEST],
        "Grace"
    );

    assert_eq!(bridge.end_guest(&guest()).await, Ok(()));
    assert!(matrix.inside.lock().unwrap().users.as_ref().unwrap().is_empty());
    assert_eq!(
        bridge.end_guest(&guest()).await,
        Ok(()),
        "who is not there is gone"
    );
}

#[tokio::test]
async fn a_homeserver_that_signs_everybody_in_itself_is_told_apart() {
    let (world, matrix) = (World::new(), Matrix::start("org-a.example").await);
    let bridge = Running::start(&world, &[&matrix]).await.bridge;
    assert_eq!(
        bridge.guest_standing(&org_a()).await.unwrap(),
        GuestStanding::NoAccounts
    );
    let error = bridge.make_guest(&guest(), "Grace").await.unwrap_err();
    assert_eq!(error, GuestError::NoAccounts);
    assert_impersonal(&error.to_string());
}

#[tokio::test]
async fn without_reserved_names_nobody_is_asked() {
    let (world, mut matrix) = (World::new(), classic().await);
    matrix.registration.guests = false;
    let bridge = Running::start(&world, &[&matrix]).await.bridge;
    assert_eq!(
        bridge.guest_standing(&org_a()).await.unwrap(),
        GuestStanding::NotReserved
    );
    assert_eq!(
        bridge.make_guest(&guest(), "Grace").await,
        Err(GuestError::NotReserved)
    );
    assert_eq!(matrix.asked("register"), 0);
}

#[tokio::test]
async fn who_could_not_be_ended_is_not_taken_for_gone() {
    let (world, matrix) = (World::new(), classic().await);
    let bridge = Running::start(&world, &[&matrix]).await.bridge;
    bridge.make_guest(&guest(), "Grace").await.unwrap();
    for (status, errcode) in [
        (403, "M_FORBIDDEN"),
        (500, "M_UNKNOWN"),
        (429, "M_LIMIT_EXCEEDED"),
    ] {
        matrix.inside.lock().unwrap().deactivation_answer = Some((status, json!({"errcode": errcode})));
        let error = bridge.end_guest(&guest()).await.unwrap_err();
        assert!(matches!(error, GuestError::Api(_)), "{status}");
        assert_impersonal(&error.to_string());
    }
    matrix.inside.lock().unwrap().deactivation_answer = None;
    assert_eq!(bridge.end_guest(&guest()).await, Ok(()));
}

#[tokio::test]
async fn a_door_has_the_name_of_the_room_and_whether_one_may_knock() {
    const ROOM: &str = "!a:org-a.example";
    let (world, matrix) = (World::new(), classic().await);
    let room: RoomId = ROOM.parse().unwrap();
    matrix.make_room(ROOM, "@alice:org-a.example");
    matrix.put_bridge_into(ROOM);
    let mut running = Running::start(&world, &[&matrix]).await;
    running
        .until("the room is read", |bridge| bridge.facts(&room).is_some())
        .await;
    let bridge = &running.bridge;
    let alice = "@alice:org-a.example";
    let door = bridge.room_door(&room).await.unwrap();
    assert_eq!((door.name, door.can_be_knocked), (None, false));
    matrix.set(ROOM, "m.room.name", "", alice, json!({"name": "Council"}));
    for (rule, knocks) in [
        ("invite", false),
        ("public", false),
        ("knock", true),
        ("knock_restricted", true),
    ] {
        matrix.set(ROOM, "m.room.join_rules", "", alice, json!({"join_rule": rule}));
        let door = bridge.room_door(&room).await.unwrap();
        assert_eq!(
            (door.name.as_deref(), door.can_be_knocked),
            (Some("Council"), knocks),
            "{rule}"
        );
        assert_eq!(door.server, org_a());
    }
    let unknown = bridge.room_door(&"!b:org-a.example".parse().unwrap()).await;
    assert!(matches!(unknown, Err(GuestError::NotTold(_))));
}

#[tokio::test]
async fn a_guest_is_seen_in_rooms_that_nobody_is_told_of_and_so_is_whoever_is_beside_them() {
    let (world, matrix) = (World::new(), classic().await);
    let running = Running::start(&world, &[&matrix]).await;
    let mut moves = running.bridge.guest_moves();
    let elsewhere = "!elsewhere:org-b.example";
    let events = [
        matrix.set_member(elsewhere, "@alice:org-a.example", "join"),
        matrix.set_member(elsewhere, "@hanse-guest-0a1b:org-b.example", "join"),
        matrix.set_member(elsewhere, GUEST, "knock"),
    ];
    assert_eq!(matrix.push(&events).await, 200);
    for (user, membership, is_ours) in [
        ("@alice:org-a.example", Membership::Join, false),
        ("@hanse-guest-0a1b:org-b.example", Membership::Join, false),
        (GUEST, Membership::Knock, true),
    ] {
        let seen = moves.recv().await.unwrap();
        assert_eq!(
            (seen.user.as_str(), seen.membership, seen.is_ours),
            (user, membership, is_ours)
        );
        assert_eq!((seen.room.as_str(), seen.is_direct), (elsewhere, false));
    }
    assert!(moves.try_recv().is_err());
}

#[tokio::test]
async fn a_guest_who_has_sat_still_is_seen_once_their_room_is_read_and_one_who_is_gone_is_not() {
    const ROOM: &str = "!meeting";
    let (world, matrix) = (World::new(), classic().await);
    let running = Running::start(&world, &[&matrix]).await;
    let mut moves = running.bridge.guest_moves();
    matrix.make_room(ROOM, "@alice:org-a.example");
    for (user, membership) in [
        (GUEST, "join"),
        ("@hanse-guest-0c2d:org-a.example", "knock"),
        ("@hanse-guest-0e3f:org-a.example", "leave"),
        ("@hanse-guest-0a1b:org-b.example", "join"),
        ("@carol:org-a.example", "join"),
    ] {
        matrix.set_member(ROOM, user, membership);
    }
    // Nothing is told of any of them, but of the bridge user, for whom the whole room is read.
    let followed = matrix.put_bridge_into(ROOM);
    assert_eq!(matrix.push(&[followed]).await, 200);
    let mut seen = [moves.recv().await.unwrap(), moves.recv().await.unwrap()];
    seen.sort_by_key(|moved| moved.user.to_string());
    assert_eq!((&seen[0].user, seen[0].membership), (&guest(), Membership::Join));
    assert_eq!(seen[1].membership, Membership::Knock);
    assert!(seen.iter().all(|moved| moved.room.as_str() == ROOM));
    assert!(moves.try_recv().is_err());
}
