//! One exam for everything that controls the SFU: the handle inside the process, and the server API over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

mod common;

use common::{PATIENCE, Sfu, admin_token, join_path, refused, start, token};
use hanse_sfu::{Heard, SfuEvents, SfuHandle};
use hanse_sfu_signal::{
    DataMessage, ParticipantChange, RoomSettings, SfuCommand, SfuEvent, SfuRefusal, SfuReply,
};
use livekit_protocol::{
    CreateRoomRequest, DeleteRoomRequest, DeleteRoomResponse, DisconnectReason, LeaveRequest,
    ListParticipantsRequest, ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse,
    MuteRoomTrackRequest, MuteRoomTrackResponse, ParticipantInfo, ParticipantPermission,
    RemoveParticipantResponse, Room, RoomParticipantIdentity, SendDataRequest, SendDataResponse,
    SubscriptionError, UpdateParticipantRequest, UpdateRoomMetadataRequest, UpdateSubscriptionsRequest,
    UpdateSubscriptionsResponse, signal_response,
};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// A way to control the SFU.
trait Port {
    async fn command(&self, command: SfuCommand) -> Result<SfuReply, SfuRefusal>;
}

impl Port for SfuHandle {
    async fn command(&self, command: SfuCommand) -> Result<SfuReply, SfuRefusal> {
        SfuHandle::command(self, command).await
    }
}

/// The server API, as a server SDK uses it.
struct Twirp {
    client: reqwest::Client,
    url: String,
    /// The form of requests and answers.
    kind: &'static str,
}

impl Twirp {
    async fn call<T: Message + Default + DeserializeOwned>(
        &self,
        method: &str,
        room: &str,
        request: &(impl Message + Serialize),
    ) -> Result<T, SfuRefusal> {
        let is_json = self.kind == "application/json";
        let body = if is_json {
            serde_json::to_vec(request).unwrap()
        } else {
            request.encode_to_vec()
        };
        let response = self
            .client
            .post(format!("{}/twirp/livekit.RoomService/{method}", self.url))
            .header("Content-Type", self.kind)
            .header("Authorization", format!("Bearer {}", admin_token(room)))
            .body(body)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.bytes().await.unwrap();
        if status == 200 {
            assert_eq!(kind, self.kind);
            return Ok(if is_json {
                serde_json::from_slice(&body).unwrap()
            } else {
                T::decode(body).unwrap()
            });
        }
        assert_eq!(kind, "application/json");
        let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let sentence = error["msg"].as_str().unwrap().to_owned();
        Err(
            match (status, error["code"].as_str().unwrap(), sentence.as_str()) {
                (404, "not_found", "requested room does not exist") => SfuRefusal::RoomNotFound,
                (404, "not_found", "participant does not exist") => SfuRefusal::ParticipantNotFound,
                (404, "not_found", "track is not found") => SfuRefusal::TrackNotFound,
                (400, "invalid_argument", _) => SfuRefusal::Invalid(sentence),
                (429, "resource_exhausted", _) => SfuRefusal::Full(sentence),
                (503, "unavailable", _) => SfuRefusal::Draining,
                other => panic!("{other:?}"),
            },
        )
    }
}

