//! Packets that are lost on the way and come again.

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
use std::time::Duration;

/// Each of them stays for good once it has shown something.
const SEEDS: [u64; 4] = [21, 22, 23, 0xcafe];

const LOSSY: Link = Link {
    loss: 0.05,
    ..Link::CLEAN
};

fn camera(seed: u64) -> (World, Person, Person, TrackId) {
    let mut world = World::new(seed);
    let (alice, bob) = (world.join("Alice"), world.join("Bob"));
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    world.subscribe(bob, track, up_to(2));
    world.run(ms(2_000));
    (world, alice, bob, track)
}

#[test]
fn what_is_lost_on_the_way_to_the_sfu_it_asks_for_and_subscribers_do_not_notice() {
    for seed in SEEDS {
        let (mut world, alice, bob, track) = camera(seed);
        world.client(alice).up.link = LOSSY;
        world.run(ms(10_000));
        let lost = world.client(alice).up.lost;
        let repeated: Vec<u64> = world
            .source(alice, track)
            .streams
            .iter()
            .map(|stream| stream.repeated)
            .collect();
        // 120 packets per second and 5 % of them; reports and checks are lost too, retransmissions as well.
        assert!((40..120).contains(&lost), "seed {seed}: {lost}");
        let sum: u64 = repeated.iter().sum();
        assert!(
            sum as f64 > lost as f64 * 0.6 && sum < lost * 2,
            "seed {seed}: {repeated:?} for {lost}"
        );
        assert!(
            repeated.iter().all(|layer| *layer > 0),
            "every layer, forwarded or not: {repeated:?}"
        );
        world.client(alice).up.link = Link::CLEAN;
        world.run(ms(1_000));
        // What was under way has arrived meanwhile.
        let sum: u64 = world
            .source(alice, track)
            .streams
            .iter()
            .map(|stream| stream.repeated)
            .sum();
        let sink = world.sink(bob, track);
        assert_eq!(proof::completeness(&world, sink), 1.0, "seed {seed}");
        assert_eq!((sink.given_up, sink.broken_frames), (0, 0), "seed {seed}");
        assert_eq!(
            sink.repaired, 0,
            "the repaired packets go on as if they had only been late"
        );
        // Bob's question and the repaired packet may cross; then he has it twice.
        let twice = world.counters().packets_repaired;
        assert!(twice == sink.duplicates && twice < 5, "seed {seed}: {twice}");
        let counted = world.counters();
        assert!(
            counted.repairs_in <= sum && counted.repairs_in as f64 > sum as f64 * 0.8,
            "seed {seed}: {} of {sum} on a way that loses some",
            counted.repairs_in
        );
        assert!(
            counted.nacks_out >= sum,
            "each was asked for, some more than once"
        );
        assert!(counted.packets_in > 1_000 && counted.bytes_in > 100 * counted.packets_in);
        proof::in_order(sink, Duration::ZERO);
    }
}

#[test]
fn what_is_lost_on_the_way_to_a_subscriber_comes_on_the_retransmission_stream_and_the_publisher_does_not_notice()
 {
    for seed in SEEDS {
        let (mut world, alice, bob, track) = camera(seed);
        let carol = world.join("Carol");
        world.connect();
        world.subscribe(carol, track, up_to(2));
        world.run(ms(1_000));
        world.client(bob).down.link = LOSSY;
        world.client(bob).up.link = LOSSY;
        let asked = world.source(alice, track).streams[2].asked_us.len();
        world.run(ms(10_000));
        world.client(bob).down.link = Link::CLEAN;
        world.client(bob).up.link = Link::CLEAN;
        world.run(ms(1_000));
        let lost = world.client(bob).down.lost;
        let sink = world.sink(bob, track);
        assert!(
            sink.repaired as f64 > lost as f64 * 0.6,
            "seed {seed}: {} of {lost}",
            sink.repaired
        );
        assert_eq!(proof::completeness(&world, sink), 1.0, "seed {seed}");
        assert_eq!((sink.given_up, sink.broken_frames), (0, 0), "seed {seed}");
        proof::in_order(sink, Duration::ZERO);
        let repaired = world.counters().packets_repaired;
        assert!(
            repaired >= sink.repaired && repaired < sink.repaired * 2,
            "seed {seed}: {repaired}"
        );
        let counted = world.counters();
        let asked_in_all: usize = world
            .source(alice, track)
            .streams
            .iter()
            .map(|stream| stream.asked_us.len())
            .sum();
        assert!(
            counted.plis_out >= asked_in_all as u64,
            "every key frame that she was asked for"
        );
        assert!(counted.nacks_in >= repaired && counted.bytes_repaired > 100 * repaired);
        assert!(counted.bytes_forwarded > 100 * counted.packets_forwarded);
        assert_eq!(
            (counted.nacks_out, counted.repairs_in),
            (0, 0),
            "nothing was lost on the way in"
        );
        assert_eq!(
            world.client(alice).asked_again,
            0,
            "nothing was lost between her and the SFU"
        );
        assert_eq!(
            world.source(alice, track).streams[2].asked_us.len(),
            asked,
            "no key frame was needed"
        );
        assert_eq!(
            world.sink(carol, track).repaired,
            0,
            "what Bob asks for is Bob's alone"
        );
    }
}

