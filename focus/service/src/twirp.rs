//! An SFU in another process, driven through LiveKit's server API (Twirp v7 over HTTP, protobuf): a LiveKit server, or
//! another `hanse`.

use crate::clock::Clock;
use crate::grant::ApiKey;
use crate::ports::{Answer, NewRoom, Sfu, SfuError};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use livekit_protocol::{CreateRoomRequest, Room};
use prost::Message;
use reqwest::{Client, Response, redirect};
use serde::Deserialize;
use std::time::Duration;

/// Bytes of an answer. A longer one is not read to its end and counts as no answer.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long connecting may take; together with the whole call it stays under [`crate::SFU_TIMEOUT`].
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a whole call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Seconds for which a token of ours is valid. One is made for each call.
const TOKEN_LIFETIME_S: u64 = 60;

/// The SFU at a URL.
pub struct TwirpSfu {
    client: Client,
    create_room_url: String,
    key: ApiKey,
    clock: Clock,
}

/// A Twirp error, as far as it matters. Its message is for whoever calls, and may name rooms, so it is not passed on.
#[derive(Deserialize)]
struct TwirpError {
    code: String,
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
            create_room_url: format!(
                "{}/twirp/livekit.RoomService/CreateRoom",
                api_url.trim_end_matches('/')
            ),
            key,
            clock,
        })
    }

    async fn create(&self, room: &NewRoom) -> Result<(), SfuError> {
        let token = self
            .key
            .sign_room_creation((self.clock)().unix_s, TOKEN_LIFETIME_S)
            .ok_or_else(|| SfuError::Unreachable("the token could not be signed".to_owned()))?;
        let request = CreateRoomRequest {
            name: room.name.clone(),
            empty_timeout: room.empty_timeout_s,
            departure_timeout: room.departure_timeout_s,
            ..CreateRoomRequest::default()
        };
        let response = self
            .client
            .post(&self.create_room_url)
            .header(CONTENT_TYPE, "application/protobuf")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(request.encode_to_vec())
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        let body = read(response).await?;
        if status.is_success() {
            return match Room::decode(body.as_slice()) {
                Ok(made) if made.name == room.name => Ok(()),
                _ => Err(SfuError::Unreachable(
                    "something answers at its URL that is not an SFU's server API".to_owned(),
                )),
            };
        }
        let code = serde_json::from_slice::<TwirpError>(&body).map(|error| error.code);
        Err(match code.as_deref() {
            Ok("unauthenticated" | "permission_denied") => SfuError::Refused(
                "it does not accept our API key: name and secret must be the same on both sides, and the clocks \
                 must not differ by a minute"
                    .to_owned(),
            ),
            Ok(code) if is_code(code) => SfuError::Refused(format!("status {status}, {code}")),
            _ => SfuError::Unreachable(format!(
                "status {status} from something that is not an SFU's server API; is its URL right?"
            )),
        })
    }
}

impl Sfu for TwirpSfu {
    fn create_room<'a>(&'a self, room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>> {
        Box::pin(self.create(room))
    }
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
