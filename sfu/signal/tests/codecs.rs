//! What is published in which codec, who gets which, and what is asked for when somebody cannot decode it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, add_track, claims, tracks_of};
use hanse_sfu_core::command::{Codec, Layering, MediaEvent, ReceiveSection};
use hanse_sfu_core::ids::Layer;
use hanse_sfu_signal::limits::{DYNACAST_LOWER_DELAY, QUEUED_TRACKS_MAX, SETTING_DELAY};
use livekit_protocol::request_response::Reason;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::video_layer::Mode;
use livekit_protocol::{
    AddTrackRequest, BackupCodecPolicy, SimulcastCodec, SubscriptionError, TrackSource, TrackType,
    UpdateSubscription, UpdateTrackSettings, encryption,
};
use std::time::Duration;

/// Longer than offers are held back.
const MOMENT: Duration = Duration::from_millis(500);

/// An announcement of frames that nobody seals, in these codecs.
fn open(cid: &str, source: TrackSource, codecs: &[&str]) -> AddTrackRequest {
    let named = |(place, codec): (usize, &&str)| SimulcastCodec {
        codec: (*codec).into(),
        cid: if place == 0 { cid.into() } else { String::new() },
        ..Default::default()
    };
    AddTrackRequest {
        encryption: encryption::Type::None.into(),
        simulcast_codecs: codecs.iter().enumerate().map(named).collect(),
        backup_codec_policy: BackupCodecPolicy::Simulcast.into(),
        ..add_track(cid, source)
    }
}

