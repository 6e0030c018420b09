//! What guests need of our homeservers, as a trait. Its adapter is in `deploy/hanse`.

use crate::ports::Answer;
use hanse_matrixrtc::{Membership, RoomId, ServerName, UserId};
use hanse_runtime::Secret;
use tokio::sync::broadcast;

/// Our homeservers, as far as they make users for guests.
///
/// An adapter bounds each answer by some twenty seconds.
pub trait GuestAccounts: Send + Sync {
    /// How a room whose events reach us looks from outside.
    fn room_door<'a>(&'a self, room: &'a RoomId) -> Answer<'a, Result<RoomDoor, GuestError>>;

    /// Whether this homeserver can make users for guests; makes none.
    fn can_make<'a>(&'a self, server: &'a ServerName) -> Answer<'a, Result<(), GuestError>>;

    /// Makes a user with a device. After an error the user may be there all the same.
    fn make<'a>(
        &'a self,
        user: &'a UserId,
        display_name: &'a str,
    ) -> Answer<'a, Result<GuestSession, GuestError>>;

    /// Deactivates a user and has erased what can be. Done as well when there is none.
    fn end<'a>(&'a self, user: &'a UserId) -> Answer<'a, Result<(), GuestError>>;

    /// Has a user decline an invitation, or leave a room.
    fn take_out<'a>(&'a self, user: &'a UserId, room: &'a RoomId) -> Answer<'a, Result<(), GuestError>>;

    /// Tells how guests stand to rooms, whichever these are, from now on.
    fn moves(&self) -> broadcast::Receiver<GuestMove>;
}

/// A room as seen from outside its door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomDoor {
    /// The homeserver of ours by which we know it.
    pub server: ServerName,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether one may knock.
    pub can_be_knocked: bool,
}

/// What lets the page of a guest act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestSession {
    /// Where the page reaches the homeserver.
    pub homeserver: String,
    /// Which device.
    pub device_id: String,
    /// What proves it.
    pub access_token: Secret<String>,
}

/// How a guest stands to a room, as a homeserver told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestMove {
    /// Who.
    pub user: UserId,
    /// To which room.
    pub room: RoomId,
    /// How.
    pub membership: Membership,
}

/// Why there is no guest, or one who should be gone is still there. Sentences are for the log: they name nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// The homeserver makes no users with devices for us.
    #[error("{0}")]
    NotOffered(String),
    /// It does not answer, or not as it should.
    #[error("{0}")]
    Unreachable(String),
}
