//! Who holds a token: homeservers that tell the truth, that lie, and that do neither.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Server, TOKEN, USERINFO, World, assert_impersonal, json, redirect, userinfo};
use hanse_bridge::dial::limits::{ANSWER_BYTES_MAX, HEAD_BYTES_MAX, Timeouts};
use hanse_bridge::dial::{Certificate, DialError};
use hanse_bridge::{Bridge, ProofError, ServerNameError};
use http::Response;
use http_body_util::Full;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Asks, and sees that the error, if there is one, says nothing personal either.
async fn prove(bridge: &Bridge, server_name: &str, token: &str) -> Result<String, ProofError> {
    let outcome = bridge.prove(server_name, token).await;
    if let Err(error) = &outcome {
        assert_impersonal(&format!("{error} {error:?}"));
    }
    outcome
}

/// A server at `org-a.example:8448` that answers this.
async fn org_a(
    world: &World,
    handler: impl Fn(&common::Asked) -> Response<Full<bytes::Bytes>> + Send + Sync + 'static,
) -> Server {
    let server = world.serve("127.0.0.1", &["org-a.example"], handler).await;
    world.names.set("org-a.example", &[&["127.0.0.1"]]);
    world.names.set_port("org-a.example", 8448, server.address.port());
    server
}

const ORG_A: &str = "org-a.example:8448";

#[tokio::test]
async fn a_good_token_names_its_user_and_a_bad_one_nobody() {
    let world = World::new();
    let server = org_a(&world, userinfo("@alice:org-a.example:8448")).await;
    let bridge = world.bridge();
    let proof = prove(&bridge, ORG_A, TOKEN).await;
    assert_eq!(proof.as_deref(), Ok("@alice:org-a.example:8448"));
    let asked = server.asked();
    assert_eq!(
        (asked[0].host.as_str(), asked[0].path.as_str()),
        (ORG_A, USERINFO)
    );
    assert_eq!(prove(&bridge, ORG_A, "another").await, Err(ProofError::Refused));
}

#[tokio::test]
async fn a_token_that_cannot_be_one_is_not_even_asked_about() {
    let world = World::new();
    let server = org_a(&world, userinfo("@alice:org-a.example:8448")).await;
    let bridge = world.bridge();
    assert_eq!(prove(&bridge, ORG_A, "").await, Err(ProofError::Token));
    assert_eq!(
        prove(&bridge, ORG_A, &"a".repeat(4097)).await,
        Err(ProofError::Token)
    );
    assert_eq!(server.connections(), 0);
    let odd = "x&access_token=y#\r\nHost: z /\u{e4}";
    assert_eq!(prove(&bridge, ORG_A, odd).await, Err(ProofError::Refused));
    let query = server.asked()[0].query.clone().unwrap();
    assert_eq!(
        query,
        "access_token=x%26access_token%3Dy%23%0D%0AHost%3A%20z%20%2F%C3%A4"
    );
}

