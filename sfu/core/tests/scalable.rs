//! What a subscriber gets of VP9 and AV1: every picture it is shown can be decoded and is of the layers that it wants.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::link::Link;
use common::scalable::{Picture, Scalable, pictures};
use common::{Person, World, ms, up_to};
use hanse_sfu_core::command::{Codec, Want};
use hanse_sfu_core::ids::{Layer, TrackId};

const SEEDS: [u64; 3] = [51, 52, 0xace];

const DEPENDENCY: u8 = 12;

const fn want(spatial: u8, temporal_max: u8) -> Want {
    Want {
        enabled: true,
        layer_max: Layer(spatial),
        temporal_max,
    }
}

/// The ways in which a stream may be scalable.
const STREAMS: [(Codec, Scalable); 5] = [
    (Codec::Av1, stream(false, true)),
    (Codec::Av1, stream(true, true)),
    (Codec::Vp9, stream(true, true)),
    (Codec::Vp9, stream(false, false)),
    (Codec::Vp9, stream(true, false)),
];

const fn stream(key_only: bool, dependency: bool) -> Scalable {
    Scalable { key_only, dependency }
}

/// Alice shows her camera to Bob and Carol.
fn call(
    seed: u64,
    codec: Codec,
    scalable: Scalable,
    in_stream: bool,
    wants: [Want; 2],
) -> (World, Person, [Person; 2], TrackId) {
    let mut world = World::new(seed);
    let alice = world.join("Alice");
    let audience = ["Bob", "Carol"].map(|name| world.join(name));
    for person in [alice, audience[0], audience[1]] {
        world.client(person).extensions.dependency_descriptor = scalable.dependency.then_some(DEPENDENCY);
    }
    world.connect();
    let track = world.publish_as(alice, codec, |source| {
        if in_stream {
            source.in_one_stream(scalable);
        } else {
            source.scalable = Some(scalable);
        }
    });
    for (person, want) in audience.into_iter().zip(wants) {
        world.subscribe(person, track, want);
    }
    (world, alice, audience, track)
}

fn shown(world: &World, alice: Person, person: Person, track: TrackId) -> Vec<Picture> {
    pictures(
        world.people[person.0].sink(track),
        world.people[alice.0].source(track),
    )
}

/// Targets of the test's structure that someone with these layers can decode.
fn mask(spatial: u8, temporal: u8) -> u32 {
    let targets = (0..3u8).flat_map(|own| (0..3u8).map(move |other| (own, other)));
    let within = targets
        .enumerate()
        .filter(|(_, (own, other))| *own <= spatial && *other <= temporal);
    within.map(|(place, _)| 1 << place).sum()
}

#[test]
fn a_downlink_that_does_not_carry_the_smallest_layer_gets_fewer_of_its_pictures() {
    for (codec, scalable) in STREAMS {
        for in_stream in [true, false] {
            let what = format!("{codec:?} {scalable:?} in one stream: {in_stream}");
            let (mut world, alice, [bob, carol], track) = call(
                54,
                codec,
                scalable,
                in_stream,
                [want(2, u8::MAX), want(2, u8::MAX)],
            );
            world.run(ms(3_000));
            // The smallest layer has some 50 kbit/s, half of it in every second picture.
            world.limit_downlink(bob, Some(40_000));
            world.run(ms(2_000));
            let before = [bob, carol].map(|person| shown(&world, alice, person, track).len());
            world.run(ms(3_000));
            let [bobs, carols] = [bob, carol].map(|person| shown(&world, alice, person, track));
            let bobs = &bobs[before[0]..];
            assert!(
                bobs.iter()
                    .all(|picture| picture.top == 0 && picture.temporal <= 1),
                "{what}: {bobs:?}"
            );
            assert!(
                (28..=32).contains(&bobs.len()) && bobs.iter().any(|picture| picture.temporal == 1),
                "every second one: {what}: {}",
                bobs.len()
            );
            let carols = &carols[before[1]..];
            assert!(
                carols.len() > 57 && carols.iter().all(|picture| picture.top == 2),
                "{what}"
            );
            world.limit_downlink(bob, Some(90_000));
            world.run(ms(3_000));
            let bobs = shown(&world, alice, bob, track);
            let last = &bobs[bobs.len() - 20..];
            assert!(
                last.windows(2).all(|pair| pair[1].frame == pair[0].frame + 1),
                "all of them again: {what}: {last:?}"
            );
        }
    }
}

