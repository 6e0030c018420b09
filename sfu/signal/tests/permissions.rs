//! What a token allows, what a publisher allows, and what an operator changes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, START_UNIX_S, Town, add_track, attempt, claims, info_of, keys, tracks_of};
use hanse_sfu_core::command::{MediaCommand, MediaEvent};
use hanse_sfu_signal::limits::SETTING_DELAY;
use hanse_sfu_signal::{JoinRefusal, SfuCommand, SfuRefusal, SfuReply, verify};
use livekit_protocol::request_response::Reason;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    MuteTrackRequest, ParticipantPermission, ParticipantTracks, SimulateScenario, StoreDataBlobRequest,
    StreamState, SubscriptionError, SubscriptionPermission, SyncState, TrackPermission, TrackSource,
    TrackType, UpdateLocalAudioTrack, UpdateLocalVideoTrack, UpdateParticipantMetadata, UpdateSubscription,
    UpdateTrackSettings,
};
use std::time::Duration;

fn subscription(sids: &[&str], subscribe: bool) -> Ask {
    let track_sids = sids.iter().map(|sid| (*sid).to_owned()).collect();
    Ask::Subscription(UpdateSubscription {
        track_sids,
        subscribe,
        participant_tracks: vec![],
    })
}

fn reason(town: &Town, name: &str) -> Option<Reason> {
    last!(town, name, RequestResponse).map(|response| response.reason())
}

#[test]
fn without_the_right_to_publish_nothing_is_published() {
    let mut town = Town::default();
    town.join("alice");
    town.join_with_claims("bob", |claims| claims.video.can_publish = Some(false));
    town.browser("bob")
        .announce(add_track("cam", TrackSource::Camera));
    town.browser("bob").add_sender(TrackType::Video, "cam");
    town.browser("bob").offer();
    town.settle();
    assert_eq!(reason(&town, "bob"), Some(Reason::NotAllowed));
    assert_eq!(count!(town, "bob", TrackPublished), 0);
    assert_eq!(town.people["bob"].direction("7"), "inactive");
    assert!(!town.hears("alice", "bob", TrackSource::Camera));
    town.publish("alice", TrackSource::Camera);
    assert!(
        town.hears("bob", "alice", TrackSource::Camera),
        "it still receives"
    );
}

#[test]
fn a_token_may_allow_some_sources_only() {
    let mut town = Town::default();
    town.join_with_claims("alice", |claims| {
        claims.video.can_publish_sources = vec!["microphone".into()]
    });
    town.publish("alice", TrackSource::Microphone);
    town.ask("alice", Ask::AddTrack(add_track("cam", TrackSource::Camera)));
    assert_eq!(reason(&town, "alice"), Some(Reason::NotAllowed));
    let unknown = livekit_protocol::AddTrackRequest {
        r#type: TrackType::Audio.into(),
        ..add_track("x", TrackSource::Unknown)
    };
    let before = count!(town, "alice", RequestResponse);
    town.ask("alice", Ask::AddTrack(unknown));
    assert_eq!(count!(town, "alice", RequestResponse), before + 1);
    assert_eq!(count!(town, "alice", TrackPublished), 1);
}

#[test]
fn announcements_are_checked_and_bounded() {
    let mut town = Town::default();
    town.join("alice");
    let data = livekit_protocol::AddTrackRequest {
        r#type: TrackType::Data.into(),
        ..add_track("d", TrackSource::Unknown)
    };
    town.ask("alice", Ask::AddTrack(data));
    assert_eq!(reason(&town, "alice"), Some(Reason::UnsupportedType));
    let other = livekit_protocol::AddTrackRequest {
        sid: "TR_x".into(),
        ..add_track("o", TrackSource::Camera)
    };
    town.ask("alice", Ask::AddTrack(other));
    assert_eq!(reason(&town, "alice"), Some(Reason::NotFound));
    let long = livekit_protocol::AddTrackRequest {
        name: "n".repeat(10_000),
        ..add_track("l", TrackSource::Camera)
    };
    town.ask("alice", Ask::AddTrack(long));
    assert_eq!(reason(&town, "alice"), Some(Reason::LimitExceeded));
    let refused = count!(town, "alice", RequestResponse);
    for number in 0..20 {
        town.ask(
            "alice",
            Ask::AddTrack(add_track(&format!("cid {number}"), TrackSource::Camera)),
        );
    }
    assert_eq!(
        (
            count!(town, "alice", TrackPublished),
            count!(town, "alice", RequestResponse)
        ),
        (20, refused)
    );
    town.ask(
        "alice",
        Ask::AddTrack(add_track("one too many", TrackSource::Camera)),
    );
    assert_eq!(reason(&town, "alice"), Some(Reason::LimitExceeded));
    assert_eq!(count!(town, "alice", TrackPublished), 20);
}

