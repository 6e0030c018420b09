//! What a subscriber gets of each codec: whole frames that decode, in the layers that it wants, and nothing else.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::content::Content;
use common::link::Link;
use common::{Person, World, ms, proof, up_to};
use hanse_sfu_core::command::{Codec, MediaEvent, Want};
use hanse_sfu_core::ids::TrackId;
use std::time::Duration;

const SEEDS: [u64; 3] = [41, 42, 0xbee];

/// All layers, and temporal layers up to this one.
const fn temporal(temporal_max: u8) -> Want {
    Want {
        temporal_max,
        ..up_to(2)
    }
}

/// Alice shows her camera to Bob and Carol.
fn call(seed: u64, codec: Codec, wants: [Want; 2]) -> (World, Person, [Person; 2], TrackId) {
    let mut world = World::new(seed);
    let alice = world.join("Alice");
    let audience = ["Bob", "Carol"].map(|name| world.join(name));
    world.connect();
    let track = world.publish(alice, codec);
    for (person, want) in audience.into_iter().zip(wants) {
        world.subscribe(person, track, want);
    }
    (world, alice, audience, track)
}

#[test]
fn h264_and_h265_switch_between_layers_at_key_frames_and_who_stays_does_not_notice() {
    for seed in SEEDS {
        for codec in [Codec::H264, Codec::H265] {
            let (mut world, _, [bob, carol], track) = call(seed, codec, [up_to(0), up_to(2)]);
            world.run(ms(2_000));
            for layer in [2, 1, 0] {
                world.want(bob, track, up_to(layer));
                world.run(ms(1_500));
            }
            assert_eq!(proof::layers(world.sink(bob, track)), [0, 2, 1, 0], "seed {seed}");
            // Carol may be shown a smaller layer until the large one has begun.
            assert_eq!(proof::layers(world.sink(carol, track)).last(), Some(&2));
            for person in [bob, carol] {
                let sink = world.sink(person, track);
                proof::in_order(sink, Duration::ZERO);
                assert_eq!(proof::completeness(&world, sink), 1.0, "seed {seed}: {codec:?}");
                assert_eq!((sink.given_up, sink.broken_frames), (0, 0));
            }
            proof::only_what_is_theirs(&world);
        }
    }
}

#[test]
fn h264_and_h265_come_through_bad_links() {
    for seed in SEEDS {
        for codec in [Codec::H264, Codec::H265] {
            let (mut world, alice, [bob, carol], track) = call(seed, codec, [up_to(2), up_to(1)]);
            for person in [alice, bob, carol] {
                world.client(person).up.link = Link::BAD;
                world.client(person).down.link = Link::BAD;
            }
            world.run(ms(6_000));
            for (person, layer) in [(bob, 2), (carol, 1)] {
                let sink = world.sink(person, track);
                assert_eq!(sink.current_layer(), Some(layer), "seed {seed}: {codec:?}");
                proof::in_order(sink, ms(400));
                assert!(proof::completeness(&world, sink) > 0.8, "seed {seed}: {codec:?}");
            }
            proof::only_what_is_theirs(&world);
        }
    }
}

#[test]
fn telephone_sound_is_heard_whole() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let (mut world, _, audience, track) = call(43, codec, [up_to(0), up_to(0)]);
        world.run(ms(3_000));
        for person in audience {
            let sink = world.sink(person, track);
            assert!(sink.frames.len() > 100, "{codec:?}: {}", sink.frames.len());
            proof::in_order(sink, Duration::ZERO);
            assert_eq!(proof::completeness(&world, sink), 1.0);
        }
    }
}

