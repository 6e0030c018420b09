//! This device's membership of the call, in either mode, and the leave that the homeserver sends by itself when nothing is heard any more
//! (MSC4140): kept waiting by this device, or by its focus, which knows sooner and more surely who is gone.

use super::Session;
use super::rest::Refused;
use super::seal::RoomSeal;
use crate::mode::Mode;
use anyhow::{Context, Result};
use hanse_callkeys::rotation::Device;
use hanse_matrixrtc::call_member::{CALL_MEMBER_STATE, CALL_MEMBER_STICKY};
use hanse_matrixrtc::names::ROOM_CALL_SLOT;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// After so long without a word the homeserver says that this device has left (Element Call: the same).
const LEAVE_DELAY: Duration = Duration::from_secs(18);

/// The same if the focus keeps the leave waiting (Element Call: the same).
const DELEGATED_LEAVE_DELAY: Duration = Duration::from_secs(60 * 60);

/// How often a word is said.
pub const HEARTBEAT: Duration = Duration::from_secs(4);

/// For how long a membership in the state holds (matrix-js-sdk: the same).
const EXPIRES: Duration = Duration::from_secs(4 * 60 * 60);

/// For how long one in a sticky event does: the longest that there is (MSC4354).
const STICKY: Duration = Duration::from_secs(60 * 60);

/// A membership is said anew after this, while it holds for some time still.
const RENEWAL: Duration = Duration::from_secs(45 * 60);

const DELAY: &str = "org.matrix.msc4140.delay";
const STICKY_DURATION: &str = "org.matrix.msc4354.sticky_duration_ms";
const STICKY_KEY: &str = "msc4354_sticky_key";

/// How this device is called in a call, and how it says that it is there.
#[derive(Clone, Debug)]
pub struct Identity {
    /// How it says so.
    pub mode: Mode,
    /// The name of its membership.
    pub member_id: String,
}

/// A leave that waits at the homeserver.
#[derive(Clone, Debug)]
pub struct Leave {
    /// What the homeserver calls it.
    pub id: String,
    /// How long it waits.
    pub delay: Duration,
}

/// That this device is in the call.
pub struct Membership {
    identity: Identity,
    service_url: String,
    leave: Leave,
    /// Whether the focus keeps it waiting.
    is_delegated: bool,
    /// When it was first said, in ms since 1970 by the homeserver's clock is not known here; by this one.
    since_ms: u64,
    said_at: Option<Instant>,
    /// What opens it, where it is sealed, and who has that.
    seal: Option<(RoomSeal, BTreeSet<Device>)>,
}

