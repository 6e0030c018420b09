//! What should not come in, over real sockets: each piece gets its sentence or silence, and nobody else notices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use common::peer::{Peer, check, is_answered};
use common::{
    OFFER, PATIENCE, admin_token, claims, join_grant, join_path, join_request, odd_token, refused, signed,
    start, token,
};
use futures_util::SinkExt;
use hanse_sfu_signal::VideoGrant;
use livekit_protocol::{SignalRequest, signal_request, signal_response};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tokio::net::UdpSocket;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn garbage_datagrams_meet_silence_and_a_proper_check_is_still_answered() {
    let mut sfu = start("").await;
    let mut alice = Peer::join(&sfu, "alice").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    is_answered(&socket, sfu.media, &alice).await;

    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let proper = check(&alice.username, &alice.password);
    let mut datagrams: Vec<Vec<u8>> = Vec::new();
    // Cut, lengthened, forged and impossible checks.
    datagrams.extend((0..proper.len()).map(|len| proper[..len].to_vec()));
    datagrams.push([proper.clone(), vec![0; 1800]].concat());
    datagrams.push(check(&alice.username, "not the password at all"));
    datagrams.push(check("nobody:alic", &alice.password));
    datagrams.push([&[0, 1, 0xff, 0xff][..], &proper[4..]].concat());
    // Larger than a slot.
    datagrams.push(vec![0x80; 5000]);
    // DTLS, RTP, RTCP and nonsense of all lengths from somebody without a transport, and the first bytes of each.
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..1500);
    for first in [20, 22, 23, 63, 64, 127, 128, 191, 192, 255] {
        for _ in 0..50 {
            let mut datagram = bytes.new_tree(&mut runner).unwrap().current();
            if let Some(byte) = datagram.first_mut() {
                *byte = first;
            }
            datagrams.push(datagram);
        }
    }
    for (number, datagram) in datagrams.iter().enumerate() {
        stranger.send_to(datagram, sfu.media).await.unwrap();
        // And from an address that has passed a check: DTLS, RTP and RTCP are looked at there.
        if datagram.first().is_some_and(|first| *first >= 20) {
            socket.send_to(datagram, sfu.media).await.unwrap();
        }
        if number % 32 == 0 {
            is_answered(&socket, sfu.media, &alice).await;
        }
    }
    is_answered(&socket, sfu.media, &alice).await;

    assert!(
        stranger.try_recv_from(&mut [0; 100]).is_err(),
        "a stranger was answered"
    );
    alice.participant.is_served().await;
    let failed = tokio::time::timeout(std::time::Duration::ZERO, sfu.node.failed()).await;
    assert!(failed.is_err(), "{failed:?}");
    sfu.node.stop().await;
}

