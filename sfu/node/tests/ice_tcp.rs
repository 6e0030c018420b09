//! Media over TCP, as far as STUN goes. What streams may do is tested beside them (`src/ice_tcp/tests.rs`), and calls with
//! a real browser in `federation-tests/tests/tcp.test.mjs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::peer::{Peer, check};
use common::{PATIENCE, Sfu, config, start};
use hanse_sfu::Node;
use hanse_sfu_signal::CandidateTransport;
use rtc_stun::attributes::ATTR_XORMAPPED_ADDRESS;
use rtc_stun::message::{BINDING_SUCCESS, Message as Stun};
use rtc_stun::xoraddr::XorMappedAddress;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A node that takes media over TCP, too, on a port that was free a moment ago.
async fn start_with_tcp(shards: u16) -> (Sfu, u16) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (http, sfu) = config(&format!("udp_port = 0\ntcp_port = {port}\nshards = {shards}"));
    let node = Node::start(&http, &sfu).await.unwrap();
    let (http, media) = (node.http_addresses()[0], node.media_addresses()[0].address);
    (Sfu { node, http, media }, port)
}

#[tokio::test]
async fn a_client_is_offered_tcp_after_udp_and_its_checks_are_answered_in_the_stream() {
    let (sfu, port) = start_with_tcp(2).await;
    let transports: Vec<_> = sfu.node.media_addresses().iter().map(|it| it.transport).collect();
    assert_eq!(transports, [CandidateTransport::Udp, CandidateTransport::Tcp]);
    let mut alice = Peer::join(&sfu, "alice").await;
    let offered: Vec<&str> = alice
        .answer
        .lines()
        .filter(|line| line.starts_with("a=candidate:"))
        .collect();
    assert!(
        offered[0].contains(" udp ") && offered[0].ends_with("typ host"),
        "{offered:?}"
    );
    let passive = format!(" 127.0.0.1 {port} typ host tcptype passive");
    assert!(
        offered[1].contains(" tcp ") && offered[1].ends_with(&passive),
        "{offered:?}"
    );
    assert_eq!(offered.len(), 2);

    // Whichever shard the kernel chooses for each of them.
    for _ in 0..8 {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let own = stream.local_addr().unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let request = check(&alice.username, &alice.password);
        // Repeated, as ICE repeats them: a shard may hear of the connection a moment after the client.
        let checks = async move {
            loop {
                writer.write_u16(request.len() as u16).await.unwrap();
                writer.write_all(&request).await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let answered = async {
            let mut answer = vec![0; usize::from(reader.read_u16().await.unwrap())];
            reader.read_exact(&mut answer).await.unwrap();
            answer
        };
        let answered = async {
            tokio::select! {
                answer = answered => answer,
                () = checks => unreachable!("they never end"),
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answered).await.expect("an answer");
        let mut stun = Stun::new();
        stun.unmarshal_binary(&answer).unwrap();
        assert_eq!(stun.typ, BINDING_SUCCESS);
        let mut named = XorMappedAddress::default();
        named.get_from_as(&stun, ATTR_XORMAPPED_ADDRESS).unwrap();
        assert_eq!(
            SocketAddr::new(named.ip, named.port),
            own,
            "its own address, not that of whoever carries it"
        );
    }
    alice.participant.is_served().await;
    sfu.node.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn without_a_port_for_it_nobody_is_offered_tcp() {
    let sfu = start("").await;
    let alice = Peer::join(&sfu, "alice").await;
    assert!(alice.answer.contains("a=candidate:") && !alice.answer.contains("tcptype"));
    sfu.node.stop().await;
}

#[tokio::test]
async fn a_port_that_another_program_has_is_said_at_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (http, sfu) = config(&format!("udp_port = 0\ntcp_port = {}", address.port()));
    let error = Node::start(&http, &sfu)
        .await
        .err()
        .expect("a refusal")
        .to_string();
    assert!(
        error.starts_with(&format!("cannot listen on TCP {address}")),
        "{error}"
    );
}
