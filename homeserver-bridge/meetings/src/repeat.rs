//! How a meeting repeats: a rule of RFC 5545 (§3.3.10), and its occurrences one after the other.
//!
//! [`Repeat`] is a rule that was checked; `walk` evaluates it on the clock of the meeting's zone, and gives [`Meeting`] its
//! [`Meeting::occurrences`], [`Meeting::next`] and [`Meeting::last_end`].

mod walk;

#[cfg(test)]
mod tests;

use crate::meeting::Meeting;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Letters of a rule.
pub const LETTERS_MAX: usize = 200;

/// Occurrences that `COUNT` may ask for.
pub const COUNT_MAX: u32 = 100_000;

/// What `INTERVAL` may be.
pub const INTERVAL_MAX: u16 = 999;

/// Times of day (`BYHOUR` times `BYMINUTE`) of one rule.
pub const TIMES_A_DAY_MAX: usize = 24;

/// A rule as iCalendar has it, as `FREQ=WEEKLY;BYDAY=TH`, in capitals.
///
/// It has been checked: `walk` can evaluate it in bounded time and memory, and there are days that meet it. Whether the start
/// of a meeting lets it occur at all is another question (`INTERVAL=7` days and `BYDAY=MO` from a Tuesday on never does):
/// [`Meeting::next`] answers that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repeat(String);

/// Why a text is no rule by which a meeting may repeat. Each is a sentence for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepeatError {
    /// More than [`LETTERS_MAX`].
    #[error("a rule has at most {LETTERS_MAX} letters")]
    TooLong,
    /// Not `NAME=VALUE;NAME=VALUE` with names of RFC 5545.
    #[error("{0:?} is no part of a rule such as FREQ=WEEKLY;INTERVAL=2;BYDAY=TH")]
    Part(String),
    /// A name that stands there twice.
    #[error("{0} stands twice in the rule")]
    Twice(String),
    /// Without `FREQ`, or more often than daily.
    #[error("a meeting repeats with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, and not more often")]
    Frequency,
    /// A value that its name cannot have.
    #[error("{name} cannot be {value:?}")]
    Value {
        /// What it would be the value of, as `BYDAY`.
        name: String,
        /// As it was written.
        value: String,
    },
    /// `COUNT` and `UNTIL`, which exclude each other (§3.3.10).
    #[error("a rule ends by COUNT or by UNTIL, not by both")]
    TwoEnds,
    /// Numbered weekdays where §3.3.10 forbids them, or among others without a number, which programs read differently.
    #[error(
        "weekdays have a number, as 2TU, with FREQ=MONTHLY or YEARLY and without BYWEEKNO, and then all of them"
    )]
    NumberedDay,
    /// `BYSETPOS` with days or weeks, of which programs differ in where the first one begins.
    #[error("BYSETPOS goes with FREQ=MONTHLY or YEARLY and with BYDAY, BYMONTHDAY or BYYEARDAY")]
    Position,
    /// `BYWEEKNO` by itself, where programs differ in the day of the week.
    #[error("BYWEEKNO needs BYDAY to say which day of the week it is")]
    WeekWithoutDay,
    /// More than [`TIMES_A_DAY_MAX`].
    #[error("a meeting is at most {TIMES_A_DAY_MAX} times a day")]
    TooOften,
    /// A rule that no day meets, as the 30th of February.
    #[error("there is no day that meets this rule")]
    Never,
    /// What else RFC 5545 forbids.
    #[error("{0}")]
    Refused(String),
}

impl Repeat {
    /// The rule, in capitals and without a name in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rule for a calendar file whose `DTSTART` has this zone: with `UNTIL`, if any, in UTC as §3.3.10 demands there.
    pub fn in_calendar(&self, zone: &TimeZone) -> String {
        let part = |part: &str| match part.strip_prefix("UNTIL=").and_then(Until::read) {
            Some(until) => format!("UNTIL={}", until.instant(zone).strftime("%Y%m%dT%H%M%SZ")),
            None => part.to_owned(),
        };
        self.0.split(';').map(part).collect::<Vec<_>>().join(";")
    }
}

