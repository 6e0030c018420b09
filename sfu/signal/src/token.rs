//! LiveKit access tokens: JSON Web Tokens, HS256 only. Pure; the clock is an argument.
//!
//! `iss` names the API key, `sub` is the identity (`jti` where `sub` is missing), `exp` and `nbf` are honoured with
//! [`TOKEN_LEEWAY_S`]. The header's `kid` plays no part, and any algorithm but HS256 (`none` above all) is refused.

use crate::limits::{TOKEN_BYTES_MAX, TOKEN_LEEWAY_S};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use livekit_protocol::participant_info::Kind;
use livekit_protocol::{ParticipantPermission, TrackSource};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// API keys with their secrets, in the order of the configuration. The first one signs what we hand out.
#[derive(Clone)]
pub struct ApiKeys {
    keys: Vec<(String, String)>,
}

/// Why a list of API keys cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeysError {
    /// There is none.
    #[error("at least one API key is needed")]
    Empty,
    /// A key id or a secret is the empty string.
    #[error("an API key needs a name and a secret")]
    Blank,
    /// Two secrets for one key id.
    #[error("an API key is listed twice")]
    Duplicate,
}

impl ApiKeys {
    /// Takes (key id, secret) pairs.
    pub fn new(keys: Vec<(String, String)>) -> Result<Self, ApiKeysError> {
        if keys.is_empty() {
            return Err(ApiKeysError::Empty);
        }
        for (place, (id, secret)) in keys.iter().enumerate() {
            if id.is_empty() || secret.is_empty() {
                return Err(ApiKeysError::Blank);
            }
            if keys.iter().take(place).any(|(earlier, _)| earlier == id) {
                return Err(ApiKeysError::Duplicate);
            }
        }
        Ok(ApiKeys { keys })
    }

    /// The key that signs: its id and its secret.
    pub fn signing(&self) -> (&str, &str) {
        // There is one: `new` refuses an empty list.
        self.keys.first().map_or(("", ""), |(id, secret)| (id, secret))
    }

    /// The secret of a key id.
    pub fn secret(&self, id: &str) -> Option<&str> {
        self.keys
            .iter()
            .find(|(key, _)| key == id)
            .map(|(_, secret)| secret.as_str())
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({} redacted)", self.keys.len())
    }
}

/// The `video` grant. What a token leaves unset has LiveKit's defaults, which the methods apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoGrant {
    /// May create and delete rooms, and create one by joining it.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub room_create: bool,
    /// May list rooms.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub room_list: bool,
    /// May moderate [`VideoGrant::room`] through the server API.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub room_admin: bool,
    /// May join [`VideoGrant::room`].
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub room_join: bool,
    /// May record; carried, without effect here.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub room_record: bool,
    /// The room that the grant is about.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub room: String,
    /// Unset: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// Unset: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// Unset: as [`VideoGrant::can_publish`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// `camera`, `microphone`, `screen_share`, `screen_share_audio`; empty: every source.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub can_publish_sources: Vec<String>,
    /// Unset: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// Unset: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe_metrics: Option<bool>,
    /// Nobody is told that this participant is there.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub hidden: bool,
    /// The participant records; carried, without effect here.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub recorder: bool,
    /// The participant is an agent; carried, without effect here.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub agent: bool,
    /// May administer ingress; carried, without effect here.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub ingress_admin: bool,
    /// Room to forward or move participants to; carried, without effect here.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub destination_room: String,
    /// Unset: false; carried, without effect here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_manage_agent_session: Option<bool>,
}

impl VideoGrant {
    /// What the participant may do, in the words that clients are told.
    pub fn permission(&self) -> ParticipantPermission {
        let can_publish = self.can_publish.unwrap_or(true);
        #[expect(deprecated, reason = "clients still read `recorder` and `agent`")]
        ParticipantPermission {
            can_subscribe: self.can_subscribe.unwrap_or(true),
            can_publish,
            can_publish_data: self.can_publish_data.unwrap_or(can_publish),
            can_publish_sources: self
                .can_publish_sources
                .iter()
                .map(|name| source_by_name(name).into())
                .collect(),
            hidden: self.hidden,
            recorder: self.recorder,
            can_update_metadata: self.can_update_own_metadata.unwrap_or(false),
            agent: self.agent,
            can_subscribe_metrics: self.can_subscribe_metrics.unwrap_or(false),
            can_manage_agent_session: self.can_manage_agent_session.unwrap_or(false),
        }
    }