impl Port for Twirp {
    async fn command(&self, command: SfuCommand) -> Result<SfuReply, SfuRefusal> {
        match command {
            SfuCommand::CreateRoom(settings) => {
                let request = CreateRoomRequest {
                    name: settings.name,
                    empty_timeout: settings.empty_timeout_s,
                    departure_timeout: settings.departure_timeout_s,
                    max_participants: settings.max_participants,
                    metadata: settings.metadata,
                    ..CreateRoomRequest::default()
                };
                self.call::<Room>("CreateRoom", "", &request)
                    .await
                    .map(SfuReply::Room)
            }
            SfuCommand::ListRooms { names } => {
                let list = self
                    .call::<ListRoomsResponse>("ListRooms", "", &ListRoomsRequest { names })
                    .await?;
                Ok(SfuReply::Rooms(list.rooms))
            }
            SfuCommand::DeleteRoom { room } => self
                .call::<DeleteRoomResponse>("DeleteRoom", "", &DeleteRoomRequest { room })
                .await
                .map(|_| SfuReply::Done),
            SfuCommand::ListParticipants { room } => {
                let request = ListParticipantsRequest { room: room.clone() };
                let list = self
                    .call::<ListParticipantsResponse>("ListParticipants", &room, &request)
                    .await?;
                Ok(SfuReply::Participants(list.participants))
            }
            SfuCommand::Participant { room, identity } => {
                let request = RoomParticipantIdentity {
                    room: room.clone(),
                    identity,
                    ..Default::default()
                };
                let participant = self
                    .call::<ParticipantInfo>("GetParticipant", &room, &request)
                    .await?;
                Ok(SfuReply::Participant(participant))
            }
            SfuCommand::RemoveParticipant {
                room,
                identity,
                revoke_before_unix_s,
            } => {
                let request = RoomParticipantIdentity {
                    room: room.clone(),
                    identity,
                    revoke_token_ts: revoke_before_unix_s.unwrap_or_default().try_into().unwrap(),
                };
                self.call::<RemoveParticipantResponse>("RemoveParticipant", &room, &request)
                    .await
                    .map(|_| SfuReply::Done)
            }
            SfuCommand::ChangeRoomMetadata { room, metadata } => {
                let request = UpdateRoomMetadataRequest {
                    room: room.clone(),
                    metadata,
                };
                self.call::<Room>("UpdateRoomMetadata", &room, &request)
                    .await
                    .map(SfuReply::Room)
            }
            SfuCommand::ChangeSubscriptions {
                room,
                identity,
                track_sids,
                subscribe,
            } => {
                let request = UpdateSubscriptionsRequest {
                    room: room.clone(),
                    identity,
                    track_sids,
                    subscribe,
                    ..Default::default()
                };
                self.call::<UpdateSubscriptionsResponse>("UpdateSubscriptions", &room, &request)
                    .await
                    .map(|_| SfuReply::Done)
            }
            SfuCommand::ChangeParticipant {
                room,
                identity,
                change,
            } => {
                let request = UpdateParticipantRequest {
                    room: room.clone(),
                    identity,
                    metadata: change.metadata,
                    permission: change.permission,
                    name: change.name,
                    attributes: change.attributes,
                };
                let participant = self
                    .call::<ParticipantInfo>("UpdateParticipant", &room, &request)
                    .await?;
                Ok(SfuReply::Participant(participant))
            }
            SfuCommand::SendData { room, message } => {
                #[expect(deprecated, reason = "callers of long ago say it")]
                let request = SendDataRequest {
                    room: room.clone(),
                    data: message.payload,
                    kind: i32::from(message.is_lossy),
                    destination_sids: message.destination_sids,
                    destination_identities: message.destination_identities,
                    topic: message.topic,
                    nonce: message.nonce,
                };
                self.call::<SendDataResponse>("SendData", &room, &request)
                    .await
                    .map(|_| SfuReply::Done)
            }
            SfuCommand::LimitDownlink { .. } => panic!("the server API has no word for it"),
            SfuCommand::Mute {
                room,
                identity,
                track_sid,
            } => {
                let request = MuteRoomTrackRequest {
                    room: room.clone(),
                    identity,
                    track_sid,
                    muted: true,
                };
                let answer = self
                    .call::<MuteRoomTrackResponse>("MutePublishedTrack", &room, &request)
                    .await?;
                Ok(SfuReply::Track(answer.track.unwrap()))
            }
        }
    }
}

fn settings(name: &str) -> RoomSettings {
    RoomSettings {
        name: name.to_owned(),
        ..RoomSettings::default()
    }
}

async fn room(port: &impl Port, settings: RoomSettings) -> Room {
    match port.command(SfuCommand::CreateRoom(settings)).await.unwrap() {
        SfuReply::Room(room) => room,
        other => panic!("{other:?}"),
    }
}

async fn rooms(port: &impl Port, names: &[&str]) -> Vec<String> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    match port.command(SfuCommand::ListRooms { names }).await.unwrap() {
        SfuReply::Rooms(rooms) => {
            let mut names: Vec<String> = rooms.into_iter().map(|room| room.name).collect();
            names.sort();
            names
        }
        other => panic!("{other:?}"),
    }
}

