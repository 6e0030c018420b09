//! Who is in the call, by what their devices say of themselves: in the room's state and in sticky events.

use crate::mode::Present;
use hanse_callkeys::rotation::{Device, Members as Recipients};
use hanse_matrixrtc::call_member::livekit_service_url;
use hanse_matrixrtc::names::ROOM_CALL_SLOT;
use hanse_matrixrtc::{CallMember, CallMemberKey, CallMembership, Event};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Memberships that are looked at. Further ones in a room are passed over.
const MEMBERS_MAX: usize = 1_024;

/// One membership.
pub struct Member {
    /// Whose device.
    pub device: Device,
    /// Where it publishes, as it says.
    pub service_url: Option<String>,
    /// What tells this membership from an earlier one of the same device.
    since: String,
    member: CallMember,
}

/// What an event has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing in this call.
    Nothing,
    /// This device's own membership, which is no member any more as far as others can see.
    OwnIsGone,
    /// Somebody else's.
    Others,
}

/// The memberships of a room's call.
pub struct Members {
    own: Device,
    /// The key of this device's own sticky membership.
    own_sticky_key: String,
    members: BTreeMap<CallMemberKey, Member>,
    /// Until when the sticky event counts that was the last one under its key: an older one that comes later changes nothing.
    counts_until_ms: BTreeMap<CallMemberKey, u64>,
}

impl Members {
    /// Nobody yet. `own` is this device, which chose that key for its sticky membership if it sends one.
    pub fn new(own: Device, own_sticky_key: String) -> Members {
        Members {
            own,
            own_sticky_key,
            members: BTreeMap::new(),
            counts_until_ms: BTreeMap::new(),
        }
    }

    /// An event of the room.
    pub fn handle_event(&mut self, event: &Event, now_ms: u64) -> Change {
        let Some(CallMembership {
            key,
            member,
            counts_until_ms,
        }) = CallMembership::read(event)
        else {
            return Change::Nothing;
        };
        if matches!(key, CallMemberKey::Sticky(..)) && !self.is_newest(&key, counts_until_ms, now_ms) {
            return Change::Nothing;
        }
        let member =
            member.filter(|member| member.slot_id == ROOM_CALL_SLOT && member.expires_at_ms > now_ms);
        if self.is_own(&key) {
            return if member.is_none() {
                Change::OwnIsGone
            } else {
                Change::Nothing
            };
        }
        match member {
            Some(member) if self.members.len() < MEMBERS_MAX || self.members.contains_key(&key) => {
                let since = match &key {
                    CallMemberKey::State(_) => {
                        let since = event.content.get("created_ts").and_then(Value::as_u64);
                        since.unwrap_or(event.origin_server_ts).to_string()
                    }
                    CallMemberKey::Sticky(..) => member.member_id.clone(),
                };
                let device = Device {
                    user: member.user.clone(),
                    device_id: member.device_id.clone(),
                };
                self.members.insert(
                    key,
                    Member {
                        device,
                        service_url: livekit_service_url(event).map(str::to_owned),
                        since,
                        member,
                    },
                );
                Change::Others
            }
            _ if self.members.remove(&key).is_some() => Change::Others,
            _ => Change::Nothing,
        }
    }

