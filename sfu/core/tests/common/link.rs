//! A network path in one direction.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};

/// How a path behaves.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Every datagram takes at least this long …
    pub delay: Duration,
    /// … and up to this much more, each for itself, so that datagrams overtake each other.
    pub jitter: Duration,
    /// Share that never arrives.
    pub loss: f64,
    /// Share that arrives twice.
    pub duplication: f64,
}

impl Link {
    /// Loses and reorders nothing.
    pub const CLEAN: Link = Link {
        delay: Duration::from_millis(15),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
    };

    /// A bad wireless link: every twentieth datagram is lost, neighbours overtake each other.
    pub const BAD: Link = Link {
        delay: Duration::from_millis(15),
        jitter: Duration::from_millis(12),
        loss: 0.05,
        duplication: 0.01,
    };
}

/// A path with its own luck.
#[derive(Debug)]
pub struct Path {
    /// May be changed at any time.
    pub link: Link,
    /// Datagrams that were lost.
    pub lost: u64,
    random: ChaCha8Rng,
}

impl Path {
    pub fn new(link: Link, seed: u64) -> Path {
        Path {
            link,
            lost: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// When a datagram that is sent now arrives: never, once or twice.
    pub fn carry(&mut self, now: Instant) -> Vec<Instant> {
        if self.random.random_bool(self.link.loss) {
            self.lost += 1;
            return Vec::new();
        }
        let copies = if self.random.random_bool(self.link.duplication) {
            2
        } else {
            1
        };
        let jitter_us = self.link.jitter.as_micros() as u64;
        (0..copies)
            .map(|_| now + self.link.delay + Duration::from_micros(self.random.random_range(0..=jitter_us)))
            .collect()
    }
}