#[test]
fn what_is_lost_among_the_very_first_packets_is_asked_for_though_they_came_out_of_order() {
    let mut world = World::new(26);
    let (alice, bob) = (world.join("Alice"), world.join("Bob"));
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    world.source(alice, track).muted = true;
    world.subscribe(bob, track, up_to(2));
    let frame = world.capture(alice, track);
    for place in [4, 0, 5] {
        world.hand_in(alice, frame[&(2, place)].clone());
    }
    world.run(ms(200));
    assert_eq!(world.source(alice, track).streams[2].repeated, 3);
    assert_eq!(world.sink(bob, track).frames.len(), 1, "whole");
    assert_eq!(
        world.source(alice, track).streams[2].asked_us.len(),
        0,
        "no further key frame is needed"
    );
}

#[test]
fn a_packet_is_sent_again_three_times_and_no_more() {
    let (mut world, _, bob, track) = camera(24);
    let number = world.sink(bob, track).highest.unwrap() as u16;
    world.client(bob).sink_mut(track).nacks = false;
    let mut repaired = Vec::new();
    for _ in 0..10 {
        world
            .client(bob)
            .ask_again(track, &[number, number.wrapping_sub(1)]);
        // Asking twice within a round trip is asking once.
        world.client(bob).ask_again(track, &[number]);
        world.collect(bob);
        world.run(ms(150));
        repaired.push(world.counters().packets_repaired);
    }
    assert_eq!(repaired, [2, 4, 6, 6, 6, 6, 6, 6, 6, 6]);
    assert_eq!(world.sink(bob, track).duplicates, 6);
    // What was never sent, or so long ago that nobody waits for it, is not looked for.
    for number in [number.wrapping_add(5_000), number.wrapping_sub(5_000)] {
        world.client(bob).ask_again(track, &[number]);
    }
    world.collect(bob);
    world.run(ms(150));
    assert_eq!(world.counters().packets_repaired, 6);
}

#[test]
fn probing_with_padding_or_with_a_layer_that_never_began_is_not_forwarded_and_counts_for_congestion() {
    let (mut world, alice, bob, track) = camera(25);
    world.source(alice, track).muted = true;
    world.run(ms(500));
    let ids = world.client(alice).extensions;
    let numbers: Vec<u16> = (0..20)
        .map(|_| {
            // Repeats of a packet that has long arrived: what libwebrtc sends to try out a link.
            let latest = world.source(alice, track).latest(2).sequence as u16;
            let mut probe = world.source(alice, track).repeat(2, latest, &ids).unwrap();
            if latest.is_multiple_of(2) {
                probe.payload.truncate(0); // or nothing at all
            }
            world.client(alice).send(probe)
        })
        .collect();
    let before = (world.counters().packets_forwarded, world.sink(bob, track).packets);
    world.collect(alice);
    world.run(ms(500));
    assert_eq!(
        (world.counters().packets_forwarded, world.sink(bob, track).packets),
        before
    );
    assert!(
        numbers
            .iter()
            .all(|number| world.client(alice).told.get(number) == Some(&true))
    );
}
