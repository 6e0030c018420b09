//! How much arrives at the peer, by its feedback: the lesser of the rates at which the latest packets were sent and
//! received (goog_cc's `RobustThroughputEstimator`); and, for the moment in which a link becomes smaller, what arrived in
//! the last moments alone.

use super::Arrived;
use std::collections::VecDeque;

/// Packets that are looked at, at most.
const PACKETS_MAX: usize = 500;

/// The window has at least this many packets and this much time …
const PACKETS: usize = 20;
const DURATION_US: i32 = 500_000;

/// … and at most this much.
const DURATION_MAX_US: i32 = 5_000_000;

/// Fewer packets say nothing.
const PACKETS_REQUIRED: usize = 10;

/// A packet that arrived this long before the latest one is no reordering: the peer's clock was set.
const REORDERING_MAX_US: i32 = 1_000_000;

/// The last moments.
const RECENT_US: i32 = 150_000;

/// Shortest time that a rate is taken over.
const SHORTEST_US: i64 = 1_000;

/// One packet; the times wrap, and only their differences count.
#[derive(Clone, Copy, Debug)]
struct Timing {
    sent_us: u32,
    arrived_us: u32,
    bytes: u32,
}

/// How much arrives, in bit/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// Over the whole window.
    pub bps: f64,
    /// In the last moments, but no more than that. Exact only while the link is full: then what arrives comes without
    /// pauses.
    pub recent_bps: f64,
}

/// The latest packets, in order of arrival. At most [`PACKETS_MAX`] × 12 bytes, allocated once.
#[derive(Debug)]
pub struct AcknowledgedBitrate {
    window: VecDeque<Timing>,
    /// When the latest of those was sent that have left the window.
    left_sent_us: Option<u32>,
}

impl AcknowledgedBitrate {
    /// Nothing has arrived.
    pub fn new() -> Self {
        AcknowledgedBitrate {
            window: VecDeque::with_capacity(PACKETS_MAX + 1),
            left_sent_us: None,
        }
    }

    /// Takes a packet that has arrived.
    pub fn on_packet(&mut self, packet: &Arrived) {
        let timing = Timing {
            sent_us: packet.sent_us as u32,
            arrived_us: packet.arrived_us as u32,
            bytes: packet.bytes.saturating_add(packet.unnumbered),
        };
        let behind = |latest: &Timing| since(latest.arrived_us, timing.arrived_us);
        if self.window.back().map_or(0, behind) > REORDERING_MAX_US {
            self.forget();
        }
        let place = self
            .window
            .iter()
            .rposition(|other| since(timing.arrived_us, other.arrived_us) >= 0)
            .map_or(0, |place| place + 1);
        self.window.insert(place, timing);
        while self.is_too_large() {
            let Some(oldest) = self.window.pop_front() else {
                break;
            };
            if self
                .left_sent_us
                .is_none_or(|left| since(oldest.sent_us, left) > 0)
            {
                self.left_sent_us = Some(oldest.sent_us);
            }
        }
    }

    /// Nothing has arrived yet.
    pub fn forget(&mut self) {
        self.window.clear();
        self.left_sent_us = None;
    }

    fn is_too_large(&self) -> bool {
        let (Some(first), Some(last)) = (self.window.front(), self.window.back()) else {
            return false;
        };
        let duration = since(last.arrived_us, first.arrived_us);
        self.window.len() > PACKETS_MAX
            || duration > DURATION_MAX_US
            || (self.window.len() > PACKETS && duration > DURATION_US)
    }

    /// How much arrives; `None` while too little has.
    pub fn throughput(&self) -> Option<Throughput> {
        let bps = self.bps()?;
        Some(Throughput {
            bps,
            recent_bps: self.recent_bps().map_or(bps, |recent| recent.min(bps)),
        })
    }

    fn bps(&self) -> Option<f64> {
        let (first, last) = (self.window.front()?, self.window.back()?);
        if self.window.len() < PACKETS_REQUIRED {
            return None;
        }
        let (mut longest, mut second) = (0_i64, 0_i64);
        let mut before = first.arrived_us;
        let (mut received, mut sent, mut count) = (0_u64, 0_u64, 0);
        let mut ends: Option<(u32, Timing)> = None;
        for timing in &self.window {
            let gap = i64::from(since(timing.arrived_us, before));
            before = timing.arrived_us;
            if gap > longest {
                (longest, second) = (gap, longest);
            } else if gap > second {
                second = gap;
            }
            received += u64::from(timing.bytes);
            if self
                .left_sent_us
                .is_some_and(|left| since(timing.sent_us, left) < 0)
            {
                continue; // it was overtaken by what has left the window already
            }
            sent += u64::from(timing.bytes);
            count += 1;
            let (first_sent, last_sent) = ends.get_or_insert((timing.sent_us, *timing));
            if since(timing.sent_us, *first_sent) < 0 {
                *first_sent = timing.sent_us;
            }
            if since(timing.sent_us, last_sent.sent_us) > 0 {
                *last_sent = *timing;
            }
        }
        // The size of the first packet says nothing about the time between it and the last, nor does that of the last one
        // that was sent. The longest pause is cut to the second longest: the network may have stopped for a moment.
        let received = received - u64::from(first.bytes);
        let duration = i64::from(since(last.arrived_us, first.arrived_us)) - longest + second;
        let received_bps = rate(received, duration);
        let sent_bps = ends
            .filter(|_| count >= PACKETS_REQUIRED)
            .map(|(first_sent, last_sent)| {
                let sent = sent - u64::from(last_sent.bytes);
                rate(sent, i64::from(since(last_sent.sent_us, first_sent)))
            });
        Some(sent_bps.map_or(received_bps, |sent_bps| sent_bps.min(received_bps)))
    }

