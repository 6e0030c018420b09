//! Three people hold a call.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, add_track, claims, info_of, tracks_of};
use hanse_sfu_core::command::{MediaCommand, MediaEvent};
use hanse_sfu_core::ids::Layer;
use hanse_sfu_signal::limits::SETTING_DELAY;
use hanse_sfu_signal::{SessionId, SfuEvent};
use livekit_protocol::participant_info::State;
use livekit_protocol::request_response::Reason;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, MuteTrackRequest, TrackSource, TrackType, UpdateTrackSettings,
    VideoQuality, encryption,
};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn the_join_message_says_who_is_here_and_what_may_be_published() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let join = last!(town, "bob", Join).unwrap();
    assert_eq!(join.room.as_ref().unwrap().name, "standup");
    assert!(join.room.as_ref().unwrap().sid.starts_with("RM_"));
    let own = join.participant.unwrap();
    assert!(own.sid.starts_with("PA_"));
    assert_eq!(
        (own.identity.as_str(), own.name.as_str(), own.state()),
        ("bob", "BOB", State::Joined)
    );
    assert!(own.permission.unwrap().can_publish);
    assert_eq!(join.other_participants.len(), 1);
    assert_eq!(join.other_participants[0].identity, "alice");
    assert_eq!(join.other_participants[0].state(), State::Active);
    let server = join.server_info.unwrap();
    assert_eq!((server.version.as_str(), server.protocol), ("1.9.0", 17));
    assert!(!join.sif_trailer.is_empty() && !join.subscriber_primary);
    assert_eq!((join.ping_interval, join.ping_timeout), (5, 15));
    let mimes: Vec<_> = join
        .enabled_publish_codecs
        .iter()
        .map(|codec| codec.mime.as_str())
        .collect();
    assert_eq!(
        (mimes.first(), mimes.get(1), mimes.get(5)),
        (Some(&"video/VP8"), Some(&"video/H264"), Some(&"audio/opus")),
        "what everybody can decode first, and sound after pictures"
    );
    let alices = last!(town, "alice", Join).unwrap();
    assert!(alices.other_participants.is_empty());
    assert_eq!(alices.sif_trailer, join.sif_trailer);
}

#[test]
fn everybody_hears_of_a_newcomer_when_it_joins_and_when_it_is_connected() {
    let mut town = Town::unconnected();
    town.join("alice");
    town.join("bob");
    let bob = town.people["bob"].sid.clone();
    assert_eq!(info_of(&town, "alice", &bob).unwrap().state(), State::Joined);
    let comes = |event: &&SfuEvent| matches!(event, SfuEvent::ParticipantConnecting { identity, .. } if identity == "bob");
    assert_eq!(town.events.iter().filter(comes).count(), 1);
    let connection = town.connection("bob");
    town.event(MediaEvent::Connected { connection });
    assert_eq!(info_of(&town, "alice", &bob).unwrap().state(), State::Active);
    assert_eq!(info_of(&town, "bob", &bob).unwrap().state(), State::Active);
    let joined = |event: &&SfuEvent| matches!(event, SfuEvent::ParticipantJoined { identity, .. } if identity == "bob");
    assert_eq!(town.events.iter().filter(joined).count(), 1);
}

#[test]
fn three_people_receive_camera_microphone_and_screen_of_each_other_and_nothing_of_their_own() {
    let mut town = Town::default();
    let names = ["alice", "bob", "carol"];
    for name in names {
        town.join(name);
        town.publish(name, TrackSource::Microphone);
        town.publish(name, TrackSource::Camera);
    }
    town.publish("alice", TrackSource::ScreenShare);
    for name in names {
        for other in names {
            for source in [TrackSource::Camera, TrackSource::Microphone] {
                assert_eq!(
                    town.hears(name, other, source),
                    name != other,
                    "{name} of {other}"
                );
            }
        }
        assert_eq!(
            town.hears(name, "alice", TrackSource::ScreenShare),
            name != "alice"
        );
    }
}

