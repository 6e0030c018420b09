//! Webhooks over real HTTP, to a receiver that looks at each as LiveKit's SDKs do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::{PATIENCE, config, start};
use hanse_runtime::clock;
use hanse_sfu::{DisconnectReason, RoomSettings, SfuCommand, SfuEvent, Webhooks};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use livekit_protocol::{TrackInfo, TrackSource, TrackType};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{Semaphore, broadcast, mpsc};

/// A receiver, and what it got.
struct Receiver {
    url: String,
    posts: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
}

#[derive(Clone)]
struct Desk {
    posts: mpsc::UnboundedSender<(HeaderMap, Bytes)>,
    refusals: Arc<Semaphore>,
    is_silent: bool,
}

async fn take(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    desk.posts.send((headers, body)).unwrap();
    if desk.is_silent {
        std::future::pending::<()>().await;
    }
    match desk.refusals.try_acquire() {
        Ok(permit) => {
            permit.forget();
            StatusCode::SERVICE_UNAVAILABLE
        }
        Err(_) => StatusCode::OK,
    }
}

impl Receiver {
    /// Answers the first so many requests with 503.
    async fn start(refusals: usize) -> Self {
        Self::start_at("127.0.0.1:0", refusals, false).await
    }

    /// `is_silent`: takes requests and never answers.
    async fn start_at(address: &str, refusals: usize, is_silent: bool) -> Self {
        let (sender, posts) = mpsc::unbounded_channel();
        let desk = Desk {
            posts: sender,
            refusals: Arc::new(Semaphore::new(refusals)),
            is_silent,
        };
        let router = axum::Router::new()
            .route("/sfu_webhook", post(take))
            .with_state(desk);
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}/sfu_webhook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { url, posts }
    }

    fn settings(&self) -> String {
        self.settings_with("")
    }

    /// What does not arrive is kept in a folder.
    fn settings_with(&self, folder: &str) -> String {
        format!("webhook_urls = [\"{}\"]\nwebhook_folder = \"{folder}\"", self.url)
    }

    /// The next one, whose headers are as they should be.
    async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(PATIENCE, self.posts.recv());
        let (headers, body) = next.await.expect("a webhook in time").unwrap();
        assert_eq!(headers["content-type"], "application/webhook+json");
        let token = headers["authorization"].to_str().unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&["devkey"]);
        let key = DecodingKey::from_secret(common::SECRET.as_bytes());
        let claims = jsonwebtoken::decode::<Value>(token, &key, &validation)
            .unwrap()
            .claims;
        assert_eq!(claims["sha256"], BASE64_STANDARD.encode(digest(&SHA256, &body)));
        let (from, until) = (claims["nbf"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert_eq!(until - from, 300);
        assert!(clock::unix_s().abs_diff(from) <= PATIENCE.as_secs());
        serde_json::from_slice(&body).unwrap()
    }

    /// The next one, without what is different each time.
    async fn next_event(&mut self) -> Value {
        let mut event = self.next().await;
        let fields = event.as_object_mut().unwrap();
        let id = fields.remove("id").unwrap();
        assert!(
            id.as_str().unwrap().starts_with("EV_") && id.as_str().unwrap().len() == 15,
            "{id}"
        );
        let created: u64 = fields
            .remove("createdAt")
            .unwrap()
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(clock::unix_s().abs_diff(created) <= PATIENCE.as_secs());
        event
    }
}

/// Events of one participant, from its media's connection to its end.
fn life() -> Vec<SfuEvent> {
    let (room, room_sid) = ("call+/".to_owned(), "RM_1".to_owned());
    let (identity, sid) = ("alice+/".to_owned(), "PA_1".to_owned());
    let track = Box::new(TrackInfo {
        sid: "TR_1".to_owned(),
        r#type: TrackType::Video.into(),
        source: TrackSource::Camera.into(),
        mime_type: "video/VP8".to_owned(),
        ..TrackInfo::default()
    });
    vec![
        SfuEvent::ParticipantConnecting {
            room: room.clone(),
            identity: identity.clone(),
            sid: sid.clone(),
        },
        SfuEvent::ParticipantJoined {
            room: room.clone(),
            room_sid: room_sid.clone(),
            identity: identity.clone(),
            sid: sid.clone(),
        },
        SfuEvent::TrackPublished {
            room: room.clone(),
            room_sid: room_sid.clone(),
            identity: identity.clone(),
            sid: sid.clone(),
            track: track.clone(),
        },
        SfuEvent::TrackUnpublished {
            room: room.clone(),
            room_sid: room_sid.clone(),
            identity: identity.clone(),
            sid: sid.clone(),
            track,
        },
        SfuEvent::ParticipantLeft {
            room,
            room_sid,
            identity,
            sid,
            reason: DisconnectReason::ClientInitiated,
        },
    ]
}