#[tokio::test]
async fn ten_thousand_user_names_from_one_address_cost_nobody_their_connection() {
    let sfu = start("").await;
    let mut alice = Peer::join(&sfu, "alice").await;
    let (socket, stranger) = (
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    );
    is_answered(&socket, sfu.media, &alice).await;
    for number in 0..10_000 {
        let datagram = check(&format!("ufrag{number}:alic"), &alice.password);
        stranger.send_to(&datagram, sfu.media).await.unwrap();
    }
    is_answered(&socket, sfu.media, &alice).await;
    assert!(
        stranger.try_recv_from(&mut [0; 100]).is_err(),
        "an unknown user name was answered"
    );
    alice.participant.is_served().await;
    sfu.node.stop().await;
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused_on_both_paths_with_a_sentence() {
    let sfu = start("").await;
    let (mut alice, _) = sfu.join("room", "alice").await;
    let good = token("room", "mallory");
    let part = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
    let payload = good.split('.').nth(1).unwrap();
    let none = format!("{}.{payload}.", part(r#"{"alg":"none","typ":"JWT"}"#));
    let unsigned = format!("{}.{payload}.", good.split('.').next().unwrap());
    let no_join = signed(&claims(
        "mallory",
        VideoGrant {
            room: "room".to_owned(),
            ..VideoGrant::default()
        },
    ));
    let nameless = signed(&claims("", join_grant("room")));
    let roomless = signed(&claims("mallory", join_grant("")));
    for (token, status, sentence) in [
        (odd_token("room", None, 700), 401, "the access token has expired"),
        (
            odd_token("room", Some("another secret that is long enough"), 0),
            401,
            "the access token's signature is wrong",
        ),
        (none, 401, "the access token must be signed with HS256"),
        (unsigned, 401, "the access token's signature is wrong"),
        ("nonsense".to_owned(), 401, "the access token is malformed"),
        (no_join, 401, "no permissions to access the room"),
        (nameless, 400, "identity cannot be empty"),
        (roomless, 400, "no room name"),
    ] {
        let path = join_path(&token);
        assert_eq!(sfu.connect(&path).await.err(), Some(refused(status, sentence)));
        assert_eq!(sfu.validate(&path).await, refused(status, sentence));
    }
    let path = join_path("");
    assert_eq!(
        sfu.connect(&path).await.err().map(|refused| refused.status),
        Some(401)
    );
    assert_eq!(sfu.validate(&path).await.status, 401);

    // Within the leeway, and with a good token, the door is open.
    assert_eq!(
        sfu.validate(&join_path(&odd_token("room", None, 630))).await,
        refused(200, "success")
    );
    assert_eq!(sfu.validate(&join_path(&good)).await, refused(200, "success"));
    alice.is_served().await;
    sfu.node.stop().await;
}

#[tokio::test]
async fn a_room_that_does_not_exist_is_404_unless_the_token_may_create_it() {
    let sfu = start("auto_create = false").await;
    let path = join_path(&token("nowhere", "alice"));
    let missing = || refused(404, "requested room does not exist");
    assert_eq!(sfu.connect(&path).await.err(), Some(missing()));
    assert_eq!(sfu.validate(&path).await, missing());
    let grant = VideoGrant {
        room_create: true,
        ..join_grant("nowhere")
    };
    let creator = join_path(&signed(&claims("bob", grant)));
    assert_eq!(sfu.validate(&creator).await, refused(200, "success"));
    assert!(sfu.connect(&creator).await.is_ok());
    // The room is there now.
    assert_eq!(sfu.validate(&path).await, refused(200, "success"));
    sfu.node.stop().await;
}

#[tokio::test]
async fn a_full_room_is_503_on_both_paths_and_those_inside_stay() {
    let sfu = start("room_participants_max = 1").await;
    let (mut alice, _) = sfu.join("room", "alice").await;
    let path = join_path(&token("room", "bob"));
    let full = || refused(503, "room has exceeded its max participants");
    assert_eq!(sfu.connect(&path).await.err(), Some(full()));
    assert_eq!(sfu.validate(&path).await, full());
    assert_eq!(
        sfu.validate(&join_path(&token("another", "bob"))).await,
        refused(200, "success")
    );
    alice.is_served().await;
    sfu.node.stop().await;
}

#[tokio::test]
async fn frames_that_are_no_requests_close_their_own_socket_only() {
    let sfu = start("").await;
    let (mut alice, _) = sfu.join("room", "alice").await;
    let bad: [(Message, u16); 3] = [
        (Message::Binary(vec![0xff; 40].into()), 1007),
        (Message::Binary(vec![0x0a, 0x7f, 1].into()), 1007),
        (Message::Text("{\"ping\": [}".into()), 1007),
    ];
    for (number, (frame, code)) in bad.into_iter().enumerate() {
        let (mut mallory, _) = sfu.join("room", &format!("mallory-{number}")).await;
        mallory.socket.send(frame).await.unwrap();
        let closed = mallory.closed().await.expect("a close frame");
        assert_eq!(
            (u16::from(closed.code), closed.reason.as_str()),
            (code, "a frame is not a SignalRequest")
        );
        alice.is_served().await;
    }
    // A request of a protocol that is not invented yet is ignored, and so is an empty one.
    alice
        .socket
        .send(Message::Binary(vec![0xfa, 0x3f, 1, 0].into()))
        .await
        .unwrap();
    alice
        .socket
        .send(Message::Binary(Vec::new().into()))
        .await
        .unwrap();
    alice.is_served().await;
    sfu.node.stop().await;
}

#[tokio::test]
async fn a_message_above_two_mebibytes_closes_with_1009_and_one_below_does_not() {
    let sfu = start("").await;
    let (mut alice, _) = sfu.join("room", "alice").await;
    let unknown_field = |len: usize| {
        // Field 1000, bytes: ignored, but as long as wanted.
        let mut frame = vec![0xc2, 0x3e];
        prost::encode_length_delimiter(len, &mut frame).unwrap();
        frame.resize(frame.len() + len, 0);
        frame
    };
    alice
        .socket
        .send(Message::Binary(unknown_field(2 * 1024 * 1024 - 100).into()))
        .await
        .unwrap();
    alice.is_served().await;

    let (mut mallory, _) = sfu.join("room", "mallory").await;
    mallory
        .socket
        .send(Message::Binary(unknown_field(5 * 1024 * 1024).into()))
        .await
        .unwrap();
    assert_eq!(
        mallory.closed().await.map(|frame| u16::from(frame.code)),
        Some(1009)
    );
    alice.is_served().await;
    sfu.node.stop().await;
}

#[tokio::test]
async fn answers_come_in_the_form_in_which_the_client_last_spoke() {
    let sfu = start("").await;
    let (mut alice, _) = sfu.join("room", "alice").await;
    let request = SignalRequest {
        message: Some(signal_request::Message::Ping(1)),
    };
    let json = serde_json::to_string(&request).unwrap();
    alice.socket.send(Message::Text(json.into())).await.unwrap();
    let pong = loop {
        if let Message::Text(text) = alice.frame().await {
            break text;
        }
    };
    let pong: serde_json::Value = serde_json::from_str(&pong).unwrap();
    let unix_ms: u64 = pong["pong"].as_str().unwrap().parse().unwrap();
    assert!(
        unix_ms.abs_diff(hanse_runtime::clock::unix_ms()) < 60_000,
        "not milliseconds: {unix_ms}"
    );

    let ping = livekit_protocol::Ping {
        timestamp: 4711,
        rtt: 20,
    };
    alice.send(signal_request::Message::PingReq(ping)).await;
    let pong = alice
        .wait_for(|message| match message {
            signal_response::Message::PongResp(pong) => Some(pong),
            _ => None,
        })
        .await;
    assert_eq!(pong.last_ping_timestamp, 4711);
    sfu.node.stop().await;
}

#[tokio::test]
async fn requests_that_are_no_joins_get_their_status_and_a_sentence() {
    let sfu = start("").await;
    let client = reqwest::Client::new();
    let status = async |path: &str| client.get(sfu.url(path)).send().await.unwrap().status().as_u16();
    let token = token("room", "alice");
    // Not a WebSocket.
    assert_eq!(status(&join_path(&token)).await, 404);
    assert_eq!(status("/rtc").await, 404);
    assert_eq!(status("/nothing").await, 404);
    // Without a join request, and with broken ones.
    let missing = sfu.connect(&format!("/rtc/v1?access_token={token}")).await.err();
    assert_eq!(missing, Some(refused(400, "join_request is required")));
    for broken in ["!!!", "AAAA", "_w"] {
        let path = format!("/rtc/v1?access_token={token}&join_request={broken}");
        assert_eq!(
            sfu.connect(&path).await.err().map(|refused| refused.status),
            Some(400),
            "{broken}"
        );
    }
    let header = client
        .get(sfu.url("/rtc/validate"))
        .header("Authorization", "Basic abc")
        .send()
        .await
        .unwrap();
    assert_eq!(header.status(), 401);
    // A client with a join request speaks the newer form, wherever it asks.
    assert!(
        sfu.connect(&join_path(&token).replacen("/rtc/v1", "/rtc", 1))
            .await
            .is_ok()
    );
    // A trailing slash in the configured URL, and a very long path.
    assert!(sfu.connect(&format!("/{}", join_path(&token))).await.is_ok());
    let long = format!("{}&padding={}", join_path(&token), "x".repeat(60_000));
    assert!(sfu.connect(&long).await.is_ok());
    sfu.node.stop().await;
}

#[tokio::test]
async fn every_page_may_ask_and_the_health_is_plain() {
    let sfu = start("").await;
    let client = reqwest::Client::new();
    let origin = "https://call.org-a.example";
    for path in [
        "/",
        "/nothing",
        "/rtc/v1/validate",
        "/twirp/livekit.RoomService/Nothing",
    ] {
        let response = client
            .get(sfu.url(path))
            .header("Origin", origin)
            .send()
            .await
            .unwrap();
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            origin,
            "{path}"
        );
    }
    let preflight = client
        .request(reqwest::Method::OPTIONS, sfu.url("/rtc/v1/validate"))
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "x-anything")
        .send()
        .await
        .unwrap();
    assert!(preflight.status().is_success());
    assert_eq!(preflight.headers()["access-control-allow-headers"], "x-anything");
    assert_eq!(preflight.headers()["access-control-max-age"], "86400");
    let plain = client.get(sfu.url("/rtc/v1/validate")).send().await.unwrap();
    assert_eq!(plain.headers()["access-control-allow-origin"], "*");
    let health = client.get(sfu.url("/")).send().await.unwrap();
    assert_eq!(
        (health.status().as_u16(), health.text().await.unwrap()),
        (200, "OK".to_owned())
    );
    assert!(
        client
            .head(sfu.url("/"))
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    sfu.node.stop().await;
}

#[tokio::test]
async fn the_server_api_refuses_with_twirps_codes() {
    let sfu = start("").await;
    let client = reqwest::Client::new();
    let call = async |path: &str, token: Option<&str>, kind: &str, body: Vec<u8>| {
        let mut request = client
            .post(sfu.url(&format!("/twirp/{path}")))
            .header("Content-Type", kind)
            .body(body);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    let error = |status: u16, code: &str| (status, code.to_owned());
    let (json, proto) = ("application/json", "application/protobuf");
    let (admin, guest) = (admin_token("room"), token("room", "alice"));
    let elsewhere = admin_token("elsewhere");
    let list = "livekit.RoomService/ListParticipants";
    let asks = || br#"{"room":"room"}"#.to_vec();
    assert_eq!(
        call(list, None, json, asks()).await,
        error(401, "unauthenticated")
    );
    assert_eq!(
        call(list, Some(&guest), json, asks()).await,
        error(401, "unauthenticated")
    );
    assert_eq!(
        call(list, Some(&elsewhere), json, asks()).await,
        error(401, "unauthenticated")
    );
    assert_eq!(
        call(list, Some(&admin), json, asks()).await,
        error(404, "not_found")
    );
    assert_eq!(
        call(list, Some(&admin), json, b"{".to_vec()).await,
        error(400, "malformed")
    );
    assert_eq!(
        call(list, Some(&admin), proto, vec![0xff; 9]).await,
        error(400, "malformed")
    );
    assert_eq!(
        call(list, Some(&admin), "text/plain", asks()).await,
        error(404, "bad_route")
    );
    assert_eq!(
        call("livekit.RoomService/Dance", Some(&admin), json, asks()).await,
        error(404, "bad_route")
    );
    assert_eq!(
        call("livekit.Egress/ListEgress", Some(&admin), json, asks()).await,
        error(404, "bad_route")
    );
    let create = "livekit.RoomService/CreateRoom";
    assert_eq!(
        call(create, Some(&guest), json, b"{}".to_vec()).await,
        error(401, "unauthenticated")
    );
    let created = call(
        create,
        Some(&admin),
        json,
        br#"{"name":"room","empty_timeout":5}"#.to_vec(),
    )
    .await;
    assert_eq!(created, error(200, ""));
    assert_eq!(call(list, Some(&admin), json, asks()).await, error(200, ""));

    let get = client
        .get(sfu.url(&format!("/twirp/{list}")))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), 404);
    let too_large = client
        .post(sfu.url(&format!("/twirp/{create}")))
        .header("Content-Type", proto)
        .body(vec![0; 10 * 1024 * 1024 + 1])
        .send()
        .await
        .unwrap();
    assert_eq!(too_large.status(), 413);
    sfu.node.stop().await;
}

#[tokio::test]
async fn everybody_is_told_when_the_server_stops() {
    let sfu = start("").await;
    let (mut alice, _) = sfu.join("room", "alice").await;
    let http = sfu.http;
    let stopping = tokio::spawn(sfu.node.stop());
    let leave = alice
        .wait_for(|message| match message {
            signal_response::Message::Leave(leave) => Some(leave),
            _ => None,
        })
        .await;
    assert_eq!(leave.reason(), livekit_protocol::DisconnectReason::ServerShutdown);
    assert_eq!(
        alice.closed().await.map(|frame| u16::from(frame.code)),
        Some(1000)
    );
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(http).await.is_err());
}

#[test]
fn a_join_request_of_the_tests_is_one() {
    assert!(hanse_sfu_signal::decode_join_request(&join_request(Some(OFFER))).is_ok());
}