#[test]
fn everyone_gets_the_layers_they_want_of_one_stream_and_nothing_else() {
    for seed in SEEDS {
        for (codec, scalable) in STREAMS {
            let what = format!("seed {seed}: {codec:?} {scalable:?}");
            let (mut world, alice, [bob, carol], track) =
                call(seed, codec, scalable, true, [want(0, 1), want(2, u8::MAX)]);
            world.run(ms(3_000));
            let bobs = shown(&world, alice, bob, track);
            let carols = shown(&world, alice, carol, track);
            assert!(bobs[0].key && carols[0].key, "{what}");
            assert!(
                bobs.iter()
                    .all(|picture| picture.top == 0 && picture.temporal <= 1),
                "{what}"
            );
            assert!(
                (20..35).contains(&bobs.len()),
                "half of the pictures: {what}: {}",
                bobs.len()
            );
            assert!(bobs.iter().any(|picture| picture.temporal == 1), "{what}");
            let last = carols.last().unwrap();
            assert!(
                last.top == 2 && carols.iter().any(|picture| picture.temporal == 2),
                "{what}"
            );
            assert!(
                carols.windows(2).all(|pair| pair[1].frame == pair[0].frame + 1),
                "every picture: {what}"
            );
            if scalable.dependency {
                assert_eq!(
                    (bobs.last().unwrap().active, last.active),
                    (Some(mask(0, 1)), Some(0x1ff)),
                    "{what}"
                );
            }
            for person in [bob, carol] {
                let sink = world.sink(person, track);
                assert_eq!(
                    (sink.repaired, sink.duplicates),
                    (0, 0),
                    "nothing seems lost: {what}"
                );
            }
        }
    }
}

#[test]
fn wishes_change_and_every_picture_can_still_be_decoded() {
    for seed in SEEDS {
        for (codec, scalable) in STREAMS {
            let what = format!("seed {seed}: {codec:?} {scalable:?}");
            let (mut world, alice, [bob, carol], track) =
                call(seed, codec, scalable, true, [want(0, 0), want(2, u8::MAX)]);
            world.run(ms(2_000));
            for (spatial, temporal) in [(2, 0), (2, 2), (1, 2), (0, 2), (1, 0), (2, 1), (0, 0)] {
                world.want(bob, track, want(spatial, temporal));
                world.run(ms(1_500));
                let last = shown(&world, alice, bob, track);
                // Five pictures a second of the base layer.
                let last: Vec<_> = last.iter().rev().take(5).collect();
                assert!(
                    last.iter().all(|picture| picture.top == spatial),
                    "{what}: {spatial} {temporal}: {last:?}"
                );
                let highest = last.iter().map(|picture| picture.temporal).max();
                assert_eq!(highest, Some(temporal), "{what}: {spatial} {temporal}: {last:?}");
                if scalable.dependency {
                    assert_eq!(last[0].active, Some(mask(spatial, temporal)), "{what}");
                }
            }
            let carols = shown(&world, alice, carol, track);
            assert!(
                carols.windows(2).all(|pair| pair[1].frame == pair[0].frame + 1),
                "Carol gets every picture: {what}"
            );
            assert!(carols.iter().skip(5).all(|picture| picture.top == 2), "{what}");
        }
    }
}

#[test]
fn only_a_step_up_in_space_asks_for_a_key_frame() {
    let (mut world, alice, [bob, _], track) = call(
        53,
        Codec::Av1,
        stream(false, true),
        true,
        [want(2, 2), want(2, u8::MAX)],
    );
    world.run(ms(2_000));
    let asked = |world: &mut World| world.source(alice, track).streams[0].asked_us.len();
    let before = asked(&mut world);
    for (spatial, temporal) in [(2, 0), (2, 2), (1, 2), (0, 0), (0, 1)] {
        world.want(bob, track, want(spatial, temporal));
        world.run(ms(1_000));
    }
    assert_eq!(asked(&mut world), before);
    world.want(bob, track, want(1, 1));
    world.run(ms(1_000));
    assert_eq!(asked(&mut world), before + 1);
}

#[test]
fn streams_of_one_layer_each_are_told_apart_by_rid_and_all_numbers_run_on() {
    for seed in SEEDS {
        for (codec, dependency) in [(Codec::Av1, true), (Codec::Vp9, true), (Codec::Vp9, false)] {
            let what = format!("seed {seed}: {codec:?} {dependency}");
            let (mut world, alice, [bob, carol], track) = call(
                seed,
                codec,
                stream(true, dependency),
                false,
                [want(0, u8::MAX), want(2, 0)],
            );
            world.run(ms(2_000));
            let mut expected = vec![0];
            for layer in [2, 1, 0] {
                world.want(bob, track, up_to(layer));
                world.run(ms(1_500));
                expected.push(layer);
            }
            let bobs = shown(&world, alice, bob, track);
            let mut layers: Vec<u8> = bobs.iter().map(|picture| picture.top).collect();
            layers.dedup();
            assert_eq!(layers, expected, "{what}");
            assert!(
                bobs.windows(2)
                    .all(|pair| pair[0].top == pair[1].top || pair[1].key),
                "{what}"
            );
            if codec == Codec::Vp9 && !dependency {
                let ids: Vec<u16> = bobs.iter().map(|picture| picture.numbers.unwrap().0).collect();
                assert!(
                    ids.windows(2).all(|pair| pair[1] == (pair[0] + 1) & 0x7fff),
                    "{what}: {ids:?}"
                );
            }
            let carols = shown(&world, alice, carol, track);
            assert!(
                carols.len() > 10 && carols.iter().all(|picture| picture.temporal == 0),
                "{what}"
            );
        }
    }
}

