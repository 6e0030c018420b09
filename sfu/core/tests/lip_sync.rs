//! Time as a receiver sees it: whatever layers are behind a picture, its timestamps keep the publisher's clock, and sender
//! reports bring it together with the sound.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::feedback::NTP_START_SECS;
use common::link::Link;
use common::scalable::Scalable;
use common::sink::{Frame, Sink};
use common::{HIDDEN, Person, World, ms, proof, up_to};
use hanse_sfu_core::command::{Codec, Want};
use hanse_sfu_core::ids::TrackId;
use std::time::Duration;

const SEEDS: [u64; 4] = [91, 92, 93, 0xd0e];

/// Alice shows her camera and speaks; Bob sees and hears her.
fn call(seed: u64, shards: u16, link: Link) -> (World, Person, Person, [TrackId; 2]) {
    let mut world = World::with_shards(seed, shards);
    world.link = link;
    let alice = world.join_on("Alice", 0);
    let bob = world.join_on("Bob", usize::from(shards) - 1);
    world.connect();
    let tracks = [Codec::Vp8, Codec::Opus].map(|codec| world.publish(alice, codec));
    for track in tracks {
        world.subscribe(bob, track, up_to(0));
    }
    (world, alice, bob, tracks)
}

/// When a frame was captured, in µs since the world began, as a player works it out from the latest sender report.
fn captured_us(sink: &Sink, frame: &Frame) -> Option<i64> {
    let (ntp, rtp) = sink.clock?;
    let reported = (u128::from(ntp - (NTP_START_SECS << 32)) * 1_000_000) >> 32;
    let since = i64::from(frame.timestamp.wrapping_sub(rtp).cast_signed());
    Some(reported as i64 + since * 1_000_000 / i64::from(sink.codec.clock_rate_hz()))
}

/// Frames that do not stand shortly behind a change of layer or a pause: what comes then may lie in the past of what was
/// shown, and hurries.
fn settled(sink: &Sink) -> impl Iterator<Item = &Frame> {
    let (mut layer, mut captured_us, mut until_us) = (0, 0, 0);
    sink.frames.iter().filter(move |frame| {
        let own = &frame.content;
        if own.layer != layer || own.captured_us > captured_us + 150_000 {
            until_us = own.captured_us + 400_000;
        }
        (layer, captured_us) = (own.layer, own.captured_us);
        captured_us >= until_us
    })
}

/// How far a player is off the publisher's clock with the latest frame, once it has settled.
fn off(sink: &Sink) -> Option<Duration> {
    let last = settled(sink).last()?;
    let captured = captured_us(sink, last)?;
    Some(Duration::from_micros(
        captured.abs_diff(last.content.captured_us as i64),
    ))
}

/// Runs, and looks at both clocks all the time.
fn watch(world: &mut World, bob: Person, tracks: [TrackId; 2], time: Duration, what: &str) {
    let end = world.now + time;
    while world.now < end {
        world.run(ms(40));
        for track in tracks {
            let off = off(world.sink(bob, track));
            assert!(
                off.is_none_or(|off| off < Duration::from_micros(200)),
                "{what}: {track:?} is off by {off:?}"
            );
        }
    }
}

/// How far timestamps are from capture time, in ticks.
fn distances(sink: &Sink) -> Vec<u32> {
    let ticks = |frame: &Frame| u128::from(frame.content.captured_us) * 9 / 100;
    settled(sink)
        .map(|frame| frame.timestamp.wrapping_sub(ticks(frame) as u32))
        .collect()
}

/// Layers up and down, out of sight and back.
const WALK: [Want; 8] = [
    up_to(2),
    up_to(0),
    up_to(1),
    HIDDEN,
    up_to(2),
    up_to(1),
    HIDDEN,
    up_to(0),
];

#[test]
fn sound_and_picture_stay_together_whatever_layers_follow_each_other() {
    for seed in SEEDS {
        for (shards, link) in [(1, Link::CLEAN), (2, Link::CLEAN), (1, Link::BAD), (2, Link::BAD)] {
            let what = format!("seed {seed}: {shards} shards, {link:?}");
            let (mut world, _, bob, tracks) = call(seed, shards, link);
            // Reports of all layers have come.
            world.run(ms(4_000));
            for want in WALK {
                world.want(bob, tracks[0], want);
                watch(&mut world, bob, tracks, ms(1_000), &what);
            }
            let sink = world.sink(bob, tracks[0]);
            let visited = proof::layers(sink);
            assert!(visited.len() > 5, "{what}: {visited:?}");
            proof::in_order(sink, ms(400));
        }
    }
}

#[test]
fn a_hundred_switches_over_a_bad_link_move_the_clock_by_nothing() {
    for seed in SEEDS {
        let (mut world, _, bob, [camera, _]) = call(seed, 1, Link::BAD);
        world.run(ms(4_000));
        for round in 0..100 {
            world.want(bob, camera, up_to([2, 0, 1, 0][round % 4]));
            world.run(ms(800));
        }
        let sink = world.sink(bob, camera);
        assert!(proof::layers(sink).len() > 60, "seed {seed}");
        let distances = distances(sink);
        let first = distances[0];
        let moved = distances
            .iter()
            .map(|own| own.wrapping_sub(first).cast_signed().abs());
        let moved = moved.max().unwrap();
        assert!(moved <= 3, "seed {seed}: {moved} ticks");
    }
}

