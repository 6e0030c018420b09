//! What Hanse asks homeservers, and what it believes of their answers.
//!
//! In: the name of a homeserver and a token, both from somebody whom nobody has vouched for yet; and what our own homeservers
//! push to us as an application service. Out: the Matrix user id that the homeserver of that name vouches for, or the reason
//! why there is none; and what holds in a room: who is in it, who may what, its rules for calls.
//!
//! Knowing rooms has two grades. Any room: who is in it is asked when it matters (MSC4502). Rooms that have invited the bridge
//! user, `@hanse:…`: their events are pushed, and [`Bridge::facts`] is what holds. Nothing of this is stored.
//!
//! For a stranger it never connects to an address that a stranger could only reach through us (loopback, private networks and their like,
//! see [`dial::address`]) unless the configuration allows that network; never looks a name up twice between checking an
//! address and dialling it; never follows a redirect with a token in hand; and never puts a token, an id or an address into a
//! log line or an error.
//!
//! Why hyper's bare connection over a socket that we opened, and no ready-made HTTP client: such a client resolves names,
//! follows redirects, pools connections and reads proxies from the environment, and each of these has to be found and
//! switched off, in every version anew. Here the socket exists before HTTP begins. It can only be opened with a
//! [`dial::address::PermittedAddress`], and those are made in one place. That costs about a hundred lines (`dial/exchange.rs`).
//!
//! Our own homeservers are where the configuration says; they are asked with such a client (`client.rs`), over few connections.
//!
//! Where to look next: [`openid`] for the proof, [`dial`] for the way to a homeserver, [`registration`] for what makes a
//! homeserver ours, [`synapse`] for what its configuration needs, `rooms.rs` for how facts are kept.

pub mod appservice;
mod breaker;
mod bridge;
mod client;
pub mod config;
pub mod dial;
pub mod guests;
mod homeserver;
pub mod openid;
pub mod registration;
mod rooms;
pub mod synapse;

pub use bridge::{Bridge, BridgeError, CHANGES_MAX, DelayedLeaveError, NotKnown, PresentTokenError};
pub use client::{ApiError, DelayedEvent, Forwarded};
pub use config::HomeserversConfig;
pub use guests::{GuestError, GuestMove, GuestSession, GuestStanding, RoomDoor};
pub use hanse_matrixrtc::{ServerName, ServerNameError};
pub use homeserver::Standing;
pub use openid::ProofError;
pub use registration::{PreviousTokens, Registration, RegistrationError, rotate, settle};
pub use rooms::{Pace, ROOMS_MAX};
pub use synapse::{CallUrls, SynapseConfig};
