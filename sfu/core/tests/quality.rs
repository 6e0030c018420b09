//! What the control side is told of how each track comes in and goes out.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::link::Link;
use common::{HIDDEN, Person, World, ms, up_to};
use hanse_sfu_core::command::{
    Codec, MediaCommand, MediaEvent, Precedence, ReceivedQuality, SentQuality, TransportQuality,
};
use hanse_sfu_core::ids::{DownTrackId, Layer, TrackId};
use hanse_sfu_core::sent_layers::{LayerReason, SentLayers};

/// What was said about somebody's transport, interval by interval.
fn qualities(world: &World, person: Person) -> Vec<TransportQuality> {
    let own = world.people[person.0].connection;
    let of = |event: &MediaEvent| match event {
        MediaEvent::Quality { connection, quality } if *connection == own => Some(quality.clone()),
        _ => None,
    };
    world.events.iter().filter_map(|(_, event)| of(event)).collect()
}

fn latest(world: &World, person: Person) -> TransportQuality {
    qualities(world, person).pop().expect("an interval has passed")
}

fn received(world: &World, person: Person, track: TrackId) -> ReceivedQuality {
    let quality = latest(world, person);
    let own = quality.received.iter().filter(|own| own.track == track);
    let [one] = own.collect::<Vec<_>>()[..] else {
        panic!("once: {quality:?}");
    };
    *one
}

fn sent(world: &World, person: Person, down_track: DownTrackId) -> SentQuality {
    let quality = latest(world, person);
    let own = quality.sent.iter().filter(|own| own.down_track == down_track);
    let [one] = own.collect::<Vec<_>>()[..] else {
        panic!("once: {quality:?}");
    };
    *one
}

/// Alice shows her camera to Bob and Carol.
fn call(shards: u16) -> (World, [Person; 3], TrackId, [DownTrackId; 2]) {
    let mut world = World::with_shards(71, shards);
    let place = |number: usize| number % usize::from(shards);
    let alice = world.join_on("Alice", place(0));
    let [bob, carol] = [("Bob", 1), ("Carol", 2)].map(|(name, number)| world.join_on(name, place(number)));
    world.connect();
    let track = world.publish(alice, Codec::Vp8);
    let down = [bob, carol].map(|person| world.subscribe(person, track, up_to(2)));
    (world, [alice, bob, carol], track, down)
}

#[test]
fn each_track_is_told_of_where_it_comes_in_and_where_it_goes_out_and_nowhere_else() {
    for shards in [1, 2] {
        let (mut world, [alice, bob, carol], track, down) = call(shards);
        world.run(ms(11_000));
        let up = received(&world, alice, track);
        assert!(up.expected > 400, "{up:?}");
        assert_eq!((up.lost, up.layers, up.is_reported), (0, 3.0, true));
        for (person, down_track) in [(bob, down[0]), (carol, down[1])] {
            let quality = latest(&world, person);
            assert_eq!((quality.received.len(), quality.sent.len()), (0, 1));
            assert!(!quality.is_silent);
            let down = sent(&world, person, down_track);
            assert!(down.sent > 200 && down.expected > 200, "{down:?}");
            assert_eq!((down.lost, down.missing_layers), (0, Some(0.0)));
            assert!((ms(30)..ms(40)).contains(&down.round_trip.unwrap()), "{down:?}");
        }
        assert!(latest(&world, alice).sent.is_empty());
    }
}

#[test]
fn loss_counts_where_it_happened_unless_it_was_repaired() {
    let (mut world, [alice, bob, carol], track, down) = call(1);
    world.client(alice).up.link.loss = 0.05;
    world.client(carol).down.link.loss = 0.05;
    world.run(ms(21_000));
    let permille = |lost: u32, expected: u32| lost * 1_000 / expected;
    let up = received(&world, alice, track);
    assert!(
        permille(up.lost, up.expected) < 10,
        "most of it came again: {up:?}"
    );
    let whole = latest(&world, alice).loss_up_permille.unwrap();
    assert!((30..80).contains(&whole), "without repair it would be {whole}");
    let bobs = sent(&world, bob, down[0]);
    assert!(
        permille(bobs.lost, bobs.expected) < 10,
        "his link is clean: {bobs:?}"
    );
    let carols = sent(&world, carol, down[1]);
    assert!(
        (30..80).contains(&permille(carols.lost, carols.expected)),
        "{carols:?}"
    );
}

#[test]
fn a_layer_that_its_publisher_does_not_send_is_not_missing_on_the_way_out() {
    let (mut world, [alice, bob, _], track, down) = call(2);
    world.run(ms(6_000));
    for (stream, layers) in [(2, 2.0), (1, 1.0)] {
        world.source(alice, track).streams[stream].paused = true;
        world.run(ms(11_000));
        assert_eq!(received(&world, alice, track).layers, layers);
        assert_eq!(sent(&world, bob, down[0]).missing_layers, Some(0.0));
    }
}

#[test]
fn a_downlink_that_is_too_small_misses_layers_and_a_hidden_tile_misses_nothing() {
    let (mut world, [alice, bob, carol], track, down) = call(1);
    world.limit_downlink(bob, Some(100_000));
    world.want(carol, track, HIDDEN);
    world.run(ms(16_000));
    assert_eq!(sent(&world, bob, down[0]).missing_layers, Some(2.0));
    let hidden = sent(&world, carol, down[1]);
    assert_eq!(
        (hidden.missing_layers, hidden.sent, hidden.expected),
        (None, 0, 0)
    );
    assert_eq!(received(&world, alice, track).layers, 3.0);
}