/// Announces and offers. Says the track's sid.
fn publish(town: &mut Town, name: &str, request: AddTrackRequest) -> String {
    let cid = request.cid.clone();
    let browser = town.browser(name);
    browser.add_sender(request.r#type(), &cid);
    browser.announce(request);
    browser.offer();
    town.settle();
    town.people[name]
        .published(&cid)
        .expect("the track was refused")
        .sid
        .clone()
}

/// The other codec of a track, as livekit-client publishes it when it is asked to.
fn publish_backup(town: &mut Town, name: &str, sid: &str, cid: &str) {
    let request = AddTrackRequest {
        sid: sid.into(),
        ..open(cid, TrackSource::Camera, &["vp8"])
    };
    publish(town, name, request);
}

fn join(town: &mut Town, name: &str, change: impl FnOnce(&mut Browser)) {
    let mut browser = Browser::new(name);
    change(&mut browser);
    town.join_as(name, claims(name), browser).unwrap();
}

/// How a person's latest section comes in.
fn incoming(town: &Town, name: &str) -> ReceiveSection {
    let plan = town.media.plan(town.connection(name));
    plan.sections.last().expect("nothing comes in").clone()
}

/// Codecs and payload types that go out to a person.
fn outgoing(town: &Town, name: &str) -> Vec<(Codec, u8)> {
    let connection = town.downstream(name);
    let down = town.media.down.values();
    down.filter(|down| down.connection == connection)
        .map(|down| (down.plan.codec, down.plan.payload_type))
        .collect()
}

/// Of each codec, how many qualities the publisher was last asked for.
fn asked(town: &Town, name: &str) -> Vec<(String, usize)> {
    let update = last!(town, name, SubscribedQualityUpdate).expect("nothing was asked for");
    let count = |codec: &livekit_protocol::SubscribedCodec| {
        codec.qualities.iter().filter(|quality| quality.enabled).count()
    };
    let codecs = update.subscribed_codecs.iter();
    codecs.map(|codec| (codec.codec.clone(), count(codec))).collect()
}

fn pairs(list: &[(&str, usize)]) -> Vec<(String, usize)> {
    list.iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn a_track_is_received_and_goes_out_in_the_codec_that_its_publisher_announced() {
    for (name, mime, codec, payload_type) in [
        ("vp8", "video/VP8", Codec::Vp8, 96),
        ("h264", "video/H264", Codec::H264, 102),
        ("vp9", "video/VP9", Codec::Vp9, 98),
        ("av1", "video/AV1", Codec::Av1, 45),
    ] {
        let mut town = Town::default();
        town.join("alice");
        town.join("bob");
        publish(&mut town, "alice", open("cam", TrackSource::Camera, &[name]));
        let section = incoming(&town, "alice");
        assert_eq!((section.codec, section.payload_type), (codec, payload_type));
        assert_eq!(outgoing(&town, "bob"), [(codec, payload_type)]);
        assert!(outgoing(&town, "alice").is_empty());
        let alice = town.people["alice"].sid.clone();
        let info = tracks_of(&town, "bob", &alice).remove(0);
        assert_eq!(
            (info.mime_type.as_str(), info.codecs[0].mime_type.as_str()),
            (mime, mime)
        );
    }
}

#[test]
fn layers_inside_one_stream_are_chosen_like_streams_of_their_own() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    // One encoding with all layers in it: its section has no rids.
    let sid = publish(&mut town, "alice", open("svc", TrackSource::Camera, &["vp9"]));
    let section = incoming(&town, "alice");
    assert_eq!((section.layering, section.layers.len()), (Layering::InStream, 1));
    let alice = town.people["alice"].sid.clone();
    let info = tracks_of(&town, "bob", &alice).remove(0);
    assert_eq!(
        info.codecs[0].video_layer_mode(),
        Mode::MultipleSpatialLayersPerStream
    );
    let track = town.track("alice", &sid);
    let bob = town.connection("bob");
    assert_eq!(town.media.want(bob, track).unwrap().layer_max, Layer(2));
    let small = UpdateTrackSettings {
        track_sids: vec![sid],
        width: 320,
        height: 180,
        ..Default::default()
    };
    town.ask("bob", Ask::TrackSetting(small));
    town.pass(SETTING_DELAY);
    assert_eq!(town.media.want(bob, track).unwrap().layer_max, Layer(0));
}

#[test]
fn scalable_codecs_with_several_rids_are_streams_of_their_own() {
    let mut town = Town::default();
    town.join("alice");
    // The captured section of this name has three rids.
    publish(&mut town, "alice", open("Camera", TrackSource::Camera, &["vp9"]));
    let section = incoming(&town, "alice");
    assert_eq!((section.layering, section.layers.len()), (Layering::PerStream, 3));
}

#[test]
fn a_browser_is_given_another_codec_than_the_one_it_does_badly() {
    let mut town = Town::default();
    join(&mut town, "alice", |browser| browser.name = ("Firefox", "Linux"));
    let joined = last!(town, "alice", Join).unwrap();
    let disabled = joined.client_configuration.unwrap().disabled_codecs.unwrap();
    assert_eq!(disabled.publish[0].mime, "video/H264");
    assert!(
        joined
            .enabled_publish_codecs
            .iter()
            .all(|codec| codec.mime != "video/H264" && codec.mime != "audio/red")
    );
    publish(&mut town, "alice", open("cam", TrackSource::Camera, &["h264"]));
    assert_eq!(incoming(&town, "alice").codec, Codec::Vp8);
    let told = town.people["alice"].published("cam").unwrap();
    assert_eq!(told.codecs[0].mime_type, "video/VP8");
    town.join("bob");
    assert_eq!(last!(town, "bob", Join).unwrap().client_configuration, None);
}

#[test]
fn a_codec_that_the_operator_does_not_want_is_not_used() {
    let mut town = Town::new(|config| config.codecs = vec![Codec::Opus, Codec::Vp8]);
    town.join("alice");
    publish(&mut town, "alice", open("cam", TrackSource::Camera, &["av1"]));
    assert_eq!(incoming(&town, "alice").codec, Codec::Vp8);
    let mimes: Vec<String> = last!(town, "alice", Join)
        .unwrap()
        .enabled_publish_codecs
        .into_iter()
        .map(|codec| codec.mime)
        .collect();
    assert_eq!(mimes, ["video/VP8", "audio/opus"]);
}

#[test]
fn whoever_cannot_decode_a_track_hears_so_and_gets_its_backup_when_it_asks_again() {
    let mut town = Town::default();
    town.join("alice");
    join(&mut town, "bob", |browser| browser.lacks = vec!["VP9"]);
    town.join("carol");
    let sid = publish(&mut town, "alice", open("svc", TrackSource::Camera, &["vp9"]));
    let refused = last!(town, "bob", SubscriptionResponse).unwrap();
    assert_eq!(
        (refused.track_sid.as_str(), refused.err()),
        (sid.as_str(), SubscriptionError::SeCodecUnsupported)
    );
    assert!(outgoing(&town, "bob").is_empty());
    assert_eq!(outgoing(&town, "carol"), [(Codec::Vp9, 98)]);
    assert_eq!(count!(town, "carol", SubscriptionResponse), 0);
    publish_backup(&mut town, "alice", &sid, "backup");
    let again = UpdateSubscription {
        track_sids: vec![sid],
        subscribe: true,
        ..Default::default()
    };
    town.ask("bob", Ask::Subscription(again));
    assert_eq!(outgoing(&town, "bob"), [(Codec::Vp8, 96)]);
    assert_eq!(outgoing(&town, "carol"), [(Codec::Vp9, 98)]);
}

#[test]
fn an_announced_backup_is_asked_for_when_somebody_needs_it_and_let_go_when_nobody_does() {
    let mut town = Town::default();
    town.join("alice");
    town.join("carol");
    let sid = publish(
        &mut town,
        "alice",
        open("svc", TrackSource::Camera, &["vp9", "vp8"]),
    );
    assert_eq!(asked(&town, "alice"), pairs(&[("vp9", 3), ("vp8", 0)]));
    join(&mut town, "bob", |browser| browser.lacks = vec!["VP9"]);
    assert!(outgoing(&town, "bob").is_empty());
    assert_eq!(count!(town, "bob", SubscriptionResponse), 0, "it is on its way");
    assert_eq!(asked(&town, "alice"), pairs(&[("vp9", 3), ("vp8", 3)]));
    publish_backup(&mut town, "alice", &sid, "backup");
    assert_eq!(outgoing(&town, "bob"), [(Codec::Vp8, 96)]);
    assert_eq!(outgoing(&town, "carol"), [(Codec::Vp9, 98)]);
    let alice = town.people["alice"].sid.clone();
    let info = tracks_of(&town, "bob", &alice);
    assert_eq!(info.len(), 1, "it is one track");
    let mimes: Vec<&str> = info[0]
        .codecs
        .iter()
        .map(|codec| codec.mime_type.as_str())
        .collect();
    assert_eq!(mimes, ["video/VP9", "video/VP8"]);
    assert!(info[0].codecs.iter().all(|codec| !codec.mid.is_empty()));
    assert_eq!(info[0].mime_type, "video/VP9");
    town.leave("bob");
    town.pass(DYNACAST_LOWER_DELAY);
    assert_eq!(asked(&town, "alice"), pairs(&[("vp9", 3), ("vp8", 0)]));
    assert_eq!(outgoing(&town, "carol"), [(Codec::Vp9, 98)]);
}

/// Somebody whose browser lacks VP9, of the older form: it is known from their first answer.
fn join_without_vp9(town: &mut Town, name: &str) {
    let mut browser = Browser::dual(name);
    browser.second().lacks = ["VP9".to_owned()].into();
    town.join_as(name, claims(name), browser).unwrap();
    town.pass(MOMENT);
}

#[test]
fn who_leaves_a_codec_out_of_an_answer_gets_the_backup_and_is_not_offered_it_again() {
    let mut town = Town::default();
    town.join("alice");
    town.join("carol");
    let sid = publish(
        &mut town,
        "alice",
        open("svc", TrackSource::Camera, &["vp9", "vp8"]),
    );
    join_without_vp9(&mut town, "bob");
    assert!(outgoing(&town, "bob").is_empty());
    assert_eq!(count!(town, "bob", SubscriptionResponse), 0, "it is on its way");
    assert_eq!(asked(&town, "alice"), pairs(&[("vp9", 3), ("vp8", 3)]));
    publish_backup(&mut town, "alice", &sid, "backup");
    town.pass(MOMENT);
    assert_eq!(outgoing(&town, "bob"), [(Codec::Vp8, 96)]);
    assert_eq!(outgoing(&town, "carol"), [(Codec::Vp9, 98)]);
    let offers = town.people["bob"].second.as_ref().unwrap().offers.clone();
    assert!(
        offers
            .first()
            .is_some_and(|offer| offer.sdp.contains("VP9/90000"))
    );
    assert!(
        offers
            .last()
            .is_some_and(|offer| !offer.sdp.contains("VP9/90000"))
    );
    // Of what comes later, it is offered what it can decode, and hears at once of what it cannot.
    publish(&mut town, "carol", open("plain", TrackSource::Camera, &["vp8"]));
    let other = publish(
        &mut town,
        "carol",
        open("more", TrackSource::ScreenShare, &["vp9"]),
    );
    town.pass(MOMENT);
    assert_eq!(outgoing(&town, "bob"), [(Codec::Vp8, 96), (Codec::Vp8, 96)]);
    let refused = last!(town, "bob", SubscriptionResponse).unwrap();
    assert_eq!(
        (refused.track_sid, refused.err),
        (other, SubscriptionError::SeCodecUnsupported.into())
    );
    town.leave("bob");
    town.pass(DYNACAST_LOWER_DELAY);
    assert_eq!(asked(&town, "alice"), pairs(&[("vp9", 3), ("vp8", 0)]));
}

#[test]
fn of_several_announced_codecs_one_is_asked_for_that_the_receiver_can_decode() {
    let mut town = Town::default();
    town.join("alice");
    let codecs = ["vp9", "h264", "vp8"];
    publish(&mut town, "alice", open("svc", TrackSource::Camera, &codecs));
    join(&mut town, "bob", |browser| browser.lacks = vec!["VP9", "H264"]);
    assert_eq!(
        asked(&town, "alice"),
        pairs(&[("vp9", 3), ("h264", 0), ("vp8", 3)])
    );
    assert_eq!(count!(town, "bob", SubscriptionResponse), 0, "it is on its way");
}

#[test]
fn a_backup_that_ends_takes_the_track_from_those_who_need_it_and_from_nobody_else() {
    let mut town = Town::default();
    town.join("alice");
    town.join("carol");
    join(&mut town, "bob", |browser| browser.lacks = vec!["VP9"]);
    let sid = publish(
        &mut town,
        "alice",
        open("svc", TrackSource::Camera, &["vp9", "vp8"]),
    );
    publish_backup(&mut town, "alice", &sid, "backup");
    assert_eq!(outgoing(&town, "bob"), [(Codec::Vp8, 96)]);
    let mid = incoming(&town, "alice").mid.to_string();
    town.browser("alice").stop_section(&mid);
    town.browser("alice").offer();
    town.settle();
    assert!(outgoing(&town, "bob").is_empty());
    assert_eq!(outgoing(&town, "carol"), [(Codec::Vp9, 98)]);
    assert_eq!(count!(town, "carol", TrackUnpublished), 0);
    // Everything ends with the track, the backup included.
    publish_backup(&mut town, "alice", &sid, "backup again");
    assert_eq!(outgoing(&town, "bob"), [(Codec::Vp8, 96)]);
    let mid = town.people["alice"].mid_of(&sid);
    town.browser("alice").stop_section(&mid);
    town.browser("alice").offer();
    town.settle();
    assert!(outgoing(&town, "bob").is_empty() && outgoing(&town, "carol").is_empty());
}

#[test]
fn sound_comes_with_redundancy_to_those_who_know_it_and_plain_to_the_others() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    join(&mut town, "carol", |browser| browser.name = ("Firefox", "Linux"));
    publish(&mut town, "alice", open("mic", TrackSource::Microphone, &[]));
    let section = incoming(&town, "alice");
    assert_eq!(
        (section.codec, section.payload_type, section.primary_payload_type),
        (Codec::Red, 63, Some(111))
    );
    assert_eq!(outgoing(&town, "bob"), [(Codec::Red, 63)]);
    assert_eq!(outgoing(&town, "carol"), [(Codec::Opus, 111)]);
}

