//! A participant's life as one table: where it is, what happens to it, and what follows for it, for the others and for
//! whoever watches. Everything in this crate that begins or ends a participant goes through [`step`];
//! `docs/participant-life.md` holds what [`page`] prints, and `tests/life.rs` walks every path.

use livekit_protocol::DisconnectReason;
use livekit_protocol::leave_request::Action;
use livekit_protocol::participant_info::State;

/// Where a participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not in the room: not yet, or not any more. Nothing is remembered of it.
    Absent,
    /// It has been told who is there; its media is not connected.
    Joined,
    /// Its media is connected.
    Active,
    /// Its media is connected, and its socket is gone.
    Detached,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A join with a good token.
    Join,
    /// Its client comes again, on a new socket, and would go on with its session.
    Resume,
    /// ICE and DTLS are up.
    MediaConnected,
    /// Its client says `leave`.
    Leave,
    /// Its socket is gone without that.
    SocketClosed,
    /// [`crate::limits::JOIN_DEADLINE`] is over.
    JoinTimeout,
    /// DTLS failed.
    DtlsFailed,
    /// ICE was silent for too long.
    MediaLost,
    /// The peer has closed DTLS in order.
    MediaClosed,
    /// An offer that cannot be answered, or more than a client may send.
    Confused,
    /// It takes nothing that is sent to it reliably by data channel.
    DataStalled,
    /// The same identity joins again.
    Replaced,
    /// An administrator removes it.
    Removed,
    /// The room is deleted.
    RoomDeleted,
    /// Nobody is left who keeps the room open.
    RoomClosed,
    /// The server stops.
    ServerStops,
    /// A tester wants a server that sends it away (`simulate`).
    TestServerLeave,
    /// A tester wants a server that dies (`simulate`).
    TestNodeFailure,
    /// A tester wants to be asked to come anew (`simulate`).
    TestFullReconnect,
    /// A tester wants to be moved to another server (`simulate`).
    TestMigration,
    /// A join that would go on with a session whose tester wants it to be cut off (`simulate`).
    TestCutResume,
}

/// What its client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gets {
    /// `join`, then `refresh_token` and the answers to what came with the join.
    Join,
    /// `update` about itself, then `connection_quality`.
    Update,
    /// `reconnect`, then what it missed, then everything that has a state; an earlier socket is closed.
    Reconnect,
    /// `leave`; its socket is flushed and closed.
    Leave(Action),
    /// Its socket is closed without a word.
    Close,
    /// Nothing.
    Nothing,
}

/// What whoever watches the SFU hears, webhooks included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// [`crate::SfuEvent::ParticipantConnecting`]; no webhook.
    Connecting,
    /// [`crate::SfuEvent::ParticipantJoined`], webhook `participant_joined`.
    Joined,
    /// [`crate::SfuEvent::ParticipantLeft`], webhook `participant_left`: it had joined.
    Left,
    /// [`crate::SfuEvent::ParticipantConnectionAborted`], webhook `participant_connection_aborted`: it never had.
    Aborted,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it is then.
    pub to: Stage,
    /// Why it is gone, as its `leave`, the others' `update` and the event say.
    pub reason: Option<DisconnectReason>,
    /// What its client gets.
    pub gets: Gets,
    /// The state in the `update` that others get about it; `None`: they get none. Of a hidden one they never do.
    pub others: Option<State>,
    /// What whoever watches hears.
    pub told: Option<Told>,
}

impl Stage {
    /// All of them.
    pub const ALL: [Stage; 4] = [Stage::Absent, Stage::Joined, Stage::Active, Stage::Detached];

    /// What participants are told of it.
    pub fn state(self) -> State {
        match self {
            Stage::Absent => State::Disconnected,
            Stage::Joined => State::Joined,
            Stage::Active | Stage::Detached => State::Active,
        }
    }

    /// Its socket is there.
    pub fn is_reachable(self) -> bool {
        matches!(self, Stage::Joined | Stage::Active)
    }