async fn people(port: &impl Port, room: &str) -> Vec<String> {
    match port
        .command(SfuCommand::ListParticipants {
            room: room.to_owned(),
        })
        .await
        .unwrap()
    {
        SfuReply::Participants(people) => people.into_iter().map(|person| person.identity).collect(),
        other => panic!("{other:?}"),
    }
}

fn person(room: &str, identity: &str) -> SfuCommand {
    SfuCommand::Participant {
        room: room.to_owned(),
        identity: identity.to_owned(),
    }
}

fn remove(room: &str, identity: &str) -> SfuCommand {
    SfuCommand::RemoveParticipant {
        room: room.to_owned(),
        identity: identity.to_owned(),
        revoke_before_unix_s: None,
    }
}

async fn heard(events: &mut SfuEvents) -> SfuEvent {
    match tokio::time::timeout(PATIENCE, events.next())
        .await
        .expect("an event in time")
    {
        Some(Heard::Event(event)) => (*event).clone(),
        other => panic!("no event but {other:?}"),
    }
}

fn leave(message: signal_response::Message) -> Option<LeaveRequest> {
    match message {
        signal_response::Message::Leave(leave) => Some(leave),
        _ => None,
    }
}

fn update(message: signal_response::Message) -> Option<ParticipantInfo> {
    match message {
        signal_response::Message::Update(mut update) => update.participants.pop(),
        _ => None,
    }
}

fn room_update(message: signal_response::Message) -> Option<Room> {
    match message {
        signal_response::Message::RoomUpdate(update) => update.room,
        _ => None,
    }
}

