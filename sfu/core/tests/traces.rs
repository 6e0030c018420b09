//! What browsers told of the packets that they got over links that were known (`traces/`), replayed in virtual time: what the
//! estimator makes of it.
//!
//! A replay is no call: whatever the estimator says, what was sent then was sent. So it is not judged by what it would have
//! caused, but by what it could know: hardly more than the link carried, once something had shown what that is; never less than
//! what demonstrably flowed without a queue. Probes are those of the recording, which another estimator wished for; the replayed
//! one's own wishes are passed over.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use hanse_sfu_core::estimate::feedback::TransportFeedback;
use hanse_sfu_core::estimate::{Arrived, BandwidthEstimator, LOG_LEN};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the estimator is asked to do what is due, in µs.
const TICK_US: u64 = 10_000;

/// Something that went into the estimator that was recorded.
#[derive(Debug)]
enum Input {
    Sent { bytes: usize, is_media: bool, probe: u8 },
    Unnumbered(usize),
    Probe(u8, u64),
    Wanted(u64),
    Route,
    Feedback(Vec<u8>),
}

/// What the link was from a moment on.
#[derive(Clone, Copy, Debug)]
struct Link {
    from_us: u64,
    bps: u64,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/traces")
}

/// A recording.
struct Trace {
    links: Vec<Link>,
    end_us: u64,
    inputs: Vec<(u64, Input)>,
}

impl Trace {
    /// Reads one of the files (`src/tap.rs` says how they are written; `link` and `end` have ms and kbit/s).
    fn read(name: &str) -> Trace {
        let text = std::fs::read_to_string(folder().join(name).with_extension("trace")).unwrap();
        let mut trace = Trace {
            links: Vec::new(),
            end_us: 0,
            inputs: Vec::new(),
        };
        let mut now_us = 0;
        for line in text.lines() {
            let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
            let numbers = || {
                rest.split(' ')
                    .map(|number| number.parse::<f64>().expect(line) as u64)
            };
            match head {
                "#" => {}
                "link" => trace.links.push(Link {
                    from_us: numbers().next().unwrap() * 1_000,
                    bps: numbers().nth(1).unwrap() * 1_000,
                }),
                "end" => trace.end_us = numbers().next().unwrap() * 1_000,
                _ => {
                    let (kind, pause) = head.split_at(1);
                    let (pause, probe) = pause.split_once('/').unwrap_or((pause, "0"));
                    now_us += pause.parse::<u64>().expect(line);
                    let probe = probe.parse().expect(line);
                    let packet = |bytes: u64| match kind {
                        "u" => Input::Unnumbered(bytes as usize),
                        _ => Input::Sent {
                            bytes: bytes as usize,
                            is_media: kind == "m",
                            probe,
                        },
                    };
                    let first = || numbers().next().unwrap();
                    let inputs: Vec<Input> = match kind {
                        "m" | "p" | "u" => numbers().map(packet).collect(),
                        "c" => vec![Input::Probe(first() as u8, numbers().nth(1).unwrap())],
                        "w" => vec![Input::Wanted(first())],
                        "r" => vec![Input::Route],
                        "f" => vec![Input::Feedback(feedback(rest))],
                        _ => panic!("{name}: {line}"),
                    };
                    trace
                        .inputs
                        .extend(inputs.into_iter().map(|input| (now_us, input)));
                }
            }
        }
        trace
    }

