//! Which shard has which connection: turns the control side's commands into shard commands, and back.

use crate::command::{MediaCommand, MediaEvent};
use crate::ids::ShardId;
use crate::shard::{ShardCommand, ShardEvent};
use std::time::Instant;

/// What comes out of [`Placement`].
#[derive(Debug)]
pub enum PlacementOutput {
    /// To be carried to a shard.
    Shard(ShardId, ShardCommand),
    /// For the control side.
    Event(MediaEvent),
}

/// Owned by the control side, one for a node.
pub struct Placement {}

impl Placement {
    /// For a node with this many shards (at least 1).
    pub fn new(_shards: u16) -> Self {
        Placement {}
    }
    /// Takes a command of the signalling.
    pub fn handle_command(&mut self, _now: Instant, _command: MediaCommand) {}
    /// Takes what a shard said.
    pub fn handle_event(&mut self, _now: Instant, _from: ShardId, _event: ShardEvent) {}
    /// The next output.
    pub fn poll_output(&mut self) -> Option<PlacementOutput> {
        None
    }
}
