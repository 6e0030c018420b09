//! The client-server API of one homeserver of ours, or of one whose place the configuration names.
//!
//! The URL comes from the administrator, so it is dialled as it is; nothing that a stranger wrote decides where a question
//! goes. Every question has a limit in time and size, and a [`Breaker`] between it and a homeserver that does not answer.
//!
//! Seen of Synapse 1.163.2: `is_joined` (MSC4502) is answered for any room, also ones without the bridge user, and says `false`
//! of rooms and users that it does not know (400 for a room id that cannot be one). A state event is answered with its whole
//! form by `?format=event`. Whoever was removed from a room is still answered, with what held when they were removed: that
//! somebody is no longer in a room shows only in `joined_rooms`. A delayed event may be restarted, sent and cancelled by
//! anybody who has its id, and with the token of the application service nobody counts how often; it can be looked up only
//! by its user, and the application service may not pose as users outside of its namespace (403).

use crate::breaker::Breaker;
use bytes::{Bytes, BytesMut};
use hanse_matrixrtc::{Event, RoomId, ServerName, UserId};
use hanse_runtime::Secret;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::redirect;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_rustls::rustls::ClientConfig;

/// Opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Questions to one homeserver at a time. Further ones wait, within their own time.
pub const QUESTIONS_MAX: usize = 64;

/// Bytes of an answer. Of a longer one nothing is believed.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a list of rooms: 100,000 of them.
const ROOMS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of the whole state of a room: some 60,000 people. A room with more counts as too large.
const STATE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One small question.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Whole states, which Synapse may have to put together first.
const STATE_TIMEOUT: Duration = Duration::from_secs(60);

/// Joining a room over federation.
const JOIN_TIMEOUT: Duration = Duration::from_secs(90);

/// Another homeserver's answer, by way of this one: Synapse waits up to 60 s for it, and whoever asked us 30.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(20);

/// Requests that this homeserver sends to others for us, at a time. Further ones wait, within their own time.
const FORWARDS_MAX: usize = 16;

/// For at most this long a homeserver may ask us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// What may stand in one part of a path as it is.
const PART: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why there is no answer, or not the one that was asked for. The text names no server, user, room or token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// It failed several times in a row and is left alone for some seconds.
    #[error("it has not answered several times and is left alone for a moment")]
    Paused,
    /// A limit in time was reached.
    #[error("it did not answer in time")]
    TimedOut,
    /// No connection, or it broke off.
    #[error("no connection to it, or it broke off")]
    Unreachable,
    /// Longer than the limit.
    #[error("its answer is too long")]
    TooLong,
    /// Not what the specification says.
    #[error("its answer is not what it should be")]
    Form,
    /// 429: after how long to ask again; zero: it does not say.
    #[error("it is asked too often")]
    TooOften(Duration),
    /// Some other status.
    #[error("it answers with status {status} {errcode}")]
    Status {
        /// Of HTTP.
        status: u16,
        /// Of Matrix, as `M_FORBIDDEN`; may be empty.
        errcode: String,
    },
}

impl ApiError {
    /// Whether this is an answer of that status.
    pub(crate) fn is(&self, expected: u16) -> bool {
        matches!(self, ApiError::Status { status, .. } if *status == expected)
    }

    /// Whether it may be otherwise in a moment: nobody has answered, or nobody who could.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            ApiError::Paused | ApiError::TimedOut | ApiError::Unreachable | ApiError::TooOften(_) => true,
            ApiError::Status { status, .. } => *status >= 500,
            ApiError::TooLong | ApiError::Form => false,
        }
    }

    /// Whether the homeserver does not know who asks (client-server API, "Client authentication").
    pub(crate) fn is_unknown_token(&self) -> bool {
        matches!(self, ApiError::Status { status: 401, errcode } if errcode == "M_UNKNOWN_TOKEN")
    }

    /// Whether the homeserver has no such question, or does not let us ask it.
    pub(crate) fn is_not_offered(&self) -> bool {
        matches!(
            self,
            ApiError::Status {
                status: 403..=405,
                ..
            }
        )
    }
}

/// Limits of one question.
#[derive(Clone, Copy)]
struct Limit {
    time: Duration,
    bytes: usize,
}

