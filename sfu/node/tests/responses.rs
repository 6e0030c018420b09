//! Everything that the server says to a client, over real WebSockets and in both framings: each kind of message is provoked
//! by what provokes it in a call, media included. Kinds that `livekit-protocol` adds do not compile until they have a name in
//! `common::response_name`, and fail here until they have a row.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::device::Device;
use common::{
    Participant, a_join, announcement, claims, join_grant, join_path_with, response_name, signed, start,
};
use hanse_sfu::{ParticipantChange, SfuCommand};
use hanse_sfu_signal::VideoGrant;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::simulate_scenario::Scenario;
use livekit_protocol::update_data_subscription::Update;
use livekit_protocol::{
    AddTrackRequest, ParticipantPermission, Ping, PublishDataTrackRequest, SessionDescription,
    SignalResponse, SimulateScenario, SimulcastCodec, StreamState, SubscriptionPermission, TrackSource,
    UnpublishDataTrackRequest, UpdateDataSubscription, UpdateParticipantMetadata, UpdateSubscription,
};
use prost::Message as _;
use std::collections::BTreeSet;
use std::path::Path;

/// When the server sends a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// In the calls below, in the form that the client speaks.
    Here,
    /// The same, but always as protobuf: the client has not spoken yet.
    First,
    /// Not at all, for this reason.
    Never(&'static str),
}

const NO_MOVE: &str = "nobody is moved: rooms live on one server, and its API has no `MoveParticipant`";
const NO_BLOBS: &str = "blobs are not kept: asking is refused (`request_response`)";

fn sent(name: &str) -> Sent {
    match name {
        "join" | "reconnect" => Sent::First,
        "room_moved" => Sent::Never(NO_MOVE),
        "store_data_blob_response" | "get_data_blob_response" => Sent::Never(NO_BLOBS),
        _ => Sent::Here,
    }
}

/// One of each kind: their numbers in `SignalResponse` are 1 to 31, but for 7, which is none any more.
fn one_of_each() -> Vec<Message> {
    let numbers = (1..=31_u32).filter(|number| *number != 7);
    let one = |number| {
        let mut wire = Vec::new();
        // `refresh_token` is a text, `pong` a number, the others are messages; each may be empty.
        let wire_type = match number {
            18 => prost::encoding::WireType::Varint,
            _ => prost::encoding::WireType::LengthDelimited,
        };
        prost::encoding::encode_key(number, wire_type, &mut wire);
        wire.push(0);
        SignalResponse::decode(&wire[..]).unwrap().message
    };
    numbers.filter_map(one).collect()
}

/// Names of the kinds that are sent so.
fn kinds(is_so: impl Fn(Sent) -> bool) -> BTreeSet<&'static str> {
    let names = one_of_each().into_iter().map(|message| response_name(&message));
    names.filter(|name| is_so(sent(name))).collect()
}

/// All of our sources below a folder.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else {
            *all += &std::fs::read_to_string(path).unwrap();
        }
    }
}

/// `RoomMoved` for `room_moved`.
fn variant(name: &str) -> String {
    name.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

#[test]
fn every_kind_of_message_has_a_row_and_what_is_said_to_be_never_sent_is_nowhere_in_the_code() {
    assert_eq!(
        one_of_each().len(),
        30,
        "a kind without a row, or one that is gone"
    );
    let mut code = String::new();
    for folder in ["../signal/src", "src"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut code);
    }
    for name in kinds(|_| true) {
        let is_named = code.contains(&format!("Message::{}", variant(name)));
        match sent(name) {
            Sent::Here | Sent::First => assert!(is_named, "{name} is nowhere in the code"),
            Sent::Never(why) => assert!(!is_named, "{name} is in the code, though {why}"),
        }
    }
}

/// Who asks for JSON by speaking it, and hears so.
async fn speak(participant: &mut Participant, in_json: bool) {
    participant.speaks_json = in_json;
    participant.send(Ask::Ping(1)).await;
    participant
        .wait_for(|message| matches!(message, Message::Pong(_)).then_some(()))
        .await;
}

/// Until a kind of message has come.
async fn until(participant: &mut Participant, name: &str) -> Message {
    participant
        .wait_for(|message| (response_name(&message) == name).then_some(message))
        .await
}

