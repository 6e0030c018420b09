//! What of one down track waits in its subscriber's pacer: which layer it will be at when all of that has gone out, so that
//! packets which come meanwhile are judged as if it had.

use crate::ids::Layer;
use crate::pacer::GivenUp;
use crate::ring::PacketFacts;
use std::time::{Duration, Instant};

/// Wait between two key frames that are asked for because packets were given up again and again: at most this, at first, and
/// where there is room again, [`SEEK_SPACING_MIN`]. A link that carries no picture at all must not make the publisher send key frames to
/// everybody all the time.
pub const SEEK_SPACING_MAX: Duration = Duration::from_secs(4);

/// The shortest such wait.
const SEEK_SPACING_MIN: Duration = Duration::from_millis(500);

/// Who has given up nothing for this long begins with the shortest wait.
const CALM: Duration = Duration::from_secs(10);

/// The line of one down track.
#[derive(Debug, Default)]
pub struct Line {
    packets: u16,
    /// Packets of other epochs belong to a line that was stopped; they go nowhere.
    epoch: u8,
    /// The layer of its last packet.
    layer: Option<Layer>,
    /// Time and layer of the latest key frame in it.
    key_frame: Option<(Layer, u64)>,
    /// What came after it was given up: nothing joins but a key frame.
    is_held: bool,
    given_up: Option<Instant>,
    seek_at: Option<Instant>,
    spacing: Duration,
}

/// How a packet joins the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joins {
    /// See [`crate::pacer::Waiting::epoch`].
    pub epoch: u8,
    /// It belongs to a key frame.
    pub key: bool,
    /// With it another stream begins, or the same one anew.
    pub begins: bool,
    /// Packets before it were given up.
    pub anew: bool,
    /// The subscriber wants it.
    pub passes: bool,
}

impl Line {
    /// The layer that goes out once all has gone out that waits; `current`: the one that goes out now.
    pub fn heading(&self, current: Option<Layer>) -> Option<Layer> {
        if self.packets > 0 { self.layer } else { current }
    }

    /// Whether only a key frame may join.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// Whether to ask for that key frame now.
    pub fn seeks(&self, now: Instant) -> bool {
        self.is_held && self.seek_at.is_none_or(|at| now >= at)
    }

    /// A packet joins that may; `begins`: another stream does, `passes`: the subscriber wants it.
    pub fn join(&mut self, facts: &PacketFacts, begins: bool, passes: bool) -> Joins {
        if begins || facts.entry {
            self.key_frame = facts.entry.then_some((facts.layer, facts.timestamp));
        }
        self.packets = self.packets.saturating_add(1);
        self.layer = Some(facts.layer);
        Joins {
            epoch: self.epoch,
            key: self.key_frame == Some((facts.layer, facts.timestamp)),
            begins,
            anew: begins && std::mem::take(&mut self.is_held),
            passes,
        }
    }

    /// A packet leaves. False: its line was stopped.
    pub fn leave(&mut self, epoch: u8) -> bool {
        self.packets = self.packets.saturating_sub(1);
        epoch == self.epoch
    }

    /// The stream stops at once.
    pub fn on_stopped(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.layer = None;
        self.is_held = false;
    }

    /// Everything fits that goes out to the subscriber: the key frame with which this goes on need not wait for longer.
    pub fn on_room(&mut self) {
        if let (Some(given_up), Some(seek_at)) = (self.given_up, self.seek_at) {
            self.seek_at = Some(seek_at.min(given_up + SEEK_SPACING_MIN));
        }
    }

    /// Packets of it were given up.
    pub fn on_given_up(&mut self, now: Instant, given_up: GivenUp) {
        self.packets = self.packets.saturating_sub(given_up.packets);
        if !given_up.needs_key_frame {
            return;
        }
        self.is_held = true;
        let since = self.given_up.replace(now);
        let is_calm = since.is_none_or(|at| now.saturating_duration_since(at) >= CALM);
        self.seek_at = (!is_calm).then(|| now + self.spacing);
        self.spacing = if is_calm {
            SEEK_SPACING_MIN
        } else {
            (self.spacing * 2).min(SEEK_SPACING_MAX)
        };
    }
}
