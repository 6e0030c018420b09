//! The server API: `POST /twirp/livekit.RoomService/<Method>` (Twirp v7, protobuf or JSON), translated to
//! [`SfuCommand`] and back.

use super::{Api, access};
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use hanse_sfu_signal::{Claims, RoomSettings, SfuCommand, SfuRefusal, SfuReply};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use livekit_protocol::{
    CreateRoomRequest, DeleteRoomRequest, DeleteRoomResponse, ListParticipantsRequest,
    ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse, MuteRoomTrackRequest,
    MuteRoomTrackResponse, ParticipantInfo, RemoveParticipantResponse, Room, RoomParticipantIdentity,
    UpdateParticipantRequest,
};
use prost::Message;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::timeout;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Twirp's error codes, as far as we use them, with their HTTP status.
#[derive(Clone, Copy)]
enum Code {
    BadRoute,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    Malformed,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Code::BadRoute => "bad_route",
            Code::FailedPrecondition => "failed_precondition",
            Code::Internal => "internal",
            Code::InvalidArgument => "invalid_argument",
            Code::Malformed => "malformed",
            Code::NotFound => "not_found",
            Code::ResourceExhausted => "resource_exhausted",
            Code::Unauthenticated => "unauthenticated",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Code::BadRoute | Code::NotFound => StatusCode::NOT_FOUND,
            Code::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Code::InvalidArgument | Code::Malformed => StatusCode::BAD_REQUEST,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        }
    }
}

struct TwirpError {
    code: Code,
    message: String,
}

impl TwirpError {
    fn new(code: Code, message: impl Into<String>) -> Self {
        TwirpError {
            code,
            message: message.into(),
        }
    }
}

impl From<SfuRefusal> for TwirpError {
    fn from(refusal: SfuRefusal) -> Self {
        let code = match refusal {
            SfuRefusal::RoomNotFound | SfuRefusal::ParticipantNotFound | SfuRefusal::TrackNotFound => {
                Code::NotFound
            }
            SfuRefusal::Invalid(_) => Code::InvalidArgument,
            SfuRefusal::Full(_) => Code::ResourceExhausted,
        };
        TwirpError::new(code, refusal.to_string())
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "code": self.code.name(), "msg": self.message });
        let json = HeaderValue::from_static("application/json");
        (self.code.status(), [(CONTENT_TYPE, json)], body.to_string()).into_response()
    }
}

#[derive(Clone, Copy)]
enum Form {
    Protobuf,
    Json,
}

/// One call, its body not yet read.
struct Call<'a> {
    api: &'a Api,
    claims: Claims,
    form: Form,
    body: Bytes,
}

#[derive(Deserialize)]
pub(super) struct Parameters {
    access_token: Option<String>,
}

