//! How much the way to a subscriber is believed to carry, in virtual time over links with plans.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::flow::{Bottleneck, Media};
use common::link::Link;
use common::{Person, World, ms, proof, up_to};
use hanse_sfu_core::command::{Codec, MediaCommand, MediaEvent};
use hanse_sfu_core::ids::TrackId;
use std::net::SocketAddr;
use std::time::Duration;

const SEEDS: [u64; 3] = [1, 2, 3];

/// A camera in three layers.
const CAMERA: Media = Media::Layers([150_000, 500_000, 1_700_000]);

const EVERYTHING: Media = Media::Elastic(20_000_000);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The layer of so many kbit/s goes out all the while.
fn stays(link: &mut Bottleneck, duration: Duration, kbps: u64) {
    let begin = link.now;
    link.run(duration);
    let flow = link.flow();
    assert_eq!(
        (flow.media_kbps(), flow.changes_since(begin)),
        (kbps, 0),
        "{:?}",
        flow.steps
    );
}

#[test]
fn a_fast_link_is_found_within_a_second() {
    for seed in SEEDS {
        let mut link = Bottleneck::new(seed, Link::of_kbps(20_000), &[CAMERA]);
        link.run_until(secs(1), |link| {
            link.flow().steps.last().is_some_and(|step| step.1 == 1_700_000)
        });
    }
}

#[test]
fn a_link_that_falls_from_3_mbit_to_300_kbit_has_a_short_queue_within_a_second() {
    for seed in SEEDS {
        for media in [CAMERA, Media::Elastic(2_500_000)] {
            let mut link = Bottleneck::new(seed, Link::of_kbps(3_000), &[media]);
            link.run(secs(20));
            link.change(Link::of_kbps(300));
            link.run(secs(1));
            link.longest_queue = Duration::ZERO;
            link.run(secs(9));
            assert!(
                link.longest_queue < ms(250),
                "seed {seed}: {media:?}: {:?}",
                link.longest_queue
            );
        }
    }
}

#[test]
fn a_link_that_comes_back_carries_the_higher_layer_within_3_seconds() {
    for seed in SEEDS {
        for down in [5, 30, 61] {
            let mut link = Bottleneck::new(seed, Link::of_kbps(3_000), &[CAMERA]);
            link.run(secs(10));
            link.change(Link::of_kbps(300));
            link.run(secs(down));
            assert_eq!(link.flow().media_kbps(), 150, "seed {seed}");
            link.change(Link::of_kbps(3_000));
            link.run_until(secs(3), |link| link.flow().media_kbps() == 1_700);
        }
    }
}

#[test]
fn random_loss_of_5_percent_does_not_collapse_the_estimate() {
    for seed in SEEDS {
        let lossy = Link {
            loss: 0.05,
            ..Link::of_kbps(3_000)
        };
        let mut link = Bottleneck::new(seed, lossy, &[CAMERA]);
        link.run(secs(10));
        stays(&mut link, secs(60), 1_700);
    }
}

#[test]
fn a_long_way_with_jitter_is_stable_for_5_minutes() {
    for seed in SEEDS {
        for ordered in [true, false] {
            let long = Link {
                delay: ms(125),
                jitter: ms(50),
                ordered,
                ..Link::of_kbps(3_000)
            };
            let mut link = Bottleneck::new(seed, long, &[CAMERA]);
            link.run_until(secs(5), |link| {
                link.flow().steps.last().is_some_and(|step| step.1 == 1_700_000)
            });
            link.run(ms(1));
            stays(&mut link, secs(300), 1_700);
        }
    }
}

#[test]
fn a_layer_that_does_not_fit_is_not_tried_again_and_again() {
    for seed in SEEDS {
        let mut link = Bottleneck::new(seed, Link::of_kbps(1_200), &[CAMERA]);
        link.run(secs(10));
        stays(&mut link, secs(300), 500);
    }
}

#[test]
fn four_fifths_of_a_link_are_used() {
    for seed in SEEDS {
        for kbps in [300, 1_000, 3_000, 10_000] {
            let mut link = Bottleneck::new(seed, Link::of_kbps(kbps), &[EVERYTHING]);
            link.run(secs(20));
            link.longest_queue = Duration::ZERO;
            let used = link.measure(secs(60))[0];
            assert!(used >= kbps * 8 / 10, "seed {seed}: {used} of {kbps} kbit/s");
            let queue = link.longest_queue;
            assert!(queue < ms(250), "seed {seed}: {queue:?} on {kbps} kbit/s");
        }
    }
}

#[test]
fn two_senders_on_one_link_share_it() {
    for seed in SEEDS {
        let mut link = Bottleneck::new(seed, Link::of_kbps(3_000), &[EVERYTHING]);
        link.run(ms(7) + secs(15) * (seed as u32 - 1));
        link.join(EVERYTHING);
        link.run(secs(60));
        let shares = link.measure(secs(300));
        let fair = (shares[0] + shares[1]) / 2;
        assert!(
            shares.iter().all(|share| share.abs_diff(fair) <= fair / 5),
            "seed {seed}: {shares:?}"
        );
        assert!(fair * 2 > 2_400, "seed {seed}: {shares:?}");
    }
}

