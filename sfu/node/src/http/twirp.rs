//! The server API: `POST /twirp/livekit.RoomService/<Method>` (Twirp v7, protobuf or JSON), translated to
//! [`SfuCommand`] and back.

use super::twirp_json::{self, Reply};
use super::{Api, access};
use crate::metrics::{TWIRP, TWIRP_LATENCY};
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use hanse_runtime::clock;
use hanse_runtime::metrics::Word;
use hanse_sfu_signal::{
    Claims, DataMessage, ParticipantChange, RoomSettings, RpcCall, RpcError, RpcFailure, SfuCommand,
    SfuRefusal, SfuReply, VideoGrant,
};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use livekit_protocol::data_packet::Kind;
use livekit_protocol::{
    CreateRoomRequest, DeleteRoomRequest, DeleteRoomResponse, ForwardParticipantRequest,
    ListParticipantsRequest, ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse,
    MoveParticipantRequest, MuteRoomTrackRequest, MuteRoomTrackResponse, PerformRpcRequest,
    PerformRpcResponse, RoomParticipantIdentity, SendDataRequest, UpdateParticipantRequest,
    UpdateRoomMetadataRequest, UpdateSubscriptionsRequest,
};
use prost::Message;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Twirp's error codes, as far as we use them, with their HTTP status.
#[derive(Clone, Copy)]
enum Code {
    BadRoute,
    Canceled,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    Malformed,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Code::BadRoute => "bad_route",
            Code::Canceled => "canceled",
            Code::FailedPrecondition => "failed_precondition",
            Code::Internal => "internal",
            Code::InvalidArgument => "invalid_argument",
            Code::Malformed => "malformed",
            Code::NotFound => "not_found",
            Code::ResourceExhausted => "resource_exhausted",
            Code::Unauthenticated => "unauthenticated",
            Code::Unavailable => "unavailable",
            Code::Unimplemented => "unimplemented",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Code::BadRoute | Code::NotFound => StatusCode::NOT_FOUND,
            Code::Canceled => StatusCode::REQUEST_TIMEOUT,
            Code::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Code::InvalidArgument | Code::Malformed => StatusCode::BAD_REQUEST,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
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
            SfuRefusal::Draining => Code::Unavailable,
        };
        TwirpError::new(code, refusal.to_string())
    }
}

/// LiveKit's server has one of Twirp's codes for each of its own (protocol `utils/data_channel_rpc.go`); what a method
/// itself has thrown is `internal`.
impl From<RpcError> for TwirpError {
    fn from(error: RpcError) -> Self {
        let code = match error.code {
            1400 => Code::InvalidArgument,
            1401 => Code::NotFound,
            1402 | 1504 => Code::Malformed,
            1403 | 1404 => Code::Unimplemented,
            1501 | 1502 => Code::Canceled,
            1503 => Code::Unavailable,
            _ => Code::Internal,
        };
        TwirpError::new(code, error.to_string())
    }
}

impl From<RpcFailure> for TwirpError {
    fn from(failure: RpcFailure) -> Self {
        match failure {
            RpcFailure::Refused(refusal) => refusal.into(),
            RpcFailure::Failed(error) => error.into(),
        }
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "code": self.code.name(), "msg": self.message });
        let json = HeaderValue::from_static("application/json");
        let status = self.code.status();
        let mut response = (status, [(CONTENT_TYPE, json)], body.to_string()).into_response();
        response.extensions_mut().insert(self.code);
        response
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
    let came = clock::now();
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
        is_granted(&method, &claims.video)
            .ok_or_else(|| bad_route(&service, &method))
            .and_then(require)
            .map_err(IntoResponse::into_response)?;
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
    let response = answer.await.unwrap_or_else(|refused| refused);
    let took = clock::now().saturating_duration_since(came);
    count(&service, &method, &response, took);
    response
}

/// Methods that are called ours in the metrics; whatever else somebody asks for has no name there.
const METHODS: [&str; 14] = [
    "CreateRoom",
    "DeleteRoom",
    "ForwardParticipant",
    "GetParticipant",
    "ListParticipants",
    "ListRooms",
    "MoveParticipant",
    "MutePublishedTrack",
    "PerformRpc",
    "RemoveParticipant",
    "SendData",
    "UpdateParticipant",
    "UpdateRoomMetadata",
    "UpdateSubscriptions",
];

