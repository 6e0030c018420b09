//! The bot on Matrix: a user with one device, in encrypted rooms and direct messages.
//!
//! In: what people say and how they react. Out: answers, and what [`crate::desk::Desk`] wants told. It is in no room of a meeting, and
//! nothing of what it hears is stored: the SDK keeps keys, rooms and members, not messages.
//!
//! Where to look next: `session.rs` for how it signs in and proves itself, `hear.rs` for what it listens to, `say.rs` for what it sends,
//! `verify.rs` for how its owners verify it.

mod hear;
mod say;
mod session;
mod verify;

pub use say::SayError;

use crate::config::MeetingsConfig;
use crate::desk::To;
use anyhow::{Context, Result};
use hanse_matrixrtc::{RoomId, ServerName, UserId};
use matrix_sdk::Client;
use matrix_sdk::config::SyncSettings;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What follows from a sync, until it is looked at. More than that waits in the homeserver.
const HEARD_MAX: usize = 256;

/// What somebody did.
#[derive(Debug)]
pub enum Heard {
    /// They wrote something.
    Said {
        /// Who.
        user: UserId,
        /// Where.
        room: RoomId,
        /// The text.
        text: String,
        /// Whom it names, the bot not among them.
        mentions: Vec<UserId>,
        /// For whom.
        to: To,
        /// When, in ms since 1970, as the homeserver of the writer says.
        at_ms: i64,
    },
    /// They reacted to a message of the bot's.
    Reacted {
        /// Who.
        user: UserId,
        /// Where.
        room: RoomId,
        /// To which message.
        event: String,
        /// With what.
        key: String,
    },
}

/// The bot, signed in.
#[derive(Clone)]
pub struct Bot {
    client: Client,
    allowed: Arc<[ServerName]>,
}

impl Bot {
    /// Signs in, or goes on with the device that it has, and hears from then on.
    ///
    /// # Errors
    /// In a sentence, with the homeserver's own words.
    pub async fn open(
        config: &MeetingsConfig,
        http: reqwest::Client,
    ) -> Result<(Bot, mpsc::Receiver<Heard>)> {
        let client = session::open(config, http).await?;
        // What was said before the bot was there is not for it.
        if !session::has_synced(&client).await {
            client
                .sync_once(SyncSettings::default())
                .await
                .context("the homeserver does not answer a sync")?;
        }
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        hear::listen(&client, &tell, config)?;
        verify::listen(&client, &config.owners);
        let bot = Bot {
            allowed: hear::allowed(config, &user_of(&client)?),
            client,
        };
        Ok((bot, heard))
    }

    /// Who it is.
    ///
    /// # Errors
    /// When it is not signed in.
    pub fn user(&self) -> Result<UserId> {
        user_of(&self.client)
    }

    /// Follows the homeserver until something is wrong with it that does not pass.
    ///
    /// # Errors
    /// When the device is signed out, or the homeserver does not know it any more.
    pub async fn follow(&self) -> Result<()> {
        hear::answer_invitations(&self.client, &self.allowed).await;
        // Short failures are waited out by the SDK.
        self.client
            .sync(SyncSettings::default())
            .await
            .context("the homeserver cannot be followed any more")
    }
}

fn user_of(client: &Client) -> Result<UserId> {
    let user = client.user_id().context("the bot is not signed in")?;
    Ok(user.as_str().parse()?)
}
