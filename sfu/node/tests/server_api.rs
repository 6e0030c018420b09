//! The server API over HTTP, as it is spoken without protobuf: names, defaults and spellings of its JSON, and whose token
//! opens which method. What the methods do is the exam's (`exam.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{Sfu, admin_token, claims, join_grant, signed, start};
use hanse_sfu_signal::{RpcCall, RpcError, VideoGrant};
use livekit_protocol::{DisconnectReason, LeaveRequest, signal_request, signal_response};
use serde_json::{Value, json};

struct Api {
    sfu: Sfu,
    client: reqwest::Client,
}

impl Api {
    async fn start() -> Self {
        Api {
            sfu: start("").await,
            client: reqwest::Client::new(),
        }
    }

    /// Says the status and the answer.
    async fn call(&self, method: &str, token: &str, body: impl Into<String>) -> (u16, Value) {
        let response = self
            .client
            .post(self.sfu.url(&format!("/twirp/livekit.RoomService/{method}")))
            .header("Content-Type", "application/json")
            .header("Authorization", format!("Bearer {token}"))
            .body(body.into())
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        let status = response.status().as_u16();
        let answer = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        (status, answer)
    }

    /// Calls in both spellings of the same request; says the answers.
    async fn both(&self, method: &str, requests: [Value; 2]) -> [Value; 2] {
        let token = admin_token("room");
        let mut answers = Vec::new();
        for request in requests {
            let (status, answer) = self.call(method, &token, request.to_string()).await;
            assert_eq!(status, 200, "{method} {request}: {answer}");
            answers.push(answer);
        }
        answers.try_into().unwrap()
    }

    /// Says Twirp's code.
    async fn refusal(&self, method: &str, token: &str, body: &str) -> (u16, String) {
        let (status, answer) = self.call(method, token, body).await;
        assert!(!answer["msg"].as_str().unwrap().is_empty(), "a sentence");
        (status, answer["code"].as_str().unwrap().to_owned())
    }
}

