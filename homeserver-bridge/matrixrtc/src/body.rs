//! Bodies of the token endpoints, of stand-alone focuses and behind homeservers, read as tolerantly as may be, because clients of several
//! generations send them: unknown fields are passed over, a text that is missing or `null` reads as the empty text, a
//! number may be written as `1`, `1.0` or `"1"`. What a body must have, the focus decides.

use serde::de::{DeserializeOwned, Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// `POST /sfu/get`: a member that announces itself by a state event.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SfuGet {
    /// The Matrix room.
    #[serde(deserialize_with = "null_is_default")]
    pub room: String,
    /// Not proven by anybody: OpenID names only the user. May be empty.
    #[serde(deserialize_with = "null_is_default")]
    pub device_id: String,
    /// Who asks.
    #[serde(deserialize_with = "null_is_default")]
    pub openid_token: OpenIdToken,
    /// The delayed leave that the client hands over; empty: none.
    #[serde(deserialize_with = "null_is_default")]
    pub delay_id: String,
    /// How long the homeserver waits before it sends that leave, in ms; 0: not given.
    #[serde(deserialize_with = "whole_number")]
    pub delay_timeout: u64,
}

/// `POST /get_token`: a member of a slot.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GetToken {
    /// The Matrix room.
    #[serde(deserialize_with = "null_is_default")]
    pub room_id: String,
    /// The slot in the room, as `m.call#ROOM`.
    #[serde(deserialize_with = "null_is_default")]
    pub slot_id: String,
    /// Who asks.
    #[serde(deserialize_with = "null_is_default")]
    pub openid_token: OpenIdToken,
    /// As which member.
    #[serde(deserialize_with = "null_is_default")]
    pub member: Member,
    /// The delayed leave that the client hands over; empty: none.
    #[serde(deserialize_with = "null_is_default")]
    pub delay_id: String,
    /// How long the homeserver waits before it sends that leave, in ms; 0: not given.
    #[serde(deserialize_with = "whole_number")]
    pub delay_timeout: u64,
}

/// What a homeserver gives its user as proof for others (client-server API, "OpenID"). Its type and lifetime play no
/// part: the homeserver is asked whether it holds.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OpenIdToken {
    /// Whoever has it can pass for the user at any service that takes such tokens, until it expires.
    #[serde(deserialize_with = "null_is_default")]
    pub access_token: String,
    /// The homeserver to ask, as the client names it.
    #[serde(deserialize_with = "null_is_default")]
    pub matrix_server_name: String,
}

/// A member of a call, as it describes itself.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Member {
    /// A name that the client chose for this membership.
    #[serde(deserialize_with = "null_is_default")]
    pub id: String,
    /// To be compared with what OpenID proves.
    #[serde(deserialize_with = "null_is_default")]
    pub claimed_user_id: String,
    /// Not proven by anybody.
    #[serde(deserialize_with = "null_is_default")]
    pub claimed_device_id: String,
}

/// What comes by way of a homeserver (MSC4195 over MSC4512): `get_token` of its own users and, with `user_id`, of another
/// homeserver; `delegate_delayed_leave`. Both drafts: since September 2026 a member is `member_id`, before it was `member`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SignedAsk {
    /// The homeserver whose SFU is meant; empty: the asker's own.
    #[serde(deserialize_with = "null_is_default")]
    pub server_name: String,
    /// Who asks, as another homeserver says.
    #[serde(deserialize_with = "null_is_default")]
    pub user_id: String,
    /// WebSocket URL of the SFU, as its homeserver announces it.
    #[serde(deserialize_with = "null_is_default")]
    pub url: String,
    /// The Matrix room.
    #[serde(deserialize_with = "null_is_default")]
    pub room_id: String,
    /// The slot in the room, as `m.call#ROOM`.
    #[serde(deserialize_with = "null_is_default")]
    pub slot_id: String,
    /// As which member.
    #[serde(deserialize_with = "null_is_default")]
    pub member_id: String,
    /// As which member, in the earlier draft.
    #[serde(deserialize_with = "null_is_default")]
    pub member: Member,
    /// The delayed leave that the client hands over; empty: none.
    #[serde(deserialize_with = "null_is_default")]
    pub delay_id: String,
    /// How long the homeserver waits before it sends that leave, in ms; 0: not given.
    #[serde(deserialize_with = "whole_number")]
    pub delay_timeout: u64,
}

/// The answer of the token endpoints.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Granted {
    /// WebSocket URL of the SFU.
    pub url: String,
    /// What opens it.
    pub jwt: String,
}

macro_rules! not_shown {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(not shown)"))
            }
        }
    )*};
}
not_shown!(SfuGet, GetToken, SignedAsk, OpenIdToken, Member, Granted);

/// Why a body cannot be read. The sentence names fields and places, never what stood there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, or cut off.
    #[error("the body is not valid JSON (line {line}, column {column})")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// JSON, but a known field has a value that it cannot have, or is there twice.
    #[error("{field} has the wrong type or is there twice (line {line}, column {column})")]
    Shape {
        /// As in `openid_token.access_token`.
        field: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
}

