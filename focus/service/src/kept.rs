//! Seats that outlive this process, for an SFU that does too: after a restart of the focus those who sit there are still
//! judged.

use crate::admission::{Focus, lock};
use crate::clock::Now;
use crate::delayed_leave::Seat;
use crate::policy::{Rights, Role};
use crate::seats::Admitted;
use crate::store::{AdmittedSeat, DatabaseError, Store};
use hanse_matrixrtc::{RoomId, UserId};

impl Focus {
    /// Has seats kept in the store, and takes up those that are there. They are judged when the SFU says that somebody sits
    /// in them.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub async fn with_kept_seats(mut self, store: Store) -> Result<Self, DatabaseError> {
        let until_ms = self
            .now()
            .unix_s
            .saturating_add(self.token_lifetime_s())
            .saturating_mul(1000);
        let mut taken_up = 0_usize;
        for kept in store.seats().await? {
            let admitted = Admitted {
                room: kept.room_id,
                user: kept.user,
                // What they were told is not known any more, so they are told again.
                rights: Rights {
                    role: Role::Participant,
                    camera: false,
                    microphone: false,
                    screen: false,
                    bitrate_kbps: None,
                },
                has_old_token: true,
                // A restart locks nobody out who was there.
                was_there: true,
                is_present: false,
                session: None,
                token_until_ms: until_ms,
            };
            if lock(&self.seats).admit(kept.seat, admitted).is_ok() {
                taken_up += 1;
            }
        }
        if taken_up > 0 {
            tracing::info!(seats = taken_up, "seats of before are watched again");
        }
        self.kept_seats = Some(store);
        Ok(self)
    }

    /// Somebody whose seat could not be written down has it all the same: only a restart would not know of it.
    pub(crate) async fn keep_seat(&self, seat: &Seat, room: &RoomId, user: &UserId, now: Now) {
        let Some(store) = &self.kept_seats else {
            return;
        };
        let kept = AdmittedSeat {
            seat: seat.clone(),
            room_id: room.clone(),
            user: user.clone(),
            admitted_at_ms: now.unix_s.saturating_mul(1000),
        };
        if let Err(error) = store.admit(&kept).await {
            tracing::warn!("a seat is not written down: {error}");
        }
    }

    /// For seats that are over; one that was given again meanwhile is not.
    pub(crate) async fn forget_kept(&self, seat: &Seat) {
        let Some(store) = self
            .kept_seats
            .as_ref()
            .filter(|_| self.rights_of(seat).is_none())
        else {
            return;
        };
        if let Err(error) = store.end_seat(seat).await {
            tracing::warn!("a seat that is over stays written down for a day at most: {error}");
        }
    }
}
