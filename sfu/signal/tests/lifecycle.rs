//! How a participant comes, stays and goes, and what a room does when it is empty.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, START_UNIX_S, Town, attempt, claims, keys};
use hanse_sfu_core::command::{ConnectionEnd, MediaCommand};
use hanse_sfu_signal::{JoinRefusal, RoomSettings, SfuCommand, SfuEvent, SfuRefusal, SfuReply, verify};
use livekit_protocol::leave_request::Action;
use livekit_protocol::participant_info::{Kind, State};
use livekit_protocol::{DisconnectReason, TrackSource};
use std::time::Duration;

fn settings(name: &str) -> RoomSettings {
    RoomSettings {
        name: name.into(),
        ..RoomSettings::default()
    }
}

fn finished(town: &Town) -> usize {
    town.events
        .iter()
        .filter(|event| matches!(event, SfuEvent::RoomFinished { .. }))
        .count()
}

/// How the last departure was reported.
fn departure(town: &Town) -> Option<(bool, String, DisconnectReason)> {
    town.events.iter().rev().find_map(|event| match event {
        SfuEvent::ParticipantLeft { identity, reason, .. } => Some((true, identity.clone(), *reason)),
        SfuEvent::ParticipantConnectionAborted { identity, reason, .. } => {
            Some((false, identity.clone(), *reason))
        }
        _ => None,
    })
}

#[test]
fn whoever_leaves_is_gone_at_once_and_others_hear_why() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    town.publish("bob", TrackSource::Camera);
    let bob = town.people["bob"].sid.clone();
    town.leave("bob");
    assert!(town.people["bob"].is_closed);
    assert_eq!(count!(town, "bob", Leave), 0, "it knows");
    assert!(town.people["alice"].gone.contains(&bob));
    let update = last!(town, "alice", Update).unwrap().participants.remove(0);
    assert_eq!(
        (update.state(), update.disconnect_reason()),
        (State::Disconnected, DisconnectReason::ClientInitiated)
    );
    assert!(town.people["alice"].heard().is_empty());
    assert_eq!(town.media.connections(), 1);
    assert_eq!(
        departure(&town),
        Some((true, "bob".into(), DisconnectReason::ClientInitiated))
    );
}

#[test]
fn media_that_never_connects_ends_the_session_after_a_minute() {
    let mut town = Town::unconnected();
    town.join("alice");
    town.pass(Duration::from_secs(59));
    assert!(!town.people["alice"].is_closed);
    town.pass(Duration::from_secs(1));
    assert_eq!(
        last!(town, "alice", Leave).unwrap().reason(),
        DisconnectReason::JoinFailure
    );
    assert!(town.people["alice"].is_closed);
    assert_eq!(
        departure(&town),
        Some((false, "alice".into(), DisconnectReason::JoinFailure))
    );
}

#[test]
fn a_socket_that_closes_before_media_connects_ends_the_session() {
    let mut town = Town::unconnected();
    town.join("alice");
    town.close_socket("alice");
    assert_eq!(
        departure(&town),
        Some((false, "alice".into(), DisconnectReason::SignalClose))
    );
}

#[test]
fn a_participant_outlives_its_socket_while_its_media_flows() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    town.publish("bob", TrackSource::Microphone);
    town.close_socket("bob");
    town.pass(Duration::from_secs(600));
    assert!(town.hears("alice", "bob", TrackSource::Microphone));
    assert_eq!(departure(&town), None);
    town.end_media("bob", ConnectionEnd::IceTimeout);
    assert!(town.people["alice"].heard().is_empty());
    assert_eq!(
        departure(&town),
        Some((true, "bob".into(), DisconnectReason::ConnectionTimeout))
    );
}

#[test]
fn lost_media_asks_a_reachable_client_to_come_again() {
    let mut town = Town::default();
    town.join("alice");
    town.end_media("alice", ConnectionEnd::IceTimeout);
    let leave = last!(town, "alice", Leave).unwrap();
    assert_eq!(
        (leave.reason(), leave.action()),
        (DisconnectReason::ConnectionTimeout, Action::Reconnect)
    );
    assert!(leave.can_reconnect);
}

