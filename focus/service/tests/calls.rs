//! What operators see of calls, and what they do about them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{
    Bench, Mood, Order, PretendRooms, ROOM, SFU_ROOM, get_token, get_token_from_abroad, next_order, sfu_get,
};
use hanse_focus::Watch;
use hanse_focus::calls::{CallRefusal, Person};
use hanse_focus::delayed_leave::{Departure, Seat, SeatEvent};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

const ALICE: &str = "@alice:org-a.example";
const BOB: &str = "@bob:org-b.example";
const GARDEN: &str = "!garden:org-b.example";

fn seat(room: &str, identity: &str) -> Seat {
    Seat {
        room: room.to_owned(),
        identity: identity.to_owned(),
    }
}

fn arrives(bench: &Bench, seat: &Seat) {
    bench.focus.heard(&SeatEvent::Joined {
        seat: seat.clone(),
        sid: "PA_1".to_owned(),
    });
}

/// Alice is connected with two devices, Bob with one; Bob is also in the garden.
struct Scene {
    bench: Bench,
    rooms: Arc<PretendRooms>,
    alice: [Seat; 2],
    bob: Seat,
    bob_in_garden: Seat,
}

impl Scene {
    async fn begin() -> Self {
        let rooms = Arc::new(PretendRooms::default());
        for (room, user) in [(ROOM, ALICE), (ROOM, BOB), (GARDEN, BOB)] {
            rooms.member(room, user, "join");
        }
        rooms.state(ROOM, "m.room.power_levels", "", json!({"users": {ALICE: 100}}));
        let bench = Bench::told(&rooms);
        tokio::spawn(Watch::new(Arc::clone(&bench.focus)).run());
        let identity = async |path: &str, body| bench.post_json(path, &body).await.identity();
        let plain = identity("/sfu/get", sfu_get()).await;
        let hashed = identity("/get_token", get_token()).await;
        let bob = identity("/get_token", get_token_from_abroad()).await;
        let mut body = get_token_from_abroad();
        body["room_id"] = json!(GARDEN);
        let in_garden = identity("/get_token", body).await;
        let garden = bench.rooms_made().last().unwrap().clone();
        let scene = Scene {
            alice: [seat(SFU_ROOM, &plain), seat(SFU_ROOM, &hashed)],
            bob: seat(SFU_ROOM, &bob),
            bob_in_garden: seat(&garden, &in_garden),
            bench,
            rooms,
        };
        arrives(&scene.bench, &scene.alice[0]);
        scene.bench.later(Duration::from_secs(60));
        for seat in [&scene.alice[1], &scene.bob, &scene.bob_in_garden] {
            arrives(&scene.bench, seat);
        }
        scene
    }

    /// Who is in the kitchen's call, each device once.
    fn people(&self) -> Vec<(String, bool)> {
        let people = self.bench.focus.call(SFU_ROOM).unwrap().people;
        let name = |person: Person| (person.user_id, person.is_connected);
        people.into_iter().map(name).collect()
    }
}

fn is_there(user: &str) -> (String, bool) {
    (user.to_owned(), true)
}

