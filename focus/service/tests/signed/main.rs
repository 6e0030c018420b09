//! Tokens and delayed leaves by way of homeservers: whom the focus believes, who gets a token, and who gets which refusal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

#[path = "../common/mod.rs"]
mod common;
mod place;

use axum::body::Body;
use common::{Bench, Mood, ROOM, SFU_ROOM, SFU_URL};
use hanse_focus::router;
use hanse_focus::signed::{FEDERATION_TIMEOUT, Forwarded, LOOK_UP_TIMEOUT, LookedUp, routes};
use http::{Request, StatusCode};
use place::{
    ABROAD, ABROAD_STABLE, ALICE, ALICES_SEAT, ALL, BOB, DELEGATE, DELEGATE_STABLE, GET, GET_STABLE, OWN,
    Place, THEIR_SFU, Word, ask, ask_abroad, ask_from_abroad, bearer, changed, delegation, who, whole,
    without,
};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn nothing_is_there_without_a_homeserver_that_passes_requests_on() {
    let place = Place::new().await;
    let mut alone = Place {
        router: routes(
            Arc::clone(&place.focus),
            Vec::new(),
            Arc::clone(&place.world) as _,
        )
        .merge(router(Arc::clone(&place.focus))),
        ..place
    };
    for path in ALL {
        let reply = alone
            .post(
                path,
                &[("authorization", bearer()), who(path)],
                whole(path).to_string(),
            )
            .await;
        reply.assert_refused(404, "M_UNRECOGNIZED");
    }
    // Whoever takes no leaves over does not say that they do.
    let deaf = Place::with(false).await;
    alone.router = deaf.router.clone();
    assert_eq!(alone.of_user(ALICE, DELEGATE, &delegation()).await.status, 404);
    assert_eq!(alone.of_user(ALICE, GET, &ask()).await.status, 200);
}

#[tokio::test]
async fn only_the_homeservers_own_token_opens_these_paths() {
    let place = Place::new().await;
    for path in ALL {
        let body = || whole(path).to_string();
        for missing in [
            None,
            Some("Basic Zm9v"),
            Some("the hs_token of org-a.example"),
            Some(""),
        ] {
            let mut headers = vec![who(path)];
            headers.extend(missing.map(|value| ("authorization", value)));
            place
                .post(path, &headers, body())
                .await
                .assert_refused(401, "M_MISSING_TOKEN");
        }
        for wrong in [
            "Bearer ",
            "Bearer wrong",
            "Bearer the hs_token of org-a.exampl",
            "Bearer the hs_token of another one",
        ] {
            let headers = [("authorization", wrong), who(path)];
            place
                .post(path, &headers, body())
                .await
                .assert_refused(401, "M_UNKNOWN_TOKEN");
        }
    }
    place.assert_nothing_done();
}

#[tokio::test]
async fn the_homeserver_says_who_asks_and_is_believed_about_its_own_users_only() {
    let place = Place::new().await;
    for path in ALL {
        let (name, value) = who(path);
        for headers in [vec![], vec![(name, value), (name, value)]] {
            let headers: Vec<_> = headers.into_iter().chain([("authorization", bearer())]).collect();
            place
                .post(path, &headers, whole(path).to_string())
                .await
                .assert_refused(401, "M_UNAUTHORIZED");
        }
        let headers = [("authorization", bearer()), (name, "https://nonsense")];
        place
            .post(path, &headers, whole(path).to_string())
            .await
            .assert_refused(400, "M_INVALID_PARAM");
    }
    for path in [GET, GET_STABLE, DELEGATE, DELEGATE_STABLE] {
        let reply = place.of_user(BOB, path, &whole(path)).await;
        reply.assert_refused(400, "M_INVALID_PARAM");
    }
    // Nor does the other half do instead.
    let headers = [("authorization", bearer()), ("x-matrix-origin", "org-b.example")];
    place
        .post(GET, &headers, ask().to_string())
        .await
        .assert_refused(401, "M_UNAUTHORIZED");
    place.assert_nothing_done();
}

