//! This device's membership of the call (MSC3401's state event, as every Element client reads it), and the leave that the homeserver
//! sends by itself when nothing is heard from here any more (MSC4140).

use super::Session;
use anyhow::{Context, Result};
use hanse_matrixrtc::call_member::CALL_MEMBER_STATE;
use serde_json::{Value, json};
use std::time::Duration;

/// After so long without a word the homeserver says that this device has left (Element Call: the same).
const LEAVE_DELAY: Duration = Duration::from_secs(18);

/// How often a word is said.
pub const HEARTBEAT: Duration = Duration::from_secs(4);

/// For how long a membership holds (matrix-js-sdk: the same).
const EXPIRES: Duration = Duration::from_secs(4 * 60 * 60);

/// That this device is in the call.
pub struct Membership {
    /// The leave that waits at the homeserver.
    delay_id: String,
}

impl Membership {
    /// Announces that this device is in the call and publishes at that focus.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn announce(session: &Session, service_url: &str) -> Result<Membership> {
        let delay = LEAVE_DELAY.as_millis().to_string();
        let booked = write(session, &[("org.matrix.msc4140.delay", &delay)], json!({}))
            .await
            .context("the leave cannot be handed to the homeserver")?;
        let delay_id = booked.get("delay_id").and_then(Value::as_str);
        let delay_id = delay_id
            .context("the homeserver has no delayed events (MSC4140)")?
            .to_owned();
        let (room, device) = (session.room.as_str(), &session.device_id);
        let content = json!({
            "application": "m.call", "call_id": "", "scope": "m.room", "device_id": device,
            "membershipID": format!("{}:{device}", session.user), "expires": EXPIRES.as_millis(),
            "m.call.intent": "video",
            "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
            "foci_preferred": [{ "type": "livekit", "livekit_service_url": service_url, "livekit_alias": room }],
        });
        write(session, &[], content)
            .await
            .context("the membership cannot be written into the room")?;
        Ok(Membership { delay_id })
    }

    /// Says that this device is still there.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn keep(&self, session: &Session) -> Result<()> {
        self.act(session, "restart").await
    }

    /// Leaves, at once.
    ///
    /// # Errors
    /// With the homeserver's own words. The leave follows by itself then.
    pub async fn leave(&self, session: &Session) -> Result<()> {
        self.act(session, "send").await
    }

    async fn act(&self, session: &Session, action: &str) -> Result<()> {
        let path = [
            "unstable",
            "org.matrix.msc4140",
            "delayed_events",
            &self.delay_id,
            action,
        ];
        session.rest.post(&path, json!({})).await?;
        Ok(())
    }
}

async fn write(session: &Session, query: &[(&str, &str)], content: Value) -> Result<Value> {
    let key = format!("_{}_{}_m.call", session.user, session.device_id);
    let path = [
        "v3",
        "rooms",
        session.room.as_str(),
        "state",
        CALL_MEMBER_STATE,
        &key,
    ];
    session.rest.put(&path, query, content).await
}
