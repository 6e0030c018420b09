//! Whatever a client sends: nothing panics, nobody else suffers, and an answer keeps the offer's sections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, add_track, attempt, change_rights, claims, info_of, keys};
use hanse_sfu_core::command::MediaEvent;
use hanse_sfu_core::ids::{ConnectionId, TrackId};
use hanse_sfu_signal::{Output, SessionId, decode_join_request, verify};
use livekit_protocol::client_info::Capability;
use livekit_protocol::request_response::Reason;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AudioTrackFeature, DisconnectReason, ParticipantPermission, SessionDescription, SignalRequest,
    SignalResponse, TrackSource, TrackType, UpdateLocalAudioTrack,
};
use proptest::prelude::*;
use prost::Message as _;
use std::time::Duration;

fn offer(sdp: String, id: u32) -> Ask {
    Ask::Offer(SessionDescription {
        r#type: "offer".into(),
        sdp,
        id,
        ..Default::default()
    })
}

/// Gives an offer to a fresh session; says what came back: an answer, or a goodbye.
fn answer_to(sdp: String) -> Message {
    let mut town = Town::default();
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    let mut browser = Browser::new("bob");
    browser.offers_at_join = false;
    let session = town
        .signalling
        .handle_join(town.now, attempt(claims("bob"), &mut browser))
        .unwrap();
    while town.signalling.poll_output().is_some() {}
    town.signalling.handle_request(
        town.now,
        session,
        SignalRequest {
            message: Some(offer(sdp, 3)),
        },
    );
    let mut verdict = None;
    while let Some(output) = town.signalling.poll_output() {
        let Output::Send {
            session: own,
            message,
        } = output
        else {
            continue;
        };
        if let Some(message @ (Message::Answer(_) | Message::Leave(_))) = message.message
            && own == session
        {
            assert!(verdict.replace(message).is_none(), "one answer per offer");
        }
    }
    verdict.expect("an offer is answered, or the session ends")
}

fn mids(sdp: &str) -> Vec<String> {
    sdp.lines()
        .filter_map(|line| line.strip_prefix("a=mid:"))
        .map(|mid| mid.trim().to_owned())
        .collect()
}

fn media(sdp: &str) -> Vec<String> {
    sdp.lines()
        .filter_map(|line| line.strip_prefix("m="))
        .map(|m| m.split(' ').next().unwrap().to_owned())
        .collect()
}

fn full_offer() -> String {
    let mut browser = Browser::new("bob");
    browser.add_sender(TrackType::Audio, "mic");
    browser.add_sender(TrackType::Video, "bob-Camera");
    browser.add_sender(TrackType::Video, "screen");
    browser.offer_text()
}

/// One line is dropped, doubled, cut, or exchanged for another.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (
        0usize..5,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        ".{0,40}",
    );
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut lines: Vec<String> = full_offer().lines().map(str::to_owned).collect();
        for (what, place, other, noise) in edits {
            let (place, other) = (place.index(lines.len()), other.index(lines.len()));
            match what {
                0 => drop(lines.remove(place)),
                1 => lines.insert(place, lines[other].clone()),
                2 => {
                    let cut = lines[place].chars().take(noise.chars().count()).collect();
                    lines[place] = cut;
                }
                3 => lines.swap(place, other),
                _ => {
                    let key = lines[place].split(':').next().unwrap().to_owned();
                    lines[place] = format!("{key}:{noise}");
                }
            }
        }
        lines.join("\r\n") + "\r\n"
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_join_request_of_any_text_is_decoded_or_refused(text in ".{0,200}") {
        let _ = decode_join_request(&text);
    }

    #[test]
    fn a_join_request_of_any_bytes_is_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        use base64::Engine;
        let _ = decode_join_request(&base64::prelude::BASE64_URL_SAFE.encode(&bytes));
        let wrapped = livekit_protocol::WrappedJoinRequest { compression: 1, join_request: bytes };
        let _ = decode_join_request(&base64::prelude::BASE64_STANDARD_NO_PAD.encode(wrapped.encode_to_vec()));
    }

    #[test]
    fn any_text_is_no_token(text in "[A-Za-z0-9_.=-]{0,200}") {
        prop_assert!(verify(&text, &keys(), 0).is_err());
    }

    #[test]
    fn any_text_as_an_offer_is_refused(text in ".{0,400}") {
        let Message::Leave(leave) = answer_to(text) else { panic!("an answer to noise") };
        prop_assert_eq!(leave.reason(), DisconnectReason::StateMismatch);
    }

    #[test]
    fn a_mutated_offer_is_refused_or_answered_section_by_section(sdp in mutated()) {
        if let Message::Answer(answer) = answer_to(sdp.clone()) {
            prop_assert_eq!(media(&answer.sdp), media(&sdp));
            prop_assert_eq!(mids(&answer.sdp).len(), media(&sdp).len());
            prop_assert_eq!(answer.id, 3);
        }
    }

    #[test]
    fn any_request_disturbs_nobody_else(bytes in prop::collection::vec(any::<u8>(), 0..300), seed in any::<u64>()) {
        let mut town = Town::default();
        town.join("alice");
        town.join("bob");
        town.publish("alice", TrackSource::Camera);
        let mallory = Browser::new("mallory");
        town.join_as("mallory", claims("mallory"), mallory).unwrap();
        let session = town.session("mallory");
        if let Ok(request) = SignalRequest::decode(bytes.as_slice()) {
            town.signalling.handle_request(town.now, session, request);
        }
        town.signalling.handle_media(town.now, MediaEvent::AudioLevel { track: TrackId(seed), level: f32::NAN });
        town.signalling.handle_media(town.now, MediaEvent::Connected { connection: ConnectionId(seed) });
        town.signalling.handle_socket_closed(town.now, SessionId(seed));
        if seed % 2 == 0 {
            town.settle();
            town.pass(Duration::from_secs(1));
            prop_assert!(seed <= 3 || town.hears("bob", "alice", TrackSource::Camera));
        }
    }
}

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
fn a_changed_transport_asks_for_a_new_session() {
    let mut town = Town::default();
    town.join("alice");
    town.browser("alice").ufrag = "another".into();
    town.browser("alice").offer();
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
