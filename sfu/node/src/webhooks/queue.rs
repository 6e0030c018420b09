//! Which webhook goes where, and when. Without I/O: time and randomness are arguments.
//!
//! Each destination has its own queue, and in it each room its own lane: what happens in a room arrives in its order, one
//! after the other, and neither a slow destination nor a room that has trouble holds up others.
//!
//! A try that fails is repeated after a time that doubles, with jitter. What has been tried for [`GIVE_UP_AFTER`] is given
//! up; but nothing is before it was tried, so after a long silence of a destination all that still waits arrives.

use super::event::Importance;
use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests at a time to one destination. Beyond: further rooms wait for their turn, the one that is due longest first.
pub const IN_FLIGHT_MAX: usize = 10;

/// Webhooks that wait for one destination and do not say that something ended, some 500 bytes each. Beyond: new ones are
/// dropped.
pub const ORDINARY_MAX: usize = 4_096;

/// Webhooks that wait for one destination and say that something ended. They have room of their own, so that no flood of
/// the others costs one. Beyond: new ones are dropped.
pub const ENDINGS_MAX: usize = 16_384;

/// The longest time before the second try. It doubles with each further one.
pub const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest time between two tries.
pub const RETRY_MAX: Duration = Duration::from_secs(60);

/// How long a webhook is tried.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// A webhook for all destinations.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The same for all destinations; grows.
    pub number: u64,
    /// The room that it is about.
    pub room: Arc<str>,
    /// The event, `participant_left` and the like.
    pub event: Arc<str>,
    /// What it must not fall behind.
    pub importance: Importance,
    /// When what it says happened.
    pub created_unix_s: u64,
    /// The same for every try and every destination.
    pub body: Bytes,
}

/// A webhook that is to be sent now. Its outcome must be told.
#[derive(Debug)]
pub struct Delivery {
    /// Its place in the list of destinations.
    pub destination: usize,
    /// What.
    pub webhook: Webhook,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has it.
    Taken,
    /// The destination will never take it.
    Refused,
    /// Nobody answered, or said to come again.
    Failed,
}

/// What becomes of a webhook after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, well or not.
    Done(Outcome),
    /// It will be tried again after this time.
    Again(Duration),
    /// It has been tried long enough.
    GivenUp,
}

/// All destinations.
pub struct Queue {
    destinations: Vec<Destination>,
    random: ChaCha8Rng,
    /// Sets those apart, in order, that are due at the same time.
    ticket: u64,
}

#[derive(Default)]
struct Destination {
    /// One for each room with webhooks that wait or are on their way.
    lanes: HashMap<Arc<str>, Lane>,
    /// Rooms of which nothing is on its way, by when their next try is due.
    due: BTreeMap<(Instant, u64), Arc<str>>,
    in_flight: usize,
    ordinary: usize,
    endings: usize,
}

#[derive(Default)]
struct Lane {
    /// The first one may be on its way.
    waiting: VecDeque<(Instant, Webhook)>,
    /// Tries that failed, one after the other, of whatever webhook.
    failures: u32,
}

impl Destination {
    fn count(&mut self, importance: Importance) -> &mut usize {
        match importance {
            Importance::Ending => &mut self.endings,
            Importance::Ordinary => &mut self.ordinary,
        }
    }
}

impl Queue {
    /// For so many destinations.
    pub fn new(destinations: usize, seed: [u8; 32]) -> Self {
        Queue {
            destinations: (0..destinations).map(|_| Destination::default()).collect(),
            random: ChaCha8Rng::from_seed(seed),
            ticket: 0,
        }
    }

    /// Takes a webhook for all destinations. Returns those whose queue is full: they will not get it.
    pub fn push(&mut self, now: Instant, webhook: &Webhook) -> Vec<usize> {
        (0..self.destinations.len())
            .filter(|place| !self.push_to(now, *place, webhook))
            .collect()
    }

