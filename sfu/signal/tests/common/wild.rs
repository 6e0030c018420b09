//! People who send whatever bytes say, in a room of people who behave.

use super::{
    Browser, START_UNIX_S, Town, add_track, change_participant, change_rights, claims, full_offer, keys,
};
use hanse_sfu_core::command::{
    ConnectionEnd, DataChannel, MediaEvent, ReceivedQuality, SentQuality, TransportQuality,
};
use hanse_sfu_core::fuzz::Script;
use hanse_sfu_core::ids::{ConnectionId, DownTrackId, TrackId};
use hanse_sfu_signal::limits::{
    ATTRIBUTES_BYTES_MAX, METADATA_BYTES_MAX, PENDING_TRACKS_MAX, PUBLISHED_TRACKS_MAX, QUEUED_TRACKS_MAX,
};
use hanse_sfu_signal::{ParticipantChange, SessionId, SfuCommand, SfuReply, verify};
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AddTrackRequest, DataChannelReceiveState, DataPacket, GetDataBlobRequest, LeaveRequest, MuteTrackRequest,
    ParticipantPermission, ParticipantTracks, Ping, PublishDataTrackRequest, SessionDescription,
    SignalRequest, SimulateScenario, StoreDataBlobRequest, SubscriptionPermission, SyncState,
    TrackPermission, TrackPublishedResponse, TrackSource, TrackType, TrickleRequest,
    UnpublishDataTrackRequest, UpdateDataSubscription, UpdateLocalAudioTrack, UpdateLocalVideoTrack,
    UpdateParticipantMetadata, UpdateSubscription, UpdateTrackSettings, simulate_scenario,
    update_data_subscription,
};
use prost::Message as _;
use std::time::Duration;

/// Two who behave: nothing that others do may concern them.
pub const HONEST: (&str, &str) = ("alice", "bob");

/// Who sends whatever it likes: one may do everything, one may only publish, one may only receive, one is hidden.
const STRANGERS: [&str; 4] = ["mallory", "mute", "deaf", "ghost"];

/// Kinds of what a stranger may do; the first ones are the variants of `SignalRequest`.
const KINDS: usize = 40;

/// How bytes become what happens.
pub struct Wild;

impl Wild {
    /// The byte before a raw request: whose, how long, and then the request.
    pub const RAW: u8 = 30;

    /// Everybody is there, and the two who behave see each other.
    pub fn town() -> Town {
        let mut town = Town::default();
        for name in [HONEST.0, HONEST.1] {
            town.join(name);
            town.publish(name, TrackSource::Camera);
            Wild::open_channels(&mut town, name);
        }
        for name in STRANGERS {
            Wild::join(&mut town, name);
        }
        town
    }

    fn join(town: &mut Town, name: &str) {
        let mut own = claims(name);
        own.video.can_update_own_metadata = Some(true);
        match name {
            "mute" => own.video.can_publish = Some(false),
            "deaf" => own.video.can_subscribe = Some(false),
            "ghost" => own.video.hidden = true,
            _ => {}
        }
        let mut browser = Browser::new(name);
        browser.is_wild = true;
        // Its earlier session may not be over yet.
        if let Some(before) = town.people.remove(name) {
            town.people
                .insert(format!("{name} {}", town.people.len()), before);
        }
        town.join_as(name, own, browser).unwrap();
        Wild::open_channels(town, name);
    }

    fn open_channels(town: &mut Town, name: &str) {
        let connection = town.connection(name);
        for channel in DataChannel::KNOWN {
            town.media.channels.insert((connection, channel));
            town.event(MediaEvent::DataChannelOpen { connection, channel });
        }
    }

    /// Somebody sends bytes by a data channel. What others get comes from them and says so.
    pub fn send_data(town: &mut Town, name: &str, channel: DataChannel, payload: Vec<u8>) {
        // What was sent again to somebody who says that it has missed it.
        town.media.data.clear();
        let connection = town.connection(name);
        town.event(MediaEvent::Data {
            connection,
            channel,
            payload: payload.into(),
        });
        let shown = if name == "ghost" { "" } else { name };
        for (to, channel, payload) in std::mem::take(&mut town.media.data) {
            assert_ne!(to, connection, "{name} hears itself");
            if channel != DataChannel::DataTrack {
                let packet = DataPacket::decode(payload).expect("what is passed on is a packet");
                assert_eq!(packet.participant_identity, shown, "in somebody else's name");
            }
        }
    }
}

