//! The SFU in this process, as the focus sees it.

use hanse_focus::delayed_leave::{Departure, Seat, SeatEvent};
use hanse_focus::{
    Answer, Clock, NewRoom, ParticipantInfo, Presence, Rights, Seen, Sfu, SfuError, Source, permission, seen,
    tracks_to_mute,
};
use hanse_sfu::{
    Heard, ParticipantChange, RoomSettings, SfuCommand, SfuEvent, SfuHandle, SfuRefusal, SfuReply,
};

/// Drives the SFU and looks into it.
pub struct SfuHere {
    handle: SfuHandle,
    clock: Clock,
}

impl SfuHere {
    /// `clock` is that by which tokens are made.
    pub fn new(handle: SfuHandle, clock: Clock) -> Self {
        SfuHere { handle, clock }
    }

    /// Who is in a room. One that does not exist has nobody in it.
    ///
    /// # Errors
    ///
    /// [`SfuError`], when the SFU does not say.
    pub async fn participants(&self, room: &str) -> Result<Vec<ParticipantInfo>, SfuError> {
        let list = SfuCommand::ListParticipants {
            room: room.to_owned(),
        };
        match self.handle.command(list).await {
            Ok(SfuReply::Participants(participants)) => Ok(participants),
            Ok(_) => Err(another_answer()),
            Err(SfuRefusal::RoomNotFound) => Ok(Vec::new()),
            Err(refusal) => Err(refused(&refusal)),
        }
    }

    async fn mute_source(&self, seat: &Seat, source: Source) -> Result<(), SfuError> {
        let look = SfuCommand::Participant {
            room: seat.room.clone(),
            identity: seat.identity.clone(),
        };
        let tracks = match self.handle.command(look).await {
            Ok(SfuReply::Participant(participant)) => tracks_to_mute(&participant, source),
            Ok(_) => return Err(another_answer()),
            Err(refusal) => return absent_or(refusal),
        };
        for track_sid in tracks {
            let mute = SfuCommand::Mute {
                room: seat.room.clone(),
                identity: seat.identity.clone(),
                track_sid,
            };
            self.order(mute).await?;
        }
        Ok(())
    }

    /// Has something done that is done as well when it is about nobody.
    async fn order(&self, command: SfuCommand) -> Result<(), SfuError> {
        self.handle.command(command).await.map(drop).or_else(absent_or)
    }
}

/// What is not there need not be changed or ended.
fn absent_or(refusal: SfuRefusal) -> Result<(), SfuError> {
    match refusal {
        SfuRefusal::RoomNotFound | SfuRefusal::ParticipantNotFound | SfuRefusal::TrackNotFound => Ok(()),
        other => Err(refused(&other)),
    }
}

fn refused(refusal: &SfuRefusal) -> SfuError {
    if *refusal == SfuRefusal::Draining {
        return SfuError::Draining;
    }
    SfuError::Refused(refusal.to_string())
}

fn another_answer() -> SfuError {
    SfuError::Refused("it gave an answer of another kind".to_owned())
}

impl Sfu for SfuHere {
    fn create_room<'a>(&'a self, room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>> {
        let settings = RoomSettings {
            name: room.name.clone(),
            empty_timeout_s: room.empty_timeout_s,
            departure_timeout_s: room.departure_timeout_s,
            ..RoomSettings::default()
        };
        Box::pin(async move {
            let made = self.handle.command(SfuCommand::CreateRoom(settings)).await;
            made.map(drop).map_err(|refusal| refused(&refusal))
        })
    }

    fn end_seat<'a>(&'a self, seat: &'a Seat) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.order(SfuCommand::RemoveParticipant {
            room: seat.room.clone(),
            identity: seat.identity.clone(),
            // A token of this very second is from before, too.
            revoke_before_unix_s: Some((self.clock)().unix_s.saturating_add(1)),
        }))
    }

    fn change_rights<'a>(&'a self, seat: &'a Seat, rights: Rights) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(async move {
            self.order(SfuCommand::ChangeParticipant {
                room: seat.room.clone(),
                identity: seat.identity.clone(),
                change: ParticipantChange {
                    permission: Some(permission(rights)),
                    ..ParticipantChange::default()
                },
            })
            .await?;
            self.order(SfuCommand::LimitDownlink {
                room: seat.room.clone(),
                identity: seat.identity.clone(),
                kbps: rights.bitrate_kbps,
            })
            .await
        })
    }

    fn mute<'a>(&'a self, seat: &'a Seat, source: Source) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.mute_source(seat, source))
    }

    fn close_room<'a>(&'a self, room: &'a str) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.order(SfuCommand::DeleteRoom {
            room: room.to_owned(),
        }))
    }
}

impl Presence for SfuHere {
    fn look_up<'a>(&'a self, room: &'a str, identity: &'a str) -> Answer<'a, Result<Seen, SfuError>> {
        let look = SfuCommand::Participant {
            room: room.to_owned(),
            identity: identity.to_owned(),
        };
        Box::pin(async move {
            match self.handle.command(look).await {
                Ok(SfuReply::Participant(participant)) => Ok(seen(participant)),
                Ok(_) => Err(another_answer()),
                Err(SfuRefusal::RoomNotFound | SfuRefusal::ParticipantNotFound) => Ok(Seen::Absent),
                Err(refusal) => Err(refused(&refusal)),
            }
        })
    }
}

/// What an SFU in the same process says of its seats, in the words of the focus. `None`: nothing about seats.
pub fn seat_event(heard: &Heard) -> Option<SeatEvent> {
    let event = match heard {
        Heard::Missed(_) => return Some(SeatEvent::Missed),
        Heard::Event(event) => &**event,
    };
    let seat = |room: &String, identity: &String| Seat {
        room: room.clone(),
        identity: identity.clone(),
    };
    match event {
        SfuEvent::ParticipantConnecting { room, identity, .. } => Some(SeatEvent::Connecting {
            seat: seat(room, identity),
        }),
        SfuEvent::ParticipantJoined {
            room, identity, sid, ..
        } => Some(SeatEvent::Joined {
            seat: seat(room, identity),
            sid: sid.clone(),
        }),
        SfuEvent::ParticipantLeft {
            room,
            identity,
            sid,
            reason,
            ..
        } => Some(SeatEvent::Left {
            seat: seat(room, identity),
            sid: sid.clone(),
            departure: Departure::from_reason(reason.as_str_name()),
        }),
        SfuEvent::ParticipantConnectionAborted {
            room, identity, sid, ..
        } => Some(SeatEvent::Aborted {
            seat: seat(room, identity),
            sid: sid.clone(),
        }),
        SfuEvent::RoomFinished { room } => Some(SeatEvent::RoomFinished {
            room: room.name.clone(),
        }),
        SfuEvent::RoomStarted { .. }
        | SfuEvent::TrackPublished { .. }
        | SfuEvent::TrackUnpublished { .. } => None,
    }
}
