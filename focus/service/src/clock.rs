//! Time as a value.

use std::sync::Arc;
use std::time::Instant;

/// One moment, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For what expires here.
    pub instant: Instant,
    /// Seconds since 1970, for tokens.
    pub unix_s: u64,
}

impl Now {
    /// Milliseconds since 1970, as Matrix counts.
    pub const fn unix_ms(self) -> u64 {
        self.unix_s.saturating_mul(1000)
    }
}

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// The system's clocks.
pub fn system_clock() -> Clock {
    Arc::new(|| Now {
        instant: hanse_runtime::clock::now(),
        unix_s: hanse_runtime::clock::unix_s(),
    })
}
