//! A room across two shards of one node, in memory.

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
use hanse_sfu_core::command::{Codec, MediaEvent};
use hanse_sfu_core::ids::TrackId;
use hanse_sfu_core::simulation::HANDSHAKE;
use std::collections::BTreeMap;
use std::time::Duration;

/// Each of them stays for good once it has shown something.
const SEEDS: [u64; 3] = [51, 52, 0x0b0e];

/// Alice and Bob on the first shard, Carol and Dave on the last.
fn meeting(seed: u64, shards: u16, link: Link) -> (World, [Person; 4]) {
    let mut world = World::with_shards(seed, shards);
    world.link = link;
    let last = usize::from(shards) - 1;
    let people = [("Alice", 0), ("Bob", 0), ("Carol", last), ("Dave", last)];
    let people = people.map(|(name, shard)| world.join_on(name, shard));
    world.connect();
    world.meet(&people);
    (world, people)
}

/// What somebody received of a track: which frames, in which order.
type Received = BTreeMap<(&'static str, TrackId), Vec<(TrackId, u8, u32, bool)>>;

fn received(world: &World) -> Received {
    let mut received = Received::new();
    for client in &world.people {
        for sink in &client.sinks {
            let names = sink.frames.iter().map(common::sink::Frame::name).collect();
            received.insert((client.name, sink.track), names);
        }
    }
    received
}

#[test]
fn a_room_across_two_shards_loses_and_reorders_nothing_compared_with_one() {
    for seed in SEEDS {
        let run = |shards| {
            let (mut world, [_, bob, carol, dave]) = meeting(seed, shards, Link::CLEAN);
            world.run(ms(2_000));
            // Wishes change on both sides.
            let (his, hers) = (world.camera(bob), world.camera(carol));
            world.want(carol, his, up_to(0));
            world.want(bob, hers, HIDDEN);
            world.run(ms(1_500));
            world.want(dave, his, up_to(1));
            world.want(bob, hers, up_to(1));
            world.run(ms(2_500));
            world
        };
        let (one, two) = (run(1), run(2));
        assert_eq!(one.crossed, [0; 4]);
        assert!(
            two.crossed[1] > 1_000 && two.crossed[2] > 10 && two.crossed[3] > 0,
            "{:?}",
            two.crossed
        );
        assert_eq!(two.crossed[0], 0, "everybody's datagrams arrive where they live");
        let (one_shard, two_shards) = (received(&one), received(&two));
        assert_eq!(one_shard.len(), 4 * 6);
        for (who, frames) in &one_shard {
            assert!(frames.len() > 60, "{who:?}");
            assert_eq!(frames, &two_shards[who], "seed {seed}: {who:?}");
        }
        for sink in two.people.iter().flat_map(|client| &client.sinks) {
            proof::in_order(sink, Duration::ZERO);
            assert_eq!((sink.given_up, sink.broken_frames, sink.duplicates), (0, 0, 0));
        }
        proof::only_what_is_theirs(&two);
    }
}

#[test]
fn a_packet_crosses_once_however_many_subscribers_wait_over_there() {
    let mut world = World::with_shards(54, 2);
    let alice = world.join_on("Alice", 0);
    let audience = ["Bob", "Carol", "Dave"].map(|name| world.join_on(name, 1));
    world.connect();
    let track = world.publish(alice, Codec::Opus);
    world.run(ms(1_000));
    assert_eq!(world.crossed, [0; 4], "nobody over there wants it");
    for person in audience {
        world.subscribe(person, track, up_to(0));
    }
    let (crossed, forwarded) = (world.crossed[1], world.counters().packets_forwarded);
    world.run(ms(2_000));
    let crossed = world.crossed[1] - crossed;
    assert!((99..=101).contains(&crossed), "{crossed}");
    assert_eq!(world.counters().packets_forwarded - forwarded, crossed * 3);
}

#[test]
fn over_bad_links_a_room_across_shards_is_repaired_like_any_other() {
    for seed in SEEDS {
        let (mut world, [alice, _, carol, dave]) = meeting(seed, 2, Link::BAD);
        world.run(ms(8_000));
        let camera = world.camera(alice);
        for person in [carol, dave] {
            let sink = world.sink(person, camera);
            let complete = proof::completeness(&world, sink);
            assert!(complete >= 0.99, "seed {seed}: {complete}");
            assert!(sink.repaired > 5);
            proof::in_order(sink, ms(400));
        }
        proof::only_what_is_theirs(&world);
    }
}

#[test]
fn a_key_frame_that_somebody_on_another_shard_needs_is_asked_of_the_publisher_once_in_half_a_second() {
    let (mut world, [alice, bob, carol, dave]) = meeting(55, 2, Link::CLEAN);
    world.run(ms(3_000));
    let camera = world.camera(alice);
    let asked = |world: &World| world.people[alice.0].source(camera).streams[2].asked_us.clone();
    let before = asked(&world).len();
    world.client(carol).ask_for_key_frame(camera);
    world.collect(carol);
    world.run(ms(200));
    assert_eq!(asked(&world).len(), before + 1, "it crosses at once");
    for _ in 0..100 {
        for person in [bob, carol, dave] {
            world.client(person).ask_for_key_frame(camera);
            world.collect(person);
        }
        world.run(ms(20));
    }
    let asked = asked(&world);
    assert!(
        (before + 4..=before + 6).contains(&asked.len()),
        "in 2 s: {}",
        asked.len() - before
    );
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= 500_000));
}

