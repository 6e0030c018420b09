//! What Hanse asks homeservers, and what it believes of their answers.
//!
//! In: the name of a homeserver and a token, both from somebody whom nobody has vouched for yet. Out: the Matrix user id that
//! the homeserver of that name vouches for, or the reason why there is none.
//!
//! It never connects to an address that a stranger could only reach through us (loopback, private networks and their like,
//! see [`dial::address`]) unless the configuration allows that network; never looks a name up twice between checking an
//! address and dialling it; never follows a redirect with a token in hand; and never puts a token, an id or an address into a
//! log line or an error.
//!
//! Why hyper's bare connection over a socket that we opened, and no ready-made HTTP client: such a client resolves names,
//! follows redirects, pools connections and reads proxies from the environment, and each of these has to be found and
//! switched off, in every version anew. Here the socket exists before HTTP begins. It can only be opened with a
//! [`dial::address::PermittedAddress`], and those are made in one place. That costs about a hundred lines (`dial/exchange.rs`).
//!
//! Where to look next: [`openid`] for the proof, [`dial`] for the way to a homeserver, [`server_name`] for what a stranger may
//! write.

mod bridge;
pub mod config;
pub mod dial;
pub mod openid;
pub mod server_name;

pub use bridge::Bridge;
pub use config::HomeserversConfig;
pub use openid::ProofError;
pub use server_name::{BadServerName, ServerName};