#[test]
fn sealed_sound_is_plain_opus_for_everybody_because_nobody_could_convert_it() {
    for change in [
        (|request: &mut AddTrackRequest| request.encryption = encryption::Type::Gcm.into())
            as fn(&mut AddTrackRequest),
        |request| request.disable_red = true,
    ] {
        let mut town = Town::default();
        town.join("alice");
        town.join("bob");
        let mut request = open("mic", TrackSource::Microphone, &[]);
        change(&mut request);
        publish(&mut town, "alice", request);
        assert_eq!(incoming(&town, "alice").codec, Codec::Opus);
        assert_eq!(outgoing(&town, "bob"), [(Codec::Opus, 111)]);
    }
}

#[test]
fn a_section_that_came_before_its_announcement_keeps_the_codec_it_was_answered_with() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let browser = town.browser("alice");
    browser.add_sender(TrackType::Video, "cam");
    browser.offer();
    town.settle();
    town.browser("alice")
        .announce(open("cam", TrackSource::Camera, &["h264"]));
    town.settle();
    assert_eq!(
        incoming(&town, "alice").codec,
        Codec::Vp8,
        "what it sends already"
    );
    assert_eq!(outgoing(&town, "bob"), [(Codec::Vp8, 96)]);
    let alice = town.people["alice"].sid.clone();
    assert_eq!(tracks_of(&town, "bob", &alice)[0].mime_type, "video/VP8");
}

