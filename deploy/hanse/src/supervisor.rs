//! What systemd is told of this process, if it wants to know (`Type=notify`; sd_notify(3)). Elsewhere nothing happens.

use hanse_runtime::shutdown::SHUTDOWN_DEADLINE;
use sd_notify::NotifyState;
use std::time::Duration;

/// The server answers: what waits for it may start.
pub fn tell_ready() {
    tell(&[NotifyState::Ready]);
}

/// The server ends.
pub fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The end takes this long, and the farewell; the unit's `TimeoutStopSec` need not know of it.
pub fn ask_for_time(drain: Duration) {
    let whole = drain.saturating_add(SHUTDOWN_DEADLINE);
    let microseconds = u32::try_from(whole.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(microseconds),
    ]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the supervisor cannot be told how it stands: {error}");
    }
}
