//! `VTIMEZONE` (RFC 5545 §3.6.5): a time zone as the database of this machine has it.
//!
//! Where a zone has kept one pattern of clock changes to the end of a century from the meeting on, as “last Sunday of March”, the
//! pattern is written as a rule that has no end. What came before it, and zones without a pattern (Casablanca follows Ramadan), get
//! each change by its date: to the end of the meetings, or for a hundred years.

use super::line::Lines;
use crate::repeat::letters;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Dst, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeMap;

/// How far changes are computed.
const YEARS: i32 = 100;

/// Years in a row that make a pattern: in 28 each date has been each weekday (but for centuries without a leap year).
const PATTERN_YEARS: usize = 29;

/// What an observance is, apart from when it begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    is_summer: bool,
    from: i32,
    to: i32,
    name: String,
}

/// A change of the clocks, with the wall before it.
struct Onset {
    kind: Kind,
    wall: DateTime,
}

/// What repeats if a change keeps a pattern.
type Season = (Kind, i8, i8, Time);

/// Writes the zone for what lies between two times. `end`: `None` if it has no end.
pub(super) fn write(
    lines: &mut Lines,
    zone: &TimeZone,
    name: &str,
    begin: Timestamp,
    end: Option<Timestamp>,
) {
    let mut onsets = onsets(zone, begin);
    let seasons = seasons(&onsets);
    // Without the changes that a pattern describes.
    onsets.retain(|onset| {
        seasons
            .get(&season(onset))
            .is_none_or(|(first, _)| onset.wall < *first)
    });
    if let Some(end) = end {
        let end = zone.to_datetime(end).saturating_add(1.day());
        onsets.retain(|onset| onset.wall <= end);
    }
    let mut by_kind = BTreeMap::<Kind, Vec<DateTime>>::new();
    for onset in onsets {
        by_kind.entry(onset.kind).or_default().push(onset.wall);
    }

    lines.begin("VTIMEZONE");
    lines.plain("TZID", name);
    for (kind, walls) in by_kind {
        let mut walls = walls.into_iter();
        let Some(first) = walls.next() else { continue };
        let others: Vec<String> = walls.map(local).collect();
        observance(lines, &kind, first, |lines| {
            if !others.is_empty() {
                lines.plain("RDATE", others.join(","));
            }
        });
    }
    for ((kind, month, _, _), (first, days)) in seasons {
        observance(lines, &kind, first, |lines| {
            lines.plain("RRULE", format!("FREQ=YEARLY;BYMONTH={month};{days}"));
        });
    }
    lines.end("VTIMEZONE");
}

/// A date and time on a clock, as `20261231T140000`.
pub(super) fn local(wall: DateTime) -> String {
    wall.strftime("%Y%m%dT%H%M%S").to_string()
}

fn observance(lines: &mut Lines, kind: &Kind, first: DateTime, more: impl FnOnce(&mut Lines)) {
    let component = if kind.is_summer { "DAYLIGHT" } else { "STANDARD" };
    lines.begin(component);
    lines.plain("DTSTART", local(first));
    lines.plain("TZOFFSETFROM", offset(kind.from));
    lines.plain("TZOFFSETTO", offset(kind.to));
    lines.plain("TZNAME", &*kind.name);
    more(lines);
    lines.end(component);
}

/// Seconds east of Greenwich, as `+0530` (§3.3.14).
fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match seconds {
        0 => format!("{sign}{hours:02}{minutes:02}"),
        _ => format!("{sign}{hours:02}{minutes:02}{seconds:02}"),
    }
}

