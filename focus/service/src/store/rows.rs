//! What is stored, as values.

use super::DatabaseError;
use crate::delayed_leave::Seat;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use hanse_matrixrtc::{RoomId, ServerName, UserId};

/// Bytes of one stored text. A longer one is refused with [`DatabaseError::Unfit`]: no room, identity or delay id is that
/// long, and two of them must fit into one key of an index.
pub const TEXT_BYTES_MAX: usize = 1024;

/// A text that can be stored, or why not.
pub(super) fn fit(what: &'static str, text: &str) -> Result<String, DatabaseError> {
    if text.len() > TEXT_BYTES_MAX || text.contains('\0') {
        return Err(DatabaseError::Unfit(what));
    }
    Ok(text.to_owned())
}

/// A time or a span as both databases have it. Beyond the year 292 million it stands still.
pub(super) fn stored_ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// And back.
pub(super) fn read_ms(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// Names one running process among those that share a database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProcessId(String);

impl ProcessId {
    /// A process that is known by this name: letters, digits, `-`, `_` and `.`, at most 64. `None` for any other.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        fits.then(|| ProcessId(name.to_owned()))
    }

    /// The name as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that no other process has.
    pub(super) fn random() -> Result<Self, DatabaseError> {
        let mut bytes = [0; 16];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| DatabaseError::Refused("the system gives no random numbers".to_owned()))?;
        Ok(ProcessId(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }
}

/// Somebody who was let into a call, so that a change in the Matrix room finds the seat again after a restart. `Debug`
/// names nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmittedSeat {
    /// Where on the SFU: the key.
    pub seat: Seat,
    /// The Matrix room.
    pub room_id: RoomId,
    /// Who sits there.
    pub user: UserId,
    /// When, in Unix milliseconds.
    pub admitted_at_ms: u64,
}

/// A homeserver whose people are let into no call here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedHomeserver {
    /// Its name.
    pub server: ServerName,
    /// Since when, in Unix milliseconds.
    pub blocked_at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_short_plain_name() {
        assert_eq!(ProcessId::new("hanse-0.a_b").unwrap().as_str(), "hanse-0.a_b");
        for name in ["", "a b", "ä", "a'b", &"a".repeat(65)] {
            assert_eq!(ProcessId::new(name), None, "{name}");
        }
    }

    #[test]
    fn no_two_runs_have_the_same_random_name() {
        let name = ProcessId::random().unwrap();
        assert_eq!(ProcessId::new(name.as_str()).as_ref(), Some(&name));
        assert_ne!(name, ProcessId::random().unwrap());
    }

    #[test]
    fn what_both_databases_can_hold_fits_and_nothing_else() {
        assert!(fit("a room", &"a".repeat(TEXT_BYTES_MAX)).is_ok());
        assert_eq!(
            fit("a room", &"a".repeat(TEXT_BYTES_MAX + 1)),
            Err(DatabaseError::Unfit("a room"))
        );
        assert_eq!(fit("a room", "a\0b"), Err(DatabaseError::Unfit("a room")));
    }

    #[test]
    fn times_that_cannot_be_stored_stand_still_at_the_ends() {
        assert_eq!(read_ms(stored_ms(u64::MAX)), i64::MAX as u64);
        assert_eq!(read_ms(-1), 0);
    }

    #[test]
    fn no_form_for_developers_shows_who_it_is_about() {
        let seat = AdmittedSeat {
            seat: Seat {
                room: "secret-room".into(),
                identity: "secret-identity".into(),
            },
            room_id: "!secret:org-a.example".parse().unwrap(),
            user: "@secret:org-a.example".parse().unwrap(),
            admitted_at_ms: 3,
        };
        let shown = format!("{seat:?}");
        assert!(!shown.contains("secret") && !shown.contains("org-a"), "{shown}");
    }
}