/// As a client answers an offer of ours that it receives nothing by yet.
fn answer(offer: SessionDescription) -> Ask {
    let line = |line: &str| match line.split_once(':').map_or(line, |(name, _)| name) {
        "a=setup" => Some("a=setup:active".to_owned()),
        "a=ice-ufrag" => Some("a=ice-ufrag:caro".to_owned()),
        "a=ice-pwd" => Some("a=ice-pwd:carolsPasswordIsLongEnough".to_owned()),
        "a=fingerprint" => Some(format!("a=fingerprint:sha-256 {}00", "00:".repeat(31))),
        "a=candidate" | "a=end-of-candidates" => None,
        _ => Some(line.to_owned()),
    };
    let lines = offer.sdp.lines().filter_map(line);
    Ask::Answer(SessionDescription {
        r#type: "answer".to_owned(),
        sdp: lines.map(|line| line + "\r\n").collect(),
        id: offer.id,
        ..SessionDescription::default()
    })
}

/// A microphone that could also be sent in another codec.
fn microphone() -> AddTrackRequest {
    let Ask::AddTrack(request) = announcement(TrackSource::Microphone) else {
        panic!("an announcement is no other request")
    };
    let codec = |codec: &str, cid: &str| SimulcastCodec {
        codec: codec.to_owned(),
        cid: cid.to_owned(),
        ..SimulcastCodec::default()
    };
    AddTrackRequest {
        simulcast_codecs: vec![codec("opus", &request.cid), codec("pcmu", "")],
        ..request
    }
}

fn camera() -> AddTrackRequest {
    match announcement(TrackSource::Camera) {
        Ask::AddTrack(request) => request,
        _ => panic!("an announcement is no other request"),
    }
}

