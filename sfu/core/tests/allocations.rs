//! Once it is warm, the packet path allocates nothing, whatever the codec.

// With the tap, every packet is copied for the test that reads it.
#![cfg(not(feature = "debug-tap"))]
// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::scalable::Scalable;
use common::{Person, World, ms, up_to};
use hanse_sfu_core::command::{Codec, Want};
use hanse_sfu_core::ids::{Layer, TrackId};

const DEPENDENCY: u8 = 12;

/// What a track is sent as, and what its two subscribers want of it.
struct Show {
    codec: Codec,
    /// Several layers in one stream, or temporal ones in each.
    scalable: Option<(Scalable, bool)>,
    wants: [Want; 2],
}

/// Alice shows something to Bob and Carol.
fn call(show: &Show) -> (World, [Person; 2], TrackId) {
    let mut world = World::new(61);
    let alice = world.join("Alice");
    let audience = ["Bob", "Carol"].map(|name| world.join(name));
    if show.scalable.is_some_and(|(scalable, _)| scalable.dependency) {
        for person in [alice, audience[0], audience[1]] {
            world.client(person).extensions.dependency_descriptor = Some(DEPENDENCY);
        }
    }
    world.connect();
    let track = world.publish_as(alice, show.codec, |source| match show.scalable {
        Some((scalable, true)) => source.in_one_stream(scalable),
        scalable => source.scalable = scalable.map(|(scalable, _)| scalable),
    });
    for (person, want) in audience.into_iter().zip(show.wants) {
        world.subscribe(person, track, want);
    }
    (world, audience, track)
}

/// Lets the call warm up; then nothing may be allocated for two seconds, in which media must flow to both.
fn warm(world: &mut World, audience: [Person; 2], track: TrackId, what: &str) {
    world.run(ms(3_000));
    let heard = |world: &World| audience.map(|person| world.sink(person, track).packets);
    let before = heard(world);
    assert!(
        world.allocations > 0,
        "{what}: the counter counts what warming up takes"
    );
    world.allocations = 0;
    world.run(ms(2_000));
    assert_eq!(world.allocations, 0, "{what}");
    for (after, before) in heard(world).into_iter().zip(before) {
        assert!(after - before >= 10, "{what}: {before} and {after} packets");
    }
}

#[test]
fn pictures_of_every_codec_are_forwarded_without_an_allocation() {
    let all = Want {
        enabled: true,
        layer_max: Layer(2),
        temporal_max: u8::MAX,
    };
    let few = Want {
        temporal_max: 0,
        ..up_to(1)
    };
    let scalable = |key_only, dependency| Scalable { key_only, dependency };
    let shows = [
        (Codec::Vp8, None),
        (Codec::H264, None),
        (Codec::H265, None),
        (Codec::Vp9, Some((scalable(true, false), true))),
        (Codec::Vp9, Some((scalable(true, true), true))),
        (Codec::Av1, Some((scalable(false, true), true))),
        (Codec::Av1, Some((scalable(true, true), true))),
        (Codec::Av1, Some((scalable(true, true), false))),
    ];
    for (codec, scalable) in shows {
        let show = Show {
            codec,
            scalable,
            wants: [all, few],
        };
        let (mut world, audience, track) = call(&show);
        warm(&mut world, audience, track, &format!("{codec:?} {scalable:?}"));
    }
}

#[test]
fn pictures_are_numbered_and_counted_without_an_allocation() {
    let mut world = World::new(63);
    let alice = world.join("Alice");
    world.link = common::link::Link::of_kbps(400);
    let audience = ["Bob", "Carol"].map(|name| world.join(name));
    for person in audience {
        world.client(person).tells = true;
    }
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    for person in audience {
        world.subscribe(person, track, up_to(2));
    }
    // The large layer does not fit: probes go out now and then.
    warm(&mut world, audience, track, "numbered");
    assert!(
        audience
            .iter()
            .all(|person| world.client(*person).numbered.is_some())
    );
    assert!(world.counters().packets_probed > 0);
}

#[test]
fn what_waits_for_room_and_what_is_given_up_allocates_nothing() {
    let mut world = World::new(64);
    let alice = world.join("Alice");
    world.link = common::link::Link::of_kbps(300);
    let audience = ["Bob", "Carol"].map(|name| world.join(name));
    for person in audience {
        world.client(person).tells = true;
    }
    world.connect();
    // Not even the small layer fits.
    let track = world.publish_as(alice, Codec::Vp8, |source| {
        source.sizes = [(3, 900), (6, 900), (9, 900)];
    });
    for person in audience {
        world.subscribe(person, track, up_to(2));
    }
    world.run(ms(10_000));
    let largest = world.source(alice, track).sizes;
    warm(&mut world, audience, track, "waiting");
    let before = world.counters();
    // More than ever waits, is given up, and is asked for again.
    world.source(alice, track).sizes = [(40, 900), (40, 900), (40, 900)];
    world.source(alice, track).streams[0].key_wanted = true;
    world.run(ms(200));
    world.source(alice, track).sizes = largest;
    for _ in 0..10 {
        for person in audience {
            let highest = world.sink(person, track).highest.unwrap() as u16;
            let numbers: Vec<u16> = (0..100).map(|age| highest.wrapping_sub(age)).collect();
            world.client(person).ask_again(track, &numbers);
            world.collect(person);
        }
        world.run(ms(500));
    }
    assert_eq!(world.allocations, 0);
    let after = world.counters();
    let given_up = after.packets_given_up - before.packets_given_up;
    let gone = after.packets_waited - before.packets_waited - given_up;
    let repaired = after.packets_repaired - before.packets_repaired;
    assert!(
        given_up >= 40 && gone >= 40 && repaired >= 20,
        "{given_up} given up, {gone} gone, {repaired} repaired"
    );
}

#[test]
fn sound_is_forwarded_and_converted_without_an_allocation() {
    for own in [Codec::Opus, Codec::Red] {
        let mut world = World::new(62);
        let alice = world.join("Alice");
        let audience = ["Bob", "Carol"].map(|name| world.join(name));
        world.connect();
        let track = world.publish(alice, own);
        world.subscribe_as(audience[0], track, Codec::Opus);
        world.subscribe_as(audience[1], track, Codec::Red);
        warm(&mut world, audience, track, &format!("{own:?}"));
    }
}

#[test]
fn packets_that_come_late_or_again_are_forwarded_without_an_allocation() {
    let show = Show {
        codec: Codec::Av1,
        scalable: Some((
            Scalable {
                key_only: true,
                dependency: true,
            },
            true,
        )),
        wants: [up_to(2), up_to(0)],
    };
    let (mut world, audience, track) = call(&show);
    for client in &mut world.people {
        client.up.link = common::link::Link::BAD;
        client.down.link = common::link::Link::BAD;
    }
    // Lists have found their size when the longest burst has passed.
    world.run(ms(8_000));
    warm(&mut world, audience, track, "late packets");
}
