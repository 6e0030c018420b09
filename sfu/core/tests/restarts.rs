//! Restarts of ICE: new credentials for a connection that goes on as it was.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::{Person, World, ms, proof};
use hanse_sfu_core::command::{IceCredentials, MediaCommand, MediaEvent};
use hanse_sfu_core::ids::TrackId;
use std::net::SocketAddr;
use std::time::Duration;

const SEEDS: [u64; 2] = [51, 0xbeef];

/// Ours, and the device's.
type Credentials = (IceCredentials, IceCredentials);

/// Two people, on the first and the last shard.
fn meeting(seed: u64, shards: u16) -> (World, Person, Person) {
    let mut world = World::with_shards(seed, shards);
    let alice = world.join_on("Alice", 0);
    let bob = world.join_on("Bob", usize::from(shards) - 1);
    world.connect();
    world.meet(&[alice, bob]);
    world.run(ms(2_000));
    (world, alice, bob)
}

/// The control side restarts ICE; the device has not heard of it yet.
fn restart(world: &mut World, person: Person, turn: u32) -> Credentials {
    let connection = world.client(person).connection;
    let credentials = |side: &str| IceCredentials {
        ufrag: format!("{side}{}x{turn}", connection.0),
        password: format!("{side} password of restart {turn:04}"),
    };
    let (local, remote) = (credentials("ours"), credentials("them"));
    world.command(MediaCommand::RestartIce {
        connection,
        local: local.clone(),
        remote: remote.clone(),
    });
    (local, remote)
}

/// The device checks with new credentials from now on.
fn follow(world: &mut World, person: Person, (local, remote): &Credentials) {
    let client = world.client(person);
    (client.local, client.remote) = (local.clone(), remote.clone());
    let check = client.check();
    client.outbox.push(check);
    world.collect(person);
}

/// A check with these credentials from an address: whether it is answered there.
fn is_answered(world: &mut World, person: Person, from: SocketAddr, with: &Credentials) -> bool {
    let client = world.client(person);
    let own = (client.local.clone(), client.remote.clone());
    (client.local, client.remote) = with.clone();
    let check = client.check();
    (client.local, client.remote) = own;
    let before = world.nowhere.len();
    world.arrive(from, check);
    world.nowhere[before..]
        .iter()
        .any(|(to, datagram)| *to == from && datagram[0] <= 3)
}

fn credentials(world: &mut World, person: Person) -> Credentials {
    let client = world.client(person);
    (client.local.clone(), client.remote.clone())
}

/// Runs, and says the longest time without a packet of a track.
fn longest_gap(world: &mut World, person: Person, track: TrackId, time: Duration) -> Duration {
    let end = world.now + time;
    let mut longest = Duration::ZERO;
    while world.now < end {
        world.run(ms(5));
        let latest = world.sink(person, track).latest.expect("a packet");
        longest = longest.max(world.now.saturating_duration_since(latest));
    }
    longest
}

fn elsewhere(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 9], port))
}

#[test]
fn media_goes_on_through_a_restart_without_a_gap_or_a_new_key_frame() {
    for seed in SEEDS {
        for shards in [1, 2] {
            let (mut world, alice, bob) = meeting(seed, shards);
            let (his, hers) = (world.microphone(bob), world.microphone(alice));
            let (asked, events) = (world.counters().plis_out, world.events.len());
            let what = format!("seed {seed}, {shards} shards");
            let new = restart(&mut world, alice, 1);
            let before = longest_gap(&mut world, alice, his, ms(600));
            follow(&mut world, alice, &new);
            let after =
                longest_gap(&mut world, bob, hers, ms(600)).max(longest_gap(&mut world, alice, his, ms(600)));
            assert!(before.max(after) <= ms(60), "{what}: {before:?}, {after:?}");
            for (person, other) in [(alice, bob), (bob, alice)] {
                for track in world.tracks(other) {
                    let sink = world.sink(person, track);
                    assert_eq!(proof::completeness(&world, sink), 1.0, "{what}");
                    proof::in_order(sink, ms(50));
                }
            }
            assert_eq!(world.counters().plis_out, asked, "{what}");
            let is_change =
                |event: &MediaEvent| matches!(event, MediaEvent::Connected { .. } | MediaEvent::Ended { .. });
            let changes = world.events[events..]
                .iter()
                .filter(|(_, event)| is_change(event));
            assert_eq!(changes.count(), 0, "{what}");
            // Her checks are answered for as long as she is there.
            world.run(ms(20_000));
            assert!(
                world.sink(bob, hers).latest.unwrap() > world.now - ms(100),
                "{what}"
            );
        }
    }
}