impl Membership {
    /// Has the homeserver keep a leave waiting, before anything is said: for an hour if the focus takes it over, and not for long otherwise.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn book(
        session: &Session,
        identity: Identity,
        service_url: &str,
        delegates: bool,
        now_ms: u64,
    ) -> Result<Membership> {
        let leave = book(session, &identity, delegates).await?;
        Ok(Membership {
            identity,
            service_url: service_url.to_owned(),
            leave,
            is_delegated: delegates,
            since_ms: now_ms,
            said_at: None,
            seal: None,
        })
    }

    /// The leave that waits.
    pub fn leave_at_homeserver(&self) -> &Leave {
        &self.leave
    }

    /// Whether the focus keeps it waiting.
    pub fn is_delegated(&self) -> bool {
        self.is_delegated
    }

    /// Gives what opens the membership to devices of people in the room that do not have it. `None`: it is not sealed.
    pub fn give_seal(&self) -> Option<impl Future<Output = (RoomSeal, BTreeSet<Device>)> + use<>> {
        let (seal, given) = self.seal.clone()?;
        Some(async move {
            let devices = seal.give(given).await;
            (seal, devices)
        })
    }

    /// These devices have it.
    pub fn handle_given(&mut self, seal: &RoomSeal, devices: BTreeSet<Device>) {
        if let Some((current, given)) = &mut self.seal
            && current.is(seal)
        {
            given.extend(devices);
        }
    }

    /// The focus does not take the leave: this device keeps it waiting.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn keep_leave(&mut self, session: &Session) -> Result<()> {
        // Nobody waits for it any more; if it were sent in an hour, nobody would be a member by it.
        let _ = act(session, &self.leave.id, "cancel").await;
        self.leave = book(session, &self.identity, false).await?;
        self.is_delegated = false;
        Ok(())
    }

    /// A new leave for one that is gone: it was sent, or its homeserver has forgotten it.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn book_again(&mut self, session: &Session) -> Result<()> {
        self.leave = book(session, &self.identity, self.is_delegated).await?;
        Ok(())
    }

    /// Says, or says anew, that this device is in the call and publishes at that focus.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn announce(&mut self, session: &Session, now_ms: u64) -> Result<()> {
        match self.identity.mode {
            Mode::Compatibility => {
                let content = self.in_state(session, now_ms);
                write_state(session, &[], content).await?;
            }
            Mode::Matrix20 => {
                let content = self.in_sticky(session);
                let [kind, ..] = CALL_MEMBER_STICKY;
                let (kind, content) = if session.is_encrypted {
                    let (seal, sealed) = RoomSeal::seal(session, kind, &content).await?;
                    // Before the event: who gets it then can read it at once.
                    let given = seal.give(BTreeSet::new()).await;
                    self.seal = Some((seal, given));
                    ("m.room.encrypted", sealed)
                } else {
                    (kind, content)
                };
                write_sticky(session, kind, &[], content).await?;
            }
        }
        self.said_at = Some(Instant::now());
        Ok(())
    }

    /// Whether it has to be said anew.
    pub fn is_due(&self, now: Instant) -> bool {
        self.said_at.is_some_and(|said| now >= said + RENEWAL)
    }

    /// Says that this device is still there. `false`: the homeserver knows of no leave any more, so it may have been sent.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn keep(&self, session: &Session) -> Result<bool> {
        if self.is_delegated {
            return Ok(true);
        }
        match act(session, &self.leave.id, "restart").await {
            Err(error)
                if error
                    .downcast_ref::<Refused>()
                    .is_some_and(|refused| refused.status == 404) =>
            {
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }

    /// Leaves, at once.
    ///
    /// # Errors
    /// With the homeserver's own words. The leave follows by itself then.
    pub async fn leave(&self, session: &Session) -> Result<()> {
        act(session, &self.leave.id, "send").await
    }

    fn in_state(&self, session: &Session, now_ms: u64) -> Value {
        let (room, device) = (session.room.as_str(), &session.device_id);
        // What is said anew holds as long again: readers count from the first time (matrix-js-sdk: the same).
        let age = Duration::from_millis(now_ms.saturating_sub(self.since_ms));
        let mut content = json!({
            "application": "m.call", "call_id": "", "scope": "m.room", "device_id": device,
            "membershipID": self.identity.member_id, "expires": (EXPIRES + age).as_millis(),
            "m.call.intent": "video",
            "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
            "foci_preferred": [{
                "type": "livekit", "livekit_service_url": self.service_url, "livekit_alias": room,
            }],
        });
        if self.said_at.is_some()
            && let Some(content) = content.as_object_mut()
        {
            content.insert("created_ts".to_owned(), self.since_ms.into());
        }
        content
    }

    fn in_sticky(&self, session: &Session) -> Value {
        let id = &self.identity.member_id;
        json!({
            "slot_id": ROOM_CALL_SLOT,
            "application": { "type": "m.call", "m.call.intent": "video" },
            "member": { "user_id": session.user.as_str(), "device_id": session.device_id, "id": id },
            "transports": {
                "published": [{ "type": "livekit", "livekit_service_url": self.service_url }],
                "can_subscribe": ["livekit"],
            },
            "versions": [],
            STICKY_KEY: id,
        })
    }
}

async fn book(session: &Session, identity: &Identity, delegates: bool) -> Result<Leave> {
    let delay = if delegates {
        DELEGATED_LEAVE_DELAY
    } else {
        LEAVE_DELAY
    };
    let query = [(DELAY, &*delay.as_millis().to_string())];
    // A leave is in clear: nobody can seal what is sent much later, for devices that are not known yet.
    let booked = match identity.mode {
        Mode::Compatibility => write_state(session, &query, json!({})).await,
        Mode::Matrix20 => {
            let [kind, ..] = CALL_MEMBER_STICKY;
            let leave = json!({ STICKY_KEY: identity.member_id });
            write_sticky(session, kind, &query, leave).await
        }
    };
    let booked = booked.context("the leave cannot be handed to the homeserver")?;
    let id = booked.get("delay_id").and_then(Value::as_str);
    let id = id
        .context("the homeserver has no delayed events (MSC4140)")?
        .to_owned();
    Ok(Leave { id, delay })
}

async fn act(session: &Session, id: &str, action: &str) -> Result<()> {
    let path = ["unstable", "org.matrix.msc4140", "delayed_events", id, action];
    session.rest.post(&path, json!({})).await?;
    Ok(())
}

async fn write_state(session: &Session, query: &[(&str, &str)], content: Value) -> Result<Value> {
    let key = format!("_{}_{}_m.call", session.user, session.device_id);
    let room = session.room.as_str();
    let path = ["v3", "rooms", room, "state", CALL_MEMBER_STATE, &key];
    session
        .rest
        .put(&path, query, content)
        .await
        .context("the membership cannot be written into the room")
}

async fn write_sticky(
    session: &Session,
    kind: &str,
    query: &[(&str, &str)],
    content: Value,
) -> Result<Value> {
    // Each is sent once: nothing repeats it under the same name.
    let transaction = format!("{:032x}", rand::random::<u128>());
    let path = ["v3", "rooms", session.room.as_str(), "send", kind, &transaction];
    let duration = STICKY.as_millis().to_string();
    let query = [&[(STICKY_DURATION, duration.as_str())], query].concat();
    session
        .rest
        .put(&path, &query, content)
        .await
        .context("the membership cannot be sent to the room")
}