#[test]
fn an_announcement_with_a_used_cid_waits_until_the_earlier_track_has_ended() {
    let mut town = Town::default();
    town.join("alice");
    let sid = town.publish("alice", TrackSource::Microphone);
    let cid = town.people["alice"]
        .inbox
        .iter()
        .find_map(|message| match message {
            livekit_protocol::signal_response::Message::TrackPublished(published) => {
                Some(published.cid.clone())
            }
            _ => None,
        });
    let again = || Ask::AddTrack(add_track(&cid.clone().unwrap(), TrackSource::Microphone));
    town.ask("alice", again());
    assert_eq!(reason(&town, "alice"), Some(Reason::Queued));
    assert_eq!(count!(town, "alice", TrackPublished), 1);
    for _ in 0..3 {
        town.ask("alice", again());
    }
    assert_eq!(reason(&town, "alice"), Some(Reason::LimitExceeded));
    town.unpublish("alice", &sid);
    assert_eq!(count!(town, "alice", TrackPublished), 2);
    assert_ne!(
        last!(town, "alice", TrackPublished).unwrap().track.unwrap().sid,
        sid
    );
}

#[test]
fn a_hidden_participant_is_not_seen_and_not_heard_but_sees_and_hears() {
    let mut town = Town::default();
    town.join("alice");
    town.join_with_claims("ghost", |claims| claims.video.hidden = true);
    town.join("bob");
    let ghost = town.people["ghost"].sid.clone();
    town.publish("bob", TrackSource::Camera);
    let sid = town.publish("ghost", TrackSource::Microphone);
    town.ask("bob", subscription(&[&sid], true));
    for name in ["alice", "bob"] {
        assert_eq!(info_of(&town, name, &ghost), None);
        assert!(!town.hears(name, "ghost", TrackSource::Microphone));
    }
    assert!(town.hears("ghost", "bob", TrackSource::Camera));
    let bob_sid = &town.people["bob"].sid;
    assert!(info_of(&town, "ghost", bob_sid).is_some());
    town.leave("ghost");
    assert!(!town.people["alice"].gone.contains(&ghost));
}

#[test]
fn a_hidden_viewer_alone_is_no_first_subscriber() {
    let mut town = Town::default();
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    town.join_with_claims("ghost", |claims| claims.video.hidden = true);
    assert!(town.hears("ghost", "alice", TrackSource::Camera));
    assert_eq!(count!(town, "alice", TrackSubscribed), 0);
    town.join("bob");
    assert_eq!(count!(town, "alice", TrackSubscribed), 1);
}

#[test]
fn without_auto_subscribe_only_what_is_asked_for_comes() {
    let mut town = Town::default();
    town.join("alice");
    let camera = town.publish("alice", TrackSource::Camera);
    town.publish("alice", TrackSource::Microphone);
    town.join_as("bob", claims("bob"), Browser::manual("bob"))
        .unwrap();
    assert!(town.people["bob"].heard().is_empty());
    for _ in 0..2 {
        town.ask("bob", subscription(&[&camera], true));
        town.browser("bob").offer();
        town.settle();
    }
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    assert!(!town.hears("bob", "alice", TrackSource::Microphone));
    assert_eq!(town.media.down.len(), 1, "asking twice changes nothing");
    town.ask("bob", subscription(&[&camera], false));
    assert!(town.people["bob"].heard().is_empty());
    let participant_tracks = vec![ParticipantTracks {
        participant_sid: String::new(),
        track_sids: vec![camera],
    }];
    town.ask(
        "bob",
        Ask::Subscription(UpdateSubscription {
            participant_tracks,
            subscribe: true,
            track_sids: vec![],
        }),
    );
    assert!(town.hears("bob", "alice", TrackSource::Camera));
}