/// What a list of bytes says happens, and what must be true at its end.
pub fn play_room(script: &[u8]) {
    let mut town = Wild::town();
    let mut script = Script::new(script);
    let mut rights_changed = Vec::new();
    while let Some(what) = script.byte() {
        let name = STRANGERS[script.below(STRANGERS.len())];
        if town.people[name].is_closed {
            Wild::join(&mut town, name);
        }
        let before = town.signalled;
        act(
            &mut town,
            name,
            usize::from(what) % KINDS,
            &mut script,
            &mut rights_changed,
        );
        town.settle();
        let answers = town.signalled - before;
        assert!(
            answers <= 2_500,
            "one thing that {name} did made {answers} messages"
        );
    }
    town.pass(Duration::from_secs(2));
    check(&mut town, &rights_changed);
}

fn act(town: &mut Town, name: &str, kind: usize, script: &mut Script, rights_changed: &mut Vec<String>) {
    let session = town.session(name);
    match kind {
        0..=23 => {
            let ask = request(town, name, kind, script);
            town.browser(name).outbox.push(ask);
        }
        // 30 is `Wild::RAW`.
        24..=30 => {
            let len = script.below(256);
            if let Ok(request) = SignalRequest::decode(script.bytes(len)) {
                if let Some(Ask::Offer(offer)) = &request.message {
                    town.browser(name).offered.push(offer.id);
                }
                town.signalling.handle_request(town.now, session, request);
            }
        }
        31 => town.pass(Duration::from_millis(script.below(20_000) as u64)),
        32 if script.below(2) == 0 => town.close_socket(name),
        32 => {
            // It may be its own session, a neighbour's, or nobody's.
            let whose = [name, HONEST.0, HONEST.1, "nobody"][script.below(4)];
            let sid = town
                .people
                .get(whose)
                .map_or("PA_nobody", |browser| &browser.sid)
                .to_owned();
            town.people.remove(&format!("{name} refused"));
            let resumed = town.resume_with(name, |attempt| {
                attempt.request.as_mut().unwrap().participant_sid = sid;
            });
            assert!(resumed != Ok(true) || whose == name, "in another one's session");
        }
        33 => {
            let end = [
                ConnectionEnd::IceTimeout,
                ConnectionEnd::DtlsFailed,
                ConnectionEnd::ClosedByPeer,
            ];
            town.end_media(name, end[script.below(3)]);
        }
        34 => {
            let level = [0.0, 0.5, 1.0, f32::NAN, f32::INFINITY][script.below(5)];
            let track = TrackId(script.below(40) as u64);
            town.event(MediaEvent::AudioLevel { track, level });
        }
        35 => {
            let loss = |script: &mut Script| Some(script.below(1_200) as u16).filter(|loss| *loss < 1_100);
            let count = |script: &mut Script| [0, 1, 1_000, u32::MAX][script.below(4)];
            let layers = |script: &mut Script| [0.0, 1.0, 3.0, 1e9, f32::NAN][script.below(5)];
            let received = |script: &mut Script| ReceivedQuality {
                track: TrackId(script.below(40) as u64),
                expected: count(script),
                lost: count(script),
                jitter: [None, Some(Duration::MAX)][script.below(2)],
                layers: layers(script),
                is_reported: script.below(2) == 1,
            };
            let sent = |script: &mut Script| SentQuality {
                down_track: DownTrackId(script.below(40) as u64),
                sent: count(script),
                expected: count(script),
                lost: count(script),
                round_trip: [None, Some(Duration::MAX)][script.below(2)],
                missing_layers: [None, Some(layers(script))][script.below(2)],
                layers: None,
            };
            let quality = TransportQuality {
                loss_up_permille: loss(script),
                loss_down_permille: loss(script),
                is_silent: script.below(3) == 0,
                received: (0..script.below(4)).map(|_| received(script)).collect(),
                sent: (0..script.below(4)).map(|_| sent(script)).collect(),
                ..TransportQuality::default()
            };
            let connection = ConnectionId(session.0);
            town.event(MediaEvent::Quality { connection, quality });
        }
        36 => {
            // Of nobody, or of somebody who has gone.
            let session = SessionId(script.below(40) as u64 + 1_000_000);
            town.signalling.handle_socket_closed(town.now, session);
            let connection = ConnectionId(session.0);
            town.event(MediaEvent::Connected { connection });
        }
        37 => {
            let permission = ParticipantPermission {
                can_subscribe: script.below(2) == 1,
                can_publish: script.below(2) == 1,
                can_update_metadata: true,
                can_publish_sources: vec![script.below(6) as i32],
                hidden: name == "ghost",
                ..ParticipantPermission::default()
            };
            rights_changed.push(name.to_owned());
            let _ = town.command(change_rights(name, permission));
        }
        38 => {
            let change = ParticipantChange {
                metadata: text(script),
                ..ParticipantChange::default()
            };
            let _ = town.command(change_participant(name, change));
        }
        _ => {
            let channel = [
                DataChannel::Reliable,
                DataChannel::Lossy,
                DataChannel::DataTrack,
                DataChannel::Foreign,
            ][script.below(4)];
            let len = script.below(256);
            let payload = script.bytes(len).to_vec();
            Wild::send_data(town, name, channel, payload);
        }
    }
}

