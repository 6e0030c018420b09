//! What comes by HTTP and WebSocket, as functions of bytes; see [`crate::fuzz`].
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a fuzz target says what it finds by panicking"
)]

use super::forwarded::TrustedProxies;
use super::{query, twirp_json};
use axum::extract::Query;
use http::{HeaderMap, HeaderValue, Uri};
use livekit_protocol::{
    CreateRoomRequest, DeleteRoomRequest, ListParticipantsResponse, ListRoomsRequest, MuteRoomTrackRequest,
    ParticipantInfo, Room, RoomParticipantIdentity, SignalRequest, UpdateParticipantRequest,
    UpdateSubscriptionsRequest,
};
use prost::Message;
use serde_json::Value;
use std::net::IpAddr;

/// The body of a call of the server API: read or refused as JSON, and an answer with the same content has the names
/// and fields of LiveKit's own server.
pub fn parse_twirp_json(body: &[u8]) {
    let _ = twirp_json::read::<CreateRoomRequest>(body);
    let _ = twirp_json::read::<DeleteRoomRequest>(body);
    let _ = twirp_json::read::<ListRoomsRequest>(body);
    let _ = twirp_json::read::<MuteRoomTrackRequest>(body);
    let _ = twirp_json::read::<UpdateParticipantRequest>(body);
    let _ = twirp_json::read::<UpdateSubscriptionsRequest>(body);
    if let Ok(person) = twirp_json::read::<RoomParticipantIdentity>(body) {
        let plain = serde_json::to_vec(&person).expect("a request can be written");
        assert_eq!(
            twirp_json::read::<RoomParticipantIdentity>(&plain).ok(),
            Some(person)
        );
    }
    // A message of any content: what cannot be written is refused, what can has every field.
    let room = Room::decode(body).ok().or_else(|| twirp_json::read(body).ok());
    if let Some(Ok(written)) = room.map(|room| twirp_json::write(&room)) {
        let written: Value = serde_json::from_slice(&written).expect("what is written is JSON");
        assert!(written.get("num_participants").is_some_and(Value::is_number));
        assert!(written.get("creation_time").is_some_and(Value::is_string));
    }
    let info = ParticipantInfo::decode(body)
        .ok()
        .or_else(|| twirp_json::read(body).ok());
    if let Some(info) = info {
        let list = ListParticipantsResponse {
            participants: vec![info],
        };
        if let Ok(written) = twirp_json::write(&list) {
            let written: Value = serde_json::from_slice(&written).expect("what is written is JSON");
            let participants = written
                .get("participants")
                .and_then(Value::as_array)
                .expect("a list");
            assert!(
                participants
                    .iter()
                    .all(|info| info.get("attributes").is_some_and(Value::is_object))
            );
        }
    }
}

/// The query of a join.
pub fn parse_query(text: &[u8]) {
    let Ok(uri) = Uri::try_from([&b"/rtc/v1?"[..], text].concat()) else {
        return;
    };
    let Ok(Query(parameters)) = Query::<query::Parameters>::try_from_uri(&uri) else {
        return;
    };
    let attributes = parameters.attributes().unwrap_or_default();
    parameters.older_request(attributes);
    for value in parameters.values() {
        assert!(value.len() <= text.len(), "decoding makes nothing longer");
    }
}

/// `X-Forwarded-For`, one header per line, behind one of our proxies: whoever is believed to be the client is none of
/// them, and what the last proxy has written counts, not what came before it.
pub fn parse_forwarded(lines: &[u8]) {
    let proxies = TrustedProxies(vec![
        "127.0.0.0/8".parse().unwrap(),
        "10.1.0.0/16".parse().unwrap(),
        "2001:db8:1::/48".parse().unwrap(),
    ]);
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(50) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    let proxy: IpAddr = "127.0.0.1".parse().unwrap();
    if let Some(client) = proxies.client(proxy, &headers) {
        assert!(!proxies.include(client.0));
    }
    let stranger: IpAddr = "192.0.2.7".parse().unwrap();
    let client = proxies.client(stranger, &headers);
    assert!(
        client.is_some_and(|client| client.0 == stranger),
        "a stranger is who it is"
    );
    headers.append(
        "x-forwarded-for",
        HeaderValue::from_static("198.51.100.1, 10.1.2.3"),
    );
    let client = proxies.client(proxy, &headers);
    assert!(client.is_some_and(|client| client.0.to_string() == "198.51.100.1"));
}

/// A frame of a participant's WebSocket, in both forms: a request that was read from either can be written in protobuf
/// and reads back as it was.
pub fn parse_signal_frame(frame: &[u8]) {
    let from_protobuf = SignalRequest::decode(frame).ok();
    let from_json = std::str::from_utf8(frame)
        .ok()
        .and_then(|text| serde_json::from_str::<SignalRequest>(text).ok());
    for request in [from_protobuf, from_json].into_iter().flatten() {
        let again = SignalRequest::decode(request.encode_to_vec().as_slice()).expect("what we write we read");
        assert_eq!(again, request);
    }
}
