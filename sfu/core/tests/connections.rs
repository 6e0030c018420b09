//! How connections begin, move and end, and what that means for those who look on.

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
use hanse_sfu_core::ICE_TIMEOUT;
use hanse_sfu_core::command::{Codec, ConnectionEnd, MediaCommand, MediaEvent};
use hanse_sfu_core::ids::TrackId;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Each of them stays for good once it has shown something.
const SEEDS: [u64; 2] = [41, 0xace];

fn meeting(seed: u64) -> (World, [Person; 3]) {
    let mut world = World::new(seed);
    let people = ["Alice", "Bob", "Carol"].map(|name| world.join(name));
    world.connect();
    world.meet(&people);
    world.run(ms(2_000));
    (world, people)
}

fn latest(world: &World, person: Person, track: TrackId) -> Instant {
    world.sink(person, track).latest.expect("a packet")
}

/// When the last packet that was sent now will have arrived.
fn under_way(world: &World) -> Instant {
    world.now + Link::CLEAN.delay
}

fn ended(world: &World, end: ConnectionEnd) -> usize {
    world.heard(|event| matches!(event, MediaEvent::Ended { end: heard, .. } if *heard == end))
}

#[test]
fn a_track_that_is_unpublished_ends_for_everybody_and_the_others_go_on() {
    for seed in SEEDS {
        let (mut world, [alice, bob, carol]) = meeting(seed);
        let (camera, microphone) = (world.camera(alice), world.microphone(alice));
        world.unpublish(alice, camera);
        let last = under_way(&world);
        world.run(ms(2_000));
        for person in [bob, carol] {
            assert!(latest(&world, person, camera) <= last, "seed {seed}");
            assert!(
                latest(&world, person, microphone) > last + ms(1_900),
                "seed {seed}"
            );
        }
        // She shows something again, as a new track.
        let again = world.publish(alice, Codec::Vp8);
        world.subscribe(bob, again, up_to(2));
        world.run(ms(1_500));
        let sink = world.sink(bob, again);
        assert!(sink.frames.first().unwrap().content.key);
        assert_eq!(proof::completeness(&world, sink), 1.0);
        assert!(
            world.people[carol.0].sinks.iter().all(|sink| sink.track != again),
            "Carol did not subscribe"
        );
        proof::only_what_is_theirs(&world);
    }
}

#[test]
fn a_track_that_was_unpublished_while_its_packets_still_come_is_not_forwarded() {
    let (mut world, [alice, bob, _]) = meeting(43);
    let camera = world.camera(alice);
    // The device has not noticed yet and goes on sending.
    let mut plan = world.client(alice).plan();
    plan.sections.retain(|section| section.track != camera);
    let connection = world.client(alice).connection;
    let dropped = world.counters().datagrams_dropped;
    world.command(MediaCommand::SetReceivePlan { connection, plan });
    let last = under_way(&world);
    world.run(ms(1_000));
    assert!(latest(&world, bob, camera) <= last);
    assert!(world.counters().datagrams_dropped > dropped + 50);
}

#[test]
fn a_muted_device_is_silent_and_goes_on_where_it_was() {
    for seed in SEEDS {
        let (mut world, [alice, bob, _]) = meeting(seed);
        let (camera, microphone) = (world.camera(alice), world.microphone(alice));
        let asked = |world: &World| -> usize {
            world.people[alice.0]
                .source(camera)
                .streams
                .iter()
                .map(|stream| stream.asked_us.len())
                .sum()
        };
        for track in [camera, microphone] {
            world.source(alice, track).muted = true;
        }
        world.run(ms(100));
        let (silent, before) = (world.now, asked(&world));
        world.run(ms(5_000));
        for track in [camera, microphone] {
            assert!(latest(&world, bob, track) < silent, "seed {seed}");
        }
        assert!(
            asked(&world) <= before + 1,
            "a camera that is off is not asked for pictures"
        );
        for track in [camera, microphone] {
            world.source(alice, track).muted = false;
            world
                .source(alice, track)
                .streams
                .iter_mut()
                .for_each(|stream| stream.key_wanted = true);
        }
        world.run(ms(2_000));
        for track in [camera, microphone] {
            let sink = world.sink(bob, track);
            assert!(latest(&world, bob, track) > silent + ms(6_500), "seed {seed}");
            assert_eq!(proof::completeness(&world, sink), 1.0, "seed {seed}");
            proof::in_order(sink, ms(50));
        }
    }
}

