//! The bodies of the messages that carry a key from device to device. They are sealed with Olm before they leave; a body that came in
//! clear must not get here.
//!
//! Written is what matrix-js-sdk writes and reads (`ToDeviceKeyTransport.ts`); read is that, and the form of MSC4143.

use crate::{KeyIndex, MediaKey, NoKey};
use serde_json::{Value, json};

/// Type of the message, as deployed.
pub const KEYS: &str = "io.element.call.encryption_keys";

/// Types of the message in MSC4143, before and after it is accepted.
pub const KEY_MSC4143: [&str; 2] = ["org.matrix.msc4143.rtc.encryption_key", "m.rtc.encryption_key"];

/// Bytes of an id in a message. One with a longer id is not read.
const ID_BYTES_MAX: usize = 255;

/// A key as it travels. Who sent it, the Olm message says, not this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMessage {
    /// The room whose call it is for.
    pub room_id: String,
    /// The name of the sender's membership.
    pub member_id: String,
    /// The device that says to have sent it; `None` in MSC4143's form, where Olm alone says it.
    pub claimed_device_id: Option<String>,
    /// Which of the sender's keys.
    pub index: KeyIndex,
    /// The key.
    pub key: MediaKey,
    /// When it was sent by the sender's clock, in ms since 1970; 0 where the message does not say so.
    pub sent_at_ms: u64,
}

/// Why a body carries no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// Another type of message.
    #[error("the message is of another type")]
    Type,
    /// Something is not there, or not of its type.
    #[error("the message has no valid `{0}`")]
    Field(&'static str),
    /// What stands where the key should be.
    #[error(transparent)]
    Key(#[from] NoKey),
}

impl KeyMessage {
    /// The body, for the type [`KEYS`].
    pub fn content(&self) -> Value {
        json!({
            "keys": { "index": self.index.0, "key": *self.key.to_base64() },
            "room_id": self.room_id,
            "member": { "id": self.member_id, "claimed_device_id": self.claimed_device_id },
            "session": { "call_id": "", "application": "m.call", "scope": "m.room" },
            "sent_ts": self.sent_at_ms,
        })
    }

    /// Reads a body of either form.
    ///
    /// # Errors
    /// [`NotRead`].
    pub fn read(kind: &str, content: &Value) -> Result<KeyMessage, NotRead> {
        if kind == KEYS {
            return Ok(KeyMessage {
                room_id: id(content, "/room_id")?,
                member_id: id(content, "/member/id")?,
                claimed_device_id: Some(id(content, "/member/claimed_device_id")?),
                index: index(content, "/keys/index")?,
                key: key(content, "/keys/key")?,
                sent_at_ms: content.get("sent_ts").and_then(Value::as_u64).unwrap_or(0),
            });
        }
        if KEY_MSC4143.contains(&kind) {
            return Ok(KeyMessage {
                room_id: id(content, "/room_id")?,
                member_id: id(content, "/member_id")?,
                claimed_device_id: None,
                index: index(content, "/media_key/index")?,
                key: key(content, "/media_key/key")?,
                sent_at_ms: 0,
            });
        }
        Err(NotRead::Type)
    }
}

fn id(content: &Value, path: &'static str) -> Result<String, NotRead> {
    content
        .pointer(path)
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX)
        .map(str::to_owned)
        .ok_or(NotRead::Field(path))
}

fn index(content: &Value, path: &'static str) -> Result<KeyIndex, NotRead> {
    content
        .pointer(path)
        .and_then(Value::as_u64)
        .and_then(|index| u8::try_from(index).ok())
        .map(KeyIndex)
        .ok_or(NotRead::Field(path))
}

fn key(content: &Value, path: &'static str) -> Result<MediaKey, NotRead> {
    let text = content
        .pointer(path)
        .and_then(Value::as_str)
        .ok_or(NotRead::Field(path))?;
    Ok(MediaKey::from_base64(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message() -> KeyMessage {
        KeyMessage {
            room_id: "!r:a.example".to_owned(),
            member_id: "@u:a.example:DEV".to_owned(),
            claimed_device_id: Some("DEV".to_owned()),
            index: KeyIndex(4),
            key: MediaKey::from_bytes(&[7; 16]).unwrap(),
            sent_at_ms: 1_750_000_000_000,
        }
    }

    #[test]
    fn what_is_written_is_what_element_call_reads() {
        assert_eq!(
            message().content(),
            json!({
                "keys": { "index": 4, "key": "BwcHBwcHBwcHBwcHBwcHBw==" },
                "room_id": "!r:a.example",
                "member": { "id": "@u:a.example:DEV", "claimed_device_id": "DEV" },
                "session": { "call_id": "", "application": "m.call", "scope": "m.room" },
                "sent_ts": 1_750_000_000_000_u64,
            })
        );
        assert_eq!(KeyMessage::read(KEYS, &message().content()), Ok(message()));
    }

    #[test]
    fn the_form_of_the_proposal_is_read_too() {
        let content = json!({
            "room_id": "!r:a.example", "member_id": "abc",
            "media_key": { "index": 255, "key": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc" },
        });
        for kind in KEY_MSC4143 {
            let read = KeyMessage::read(kind, &content).unwrap();
            assert_eq!((read.index, read.claimed_device_id), (KeyIndex(255), None));
            assert_eq!(read.key, MediaKey::from_bytes(&[7; 32]).unwrap());
        }
        assert_eq!(KeyMessage::read("m.room.message", &content), Err(NotRead::Type));
    }

    #[test]
    fn a_body_that_lacks_something_says_what() {
        for (path, broken) in [
            ("/room_id", json!(7)),
            ("/member/id", json!("")),
            ("/member/claimed_device_id", json!("x".repeat(256))),
            ("/keys/index", json!(256)),
            ("/keys/index", json!(1.5)),
            ("/keys/key", json!(null)),
        ] {
            let mut content = message().content();
            *content.pointer_mut(path).unwrap() = broken;
            assert_eq!(KeyMessage::read(KEYS, &content), Err(NotRead::Field(path)));
        }
        let mut content = message().content();
        *content.pointer_mut("/keys/key").unwrap() = json!("BwcH");
        assert_eq!(KeyMessage::read(KEYS, &content), Err(NotRead::Key(NoKey::Length)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

        #[test]
        fn no_body_panics(text in "[ -~]{0,200}", index: i64) {
            let body = json!({ "keys": { "index": index, "key": text }, "room_id": text, "member": { "id": text, "claimed_device_id": text } });
            let _ = KeyMessage::read(KEYS, &body);
        }
    }
}
