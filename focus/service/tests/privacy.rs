//! Who asks, about which room, from which homeserver, and what lets them in is in no log line, not even in the most
//! detailed ones of our own crates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{Bench, Mood, SECRET, SFU_ROOM, get_token, get_token_from_abroad, sfu_get, with_delay};
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_log_line_names_anybody() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_env_filter(
            "warn,axum=trace,hanse_focus=trace,hanse_matrixrtc=trace,hanse_runtime=trace,tower_http=trace",
        )
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();

    let bench = Bench::new();
    let mut jwts = Vec::new();
    for (path, body) in [
        ("/sfu/get", sfu_get()),
        ("/get_token", get_token()),
        ("/get_token", get_token_from_abroad()),
        ("/get_token", with_delay(get_token_from_abroad())),
        ("/get_token", json!({"openid_token": "alices-token"})),
    ] {
        let reply = bench.post_json(path, &body).await;
        jwts.extend(reply.body["jwt"].as_str().map(str::to_owned));
    }
    assert_eq!(jwts.len(), 3);
    for server in [
        "org-a.example/",
        "liar.example",
        "gone.example",
        "nonsense.example",
        "silent.example",
        "[::1]",
        "late.example",
        "crowded.example",
        "foreign.example",
        "org-b.example",
    ] {
        let mut body = sfu_get();
        body["openid_token"]["matrix_server_name"] = json!(server);
        assert!(bench.post_json("/sfu/get", &body).await.status.is_client_error());
    }
    for mood in [Mood::Refusing, Mood::Silent] {
        *bench.rooms.mood.lock().unwrap() = mood;
        assert_eq!(bench.post_json("/sfu/get", &sfu_get()).await.status, 500);
    }
    *bench.rooms.mood.lock().unwrap() = Mood::Willing;
    while bench.post_json("/sfu/get", &sfu_get()).await.status == 200 {}

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "admitted",
        "nobody is proven",
        "no room was made",
        "asks too often",
    ] {
        assert!(text.contains(expected), "{expected}");
    }
    let personal = [
        "alice", "bob", "org-a", "org-b", "example", "::1", "kitchen", "DEV", "5c0f1a52", SFU_ROOM, SECRET,
        "devkey", "eyJ",
    ];
    for clear in personal.into_iter().chain(jwts.iter().map(String::as_str)) {
        let line = text.lines().find(|line| line.contains(clear));
        assert_eq!(line, None, "{clear}");
    }
}
