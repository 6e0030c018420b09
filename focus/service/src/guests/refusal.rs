//! Why a guest does not come in, or there is no link.

use ::http::StatusCode;
use std::time::Duration;

/// No link, or no way in by one. The sentences are for the page, which may show them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestRefusal {
    /// `[guests] allowed` says no.
    #[error(
        "This organisation has no guests. An administrator can allow them: [guests] allowed = true in hanse.toml"
    )]
    Off,
    /// The room says no.
    #[error("The rules of this room (org.hanse.call_policy) admit no guests")]
    OffInRoom,
    /// The homeserver makes no users for us.
    #[error(
        "This organisation's homeserver makes no users for guests, so whoever wants to take part needs an account. \
         `hanse doctor` says why"
    )]
    NoAccounts,
    /// Only people of our own make users on our homeserver.
    #[error("Links into this room that make users here can be made by this organisation's own people only")]
    NotOurs,
    /// Their power is too little to invite.
    #[error("You may not invite people into this room, so you cannot make a link into it either")]
    MayNotInvite,
    /// The room cannot be knocked at.
    #[error(
        "Nobody can knock at this room, so guests could not ask to be let in: set its access to \"Ask to join\" (in \
         Element: room settings, Security & Privacy; the join rule `knock`)"
    )]
    NoKnocking,
    /// [`super::LINKS_PER_ROOM_MAX`], [`super::LINKS_PER_PERSON_MAX`]
    #[error(
        "There are too many links into this room, or of yours: revoke those that are not needed any more"
    )]
    TooManyLinks,
    /// No such link any more, or never. Which of it, nobody is told who may be guessing.
    #[error(
        "This link does not open anything: it may have been mistyped, used already, revoked, or be out of date"
    )]
    NoLink,
    /// No such link to revoke.
    #[error("There is no such link into this room")]
    NoSuchLink,
    /// Wrong or missing passcode.
    #[error("The passcode is not right")]
    WrongPasscode,
    /// [`super::PASSCODE_TRIES_MAX`]
    #[error("There were too many wrong passcodes for this link: ask for a new one")]
    PasscodeSpent,
    /// Too much was tried.
    #[error("Too many tries; try again in {} s", .0.as_secs().max(1))]
    TooOften(Duration),
    /// [`super::VISITS_PER_ROOM_MAX`]
    #[error("There are as many guests in this meeting as there may be")]
    RoomFull,
    /// Neither a name nor anything that could be shown as one.
    #[error("name is missing: it is what the others in the meeting see")]
    NoName,
    /// No guest has this token.
    #[error("access_token belongs to no guest of this server")]
    NotAGuest,
    /// Homeserver or store are away.
    #[error("This cannot be done at the moment; try again in a minute. The log of the focus says why")]
    Away,
}

impl GuestRefusal {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            GuestRefusal::Off
            | GuestRefusal::OffInRoom
            | GuestRefusal::NotOurs
            | GuestRefusal::MayNotInvite
            | GuestRefusal::WrongPasscode
            | GuestRefusal::PasscodeSpent => StatusCode::FORBIDDEN,
            GuestRefusal::NoAccounts => StatusCode::NOT_IMPLEMENTED,
            GuestRefusal::NoKnocking | GuestRefusal::TooManyLinks => StatusCode::CONFLICT,
            GuestRefusal::NoLink | GuestRefusal::NoSuchLink => StatusCode::NOT_FOUND,
            GuestRefusal::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            GuestRefusal::NoName => StatusCode::BAD_REQUEST,
            GuestRefusal::NotAGuest => StatusCode::UNAUTHORIZED,
            GuestRefusal::RoomFull | GuestRefusal::Away => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Our name for it, in log lines and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            GuestRefusal::Off => "guests_off",
            GuestRefusal::OffInRoom => "guests_denied_by_room",
            GuestRefusal::NoAccounts => "no_guest_accounts",
            GuestRefusal::NotOurs => "not_of_this_organisation",
            GuestRefusal::MayNotInvite => "may_not_invite",
            GuestRefusal::NoKnocking => "no_knocking",
            GuestRefusal::TooManyLinks => "too_many_links",
            GuestRefusal::NoLink => "no_link",
            GuestRefusal::NoSuchLink => "no_such_link",
            GuestRefusal::WrongPasscode => "wrong_passcode",
            GuestRefusal::PasscodeSpent => "passcode_spent",
            GuestRefusal::TooOften(_) => "guests_too_often",
            GuestRefusal::RoomFull => "too_many_guests",
            GuestRefusal::NoName => "no_name",
            GuestRefusal::NotAGuest => "not_a_guest",
            GuestRefusal::Away => "guests_away",
        }
    }

    /// What programs tell it by. Those that Matrix has no name for are ours (client-server API, "Standard error response").
    pub fn errcode(&self) -> &'static str {
        match self {
            GuestRefusal::Off | GuestRefusal::OffInRoom => "ORG.HANSE.GUESTS_OFF",
            GuestRefusal::NoAccounts => "ORG.HANSE.NO_GUEST_ACCOUNTS",
            GuestRefusal::NotOurs | GuestRefusal::MayNotInvite => "M_FORBIDDEN",
            GuestRefusal::NoKnocking => "ORG.HANSE.NO_KNOCKING",
            GuestRefusal::TooManyLinks => "ORG.HANSE.TOO_MANY_LINKS",
            GuestRefusal::NoLink => "ORG.HANSE.NO_LINK",
            GuestRefusal::NoSuchLink => "M_NOT_FOUND",
            GuestRefusal::WrongPasscode => "ORG.HANSE.WRONG_PASSCODE",
            GuestRefusal::PasscodeSpent => "ORG.HANSE.PASSCODE_SPENT",
            GuestRefusal::TooOften(_) => "M_LIMIT_EXCEEDED",
            GuestRefusal::RoomFull => "ORG.HANSE.TOO_MANY_GUESTS",
            GuestRefusal::NoName => "M_BAD_JSON",
            GuestRefusal::NotAGuest => "M_UNKNOWN_TOKEN",
            GuestRefusal::Away => "M_UNKNOWN",
        }
    }
}
