//! The rest of the world: it answers at once, and counts what it is asked.

use hanse_focus::delayed_leave::Seat;
use hanse_focus::{
    Answer, DelayedEventError, DelayedEvents, Homeserver, NewRoom, Presence, ProofError, Rights, RoomFacts,
    RoomId, Rooms, RoomsError, Seen, ServerName, Sfu, SfuError, Source, UserId,
};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast;

/// Before the user's id in an OpenID token for [`TrustfulHomeserver`].
pub const TOKEN_PREFIX: &str = "token-of-";

/// Begins the identities of those who are not on [`HalfEmptySfu`].
pub const GONE: &str = "gone-";

/// Vouches for whoever the token names.
#[derive(Default)]
pub struct TrustfulHomeserver {
    /// How often it was asked.
    pub asked: AtomicUsize,
}

impl Homeserver for TrustfulHomeserver {
    fn prove<'a>(
        &'a self,
        _server: &'a ServerName,
        access_token: &'a str,
    ) -> Answer<'a, Result<String, ProofError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let user = access_token.strip_prefix(TOKEN_PREFIX).map(str::to_owned);
        Box::pin(ready(user.ok_or(ProofError::NotAuthorised)))
    }
}

/// Rooms whose events have reached us.
pub struct KnownRooms {
    facts: HashMap<RoomId, Arc<RoomFacts>>,
    changes: broadcast::Sender<RoomId>,
}

impl KnownRooms {
    /// These, which do not change.
    pub fn new(facts: HashMap<RoomId, Arc<RoomFacts>>) -> Self {
        let changes = broadcast::channel(16).0;
        KnownRooms { facts, changes }
    }
}

impl Rooms for KnownRooms {
    fn is_joined<'a>(&'a self, room: &'a RoomId, user: &'a UserId) -> Answer<'a, Result<bool, RoomsError>> {
        let facts = self.facts.get(room);
        Box::pin(ready(Ok(facts.is_some_and(|facts| facts.is_joined(user)))))
    }

    fn facts(&self, room: &RoomId) -> Option<Arc<RoomFacts>> {
        self.facts.get(room).cloned()
    }

    fn tell<'a>(
        &'a self,
        _room: &'a RoomId,
        _kind: &'a str,
        _content: &'a Map<String, Value>,
    ) -> Answer<'a, Result<(), RoomsError>> {
        Box::pin(ready(Ok(())))
    }

    fn changes(&self) -> broadcast::Receiver<RoomId> {
        self.changes.subscribe()
    }
}

/// Does whatever it is told.
pub struct ObedientSfu;

impl Sfu for ObedientSfu {
    fn create_room<'a>(&'a self, _room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(ready(Ok(())))
    }

    fn end_seat<'a>(&'a self, _seat: &'a Seat) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(ready(Ok(())))
    }

    fn change_rights<'a>(&'a self, _seat: &'a Seat, _rights: Rights) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(ready(Ok(())))
    }

    fn mute<'a>(&'a self, _seat: &'a Seat, _source: Source) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(ready(Ok(())))
    }

    fn close_room<'a>(&'a self, _room: &'a str) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(ready(Ok(())))
    }
}

/// Everybody is connected to it whose identity does not begin with [`GONE`].
pub struct HalfEmptySfu;

impl Presence for HalfEmptySfu {
    fn look_up<'a>(&'a self, _room: &'a str, identity: &'a str) -> Answer<'a, Result<Seen, SfuError>> {
        Box::pin(ready(Ok(if identity.starts_with(GONE) {
            Seen::Absent
        } else {
            Seen::Connected {
                sid: "PA_abcdefghijkl".to_owned(),
            }
        })))
    }
}

/// An SFU that cannot be asked, so no job ever gets on.
pub struct SilentSfu;

impl Presence for SilentSfu {
    fn look_up<'a>(&'a self, _room: &'a str, _identity: &'a str) -> Answer<'a, Result<Seen, SfuError>> {
        Box::pin(ready(Err(SfuError::Unreachable("it is away".to_owned()))))
    }
}

/// Restarts and sends whatever it is told to.
#[derive(Default)]
pub struct CountedEvents {
    /// Delays that were started anew.
    pub restarts: AtomicUsize,
    /// Leaves that were sent.
    pub sends: AtomicUsize,
}

impl DelayedEvents for CountedEvents {
    fn restart<'a>(
        &'a self,
        _server: &'a ServerName,
        _delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(Ok(())))
    }

    fn send<'a>(
        &'a self,
        _server: &'a ServerName,
        _delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        self.sends.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(Ok(())))
    }

    fn cancel<'a>(
        &'a self,
        _server: &'a ServerName,
        _delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        Box::pin(ready(Ok(())))
    }
}
