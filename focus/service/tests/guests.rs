//! Guests at the focus: who may make links, what opens, who comes in, and when a visit is over; at a time that stands still
//! until it is moved. Nobody waits for the rounds of whoever looks after guests: settings that are read again begin one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
mod guest_accounts;
mod guest_house;

use common::{Bench, SFU_ROOM, next_order, openid};
use guest_accounts::Accounts;
use guest_house::{ALICE, House, MINUTE, ROOM, allowing};
use hanse_focus::RoomId;
use hanse_focus::guests::{GuestError, GuestsConfig, VISITS_PER_ROOM_MAX, VisitState};
use hanse_focus::store::Store;
use hanse_matrixrtc::Membership;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[tokio::test]
async fn moderators_of_ours_make_links_and_nobody_else() {
    let house = House::new().await;
    let link = house.link(json!({"expires_s": 60})).await;
    assert_eq!(link["secret"].as_str().unwrap().len(), 32);
    assert_eq!(link["spoken"].as_str().unwrap().len(), 11);
    assert_eq!(link["expires_ms"], (common::NOW_UNIX_S + 60) * 1000);
    let longest = house.link(json!({"expires_s": 999_999_999})).await;
    assert_eq!(longest["expires_ms"], (common::NOW_UNIX_S + 24 * 3600) * 1000);
    assert_ne!(longest["secret"], link["secret"]);

    let refused = house
        .host("/guest/link", "org-a.example", "carols-token", json!({}))
        .await;
    refused.assert_refused(403, "M_FORBIDDEN");
    // A moderator, and of another organisation.
    let refused = house
        .host("/guest/link", "org-b.example", "mods-token", json!({}))
        .await;
    refused.assert_refused(403, "M_FORBIDDEN");
    // Not in the room.
    let refused = house
        .host("/guest/link", "org-b.example", "bobs-token", json!({}))
        .await;
    refused.assert_refused(403, "M_FORBIDDEN");
    let refused = house
        .host("/guest/link", "org-a.example", "nobodys-token", json!({}))
        .await;
    refused.assert_refused(401, "M_UNAUTHORIZED");
    // Above the power of all but creators.
    house.rooms.state(
        ROOM,
        "m.room.power_levels",
        "",
        json!({"users": {ALICE: 60}, "invite": 70}),
    );
    house
        .alice("/guest/link", json!({}))
        .await
        .assert_refused(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn what_the_organisation_the_room_or_the_homeserver_does_not_have_is_said_plainly() {
    let house = House::new().await;
    house.accounts.door.lock().unwrap().can_be_knocked = false;
    let refused = house.alice("/guest/link", json!({})).await;
    refused.assert_refused(409, "ORG.HANSE.NO_KNOCKING");
    house.accounts.door.lock().unwrap().can_be_knocked = true;
    *house.accounts.trouble.lock().unwrap() = Some(GuestError::NotOffered("it is behind MAS".to_owned()));
    let refused = house.alice("/guest/link", json!({})).await;
    refused.assert_refused(501, "ORG.HANSE.NO_GUEST_ACCOUNTS");
    *house.accounts.trouble.lock().unwrap() = None;
    let link = house.link(json!({})).await;
    let key = json!({"secret": link["secret"]});

    house
        .rooms
        .state(ROOM, "org.hanse.call_policy", "", json!({"guests": false}));
    for refused in [
        house.alice("/guest/link", json!({})).await,
        house.look(key.clone()).await,
    ] {
        refused.assert_refused(403, "ORG.HANSE.GUESTS_OFF");
    }
    house.rooms.state(ROOM, "org.hanse.call_policy", "", json!({}));
    assert_eq!(house.look(key.clone()).await.status, 200);
    house.set(GuestsConfig {
        allowed: false,
        ..allowing()
    });
    let enter = json!({"secret": link["secret"], "name": "Grace"});
    for refused in [
        house.alice("/guest/link", json!({})).await,
        house.look(key).await,
        house.enter(enter).await,
    ] {
        refused.assert_refused(403, "ORG.HANSE.GUESTS_OFF");
    }
    assert!(house.accounts.there().is_empty());
}

#[tokio::test]
async fn a_focus_without_guests_says_so_at_each_of_their_paths() {
    let bench = Bench::new();
    let body = json!({"room_id": ROOM, "openid_token": openid("org-a.example", "alices-token"), "id": "x",
        "secret": "A".repeat(32), "name": "Grace", "access_token": "x"});
    for path in ["link", "links", "revoke", "look", "enter", "leave"] {
        let reply = bench.post_json(&format!("/guest/{path}"), &body).await;
        reply.assert_refused(403, "ORG.HANSE.GUESTS_OFF");
    }
}

#[tokio::test]
async fn a_guest_is_made_when_the_link_is_proven_and_not_before() {
    let house = House::new().await;
    let link = house.link(json!({"once": true})).await;
    let looked = house.look(json!({"secret": link["secret"]})).await;
    let expected = json!({"meeting": "Kitchen", "organisation": "org-a.example", "needs_passcode": false, "once": true,
        "expires_ms": link["expires_ms"]});
    assert_eq!(looked.body, expected);
    for key in [
        json!({"secret": "A".repeat(32), "name": "Mallory"}),
        json!({"secret": "", "name": "Mallory"}),
        json!({"spoken": "000 000 000", "name": "Mallory"}),
        json!({"spoken": "0", "name": "Mallory"}),
    ] {
        house.enter(key).await.assert_refused(404, "ORG.HANSE.NO_LINK");
    }
    for nothing in [
        json!({"name": "x"}),
        json!({"secret": "a", "spoken": "b", "name": "x"}),
    ] {
        house.enter(nothing).await.assert_refused(400, "M_BAD_JSON");
    }
    let nameless = json!({"secret": link["secret"], "name": "\u{202e}"});
    house.enter(nameless).await.assert_refused(400, "M_BAD_JSON");
    assert!(house.accounts.there().is_empty());

    let entered = house
        .enter(json!({"secret": link["secret"], "name": " Grace\u{202e} "}))
        .await;
    let user = entered.body["user_id"].as_str().unwrap().to_owned();
    assert!(
        user.starts_with("@hanse-guest-") && user.ends_with(":org-a.example"),
        "{user}"
    );
    assert_eq!(entered.body["room_id"], ROOM);
    assert_eq!(entered.body["via"], json!(["org-a.example"]));
    assert_eq!(entered.body["homeserver"], "https://matrix.org-a.example");
    assert_eq!(house.accounts.made.lock().unwrap()[&user], "Grace");
    let replayed = house
        .enter(json!({"secret": link["secret"], "name": "Grace"}))
        .await;
    replayed.assert_refused(404, "ORG.HANSE.NO_LINK");
    house
        .look(json!({"secret": link["secret"]}))
        .await
        .assert_refused(404, "ORG.HANSE.NO_LINK");
}

#[tokio::test]
async fn what_opens_is_stored_nowhere() {
    let house = House::new().await;
    let link = house.link(json!({"passcode": "sesame"})).await;
    let secret = link["secret"].as_str().unwrap();
    let digits = link["spoken"].as_str().unwrap().replace(' ', "");
    let room: RoomId = ROOM.parse().unwrap();
    let stored = format!("{:?}", house.store.guest_links_in(&room, 0).await.unwrap());
    for word in [secret, &digits, "sesame"] {
        assert!(!stored.contains(word), "{word}");
    }
    let listed = house.alice("/guest/links", json!({})).await.body;
    assert_eq!(listed["links"][0]["id"], link["id"]);
    for word in [secret, &digits, "sesame", "hash"] {
        assert!(!listed.to_string().contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_passcode_is_tried_ten_times_and_then_no_more() {
    let house = House::new().await;
    let link = house.link(json!({"passcode": " open sesame "})).await;
    let by = |passcode: &str| json!({"spoken": link["spoken"], "passcode": passcode, "name": "Grace"});
    let without = house
        .enter(json!({"spoken": link["spoken"], "name": "Grace"}))
        .await;
    without.assert_refused(403, "ORG.HANSE.WRONG_PASSCODE");
    assert_eq!(house.enter(by("open sesame")).await.status, 200);
    for _ in 0..10 {
        house
            .enter(by("open barley"))
            .await
            .assert_refused(403, "ORG.HANSE.WRONG_PASSCODE");
    }
    house
        .enter(by("open sesame"))
        .await
        .assert_refused(403, "ORG.HANSE.PASSCODE_SPENT");
    for bad in ["abc", &"x".repeat(129)] {
        house
            .alice("/guest/link", json!({"passcode": bad}))
            .await
            .assert_refused(400, "M_BAD_JSON");
    }
}

#[tokio::test]
async fn who_guesses_waits_and_others_come_in_by_their_links() {
    let house = House::new().await;
    let link = house.link(json!({})).await;
    let guess = |n: u32| json!({"spoken": format!("9{n:08}")});
    for n in 0..10 {
        let wrong = house.from("192.0.2.1", "/guest/look", &guess(n)).await;
        wrong.assert_refused(404, "ORG.HANSE.NO_LINK");
    }
    let right = json!({"secret": link["secret"]});
    let limited = house.from("192.0.2.1", "/guest/look", &right).await;
    limited.assert_refused(429, "M_LIMIT_EXCEEDED");
    assert_eq!(limited.headers["retry-after"], "60");
    for n in 0..40_u32 {
        let from = format!("198.51.100.{}", n / 4);
        house
            .from(&from, "/guest/look", &guess(n))
            .await
            .assert_refused(404, "ORG.HANSE.NO_LINK");
    }
    // So many codes are wrong that none is looked at any more, and links still open.
    let spoken = json!({"spoken": link["spoken"]});
    house
        .from("203.0.113.1", "/guest/look", &spoken)
        .await
        .assert_refused(429, "M_LIMIT_EXCEEDED");
    assert_eq!(house.from("203.0.113.1", "/guest/look", &right).await.status, 200);
    house.bench.later(Duration::from_secs(120));
    assert_eq!(
        house.from("203.0.113.1", "/guest/look", &spoken).await.status,
        200
    );
    assert_eq!(house.from("192.0.2.1", "/guest/look", &right).await.status, 200);
}

#[tokio::test]
async fn a_link_holds_as_long_as_its_maker_may_make_one_and_its_time_is_not_over() {
    let house = House::new().await;
    let link = house.link(json!({"expires_s": 600})).await;
    let key = json!({"secret": link["secret"]});
    let powers = |users: Value| json!({"users": users, "invite": 50});
    house.rooms.state(
        ROOM,
        "m.room.power_levels",
        "",
        powers(json!({"@carol:org-a.example": 100})),
    );
    house
        .look(key.clone())
        .await
        .assert_refused(404, "ORG.HANSE.NO_LINK");
    house
        .rooms
        .state(ROOM, "m.room.power_levels", "", powers(json!({ALICE: 100})));
    assert_eq!(house.look(key.clone()).await.status, 200);
    house.rooms.member(ROOM, ALICE, "leave");
    house
        .look(key.clone())
        .await
        .assert_refused(404, "ORG.HANSE.NO_LINK");
    house.rooms.member(ROOM, ALICE, "join");
    house.bench.later(Duration::from_secs(599));
    assert_eq!(house.look(key.clone()).await.status, 200);
    house.bench.later(Duration::from_secs(1));
    house.look(key).await.assert_refused(404, "ORG.HANSE.NO_LINK");
}

#[tokio::test]
async fn a_guest_who_cannot_be_made_has_used_nothing_and_leaves_nothing_behind() {
    let house = House::new().await;
    let keeper = house.keep();
    let link = house.link(json!({"once": true})).await;
    let wish = json!({"secret": link["secret"], "name": "Grace"});
    *house.accounts.makes_and_fails.lock().unwrap() = true;
    house.enter(wish.clone()).await.assert_refused(503, "M_UNKNOWN");
    house
        .until("whoever was made all the same is gone", async || {
            house.accounts.there().is_empty() && house.store.visits().await.unwrap().is_empty()
        })
        .await;
    *house.accounts.makes_and_fails.lock().unwrap() = false;
    assert_eq!(house.enter(wish.clone()).await.status, 200);
    house.enter(wish).await.assert_refused(404, "ORG.HANSE.NO_LINK");
    keeper.abort();
}

#[tokio::test]
async fn a_visit_goes_by_the_lobby_and_ends_when_the_guest_is_removed_and_no_other_visit_does() {
    let house = House::new().await;
    let _keeper = house.keep();
    let link = house.link(json!({})).await;
    let (grace, _) = house.guest(&link, "Grace").await;
    let (heidi, _) = house.guest(&link, "Heidi").await;
    assert_eq!(house.state(&grace).await, Some(VisitState::Coming));
    for user in [&grace, &heidi] {
        house.rooms.member(ROOM, user, "knock");
    }
    house.becomes(&grace, VisitState::Waiting).await;
    house.rooms.member(ROOM, &grace, "invite");
    house.rooms.member(ROOM, &grace, "join");
    house.becomes(&grace, VisitState::Inside).await;
    // Refused in the lobby.
    house.rooms.member(ROOM, &heidi, "leave");
    house.is_gone(&heidi).await;
    assert_eq!(house.state(&grace).await, Some(VisitState::Inside));
    house.rooms.member(ROOM, &grace, "ban");
    house.is_gone(&grace).await;
}

#[tokio::test]
async fn who_leaves_loses_the_seat_and_the_account_at_once_and_only_their_token_does_it() {
    let house = House::new().await;
    let _keeper = house.keep();
    let link = house.link(json!({})).await;
    let (grace, token) = house.guest(&link, "Grace").await;
    house.rooms.member(ROOM, &grace, "join");
    house.bench.knows(&grace, "graces-proof");
    let ask =
        json!({"room": ROOM, "device_id": "DEVICE", "openid_token": openid("org-a.example", "graces-proof")});
    let claims = house.bench.post_json("/sfu/get", &ask).await.claims();
    assert_eq!(claims["video"]["canPublish"], true);

    let leave = async |token: &str| {
        house
            .bench
            .post_json("/guest/leave", &json!({"access_token": token}))
            .await
    };
    for wrong in ["", "somebody else's", &"x".repeat(5000)] {
        leave(wrong).await.assert_refused(401, "M_UNKNOWN_TOKEN");
    }
    assert!(house.state(&grace).await.is_some());
    assert_eq!(leave(&token).await.body, json!({}));
    assert!(house.accounts.there().is_empty());
    assert_eq!(house.state(&grace).await, None);
    let order = next_order(&house.bench, &mut 0).await.unwrap();
    let common::Order::End(seat) = order else {
        panic!("{order:?}")
    };
    assert_eq!(seat.room, SFU_ROOM);
    leave(&token).await.assert_refused(401, "M_UNKNOWN_TOKEN");
}

#[tokio::test]
async fn a_guest_cannot_moderate_whatever_power_they_have() {
    let house = House::new().await;
    let link = house.link(json!({})).await;
    let (grace, _) = house.guest(&link, "Grace").await;
    house.rooms.member(ROOM, &grace, "join");
    house.bench.knows(&grace, "graces-proof");
    let levels = json!({"users": {ALICE: 100, &grace: 100}, "invite": 0});
    house.rooms.state(ROOM, "m.room.power_levels", "", levels);
    for (path, more) in [
        ("/moderate", json!({"action": "end"})),
        ("/moderate", json!({"action": "remove", "user_id": ALICE})),
        ("/guest/link", json!({})),
        ("/guest/links", json!({})),
        ("/guest/revoke", json!({"id": link["id"]})),
    ] {
        let refused = house.host(path, "org-a.example", "graces-proof", more).await;
        refused.assert_refused(403, "M_FORBIDDEN");
    }
    assert!(house.bench.rooms.orders.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_guest_who_goes_elsewhere_is_ended_an_invitation_elsewhere_is_declined_and_strangers_of_the_namespace_go()
 {
    let house = House::new().await;
    let _keeper = house.keep();
    let link = house.link(json!({})).await;
    let (grace, _) = house.guest(&link, "Grace").await;
    let (heidi, _) = house.guest(&link, "Heidi").await;
    house.listens().await;
    let moved = |user: &str, room: &str, membership| house.moved(user, true, user, room, membership, false);
    moved(&grace, ROOM, Membership::Knock);
    moved(&heidi, "!elsewhere:org-b.example", Membership::Invite);
    house
        .until("it is declined", async || {
            !house.accounts.taken_out.lock().unwrap().is_empty()
        })
        .await;
    let declined = (heidi.clone(), "!elsewhere:org-b.example".to_owned());
    assert_eq!(*house.accounts.taken_out.lock().unwrap(), [declined]);
    moved(&grace, "!elsewhere:org-b.example", Membership::Join);
    house.is_gone(&grace).await;
    let unknown = "@hanse-guest-unknown:org-a.example";
    moved(unknown, ROOM, Membership::Join);
    house
        .until("nobody knows them", async || {
            house.accounts.ended.lock().unwrap().contains(&unknown.to_owned())
        })
        .await;
    assert!(house.state(&heidi).await.is_some());
}

#[tokio::test]
async fn a_guest_outlasts_the_call_by_five_minutes_and_not_the_deadline() {
    let house = House::new().await;
    let _keeper = house.keep();
    let link = house.link(json!({})).await;
    let (grace, _) = house.guest(&link, "Grace").await;
    house.rooms.member(ROOM, &grace, "join");
    house.becomes(&grace, VisitState::Inside).await;
    let in_call = |user: &str, content: Value| {
        let key = format!("_{user}_DEVICE_m.call");
        house.rooms.call_member(ROOM, user, &key, content);
    };
    let present = || {
        let now_ms = house.bench.now.lock().unwrap().unix_s * 1000;
        json!({"application": "m.call", "call_id": "", "scope": "m.room", "device_id": "DEVICE", "expires": 14_400_000,
            "created_ts": now_ms, "focus_active": {"type": "livekit", "focus_selection": "oldest_membership"},
            "foci_preferred": []})
    };
    in_call(ALICE, present());
    in_call(&grace, present());
    house.rounds(&link).await;
    house.bench.later(10 * MINUTE);
    house.rounds(&link).await;
    // Only the guest is in it any more.
    in_call(ALICE, json!({}));
    house.bench.later(4 * MINUTE);
    house.rounds(&link).await;
    assert_eq!(house.state(&grace).await, Some(VisitState::Inside));
    house.bench.later(MINUTE);
    house.is_gone(&grace).await;
}

#[tokio::test]
async fn an_end_survives_a_restart_and_a_homeserver_that_is_away() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let house = House::with(store.clone(), Accounts::new());
    let keeper = house.keep();
    let link = house.link(json!({})).await;
    let (grace, token) = house.guest(&link, "Grace").await;
    *house.accounts.trouble.lock().unwrap() = Some(GuestError::Unreachable("it is away".to_owned()));
    let left = house
        .bench
        .post_json("/guest/leave", &json!({"access_token": token}))
        .await;
    assert_eq!(
        left.body,
        json!({}),
        "it is over for the guest, whatever the homeserver does"
    );
    let tries = |at_least| move |accounts: &Accounts| accounts.ends.load(Ordering::Relaxed) >= at_least;
    house
        .until("it is tried again", async || tries(3)(&house.accounts))
        .await;
    assert_eq!(house.state(&grace).await, Some(VisitState::Ending));
    keeper.abort();

    let again = House::with(store, Arc::clone(&house.accounts));
    let _keeper = again.keep();
    again
        .until("it is tried again", async || tries(6)(&house.accounts))
        .await;
    assert_eq!(again.state(&grace).await, Some(VisitState::Ending));
    *house.accounts.trouble.lock().unwrap() = None;
    again.is_gone(&grace).await;
    assert_eq!(house.accounts.ended.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn revoking_ends_the_link_and_those_who_came_by_it_only_if_they_are_meant() {
    let house = House::new().await;
    let _keeper = house.keep();
    let (one, other) = (house.link(json!({})).await, house.link(json!({})).await);
    let (grace, _) = house.guest(&one, "Grace").await;
    let (heidi, _) = house.guest(&other, "Heidi").await;
    let revoke = async |id: &Value, with_guests: bool| {
        let more = json!({"id": id, "with_guests": with_guests});
        house.alice("/guest/revoke", more).await
    };
    assert_eq!(revoke(&one["id"], false).await.body, json!({}));
    house
        .look(json!({"secret": one["secret"]}))
        .await
        .assert_refused(404, "ORG.HANSE.NO_LINK");
    revoke(&one["id"], false).await.assert_refused(404, "M_NOT_FOUND");
    assert!(house.state(&grace).await.is_some());
    assert_eq!(revoke(&one["id"], true).await.body, json!({}));
    house.is_gone(&grace).await;
    assert!(house.state(&heidi).await.is_some());
    house.set(GuestsConfig {
        allowed: false,
        ..allowing()
    });
    house.is_gone(&heidi).await;
}

#[tokio::test]
async fn a_thousand_who_come_by_one_link_fill_the_guests_places_and_keep_out_no_member() {
    let house = House::new().await;
    let link = house.link(json!({})).await;
    let come = async |number: i64| {
        let body = json!({"secret": link["secret"], "name": format!("Guest {number}")});
        house.enter(body).await.status.as_u16()
    };
    let mut answers = BTreeMap::new();
    for number in 0..1_000 {
        *answers.entry(come(number).await).or_insert(0) += 1;
    }
    assert_eq!(answers, BTreeMap::from([(200, 60), (429, 940)]));
    // One a second after that.
    for number in 60..VISITS_PER_ROOM_MAX + 3 {
        house.bench.later(Duration::from_secs(1));
        let expected = if number < VISITS_PER_ROOM_MAX { 200 } else { 503 };
        assert_eq!(come(number).await, expected, "number {number}");
    }
    let member =
        json!({"room": ROOM, "openid_token": openid("org-a.example", "carols-token"), "device_id": "D"});
    assert_eq!(house.bench.post_json("/sfu/get", &member).await.status, 200);
    // With the link its guests go, and there is place again.
    let revoked = json!({"id": link["id"], "with_guests": true});
    assert_eq!(house.alice("/guest/revoke", revoked).await.status, 200);
    let _keeper = house.keep();
    let is_empty = async || house.accounts.there().is_empty();
    house.until_in_this_round("they are gone", is_empty).await;
    house.guest(&house.link(json!({})).await, "Grace").await;
}