#[test]
fn tokens_are_refreshed_at_once_and_every_five_minutes_and_verify() {
    let mut town = Town::default();
    town.join("alice");
    assert_eq!(count!(town, "alice", RefreshToken), 1);
    town.pass(Duration::from_secs(300));
    assert_eq!(count!(town, "alice", RefreshToken), 2);
    let token = last!(town, "alice", RefreshToken).unwrap();
    let fresh = verify(&token, &keys(), START_UNIX_S + 300).unwrap();
    assert_eq!(
        (fresh.identity.as_str(), fresh.expires_at_unix_s),
        ("alice", START_UNIX_S + 3600)
    );
    assert!(fresh.video.room_join && fresh.video.room == "standup");
    town.pass(Duration::from_secs(3600));
    let token = last!(town, "alice", RefreshToken).unwrap();
    let fresh = verify(&token, &keys(), START_UNIX_S + 3900).unwrap();
    assert_eq!(
        fresh.expires_at_unix_s,
        START_UNIX_S + 3900 + 600,
        "never shorter than ten minutes"
    );
}

#[test]
fn a_room_that_nobody_joins_closes_after_five_minutes() {
    let mut town = Town::default();
    town.command(SfuCommand::CreateRoom(settings("empty"))).unwrap();
    town.pass(Duration::from_secs(299));
    assert_eq!(finished(&town), 0);
    town.pass(Duration::from_secs(1));
    assert_eq!(finished(&town), 1);
    assert_eq!(
        town.command(SfuCommand::ListRooms { names: vec![] }),
        Ok(SfuReply::Rooms(vec![]))
    );
}

#[test]
fn a_room_closes_twenty_seconds_after_the_last_one_left_and_not_if_somebody_comes() {
    let mut town = Town::default();
    town.join("alice");
    town.leave("alice");
    town.pass(Duration::from_secs(19));
    town.join_as("alice again", claims("alice"), Browser::new("alice"))
        .unwrap();
    town.pass(Duration::from_secs(100));
    assert_eq!(finished(&town), 0);
    town.leave("alice again");
    town.pass(Duration::from_secs(20));
    assert_eq!(finished(&town), 1);
}

#[test]
fn a_recorder_does_not_keep_a_room_open() {
    let mut town = Town::default();
    town.join("alice");
    let mut recorder = claims("recorder");
    recorder.kind = Kind::Egress;
    town.join_as("recorder", recorder, Browser::new("recorder"))
        .unwrap();
    town.leave("alice");
    town.pass(Duration::from_secs(20));
    assert_eq!(
        last!(town, "recorder", Leave).unwrap().reason(),
        DisconnectReason::RoomClosed
    );
    assert_eq!(finished(&town), 1);
}

#[test]
fn without_auto_create_a_room_must_exist_or_the_token_must_allow_it() {
    let mut town = Town::new(|config| config.auto_create = false);
    let refusal = town
        .join_as("alice", claims("alice"), Browser::new("alice"))
        .unwrap_err();
    assert_eq!(refusal, JoinRefusal::RoomNotFound);
    assert_eq!(
        (refusal.status(), refusal.to_string().as_str()),
        (404, "requested room does not exist")
    );
    let mut creator = claims("carol");
    creator.video.room_create = true;
    creator.video.room = "other".into();
    town.join_as("carol", creator, Browser::new("carol")).unwrap();
    town.command(SfuCommand::CreateRoom(settings("standup"))).unwrap();
    town.join("alice");
}

#[test]
fn a_full_room_refuses_the_next_one_and_lets_the_same_one_in_again() {
    let mut town = Town::default();
    town.command(SfuCommand::CreateRoom(RoomSettings {
        max_participants: 2,
        ..settings("standup")
    }))
    .unwrap();
    town.join("alice");
    town.join("bob");
    let refusal = town
        .join_as("carol", claims("carol"), Browser::new("carol"))
        .unwrap_err();
    assert_eq!((refusal, refusal.status()), (JoinRefusal::RoomFull, 503));
    town.join_as("bob again", claims("bob"), Browser::new("bob"))
        .unwrap();
    town.leave("alice");
    town.join("carol");
}

