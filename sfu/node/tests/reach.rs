//! What the log says about how people reach the server is what they are offered, to the letter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::log::Log;
use common::peer::Peer;
use common::{SECRET, Sfu};
use hanse_runtime::config::{Document, Section, Table};
use hanse_sfu::{HttpConfig, Node, SfuConfig};
use std::net::TcpListener;

static HTTP: Table = HttpConfig::TABLE;
static SFU: Table = SfuConfig::TABLE;

const TURN_SECRET: &str = "a secret that coturn has, too";

/// A node on loopback that says to be elsewhere, too.
async fn start(toml: &str) -> Sfu {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let text = format!(
        "[http]\nbind_addresses = [\"127.0.0.1\"]\nport = 0\n\
         [sfu]\nbind_addresses = [\"127.0.0.1\", \"::1\"]\nudp_port = 0\ntcp_port = {port}\n{toml}\n"
    );
    let environment = |name: &str| match name {
        "LIVEKIT_KEYS" => Some(format!("devkey: {SECRET}")),
        "TURN_SECRET" => Some(TURN_SECRET.to_owned()),
        _ => None,
    };
    let document = Document::load(&[&HTTP, &SFU], Some(("test.toml", &text)), &environment).unwrap();
    let node = Node::start(&document.section().unwrap(), &document.section().unwrap())
        .await
        .unwrap();
    let (http, media) = (node.http_addresses()[0], node.media_addresses()[0].address);
    Sfu { node, http, media }
}

/// `127.0.0.1:7/udp` of each candidate in a session description.
fn offered(sdp: &str) -> Vec<String> {
    let lines = sdp.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
    let shown = lines.map(|line| {
        let [_, _, transport, _, ip, port, ..] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let ip: std::net::IpAddr = ip.parse().unwrap();
        let address = std::net::SocketAddr::new(ip, port.parse().unwrap());
        format!("{address}/{transport}")
    });
    shown.collect()
}

#[tokio::test]
async fn the_candidates_in_the_log_are_those_in_the_answer_and_the_secret_of_relays_is_in_no_line() {
    let log = Log::listen();
    let sfu = start(
        "addresses = [\"203.0.113.7\", \"2001:db8::7\", \"127.0.0.1\"]\nturn_urls = [\"turns:turn.org-a.example:443\"]",
    )
    .await;
    let alice = Peer::join(&sfu, "alice").await;
    sfu.node.stop().await;

    let text = log.text();
    let said = text
        .lines()
        .find_map(|line| line.split_once("media addresses: "))
        .unwrap()
        .1;
    let families: Vec<&str> = said.split("; ").collect();
    let of = |place: usize, name: &str| -> Vec<String> {
        let list = families[place].strip_prefix(name).unwrap();
        list.split(", ").map(String::from).collect()
    };
    let (v4, v6) = (of(0, "by IPv4 "), of(1, "by IPv6 "));
    assert_eq!(families[2], "by relay turns:turn.org-a.example:443");
    let mut listed = [v4, v6].concat();
    let mut offered = offered(&alice.answer);
    assert_eq!(offered.len(), 6, "three addresses by two transports: {offered:?}");
    listed.sort();
    offered.sort();
    assert_eq!(listed, offered);
    assert!(!text.contains(TURN_SECRET));
}
