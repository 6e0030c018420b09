//! What is known of rooms: by what homeservers push, and by what they answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::World;
use common::homeserver::{Matrix, Running};
use hanse_bridge::{ApiError, Bridge, NotKnown, Pace, Registration, Standing, rotate, settle};
use hanse_matrixrtc::{Access, Membership, Power, RoomId, UserId};
use serde_json::json;
use std::time::{Duration, Instant};

const ROOM: &str = "!standup";
const ALICE: &str = "@alice:org-a.example";
const MALLORY: &str = "@mallory:org-b.example";
const BRIDGE: &str = "@hanse:org-a.example";

fn room() -> RoomId {
    ROOM.parse().unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn knows(bridge: &Bridge) -> bool {
    bridge.facts(&room()).is_some()
}

fn membership(bridge: &Bridge, id: &str) -> Option<Membership> {
    Some(bridge.facts(&room())?.membership(&user(id)))
}

/// A homeserver with a room that Alice has made, and in which Mallory is.
async fn org_a() -> Matrix {
    let matrix = Matrix::start("org-a.example").await;
    matrix.make_room(ROOM, ALICE);
    matrix.set_member(ROOM, MALLORY, "join");
    matrix
}

#[tokio::test]
async fn a_bridge_user_that_is_invited_joins_and_hears_who_is_banned_and_who_stays() {
    let world = World::new();
    let matrix = org_a().await;
    let mut running = Running::start(&world, &[&matrix]).await;
    let mut invitation = matrix.set_member(ROOM, BRIDGE, "invite");
    invitation["sender"] = json!(ALICE);
    assert_eq!(matrix.push(&[invitation]).await, 200);
    running.until("the room is known", knows).await;
    assert_eq!(membership(&running.bridge, MALLORY), Some(Membership::Join));
    let banned = matrix.set_member(ROOM, MALLORY, "ban");
    assert_eq!(matrix.push(&[banned]).await, 200);
    // Answered means applied.
    assert_eq!(membership(&running.bridge, MALLORY), Some(Membership::Ban));
    assert_eq!(membership(&running.bridge, ALICE), Some(Membership::Join));
    assert_eq!(running.bridge.is_joined(&room(), &user(ALICE)).await, Ok(true));
    assert_eq!(running.bridge.is_joined(&room(), &user(MALLORY)).await, Ok(false));
}

#[tokio::test]
async fn an_invitation_from_elsewhere_is_followed_only_where_somebody_of_ours_is() {
    let world = World::new();
    let matrix = Matrix::start("org-a.example").await;
    matrix.make_room("!theirs", MALLORY);
    matrix.make_room("!both", MALLORY);
    matrix.set_member("!both", ALICE, "join");
    let pace = Pace {
        invitation: Duration::from_millis(1),
        ..Pace::default()
    };
    let mut running = Running::at_pace(&world, &[&matrix], pace).await;
    for room in ["!theirs", "!both"] {
        let mut invitation = matrix.set_member(room, BRIDGE, "invite");
        invitation["sender"] = json!(MALLORY);
        assert_eq!(matrix.push(&[invitation]).await, 200);
    }
    let both: RoomId = "!both".parse().unwrap();
    running
        .until("the shared room is known", |bridge| bridge.facts(&both).is_some())
        .await;
    assert!(running.bridge.facts(&"!theirs".parse().unwrap()).is_none());
    let declined = async {
        while matrix.asked("POST _matrix/client/v3/rooms/!theirs/leave") == 0 {
            tokio::task::yield_now().await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), declined)
            .await
            .is_ok()
    );
    assert_eq!(matrix.asked("POST _matrix/client/v3/join/!theirs"), 0);
    assert_eq!(
        matrix.asked("POST _matrix/client/v3/join/!both?via=org-b.example"),
        1
    );
}

