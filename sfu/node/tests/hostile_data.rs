//! Clients that mean harm by their data channels, over real sockets. See `hostile.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::device::{Device, Heard, IN_ORDER, LOSSY, ONCE, RELIABLE};
use common::pair::Calls;
use hanse_sfu::{DataMessage, SfuCommand};
use livekit_protocol::data_packet::Value;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{DataPacket, DisconnectReason, UserPacket};
use prost::Message as _;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Budgets of `sfu/node/src/secure`, as `docs/limits.md` has them.
const INTAKE_BYTES_PER_SECOND: f64 = 1024.0 * 1024.0;
const INTAKE_BURST: f64 = 1024.0 * 1024.0;
const MESSAGE_COST: f64 = 256.0;
const STREAMS_MAX: u16 = 64;
const RELIABLE_QUEUE_MAX: usize = 4 * 1024 * 1024;
const STALL_MAX: Duration = Duration::from_secs(10);

/// What a client's own window takes before our queue begins to fill.
const WINDOW: usize = 1024 * 1024;

fn packet(payload: &[u8]) -> Vec<u8> {
    let user = UserPacket {
        payload: payload.to_vec(),
        ..UserPacket::default()
    };
    DataPacket {
        value: Some(Value::User(user)),
        ..DataPacket::default()
    }
    .encode_to_vec()
}

/// Bytes and messages that came from somebody.
fn of(heard: Vec<Heard>, identity: &str) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for heard in heard {
        if let Heard::Data { payload, .. } = heard
            && let Ok(packet) = DataPacket::decode(&payload[..])
            && packet.participant_identity == identity
            && let Some(Value::User(user)) = packet.value
        {
            sum.0 += user.payload.len() as f64;
            sum.1 += 1.0;
        }
    }
    sum
}

#[tokio::test]
async fn who_never_reads_its_data_is_asked_to_come_again_and_the_others_miss_nothing() {
    let mut calls = Calls::begin().await;
    let mut mallory = Device::join(&calls.sfu, "room", "mallory").await;
    mallory.stop_reading();
    let handle = calls.sfu.node.handle();
    let payload = vec![7; 60_000];
    let news = || SfuCommand::SendData {
        room: "room".into(),
        message: DataMessage {
            payload: payload.clone(),
            topic: Some("news".into()),
            ..DataMessage::default()
        },
    };
    // One after the other, so that nobody who reads is behind.
    let mut sent = 0;
    while sent * payload.len() < RELIABLE_QUEUE_MAX + WINDOW + payload.len() {
        handle.command(news()).await.unwrap();
        sent += 1;
        calls.near.hears("news", &payload).await;
    }
    let full = Instant::now();
    let leave = {
        let mut left = pin!(mallory.participant.wait_for(|message| match message {
            Message::Leave(leave) => Some(leave),
            _ => None,
        }));
        // Whole rounds: what one has sent has arrived when the next begins.
        loop {
            handle.command(news()).await.unwrap();
            calls.near.hears("news", &payload).await;
            calls.go_on().await;
            if let Poll::Ready(leave) = poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx))).await {
                break leave;
            }
        }
    };
    assert_eq!(
        (leave.reason(), leave.action()),
        (DisconnectReason::StateMismatch, Action::Reconnect)
    );
    let waited = full.elapsed();
    assert!(
        waited > STALL_MAX.mul_f32(0.8),
        "she was given up after {waited:?}: slow is not dead"
    );
    assert!(mallory.participant.closed().await.is_some());
    calls.go_on().await;
    calls.sfu.node.stop().await;
}

#[tokio::test]
async fn a_flood_of_data_is_taken_at_its_budget_and_what_others_send_comes_through() {
    let mut calls = Calls::begin().await;
    let mut mallory = Device::join(&calls.sfu, "room", "mallory").await;
    calls.near.speaker.heard();
    let began = Instant::now();
    let (small, large) = (packet(b"x"), packet(&[7; 60_000]));
    for _ in 0..3_000 {
        mallory.write(RELIABLE, small.clone());
        mallory.write(LOSSY, packet(&[7; 1_000]));
    }
    for _ in 0..200 {
        mallory.write(RELIABLE, large.clone());
    }
    // Of any name, as many as are allowed.
    for stream in 10..10 + STREAMS_MAX - 4 {
        mallory.open(
            stream,
            &format!("label {stream}"),
            if stream % 2 == 0 { IN_ORDER } else { ONCE },
        );
        for _ in 0..50 {
            mallory.write(stream, vec![7; 1_000]);
        }
    }
    let (mut bytes, mut messages) = (0.0, 0.0);
    for _ in 0..5 {
        calls.go_on().await;
        let (more, count) = of(calls.near.speaker.heard(), "mallory");
        let allowed = INTAKE_BURST + began.elapsed().as_secs_f64() * INTAKE_BYTES_PER_SECOND;
        (bytes, messages) = (bytes + more, messages + count);
        // What is taken may go below zero once.
        assert!(
            bytes + messages * MESSAGE_COST < allowed + 64.0 * 1024.0,
            "{bytes} bytes in {messages} messages"
        );
    }
    assert!(messages > 0.0, "nothing of it came at all");
    mallory.participant.is_served().await;
    calls.go_on().await;
    calls.sfu.node.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_blocks_the_channels_of_its_sender_and_nobody_elses() {
    let mut calls = Calls::begin().await;
    let mut mallory = Device::join(&calls.sfu, "room", "mallory").await;
    mallory.write(RELIABLE, packet(b"before"));
    loop {
        if of(vec![calls.near.speaker.hear().await], "mallory").1 > 0.0 {
            break;
        }
    }
    mallory.write(RELIABLE, vec![7; 8 * 1024 * 1024]);
    mallory.write(RELIABLE, packet(b"behind"));
    for _ in 0..5 {
        calls.go_on().await;
        assert_eq!(of(calls.near.speaker.heard(), "mallory"), (0.0, 0.0));
    }
    mallory.participant.is_served().await;
    calls.sfu.node.stop().await;
}

#[tokio::test]
async fn who_opens_thousands_of_streams_loses_its_channels_and_nobody_else_anything() {
    let mut calls = Calls::begin().await;
    let mut mallory = Device::join(&calls.sfu, "room", "mallory").await;
    for stream in 10..5_000 {
        mallory.open(stream, "another", IN_ORDER);
    }
    // Those up to the bound are opened.
    let mut open = 0;
    while mallory.left().await.messages > 0 {
        let heard = mallory.heard();
        open += heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Open { .. }))
            .count();
        calls.go_on().await;
    }
    calls.go_on().await;
    let heard = mallory.heard();
    open += heard
        .iter()
        .filter(|heard| matches!(heard, Heard::Open { .. }))
        .count();
    assert!(open <= usize::from(STREAMS_MAX), "{open} were opened");
    // Her channels are gone, her place in the call is not.
    calls.near.speaker.heard();
    mallory.write(RELIABLE, packet(b"is anybody there?"));
    calls.go_on().await;
    assert_eq!(of(calls.near.speaker.heard(), "mallory"), (0.0, 0.0));
    mallory.participant.is_served().await;
    calls.sfu.node.stop().await;
}
