//! User ids, `@localpart:server`, and room ids, `!…` (Matrix specification, appendices, "Identifier Grammar").

use crate::{ServerName, ServerNameError};
use std::fmt;
use std::str::FromStr;

/// Bytes of a user id. A longer one is none (the specification's limit).
const USER_ID_BYTES_MAX: usize = 255;

/// Bytes of a room id. A longer one is none (the specification's limit).
const ROOM_ID_BYTES_MAX: usize = 255;

/// A user id of valid form. Whether such a user exists, only the server says that it names.
///
/// Localparts may have any letters but a colon and controls: old homeservers gave out such ones, and what an unknown
/// homeserver calls its users is its own affair. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId {
    text: String,
    server: ServerName,
}

/// Why a text is no user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not `@…:…`.
    #[error("a user id is written @name:server")]
    Form,
    /// Longer than a user id may be.
    #[error("a user id has at most {USER_ID_BYTES_MAX} bytes")]
    TooLong,
    /// Something in the name that cannot be printed.
    #[error("a user id has no control characters")]
    Letter,
    /// What stands behind the colon.
    #[error(transparent)]
    Server(#[from] ServerNameError),
}

impl UserId {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The server that the user is on.
    pub fn server_name(&self) -> &ServerName {
        &self.server
    }
}

impl FromStr for UserId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (localpart, server) = text
            .strip_prefix('@')
            .and_then(|rest| rest.split_once(':'))
            .ok_or(IdError::Form)?;
        if text.len() > USER_ID_BYTES_MAX {
            return Err(IdError::TooLong);
        }
        if localpart.chars().any(char::is_control) {
            return Err(IdError::Letter);
        }
        Ok(UserId {
            server: server.parse()?,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(not shown)")
    }
}

/// A room id of valid form. What stands behind the exclamation mark means nothing to anybody: from room version 12 on it
/// names no server, and the one that older ids name may have left the room long ago. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(Box<str>);

/// Why a text is no room id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomIdError {
    /// Not `!…`.
    #[error("a room id begins with an exclamation mark")]
    Form,
    /// Longer than a room id may be.
    #[error("a room id has at most {ROOM_ID_BYTES_MAX} bytes")]
    TooLong,
    /// Something that cannot be printed.
    #[error("a room id has no control characters")]
    Letter,
}

impl RoomId {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomId {
    type Err = RoomIdError;

    fn from_str(text: &str) -> Result<Self, RoomIdError> {
        if text.strip_prefix('!').is_none_or(str::is_empty) {
            return Err(RoomIdError::Form);
        }
        if text.len() > ROOM_ID_BYTES_MAX {
            return Err(RoomIdError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(RoomIdError::Letter);
        }
        Ok(RoomId(text.into()))
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomId(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_on_the_server_behind_the_first_colon() {
        for (text, server) in [
            ("@alice:org-a.example", "org-a.example"),
            ("@Alice Müller~?>:org-a.example:8448", "org-a.example:8448"),
            ("@:org-a.example", "org-a.example"),
            ("@a:[2001:db8::1]:8448", "[2001:db8::1]:8448"),
        ] {
            let user: UserId = text.parse().unwrap();
            assert_eq!((user.as_str(), user.server_name().as_str()), (text, server));
        }
    }

    #[test]
    fn what_is_no_user_id_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<UserId>().unwrap_err();
        for text in ["", "@", "alice:org-a.example", "@alice", "#room:org-a.example"] {
            assert_eq!(refused(text), IdError::Form, "{text}");
        }
        assert_eq!(refused("@a\nb:org-a.example"), IdError::Letter);
        assert_eq!(
            refused(&format!("@{}:org-a.example", "a".repeat(255))),
            IdError::TooLong
        );
        assert_eq!(refused("@alice:"), IdError::Server(ServerNameError::NoHost));
        assert_eq!(
            refused("@alice:evil.example/@alice:org-a.example"),
            IdError::Server(ServerNameError::Letter)
        );
    }

    #[test]
    fn a_room_id_may_or_may_not_name_a_server() {
        for text in ["!r:org-a.example", "!5M-d9t8zWkQ", "!odd name:x:y", "!räum"] {
            assert_eq!(text.parse::<RoomId>().unwrap().as_str(), text);
        }
        for (text, error) in [
            ("", RoomIdError::Form),
            ("!", RoomIdError::Form),
            ("#room:org-a.example", RoomIdError::Form),
            ("!r\n", RoomIdError::Letter),
            (&format!("!{}", "r".repeat(255)), RoomIdError::TooLong),
        ] {
            assert_eq!(text.parse::<RoomId>(), Err(error), "{text:.20}");
        }
        let shown = format!("{:?}", "!secret".parse::<RoomId>().unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn no_form_for_developers_shows_a_user() {
        let user: UserId = "@alice:org-a.example".parse().unwrap();
        let shown = format!("{user:?}");
        assert!(!shown.contains("alice") && !shown.contains("org-a"), "{shown}");
    }
}
