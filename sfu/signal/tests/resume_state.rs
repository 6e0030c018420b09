//! What goes on over a resume: transports with new credentials, and what the client holds for true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::comeback::{FORMS, MOMENT, hears_all, meeting, place, since, sort};
use common::{Browser, Town, change_rights, claims};
use hanse_sfu_core::command::{DataChannel, MediaCommand, MediaEvent};
use hanse_sfu_signal::limits::{KEPT_DATA_WAIT, RESENT_DATA_BYTES_MAX};
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    DataChannelReceiveState, DataPacket, DisconnectReason, LeaveRequest, ParticipantPermission,
    StreamStateUpdate, SyncState, TrackInfo, TrackPublishedResponse, TrackSource, UpdateSubscription,
    UserPacket, data_packet,
};
use prost::Message as _;
use std::time::Duration;

/// Credentials and certificate that a description of ours says.
fn transport(sdp: &str) -> [String; 3] {
    ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"].map(|key| {
        sdp.lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap()
            .to_owned()
    })
}

#[test]
fn an_offer_with_new_credentials_restarts_ice_and_nothing_else() {
    for form in FORMS {
        let mut town = meeting(form, &["alice", "bob"]);
        let before = transport(&last!(town, "alice", Answer).unwrap().sdp);
        let commands = town.commands().len();
        let candidates = count!(town, "alice", Trickle);
        town.browser("alice").ufrag = "restarted".into();
        town.browser("alice").offer();
        town.settle();
        let after = transport(&last!(town, "alice", Answer).unwrap().sdp);
        assert_ne!((&before[0], &before[1]), (&after[0], &after[1]));
        assert_eq!(before[2], after[2], "the same certificate");
        let [
            MediaCommand::RestartIce {
                connection,
                local,
                remote,
            },
        ] = &town.commands()[commands..]
        else {
            panic!("{:?}", &town.commands()[commands..])
        };
        assert_eq!(*connection, town.connection("alice"));
        assert_eq!((&local.ufrag, &local.password), (&after[0], &after[1]));
        assert_eq!(remote.ufrag, "restarted");
        // The first media section says where everything goes.
        let answer = last!(town, "alice", Answer).unwrap().sdp;
        let section = answer.split("m=").nth(1).unwrap();
        let own = section.matches("a=candidate:").count();
        assert!(own > 0);
        assert_eq!(
            count!(town, "alice", Trickle),
            candidates + own,
            "candidates of the new ufrag"
        );
        let told = last!(town, "alice", Trickle).unwrap();
        assert!(told.candidate_init.contains(&after[0]) && told.r#final);
        // The next offer has the same.
        town.browser("alice").offer();
        town.settle();
        assert_eq!(town.commands().len(), commands + 1);
        assert_eq!(transport(&last!(town, "alice", Answer).unwrap().sdp), after);
    }
}

#[test]
fn our_offer_restarts_ice_for_whoever_comes_again_once_it_is_answered() {
    let mut town = meeting(Browser::dual, &["alice", "bob"]);
    let before = transport(&last!(town, "alice", Offer).unwrap().sdp);
    town.close_socket("alice");
    town.browser("alice").second().is_slow = true;
    let commands = town.commands().len();
    assert!(town.resume("alice"));
    let first = transport(&last!(town, "alice", Offer).unwrap().sdp);
    assert_ne!(before[0], first[0]);
    assert_eq!(before[2], first[2]);
    // Again, before she has answered.
    town.browser("alice").is_dead = true;
    assert!(town.resume("alice"));
    let second = transport(&last!(town, "alice", Offer).unwrap().sdp);
    assert_ne!(first[0], second[0]);
    let downstream = town.downstream("alice");
    let restarts = |town: &Town| -> Vec<String> {
        let ufrags = town.commands()[commands..]
            .iter()
            .filter_map(|command| match command {
                MediaCommand::RestartIce {
                    connection, local, ..
                } if *connection == downstream => Some(local.ufrag.clone()),
                _ => None,
            });
        ufrags.collect()
    };
    assert!(restarts(&town).is_empty());
    town.browser("alice").answer();
    town.settle();
    assert_eq!(restarts(&town), [second[0].clone()]);
    // Without a resume nothing restarts, and a client that does so by itself makes no sense.
    town.publish("bob", TrackSource::ScreenShare);
    town.pass(MOMENT);
    assert_eq!(transport(&last!(town, "alice", Offer).unwrap().sdp), second);
    town.browser("alice").ufrag = "another".into();
    town.browser("alice").answer();
    town.settle();
    assert_eq!(
        last!(town, "alice", Leave).unwrap().reason(),
        DisconnectReason::StateMismatch
    );
}

#[test]
fn a_track_that_a_client_believes_to_publish_and_does_not_makes_it_join_anew() {
    for form in FORMS {
        for track in [None, Some("TR_unknown"), Some("bobs")] {
            let mut town = meeting(form, &["alice", "bob"]);
            let his = town.people["bob"].known[&town.people["bob"].sid].tracks[0]
                .sid
                .clone();
            let sid = track.map(|sid| {
                if sid == "bobs" {
                    his.clone()
                } else {
                    sid.to_owned()
                }
            });
            town.browser("alice").sync.publish_tracks = vec![TrackPublishedResponse {
                cid: "cid".into(),
                track: sid.map(|sid| TrackInfo {
                    sid,
                    ..TrackInfo::default()
                }),
            }];
            assert!(town.resume("alice"));
            let leave = last!(town, "alice", Leave).unwrap();
            assert_eq!(
                (leave.reason(), leave.action()),
                (DisconnectReason::StateMismatch, Action::Reconnect)
            );
            assert!(!town.people["bob"].is_closed);
        }
    }
}

#[test]
fn a_track_that_was_taken_away_meanwhile_is_said_to_be_and_does_not_end_the_session() {
    for form in FORMS {
        let mut town = meeting(form, &["alice", "bob"]);
        town.close_socket("alice");
        let permission = ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_sources: vec![TrackSource::Microphone.into()],
            ..ParticipantPermission::default()
        };
        town.command(change_rights("alice", permission)).unwrap();
        let before = place(&town, "alice");
        assert!(town.resume("alice"));
        town.pass(MOMENT);
        let got: Vec<&str> = since(&town, "alice", before).iter().map(sort).collect();
        assert_eq!(got[..3], ["reconnect", "track_unpublished", "update"]);
        assert!(!town.people["alice"].is_closed);
        assert!(town.hears("bob", "alice", TrackSource::Microphone));
        assert!(!town.hears("bob", "alice", TrackSource::Camera));
    }
}

