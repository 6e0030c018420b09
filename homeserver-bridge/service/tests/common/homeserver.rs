//! A homeserver as its application service sees it: plain HTTP, rooms that a test sets up, and what was asked of it.

use super::World;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hanse_bridge::{Bridge, HomeserversConfig, Pace, Registration};
use hanse_matrixrtc::RoomId;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// A room: its state by type and state key.
type State_ = BTreeMap<(String, String), Value>;

/// What the homeserver knows and does.
#[derive(Default)]
pub struct Inside {
    pub rooms: BTreeMap<String, State_>,
    /// Rooms that the bridge user is in.
    pub joined: BTreeSet<String>,
    /// Knows the application service by this token and no other. Without one, nobody is refused.
    pub only_as_token: Option<String>,
    /// Answers every question with this status.
    pub broken: Option<u16>,
    /// Answers questions for single state events with this status.
    pub broken_state: Option<u16>,
    /// Never answers questions for single state events.
    pub silent_state: bool,
    /// Refuses to join for so many times.
    pub joins_refused: u32,
    /// Fails to join for so many times, as a proxy says for a homeserver that is starting.
    pub joins_failed: u32,
    /// Offers MSC4502.
    pub is_joined: bool,
    /// Delayed events that are waiting.
    pub delayed: BTreeSet<String>,
    /// What to do about delayed events instead.
    pub delayed_answer: Option<(u16, Value)>,
    /// Delayed events that may be looked up, by user and id; about users that are not in it, nothing is said.
    pub delayed_of: BTreeMap<String, BTreeMap<String, Value>>,
    /// What comes of requests to others (MSC4512): the status and body of the whole answer. Without one, none ever does.
    pub others: Option<(u16, Value)>,
    /// Users of the namespace, and their displayed names; `None`: no homeserver that makes any.
    pub users: Option<BTreeMap<String, String>>,
    /// What to do about a deactivation instead.
    pub deactivation_answer: Option<(u16, Value)>,
    /// Requests to others, so far.
    pub forwarded: Vec<Value>,
    /// Method, path and query, and whether with the right token.
    pub asked: Vec<(String, bool)>,
    /// Where the application service is.
    pub push_to: String,
    transactions: u32,
}

/// See the module's page.
#[derive(Clone)]
pub struct Matrix {
    pub inside: Arc<Mutex<Inside>>,
    pub registration: Registration,
    http: reqwest::Client,
}