    /// Those whose time is over are no members any more. Whether there were any.
    pub fn forget_expired(&mut self, now_ms: u64) -> bool {
        let before = self.members.len();
        self.members.retain(|_, each| each.member.expires_at_ms > now_ms);
        self.members.len() != before
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Whether a device is in the call.
    pub fn has(&self, device: &Device) -> bool {
        self.members.values().any(|each| each.device == *device)
    }

    /// Whose an identity on an SFU is.
    pub fn device(&self, identity: &str) -> Option<&Device> {
        let is_it = |each: &&Member| each.member.identities.iter().any(|name| name == identity);
        self.members.values().find(is_it).map(|each| &each.device)
    }

    /// Whom to send one's key to: who names no device cannot be sent any.
    pub fn recipients(&self) -> Recipients {
        self.members
            .values()
            .filter(|each| !each.device.device_id.is_empty())
            .map(|each| (each.device.clone(), each.since.clone()))
            .collect()
    }

    /// Where they publish.
    pub fn services(&self) -> BTreeSet<String> {
        self.members
            .values()
            .filter_map(|each| each.service_url.clone())
            .collect()
    }

    /// How many say in which way that they are there.
    pub fn present(&self) -> Present {
        let by_state = self
            .members
            .keys()
            .filter(|key| matches!(key, CallMemberKey::State(_)))
            .count();
        Present {
            by_state,
            by_sticky: self.members.len() - by_state,
        }
    }

    fn is_own(&self, key: &CallMemberKey) -> bool {
        match key {
            CallMemberKey::State(key) => {
                let own = format!("{}_{}_", self.own.user, self.own.device_id);
                key.strip_prefix('_').unwrap_or(key).starts_with(&own)
            }
            CallMemberKey::Sticky(user, key) => *user == self.own.user && *key == self.own_sticky_key,
        }
    }

    /// Of two sticky events under one key the one holds that counts longer (MSC4354).
    fn is_newest(&mut self, key: &CallMemberKey, counts_until_ms: u64, now_ms: u64) -> bool {
        self.counts_until_ms.retain(|_, until| *until > now_ms);
        if self
            .counts_until_ms
            .get(key)
            .is_some_and(|until| *until > counts_until_ms)
        {
            return false;
        }
        if self.counts_until_ms.len() < MEMBERS_MAX || self.counts_until_ms.contains_key(key) {
            self.counts_until_ms.insert(key.clone(), counts_until_ms);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALICE: &str = "@alice:a.example";
    const NOW: u64 = 10_000;

    fn members() -> Members {
        let own = Device {
            user: ALICE.parse().unwrap(),
            device_id: "OWN".to_owned(),
        };
        Members::new(own, "own-key".to_owned())
    }

    fn state(device: &str, content: &Value) -> Event {
        Event::read(json!({
            "type": "org.matrix.msc3401.call.member", "state_key": format!("_{ALICE}_{device}_m.call"),
            "sender": ALICE, "origin_server_ts": 9_000, "content": content,
        }))
        .unwrap()
    }

    fn joined(device: &str) -> Event {
        state(
            device,
            &json!({"application": "m.call", "call_id": "", "device_id": device, "expires": 60_000,
                "foci_preferred": [{"type": "livekit", "livekit_service_url": "https://rtc.example"}]}),
        )
    }

    fn sticky(key: &str, sent_at_ms: u64, joins: bool) -> Event {
        let content = if joins {
            json!({"slot_id": "m.call#ROOM", "msc4354_sticky_key": key, "versions": [],
                "member": {"user_id": ALICE, "device_id": "DEV", "id": key}})
        } else {
            json!({"msc4354_sticky_key": key})
        };
        Event::read(json!({
            "type": "org.matrix.msc4143.rtc.member", "sender": ALICE, "origin_server_ts": sent_at_ms,
            "msc4354_sticky": {"duration_ms": 60_000}, "content": content,
        }))
        .unwrap()
    }

    #[test]
    fn who_says_so_in_either_way_is_a_member_until_they_leave() {
        let mut members = members();
        assert_eq!(members.handle_event(&joined("DEV"), NOW), Change::Others);
        assert_eq!(
            members.handle_event(&sticky("key", 9_000, true), NOW),
            Change::Others
        );
        assert_eq!(
            members.present(),
            Present {
                by_state: 1,
                by_sticky: 1
            }
        );
        assert_eq!(
            members.services(),
            BTreeSet::from(["https://rtc.example".to_owned()])
        );
        assert!(members.device("@alice:a.example:DEV").is_some());
        assert_eq!(
            members.handle_event(&state("DEV", &json!({})), NOW),
            Change::Others
        );
        assert_eq!(
            members.handle_event(&sticky("key", 9_001, false), NOW),
            Change::Others
        );
        assert_eq!(members.present(), Present::default());
        assert!(members.recipients().is_empty());
    }

    #[test]
    fn a_sticky_event_that_comes_behind_a_later_one_changes_nothing() {
        let mut members = members();
        members.handle_event(&sticky("key", 9_001, false), NOW);
        assert_eq!(
            members.handle_event(&sticky("key", 9_000, true), NOW),
            Change::Nothing,
            "who has left is not back because an older event was opened late"
        );
        assert_eq!(members.present(), Present::default());
        assert_eq!(
            members.handle_event(&sticky("key", 9_002, true), NOW),
            Change::Others
        );
    }

    #[test]
    fn this_device_is_none_of_the_others_and_notices_when_it_is_gone() {
        let mut members = members();
        assert_eq!(members.handle_event(&joined("OWN"), NOW), Change::Nothing);
        assert_eq!(
            members.handle_event(&state("OWN", &json!({})), NOW),
            Change::OwnIsGone
        );
        assert_eq!(
            members.handle_event(&sticky("own-key", 9_000, true), NOW),
            Change::Nothing
        );
        assert_eq!(
            members.handle_event(&sticky("own-key", 9_001, false), NOW),
            Change::OwnIsGone
        );
        assert_eq!(members.iter().count(), 0);
    }

    #[test]
    fn whose_time_is_over_is_no_member_any_more() {
        let mut members = members();
        members.handle_event(&sticky("key", 9_000, true), NOW);
        assert!(!members.forget_expired(68_999));
        assert!(members.forget_expired(69_000));
        assert!(members.recipients().is_empty());
    }

    #[test]
    fn endless_memberships_are_passed_over() {
        let mut members = members();
        for number in 0..MEMBERS_MAX + 10 {
            members.handle_event(&joined(&format!("D{number}")), NOW);
        }
        assert_eq!(members.iter().count(), MEMBERS_MAX);
        assert_eq!(
            members.handle_event(&state("D0", &json!({})), NOW),
            Change::Others
        );
    }
}
