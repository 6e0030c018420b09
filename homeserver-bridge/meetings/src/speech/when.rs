//! When a meeting is: what was said of days, times, lengths, zones and repeats, put together.

use super::clock::{self, Hours};
use super::day::{self, Day, ahead_of};
use super::refuse::Why;
use super::rule::{self, End, Ending, Every, Rule};
use super::vocabulary::{Sense, nearest};
use super::words::{Kind, Word, from, sense};
use crate::meeting::{MINUTES_MAX, Repeat};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

/// Days in which the next day of a rule is looked for: one that has a last Monday has one within two months.
const DAYS_LOOKED: i64 = 63;

/// What was said, in parts.
#[derive(Default)]
pub(super) struct When {
    pub days: Vec<Day>,
    pub hours: Vec<Hours>,
    /// Ends that stood by themselves, as "until 15:30".
    ends: Vec<Time>,
    lengths: Vec<u32>,
    /// Lengths that are perhaps times, as `14h`.
    unsure: Vec<u32>,
    /// Minutes from now, as "in 2 hours".
    ahead: Vec<u32>,
    /// Whether the half of the day after noon was said with the day, as "tomorrow evening".
    is_after_noon: bool,
    zone: Option<String>,
    rule: Option<Rule>,
    ending: Option<Ending>,
}

/// When it is.
#[derive(Debug)]
pub(super) struct Set {
    /// On the clock of `zone`, or of the speaker's.
    pub start: DateTime,
    /// The zone that was said.
    pub zone: Option<TimeZone>,
    pub minutes: Option<u32>,
    pub repeat: Option<Repeat>,
}

impl When {
    /// Takes what the words begin with, and how many of them that were; 0: it says nothing of a time.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken.
    pub fn take(&mut self, words: &[Word]) -> Result<usize, Why> {
        let Some(first) = words.first().filter(|word| word.kind == Kind::Plain) else {
            return Ok(0);
        };
        if let Some(zone) = zone(first)? {
            if self.zone.replace(zone.clone()).is_some_and(|other| other != zone) {
                return Err(Why::TwoZones);
            }
            return Ok(1);
        }
        if let Some((rule, taken)) = rule::rule(words)? {
            if self.rule.replace(rule.clone()).is_some_and(|other| other != rule) {
                return Err(Why::TwoRules);
            }
            return Ok(taken);
        }
        if let Some((ending, taken)) = rule::end(words)? {
            if self
                .ending
                .replace(ending.clone())
                .is_some_and(|other| other != ending)
            {
                return Err(Why::TwoRules);
            }
            return Ok(taken);
        }
        if first.is(Sense::In)
            && let Some((length, taken)) = clock::length(from(words, 1))
        {
            self.ahead.push(length.minutes);
            return Ok(taken + 1);
        }
        if let Some((length, taken)) = clock::length(words) {
            let kind = if length.is_perhaps_time {
                &mut self.unsure
            } else {
                &mut self.lengths
            };
            kind.push(length.minutes);
            return Ok(taken);
        }
        if first.is(Sense::Until)
            && let Some((hours, taken)) = clock::hours(from(words, 1))?
        {
            self.ends.push(hours.start);
            return Ok(taken + 1);
        }
        if let Some((day, taken)) = day::day(words)? {
            self.days.push(day);
            let half = sense(words, taken);
            self.is_after_noon |= half == Some(Sense::Pm) || first.lower == "tonight";
            return Ok(taken + usize::from(matches!(half, Some(Sense::Pm | Sense::Morning))));
        }
        if let Some((hours, taken)) = clock::hours(words)? {
            self.hours.push(hours);
            return Ok(taken);
        }
        Ok(0)
    }

    /// Whether a day and a time were said, so that it can only be a meeting.
    pub fn is_full(&self) -> bool {
        let is_time = !self.hours.is_empty() || !self.unsure.is_empty();
        !self.ahead.is_empty() || (is_time && (!self.days.is_empty() || self.rule.is_some()))
    }

