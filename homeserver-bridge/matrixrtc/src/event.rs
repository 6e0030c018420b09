//! Events as a homeserver tells them to a client or an application service (client-server API, "ClientEvent").

use crate::{RoomId, UserId};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of a type, a state key or an event id. An event with a longer one is none (the specification's limit).
pub const EVENT_NAME_BYTES_MAX: usize = 255;

/// For at most this long an event is sticky, whatever it says (MSC4354), in ms.
const STICKY_MS_MAX: u64 = 60 * 60 * 1000;

/// An event, as far as calls need it. `Debug` shows its type only.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// Its id; empty where the homeserver names none.
    pub event_id: String,
    /// The room that it is in. `None` where only the question says so (`GET /rooms/{id}/state`).
    pub room_id: Option<RoomId>,
    /// As `m.room.member`.
    pub kind: String,
    /// Who sent it.
    pub sender: UserId,
    /// `None`: no state event.
    pub state_key: Option<String>,
    /// What it says.
    pub content: Map<String, Value>,
    /// When its sender's homeserver says that it was sent, in ms since 1970.
    pub origin_server_ts: u64,
    /// For how long it is sticky (MSC4354), in ms from `origin_server_ts`; 0: not at all.
    pub sticky_ms: u64,
}

impl Event {
    /// Reads an event from its text. Whoever may send events may also nest lists in them until a reader gives up. So what
    /// stands in the content is read one by one, and what cannot be read becomes `null`, which means nothing to anybody.
    pub fn from_json(text: &str) -> Option<Event> {
        let mut event = shallow(text)?;
        let content = shallow(event.remove("content")?.get())?;
        let mut event = readable(event);
        event.insert("content".to_owned(), Value::Object(readable(content)));
        Event::read(Value::Object(event))
    }

    /// Reads an event. `None`: without type, sender or content, or with an id that is none.
    pub fn read(event: Value) -> Option<Event> {
        let Value::Object(mut event) = event else {
            return None;
        };
        let sender = event.get("sender")?.as_str()?.parse().ok()?;
        let room_id = match event.get("room_id") {
            Some(id) => Some(id.as_str()?.parse().ok()?),
            None => None,
        };
        let origin_server_ts = event.get("origin_server_ts").and_then(Value::as_u64).unwrap_or(0);
        let sticky_ms = ["msc4354_sticky", "sticky"]
            .iter()
            .find_map(|key| event.get(*key)?.get("duration_ms")?.as_u64())
            .map_or(0, |duration| duration.min(STICKY_MS_MAX));
        let mut text = |key: &str| match event.remove(key) {
            Some(Value::String(text)) if text.len() <= EVENT_NAME_BYTES_MAX => Some(Some(text)),
            None | Some(Value::Null) => Some(None),
            Some(_) => None,
        };
        let kind = text("type")??;
        let state_key = text("state_key")?;
        let event_id = text("event_id")?.unwrap_or_default();
        let Some(Value::Object(content)) = event.remove("content") else {
            return None;
        };
        Some(Event {
            event_id,
            room_id,
            kind,
            sender,
            state_key,
            content,
            origin_server_ts,
            sticky_ms,
        })
    }
}

/// The keys of an object, and what stands there, unread. Does not follow nesting.
fn shallow(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

fn readable(object: BTreeMap<String, &RawValue>) -> Map<String, Value> {
    object
        .into_iter()
        .map(|(key, value)| (key, serde_json::from_str(value.get()).unwrap_or(Value::Null)))
        .collect()
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({:?}, the rest not shown)", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_read_with_or_without_its_room() {
        let event = Event::read(json!({"type": "m.room.member", "sender": "@a:org-a.example", "state_key": "@a:org-a.example",
            "content": {"membership": "join"}, "origin_server_ts": 5, "event_id": "$e", "unsigned": {"age": 3}}))
        .unwrap();
        assert_eq!(
            (event.kind.as_str(), event.origin_server_ts),
            ("m.room.member", 5)
        );
        assert_eq!((event.room_id, event.sticky_ms), (None, 0));
        let sticky = Event::read(
            json!({"type": "x", "sender": "@a:org-a.example", "room_id": "!r", "content": {},
            "msc4354_sticky": {"duration_ms": 99_999_999_999_u64}}),
        )
        .unwrap();
        assert_eq!(sticky.room_id.unwrap().as_str(), "!r");
        assert_eq!((sticky.sticky_ms, sticky.state_key), (STICKY_MS_MAX, None));
    }

    #[test]
    fn what_is_no_event_is_none() {
        let long = "x".repeat(256);
        for strange in [
            json!(null),
            json!([]),
            json!({}),
            json!({"type": "x", "sender": "a", "content": {}}),
            json!({"type": "x", "sender": "@a:b"}),
            json!({"type": 7, "sender": "@a:b", "content": {}}),
            json!({"type": "x", "sender": "@a:b", "content": []}),
            json!({"type": "x", "sender": "@a:b", "content": {}, "state_key": 5}),
            json!({"type": "x", "sender": "@a:b", "content": {}, "room_id": "r"}),
            json!({"type": long, "sender": "@a:b", "content": {}}),
        ] {
            assert!(Event::read(strange.clone()).is_none(), "{strange:.80}");
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_null_and_hides_nothing_else() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(
            r#"{{"type": "x", "sender": "@a:b", "unsigned": {deep}, "content": {{"strangers": {deep}, "seats": 7}}}}"#
        );
        let event = Event::from_json(&text).unwrap();
        assert_eq!(event.content["seats"], 7);
        assert_eq!(event.content["strangers"], Value::Null);
        for no_event in [
            deep.as_str(),
            "",
            "7",
            "{}",
            r#"{"type": "x", "sender": "@a:b", "content": 7}"#,
        ] {
            assert!(Event::from_json(no_event).is_none(), "{no_event:.20}");
        }
    }

    #[test]
    fn no_form_for_developers_shows_what_an_event_says() {
        let event =
            Event::read(json!({"type": "x", "sender": "@secret:a", "content": {"secret": 1}})).unwrap();
        assert!(!format!("{event:?}").contains("secret"));
    }
}
