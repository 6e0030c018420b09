//! Where to publish, and the tokens that focuses give.

use crate::matrix::Session;
use crate::matrix::membership::{Identity, Leave};
use crate::matrix::rest::Rest;
use crate::mode::Mode;
use crate::tls::{Trust, text};
use anyhow::{Context, Result};
use hanse_matrixrtc::names::ROOM_CALL_SLOT;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// How long a focus may take: it asks homeservers in turn.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer: a token and a URL. A longer one is refused.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What a focus gives.
#[derive(Deserialize)]
pub struct Grant {
    /// The SFU's WebSocket URL.
    pub url: String,
    /// What opens it.
    pub jwt: String,
}

/// The focus that this user's homeserver names (MSC4143's endpoint, as Element Call asks).
///
/// # Errors
/// When it names none.
pub async fn own(session: &Session) -> Result<String> {
    let path = ["unstable", "org.matrix.msc4143", "rtc", "transports"];
    let answer = session.rest.get(&path, &[]).await?;
    let transports = answer.get("rtc_transports").and_then(Value::as_array);
    transports
        .into_iter()
        .flatten()
        .filter(|transport| transport.get("type").and_then(Value::as_str) == Some("livekit"))
        .find_map(|transport| transport.get("livekit_service_url")?.as_str())
        .map(|url| url.trim_end_matches('/').to_owned())
        .context("the homeserver names no focus: its `matrix_rtc.transports` is empty")
}

/// Whom a focus is to believe that it is, and about which call.
#[derive(Clone)]
pub struct Asker {
    rest: Rest,
    trust: Trust,
    user: String,
    device_id: String,
    room: String,
    identity: Identity,
}

impl Asker {
    /// The device of a session, as it is called in the call.
    pub fn new(session: &Session, trust: &Trust, identity: Identity) -> Asker {
        Asker {
            rest: session.rest.clone(),
            trust: trust.clone(),
            user: session.user.to_string(),
            device_id: session.device_id.clone(),
            room: session.room.to_string(),
            identity,
        }
    }

    /// Asks one's own focus, which makes the room on its SFU and takes over the leave that waits.
    ///
    /// # Errors
    /// With the focus' own words; its status is in [`Refused`].
    pub async fn own(&self, service_url: &str, leave: Option<Leave>) -> Result<Grant> {
        let proof = self.proof().await?;
        let mut body = match self.identity.mode {
            Mode::Compatibility => self.plain(&proof),
            Mode::Matrix20 => self.named(&proof),
        };
        if let (Some(leave), Some(body)) = (leave, body.as_object_mut()) {
            body.insert("delay_id".to_owned(), leave.id.into());
            body.insert(
                "delay_timeout".to_owned(),
                (leave.delay.as_millis() as u64).into(),
            );
            body.insert(
                "delay_cs_api_url".to_owned(),
                self.rest.homeserver().as_str().trim_end_matches('/').into(),
            );
        }
        let path = match self.identity.mode {
            Mode::Compatibility => "sfu/get",
            Mode::Matrix20 => "get_token",
        };
        self.post(&format!("{service_url}/{path}"), &body).await
    }

    /// Asks the focus of another organisation, as Element Call does: first the newer way, and if that is none, the older.
    ///
    /// # Errors
    /// As [`own`](Self::own).
    pub async fn other(&self, service_url: &str) -> Result<Grant> {
        let proof = self.proof().await?;
        match self
            .post(&format!("{service_url}/get_token"), &self.named(&proof))
            .await
        {
            Ok(grant) => Ok(grant),
            // Only the newer way knows the name that others expect in this mode.
            Err(error) if self.identity.mode == Mode::Matrix20 => Err(error),
            Err(_) => {
                self.post(&format!("{service_url}/sfu/get"), &self.plain(&proof))
                    .await
            }
        }
    }

    /// Whether a focus takes leaves over (Element Call asks the same way): whatever it answers but that there is nothing.
    pub async fn can_delegate(&self, service_url: &str) -> bool {
        let Ok(http) = self.trust.http() else { return false };
        let request = http
            .post(format!("{service_url}/delegate_delayed_leave"))
            .timeout(TIMEOUT);
        match request.send().await {
            Ok(answer) => answer.status().as_u16() != 404,
            Err(_) => false,
        }
    }

    /// What proves to others who this is (OpenID).
    async fn proof(&self) -> Result<Value> {
        let path = ["v3", "user", &self.user, "openid", "request_token"];
        self.rest.post(&path, json!({})).await
    }

    fn plain(&self, proof: &Value) -> Value {
        json!({ "room": self.room, "device_id": self.device_id, "openid_token": proof })
    }

    fn named(&self, proof: &Value) -> Value {
        let member = json!({
            "id": self.identity.member_id,
            "claimed_user_id": self.user,
            "claimed_device_id": self.device_id,
        });
        json!({
            "room_id": self.room, "slot_id": ROOM_CALL_SLOT, "openid_token": proof, "member": member,
        })
    }

    async fn post(&self, url: &str, body: &Value) -> Result<Grant> {
        let request = self.trust.http()?.post(url).timeout(TIMEOUT);
        let answer = request
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .context("the focus cannot be reached")?;
        let status = answer.status();
        let text = text(answer, ANSWER_BYTES_MAX)
            .await
            .context("the focus' answer cannot be read")?;
        if !status.is_success() {
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            let words = value.get("error").and_then(Value::as_str);
            return Err(Refused {
                status: status.as_u16(),
                words: words.unwrap_or("no reason is given").to_owned(),
            }
            .into());
        }
        serde_json::from_str(&text).context("the focus' answer is none")
    }
}

/// What a focus refuses, with its own words.
#[derive(Debug)]
pub struct Refused {
    /// The status of its answer.
    pub status: u16,
    words: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { status, words } = self;
        write!(f, "the focus refuses with status {status}: {words}")
    }
}

impl std::error::Error for Refused {}