#[test]
fn a_tile_that_comes_back_goes_on_by_the_clock_that_it_had_even_without_reports() {
    for in_stream in [false, true] {
        let mut world = World::new(94);
        world.link = Link::BAD;
        let (alice, bob) = (world.join("Alice"), world.join("Bob"));
        world.connect();
        let track = if in_stream {
            let scalable = Scalable {
                key_only: true,
                dependency: false,
            };
            world.publish_as(alice, Codec::Vp9, |source| source.in_one_stream(scalable))
        } else {
            world.publish(alice, Codec::Vp8)
        };
        world.source(alice, track).reports = false;
        world.subscribe(bob, track, up_to(2));
        world.run(ms(2_000));
        let clock = |world: &World| -> Vec<u32> {
            let sink = world.sink(bob, track);
            if !in_stream {
                return distances(sink);
            }
            let source = world.people[alice.0].source(track);
            let stamps = sink.scaled.values().filter(|packet| !packet.payload.is_empty());
            stamps
                .map(|packet| packet.timestamp.wrapping_sub(source.timestamp(0, 0)))
                .collect()
        };
        let before = clock(&world);
        for pause in [ms(100), ms(300), ms(5_000)] {
            world.want(bob, track, HIDDEN);
            world.run(pause);
            world.want(bob, track, up_to(2));
            world.run(ms(2_000));
        }
        let after = clock(&world);
        assert!(after.len() > before.len() + 30);
        if in_stream {
            // Its timestamps are the publisher's own.
            let now_us = (world.now - world.start).as_micros() as u64;
            let last = Duration::from_micros(u64::from(*after.last().unwrap()) * 100 / 9);
            let late = Duration::from_micros(now_us) - last;
            assert!(late < ms(120), "{late:?}");
        } else {
            assert!(after.iter().all(|own| own.abs_diff(before[0]) <= 3), "{after:?}");
        }
    }
}

#[test]
fn whoever_begins_to_watch_hears_at_once_what_the_clock_means() {
    for shards in [1, 2] {
        let (mut world, alice, bob, [camera, _]) = call(95, shards, Link::CLEAN);
        world.run(ms(4_321));
        let carol = world.join_on("Carol", usize::from(shards) - 1);
        world.connect();
        world.run(ms(1_500));
        // The usual round of reports may be nearly three seconds away.
        for delay in [0, 400, 800, 1_200, 1_600] {
            world.run(ms(delay));
            world.want(bob, camera, HIDDEN);
            let microphone = world.publish(alice, Codec::Opus);
            world.subscribe(carol, microphone, up_to(0));
            world.run(ms(1_500));
            let sink = world.sink(carol, microphone);
            let begun = sink.frames.first().unwrap().at;
            assert!(
                sink.clock.is_some(),
                "{shards}: {:?} after it began",
                world.now - begun
            );
        }
        world.subscribe(carol, camera, up_to(1));
        world.run_until(ms(1_000), "Carol sees Alice", |world| {
            !world.sink(carol, camera).frames.is_empty()
        });
        world.run(ms(20));
        assert!(world.sink(carol, camera).clock.is_some(), "{shards}");
    }
}

#[test]
fn a_clock_that_had_to_move_is_told_before_the_usual_report() {
    let (mut world, alice, bob, [camera, _]) = call(96, 1, Link::CLEAN);
    // Nobody knows yet how the layers' clocks lie to each other; the switch goes by arrival.
    world.source(alice, camera).reports = false;
    world.run(ms(3_500));
    world.want(bob, camera, up_to(2));
    world.run(ms(1_000));
    assert_eq!(world.sink(bob, camera).current_layer(), Some(2));
    assert_eq!(world.sink(bob, camera).clock, None);
    world.source(alice, camera).reports = true;
    world.run(ms(1_000 + 200 + 60));
    let off = off(world.sink(bob, camera)).expect("her first report has been passed on");
    assert!(off < ms(1), "{off:?}");
}

#[test]
fn two_reports_to_a_subscriber_never_say_two_things_of_one_moment() {
    let (mut world, alice, bob, [camera, _]) = call(97, 1, Link::CLEAN);
    world.run(ms(4_000));
    // Alice reports no more for a while; ours go on.
    world.source(alice, camera).reports = false;
    let mut clocks = Vec::new();
    for _ in 0..1_200 {
        world.run(ms(10));
        let clock = world.sink(bob, camera).clock.unwrap();
        if clocks.last() != Some(&clock) {
            clocks.push(clock);
        }
    }
    assert!(clocks.len() >= 4, "{clocks:?}");
    for pair in clocks.windows(2) {
        let ntp = Duration::from_secs_f64((pair[1].0 - pair[0].0) as f64 / 4_294_967_296.0);
        let rtp = Duration::from_secs_f64(f64::from(pair[1].1.wrapping_sub(pair[0].1)) / 90_000.0);
        assert!(
            ntp > ms(100) && ntp.abs_diff(rtp) < Duration::from_micros(30),
            "{ntp:?} {rtp:?}"
        );
    }
}
