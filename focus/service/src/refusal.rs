//! Why somebody gets no token: one enum, one mapping to Matrix errors. Statuses and codes are those of Element's service,
//! because clients act on them; the sentences are ours, and written for administrators, who see them in the browser's
//! developer tools. They repeat nothing of what was sent.

use hanse_matrixrtc::BodyError;
use http::StatusCode;
use std::time::Duration;

/// No token, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is larger than [`crate::http::BODY_BYTES_MAX`].
    #[error(
        "The request is too large: at most {} bytes are read.",
        crate::http::BODY_BYTES_MAX
    )]
    TooLarge,
    /// The body broke off, or took longer than [`crate::http::BODY_TIMEOUT`].
    #[error("The request broke off before its body was complete.")]
    BrokenOff,
    /// The body is no JSON.
    #[error("Error reading request: {0}.")]
    NotJson(BodyError),
    /// The body is JSON of the wrong shape.
    #[error("Error reading request: {0}.")]
    Shape(BodyError),
    /// A field is missing, empty or too long, or does not fit the others.
    #[error("{0}.")]
    BadField(&'static str),
    /// Nobody vouches for whoever asks.
    #[error("The request could not be authorised. {0}.")]
    NotAuthorised(NotAuthorised),
    /// Delayed leaves are taken over for members who may publish here only.
    #[error(
        "Delayed leaves are taken over for users of this focus' own homeservers only (full_access_homeservers); ask again \
         without delay_id and delay_timeout."
    )]
    ForeignDelay,
    /// More than [`crate::limiter`] allows.
    #[error("Too many requests; ask again in {} s.", .0.as_secs().max(1))]
    TooOften(Duration),
    /// A token could not be signed.
    #[error("Internal Server Error: the token could not be signed.")]
    NoToken,
    /// The SFU made no room.
    #[error("Unable to create room on SFU. The log of the focus says why.")]
    NoRoom,
}

/// Why nobody vouches for whoever asks. What exactly went wrong on the way to a homeserver is for our log only: a
/// stranger chose the name, and must not learn from the answer what is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthorised {
    /// The homeserver did not give out this token, or it has expired, or the homeserver vouches for someone else's user.
    #[error(
        "The homeserver that matrix_server_name names does not vouch for this OpenID token: it may have expired, or come \
         from another homeserver"
    )]
    Token,
    /// `claimed_user_id` is somebody else.
    #[error("The OpenID token belongs to another user than claimed_user_id")]
    Claim,
    /// No server name.
    #[error("matrix_server_name is not the name of a server")]
    Name,
    /// No answer.
    #[error(
        "The homeserver that matrix_server_name names could not be asked. Its federation API \
         (/_matrix/federation/v1/openid/userinfo) must be reachable from this focus; the log of the focus says what went \
         wrong"
    )]
    NoAnswer,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BrokenOff
            | Refusal::NotJson(_)
            | Refusal::Shape(_)
            | Refusal::BadField(_)
            | Refusal::ForeignDelay => StatusCode::BAD_REQUEST,
            Refusal::NotAuthorised(_) => StatusCode::UNAUTHORIZED,
            Refusal::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::NoToken | Refusal::NoRoom => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Matrix' name for it (client-server API, "Common error codes").
    pub fn errcode(&self) -> &'static str {
        match self {
            Refusal::TooLarge => "M_TOO_LARGE",
            Refusal::BrokenOff | Refusal::NotJson(_) => "M_NOT_JSON",
            Refusal::Shape(_) | Refusal::BadField(_) | Refusal::ForeignDelay => "M_BAD_JSON",
            Refusal::NotAuthorised(_) => "M_UNAUTHORIZED",
            Refusal::TooOften(_) => "M_LIMIT_EXCEEDED",
            Refusal::NoToken | Refusal::NoRoom => "M_UNKNOWN",
        }
    }
}
