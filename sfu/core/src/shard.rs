//! One shard: the connections, tracks and down tracks of one core.

use crate::command::{MediaCommand, MediaEvent};
use crate::ids::{ConnectionId, ShardId};
use crate::secure::SecureTransports;
use std::net::SocketAddr;
use std::time::Instant;

/// What a shard is made of.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Its place among its neighbours.
    pub id: ShardId,
    /// Shards on this node, this one included.
    pub shards: u16,
    /// Seed of its generator.
    pub seed: [u8; 32],
}

/// What [`crate::placement::Placement`] tells a shard. Opaque to the shell, which carries it in order.
#[derive(Debug)]
pub enum ShardCommand {
    /// For this shard.
    Media(MediaCommand),
}

/// What a shard tells [`crate::placement::Placement`]. Opaque to the shell, which carries it in order.
#[derive(Debug)]
pub enum ShardEvent {
    /// For the control side.
    Media(MediaEvent),
    /// A valid STUN check for this connection arrived here first.
    Claimed(ConnectionId),
}

/// What shards of one node tell each other. Opaque to the shell, which carries it in order.
#[derive(Debug)]
pub enum NeighbourMessage {}

/// Datagrams of one size for one destination: one `sendmsg` with UDP_SEGMENT.
#[derive(Clone, Copy, Debug)]
pub struct Train {
    /// Where to.
    pub destination: SocketAddr,
    /// First byte in [`Batch::bytes`].
    pub start: usize,
    /// Bytes of the whole train, at most 65,000.
    pub len: usize,
    /// Bytes of each datagram; only the last may be shorter.
    pub segment: usize,
}

/// Datagrams that want to be sent now.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The trains lie in here.
    pub bytes: &'a [u8],
    /// In sending order.
    pub trains: &'a [Train],
}

/// One shard. Feed it with `handle_*`, then drain `poll_batch`, `poll_event` and `poll_neighbour` until each says
/// `None`, then sleep until `poll_timeout`.
pub struct Shard {}

impl Shard {
    /// An empty shard.
    pub fn new(_now: Instant, _config: ShardConfig, _secure: Box<dyn SecureTransports>) -> Self {
        Shard {}
    }
    /// Takes a datagram; it is opened in place. Garbage is dropped and counted.
    pub fn handle_datagram(&mut self, _now: Instant, _source: SocketAddr, _datagram: &mut [u8]) {}
    /// Takes a command of the control side.
    pub fn handle_command(&mut self, _now: Instant, _command: ShardCommand) {}
    /// Takes a message of a neighbour.
    pub fn handle_neighbour(&mut self, _now: Instant, _from: ShardId, _message: NeighbourMessage) {}
    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Instant) {}
    /// The next datagrams to send; the arena is reused by the next call.
    pub fn poll_batch(&mut self, _now: Instant) -> Option<Batch<'_>> {
        None
    }
    /// The next event for the control side.
    pub fn poll_event(&mut self) -> Option<ShardEvent> {
        None
    }
    /// The next message for a neighbour.
    pub fn poll_neighbour(&mut self) -> Option<(ShardId, NeighbourMessage)> {
        None
    }
    /// When [`Shard::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
