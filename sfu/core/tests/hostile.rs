//! Somebody who is in the call, with the keys to prove it, and means harm: whatever they send, it costs themselves only.

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
use hanse_sfu_core::command::Codec;
use hanse_sfu_core::fuzz::{Script, examine};
use hanse_sfu_core::ids::TrackId;
use hanse_sfu_core::shard::ShardMemory;
use std::cell::RefCell;
use std::time::Duration;

/// Streams of one peer that the SFU knows (`STREAMS_MAX` in `src/connection.rs`).
const STREAMS_MAX: usize = 128;

/// Alice and Bob hold a call. Mallory publishes a camera and a microphone that Carol alone receives; her device has
/// stopped, so nobody looks at what Mallory makes of it.
struct Call {
    world: World,
    alice: Person,
    bob: Person,
    mallory: Person,
    carol: Person,
    /// Packets of Mallory's that no device would have sent.
    sent: u64,
}

impl Call {
    fn new(seed: u64) -> Call {
        let mut world = World::new(seed);
        let [alice, bob, mallory, carol] = ["Alice", "Bob", "Mallory", "Carol"].map(|name| world.join(name));
        world.connect();
        world.meet(&[alice, bob]);
        for codec in [Codec::Vp8, Codec::Opus] {
            let track = world.publish(mallory, codec);
            world.subscribe(carol, track, up_to(2));
        }
        for track in world.tracks(alice) {
            world.subscribe(mallory, track, up_to(2));
        }
        world.run(ms(2_000));
        world.client(carol).off = true;
        Call {
            world,
            alice,
            bob,
            mallory,
            carol,
            sent: 0,
        }
    }

    fn memory(&self) -> ShardMemory {
        self.world.shards[0].memory()
    }

    /// Alice and Bob see and hear each other as if nobody else were there; nobody gets what is not theirs.
    fn is_undisturbed(&mut self) {
        self.world.run(ms(2_000));
        for person in [self.alice, self.bob] {
            for sink in &self.world.people[person.0].sinks {
                proof::in_order(sink, Duration::ZERO);
                assert_eq!(proof::completeness(&self.world, sink), 1.0, "{:?}", sink.track);
            }
        }
        proof::only_what_is_theirs(&self.world);
    }

    /// The next packet of one of Mallory's tracks, not sent.
    fn next(&mut self, track: TrackId, at: usize) -> Rtp {
        let mut rtp = self.world.source(self.mallory, track).latest(at);
        self.sent += 1;
        rtp.sequence += self.sent;
        rtp.timestamp = rtp.timestamp.wrapping_add(self.sent as u32 * 100);
        rtp
    }

    /// Mallory seals and sends it; it arrives at once.
    fn send(&mut self, rtp: Rtp) {
        let datagram = self.world.client(self.mallory).seal(rtp).1;
        self.world.hand_in(self.mallory, datagram);
    }

    /// What a list of bytes says, sealed with Mallory's own keys: media with any numbers, names and content, and reports.
    fn play(&mut self, script: &[u8]) {
        let mut script = Script::new(script);
        let (camera, microphone) = (
            self.world.camera(self.mallory),
            self.world.microphone(self.mallory),
        );
        let ids = self.world.client(self.mallory).extensions;
        let alices: Vec<u32> = self.world.people[self.mallory.0]
            .sinks
            .iter()
            .map(|sink| sink.plan.ssrc)
            .collect();
        while let Some(what) = script.byte() {
            let len = script.below(64);
            if what & 0xc0 == 0 {
                let mut compound = script.bytes(len).to_vec();
                compound.resize(len.max(12), 0);
                // It looks like RTCP from outside, and is now and then about what she receives of Alice.
                compound[0] = 0x80 | compound[0] & 0x3f;
                compound[1] = 200 + compound[1] % 8;
                if let (Some(word), Some(ssrc)) = (compound.get_mut(8..12), alices.get(usize::from(what) % 4))
                {
                    word.copy_from_slice(&ssrc.to_be_bytes());
                }
                let datagram = self.world.client(self.mallory).seal_control(&compound);
                self.world.hand_in(self.mallory, datagram);
                continue;
            }
            let is_video = what & 0x20 != 0;
            let layer = if is_video { script.below(3) } else { 0 };
            let mut rtp = self.next(if is_video { camera } else { microphone }, layer);
            rtp.marker = what & 1 != 0;
            if what & 2 != 0 {
                // A gap that stays, and a packet from before it.
                self.sent += script.below(1_500) as u64;
                rtp.sequence = rtp.sequence.saturating_sub(script.below(3_000) as u64);
            }
            if what & 4 != 0 {
                rtp.timestamp = rtp
                    .timestamp
                    .wrapping_add((script.below(1 << 16) as u32) << script.below(17));
            }
            if what & 8 != 0 {
                // A new stream, its retransmissions, or one of a layer that there is not.
                rtp.ssrc = script.below(400) as u32;
                let name = [ids.rid, ids.repaired_rid][script.below(2)].unwrap();
                rtp.payload_type += u8::from(Some(name) == ids.repaired_rid);
                let mid = self.world.source(self.mallory, camera).mid.as_bytes().to_vec();
                rtp.set_extension(ids.mid.unwrap(), mid);
                rtp.set_extension(name, ["q", "h", "f", "x"][script.below(4)].as_bytes().to_vec());
            }
            if what & 16 != 0 {
                rtp.payload = script.bytes(len).to_vec();
            }
            self.send(rtp);
        }
    }
}