#[tokio::test]
async fn a_body_must_be_json_and_have_what_is_needed() {
    let place = Place::new().await;
    for path in ALL {
        let headers = [("authorization", bearer()), who(path)];
        for nonsense in ["", "{not json", "{}x"] {
            place
                .post(path, &headers, nonsense)
                .await
                .assert_refused(400, "M_NOT_JSON");
        }
        let mut fields = vec!["url", "room_id", "slot_id", "member_id"];
        fields.extend(match path {
            DELEGATE | DELEGATE_STABLE => Some("delay_id"),
            ABROAD | ABROAD_STABLE => Some("user_id"),
            _ => None,
        });
        for field in fields {
            for body in [
                without(whole(path), field),
                changed(whole(path), field, json!("")),
                changed(whole(path), field, json!(null)),
                changed(whole(path), field, json!([1])),
            ] {
                let reply = place.post(path, &headers, body.to_string()).await;
                reply.assert_refused(400, "M_BAD_JSON");
                let sentence = reply.body["error"].as_str().unwrap();
                assert!(sentence.contains(field), "{sentence}");
            }
        }
        let reply = place.post(path, &headers, vec![b' '; 70_000]).await;
        reply.assert_refused(413, "M_TOO_LARGE");
    }
    place.assert_nothing_done();
}

#[tokio::test]
async fn only_post_is_understood() {
    let place = Place::new().await;
    for path in ALL {
        for method in ["GET", "PUT", "DELETE"] {
            let request = Request::builder().method(method).uri(path);
            let reply = place.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
        }
    }
}

#[tokio::test]
async fn the_url_is_our_sfu_letter_by_letter() {
    let place = Place::new().await;
    for path in ALL {
        let headers = [("authorization", bearer()), who(path)];
        for url in [
            THEIR_SFU.to_owned(),
            format!("{SFU_URL}/"),
            SFU_URL.to_uppercase(),
        ] {
            let body = changed(whole(path), "url", json!(url)).to_string();
            place
                .post(path, &headers, body)
                .await
                .assert_refused(400, "M_INVALID_PARAM");
        }
    }
    place.assert_nothing_done();
    assert_eq!(*place.rooms.asked.lock().unwrap(), 0, "nobody was looked for");
}

#[tokio::test]
async fn a_user_of_ours_gets_a_seat_by_the_homeservers_word_and_may_publish() {
    let place = Place::new().await;
    for path in [GET, GET_STABLE] {
        let reply = place.of_user(ALICE, path, &ask()).await;
        assert_eq!(reply.identity(), ALICES_SEAT);
        assert_eq!(reply.claims()["video"]["room"], SFU_ROOM);
        assert!(reply.can_publish());
    }
    assert_eq!(place.sfu.made.lock().unwrap().len(), 2, "made before each answer");
    // Its own name and that of a sister mean the same SFU.
    for ours in ["org-a.example", "annexe.org-a.example"] {
        let body = changed(ask(), "server_name", json!(ours));
        assert_eq!(place.of_user(ALICE, GET, &body).await.identity(), ALICES_SEAT);
    }
    assert_eq!(place.world.sent.lock().unwrap().len(), 0);
    // What a client says about itself beside that counts for nothing.
    let body = changed(ask(), "user_id", json!(BOB));
    assert_eq!(place.of_user(ALICE, GET, &body).await.identity(), ALICES_SEAT);
}