fn text(script: &mut Script) -> String {
    let len = [0, 1, 30, 300, 70_000, 600_000][script.below(6)];
    String::from_utf8_lossy(script.bytes(4))
        .chars()
        .cycle()
        .take(len)
        .collect()
}

fn sid(town: &Town, script: &mut Script) -> String {
    let mut sids: Vec<String> = town
        .people
        .values()
        .flat_map(|browser| browser.known.values())
        .flat_map(|info| info.tracks.iter().map(|track| track.sid.clone()))
        .collect();
    sids.extend([String::new(), "TR_nothing".into(), "x".repeat(200)]);
    sids.swap_remove(script.below(sids.len()))
}

fn sids(town: &Town, script: &mut Script) -> Vec<String> {
    let count = [0, 1, 2, 5, 1_200][script.below(5)];
    let one = sid(town, script);
    (0..count)
        .map(|number| {
            if number % 2 == 0 {
                one.clone()
            } else {
                format!("TR_{number}")
            }
        })
        .collect()
}

fn number(script: &mut Script) -> u32 {
    [0, 1, 2, 5, 99, 720, 65_536, u32::MAX][script.below(8)]
}

/// A request of each kind, with whatever content.
#[expect(deprecated, reason = "old clients still send it")]
fn request(town: &mut Town, name: &str, kind: usize, script: &mut Script) -> Ask {
    match kind {
        0 | 1 => Ask::Offer(offer(town, name, script)),
        2 => Ask::Answer(SessionDescription {
            r#type: "answer".into(),
            sdp: full_offer(),
            id: number(script),
            ..SessionDescription::default()
        }),
        3 => Ask::Trickle(TrickleRequest {
            candidate_init: text(script),
            target: number(script) as i32,
            r#final: script.below(2) == 1,
        }),
        4 | 5 => {
            let source = [
                TrackSource::Camera,
                TrackSource::Microphone,
                TrackSource::ScreenShare,
                TrackSource::Unknown,
            ][script.below(4)];
            let cid = format!("cid-{}", script.below(30));
            let known = add_track(&cid, source);
            Ask::AddTrack(match script.below(4) {
                0 | 1 => known,
                2 => AddTrackRequest {
                    sid: sid(town, script),
                    ..known
                },
                _ => AddTrackRequest {
                    name: text(script),
                    r#type: number(script) as i32,
                    source: number(script) as i32,
                    encryption: number(script) as i32,
                    width: number(script),
                    height: number(script),
                    ..known
                },
            })
        }
        6 => Ask::Mute(MuteTrackRequest {
            sid: sid(town, script),
            muted: script.below(2) == 1,
        }),
        7 => Ask::Subscription(UpdateSubscription {
            track_sids: sids(town, script),
            subscribe: script.below(2) == 1,
            participant_tracks: vec![ParticipantTracks {
                participant_sid: text(script),
                track_sids: sids(town, script),
            }],
        }),
        8 => Ask::TrackSetting(UpdateTrackSettings {
            track_sids: sids(town, script),
            disabled: script.below(2) == 1,
            quality: number(script) as i32,
            width: number(script),
            height: number(script),
            fps: number(script),
            priority: number(script),
        }),
        9 => Ask::Leave(LeaveRequest::default()),
        10 => Ask::UpdateLayers(livekit_protocol::UpdateVideoLayers {
            track_sid: sid(town, script),
            layers: vec![],
        }),
        11 => Ask::SubscriptionPermission(SubscriptionPermission {
            all_participants: script.below(2) == 1,
            track_permissions: vec![
                TrackPermission {
                    participant_identity: ["alice", "mallory", ""][script.below(3)].into(),
                    all_tracks: script.below(2) == 1,
                    track_sids: sids(town, script),
                    ..TrackPermission::default()
                };
                [0, 1, 3, 1_200][script.below(4)]
            ],
        }),
        12 => Ask::SyncState(SyncState {
            // Of everybody who was ever there, how far it says that it has come with their packets.
            datachannel_receive_states: town
                .people
                .values()
                .map(|browser| DataChannelReceiveState {
                    publisher_sid: browser.sid.clone(),
                    last_seq: number(script),
                })
                .collect(),
            track_sids_disabled: vec![sid(town, script), text(script)],
            publish_tracks: (0..script.below(2))
                .map(|_| TrackPublishedResponse::default())
                .collect(),
            ..SyncState::default()
        }),
        13 => Ask::Simulate(SimulateScenario {
            scenario: Some(match script.below(4) {
                0 => simulate_scenario::Scenario::SpeakerUpdate(number(script) as i32),
                1 => simulate_scenario::Scenario::ServerLeave(true),
                2 => simulate_scenario::Scenario::SubscriberBandwidth(number(script).into()),
                _ => simulate_scenario::Scenario::SwitchCandidateProtocol(number(script) as i32),
            }),
        }),
        14 => Ask::Ping(number(script).into()),
        15 => {
            let count = script.below(3);
            Ask::UpdateMetadata(UpdateParticipantMetadata {
                metadata: text(script),
                name: text(script),
                attributes: (0..count).map(|key| (key.to_string(), text(script))).collect(),
                request_id: number(script),
            })
        }
        16 => Ask::PingReq(Ping {
            timestamp: number(script).into(),
            rtt: -1,
        }),
        17 => Ask::UpdateAudioTrack(UpdateLocalAudioTrack {
            track_sid: sid(town, script),
            features: vec![number(script) as i32; script.below(3) * 40],
        }),
        18 => Ask::UpdateVideoTrack(UpdateLocalVideoTrack {
            track_sid: sid(town, script),
            width: number(script),
            height: number(script),
        }),
        19 => Ask::PublishDataTrackRequest(PublishDataTrackRequest {
            pub_handle: number(script),
            name: text(script),
            ..PublishDataTrackRequest::default()
        }),
        20 => Ask::UnpublishDataTrackRequest(UnpublishDataTrackRequest {
            pub_handle: number(script),
        }),
        21 => Ask::UpdateDataSubscription(UpdateDataSubscription {
            updates: vec![
                update_data_subscription::Update {
                    track_sid: sid(town, script),
                    subscribe: script.below(2) == 1,
                    options: None,
                };
                script.below(3)
            ],
        }),
        22 => Ask::StoreDataBlobRequest(StoreDataBlobRequest {
            request_id: number(script),
            ..StoreDataBlobRequest::default()
        }),
        _ => Ask::GetDataBlobRequest(GetDataBlobRequest {
            request_id: number(script),
            participant_identity: text(script),
            ..GetDataBlobRequest::default()
        }),
    }
}