#[tokio::test]
async fn an_invitation_that_comes_before_our_people_have_joined_is_followed_once_they_have() {
    let world = World::new();
    let matrix = Matrix::start("org-a.example").await;
    matrix.make_room("!theirs", MALLORY);
    let pace = Pace {
        invitation: Duration::from_millis(50),
        ..Pace::default()
    };
    let mut running = Running::at_pace(&world, &[&matrix], pace).await;
    let mut invitation = matrix.set_member("!theirs", BRIDGE, "invite");
    invitation["sender"] = json!(MALLORY);
    assert_eq!(matrix.push(&[invitation]).await, 200);
    let asked = async {
        while matrix.asked("GET _matrix/client/unstable/io.element.msc4502/rooms/!theirs/is_joined?server_name=org-a.example") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asked)
        .await
        .unwrap();
    assert_eq!(
        matrix.asked("POST _matrix/client/v3/join/!theirs?via=org-b.example"),
        0
    );
    matrix.set_member("!theirs", ALICE, "join");
    let theirs: RoomId = "!theirs".parse().unwrap();
    running
        .until("the room is known", |bridge| bridge.facts(&theirs).is_some())
        .await;
    assert_eq!(matrix.asked("POST _matrix/client/v3/rooms/!theirs/leave"), 0);
}

#[tokio::test]
async fn a_ban_counts_although_the_homeserver_cannot_be_asked_about_it_and_a_join_only_as_it_was_told() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let mut running = Running::start(&world, &[&matrix]).await;
    running.until("the room is known", knows).await;
    matrix.inside.lock().unwrap().broken_state = Some(500);
    let banned = matrix.set_member(ROOM, MALLORY, "ban");
    let policy = matrix.set(
        ROOM,
        "org.hanse.call_policy",
        "",
        ALICE,
        json!({"strangers": "deny"}),
    );
    assert_eq!(matrix.push(&[banned, policy]).await, 200);
    assert_eq!(membership(&running.bridge, MALLORY), Some(Membership::Ban));
    assert_eq!(
        running.bridge.facts(&room()).unwrap().policy.strangers,
        Access::Deny
    );
}

#[tokio::test]
async fn a_ban_counts_within_a_second_also_when_the_homeserver_does_not_answer() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let mut running = Running::start(&world, &[&matrix]).await;
    running.until("the room is known", knows).await;
    matrix.inside.lock().unwrap().silent_state = true;
    let banned = matrix.set_member(ROOM, MALLORY, "ban");
    let began = Instant::now();
    let pushed = tokio::spawn({
        let matrix = matrix.clone();
        async move { matrix.push(&[banned]).await }
    });
    let gone = |bridge: &Bridge| membership(bridge, MALLORY) == Some(Membership::Ban);
    running.until("the ban is known", gone).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(membership(&running.bridge, ALICE), Some(Membership::Join));
    assert_eq!(pushed.await.unwrap(), 200);
}

#[tokio::test]
async fn joining_is_tried_again_while_the_homeserver_does_not_yet_know_of_the_invitation() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.inside.lock().unwrap().joins_refused = 2;
    let mut running = Running::start(&world, &[&matrix]).await;
    let mut invitation = matrix.set_member(ROOM, BRIDGE, "invite");
    invitation["sender"] = json!(ALICE);
    assert_eq!(matrix.push(&[invitation]).await, 200);
    running.until("the room is known", knows).await;
    assert_eq!(matrix.asked("POST _matrix/client/v3/join/"), 3);
}

#[tokio::test]
async fn an_invitation_to_a_homeserver_that_is_only_starting_is_followed_once_it_answers() {
    let world = World::new();
    let matrix = org_a().await;
    // More often than it is asked in a row before it is left alone.
    matrix.inside.lock().unwrap().joins_failed = 6;
    let pace = Pace {
        invitation: Duration::from_millis(50),
        ..Pace::default()
    };
    let mut running = Running::at_pace(&world, &[&matrix], pace).await;
    let mut invitation = matrix.set_member(ROOM, BRIDGE, "invite");
    invitation["sender"] = json!(ALICE);
    assert_eq!(matrix.push(&[invitation]).await, 200);
    running.until("the room is known", knows).await;
    assert_eq!(matrix.asked("POST _matrix/client/v3/join/"), 7);
    assert_eq!(matrix.asked("/leave"), 0);
}

