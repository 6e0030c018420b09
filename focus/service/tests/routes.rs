//! Paths, methods, and the headers without which no page may read an answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use axum::body::Body;
use common::{Bench, Reply};
use http::Request;

async fn ask(bench: &Bench, method: &str, path: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("origin", "https://element.org-b.example");
    let reply = bench.send(request.body(Body::empty()).unwrap()).await;
    reply.assert_readable_by_pages();
    reply
}

#[tokio::test]
async fn every_path_and_method_has_its_status_and_all_are_readable_by_pages() {
    let bench = Bench::new();
    for (method, path, status) in [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("DELETE", "/healthz", 405),
        ("GET", "/sfu/get", 405),
        ("PUT", "/sfu/get", 405),
        ("POST", "/sfu/get", 400),
        ("GET", "/get_token", 405),
        ("HEAD", "/get_token", 405),
        ("POST", "/get_token", 400),
        ("POST", "/delegate_delayed_leave", 404),
        ("GET", "/delegate_delayed_leave", 404),
        ("POST", "/sfu_webhook", 401),
        ("GET", "/examine", 405),
        ("POST", "/examine", 400),
        ("GET", "/", 404),
        ("POST", "/sfu/get/", 404),
        ("POST", "/livekit/jwt/sfu/get", 404),
        ("POST", "/%2e%2e/%00", 404),
    ] {
        let reply = ask(&bench, method, path).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}");
        if status == 200 || status == 405 {
            let said = if (method, status) == ("GET", 200) {
                "ok".len()
            } else {
                0
            };
            assert_eq!(reply.bytes, said, "{method} {path}");
        } else {
            assert!(reply.body["errcode"].is_string(), "{method} {path}");
        }
    }
    assert!(bench.rooms_made().is_empty());
}

#[tokio::test]
async fn a_page_may_ask_beforehand_everywhere() {
    let bench = Bench::new();
    for path in [
        "/sfu/get",
        "/get_token",
        "/delegate_delayed_leave",
        "/healthz",
        "/nothing",
    ] {
        let reply = ask(&bench, "OPTIONS", path).await;
        assert_eq!(reply.status.as_u16(), 200, "{path}");
        assert_eq!(reply.headers["access-control-allow-methods"], "POST");
        let headers = reply.headers["access-control-allow-headers"].to_str().unwrap();
        for header in [
            "accept",
            "content-type",
            "content-length",
            "accept-encoding",
            "x-csrf-token",
        ] {
            assert!(headers.contains(header), "{headers}");
        }
        assert!(!headers.contains("authorization"), "{headers}");
    }
}

#[tokio::test]
async fn below_a_prefix_everything_is_the_same() {
    let bench = Bench::new().nested("/livekit/jwt");
    assert_eq!(ask(&bench, "GET", "/livekit/jwt/healthz").await.status, 200);
    let reply = ask(&bench, "POST", "/livekit/jwt/delegate_delayed_leave").await;
    reply.assert_refused(404, "M_UNRECOGNIZED");
    let reply = bench.post_json("/livekit/jwt/sfu/get", &common::sfu_get()).await;
    assert!(reply.can_publish());
}
