//! The participant's homeserver: signed in as a new device, following one room.

pub mod keys;
pub mod membership;
pub mod rest;

use crate::tls::Trust;
use anyhow::{Context, Result, ensure};
use hanse_matrixrtc::{Event, UserId};
use matrix_sdk::config::SyncSettings;
use matrix_sdk::deserialized_responses::EncryptionInfo;
use matrix_sdk::ruma::events::{AnySyncStateEvent, AnyToDeviceEvent};
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{OwnedRoomId, RoomOrAliasId};
use matrix_sdk::{Client, Room};
use rest::Rest;
use serde_json::Value;
use tokio::sync::mpsc;

/// How others see this device in the list of its user's.
const DEVICE_NAME: &str = "Hanse participant";

/// What follows from a sync, until it is looked at.
const EVENTS_MAX: usize = 4_096;

/// What the homeserver says.
pub enum Told {
    /// An event of the room's state.
    State(Box<Event>),
    /// A message to this device, and by which device it was sealed.
    ToDevice {
        /// Its type.
        kind: String,
        /// Its body.
        content: Value,
        /// Whose device.
        user: UserId,
        /// Which device; `None`: unknown.
        device_id: Option<String>,
    },
    /// The homeserver cannot be followed any more.
    Lost(String),
}

/// A device that is signed in and in a room.
pub struct Session {
    client: Client,
    /// For what the SDK has no words.
    pub rest: Rest,
    /// The room that the call is in.
    pub room: OwnedRoomId,
    /// Who this is.
    pub user: UserId,
    /// Which device this is.
    pub device_id: String,
    /// Whether calls in the room are sealed.
    pub is_encrypted: bool,
    sync: tokio::task::JoinHandle<()>,
}

impl Session {
    /// Signs in with a password and joins the room.
    ///
    /// # Errors
    /// In a sentence, with the homeserver's own words.
    pub async fn open(
        homeserver: &str,
        user: &str,
        password: &str,
        room: &RoomOrAliasId,
        trust: &Trust,
    ) -> Result<(Session, mpsc::Receiver<Told>)> {
        let client = Client::builder()
            .homeserver_url(homeserver)
            .http_client(trust.http()?)
            .build()
            .await
            .context("the homeserver cannot be reached")?;
        client
            .matrix_auth()
            .login_username(user, password)
            .initial_device_display_name(DEVICE_NAME)
            .await
            .context("the homeserver does not sign this user in")?;
        match Session::enter(&client, room, trust).await {
            Ok(entered) => Ok(entered),
            Err(error) => {
                // A device that nobody uses any more would be sent keys for ever.
                let _ = client.matrix_auth().logout().await;
                Err(error)
            }
        }
    }

    async fn enter(
        client: &Client,
        room: &RoomOrAliasId,
        trust: &Trust,
    ) -> Result<(Session, mpsc::Receiver<Told>)> {
        let session = client.session_meta().context("the homeserver names no device")?;
        let user: UserId = session.user_id.as_str().parse()?;
        let device_id = session.device_id.to_string();
        let rest = Rest::new(
            trust.http()?,
            client.homeserver(),
            client.access_token().context("the homeserver gives no token")?,
        );
        let (tell, told) = mpsc::channel(EVENTS_MAX);
        let joined = client
            .join_room_by_id_or_alias(room, &[])
            .await
            .context("this user cannot join the room")?;
        let room = joined.room_id().to_owned();
        listen_to_messages(client, &tell);
        client
            .sync_once(SyncSettings::default())
            .await
            .context("the homeserver does not answer a sync")?;
        let joined = client.get_room(&room).context("the room is not in the sync")?;
        let is_encrypted = joined.latest_encryption_state().await?.is_encrypted();
        // What was before is asked for whole: see `state`.
        listen_to_state(client, &room, &tell);
        let syncing = client.clone();
        let sync = tokio::spawn(async move {
            let ended = syncing.sync(SyncSettings::default()).await;
            let words = ended.err().map(|error| error.to_string()).unwrap_or_default();
            let _ = tell.send(Told::Lost(words)).await;
        });
        let session = Session {
            client: client.clone(),
            rest,
            room,
            user,
            device_id,
            is_encrypted,
            sync,
        };
        Ok((session, told))
    }

    /// Signs out; the device and its keys are gone with it.
    ///
    /// # Errors
    /// When the homeserver does not confirm it.
    pub async fn close(self) -> Result<()> {
        self.sync.abort();
        self.client.matrix_auth().logout().await?;
        Ok(())
    }

    /// The state of the call that stands in the room already.
    ///
    /// # Errors
    /// When the homeserver does not give it.
    pub async fn state(&self) -> Result<Vec<Event>> {
        let answer = self
            .rest
            .get(&["v3", "rooms", self.room.as_str(), "state"], &[])
            .await?;
        let events = answer.as_array().cloned().unwrap_or_default();
        ensure!(!events.is_empty(), "the room has no state");
        Ok(events.into_iter().filter_map(Event::read).collect())
    }
}

fn listen_to_state(client: &Client, room: &OwnedRoomId, tell: &mpsc::Sender<Told>) {
    let state = tell.clone();
    client.add_room_event_handler(room, move |event: Raw<AnySyncStateEvent>, _: Room| {
        let state = state.clone();
        async move {
            if let Some(event) = Event::from_json(event.json().get()) {
                let _ = state.send(Told::State(Box::new(event))).await;
            }
        }
    });
}

fn listen_to_messages(client: &Client, tell: &mpsc::Sender<Told>) {
    let to_device = tell.clone();
    client.add_event_handler(
        move |event: Raw<AnyToDeviceEvent>, info: Option<EncryptionInfo>| {
            let to_device = to_device.clone();
            async move {
                // In clear it could be from anybody.
                if let Some(told) = info.and_then(|info| message(&event, &info)) {
                    let _ = to_device.send(told).await;
                }
            }
        },
    );
}

fn message(event: &Raw<AnyToDeviceEvent>, info: &EncryptionInfo) -> Option<Told> {
    Some(Told::ToDevice {
        kind: event.get_field("type").ok()??,
        content: event.get_field("content").ok()??,
        user: info.sender.as_str().parse().ok()?,
        device_id: info.sender_device.as_ref().map(ToString::to_string),
    })
}
