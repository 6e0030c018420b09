//! The older form of the protocol: two peer connections, and the server offers on the one by which people receive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod common;

use common::{Browser, Town, change_rights, claims};
use hanse_sfu_core::command::{ConnectionEnd, DataChannel, MediaCommand, MediaEvent};
use hanse_sfu_signal::SfuEvent;
use livekit_protocol::leave_request::Action;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::{
    ClientInfo, DataPacket, DisconnectReason, MuteTrackRequest, ParticipantPermission, SessionDescription,
    SignalTarget, SubscriptionError, TrackSource, TrackType, UpdateSubscription, UpdateTrackSettings,
    UserPacket, data_packet,
};
use prost::Message as _;
use std::time::Duration;

const BOTH: [TrackSource; 2] = [TrackSource::Camera, TrackSource::Microphone];

/// Longer than offers are held back.
const MOMENT: Duration = Duration::from_millis(500);

fn join(town: &mut Town, name: &str) {
    join_as(town, name, |_| {});
}

fn join_as(town: &mut Town, name: &str, change: impl FnOnce(&mut Browser)) {
    let mut browser = Browser::dual(name);
    change(&mut browser);
    town.join_as(name, claims(name), browser).unwrap();
}

fn publish_both(town: &mut Town, name: &str) {
    BOTH.into_iter()
        .for_each(|source| drop(town.publish(name, source)));
}

fn assert_received(town: &Town, name: &str, other: &str) {
    for source in BOTH {
        assert!(
            town.hears(name, other, source),
            "{name} does not get {source:?} of {other}"
        );
    }
}

fn state(town: &Town, name: &str) -> State {
    let browser = &town.people[name];
    browser.known[&browser.sid].state()
}

fn subscription(track_sid: &str, subscribe: bool) -> Ask {
    Ask::Subscription(UpdateSubscription {
        track_sids: vec![track_sid.into()],
        subscribe,
        ..Default::default()
    })
}

