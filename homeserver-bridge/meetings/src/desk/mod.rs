//! What the bot decides: the one owner of what it knows.
//!
//! In: what people said and how they reacted, what programs ask, what was done outside, and the time. Out: answers at once, and
//! [`Task`]s in the store, which survive a kill and are done by [`crate::work`]. It opens no socket and reads no clock.
//!
//! Where to look next: `said.rs` for what each command does, `change.rs` for how a meeting is made, moved and called off, `due.rs` for
//! what happens when its time comes.

mod change;
mod due;
mod end;
mod owner;
mod said;

pub use owner::{DeskHandle, spawn};
pub use said::To;

use crate::meeting::Meeting;
use crate::speech::Language;
use crate::store::{Store, StoreError};
use hanse_matrixrtc::{ServerName, UserId};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

/// How long a reaction to a question counts: a day.
const QUESTION_MS: i64 = 24 * 3_600_000;

/// People whose changes are counted at a time. More than that are those of an attack, and wait.
const COUNTED_MAX: usize = 10_000;

/// An hour in ms.
const HOUR_MS: i64 = 3_600_000;

/// What holds for everybody.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whose people may plan meetings.
    pub allowed: Vec<ServerName>,
    /// The zone of people who have not said theirs.
    pub zone: String,
    /// Meetings that one may have planned at a time.
    pub meetings_per_person: usize,
    /// New meetings and changes of one person in an hour.
    pub changes_per_hour: usize,
    /// Minutes after its end at which a room is closed.
    pub close_after_min: u32,
    /// Days after that at which it is deleted.
    pub delete_after_days: u32,
    /// Whether meetings can have rooms of their own.
    pub has_rooms: bool,
    /// Whether people without an account can come.
    pub has_guests: bool,
    /// See [`crate::config::MeetingsConfig::room_link`].
    pub room_link: String,
    /// Where calendars are read: the person's secret goes behind it; `None`: they are not.
    pub feed_url: Option<String>,
}

impl Rules {
    /// How people come to a meeting.
    pub fn link(&self, meeting: &Meeting) -> Option<String> {
        let room = meeting.room.as_ref()?;
        // A room id may hold letters that mean something in an address.
        let id: String = url_part(room.as_str());
        Some(self.room_link.replacen('%', &id, 1))
    }
}

fn url_part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!:".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

/// What a reaction to a message of the bot's answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Shall this meeting be?
    Make {
        /// As it was understood.
        meeting: Box<Meeting>,
        /// Whether people without an account may come.
        guests: bool,
    },
    /// Shall it be at this time?
    Move {
        /// Which meeting.
        uid: String,
        /// Only this occurrence, by when it would begin by the rule.
        occurrence: Option<DateTime>,
        /// When instead, on the clock of the meeting's zone.
        start: DateTime,
        /// How long.
        minutes: u32,
    },
    /// Shall it be called off?
    Cancel {
        /// Which meeting.
        uid: String,
        /// Only this occurrence.
        occurrence: Option<DateTime>,
    },
    /// Do you come?
    Reply {
        /// To which meeting.
        uid: String,
    },
}

impl Question {
    /// The reactions that are offered.
    pub fn reactions(&self) -> &'static [&'static str] {
        match self {
            Question::Reply { .. } => &[YES, MAYBE, NO],
            _ => &[YES, NO],
        }
    }
}

/// Agrees.
pub const YES: &str = "✅";

/// Perhaps.
pub const MAYBE: &str = "❔";

/// Does not.
pub const NO: &str = "❌";

/// What the bot says in answer, and what a reaction to that means.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What it says.
    pub text: String,
    /// What a reaction answers.
    pub question: Option<Question>,
}

