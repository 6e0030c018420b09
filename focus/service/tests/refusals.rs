//! Who gets no token, and what they are told. The status and the code are the contract with clients; that no room was made
//! is the other half.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use axum::body::{Body, Bytes};
use common::{Bench, Mood, ROOM, get_token, get_token_from_abroad, openid, sfu_get, with_delay};
use hanse_focus::{PROOF_TIMEOUT, SFU_TIMEOUT, http::BODY_BYTES_MAX};
use hanse_runtime::ClientAddress;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;

/// The body, changed at a path like `/member/id`; `None` takes the field out.
fn changed(mut body: Value, path: &str, to: Option<Value>) -> Value {
    let (parent, field) = path.rsplit_once('/').unwrap();
    let fields = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match to {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
    body
}

const NEEDED: [(&str, &[&str]); 2] = [
    (
        "/sfu/get",
        &[
            "/room",
            "/openid_token/access_token",
            "/openid_token/matrix_server_name",
        ],
    ),
    (
        "/get_token",
        &[
            "/room_id",
            "/slot_id",
            "/member/id",
            "/member/claimed_user_id",
            "/member/claimed_device_id",
            "/openid_token/access_token",
            "/openid_token/matrix_server_name",
        ],
    ),
];

fn whole(path: &str) -> Value {
    if path == "/sfu/get" {
        sfu_get()
    } else {
        get_token()
    }
}

#[tokio::test]
async fn every_needed_field_is_missed_by_its_name() {
    let bench = Bench::new();
    for (path, fields) in NEEDED {
        for field in fields {
            let name = field.trim_start_matches('/').replace('/', ".");
            for nothing in [None, Some(json!("")), Some(Value::Null)] {
                let reply = bench.post_json(path, &changed(whole(path), field, nothing)).await;
                reply.assert_refused(400, "M_BAD_JSON");
                let sentence = reply.body["error"].as_str().unwrap();
                assert!(sentence.contains(&format!("{name} is missing")), "{sentence}");
            }
            for wrong in [json!(5), json!(["x"]), json!({"x": 1}), json!(true)] {
                let reply = bench
                    .post_json(path, &changed(whole(path), field, Some(wrong)))
                    .await;
                reply.assert_refused(400, "M_BAD_JSON");
                let sentence = reply.body["error"].as_str().unwrap();
                assert!(
                    sentence.contains(&format!("{name} has the wrong type")),
                    "{sentence}"
                );
            }
        }
        for part in ["/openid_token", "/member"] {
            let reply = bench
                .post_json(path, &changed(whole(path), part, Some(json!("text"))))
                .await;
            // `/sfu/get` has no member, and passes over what it does not know.
            if (path, part) == ("/sfu/get", "/member") {
                assert_eq!(reply.identity(), "@alice:org-a.example:ALICESDEV");
            } else {
                reply.assert_refused(400, "M_BAD_JSON");
            }
        }
    }
    assert_eq!(bench.rooms_made().len(), 1, "only for the one that was whole");
    assert_eq!(*bench.homeservers.asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn only_the_device_of_the_old_path_may_be_missing() {
    let bench = Bench::new();
    for nothing in [None, Some(json!("")), Some(Value::Null)] {
        let body = changed(sfu_get(), "/device_id", nothing);
        assert_eq!(
            bench.post_json("/sfu/get", &body).await.identity(),
            "@alice:org-a.example:"
        );
    }
}

#[tokio::test]
async fn numbers_and_unknown_fields_are_read_tolerantly() {
    let bench = Bench::new();
    for (path, number) in [("/sfu/get", json!("10000")), ("/get_token", json!(10_000.0))] {
        let mut body = changed(with_delay(whole(path)), "/delay_timeout", Some(number));
        body["openid_token"]["expires_in"] = json!("3600");
        body["openid_token"]["later"] = json!({"a": [1, 2, {}]});
        body["later"] = json!([null]);
        assert!(bench.post_json(path, &body).await.can_publish());
    }
}

#[tokio::test]
async fn half_a_delay_is_refused_before_anybody_is_asked() {
    let bench = Bench::new();
    for (path, _) in NEEDED {
        for (field, value) in [
            ("/delay_id", None),
            ("/delay_id", Some(json!(""))),
            ("/delay_timeout", None),
            ("/delay_timeout", Some(json!(0))),
            ("/delay_timeout", Some(json!(-5))),
            ("/delay_timeout", Some(json!(1.5))),
            ("/delay_timeout", Some(json!("soon"))),
        ] {
            let reply = bench
                .post_json(path, &changed(with_delay(whole(path)), field, value))
                .await;
            reply.assert_refused(400, "M_BAD_JSON");
        }
        assert_eq!(*bench.homeservers.asked.lock().unwrap(), 0);
    }
    assert!(bench.rooms_made().is_empty());
}

#[tokio::test]
async fn what_is_no_json_is_refused_and_deep_json_hurts_nobody() {
    let bench = Bench::new();
    for body in ["", "room=1", "{", "{\"room\": \"\u{1}\"}", "{}{}", "\u{feff}{}"] {
        for (path, _) in NEEDED {
            bench.post(path, body).await.assert_refused(400, "M_NOT_JSON");
        }
    }
    for body in ["null", "7", "\"text\"", "[]", "[[[]]]"] {
        for (path, _) in NEEDED {
            bench.post(path, body).await.assert_refused(400, "M_BAD_JSON");
        }
    }
    let levels = 10_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        for (path, needed) in NEEDED {
            let body = format!("{{\"{}\": {deep}}}", needed[0].trim_start_matches('/'));
            bench.post(path, body).await.assert_refused(400, "M_BAD_JSON");
        }
    }
    assert!(bench.rooms_made().is_empty());
}

#[tokio::test]
async fn a_body_as_large_as_allowed_is_read_and_one_byte_more_is_not() {
    let bench = Bench::new();
    let body = |bytes: usize| {
        let text = sfu_get().to_string();
        let padding = " ".repeat(bytes - text.len());
        text + &padding
    };
    let reply = bench.post("/sfu/get", body(BODY_BYTES_MAX)).await;
    assert!(reply.can_publish());
    let made = bench.rooms_made();
    for path in ["/sfu/get", "/get_token"] {
        let reply = bench.post(path, body(BODY_BYTES_MAX + 1)).await;
        reply.assert_refused(413, "M_TOO_LARGE");
    }
    assert_eq!(bench.rooms_made(), made);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_awaited_for_ever() {
    let bench = Bench::new();
    let nothing = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let reply = bench.post("/sfu/get", Body::from_stream(nothing)).await;
    reply.assert_refused(400, "M_NOT_JSON");
}

#[tokio::test]
async fn a_token_opens_the_door_for_its_own_user_only() {
    let bench = Bench::new();
    let refuse = async |body: &Value, part_of_sentence: &str| {
        let reply = bench.post_json("/get_token", body).await;
        reply.assert_refused(401, "M_UNAUTHORIZED");
        let sentence = reply.body["error"].as_str().unwrap();
        assert!(
            sentence.starts_with("The request could not be authorised.")
                && sentence.contains(part_of_sentence),
            "{sentence}"
        );
    };
    let token =
        |server: &str, token: &str| changed(get_token(), "/openid_token", Some(openid(server, token)));
    // Somebody else's, one that is not known (any more), and one of another server.
    refuse(
        &changed(
            get_token(),
            "/member/claimed_user_id",
            Some(json!("@carol:org-a.example")),
        ),
        "another user",
    )
    .await;
    refuse(
        &changed(
            get_token(),
            "/member/claimed_user_id",
            Some(json!("@Alice:org-a.example")),
        ),
        "another user",
    )
    .await;
    refuse(&token("org-a.example", "expired"), "expired").await;
    refuse(&token("org-b.example", "alices-token"), "another homeserver").await;
    // A server that vouches for somebody else's user, or for nobody at all.
    refuse(&token("liar.example", "alices-token"), "another homeserver").await;
    refuse(&token("foreign.example", "alices-token"), "another homeserver").await;
    refuse(&token("nonsense.example", "alices-token"), "could not be asked").await;
    assert!(bench.rooms_made().is_empty());
    assert!(bench.post_json("/get_token", &get_token()).await.can_publish());
}

#[tokio::test]
async fn a_server_that_cannot_or_must_not_be_asked_proves_nothing_and_the_answer_does_not_say_which() {
    let bench = Bench::new();
    let mut sentences = Vec::new();
    for server in ["gone.example", "localhost", "[::1]", "late.example"] {
        let body = changed(sfu_get(), "/openid_token/matrix_server_name", Some(json!(server)));
        let reply = bench.post_json("/sfu/get", &body).await;
        reply.assert_refused(401, "M_UNAUTHORIZED");
        sentences.push(reply.body["error"].clone());
    }
    sentences.dedup();
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    for name in [
        "https://org-a.example",
        "org-a.example/x",
        "a b",
        "org-a.example:0",
    ] {
        let body = changed(sfu_get(), "/openid_token/matrix_server_name", Some(json!(name)));
        bench
            .post_json("/sfu/get", &body)
            .await
            .assert_refused(401, "M_UNAUTHORIZED");
    }
    assert_eq!(
        *bench.homeservers.asked.lock().unwrap(),
        4,
        "what is no name is not dialled"
    );
    assert!(bench.rooms_made().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_homeserver_that_never_answers_is_given_up_within_ten_seconds() {
    let bench = Bench::new();
    let begin = tokio::time::Instant::now();
    let body = changed(
        sfu_get(),
        "/openid_token/matrix_server_name",
        Some(json!("silent.example")),
    );
    let reply = bench.post_json("/sfu/get", &body).await;
    reply.assert_refused(401, "M_UNAUTHORIZED");
    assert!(begin.elapsed() >= PROOF_TIMEOUT && begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn when_too_many_servers_are_being_asked_the_client_is_told_to_wait() {
    let bench = Bench::new();
    let body = changed(
        sfu_get(),
        "/openid_token/matrix_server_name",
        Some(json!("crowded.example")),
    );
    let reply = bench.post_json("/sfu/get", &body).await;
    reply.assert_refused(429, "M_LIMIT_EXCEEDED");
    assert_eq!(
        (
            &reply.body["retry_after_ms"],
            reply.headers["retry-after"].to_str().unwrap()
        ),
        (&json!(1000), "1")
    );
}

#[tokio::test]
async fn a_name_that_would_read_as_another_users_is_refused() {
    let bench = Bench::new();
    let body = changed(sfu_get(), "/device_id", Some(json!("8448:DEV")));
    bench
        .post_json("/sfu/get", &body)
        .await
        .assert_refused(400, "M_BAD_JSON");
    for (path, field) in [
        ("/sfu/get", "/device_id"),
        ("/get_token", "/member/claimed_device_id"),
    ] {
        let body = changed(whole(path), field, Some(json!("D".repeat(256))));
        bench
            .post_json(path, &body)
            .await
            .assert_refused(400, "M_BAD_JSON");
        let body = changed(
            whole(path),
            "/openid_token/access_token",
            Some(json!("t".repeat(4097))),
        );
        bench
            .post_json(path, &body)
            .await
            .assert_refused(400, "M_BAD_JSON");
    }
    assert!(bench.rooms_made().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_room_there_is_no_token() {
    let bench = Bench::new();
    for mood in [Mood::Refusing, Mood::Silent] {
        *bench.rooms.mood.lock().unwrap() = mood;
        let begin = tokio::time::Instant::now();
        let reply = bench.post_json("/get_token", &get_token()).await;
        reply.assert_refused(500, "M_UNKNOWN");
        assert!(begin.elapsed() <= SFU_TIMEOUT + Duration::from_millis(1));
    }
    *bench.rooms.mood.lock().unwrap() = Mood::Willing;
    assert!(bench.post_json("/get_token", &get_token()).await.can_publish());
}

#[tokio::test]
async fn who_asks_too_often_waits_and_others_get_in() {
    let bench = Bench::new();
    let mut admitted = 0;
    let reply = loop {
        let reply = bench.post_json("/sfu/get", &sfu_get()).await;
        if reply.status != 200 {
            break reply;
        }
        admitted += 1;
        assert!(admitted < 1000);
    };
    reply.assert_refused(429, "M_LIMIT_EXCEEDED");
    assert_eq!(bench.rooms_made().len(), admitted);
    assert!(admitted >= 10, "a person who loads the page again must get in");
    bench
        .post_json("/get_token", &get_token())
        .await
        .assert_refused(429, "M_LIMIT_EXCEEDED");
    assert!(
        !bench
            .post_json("/get_token", &get_token_from_abroad())
            .await
            .can_publish()
    );
    bench.later(Duration::from_millis(
        reply.body["retry_after_ms"].as_u64().unwrap(),
    ));
    assert!(bench.post_json("/sfu/get", &sfu_get()).await.can_publish());
}

#[tokio::test]
async fn a_proof_saves_the_second_question_and_no_more_than_a_minute() {
    let bench = Bench::new();
    let asked = || *bench.homeservers.asked.lock().unwrap();
    for _ in 0..3 {
        bench.post_json("/sfu/get", &sfu_get()).await.claims();
        bench.post_json("/get_token", &get_token()).await.claims();
    }
    assert_eq!(asked(), 1);
    let claim = changed(
        get_token(),
        "/member/claimed_user_id",
        Some(json!("@bob:org-b.example")),
    );
    bench
        .post_json("/get_token", &claim)
        .await
        .assert_refused(401, "M_UNAUTHORIZED");
    bench.homeservers.tokens.lock().unwrap().clear();
    bench.later(Duration::from_secs(60));
    let body = json!({"room": ROOM, "openid_token": openid("org-a.example", "alices-token")});
    bench
        .post_json("/sfu/get", &body)
        .await
        .assert_refused(401, "M_UNAUTHORIZED");
    bench.knows("@alice:org-a.example", "alices-token");
    bench.post_json("/sfu/get", &body).await.claims();
    assert_eq!(asked(), 3, "a refusal is not remembered");
}

/// A request with nothing in it, from an address.
async fn knock(bench: &Bench, address: Option<&str>) -> u16 {
    let mut request = Request::builder()
        .method("POST")
        .uri("/sfu/get")
        .header("origin", "https://element.org-b.example")
        .body(Body::from("{}"))
        .unwrap();
    if let Some(address) = address {
        request
            .extensions_mut()
            .insert(ClientAddress(address.parse().unwrap()));
    }
    let reply = bench.send(request).await;
    reply.assert_readable_by_pages();
    reply.status.as_u16()
}

#[tokio::test]
async fn one_address_does_not_ask_without_end_and_others_still_ask() {
    let bench = Bench::new();
    for _ in 0..600 {
        assert_eq!(knock(&bench, Some("192.0.2.1")).await, 400);
    }
    assert_eq!(knock(&bench, Some("192.0.2.1")).await, 429);
    assert_eq!(knock(&bench, Some("192.0.2.2")).await, 400);
    assert_eq!(knock(&bench, None).await, 400, "behind a proxy that says nothing");
    bench.later(Duration::from_millis(50));
    assert_eq!(knock(&bench, Some("192.0.2.1")).await, 400);
}

#[tokio::test]
async fn people_of_one_other_homeserver_do_not_have_it_asked_without_end_and_ours_still_come() {
    let bench = Bench::new();
    let ask = |server: &str, number: usize| {
        let mut body = sfu_get();
        body["openid_token"] = openid(server, &format!("token {number}"));
        body
    };
    for number in 0..600 {
        let refused = bench.post_json("/sfu/get", &ask("org-b.example", number)).await;
        refused.assert_refused(401, "M_UNAUTHORIZED");
    }
    let refused = bench.post_json("/sfu/get", &ask("org-b.example", 600)).await;
    refused.assert_refused(429, "M_LIMIT_EXCEEDED");
    assert_eq!(*bench.homeservers.asked.lock().unwrap(), 600);
    for (server, number) in [("org-c.example", 0), ("org-a.example", 0)] {
        let refused = bench.post_json("/sfu/get", &ask(server, number)).await;
        refused.assert_refused(401, "M_UNAUTHORIZED");
    }
    for number in 0..700 {
        let refused = bench.post_json("/sfu/get", &ask("org-a.example", number)).await;
        refused.assert_refused(401, "M_UNAUTHORIZED");
    }
}