#[test]
fn announcements_with_a_cid_in_use_wait_for_its_end_and_only_so_many() {
    let mut town = Town::default();
    town.join("alice");
    let sid = publish(&mut town, "alice", open("cam", TrackSource::Camera, &["vp8"]));
    for number in 0..=QUEUED_TRACKS_MAX {
        town.ask("alice", Ask::AddTrack(open("cam", TrackSource::Camera, &["vp8"])));
        let reason = last!(town, "alice", RequestResponse).unwrap().reason();
        let is_last = number == QUEUED_TRACKS_MAX;
        assert_eq!(
            reason,
            if is_last {
                Reason::LimitExceeded
            } else {
                Reason::Queued
            }
        );
    }
    assert_eq!(count!(town, "alice", TrackPublished), 1);
    town.unpublish("alice", &sid);
    assert_eq!(
        count!(town, "alice", TrackPublished),
        2,
        "the first of them is next"
    );
}

#[test]
fn another_codec_is_refused_for_a_reason() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let sid = publish(&mut town, "alice", open("svc", TrackSource::Camera, &["vp9"]));
    let ask = |sid: &str, codec: &str| {
        Ask::AddTrack(AddTrackRequest {
            sid: sid.into(),
            ..open("more", TrackSource::Camera, &[codec])
        })
    };
    for (name, sid, codec, reason) in [
        ("alice", "TR_unknown", "vp8", Reason::NotFound),
        ("bob", sid.as_str(), "vp8", Reason::NotFound),
        ("alice", sid.as_str(), "theora", Reason::UnsupportedType),
        ("alice", sid.as_str(), "opus", Reason::UnsupportedType),
    ] {
        town.ask(name, ask(sid, codec));
        assert_eq!(
            last!(town, name, RequestResponse).unwrap().reason(),
            reason,
            "{codec}"
        );
    }
    let alice = town.people["alice"].sid.clone();
    assert_eq!(tracks_of(&town, "bob", &alice)[0].codecs.len(), 1);
}