    /// Takes over a changed permission, so that a refreshed token says the same.
    pub(crate) fn set_permission(&mut self, permission: &ParticipantPermission) {
        self.can_publish = Some(permission.can_publish);
        self.can_subscribe = Some(permission.can_subscribe);
        self.can_publish_data = Some(permission.can_publish_data);
        self.can_update_own_metadata = Some(permission.can_update_metadata);
        self.hidden = permission.hidden;
        self.can_publish_sources = permission
            .can_publish_sources
            .iter()
            .filter_map(|source| TrackSource::try_from(*source).ok())
            .map(|source| source.as_str_name().to_ascii_lowercase())
            .collect();
    }
}

/// An unknown name stays in the list as `UNKNOWN`, so that a list of only unknown names does not turn into "all".
fn source_by_name(name: &str) -> TrackSource {
    TrackSource::from_str_name(&name.to_ascii_uppercase()).unwrap_or(TrackSource::Unknown)
}

/// What a valid token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    /// `sub`, or `jti`; may be empty for server API tokens.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Free text of the participant.
    pub metadata: String,
    /// Key-value pairs of the participant.
    pub attributes: BTreeMap<String, String>,
    /// What sort of participant.
    pub kind: Kind,
    /// `nbf`, in seconds since 1970; 0 without one.
    pub not_before_unix_s: u64,
    /// `exp`, in seconds since 1970.
    pub expires_at_unix_s: u64,
    /// The rights. A token without a `video` grant has none.
    pub video: VideoGrant,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claims(redacted, expires at {})", self.expires_at_unix_s)
    }
}

/// Why a token is refused; every one of them is a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the access token is too long")]
    TooLong,
    /// Not three base64url parts of JSON, or a claim of the wrong type.
    #[error("the access token is malformed")]
    Malformed,
    /// The header asks for something else than HS256.
    #[error("the access token must be signed with HS256")]
    Algorithm,
    /// `iss` is none of our API keys.
    #[error("the access token names an unknown API key")]
    UnknownKey,
    /// The signature was made with another secret.
    #[error("the access token's signature is wrong")]
    Signature,
    /// No `exp`: such a token would be valid for ever.
    #[error("the access token has no expiry")]
    NoExpiry,
    /// `exp` has passed.
    #[error("the access token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the access token is not valid yet")]
    NotYet,
    /// A token could not be made.
    #[error("the access token could not be signed")]
    NotSigned,
}

/// Claims as they travel.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct WireClaims {
    #[serde(deserialize_with = "null_is_default")]
    iss: String,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    sub: String,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    jti: String,
    // Seconds; RFC 7519 allows a fraction.
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    name: String,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    kind: String,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    metadata: String,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    attributes: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_is_default")]
    video: VideoGrant,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Checks a token at a time given in seconds since 1970.
pub fn verify(token: &str, keys: &ApiKeys, now_unix_s: u64) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed);
    };
    #[derive(Deserialize)]
    struct Alg {
        alg: String,
    }
    let header: Alg = decode_part(header)?;
    if header.alg != "HS256" {
        return Err(TokenError::Algorithm);
    }
    // Which secret to try is all that is believed before the signature is checked.
    #[derive(Deserialize)]
    struct Issuer {
        #[serde(default)]
        iss: String,
    }
    let issuer: Issuer = decode_part(payload)?;
    let secret = keys.secret(&issuer.iss).ok_or(TokenError::UnknownKey)?;

    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    // The library would read the system's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let claims =
        jsonwebtoken::decode::<WireClaims>(token, &DecodingKey::from_secret(secret.as_bytes()), &validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
                _ => TokenError::Malformed,
            })?
            .claims;

    let expires_at_unix_s = claims.exp.map(seconds).ok_or(TokenError::NoExpiry)?;
    if now_unix_s > expires_at_unix_s.saturating_add(TOKEN_LEEWAY_S) {
        return Err(TokenError::Expired);
    }
    let not_before_unix_s = claims.nbf.map(seconds).unwrap_or(0);
    if not_before_unix_s > now_unix_s.saturating_add(TOKEN_LEEWAY_S) {
        return Err(TokenError::NotYet);
    }
    Ok(Claims {
        identity: if claims.sub.is_empty() {
            claims.jti
        } else {
            claims.sub
        },
        name: claims.name,
        metadata: claims.metadata,
        attributes: claims.attributes,
        kind: Kind::from_str_name(&claims.kind.to_ascii_uppercase()).unwrap_or(Kind::Standard),
        not_before_unix_s,
        expires_at_unix_s,
        video: claims.video,
    })
}

