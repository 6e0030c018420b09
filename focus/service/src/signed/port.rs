//! What this form needs of our homeservers.

use crate::ports::{Answer, RoomsError};
use hanse_matrixrtc::{RoomId, ServerName, UserId};
use serde_json::Value;
use std::time::Duration;

/// How long another organisation's answer is waited for. Our homeserver gives up on us after 30 s, of which up to 6 may have
/// gone into looking at the room.
pub const FEDERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// How long our homeserver may take to say what it knows about a delayed event.
pub const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(6);

/// Our own homeservers, beyond what [`crate::Rooms`] asks of them.
pub trait OwnHomeservers: Send + Sync {
    /// Which of them proves itself by this token (`hs_token`), compared in constant time; `None`: none.
    fn server_of(&self, hs_token: &[u8]) -> Option<ServerName>;

    /// Whether anybody of a homeserver is in a room, as one of ours knows it.
    fn is_server_joined<'a>(
        &'a self,
        room: &'a RoomId,
        server: &'a ServerName,
    ) -> Answer<'a, Result<bool, RoomsError>>;

    /// Has our homeserver `own` sign a request (`POST`) and send it to another one (MSC4512). Given up after
    /// [`FEDERATION_TIMEOUT`].
    fn forward<'a>(
        &'a self,
        own: &'a ServerName,
        destination: &'a ServerName,
        path: &'a str,
        body: &'a Value,
    ) -> Answer<'a, Result<Forwarded, RoomsError>>;

    /// What the user's homeserver, one of ours, knows about a delayed event of theirs (MSC4140); `None`: they have none of
    /// that id. Given up after [`LOOK_UP_TIMEOUT`].
    fn look_up_delay<'a>(
        &'a self,
        user: &'a UserId,
        delay_id: &'a str,
    ) -> Answer<'a, Result<Option<LookedUp>, RoomsError>>;
}

/// What the other homeserver answered, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Of HTTP.
    pub status: u16,
    /// `Null` where it was no JSON.
    pub content: Value,
}

/// A delayed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// Into which room it goes.
    pub room: String,
    /// How long the homeserver waits before it sends it, in ms.
    pub delay_ms: u64,
}
