//! The calls of this focus, for those who operate it: what is going on, and what they do about it. Ids are in clear here,
//! because that is what an operator asks for; none of it is for a log line or a stranger. `deploy/hanse` answers operators
//! with it on a socket of their own.

use crate::admission::{Focus, lock};
use crate::delayed_leave::Seat;
use crate::policy::Denied;
use crate::seated::noted;
use crate::seats::{Admitted, Change, Seats};
use hanse_matrixrtc::{ServerName, UserId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Calls, or people of one call, that are listed. Of more, only their number is said.
pub const LISTED_MAX: usize = 10_000;

/// A call with anybody connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its name on the SFU, a hash of room and slot. Operators may name it by any beginning that no other call has.
    pub id: String,
    /// The Matrix room.
    pub room_id: String,
    /// Since when anybody is connected, in Unix ms, as far as this process knows. `None`: nobody is (any more).
    pub began_unix_ms: Option<u64>,
    /// People who are connected, each once.
    pub people: usize,
    /// The same, by homeserver.
    pub homeservers: BTreeMap<String, usize>,
}

/// The calls, those with most people first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// At most [`LISTED_MAX`].
    pub calls: Vec<Call>,
    /// How many more there are.
    pub left_off: usize,
}

/// A device in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Whose it is.
    pub user_id: String,
    /// Its name on the SFU: user and device, or a hash of them.
    pub identity: String,
    /// What its user is in the call.
    pub role: String,
    /// What they may publish: `camera`, `microphone`, `screen`.
    pub may_publish: Vec<String>,
    /// Whether it is connected; otherwise it has a token with which it may still come.
    pub is_connected: bool,
}

/// One call with those who are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallWithPeople {
    /// The call.
    pub call: Call,
    /// At most [`LISTED_MAX`] devices: connected ones first, then by user.
    pub people: Vec<Person>,
    /// How many more there are.
    pub left_off: usize,
    /// What in the room's call policy is of no use, a sentence each. Nobody else is told: who wrote the event does not read
    /// our log.
    pub policy_warnings: Vec<String>,
}

/// What became of somebody who was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Seats that ended.
    pub seats: usize,
    /// Calls in which they were.
    pub calls: usize,
    /// Whether the SFU has confirmed it. If not, it is told again.
    pub is_confirmed: bool,
}

/// Why an operator is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallRefusal {
    /// Nobody sits in, or is expected in, a call of that name.
    #[error("there is no such call here; \"hanse calls\" lists those that there are")]
    NoSuchCall,
    /// More than one has a name that begins so.
    #[error("more than one call begins like that; write more of its id")]
    Ambiguous,
    /// Nothing to remove.
    #[error("they are in no such call here, and nobody expects them in one")]
    NotHere,
}

/// Numbers of all calls together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub calls: usize,
    pub connected: usize,
    pub expected: usize,
}

impl Focus {
    /// The calls with anybody connected.
    pub fn calls(&self) -> Calls {
        let seats = lock(&self.seats);
        let mut by_call: BTreeMap<&str, Vec<(&Seat, &Admitted)>> = BTreeMap::new();
        for (seat, admitted) in seats.iter().filter(|(_, admitted)| admitted.is_present) {
            by_call.entry(&seat.room).or_default().push((seat, admitted));
        }
        let mut calls: Vec<Call> = by_call
            .values()
            .filter_map(|of_call| call(&seats, of_call))
            .collect();
        drop(seats);
        // Stable: calls of the same size stay in the order of their ids.
        calls.sort_by_key(|call| std::cmp::Reverse(call.people));
        let (calls, left_off) = listed(calls);
        Calls { calls, left_off }
    }

    /// One call, by the beginning of its id.
    ///
    /// # Errors
    ///
    /// [`CallRefusal::NoSuchCall`], [`CallRefusal::Ambiguous`]
    pub fn call(&self, id: &str) -> Result<CallWithPeople, CallRefusal> {
        let seats = lock(&self.seats);
        let name = name(&seats, id)?;
        let of_call: Vec<(&Seat, &Admitted)> = seats.iter().filter(|(seat, _)| seat.room == name).collect();
        let call = call(&seats, &of_call).ok_or(CallRefusal::NoSuchCall)?;
        let room = of_call.first().map(|(_, admitted)| admitted.room.clone());
        let mut people: Vec<Person> = of_call.into_iter().map(person).collect();
        drop(seats);
        let facts = self
            .rooms()
            .zip(room)
            .and_then(|(rooms, room)| rooms.facts(&room));
        let warnings = facts.iter().flat_map(|facts| &facts.policy.warnings);
        people.sort_by(|one, other| {
            let order = |person: &Person| {
                (
                    !person.is_connected,
                    person.user_id.clone(),
                    person.identity.clone(),
                )
            };
            order(one).cmp(&order(other))
        });
        let (people, left_off) = listed(people);
        Ok(CallWithPeople {
            call,
            people,
            left_off,
            policy_warnings: warnings.map(ToString::to_string).collect(),
        })
    }

    /// Ends the seats of somebody in one call, by the beginning of its id, or in all. They may come again: to keep somebody
    /// out is for the Matrix room, which bans, or for [`Focus::set_blocked`].
    ///
    /// # Errors
    ///
    /// See [`CallRefusal`].
    pub async fn remove(&self, user: &UserId, call: Option<&str>) -> Result<Removed, CallRefusal> {
        let ended = self.take_out(user, call)?;
        let is_confirmed = self.end_on_sfu(&ended).await.is_ok();
        let calls: BTreeSet<&str> = ended.iter().map(|seat| seat.room.as_str()).collect();
        Ok(Removed {
            seats: ended.len(),
            calls: calls.len(),
            is_confirmed,
        })
    }