#[tokio::test]
async fn an_event_that_lost_against_another_does_not_count() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let holds = json!({"users": {ALICE: 100, MALLORY: 0}});
    matrix.set(ROOM, "m.room.power_levels", "", ALICE, holds);
    let mut running = Running::start(&world, &[&matrix]).await;
    running.until("the room is known", knows).await;
    while running.changes.try_recv().is_ok() {}
    let lost = json!({"type": "m.room.power_levels", "state_key": "", "sender": MALLORY, "room_id": ROOM,
        "content": {"users": {MALLORY: 100}}});
    // Likewise: the homeserver tells of a ban, but by now Mallory is in the room again.
    let over = json!({"type": "m.room.member", "state_key": MALLORY, "sender": ALICE, "room_id": ROOM,
        "content": {"membership": "ban"}});
    assert_eq!(matrix.push(&[lost, over]).await, 200);
    // Nobody was told that Mallory was gone for a moment: that would have ended her seat.
    assert!(running.changes.try_recv().is_err());
    let facts = running.bridge.facts(&room()).unwrap();
    assert_eq!(facts.power.of(&user(MALLORY)), Power::Level(0));
    assert_eq!(facts.power.of(&user(ALICE)), Power::Level(100));
    assert!(facts.is_joined(&user(MALLORY)));
    // What is gone altogether is gone here too.
    let key = ("m.room.power_levels".to_owned(), String::new());
    let event = matrix
        .inside
        .lock()
        .unwrap()
        .rooms
        .get_mut(ROOM)
        .unwrap()
        .remove(&key);
    assert_eq!(matrix.push(&[event.unwrap()]).await, 200);
    let power = running.bridge.facts(&room()).unwrap().power.of(&user(ALICE));
    assert_eq!(power, Power::Level(100), "as the creator has without the event");
    assert_eq!(running.bridge.facts(&room()).unwrap().power.state_default(), 0);
}

#[tokio::test]
async fn memberships_of_the_call_are_known_in_both_forms_and_end_with_who_leaves_the_room() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let mut running = Running::start(&world, &[&matrix]).await;
    running.until("the room is known", knows).await;
    let mut state = matrix.set(
        ROOM,
        "org.matrix.msc3401.call.member",
        "_@alice:org-a.example_DEV_m.call",
        ALICE,
        json!({"application": "m.call", "call_id": "", "device_id": "DEV"}),
    );
    state["origin_server_ts"] = json!(1000);
    let sticky = json!({"type": "org.matrix.msc4143.rtc.member", "sender": MALLORY, "room_id": ROOM, "event_id": "$s",
        "origin_server_ts": 1000, "msc4354_sticky": {"duration_ms": 60_000},
        "content": {"msc4354_sticky_key": "k", "slot_id": "m.call#ROOM", "member": {"id": "k", "device_id": "M"}}});
    assert_eq!(matrix.push(&[state, sticky]).await, 200);
    let devices = |bridge: &Bridge| -> Vec<String> {
        let facts = bridge.facts(&room()).unwrap();
        facts
            .call_members(2000)
            .map(|member| member.device_id.clone())
            .collect()
    };
    assert_eq!(devices(&running.bridge), ["DEV", "M"]);
    let left = matrix.set_member(ROOM, MALLORY, "leave");
    assert_eq!(matrix.push(&[left]).await, 200);
    assert_eq!(devices(&running.bridge), ["DEV"]);
}

#[tokio::test]
async fn forged_transactions_change_nothing_and_one_that_comes_again_is_applied_once() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let other = Matrix::start("org-c.example").await;
    let mut running = Running::start(&world, &[&matrix, &other]).await;
    running.until("the room is known", knows).await;
    let banned = json!({"events": [{"type": "m.room.member", "state_key": MALLORY, "sender": ALICE, "room_id": ROOM,
        "content": {"membership": "ban"}}]});
    let guess = "0".repeat(64);
    let right = matrix.registration.hs_token.expose().clone();
    for (token, status) in [
        (guess.as_str(), 403),
        ("", 401),
        (matrix.registration.as_token.expose(), 403),
    ] {
        assert_eq!(matrix.put("1", token, banned.to_string()).await, status);
    }
    // The homeserver of another organisation's rooms says nothing about this one's: it knows no such room.
    let token = other.registration.hs_token.expose().clone();
    assert_eq!(other.put("1", &token, banned.to_string()).await, 200);
    assert_eq!(membership(&running.bridge, MALLORY), Some(Membership::Join));
    matrix.set_member(ROOM, MALLORY, "ban");
    let questions = || matrix.asked("/state/m.room.member/");
    let before = questions();
    for _ in 0..3 {
        assert_eq!(matrix.put("7", &right, banned.to_string()).await, 200);
    }
    assert_eq!(questions(), before + 1);
    assert_eq!(membership(&running.bridge, MALLORY), Some(Membership::Ban));
    assert_eq!(matrix.put("8", &right, banned.to_string()).await, 200);
    assert_eq!(questions(), before + 2);
}

