//! How somebody stands to the Matrix room of a call, as far as anybody tells us.

use crate::ports::{Rooms, RoomsError};
use crate::refusal::Refusal;
use hanse_matrixrtc::{Membership, RoomFacts, RoomId, UserId};
use hanse_runtime::Redacted;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until};

/// How long somebody is waited for who is not in the room: a join may be on its way between homeservers, and Element Call
/// takes a refusal for final.
pub const JOIN_PATIENCE: Duration = Duration::from_secs(3);

/// Pause between two questions about somebody who is waited for.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// What is known about somebody who may be admitted.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// Everything that counts: the room's events reach us. They may still say that somebody is not in it.
    Known(Arc<RoomFacts>),
    /// They are in the room, and nothing else.
    Joined,
    /// They are who they say, and nothing else: no homeserver tells us about rooms.
    Unknown,
}

impl Standing {
    /// Its name in log lines.
    pub const fn name(&self) -> &'static str {
        match self {
            Standing::Known(_) => "known",
            Standing::Joined => "joined",
            Standing::Unknown => "unknown",
        }
    }

    /// The room's facts, where they are known.
    pub fn facts(&self) -> Option<&RoomFacts> {
        match self {
            Standing::Known(facts) => Some(facts),
            Standing::Joined | Standing::Unknown => None,
        }
    }
}

/// Finds out, and waits up to [`JOIN_PATIENCE`] for somebody who is not in the room.
///
/// # Errors
///
/// When they are not in it, or when whoever should know does not answer.
pub(crate) async fn standing(rooms: &dyn Rooms, room: &RoomId, user: &UserId) -> Result<Standing, Refusal> {
    let deadline = Instant::now() + JOIN_PATIENCE;
    let mut changes = rooms.changes();
    loop {
        let refusal = match ask(rooms, room, user).await {
            Ok(standing) => return Ok(standing),
            Err(refusal) => refusal,
        };
        let changed = async {
            loop {
                match changes.recv().await {
                    Ok(changed) if changed == *room => return,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return,
                    // Nobody tells any more.
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = changed => {}
            () = sleep(ASK_AGAIN) => {}
            () = sleep_until(deadline) => return Err(refusal),
        }
    }
}

async fn ask(rooms: &dyn Rooms, room: &RoomId, user: &UserId) -> Result<Standing, Refusal> {
    if let Some(facts) = rooms.facts(room) {
        return match facts.membership(user) {
            // Waiting for somebody who is banned would be in vain.
            Membership::Join | Membership::Ban => Ok(Standing::Known(facts)),
            _ => Err(Refusal::Denied(crate::policy::Denied::NotJoined)),
        };
    }
    match rooms.is_joined(room, user).await {
        Ok(true) => Ok(Standing::Joined),
        Ok(false) => Err(Refusal::Denied(crate::policy::Denied::NotJoined)),
        Err(RoomsError::NotTold(reason)) => {
            tracing::debug!(room = %Redacted(room.as_str()), "admitted by OpenID alone: {reason}");
            Ok(Standing::Unknown)
        }
        Err(error @ RoomsError::Unreachable(_)) => {
            tracing::warn!(room = %Redacted(room.as_str()), "{error}");
            Err(Refusal::HomeserverAway)
        }
    }
}
