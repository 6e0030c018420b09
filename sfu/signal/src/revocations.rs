//! Tokens that no longer open a room although they have not expired: whoever was removed must not come back with the token
//! in hand (LiveKit's `RemoveParticipant`, `revoke_token_ts`).

use crate::limits::REVOCATIONS_MAX;
use std::collections::{BTreeMap, VecDeque};

/// Whom a revocation is about: room name and identity.
type Whom = (String, String);

/// Bounded by [`REVOCATIONS_MAX`]; beyond it the oldest are forgotten.
#[derive(Default)]
pub(crate) struct Revocations {
    /// Tokens from before this second are void.
    before_unix_s: BTreeMap<Whom, u64>,
    /// In order of their first revocation.
    order: VecDeque<Whom>,
}

impl Revocations {
    /// Voids tokens of this participant that are not valid since `before_unix_s` or later. An earlier call for a later
    /// moment stands.
    pub fn revoke(&mut self, room: &str, identity: &str, before_unix_s: u64) {
        let whom = (room.to_owned(), identity.to_owned());
        if let Some(known) = self.before_unix_s.get_mut(&whom) {
            *known = before_unix_s.max(*known);
            return;
        }
        if self.order.len() >= REVOCATIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.before_unix_s.remove(&oldest);
        }
        self.order.push_back(whom.clone());
        self.before_unix_s.insert(whom, before_unix_s);
    }

    /// Whether a token that is valid since `not_before_unix_s` is void.
    pub fn concerns(&self, room: &str, identity: &str, not_before_unix_s: u64) -> bool {
        // A tuple of owned texts cannot be looked up by borrowed ones; joins are rare enough for two copies.
        let whom = (room.to_owned(), identity.to_owned());
        self.before_unix_s
            .get(&whom)
            .is_some_and(|before| not_before_unix_s < *before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_tokens_of_that_person_in_that_room_are_void_and_no_others() {
        let mut revocations = Revocations::default();
        revocations.revoke("room", "bob", 100);
        revocations.revoke("room", "bob", 90);
        assert!(revocations.concerns("room", "bob", 99) && revocations.concerns("room", "bob", 0));
        assert!(!revocations.concerns("room", "bob", 100));
        assert!(!revocations.concerns("other", "bob", 99) && !revocations.concerns("room", "alice", 99));
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many() {
        let mut revocations = Revocations::default();
        for number in 0..=REVOCATIONS_MAX {
            revocations.revoke("room", &number.to_string(), 100);
        }
        assert!(!revocations.concerns("room", "0", 1) && revocations.concerns("room", "1", 1));
        assert_eq!(revocations.before_unix_s.len(), REVOCATIONS_MAX);
    }
}