#[test]
fn a_late_joiner_receives_everything_with_its_first_answer() {
    let mut town = Town::default();
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    town.publish("alice", TrackSource::Microphone);
    town.join("bob");
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    assert!(town.hears("bob", "alice", TrackSource::Microphone));
    assert_eq!(count!(town, "bob", Answer), 1);
    assert_eq!(count!(town, "bob", MediaSectionsRequirement), 0);
}

#[test]
fn more_tracks_than_slots_make_the_client_add_sections() {
    let mut town = Town::default();
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        town.join(name);
        town.publish(name, TrackSource::Microphone);
    }
    for other in ["alice", "bob", "carol", "dave"] {
        assert!(town.hears("erin", other, TrackSource::Microphone));
        assert!(town.hears(other, "erin", TrackSource::Microphone));
    }
    // Three slots were there, a fourth was asked for.
    assert_eq!(town.people["erin"].slots(), 7);
}

#[test]
fn a_track_is_described_to_others_once_it_is_negotiated_and_its_encryption_is_untouched() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let alice = town.people["alice"].sid.clone();
    town.ask(
        "alice",
        Ask::AddTrack(add_track("alice-Camera", TrackSource::Camera)),
    );
    let announced = last!(town, "alice", TrackPublished).unwrap();
    let track = announced.track.unwrap();
    assert_eq!(announced.cid, "alice-Camera");
    assert!(track.sid.starts_with("TR_VC"));
    assert!(tracks_of(&town, "bob", &alice).is_empty());

    town.browser("alice").add_sender(TrackType::Video, "alice-Camera");
    town.browser("alice").offer();
    town.settle();
    let seen = tracks_of(&town, "bob", &alice).remove(0);
    assert_eq!(seen.sid, track.sid);
    assert_eq!(seen.encryption(), encryption::Type::Gcm);
    assert_eq!(
        (seen.mime_type.as_str(), seen.stream.as_str(), seen.mid.as_str()),
        ("video/VP8", "camera", "7")
    );
    assert_eq!(seen.codecs[0].layers.len(), 3);
    assert_eq!(tracks_of(&town, "alice", &alice), vec![seen]);
    assert_eq!(count!(town, "alice", TrackPublished), 1);
}

#[test]
fn an_offer_may_come_before_its_announcement() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    town.browser("alice").add_sender(TrackType::Video, "alice-Camera");
    town.browser("alice").offer();
    town.settle();
    assert_eq!(town.people["alice"].direction("7"), "recvonly");
    assert!(!town.hears("bob", "alice", TrackSource::Camera));
    town.ask(
        "alice",
        Ask::AddTrack(add_track("alice-Camera", TrackSource::Camera)),
    );
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    let plan = town.media.plan(town.connection("alice"));
    let layers: Vec<_> = plan.sections[0]
        .layers
        .iter()
        .map(|layer| (layer.layer, layer.rid.unwrap().to_string()))
        .collect();
    assert_eq!(
        layers,
        [
            (Layer(0), "q".into()),
            (Layer(1), "h".into()),
            (Layer(2), "f".into())
        ]
    );
}

#[test]
fn announcements_may_come_with_the_join() {
    let mut town = Town::default();
    let mut browser = Browser::new("alice");
    browser.brings = vec![add_track("alice-Camera", TrackSource::Camera)];
    browser.add_sender(TrackType::Video, "alice-Camera");
    town.join_as("alice", claims("alice"), browser).unwrap();
    town.join("bob");
    assert!(town.hears("bob", "alice", TrackSource::Camera));
}

#[test]
fn a_client_that_does_not_offer_at_its_join_receives_after_its_first_offer() {
    let mut town = Town::default();
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    let mut browser = Browser::new("bob");
    browser.offers_at_join = false;
    town.join_as("bob", claims("bob"), browser).unwrap();
    assert_eq!(count!(town, "bob", MediaSectionsRequirement), 0);
    town.browser("bob").offer();
    town.settle();
    assert!(town.hears("bob", "alice", TrackSource::Camera));
}