    /// In the last moments; `None` where these are too few.
    fn recent_bps(&self) -> Option<f64> {
        let last = self.window.back()?.arrived_us;
        let (mut bytes, mut first) = (0_u64, None);
        for timing in self.window.iter().rev() {
            if since(last, timing.arrived_us) > RECENT_US {
                break;
            }
            bytes += u64::from(timing.bytes);
            first = Some(timing);
        }
        // The first of them closes the time before it.
        let first = first?;
        let us = since(last, first.arrived_us);
        (us >= RECENT_US / 2).then(|| rate(bytes - u64::from(first.bytes), i64::from(us)))
    }
}

/// From `earlier` to `later`, in µs; negative if it is the other way round.
fn since(later: u32, earlier: u32) -> i32 {
    later.wrapping_sub(earlier).cast_signed()
}

fn rate(bytes: u64, us: i64) -> f64 {
    bytes as f64 * 8e6 / us.max(SHORTEST_US) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sent_ms: i64, arrived_ms: i64, bytes: u32) -> Arrived {
        Arrived {
            sent_us: sent_ms * 1_000,
            arrived_us: arrived_ms * 1_000,
            bytes,
            ..Arrived::default()
        }
    }

    #[test]
    fn it_is_what_arrives_and_one_pause_of_the_network_does_not_lower_it() {
        let mut acknowledged = AcknowledgedBitrate::new();
        for n in 0..9 {
            acknowledged.on_packet(&packet(n * 10, n * 10 + 40, 1_000));
        }
        assert_eq!(acknowledged.bps(), None, "too little");
        for n in 9..100 {
            acknowledged.on_packet(&packet(n * 10, n * 10 + 40, 1_000));
        }
        assert_eq!(acknowledged.bps(), Some(800_000.0));
        for n in 100..120 {
            acknowledged.on_packet(&packet(n * 10, (n * 10 + 40).max(1_240), 1_000));
        }
        let bps = acknowledged.bps().unwrap();
        assert!((790_000.0..810_000.0).contains(&bps), "{bps}");
    }

    #[test]
    fn a_queue_that_empties_is_no_more_than_what_was_sent_and_a_full_one_no_more_than_what_arrives() {
        let mut emptying = AcknowledgedBitrate::new();
        let mut filling = AcknowledgedBitrate::new();
        for n in 0..60 {
            emptying.on_packet(&packet(n * 20, 1_000 + n * 10, 1_000));
            filling.on_packet(&packet(n * 10, 100 + n * 20, 1_000));
        }
        assert_eq!(emptying.bps(), Some(400_000.0));
        assert_eq!(filling.bps(), Some(400_000.0));
    }

    #[test]
    fn a_link_that_becomes_smaller_shows_in_the_last_moments_first() {
        let mut acknowledged = AcknowledgedBitrate::new();
        for n in 0..60 {
            acknowledged.on_packet(&packet(n * 10, n * 10, 1_000));
        }
        let all = Throughput {
            bps: 800_000.0,
            recent_bps: 800_000.0,
        };
        assert_eq!(acknowledged.throughput(), Some(all));
        for n in 60..64 {
            acknowledged.on_packet(&packet(n * 10, 600 + (n - 60) * 50, 1_000));
        }
        let Throughput { bps, recent_bps } = acknowledged.throughput().unwrap();
        assert_eq!(recent_bps, 160_000.0);
        assert!(bps > 400_000.0, "{bps}");
    }

    #[test]
    fn what_has_no_number_counts_and_reordering_does_not_matter() {
        let mut acknowledged = AcknowledgedBitrate::new();
        for n in 0..60 {
            let n = n ^ 1;
            let mut packet = packet(n * 10, n * 10 + 40, 900);
            packet.unnumbered = 100;
            acknowledged.on_packet(&packet);
        }
        let bps = acknowledged.bps().unwrap();
        assert!((780_000.0..820_000.0).contains(&bps), "{bps}");
    }

    #[test]
    fn a_clock_that_is_set_begins_anew_and_memory_never_grows() {
        let mut acknowledged = AcknowledgedBitrate::new();
        for n in 0..100_000 {
            acknowledged.on_packet(&packet(n / 100, n / 100, 1_000));
        }
        assert!(acknowledged.window.len() <= PACKETS_MAX);
        assert_eq!(
            acknowledged.window.capacity(),
            AcknowledgedBitrate::new().window.capacity()
        );
        acknowledged.on_packet(&packet(1_001, -5_000, 1_000));
        assert_eq!(acknowledged.bps(), None);
    }
}
