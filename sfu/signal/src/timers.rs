//! Every timer of the signalling, by name. A timer whose owner is gone fires into the void.

use crate::api::CallId;
use crate::signalling::SessionId;
use hanse_sfu_core::ids::TrackId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A room of this node, over its whole life. A room of the same name that comes later is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoomKey(pub u64);

/// What waits for a moment. At most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Close a room in which nobody is.
    Empty(RoomKey),
    /// Tell a room its changed counts.
    RoomUpdate(RoomKey),
    /// Tell who speaks.
    Speakers(RoomKey),
    /// Tell whose connection got better or worse.
    Quality(RoomKey),
    /// Remove somebody whose media never connected.
    Join(RoomKey, SessionId),
    /// Hand out a fresh token.
    Token(RoomKey, SessionId),
    /// Give up a subscription to a track that does not exist.
    UnknownTracks(RoomKey, SessionId),
    /// A `media_sections_requirement` has been out for too long.
    Requirement(RoomKey, SessionId),
    /// A participant's changed track settings take effect.
    Settings(RoomKey, SessionId),
    /// Offer to a participant what is new for it.
    Offer(RoomKey, SessionId),
    /// An offer of ours has been out for too long.
    Answer(RoomKey, SessionId),
    /// Tell a participant what was measured.
    Metrics(RoomKey, SessionId),
    /// A call of a participant's method has not been acknowledged, or not been answered.
    Call(RoomKey, SessionId, CallId),
    /// A track's wanted quality may go down, or be told for the first time.
    Dynacast(RoomKey, TrackId),
}

#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
    set: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets or moves a timer.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(before) = self.set.insert(timer, at) {
            self.due.remove(&(before, timer));
        }
        self.due.insert((at, timer));
    }

    /// Sets a timer unless it is set already.
    pub fn set_if_unset(&mut self, timer: Timer, at: Instant) {
        if !self.set.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    /// Sets a timer, or moves one that is later.
    pub fn set_by(&mut self, timer: Timer, at: Instant) {
        if self.set.get(&timer).is_none_or(|before| at < *before) {
            self.set(timer, at);
        }
    }

    pub fn cancel(&mut self, timer: Timer) {
        if let Some(before) = self.set.remove(&timer) {
            self.due.remove(&(before, timer));
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due.
    pub fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}
