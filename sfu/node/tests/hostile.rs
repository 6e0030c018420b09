//! Clients that mean harm, over real sockets: what they send costs themselves only. Everybody else is served meanwhile, and
//! hears nothing of it: two people in the same room and two in another go on with their calls. What floods data channels is in
//! `hostile_data.rs`, what somebody does with the keys of a call in `sfu/core/tests/hostile.rs`, what any bytes do in
//! `tests/properties.rs`, and all budgets are in `docs/limits.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::device::{Device, OPUS, Packet};
use common::pair::Calls;
use common::{OFFER, Participant, announcement, join_path, join_path_with_offer, token};
use futures_util::SinkExt;
use hanse_sfu::SfuCommand;
use hanse_sfu_signal::limits::{
    METADATA_BYTES_MAX, OFFERS_PER_WINDOW_MAX, PENDING_TRACKS_MAX, REQUEST_BURST, REQUESTS_PER_SECOND,
};
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AddTrackRequest, SessionDescription, SignalRequest, TrackSource, UpdateTrackSettings,
};
use prost::Message as _;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message as Frame;

/// Somebody behaves, and somebody does not; the first has heard of the second.
async fn room() -> (Calls, Participant, Participant) {
    let calls = Calls::begin().await;
    let (mut alice, _) = calls.sfu.join("room", "alice").await;
    let (mallory, join) = calls.sfu.join("room", "mallory").await;
    let sid = join.participant.unwrap().sid;
    let is_there = |message| match message {
        Message::Update(update) => update
            .participants
            .iter()
            .any(|info| info.sid == sid)
            .then_some(()),
        _ => None,
    };
    alice.wait_for(is_there).await;
    (calls, alice, mallory)
}

