//! What the focus needs of the rest of the world, as traits. Their adapters live elsewhere: the homeserver's in
//! `deploy/hanse`, the SFU's there for the one in the same process and in [`crate::twirp`] for any other.

use crate::delayed_leave::{LeaveJob, Seat};
use crate::policy::Rights;
use hanse_matrixrtc::{RoomFacts, RoomId, ServerName, UserId};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// An answer that takes its time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Homeservers, as far as they know who asks.
pub trait Homeserver: Send + Sync {
    /// The id of the user to whom the homeserver of this name has given this OpenID token, as the homeserver writes it.
    ///
    /// The name comes from a stranger: an adapter connects to no address that strangers must not reach through us, and
    /// bounds what it reads and how long it waits. Given up after [`crate::PROOF_TIMEOUT`].
    fn prove<'a>(
        &'a self,
        server: &'a ServerName,
        access_token: &'a str,
    ) -> Answer<'a, Result<String, ProofError>>;
}

/// Why nobody is proven. Sentences are for the log: they name no user, no server, no address and no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The homeserver does not vouch for the token: never given out, or expired.
    #[error("the homeserver does not vouch for the OpenID token")]
    NotAuthorised,
    /// The homeserver vouches for a user who is not its own.
    #[error("the homeserver vouches for a user of another server")]
    OtherServer,
    /// No answer, or none that makes sense.
    #[error("the homeserver could not be asked: {0}")]
    Unreachable(String),
    /// The name leads to an address that is not dialled for strangers.
    #[error("the homeserver has no address that may be connected to: {0}")]
    RefusedAddress(String),
    /// The time was up.
    #[error("the homeserver did not answer in time")]
    TooSlow,
    /// Too many questions are waiting already.
    #[error("too many homeservers are being asked at the moment")]
    Busy,
}

/// A room to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    /// Its name on the SFU.
    pub name: String,
    /// Seconds after which it is closed if nobody ever joined.
    pub empty_timeout_s: u32,
    /// Seconds after which it is closed when everybody has left.
    pub departure_timeout_s: u32,
}

/// The SFU, as far as the focus controls it.
pub trait Sfu: Send + Sync {
    /// Makes a room. One that is there already stays as it is. Given up after [`crate::SFU_TIMEOUT`].
    fn create_room<'a>(&'a self, room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>>;

    /// Ends a seat, and voids the tokens for it that were made before now. Done as well when nobody sits there.
    fn end_seat<'a>(&'a self, seat: &'a Seat) -> Answer<'a, Result<(), SfuError>>;

    /// Changes what the one in a seat may publish and is sent at most, as far as the SFU has words for it; tracks that are no
    /// longer allowed end. Done as well when nobody sits
    /// there: then the next token says it.
    fn change_rights<'a>(&'a self, seat: &'a Seat, rights: Rights) -> Answer<'a, Result<(), SfuError>>;

    /// Mutes what the one in a seat publishes from this source. They may switch it on again; nobody else can.
    fn mute<'a>(&'a self, seat: &'a Seat, source: Source) -> Answer<'a, Result<(), SfuError>>;

    /// Ends a room with all seats in it. Done as well when there is none.
    fn close_room<'a>(&'a self, room: &'a str) -> Answer<'a, Result<(), SfuError>>;
}

/// What somebody publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The camera.
    Camera,
    /// The microphone.
    Microphone,
    /// The screen, with its sound.
    Screen,
}

impl Source {
    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Camera => "camera",
            Source::Microphone => "microphone",
            Source::Screen => "screen",
        }
    }
}

/// Matrix rooms, as far as our own homeservers tell us of them as an application service.
pub trait Rooms: Send + Sync {
    /// Whether somebody is in a room, as one of our homeservers knows it. A room that none of them is in has nobody in it.
    fn is_joined<'a>(&'a self, room: &'a RoomId, user: &'a UserId) -> Answer<'a, Result<bool, RoomsError>>;

    /// What holds in a room whose events reach us; `None`: they do not.
    fn facts(&self, room: &RoomId) -> Option<Arc<RoomFacts>>;

    /// Writes a message into a room whose events reach us, for everybody in it to read.
    fn tell<'a>(
        &'a self,
        room: &'a RoomId,
        kind: &'a str,
        content: &'a serde_json::Map<String, serde_json::Value>,
    ) -> Answer<'a, Result<(), RoomsError>>;

    /// Names each room whose facts have changed, from now on. Who is told that it missed some must look at all.
    fn changes(&self) -> broadcast::Receiver<RoomId>;
}