#[test]
fn a_newcomer_is_offered_what_there_is_at_once_and_is_told_so() {
    let mut town = Town::default();
    join(&mut town, "alice");
    publish_both(&mut town, "alice");
    join(&mut town, "bob");
    let response = last!(town, "bob", Join).unwrap();
    assert!(response.subscriber_primary && response.fast_publish);
    // No time has passed.
    assert_received(&town, "bob", "alice");
    assert_eq!(town.people["bob"].second.as_ref().unwrap().offers.len(), 1);
    assert_eq!(count!(town, "bob", MediaSectionsRequirement), 0);
    let trickle = last!(town, "bob", Trickle).unwrap();
    assert!(trickle.r#final);
    let targets: Vec<SignalTarget> = town.people["bob"]
        .inbox
        .iter()
        .filter_map(|message| match message {
            livekit_protocol::signal_response::Message::Trickle(trickle) => Some(trickle.target()),
            _ => None,
        })
        .collect();
    assert_eq!(
        targets
            .iter()
            .filter(|target| **target == SignalTarget::Publisher)
            .count(),
        3
    );
    assert_eq!(
        targets
            .iter()
            .filter(|target| **target == SignalTarget::Subscriber)
            .count(),
        3
    );
    assert!(town.people["alice"].heard().is_empty());
}

#[test]
fn people_of_both_forms_hear_and_see_each_other() {
    let mut town = Town::default();
    join(&mut town, "alice");
    town.join("bob");
    join(&mut town, "carol");
    town.join("dave");
    let all = ["alice", "bob", "carol", "dave"];
    all.into_iter().for_each(|name| publish_both(&mut town, name));
    town.pass(MOMENT);
    for name in all {
        for other in all.into_iter().filter(|other| *other != name) {
            assert_received(&town, name, other);
        }
        let own = town.people[name].sid.clone();
        assert!(
            town.people[name]
                .heard()
                .iter()
                .all(|heard| heard.publisher_sid != own)
        );
    }
    town.leave("alice");
    town.leave("bob");
    town.pass(MOMENT);
    for (name, other) in [("carol", "dave"), ("dave", "carol")] {
        assert_received(&town, name, other);
        assert_eq!(
            town.people[name].heard().len(),
            2,
            "who has left is not heard any more"
        );
    }
}

#[test]
fn the_connection_that_the_client_waits_for_makes_it_active() {
    let mut town = Town::unconnected();
    join(&mut town, "alice");
    assert_eq!(state(&town, "alice"), State::Joined);
    town.event(MediaEvent::Connected {
        connection: town.connection("alice"),
    });
    assert_eq!(state(&town, "alice"), State::Joined);
    town.event(MediaEvent::Connected {
        connection: town.downstream("alice"),
    });
    assert_eq!(state(&town, "alice"), State::Active);

    let mut claims = claims("bob");
    claims.video.can_subscribe = Some(false);
    town.join_as("bob", claims, Browser::dual("bob")).unwrap();
    assert!(!last!(town, "bob", Join).unwrap().subscriber_primary);
    assert!(town.people["bob"].second.as_ref().unwrap().offers.is_empty());
    town.event(MediaEvent::Connected {
        connection: town.connection("bob"),
    });
    assert_eq!(state(&town, "bob"), State::Active);
}

#[test]
fn an_old_client_waits_for_the_connection_by_which_it_publishes() {
    let mut town = Town::unconnected();
    join_as(&mut town, "alice", |browser| browser.protocol = 2);
    assert!(!last!(town, "alice", Join).unwrap().subscriber_primary);
    town.event(MediaEvent::Connected {
        connection: town.connection("alice"),
    });
    assert_eq!(state(&town, "alice"), State::Active);
    // It receives all the same.
    town.join("bob");
    publish_both(&mut town, "bob");
    town.pass(MOMENT);
    assert_received(&town, "alice", "bob");
}

#[test]
fn the_end_of_either_connection_ends_the_session_and_both_connections() {
    for ends_second in [false, true] {
        let mut town = Town::default();
        join(&mut town, "alice");
        town.join("bob");
        publish_both(&mut town, "alice");
        let ended = if ends_second {
            town.downstream("alice")
        } else {
            town.connection("alice")
        };
        town.media.forget(ended);
        town.event(MediaEvent::Ended {
            connection: ended,
            end: ConnectionEnd::IceTimeout,
        });
        assert_eq!(last!(town, "alice", Leave).unwrap().action(), Action::Reconnect);
        assert!(town.people["alice"].is_closed && !town.people["bob"].is_closed);
        assert_eq!(town.media.connections(), 1, "only bob's is left");
        assert!(town.people["bob"].heard().is_empty());
    }
}

#[test]
fn who_never_connects_is_removed_and_whoever_answers_nothing_too() {
    let mut town = Town::unconnected();
    join_as(&mut town, "mute", |browser| browser.second().is_slow = true);
    town.pass(Duration::from_secs(59));
    assert!(!town.people["mute"].is_closed);
    town.pass(Duration::from_secs(2));
    assert_eq!(
        last!(town, "mute", Leave).unwrap().reason(),
        DisconnectReason::JoinFailure
    );
    assert_eq!(town.media.connections(), 0);
    assert!(
        town.events
            .iter()
            .any(|event| matches!(event, SfuEvent::ParticipantConnectionAborted { .. }))
    );
}

#[test]
fn an_offer_that_is_never_answered_makes_an_active_client_come_again() {
    let mut town = Town::default();
    join(&mut town, "alice");
    town.join("bob");
    town.browser("alice").second().is_slow = true;
    publish_both(&mut town, "bob");
    town.pass(Duration::from_secs(15));
    assert!(!town.people["alice"].is_closed);
    town.pass(Duration::from_secs(1));
    let leave = last!(town, "alice", Leave).unwrap();
    assert_eq!(
        (leave.reason(), leave.action()),
        (DisconnectReason::StateMismatch, Action::Reconnect)
    );
    assert!(!town.people["bob"].is_closed);
}

#[test]
fn nothing_goes_out_before_its_answer_and_changes_meanwhile_go_into_the_next_offer() {
    let mut town = Town::default();
    join(&mut town, "alice");
    town.join("bob");
    town.browser("alice").second().is_slow = true;
    let camera = town.publish("bob", TrackSource::Camera);
    town.pass(MOMENT);
    let microphone = town.publish("bob", TrackSource::Microphone);
    town.publish("bob", TrackSource::ScreenShare);
    town.unpublish("bob", &microphone);
    town.pass(MOMENT);
    // The model of the browser refuses a second offer while one is out.
    assert_eq!(town.people["alice"].second.as_ref().unwrap().offers.len(), 2);
    assert!(town.media.down.is_empty());
    town.ask("alice", subscription(&camera, false));
    town.browser("alice").answer();
    town.settle();
    assert!(
        town.media.down.is_empty(),
        "what is not wanted any more is not sent, though it is answered"
    );
    town.pass(MOMENT);
    town.browser("alice").answer();
    town.settle();
    assert!(town.hears("alice", "bob", TrackSource::ScreenShare));
    assert!(
        !town.hears("alice", "bob", TrackSource::Camera)
            && !town.hears("alice", "bob", TrackSource::Microphone)
    );
    assert_eq!(town.media.down.len(), 1);
}

#[test]
fn changes_that_come_together_go_out_together() {
    let mut town = Town::default();
    join(&mut town, "alice");
    for name in ["bob", "carol", "dave"] {
        town.join(name);
    }
    town.pass(MOMENT);
    let before = count!(town, "alice", Offer);
    publish_both(&mut town, "bob");
    town.pass(Duration::from_millis(20));
    assert_eq!(count!(town, "alice", Offer), before + 1, "soon when it was quiet");
    for name in ["carol", "dave"] {
        publish_both(&mut town, name);
        town.pass(Duration::from_millis(20));
    }
    assert_eq!(count!(town, "alice", Offer), before + 1);
    town.pass(Duration::from_millis(150));
    assert_eq!(
        count!(town, "alice", Offer),
        before + 2,
        "and together when it was not"
    );
    for name in ["bob", "carol", "dave"] {
        assert_received(&town, "alice", name);
    }
    town.pass(Duration::from_secs(60));
    assert_eq!(
        count!(town, "alice", Offer),
        before + 2,
        "there is nothing more to say"
    );
}

#[test]
fn fifty_joins_and_leaves_of_one_keep_every_subscription_and_few_sections() {
    let mut town = Town::default();
    join(&mut town, "alice");
    town.join("bob");
    for name in ["alice", "bob"] {
        publish_both(&mut town, name);
    }
    for round in 0..50 {
        let carol = format!("carol {round}");
        let browser = if round % 2 == 0 {
            Browser::dual("carol")
        } else {
            Browser::new("carol")
        };
        town.join_as(&carol, claims("carol"), browser).unwrap();
        publish_both(&mut town, &carol);
        town.pass(MOMENT);
        for (name, other) in [
            ("alice", "bob"),
            ("bob", "alice"),
            (&*carol, "alice"),
            (&*carol, "bob"),
        ] {
            assert_received(&town, name, other);
        }
        assert_received(&town, "alice", &carol);
        assert_received(&town, "bob", &carol);
        match round % 3 {
            0 => town.leave(&carol),
            1 => town.close_socket(&carol),
            _ => {}
        }
        assert_received(&town, "alice", "bob");
        town.pass(Duration::from_millis(700));
    }
    let sections = town.people["alice"].second.as_ref().unwrap().sections.len();
    assert!(sections <= 9, "sections are used again: {sections}");
}

#[test]
fn safari_gets_a_new_section_for_every_track() {
    let mut town = Town::default();
    join_as(&mut town, "alice", |browser| browser.name = ("Safari", "macOS"));
    town.join("bob");
    for _ in 0..3 {
        let sid = town.publish("bob", TrackSource::Camera);
        town.pass(MOMENT);
        assert!(town.hears("alice", "bob", TrackSource::Camera));
        town.unpublish("bob", &sid);
        town.pass(MOMENT);
    }
    assert_eq!(town.people["alice"].second.as_ref().unwrap().sections.len(), 4);
}

#[test]
fn an_answer_with_id_0_fits_and_a_stale_one_changes_nothing() {
    let mut town = Town::default();
    join_as(&mut town, "alice", |browser| browser.second().says_zero = true);
    town.join("bob");
    publish_both(&mut town, "bob");
    town.pass(MOMENT);
    assert_received(&town, "alice", "bob");
    town.browser("alice").second().is_slow = true;
    town.publish("bob", TrackSource::ScreenShare);
    town.pass(MOMENT);
    let stale = SessionDescription {
        r#type: "answer".into(),
        sdp: "v=0".into(),
        id: 1_000,
        ..Default::default()
    };
    town.ask("alice", Ask::Answer(stale.clone()));
    assert!(!town.people["alice"].is_closed && !town.hears("alice", "bob", TrackSource::ScreenShare));
    town.browser("alice").answer();
    town.settle();
    assert!(town.hears("alice", "bob", TrackSource::ScreenShare));
    // And one that nothing was offered for, and one of somebody who is never offered anything.
    town.ask(
        "alice",
        Ask::Answer(SessionDescription {
            id: 0,
            ..stale.clone()
        }),
    );
    town.ask("bob", Ask::Answer(stale));
    assert!(!town.people["alice"].is_closed && !town.people["bob"].is_closed);
}

#[test]
fn a_codec_that_the_client_refuses_is_told_and_the_rest_goes_on() {
    let mut town = Town::default();
    join_as(&mut town, "alice", |browser| {
        browser.second().lacks = ["VP8".to_owned()].into()
    });
    town.join("bob");
    let camera = town.publish("bob", TrackSource::Camera);
    town.publish("bob", TrackSource::Microphone);
    town.pass(MOMENT);
    let refusal = last!(town, "alice", SubscriptionResponse).unwrap();
    assert_eq!(
        (refusal.track_sid.as_str(), refusal.err()),
        (camera.as_str(), SubscriptionError::SeCodecUnsupported)
    );
    assert!(town.hears("alice", "bob", TrackSource::Microphone));
    assert!(!town.hears("alice", "bob", TrackSource::Camera));
    town.pass(Duration::from_secs(60));
    let offers = count!(town, "alice", Offer);
    // It has learned to.
    town.browser("alice").second().lacks.clear();
    town.ask("alice", subscription(&camera, true));
    town.pass(MOMENT);
    assert!(town.hears("alice", "bob", TrackSource::Camera));
    assert_eq!(count!(town, "alice", Offer), offers + 1);
}

#[test]
fn an_answer_that_cannot_be_used_makes_the_client_come_again_and_disturbs_nobody() {
    type Change = fn(&str) -> String;
    let changes: [(&str, Change); 9] = [
        ("noise", |_| "noise".into()),
        ("no sections", |sdp| sdp.split("m=").next().unwrap().into()),
        ("a section less", |sdp| sdp[..sdp.rfind("m=").unwrap()].into()),
        ("a section more", |sdp| {
            format!("{sdp}{}", &sdp[sdp.rfind("m=").unwrap()..])
        }),
        ("mids exchanged", |sdp| sdp.replace("a=mid:1", "a=mid:x")),
        ("all refused", |sdp| {
            sdp.replace("n 9 ", "n 0 ").replace("o 9 ", "o 0 ")
        }),
        ("we the DTLS client", |sdp| {
            sdp.replace("setup:active", "setup:passive")
        }),
        ("no fingerprint", |sdp| sdp.replace("sha-256", "sha-1")),
        ("no ICE", |sdp| sdp.replace("a=ice-pwd:", "a=ice-pwd:!")),
    ];
    for (what, change) in changes {
        let mut town = Town::default();
        town.join("bob");
        publish_both(&mut town, "bob");
        join_as(&mut town, "mallory", |browser| browser.second().is_slow = true);
        town.join("carol");
        let browser = town.browser("mallory");
        browser.answer();
        let Some(Ask::Answer(answer)) = browser.outbox.last_mut() else {
            panic!()
        };
        answer.sdp = change(&answer.sdp);
        town.settle();
        let leave = last!(town, "mallory", Leave).expect(what);
        assert_eq!(
            (leave.reason(), leave.action()),
            (DisconnectReason::StateMismatch, Action::Reconnect),
            "{what}"
        );
        assert_received(&town, "carol", "bob");
        assert_eq!(town.media.connections(), 2, "{what}");
    }
}

#[test]
fn an_answer_that_changes_its_transport_ends_the_session() {
    let mut town = Town::default();
    join(&mut town, "alice");
    town.join("bob");
    town.browser("alice").ufrag = "another".into();
    publish_both(&mut town, "bob");
    town.pass(MOMENT);
    assert_eq!(last!(town, "alice", Leave).unwrap().action(), Action::Reconnect);
}

#[test]
fn a_track_goes_out_with_the_numbers_that_the_client_agreed_to() {
    let mut town = Town::default();
    join_as(&mut town, "alice", |browser| {
        browser.second().lacks = ["rtx".to_owned()].into()
    });
    town.join("bob");
    publish_both(&mut town, "bob");
    town.pass(MOMENT);
    assert_received(&town, "alice", "bob");
    let connection = town.downstream("alice");
    let opened = town.commands().iter().any(|command| {
        matches!(command, MediaCommand::OpenConnection { connection: own, remote, .. }
            if *own == connection && remote.ufrag == "ufalice2")
    });
    assert!(opened);
    for down in town.media.down.values() {
        assert_eq!(down.connection, connection);
        assert_eq!((down.plan.rtx_ssrc, down.plan.rtx_payload_type), (None, None));
        assert_eq!(down.plan.extensions.mid, Some(1));
        assert_eq!(down.plan.extensions.rid, None);
    }
}

#[test]
fn pictures_are_numbered_for_those_who_agreed_to_tell_what_arrives_and_for_nobody_else() {
    let mut town = Town::default();
    join(&mut town, "alice");
    join_as(&mut town, "carol", |browser| {
        browser.second().lacks = ["transport-cc".to_owned()].into();
    });
    town.join("bob");
    publish_both(&mut town, "bob");
    town.pass(MOMENT);
    for (name, transport_cc) in [("alice", Some(4)), ("carol", None)] {
        assert_received(&town, name, "bob");
        let connection = town.downstream(name);
        let of_hers = town
            .media
            .down
            .values()
            .filter(|down| down.connection == connection);
        let (pictures, sound): (Vec<_>, Vec<_>) = of_hers.partition(|down| down.plan.codec.is_video());
        assert_eq!((pictures.len(), sound.len()), (1, 1));
        assert_eq!(pictures[0].plan.extensions.transport_cc, transport_cc, "{name}");
        assert_eq!(pictures[0].plan.is_measured(), transport_cc.is_some());
        assert_eq!(
            pictures[0].plan.extensions.abs_send_time,
            Some(2),
            "for the client's own estimate"
        );
        assert_eq!(sound[0].plan.extensions.transport_cc, None, "{name}");
    }
}

#[test]
fn rights_settings_and_mutes_work_as_in_the_newer_form() {
    let mut town = Town::default();
    join(&mut town, "alice");
    join(&mut town, "bob");
    let camera = town.publish("bob", TrackSource::Camera);
    town.pass(MOMENT);
    let track = town.track("bob", &camera);
    let connection = town.downstream("alice");
    town.ask(
        "alice",
        Ask::TrackSetting(UpdateTrackSettings {
            track_sids: vec![camera.clone()],
            disabled: true,
            ..Default::default()
        }),
    );
    town.pass(MOMENT);
    assert!(!town.media.want(connection, track).unwrap().enabled);
    town.ask(
        "bob",
        Ask::Mute(MuteTrackRequest {
            sid: camera.clone(),
            muted: true,
        }),
    );
    let info = town.people["alice"].known[&town.people["bob"].sid].clone();
    assert!(info.tracks[0].muted && town.hears("alice", "bob", TrackSource::Camera));
    let silent = ParticipantPermission {
        can_subscribe: false,
        can_publish: true,
        ..Default::default()
    };
    town.command(change_rights("alice", silent.clone())).unwrap();
    town.pass(MOMENT);
    assert!(!town.hears("alice", "bob", TrackSource::Camera) && town.media.down.is_empty());
    town.command(change_rights(
        "alice",
        ParticipantPermission {
            can_subscribe: true,
            ..silent
        },
    ))
    .unwrap();
    town.pass(MOMENT);
    assert!(town.hears("alice", "bob", TrackSource::Camera));
}

#[test]
fn who_may_not_subscribe_at_first_is_offered_when_it_may() {
    let mut town = Town::default();
    town.join("bob");
    publish_both(&mut town, "bob");
    let mut claims = claims("alice");
    claims.video.can_subscribe = Some(false);
    town.join_as("alice", claims, Browser::dual("alice")).unwrap();
    town.pass(MOMENT);
    assert!(town.people["alice"].second.as_ref().unwrap().offers.is_empty());
    let all = ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        ..Default::default()
    };
    town.command(change_rights("alice", all)).unwrap();
    town.pass(MOMENT);
    assert_received(&town, "alice", "bob");
}

