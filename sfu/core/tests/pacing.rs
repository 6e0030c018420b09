//! What leaves when, over links that are smaller than what comes at once.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::link::Link;
use common::plan::{Call, longest_freeze};
use common::sink::Sink;
use common::{HIDDEN, Person, World, ms, proof, up_to};
use hanse_sfu_core::command::{Codec, Want};
use std::time::{Duration, Instant};

const SEEDS: [u64; 3] = [1, 2, 3];

/// A picture of the small layer that fills a link of 300 kbit/s for half a second.
const LARGE: (u8, usize) = (18, 1_000);

/// A call of which only the small layer fits, once it has found that.
fn small(seed: u64) -> Call {
    let mut call = Call::new(seed, Link::of_kbps(3_000));
    call.run(ms(10_000));
    call.change(Link::of_kbps(300));
    call.run(ms(15_000));
    assert_eq!(call.layer(), Some(0), "seed {seed}");
    call
}

/// From then on pictures have the distance in time at which they were captured, to the tick.
fn keeps_time(sink: &Sink, since: Instant) {
    let shown: Vec<_> = sink.frames.iter().filter(|frame| frame.at >= since).collect();
    for pair in shown.windows(2) {
        let captured_us = pair[1].content.captured_us - pair[0].content.captured_us;
        let step = u64::from(pair[1].timestamp.wrapping_sub(pair[0].timestamp));
        assert!(step.abs_diff(captured_us * 9 / 100) <= 2, "{pair:?}");
    }
}

/// Alice's next picture is this large.
fn show(call: &mut Call, size: (u8, usize), key: bool) -> Instant {
    let (alice, camera, begin) = (call.alice, call.camera, call.world.now);
    let before = call.world.source(alice, camera).sizes[0];
    let source = call.world.source(alice, camera);
    source.sizes[0] = size;
    source.streams[0].key_wanted = key;
    let sent = source.streams[0].sent.len();
    while call.world.source(alice, camera).streams[0].sent.len() == sent {
        call.run(ms(1));
    }
    call.world.source(alice, camera).sizes[0] = before;
    begin
}

#[test]
fn behind_a_large_key_frame_sound_does_not_wait_and_the_picture_comes_whole() {
    for seed in SEEDS {
        let mut call = small(seed);
        let before = call.world.counters();
        let begin = show(&mut call, (LARGE.0 / 2, LARGE.1), true);
        call.longest_queue = Duration::ZERO;
        call.run(ms(3_000));
        let after = call.world.counters();
        assert_eq!(after.packets_given_up, before.packets_given_up, "seed {seed}");
        assert!(after.packets_waited - before.packets_waited >= 10, "seed {seed}");
        let silence = call.longest_silence(begin);
        assert!(silence < ms(100), "seed {seed}: {silence:?}");
        assert!(
            call.longest_queue < ms(350),
            "seed {seed}: {:?}",
            call.longest_queue
        );
        let sink = call.world.sink(call.bob, call.camera);
        let key_frame = sink
            .frames
            .iter()
            .find(|frame| frame.at >= begin && frame.content.key);
        assert!(key_frame.unwrap().decodable, "seed {seed}");
        assert!(sink.frames.last().unwrap().decodable, "seed {seed}");
        keeps_time(sink, begin);
    }
}

#[test]
fn what_would_wait_for_more_than_200_ms_is_given_up_and_the_picture_goes_on_with_a_key_frame() {
    for seed in SEEDS {
        let mut call = small(seed);
        let asked = |call: &mut Call| {
            call.world.source(call.alice, call.camera).streams[0]
                .asked_us
                .len()
        };
        let (given_up, plis) = (call.world.counters().packets_given_up, asked(&mut call));
        let missed = call.world.sink(call.bob, call.camera).given_up;
        let begin = show(&mut call, (LARGE.0 * 2, LARGE.1), false);
        call.run(ms(3_000));
        let given_up = call.world.counters().packets_given_up - given_up;
        assert!(given_up >= 20, "seed {seed}: {given_up}");
        // Bob asks by himself, too, when he sees that the end of a picture is missing.
        let asked = asked(&mut call) - plis;
        assert!((1..=2).contains(&asked), "seed {seed}: {asked}");
        let silence = call.longest_silence(begin);
        assert!(silence < ms(100), "seed {seed}: {silence:?}");
        let freeze = call.longest_freeze(begin);
        assert!(freeze < ms(600), "seed {seed}: {freeze:?}");
        let sink = call.world.sink(call.bob, call.camera);
        assert_eq!(sink.given_up, missed, "seed {seed}: its numbers have no gap");
        keeps_time(sink, begin);
        proof::only_what_is_theirs(&call.world);
    }
}