#[tokio::test]
async fn a_homeserver_is_not_believed_about_users_of_another() {
    let world = World::new();
    org_a(&world, |_| json(200, r#"{"sub":"@mallory:org-b.example"}"#)).await;
    assert_eq!(
        prove(&world.bridge(), ORG_A, TOKEN).await,
        Err(ProofError::OtherServer)
    );
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_apart_for_the_administrator() {
    for (status, body, error) in [
        (200, "not JSON", ProofError::NoUserId),
        (200, "{}", ProofError::NoUserId),
        (403, "{}", ProofError::Refused),
        (404, r#"{"errcode":"M_UNRECOGNIZED"}"#, ProofError::NotOffered),
        (405, "", ProofError::NotOffered),
        (429, "{}", ProofError::Status(429)),
        (502, "<html>", ProofError::Status(502)),
    ] {
        let world = World::new();
        org_a(&world, move |_| json(status, body)).await;
        assert_eq!(
            prove(&world.bridge(), ORG_A, TOKEN).await,
            Err(error),
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_a_token_in_hand() {
    let world = World::new();
    let elsewhere = world
        .serve("127.0.0.2", &["127.0.0.2"], userinfo("@alice:org-a.example:8448"))
        .await;
    let location = format!("https://{}{USERINFO}?access_token={TOKEN}", elsewhere.address);
    org_a(&world, move |_| redirect(&location)).await;
    assert_eq!(
        prove(&world.bridge(), ORG_A, TOKEN).await,
        Err(ProofError::Status(307))
    );
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn reading_stops_at_the_limit_whatever_is_sent() {
    let world = World::new();
    let fits = format!(
        r#"{{"sub":"@alice:{ORG_A}","more":"{}"}}"#,
        "x".repeat(ANSWER_BYTES_MAX - 100)
    );
    let server = org_a(&world, move |asked| match asked.query.as_deref() {
        Some("access_token=fits") => json(200, &fits),
        Some("access_token=body") => json(200, &"x".repeat(8 << 20)),
        _ => Response::builder()
            .header("x-long", "x".repeat(HEAD_BYTES_MAX))
            .body(Full::default())
            .unwrap(),
    })
    .await;
    let bridge = world.bridge();
    assert!(prove(&bridge, ORG_A, "fits").await.is_ok());
    assert_eq!(
        prove(&bridge, ORG_A, "body").await,
        Err(DialError::TooLong.into())
    );
    assert_eq!(prove(&bridge, ORG_A, "head").await, Err(DialError::Http.into()));
    assert_eq!(server.asked().len(), 3);
}

fn impatient() -> Timeouts {
    Timeouts {
        whole: Duration::from_millis(300),
        lookup: Duration::from_millis(50),
        ..Timeouts::default()
    }
}

#[tokio::test]
async fn a_homeserver_that_never_answers_ends_in_an_error_in_time() {
    let mut world = World::new();
    world.timeouts = impatient();
    // Connections are taken by the system and never heard of again.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = silent.local_addr().unwrap().to_string();
    let begin = Instant::now();
    let proof = prove(&world.bridge(), &name, TOKEN).await;
    assert_eq!(proof, Err(DialError::TimedOut.into()));
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn name_servers_that_never_answer_end_in_an_error_in_time() {
    let mut world = World::new();
    world.timeouts = impatient();
    world.names.silence("org-a.example");
    let proof = prove(&world.bridge(), "org-a.example", TOKEN).await;
    assert_eq!(proof, Err(DialError::NoAddress.into()));
}

#[tokio::test]
async fn an_unknown_name_and_a_closed_port_are_told_apart() {
    let world = World::new();
    let bridge = world.bridge();
    let unknown = prove(&bridge, "nobody.example", TOKEN).await;
    assert_eq!(unknown, Err(DialError::NoAddress.into()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap().to_string();
    drop(listener);
    let refused = DialError::Unreachable(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(prove(&bridge, &closed, TOKEN).await, Err(refused.into()));
}

#[tokio::test]
async fn a_certificate_must_be_for_the_name_and_from_somebody_who_is_believed() {
    let world = World::new();
    let server = world
        .serve(
            "127.0.0.1",
            &["org-b.example"],
            userinfo("@alice:org-a.example:8448"),
        )
        .await;
    world.names.set("org-a.example", &[&["127.0.0.1"]]);
    world.names.set_port("org-a.example", 8448, server.address.port());
    let other_name = DialError::Certificate(Certificate::OtherName);
    assert_eq!(prove(&world.bridge(), ORG_A, TOKEN).await, Err(other_name.into()));
    let unknown = DialError::Certificate(Certificate::UnknownIssuer);
    let proof = prove(&world.bridge_that_believes(false), ORG_A, TOKEN).await;
    assert_eq!(proof, Err(unknown.into()));
    assert_eq!(server.asked(), [], "a token only goes to whom it belongs");
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.writable().await.unwrap();
        stream
            .try_write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(
        prove(&world.bridge(), &name, TOKEN).await,
        Err(DialError::Tls.into())
    );
}

#[tokio::test]
async fn a_server_name_that_is_an_address_is_asked_if_its_network_is_allowed_and_only_then() {
    let world = World::new();
    let open = world.serve("127.0.0.1", &["127.0.0.1"], |asked| {
        json(200, &format!(r#"{{"sub":"@alice:{}"}}"#, asked.host))
    });
    let open = open.await;
    let closed = world
        .serve("127.9.0.1", &["127.9.0.1"], userinfo("@alice:org-a.example"))
        .await;
    let port = closed.address.port();
    let bridge = world.bridge();
    let name = open.address.to_string();
    assert_eq!(prove(&bridge, &name, TOKEN).await, Ok(format!("@alice:{name}")));
    for refused in [
        closed.address.to_string(),
        "127.9.0.1".to_owned(),
        format!("[::1]:{port}"),
        format!("[::ffff:127.9.0.1]:{port}"),
        format!("[::ffff:7f09:1]:{port}"),
        format!("[64:ff9b::7f09:1]:{port}"),
        format!("[2002:7f09:1::]:{port}"),
        format!("[::]:{port}"),
        format!("0.0.0.0:{port}"),
        "10.0.0.1".to_owned(),
        "192.168.1.1:22".to_owned(),
        "169.254.169.254:80".to_owned(),
        "[fe80::1]".to_owned(),
        "[fd00::1]".to_owned(),
    ] {
        let proof = prove(&bridge, &refused, TOKEN).await;
        assert_eq!(proof, Err(DialError::NotPublic.into()), "{refused}");
    }
    for disguised in ["2131296257", "0x7f090001", "0177.9.0.1", "127.9.1"] {
        let proof = prove(&bridge, &format!("{disguised}:{port}"), TOKEN).await;
        assert_eq!(proof, Err(ServerNameError::Number.into()), "{disguised}");
    }
    assert_eq!(closed.connections(), 0);
    assert_eq!(
        world.names.looked_up(),
        Vec::<String>::new(),
        "an address is not looked up"
    );
}

#[tokio::test]
async fn a_name_of_a_private_address_is_refused() {
    let world = World::new();
    let closed = world
        .serve(
            "127.9.0.1",
            &["org-a.example"],
            userinfo("@alice:org-a.example:8448"),
        )
        .await;
    world
        .names
        .set("org-a.example", &[&["127.9.0.1", "::1", "10.0.0.1"]]);
    world.names.set_port("org-a.example", 8448, closed.address.port());
    assert_eq!(
        prove(&world.bridge(), ORG_A, TOKEN).await,
        Err(DialError::NotPublic.into())
    );
    assert_eq!(closed.connections(), 0);
}

#[tokio::test]
async fn a_name_that_means_a_private_address_the_second_time_gains_nothing() {
    let world = World::new();
    let open = world
        .serve(
            "127.0.0.1",
            &["org-a.example"],
            userinfo("@alice:org-a.example:8448"),
        )
        .await;
    let port = open.address.port();
    // The same port elsewhere: whoever dialled by name a second time would end up there.
    let closed = TcpListener::bind(("127.9.0.1", port)).await.unwrap();
    world
        .names
        .set("org-a.example", &[&["127.0.0.1"], &["127.9.0.1"]]);
    world.names.set_port("org-a.example", 8448, port);
    let bridge = world.bridge();
    assert!(prove(&bridge, ORG_A, TOKEN).await.is_ok());
    assert_eq!(
        world.names.looked_up().len(),
        1,
        "looked up once, and dialled what was checked"
    );
    assert_eq!(
        prove(&bridge, ORG_A, TOKEN).await,
        Err(DialError::NotPublic.into())
    );
    assert_eq!(open.asked().len(), 1);
    let accepted = tokio::time::timeout(Duration::ZERO, closed.accept()).await;
    assert!(accepted.is_err(), "nobody came to the private address");
}

#[tokio::test]
async fn of_several_addresses_only_permitted_ones_are_dialled_and_a_dead_one_costs_little() {
    let world = World::new();
    let open = world
        .serve(
            "127.0.0.1",
            &["org-a.example"],
            userinfo("@alice:org-a.example:8448"),
        )
        .await;
    let port = open.address.port();
    let closed = TcpListener::bind(("127.9.0.1", port)).await.unwrap();
    // Nobody listens at the second.
    world
        .names
        .set("org-a.example", &[&["127.9.0.1", "127.0.0.77", "127.0.0.1"]]);
    world.names.set_port("org-a.example", 8448, port);
    assert!(prove(&world.bridge(), ORG_A, TOKEN).await.is_ok());
    let accepted = tokio::time::timeout(Duration::ZERO, closed.accept()).await;
    assert!(accepted.is_err(), "nobody came to the private address");
}