#[test]
fn datagrams_that_arrive_at_the_wrong_shard_are_handed_over() {
    let (mut world, [alice, _, carol, _]) = meeting(56, 2, Link::CLEAN);
    world.run(ms(2_000));
    let (camera, address) = (world.camera(alice), world.client(alice).address);
    world.routes.insert(address, 1);
    // Before her next check the other shard does not know her; from it on, all of it is handed over.
    let check = world.client(alice).check();
    world.client(alice).outbox.push(check);
    world.collect(alice);
    world.run(ms(50));
    let (answered, before) = (world.client(alice).checks_answered, world.crossed[0]);
    let frames = world.sink(carol, camera).frames.len();
    world.client(carol).ask_for_key_frame(camera);
    world.collect(carol);
    world.run(ms(3_000));
    assert!(world.crossed[0] > before + 300);
    assert!(world.client(alice).checks_answered > answered);
    let sink = world.sink(carol, camera);
    assert!(sink.frames.len() >= frames + 58, "all of it");
    proof::in_order(sink, Duration::ZERO);
    proof::only_what_is_theirs(&world);
    assert_eq!(
        world.heard(|event| matches!(event, MediaEvent::Connected { .. })),
        4,
        "nobody connected anew"
    );
}

#[test]
fn two_shards_that_claim_a_connection_at_once_end_with_one_owner() {
    for first in [0, 1] {
        let mut world = World::with_shards(57, 2);
        let (bob, alice) = (world.join_on("Bob", 0), world.join_on("Alice", first));
        let (address, check) = (world.client(alice).address, world.client(alice).check());
        // Her first check reaches one shard, its repetition the other, and so do her first DTLS records, before either
        // has heard of the other's claim.
        for shard in [first, 1 - first] {
            world.arrive_at(shard, address, check.clone());
            world.arrive_at(shard, address, HANDSHAKE.to_vec());
        }
        world.settle();
        world.connect();
        world.meet(&[alice, bob]);
        world.run(ms(3_000));
        for (person, other) in [(alice, bob), (bob, alice)] {
            let sink = world.sink(person, world.camera(other));
            assert_eq!(proof::completeness(&world, sink), 1.0, "first {first}");
            assert!(sink.latest.unwrap() > world.now - ms(100), "first {first}");
        }
        let connection = world.client(alice).connection;
        let heard = world.heard(|event| *event == MediaEvent::Connected { connection });
        assert_eq!(heard, 1, "once per connection, whoever handles it");
        assert_eq!(world.heard(|event| matches!(event, MediaEvent::Ended { .. })), 0);
        let connections: usize = world.shards.iter().map(|shard| shard.memory().connections).sum();
        assert_eq!(connections, 2, "one owner each");
        proof::only_what_is_theirs(&world);
    }
}

#[test]
fn a_datagram_for_a_connection_that_both_shards_have_forgotten_is_not_passed_on_for_ever() {
    let mut world = World::with_shards(58, 2);
    // Two connections in turn from one address, each owned by the shard at which its checks do not arrive afterwards.
    let address = std::net::SocketAddr::from(([192, 0, 2, 9], 9));
    let mut late = Vec::new();
    for owner in [0, 1] {
        world.routes.insert(address, owner);
        let person = world.join_from("Alice", address);
        world.connect();
        world.routes.insert(address, 1 - owner);
        world.run(ms(3_000));
        assert!(world.crossed[0] > 0);
        let track = world.publish(person, Codec::Opus);
        world.run(ms(500));
        let rtp = world.source(person, track).latest(0);
        late.push(world.client(person).seal(rtp).1);
        world.close(person);
        world.client(person).off = true;
        world.run(ms(100));
    }
    let before = world.crossed[0];
    for shard in [0, 1] {
        for datagram in &late {
            world.arrive_at(shard, address, datagram.clone());
            world.settle();
        }
    }
    assert!(world.crossed[0] <= before + 4, "once each");
}

#[test]
fn whoever_leaves_a_room_across_shards_leaves_nothing_behind() {
    for seed in SEEDS {
        let (mut world, [alice, bob, carol, dave]) = meeting(seed, 2, Link::CLEAN);
        world.run(ms(2_000));
        world.close(alice);
        let (camera, gone) = (world.camera(alice), world.now);
        world.run(ms(1_000));
        for person in [bob, carol, dave] {
            assert!(
                world.sink(person, camera).latest.unwrap() <= gone + ms(15),
                "seed {seed}"
            );
        }
        let his = world.camera(bob);
        assert!(
            world.sink(carol, his).latest.unwrap() > gone + ms(900),
            "seed {seed}"
        );
        [bob, carol, dave].iter().for_each(|person| world.close(*person));
        for shard in &world.shards {
            let memory = shard.memory();
            assert_eq!(
                (memory.connections, memory.tracks, memory.down_tracks),
                (0, 0, 0),
                "seed {seed}"
            );
            assert_eq!((memory.addresses, memory.foreign), (0, 0), "seed {seed}");
        }
    }
}
