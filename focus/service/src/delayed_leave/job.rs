//! What a delayed leave is about, in the form in which it is stored.

use hanse_matrixrtc::ServerName;
use hanse_runtime::Secret;
use std::fmt;

/// Shortest delay that is taken over: a shorter one would have the homeserver asked all the time.
pub const DELAY_MS_MIN: u64 = 5_000;

/// Longest delay that is believed. A longer one counts as this one, and so is restarted more often than it must be.
pub const DELAY_MS_MAX: u64 = 24 * 3_600_000;

/// Somebody's place on the SFU. Both names may tell who somebody is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// Name of the room on the SFU.
    pub room: String,
    /// Identity of the participant.
    pub identity: String,
}

/// A leave that was handed over: once the one in the seat is gone, the homeserver is told to send it.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaveJob {
    /// Whose absence counts. One job a seat.
    pub seat: Seat,
    /// Another identity in the same room under which the same device may sit there: one that came by `/sfu/get` and
    /// hands its leave over by `/delegate_delayed_leave`, whose body gives the hashed form only.
    pub other_identity: Option<String>,
    /// The homeserver that has the delayed event.
    pub server: ServerName,
    /// Whoever has it may send the leave.
    pub delay_id: Secret<String>,
    /// How long the homeserver waits, in ms, before it sends the leave by itself; at most [`DELAY_MS_MAX`].
    pub delay_ms: u64,
    /// When that time last began, as far as is known, in Unix ms.
    pub restarted_at_ms: u64,
    /// How far it is.
    pub state: LeaveState,
}

impl LeaveJob {
    /// When the homeserver sends the leave by itself, in Unix ms.
    pub fn expires_at_ms(&self) -> u64 {
        self.restarted_at_ms
            .saturating_add(self.delay_ms.min(DELAY_MS_MAX))
    }

    /// All seats by which the job is found: one, or two.
    pub(super) fn seats(&self) -> impl Iterator<Item = Seat> + '_ {
        let other = self.other_identity.iter().map(|identity| Seat {
            room: self.seat.room.clone(),
            identity: identity.clone(),
        });
        std::iter::once(self.seat.clone()).chain(other)
    }
}

/// How far a delayed leave is. Its other ends (sent, aborted, replaced) are not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveState {
    /// Nobody is known to sit in the seat: not yet, or somebody who is expected back.
    WaitingForConnect,
    /// Somebody sits there; the delay is started anew before it ends.
    Connected,
    /// Nobody sits there any more; the homeserver is being told to send the leave.
    Disconnected,
}

impl LeaveState {
    /// Its name in a store.
    pub const fn as_str(self) -> &'static str {
        match self {
            LeaveState::WaitingForConnect => "waiting_for_connect",
            LeaveState::Connected => "connected",
            LeaveState::Disconnected => "disconnected",
        }
    }

    /// All.
    pub const ALL: [LeaveState; 3] = [
        LeaveState::WaitingForConnect,
        LeaveState::Connected,
        LeaveState::Disconnected,
    ];

    /// The state of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A leave as it is handed over. The delay counts from now.
#[derive(Clone, PartialEq, Eq)]
pub struct Delegation {
    /// See [`LeaveJob::seat`].
    pub seat: Seat,
    /// See [`LeaveJob::other_identity`].
    pub other_identity: Option<String>,
    /// See [`LeaveJob::server`].
    pub server: ServerName,
    /// See [`LeaveJob::delay_id`].
    pub delay_id: Secret<String>,
    /// See [`LeaveJob::delay_ms`].
    pub delay_ms: u64,
}

/// What an SFU tells of its seats: in the same process by its events, elsewhere by webhooks.
#[derive(Clone, PartialEq, Eq)]
pub enum SeatEvent {
    /// Somebody is there whose media is not connected yet.
    Connecting {
        /// Who.
        seat: Seat,
    },
    /// Media is connected.
    Joined {
        /// Whose.
        seat: Seat,
        /// Of which session, `PA_…`.
        sid: String,
    },
    /// Somebody who had joined is gone.
    Left {
        /// Who.
        seat: Seat,
        /// Which session; empty: not known.
        sid: String,
        /// Whether it may be back in a moment.
        departure: Departure,
    },
    /// Somebody is gone whose media never connected.
    Aborted {
        /// Who.
        seat: Seat,
        /// Which session; empty: not known.
        sid: String,
    },
    /// A room is closed, and everybody in it is gone.
    RoomFinished {
        /// Its name on the SFU.
        room: String,
    },
    /// Events were lost: what is known about all seats may be wrong.
    Missed,
}

impl SeatEvent {
    /// The one seat that it is about, if it is about one.
    pub fn seat(&self) -> Option<&Seat> {
        match self {
            SeatEvent::Connecting { seat }
            | SeatEvent::Joined { seat, .. }
            | SeatEvent::Left { seat, .. }
            | SeatEvent::Aborted { seat, .. } => Some(seat),
            SeatEvent::RoomFinished { .. } | SeatEvent::Missed => None,
        }
    }
}

/// How somebody left the SFU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Removed, or lost.
    Gone,
    /// Its client ended the session in order. Whoever hangs up does, and so does a client that begins anew with the same
    /// identity (`livekit-client` in a full reconnect: it says `leave`, closes DTLS, and joins).
    ByClient,
    /// A look found the seat empty, and nothing was told that says why.
    Missing,
    /// The session ended, the participant did not: the same identity joined once more, or the server asked it to come
    /// again.
    ComingBack,
}

impl Departure {
    /// Reads the name of a LiveKit `DisconnectReason`. One that is not known is a loss.
    pub fn from_reason(name: &str) -> Self {
        match name {
            "CLIENT_INITIATED" => Departure::ByClient,
            "DUPLICATE_IDENTITY" | "SERVER_SHUTDOWN" | "STATE_MISMATCH" | "MIGRATION" => {
                Departure::ComingBack
            }
            _ => Departure::Gone,
        }
    }
}

macro_rules! not_shown {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(not shown)"))
            }
        }
    )*};
}
not_shown!(Seat, LeaveJob, Delegation, SeatEvent);
