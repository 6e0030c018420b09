//! A focus behind a homeserver that only pretends, and what may be asked of it.

use crate::common::{
    Bench, Homeservers, NOW_UNIX_S, PretendRooms, PretendSfu, ROOM, Reply, SFU_URL, config, key,
};
use axum::body::{Body, to_bytes};
use hanse_focus::delayed_leave::{LeaveJob, LeavePorts, Leaves, Seat};
use hanse_focus::signed::{Forwarded, LookedUp, OwnHomeservers, routes};
use hanse_focus::{
    Answer, Clock, DelayedEventError, DelayedEvents, Focus, LeaveChange, LeaveStore, Now, Ports, Presence,
    RoomId, RoomsError, Seen, ServerName, SfuError, StoreError, UserId,
};
use http::Request;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower_service::Service;

pub const OWN: &str = "org-a.example";
pub const ANNEXE: &str = "annexe.org-a.example";
/// By which our homeservers prove themselves; the last one does not pass requests on to us.
const HS_TOKENS: [(&str, &str); 3] = [
    ("the hs_token of org-a.example", OWN),
    ("the hs_token of the annexe", ANNEXE),
    ("the hs_token of another one", "other.org-a.example"),
];
pub const ALICE: &str = "@alice:org-a.example";
pub const BOB: &str = "@bob:org-b.example";
pub const THEIR_SFU: &str = "wss://hanse.org-b.example";
/// base64(sha256('["@alice:org-a.example","5c0f1a52"]'))
pub const ALICES_SEAT: &str = "UqsDmplK8unKAeRpqD7a7JfcguGvninSGsm1bLy2eHo";

pub const GET: &str = "/_matrix/client/unstable/io.element.msc4195/rtc/livekit/get_token";
pub const GET_STABLE: &str = "/_matrix/client/v1/rtc/livekit/get_token";
pub const DELEGATE: &str = "/_matrix/client/unstable/io.element.msc4195/rtc/livekit/delegate_delayed_leave";
pub const DELEGATE_STABLE: &str = "/_matrix/client/v1/rtc/livekit/delegate_delayed_leave";
pub const ABROAD: &str = "/_matrix/federation/unstable/io.element.msc4195/rtc/livekit/get_token";
pub const ABROAD_STABLE: &str = "/_matrix/federation/v1/rtc/livekit/get_token";
pub const ALL: [&str; 6] = [GET, GET_STABLE, DELEGATE, DELEGATE_STABLE, ABROAD, ABROAD_STABLE];

/// What a homeserver answers.
#[derive(Clone, Default)]
pub enum Word<T> {
    /// Nothing, ever.
    #[default]
    Silence,
    /// That it does not say.
    NotTold,
    /// No connection to it.
    Away,
    Says(T),
}

impl<T: Clone + Send + 'static> Word<T> {
    fn answer(&self) -> Answer<'static, Result<T, RoomsError>> {
        match self {
            Word::Silence => Box::pin(pending()),
            Word::NotTold => Box::pin(ready(Err(RoomsError::NotTold("it does not say".into())))),
            Word::Away => Box::pin(ready(Err(RoomsError::Unreachable("no connection".into())))),
            Word::Says(what) => Box::pin(ready(Ok(what.clone()))),
        }
    }
}

/// What was asked of another homeserver: by whom, whom, where, what.
pub type Sent = (String, String, String, Value);

/// Our homeserver, the SFU as delayed leaves see it, and their store.
#[derive(Default)]
pub struct World {
    pub servers: Mutex<Word<HashSet<String>>>,
    pub other: Mutex<Word<Forwarded>>,
    pub sent: Mutex<Vec<Sent>>,
    pub delay: Mutex<Word<Option<LookedUp>>>,
    pub looked_up: Mutex<Vec<(String, String)>>,
    pub stored: Mutex<Vec<LeaveJob>>,
}

