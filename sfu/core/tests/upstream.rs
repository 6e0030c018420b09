//! What a publisher hears from the SFU: of arrivals soon, of losses at the pace of its round trip, of wishes for key frames
//! no more often than a link bears.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::link::Link;
use common::{HIDDEN, Person, World, ms, up_to};
use hanse_sfu_core::command::{Codec, MediaEvent};
use hanse_sfu_core::ids::TrackId;
use std::time::{Duration, Instant};

const SEEDS: [u64; 3] = [81, 82, 0xabba];

/// A link with this one-way delay that loses nothing.
const fn far(milliseconds: u64) -> Link {
    Link {
        delay: ms(milliseconds),
        ..Link::CLEAN
    }
}

/// Alice publishes over a link, alone or to Bob.
fn publisher(seed: u64, link: Link, codec: Codec) -> (World, Person, Person, TrackId) {
    let mut world = World::new(seed);
    world.link = link;
    let alice = world.join("Alice");
    world.link = Link::CLEAN;
    let bob = world.join("Bob");
    world.connect();
    let track = world.publish(alice, codec);
    world.subscribe(bob, track, up_to(2));
    (world, alice, bob, track)
}

#[test]
fn a_publisher_hears_within_50_ms_that_a_packet_has_arrived_however_few_come() {
    for seed in SEEDS {
        for codec in [Codec::Opus, Codec::Vp8] {
            let link = far(20);
            let (mut world, alice, _, track) = publisher(seed, link, codec);
            world.run(ms(3_000));
            // Sound that has nearly stopped, as Opus does in a silence.
            for _ in 0..5 {
                world.source(alice, track).muted = true;
                world.run(ms(400));
                world.source(alice, track).muted = false;
                world.run(ms(60));
            }
            let begin = world.now;
            world.run(ms(200));
            let alice = &world.people[alice.0];
            let sent = alice.sent_at.iter().filter(|(_, at)| **at + ms(100) < begin);
            let waits: Vec<Duration> = sent
                .map(|(number, at)| alice.told_at[number] - *at - link.delay * 2)
                .collect();
            let longest = waits.iter().max().unwrap();
            assert!(
                *longest <= ms(50),
                "seed {seed}: {codec:?}: {longest:?} of {}",
                waits.len()
            );
            assert!(waits.len() > 50);
        }
    }
}

/// Loses one packet of Alice's microphone or camera for good: when she was asked for it.
fn asked_for_a_lost_packet(world: &mut World, alice: Person, track: TrackId) -> Vec<Instant> {
    world.client(alice).repeats = false;
    world.source(alice, track).muted = true;
    world.run(ms(1_000));
    world.client(alice).asks.clear();
    // Three pictures, of which the middle one is lost.
    for place in 0..3 {
        let packets = world.capture(alice, track);
        if place != 1 {
            packets
                .into_iter()
                .filter(|((layer, _), _)| *layer == 0)
                .for_each(|(_, packet)| world.client(alice).outbox.push(packet));
            world.collect(alice);
        }
        world.run(ms(5));
    }
    world.run(ms(4_000));
    world.client(alice).repeats = true;
    world.source(alice, track).muted = false;
    let asks = &world.people[alice.0].asks;
    assert_eq!(asks.len(), 1, "one packet was lost: {asks:?}");
    asks.values().next().unwrap().clone()
}

fn pauses(asks: &[Instant]) -> Vec<u128> {
    asks.windows(2)
        .map(|pair| (pair[1] - pair[0]).as_millis())
        .collect()
}

#[test]
fn a_lost_packet_is_asked_for_again_when_a_first_repetition_could_have_come() {
    for one_way in [5, 25, 60, 150] {
        let (mut world, alice, _, track) = publisher(83, far(one_way), Codec::Vp8);
        world.run(ms(10_000));
        let asks = asked_for_a_lost_packet(&mut world, alice, track);
        assert_eq!(asks.len(), 5, "{one_way} ms");
        let mut expected = one_way as f64 * 2.0;
        for pause in pauses(&asks) {
            // Never before the round trip is over, and by a tick or two and what rounds up to it after.
            let least = expected.clamp(20.0, 400.0) - 1.0;
            assert!(
                (least..least + 25.0).contains(&(pause as f64)),
                "{one_way} ms: {pause} after {expected}: {:?}",
                pauses(&asks)
            );
            expected *= 1.25;
        }
    }
}

