//! Keys of the call, from device to device, sealed with Olm by the SDK.

use super::Session;
use hanse_callkeys::envelope::{KEYS, KeyMessage};
use hanse_callkeys::rotation::Device;
use hanse_callkeys::{KeyIndex, MediaKey};
use matrix_sdk::Client;
use matrix_sdk::encryption::identities::Device as Known;
use matrix_sdk::ruma::UserId;
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk_crypto::CollectStrategy;
use std::time::{SystemTime, UNIX_EPOCH};

/// Sends the key to these devices, and gives those that it could not be sent to. What it needs of the session is taken along, so that
/// the call goes on meanwhile.
pub fn send(
    session: &Session,
    member_id: &str,
    index: KeyIndex,
    key: MediaKey,
    to: Vec<Device>,
) -> impl Future<Output = Vec<Device>> + use<> {
    let message = KeyMessage {
        room_id: session.room.to_string(),
        member_id: member_id.to_owned(),
        claimed_device_id: Some(session.device_id.clone()),
        index,
        key,
        sent_at_ms: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64),
    };
    let client = session.client.clone();
    async move {
        let mut known = Vec::new();
        let mut failed = Vec::new();
        for device in to {
            match find(&client, &device).await {
                Some(found) => known.push((device, found)),
                None => failed.push(device),
            }
        }
        let Ok(content) = Raw::new(&message.content()) else {
            return failed;
        };
        let recipients = known.iter().map(|(_, found)| found).collect();
        let sent = client
            .encryption()
            .encrypt_and_send_raw_to_device(
                recipients,
                KEYS,
                content.cast_unchecked(),
                CollectStrategy::AllDevices,
            )
            .await;
        match sent {
            Ok(not_sent) => failed.extend(known.into_iter().map(|(device, _)| device).filter(|device| {
                not_sent.iter().any(|(user, id)| {
                    user.as_str() == device.user.as_str() && id.as_str() == device.device_id
                })
            })),
            Err(_) => failed.extend(known.into_iter().map(|(device, _)| device)),
        }
        failed
    }
}

/// A device with its keys. Of one that nothing is known of, the homeserver is asked: it may be of another organisation and new.
pub(super) async fn find(client: &Client, device: &Device) -> Option<Known> {
    let user = <&UserId>::try_from(device.user.as_str()).ok()?;
    let id = device.device_id.as_str().into();
    if let Ok(Some(found)) = client.encryption().get_device(user, id).await {
        return Some(found);
    }
    client.encryption().request_user_identity(user).await.ok()?;
    client.encryption().get_device(user, id).await.ok()?
}