const SMALL: Limit = Limit {
    time: ASK_TIMEOUT,
    bytes: ANSWER_BYTES_MAX,
};

/// See the module's page.
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    /// By which we may prove ourselves; first the one that the homeserver took last. Empty: by none.
    as_tokens: Mutex<Vec<Secret<String>>>,
    breaker: Mutex<Breaker>,
    questions: Semaphore,
    forwards: Semaphore,
}

/// What another homeserver answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Forwarded {
    /// Of HTTP.
    pub status: u16,
    /// `Null` where it was no JSON.
    #[serde(default)]
    pub content: Value,
}

/// A delayed event that waits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DelayedEvent {
    /// Into which room it goes.
    pub room_id: String,
    /// How long the homeserver waits before it sends it, in ms.
    #[serde(alias = "delay")]
    pub delay_ms: u64,
}

/// What can be done with a delayed event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DelayedAction {
    Restart,
    Send,
    Cancel,
}

impl DelayedAction {
    /// Its path, from the root of a client-server API.
    pub(crate) fn path(self, delay_id: &str) -> String {
        let action = match self {
            DelayedAction::Restart => "restart",
            DelayedAction::Send => "send",
            DelayedAction::Cancel => "cancel",
        };
        format!(
            "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{}/{action}",
            part(delay_id)
        )
    }
}

#[derive(Deserialize)]
struct WhoAmI {
    user_id: String,
}

#[derive(Deserialize)]
struct JoinedRooms {
    joined_rooms: Vec<String>,
}

#[derive(Deserialize)]
struct IsJoined {
    joined: bool,
}

#[derive(Deserialize)]
struct Sent {
    event_id: String,
}

impl Client {
    /// A client for the API at `base_url` (without a slash at its end).
    pub(crate) fn new(
        base_url: &str,
        as_tokens: Vec<Secret<String>>,
        tls: ClientConfig,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A token goes along, and it goes nowhere else.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent("Hanse")
            .tls_backend_preconfigured(tls)
            .build()?;
        Ok(Client {
            http,
            base_url: base_url.to_owned(),
            as_tokens: Mutex::new(as_tokens),
            breaker: Mutex::new(Breaker::new()),
            questions: Semaphore::new(QUESTIONS_MAX),
            forwards: Semaphore::new(FORWARDS_MAX),
        })
    }

    /// As whom the homeserver knows us.
    pub(crate) async fn whoami(&self) -> Result<UserId, ApiError> {
        let answer: WhoAmI = self
            .json(Method::GET, "/_matrix/client/v3/account/whoami", None, SMALL)
            .await?;
        answer.user_id.parse().map_err(|_| ApiError::Form)
    }

    /// The rooms that the bridge user is in.
    pub(crate) async fn joined_rooms(&self) -> Result<Vec<RoomId>, ApiError> {
        let limit = Limit {
            time: STATE_TIMEOUT,
            bytes: ROOMS_BYTES_MAX,
        };
        let answer: JoinedRooms = self
            .json(Method::GET, "/_matrix/client/v3/joined_rooms", None, limit)
            .await?;
        Ok(answer
            .joined_rooms
            .iter()
            .filter_map(|room| room.parse().ok())
            .collect())
    }

    /// The whole state of a room that the bridge user is in.
    pub(crate) async fn state(&self, room: &RoomId) -> Result<Vec<Event>, ApiError> {
        let path = format!("/_matrix/client/v3/rooms/{}/state", part(room.as_str()));
        let limit = Limit {
            time: STATE_TIMEOUT,
            bytes: STATE_BYTES_MAX,
        };
        let body = self.ask(Method::GET, &path, None, limit).await?;
        // One by one: an event that a member made unreadable must not hide the others.
        let events: Vec<&RawValue> = serde_json::from_slice(&body).map_err(|_| ApiError::Form)?;
        Ok(events
            .into_iter()
            .filter_map(|event| Event::from_json(event.get()))
            .collect())
    }

