//! Which layer of a picture a subscriber gets, and how it changes.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::link::Link;
use common::{HIDDEN, Person, World, ms, proof, up_to};
use hanse_sfu_core::command::{Codec, MediaEvent, Want};
use hanse_sfu_core::ids::TrackId;
use std::time::Duration;

/// Each of them stays for good once it has shown something.
const SEEDS: [u64; 4] = [11, 12, 13, 0xfeed];

/// Alice shows her camera to Bob.
fn camera(seed: u64, link: Link, want: Want) -> (World, Person, Person, TrackId) {
    let mut world = World::new(seed);
    world.link = link;
    let (alice, bob) = (world.join("Alice"), world.join("Bob"));
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    world.subscribe(bob, track, want);
    (world, alice, bob, track)
}

/// Up, down a step, up again, down to the bottom.
fn walk(world: &mut World, bob: Person, track: TrackId) {
    for layer in [0, 2, 1, 2, 0] {
        world.want(bob, track, up_to(layer));
        world.run(ms(1_500));
    }
}

#[test]
fn a_switch_up_or_down_begins_with_a_key_frame_and_all_numbers_run_on() {
    for seed in SEEDS {
        for reports in [true, false] {
            let (mut world, alice, bob, track) = camera(seed, Link::CLEAN, up_to(0));
            world.source(alice, track).reports = reports;
            walk(&mut world, bob, track);
            let sink = world.sink(bob, track);
            assert_eq!(
                proof::layers(sink),
                [0, 2, 1, 2, 0],
                "seed {seed}, reports {reports}"
            );
            proof::in_order(sink, Duration::ZERO);
            assert_eq!(
                proof::completeness(&world, sink),
                1.0,
                "seed {seed}, reports {reports}"
            );
            proof::only_what_is_theirs(&world);
        }
    }
}

#[test]
fn a_switch_runs_on_over_bad_links_too() {
    for seed in SEEDS {
        for reports in [true, false] {
            let (mut world, alice, bob, track) = camera(seed, Link::BAD, up_to(0));
            world.source(alice, track).reports = reports;
            walk(&mut world, bob, track);
            let sink = world.sink(bob, track);
            let visited = proof::layers(sink);
            assert!(
                visited.iter().filter(|layer| **layer == 2).count() == 2,
                "seed {seed}: {visited:?}"
            );
            assert_eq!(sink.current_layer(), Some(0), "seed {seed}");
            proof::in_order(sink, ms(400));
            proof::only_what_is_theirs(&world);
        }
    }
}

#[test]
fn with_sender_reports_a_switch_keeps_the_publishers_clock_and_without_them_that_of_arrival() {
    for (reports, late) in [(true, Duration::ZERO), (false, ms(300))] {
        let (mut world, alice, bob, track) = camera(14, Link::CLEAN, up_to(0));
        world.source(alice, track).reports = reports;
        world.run(ms(3_000));
        // From here on by hand: one more frame of the small layer, and 50 ms later a key frame of the large one that
        // takes 300 ms longer.
        world.source(alice, track).muted = true;
        world.run(ms(100));
        world.want(bob, track, up_to(2));
        let small = world.capture(alice, track);
        world.hand_in(alice, small[&(0, 0)].clone());
        world.run(ms(50));
        world.source(alice, track).streams[2].key_wanted = true;
        let large = world.capture(alice, track);
        world.run(ms(300));
        (0..6).for_each(|place| world.hand_in(alice, large[&(2, place)].clone()));
        world.run(ms(100));
        let frames = &world.sink(bob, track).frames;
        assert_eq!(proof::layers(world.sink(bob, track)), [0, 2]);
        let (first, last) = (frames.first().unwrap(), frames.last().unwrap());
        let shown =
            Duration::from_micros(u64::from(last.timestamp.wrapping_sub(first.timestamp)) * 1_000 / 90);
        let captured = Duration::from_micros(last.content.captured_us - first.content.captured_us);
        let moved = shown.abs_diff(captured + late);
        assert!(
            moved < ms(1),
            "reports {reports}: {shown:?} instead of {captured:?} + {late:?}"
        );
    }
}

