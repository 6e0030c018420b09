//! How well people are connected: who is told, of whom, and when not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, claims};
use hanse_sfu_core::command::{MediaEvent, ReceivedQuality, SentQuality, TransportQuality};
use hanse_sfu_core::ids::{ConnectionId, Layer};
use hanse_sfu_core::sent_layers::{LayerReason, SentLayers};
use hanse_sfu_signal::{Asked, VideoState};
use livekit_protocol::ConnectionQuality::{self, Excellent, Good, Lost, Poor};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::{
    MuteTrackRequest, SubscribedQualityUpdate, SubscriptionPermission, TrackSource, UpdateSubscription,
    UpdateTrackSettings, VideoQuality,
};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(5);

/// How an interval goes wrong for somebody.
type Trouble<'a> = &'a dyn Fn(&str, &mut TransportQuality);

/// Nothing is wrong with anybody.
const WELL: Trouble<'static> = &|_, _| {};

fn join(town: &mut Town, name: &str, is_dual: bool) {
    let browser = if is_dual {
        Browser::dual(name)
    } else {
        Browser::new(name)
    };
    town.join_as(name, claims(name), browser).unwrap();
}

/// Everybody's transports, with what a perfect network would make of an interval.
fn perfect(town: &Town, name: &str) -> Vec<(ConnectionId, TransportQuality)> {
    let mut connections = vec![town.connection(name)];
    if town.people[name].second.is_some() {
        connections.push(town.downstream(name));
    }
    let of = |connection: ConnectionId| {
        let received = town.media.plan(connection).sections.iter();
        let received = received.map(|section| ReceivedQuality {
            track: section.track,
            expected: 1_000,
            lost: 0,
            jitter: Some(Duration::from_millis(2)),
            layers: section.layers.len() as f32,
            is_reported: true,
        });
        let sent = town.media.down.iter();
        let sent = sent.filter(|(_, down)| down.connection == connection);
        let sent = sent.map(|(id, down)| {
            let packets = if down.want.enabled { 1_000 } else { 0 };
            SentQuality {
                down_track: *id,
                sent: packets,
                expected: packets,
                lost: 0,
                round_trip: Some(Duration::from_millis(20)),
                missing_layers: down.want.enabled.then_some(0.0),
                layers: None,
            }
        });
        let quality = TransportQuality {
            received: received.collect(),
            sent: sent.collect(),
            ..TransportQuality::default()
        };
        (connection, quality)
    };
    connections.into_iter().map(of).collect()
}

/// No media comes from somebody, and nothing else either on one of their transports, or on any of them (`None`).
fn still(
    who: &'static str,
    silent_on: Option<ConnectionId>,
) -> impl Fn(&str, ConnectionId, &mut TransportQuality) {
    move |name, connection, quality| {
        if name == who {
            let is_silent = silent_on.is_none_or(|silent| silent == connection);
            silent(who, false, is_silent)(name, quality);
        }
    }
}

/// One interval of everybody.
fn interval(town: &mut Town, trouble: Trouble<'_>) {
    interval_of(town, &|name, _, quality| trouble(name, quality));
}

/// The same, where the trouble is one transport's.
fn interval_of(town: &mut Town, trouble: &dyn Fn(&str, ConnectionId, &mut TransportQuality)) {
    town.pass(INTERVAL);
    let names: Vec<String> = town.people.keys().cloned().collect();
    for name in names {
        if town.people[&name].is_closed {
            continue;
        }
        for (connection, mut quality) in perfect(town, &name) {
            trouble(&name, connection, &mut quality);
            town.event(MediaEvent::Quality { connection, quality });
        }
    }
}

/// Some intervals, and the time until everybody has heard of the last.
fn intervals(town: &mut Town, count: usize, trouble: Trouble<'_>) {
    (0..count).for_each(|_| interval(town, trouble));
    town.pass(INTERVAL);
}

