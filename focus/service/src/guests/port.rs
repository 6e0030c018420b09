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

    /// The rooms that a user is in.
    fn rooms_of<'a>(&'a self, user: &'a UserId) -> Answer<'a, Result<Vec<RoomId>, GuestError>>;

    /// Who else is in a room that a user is in, or is invited there, or knocks.
    fn beside<'a>(
        &'a self,
        user: &'a UserId,
        room: &'a RoomId,
    ) -> Answer<'a, Result<Vec<UserId>, GuestError>>;

    /// Tells how guests stand to rooms, whichever these are, and who else comes and goes there, from now on.
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

/// How a guest stands to a room, as a homeserver told; or somebody else, to a room of which we hear for a guest's sake alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestMove {
    /// Who.
    pub user: UserId,
    /// Whether they are a guest of ours.
    pub is_ours: bool,
    /// Who says so: whoever invited, or they themselves.
    pub by: UserId,
    /// To which room.
    pub room: RoomId,
    /// How.
    pub membership: Membership,
    /// Whether it is an invitation to a conversation of two (`is_direct`).
    pub is_direct: bool,
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