#[test]
fn a_client_whose_socket_is_gone_is_offered_nothing_and_stays() {
    let mut town = Town::default();
    join(&mut town, "alice");
    town.join("bob");
    publish_both(&mut town, "alice");
    town.close_socket("alice");
    let offers = count!(town, "alice", Offer);
    publish_both(&mut town, "bob");
    town.pass(Duration::from_secs(120));
    assert_eq!(count!(town, "alice", Offer), offers);
    assert_received(&town, "bob", "alice");
}

#[test]
fn a_publisher_may_offer_sections_to_receive_on_and_gets_nothing_there() {
    let mut town = Town::default();
    join(&mut town, "alice");
    town.join("bob");
    publish_both(&mut town, "bob");
    town.browser("alice").add_slots(TrackType::Audio, 3);
    town.browser("alice").offer();
    town.pass(MOMENT);
    assert_received(&town, "alice", "bob");
    let own = town.connection("alice");
    assert!(town.media.down.values().all(|down| down.connection != own));
}

#[test]
fn data_comes_by_the_one_connection_and_goes_by_the_other() {
    let mut town = Town::default();
    join(&mut town, "alice");
    town.join("bob");
    let (up, down, other) = (
        town.connection("alice"),
        town.downstream("alice"),
        town.connection("bob"),
    );
    let opened = town.commands().iter().filter_map(|command| match command {
        MediaCommand::OpenDataChannels { connection } => Some(*connection),
        _ => None,
    });
    assert_eq!(
        opened.collect::<Vec<_>>(),
        [down],
        "where we offer; bob opens his own"
    );
    let channel = DataChannel::Reliable;
    for connection in [up, down, other] {
        town.media.channels.insert((connection, channel));
        town.event(MediaEvent::DataChannelOpen { connection, channel });
    }
    let packet = DataPacket {
        value: Some(data_packet::Value::User(UserPacket {
            payload: b"hello".to_vec(),
            ..Default::default()
        })),
        ..Default::default()
    };
    for (connection, receiver) in [(other, down), (up, other)] {
        town.event(MediaEvent::Data {
            connection,
            channel,
            payload: packet.encode_to_vec().into(),
        });
        let to: Vec<_> = std::mem::take(&mut town.media.data)
            .into_iter()
            .map(|(to, ..)| to)
            .collect();
        assert_eq!(to, [receiver]);
    }
}

