//! Sticky events of the room (MSC4354), which the SDK's sync passes over: asked for by a sliding sync of their own (MSC4186), with
//! nothing but their extension (MSC4480). It takes no messages to this device, so it can stand beside the SDK's sync.
//!
//! Sealed ones are opened as the SDK opens messages. One whose key has not come waits for it.

use super::rest::Rest;
use super::{Session, Told};
use anyhow::{Context, Result};
use futures_util::StreamExt;
use hanse_matrixrtc::{Event, UserId};
use matrix_sdk::Room;
use matrix_sdk::deserialized_responses::TimelineEventKind;
use matrix_sdk::ruma::serde::Raw;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How long the homeserver may wait for something to say.
const WAIT: Duration = Duration::from_secs(30);

/// After a failure it is asked again after this, and so on until this many failures in a row.
const RETRY: Duration = Duration::from_secs(2);
const FAILURES_MAX: u32 = 30;

/// Sealed events that wait for their keys. Further ones are passed over.
const WAITING_MAX: usize = 256;

/// Reads of the first answers until there is nothing more: Synapse gives 100 events at a time.
const FIRST_READS_MAX: usize = 8;

const EXTENSION: &str = "org.matrix.msc4354.sticky_events";

/// Type of an event that is sealed.
const SEALED: &str = "m.room.encrypted";

#[derive(Deserialize)]
struct Answer<'a> {
    pos: String,
    #[serde(default, borrow)]
    rooms: BTreeMap<String, RoomPart<'a>>,
    #[serde(default, borrow)]
    extensions: BTreeMap<String, &'a RawValue>,
}

#[derive(Default, Deserialize)]
struct RoomPart<'a> {
    #[serde(default, borrow)]
    timeline: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Extension<'a> {
    #[serde(default, borrow)]
    rooms: BTreeMap<String, Events<'a>>,
    next_batch: Option<String>,
}

#[derive(Default, Deserialize)]
struct Events<'a> {
    #[serde(default, borrow)]
    events: Vec<&'a RawValue>,
}

/// A sealed event that cannot be opened yet.
struct Waiting {
    sender: UserId,
    sent_at_ms: u64,
    until_ms: u64,
    json: String,
}

/// Follows the sticky events of one room.
pub struct Sticky {
    rest: Rest,
    room: Room,
    own: UserId,
    pos: Option<String>,
    since: Option<String>,
    waiting: Vec<Waiting>,
}

impl Sticky {
    /// In a session's room, from the beginning.
    ///
    /// # Errors
    /// When the SDK does not know the room.
    pub fn new(session: &Session) -> Result<Sticky> {
        Ok(Sticky {
            rest: session.rest.clone(),
            room: session.sdk_room()?,
            own: session.user.clone(),
            pos: None,
            since: None,
            waiting: Vec::new(),
        })
    }