/// Why nothing is known about somebody in a room. Sentences are for the log: they name no user and no room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomsError {
    /// No homeserver of ours answers such a question.
    #[error("no homeserver of ours says who is in a room: {0}")]
    NotTold(String),
    /// It should, and does not.
    #[error("our homeserver could not be asked: {0}")]
    Unreachable(String),
}

/// Why the SFU did not do what it was told. The sentences are for the log: they name no room and no participant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SfuError {
    /// No answer, or none of an SFU.
    #[error("the SFU could not be asked: {0}")]
    Unreachable(String),
    /// It does not want to.
    #[error("the SFU refuses: {0}")]
    Refused(String),
    /// It makes no more rooms, because it is about to stop.
    #[error("the SFU is draining: it begins no new calls")]
    Draining,
}

/// Delayed events at homeservers (MSC4140), as far as a leave needs them: whoever has the id may restart, send or cancel.
///
/// An adapter bounds each call by a few seconds. Given up after [`crate::delayed_leave::ERRAND_TIMEOUT`].
pub trait DelayedEvents: Send + Sync {
    /// Starts the delay anew: the homeserver waits as long as when the event was scheduled.
    fn restart<'a>(
        &'a self,
        server: &'a ServerName,
        delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>>;

    /// Has the event sent now.
    fn send<'a>(
        &'a self,
        server: &'a ServerName,
        delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>>;

    /// Has the event never sent.
    fn cancel<'a>(
        &'a self,
        server: &'a ServerName,
        delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>>;
}

/// Why a homeserver did not do it. Sentences are for the log: they name no user, no server and no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelayedEventError {
    /// 404: it knows no such delayed event; sent, cancelled, or never there.
    #[error("the homeserver knows no such delayed event")]
    Unknown,
    /// 429, with what `Retry-After` or `retry_after_ms` says; without either, zero.
    #[error("the homeserver is asked too often")]
    TooOften(Duration),
    /// Everything else, which may pass: no answer, no address, an answer that makes no sense, a status.
    #[error("the homeserver could not be asked: {0}")]
    Unreachable(String),
}

/// What an SFU knows about a seat, for when its events are not enough.
pub trait Presence: Send + Sync {
    /// Whether this identity is in this room now. Only a definite "no such room" or "no such participant" is
    /// [`Seen::Absent`].
    fn look_up<'a>(&'a self, room: &'a str, identity: &'a str) -> Answer<'a, Result<Seen, SfuError>>;
}

/// What an SFU sees of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Media is connected (LiveKit: `ACTIVE`).
    Connected {
        /// The session, `PA_…`.
        sid: String,
    },
    /// Signalling is there, media not yet (LiveKit: `JOINING`, `JOINED`).
    Connecting,
    /// Not there.
    Absent,
}

/// Where delayed leaves outlive the process. Several processes may share one store: each job is held by one of them.
pub trait LeaveStore: Send + Sync {
    /// Writes all of it or nothing, in this order, and answers when a crash can no longer undo it. Answers with the
    /// seats whose job was to be updated but is held by another process, or is gone: this process forgets them.
    fn write<'a>(&'a self, changes: &'a [LeaveChange]) -> Answer<'a, Result<Vec<Seat>, StoreError>>;

    /// Renews this process's hold on its jobs, takes those that nobody holds (any more), and answers with these. At
    /// the first call of a process on a store of its own that is everything. Called every
    /// [`crate::delayed_leave::CLAIM_INTERVAL`]; a process that misses three has lost its hold.
    fn claim(&self) -> Answer<'_, Result<Vec<LeaveJob>, StoreError>>;

    /// Takes the job of this seat, whoever holds it: this process has heard of the seat, so it is the one that can act.
    /// A job that names the identity in `other_identity` counts. `None`: there is none.
    fn take<'a>(&'a self, seat: &'a Seat) -> Answer<'a, Result<Option<LeaveJob>, StoreError>>;
}

/// One change of what is stored about delayed leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaveChange {
    /// A new job; it replaces another of the same seat, whoever held that, and is held by this process.
    Take(LeaveJob),
    /// The new form of a job that this process holds. Changes nothing if another one holds it by now, or if it is gone.
    Update(LeaveJob),
    /// The job of this seat is done. Changes nothing if another process holds it by now.
    Forget(Seat),
}

/// Why nothing was stored or read. The sentence is for the log and names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store could not be used: {0}")]
pub struct StoreError(pub String);
