//! Who is in the Matrix room decides who is in the call: at the door, and for as long as the call goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{
    Bench, Mood, Order, PretendRooms, ROOM, SFU_ROOM, get_token_from_abroad, next_order, openid, policy,
    sfu_get,
};
use hanse_focus::delayed_leave::{Departure, Seat, SeatEvent};
use hanse_focus::store::Store;
use hanse_focus::{ParticipantInfo, Source, Watch, look_again};
use livekit_protocol::participant_info::State;
use serde_json::{Value, json};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const ALICE: &str = "@alice:org-a.example";
const BOB: &str = "@bob:org-b.example";

fn seat_of(identity: &str) -> Seat {
    Seat {
        room: SFU_ROOM.to_owned(),
        identity: identity.to_owned(),
    }
}

fn joined(identity: &str) -> SeatEvent {
    SeatEvent::Joined {
        seat: seat_of(identity),
        sid: "PA_1".to_owned(),
    }
}

fn left(identity: &str) -> SeatEvent {
    SeatEvent::Left {
        seat: seat_of(identity),
        sid: "PA_1".to_owned(),
        departure: Departure::Gone,
    }
}

/// A call of Alice and Bob in a room whose events reach us, which is being watched.
struct Call {
    rooms: Arc<PretendRooms>,
    bench: Bench,
    alice: String,
    bob: String,
    seen: usize,
}

impl Call {
    async fn begin(policy: Value) -> Self {
        let rooms = Arc::new(PretendRooms::default());
        for user in [ALICE, BOB] {
            rooms.member(ROOM, user, "join");
        }
        rooms.state(ROOM, "org.hanse.call_policy", "", policy);
        Self::of(rooms).await
    }

    async fn of(rooms: Arc<PretendRooms>) -> Self {
        let bench = Bench::told(&rooms);
        tokio::spawn(Watch::new(Arc::clone(&bench.focus)).run());
        let alice = bench.post_json("/sfu/get", &sfu_get()).await.identity();
        let bob = bench
            .post_json("/get_token", &get_token_from_abroad())
            .await
            .identity();
        for identity in [&alice, &bob] {
            bench.focus.heard(&joined(identity));
        }
        let mut call = Call {
            rooms,
            bench,
            alice,
            bob,
            seen: 0,
        };
        assert_eq!(call.next_order().await, None, "nothing follows from a join");
        call
    }

    async fn next_order(&mut self) -> Option<Order> {
        next_order(&self.bench, &mut self.seen).await
    }
}

#[tokio::test(start_paused = true)]
async fn members_get_a_token_and_strangers_hear_why_they_do_not() {
    let rooms = Arc::new(PretendRooms::default());
    rooms.member(ROOM, ALICE, "join");
    let bench = Bench::told(&rooms);
    assert!(bench.post_json("/sfu/get", &sfu_get()).await.can_publish());
    let refused = bench.post_json("/get_token", &get_token_from_abroad()).await;
    refused.assert_refused(403, "M_FORBIDDEN");
    assert!(
        refused.body["error"]
            .as_str()
            .unwrap()
            .contains("not in the Matrix room")
    );
    rooms.member(ROOM, BOB, "invite");
    let refused = bench.post_json("/get_token", &get_token_from_abroad()).await;
    refused.assert_refused(403, "M_FORBIDDEN");
    assert_eq!(bench.rooms_made(), [SFU_ROOM], "only Alice had a room made");
}

#[tokio::test(start_paused = true)]
async fn somebody_whose_join_arrives_late_is_waited_for_and_somebody_banned_is_not() {
    let rooms = Arc::new(PretendRooms::default());
    rooms.member(ROOM, ALICE, "join");
    let bench = Bench::told(&rooms);
    let began = Instant::now();
    let arrives = async {
        sleep(Duration::from_millis(2_500)).await;
        rooms.member(ROOM, BOB, "join");
    };
    let body = get_token_from_abroad();
    let (reply, ()) = tokio::join!(bench.post_json("/get_token", &body), arrives);
    assert!(!reply.can_publish());
    assert_eq!(
        began.elapsed(),
        Duration::from_millis(2_500),
        "as soon as it is known"
    );
    rooms.member(ROOM, BOB, "ban");
    let refused = bench.post_json("/get_token", &get_token_from_abroad()).await;
    refused.assert_refused(403, "M_FORBIDDEN");
    assert_eq!(began.elapsed(), Duration::from_millis(2_500));
}