/// An offer with more sections than before, with fewer, as it was, of nonsense, or with a number that was there already.
fn offer(town: &mut Town, name: &str, script: &mut Script) -> SessionDescription {
    let browser = town.browser(name);
    match script.below(8) {
        0 => browser.add_slots(TrackType::Video, 1 + script.below(3)),
        1 => browser.add_slots(TrackType::Audio, 1),
        2 | 3 => browser.add_sender(TrackType::Video, &format!("cid-{}", script.below(30))),
        4 => browser.add_sender(TrackType::Audio, &format!("cid-{}", script.below(30))),
        5 => {
            let mid = script.below(browser.sections()).to_string();
            browser.stop_section(&mid);
        }
        _ => {}
    }
    let mut description = browser.next_description();
    match script.below(24) {
        0 => description.sdp = text(script),
        1 => description.id = number(script),
        2 => {
            let len = description
                .sdp
                .floor_char_boundary(script.below(description.sdp.len()));
            description.sdp.truncate(len);
        }
        _ => {}
    }
    browser.offered.push(description.id);
    description
}

/// What holds in every room, whatever happened.
fn check(town: &mut Town, rights_changed: &[String]) {
    let now_unix_s = START_UNIX_S + (town.now - town.start).as_secs();
    for (name, other) in [HONEST, (HONEST.1, HONEST.0)] {
        assert!(!town.people[name].is_closed, "{name} was thrown out");
        assert!(
            town.hears(name, other, TrackSource::Camera),
            "{name} lost {other}"
        );
        let told = town.people[name].inbox.iter();
        let ghost = &town.people["ghost"].sid;
        for message in told {
            if let Message::Update(update) = message {
                assert!(
                    update.participants.iter().all(|info| info.identity != "ghost"),
                    "{name} was told of somebody hidden"
                );
            }
            if let Message::Join(join) = message {
                assert!(
                    join.other_participants
                        .iter()
                        .all(|info| info.identity != "ghost")
                );
            }
            if let Message::SpeakersChanged(speakers) = message {
                assert!(speakers.speakers.iter().all(|speaker| speaker.sid != *ghost));
            }
        }
    }
    // `settle` has checked every command for the media plane: nobody sends or receives what is not theirs, no name is
    // used twice. What goes out is what somebody may have.
    for (name, browser) in &town.people {
        let connection = town.connection(name);
        // An earlier session has a number behind its name.
        let name = name.split(' ').next().unwrap();
        let receives = town
            .media
            .down
            .values()
            .filter(|down| down.connection == connection)
            .count();
        if name == "deaf" && !rights_changed.iter().any(|changed| changed == name) {
            assert_eq!(receives, 0, "who may not subscribe receives");
        }
        let ghosts = town.people["ghost"].session.unwrap();
        if name != "ghost" {
            let from_ghost = town.media.down.values().any(|down| {
                down.connection == connection && town.media.publishes(ConnectionId(ghosts.0), down.track)
            });
            assert!(!from_ghost, "{name} receives somebody hidden");
        }
        for id in &browser.answered_ids {
            let asked = browser.offered.iter().filter(|offered| *offered == id).count();
            let answered = browser
                .answered_ids
                .iter()
                .filter(|answered| *answered == id)
                .count();
            assert!(
                answered <= asked,
                "{answered} answers for {asked} offers with the number {id}"
            );
        }
        for message in &browser.inbox {
            if let Message::RefreshToken(token) = message {
                let token = verify(token, &keys(), now_unix_s).unwrap();
                assert_eq!(token.identity, name, "somebody else's token");
            }
        }
    }
    let list = SfuCommand::ListParticipants {
        room: "standup".into(),
    };
    let Ok(SfuReply::Participants(infos)) = town.command(list) else {
        panic!("the room is gone")
    };
    assert!(infos.len() <= HONEST_AND_STRANGERS, "{} people", infos.len());
    for info in infos {
        assert!(info.tracks.len() <= PUBLISHED_TRACKS_MAX + PENDING_TRACKS_MAX + QUEUED_TRACKS_MAX);
        assert!(info.metadata.len() <= METADATA_BYTES_MAX);
        let attributes: usize = info
            .attributes
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        assert!(attributes <= ATTRIBUTES_BYTES_MAX);
        if info.identity == "mute" && !rights_changed.contains(&info.identity) {
            assert!(info.tracks.is_empty(), "who may not publish publishes");
        }
    }
}

const HONEST_AND_STRANGERS: usize = 2 + STRANGERS.len();
