//! How an owner verifies the bot: they begin it in their client, the bot accepts, and the emoji are in its log to compare. Nobody else can.

use futures_util::StreamExt;
use hanse_matrixrtc::UserId;
use matrix_sdk::Client;
use matrix_sdk::encryption::verification::{
    SasState, SasVerification, Verification, VerificationRequest, VerificationRequestState,
};
use matrix_sdk::ruma::events::key::verification::request::ToDeviceKeyVerificationRequestEvent;
use matrix_sdk::ruma::events::room::message::{MessageType, OriginalSyncRoomMessageEvent};
use std::sync::Arc;

/// Accepts verifications by owners.
pub(super) fn listen(client: &Client, owners: &[UserId]) {
    let owners: Arc<[UserId]> = owners.into();
    let allowed = Arc::clone(&owners);
    client.add_event_handler(
        move |event: ToDeviceKeyVerificationRequestEvent, client: Client| {
            let owners = Arc::clone(&allowed);
            async move {
                if is_owner(&owners, event.sender.as_str()) {
                    let request = client
                        .encryption()
                        .get_verification_request(&event.sender, &event.content.transaction_id)
                        .await;
                    begin(request);
                }
            }
        },
    );
    client.add_event_handler(move |event: OriginalSyncRoomMessageEvent, client: Client| {
        let owners = Arc::clone(&owners);
        async move {
            if matches!(event.content.msgtype, MessageType::VerificationRequest(_))
                && is_owner(&owners, event.sender.as_str())
            {
                begin(
                    client
                        .encryption()
                        .get_verification_request(&event.sender, &event.event_id)
                        .await,
                );
            }
        }
    });
}

fn is_owner(owners: &[UserId], user: &str) -> bool {
    owners.iter().any(|owner| owner.as_str() == user)
}

fn begin(request: Option<VerificationRequest>) {
    if let Some(request) = request {
        tokio::spawn(async move {
            if let Err(error) = follow(request).await {
                tracing::warn!("a verification did not come to its end: {error}");
            }
        });
    }
}

async fn follow(request: VerificationRequest) -> matrix_sdk::Result<()> {
    request.accept().await?;
    let mut changes = request.changes();
    while let Some(state) = changes.next().await {
        match state {
            VerificationRequestState::Transitioned {
                verification: Verification::SasV1(sas),
            } => return compare(sas).await,
            VerificationRequestState::Done | VerificationRequestState::Cancelled(_) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

async fn compare(sas: SasVerification) -> matrix_sdk::Result<()> {
    sas.accept().await?;
    let mut changes = sas.changes();
    while let Some(state) = changes.next().await {
        match state {
            SasState::KeysExchanged {
                emojis: Some(emojis), ..
            } => {
                let words: Vec<_> = emojis.emojis.iter().map(|emoji| emoji.description).collect();
                tracing::info!(
                    "an owner verifies the bot; compare these in your client: {}",
                    words.join(", ")
                );
                // The bot has no eyes. What counts is what the owner confirms; the bot trusts nobody more for it.
                sas.confirm().await?;
            }
            SasState::Done { .. } => {
                tracing::info!("an owner has verified the bot");
                return Ok(());
            }
            SasState::Cancelled(_) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}
