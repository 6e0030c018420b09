//! What a meeting is: the state event `org.hanse.meeting` of its room, the row of the store, and what people are told, all from this.
//!
//! Times are kept as people say them: the date and time on the clock of the organiser's zone, and the zone's name. So 14:00 stays
//! 14:00 when the clocks change (RFC 5545 §3.3.5, form 3).

use hanse_matrixrtc::{RoomId, UserId};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use crate::repeat::Repeat;

/// Type of the state event; its state key is empty.
pub const MEETING: &str = "org.hanse.meeting";

/// Letters of a title. The rest is refused.
pub const TITLE_LETTERS_MAX: usize = 120;

/// Minutes of a meeting: a day.
pub const MINUTES_MAX: u32 = 24 * 60;

/// People who are invited to one meeting by name.
pub const PEOPLE_MAX: usize = 200;

/// Points of an agenda.
pub const AGENDA_MAX: usize = 50;

/// Occurrences of one meeting that were moved or cancelled by themselves.
pub const CHANGES_MAX: usize = 400;

/// What somebody who was invited has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Nothing yet (`NEEDS-ACTION`).
    #[default]
    Open,
    /// Comes (`ACCEPTED`).
    Yes,
    /// Comes perhaps (`TENTATIVE`).
    Maybe,
    /// Does not come (`DECLINED`).
    No,
}

/// Where a meeting stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It will be, or is.
    #[default]
    Planned,
    /// The organiser has called it off.
    Cancelled,
    /// Its last occurrence is over and its room is closed.
    Over,
}

/// What became of one occurrence of a meeting that repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is not held (`EXDATE`).
    Cancelled,
    /// It is held at another time (`RECURRENCE-ID`).
    Moved {
        /// When instead, on the clock of the meeting's zone.
        start: DateTime,
        /// How long instead.
        minutes: u32,
    },
}

/// A meeting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meeting {
    /// Stays the same for the life of the meeting, also in calendars (`UID`).
    pub uid: String,
    /// Grows with each change of time, title or status (`SEQUENCE`).
    pub sequence: u32,
    /// What it is called.
    pub title: String,
    /// Whose meeting it is; nobody else may change it.
    #[serde(with = "id")]
    pub organiser: UserId,
    /// Who is invited, the organiser among them, and what they have said.
    #[serde(with = "people")]
    pub people: BTreeMap<UserId, Reply>,
    /// When it begins, the first time if it repeats, on the clock of `zone`.
    pub start: DateTime,
    /// The zone by its IANA name, as `Europe/Berlin`.
    pub zone: String,
    /// How long it is.
    pub minutes: u32,
    /// How it repeats; `None`: once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// Occurrences that are otherwise, by when they would have begun.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<DateTime, Change>,
    /// What will be spoken of, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agenda: Vec<String>,
    /// Minutes before the beginning at which people are reminded; `None`: they are not.
    #[serde(default)]
    pub remind: Option<u32>,
    /// Where it stands.
    #[serde(default)]
    pub status: Status,
    /// The room in which it is held, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe_id")]
    pub room: Option<RoomId>,
    /// Whether the room was there before and stays after: nothing of it is closed or deleted.
    #[serde(default)]
    pub is_in_room: bool,
}

/// One time at which a meeting is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it would have begun by the rule (`RECURRENCE-ID`), on the clock of the meeting's zone.
    pub original: DateTime,
    /// When it begins.
    pub start: Zoned,
    /// When it ends.
    pub end: Zoned,
}

impl Meeting {
    /// The meeting's zone; UTC where its name is not known on this machine.
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC)
    }

    /// The occurrence that would begin at `original` by the rule; `None` when it was cancelled or its time cannot be computed.
    ///
    /// A time that the clocks skip is the same while later (RFC 5545 §3.3.5); of one that they repeat it is the first.
    pub fn occurrence(&self, original: DateTime) -> Option<Occurrence> {
        let (start, minutes) = match self.changes.get(&original) {
            Some(Change::Cancelled) => return None,
            Some(Change::Moved { start, minutes }) => (*start, *minutes),
            None => (original, self.minutes),
        };
        let start = start.to_zoned(self.time_zone()).ok()?;
        let end = start
            .checked_add(SignedDuration::from_mins(minutes.into()))
            .ok()?;
        Some(Occurrence { original, start, end })
    }

    /// Whether this person made it.
    pub fn is_of(&self, user: &UserId) -> bool {
        self.organiser == *user
    }
}

/// An id as the text that it is.
pub(crate) mod id {
    use hanse_matrixrtc::UserId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(id: &UserId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UserId, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod maybe_id {
    use hanse_matrixrtc::RoomId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "serde calls it with what the field is")]
    pub fn serialize<S: Serializer>(id: &Option<RoomId>, to: S) -> Result<S::Ok, S::Error> {
        id.as_ref().map(RoomId::as_str).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RoomId>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}

mod people {
    use super::Reply;
    use hanse_matrixrtc::UserId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::collections::BTreeMap;

    pub fn serialize<S: Serializer>(people: &BTreeMap<UserId, Reply>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(people.iter().map(|(user, reply)| (user.as_str(), reply)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<UserId, Reply>, D::Error> {
        let people = BTreeMap::<String, Reply>::deserialize(from)?;
        let people = people
            .into_iter()
            .map(|(user, reply)| Ok((user.parse().map_err(D::Error::custom)?, reply)));
        people.collect()
    }
}