/// What a person was told last about another one.
fn told(town: &Town, name: &str, about: &str) -> Option<ConnectionQuality> {
    let sid = &town.people[about].sid;
    town.people[name].inbox.iter().rev().find_map(|message| {
        let livekit_protocol::signal_response::Message::ConnectionQuality(update) = message else {
            return None;
        };
        let own = update.updates.iter().find(|own| own.participant_sid == *sid);
        own.map(livekit_protocol::ConnectionQualityInfo::quality)
    })
}

fn messages(town: &Town, name: &str) -> usize {
    count!(town, name, ConnectionQuality)
}

/// Alice shows her camera; Bob receives it.
fn alice_and_bob(is_dual: bool) -> (Town, String) {
    let mut town = Town::default();
    join(&mut town, "alice", is_dual);
    join(&mut town, "bob", is_dual);
    let camera = town.publish("alice", TrackSource::Camera);
    town.pass(Duration::from_secs(1));
    intervals(&mut town, 2, WELL);
    assert_eq!(told(&town, "alice", "alice"), Some(Excellent));
    assert_eq!(told(&town, "bob", "alice"), Some(Excellent));
    (town, camera)
}

/// Loses these many permille of what somebody sends.
fn loses(who: &'static str, permille: u32) -> impl Fn(&str, &mut TransportQuality) {
    move |name, quality| {
        if name == who {
            quality.received.iter_mut().for_each(|own| own.lost = permille);
        }
    }
}

/// Nothing comes from somebody but what `is_reported` and `is_silent` say.
fn silent(who: &'static str, is_reported: bool, is_silent: bool) -> impl Fn(&str, &mut TransportQuality) {
    move |name, quality| {
        if name == who {
            quality.is_silent = is_silent;
            for own in &mut quality.received {
                own.expected = 0;
                own.layers = 0.0;
                own.jitter = None;
                own.is_reported = is_reported;
            }
            for own in &mut quality.sent {
                own.expected = 0;
            }
        }
    }
}

#[test]
fn a_grade_is_told_to_whom_it_is_about_and_to_those_who_receive_them_once_it_has_changed() {
    for is_dual in [false, true] {
        let (mut town, camera) = alice_and_bob(is_dual);
        join(&mut town, "carol", is_dual);
        town.ask(
            "carol",
            Ask::Subscription(UpdateSubscription {
                track_sids: vec![camera],
                subscribe: false,
                ..Default::default()
            }),
        );
        intervals(&mut town, 2, WELL);
        let carols = messages(&town, "carol");
        intervals(&mut town, 1, &loses("alice", 300));
        assert_eq!(told(&town, "alice", "alice"), Some(Poor));
        assert_eq!(told(&town, "bob", "alice"), Some(Poor));
        assert_eq!(
            told(&town, "bob", "bob"),
            Some(Excellent),
            "what was lost is not his fault"
        );
        assert_eq!(messages(&town, "carol"), carols, "she does not receive Alice");
        let before = ["alice", "bob"].map(|name| messages(&town, name));
        intervals(&mut town, 4, &loses("alice", 300));
        let after = ["alice", "bob"].map(|name| messages(&town, name));
        assert_eq!(after, before, "nothing has changed");
    }
}

#[test]
fn the_worst_track_of_all_transports_decides_and_the_others_do_not_hide_it() {
    for is_dual in [false, true] {
        let (mut town, _) = alice_and_bob(is_dual);
        town.publish("bob", TrackSource::Microphone);
        town.publish("bob", TrackSource::Camera);
        intervals(&mut town, 2, WELL);
        // Only one of the tracks that Alice receives; everything that she sends is well.
        let trouble: Trouble<'_> = &|name, quality| {
            if name == "alice"
                && let Some(own) = quality.sent.first_mut()
            {
                own.lost = 400;
            }
        };
        intervals(&mut town, 1, trouble);
        assert_eq!(told(&town, "alice", "alice"), Some(Poor));
        assert_eq!(told(&town, "bob", "alice"), Some(Poor), "he receives her");
        assert_eq!(told(&town, "bob", "bob"), Some(Excellent));
        let before = messages(&town, "alice");
        intervals(&mut town, 5, trouble);
        assert_eq!(
            messages(&town, "alice"),
            before,
            "it does not swing from one to the other"
        );
    }
}