#[test]
fn sound_reaches_everyone_in_the_form_that_they_asked_for() {
    for (seed, own) in [(44, Codec::Opus), (45, Codec::Red)] {
        let mut world = World::new(seed);
        let alice = world.join("Alice");
        let [bob, carol] = ["Bob", "Carol"].map(|name| world.join(name));
        world.connect();
        let track = world.publish(alice, own);
        world.subscribe_as(bob, track, Codec::Opus);
        world.subscribe_as(carol, track, Codec::Red);
        world.run(ms(3_000));
        for person in [bob, carol] {
            let sink = world.sink(person, track);
            assert!(sink.frames.len() > 100, "{own:?}: {}", sink.frames.len());
            proof::in_order(sink, Duration::ZERO);
            assert_eq!(proof::completeness(&world, sink), 1.0);
        }
        assert!(world.sink(bob, track).copies.is_empty());
        let copies = &world.sink(carol, track).copies;
        if own == Codec::Red {
            assert!(
                copies
                    .iter()
                    .all(|(offset, copy)| (*offset, &copy[..]) == (960, b"old")),
                "as they came"
            );
            continue;
        }
        // 40 and 20 ms before each packet, the first ones excepted.
        let frames = &world.sink(carol, track).frames;
        assert!(
            copies.len() >= 2 * frames.len() - 3,
            "{} for {}",
            copies.len(),
            frames.len()
        );
        for (offset, copy) in copies {
            let copy = Content::read(copy).expect("a copy is untouched");
            assert_eq!(copy.track, track);
            let with = copy.frame + offset / 960;
            assert!([960, 1_920].contains(offset) && with > copy.frame);
        }
        let latest: Vec<u32> = copies
            .iter()
            .rev()
            .take(2)
            .map(|(_, copy)| Content::read(copy).unwrap().frame)
            .collect();
        assert_eq!(latest[1] + 1, latest[0], "the oldest stands first");
        proof::only_what_is_theirs(&world);
    }
}

#[test]
fn copies_skip_what_has_not_arrived_and_sound_in_another_codec_is_not_sent() {
    let mut world = World::new(46);
    let alice = world.join("Alice");
    let [bob, carol] = ["Bob", "Carol"].map(|name| world.join(name));
    world.connect();
    let track = world.publish(alice, Codec::Opus);
    world.subscribe_as(bob, track, Codec::Red);
    world.subscribe_as(carol, track, Codec::Pcmu);
    world.client(alice).up.link = Link {
        loss: 0.2,
        ..Link::CLEAN
    };
    world.run(ms(4_000));
    let copies = &world.sink(bob, track).copies;
    assert!(copies.len() > 100);
    for (offset, copy) in copies {
        assert!(Content::read(copy).is_some() && [960, 1_920].contains(offset));
    }
    assert_eq!(world.sink(carol, track).packets, 0);
}

/// Frames of the upper temporal layer; the source sends every second picture in it, and says at every fourth of them
/// that one may climb there.
fn upper(world: &World, person: Person, track: TrackId) -> Vec<u32> {
    let frames = world.sink(person, track).frames.iter();
    let upper = frames.filter(|frame| frame.descriptor.unwrap().tid == Some(1));
    upper.map(|frame| frame.content.frame).collect()
}

#[test]
fn who_wants_fewer_pictures_gets_the_base_layer_without_a_gap_and_others_get_all() {
    for seed in SEEDS {
        let (mut world, alice, [bob, carol], track) =
            call(seed, Codec::Vp8, [temporal(0), temporal(u8::MAX)]);
        world.run(ms(4_000));
        let base = world.sink(bob, track);
        assert_eq!(upper(&world, bob, track), [0; 0]);
        assert!(base.frames.len() > 30 && base.frames.iter().all(|frame| frame.decodable));
        // Every number follows the one before, of packets and of pictures.
        proof::in_order(base, Duration::ZERO);
        let gaps = base
            .frames
            .windows(2)
            .filter(|pair| pair[1].sequences.0 != pair[0].sequences.1 + 1);
        assert_eq!(gaps.count(), 0);
        assert_eq!((base.given_up, base.repaired), (0, 0), "nothing seems lost");
        assert_eq!(proof::completeness(&world, world.sink(carol, track)), 1.0);

        let begin = world.source(alice, track).streams[2]
            .sent
            .keys()
            .last()
            .copied()
            .unwrap();
        let asked = world.source(alice, track).streams[2].asked_us.len();
        world.want(bob, track, temporal(1));
        world.run(ms(2_000));
        let climbed = upper(&world, bob, track);
        assert!(
            climbed[0] >= begin && climbed[0] % 8 == 1,
            "up at a picture that allows it: {climbed:?}"
        );
        assert!(
            climbed.windows(2).all(|pair| pair[1] == pair[0] + 2),
            "and all of them from there"
        );
        assert_eq!(
            world.source(alice, track).streams[2].asked_us.len(),
            asked,
            "no key frame is needed"
        );
        world.want(bob, track, temporal(0));
        world.run(ms(2_000));
        assert!(
            upper(&world, bob, track).len() <= climbed.len() + 1,
            "down at once"
        );
        proof::in_order(world.sink(bob, track), Duration::ZERO);
        assert_eq!(proof::completeness(&world, world.sink(carol, track)), 1.0);
    }
}