/// Sends webhooks of these events. With the sender of further ones: when there are none to come, it ends.
fn tell(receiver: &Receiver, life: Vec<SfuEvent>) -> (Webhooks, broadcast::Sender<Arc<SfuEvent>>) {
    tell_with(&receiver.settings(), 7, life)
}

/// `seed` makes the ids.
fn tell_with(settings: &str, seed: u8, life: Vec<SfuEvent>) -> (Webhooks, broadcast::Sender<Arc<SfuEvent>>) {
    let (events, subscribed) = broadcast::channel(64);
    let webhooks = Webhooks::start(&config(settings).1.webhooks, subscribed.into(), [seed; 32]);
    for event in life {
        events.send(Arc::new(event)).unwrap();
    }
    (webhooks.unwrap().expect("somebody is to be told"), events)
}

#[tokio::test]
async fn a_participants_life_is_told_in_order_in_livekits_words() {
    let mut receiver = Receiver::start(0).await;
    let (webhooks, _events) = tell(&receiver, life());
    webhooks.drain().await;
    let room = json!({"name": "call+/", "sid": "RM_1"});
    let person = json!({"identity": "alice+/", "sid": "PA_1"});
    let track = json!({"sid": "TR_1", "type": "VIDEO", "source": "CAMERA", "mimeType": "video/VP8"});
    let active = json!({"identity": "alice+/", "sid": "PA_1", "state": "ACTIVE"});
    let gone = json!({"identity": "alice+/", "sid": "PA_1", "state": "DISCONNECTED",
                      "disconnectReason": "CLIENT_INITIATED"});
    for expected in [
        json!({"event": "participant_joined", "room": room, "participant": active}),
        json!({"event": "track_published", "room": room, "participant": person, "track": track}),
        json!({"event": "track_unpublished", "room": room, "participant": person, "track": track}),
        json!({"event": "participant_left", "room": room, "participant": gone}),
    ] {
        assert_eq!(receiver.next_event().await, expected);
    }
    assert!(receiver.posts.try_recv().is_err());
}

#[tokio::test]
async fn what_was_not_taken_comes_again_unchanged_before_what_happened_later() {
    let mut receiver = Receiver::start(2).await;
    let (webhooks, _events) = tell(&receiver, life());
    let first = receiver.next().await;
    assert_eq!(first["event"], "participant_joined");
    assert_eq!(receiver.next().await, first, "the same id, too");
    assert_eq!(receiver.next().await, first);
    for event in ["track_published", "track_unpublished", "participant_left"] {
        let next = receiver.next().await;
        assert_eq!(next["event"], event);
        assert_ne!(next["id"], first["id"]);
    }
    webhooks.drain().await;
}

#[tokio::test]
async fn a_node_tells_of_its_rooms_and_people_also_of_those_who_leave_when_it_stops() {
    let mut receiver = Receiver::start(0).await;
    let sfu = start(&receiver.settings()).await;
    let create = SfuCommand::CreateRoom(RoomSettings {
        name: "one".to_owned(),
        metadata: "private".to_owned(),
        ..RoomSettings::default()
    });
    sfu.node.handle().command(create).await.unwrap();
    let started = receiver.next_event().await;
    assert_eq!(started["event"], "room_started");
    assert_eq!(started["room"]["name"], "one");
    assert_eq!(started["room"]["emptyTimeout"], 300);
    assert_eq!(started["room"].get("metadata"), None);
    let room = json!({"name": "one", "sid": started["room"]["sid"]});

    let (_alice, join) = sfu.join("one", "alice").await;
    sfu.node.stop().await;
    let sid = &join.participant.unwrap().sid;
    let gone = json!({"identity": "alice", "sid": sid, "state": "DISCONNECTED",
                      "disconnectReason": "SERVER_SHUTDOWN"});
    assert_eq!(
        receiver.next_event().await,
        json!({"event": "participant_connection_aborted", "room": room, "participant": gone})
    );
    let finished = receiver.next_event().await;
    assert_eq!(
        (&finished["event"], &finished["room"]["sid"]),
        (&json!("room_finished"), &room["sid"])
    );
}

