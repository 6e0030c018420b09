//! The participant's homeserver: signed in as a new device, following one room.

pub mod keys;
pub mod membership;
pub mod rest;
pub mod seal;
pub mod sticky;

use crate::tls::Trust;
use anyhow::{Context, Result, bail, ensure};
use hanse_callkeys::rotation::Device;
use hanse_matrixrtc::{Event, UserId};
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::SyncSettings;
use matrix_sdk::deserialized_responses::EncryptionInfo;
use matrix_sdk::ruma::events::{AnySyncStateEvent, AnyToDeviceEvent};
use matrix_sdk::ruma::serde::Raw;
use matrix_sdk::ruma::{OwnedRoomId, RoomOrAliasId};
use matrix_sdk::{Client, Room};
use rest::Rest;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

/// How others see this device in the list of its user's.
const DEVICE_NAME: &str = "Hanse participant";

/// What follows from a sync, until it is looked at.
const EVENTS_MAX: usize = 4_096;

/// What the homeserver says.
pub enum Told {
    /// An event of the room's state, or a sticky one.
    Event(Box<Event>),
    /// So many sticky events are sealed, and this device has no key for them.
    Sealed(usize),
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

/// What proves who the participant is.
pub enum Access {
    /// Name and password: a new device is signed in.
    Password {
        /// As alice or @alice:example.org
        user: String,
        /// Of the account.
        password: String,
    },
    /// A device that somebody else has signed in, which has not been used for anything yet.
    Session(Box<MatrixSession>),
}

impl Access {
    /// Reads a device that is signed in: JSON with `user_id`, `device_id` and `access_token`, as a homeserver answers to a log-in.
    ///
    /// # Errors
    /// When it is no such JSON. The sentence shows nothing of it.
    pub fn session(json: &str) -> Result<Access> {
        match serde_json::from_str(json) {
            Ok(session) => Ok(Access::Session(Box::new(session))),
            Err(_) => bail!("the session file is JSON with `user_id`, `device_id` and `access_token`"),
        }
    }
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
    /// Whether the homeserver has sticky events (MSC4354).
    pub has_sticky_events: bool,
    tell: mpsc::Sender<Told>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Session {
    /// Signs in and joins the room.
    ///
    /// # Errors
    /// In a sentence, with the homeserver's own words.
    pub async fn open(
        homeserver: &str,
        access: Access,
        room: &RoomOrAliasId,
        trust: &Trust,
    ) -> Result<(Session, mpsc::Receiver<Told>)> {
        let client = Client::builder()
            .homeserver_url(homeserver)
            .http_client(trust.http()?)
            // What was asked for is what is looked at, whatever name the homeserver has for itself.
            .respect_login_well_known(false)
            .build()
            .await
            .context("the homeserver cannot be reached")?;
        match access {
            Access::Password { user, password } => client
                .matrix_auth()
                .login_username(&user, &password)
                .initial_device_display_name(DEVICE_NAME)
                .await
                .map(drop)
                .context("the homeserver does not sign this user in")?,
            Access::Session(session) => client
                .restore_session(*session)
                .await
                .context("the session file cannot be used")?,
        }
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
        let has_sticky_events = has_feature(&rest, "org.matrix.msc4354").await?;
        let last = tell.clone();
        let sync = tokio::spawn(async move {
            let ended = syncing.sync(SyncSettings::default()).await;
            let words = ended.err().map(|error| error.to_string()).unwrap_or_default();
            let _ = last.send(Told::Lost(words)).await;
        });
        let session = Session {
            client: client.clone(),
            rest,
            room,
            user,
            device_id,
            is_encrypted,
            has_sticky_events,
            tell,
            tasks: vec![sync],
        };
        Ok((session, told))
    }

    /// Signs out; the device and its keys are gone with it.
    ///
    /// # Errors
    /// When the homeserver does not confirm it.
    pub async fn close(self) -> Result<()> {
        for task in &self.tasks {
            task.abort();
        }
        self.client.matrix_auth().logout().await?;
        Ok(())
    }

    /// The state of the room as it stands.
    ///
    /// # Errors
    /// When the homeserver does not give it.
    pub async fn state(&self) -> Result<Vec<Event>> {
        let path = ["v3", "rooms", self.room.as_str(), "state"];
        let text = self.rest.get_text(&path, &[]).await?;
        // Each by itself: what one of them holds may be such that no reader gets behind it.
        let events: Vec<&RawValue> =
            serde_json::from_str(&text).context("the room's state cannot be read")?;
        ensure!(!events.is_empty(), "the room has no state");
        Ok(events
            .into_iter()
            .filter_map(|event| Event::from_json(event.get()))
            .collect())
    }

    /// Has sticky events followed from where this one is; they are told with the rest.
    pub fn follow(&mut self, sticky: sticky::Sticky) {
        self.tasks.push(tokio::spawn(sticky.follow(self.tell.clone())));
    }

    /// This device.
    pub fn device(&self) -> Device {
        Device {
            user: self.user.clone(),
            device_id: self.device_id.clone(),
        }
    }

    fn sdk_room(&self) -> Result<Room> {
        self.client
            .get_room(&self.room)
            .context("the room is not in the sync")
    }
}

/// Whether the homeserver says that it has an unstable feature.
async fn has_feature(rest: &Rest, name: &str) -> Result<bool> {
    let versions = rest.get(&["versions"], &[]).await?;
    let feature = versions
        .get("unstable_features")
        .and_then(|features| features.get(name));
    Ok(feature.and_then(Value::as_bool).unwrap_or(false))
}

fn listen_to_state(client: &Client, room: &OwnedRoomId, tell: &mpsc::Sender<Told>) {
    let state = tell.clone();
    client.add_room_event_handler(room, move |event: Raw<AnySyncStateEvent>, _: Room| {
        let state = state.clone();
        async move {
            if let Some(event) = Event::from_json(event.json().get()) {
                let _ = state.send(Told::Event(Box::new(event))).await;
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
