//! Tokens by way of homeservers (MSC4195 over MSC4512): a client asks its own homeserver, which knows who asks and passes the
//! request on to us; for the SFU of another organisation we have our homeserver ask that one's, and requests of others arrive
//! the same way. No OpenID token leaves a client, and no focus learns on which device somebody is.
//!
//! In: requests that prove by an `hs_token` through which of our homeservers they came, and say who asks there. Out: what
//! the routes of [`crate::http`] answer, by the same decision ([`crate::Focus`]).
//!
//! It believes our homeservers about their own users and about who signed a request, another homeserver about its own users,
//! and nobody about who is in a room but our homeservers: where they do not say, nobody gets a token this way. It never asks a
//! homeserver on behalf of somebody who is not in the room, nor one that is not in it.
//!
//! How often another homeserver may ask is not counted here: ours counts it, as every federation request.
//!
//! Seen of Synapse 1.163.2: the path arrives as the client wrote it, under `/_matrix/client` or `/_matrix/federation`, with
//! any version; of the client's headers only `Content-Type`, `Accept` and `Accept-Language` arrive; it waits for 30 s, and
//! writes the CORS headers itself.
//!
//! Where to look next: `caller.rs` for whom to believe, `ask.rs` for what a request must have, `admit.rs` for the decision,
//! [`OwnHomeservers`] for what is asked.

mod admit;
mod ask;
mod caller;
mod port;

pub use port::{FEDERATION_TIMEOUT, Forwarded, LOOK_UP_TIMEOUT, LookedUp, OwnHomeservers};

use crate::admission::Focus;
use crate::http::{body, done, granted_response};
use crate::refusal::Refusal;
use crate::request_log::{self, Notes};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hanse_matrixrtc::{Granted, ServerName};
use std::sync::Arc;

/// Below which paths clients ask, before and after the MSC is accepted, and the federation's twin of each.
const VERSIONS: [(&str, &str); 2] = [
    (
        "/_matrix/client/unstable/io.element.msc4195/rtc/livekit",
        "/_matrix/federation/unstable/io.element.msc4195/rtc/livekit",
    ),
    (
        "/_matrix/client/v1/rtc/livekit",
        "/_matrix/federation/v1/rtc/livekit",
    ),
];

/// What the routes share.
struct Signed {
    focus: Arc<Focus>,
    /// Those that pass requests on to us.
    homeservers: Vec<ServerName>,
    own: Arc<dyn OwnHomeservers>,
}

/// The routes, below the root of the server, for those of our homeservers that pass requests on to us. Without homeservers
/// there are none: merely being there makes clients plan their leaves an hour ahead.
pub fn routes(focus: Arc<Focus>, homeservers: Vec<ServerName>, own: Arc<dyn OwnHomeservers>) -> Router {
    if homeservers.is_empty() {
        return Router::new();
    }
    let takes_leaves = focus.leaves.is_some();
    let signed = Arc::new(Signed {
        focus: Arc::clone(&focus),
        homeservers,
        own,
    });
    let mut paths = Router::new();
    for (client, federation) in VERSIONS {
        let ask = move |State(signed): State<Arc<Signed>>, request: Request| async move {
            get_token(&signed, request, federation).await
        };
        paths = paths
            .route(&format!("{client}/get_token"), post(ask))
            .route(&format!("{federation}/get_token"), post(get_token_from_abroad));
        if takes_leaves {
            let path = format!("{client}/delegate_delayed_leave");
            paths = paths.route(&path, post(delegate_delayed_leave));
        }
    }
    paths
        .with_state(signed)
        .layer(DefaultBodyLimit::max(crate::http::BODY_BYTES_MAX))
        .layer(from_fn_with_state(focus, request_log::note))
}

async fn get_token(signed: &Signed, request: Request, federation: &str) -> Response {
    let mut notes = Notes::default();
    let granted = async {
        let (own, user) = signed.user(request.headers())?;
        signed
            .get_token(own, user, &body(request).await?, federation, &mut notes)
            .await
    };
    let granted = granted.await;
    answer(granted, notes)
}

async fn get_token_from_abroad(State(signed): State<Arc<Signed>>, request: Request) -> Response {
    let mut notes = Notes::default();
    let granted = async {
        let (own, origin) = signed.origin(request.headers())?;
        signed
            .get_token_from_abroad(own, &origin, &body(request).await?, &mut notes)
            .await
    };
    let granted = granted.await;
    answer(granted, notes)
}

async fn delegate_delayed_leave(State(signed): State<Arc<Signed>>, request: Request) -> Response {
    let mut notes = Notes::default();
    let delegated = async {
        let (_, user) = signed.user(request.headers())?;
        signed.delegate(user, &body(request).await?, &mut notes).await
    };
    let response = done(delegated.await);
    notes.beside(response)
}

fn answer(granted: Result<Granted, Refusal>, notes: Notes) -> Response {
    let response = match granted {
        Ok(granted) => granted_response(&granted),
        Err(refusal) => refusal.into_response(),
    };
    notes.beside(response)
}
