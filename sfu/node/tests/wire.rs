//! Every request of the signalling over real WebSockets: what its sender gets, what somebody else in the room gets, and
//! who must not get anything. Kinds that `livekit-protocol` adds do not compile until they have a place here. Everything that
//! the server may say is in `responses.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{
    Participant, Sfu, announcement, claims, join_grant, join_path_with_offer, response_name, signed, start,
};
use hanse_sfu_signal::VideoGrant;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AddTrackRequest, GetDataBlobRequest, LeaveRequest, MuteTrackRequest, ParticipantInfo, Ping,
    PublishDataTrackRequest, SessionDescription, SignalRequest, SimulateScenario, StoreDataBlobRequest,
    SubscriptionPermission, SyncState, TrackInfo, TrackSource, TrickleRequest, UnpublishDataTrackRequest,
    UpdateDataSubscription, UpdateLocalAudioTrack, UpdateLocalVideoTrack, UpdateParticipantMetadata,
    UpdateSubscription, UpdateTrackSettings, simulate_scenario,
};
use prost::Message as _;
use std::collections::BTreeSet;

/// What Chromium 156 offers: three audio and three video sections to receive on, a microphone, a camera, a screen, and
/// data.
const CHROMIUM: &str = include_str!("../../signal/tests/offers/chromium-publish.sdp");

/// Two people in a room, who may change their names; everything that each was told.
struct Pair {
    sfu: Sfu,
    alice: Seat,
    bob: Seat,
    turn: u32,
}

struct Seat {
    participant: Participant,
}

impl Seat {
    async fn join(sfu: &Sfu, identity: &'static str) -> Seat {
        let grant = VideoGrant {
            can_update_own_metadata: Some(true),
            ..join_grant("room")
        };
        let path = join_path_with_offer(&signed(&claims(identity, grant)), CHROMIUM);
        let participant = sfu.connect(&path).await.unwrap();
        Seat { participant }
    }

    /// Everything up to a message, and that message.
    async fn until(&mut self, is_last: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let message = self.participant.message().await;
            let last = is_last(&message);
            all.push(message);
            if last {
                return all;
            }
        }
    }
}

fn names(messages: &[Message]) -> Vec<&'static str> {
    messages.iter().map(|message| response_name(message)).collect()
}

fn infos(messages: &[Message]) -> Vec<&ParticipantInfo> {
    let updates = messages.iter().filter_map(|message| match message {
        Message::Update(update) => Some(&update.participants),
        _ => None,
    });
    updates.flatten().collect()
}

/// What was last told of somebody's tracks.
fn tracks<'a>(messages: &'a [Message], identity: &str) -> Option<&'a [TrackInfo]> {
    let told = infos(messages);
    let last = told.into_iter().rfind(|info| info.identity == identity)?;
    Some(&last.tracks)
}

impl Pair {
    async fn meet() -> Pair {
        let sfu = start("").await;
        let mut alice = Seat::join(&sfu, "alice").await;
        let first = alice.until(|message| matches!(message, Message::Answer(_))).await;
        assert_eq!(names(&first)[0], "join", "join comes first");
        let mut bob = Seat::join(&sfu, "bob").await;
        bob.until(|message| matches!(message, Message::Answer(_))).await;
        let mut pair = Pair {
            sfu,
            alice,
            bob,
            turn: 0,
        };
        let (_, others) = pair.settle().await;
        assert!(others.iter().all(|message| !matches!(message, Message::Join(_))));
        pair
    }