#[test]
fn closing_a_connection_ends_both_directions_and_leaves_nothing_behind() {
    for seed in SEEDS {
        let (mut world, [alice, bob, carol]) = meeting(seed);
        let (camera, his) = (world.camera(alice), world.camera(bob));
        world.close(alice);
        let (last, sent) = (under_way(&world), world.client(alice).sent_to);
        world.run(ms(2_000));
        assert_eq!(
            world.client(alice).sent_to,
            sent,
            "nothing is sent to her, not even answers to her checks"
        );
        for person in [bob, carol] {
            assert!(latest(&world, person, camera) <= last);
        }
        assert!(
            latest(&world, carol, his) > last + ms(1_900),
            "Bob and Carol go on"
        );
        assert_eq!(
            world.heard(|event| matches!(event, MediaEvent::Ended { .. })),
            0,
            "she was told to go"
        );
        world.close(bob);
        world.close(carol);
        assert_eq!(world.shards[0].memory(), Default::default());
        assert_eq!(world.shards[0].poll_timeout(), None, "an empty shard sleeps");
    }
}

#[test]
fn whoever_rejoins_under_new_ids_gets_and_gives_everything() {
    for seed in SEEDS {
        let (mut world, [alice, bob, carol]) = meeting(seed);
        let gone = world.camera(alice);
        world.close(alice);
        world.client(alice).off = true;
        let last = under_way(&world);
        world.run(ms(300));
        let again = world.join("Alice");
        world.connect();
        let camera = world.publish(again, Codec::Vp8);
        world.subscribe_to_all(again, &[bob, carol]);
        world.subscribe(bob, camera, up_to(2));
        world.run(ms(2_500));
        assert_eq!(world.people[again.0].sinks.len(), 4);
        for sink in world.people[again.0]
            .sinks
            .iter()
            .chain([world.sink(bob, camera)])
        {
            assert!(sink.latest.unwrap() > last + ms(2_500), "seed {seed}");
            proof::in_order(sink, Duration::ZERO);
            assert_eq!(proof::completeness(&world, sink), 1.0, "seed {seed}");
        }
        assert!(latest(&world, bob, gone) <= last);
        proof::only_what_is_theirs(&world);
    }
}

#[test]
fn whoever_comes_again_from_the_same_address_is_not_cut_off_when_the_old_connection_ends() {
    for closed in [true, false] {
        let (mut world, [alice, bob, _]) = meeting(44);
        let address = world.client(alice).address;
        world.client(alice).off = true;
        let again = world.join_from("Alice", address);
        world.connect();
        let camera = world.publish(again, Codec::Vp8);
        world.subscribe(bob, camera, up_to(2));
        world.subscribe_to_all(again, &[bob]);
        world.run(ms(1_000));
        // The old one ends: by the control side, or because nobody checks it any more.
        if closed {
            world.close(alice);
        }
        world.run(ICE_TIMEOUT + ms(2_000));
        assert_eq!(ended(&world, ConnectionEnd::IceTimeout), usize::from(!closed));
        for sink in world.people[again.0]
            .sinks
            .iter()
            .chain([world.sink(bob, camera)])
        {
            assert!(
                sink.latest.unwrap() > world.now - ms(100),
                "closed {closed}: {:?}",
                sink.codec
            );
            assert_eq!(proof::completeness(&world, sink), 1.0, "closed {closed}");
        }
    }
}