    /// When that is for somebody whose clock shows `now`. Where no day was said, it is `otherwise`, or the next at which the time is
    /// still to come if `may_be_today`.
    ///
    /// # Errors
    ///
    /// What is missing, does not agree, or cannot be.
    pub fn set(mut self, now: &Zoned, otherwise: Option<Date>, may_be_today: bool) -> Result<Set, Why> {
        let zone = self
            .zone
            .take()
            .map(|name| TimeZone::get(&name).map_err(|_| Why::UnknownZone(name, None)))
            .transpose()?;
        let now = zone
            .clone()
            .map_or_else(|| now.clone(), |zone| now.with_time_zone(zone));
        let (start, minutes) = match self.ahead.as_slice() {
            [] => {
                let hours = self.hours()?;
                let date = self.date(&now, hours.start, otherwise, may_be_today)?;
                (date.to_datetime(hours.start), self.minutes(hours)?)
            }
            [ahead, ..] => {
                if self.ahead.len() > 1 || !self.hours.is_empty() {
                    return Err(Why::TwoTimes);
                }
                if !self.days.is_empty() {
                    return Err(Why::TwoDates);
                }
                let then = now
                    .checked_add(SignedDuration::from_mins((*ahead).into()))
                    .map_err(|_| Why::TooFar)?;
                let time = clock::time(
                    then.hour().unsigned_abs().into(),
                    then.minute().unsigned_abs().into(),
                );
                let time = time.ok_or(Why::NoTime)?;
                (
                    then.date().to_datetime(time),
                    self.minutes(Hours {
                        start: time,
                        end: None,
                    })?,
                )
            }
        };
        self.check_start(start, &now)?;
        let repeat = self.repeat(start, now.time_zone(), &now)?;
        Ok(Set {
            start,
            zone,
            minutes,
            repeat,
        })
    }

    /// The one day that was said, without a time.
    ///
    /// # Errors
    ///
    /// As [`When::set`].
    pub fn only_day(&self, now: &Zoned) -> Result<Option<Date>, Why> {
        if self.days.is_empty() {
            return Ok(None);
        }
        let last = Time::MAX;
        self.date(now, last, None, false).map(Some)
    }

    /// The time, or the one that was said like a length.
    fn hours(&mut self) -> Result<Hours, Why> {
        let mut hours = self.hours.first().copied();
        if self.hours.iter().any(|other| Some(*other) != hours) {
            return Err(Why::TwoTimes);
        }
        if hours.is_none() && !self.unsure.is_empty() {
            let minutes = self.unsure.remove(0);
            hours = clock::time(minutes / 60, minutes % 60).map(|start| Hours { start, end: None });
        }
        let mut hours = hours.ok_or(Why::NoTime)?;
        for end in &self.ends {
            if hours.end.replace(*end).is_some_and(|other| other != *end) {
                return Err(Why::TwoTimes);
            }
        }
        let later = |time: Time| {
            let is_before_noon = self.is_after_noon && (1..12).contains(&time.hour());
            if is_before_noon {
                time.wrapping_add(SignedDuration::from_hours(12))
            } else {
                time
            }
        };
        hours = Hours {
            start: later(hours.start),
            end: hours.end.map(later),
        };
        Ok(hours)
    }

    /// The one length that was said.
    fn minutes(&self, hours: Hours) -> Result<Option<u32>, Why> {
        let of_day = |time: Time| i32::from(time.hour()) * 60 + i32::from(time.minute());
        let between = hours.end.map(|end| match of_day(end) - of_day(hours.start) {
            // Over midnight.
            minutes @ ..0 => minutes + 24 * 60,
            minutes => minutes,
        });
        let between = between.and_then(|minutes| u32::try_from(minutes).ok());
        let mut all = between
            .into_iter()
            .chain(self.lengths.iter().copied())
            .chain(self.unsure.iter().copied());
        let Some(minutes) = all.next() else {
            return Ok(None);
        };
        match minutes {
            _ if all.any(|other| other != minutes) => Err(Why::TwoLengths),
            0 => Err(Why::NoLength),
            _ if minutes > MINUTES_MAX => Err(Why::TooLong),
            _ => Ok(Some(minutes)),
        }
    }