#[test]
fn settings_are_gathered_for_a_moment_but_what_was_hidden_is_shown_at_once() {
    let mut town = Town::default();
    town.join("alice");
    let sid = publish(&mut town, "alice", open("Camera", TrackSource::Camera, &["vp8"]));
    town.join("bob");
    let (bob, track) = (town.connection("bob"), town.track("alice", &sid));
    let setting = |disabled, width| {
        Ask::TrackSetting(UpdateTrackSettings {
            track_sids: vec![sid.clone()],
            disabled,
            width,
            height: width * 9 / 16,
            ..Default::default()
        })
    };
    let want = |town: &Town| town.media.want(bob, track).unwrap();
    town.ask("bob", setting(false, 640));
    town.pass(SETTING_DELAY / 2);
    town.ask("bob", setting(true, 0));
    assert!(want(&town).enabled && want(&town).layer_max == Layer(2));
    town.pass(SETTING_DELAY / 2);
    assert!(
        !want(&town).enabled,
        "the latest counts, and new ones do not prolong it"
    );
    town.ask("bob", setting(false, 320));
    assert!(want(&town).enabled && want(&town).layer_max == Layer(0));
}

#[test]
fn frames_per_second_choose_the_temporal_layer() {
    let mut town = Town::default();
    town.join("alice");
    let sid = publish(&mut town, "alice", open("Camera", TrackSource::Camera, &["vp8"]));
    town.join("bob");
    let (bob, track) = (town.connection("bob"), town.track("alice", &sid));
    for (fps, temporal_max) in [(0, u8::MAX), (30, u8::MAX), (15, 1), (7, 0), (1, 0)] {
        let setting = UpdateTrackSettings {
            track_sids: vec![sid.clone()],
            fps,
            ..Default::default()
        };
        town.ask("bob", Ask::TrackSetting(setting));
        town.pass(SETTING_DELAY);
        assert_eq!(
            town.media.want(bob, track).unwrap().temporal_max,
            temporal_max,
            "{fps}"
        );
    }
}

