//! A focus between a homeserver and an SFU that only pretend, at a time that stands still, and a client without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.
#![allow(dead_code)] // Each test file uses its own part.

use axum::body::{Body, to_bytes};
use hanse_focus::{
    Answer, ApiKey, Clock, Focus, FocusConfig, Homeserver, NewRoom, Now, ProofError, ServerName, Sfu,
    SfuError, router,
};
use hanse_runtime::Secret;
use hanse_runtime::config::{Document, Section, Table};
use http::{HeaderMap, Method, Request, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower_service::Service;

pub const SECRET: &str = "a secret for tests that is long enough";
pub const NOW_UNIX_S: u64 = 1_800_000_000;
pub const SFU_URL: &str = "wss://hanse.org-a.example/livekit/sfu";
pub const ROOM: &str = "!kitchen:org-a.example";
/// What clients compute for [`ROOM`] and `m.call#ROOM`.
pub const SFU_ROOM: &str = "5z8AurUsuturdh6mey5pwvZ9CPbJoI2mud9iFTTkbeU";

static TABLE: Table = FocusConfig::TABLE;

/// What `[focus]` makes of these lines.
pub fn config(toml: &str, environment: &[(&str, &str)]) -> Result<FocusConfig, String> {
    let lookup = |name: &str| {
        let found = environment.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let text = format!("[focus]\n{toml}\n");
    Document::load(&[&TABLE], Some(("hanse.toml", &text)), &lookup)
        .and_then(|document| document.section())
        .map_err(|error| error.to_string())
}

/// A homeserver that knows some tokens, and others that misbehave each in its own way.
#[derive(Default)]
pub struct Homeservers {
    pub tokens: Mutex<HashMap<(String, String), String>>,
    pub asked: Mutex<usize>,
}

impl Homeserver for Homeservers {
    fn prove<'a>(
        &'a self,
        server: &'a ServerName,
        access_token: &'a str,
    ) -> Answer<'a, Result<String, ProofError>> {
        *self.asked.lock().unwrap() += 1;
        let answer = match server.as_str() {
            "silent.example" => return Box::pin(pending()),
            "gone.example" => Err(ProofError::Unreachable("no connection to it".to_owned())),
            "[::1]" | "localhost" => Err(ProofError::RefusedAddress("it is not public".to_owned())),
            "late.example" => Err(ProofError::TooSlow),
            "crowded.example" => Err(ProofError::Busy),
            "foreign.example" => Err(ProofError::OtherServer),
            "nonsense.example" => Ok("https://nonsense.example".to_owned()),
            "liar.example" => Ok("@alice:org-a.example".to_owned()),
            name => {
                let key = (name.to_owned(), access_token.to_owned());
                let user = self.tokens.lock().unwrap().get(&key).cloned();
                user.ok_or(ProofError::NotAuthorised)
            }
        };
        Box::pin(ready(answer))
    }
}

/// How the SFU behaves.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Mood {
    #[default]
    Willing,
    Refusing,
    Silent,
}

/// An SFU that writes down what it is told.
#[derive(Default)]
pub struct Rooms {
    pub made: Mutex<Vec<NewRoom>>,
    pub mood: Mutex<Mood>,
}

impl Sfu for Rooms {
    fn create_room<'a>(&'a self, room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Willing => {
                self.made.lock().unwrap().push(room.clone());
                Box::pin(ready(Ok(())))
            }
            Mood::Refusing => Box::pin(ready(Err(SfuError::Refused("it is full".to_owned())))),
            Mood::Silent => Box::pin(pending()),
        }
    }
}

/// A focus of `org-a.example`.
pub struct Bench {
    pub homeservers: Arc<Homeservers>,
    pub rooms: Arc<Rooms>,
    pub now: Arc<Mutex<Now>>,
    router: axum::Router,
}

impl Bench {
    pub fn new() -> Self {
        Bench::with("full_access_homeservers = [\"org-a.example\"]")
    }

    pub fn with(toml: &str) -> Self {
        let toml = format!("sfu_url = \"{SFU_URL}\"\n{toml}");
        let settings = config(&toml, &[]).unwrap().settings.unwrap();
        let homeservers = Arc::new(Homeservers::default());
        let rooms = Arc::new(Rooms::default());
        let now = Arc::new(Mutex::new(Now {
            instant: hanse_runtime::clock::now(),
            unix_s: NOW_UNIX_S,
        }));
        let clock: Clock = {
            let now = Arc::clone(&now);
            Arc::new(move || *now.lock().unwrap())
        };
        let (homeserver, sfu) = (Arc::clone(&homeservers) as _, Arc::clone(&rooms) as _);
        let focus = Focus::new(&settings, key(), homeserver, sfu, clock);
        let bench = Bench {
            homeservers,
            rooms,
            now,
            router: router(Arc::new(focus)),
        };
        bench.knows("@alice:org-a.example", "alices-token");
        bench.knows("@bob:org-b.example", "bobs-token");
        bench
    }