#[test]
fn a_peer_that_checks_no_more_is_gone_after_fifteen_seconds_and_hears_nothing_then() {
    assert_eq!(ICE_TIMEOUT, ms(15_000));
    for seed in SEEDS {
        let (mut world, [alice, bob, _]) = meeting(seed);
        let camera = world.camera(alice);
        // Her media still comes: consent is by checks alone (RFC 7675).
        world.client(alice).checking = false;
        let stopped = world.now;
        world.run(ICE_TIMEOUT - ms(2_600));
        assert_eq!(ended(&world, ConnectionEnd::IceTimeout), 0, "seed {seed}");
        assert!(latest(&world, bob, camera) > world.now - ms(200));
        world.run_until(ms(2_700), "she is given up", |world| {
            ended(world, ConnectionEnd::IceTimeout) == 1
        });
        let connection = world.client(alice).connection;
        let expected = MediaEvent::Ended {
            connection,
            end: ConnectionEnd::IceTimeout,
        };
        assert_eq!(world.events.last(), Some(&(world.now, expected)));
        assert!(world.now - stopped <= ICE_TIMEOUT + ms(20));
        let (last, sent) = (under_way(&world), world.client(alice).sent_to);
        world.client(alice).checking = true;
        world.run(ms(3_000));
        assert_eq!(world.client(alice).sent_to, sent, "she is not known any more");
        assert!(latest(&world, bob, camera) <= last);
        assert_eq!(
            ended(&world, ConnectionEnd::IceTimeout),
            1,
            "Bob and Carol are still here"
        );
    }
}

#[test]
fn a_peer_that_moves_to_another_address_takes_its_media_along() {
    for seed in SEEDS {
        for shards in [1, 2] {
            let mut world = World::with_shards(seed, shards);
            let (alice, bob) = (
                world.join_on("Alice", 0),
                world.join_on("Bob", usize::from(shards) - 1),
            );
            world.connect();
            world.meet(&[alice, bob]);
            world.run(ms(2_000));
            let (hers, his) = (world.camera(alice), world.camera(bob));
            let old = world.client(alice).address;
            let new = SocketAddr::from(([198, 51, 100, 7], 50_000));
            // The kernel's hash puts the new address on the last shard, wherever she lives.
            world.routes.insert(new, usize::from(shards) - 1);
            world.client(alice).address = new;
            let check = world.client(alice).check();
            world.client(alice).outbox.push(check);
            world.collect(alice);
            world.run(ms(3_000));
            let what = format!("seed {seed}, {shards} shards");
            let late = world.nowhere.iter().filter(|(to, _)| *to == old).count();
            assert!(
                late < 20,
                "{what}: {late} went to the old address while the check was under way"
            );
            world.nowhere.clear();
            world.run(ms(1_000));
            assert_eq!(world.nowhere, [], "{what}: nothing more");
            for (person, track) in [(alice, his), (bob, hers)] {
                assert!(latest(&world, person, track) > world.now - ms(100), "{what}");
                assert!(
                    proof::completeness(&world, world.sink(person, track)) > 0.99,
                    "{what}"
                );
            }
            proof::only_what_is_theirs(&world);
        }
    }
}

#[test]
fn only_a_nominated_address_gets_media() {
    let (mut world, [alice, ..]) = meeting(45);
    let (client, elsewhere) = (world.client(alice), SocketAddr::from(([198, 51, 100, 8], 1)));
    let username = format!("{}:{}", client.local.ufrag, client.remote.ufrag);
    let check = hanse_sfu_core::simulation::check(&username, &client.local.password.clone(), false);
    world.arrive(elsewhere, check);
    world.run(ms(500));
    let to: Vec<_> = world.nowhere.iter().filter(|(to, _)| *to == elsewhere).collect();
    assert_eq!(to.len(), 1, "the answer to the check and nothing else");
}
