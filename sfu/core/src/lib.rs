//! The media plane of Hanse's SFU, without I/O.

use std::time::Duration;

pub mod command;
pub mod ids;
pub mod secure;

/// A peer that has sent no valid STUN check for this long is gone (RFC 7675 asks for consent within 30 s; LiveKit's
/// server gives up after 10 s disconnected + 5 s failed).
pub const ICE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one loudness measurement of a microphone lasts.
pub const SPEAKER_WINDOW: Duration = Duration::from_millis(400);

/// How often [`command::MediaEvent::Quality`] is sent.
pub const QUALITY_INTERVAL: Duration = Duration::from_secs(5);

pub mod placement;
pub mod shard;