    /// What both are told until a change of Alice's name has reached both: all that came of what was asked before.
    async fn settle(&mut self) -> (Vec<Message>, Vec<Message>) {
        self.turn += 1;
        let (request_id, name) = (1_000 + self.turn, format!("turn {}", self.turn));
        let update = UpdateParticipantMetadata {
            name: name.clone(),
            request_id,
            ..UpdateParticipantMetadata::default()
        };
        self.alice.participant.send(Ask::UpdateMetadata(update)).await;
        let alices = self.alice.until(
            |message| matches!(message, Message::RequestResponse(own) if own.request_id == request_id),
        );
        let alices = alices.await;
        let bobs = self.bob.until(|message| {
            matches!(message, Message::Update(update) if update.participants.iter().any(|info| info.name == name))
        });
        let mut bobs = bobs.await;
        bobs.pop();
        let mut alices: Vec<Message> = alices
            .into_iter()
            .filter(
                |message| !matches!(message, Message::RequestResponse(own) if own.request_id == request_id),
            )
            .collect();
        // Her own view of the new name, and her new token from the turn before.
        let at = alices
            .iter()
            .rposition(|message| matches!(message, Message::Update(_)))
            .unwrap();
        alices.remove(at);
        alices.retain(|message| !matches!(message, Message::RefreshToken(_)));
        (alices, bobs)
    }

    /// Alice asks; what she and Bob are told.
    async fn alice_asks(&mut self, ask: Ask) -> (Vec<Message>, Vec<Message>) {
        self.alice.participant.send(ask).await;
        self.settle().await
    }

    /// Bob asks, and is told so much until he is served again.
    async fn bob_asks(&mut self, ask: Ask) -> (Vec<Message>, Vec<Message>) {
        self.bob.participant.send(ask).await;
        // His request is taken before this answer, which comes from behind the same queue.
        let request_id = 77_000 + self.turn;
        let blob = StoreDataBlobRequest {
            request_id,
            ..StoreDataBlobRequest::default()
        };
        self.bob.participant.send(Ask::StoreDataBlobRequest(blob)).await;
        let mut bobs = self
            .bob
            .until(|message| match message {
                Message::RequestResponse(own) => own.request_id == request_id,
                Message::StoreDataBlobResponse(own) => own.request_id == request_id,
                _ => false,
            })
            .await;
        bobs.pop();
        let (alices, more) = self.settle().await;
        bobs.extend(more);
        (bobs, alices)
    }

    /// Alice publishes her microphone and camera; their sids.
    async fn publish(&mut self) -> [String; 2] {
        for source in [TrackSource::Microphone, TrackSource::Camera] {
            self.alice.participant.send(announcement(source)).await;
        }
        let (alices, bobs) = self.alice_asks(offer(CHROMIUM, 2)).await;
        let published: Vec<&TrackInfo> = alices
            .iter()
            .filter_map(|message| match message {
                Message::TrackPublished(published) => published.track.as_ref(),
                _ => None,
            })
            .collect();
        assert_eq!(published.len(), 2, "{:?}", names(&alices));
        let sids = [published[0].sid.clone(), published[1].sid.clone()];
        let told: Vec<String> = tracks(&bobs, "alice")
            .unwrap()
            .iter()
            .map(|track| track.sid.clone())
            .collect();
        assert!(sids.iter().all(|sid| told.contains(sid)), "{told:?}");
        sids
    }

    /// Bob offers again, so that he gets Alice's tracks.
    async fn receive(&mut self) -> (Vec<Message>, Vec<Message>) {
        self.bob_asks(offer(CHROMIUM, 2)).await
    }
}

fn offer(sdp: &str, id: u32) -> Ask {
    Ask::Offer(SessionDescription {
        r#type: "offer".into(),
        sdp: sdp.into(),
        id,
        ..SessionDescription::default()
    })
}

/// Which test below sends a request.
#[expect(deprecated, reason = "old clients still send it")]
fn test_of(ask: &Ask) -> &'static str {
    match ask {
        Ask::Offer(_)
        | Ask::AddTrack(_)
        | Ask::Mute(_)
        | Ask::UpdateAudioTrack(_)
        | Ask::UpdateVideoTrack(_) => "publishing",
        Ask::Subscription(_) | Ask::TrackSetting(_) | Ask::SubscriptionPermission(_) => "receiving",
        Ask::UpdateMetadata(_) | Ask::Leave(_) => "oneself",
        Ask::Ping(_) | Ask::PingReq(_) => "pings",
        Ask::PublishDataTrackRequest(_)
        | Ask::UnpublishDataTrackRequest(_)
        | Ask::UpdateDataSubscription(_)
        | Ask::StoreDataBlobRequest(_)
        | Ask::GetDataBlobRequest(_) => "data",
        Ask::Answer(_) | Ask::Trickle(_) | Ask::UpdateLayers(_) | Ask::SyncState(_) | Ask::Simulate(_) => {
            "silent"
        }
    }
}

