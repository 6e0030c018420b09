//! What people are called, where they are, and what lets them in is in no log line, not even in the most detailed ones
//! of our own crates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::log::Log;
use common::peer::{Peer, is_answered};
use common::{join_path, odd_token, start, token};
use futures_util::SinkExt;
use tokio::net::UdpSocket;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn no_log_line_names_anybody() {
    let log = Log::listen();

    // Nobody answers there.
    let sfu = start("webhook_urls = [\"http://127.0.0.1:9/private-path\"]\nwebhook_folder = \"\"").await;
    let mut alice = Peer::join(&sfu, "@alice:org-a.example").await;
    let mut bob = Peer::join(&sfu, "@bob:org-b.example").await;
    let socket = UdpSocket::bind("127.0.0.77:0").await.unwrap();
    is_answered(&socket, sfu.media, &alice).await;
    // A handshake that comes to nothing.
    socket
        .send_to(&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], sfu.media)
        .await
        .unwrap();
    let refused = odd_token("room", None, 700);
    assert!(sfu.connect(&join_path(&refused)).await.is_err());
    // The same person again, and one who sends nonsense.
    let again = Peer::join(&sfu, "@alice:org-a.example").await;
    let _ = alice.participant.closed().await;
    bob.participant
        .socket
        .send(Message::Text("nonsense".into()))
        .await
        .unwrap();
    let _ = bob.participant.closed().await;
    sfu.node.stop().await;

    let text = log.text();
    assert!(text.contains("media addresses"), "nothing was logged");
    let good = token("room", "@alice:org-a.example");
    for secret in [
        "alice",
        "bob",
        "org-a",
        "127.0.0.77",
        "private-path",
        refused.as_str(),
        good.split('.').nth(1).unwrap(),
        alice.password.as_str(),
        again.password.as_str(),
        again.username.as_str(),
    ] {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}
