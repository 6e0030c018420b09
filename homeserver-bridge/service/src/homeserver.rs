//! One homeserver of ours: what we ask it, what it tells us, and what we know of its rooms.

use crate::client::{ApiError, Client};
use crate::guests::GuestMove;
use crate::registration::Registration;
use crate::rooms::{Keeper, Told};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use hanse_matrixrtc::room_facts::ROOM_MEMBER;
use hanse_matrixrtc::{Event, Membership, RoomFacts, RoomId, ServerName, UserId};
use hanse_runtime::Secret;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, broadcast, mpsc, oneshot};

/// For at most this long a transaction waits to be applied; then the homeserver is told to send it again.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(50);

/// What a homeserver lets us know about rooms, as seen when it was last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not asked yet.
    Unknown,
    /// It does not answer, or not as it should.
    Silent(ApiError),
    /// It takes the registration's token for somebody else's.
    OtherUser,
    /// Who is in any room can be asked, and rooms that invite the bridge user are told of.
    Full,
    /// Rooms that invite the bridge user are told of; of others nothing is known.
    OnlyInvited,
    /// It does not reach us, so it tells us of no room; `is_joined`: whether who is in a room can be asked.
    NotPushed {
        /// Whether MSC4502 is offered.
        is_joined: bool,
    },
}

/// See the module's page.
pub(crate) struct Homeserver {
    /// As it was at the start; which tokens hold now, say `hs_tokens` and the client.
    pub(crate) registration: Registration,
    hs_tokens: RwLock<Vec<Secret<String>>>,
    pub(crate) client: Client,
    pub(crate) facts: Facts,
    standing: Mutex<Standing>,
    /// Held while a transaction is applied: the id of the last one. The homeserver sends one at a time, so only that one can
    /// come again; and a homeserver that was set up anew counts from 1 again.
    applied: Turn<Option<String>>,
    told: mpsc::Sender<Told>,
    guest_moves: broadcast::Sender<GuestMove>,
}

/// What holds in the rooms that we are told of.
pub(crate) struct Facts {
    rooms: RwLock<HashMap<RoomId, Arc<RoomFacts>>>,
    changes: broadcast::Sender<RoomId>,
}

impl Facts {
    pub(crate) fn of(&self, room: &RoomId) -> Option<Arc<RoomFacts>> {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.get(room).cloned()
    }

    /// Notes what holds in a room, or (`None`) that we are not told of it any more; tells of a change.
    pub(crate) fn set(&self, room: &RoomId, facts: Option<RoomFacts>) {
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        let before = rooms.get(room);
        if before.map(AsRef::as_ref) == facts.as_ref() {
            return;
        }
        match facts {
            Some(facts) => rooms.insert(room.clone(), Arc::new(facts)),
            None => rooms.remove(room),
        };
        drop(rooms);
        self.tell(room);
    }

    /// Changes what holds in a room. `change` says whether it changed anything.
    pub(crate) fn change<T>(
        &self,
        room: &RoomId,
        change: impl FnOnce(&mut RoomFacts) -> (bool, T),
    ) -> Option<T> {
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        let (changed, outcome) = change(Arc::make_mut(rooms.get_mut(room)?));
        drop(rooms);
        if changed {
            self.tell(room);
        }
        Some(outcome)
    }

    pub(crate) fn rooms(&self) -> Vec<RoomId> {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.keys().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn tell(&self, room: &RoomId) {
        // Without anybody who listens nobody needs to know.
        let _listeners = self.changes.send(room.clone());
    }
}

impl Homeserver {
    /// A homeserver, and who looks after its rooms.
    pub(crate) fn new(
        registration: Registration,
        client: Client,
        changes: broadcast::Sender<RoomId>,
        guest_moves: broadcast::Sender<GuestMove>,
    ) -> (Arc<Self>, Keeper) {
        let (told, tells) = mpsc::channel(1);
        let homeserver = Arc::new(Homeserver {
            hs_tokens: RwLock::new(registration.hs_tokens().cloned().collect()),
            registration,
            client,
            facts: Facts {
                rooms: RwLock::default(),
                changes,
            },
            standing: Mutex::new(Standing::Unknown),
            applied: Turn::default(),
            told,
            guest_moves,
        });
        let keeper = Keeper::new(Arc::clone(&homeserver), tells);
        (homeserver, keeper)
    }

    pub(crate) fn server_name(&self) -> &ServerName {
        self.registration.server_name()
    }

    pub(crate) fn bridge_user(&self) -> &UserId {
        &self.registration.bridge_user
    }

    /// Whether this is a token by which this homeserver proves itself.
    pub(crate) fn is_token(&self, token: &[u8]) -> bool {
        let expected = self.hs_tokens.read().unwrap_or_else(PoisonError::into_inner);
        // All are compared, each in constant time.
        let same = expected
            .iter()
            .filter(|expected| verify_slices_are_equal(expected.expose().as_bytes(), token).is_ok());
        same.count() > 0
    }

    /// Puts the tokens of a registration in place of those that held before.
    pub(crate) fn change_tokens(&self, registration: &Registration) {
        let mut hs_tokens = self.hs_tokens.write().unwrap_or_else(PoisonError::into_inner);
        *hs_tokens = registration.hs_tokens().cloned().collect();
        self.client
            .change_tokens(registration.as_tokens().cloned().collect());
    }

    /// Has a transaction applied, once, after those before it. `false`: that could not be done.
    pub(crate) async fn receive(&self, id: String, events: Vec<Event>) -> bool {
        let applied = async {
            let mut applied = self.applied.lock().await;
            if applied.as_ref() == Some(&id) {
                return true;
            }
            let (done, is_done) = oneshot::channel();
            if self.told.send(Told { events, done }).await.is_err() || is_done.await.is_err() {
                return false;
            }
            *applied = Some(id);
            true
        };
        tokio::time::timeout(TRANSACTION_TIMEOUT, applied)
            .await
            .unwrap_or(false)
    }

    /// Tells of a guest of this homeserver.
    pub(crate) fn tell_of_guest(&self, moved: GuestMove) {
        // Without anybody who listens nobody needs to know.
        let _listeners = self.guest_moves.send(moved);
    }

    /// What the homeserver lets us know, as last seen.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes it; whether it is otherwise than before.
    pub(crate) fn set_standing(&self, standing: Standing) -> bool {
        let mut place = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *place != standing;
        *place = standing;
        changed
    }

    /// Whether anybody of a homeserver is in a room; `None`: this homeserver does not say.
    pub(crate) async fn is_server_joined(
        &self,
        room: &RoomId,
        server: &ServerName,
    ) -> Result<Option<bool>, ApiError> {
        match self.client.is_server_joined(room, server).await {
            Ok(joined) => Ok(Some(joined)),
            Err(error) if error.is_not_offered() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody is in a room; `None`: this homeserver does not say.
    pub(crate) async fn is_joined(&self, room: &RoomId, user: &UserId) -> Result<Option<bool>, ApiError> {
        match self.client.is_joined(room, user).await {
            Ok(joined) => Ok(Some(joined)),
            Err(error) if !error.is_not_offered() => Err(error),
            // In a room that the bridge user is in anybody may be looked up.
            Err(_) if self.facts.of(room).is_some() => {
                let member = self.client.state_event(room, ROOM_MEMBER, user.as_str()).await?;
                let membership = member.map(|member| Membership::read(&member.content));
                Ok(Some(membership == Some(Membership::Join)))
            }
            Err(_) => Ok(None),
        }
    }
}
