//! What must go nowhere: packets that are not theirs, not new, not authentic, or not packets at all.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::wire::Rtp;
use common::{Person, World, ms, proof, up_to};
use hanse_sfu_core::command::{Codec, MediaCommand};
use hanse_sfu_core::simulation::check;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::net::SocketAddr;
use std::time::Duration;

/// Each of them stays for good once it has shown something.
const SEEDS: [u64; 3] = [31, 32, 0xbad];

const STRANGER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)),
    6_666,
);

fn meeting(seed: u64) -> (World, [Person; 3]) {
    let mut world = World::new(seed);
    let people = ["Alice", "Bob", "Carol"].map(|name| world.join(name));
    world.connect();
    world.meet(&people);
    world.run(ms(2_000));
    (world, people)
}

/// What a datagram of a person does: dropped, replayed, forwarded.
fn effect(world: &mut World, person: Person, datagram: Vec<u8>) -> (u64, u64, u64) {
    let before = world.counters();
    world.hand_in(person, datagram);
    let after = world.counters();
    (
        after.datagrams_dropped - before.datagrams_dropped,
        after.packets_replayed - before.packets_replayed,
        after.packets_forwarded - before.packets_forwarded,
    )
}

const DROPPED: (u64, u64, u64) = (1, 0, 0);

/// Everybody's media goes on as if nothing had happened.
fn undisturbed(world: &mut World) {
    world.run(ms(2_000));
    for client in &world.people {
        for sink in &client.sinks {
            proof::in_order(sink, Duration::ZERO);
            assert_eq!(
                proof::completeness(world, sink),
                1.0,
                "{} of {:?}",
                client.name,
                sink.track
            );
        }
    }
    proof::only_what_is_theirs(world);
}

/// The next picture packet of a person's large layer, not sent.
fn picture(world: &mut World, person: Person) -> Rtp {
    let track = world.camera(person);
    let mut rtp = world.source(person, track).latest(2);
    rtp.sequence += 1;
    rtp
}

#[test]
fn packets_of_a_stream_or_section_that_is_not_the_senders_go_nowhere() {
    for seed in SEEDS {
        let (mut world, [alice, bob, _]) = meeting(seed);
        let (hers, his) = (world.client(alice).extensions, picture(&mut world, bob));
        let his_camera = world.camera(bob);
        let his_mid = world.source(bob, his_camera).mid.as_bytes().to_vec();
        let sneak = |world: &mut World, what: &str, change: &dyn Fn(&mut Rtp)| {
            let mut rtp = picture(world, alice);
            change(&mut rtp);
            let (number, datagram) = world.client(alice).seal(rtp);
            assert_eq!(effect(world, alice, datagram), DROPPED, "seed {seed}: {what}");
            number
        };
        let numbers = [
            sneak(&mut world, "a stream that nobody negotiated", &|rtp| {
                rtp.ssrc ^= 0x5555
            }),
            sneak(&mut world, "Bob's stream", &|rtp| rtp.ssrc = his.ssrc),
            sneak(&mut world, "Bob's section on a new stream", &|rtp| {
                rtp.ssrc ^= 0x5555;
                rtp.set_extension(hers.mid.unwrap(), his_mid.clone());
                rtp.set_extension(hers.rid.unwrap(), b"f".to_vec());
            }),
            sneak(&mut world, "a layer that there is not", &|rtp| {
                rtp.ssrc ^= 0x5555;
                rtp.set_extension(hers.mid.unwrap(), his_mid.clone());
                rtp.set_extension(hers.rid.unwrap(), b"x".to_vec());
            }),
            sneak(&mut world, "another payload type", &|rtp| rtp.payload_type += 3),
        ];
        undisturbed(&mut world);
        let told = &world.client(alice).told;
        assert!(
            numbers.iter().all(|number| told.get(number) == Some(&false)),
            "and count for nothing"
        );
    }
}