#[expect(deprecated, reason = "old clients still send it")]
fn one_of_each() -> Vec<Ask> {
    vec![
        offer("", 1),
        Ask::Answer(SessionDescription::default()),
        Ask::Trickle(TrickleRequest::default()),
        Ask::AddTrack(AddTrackRequest::default()),
        Ask::Mute(MuteTrackRequest::default()),
        Ask::Subscription(UpdateSubscription::default()),
        Ask::TrackSetting(UpdateTrackSettings::default()),
        Ask::Leave(LeaveRequest::default()),
        Ask::UpdateLayers(livekit_protocol::UpdateVideoLayers::default()),
        Ask::SubscriptionPermission(SubscriptionPermission::default()),
        Ask::SyncState(SyncState::default()),
        Ask::Simulate(SimulateScenario::default()),
        Ask::Ping(1),
        Ask::UpdateMetadata(UpdateParticipantMetadata::default()),
        Ask::PingReq(Ping::default()),
        Ask::UpdateAudioTrack(UpdateLocalAudioTrack::default()),
        Ask::UpdateVideoTrack(UpdateLocalVideoTrack::default()),
        Ask::PublishDataTrackRequest(PublishDataTrackRequest::default()),
        Ask::UnpublishDataTrackRequest(UnpublishDataTrackRequest::default()),
        Ask::UpdateDataSubscription(UpdateDataSubscription::default()),
        Ask::StoreDataBlobRequest(StoreDataBlobRequest::default()),
        Ask::GetDataBlobRequest(GetDataBlobRequest::default()),
    ]
}

#[test]
fn every_request_of_the_protocol_has_a_test() {
    let mut tags = BTreeSet::new();
    let mut tests = BTreeSet::new();
    for ask in one_of_each() {
        tests.insert(test_of(&ask));
        let wire = SignalRequest { message: Some(ask) }.encode_to_vec();
        tags.insert(prost::encoding::decode_varint(&mut &wire[..]).unwrap() >> 3);
    }
    let all: BTreeSet<u64> = (1..=23).filter(|tag| *tag != 9).collect();
    assert_eq!(tags, all);
    assert_eq!(tests.len(), 6);
}

/// Silent ones, and those about data: whoever sends them is served on, and nobody else hears of it.
#[tokio::test]
async fn requests_without_an_effect_here_are_taken_in_silence() {
    let mut pair = Pair::meet().await;
    #[expect(deprecated, reason = "old clients still send it")]
    let silent = [
        Ask::Answer(SessionDescription {
            r#type: "answer".into(),
            sdp: CHROMIUM.into(),
            id: 1,
            ..SessionDescription::default()
        }),
        Ask::Trickle(TrickleRequest {
            candidate_init: r#"{"candidate":"candidate:1 1 udp 1 192.0.2.9 9 typ host","sdpMid":"0"}"#.into(),
            ..TrickleRequest::default()
        }),
        Ask::UpdateLayers(livekit_protocol::UpdateVideoLayers::default()),
        Ask::SyncState(SyncState::default()),
        Ask::Simulate(SimulateScenario {
            scenario: Some(simulate_scenario::Scenario::SubscriberBandwidth(0)),
        }),
        Ask::UpdateDataSubscription(UpdateDataSubscription::default()),
    ];
    for ask in silent {
        let what = test_of(&ask);
        let (alices, bobs) = pair.alice_asks(ask).await;
        assert!(
            alices.is_empty() && bobs.is_empty(),
            "{what}: {:?}, {:?}",
            names(&alices),
            names(&bobs)
        );
    }
    let data = [
        Ask::UnpublishDataTrackRequest(UnpublishDataTrackRequest { pub_handle: 9 }),
        Ask::StoreDataBlobRequest(StoreDataBlobRequest {
            request_id: 8,
            ..StoreDataBlobRequest::default()
        }),
        Ask::GetDataBlobRequest(GetDataBlobRequest {
            request_id: 9,
            ..GetDataBlobRequest::default()
        }),
        // Without a name and a handle.
        Ask::PublishDataTrackRequest(PublishDataTrackRequest::default()),
    ];
    for ask in data {
        let (alices, bobs) = pair.alice_asks(ask).await;
        assert_eq!(names(&alices), ["request_response"]);
        assert!(bobs.is_empty(), "{:?}", names(&bobs));
    }
    pair.sfu.node.stop().await;
}