    /// One state event of a room that the bridge user is in; `None`: there is none.
    pub(crate) async fn state_event(
        &self,
        room: &RoomId,
        kind: &str,
        state_key: &str,
    ) -> Result<Option<Event>, ApiError> {
        let path = format!(
            "/_matrix/client/v3/rooms/{}/state/{}/{}?format=event",
            part(room.as_str()),
            part(kind),
            part(state_key)
        );
        match self.ask(Method::GET, &path, None, SMALL).await {
            Ok(body) => {
                let text = std::str::from_utf8(&body).map_err(|_| ApiError::Form)?;
                // A homeserver that does not know the parameter answers with the content alone.
                let event = Event::from_json(text).ok_or(ApiError::Form)?;
                let asked = event.kind == kind && event.state_key.as_deref() == Some(state_key);
                asked.then_some(Some(event)).ok_or(ApiError::Form)
            }
            Err(error) if error.is(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody is in a room (MSC4502).
    pub(crate) async fn is_joined(&self, room: &RoomId, user: &UserId) -> Result<bool, ApiError> {
        self.ask_is_joined(room, "mxid", user.as_str()).await
    }

    /// Whether anybody of a homeserver is in a room (MSC4502).
    pub(crate) async fn is_server_joined(
        &self,
        room: &RoomId,
        server: &ServerName,
    ) -> Result<bool, ApiError> {
        self.ask_is_joined(room, "server_name", server.as_str()).await
    }

    async fn ask_is_joined(&self, room: &RoomId, key: &str, value: &str) -> Result<bool, ApiError> {
        let path = format!(
            "/_matrix/client/unstable/io.element.msc4502/rooms/{}/is_joined?{key}={}",
            part(room.as_str()),
            part(value)
        );
        let answer: Result<IsJoined, ApiError> = self.json(Method::GET, &path, None, SMALL).await;
        match answer {
            Ok(answer) => Ok(answer.joined),
            // What cannot be a room has nobody in it.
            Err(ApiError::Status { status: 400, errcode }) if errcode == "M_INVALID_PARAM" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Follows an invitation. `via`: homeservers that are in the room.
    pub(crate) async fn join(&self, room: &RoomId, via: &ServerName) -> Result<(), ApiError> {
        // Older homeservers call the parameter `server_name`.
        let path = format!(
            "/_matrix/client/v3/join/{}?via={via}&server_name={via}",
            part(room.as_str()),
            via = part(via.as_str())
        );
        let limit = Limit {
            time: JOIN_TIMEOUT,
            bytes: ANSWER_BYTES_MAX,
        };
        self.ask(Method::POST, &path, Some(&json!({})), limit)
            .await
            .map(drop)
    }

    /// Leaves a room, or declines an invitation.
    pub(crate) async fn leave(&self, room: &RoomId) -> Result<(), ApiError> {
        let path = format!("/_matrix/client/v3/rooms/{}/leave", part(room.as_str()));
        self.ask(Method::POST, &path, Some(&json!({})), SMALL)
            .await
            .map(drop)
    }

    /// Sends an event that is no state event, and says its id. The same `transaction` is sent once, however often it is tried.
    pub(crate) async fn send_message(
        &self,
        room: &RoomId,
        kind: &str,
        transaction: &str,
        content: &Map<String, Value>,
    ) -> Result<String, ApiError> {
        let path = format!(
            "/_matrix/client/v3/rooms/{}/send/{}/{}",
            part(room.as_str()),
            part(kind),
            part(transaction)
        );
        let body = Value::Object(content.clone());
        let sent: Sent = self.json(Method::PUT, &path, Some(&body), SMALL).await?;
        Ok(sent.event_id)
    }

    /// Asks a question of this client for another part of this crate: as itself or, with `as_user`, as a user of the namespace.
    pub(crate) async fn ask_as(
        &self,
        as_user: Option<&UserId>,
        method: Method,
        path: &str,
        body: Option<&Value>,
        time: Duration,
    ) -> Result<Bytes, ApiError> {
        let path = match as_user {
            Some(user) => format!("{path}?user_id={}", part(user.as_str())),
            None => path.to_owned(),
        };
        let limit = Limit {
            time,
            bytes: ANSWER_BYTES_MAX,
        };
        self.ask(method, &path, body, limit).await
    }

    /// Restarts, sends or cancels a delayed event (MSC4140).
    pub(crate) async fn act_on_delayed(&self, action: DelayedAction, delay_id: &str) -> Result<(), ApiError> {
        self.ask(Method::POST, &action.path(delay_id), Some(&json!({})), SMALL)
            .await
            .map(drop)
    }

    /// A delayed event of a user of this homeserver (MSC4140); `None`: they have none of that id. Homeservers tell an
    /// application service only about users of its namespaces: Synapse answers 403 about all others.
    pub(crate) async fn look_up_delayed(
        &self,
        user: &UserId,
        delay_id: &str,
    ) -> Result<Option<DelayedEvent>, ApiError> {
        let path = format!(
            "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{}?user_id={}",
            part(delay_id),
            part(user.as_str())
        );
        match self.json(Method::GET, &path, None, SMALL).await {
            Ok(found) => Ok(Some(found)),
            // Without that code it does not know the question.
            Err(ApiError::Status { status: 404, errcode }) if errcode == "M_NOT_FOUND" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has the homeserver sign a `POST` and send it to another one (MSC4512). How long that takes lies in the other one's
    /// hands, so it takes no place among the questions, and says nothing about whether this homeserver answers.
    pub(crate) async fn forward(
        &self,
        destination: &ServerName,
        path: &str,
        body: &Value,
    ) -> Result<Forwarded, ApiError> {
        let request =
            json!({"destination": destination.as_str(), "method": "POST", "path": path, "body": body});
        let forwarded = async {
            let _forward = self.forwards.acquire().await.map_err(|_| ApiError::Unreachable)?;
            let path = "/_matrix/client/unstable/io.element.msc4512/appservice/fed_proxy";
            self.exchange(Method::POST, path, Some(&request), ANSWER_BYTES_MAX)
                .await
        };
        let answer = tokio::time::timeout(FORWARD_TIMEOUT, forwarded)
            .await
            .unwrap_or(Err(ApiError::TimedOut))?;
        serde_json::from_slice(&answer).map_err(|_| ApiError::Form)
    }

    /// Has the homeserver call us back (`/_matrix/app/v1/ping`). Synapse then also sends at once what it holds back for us:
    /// after failures it would wait for up to 512 s.
    pub(crate) async fn ping(&self, id: &str) -> Result<(), ApiError> {
        let path = format!("/_matrix/client/v1/appservice/{}/ping", part(id));
        self.ask(Method::POST, &path, Some(&json!({})), SMALL)
            .await
            .map(drop)
    }

    async fn json<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limit: Limit,
    ) -> Result<T, ApiError> {
        let body = self.ask(method, path, body, limit).await?;
        serde_json::from_slice(&body).map_err(|_| ApiError::Form)
    }

    /// Asks, and reads the answer to a status of success.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limit: Limit,
    ) -> Result<Bytes, ApiError> {
        if !self.with_breaker(|breaker| breaker.enter(hanse_runtime::clock::now())) {
            return Err(ApiError::Paused);
        }
        let asked = async {
            let _question = self
                .questions
                .acquire()
                .await
                .map_err(|_| ApiError::Unreachable)?;
            self.exchange(method, path, body, limit.bytes).await
        };
        let outcome = tokio::time::timeout(limit.time, asked)
            .await
            .unwrap_or(Err(ApiError::TimedOut));
        self.with_breaker(|breaker| match &outcome {
            Err(ApiError::TimedOut | ApiError::Unreachable) => breaker.failed(hanse_runtime::clock::now()),
            // What a proxy says for a homeserver that is not there; itself it would give its answer a code.
            Err(ApiError::Status {
                status: 502..=504,
                errcode,
            }) if errcode.is_empty() => breaker.failed(hanse_runtime::clock::now()),
            _ => breaker.succeeded(),
        });
        outcome
    }

    /// Puts these tokens in place of those before, the likeliest first.
    pub(crate) fn change_tokens(&self, as_tokens: Vec<Secret<String>>) {
        *self.as_tokens.lock().unwrap_or_else(PoisonError::into_inner) = as_tokens;
    }

    /// Asks with each token until the homeserver knows one, and remembers which that was.
    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        bytes_max: usize,
    ) -> Result<Bytes, ApiError> {
        let as_tokens = self
            .as_tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (first, others) = match as_tokens.split_first() {
            Some((first, others)) => (Some(first), others),
            None => (None, [].as_slice()),
        };
        let mut outcome = self
            .exchange_as(first, method.clone(), path, body, bytes_max)
            .await;
        for token in others {
            if !outcome.as_ref().is_err_and(ApiError::is_unknown_token) {
                break;
            }
            outcome = self
                .exchange_as(Some(token), method.clone(), path, body, bytes_max)
                .await;
            if !outcome.as_ref().is_err_and(ApiError::is_unknown_token) {
                let mut held = self.as_tokens.lock().unwrap_or_else(PoisonError::into_inner);
                // Unless others hold by now.
                if let Some(place) = held.iter().position(|held| held == token) {
                    held.swap(0, place);
                }
            }
        }
        outcome
    }

    async fn exchange_as(
        &self,
        token: Option<&Secret<String>>,
        method: Method,
        path: &str,
        body: Option<&Value>,
        bytes_max: usize,
    ) -> Result<Bytes, ApiError> {
        let mut request = self.http.request(method, format!("{}{path}", self.base_url));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        // The library's words name the URL, so only the kind goes on.
        let mut response = request.send().await.map_err(|_| ApiError::Unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes_max = if status.is_success() {
            bytes_max
        } else {
            ANSWER_BYTES_MAX
        };
        let mut answer = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| ApiError::Unreachable)? {
            if answer.len() + chunk.len() > bytes_max {
                return Err(ApiError::TooLong);
            }
            answer.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(answer.freeze());
        }
        Err(refusal(status.as_u16(), &headers, &answer))
    }

    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        act(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The error in an answer that is no success.
pub(crate) fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> ApiError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct MatrixError {
        errcode: String,
        retry_after_ms: u64,
    }
    let said: MatrixError = serde_json::from_slice(body).unwrap_or_default();
    if status == 429 {
        let seconds = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let wait = seconds.unwrap_or(Duration::from_millis(said.retry_after_ms));
        return ApiError::TooOften(wait.min(RETRY_AFTER_MAX));
    }
    let plain = said.errcode.len() <= 64
        && said
            .errcode
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || b"_.0123456789".contains(&byte));
    ApiError::Status {
        status,
        errcode: if plain { said.errcode } else { String::new() },
    }
}

/// A text as one part of a path, or a value of a query.
pub(crate) fn part(text: &str) -> String {
    utf8_percent_encode(text, &PART).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_its_status_and_code_and_nothing_that_names_anybody() {
        let headers = HeaderMap::new();
        let body = br#"{"errcode":"M_FORBIDDEN","error":"@alice:org-a.example is not here"}"#;
        let error = refusal(403, &headers, body);
        assert_eq!(error.to_string(), "it answers with status 403 M_FORBIDDEN");
        assert!(error.is(403) && !error.is(404));
        for strange in [
            &b"nonsense"[..],
            br#"{"errcode":"@alice:a"}"#,
            br#"{"errcode":7}"#,
        ] {
            assert_eq!(
                refusal(500, &headers, strange).to_string(),
                "it answers with status 500 "
            );
        }
    }

    #[test]
    fn who_is_asked_too_often_says_after_how_long_within_bounds() {
        let mut headers = HeaderMap::new();
        let body = br#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#;
        assert_eq!(refusal(429, &headers, b"").to_string(), "it is asked too often");
        assert_eq!(refusal(429, &headers, b""), ApiError::TooOften(Duration::ZERO));
        assert_eq!(
            refusal(429, &headers, body),
            ApiError::TooOften(Duration::from_millis(1500))
        );
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(
            refusal(429, &headers, body),
            ApiError::TooOften(Duration::from_secs(7))
        );
        headers.insert(RETRY_AFTER, "99999999".parse().unwrap());
        assert_eq!(refusal(429, &headers, body), ApiError::TooOften(RETRY_AFTER_MAX));
    }

    #[test]
    fn what_others_chose_stays_one_part_of_a_path() {
        assert_eq!(
            DelayedAction::Send.path("../x?y#z"),
            "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/..%2Fx%3Fy%23z/send"
        );
        assert_eq!(
            part("_@alice:org-a.example_D/V"),
            "_%40alice%3Aorg-a.example_D%2FV"
        );
    }
}
