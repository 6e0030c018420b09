//! Guests' users, as the focus sees them: by way of the bridge.

use hanse_bridge::{Bridge, GuestError as NotMade, GuestStanding};
use hanse_focus::guests::{GuestAccounts, GuestError, GuestMove, GuestSession, RoomDoor};
use hanse_focus::{Answer, RoomId, ServerName, UserId};
use std::sync::Arc;
use tokio::sync::broadcast::{self, error::RecvError};

/// Moves of guests that a slow listener may be behind.
const MOVES_MAX: usize = 256;

/// The bridge behind the port of guests.
pub struct Accounts {
    bridge: Arc<Bridge>,
    moves: broadcast::Sender<GuestMove>,
}

impl Accounts {
    /// The homeservers that this bridge knows. [`Accounts::run`] is to be driven beside.
    pub fn new(bridge: Arc<Bridge>) -> Self {
        Accounts {
            bridge,
            moves: broadcast::channel(MOVES_MAX).0,
        }
    }

    /// Carries what the bridge tells of guests, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut heard = self.bridge.guest_moves();
        loop {
            match heard.recv().await {
                Ok(moved) => {
                    let moved = GuestMove {
                        user: moved.user,
                        is_ours: moved.is_ours,
                        by: moved.by,
                        room: moved.room,
                        membership: moved.membership,
                        is_direct: moved.is_direct,
                    };
                    // Nobody may be listening (yet).
                    let _ = self.moves.send(moved);
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}

impl GuestAccounts for Accounts {
    fn room_door<'a>(&'a self, room: &'a RoomId) -> Answer<'a, Result<RoomDoor, GuestError>> {
        Box::pin(async move {
            let door = self.bridge.room_door(room).await.map_err(not_made)?;
            Ok(RoomDoor {
                server: door.server,
                name: door.name,
                can_be_knocked: door.can_be_knocked,
            })
        })
    }

    fn can_make<'a>(&'a self, server: &'a ServerName) -> Answer<'a, Result<(), GuestError>> {
        Box::pin(async move {
            let standing = self.bridge.guest_standing(server).await;
            match standing.map_err(|why| not_made(why.into()))? {
                GuestStanding::Offered => Ok(()),
                GuestStanding::NotReserved => Err(not_made(NotMade::NotReserved)),
                GuestStanding::NoAccounts => Err(not_made(NotMade::NoAccounts)),
                GuestStanding::Silent(error) => Err(not_made(error.into())),
            }
        })
    }

    fn make<'a>(
        &'a self,
        user: &'a UserId,
        display_name: &'a str,
    ) -> Answer<'a, Result<GuestSession, GuestError>> {
        Box::pin(async move {
            let made = self.bridge.make_guest(user, display_name).await;
            let made = made.map_err(not_made)?;
            Ok(GuestSession {
                homeserver: made.homeserver,
                device_id: made.device_id,
                access_token: made.access_token,
            })
        })
    }

    fn end<'a>(&'a self, user: &'a UserId) -> Answer<'a, Result<(), GuestError>> {
        Box::pin(async move { self.bridge.end_guest(user).await.map_err(not_made) })
    }

    fn take_out<'a>(&'a self, user: &'a UserId, room: &'a RoomId) -> Answer<'a, Result<(), GuestError>> {
        Box::pin(async move { self.bridge.take_guest_out(user, room).await.map_err(not_made) })
    }

    fn rooms_of<'a>(&'a self, user: &'a UserId) -> Answer<'a, Result<Vec<RoomId>, GuestError>> {
        Box::pin(async move { self.bridge.guest_rooms(user).await.map_err(not_made) })
    }

    fn beside<'a>(
        &'a self,
        user: &'a UserId,
        room: &'a RoomId,
    ) -> Answer<'a, Result<Vec<UserId>, GuestError>> {
        Box::pin(async move { self.bridge.beside_guest(user, room).await.map_err(not_made) })
    }

    fn moves(&self) -> broadcast::Receiver<GuestMove> {
        self.moves.subscribe()
    }
}

fn not_made(error: NotMade) -> GuestError {
    match &error {
        NotMade::NotReserved | NotMade::NoAccounts => GuestError::NotOffered(error.to_string()),
        NotMade::NotTold(_) | NotMade::Api(_) => GuestError::Unreachable(error.to_string()),
    }
}