fn names(message: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = message.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn rooms_are_written_with_all_fields_and_read_in_both_spellings() {
    let api = Api::start().await;
    let requests = [
        json!({ "name": "room", "empty_timeout": "60", "max_participants": 7, "metadata": null, "unheard_of": [null] }),
        json!({ "name": "room", "emptyTimeout": 60, "maxParticipants": "7", "departureTimeout": null, "egress": null }),
    ];
    let [first, second] = api.both("CreateRoom", requests).await;
    assert_eq!(first, second);
    let all = [
        "active_recording",
        "creation_time",
        "creation_time_ms",
        "departure_timeout",
        "empty_timeout",
        "enabled_codecs",
        "max_participants",
        "metadata",
        "name",
        "num_participants",
        "num_publishers",
        "sid",
        "turn_password",
        "version",
    ];
    assert_eq!(names(&first), all);
    assert_eq!(
        (
            &first["empty_timeout"],
            &first["max_participants"],
            &first["metadata"]
        ),
        (&json!(60), &json!(7), &json!(""))
    );
    assert!(first["creation_time"].is_string() && first["version"].is_null());
    assert_eq!(
        first["enabled_codecs"][0],
        json!({ "mime": "video/VP8", "fmtp_line": "" })
    );

    let lists = [
        json!({ "names": null }),
        json!({ "names": ["room"], "unheardOf": 1 }),
    ];
    for list in api.both("ListRooms", lists).await {
        assert_eq!(list, json!({ "rooms": [first] }));
    }
    let (_, none) = api
        .call("ListRooms", &admin_token("room"), r#"{"names":["other"]}"#)
        .await;
    assert_eq!(none, json!({ "rooms": [] }));

    let metadata = [
        json!({ "room": "room", "metadata": "m", "roomName": null }),
        json!({ "room": "room", "metadata": null }),
    ];
    let [set, cleared] = api.both("UpdateRoomMetadata", metadata).await;
    assert_eq!(
        (&set["metadata"], &cleared["metadata"]),
        (&json!("m"), &json!(""))
    );
    assert_eq!(names(&set), all);

    let (status, done) = api
        .call(
            "DeleteRoom",
            &admin_token("room"),
            r#"{"room":"room","reason":null}"#,
        )
        .await;
    assert_eq!((status, done), (200, json!({})));
    assert_eq!(
        api.refusal("DeleteRoom", &admin_token("room"), r#"{"room":"room"}"#)
            .await,
        (404, "not_found".to_owned())
    );
    api.sfu.node.stop().await;
}

#[tokio::test]
async fn participants_are_written_with_all_fields_and_read_in_both_spellings() {
    let api = Api::start().await;
    let (mut alice, _) = api.sfu.join("room", "alice").await;
    let asks = [
        json!({ "room": "room", "identity": "alice", "revoke_token_ts": null }),
        json!({ "room": "room", "identity": "alice", "revokeTokenTs": "0" }),
    ];
    let [first, second] = api.both("GetParticipant", asks).await;
    assert_eq!(first, second);
    assert_eq!(
        names(&first),
        [
            "attributes",
            "capabilities",
            "client_protocol",
            "data_tracks",
            "disconnect_reason",
            "identity",
            "is_publisher",
            "joined_at",
            "joined_at_ms",
            "kind",
            "kind_details",
            "metadata",
            "name",
            "permission",
            "region",
            "sid",
            "state",
            "tracks",
            "version"
        ]
    );
    assert_eq!(
        (&first["kind"], &first["is_publisher"], &first["tracks"]),
        (&json!("STANDARD"), &json!(false), &json!([]))
    );
    let lists = [
        json!({ "room": "room" }),
        json!({ "room": "room", "names": null }),
    ];
    for list in api.both("ListParticipants", lists).await {
        assert_eq!(list, json!({ "participants": [first] }));
    }

    let changes = [
        json!({
            "room": "room", "identity": "alice", "metadata": null, "attributes": { "seatNumber_of": "7" },
            "permission": { "can_subscribe": true, "can_publish_sources": ["CAMERA"], "hidden": null }
        }),
        json!({
            "room": "room", "identity": "alice", "name": "Alice", "attributes": null, "unheardOf": { "a": null },
            "permission": { "canSubscribe": true, "canPublishSources": ["CAMERA"], "canPublish": null }
        }),
    ];
    let [first, second] = api.both("UpdateParticipant", changes).await;
    assert_eq!(first["attributes"], json!({ "seatNumber_of": "7" }));
    assert_eq!(second["attributes"], first["attributes"]);
    assert_eq!((&first["name"], &second["name"]), (&json!(""), &json!("Alice")));
    for changed in [&first, &second] {
        assert_eq!(
            changed["permission"],
            json!({
                "can_subscribe": true, "can_publish": false, "can_publish_data": false,
                "can_publish_sources": ["CAMERA"], "hidden": false, "recorder": false,
                "can_update_metadata": false, "agent": false, "can_subscribe_metrics": false,
                "can_manage_agent_session": false
            })
        );
    }

    let subscriptions = [
        json!({ "room": "room", "identity": "alice", "track_sids": ["TR_x"], "subscribe": null }),
        json!({
            "room": "room", "identity": "alice", "trackSids": null, "subscribe": true,
            "participantTracks": [{ "participantSid": null, "trackSids": ["x".repeat(65)] }]
        }),
    ];
    assert_eq!(
        api.both("UpdateSubscriptions", subscriptions).await,
        [json!({}), json!({})]
    );
    let refused = alice
        .wait_for(|message| match message {
            signal_response::Message::SubscriptionResponse(response) => Some(response.track_sid),
            _ => None,
        })
        .await;
    assert_eq!(refused, "x".repeat(65));

    let data = [
        json!({
            "room": "room", "data": "aGk=", "kind": "LOSSY", "destination_identities": ["alice"], "topic": null
        }),
        json!({
            "room": "room", "data": "aGk=", "kind": 0, "destinationIdentities": null,
            "nonce": "AAAAAAAAAAAAAAAAAAAAAA=="
        }),
    ];
    assert_eq!(api.both("SendData", data).await, [json!({}), json!({})]);
    let refusal = api
        .refusal(
            "SendData",
            &admin_token("room"),
            r#"{"room":"room","nonce":"AAAA"}"#,
        )
        .await;
    assert_eq!(refusal, (400, "invalid_argument".to_owned()));

    for mute in [
        r#"{"room":"room","identity":"alice","trackSid":"TR_x","muted":true}"#,
        r#"{"room":"room","identity":"alice","track_sid":"TR_x","muted":true,"a":null}"#,
    ] {
        let refusal = api
            .refusal("MutePublishedTrack", &admin_token("room"), mute)
            .await;
        assert_eq!(refusal, (404, "not_found".to_owned()));
    }
    let unmute = r#"{"room":"room","identity":"alice","trackSid":"TR_x","muted":null}"#;
    assert_eq!(
        api.refusal("MutePublishedTrack", &admin_token("room"), unmute)
            .await,
        (412, "failed_precondition".to_owned())
    );

    let remove = r#"{"room":"room","identity":"alice","revokeTokenTs":"5"}"#;
    let removed = api.call("RemoveParticipant", &admin_token("room"), remove).await;
    assert_eq!(removed, (200, json!({})));
    let goodbye = alice
        .wait_for(|message| match message {
            signal_response::Message::Leave(leave) => Some(leave.reason()),
            _ => None,
        })
        .await;
    assert_eq!(goodbye, DisconnectReason::ParticipantRemoved);
    api.sfu.node.stop().await;
}

const ADMINISTRATION: [&str; 9] = [
    "GetParticipant",
    "ListParticipants",
    "MutePublishedTrack",
    "PerformRpc",
    "RemoveParticipant",
    "SendData",
    "UpdateParticipant",
    "UpdateRoomMetadata",
    "UpdateSubscriptions",
];

/// What this server does not do. All of it needs a room to go to.
const UNIMPLEMENTED: [&str; 2] = ["ForwardParticipant", "MoveParticipant"];

fn admin_grant(destination: &str) -> VideoGrant {
    VideoGrant {
        room_admin: true,
        room: "room".to_owned(),
        destination_room: destination.to_owned(),
        ..VideoGrant::default()
    }
}

#[tokio::test]
async fn each_grant_opens_its_own_methods_and_nothing_is_read_for_the_others() {
    let api = Api::start().await;
    let creator = VideoGrant {
        room_create: true,
        ..VideoGrant::default()
    };
    let lister = VideoGrant {
        room_list: true,
        ..VideoGrant::default()
    };
    let grants = [creator, lister, admin_grant(""), join_grant("room")];
    let administration = ADMINISTRATION.into_iter().chain(UNIMPLEMENTED);
    let methods = [("CreateRoom", 0), ("DeleteRoom", 0), ("ListRooms", 1)]
        .into_iter()
        .chain(administration.map(|method| (method, 2)));
    for (method, opener) in methods {
        for (place, grant) in grants.iter().enumerate() {
            let token = signed(&claims("", grant.clone()));
            let expected = if place == opener {
                (400, "malformed")
            } else {
                (401, "unauthenticated")
            };
            let (status, code) = api.refusal(method, &token, "{").await;
            assert_eq!((status, code.as_str()), expected, "{method}, grant {place}");
        }
    }
    let elsewhere = r#"{"room":"elsewhere","identity":"alice","track_sid":"TR_x","muted":true}"#;
    for method in ADMINISTRATION {
        let refusal = api.refusal(method, &admin_token("room"), elsewhere).await;
        assert_eq!(refusal, (401, "unauthenticated".to_owned()), "{method}");
    }
    api.sfu.node.stop().await;
}

#[tokio::test]
async fn what_this_server_does_not_do_is_unimplemented_for_whoever_might_and_refused_to_others() {
    let api = Api::start().await;
    let may = signed(&claims("", admin_grant("other")));
    let may_not_go_there = signed(&claims("", admin_grant("")));
    for method in UNIMPLEMENTED {
        let ask = r#"{"room":"room","identity":"alice","destination_room":"other","data":null}"#;
        let unimplemented = (501, "unimplemented".to_owned());
        let refused = (401, "unauthenticated".to_owned());
        assert_eq!(api.refusal(method, &may, ask).await, unimplemented, "{method}");
        assert_eq!(
            api.refusal(method, &may_not_go_there, ask).await,
            refused,
            "{method}"
        );
        let elsewhere = r#"{"room":"elsewhere","identity":"alice","destinationRoom":"other"}"#;
        assert_eq!(api.refusal(method, &may, elsewhere).await, refused, "{method}");
    }
    api.sfu.node.stop().await;
}

#[tokio::test]
async fn who_calls_a_method_is_told_why_nobody_answers() {
    let api = Api::start().await;
    let (mut alice, _) = api.sfu.join("room", "alice").await;
    let token = admin_token("room");
    let call = |request: Value| {
        let (api, token) = (&api, &token);
        async move {
            let (status, answer) = api.call("PerformRpc", token, request.to_string()).await;
            (
                status,
                answer["code"].as_str().unwrap().to_owned(),
                answer["msg"].as_str().unwrap().to_owned(),
            )
        }
    };
    let told = |status: u16, code: &str, sentence: &str| (status, code.to_owned(), sentence.to_owned());
    assert_eq!(
        call(json!({ "room": "room", "method": "greet" })).await,
        told(400, "invalid_argument", "destination identity is required")
    );
    assert_eq!(
        call(json!({ "room": "room", "destination_identity": "bob", "method": "greet" })).await,
        told(404, "not_found", "participant does not exist")
    );
    let large = json!({ "room": "room", "destinationIdentity": "alice", "payload": "x".repeat(15_361) });
    assert_eq!(
        call(large).await,
        told(400, "malformed", "RpcError 1402: Request payload too large")
    );
    let hasty = json!({ "room": "room", "destination_identity": "alice", "method": "greet", "response_timeout_ms": 1 });
    assert_eq!(
        call(hasty).await,
        told(408, "canceled", "RpcError 1502: Response timeout")
    );
    // Nothing connects its media, so it never hears of the call; then it leaves.
    let patient = RpcCall {
        room: "room".to_owned(),
        identity: "alice".to_owned(),
        method: "greet".to_owned(),
        ..RpcCall::default()
    };
    let handle = api.sfu.node.handle();
    let leave = alice.send(signal_request::Message::Leave(LeaveRequest::default()));
    let (answer, ()) = tokio::join!(biased; handle.call(patient), leave);
    assert_eq!(answer, Err(RpcError::RECIPIENT_DISCONNECTED.into()));
    api.sfu.node.stop().await;
}
