//! What our homeservers tell us: the application service's side of the API ("Pushing events", "Pinging", "Querying").
//!
//! Every request proves by the `hs_token` of one registration which homeserver it comes from, before its body is read.
//!
//! Seen of Synapse 1.163.2: it asks under `/_matrix/app/v1` only, with the token as `Authorization: Bearer` and not in the
//! query; the body of a transaction has `events` and, without `receive_ephemeral`, nothing else; transactions are numbered
//! from 1 on, one is sent at a time, with up to 100 events, and again until it is answered with 200, after growing pauses of
//! up to 512 s, which a ping cuts short. A sticky event comes with `msc4354_sticky` and no state key. Between the sending of
//! an event and its arrival here lie 30 to 60 ms. Before inviting a user whose name is reserved it asks whether there is one.

use crate::homeserver::Homeserver;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use hanse_matrixrtc::Event;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of a transaction: 100 events of 64 KiB each, with what stood in their place before, twice. A longer one is refused.
pub const TRANSACTION_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of a transaction's id. A longer one is refused.
const TRANSACTION_ID_BYTES_MAX: usize = 255;

/// How long a body may take to arrive. The longest transaction needs 13 Mbit/s for it; nearly all have a few kilobytes.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes of a ping.
const PING_BYTES_MAX: usize = 4096;

type Homeservers = Arc<[Arc<Homeserver>]>;

/// The routes, below the root of the server.
pub(crate) fn routes(homeservers: Homeservers) -> Router {
    Router::new()
        .route("/_matrix/app/v1/transactions/{transaction}", put(transaction))
        .route("/_matrix/app/v1/users/{user}", get(user))
        .route("/_matrix/app/v1/rooms/{alias}", get(alias))
        .route("/_matrix/app/v1/ping", post(ping))
        .with_state(homeservers)
}

/// Why a request is not served.
enum Refused {
    NoToken,
    WrongToken,
    NotJson,
    TooLarge,
    TooSlow,
    BadId,
    NotKnown,
    NotReady,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, errcode, error) = match self {
            Refused::NoToken => (
                StatusCode::UNAUTHORIZED,
                "M_MISSING_TOKEN",
                "the hs_token is missing",
            ),
            Refused::WrongToken => (
                StatusCode::FORBIDDEN,
                "M_FORBIDDEN",
                "this hs_token is in no registration",
            ),
            Refused::NotJson => (
                StatusCode::BAD_REQUEST,
                "M_NOT_JSON",
                "the body is no transaction: an object with the list `events` is expected",
            ),
            Refused::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "M_TOO_LARGE",
                "the transaction is too large",
            ),
            Refused::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "M_UNKNOWN",
                "the body took too long to arrive",
            ),
            Refused::BadId => (
                StatusCode::BAD_REQUEST,
                "M_INVALID_PARAM",
                "the transaction's id is too long",
            ),
            Refused::NotKnown => (
                StatusCode::NOT_FOUND,
                "M_NOT_FOUND",
                "there is nothing of that name",
            ),
            Refused::NotReady => (
                StatusCode::SERVICE_UNAVAILABLE,
                "M_UNKNOWN",
                "rooms are not looked after at the moment",
            ),
        };
        answer(status, &json!({"errcode": errcode, "error": error}))
    }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

fn done() -> Response {
    answer(StatusCode::OK, &json!({}))
}

/// The homeserver whose token this is.
fn homeserver<'a>(homeservers: &'a Homeservers, headers: &HeaderMap) -> Result<&'a Arc<Homeserver>, Refused> {
    let header = headers.get(AUTHORIZATION).ok_or(Refused::NoToken)?;
    let token = header
        .as_bytes()
        .strip_prefix(b"Bearer ")
        .ok_or(Refused::NoToken)?;
    homeserver_of(homeservers, token).ok_or(Refused::WrongToken)
}

/// Whose token this is. All are compared, each in constant time.
pub(crate) fn homeserver_of<'a>(
    homeservers: &'a [Arc<Homeserver>],
    token: &[u8],
) -> Option<&'a Arc<Homeserver>> {
    let mut found = None;
    for homeserver in homeservers {
        if homeserver.is_token(token) {
            found = Some(homeserver);
        }
    }
    found
}

async fn transaction(
    State(homeservers): State<Homeservers>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let homeserver = homeserver(&homeservers, request.headers())?;
    if id.len() > TRANSACTION_ID_BYTES_MAX {
        return Err(Refused::BadId);
    }
    let body = read(request.into_body(), TRANSACTION_BYTES_MAX).await?;
    let events = {
        let transaction: BTreeMap<String, &RawValue> =
            serde_json::from_slice(&body).map_err(|_| Refused::NotJson)?;
        let events: Vec<&RawValue> = match transaction.get("events") {
            Some(events) => serde_json::from_str(events.get()).map_err(|_| Refused::NotJson)?,
            None => Vec::new(),
        };
        // One by one: what a member made unreadable must not hold everything up that comes after it.
        events
            .into_iter()
            .filter_map(|event| Event::from_json(event.get()))
            .collect()
    };
    drop(body);
    if homeserver.receive(id, events).await {
        Ok(done())
    } else {
        Err(Refused::NotReady)
    }
}

async fn user(
    State(homeservers): State<Homeservers>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let homeserver = homeserver(&homeservers, &headers)?;
    if user == homeserver.bridge_user().as_str() {
        Ok(done())
    } else {
        Err(Refused::NotKnown)
    }
}

async fn alias(State(homeservers): State<Homeservers>, headers: HeaderMap) -> Result<Response, Refused> {
    homeserver(&homeservers, &headers)?;
    Err(Refused::NotKnown)
}

async fn ping(State(homeservers): State<Homeservers>, request: Request) -> Result<Response, Refused> {
    homeserver(&homeservers, request.headers())?;
    read(request.into_body(), PING_BYTES_MAX).await?;
    Ok(done())
}

async fn read(body: Body, bytes_max: usize) -> Result<axum::body::Bytes, Refused> {
    match timeout(BODY_TIMEOUT, to_bytes(body, bytes_max)).await {
        Ok(bytes) => bytes.map_err(|_| Refused::TooLarge),
        Err(_) => Err(Refused::TooSlow),
    }
}
