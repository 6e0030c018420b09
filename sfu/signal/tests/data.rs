//! Data: who gets what somebody sends, who does not, and what it says about its sender.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    deprecated,
    reason = "tests may panic, and old clients use what is deprecated"
)]

mod common;

use bytes::Bytes;
use common::data::{decoded, open, open_all, packet, received, receivers, send, send_raw, to, town};
use common::{Browser, Town, change_rights, claims};
use hanse_sfu_core::command::{DataChannel, MediaEvent};
use livekit_protocol::data_packet::{Kind, Value};
use livekit_protocol::data_stream;
use livekit_protocol::participant_info;
use livekit_protocol::{
    ChatMessage, DataPacket, EncryptedPacket, MetricsBatch, RpcAck, RpcRequest, RpcResponse, SipDtmf,
    Transcription, UserPacket,
};

fn user(payload: &[u8]) -> DataPacket {
    packet(Value::User(UserPacket {
        payload: payload.to_vec(),
        ..UserPacket::default()
    }))
}

#[test]
fn a_message_reaches_everybody_else_by_the_channel_that_it_came_in_by() {
    let mut town = town(&["alice", "bob", "carol"]);
    for (channel, kind) in [
        (DataChannel::Reliable, Kind::Reliable),
        (DataChannel::Lossy, Kind::Lossy),
    ] {
        // What it says about itself is not believed.
        let lie = DataPacket {
            kind: Kind::Lossy.into(),
            participant_identity: "carol".into(),
            participant_sid: "PA_x".into(),
            ..user(b"hello")
        };
        send(&mut town, "alice", channel, &lie);
        let received = received(&mut town);
        assert_eq!(received.keys().collect::<Vec<_>>(), ["bob", "carol"]);
        for messages in received.values() {
            assert_eq!((messages.len(), messages[0].0), (1, channel));
            let packet = decoded(&messages[0]);
            let sid = &town.people["alice"].sid;
            assert_eq!(
                (&packet.participant_identity, &packet.participant_sid),
                (&"alice".to_owned(), sid)
            );
            assert_eq!(packet.kind(), kind);
            let Some(Value::User(user)) = packet.value else {
                panic!()
            };
            assert_eq!(
                (&user.participant_identity, &user.participant_sid),
                (&"alice".to_owned(), sid)
            );
            assert_eq!(user.payload, b"hello");
        }
    }
}

#[test]
fn a_message_for_some_reaches_them_only_and_never_its_sender_or_another_room() {
    let mut town = town(&["alice", "bob", "carol", "dave"]);
    town.join_with_claims("erin", |claims| claims.video.room = "elsewhere".into());
    open_all(&mut town, "erin");
    let by_identity = to(&["bob", "alice", "erin", "nobody", "bob"], user(b"1"));
    send(&mut town, "alice", DataChannel::Reliable, &by_identity);
    assert_eq!(receivers(&mut town), ["bob"]);
    // Clients of long ago say it inside the user's packet, by identity or by sid.
    let old = |identities: &[&str], sids: &[&str]| {
        packet(Value::User(UserPacket {
            payload: b"2".to_vec(),
            destination_identities: identities.iter().map(|it| (*it).to_owned()).collect(),
            destination_sids: sids.iter().map(|it| (*it).to_owned()).collect(),
            ..UserPacket::default()
        }))
    };
    send(&mut town, "alice", DataChannel::Lossy, &old(&["carol"], &[]));
    let received_by = received(&mut town);
    assert_eq!(received_by.keys().collect::<Vec<_>>(), ["carol"]);
    assert_eq!(
        decoded(&received_by["carol"][0]).destination_identities,
        ["carol"]
    );
    let carol = town.people["carol"].sid.clone();
    let alice = town.people["alice"].sid.clone();
    send(
        &mut town,
        "alice",
        DataChannel::Lossy,
        &old(&["dave"], &[&carol, &alice, "PA_x"]),
    );
    assert_eq!(receivers(&mut town), ["carol", "dave"]);
    send(&mut town, "alice", DataChannel::Lossy, &old(&["nobody"], &[]));
    send(&mut town, "alice", DataChannel::Lossy, &old(&[], &["PA_x"]));
    assert!(
        receivers(&mut town).is_empty(),
        "for nobody who is there is not for everybody"
    );
}

