//! Coming again on a new socket: who may, what it is told and in which order, and that nobody else notices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::comeback::{FORMS, MOMENT, assert_refused, hears_all, meeting, place, since, sort};
use common::{Browser, Town, claims};
use hanse_sfu_core::command::{ConnectionEnd, MediaCommand, MediaEvent};
use hanse_sfu_signal::limits::{MISSED_MESSAGES_MAX, MISSED_WAIT};
use hanse_sfu_signal::{JoinRefusal, PeerConnections, SfuCommand, SfuEvent};
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    DisconnectReason, LeaveRequest, MuteTrackRequest, SignalRequest, TrackInfo, TrackSource,
};
use std::time::Duration;

#[test]
fn whoever_comes_again_is_told_everything_in_order_and_nobody_hears_of_it() {
    for form in FORMS {
        let mut town = meeting(form, &["alice", "bob"]);
        town.close_socket("alice");
        town.pass(Duration::from_secs(600));
        let (hers, his) = (place(&town, "alice"), place(&town, "bob"));
        let (events, commands) = (town.events.len(), town.commands().len());
        assert!(town.resume("alice"));
        town.pass(MOMENT);
        let got: Vec<&str> = since(&town, "alice", hers).iter().map(sort).collect();
        assert_eq!(
            got[..6],
            [
                "reconnect",
                "update",
                "room_update",
                "refresh_token",
                "subscribed_quality_update",
                "speakers_changed"
            ],
            "{got:?}"
        );
        let Message::Reconnect(reconnect) = &since(&town, "alice", hers)[0] else {
            panic!()
        };
        assert_eq!(reconnect.server_info.as_ref().unwrap().node_id, "ND_test");
        assert!(reconnect.ice_servers.is_empty());
        let Message::Update(update) = &since(&town, "alice", hers)[1] else {
            panic!()
        };
        let mut told: Vec<&str> = update.participants.iter().map(|info| &*info.identity).collect();
        told.sort_unstable();
        assert_eq!(told, ["alice", "bob"]);
        assert_eq!(since(&town, "bob", his), [], "he has not noticed");
        assert_eq!(town.events[events..], [], "no join, no leave");
        // Nothing but the paths changes: no key frame is asked for, nothing ends, nothing begins.
        let restarts = &town.commands()[commands..];
        let are_restarts = restarts
            .iter()
            .all(|command| matches!(command, MediaCommand::RestartIce { .. }));
        assert!(are_restarts, "{restarts:?}");
        assert_eq!(
            restarts.len(),
            if town.people["alice"].second.is_some() {
                2
            } else {
                1
            }
        );
        hears_all(&town, "alice", "bob");
        hears_all(&town, "bob", "alice");
    }
}

#[test]
fn at_every_stage_and_twice_in_a_row_it_goes_on_and_gets_what_comes_later() {
    for form in FORMS {
        for is_connected in [false, true] {
            for socket_is_closed in [false, true] {
                let mut town = meeting(form, &["bob"]);
                town.connects = is_connected;
                town.join_as("alice", claims("alice"), form("alice")).unwrap();
                town.pass(MOMENT);
                if socket_is_closed && is_connected {
                    town.close_socket("alice");
                } else {
                    town.browser("alice").is_dead = true;
                }
                for _ in 0..2 {
                    assert!(town.resume("alice"));
                }
                assert_eq!(town.people["alice"].resumed, 2);
                town.pass(MOMENT);
                town.connects = true;
                town.settle();
                hears_all(&town, "alice", "bob");
                town.join_as("carol", claims("carol"), form("carol")).unwrap();
                town.publish("carol", TrackSource::Microphone);
                town.publish("carol", TrackSource::Camera);
                town.pass(Duration::from_secs(70));
                hears_all(&town, "alice", "carol");
                assert!(!town.people["alice"].is_closed, "its deadlines are over");
            }
        }
    }
}

#[test]
fn others_hear_of_a_joiner_that_came_again_when_its_media_connects_and_once() {
    let mut town = Town::unconnected();
    town.join("bob");
    town.join("alice");
    town.browser("alice").is_dead = true;
    assert!(town.resume("alice"));
    let joined = |town: &Town| {
        let is_hers = |event: &&SfuEvent| matches!(event, SfuEvent::ParticipantJoined { identity, .. } if identity == "alice");
        town.events.iter().filter(is_hers).count()
    };
    assert_eq!(joined(&town), 0);
    let connection = town.connection("alice");
    town.event(MediaEvent::Connected { connection });
    assert_eq!(joined(&town), 1);
    town.close_socket("alice");
    assert!(town.resume("alice"));
    assert_eq!(joined(&town), 1);
}

