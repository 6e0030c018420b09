//! Where to publish, and the tokens that focuses give.

use crate::matrix::Session;
use crate::tls::Trust;
use anyhow::{Context, Result, bail};
use hanse_matrixrtc::names::ROOM_CALL_SLOT;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a focus may take: it asks homeservers in turn.
const TIMEOUT: Duration = Duration::from_secs(30);

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

/// Asks one's own focus, which makes the room on its SFU, or that of another organisation.
///
/// # Errors
/// With the focus' own words.
pub async fn ask(session: &Session, trust: &Trust, service_url: &str, is_own: bool) -> Result<Grant> {
    let user = session.user.as_str();
    let proof = session
        .rest
        .post(&["v3", "user", user, "openid", "request_token"], json!({}))
        .await?;
    let (room, device) = (session.room.as_str(), session.device_id.as_str());
    let plain = json!({ "room": room, "device_id": device, "openid_token": proof });
    if is_own {
        return post(trust, &format!("{service_url}/sfu/get"), &plain).await;
    }
    // As Element Call asks others: first the newer way, and if that is none, the older.
    let member =
        json!({ "id": format!("{user}:{device}"), "claimed_user_id": user, "claimed_device_id": device });
    let named =
        json!({ "room_id": room, "slot_id": ROOM_CALL_SLOT, "openid_token": proof, "member": member });
    match post(trust, &format!("{service_url}/get_token"), &named).await {
        Ok(grant) => Ok(grant),
        Err(_) => post(trust, &format!("{service_url}/sfu/get"), &plain).await,
    }
}

async fn post(trust: &Trust, url: &str, body: &Value) -> Result<Grant> {
    let request = trust.http()?.post(url).timeout(TIMEOUT);
    let answer = request
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .context("the focus cannot be reached")?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let words = value
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or("no reason is given");
        bail!("the focus refuses with status {}: {words}", status.as_u16());
    }
    serde_json::from_str(&text).context("the focus' answer is none")
}
