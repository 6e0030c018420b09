//! How the bot signs in: once, with its password; from then on with the device that is in its folder. If the folder is lost, it signs in
//! as a new device, and signs that with the identity that people have verified, if its recovery key was kept.

use crate::config::MeetingsConfig;
use anyhow::{Context, Result};
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::encryption::EncryptionSettings;
use matrix_sdk::encryption::recovery::RecoveryState;
use matrix_sdk::ruma::api::client::uiaa::{AuthData, Password, UserIdentifier};
use matrix_sdk::{Client, SessionMeta, SessionTokens};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// How others see the device.
const DEVICE_NAME: &str = "Hanse meetings";

/// In the data folder: the device and its token.
const SESSION: &str = "session.json";

/// In the data folder: opens the bot's identity on a new device. Copy it to a safe place.
const RECOVERY_KEY: &str = "recovery-key";

/// In the data folder: the SDK's store.
const STORE: &str = "matrix";

/// A device that is signed in.
#[derive(Serialize, Deserialize)]
struct Session {
    user_id: String,
    device_id: String,
    access_token: String,
}

/// A client that is signed in and has an identity.
pub(super) async fn open(config: &MeetingsConfig, http: reqwest::Client) -> Result<Client> {
    let data = &config.data;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the folder {} cannot be made", data.display()))?;
    let kept = read_session(data)?;
    if kept.is_none() {
        // Keys of a device that cannot be used any more open nothing.
        let _ = std::fs::remove_dir_all(data.join(STORE));
    }
    let client = Client::builder()
        .homeserver_url(&config.homeserver)
        .http_client(http)
        // What was asked for is what is looked at, whatever name the homeserver has for itself.
        .respect_login_well_known(false)
        .sqlite_store(data.join(STORE), None)
        .with_encryption_settings(EncryptionSettings {
            auto_enable_cross_signing: false,
            auto_enable_backups: false,
            ..EncryptionSettings::default()
        })
        .build()
        .await
        .context("the homeserver cannot be reached")?;
    match kept {
        Some(session) => client
            .restore_session(session)
            .await
            .context("the bot's device cannot be used any more")?,
        None => {
            let user = config.user.trim_start_matches('@');
            client
                .matrix_auth()
                .login_username(user, config.password.expose())
                .initial_device_display_name(DEVICE_NAME)
                .await
                .context("the homeserver does not sign the bot in")?;
            write_session(data, &client)?;
        }
    }
    prove(&client, config).await?;
    Ok(client)
}

/// Whether the device has been in a sync before.
pub(super) async fn has_synced(client: &Client) -> bool {
    !client.rooms().is_empty()
}

/// Gives the device the bot's identity (cross-signing), so that careful clients send it keys and people verify it once for all.
async fn prove(client: &Client, config: &MeetingsConfig) -> Result<()> {
    let encryption = client.encryption();
    encryption.wait_for_e2ee_initialization_tasks().await;
    if encryption
        .cross_signing_status()
        .await
        .is_some_and(|status| status.is_complete())
    {
        return Ok(());
    }
    let key_file = config.data.join(RECOVERY_KEY);
    let recovery = encryption.recovery();
    if key_file.exists() {
        let key = std::fs::read_to_string(&key_file)
            .with_context(|| format!("{} cannot be read", key_file.display()))?;
        // The state of recovery is known only after a sync.
        client
            .sync_once(matrix_sdk::config::SyncSettings::default())
            .await
            .context("the homeserver does not answer a sync")?;
        match recovery.recover(key.trim()).await {
            Ok(()) => {
                tracing::info!("the bot's identity is back, by its recovery key");
                return Ok(());
            }
            Err(error) => tracing::warn!(
                "the recovery key does not open the bot's identity, so it gets a new one: {error}"
            ),
        }
    }
    let user = client.user_id().context("the bot is not signed in")?;
    let password = || {
        let identifier = UserIdentifier::Matrix(
            matrix_sdk::ruma::api::client::uiaa::MatrixUserIdentifier::new(user.localpart().to_owned()),
        );
        Password::new(identifier, config.password.expose().clone())
    };
    if let Err(error) = encryption.bootstrap_cross_signing(None).await {
        let response = error.as_uiaa_response().cloned();
        let Some(response) = response else {
            return Err(error).context("the bot's identity cannot be made");
        };
        let mut password = password();
        password.session = response.session;
        encryption
            .bootstrap_cross_signing(Some(AuthData::Password(password)))
            .await
            .context("the homeserver does not take the bot's identity")?;
    }
    tracing::info!("the bot has a new identity; whoever had verified it has to do that again");
    if recovery.state() != RecoveryState::Enabled {
        let _ = recovery.disable().await;
    }
    let key = recovery
        .enable()
        .await
        .context("the bot's identity cannot be kept for a new device")?;
    write_secret(&key_file, key.as_bytes())?;
    tracing::info!(
        "keep a copy of {}: with it the bot is itself again when its folder is lost",
        key_file.display()
    );
    Ok(())
}

fn read_session(data: &Path) -> Result<Option<MatrixSession>> {
    let path = data.join(SESSION);
    if !path.exists() {
        return Ok(None);
    }
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    // The parser's words could quote the token.
    let Ok(Session {
        user_id,
        device_id,
        access_token,
    }) = serde_json::from_str(&text)
    else {
        anyhow::bail!(
            "{} is damaged: delete it, and the bot signs in as a new device",
            path.display()
        );
    };
    Ok(Some(MatrixSession {
        meta: SessionMeta {
            user_id: user_id
                .as_str()
                .try_into()
                .context("the bot's session names no user")?,
            device_id: device_id.into(),
        },
        tokens: SessionTokens {
            access_token,
            refresh_token: None,
        },
    }))
}

fn write_session(data: &Path, client: &Client) -> Result<()> {
    let session = client
        .matrix_auth()
        .session()
        .context("the homeserver names no device")?;
    let session = Session {
        user_id: session.meta.user_id.to_string(),
        device_id: session.meta.device_id.to_string(),
        access_token: session.tokens.access_token,
    };
    write_secret(&data.join(SESSION), &serde_json::to_vec(&session)?)
}

/// Whole or not at all, and for nobody else to read.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<()> {
    let half = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&half, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}