#[test]
fn what_a_client_says_it_does_not_want_it_does_not_get() {
    for form in FORMS {
        let mut town = meeting(form, &["alice", "bob", "carol"]);
        let track = |town: &Town, name: &str, place: usize| {
            town.people[name].known[&town.people[name].sid].tracks[place]
                .sid
                .clone()
        };
        let (his, hers) = (track(&town, "bob", 0), track(&town, "carol", 1));
        town.close_socket("alice");
        town.browser("alice").sync = SyncState {
            subscription: Some(UpdateSubscription {
                track_sids: vec![his],
                subscribe: false,
                ..UpdateSubscription::default()
            }),
            track_sids_disabled: vec![hers.clone()],
            ..SyncState::default()
        };
        assert!(town.resume("alice"));
        town.pass(Duration::from_secs(1));
        assert!(!town.hears("alice", "bob", TrackSource::Microphone));
        assert!(town.hears("alice", "bob", TrackSource::Camera));
        hears_all(&town, "alice", "carol");
        let id = town.track("carol", &hers);
        let want = town.media.want(town.downstream("alice"), id).unwrap();
        assert!(!want.enabled);
        hears_all(&town, "carol", "bob");
        let want = town.media.want(town.downstream("bob"), id).unwrap();
        assert!(want.enabled, "nobody else is concerned");
    }
}

fn reliable(sequence: u32, to: &[&str]) -> Vec<u8> {
    DataPacket {
        sequence,
        destination_identities: to.iter().map(|name| (*name).to_owned()).collect(),
        value: Some(data_packet::Value::User(UserPacket {
            payload: vec![sequence as u8],
            ..UserPacket::default()
        })),
        ..DataPacket::default()
    }
    .encode_to_vec()
}

/// Opens everybody's reliable channel.
fn open_channels(town: &mut Town, names: &[&str]) {
    for name in names {
        let connection = town.downstream(name);
        let channel = DataChannel::Reliable;
        town.media.channels.insert((connection, channel));
        town.event(MediaEvent::DataChannelOpen { connection, channel });
    }
}

