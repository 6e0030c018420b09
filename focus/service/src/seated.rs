//! The focus and those who sit in its calls: what the SFU says of them, what the rooms say, what moderators do.

use crate::admission::{Focus, News, lock};
use crate::delayed_leave::{Departure, Seat, SeatEvent};
use crate::metrics::SEATS_ENDED;
use crate::policy::{Denied, Rights};
use crate::ports::{Answer, SfuError};
use crate::refusal::Refusal;
use crate::seats::{Change, Seats};
use hanse_matrixrtc::{RoomFacts, RoomId, UserId};
use hanse_runtime::Redacted;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::timeout;

impl Focus {
    /// Takes in what the SFU says of its seats.
    pub fn heard(&self, event: &SeatEvent) {
        let mut seats = lock(&self.seats);
        match event {
            SeatEvent::Connecting { seat } => self.tell_of_person(&seats, seat),
            SeatEvent::Joined { seat, sid } => {
                if let Some(admitted) = seats.note_arrival(seat, sid, self.now().unix_ms())
                    && admitted.has_old_token
                {
                    self.tell(News::Seat(seat.clone()));
                }
                self.tell_of_person(&seats, seat);
            }
            SeatEvent::Left { seat, sid, departure } => {
                if seats.note_departure(seat, sid) && *departure != Departure::ComingBack {
                    SEATS_ENDED.add(1, ["left".into()]);
                }
                // A client that begins anew says the same as one that hangs up. Where it matters, nobody is taken for gone by that.
                if *departure == Departure::ByClient && !self.is_locked(&seats, seat) {
                    seats.note_farewell(seat);
                }
                self.tell_of_person(&seats, seat);
            }
            SeatEvent::Aborted { seat, sid } => {
                seats.note_departure(seat, sid);
                SEATS_ENDED.add(1, ["never_connected".into()]);
                self.tell_of_person(&seats, seat);
            }
            SeatEvent::RoomFinished { room } => {
                let present = seats.note_room_empty(room);
                SEATS_ENDED.add(present as u64, ["call_closed".into()]);
            }
            SeatEvent::Missed => self.tell(News::Everything),
        }
    }

    /// What must have happened unheard if these are connected to a room on the SFU: sessions by identity.
    pub(crate) fn unheard(&self, sfu_room: &str, there: &BTreeMap<String, String>) -> Vec<SeatEvent> {
        let seats = lock(&self.seats);
        let of_room = seats.iter().filter(|(seat, _)| seat.room == sfu_room);
        let unheard = of_room.filter_map(|(seat, admitted)| {
            let seat = seat.clone();
            match (admitted.is_present, there.get(&seat.identity)) {
                (is_present, Some(sid)) if !is_present || admitted.session.as_ref() != Some(sid) => {
                    Some(SeatEvent::Joined {
                        seat,
                        sid: sid.clone(),
                    })
                }
                (true, None) => Some(SeatEvent::Left {
                    seat,
                    sid: String::new(),
                    departure: Departure::Missing,
                }),
                _ => None,
            }
        });
        unheard.collect()
    }

    fn tell_of_person(&self, seats: &Seats, seat: &Seat) {
        if let Some(admitted) = seats.admitted(seat) {
            self.tell(News::Person(admitted.room.clone(), admitted.user.clone()));
        }
    }

    /// Whether the room of a seat is locked.
    fn is_locked(&self, seats: &Seats, seat: &Seat) -> bool {
        let room = seats.admitted(seat).map(|admitted| &admitted.room);
        room.zip(self.rooms())
            .and_then(|(room, rooms)| rooms.facts(room))
            .is_some_and(|facts| facts.policy.locked.is_some())
    }

    /// Judges everybody in calls of a room anew: the seats of which the SFU is to be told.
    pub(crate) fn judge(&self, room: &RoomId, facts: Option<&RoomFacts>) -> Vec<Seat> {
        let policy = self.policy();
        let now_ms = self.now().unix_ms();
        let mut seats = lock(&self.seats);
        let mut changes = seats.judge(room, |user| policy.rights(facts, user));
        if let Some(facts) = facts.filter(|facts| facts.policy.locked.is_some()) {
            changes.extend(seats.lock(room, |user, crowd| policy.locks_out(facts, user, crowd, now_ms)));
        }
        drop(seats);
        changes.into_iter().map(noted).collect()
    }