impl OwnHomeservers for World {
    fn server_of(&self, hs_token: &[u8]) -> Option<ServerName> {
        let mut known = HS_TOKENS.iter();
        let (_, server) = known.find(|(token, _)| token.as_bytes() == hs_token)?;
        Some(server.parse().unwrap())
    }

    fn is_server_joined<'a>(
        &'a self,
        room: &'a RoomId,
        server: &'a ServerName,
    ) -> Answer<'a, Result<bool, RoomsError>> {
        assert_eq!(room.as_str(), ROOM);
        let servers = self.servers.lock().unwrap().clone().answer();
        Box::pin(async move { Ok(servers.await?.contains(server.as_str())) })
    }

    fn forward<'a>(
        &'a self,
        own: &'a ServerName,
        destination: &'a ServerName,
        path: &'a str,
        body: &'a Value,
    ) -> Answer<'a, Result<Forwarded, RoomsError>> {
        let sent = (
            own.to_string(),
            destination.to_string(),
            path.to_owned(),
            body.clone(),
        );
        self.sent.lock().unwrap().push(sent);
        self.other.lock().unwrap().answer()
    }

    fn look_up_delay<'a>(
        &'a self,
        user: &'a UserId,
        delay_id: &'a str,
    ) -> Answer<'a, Result<Option<LookedUp>, RoomsError>> {
        let asked = (user.to_string(), delay_id.to_owned());
        self.looked_up.lock().unwrap().push(asked);
        self.delay.lock().unwrap().answer()
    }
}

impl DelayedEvents for World {
    fn restart<'a>(&'a self, _: &'a ServerName, _: &'a str) -> Answer<'a, Result<(), DelayedEventError>> {
        Box::pin(ready(Ok(())))
    }

    fn send<'a>(&'a self, _: &'a ServerName, _: &'a str) -> Answer<'a, Result<(), DelayedEventError>> {
        Box::pin(ready(Ok(())))
    }

    fn cancel<'a>(&'a self, _: &'a ServerName, _: &'a str) -> Answer<'a, Result<(), DelayedEventError>> {
        Box::pin(ready(Ok(())))
    }
}

impl Presence for World {
    fn look_up<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Result<Seen, SfuError>> {
        Box::pin(ready(Ok(Seen::Connecting)))
    }
}

impl LeaveStore for World {
    fn write<'a>(&'a self, changes: &'a [LeaveChange]) -> Answer<'a, Result<Vec<Seat>, StoreError>> {
        let taken = changes.iter().filter_map(|change| match change {
            LeaveChange::Take(job) => Some(job.clone()),
            _ => None,
        });
        self.stored.lock().unwrap().extend(taken);
        Box::pin(ready(Ok(Vec::new())))
    }

    fn claim(&self) -> Answer<'_, Result<Vec<LeaveJob>, StoreError>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn take<'a>(&'a self, _: &'a Seat) -> Answer<'a, Result<Option<LeaveJob>, StoreError>> {
        Box::pin(ready(Ok(None)))
    }
}

/// The focus of `org-a.example`, whose homeserver passes requests on. Alice and Bob are in the room.
pub struct Place {
    pub world: Arc<World>,
    pub rooms: Arc<PretendRooms>,
    pub sfu: Arc<PretendSfu>,
    pub focus: Arc<Focus>,
    pub router: axum::Router,
}

impl Place {
    pub async fn new() -> Self {
        Self::with(true).await
    }

