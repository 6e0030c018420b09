//! Reading the configuration again.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Each SIGHUP from now on; `systemctl reload` sends one.
///
/// # Errors
///
/// When the system refuses the handler.
pub fn requested() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
