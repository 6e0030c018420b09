//! What holds in a room, as far as calls depend on it: put together from the room's state, one event after the other.

use crate::call_member::{CallMember, CallMemberKey, CallMembership};
use crate::call_policy::{CALL_POLICY, CallPolicy};
use crate::power::{Creation, POWER_LEVELS, PowerLevels};
use crate::{Event, UserId};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Type of the event that makes a room.
pub const ROOM_CREATE: &str = "m.room.create";

/// Type of the event that says how somebody stands to a room.
pub const ROOM_MEMBER: &str = "m.room.member";

/// People of a room who are not simply gone from it. About 200 bytes each. A room with more is too large: no facts are kept
/// of it ([`TooLarge`]).
pub const MEMBERS_MAX: usize = 50_000;

/// Memberships of the call in a room, those included that count no longer. Further ones are not noted.
pub const CALL_MEMBERS_MAX: usize = 10_000;

/// How somebody stands to a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Membership {
    /// In it.
    Join,
    /// Asked to come in.
    Invite,
    /// Asks to be let in.
    Knock,
    /// Was never in it, or is gone; also what a homeserver says that we do not know.
    #[default]
    Leave,
    /// May not come in.
    Ban,
}

impl Membership {
    /// Reads the content of `m.room.member`.
    pub fn read(content: &Map<String, Value>) -> Self {
        match content.get("membership").and_then(Value::as_str) {
            Some("join") => Membership::Join,
            Some("invite") => Membership::Invite,
            Some("knock") => Membership::Knock,
            Some("ban") => Membership::Ban,
            _ => Membership::Leave,
        }
    }
}

/// What holds in a room. `Debug` shows numbers only.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomFacts {
    /// Version and creators.
    pub creation: Creation,
    /// Who may what.
    pub power: PowerLevels,
    /// The room's rules for calls.
    pub policy: CallPolicy,
    /// Everybody who is not simply gone.
    members: HashMap<UserId, Membership>,
    call_members: BTreeMap<CallMemberKey, Announced>,
}

/// The event that counts for a membership of the call.
#[derive(Clone, PartialEq, Eq)]
struct Announced {
    /// `None`: left; kept so that an older event that comes late does not count.
    member: Option<CallMember>,
    counts_until_ms: u64,
    event_id: String,
}

/// The room has more than [`MEMBERS_MAX`] people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the room has more than {MEMBERS_MAX} people")]
pub struct TooLarge;

/// Why there are no facts of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFacts {
    /// There is no `m.room.create` among the events.
    #[error("the homeserver names no event that made the room")]
    NoCreation,
    /// See [`TooLarge`].
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

impl RoomFacts {
    /// A room that was just made.
    pub fn new(creation: Creation) -> Self {
        RoomFacts {
            power: PowerLevels::without_event(&creation),
            creation,
            policy: CallPolicy::default(),
            members: HashMap::new(),
            call_members: BTreeMap::new(),
        }
    }

    /// Reads the whole state of a room, in any order.
    ///
    /// # Errors
    ///
    /// Why it makes no facts.
    pub fn read(state: &[Event]) -> Result<Self, NoFacts> {
        let create = state
            .iter()
            .find(|event| event.kind == ROOM_CREATE && event.state_key.as_deref() == Some(""));
        let mut facts = RoomFacts::new(Creation::read(create.ok_or(NoFacts::NoCreation)?));
        for event in state {
            facts.apply(event)?;
        }
        Ok(facts)
    }

    /// Takes in a state event that holds now, or a sticky event. Whether anything is otherwise than before.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]; what is known is then no longer the whole.
    pub fn apply(&mut self, event: &Event) -> Result<bool, TooLarge> {
        match (event.kind.as_str(), event.state_key.as_deref()) {
            (ROOM_MEMBER, Some(user)) => match user.parse() {
                Ok(user) => self.set_membership(user, Membership::read(&event.content)),
                Err(_) => Ok(false),
            },
            (POWER_LEVELS, Some("")) => {
                let power = PowerLevels::read(&event.content, &self.creation);
                Ok(replace(&mut self.power, power))
            }
            (CALL_POLICY, Some("")) => {
                let policy = CallPolicy::read(&event.content);
                Ok(replace(&mut self.policy, policy))
            }
            _ => {
                Ok(CallMembership::read(event)
                    .is_some_and(|said| self.announce(said, event.event_id.as_str())))
            }
        }
    }

