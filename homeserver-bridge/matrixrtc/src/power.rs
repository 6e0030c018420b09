//! Who may what in a room: `m.room.power_levels` (client-server API) and, from room version 12 on, the room's creators, who
//! stand above all levels (MSC4289).
//!
//! Read as tolerantly as homeservers of all times wrote it, and never to somebody's advantage: a level that somebody *has*
//! and that cannot be read is a low one, a level that something *needs* and that cannot be read is out of reach.

use crate::{Event, UserId};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;

/// Type of the event.
pub const POWER_LEVELS: &str = "m.room.power_levels";

/// The largest level that counts: the largest whole number that Matrix events may hold. Larger ones, and smaller ones than
/// its negative, are taken for it.
pub const LEVEL_MAX: i64 = (1 << 53) - 1;

/// Users with a level of their own. Further ones have the level that a user has who is not listed; an event of 64 KiB, the
/// largest that homeservers take, has no room for so many.
pub const POWERFUL_USERS_MAX: usize = 8192;

/// Kinds of events with a level of their own. Further ones need what kinds need that are not listed; see
/// [`POWERFUL_USERS_MAX`].
pub const KINDS_WITH_LEVEL_MAX: usize = 8192;

/// The power of one user. A creator has more than any level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// A power level.
    Level(i64),
    /// A creator of a room of version 12 or later: may everything, and nobody can take that away.
    Creator,
}

impl Power {
    /// Whether this is enough where a level is needed.
    pub fn reaches(self, needed: i64) -> bool {
        match self {
            Power::Level(level) => level >= needed,
            Power::Creator => true,
        }
    }
}

/// How a room came to be, as far as power depends on it: its version and its creators. `Debug` shows the version only.
#[derive(Clone, PartialEq, Eq)]
pub struct Creation {
    /// As `12`.
    pub version: String,
    /// Who made it: the sender of `m.room.create`, and from version 12 on those whom it names.
    pub creators: Vec<UserId>,
}

impl Creation {
    /// Reads `m.room.create`.
    pub fn read(create: &Event) -> Self {
        let version = create.content.get("room_version").and_then(Value::as_str);
        let mut creation = Creation {
            version: version.unwrap_or("1").to_owned(),
            creators: vec![create.sender.clone()],
        };
        if creation.creators_stand_above() {
            let further = create
                .content
                .get("additional_creators")
                .and_then(Value::as_array);
            creation.creators.extend(
                further
                    .into_iter()
                    .flatten()
                    .take(POWERFUL_USERS_MAX)
                    .filter_map(|user| user.as_str()?.parse().ok()),
            );
        }
        creation
    }

    /// Whether this is a room whose creators stand above all levels: version 12 and later, and the version by which that was
    /// tried out.
    pub fn creators_stand_above(&self) -> bool {
        match self.version.parse::<u32>() {
            Ok(number) => number >= 12,
            Err(_) => self.version.starts_with("org.matrix.hydra."),
        }
    }
}

impl fmt::Debug for Creation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Creation({:?}, creators not shown)", self.version)
    }
}

/// The power levels of a room. `Debug` shows no users.
#[derive(Clone, PartialEq, Eq)]
pub struct PowerLevels {
    /// Those who stand above all levels.
    above: Vec<UserId>,
    users: HashMap<UserId, i64>,
    users_default: i64,
    events: HashMap<String, i64>,
    events_default: i64,
    state_default: i64,
    invite: i64,
    kick: i64,
    ban: i64,
    redact: i64,
}

impl PowerLevels {
    /// Of a room without the event: its creator has 100 and whoever is in it may send everything.
    pub fn without_event(creation: &Creation) -> Self {
        let mut levels = PowerLevels::read(&Map::new(), creation);
        levels.state_default = 0;
        if !creation.creators_stand_above() {
            levels.users = creation.creators.iter().map(|user| (user.clone(), 100)).collect();
        }
        levels
    }

