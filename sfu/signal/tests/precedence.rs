//! Whose pictures come first where a link does not carry all: what the media plane is told.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use common::Town;
use hanse_sfu_core::command::{MediaCommand, MediaEvent, Precedence};
use hanse_sfu_core::ids::TrackId;
use livekit_protocol::TrackSource;
use std::time::Duration;

/// What the media plane has been told of precedence, and not taken before.
fn told(town: &Town, from: &mut usize) -> Vec<(TrackId, Precedence)> {
    let commands = &town.commands()[*from..];
    *from += commands.len();
    let told = commands.iter().filter_map(|command| match command {
        MediaCommand::SetPrecedence { track, precedence } => Some((*track, *precedence)),
        _ => None,
    });
    told.collect()
}

fn loud(town: &mut Town, track: TrackId, level: f32) {
    town.event(MediaEvent::AudioLevel { track, level });
}

#[test]
fn a_screen_comes_first_from_its_first_moment_and_a_camera_does_not() {
    let mut town = Town::default();
    town.join("alice");
    let mut from = 0;
    let camera = town.publish("alice", TrackSource::Camera);
    assert!(town.track("alice", &camera).0 > 0);
    assert_eq!(told(&town, &mut from), []);
    let screen = town.publish("alice", TrackSource::ScreenShare);
    assert_eq!(
        told(&town, &mut from),
        [(town.track("alice", &screen), Precedence::Screen)]
    );
}

#[test]
fn the_camera_of_a_speaker_comes_before_those_of_listeners_and_for_a_while_after_the_last_word() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
        town.publish(name, TrackSource::Camera);
        town.publish(name, TrackSource::ScreenShare);
    }
    let microphone = town.publish("alice", TrackSource::Microphone);
    let microphone = town.track("alice", &microphone);
    let mut from = 0;
    let screens = told(&town, &mut from);
    assert_eq!(screens.len(), 2);

    loud(&mut town, microphone, 0.3);
    town.pass(Duration::from_millis(400));
    let now = told(&town, &mut from);
    let [(camera, Precedence::Speaker)] = now[..] else {
        panic!("{now:?}");
    };
    assert!(screens.iter().all(|(screen, _)| *screen != camera));
    // A breath: she was heard when the people were last told, and speaks on before her time is over.
    loud(&mut town, microphone, 0.0);
    town.pass(Duration::from_millis(4_900));
    loud(&mut town, microphone, 0.4);
    town.pass(Duration::from_millis(400));
    loud(&mut town, microphone, 0.0);
    town.pass(Duration::from_millis(4_500));
    assert_eq!(told(&town, &mut from), []);
    // Now she listens, and nobody had to say anything for that to count.
    town.pass(Duration::from_millis(600));
    assert_eq!(told(&town, &mut from), [(camera, Precedence::Listener)]);
}

#[test]
fn a_camera_that_a_speaker_turns_on_is_a_speakers_at_once() {
    let mut town = Town::default();
    town.join("alice");
    let microphone = town.publish("alice", TrackSource::Microphone);
    let microphone = town.track("alice", &microphone);
    loud(&mut town, microphone, 0.3);
    town.pass(Duration::from_millis(400));
    let mut from = 0;
    assert_eq!(told(&town, &mut from), []);
    let camera = town.publish("alice", TrackSource::Camera);
    assert_eq!(
        told(&town, &mut from),
        [(town.track("alice", &camera), Precedence::Speaker)]
    );
}

#[test]
fn a_speaker_whose_time_is_not_over_does_not_make_others_wait_to_be_shown_as_speaking() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
    }
    let [hers, his] = ["alice", "bob"].map(|name| {
        let sid = town.publish(name, TrackSource::Microphone);
        town.track(name, &sid)
    });
    loud(&mut town, hers, 0.3);
    town.pass(Duration::from_millis(800));
    let before = town.people["alice"].inbox.len();
    loud(&mut town, his, 0.3);
    town.pass(Duration::from_millis(400));
    let heard = &town.people["alice"].inbox[before..];
    assert!(
        heard.iter().any(|message| matches!(
            message,
            livekit_protocol::signal_response::Message::SpeakersChanged(_)
        )),
        "{heard:?}"
    );
}
