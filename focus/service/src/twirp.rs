//! An SFU in another process, driven through LiveKit's server API (Twirp v7 over HTTP, protobuf): a LiveKit server, or
//! another `hanse`.

use crate::clock::Clock;
use crate::delayed_leave::Seat;
use crate::grant::{Administration, ApiKey};
use crate::policy::Rights;
use crate::ports::{Answer, NewRoom, Presence, Seen, Sfu, SfuError, Source};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use livekit_protocol::participant_info::State;
use livekit_protocol::{
    CreateRoomRequest, DeleteRoomRequest, DeleteRoomResponse, ListParticipantsRequest,
    ListParticipantsResponse, MuteRoomTrackRequest, MuteRoomTrackResponse, ParticipantInfo,
    ParticipantPermission, RemoveParticipantResponse, Room, RoomParticipantIdentity, TrackSource,
    UpdateParticipantRequest,
};
use prost::Message;
use reqwest::{Client, Response, redirect};
use serde::Deserialize;
use std::time::Duration;

/// Bytes of an answer. A longer one is not read to its end and counts as no answer.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long connecting may take; together with the whole call it stays under [`crate::SFU_TIMEOUT`].
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a whole call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Seconds for which a token of ours is valid. One is made for each call.
const TOKEN_LIFETIME_S: u64 = 60;

/// The SFU at a URL.
pub struct TwirpSfu {
    client: Client,
    service_url: String,
    key: ApiKey,
    clock: Clock,
}

/// A Twirp error, as far as it matters. Its message is for whoever calls, and may name rooms, so it is not passed on.
#[derive(Deserialize)]
struct TwirpError {
    code: String,
}

/// Why a call did not come to its end.
enum Failed {
    /// There is no such room, participant or track.
    NotFound,
    Error(SfuError),
}

impl Failed {
    /// What is not there need not be ended.
    fn unless_absent(self) -> Result<(), SfuError> {
        match self {
            Failed::NotFound => Ok(()),
            Failed::Error(error) => Err(error),
        }
    }
}

impl From<Failed> for SfuError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotFound => SfuError::Refused("not_found".to_owned()),
            Failed::Error(error) => error,
        }
    }
}

impl TwirpSfu {
    /// `api_url` is where the server API is, without `/twirp`; `key` is one that the SFU knows.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new(api_url: &str, key: ApiKey, clock: Clock) -> Result<Self, SfuError> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            // A token goes along, and it goes nowhere else.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(unreachable)?;
        Ok(TwirpSfu {
            client,
            service_url: format!("{}/twirp/livekit.RoomService", api_url.trim_end_matches('/')),
            key,
            clock,
        })
    }

    async fn call<T: Message + Default>(
        &self,
        method: &str,
        what: Administration<'_>,
        request: &impl Message,
    ) -> Result<T, Failed> {
        let token = self
            .key
            .sign_administration(what, (self.clock)().unix_s, TOKEN_LIFETIME_S)
            .ok_or_else(|| {
                Failed::Error(SfuError::Unreachable("the token could not be signed".to_owned()))
            })?;
        let response = self
            .client
            .post(format!("{}/{method}", self.service_url))
            .header(CONTENT_TYPE, "application/protobuf")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(request.encode_to_vec())
            .send()
            .await
            .map_err(|error| Failed::Error(unreachable(error)))?;
        let status = response.status();
        let body = read(response).await.map_err(Failed::Error)?;
        if status.is_success() {
            return T::decode(body.as_slice()).map_err(|_| Failed::Error(no_sfu()));
        }
        let code = serde_json::from_slice::<TwirpError>(&body).map(|error| error.code);
        Err(match code.as_deref() {
            Ok("not_found") => Failed::NotFound,
            Ok("unauthenticated" | "permission_denied") => Failed::Error(SfuError::Refused(
                "it does not accept our API key: name and secret must be the same on both sides, and the clocks \
                 must not differ by a minute"
                    .to_owned(),
            )),
            Ok("unavailable") => Failed::Error(SfuError::Draining),
            Ok(code) if is_code(code) => {
                Failed::Error(SfuError::Refused(format!("status {status}, {code}")))
            }
            _ => Failed::Error(SfuError::Unreachable(format!(
                "status {status} from something that is not an SFU's server API; is its URL right?"
            ))),
        })
    }

    async fn create(&self, room: &NewRoom) -> Result<(), SfuError> {
        let request = CreateRoomRequest {
            name: room.name.clone(),
            empty_timeout: room.empty_timeout_s,
            departure_timeout: room.departure_timeout_s,
            ..CreateRoomRequest::default()
        };
        let made: Room = self.call("CreateRoom", Administration::Rooms, &request).await?;
        if made.name == room.name {
            Ok(())
        } else {
            Err(no_sfu())
        }
    }

    async fn participant(&self, room: &str, identity: &str) -> Result<ParticipantInfo, Failed> {
        let request = RoomParticipantIdentity {
            room: room.to_owned(),
            identity: identity.to_owned(),
            ..RoomParticipantIdentity::default()
        };
        self.call("GetParticipant", Administration::Room(room), &request)
            .await
    }

    /// Who is in a room. One that does not exist has nobody in it.
    pub(crate) async fn participants(&self, room: &str) -> Result<Vec<ParticipantInfo>, SfuError> {
        let request = ListParticipantsRequest {
            room: room.to_owned(),
        };
        let list: Result<ListParticipantsResponse, Failed> = self
            .call("ListParticipants", Administration::Room(room), &request)
            .await;
        match list {
            Ok(list) => Ok(list.participants),
            Err(Failed::NotFound) => Ok(Vec::new()),
            Err(Failed::Error(error)) => Err(error),
        }
    }

    async fn end(&self, seat: &Seat) -> Result<(), SfuError> {
        // A token of this very second is from before, too.
        let before = (self.clock)().unix_s.saturating_add(1);
        let request = RoomParticipantIdentity {
            room: seat.room.clone(),
            identity: seat.identity.clone(),
            revoke_token_ts: i64::try_from(before).unwrap_or(i64::MAX),
        };
        self.call::<RemoveParticipantResponse>(
            "RemoveParticipant",
            Administration::Room(&seat.room),
            &request,
        )
        .await
        .map(drop)
        .or_else(Failed::unless_absent)
    }

    async fn change(&self, seat: &Seat, rights: Rights) -> Result<(), SfuError> {
        let request = UpdateParticipantRequest {
            room: seat.room.clone(),
            identity: seat.identity.clone(),
            permission: Some(permission(rights)),
            ..UpdateParticipantRequest::default()
        };
        self.call::<ParticipantInfo>("UpdateParticipant", Administration::Room(&seat.room), &request)
            .await
            .map(drop)
            .or_else(Failed::unless_absent)
    }

    async fn mute_source(&self, seat: &Seat, source: Source) -> Result<(), SfuError> {
        let participant = match self.participant(&seat.room, &seat.identity).await {
            Ok(participant) => participant,
            Err(failed) => return failed.unless_absent(),
        };
        for track_sid in tracks_to_mute(&participant, source) {
            let request = MuteRoomTrackRequest {
                room: seat.room.clone(),
                identity: seat.identity.clone(),
                track_sid,
                muted: true,
            };
            self.call::<MuteRoomTrackResponse>(
                "MutePublishedTrack",
                Administration::Room(&seat.room),
                &request,
            )
            .await
            .map(drop)
            .or_else(Failed::unless_absent)?;
        }
        Ok(())
    }

    async fn close(&self, room: &str) -> Result<(), SfuError> {
        let request = DeleteRoomRequest {
            room: room.to_owned(),
        };
        self.call::<DeleteRoomResponse>("DeleteRoom", Administration::Rooms, &request)
            .await
            .map(drop)
            .or_else(Failed::unless_absent)
    }

    async fn see(&self, room: &str, identity: &str) -> Result<Seen, SfuError> {
        match self.participant(room, identity).await {
            Ok(participant) => Ok(seen(participant)),
            Err(Failed::NotFound) => Ok(Seen::Absent),
            Err(Failed::Error(error)) => Err(error),
        }
    }
}