#[test]
fn without_the_right_to_publish_data_nothing_goes_out_and_a_change_counts_at_once() {
    let mut town = Town::default();
    town.join_with_claims("alice", |claims| claims.video.can_publish_data = Some(false));
    town.join("bob");
    open_all(&mut town, "alice");
    open_all(&mut town, "bob");
    for channel in [DataChannel::Reliable, DataChannel::Lossy, DataChannel::Foreign] {
        send(&mut town, "alice", channel, &user(b"no"));
    }
    assert!(receivers(&mut town).is_empty());
    send(&mut town, "bob", DataChannel::Lossy, &user(b"yes"));
    assert_eq!(receivers(&mut town), ["alice"], "it still receives");
    let mut rights = town.people["bob"].known[&town.people["bob"].sid]
        .permission
        .clone()
        .unwrap();
    rights.can_publish_data = false;
    town.command(change_rights("bob", rights.clone())).unwrap();
    send(&mut town, "bob", DataChannel::Lossy, &user(b"no"));
    assert!(receivers(&mut town).is_empty());
    rights.can_publish_data = true;
    town.command(change_rights("alice", rights)).unwrap();
    send(&mut town, "alice", DataChannel::Lossy, &user(b"now"));
    assert_eq!(receivers(&mut town), ["bob"]);
}

#[test]
fn whoever_may_not_subscribe_still_gets_data() {
    let mut town = town(&["alice"]);
    town.join_with_claims("bob", |claims| claims.video.can_subscribe = Some(false));
    open_all(&mut town, "bob");
    send(&mut town, "alice", DataChannel::Reliable, &user(b"x"));
    assert_eq!(receivers(&mut town), ["bob"]);
}

#[test]
fn a_hidden_sender_is_not_named() {
    let mut town = town(&["alice"]);
    town.join_with_claims("ghost", |claims| claims.video.hidden = true);
    open_all(&mut town, "ghost");
    send(&mut town, "ghost", DataChannel::Reliable, &user(b"boo"));
    let packet = decoded(&received(&mut town)["alice"][0]);
    assert_eq!(
        (&*packet.participant_identity, &*packet.participant_sid),
        ("", "")
    );
    let Some(Value::User(user)) = packet.value else {
        panic!()
    };
    assert_eq!((&*user.participant_identity, &*user.participant_sid), ("", ""));
    send(&mut town, "alice", DataChannel::Reliable, &self::user(b"who?"));
    assert_eq!(receivers(&mut town), ["ghost"], "it receives like everybody");
}

#[test]
fn every_kind_of_packet_passes_untouched_but_what_is_not_for_people_to_send() {
    let mut town = town(&["alice", "bob"]);
    let text = || "text".to_owned();
    let passed = [
        Value::ChatMessage(ChatMessage {
            id: text(),
            message: text(),
            ..Default::default()
        }),
        Value::StreamHeader(data_stream::Header {
            stream_id: text(),
            topic: text(),
            ..Default::default()
        }),
        Value::StreamChunk(data_stream::Chunk {
            stream_id: text(),
            content: vec![1; 15_000],
            ..Default::default()
        }),
        Value::StreamTrailer(data_stream::Trailer {
            stream_id: text(),
            ..Default::default()
        }),
        Value::RpcRequest(RpcRequest {
            id: text(),
            method: text(),
            payload: text(),
            ..Default::default()
        }),
        Value::RpcAck(RpcAck { request_id: text() }),
        Value::RpcResponse(RpcResponse {
            request_id: text(),
            ..Default::default()
        }),
        Value::SipDtmf(SipDtmf {
            code: 1,
            digit: "1".into(),
        }),
        Value::EncryptedPacket(EncryptedPacket {
            iv: vec![1; 12],
            key_index: 2,
            encrypted_value: vec![3; 100],
            ..Default::default()
        }),
    ];
    for value in passed {
        send(
            &mut town,
            "alice",
            DataChannel::Reliable,
            &to(&["bob"], packet(value.clone())),
        );
        let received = received(&mut town);
        let packet = decoded(&received["bob"][0]);
        assert_eq!(packet.value, Some(value));
        assert_eq!(packet.participant_identity, "alice");
    }
    for value in [
        Value::Speaker(Default::default()),
        Value::Metrics(MetricsBatch::default()),
        Value::Transcription(Transcription::default()),
    ] {
        send(&mut town, "alice", DataChannel::Reliable, &packet(value));
        assert!(receivers(&mut town).is_empty());
    }
    town.join_with_claims("agent", |claims| claims.kind = participant_info::Kind::Agent);
    send(
        &mut town,
        "agent",
        DataChannel::Reliable,
        &packet(Value::Transcription(Transcription::default())),
    );
    assert_eq!(receivers(&mut town), ["alice", "bob"]);
}

