//! Delayed leaves: a client schedules at its homeserver the event by which it leaves the call, to be sent after a delay, and
//! hands that over to us (MSC4140, MSC4195). While it sits in its seat on the SFU, the delay is started anew in time; once
//! it is gone, the homeserver is told to send the leave. So nobody stays in a room as a ghost, and no client has to send
//! heart-beats.
//!
//! In: leaves that are handed over, what the SFU tells of its seats, answers, time. Out: what to ask of homeservers and of
//! the SFU, what to store. [`LeaveMachine`] decides and does no I/O; [`Leaves`] carries it out.
//!
//! It never learns what the leave says, nor who somebody is beyond the name of the homeserver, and never keeps a leave alive
//! whose seat is empty.
//!
//! ```text
//! WaitingForConnect --joined, or seen there-----------------------> Connected
//!                   --left, and not seen there--------------------> Disconnected
//!                   --not seen there when the wait is over--------> Disconnected
//!                   --min(1 h, delay) is over---------------------> Disconnected
//! Connected         --removed, lost-------------------------------> Disconnected
//!                   --ended by the client, for it may begin anew--> WaitingForConnect
//!                   --session taken over, server stops------------> WaitingForConnect
//!                   --not seen there, though nobody said so-------> WaitingForConnect
//!                   --the homeserver does not know the leave, or
//!                     could not be asked until the delay is over--> aborted
//! Disconnected      --joined before the homeserver was told-------> Connected
//!                   --sent, or the delay is over------------------> done
//! any               --another leave is handed over for the seat---> replaced
//! ```
//!
//! This differs from Element's service (lk-jwt-service, `delayedEventManager.go`) in two respects. Who was never connected and
//! gives up is looked for once more and then taken for gone, where that service forgets the leave and a ghost stays for the
//! rest of the delay. And who leaves a seat of their own accord, or has it taken over, gets time to be back, where that service
//! sends the leave at once and throws a client that begins anew out of the Matrix call.
//!
//! Where to look next: `job.rs` for the words, `machine.rs` for inputs and outputs, `transitions.rs` for the rules.

mod delegate;
mod job;
mod machine;
mod shell;
mod transitions;
mod writes;

pub use job::{DELAY_MS_MAX, DELAY_MS_MIN, Delegation, Departure, LeaveJob, LeaveState, Seat, SeatEvent};
pub use machine::{
    ABORT_WAIT_MS, ABSENCE_WAIT_MS, ANEW_WAIT_MS, CONNECT_WAIT_MS, End, Input, JOBS_MAX, LeaveMachine,
    LeaveRefusal, LookUpAnswer, MISSING_WAIT_MS, Output, RETURN_WAIT_MS, Ticket, WAIT_MS_MAX,
};
pub use shell::{CLAIM_INTERVAL, ERRAND_TIMEOUT, LeaveCounts, LeavePorts, Leaves};