#[test]
fn a_plan_that_names_somebody_elses_track_does_not_take_it_over() {
    for (shards, seed) in [(1, 33), (2, 34)] {
        let mut world = World::with_shards(seed, shards);
        let last = usize::from(shards) - 1;
        let (alice, bob, carol) = (
            world.join_on("Alice", 0),
            world.join_on("Bob", last),
            world.join_on("Carol", last),
        );
        world.connect();
        let track = world.publish(alice, Codec::Vp8);
        let own = world.publish(bob, Codec::Opus);
        // Bob's plan says that Alice's camera comes from him, under his own section.
        let now = world.now;
        world.client(bob).add_source(now, track, Codec::Vp8);
        world.negotiate(bob);
        world.subscribe(carol, track, up_to(2));
        world.subscribe(carol, own, up_to(0));
        world.run(ms(3_000));
        let sink = world.sink(carol, track);
        let hers = world.people[alice.0].source(track).streams[2]
            .sent
            .keys()
            .next_back()
            .copied()
            .unwrap();
        assert_eq!(proof::completeness(&world, sink), 1.0, "{shards} shards");
        assert!(sink.frames.last().unwrap().content.frame + 3 > hers);
        proof::in_order(sink, Duration::ZERO);
        assert!(world.sink(carol, own).packets > 100, "what is really Bob's flows");
        // His leaving does not end her camera.
        let connection = world.client(bob).connection;
        world.command(MediaCommand::CloseConnection { connection });
        let left = world.now;
        world.run(ms(1_000));
        assert!(
            world.sink(carol, track).latest.unwrap() > left + ms(900),
            "{shards} shards"
        );
        assert!(world.sink(carol, own).latest.unwrap() <= left + ms(15));
        // And somebody who comes later still gets it.
        let dave = world.join_on("Dave", last);
        world.connect();
        world.subscribe(dave, track, up_to(2));
        world.run(ms(1_000));
        assert!(!world.sink(dave, track).frames.is_empty(), "{shards} shards");
    }
}

#[test]
fn replayed_packets_are_not_forwarded_and_count_for_congestion_under_their_new_numbers() {
    for seed in SEEDS {
        let (mut world, [alice, ..]) = meeting(seed);
        for codec in [Codec::Opus, Codec::Vp8] {
            let track = if codec.is_video() {
                world.camera(alice)
            } else {
                world.microphone(alice)
            };
            let again = world.source(alice, track).latest(0);
            world.run(ms(100)); // it has arrived
            let (number, datagram) = world.client(alice).seal(again);
            assert_eq!(
                effect(&mut world, alice, datagram.clone()),
                (0, 1, 0),
                "seed {seed}: with a new number"
            );
            assert_eq!(
                effect(&mut world, alice, datagram),
                (0, 1, 0),
                "seed {seed}: bit for bit"
            );
            world.run(ms(300));
            assert_eq!(world.client(alice).told.get(&number), Some(&true));
        }
        undisturbed(&mut world);
    }
}

#[test]
fn forged_packets_go_nowhere_and_do_not_count() {
    for seed in SEEDS {
        let (mut world, [alice, ..]) = meeting(seed);
        let mut forged = Vec::new();
        for byte in [2, 3, 4, 20, 40, 300] {
            let rtp = picture(&mut world, alice);
            let (number, mut datagram) = world.client(alice).seal(rtp);
            datagram[byte] ^= 0x10;
            assert_eq!(
                effect(&mut world, alice, datagram),
                DROPPED,
                "seed {seed}: byte {byte}"
            );
            forged.push(number);
        }
        // Authentic, but not from an address that has shown that it knows her password.
        let rtp = picture(&mut world, alice);
        let (number, datagram) = world.client(alice).seal(rtp);
        world.arrive(STRANGER, datagram);
        forged.push(number);
        world.run(ms(300));
        // A byte that was damaged inside the transport-wide number speaks of another one.
        let told = &world.client(alice).told;
        assert!(
            forged.iter().all(|number| told.get(number) == Some(&false)),
            "{forged:?}"
        );
        assert!(world.nowhere.is_empty());
        undisturbed(&mut world);
    }
}

