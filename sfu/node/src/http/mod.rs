//! The HTTP side: signalling over WebSocket ([`signal`], [`socket`]), the server API ([`twirp`]), and the health of the
//! node. Paths, statuses and bodies are LiveKit's, because its clients act on them.

mod access;
mod forwarded;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod inherited;
mod places;
mod query;
mod server;
mod signal;
mod socket;
mod twirp;
mod twirp_json;
mod upgrade;

pub use forwarded::TrustedProxies;
pub(crate) use inherited::Inherited;
pub(crate) use places::{Place, Places};
pub(crate) use server::{ACCEPT_PAUSE, Entrance};
pub use server::{Server, bind};
pub(crate) use socket::SocketCount;

use crate::control::Inputs;
use crate::handle::SfuHandle;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use http::header::{ACCEPT, VARY};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_service::Service;

/// Bytes of one request body; a longer one is answered with 413. The largest that we read are room settings with
/// their metadata; LiveKit's server takes this much.
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How long a browser may remember that it may ask.
const CORS_MAX_AGE: Duration = Duration::from_secs(86_400);

/// What is served on the ports of an SFU besides the SFU.
#[derive(Default)]
pub struct Beside {
    /// Further routes. They have no fallback of their own at the top.
    pub routes: Router,
    /// What browsers see that open `/`. Everybody else is told there how the node is.
    pub front: Option<MethodRouter>,
}

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Api {
    /// Where joins and messages go.
    pub inputs: Inputs,
    /// Where commands go.
    pub handle: SfuHandle,
    /// How many participants are connected here.
    pub sockets: SocketCount,
    /// See [`Beside::front`].
    pub front: Option<MethodRouter>,
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
///
/// A server that drains is healthy: who is in a call needs it. A browser that opens it is a person, and gets the front page.
async fn health(State(api): State<Api>, request: Request) -> Response {
    let mut response = match api.front {
        Some(mut front) if wants_a_page(&request) => {
            let Ok(response) = front.call(request).await;
            response
        }
        _ if *api.handle.draining().borrow() => "draining".into_response(),
        _ => "OK".into_response(),
    };
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// Browsers name HTML when somebody opens an address, and only then.
fn wants_a_page(request: &Request) -> bool {
    let accepted = request.headers().get(ACCEPT).map(HeaderValue::as_bytes);
    accepted.is_some_and(|accepted| accepted.windows(9).any(|window| window == b"text/html"))
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "there is nothing at this path")
}