#[test]
fn garbage_and_what_is_too_large_is_dropped_and_ends_nobody() {
    let mut town = town(&["alice", "bob"]);
    for garbage in [&[][..], &[0xff; 30], &[0x12, 0x7f, 1]] {
        send_raw(&mut town, "alice", DataChannel::Reliable, garbage.to_vec());
        send_raw(&mut town, "alice", DataChannel::DataTrack, garbage.to_vec());
    }
    assert!(receivers(&mut town).into_iter().all(|name| name != "alice"));
    send(&mut town, "alice", DataChannel::Reliable, &user(&[1; 65_500]));
    assert!(
        receivers(&mut town).is_empty(),
        "with its sender's name it is too large"
    );
    send(&mut town, "alice", DataChannel::Reliable, &user(&[1; 64_000]));
    assert_eq!(receivers(&mut town), ["bob"]);
    assert!(!town.people["alice"].is_closed);
}

#[test]
fn a_reliable_packet_that_is_repeated_or_late_is_dropped_and_a_lossy_one_is_not() {
    let mut town = town(&["alice", "bob"]);
    let numbered = |sequence: u32| DataPacket {
        sequence,
        ..user(b"x")
    };
    let mut numbers = Vec::new();
    for sequence in [1, 2, 2, 1, 5, 4, 6] {
        send(&mut town, "alice", DataChannel::Reliable, &numbered(sequence));
        let received = received(&mut town);
        numbers.extend(received.values().flatten().map(|it| decoded(it).sequence));
    }
    assert_eq!(numbers, [1, 2, 5, 6]);
    // Others count for themselves, and who does not count is not counted.
    send(&mut town, "bob", DataChannel::Reliable, &numbered(1));
    assert_eq!(receivers(&mut town), ["alice"]);
    for _ in 0..2 {
        send(&mut town, "alice", DataChannel::Reliable, &numbered(0));
        send(&mut town, "alice", DataChannel::Lossy, &numbered(3));
    }
    assert_eq!(received(&mut town)["bob"].len(), 4);
}

#[test]
fn a_message_with_a_nonce_that_was_seen_is_dropped() {
    let mut town = town(&["alice", "bob"]);
    let with = |nonce: &[u8]| {
        packet(Value::User(UserPacket {
            nonce: nonce.to_vec(),
            ..UserPacket::default()
        }))
    };
    for nonce in [[1; 16], [1; 16], [2; 16]] {
        send(&mut town, "alice", DataChannel::Reliable, &with(&nonce));
    }
    assert_eq!(received(&mut town)["bob"].len(), 2);
    for _ in 0..2 {
        send(&mut town, "alice", DataChannel::Reliable, &with(&[]));
    }
    assert_eq!(received(&mut town)["bob"].len(), 2);
}

#[test]
fn what_is_reliable_waits_for_the_channel_of_a_newcomer_within_bounds_and_what_is_lossy_does_not() {
    let mut town = town(&["alice"]);
    town.join("bob");
    for number in 0..200_u8 {
        send(&mut town, "alice", DataChannel::Reliable, &user(&[number; 1000]));
        send(&mut town, "alice", DataChannel::Lossy, &user(&[number; 1000]));
    }
    assert!(receivers(&mut town).is_empty());
    open(&mut town, "bob", DataChannel::Lossy);
    assert!(receivers(&mut town).is_empty());
    open(&mut town, "bob", DataChannel::Reliable);
    let waited = &received(&mut town)["bob"];
    assert!((80..100).contains(&waited.len()), "{}", waited.len());
    for (number, message) in waited.iter().enumerate() {
        assert_eq!(message.0, DataChannel::Reliable);
        let Some(Value::User(user)) = decoded(message).value else {
            panic!()
        };
        assert_eq!(user.payload[0], number as u8, "in order, and the first ones");
    }
    send(&mut town, "alice", DataChannel::Reliable, &user(b"now"));
    assert_eq!(received(&mut town)["bob"].len(), 1);
}

