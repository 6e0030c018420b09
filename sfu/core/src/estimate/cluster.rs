//! Probe clusters: a few packets sent at a rate of choice, and what became of that rate on the way (goog_cc's
//! `BitrateProber` and `ProbeBitrateEstimator`).

use super::Arrived;
use arrayvec::ArrayVec;

/// How long a cluster lasts …
const DURATION_US: i64 = 15_000;
/// … or as long as so many times the jitter, in which its packets drown otherwise …
const JITTERS: i64 = 6;
/// … but no longer than this.
const DURATION_MAX_US: i64 = 120_000;

/// It ends when its bytes are sent, but not before this.
const SHORTEST_US: i64 = 10_000;

/// Packets of a cluster, at least.
const PACKETS: u32 = 5;

/// What is sent at once covers this much time at the cluster's rate.
const BURST_US: i64 = 4_000;

/// A cluster that takes so much longer is given up.
const PATIENCE_US: i64 = 200_000;

/// Clusters whose feedback is awaited.
const AWAITED_MAX: usize = 4;

/// Share of a cluster's packets and bytes that must have arrived.
const ARRIVED_SHARE: f64 = 0.8;

/// A cluster that took longer than this at either end says nothing.
const INTERVAL_MAX_US: i64 = 1_000_000;

/// Nor does one that arrived this much faster than it was sent.
const FASTER_MAX: f64 = 2.0;

/// One that arrived slower than this has filled the link …
const UNSATURATED: f64 = 0.9;
/// … of which then this share is used.
const UTILISATION: f64 = 0.95;

/// Packets this close together were sent at once.
const AT_ONCE_US: i64 = 500;

#[derive(Clone, Copy, Debug)]
struct Active {
    id: u8,
    rate_bps: f64,
    bytes_min: u64,
    began_us: i64,
    duration_us: i64,
    bytes: u64,
    packets: u32,
}

/// Sends clusters, one at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prober {
    active: Option<Active>,
    last_id: u8,
}

impl Prober {
    /// Begins a cluster, in place of the one that is being sent; its number and its bytes.
    pub fn begin(&mut self, now_us: i64, rate_bps: f64, jitter_us: i64) -> (u8, u64) {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let duration_us = jitter_us
            .saturating_mul(JITTERS)
            .clamp(DURATION_US, DURATION_MAX_US);
        let bytes_min = (rate_bps * duration_us as f64 / 8e6) as u64;
        self.active = Some(Active {
            id: self.last_id,
            rate_bps,
            bytes_min,
            began_us: now_us,
            duration_us,
            bytes: 0,
            packets: 0,
        });
        (self.last_id, bytes_min)
    }

    /// Whether a cluster is being sent.
    pub fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// When the next packets of the cluster are due.
    pub fn due_us(&self) -> Option<i64> {
        self.active.map(|active| active.due_us())
    }

    /// Bytes that are due now.
    pub fn bytes_due(&mut self, now_us: i64) -> usize {
        let Some(active) = self.active.filter(|active| now_us >= active.due_us()) else {
            return 0;
        };
        if now_us - active.began_us > active.duration_us + PATIENCE_US {
            self.active = None;
            return 0;
        }
        ((active.rate_bps * BURST_US as f64 / 8e6) as usize).max(1)
    }

    /// A packet goes out, whatever it carries: to which cluster it belongs; 0 is none.
    #[inline]
    pub fn on_packet(&mut self, now_us: i64, bytes: usize) -> u8 {
        let Some(active) = &mut self.active else { return 0 };
        active.bytes += bytes as u64;
        active.packets += 1;
        let id = active.id;
        // Media may have brought the bytes at one moment, which says nothing about a rate.
        let has_lasted = now_us - active.began_us >= SHORTEST_US;
        if active.bytes >= active.bytes_min && active.packets >= PACKETS && has_lasted {
            self.active = None;
        }
        id
    }

    /// Gives up the running cluster.
    pub fn abandon(&mut self) {
        self.active = None;
    }
}

impl Active {
    fn due_us(&self) -> i64 {
        let sent_us = (self.bytes as f64 * 8e6 / self.rate_bps.max(1.0)) as i64;
        self.began_us
            + if self.packets < PACKETS {
                sent_us
            } else {
                sent_us.min(self.duration_us)
            }
    }
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    id: u8,
    bytes_min: f64,
    packets: u32,
    bytes: u64,
    sent_us: (i64, i64),
    /// Bytes that were sent at the last moment.
    last_sent: u64,
    arrived_us: (i64, i64),
    /// Bytes of the packet that arrived first.
    first_arrived: u64,
    /// When packets arrived, by when they were sent.
    line: Line,
    /// Some arrived in another order than they were sent in.
    overtaken: bool,
}

