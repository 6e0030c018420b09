//! A sender with its estimator, a bottleneck that it may share, and a receiver that tells what arrives: nothing but what
//! the estimator sees of a call.

use super::link::{Link, Path};
use super::ms;
use hanse_sfu_core::estimate::feedback::TransportFeedback;
use hanse_sfu_core::estimate::{Arrived, BandwidthEstimator, LOG_LEN};
use hanse_sfu_core::simulation::TwccRecorder;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Between two frames.
const FRAME: Duration = ms(33);

/// Bytes of a packet, at most.
const PACKET: usize = 1_150;

/// Bytes of a packet that only probes.
const PADDING: usize = 290;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Media {
    /// As much as the estimate allows, up to this many bit/s.
    Elastic(u64),
    /// The largest of these rates, in bit/s, that fits; one that is larger than the present one has to fit with a tenth to
    /// spare.
    Layers([u64; 3]),
}

/// What says how much may be sent.
pub trait Estimator {
    /// What would be sent if the link carried anything, in bit/s.
    fn set_wanted(&mut self, bps: u64);
    /// What may be sent, in bit/s.
    fn target_bps(&self, now: Instant) -> u64;
    /// A packet goes out; its number.
    fn on_sent(&mut self, now: Instant, bytes: usize, is_padding: bool) -> u16;
    /// The receiver tells.
    fn on_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>);
    /// Does what is due; bytes of padding that are to be sent now.
    fn poll_padding(&mut self, now: Instant) -> usize;
}

/// Ours.
struct Own {
    estimator: BandwidthEstimator,
    scratch: Vec<Arrived>,
}

impl Estimator for Own {
    fn set_wanted(&mut self, bps: u64) {
        self.estimator.set_wanted(bps);
    }

    fn target_bps(&self, now: Instant) -> u64 {
        self.estimator.target_bps(now).unwrap()
    }

    fn on_sent(&mut self, now: Instant, bytes: usize, is_padding: bool) -> u16 {
        let number = self.estimator.next_number();
        if is_padding {
            self.estimator.on_padding_sent(now, bytes);
        } else {
            self.estimator.on_media_sent(now, bytes);
        }
        number
    }

    fn on_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) {
        self.estimator.on_feedback(now, feedback, &mut self.scratch);
    }

    fn poll_padding(&mut self, now: Instant) -> usize {
        self.estimator.handle_timeout(now, true);
        self.estimator.probe_bytes(now)
    }
}

/// One sender and its receiver.
pub struct Flow {
    pub media: Media,
    pub estimator: Box<dyn Estimator>,
    /// The rate of each step of the media so far, and since when.
    pub steps: Vec<(Instant, u64)>,
    /// Bytes that arrived.
    pub arrived: u64,
    /// Bytes of probes that were sent.
    pub probed: u64,
    /// The receiver tells nothing any more.
    pub silent: bool,
    /// Allocations of the estimator.
    pub allocations: u64,
    recorder: TwccRecorder,
    tells_at: Instant,
    next_frame: Instant,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Travelling {
    Packet { flow: usize, number: u16, bytes: usize },
    Feedback { flow: usize, packet: Vec<u8> },
}

/// The senders, their common bottleneck, and time.
pub struct Bottleneck {
    pub now: Instant,
    pub path: Path,
    pub flows: Vec<Flow>,
    /// The longest wait at the bottleneck since it was last asked for.
    pub longest_queue: Duration,
    /// How often receivers tell. libwebrtc takes 50 to 250 ms, by its own rate; others 100 ms.
    pub tells_every: Duration,
    back: Path,
    travelling: BinaryHeap<Reverse<(Instant, u64, Travelling)>>,
    order: u64,
}

impl Bottleneck {
    /// The flows begin now. Receivers tell every 50, 100 or 150 ms, by the seed.
    pub fn new(seed: u64, link: Link, media: &[Media]) -> Bottleneck {
        Bottleneck::of(seed, link, media, Flow::own)
    }

