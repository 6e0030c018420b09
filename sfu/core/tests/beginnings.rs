//! With which picture a subscriber begins, and how soon.

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
use hanse_sfu_core::command::Codec;
use hanse_sfu_core::ids::TrackId;
use std::time::{Duration, Instant};

/// Each of them stays for good once it has shown something.
const SEEDS: [u64; 4] = [71, 72, 73, 0xbe91];

/// One way to everybody.
const WAY: Duration = ms(15);

/// A way to a publisher far away, longer than the subscriber's handshake takes.
const FAR: Duration = ms(60);

/// From one look at what is due to the next.
const TICK: Duration = ms(11);

/// Alice has shown her camera to Bob for long; her last key frame is far back. They live on the first shard.
fn camera(seed: u64, shards: u16) -> (World, Person, Person, TrackId) {
    let mut world = World::with_shards(seed, shards);
    world.link = Link::CLEAN;
    let (alice, bob) = (world.join_on("Alice", 0), world.join_on("Bob", 0));
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    world.subscribe(bob, track, up_to(2));
    world.run(ms(3_000));
    (world, alice, bob, track)
}

/// How often the camera was asked for a key frame of its largest layer.
fn asked(world: &mut World, alice: Person, track: TrackId) -> usize {
    world.source(alice, track).streams[2].asked_us.len()
}

/// When somebody had the first picture.
fn first_picture(world: &World, person: Person, track: TrackId) -> Instant {
    let first = world.sink(person, track).frames.first().expect("a picture");
    assert!(first.content.key && first.decodable);
    first.at
}

#[test]
fn the_key_frame_for_a_joiner_is_asked_for_while_it_still_connects_and_is_its_first_picture() {
    for shards in [1, 2] {
        for seed in SEEDS {
            let (mut world, alice, bob, track) = camera(seed, shards);
            let before = asked(&mut world, alice, track);
            let carol = world.join_on("Carol", usize::from(shards) - 1);
            // Its device is slow to begin.
            world.client(carol).checking = false;
            world.subscribe(carol, track, up_to(2));
            world.run(ms(150));
            assert_eq!(
                asked(&mut world, alice, track),
                before + 1,
                "seed {seed}: at once"
            );
            world.client(carol).checking = true;
            world.connect();
            let connected = world.now;
            // Nothing more comes of the camera; what Carol sees was there before.
            world.source(alice, track).muted = true;
            world.run(ms(300));
            let first = first_picture(&world, carol, track);
            assert!(
                first - connected <= WAY + TICK,
                "seed {seed}, {shards} shards: {:?} after the handshake",
                first - connected
            );
            world.source(alice, track).muted = false;
            world.run(ms(1_000));
            assert_eq!(asked(&mut world, alice, track), before + 1, "once is enough");
            for person in [bob, carol] {
                let sink = world.sink(person, track);
                proof::in_order(sink, Duration::ZERO);
                assert_eq!((sink.duplicates, sink.given_up, sink.broken_frames), (0, 0, 0));
                assert_eq!(sink.current_layer(), Some(2));
            }
            assert_eq!(proof::completeness(&world, world.sink(bob, track)), 1.0);
            proof::only_what_is_theirs(&world);
        }
    }
}

#[test]
fn who_joins_shortly_after_another_begins_with_the_same_key_frame_and_the_publisher_makes_no_second() {
    for shards in [1, 2] {
        for seed in SEEDS {
            let (mut world, alice, _, track) = camera(seed, shards);
            let before = asked(&mut world, alice, track);
            let names = ["Carol", "Dave", "Erin", "Frank"];
            let mut joined = Vec::new();
            for name in names {
                let person = world.join_on(name, usize::from(shards) - 1);
                world.subscribe(person, track, up_to(2));
                joined.push((person, world.now));
                world.run(ms(100));
            }
            world.run(ms(500));
            assert_eq!(asked(&mut world, alice, track), before + 1, "seed {seed}");
            for (person, at) in joined {
                let first = first_picture(&world, person, track);
                assert!(first - at < ms(200), "seed {seed}: {:?}", first - at);
                proof::in_order(world.sink(person, track), Duration::ZERO);
            }
        }
    }
}

#[test]
fn a_key_frame_that_is_too_old_is_not_begun_with() {
    for seed in SEEDS {
        let (mut world, alice, _, track) = camera(seed, 1);
        let carol = world.join("Carol");
        world.connect();
        let before = asked(&mut world, alice, track);
        let now = world.now;
        world.subscribe(carol, track, up_to(2));
        world.run(ms(500));
        assert_eq!(asked(&mut world, alice, track), before + 1, "seed {seed}");
        let frames = &world.sink(carol, track).frames;
        let first = frames.first().unwrap();
        let captured = Duration::from_micros(first.content.captured_us);
        assert!(
            first.content.key && captured > now - world.start,
            "seed {seed}: made for Carol"
        );
    }
}

#[test]
fn the_time_that_a_far_publisher_takes_is_spent_during_the_handshake() {
    for seed in SEEDS {
        let (mut world, alice, _, track) = camera(seed, 1);
        let client = world.client(alice);
        client.up.link.delay = FAR;
        client.down.link.delay = FAR;
        world.run(ms(500));
        let carol = world.join("Carol");
        let joined = world.now;
        world.subscribe(carol, track, up_to(2));
        world.run(ms(1_000));
        let first = first_picture(&world, carol, track);
        // There, a frame of the camera, back, and on to Carol; not the handshake on top.
        let expected = FAR + ms(34) + FAR + WAY + TICK;
        assert!(first - joined <= expected, "seed {seed}: {:?}", first - joined);
    }
}

#[test]
fn whoever_hides_a_picture_and_shows_it_again_goes_on_in_order() {
    for seed in SEEDS {
        let (mut world, alice, bob, track) = camera(seed, 1);
        // A key frame for somebody else, a moment before.
        let carol = world.join("Carol");
        world.connect();
        world.subscribe(carol, track, up_to(2));
        world.run(ms(150));
        let before = asked(&mut world, alice, track);
        world.want(bob, track, common::HIDDEN);
        world.run(ms(40));
        world.want(bob, track, up_to(2));
        let shown = world.now;
        world.run(ms(600));
        assert_eq!(
            asked(&mut world, alice, track),
            before,
            "seed {seed}: the one for Carol will do"
        );
        let sink = world.sink(bob, track);
        let again = sink.frames.iter().find(|frame| frame.at > shown).unwrap();
        assert!(again.content.key && again.at - shown <= WAY + TICK, "seed {seed}");
        assert_eq!((sink.duplicates, sink.given_up, sink.broken_frames), (0, 0, 0));
    }
}