fn send(town: &mut Town, from: &str, payload: Vec<u8>) {
    let connection = town.connection(from);
    town.event(MediaEvent::Data {
        connection,
        channel: DataChannel::Reliable,
        payload: payload.into(),
    });
}

/// How far somebody says that it has come with another one's packets.
fn state(town: &Town, name: &str, last_seq: u32) -> DataChannelReceiveState {
    DataChannelReceiveState {
        publisher_sid: town.people[name].sid.clone(),
        last_seq,
    }
}

/// Numbers of the packets that went out, which all went to one.
fn numbers_to(town: &mut Town, name: &str) -> Vec<u32> {
    let own = town.downstream(name);
    let sent: Vec<_> = town.media.data.drain(..).collect();
    let number = |(to, channel, payload): (_, _, bytes::Bytes)| {
        assert_eq!((to, channel), (own, DataChannel::Reliable));
        DataPacket::decode(payload).unwrap().sequence
    };
    sent.into_iter().map(number).collect()
}

#[test]
fn reliable_packets_that_a_client_has_not_had_are_sent_again_in_order_and_to_it_alone() {
    for form in FORMS {
        let mut town = meeting(form, &["alice", "bob", "carol"]);
        open_channels(&mut town, &["alice", "bob", "carol"]);
        for (sequence, to) in [(1, &[][..]), (2, &["alice"]), (3, &["carol"]), (4, &[])] {
            send(&mut town, "bob", reliable(sequence, to));
        }
        send(&mut town, "carol", reliable(1, &[]));
        town.close_socket("alice");
        town.media.data.clear();
        let sync = SyncState {
            datachannel_receive_states: vec![state(&town, "bob", 1), state(&town, "carol", 1)],
            ..SyncState::default()
        };
        town.browser("alice").sync = sync.clone();
        assert!(town.resume("alice"));
        for (_, _, payload) in &town.media.data {
            let packet = DataPacket::decode(payload.clone()).unwrap();
            assert_eq!(packet.participant_identity, "bob");
        }
        assert_eq!(numbers_to(&mut town, "alice"), [2, 4]);
        town.ask("alice", Ask::SyncState(sync));
        assert!(
            numbers_to(&mut town, "alice").is_empty(),
            "once for each time that she comes"
        );
        // And she is told how far she has come herself.
        send(&mut town, "alice", reliable(5, &[]));
        town.close_socket("alice");
        assert!(town.resume("alice"));
        assert_eq!(last!(town, "alice", Reconnect).unwrap().last_message_seq, 5);
        town.media.data.clear();
        send(&mut town, "alice", reliable(5, &[]));
        assert!(
            town.media.data.is_empty(),
            "what has come before is not passed on again"
        );
    }
}

#[test]
fn reliable_packets_of_somebody_who_has_left_meanwhile_are_sent_again_for_a_while() {
    for (waits, expected) in [
        (Duration::ZERO, &[2, 3][..]),
        (KEPT_DATA_WAIT + Duration::from_millis(1), &[]),
    ] {
        let mut town = meeting(Browser::new, &["alice", "bob", "carol"]);
        open_channels(&mut town, &["alice", "bob", "carol"]);
        let state = state(&town, "bob", 1);
        for (sequence, to) in [(1, &[][..]), (2, &["alice"]), (3, &[]), (4, &["carol"])] {
            send(&mut town, "bob", reliable(sequence, to));
        }
        town.close_socket("alice");
        town.ask("bob", Ask::Leave(LeaveRequest::default()));
        town.pass(waits);
        town.media.data.clear();
        town.browser("alice").sync.datachannel_receive_states = vec![state.clone()];
        assert!(town.resume("alice"));
        assert_eq!(numbers_to(&mut town, "alice"), expected);
        // She was there, and it was for others, or she says nothing of him.
        town.close_socket("carol");
        assert!(town.resume("carol"));
        assert!(town.media.data.is_empty());
    }
}