/// The exam.
async fn sit(sfu: &Sfu, port: &impl Port) {
    let mut events = sfu.node.handle().subscribe();

    // Rooms.
    assert_eq!(rooms(port, &[]).await, [""; 0]);
    let first = room(
        port,
        RoomSettings {
            max_participants: 7,
            metadata: "m".to_owned(),
            ..settings("one")
        },
    )
    .await;
    assert!(
        first.sid.starts_with("RM_") && first.creation_time > 0,
        "{first:?}"
    );
    assert_eq!((first.max_participants, first.metadata.as_str()), (7, "m"));
    assert!(matches!(heard(&mut events).await, SfuEvent::RoomStarted { room } if room.sid == first.sid));
    let again = room(
        port,
        RoomSettings {
            empty_timeout_s: 60,
            ..settings("one")
        },
    )
    .await;
    assert_eq!(
        (&again.sid, again.creation_time),
        (&first.sid, first.creation_time)
    );
    assert_eq!((again.empty_timeout, again.max_participants), (60, 7));
    room(port, settings("two")).await;
    assert!(matches!(heard(&mut events).await, SfuEvent::RoomStarted { room } if room.name == "two"));
    assert_eq!(rooms(port, &[]).await, ["one", "two"]);
    assert_eq!(rooms(port, &["two", "three"]).await, ["two"]);
    assert!(matches!(
        port.command(SfuCommand::CreateRoom(settings(""))).await,
        Err(SfuRefusal::Invalid(_))
    ));

    // People.
    assert_eq!(
        port.command(person("nowhere", "alice")).await,
        Err(SfuRefusal::RoomNotFound)
    );
    assert_eq!(
        port.command(person("one", "alice")).await,
        Err(SfuRefusal::ParticipantNotFound)
    );
    let (mut alice, _) = sfu.join("one", "alice").await;
    let (mut bob, _) = sfu.join("one", "bob").await;
    let (mut carol, _) = sfu.join("two", "carol").await;
    for (room, identity) in [("one", "alice"), ("one", "bob"), ("two", "carol")] {
        assert!(matches!(
            heard(&mut events).await,
            SfuEvent::ParticipantConnecting { room: where_to, identity: who, .. } if where_to == room && who == identity
        ));
    }
    assert_eq!(people(port, "one").await, ["alice", "bob"]);
    assert_eq!(people(port, "two").await, ["carol"]);
    match port.command(person("one", "bob")).await.unwrap() {
        SfuReply::Participant(found) => assert!(found.identity == "bob" && found.sid.starts_with("PA_")),
        other => panic!("{other:?}"),
    }

    // Rights: bob's change, and alice's do not.
    let change = |identity: &str, change: ParticipantChange| SfuCommand::ChangeParticipant {
        room: "one".to_owned(),
        identity: identity.to_owned(),
        change,
    };
    let rights = |identity: &str| {
        let permission = Some(ParticipantPermission {
            can_subscribe: true,
            ..ParticipantPermission::default()
        });
        change(
            identity,
            ParticipantChange {
                permission,
                ..ParticipantChange::default()
            },
        )
    };
    let may_publish = async |identity: &str| match port.command(person("one", identity)).await.unwrap() {
        SfuReply::Participant(found) => found.permission.unwrap().can_publish,
        other => panic!("{other:?}"),
    };
    match port.command(rights("bob")).await.unwrap() {
        SfuReply::Participant(bob) => assert!(!bob.permission.unwrap().can_publish),
        other => panic!("{other:?}"),
    }
    assert!(!may_publish("bob").await && may_publish("alice").await);
    assert_eq!(
        port.command(rights("mallory")).await,
        Err(SfuRefusal::ParticipantNotFound)
    );

    // What bob is shown as: he and alice are told, and his rights stay.
    let shown = ParticipantChange {
        name: "Bob".to_owned(),
        metadata: "m".to_owned(),
        attributes: [
            ("seatNumber".to_owned(), "7".to_owned()),
            ("hand".to_owned(), "up".to_owned()),
        ]
        .into(),
        permission: None,
    };
    let before = match port.command(change("bob", shown)).await.unwrap() {
        SfuReply::Participant(found) => {
            assert_eq!((found.name.as_str(), found.metadata.as_str()), ("Bob", "m"));
            found.version
        }
        other => panic!("{other:?}"),
    };
    let hand_down = ParticipantChange {
        attributes: [("hand".to_owned(), String::new())].into(),
        ..ParticipantChange::default()
    };
    let after = match port.command(change("bob", hand_down)).await.unwrap() {
        SfuReply::Participant(found) => found,
        other => panic!("{other:?}"),
    };
    assert!(after.version > before);
    assert_eq!(
        after.attributes,
        HashMap::from([("seatNumber".to_owned(), "7".to_owned())])
    );
    assert_eq!(after.name, "Bob");
    assert!(!may_publish("bob").await);
    for one in [&mut alice, &mut bob] {
        let told = one
            .wait_for(|message| update(message).filter(|info| info.version == after.version))
            .await;
        assert_eq!(told, after);
    }
    let too_long = ParticipantChange {
        name: "n".repeat(257),
        metadata: "lost".to_owned(),
        ..ParticipantChange::default()
    };
    assert_eq!(
        port.command(change("bob", too_long)).await,
        Err(SfuRefusal::Invalid("name length exceeds limits".to_owned()))
    );
    match port.command(person("one", "bob")).await.unwrap() {
        SfuReply::Participant(found) => assert_eq!(found, after),
        other => panic!("{other:?}"),
    }

    // Data: done, whoever is there to get it.
    let send = |room: &str, nonce: &[u8]| SfuCommand::SendData {
        room: room.to_owned(),
        message: DataMessage {
            payload: b"news".to_vec(),
            is_lossy: true,
            destination_identities: vec!["nobody".to_owned()],
            nonce: nonce.to_vec(),
            ..DataMessage::default()
        },
    };
    assert_eq!(port.command(send("one", &[1; 16])).await, Ok(SfuReply::Done));
    assert_eq!(
        port.command(send("nowhere", &[])).await,
        Err(SfuRefusal::RoomNotFound)
    );
    assert!(matches!(
        port.command(send("one", &[1; 3])).await,
        Err(SfuRefusal::Invalid(_))
    ));

    // A room's metadata: everybody in it is told.
    let describe = |room: &str, metadata: &str| SfuCommand::ChangeRoomMetadata {
        room: room.to_owned(),
        metadata: metadata.to_owned(),
    };
    for metadata in ["agenda", ""] {
        match port.command(describe("one", metadata)).await.unwrap() {
            SfuReply::Room(room) => {
                assert_eq!((room.metadata.as_str(), room.num_participants), (metadata, 2))
            }
            other => panic!("{other:?}"),
        }
        for one in [&mut alice, &mut bob] {
            one.wait_for(|message| room_update(message).filter(|room| room.metadata == metadata))
                .await;
        }
    }
    assert_eq!(
        port.command(describe("nowhere", "m")).await,
        Err(SfuRefusal::RoomNotFound)
    );
    assert!(matches!(
        port.command(describe("one", &"m".repeat(512 * 1024 + 1))).await,
        Err(SfuRefusal::Invalid(_))
    ));

    // Subscriptions, as if alice had asked: a track id that is too long is refused to her at once.
    let no_track = "x".repeat(65);
    let receive = |identity: &str, subscribe| SfuCommand::ChangeSubscriptions {
        room: "one".to_owned(),
        identity: identity.to_owned(),
        track_sids: vec![no_track.clone()],
        subscribe,
    };
    for subscribe in [false, true] {
        assert_eq!(
            port.command(receive("alice", subscribe)).await,
            Ok(SfuReply::Done)
        );
    }
    let refusal = alice
        .wait_for(|message| match message {
            signal_response::Message::SubscriptionResponse(response) => Some(response),
            _ => None,
        })
        .await;
    assert_eq!(
        (refusal.track_sid.as_str(), refusal.err()),
        (no_track.as_str(), SubscriptionError::SeTrackNotfound)
    );
    assert_eq!(
        port.command(receive("mallory", true)).await,
        Err(SfuRefusal::ParticipantNotFound)
    );

    let mute = SfuCommand::Mute {
        room: "one".to_owned(),
        identity: "alice".to_owned(),
        track_sid: "TR_nothing".to_owned(),
    };
    assert_eq!(port.command(mute).await, Err(SfuRefusal::TrackNotFound));

    // Removing one: that one leaves, the others stay.
    assert_eq!(
        port.command(remove("two", "bob")).await,
        Err(SfuRefusal::ParticipantNotFound)
    );
    assert_eq!(port.command(remove("one", "bob")).await, Ok(SfuReply::Done));
    assert_eq!(
        bob.wait_for(leave).await.reason(),
        DisconnectReason::ParticipantRemoved
    );
    assert_eq!(bob.closed().await.map(|frame| u16::from(frame.code)), Some(1000));
    alice.is_served().await;
    assert_eq!(people(port, "one").await, ["alice"]);
    let back = sfu.connect(&join_path(&token("one", "bob"))).await.err();
    assert_eq!(back, Some(refused(401, "the access token is revoked")));
    assert!(matches!(
        heard(&mut events).await,
        SfuEvent::ParticipantConnectionAborted { identity, reason: DisconnectReason::ParticipantRemoved, .. }
            if identity == "bob"
    ));

    // Deleting a room: everybody in it leaves, the other room stays.
    let delete = |room: &str| SfuCommand::DeleteRoom {
        room: room.to_owned(),
    };
    assert_eq!(
        port.command(delete("nowhere")).await,
        Err(SfuRefusal::RoomNotFound)
    );
    assert_eq!(port.command(delete("one")).await, Ok(SfuReply::Done));
    assert_eq!(
        alice.wait_for(leave).await.reason(),
        DisconnectReason::RoomDeleted
    );
    assert_eq!(
        alice.closed().await.map(|frame| u16::from(frame.code)),
        Some(1000)
    );
    carol.is_served().await;
    assert_eq!(rooms(port, &[]).await, ["two"]);
    assert_eq!(
        port.command(person("one", "alice")).await,
        Err(SfuRefusal::RoomNotFound)
    );
    loop {
        match heard(&mut events).await {
            SfuEvent::RoomFinished { room } => {
                assert_eq!(room.sid, first.sid);
                break;
            }
            other => assert!(
                matches!(other, SfuEvent::ParticipantConnectionAborted { .. }),
                "{other:?}"
            ),
        }
    }
}

#[tokio::test]
async fn the_handle_inside_the_process_passes() {
    let sfu = start("").await;
    let handle = sfu.node.handle();
    sit(&sfu, &handle).await;
    sfu.node.stop().await;
}

async fn sit_over_http(kind: &'static str) {
    let sfu = start("").await;
    let twirp = Twirp {
        client: reqwest::Client::new(),
        url: sfu.url(""),
        kind,
    };
    sit(&sfu, &twirp).await;
    sfu.node.stop().await;
}

#[tokio::test]
async fn the_server_api_over_http_passes() {
    sit_over_http("application/protobuf").await;
}

#[tokio::test]
async fn the_server_api_over_http_passes_in_json() {
    sit_over_http("application/json").await;
}