#[test]
fn ten_thousand_checks_for_nobody_are_not_answered_and_not_remembered() {
    let (mut world, [alice, ..]) = meeting(35);
    let memory = world.shards[0].memory();
    let password = world.client(alice).local.password.clone();
    let ufrag = world.client(alice).local.ufrag.clone();
    for number in 0..10_000 {
        let datagram = check(&format!("guess{number}:them"), &password, true);
        world.arrive(STRANGER, datagram);
    }
    // A real name, without the password or for another peer.
    let theirs = world.client(alice).remote.ufrag.clone();
    for datagram in [
        check(&format!("{ufrag}:{theirs}"), "a guess", true),
        check(&format!("{ufrag}:somebody"), &password, true),
        check(&ufrag, &password, true),
    ] {
        world.arrive(STRANGER, datagram);
    }
    assert_eq!(world.counters().datagrams_dropped, 10_003);
    assert_eq!(world.nowhere, [], "nothing is answered");
    assert_eq!(world.shards[0].memory(), memory);
    undisturbed(&mut world);
    // The same with the right password is answered, so the checks above were refused for their content.
    let datagram = world.client(alice).check();
    world.arrive(STRANGER, datagram);
    assert_eq!(world.nowhere.len(), 1);
}

/// A runner whose cases follow from a seed.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

#[test]
fn garbage_of_every_first_byte_changes_nothing() {
    let (world, [alice, ..]) = meeting(36);
    let world = std::cell::RefCell::new(world);
    let memory = world.borrow().shards[0].memory();
    let forwarded = world.borrow().counters().packets_forwarded;
    for first in 0..=u8::MAX {
        let bodies = (prop::collection::vec(any::<u8>(), 0..64), any::<bool>());
        runner(12)
            .run(&bodies, |(body, known)| {
                let mut world = world.borrow_mut();
                let source = if known {
                    world.client(alice).address
                } else {
                    STRANGER
                };
                world.arrive(source, [&[first], &body[..]].concat());
                prop_assert!(world.nowhere.is_empty());
                Ok(())
            })
            .unwrap();
    }
    let mut world = world.into_inner();
    assert_eq!(world.counters().packets_forwarded, forwarded);
    assert_eq!(world.shards[0].memory(), memory);
    world.arrive(STRANGER, Vec::new());
    undisturbed(&mut world);
}

#[test]
fn a_genuine_datagram_that_was_damaged_or_cut_changes_nothing() {
    let (mut world, [alice, ..]) = meeting(37);
    let rtp = picture(&mut world, alice);
    let media = world.client(alice).seal(rtp).1;
    let camera = world.camera(alice);
    let (sender_ssrc, media_ssrc) = (1, world.source(alice, camera).streams[0].ssrc);
    let pli = rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication {
        sender_ssrc,
        media_ssrc,
    };
    world.client(alice).send_control(&[Box::new(pli)]);
    let control = world.client(alice).outbox.pop().unwrap();
    let check = world.client(alice).check();
    let memory = world.shards[0].memory();
    let sent = world.people.iter().map(|client| client.sent_to).sum::<u64>();
    let world = std::cell::RefCell::new(world);
    let damage = (
        0..3_usize,
        any::<prop::sample::Index>(),
        1..=u8::MAX,
        prop::option::of(any::<prop::sample::Index>()),
    );
    runner(1_500)
        .run(&damage, |(which, at, flip, cut)| {
            let mut datagram = [&media, &control, &check][which].clone();
            let at = at.index(datagram.len());
            datagram[at] ^= flip;
            if let Some(cut) = cut {
                datagram.truncate(cut.index(datagram.len()));
            }
            let mut world = world.borrow_mut();
            world.hand_in(alice, datagram);
            Ok(())
        })
        .unwrap();
    let mut world = world.into_inner();
    assert_eq!(
        world.people.iter().map(|client| client.sent_to).sum::<u64>(),
        sent,
        "nothing is answered or forwarded"
    );
    assert_eq!(world.shards[0].memory(), memory);
    undisturbed(&mut world);
}
