//! LiveKit's metrics of a real node, read as Prometheus reads them. All in one test: a process counts once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{join_path, start, token};
use hanse_sfu::{RoomSettings, SfuCommand};
use reqwest::StatusCode;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What stands behind a name and its labels.
fn value(text: &str, name: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn dashboards_made_for_livekits_server_see_who_is_there_and_name_nobody() {
    let port = free_port();
    let sfu = start(&format!("prometheus_port = {port}\nauto_create = false")).await;
    let read = async || {
        let page = reqwest::get(format!("http://127.0.0.1:{port}/metrics"))
            .await
            .unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        page.text().await.unwrap()
    };
    let path = join_path(&token("secret-room", "alice"));
    assert!(sfu.connect(&path).await.is_err(), "no such room");
    for name in ["secret-room", "other-room"] {
        let create = SfuCommand::CreateRoom(RoomSettings {
            name: name.to_owned(),
            ..RoomSettings::default()
        });
        sfu.node.handle().command(create).await.unwrap();
    }
    let (_alice, _) = sfu.join("secret-room", "alice").await;
    let client = reqwest::Client::new();
    for method in ["ListRooms", "alices-method"] {
        let asked = client
            .post(sfu.url(&format!("/twirp/livekit.RoomService/{method}")))
            .header("content-type", "application/json")
            .body("{}");
        assert!(
            !asked.send().await.unwrap().status().is_success(),
            "without a token"
        );
    }

    let text = read().await;
    let joins = "livekit_participant_join_total";
    let twirp = "livekit_node_twirp_request_status";
    for (name, expected) in [
        ("livekit_room_total".to_owned(), 2.0),
        ("livekit_participant_total".to_owned(), 1.0),
        (format!("{joins}{{state=\"signal_connected\"}}"), 1.0),
        (format!("{joins}{{state=\"signal_failed\"}}"), 1.0),
        (
            format!(
                "{twirp}{{service=\"RoomService\",method=\"ListRooms\",status=\"4xx\",code=\"unauthenticated\"}}"
            ),
            1.0,
        ),
        (
            format!("{twirp}{{service=\"RoomService\",method=\"\",status=\"4xx\",code=\"unauthenticated\"}}"),
            1.0,
        ),
    ] {
        assert_eq!(value(&text, &name), Some(expected), "{name} in {text}");
    }
    let responses = "livekit_node_messages{type=\"signal\",status=\"success\",direction=\"response\"}";
    assert!(value(&text, responses).unwrap() >= 2.0, "{text}");
    let latency = "livekit_node_twirp_request_latency_ms_count";
    for (name, expected) in [
        ("livekit_session_join_latency_ms_count".to_owned(), 1.0),
        (
            format!("{latency}{{service=\"RoomService\",method=\"ListRooms\",status=\"4xx\"}}"),
            1.0,
        ),
    ] {
        assert_eq!(value(&text, &name), Some(expected), "{name} in {text}");
    }
    for word in ["alice", "secret", "PA_", "RM_", "hanse_"] {
        assert!(!text.contains(word), "{word} is in {text}");
    }
    sfu.node.stop().await;
}