#[tokio::test]
async fn while_tokens_change_both_are_good_and_afterwards_the_new_ones_only() {
    let world = World::new();
    let matrix = org_a().await;
    let old = matrix.registration.clone();
    let (old_as, old_hs) = (old.as_token.expose().clone(), old.hs_token.expose().clone());
    let knows_only = |token: &str| matrix.inside.lock().unwrap().only_as_token = Some(token.to_owned());
    let refused = || {
        let inside = matrix.inside.lock().unwrap();
        let of_members = inside
            .asked
            .iter()
            .filter(|(asked, _)| asked.contains("!standup/is_joined?"));
        of_members.filter(|(_, known)| !known).count()
    };
    knows_only(&old_as);
    let running = Running::start(&world, &[&matrix]).await;
    let bridge = &running.bridge;
    let is_joined = async || bridge.is_joined(&room(), &user(ALICE)).await;
    let pushed = async |number: &str, token: &str| matrix.put(number, token, r#"{"events":[]}"#.into()).await;
    assert_eq!(is_joined().await, Ok(true));

    let rotated = rotate(&old.to_yaml()).unwrap();
    let new = Registration::read(&rotated).unwrap();
    let (new_as, new_hs) = (new.as_token.expose().clone(), new.hs_token.expose().clone());
    assert_eq!(pushed("1", &new_hs).await, 403, "not before it is said");
    bridge.change_tokens(std::slice::from_ref(&new));
    // The homeserver has not been restarted, and then it has.
    for (number, (as_token, hs_token)) in [(&old_as, &old_hs), (&new_as, &new_hs)].into_iter().enumerate() {
        knows_only(as_token);
        assert_eq!(is_joined().await, Ok(true));
        let in_vain = refused();
        assert_eq!(is_joined().await, Ok(true));
        assert_eq!(refused(), in_vain, "the token that was good is asked with first");
        assert_eq!(pushed(&format!("{number}2"), hs_token).await, 200);
        assert_eq!(
            bridge.server_of(hs_token.as_bytes()),
            Some(matrix.registration.server_name())
        );
    }
    let settled = Registration::read(&settle(&rotated).unwrap()).unwrap();
    bridge.change_tokens(&[settled]);
    assert_eq!(is_joined().await, Ok(true));
    assert_eq!(pushed("3", &new_hs).await, 200);
    assert_eq!(pushed("4", &old_hs).await, 403);
    assert_eq!(bridge.server_of(old_hs.as_bytes()), None);
    knows_only(&old_as);
    assert!(
        matches!(is_joined().await, Err(NotKnown::Api(_))),
        "the old one is not tried any more"
    );
}

#[tokio::test]
async fn an_event_that_cannot_be_read_holds_nothing_up() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let mut running = Running::start(&world, &[&matrix]).await;
    running.until("the room is known", knows).await;
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let banned = matrix.set_member(ROOM, MALLORY, "ban");
    let body = format!(
        r#"{{"events": [{deep}, {{"type": "x", "sender": "@a:b", "room_id": "{ROOM}", "content": {{"x": {deep}}}}}, 7, {banned}],
            "ephemeral": {deep}}}"#
    );
    let token = matrix.registration.hs_token.expose().clone();
    assert_eq!(matrix.put("1", &token, body).await, 200);
    assert_eq!(membership(&running.bridge, MALLORY), Some(Membership::Ban));
    for no_transaction in ["", "{", "[]", "7", r#"{"events": 7}"#, &deep] {
        assert_eq!(
            matrix.put("2", &token, no_transaction.to_owned()).await,
            400,
            "{no_transaction:.20}"
        );
    }
    assert_eq!(matrix.put("2", &token, "{}".to_owned()).await, 200);
    assert_eq!(matrix.put(&"x".repeat(256), &token, "{}".to_owned()).await, 400);
    let long = format!(
        "{{\"x\": \"{}\"}}",
        "x".repeat(hanse_bridge::appservice::TRANSACTION_BYTES_MAX)
    );
    assert_eq!(matrix.put("3", &token, long).await, 413);
}

