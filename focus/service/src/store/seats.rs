//! Who was admitted where. All processes that share the database see all seats.

use super::database::{Growing, Statement, Value};
use super::rows::{fit, read_ms, stored_ms};
use super::{AdmittedSeat, DatabaseError, SEATS_MAX, Store};
use crate::delayed_leave::Seat;
use hanse_matrixrtc::RoomId;

const GROWING: Growing = Growing {
    what: "seats",
    count: "SELECT count(*) FROM seats",
    rows_max: SEATS_MAX,
};

const ADMIT: &str = "
    INSERT INTO seats (sfu_room, identity, room_id, user_id, admitted_at_ms) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (sfu_room, identity) DO UPDATE SET
        room_id = excluded.room_id, user_id = excluded.user_id, admitted_at_ms = excluded.admitted_at_ms";

const END: &str = "DELETE FROM seats WHERE sfu_room = $1 AND identity = $2";

const ALL: &str = "SELECT sfu_room, identity, room_id, user_id, admitted_at_ms FROM seats";

const IN_ROOM: &str =
    "SELECT sfu_room, identity, room_id, user_id, admitted_at_ms FROM seats WHERE room_id = $1";

const SWEEP: &str = "DELETE FROM seats WHERE admitted_at_ms < $1";

type SeatRow = (String, String, String, String, i64);

impl Store {
    /// Somebody was admitted, perhaps once more: then the seat counts from now.
    ///
    /// # Errors
    /// [`DatabaseError::Full`] beyond [`SEATS_MAX`], [`DatabaseError::Unfit`], [`DatabaseError::Unreachable`],
    /// [`DatabaseError::Refused`].
    pub async fn admit(&self, admitted: &AdmittedSeat) -> Result<(), DatabaseError> {
        let values = [
            Value::Text(fit("the SFU room", &admitted.seat.room)?),
            Value::Text(fit("the identity", &admitted.seat.identity)?),
            Value::Text(admitted.room_id.as_str().to_owned()),
            Value::Text(admitted.user.as_str().to_owned()),
            Value::Number(stored_ms(admitted.admitted_at_ms)),
        ];
        let admit = Statement::new(ADMIT, values).growing(GROWING);
        self.writer.write(admit).await.map(|_| ())
    }

    /// A seat has ended. `false`: there was none.
    ///
    /// # Errors
    /// [`DatabaseError::Unfit`], [`DatabaseError::Unreachable`], [`DatabaseError::Refused`].
    pub async fn end_seat(&self, seat: &Seat) -> Result<bool, DatabaseError> {
        let values = [
            Value::Text(fit("the SFU room", &seat.room)?),
            Value::Text(fit("the identity", &seat.identity)?),
        ];
        Ok(self.writer.write(Statement::new(END, values)).await? > 0)
    }

    /// All seats, in no order.
    ///
    /// # Errors
    /// [`DatabaseError::Unreachable`], [`DatabaseError::Refused`].
    pub async fn seats(&self) -> Result<Vec<AdmittedSeat>, DatabaseError> {
        self.select_seats(Statement::new(ALL, [])).await
    }

    /// The seats of one Matrix room, in no order.
    ///
    /// # Errors
    /// As [`Store::seats`].
    pub async fn seats_in(&self, room_id: &RoomId) -> Result<Vec<AdmittedSeat>, DatabaseError> {
        let room_id = Value::Text(room_id.as_str().to_owned());
        self.select_seats(Statement::new(IN_ROOM, [room_id])).await
    }

    async fn select_seats(&self, select: Statement) -> Result<Vec<AdmittedSeat>, DatabaseError> {
        let rows: Vec<SeatRow> = self.database.rows(&select).await?;
        Ok(rows.into_iter().filter_map(admitted_seat).collect())
    }
}

/// What was stored. A row that we did not write like this is none: it names nobody whose seat could be judged.
fn admitted_seat((room, identity, room_id, user, admitted_at_ms): SeatRow) -> Option<AdmittedSeat> {
    Some(AdmittedSeat {
        seat: Seat { room, identity },
        room_id: room_id.parse().ok()?,
        user: user.parse().ok()?,
        admitted_at_ms: read_ms(admitted_at_ms),
    })
}

/// Seats that were admitted before this time.
pub(super) fn sweep(admitted_before_ms: u64) -> Statement {
    Statement::new(SWEEP, [Value::Number(stored_ms(admitted_before_ms))])
}
