//! Access tokens (LiveKit's grants as JWT, HS256).

use anyhow::Context;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// An API key that the server knows.
#[derive(Clone)]
pub struct ApiKey {
    /// Its name.
    pub name: String,
    /// What signs.
    pub secret: String,
}

impl ApiKey {
    /// A token with which `identity` may join `room`, publish and subscribe, for an hour.
    pub fn seat(&self, room: &str, identity: &str) -> anyhow::Result<String> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("the clock stands before 1970")?
            .as_secs();
        let claims = json!({
            "iss": self.name,
            "sub": identity,
            "nbf": now.saturating_sub(10),
            "exp": now + 3600,
            "video": { "roomJoin": true, "room": room, "canPublish": true, "canSubscribe": true },
        });
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        Ok(encode(&Header::default(), &claims, &key)?)
    }
}
