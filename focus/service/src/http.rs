//! The routes, as Element's MatrixRTC Authorization Service has them. They may be nested under any prefix; clients append
//! them textually to the `livekit_service_url` that the homeserver announces.
//!
//! Every answer carries CORS headers, also that there is nothing at a path. Without them a browser shows its page a network
//! error instead of a 404, and Element Call takes anything but a 404 at `/delegate_delayed_leave` for a promise to take
//! delayed leaves over, and then plans them an hour ahead. That path is therefore there only for a focus that does.

use crate::admission::Focus;
use crate::ask::Ask;
use crate::examine::ExamineAsk;
use crate::guests::GuestRefusal;
use crate::moderation::ModerationAsk;
use crate::refusal::Refusal;
use crate::request_log::{self, Notes, Refused};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, body::Body};
use hanse_matrixrtc::Granted;
use hanse_runtime::ClientAddress;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tower_http::cors::{Any, CorsLayer};

/// Bytes of a request body; a longer one is answered with 413. Requests have some 500 bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// When to ask again a server that drains. It may be away then for some seconds more, which clients find out by themselves.
const DRAINING_RETRY: Duration = Duration::from_secs(30);

/// How long a browser may remember that it may ask.
const CORS_MAX_AGE: Duration = Duration::from_secs(86_400);

/// All routes, and a sentence for every other path.
pub fn router(focus: Arc<Focus>) -> Router {
    layered(paths(&focus).fallback(not_found), focus)
}

/// The routes alone, for a server that has its own answer to other paths.
pub fn routes(focus: Arc<Focus>) -> Router {
    layered(paths(&focus), focus)
}

fn paths(focus: &Focus) -> Router<Arc<Focus>> {
    let paths = Router::new()
        .route("/sfu/get", post(sfu_get))
        .route("/get_token", post(get_token))
        .route("/sfu_webhook", post(sfu_webhook))
        .route("/moderate", post(moderate))
        .route("/examine", post(examine))
        .route("/healthz", get(health))
        .merge(crate::guests::http::routes());
    match focus.leaves {
        Some(_) => paths.route("/delegate_delayed_leave", post(delegate_delayed_leave)),
        None => paths,
    }
}

fn layered(paths: Router<Arc<Focus>>, focus: Arc<Focus>) -> Router {
    // What browsers ask before they ask is answered outside of the log.
    paths
        .with_state(Arc::clone(&focus))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&focus), count_address))
        .layer(from_fn_with_state(focus, request_log::note))
        .layer(cors())
}

/// People's requests are counted by address. What homeservers and SFUs send is not: all of it comes from few addresses, and
/// is proven by a token.
async fn count_address(State(focus): State<Arc<Focus>>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ClientAddress>().copied();
    let path = request.uri().path();
    let is_proven = path.starts_with("/_matrix/") || path == "/sfu_webhook" || path == "/healthz";
    match address
        .filter(|_| !is_proven)
        .map(|address| focus.count_address(address))
    {
        Some(Err(refusal)) => refusal.into_response(),
        _ => next.run(request).await,
    }
}

/// Any page may ask: what counts is the OpenID token in the body. The methods and headers are those of Element's service.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST])
        .allow_headers([
            ACCEPT,
            CONTENT_TYPE,
            CONTENT_LENGTH,
            ACCEPT_ENCODING,
            HeaderName::from_static("x-csrf-token"),
        ])
        .max_age(CORS_MAX_AGE)
}

async fn sfu_get(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    answer(&focus, request, Ask::from_sfu_get).await
}

async fn get_token(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    answer(&focus, request, Ask::from_get_token).await
}

async fn delegate_delayed_leave(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let mut notes = Notes::default();
    let delegated = async {
        let ask = Ask::from_delegation(&body(request).await?)?;
        focus.delegate(&ask, &mut notes).await
    };
    let response = done(delegated.await);
    notes.beside(response)
}