#[test]
fn what_is_lost_or_late_on_either_side_is_repaired_and_every_picture_can_be_decoded() {
    const LOSSY: Link = Link {
        loss: 0.03,
        ..Link::BAD
    };
    for seed in SEEDS {
        for (codec, scalable) in STREAMS {
            let what = format!("seed {seed}: {codec:?} {scalable:?}");
            let (mut world, alice, [bob, carol], track) =
                call(seed, codec, scalable, true, [want(0, 1), want(2, 2)]);
            world.run(ms(1_000));
            world.client(alice).up.link = LOSSY;
            world.client(carol).down.link = LOSSY;
            world.run(ms(4_000));
            world.client(alice).up.link = Link::CLEAN;
            world.client(carol).down.link = Link::CLEAN;
            world.run(ms(2_000));
            let bobs = shown(&world, alice, bob, track);
            let carols = shown(&world, alice, carol, track);
            assert!(
                bobs.iter()
                    .all(|picture| picture.top == 0 && picture.temporal <= 1),
                "{what}"
            );
            assert!(carols.len() > 100, "{what}: {}", carols.len());
            assert!(world.sink(carol, track).repaired > 0, "{what}");
        }
    }
}

#[test]
fn what_overtakes_the_structure_by_which_it_is_read_waits_for_it() {
    for (codec, scalable) in STREAMS {
        let (mut world, alice, [bob, carol], track) =
            call(55, codec, scalable, true, [want(0, 2), want(2, 2)]);
        world.run(ms(2_000));
        // From here on by hand: the first packet of a key picture comes last.
        world.source(alice, track).muted = true;
        world.run(ms(100));
        world.source(alice, track).streams[0].key_wanted = true;
        let packets = world.capture(alice, track);
        let frame = *world.source(alice, track).streams[0].sent.keys().last().unwrap();
        for packet in packets.values().skip(1).chain(packets.values().take(1)) {
            world.hand_in(alice, packet.clone());
        }
        // A picture to tell where the key picture ends.
        world.run(ms(100));
        for packet in world.capture(alice, track).into_values() {
            world.hand_in(alice, packet);
        }
        world.run(ms(100));
        for (person, top) in [(bob, 0), (carol, 2)] {
            let shown = shown(&world, alice, person, track);
            let last = shown.last().unwrap();
            assert!(
                (last.frame, last.key, last.top) == (frame, true, top),
                "{codec:?} {scalable:?}: {last:?}"
            );
        }
    }
}

#[test]
fn layers_are_chosen_on_another_shard_too() {
    for (codec, scalable) in STREAMS {
        let mut world = World::with_shards(56, 2);
        let alice = world.join_on("Alice", 0);
        let [bob, carol] = ["Bob", "Carol"].map(|name| world.join_on(name, 1));
        for person in [alice, bob, carol] {
            world.client(person).extensions.dependency_descriptor = scalable.dependency.then_some(DEPENDENCY);
        }
        world.connect();
        let track = world.publish_as(alice, codec, |source| source.in_one_stream(scalable));
        for (person, want) in [(bob, want(0, 1)), (carol, want(2, 2))] {
            world.subscribe(person, track, want);
        }
        world.client(alice).up.link = Link::BAD;
        world.run(ms(4_000));
        world.client(alice).up.link = Link::CLEAN;
        world.run(ms(2_000));
        let what = format!("{codec:?} {scalable:?}");
        let bobs = shown(&world, alice, bob, track);
        assert!(bobs.len() > 30, "{what}: {}", bobs.len());
        assert!(
            bobs.iter()
                .all(|picture| picture.top == 0 && picture.temporal <= 1),
            "{what}"
        );
        let carols = shown(&world, alice, carol, track);
        assert!(
            carols.len() > 60 && carols.last().unwrap().top == 2,
            "{what}: {}",
            carols.len()
        );
    }
}

#[test]
fn a_hidden_tile_gets_nothing_and_comes_back_with_a_key_picture() {
    for (codec, scalable) in STREAMS {
        let (mut world, alice, [bob, _], track) = call(54, codec, scalable, true, [want(1, 2), want(2, 2)]);
        world.run(ms(1_500));
        world.want(bob, track, common::HIDDEN);
        world.run(ms(100));
        let before = world.sink(bob, track).scaled.len();
        world.run(ms(1_000));
        assert_eq!(world.sink(bob, track).scaled.len(), before);
        let hidden = world.source(alice, track).streams[0]
            .sent
            .keys()
            .last()
            .copied()
            .unwrap();
        world.want(bob, track, want(1, 2));
        world.run(ms(1_000));
        let shown = shown(&world, alice, bob, track);
        let first = shown.iter().find(|picture| picture.frame >= hidden).unwrap();
        assert!(first.key && first.top == 1, "{codec:?}: {first:?}");
    }
}