    /// What the estimator says over time.
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made otherwise; only differences matter"
    )]
    fn replay(&self) -> Vec<(u64, u64)> {
        let start = Instant::now();
        let mut estimator = BandwidthEstimator::new(start);
        let mut scratch: Vec<Arrived> = Vec::with_capacity(LOG_LEN);
        let mut estimates = Vec::new();
        let mut tick_us = 0;
        for (at_us, input) in &self.inputs {
            while tick_us <= *at_us {
                let now = start + Duration::from_micros(tick_us);
                estimator.handle_timeout(now, true);
                estimator.abandon_probe();
                estimates.push((tick_us, estimator.target_bps(now).unwrap()));
                tick_us += TICK_US;
            }
            let now = start + Duration::from_micros(*at_us);
            match input {
                Input::Sent {
                    bytes,
                    is_media,
                    probe: 0,
                } => {
                    if *is_media {
                        estimator.on_media_sent(now, *bytes);
                    } else {
                        estimator.on_padding_sent(now, *bytes);
                    }
                }
                Input::Sent {
                    bytes,
                    is_media,
                    probe,
                } => {
                    estimator.on_replayed_probe_sent(now, *bytes, *is_media, *probe);
                }
                Input::Unnumbered(bytes) => estimator.on_unnumbered_sent(*bytes),
                Input::Probe(probe, bytes) => estimator.expect_replayed_probe(*probe, *bytes),
                Input::Wanted(bps) => estimator.set_wanted(*bps),
                Input::Route => estimator.on_route_changed(now),
                Input::Feedback(body) => {
                    let feedback = TransportFeedback::parse(body).unwrap();
                    estimator.on_feedback(now, &feedback, &mut scratch);
                    estimator.abandon_probe();
                }
            }
        }
        estimates
    }

    /// What of media went out over some time, on average.
    fn media_bps(&self, time: Range<u64>) -> u64 {
        let inputs = self.inputs.iter().filter(|(at, _)| time.contains(at));
        let bytes = inputs.map(|(_, input)| match input {
            Input::Sent {
                bytes,
                is_media: true,
                ..
            }
            | Input::Unnumbered(bytes) => *bytes as u64,
            _ => 0,
        });
        bytes.sum::<u64>() * 8_000_000 / (time.end - time.start)
    }
}

/// Feedback from what is behind the SSRCs.
fn feedback(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|digit| digit.to_digit(16).unwrap() as u8)
        .collect();
    let bytes = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
    std::iter::repeat_n(0, 8).chain(bytes).collect()
}

const S: u64 = 1_000_000;

/// The recordings of the same link with each browser.
const STEADY: [&str; 2] = ["chromium-steady", "firefox-steady"];
const FALLING: [&str; 2] = ["chromium-fall", "firefox-fall"];
const FAR: &str = "chromium-jitter";
const LOSSY: &str = "chromium-loss";

/// The least and the most that the estimator says in this time, in bit/s.
fn range(estimates: &[(u64, u64)], time: Range<u64>) -> (u64, u64) {
    let of_time = estimates.iter().filter(|(at, _)| time.contains(at));
    let of_time: Vec<u64> = of_time.map(|(_, bps)| *bps).collect();
    (*of_time.iter().min().unwrap(), *of_time.iter().max().unwrap())
}

/// In each second of this time the estimator says that what flows in it and flowed before may; a key frame may be more.
fn allows_what_flows(name: &str, trace: &Trace, estimates: &[(u64, u64)], time: Range<u64>) {
    for begin in (time.start..time.end - S).step_by(S as usize) {
        let second = begin..begin + S;
        let (least, _) = range(estimates, second.clone());
        let flows = trace.media_bps(second).min(trace.media_bps(begin - S..begin));
        assert!(
            least >= flows * 85 / 100,
            "{name}, {} ms: {least}, and {flows} flow",
            begin / 1_000
        );
    }
}

/// The share of packets that the browser has said to be missing and never to have arrived.
fn lost(trace: &Trace) -> f64 {
    let (mut told, mut arrived) = (BTreeSet::new(), BTreeSet::new());
    for (_, input) in &trace.inputs {
        let Input::Feedback(body) = input else { continue };
        for (number, ticks) in TransportFeedback::parse(body).unwrap().statuses() {
            told.insert(number);
            if ticks.is_some() {
                arrived.insert(number);
            }
        }
    }
    1.0 - arrived.len() as f64 / told.len() as f64
}