impl TryFrom<String> for Repeat {
    type Error = RepeatError;

    fn try_from(text: String) -> Result<Self, RepeatError> {
        // Before any other work, as the text comes from anybody.
        if text.len() > LETTERS_MAX {
            return Err(RepeatError::TooLong);
        }
        let text = text.to_ascii_uppercase();
        let text = text.strip_prefix("RRULE:").unwrap_or(&text);
        Rule::read(text)?.check()?;
        Ok(Repeat(text.to_owned()))
    }
}

impl FromStr for Repeat {
    type Err = RepeatError;

    fn from_str(text: &str) -> Result<Self, RepeatError> {
        Repeat::try_from(text.to_owned())
    }
}

impl From<Repeat> for String {
    fn from(repeat: Repeat) -> String {
        repeat.0
    }
}

/// `FREQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// `UNTIL` in its three forms. The last moment at which an occurrence may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// `20261231T130000Z`
    Instant(Timestamp),
    /// `20261231T140000`, or `20261231`, which is the end of that day: on the clock of the meeting's zone.
    Local(DateTime),
}

impl Until {
    fn read(text: &str) -> Option<Self> {
        // By length, as strptime also takes fewer digits.
        match text.len() {
            8 => {
                let day = Date::strptime("%Y%m%d", text).ok()?;
                Some(Until::Local(day.to_datetime(Time::constant(23, 59, 59, 0))))
            }
            15 => Some(Until::Local(DateTime::strptime("%Y%m%dT%H%M%S", text).ok()?)),
            16 => {
                let utc = DateTime::strptime("%Y%m%dT%H%M%S", text.strip_suffix('Z')?).ok()?;
                Some(Until::Instant(utc.to_zoned(TimeZone::UTC).ok()?.timestamp()))
            }
            _ => None,
        }
    }

    fn instant(self, zone: &TimeZone) -> Timestamp {
        match self {
            Until::Instant(instant) => instant,
            // It fails only at the end of time as jiff has it.
            Until::Local(local) => zone.to_timestamp(local).unwrap_or(Timestamp::MAX),
        }
    }
}

/// A rule taken apart.
#[derive(Clone, Debug)]
struct Rule<'a> {
    frequency: Frequency,
    interval: u16,
    count: Option<u32>,
    until: Option<Until>,
    week_start: Weekday,
    /// `BYDAY` and its like, as they were written.
    by: Vec<(&'a str, &'a str)>,
}

