//! Why somebody gets no token: one enum, one mapping to Matrix errors. Statuses and codes are those of Element's service,
//! because clients act on them; the sentences are ours, and written for administrators, who see them in the browser's
//! developer tools. They repeat nothing of what was sent.

use crate::delayed_leave::LeaveRefusal;
use crate::guests::GuestRefusal;
use crate::policy::Denied;
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
    /// A field of a request by way of a homeserver says what does not hold, or a header of it does.
    #[error("{0}.")]
    BadParameter(&'static str),
    /// A request by way of a homeserver without the token by which that proves itself.
    #[error(
        "There is no hs_token: these paths are for homeservers that have Hanse registered as their application service."
    )]
    NoHomeserverToken,
    /// The token of no homeserver of ours that passes requests on.
    #[error(
        "This hs_token is in no registration of this focus by which a homeserver passes requests on (hanse setup --signed)."
    )]
    WrongHomeserverToken,
    /// Whoever asks by way of homeservers may not.
    #[error("{0}.")]
    Forbidden(&'static str),
    /// None of our homeservers says who is in a room, and nobody else is believed.
    #[error(
        "No homeserver of this organisation says who is in the Matrix room: the registration needs the scope of MSC4502, and          homeserver.yaml needs msc4502_enabled."
    )]
    RoomsNotTold,
    /// Another organisation's focus says why not.
    #[error("The focus of the other organisation refuses: {0}.")]
    OtherFocusRefuses(String),
    /// Another organisation's focus says what is wrong with the request.
    #[error("The focus of the other organisation cannot use the request: {0}.")]
    OtherFocusDoesNotUnderstand(String),
    /// Another organisation's homeserver or focus gives no answer that helps anybody.
    #[error(
        "The other organisation's homeserver did not answer as one with a focus behind it does. The log of this          organisation's focus says more."
    )]
    OtherFocusAway,
    /// A delayed leave without its delay, about which the homeserver does not say anything.
    #[error(
        "The homeserver does not say how long the delayed leave waits, so it is not taken over: ask again with          delay_timeout (milliseconds)."
    )]
    DelayNotTold,
    /// Nobody vouches for whoever asks.
    #[error("The request could not be authorised. {0}.")]
    NotAuthorised(NotAuthorised),
    /// Delayed leaves are taken over for members who may publish here only.
    #[error(
        "Delayed leaves are taken over for users of this focus' own homeservers only (full_access_homeservers); ask again \
         without delay_id and delay_timeout."
    )]
    ForeignDelay,
    /// The same, where nothing else is asked for.
    #[error(
        "Delayed leaves are taken over for users of this focus' own homeservers only (full_access_homeservers)."
    )]
    ForeignLeave,
    /// A delayed leave cannot be taken over at the moment. Its client keeps it alive itself.
    #[error("The delayed leave is not taken over: {0}.")]
    NoLeave(LeaveRefusal),
    /// A webhook that the SFU did not sign.
    #[error(
        "The webhook is not signed by the SFU of this focus: the Authorization header must be a token that was signed with \
         the focus' API key for exactly this body, and is at most some minutes old."
    )]
    ForgedWebhook,
    /// A webhook that is signed and makes no sense.
    #[error("The webhook is not valid JSON, or none that LiveKit sends.")]
    BadWebhook,
    /// More than [`crate::limiter`] allows.
    #[error("Too many requests; ask again in {} s.", .0.as_secs().max(1))]
    TooOften(Duration),
    /// Who they are is proven, and they may not be in the call.
    #[error("{0}.")]
    Denied(Denied),
    /// Our own homeserver does not say who is in the room.
    #[error(
        "Whether you are in the Matrix room cannot be found out at the moment: this organisation's homeserver does not \
         answer its focus. Try again in a moment."
    )]
    HomeserverAway,
    /// Who may act on others in a room, only its events say.
    #[error(
        "Calls can be moderated in rooms whose events reach Hanse: invite its user (@hanse:, then the name of your \
         homeserver) into this one."
    )]
    RoomNotFollowed,
    /// Nobody to act on.
    #[error("They are not in this call, or not on this organisation's server: ask the focus of their own.")]
    NotInCall,
    /// The SFU did not do what a moderator wants.
    #[error("The SFU did not answer, so it may not have been done. The log of the focus says why.")]
    SfuAway,
    /// About guests and their links.
    #[error("{0}.")]
    Guests(#[from] GuestRefusal),
    /// [`crate::seats::SEATS_MAX`] seats are given.
    #[error("This focus has given away all its seats.")]
    TooManySeats,
    /// A token could not be signed.
    #[error("Internal Server Error: the token could not be signed.")]
    NoToken,
    /// The SFU makes no more rooms, because it is about to stop.
    #[error(
        "This server is about to be stopped or upgraded and begins no new calls; those that go on are not touched. Try again \
         in a minute."
    )]
    Draining,
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
    /// Our homeserver does not say which user asks.
    #[error("The homeserver does not say who asks: X-Matrix-User-Identifier is not there, or there twice")]
    NoUser,
    /// Our homeserver does not say which other one asks.
    #[error("The homeserver does not say which other one asks: X-Matrix-Origin is not there, or there twice")]
    NoOrigin,
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
            Refusal::Guests(refusal) => refusal.status(),
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BrokenOff
            | Refusal::NotJson(_)
            | Refusal::Shape(_)
            | Refusal::BadField(_)
            | Refusal::BadParameter(_)
            | Refusal::OtherFocusDoesNotUnderstand(_)
            | Refusal::ForeignDelay
            | Refusal::BadWebhook => StatusCode::BAD_REQUEST,
            Refusal::NotAuthorised(_)
            | Refusal::NoHomeserverToken
            | Refusal::WrongHomeserverToken
            | Refusal::ForgedWebhook => StatusCode::UNAUTHORIZED,
            Refusal::Denied(_)
            | Refusal::Forbidden(_)
            | Refusal::OtherFocusRefuses(_)
            | Refusal::RoomNotFollowed
            | Refusal::ForeignLeave => StatusCode::FORBIDDEN,
            Refusal::NotInCall => StatusCode::NOT_FOUND,
            Refusal::HomeserverAway
            | Refusal::RoomsNotTold
            | Refusal::DelayNotTold
            | Refusal::SfuAway
            | Refusal::TooManySeats
            | Refusal::Draining
            | Refusal::NoLeave(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::OtherFocusAway => StatusCode::BAD_GATEWAY,
            Refusal::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::NoToken | Refusal::NoRoom => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Our name for it, in log lines and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::Guests(refusal) => refusal.name(),
            Refusal::TooLarge => "too_large",
            Refusal::BrokenOff => "broken_off",
            Refusal::NotJson(_) => "not_json",
            Refusal::Shape(_) => "bad_shape",
            Refusal::BadField(_) => "bad_field",
            Refusal::NotAuthorised(NotAuthorised::Token) => "openid_refused",
            Refusal::NotAuthorised(NotAuthorised::Claim) => "claims_another_user",
            Refusal::NotAuthorised(NotAuthorised::Name) => "no_server_name",
            Refusal::NotAuthorised(NotAuthorised::NoUser) => "no_user",
            Refusal::NotAuthorised(NotAuthorised::NoOrigin) => "no_origin",
            Refusal::BadParameter(_) => "bad_parameter",
            Refusal::NoHomeserverToken => "no_homeserver_token",
            Refusal::WrongHomeserverToken => "wrong_homeserver_token",
            Refusal::Forbidden(_) => "forbidden",
            Refusal::RoomsNotTold => "rooms_not_told",
            Refusal::OtherFocusRefuses(_) => "other_focus_refuses",
            Refusal::OtherFocusDoesNotUnderstand(_) => "other_focus_does_not_understand",
            Refusal::OtherFocusAway => "other_focus_away",
            Refusal::DelayNotTold => "delay_not_told",
            Refusal::NotAuthorised(NotAuthorised::NoAnswer) => "homeserver_not_asked",
            Refusal::ForeignDelay | Refusal::ForeignLeave => "foreign_leave",
            Refusal::NoLeave(_) => "leave_not_taken",
            Refusal::ForgedWebhook => "forged_webhook",
            Refusal::BadWebhook => "bad_webhook",
            Refusal::TooOften(_) => "too_often",
            Refusal::Denied(denied) => denied.name(),
            Refusal::HomeserverAway => "own_homeserver_away",
            Refusal::RoomNotFollowed => "room_not_followed",
            Refusal::NotInCall => "not_in_call",
            Refusal::SfuAway => "sfu_away",
            Refusal::TooManySeats => "too_many_seats",
            Refusal::NoToken => "no_token",
            Refusal::Draining => "draining",
            Refusal::NoRoom => "no_room",
        }
    }

    /// Matrix' name for it (client-server API, "Common error codes").
    pub fn errcode(&self) -> &'static str {
        match self {
            Refusal::Guests(refusal) => refusal.errcode(),
            Refusal::TooLarge => "M_TOO_LARGE",
            Refusal::BrokenOff | Refusal::NotJson(_) | Refusal::BadWebhook => "M_NOT_JSON",
            Refusal::Shape(_) | Refusal::BadField(_) | Refusal::ForeignDelay => "M_BAD_JSON",
            Refusal::BadParameter(_) | Refusal::OtherFocusDoesNotUnderstand(_) => "M_INVALID_PARAM",
            Refusal::NoHomeserverToken => "M_MISSING_TOKEN",
            Refusal::WrongHomeserverToken => "M_UNKNOWN_TOKEN",
            Refusal::NotAuthorised(_) | Refusal::ForgedWebhook => "M_UNAUTHORIZED",
            Refusal::Denied(_)
            | Refusal::Forbidden(_)
            | Refusal::OtherFocusRefuses(_)
            | Refusal::RoomNotFollowed
            | Refusal::ForeignLeave => "M_FORBIDDEN",
            Refusal::NotInCall => "M_NOT_FOUND",
            Refusal::TooOften(_) => "M_LIMIT_EXCEEDED",
            Refusal::HomeserverAway
            | Refusal::RoomsNotTold
            | Refusal::OtherFocusAway
            | Refusal::DelayNotTold
            | Refusal::SfuAway
            | Refusal::TooManySeats
            | Refusal::NoLeave(_)
            | Refusal::NoToken
            | Refusal::Draining
            | Refusal::NoRoom => "M_UNKNOWN",
        }
    }
}