#[tokio::test(start_paused = true)]
async fn where_only_membership_is_known_it_is_asked_for_until_the_patience_is_over() {
    let rooms = Arc::new(PretendRooms::default());
    rooms.set_joined(ROOM, ALICE, true);
    let bench = Bench::told(&rooms);
    assert!(bench.post_json("/sfu/get", &sfu_get()).await.can_publish());
    let began = Instant::now();
    let refused = bench.post_json("/get_token", &get_token_from_abroad()).await;
    refused.assert_refused(403, "M_FORBIDDEN");
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert!(*rooms.asked.lock().unwrap() > 3);
    *rooms.joined.lock().unwrap() = None;
    let away = bench.post_json("/sfu/get", &sfu_get()).await;
    away.assert_refused(503, "M_UNKNOWN");
}

#[tokio::test(start_paused = true)]
async fn people_of_a_denied_homeserver_hear_it_at_once_and_are_looked_for_in_no_room() {
    let rooms = Arc::new(PretendRooms::default());
    rooms.set_joined(ROOM, ALICE, true);
    let bench = Bench::told(&rooms);
    bench.focus.change_policy(|rules| {
        rules.rules = policy("denied_homeservers = [\"org-b.example\"]");
    });
    let began = Instant::now();
    let refused = bench.post_json("/get_token", &get_token_from_abroad()).await;
    refused.assert_refused(403, "M_FORBIDDEN");
    let said = refused.body["error"].as_str().unwrap();
    assert!(said.contains("nobody of your homeserver"), "{said}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(*rooms.asked.lock().unwrap(), 0);
    assert!(
        bench.post_json("/sfu/get", &sfu_get()).await.can_publish(),
        "others come in"
    );
}

#[tokio::test(start_paused = true)]
async fn a_ban_ends_one_seat_within_a_second_and_leaves_the_other() {
    let mut call = Call::begin(json!({})).await;
    let began = Instant::now();
    call.rooms.member(ROOM, BOB, "ban");
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(call.next_order().await, None, "Alice stays");
}

#[tokio::test(start_paused = true)]
async fn somebody_banned_while_the_token_is_made_is_out_and_who_was_not_stays() {
    let rooms = Arc::new(PretendRooms::default());
    for user in [ALICE, BOB] {
        rooms.member(ROOM, user, "join");
    }
    let bench = Bench::told(&rooms);
    tokio::spawn(Watch::new(Arc::clone(&bench.focus)).run());
    *bench.rooms.pause.lock().unwrap() = Duration::from_secs(1);
    let ban = async {
        sleep(Duration::from_millis(500)).await;
        rooms.member(ROOM, BOB, "ban");
    };
    let (alices, bobs) = (sfu_get(), get_token_from_abroad());
    let (_, bob, ()) = tokio::join!(
        bench.post_json("/sfu/get", &alices),
        bench.post_json("/get_token", &bobs),
        ban
    );
    let (bob, mut seen) = (bob.identity(), 0);
    assert_eq!(
        next_order(&bench, &mut seen).await,
        Some(Order::End(seat_of(&bob)))
    );
    assert_eq!(next_order(&bench, &mut seen).await, None, "Alice stays");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_room_of_which_only_membership_is_known_is_out_within_three_seconds() {
    let rooms = Arc::new(PretendRooms::default());
    for user in [ALICE, BOB] {
        rooms.set_joined(ROOM, user, true);
    }
    let mut call = Call::of(rooms).await;
    // A homeserver that is away puts nobody out.
    let before = call.rooms.joined.lock().unwrap().take();
    assert_eq!(call.next_order().await, None);
    *call.rooms.joined.lock().unwrap() = before;
    let began = Instant::now();
    call.rooms.set_joined(ROOM, BOB, false);
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert!(began.elapsed() <= Duration::from_secs(3));
    assert_eq!(call.next_order().await, None, "Alice stays");
    // About who has gone it is asked no more.
    for identity in [&call.alice, &call.bob] {
        call.bench.focus.heard(&left(identity));
    }
    assert_eq!(call.next_order().await, None);
    let asked = *call.rooms.asked.lock().unwrap();
    assert_eq!(call.next_order().await, None);
    assert_eq!(*call.rooms.asked.lock().unwrap(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_token_from_before_its_holder_was_removed_opens_nothing_for_long() {
    let rooms = Arc::new(PretendRooms::default());
    for user in [ALICE, BOB] {
        rooms.set_joined(ROOM, user, true);
    }
    let mut call = Call::of(rooms).await;
    // Bob goes before he is removed, and tries again.
    for identity in [&call.alice, &call.bob] {
        call.bench.focus.heard(&left(identity));
    }
    assert_eq!(call.next_order().await, None);
    call.rooms.set_joined(ROOM, BOB, false);
    assert_eq!(
        call.next_order().await,
        None,
        "nobody is asked about who is not there"
    );
    for identity in [&call.alice, &call.bob] {
        call.bench.focus.heard(&joined(identity));
        call.bench.focus.heard(&left(identity));
    }
    // Which ends the token as well.
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert_eq!(call.next_order().await, None, "Alice may come and go");
    // She goes because she is removed, and her client knew it before us.
    call.bench.focus.heard(&joined(&call.alice));
    assert_eq!(call.next_order().await, None);
    call.rooms.set_joined(ROOM, ALICE, false);
    call.bench.focus.heard(&left(&call.alice));
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.alice))));
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_and_only_opens_the_signalling_is_out_and_who_was_not_may_connect() {
    let rooms = Arc::new(PretendRooms::default());
    for user in [ALICE, BOB] {
        rooms.set_joined(ROOM, user, true);
    }
    let mut call = Call::of(rooms).await;
    for identity in [&call.alice, &call.bob] {
        call.bench.focus.heard(&left(identity));
    }
    assert_eq!(call.next_order().await, None);
    call.rooms.set_joined(ROOM, BOB, false);
    for identity in [&call.alice, &call.bob] {
        call.bench.focus.heard(&SeatEvent::Connecting {
            seat: seat_of(identity),
        });
    }
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert_eq!(call.next_order().await, None, "Alice may connect");
}

#[tokio::test(start_paused = true)]
async fn after_lost_events_it_is_looked_up_who_is_there_and_asked_about_them() {
    let rooms = Arc::new(PretendRooms::default());
    for user in [ALICE, BOB] {
        rooms.set_joined(ROOM, user, true);
    }
    let mut call = Call::of(rooms).await;
    // That Bob came again, and that Alice went, is not heard.
    call.bench.focus.heard(&left(&call.bob));
    assert_eq!(call.next_order().await, None);
    let bob = ParticipantInfo {
        identity: call.bob.clone(),
        sid: "PA_2".to_owned(),
        state: State::Active.into(),
        ..ParticipantInfo::default()
    };
    let there = vec![bob];
    look_again(&call.bench.focus, |room| {
        assert_eq!(room, SFU_ROOM);
        ready(Ok(there.clone()))
    })
    .await;
    let calls = call.bench.focus.calls();
    let homeservers: Vec<_> = calls.calls.iter().flat_map(|call| &call.homeservers).collect();
    assert_eq!(homeservers, [(&"org-b.example".to_owned(), &1)], "Bob alone");
    assert_eq!(call.next_order().await, None, "he is in the room");
    call.rooms.set_joined(ROOM, BOB, false);
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert_eq!(call.next_order().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_power_or_policy_takes_away_what_it_took_for_it() {
    let mut call = Call::begin(json!({})).await;
    call.rooms.state(
        ROOM,
        "org.hanse.call_policy",
        "",
        json!({"camera": 50, "screen": 50}),
    );
    let Some(Order::Rights(seat, rights)) = call.next_order().await else {
        panic!("no order");
    };
    assert_eq!(seat, seat_of(&call.alice));
    assert_eq!(
        (rights.camera, rights.microphone, rights.screen),
        (false, true, false)
    );
    assert_eq!(call.next_order().await, None, "Bob publishes nothing here anyway");
    call.rooms
        .state(ROOM, "m.room.power_levels", "", json!({"users": {ALICE: 50}}));
    let Some(Order::Rights(seat, rights)) = call.next_order().await else {
        panic!("no order");
    };
    assert_eq!(seat, seat_of(&call.alice));
    assert!(rights.camera && rights.microphone && rights.screen);
}

#[tokio::test(start_paused = true)]
async fn new_rules_of_the_organisation_hold_at_once_for_those_in_a_call() {
    let mut call = Call::begin(json!({})).await;
    call.bench.focus.change_policy(|rules| {
        rules.rules = policy("denied_homeservers = [\"org-b.example\"]");
    });
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert_eq!(call.next_order().await, None, "Alice stays");
    let refused = call.bench.post_json("/get_token", &get_token_from_abroad()).await;
    refused.assert_refused(403, "M_FORBIDDEN");
}

#[tokio::test(start_paused = true)]
async fn an_sfu_that_does_not_answer_is_told_again() {
    let mut call = Call::begin(json!({})).await;
    *call.bench.rooms.mood.lock().unwrap() = Mood::Refusing;
    call.rooms.member(ROOM, BOB, "leave");
    sleep(Duration::from_secs(2)).await;
    *call.bench.rooms.mood.lock().unwrap() = Mood::Willing;
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert_eq!(call.next_order().await, None);
}

#[tokio::test(start_paused = true)]
async fn who_comes_with_a_token_of_old_gets_the_rights_of_now() {
    let mut call = Call::begin(json!({})).await;
    let alice = call.alice.clone();
    call.bench.focus.heard(&left(&alice));
    call.rooms
        .state(ROOM, "org.hanse.call_policy", "", json!({"camera": 50}));
    let is_alices = |order: Option<Order>| match order {
        Some(Order::Rights(seat, rights)) => seat == seat_of(&alice) && !rights.camera && rights.microphone,
        _ => false,
    };
    // She is not there; the order is for whatever the SFU knows of her.
    assert!(is_alices(call.next_order().await));
    call.bench.focus.heard(&joined(&alice));
    assert!(is_alices(call.next_order().await));
    assert_eq!(call.next_order().await, None);
}

#[tokio::test(start_paused = true)]
async fn seats_of_the_policy_are_given_once_each() {
    let rooms = Arc::new(PretendRooms::default());
    for user in [ALICE, BOB] {
        rooms.member(ROOM, user, "join");
    }
    rooms.state(ROOM, "org.hanse.call_policy", "", json!({"seats": 1}));
    let bench = Bench::told(&rooms);
    let alice = bench.post_json("/sfu/get", &sfu_get()).await.identity();
    bench.focus.heard(&joined(&alice));
    let refused = bench.post_json("/get_token", &get_token_from_abroad()).await;
    refused.assert_refused(403, "M_FORBIDDEN");
    assert!(refused.body["error"].as_str().unwrap().contains("taken"));
    assert_eq!(
        bench.post_json("/sfu/get", &sfu_get()).await.status,
        200,
        "Alice asks again"
    );
    bench.focus.heard(&left(&alice));
    assert_eq!(
        bench
            .post_json("/get_token", &get_token_from_abroad())
            .await
            .status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn a_locked_call_goes_on_for_those_in_it_and_takes_nobody_new() {
    let mut call = Call::begin(json!({})).await;
    let carol = "@carol:org-a.example";
    let dave = "@dave:org-a.example";
    let asks =
        |token: &str| json!({"room": ROOM, "openid_token": openid("org-a.example", token), "device_id": "D"});
    for (user, token) in [(carol, "carols-token"), (dave, "daves-token")] {
        call.bench.knows(user, token);
        call.rooms.member(ROOM, user, "join");
    }
    // Carol has hung up, and still has a token.
    let of_carol = call
        .bench
        .post_json("/sfu/get", &asks("carols-token"))
        .await
        .identity();
    call.bench.focus.heard(&joined(&of_carol));
    call.bench.focus.heard(&SeatEvent::Left {
        seat: seat_of(&of_carol),
        sid: "PA_1".to_owned(),
        departure: Departure::ByClient,
    });
    assert_eq!(call.next_order().await, None);
    let set = |locked: Value| {
        call.rooms
            .state(ROOM, "org.hanse.call_policy", "", json!({"locked": locked}));
    };
    set(json!(true));
    let refused = call.bench.post_json("/sfu/get", &asks("daves-token")).await;
    refused.assert_refused(403, "M_FORBIDDEN");
    assert!(
        refused.body["error"]
            .as_str()
            .unwrap()
            .contains("locked this call"),
        "{}",
        refused.body
    );
    let seen = &mut call.seen;
    let next = next_order(&call.bench, seen).await;
    assert_eq!(
        next,
        Some(Order::End(seat_of(&of_carol))),
        "her token opens nothing"
    );
    // Bob's connection is lost, and begins anew; so does Alice's, in order.
    call.bench.focus.heard(&left(&call.bob));
    call.bench.focus.heard(&SeatEvent::Left {
        seat: seat_of(&call.alice),
        sid: "PA_1".to_owned(),
        departure: Departure::ByClient,
    });
    assert_eq!(next_order(&call.bench, seen).await, None);
    for body in [sfu_get(), get_token_from_abroad()] {
        let path = if body.get("room").is_some() {
            "/sfu/get"
        } else {
            "/get_token"
        };
        assert_eq!(call.bench.post_json(path, &body).await.status, 200);
    }
    call.bench.focus.heard(&joined(&call.bob));
    assert_eq!(next_order(&call.bench, seen).await, None);
    set(json!([dave]));
    assert_eq!(
        call.bench
            .post_json("/sfu/get", &asks("daves-token"))
            .await
            .status,
        200
    );
    call.bench
        .post_json("/sfu/get", &asks("carols-token"))
        .await
        .assert_refused(403, "M_FORBIDDEN");
    set(json!(false));
    assert_eq!(
        call.bench
            .post_json("/sfu/get", &asks("carols-token"))
            .await
            .status,
        200
    );
    assert_eq!(next_order(&call.bench, seen).await, None);
}

const MODERATOR: &str = "@mod:org-a.example";

fn moderation(token: &str, more: Value) -> Value {
    let mut body = json!({"room_id": ROOM, "openid_token": {"access_token": token, "matrix_server_name": "org-a.example"}});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

impl Call {
    /// A call in which Alice publishes, Bob watches, and somebody may moderate who is not in it.
    async fn moderated() -> Self {
        let call = Call::begin(json!({})).await;
        call.rooms.member(ROOM, MODERATOR, "join");
        let levels = json!({"users": {MODERATOR: 50, "@creator:org-a.example": 100}});
        call.rooms.state(ROOM, "m.room.power_levels", "", levels);
        call.bench.knows(MODERATOR, "mods-token");
        call
    }

    async fn moderate(&self, token: &str, more: Value) -> common::Reply {
        self.bench.post_json("/moderate", &moderation(token, more)).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_moderator_mutes_and_removes_one_and_the_room_is_told() {
    let mut call = Call::moderated().await;
    let muted = call
        .moderate(
            "mods-token",
            json!({"action": "mute", "user_id": ALICE, "source": "microphone"}),
        )
        .await;
    assert_eq!((muted.status.as_u16(), muted.body), (200, json!({})));
    assert_eq!(
        call.next_order().await,
        Some(Order::Mute(seat_of(&call.alice), Source::Microphone))
    );
    let removed = call
        .moderate("mods-token", json!({"action": "remove", "user_id": BOB}))
        .await;
    assert_eq!(removed.status, 200);
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert_eq!(call.next_order().await, None, "Alice stays");
    let told = call.rooms.told.lock().unwrap().clone();
    let record = |content: Value| (ROOM.to_owned(), "org.hanse.call_moderation".to_owned(), content);
    assert_eq!(
        told,
        [
            record(
                json!({"action": "mute", "by": MODERATOR, "slot_id": "m.call#ROOM", "source": "microphone", "user_id": ALICE})
            ),
            record(json!({"action": "remove", "by": MODERATOR, "slot_id": "m.call#ROOM", "user_id": BOB})),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_moderator_ends_the_call_for_all() {
    let mut call = Call::moderated().await;
    let ended = call.moderate("mods-token", json!({"action": "end"})).await;
    assert_eq!(ended.status, 200);
    assert_eq!(call.next_order().await, Some(Order::Close(SFU_ROOM.to_owned())));
    assert_eq!(call.next_order().await, None);
    assert_eq!(call.rooms.told.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_no_moderator_moderates_nobody_and_nobody_moderates_who_has_more_power() {
    let mut call = Call::moderated().await;
    for act in [
        json!({"action": "mute", "user_id": BOB, "source": "camera"}),
        json!({"action": "remove", "user_id": BOB}),
        json!({"action": "end"}),
    ] {
        let refused = call.moderate("alices-token", act).await;
        refused.assert_refused(403, "M_FORBIDDEN");
    }
    call.rooms.state(
        ROOM,
        "m.room.power_levels",
        "",
        json!({"users": {MODERATOR: 50, ALICE: 60}}),
    );
    let refused = call
        .moderate("mods-token", json!({"action": "remove", "user_id": ALICE}))
        .await;
    refused.assert_refused(403, "M_FORBIDDEN");
    assert_eq!(call.next_order().await, None);
    assert!(call.rooms.told.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn there_is_no_way_to_switch_on_anothers_microphone_and_bad_requests_hear_why() {
    let mut call = Call::moderated().await;
    for (act, status, errcode) in [
        (
            json!({"action": "unmute", "user_id": ALICE, "source": "microphone"}),
            400,
            "M_BAD_JSON",
        ),
        (json!({"action": "mute", "user_id": ALICE}), 400, "M_BAD_JSON"),
        (
            json!({"action": "mute", "user_id": ALICE, "source": "soul"}),
            400,
            "M_BAD_JSON",
        ),
        (json!({"action": "remove", "user_id": "alice"}), 400, "M_BAD_JSON"),
        (
            json!({"action": "remove", "user_id": MODERATOR}),
            404,
            "M_NOT_FOUND",
        ),
        (
            json!({"action": "end", "room_id": "!other:org-a.example"}),
            403,
            "M_FORBIDDEN",
        ),
    ] {
        call.moderate("mods-token", act)
            .await
            .assert_refused(status, errcode);
    }
    call.moderate("nobodys-token", json!({"action": "end"}))
        .await
        .assert_refused(401, "M_UNAUTHORIZED");
    assert_eq!(call.next_order().await, None);
}

#[tokio::test]
async fn a_focus_that_was_started_anew_still_watches_who_sits_at_its_sfu() {
    let rooms = Arc::new(PretendRooms::default());
    for user in [ALICE, BOB] {
        rooms.member(ROOM, user, "join");
    }
    let store = Store::open("sqlite::memory:").await.unwrap();
    let before = Bench::told_and_kept(&rooms, &store).await;
    let alice = before.post_json("/sfu/get", &sfu_get()).await.identity();
    let bob = before
        .post_json("/get_token", &get_token_from_abroad())
        .await
        .identity();
    assert_eq!(store.seats().await.unwrap().len(), 2);
    drop(before);

    rooms.member(ROOM, BOB, "ban");
    let after = Bench::told_and_kept(&rooms, &store).await;
    tokio::spawn(Watch::new(Arc::clone(&after.focus)).run());
    for identity in [&alice, &bob] {
        after.focus.heard(&joined(identity));
    }
    // Alice is told what she may, because nobody knows any more what she was told.
    let mut orders = Vec::new();
    let told = timeout(Duration::from_secs(20), async {
        while orders.len() < 2 {
            sleep(Duration::from_millis(10)).await;
            orders = after.rooms.orders.lock().unwrap().clone();
        }
    });
    told.await.unwrap();
    assert!(orders.contains(&Order::End(seat_of(&bob))), "{orders:?}");
    let is_alices = |order: &Order| match order {
        Order::Rights(seat, rights) => *seat == seat_of(&alice) && rights.camera && rights.microphone,
        _ => false,
    };
    assert!(orders.iter().any(is_alices), "{orders:?}");
    // What is over is forgotten by the store, too.
    let forgotten = timeout(Duration::from_secs(20), async {
        while store.seats().await.unwrap().len() > 1 {
            sleep(Duration::from_millis(10)).await;
        }
    });
    forgotten.await.unwrap();
    assert_eq!(store.seats().await.unwrap()[0].user.as_str(), ALICE);
}

#[tokio::test(start_paused = true)]
async fn people_of_a_homeserver_with_a_bitrate_are_sent_no_more_from_their_first_moment_on() {
    let rule = |kbps: u32| json!({"homeservers": {"org-b.example": {"bitrate_kbps": kbps}}});
    let rooms = Arc::new(PretendRooms::default());
    for user in [ALICE, BOB] {
        rooms.member(ROOM, user, "join");
    }
    rooms.state(ROOM, "org.hanse.call_policy", "", rule(800));
    let bench = Bench::told(&rooms);
    tokio::spawn(Watch::new(Arc::clone(&bench.focus)).run());
    let alice = bench.post_json("/sfu/get", &sfu_get()).await.identity();
    let bob = bench
        .post_json("/get_token", &get_token_from_abroad())
        .await
        .identity();
    for identity in [&alice, &bob] {
        bench.focus.heard(&joined(identity));
    }
    let mut seen = 0;
    let mut limit = async || match next_order(&bench, &mut seen).await {
        Some(Order::Rights(seat, rights)) => Some((seat, rights.bitrate_kbps)),
        None => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(limit().await, Some((seat_of(&bob), Some(800))));
    assert_eq!(limit().await, None, "Alice has no limit");
    rooms.state(ROOM, "org.hanse.call_policy", "", rule(400));
    assert_eq!(limit().await, Some((seat_of(&bob), Some(400))));
    assert_eq!(limit().await, None);
}

#[tokio::test(start_paused = true)]
async fn whom_a_moderator_removed_is_out_as_soon_as_the_sfu_answers_again() {
    let mut call = Call::moderated().await;
    *call.bench.rooms.mood.lock().unwrap() = Mood::Refusing;
    let refused = call
        .moderate("mods-token", json!({"action": "remove", "user_id": BOB}))
        .await;
    refused.assert_refused(503, "M_UNKNOWN");
    *call.bench.rooms.mood.lock().unwrap() = Mood::Willing;
    assert_eq!(call.next_order().await, Some(Order::End(seat_of(&call.bob))));
    assert_eq!(call.next_order().await, None, "Alice stays");
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_before_new_rules_were_judged_loses_what_they_take_all_the_same() {
    let rooms = Arc::new(PretendRooms::default());
    rooms.member(ROOM, ALICE, "join");
    let bench = Bench::told(&rooms);
    let watch = Watch::new(Arc::clone(&bench.focus));
    let alice = bench.post_json("/sfu/get", &sfu_get()).await.identity();
    bench.focus.heard(&joined(&alice));
    rooms.state(ROOM, "org.hanse.call_policy", "", json!({"camera": 50}));
    assert_eq!(bench.post_json("/sfu/get", &sfu_get()).await.status, 200);
    tokio::spawn(watch.run());
    let mut seen = 0;
    let Some(Order::Rights(seat, rights)) = next_order(&bench, &mut seen).await else {
        panic!("the SFU was not told");
    };
    assert_eq!(seat, seat_of(&alice));
    assert!(!rights.camera && rights.microphone);
    assert_eq!(next_order(&bench, &mut seen).await, None);
}
