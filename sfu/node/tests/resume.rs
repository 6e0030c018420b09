//! Coming again over real sockets: the new one takes the place of the old one, and the transport goes on with new
//! credentials.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use common::peer::{Peer, check, is_answered};
use common::{OFFER, Participant, Sfu, sdp_value, start, token};
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    ClientInfo, DisconnectReason, JoinRequest, ReconnectResponse, SessionDescription, SyncState,
    WrappedJoinRequest,
};
use prost::Message as _;
use std::time::Duration;
use tokio::net::UdpSocket;

/// The path with which somebody goes on with a session.
fn resume_path(identity: &str, sid: &str) -> String {
    let request = JoinRequest {
        client_info: Some(ClientInfo {
            protocol: 17,
            ..ClientInfo::default()
        }),
        reconnect: true,
        participant_sid: sid.to_owned(),
        ..JoinRequest::default()
    };
    let wrapped = WrappedJoinRequest {
        join_request: request.encode_to_vec(),
        ..WrappedJoinRequest::default()
    };
    let request = BASE64_URL_SAFE
        .encode(wrapped.encode_to_vec())
        .replace('=', "%3D");
    let token = token("room", identity);
    format!("/rtc/v1?access_token={token}&join_request={request}")
}

async fn resume(sfu: &Sfu, identity: &str, sid: &str) -> (Participant, ReconnectResponse) {
    let mut participant = sfu.connect(&resume_path(identity, sid)).await.unwrap();
    match participant.message().await {
        Message::Reconnect(reconnect) => (participant, reconnect),
        other => panic!("the first message is {other:?}"),
    }
}

/// Everything up to the answer to a ping.
async fn heard(participant: &mut Participant) -> Vec<Message> {
    participant.send(Ask::Ping(1)).await;
    let mut all = Vec::new();
    loop {
        match participant.message().await {
            Message::Pong(_) => return all,
            message => all.push(message),
        }
    }
}

/// Joins with a transport; says the sid, too.
async fn join(sfu: &Sfu, identity: &str) -> (Peer, String) {
    let mut peer = Peer::join(sfu, identity).await;
    // Whoever comes in hears it.
    let (mut watcher, join) = sfu.join("room", "watcher").await;
    let sid = join
        .other_participants
        .iter()
        .find(|info| info.identity == identity)
        .unwrap()
        .sid
        .clone();
    watcher.send(Ask::Leave(Default::default())).await;
    watcher.closed().await;
    heard(&mut peer.participant).await;
    (peer, sid)
}

#[tokio::test]
async fn a_new_socket_takes_over_and_the_end_of_the_old_one_changes_nothing() {
    let sfu = start("").await;
    let (mut alice, sid) = join(&sfu, "alice").await;
    let (mut bob, _) = sfu.join("room", "bob").await;
    heard(&mut bob).await;
    // The server does not know that the first socket is dead.
    for _ in 0..2 {
        let (mut again, reconnect) = resume(&sfu, "alice", &sid).await;
        assert!(reconnect.server_info.is_some());
        let told = heard(&mut again).await;
        // Before that comes who has gone.
        let everybody = told.iter().rev().find_map(|message| match message {
            Message::Update(update) => Some(update.participants.len()),
            _ => None,
        });
        assert_eq!(everybody, Some(2));
        let closed = alice.participant.closed().await;
        assert_eq!(closed.map(|frame| u16::from(frame.code)), Some(1000));
        drop(std::mem::replace(&mut alice.participant, again));
        alice.participant.is_served().await;
    }
    assert_eq!(heard(&mut bob).await, [], "nobody else hears of it");
    sfu.node.stop().await;
}

#[tokio::test]
async fn ice_restarts_on_the_new_socket_and_the_old_credentials_end_with_the_first_check() {
    let sfu = start("").await;
    let (alice, sid) = join(&sfu, "alice").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    is_answered(&socket, sfu.media, &alice).await;
    let (mut again, _) = resume(&sfu, "alice", &sid).await;
    again.send(Ask::SyncState(SyncState::default())).await;
    let sdp = OFFER
        .replace("a=ice-ufrag:alic", "a=ice-ufrag:alice2")
        .replace("alicesPassword", "alicesNewPassword");
    let offer = SessionDescription {
        r#type: "offer".to_owned(),
        sdp,
        id: 2,
        ..SessionDescription::default()
    };
    again.send(Ask::Offer(offer)).await;
    let answer = again
        .wait_for(|message| match message {
            Message::Answer(answer) => Some(answer.sdp),
            _ => None,
        })
        .await;
    let restarted = Peer {
        participant: again,
        username: format!("{}:alice2", sdp_value(&answer, "ice-ufrag")),
        password: sdp_value(&answer, "ice-pwd").to_owned(),
        answer,
    };
    assert_ne!(restarted.password, alice.password);
    // Until she follows, her old path is good; then it is not any more.
    is_answered(&socket, sfu.media, &alice).await;
    let moved = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    is_answered(&moved, sfu.media, &restarted).await;
    let old = check(&alice.username, &alice.password);
    socket.send_to(&old, sfu.media).await.unwrap();
    // What comes next shows that the check before it was looked at: datagrams of one socket keep their order.
    let new = check(&restarted.username, &restarted.password);
    socket.send_to(&new, sfu.media).await.unwrap();
    let mut buffer = [0; 2048];
    let (len, _) = tokio::time::timeout(common::PATIENCE, socket.recv_from(&mut buffer))
        .await
        .expect("an answer")
        .unwrap();
    // Bytes 8 to 20 are the transaction id (RFC 8489, section 5).
    assert!(len >= 20);
    assert_eq!(buffer[8..20], new[8..20], "the old credentials are over");
    sfu.node.stop().await;
}

#[tokio::test]
async fn whoever_is_not_there_hears_so_at_once_and_a_stopping_server_asks_everybody_to_come_anew() {
    let sfu = start("").await;
    let mut nobody = sfu.connect(&resume_path("alice", "PA_unknown")).await.unwrap();
    let Message::Leave(leave) = nobody.message().await else {
        panic!("no leave")
    };
    assert_eq!(
        (leave.reason(), leave.action()),
        (DisconnectReason::StateMismatch, Action::Reconnect)
    );
    nobody.closed().await;
    let (mut bob, _) = sfu.join("room", "bob").await;
    let stopping = tokio::spawn(sfu.node.stop());
    let leave = bob
        .wait_for(|message| match message {
            Message::Leave(leave) => Some(leave),
            _ => None,
        })
        .await;
    assert_eq!(
        (leave.reason(), leave.action(), leave.can_reconnect),
        (DisconnectReason::ServerShutdown, Action::Reconnect, true)
    );
    bob.closed().await;
    tokio::time::timeout(Duration::from_secs(20), stopping)
        .await
        .expect("it stops")
        .unwrap();
}