#[test]
fn a_late_packet_of_the_old_layer_goes_nowhere_after_the_switch() {
    let (mut world, alice, bob, track) = camera(15, Link::CLEAN, up_to(2));
    world.source(alice, track).muted = true;
    world.run(ms(100));
    let mut first = world.capture(alice, track);
    let forwarded = |world: &mut World, datagram: Vec<u8>| {
        let before = world.counters().packets_forwarded;
        world.hand_in(alice, datagram);
        world.counters().packets_forwarded - before
    };
    // Layer 1 comes first, whole; then half of its next frame, then layer 2's key frame.
    for place in 0..4 {
        assert_eq!(forwarded(&mut world, first.remove(&(1, place)).unwrap()), 1);
    }
    world.run(ms(50));
    let mut second = world.capture(alice, track);
    assert_eq!(forwarded(&mut world, second.remove(&(1, 0)).unwrap()), 1);
    for place in 0..6 {
        assert_eq!(forwarded(&mut world, first.remove(&(2, place)).unwrap()), 1);
    }
    assert_eq!(
        forwarded(&mut world, second.remove(&(1, 1)).unwrap()),
        0,
        "the rest of layer 1"
    );
    assert_eq!(
        forwarded(&mut world, first.remove(&(0, 0)).unwrap()),
        0,
        "a smaller key frame"
    );
    for place in 0..3 {
        assert_eq!(forwarded(&mut world, second.remove(&(2, place)).unwrap()), 1);
    }
    world.run(ms(100));
    let sink = world.sink(bob, track);
    let shown: Vec<_> = sink
        .frames
        .iter()
        .map(|frame| (frame.layer(), frame.content.frame))
        .collect();
    assert_eq!(shown, [(1, 1), (2, 1), (2, 2)]);
    assert!(sink.frames.iter().all(|frame| frame.decodable));
}

#[test]
fn a_key_frame_whose_first_packet_comes_last_starts_the_picture_whole() {
    for last in 0..6_u8 {
        let (mut world, alice, bob, track) = camera(16, Link::CLEAN, up_to(2));
        world.source(alice, track).muted = true;
        world.run(ms(100));
        let frame = world.capture(alice, track);
        for place in (0..6).filter(|place| *place != last).chain([last]) {
            world.hand_in(alice, frame[&(2, place)].clone());
        }
        world.run(ms(100));
        let sink = world.sink(bob, track);
        assert_eq!(
            (sink.frames.len(), sink.packets),
            (1, 6),
            "packet {last} comes last"
        );
    }
}

#[test]
fn when_a_publisher_stops_a_layer_the_next_smaller_one_takes_over_and_back() {
    for seed in SEEDS {
        let (mut world, alice, bob, track) = camera(seed, Link::CLEAN, up_to(2));
        world.run(ms(2_000));
        assert_eq!(world.sink(bob, track).current_layer(), Some(2));
        world.source(alice, track).streams[2].paused = true;
        world.run(ms(3_000));
        assert_eq!(world.sink(bob, track).current_layer(), Some(1), "seed {seed}");
        world.source(alice, track).streams[2].paused = false;
        world.run(ms(2_000));
        let sink = world.sink(bob, track);
        let visited = proof::layers(sink);
        assert!(visited.ends_with(&[2, 1, 2]), "seed {seed}: {visited:?}");
        proof::in_order(sink, Duration::ZERO);
        // Between the last picture of the large layer and the first of the smaller one the tile stands still.
        let pause = sink
            .frames
            .windows(2)
            .map(|pair| pair[1].at - pair[0].at)
            .max()
            .unwrap();
        assert!(pause < ms(1_500 + 300), "seed {seed}: {pause:?}");
    }
}