    /// Reads the content of the event.
    pub fn read(content: &Map<String, Value>, creation: &Creation) -> Self {
        let needed = |key: &str, default: i64| {
            content
                .get(key)
                .map_or(default, |value| level(value).unwrap_or(LEVEL_MAX))
        };
        let users_default = content
            .get("users_default")
            .map_or(0, |value| level(value).unwrap_or(0));
        let users = match content.get("users") {
            Some(Value::Object(users)) => users
                .iter()
                .take(POWERFUL_USERS_MAX)
                .filter_map(|(user, value)| {
                    Some((user.parse().ok()?, level(value).unwrap_or(users_default.min(0))))
                })
                .collect(),
            _ => HashMap::new(),
        };
        let events = match content.get("events") {
            Some(Value::Object(events)) => events
                .iter()
                .take(KINDS_WITH_LEVEL_MAX)
                .map(|(kind, value)| (kind.clone(), level(value).unwrap_or(LEVEL_MAX)))
                .collect(),
            _ => HashMap::new(),
        };
        let unreadable = |key: &str| content.get(key).is_some_and(|value| !value.is_object());
        let closed = |level: i64| if unreadable("events") { LEVEL_MAX } else { level };
        PowerLevels {
            above: if creation.creators_stand_above() {
                creation.creators.clone()
            } else {
                Vec::new()
            },
            users,
            users_default: if unreadable("users") {
                users_default.min(0)
            } else {
                users_default
            },
            events,
            events_default: closed(needed("events_default", 0)),
            state_default: closed(needed("state_default", 50)),
            invite: needed("invite", 0),
            kick: needed("kick", 50),
            ban: needed("ban", 50),
            redact: needed("redact", 50),
        }
    }

    /// The power of a user, whether in the room or not.
    pub fn of(&self, user: &UserId) -> Power {
        if self.above.contains(user) {
            return Power::Creator;
        }
        Power::Level(self.users.get(user).copied().unwrap_or(self.users_default))
    }

    /// What it needs to send a state event of this type.
    pub fn needed_for_state(&self, kind: &str) -> i64 {
        self.events.get(kind).copied().unwrap_or(self.state_default)
    }

    /// What it needs to send an event of this type that is no state event.
    pub fn needed_for_message(&self, kind: &str) -> i64 {
        self.events.get(kind).copied().unwrap_or(self.events_default)
    }

    /// What it needs to invite somebody.
    pub fn invite(&self) -> i64 {
        self.invite
    }

    /// What it needs to remove somebody who has less power.
    pub fn kick(&self) -> i64 {
        self.kick
    }

    /// What it needs to ban somebody who has less power.
    pub fn ban(&self) -> i64 {
        self.ban
    }

    /// What it needs to redact what others sent.
    pub fn redact(&self) -> i64 {
        self.redact
    }

    /// What state events need that have no level of their own.
    pub fn state_default(&self) -> i64 {
        self.state_default
    }
}

impl fmt::Debug for PowerLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PowerLevels")
            .field("users_default", &self.users_default)
            .field("events_default", &self.events_default)
            .field("state_default", &self.state_default)
            .field("kick", &self.kick)
            .field("ban", &self.ban)
            .field("redact", &self.redact)
            .finish_non_exhaustive()
    }
}

