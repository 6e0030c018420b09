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

/// Which of the two forms of LiveKit's protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerConnections {
    /// One peer connection, on which the client offers (`/rtc/v1`).
    One,
    /// Two: the client offers what it publishes, and we what it subscribes to (`/rtc`).
    Two,
}

/// Somebody with a valid token wants to join.
#[derive(Clone)]
pub struct JoinAttempt {
    /// What its token says.
    pub claims: Claims,
    /// The form that it speaks.
    pub peer_connections: PeerConnections,
    /// What it asks for: the `join_request` parameter, decoded, or what the query of the older form says. `None`: the
    /// newer form without its parameter.
    pub request: Option<JoinRequest>,
    /// The `publish` parameter: a second, publish-only connection of somebody who is in already.
    pub publish: Option<String>,
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
    /// The participant was removed, and the token is from before.
    #[error("the access token is revoked")]
    TokenRevoked,
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
    /// The server is about to stop, and the room is not there.
    #[error(
        "the server is about to stop and begins no new calls; those that go on are not touched: try again in a minute"
    )]
    Draining,
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
            JoinRefusal::NotAllowed | JoinRefusal::TokenRevoked => 401,
            JoinRefusal::RoomNotFound => 404,
            JoinRefusal::NodeFull | JoinRefusal::RoomFull | JoinRefusal::Draining => 503,
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
        Ok(Admission {
            request,
            room: &video.room,
            identity,
        })
    }

    /// The checks that come after the one about the room.
    pub(crate) fn check_metadata(&self, request: &JoinRequest) -> Result<(), JoinRefusal> {
        let brings_its_own = !request.metadata.is_empty() || !request.participant_attributes.is_empty();
        if brings_its_own && !self.claims.video.can_update_own_metadata.unwrap_or(false) {
            return Err(JoinRefusal::NotAllowed);
        }
        let metadata = if request.metadata.is_empty() {
            &self.claims.metadata
        } else {
            &request.metadata
        };
        if metadata.len() > METADATA_BYTES_MAX {
            return Err(JoinRefusal::MetadataTooLarge);
        }
        let own = self
            .claims
            .attributes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
        let brought = request
            .participant_attributes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::VideoGrant;
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
    use flate2::write::GzEncoder;
    use livekit_protocol::participant_info::Kind;
    use std::collections::BTreeMap;
    use std::io::Write;

    fn wrapped(compression: Compression, join_request: Vec<u8>) -> Vec<u8> {
        WrappedJoinRequest {
            compression: compression.into(),
            join_request,
        }
        .encode_to_vec()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Bytes that use the letters in which the alphabets differ.
    fn request() -> JoinRequest {
        JoinRequest {
            metadata: "\u{3ff}\u{ffff}??>>~~".repeat(9),
            ..JoinRequest::default()
        }
    }

    #[test]
    fn every_alphabet_and_padding_is_read_with_and_without_gzip() {
        let plain = request().encode_to_vec();
        for bytes in [
            wrapped(Compression::None, plain.clone()),
            wrapped(Compression::Gzip, gzip(&plain)),
        ] {
            let standard = BASE64_STANDARD.encode(&bytes);
            for text in [
                standard.clone(),
                BASE64_STANDARD_NO_PAD.encode(&bytes),
                BASE64_URL_SAFE.encode(&bytes),
                BASE64_URL_SAFE_NO_PAD.encode(&bytes),
                standard.replace('+', " "),
            ] {
                assert_eq!(decode_join_request(&text), Ok(request()));
            }
        }
    }

    #[test]
    fn what_inflates_beyond_the_limit_is_refused_without_being_inflated() {
        let bomb = gzip(&vec![0; 64 * JOIN_REQUEST_BYTES_MAX]);
        let text = BASE64_URL_SAFE.encode(wrapped(Compression::Gzip, bomb));
        assert_eq!(decode_join_request(&text), Err(JoinRefusal::RequestTooLarge));
        let plain = BASE64_URL_SAFE.encode(wrapped(Compression::None, vec![0; JOIN_REQUEST_BYTES_MAX + 1]));
        assert_eq!(decode_join_request(&plain), Err(JoinRefusal::RequestTooLarge));
    }

    #[test]
    fn broken_requests_are_told_apart() {
        let encode = |bytes: Vec<u8>| BASE64_URL_SAFE.encode(bytes);
        let unknown = WrappedJoinRequest {
            compression: 7,
            join_request: vec![],
        }
        .encode_to_vec();
        for (text, refusal, body) in [
            (
                String::new(),
                JoinRefusal::RequestMissing,
                "join_request is required",
            ),
            (
                "\u{7f}".into(),
                JoinRefusal::Base64,
                "cannot base64 decode wrapped join request",
            ),
            (
                encode(vec![0xff; 9]),
                JoinRefusal::Envelope,
                "cannot unmarshal wrapped join request",
            ),
            (
                encode(wrapped(Compression::Gzip, vec![1, 2])),
                JoinRefusal::Compression,
                "cannot read decompressed join request",
            ),
            (
                encode(unknown),
                JoinRefusal::Compression,
                "cannot read decompressed join request",
            ),
            (
                encode(wrapped(Compression::None, vec![0xff; 9])),
                JoinRefusal::Content,
                "cannot unmarshal join request",
            ),
        ] {
            assert_eq!(decode_join_request(&text), Err(refusal));
            assert_eq!((refusal.to_string().as_str(), refusal.status()), (body, 400));
        }
    }

    fn attempt(change: impl FnOnce(&mut JoinAttempt)) -> Result<String, (u16, String)> {
        let claims = Claims {
            identity: "alice".into(),
            name: String::new(),
            metadata: String::new(),
            attributes: BTreeMap::new(),
            kind: Kind::Standard,
            not_before_unix_s: 0,
            expires_at_unix_s: 0,
            video: VideoGrant {
                room_join: true,
                room: "r".into(),
                ..VideoGrant::default()
            },
        };
        let mut attempt = JoinAttempt {
            claims,
            peer_connections: PeerConnections::One,
            request: Some(JoinRequest::default()),
            publish: None,
        };
        change(&mut attempt);
        let admission = attempt
            .admission()
            .map_err(|refusal| (refusal.status(), refusal.to_string()))?;
        attempt
            .check_metadata(admission.request)
            .map_err(|refusal| (refusal.status(), refusal.to_string()))?;
        Ok(admission.identity)
    }

    #[test]
    fn a_join_is_checked_in_order_with_livekits_statuses() {
        assert_eq!(attempt(|_| {}), Ok("alice".into()));
        let status = |change: fn(&mut JoinAttempt)| attempt(change).unwrap_err().0;
        assert_eq!(status(|own| own.request = None), 400);
        assert_eq!(status(|own| own.claims.video.room_join = false), 401);
        assert_eq!(status(|own| own.claims.identity.clear()), 400);
        assert_eq!(status(|own| own.claims.identity = "i".repeat(257)), 400);
        assert_eq!(status(|own| own.claims.video.room.clear()), 400);
        assert_eq!(status(|own| own.claims.video.room = "r".repeat(257)), 400);
        assert_eq!(
            status(|own| own.claims.metadata = "m".repeat(METADATA_BYTES_MAX + 1)),
            400
        );
        assert_eq!(
            status(|own| {
                own.claims.video.room_join = false;
                own.claims.identity.clear();
            }),
            401,
            "rights come before identity"
        );
    }

    #[test]
    fn a_publish_only_connection_has_a_name_of_its_own_and_needs_the_right() {
        assert_eq!(
            attempt(|own| own.publish = Some("screen".into())),
            Ok("alice#screen".into())
        );
        assert_eq!(
            attempt(|own| own.publish = Some(String::new())),
            Ok("alice".into())
        );
        let refusal = attempt(|own| {
            own.publish = Some("screen".into());
            own.claims.video.can_publish = Some(false);
        });
        assert_eq!(refusal.unwrap_err().0, 401);
    }

    #[test]
    fn attributes_count_together() {
        let with = |brought: usize| {
            attempt(|own| {
                own.claims.video.can_update_own_metadata = Some(true);
                own.claims
                    .attributes
                    .insert("a".into(), "v".repeat(ATTRIBUTES_BYTES_MAX / 2));
                let request = own.request.as_mut().unwrap();
                request
                    .participant_attributes
                    .insert("b".into(), "v".repeat(brought));
            })
        };
        assert!(with(ATTRIBUTES_BYTES_MAX / 2 - 2).is_ok());
        assert_eq!(
            with(ATTRIBUTES_BYTES_MAX / 2 - 1).unwrap_err(),
            (400, "attribute size exceeds limits".into())
        );
    }
}
