//! What the estimation of links reaches, in virtual time over links with plans, beside the same plans with the estimator of
//! the `rtc` crates. The links are those of the tests in `sfu/core/tests/estimation.rs`. [`calls`] has whole calls, and what
//! their subscribers notice.
//!
//! Every figure is the worst of some seeds, so it is the same in each run; nothing depends on the machine.

#[allow(
    unused_imports,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is a part of tests, which use more of it and say what they expect by failing"
)]
#[path = "../../../core/tests/common/mod.rs"]
mod common;

mod calls;
mod chart;
mod plots;

use crate::figures::{Figures, Target};
use common::flow::{Bottleneck, Estimator, Flow, Media};
use common::link::Link;
use common::ms;
use hanse_sfu_core::estimate::START_BPS;
use hanse_sfu_core::estimate::feedback::{PeerClock, TICK_US, TransportFeedback};
use rtc_interceptor::{BandwidthEstimator as _, Gcc, PacketReport};
use rtc_rtcp::transport_feedbacks::cc_feedback_report::Ecn;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Seeds of the plans; receivers tell every 100, 150 and 50 ms with them.
const SEEDS: [u64; 3] = [1, 2, 3];

/// A camera in three layers, in bit/s.
const CAMERA: Media = Media::Layers([150_000, 500_000, 1_700_000]);

/// As much as may be sent.
const EVERYTHING: Media = Media::Elastic(20_000_000);

/// Where a plan waits for something that never comes.
const NEVER: Duration = Duration::from_secs(60);

/// Options of `links`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print a JSON list instead of a table
    #[arg(long)]
    json: bool,
    /// Run nothing but what the book has pictures of, and draw them into this directory
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "json")]
    plots: Option<PathBuf>,
}

type NewEstimator = fn(Instant) -> Box<dyn Estimator>;

/// Runs the plans.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(directory) = &arguments.plots {
        return plots::write(directory);
    }
    let mut figures = Figures::default();
    let ours = plans(Flow::own);
    let theirs = plans(|now| Box::new(Rtc::new(now)));
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        figures.judge(ours.name, ours.value, ours.unit, ours.target);
        figures.note(format!("{}, by rtc's", theirs.name), theirs.value, theirs.unit);
    }
    calls::measure(&mut figures);
    figures.print(arguments.json)
}

/// One result.
struct Outcome {
    name: String,
    value: f64,
    unit: &'static str,
    target: Target,
}

/// The worst of all seeds.
fn worst(outcome: impl Fn(u64) -> f64) -> f64 {
    SEEDS.into_iter().map(outcome).fold(f64::NEG_INFINITY, f64::max)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A link that loses every twentieth packet.
fn lossy() -> Link {
    Link {
        loss: 0.05,
        ..Link::of_kbps(3_000)
    }
}

/// A round trip of 300 ms, on average, with 50 ms of jitter.
fn long(ordered: bool) -> Link {
    Link {
        delay: ms(125),
        jitter: ms(50),
        ordered,
        ..Link::of_kbps(3_000)
    }
}

fn has_all(link: &mut Bottleneck) -> bool {
    link.flow().steps.last().is_some_and(|(_, bps)| *bps == 1_700_000)
}

/// How long it takes until the largest layer is there.
fn until_all(link: &mut Bottleneck) -> Duration {
    let start = link.now;
    while !has_all(link) && link.now - start < NEVER {
        link.run(ms(10));
    }
    link.now - start
}

fn plans(new: NewEstimator) -> Vec<Outcome> {
    let of = |seed: u64, link: Link, media: Media| Bottleneck::of(seed, link, &[media], new);
    let mut outcomes = Vec::new();
    let mut judge = |name: &str, value: f64, unit: &'static str, target: Target| {
        outcomes.push(Outcome {
            name: name.to_owned(),
            value,
            unit,
            target,
        });
    };

    let fast = worst(|seed| milliseconds(until_all(&mut of(seed, Link::of_kbps(20_000), CAMERA))));
    judge("20 Mbit/s: the largest layer", fast, "ms", Target::Below(1_000.0));

    let fallen = |seed: u64| {
        let mut link = of(seed, Link::of_kbps(3_000), CAMERA);
        until_all(&mut link);
        link.run(secs(20));
        link.change(Link::of_kbps(300));
        link.run(secs(1));
        link.longest_queue = Duration::ZERO;
        link.run(secs(29));
        link
    };
    let queue = worst(|seed| milliseconds(fallen(seed).longest_queue));
    judge(
        "3 Mbit/s to 300 kbit/s: queue from 1 s on",
        queue,
        "ms",
        Target::Below(250.0),
    );
    let back = worst(|seed| {
        let mut link = fallen(seed);
        link.change(Link::of_kbps(3_000));
        milliseconds(until_all(&mut link))
    });
    judge(
        "back to 3 Mbit/s: the largest layer",
        back,
        "ms",
        Target::Below(3_000.0),
    );

    let changes = |link: Link, duration: Duration| {
        worst(|seed| {
            let mut link = of(seed, link, CAMERA);
            until_all(&mut link);
            let begin = link.now + ms(1);
            link.run(duration);
            // Whoever never gets there flaps most of all.
            if has_all(&mut link) {
                link.flow().changes_since(begin) as f64
            } else {
                link.flow().changes_since(begin).max(1) as f64
            }
        })
    };
    let flaps = changes(lossy(), secs(60));
    judge(
        "5 % loss: changes of layer in a minute",
        flaps,
        "",
        Target::AtMost(0.0),
    );
    for (ordered, name) in [
        (true, "300 ms round trip, 50 ms jitter: changes of layer in 5 min"),
        (false, "the same, packets overtake: changes of layer in 5 min"),
    ] {
        judge(name, changes(long(ordered), secs(300)), "", Target::AtMost(0.0));
    }

    for kbps in [300, 1_000, 3_000, 10_000] {
        let unused = worst(|seed| {
            let mut link = of(seed, Link::of_kbps(kbps), EVERYTHING);
            link.run(secs(20));
            let used: u64 = link.measure(secs(60)).iter().sum();
            100.0 - 100.0 * used as f64 / kbps as f64
        });
        let name = format!("{kbps} kbit/s: used of it");
        judge(&name, 100.0 - unused, "%", Target::AtLeast(80.0));
    }

    let unfair = worst(|seed| {
        let mut link = of(seed, Link::of_kbps(3_000), EVERYTHING);
        link.run(secs(15) * (seed as u32 - 1) + ms(7));
        link.join_with(EVERYTHING, new(link.now));
        link.run(secs(60));
        let shares = link.measure(secs(300));
        let fair = shares.iter().sum::<u64>() as f64 / 2.0;
        let off = shares.iter().map(|share| (*share as f64 - fair).abs());
        100.0 * off.fold(0.0, f64::max) / fair.max(1.0)
    });
    judge(
        "two on 3 Mbit/s: off half, over 5 min",
        unfair,
        "%",
        Target::AtMost(20.0),
    );
    outcomes
}