#[test]
fn sections_without_the_announced_id_go_to_the_first_announcement_of_their_kind() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let browser = town.browser("alice");
    browser.announce(add_track("mic", TrackSource::Microphone));
    browser.announce(add_track("cam", TrackSource::Camera));
    browser.announce(add_track("screen", TrackSource::ScreenShare));
    browser.add_sender(TrackType::Video, "{another id}");
    browser.add_sender(TrackType::Video, "cam");
    browser.add_sender(TrackType::Audio, "{yet another}");
    browser.offer();
    town.settle();
    let alice = town.people["alice"].sid.clone();
    let mids: Vec<_> = tracks_of(&town, "bob", &alice)
        .into_iter()
        .map(|track| (track.source(), track.mid))
        .collect();
    assert!(mids.contains(&(TrackSource::ScreenShare, "7".into())));
    assert!(mids.contains(&(TrackSource::Camera, "8".into())));
    assert!(mids.contains(&(TrackSource::Microphone, "9".into())));
}

#[test]
fn muting_is_told_to_everybody_and_ends_no_subscription() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let sid = town.publish("alice", TrackSource::Camera);
    let alice = town.people["alice"].sid.clone();
    town.ask(
        "alice",
        Ask::Mute(MuteTrackRequest {
            sid: sid.clone(),
            muted: true,
        }),
    );
    assert!(tracks_of(&town, "bob", &alice)[0].muted);
    assert!(tracks_of(&town, "alice", &alice)[0].muted);
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    let before = town.commands().len();
    town.ask(
        "alice",
        Ask::Mute(MuteTrackRequest {
            sid: sid.clone(),
            muted: false,
        }),
    );
    assert!(!tracks_of(&town, "bob", &alice)[0].muted);
    let track = town.track("alice", &sid);
    assert!(
        matches!(&town.commands()[before..], [MediaCommand::RequestKeyFrame { track: own }] if *own == track)
    );
}

#[test]
fn nobody_mutes_another_ones_track() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let sid = town.publish("alice", TrackSource::Camera);
    let alice = town.people["alice"].sid.clone();
    town.ask("bob", Ask::Mute(MuteTrackRequest { sid, muted: true }));
    assert!(!tracks_of(&town, "alice", &alice)[0].muted);
    assert_eq!(
        last!(town, "bob", RequestResponse).unwrap().reason(),
        Reason::NotFound
    );
}

#[test]
fn unpublishing_ends_the_track_for_everybody_and_frees_its_slot() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let sid = town.publish("alice", TrackSource::Camera);
    let mid = town.people["bob"].heard()[0].mid.clone();
    let alice = town.people["alice"].sid.clone();
    town.unpublish("alice", &sid);
    assert!(tracks_of(&town, "bob", &alice).is_empty());
    assert!(!town.hears("bob", "alice", TrackSource::Camera));
    assert_eq!(town.people["bob"].direction(&mid), "inactive");
    assert!(town.media.down.is_empty());
    let ended =
        |event: &&SfuEvent| matches!(event, SfuEvent::TrackUnpublished { track, .. } if track.sid == sid);
    assert_eq!(town.events.iter().filter(ended).count(), 1);

    town.publish("alice", TrackSource::ScreenShare);
    assert!(town.hears("bob", "alice", TrackSource::ScreenShare));
    assert_eq!(town.people["bob"].heard()[0].mid, mid, "the slot is used again");
}

#[test]
fn the_publisher_hears_once_that_somebody_receives_its_track() {
    let mut town = Town::default();
    town.join("alice");
    let sid = town.publish("alice", TrackSource::Camera);
    assert_eq!(count!(town, "alice", TrackSubscribed), 0);
    town.join("bob");
    town.join("carol");
    assert_eq!(last!(town, "alice", TrackSubscribed).unwrap().track_sid, sid);
    assert_eq!(count!(town, "alice", TrackSubscribed), 1);
}

