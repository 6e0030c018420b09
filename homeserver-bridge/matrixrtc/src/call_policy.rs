//! The rules of a room for its calls: the state event `org.hanse.call_policy`, which whoever has the power for it writes into
//! the room. Without it, the defaults hold.
//!
//! ```json
//! {"start": 0, "camera": 0, "microphone": 0, "screen": 50, "moderate": 50, "administer": 100, "present": 50,
//!  "seats": 200, "strangers": "subscribe", "guests": true, "locked": false,
//!  "presenters": ["@alice:org-a.example"], "without": ["camera", "screen"],
//!  "homeservers": {"org-b.example": {"access": "publish", "seats": 20, "bitrate_kbps": 1500}}}
//! ```
//!
//! A value that cannot be understood closes what it is about and never opens it; a key that is not known is passed over.
//! Both are noted ([`PolicyWarning`]), so that somebody can be told.

use crate::power::{LEVEL_MAX, PowerLevels, level};
use crate::{RoomId, ServerName, UserId};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Type of the event; its state key is empty.
pub const CALL_POLICY: &str = "org.hanse.call_policy";

/// Homeservers with rules of their own. With more of them, homeservers of others without a rule are denied.
pub const RULES_MAX: usize = 4096;

/// People whom a lock lets in. Further ones it does not; an event of 64 KiB has hardly room for more.
pub const LOCKED_MAX: usize = 2048;

/// People who are made presenters. Further ones are not.
pub const PRESENTERS_MAX: usize = 256;

/// Notes about one event. Further ones are left out.
pub const WARNINGS_MAX: usize = 16;

/// Letters of a key that a note repeats; the rest is cut off.
const KEY_LETTERS_MAX: usize = 40;

/// What people of a homeserver may do with media. The later, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// No seat.
    Deny,
    /// See and hear.
    Subscribe,
    /// Also be seen and heard, where their power is enough.
    Publish,
}

/// What holds for the people of one homeserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeserverRule {
    /// What they may do.
    pub access: Access,
    /// How many of them may be in the call; `None`: no limit of their own.
    pub seats: Option<u32>,
    /// How much each of them may send, in kbit/s; `None`: no limit.
    pub bitrate_kbps: Option<u32>,
}

/// A rule as it stands in the event.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct WrittenRule {
    access: Option<Access>,
    seats: Option<u32>,
    bitrate_kbps: Option<u32>,
}

/// Kinds of media that a meeting goes without: a picture, or everything but what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Without {
    /// No cameras.
    pub camera: bool,
    /// No microphones.
    pub microphone: bool,
    /// No screens, nor their sound.
    pub screen: bool,
}

impl Without {
    /// Reads a list of `camera`, `microphone` and `screen`. With what cannot be understood in it, it is without all.
    fn read(&mut self, value: &Value) -> bool {
        let kinds = value.as_array().map(Vec::as_slice);
        let mut understood = kinds.is_some();
        for kind in kinds.unwrap_or_default() {
            match kind.as_str() {
                Some("camera") => self.camera = true,
                Some("microphone") => self.microphone = true,
                Some("screen") => self.screen = true,
                _ => understood = false,
            }
        }
        if !understood {
            *self = Without {
                camera: true,
                microphone: true,
                screen: true,
            };
        }
        understood
    }
}

/// The rules of one room. Powers are levels as in [`PowerLevels`].
#[derive(Clone, PartialEq, Eq)]
pub struct CallPolicy {
    /// What it needs to be the first in the call. Default: 0.
    pub start: i64,
    /// What it needs to publish a camera. Default: 0.
    pub camera: i64,
    /// What it needs to publish a microphone. Default: 0.
    pub microphone: i64,
    /// What it needs to publish a screen, and its sound. Default: 0.
    pub screen: i64,
    /// See [`CallPolicy::moderate`].
    moderate: Option<i64>,
    /// See [`CallPolicy::administer`].
    administer: Option<i64>,
    /// See [`CallPolicy::present`].
    present: Option<i64>,
    /// How many may be in the call. Default: `None`, no limit.
    pub seats: Option<u32>,
    /// What people of homeservers without a rule may do. Default: subscribe.
    pub strangers: Access,
    /// Whether people without an account may be in the call (see [`crate::is_guest`]), where their organisation lets them.
    /// Default: yes.
    pub guests: bool,
    /// Whether the call that goes on is locked: nobody new gets in but moderators and these. Default: `None`, it is not.
    pub locked: Option<BTreeSet<UserId>>,
    /// Presenters who have not the power that it takes. Default: none.
    pub presenters: BTreeSet<UserId>,
    /// What nobody publishes, whatever power they have. Default: nothing.
    pub without: Without,
    /// Rules for single homeservers.
    homeservers: BTreeMap<ServerName, WrittenRule>,
    /// There were more than [`RULES_MAX`].
    cut_off: bool,
    /// What was passed over or closed.
    pub warnings: Vec<PolicyWarning>,
}

