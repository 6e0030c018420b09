//! The focus: who may be in which call, on which SFU, with which rights. It answers as Element's MatrixRTC Authorization
//! Service does, so clients and operators can change from one to the other.
//!
//! In: requests for a token from people on any homeserver. Out: the address of the SFU and a signed grant, after the SFU
//! has made the room, or a Matrix error whose sentence says what to do.
//!
//! It never dials a homeserver itself (the port [`Homeserver`] does, whose adapter is guarded), never sees a key of a
//! call, keeps no state but two bounded tables in memory, and logs people, rooms and servers as tags only.
//!
//! What it cannot know: an OpenID token says which user asks, not on which device, and not that it was meant for this
//! focus. Whoever is handed such a token, another focus for instance, can play its user here until the token expires
//! (an hour on Synapse). That lies in how homeservers make these tokens; the call's media stays sealed from such a
//! person all the same, because the call's keys go to devices.
//!
//! Where to look next: [`http`] for the routes, `ask.rs` for what a request must have, `admission.rs` for the decision.

mod admission;
mod ask;
mod clock;
mod config;
mod grant;
pub mod http;
mod limiter;
mod policy;
mod ports;
mod proofs;
mod refusal;
pub mod twirp;

pub use admission::{Focus, PROOF_TIMEOUT, SFU_TIMEOUT};
pub use ask::Ask;
pub use clock::{Clock, Now, system_clock};
pub use config::{FocusConfig, FocusSettings, SfuPlace};
pub use grant::ApiKey;
pub use hanse_matrixrtc::{Granted, ServerName, UserId};
pub use http::{router, routes};
pub use policy::FullAccess;
pub use ports::{Answer, Homeserver, NewRoom, ProofError, Sfu, SfuError};
pub use refusal::Refusal;
pub use twirp::TwirpSfu;