#[test]
fn a_track_that_never_comes_is_reported_after_a_minute_and_one_that_comes_is_received() {
    let mut town = Town::default();
    town.join("alice");
    town.join_as("bob", claims("bob"), Browser::manual("bob"))
        .unwrap();
    town.ask("alice", Ask::AddTrack(add_track("cam", TrackSource::Camera)));
    let soon = last!(town, "alice", TrackPublished).unwrap().track.unwrap().sid;
    town.ask("bob", subscription(&[&soon, "TR_never"], true));
    town.pass(Duration::from_secs(30));
    town.browser("alice").add_sender(TrackType::Video, "cam");
    town.browser("alice").offer();
    town.settle();
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    town.pass(Duration::from_secs(29));
    assert_eq!(count!(town, "bob", SubscriptionResponse), 0);
    town.pass(Duration::from_secs(1));
    let response = last!(town, "bob", SubscriptionResponse).unwrap();
    assert_eq!(
        (response.track_sid.as_str(), response.err()),
        ("TR_never", SubscriptionError::SeTrackNotfound)
    );
    assert_eq!(count!(town, "bob", SubscriptionResponse), 1);
    assert!(town.hears("bob", "alice", TrackSource::Camera));
}

#[test]
fn a_client_without_our_codec_hears_so_and_still_gets_the_rest() {
    let mut town = Town::default();
    town.join("alice");
    let camera = town.publish("alice", TrackSource::Camera);
    town.publish("alice", TrackSource::Microphone);
    let mut browser = Browser::new("bob");
    browser.lacks_vp8 = true;
    town.join_as("bob", claims("bob"), browser).unwrap();
    let response = last!(town, "bob", SubscriptionResponse).unwrap();
    assert_eq!(
        (response.track_sid.as_str(), response.err()),
        (camera.as_str(), SubscriptionError::SeCodecUnsupported)
    );
    assert!(town.hears("bob", "alice", TrackSource::Microphone));
    assert!(!town.hears("bob", "alice", TrackSource::Camera));
    assert_eq!(count!(town, "bob", MediaSectionsRequirement), 0);
}

#[test]
fn a_publisher_chooses_its_audience_and_may_take_it_back() {
    let mut town = Town::default();
    for name in ["alice", "bob", "carol"] {
        town.join(name);
    }
    let sid = town.publish("alice", TrackSource::Camera);
    let only_bob = SubscriptionPermission {
        all_participants: false,
        track_permissions: vec![TrackPermission {
            participant_identity: "bob".into(),
            all_tracks: true,
            ..TrackPermission::default()
        }],
    };
    town.ask("alice", Ask::SubscriptionPermission(only_bob));
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    assert!(!town.hears("carol", "alice", TrackSource::Camera));
    assert_eq!(count!(town, "bob", SubscriptionPermissionUpdate), 0);
    let update = last!(town, "carol", SubscriptionPermissionUpdate).unwrap();
    assert_eq!((update.track_sid.as_str(), update.allowed), (sid.as_str(), false));
    assert_eq!(update.participant_sid, town.people["alice"].sid);

    town.publish("alice", TrackSource::Microphone);
    assert!(
        !town.hears("carol", "alice", TrackSource::Microphone),
        "new tracks, too"
    );

    let everybody = SubscriptionPermission {
        all_participants: true,
        track_permissions: vec![],
    };
    town.ask("alice", Ask::SubscriptionPermission(everybody));
    assert!(town.hears("carol", "alice", TrackSource::Camera));
    assert!(town.hears("carol", "alice", TrackSource::Microphone));
    assert!(
        last!(town, "carol", SubscriptionPermissionUpdate)
            .unwrap()
            .allowed
    );
}

#[test]
fn what_was_hidden_when_it_ended_is_shown_again_only_to_adaptive_clients() {
    let mut town = Town::default();
    town.join("alice");
    let sid = town.publish("alice", TrackSource::Camera);
    town.join("bob");
    let mut adaptive = Browser::new("carol");
    adaptive.settings.adaptive_stream = true;
    town.join_as("carol", claims("carol"), adaptive).unwrap();
    let hide = UpdateTrackSettings {
        track_sids: vec![sid.clone()],
        disabled: true,
        ..Default::default()
    };
    for name in ["bob", "carol"] {
        town.ask(name, Ask::TrackSetting(hide.clone()));
        town.pass(SETTING_DELAY);
    }
    for all_participants in [false, true] {
        let audience = SubscriptionPermission {
            all_participants,
            track_permissions: vec![],
        };
        town.ask("alice", Ask::SubscriptionPermission(audience));
    }
    let track = town.track("alice", &sid);
    assert!(!town.media.want(town.connection("bob"), track).unwrap().enabled);
    assert!(town.media.want(town.connection("carol"), track).unwrap().enabled);
}