#[test]
fn a_picture_leaves_at_once_while_there_is_room_and_for_whoever_does_not_tell_always() {
    for (seed, tells) in SEEDS.into_iter().flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut world = World::new(seed);
        let alice = world.join("Alice");
        let bob = world.join("Bob");
        world.client(bob).tells = tells;
        world.connect();
        let camera = world.publish_as(alice, Codec::Vp8, |source| {
            source.sizes = [(1, 900), (3, 900), (10, 1_000)];
        });
        world.subscribe(bob, camera, up_to(2));
        world.run(ms(2_000));
        let waited = world.counters().packets_waited;
        assert!(tells || waited == 0, "seed {seed}: {waited}");
        world.run(ms(10_000));
        assert_eq!(world.counters().packets_waited, waited, "seed {seed}");
        assert_eq!(world.sink(bob, camera).current_layer(), Some(2));
    }
}

#[test]
fn what_is_asked_for_again_waits_behind_what_is_new_and_fills_no_link() {
    for seed in SEEDS {
        let mut call = small(seed);
        let (bob, camera) = (call.bob, call.camera);
        let before = call.world.counters();
        let highest = call.world.sink(bob, camera).highest.unwrap() as u16;
        let numbers: Vec<u16> = (0..60).map(|age| highest.wrapping_sub(age)).collect();
        call.world.client(bob).ask_again(camera, &numbers);
        call.world.collect(bob);
        let begin = call.world.now;
        call.longest_queue = Duration::ZERO;
        call.run(ms(1_000));
        let after = call.world.counters();
        assert!(
            (2..30).contains(&(after.packets_repaired - before.packets_repaired)),
            "seed {seed}: {}",
            after.packets_repaired - before.packets_repaired
        );
        assert!(
            call.longest_queue < ms(350),
            "seed {seed}: {:?}",
            call.longest_queue
        );
        let (silence, freeze) = (call.longest_silence(begin), call.longest_freeze(begin));
        assert!(silence < ms(100), "seed {seed}: {silence:?}");
        assert!(freeze < ms(200), "seed {seed}: {freeze:?}");
        call.run(ms(10_000));
        let repaired = call.world.counters().packets_repaired - before.packets_repaired;
        assert!(
            repaired >= 8,
            "seed {seed}: they come when there is room: {repaired}"
        );
    }
}

#[test]
fn of_what_came_before_a_key_frame_nothing_is_sent_again() {
    let mut call = Call::new(1, Link::CLEAN);
    call.run(ms(3_000));
    let (bob, camera) = (call.bob, call.camera);
    let before = call.world.sink(bob, camera).highest.unwrap() as u16;
    call.world.source(call.alice, camera).streams[2].key_wanted = true;
    call.run(ms(200));
    let after = call.world.sink(bob, camera).highest.unwrap() as u16;
    let repaired = call.world.counters().packets_repaired;
    call.world
        .client(bob)
        .ask_again(camera, &[before, before.wrapping_sub(1)]);
    call.world.collect(bob);
    call.run(ms(200));
    assert_eq!(call.world.counters().packets_repaired, repaired);
    call.world.client(bob).ask_again(camera, &[after]);
    call.world.collect(bob);
    call.run(ms(200));
    assert_eq!(call.world.counters().packets_repaired, repaired + 1);
}

#[test]
fn a_link_that_carries_no_picture_makes_the_publisher_send_few_key_frames() {
    for seed in SEEDS {
        let mut call = Call::new(seed, Link::CLEAN);
        call.world.link = Link::CLEAN;
        let carol = call.world.join("Carol");
        call.world.connect();
        call.world.subscribe(carol, call.camera, up_to(0));
        call.run(ms(5_000));
        call.change(Link::of_kbps(150));
        call.run(ms(5_000));
        let asked = |call: &mut Call| {
            call.world.source(call.alice, call.camera).streams[0]
                .asked_us
                .len()
        };
        let before = asked(&mut call);
        let begin = call.world.now;
        call.run(ms(60_000));
        let asked = asked(&mut call) - before;
        assert!(
            (1..=24).contains(&asked),
            "seed {seed}: {asked} key frames in a minute"
        );
        let silence = call.longest_silence(begin);
        assert!(silence < ms(1_000), "seed {seed}: {silence:?}");
        let sink = call.world.sink(carol, call.camera);
        assert_eq!(proof::completeness(&call.world, sink), 1.0, "seed {seed}");
    }
}

/// How long somebody waits for a picture once the link is large again says how long they wait for a key frame.
#[test]
fn a_picture_that_was_given_up_again_and_again_is_back_once_there_is_room() {
    for seed in SEEDS {
        let mut call = Call::new(seed, Link::of_kbps(3_000));
        call.run(ms(10_000));
        call.change(Link::of_kbps(150));
        call.run(ms(30_000));
        assert!(call.world.counters().packets_given_up > 50, "seed {seed}");
        call.change(Link::of_kbps(3_000));
        let begin = call.world.now;
        call.run(ms(10_000));
        let freeze = call.longest_freeze(begin);
        assert!(freeze < ms(2_500), "seed {seed}: {freeze:?}");
    }
}