#[tokio::test]
async fn pings_are_answered_to_the_one_who_asks_and_to_nobody_else() {
    let mut pair = Pair::meet().await;
    let (alices, bobs) = pair.alice_asks(Ask::Ping(1)).await;
    assert_eq!(names(&alices), ["pong"]);
    assert!(bobs.is_empty());
    let ping = Ping {
        timestamp: 4711,
        rtt: 20,
    };
    let (alices, bobs) = pair.alice_asks(Ask::PingReq(ping)).await;
    assert_eq!(names(&alices), ["pong_resp"]);
    assert!(bobs.is_empty());
    pair.sfu.node.stop().await;
}

#[tokio::test]
async fn a_track_is_announced_published_muted_and_described_to_all_and_answered_to_its_publisher_only() {
    let mut pair = Pair::meet().await;
    let (alices, bobs) = pair.alice_asks(announcement(TrackSource::ScreenShare)).await;
    assert_eq!(
        names(&alices),
        ["track_published", "update"],
        "its section was offered with the join"
    );
    assert_eq!(tracks(&bobs, "alice").unwrap().len(), 1);
    assert!(!names(&bobs).contains(&"track_published"));
    let [sound, picture] = pair.publish().await;

    let mute = MuteTrackRequest {
        sid: sound.clone(),
        muted: true,
    };
    let (alices, bobs) = pair.alice_asks(Ask::Mute(mute)).await;
    for told in [&alices, &bobs] {
        let tracks = tracks(told, "alice").unwrap();
        assert!(tracks.iter().all(|track| track.muted == (track.sid == sound)));
    }
    let features = UpdateLocalAudioTrack {
        track_sid: sound.clone(),
        features: vec![2],
    };
    let (_, bobs) = pair.alice_asks(Ask::UpdateAudioTrack(features)).await;
    let told = tracks(&bobs, "alice").unwrap();
    assert!(
        told.iter()
            .any(|track| track.sid == sound && track.audio_features == [2])
    );
    let size = UpdateLocalVideoTrack {
        track_sid: picture.clone(),
        width: 640,
        height: 360,
    };
    let (_, bobs) = pair.alice_asks(Ask::UpdateVideoTrack(size)).await;
    let told = tracks(&bobs, "alice").unwrap();
    assert!(
        told.iter()
            .any(|track| track.sid == picture && (track.width, track.height) == (640, 360))
    );

    // Bob cannot mute what is hers.
    let mute = MuteTrackRequest {
        sid: picture,
        muted: true,
    };
    let (_, alices) = pair.bob_asks(Ask::Mute(mute)).await;
    assert_eq!(tracks(&alices, "alice"), None, "nothing has changed");
    // One answer per offer, to the one who offered.
    let (alices, bobs) = pair.alice_asks(offer(CHROMIUM, 9)).await;
    let answers = |messages: &[Message]| {
        messages
            .iter()
            .filter(|message| matches!(message, Message::Answer(_)))
            .count()
    };
    assert_eq!((answers(&alices), answers(&bobs)), (1, 0));
    pair.sfu.node.stop().await;
}