#[test]
fn a_device_that_restarts_in_another_network_has_its_media_there_within_a_second() {
    for seed in SEEDS {
        for shards in [1, 2] {
            let (mut world, alice, bob) = meeting(seed, shards);
            let (hers, his) = (world.camera(alice), world.camera(bob));
            let what = format!("seed {seed}, {shards} shards");
            // The old network is gone for three seconds before the client notices and comes again.
            world.client(alice).address = elsewhere(7);
            world.routes.insert(elsewhere(7), usize::from(shards) - 1);
            world.client(alice).checking = false;
            world.run(ms(3_000));
            let new = restart(&mut world, alice, 1);
            world.client(alice).checking = true;
            follow(&mut world, alice, &new);
            let moved = world.now;
            for (person, track) in [(alice, his), (bob, hers)] {
                world.run_until(ms(1_000), "media flows again", |world| {
                    world
                        .sink(person, track)
                        .latest
                        .is_some_and(|latest| latest > moved)
                });
            }
            world.run(ms(2_000));
            world.nowhere.clear();
            world.run(ms(1_000));
            assert_eq!(world.nowhere, [], "{what}: nothing goes to the old address");
            proof::only_what_is_theirs(&world);
        }
    }
}

#[test]
fn a_device_that_moves_without_a_word_has_its_media_within_a_second_of_its_check() {
    for shards in [1, 2] {
        let (mut world, alice, bob) = meeting(52, shards);
        let his = world.camera(bob);
        world.client(alice).address = elsewhere(8);
        world.routes.insert(elsewhere(8), usize::from(shards) - 1);
        let own = credentials(&mut world, alice);
        follow(&mut world, alice, &own);
        let moved = world.now;
        world.run_until(ms(1_000), "media flows there", |world| {
            world
                .sink(alice, his)
                .latest
                .is_some_and(|latest| latest > moved + ms(100))
        });
    }
}

/// Checks an address, without nominating it.
fn check_quietly(world: &mut World, person: Person, from: SocketAddr) {
    let (own, remote) = credentials(world, person);
    let username = format!("{}:{}", own.ufrag, remote.ufrag);
    let check = hanse_sfu_core::simulation::check(&username, &own.password, false);
    world.arrive(from, check);
}

#[test]
fn a_device_that_leaves_a_dead_path_for_another_has_its_media_there_before_it_nominates_it() {
    for seed in SEEDS {
        for shards in [1, 2] {
            let (mut world, alice, bob) = meeting(seed, shards);
            let his = world.microphone(bob);
            let what = format!("seed {seed}, {shards} shards");
            let new = elsewhere(10);
            world.routes.insert(new, usize::from(shards) - 1);
            check_quietly(&mut world, alice, new);
            world.run(ms(300));
            let old = std::mem::replace(&mut world.client(alice).address, new);
            world.client(alice).checking = false;
            let moved = world.now;
            world.run_until(ms(500), "media flows there", |world| {
                world.sink(alice, his).latest.is_some_and(|latest| latest > moved)
            });
            world.run(ms(200));
            world.nowhere.clear();
            world.run(ms(1_000));
            assert_eq!(world.nowhere, [], "{what}: nothing goes to {old}");
            proof::only_what_is_theirs(&world);
        }
    }
}

#[test]
fn what_comes_from_a_second_path_moves_nothing_while_the_one_in_use_speaks() {
    for seed in SEEDS {
        let (mut world, alice, bob) = meeting(seed, 1);
        let his = world.microphone(bob);
        let new = elsewhere(11);
        check_quietly(&mut world, alice, new);
        world.run(ms(300));
        world.nowhere.clear();
        world.client(alice).checking = false;
        // Every other tenth of a second of what she sends goes by the other path.
        for _ in 0..10 {
            let old = std::mem::replace(&mut world.client(alice).address, new);
            world.run(ms(100));
            world.client(alice).address = old;
            world.run(ms(100));
        }
        let there: Vec<_> = world.nowhere.iter().filter(|(to, _)| *to == new).collect();
        assert_eq!(there.len(), 0, "seed {seed}");
        assert!(world.sink(alice, his).latest.unwrap() > world.now - ms(100));
    }
}