    /// The day on which it is, or is first.
    fn date(
        &self,
        now: &Zoned,
        time: Time,
        otherwise: Option<Date>,
        may_be_today: bool,
    ) -> Result<Date, Why> {
        let today = now.date();
        let rule = self.rule.as_ref();
        let is_ahead = |date: Date| {
            let when = date.to_datetime(time).to_zoned(now.time_zone().clone());
            date >= today && when.is_ok_and(|when| when > *now)
        };
        let mut date = None;
        let mut weekdays: Option<(&[Weekday], bool)> = None;
        let mut week = None;
        for day in &self.days {
            match day {
                Day::Weekdays { days, is_next } => {
                    if weekdays
                        .replace((days, *is_next))
                        .is_some_and(|other| other.0 != days)
                    {
                        return Err(Why::TwoDates);
                    }
                }
                Day::Weeks { weeks, is_exact } => {
                    if week.replace((*weeks, *is_exact)).is_some() {
                        return Err(Why::TwoDates);
                    }
                }
                Day::Ahead(_) | Day::On { .. } => {
                    let other = day.date(today)?;
                    if date.is_some() && date != other {
                        return Err(Why::TwoDates);
                    }
                    date = other;
                }
            }
        }
        let is_weekly = rule.is_some_and(|rule| rule.every == Every::Week && rule.days.is_empty());
        if weekdays.is_some_and(|(days, _)| days.len() > 1) && !is_weekly {
            return Err(Why::TwoDates);
        }
        let is_of_rule = |date: Date| rule.is_none_or(|rule| rule.has(date));
        let is_of_week = |date: Date| weekdays.is_none_or(|(days, _)| days.contains(&date.weekday()));
        let from = match (date, week) {
            (Some(_), Some(_)) => return Err(Why::TwoDates),
            (Some(date), None) if weekdays.is_some() => {
                return (is_of_week(date) && is_of_rule(date))
                    .then_some(date)
                    .ok_or(Why::TwoDates);
            }
            // "Every Thursday", and the day from which on.
            (Some(date), None) => return first(date, is_of_rule),
            (None, Some((weeks, is_exact))) => {
                if weekdays.is_none() && is_exact {
                    return first(ahead_of(today, weeks.saturating_mul(7))?, is_of_rule);
                }
                if weekdays.is_none() && rule.is_none_or(|rule| rule.days.is_empty()) {
                    return Err(Why::NoDay);
                }
                let monday = ahead_of(today, -i64::from(today.weekday().to_monday_zero_offset()))?;
                return first(ahead_of(monday, weeks.saturating_mul(7))?, |date| {
                    is_of_rule(date) && is_of_week(date)
                });
            }
            (None, None) => today,
        };
        if weekdays.is_none() && rule.is_none() {
            if let Some(date) = otherwise {
                return Ok(date);
            }
            if !may_be_today {
                return Err(Why::NoDay);
            }
        }
        let is_later = |date: Date| date > today || !weekdays.is_some_and(|(_, is_next)| is_next);
        first(from, |date| {
            is_of_rule(date) && is_of_week(date) && is_later(date) && is_ahead(date)
        })
    }

    /// The beginning is to come, and is on the clock.
    fn check_start(&self, start: DateTime, now: &Zoned) -> Result<(), Why> {
        let zone = now.time_zone();
        let then = zone.to_ambiguous_zoned(start);
        if matches!(then.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
            let name = zone.iana_name().unwrap_or("UTC").to_owned();
            return Err(Why::Skipped(start, name));
        }
        let then = then.compatible().map_err(|_| Why::TooFar)?;
        if then <= *now {
            Err(Why::Past(start))
        } else {
            Ok(())
        }
    }

