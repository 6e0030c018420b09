//! A join request as it arrives at `GET /rtc/v1` and `/rtc/v1/validate`: decoding it, and what can be said about it
//! without knowing the room. The order of the checks is LiveKit's, because clients react to the status.

use crate::limits::{ATTRIBUTES_BYTES_MAX, JOIN_REQUEST_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX};
use crate::token::Claims;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use livekit_protocol::wrapped_join_request::Compression;
use livekit_protocol::{JoinRequest, WrappedJoinRequest};
use prost::Message;
use std::io::Read;

/// Somebody with a valid token wants to join.
#[derive(Clone)]
pub struct JoinAttempt {
    /// What its token says.
    pub claims: Claims,
    /// The `join_request` parameter, decoded; `None`: there was none.
    pub request: Option<JoinRequest>,
    /// The `publish` parameter: a second, publish-only connection of somebody who is in already.
    pub publish: Option<String>,
    /// The `User-Agent` header. Kept for browser work-arounds; nothing depends on it yet.
    pub user_agent: Option<String>,
}

impl std::fmt::Debug for JoinAttempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinAttempt(redacted)")
    }
}

/// Why a join is refused before the socket is opened. The text is the exact body of the HTTP answer; clients match on
/// some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// `/rtc/v1` without the parameter.
    #[error("join_request is required")]
    RequestMissing,
    /// Neither base64 alphabet fits.
    #[error("cannot base64 decode wrapped join request")]
    Base64,
    /// The envelope is no protobuf.
    #[error("cannot unmarshal wrapped join request")]
    Envelope,
    /// Longer than [`JOIN_REQUEST_BYTES_MAX`] after decompression.
    #[error("join request too large")]
    RequestTooLarge,
    /// Broken gzip, or a compression that does not exist.
    #[error("cannot read decompressed join request")]
    Compression,
    /// The content is no protobuf.
    #[error("cannot unmarshal join request")]
    Content,
    /// The token does not allow it.
    #[error("no permissions to access the room")]
    NotAllowed,
    /// The token names nobody.
    #[error("identity cannot be empty")]
    IdentityEmpty,
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("participant identity length exceeds limits: max length 256")]
    IdentityTooLong,
    /// The token names no room.
    #[error("no room name")]
    RoomNameEmpty,
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("room name length exceeds limits: max length 256")]
    RoomNameTooLong,
    /// The room is not there, and the token may not create it.
    #[error("requested room does not exist")]
    RoomNotFound,
    /// The node has no place for another participant or room.
    #[error("node has exceeded its configured limit")]
    NodeFull,
    /// The room has no place for another participant.
    #[error("room has exceeded its max participants")]
    RoomFull,
    /// Longer than [`METADATA_BYTES_MAX`].
    #[error("metadata size exceeds limits")]
    MetadataTooLarge,
    /// Longer than [`ATTRIBUTES_BYTES_MAX`].
    #[error("attribute size exceeds limits")]
    AttributesTooLarge,
}

impl JoinRefusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            JoinRefusal::NotAllowed => 401,
            JoinRefusal::RoomNotFound => 404,
            JoinRefusal::NodeFull | JoinRefusal::RoomFull => 503,
            _ => 400,
        }
    }
}

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// Decodes the `join_request` parameter: base64 of either alphabet, padded or not, of a `WrappedJoinRequest`.
pub fn decode_join_request(parameter: &str) -> Result<JoinRequest, JoinRefusal> {
    if parameter.is_empty() {
        return Err(JoinRefusal::RequestMissing);
    }
    // A form decoder may have turned `+` of the standard alphabet into a space.
    let url_safe: String = parameter
        .chars()
        .map(|c| match c {
            '+' | ' ' => '-',
            '/' => '_',
            c => c,
        })
        .collect();
    let wrapped = URL_SAFE.decode(url_safe).map_err(|_| JoinRefusal::Base64)?;
    let wrapped = WrappedJoinRequest::decode(wrapped.as_slice()).map_err(|_| JoinRefusal::Envelope)?;
    let content = match Compression::try_from(wrapped.compression) {
        Ok(Compression::None) => wrapped.join_request,
        Ok(Compression::Gzip) => {
            let mut inflated = Vec::new();
            flate2::read::GzDecoder::new(wrapped.join_request.as_slice())
                .take(JOIN_REQUEST_BYTES_MAX as u64 + 1)
                .read_to_end(&mut inflated)
                .map_err(|_| JoinRefusal::Compression)?;
            inflated
        }
        Err(_) => return Err(JoinRefusal::Compression),
    };
    if content.len() > JOIN_REQUEST_BYTES_MAX {
        return Err(JoinRefusal::RequestTooLarge);
    }
    JoinRequest::decode(content.as_slice()).map_err(|_| JoinRefusal::Content)
}

/// Who wants in, and where: an attempt whose token and sizes are in order.
pub(crate) struct Admission<'a> {
    pub request: &'a JoinRequest,
    pub room: &'a str,
    pub identity: String,
}

impl JoinAttempt {
    /// The checks that need no room, up to the one about the room's existence.
    pub(crate) fn admission(&self) -> Result<Admission<'_>, JoinRefusal> {
        let request = self.request.as_ref().ok_or(JoinRefusal::RequestMissing)?;
        let video = &self.claims.video;
        if !video.room_join {
            return Err(JoinRefusal::NotAllowed);
        }
        if self.claims.identity.is_empty() {
            return Err(JoinRefusal::IdentityEmpty);
        }
        if self.claims.identity.len() > NAME_BYTES_MAX {
            return Err(JoinRefusal::IdentityTooLong);
        }
        if video.room.is_empty() {
            return Err(JoinRefusal::RoomNameEmpty);
        }
        if video.room.len() > NAME_BYTES_MAX {
            return Err(JoinRefusal::RoomNameTooLong);
        }
        let mut identity = self.claims.identity.clone();
        if let Some(publish) = self.publish.as_deref().filter(|publish| !publish.is_empty()) {
            if !video.can_publish.unwrap_or(true) {
                return Err(JoinRefusal::NotAllowed);
            }
            identity = format!("{identity}#{publish}");
            if identity.len() > NAME_BYTES_MAX {
                return Err(JoinRefusal::IdentityTooLong);
            }
        }
        Ok(Admission { request, room: &video.room, identity })
    }

    /// The checks that come after the one about the room.
    pub(crate) fn check_metadata(&self, request: &JoinRequest) -> Result<(), JoinRefusal> {
        let brings_its_own = !request.metadata.is_empty() || !request.participant_attributes.is_empty();
        if brings_its_own && !self.claims.video.can_update_own_metadata.unwrap_or(false) {
            return Err(JoinRefusal::NotAllowed);
        }
        let metadata = if request.metadata.is_empty() { &self.claims.metadata } else { &request.metadata };
        if metadata.len() > METADATA_BYTES_MAX {
            return Err(JoinRefusal::MetadataTooLarge);
        }
        let own = self.claims.attributes.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let brought = request.participant_attributes.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if own + brought > ATTRIBUTES_BYTES_MAX {
            return Err(JoinRefusal::AttributesTooLarge);
        }
        Ok(())
    }

    /// Whether this is the publish-only connection of somebody who is in already.
    pub(crate) fn is_publish_only(&self) -> bool {
        self.publish.as_deref().is_some_and(|publish| !publish.is_empty())
    }
}
