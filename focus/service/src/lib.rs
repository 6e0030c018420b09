//! The focus: who may be in which call, on which SFU, with which rights. It answers as Element's MatrixRTC Authorization
//! Service does, so clients and operators can change from one to the other.
//!
//! In: requests for a token from people on any homeserver, what holds in the Matrix rooms of their calls, what the SFU says of
//! its seats, delayed leaves. Out: the address of the SFU and a signed grant, after the SFU has made the room, or a Matrix
//! error whose sentence says what to do; and, for as long as a call lasts, who may stay in it with which rights.
//!
//! It never dials a homeserver itself (the ports [`Homeserver`] and [`Rooms`] do, whose adapters are guarded), never sees a
//! key of a call, and logs people, rooms and servers as tags only. What it stores, and for how long, is in
//! `docs/personal-data.md`.
//!
//! What it cannot know: an OpenID token says which user asks, not on which device, and not that it was meant for this
//! focus. Whoever is handed such a token, another focus for instance, can play its user here until the token expires
//! (an hour on Synapse). That lies in how homeservers make these tokens; the call's media stays sealed from such a
//! person all the same, because the call's keys go to devices.
//!
//! Where to look next: [`http`] for the routes, `admission.rs` for a request's way, [`policy`](SitePolicy) for the decision,
//! [`Watch`] for what follows when a room changes, [`signed`] for requests by way of homeservers, [`delayed_leave`],
//! [`moderation`], [`guests`], [`store`].

mod admission;
mod ask;
pub mod calls;
mod clock;
mod config;
pub mod delayed_leave;
mod examine;
mod follow;
mod grant;
pub mod guests;
pub mod http;
mod kept;
mod limiter;
pub mod metrics;
pub mod moderation;
mod policy;
mod policy_config;
mod ports;
mod proofs;
mod refusal;
mod request_log;
mod seated;
mod seats;
pub mod signed;
mod standing;
pub mod store;
pub mod twirp;
mod watch;
mod webhook;

pub use admission::{Focus, PROOF_TIMEOUT, Ports, SFU_TIMEOUT};
pub use ask::Ask;
pub use clock::{Clock, Now, system_clock};
pub use config::{FocusConfig, FocusSettings, SfuPlace};
pub use follow::{follow, look_again};
pub use grant::ApiKey;
pub use hanse_matrixrtc::{Access, Granted, RoomFacts, RoomId, ServerName, UserId};
pub use http::{router, routes};
pub use livekit_protocol::ParticipantInfo;
pub use policy::{Denied, FullAccess, Rights, Role, SitePolicy};
pub use policy_config::PolicyConfig;
pub use ports::{
    Answer, DelayedEventError, DelayedEvents, Homeserver, LeaveChange, LeaveStore, NewRoom, Presence,
    ProofError, Rooms, RoomsError, Seen, Sfu, SfuError, Source, StoreError,
};
pub use proofs::PROOF_LIFETIME;
pub use refusal::Refusal;
pub use twirp::{TwirpSfu, permission, seen, tracks_to_mute};
pub use watch::Watch;