#[test]
fn a_recovery_is_told_step_by_step() {
    let (mut town, _) = alice_and_bob(true);
    intervals(&mut town, 2, &loses("alice", 300));
    let mut heard = vec![told(&town, "bob", "alice").unwrap()];
    for _ in 0..5 {
        intervals(&mut town, 1, WELL);
        heard.extend(told(&town, "bob", "alice").filter(|now| heard.last() != Some(now)));
    }
    assert_eq!(heard, [Poor, Good, Excellent]);
}

fn layers(who: &'static str, count: f32) -> impl Fn(&str, &mut TransportQuality) {
    move |name, quality| {
        if name == who {
            quality.received.iter_mut().for_each(|own| own.layers = count);
        }
    }
}

#[test]
fn layers_that_are_wanted_and_do_not_come_are_missed() {
    let (mut town, _) = alice_and_bob(false);
    intervals(&mut town, 2, &layers("alice", 2.0));
    assert_eq!(told(&town, "bob", "alice"), Some(Good));
    intervals(&mut town, 4, &layers("alice", 1.0));
    assert_eq!(told(&town, "bob", "alice"), Some(Poor));
    assert_eq!(told(&town, "bob", "bob"), Some(Excellent));
}

fn show(town: &mut Town, name: &str, camera: &str, quality: Option<VideoQuality>) {
    town.ask(
        name,
        Ask::TrackSetting(UpdateTrackSettings {
            track_sids: vec![camera.to_owned()],
            disabled: quality.is_none(),
            quality: quality.unwrap_or(VideoQuality::Low).into(),
            ..Default::default()
        }),
    );
}

fn enabled(update: &SubscribedQualityUpdate) -> usize {
    let qualities = &update.subscribed_codecs[0].qualities;
    qualities.iter().filter(|quality| quality.enabled).count()
}

#[test]
fn layers_that_nobody_wants_are_not_missed_and_new_ones_have_time_to_come() {
    let (mut town, camera) = alice_and_bob(false);
    show(&mut town, "bob", &camera, Some(VideoQuality::Low));
    intervals(&mut town, 2, WELL);
    assert_eq!(
        enabled(&last!(town, "alice", SubscribedQualityUpdate).unwrap()),
        1
    );
    let before = messages(&town, "bob");
    intervals(&mut town, 4, &layers("alice", 1.0));
    show(&mut town, "bob", &camera, Some(VideoQuality::High));
    town.pass(Duration::from_secs(1));
    assert_eq!(
        enabled(&last!(town, "alice", SubscribedQualityUpdate).unwrap()),
        3
    );
    interval(&mut town, &layers("alice", 1.0));
    intervals(&mut town, 3, WELL);
    assert_eq!(messages(&town, "bob"), before, "it was excellent all the time");
    intervals(&mut town, 4, &layers("alice", 1.0));
    assert_eq!(told(&town, "bob", "alice"), Some(Poor), "now they are wanted");
}

#[test]
fn nothing_is_missed_of_a_track_that_is_muted_or_that_nobody_watches() {
    for is_dual in [false, true] {
        let (mut town, camera) = alice_and_bob(is_dual);
        let mute = |muted| {
            Ask::Mute(MuteTrackRequest {
                sid: camera.clone(),
                muted,
            })
        };
        let before = messages(&town, "bob");
        town.ask("alice", mute(true));
        intervals(&mut town, 5, &silent("alice", false, true));
        town.ask("alice", mute(false));
        // The camera needs a moment.
        interval(&mut town, &silent("alice", false, true));
        intervals(&mut town, 3, WELL);
        assert_eq!(messages(&town, "bob"), before);
        show(&mut town, "bob", &camera, None);
        town.pass(Duration::from_secs(6));
        assert_eq!(
            enabled(&last!(town, "alice", SubscribedQualityUpdate).unwrap()),
            0
        );
        intervals(&mut town, 5, &silent("alice", false, true));
        show(&mut town, "bob", &camera, Some(VideoQuality::High));
        interval(&mut town, &silent("alice", false, true));
        intervals(&mut town, 3, WELL);
        assert_eq!(messages(&town, "bob"), before);
        assert_eq!(told(&town, "alice", "alice"), Some(Excellent));
    }
}

