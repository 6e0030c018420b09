//! A focus between a homeserver and an SFU that only pretend, at a time that stands still, and a client without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.
#![allow(dead_code)] // Each test file uses its own part.

use axum::body::{Body, to_bytes};
use hanse_focus::delayed_leave::Seat;
use hanse_focus::guests::{GuestAccounts, GuestsConfig, Randomness};
use hanse_focus::store::Store;
use hanse_focus::{
    Answer, ApiKey, Clock, Focus, FocusConfig, Homeserver, NewRoom, Now, PolicyConfig, Ports, ProofError,
    Rights, Rooms, RoomsError, ServerName, Sfu, SfuError, SitePolicy, Source, UserId, router,
};
use hanse_matrixrtc::{Event, RoomFacts, RoomId};
use hanse_runtime::Secret;
use hanse_runtime::config::{Document, Section, Table};
use http::{HeaderMap, Method, Request, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::broadcast;
use tower_service::Service;

pub const SECRET: &str = "a secret for tests that is long enough";
pub const NOW_UNIX_S: u64 = 1_800_000_000;
pub const SFU_URL: &str = "wss://hanse.org-a.example/livekit/sfu";
pub const ROOM: &str = "!kitchen:org-a.example";
/// What clients compute for [`ROOM`] and `m.call#ROOM`.
pub const SFU_ROOM: &str = "5z8AurUsuturdh6mey5pwvZ9CPbJoI2mud9iFTTkbeU";

static TABLE: Table = FocusConfig::TABLE;
static POLICY: Table = PolicyConfig::TABLE;

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

/// What `[policy]` makes of these lines.
pub fn policy(toml: &str) -> PolicyConfig {
    let text = format!("[policy]\n{toml}\n");
    Document::load(&[&POLICY], Some(("hanse.toml", &text)), &|_| None)
        .and_then(|document| document.section())
        .unwrap()
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

/// What the SFU was told about seats and rooms, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    End(Seat),
    Rights(Seat, Rights),
    Mute(Seat, Source),
    Close(String),
}

/// An SFU that writes down what it is told.
#[derive(Default)]
pub struct PretendSfu {
    pub made: Mutex<Vec<NewRoom>>,
    pub orders: Mutex<Vec<Order>>,
    pub mood: Mutex<Mood>,
    /// How long it takes to make a room.
    pub pause: Mutex<Duration>,
}

impl PretendSfu {
    fn take(&self, order: Order) -> Answer<'_, Result<(), SfuError>> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Willing => {
                self.orders.lock().unwrap().push(order);
                Box::pin(ready(Ok(())))
            }
            Mood::Refusing => Box::pin(ready(Err(SfuError::Refused("it is full".to_owned())))),
            Mood::Silent => Box::pin(pending()),
        }
    }
}

impl Sfu for PretendSfu {
    fn end_seat<'a>(&'a self, seat: &'a Seat) -> Answer<'a, Result<(), SfuError>> {
        self.take(Order::End(seat.clone()))
    }

    fn change_rights<'a>(&'a self, seat: &'a Seat, rights: Rights) -> Answer<'a, Result<(), SfuError>> {
        self.take(Order::Rights(seat.clone(), rights))
    }

    fn mute<'a>(&'a self, seat: &'a Seat, source: Source) -> Answer<'a, Result<(), SfuError>> {
        self.take(Order::Mute(seat.clone(), source))
    }

    fn close_room<'a>(&'a self, room: &'a str) -> Answer<'a, Result<(), SfuError>> {
        self.take(Order::Close(room.to_owned()))
    }

    fn create_room<'a>(&'a self, room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Willing => {
                self.made.lock().unwrap().push(room.clone());
                let pause = *self.pause.lock().unwrap();
                Box::pin(async move {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    Ok(())
                })
            }
            Mood::Refusing => Box::pin(ready(Err(SfuError::Refused("it is full".to_owned())))),
            Mood::Silent => Box::pin(pending()),
        }
    }
}

