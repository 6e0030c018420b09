//! Links for guests, and visits.

use crate::databases::Fresh;
use crate::{HOUR_MS, NOW_MS, on_both};
use hanse_focus::guests::{Begun, GuestLink, GuestVisit, LINKS_PER_ROOM_MAX, PASSCODE_TRIES_MAX, VisitState};
use hanse_focus::guests::{LINKS_PER_PERSON_MAX, VISITS_PER_ROOM_MAX};
use hanse_focus::store::{Store, Swept};
use tokio::task::JoinSet;

on_both! {
    a_link_is_found_by_its_hashes_also_after_a_restart_until_it_is_revoked,
    rooms_and_people_have_so_many_links_and_no_more,
    a_link_for_one_lets_exactly_one_in_of_many_at_a_time,
    a_room_has_so_many_guests_and_who_does_not_get_in_uses_no_link,
    so_many_wrong_passcodes_and_no_more_also_many_at_a_time,
    nobody_comes_back_from_their_end_and_only_who_has_ended_is_forgotten,
    a_sweep_takes_what_opens_nothing_and_who_could_not_be_erased,
}

pub fn link(id: &str) -> GuestLink {
    GuestLink {
        id: id.to_owned(),
        room_id: "!a:org-a.example".parse().unwrap(),
        made_by: "@alice:org-a.example".parse().unwrap(),
        secret_hash: format!("secret of {id}"),
        spoken_hash: format!("code of {id}"),
        passcode_hash: None,
        uses_max: 500,
        uses: 0,
        expires_at_ms: NOW_MS + HOUR_MS,
    }
}

fn once(id: &str) -> GuestLink {
    GuestLink {
        uses_max: 1,
        ..link(id)
    }
}

pub fn visit(name: &str, link_id: &str) -> GuestVisit {
    GuestVisit {
        user: format!("@hanse-guest-{name}:org-a.example").parse().unwrap(),
        link_id: link_id.to_owned(),
        room_id: "!a:org-a.example".parse().unwrap(),
        token_hash: None,
        state: VisitState::Coming,
        entered_at_ms: NOW_MS,
        ends_at_ms: NOW_MS + HOUR_MS,
    }
}

async fn a_link_is_found_by_its_hashes_also_after_a_restart_until_it_is_revoked(fresh: Fresh) {
    let store = fresh.open().await;
    let with_passcode = GuestLink {
        passcode_hash: Some("passcode".to_owned()),
        ..link("1")
    };
    assert_eq!(store.add_guest_link(&with_passcode, NOW_MS).await, Ok(true));
    assert_eq!(store.add_guest_link(&once("2"), NOW_MS).await, Ok(true));
    let same_code = GuestLink {
        spoken_hash: "code of 1".to_owned(),
        ..link("3")
    };
    assert_eq!(store.add_guest_link(&same_code, NOW_MS).await, Ok(false));
    store.close().await;

    let store = fresh.open().await;
    let found = store.guest_link_by_secret("secret of 1").await;
    assert_eq!(found, Ok(Some(with_passcode.clone())));
    let found = store.guest_link_by_spoken("code of 2").await;
    assert_eq!(found, Ok(Some(once("2"))));
    for other in ["code of 1", "secret of 3", ""] {
        assert_eq!(store.guest_link_by_secret(other).await, Ok(None), "{other}");
    }
    let room = link("1").room_id;
    let listed = store.guest_links_in(&room, NOW_MS).await;
    assert_eq!(listed, Ok(vec![with_passcode, once("2")]));
    assert_eq!(store.guest_links_in(&room, NOW_MS + HOUR_MS).await, Ok(vec![]));

    let other_room = "!b:org-a.example".parse().unwrap();
    assert_eq!(store.revoke_guest_link(&other_room, "1").await, Ok(false));
    assert_eq!(store.revoke_guest_link(&room, "1").await, Ok(true));
    assert_eq!(store.revoke_guest_link(&room, "1").await, Ok(false));
    assert_eq!(store.guest_link_by_secret("secret of 1").await, Ok(None));
}

