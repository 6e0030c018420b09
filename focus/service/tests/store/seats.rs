//! Seats and blocked homeservers, and what the sweep leaves of everything.

use crate::databases::Fresh;
use crate::{HOUR_MS, NOW_MS, admitted, job, on_both, seat};
use hanse_focus::LeaveChange;
use hanse_focus::delayed_leave::LeaveJob;
use hanse_focus::store::{AdmittedSeat, BlockedHomeserver, Store, Swept};
use std::time::Duration;

on_both! {
    a_room_finds_its_seats_and_no_others_after_a_restart,
    who_is_admitted_once_more_has_one_seat_from_then_on,
    a_blocked_homeserver_stays_blocked_until_it_is_not,
    a_sweep_deletes_what_is_over_and_nothing_else,
}

fn sorted(mut seats: Vec<AdmittedSeat>) -> Vec<AdmittedSeat> {
    seats.sort_by(|one, other| one.seat.cmp(&other.seat));
    seats
}

async fn a_room_finds_its_seats_and_no_others_after_a_restart(fresh: Fresh) {
    let store = fresh.open().await;
    let alice = admitted("!a:org-a.example", "@alice:org-a.example");
    let bob = admitted("!a:org-a.example", "@bob:org-b.example");
    let elsewhere = admitted("!no-server-part", "@alice:org-a.example");
    for seat in [&alice, &bob, &elsewhere] {
        store.admit(seat).await.unwrap();
    }
    store.close().await;

    let store = fresh.open().await;
    let in_room = store.seats_in(&alice.room_id).await.unwrap();
    assert_eq!(sorted(in_room), [alice.clone(), bob.clone()]);
    assert_eq!(
        sorted(store.seats().await.unwrap()),
        [alice.clone(), bob.clone(), elsewhere.clone()]
    );

    assert_eq!(store.end_seat(&alice.seat).await, Ok(true));
    assert_eq!(store.end_seat(&alice.seat).await, Ok(false));
    assert_eq!(sorted(store.seats().await.unwrap()), [bob, elsewhere]);
}

async fn who_is_admitted_once_more_has_one_seat_from_then_on(fresh: Fresh) {
    let store = fresh.open().await;
    let first = admitted("!a:org-a.example", "@alice:org-a.example");
    let again = AdmittedSeat {
        admitted_at_ms: NOW_MS + HOUR_MS,
        ..first.clone()
    };
    store.admit(&first).await.unwrap();
    store.admit(&again).await.unwrap();
    assert_eq!(store.seats().await, Ok(vec![again]));
}

async fn a_blocked_homeserver_stays_blocked_until_it_is_not(fresh: Fresh) {
    let store = fresh.open().await;
    let bad = BlockedHomeserver {
        server: "bad.example".parse().unwrap(),
        blocked_at_ms: NOW_MS,
    };
    let worse = BlockedHomeserver {
        server: "worse.example:8448".parse().unwrap(),
        blocked_at_ms: NOW_MS + 1,
    };
    assert_eq!(store.block(&worse.server, NOW_MS + 1).await, Ok(true));
    assert_eq!(store.block(&bad.server, NOW_MS).await, Ok(true));
    assert_eq!(store.block(&bad.server, NOW_MS + 9).await, Ok(false));
    store.close().await;

    let store = fresh.open().await;
    assert_eq!(store.blocked().await, Ok(vec![bad.clone(), worse.clone()]));
    assert_eq!(store.unblock(&bad.server).await, Ok(true));
    assert_eq!(store.unblock(&bad.server).await, Ok(false));
    assert_eq!(store.blocked().await, Ok(vec![worse]));
}

async fn a_sweep_deletes_what_is_over_and_nothing_else(fresh: Fresh) {
    let store = fresh.open().await;
    store.claim(NOW_MS, Duration::from_secs(15)).await.unwrap();
    let seat_at = |user: &str, admitted_at_ms| AdmittedSeat {
        admitted_at_ms,
        ..admitted("!a:org-a.example", user)
    };
    let old = seat_at("@old:org-a.example", NOW_MS - Store::SEAT_AGE_MAX_MS - 1);
    let young = seat_at("@young:org-a.example", NOW_MS - Store::SEAT_AGE_MAX_MS);
    let leave_at = |identity: &str, delay_ms, restarted_at_ms| LeaveJob {
        delay_ms,
        restarted_at_ms,
        ..job("room", identity)
    };
    let leaves = [
        leave_at("over", 1000, NOW_MS - 1000 - Store::LEAVE_GRACE_MS - 1),
        leave_at("not yet over", 1000, NOW_MS - 1000 - Store::LEAVE_GRACE_MS),
        leave_at("endless", u64::MAX, NOW_MS),
    ];
    for seat in [&old, &young] {
        store.admit(seat).await.unwrap();
    }
    store
        .write_leaves(&leaves.clone().map(LeaveChange::Take))
        .await
        .unwrap();
    store.block(&"bad.example".parse().unwrap(), 0).await.unwrap();

    let swept = Swept {
        leaves: 1,
        seats: 1,
        ..Swept::default()
    };
    assert_eq!(store.sweep(NOW_MS).await, Ok(swept));
    assert_eq!(store.sweep(NOW_MS).await, Ok(Swept::default()));
    assert_eq!(store.seats().await, Ok(vec![young]));
    assert_eq!(store.take(&seat("room", "over")).await, Ok(None));
    for stays in ["not yet over", "endless"] {
        let found = store.take(&seat("room", stays)).await.unwrap();
        assert!(found.is_some(), "{stays}");
    }
    assert_eq!(store.blocked().await.unwrap().len(), 1);

    // A lease that has ended says nothing any more.
    let swept = store.sweep(NOW_MS + 15_000).await.unwrap();
    assert_eq!((swept.processes, swept.leaves), (1, 1));
}