    /// Its media is connected.
    pub fn is_connected(self) -> bool {
        matches!(self, Stage::Active | Stage::Detached)
    }
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 21] = [
        Cause::Join,
        Cause::Resume,
        Cause::MediaConnected,
        Cause::Leave,
        Cause::SocketClosed,
        Cause::JoinTimeout,
        Cause::DtlsFailed,
        Cause::MediaLost,
        Cause::MediaClosed,
        Cause::Confused,
        Cause::DataStalled,
        Cause::Replaced,
        Cause::Removed,
        Cause::RoomDeleted,
        Cause::RoomClosed,
        Cause::ServerStops,
        Cause::TestServerLeave,
        Cause::TestNodeFailure,
        Cause::TestFullReconnect,
        Cause::TestMigration,
        Cause::TestCutResume,
    ];

    /// Why a participant is gone for this cause, and what its client gets if it can be reached. `None`: this ends nobody.
    fn end(self) -> Option<(DisconnectReason, Gets)> {
        let disconnect = Gets::Leave(Action::Disconnect);
        let reconnect = Gets::Leave(Action::Reconnect);
        Some(match self {
            Cause::Join | Cause::Resume | Cause::TestCutResume | Cause::MediaConnected => return None,
            Cause::Leave => (DisconnectReason::ClientInitiated, Gets::Close),
            Cause::SocketClosed => (DisconnectReason::SignalClose, Gets::Nothing),
            Cause::JoinTimeout => (DisconnectReason::JoinFailure, disconnect),
            Cause::DtlsFailed => (DisconnectReason::JoinFailure, reconnect),
            Cause::MediaLost => (DisconnectReason::ConnectionTimeout, reconnect),
            // LiveKit's server calls this a time-out, too. Whoever waits for somebody to come back must tell it from one: a client
            // that is about to begin anew does this, and a dead one does not.
            Cause::MediaClosed => (DisconnectReason::ClientInitiated, reconnect),
            Cause::Confused | Cause::DataStalled => (DisconnectReason::StateMismatch, reconnect),
            Cause::Replaced => (DisconnectReason::DuplicateIdentity, disconnect),
            Cause::Removed => (DisconnectReason::ParticipantRemoved, disconnect),
            Cause::RoomDeleted => (DisconnectReason::RoomDeleted, disconnect),
            Cause::RoomClosed => (DisconnectReason::RoomClosed, disconnect),
            // Another one may start in its place.
            Cause::ServerStops => (DisconnectReason::ServerShutdown, reconnect),
            Cause::TestServerLeave => (DisconnectReason::ServerShutdown, disconnect),
            Cause::TestNodeFailure => (DisconnectReason::ServerShutdown, Gets::Close),
            Cause::TestFullReconnect => (DisconnectReason::ClientInitiated, reconnect),
            Cause::TestMigration => (DisconnectReason::Migration, reconnect),
        })
    }

    /// In words, for the book.
    fn words(self) -> &'static str {
        match self {
            Cause::Join => "a join with a good token",
            Cause::Resume => "a join that would resume its session",
            Cause::MediaConnected => "its media is connected",
            Cause::Leave => "its `leave`",
            Cause::SocketClosed => "its socket is closed",
            Cause::JoinTimeout => "60 s without media",
            Cause::DtlsFailed => "DTLS failed",
            Cause::MediaLost => "its media is lost",
            Cause::MediaClosed => "its client closes its media",
            Cause::Confused => {
                "an offer that cannot be answered, a changed certificate, or a `sync_state` with tracks that it does not publish"
            }
            Cause::DataStalled => "it takes nothing from its reliable data channel",
            Cause::Replaced => "the same identity joins again",
            Cause::Removed => "RemoveParticipant",
            Cause::RoomDeleted => "DeleteRoom",
            Cause::RoomClosed => "the room was empty but for recorders and agents",
            Cause::ServerStops => "the server stops",
            Cause::TestServerLeave => "`simulate` server_leave",
            Cause::TestNodeFailure => "`simulate` node_failure",
            Cause::TestFullReconnect => "`simulate` leave_request_full_reconnect",
            Cause::TestMigration => "`simulate` migration",
            Cause::TestCutResume => {
                "a join that would resume, after `simulate` disconnect_signal_on_resume_no_messages"
            }
        }
    }
}

/// Of [`Cause::Join`].
pub(crate) const JOIN: Step = Step {
    to: Stage::Joined,
    reason: None,
    gets: Gets::Join,
    others: Some(State::Joined),
    told: Some(Told::Connecting),
};

/// Of [`Cause::Resume`] without a session to go on with: it joins anew. One that it has all the same stays until then.
pub(crate) const RESUME: Step = Step {
    to: Stage::Absent,
    reason: Some(DisconnectReason::StateMismatch),
    gets: Gets::Leave(Action::Reconnect),
    others: None,
    told: None,
};