#[test]
fn the_credentials_before_are_good_until_the_new_ones_are_used() {
    for shards in [1, 2] {
        let (mut world, alice, _) = meeting(53, shards);
        // From addresses that the kernel gives to the last shard, wherever she lives.
        for port in 1..=8 {
            world.routes.insert(elsewhere(port), usize::from(shards) - 1);
        }
        let old = credentials(&mut world, alice);
        let new = restart(&mut world, alice, 1);
        assert!(is_answered(&mut world, alice, elsewhere(1), &old));
        // Somebody who only knows the new names has no password.
        let mut forged = new.clone();
        forged.0.password = old.0.password.clone();
        assert!(!is_answered(&mut world, alice, elsewhere(2), &forged));
        let mut foreign = new.clone();
        foreign.1.ufrag = old.1.ufrag.clone();
        assert!(!is_answered(&mut world, alice, elsewhere(3), &foreign));
        assert!(
            is_answered(&mut world, alice, elsewhere(4), &old),
            "nothing has changed"
        );
        assert!(is_answered(&mut world, alice, elsewhere(5), &new));
        assert!(!is_answered(&mut world, alice, elsewhere(6), &old));
        assert!(is_answered(&mut world, alice, elsewhere(7), &new));
        world.close(alice);
        assert!(!is_answered(&mut world, alice, elsewhere(8), &new));
    }
}

#[test]
fn of_restarts_that_were_not_followed_only_the_last_one_counts_and_nothing_piles_up() {
    for shards in [1, 2] {
        let (mut world, alice, bob) = meeting(54, shards);
        for port in 1..=4 {
            world.routes.insert(elsewhere(port), usize::from(shards) - 1);
        }
        let memory = |world: &World| -> usize { world.shards.iter().map(|it| it.memory().foreign).sum() };
        let before = memory(&world);
        let old = credentials(&mut world, alice);
        let all: Vec<Credentials> = (0..50).map(|turn| restart(&mut world, alice, turn)).collect();
        let ufrags = usize::from(shards) - 1;
        assert_eq!(memory(&world), before + ufrags, "one more name");
        assert!(!is_answered(&mut world, alice, elsewhere(1), &all[48]));
        assert!(is_answered(&mut world, alice, elsewhere(2), &old));
        assert!(is_answered(&mut world, alice, elsewhere(3), &all[49]));
        assert!(!is_answered(&mut world, alice, elsewhere(4), &old));
        follow(&mut world, alice, &all[49]);
        world.run(ms(3_000));
        let his = world.microphone(bob);
        assert!(world.sink(alice, his).latest.unwrap() > world.now - ms(100));
        world.close(alice);
        world.close(bob);
        for shard in &world.shards {
            let memory = shard.memory();
            assert_eq!((memory.connections, memory.addresses), (0, 0));
        }
    }
}

#[test]
fn a_restart_that_is_followed_while_the_next_one_is_on_its_way_is_not_lost() {
    let (mut world, alice, _) = meeting(55, 2);
    for port in 1..=5 {
        world.routes.insert(elsewhere(port), 1);
    }
    let old = credentials(&mut world, alice);
    let first = restart(&mut world, alice, 1);
    // Her shard takes the check, and the control side has not heard of it when it restarts again.
    (world.client(alice).local, world.client(alice).remote) = first.clone();
    let (check, address) = (world.client(alice).check(), world.client(alice).address);
    world.arrive_at(0, address, check);
    let second = restart(&mut world, alice, 2);
    assert!(!is_answered(&mut world, alice, elsewhere(1), &old));
    assert!(is_answered(&mut world, alice, elsewhere(2), &first));
    assert!(is_answered(&mut world, alice, elsewhere(3), &second));
    assert!(!is_answered(&mut world, alice, elsewhere(4), &first));
    assert!(is_answered(&mut world, alice, elsewhere(5), &second));
}

#[test]
fn a_restart_before_the_first_check_is_expected_by_every_shard() {
    for shard in [0, 1] {
        let mut world = World::with_shards(56, 2);
        let alice = world.join_on("Alice", shard);
        let new = restart(&mut world, alice, 1);
        follow(&mut world, alice, &new);
        world.connect();
        let bob = world.join_on("Bob", 0);
        world.connect();
        world.meet(&[alice, bob]);
        world.run(ms(2_000));
        let his = world.camera(bob);
        assert_eq!(proof::completeness(&world, world.sink(alice, his)), 1.0);
        let connections: usize = world.shards.iter().map(|it| it.memory().connections).sum();
        assert_eq!(connections, 2, "nobody else has her");
    }
}

#[test]
fn a_restart_of_nobody_changes_nothing() {
    let (mut world, alice, _) = meeting(57, 2);
    world.close(alice);
    let foreign: usize = world.shards.iter().map(|it| it.memory().foreign).sum();
    let new = restart(&mut world, alice, 1);
    assert!(!is_answered(&mut world, alice, elsewhere(1), &new));
    assert_eq!(
        world.shards.iter().map(|it| it.memory().foreign).sum::<usize>(),
        foreign
    );
}
