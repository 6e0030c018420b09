//! The routes of guests and of those who invite them, each a `POST` with JSON, answered as everything of the focus:
//!
//! | Path | Who | Body | Answer |
//! |---|---|---|---|
//! | `/guest/link` | a moderator | `room_id`, `openid_token`, `once`, `expires_s`?, `passcode`? | `id`, `secret`, `spoken`, `expires_ms` |
//! | `/guest/links` | a moderator | `room_id`, `openid_token` | `links`: `id`, `once`, `needs_passcode`, `uses`, `made_by`, `expires_ms` |
//! | `/guest/revoke` | a moderator | `room_id`, `openid_token`, `id`, `with_guests`? | `{}` |
//! | `/guest/look` | anybody | `secret` or `spoken` | `meeting`, `organisation`, `needs_passcode`, `once`, `expires_ms` |
//! | `/guest/enter` | anybody | `secret` or `spoken`, `passcode`?, `name` | `homeserver`, `user_id`, `device_id`, `access_token`, `room_id`, `via` |
//! | `/guest/leave` | a guest | `access_token` | `{}` |
//!
//! The link that people pass on is `<address of the page>/#/join/<secret>`: what is behind `#` no browser sends, so the secret is
//! in no request line and no log.

use super::ask::{By, EnterAsk, Key, LinkAsk, RevokeAsk, leaving};
use crate::admission::Focus;
use crate::http::{body, done, json_response};
use crate::refusal::Refusal;
use crate::request_log::Notes;
use ::http::StatusCode;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hanse_runtime::ClientAddress;
use serde::Serialize;
use std::sync::Arc;

/// The paths, for the lines of the log.
pub(crate) const PATHS: [&str; 6] = [
    "/guest/link",
    "/guest/links",
    "/guest/revoke",
    "/guest/look",
    "/guest/enter",
    "/guest/leave",
];

pub(crate) fn routes() -> Router<Arc<Focus>> {
    Router::new()
        .route("/guest/link", post(make))
        .route("/guest/links", post(list))
        .route("/guest/revoke", post(revoke))
        .route("/guest/look", post(look))
        .route("/guest/enter", post(enter))
        .route("/guest/leave", post(leave))
}

async fn make(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let mut notes = Notes::default();
    let made = async {
        let ask = LinkAsk::read(&body(request).await?)?;
        focus.make_guest_link(&ask, &mut notes).await
    };
    let response = said(made.await);
    notes.beside(response)
}

async fn list(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let mut notes = Notes::default();
    let listed = async {
        let by = By::read(&body(request).await?)?;
        focus.guest_links(&by, &mut notes).await
    };
    let response = said(listed.await);
    notes.beside(response)
}

async fn revoke(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let mut notes = Notes::default();
    let revoked = async {
        let ask = RevokeAsk::read(&body(request).await?)?;
        focus.revoke_guest_link(&ask, &mut notes).await
    };
    let response = done(revoked.await);
    notes.beside(response)
}

async fn look(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let address = address(&request);
    let looked = async {
        let key = Key::read(&body(request).await?)?;
        focus.look_at_guest_link(&key, address).await
    };
    said(looked.await)
}

async fn enter(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let address = address(&request);
    let entered = async {
        let ask = EnterAsk::read(&body(request).await?)?;
        // What has begun is carried through, also when the page has gone: else a user could be there who is ended late.
        let focus = Arc::clone(&focus);
        let entering = tokio::spawn(async move { focus.enter_as_guest(&ask, address).await });
        entering
            .await
            .unwrap_or_else(|_| Err(super::GuestRefusal::Away.into()))
    };
    said(entered.await)
}

async fn leave(State(focus): State<Arc<Focus>>, request: Request) -> Response {
    let address = address(&request);
    let left = async {
        let access_token = leaving(&body(request).await?)?;
        focus.leave_as_guest(&access_token, address).await
    };
    done(left.await)
}

fn address(request: &Request) -> Option<ClientAddress> {
    request.extensions().get::<ClientAddress>().copied()
}

fn said<T: Serialize>(result: Result<T, Refusal>) -> Response {
    match result {
        Ok(answer) => json_response(StatusCode::OK, &answer),
        Err(refusal) => refusal.into_response(),
    }
}
