//! Whose picture is sharp on a downlink that does not carry all of them.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::{Person, World, ms, proof, up_to};
use hanse_sfu_core::command::{Codec, MediaCommand, Precedence};

#[test]
fn a_screen_is_sharp_before_a_speaker_and_a_speaker_before_a_listener_on_every_shard() {
    for shards in [1, 3] {
        let mut world = World::with_shards(71, shards);
        let [alice, bob, carol] = ["Alice", "Bob", "Carol"].map(|name| world.join_on(name, 0));
        let [dave, erin] =
            [("Dave", 1), ("Erin", 2)].map(|(name, shard)| world.join_on(name, shard % usize::from(shards)));
        world.connect();
        let [listener, speaker, screen] = [alice, bob, carol].map(|person| world.publish(person, Codec::Vp8));
        let tracks = [listener, speaker, screen];
        // One of them subscribes before it is said what matters, the other one afterwards.
        for track in tracks {
            world.subscribe(dave, track, up_to(2));
        }
        world.run(ms(1_000));
        for (track, precedence) in [(speaker, Precedence::Speaker), (screen, Precedence::Screen)] {
            world.command(MediaCommand::SetPrecedence { track, precedence });
        }
        for track in tracks {
            world.subscribe(erin, track, up_to(2));
        }
        world.run(ms(3_000));
        let layers = |world: &World, person: Person| {
            tracks.map(|track| world.sink(person, track).current_layer().unwrap())
        };
        assert_eq!(layers(&world, dave), [2, 2, 2]);
        assert_eq!(layers(&world, erin), [2, 2, 2]);
        // The large layer has some 450 kbit/s, the middle one 170 and the small one 60.
        for (limit, expected) in [(650_000, [0, 0, 2]), (1_040_000, [0, 2, 2])] {
            for person in [dave, erin] {
                world.limit_downlink(person, Some(limit));
            }
            world.run(ms(4_000));
            for person in [dave, erin] {
                assert_eq!(layers(&world, person), expected, "{shards} shards, {limit}");
            }
        }
        // Another one speaks now.
        for (track, precedence) in [(speaker, Precedence::Listener), (listener, Precedence::Speaker)] {
            world.command(MediaCommand::SetPrecedence { track, precedence });
        }
        world.run(ms(4_000));
        for person in [dave, erin] {
            assert_eq!(layers(&world, person), [2, 0, 2], "{shards} shards");
            for track in tracks {
                proof::in_order(world.sink(person, track), ms(0));
            }
        }
    }
}

// The large layer has some 450 kbit/s, the middle one 170 and the small one 60.

#[test]
fn what_a_limited_subscriber_asks_for_does_not_begin_in_a_layer_that_does_not_fit() {
    let mut world = World::new(72);
    let alice = world.join("Alice");
    let carol = world.join("Carol");
    let limited: Vec<Person> = (0..40).map(|_| world.join("Bob")).collect();
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    for person in &limited {
        world.limit_downlink(*person, Some(120_000));
    }
    world.run(ms(2_000));
    // The key frames that she needs reach some of the others just after they have asked.
    world.subscribe(carol, track, up_to(2));
    for person in &limited {
        world.subscribe(*person, track, up_to(2));
        world.run(ms(2));
    }
    world.run(ms(2_000));
    for person in limited {
        assert_eq!(proof::layers(world.sink(person, track)), [0], "{person:?}");
    }
    assert_eq!(world.sink(carol, track).current_layer(), Some(2));
}

#[test]
fn a_layer_that_barely_fits_is_kept_and_is_not_begun_with() {
    let mut world = World::new(73);
    let [alice, bob, carol] = ["Alice", "Bob", "Carol"].map(|name| world.join(name));
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    world.subscribe(bob, track, up_to(2));
    world.run(ms(5_000));
    assert_eq!(world.sink(bob, track).current_layer(), Some(2));
    for person in [bob, carol] {
        world.limit_downlink(person, Some(475_000));
    }
    world.subscribe(carol, track, up_to(2));
    world.run(ms(10_000));
    assert_eq!(world.sink(bob, track).current_layer(), Some(2));
    assert_eq!(proof::layers(world.sink(carol, track)), [1]);
}
