//! What a webhook says, in LiveKit's words: `livekit.WebhookEvent` as protobuf's JSON, camelCase and without defaults.
//!
//! Rooms and people have their names and sids, and no more of what they brought along: their metadata, attributes and
//! display names may be long, and no receiver that we know asks for them here.

use hanse_sfu_signal::SfuEvent;
use livekit_protocol::participant_info::State;
use livekit_protocol::{DisconnectReason, ParticipantInfo, Room, TrackInfo, WebhookEvent};

/// What the queue must know of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Something ended. Whoever misses it believes that somebody is there who is gone.
    Ending,
    /// Something else.
    Ordinary,
}

/// The webhook of an event, without its id and its time. `None`: LiveKit has none for it.
pub fn webhook(event: &SfuEvent) -> Option<(WebhookEvent, Importance)> {
    use Importance::{Ending, Ordinary};
    Some(match event {
        SfuEvent::ParticipantConnecting { .. } => return None,
        SfuEvent::RoomStarted { room } => (about_room("room_started", room), Ordinary),
        SfuEvent::RoomFinished { room } => (about_room("room_finished", room), Ending),
        SfuEvent::ParticipantJoined {
            room,
            room_sid,
            identity,
            sid,
        } => {
            let participant = participant(identity, sid, Some(State::Active));
            let event = about_participant("participant_joined", room, room_sid, participant);
            (event, Ordinary)
        }
        SfuEvent::ParticipantLeft {
            room,
            room_sid,
            identity,
            sid,
            reason,
        } => {
            let participant = gone(identity, sid, *reason);
            let event = about_participant("participant_left", room, room_sid, participant);
            (event, Ending)
        }
        SfuEvent::ParticipantConnectionAborted {
            room,
            room_sid,
            identity,
            sid,
            reason,
        } => {
            let participant = gone(identity, sid, *reason);
            let name = "participant_connection_aborted";
            (about_participant(name, room, room_sid, participant), Ending)
        }
        SfuEvent::TrackPublished {
            room,
            room_sid,
            identity,
            sid,
            track,
        }
        | SfuEvent::TrackUnpublished {
            room,
            room_sid,
            identity,
            sid,
            track,
        } => {
            let name = match event {
                SfuEvent::TrackPublished { .. } => "track_published",
                _ => "track_unpublished",
            };
            let participant = participant(identity, sid, None);
            let about = about_participant(name, room, room_sid, participant);
            (with_track(about, track), Ordinary)
        }
    })
}

fn about_room(name: &str, room: &Room) -> WebhookEvent {
    WebhookEvent {
        event: name.to_owned(),
        room: Some(Room {
            metadata: String::new(),
            ..room.clone()
        }),
        ..WebhookEvent::default()
    }
}

fn about_participant(name: &str, room: &str, room_sid: &str, participant: ParticipantInfo) -> WebhookEvent {
    WebhookEvent {
        event: name.to_owned(),
        room: Some(Room {
            name: room.to_owned(),
            sid: room_sid.to_owned(),
            ..Room::default()
        }),
        participant: Some(participant),
        ..WebhookEvent::default()
    }
}

fn participant(identity: &str, sid: &str, state: Option<State>) -> ParticipantInfo {
    ParticipantInfo {
        identity: identity.to_owned(),
        sid: sid.to_owned(),
        state: state.map_or(0, Into::into),
        ..ParticipantInfo::default()
    }
}

fn gone(identity: &str, sid: &str, reason: DisconnectReason) -> ParticipantInfo {
    ParticipantInfo {
        disconnect_reason: reason.into(),
        ..participant(identity, sid, Some(State::Disconnected))
    }
}

/// Of a track's description only what we have checked: the rest is as its publisher wrote it.
fn with_track(event: WebhookEvent, track: &TrackInfo) -> WebhookEvent {
    WebhookEvent {
        track: Some(TrackInfo {
            sid: track.sid.clone(),
            r#type: track.r#type().into(),
            source: track.source().into(),
            mime_type: track.mime_type.clone(),
            ..TrackInfo::default()
        }),
        ..event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_protocol::TrackType;
    use serde_json::{Value, json};

    fn said(event: &SfuEvent) -> (Value, Importance) {
        let (event, importance) = webhook(event).unwrap();
        (serde_json::to_value(event).unwrap(), importance)
    }

    #[test]
    fn a_departure_says_who_and_why_and_leaves_defaults_out() {
        let left = SfuEvent::ParticipantLeft {
            room: "call".into(),
            room_sid: "RM_1".into(),
            identity: "a+b/c".into(),
            sid: "PA_1".into(),
            reason: DisconnectReason::ClientInitiated,
        };
        let expected = json!({
            "event": "participant_left", "room": {"name": "call", "sid": "RM_1"},
            "participant": {"identity": "a+b/c", "sid": "PA_1", "state": "DISCONNECTED",
                            "disconnectReason": "CLIENT_INITIATED"},
        });
        assert_eq!(said(&left), (expected, Importance::Ending));
    }

    #[test]
    fn a_track_that_its_publisher_describes_in_no_known_words_can_be_told() {
        let published = SfuEvent::TrackPublished {
            room: "call".into(),
            room_sid: "RM_1".into(),
            identity: "alice".into(),
            sid: "PA_1".into(),
            track: Box::new(TrackInfo {
                sid: "TR_1".into(),
                r#type: TrackType::Video.into(),
                source: 99,
                encryption: 99,
                name: "x".repeat(8_000),
                ..TrackInfo::default()
            }),
        };
        let (event, importance) = said(&published);
        assert_eq!(event["track"], json!({"sid": "TR_1", "type": "VIDEO"}));
        assert_eq!(event["participant"], json!({"identity": "alice", "sid": "PA_1"}));
        assert_eq!(importance, Importance::Ordinary);
    }

    #[test]
    fn what_a_room_was_described_with_stays_here() {
        let started = SfuEvent::RoomStarted {
            room: Room {
                name: "call".into(),
                sid: "RM_1".into(),
                metadata: "private".into(),
                creation_time: 7,
                ..Room::default()
            },
        };
        let room = json!({"name": "call", "sid": "RM_1", "creationTime": "7"});
        assert_eq!(said(&started).0, json!({"event": "room_started", "room": room}));
    }
}