#[tokio::test]
async fn homeservers_may_ask_for_the_bridge_user_and_for_nobody_else() {
    let world = World::new();
    let matrix = org_a().await;
    let _running = Running::start(&world, &[&matrix]).await;
    assert_eq!(
        matrix.ask("/_matrix/app/v1/users/%40hanse%3Aorg-a.example").await,
        200
    );
    assert_eq!(
        matrix
            .ask("/_matrix/app/v1/users/%40hanse_x%3Aorg-a.example")
            .await,
        404
    );
    assert_eq!(
        matrix.ask("/_matrix/app/v1/rooms/%23hanse%3Aorg-a.example").await,
        404
    );
    let url = matrix.inside.lock().unwrap().push_to.clone();
    for path in ["users/%40hanse%3Aorg-a.example", "rooms/x"] {
        let answer = reqwest::get(format!("{url}/_matrix/app/v1/{path}"))
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "without a token");
    }
}

#[tokio::test]
async fn who_removes_the_bridge_user_goes_back_to_grade_1() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let mut running = Running::start(&world, &[&matrix]).await;
    running.until("the room is known", knows).await;
    matrix.inside.lock().unwrap().joined.clear();
    let removed = matrix.set_member(ROOM, BRIDGE, "leave");
    assert_eq!(matrix.push(&[removed]).await, 200);
    assert!(!knows(&running.bridge));
    assert_eq!(running.bridge.is_joined(&room(), &user(ALICE)).await, Ok(true));
    assert_eq!(
        running
            .bridge
            .is_joined(&room(), &user("@bob:org-a.example"))
            .await,
        Ok(false)
    );
}

#[tokio::test]
async fn what_was_not_pushed_is_found_when_rooms_are_read_again() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let pace = Pace {
        reading: Duration::from_millis(100),
        ..Pace::default()
    };
    let mut running = Running::at_pace(&world, &[&matrix], pace).await;
    running.until("the room is known", knows).await;
    matrix.set_member(ROOM, MALLORY, "ban");
    let banned = |bridge: &Bridge| membership(bridge, MALLORY) == Some(Membership::Ban);
    running.until("the ban is known", banned).await;
    assert_eq!(membership(&running.bridge, ALICE), Some(Membership::Join));
    matrix.inside.lock().unwrap().joined.clear();
    running
        .until("the room is no longer known", |bridge| !knows(bridge))
        .await;
}

#[tokio::test]
async fn the_users_own_homeserver_knows_best_and_others_of_ours_are_asked_too() {
    let world = World::new();
    let (one, other) = (org_a().await, Matrix::start("org-c.example").await);
    let running = Running::start(&world, &[&other, &one]).await;
    let is_joined = async |id: &str| running.bridge.is_joined(&room(), &user(id)).await;
    assert_eq!(is_joined(ALICE).await, Ok(true));
    assert_eq!(other.asked("is_joined?mxid=%40alice"), 0);
    assert_eq!(is_joined(MALLORY).await, Ok(true), "found on the second one");
    assert_eq!(is_joined("@bob:org-a.example").await, Ok(false));
    assert_eq!(other.asked("is_joined?mxid=%40bob"), 0);
    assert_eq!(is_joined("@bob:org-b.example").await, Ok(false));
    // What one of them does not know, another might have.
    other.inside.lock().unwrap().broken = Some(500);
    assert!(matches!(
        is_joined("@bob:org-b.example").await,
        Err(NotKnown::Api(_))
    ));
    assert_eq!(is_joined(MALLORY).await, Ok(true));
}

#[tokio::test]
async fn where_nobody_can_be_asked_that_is_said() {
    let world = World::new();
    let alone = world.bridge();
    let Err(NotKnown::NotTold(sentence)) = alone.is_joined(&room(), &user(ALICE)).await else {
        panic!("somebody was asked");
    };
    assert!(sentence.contains("registrations in [homeservers]"), "{sentence}");
    let matrix = org_a().await;
    matrix.inside.lock().unwrap().is_joined = false;
    let running = Running::start(&world, &[&matrix]).await;
    let answer = running.bridge.is_joined(&room(), &user(ALICE)).await;
    assert!(matches!(answer, Err(NotKnown::NotTold(_))), "{answer:?}");
    // In a room that has invited the bridge user it is known all the same.
    matrix.put_bridge_into(ROOM);
    let joined = json!({"type": "m.room.member", "state_key": BRIDGE, "sender": BRIDGE, "room_id": ROOM,
        "content": {"membership": "join"}});
    assert_eq!(matrix.push(&[joined]).await, 200);
    assert_eq!(running.bridge.is_joined(&room(), &user(ALICE)).await, Ok(true));
    assert_eq!(
        running
            .bridge
            .is_joined(&room(), &user("@bob:org-a.example"))
            .await,
        Ok(false)
    );
}

