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
use hanse_sfu_signal::{RoomSettings, SfuCommand, SfuEvent, SfuRefusal, SfuReply};
use livekit_protocol::{
    CreateRoomRequest, DeleteRoomRequest, DisconnectReason, LeaveRequest, ListParticipantsRequest,
    ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse, MuteRoomTrackRequest,
    MuteRoomTrackResponse, ParticipantInfo, ParticipantPermission, Room, RoomParticipantIdentity,
    UpdateParticipantRequest, signal_response,
};
use prost::Message;

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
}

impl Twirp {
    async fn call<T: Message + Default>(
        &self,
        method: &str,
        room: &str,
        request: &impl Message,
    ) -> Result<T, SfuRefusal> {
        let response = self
            .client
            .post(format!("{}/twirp/livekit.RoomService/{method}", self.url))
            .header("Content-Type", "application/protobuf")
            .header("Authorization", format!("Bearer {}", admin_token(room)))
            .body(request.encode_to_vec())
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.bytes().await.unwrap();
        if status == 200 {
            assert_eq!(kind, "application/protobuf");
            return Ok(T::decode(body).unwrap());
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
                .call::<()>("DeleteRoom", "", &DeleteRoomRequest { room })
                .await
                .map(|()| SfuReply::Done),
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
                self.call::<()>("RemoveParticipant", &room, &request)
                    .await
                    .map(|()| SfuReply::Done)
            }
            SfuCommand::ChangeRights {
                room,
                identity,
                permission,
            } => {
                let request = UpdateParticipantRequest {
                    room: room.clone(),
                    identity,
                    permission: Some(permission),
                    ..Default::default()
                };
                let participant = self
                    .call::<ParticipantInfo>("UpdateParticipant", &room, &request)
                    .await?;
                Ok(SfuReply::Participant(participant))
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
    let rights = |identity: &str| SfuCommand::ChangeRights {
        room: "one".to_owned(),
        identity: identity.to_owned(),
        permission: ParticipantPermission {
            can_subscribe: true,
            ..ParticipantPermission::default()
        },
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

#[tokio::test]
async fn the_server_api_over_http_passes() {
    let sfu = start("").await;
    let twirp = Twirp {
        client: reqwest::Client::new(),
        url: sfu.url(""),
    };
    sit(&sfu, &twirp).await;
    sfu.node.stop().await;
}