#[test]
fn what_was_said_once_is_said_again_if_it_still_holds_and_once() {
    for form in FORMS {
        let mut town = meeting(form, &["alice", "bob", "carol"]);
        let own: Vec<TrackInfo> = common::tracks_of(&town, "alice", &town.people["alice"].sid.clone());
        let (microphone, camera) = (own[0].sid.clone(), own[1].sid.clone());
        town.close_socket("alice");
        let bob = town.people["bob"].sid.clone();
        town.leave("bob");
        for sid in [&microphone, &camera] {
            let mute = SfuCommand::Mute {
                room: "standup".into(),
                identity: "alice".into(),
                track_sid: sid.clone(),
            };
            town.command(mute).unwrap();
        }
        let before = place(&town, "alice");
        assert!(town.resume("alice"));
        let got = since(&town, "alice", before);
        let order: Vec<&str> = got.iter().map(sort).take(5).collect();
        assert_eq!(order, ["reconnect", "update", "mute", "mute", "update"]);
        assert!(town.people["alice"].gone.contains(&bob));
        let carol = town.people["carol"].sid.clone();
        assert!(!town.people["alice"].gone.contains(&carol));

        // Her next socket breaks soon after: it may not have arrived. One track she has unmuted herself.
        let unmute = MuteTrackRequest {
            sid: camera.clone(),
            muted: false,
        };
        town.ask("alice", Ask::Mute(unmute));
        town.browser("alice").is_dead = true;
        town.pass(Duration::from_secs(10));
        let before = place(&town, "alice");
        assert!(town.resume("alice"));
        let got = since(&town, "alice", before);
        let mutes: Vec<&Message> = got.iter().filter(|message| sort(message) == "mute").collect();
        let [Message::Mute(mute)] = mutes[..] else {
            panic!("{mutes:?}")
        };
        assert_eq!(mute.sid, microphone);

        // Later it has arrived.
        town.pass(MISSED_WAIT + MOMENT);
        let before = place(&town, "alice");
        assert!(town.resume("alice"));
        let got: Vec<&str> = since(&town, "alice", before).iter().map(sort).collect();
        assert!(!got.contains(&"mute"), "{got:?}");
        assert_eq!(got[..3], ["reconnect", "update", "room_update"]);
    }
}

#[test]
fn nobody_is_told_what_somebody_else_missed() {
    let mut town = meeting(Browser::new, &["alice", "bob", "carol"]);
    town.close_socket("alice");
    let his = place(&town, "bob");
    let mute = SfuCommand::Mute {
        room: "standup".into(),
        identity: "alice".into(),
        track_sid: common::tracks_of(&town, "alice", &town.people["alice"].sid.clone())[0]
            .sid
            .clone(),
    };
    town.command(mute).unwrap();
    town.close_socket("bob");
    assert!(town.resume("bob"));
    assert!(
        since(&town, "bob", his)
            .iter()
            .all(|message| sort(message) != "mute")
    );
}

#[test]
fn a_socket_that_died_unnoticed_has_lost_what_was_sent_since() {
    let mut town = meeting(Browser::new, &["alice", "bob", "carol"]);
    town.browser("alice").is_dead = true;
    let (bob, carol) = (town.people["bob"].sid.clone(), town.people["carol"].sid.clone());
    town.leave("bob");
    town.pass(MISSED_WAIT - MOMENT);
    town.close_socket("alice");
    town.pass(Duration::from_secs(60));
    town.end_media("carol", ConnectionEnd::IceTimeout);
    assert!(town.resume("alice"));
    assert_eq!(town.people["alice"].gone, [bob, carol].into());
    assert_eq!(town.people["alice"].known.len(), 1);
}

#[test]
fn who_left_and_came_back_meanwhile_is_not_taken_for_gone() {
    for form in FORMS {
        let mut town = meeting(form, &["alice", "bob"]);
        town.close_socket("alice");
        town.leave("bob");
        let left = town.people.remove("bob").unwrap();
        town.people.insert("bob before".into(), left);
        town.join_as("bob", claims("bob"), form("bob")).unwrap();
        town.publish("bob", TrackSource::Microphone);
        town.publish("bob", TrackSource::Camera);
        assert!(town.resume("alice"));
        town.pass(MOMENT);
        assert_eq!(town.people["alice"].known.len(), 2);
        hears_all(&town, "alice", "bob");
    }
}