/// Of [`Cause::TestCutResume`].
pub(crate) const CUT_RESUME: Step = Step {
    to: Stage::Absent,
    reason: None,
    gets: Gets::Close,
    others: None,
    told: None,
};

/// What follows when something happens to a participant. `None`: it cannot happen there, or changes nothing.
pub fn step(from: Stage, cause: Cause) -> Option<Step> {
    match (from, cause) {
        (Stage::Absent, Cause::Join) => Some(JOIN),
        (Stage::Absent, Cause::Resume) => Some(RESUME),
        (Stage::Absent, Cause::TestCutResume) => Some(CUT_RESUME),
        (Stage::Absent, _) | (_, Cause::Join | Cause::TestCutResume) => None,
        (Stage::Joined | Stage::Active | Stage::Detached, Cause::Resume) => Some(Step {
            // Others have never heard that its socket was gone.
            to: if from.is_connected() {
                Stage::Active
            } else {
                Stage::Joined
            },
            reason: None,
            gets: Gets::Reconnect,
            others: None,
            told: None,
        }),
        (Stage::Joined, Cause::MediaConnected) => Some(Step {
            to: Stage::Active,
            reason: None,
            gets: Gets::Update,
            others: Some(State::Active),
            told: Some(Told::Joined),
        }),
        // Media that flows keeps it in the room.
        (Stage::Active, Cause::SocketClosed) => Some(Step {
            to: Stage::Detached,
            reason: None,
            gets: Gets::Nothing,
            others: None,
            told: None,
        }),
        // The deadline and the handshake are over once media is connected.
        (Stage::Active | Stage::Detached, Cause::MediaConnected | Cause::JoinTimeout) => None,
        (Stage::Detached, Cause::SocketClosed) => None,
        (Stage::Joined | Stage::Active | Stage::Detached, cause) => {
            let (reason, gets) = match cause {
                // What fails after its handshake was there.
                Cause::DtlsFailed if from.is_connected() => Cause::MediaLost.end()?,
                cause => cause.end()?,
            };
            Some(Step {
                to: Stage::Absent,
                reason: Some(reason),
                gets: if from.is_reachable() { gets } else { Gets::Nothing },
                // Whoever comes back under the same identity replaces itself: others see only the new one.
                others: (cause != Cause::Replaced).then_some(State::Disconnected),
                told: Some(if from.is_connected() {
                    Told::Left
                } else {
                    Told::Aborted
                }),
            })
        }
    }
}

/// Every path there is.
pub fn paths() -> impl Iterator<Item = (Stage, Cause, Step)> {
    let pairs = Stage::ALL
        .into_iter()
        .flat_map(|stage| Cause::ALL.into_iter().map(move |cause| (stage, cause)));
    pairs.filter_map(|(stage, cause)| Some((stage, cause, step(stage, cause)?)))
}

/// The table as the book has it, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "| From | What happens | To | Reason | It gets | Others get | Event, webhook |\n|---|---|---|---|---|---|---|\n",
    );
    for (from, cause, step) in paths() {
        let reason = step.reason.map_or("–", |reason| reason.as_str_name());
        let gets = match step.gets {
            Gets::Join => "`join`, `refresh_token`".to_owned(),
            Gets::Update => "`update`, `connection_quality`".to_owned(),
            Gets::Reconnect => "`reconnect`, what it missed, `update`".to_owned(),
            Gets::Leave(action) => format!("`leave` ({}), close", action.as_str_name().to_lowercase()),
            Gets::Close => "close".to_owned(),
            Gets::Nothing => "–".to_owned(),
        };
        let others = step.others.map_or("–".to_owned(), |state| {
            format!("`update` ({})", state.as_str_name())
        });
        let told = match step.told {
            Some(Told::Connecting) => "`ParticipantConnecting`, –",
            Some(Told::Joined) => "`ParticipantJoined`, `participant_joined`",
            Some(Told::Left) => "`ParticipantLeft`, `participant_left`",
            Some(Told::Aborted) => "`ParticipantConnectionAborted`, `participant_connection_aborted`",
            None => "–",
        };
        page.push_str(&format!(
            "| {} | {} | {} | {reason} | {gets} | {others} | {told} |\n",
            name(from),
            cause.words(),
            name(step.to),
        ));
    }
    page
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Absent => "ABSENT",
        Stage::Joined => "JOINED",
        Stage::Active => "ACTIVE",
        Stage::Detached => "DETACHED",
    }
}