/// Notes how a call ended, as LiveKit's server does: a family of errors, or the status.
fn count(service: &str, method: &str, response: &Response, took: Duration) {
    let status = match response.status().as_u16() {
        200 => "200",
        400..500 => "4xx",
        500..600 => "5xx",
        _ => "",
    };
    let code = response.extensions().get::<Code>().map_or("", |code| code.name());
    let is_ours = service == "livekit.RoomService";
    let service = if is_ours { "RoomService" } else { "" };
    let method = METHODS.into_iter().find(|known| is_ours && *known == method);
    let [service, method, status] = [service, method.unwrap_or_default(), status].map(Word::from);
    let words = [service.clone(), method.clone(), status.clone()];
    TWIRP_LATENCY.record(took.as_secs_f64() * 1_000.0, words);
    TWIRP.add(1, [service, method, status, code.into()]);
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

/// Whether a token may call a method at all; `None`: there is no such method. Which room an administrator's token is for
/// is compared when the request is read.
fn is_granted(method: &str, grant: &VideoGrant) -> Option<bool> {
    match method {
        "CreateRoom" | "DeleteRoom" => Some(grant.room_create),
        "ListRooms" => Some(grant.room_list),
        "ListParticipants"
        | "GetParticipant"
        | "RemoveParticipant"
        | "UpdateParticipant"
        | "UpdateSubscriptions"
        | "MutePublishedTrack"
        | "UpdateRoomMetadata"
        | "SendData"
        | "PerformRpc"
        | "ForwardParticipant"
        | "MoveParticipant" => Some(grant.room_admin),
        _ => None,
    }
}

/// A wrong grant is `unauthenticated`, as LiveKit's server has it.
fn require(granted: bool) -> Result<(), TwirpError> {
    if granted {
        Ok(())
    } else {
        Err(TwirpError::new(
            Code::Unauthenticated,
            "the access token does not permit this",
        ))
    }
}

impl Call<'_> {
    async fn answer(&self, service: &str, method: &str) -> Result<Response, TwirpError> {
        if method == "PerformRpc" {
            return self.perform_rpc().await;
        }
        let command = self.command(service, method)?;
        match self.api.handle.command(command).await? {
            SfuReply::Room(room) => self.reply(&room),
            SfuReply::Rooms(rooms) => self.reply(&ListRoomsResponse { rooms }),
            SfuReply::Participants(participants) => self.reply(&ListParticipantsResponse { participants }),
            SfuReply::Participant(participant) => self.reply(&participant),
            SfuReply::Track(track) => self.reply(&MuteRoomTrackResponse { track: Some(track) }),
            // The answers of `DeleteRoom`, `RemoveParticipant`, `UpdateSubscriptions` and `SendData` are all empty.
            SfuReply::Done => self.reply(&DeleteRoomResponse {}),
        }
    }

    async fn perform_rpc(&self) -> Result<Response, TwirpError> {
        let request: PerformRpcRequest = self.request()?;
        self.require_room(&request.room)?;
        let ms = Some(request.response_timeout_ms).filter(|ms| *ms > 0);
        let call = RpcCall {
            room: request.room,
            identity: request.destination_identity,
            method: request.method,
            payload: request.payload,
            response_timeout: ms.map(|ms| Duration::from_millis(ms.into())),
        };
        let payload = self.api.handle.call(call).await?;
        self.reply(&PerformRpcResponse { payload })
    }

    /// What the SFU is asked to do.
    fn command(&self, service: &str, method: &str) -> Result<SfuCommand, TwirpError> {
        Ok(match method {
            "CreateRoom" => {
                let request: CreateRoomRequest = self.request()?;
                SfuCommand::CreateRoom(RoomSettings {
                    name: request.name,
                    empty_timeout_s: request.empty_timeout,
                    departure_timeout_s: request.departure_timeout,
                    max_participants: request.max_participants,
                    metadata: request.metadata,
                })
            }
            "ListRooms" => {
                let ListRoomsRequest { names } = self.request()?;
                SfuCommand::ListRooms { names }
            }
            "DeleteRoom" => {
                let DeleteRoomRequest { room } = self.request()?;
                SfuCommand::DeleteRoom { room }
            }
            "UpdateRoomMetadata" => {
                let UpdateRoomMetadataRequest { room, metadata } = self.request()?;
                self.require_room(&room)?;
                SfuCommand::ChangeRoomMetadata { room, metadata }
            }
            "ListParticipants" => {
                let ListParticipantsRequest { room } = self.request()?;
                self.require_room(&room)?;
                SfuCommand::ListParticipants { room }
            }
            "GetParticipant" => {
                let RoomParticipantIdentity { room, identity, .. } = self.request()?;
                self.require_room(&room)?;
                SfuCommand::Participant { room, identity }
            }
            "RemoveParticipant" => {
                let request: RoomParticipantIdentity = self.request()?;
                self.require_room(&request.room)?;
                SfuCommand::RemoveParticipant {
                    room: request.room,
                    identity: request.identity,
                    revoke_before_unix_s: u64::try_from(request.revoke_token_ts).ok().filter(|ts| *ts > 0),
                }
            }
            "UpdateParticipant" => {
                let request: UpdateParticipantRequest = self.request()?;
                self.require_room(&request.room)?;
                SfuCommand::ChangeParticipant {
                    room: request.room,
                    identity: request.identity,
                    change: ParticipantChange {
                        name: request.name,
                        metadata: request.metadata,
                        attributes: request.attributes,
                        permission: request.permission,
                    },
                }
            }
            "UpdateSubscriptions" => {
                let mut request: UpdateSubscriptionsRequest = self.request()?;
                self.require_room(&request.room)?;
                let grouped = request.participant_tracks.into_iter();
                request
                    .track_sids
                    .extend(grouped.flat_map(|tracks| tracks.track_sids));
                SfuCommand::ChangeSubscriptions {
                    room: request.room,
                    identity: request.identity,
                    track_sids: request.track_sids,
                    subscribe: request.subscribe,
                }
            }
            "MutePublishedTrack" => {
                let request: MuteRoomTrackRequest = self.request()?;
                self.require_room(&request.room)?;
                if !request.muted {
                    return Err(TwirpError::new(
                        Code::FailedPrecondition,
                        "nobody can switch on another's camera or microphone",
                    ));
                }
                SfuCommand::Mute {
                    room: request.room,
                    identity: request.identity,
                    track_sid: request.track_sid,
                }
            }
            "SendData" => {
                let request: SendDataRequest = self.request()?;
                self.require_room(&request.room)?;
                let is_lossy = request.kind() == Kind::Lossy;
                #[expect(deprecated, reason = "callers of long ago say it")]
                let destination_sids = request.destination_sids;
                SfuCommand::SendData {
                    room: request.room,
                    message: DataMessage {
                        payload: request.data,
                        is_lossy,
                        destination_identities: request.destination_identities,
                        destination_sids,
                        topic: request.topic,
                        nonce: request.nonce,
                    },
                }
            }
            "ForwardParticipant" => {
                let request: ForwardParticipantRequest = self.request()?;
                self.require_destination(&request.destination_room)?;
                return Err(self.unimplemented(&request.room, "nobody is forwarded to another room here"));
            }
            "MoveParticipant" => {
                let request: MoveParticipantRequest = self.request()?;
                self.require_destination(&request.destination_room)?;
                return Err(self.unimplemented(&request.room, "nobody is moved to another room here"));
            }
            _ => return Err(bad_route(service, method)),
        })
    }

    /// Who may administer one room may not administer another.
    fn require_room(&self, room: &str) -> Result<(), TwirpError> {
        require(self.claims.video.room_admin && self.claims.video.room == room)
    }

    fn require_destination(&self, room: &str) -> Result<(), TwirpError> {
        require(self.claims.video.destination_room == room)
    }

    /// Says so only to whoever would be allowed.
    fn unimplemented(&self, room: &str, sentence: &str) -> TwirpError {
        match self.require_room(room) {
            Ok(()) => TwirpError::new(Code::Unimplemented, sentence),
            Err(refused) => refused,
        }
    }

    fn request<T: Message + Default + DeserializeOwned>(&self) -> Result<T, TwirpError> {
        match self.form {
            Form::Protobuf => T::decode(self.body.clone()).map_err(|error| error.to_string()),
            Form::Json => twirp_json::read(&self.body).map_err(|error| error.to_string()),
        }
        .map_err(|error| {
            TwirpError::new(
                Code::Malformed,
                format!("the request could not be decoded: {error}"),
            )
        })
    }

    fn reply(&self, message: &impl Reply) -> Result<Response, TwirpError> {
        let (kind, body) = match self.form {
            Form::Protobuf => ("application/protobuf", message.encode_to_vec()),
            Form::Json => (
                "application/json",
                twirp_json::write(message)
                    .map_err(|error| TwirpError::new(Code::Internal, error.to_string()))?,
            ),
        };
        Ok(([(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_has_the_code_and_the_sentence_of_livekits_server() {
        let error = |code| RpcError {
            code,
            message: "Sentence".into(),
            data: String::new(),
        };
        for (code, name, status) in [
            (1400, "invalid_argument", 400),
            (1401, "not_found", 404),
            (1402, "malformed", 400),
            (1403, "unimplemented", 501),
            (1404, "unimplemented", 501),
            (1500, "internal", 500),
            (1501, "canceled", 408),
            (1502, "canceled", 408),
            (1503, "unavailable", 503),
            (1504, "malformed", 400),
            (1505, "internal", 500),
            (101, "internal", 500),
        ] {
            let told = TwirpError::from(RpcFailure::from(error(code)));
            assert_eq!((told.code.name(), told.code.status().as_u16()), (name, status));
            assert_eq!(told.message, format!("RpcError {code}: Sentence"));
        }
    }
}