#[test]
fn muting_a_bad_track_forgives_it() {
    let (mut town, camera) = alice_and_bob(false);
    intervals(&mut town, 2, &loses("alice", 300));
    assert_eq!(told(&town, "bob", "alice"), Some(Poor));
    let muted = true;
    town.ask("alice", Ask::Mute(MuteTrackRequest { sid: camera, muted }));
    town.pass(INTERVAL);
    assert_eq!(told(&town, "alice", "alice"), Some(Excellent));
    assert_eq!(told(&town, "bob", "alice"), Some(Excellent));
}

#[test]
fn a_track_that_has_not_begun_is_not_missed() {
    let mut town = Town::default();
    join(&mut town, "alice", true);
    join(&mut town, "bob", true);
    town.publish("alice", TrackSource::Camera);
    intervals(&mut town, 6, &silent("alice", false, true));
    assert_eq!(told(&town, "alice", "alice"), Some(Excellent));
    assert_eq!(told(&town, "bob", "alice"), Some(Excellent));
    interval(&mut town, WELL);
    intervals(&mut town, 1, &silent("alice", true, false));
    assert_eq!(told(&town, "bob", "alice"), Some(Poor), "but one that has");
}

#[test]
fn somebody_is_lost_only_when_nothing_at_all_is_heard_and_is_found_again() {
    for is_dual in [false, true] {
        let (mut town, _) = alice_and_bob(is_dual);
        intervals(&mut town, 3, &silent("alice", true, false));
        assert_eq!(told(&town, "alice", "alice"), Some(Poor), "reports still come");
        intervals(&mut town, 3, &silent("alice", false, false));
        assert_eq!(
            told(&town, "alice", "alice"),
            Some(Poor),
            "other media still comes"
        );
        intervals(&mut town, 1, &silent("alice", false, true));
        assert_eq!(told(&town, "alice", "alice"), Some(Lost));
        assert_eq!(told(&town, "bob", "alice"), Some(Lost));
        assert_eq!(told(&town, "bob", "bob"), Some(Excellent));
        intervals(&mut town, 1, WELL);
        assert_eq!(told(&town, "bob", "alice"), Some(Good));
        intervals(&mut town, 3, WELL);
        assert_eq!(told(&town, "bob", "alice"), Some(Excellent));
    }
}

#[test]
fn somebody_who_is_heard_on_one_of_two_transports_is_not_lost_and_on_none_of_them_is() {
    let (mut town, _) = alice_and_bob(true);
    let (up, down) = (town.connection("alice"), town.downstream("alice"));
    // Her camera has no picture for a while (`replaceTrack(null)`), and the transport that would carry it says nothing.
    for _ in 0..4 {
        interval_of(&mut town, &still("alice", Some(up)));
        town.pass(INTERVAL);
        assert_eq!(told(&town, "alice", "alice"), Some(Poor), "she still receives");
        assert_eq!(told(&town, "bob", "alice"), Some(Poor));
    }
    interval_of(&mut town, &still("alice", None));
    town.pass(INTERVAL);
    assert_eq!(told(&town, "alice", "alice"), Some(Lost));
    assert_eq!(told(&town, "bob", "alice"), Some(Lost));
    assert_eq!(told(&town, "bob", "bob"), Some(Excellent));
    for silent_on in [down, up] {
        interval_of(&mut town, &still("alice", None));
        interval_of(&mut town, &still("alice", Some(silent_on)));
        interval_of(&mut town, &still("alice", Some(silent_on)));
        town.pass(INTERVAL);
        assert_eq!(told(&town, "bob", "alice"), Some(Poor), "she is found");
    }
}