impl Default for CallPolicy {
    fn default() -> Self {
        CallPolicy {
            start: 0,
            camera: 0,
            microphone: 0,
            screen: 0,
            moderate: None,
            administer: None,
            present: None,
            seats: None,
            strangers: Access::Subscribe,
            guests: true,
            locked: None,
            presenters: BTreeSet::new(),
            without: Without::default(),
            homeservers: BTreeMap::new(),
            cut_off: false,
            warnings: Vec::new(),
        }
    }
}

/// Something in the event that is of no use. Names the key, never a value and never a homeserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWarning {
    /// The key; of a rule for a homeserver, the key inside of it.
    pub key: String,
    /// Whether it is a key of a rule for one homeserver.
    pub in_rule: bool,
    /// What is wrong.
    pub problem: PolicyProblem,
}

/// What is wrong with a key of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyProblem {
    /// There is no such key; it is passed over.
    UnknownKey,
    /// Its value cannot be understood; what it is about is closed.
    Value,
    /// A rule for what is no server name; it is passed over.
    ServerName,
    /// More rules than [`RULES_MAX`]; homeservers without one of the rules that were read are denied.
    TooMany,
}

impl fmt::Display for PolicyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.in_rule {
            " in a rule for a homeserver"
        } else {
            ""
        };
        match self.problem {
            PolicyProblem::UnknownKey => write!(f, "there is no key {:?}{place}", self.key),
            PolicyProblem::Value => {
                write!(
                    f,
                    "the value of {:?}{place} cannot be understood, so that is closed",
                    self.key
                )
            }
            PolicyProblem::ServerName => f.write_str("a rule is for something that is no server name"),
            PolicyProblem::TooMany => write!(f, "there are more than {RULES_MAX} rules for homeservers"),
        }
    }
}

impl CallPolicy {
    /// Reads the content of the event.
    pub fn read(content: &Map<String, Value>) -> Self {
        let mut policy = CallPolicy::default();
        let mut notes = Notes::default();
        for (key, value) in content {
            let understood = match key.as_str() {
                "start" => power(value, &mut policy.start),
                "camera" => power(value, &mut policy.camera),
                "microphone" => power(value, &mut policy.microphone),
                "screen" => power(value, &mut policy.screen),
                "moderate" => power(value, policy.moderate.insert(0)),
                "administer" => power(value, policy.administer.insert(0)),
                "present" => power(value, policy.present.insert(0)),
                "seats" => number(value, &mut policy.seats),
                "strangers" => access(value, &mut policy.strangers),
                "guests" => truth(value, &mut policy.guests),
                "locked" => lock(value, &mut policy.locked),
                "presenters" => users(value, PRESENTERS_MAX, &mut policy.presenters),
                "without" => policy.without.read(value),
                "homeservers" => policy.read_rules(value, &mut notes),
                _ => {
                    notes.add(key, false, PolicyProblem::UnknownKey);
                    continue;
                }
            };
            if !understood {
                notes.add(key, false, PolicyProblem::Value);
            }
        }
        policy.warnings = notes.0;
        policy
    }

    fn read_rules(&mut self, value: &Value, notes: &mut Notes) -> bool {
        let Value::Object(rules) = value else {
            // Who was meant to be kept out is not known, so everybody is.
            self.cut_off = true;
            return false;
        };
        if rules.len() > RULES_MAX {
            self.cut_off = true;
            notes.add("homeservers", false, PolicyProblem::TooMany);
        }
        for (name, rule) in rules.iter().take(RULES_MAX) {
            match name.parse() {
                Ok(name) => {
                    self.homeservers.insert(name, read_rule(rule, notes));
                }
                Err(_) => notes.add("homeservers", false, PolicyProblem::ServerName),
            }
        }
        true
    }