/// Nothing but an answer to a ping comes, and now and then how many people there are.
async fn hears_nothing(participant: &mut Participant) {
    participant.send(Ask::Ping(1)).await;
    loop {
        match participant.message().await {
            Message::Pong(_) => return,
            Message::RoomUpdate(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_flood_of_messages_waits_where_it_comes_from_and_nobody_else_waits() {
    let (mut calls, mut alice, mut mallory) = room().await;
    let beyond = 2 * REQUESTS_PER_SECOND;
    let began = Instant::now();
    for _ in 0..REQUEST_BURST + beyond {
        mallory
            .send(Ask::TrackSetting(UpdateTrackSettings::default()))
            .await;
    }
    // Her messages lie in the way of her own ping, and of nobody else's.
    for _ in 0..20 {
        hears_nothing(&mut alice).await;
    }
    calls.go_on().await;
    mallory.is_served().await;
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_millis(1_900),
        "she was read at once: {waited:?}"
    );
    hears_nothing(&mut alice).await;
    calls.sfu.node.stop().await;
}

#[tokio::test]
async fn a_flood_of_tracks_is_refused_beyond_its_limit_and_told_to_nobody() {
    let (mut calls, mut alice, mut mallory) = room().await;
    let count = 10 * PENDING_TRACKS_MAX;
    for number in 0..count {
        let Ask::AddTrack(request) = announcement(TrackSource::Camera) else {
            panic!("an announcement is no other request")
        };
        let cid = format!("camera {number}");
        mallory
            .send(Ask::AddTrack(AddTrackRequest { cid, ..request }))
            .await;
    }
    let (mut published, mut answers) = (0, 0);
    while answers < count {
        answers += 1;
        match mallory.message().await {
            Message::TrackPublished(_) => published += 1,
            // With the join.
            Message::RefreshToken(_) => answers -= 1,
            Message::RequestResponse(refused) => {
                assert_eq!(
                    refused.reason(),
                    livekit_protocol::request_response::Reason::LimitExceeded
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(published, PENDING_TRACKS_MAX);
    hears_nothing(&mut alice).await;
    calls.go_on().await;
    calls.sfu.node.stop().await;
}

#[tokio::test]
async fn a_session_description_of_eight_megabytes_closes_its_own_socket_only() {
    let (mut calls, mut alice, mut mallory) = room().await;
    let sdp = OFFER.to_owned() + &"a=x:y\r\n".repeat(8 * 1024 * 1024 / 7);
    let request = SignalRequest {
        message: Some(Ask::Offer(SessionDescription {
            r#type: "offer".into(),
            sdp: sdp.clone(),
            id: 1,
            ..SessionDescription::default()
        })),
    };
    mallory
        .socket
        .send(Frame::Binary(request.encode_to_vec().into()))
        .await
        .unwrap();
    assert_eq!(
        mallory.closed().await.map(|frame| u16::from(frame.code)),
        Some(1009)
    );
    alice.is_served().await;
    // As long as a message may be: it is read, and refused for its lines.
    let (mut trent, _) = calls.sfu.join("room", "trent").await;
    let offer = SessionDescription {
        r#type: "offer".into(),
        sdp: sdp[..2 * 1024 * 1024 - 100].to_owned(),
        id: 1,
        ..SessionDescription::default()
    };
    trent.send(Ask::Offer(offer)).await;
    let leave = trent
        .wait_for(|message| match message {
            Message::Leave(leave) => Some(leave),
            _ => None,
        })
        .await;
    assert_eq!(leave.reason(), livekit_protocol::DisconnectReason::StateMismatch);
    // With the join it is too long for a request head: it does not get as far as a socket.
    let path = join_path_with_offer(&token("room", "eve"), &sdp);
    let url = calls.sfu.url(&path);
    let address = url
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    // The server may answer and close before all of it is written.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2") && !answer.starts_with(b"HTTP/1.1 101"));
    alice.is_served().await;
    calls.go_on().await;
    calls.sfu.node.stop().await;
}

#[tokio::test]
async fn who_never_reads_is_closed_when_so_much_waits_and_the_others_get_everything() {
    let (mut calls, mut alice, mallory) = room().await;
    let handle = calls.sfu.node.handle();
    let mut is_closed = false;
    // Three times what may wait for her, with what the system keeps for a socket in front.
    for turn in 0..60 {
        let marker = format!("{turn} ");
        let metadata = marker.clone() + &"m".repeat(METADATA_BYTES_MAX - 10);
        let change = SfuCommand::ChangeRoomMetadata {
            room: "room".into(),
            metadata,
        };
        handle.command(change).await.unwrap();
        let near = &mut calls.near;
        for reader in [
            &mut alice,
            &mut near.speaker.participant,
            &mut near.listener.participant,
        ] {
            loop {
                match reader.message().await {
                    Message::RoomUpdate(update)
                        if update.room.as_ref().unwrap().metadata.starts_with(&marker) =>
                    {
                        break;
                    }
                    Message::Update(update) => {
                        is_closed |= update
                            .participants
                            .iter()
                            .any(|info| info.identity == "mallory" && info.state() == State::Disconnected);
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(is_closed, "she was kept, and what waits for her with her");
    alice.is_served().await;
    calls.go_on().await;
    drop(mallory);
    // Her place is free again.
    assert!(
        calls
            .sfu
            .connect(&join_path(&token("room", "mallory")))
            .await
            .is_ok()
    );
    calls.sfu.node.stop().await;
}

#[tokio::test]
async fn a_flood_of_offers_ends_the_session_of_the_one_who_offers() {
    let mut calls = Calls::begin().await;
    let mut mallory = Device::join(&calls.sfu, "room", "mallory").await;
    // Her socket is read only so fast, too: what is beyond the burst would come in over seconds.
    const { assert!(OFFERS_PER_WINDOW_MAX < REQUEST_BURST) };
    let mut offers = 0;
    for _ in 0..OFFERS_PER_WINDOW_MAX + 50 {
        let offer = mallory.offer();
        mallory.participant.send(offer).await;
    }
    let (reason, action) = loop {
        match mallory.participant.message().await {
            Message::Answer(_) => offers += 1,
            Message::Leave(leave) => break (leave.reason(), leave.action()),
            _ => {}
        }
    };
    assert_eq!(reason, livekit_protocol::DisconnectReason::StateMismatch);
    assert_eq!(action, livekit_protocol::leave_request::Action::Reconnect);
    assert!(
        (100..OFFERS_PER_WINDOW_MAX).contains(&offers),
        "{offers} were answered"
    );
    calls.go_on().await;
    calls.sfu.node.stop().await;
}

#[tokio::test]
async fn a_stream_that_changes_its_ssrc_a_thousand_times_a_second_disturbs_nobody() {
    let mut calls = Calls::begin().await;
    let mut mallory = Device::join(&calls.sfu, "room", "mallory").await;
    let Ask::AddTrack(request) = announcement(TrackSource::Microphone) else {
        panic!("an announcement is no other request")
    };
    mallory.publish(request, 1).await;
    let packet = |number: u32| Packet {
        payload_type: OPUS,
        marker: false,
        ssrc: 100 + number,
        index: 1,
        // Of her section: 0 is data, 1 the microphone.
        extensions: vec![(4, b"1".to_vec())],
        payload: vec![7; 80],
    };
    for second in 0..3 {
        mallory.pace((0..1_000).map(|number| packet(1_000 * second + number)).collect());
        calls.go_on().await;
    }
    while mallory.left().await.packets > 0 {
        calls.go_on().await;
    }
    mallory.participant.is_served().await;
    calls.go_on().await;
    calls.sfu.node.stop().await;
}