async fn moderate(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let mut notes = Notes::default();
    let moderated = async {
        let ask = ModerationAsk::read(&body(request).await?)?;
        focus.moderate(&ask, &mut notes).await
    };
    let response = done(moderated.await);
    notes.beside(response)
}

async fn examine(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let mut notes = Notes::default();
    let granted = async {
        let ask = ExamineAsk::read(&body(request).await?)?;
        focus.examine(&ask, &mut notes).await
    };
    let response = match granted.await {
        Ok(granted) => granted_response(&granted),
        Err(refusal) => refusal.into_response(),
    };
    notes.beside(response)
}

async fn sfu_webhook(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let heard = async {
        let signature = request.headers().get(AUTHORIZATION).cloned();
        let signature = signature.as_ref().and_then(|value| value.to_str().ok());
        focus.hear_webhook(signature, &body(request).await?).await
    };
    done(heard.await)
}

/// `{}`: it is done.
pub(crate) fn done(result: Result<(), Refusal>) -> Response {
    match result {
        Ok(()) => json_response(StatusCode::OK, &serde_json::Map::new()),
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer(focus: &Focus, request: Request, read: fn(&[u8]) -> Result<Ask, Refusal>) -> Response {
    let mut notes = Notes::default();
    let granted = async {
        let ask = read(&body(request).await?)?;
        focus.admit(&ask, &mut notes).await
    };
    let response = match granted.await {
        Ok(granted) => granted_response(&granted),
        Err(refusal) => refusal.into_response(),
    };
    notes.beside(response)
}

pub(crate) async fn body(request: Request) -> Result<Bytes, Refusal> {
    match timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Refusal::TooLarge),
        Ok(Err(_)) | Err(_) => Err(Refusal::BrokenOff),
    }
}

/// For balancers and supervisors: this process answers, and whether it begins new calls. One that drains is healthy, since
/// those who are in a call need it.
async fn health(State(focus): State<Arc<Focus>>) -> &'static str {
    match &focus.draining {
        Some(draining) if *draining.borrow() => "draining",
        _ => "ok",
    }
}

async fn not_found() -> Response {
    let sentence = "There is nothing at this path. Tokens are at /sfu/get and /get_token below the livekit_service_url of \
                    this focus; if a reverse proxy stands in front, it must take off the path that it adds.";
    let refused = Refused {
        errcode: "M_UNRECOGNIZED",
        reason: "no_such_path",
    };
    error_response(StatusCode::NOT_FOUND, refused, sentence, None)
}

pub(crate) fn granted_response(granted: &Granted) -> Response {
    json_response(StatusCode::OK, granted)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let wait = match self {
            Refusal::TooOften(wait) | Refusal::Guests(GuestRefusal::TooOften(wait)) => Some(wait),
            Refusal::Draining => Some(DRAINING_RETRY),
            _ => None,
        };
        let refused = Refused {
            errcode: self.errcode(),
            reason: self.name(),
        };
        error_response(self.status(), refused, &self.to_string(), wait)
    }
}

/// A Matrix error (client-server API, "Standard error response").
#[derive(Serialize)]
struct MatrixError<'a> {
    errcode: &'a str,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u128>,
}

fn error_response(status: StatusCode, refused: Refused, error: &str, wait: Option<Duration>) -> Response {
    // Rounded up: who waits that long is not refused again.
    let wait_ms = wait.map(|wait| wait.as_nanos().div_ceil(1_000_000));
    let body = MatrixError {
        errcode: refused.errcode,
        error,
        retry_after_ms: wait_ms,
    };
    let mut response = json_response(status, &body);
    response.extensions_mut().insert(refused);
    if let Some(ms) = wait_ms {
        let seconds = HeaderValue::from(ms.div_ceil(1000) as u64);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

pub(crate) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    // These types are texts and numbers, which JSON can always say.
    let text = serde_json::to_string(value).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, json)], Body::from(text)).into_response()
}