async fn rooms_and_people_have_so_many_links_and_no_more(fresh: Fresh) {
    let store = fresh.open().await;
    for n in 0..LINKS_PER_ROOM_MAX {
        assert_eq!(
            store.add_guest_link(&link(&n.to_string()), NOW_MS).await,
            Ok(true)
        );
    }
    assert_eq!(store.add_guest_link(&link("more"), NOW_MS).await, Ok(false));
    let in_room = |n: i64, id: &str| GuestLink {
        room_id: format!("!{n}:org-a.example").parse().unwrap(),
        ..link(id)
    };
    for n in LINKS_PER_ROOM_MAX..LINKS_PER_PERSON_MAX {
        assert_eq!(
            store.add_guest_link(&in_room(n, &n.to_string()), NOW_MS).await,
            Ok(true)
        );
    }
    assert_eq!(
        store.add_guest_link(&in_room(-1, "more"), NOW_MS).await,
        Ok(false)
    );
    let of_another = GuestLink {
        made_by: "@bob:org-a.example".parse().unwrap(),
        ..in_room(-1, "of another")
    };
    assert_eq!(store.add_guest_link(&of_another, NOW_MS).await, Ok(true));
    // Those that are out of date do not count.
    let later = GuestLink {
        expires_at_ms: NOW_MS + 2 * HOUR_MS,
        ..link("later")
    };
    assert_eq!(store.add_guest_link(&later, NOW_MS + HOUR_MS).await, Ok(true));
}

async fn a_link_for_one_lets_exactly_one_in_of_many_at_a_time(fresh: Fresh) {
    let store = fresh.open().await;
    store.add_guest_link(&once("1"), NOW_MS).await.unwrap();
    let mut comers = JoinSet::new();
    for n in 0..50 {
        let store = store.clone();
        comers.spawn(async move {
            store
                .begin_visit(&visit(&n.to_string(), "1"), NOW_MS)
                .await
                .unwrap()
        });
    }
    let let_in = comers
        .join_all()
        .await
        .into_iter()
        .filter(|begun| *begun == Begun::Yes);
    assert_eq!(let_in.count(), 1);
    assert_eq!(store.visits().await.unwrap().len(), 1);
    assert_eq!(
        store
            .guest_link_by_secret("secret of 1")
            .await
            .unwrap()
            .unwrap()
            .uses,
        1
    );
    assert_eq!(
        store.begin_visit(&visit("late", "1"), NOW_MS).await,
        Ok(Begun::LinkUsed)
    );
    // Nobody was made by it, so it opens once more.
    store.give_use_back("1").await.unwrap();
    assert_eq!(
        store.begin_visit(&visit("late", "1"), NOW_MS).await,
        Ok(Begun::Yes)
    );
    assert_eq!(
        store.begin_visit(&visit("x", "unknown"), NOW_MS).await,
        Ok(Begun::LinkUsed)
    );
    store.add_guest_link(&link("2"), NOW_MS).await.unwrap();
    let out_of_date = store.begin_visit(&visit("y", "2"), NOW_MS + HOUR_MS).await;
    assert_eq!(out_of_date, Ok(Begun::LinkUsed));
}

async fn a_room_has_so_many_guests_and_who_does_not_get_in_uses_no_link(fresh: Fresh) {
    let store = fresh.open().await;
    store.add_guest_link(&link("1"), NOW_MS).await.unwrap();
    for n in 0..VISITS_PER_ROOM_MAX {
        assert_eq!(
            store.begin_visit(&visit(&n.to_string(), "1"), NOW_MS).await,
            Ok(Begun::Yes)
        );
    }
    assert_eq!(
        store.begin_visit(&visit("more", "1"), NOW_MS).await,
        Ok(Begun::RoomFull)
    );
    let uses = store
        .guest_link_by_secret("secret of 1")
        .await
        .unwrap()
        .unwrap()
        .uses;
    assert_eq!(i64::from(uses), VISITS_PER_ROOM_MAX);
}

async fn so_many_wrong_passcodes_and_no_more_also_many_at_a_time(fresh: Fresh) {
    let store = fresh.open().await;
    store.add_guest_link(&link("1"), NOW_MS).await.unwrap();
    store.add_guest_link(&link("2"), NOW_MS).await.unwrap();
    for _ in 0..100 {
        assert_eq!(store.take_passcode_try("2").await, Ok(true));
        store.give_passcode_try_back("2").await.unwrap();
    }
    let mut tries = JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        tries.spawn(async move { store.take_passcode_try("1").await.unwrap() });
    }
    let looked_at = tries.join_all().await.into_iter().filter(|taken| *taken).count();
    assert_eq!(i64::try_from(looked_at).unwrap(), PASSCODE_TRIES_MAX);
    store.close().await;
    let store = fresh.open().await;
    assert_eq!(
        store.take_passcode_try("1").await,
        Ok(false),
        "a restart gives none back"
    );
    assert_eq!(store.take_passcode_try("2").await, Ok(true));
}