#[test]
fn whatever_a_publisher_seals_nobody_else_notices_and_no_number_is_sealed_twice() {
    let call = RefCell::new(Call::new(41));
    let before = call.borrow().memory();
    let before_carol = call.borrow().world.people[3].sent_to;
    let packets = |first: u8| -> Vec<u8> {
        (0..20_u8)
            .flat_map(|step| {
                [
                    first | step & 1,
                    12,
                    step % 3,
                    0x80,
                    step,
                    0x90,
                    0xf0,
                    0x80,
                    step,
                    7,
                    0x20,
                    0,
                    1,
                    2,
                ]
            })
            .collect()
    };
    let reports = [
        &[0_u8, 12, 0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0][..],
        &[1, 16, 0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 7, 0xff, 0xff],
        &[
            2, 32, 0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
            9, 9, 9, 9,
        ],
    ];
    let examples = [
        packets(0x70),
        packets(0x52),
        packets(0x7c),
        packets(0x68),
        packets(0x46),
        reports.concat(),
    ];
    examine(300, &examples, |script| {
        // The world itself checks that what goes out to Carol never has one number twice.
        call.borrow_mut().play(script);
    });
    let mut call = call.into_inner();
    let arrived = call.world.people[call.carol.0].sent_to - before_carol;
    assert!(
        arrived > 1_000,
        "{arrived} of it went to the one who asked for it"
    );
    let after = call.memory();
    assert!(after.streams <= before.streams + STREAMS_MAX, "{after:?}");
    assert_eq!(
        (after.tracks, after.down_tracks, after.addresses, after.foreign),
        (
            before.tracks,
            before.down_tracks,
            before.addresses,
            before.foreign
        )
    );
    call.is_undisturbed();
}

#[test]
fn a_stream_that_changes_its_ssrc_a_thousand_times_a_second_is_followed_only_so_far() {
    let mut call = Call::new(42);
    let camera = call.world.camera(call.mallory);
    let ids = call.world.client(call.mallory).extensions;
    let mid = call.world.source(call.mallory, camera).mid.as_bytes().to_vec();
    let (before, dropped) = (call.memory(), call.world.counters().datagrams_dropped);
    for number in 0..3_000_u32 {
        let mut rtp = call.next(camera, 2);
        rtp.ssrc = 0x0100_0000 + number;
        rtp.set_extension(ids.mid.unwrap(), mid.clone());
        rtp.set_extension(ids.rid.unwrap(), b"f".to_vec());
        call.send(rtp);
        call.world.run(ms(1));
    }
    let after = call.memory();
    assert!(
        (STREAMS_MAX - 8..=STREAMS_MAX).contains(&(after.streams - (before.streams - 4))),
        "{before:?}, then {after:?}"
    );
    assert_eq!(after.tracks, before.tracks);
    assert!(
        call.world.counters().datagrams_dropped - dropped > 2_800,
        "further ones are not kept"
    );
    call.is_undisturbed();
}

#[test]
fn who_asks_for_key_frames_and_repeats_without_end_is_answered_at_a_bounded_rate_and_the_publisher_is_spared()
{
    let mut call = Call::new(43);
    let track = call.world.camera(call.alice);
    let streams = |call: &mut Call| -> usize {
        let source = call.world.source(call.alice, track);
        source.streams.iter().map(|stream| stream.asked_us.len()).sum()
    };
    let asked = streams(&mut call);
    let repaired = call.world.counters().packets_repaired;
    for _ in 0..2_000 {
        let last = call.world.sink(call.mallory, track).highest.unwrap() as u16;
        let numbers: Vec<u16> = (0..100).map(|back| last.wrapping_sub(back)).collect();
        let client = call.world.client(call.mallory);
        client.ask_for_key_frame(track);
        client.ask_again(track, &numbers);
        call.world.collect(call.mallory);
        call.world.run(ms(1));
    }
    let asked = streams(&mut call) - asked;
    assert!((1..=12).contains(&asked), "Alice was asked {asked} times in 2 s");
    let repaired = call.world.counters().packets_repaired - repaired;
    assert!(
        (1..20_000).contains(&repaired),
        "{repaired} repeats for 200,000 wishes"
    );
    call.is_undisturbed();
}