#[test]
fn nobody_receives_its_own_track_even_if_it_asks() {
    let mut town = Town::default();
    town.join("alice");
    let sid = town.publish("alice", TrackSource::Camera);
    town.ask("alice", subscription(&[&sid], true));
    town.browser("alice").offer();
    town.settle();
    assert!(town.people["alice"].heard().is_empty());
    assert!(town.media.down.is_empty());
}

#[test]
fn without_the_right_to_subscribe_nothing_comes_until_it_is_given() {
    let mut town = Town::default();
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    town.join_with_claims("bob", |claims| claims.video.can_subscribe = Some(false));
    assert!(town.people["bob"].heard().is_empty());
    let change = |can_subscribe| {
        common::change_rights(
            "bob",
            ParticipantPermission {
                can_subscribe,
                can_publish: true,
                ..ParticipantPermission::default()
            },
        )
    };
    town.command(change(true)).unwrap();
    assert!(town.hears("bob", "alice", TrackSource::Camera));
    town.command(change(false)).unwrap();
    assert!(!town.hears("bob", "alice", TrackSource::Camera));
    assert!(town.media.down.is_empty());
    let token = last!(town, "bob", RefreshToken).unwrap();
    assert_eq!(
        verify(&token, &keys(), START_UNIX_S).unwrap().video.can_subscribe,
        Some(false)
    );
}

#[test]
fn a_lost_source_ends_its_track_for_everybody_and_spares_the_others() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let camera = town.publish("alice", TrackSource::Camera);
    town.publish("alice", TrackSource::Microphone);
    let permission = ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        can_publish_sources: vec![TrackSource::Microphone.into()],
        ..ParticipantPermission::default()
    };
    town.command(common::change_rights("alice", permission)).unwrap();
    assert_eq!(last!(town, "alice", TrackUnpublished).unwrap().track_sid, camera);
    assert_eq!(count!(town, "alice", TrackUnpublished), 1);
    assert!(!town.hears("bob", "alice", TrackSource::Camera));
    assert!(town.hears("bob", "alice", TrackSource::Microphone));
    let alice = town.people["alice"].sid.clone();
    assert_eq!(tracks_of(&town, "bob", &alice).len(), 1);
    let sources = info_of(&town, "bob", &alice)
        .unwrap()
        .permission
        .unwrap()
        .can_publish_sources;
    assert_eq!(sources, [i32::from(TrackSource::Microphone)]);
    assert_eq!(town.media.plan(town.connection("alice")).sections.len(), 1);
}

#[test]
fn metadata_is_changed_by_whoever_may_and_told_to_everybody() {
    let mut town = Town::default();
    town.join("bob");
    town.join_with_claims("alice", |claims| {
        claims.video.can_update_own_metadata = Some(true);
        claims.attributes = [
            ("hand".to_owned(), "up".to_owned()),
            ("role".to_owned(), "guest".to_owned()),
        ]
        .into();
    });
    let update = UpdateParticipantMetadata {
        metadata: "new".into(),
        attributes: [
            ("hand".to_owned(), String::new()),
            ("mood".to_owned(), "good".to_owned()),
        ]
        .into(),
        request_id: 7,
        ..Default::default()
    };
    town.ask("alice", Ask::UpdateMetadata(update.clone()));
    let response = last!(town, "alice", RequestResponse).unwrap();
    assert_eq!((response.request_id, response.reason()), (7, Reason::Ok));
    let alice = town.people["alice"].sid.clone();
    let info = info_of(&town, "bob", &alice).unwrap();
    assert_eq!((info.metadata.as_str(), info.name.as_str()), ("new", "ALICE"));
    let mut names: Vec<_> = info.attributes.keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["mood", "role"]);
    let token = last!(town, "alice", RefreshToken).unwrap();
    assert_eq!(verify(&token, &keys(), START_UNIX_S).unwrap().metadata, "new");

    let version = info.version;
    town.ask("bob", Ask::UpdateMetadata(update));
    assert_eq!(reason(&town, "bob"), Some(Reason::NotAllowed));
    let long = UpdateParticipantMetadata {
        metadata: "m".repeat(600_000),
        request_id: 8,
        ..Default::default()
    };
    town.ask("alice", Ask::UpdateMetadata(long));
    assert_eq!(reason(&town, "alice"), Some(Reason::LimitExceeded));
    assert_eq!(info_of(&town, "bob", &alice).unwrap().version, version);
}

