//! Grants: LiveKit access tokens (JSON Web Tokens, HS256), as the SFU takes them from this focus.
//!
//! Element Call reads `video.room` and `sub` out of a token with the browser's `atob`, which knows neither the letters
//! `-` and `_` of base64url nor UTF-8. Both need bytes that plain ASCII JSON can do without: everything above `~`, and
//! `>`, `?` and `~` (only they give the six-bit groups 62 and 63). So these are written as JSON's `\u` escapes, which
//! change nothing for who parses the JSON.

use crate::policy::Rights;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hanse_runtime::Secret;
use serde::Serialize;
use std::fmt::Write;

/// An API key of the SFU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name, which the token says in `iss`.
    pub name: String,
    /// What signs.
    pub secret: Secret<String>,
}

/// What a participant may do on the SFU: join one room and receive; publish if the policy says so; never make or close
/// rooms, and never change what others are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Name of the room on the SFU.
    pub room: String,
    /// Under which identity.
    pub identity: String,
    /// What it may publish; data goes with tracks.
    pub rights: Rights,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub: &'a str,
    nbf: u64,
    exp: u64,
    video: Video<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Video<'a> {
    #[serde(rename_all = "camelCase")]
    Participant {
        room: &'a str,
        room_join: bool,
        room_create: bool,
        can_publish: bool,
        /// Left out: all of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        can_publish_sources: Option<Vec<&'a str>>,
        can_subscribe: bool,
        can_update_own_metadata: bool,
        hidden: bool,
    },
    #[serde(rename_all = "camelCase")]
    Creator { room_create: bool },
    #[serde(rename_all = "camelCase")]
    Administrator { room: &'a str, room_admin: bool },
}

/// What the focus does through the SFU's server API, and so may with one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Administration<'a> {
    /// Makes and closes rooms.
    Rooms,
    /// Whatever concerns those in one room.
    Room(&'a str),
}

impl ApiKey {
    /// The token for a participant. `None` never happens for claims that JSON can say, which these are.
    pub(crate) fn sign(&self, grant: &Grant, now_unix_s: u64, lifetime_s: u64) -> Option<String> {
        self.token(&Claims {
            iss: &self.name,
            sub: &grant.identity,
            nbf: now_unix_s,
            exp: now_unix_s.saturating_add(lifetime_s),
            video: Video::Participant {
                room: &grant.room,
                room_join: true,
                room_create: false,
                can_publish: grant.rights.publishes(),
                can_publish_sources: grant
                    .rights
                    .publishes_some()
                    .then(|| grant.rights.sources().collect()),
                can_subscribe: true,
                can_update_own_metadata: false,
                hidden: false,
            },
        })
    }

    /// The token with which the focus uses the SFU's server API. `None`: see [`ApiKey::sign`].
    pub(crate) fn sign_administration(
        &self,
        what: Administration<'_>,
        now_unix_s: u64,
        lifetime_s: u64,
    ) -> Option<String> {
        self.token(&Claims {
            iss: &self.name,
            sub: "",
            nbf: now_unix_s,
            exp: now_unix_s.saturating_add(lifetime_s),
            video: match what {
                Administration::Rooms => Video::Creator { room_create: true },
                Administration::Room(room) => Video::Administrator {
                    room,
                    room_admin: true,
                },
            },
        })
    }

    /// The token with which a server is examined: its holder has a room of their own made, hears and says nothing there, and is shown
    /// to nobody. It says nothing of when it begins, so that clocks that differ a little do no harm. `None`: see [`ApiKey::sign`].
    pub fn sign_examination(&self, room: &str, identity: &str, expires_at_unix_s: u64) -> Option<String> {
        self.token(&Claims {
            iss: &self.name,
            sub: identity,
            nbf: 0,
            exp: expires_at_unix_s,
            video: Video::Participant {
                room,
                room_join: true,
                room_create: true,
                can_publish: false,
                can_publish_sources: None,
                can_subscribe: false,
                can_update_own_metadata: false,
                hidden: true,
            },
        })
    }