/// A call of three: Alice publishes, Bob receives, and Carol comes by the older form. What each was told, and whether in JSON.
async fn call(in_json: bool) -> [BTreeSet<(&'static str, bool)>; 3] {
    let sfu = start("simulate = true").await;
    let token = |identity: &str| {
        let grant = VideoGrant {
            can_update_own_metadata: Some(true),
            ..join_grant("room")
        };
        signed(&claims(identity, grant))
    };
    let mut request = a_join(None);
    let settings = request.connection_settings.as_mut().unwrap();
    settings.subscriber_allow_pause = Some(true);
    let mut people = Vec::new();
    for name in ["alice", "bob"] {
        let path = join_path_with(&token(name), &request);
        let mut participant = sfu.connect(&path).await.unwrap();
        until(&mut participant, "join").await;
        speak(&mut participant, in_json).await;
        let mut device = Device::new(participant);
        device.connect(&sfu).await;
        people.push(device);
    }
    let [mut alice, mut bob] = <[Device; 2]>::try_from(people).ok().unwrap();
    let path = format!(
        "/rtc?access_token={}&auto_subscribe=1&sdk=js&version=2.23.0&protocol=17",
        token("carol")
    );
    let mut carol = sfu.connect(&path).await.unwrap();
    until(&mut carol, "join").await;
    carol.speaks_json = in_json;
    carol.send(Ask::PingReq(Ping::default())).await;
    let Message::Offer(first) = until(&mut carol, "offer").await else {
        panic!("another message by that name")
    };
    carol.send(answer(first)).await;
    carol.is_served().await;

    // Oneself, and data tracks.
    let update = UpdateParticipantMetadata {
        metadata: "m".to_owned(),
        request_id: 5,
        ..UpdateParticipantMetadata::default()
    };
    for (ask, told) in [
        (Ask::PingReq(Ping::default()), "pong_resp"),
        (Ask::UpdateMetadata(update), "request_response"),
    ] {
        alice.participant.send(ask).await;
        until(&mut alice.participant, told).await;
    }
    until(&mut alice.participant, "refresh_token").await;
    until(&mut bob.participant, "update").await;
    let track = PublishDataTrackRequest {
        pub_handle: 7,
        name: "positions".to_owned(),
        ..PublishDataTrackRequest::default()
    };
    alice.participant.send(Ask::PublishDataTrackRequest(track)).await;
    let told = until(&mut alice.participant, "publish_data_track_response").await;
    let Message::PublishDataTrackResponse(published) = told else {
        panic!("another message by that name")
    };
    let wish = Update {
        track_sid: published.info.unwrap().sid,
        subscribe: true,
        ..Update::default()
    };
    let updates = vec![wish];
    bob.participant
        .send(Ask::UpdateDataSubscription(UpdateDataSubscription { updates }))
        .await;
    until(&mut bob.participant, "data_track_subscriber_handles").await;
    let end = UnpublishDataTrackRequest { pub_handle: 7 };
    alice.participant.send(Ask::UnpublishDataTrackRequest(end)).await;
    until(&mut alice.participant, "unpublish_data_track_response").await;

    // Sound and pictures; what Carol gets of it is a further offer.
    let sound = alice.publish(microphone(), 1).await;
    let picture = alice.publish(camera(), 2).await;
    alice.play(1, 2);
    bob.receive(2).await;
    for told in [
        "subscribed_audio_codec_update",
        "track_subscribed",
        "subscribed_quality_update",
    ] {
        // They come in any order, and some before what is waited for here.
        if !alice.participant.seen.contains(&(told, in_json)) {
            until(&mut alice.participant, told).await;
        }
    }
    until(&mut carol, "offer").await;
    until(&mut bob.participant, "speakers_changed").await;
    let scenario = Some(Scenario::SubscriberBandwidth(1));
    bob.participant
        .send(Ask::Simulate(SimulateScenario { scenario }))
        .await;
    let Message::StreamStateUpdate(update) = until(&mut bob.participant, "stream_state_update").await else {
        panic!("another message by that name")
    };
    let [state] = &update.stream_states[..] else {
        panic!("{update:?}")
    };
    assert_eq!((&state.track_sid, state.state()), (&picture, StreamState::Paused));
    let unknown = UpdateSubscription {
        track_sids: vec!["x".repeat(100)],
        subscribe: true,
        ..UpdateSubscription::default()
    };
    bob.participant.send(Ask::Subscription(unknown)).await;
    until(&mut bob.participant, "subscription_response").await;
    let nobody = SubscriptionPermission::default();
    alice.participant.send(Ask::SubscriptionPermission(nobody)).await;
    until(&mut bob.participant, "subscription_permission_update").await;

    // Carol's socket is dead, though the server does not know it, and she comes again.
    let mut again = sfu.connect(&format!("{path}&reconnect=1")).await.unwrap();
    until(&mut again, "reconnect").await;
    until(&mut again, "offer").await;
    again.seen.append(&mut carol.seen);

    // What the server API does.
    let handle = sfu.node.handle();
    let (room, identity) = ("room".to_owned(), "alice".to_owned());
    let permission = ParticipantPermission {
        can_subscribe: true,
        ..ParticipantPermission::default()
    };
    let commands = [
        SfuCommand::Mute {
            room: room.clone(),
            identity: identity.clone(),
            track_sid: sound,
        },
        SfuCommand::ChangeRoomMetadata {
            room: room.clone(),
            metadata: "m".to_owned(),
        },
        SfuCommand::ChangeParticipant {
            room: room.clone(),
            identity: identity.clone(),
            change: ParticipantChange {
                permission: Some(permission),
                ..ParticipantChange::default()
            },
        },
        SfuCommand::RemoveParticipant {
            room,
            identity,
            revoke_before_unix_s: None,
        },
    ];
    for command in commands {
        handle.command(command).await.unwrap();
    }
    until(&mut alice.participant, "leave").await;
    sfu.node.stop().await;
    [alice.participant.seen, bob.participant.seen, again.seen]
}

async fn everything_is_said(in_json: bool) {
    let [alice, bob, carol] = call(in_json).await;
    let all = alice.iter().chain(&bob).chain(&carol);
    let in_form = all.filter(|(_, is_json)| *is_json == in_json);
    let said: BTreeSet<&str> = in_form.map(|(name, _)| *name).collect();
    let mut expected = kinds(|sent| sent == Sent::Here);
    if !in_json {
        expected.extend(kinds(|sent| sent == Sent::First));
    }
    let missing: Vec<_> = expected.difference(&said).collect();
    assert!(missing.is_empty(), "never said: {missing:?}");
    let beyond: Vec<_> = said.difference(&expected).collect();
    assert!(
        beyond.is_empty(),
        "said, though the table has it otherwise: {beyond:?}"
    );
    // What concerns a publisher alone is told to nobody else.
    for name in [
        "track_published",
        "track_subscribed",
        "track_unpublished",
        "mute",
        "subscribed_quality_update",
        "subscribed_audio_codec_update",
        "publish_data_track_response",
        "unpublish_data_track_response",
    ] {
        let is_told = |seen: &BTreeSet<(&str, bool)>| seen.iter().any(|(own, _)| *own == name);
        assert!(is_told(&alice), "{name}");
        assert!(!is_told(&bob) && !is_told(&carol), "{name}");
    }
}

#[tokio::test]
async fn everything_that_the_server_says_is_said_in_protobuf() {
    everything_is_said(false).await;
}

#[tokio::test]
async fn everything_that_the_server_says_is_said_in_json_to_who_speaks_json() {
    everything_is_said(true).await;
}
