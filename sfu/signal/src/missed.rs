//! What a client may not have received because its socket was dead: of each participant the latest messages that say
//! something once and that no state repeats. Who comes again with a new socket ([`crate::resume`]) gets them once more,
//! as far as they still hold; everything else it is told as state.
//!
//! A dead TCP connection is noticed late, so messages are kept for [`MISSED_WAIT`] after they were sent, too.

use crate::limits::{MISSED_BYTES_MAX, MISSED_DEPARTURES_MAX, MISSED_MESSAGES_MAX, MISSED_WAIT};
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{ParticipantInfo, RequestResponse};
use std::collections::VecDeque;
use std::time::Instant;

/// A message that no state repeats.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Missed {
    /// Somebody is gone.
    Gone(Gone),
    /// The message as it was.
    Said(Box<Message>),
}

/// What is kept of an `update` about somebody who is gone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gone {
    sid: String,
    pub identity: String,
    version: u32,
    reason: i32,
}

impl Gone {
    fn of(info: &ParticipantInfo) -> Self {
        Gone {
            sid: info.sid.clone(),
            identity: info.identity.clone(),
            version: info.version,
            reason: info.disconnect_reason,
        }
    }

    /// As it is told once more.
    pub fn into_info(self) -> ParticipantInfo {
        ParticipantInfo {
            sid: self.sid,
            identity: self.identity,
            version: self.version,
            state: State::Disconnected.into(),
            disconnect_reason: self.reason,
            ..ParticipantInfo::default()
        }
    }
}

struct Entry {
    at: Instant,
    bytes: usize,
    missed: Missed,
}

/// The latest of them for one participant, the oldest first.
#[derive(Default)]
pub(crate) struct MissedLog {
    entries: VecDeque<Entry>,
    /// How many of them are messages as they were.
    messages: usize,
    bytes: usize,
    /// When the latest one was sent for which there was no place.
    lost: Option<Instant>,
}

impl MissedLog {
    /// Takes what is said to its client, whether or not that can be reached now.
    pub fn note(&mut self, now: Instant, message: &Message) {
        match message {
            Message::Update(update) => {
                for info in &update.participants {
                    if info.state() == State::Disconnected {
                        self.push(now, Missed::Gone(Gone::of(info)));
                    }
                }
            }
            Message::RequestResponse(response) => {
                // What was asked for, the client knows itself by its number.
                let response = RequestResponse {
                    request: response.request.clone().filter(|_| response.request_id == 0),
                    ..response.clone()
                };
                self.push(now, Missed::Said(Box::new(Message::RequestResponse(response))));
            }
            Message::TrackPublished(_)
            | Message::TrackUnpublished(_)
            | Message::Mute(_)
            | Message::SubscriptionPermissionUpdate(_)
            | Message::SubscriptionResponse(_)
            | Message::TrackSubscribed(_)
            | Message::PublishDataTrackResponse(_)
            | Message::UnpublishDataTrackResponse(_) => {
                self.push(now, Missed::Said(Box::new(message.clone())));
            }
            _ => {}
        }
    }

    fn push(&mut self, now: Instant, missed: Missed) {
        let bytes = match &missed {
            Missed::Gone(gone) => gone.sid.len() + gone.identity.len(),
            Missed::Said(message) => size_of::<Message>() + message.encoded_len(),
        } + size_of::<Entry>();
        self.bytes += bytes;
        self.messages += usize::from(matches!(missed, Missed::Said(_)));
        self.entries.push_back(Entry {
            at: now,
            bytes,
            missed,
        });
        while self.messages > MISSED_MESSAGES_MAX
            || self.entries.len() - self.messages > MISSED_DEPARTURES_MAX
            || self.bytes > MISSED_BYTES_MAX
        {
            self.drop_oldest();
            self.lost = Some(now);
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.bytes;
            self.messages -= usize::from(matches!(oldest.missed, Missed::Said(_)));
        }
    }

