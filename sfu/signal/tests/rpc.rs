//! Methods of participants, called by the server API: who is called, whose answer counts, and how a call ends otherwise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::data::{decoded, open_all, packet, received, receivers, send, to, town};
use common::{Browser, Town, claims};
use hanse_sfu_core::command::{DataChannel, MediaEvent, TransportQuality};
use hanse_sfu_signal::limits::{CALL_TIMEOUT_MAX, CALLS_MAX};
use hanse_sfu_signal::{CallId, RpcCall, RpcError, RpcFailure, SfuCommand, SfuRefusal};
use livekit_protocol::data_packet::Value;
use livekit_protocol::{RpcAck, RpcRequest, RpcResponse, rpc_response};
use std::time::Duration;

fn greet(identity: &str) -> RpcCall {
    RpcCall {
        room: "standup".into(),
        identity: identity.into(),
        method: "greet".into(),
        payload: "hello".into(),
        response_timeout: None,
    }
}

fn call(town: &mut Town, call: &RpcCall) -> Result<CallId, RpcFailure> {
    let id = town.signalling.handle_call(town.now, call);
    town.settle();
    id
}

/// What one person was asked, and by whom it believes to be asked.
fn asked(town: &mut Town, name: &str) -> (String, RpcRequest) {
    let received = received(town);
    assert_eq!(
        received.keys().collect::<Vec<_>>(),
        [name],
        "nobody else is asked"
    );
    let [(channel, _)] = &received[name][..] else {
        panic!("one request")
    };
    assert_eq!(*channel, DataChannel::Reliable);
    let packet = decoded(&received[name][0]);
    let Some(Value::RpcRequest(request)) = packet.value else {
        panic!("not a request")
    };
    (packet.participant_identity, request)
}

fn acknowledge(town: &mut Town, name: &str, (caller, request): &(String, RpcRequest)) {
    let request_id = request.id.clone();
    let ack = packet(Value::RpcAck(RpcAck { request_id }));
    send(town, name, DataChannel::Reliable, &to(&[caller], ack));
}

fn respond(
    town: &mut Town,
    name: &str,
    (caller, request): &(String, RpcRequest),
    value: rpc_response::Value,
) {
    let response = packet(Value::RpcResponse(RpcResponse {
        request_id: request.id.clone(),
        value: Some(value),
    }));
    send(town, name, DataChannel::Reliable, &to(&[caller], response));
}

fn payload(text: &str) -> rpc_response::Value {
    rpc_response::Value::Payload(text.into())
}

fn ended(town: &mut Town) -> Vec<(CallId, Result<String, RpcError>)> {
    std::mem::take(&mut town.ended_calls)
}

#[test]
fn a_method_is_called_where_it_is_meant_and_only_its_answer_ends_the_call() {
    let mut town = town(&["alice", "bob", "carol"]);
    let id = call(&mut town, &greet("bob")).unwrap();
    let request = asked(&mut town, "bob");
    assert_eq!((&*request.1.method, &*request.1.payload), ("greet", "hello"));
    assert_eq!((request.1.version, request.1.response_timeout_ms), (1, 10_000));
    assert_eq!(request.0, request.1.id, "the answer has an address");
    // Somebody else answers, or answers something else.
    for (name, value) in [("carol", payload("forged")), ("alice", payload("forged"))] {
        acknowledge(&mut town, name, &request);
        respond(&mut town, name, &request, value);
    }
    let mut other = request.clone();
    other.1.id = "RPC_unheard_of".into();
    respond(&mut town, "bob", &other, payload("wrong"));
    assert!(ended(&mut town).is_empty());
    acknowledge(&mut town, "bob", &request);
    assert!(ended(&mut town).is_empty());
    respond(&mut town, "bob", &request, payload("hi"));
    assert_eq!(ended(&mut town), [(id, Ok("hi".into()))]);
    respond(&mut town, "bob", &request, payload("hi again"));
    town.pass(Duration::from_secs(60));
    assert!(ended(&mut town).is_empty(), "it ends once");
    assert!(receivers(&mut town).is_empty(), "no answer goes to anybody else");
}

