//! A whole call of three people.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::link::Link;
use common::{Person, World, ms, proof, up_to};
use hanse_sfu_core::command::MediaEvent;
use std::time::Duration;

/// Each of them stays for good once it has shown something.
const SEEDS: [u64; 4] = [1, 2, 3, 0x1234_5678];

fn three_people(seed: u64, link: Link, duration: Duration) -> (World, [Person; 3]) {
    let mut world = World::new(seed);
    world.link = link;
    let people = ["Alice", "Bob", "Carol"].map(|name| world.join(name));
    world.connect();
    world.meet(&people);
    world.run(duration);
    (world, people)
}

#[test]
fn three_people_on_bad_links_get_everything_of_the_others_in_order_and_nothing_of_their_own() {
    for seed in SEEDS {
        let (mut world, people) = three_people(seed, Link::BAD, ms(12_000));
        // Nobody gets their own, even if the control side is mistaken.
        for person in people {
            let own = world.camera(person);
            world.subscribe(person, own, up_to(2));
        }
        world.run(ms(1_000));
        for (client, person) in world.people.iter().zip(people) {
            let own = world.tracks(person);
            assert!(own.iter().all(|track| {
                client
                    .sinks
                    .iter()
                    .all(|sink| sink.track != *track || sink.packets == 0)
            }));
            let foreign: Vec<_> = client
                .sinks
                .iter()
                .filter(|sink| !own.contains(&sink.track))
                .collect();
            assert_eq!(foreign.len(), 4, "two cameras and two microphones");
            for sink in foreign {
                let what = format!(
                    "seed {seed}: {} of {:?} {:?}",
                    client.name, sink.track, sink.codec
                );
                let complete = proof::completeness(&world, sink);
                proof::in_order(sink, ms(400));
                if sink.codec.is_video() {
                    assert!(complete >= 0.99, "{what}: {complete}");
                    assert_eq!(sink.current_layer(), Some(2), "{what}");
                    let undecodable = sink.frames.iter().filter(|frame| !frame.decodable).count();
                    assert!(
                        undecodable <= 4 && sink.frames.last().unwrap().decodable,
                        "{what}: {undecodable}"
                    );
                } else {
                    // Sound is repaired towards the SFU only; a subscriber's own loss stays.
                    assert!((0.90..0.999).contains(&complete), "{what}: {complete}");
                }
            }
        }
        proof::only_what_is_theirs(&world);
        assert_eq!(
            world.heard(|event| matches!(event, MediaEvent::TrackFlowing { .. })),
            6
        );
        assert_eq!(
            world.heard(|event| matches!(event, MediaEvent::FirstForwarded { .. })),
            12
        );
        assert_eq!(
            world.heard(|event| matches!(event, MediaEvent::Connected { .. })),
            3
        );
    }
}

#[test]
fn on_clean_links_every_frame_comes_whole_and_nothing_is_sent_twice() {
    let (world, _) = three_people(5, Link::CLEAN, ms(5_000));
    for client in &world.people {
        for sink in &client.sinks {
            assert_eq!(
                proof::completeness(&world, sink),
                1.0,
                "{} of {:?}",
                client.name,
                sink.track
            );
            assert_eq!(
                (sink.repaired, sink.duplicates, sink.given_up, sink.broken_frames),
                (0, 0, 0, 0)
            );
        }
        assert_eq!(client.asked_again, 0);
        assert!(client.told.values().all(|arrived| *arrived));
    }
    assert_eq!(world.counters().datagrams_dropped, 0);
}

#[test]
fn a_late_joiner_gets_everybody_from_a_key_frame_on_and_disturbs_nobody() {
    for seed in SEEDS {
        let (mut world, [alice, bob, carol]) = three_people(seed, Link::CLEAN, ms(3_000));
        let dave = world.join("Dave");
        world.connect();
        let before = world.now;
        world.subscribe_to_all(dave, &[alice, bob, carol]);
        world.run(ms(2_000));
        for sink in &world.client(dave).sinks {
            let first = sink.frames.first().expect("everybody");
            assert!(
                first.at - before < ms(700),
                "{:?}: within one throttled key frame",
                sink.codec
            );
            assert!(!sink.codec.is_video() || first.content.key);
        }
        for person in [alice, bob, carol] {
            for sink in &world.people[person.0].sinks {
                proof::in_order(sink, Duration::ZERO);
                assert_eq!(proof::completeness(&world, sink), 1.0);
            }
        }
        proof::only_what_is_theirs(&world);
    }
}