#[test]
fn a_channel_on_the_connection_that_brings_data_carries_none_away() {
    for (is_primary, name) in [(true, "alice"), (false, "carol")] {
        let mut town = Town::default();
        let mut claims = claims(name);
        claims.video.can_subscribe = Some(is_primary);
        town.join_as(name, claims, Browser::dual(name)).unwrap();
        town.join("bob");
        // Whoever may subscribe waits for the connection on which we offer, and everybody else for its own.
        let (mut right, mut wrong) = (town.downstream(name), town.connection(name));
        if !is_primary {
            (right, wrong) = (wrong, right);
        }
        let other = town.connection("bob");
        let open = |town: &mut Town, connection| {
            for channel in [DataChannel::Reliable, DataChannel::Lossy, DataChannel::Foreign] {
                town.media.channels.insert((connection, channel));
                town.event(MediaEvent::DataChannelOpen { connection, channel });
            }
        };
        let send = |town: &mut Town, channel, text: &[u8]| {
            let user = UserPacket {
                payload: text.to_vec(),
                ..Default::default()
            };
            let packet = DataPacket {
                value: Some(data_packet::Value::User(user)),
                ..Default::default()
            };
            let payload = packet.encode_to_vec().into();
            town.event(MediaEvent::Data {
                connection: other,
                channel,
                payload,
            });
        };
        open(&mut town, wrong);
        send(&mut town, DataChannel::Reliable, b"hello");
        send(&mut town, DataChannel::Lossy, b"now or never");
        assert!(town.media.data.is_empty(), "{name}: nothing goes there");
        open(&mut town, right);
        let to = |town: &mut Town| -> Vec<_> {
            let sent = std::mem::take(&mut town.media.data).into_iter();
            sent.map(|(to, channel, _)| (to, channel)).collect()
        };
        assert_eq!(
            to(&mut town),
            [(right, DataChannel::Reliable)],
            "{name}: what is kept has waited for the right one"
        );
        send(&mut town, DataChannel::Lossy, b"again");
        assert_eq!(to(&mut town), [(right, DataChannel::Lossy)], "{name}");
    }
}

#[test]
fn pion_is_told_that_we_are_the_server_and_may_say_so_itself() {
    let mut town = Town::default();
    join_as(&mut town, "gopher", |browser| {
        browser.client = ClientInfo {
            sdk: livekit_protocol::client_info::Sdk::Go.into(),
            ..Default::default()
        };
        browser.second().is_slow = true;
        browser.second().setup = "passive";
    });
    let browser = town.browser("gopher");
    browser.answer();
    let Some(Ask::Answer(answer)) = browser.outbox.last_mut() else {
        panic!()
    };
    answer.sdp = answer.sdp.replace("setup:active", "setup:passive");
    town.settle();
    assert!(!town.people["gopher"].is_closed);
    assert_eq!(state(&town, "gopher"), State::Active);
}