    /// The same with other estimators.
    #[allow(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made otherwise; only differences matter"
    )]
    pub fn of(
        seed: u64,
        link: Link,
        media: &[Media],
        estimator: impl Fn(Instant) -> Box<dyn Estimator>,
    ) -> Bottleneck {
        let now = Instant::now();
        let flows = media.iter().map(|media| Flow::new(now, *media, estimator(now)));
        // Feedback is small, and its way is as long and as uneven as the other one.
        let back = Link {
            rate_bps: None,
            loss: 0.0,
            ..link
        };
        Bottleneck {
            now,
            path: Path::new(link, seed),
            flows: flows.collect(),
            longest_queue: Duration::ZERO,
            tells_every: ms(50 * (1 + seed % 3)),
            back: Path::new(back, seed ^ 0x5eed),
            travelling: BinaryHeap::new(),
            order: 0,
        }
    }

    /// A further flow begins now.
    pub fn join(&mut self, media: Media) {
        self.join_with(media, Flow::own(self.now));
    }

    /// The same with another estimator.
    pub fn join_with(&mut self, media: Media, estimator: Box<dyn Estimator>) {
        self.flows.push(Flow::new(self.now, media, estimator));
    }

    /// The only flow.
    pub fn flow(&mut self) -> &mut Flow {
        &mut self.flows[0]
    }

    /// What the first flow may send.
    pub fn target_kbps(&self) -> u64 {
        self.flows[0].estimator.target_bps(self.now) / 1_000
    }

    /// The link becomes another one now.
    pub fn change(&mut self, link: Link) {
        self.path.follow([(self.now, link)]);
    }

    pub fn run(&mut self, duration: Duration) {
        self.run_with(duration, |_| {});
    }

    /// Runs for so long; `look` is called every millisecond.
    pub fn run_with(&mut self, duration: Duration, mut look: impl FnMut(&mut Bottleneck)) {
        let end = self.now + duration;
        while self.now < end {
            self.now += ms(1);
            self.deliver();
            for place in 0..self.flows.len() {
                self.send(place);
            }
            self.longest_queue = self.longest_queue.max(self.path.queue(self.now));
            look(self);
        }
    }

    /// Runs until something is true; how long that took.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Bottleneck) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            assert!(self.now - start < limit, "not in {limit:?}");
            self.run(ms(1));
        }
        self.now - start
    }

    /// The rate at which each flow arrives over the time that follows, in kbit/s.
    pub fn measure(&mut self, duration: Duration) -> Vec<u64> {
        let before: Vec<u64> = self.flows.iter().map(|flow| flow.arrived).collect();
        self.run(duration);
        let bytes = self
            .flows
            .iter()
            .zip(before)
            .map(|(flow, before)| flow.arrived - before);
        bytes
            .map(|bytes| bytes * 8 / duration.as_millis() as u64)
            .collect()
    }

    fn travel(&mut self, at: Instant, what: Travelling) {
        self.order += 1;
        self.travelling.push(Reverse((at, self.order, what)));
    }

    fn deliver(&mut self) {
        while let Some(Reverse((at, ..))) = self.travelling.peek()
            && *at <= self.now
        {
            let Some(Reverse((at, _, what))) = self.travelling.pop() else {
                return;
            };
            match what {
                Travelling::Packet { flow, number, bytes } => {
                    self.flows[flow].arrived += bytes as u64;
                    self.flows[flow].recorder.record(at, number);
                }
                Travelling::Feedback { flow, packet } => self.flows[flow].hear(self.now, &packet),
            }
        }
    }

    fn send(&mut self, place: usize) {
        let now = self.now;
        let flow = &mut self.flows[place];
        let mut sizes = flow.frame(now);
        let media = sizes.len();
        let padding = flow.estimator.poll_padding(now);
        sizes.extend(std::iter::repeat_n(PADDING, padding.div_ceil(PADDING)));
        for (nth, bytes) in sizes.into_iter().enumerate() {
            let flow = &mut self.flows[place];
            let is_padding = nth >= media;
            let number = flow.estimator.on_sent(now, bytes, is_padding);
            flow.probed += if is_padding { bytes as u64 } else { 0 };
            for at in self.path.carry(now, bytes) {
                let flow = place;
                self.travel(at, Travelling::Packet { flow, number, bytes });
            }
        }
        let mut packets = Vec::new();
        let flow = &mut self.flows[place];
        if now < flow.tells_at {
            return;
        }
        loop {
            let mut packet = Vec::new();
            if !flow.recorder.poll_feedback(now, 1, 2, &mut packet) {
                break;
            }
            packets.push(packet);
            flow.tells_at = now + self.tells_every;
        }
        if self.flows[place].silent {
            return;
        }
        for packet in packets {
            for at in self.back.carry(now, packet.len()) {
                let (flow, packet) = (place, packet.clone());
                self.travel(at, Travelling::Feedback { flow, packet });
            }
        }
    }
}

impl Flow {
    /// Our estimator.
    pub fn own(now: Instant) -> Box<dyn Estimator> {
        Box::new(Own {
            estimator: BandwidthEstimator::new(now),
            scratch: Vec::with_capacity(LOG_LEN),
        })
    }

    fn new(now: Instant, media: Media, mut estimator: Box<dyn Estimator>) -> Flow {
        estimator.set_wanted(match media {
            Media::Elastic(most) => most,
            Media::Layers([.., largest]) => largest,
        });
        Flow {
            media,
            estimator,
            steps: Vec::new(),
            arrived: 0,
            probed: 0,
            silent: false,
            allocations: 0,
            recorder: TwccRecorder::new(),
            tells_at: now,
            next_frame: now,
        }
    }

    /// How often the media changed its rate since then.
    pub fn changes_since(&self, since: Instant) -> usize {
        self.steps.iter().filter(|(at, _)| *at >= since).count()
    }

    /// The rate of the media, in kbit/s.
    pub fn media_kbps(&self) -> u64 {
        self.steps.last().unwrap().1 / 1_000
    }

    fn hear(&mut self, now: Instant, packet: &[u8]) {
        let padding = if packet[0] & 0x20 == 0 {
            0
        } else {
            usize::from(packet[packet.len() - 1])
        };
        let feedback = TransportFeedback::parse(&packet[4..packet.len() - padding]).unwrap();
        let take = || self.estimator.on_feedback(now, &feedback);
        self.allocations += allocation_counter::measure(take).count_total;
    }

    /// The sizes of the packets of the frame that is due, if one is.
    fn frame(&mut self, now: Instant) -> Vec<usize> {
        if now < self.next_frame {
            return Vec::new();
        }
        self.next_frame += FRAME;
        let target = self.estimator.target_bps(now);
        let present = self.steps.last().map_or(0, |(_, bps)| *bps);
        let bps = match self.media {
            Media::Elastic(most) => target.min(most),
            Media::Layers(layers) => {
                let fits = |bps: &u64| *bps <= target * if *bps > present { 10 } else { 11 } / 11;
                layers.into_iter().rfind(fits).unwrap_or(layers[0])
            }
        };
        if bps != present {
            self.steps.push((now, bps));
        }
        let bytes = (bps as f64 / 8.0 * FRAME.as_secs_f64()) as usize;
        let count = bytes.div_ceil(PACKET).max(1);
        vec![bytes / count; count]
    }
}
