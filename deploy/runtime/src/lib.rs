//! What every Hanse executable shares.
//!
//! In: a configuration file, environment variables, signals, the system's clocks. Out: checked settings
//! ([`config`]), time as plain values ([`clock`]), log lines without personal data ([`telemetry`], [`redact`]),
//! numbers about the process ([`metrics`]), one notice when the process shall stop ([`shutdown`]) and one each time it shall
//! read its settings again ([`reload`]).
//!
//! It never opens a socket, knows nothing of calls, and holds no table of settings but its own: each service
//! describes its table where it is used (`sfu/node/src/config.rs`), and `deploy/hanse` puts them together.
//!
//! Where to look next: [`config`] for how a setting is found and refused.

mod client_address;
pub mod clock;
pub mod config;
pub mod metrics;
pub mod redact;
pub mod reload;
pub mod secret;
pub mod shutdown;
pub mod telemetry;

pub use client_address::ClientAddress;
pub use redact::Redacted;
pub use secret::Secret;