#[test]
fn a_setting_chooses_the_smallest_layer_that_covers_it() {
    let mut town = Town::default();
    town.join("alice");
    let sid = town.publish("alice", TrackSource::Camera);
    town.join("bob");
    let track = town.track("alice", &sid);
    let bob = town.connection("bob");
    assert_eq!(
        town.media.want(bob, track).unwrap().layer_max,
        Layer(2),
        "the best until it says otherwise"
    );
    let setting = |width, height| UpdateTrackSettings {
        track_sids: vec![sid.clone()],
        width,
        height,
        ..Default::default()
    };
    for (width, height, layer) in [
        (160, 90, 0),
        (320, 180, 0),
        (350, 199, 0),
        (400, 300, 1),
        (1920, 1080, 2),
    ] {
        town.ask("bob", Ask::TrackSetting(setting(width, height)));
        town.pass(SETTING_DELAY);
        assert_eq!(
            town.media.want(bob, track).unwrap().layer_max,
            Layer(layer),
            "{width}x{height}"
        );
    }
    let low = UpdateTrackSettings {
        quality: VideoQuality::Low.into(),
        ..setting(0, 0)
    };
    town.ask("bob", Ask::TrackSetting(low));
    town.pass(SETTING_DELAY);
    assert_eq!(town.media.want(bob, track).unwrap().layer_max, Layer(0));
    town.ask(
        "bob",
        Ask::TrackSetting(UpdateTrackSettings {
            disabled: true,
            ..setting(0, 0)
        }),
    );
    town.pass(SETTING_DELAY);
    assert!(!town.media.want(bob, track).unwrap().enabled);
}

#[test]
fn an_adaptive_client_starts_with_the_lowest_layer() {
    let mut town = Town::default();
    town.join("alice");
    let sid = town.publish("alice", TrackSource::Camera);
    let mut browser = Browser::new("bob");
    browser.settings.adaptive_stream = true;
    town.join_as("bob", claims("bob"), browser).unwrap();
    let want = town
        .media
        .want(town.connection("bob"), town.track("alice", &sid))
        .unwrap();
    assert!(want.enabled);
    assert_eq!(want.layer_max, Layer(0));
}

#[test]
fn dynacast_tells_the_publisher_what_is_watched() {
    let mut town = Town::default();
    town.join("alice");
    let sid = town.publish("alice", TrackSource::Camera);
    assert_eq!(count!(town, "alice", SubscribedQualityUpdate), 0);
    town.join("bob");
    let enabled = |town: &Town| -> Vec<bool> {
        let update = last!(town, "alice", SubscribedQualityUpdate).unwrap();
        assert_eq!(update.subscribed_codecs[0].codec, "vp8");
        update.subscribed_codecs[0]
            .qualities
            .iter()
            .map(|quality| quality.enabled)
            .collect()
    };
    assert_eq!(enabled(&town), [true, true, true]);
    let low = UpdateTrackSettings {
        track_sids: vec![sid],
        quality: VideoQuality::Low.into(),
        ..Default::default()
    };
    town.ask("bob", Ask::TrackSetting(low));
    assert_eq!(enabled(&town), [true, true, true], "lowering waits");
    town.pass(SETTING_DELAY + Duration::from_secs(5));
    assert_eq!(enabled(&town), [true, false, false]);
    town.leave("bob");
    town.pass(Duration::from_secs(5));
    assert_eq!(enabled(&town), [false, false, false]);
}