#[test]
fn a_call_follows_from_its_seed_alone() {
    let trace = |seed| three_people(seed, Link::BAD, ms(3_000)).0.trace();
    for seed in SEEDS {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
    assert_ne!(trace(1), trace(2));
}

#[test]
fn transport_feedback_tells_publishers_what_arrived_and_quality_tells_the_control_side() {
    for seed in SEEDS {
        let (world, _) = three_people(seed, Link::BAD, ms(10_500));
        for client in &world.people {
            let lost =
                client.told.values().filter(|arrived| !**arrived).count() as f64 / client.told.len() as f64;
            assert!(
                (0.03..0.08).contains(&lost),
                "seed {seed}: {} was told of a loss of {lost}",
                client.name
            );
            let mut seen = 0;
            for (_, event) in &world.events {
                let MediaEvent::Quality { connection, quality } = event else {
                    continue;
                };
                if *connection != client.connection {
                    continue;
                }
                seen += 1;
                let (up, down) = (
                    quality.loss_up_permille.unwrap(),
                    quality.loss_down_permille.unwrap(),
                );
                assert!(
                    (10..100).contains(&up) && (10..100).contains(&down),
                    "seed {seed}: {up} and {down} permille"
                );
                // 15 to 27 ms each way.
                let (round_trip, jitter) = (quality.round_trip.unwrap(), quality.jitter_up.unwrap());
                assert!(
                    (ms(30)..ms(70)).contains(&round_trip) && (ms(1)..ms(50)).contains(&jitter),
                    "seed {seed}: {round_trip:?} and {jitter:?}"
                );
            }
            assert_eq!(seen, 2, "every five seconds");
        }
    }
}

#[test]
fn whoever_speaks_is_heard_and_silence_is_said_once() {
    let mut world = World::new(9);
    let people = ["Alice", "Bob"].map(|name| world.join(name));
    world.connect();
    world.meet(&people);
    let [alice, bob] = people.map(|person| world.microphone(person));
    world.run(ms(2_000));
    assert_eq!(
        world.heard(|event| matches!(event, MediaEvent::AudioLevel { .. })),
        0,
        "nobody speaks"
    );
    world.source(people[0], alice).level = 10;
    world.run(ms(2_000));
    let levels = |world: &World| -> Vec<f32> {
        let level = |event: &MediaEvent| match event {
            MediaEvent::AudioLevel { track, level } if *track == alice => Some(*level),
            _ => None,
        };
        world
            .events
            .iter()
            .filter_map(|(_, event)| level(event))
            .collect()
    };
    assert!((4..=5).contains(&levels(&world).len()), "once per window");
    assert!(levels(&world).iter().all(|level| (0.01..=1.0).contains(level)));
    world.source(people[0], alice).level = 127;
    world.run(ms(4_000));
    let all = levels(&world);
    assert_eq!(all.iter().filter(|level| **level == 0.0).count(), 1);
    assert_eq!(all.last(), Some(&0.0));
    assert_eq!(
        world.heard(|event| matches!(event, MediaEvent::AudioLevel { track, .. } if *track == bob)),
        0
    );
}

#[test]
fn sound_and_picture_carry_one_clock() {
    let (world, _) = three_people(4, Link::CLEAN, ms(6_000));
    for client in &world.people {
        for sink in &client.sinks {
            let (ntp, rtp) = sink.clock.expect("a sender report");
            let frame = sink.frames.last().unwrap();
            let rate = i64::from(sink.codec.clock_rate_hz());
            // The world's clock in µs, by the report: seconds since its NTP origin.
            let report_us = ((u128::from(ntp) * 1_000_000) >> 32) as i64 - 3_900_000_000 * 1_000_000;
            let ticks = i64::from(frame.timestamp.wrapping_sub(rtp).cast_signed());
            let shown_us = report_us + ticks * 1_000_000 / rate;
            assert!(
                (shown_us - frame.content.captured_us as i64).abs() < 1_000,
                "{:?}",
                sink.codec
            );
        }
    }
}
