//! The requests of Element Call 0.26.1, as it was seen to make them, in order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use axum::body::Body;
use common::{
    Bench, NOW_UNIX_S, ROOM, SFU_ROOM, get_token, get_token_from_abroad, openid, sfu_get, with_delay,
};
use http::{Request, StatusCode};
use serde_json::json;

async fn preflight(bench: &Bench, path: &str) {
    let request = Request::builder()
        .method("OPTIONS")
        .uri(path)
        .header("origin", "https://element.org-b.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let reply = bench.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, StatusCode::OK);
    reply.assert_readable_by_pages();
    assert_eq!(reply.headers["access-control-allow-methods"], "POST");
    let allowed = reply.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("content-type"), "{allowed}");
}

/// Element Call believes that leaves can be delegated unless it may read that this path does not exist.
async fn probe_for_delegation(bench: &Bench) {
    let request = Request::builder()
        .method("POST")
        .uri("/delegate_delayed_leave")
        .header("origin", "https://element.org-b.example");
    let reply = bench.send(request.body(Body::empty()).unwrap()).await;
    reply.assert_readable_by_pages();
    reply.assert_refused(404, "M_UNRECOGNIZED");
}

#[tokio::test]
async fn in_compatibility_mode_its_own_user_publishes_under_a_plain_identity() {
    let bench = Bench::new();
    preflight(&bench, "/sfu/get").await;
    let first = bench.post_json("/sfu/get", &sfu_get()).await;
    let second = bench.post_json("/sfu/get", &sfu_get()).await;
    probe_for_delegation(&bench).await;
    assert_eq!(first.identity(), "@alice:org-a.example:ALICESDEV");
    assert_eq!(
        first.claims(),
        second.claims(),
        "it keeps the first and connects once"
    );
    let expected = json!({
        "iss": "devkey", "sub": "@alice:org-a.example:ALICESDEV", "nbf": NOW_UNIX_S, "exp": NOW_UNIX_S + 3600,
        "video": {"room": SFU_ROOM, "roomJoin": true, "roomCreate": false, "canPublish": true, "canSubscribe": true,
                  "canUpdateOwnMetadata": false, "hidden": false},
    });
    assert_eq!(first.claims(), expected);
    assert_eq!(
        bench.rooms_made(),
        [SFU_ROOM, SFU_ROOM],
        "made before each answer"
    );
    let rooms = bench.rooms.made.lock().unwrap();
    assert_eq!(
        (rooms[0].empty_timeout_s, rooms[0].departure_timeout_s),
        (300, 20)
    );
}

#[tokio::test]
async fn in_matrix_2_0_mode_its_own_user_publishes_under_a_hash() {
    let bench = Bench::new();
    preflight(&bench, "/get_token").await;
    let reply = bench.post_json("/get_token", &get_token()).await;
    probe_for_delegation(&bench).await;
    // base64(sha256('["@alice:org-a.example","ALICESDEV","5c0f1a52-6f0e-4d2f-9a64-3c5b0a1e7d11"]'))
    assert_eq!(reply.identity(), "oSVOnlPHTxVrtN2zra08D0aahmd0qC+fR2fVs09/oMI");
    assert!(reply.can_publish());
    assert_eq!(
        reply.claims()["video"]["room"],
        SFU_ROOM,
        "the same room as of /sfu/get"
    );
    assert_eq!(bench.rooms_made(), [SFU_ROOM]);
}

#[tokio::test]
async fn the_user_of_another_organisation_receives_and_does_not_publish() {
    let bench = Bench::new();
    preflight(&bench, "/get_token").await;
    let reply = bench.post_json("/get_token", &get_token_from_abroad()).await;
    // base64(sha256('["@bob:org-b.example","BOBSDEV","@bob:org-b.example:BOBSDEV"]'))
    assert_eq!(reply.identity(), "PysMqAxKf+RWiGEp8fyFkJjwJBvrz64q39Xbh7SX5F8");
    let video = &reply.claims()["video"];
    assert_eq!(
        (&video["canPublish"], &video["canSubscribe"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        bench.rooms_made(),
        [SFU_ROOM],
        "whoever comes first, the room is there: Element Call does not try twice"
    );
}

#[tokio::test]
async fn a_user_of_another_organisation_may_also_come_by_the_old_path() {
    let bench = Bench::new();
    let body =
        json!({"room": ROOM, "openid_token": openid("org-b.example", "bobs-token"), "device_id": "BOBSDEV"});
    let reply = bench.post_json("/sfu/get", &body).await;
    assert_eq!(reply.identity(), "@bob:org-b.example:BOBSDEV");
    assert!(!reply.can_publish());
}

#[tokio::test]
async fn everybody_publishes_where_the_policy_says_so() {
    let bench = Bench::with("full_access_homeservers = [\"*\"]\ntoken_lifetime_s = 600");
    let reply = bench.post_json("/get_token", &get_token_from_abroad()).await;
    assert!(reply.can_publish());
    assert_eq!(reply.claims()["exp"], NOW_UNIX_S + 600);
}

#[tokio::test]
async fn a_leave_that_is_handed_over_costs_its_own_user_no_token_and_others_are_told() {
    let bench = Bench::new();
    let plain = bench.post_json("/sfu/get", &with_delay(sfu_get())).await;
    assert_eq!(plain.identity(), "@alice:org-a.example:ALICESDEV");
    let hashed = bench.post_json("/get_token", &with_delay(get_token())).await;
    assert!(hashed.can_publish());
    let made = bench.rooms_made();
    let foreign = bench
        .post_json("/get_token", &with_delay(get_token_from_abroad()))
        .await;
    foreign.assert_refused(400, "M_BAD_JSON");
    assert_eq!(bench.rooms_made(), made, "no room for who is refused");
    assert!(
        !bench
            .post_json("/get_token", &get_token_from_abroad())
            .await
            .can_publish()
    );
}