/// The straight line through points that is nearest to all of them (least squares).
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    origin: Option<(i64, i64)>,
    points: f64,
    sum: (f64, f64),
    squares: f64,
    products: f64,
}

impl Line {
    fn take(&mut self, x: i64, y: i64) {
        let (x0, y0) = *self.origin.get_or_insert((x, y));
        let (x, y) = (x.saturating_sub(x0) as f64, y.saturating_sub(y0) as f64);
        self.points += 1.0;
        self.sum = (self.sum.0 + x, self.sum.1 + y);
        self.squares += x * x;
        self.products += x * y;
    }

    /// How much it rises with each step to the right. `None`: all points stand above each other.
    fn slope(&self) -> Option<f64> {
        let spread = self.points * self.squares - self.sum.0 * self.sum.0;
        let rise = self.points * self.products - self.sum.0 * self.sum.1;
        (spread > 0.0).then(|| rise / spread)
    }
}

/// What a cluster shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// The link carries so much, in bit/s …
    pub bps: f64,
    /// … and no more than that.
    pub is_full: bool,
}

/// What arrives of the clusters.
#[derive(Clone, Debug, Default)]
pub struct ProbeResults {
    awaited: ArrayVec<Awaited, AWAITED_MAX>,
}

impl ProbeResults {
    /// A cluster of so many bytes goes out; the oldest one is forgotten when there are too many.
    pub fn expect(&mut self, id: u8, bytes_min: u64) {
        if self.awaited.is_full() {
            self.awaited.remove(0);
        }
        self.awaited.push(Awaited {
            id,
            bytes_min: bytes_min as f64,
            packets: 0,
            bytes: 0,
            sent_us: (i64::MAX, i64::MIN),
            last_sent: 0,
            arrived_us: (i64::MAX, i64::MIN),
            first_arrived: 0,
            line: Line::default(),
            overtaken: false,
        });
    }

    /// Takes a packet of a cluster that has arrived; what the cluster shows, once enough of it is there.
    pub fn on_packet(&mut self, packet: &Arrived) -> Option<Shown> {
        let cluster = self.awaited.iter_mut().find(|it| it.id == packet.cluster)?;
        cluster.take(packet);
        cluster.shown()
    }
}

impl Awaited {
    fn take(&mut self, packet: &Arrived) {
        let bytes = u64::from(packet.bytes);
        self.packets += 1;
        self.bytes += bytes;
        self.line.take(packet.sent_us, packet.arrived_us);
        self.overtaken |= packet.sent_us < self.sent_us.1.saturating_sub(AT_ONCE_US);
        if packet.sent_us > self.sent_us.1.saturating_add(AT_ONCE_US) {
            self.last_sent = bytes;
        } else if packet.sent_us > self.sent_us.1.saturating_sub(AT_ONCE_US) {
            self.last_sent += bytes;
        }
        self.sent_us = (
            self.sent_us.0.min(packet.sent_us),
            self.sent_us.1.max(packet.sent_us),
        );
        if packet.arrived_us < self.arrived_us.0 {
            self.first_arrived = bytes;
        }
        self.arrived_us = (
            self.arrived_us.0.min(packet.arrived_us),
            self.arrived_us.1.max(packet.arrived_us),
        );
    }