#[tokio::test]
async fn who_subscribes_gets_the_track_and_who_may_not_does_not() {
    let mut pair = Pair::meet().await;
    let [sound, picture] = pair.publish().await;
    let (bobs, alices) = pair.receive().await;
    let mapped = |messages: &[Message]| -> BTreeSet<String> {
        let answer = messages.iter().rev().find_map(|message| match message {
            Message::Answer(answer) => Some(answer),
            _ => None,
        });
        answer
            .expect("an answer")
            .mid_to_track_id
            .values()
            .cloned()
            .collect()
    };
    assert_eq!(mapped(&bobs), BTreeSet::from([sound.clone(), picture.clone()]));
    let subscribed = names(&alices)
        .iter()
        .filter(|name| **name == "track_subscribed")
        .count();
    assert_eq!(subscribed, 2, "{:?}", names(&alices));
    assert!(!names(&bobs).contains(&"track_subscribed"));

    let settings = UpdateTrackSettings {
        track_sids: vec![picture.clone()],
        disabled: true,
        ..UpdateTrackSettings::default()
    };
    let (bobs, alices) = pair.bob_asks(Ask::TrackSetting(settings)).await;
    assert!(bobs.is_empty() && tracks(&alices, "alice").is_none());
    let subscription = |sids: &[&String], subscribe| {
        Ask::Subscription(UpdateSubscription {
            track_sids: sids.iter().map(|sid| (*sid).clone()).collect(),
            subscribe,
            participant_tracks: vec![],
        })
    };
    let (bobs, _) = pair.bob_asks(subscription(&[&sound], false)).await;
    assert_eq!(names(&bobs), ["media_sections_requirement"]);
    let (bobs, _) = pair.bob_asks(offer(CHROMIUM, 3)).await;
    assert_eq!(mapped(&bobs), BTreeSet::from([picture.clone()]));
    let nonsense = "x".repeat(100);
    let (bobs, alices) = pair.bob_asks(subscription(&[&nonsense], true)).await;
    assert_eq!(names(&bobs), ["subscription_response"]);
    assert!(alices.is_empty());

    // Alice lets nobody receive anything.
    let nobody = SubscriptionPermission::default();
    let (_, bobs) = pair.alice_asks(Ask::SubscriptionPermission(nobody)).await;
    let refused: Vec<&String> = bobs
        .iter()
        .filter_map(|message| match message {
            Message::SubscriptionPermissionUpdate(update) if !update.allowed => Some(&update.track_sid),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [&picture]);
    let (bobs, _) = pair.bob_asks(offer(CHROMIUM, 4)).await;
    assert!(mapped(&bobs).is_empty());
    pair.sfu.node.stop().await;
}

#[tokio::test]
async fn a_new_name_is_told_to_all_the_new_token_to_oneself_and_a_farewell_to_the_others() {
    let mut pair = Pair::meet().await;
    let update = UpdateParticipantMetadata {
        metadata: "m".into(),
        request_id: 5,
        ..UpdateParticipantMetadata::default()
    };
    pair.alice.participant.send(Ask::UpdateMetadata(update)).await;
    let is_answer =
        |message: &Message| matches!(message, Message::RequestResponse(own) if own.request_id == 5);
    let mut alices = pair.alice.until(is_answer).await;
    alices.retain(|message| !matches!(message, Message::RefreshToken(_)));
    assert_eq!(names(&alices), ["update", "request_response"]);
    let Message::RefreshToken(_) = pair.alice.participant.message().await else {
        panic!("the new name is not in her token");
    };
    let (_, bobs) = pair.settle().await;
    assert_eq!(infos(&bobs)[0].metadata, "m");
    assert!(!names(&bobs).contains(&"refresh_token") && !names(&bobs).contains(&"request_response"));

    pair.alice
        .participant
        .send(Ask::Leave(LeaveRequest::default()))
        .await;
    let closed = pair.alice.participant.closed().await.unwrap();
    assert_eq!(u16::from(closed.code), 1000);
    let is_gone = |message: &Message| {
        infos(std::slice::from_ref(message))
            .iter()
            .any(|info| info.state() == State::Disconnected)
    };
    let bobs = pair.bob.until(is_gone).await;
    assert_eq!(infos(&bobs).last().unwrap().identity, "alice");
    pair.bob.participant.is_served().await;
    pair.sfu.node.stop().await;
}