#[test]
fn what_waits_of_a_video_that_is_hidden_goes_nowhere() {
    for seed in SEEDS {
        let mut call = small(seed);
        let (bob, camera) = (call.bob, call.camera);
        // Two key frames: the second one waits as a whole.
        show(&mut call, (LARGE.0 / 2, LARGE.1), true);
        show(&mut call, (2, 900), true);
        // It takes 15 ms to the server.
        call.run(ms(20));
        let before = call.world.sink(bob, camera).packets;
        call.world.want(bob, camera, HIDDEN);
        call.run(ms(3_000));
        let came = call.world.sink(bob, camera).packets - before;
        assert!(came <= 5, "seed {seed}: {came}, more than was under way");
        // Shown again it goes on, and with nothing of that.
        let begin = call.world.now;
        call.world.want(bob, camera, up_to(0));
        call.run(ms(2_000));
        let freeze = call.longest_freeze(begin);
        assert!(freeze < ms(300), "seed {seed}: {freeze:?}");
        keeps_time(call.world.sink(bob, camera), begin);
    }
}

#[test]
fn pictures_of_temporal_layers_that_a_subscriber_does_not_get_do_not_count_as_waiting() {
    for seed in SEEDS {
        let mut call = small(seed);
        let (alice, bob, camera) = (call.alice, call.bob, call.camera);
        let few = Want {
            temporal_max: 0,
            ..up_to(0)
        };
        call.world.want(bob, camera, few);
        call.run(ms(2_000));
        // Every second picture is of the upper layer, and a key frame never is.
        let latest = |call: &mut Call| {
            let sent = &call.world.source(alice, camera).streams[0].sent;
            *sent.last_key_value().unwrap().0
        };
        while latest(&mut call) % 2 == 0 {
            call.run(ms(1));
        }
        let before = call.world.counters();
        let begin = show(&mut call, (LARGE.0 / 2, LARGE.1), true);
        show(&mut call, LARGE, false);
        call.run(ms(3_000));
        let after = call.world.counters();
        assert!(after.packets_waited - before.packets_waited >= 10, "seed {seed}");
        assert_eq!(after.packets_given_up, before.packets_given_up, "seed {seed}");
        let last = call.world.sink(bob, camera).frames.last().unwrap();
        assert!(
            last.decodable && last.at > begin + ms(2_900),
            "seed {seed}: {last:?}"
        );
    }
}

/// Whoever is sent two packets under one number notices ([`common::client::Client::witness`]).
#[test]
fn streams_that_stop_and_go_on_while_they_wait_keep_their_numbers() {
    for seed in 1..=3 {
        let mut world = World::new(seed);
        let others: Vec<Person> = ["Alice", "Carol", "Dave"].map(|name| world.join(name)).into();
        world.link = Link {
            loss: 0.02,
            jitter: ms(5),
            ..Link::of_kbps(400)
        };
        let bob = world.join("Bob");
        world.client(bob).tells = true;
        world.client(bob).may_pause = seed % 2 == 0;
        world.connect();
        let sizes = [(2, 800), (4, 900), (9, 900)];
        let publish = |world: &mut World, person| {
            let track = world.publish_as(person, Codec::Vp8, |source| source.sizes = sizes);
            world.subscribe(bob, track, up_to(2));
            track
        };
        let mut cameras: Vec<_> = others.iter().map(|person| publish(&mut world, *person)).collect();
        for step in 0_u64..200 {
            world.run(ms(37 + (seed * 131 + step * 61) % 170));
            let place = (step as usize * 7 + seed as usize) % 3;
            let camera = cameras[place];
            match step % 11 {
                0 | 3 => world.want(bob, camera, HIDDEN),
                1 | 4 | 6 => world.want(bob, camera, up_to(step as u8 % 3)),
                2 => world.source(others[place], camera).streams[0].key_wanted = true,
                5 => world.client(bob).down.link.rate_bps = Some(150_000 + 50_000 * (step % 17)),
                7 if step % 5 == 0 => {
                    world.unpublish(others[place], camera);
                    cameras[place] = publish(&mut world, others[place]);
                }
                8 => world.limit_downlink(bob, (step % 2 == 0).then_some(300_000)),
                _ => {}
            }
        }
        let counted = world.counters();
        assert!(
            counted.packets_waited > 300 && counted.packets_given_up > 30,
            "seed {seed}: {counted:?}"
        );
        world.limit_downlink(bob, None);
        world.client(bob).down.link = Link::CLEAN;
        for camera in &cameras {
            world.want(bob, *camera, up_to(2));
        }
        // Nobody has forgotten how often the link has fallen: probes are rare, and the estimate has to grow by itself until three
        // pictures fit. From then on all of them are there.
        world.run(ms(20_000));
        let begin = world.now;
        world.run(ms(5_000));
        for camera in cameras {
            let freeze = longest_freeze(world.sink(bob, camera), begin, world.now);
            assert!(freeze < ms(200), "seed {seed}: {freeze:?}");
        }
        assert_eq!(world.client(bob).forgeries, 0);
    }
}