    /// Puts somebody out of all calls of a room: the seats of which the SFU is to be told.
    pub(crate) fn end_seats_of(&self, room: &RoomId, user: &UserId, denied: Denied) -> Vec<Seat> {
        let mut seats = lock(&self.seats);
        let theirs: Vec<Seat> = seats
            .of_room(room)
            .filter(|(_, admitted)| admitted.user == *user)
            .map(|(seat, _)| seat.clone())
            .collect();
        theirs
            .into_iter()
            .filter(|seat| seats.remove(seat).is_some())
            .map(|seat| noted(Change::End(seat, denied)))
            .collect()
    }

    /// What the one in a seat may; `None`: nobody may sit there.
    pub(crate) fn rights_of(&self, seat: &Seat) -> Option<Rights> {
        lock(&self.seats).admitted(seat).map(|admitted| admitted.rights)
    }

    /// Rooms on the SFU in which anybody has a seat.
    pub(crate) fn sfu_rooms(&self) -> impl Iterator<Item = String> + use<> {
        let seats = lock(&self.seats);
        let rooms: BTreeSet<String> = seats.iter().map(|(seat, _)| seat.room.clone()).collect();
        rooms.into_iter()
    }

    /// Matrix rooms in whose calls anybody has a seat.
    pub(crate) fn rooms_with_seats(&self) -> Vec<RoomId> {
        lock(&self.seats).rooms().cloned().collect()
    }

    /// Who is connected to a call of which room, each once.
    pub(crate) fn people_present(&self) -> BTreeSet<(RoomId, UserId)> {
        lock(&self.seats)
            .iter()
            .filter(|(_, admitted)| admitted.is_present)
            .map(|(_, admitted)| (admitted.room.clone(), admitted.user.clone()))
            .collect()
    }

    /// Forgets what is over, and says which seats are.
    pub(crate) fn sweep(&self) -> Vec<Seat> {
        let now = self.now();
        lock(&self.proofs).sweep(now.instant);
        lock(&self.seats).sweep(now.unix_ms())
    }

    /// The devices with which somebody is connected to a call.
    pub(crate) fn seats_of(&self, room: &RoomId, sfu_room: &str, user: &UserId) -> Vec<Seat> {
        lock(&self.seats)
            .present(room, sfu_room)
            .filter(|(_, admitted)| admitted.user == *user)
            .map(|(seat, _)| seat.clone())
            .collect()
    }

    /// Ends all seats of a call, whether anybody sits there or not.
    pub(crate) fn empty_call(&self, room: &RoomId, sfu_room: &str) {
        let mut seats = lock(&self.seats);
        let all: Vec<Seat> = seats
            .of_room(room)
            .filter(|(seat, _)| seat.room == sfu_room)
            .map(|(seat, _)| seat.clone())
            .collect();
        for seat in all {
            if seats.remove(&seat).is_some() {
                noted(Change::End(seat, Denied::Ended));
            }
        }
    }

    /// Has the SFU end seats that are no longer given. One that does not answer is not waited for more than once: whoever
    /// watches tells it again.
    ///
    /// # Errors
    ///
    /// [`Refusal::SfuAway`], when it has not confirmed them all.
    pub(crate) async fn end_on_sfu(&self, ended: &[Seat]) -> Result<(), Refusal> {
        let mut done = Ok(());
        for seat in ended {
            if done.is_ok() {
                done = self.have_done(self.sfu().end_seat(seat)).await;
            }
            match done {
                Ok(()) => self.forget_kept(seat).await,
                Err(_) => self.tell(News::Seat(seat.clone())),
            }
        }
        done
    }

    /// Has the SFU do something, and waits for it.
    ///
    /// # Errors
    ///
    /// [`Refusal::SfuAway`]
    pub(crate) async fn have_done(&self, order: Answer<'_, Result<(), SfuError>>) -> Result<(), Refusal> {
        timeout(crate::SFU_TIMEOUT, order)
            .await
            .unwrap_or_else(|_| Err(SfuError::Unreachable("it did not answer in time".to_owned())))
            .map_err(|error| {
                tracing::warn!("the SFU did not do what it was told: {error}");
                Refusal::SfuAway
            })
    }
}

/// Writes down what was decided.
pub(crate) fn noted(change: Change) -> Seat {
    match change {
        Change::End(seat, denied) => {
            SEATS_ENDED.add(1, [denied.name().into()]);
            tracing::info!(
                person = %Redacted(seat.identity.as_str()),
                room = %Redacted(seat.room.as_str()),
                "a seat ends: {denied}"
            );
            seat
        }
        Change::Rights(seat, rights) => {
            tracing::info!(
                person = %Redacted(seat.identity.as_str()),
                room = %Redacted(seat.room.as_str()),
                role = rights.role.as_str(),
                publishes = rights.publishes(),
                "somebody's rights change"
            );
            seat
        }
    }
}