/// The codecs in which a person receives, whichever form it speaks.
fn codecs_of(town: &Town, name: &str) -> Vec<Codec> {
    let connection = town.downstream(name);
    let down = town.media.down.values();
    down.filter(|down| down.connection == connection)
        .map(|down| down.plan.codec)
        .collect()
}

/// The first packet of somebody's latest section comes in.
fn flows(town: &mut Town, name: &str) {
    let track = incoming(town, name).track;
    town.event(MediaEvent::TrackFlowing { track });
    town.pass(Duration::from_secs(1));
}

/// Alice publishes VP9 with VP8 behind it; Bob cannot decode VP9, Carol and Dora, who speaks the older form, can. Says the
/// track's sid.
fn with_backup(town: &mut Town, policy: BackupCodecPolicy) -> String {
    town.join("alice");
    town.join("carol");
    town.join_as("dora", claims("dora"), Browser::dual("dora"))
        .unwrap();
    let request = AddTrackRequest {
        backup_codec_policy: policy.into(),
        ..open("svc", TrackSource::Camera, &["vp9", "vp8"])
    };
    let sid = publish(town, "alice", request);
    flows(town, "alice");
    join(town, "bob", |browser| browser.lacks = vec!["VP9"]);
    publish_backup(town, "alice", &sid, "backup");
    town.pass(Duration::from_secs(1));
    for name in ["carol", "dora"] {
        assert_eq!(codecs_of(town, name), [Codec::Vp9], "until the backup comes in");
    }
    assert_eq!(codecs_of(town, "bob"), [Codec::Vp8]);
    sid
}