    /// Its socket is there, or has just gone: what was sent long before has arrived.
    pub fn settle(&mut self, now: Instant) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.at + MISSED_WAIT < now)
        {
            self.drop_oldest();
        }
        self.lost = self.lost.filter(|at| *at + MISSED_WAIT >= now);
    }

    /// Nothing that may be missing was dropped.
    pub fn is_whole(&self) -> bool {
        self.lost.is_none()
    }

    /// Takes all of them, in the order in which they were said.
    pub fn take(&mut self) -> Vec<Missed> {
        let entries = std::mem::take(&mut self.entries);
        (self.bytes, self.messages) = (0, 0);
        entries.into_iter().map(|entry| entry.missed).collect()
    }

    /// Those that are there.
    pub fn said(&self) -> impl Iterator<Item = &Message> {
        self.entries.iter().filter_map(|entry| match &entry.missed {
            Missed::Said(message) => Some(&**message),
            Missed::Gone(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_protocol::{MuteTrackRequest, ParticipantUpdate, RoomUpdate, TrackUnpublishedResponse};
    use std::time::Duration;

    #[expect(clippy::disallowed_methods, reason = "virtual time starts at some moment")]
    fn start() -> Instant {
        Instant::now()
    }

    fn gone(sid: &str) -> Message {
        let info = ParticipantInfo {
            sid: sid.into(),
            identity: "bob".into(),
            metadata: "m".repeat(1000),
            state: State::Disconnected.into(),
            ..ParticipantInfo::default()
        };
        let here = ParticipantInfo {
            state: State::Active.into(),
            ..info.clone()
        };
        Message::Update(ParticipantUpdate {
            participants: vec![here, info],
        })
    }

    fn mute(sid: String) -> Message {
        Message::Mute(MuteTrackRequest { sid, muted: true })
    }

    #[test]
    fn what_is_said_once_is_kept_and_what_is_state_is_not() {
        let now = start();
        let mut log = MissedLog::default();
        for message in [
            gone("PA_1"),
            Message::RoomUpdate(RoomUpdate::default()),
            mute("TR_1".into()),
            Message::TrackUnpublished(TrackUnpublishedResponse::default()),
        ] {
            log.note(now, &message);
        }
        let taken = log.take();
        assert_eq!(taken.len(), 3);
        let Missed::Gone(gone) = taken[0].clone() else {
            panic!()
        };
        let info = gone.into_info();
        assert_eq!(
            (&*info.sid, &*info.identity, info.state()),
            ("PA_1", "bob", State::Disconnected)
        );
        assert_eq!(taken[1], Missed::Said(Box::new(mute("TR_1".into()))));
        assert_eq!(log.take(), []);
    }

    #[test]
    fn what_was_sent_half_a_minute_ago_has_arrived_if_the_socket_is_there() {
        let start = start();
        let mut log = MissedLog::default();
        log.note(start, &mute("TR_1".into()));
        log.note(start + Duration::from_secs(10), &mute("TR_2".into()));
        log.settle(start + MISSED_WAIT);
        assert_eq!(log.said().count(), 2);
        log.settle(start + MISSED_WAIT + Duration::from_millis(1));
        assert_eq!(log.take(), [Missed::Said(Box::new(mute("TR_2".into())))]);
    }

    #[test]
    fn beyond_its_bounds_the_oldest_go_and_it_is_not_whole_for_half_a_minute() {
        let start = start();
        for (count, message) in [
            (MISSED_MESSAGES_MAX, mute("TR_1".into())),
            (MISSED_BYTES_MAX / 8192 - 9, mute("s".repeat(8192))),
            (MISSED_DEPARTURES_MAX, gone("PA_1")),
        ] {
            let mut log = MissedLog::default();
            for _ in 0..count {
                log.note(start, &message);
            }
            assert!(log.is_whole());
            assert_eq!(log.entries.len(), count);
            for _ in 0..20 {
                log.note(start, &message);
            }
            assert!(!log.is_whole());
            assert!(log.entries.len() <= count + 9 && log.bytes <= MISSED_BYTES_MAX);
            log.settle(start + MISSED_WAIT);
            assert!(!log.is_whole());
            log.settle(start + MISSED_WAIT + Duration::from_millis(1));
            assert!(log.is_whole());
            assert_eq!((log.entries.len(), log.messages, log.bytes), (0, 0, 0));
        }
    }
}