#[test]
fn old_clients_hear_of_failures_only() {
    let mut town = Town::default();
    let mut browser = Browser::new("alice");
    browser.protocol = 14;
    let mut claims = claims("alice");
    claims.video.can_update_own_metadata = Some(true);
    town.join_as("alice", claims, browser).unwrap();
    town.ask(
        "alice",
        Ask::UpdateMetadata(UpdateParticipantMetadata {
            metadata: "m".into(),
            ..Default::default()
        }),
    );
    assert_eq!(count!(town, "alice", RequestResponse), 0);
    let too_long = UpdateParticipantMetadata {
        name: "n".repeat(300),
        ..Default::default()
    };
    town.ask("alice", Ask::UpdateMetadata(too_long));
    assert_eq!(reason(&town, "alice"), Some(Reason::LimitExceeded));
}

#[test]
fn a_join_brings_metadata_only_if_it_may() {
    let mut town = Town::default();
    for (may, expected) in [(None, Some(JoinRefusal::NotAllowed)), (Some(true), None)] {
        let mut claims = claims("alice");
        claims.video.can_update_own_metadata = may;
        claims.metadata = "from the token".into();
        let mut browser = Browser::new("alice");
        let mut attempt = attempt(claims, &mut browser);
        attempt.request.as_mut().unwrap().metadata = "brought along".into();
        assert_eq!(town.join_with("alice", attempt, browser).err(), expected);
    }
    let own = last!(town, "alice", Join).unwrap().participant.unwrap();
    assert_eq!(own.metadata, "brought along");
}

#[test]
fn features_and_sizes_of_own_tracks_can_be_changed_and_of_others_not() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let mic = town.publish("alice", TrackSource::Microphone);
    let camera = town.publish("alice", TrackSource::Camera);
    let video = |track_sid: &str| {
        Ask::UpdateVideoTrack(UpdateLocalVideoTrack {
            track_sid: track_sid.into(),
            width: 640,
            height: 480,
        })
    };
    let audio = |track_sid: &str| {
        Ask::UpdateAudioTrack(UpdateLocalAudioTrack {
            track_sid: track_sid.into(),
            features: vec![1, 5, 5],
        })
    };
    town.ask("alice", video(&camera));
    town.ask("alice", audio(&mic));
    assert_eq!(count!(town, "alice", RequestResponse), 0);
    let alice = town.people["alice"].sid.clone();
    let tracks = tracks_of(&town, "bob", &alice);
    let of = |sid: &str| tracks.iter().find(|track| track.sid == sid).unwrap();
    assert_eq!((of(&camera).width, of(&camera).height), (640, 480));
    assert_eq!(of(&mic).audio_features, [1, 5]);
    for ask in [video(&camera), audio(&mic)] {
        town.ask("bob", ask);
    }
    town.ask("alice", video(&mic));
    assert_eq!(count!(town, "bob", RequestResponse), 2);
    assert_eq!(reason(&town, "alice"), Some(Reason::NotFound));
}

#[test]
fn what_is_not_supported_is_answered_or_ignored_and_never_fatal() {
    let mut town = Town::default();
    town.join("alice");
    town.ask(
        "alice",
        Ask::StoreDataBlobRequest(StoreDataBlobRequest {
            request_id: 9,
            ..Default::default()
        }),
    );
    assert_eq!(reason(&town, "alice"), Some(Reason::NotAllowed));
    assert_eq!(last!(town, "alice", RequestResponse).unwrap().request_id, 9);
    let before = town.people["alice"].inbox.len();
    for ask in [
        Ask::Simulate(SimulateScenario::default()),
        Ask::SyncState(SyncState::default()),
        Ask::Answer(Default::default()),
        Ask::Trickle(Default::default()),
        Ask::Ping(1),
    ] {
        town.ask("alice", ask);
    }
    assert_eq!(town.people["alice"].inbox.len(), before);
    assert!(!town.people["alice"].is_closed);
}

