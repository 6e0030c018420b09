//! Whatever comes by HTTP, WebSocket, DTLS or SCTP: it is read or refused. The cases are the same in every run; what must
//! hold is said in `src/fuzz.rs`, `src/http/fuzz.rs` and `src/secure/fuzz.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

use hanse_sfu::fuzz;
use hanse_sfu_core::fuzz::examine;
use livekit_protocol::{ParticipantInfo, Room, SignalRequest, UpdateSubscription, signal_request};
use prost::Message;

const CASES: u32 = 1_500;

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn calls_of_the_server_api_of_any_json_are_read_or_refused_and_answers_have_every_field() {
    let mut examples = texts(&[
        r#"{"name":"room","empty_timeout":300,"emptyTimeout":1,"metadata":null,"egress":{"room":null}}"#,
        r#"{"room":"r","identity":"alice","permission":{"can_publish":true,"canPublishSources":["CAMERA",2]},"attributes":{"a":null}}"#,
        r#"{"room":"r","identity":"a","trackSid":"TR_x","muted":true}"#,
        r#"{"sid":"RM_x","creation_time":"1700000000","enabled_codecs":[{"mime":"video/VP8"},null],"version":{}}"#,
        r#"[[[[[[[[{"a":1e999}]]]]]]]]"#,
        "null",
    ]);
    let room = Room {
        name: "r".into(),
        creation_time: -1,
        ..Room::default()
    };
    let info = ParticipantInfo {
        identity: "a".into(),
        state: 99,
        attributes: [("a".to_owned(), "b".to_owned())].into(),
        ..ParticipantInfo::default()
    };
    examples.extend([room.encode_to_vec(), info.encode_to_vec()]);
    examine(CASES, &examples, fuzz::parse_twirp_json);
}

#[test]
fn queries_of_any_bytes_are_read_or_refused() {
    let examples = texts(&[
        "access_token=a.b.c&join_request=AAAA%3D&publish=screen",
        "access_token=%ff%zz&access_token=twice&=&&join_request=a+b",
        "join_request",
    ]);
    examine(CASES, &examples, fuzz::parse_query);
}

#[test]
fn a_client_behind_proxies_is_whom_the_last_of_them_names_whatever_else_is_written() {
    let examples = texts(&[
        "203.0.113.9, 198.51.100.1, 10.1.0.3",
        "203.0.113.9\n198.51.100.1",
        "::ffff:10.1.0.3, 2001:db8:1::7 ,unknown,,[::1]:80",
        ",",
    ]);
    examine(CASES, &examples, fuzz::parse_forwarded);
}

#[test]
fn frames_of_any_bytes_are_requests_or_not() {
    let update = UpdateSubscription {
        track_sids: vec!["TR_x".into()],
        subscribe: true,
        ..UpdateSubscription::default()
    };
    let request = SignalRequest {
        message: Some(signal_request::Message::Subscription(update)),
    };
    let mut examples = texts(&[
        r#"{"ping":"1"}"#,
        r#"{"addTrack":{"cid":"c","type":"VIDEO","layers":[{}]}}"#,
    ]);
    examples.push(request.encode_to_vec());
    examples.push(serde_json::to_vec(&request).unwrap());
    examine(CASES, &examples, fuzz::parse_signal_frame);
}

#[test]
fn settings_of_webhooks_of_any_text_are_read_or_refused() {
    let examples = texts(&[
        "webhook_urls = [\"https://hanse.org-a.example/livekit/jwt/sfu_webhook\"]\nwebhook_key = \"two\"",
        "webhook_urls = [\"http://me:hunter2@[::1]:80/\", \"http://a\"]",
        "webhook_urls = [[]]\nwebhook_key = 1",
    ]);
    examine(400, &examples, fuzz::parse_webhook_config);
}

/// With its length in front.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

#[test]
fn dtls_of_any_bytes_yields_no_keys_and_few_answers() {
    // A ClientHello of version 1.2 with the cipher and the extensions that a browser has, as one record.
    let extensions = [
        &[0, 23, 0, 0, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0][..],
        &[0, 13, 0, 4, 0, 2, 4, 3, 0, 14, 0, 5, 0, 2, 0, 7, 0],
    ]
    .concat();
    let mut hello = vec![254, 253];
    hello.extend([9; 32]);
    hello.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    let len = (hello.len() as u32).to_be_bytes();
    let fragment = [&[1][..], &len[1..], &[0, 0, 0, 0, 0], &len[1..], &hello].concat();
    let record = |kind: u8, epoch: u8, body: &[u8]| {
        let head = [kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0];
        [&head[..], &(body.len() as u16).to_be_bytes(), body].concat()
    };
    let examples = [
        sized(&record(22, 0, &fragment)),
        [
            sized(&record(22, 0, &fragment)),
            sized(&record(22, 0, &fragment)),
            sized(&record(20, 0, &[1])),
        ]
        .concat(),
        [sized(&record(21, 0, &[2, 40])), sized(&record(23, 1, &[0; 40]))].concat(),
        sized(&[record(22, 1, &[7; 60]), record(22, 0, &fragment)].concat()),
    ];
    examine(600, &examples, fuzz::read_dtls);
}

#[test]
fn sctp_of_any_bytes_makes_few_answers() {
    let init = [
        &[0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &[1, 0, 0, 20, 0, 0, 0, 9, 0, 2, 0, 0, 4, 0, 4, 0, 0, 0, 0, 5],
    ]
    .concat();
    let begin = sized(&init);
    // With our tag, and behind the cookie that makes the association.
    let established = |chunk: &[u8]| {
        let packet = [&[0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0][..], chunk].concat();
        let mut sized = sized(&packet);
        sized[0] |= 0xc0;
        [begin.clone(), sized].concat()
    };
    let open = [
        &[0, 3, 0, 28, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 50, 3][..],
        &[0; 11],
    ]
    .concat();
    let examples = [
        sized(&init),
        established(&open),
        // A piece of a message, one far ahead, a step over others, a request to reset streams, an acknowledgement.
        established(&[0, 2, 0, 17, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 53, 1, 0, 0, 0]),
        established(&[0, 3, 0, 17, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 53, 1, 0, 0, 0]),
        established(&[192, 0, 0, 8, 0, 0, 0, 9]),
        established(&[
            130, 0, 0, 22, 0, 13, 0, 18, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0,
        ]),
        established(&[3, 0, 0, 16, 0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0]),
    ];
    examine(CASES, &examples, fuzz::read_sctp);
}