#[test]
fn a_full_node_refuses_everybody_else() {
    let mut town = Town::new(|config| config.participants_max_on_node = 1);
    town.join("alice");
    let refusal = town
        .join_as("bob", claims("bob"), Browser::new("bob"))
        .unwrap_err();
    assert_eq!((refusal, refusal.status()), (JoinRefusal::NodeFull, 503));
}

#[test]
fn while_it_drains_no_room_begins_and_rooms_that_are_there_go_on() {
    let mut town = Town::default();
    town.join("alice");
    town.signalling.set_draining(true);
    // Others come to her, she comes again, and her room is made again by whoever gives out tokens.
    town.join("bob");
    town.join_as("alice again", claims("alice"), Browser::new("alice"))
        .unwrap();
    assert!(town.command(SfuCommand::CreateRoom(settings("standup"))).is_ok());
    assert_eq!(town.signalling.people(), 2);

    let mut elsewhere = claims("carol");
    elsewhere.video.room = "other".into();
    let refusal = town
        .join_as("carol", elsewhere.clone(), Browser::new("carol"))
        .unwrap_err();
    assert_eq!((refusal, refusal.status()), (JoinRefusal::Draining, 503));
    assert_eq!(
        town.command(SfuCommand::CreateRoom(settings("other"))),
        Err(SfuRefusal::Draining)
    );
    town.signalling.set_draining(false);
    town.join_as("carol", elsewhere, Browser::new("carol")).unwrap();
}

#[test]
fn creating_a_room_twice_keeps_its_sid_and_changes_what_is_given() {
    let mut town = Town::default();
    let create = |settings| SfuCommand::CreateRoom(settings);
    let Ok(SfuReply::Room(first)) = town.command(create(RoomSettings {
        metadata: "m".into(),
        ..settings("r")
    })) else {
        panic!("no room");
    };
    town.pass(Duration::from_secs(10));
    let Ok(SfuReply::Room(second)) = town.command(create(RoomSettings {
        empty_timeout_s: 600,
        ..settings("r")
    })) else {
        panic!("no room");
    };
    assert_eq!(
        (&first.sid, first.creation_time),
        (&second.sid, second.creation_time)
    );
    assert_eq!((first.empty_timeout, second.empty_timeout), (300, 600));
    assert_eq!(second.metadata, "m");
    assert_eq!(first.creation_time, START_UNIX_S as i64);
}

#[test]
fn bad_room_names_are_refused_with_a_sentence() {
    let mut town = Town::default();
    for name in [String::new(), "x".repeat(257)] {
        let refusal = town.command(SfuCommand::CreateRoom(settings(&name))).unwrap_err();
        assert!(matches!(&refusal, SfuRefusal::Invalid(sentence) if !sentence.is_empty()));
    }
}

#[test]
fn participants_are_listed_found_and_removed() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let room = || "standup".to_owned();
    let Ok(SfuReply::Participants(all)) = town.command(SfuCommand::ListParticipants { room: room() }) else {
        panic!("no list");
    };
    assert_eq!(
        all.iter().map(|info| info.identity.as_str()).collect::<Vec<_>>(),
        ["alice", "bob"]
    );
    let ask = |identity: &str| SfuCommand::Participant {
        room: room(),
        identity: identity.into(),
    };
    assert!(
        matches!(town.command(ask("bob")), Ok(SfuReply::Participant(info)) if info.state() == State::Active)
    );
    let refusal = town.command(ask("carol")).unwrap_err();
    assert_eq!(refusal.to_string(), "participant does not exist");
    let elsewhere = SfuCommand::Participant {
        room: "nowhere".into(),
        identity: "bob".into(),
    };
    assert_eq!(
        town.command(elsewhere).unwrap_err().to_string(),
        "requested room does not exist"
    );

    let remove = SfuCommand::RemoveParticipant {
        room: room(),
        identity: "bob".into(),
        revoke_before_unix_s: Some(START_UNIX_S),
    };
    assert_eq!(town.command(remove.clone()), Ok(SfuReply::Done));
    let leave = last!(town, "bob", Leave).unwrap();
    assert_eq!(
        (leave.reason(), leave.action()),
        (DisconnectReason::ParticipantRemoved, Action::Disconnect)
    );
    assert!(!town.people["alice"].is_closed);
    assert_eq!(town.command(remove).unwrap_err(), SfuRefusal::ParticipantNotFound);

    // With a token from before he does not come back, with a new one he does; alice's old ones are good.
    let mut since = |name: &str, session: &str, not_before_unix_s: u64| {
        let mut claims = claims(name);
        claims.not_before_unix_s = not_before_unix_s;
        town.join_as(session, claims, Browser::new(name))
    };
    assert_eq!(
        since("bob", "bob before", START_UNIX_S - 1).err(),
        Some(JoinRefusal::TokenRevoked)
    );
    assert!(since("alice", "alice again", START_UNIX_S - 1).is_ok());
    assert!(since("bob", "bob again", START_UNIX_S).is_ok());
}