#[test]
fn whoever_missed_more_than_is_kept_joins_anew() {
    let mut town = Town::default();
    town.join("alice");
    let camera = town.publish("alice", TrackSource::Camera);
    town.pass(MISSED_WAIT + MOMENT);
    town.close_socket("alice");
    let mute = SfuCommand::Mute {
        room: "standup".into(),
        identity: "alice".into(),
        track_sid: camera,
    };
    for _ in 0..MISSED_MESSAGES_MAX {
        town.command(mute.clone()).unwrap();
    }
    assert!(town.resume("alice"));
    town.pass(MISSED_WAIT + MOMENT);
    town.close_socket("alice");
    for _ in 0..MISSED_MESSAGES_MAX {
        town.command(mute.clone()).unwrap();
    }
    town.command(mute).unwrap();
    assert!(!town.resume("alice"));
    assert_refused(&town, "alice");
    let before = town.people.remove("alice").unwrap();
    town.people.insert("alice before".into(), before);
    town.join("alice");
    town.publish("alice", TrackSource::Camera);
}

#[test]
fn only_the_session_that_is_meant_is_gone_on_with_and_only_by_its_own_identity() {
    let mut town = meeting(Browser::new, &["alice", "bob"]);
    town.close_socket("alice");
    let hers = town.people["alice"].sid.clone();
    let his = town.people["bob"].sid.clone();
    let place_of_bob = place(&town, "bob");
    // Somebody else with her sid, she with another one's, and in the other form.
    let sid = |sid: &str| {
        let sid = sid.to_owned();
        move |attempt: &mut hanse_sfu_signal::JoinAttempt| {
            attempt.request.as_mut().unwrap().participant_sid = sid;
        }
    };
    assert_eq!(town.resume_with("bob", sid(&hers)), Ok(false));
    assert_refused(&town, "bob");
    for wrong in [&his, "PA_unknown"] {
        assert_eq!(town.resume_with("alice", sid(wrong)), Ok(false));
        assert_refused(&town, "alice");
    }
    let other_form = town.resume_with("alice", |attempt| attempt.peer_connections = PeerConnections::Two);
    assert_eq!(other_form, Ok(false));
    let other_room = town.resume_with("alice", |attempt| attempt.claims.video.room = "elsewhere".into());
    assert_eq!(other_room, Ok(false));
    let stranger = town.resume_with("alice", |attempt| attempt.claims.identity = "mallory".into());
    assert_eq!(stranger, Ok(false));
    assert_eq!(since(&town, "bob", place_of_bob), []);
    assert!(!town.people["bob"].is_closed);
    // The session has not suffered; and clients of long ago do not say which one they mean.
    assert_eq!(town.resume_with("alice", sid("")), Ok(true));
    hears_all(&town, "alice", "bob");
    let rooms = town.command(SfuCommand::ListRooms { names: vec![] }).unwrap();
    assert!(!format!("{rooms:?}").contains("elsewhere"), "no room was made");
}

#[test]
fn who_was_removed_does_not_come_back_by_resuming() {
    for is_attached in [true, false] {
        let mut town = meeting(Browser::new, &["alice", "bob"]);
        if !is_attached {
            town.close_socket("alice");
        }
        let remove = SfuCommand::RemoveParticipant {
            room: "standup".into(),
            identity: "alice".into(),
            revoke_before_unix_s: None,
        };
        town.command(remove).unwrap();
        assert_eq!(town.resume_with("alice", |_| {}), Err(JoinRefusal::TokenRevoked));
        // A later token opens the room, but there is nothing to go on with.
        let later = town.resume_with("alice", |attempt| {
            attempt.claims.not_before_unix_s = common::START_UNIX_S + 3600;
        });
        assert_eq!(later, Ok(false));
        assert_refused(&town, "alice");
    }
}

#[test]
fn without_a_room_or_a_right_to_make_one_a_client_hears_at_once_to_join_anew() {
    let mut town = Town::new(|config| config.auto_create = false);
    let room = hanse_sfu_signal::RoomSettings {
        name: "standup".into(),
        ..Default::default()
    };
    town.command(SfuCommand::CreateRoom(room)).unwrap();
    town.join("alice");
    town.close_socket("alice");
    town.command(SfuCommand::DeleteRoom {
        room: "standup".into(),
    })
    .unwrap();
    assert!(!town.resume("alice"));
    assert_refused(&town, "alice");
}

#[test]
fn a_full_room_lets_those_back_in_who_are_in() {
    let mut town = Town::new(|config| {
        config.max_participants = 2;
        config.participants_max_on_node = 2;
    });
    town.join("alice");
    town.join("bob");
    town.close_socket("alice");
    assert!(town.resume("alice"));
}

#[test]
fn what_was_being_negotiated_when_the_socket_died_is_negotiated_again() {
    for form in FORMS {
        let mut town = meeting(form, &["alice"]);
        // Neither the offer nor the request for one arrives.
        town.browser("alice").is_dead = true;
        town.join_as("bob", claims("bob"), form("bob")).unwrap();
        for _ in 0..3 {
            town.publish("bob", TrackSource::Microphone);
        }
        town.publish("bob", TrackSource::Camera);
        town.pass(MOMENT);
        assert!(town.resume("alice"));
        town.pass(MOMENT);
        hears_all(&town, "alice", "bob");
        assert_eq!(town.people["alice"].heard().len(), 4);
        town.pass(Duration::from_secs(60));
        assert!(!town.people["alice"].is_closed);
    }
}

