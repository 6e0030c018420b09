//! How long packets wait on the way, and how unevenly: their delay now against the least of the last while, and against
//! that of their neighbours. The trend of the delays does not see a queue that has grown slowly or stands still; this is
//! not part of goog_cc.

use super::Arrived;

/// The delay now is the least one of at least this much time, however often the peer tells: jitter delays most packets of
/// that but not all of them.
const NOW_US: i64 = 75_000;

/// The least delay is that of the last one to two of these.
const BASE_US: i64 = 15_000_000;

/// A queue shorter than this is none.
const NONE_US: i64 = 20_000;

/// From here on the rate does not grow …
const HOLD_US: i64 = 50_000;

/// … and from here on it falls, so that the queue empties.
const DRAIN_US: i64 = 100_000;

/// While it is long, so much less is sent that it would be empty after this time, but no less than half.
const DRAINED_US: f64 = 1_000_000.0;

/// Between two times that the rate falls because of it.
const SPACING_US: i64 = 300_000;

/// It falls when it is this much shorter than in the moments before.
const FALLING_US: i64 = 2_000;

/// A queue that does not get shorter by a quarter within this time although less is sent is not ours.
const PATIENCE_US: i64 = 2_000_000;

/// Packets that were sent closer together than this are a burst, whose later ones wait for the first.
const BURST_US: i64 = 5_000;

/// A new difference counts for this part of the jitter (RFC 3550, section 6.4.1).
const JITTER_SHARE: i64 = 16;

/// How long a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is none, whatever the trend says, which lags behind.
    None,
    /// There is one.
    Some,
    /// The rate has to fall.
    TooLong,
}

/// The queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandingQueue {
    /// The least delay of the last full while and of the present one, by both clocks, whatever lies between them.
    least_us: (Option<i64>, Option<i64>),
    turned_us: i64,
    /// The least delay of the packets since then that do not count yet.
    gathered: Option<(i64, i64)>,
    /// The least delay of the latest moments, and of those before.
    now_us: i64,
    before_us: i64,
    /// When the rate was lowered last.
    reduced_us: Option<i64>,
    /// Since when less is sent without the queue having become shorter, and how long it was then.
    draining: Option<(i64, i64)>,
    /// The latest packet that began a burst: when it was sent, and its delay.
    head: Option<(i64, i64)>,
    jitter_us: i64,
}

impl StandingQueue {
    /// Takes the packets of a feedback.
    pub fn on_packets(&mut self, now_us: i64, packets: &[Arrived]) {
        packets.iter().for_each(|packet| self.measure_jitter(packet));
        let delays = packets
            .iter()
            .map(|packet| packet.arrived_us.saturating_sub(packet.sent_us));
        let Some(delay) = delays.min() else { return };
        let (since_us, delay) = match self.gathered {
            Some((since_us, least)) => (since_us, least.min(delay)),
            None => (now_us - NOW_US, delay),
        };
        if now_us - since_us < NOW_US {
            self.gathered = Some((since_us, delay));
            return;
        }
        self.gathered = Some((now_us, i64::MAX));
        self.before_us = std::mem::replace(&mut self.now_us, delay);
        if now_us - self.turned_us >= BASE_US {
            self.turned_us = now_us;
            self.least_us = (self.least_us.1, None);
        }
        let least = self.least_us.1.map_or(delay, |least| least.min(delay));
        self.least_us.1 = Some(least);
        self.review(now_us);
    }

    fn measure_jitter(&mut self, packet: &Arrived) {
        let delay = packet.arrived_us.saturating_sub(packet.sent_us);
        let before = self
            .head
            .filter(|(sent_us, _)| packet.sent_us - sent_us <= BURST_US);
        if before.is_some() {
            return;
        }
        if let Some((_, before)) = self.head.replace((packet.sent_us, delay)) {
            let difference = delay.saturating_sub(before).saturating_abs().min(BASE_US);
            self.jitter_us += (difference - self.jitter_us) / JITTER_SHARE;
        }
    }

    /// How much the delay differs from burst to burst, in µs.
    pub fn jitter_us(&self) -> i64 {
        self.jitter_us
    }

    fn waiting_us(&self) -> i64 {
        let (before, present) = self.least_us;
        let least = before.into_iter().chain(present).min().unwrap_or(self.now_us);
        self.now_us.saturating_sub(least)
    }

    /// Whether it is so long that the rate must not grow.
    pub fn is_long(&self) -> bool {
        self.waiting_us() >= HOLD_US
    }

    /// How long it is.
    pub fn standing(&self) -> Standing {
        let waiting_us = self.waiting_us();
        if waiting_us < NONE_US {
            Standing::None
        } else if waiting_us < DRAIN_US {
            Standing::Some
        } else {
            Standing::TooLong
        }
    }

