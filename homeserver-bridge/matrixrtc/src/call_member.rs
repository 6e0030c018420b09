//! Who says to be in a call: the state event of the first generation and the sticky one of the second, in both of its forms
//! (`matrixrtc` in MSC4143, and what clients send).
//!
//! A membership of a call is what a device says of itself. It admits nobody; it says which participants of the SFU to expect.

use crate::names::{ROOM_CALL_SLOT, hashed_identity, member_identity, plain_identity};
use crate::{Event, UserId};
use serde_json::{Map, Value};
use std::fmt;

/// Type of the state event.
pub const CALL_MEMBER_STATE: &str = "org.matrix.msc3401.call.member";

/// Types of the sticky event: as deployed, and as proposed.
pub const CALL_MEMBER_STICKY: [&str; 2] = ["org.matrix.msc4143.rtc.member", "m.rtc.member"];

/// For how long a state event holds that does not say so, in ms.
const STATE_LIFETIME_MS: u64 = 4 * 60 * 60 * 1000;

/// Bytes of a device, member or slot id. A membership with a longer one is none.
const ID_BYTES_MAX: usize = 255;

/// Bytes of a URL. A longer one is none.
const URL_BYTES_MAX: usize = 2048;

/// Where a later event replaces an earlier one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallMemberKey {
    /// A state key.
    State(String),
    /// Of one user, by the sticky key that its device chose (MSC4354).
    Sticky(UserId, String),
}

/// A device in a call, as it announced itself. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct CallMember {
    /// Whose device.
    pub user: UserId,
    /// Which device.
    pub device_id: String,
    /// The name of this membership: chosen by the device, or `user:device` where it announces itself by state.
    pub member_id: String,
    /// The slot, as `m.call#ROOM`.
    pub slot_id: String,
    /// What the device may be called on an SFU: which one depends on how it got its token, so all are named.
    pub identities: Vec<String>,
    /// From then on it does not count any more, in ms since 1970.
    pub expires_at_ms: u64,
}

/// What an event says about a membership of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallMembership {
    /// Which membership.
    pub key: CallMemberKey,
    /// `None`: left, or nothing that counts.
    pub member: Option<CallMember>,
    /// Until then the event counts, in ms since 1970; of two sticky ones the one that counts longer wins.
    pub counts_until_ms: u64,
}

macro_rules! not_shown {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(not shown)"))
            }
        }
    )*};
}
not_shown!(CallMemberKey, CallMember);

impl CallMembership {
    /// Reads an event. `None`: it is about something else.
    pub fn read(event: &Event) -> Option<CallMembership> {
        if event.kind == CALL_MEMBER_STATE {
            return Some(from_state(event, event.state_key.clone()?));
        }
        if CALL_MEMBER_STICKY.contains(&event.kind.as_str()) && event.state_key.is_none() {
            return from_sticky(event);
        }
        None
    }
}

fn from_state(event: &Event, state_key: String) -> CallMembership {
    let member = own_key(&state_key, &event.sender)
        .then(|| state_member(event))
        .flatten();
    CallMembership {
        counts_until_ms: member.as_ref().map_or(u64::MAX, |member| member.expires_at_ms),
        key: CallMemberKey::State(state_key),
        member,
    }
}

/// The LiveKit service at which the member publishes: the first one that its event names, in any of the forms that clients send. It is
/// what somebody says: whoever connects there shows an address to a stranger.
pub fn livekit_service_url(event: &Event) -> Option<&str> {
    let content = &event.content;
    let named = [
        content.get("foci_preferred"),
        content.get("rtc_transports"),
        content
            .get("transports")
            .and_then(|transports| transports.get("published")),
    ];
    named.into_iter().flatten().find_map(|transports| {
        let first = transports.get(0)?;
        let is_livekit = first.get("type")?.as_str()? == "livekit";
        let url = first.get("livekit_service_url")?.as_str()?;
        (is_livekit && url.len() <= URL_BYTES_MAX).then(|| url.trim_end_matches('/'))
    })
}