#[test]
fn a_client_without_packets_is_understood_and_gets_the_bytes_alone() {
    let mut town = town(&["alice", "bob"]);
    town.join("plain");
    open(&mut town, "plain", DataChannel::Foreign);
    send_raw(&mut town, "plain", DataChannel::Foreign, &b"raw"[..]);
    let received_by = received(&mut town);
    assert_eq!(received_by.keys().collect::<Vec<_>>(), ["alice", "bob"]);
    let message = &received_by["bob"][0];
    let packet = decoded(message);
    assert_eq!(
        (message.0, &*packet.participant_identity),
        (DataChannel::Reliable, "plain")
    );
    assert!(matches!(packet.value, Some(Value::User(user)) if user.payload == b"raw"));
    send(&mut town, "alice", DataChannel::Lossy, &user(b"back"));
    let received_by = received(&mut town);
    assert_eq!(
        received_by["plain"],
        [(DataChannel::Foreign, Bytes::from_static(b"back"))]
    );
    send(
        &mut town,
        "alice",
        DataChannel::Reliable,
        &self::packet(Value::RpcAck(RpcAck::default())),
    );
    assert_eq!(receivers(&mut town), ["bob"], "what is not bytes is not for it");
}

#[test]
fn a_reader_that_takes_nothing_is_asked_to_come_again_and_the_others_stay() {
    let mut town = town(&["alice", "bob", "carol"]);
    let connection = town.connection("bob");
    town.event(MediaEvent::DataStalled { connection });
    let leave = last!(town, "bob", Leave).unwrap();
    assert_eq!(leave.action(), livekit_protocol::leave_request::Action::Reconnect);
    assert_eq!(leave.reason(), livekit_protocol::DisconnectReason::StateMismatch);
    assert!(town.people["bob"].is_closed);
    send(&mut town, "alice", DataChannel::Reliable, &user(b"x"));
    assert_eq!(receivers(&mut town), ["carol"]);
}

mod tracks {
    use super::*;
    use livekit_protocol::data_track_frame_encoding::Value as FrameEncoding;
    use livekit_protocol::encryption;
    use livekit_protocol::request_response::{Reason, Request};
    use livekit_protocol::signal_request::Message as Ask;
    use livekit_protocol::update_data_subscription::Update;
    use livekit_protocol::{
        DataTrackFrameEncoding, DataTrackInfo, PublishDataTrackRequest, SubscriptionPermission,
        TrackPermission, UnpublishDataTrackRequest, UpdateDataSubscription,
    };

    fn request(pub_handle: u32, name: &str) -> PublishDataTrackRequest {
        PublishDataTrackRequest {
            pub_handle,
            name: name.into(),
            encryption: encryption::Type::Gcm.into(),
            ..PublishDataTrackRequest::default()
        }
    }

    fn publish(town: &mut Town, name: &str, handle: u32, track: &str) -> DataTrackInfo {
        town.ask(name, Ask::PublishDataTrackRequest(request(handle, track)));
        let info = last!(town, name, PublishDataTrackResponse).unwrap().info.unwrap();
        assert_eq!((info.pub_handle, &*info.name), (handle, track));
        info
    }

    fn subscribe(town: &mut Town, name: &str, sid: &str, subscribe: bool) {
        let updates = vec![Update {
            track_sid: sid.into(),
            subscribe,
            ..Update::default()
        }];
        town.ask(
            name,
            Ask::UpdateDataSubscription(UpdateDataSubscription { updates }),
        );
    }

    /// The handle by which a person is to get a track.
    fn handle_of(town: &Town, name: &str, sid: &str) -> Option<u16> {
        let handles = last!(town, name, DataTrackSubscriberHandles)?.sub_handles;
        let (handle, _) = handles.into_iter().find(|(_, track)| track.track_sid == sid)?;
        Some(u16::try_from(handle).unwrap())
    }

