//! One line for each request, with fields that `docs/operation.md` explains, and the metrics that go with it. Who asked is
//! a tag in it; the path is one of our routes or `other`, because what a stranger asks for may name somebody.
//!
//! Browsers' questions whether they may ask (`OPTIONS`) and `/healthz` make no line.

use crate::admission::Focus;
use crate::guests::http::PATHS;
use crate::metrics::{REQUEST_DURATION, REQUESTS};
use crate::policy::Role;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hanse_matrixrtc::UserId;
use hanse_runtime::Redacted;
use http::StatusCode;
use std::sync::Arc;
use std::time::Instant;

/// What is written as status when whoever asked has gone before the answer; reverse proxies write the same.
const ASKER_GONE: u16 = 499;

/// What is known about a request beside its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// Who asked, once it is proven.
    pub user: Option<UserId>,
    /// What they are in the call.
    pub role: Option<Role>,
    /// How much is known of the Matrix room: `known`, `joined` or `unknown`.
    pub grade: Option<&'static str>,
}

/// Why there was nothing to be had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// Matrix' name for it, as it was answered.
    pub errcode: &'static str,
    /// Our own.
    pub reason: &'static str,
}

impl Notes {
    /// Sends them along with the answer, as far as [`note`].
    pub fn beside(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }
}

/// Has a request answered, and writes its line.
pub(crate) async fn note(State(focus): State<Arc<Focus>>, request: Request, next: Next) -> Response {
    let Some(route) = route(request.uri().path()) else {
        return next.run(request).await;
    };
    let line = Line {
        route,
        began: focus.now().instant,
        focus,
        response: None,
    };
    let mut response = next.run(request).await;
    line.end(Answered {
        status: response.status(),
        notes: response.extensions_mut().remove().unwrap_or_default(),
        refused: response.extensions_mut().remove(),
    });
    response
}

/// `None`: not of interest.
fn route(path: &str) -> Option<&'static str> {
    const OWN: [&str; 6] = [
        "/sfu/get",
        "/get_token",
        "/delegate_delayed_leave",
        "/sfu_webhook",
        "/moderate",
        "/examine",
    ];
    /// What homeservers pass on: how the path begins and ends, and our name for it.
    const SIGNED: [(&str, &str, &str); 3] = [
        ("/_matrix/client/", "/rtc/livekit/get_token", "client/get_token"),
        (
            "/_matrix/federation/",
            "/rtc/livekit/get_token",
            "federation/get_token",
        ),
        (
            "/_matrix/client/",
            "/rtc/livekit/delegate_delayed_leave",
            "client/delegate_delayed_leave",
        ),
    ];
    if path == "/healthz" {
        return None;
    }
    let mut own = OWN.into_iter().chain(PATHS);
    let own = own.find(|route| *route == path);
    let signed = || {
        let mut signed = SIGNED.into_iter();
        signed.find(|(start, end, _)| path.starts_with(start) && path.ends_with(end))
    };
    Some(
        own.or_else(|| signed().map(|(_, _, route)| route))
            .unwrap_or("other"),
    )
}

struct Answered {
    status: StatusCode,
    notes: Notes,
    refused: Option<Refused>,
}

/// Written when it is dropped: also for a request that nobody waits for any more.
struct Line {
    route: &'static str,
    began: Instant,
    focus: Arc<Focus>,
    response: Option<Answered>,
}

impl Line {
    fn end(mut self, answered: Answered) {
        self.response = Some(answered);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let took = self.focus.now().instant.saturating_duration_since(self.began);
        let answered = self.response.take();
        let outcome = match &answered {
            None => "asker_gone",
            Some(answered) => match answered.refused {
                Some(refused) => refused.reason,
                None if answered.status.is_success() => "ok",
                // What axum itself answers: 405.
                None => "not_understood",
            },
        };
        REQUESTS.add(1, [self.route.into(), outcome.into()]);
        REQUEST_DURATION.observe(took, [self.route.into()]);
        let status = answered
            .as_ref()
            .map_or(ASKER_GONE, |answered| answered.status.as_u16());
        let errcode = answered
            .as_ref()
            .and_then(|answered| answered.refused)
            .map(|refused| refused.errcode);
        let notes = answered.map(|answered| answered.notes).unwrap_or_default();
        let user = notes.user.as_ref();
        tracing::info!(
            target: "hanse_focus::request",
            route = self.route,
            status,
            errcode,
            reason = (outcome != "ok").then_some(outcome),
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            user = user.map(|user| tracing::field::display(Redacted(user.as_str()))),
            homeserver = user.map(|user| tracing::field::display(Redacted(user.server_name().as_str()))),
            role = notes.role.map(Role::as_str),
            grade = notes.grade,
            "request"
        );
    }
}