#[tokio::test]
async fn a_homeserver_that_is_away_is_left_alone_and_asked_again_when_it_is_back() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    matrix.inside.lock().unwrap().broken = Some(502);
    let mut running = Running::start(&world, &[&matrix]).await;
    let paused = async {
        let is_paused = Err(NotKnown::Api(ApiError::Paused));
        while running.bridge.is_joined(&room(), &user(ALICE)).await != is_paused {}
    };
    tokio::time::timeout(Duration::from_secs(10), paused)
        .await
        .unwrap();
    let (asked, began) = (matrix.asked(""), Instant::now());
    for _ in 0..100 {
        assert!(running.bridge.is_joined(&room(), &user(ALICE)).await.is_err());
    }
    // At most the one trial that a pause which just ended allows.
    assert!(matrix.asked("") <= asked + 1 + began.elapsed().as_secs() as usize);
    matrix.inside.lock().unwrap().broken = None;
    running.until("the room is known", knows).await;
    assert_eq!(running.bridge.is_joined(&room(), &user(ALICE)).await, Ok(true));
}

#[tokio::test]
async fn what_a_homeserver_lets_us_know_is_said_in_a_sentence() {
    let world = World::new();
    let matrix = org_a().await;
    matrix.put_bridge_into(ROOM);
    let pace = Pace {
        reading: Duration::from_millis(50),
        check: Duration::from_millis(20),
        ..Pace::default()
    };
    let mut running = Running::at_pace(&world, &[&matrix], pace).await;
    let push_to = matrix.inside.lock().unwrap().push_to.clone();
    let standing = |bridge: &Bridge| bridge.standings().next().unwrap().1;
    let mut number = 0;
    let mut wait = async |expected: Standing, part: &str| {
        while standing(&running.bridge) != expected {
            // Something to wait for: a room that changes with every reading.
            number += 1;
            matrix.set_member(ROOM, &format!("@u{number}:org-a.example"), "join");
            let change = tokio::time::timeout(Duration::from_secs(10), running.changes.recv());
            assert!(change.await.is_ok(), "{:?}", standing(&running.bridge));
        }
        assert!(
            running.bridge.grade().contains(part),
            "{}",
            running.bridge.grade()
        );
    };
    wait(Standing::Full, "who is in any room").await;
    matrix.inside.lock().unwrap().is_joined = false;
    wait(Standing::OnlyInvited, "msc4502_enabled").await;
    matrix.inside.lock().unwrap().push_to = "http://127.0.0.1:1".to_owned();
    wait(
        Standing::NotPushed { is_joined: false },
        "url of the registration",
    )
    .await;
    {
        let mut inside = matrix.inside.lock().unwrap();
        inside.push_to = push_to;
        inside.is_joined = true;
    }
    wait(Standing::Full, "who is in any room").await;
}

#[tokio::test]
async fn the_bridge_user_speaks_only_where_it_was_invited() {
    let world = World::new();
    let matrix = org_a().await;
    let content = json!({"body": "muted", "msgtype": "m.notice"});
    let content = content.as_object().unwrap();
    let mut running = Running::start(&world, &[&matrix]).await;
    let said = running
        .bridge
        .send_message(&room(), "m.room.message", "t1", content)
        .await;
    assert!(matches!(said, Err(NotKnown::NotTold(_))));
    assert_eq!(matrix.asked("/send/"), 0);
    let joined = matrix.put_bridge_into(ROOM);
    assert_eq!(matrix.push(&[joined]).await, 200);
    running.until("the room is known", knows).await;
    let said = running
        .bridge
        .send_message(&room(), "m.room.message", "t1", content)
        .await;
    assert_eq!(said.as_deref(), Ok("$sent"));
    assert_eq!(matrix.asked("/send/m.room.message/t1"), 1);
}