    /// What stands in the room already.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn first(&mut self) -> Result<Vec<Event>> {
        let mut all = Vec::new();
        for _ in 0..FIRST_READS_MAX {
            let events = self.look(Duration::ZERO).await?;
            if events.is_empty() {
                break;
            }
            all.extend(events);
        }
        Ok(all)
    }

    /// How many events cannot be opened: those of others whose sender has not said in clear since that they have left.
    pub fn sealed(&self) -> usize {
        self.waiting.len()
    }

    /// Tells what comes from now on, for as long as somebody listens.
    pub async fn follow(mut self, tell: mpsc::Sender<Told>) {
        let keys = self.room.client().encryption().room_keys_received_stream().await;
        let mut keys = match keys {
            Some(keys) => keys.map(|_| ()).boxed(),
            None => futures_util::stream::pending().boxed(),
        };
        let mut failures = 0;
        loop {
            let sealed = self.sealed();
            let came = tokio::select! {
                looked = ask(&self.rest, &self.room, self.pos.clone(), self.since.clone(), WAIT) => Some(looked),
                Some(()) = keys.next() => None,
            };
            let events = match came {
                Some(Ok(text)) => {
                    failures = 0;
                    self.read(&text).await.unwrap_or_default()
                }
                Some(Err(error)) => {
                    failures += 1;
                    // A position that is not known any more begins anew (`M_UNKNOWN_POS`).
                    self.pos = None;
                    self.since = None;
                    if failures == FAILURES_MAX {
                        let words = format!("sticky events cannot be followed any more: {error:#}");
                        let _ = tell.send(Told::Lost(words)).await;
                        return;
                    }
                    sleep(RETRY).await;
                    Vec::new()
                }
                None => self.open_waiting().await,
            };
            for event in events {
                if tell.send(Told::Event(Box::new(event))).await.is_err() {
                    return;
                }
            }
            if self.sealed() != sealed && tell.send(Told::Sealed(self.sealed())).await.is_err() {
                return;
            }
        }
    }

    async fn look(&mut self, wait: Duration) -> Result<Vec<Event>> {
        let text = ask(&self.rest, &self.room, self.pos.clone(), self.since.clone(), wait).await?;
        self.read(&text).await
    }

    async fn read(&mut self, text: &str) -> Result<Vec<Event>> {
        let answer: Answer = serde_json::from_str(text).context("the homeserver's answer is none")?;
        let room = self.room.room_id().as_str();
        let extension = answer.extensions.get(EXTENSION);
        let extension: Option<Extension> = extension.and_then(|part| serde_json::from_str(part.get()).ok());
        let timeline = answer.rooms.get(room).map(|part| part.timeline.clone());
        let mut all = timeline.unwrap_or_default();
        if let Some(mut extension) = extension {
            if extension.next_batch.is_some() {
                self.since = extension.next_batch;
            }
            all.extend(extension.rooms.remove(room).unwrap_or_default().events);
        }
        self.pos = Some(answer.pos);
        let mut events = Vec::new();
        for json in all {
            events.extend(self.take(json.get()).await);
        }
        Ok(events)
    }

    /// An event as it is once it is open. `None`: it is not sticky, or closed.
    async fn take(&mut self, json: &str) -> Option<Event> {
        let event =
            Event::from_json(json).filter(|event| event.sticky_ms > 0 && event.state_key.is_none())?;
        if event.kind != SEALED {
            // Who has left is not waited for.
            self.waiting
                .retain(|each| each.sender != event.sender || each.sent_at_ms > event.origin_server_ts);
            return Some(event);
        }
        let opened = open(&self.room, json, event.sticky_ms).await;
        if opened.is_none() && event.sender != self.own && self.waiting.len() < WAITING_MAX {
            self.waiting.push(Waiting {
                sender: event.sender,
                sent_at_ms: event.origin_server_ts,
                until_ms: event.origin_server_ts.saturating_add(event.sticky_ms),
                json: json.to_owned(),
            });
        }
        opened
    }

    async fn open_waiting(&mut self) -> Vec<Event> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut events = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            if u128::from(waiting.until_ms) > now.as_millis() {
                events.extend(self.take(&waiting.json).await);
            }
        }
        events
    }
}

async fn ask(
    rest: &Rest,
    room: &Room,
    pos: Option<String>,
    since: Option<String>,
    wait: Duration,
) -> Result<String> {
    let mut extension = json!({ "enabled": true });
    if let (Some(since), Some(extension)) = (since, extension.as_object_mut()) {
        extension.insert("since".to_owned(), since.into());
    }
    let body = json!({
        "conn_id": "sticky",
        "room_subscriptions": { room.room_id(): { "timeline_limit": 0, "required_state": [] } },
        "extensions": { EXTENSION: extension },
    });
    let timeout = wait.as_millis().to_string();
    let mut query = vec![("timeout", timeout.as_str())];
    query.extend(pos.as_deref().map(|pos| ("pos", pos)));
    let path = ["unstable", "org.matrix.simplified_msc3575", "sync"];
    rest.wait(&path, &query, body, wait).await
}

/// Opens a sealed event as the SDK does; that it is sticky is said outside.
async fn open(room: &Room, json: &str, sticky_ms: u64) -> Option<Event> {
    let sealed = Raw::from_json_string(json.to_owned()).ok()?;
    let opened = room.decrypt_event(&sealed, None).await.ok()?;
    let TimelineEventKind::Decrypted(opened) = opened.kind else {
        return None;
    };
    let mut event = Event::from_json(opened.event.json().get())?;
    event.sticky_ms = sticky_ms;
    Some(event)
}