#[test]
fn deleting_a_room_sends_everybody_away_and_a_new_one_may_come() {
    let mut town = Town::default();
    town.join("alice");
    town.join("bob");
    let sid = last!(town, "alice", Join).unwrap().room.unwrap().sid;
    town.command(SfuCommand::DeleteRoom {
        room: "standup".into(),
    })
    .unwrap();
    for name in ["alice", "bob"] {
        assert_eq!(
            last!(town, name, Leave).unwrap().reason(),
            DisconnectReason::RoomDeleted
        );
        assert!(town.people[name].is_closed);
    }
    assert_eq!(town.media.connections(), 0);
    assert_eq!(
        town.command(SfuCommand::DeleteRoom {
            room: "standup".into()
        }),
        Err(SfuRefusal::RoomNotFound)
    );
    town.join_as("alice again", claims("alice"), Browser::new("alice"))
        .unwrap();
    assert_ne!(last!(town, "alice again", Join).unwrap().room.unwrap().sid, sid);
    town.pass(Duration::from_secs(3600));
    assert!(
        !town.people["alice again"].is_closed,
        "timers of the old room do not touch the new one"
    );
}

#[test]
fn a_shutdown_tells_everybody_and_leaves_nothing() {
    let mut town = Town::default();
    town.join("alice");
    town.signalling.handle_shutdown(town.now);
    town.settle();
    assert_eq!(
        last!(town, "alice", Leave).unwrap().reason(),
        DisconnectReason::ServerShutdown
    );
    assert_eq!((finished(&town), town.media.connections()), (1, 0));
    assert_eq!(town.signalling.poll_timeout(), None);
    assert!(matches!(
        town.commands().last(),
        Some(MediaCommand::CloseConnection { .. })
    ));
}

#[test]
fn counts_are_told_within_five_seconds_and_not_more_often() {
    let mut town = Town::default();
    town.join("alice");
    town.pass(Duration::from_secs(6));
    let before = count!(town, "alice", RoomUpdate);
    town.join("bob");
    town.join("carol");
    town.publish("bob", TrackSource::Camera);
    assert_eq!(count!(town, "alice", RoomUpdate), before);
    town.pass(Duration::from_secs(5));
    assert_eq!(count!(town, "alice", RoomUpdate), before + 1);
    let room = last!(town, "alice", RoomUpdate).unwrap().room.unwrap();
    assert_eq!((room.num_participants, room.num_publishers), (3, 1));
}

#[test]
fn the_publish_only_connection_of_somebody_receives_nothing() {
    let mut town = Town::default();
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
    let mut browser = Browser::new("bob#screen");
    let mut attempt = attempt(claims("bob"), &mut browser);
    attempt.publish = Some("screen".into());
    town.join_with("bob's screen", attempt, browser).unwrap();
    assert!(town.people["bob's screen"].heard().is_empty());
    town.publish("bob's screen", TrackSource::ScreenShare);
    assert!(town.hears("alice", "bob's screen", TrackSource::ScreenShare));
}