#[test]
fn nobody_is_lost_before_the_second_transport_is_silent_too_whichever_is_looked_at_first() {
    for is_first_up in [true, false] {
        let (mut town, _) = alice_and_bob(true);
        let (up, down) = (town.connection("alice"), town.downstream("alice"));
        let mut order = [up, down];
        if !is_first_up {
            order.reverse();
        }
        town.pass(INTERVAL);
        for (connection, expected) in order.into_iter().zip([&[Excellent, Poor][..], &[Lost]]) {
            for (own, mut quality) in perfect(&town, "alice") {
                if own == connection {
                    silent("alice", false, true)("alice", &mut quality);
                    let connection = own;
                    town.event(MediaEvent::Quality { connection, quality });
                }
            }
            town.pass(INTERVAL);
            let grade = told(&town, "bob", "alice").unwrap();
            assert!(expected.contains(&grade), "{is_first_up}: {grade:?}");
        }
    }
}

#[test]
fn that_somebody_is_lost_or_found_is_told_within_half_a_second_and_all_else_in_its_time() {
    const SOON: Duration = Duration::from_millis(500);
    let (mut town, _) = alice_and_bob(false);
    // A change that is no hurry waits already.
    interval(&mut town, &loses("alice", 300));
    town.pass(SOON);
    assert_eq!(told(&town, "bob", "alice"), Some(Excellent));
    for (trouble, grade) in [
        (&silent("alice", false, true) as Trouble<'_>, Lost),
        (&silent("alice", true, false), Poor),
    ] {
        interval(&mut town, trouble);
        town.pass(SOON);
        assert_eq!(told(&town, "bob", "alice"), Some(grade));
        assert_eq!(told(&town, "alice", "alice"), Some(grade));
    }
    let before = messages(&town, "bob");
    town.pass(INTERVAL);
    assert_eq!(messages(&town, "bob"), before);
}

#[test]
fn a_muted_publisher_whose_one_transport_is_silent_is_well() {
    let (mut town, camera) = alice_and_bob(true);
    let up = town.connection("alice");
    let mute = |muted| {
        let sid = camera.clone();
        Ask::Mute(MuteTrackRequest { sid, muted })
    };
    town.ask("alice", mute(true));
    let before = messages(&town, "bob");
    for _ in 0..4 {
        interval_of(&mut town, &still("alice", Some(up)));
    }
    town.ask("alice", mute(false));
    interval_of(&mut town, &still("alice", Some(up)));
    intervals(&mut town, 2, WELL);
    assert_eq!(messages(&town, "bob"), before, "it was excellent all the time");
    // One who was lost is found by being heard while muted, whichever transport carries that.
    interval_of(&mut town, &still("alice", None));
    town.pass(INTERVAL);
    assert_eq!(told(&town, "bob", "alice"), Some(Lost));
    town.ask("alice", mute(true));
    town.pass(INTERVAL);
    assert_eq!(told(&town, "bob", "alice"), Some(Lost), "muting finds nobody");
    interval_of(&mut town, &still("alice", Some(up)));
    interval_of(&mut town, &still("alice", Some(up)));
    town.pass(INTERVAL);
    assert_eq!(told(&town, "bob", "alice"), Some(Excellent));
}

#[test]
fn whoever_only_receives_is_never_lost() {
    let (mut town, _) = alice_and_bob(true);
    intervals(&mut town, 4, &silent("bob", false, true));
    assert_eq!(told(&town, "bob", "bob"), Some(Excellent));
    intervals(&mut town, 4, &silent("bob", false, true));
    assert_eq!(
        told(&town, "bob", "bob"),
        Some(Poor),
        "no reports for half a minute"
    );
    assert_eq!(told(&town, "bob", "alice"), Some(Excellent));
}

#[test]
fn older_clients_hear_poor_instead_of_lost() {
    let (mut town, _) = alice_and_bob(false);
    let mut browser = Browser::new("carol");
    browser.protocol = 10;
    town.join_as("carol", claims("carol"), browser).unwrap();
    intervals(&mut town, 2, WELL);
    intervals(&mut town, 1, &silent("alice", false, true));
    assert_eq!(told(&town, "carol", "alice"), Some(Poor));
    assert_eq!(told(&town, "bob", "alice"), Some(Lost));
}

#[test]
fn a_screen_on_which_nothing_moves_is_no_loss() {
    let mut town = Town::default();
    join(&mut town, "alice", false);
    join(&mut town, "bob", false);
    town.publish("alice", TrackSource::ScreenShare);
    intervals(&mut town, 2, WELL);
    let before = messages(&town, "bob");
    intervals(&mut town, 5, &silent("alice", false, false));
    assert_eq!(messages(&town, "bob"), before);
    intervals(&mut town, 1, &silent("alice", false, true));
    assert_eq!(
        told(&town, "bob", "alice"),
        Some(Lost),
        "unless nothing else comes either"
    );
}

#[test]
fn a_downlink_that_carries_less_than_is_wanted_counts_for_its_owner_alone() {
    let (mut town, camera) = alice_and_bob(true);
    let missing = |count: f32| {
        move |name: &str, quality: &mut TransportQuality| {
            if name == "bob" {
                let sent = quality.sent.iter_mut();
                sent.for_each(|own| own.missing_layers = Some(count));
            }
        }
    };
    intervals(&mut town, 3, &missing(1.0));
    assert_eq!(told(&town, "bob", "bob"), Some(Good));
    assert_eq!(told(&town, "alice", "alice"), Some(Excellent));
    // Hidden: it wants nothing.
    show(&mut town, "bob", &camera, None);
    town.pass(Duration::from_secs(1));
    intervals(&mut town, 3, &missing(2.0));
    assert_eq!(told(&town, "bob", "bob"), Some(Excellent));
}

#[test]
fn a_paused_track_is_poor_for_whom_it_pauses_until_it_goes_on() {
    let (mut town, camera) = alice_and_bob(true);
    let (connection, track) = (town.downstream("bob"), town.track("alice", &camera));
    let paused = |is_paused| MediaEvent::StreamState {
        connection,
        track,
        is_paused,
    };
    town.event(paused(true));
    intervals(&mut town, 3, WELL);
    assert_eq!(told(&town, "bob", "bob"), Some(Poor));
    assert_eq!(told(&town, "alice", "alice"), Some(Excellent));
    town.event(paused(false));
    interval(&mut town, WELL);
    intervals(&mut town, 1, WELL);
    assert_eq!(told(&town, "bob", "bob"), Some(Good));
    intervals(&mut town, 3, WELL);
    assert_eq!(told(&town, "bob", "bob"), Some(Excellent));
}

#[test]
fn a_track_that_ends_takes_its_grade_along() {
    let (mut town, camera) = alice_and_bob(true);
    town.publish("alice", TrackSource::Microphone);
    intervals(&mut town, 2, WELL);
    let track = town.track("alice", &camera);
    let trouble: Trouble<'_> = &|_, quality| {
        for own in quality.received.iter_mut().filter(|own| own.track == track) {
            own.lost = 500;
        }
    };
    intervals(&mut town, 2, trouble);
    assert_eq!(told(&town, "bob", "alice"), Some(Poor));
    town.unpublish("alice", &camera);
    intervals(&mut town, 1, trouble);
    assert_eq!(told(&town, "bob", "alice"), Some(Excellent));
}