#[test]
fn a_moderator_mutes_one_track_of_one_person_and_only_that_person_switches_it_on_again() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
    }
    let microphone = town.publish("bob", TrackSource::Microphone);
    let camera = town.publish("bob", TrackSource::Camera);
    let mute = |track_sid: &str, identity: &str| SfuCommand::Mute {
        room: "standup".into(),
        identity: identity.into(),
        track_sid: track_sid.into(),
    };
    // The track is bob's, not alice's.
    assert_eq!(
        town.command(mute(&microphone, "alice")),
        Err(SfuRefusal::TrackNotFound)
    );
    let Ok(SfuReply::Track(track)) = town.command(mute(&microphone, "bob")) else {
        panic!("no track");
    };
    assert!(track.muted);
    let told = |town: &Town, name: &str| {
        let mutes = town.people[name]
            .inbox
            .iter()
            .filter_map(|message| match message {
                Message::Mute(mute) => Some((mute.sid.clone(), mute.muted)),
                _ => None,
            });
        mutes.collect::<Vec<_>>()
    };
    assert_eq!(told(&town, "bob"), [(microphone.clone(), true)]);
    assert_eq!(told(&town, "alice"), []);
    let seen = |town: &Town| {
        let tracks = tracks_of(town, "alice", &town.people["bob"].sid);
        let muted = |sid: &str| tracks.iter().find(|track| track.sid == sid).unwrap().muted;
        (muted(&microphone), muted(&camera))
    };
    assert_eq!(seen(&town), (true, false));
    town.ask(
        "bob",
        Ask::Mute(MuteTrackRequest {
            sid: microphone.clone(),
            muted: false,
        }),
    );
    assert_eq!(seen(&town), (false, false));
}

#[test]
fn only_the_subscriber_hears_that_a_stream_pauses_and_only_an_agreeing_one_is_paused() {
    let mut town = Town::default();
    town.join("alice");
    let camera = town.publish("alice", TrackSource::Camera);
    let track = town.track("alice", &camera);
    let mut agreeing = Browser::new("bob");
    agreeing.settings.subscriber_allow_pause = Some(true);
    town.join_as("bob", claims("bob"), agreeing).unwrap();
    town.join("carol");
    let may_pause = |town: &Town, name: &str| {
        let connection = town.connection(name);
        town.commands().iter().any(|command| {
            matches!(command, MediaCommand::Subscribe { connection: to, plan, .. } if *to == connection && plan.may_pause)
        })
    };
    assert!(may_pause(&town, "bob"));
    assert!(!may_pause(&town, "carol"));
    let connection = town.connection("bob");
    for is_paused in [true, false] {
        town.event(MediaEvent::StreamState {
            connection,
            track,
            is_paused,
        });
    }
    let told = |name: &str| {
        let states = town.people[name]
            .inbox
            .iter()
            .filter_map(|message| match message {
                Message::StreamStateUpdate(update) => Some(&update.stream_states),
                _ => None,
            });
        let states = states
            .flatten()
            .map(|info| (info.track_sid.clone(), info.state()));
        states.collect::<Vec<_>>()
    };
    assert_eq!(
        told("bob"),
        [
            (camera.clone(), StreamState::Paused),
            (camera, StreamState::Active)
        ]
    );
    assert_eq!((told("alice"), told("carol")), (vec![], vec![]));
}

#[test]
fn an_operator_limits_what_one_person_is_sent_and_nobody_else() {
    let mut town = Town::default();
    for name in ["alice", "bob"] {
        town.join(name);
    }
    let limit = |identity: &str, kbps| SfuCommand::LimitDownlink {
        room: "standup".into(),
        identity: identity.into(),
        kbps,
    };
    assert_eq!(town.command(limit("bob", Some(1_500))), Ok(SfuReply::Done));
    assert_eq!(town.command(limit("bob", None)), Ok(SfuReply::Done));
    assert_eq!(
        town.command(limit("mallory", Some(1))),
        Err(SfuRefusal::ParticipantNotFound)
    );
    let limits = town.commands().iter().filter_map(|command| match command {
        MediaCommand::LimitDownlink {
            connection,
            bits_per_second,
        } => Some((*connection, *bits_per_second)),
        _ => None,
    });
    let bob = town.connection("bob");
    assert_eq!(limits.collect::<Vec<_>>(), [(bob, Some(1_500_000)), (bob, None)]);
}
