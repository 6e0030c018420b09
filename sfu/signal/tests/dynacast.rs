//! How soon a publisher hears of what is watched of its video, and how late of what is not any more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, claims};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::{MuteTrackRequest, TrackSource, UpdateTrackSettings, VideoQuality};
use std::time::Duration;

/// The longest that a wish for more may take to its publisher.
const UP: Duration = Duration::from_millis(100);

/// How long what nobody wants is kept.
const DOWN: Duration = Duration::from_secs(5);

const MOMENT: Duration = Duration::from_millis(1);

/// Alice shows her camera to Bob and Carol, who watch all of it.
fn call(is_dual: bool) -> (Town, String) {
    let mut town = Town::default();
    for name in ["alice", "bob", "carol"] {
        let browser = if is_dual {
            Browser::dual(name)
        } else {
            Browser::new(name)
        };
        town.join_as(name, claims(name), browser).unwrap();
    }
    let camera = town.publish("alice", TrackSource::Camera);
    town.pass(Duration::from_secs(20));
    assert_eq!(enabled(&town), 3);
    (town, camera)
}

/// How many of her layers Alice was asked for last.
fn enabled(town: &Town) -> usize {
    let update = last!(town, "alice", SubscribedQualityUpdate).unwrap();
    let qualities = &update.subscribed_codecs[0].qualities;
    qualities.iter().filter(|quality| quality.enabled).count()
}

fn told(town: &Town) -> usize {
    count!(town, "alice", SubscribedQualityUpdate)
}

/// Somebody's tile becomes as large as this; `None`: it is out of sight.
fn show(town: &mut Town, name: &str, camera: &str, quality: Option<VideoQuality>) {
    let settings = UpdateTrackSettings {
        track_sids: vec![camera.to_owned()],
        disabled: quality.is_none(),
        quality: quality.unwrap_or_default().into(),
        ..Default::default()
    };
    town.ask(name, Ask::TrackSetting(settings));
}

#[test]
fn what_somebody_wants_more_of_is_asked_for_within_a_tenth_of_a_second() {
    for is_dual in [false, true] {
        let (mut town, camera) = call(is_dual);
        for name in ["bob", "carol"] {
            show(&mut town, name, &camera, Some(VideoQuality::Low));
        }
        town.pass(UP + DOWN);
        assert_eq!(enabled(&town), 1);
        for (quality, layers) in [(VideoQuality::Medium, 2), (VideoQuality::High, 3)] {
            show(&mut town, "bob", &camera, Some(quality));
            town.pass(UP);
            assert_eq!(enabled(&town), layers);
        }
        for name in ["bob", "carol"] {
            show(&mut town, name, &camera, None);
        }
        town.pass(UP + DOWN);
        assert_eq!(enabled(&town), 0);
        show(&mut town, "carol", &camera, Some(VideoQuality::High));
        assert_eq!(enabled(&town), 3, "what was out of sight does not wait at all");
    }
}

#[test]
fn what_nobody_wants_any_more_is_kept_for_five_seconds_and_no_longer() {
    let (mut town, camera) = call(false);
    let before = told(&town);
    show(&mut town, "bob", &camera, Some(VideoQuality::Low));
    town.pass(UP + DOWN + MOMENT);
    assert_eq!(told(&town), before, "Carol still watches all of it");
    show(&mut town, "carol", &camera, Some(VideoQuality::Medium));
    town.pass(UP + DOWN - MOMENT);
    assert_eq!(told(&town), before);
    town.pass(MOMENT);
    assert_eq!(
        (told(&town), enabled(&town)),
        (before + 1, 2),
        "the most that somebody wants"
    );
    town.leave("carol");
    town.pass(DOWN - MOMENT);
    assert_eq!(enabled(&town), 2);
    town.pass(MOMENT);
    assert_eq!(enabled(&town), 1);
    town.pass(10 * DOWN);
    assert_eq!(told(&town), before + 2, "each change is told once");
}

#[test]
fn tiles_that_come_and_go_do_not_stir_a_publisher() {
    let (mut town, camera) = call(true);
    show(&mut town, "carol", &camera, Some(VideoQuality::Low));
    town.pass(UP);
    let before = told(&town);
    for _ in 0..60 {
        for quality in [Some(VideoQuality::Low), None, Some(VideoQuality::High)] {
            show(&mut town, "bob", &camera, quality);
            town.pass(Duration::from_millis(1_500));
        }
    }
    assert_eq!(told(&town), before, "somebody always watched within five seconds");
    show(&mut town, "bob", &camera, None);
    town.pass(UP + DOWN);
    assert_eq!((told(&town), enabled(&town)), (before + 1, 1));
}

#[test]
fn wishes_of_a_time_of_mute_are_told_as_one_when_it_ends() {
    let (mut town, camera) = call(false);
    let mute = |muted| {
        let sid = camera.clone();
        Ask::Mute(MuteTrackRequest { sid, muted })
    };
    town.ask("alice", mute(true));
    let before = told(&town);
    for name in ["bob", "carol"] {
        show(&mut town, name, &camera, Some(VideoQuality::Low));
    }
    town.pass(3 * DOWN);
    assert_eq!(told(&town), before);
    town.ask("alice", mute(false));
    town.pass(UP);
    assert_eq!((told(&town), enabled(&town)), (before + 1, 1));
}
