//! Whatever bytes a stranger sends to the signalling: it is read or refused, and a whole room of strangers that send
//! whatever they like gets nothing that it may not have, makes nothing grow beyond its limit, and disturbs nobody. The
//! cases are the same in every run (`hanse_sfu_core::fuzz`); each `parse_…` and `play_room` is a function of bytes that a
//! fuzzer may call, too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use common::wild::{HONEST, Wild, play_room};
use common::{Browser, START_UNIX_S, Town, answer_to, claims, full_offer, keys};
use hanse_sfu_core::command::DataChannel;
use hanse_sfu_core::fuzz::{Script, examine};
use hanse_sfu_signal::limits::{JOIN_REQUEST_BYTES_MAX, MEDIA_SECTIONS_MAX};
use hanse_sfu_signal::{JoinRefusal, decode_join_request, sign, verify};
use jsonwebtoken::{EncodingKey, Header};
use livekit_protocol::data_packet::Value;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    DataPacket, DisconnectReason, RpcRequest, SignalRequest, TrackType, UserPacket, WrappedJoinRequest,
};
use prost::Message as _;

/// A `join_request` parameter: as text, and in base64 of both alphabets with and without compression.
pub fn parse_join_request(data: &[u8]) {
    let wrapped = WrappedJoinRequest {
        compression: 1,
        join_request: data.to_vec(),
    };
    for text in [
        String::from_utf8_lossy(data).into_owned(),
        BASE64_URL_SAFE.encode(data),
        BASE64_STANDARD_NO_PAD.encode(wrapped.encode_to_vec()),
    ] {
        match decode_join_request(&text) {
            Ok(request) => assert!(request.encoded_len() <= 2 * JOIN_REQUEST_BYTES_MAX),
            Err(refusal) => assert!((400..500).contains(&refusal.status())),
        }
    }
}

/// A token: as it is nobody has signed it; signed by us, its claims are read or refused, and what is read is signed
/// and read again as it was.
pub fn parse_token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert!(
        verify(&text, &keys(), START_UNIX_S).is_err(),
        "nobody has signed this"
    );
    let Ok(payload) = serde_json::from_slice::<serde_json::Value>(data) else {
        return;
    };
    let keys = keys();
    let (_, secret) = keys.signing();
    let secret = EncodingKey::from_secret(secret.as_bytes());
    let Ok(token) = jsonwebtoken::encode(&Header::default(), &payload, &secret) else {
        return;
    };
    if let Ok(claims) = verify(&token, &keys, START_UNIX_S) {
        let again = sign(&claims, &keys, START_UNIX_S, 600).unwrap();
        let again = verify(&again, &keys, START_UNIX_S).unwrap();
        assert_eq!(
            (&again.identity, &again.metadata, &again.attributes),
            (&claims.identity, &claims.metadata, &claims.attributes)
        );
        assert_eq!(again.video.permission(), claims.video.permission());
    }
}

/// An offer: refused with `STATE_MISMATCH`, or answered once, section by section.
pub fn parse_offer(data: &[u8]) {
    let sdp = String::from_utf8_lossy(data).into_owned();
    let (mids, media) = (common::mids(&sdp).len(), common::media(&sdp));
    match answer_to(sdp) {
        Message::Answer(answer) => {
            assert_eq!(answer.id, 3);
            assert_eq!(common::media(&answer.sdp), media);
            assert_eq!(common::mids(&answer.sdp).len(), media.len());
            assert!(mids >= media.len() && media.len() <= MEDIA_SECTIONS_MAX);
        }
        Message::Leave(leave) => assert_eq!(leave.reason(), DisconnectReason::StateMismatch),
        other => panic!("{other:?}"),
    }
}

/// The recorded offer, line by line: dropped, doubled, cut, exchanged, with another value, or with one from elsewhere.
pub fn parse_edited_offer(data: &[u8]) {
    let mut script = Script::new(data);
    let mut lines: Vec<String> = full_offer().lines().map(str::to_owned).collect();
    while let Some(what) = script.byte() {
        if lines.is_empty() {
            break;
        }
        let (place, other) = (script.below(lines.len()), script.below(lines.len()));
        match what % 8 {
            0 => drop(lines.remove(place)),
            1 => lines.insert(place, lines[other].clone()),
            2 => {
                let len = script.below(lines[place].len() + 1);
                let len = lines[place].floor_char_boundary(len);
                lines[place].truncate(len);
            }
            3 => lines.swap(place, other),
            4 => {
                let value = lines[other].split_once([':', ' ']).map_or("", |(_, value)| value);
                let key = lines[place].split(':').next().unwrap();
                lines[place] = format!("{key}:{value}");
            }
            5 => {
                let noise = String::from_utf8_lossy(script.bytes(12)).into_owned();
                let key = lines[place].split(':').next().unwrap().to_owned();
                lines[place] = format!("{key}:{noise}");
            }
            6 => {
                // A number becomes one at an edge.
                let edge = ["0", "1", "127", "255", "65536", "4294967296", "-1"][script.below(7)];
                let digits = lines[place].find(|c: char| c.is_ascii_digit());
                if let Some(at) = digits {
                    let len = lines[place][at..]
                        .chars()
                        .take_while(char::is_ascii_digit)
                        .count();
                    lines[place].replace_range(at..at + len, edge);
                }
            }
            _ => {
                let longer = lines[place].repeat(1 + script.below(8));
                lines[place] = longer;
            }
        }
    }
    parse_offer((lines.join("\r\n") + "\r\n").as_bytes());
}