    /// What holds for people of this homeserver: its rule, and for what that leaves open the default, which is to publish for
    /// our own homeservers and [`CallPolicy::strangers`] for others. Whether it is `ours` is not for the room to say.
    pub fn rule_for(&self, server: &ServerName, ours: bool) -> HomeserverRule {
        let rule = self.homeservers.get(server);
        let default = match ours {
            true => Access::Publish,
            // The rule that is missing may have denied.
            false if rule.is_none() && self.cut_off => Access::Deny,
            false => self.strangers,
        };
        let rule = rule.copied().unwrap_or_default();
        HomeserverRule {
            access: rule.access.unwrap_or(default),
            seats: rule.seats,
            bitrate_kbps: rule.bitrate_kbps,
        }
    }

    /// What it needs to be a moderator of calls: who may mute and remove. Default: what it needs to remove people from the
    /// room.
    pub fn moderate(&self, power: &PowerLevels) -> i64 {
        self.moderate.unwrap_or(power.kick())
    }

    /// What it needs to be an administrator of calls: who may end a call for all. Default: what it needs to ban people, and
    /// 100 where that is less.
    pub fn administer(&self, power: &PowerLevels) -> i64 {
        self.administer.unwrap_or_else(|| power.ban().max(100))
    }

    /// What it needs to be a presenter: somebody to whom attention is drawn. Default: what it needs to write this event, or
    /// to moderate where that is less.
    pub fn present(&self, power: &PowerLevels) -> i64 {
        self.present
            .unwrap_or_else(|| power.needed_for_state(CALL_POLICY).min(self.moderate(power)))
    }
}

impl fmt::Debug for CallPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallPolicy")
            .field("start", &self.start)
            .field("seats", &self.seats)
            .field("strangers", &self.strangers)
            .field("rules", &self.homeservers.len())
            .finish_non_exhaustive()
    }
}

fn read_rule(rule: &Value, notes: &mut Notes) -> WrittenRule {
    let mut read = WrittenRule::default();
    let Value::Object(rule) = rule else {
        notes.add("homeservers", false, PolicyProblem::Value);
        read.access = Some(Access::Deny);
        return read;
    };
    for (key, value) in rule {
        let understood = match key.as_str() {
            "access" => access(value, read.access.insert(Access::Deny)),
            "seats" => number(value, &mut read.seats),
            "bitrate_kbps" => number(value, &mut read.bitrate_kbps),
            _ => {
                notes.add(key, true, PolicyProblem::UnknownKey);
                continue;
            }
        };
        if !understood {
            notes.add(key, true, PolicyProblem::Value);
        }
    }
    read
}

fn power(value: &Value, into: &mut i64) -> bool {
    let read = level(value);
    *into = read.unwrap_or(LEVEL_MAX);
    read.is_some()
}

/// A number of seats or kbit/s. Larger ones than fit are as good as the largest; one that cannot be understood is 0.
fn number(value: &Value, into: &mut Option<u32>) -> bool {
    let read = value
        .as_u64()
        .map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    *into = Some(read.unwrap_or(0));
    read.is_some()
}

fn access(value: &Value, into: &mut Access) -> bool {
    let read = match value.as_str() {
        Some("deny") => Some(Access::Deny),
        Some("subscribe") => Some(Access::Subscribe),
        Some("publish") => Some(Access::Publish),
        _ => None,
    };
    *into = read.unwrap_or(Access::Deny);
    read.is_some()
}

/// One that cannot be understood is no.
fn truth(value: &Value, into: &mut bool) -> bool {
    let read = value.as_bool();
    *into = read.unwrap_or(false);
    read.is_some()
}

/// `true`, `false`, or whom it lets in. One that cannot be understood lets nobody in, and so does what is no user id.
fn lock(value: &Value, into: &mut Option<BTreeSet<UserId>>) -> bool {
    match value {
        Value::Bool(is_locked) => {
            *into = is_locked.then(BTreeSet::new);
            true
        }
        _ => users(value, LOCKED_MAX, into.insert(BTreeSet::new())),
    }
}

/// A list of user ids, of which the first `most` count.
fn users(value: &Value, most: usize, into: &mut BTreeSet<UserId>) -> bool {
    let Value::Array(users) = value else {
        return false;
    };
    let ids = users.iter().take(most);
    *into = ids.filter_map(|user| user.as_str()?.parse().ok()).collect();
    into.len() == users.len()
}

#[derive(Default)]
struct Notes(Vec<PolicyWarning>);