#[test]
fn a_hidden_tile_costs_nothing_at_once_and_comes_back_with_a_key_frame() {
    for seed in SEEDS {
        let (mut world, alice, bob, track) = camera(seed, Link::CLEAN, up_to(2));
        let carol = world.join("Carol");
        world.connect();
        world.subscribe(carol, track, up_to(0));
        world.run(ms(2_000));
        world.want(bob, track, HIDDEN);
        let hidden = world.now;
        world.run(ms(2_000));
        let sink = world.sink(bob, track);
        assert!(
            sink.latest.unwrap() <= hidden + Link::CLEAN.delay,
            "only what was under way"
        );
        let before = sink.frames.len();
        assert!(
            world.sink(carol, track).latest.unwrap() > hidden + ms(1_900),
            "others go on"
        );
        let asked = world.source(alice, track).streams[2].asked_us.len();

        world.want(bob, track, up_to(2));
        world.run(ms(2_000));
        assert_eq!(
            world.source(alice, track).streams[2].asked_us.len(),
            asked + 1,
            "one request"
        );
        let sink = world.sink(bob, track);
        let first = &sink.frames[before];
        assert!(first.content.key && first.layer() == 2, "seed {seed}: {first:?}");
        assert!(first.at < hidden + ms(2_000 + 200));
        proof::in_order(sink, Duration::ZERO);
    }
}

#[test]
fn however_many_ask_a_publisher_is_asked_for_a_key_frame_once_in_half_a_second_per_layer() {
    let mut world = World::new(17);
    let alice = world.join("Alice");
    let audience = ["Bob", "Carol", "Dave", "Erin", "Frank", "Grace"].map(|name| world.join(name));
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    for (layer, person) in audience.iter().enumerate() {
        world.subscribe(*person, track, up_to(layer as u8 % 3));
    }
    world.run(ms(2_000));
    let begin_us = (world.now - world.start).as_micros() as u64;
    for _ in 0..200 {
        for person in audience {
            world.client(person).ask_for_key_frame(track);
            world.collect(person);
        }
        world.run(ms(20));
    }
    for stream in &world.source(alice, track).streams {
        let asked: Vec<u64> = stream
            .asked_us
            .iter()
            .copied()
            .filter(|at| *at > begin_us)
            .collect();
        assert!((7..=9).contains(&asked.len()), "in 4 s: {}", asked.len());
        assert!(
            asked.windows(2).all(|pair| pair[1] - pair[0] >= 500_000),
            "{asked:?}"
        );
    }
    world.run(ms(1_000));
    let quiet: Vec<_> = world
        .source(alice, track)
        .streams
        .iter()
        .map(|stream| stream.asked_us.len())
        .collect();
    world.run(ms(3_000));
    let after: Vec<_> = world
        .source(alice, track)
        .streams
        .iter()
        .map(|stream| stream.asked_us.len())
        .collect();
    assert_eq!(quiet, after, "nobody asks, nobody is asked");
}