/// Any call. Nothing is read of the body of one that is refused anyway.
pub(super) async fn call(
    State(api): State<Api>,
    Path((service, method)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
    http_method: Method,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let answer = async {
        if service != "livekit.RoomService" {
            return Err(bad_route(&service, &method).into_response());
        }
        if http_method != Method::POST {
            let sentence = format!("unsupported method {http_method} (only POST is allowed)");
            return Err(TwirpError::new(Code::BadRoute, sentence).into_response());
        }
        let form = form(&headers).map_err(IntoResponse::into_response)?;
        let claims = access::claims(&api, &headers, parameters.access_token.as_deref())
            .map_err(|sentence| TwirpError::new(Code::Unauthenticated, sentence).into_response())?;
        let body = timeout(BODY_TIMEOUT, Bytes::from_request(request, &()))
            .await
            .map_err(|_| StatusCode::REQUEST_TIMEOUT.into_response())?
            .map_err(IntoResponse::into_response)?;
        Call {
            api: &api,
            claims,
            form,
            body,
        }
        .answer(&service, &method)
        .await
        .map_err(IntoResponse::into_response)
    };
    answer.await.unwrap_or_else(|refused| refused)
}

fn bad_route(service: &str, method: &str) -> TwirpError {
    TwirpError::new(
        Code::BadRoute,
        format!("no handler for path \"/twirp/{service}/{method}\""),
    )
}

fn form(headers: &HeaderMap) -> Result<Form, TwirpError> {
    let named = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match named.split(';').next().unwrap_or_default().trim() {
        "application/protobuf" => Ok(Form::Protobuf),
        "application/json" => Ok(Form::Json),
        _ => Err(TwirpError::new(
            Code::BadRoute,
            "unexpected Content-Type: application/protobuf and application/json are understood",
        )),
    }
}

impl Call<'_> {
    async fn answer(&self, service: &str, method: &str) -> Result<Response, TwirpError> {
        match method {
            "CreateRoom" => {
                self.require(self.claims.video.room_create)?;
                let request: CreateRoomRequest = self.request()?;
                let settings = RoomSettings {
                    name: request.name,
                    empty_timeout_s: request.empty_timeout,
                    departure_timeout_s: request.departure_timeout,
                    max_participants: request.max_participants,
                    metadata: request.metadata,
                };
                let room: Room = match self.command(SfuCommand::CreateRoom(settings)).await? {
                    SfuReply::Room(room) => room,
                    other => return Err(unexpected(&other)),
                };
                self.reply(&room)
            }
            "ListRooms" => {
                self.require(self.claims.video.room_list)?;
                let request: ListRoomsRequest = self.request()?;
                let rooms = match self
                    .command(SfuCommand::ListRooms { names: request.names })
                    .await?
                {
                    SfuReply::Rooms(rooms) => rooms,
                    other => return Err(unexpected(&other)),
                };
                self.reply(&ListRoomsResponse { rooms })
            }
            "DeleteRoom" => {
                self.require(self.claims.video.room_create)?;
                let request: DeleteRoomRequest = self.request()?;
                self.command(SfuCommand::DeleteRoom { room: request.room })
                    .await?;
                self.reply(&DeleteRoomResponse {})
            }
            "ListParticipants" => {
                let request: ListParticipantsRequest = self.request()?;
                self.require_admin(&request.room)?;
                let participants = match self
                    .command(SfuCommand::ListParticipants { room: request.room })
                    .await?
                {
                    SfuReply::Participants(participants) => participants,
                    other => return Err(unexpected(&other)),
                };
                self.reply(&ListParticipantsResponse { participants })
            }
            "GetParticipant" => {
                let RoomParticipantIdentity { room, identity, .. } = self.request()?;
                self.require_admin(&room)?;
                let participant: ParticipantInfo =
                    match self.command(SfuCommand::Participant { room, identity }).await? {
                        SfuReply::Participant(participant) => participant,
                        other => return Err(unexpected(&other)),
                    };
                self.reply(&participant)
            }
            "RemoveParticipant" => {
                let RoomParticipantIdentity {
                    room,
                    identity,
                    revoke_token_ts,
                } = self.request()?;
                self.require_admin(&room)?;
                let revoke_before_unix_s = u64::try_from(revoke_token_ts).ok().filter(|ts| *ts > 0);
                self.command(SfuCommand::RemoveParticipant {
                    room,
                    identity,
                    revoke_before_unix_s,
                })
                .await?;
                self.reply(&RemoveParticipantResponse {})
            }
            "UpdateParticipant" => {
                let request: UpdateParticipantRequest = self.request()?;
                self.require_admin(&request.room)?;
                let changes_more = !(request.metadata.is_empty()
                    && request.name.is_empty()
                    && request.attributes.is_empty());
                let (Some(permission), false) = (request.permission, changes_more) else {
                    return Err(TwirpError::new(
                        Code::InvalidArgument,
                        "permission is what can be changed here; name, metadata and attributes are its own",
                    ));
                };
                let change = SfuCommand::ChangeRights {
                    room: request.room,
                    identity: request.identity,
                    permission,
                };
                let participant: ParticipantInfo = match self.command(change).await? {
                    SfuReply::Participant(participant) => participant,
                    other => return Err(unexpected(&other)),
                };
                self.reply(&participant)
            }
            "MutePublishedTrack" => {
                let request: MuteRoomTrackRequest = self.request()?;
                self.require_admin(&request.room)?;
                if !request.muted {
                    return Err(TwirpError::new(
                        Code::FailedPrecondition,
                        "nobody can switch on another's camera or microphone",
                    ));
                }
                let mute = SfuCommand::Mute {
                    room: request.room,
                    identity: request.identity,
                    track_sid: request.track_sid,
                };
                let track = match self.command(mute).await? {
                    SfuReply::Track(track) => Some(track),
                    other => return Err(unexpected(&other)),
                };
                self.reply(&MuteRoomTrackResponse { track })
            }
            _ => Err(bad_route(service, method)),
        }
    }

    /// A wrong grant is `unauthenticated`, as LiveKit's server has it.
    fn require(&self, granted: bool) -> Result<(), TwirpError> {
        if granted {
            Ok(())
        } else {
            Err(TwirpError::new(
                Code::Unauthenticated,
                "the access token does not permit this",
            ))
        }
    }

    fn require_admin(&self, room: &str) -> Result<(), TwirpError> {
        self.require(self.claims.video.room_admin && self.claims.video.room == room)
    }

    fn request<T: Message + Default + DeserializeOwned>(&self) -> Result<T, TwirpError> {
        match self.form {
            Form::Protobuf => T::decode(self.body.clone()).map_err(|error| error.to_string()),
            Form::Json => serde_json::from_slice(&self.body).map_err(|error| error.to_string()),
        }
        .map_err(|error| {
            TwirpError::new(
                Code::Malformed,
                format!("the request could not be decoded: {error}"),
            )
        })
    }

    async fn command(&self, command: SfuCommand) -> Result<SfuReply, TwirpError> {
        Ok(self.api.handle.command(command).await?)
    }

    fn reply<T: Message + Serialize>(&self, message: &T) -> Result<Response, TwirpError> {
        let (kind, body) = match self.form {
            Form::Protobuf => ("application/protobuf", message.encode_to_vec()),
            Form::Json => (
                "application/json",
                serde_json::to_vec(message)
                    .map_err(|error| TwirpError::new(Code::Internal, error.to_string()))?,
            ),
        };
        Ok(([(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response())
    }
}

fn unexpected(_reply: &SfuReply) -> TwirpError {
    TwirpError::new(Code::Internal, "the SFU gave an answer of another kind")
}
