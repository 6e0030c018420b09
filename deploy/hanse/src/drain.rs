//! What SIGTERM does: nothing new begins, what goes on may go on for a while, then the server ends.
//!
//! In: signals, and when the SFU has nobody any more. Out: that it is over. The farewell itself is the node's
//! ([`hanse_sfu::Node::stop`]).

use crate::supervisor;
use hanse_sfu::SfuHandle;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The way from the first signal to the end.
pub struct Drain {
    sfu: SfuHandle,
    /// How long calls may go on.
    allowed: Duration,
    /// When it is over whoever is here; `None`: nobody has asked for the end yet.
    until: Option<Instant>,
}

impl Drain {
    /// Nobody has asked for the end yet.
    pub fn new(sfu: SfuHandle, allowed: Duration) -> Self {
        Drain {
            sfu,
            allowed,
            until: None,
        }
    }

    /// A signal has come; `true`: the server is to end now. The first one begins the drain, the second one ends it.
    pub async fn signalled(&mut self, signal: &str) -> bool {
        if self.until.is_some() || self.allowed.is_zero() {
            tracing::info!("{signal}: saying goodbye to everybody");
            return true;
        }
        self.sfu.drain(true).await;
        tracing::info!(
            "{signal}: no new calls begin; those with {} people may go on for {} s. A second signal ends them at once",
            self.sfu.people().await,
            self.allowed.as_secs()
        );
        supervisor::ask_for_time(self.allowed);
        self.until = Some(Instant::now() + self.allowed);
        false
    }

    /// Returns when a drain is over: nobody is here any more, or its time is up. Never, if there is none.
    pub async fn over(&self) {
        let Some(until) = self.until else {
            return std::future::pending().await;
        };
        tokio::select! {
            () = self.sfu.nobody() => tracing::info!("the last call is over"),
            () = sleep_until(until) => tracing::info!("the time for calls to end by themselves is up"),
        }
    }
}