/// Matrix rooms as our homeservers know them.
pub struct PretendRooms {
    /// Rooms whose events reach us.
    pub facts: Mutex<HashMap<RoomId, Arc<RoomFacts>>>,
    /// Who is in rooms whose events do not; `None`: the homeserver does not answer.
    pub joined: Mutex<Option<HashSet<(RoomId, UserId)>>>,
    /// How often it was asked about anybody.
    pub asked: Mutex<usize>,
    /// What was written into rooms: room, type, content.
    pub told: Mutex<Vec<(String, String, Value)>>,
    changes: broadcast::Sender<RoomId>,
}

impl Default for PretendRooms {
    fn default() -> Self {
        PretendRooms {
            facts: Mutex::default(),
            joined: Mutex::new(Some(HashSet::new())),
            asked: Mutex::default(),
            told: Mutex::default(),
            changes: broadcast::channel(16).0,
        }
    }
}

impl PretendRooms {
    /// A state event of a room whose events reach us.
    pub fn state(&self, room: &str, kind: &str, key: &str, content: Value) {
        let sender = "@creator:org-a.example";
        let event = |kind: &str, key: &str, content: Value| {
            let event = json!({"type": kind, "state_key": key, "sender": sender, "event_id": "$1", "content": content});
            Event::read(event).unwrap()
        };
        let room: RoomId = room.parse().unwrap();
        let create = event("m.room.create", "", json!({"room_version": "11"}));
        let mut rooms = self.facts.lock().unwrap();
        let facts = rooms
            .entry(room.clone())
            .or_insert_with(|| Arc::new(RoomFacts::read(&[create]).unwrap()));
        let facts = Arc::make_mut(facts);
        facts.apply(&event(kind, key, content)).unwrap();
        drop(rooms);
        let _ = self.changes.send(room);
    }

    /// What somebody says of their place in the call of such a room.
    pub fn call_member(&self, room: &str, user: &str, key: &str, content: Value) {
        let event = json!({"type": "org.matrix.msc3401.call.member", "state_key": key, "sender": user, "event_id": "$1",
            "origin_server_ts": content["created_ts"], "content": content});
        let room: RoomId = room.parse().unwrap();
        let mut rooms = self.facts.lock().unwrap();
        let facts = Arc::make_mut(rooms.get_mut(&room).unwrap());
        facts.apply(&Event::read(event).unwrap()).unwrap();
        drop(rooms);
        let _ = self.changes.send(room);
    }

    /// Somebody's membership in such a room.
    pub fn member(&self, room: &str, user: &str, membership: &str) {
        self.state(room, "m.room.member", user, json!({"membership": membership}));
    }

    /// Whether somebody is in a room whose events do not reach us.
    pub fn set_joined(&self, room: &str, user: &str, is_joined: bool) {
        let who = (room.parse().unwrap(), user.parse().unwrap());
        let mut joined = self.joined.lock().unwrap();
        let joined = joined.as_mut().unwrap();
        if is_joined {
            joined.insert(who);
        } else {
            joined.remove(&who);
        }
    }
}

impl Rooms for PretendRooms {
    fn is_joined<'a>(&'a self, room: &'a RoomId, user: &'a UserId) -> Answer<'a, Result<bool, RoomsError>> {
        *self.asked.lock().unwrap() += 1;
        let joined = self.joined.lock().unwrap();
        let answer = match &*joined {
            Some(joined) => Ok(joined.contains(&(room.clone(), user.clone()))),
            None => Err(RoomsError::Unreachable("no connection to it".to_owned())),
        };
        Box::pin(ready(answer))
    }

    fn facts(&self, room: &RoomId) -> Option<Arc<RoomFacts>> {
        self.facts.lock().unwrap().get(room).cloned()
    }

    fn tell<'a>(
        &'a self,
        room: &'a RoomId,
        kind: &'a str,
        content: &'a serde_json::Map<String, Value>,
    ) -> Answer<'a, Result<(), RoomsError>> {
        let told = (room.to_string(), kind.to_owned(), Value::Object(content.clone()));
        self.told.lock().unwrap().push(told);
        Box::pin(ready(Ok(())))
    }

    fn changes(&self) -> broadcast::Receiver<RoomId> {
        self.changes.subscribe()
    }
}