#[test]
fn who_cannot_be_sent_all_pictures_of_the_smallest_layer_gets_fewer_of_them_before_it_pauses() {
    for seed in SEEDS {
        let mut world = World::new(seed);
        let [alice, bob, carol, dave] = ["Alice", "Bob", "Carol", "Dave"].map(|name| world.join(name));
        world.client(bob).may_pause = true;
        world.connect();
        let track = world.publish(alice, Codec::Vp8);
        for person in [bob, carol, dave] {
            world.subscribe(person, track, up_to(2));
        }
        let paused = |world: &World| {
            world.heard(|event| matches!(event, MediaEvent::StreamState { is_paused: true, .. }))
        };
        let limit = |world: &mut World, bps| {
            for person in [bob, carol] {
                world.limit_downlink(person, Some(bps));
            }
            world.run(ms(1_500));
        };
        // Pictures that go out in two seconds from now, of both temporal layers and of the upper one.
        let pictures = |world: &mut World| {
            let count = |world: &World| {
                [bob, carol].map(|person| {
                    let frames = world.sink(person, track).frames.len();
                    (frames, upper(world, person, track).len())
                })
            };
            let before = count(world);
            world.run(ms(2_000));
            let mut of = count(world).into_iter().zip(before);
            [(); 2].map(|()| {
                of.next()
                    .map(|(now, was)| (now.0 - was.0, now.1 - was.1))
                    .unwrap()
            })
        };
        world.run(ms(3_000));
        // The smallest layer has some 50 kbit/s, half of it in the base layer.
        limit(&mut world, 40_000);
        for (all, upper) in pictures(&mut world) {
            assert!(
                (19..=21).contains(&all) && upper == 0,
                "seed {seed}: {all} {upper}"
            );
        }
        let asked = world.source(alice, track).streams[0].asked_us.len();
        limit(&mut world, 80_000);
        for (all, upper) in pictures(&mut world) {
            assert!(
                (39..=41).contains(&all) && upper > 18,
                "seed {seed}: {all} {upper}"
            );
        }
        limit(&mut world, 40_000);
        assert_eq!(
            pictures(&mut world).map(|(_, upper)| upper),
            [0, 0],
            "seed {seed}"
        );
        assert_eq!(
            (
                paused(&world),
                world.source(alice, track).streams[0].asked_us.len()
            ),
            (0, asked),
            "neither pauses nor key frames"
        );
        limit(&mut world, 15_000);
        let [bobs, carols] = pictures(&mut world);
        assert_eq!((bobs, paused(&world)), ((0, 0), 1), "seed {seed}");
        assert!(
            (19..=21).contains(&carols.0) && carols.1 == 0,
            "she has not agreed to a pause, and gets no more than has to be: {carols:?}"
        );
        assert_eq!(
            world.sink(dave, track).current_layer(),
            Some(2),
            "his link carries all"
        );
        for person in [bob, carol, dave] {
            proof::in_order(world.sink(person, track), Duration::ZERO);
        }
        assert_eq!(proof::completeness(&world, world.sink(dave, track)), 1.0);
    }
}

#[test]
fn fewer_pictures_come_through_bad_links_and_late_packets_leave_no_hole() {
    for seed in SEEDS {
        let (mut world, alice, [bob, _], track) = call(seed, Codec::Vp8, [temporal(0), temporal(u8::MAX)]);
        world.run(ms(2_000));
        world.client(alice).up.link = Link::BAD;
        world.run(ms(8_000));
        world.client(alice).up.link = Link::CLEAN;
        world.run(ms(1_500));
        let sink = world.sink(bob, track);
        proof::in_order(sink, Duration::ZERO);
        let shown = sink.frames.len();
        assert!(
            (90..150).contains(&shown),
            "half of 230 pictures, and a few that were late: {shown}"
        );
        assert!(sink.given_up <= 3, "seed {seed}: {}", sink.given_up);
        proof::only_what_is_theirs(&world);
    }
}