#[test]
fn a_receiver_of_which_nothing_is_heard_gets_ever_less_and_is_found_again() {
    for seed in SEEDS {
        let mut link = Bottleneck::new(seed, Link::of_kbps(3_000), &[CAMERA]);
        link.run(secs(10));
        assert_eq!(link.flow().media_kbps(), 1_700);
        link.flow().silent = true;
        link.run(secs(4));
        assert_eq!(link.flow().media_kbps(), 150, "seed {seed}");
        let before = link.flow().probed;
        link.run(secs(20));
        let probed = link.flow().probed - before;
        assert!(probed < 20 * 2_000, "seed {seed}: {probed} bytes");
        link.flow().silent = false;
        link.run_until(secs(5), |link| link.flow().media_kbps() == 1_700);
    }
}

/// Alice shows her camera to Bob, who tells what arrives, over this link.
fn camera(seed: u64, link: Link) -> (World, Person, Person, TrackId) {
    let mut world = World::new(seed);
    let alice = world.join("Alice");
    world.link = link;
    let bob = world.join("Bob");
    world.client(bob).tells = true;
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    world.subscribe(bob, track, up_to(2));
    (world, alice, bob, track)
}

// The large layer has some 450 kbit/s, the middle one 170 and the small one 50.

#[test]
fn a_subscriber_gets_the_layer_that_its_link_carries_and_its_neighbour_the_one_that_hers_does() {
    for seed in SEEDS {
        let (mut world, _, bob, track) = camera(seed, Link::of_kbps(330));
        world.link = Link::of_kbps(5_000);
        let carol = world.join("Carol");
        world.client(carol).tells = true;
        world.connect();
        world.subscribe(carol, track, up_to(2));
        world.run(secs(5));
        let switches = |world: &World, person| proof::layers(world.sink(person, track)).len();
        let before = [bob, carol].map(|person| switches(&world, person));
        world.run(secs(60));
        assert_eq!(world.sink(bob, track).current_layer(), Some(1), "seed {seed}");
        assert_eq!(world.sink(carol, track).current_layer(), Some(2), "seed {seed}");
        assert_eq!(
            [bob, carol].map(|person| switches(&world, person)),
            before,
            "seed {seed}"
        );
        proof::in_order(world.sink(bob, track), Duration::ZERO);
        proof::only_what_is_theirs(&world);
    }
}

#[test]
fn a_link_that_becomes_small_and_large_again_lowers_the_layer_and_brings_it_back_within_3_seconds() {
    for seed in SEEDS {
        let (mut world, _, bob, track) = camera(seed, Link::of_kbps(3_000));
        world.run(secs(10));
        assert_eq!(world.sink(bob, track).current_layer(), Some(2), "seed {seed}");
        world.client(bob).down.link = Link::of_kbps(250);
        for second in 1..=20 {
            world.run(secs(1));
            let now = world.now;
            let queue = world.client(bob).down.queue(now);
            assert!(queue < ms(250), "seed {seed}: {queue:?} after {second} s");
        }
        assert_eq!(world.sink(bob, track).current_layer(), Some(1), "seed {seed}");
        world.client(bob).down.link = Link::of_kbps(3_000);
        world.run_until(secs(3), "the large layer", |world| {
            world.sink(bob, track).current_layer() == Some(2)
        });
    }
}

#[test]
fn only_who_tells_is_probed_and_everything_sent_to_it_is_numbered() {
    let (mut world, alice, bob, track) = camera(1, Link::of_kbps(330));
    let carol = world.join("Carol");
    world.connect();
    world.subscribe(carol, track, up_to(2));
    let microphone = world.publish(alice, Codec::Opus);
    world.subscribe(bob, microphone, up_to(0));
    world.run(secs(20));
    assert!(world.client(bob).padding > 20);
    assert!(world.counters().bytes_probed >= world.client(bob).padding * 255);
    assert!(world.client(bob).numbered.is_some());
    assert_eq!(
        (world.client(carol).padding, world.client(carol).numbered),
        (0, None)
    );
    assert_eq!(
        (world.client(alice).padding, world.client(alice).numbered),
        (0, None)
    );
    assert_eq!(world.client(bob).strays, 0);
    let before = world.client(bob).padding;
    // Without video there is nothing to learn the link for, and no stream that could carry it.
    let down_track = world.sink(bob, track).down_track;
    world.command(MediaCommand::Unsubscribe { down_track });
    world.run(secs(20));
    assert_eq!(world.client(bob).padding, before);
    assert!(world.sink(bob, microphone).latest.unwrap() > world.now - ms(100));
}