    /// The share of the rate that is to be sent while the queue empties.
    pub fn drain_share(&self) -> f64 {
        if self.waiting_us() < HOLD_US {
            return 1.0;
        }
        (1.0 - self.waiting_us() as f64 / DRAINED_US).max(0.5)
    }

    /// Nothing is under way: it is empty.
    pub fn on_idle(&mut self) {
        self.now_us -= self.waiting_us();
        self.before_us = self.now_us;
        self.draining = None;
    }

    /// Whether lowering the rate would help: not while the queue falls already, nor before the last time has shown.
    pub fn may_reduce(&self, now_us: i64) -> bool {
        let is_falling = self.now_us < self.before_us - FALLING_US;
        !is_falling && self.reduced_us.is_none_or(|at| now_us - at >= SPACING_US)
    }

    /// The rate was lowered.
    pub fn on_reduced(&mut self, now_us: i64) {
        self.reduced_us = Some(now_us);
        let waiting_us = self.waiting_us();
        self.draining.get_or_insert((now_us, waiting_us));
    }

    /// Gives up a queue that does not get shorter: it is part of the way from now on.
    fn review(&mut self, now_us: i64) {
        let waiting_us = self.waiting_us();
        if waiting_us < HOLD_US {
            self.draining = None;
        } else if let Some((since_us, before_us)) = self.draining {
            if waiting_us < before_us / 4 * 3 {
                self.draining = Some((now_us, waiting_us));
            } else if now_us - since_us > PATIENCE_US {
                self.least_us = (None, Some(self.now_us));
                self.draining = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lowers the rate whenever that helps; when it did.
    fn run(queue: &mut StandingQueue, from_ms: i64, waits_ms: impl IntoIterator<Item = i64>) -> Vec<i64> {
        (0..)
            .zip(waits_ms)
            .filter_map(|(step, wait_ms)| {
                let now_us = (from_ms + 100 * step) * 1_000;
                let late = |extra_ms: i64| Arrived {
                    sent_us: now_us,
                    arrived_us: now_us - 1_000_000_000 + (20 + wait_ms + extra_ms) * 1_000,
                    ..Arrived::default()
                };
                queue.on_packets(now_us, &[late(40), late(0), late(90)]);
                let lowers = queue.standing() == Standing::TooLong && queue.may_reduce(now_us);
                lowers.then(|| {
                    queue.on_reduced(now_us);
                    step
                })
            })
            .collect()
    }

    #[test]
    fn a_queue_that_grows_slowly_is_noticed_and_left_alone_while_it_empties() {
        let mut queue = StandingQueue::default();
        let lowered = run(&mut queue, 0, (0..110).chain((0..36).map(|step| 110 - step * 3)));
        assert_eq!(lowered, [100, 103, 106, 109], "while it grows, every 300 ms");
        assert_eq!((queue.standing(), queue.drain_share()), (Standing::None, 1.0));
    }

    #[test]
    fn what_counts_is_the_least_delay_of_some_time_however_often_the_peer_tells() {
        let mut queue = StandingQueue::default();
        for step in 0..200 {
            let sent_us = step * 25_000;
            let packet = Arrived {
                sent_us,
                arrived_us: sent_us + 20_000 + step % 2 * 150_000,
                ..Arrived::default()
            };
            queue.on_packets(sent_us + 200_000, &[packet]);
            assert_eq!(
                queue.standing(),
                Standing::None,
                "every other packet is not delayed"
            );
        }
    }

    #[test]
    fn a_long_queue_asks_for_less_and_one_that_does_not_get_shorter_is_somebody_elses() {
        let mut queue = StandingQueue::default();
        run(&mut queue, 0, [0; 20]);
        assert_eq!(run(&mut queue, 2_000, [300; 4]), [0, 3]);
        assert_eq!(queue.standing(), Standing::TooLong);
        assert!(
            (0.69..0.71).contains(&queue.drain_share()),
            "{}",
            queue.drain_share()
        );
        assert_eq!(run(&mut queue, 2_400, [300; 60]), [2, 5, 8, 11, 14]);
        assert_eq!(queue.standing(), Standing::None);
    }

    #[test]
    fn bursts_that_are_delayed_differently_are_jitter_and_packets_behind_each_other_are_not() {
        let mut queue = StandingQueue::default();
        let at = |sent_ms: i64, delay_ms: i64| Arrived {
            sent_us: sent_ms * 1_000,
            arrived_us: (sent_ms + delay_ms) * 1_000,
            ..Arrived::default()
        };
        for frame in 0..200 {
            queue.on_packets(
                0,
                &[at(frame * 33, 20), at(frame * 33, 30), at(frame * 33 + 1, 40)],
            );
        }
        assert_eq!(queue.jitter_us(), 0);
        for frame in 200..400 {
            queue.on_packets(0, &[at(frame * 33, 20 + frame % 2 * 10), at(frame * 33, 60)]);
        }
        assert!(
            (9_900..=10_000).contains(&queue.jitter_us()),
            "{}",
            queue.jitter_us()
        );
    }
}
