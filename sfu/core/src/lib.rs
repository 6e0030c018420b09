//! The media plane of Hanse's SFU, without I/O.
//!
//! **In:** datagrams ([`shard::Shard::handle_datagram`]), commands of the control side ([`command::MediaCommand`], by way
//! of [`placement::Placement`]), messages of other shards, and the time. **Out:** datagrams in trains
//! ([`shard::Shard::poll_batch`]), events ([`command::MediaEvent`]), messages for other shards, and the next deadline.
//!
//! It never opens a socket, reads a clock or asks the system for randomness, so a whole call with loss and reordering
//! runs in virtual time from a seed (`tests/`). It never looks into a payload behind the codec's descriptor and the types
//! of NAL units: that part is sealed by the sender's device. Only sound that is not may change its packaging (RED).
//!
//! Where to look next: [`shard`] is the whole in small (`ingress`, `egress`, `feedback`, `tick`), [`track`] what is
//! published, [`down_track`] what one subscriber receives of it, [`placement`] who lives on which shard.

use std::time::Duration;

pub mod arena;
pub mod carried;
mod closing;
pub mod command;
mod connection;
pub mod dependency;
mod down_track;
mod downlink;
pub mod estimate;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod ice;
pub mod ids;
mod line;
mod loudness;
mod nack;
mod nal;
pub mod pacer;
pub mod placement;
mod quality;
mod red;
mod replay;
mod ring;
mod round_trip;
pub mod rtcp;
pub mod rtp;
mod scalable;
pub mod secure;
mod selection;
pub mod sent_layers;
mod sequence;
pub mod shard;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
pub mod srtp;
#[cfg(feature = "debug-tap")]
pub mod tap;
mod timeline;
mod track;
mod twcc;
pub mod vp8;
pub mod vp9;

/// A peer that has sent no valid STUN check for this long is gone, and all that was known of it (RFC 7675 asks for consent
/// within 30 s; LiveKit's server says after 15 s that media has failed, and forgets the session 5 s later). Shorter: whoever
/// comes out of a tunnel begins anew. Longer: a device that died is in its Matrix room for more than 20 s.
pub const ICE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one loudness measurement of a microphone lasts.
pub const SPEAKER_WINDOW: Duration = Duration::from_millis(400);

/// How often [`command::MediaEvent::Quality`] is sent.
pub const QUALITY_INTERVAL: Duration = Duration::from_secs(5);

/// Bytes of one message of a data channel, either way; what our SDP says (RFC 8841, section 6). LiveKit's clients send at
/// most 64 000.
pub const DATA_MESSAGE_BYTES_MAX: usize = 65_535;