#[test]
fn once_somebody_needs_the_backup_everybody_gets_it_and_the_first_codec_rests() {
    for policy in [BackupCodecPolicy::PreferRegression, BackupCodecPolicy::Regression] {
        let mut town = Town::default();
        with_backup(&mut town, policy);
        flows(&mut town, "alice");
        for name in ["bob", "carol", "dora"] {
            assert_eq!(codecs_of(&town, name), [Codec::Vp8], "{name}");
            assert!(town.hears(name, "alice", TrackSource::Camera), "{name}");
            assert_eq!(count!(town, name, SubscriptionResponse), 0);
        }
        town.pass(DYNACAST_LOWER_DELAY);
        assert_eq!(asked(&town, "alice"), pairs(&[("vp9", 0), ("vp8", 3)]));
        // For newcomers, too, and there is no way back.
        town.join("fred");
        assert_eq!(codecs_of(&town, "fred"), [Codec::Vp8]);
        town.leave("bob");
        town.pass(DYNACAST_LOWER_DELAY);
        assert_eq!(asked(&town, "alice"), pairs(&[("vp9", 0), ("vp8", 3)]));
        assert_eq!(codecs_of(&town, "carol"), [Codec::Vp8]);
    }
}

#[test]
fn nobody_regresses_without_the_policy_nor_in_a_large_room_that_only_prefers_it() {
    for (policy, is_large, regresses) in [
        (BackupCodecPolicy::Simulcast, false, false),
        (BackupCodecPolicy::PreferRegression, true, false),
        (BackupCodecPolicy::Regression, true, true),
    ] {
        let mut town = Town::default();
        with_backup(&mut town, policy);
        if is_large {
            town.join("erin");
        }
        flows(&mut town, "alice");
        let expected = if regresses { Codec::Vp8 } else { Codec::Vp9 };
        for name in ["carol", "dora"] {
            assert_eq!(codecs_of(&town, name), [expected], "{policy:?}");
        }
        assert_eq!(codecs_of(&town, "bob"), [Codec::Vp8]);
    }
}

#[test]
fn a_backup_that_was_not_announced_with_the_track_makes_nobody_regress() {
    let mut town = Town::default();
    town.join("alice");
    town.join("carol");
    let request = AddTrackRequest {
        backup_codec_policy: BackupCodecPolicy::Regression.into(),
        ..open("svc", TrackSource::Camera, &["vp9"])
    };
    let sid = publish(&mut town, "alice", request);
    publish_backup(&mut town, "alice", &sid, "backup");
    flows(&mut town, "alice");
    assert_eq!(codecs_of(&town, "carol"), [Codec::Vp9]);
}

#[test]
fn when_the_backup_ends_whoever_can_gets_the_first_codec_again() {
    let mut town = Town::default();
    let sid = with_backup(&mut town, BackupCodecPolicy::Regression);
    flows(&mut town, "alice");
    assert_eq!(codecs_of(&town, "carol"), [Codec::Vp8]);
    let mid = incoming(&town, "alice").mid.to_string();
    town.browser("alice").stop_section(&mid);
    town.browser("alice").offer();
    town.pass(Duration::from_secs(1));
    for name in ["carol", "dora"] {
        assert_eq!(codecs_of(&town, name), [Codec::Vp9], "{name}");
    }
    assert!(codecs_of(&town, "bob").is_empty(), "it waits");
    assert_eq!(asked(&town, "alice"), pairs(&[("vp9", 3), ("vp8", 3)]));
    publish_backup(&mut town, "alice", &sid, "backup again");
    flows(&mut town, "alice");
    for name in ["bob", "carol", "dora"] {
        assert_eq!(codecs_of(&town, name), [Codec::Vp8], "{name}");
    }
}