/// A focus of `org-a.example`.
pub struct Bench {
    pub focus: Arc<Focus>,
    pub homeservers: Arc<Homeservers>,
    pub rooms: Arc<PretendSfu>,
    pub now: Arc<Mutex<Now>>,
    router: axum::Router,
}

/// What a focus is put between.
struct Parts {
    homeservers: Arc<Homeservers>,
    rooms: Arc<PretendSfu>,
    now: Arc<Mutex<Now>>,
}

impl Parts {
    fn around(self, focus: Focus) -> Bench {
        let focus = Arc::new(focus);
        let bench = Bench {
            router: router(Arc::clone(&focus)),
            focus,
            homeservers: self.homeservers,
            rooms: self.rooms,
            now: self.now,
        };
        bench.knows("@alice:org-a.example", "alices-token");
        bench.knows("@bob:org-b.example", "bobs-token");
        bench
    }
}

impl Bench {
    pub fn new() -> Self {
        Bench::with("full_access_homeservers = [\"org-a.example\"]")
    }

    /// Without anybody who tells about rooms.
    pub fn with(toml: &str) -> Self {
        Self::made(toml, None)
    }

    /// With homeservers that tell about rooms.
    pub fn told(rooms: &Arc<PretendRooms>) -> Self {
        Self::made(
            "full_access_homeservers = [\"org-a.example\"]",
            Some(Arc::clone(rooms) as _),
        )
    }

    /// With an SFU that outlives the focus: its seats are kept in this store.
    pub async fn told_and_kept(rooms: &Arc<PretendRooms>, store: &Store) -> Self {
        let (focus, rest) = Self::parts(
            "full_access_homeservers = [\"org-a.example\"]",
            Some(Arc::clone(rooms) as _),
        );
        rest.around(focus.with_kept_seats(store.clone()).await.unwrap())
    }

    /// With guests.
    pub fn with_guests(
        rooms: &Arc<PretendRooms>,
        config: GuestsConfig,
        store: &Store,
        accounts: Arc<dyn GuestAccounts>,
        randomness: Randomness,
    ) -> Self {
        let (focus, rest) = Self::parts(
            "full_access_homeservers = [\"org-a.example\"]",
            Some(Arc::clone(rooms) as _),
        );
        rest.around(focus.with_guests(config, store.clone(), accounts, randomness))
    }

    fn made(toml: &str, rooms: Option<Arc<dyn Rooms>>) -> Self {
        let (focus, rest) = Self::parts(toml, rooms);
        rest.around(focus)
    }

    fn parts(toml: &str, rooms: Option<Arc<dyn Rooms>>) -> (Focus, Parts) {
        let toml = format!("sfu_url = \"{SFU_URL}\"\n{toml}");
        let settings = config(&toml, &[]).unwrap().settings.unwrap();
        let homeservers = Arc::new(Homeservers::default());
        let sfu = Arc::new(PretendSfu::default());
        let now = Arc::new(Mutex::new(Now {
            instant: hanse_runtime::clock::now(),
            unix_s: NOW_UNIX_S,
        }));
        let clock: Clock = {
            let now = Arc::clone(&now);
            Arc::new(move || *now.lock().unwrap())
        };
        let ports = Ports {
            homeserver: Arc::clone(&homeservers) as _,
            rooms,
            sfu: Arc::clone(&sfu) as _,
            clock,
        };
        let policy = SitePolicy {
            full_access: settings.full_access.clone(),
            rules: policy(""),
            blocked: HashSet::new(),
        };
        let parts = Parts {
            homeservers,
            rooms: sfu,
            now,
        };
        (Focus::new(&settings, policy, key(), ports), parts)
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
    pub fn rooms_made(&self) -> Vec<String> {
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

/// The next thing that the SFU is told, in virtual time; `None`: nothing within 10 s.
pub async fn next_order(bench: &Bench, seen: &mut usize) -> Option<Order> {
    let looked = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let order = bench.rooms.orders.lock().unwrap().get(*seen).cloned();
            if let Some(order) = order {
                return order;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let order = looked.await.ok()?;
    *seen += 1;
    Some(order)
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
