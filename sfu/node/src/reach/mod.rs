//! How people reach the SFU with their media: which addresses they are offered, and what may stand in the way.
//!
//! In: the configuration, the addresses of this machine, what STUN servers see. Out: the candidates of every offer and answer,
//! and the sentences about them in the log, from one list ([`Offer`]). It decides nothing about connections: the path is
//! chosen by the client (ICE), which tries all.
//!
//! Where to look next: `offer.rs` for what is offered, `stun.rs` for one question to a STUN server without I/O, `discover.rs`
//! for asking them, `config.rs` for the keys of `[sfu]`, `watch.rs` for looking again. For people: `docs/networks.md`.

pub(crate) mod config;
mod discover;
mod offer;
mod stun;
mod watch;

pub use config::{ReachConfig, StunServer};
pub(crate) use offer::Sockets;
pub use offer::usual_addresses;
pub(crate) use watch::Reach;
