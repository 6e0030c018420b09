//! The seal of this device's membership in an encrypted room: a Megolm session of its own, for one event, whose key is given to every
//! device of everybody in the room through Olm. Element's clients open it as they open any message of the room.
//!
//! The SDK's own session is not used, because the SDK sends what it seals by itself, and not as a sticky event. A session for each event
//! has an advantage: whoever comes later with a new device, and is in the room, can be given the key of that one event and of nothing else.

use super::Session;
use super::keys::find;
use anyhow::{Context, Result};
use hanse_callkeys::rotation::Device;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::{Client, RoomMemberships};
use matrix_sdk_crypto::CollectStrategy;
use matrix_sdk_crypto::olm::{EncryptionSettings, IdentityKeys, OutboundGroupSession, SessionKey};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Type of the message that carries the key of a session.
const ROOM_KEY: &str = "m.room_key";

/// Devices that the key is given to. Further ones cannot read the membership.
const DEVICES_MAX: usize = 4_096;

/// The seal of one event.
#[derive(Clone)]
pub struct RoomSeal {
    client: Client,
    room: matrix_sdk::Room,
    session_id: Arc<str>,
    /// As it was before the event, or the event would be closed to whoever has it.
    key: Arc<SessionKey>,
    own: Device,
}

impl RoomSeal {
    /// Seals a body of this type, as the content of an `m.room.encrypted`.
    ///
    /// # Errors
    /// When this device has no keys.
    pub async fn seal(session: &Session, kind: &str, content: &Value) -> Result<(RoomSeal, Value)> {
        let own = session.client.encryption().get_own_device().await?;
        let own = own.context("this device has no keys")?;
        let keys = IdentityKeys {
            ed25519: own.ed25519_key().context("this device has no signing key")?,
            curve25519: own.curve25519_key().context("this device has no Olm key")?,
        };
        let settings = EncryptionSettings::default();
        let megolm = OutboundGroupSession::new(
            own.device_id().to_owned(),
            Arc::new(keys),
            &session.room,
            settings,
        )
        .context("the membership cannot be sealed")?;
        let key = Arc::new(megolm.session_key().await);
        let content = Raw::new(content)?.cast_unchecked();
        let sealed = megolm.encrypt(kind, &content).await.content;
        let seal = RoomSeal {
            client: session.client.clone(),
            room: session.sdk_room()?,
            session_id: megolm.session_id().into(),
            key,
            own: session.device(),
        };
        Ok((seal, serde_json::from_str(sealed.json().get())?))
    }

    /// Gives the key to the devices of people in the room who do not have it: all but those in `given`. Those that have it then.
    pub async fn give(&self, given: BTreeSet<Device>) -> BTreeSet<Device> {
        self.try_to_give(&given).await.unwrap_or_default()
    }

    /// Whether both are of one event.
    pub fn is(&self, other: &RoomSeal) -> bool {
        self.session_id == other.session_id
    }

    async fn try_to_give(&self, given: &BTreeSet<Device>) -> Result<BTreeSet<Device>> {
        let due: Vec<Device> = self
            .devices(given.is_empty())
            .await?
            .into_iter()
            .filter(|device| *device != self.own && !given.contains(device))
            .take(DEVICES_MAX.saturating_sub(given.len()))
            .collect();
        let mut known = Vec::new();
        for device in due {
            if let Some(found) = find(&self.client, &device).await {
                known.push((device, found));
            }
        }
        if known.is_empty() {
            return Ok(BTreeSet::new());
        }
        let content = json!({
            "algorithm": "m.megolm.v1.aes-sha2", "room_id": self.room.room_id(),
            "session_id": self.session_id, "session_key": self.key.to_base64(),
        });
        let not_sent = self
            .client
            .encryption()
            .encrypt_and_send_raw_to_device(
                known.iter().map(|(_, found)| found).collect(),
                ROOM_KEY,
                Raw::new(&content)?.cast_unchecked(),
                CollectStrategy::AllDevices,
            )
            .await?;
        let is_sent = |device: &Device| {
            !not_sent
                .iter()
                .any(|(user, id)| user.as_str() == device.user.as_str() && id.as_str() == device.device_id)
        };
        Ok(known
            .into_iter()
            .map(|(device, _)| device)
            .filter(is_sent)
            .collect())
    }

    /// Every device of everybody who is in the room, as far as this device knows. With `asks` it asks about whom it knows nothing of.
    async fn devices(&self, asks: bool) -> Result<Vec<Device>> {
        let mut devices = Vec::new();
        for member in self.room.members(RoomMemberships::JOIN).await? {
            let Ok(user) = member.user_id().as_str().parse::<hanse_matrixrtc::UserId>() else {
                continue;
            };
            let encryption = self.client.encryption();
            let mut known = encryption.get_user_devices(member.user_id()).await?;
            if asks && known.devices().next().is_none() {
                // Nothing is known of whoever cannot be asked about, which is told to nobody here.
                let _ = encryption.request_user_identity(member.user_id()).await;
                known = encryption.get_user_devices(member.user_id()).await?;
            }
            devices.extend(known.devices().map(|device| Device {
                user: user.clone(),
                device_id: device.device_id().to_string(),
            }));
        }
        Ok(devices)
    }
}