    /// Notes that there is no such state event (any more). Whether anything is otherwise than before.
    pub fn forget(&mut self, kind: &str, state_key: &str) -> bool {
        match (kind, state_key) {
            (ROOM_MEMBER, user) => user
                .parse::<UserId>()
                .is_ok_and(|user| self.members.remove(&user).is_some()),
            (POWER_LEVELS, "") => {
                let power = PowerLevels::without_event(&self.creation);
                replace(&mut self.power, power)
            }
            (CALL_POLICY, "") => replace(&mut self.policy, CallPolicy::default()),
            (crate::call_member::CALL_MEMBER_STATE, key) => self
                .call_members
                .remove(&CallMemberKey::State(key.to_owned()))
                .is_some_and(|announced| announced.member.is_some()),
            _ => false,
        }
    }

    /// Notes how somebody stands to the room. Whether that is otherwise than before.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]
    pub fn set_membership(&mut self, user: UserId, membership: Membership) -> Result<bool, TooLarge> {
        if membership == Membership::Leave {
            return Ok(self.members.remove(&user).is_some());
        }
        if self.members.len() >= MEMBERS_MAX && !self.members.contains_key(&user) {
            return Err(TooLarge);
        }
        Ok(self.members.insert(user, membership) != Some(membership))
    }

    /// How somebody stands to the room.
    pub fn membership(&self, user: &UserId) -> Membership {
        self.members.get(user).copied().unwrap_or_default()
    }

    /// Whether somebody is in the room.
    pub fn is_joined(&self, user: &UserId) -> bool {
        self.membership(user) == Membership::Join
    }

    /// Those who are in the room, in no order.
    pub fn joined(&self) -> impl Iterator<Item = &UserId> {
        self.members
            .iter()
            .filter(|(_, membership)| **membership == Membership::Join)
            .map(|(user, _)| user)
    }

    /// Devices that say to be in the call at this time (ms since 1970) and whose users are in the room.
    pub fn call_members(&self, now_ms: u64) -> impl Iterator<Item = &CallMember> {
        self.call_members
            .values()
            .filter_map(|announced| announced.member.as_ref())
            .filter(move |member| member.expires_at_ms > now_ms && self.is_joined(&member.user))
    }

    /// Forgets sticky events that count no longer at this time (ms since 1970).
    pub fn sweep(&mut self, now_ms: u64) {
        self.call_members.retain(|key, announced| {
            matches!(key, CallMemberKey::State(_)) || announced.counts_until_ms > now_ms
        });
    }

    /// Takes over the sticky events that another reading of the same room had seen: they are no state, so a homeserver does
    /// not name them when it is asked for that.
    pub fn keep_sticky_of(&mut self, before: &RoomFacts) {
        for (key, announced) in &before.call_members {
            if matches!(key, CallMemberKey::Sticky(..)) && self.call_members.len() < CALL_MEMBERS_MAX {
                self.call_members
                    .entry(key.clone())
                    .or_insert_with(|| announced.clone());
            }
        }
    }

    fn announce(&mut self, said: CallMembership, event_id: &str) -> bool {
        let announced = Announced {
            member: said.member,
            counts_until_ms: said.counts_until_ms,
            event_id: event_id.to_owned(),
        };
        let before = self.call_members.get(&said.key);
        if let (CallMemberKey::Sticky(..), Some(before)) = (&said.key, before) {
            // The one that counts longer wins, then the larger id (MSC4354).
            let order = |announced: &Announced| (announced.counts_until_ms, announced.event_id.clone());
            if order(&announced) < order(before) {
                return false;
            }
        }
        if before.is_none() && (announced.member.is_none() && matches!(said.key, CallMemberKey::State(_))) {
            return false;
        }
        if before.is_none() && self.call_members.len() >= CALL_MEMBERS_MAX {
            return false;
        }
        let changed = before.map(|before| &before.member) != Some(&announced.member);
        if announced.member.is_none() && matches!(said.key, CallMemberKey::State(_)) {
            self.call_members.remove(&said.key);
        } else {
            self.call_members.insert(said.key, announced);
        }
        changed
    }
}

