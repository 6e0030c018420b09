//! The I/O shell of Hanse's SFU.
//!
//! In: UDP datagrams, HTTP requests, WebSocket frames, time, and commands of the process it lives in. Out: the same
//! the other way round, and events. Everything is carried to two machines that do no I/O themselves: `hanse-sfu-core`
//! moves packets, `hanse-sfu-signal` speaks LiveKit's protocol.
//!
//! It decides nothing about rooms or media, keeps no state of its own beyond sockets and queues, holds no locks, and
//! reads the clock only through `hanse_runtime::clock`, once per wake-up (deadlines of sockets are tokio's).
//!
//! Where to look next: [`node`] for the parts and how they are joined; `shard.rs` for the way of a packet, from
//! [`net`] to the core and back; `control.rs` for the way of a signalling message, from `http/socket.rs` to the
//! signalling and back; `reach/` for what addresses clients are offered; [`handle`] for controlling an SFU from the same process; [`webhooks`] for telling others what
//! happens.

pub mod config;
mod control;
mod forwarding;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod handle;
mod http;
mod ice_tcp;
pub mod metrics;
pub mod net;
pub mod node;
mod prometheus;
mod reach;
pub mod secure;
mod shard;
mod tally;
#[cfg(feature = "debug-tap")]
mod tap;
mod tls;
pub mod webhooks;
pub mod why;

pub use config::{HttpConfig, SfuConfig};
pub use handle::{Heard, SfuEvents, SfuHandle};
pub use hanse_sfu_signal::{
    DataMessage, ParticipantChange, RoomSettings, SfuCommand, SfuEvent, SfuRefusal, SfuReply, VideoStream,
    VideoStreams,
};
pub use http::{Beside, Server as HttpServer, TrustedProxies, bind as bind_http};
pub use livekit_protocol::{DisconnectReason, Room, TrackSource};
pub use node::{Node, StartError};
pub use prometheus::PrometheusConfig;
pub use reach::{ReachConfig, StunServer, usual_addresses};
pub use tls::config::{CertificateSource, TlsConfig};
pub use webhooks::{WebhookConfig, Webhooks, WebhooksError};
