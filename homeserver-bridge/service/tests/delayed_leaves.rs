//! Delayed leaves: with the application service's token at our own homeservers, with none at others, by the guarded way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::homeserver::{Matrix, Running};
use common::{World, assert_impersonal, json};
use hanse_bridge::dial::DialError;
use hanse_bridge::{DelayedLeaveError, HomeserversConfig, Pace, ServerName};
use std::time::Duration;

const CLIENT_WELL_KNOWN: &str = "/.well-known/matrix/client";
const RESTART: &str = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/d1/restart";

fn server(name: &str) -> ServerName {
    name.parse().unwrap()
}

#[tokio::test]
async fn at_our_own_homeserver_a_leave_is_restarted_sent_once_and_cancelled() {
    let world = World::new();
    let matrix = Matrix::start("org-a.example").await;
    matrix
        .inside
        .lock()
        .unwrap()
        .delayed
        .extend(["d1".to_owned(), "d2".to_owned()]);
    let running = Running::start(&world, &[&matrix]).await;
    let (bridge, org_a) = (&running.bridge, server("org-a.example"));
    assert_eq!(bridge.restart_leave(&org_a, "d1").await, Ok(()));
    assert_eq!(bridge.restart_leave(&org_a, "d1").await, Ok(()));
    assert_eq!(bridge.send_leave(&org_a, "d1").await, Ok(()));
    assert_eq!(
        bridge.send_leave(&org_a, "d1").await,
        Err(DelayedLeaveError::Unknown)
    );
    assert_eq!(
        bridge.restart_leave(&org_a, "d1").await,
        Err(DelayedLeaveError::Unknown)
    );
    assert_eq!(bridge.cancel_leave(&org_a, "d2").await, Ok(()));
    assert_eq!(
        bridge.cancel_leave(&org_a, "d2").await,
        Err(DelayedLeaveError::Unknown)
    );
    let inside = matrix.inside.lock().unwrap();
    let of_leaves: Vec<_> = inside
        .asked
        .iter()
        .filter(|(asked, _)| asked.contains("delayed"))
        .collect();
    assert!(of_leaves.len() == 7 && of_leaves.iter().all(|(_, token)| *token));
}

#[tokio::test]
async fn why_a_homeserver_did_not_do_it_is_told_apart() {
    let world = World::new();
    let matrix = Matrix::start("org-a.example").await;
    let running = Running::start(&world, &[&matrix]).await;
    let restart = async |status: u16, body: serde_json::Value| {
        matrix.inside.lock().unwrap().delayed_answer = Some((status, body));
        let outcome = running.bridge.restart_leave(&server("org-a.example"), "d1").await;
        assert_impersonal(&format!("{outcome:?}"));
        outcome.unwrap_err()
    };
    let limited = restart(429, serde_json::json!({"retry_after_ms": 2500})).await;
    assert_eq!(limited, DelayedLeaveError::TooOften(Duration::from_millis(2500)));
    // A proxy that does not know the path says nothing about the event.
    for (status, body) in [
        (404, "<html>"),
        (404, "M_UNRECOGNIZED"),
        (403, "M_FORBIDDEN"),
        (500, "M_UNKNOWN"),
    ] {
        let error = restart(status, serde_json::json!({"errcode": body})).await;
        assert!(matches!(error, DelayedLeaveError::Api(_)), "{error}");
    }
}

#[tokio::test]
async fn another_homeserver_is_found_by_its_well_known_and_gets_no_token() {
    let world = World::new();
    let api = world
        .serve("127.0.0.1", &["matrix.org-b.example"], |asked| {
            match asked.path.as_str() {
                "/prefix/_matrix/client/unstable/org.matrix.msc4140/delayed_events/d1/restart" => {
                    json(200, "{}")
                }
                _ => json(404, r#"{"errcode":"M_NOT_FOUND"}"#),
            }
        })
        .await;
    let site = world
        .serve("127.0.0.1", &["org-b.example"], |_| {
            json(
                200,
                r#"{"m.homeserver":{"base_url":"https://matrix.org-b.example/prefix/"}}"#,
            )
        })
        .await;
    for (name, server) in [("org-b.example", &site), ("matrix.org-b.example", &api)] {
        world.names.set(name, &[&["127.0.0.1"]]);
        world.names.set_port(name, 443, server.address.port());
    }
    let bridge = world.bridge();
    let org_b = server("org-b.example");
    assert_eq!(bridge.restart_leave(&org_b, "d1").await, Ok(()));
    assert_eq!(
        bridge.restart_leave(&org_b, "d2").await,
        Err(DelayedLeaveError::Unknown)
    );
    assert_eq!(site.paths(), [CLIENT_WELL_KNOWN], "asked once, then remembered");
    let asked = api.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.method == "POST" && asked.token.is_none())
    );
    assert_eq!(asked[0].host, "matrix.org-b.example");
}

#[tokio::test]
async fn a_well_known_leads_to_no_address_that_strangers_must_not_reach() {
    for (base_url, expected) in [
        ("https://127.0.1.1:8008", DialError::NotPublic),
        ("https://inside.example", DialError::NotPublic),
        ("http://matrix.org-b.example", DialError::WellKnown),
        ("file:///etc/passwd", DialError::WellKnown),
        ("https://user@matrix.org-b.example", DialError::WellKnown),
    ] {
        let world = World::new();
        let body = format!(r#"{{"m.homeserver":{{"base_url":"{base_url}"}}}}"#);
        let site = world
            .serve("127.0.0.1", &["org-b.example"], move |_| json(200, &body))
            .await;
        world.names.set("org-b.example", &[&["127.0.0.1"]]);
        world.names.set("inside.example", &[&["127.0.2.1"]]);
        world.names.set_port("org-b.example", 443, site.address.port());
        let outcome = world.bridge().send_leave(&server("org-b.example"), "d1").await;
        assert_eq!(outcome, Err(DelayedLeaveError::Dial(expected)), "{base_url}");
    }
}

#[tokio::test]
async fn without_a_well_known_nothing_is_guessed_and_the_configuration_may_say_where_it_is() {
    let world = World::new();
    let outcome = world.bridge().restart_leave(&server("org-b.example"), "d1").await;
    assert_eq!(outcome, Err(DelayedLeaveError::Dial(DialError::WellKnown)));
    let matrix = Matrix::start("org-b.example").await;
    matrix.inside.lock().unwrap().delayed.insert("d1".to_owned());
    let url = matrix.registration.client_api_url.clone();
    let config = HomeserversConfig {
        client_api_urls: [(server("org-b.example"), url)].into(),
        ..world.config(true)
    };
    let bridge = world.bridge_of(config, Pace::default());
    assert_eq!(bridge.restart_leave(&server("org-b.example"), "d1").await, Ok(()));
    assert_eq!(
        matrix.inside.lock().unwrap().asked,
        [(format!("POST {}?", &RESTART[1..]), false)]
    );
}
