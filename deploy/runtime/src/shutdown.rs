//! Stopping in order.

use std::io;
use std::time::Duration;

/// How long the process may take to say goodbye to everybody after it was asked to stop. What is not done by then is
/// left: a supervisor that has to kill the process is worse than a call that ends without a farewell.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Waits for SIGINT or SIGTERM and names the one that came.
///
/// # Errors
///
/// When the system refuses the handlers.
pub async fn requested() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}