/// A level as homeservers write it, or wrote it before room version 10: a whole number, also as a text, also with a point.
pub(crate) fn level(value: &Value) -> Option<i64> {
    let level = match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole,
            None if number.is_u64() => LEVEL_MAX,
            // Ends at the edges of the type.
            None => number.as_f64()?.trunc() as i64,
        },
        Value::String(text) => {
            let text = text.trim();
            let digits = text.trim_start_matches(['-', '+']);
            let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse::<i64>() {
                Ok(whole) => whole,
                // Digits, but more than fit.
                Err(_) if whole && text.starts_with('-') => -LEVEL_MAX,
                Err(_) if whole => LEVEL_MAX,
                Err(_) => return None,
            }
        }
        _ => return None,
    };
    Some(level.clamp(-LEVEL_MAX, LEVEL_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn user(name: &str) -> UserId {
        format!("@{name}:org-a.example").parse().unwrap()
    }

    fn creation(version: &str) -> Creation {
        let create = json!({"type": "m.room.create", "sender": "@creator:org-a.example", "state_key": "",
            "content": {"room_version": version, "additional_creators": ["@second:org-a.example", 7, "nobody"]}});
        Creation::read(&Event::read(create).unwrap())
    }

    fn levels(version: &str, content: Value) -> PowerLevels {
        PowerLevels::read(content.as_object().unwrap(), &creation(version))
    }

    #[test]
    fn a_listed_user_has_the_level_listed_and_others_the_default() {
        let levels = levels(
            "10",
            json!({"users": {"@alice:org-a.example": 50}, "users_default": 5}),
        );
        assert_eq!(levels.of(&user("alice")), Power::Level(50));
        assert_eq!(levels.of(&user("bob")), Power::Level(5));
        assert_eq!(levels.of(&user("creator")), Power::Level(5));
        assert_eq!(levels.needed_for_state("x"), 50);
        assert_eq!(levels.needed_for_message("x"), 0);
        assert_eq!(
            (levels.kick(), levels.ban(), levels.redact(), levels.invite()),
            (50, 50, 50, 0)
        );
    }

    #[test]
    fn creators_stand_above_all_levels_from_version_12_on_and_not_before() {
        let content = || json!({"users": {"@alice:org-a.example": LEVEL_MAX}});
        for (version, above) in [
            ("12", true),
            ("13", true),
            ("org.matrix.hydra.11", true),
            ("11", false),
            ("x", false),
        ] {
            let levels = levels(version, content());
            for creator in ["creator", "second"] {
                assert_eq!(
                    levels.of(&user(creator)) == Power::Creator,
                    above,
                    "{version} {creator}"
                );
            }
            assert_eq!(levels.of(&user("alice")), Power::Level(LEVEL_MAX));
        }
        assert!(Power::Creator > Power::Level(LEVEL_MAX) && Power::Creator.reaches(LEVEL_MAX));
        assert!(Power::Level(5).reaches(5) && !Power::Level(4).reaches(5));
    }

    #[test]
    fn without_the_event_the_creator_has_100_and_state_needs_nothing() {
        let levels = PowerLevels::without_event(&creation("10"));
        assert_eq!(levels.of(&user("creator")), Power::Level(100));
        assert_eq!(levels.of(&user("bob")), Power::Level(0));
        assert_eq!((levels.needed_for_state("x"), levels.kick()), (0, 50));
        assert_eq!(
            PowerLevels::without_event(&creation("12")).of(&user("creator")),
            Power::Creator
        );
    }

    #[test]
    fn absurd_numbers_end_at_the_edges_and_old_ways_of_writing_count() {
        for (written, meant) in [
            (json!(50), Some(50)),
            (json!("50"), Some(50)),
            (json!(" +50 "), Some(50)),
            (json!("-7"), Some(-7)),
            (json!(50.9), Some(50)),
            (json!(i64::MAX), Some(LEVEL_MAX)),
            (json!(u64::MAX), Some(LEVEL_MAX)),
            (json!(1e300), Some(LEVEL_MAX)),
            (json!(-1e300), Some(-LEVEL_MAX)),
            (json!(i64::MIN), Some(-LEVEL_MAX)),
            (json!("9".repeat(200)), Some(LEVEL_MAX)),
            (json!(format!("-{}", "9".repeat(200))), Some(-LEVEL_MAX)),
            (json!("fifty"), None),
            (json!(""), None),
            (json!("-"), None),
            (json!(null), None),
            (json!([50]), None),
            (json!(true), None),
        ] {
            assert_eq!(level(&written), meant, "{written}");
        }
    }

    #[test]
    fn what_cannot_be_read_opens_nothing() {
        let strange = levels(
            "10",
            json!({"users": {"@alice:org-a.example": "all", "nobody": 100}, "users_default": 20, "kick": {}, "ban": null,
                "events": {"x": [], "y": 1}}),
        );
        assert_eq!(strange.of(&user("alice")), Power::Level(0));
        assert_eq!(strange.of(&user("bob")), Power::Level(20));
        assert_eq!((strange.kick(), strange.ban()), (LEVEL_MAX, LEVEL_MAX));
        assert_eq!(
            (strange.needed_for_state("x"), strange.needed_for_state("y")),
            (LEVEL_MAX, 1)
        );
        let stranger = levels("10", json!({"users": 7, "users_default": 100, "events": "all"}));
        assert_eq!(stranger.of(&user("bob")), Power::Level(0));
        assert_eq!(stranger.needed_for_message("x"), LEVEL_MAX);
    }

    #[test]
    fn no_form_for_developers_shows_a_user() {
        let levels = levels("12", json!({"users": {"@alice:org-a.example": 50}}));
        let shown = format!("{levels:?} {:?}", creation("12"));
        assert!(!shown.contains("alice") && !shown.contains("creator:"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_is_a_level_beyond_the_edges(text in "[-+0-9. a]{0,30}") {
            if let Some(level) = level(&json!(text)) {
                prop_assert!((-LEVEL_MAX..=LEVEL_MAX).contains(&level));
            }
        }
    }
}