#[test]
fn qualities_of_others_tracks_count_for_nobody() {
    let (mut town, camera) = alice_and_bob(false);
    let track = town.track("alice", &camera);
    // Bob's transport tells of Alice's track: a shard would not, and nothing follows from it.
    let trouble: Trouble<'_> = &|name, quality| {
        if name == "bob" {
            quality.received.push(ReceivedQuality {
                track,
                expected: 100,
                lost: 100,
                jitter: None,
                layers: 0.0,
                is_reported: false,
            });
        }
    };
    let before = messages(&town, "bob");
    intervals(&mut town, 3, trouble);
    assert_eq!(messages(&town, "bob"), before);
}

#[test]
fn whoever_measures_hears_of_each_participant_once_an_interval() {
    for is_dual in [false, true] {
        let (mut town, _) = alice_and_bob(is_dual);
        town.qualities.clear();
        interval(&mut town, &loses("alice", 300));
        let grades: Vec<ConnectionQuality> = town.qualities.iter().map(|(grade, _)| *grade).collect();
        assert_eq!(grades, [Poor, Excellent], "Alice and Bob");
        assert!(
            town.qualities
                .iter()
                .all(|(_, score)| (1.0..=4.5).contains(score))
        );
    }
}

#[test]
fn an_operator_sees_of_each_video_what_its_subscriber_asked_for_and_what_becomes_of_it() {
    let mut town = Town::default();
    for name in ["alice", "bob", "carol"] {
        join(&mut town, name, false);
    }
    let camera = town.publish("alice", TrackSource::Camera);
    town.publish("alice", TrackSource::Microphone);
    let streams = |town: &Town, of: Option<&str>| {
        let of = of.map(|identity| vec![identity.to_owned()]);
        town.signalling.video_streams("standup", of.as_deref(), 10)
    };
    let states = |town: &Town| -> Vec<(String, VideoState)> {
        let all = streams(town, None).streams;
        assert!(all.iter().all(|stream| {
            (stream.publisher.as_str(), &stream.track_sid, stream.source)
                == ("alice", &camera, TrackSource::Camera)
        }));
        all.into_iter()
            .map(|stream| (stream.subscriber, stream.state))
            .collect()
    };
    let both = |bobs, carols| vec![("bob".to_owned(), bobs), ("carol".to_owned(), carols)];
    assert_eq!(states(&town), both(VideoState::Begun, VideoState::Begun));

    let layers = SentLayers {
        layer: Some(Layer(0)),
        temporal_max: u8::MAX,
        wanted: Layer(2),
        flowing: 3,
        reason: LayerReason::KeyFrame,
    };
    intervals(&mut town, 1, &|name, quality| {
        if name == "bob" {
            let sent = quality.sent.iter_mut();
            sent.for_each(|own| own.layers = Some(layers));
        }
    });
    assert_eq!(
        states(&town),
        both(VideoState::Sent(layers), VideoState::Begun),
        "each hears of its own"
    );
    let setting = UpdateTrackSettings {
        track_sids: vec![camera.clone()],
        width: 640,
        height: 360,
        fps: 15,
        ..UpdateTrackSettings::default()
    };
    town.ask("bob", Ask::TrackSetting(setting.clone()));
    let hidden = UpdateTrackSettings {
        disabled: true,
        ..setting
    };
    town.ask("carol", Ask::TrackSetting(hidden));
    town.pass(Duration::from_secs(1));
    let asked: Vec<Asked> = streams(&town, None)
        .streams
        .iter()
        .map(|stream| stream.asked)
        .collect();
    let size = Asked::Size {
        width: 640,
        height: 360,
        fps: 15,
    };
    assert_eq!(asked, [size, Asked::Hidden]);
    assert_eq!(streams(&town, Some("carol")).streams.len(), 1);
    assert_eq!(streams(&town, Some("mallory")).streams, []);
    assert_eq!(town.signalling.video_streams("elsewhere", None, 10).streams, []);
    let few = town.signalling.video_streams("standup", None, 1);
    assert_eq!((few.streams.len(), few.left_off), (1, 1));

    town.ask(
        "alice",
        Ask::Mute(MuteTrackRequest {
            sid: camera.clone(),
            muted: true,
        }),
    );
    assert_eq!(states(&town), both(VideoState::Muted, VideoState::Muted));
    let nobody = SubscriptionPermission::default();
    town.ask("alice", Ask::SubscriptionPermission(nobody));
    assert_eq!(
        states(&town),
        both(VideoState::NotPermitted, VideoState::NotPermitted)
    );
}