fn replace<T: PartialEq>(place: &mut T, with: T) -> bool {
    let changed = *place != with;
    *place = with;
    changed
}

impl fmt::Debug for RoomFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomFacts")
            .field("creation", &self.creation)
            .field("members", &self.members.len())
            .field("call_members", &self.call_members.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_policy::Access;
    use crate::power::Power;
    use serde_json::json;

    fn user(name: &str) -> UserId {
        format!("@{name}:org-a.example").parse().unwrap()
    }

    fn event(kind: &str, state_key: &str, sender: &str, content: Value) -> Event {
        let sender = user(sender);
        Event::read(
            json!({"type": kind, "state_key": state_key, "sender": sender.as_str(), "content": content,
            "origin_server_ts": 1000, "event_id": "$e"}),
        )
        .unwrap()
    }

    fn member(name: &str, membership: &str) -> Event {
        event(
            ROOM_MEMBER,
            user(name).as_str(),
            name,
            json!({"membership": membership}),
        )
    }

    fn room(version: &str) -> RoomFacts {
        let state = [
            member("alice", "join"),
            event(
                POWER_LEVELS,
                "",
                "alice",
                json!({"users": {"@bob:org-a.example": 50}}),
            ),
            event(ROOM_CREATE, "", "alice", json!({"room_version": version})),
            member("bob", "join"),
        ];
        RoomFacts::read(&state).unwrap()
    }

    fn call(name: &str) -> Event {
        let content = json!({"application": "m.call", "call_id": "", "device_id": "DEV"});
        event(
            "org.matrix.msc3401.call.member",
            &format!("_{}_DEV_m.call", user(name)),
            name,
            content,
        )
    }

    fn sticky(sent: u64, content: Value) -> Event {
        Event::read(json!({"type": "org.matrix.msc4143.rtc.member", "sender": "@bob:org-a.example", "content": content,
            "origin_server_ts": sent, "msc4354_sticky": {"duration_ms": 60_000}, "event_id": format!("${sent}")}))
        .unwrap()
    }

    fn devices(facts: &RoomFacts, now_ms: u64) -> Vec<String> {
        facts
            .call_members(now_ms)
            .map(|member| member.user.to_string())
            .collect()
    }

    #[test]
    fn the_order_of_the_state_does_not_matter() {
        let facts = room("12");
        assert_eq!(facts.power.of(&user("alice")), Power::Creator);
        assert_eq!(facts.power.of(&user("bob")), Power::Level(50));
        assert!(facts.is_joined(&user("alice")) && facts.is_joined(&user("bob")));
        assert!(!facts.is_joined(&user("mallory")));
        assert_eq!(
            RoomFacts::read(&[member("alice", "join")]),
            Err(NoFacts::NoCreation)
        );
    }

    #[test]
    fn who_leaves_is_gone_and_who_is_banned_stays_banned_and_others_stay() {
        let mut facts = room("10");
        assert_eq!(facts.apply(&member("bob", "ban")), Ok(true));
        assert_eq!(facts.apply(&member("bob", "ban")), Ok(false));
        assert_eq!(facts.membership(&user("bob")), Membership::Ban);
        assert_eq!(facts.apply(&member("bob", "leave")), Ok(true));
        assert_eq!(facts.membership(&user("bob")), Membership::Leave);
        assert_eq!(facts.joined().collect::<Vec<_>>(), [&user("alice")]);
        assert_eq!(facts.apply(&member("carol", "invite")), Ok(true));
        assert_eq!(facts.apply(&member("dave", "swim")), Ok(false));
        assert!(!facts.is_joined(&user("carol")) && !facts.is_joined(&user("dave")));
    }

    #[test]
    fn power_and_policy_change_and_go_back_to_what_holds_without_them() {
        let mut facts = room("10");
        let levels = event(POWER_LEVELS, "", "alice", json!({"users_default": 7}));
        assert_eq!(
            (facts.apply(&levels), facts.apply(&levels)),
            (Ok(true), Ok(false))
        );
        assert_eq!(facts.power.of(&user("bob")), Power::Level(7));
        let policy = event(CALL_POLICY, "", "alice", json!({"strangers": "deny"}));
        assert_eq!(
            (facts.apply(&policy), facts.policy.strangers),
            (Ok(true), Access::Deny)
        );
        let other = event(CALL_POLICY, "other", "alice", json!({"strangers": "publish"}));
        assert_eq!(
            (facts.apply(&other), facts.policy.strangers),
            (Ok(false), Access::Deny)
        );
        assert!(facts.forget(CALL_POLICY, "") && facts.forget(POWER_LEVELS, ""));
        assert_eq!(facts.policy, CallPolicy::default());
        assert_eq!(facts.power.of(&user("alice")), Power::Level(100));
        assert!(facts.forget(ROOM_MEMBER, user("bob").as_str()) && !facts.is_joined(&user("bob")));
        assert!(!facts.forget("m.room.name", ""));
    }

    #[test]
    fn only_who_is_in_the_room_counts_as_in_the_call_and_only_for_its_time() {
        let mut facts = room("10");
        assert_eq!(facts.apply(&call("alice")), Ok(true));
        assert_eq!(facts.apply(&call("mallory")), Ok(true));
        assert_eq!(devices(&facts, 2000), ["@alice:org-a.example"]);
        assert!(devices(&facts, 5 * 3_600_000).is_empty());
        let left = event(
            "org.matrix.msc3401.call.member",
            "_@alice:org-a.example_DEV_m.call",
            "alice",
            json!({}),
        );
        assert_eq!((facts.apply(&left), facts.apply(&left)), (Ok(true), Ok(false)));
        assert!(devices(&facts, 2000).is_empty());
    }

    #[test]
    fn of_two_sticky_events_the_later_counts_however_they_come() {
        let join = json!({"msc4354_sticky_key": "k", "slot_id": "m.call#ROOM", "member": {"id": "k", "device_id": "D"}});
        let mut facts = room("10");
        assert_eq!(
            facts.apply(&sticky(2000, json!({"msc4354_sticky_key": "k"}))),
            Ok(true)
        );
        assert_eq!(
            facts.apply(&sticky(1000, join.clone())),
            Ok(false),
            "an older one that comes late"
        );
        assert!(devices(&facts, 3000).is_empty());
        assert_eq!(facts.apply(&sticky(3000, join)), Ok(true));
        assert_eq!(devices(&facts, 3000), ["@bob:org-a.example"]);
        let mut again = room("10");
        again.keep_sticky_of(&facts);
        assert_eq!(devices(&again, 3000), ["@bob:org-a.example"]);
        assert!(devices(&again, 63_000).is_empty());
        again.sweep(63_000);
        assert!(again.call_members.is_empty());
    }

    #[test]
    fn a_room_that_is_too_large_says_so_and_call_members_end_at_their_limit() {
        let mut facts = room("10");
        for number in 2..MEMBERS_MAX {
            assert_eq!(
                facts.set_membership(user(&format!("u{number}")), Membership::Join),
                Ok(true)
            );
        }
        assert_eq!(
            facts.set_membership(user("one-more"), Membership::Join),
            Err(TooLarge)
        );
        assert_eq!(facts.set_membership(user("bob"), Membership::Ban), Ok(true));
        for number in 0..CALL_MEMBERS_MAX + 5 {
            let key = format!("k{number}");
            let content = json!({"msc4354_sticky_key": key, "slot_id": "s", "member": {"id": key}});
            facts.apply(&sticky(1000, content)).unwrap();
        }
        assert_eq!(facts.call_members.len(), CALL_MEMBERS_MAX);
    }
}