/// Whether the state key is one for this sender. Homeservers see to that only for keys that begin with `@`; one that begins
/// with an underscore anybody may overwrite who has the power for the type.
fn own_key(state_key: &str, sender: &UserId) -> bool {
    let rest = state_key.strip_prefix('_').unwrap_or(state_key);
    rest.strip_prefix(sender.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn state_member(event: &Event) -> Option<CallMember> {
    let content = &event.content;
    let device_id = id(content, "device_id")?;
    let slot_id = match (
        id(content, "application")?.as_str(),
        content.get("call_id")?.as_str()?,
    ) {
        ("m.call", "") => ROOM_CALL_SLOT.to_owned(),
        (application, call) if call.len() <= ID_BYTES_MAX => format!("{application}#{call}"),
        _ => return None,
    };
    let user = event.sender.clone();
    let member_id = format!("{user}:{device_id}");
    let since = content.get("created_ts").and_then(Value::as_u64);
    let lifetime = content.get("expires").and_then(Value::as_u64);
    let expires_at_ms = since
        .unwrap_or(event.origin_server_ts)
        .saturating_add(lifetime.unwrap_or(STATE_LIFETIME_MS));
    // Its own SFU knows it in clear. Others do by the hash with the membership's id, which says the same as `member_id`.
    let mut identities: Vec<String> = plain_identity(&user, &device_id).into_iter().collect();
    identities.push(hashed_identity(&user, &device_id, &member_id));
    identities.push(member_identity(&user, &member_id));
    Some(CallMember {
        user,
        device_id,
        member_id,
        slot_id,
        identities,
        expires_at_ms,
    })
}

fn from_sticky(event: &Event) -> Option<CallMembership> {
    let content = &event.content;
    let member = content.get("member").and_then(Value::as_object);
    let sticky_key = ["msc4354_sticky_key", "sticky_key"]
        .iter()
        .find_map(|key| id(content, key))
        // In the later form the key and the member's id are one.
        .or_else(|| id(member?, "id"))?;
    let counts_until_ms = event.origin_server_ts.saturating_add(event.sticky_ms);
    Some(CallMembership {
        key: CallMemberKey::Sticky(event.sender.clone(), sticky_key),
        member: member.and_then(|member| sticky_member(event, member, counts_until_ms)),
        counts_until_ms,
    })
}

fn sticky_member(event: &Event, member: &Map<String, Value>, expires_at_ms: u64) -> Option<CallMember> {
    let user = event.sender.clone();
    if member.get("membership").and_then(Value::as_str) == Some("leave") || expires_at_ms == 0 {
        return None;
    }
    if let Some(claimed) = member.get("user_id").or_else(|| member.get("claimed_user_id"))
        && claimed.as_str() != Some(user.as_str())
    {
        return None;
    }
    let slot_id = id(&event.content, "slot_id")?;
    let member_id = id(member, "id")?;
    // The later form names no device.
    let device_id = ["device_id", "claimed_device_id"]
        .iter()
        .find_map(|key| id(member, key))
        .unwrap_or_default();
    let mut identities = vec![member_identity(&user, &member_id)];
    if !device_id.is_empty() {
        identities.insert(0, hashed_identity(&user, &device_id, &member_id));
    }
    Some(CallMember {
        user,
        device_id,
        member_id,
        slot_id,
        identities,
        expires_at_ms,
    })
}

/// A text that is not empty and not longer than ids are.
fn id(of: &Map<String, Value>, key: &str) -> Option<String> {
    let text = of.get(key)?.as_str()?;
    (1..=ID_BYTES_MAX).contains(&text.len()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALICE: &str = "@alice:org-a.example";

    fn read(event: Value) -> Option<CallMembership> {
        CallMembership::read(&Event::read(event).unwrap())
    }

    fn state(state_key: &str, content: &Value) -> Option<CallMember> {
        read(
            json!({"type": CALL_MEMBER_STATE, "state_key": state_key, "sender": ALICE, "content": content,
            "origin_server_ts": 1000}),
        )
        .unwrap()
        .member
    }

    fn in_state() -> Value {
        json!({"application": "m.call", "call_id": "", "scope": "m.room", "device_id": "DEV", "expires": 14_400_000,
            "focus_active": {"type": "livekit", "focus_selection": "multi_sfu"}})
    }

    fn sticky(content: &Value) -> Option<CallMembership> {
        read(
            json!({"type": "org.matrix.msc4143.rtc.member", "sender": ALICE, "content": content,
            "origin_server_ts": 1000, "msc4354_sticky": {"duration_ms": 60_000}}),
        )
    }

    #[test]
    fn every_form_names_where_its_member_publishes() {
        let transport = json!([{"type": "livekit", "livekit_service_url": "https://rtc.example/jwt/"}]);
        let named = |content: Value| {
            let event = json!({"type": "m.rtc.member", "sender": ALICE, "content": content});
            livekit_service_url(&Event::read(event).unwrap()).map(str::to_owned)
        };
        for content in [
            json!({"foci_preferred": transport}),
            json!({"rtc_transports": transport}),
            json!({"transports": {"published": transport}}),
        ] {
            assert_eq!(named(content).as_deref(), Some("https://rtc.example/jwt"));
        }
        for nothing in [
            json!({}),
            json!({"foci_preferred": []}),
            json!({"rtc_transports": [{"type": "other", "livekit_service_url": "https://rtc.example"}]}),
            json!({"rtc_transports": [{"type": "livekit", "livekit_service_url": "x".repeat(2049)}]}),
        ] {
            assert_eq!(named(nothing), None);
        }
    }

    #[test]
    fn a_state_event_names_a_device_and_what_it_may_be_called() {
        let member = state("_@alice:org-a.example_DEV_m.call", &in_state()).unwrap();
        assert_eq!((member.user.as_str(), member.device_id.as_str()), (ALICE, "DEV"));
        assert_eq!(member.slot_id, "m.call#ROOM");
        assert_eq!(member.expires_at_ms, 14_401_000);
        let user = &member.user;
        assert_eq!(
            member.identities,
            [
                "@alice:org-a.example:DEV".to_owned(),
                hashed_identity(user, "DEV", "@alice:org-a.example:DEV"),
                member_identity(user, "@alice:org-a.example:DEV")
            ]
        );
        let mut renewed = in_state();
        renewed["created_ts"] = json!(500);
        renewed["call_id"] = json!("other");
        let member = state("@alice:org-a.example_DEV_m.call", &renewed).unwrap();
        assert_eq!(
            (member.expires_at_ms, member.slot_id.as_str()),
            (14_400_500, "m.call#other")
        );
    }

    #[test]
    fn a_left_call_and_a_foreign_state_key_are_no_membership() {
        assert!(state("_@alice:org-a.example_DEV_m.call", &json!({})).is_none());
        for foreign in [
            "_@bob:org-a.example_DEV_m.call",
            "",
            "_@alice:org-a.example2_DEV",
            "@alice:org-a",
        ] {
            assert!(state(foreign, &in_state()).is_none(), "{foreign}");
        }
    }

    #[test]
    fn a_sticky_event_counts_until_it_is_no_longer_sticky() {
        let said = sticky(
            &json!({"slot_id": "m.call#ROOM", "msc4354_sticky_key": "k", "versions": [],
            "member": {"user_id": ALICE, "device_id": "DEV", "id": "k2"}}),
        )
        .unwrap();
        assert_eq!(said.counts_until_ms, 61_000);
        assert_eq!(
            said.key,
            CallMemberKey::Sticky(ALICE.parse().unwrap(), "k".to_owned())
        );
        let member = said.member.unwrap();
        assert_eq!(
            (member.member_id.as_str(), member.device_id.as_str()),
            ("k2", "DEV")
        );
        assert_eq!(
            member.identities,
            [
                hashed_identity(&member.user, "DEV", "k2"),
                member_identity(&member.user, "k2")
            ]
        );
    }

    #[test]
    fn the_later_form_of_the_sticky_event_is_read_too() {
        let said =
            sticky(&json!({"slot_id": "m.call#ROOM", "member": {"id": "k", "membership": "join"}})).unwrap();
        assert_eq!(
            said.key,
            CallMemberKey::Sticky(ALICE.parse().unwrap(), "k".to_owned())
        );
        let member = said.member.unwrap();
        assert_eq!(member.identities, [member_identity(&member.user, "k")]);
    }

    #[test]
    fn who_left_or_speaks_for_somebody_else_is_no_member() {
        for left in [
            json!({"msc4354_sticky_key": "k"}),
            json!({"sticky_key": "k", "slot_id": "s", "member": {"id": "k", "membership": "leave"}}),
            json!({"sticky_key": "k", "slot_id": "s", "member": {"id": "k", "user_id": "@bob:org-a.example"}}),
            json!({"sticky_key": "k", "slot_id": "s", "member": {"user_id": ALICE}}),
            json!({"sticky_key": "k", "slot_id": 7, "member": {"id": "k"}}),
        ] {
            assert!(sticky(&left).unwrap().member.is_none(), "{left}");
        }
        assert!(sticky(&json!({"slot_id": "s"})).is_none(), "without a key");
        assert!(read(json!({"type": "m.room.message", "sender": ALICE, "content": {}})).is_none());
    }

    #[test]
    fn no_time_is_too_large() {
        let mut forever = in_state();
        forever["expires"] = json!(u64::MAX);
        let member = state("_@alice:org-a.example_DEV_m.call", &forever).unwrap();
        assert_eq!(member.expires_at_ms, u64::MAX);
    }
}
