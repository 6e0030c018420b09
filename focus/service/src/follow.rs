//! Who sits at an SFU, looked up: at one elsewhere again and again, since it may send no webhooks, or they may get lost; at
//! the one in the same process once after events of it were lost.
//!
//! What has changed between two looks is told as if the SFU had said it. Somebody who went and came back in between is not
//! noticed as long as the session is the same.

use crate::admission::Focus;
use crate::delayed_leave::{Departure, Seat, SeatEvent};
use crate::ports::SfuError;
use crate::twirp::TwirpSfu;
use hanse_runtime::Redacted;
use livekit_protocol::ParticipantInfo;
use livekit_protocol::participant_info::State;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Time between two looks. Whoever is gone is missed after this time at the latest.
pub const FOLLOW_INTERVAL: Duration = Duration::from_secs(2);

/// Looks until it is dropped, in every room in which anybody was admitted.
pub async fn follow(focus: Arc<Focus>, sfu: Arc<TwirpSfu>) {
    let mut round = interval(FOLLOW_INTERVAL);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    loop {
        round.tick().await;
        let rooms: BTreeSet<String> = focus.sfu_rooms().chain(seen.rooms.keys().cloned()).collect();
        for room in rooms {
            match sfu.participants(&room).await {
                Ok(there) => {
                    let There {
                        connected,
                        connecting,
                    } = There::of(there);
                    let connecting = connecting.into_iter().map(|identity| SeatEvent::Connecting {
                        seat: Seat {
                            room: room.clone(),
                            identity,
                        },
                    });
                    for event in seen.look(&room, connected).into_iter().chain(connecting) {
                        focus.hear(event).await;
                    }
                }
                // What cannot be seen has not changed.
                Err(error) => {
                    tracing::warn!(room = %Redacted(room.as_str()), "nobody knows who is in this call: {error}");
                }
            }
        }
    }
}

/// Looks once, and has the focus hear what it has missed. `participants` says who is in a room.
pub async fn look_again<Look>(focus: &Focus, participants: impl Fn(String) -> Look)
where
    Look: Future<Output = Result<Vec<ParticipantInfo>, SfuError>>,
{
    for room in focus.sfu_rooms() {
        match participants(room.clone()).await {
            Ok(there) => {
                for event in focus.unheard(&room, &There::of(there).connected) {
                    focus.hear(event).await;
                }
            }
            Err(error) => {
                tracing::warn!(room = %Redacted(room.as_str()), "nobody knows who is in this call: {error}");
            }
        }
    }
}

/// Who is in a room.
#[derive(Default)]
struct There {
    /// With media: sessions by identity.
    connected: BTreeMap<String, String>,
    /// Without it yet, by identity.
    connecting: Vec<String>,
}

impl There {
    fn of(participants: Vec<ParticipantInfo>) -> Self {
        let mut there = There::default();
        for participant in participants {
            match participant.state() {
                State::Active => {
                    there.connected.insert(participant.identity, participant.sid);
                }
                State::Joining | State::Joined => there.connecting.push(participant.identity),
                State::Disconnected => {}
            }
        }
        there
    }
}

/// What the last look showed: for each room the sessions by identity.
#[derive(Default)]
struct Seen {
    rooms: BTreeMap<String, BTreeMap<String, String>>,
}

impl Seen {
    /// What follows from who is there now.
    fn look(&mut self, room: &str, there: BTreeMap<String, String>) -> Vec<SeatEvent> {
        let before = match there.is_empty() {
            true => self.rooms.remove(room),
            false => self.rooms.insert(room.to_owned(), there.clone()),
        };
        let before = before.unwrap_or_default();
        let seat = |identity: &String| Seat {
            room: room.to_owned(),
            identity: identity.clone(),
        };
        let gone = before
            .iter()
            .filter(|(identity, sid)| there.get(*identity) != Some(sid))
            .map(|(identity, sid)| SeatEvent::Left {
                seat: seat(identity),
                sid: sid.clone(),
                departure: match there.contains_key(identity) {
                    true => Departure::ComingBack,
                    false => Departure::Missing,
                },
            });
        let come = there
            .iter()
            .filter(|(identity, sid)| before.get(*identity) != Some(sid))
            .map(|(identity, sid)| SeatEvent::Joined {
                seat: seat(identity),
                sid: sid.clone(),
            });
        gone.chain(come).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(people: &[(&str, &str)]) -> BTreeMap<String, String> {
        people
            .iter()
            .map(|(identity, sid)| ((*identity).to_owned(), (*sid).to_owned()))
            .collect()
    }

    fn seat(identity: &str) -> Seat {
        Seat {
            room: "call".to_owned(),
            identity: identity.to_owned(),
        }
    }

    fn joined(identity: &str, sid: &str) -> SeatEvent {
        SeatEvent::Joined {
            seat: seat(identity),
            sid: sid.to_owned(),
        }
    }

    fn left(identity: &str, sid: &str, departure: Departure) -> SeatEvent {
        SeatEvent::Left {
            seat: seat(identity),
            sid: sid.to_owned(),
            departure,
        }
    }

    #[test]
    fn who_came_and_who_went_is_told_once_and_who_stays_is_not() {
        let mut seen = Seen::default();
        let both = there(&[("alice", "PA_1"), ("bob", "PA_2")]);
        assert_eq!(
            seen.look("call", both.clone()),
            [joined("alice", "PA_1"), joined("bob", "PA_2")]
        );
        assert_eq!(seen.look("call", both), []);
        assert_eq!(
            seen.look("call", there(&[("alice", "PA_1")])),
            [left("bob", "PA_2", Departure::Missing)]
        );
        assert_eq!(
            seen.look("call", there(&[])),
            [left("alice", "PA_1", Departure::Missing)]
        );
        assert!(seen.rooms.is_empty());
    }

    #[test]
    fn a_new_session_of_the_same_person_is_no_departure() {
        let mut seen = Seen::default();
        seen.look("call", there(&[("alice", "PA_1")]));
        assert_eq!(
            seen.look("call", there(&[("alice", "PA_2")])),
            [
                left("alice", "PA_1", Departure::ComingBack),
                joined("alice", "PA_2")
            ]
        );
    }
}