#[tokio::test]
async fn a_client_of_the_earlier_draft_is_seated_where_its_peers_look_for_it() {
    let place = Place::new().await;
    let member = json!({"id": "5c0f1a52-6f0e-4d2f-9a64-3c5b0a1e7d11", "claimed_user_id": BOB, "claimed_device_id": "ALICESDEV"});
    let body = changed(without(ask(), "member_id"), "member", member.clone());
    // base64(sha256('["@alice:org-a.example","ALICESDEV","5c0f1a52-6f0e-4d2f-9a64-3c5b0a1e7d11"]'))
    let seat = "oSVOnlPHTxVrtN2zra08D0aahmd0qC+fR2fVs09/oMI";
    assert_eq!(place.of_user(ALICE, GET, &body).await.identity(), seat);
    let body = changed(without(ask(), "member_id"), "member", json!({"id": "5c0f1a52"}));
    assert_eq!(place.of_user(ALICE, GET, &body).await.identity(), ALICES_SEAT);
    // And its leave is for that seat, or for the one of `/sfu/get`.
    let body = changed(without(delegation(), "member_id"), "member", member);
    assert_eq!(place.of_user(ALICE, DELEGATE, &body).await.status, 200);
    let job = place.world.stored.lock().unwrap()[0].clone();
    assert_eq!(job.seat.identity, seat);
    assert_eq!(
        job.other_identity.as_deref(),
        Some("@alice:org-a.example:ALICESDEV")
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_not_in_the_room_gets_nothing_and_who_is_stays_unharmed() {
    let place = Place::new().await;
    place.rooms.set_joined(ROOM, ALICE, false);
    place.rooms.set_joined(ROOM, BOB, false);
    *place.world.other.lock().unwrap() = Word::Says(jwt("theirs"));
    for (path, body) in [(GET, ask()), (GET, ask_abroad()), (ABROAD, ask_from_abroad())] {
        let reply = match path {
            ABROAD => place.of_server("org-b.example", path, &body).await,
            _ => place.of_user(ALICE, path, &body).await,
        };
        reply.assert_refused(403, "M_FORBIDDEN");
    }
    place.assert_nothing_done();
    place.rooms.set_joined(ROOM, ALICE, true);
    place.of_user(ALICE, GET, &ask()).await.claims();
    let bob = place.of_server("org-b.example", ABROAD, &ask_from_abroad()).await;
    bob.assert_refused(403, "M_FORBIDDEN");
}

#[tokio::test(start_paused = true)]
async fn where_no_homeserver_says_who_is_in_a_room_nobody_gets_a_token() {
    let place = Place::new().await;
    *place.rooms.joined.lock().unwrap() = None;
    place
        .of_user(ALICE, GET, &ask())
        .await
        .assert_refused(503, "M_UNKNOWN");
    for word in [Word::NotTold, Word::Away, Word::Silence] {
        *place.world.servers.lock().unwrap() = word;
        let reply = place.of_server("org-b.example", ABROAD, &ask_from_abroad()).await;
        reply.assert_refused(503, "M_UNKNOWN");
    }
    place.assert_nothing_done();
    // OpenID proves who somebody is, and lets them in where nobody tells of rooms; a homeserver's word does not.
    let bench = Bench::new();
    let homeservers = vec![OWN.parse().unwrap()];
    let untold = Place {
        router: routes(
            Arc::clone(&bench.focus),
            homeservers,
            Arc::clone(&place.world) as _,
        ),
        ..place
    };
    untold
        .of_user(ALICE, GET, &ask())
        .await
        .assert_refused(503, "M_UNKNOWN");
    bench.post_json("/get_token", &common::get_token()).await.claims();
}

#[tokio::test]
async fn somebody_of_another_homeserver_gets_a_seat_to_watch_from_if_we_are_in_the_room() {
    let place = Place::new().await;
    for path in [ABROAD, ABROAD_STABLE] {
        let reply = place.of_server("org-b.example", path, &ask_from_abroad()).await;
        // base64(sha256('["@bob:org-b.example","b0b"]'))
        assert_eq!(reply.identity(), "Jlu2L5LR8eGwf0z4wUTaOAx07DosacFety0LqY7e2Ac");
        assert!(!reply.can_publish());
    }
    assert_eq!(place.sfu.made.lock().unwrap().len(), 2);
    *place.world.servers.lock().unwrap() = Word::Says(HashSet::from(["org-b.example".to_owned()]));
    let reply = place.of_server("org-b.example", ABROAD, &ask_from_abroad()).await;
    reply.assert_refused(403, "M_FORBIDDEN");
    place.of_user(ALICE, GET, &ask()).await.claims();
}

#[tokio::test]
async fn a_homeserver_asks_for_nobody_but_its_own_users() {
    let place = Place::new().await;
    for (user, errcode, status) in [
        (ALICE, "M_FORBIDDEN", 403),
        ("@bob:org-b.example:8448", "M_FORBIDDEN", 403),
        ("bob", "M_INVALID_PARAM", 400),
    ] {
        let body = changed(ask_from_abroad(), "user_id", json!(user));
        let reply = place.of_server("org-b.example", ABROAD, &body).await;
        reply.assert_refused(status, errcode);
    }
    place.assert_nothing_done();
    place
        .of_server("org-b.example", ABROAD, &ask_from_abroad())
        .await
        .claims();
}

#[tokio::test]
async fn a_denied_homeserver_is_denied_here_too() {
    let place = Place::new().await;
    place.focus.change_policy(|policy| {
        policy.blocked.insert("org-b.example".parse().unwrap());
    });
    place
        .of_server("org-b.example", ABROAD, &ask_from_abroad())
        .await
        .assert_refused(403, "M_FORBIDDEN");
    place.assert_nothing_done();
    place.of_user(ALICE, GET, &ask()).await.claims();
}

fn jwt(text: &str) -> Forwarded {
    Forwarded {
        status: 200,
        content: json!({"jwt": text, "later": 1}),
    }
}

#[tokio::test]
async fn for_another_organisations_sfu_our_homeserver_asks_theirs() {
    let place = Place::new().await;
    *place.world.other.lock().unwrap() = Word::Says(jwt("theirs"));
    let reply = place.of_user(ALICE, GET, &ask_abroad()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, json!({"jwt": "theirs", "url": THEIR_SFU}));
    let member = json!({"id": "m", "claimed_device_id": "DEV"});
    let earlier = changed(without(ask_abroad(), "member_id"), "member", member);
    assert_eq!(place.of_user(ALICE, GET_STABLE, &earlier).await.status, 200);
    let sent = place.world.sent.lock().unwrap().clone();
    let from_to = |path: &str, body: Value| {
        (
            "org-a.example".to_owned(),
            "org-b.example".to_owned(),
            path.to_owned(),
            body,
        )
    };
    let mut expected = changed(without(ask_abroad(), "server_name"), "user_id", json!(ALICE));
    assert_eq!(sent[0], from_to(ABROAD, expected.clone()));
    expected = changed(
        without(expected, "member_id"),
        "member",
        json!({"id": "m", "claimed_user_id": ALICE, "claimed_device_id": "DEV"}),
    );
    assert_eq!(sent[1], from_to(ABROAD_STABLE, expected));
    assert_eq!(place.sfu.made.lock().unwrap().len(), 0, "no room of ours");
}

#[tokio::test]
async fn a_homeserver_that_is_not_in_the_room_is_not_asked() {
    let place = Place::new().await;
    *place.world.other.lock().unwrap() = Word::Says(jwt("theirs"));
    for (server, status, errcode) in [
        ("org-c.example", 403, "M_FORBIDDEN"),
        ("https://org-b.example/", 400, "M_INVALID_PARAM"),
    ] {
        let body = changed(ask_abroad(), "server_name", json!(server));
        place
            .of_user(ALICE, GET, &body)
            .await
            .assert_refused(status, errcode);
    }
    place.assert_nothing_done();
}

#[tokio::test(start_paused = true)]
async fn what_the_other_focus_says_reaches_the_asker_where_they_can_act_on_it() {
    let place = Place::new().await;
    let says = |status: u16, content: Value| Word::Says(Forwarded { status, content });
    let refused = json!({"errcode": "M_FORBIDDEN", "error": "You are\u{7} banned."});
    for (word, status, errcode, part) in [
        (says(403, refused.clone()), 403, "M_FORBIDDEN", "You are banned."),
        (says(403, json!(null)), 403, "M_FORBIDDEN", "refuses"),
        (
            says(400, json!({"error": "x".repeat(5000)})),
            400,
            "M_INVALID_PARAM",
            "xxx.",
        ),
        (says(401, refused.clone()), 502, "M_UNKNOWN", "did not answer"),
        (
            says(404, json!({"errcode": "M_UNRECOGNIZED"})),
            502,
            "M_UNKNOWN",
            "did not answer",
        ),
        (says(500, refused), 502, "M_UNKNOWN", "did not answer"),
        (says(200, json!({})), 502, "M_UNKNOWN", "did not answer"),
        (says(200, json!({"jwt": 7})), 502, "M_UNKNOWN", "did not answer"),
        (Word::Away, 502, "M_UNKNOWN", "did not answer"),
        (Word::NotTold, 502, "M_UNKNOWN", "did not answer"),
        (Word::Silence, 502, "M_UNKNOWN", "did not answer"),
    ] {
        *place.world.other.lock().unwrap() = word;
        let began = tokio::time::Instant::now();
        let reply = place.of_user(ALICE, GET, &ask_abroad()).await;
        reply.assert_refused(status, errcode);
        let sentence = reply.body["error"].as_str().unwrap();
        assert!(sentence.contains(part) && sentence.len() < 700, "{sentence}");
        // Our homeserver gives up on us after 30 s.
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    const { assert!(FEDERATION_TIMEOUT.as_secs() + LOOK_UP_TIMEOUT.as_secs() + 3 < 30) };
}

#[tokio::test]
async fn a_leave_is_taken_over_for_the_seat_that_the_token_is_for() {
    let place = Place::new().await;
    for path in [DELEGATE, DELEGATE_STABLE] {
        let reply = place.of_user(ALICE, path, &delegation()).await;
        assert_eq!((reply.status.as_u16(), &reply.body), (200, &json!({})));
        let job = place.world.stored.lock().unwrap().pop().unwrap();
        assert_eq!(
            (job.seat.room.as_str(), job.seat.identity.as_str()),
            (SFU_ROOM, ALICES_SEAT)
        );
        assert_eq!((job.server.as_str(), job.delay_ms), ("org-a.example", 3_600_000));
        assert_eq!(job.delay_id.expose(), "syd_abcdefgh");
        assert_eq!(job.other_identity, None);
    }
    assert_eq!(place.world.looked_up.lock().unwrap().len(), 0);
    // Of homeservers whose people do not publish here, none.
    let headers = [
        ("authorization", "Bearer the hs_token of the annexe"),
        ("x-matrix-user-identifier", "@dora:annexe.org-a.example"),
    ];
    place
        .post(DELEGATE, &headers, delegation().to_string())
        .await
        .assert_refused(403, "M_FORBIDDEN");
    let odd = changed(delegation(), "delay_id", json!("../x y"));
    place
        .of_user(ALICE, DELEGATE, &odd)
        .await
        .assert_refused(400, "M_BAD_JSON");
}

#[tokio::test(start_paused = true)]
async fn without_its_delay_a_leave_is_looked_up_and_taken_over_only_if_the_homeserver_says_it() {
    let place = Place::new().await;
    let body = without(delegation(), "delay_timeout");
    let found = |room: &str, delay_ms| {
        Word::Says(Some(LookedUp {
            room: room.to_owned(),
            delay_ms,
        }))
    };
    for (word, status, errcode) in [
        (Word::Says(None), 400, "M_INVALID_PARAM"),
        (found("!garden:org-a.example", 3_600_000), 400, "M_INVALID_PARAM"),
        (found(ROOM, 1_000), 400, "M_BAD_JSON"),
        (Word::NotTold, 503, "M_UNKNOWN"),
        (Word::Away, 503, "M_UNKNOWN"),
        (Word::Silence, 503, "M_UNKNOWN"),
    ] {
        *place.world.delay.lock().unwrap() = word;
        place
            .of_user(ALICE, DELEGATE, &body)
            .await
            .assert_refused(status, errcode);
    }
    place.assert_nothing_done();
    *place.world.delay.lock().unwrap() = found(ROOM, 1_800_000);
    assert_eq!(place.of_user(ALICE, DELEGATE, &body).await.status, 200);
    assert_eq!(place.world.stored.lock().unwrap()[0].delay_ms, 1_800_000);
    let asked = (ALICE.to_owned(), "syd_abcdefgh".to_owned());
    assert_eq!(place.world.looked_up.lock().unwrap().last(), Some(&asked));
}

#[tokio::test]
async fn who_asks_too_often_waits_and_others_do_not() {
    let place = Place::new().await;
    place.rooms.set_joined(ROOM, "@carol:org-a.example", true);
    for _ in 0..30 {
        place.of_user(ALICE, GET, &ask()).await.claims();
    }
    let reply = place.of_user(ALICE, GET, &ask()).await;
    reply.assert_refused(429, "M_LIMIT_EXCEEDED");
    assert!(reply.headers.contains_key("retry-after"));
    place.of_user("@carol:org-a.example", GET, &ask()).await.claims();
}

#[tokio::test]
async fn without_a_room_on_the_sfu_there_is_no_token() {
    let place = Place::new().await;
    *place.sfu.mood.lock().unwrap() = Mood::Refusing;
    place
        .of_user(ALICE, GET, &ask())
        .await
        .assert_refused(500, "M_UNKNOWN");
}