/// A folder of its own for each test, gone at its end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hanse-webhooks-{name}-{}", std::process::id()));
        let _was_there = std::fs::remove_dir_all(&folder);
        Folder(folder)
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }

    /// Webhooks in it.
    fn len(&self) -> usize {
        let folders = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        folders
            .filter(|path| path.is_dir())
            .map(|path| std::fs::read_dir(path).unwrap().count())
            .sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A runtime of its own is a process of its own: dropping it is a kill, of which nothing hears.
fn process() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

#[test]
fn whoever_is_killed_between_sending_and_the_answer_sends_it_again_first_and_then_the_rest() {
    let folder = Folder::new("killed");
    let killed = process();
    let (settings, first) = killed.block_on(async {
        let mut deaf = Receiver::start_at("127.0.0.1:0", 0, true).await;
        let settings = deaf.settings_with(&folder.name());
        let (webhooks, events) = tell_with(&settings, 7, life());
        let first = deaf.next().await;
        assert!(deaf.posts.try_recv().is_err(), "the rest waits for the answer");
        // What keeps them from ending on their own.
        std::mem::forget((webhooks, events));
        (settings, first)
    });
    drop(killed);
    assert_eq!(folder.len(), 4);

    process().block_on(async {
        let address = settings.split("//").nth(1).unwrap().split('/').next().unwrap();
        let mut receiver = Receiver::start_at(address, 0, false).await;
        let later = SfuEvent::RoomFinished {
            room: hanse_sfu::Room {
                name: "call+/".to_owned(),
                ..hanse_sfu::Room::default()
            },
        };
        let (webhooks, _events) = tell_with(&settings, 8, vec![later]);
        assert_eq!(receiver.next().await, first, "the same id, too");
        for event in [
            "track_published",
            "track_unpublished",
            "participant_left",
            "room_finished",
        ] {
            assert_eq!(receiver.next().await["event"], event);
        }
        webhooks.drain().await;
        assert!(receiver.posts.try_recv().is_err(), "nothing twice");
    });
    assert_eq!(folder.len(), 0, "what was delivered is on disk no more");

    process().block_on(async {
        let address = settings.split("//").nth(1).unwrap().split('/').next().unwrap();
        let mut receiver = Receiver::start_at(address, 0, false).await;
        let (webhooks, _events) = tell_with(&settings, 9, vec![]);
        webhooks.drain().await;
        assert!(receiver.posts.try_recv().is_err(), "nothing is left to be sent");
    });
}

#[test]
fn an_sfu_that_stops_while_nobody_takes_its_webhooks_sends_them_after_its_restart() {
    let folder = Folder::new("restart");
    let settings = process().block_on(async {
        let mut refusing = Receiver::start(usize::MAX >> 4).await;
        let settings = refusing.settings_with(&folder.name());
        let sfu = start(&settings).await;
        let (_alice, _) = sfu.join("one", "alice").await;
        assert_eq!(refusing.next().await["event"], "room_started");
        sfu.node.stop().await;
        settings
    });
    process().block_on(async {
        let address = settings.split("//").nth(1).unwrap().split('/').next().unwrap();
        let mut receiver = Receiver::start_at(address, 0, false).await;
        let sfu = start(&settings).await;
        for event in ["room_started", "participant_connection_aborted", "room_finished"] {
            let next = receiver.next().await;
            assert_eq!(
                (&next["event"], &next["room"]["name"]),
                (&json!(event), &json!("one"))
            );
        }
        sfu.node.stop().await;
    });
    assert_eq!(folder.len(), 0);
}

#[tokio::test]
async fn who_tells_nobody_keeps_nothing() {
    let folder = Folder::new("nobody");
    let sfu = start(&format!("webhook_folder = \"{}\"", folder.name())).await;
    let (_alice, _) = sfu.join("one", "alice").await;
    sfu.node.stop().await;
    assert!(!folder.0.exists());
}