async fn nobody_comes_back_from_their_end_and_only_who_has_ended_is_forgotten(fresh: Fresh) {
    let store = fresh.open().await;
    store.add_guest_link(&link("1"), NOW_MS).await.unwrap();
    let (grace, heidi) = (visit("grace", "1"), visit("heidi", "1"));
    for visit in [&grace, &heidi] {
        store.begin_visit(visit, NOW_MS).await.unwrap();
    }
    assert_eq!(store.note_guest_token(&grace.user, "token").await, Ok(true));
    assert_eq!(
        store.set_visit_state(&grace.user, VisitState::Inside).await,
        Ok(true)
    );
    assert_eq!(
        store.set_visit_state(&grace.user, VisitState::Inside).await,
        Ok(false)
    );
    let inside = GuestVisit {
        state: VisitState::Inside,
        token_hash: Some("token".to_owned()),
        ..grace.clone()
    };
    assert_eq!(store.visit_by_token("token").await, Ok(Some(inside.clone())));
    assert_eq!(store.visit_of(&grace.user).await, Ok(Some(inside)));
    assert_eq!(store.visit_by_token("other").await, Ok(None));
    store.forget_visit(&grace.user).await.unwrap();
    assert_eq!(
        store.visits().await.unwrap().len(),
        2,
        "who is there is not forgotten"
    );

    let other_room = "!b:org-a.example".parse().unwrap();
    assert_eq!(store.end_visits_by(&other_room, "1").await, Ok(0));
    assert_eq!(store.end_visits_by(&grace.room_id, "1").await, Ok(2));
    assert_eq!(
        store.set_visit_state(&grace.user, VisitState::Inside).await,
        Ok(false)
    );
    assert_eq!(store.note_guest_token(&heidi.user, "token").await, Ok(false));
    store.close().await;

    let store = fresh.open().await;
    let visits = store.visits().await.unwrap();
    assert!(visits.len() == 2 && visits.iter().all(|visit| visit.state == VisitState::Ending));
    store.forget_visit(&grace.user).await.unwrap();
    assert_eq!(store.visit_of(&grace.user).await, Ok(None));
    assert!(store.visit_of(&heidi.user).await.unwrap().is_some());
}

async fn a_sweep_takes_what_opens_nothing_and_who_could_not_be_erased(fresh: Fresh) {
    let store = fresh.open().await;
    let ends_at = |id: &str, expires_at_ms| GuestLink {
        expires_at_ms,
        ..link(id)
    };
    for link in [
        ends_at("over", NOW_MS),
        ends_at("opens", NOW_MS + 1),
        once("used"),
        once("in use"),
    ] {
        store.add_guest_link(&link, 0).await.unwrap();
    }
    for (name, by) in [("gone", "used"), ("here", "in use")] {
        store.begin_visit(&visit(name, by), 0).await.unwrap();
    }
    let gone = visit("gone", "used").user;
    store.set_visit_state(&gone, VisitState::Ending).await.unwrap();
    store.forget_visit(&gone).await.unwrap();
    let swept = Swept {
        guest_links: 2,
        ..Swept::default()
    };
    assert_eq!(store.sweep(NOW_MS).await, Ok(swept));
    for stays in ["opens", "in use"] {
        let found = store.guest_link_by_secret(&format!("secret of {stays}")).await;
        assert!(found.unwrap().is_some(), "{stays}");
    }
    let end_ms = visit("here", "in use").ends_at_ms;
    let almost = store.sweep(end_ms + Store::GUEST_AGE_MAX_MS).await.unwrap();
    assert_eq!(almost.guests, 0);
    let swept = store.sweep(end_ms + Store::GUEST_AGE_MAX_MS + 1).await.unwrap();
    assert_eq!(swept.guests, 1);
}