/// A message on a data channel: passed on in its sender's own name, or not at all.
pub fn parse_data(data: &[u8]) {
    let mut town = Wild::town();
    for channel in [
        DataChannel::Reliable,
        DataChannel::Lossy,
        DataChannel::DataTrack,
        DataChannel::Foreign,
    ] {
        for name in ["mallory", "deaf", "ghost"] {
            Wild::send_data(&mut town, name, channel, data.to_vec());
        }
    }
}

#[test]
fn a_data_message_of_any_bytes_is_passed_on_in_its_senders_name_or_not_at_all() {
    let packet = |value| DataPacket {
        participant_identity: "alice".into(),
        participant_sid: "PA_alice".into(),
        destination_identities: vec!["bob".into(), "ghost".into()],
        value: Some(value),
        ..DataPacket::default()
    };
    let user = UserPacket {
        payload: b"hello".to_vec(),
        topic: Some("chat".into()),
        ..UserPacket::default()
    };
    let request = RpcRequest {
        id: "1".into(),
        method: "m".into(),
        ..RpcRequest::default()
    };
    let examples = [
        packet(Value::User(user)).encode_to_vec(),
        packet(Value::RpcRequest(request)).encode_to_vec(),
        DataPacket::default().encode_to_vec(),
    ];
    examine(60, &examples, parse_data);
}

#[test]
fn a_join_request_of_any_bytes_is_decoded_or_refused() {
    let mut browser = Browser::new("alice");
    browser.brings = vec![common::add_track("cam", livekit_protocol::TrackSource::Camera)];
    let request = browser.join_request().encode_to_vec();
    let wrapped = |compression, join_request| {
        WrappedJoinRequest {
            compression,
            join_request,
        }
        .encode_to_vec()
    };
    let plain = wrapped(0, request.clone());
    let text = BASE64_URL_SAFE.encode(&plain).into_bytes();
    assert_eq!(decode_join_request(""), Err(JoinRefusal::RequestMissing));
    examine(
        400,
        &[plain, wrapped(7, request.clone()), request, text],
        parse_join_request,
    );
}

#[test]
fn claims_of_any_json_are_read_or_refused_and_unsigned_ones_are_never_believed() {
    let mut own = claims("alice");
    own.metadata = "m".into();
    own.attributes.insert("a".into(), "b".into());
    own.video.can_publish_sources = vec!["camera".into(), "microphone".into()];
    let token = sign(&own, &keys(), START_UNIX_S, 600).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    let forged = [token.rsplit_once('.').unwrap().0, ".AAAA"].concat();
    let odd = format!(
        r#"{{"iss":"key","jti":"x","exp":{},"nbf":null,"name":null,"kind":"agent","kindDetails":[1],"metadata":null,
        "attributes":{{"a":null}},"video":{{"roomJoin":true,"room":null,"canPublish":null,"canPublishSources":null,
        "unknown":{{"deep":[[[[]]]]}}}},"roomConfig":{{}},"sha256":""}}"#,
        START_UNIX_S + 60
    );
    let edge = r#"{"iss":"key","sub":"a","exp":1e300,"nbf":-1}"#;
    let examples = [
        forged.into_bytes(),
        payload,
        odd.into_bytes(),
        edge.as_bytes().to_vec(),
    ];
    examine(1_000, &examples, parse_token);
}

#[test]
fn an_offer_of_any_bytes_is_refused_or_answered_section_by_section() {
    let small = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:alic\r\n\
        a=ice-pwd:alicesPasswordIsLongEnough\r\na=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
        00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n";
    examine(
        200,
        &[small.as_bytes().to_vec(), full_offer().into_bytes()],
        parse_offer,
    );
}

#[test]
fn an_edited_recorded_offer_is_refused_or_answered_section_by_section() {
    let examples: Vec<Vec<u8>> = (0..8)
        .map(|what| vec![what, 40, 90, 3, what + 1, 7, 200, 5])
        .collect();
    examine(80, &examples, parse_edited_offer);
}

#[test]
fn a_room_of_strangers_that_send_whatever_they_like_in_any_order_keeps_every_promise() {
    let every_kind = |salt: u8| {
        (0..120_u8)
            .flat_map(|step| [step, step.wrapping_mul(salt), salt, step / 3])
            .collect()
    };
    let raw = |request: SignalRequest| {
        let bytes = request.encode_to_vec();
        [vec![Wild::RAW, 0, bytes.len() as u8], bytes].concat()
    };
    let examples: Vec<Vec<u8>> = vec![
        every_kind(1),
        every_kind(7),
        every_kind(31),
        raw(SignalRequest { message: None }),
        Vec::new(),
    ];
    examine(24, &examples, play_room);
}

#[test]
fn the_room_that_strangers_disturb_is_a_room_in_which_something_happens() {
    // Without this the property above could hold because nothing works.
    let town = Wild::town();
    for (name, other) in [HONEST, (HONEST.1, HONEST.0)] {
        assert!(town.hears(name, other, livekit_protocol::TrackSource::Camera));
    }
    let _: Town = town;
    assert!(common::kind_of(livekit_protocol::TrackSource::Camera) == TrackType::Video);
}