    /// Takes a webhook for one destination. `false`: its queue is full, or it does not exist.
    pub fn push_to(&mut self, now: Instant, place: usize, webhook: &Webhook) -> bool {
        let max = match webhook.importance {
            Importance::Ending => ENDINGS_MAX,
            Importance::Ordinary => ORDINARY_MAX,
        };
        let Some(destination) = self.destinations.get_mut(place) else {
            return false;
        };
        let count = destination.count(webhook.importance);
        if *count >= max {
            return false;
        }
        *count += 1;
        let lane = destination.lanes.entry(Arc::clone(&webhook.room)).or_default();
        if lane.waiting.is_empty() {
            self.ticket += 1;
            destination
                .due
                .insert((now, self.ticket), Arc::clone(&webhook.room));
        }
        lane.waiting.push_back((now, webhook.clone()));
        true
    }

    /// What is to be sent now; to be asked until there is none.
    pub fn poll_delivery(&mut self, now: Instant) -> Option<Delivery> {
        for (place, destination) in self.destinations.iter_mut().enumerate() {
            if destination.in_flight >= IN_FLIGHT_MAX {
                continue;
            }
            let Some(entry) = destination.due.first_entry() else {
                continue;
            };
            if entry.key().0 > now {
                continue;
            }
            let room = entry.remove();
            let first = destination.lanes.get(&room).and_then(|lane| lane.waiting.front());
            if let Some((_, webhook)) = first {
                destination.in_flight += 1;
                return Some(Delivery {
                    destination: place,
                    webhook: webhook.clone(),
                });
            }
        }
        None
    }

    /// Hears what became of a delivery, and says what becomes of its webhook.
    pub fn handle_outcome(&mut self, now: Instant, delivery: &Delivery, outcome: Outcome) -> Verdict {
        let done = Verdict::Done(outcome);
        let Some(destination) = self.destinations.get_mut(delivery.destination) else {
            return done;
        };
        destination.in_flight = destination.in_flight.saturating_sub(1);
        let room = &delivery.webhook.room;
        let Some(lane) = destination.lanes.get_mut(room) else {
            return done;
        };
        let Some(&(since, _)) = lane.waiting.front() else {
            return done;
        };
        let (verdict, delay) = if outcome == Outcome::Failed {
            let delay = delay(&mut self.random, lane.failures);
            lane.failures = lane.failures.saturating_add(1);
            let is_old = now.saturating_duration_since(since) >= GIVE_UP_AFTER;
            let verdict = if is_old {
                Verdict::GivenUp
            } else {
                Verdict::Again(delay)
            };
            (verdict, delay)
        } else {
            lane.failures = 0;
            (done, Duration::ZERO)
        };
        let is_over = !matches!(verdict, Verdict::Again(_));
        if is_over {
            lane.waiting.pop_front();
        }
        let is_empty = lane.waiting.is_empty();
        if is_over {
            let count = destination.count(delivery.webhook.importance);
            *count = count.saturating_sub(1);
        }
        if is_empty {
            destination.lanes.remove(room);
        } else {
            self.ticket += 1;
            destination
                .due
                .insert((now + delay, self.ticket), Arc::clone(room));
        }
        verdict
    }

    /// When something is due that may be sent; `None`: before that, an outcome or a webhook must come.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let free = self
            .destinations
            .iter()
            .filter(|one| one.in_flight < IN_FLIGHT_MAX);
        free.filter_map(|one| one.due.first_key_value().map(|((at, _), _)| *at))
            .min()
    }

    /// Whether nothing is on its way, and nothing could be at this time.
    pub fn is_quiet(&self, now: Instant) -> bool {
        self.destinations.iter().all(|one| one.in_flight == 0)
            && self.poll_timeout().is_none_or(|at| at > now)
    }

    /// Webhooks that wait or are on their way.
    pub fn pending(&self) -> usize {
        self.destinations
            .iter()
            .map(|one| one.ordinary + one.endings)
            .sum()
    }
}

/// Half to all of a time that doubles with each failure.
fn delay(random: &mut ChaCha8Rng, failures: u32) -> Duration {
    let longest = FIRST_RETRY
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(RETRY_MAX);
    longest.mul_f64(random.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests;