    /// The same focus below a path, as a server that does more than this nests it.
    pub fn nested(mut self, prefix: &str) -> Self {
        self.router = axum::Router::new().nest(prefix, self.router);
        self
    }

    /// The user's homeserver vouches for this token from now on.
    pub fn knows(&self, user: &str, token: &str) {
        let server = user.split_once(':').unwrap().1.to_owned();
        let mut tokens = self.homeservers.tokens.lock().unwrap();
        tokens.insert((server, token.to_owned()), user.to_owned());
    }

    pub fn later(&self, by: Duration) {
        let mut now = self.now.lock().unwrap();
        now.instant += by;
        now.unix_s += by.as_secs();
    }

    /// Names of the rooms that were made.
    pub fn made(&self) -> Vec<String> {
        let made = self.rooms.made.lock().unwrap();
        made.iter().map(|room| room.name.clone()).collect()
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().call(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            bytes: body.len(),
        }
    }

    /// As a page of Element Call sends it.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("origin", "https://element.org-b.example")
            .header("content-type", "application/json");
        let reply = self.send(request.body(body.into()).unwrap()).await;
        reply.assert_readable_by_pages();
        reply
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Reply {
        self.post(path, body.to_string()).await
    }
}

pub fn key() -> ApiKey {
    ApiKey {
        name: "devkey".to_owned(),
        secret: Secret::new(SECRET.to_owned()),
    }
}

/// What came back.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub bytes: usize,
}

impl Reply {
    pub fn assert_readable_by_pages(&self) {
        assert_eq!(self.headers["access-control-allow-origin"], "*");
    }

    pub fn assert_refused(&self, status: u16, errcode: &str) {
        let sentence = self.body["error"].as_str().unwrap_or_default();
        let seen = (
            self.status.as_u16(),
            self.body["errcode"].as_str().unwrap_or_default(),
        );
        assert_eq!(seen, (status, errcode), "{sentence}");
        assert!(sentence.len() > 20 && sentence.ends_with('.'), "{sentence}");
        assert_eq!(self.headers["content-type"], "application/json");
        assert_eq!(self.body["jwt"], Value::Null);
    }

    /// The claims of the token that was granted.
    pub fn claims(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/json");
        assert_eq!(self.body["url"], SFU_URL);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false; // by a clock that does not stand still
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        let jwt = self.body["jwt"].as_str().unwrap();
        jsonwebtoken::decode::<Value>(jwt, &key, &validation)
            .unwrap()
            .claims
    }

    pub fn identity(&self) -> String {
        self.claims()["sub"].as_str().unwrap().to_owned()
    }

    pub fn can_publish(&self) -> bool {
        self.claims()["video"]["canPublish"].as_bool().unwrap()
    }
}

pub fn openid(server: &str, token: &str) -> Value {
    json!({"access_token": token, "expires_in": 3600, "matrix_server_name": server, "token_type": "Bearer"})
}

/// What Element Call sends to its own focus in its mode `compatibility`.
pub fn sfu_get() -> Value {
    json!({"room": ROOM, "openid_token": openid("org-a.example", "alices-token"), "device_id": "ALICESDEV"})
}

/// What Element Call sends to its own focus in its mode `matrix_2_0`.
pub fn get_token() -> Value {
    json!({
        "room_id": ROOM, "slot_id": "m.call#ROOM", "openid_token": openid("org-a.example", "alices-token"),
        "member": {"id": "5c0f1a52-6f0e-4d2f-9a64-3c5b0a1e7d11", "claimed_user_id": "@alice:org-a.example",
                   "claimed_device_id": "ALICESDEV"},
    })
}

/// What Element Call of another organisation sends, in either mode; in `compatibility` the membership has this name.
pub fn get_token_from_abroad() -> Value {
    json!({
        "room_id": ROOM, "slot_id": "m.call#ROOM", "openid_token": openid("org-b.example", "bobs-token"),
        "member": {"id": "@bob:org-b.example:BOBSDEV", "claimed_user_id": "@bob:org-b.example",
                   "claimed_device_id": "BOBSDEV"},
    })
}

/// The same with the fields that hand a delayed leave over.
pub fn with_delay(mut body: Value) -> Value {
    body["delay_id"] = json!("syd_abcdefgh");
    body["delay_timeout"] = json!(3_600_000);
    body["delay_cs_api_url"] = json!("https://matrix.org-a.example");
    body
}
