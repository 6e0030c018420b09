//! From a server name to the server: the cases of "Resolving server names", and those that want to lead us astray.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Server, TOKEN, USERINFO, WELL_KNOWN, World, json, redirect, userinfo};
use futures_util::future::join_all;
use hanse_bridge::ProofError;
use hanse_bridge::dial::DialError;
use hanse_bridge::dial::limits::{REDIRECTS_MAX, WELL_KNOWN_BYTES_MAX};
use http::Response;
use http_body_util::Full;

const NAME: &str = "org-a.example";
const ALICE: &str = "@alice:org-a.example";

/// A homeserver that knows Alice, with a certificate for this name.
async fn homeserver(world: &World, address: &str, certificate_name: &str) -> Server {
    world.serve(address, &[certificate_name], userinfo(ALICE)).await
}

/// A web server at the name itself, port 443, that answers this.
async fn web_server(
    world: &World,
    handler: impl Fn(&common::Asked) -> Response<Full<bytes::Bytes>> + Send + Sync + 'static,
) -> Server {
    let server = world.serve("127.0.0.1", &[NAME], handler).await;
    world.names.set(NAME, &[&["127.0.0.1"]]);
    world.names.set_port(NAME, 443, server.address.port());
    server
}

/// A web server whose well-known delegates.
async fn delegating(world: &World, to: String) -> Server {
    web_server(world, move |_| json(200, &format!(r#"{{"m.server":"{to}"}}"#))).await
}

fn hosts(server: &Server) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.host).collect()
}

#[tokio::test]
async fn a_port_in_the_name_is_taken_as_it_is() {
    let world = World::new();
    let web = delegating(&world, "elsewhere.example:1".to_owned()).await;
    let server = world
        .serve("127.0.0.1", &[NAME], userinfo("@alice:org-a.example:9000"))
        .await;
    world.names.set_port(NAME, 9000, server.address.port());
    let proof = world.bridge().prove("org-a.example:9000", TOKEN).await;
    assert_eq!(proof.as_deref(), Ok("@alice:org-a.example:9000"));
    assert_eq!(hosts(&server), ["org-a.example:9000"]);
    assert_eq!(web.connections(), 0);
}

#[tokio::test]
async fn a_delegation_to_a_name_with_a_port_is_followed_with_that_name_in_certificate_and_header() {
    let world = World::new();
    let server = homeserver(&world, "127.0.0.2", "matrix.org-a.example").await;
    let to = format!("matrix.org-a.example:{}", server.address.port());
    world.names.set("matrix.org-a.example", &[&["127.0.0.2"]]);
    let web = delegating(&world, to.clone()).await;
    assert_eq!(world.bridge().prove(NAME, TOKEN).await.as_deref(), Ok(ALICE));
    assert_eq!(
        (hosts(&web), web.paths()),
        (vec![NAME.to_owned()], vec![WELL_KNOWN.to_owned()])
    );
    assert_eq!(
        (hosts(&server), server.paths()),
        (vec![to], vec![USERINFO.to_owned()])
    );
}

#[tokio::test]
async fn a_delegation_to_an_address_is_followed_with_that_address_in_certificate_and_header() {
    let world = World::new();
    let server = homeserver(&world, "127.0.0.2", "127.0.0.2").await;
    delegating(&world, server.address.to_string()).await;
    assert_eq!(world.bridge().prove(NAME, TOKEN).await.as_deref(), Ok(ALICE));
    assert_eq!(hosts(&server), [server.address.to_string()]);
}

#[tokio::test]
async fn a_delegated_name_without_a_port_is_looked_for_by_its_srv_records_but_by_no_second_well_known() {
    let world = World::new();
    let server = homeserver(&world, "127.0.0.2", "matrix.org-a.example").await;
    let port = server.address.port();
    world.names.set("host7.example", &[&["127.0.0.2"]]);
    world
        .names
        .add_service("_matrix-fed._tcp.matrix.org-a.example", 10, "host7.example", port);
    delegating(&world, "matrix.org-a.example".to_owned()).await;
    assert_eq!(world.bridge().prove(NAME, TOKEN).await.as_deref(), Ok(ALICE));
    assert_eq!(
        hosts(&server),
        ["matrix.org-a.example"],
        "the name, not the machine"
    );
    assert_eq!(world.names.looked_up(), [NAME, "host7.example"]);
}

#[tokio::test]
async fn a_delegated_name_without_port_and_srv_records_is_at_port_8448() {
    let world = World::new();
    let server = homeserver(&world, "127.0.0.2", "matrix.org-a.example").await;
    world.names.set("matrix.org-a.example", &[&["127.0.0.2"]]);
    world
        .names
        .set_port("matrix.org-a.example", 8448, server.address.port());
    delegating(&world, "matrix.org-a.example".to_owned()).await;
    assert_eq!(world.bridge().prove(NAME, TOKEN).await.as_deref(), Ok(ALICE));
    assert_eq!(hosts(&server), ["matrix.org-a.example"]);
}

#[tokio::test]
async fn without_delegation_srv_records_count_the_current_ones_before_the_deprecated_ones() {
    let world = World::new();
    let current = homeserver(&world, "127.0.0.2", NAME).await;
    let deprecated = homeserver(&world, "127.0.0.3", NAME).await;
    world.names.set("current.example", &[&["127.0.0.2"]]);
    world.names.set("deprecated.example", &[&["127.0.0.3"]]);
    let deprecated_port = deprecated.address.port();
    world.names.add_service(
        "_matrix._tcp.org-a.example",
        0,
        "deprecated.example",
        deprecated_port,
    );
    assert_eq!(world.bridge().prove(NAME, TOKEN).await.as_deref(), Ok(ALICE));
    assert_eq!(
        (current.asked().len(), hosts(&deprecated)),
        (0, vec![NAME.to_owned()])
    );
    // A target that is "." says that the service is not offered; the one with the lower number is first.
    world.names.add_service(
        "_matrix-fed._tcp.org-a.example",
        20,
        "deprecated.example",
        deprecated_port,
    );
    world.names.add_service(
        "_matrix-fed._tcp.org-a.example",
        10,
        "current.example",
        current.address.port(),
    );
    world
        .names
        .add_service("_matrix-fed._tcp.org-a.example", 0, ".", 0);
    assert_eq!(world.bridge().prove(NAME, TOKEN).await.as_deref(), Ok(ALICE));
    assert_eq!((current.asked().len(), deprecated.asked().len()), (1, 1));
}

#[tokio::test]
async fn an_srv_record_that_leads_to_a_private_address_is_refused() {
    let world = World::new();
    let closed = homeserver(&world, "127.9.0.1", NAME).await;
    world.names.set("inside.example", &[&["127.9.0.1"]]);
    world.names.add_service(
        "_matrix-fed._tcp.org-a.example",
        0,
        "inside.example",
        closed.address.port(),
    );
    let proof = world.bridge().prove(NAME, TOKEN).await;
    assert_eq!(proof, Err(DialError::NotPublic.into()));
    assert_eq!(closed.connections(), 0);
}

#[tokio::test]
async fn a_delegation_to_a_private_address_is_refused_however_it_is_written() {
    let world = World::new();
    let closed = world
        .serve("127.9.0.1", &["127.9.0.1", "inside.example"], userinfo(ALICE))
        .await;
    let port = closed.address.port();
    world.names.set("inside.example", &[&["127.9.0.1"]]);
    for to in [
        format!("127.9.0.1:{port}"),
        format!("inside.example:{port}"),
        format!("[::ffff:127.9.0.1]:{port}"),
        "[::1]".to_owned(),
    ] {
        delegating(&world, to.clone()).await;
        let proof = world.bridge().prove(NAME, TOKEN).await;
        assert_eq!(proof, Err(DialError::NotPublic.into()), "{to}");
    }
    assert_eq!(closed.connections(), 0);
}

/// Starts both; the well-known is not usable, so the name itself is asked at port 8448.
async fn assert_no_delegation(
    handler: impl Fn(&common::Asked) -> Response<Full<bytes::Bytes>> + Send + Sync + 'static,
) -> (World, Server) {
    let world = World::new();
    let web = web_server(&world, handler).await;
    let server = homeserver(&world, "127.0.0.1", NAME).await;
    world.names.set_port(NAME, 8448, server.address.port());
    assert_eq!(world.bridge().prove(NAME, TOKEN).await.as_deref(), Ok(ALICE));
    assert_eq!(hosts(&server), [NAME]);
    (world, web)
}

#[tokio::test]
async fn a_well_known_that_is_not_usable_counts_as_none() {
    for body in [
        "",
        "not JSON",
        "[]",
        "{}",
        r#"{"m.server":7}"#,
        r#"{"m.server":""}"#,
        r#"{"m.server":"https://matrix.org-a.example"}"#,
        r#"{"m.server":"matrix.org-a.example:0"}"#,
        r#"{"m.server":"0x7f.1"}"#,
    ] {
        assert_no_delegation(move |_| json(200, body)).await;
    }
    assert_no_delegation(|_| json(404, r#"{"m.server":"127.0.0.2:1"}"#)).await;
    assert_no_delegation(|_| json(500, "")).await;
    let long = |bytes: usize| {
        let rest = r#"{"m.server":"127.9.0.1:1","more":""}"#;
        rest.replace("\"\"}", &format!("\"{}\"}}", "x".repeat(bytes - rest.len())))
    };
    assert_no_delegation(move |_| json(200, &long(WELL_KNOWN_BYTES_MAX + 1))).await;

    let world = World::new();
    web_server(&world, move |_| json(200, &long(WELL_KNOWN_BYTES_MAX))).await;
    let proof = world.bridge().prove(NAME, TOKEN).await;
    assert_eq!(proof, Err(DialError::NotPublic.into()), "one byte less is read");
}

#[tokio::test]
async fn redirects_of_a_well_known_are_followed_so_far_and_no_further() {
    let world = World::new();
    let www = world
        .serve("127.0.0.2", &["www.org-a.example"], |asked| {
            match asked.path.as_str() {
                "/a" => redirect("/b"),
                _ => json(200, r#"{"m.server":"127.0.0.3:1"}"#),
            }
        })
        .await;
    world.names.set("www.org-a.example", &[&["127.0.0.2"]]);
    let location = format!("https://www.org-a.example:{}/a", www.address.port());
    web_server(&world, move |_| redirect(&location)).await;
    let proof = world.bridge().prove(NAME, TOKEN).await;
    let refused = DialError::Unreachable(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(proof, Err(refused.into()), "the delegation was believed");
    assert_eq!(www.paths(), ["/a", "/b"]);

    let (_world, web) = assert_no_delegation(|_| redirect(WELL_KNOWN)).await;
    assert_eq!(web.asked().len(), REDIRECTS_MAX + 1);
}

#[tokio::test]
async fn a_redirect_of_a_well_known_leads_to_no_private_address_and_not_out_of_tls() {
    let closed = World::new();
    let inside = closed
        .serve("127.9.0.1", &["127.9.0.1"], |_| {
            json(200, r#"{"m.server":"127.0.0.3:1"}"#)
        })
        .await;
    let location = format!("https://{}/", inside.address);
    assert_no_delegation(move |_| redirect(&location)).await;
    let location = format!("http://127.0.0.1:{}/", inside.address.port());
    assert_no_delegation(move |_| redirect(&location)).await;
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_delegation_is_fetched_once_and_again_when_it_is_old() {
    let world = World::new();
    let server = homeserver(&world, "127.0.0.2", "127.0.0.2").await;
    let to = server.address.to_string();
    let web = web_server(&world, move |_| {
        let mut answer = json(200, &format!(r#"{{"m.server":"{to}"}}"#));
        answer
            .headers_mut()
            .insert("cache-control", "max-age=600".parse().unwrap());
        answer
    })
    .await;
    let bridge = world.bridge();
    let proofs = join_all((0..10).map(|_| bridge.prove(NAME, TOKEN))).await;
    assert!(proofs.iter().all(|proof| proof.as_deref() == Ok(ALICE)));
    world.pass(599);
    assert!(bridge.prove("ORG-A.example", TOKEN).await == Err(ProofError::OtherServer));
    assert_eq!((web.asked().len(), server.asked().len()), (1, 11));
    world.pass(1);
    assert!(bridge.prove(NAME, TOKEN).await.is_ok());
    assert_eq!((web.asked().len(), server.asked().len()), (2, 12));
}

#[tokio::test]
async fn what_is_logged_is_there_and_holds_nothing_personal() {
    let world = World::new();
    let server = homeserver(&world, "127.0.0.2", "127.0.0.2").await;
    delegating(&world, server.address.to_string()).await;
    assert!(world.bridge().prove(NAME, TOKEN).await.is_ok());
    let logged = world.log.text();
    assert!(logged.contains("its well-known delegates"), "{logged}");
    common::assert_impersonal(&logged);
    let seen = std::panic::catch_unwind(|| common::assert_impersonal(&format!("{logged} {NAME}")));
    assert!(seen.is_err(), "a name in clear would be noticed");
}