impl<'a> Rule<'a> {
    /// Reads what [`Repeat`] holds, and is the first half of checking it: names, and the values of all but `BY…`.
    fn read(text: &'a str) -> Result<Self, RepeatError> {
        let mut frequency = None;
        let mut rule = Rule {
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            week_start: Weekday::Monday,
            by: Vec::new(),
        };
        let mut seen = Vec::new();
        for part in text.split(';') {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| RepeatError::Part(part.to_owned()))?;
            let wrong = || RepeatError::Value {
                name: name.to_owned(),
                value: value.to_owned(),
            };
            if seen.contains(&name) {
                return Err(RepeatError::Twice(name.to_owned()));
            }
            seen.push(name);
            match name {
                "FREQ" => {
                    frequency = Some(match value {
                        "DAILY" => Frequency::Daily,
                        "WEEKLY" => Frequency::Weekly,
                        "MONTHLY" => Frequency::Monthly,
                        "YEARLY" => Frequency::Yearly,
                        _ => return Err(RepeatError::Frequency),
                    });
                }
                "INTERVAL" => rule.interval = number(value, 1, INTERVAL_MAX).ok_or_else(wrong)?,
                "COUNT" => rule.count = Some(number(value, 1, COUNT_MAX).ok_or_else(wrong)?),
                "UNTIL" => rule.until = Some(Until::read(value).ok_or_else(wrong)?),
                "WKST" => rule.week_start = weekday(value).ok_or_else(wrong)?,
                _ => {
                    let is_right: fn(&str) -> bool = match name {
                        "BYMONTH" => |text| number::<u8>(text, 1, 12).is_some(),
                        "BYWEEKNO" => |text| is_place(text, 53),
                        "BYYEARDAY" | "BYSETPOS" => |text| is_place(text, 366),
                        "BYMONTHDAY" => |text| is_place(text, 31),
                        "BYDAY" => |text| numbered(text).is_some(),
                        "BYHOUR" => |text| number::<u8>(text, 0, 23).is_some(),
                        "BYMINUTE" => |text| number::<u8>(text, 0, 59).is_some(),
                        _ => return Err(RepeatError::Part(part.to_owned())),
                    };
                    if !value.split(',').all(is_right) {
                        return Err(wrong());
                    }
                    rule.by.push((name, value));
                }
            }
        }
        rule.frequency = frequency.ok_or(RepeatError::Frequency)?;
        Ok(rule)
    }

    /// The second half of checking it: what goes with what, and whether any day meets it.
    fn check(&self) -> Result<(), RepeatError> {
        if self.count.is_some() && self.until.is_some() {
            return Err(RepeatError::TwoEnds);
        }
        let of_long = matches!(self.frequency, Frequency::Monthly | Frequency::Yearly);
        let days = self
            .by("BYDAY")
            .into_iter()
            .flat_map(|days| days.split(',').filter_map(numbered));
        let (numbers, plain): (Vec<_>, Vec<_>) = days.partition(|(number, _)| !number.is_empty());
        let may_be_numbered = of_long && self.by("BYWEEKNO").is_none() && plain.is_empty();
        if !numbers.is_empty() && !may_be_numbered {
            return Err(RepeatError::NumberedDay);
        }
        let chooses = ["BYDAY", "BYMONTHDAY", "BYYEARDAY"]
            .into_iter()
            .any(|name| self.by(name).is_some());
        if self.by("BYSETPOS").is_some() && !(of_long && chooses) {
            return Err(RepeatError::Position);
        }
        if self.by("BYWEEKNO").is_some() && plain.is_empty() {
            return Err(RepeatError::WeekWithoutDay);
        }
        let values = |name| self.by(name).map_or(1, |values| values.split(',').count());
        if values("BYHOUR") * values("BYMINUTE") > TIMES_A_DAY_MAX {
            return Err(RepeatError::TooOften);
        }
        // One that can be met is met soon after any start if nothing else thins it out.
        let all = Rule {
            interval: 1,
            count: None,
            until: None,
            ..self.clone()
        };
        let start = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);
        let mut met = all.evaluate(start, start, None).map_err(RepeatError::Refused)?;
        met.next().map(drop).ok_or(RepeatError::Never)
    }

    /// The value of a part whose name begins with `BY`.
    fn by(&self, name: &str) -> Option<&'a str> {
        self.by
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| *value)
    }
}

/// `+2TU` as `+2` and the day.
fn numbered(day: &str) -> Option<(&str, Weekday)> {
    let (number, day) = day.split_at_checked(day.len().checked_sub(2)?)?;
    let is_right = number.is_empty() || is_place(number, 53);
    is_right.then_some((number, weekday(day)?))
}

/// Whether it counts from the beginning or, with a minus, from the end.
fn is_place(text: &str, most: u16) -> bool {
    number(text.strip_prefix(['+', '-']).unwrap_or(text), 1, most).is_some()
}

fn number<T: FromStr + PartialOrd>(text: &str, least: T, most: T) -> Option<T> {
    let is_plain = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| is_plain && (least..=most).contains(number))
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

/// A weekday as RFC 5545 has it.
pub(crate) fn letters(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "MO",
        Weekday::Tuesday => "TU",
        Weekday::Wednesday => "WE",
        Weekday::Thursday => "TH",
        Weekday::Friday => "FR",
        Weekday::Saturday => "SA",
        Weekday::Sunday => "SU",
    }
}
