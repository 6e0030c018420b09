//! A small simulated world around the media plane: people with devices, links that lose and reorder, one or more
//! shards, and a clock that jumps to the next thing that happens. Everything follows from a seed; nothing sleeps.
//!
//! [`world`] steps time and carries datagrams and messages; [`client`] is one person's device and [`feedback`] its RTCP;
//! [`source`] is what it publishes, [`sink`] what it receives; [`content`] is what stands behind the codec's descriptor,
//! so that a receiver can prove whose it is and that nobody touched it; [`link`] is the network; [`wire`] builds and
//! reads packets, [`units`] the heads of NAL units; [`proof`] says what must be true of what somebody received. [`plan`] is
//! a call over a link that changes, [`calls`] what is planned for such calls and what is to be reached. [`flow`] is a smaller world: an estimator and its bottleneck alone.

// Each test file uses its own part of the world.
#![allow(dead_code)]

pub mod calls;
pub mod client;
pub mod content;
pub mod feedback;
pub mod flow;
pub mod link;
pub mod plan;
pub mod proof;
pub mod scalable;
pub mod sink;
pub mod source;
pub mod units;
pub mod wire;
pub mod world;

pub use world::{Person, World};

use hanse_sfu_core::command::Want;
use hanse_sfu_core::ids::Layer;
use std::time::Duration;

/// Milliseconds, because nearly everything here is counted in them.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A visible tile that can use `layer` at most.
pub const fn up_to(layer: u8) -> Want {
    Want {
        enabled: true,
        layer_max: Layer(layer),
        temporal_max: u8::MAX,
    }
}

/// A hidden tile.
pub const HIDDEN: Want = Want {
    enabled: false,
    layer_max: Layer(2),
    temporal_max: u8::MAX,
};
