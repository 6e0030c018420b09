//! The exam of the store, which SQLite and PostgreSQL must pass alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod databases;
mod durability;
mod guests;
mod leaves;
mod limits;
mod opening;
mod personal_data;
mod seats;
mod transfer;

use hanse_focus::delayed_leave::{LeaveJob, LeaveState, Seat};
use hanse_focus::store::AdmittedSeat;
use hanse_runtime::Secret;

/// Any time will do: nothing here reads a clock.
const NOW_MS: u64 = 1_800_000_000_000;

const HOUR_MS: u64 = 3_600_000;

fn seat(room: &str, identity: &str) -> Seat {
    Seat {
        room: room.to_owned(),
        identity: identity.to_owned(),
    }
}

fn job(room: &str, identity: &str) -> LeaveJob {
    LeaveJob {
        seat: seat(room, identity),
        other_identity: None,
        server: "org-a.example".parse().unwrap(),
        delay_id: Secret::new(format!("delay of {room} {identity}")),
        delay_ms: HOUR_MS,
        restarted_at_ms: NOW_MS,
        state: LeaveState::WaitingForConnect,
    }
}

fn admitted(room_id: &str, user: &str) -> AdmittedSeat {
    AdmittedSeat {
        seat: seat(&format!("sfu of {room_id}"), &format!("{user}:DEVICE")),
        room_id: room_id.parse().unwrap(),
        user: user.parse().unwrap(),
        admitted_at_ms: NOW_MS,
    }
}

/// In the order of their seats, to compare what has no order.
fn sorted(mut jobs: Vec<LeaveJob>) -> Vec<LeaveJob> {
    jobs.sort_by(|one, other| one.seat.cmp(&other.seat));
    jobs
}

/// Each of these tests on both databases, each time on a fresh one.
macro_rules! on_both {
    ($($exam:ident,)+) => {$(
        mod $exam {
            use crate::databases::Fresh;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$exam(Fresh::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$exam(Fresh::postgres().await).await;
            }
        }
    )+};
}
use on_both;