#[test]
fn whoever_never_tells_although_agreed_is_not_limited() {
    let (mut world, _, bob, track) = camera(2, Link::CLEAN);
    world.client(bob).tells = false;
    world.run(secs(10));
    assert_eq!(world.sink(bob, track).current_layer(), Some(2));
    // And its own estimate counts as that of those who never agreed.
    world.client(bob).remb_bps = Some(250_000);
    world.run(secs(5));
    assert_eq!(world.sink(bob, track).current_layer(), Some(1));
}

#[test]
fn a_tile_that_grows_gets_its_layer_without_waiting_for_the_next_look_at_the_link() {
    let (mut world, _, bob, track) = camera(5, Link::of_kbps(5_000));
    world.run(secs(5));
    for step in 0..5 {
        world.want(bob, track, up_to(0));
        world.run(ms(3_000 + 170 * step));
        assert_eq!(world.sink(bob, track).current_layer(), Some(0), "{step}");
        world.want(bob, track, up_to(2));
        world.run_until(ms(400), "the large layer", |world| {
            world.sink(bob, track).current_layer() == Some(2)
        });
    }
}

#[test]
fn beside_what_a_subscriber_tells_its_own_estimate_says_nothing() {
    let (mut world, _, bob, track) = camera(4, Link::of_kbps(5_000));
    // As receivers estimate: half more than what they get.
    world.client(bob).remb_bps = Some(75_000);
    world.run(secs(10));
    assert_eq!(world.sink(bob, track).current_layer(), Some(2));
}

#[test]
fn of_another_network_nothing_is_known_and_it_is_measured_at_once() {
    for seed in SEEDS {
        let (mut world, _, bob, track) = camera(seed, Link::of_kbps(250));
        // Long enough that it is probed rarely.
        world.run(secs(60));
        assert_eq!(world.sink(bob, track).current_layer(), Some(1), "seed {seed}");
        world.client(bob).down.link = Link::of_kbps(5_000);
        world.client(bob).address = SocketAddr::from(([198, 51, 100, 7], 50_000));
        let check = world.client(bob).check();
        world.client(bob).outbox.push(check);
        world.collect(bob);
        world.run_until(secs(1), "the large layer", |world| {
            world.sink(bob, track).current_layer() == Some(2)
        });
    }
}

#[test]
fn an_estimator_allocates_nothing_after_its_beginning() {
    let mut link = Bottleneck::new(7, Link::of_kbps(1_200), &[CAMERA]);
    link.run(secs(10));
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1])));
    assert_eq!(counted.count_total, 1, "the counter counts");
    let before = link.flow().probed;
    link.run(secs(60));
    assert!(link.flow().probed > before);
    assert_eq!(link.flow().allocations, 0);
}

#[test]
fn a_stream_that_paused_because_the_link_is_too_small_goes_on_when_it_is_not() {
    let mut world = World::new(3);
    let alice = world.join("Alice");
    world.link = Link::of_kbps(1_000);
    let bob = world.join("Bob");
    world.client(bob).tells = true;
    world.client(bob).may_pause = true;
    world.connect();
    let track = world.publish_as(alice, Codec::Vp8, |source| source.sizes[0] = (1, 600));
    world.subscribe(bob, track, up_to(2));
    world.run(secs(5));
    assert_eq!(world.sink(bob, track).current_layer(), Some(2));
    // Not even every second picture of the small layer fits, which has 100 kbit/s here.
    world.client(bob).down.link = Link::of_kbps(40);
    world.run(secs(10));
    let state = |world: &World, paused: bool| {
        world
            .heard(|event| matches!(event, MediaEvent::StreamState { is_paused, .. } if *is_paused == paused))
    };
    assert_eq!((state(&world, true), state(&world, false)), (1, 0));
    world.run(secs(30));
    assert_eq!((state(&world, true), state(&world, false)), (1, 0));
    world.client(bob).down.link = Link::of_kbps(1_000);
    world.run_until(secs(5), "it goes on", |world| state(world, false) == 1);
    world.run_until(secs(3), "the large layer", |world| {
        world.sink(bob, track).current_layer() == Some(2)
    });
}

#[test]
fn a_link_that_does_not_carry_the_small_layer_carries_fewer_pictures_of_it_all_the_while() {
    let (mut world, _, bob, track) = camera(4, Link::of_kbps(1_000));
    let pictures = |world: &World| {
        let frames = world.sink(bob, track).frames.iter();
        frames.fold((0, 0), |(all, upper), frame| {
            let is_upper = frame.descriptor.unwrap().tid == Some(1);
            (all + 1, upper + u32::from(is_upper))
        })
    };
    world.run(secs(5));
    world.client(bob).down.link = Link::of_kbps(45);
    world.run(secs(15));
    for _ in 0..6 {
        let (all_before, upper_before) = pictures(&world);
        world.run(secs(5));
        let (all, upper) = pictures(&world);
        assert!(
            all - all_before > 45 && upper - upper_before < 10,
            "{} of them {}",
            all - all_before,
            upper - upper_before
        );
    }
    proof::in_order(world.sink(bob, track), Duration::ZERO);
}