impl Matrix {
    /// Starts a homeserver of that name.
    pub async fn start(server_name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let registration =
            Registration::generate(&server_name.parse().unwrap(), &url, "http://hanse.internal").unwrap();
        let matrix = Matrix {
            inside: Arc::new(Mutex::new(Inside {
                is_joined: true,
                ..Inside::default()
            })),
            registration,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        let router = Router::new().fallback(answer).with_state(matrix.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        matrix
    }

    /// Sets a state event, without telling anybody.
    pub fn set(&self, room: &str, kind: &str, state_key: &str, sender: &str, content: Value) -> Value {
        let event = json!({"type": kind, "state_key": state_key, "sender": sender, "content": content,
            "room_id": room, "event_id": "$e", "origin_server_ts": 1_000});
        let mut inside = self.inside.lock().unwrap();
        let state = inside.rooms.entry(room.to_owned()).or_default();
        state.insert((kind.to_owned(), state_key.to_owned()), event.clone());
        event
    }

    /// Sets how somebody stands to a room, without telling anybody.
    pub fn set_member(&self, room: &str, user: &str, membership: &str) -> Value {
        self.set(
            room,
            "m.room.member",
            user,
            user,
            json!({"membership": membership}),
        )
    }

    /// Makes a room of version 10 with its creator in it.
    pub fn make_room(&self, room: &str, creator: &str) {
        self.set(room, "m.room.create", "", creator, json!({"room_version": "10"}));
        self.set_member(room, creator, "join");
    }

    /// Puts the bridge user into a room, without telling anybody.
    pub fn put_bridge_into(&self, room: &str) -> Value {
        self.inside.lock().unwrap().joined.insert(room.to_owned());
        self.set_member(room, self.registration.bridge_user.as_str(), "join")
    }

    /// Sends a transaction with these events to the application service, and says the status of the answer.
    pub async fn push(&self, events: &[Value]) -> u16 {
        let id = {
            let mut inside = self.inside.lock().unwrap();
            inside.transactions += 1;
            inside.transactions.to_string()
        };
        let body = json!({"events": events}).to_string();
        self.put(&id, self.registration.hs_token.expose(), body).await
    }

    /// Sends a transaction with this id, token and body.
    pub async fn put(&self, id: &str, token: &str, body: String) -> u16 {
        let to = self.inside.lock().unwrap().push_to.clone();
        let request = self
            .http
            .put(format!("{to}/_matrix/app/v1/transactions/{id}"))
            .header("authorization", format!("Bearer {token}"))
            .body(body);
        request.send().await.unwrap().status().as_u16()
    }

    /// Asks the application service something, with the right token.
    pub async fn ask(&self, path: &str) -> u16 {
        let to = self.inside.lock().unwrap().push_to.clone();
        let token = format!("Bearer {}", self.registration.hs_token.expose());
        let request = self
            .http
            .get(format!("{to}{path}"))
            .header("authorization", token);
        request.send().await.unwrap().status().as_u16()
    }

    /// Questions so far whose method, path and query hold this.
    pub fn asked(&self, part: &str) -> usize {
        let inside = self.inside.lock().unwrap();
        inside
            .asked
            .iter()
            .filter(|(asked, _)| asked.contains(part))
            .count()
    }
}

async fn answer(State(matrix): State<Matrix>, request: Request) -> Response {
    let method = request.method().to_string();
    let uri = request.uri().clone();
    let only = matrix.inside.lock().unwrap().only_as_token.clone();
    let right = only.as_ref().unwrap_or(matrix.registration.as_token.expose());
    let token = format!("Bearer {right}");
    let known = request
        .headers()
        .get("authorization")
        .is_some_and(|header| header.as_bytes() == token.as_bytes());
    let body = to_bytes(request.into_body(), 65_536).await.unwrap();
    let path: Vec<String> = uri
        .path()
        .split('/')
        .skip(1)
        .map(|part| percent_decode_str(part).decode_utf8().unwrap().into_owned())
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let asked = format!("{method} {}?{}", path.join("/"), uri.query().unwrap_or_default());
    if only.is_some() && !known {
        matrix.inside.lock().unwrap().asked.push((asked, false));
        let body = json!({"errcode": "M_UNKNOWN_TOKEN", "error": "no"});
        return (StatusCode::UNAUTHORIZED, body.to_string()).into_response();
    }
    if asked.contains("/ping?") {
        return ping(&matrix).await;
    }
    if asked.contains("/state/") && matrix.inside.lock().unwrap().silent_state {
        return std::future::pending().await;
    }
    if asked.contains("/fed_proxy?") {
        return fed_proxy(&matrix, known, &body).await;
    }
    let mut inside = matrix.inside.lock().unwrap();
    inside.asked.push((asked, known));
    let answer = |status: u16, body: Value| {
        (
            StatusCode::from_u16(status).unwrap(),
            Body::from(body.to_string()),
        )
            .into_response()
    };
    let error = |status: u16, code: &str| answer(status, json!({"errcode": code, "error": "no"}));
    if let Some(status) = inside.broken {
        return (StatusCode::from_u16(status).unwrap(), Body::empty()).into_response();
    }
    let bridge_user = matrix.registration.bridge_user.to_string();
    let as_user = uri.query().and_then(|query| query.strip_prefix("user_id="));
    let as_user = as_user.map(|user| percent_decode_str(user).decode_utf8().unwrap().into_owned());
    match (method.as_str(), path.as_slice()) {
        // As Synapse does, and as it does behind Matrix Authentication Service.
        ("POST", ["_matrix", "client", "v3", "register"]) => {
            let Some(users) = &mut inside.users else {
                return error(400, "M_APPSERVICE_LOGIN_UNSUPPORTED");
            };
            let asked: Value = serde_json::from_slice(&body).unwrap();
            let name = asked["username"].as_str().unwrap();
            if !known || !name.starts_with("hanse-guest-") {
                return error(400, "M_EXCLUSIVE");
            }
            let user = format!("@{name}:{}", matrix.registration.server_name());
            if users.insert(user.clone(), String::new()).is_some() {
                return error(400, "M_USER_IN_USE");
            }
            let made = json!({"user_id": user, "device_id": "DEVICE", "access_token": "its-token"});
            answer(200, made)
        }
        ("PUT", ["_matrix", "client", "v3", "profile", user, "displayname"]) => {
            assert_eq!(as_user.as_deref(), Some(*user));
            let said: Value = serde_json::from_slice(&body).unwrap();
            let name = said["displayname"].as_str().unwrap().to_owned();
            inside.users.as_mut().unwrap().insert((*user).to_owned(), name);
            answer(200, json!({}))
        }
        ("GET", ["_matrix", "client", "v3", "profile", user]) => {
            match inside
                .users
                .as_ref()
                .is_some_and(|users| users.contains_key(*user))
            {
                true => answer(200, json!({})),
                false => error(404, "M_NOT_FOUND"),
            }
        }
        ("POST", ["_matrix", "client", "v3", "account", "deactivate"]) => {
            if let Some((status, body)) = inside.deactivation_answer.clone() {
                return answer(status, body);
            }
            assert!(known && serde_json::from_slice::<Value>(&body).unwrap()["erase"] == true);
            match inside.users.as_mut().unwrap().remove(&as_user.unwrap()) {
                Some(_) => answer(200, json!({})),
                None => error(403, "M_FORBIDDEN"),
            }
        }
        ("GET", ["_matrix", "client", "v3", "account", "whoami"]) => {
            answer(200, json!({"user_id": bridge_user}))
        }
        ("GET", ["_matrix", "client", "v3", "joined_rooms"]) => {
            answer(200, json!({"joined_rooms": inside.joined}))
        }
        ("GET", ["_matrix", "client", "v3", "rooms", room, "state"]) => match inside.rooms.get(*room) {
            // As Synapse does, also to who has left the room.
            Some(state) => answer(200, state.values().cloned().collect()),
            None => error(403, "M_FORBIDDEN"),
        },
        ("GET", ["_matrix", "client", "v3", "rooms", room, "state", kind, key]) => {
            if let Some(status) = inside.broken_state {
                return error(status, "M_UNKNOWN");
            }
            let place = ((*kind).to_owned(), (*key).to_owned());
            match inside.rooms.get(*room).and_then(|state| state.get(&place)) {
                Some(event) => answer(200, event.clone()),
                None => error(404, "M_NOT_FOUND"),
            }
        }
        ("POST", ["_matrix", "client", "v3", "join", room]) => {
            if inside.joins_refused > 0 {
                inside.joins_refused -= 1;
                return error(403, "M_FORBIDDEN");
            }
            if inside.joins_failed > 0 {
                inside.joins_failed -= 1;
                return error(502, "");
            }
            inside.joined.insert((*room).to_owned());
            drop(inside);
            let event = matrix.set_member(room, &bridge_user, "join");
            let told = matrix.clone();
            tokio::spawn(async move { told.push(&[event]).await });
            answer(200, json!({"room_id": room}))
        }
        ("POST", ["_matrix", "client", "v3", "rooms", _, "leave"]) => answer(200, json!({})),
        ("PUT", ["_matrix", "client", "v3", "rooms", _, "send", ..]) => {
            assert!(serde_json::from_slice::<Value>(&body).is_ok());
            answer(200, json!({"event_id": "$sent"}))
        }
        (
            "GET",
            [
                "_matrix",
                "client",
                "unstable",
                "io.element.msc4502",
                "rooms",
                room,
                "is_joined",
            ],
        ) if inside.is_joined => {
            let (key, value) = uri.query().unwrap().split_once('=').unwrap();
            let value = percent_decode_str(value).decode_utf8().unwrap().into_owned();
            let state = inside.rooms.get(*room);
            let joined = state.into_iter().flatten().any(|((kind, user), event)| {
                kind == "m.room.member"
                    && event["content"]["membership"] == "join"
                    && match key {
                        "mxid" => *user == value,
                        _ => user.split_once(':').unwrap().1 == value,
                    }
            });
            answer(200, json!({"joined": joined}))
        }
        (
            "POST",
            [
                "_matrix",
                "client",
                "unstable",
                "org.matrix.msc4140",
                "delayed_events",
                id,
                action,
            ],
        ) => {
            if let Some((status, body)) = inside.delayed_answer.clone() {
                return answer(status, body);
            }
            let known = match *action {
                "restart" => inside.delayed.contains(*id),
                _ => inside.delayed.remove(*id),
            };
            match known {
                true => answer(200, json!({})),
                false => error(404, "M_NOT_FOUND"),
            }
        }
        (
            "GET",
            [
                "_matrix",
                "client",
                "unstable",
                "org.matrix.msc4140",
                "delayed_events",
                id,
            ],
        ) => {
            let user = uri.query().unwrap().strip_prefix("user_id=").unwrap();
            let user = percent_decode_str(user).decode_utf8().unwrap();
            match inside.delayed_of.get(user.as_ref()).map(|events| events.get(*id)) {
                Some(Some(event)) => answer(200, event.clone()),
                Some(None) => error(404, "M_NOT_FOUND"),
                // As Synapse does for users outside of the namespaces.
                None => error(403, "M_FORBIDDEN"),
            }
        }
        _ => error(404, "M_UNRECOGNIZED"),
    }
}

async fn fed_proxy(matrix: &Matrix, known: bool, body: &[u8]) -> Response {
    assert!(known, "by the application service only");
    let answer = {
        let mut inside = matrix.inside.lock().unwrap();
        inside.forwarded.push(serde_json::from_slice(body).unwrap());
        inside.others.clone()
    };
    let Some((status, body)) = answer else {
        return std::future::pending().await;
    };
    (
        StatusCode::from_u16(status).unwrap(),
        Body::from(body.to_string()),
    )
        .into_response()
}

async fn ping(matrix: &Matrix) -> Response {
    let to = matrix.inside.lock().unwrap().push_to.clone();
    let request = matrix
        .http
        .post(format!("{to}/_matrix/app/v1/ping"))
        .header(
            "authorization",
            format!("Bearer {}", matrix.registration.hs_token.expose()),
        )
        .body("{}");
    match request.send().await {
        Ok(response) if response.status().is_success() => {
            (StatusCode::OK, "{\"duration_ms\":1}").into_response()
        }
        _ => (StatusCode::BAD_GATEWAY, "{\"errcode\":\"M_CONNECTION_FAILED\"}").into_response(),
    }
}

/// A bridge that runs, with its routes served, for these homeservers.
pub struct Running {
    pub bridge: Arc<Bridge>,
    pub changes: broadcast::Receiver<RoomId>,
}

impl Running {
    /// Starts it.
    pub async fn start(world: &World, homeservers: &[&Matrix]) -> Self {
        Self::at_pace(world, homeservers, Pace::default()).await
    }

    /// Starts it at a pace of its own.
    pub async fn at_pace(world: &World, homeservers: &[&Matrix], pace: Pace) -> Self {
        let config = HomeserversConfig {
            registrations: homeservers
                .iter()
                .map(|homeserver| homeserver.registration.clone())
                .collect(),
            ..world.config(true)
        };
        let bridge = Arc::new(world.bridge_of(config, pace));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for homeserver in homeservers {
            let url = format!("http://{}", listener.local_addr().unwrap());
            homeserver.inside.lock().unwrap().push_to = url;
        }
        let routes = bridge.routes();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let changes = bridge.changes();
        let running = Arc::clone(&bridge);
        tokio::spawn(async move { running.run().await });
        Running { bridge, changes }
    }

    /// Waits until this holds, looking again whenever a room has changed.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Bridge) -> bool) {
        let deadline = Duration::from_secs(20);
        let waited = tokio::time::timeout(deadline, async {
            while !holds(&self.bridge) {
                self.changes.recv().await.unwrap();
            }
        });
        waited
            .await
            .unwrap_or_else(|_| panic!("not within {deadline:?}: {what}"));
    }
}
