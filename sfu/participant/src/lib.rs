//! A participant of calls on Matrix without a screen: what a person with Element does, done by a program. The doctor has two of them
//! call each other, bots are built on it, and tests put it beside Element Call.
//!
//! In: an account, a room, what may be seen of the homeserver, of focuses and SFUs. Out: the test picture and the test tone, sealed; and
//! a [`report::Report`] of whom it has seen and heard.
//!
//! It never uses anything of Hanse's servers: it knows of them what any client knows, so it works with those of others, and what it
//! finds is what a stranger would find.
//!
//! Where to look next: [`call`] for the order of things, [`sfu`] for LiveKit's protocol, [`matrix`] for membership and keys, [`media`] for
//! what is shown and played.

// The futures of the Matrix SDK are deep.
#![recursion_limit = "256"]

pub mod call;
pub mod focus;
pub mod matrix;
pub mod media;
pub mod mode;
pub mod report;
pub mod sfu;
pub mod tls;