    fn token(&self, claims: &Claims<'_>) -> Option<String> {
        let payload = atob_safe(&serde_json::to_string(claims).ok()?);
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose().as_bytes());
        let signature = hmac::sign(&key, token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

/// The same JSON, of which base64url is base64. The letters in question stand in JSON only within texts.
fn atob_safe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter < '~' && letter != '>' && letter != '?' {
            safe.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a text cannot fail.
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::alphabet::STANDARD;
    use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const NOW: u64 = 1_700_000_000;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn key() -> ApiKey {
        ApiKey {
            name: "devkey".into(),
            secret: Secret::new(SECRET.into()),
        }
    }

    /// As another library reads it.
    fn claims(token: &str, secret: &str) -> Result<Value, jsonwebtoken::errors::Error> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let key = DecodingKey::from_secret(secret.as_bytes());
        Ok(jsonwebtoken::decode::<Value>(token, &key, &validation)?.claims)
    }

    /// As a browser reads it: `JSON.parse(atob(token.split(".")[1]))`, where `atob` gives one letter for each byte.
    fn claims_in_a_browser(token: &str) -> Value {
        let atob = GeneralPurpose::new(&STANDARD, NO_PAD);
        let bytes = atob.decode(token.split('.').nth(1).unwrap()).unwrap();
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        serde_json::from_str(&text).unwrap()
    }

    fn grant(identity: &str, room: &str) -> Grant {
        Grant {
            room: room.into(),
            identity: identity.into(),
            rights: rights(true, true, true),
        }
    }

    fn rights(camera: bool, microphone: bool, screen: bool) -> Rights {
        Rights {
            role: crate::policy::Role::Participant,
            camera,
            microphone,
            screen,
            bitrate_kbps: None,
        }
    }

    #[test]
    fn a_participant_may_join_one_room_and_nothing_else() {
        let token = key()
            .sign(&grant("@alice:org-a.example:DEV", "room"), NOW, 3600)
            .unwrap();
        let expected = json!({
            "iss": "devkey", "sub": "@alice:org-a.example:DEV", "nbf": NOW, "exp": NOW + 3600,
            "video": {"room": "room", "roomJoin": true, "roomCreate": false, "canPublish": true, "canSubscribe": true,
                      "canUpdateOwnMetadata": false, "hidden": false},
        });
        assert_eq!(claims(&token, SECRET).unwrap(), expected);
        assert!(claims(&token, "another secret").is_err());
    }

    #[test]
    fn who_may_not_publish_may_still_receive() {
        let says = |rights: Rights| {
            let grant = Grant {
                rights,
                ..grant("a", "room")
            };
            let mut video = claims(&key().sign(&grant, NOW, 60).unwrap(), SECRET).unwrap()["video"].take();
            assert_eq!(video["canSubscribe"], true);
            (video["canPublish"].take(), video["canPublishSources"].take())
        };
        assert_eq!(says(rights(false, false, false)), (json!(false), json!(null)));
        assert_eq!(says(rights(true, true, true)), (json!(true), json!(null)));
        assert_eq!(
            says(rights(false, true, false)),
            (json!(true), json!(["microphone"]))
        );
        assert_eq!(
            says(rights(true, false, true)),
            (
                json!(true),
                json!(["camera", "screen_share", "screen_share_audio"])
            )
        );
    }

    #[test]
    fn a_token_for_the_server_api_joins_no_room() {
        for (what, video) in [
            (Administration::Rooms, json!({"roomCreate": true})),
            (Administration::Room("r"), json!({"room": "r", "roomAdmin": true})),
        ] {
            let token = key().sign_administration(what, NOW, 60).unwrap();
            let expected = json!({"iss": "devkey", "nbf": NOW, "exp": NOW + 60, "video": video});
            assert_eq!(claims(&token, SECRET).unwrap(), expected);
        }
    }

    #[test]
    fn a_token_of_known_parts_has_the_known_letters() {
        // The signature is what Python's hmac module makes of it.
        let token = key().sign(&grant("a?b", "r"), NOW, 60).unwrap();
        let payload = "{\"iss\":\"devkey\",\"sub\":\"a\\u003fb\",\"nbf\":1700000000,\"exp\":1700000060,\
                       \"video\":{\"room\":\"r\",\"roomJoin\":true,\"roomCreate\":false,\"canPublish\":true,\
                       \"canSubscribe\":true,\"canUpdateOwnMetadata\":false,\"hidden\":false}}";
        let part = token.split('.').nth(1).unwrap();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(part).unwrap(), payload.as_bytes());
        assert_eq!(
            token.split('.').nth(2).unwrap(),
            "UZTWJVA5glYLy4C8KYzgUpdmQrJH-5_s1idsXLPX2Kc"
        );
    }

    #[test]
    fn who_examines_a_server_gets_a_room_alone_and_nothing_of_it() {
        let token = key()
            .sign_examination("hanse-doctor-1", "hanse-doctor", NOW)
            .unwrap();
        let said = claims(&token, SECRET).unwrap();
        assert_eq!(said["exp"], NOW);
        let video = &said["video"];
        assert_eq!(video["room"], "hanse-doctor-1");
        assert_eq!(
            ["roomCreate", "hidden", "canPublish", "canSubscribe"].map(|right| &video[right]),
            [true, true, false, false].map(Value::from).each_ref()
        );
        assert!(video.get("roomAdmin").is_none());
    }

    #[test]
    fn nothing_secret_shows_in_debug_output() {
        assert!(!format!("{:?}", key()).contains(SECRET));
    }

    proptest! {
        #[test]
        fn every_identity_reaches_a_browser_unchanged(identity in "\\PC{0,40}|[?>~\u{7f}\"\\\\\u{0}-\u{1f}]{0,20}", room in "\\PC{1,20}") {
            let token = key().sign(&grant(&identity, &room), NOW, 60).unwrap();
            let payload = token.split('.').nth(1).unwrap();
            prop_assert!(!payload.contains(['-', '_']), "{payload}");
            for claims in [claims_in_a_browser(&token), claims(&token, SECRET).unwrap()] {
                prop_assert_eq!(claims["sub"].as_str().unwrap_or_default(), &identity);
                prop_assert_eq!(claims["video"]["room"].as_str().unwrap(), &room);
            }
        }
    }
}
