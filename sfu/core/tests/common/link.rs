//! A network path in one direction: a bottleneck with a queue, then a way that takes time and loses some.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How a path behaves.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Every datagram takes at least this long …
    pub delay: Duration,
    /// … and up to this much more, each for itself, so that datagrams overtake each other …
    pub jitter: Duration,
    /// … unless they are kept in order.
    pub ordered: bool,
    /// Share that never arrives.
    pub loss: f64,
    /// Share that arrives twice.
    pub duplication: f64,
    /// What the bottleneck carries, in bit/s; `None` is anything.
    pub rate_bps: Option<u64>,
    /// What would wait for longer at the bottleneck is dropped.
    pub queue: Duration,
}

impl Link {
    /// Loses and reorders nothing.
    pub const CLEAN: Link = Link {
        delay: Duration::from_millis(15),
        jitter: Duration::ZERO,
        ordered: false,
        loss: 0.0,
        duplication: 0.0,
        rate_bps: None,
        queue: Duration::from_millis(400),
    };

    /// A bad wireless link: every twentieth datagram is lost, neighbours overtake each other.
    pub const BAD: Link = Link {
        jitter: Duration::from_millis(12),
        loss: 0.05,
        duplication: 0.01,
        ..Link::CLEAN
    };

    /// A clean link that carries so many kbit/s.
    pub const fn of_kbps(kbps: u64) -> Link {
        Link {
            rate_bps: Some(kbps * 1_000),
            ..Link::CLEAN
        }
    }
}

/// A path with its own luck.
#[derive(Debug)]
pub struct Path {
    /// May be changed at any time.
    pub link: Link,
    /// Datagrams that were lost, at the bottleneck or behind it.
    pub lost: u64,
    /// What it will be from when on, in order of time.
    plan: VecDeque<(Instant, Link)>,
    /// Bits that wait at the bottleneck, as of when.
    waiting: (f64, Option<Instant>),
    latest: Option<Instant>,
    random: ChaCha8Rng,
}

impl Path {
    pub fn new(link: Link, seed: u64) -> Path {
        Path {
            link,
            lost: 0,
            plan: VecDeque::new(),
            waiting: (0.0, None),
            latest: None,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The link changes at these times, which ascend.
    pub fn follow(&mut self, plan: impl IntoIterator<Item = (Instant, Link)>) {
        self.plan.extend(plan);
    }

    /// How long a datagram that comes now waits at the bottleneck.
    pub fn queue(&mut self, now: Instant) -> Duration {
        while let Some((at, link)) = self.plan.front().copied()
            && at <= now
        {
            self.drain(at);
            self.link = link;
            self.plan.pop_front();
        }
        self.drain(now);
        match self.link.rate_bps {
            Some(bps) => Duration::from_secs_f64(self.waiting.0 / bps as f64),
            None => Duration::ZERO,
        }
    }

    fn drain(&mut self, now: Instant) {
        let (bits, since) = self.waiting;
        let elapsed = now.saturating_duration_since(since.unwrap_or(now)).as_secs_f64();
        let left = match self.link.rate_bps {
            Some(bps) => (bits - elapsed * bps as f64).max(0.0),
            None => 0.0,
        };
        self.waiting = (left, Some(now));
    }

    /// When a datagram that is sent now arrives: never, once or twice.
    pub fn carry(&mut self, now: Instant, bytes: usize) -> Vec<Instant> {
        let queue = self.queue(now);
        if queue > self.link.queue || self.random.random_bool(self.link.loss) {
            self.lost += 1;
            return Vec::new();
        }
        let mut out = now;
        if let Some(bps) = self.link.rate_bps {
            self.waiting.0 += bytes as f64 * 8.0;
            out += Duration::from_secs_f64(self.waiting.0 / bps as f64);
        }
        let copies = if self.random.random_bool(self.link.duplication) {
            2
        } else {
            1
        };
        let jitter_us = self.link.jitter.as_micros() as u64;
        (0..copies)
            .map(|_| {
                let jitter = Duration::from_micros(self.random.random_range(0..=jitter_us));
                let at = out + self.link.delay + jitter;
                let at = if self.link.ordered {
                    self.latest.map_or(at, |latest| at.max(latest))
                } else {
                    at
                };
                self.latest = self.latest.max(Some(at));
                at
            })
            .collect()
    }
}