/// The estimator of the `rtc` crates, as it is: it measures delay and loss, and does not probe.
struct Rtc {
    gcc: Gcc,
    clock: PeerClock,
    /// What was sent under each number, until the peer has told.
    sent: Vec<Option<Sent>>,
    next: u64,
    reports: Vec<PacketReport>,
}

#[derive(Clone, Copy)]
struct Sent {
    id: u64,
    at: Instant,
    bytes: usize,
}

impl Rtc {
    fn new(_now: Instant) -> Self {
        Rtc {
            gcc: Gcc::new(START_BPS, 30_000.0, 1e9),
            clock: PeerClock::default(),
            sent: vec![None; 1 << 16],
            next: 0,
            reports: Vec::new(),
        }
    }
}

impl Estimator for Rtc {
    fn set_wanted(&mut self, _bps: u64) {}

    fn target_bps(&self, _now: Instant) -> u64 {
        self.gcc.target_bitrate() as u64
    }

    fn on_sent(&mut self, now: Instant, bytes: usize, _is_padding: bool) -> u16 {
        let id = self.next;
        self.next += 1;
        let number = id as u16;
        if let Some(sent) = self.sent.get_mut(usize::from(number)) {
            *sent = Some(Sent { id, at: now, bytes });
        }
        number
    }

    fn on_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) {
        // Its clock does not run backwards, so the first feedback is not at 0.
        let base_us = self.clock.reference_us(feedback) + 1_000_000;
        self.reports.clear();
        for (number, ticks) in feedback.statuses() {
            let sent = self.sent.get_mut(usize::from(number)).and_then(Option::take);
            let Some(sent) = sent else { continue };
            let arrival_us = ticks.map(|ticks| (base_us + ticks * TICK_US).max(0).cast_unsigned());
            self.reports.push(PacketReport {
                ssrc: 1,
                id: sent.id,
                rtp_sequence_number: number,
                is_twcc: true,
                twcc_sequence_number: number,
                size: sent.bytes,
                arrived: ticks.is_some(),
                departure: sent.at,
                arrival: arrival_us.map(Duration::from_micros),
                ecn: Ecn::default(),
            });
        }
        self.gcc.on_reports(now, &self.reports);
    }

    fn poll_padding(&mut self, now: Instant) -> usize {
        self.gcc.handle_timeout(now);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_ends_the_same_in_each_run_and_either_estimator_fills_a_link() {
        let both: [NewEstimator; 2] = [Flow::own, |now| Box::new(Rtc::new(now))];
        let used = both.map(|new| {
            let run = || {
                let mut link = Bottleneck::of(1, Link::of_kbps(1_000), &[EVERYTHING], new);
                link.run(secs(20));
                link.measure(secs(10))
            };
            let once = run();
            assert_eq!(run(), once);
            once.iter().sum::<u64>()
        });
        assert!(used.iter().all(|kbps| (700..=1_001).contains(kbps)), "{used:?}");
        assert_ne!(used.first(), used.last(), "two estimators");
    }
}