/// Signs claims with the first key; valid from now for `ttl_s` seconds ([`Claims::not_before_unix_s`] and
/// [`Claims::expires_at_unix_s`] play no part).
pub fn sign(claims: &Claims, keys: &ApiKeys, now_unix_s: u64, ttl_s: u64) -> Result<String, TokenError> {
    let (id, secret) = keys.keys.first().ok_or(TokenError::NotSigned)?;
    let wire = WireClaims {
        iss: id.clone(),
        sub: claims.identity.clone(),
        jti: String::new(),
        exp: Some(now_unix_s.saturating_add(ttl_s) as f64),
        nbf: Some(now_unix_s as f64),
        name: claims.name.clone(),
        kind: match claims.kind {
            Kind::Standard => String::new(),
            kind => kind.as_str_name().to_ascii_lowercase(),
        },
        metadata: claims.metadata.clone(),
        attributes: claims.attributes.clone(),
        video: claims.video.clone(),
    };
    jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &wire,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .map_err(|_| TokenError::NotSigned)
}

/// The token of a webhook: nothing but whose it is, until when it holds, and the hash of the body.
///
/// # Errors
///
/// [`TokenError::NotSigned`]
pub fn sign_webhook(
    (id, secret): (&str, &str),
    sha256: &str,
    now_unix_s: u64,
    ttl_s: u64,
) -> Result<String, TokenError> {
    #[derive(Serialize)]
    struct WebhookClaims<'a> {
        iss: &'a str,
        nbf: u64,
        exp: u64,
        sha256: &'a str,
    }
    let claims = WebhookClaims {
        iss: id,
        nbf: now_unix_s,
        exp: now_unix_s.saturating_add(ttl_s),
        sha256,
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|_| TokenError::NotSigned)
}

fn decode_part<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(part.trim_end_matches('='))
        .map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