#[test]
fn a_downlink_that_is_too_small_lowers_the_layer_and_it_comes_back_on_trial() {
    let (mut world, alice, bob, track) = camera(18, Link::CLEAN, up_to(2));
    let carol = world.join("Carol");
    world.connect();
    world.subscribe(carol, track, up_to(2));
    world.run(ms(3_000));
    assert_eq!(world.sink(bob, track).current_layer(), Some(2));
    // The large layer has some 450 kbit/s, the middle one 170.
    world.client(bob).remb_bps = Some(250_000);
    world.run(ms(2_500));
    assert_eq!(
        world.sink(bob, track).current_layer(),
        Some(1),
        "the middle layer fits"
    );
    world.run(ms(5_000));
    assert_eq!(
        proof::layers(world.sink(bob, track)).last(),
        Some(&1),
        "and stays"
    );
    // The trial comes after 8 s and fails: the downlink is still too small.
    world.run(ms(5_000));
    assert!(proof::layers(world.sink(bob, track)).ends_with(&[2, 1, 2, 1]));
    // The next one, after 16 s, succeeds.
    world.client(bob).remb_bps = None;
    world.run(ms(18_000));
    let sink = world.sink(bob, track);
    assert!(
        proof::layers(sink).ends_with(&[2, 1, 2, 1, 2]),
        "{:?}",
        proof::layers(sink)
    );
    proof::in_order(sink, Duration::ZERO);
    assert_eq!(proof::completeness(&world, sink), 1.0);
    // Carol never said that her downlink is small.
    let carols = proof::layers(world.sink(carol, track));
    assert_eq!(carols.last(), Some(&2));
    assert!(carols.len() <= 3, "{carols:?}");
    assert!(world.source(alice, track).streams[2].asked_us.len() < 10);
}

#[test]
fn a_subscriber_with_a_cap_gets_what_fits_and_its_neighbour_gets_everything() {
    let (mut world, _, bob, track) = camera(18, Link::CLEAN, up_to(2));
    let carol = world.join("Carol");
    world.connect();
    world.subscribe(carol, track, up_to(2));
    world.run(ms(3_000));
    // The large layer has some 450 kbit/s, the middle one 170.
    world.limit_downlink(bob, Some(250_000));
    world.run(ms(20_000));
    assert_eq!(world.sink(bob, track).current_layer(), Some(1));
    assert_eq!(world.sink(carol, track).current_layer(), Some(2));
    let layers = proof::layers(world.sink(bob, track));
    assert!(layers.ends_with(&[2, 1]), "it is no trial that fails: {layers:?}");
    world.limit_downlink(bob, None);
    world.run(ms(3_000));
    assert_eq!(world.sink(bob, track).current_layer(), Some(2));
    proof::in_order(world.sink(bob, track), Duration::ZERO);
}

#[test]
fn a_stream_pauses_only_where_the_subscriber_agrees_and_goes_on_with_a_key_frame() {
    let mut world = World::new(19);
    let people @ [alice, bob, carol, dave] = ["Alice", "Bob", "Carol", "Dave"].map(|name| world.join(name));
    world.client(bob).may_pause = true;
    let [_, bobs, ..] = people.map(|person| world.client(person).connection);
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    for person in [bob, carol, dave] {
        world.subscribe(person, track, up_to(2));
    }
    world.run(ms(3_000));
    // Not even the smallest layer fits.
    for person in [bob, carol] {
        world.limit_downlink(person, Some(10_000));
    }
    let limited = world.now;
    world.run(ms(5_000));
    let state = |world: &World, paused: bool| {
        world
            .heard(|event| matches!(event, MediaEvent::StreamState { is_paused, .. } if *is_paused == paused))
    };
    assert_eq!(
        (state(&world, true), state(&world, false)),
        (1, 0),
        "told once, and of Bob only"
    );
    let before = world.sink(bob, track).frames.len();
    assert!(world.sink(bob, track).latest.unwrap() <= limited + Link::CLEAN.delay);
    assert_eq!(
        world.sink(carol, track).current_layer(),
        Some(0),
        "she has not agreed"
    );
    assert_eq!(
        world.sink(dave, track).current_layer(),
        Some(2),
        "his link is large enough"
    );

    world.limit_downlink(bob, None);
    world.run(ms(2_000));
    let goes_on = MediaEvent::StreamState {
        connection: bobs,
        track,
        is_paused: false,
    };
    assert_eq!(world.heard(|event| *event == goes_on), 1);
    assert_eq!((state(&world, true), state(&world, false)), (1, 1));
    let sink = world.sink(bob, track);
    assert!(sink.frames[before].content.key);
    assert_eq!(sink.current_layer(), Some(2));
    proof::in_order(sink, Duration::ZERO);
}