#[test]
fn a_lost_answer_leaves_no_slot_that_the_client_believes_in_use() {
    let mut town = meeting(Browser::new, &["alice", "bob"]);
    let camera = town.people["bob"].known[&town.people["bob"].sid].tracks[1]
        .sid
        .clone();
    town.browser("alice").is_obedient = false;
    town.unpublish("bob", &camera);
    // Her offer arrives; the answer, which calls the slot inactive, does not.
    let offer = town.browser("alice").next_description();
    let (session, now) = (town.session("alice"), town.now);
    let message = Some(Ask::Offer(offer));
    town.signalling
        .handle_request(now, session, SignalRequest { message });
    town.browser("alice").is_dead = true;
    town.settle();
    let again = town.publish("bob", TrackSource::Camera);
    town.browser("alice").is_obedient = true;
    // The browser checks that a slot is inactive before it carries another track.
    assert!(town.resume("alice"));
    town.pass(MOMENT);
    hears_all(&town, "alice", "bob");
    assert!(
        town.people["alice"]
            .heard()
            .iter()
            .any(|heard| heard.track_sid == again)
    );
}

#[test]
fn unused_slots_stay_usable_however_often_somebody_comes_again() {
    for name in [("Chrome", "Linux"), ("Safari", "macOS")] {
        let mut town = Town::default();
        let mut browser = Browser::new("alice");
        browser.name = name;
        town.join_as("alice", claims("alice"), browser).unwrap();
        for _ in 0..3 {
            assert!(town.resume("alice"));
        }
        town.join("bob");
        town.publish("bob", TrackSource::Microphone);
        town.publish("bob", TrackSource::Camera);
        hears_all(&town, "alice", "bob");
        assert_eq!(town.people["alice"].slots(), 6, "{name:?}");
    }
}

#[test]
fn a_lost_answer_of_the_client_is_asked_for_again() {
    let mut town = meeting(Browser::dual, &["alice"]);
    town.browser("alice").second().is_slow = true;
    town.join("bob");
    town.publish("bob", TrackSource::Microphone);
    town.publish("bob", TrackSource::Camera);
    town.pass(MOMENT);
    // She has the offer and answers, and the answer is lost.
    town.browser("alice").is_dead = true;
    town.browser("alice").answer();
    town.settle();
    town.browser("alice").second().is_slow = false;
    assert!(town.resume("alice"));
    town.pass(MOMENT);
    hears_all(&town, "alice", "bob");
    town.pass(Duration::from_secs(60));
    assert!(!town.people["alice"].is_closed);
}

#[test]
fn a_publisher_that_died_meanwhile_is_gone_and_its_tracks_with_it() {
    for form in FORMS {
        let mut town = meeting(form, &["alice", "bob", "carol"]);
        town.close_socket("alice");
        let bob = town.people["bob"].sid.clone();
        town.end_media("bob", ConnectionEnd::IceTimeout);
        assert!(town.resume("alice"));
        town.pass(MOMENT);
        assert!(town.people["alice"].gone.contains(&bob));
        assert!(
            town.people["alice"]
                .heard()
                .iter()
                .all(|heard| heard.publisher_sid != bob)
        );
        hears_all(&town, "alice", "carol");
    }
}

#[test]
fn whoever_lost_its_media_or_has_left_has_nothing_to_go_on_with() {
    let ends: [fn(&mut Town); 3] = [
        |town| town.end_media("alice", ConnectionEnd::IceTimeout),
        |town| town.ask("alice", Ask::Leave(LeaveRequest::default())),
        |town| {
            town.signalling.handle_shutdown(town.now);
            town.settle();
        },
    ];
    for end in ends {
        let mut town = meeting(Browser::new, &["alice", "bob"]);
        end(&mut town);
        assert!(!town.resume("alice"));
        assert_refused(&town, "alice");
    }
}

#[test]
fn a_stopping_server_asks_everybody_to_come_anew() {
    let mut town = meeting(Browser::new, &["alice", "bob"]);
    town.signalling.handle_shutdown(town.now);
    town.settle();
    for name in ["alice", "bob"] {
        let leave = last!(town, name, Leave).unwrap();
        assert_eq!(
            (leave.reason(), leave.action(), leave.can_reconnect),
            (DisconnectReason::ServerShutdown, Action::Reconnect, true)
        );
        assert!(town.people[name].is_closed);
    }
}
