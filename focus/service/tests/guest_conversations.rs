//! Conversations of a guest with one person of the meeting, the only rooms beside it in which a guest may be.
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

use common::openid;
use guest_house::{ALICE, House, ROOM};
use hanse_focus::guests::{GuestError, VisitState};
use hanse_matrixrtc::Membership;
use serde_json::{Value, json};
use std::time::Duration;

/// Of a house whose guests are in the meeting: its link, and they.
async fn inside<const N: usize>(house: &House) -> (Value, [String; N]) {
    let link = house.link(json!({})).await;
    let mut guests = Vec::new();
    for _ in 0..N {
        let (guest, _) = house.guest(&link, "Guest").await;
        house.rooms.member(ROOM, &guest, "join");
        guests.push(guest);
    }
    for guest in &guests {
        house.becomes(guest, VisitState::Inside).await;
    }
    (link, guests.try_into().unwrap())
}

#[tokio::test]
async fn whoever_is_in_the_meeting_may_converse_with_a_guest_until_one_of_the_two_is_there_no_more() {
    let house = House::new().await;
    let _keeper = house.keep();
    house.listens().await;
    let (link, [grace]) = inside(&house).await;
    for (by, room) in [(ALICE, "!ours"), ("@mod:org-b.example", "!theirs")] {
        house.invites(by, &grace, room);
        house.follows(&grace, room, &[by]);
    }
    house.rounds(&link).await;
    assert!(house.is_in(&grace, "!ours") && house.is_in(&grace, "!theirs"));
    assert_eq!(*house.accounts.taken_out.lock().unwrap(), []);
    assert_eq!(house.state(&grace).await, Some(VisitState::Inside));
    house.bench.knows(&grace, "graces-proof");
    let call = |room: &str| {
        let openid_token = openid("org-a.example", "graces-proof");
        json!({"room": room, "device_id": "DEVICE", "openid_token": openid_token})
    };
    let aside = house.bench.post_json("/sfu/get", &call("!ours")).await;
    assert_eq!(aside.status, 403, "a call beside the meeting: {}", aside.body);
    assert_eq!(house.bench.post_json("/sfu/get", &call(ROOM)).await.status, 200);

    house.rooms.member(ROOM, "@mod:org-b.example", "leave");
    house.is_out(&grace, "!theirs").await;
    house.rounds(&link).await;
    assert!(house.is_in(&grace, "!ours") && house.state(&grace).await.is_some());
}

#[tokio::test]
async fn strangers_other_guests_and_rooms_that_are_no_conversation_get_no_guest() {
    let house = House::new().await;
    let _keeper = house.keep();
    house.listens().await;
    let (_, [grace, heidi]) = inside(&house).await;
    house.rooms.member(ROOM, "@gone:org-a.example", "leave");
    house.invites("@eve:org-b.example", &grace, "!strangers");
    house.invites("@gone:org-a.example", &grace, "!gone");
    house.invites(&heidi, &grace, "!guests");
    house.moved(&grace, true, ALICE, "!room", Membership::Invite, false);
    for room in ["!strangers", "!gone", "!guests", "!room"] {
        house.is_out(&grace, room).await;
    }
    // Who waits in the lobby is not there yet.
    let (ivan, _) = house.guest(&house.link(json!({})).await, "Ivan").await;
    house.rooms.member(ROOM, &ivan, "knock");
    house.becomes(&ivan, VisitState::Waiting).await;
    house.invites(ALICE, &ivan, "!early");
    house.is_out(&ivan, "!early").await;
    // Another's conversation is none of hers.
    house.invites(ALICE, &grace, "!ours");
    house.follows(&heidi, "!ours", &[ALICE]);
    house.is_gone(&heidi).await;
    for guest in [&grace, &ivan] {
        assert!(house.state(guest).await.is_some());
    }
}

#[tokio::test]
async fn a_guest_leaves_a_conversation_to_which_a_third_comes_and_is_ended_for_inviting_one() {
    const EVE: &str = "@eve:org-b.example";
    let house = House::new().await;
    let _keeper = house.keep();
    house.listens().await;
    let (link, [grace, heidi, ivan]) = inside(&house).await;
    // A third was there before she came.
    house.invites(ALICE, &grace, "!crowd");
    house.follows(&grace, "!crowd", &[ALICE, EVE]);
    house.is_out(&grace, "!crowd").await;
    // A third is invited later.
    for (guest, room) in [(&heidi, "!later"), (&ivan, "!his")] {
        house.invites(ALICE, guest, room);
        house.follows(guest, room, &[ALICE]);
    }
    let comes = |room: &str, by: &str| {
        let mut elsewhere = house.accounts.elsewhere.lock().unwrap();
        elsewhere.get_mut(room).unwrap().push(EVE.to_owned());
        drop(elsewhere);
        house.moved(EVE, false, by, room, Membership::Invite, false);
    };
    house.rounds(&link).await;
    assert!(house.is_in(&heidi, "!later") && house.is_in(&ivan, "!his"));
    comes("!later", ALICE);
    house.is_out(&heidi, "!later").await;
    comes("!his", &ivan);
    house.is_gone(&ivan).await;
    for guest in [&grace, &heidi] {
        assert_eq!(house.state(guest).await, Some(VisitState::Inside));
    }
}

#[tokio::test]
async fn a_guest_who_cannot_be_taken_out_of_a_conversation_is_once_the_homeserver_is_back() {
    let house = House::new().await;
    let _keeper = house.keep();
    house.listens().await;
    let (_, [grace]) = inside(&house).await;
    house.invites(ALICE, &grace, "!ours");
    let away = GuestError::Unreachable("it does not answer".to_owned());
    *house.accounts.trouble.lock().unwrap() = Some(away);
    house.follows(&grace, "!ours", &[ALICE, "@eve:org-b.example"]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(house.is_in(&grace, "!ours"));
    *house.accounts.trouble.lock().unwrap() = None;
    house.is_out(&grace, "!ours").await;
    assert!(house.state(&grace).await.is_some());
}

#[tokio::test]
async fn a_conversation_goes_on_over_a_restart_and_a_room_of_more_does_not() {
    let house = House::new().await;
    let keeper = house.keep();
    house.listens().await;
    let (link, [grace]) = inside(&house).await;
    house.invites(ALICE, &grace, "!ours");
    house.follows(&grace, "!ours", &[ALICE]);
    house.rounds(&link).await;
    keeper.abort();
    assert!(keeper.await.unwrap_err().is_cancelled());
    house.follows_unheard(&grace, "!crowd", &[ALICE, "@eve:org-b.example"]);

    let _keeper = house.keep();
    house.listens().await;
    house.is_out(&grace, "!crowd").await;
    // Under another name she joins once more.
    house.follows(&grace, "!ours", &[ALICE]);
    house.rounds(&link).await;
    assert!(house.is_in(&grace, "!ours"));
    assert_eq!(house.state(&grace).await, Some(VisitState::Inside));
}
