//! The one place that reads clocks. Everything else takes time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, for deadlines.
pub fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time since 1970 in ms, for what leaves the process. A clock that stands before 1970 reads 0.
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Wall-clock time since 1970 in seconds, for tokens.
pub fn unix_s() -> u64 {
    unix_ms() / 1000
}
