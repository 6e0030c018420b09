//! What passes through the control task, counted under LiveKit's names ([`crate::metrics`]). Labels are words of the
//! protocol or of ours; nobody's id becomes one.

use crate::metrics::{
    JITTER, JOINS, LOSS, LOST, MESSAGES, PARTICIPANTS, PUBLISHED, PUBLISHES, QUALITY_RATING, QUALITY_SCORE,
    ROOM_DURATION, ROOMS, ROUND_TRIP, SESSION_DURATION, SESSION_START, SUBSCRIBED, SUBSCRIBES, VIDEOS,
};
use crate::why;
use hanse_runtime::metrics::Word;
use hanse_sfu_core::command::{Codec, MediaCommand, MediaEvent, SentQuality};
use hanse_sfu_core::ids::{ConnectionId, DownTrackId};
use hanse_sfu_signal::SfuEvent;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    ConnectionQuality, SignalRequest, SignalResponse, SubscriptionError, TrackInfo, TrackSource, TrackType,
};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Owned by the control task. As large as what is there: each participant, track and down track once.
#[derive(Default)]
pub(crate) struct Tally {
    rooms: usize,
    /// By sid: when each came, and when its media was connected.
    participants: HashMap<String, (Instant, Option<Instant>)>,
    published: BTreeMap<[&'static str; 3], usize>,
    subscribed: BTreeMap<[&'static str; 2], usize>,
    down_tracks: HashMap<DownTrackId, Forwarded>,
    of_connections: HashMap<ConnectionId, Vec<DownTrackId>>,
    /// Videos by why they get no more.
    videos: BTreeMap<&'static str, usize>,
}

/// A down track.
struct Forwarded {
    codec: Codec,
    /// Why no more of it goes out, once that was told.
    reason: Option<&'static str>,
}

impl Tally {
    /// Somebody was let in, or not.
    pub fn join(&mut self, is_in: bool, is_resume: bool) {
        let states: &[&'static str] = match (is_in, is_resume) {
            (true, false) => &["signal_connected", "rtc_init"],
            (true, true) => &["signal_connected"],
            (false, _) => &["signal_failed"],
        };
        for state in states {
            JOINS.add(1, [(*state).into()]);
        }
    }

    /// A client asks for something.
    pub fn request(&mut self, request: &SignalRequest) {
        let is_known = request.message.is_some();
        message("request", is_known);
        if let Some(Ask::AddTrack(track)) = &request.message {
            PUBLISHES.add(
                1,
                [
                    track.r#type().as_str_name().into(),
                    track.source().as_str_name().into(),
                    "attempt".into(),
                ],
            );
        }
    }

    /// A client is told something; or cannot be.
    pub fn response(&mut self, response: &SignalResponse, is_taken: bool) {
        message("response", is_taken);
        if let Some(Message::SubscriptionResponse(response)) = &response.message {
            let error = match response.err() {
                SubscriptionError::SeTrackNotfound => "track_not_found",
                SubscriptionError::SeCodecUnsupported => "codec_unsupported",
                SubscriptionError::SeUnknown => return,
            };
            SUBSCRIBES.add(1, ["failure".into(), error.into()]);
        }
    }

    /// Something happened in a room.
    pub fn event(&mut self, now: Instant, unix_ms: u64, event: &SfuEvent) {
        match event {
            SfuEvent::RoomStarted { .. } => {
                self.rooms += 1;
                ROOMS.set(self.rooms, []);
            }
            SfuEvent::RoomFinished { room } => {
                self.rooms = self.rooms.saturating_sub(1);
                ROOMS.set(self.rooms, []);
                let since = u64::try_from(room.creation_time_ms).unwrap_or(unix_ms);
                let existed = Duration::from_millis(unix_ms.saturating_sub(since));
                ROOM_DURATION.record(existed.as_secs_f64(), []);
            }
            SfuEvent::ParticipantConnecting { sid, .. } => {
                self.participants.insert(sid.clone(), (now, None));
                PARTICIPANTS.set(self.participants.len(), []);
            }
            SfuEvent::ParticipantJoined { sid, .. } => {
                JOINS.add(1, ["rtc_connected".into()]);
                if let Some((came, connected)) = self.participants.get_mut(sid) {
                    *connected = Some(now);
                    let waited = now.saturating_duration_since(*came);
                    SESSION_START.record(milliseconds(waited), []);
                }
            }
            SfuEvent::ParticipantLeft { sid, .. } | SfuEvent::ParticipantConnectionAborted { sid, .. } => {
                if let Some((_, Some(connected))) = self.participants.remove(sid) {
                    let stayed = now.saturating_duration_since(connected);
                    SESSION_DURATION.record(milliseconds(stayed), []);
                }
                PARTICIPANTS.set(self.participants.len(), []);
            }
            SfuEvent::TrackPublished { track, .. } => {
                let words = words(track);
                let [kind, source, _] = words;
                PUBLISHES.add(1, [kind.into(), source.into(), "success".into()]);
                let count = self.published.entry(words).or_default();
                *count += 1;
                PUBLISHED.set(*count, words.map(Word::from));
            }
            SfuEvent::TrackUnpublished { track, .. } => {
                let words = words(track);
                if let Some(count) = self.published.get_mut(&words) {
                    *count = count.saturating_sub(1);
                    PUBLISHED.set(*count, words.map(Word::from));
                }
            }
        }
    }

    /// The media plane is told something.
    pub fn command(&mut self, command: &MediaCommand) {
        match command {
            MediaCommand::Subscribe {
                connection,
                down_track,
                plan,
                ..
            } => {
                SUBSCRIBES.add(1, ["success".into(), "".into()]);
                let forwarded = Forwarded {
                    codec: plan.codec,
                    reason: None,
                };
                if self.down_tracks.insert(*down_track, forwarded).is_none() {
                    self.of_connections
                        .entry(*connection)
                        .or_default()
                        .push(*down_track);
                    self.subscribed(plan.codec, true);
                }
            }
            MediaCommand::Unsubscribe { down_track } => {
                self.ended(*down_track);
                // What is left behind of it in the other map goes with its connection, or here, before it piles up.
                self.tidy();
            }
            MediaCommand::CloseConnection { connection } => self.forget(*connection),
            _ => {}
        }
    }

    /// The media plane tells something.
    pub fn media(&mut self, event: &MediaEvent) {
        match event {
            MediaEvent::Ended { connection, .. } => self.forget(*connection),
            MediaEvent::Quality { quality, .. } => {
                self.note_reasons(&quality.sent);
                for (loss, direction) in [
                    (quality.loss_up_permille, "incoming"),
                    (quality.loss_down_permille, "outgoing"),
                ] {
                    if let Some(permille) = loss {
                        LOSS.record(f64::from(permille) / 10.0, [direction.into()]);
                    }
                }
                let received: u64 = quality.received.iter().map(|own| u64::from(own.lost)).sum();
                let sent: u64 = quality.sent.iter().map(|own| u64::from(own.lost)).sum();
                for (lost, direction) in [(received, "incoming"), (sent, "outgoing")] {
                    if lost > 0 {
                        LOST.add(lost, [direction.into()]);
                    }
                }
                if let Some(jitter) = quality.jitter_up {
                    JITTER.record(milliseconds(jitter) * 1_000.0, ["incoming".into()]);
                }
                if let Some(round_trip) = quality.round_trip {
                    ROUND_TRIP.record(milliseconds(round_trip), ["outgoing".into()]);
                }
            }
            _ => {}
        }
    }

    /// How some participant's connection is.
    pub fn quality(grade: ConnectionQuality, score: f32) {
        QUALITY_RATING.record(f64::from(i32::from(grade)), []);
        QUALITY_SCORE.record(score.into(), []);
    }

    fn forget(&mut self, connection: ConnectionId) {
        for down_track in self.of_connections.remove(&connection).unwrap_or_default() {
            self.ended(down_track);
        }
    }

    fn ended(&mut self, down_track: DownTrackId) {
        if let Some(Forwarded { codec, reason }) = self.down_tracks.remove(&down_track) {
            self.subscribed(codec, false);
            self.count_video(reason, false);
        }
    }

    /// The media plane tells why no more of some down tracks goes out.
    fn note_reasons(&mut self, sent: &[SentQuality]) {
        for quality in sent {
            let Some((layers, forwarded)) = quality.layers.zip(self.down_tracks.get_mut(&quality.down_track))
            else {
                continue;
            };
            let reason = Some(why::word(layers.reason));
            let before = std::mem::replace(&mut forwarded.reason, reason);
            if before != reason {
                self.count_video(before, false);
                self.count_video(reason, true);
            }
        }
    }

    fn count_video(&mut self, reason: Option<&'static str>, is_more: bool) {
        let Some(reason) = reason else { return };
        let count = self.videos.entry(reason).or_default();
        *count = count.saturating_add_signed(if is_more { 1 } else { -1 });
        VIDEOS.set(*count, [reason.into()]);
    }

    fn tidy(&mut self) {
        let listed: usize = self.of_connections.values().map(Vec::len).sum();
        if listed > 2 * self.down_tracks.len() + 1_000 {
            let live = &self.down_tracks;
            self.of_connections.retain(|_, down_tracks| {
                down_tracks.retain(|down_track| live.contains_key(down_track));
                !down_tracks.is_empty()
            });
        }
    }

    fn subscribed(&mut self, codec: Codec, is_more: bool) {
        let words = [kind(codec.is_video()), mime(codec.name())];
        let count = self.subscribed.entry(words).or_default();
        *count = if is_more {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        SUBSCRIBED.set(*count, words.map(Word::from));
    }
}

fn message(direction: &'static str, is_success: bool) {
    let status = if is_success { "success" } else { "failure" };
    MESSAGES.add(1, ["signal".into(), status.into(), direction.into()]);
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn kind(is_video: bool) -> &'static str {
    let kind = if is_video {
        TrackType::Video
    } else {
        TrackType::Audio
    };
    kind.as_str_name()
}

/// Kind, source and MIME type of a published track.
fn words(track: &TrackInfo) -> [&'static str; 3] {
    let source: TrackSource = track.source();
    let name = track
        .mime_type
        .rsplit_once('/')
        .map_or(track.mime_type.as_str(), |(_, name)| name);
    [
        track.r#type().as_str_name(),
        source.as_str_name(),
        mime(&name.to_ascii_lowercase()),
    ]
}

/// The MIME types of the protocol, as LiveKit's server writes them.
fn mime(name: &str) -> &'static str {
    match name {
        "opus" => "audio/opus",
        "red" => "audio/red",
        "pcmu" => "audio/PCMU",
        "pcma" => "audio/PCMA",
        "vp8" => "video/VP8",
        "h264" => "video/H264",
        "h265" => "video/H265",
        "vp9" => "video/VP9",
        "av1" => "video/AV1",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::METRICS;
    use hanse_runtime::clock;
    use hanse_runtime::metrics::recorder;
    use hanse_sfu_core::command::{
        ConnectionEnd, Precedence, ReceivedQuality, SendPlan, TransportQuality, Want,
    };
    use hanse_sfu_core::ids::{Layer, Mid, TrackId};
    use hanse_sfu_core::sent_layers::{LayerReason, SentLayers, Share};
    use livekit_protocol::{
        AddTrackRequest, DisconnectReason, Room, SubscriptionResponse, signal_request, signal_response,
    };

    /// What is counted while this runs.
    fn counted(run: impl FnOnce(&mut Tally)) -> String {
        let (recorder, counted) = recorder(&METRICS).unwrap();
        metrics::with_local_recorder(&recorder, || run(&mut Tally::default()));
        counted.tidy();
        counted.text()
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }

    fn room() -> Room {
        Room {
            name: "secret room".into(),
            creation_time_ms: 1_000,
            ..Room::default()
        }
    }

    fn joined(sid: &str) -> SfuEvent {
        SfuEvent::ParticipantJoined {
            room: "secret room".into(),
            room_sid: "RM_1".into(),
            identity: "alice".into(),
            sid: sid.into(),
        }
    }

    fn connecting(sid: &str) -> SfuEvent {
        SfuEvent::ParticipantConnecting {
            room: "secret room".into(),
            identity: "alice".into(),
            sid: sid.into(),
        }
    }

    fn left(sid: &str) -> SfuEvent {
        SfuEvent::ParticipantLeft {
            room: "secret room".into(),
            room_sid: "RM_1".into(),
            identity: "alice".into(),
            sid: sid.into(),
            reason: DisconnectReason::ClientInitiated,
        }
    }

    fn subscribe(connection: u64, down_track: u64, codec: Codec) -> MediaCommand {
        MediaCommand::Subscribe {
            connection: ConnectionId(connection),
            track: TrackId(1),
            down_track: DownTrackId(down_track),
            plan: SendPlan {
                codec,
                ssrc: 1,
                rtx_ssrc: None,
                payload_type: 96,
                rtx_payload_type: None,
                primary_payload_type: None,
                mid: Mid::from("0").unwrap(),
                may_pause: false,
                extensions: Default::default(),
                cname: String::new(),
            },
            want: Want {
                enabled: true,
                layer_max: Layer(2),
                temporal_max: u8::MAX,
            },
        }
    }

    #[test]
    fn rooms_and_people_are_counted_as_they_come_and_go_and_nobody_is_named() {
        let now = clock::now();
        let text = counted(|tally| {
            tally.join(true, false);
            tally.join(false, false);
            tally.event(now, 1_000, &SfuEvent::RoomStarted { room: room() });
            tally.event(now, 1_000, &connecting("PA_1"));
            tally.event(now, 1_000, &connecting("PA_2"));
            tally.event(now + Duration::from_millis(150), 1_000, &joined("PA_1"));
            tally.event(now + Duration::from_secs(30), 31_000, &left("PA_1"));
            tally.event(now, 61_000, &SfuEvent::RoomFinished { room: room() });
        });
        has(&text, "livekit_room_total 0");
        has(&text, "livekit_room_duration_seconds_bucket{le=\"10\"} 0");
        has(&text, "livekit_room_duration_seconds_bucket{le=\"60\"} 1");
        has(&text, "livekit_participant_total 1");
        for (state, count) in [
            ("signal_connected", 1),
            ("signal_failed", 1),
            ("rtc_init", 1),
            ("rtc_connected", 1),
        ] {
            has(
                &text,
                &format!("livekit_participant_join_total{{state=\"{state}\"}} {count}"),
            );
        }
        has(&text, "livekit_session_start_time_ms_bucket{le=\"139\"} 0");
        has(&text, "livekit_session_start_time_ms_bucket{le=\"193\"} 1");
        has(&text, "livekit_session_duration_ms_bucket{le=\"16245\"} 0");
        has(&text, "livekit_session_duration_ms_bucket{le=\"37947\"} 1");
        for id in ["secret", "alice", "PA_", "RM_"] {
            assert!(!text.contains(id), "{id} is in {text}");
        }
    }

    #[test]
    fn tracks_are_counted_by_kind_source_and_codec() {
        let now = clock::now();
        let track = |source: TrackSource, mime_type: &str| TrackInfo {
            sid: "TR_1".into(),
            r#type: TrackType::Video.into(),
            source: source.into(),
            mime_type: mime_type.into(),
            ..TrackInfo::default()
        };
        let event = |track: TrackInfo, is_published: bool| {
            let (room, room_sid) = (String::new(), String::new());
            let (identity, sid) = (String::new(), String::new());
            let track = Box::new(track);
            if is_published {
                SfuEvent::TrackPublished {
                    room,
                    room_sid,
                    identity,
                    sid,
                    track,
                }
            } else {
                SfuEvent::TrackUnpublished {
                    room,
                    room_sid,
                    identity,
                    sid,
                    track,
                }
            }
        };
        let text = counted(|tally| {
            let announced = AddTrackRequest {
                r#type: TrackType::Video.into(),
                source: TrackSource::Camera.into(),
                ..AddTrackRequest::default()
            };
            tally.request(&SignalRequest {
                message: Some(signal_request::Message::AddTrack(announced)),
            });
            tally.event(now, 0, &event(track(TrackSource::Camera, "video/VP8"), true));
            tally.event(now, 0, &event(track(TrackSource::Camera, "video/vp8"), true));
            tally.event(now, 0, &event(track(TrackSource::Camera, "video/VP8"), false));
            tally.event(
                now,
                0,
                &event(track(TrackSource::ScreenShare, "a stranger's words"), true),
            );
        });
        let published = "livekit_track_published_total{kind=\"VIDEO\"";
        has(
            &text,
            &format!("{published},source=\"CAMERA\",mimeType=\"video/VP8\"}} 1"),
        );
        has(
            &text,
            &format!("{published},source=\"SCREEN_SHARE\",mimeType=\"\"}} 1"),
        );
        let publishes = "livekit_track_publish_counter{kind=\"VIDEO\",source=\"CAMERA\"";
        has(&text, &format!("{publishes},state=\"attempt\"}} 1"));
        has(&text, &format!("{publishes},state=\"success\"}} 2"));
        assert!(!text.contains("stranger"), "{text}");
    }

    #[test]
    fn received_tracks_end_with_their_subscription_or_their_connection() {
        let text = counted(|tally| {
            for (connection, down_track) in [(1, 1), (1, 2), (2, 3), (3, 4)] {
                tally.command(&subscribe(connection, down_track, Codec::Vp8));
            }
            tally.command(&subscribe(1, 5, Codec::Opus));
            tally.command(&MediaCommand::Unsubscribe {
                down_track: DownTrackId(1),
            });
            let connection = ConnectionId(1);
            tally.command(&MediaCommand::CloseConnection { connection });
            tally.command(&MediaCommand::CloseConnection { connection });
            tally.media(&MediaEvent::Ended {
                connection: ConnectionId(2),
                end: ConnectionEnd::IceTimeout,
            });
            let refused = SubscriptionResponse {
                err: SubscriptionError::SeTrackNotfound.into(),
                ..SubscriptionResponse::default()
            };
            let refused = SignalResponse {
                message: Some(signal_response::Message::SubscriptionResponse(refused)),
            };
            tally.response(&refused, true);
        });
        has(
            &text,
            "livekit_track_subscribed_total{kind=\"VIDEO\",mimeType=\"video/VP8\"} 1",
        );
        has(
            &text,
            "livekit_track_subscribed_total{kind=\"AUDIO\",mimeType=\"audio/opus\"} 0",
        );
        has(
            &text,
            "livekit_track_subscribe_counter{state=\"success\",error=\"\"} 5",
        );
        has(
            &text,
            "livekit_track_subscribe_counter{state=\"failure\",error=\"track_not_found\"} 1",
        );
        has(
            &text,
            "livekit_node_messages{type=\"signal\",status=\"success\",direction=\"response\"} 1",
        );
    }

    #[test]
    fn videos_are_counted_by_why_no_more_of_them_goes_out_until_they_end() {
        let text = counted(|tally| {
            let told = |tally: &mut Tally, down_track, reason| {
                let layers = SentLayers {
                    layer: Some(Layer(0)),
                    temporal_max: u8::MAX,
                    wanted: Layer(2),
                    flowing: 3,
                    reason,
                };
                let sent = SentQuality {
                    down_track: DownTrackId(down_track),
                    sent: 10,
                    expected: 10,
                    lost: 0,
                    round_trip: None,
                    missing_layers: None,
                    layers: (down_track != 4).then_some(layers),
                };
                tally.media(&MediaEvent::Quality {
                    connection: ConnectionId(1),
                    quality: TransportQuality {
                        sent: vec![sent],
                        ..TransportQuality::default()
                    },
                });
            };
            for (connection, down_track) in [(1, 1), (1, 2), (2, 3)] {
                tally.command(&subscribe(connection, down_track, Codec::Vp8));
                told(tally, down_track, LayerReason::KeyFrame);
            }
            tally.command(&subscribe(1, 4, Codec::Opus));
            let share = Share {
                limit_bps: 500_000,
                videos: 2,
                precedence: Precedence::Speaker,
                next: Layer(1),
                next_bps: 700_000,
            };
            told(tally, 1, LayerReason::Link(share));
            told(tally, 1, LayerReason::Link(Share { videos: 3, ..share }));
            told(tally, 2, LayerReason::Wanted);
            told(tally, 4, LayerReason::Hidden);
            told(tally, 5, LayerReason::Hidden);
            tally.command(&MediaCommand::Unsubscribe {
                down_track: DownTrackId(2),
            });
            tally.media(&MediaEvent::Ended {
                connection: ConnectionId(2),
                end: ConnectionEnd::IceTimeout,
            });
        });
        for (reason, count) in [("link", 1), ("wanted", 0), ("key_frame", 0)] {
            has(&text, &format!("hanse_sfu_videos{{reason=\"{reason}\"}} {count}"));
        }
        assert!(!text.contains("hidden"), "sound, or nobody knows it: {text}");
    }

    #[test]
    fn who_is_sent_many_tracks_one_after_the_other_costs_no_memory() {
        counted(|tally| {
            for down_track in 0..10_000 {
                tally.command(&subscribe(1, down_track, Codec::Vp8));
                tally.command(&MediaCommand::Unsubscribe {
                    down_track: DownTrackId(down_track),
                });
            }
            let listed: usize = tally.of_connections.values().map(Vec::len).sum();
            assert!(listed <= 1_001, "{listed}");
        });
    }

    #[test]
    fn loss_is_counted_in_percent_and_silence_is_no_loss() {
        let text = counted(|tally| {
            tally.media(&MediaEvent::Quality {
                connection: ConnectionId(1),
                quality: TransportQuality {
                    loss_up_permille: Some(8),
                    loss_down_permille: None,
                    round_trip: None,
                    jitter_up: Some(Duration::from_millis(20)),
                    received: vec![
                        ReceivedQuality {
                            track: TrackId(1),
                            expected: 1_000,
                            lost: 3,
                            jitter: None,
                            layers: 1.0,
                            is_reported: true,
                        };
                        2
                    ],
                    ..TransportQuality::default()
                },
            });
        });
        has(
            &text,
            "livekit_packet_loss_percent_bucket{direction=\"incoming\",le=\"0.7\"} 0",
        );
        has(
            &text,
            "livekit_packet_loss_percent_bucket{direction=\"incoming\",le=\"1\"} 1",
        );
        has(
            &text,
            "livekit_jitter_us_bucket{direction=\"incoming\",le=\"10000\"} 0",
        );
        has(
            &text,
            "livekit_jitter_us_bucket{direction=\"incoming\",le=\"30000\"} 1",
        );
        has(&text, "livekit_packet_loss_total{direction=\"incoming\"} 6");
        assert!(!text.contains("=\"outgoing\""), "{text}");
    }

    #[test]
    fn qualities_are_counted_by_grade_and_by_score() {
        let text = counted(|_| {
            for (grade, score) in [
                (ConnectionQuality::Poor, 1.5),
                (ConnectionQuality::Good, 3.1),
                (ConnectionQuality::Excellent, 4.5),
                (ConnectionQuality::Lost, 1.1),
            ] {
                Tally::quality(grade, score);
            }
        });
        for (bucket, count) in [("0", 1), ("1", 2), ("2", 3), ("+Inf", 4)] {
            has(
                &text,
                &format!("livekit_quality_rating_bucket{{le=\"{bucket}\"}} {count}"),
            );
        }
        for (bucket, count) in [("1", 0), ("2", 2), ("3", 2), ("3.25", 3), ("4.5", 4)] {
            has(
                &text,
                &format!("livekit_quality_score_bucket{{le=\"{bucket}\"}} {count}"),
            );
        }
    }
}