#[test]
fn somebody_is_silent_who_sends_neither_media_nor_reports_nor_checks() {
    let (mut world, [alice, bob, _], track, _) = call(1);
    world.run(ms(6_000));
    world.source(alice, track).muted = true;
    world.run(ms(11_000));
    let up = received(&world, alice, track);
    assert_eq!((up.expected, up.layers, up.is_reported), (0, 0.0, false));
    assert!(!latest(&world, alice).is_silent, "her reports still come");
    world.client(alice).reports = false;
    world.run(ms(20_000));
    assert!(
        !latest(&world, alice).is_silent,
        "she says nothing at all, and her path is checked"
    );
    world.client(alice).up.link = Link {
        loss: 1.0,
        ..Link::CLEAN
    };
    world.run(ms(12_000));
    assert!(latest(&world, alice).is_silent);
    assert!(!latest(&world, bob).is_silent);
}

#[test]
fn each_subscriber_of_a_video_is_told_of_with_the_reason_why_it_gets_no_larger_layer() {
    for shards in [1, 2] {
        let (mut world, [alice, bob, carol], track, down) = call(shards);
        let microphone = world.publish(alice, Codec::Opus);
        let sound = world.subscribe(bob, microphone, up_to(0));
        world.link = Link::of_kbps(330);
        let dave = world.join("Dave");
        world.client(dave).tells = true;
        world.link = Link::CLEAN;
        let [erin, frank] = ["Erin", "Frank"].map(|name| world.join(name));
        world.client(erin).may_pause = true;
        world.connect();
        let [daves, erins] = [dave, erin].map(|person| world.subscribe(person, track, up_to(2)));
        world.command(MediaCommand::SetPrecedence {
            track,
            precedence: Precedence::Screen,
        });
        let layers = |world: &World, person, down_track| sent(world, person, down_track).layers.unwrap();
        let goes_out = |layer: Option<u8>, reason| SentLayers {
            layer: layer.map(Layer),
            temporal_max: u8::MAX,
            wanted: Layer(2),
            flowing: 3,
            reason,
        };
        world.run(ms(11_000));
        assert_eq!(
            layers(&world, bob, down[0]),
            goes_out(Some(2), LayerReason::Wanted)
        );
        assert_eq!(sent(&world, bob, sound).layers, None, "sound has no layers");

        // The large layer has some 450 kbit/s, the middle one 170 and the small one 50.
        world.limit_downlink(bob, Some(250_000));
        world.limit_downlink(erin, Some(40_000));
        world.run(ms(7_000));
        let thinned = layers(&world, erin, erins);
        let LayerReason::Cap(share) = thinned.reason else {
            panic!("{thinned:?}");
        };
        assert_eq!(
            (thinned.layer, thinned.temporal_max, share.next),
            (Some(Layer(0)), 0, Layer(0)),
            "she lacks pictures of the layer that she gets"
        );
        world.limit_downlink(erin, Some(5_000));
        world.want(carol, track, HIDDEN);
        world.run(ms(7_000));
        let bobs = layers(&world, bob, down[0]);
        let LayerReason::Cap(share) = bobs.reason else {
            panic!("{bobs:?}");
        };
        assert_eq!(bobs, goes_out(Some(1), bobs.reason));
        assert_eq!(
            (share.limit_bps, share.videos, share.precedence, share.next),
            (250_000, 1, Precedence::Screen, Layer(2))
        );
        assert!((350_000..550_000).contains(&share.next_bps), "{share:?}");
        let LayerReason::Link(share) = layers(&world, dave, daves).reason else {
            panic!("his link is no rule: {:?}", layers(&world, dave, daves));
        };
        assert!((200_000..400_000).contains(&share.limit_bps), "{share:?}");
        let LayerReason::Cap(share) = layers(&world, erin, erins).reason else {
            panic!("{:?}", layers(&world, erin, erins));
        };
        assert_eq!(share.next, Layer(0), "she has paused");
        assert!((30_000..80_000).contains(&share.next_bps), "{share:?}");
        assert_eq!(layers(&world, erin, erins).layer, None);
        assert_eq!(
            layers(&world, carol, down[1]),
            goes_out(None, LayerReason::Hidden)
        );

        // Alice hears of no request, so no key frame comes; and her large layer stops.
        world.client(alice).down.link = Link {
            loss: 1.0,
            ..Link::CLEAN
        };
        let franks = world.subscribe(frank, track, up_to(2));
        world.limit_downlink(bob, None);
        world.run(ms(7_000));
        assert_eq!(
            layers(&world, frank, franks),
            goes_out(None, LayerReason::KeyFrame)
        );
        assert_eq!(
            layers(&world, bob, down[0]),
            goes_out(Some(1), LayerReason::KeyFrame)
        );
        world.source(alice, track).streams[2].paused = true;
        world.run(ms(7_000));
        assert_eq!(
            layers(&world, bob, down[0]),
            SentLayers {
                flowing: 2,
                ..goes_out(Some(1), LayerReason::LayerNotSent)
            }
        );
        world.source(alice, track).muted = true;
        world.run(ms(7_000));
        let muted = layers(&world, bob, down[0]);
        assert_eq!((muted.flowing, muted.reason), (0, LayerReason::NotSent));
    }
}