#[test]
fn a_steady_link_is_found_and_kept() {
    for name in STEADY {
        let trace = Trace::read(name);
        let link = trace.links[0].bps;
        let (least, most) = range(&trace.replay(), 6 * S..trace.end_us);
        assert!(least >= link * 7 / 10, "{name}: {least} of {link}");
        assert!(most <= link * 12 / 10, "{name}: {most} of {link}");
    }
}

#[test]
fn a_link_that_falls_to_a_tenth_is_known_within_a_second_and_within_three_when_it_is_back() {
    for name in FALLING {
        let trace = Trace::read(name);
        let [before, narrow, after] = trace.links[..] else {
            panic!("{name}: {:?}", trace.links)
        };
        let estimates = trace.replay();
        let large = trace.media_bps(3 * S..narrow.from_us);
        assert!(
            large > 2 * narrow.bps,
            "{name}: it sends more than the narrow link carries"
        );
        allows_what_flows(name, &trace, &estimates, 3 * S..narrow.from_us);
        let (_, most) = range(&estimates, 3 * S..narrow.from_us);
        assert!(most <= before.bps * 11 / 10, "{name}: {most}");
        let (least, most) = range(&estimates, narrow.from_us + S..after.from_us);
        assert!(least >= narrow.bps * 4 / 10, "{name}: {least}");
        assert!(most <= narrow.bps * 11 / 10, "{name}: {most}");
        // When the queue of the fall is gone and probes have shown what there is.
        let (least, _) = range(&estimates, narrow.from_us + 8 * S..after.from_us);
        assert!(least >= narrow.bps * 7 / 10, "{name}: {least}");
        let (least, most) = range(&estimates, after.from_us + 3 * S..trace.end_us);
        assert!(least >= large, "{name}: {least}, and {large} flowed before");
        assert!(most <= after.bps * 11 / 10, "{name}: {most}");
    }
}

#[test]
fn a_long_way_with_jitter_is_not_taken_for_a_queue() {
    let trace = Trace::read(FAR);
    let estimates = trace.replay();
    allows_what_flows(FAR, &trace, &estimates, 3 * S..trace.end_us);
    let (least, most) = range(&estimates, 8 * S..trace.end_us);
    assert!(least >= trace.links[0].bps * 6 / 10, "{least}");
    assert!(most <= trace.links[0].bps * 11 / 10, "{most}");
}

#[test]
fn random_loss_is_not_taken_for_a_limit() {
    let trace = Trace::read(LOSSY);
    let lost = lost(&trace);
    assert!((0.03..0.08).contains(&lost), "{lost} of the packets");
    let estimates = trace.replay();
    allows_what_flows(LOSSY, &trace, &estimates, 3 * S..trace.end_us);
    let large = trace.media_bps(12 * S..trace.end_us);
    let (least, most) = range(&estimates, 12 * S..trace.end_us);
    assert!(large > 1_000_000 && least >= large, "{least}, and {large} flow");
    assert!(most <= trace.links[0].bps * 11 / 10, "{most}");
}

/// The same packets over a link that is known to be another one are judged otherwise: the statements above are about what was
/// told, not about what was sent.
#[test]
fn without_what_is_told_of_the_fall_nothing_falls() {
    for name in FALLING {
        let mut trace = Trace::read(name);
        let fall_us = trace.links[1].from_us;
        trace
            .inputs
            .retain(|(at, input)| *at < fall_us || !matches!(input, Input::Feedback(_)));
        let estimates = trace.replay();
        let (least, _) = range(&estimates, fall_us..fall_us + S / 2);
        assert!(least > 2 * trace.links[1].bps, "{name}: {least}");
    }
}

#[test]
fn each_recording_is_judged_and_none_is_large() {
    let mut judged = [&STEADY[..], &FALLING, &[FAR, LOSSY]].concat();
    judged.sort_unstable();
    let mut there = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "trace") {
            there.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
            assert!(path.metadata().unwrap().len() < 60_000, "{}", path.display());
        }
    }
    there.sort_unstable();
    assert_eq!(there, judged);
}