impl Notes {
    fn add(&mut self, key: &str, in_rule: bool, problem: PolicyProblem) {
        if self.0.len() < WARNINGS_MAX {
            self.0.push(PolicyWarning {
                // A stranger's key could be an id, which logs must not show.
                key: if key.parse::<RoomId>().is_ok() || key.contains(['@', ':']) {
                    "(not shown)".to_owned()
                } else {
                    key.chars().take(KEY_LETTERS_MAX).collect()
                },
                in_rule,
                problem,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::Creation;
    use serde_json::json;

    fn read(content: Value) -> CallPolicy {
        CallPolicy::read(content.as_object().unwrap())
    }

    fn server(name: &str) -> ServerName {
        name.parse().unwrap()
    }

    fn levels(content: Value) -> PowerLevels {
        let creation = Creation {
            version: "10".to_owned(),
            creators: Vec::new(),
        };
        PowerLevels::read(content.as_object().unwrap(), &creation)
    }

    #[test]
    fn an_empty_event_is_as_good_as_none() {
        let policy = read(json!({}));
        assert_eq!(policy, CallPolicy::default());
        let levels = levels(json!({"kick": 60, "ban": 70}));
        assert_eq!(policy.moderate(&levels), 60);
        assert_eq!(policy.administer(&levels), 100);
        assert_eq!(policy.present(&levels), 50);
        assert_eq!(
            policy.rule_for(&server("org-b.example"), false).access,
            Access::Subscribe
        );
    }

    #[test]
    fn a_room_may_keep_guests_out_and_what_cannot_be_understood_does() {
        assert!(read(json!({})).guests && read(json!({"guests": true})).guests);
        let closed = read(json!({"guests": false}));
        assert!(!closed.guests && closed.warnings.is_empty());
        let strange = read(json!({"guests": "yes"}));
        assert!(!strange.guests && strange.warnings.len() == 1);
    }

    #[test]
    fn a_lock_names_whom_it_lets_in_and_what_cannot_be_understood_lets_nobody_in() {
        let locked = |value: Value| {
            let policy = read(json!({"locked": value}));
            let inside = policy
                .locked
                .map(|users| users.iter().map(ToString::to_string).collect::<Vec<_>>());
            (inside, policy.warnings.len())
        };
        assert_eq!(locked(json!(false)), (None, 0));
        assert_eq!(locked(json!(true)), (Some(vec![]), 0));
        let alice = "@alice:org-a.example".to_owned();
        assert_eq!(locked(json!([alice])), (Some(vec![alice.clone()]), 0));
        assert_eq!(
            locked(json!([alice, "everybody", 7, "*"])),
            (Some(vec![alice.clone()]), 1)
        );
        for strange in [
            json!("false"),
            json!(null),
            json!(0),
            json!({"@alice:org-a.example": true}),
        ] {
            assert_eq!(locked(strange.clone()), (Some(vec![]), 1), "{strange}");
        }
        let many: Vec<String> = (0..=LOCKED_MAX)
            .map(|number| format!("@u{number}:org-a.example"))
            .collect();
        let (inside, warnings) = locked(json!(many));
        assert_eq!((inside.unwrap().len(), warnings), (LOCKED_MAX, 1));
    }

    #[test]
    fn presenters_are_those_it_names_and_what_cannot_be_understood_makes_none() {
        let presenters = |value: Value| {
            let policy = read(json!({"presenters": value}));
            let named: Vec<_> = policy.presenters.iter().map(ToString::to_string).collect();
            (named, policy.warnings.len())
        };
        let alice = "@alice:org-a.example".to_owned();
        assert_eq!(presenters(json!([alice])), (vec![alice.clone()], 0));
        assert_eq!(presenters(json!([alice, "*", 1])), (vec![alice.clone()], 1));
        for strange in [
            json!(true),
            json!(alice),
            json!(null),
            json!({"@alice:org-a.example": 50}),
        ] {
            assert_eq!(presenters(strange), (vec![], 1));
        }
        let many: Vec<String> = (0..=PRESENTERS_MAX)
            .map(|number| format!("@u{number}:org-a.example"))
            .collect();
        assert_eq!(presenters(json!(many)).0.len(), PRESENTERS_MAX);
    }

    #[test]
    fn a_meeting_goes_without_what_it_names_and_without_all_if_that_cannot_be_understood() {
        let without = |value: Value| {
            let Without {
                camera,
                microphone,
                screen,
            } = read(json!({"without": value})).without;
            [camera, microphone, screen]
        };
        assert_eq!(without(json!([])), [false; 3]);
        assert_eq!(without(json!(["camera", "screen"])), [true, false, true]);
        assert_eq!(without(json!(["microphone"])), [false, true, false]);
        for strange in [
            json!(["camera", "pictures"]),
            json!([1]),
            json!("camera"),
            json!(null),
            json!(false),
        ] {
            assert_eq!(without(strange), [true; 3]);
        }
    }

    #[test]
    fn the_event_says_who_may_what() {
        let policy = read(
            json!({"start": 50, "camera": 10, "microphone": 5, "screen": "20", "moderate": 30, "administer": 90,
            "present": 15, "seats": 7, "strangers": "deny", "homeservers": {
                "org-b.example": {"access": "publish", "seats": 2, "bitrate_kbps": 800},
                "org-c.example": {"seats": 1}}}),
        );
        assert!(policy.warnings.is_empty(), "{:?}", policy.warnings);
        assert_eq!(
            (policy.start, policy.camera, policy.microphone, policy.screen),
            (50, 10, 5, 20)
        );
        let levels = levels(json!({}));
        assert_eq!(
            (
                policy.moderate(&levels),
                policy.administer(&levels),
                policy.present(&levels)
            ),
            (30, 90, 15)
        );
        assert_eq!(policy.seats, Some(7));
        let rule = |access, seats, bitrate_kbps| HomeserverRule {
            access,
            seats,
            bitrate_kbps,
        };
        assert_eq!(
            policy.rule_for(&server("org-b.example"), false),
            rule(Access::Publish, Some(2), Some(800))
        );
        assert_eq!(
            policy.rule_for(&server("org-c.example"), false),
            rule(Access::Deny, Some(1), None),
            "as strangers"
        );
        assert_eq!(
            policy.rule_for(&server("org-d.example"), false),
            rule(Access::Deny, None, None)
        );
        assert_eq!(
            policy.rule_for(&server("org-c.example"), true),
            rule(Access::Publish, Some(1), None)
        );
        assert_eq!(
            policy.rule_for(&server("org-d.example"), true),
            rule(Access::Publish, None, None)
        );
    }

    #[test]
    fn what_cannot_be_understood_is_closed_and_noted_without_its_value() {
        let policy = read(
            json!({"start": "secret", "seats": -1, "strangers": "everybody", "camera": null,
            "homeservers": {"org-b.example": {"access": "secret", "bitrate_kbps": "much"}, "org-c.example": "publish"}}),
        );
        assert_eq!(
            (policy.start, policy.camera, policy.microphone),
            (LEVEL_MAX, LEVEL_MAX, 0)
        );
        assert_eq!((policy.seats, policy.strangers), (Some(0), Access::Deny));
        let rule = policy.rule_for(&server("org-b.example"), false);
        assert_eq!((rule.access, rule.bitrate_kbps), (Access::Deny, Some(0)));
        assert_eq!(
            policy.rule_for(&server("org-c.example"), false).access,
            Access::Deny
        );
        let said: Vec<String> = policy.warnings.iter().map(ToString::to_string).collect();
        let said = said.join("\n");
        assert_eq!(policy.warnings.len(), 7, "{said}");
        for wrong in ["secret", "everybody", "much", "org-"] {
            assert!(!said.contains(wrong), "{said}");
        }
    }

    #[test]
    fn rules_that_cannot_be_read_deny_everybody_without_a_rule() {
        for content in [
            json!({"homeservers": ["org-b.example"], "strangers": "publish"}),
            {
                let rules: Map<_, _> = (0..=RULES_MAX)
                    .map(|number| (format!("s{number}.example"), json!({"access": "deny"})))
                    .collect();
                json!({"homeservers": rules, "strangers": "publish"})
            },
        ] {
            let policy = read(content);
            assert_eq!(
                policy.rule_for(&server("org-b.example"), false).access,
                Access::Deny
            );
            let ours = policy.rule_for(&server("org-a.example"), true);
            assert_eq!(ours.access, Access::Publish);
            assert_eq!(policy.warnings.len(), 1);
        }
    }

    #[test]
    fn unknown_keys_are_noted_in_bounds_and_change_nothing() {
        let mut content: Map<_, _> = (0..100).map(|number| (format!("k{number}"), json!(1))).collect();
        content.insert("x".repeat(1000), json!(1));
        content.insert("@alice:org-a.example".to_owned(), json!(1));
        content.insert(
            "homeservers".to_owned(),
            json!({"no server": {}, "org-b.example": {"accces": "deny"}}),
        );
        let policy = CallPolicy::read(&content);
        assert_eq!(policy.warnings.len(), WARNINGS_MAX);
        assert_eq!(
            policy.rule_for(&server("org-b.example"), false).access,
            Access::Subscribe
        );
        let said = policy
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<String>();
        assert!(!said.contains("alice") && said.len() < 4096, "{said}");
    }
}