    /// The rule, with the weekday of the first time where it is a weekly one without.
    fn repeat(self, start: DateTime, zone: &TimeZone, now: &Zoned) -> Result<Option<Repeat>, Why> {
        let Some(mut rule) = self.rule else {
            return if self.ending.is_some() {
                Err(Why::EndWithoutRule)
            } else {
                Ok(None)
            };
        };
        if rule.every == Every::Week && rule.days.is_empty() {
            let said = self.days.iter().find_map(|day| match day {
                Day::Weekdays { days, .. } => Some(days.clone()),
                _ => None,
            });
            rule.days = said.unwrap_or_else(|| vec![start.weekday()]);
        }
        rule.days.sort_by_key(|day| day.to_monday_zero_offset());
        rule.end = match self.ending {
            None => End::Never,
            Some(Ending::Count(0)) => return Err(Why::EndBeforeStart),
            Some(Ending::Count(times)) => End::Count(times),
            Some(Ending::Until(day)) => {
                let date = match day.date(now.date())? {
                    Some(date) => date,
                    None => When {
                        days: vec![day],
                        ..When::default()
                    }
                    .date(now, Time::MAX, None, false)?,
                };
                if date < start.date() {
                    return Err(Why::EndBeforeStart);
                }
                End::Until(date)
            }
        };
        Repeat::try_from(rule.text(zone)).map(Some).map_err(|_| Why::Rule)
    }
}

/// The first day from this one on that is meant.
fn first(from: Date, is_meant: impl Fn(Date) -> bool) -> Result<Date, Why> {
    for more in 0..DAYS_LOOKED {
        let date = ahead_of(from, more)?;
        if is_meant(date) {
            return Ok(date);
        }
    }
    Err(Why::TwoDates)
}

/// The zone that a word names, by its name as it is written.
///
/// # Errors
///
/// [`Why::UnknownZone`]: it is one of a continent, but not of the time zone database.
fn zone(word: &Word) -> Result<Option<String>, Why> {
    let area = word.lower.split_once('/').map(|(area, _)| area);
    if area.is_none() && !matches!(word.lower.as_str(), "utc" | "gmt") {
        return Ok(None);
    }
    if let Some(name) = known_zone(&word.text) {
        return Ok(Some(name));
    }
    let is_area = matches!(
        area,
        Some(
            "africa"
                | "america"
                | "antarctica"
                | "arctic"
                | "asia"
                | "atlantic"
                | "australia"
                | "europe"
                | "indian"
                | "pacific"
        )
    );
    if is_area {
        Err(unknown_zone(&word.text))
    } else {
        Ok(None)
    }
}

/// The name of a zone as the time zone database writes it, whatever the case. `Berlin` is enough for `Europe/Berlin`.
fn known_zone(name: &str) -> Option<String> {
    const BYTES_MAX: usize = 48;
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '_' | '-' | '+');
    if name.len() > BYTES_MAX || !name.chars().all(is_letter) {
        return None;
    }
    TimeZone::get(name).ok()?.iana_name().map(str::to_owned)
}

fn unknown_zone(said: &str) -> Why {
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let near = nearest(said, names.iter().map(String::as_str)).map(str::to_owned);
    Why::UnknownZone(said.to_owned(), near)
}

/// The zone that somebody says is theirs: by name, or by city.
///
/// # Errors
///
/// [`Why::UnknownZone`], [`Why::NoZone`].
pub(super) fn own_zone(said: &str) -> Result<String, Why> {
    if said.is_empty() {
        return Err(Why::NoZone);
    }
    let name = said.replace(' ', "_");
    if let Some(name) = known_zone(&name) {
        return Ok(name);
    }
    let city = format!("/{}", name.to_lowercase());
    let mut names = jiff::tz::db().available().map(|name| name.to_string());
    let of_city = names.find(|known| known.to_lowercase().ends_with(&city) && known_zone(known).is_some());
    of_city.ok_or_else(|| unknown_zone(said))
}

/// Whether the words begin with a day, so that what stood before them is over.
pub(super) fn is_day(words: &[Word]) -> bool {
    let at = usize::from(matches!(sense(words, 0), Some(Sense::On | Sense::Am)));
    day::day(from(words, at)).is_ok_and(|day| day.is_some())
}