#[test]
fn speakers_are_told_to_themselves_and_to_those_who_receive_them() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let mut deaf = Browser::new("carol");
    deaf.settings.auto_subscribe = false;
    town.join_as("carol", claims("carol"), deaf).unwrap();
    let sid = town.publish("alice", TrackSource::Microphone);
    let track = town.track("alice", &sid);
    town.event(MediaEvent::AudioLevel { track, level: 0.3 });
    assert_eq!(count!(town, "bob", SpeakersChanged), 0);
    town.pass(Duration::from_millis(400));
    for name in ["alice", "bob"] {
        let speakers = last!(town, name, SpeakersChanged).unwrap().speakers;
        assert_eq!(
            (speakers[0].sid.as_str(), speakers[0].active),
            (town.people["alice"].sid.as_str(), true)
        );
        assert!((speakers[0].level - 0.375).abs() < 1e-6, "rounded up to eighths");
    }
    assert_eq!(count!(town, "carol", SpeakersChanged), 0);

    town.event(MediaEvent::AudioLevel { track, level: 0.31 });
    town.pass(Duration::from_millis(400));
    assert_eq!(count!(town, "bob", SpeakersChanged), 1, "only changes are told");

    town.join("dave");
    assert!(
        last!(town, "dave", SpeakersChanged).unwrap().speakers[0].active,
        "a newcomer hears who speaks"
    );

    town.event(MediaEvent::AudioLevel { track, level: 0.0 });
    town.pass(Duration::from_millis(400));
    assert!(!last!(town, "bob", SpeakersChanged).unwrap().speakers[0].active);
}

#[test]
fn a_muted_microphone_is_silent_at_once() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let sid = town.publish("alice", TrackSource::Microphone);
    let track = town.track("alice", &sid);
    town.event(MediaEvent::AudioLevel { track, level: 1.0 });
    town.pass(Duration::from_millis(400));
    town.ask("alice", Ask::Mute(MuteTrackRequest { sid, muted: true }));
    town.event(MediaEvent::AudioLevel { track, level: 0.5 });
    town.pass(Duration::from_millis(400));
    assert!(!last!(town, "bob", SpeakersChanged).unwrap().speakers[0].active);
}

#[test]
fn stereo_and_silence_suppression_are_negotiated_for_all_sections_alike() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let fmtp = |town: &Town, name: &str| -> BTreeSet<String> {
        let sdp = last!(town, name, Answer).unwrap().sdp;
        sdp.lines()
            .filter_map(|line| line.strip_prefix("a=fmtp:111 "))
            .map(str::to_owned)
            .collect()
    };
    let plain = "minptime=10;useinbandfec=1";
    assert_eq!(fmtp(&town, "alice"), [format!("{plain};usedtx=1")].into());
    let browser = town.browser("alice");
    browser.announce(AddTrackRequest {
        audio_features: vec![
            AudioTrackFeature::TfStereo.into(),
            AudioTrackFeature::TfNoDtx.into(),
        ],
        ..add_track("music", TrackSource::ScreenShareAudio)
    });
    browser.add_sender(TrackType::Audio, "music");
    browser.offer();
    town.settle();
    assert_eq!(
        fmtp(&town, "alice"),
        [format!("{plain};stereo=1;maxaveragebitrate=510000")].into()
    );
    assert_eq!(
        fmtp(&town, "bob"),
        [format!("{plain};usedtx=1;sprop-stereo=1")].into()
    );
}

#[test]
fn the_first_picture_of_a_subscriber_is_timed_once_from_its_join_and_sounds_are_not() {
    let mut town = Town::default();
    town.join("alice");
    let microphone = town.publish("alice", TrackSource::Microphone);
    let camera = town.publish("alice", TrackSource::Camera);
    let [microphone, camera] = [microphone, camera].map(|sid| town.track("alice", &sid));
    town.join("bob");
    let connection = town.connection("bob");
    town.pass(Duration::from_millis(120));
    for track in [microphone, camera, camera] {
        town.event(MediaEvent::FirstForwarded { connection, track });
    }
    let session = SessionId(connection.0);
    assert_eq!(town.first_pictures, [(session, Duration::from_millis(120))]);
}