    fn track_packet(handle: u16, content: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x18, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 3];
        packet[2..4].copy_from_slice(&handle.to_be_bytes());
        packet.extend(content);
        packet
    }

    fn reason(town: &Town, name: &str) -> Reason {
        last!(town, name, RequestResponse).unwrap().reason()
    }

    #[test]
    fn subscribers_get_the_packets_under_the_handle_that_they_were_told_and_nobody_else_does() {
        let mut town = town(&["alice", "bob", "carol", "dave"]);
        let first = publish(&mut town, "alice", 7, "position");
        let second = publish(&mut town, "bob", 7, "position");
        assert_ne!(first.sid, second.sid);
        for name in ["bob", "carol"] {
            let alice = town.people["alice"].sid.clone();
            assert_eq!(
                town.people[name].known[&alice].data_tracks,
                std::slice::from_ref(&first),
                "everybody is told of it"
            );
        }
        subscribe(&mut town, "carol", &first.sid, true);
        subscribe(&mut town, "carol", &second.sid, true);
        subscribe(&mut town, "dave", &second.sid, true);
        let handles = last!(town, "carol", DataTrackSubscriberHandles)
            .unwrap()
            .sub_handles;
        assert_eq!(handles.len(), 2, "two tracks never share a handle");
        let mine = handle_of(&town, "carol", &first.sid).unwrap();
        let told = &handles[&mine.into()];
        assert_eq!(
            (&*told.publisher_identity, &told.publisher_sid),
            ("alice", &town.people["alice"].sid)
        );
        send_raw(
            &mut town,
            "alice",
            DataChannel::DataTrack,
            track_packet(7, b"here"),
        );
        let received_by = received(&mut town);
        assert_eq!(received_by.keys().collect::<Vec<_>>(), ["carol"]);
        assert_eq!(
            received_by["carol"],
            [(DataChannel::DataTrack, track_packet(mine, b"here").into())]
        );
        send_raw(
            &mut town,
            "bob",
            DataChannel::DataTrack,
            track_packet(7, b"there"),
        );
        assert_eq!(receivers(&mut town), ["carol", "dave"]);
        // A handle of nobody's track, somebody else's channel, and garbage.
        send_raw(&mut town, "alice", DataChannel::DataTrack, track_packet(8, b"x"));
        send_raw(&mut town, "dave", DataChannel::DataTrack, track_packet(7, b"x"));
        send_raw(
            &mut town,
            "alice",
            DataChannel::DataTrack,
            track_packet(7, b"")[..11].to_vec(),
        );
        assert!(receivers(&mut town).is_empty());
        // Extensions that are as long as they say, or cut.
        for (content, arrives) in [(&[0, 0, 1, 1][..], 1), (&[0, 1, 1, 1, 1, 1, 1], 0), (&[0], 0)] {
            let mut packet = track_packet(7, content);
            packet[0] |= 4;
            send_raw(&mut town, "alice", DataChannel::DataTrack, packet);
            assert_eq!(receivers(&mut town).len(), arrives, "{content:?}");
        }
        subscribe(&mut town, "carol", &first.sid, false);
        assert_eq!(handle_of(&town, "carol", &first.sid), None);
        send_raw(&mut town, "alice", DataChannel::DataTrack, track_packet(7, b"x"));
        assert!(receivers(&mut town).is_empty());
    }

    #[test]
    fn a_request_that_is_wrong_is_answered_with_what_is_wrong() {
        let mut town = town(&["alice"]);
        publish(&mut town, "alice", 1, "one");
        let custom = |name: &str| PublishDataTrackRequest {
            frame_encoding: Some(DataTrackFrameEncoding {
                value: Some(FrameEncoding::Custom(name.into())),
            }),
            ..request(2, "two")
        };
        for (wrong, expected) in [
            (request(0, "two"), Reason::InvalidHandle),
            (request(65_536, "two"), Reason::InvalidHandle),
            (request(2, ""), Reason::InvalidName),
            (request(2, &"n".repeat(257)), Reason::InvalidName),
            (request(1, "two"), Reason::DuplicateHandle),
            (request(2, "one"), Reason::DuplicateName),
            (custom(""), Reason::InvalidRequest),
            (custom(&"e".repeat(33)), Reason::InvalidRequest),
        ] {
            town.ask("alice", Ask::PublishDataTrackRequest(wrong.clone()));
            let response = last!(town, "alice", RequestResponse).unwrap();
            assert_eq!(response.reason(), expected);
            assert_eq!(response.request, Some(Request::PublishDataTrack(wrong)));
        }
        for handle in [2, 0, 70_000] {
            let unpublish = UnpublishDataTrackRequest { pub_handle: handle };
            town.ask("alice", Ask::UnpublishDataTrackRequest(unpublish));
            assert_eq!(reason(&town, "alice"), Reason::NotFound);
        }
        for number in 2..=50 {
            publish(&mut town, "alice", number, &number.to_string());
        }
        town.ask("alice", Ask::PublishDataTrackRequest(request(51, "51")));
        assert_eq!(reason(&town, "alice"), Reason::LimitExceeded);
        town.join_with_claims("bob", |claims| claims.video.can_publish_data = Some(false));
        town.ask("bob", Ask::PublishDataTrackRequest(request(1, "one")));
        assert_eq!(reason(&town, "bob"), Reason::NotAllowed);
    }

    #[test]
    fn a_track_ends_with_its_publishers_wish_right_or_presence_and_its_handle_with_it() {
        let mut town = town(&["alice", "bob"]);
        for end in ["unpublish", "rights", "leave"] {
            let info = publish(&mut town, "alice", 3, "track");
            subscribe(&mut town, "bob", &info.sid, true);
            assert!(handle_of(&town, "bob", &info.sid).is_some());
            let alice = town.people["alice"].sid.clone();
            match end {
                "unpublish" => {
                    let unpublish = UnpublishDataTrackRequest { pub_handle: 3 };
                    town.ask("alice", Ask::UnpublishDataTrackRequest(unpublish));
                }
                "rights" => {
                    let mut rights = town.people["alice"].known[&alice].permission.clone().unwrap();
                    rights.can_publish_data = false;
                    town.command(change_rights("alice", rights.clone())).unwrap();
                    rights.can_publish_data = true;
                    town.command(change_rights("alice", rights)).unwrap();
                }
                _ => town.leave("alice"),
            }
            if end != "leave" {
                let told = last!(town, "alice", UnpublishDataTrackResponse).unwrap();
                assert_eq!(told.info, Some(info.clone()));
                assert!(town.people["bob"].known[&alice].data_tracks.is_empty());
                send_raw(&mut town, "alice", DataChannel::DataTrack, track_packet(3, b"x"));
                assert!(receivers(&mut town).is_empty());
            }
            assert_eq!(handle_of(&town, "bob", &info.sid), None);
        }
    }

    #[test]
    fn who_subscribes_to_everything_gets_what_is_there_and_what_comes_and_others_only_what_they_ask_for() {
        let mut town = town(&["alice"]);
        let before = publish(&mut town, "alice", 1, "before");
        let mut browser = Browser::new("bob");
        browser.settings.auto_subscribe_data_track = Some(true);
        town.join_as("bob", claims("bob"), browser).unwrap();
        town.join("carol");
        let after = publish(&mut town, "alice", 2, "after");
        for info in [&before, &after] {
            assert!(handle_of(&town, "bob", &info.sid).is_some());
            assert!(handle_of(&town, "carol", &info.sid).is_none());
        }
        // Without the channel nothing is sent.
        send_raw(&mut town, "alice", DataChannel::DataTrack, track_packet(1, b"x"));
        assert!(receivers(&mut town).is_empty());
        open_all(&mut town, "bob");
        send_raw(&mut town, "alice", DataChannel::DataTrack, track_packet(1, b"x"));
        assert_eq!(receivers(&mut town), ["bob"]);
    }

    #[test]
    fn a_publisher_and_an_operator_decide_who_may_subscribe_and_wishes_outlive_it() {
        let mut town = town(&["alice", "bob", "carol"]);
        let info = publish(&mut town, "alice", 1, "track");
        for name in ["bob", "carol"] {
            subscribe(&mut town, name, &info.sid, true);
        }
        let only_carol = SubscriptionPermission {
            all_participants: false,
            track_permissions: vec![TrackPermission {
                participant_identity: "carol".into(),
                all_tracks: true,
                ..TrackPermission::default()
            }],
        };
        town.ask("alice", Ask::SubscriptionPermission(only_carol));
        send_raw(&mut town, "alice", DataChannel::DataTrack, track_packet(1, b"x"));
        assert_eq!(receivers(&mut town), ["carol"]);
        assert_eq!(handle_of(&town, "bob", &info.sid), None);
        let everybody = SubscriptionPermission {
            all_participants: true,
            ..SubscriptionPermission::default()
        };
        town.ask("alice", Ask::SubscriptionPermission(everybody));
        let carol = town.people["carol"].sid.clone();
        let mut rights = town.people["carol"].known[&carol].permission.clone().unwrap();
        rights.can_subscribe = false;
        town.command(change_rights("carol", rights)).unwrap();
        send_raw(&mut town, "alice", DataChannel::DataTrack, track_packet(1, b"x"));
        assert_eq!(receivers(&mut town), ["bob"]);
    }

    #[test]
    fn a_wish_for_a_track_that_nobody_has_costs_little_and_its_own_publisher_never_gets_it() {
        let mut town = town(&["alice", "bob"]);
        for number in 0..2000 {
            subscribe(&mut town, "bob", &format!("DTR_{number}"), true);
        }
        let info = publish(&mut town, "alice", 1, "track");
        subscribe(&mut town, "alice", &info.sid, true);
        assert_eq!(handle_of(&town, "alice", &info.sid), None);
        subscribe(&mut town, "bob", &info.sid, true);
        assert_eq!(
            handle_of(&town, "bob", &info.sid),
            None,
            "it has asked for too much"
        );
        subscribe(&mut town, "bob", "DTR_1", false);
        subscribe(&mut town, "bob", &info.sid, true);
        assert!(handle_of(&town, "bob", &info.sid).is_some());
    }
}