    pub async fn with(takes_leaves: bool) -> Self {
        let toml = format!("sfu_url = \"{SFU_URL}\"\nfull_access_homeservers = [\"org-a.example\"]");
        let settings = config(&toml, &[]).unwrap().settings.unwrap();
        let now = Now {
            instant: hanse_runtime::clock::now(),
            unix_s: NOW_UNIX_S,
        };
        let clock: Clock = Arc::new(move || now);
        let world = Arc::new(World::default());
        let joined = ["org-a.example", "org-b.example"].map(str::to_owned);
        *world.servers.lock().unwrap() = Word::Says(joined.into());
        let rooms = Arc::new(PretendRooms::default());
        for user in [ALICE, BOB] {
            rooms.set_joined(ROOM, user, true);
        }
        let sfu = Arc::new(PretendSfu::default());
        let ports = Ports {
            homeserver: Arc::new(Homeservers::default()),
            rooms: Some(Arc::clone(&rooms) as _),
            sfu: Arc::clone(&sfu) as _,
            clock: Arc::clone(&clock),
        };
        // The rules of every other test.
        let site = (*Bench::new().focus.policy()).clone();
        let mut focus = Focus::new(&settings, site, key(), ports);
        if takes_leaves {
            let ports = LeavePorts {
                delayed_events: Arc::clone(&world) as _,
                presence: Arc::clone(&world) as _,
                store: Arc::clone(&world) as _,
            };
            let leaves = Leaves::start(ports, Duration::ZERO, &clock).await.unwrap();
            focus = focus.with_delayed_leaves(leaves);
        }
        let focus = Arc::new(focus);
        let homeservers = vec![OWN.parse().unwrap(), ANNEXE.parse().unwrap()];
        let router = routes(Arc::clone(&focus), homeservers, Arc::clone(&world) as _);
        Place {
            world,
            rooms,
            sfu,
            focus,
            router,
        }
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

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::builder().method("POST").uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// As our homeserver passes on what its user asks.
    pub async fn of_user(&self, user: &str, path: &str, body: &Value) -> Reply {
        let headers = [("authorization", bearer()), ("x-matrix-user-identifier", user)];
        self.post(path, &headers, body.to_string()).await
    }

    /// As our homeserver passes on what another one asks.
    pub async fn of_server(&self, origin: &str, path: &str, body: &Value) -> Reply {
        let headers = [("authorization", bearer()), ("x-matrix-origin", origin)];
        self.post(path, &headers, body.to_string()).await
    }

    pub fn assert_nothing_done(&self) {
        assert_eq!(self.sfu.made.lock().unwrap().len(), 0, "no room");
        assert_eq!(self.world.sent.lock().unwrap().len(), 0, "no request abroad");
        assert_eq!(self.world.stored.lock().unwrap().len(), 0, "no leave");
    }
}

pub const fn bearer() -> &'static str {
    "Bearer the hs_token of org-a.example"
}

/// What a client asks its homeserver for the SFU of its own organisation.
pub fn ask() -> Value {
    json!({"url": SFU_URL, "room_id": ROOM, "slot_id": "m.call#ROOM", "member_id": "5c0f1a52"})
}

/// The same for the SFU of another organisation.
pub fn ask_abroad() -> Value {
    json!({"server_name": "org-b.example", "url": THEIR_SFU, "room_id": ROOM, "slot_id": "m.call#ROOM", "member_id": "5c0f1a52"})
}

/// What another homeserver asks ours.
pub fn ask_from_abroad() -> Value {
    json!({"user_id": BOB, "url": SFU_URL, "room_id": ROOM, "slot_id": "m.call#ROOM", "member_id": "b0b"})
}

pub fn delegation() -> Value {
    let mut body = ask();
    body["delay_id"] = json!("syd_abcdefgh");
    body["delay_timeout"] = json!(3_600_000);
    body
}

pub fn without(mut body: Value, field: &str) -> Value {
    body.as_object_mut().unwrap().remove(field).unwrap();
    body
}

pub fn changed(mut body: Value, field: &str, to: Value) -> Value {
    body[field] = to;
    body
}

/// The body for each path.
pub fn whole(path: &str) -> Value {
    match path {
        DELEGATE | DELEGATE_STABLE => delegation(),
        ABROAD | ABROAD_STABLE => ask_from_abroad(),
        _ => ask(),
    }
}

pub fn who(path: &str) -> (&'static str, &'static str) {
    match path {
        ABROAD | ABROAD_STABLE => ("x-matrix-origin", "org-b.example"),
        _ => ("x-matrix-user-identifier", ALICE),
    }
}