    fn shown(&self) -> Option<Shown> {
        let is_enough = f64::from(self.packets) >= f64::from(PACKETS) * ARRIVED_SHARE
            && self.bytes as f64 >= self.bytes_min * ARRIVED_SHARE;
        let interval = |(first, last): (i64, i64)| {
            let us = last.saturating_sub(first);
            (1..=INTERVAL_MAX_US).contains(&us).then_some(us as f64)
        };
        let (sent_us, arrived_us) = interval(self.sent_us).zip(interval(self.arrived_us))?;
        // What was sent last says nothing about the time before it, nor does what arrived first about the time behind it.
        let sent_bps = self.bytes.saturating_sub(self.last_sent) as f64 * 8e6 / sent_us;
        let arrived_bps = if self.overtaken {
            // A queue keeps the order: something else has delayed these packets, each for itself, and the first and the last say little.
            // All of them together say whether each had to wait longer than the one before.
            sent_bps / self.line.slope().filter(|slope| *slope > 0.0)?
        } else {
            self.bytes.saturating_sub(self.first_arrived) as f64 * 8e6 / arrived_us
        };
        if !is_enough || sent_bps <= 0.0 || arrived_bps > FASTER_MAX * sent_bps {
            return None;
        }
        let is_full = arrived_bps < UNSATURATED * sent_bps;
        Some(Shown {
            bps: if is_full {
                UTILISATION * arrived_bps
            } else {
                sent_bps.min(arrived_bps)
            },
            is_full,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A cluster of this rate over a link of that rate: what it shows.
    fn probe(rate_bps: f64, link_bps: f64) -> Option<Shown> {
        let (mut prober, mut results) = (Prober::default(), ProbeResults::default());
        let (id, bytes) = prober.begin(0, rate_bps, 0);
        results.expect(id, bytes);
        let (mut now_us, mut free_us, mut shown) = (0, 0.0, None);
        while let Some(due_us) = prober.due_us() {
            now_us = now_us.max(due_us);
            let mut due = prober.bytes_due(now_us) as i64;
            while due > 0 && prober.due_us().is_some() {
                let cluster = prober.on_packet(now_us, 290);
                free_us = f64::max(free_us, now_us as f64) + 290.0 * 8e6 / link_bps;
                shown = results.on_packet(&Arrived {
                    sent_us: now_us,
                    arrived_us: free_us as i64 / 250 * 250 + 50_000,
                    bytes: 290,
                    unnumbered: 0,
                    cluster,
                });
                due -= 290;
            }
        }
        assert!(now_us < 30_000, "a cluster is short: {now_us} µs");
        shown
    }

    #[test]
    fn a_cluster_shows_its_own_rate_on_a_fast_link_and_the_links_on_a_slow_one() {
        for rate in [400e3, 900e3, 1.8e6, 3.6e6, 10e6] {
            let shown = probe(rate, 100e6).unwrap();
            assert!((0.75..1.1).contains(&(shown.bps / rate)), "{rate}: {shown:?}");
            assert!(!shown.is_full);
            let shown = probe(rate, rate / 3.0).unwrap();
            assert!(
                (0.75..1.1).contains(&(shown.bps * 3.0 / rate)),
                "{rate}: {shown:?}"
            );
            assert!(shown.is_full);
        }
    }

    /// A long cluster of this rate over a link of that rate, behind which each packet is delayed by up to 50 ms for itself.
    fn probe_with_overtaking(rate_bps: f64, link_bps: f64, seed: u64) -> Option<Shown> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut prober, mut results) = (Prober::default(), ProbeResults::default());
        let (id, bytes) = prober.begin(0, rate_bps, 50_000);
        results.expect(id, bytes);
        let (mut now_us, mut free_us, mut packets) = (0, 0.0, Vec::new());
        while let Some(due_us) = prober.due_us() {
            now_us = now_us.max(due_us);
            free_us = f64::max(free_us, now_us as f64) + 1_000.0 * 8e6 / link_bps;
            packets.push(Arrived {
                sent_us: now_us,
                arrived_us: free_us as i64 + random.random_range(0..50_000),
                bytes: 1_000,
                unnumbered: 0,
                cluster: prober.on_packet(now_us, 1_000),
            });
        }
        packets.sort_by_key(|packet| packet.arrived_us);
        let shown = packets.iter().filter_map(|packet| results.on_packet(packet));
        shown.last()
    }

    #[test]
    fn packets_that_overtake_each_other_on_a_fast_link_do_not_look_like_a_full_one() {
        let shown = |link_bps| (0..40).filter_map(move |seed| probe_with_overtaking(2.5e6, link_bps, seed));
        let mean =
            |link_bps| shown(link_bps).map(|shown| shown.bps).sum::<f64>() / shown(link_bps).count() as f64;
        assert!(shown(100e6).filter(|shown| !shown.is_full).count() >= 32);
        assert!((0.85..1.05).contains(&(mean(100e6) / 2.5e6)), "{}", mean(100e6));
        assert!(shown(1e6).count() == 40 && shown(1e6).all(|shown| shown.is_full));
        assert!((0.85..1.05).contains(&(mean(1e6) / 1e6)), "{}", mean(1e6));
    }

    #[test]
    fn a_cluster_that_was_lost_or_never_sent_shows_nothing() {
        let (mut prober, mut results) = (Prober::default(), ProbeResults::default());
        let (id, bytes) = prober.begin(0, 1e6, 0);
        results.expect(id, bytes);
        for n in 0..3 {
            let packet = Arrived {
                sent_us: n * 5_000,
                arrived_us: n * 5_000,
                bytes: 600,
                unnumbered: 0,
                cluster: prober.on_packet(n * 5_000, 600),
            };
            assert_eq!(results.on_packet(&packet), None);
        }
        assert!(prober.bytes_due(100_000) > 0);
        assert_eq!(prober.bytes_due(300_000), 0);
        assert_eq!(prober.due_us(), None, "given up");
        assert_eq!(prober.on_packet(300_000, 600), 0);
    }
}