mod server {
    use super::*;
    use hanse_sfu_signal::{DataMessage, SfuCommand, SfuRefusal, SfuReply};

    fn message(change: impl FnOnce(&mut DataMessage)) -> SfuCommand {
        let mut message = DataMessage {
            payload: b"from above".to_vec(),
            topic: Some("news".into()),
            ..DataMessage::default()
        };
        change(&mut message);
        SfuCommand::SendData {
            room: "standup".into(),
            message,
        }
    }

    #[test]
    fn the_server_sends_to_everybody_or_to_some_in_nobodys_name() {
        let mut town = town(&["alice", "bob", "carol"]);
        assert_eq!(town.command(message(|_| {})), Ok(SfuReply::Done));
        let received_by = received(&mut town);
        assert_eq!(received_by.keys().collect::<Vec<_>>(), ["alice", "bob", "carol"]);
        let told = decoded(&received_by["bob"][0]);
        assert_eq!((&*told.participant_identity, told.kind()), ("", Kind::Reliable));
        let Some(Value::User(user)) = told.value else {
            panic!()
        };
        assert_eq!(
            (&*user.payload, user.topic.as_deref()),
            (&b"from above"[..], Some("news"))
        );
        let some = message(|message| {
            message.is_lossy = true;
            message.destination_identities = vec!["bob".into(), "nobody".into()];
        });
        town.command(some).unwrap();
        let received_by = received(&mut town);
        assert_eq!(received_by.keys().collect::<Vec<_>>(), ["bob"]);
        assert_eq!(received_by["bob"][0].0, DataChannel::Lossy);
        let carol = town.people["carol"].sid.clone();
        town.command(message(|message| message.destination_sids = vec![carol]))
            .unwrap();
        assert_eq!(receivers(&mut town), ["carol"]);
    }

    #[test]
    fn a_repeated_request_sends_once_and_a_wrong_one_not_at_all() {
        let mut town = town(&["alice"]);
        for _ in 0..2 {
            town.command(message(|message| message.nonce = vec![5; 16]))
                .unwrap();
        }
        assert_eq!(received(&mut town)["alice"].len(), 1);
        let short = town.command(message(|message| message.nonce = vec![5; 15]));
        assert!(matches!(short, Err(SfuRefusal::Invalid(text)) if text.contains("15 bytes")));
        let large = town.command(message(|message| message.payload = vec![0; 65_535]));
        assert!(matches!(large, Err(SfuRefusal::Invalid(_))));
        let nowhere = SfuCommand::SendData {
            room: "nowhere".into(),
            message: DataMessage::default(),
        };
        assert_eq!(town.command(nowhere), Err(SfuRefusal::RoomNotFound));
        assert!(receivers(&mut town).is_empty());
    }
}
