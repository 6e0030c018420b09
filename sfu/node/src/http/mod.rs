//! The HTTP side: signalling over WebSocket ([`signal`], [`socket`]), the server API ([`twirp`]), and the health of the
//! node. Paths, statuses and bodies are LiveKit's, because its clients act on them.

mod access;
mod forwarded;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod places;
mod query;
mod server;
mod signal;
mod socket;
mod twirp;
mod twirp_json;
mod upgrade;

pub use forwarded::TrustedProxies;
pub(crate) use places::{Place, Places};
pub use server::{Server, bind};
pub(crate) use socket::SocketCount;

use crate::control::Inputs;
use crate::handle::SfuHandle;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use hanse_sfu_signal::ApiKeys;
use http::{HeaderName, Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;

/// Bytes of one request body; a longer one is answered with 413. The largest that we read are room settings with
/// their metadata; LiveKit's server takes this much.
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How long a browser may remember that it may ask.
const CORS_MAX_AGE: Duration = Duration::from_secs(86_400);

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Api {
    /// Where joins and messages go.
    pub inputs: Inputs,
    /// Where commands go.
    pub handle: SfuHandle,
    /// Who may sign tokens.
    pub keys: Arc<ApiKeys>,
    /// How many participants are connected here.
    pub sockets: SocketCount,
}

/// All routes.
pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/", get(health))
        .route("/rtc", get(signal::join_older))
        .route("/rtc/v1", get(signal::join))
        .route("/rtc/validate", get(signal::validate_older))
        .route("/rtc/v1/validate", get(signal::validate))
        .route("/twirp/{service}/{method}", any(twirp::call))
        .fallback(not_found)
        .with_state(api)
        // Innermost first: the limit that counts is the second one, which also stops a body without a length.
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        .layer(cors())
}

/// Any page may ask: what counts is the token.
fn cors() -> CorsLayer {
    let methods = [
        Method::OPTIONS,
        Method::HEAD,
        Method::GET,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods(methods)
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Vec::<HeaderName>::new())
        .max_age(CORS_MAX_AGE)
}

/// `GET /` and `HEAD /`: clients warm a connection up with it, balancers ask for it.
async fn health() -> &'static str {
    "OK"
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "there is nothing at this path")
}
