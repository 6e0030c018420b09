//! `GET /rtc/v1`, `GET /rtc` and their kin: everything about a join that can be refused is refused before the socket
//! opens, as an HTTP status with a text that clients show or act on.

use super::query::Parameters;
use super::upgrade::Upgrade;
use super::{Api, access, socket};
use crate::control::{Input, SOCKET_MESSAGES_MAX, SocketLink, Waiting};
use axum::body::Body;
use axum::extract::{FromRequestParts, Query, State};
use axum::response::{IntoResponse, Response};
use hanse_runtime::{Redacted, clock};
use hanse_sfu_signal::{
    JoinAttempt, JoinRefusal, PeerConnections, complete_client_info, decode_join_request,
};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use tokio::sync::{mpsc, oneshot};

/// What an address stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `/rtc`: two peer connections. A client that brings a `join_request` speaks the newer form all the same.
    Older,
    /// `/rtc/v1`: one peer connection.
    Newer,
}

/// Why there is no socket.
struct Refusal(StatusCode, String);

impl Refusal {
    fn unavailable() -> Self {
        Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is stopping".to_owned(),
        )
    }
}

impl From<JoinRefusal> for Refusal {
    fn from(refusal: JoinRefusal) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Refusal(status, refusal.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

/// `GET /rtc/v1`
pub(super) async fn join(State(api): State<Api>, request: Request<Body>) -> Response {
    answer_join(&api, request, Place::Newer).await
}

/// `GET /rtc`
pub(super) async fn join_older(State(api): State<Api>, request: Request<Body>) -> Response {
    answer_join(&api, request, Place::Older).await
}

async fn answer_join(api: &Api, request: Request<Body>, place: Place) -> Response {
    let (mut parts, _) = request.into_parts();
    let Some(upgrade) = Upgrade::of(&mut parts) else {
        return Refusal(
            StatusCode::NOT_FOUND,
            "this path takes WebSocket connections only".to_owned(),
        )
        .into_response();
    };
    open(api, &mut parts, upgrade, place)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

/// `GET /rtc/v1/validate`: the same checks without a socket, for clients that want to know why theirs was refused
/// (browsers do not tell them).
pub(super) async fn validate(State(api): State<Api>, request: Request<Body>) -> Response {
    answer_validation(&api, request, Place::Newer).await
}

/// `GET /rtc/validate`
pub(super) async fn validate_older(State(api): State<Api>, request: Request<Body>) -> Response {
    answer_validation(&api, request, Place::Older).await
}

async fn answer_validation(api: &Api, request: Request<Body>, place: Place) -> Response {
    let (mut parts, _) = request.into_parts();
    let answer = match check(api, &mut parts, place).await {
        Ok(()) => (StatusCode::OK, "success").into_response(),
        Err(refusal) => refusal.into_response(),
    };
    let mut headers = HeaderMap::new();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, http::HeaderValue::from_static("*"));
    (headers, answer).into_response()
}

async fn check(api: &Api, parts: &mut Parts, place: Place) -> Result<(), Refusal> {
    let attempt = Box::new(attempt(api, parts, place, true).await?);
    let (answer, result) = oneshot::channel();
    api.inputs
        .send(Input::CheckJoin { attempt, answer })
        .await
        .map_err(|_| Refusal::unavailable())?;
    Ok(result.await.map_err(|_| Refusal::unavailable())??)
}

async fn open(api: &Api, parts: &mut Parts, upgrade: Upgrade, place: Place) -> Result<Response, Refusal> {
    let came = clock::now();
    let attempt = Box::new(attempt(api, parts, place, false).await?);
    if attempt.request.is_none() {
        return Err(JoinRefusal::RequestMissing.into());
    }
    let person = Redacted(attempt.claims.identity.clone());
    let room = Redacted(attempt.claims.video.room.clone());
    let peer_connections = attempt.peer_connections;
    let resumes = attempt.request.as_ref().is_some_and(|request| request.reconnect);
    let (messages, outbound) = mpsc::channel(SOCKET_MESSAGES_MAX);
    let (kill, killed) = oneshot::channel();
    let (answer, result) = oneshot::channel();
    let waiting = Waiting::default();
    let socket = SocketLink {
        messages,
        kill,
        waiting: waiting.clone(),
    };
    api.inputs
        .send(Input::Join {
            attempt,
            socket,
            answer,
        })
        .await
        .map_err(|_| Refusal::unavailable())?;
    let id = match result.await.map_err(|_| Refusal::unavailable())? {
        Ok(id) => id,
        Err(refusal) => {
            tracing::info!(%person, %room, reason = %refusal, "a join was refused");
            return Err(refusal.into());
        }
    };
    let session = id.session.0;
    if resumes {
        tracing::info!(session, %person, %room, ?peer_connections, "a client comes again");
    } else {
        tracing::info!(session, %person, %room, ?peer_connections, "joined");
    }
    let seat = socket::Seat::new(id, came, api.inputs.clone(), api.sockets.clone());
    Ok(upgrade.answer(move |stream| socket::serve(stream, seat, outbound, waiting, killed)))
}

/// Reads a join. `is_strict`: attributes that cannot be read are a reason to refuse; otherwise there are none (LiveKit's
/// server, too, tells only who asks).
async fn attempt(
    api: &Api,
    parts: &mut Parts,
    place: Place,
    is_strict: bool,
) -> Result<JoinAttempt, Refusal> {
    let parameters = parameters(parts).await?;
    let claims = access::claims(api, &parts.headers, parameters.access_token.as_deref())
        .map_err(|sentence| Refusal(StatusCode::UNAUTHORIZED, sentence))?;
    let (peer_connections, mut request) = if place == Place::Older && !parameters.has_request() {
        let attributes = match parameters.attributes() {
            None if is_strict => {
                return Err(Refusal(
                    StatusCode::BAD_REQUEST,
                    "cannot decode attributes".to_owned(),
                ));
            }
            attributes => attributes.unwrap_or_default(),
        };
        (PeerConnections::Two, Some(parameters.older_request(attributes)))
    } else {
        let request = parameters.join_request.as_deref().map(decode_join_request);
        (PeerConnections::One, request.transpose()?)
    };
    let user_agent = parts
        .headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    if let (Some(request), Some(user_agent)) = (&mut request, user_agent) {
        complete_client_info(request.client_info.get_or_insert_default(), user_agent);
    }
    Ok(JoinAttempt {
        claims,
        peer_connections,
        request,
        publish: parameters.publish,
    })
}

async fn parameters(parts: &mut Parts) -> Result<Parameters, Refusal> {
    match Query::<Parameters>::from_request_parts(parts, &()).await {
        Ok(Query(parameters)) => Ok(parameters),
        Err(error) => Err(Refusal(StatusCode::BAD_REQUEST, error.body_text())),
    }
}