impl Answer {
    fn of(text: String) -> Answer {
        Answer { text, question: None }
    }
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The meeting's room is to be made, or brought in line with it.
    Room {
        /// Which meeting.
        uid: String,
        /// Whether people without an account may come.
        guests: bool,
    },
    /// Somebody is to be told something.
    Tell {
        /// Who.
        #[serde(with = "crate::meeting::id")]
        user: UserId,
        /// What.
        text: String,
        /// The meeting as a file for calendars.
        calendar: Option<String>,
        /// What a reaction answers.
        question: Option<Question>,
    },
    /// Everybody in a room is to be told something.
    Announce {
        /// Where.
        room: String,
        /// What.
        text: String,
    },
    /// The meeting's room is to be closed.
    Close {
        /// Which meeting.
        uid: String,
    },
    /// The meeting's room is to be deleted, and the meeting forgotten.
    Delete {
        /// Which meeting.
        uid: String,
    },
}

impl Task {
    /// Tasks of one lane are done one after the other.
    fn lane(&self) -> String {
        match self {
            Task::Room { uid, .. } | Task::Close { uid } | Task::Delete { uid } => format!("meeting {uid}"),
            Task::Tell { user, .. } => format!("person {user}"),
            Task::Announce { room, .. } => format!("room {room}"),
        }
    }
}

/// The owner of what the bot knows.
pub struct Desk {
    store: Store,
    rules: Rules,
    random: StdRng,
    /// When people made changes, in the last hour.
    changes: HashMap<UserId, VecDeque<i64>>,
}

/// Somebody, as the bot answers them.
struct Reader {
    language: Language,
    zone: TimeZone,
}

impl Desk {
    /// Over this store.
    pub fn new(store: Store, rules: Rules, random: StdRng) -> Desk {
        Desk {
            store,
            rules,
            random,
            changes: HashMap::new(),
        }
    }

    /// Remembers what a reaction to this message means.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn asked(
        &mut self,
        event: &str,
        user: &UserId,
        question: &Question,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let body = serde_json::to_string(question).map_err(|_| StoreError::Row("questions"))?;
        // An invitation is answered whenever one likes, until the meeting is forgotten.
        let until = match question {
            Question::Reply { .. } => i64::MAX,
            _ => now.as_millisecond().saturating_add(QUESTION_MS),
        };
        self.store.keep_question(event, user, &body, until).await
    }

    async fn add(&mut self, task: &Task, now: Timestamp) -> Result<(), StoreError> {
        let body = serde_json::to_string(task).map_err(|_| StoreError::Row("jobs"))?;
        self.store
            .add_job(&task.lane(), &body, now.as_millisecond())
            .await
    }

    async fn reader(&mut self, user: &UserId) -> Result<Reader, StoreError> {
        let person = self.store.person(user).await?;
        let zone = person.zone.as_deref().unwrap_or(&self.rules.zone);
        Ok(Reader {
            language: person.language,
            zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC),
        })
    }

    /// Counts a change; whether it is one too many.
    fn is_too_many(&mut self, user: &UserId, now: Timestamp) -> bool {
        let now_ms = now.as_millisecond();
        let is_old = |at: &i64| now_ms.saturating_sub(*at) >= HOUR_MS;
        if self.changes.len() >= COUNTED_MAX {
            self.changes
                .retain(|_, times| times.back().is_some_and(|at| !is_old(at)));
        }
        if self.changes.len() >= COUNTED_MAX && !self.changes.contains_key(user) {
            return true;
        }
        let times = self.changes.entry(user.clone()).or_default();
        while times.front().is_some_and(is_old) {
            times.pop_front();
        }
        if times.len() >= self.rules.changes_per_hour {
            return true;
        }
        times.push_back(now_ms);
        false
    }

    /// A name that nobody else has, for a meeting or a calendar.
    fn fresh(&mut self) -> String {
        let bytes: [u8; 24] = self.random.random();
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// A time on somebody's clock.
fn on_clock(now: Timestamp, zone: &TimeZone) -> Zoned {
    now.to_zoned(zone.clone())
}
