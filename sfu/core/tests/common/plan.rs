//! A call over a link that changes, and what its subscriber notices of that.

use super::link::Link;
use super::sink::{Frame, Sink};
use super::{Person, World, ms, proof, up_to};
use hanse_sfu_core::command::Codec;
use hanse_sfu_core::ids::TrackId;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A camera of 720p: 150, 450 and 1,700 kbit/s at the 20 pictures a second of a [`super::source::FRAME`]. A key frame has
/// twice as many packets.
const CAMERA: [(u8, usize); 3] = [(1, 937), (3, 937), (10, 1_062)];

/// How often the queue is looked at.
const LOOK: Duration = ms(10);

/// Alice shows her camera and speaks; Bob sees and hears her over a link of his.
pub struct Call {
    pub world: World,
    pub alice: Person,
    pub bob: Person,
    pub camera: TrackId,
    pub microphone: TrackId,
    /// The longest wait at Bob's bottleneck since it was last asked for.
    pub longest_queue: Duration,
}

impl Call {
    /// They begin to call now.
    pub fn new(seed: u64, link: Link) -> Call {
        let mut world = World::new(seed);
        let alice = world.join("Alice");
        world.link = link;
        let bob = world.join("Bob");
        world.client(bob).tells = true;
        world.connect();
        let camera = world.publish_as(alice, Codec::Vp8, |source| source.sizes = CAMERA);
        let microphone = world.publish(alice, Codec::Opus);
        world.subscribe(bob, camera, up_to(2));
        world.subscribe_as(bob, microphone, Codec::Red);
        Call {
            world,
            alice,
            bob,
            camera,
            microphone,
            longest_queue: Duration::ZERO,
        }
    }

    /// Bob's link becomes another one now.
    pub fn change(&mut self, link: Link) {
        self.world.client(self.bob).down.link = link;
    }

    pub fn run(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        while self.world.now < end {
            self.world.run(LOOK);
            let now = self.world.now;
            let queue = self.world.client(self.bob).down.queue(now);
            self.longest_queue = self.longest_queue.max(queue);
        }
    }

    /// Runs until Bob sees this layer, at most so long; how long that took.
    pub fn run_until_layer(&mut self, limit: Duration, layer: u8) -> Option<Duration> {
        let start = self.world.now;
        while self.layer() != Some(layer) {
            if self.world.now - start >= limit {
                return None;
            }
            self.run(LOOK);
        }
        Some(self.world.now - start)
    }

    fn picture(&self) -> &Sink {
        self.world.sink(self.bob, self.camera)
    }

    /// The layer that Bob sees.
    pub fn layer(&self) -> Option<u8> {
        self.picture().current_layer()
    }

    /// How often the layer that he sees has changed since then.
    pub fn layer_changes(&self, since: Instant) -> usize {
        let frames = self.picture().frames.iter();
        let mut layers: Vec<u8> = frames
            .filter(|frame| frame.at >= since)
            .map(Frame::layer)
            .collect();
        layers.dedup();
        layers.len().saturating_sub(1)
    }

    /// The longest time between two pictures that he saw since then.
    pub fn longest_freeze(&self, since: Instant) -> Duration {
        longest_freeze(self.picture(), since, self.world.now)
    }

    /// The longest time between two packets of sound that came since then.
    pub fn longest_silence(&self, since: Instant) -> Duration {
        self.longest_silence_in(since..self.world.now)
    }

    /// The same of what began in this time.
    pub fn longest_silence_in(&self, time: Range<Instant>) -> Duration {
        let arrivals = &self.world.sink(self.bob, self.microphone).arrivals;
        longest(time, self.world.now, arrivals.iter().copied())
    }

    /// The share of pictures that came too late or incomplete.
    pub fn undecodable(&self) -> f64 {
        1.0 - proof::completeness(&self.world, self.picture())
    }

    /// The share of sounds of which not even a copy came.
    pub fn lost_sound(&self) -> f64 {
        let sink = self.world.sink(self.bob, self.microphone);
        1.0 - proof::audibility(&self.world, sink)
    }
}

/// The longest time between two pictures that were seen.
pub fn longest_freeze(sink: &Sink, since: Instant, now: Instant) -> Duration {
    let shown = sink.frames.iter().filter(|frame| frame.decodable);
    longest(since..now, now, shown.map(|frame| frame.at))
}

/// The longest of the pauses that began in this time. The last one is not over by `now`.
fn longest(time: Range<Instant>, now: Instant, at: impl Iterator<Item = Instant>) -> Duration {
    let mut longest = Duration::ZERO;
    let mut before = time.start;
    for at in at.filter(|at| *at >= time.start).chain([now]) {
        if before >= time.end {
            break;
        }
        longest = longest.max(at - before);
        before = at;
    }
    longest
}
