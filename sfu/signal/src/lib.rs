//! LiveKit signalling without I/O: who is in which room, what everybody publishes and receives, and the negotiation of
//! each participant's single peer connection.
//!
//! **In:** joins with checked tokens ([`Signalling::handle_join`]), clients' messages
//! ([`Signalling::handle_request`]), what the media plane reports ([`Signalling::handle_media`]), commands of the
//! operator ([`Signalling::handle_command`], [`Signalling::handle_call`]), and time. **Out**, by [`Signalling::poll_output`]: messages for sockets,
//! commands for the media plane, events for whoever watches. After each input drain the outputs until there is none, then
//! sleep until [`Signalling::poll_timeout`].
//!
//! It never reads a clock or the system's randomness, never opens a socket, never sees a packet, and never looks into
//! anything that is encrypted. Whatever a client sends, it neither panics nor grows beyond [`limits`].
//!
//! Spoken is LiveKit's protocol 17, in both its forms: one peer connection, on which the client offers (`/rtc/v1`), and
//! two, of which we offer on one (`/rtc`). A client whose socket broke goes on with its session (`resume.rs`, `missed.rs`).
//!
//! Where to look next: `signalling.rs` (every input), `room.rs` (join, leave, who is told), `publish.rs`, `subscribe.rs`
//! (wishes), `forward.rs` (what becomes of them), `negotiate/` (offers, answers, slots), `data/` (what is sent by
//! data channels), `life.rs` and `docs/participant-life.md` for the states.

mod announce;
pub mod api;
mod budget;
mod choose;
mod client;
mod context;
mod data;
mod dynacast;
mod forward;
pub mod join;
pub mod life;
pub mod limits;
mod missed;
mod names;
mod negotiate;
mod participant;
mod precedence;
mod publish;
mod quality;
mod regression;
mod requests;
mod resume;
mod revocations;
mod room;
mod score;
pub mod signalling;
mod simulate;
mod speakers;
mod streams;
mod subscribe;
mod timers;
pub mod token;
mod track;
mod transport;
mod turn;

pub use api::{
    CallId, DataMessage, ParticipantChange, RoomSettings, RpcCall, RpcError, RpcFailure, SfuCommand,
    SfuEvent, SfuRefusal, SfuReply,
};
pub use budget::RequestBudget;
pub use client::complete_client_info;
pub use join::{JoinAttempt, JoinRefusal, PeerConnections, decode_join_request};
pub use negotiate::candidate::{Candidate, CandidateTransport};
pub use negotiate::codec::{CODECS, codec_named};
pub use signalling::{Output, SessionId, SignalConfig, Signalling, WallClock};
pub use streams::{Asked, VideoState, VideoStream, VideoStreams};
pub use token::{ApiKeys, ApiKeysError, Claims, TokenError, VideoGrant, sign, sign_webhook, verify};
pub use turn::TurnServers;
