//! Who has been admitted to which call: a table without I/O. What holds in a room changes; this says what follows for those
//! who sit in its calls.

use crate::delayed_leave::Seat;
use crate::policy::{Crowd, Denied, Rights};
use hanse_matrixrtc::{RoomId, UserId};
use std::collections::{BTreeSet, HashMap};

/// Seats that are kept. Beyond it nobody is admitted whose seat would have to be watched: a refusal is better than somebody
/// whom nothing removes.
pub const SEATS_MAX: usize = 100_000;

/// One admitted device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The Matrix room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// What they were told they may.
    pub rights: Rights,
    /// Whether a token is about that says otherwise: they had other rights when it was made.
    pub has_old_token: bool,
    /// Whether they have been connected, and have not left: somebody without whom a call that is locked now would be another.
    pub was_there: bool,
    /// Whether they are connected to the SFU.
    pub is_present: bool,
    /// With which session, as far as it is known.
    pub session: Option<String>,
    /// Until when the last token opens the SFU, in Unix ms: so long somebody who is not there may still come.
    pub token_until_ms: u64,
}

/// What follows for one seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// They are out.
    End(Seat, Denied),
    /// They stay, with these rights.
    Rights(Seat, Rights),
}

/// All seats, by their names on the SFU and by Matrix room.
#[derive(Default)]
pub(crate) struct Seats {
    seats: HashMap<Seat, Admitted>,
    rooms: HashMap<RoomId, BTreeSet<Seat>>,
    /// Calls with anybody connected, by the names of their rooms on the SFU.
    running: HashMap<String, Running>,
}

/// A call with anybody connected.
struct Running {
    /// Since when, in Unix ms.
    began_ms: u64,
    /// Who is, and with how many devices.
    people: HashMap<UserId, usize>,
}

impl Running {
    fn count_in(&mut self, user: &UserId) {
        *self.people.entry(user.clone()).or_default() += 1;
    }

    fn count_out(&mut self, user: &UserId) {
        let devices = self.people.get_mut(user);
        let are_left = devices.is_some_and(|devices| {
            *devices = devices.saturating_sub(1);
            *devices > 0
        });
        if !are_left {
            self.people.remove(user);
        }
    }
}