impl Sfu for TwirpSfu {
    fn create_room<'a>(&'a self, room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.create(room))
    }

    fn end_seat<'a>(&'a self, seat: &'a Seat) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.end(seat))
    }

    fn change_rights<'a>(&'a self, seat: &'a Seat, rights: Rights) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.change(seat, rights))
    }

    fn mute<'a>(&'a self, seat: &'a Seat, source: Source) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.mute_source(seat, source))
    }

    fn close_room<'a>(&'a self, room: &'a str) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.close(room))
    }
}

impl Presence for TwirpSfu {
    fn look_up<'a>(&'a self, room: &'a str, identity: &'a str) -> Answer<'a, Result<Seen, SfuError>> {
        Box::pin(self.see(room, identity))
    }
}

/// Rights in the words of LiveKit's server API.
pub fn permission(rights: Rights) -> ParticipantPermission {
    let sources = if rights.publishes_some() {
        rights
            .sources()
            .filter_map(|name| TrackSource::from_str_name(&name.to_ascii_uppercase()))
            .map(Into::into)
            .collect()
    } else {
        Vec::new()
    };
    ParticipantPermission {
        can_subscribe: true,
        can_publish: rights.publishes(),
        can_publish_data: rights.publishes(),
        can_publish_sources: sources,
        ..ParticipantPermission::default()
    }
}

/// What somebody publishes from this source and has not muted, by track sid.
pub fn tracks_to_mute(participant: &ParticipantInfo, source: Source) -> Vec<String> {
    let is_meant = |track: &TrackSource| match source {
        Source::Camera => matches!(track, TrackSource::Camera),
        Source::Microphone => matches!(track, TrackSource::Microphone),
        Source::Screen => matches!(track, TrackSource::ScreenShare | TrackSource::ScreenShareAudio),
    };
    participant
        .tracks
        .iter()
        .filter(|track| !track.muted && is_meant(&track.source()))
        .map(|track| track.sid.clone())
        .collect()
}

/// How somebody is there whom the SFU names.
pub fn seen(participant: ParticipantInfo) -> Seen {
    match participant.state() {
        State::Active => Seen::Connected { sid: participant.sid },
        State::Joining | State::Joined => Seen::Connecting,
        State::Disconnected => Seen::Absent,
    }
}

fn no_sfu() -> SfuError {
    SfuError::Unreachable("something answers at its URL that is not an SFU's server API".to_owned())
}

/// Twirp's codes are words like `resource_exhausted`; anything else stays out of the log.
fn is_code(code: &str) -> bool {
    code.len() <= 40
        && code
            .bytes()
            .all(|letter| letter.is_ascii_lowercase() || letter == b'_')
}

async fn read(mut response: Response) -> Result<Vec<u8>, SfuError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(SfuError::Unreachable("its answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// In words of ours: those of the library name URLs and addresses.
fn unreachable(error: reqwest::Error) -> SfuError {
    let kind = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "no connection, or no TLS that we trust, at its URL"
    } else {
        "its answer broke off or is not HTTP"
    };
    SfuError::Unreachable(kind.to_owned())
}