#[test]
fn a_methods_own_error_is_the_callers() {
    let mut town = town(&["bob"]);
    let id = call(&mut town, &greet("bob")).unwrap();
    let request = asked(&mut town, "bob");
    let error = livekit_protocol::RpcError {
        code: 101,
        message: "not today".into(),
        data: "tomorrow".into(),
    };
    // Without an acknowledgement: the answer is one.
    respond(&mut town, "bob", &request, rpc_response::Value::Error(error));
    let told = ended(&mut town);
    let Err(error) = &told[0].1 else { panic!() };
    assert_eq!((told[0].0, told.len()), (id, 1));
    assert_eq!(error.to_string(), "RpcError 101: not today: tomorrow");
}

#[test]
fn who_does_not_acknowledge_within_two_seconds_is_not_waited_for() {
    let mut town = town(&["bob"]);
    let id = call(&mut town, &greet("bob")).unwrap();
    town.pass(Duration::from_millis(1_999));
    assert!(ended(&mut town).is_empty());
    town.pass(Duration::from_millis(1));
    assert_eq!(ended(&mut town), [(id, Err(RpcError::CONNECTION_TIMEOUT))]);
    let request = asked(&mut town, "bob");
    respond(&mut town, "bob", &request, payload("late"));
    assert!(ended(&mut town).is_empty());
}

#[test]
fn who_has_acknowledged_has_ten_seconds_or_what_the_caller_says() {
    for (said, due) in [
        (None, Duration::from_secs(10)),
        (Some(Duration::from_millis(2_500)), Duration::from_millis(2_500)),
        (Some(Duration::from_secs(3)), Duration::from_secs(3)),
        (Some(Duration::from_secs(u64::from(u32::MAX))), CALL_TIMEOUT_MAX),
    ] {
        let mut town = town(&["bob"]);
        let ask = RpcCall {
            response_timeout: said,
            ..greet("bob")
        };
        let id = call(&mut town, &ask).unwrap();
        let request = asked(&mut town, "bob");
        assert_eq!(u128::from(request.1.response_timeout_ms), due.as_millis());
        acknowledge(&mut town, "bob", &request);
        town.pass(due - Duration::from_millis(1));
        assert!(ended(&mut town).is_empty(), "{said:?}");
        town.pass(Duration::from_millis(1));
        assert_eq!(
            ended(&mut town),
            [(id, Err(RpcError::RESPONSE_TIMEOUT))],
            "{said:?}"
        );
    }
}

#[test]
fn a_caller_that_waits_for_less_than_an_acknowledgement_hears_that_the_answer_is_late() {
    let mut town = town(&["bob"]);
    let ask = RpcCall {
        response_timeout: Some(Duration::from_millis(500)),
        ..greet("bob")
    };
    let id = call(&mut town, &ask).unwrap();
    town.pass(Duration::from_millis(500));
    assert_eq!(ended(&mut town), [(id, Err(RpcError::RESPONSE_TIMEOUT))]);
}

#[test]
fn a_client_is_told_to_answer_earlier_by_the_way_there_and_back() {
    let mut town = town(&["bob"]);
    let connection = town.connection("bob");
    let quality = TransportQuality {
        round_trip: Some(Duration::from_millis(120)),
        ..TransportQuality::default()
    };
    town.event(MediaEvent::Quality { connection, quality });
    call(&mut town, &greet("bob")).unwrap();
    assert_eq!(asked(&mut town, "bob").1.response_timeout_ms, 9_880);
    let ask = RpcCall {
        response_timeout: Some(Duration::from_millis(50)),
        ..greet("bob")
    };
    call(&mut town, &ask).unwrap();
    assert_eq!(asked(&mut town, "bob").1.response_timeout_ms, 1);
}