/// Reads a body. The caller bounds its size.
///
/// # Errors
///
/// See [`BodyError`].
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let whole = |error: serde_json::Error, field: String| {
        let (line, column) = (error.line(), error.column());
        if error.is_data() {
            BodyError::Shape { field, line, column }
        } else {
            BodyError::NotJson { line, column }
        }
    };
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "the body".to_owned() } else { path };
        whole(error.into_inner(), field)
    })?;
    json.end().map_err(|error| whole(error, String::new()))?;
    Ok(value)
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// `1`, `1.0` and `"1"`; `null` and what is negative read as 0.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct WholeNumber;

    impl Visitor<'_> for WholeNumber {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
            Ok(u64::try_from(number).unwrap_or(0))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
            if number.fract() == 0.0 {
                Ok(number as u64) // ends at the edges of the type
            } else {
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            let number: f64 = text
                .parse()
                .map_err(|_| E::invalid_type(Unexpected::Other("text"), &self))?;
            self.visit_f64(number)
        }

        fn visit_unit<E: Error>(self) -> Result<u64, E> {
            Ok(0)
        }
    }

    deserializer.deserialize_any(WholeNumber)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unknown_and_empty_fields_do_no_harm() {
        let body: SfuGet = read(
            br#"{"room": "!r:org-a.example", "device_id": null, "delay_cs_api_url": 7, "later": {"a": [1, {}]},
                 "openid_token": {"access_token": "t", "expires_in": "soon", "token_type": 3, "later": null}}"#,
        )
        .unwrap();
        let expected = SfuGet {
            room: "!r:org-a.example".into(),
            openid_token: OpenIdToken {
                access_token: "t".into(),
                ..OpenIdToken::default()
            },
            ..SfuGet::default()
        };
        assert!(body == expected);
        let nothing: GetToken = read(b"{}").unwrap();
        assert!(nothing == GetToken::default());
        let nulls: GetToken =
            read(br#"{"member": null, "openid_token": null, "delay_timeout": null}"#).unwrap();
        assert!(nulls == GetToken::default());
    }

    #[test]
    fn a_number_may_be_written_in_three_ways() {
        let timeout = |written: &str| {
            let body = format!("{{\"delay_timeout\": {written}}}");
            read::<SfuGet>(body.as_bytes()).map(|body| body.delay_timeout)
        };
        for written in ["18000", "18000.0", "1.8e4", "\"18000\"", "\"18000.0\""] {
            assert_eq!(timeout(written), Ok(18_000), "{written}");
        }
        for nothing in ["0", "-1", "-1.0", "null"] {
            assert_eq!(timeout(nothing), Ok(0), "{nothing}");
        }
        for wrong in [
            "1.5", "\"soon\"", "\"\"", "\"NaN\"", "\"inf\"", "true", "[1]", "{}",
        ] {
            assert!(matches!(timeout(wrong), Err(BodyError::Shape { .. })), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_type_is_named_by_its_field_and_place_and_not_repeated() {
        let refused = |body: &str| read::<GetToken>(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            refused(r#"{"openid_token": {"access_token": ["secret"]}}"#),
            "openid_token.access_token has the wrong type or is there twice (line 1, column 34)"
        );
        for body in [
            r#"{"openid_token": "secret"}"#,
            r#"{"member": {"id": 5}}"#,
            r#""secret""#,
            r#"{"room_id": "secret", "room_id": "secret"}"#,
        ] {
            let sentence = refused(body);
            assert!(
                sentence.contains("wrong type") && !sentence.contains("secret"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for body in ["", "{", "{}}", "{\"room\": \"\u{1}\"}", "room=1", "\u{feff}{}"] {
            assert!(
                matches!(read::<SfuGet>(body.as_bytes()), Err(BodyError::NotJson { .. })),
                "{body}"
            );
        }
        assert!(matches!(
            read::<SfuGet>(b"{\"room\": \"\xff\"}"),
            Err(BodyError::NotJson { .. })
        ));
    }

    #[test]
    fn deep_nesting_is_passed_over_or_refused_but_not_followed() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
            let unknown = format!("{{\"x\": {deep}, \"room\": \"!r:a\"}}");
            assert_eq!(read::<SfuGet>(unknown.as_bytes()).unwrap().room, "!r:a");
            for field in ["room", "delay_timeout"] {
                let known = format!("{{\"{field}\": {deep}}}");
                assert!(read::<SfuGet>(known.as_bytes()).is_err(), "{field}");
            }
        }
    }

    #[test]
    fn no_form_for_developers_shows_what_a_body_says() {
        let body: GetToken = read(
            br#"{"room_id": "!secret:a", "openid_token": {"access_token": "secret"}, "member": {"id": "secret"}}"#,
        )
        .unwrap();
        let granted = Granted {
            url: "wss://secret".into(),
            jwt: "secret".into(),
        };
        let shown = format!("{body:?} {:?} {:?} {granted:?}", body.openid_token, body.member);
        assert!(!shown.contains("secret"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange_to_be_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read::<SfuGet>(&bytes);
            let _ = read::<GetToken>(&bytes);
            let _ = read::<SignedAsk>(&bytes);
        }
    }
}