#[test]
fn a_round_trip_that_grows_is_followed_and_one_of_which_nothing_is_known_is_taken_for_70_ms() {
    let (mut world, alice, _, track) = publisher(84, far(10), Codec::Vp8);
    world.run(ms(5_000));
    let near = pauses(&asked_for_a_lost_packet(&mut world, alice, track));
    assert!(near[0] < 40, "{near:?}");
    world.client(alice).up.link = far(150);
    world.client(alice).down.link = far(150);
    world.run(ms(30_000));
    let away = pauses(&asked_for_a_lost_packet(&mut world, alice, track));
    assert!((280..330).contains(&away[0]), "{away:?}");

    let (mut world, alice, _, track) = publisher(84, far(150), Codec::Vp8);
    world.client(alice).echoes = false;
    world.run(ms(5_000));
    let unknown = pauses(&asked_for_a_lost_packet(&mut world, alice, track));
    assert!((60..95).contains(&unknown[0]), "{unknown:?}");
}

#[test]
fn one_that_echoes_nothing_is_measured_by_how_soon_it_repeats_what_was_lost() {
    for one_way in [10, 60, 150] {
        let (mut world, alice, _, track) = publisher(88, far(one_way), Codec::Vp8);
        world.client(alice).echoes = false;
        world.client(alice).up.link = Link {
            loss: 0.05,
            ..far(one_way)
        };
        world.run(ms(10_000));
        world.client(alice).up.link = far(one_way);
        world.run(ms(1_000));
        let asks = pauses(&asked_for_a_lost_packet(&mut world, alice, track));
        // Where requests or their answers were lost it looks somewhat farther away.
        let round_trip = u128::from(one_way) * 2;
        assert!(
            (round_trip - 1..round_trip * 3 / 2 + 25).contains(&asks[0]),
            "{one_way} ms: {asks:?}"
        );
    }
}

#[test]
fn a_publisher_that_receives_too_is_measured_by_its_receiver_reports() {
    let (mut world, alice, bob, track) = publisher(85, far(100), Codec::Vp8);
    world.client(alice).echoes = false;
    let microphone = world.publish(bob, Codec::Opus);
    world.subscribe(alice, microphone, up_to(0));
    world.run(ms(20_000));
    let asks = pauses(&asked_for_a_lost_packet(&mut world, alice, track));
    assert!((190..230).contains(&asks[0]), "{asks:?}");
}

#[test]
fn the_round_trip_to_whoever_only_sends_is_told() {
    for echoes in [true, false] {
        let (mut world, alice, _, _) = publisher(86, far(40), Codec::Vp8);
        world.client(alice).echoes = echoes;
        world.run(ms(11_000));
        let own = world.people[alice.0].connection;
        let told = world.events.iter().rev().find_map(|(_, event)| match event {
            MediaEvent::Quality { connection, quality } if *connection == own => Some(quality.round_trip),
            _ => None,
        });
        let told = told.expect("an interval has passed");
        assert_eq!(told.is_some(), echoes);
        assert!(
            told.is_none_or(|told| (ms(79)..ms(82)).contains(&told)),
            "{told:?}"
        );
    }
}

#[test]
fn two_hundred_who_ask_for_key_frames_cost_a_publisher_two_in_a_second_per_layer() {
    for shards in [1, 3] {
        let mut world = World::with_shards(87, shards);
        let place = |number: usize| number % usize::from(shards);
        let alice = world.join_on("Alice", 0);
        let audience: Vec<Person> = (0..200)
            .map(|number| world.join_on("Somebody", place(number)))
            .collect();
        world.connect();
        let track = world.publish(alice, Codec::Vp8);
        for (number, person) in audience.iter().enumerate() {
            world.subscribe(*person, track, up_to((number % 3) as u8));
        }
        world.run(ms(3_000));
        let begin = world.now;
        let began_us = (begin - world.start).as_micros() as u64;
        // Everybody asks five times a second, hides and shows the tile, and half of them lose what comes.
        for round in 0..15 {
            for (number, person) in audience.iter().enumerate() {
                world.client(*person).ask_for_key_frame(track);
                world.collect(*person);
                if (number + round) % 10 == 0 {
                    world.want(*person, track, HIDDEN);
                    world.want(*person, track, up_to((number % 3) as u8));
                }
            }
            world.run(ms(200));
        }
        let seconds = (world.now - begin).as_secs_f64();
        for stream in &world.source(alice, track).streams {
            let asked: Vec<u64> = stream
                .asked_us
                .iter()
                .copied()
                .filter(|at| *at >= began_us)
                .collect();
            assert!(
                asked.len() as f64 <= seconds * 2.0 + 1.0 && asked.len() >= 3,
                "{shards} shards: {} in {seconds} s",
                asked.len()
            );
            assert!(
                asked.windows(2).all(|pair| pair[1] - pair[0] >= 500_000),
                "{shards} shards: {asked:?}"
            );
        }
        let counted = world.counters();
        assert!(counted.plis_in >= 200 * 15, "all of them were heard");
        // Nobody is left without a picture by it.
        for person in &audience {
            assert!(world.sink(*person, track).frames.last().unwrap().at > begin);
        }
    }
}