#[test]
fn a_call_ends_when_the_one_who_was_called_leaves_is_replaced_or_loses_its_room() {
    let ways: [fn(&mut Town); 3] = [
        |town| town.leave("bob"),
        |town| {
            town.join_as("bob again", claims("bob"), Browser::new("bob"))
                .unwrap();
        },
        |town| {
            let room = "standup".to_owned();
            town.command(SfuCommand::DeleteRoom { room }).unwrap();
        },
    ];
    for way in ways {
        let mut town = town(&["alice", "bob"]);
        let ids = [
            call(&mut town, &greet("bob")).unwrap(),
            call(&mut town, &greet("bob")).unwrap(),
        ];
        assert_eq!(town.people.len(), 2);
        way(&mut town);
        let gone = ids.map(|id| (id, Err(RpcError::RECIPIENT_DISCONNECTED)));
        assert_eq!(ended(&mut town), gone);
        town.pass(Duration::from_secs(60));
        assert!(ended(&mut town).is_empty());
    }
}

#[test]
fn a_call_waits_for_a_channel_as_long_as_for_an_acknowledgement() {
    let mut town = Town::default();
    town.join("bob");
    let first = call(&mut town, &greet("bob")).unwrap();
    assert!(receivers(&mut town).is_empty());
    open_all(&mut town, "bob");
    let request = asked(&mut town, "bob");
    respond(&mut town, "bob", &request, payload("hi"));
    assert_eq!(ended(&mut town), [(first, Ok("hi".into()))]);
}

#[test]
fn nobody_is_called_who_is_not_there_or_with_too_much_or_too_often() {
    let mut town = town(&["bob"]);
    let refused = |town: &mut Town, ask: &RpcCall| {
        let failure = call(town, ask).unwrap_err();
        assert!(receivers(town).is_empty());
        failure
    };
    assert_eq!(
        refused(&mut town, &greet("nobody")),
        SfuRefusal::ParticipantNotFound.into()
    );
    let elsewhere = RpcCall {
        room: "elsewhere".into(),
        ..greet("bob")
    };
    assert_eq!(refused(&mut town, &elsewhere), SfuRefusal::RoomNotFound.into());
    let RpcFailure::Refused(SfuRefusal::Invalid(sentence)) = refused(&mut town, &greet("")) else {
        panic!()
    };
    assert_eq!(sentence, "destination identity is required");
    let large = |bytes: usize| RpcCall {
        payload: "x".repeat(bytes),
        ..greet("bob")
    };
    assert_eq!(
        refused(&mut town, &large(15_361)),
        RpcError::REQUEST_PAYLOAD_TOO_LARGE.into()
    );
    let named = RpcCall {
        method: "m".repeat(70_000),
        ..greet("bob")
    };
    let RpcFailure::Refused(SfuRefusal::Invalid(_)) = refused(&mut town, &named) else {
        panic!()
    };
    call(&mut town, &large(15_360)).unwrap();
    asked(&mut town, "bob");
    for _ in 1..CALLS_MAX {
        call(&mut town, &greet("bob")).unwrap();
        asked(&mut town, "bob");
    }
    let RpcFailure::Refused(SfuRefusal::Full(_)) = refused(&mut town, &greet("bob")) else {
        panic!()
    };
    town.pass(Duration::from_secs(2));
    assert_eq!(ended(&mut town).len(), CALLS_MAX);
    call(&mut town, &greet("bob")).unwrap();
}

#[test]
fn who_may_not_send_data_cannot_answer_either() {
    let mut town = Town::default();
    town.join_with_claims("bob", |claims| claims.video.can_publish_data = Some(false));
    open_all(&mut town, "bob");
    let id = call(&mut town, &greet("bob")).unwrap();
    let request = asked(&mut town, "bob");
    respond(&mut town, "bob", &request, payload("hi"));
    assert!(ended(&mut town).is_empty());
    town.pass(Duration::from_secs(2));
    assert_eq!(ended(&mut town), [(id, Err(RpcError::CONNECTION_TIMEOUT))]);
}
