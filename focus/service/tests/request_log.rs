//! One line for each request, and the numbers that go with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{Bench, PretendRooms, ROOM, get_token, get_token_from_abroad, sfu_get};
use hanse_focus::metrics::METRICS;
use http::{Method, Request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

type Line = BTreeMap<&'static str, String>;

/// The lines about requests, field by field.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

struct Fields<'a>(&'a mut Line);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "hanse_focus::request" {
            assert_eq!(*event.metadata().level(), tracing::Level::INFO);
            let mut line = Line::new();
            event.record(&mut Fields(&mut line));
            line.remove("message");
            self.0.lock().unwrap().push(line);
        }
    }
}

impl Lines {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        // A thread without any subscriber that comes first to a line in the code says for all threads that nobody wants it.
        static EVERY_THREAD: Once = Once::new();
        EVERY_THREAD
            .call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap());
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    /// The lines since the last time, without the tags, of which only the form is known.
    fn taken(&self) -> Vec<Line> {
        let mut lines = std::mem::take(&mut *self.0.lock().unwrap());
        for line in &mut lines {
            for field in ["user", "homeserver"] {
                if let Some(tag) = line.get_mut(field) {
                    assert!(tag.starts_with('~') && tag.len() == 9, "{tag}");
                    *tag = "~".to_owned();
                }
            }
        }
        lines
    }
}

fn line(fields: &[(&'static str, &str)]) -> Line {
    fields
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_request_makes_one_line_that_says_how_it_went() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let rooms = Arc::new(PretendRooms::default());
    rooms.member(ROOM, "@alice:org-a.example", "join");
    rooms.state(ROOM, "m.room.power_levels", "", json!({}));
    let bench = Bench::told(&rooms).nested("/livekit/jwt");

    bench.post_json("/livekit/jwt/sfu/get", &sfu_get()).await;
    let admitted = line(&[
        ("route", "/sfu/get"),
        ("status", "200"),
        ("ms", "0"),
        ("user", "~"),
        ("homeserver", "~"),
        ("role", "participant"),
        ("grade", "known"),
    ]);
    assert_eq!(lines.taken(), [admitted]);

    // Proven, and not in the room.
    bench
        .post_json("/livekit/jwt/get_token", &get_token_from_abroad())
        .await;
    let refused = line(&[
        ("route", "/get_token"),
        ("status", "403"),
        ("errcode", "M_FORBIDDEN"),
        ("reason", "not_joined"),
        ("ms", "0"),
        ("user", "~"),
        ("homeserver", "~"),
    ]);
    assert_eq!(lines.taken(), [refused]);

    let mut unproven = get_token();
    unproven["openid_token"]["access_token"] = json!("another");
    bench.post_json("/livekit/jwt/get_token", &unproven).await;
    let unproven = line(&[
        ("route", "/get_token"),
        ("status", "401"),
        ("errcode", "M_UNAUTHORIZED"),
        ("reason", "openid_refused"),
        ("ms", "0"),
    ]);
    assert_eq!(lines.taken(), [unproven]);
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_asks_for_is_not_repeated_and_small_talk_makes_no_line() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    bench.post("/sfu/get/@alice:org-a.example", "").await;
    let route = |line: &Line| {
        (
            line["route"].clone(),
            line["status"].clone(),
            line["reason"].clone(),
        )
    };
    let other = ("other".to_owned(), "404".to_owned(), "no_such_path".to_owned());
    assert_eq!(lines.taken().iter().map(route).collect::<Vec<_>>(), [other]);

    for (method, path) in [(Method::OPTIONS, "/get_token"), (Method::GET, "/healthz")] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("origin", "https://element.org-b.example")
            .header("access-control-request-method", "POST");
        assert_eq!(
            bench
                .send(request.body(axum::body::Body::empty()).unwrap())
                .await
                .status,
            200
        );
    }
    assert_eq!(lines.taken(), []);
    bench
        .send(
            Request::get("/get_token")
                .body(axum::body::Body::empty())
                .unwrap(),
        )
        .await;
    let wrong_method = (
        "/get_token".to_owned(),
        "405".to_owned(),
        "not_understood".to_owned(),
    );
    assert_eq!(
        lines.taken().iter().map(route).collect::<Vec<_>>(),
        [wrong_method]
    );
}

#[tokio::test(start_paused = true)]
async fn somebody_who_does_not_wait_is_in_the_log_all_the_same() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let bench = Bench::new();
    let mut body = sfu_get();
    body["openid_token"]["matrix_server_name"] = json!("silent.example");
    let answered = tokio::time::timeout(Duration::from_secs(1), bench.post_json("/sfu/get", &body)).await;
    assert!(answered.is_err());
    let gone = line(&[
        ("route", "/sfu/get"),
        ("status", "499"),
        ("reason", "asker_gone"),
        ("ms", "0"),
    ]);
    assert_eq!(lines.taken(), [gone]);
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_route_and_outcome_and_nobody_is_named() {
    let (recorder, counted) = hanse_runtime::metrics::recorder(&METRICS).unwrap();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let bench = Bench::new();
    bench.post_json("/sfu/get", &sfu_get()).await;
    bench.post_json("/sfu/get", &sfu_get()).await;
    bench.post_json("/get_token", &Value::Null).await;
    bench.focus.measure().await;
    let text = counted.text();
    for line in [
        "hanse_focus_requests_total{route=\"/sfu/get\",outcome=\"ok\"} 2",
        "hanse_focus_requests_total{route=\"/get_token\",outcome=\"bad_shape\"} 1",
        "hanse_focus_request_duration_seconds_count{route=\"/sfu/get\"} 2",
        "hanse_focus_calls 0",
        "hanse_focus_seats{state=\"expected\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    for clear in ["alice", "org-a", "kitchen"] {
        assert!(!text.contains(clear), "{clear} in {text}");
    }
}

#[test]
fn the_book_explains_every_field_and_every_reason() {
    let page = include_str!("../../../docs/operation.md");
    let rows: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(" | ").next())
        .flat_map(|names| names.split(", "))
        .map(|name| name.trim_matches('`'))
        .collect();
    let fields = [
        "route",
        "status",
        "errcode",
        "reason",
        "ms",
        "user",
        "homeserver",
        "role",
        "grade",
    ];
    // As the sources write them.
    let refusals = include_str!("../src/refusal.rs");
    let denied = include_str!("../src/policy.rs");
    let of_guests = include_str!("../src/guests/refusal.rs");
    let named = refusals
        .split("pub fn name(&self)")
        .nth(1)
        .unwrap()
        .split("\n    }\n")
        .next()
        .unwrap();
    let named = [
        named,
        of_guests
            .split("pub fn name(&self)")
            .nth(1)
            .unwrap()
            .split("\n    }\n")
            .next()
            .unwrap(),
        denied
            .split("pub const fn name(self)")
            .nth(1)
            .unwrap()
            .split("\n    }\n")
            .next()
            .unwrap(),
    ];
    let mut reasons: Vec<&str> = named
        .iter()
        .flat_map(|names| names.split('"').skip(1).step_by(2))
        .collect();
    assert!(reasons.len() > 20);
    // Only seats end so; no request is answered with it.
    reasons.retain(|reason| {
        ![
            "removed_by_moderator",
            "ended_by_moderator",
            "removed_by_operator",
        ]
        .contains(reason)
    });
    for name in fields
        .into_iter()
        .chain(reasons)
        .chain(["asker_gone", "no_such_path", "not_understood"])
    {
        assert!(rows.contains(name), "{name} has no row in docs/operation.md");
    }
}