    fn take_out(&self, user: &UserId, call: Option<&str>) -> Result<Vec<Seat>, CallRefusal> {
        let mut seats = lock(&self.seats);
        let call = call.map(|id| name(&seats, id)).transpose()?;
        let theirs: Vec<Seat> = seats
            .iter()
            .filter(|(seat, admitted)| {
                admitted.user == *user && call.as_ref().is_none_or(|call| seat.room == *call)
            })
            .map(|(seat, _)| seat.clone())
            .collect();
        if theirs.is_empty() {
            return Err(CallRefusal::NotHere);
        }
        let removed = theirs.into_iter().filter(|seat| seats.remove(seat).is_some());
        Ok(removed
            .map(|seat| noted(Change::End(seat, Denied::RemovedByOperator)))
            .collect())
    }

    /// Says which homeservers are blocked now. Their people leave running calls.
    pub fn set_blocked(&self, blocked: HashSet<ServerName>) {
        if self.policy().blocked != blocked {
            self.change_policy(|policy| policy.blocked = blocked);
        }
    }

    /// How many devices of people of this homeserver have a seat.
    pub fn seats_of_homeserver(&self, server: &ServerName) -> usize {
        let seats = lock(&self.seats);
        seats
            .iter()
            .filter(|(_, admitted)| admitted.user.server_name() == server)
            .count()
    }

    pub(crate) fn census(&self) -> Census {
        let seats = lock(&self.seats);
        let connected = seats.iter().filter(|(_, admitted)| admitted.is_present).count();
        Census {
            calls: seats.running(),
            connected,
            expected: seats.iter().count().saturating_sub(connected),
        }
    }
}

/// The whole name of the call whose name begins so. A name in full is never ambiguous.
fn name(seats: &Seats, id: &str) -> Result<String, CallRefusal> {
    let found: BTreeSet<&str> = seats
        .iter()
        .map(|(seat, _)| seat.room.as_str())
        .filter(|name| !id.is_empty() && name.starts_with(id))
        .collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (None, _) => Err(CallRefusal::NoSuchCall),
        (Some(name), None) => Ok(name.to_owned()),
        // In their order the name itself comes before those that begin with it.
        (Some(name), Some(_)) if name == id => Ok(name.to_owned()),
        (Some(_), Some(_)) => Err(CallRefusal::Ambiguous),
    }
}

/// What is listed, and how many are not.
fn listed<T>(mut all: Vec<T>) -> (Vec<T>, usize) {
    let left_off = all.len().saturating_sub(LISTED_MAX);
    all.truncate(LISTED_MAX);
    (all, left_off)
}

/// `None`: there is no seat in it.
fn call(seats: &Seats, of_call: &[(&Seat, &Admitted)]) -> Option<Call> {
    let (seat, first) = of_call.first()?;
    let connected = of_call.iter().filter(|(_, admitted)| admitted.is_present);
    let people: HashSet<&UserId> = connected.map(|(_, admitted)| &admitted.user).collect();
    let mut homeservers: BTreeMap<String, usize> = BTreeMap::new();
    for user in &people {
        *homeservers.entry(user.server_name().to_string()).or_default() += 1;
    }
    Some(Call {
        id: seat.room.clone(),
        room_id: first.room.to_string(),
        began_unix_ms: seats.began_ms(&seat.room),
        people: people.len(),
        homeservers,
    })
}

fn person((seat, admitted): (&Seat, &Admitted)) -> Person {
    let rights = admitted.rights;
    let may_publish = [
        ("camera", rights.camera),
        ("microphone", rights.microphone),
        ("screen", rights.screen),
    ];
    let may_publish = may_publish.into_iter().filter(|(_, may)| *may);
    Person {
        user_id: admitted.user.to_string(),
        identity: seat.identity.clone(),
        role: rights.role.as_str().to_owned(),
        may_publish: may_publish.map(|(name, _)| name.to_owned()).collect(),
        is_connected: admitted.is_present,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Rights, Role};

    fn seats(calls: &[&str]) -> Seats {
        let mut seats = Seats::default();
        for call in calls {
            let seat = Seat {
                room: (*call).to_owned(),
                identity: "alice".to_owned(),
            };
            let admitted = Admitted {
                room: "!kitchen:org-a.example".parse().unwrap(),
                user: "@alice:org-a.example".parse().unwrap(),
                rights: Rights {
                    role: Role::Participant,
                    camera: false,
                    microphone: false,
                    screen: false,
                    bitrate_kbps: None,
                },
                has_old_token: false,
                was_there: false,
                is_present: false,
                session: None,
                token_until_ms: 1,
            };
            seats.admit(seat, admitted).unwrap();
        }
        seats
    }

    #[test]
    fn a_call_is_named_by_any_beginning_that_no_other_has() {
        let seats = seats(&["5z8A", "5z8AurUs", "5zzz"]);
        for (id, found) in [
            ("5zz", Ok("5zzz")),
            ("5z8Au", Ok("5z8AurUs")),
            ("5z8A", Ok("5z8A")),
            ("5z8", Err(CallRefusal::Ambiguous)),
            ("z", Err(CallRefusal::NoSuchCall)),
            ("", Err(CallRefusal::NoSuchCall)),
        ] {
            assert_eq!(name(&seats, id), found.map(str::to_owned), "{id}");
        }
    }

    #[test]
    fn of_a_list_that_is_too_long_the_rest_is_counted() {
        let (all, left_off) = listed((0..LISTED_MAX + 2).collect());
        assert_eq!((all.len(), left_off), (LISTED_MAX, 2));
        assert_eq!(listed(vec![1]), (vec![1], 0));
    }
}