/// There are [`SEATS_MAX`] seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Seats {
    /// Notes somebody who is admitted, or admitted again: then they stay as present as they were. Whether the SFU must be told
    /// of their rights: they sit there with a token that may say otherwise, and judging them again would find nothing new.
    ///
    /// # Errors
    ///
    /// See [`TooMany`].
    pub fn admit(&mut self, seat: Seat, mut admitted: Admitted) -> Result<bool, TooMany> {
        if let Some(known) = self.seats.get(&seat) {
            admitted.is_present |= known.is_present;
            admitted.was_there |= known.was_there;
            admitted.session.clone_from(&known.session);
            admitted.has_old_token = known.has_old_token || !known.rights.same_on_sfu(admitted.rights);
            admitted.token_until_ms = admitted.token_until_ms.max(known.token_until_ms);
        } else if self.seats.len() >= SEATS_MAX {
            return Err(TooMany);
        }
        let must_be_told = admitted.is_present && admitted.has_old_token;
        let room = admitted.room.clone();
        self.rooms.entry(room).or_default().insert(seat.clone());
        self.seats.insert(seat, admitted);
        Ok(must_be_told)
    }

    /// Notes that somebody is connected, with a session. Whom they are, if they were admitted here.
    pub fn note_arrival(&mut self, seat: &Seat, sid: &str, now_ms: u64) -> Option<&Admitted> {
        let admitted = self.seats.get_mut(seat)?;
        admitted.session = Some(sid.to_owned()).filter(|sid| !sid.is_empty());
        admitted.was_there = true;
        if !std::mem::replace(&mut admitted.is_present, true) {
            let running = self.running.entry(seat.room.clone()).or_insert_with(|| Running {
                began_ms: now_ms,
                people: HashMap::new(),
            });
            running.count_in(&admitted.user);
        }
        Some(admitted)
    }

    /// Notes that a session is over. Whether somebody was connected with it: one that is told of late, or again, is not the
    /// one that sits there.
    pub fn note_departure(&mut self, seat: &Seat, sid: &str) -> bool {
        let Some(admitted) = self.seats.get_mut(seat) else {
            return false;
        };
        let is_another = |known: &String| !sid.is_empty() && known != sid;
        if admitted.session.as_ref().is_some_and(is_another) {
            return false;
        }
        admitted.session = None;
        let was_present = std::mem::take(&mut admitted.is_present);
        if was_present {
            let user = admitted.user.clone();
            self.count_out(&seat.room, &user);
        }
        was_present
    }

    /// Notes that somebody who is not connected has left for good.
    pub fn note_farewell(&mut self, seat: &Seat) {
        if let Some(admitted) = self.seats.get_mut(seat).filter(|admitted| !admitted.is_present) {
            admitted.was_there = false;
        }
    }

    /// Whether somebody has been connected to a call, with any device, and has not left.
    pub fn was_there(&self, room: &RoomId, sfu_room: &str, user: &UserId) -> bool {
        self.of_room(room)
            .any(|(seat, admitted)| admitted.was_there && admitted.user == *user && seat.room == sfu_room)
    }

    /// Since when anybody is connected to a call, in Unix ms.
    pub fn began_ms(&self, sfu_room: &str) -> Option<u64> {
        self.running.get(sfu_room).map(|running| running.began_ms)
    }

    /// One device less is connected; without anybody in it a call is over.
    fn count_out(&mut self, sfu_room: &str, user: &UserId) {
        if let Some(running) = self.running.get_mut(sfu_room) {
            running.count_out(user);
            if running.people.is_empty() {
                self.running.remove(sfu_room);
            }
        }
    }

    /// Who has this seat.
    pub fn admitted(&self, seat: &Seat) -> Option<&Admitted> {
        self.seats.get(seat)
    }

    /// Notes that nobody is connected to a room on the SFU. How many were.
    pub fn note_room_empty(&mut self, sfu_room: &str) -> usize {
        self.running.remove(sfu_room);
        let in_room = self.seats.iter_mut().filter(|(seat, _)| seat.room == sfu_room);
        in_room
            .map(|(_, admitted)| {
                admitted.session = None;
                usize::from(std::mem::take(&mut admitted.is_present))
            })
            .sum()
    }

    /// Forgets a seat.
    pub fn remove(&mut self, seat: &Seat) -> Option<Admitted> {
        let admitted = self.seats.remove(seat)?;
        if let Some(seats) = self.rooms.get_mut(&admitted.room) {
            seats.remove(seat);
            if seats.is_empty() {
                self.rooms.remove(&admitted.room);
            }
        }
        if admitted.is_present {
            self.count_out(&seat.room, &admitted.user);
        }
        Some(admitted)
    }

    /// Forgets who is not there and has no token that is good any more.
    pub fn sweep(&mut self, now_ms: u64) -> Vec<Seat> {
        let over = self
            .seats
            .iter()
            .filter(|(_, admitted)| !admitted.is_present && admitted.token_until_ms <= now_ms);
        let over: Vec<Seat> = over.map(|(seat, _)| seat.clone()).collect();
        for seat in &over {
            self.remove(seat);
        }
        over
    }

    /// Who is connected to a call, by its room on the SFU.
    pub fn present<'a>(
        &'a self,
        room: &'a RoomId,
        sfu_room: &'a str,
    ) -> impl Iterator<Item = (&'a Seat, &'a Admitted)> {
        self.of_room(room)
            .filter(move |(seat, admitted)| admitted.is_present && seat.room == sfu_room)
    }

    /// How full a call is for somebody who wants in: other people than themselves, each once.
    pub fn crowd(&self, sfu_room: &str, user: &UserId) -> Crowd {
        let Some(running) = self.running.get(sfu_room) else {
            return Crowd::default();
        };
        let server = user.server_name();
        let of_server = running
            .people
            .keys()
            .filter(|other| other.server_name() == server);
        let themselves = usize::from(running.people.contains_key(user));
        Crowd {
            all: running.people.len().saturating_sub(themselves),
            same_homeserver: of_server.count().saturating_sub(themselves),
            has_asker: themselves > 0,
        }
    }

    /// Everybody who was admitted to calls of a Matrix room.
    pub fn of_room<'a>(&'a self, room: &RoomId) -> impl Iterator<Item = (&'a Seat, &'a Admitted)> {
        self.rooms
            .get(room)
            .into_iter()
            .flatten()
            .filter_map(|seat| self.seats.get_key_value(seat))
    }

    /// Matrix rooms with anybody in them.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomId> {
        self.rooms.keys()
    }

    /// How many calls have anybody connected.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// All seats.
    pub fn iter(&self) -> impl Iterator<Item = (&Seat, &Admitted)> {
        self.seats.iter()
    }

    /// Judges everybody in a Matrix room anew. Who is out is forgotten here; new rights are noted. A new role alone is
    /// nothing to tell the SFU.
    pub fn judge(&mut self, room: &RoomId, judge: impl Fn(&UserId) -> Result<Rights, Denied>) -> Vec<Change> {
        let seats: Vec<Seat> = self.of_room(room).map(|(seat, _)| seat.clone()).collect();
        let mut changes = Vec::new();
        for seat in seats {
            let Some(admitted) = self.seats.get_mut(&seat) else {
                continue;
            };
            match judge(&admitted.user) {
                Ok(rights) => {
                    let before = std::mem::replace(&mut admitted.rights, rights);
                    if !rights.same_on_sfu(before) {
                        admitted.has_old_token = true;
                        changes.push(Change::Rights(seat, rights));
                    }
                }
                Err(denied) => {
                    self.remove(&seat);
                    changes.push(Change::End(seat, denied));
                }
            }
        }
        changes
    }

    /// Takes their seats from those whom a lock keeps out: whoever was admitted and has not come yet, or has left, has a token that
    /// would open the SFU.
    pub fn lock(&mut self, room: &RoomId, locks_out: impl Fn(&UserId, Crowd) -> bool) -> Vec<Change> {
        let away = self.of_room(room).filter(|(seat, admitted)| {
            let user = &admitted.user;
            !self.was_there(room, &seat.room, user) && locks_out(user, self.crowd(&seat.room, user))
        });
        let away: Vec<Seat> = away.map(|(seat, _)| seat.clone()).collect();
        let mut changes = Vec::new();
        for seat in away {
            self.remove(&seat);
            changes.push(Change::End(seat, Denied::Locked));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Role;

    const NOBODY: Rights = Rights {
        role: Role::Participant,
        camera: false,
        microphone: false,
        screen: false,
        bitrate_kbps: None,
    };
    const SPEAKER: Rights = Rights {
        microphone: true,
        ..NOBODY
    };

    fn seat(identity: &str) -> Seat {
        Seat {
            room: "call".to_owned(),
            identity: identity.to_owned(),
        }
    }

    fn room(name: &str) -> RoomId {
        format!("!{name}:org-a.example").parse().unwrap()
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn admitted(name: &str) -> Admitted {
        Admitted {
            room: room("kitchen"),
            user: user(name),
            rights: SPEAKER,
            has_old_token: false,
            was_there: false,
            is_present: false,
            session: None,
            token_until_ms: 1_000,
        }
    }

    fn seats(names: &[&str]) -> Seats {
        let mut seats = Seats::default();
        for name in names {
            seats.admit(seat(name), admitted(name)).unwrap();
            seats.note_arrival(&seat(name), "PA_1", 1).unwrap();
        }
        seats
    }

    const ALICE: &str = "@alice:org-a.example";
    const BOB: &str = "@bob:org-b.example";
    const CAROL: &str = "@carol:org-b.example";

    #[test]
    fn who_may_not_stay_is_out_and_the_others_are_left_alone() {
        let mut seats = seats(&[ALICE, BOB, CAROL]);
        let changes = seats.judge(&room("kitchen"), |who| match who.as_str() {
            BOB => Err(Denied::Banned),
            CAROL => Ok(NOBODY),
            _ => Ok(SPEAKER),
        });
        let mut expected = [
            Change::End(seat(BOB), Denied::Banned),
            Change::Rights(seat(CAROL), NOBODY),
        ];
        expected.sort_by_key(|change| format!("{change:?}"));
        let mut found = changes;
        found.sort_by_key(|change| format!("{change:?}"));
        assert_eq!(found, expected);
        // Said once.
        assert_eq!(
            seats.judge(&room("kitchen"), |who| Ok(if *who == user(CAROL) {
                NOBODY
            } else {
                SPEAKER
            })),
            []
        );
        assert_eq!(seats.judge(&room("garden"), |_| Err(Denied::Banned)), []);
        assert_eq!(seats.iter().count(), 2);
    }

    #[test]
    fn a_crowd_counts_others_once_each_and_only_who_is_there() {
        let mut seats = seats(&[ALICE, BOB, CAROL]);
        let phone = Seat {
            room: "call".to_owned(),
            identity: "bob's phone".to_owned(),
        };
        seats.admit(phone.clone(), admitted(BOB)).unwrap();
        seats.note_arrival(&phone, "PA_1", 1);
        let crowd = |seats: &Seats, name| seats.crowd("call", &user(name));
        assert_eq!(
            crowd(&seats, BOB),
            Crowd {
                all: 2,
                same_homeserver: 1,
                has_asker: true,
            }
        );
        seats.note_departure(&seat(CAROL), "PA_1");
        assert_eq!(
            crowd(&seats, BOB),
            Crowd {
                all: 1,
                same_homeserver: 0,
                has_asker: true,
            }
        );
        assert_eq!(seats.crowd("another call", &user(BOB)), Crowd::default());
        // One device of two goes, then the other by force, then everybody.
        let of_alice = |seats: &Seats| (crowd(seats, ALICE).all, crowd(seats, ALICE).same_homeserver);
        assert!(seats.note_departure(&phone, "PA_1") && !seats.note_departure(&phone, "PA_1"));
        assert_eq!(of_alice(&seats), (1, 0), "Bob is still there");
        seats.remove(&seat(BOB)).unwrap();
        assert_eq!(of_alice(&seats), (0, 0));
        assert_eq!(crowd(&seats, BOB).all, 1, "Alice is not Bob");
        assert_eq!(seats.note_room_empty("call"), 1);
        assert_eq!(crowd(&seats, BOB), Crowd::default());
    }

    #[test]
    fn a_lock_takes_the_seats_of_those_who_are_not_there_and_of_nobody_who_lost_the_connection() {
        let mut seats = seats(&[ALICE, BOB]);
        let waiting = "@dave:org-a.example";
        seats.admit(seat(waiting), admitted(waiting)).unwrap();
        let phone = Seat {
            room: "call".to_owned(),
            identity: "alice's phone".to_owned(),
        };
        seats.admit(phone, admitted(ALICE)).unwrap();
        seats.admit(seat(CAROL), admitted(CAROL)).unwrap();
        seats.note_arrival(&seat(CAROL), "PA_1", 1);
        seats.note_departure(&seat(CAROL), "PA_1");
        seats.note_departure(&seat(BOB), "PA_1");
        // Bob has lost his connection, Carol has hung up.
        seats.note_farewell(&seat(CAROL));
        let here = room("kitchen");
        assert!(seats.was_there(&here, "call", &user(BOB)) && !seats.was_there(&here, "call", &user(CAROL)));
        assert!(!seats.was_there(&here, "another call", &user(BOB)));
        let mut out = seats.lock(&here, |_, _| true);
        out.sort_by_key(|change| format!("{change:?}"));
        let ended = |name: &str| Change::End(seat(name), Denied::Locked);
        assert_eq!(out, [ended(CAROL), ended(waiting)]);
        assert_eq!(seats.lock(&here, |_, _| true), [], "said once");
        // Who is there has not left, whatever is told of an earlier session.
        seats.note_farewell(&seat(ALICE));
        assert!(seats.was_there(&here, "call", &user(ALICE)));
    }

    #[test]
    fn a_seat_is_kept_while_somebody_is_in_it_or_may_still_come() {
        let mut seats = seats(&[ALICE, BOB]);
        seats.note_departure(&seat(BOB), "PA_1");
        assert_eq!(seats.sweep(999), []);
        assert_eq!(seats.sweep(1_000), [seat(BOB)]);
        assert_eq!(seats.note_arrival(&seat(BOB), "PA_1", 1), None);
        // Admitted again while there: still there, and with the longer token.
        let mut again = admitted(ALICE);
        again.token_until_ms = 500;
        seats.admit(seat(ALICE), again).unwrap();
        seats.note_departure(&seat(ALICE), "PA_1");
        assert_eq!(seats.sweep(999), []);
        assert_eq!(seats.sweep(1_000), [seat(ALICE)]);
        assert_eq!(seats.rooms().count(), 0);
    }

    #[test]
    fn a_call_begins_with_the_first_who_comes_and_is_over_with_the_last_who_goes() {
        let mut seats = seats(&[ALICE, BOB]);
        seats.note_arrival(&seat(BOB), "PA_1", 5);
        assert!(seats.note_departure(&seat(ALICE), "PA_1") && !seats.note_departure(&seat(ALICE), "PA_1"));
        assert_eq!(seats.began_ms("call"), Some(1));
        seats.remove(&seat(BOB)).unwrap();
        assert_eq!(seats.began_ms("call"), None);
        seats.note_arrival(&seat(ALICE), "PA_1", 9);
        assert_eq!(seats.began_ms("call"), Some(9));
        assert_eq!(seats.note_room_empty("call"), 1);
        assert_eq!(seats.began_ms("call"), None);
    }

    #[test]
    fn a_session_that_is_over_ends_nothing_of_the_one_that_came_after() {
        let mut seats = seats(&[ALICE]);
        seats.note_arrival(&seat(ALICE), "PA_2", 5);
        assert!(!seats.note_departure(&seat(ALICE), "PA_1"));
        assert_eq!(seats.sweep(1_000), [], "she is still there");
        // Who asks for another token stays with the session that they have.
        seats.admit(seat(ALICE), admitted(ALICE)).unwrap();
        assert!(!seats.note_departure(&seat(ALICE), "PA_1"));
        assert!(seats.note_departure(&seat(ALICE), "PA_2"));
        // One without a name is the one that is there.
        seats.note_arrival(&seat(ALICE), "PA_3", 9);
        assert!(seats.note_departure(&seat(ALICE), ""));
    }
}
