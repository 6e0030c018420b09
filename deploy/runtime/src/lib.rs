//! What every Hanse executable shares.
//!
//! In: a configuration file, environment variables, signals, the system's clocks. Out: checked settings
//! ([`config`]), time as plain values ([`clock`]), log lines without personal data ([`telemetry`], [`redact`]),
//! and one notice when the process shall stop ([`shutdown`]).
//!
//! It never opens a socket, knows nothing of calls, and holds no table of settings but its own: each service
//! describes its table where it is used (`sfu/node/src/config.rs`), and `deploy/hanse` puts them together.
//!
//! Where to look next: [`config`] for how a setting is found and refused.

pub mod clock;
pub mod config;
pub mod redact;
pub mod secret;
pub mod shutdown;
pub mod telemetry;

pub use redact::Redacted;
pub use secret::Secret;
