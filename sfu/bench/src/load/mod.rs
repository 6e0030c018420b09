//! Clients that cost little: hundreds of them in one thread, beside a server that is a process of its own.
//!
//! Each is a real client over real sockets: signalling over a WebSocket with the offers of a browser ([`sdp`]), and a
//! transport of ICE, DTLS, SCTP and SRTP ([`transport`]). What it publishes looks like Opus and VP8 from outside and shows
//! nothing ([`media`]); what it receives is opened until it knows that it hears and sees the sender, and is only counted
//! from then on. [`client`] is one participant's life, [`crowd`] is who is in which room, and who has heard whom when.

pub mod client;
pub mod crowd;
pub mod media;
pub mod sdp;
pub mod token;
pub mod transport;