#[tokio::test(start_paused = true)]
async fn what_is_of_no_use_in_a_rooms_policy_is_shown_with_its_call_and_with_no_other() {
    let scene = Scene::begin().await;
    assert_eq!(scene.bench.focus.call(SFU_ROOM).unwrap().policy_warnings, [""; 0]);
    let policy = json!({"camera": 50, "strangerz": "publish"});
    scene.rooms.state(ROOM, "org.hanse.call_policy", "", policy);
    let shown = |room: &str| scene.bench.focus.call(room).unwrap().policy_warnings;
    assert_eq!(shown(SFU_ROOM), ["there is no key \"strangerz\""]);
    assert_eq!(shown(&scene.bob_in_garden.room), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn calls_are_listed_with_their_people_and_those_without_anybody_are_not() {
    let scene = Scene::begin().await;
    let calls = scene.bench.focus.calls();
    assert_eq!((calls.calls.len(), calls.left_off), (2, 0));
    let kitchen = &calls.calls[0];
    assert_eq!((kitchen.id.as_str(), kitchen.room_id.as_str()), (SFU_ROOM, ROOM));
    assert_eq!(kitchen.people, 2, "two devices of Alice are one person");
    let homeservers = [("org-a.example", 1), ("org-b.example", 1)];
    let homeservers: BTreeMap<String, usize> = homeservers.map(|(name, n)| (name.to_owned(), n)).into();
    assert_eq!(kitchen.homeservers, homeservers);
    assert_eq!(
        kitchen.began_unix_ms,
        Some(common::NOW_UNIX_S * 1000),
        "since the first came"
    );
    assert_eq!(calls.calls[1].room_id, GARDEN);

    scene.bench.focus.heard(&SeatEvent::Left {
        seat: scene.bob_in_garden.clone(),
        sid: "PA_1".to_owned(),
        departure: Departure::Gone,
    });
    let left: Vec<String> = scene
        .bench
        .focus
        .calls()
        .calls
        .into_iter()
        .map(|call| call.room_id)
        .collect();
    assert_eq!(left, [ROOM]);
}

#[tokio::test(start_paused = true)]
async fn a_call_shows_who_is_in_it_and_what_they_may() {
    let scene = Scene::begin().await;
    let shown = scene.bench.focus.call(&SFU_ROOM[..4]).unwrap();
    let person = |user: &str, identity: &str| {
        let found = shown.people.iter().find(|person| person.identity == identity);
        found.filter(|person| person.user_id == user).cloned().unwrap()
    };
    let alice = person(ALICE, &scene.alice[0].identity);
    assert_eq!(
        (alice.role.as_str(), alice.may_publish.len()),
        ("administrator", 3)
    );
    let bob = person(BOB, &scene.bob.identity);
    assert_eq!(
        (bob.role.as_str(), bob.may_publish.len(), bob.is_connected),
        ("participant", 0, true)
    );
    assert_eq!(shown.people.len(), 3);

    assert_eq!(scene.bench.focus.call("no"), Err(CallRefusal::NoSuchCall));
    assert_eq!(scene.bench.focus.call(""), Err(CallRefusal::NoSuchCall));
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_from_one_call_stays_in_the_other_and_so_do_the_others() {
    let scene = Scene::begin().await;
    let bob = BOB.parse().unwrap();
    let removed = scene.bench.focus.remove(&bob, Some(SFU_ROOM)).await.unwrap();
    assert_eq!((removed.seats, removed.calls, removed.is_confirmed), (1, 1, true));
    assert_eq!(
        *scene.bench.rooms.orders.lock().unwrap(),
        [Order::End(scene.bob.clone())]
    );
    assert_eq!(scene.people(), [is_there(ALICE), is_there(ALICE)]);
    assert_eq!(
        scene.bench.focus.remove(&bob, Some(SFU_ROOM)).await,
        Err(CallRefusal::NotHere)
    );

    let removed = scene.bench.focus.remove(&bob, None).await.unwrap();
    assert_eq!((removed.seats, removed.calls), (1, 1));
    assert_eq!(scene.bench.focus.calls().calls.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_sfu_that_does_not_answer_is_told_later_who_was_removed() {
    let scene = Scene::begin().await;
    *scene.bench.rooms.mood.lock().unwrap() = Mood::Silent;
    let alice = ALICE.parse().unwrap();
    let removed = scene.bench.focus.remove(&alice, None).await.unwrap();
    assert_eq!(
        (removed.seats, removed.calls, removed.is_confirmed),
        (2, 1, false)
    );
    *scene.bench.rooms.mood.lock().unwrap() = Mood::Willing;
    let mut seen = 0;
    let mut ended = HashSet::new();
    while let Some(order) = next_order(&scene.bench, &mut seen).await {
        let Order::End(seat) = order else {
            panic!("{order:?}")
        };
        ended.insert(seat);
    }
    assert_eq!(ended, HashSet::from(scene.alice.clone()));
    assert_eq!(scene.people(), [is_there(BOB)]);
}

#[tokio::test(start_paused = true)]
async fn people_of_a_blocked_homeserver_leave_all_calls_and_the_others_stay() {
    let scene = Scene::begin().await;
    let server = "org-b.example".parse().unwrap();
    assert_eq!(scene.bench.focus.seats_of_homeserver(&server), 2);
    scene.bench.focus.set_blocked(HashSet::from([server]));
    let mut seen = 0;
    let mut ended = HashSet::new();
    while let Some(order) = next_order(&scene.bench, &mut seen).await {
        let Order::End(seat) = order else {
            panic!("{order:?}")
        };
        ended.insert(seat);
    }
    assert_eq!(
        ended,
        HashSet::from([scene.bob.clone(), scene.bob_in_garden.clone()])
    );
    assert_eq!(scene.people(), [is_there(ALICE), is_there(ALICE)]);
    let refused = scene
        .bench
        .post_json("/get_token", &get_token_from_abroad())
        .await;
    refused.assert_refused(403, "M_FORBIDDEN");

    scene.bench.focus.set_blocked(HashSet::new());
    let admitted = scene
        .bench
        .post_json("/get_token", &get_token_from_abroad())
        .await;
    assert_eq!(admitted.identity(), scene.bob.identity);
}
