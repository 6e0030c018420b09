//! Clients that mean harm: nothing panics, nobody else suffers, and what they can make grow is bounded. What any bytes do
//! is in `properties.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{
    Browser, START_UNIX_S, Town, add_track, answer_to, attempt, change_rights, claims, full_offer, info_of,
    keys, mids,
};
use hanse_sfu_signal::limits::METADATA_BYTES_MAX;
use hanse_sfu_signal::verify;
use livekit_protocol::client_info::Capability;
use livekit_protocol::request_response::Reason;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AudioTrackFeature, DisconnectReason, ParticipantPermission, SignalRequest, SignalResponse, TrackSource,
    TrackType, UpdateLocalAudioTrack, UpdateParticipantMetadata,
};
use std::time::Duration;

#[test]
fn the_offer_that_the_mutations_start_from_is_answered() {
    let Message::Answer(answer) = answer_to(full_offer()) else {
        panic!("refused")
    };
    assert_eq!(mids(&answer.sdp), mids(&full_offer()));
}

#[test]
fn an_offer_of_too_many_sections_or_bytes_is_refused() {
    let mut browser = Browser::new("bob");
    browser.add_slots(TrackType::Audio, 593);
    assert!(
        matches!(answer_to(browser.offer_text()), Message::Answer(_)),
        "600 are allowed"
    );
    browser.add_slots(TrackType::Audio, 1);
    assert!(matches!(answer_to(browser.offer_text()), Message::Leave(_)));
    let long = full_offer() + &"a=x:y\r\n".repeat(130_000);
    assert!(matches!(answer_to(long), Message::Leave(_)));
}

#[test]
fn a_changed_certificate_asks_for_a_new_session() {
    let mut town = Town::default();
    town.join("alice");
    town.browser("alice").offer();
    let Some(Ask::Offer(offer)) = town.browser("alice").outbox.last_mut() else {
        panic!()
    };
    let start = offer.sdp.find("a=fingerprint:sha-256 ").unwrap() + 22;
    let own = offer.sdp[start..start + 95].to_owned();
    offer.sdp = offer.sdp.replace(&own, &["EE"; 32].join(":"));
    town.settle();
    let leave = last!(town, "alice", Leave).unwrap();
    assert_eq!(leave.reason(), DisconnectReason::StateMismatch);
    assert_eq!(leave.action(), livekit_protocol::leave_request::Action::Reconnect);
    assert_eq!(town.media.connections(), 0);
}

#[test]
fn a_storm_of_offers_ends_the_session_and_no_other() {
    let mut town = Town::default();
    town.join("alice");
    town.join("mallory");
    for _ in 0..301 {
        if !town.people["mallory"].is_closed {
            town.browser("mallory").offer();
            town.settle();
        }
    }
    assert!(town.people["mallory"].is_closed);
    assert!(!town.people["alice"].is_closed);
    assert_eq!(
        last!(town, "mallory", Leave).unwrap().reason(),
        DisconnectReason::StateMismatch
    );
}

#[test]
fn endless_wishes_for_tracks_that_do_not_exist_are_bounded() {
    let mut town = Town::default();
    town.join("mallory");
    let track_sids = (0..1_000).map(|number| format!("TR_{number}")).collect();
    let wish = livekit_protocol::UpdateSubscription {
        track_sids,
        subscribe: true,
        participant_tracks: vec![],
    };
    town.ask("mallory", Ask::Subscription(wish));
    assert_eq!(count!(town, "mallory", SubscriptionResponse), 800, "200 may wait");
    town.pass(Duration::from_secs(60));
    assert_eq!(count!(town, "mallory", SubscriptionResponse), 1_000);
}

#[test]
fn requests_of_a_session_that_is_over_are_ignored() {
    let mut town = Town::default();
    town.join("alice");
    let session = town.session("alice");
    town.leave("alice");
    let request = SignalRequest {
        message: Some(Ask::AddTrack(add_track("cam", TrackSource::Camera))),
    };
    town.signalling.handle_request(town.now, session, request);
    town.signalling.handle_socket_closed(town.now, session);
    assert!(town.signalling.poll_output().is_none());
}

#[test]
fn a_number_without_a_name_is_told_to_nobody_so_that_what_others_read_has_a_json_form() {
    let mut town = Town::default();
    town.join("bob");
    let mut browser = Browser::new("alice");
    let mut attempt = attempt(claims("alice"), &mut browser);
    let client = attempt.request.as_mut().unwrap().client_info.as_mut().unwrap();
    client.capabilities = vec![99, Capability::CapPacketTrailer.into()];
    town.join_with("alice", attempt, browser).unwrap();
    let mut camera = add_track("cam", TrackSource::Camera);
    camera.backup_codec_policy = 99;
    camera.packet_trailer_features = vec![99];
    camera.layers[0].quality = 99;
    let mut microphone = add_track("mic", TrackSource::Microphone);
    microphone.audio_features = vec![99];
    for (announcement, kind) in [(camera, TrackType::Video), (microphone, TrackType::Audio)] {
        let cid = announcement.cid.clone();
        town.browser("alice").announce(announcement);
        town.browser("alice").add_sender(kind, &cid);
        town.browser("alice").offer();
        town.settle();
    }
    let sound = town.people["alice"].published("mic").unwrap().sid.clone();
    let features = Ask::UpdateAudioTrack(UpdateLocalAudioTrack {
        track_sid: sound,
        features: vec![99, AudioTrackFeature::TfNoDtx.into()],
    });
    town.ask("alice", features);
    let permission = ParticipantPermission {
        can_publish: true,
        can_publish_sources: vec![99, 1, 2],
        ..ParticipantPermission::default()
    };
    town.command(change_rights("alice", permission)).unwrap();

    let told = info_of(&town, "bob", &town.people["alice"].sid).unwrap();
    assert_eq!(told.capabilities, [i32::from(Capability::CapPacketTrailer)]);
    assert_eq!(told.tracks.len(), 2);
    assert_eq!(
        told.tracks[1].audio_features,
        [i32::from(AudioTrackFeature::TfNoDtx)]
    );
    assert_eq!(told.permission.unwrap().can_publish_sources, [0, 1, 2]);
    for message in &town.people["bob"].inbox {
        let message = Some(message.clone());
        serde_json::to_value(SignalResponse { message }).unwrap();
    }

    let mut sealed = add_track("sealed", TrackSource::Camera);
    sealed.encryption = 99;
    town.ask("alice", Ask::AddTrack(sealed));
    assert_eq!(
        last!(town, "alice", RequestResponse).unwrap().reason(),
        Reason::UnsupportedType
    );
}

#[test]
fn a_refreshed_token_opens_the_room_again_however_much_its_bearer_has_told_of_itself() {
    let mut town = Town::default();
    let mut own = claims("alice");
    own.video.can_update_own_metadata = Some(true);
    town.join_as("alice", own, Browser::new("alice")).unwrap();
    for len in [10, METADATA_BYTES_MAX] {
        let update = UpdateParticipantMetadata {
            metadata: "m".repeat(len),
            ..UpdateParticipantMetadata::default()
        };
        town.ask("alice", Ask::UpdateMetadata(update));
        let token = last!(town, "alice", RefreshToken).unwrap();
        let token = verify(&token, &keys(), START_UNIX_S).unwrap();
        assert_eq!((token.identity.as_str(), token.video.room_join), ("alice", true));
        assert_eq!(token.metadata.len(), if len == 10 { 10 } else { 0 });
        let sid = town.people["alice"].sid.clone();
        assert_eq!(info_of(&town, "alice", &sid).unwrap().metadata.len(), len);
    }
}