/// Whole seconds; negative and absurd numbers end at the edges of the type.
fn seconds(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn keys() -> ApiKeys {
        let pair = |id: &str, secret: &str| (id.to_owned(), secret.to_owned());
        ApiKeys::new(vec![pair("first", "secret one"), pair("second", "secret two")]).unwrap()
    }

    /// A token as any JWT library writes it.
    fn token(payload: serde_json::Value, header: &str, secret: &str) -> String {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(header), part(&payload.to_string()));
        let key = EncodingKey::from_secret(secret.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    fn check(payload: serde_json::Value) -> Result<Claims, TokenError> {
        verify(&token(payload, HS256, "secret one"), &keys(), NOW)
    }

    #[test]
    fn a_token_of_livekits_sdk_is_understood() {
        let claims = check(serde_json::json!({
            "iss": "first", "sub": "@alice:org-a.example", "exp": NOW + 60, "nbf": NOW, "name": "Alice",
            "metadata": "m", "attributes": {"a": "b"}, "kind": "agent", "roomConfig": {"x": 1},
            "video": {"roomJoin": true, "room": "r", "canPublish": false, "canPublishSources": null, "hidden": true,
                      "somethingNew": [1]},
        }))
        .unwrap();
        assert_eq!(
            (claims.identity.as_str(), claims.name.as_str()),
            ("@alice:org-a.example", "Alice")
        );
        assert_eq!((claims.kind, claims.expires_at_unix_s), (Kind::Agent, NOW + 60));
        assert_eq!(claims.attributes["a"], "b");
        let permission = claims.video.permission();
        assert!(!permission.can_publish && permission.can_subscribe && permission.hidden);
        assert!(!permission.can_publish_data, "as canPublish");
        assert!(!permission.can_update_metadata);
    }

    #[test]
    fn what_is_unset_has_livekits_defaults() {
        let claims =
            check(serde_json::json!({"iss": "first", "jti": "bob", "exp": NOW as f64 + 0.5})).unwrap();
        assert_eq!(claims.identity, "bob", "jti where sub is missing");
        assert!(!claims.video.room_join);
        let permission = claims.video.permission();
        assert!(permission.can_publish && permission.can_subscribe && permission.can_publish_data);
        assert!(permission.can_publish_sources.is_empty());
    }

    #[test]
    fn an_unknown_source_is_not_every_source() {
        let grant = VideoGrant {
            can_publish_sources: vec!["camera".into(), "smell".into()],
            ..VideoGrant::default()
        };
        let sources = grant.permission().can_publish_sources;
        assert_eq!(sources, [TrackSource::Camera as i32, TrackSource::Unknown as i32]);
    }

    #[test]
    fn the_clock_has_a_minute_of_leeway_both_ways_and_no_more() {
        let times =
            |exp: u64, nbf: u64| check(serde_json::json!({"iss": "first", "exp": exp, "nbf": nbf})).err();
        assert_eq!(times(NOW - 60, NOW + 60), None);
        assert_eq!(times(NOW - 61, 0), Some(TokenError::Expired));
        assert_eq!(times(NOW + 1, NOW + 61), Some(TokenError::NotYet));
        assert_eq!(
            check(serde_json::json!({"iss": "first"})).err(),
            Some(TokenError::NoExpiry)
        );
    }

    #[test]
    fn only_hs256_with_the_right_secret_is_believed() {
        let payload = || serde_json::json!({"iss": "second", "sub": "a", "exp": NOW});
        assert!(verify(&token(payload(), HS256, "secret two"), &keys(), NOW).is_ok());
        let refused = |token: &str| verify(token, &keys(), NOW).unwrap_err();
        assert_eq!(
            refused(&token(payload(), HS256, "secret one")),
            TokenError::Signature
        );
        for alg in ["none", "None", "HS384", "RS256", "hs256"] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            assert_eq!(
                refused(&token(payload(), &header, "secret two")),
                TokenError::Algorithm,
                "{alg}"
            );
        }
        let unsigned = token(payload(), HS256, "secret two");
        let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
        assert!(verify(unsigned, &keys(), NOW).is_err());
        let stranger = serde_json::json!({"iss": "third", "exp": NOW});
        assert_eq!(
            refused(&token(stranger, HS256, "secret two")),
            TokenError::UnknownKey
        );
        assert_eq!(refused("a.b"), TokenError::Malformed);
        assert_eq!(refused(&"a".repeat(TOKEN_BYTES_MAX + 1)), TokenError::TooLong);
    }

    #[test]
    fn a_key_id_in_the_header_plays_no_part() {
        let payload = serde_json::json!({"iss": "first", "exp": NOW});
        let header = r#"{"alg":"HS256","kid":"second"}"#;
        assert!(verify(&token(payload, header, "secret one"), &keys(), NOW).is_ok());
    }

    #[test]
    fn what_we_sign_says_the_same_and_is_signed_by_the_first_key() {
        let mut claims = check(serde_json::json!({
            "iss": "first", "sub": "a", "exp": NOW, "kind": "egress", "attributes": {"a": "b"},
            "video": {"roomJoin": true, "room": "r", "canPublishSources": ["microphone"]},
        }))
        .unwrap();
        let token = sign(&claims, &keys(), NOW, 600).unwrap();
        (claims.not_before_unix_s, claims.expires_at_unix_s) = (NOW, NOW + 600);
        assert_eq!(verify(&token, &keys(), NOW).unwrap(), claims);
        let first_only = ApiKeys::new(vec![("first".into(), "secret one".into())]).unwrap();
        assert!(verify(&token, &first_only, NOW).is_ok());
    }

    #[test]
    fn key_lists_are_checked() {
        let make = |pairs: &[(&str, &str)]| {
            ApiKeys::new(
                pairs
                    .iter()
                    .map(|(id, secret)| ((*id).to_owned(), (*secret).to_owned()))
                    .collect(),
            )
            .err()
        };
        assert_eq!(make(&[]), Some(ApiKeysError::Empty));
        assert_eq!(make(&[("a", "")]), Some(ApiKeysError::Blank));
        assert_eq!(make(&[("a", "x"), ("a", "y")]), Some(ApiKeysError::Duplicate));
        assert_eq!(make(&[("a", "x"), ("b", "x")]), None);
    }

    #[test]
    fn nothing_secret_shows_in_debug_output() {
        let claims =
            check(serde_json::json!({"iss": "first", "sub": "@alice:org-a.example", "exp": NOW})).unwrap();
        let shown = format!("{claims:?} {:?}", keys());
        assert!(!shown.contains("alice") && !shown.contains("secret") && !shown.contains("first"));
    }
}
