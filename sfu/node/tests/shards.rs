//! Two shards behind one port.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::peer::{Peer, is_answered};
use common::start;
use tokio::net::UdpSocket;

#[tokio::test]
async fn a_connection_is_answered_wherever_its_datagrams_arrive() {
    let sfu = start("shards = 2").await;
    let mut alice = Peer::join(&sfu, "alice").await;
    let mut bob = Peer::join(&sfu, "bob").await;
    // The kernel spreads these over both shards by their ports; each person is owned by the shard of the first check.
    for _ in 0..8 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        is_answered(&socket, sfu.media, &alice).await;
        is_answered(&socket, sfu.media, &bob).await;
    }
    alice.participant.is_served().await;
    bob.participant.is_served().await;
    sfu.node.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_media_port_does_not_start() {
    let sfu = start("").await;
    let (http, config) = common::config(&format!("udp_port = {}\ntcp_port = 0", sfu.media.port()));
    let error = hanse_sfu::Node::start(&http, &config)
        .await
        .err()
        .expect("a refusal")
        .to_string();
    assert!(
        error.starts_with(&format!("cannot listen on UDP {}", sfu.media)),
        "{error}"
    );
    sfu.node.stop().await;
}