/// The change before `begin`, so that there is one in force, and those of [`YEARS`] years after it.
fn onsets(zone: &TimeZone, begin: Timestamp) -> Vec<Onset> {
    let last_year = i32::from(zone.to_datetime(begin).year()) + YEARS;
    let onset = |at: Timestamp, to: Offset, dst: Dst, name: &str| {
        let before = at
            .checked_sub(1.nanosecond())
            .map_or(to, |before| zone.to_offset(before));
        let kind = Kind {
            is_summer: dst.is_dst(),
            from: before.seconds(),
            to: to.seconds(),
            name: name.to_owned(),
        };
        Onset {
            kind,
            wall: before.to_datetime(at),
        }
    };
    let mut onsets: Vec<Onset> = zone
        .preceding(begin)
        .map(|change| {
            onset(
                change.timestamp(),
                change.offset(),
                change.dst(),
                change.abbreviation(),
            )
        })
        .find(turns_clocks)
        .into_iter()
        .collect();
    if onsets.is_empty() {
        // A zone that has had no change: since always.
        let info = zone.to_offset_info(begin);
        let kind = Kind {
            is_summer: info.dst().is_dst(),
            from: info.offset().seconds(),
            to: info.offset().seconds(),
            name: info.abbreviation().to_owned(),
        };
        let wall = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).min(zone.to_datetime(begin).first_of_year());
        onsets.push(Onset { kind, wall });
    }
    let following = zone
        .following(begin)
        .map(|change| {
            onset(
                change.timestamp(),
                change.offset(),
                change.dst(),
                change.abbreviation(),
            )
        })
        // Whole years only: a pattern has each of its changes in all of them.
        .take_while(|onset| i32::from(onset.wall.year()) <= last_year);
    onsets.extend(following.filter(turns_clocks));
    onsets
}

fn turns_clocks(onset: &Onset) -> bool {
    onset.kind.from != onset.kind.to
}

fn season(onset: &Onset) -> Season {
    (
        onset.kind.clone(),
        onset.wall.month(),
        weekday_number(onset.wall.weekday()),
        onset.wall.time(),
    )
}

fn weekday_number(day: Weekday) -> i8 {
    day.to_monday_zero_offset()
}

/// The patterns that hold to the last year, with their first change and their days as parts of a rule; none where one of the changes
/// of the last year keeps to no pattern, or where there are none in it.
fn seasons(onsets: &[Onset]) -> BTreeMap<Season, (DateTime, String)> {
    let mut walls = BTreeMap::<Season, Vec<DateTime>>::new();
    for onset in onsets {
        walls.entry(season(onset)).or_default().push(onset.wall);
    }
    let Some(last_year) = onsets.last().map(|onset| onset.wall.year()) else {
        return BTreeMap::new();
    };
    walls.retain(|_, walls| walls.last().is_some_and(|last| last.year() == last_year));
    let found: Option<BTreeMap<_, _>> = walls
        .into_iter()
        .map(|(season, walls)| {
            let (first, days) = pattern(&walls, season.2)?;
            Some((season, (first, days)))
        })
        .collect();
    found.unwrap_or_default()
}

/// From where on the dates have a pattern to the end, and which.
fn pattern(walls: &[DateTime], weekday: i8) -> Option<(DateTime, String)> {
    let day = Weekday::from_monday_zero_offset(weekday).ok()?;
    let day = letters(day);
    (0..walls.len()).find_map(|skipped| {
        let walls = walls.get(skipped..)?;
        let first = *walls.first()?;
        let is_yearly = walls
            .windows(2)
            .all(|pair| matches!(pair, [one, two] if two.year() == one.year() + 1));
        if walls.len() < PATTERN_YEARS || !is_yearly {
            return None;
        }
        let dates: Vec<Date> = walls.iter().map(|wall| wall.date()).collect();
        Some((first, days(&dates, day)?))
    })
}

/// The parts of a rule that give these dates, all in one month and on one weekday.
fn days(dates: &[Date], weekday: &str) -> Option<String> {
    if dates.iter().all(|date| date.day() + 7 > date.days_in_month()) {
        return Some(format!("BYDAY=-1{weekday}"));
    }
    let least = dates.iter().map(|date| date.day()).min()?;
    let most = dates.iter().map(|date| date.day()).max()?;
    // Seven days of which one is that weekday; from the 1st, 8th, 15th or 22nd on it has a number.
    match least {
        _ if most - least != 6 => None,
        1 | 8 | 15 | 22 => Some(format!("BYDAY={}{weekday}", least / 7 + 1)),
        _ => {
            let days: Vec<String> = (least..=most).map(|day| day.to_string()).collect();
            Some(format!("BYMONTHDAY={};BYDAY={weekday}", days.join(",")))
        }
    }
}