#[test]
fn whatever_a_client_says_that_it_has_missed_it_gets_nothing_from_before_its_time_and_of_each_sender_once() {
    let mut town = meeting(Browser::new, &["bob", "carol"]);
    open_channels(&mut town, &["bob", "carol"]);
    send(&mut town, "bob", reliable(1, &[]));
    town.join("alice");
    open_channels(&mut town, &["alice"]);
    send(&mut town, "bob", reliable(2, &[]));
    send(&mut town, "alice", reliable(1, &[]));
    town.media.data.clear();
    let states = ["bob", "carol", "alice", "bob", "bob"].map(|name| state(&town, name, 0));
    town.browser("alice").sync.datachannel_receive_states = states.to_vec();
    assert!(town.resume("alice"));
    assert_eq!(numbers_to(&mut town, "alice"), [2]);
}

#[test]
fn of_many_senders_one_resume_gets_no_more_than_is_sent_again() {
    let names: Vec<String> = (0..15).map(|number| format!("sender {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut town = Town::default();
    town.join("alice");
    open_channels(&mut town, &["alice"]);
    for name in &names {
        town.join(name);
        for sequence in 1..=10 {
            let mut packet = DataPacket::decode(&*reliable(sequence, &["alice"])).unwrap();
            if let Some(data_packet::Value::User(user)) = &mut packet.value {
                user.payload = vec![7; 9_500];
            }
            send(&mut town, name, packet.encode_to_vec());
        }
    }
    town.media.data.clear();
    let states: Vec<_> = names.iter().map(|name| state(&town, name, 0)).collect();
    town.browser("alice").sync.datachannel_receive_states = states;
    assert!(town.resume("alice"));
    let bytes: usize = town.media.data.iter().map(|(.., payload)| payload.len()).sum();
    assert!(
        bytes <= RESENT_DATA_BYTES_MAX && bytes > RESENT_DATA_BYTES_MAX - 20_000,
        "{bytes}"
    );
    assert_eq!(
        numbers_to(&mut town, "alice")[..20],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].repeat(2)[..]
    );
}

#[test]
fn who_stopped_to_speak_and_what_is_paused_is_told_again() {
    let mut town = meeting(Browser::new, &["alice", "bob"]);
    let tracks = town.people["bob"].known[&town.people["bob"].sid].tracks.clone();
    let (microphone, camera) = (
        town.track("bob", &tracks[0].sid),
        town.track("bob", &tracks[1].sid),
    );
    let connection = town.connection("alice");
    let paused = |is_paused| MediaEvent::StreamState {
        connection,
        track: camera,
        is_paused,
    };
    town.event(paused(true));
    town.event(MediaEvent::AudioLevel {
        track: microphone,
        level: 0.7,
    });
    town.pass(Duration::from_secs(1));
    town.browser("alice").is_dead = true;
    town.event(paused(false));
    town.event(MediaEvent::AudioLevel {
        track: microphone,
        level: 0.0,
    });
    town.pass(Duration::from_secs(1));
    let before = place(&town, "alice");
    assert!(town.resume("alice"));
    let got = since(&town, "alice", before);
    let states: Vec<&StreamStateUpdate> = got
        .iter()
        .filter_map(|message| match message {
            Message::StreamStateUpdate(update) => Some(update),
            _ => None,
        })
        .collect();
    assert_eq!(states.len(), 1);
    let [state] = &states[0].stream_states[..] else {
        panic!()
    };
    assert_eq!(
        (&state.track_sid, state.state()),
        (&tracks[1].sid, livekit_protocol::StreamState::Active)
    );
    let told = last!(town, "alice", SpeakersChanged).unwrap();
    let bob = told
        .speakers
        .iter()
        .find(|speaker| speaker.sid == town.people["bob"].sid);
    assert!(!bob.unwrap().active);
}

#[test]
fn hidden_ones_stay_hidden_from_whoever_comes_again_and_come_again_themselves() {
    let mut town = meeting(Browser::new, &["alice"]);
    let mut hidden = claims("ghost");
    hidden.video.hidden = true;
    town.join_as("ghost", hidden, Browser::new("ghost")).unwrap();
    let ghost = town.people["ghost"].sid.clone();
    for name in ["alice", "ghost"] {
        town.close_socket(name);
        assert!(town.resume(name));
    }
    assert!(!format!("{:?}", town.people["alice"].inbox).contains(&ghost));
    assert_eq!(town.people["ghost"].known.len(), 2, "itself and alice");
}
