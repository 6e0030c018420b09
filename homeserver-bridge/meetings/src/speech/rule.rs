//! How a meeting repeats: from words to a rule of RFC 5545, and from a rule to words.

use super::Language;
use super::answer::{long_date, ordinal, weekday};
use super::day::{self, Day, weekdays};
use super::refuse::Why;
use super::vocabulary::Sense;
use super::words::{Word, from, sense};
use crate::meeting::Repeat;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

const WORKDAYS: [Weekday; 5] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
];

/// The unit of a rule (`FREQ`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Every {
    Day,
    Week,
    Month,
    Year,
}

/// When it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Never,
    /// After so many times.
    Count(u32),
    /// With this day.
    Until(Date),
}

/// A rule as people say them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub every: Every,
    pub interval: u32,
    /// Days of the week; for months, the one of which `nth` is.
    pub days: Vec<Weekday>,
    /// Which of the month: 1 to 4, or -1 for the last.
    pub nth: Option<i8>,
    pub end: End,
}

impl Rule {
    fn new(every: Every, interval: u32) -> Self {
        Rule {
            every,
            interval,
            days: Vec::new(),
            nth: None,
            end: End::Never,
        }
    }

    fn on(days: Vec<Weekday>) -> Self {
        Rule {
            days,
            ..Rule::new(Every::Week, 1)
        }
    }

    fn nth(nth: i8, day: Weekday) -> Self {
        Rule {
            days: vec![day],
            nth: Some(nth),
            ..Rule::new(Every::Month, 1)
        }
    }

    /// Whether a day is one of the rule.
    pub fn has(&self, date: Date) -> bool {
        let nth = match self.nth {
            Some(nth) if nth < 0 => date.day() > date.days_in_month() - 7,
            Some(nth) => (date.day() - 1) / 7 + 1 == nth,
            None => true,
        };
        nth && (self.days.is_empty() || self.days.contains(&date.weekday()))
    }

    /// The rule as iCalendar has it. The last day ends with the day of the meeting's zone.
    pub fn text(&self, zone: &TimeZone) -> String {
        let freq = match self.every {
            Every::Day => "DAILY",
            Every::Week => "WEEKLY",
            Every::Month => "MONTHLY",
            Every::Year => "YEARLY",
        };
        let mut text = format!("FREQ={freq}");
        if self.interval > 1 {
            text.push_str(&format!(";INTERVAL={}", self.interval));
        }
        if !self.days.is_empty() {
            let nth = self.nth.map(|nth| nth.to_string()).unwrap_or_default();
            let days: Vec<String> = self
                .days
                .iter()
                .map(|day| format!("{nth}{}", short(*day)))
                .collect();
            text.push_str(&format!(";BYDAY={}", days.join(",")));
        }
        match self.end {
            End::Never => {}
            End::Count(times) => text.push_str(&format!(";COUNT={times}")),
            // In UTC, as it must be where the beginning has a zone (RFC 5545 §3.3.10).
            End::Until(date) => match zone.to_timestamp(date.at(23, 59, 59, 0)) {
                Ok(until) => text.push_str(&format!(
                    ";UNTIL={}",
                    strtime::format("%Y%m%dT%H%M%SZ", until).unwrap_or_default()
                )),
                Err(_) => text.push_str(&format!(
                    ";UNTIL={}",
                    strtime::format("%Y%m%d", date).unwrap_or_default()
                )),
            },
        }
        text
    }

    /// The rule of a text; `None` where it has parts that [`rule`] never makes.
    fn parse(text: &str, zone: &TimeZone) -> Option<Rule> {
        let mut rule = None;
        let mut read = Rule::new(Every::Day, 1);
        for part in text
            .strip_prefix("RRULE:")
            .unwrap_or(text)
            .split(';')
            .filter(|part| !part.is_empty())
        {
            let (name, value) = part.split_once('=')?;
            match name {
                "FREQ" => {
                    rule = Some(match value {
                        "DAILY" => Every::Day,
                        "WEEKLY" => Every::Week,
                        "MONTHLY" => Every::Month,
                        "YEARLY" => Every::Year,
                        _ => return None,
                    });
                }
                "INTERVAL" => read.interval = value.parse().ok()?,
                "COUNT" => read.end = End::Count(value.parse().ok()?),
                "UNTIL" => read.end = End::Until(until(value, zone)?),
                "BYDAY" => {
                    for day in value.split(',') {
                        let (nth, day) = day.split_at_checked(day.len().checked_sub(2)?)?;
                        let nth = if nth.is_empty() {
                            None
                        } else {
                            Some(nth.parse().ok()?)
                        };
                        if !read.days.is_empty() && nth != read.nth {
                            return None;
                        }
                        read.nth = nth;
                        read.days
                            .push(WEEK.into_iter().find(|known| short(*known) == day)?);
                    }
                }
                "WKST" => {}
                _ => return None,
            }
        }
        read.every = rule?;
        let is_plain = match read.every {
            Every::Week => read.nth.is_none(),
            Every::Month => read.days.len() == usize::from(read.nth.is_some()),
            Every::Day | Every::Year => read.days.is_empty(),
        };
        is_plain.then_some(read)
    }
}

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn short(day: Weekday) -> &'static str {
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

/// The last day of a rule: in UTC, without a zone, or a day alone.
fn until(text: &str, zone: &TimeZone) -> Option<Date> {
    if let Some(utc) = text.strip_suffix('Z') {
        let utc = DateTime::strptime("%Y%m%dT%H%M%S", utc).ok()?;
        return Some(
            utc.to_zoned(TimeZone::UTC)
                .ok()?
                .with_time_zone(zone.clone())
                .date(),
        );
    }
    let day = text.split('T').next()?;
    Date::strptime("%Y%m%d", day).ok()
}

/// The rule at the beginning of these words, and how many of them it takes.
///
/// # Errors
///
/// [`Why::EverySecond`]: "every second Monday", which is every two weeks for some and once a month for others.
pub(super) fn rule(words: &[Word]) -> Result<Option<(Rule, usize)>, Why> {
    let plural = |sense| match sense {
        Sense::Weekdays(day) => Some(day),
        _ => None,
    };
    let Some(first) = sense(words, 0) else {
        return Ok(None);
    };
    Ok(Some(match first {
        Sense::Daily => (Rule::new(Every::Day, 1), 1),
        Sense::Workday => (Rule::on(WORKDAYS.to_vec()), 1),
        Sense::Weekly => (Rule::new(Every::Week, 1), 1),
        Sense::Fortnightly => (Rule::new(Every::Week, 2), 1),
        Sense::Monthly => monthly(words, 1, 1),
        Sense::Quarterly => monthly(words, 1, 3),
        Sense::Yearly => (Rule::new(Every::Year, 1), 1),
        Sense::Weekdays(_) => match weekdays(words, plural) {
            Some((days, taken)) => (Rule::on(days), taken),
            None => return Ok(None),
        },
        Sense::Every => return every(words),
        Sense::Ordinal(nth) => match (sense(words, 1), of_month(words, 2)) {
            (Some(Sense::Weekday(day)), Some(taken)) => (Rule::nth(nth, day), taken),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

/// What stands behind "every".
fn every(words: &[Word]) -> Result<Option<(Rule, usize)>, Why> {
    let singular = |sense| match sense {
        Sense::Weekday(day) => Some(day),
        _ => None,
    };
    if let Some((days, taken)) = weekdays(from(words, 1), singular) {
        return Ok(Some((Rule::on(days), taken + 1)));
    }
    let ordinal = words.get(1).and_then(nth);
    if let (Some(nth), Some(Sense::Weekday(day))) = (ordinal, sense(words, 2)) {
        return match of_month(words, 3) {
            None if nth > 1 => Err(Why::EverySecond),
            taken => Ok(Some((Rule::nth(nth, day), taken.unwrap_or(3)))),
        };
    }
    let other = words.get(1).filter(|word| word.is(Sense::Other)).map(|_| 2);
    let count = other
        .or_else(|| ordinal.and_then(|nth| u32::try_from(nth).ok()))
        .or_else(|| words.get(1)?.number());
    if let (Some(interval), Some(Sense::Weekday(day))) = (other, sense(words, 2)) {
        return Ok(Some((
            Rule {
                interval,
                ..Rule::on(vec![day])
            },
            3,
        )));
    }
    let (interval, at) = count.map_or((1, 1), |count| (count, 2));
    if interval == 0 || interval > 1000 {
        return Err(Why::Rule);
    }
    let every = match sense(words, at) {
        Some(Sense::Day) => Every::Day,
        Some(Sense::Workday) if interval == 1 => return Ok(Some((Rule::on(WORKDAYS.to_vec()), at + 1))),
        Some(Sense::Week) => Every::Week,
        Some(Sense::MonthUnit) => return Ok(Some(monthly(words, at + 1, interval))),
        Some(Sense::Year) => Every::Year,
        _ => return Ok(None),
    };
    Ok(Some((Rule::new(every, interval), at + 1)))
}

/// The end of `of the month`, `im Monat` or `of every month`, if that stands here.
fn of_month(words: &[Word], at: usize) -> Option<usize> {
    let little = words.iter().skip(at).take(2);
    let little = little.take_while(|word| matches!(word.sense, Some(Sense::Filler | Sense::Every)));
    let at = at + little.count();
    (sense(words, at) == Some(Sense::MonthUnit)).then_some(at + 1)
}

/// `monthly`, and `monthly on the first Monday`.
fn monthly(words: &[Word], taken: usize, interval: u32) -> (Rule, usize) {
    let rule = Rule::new(Every::Month, interval);
    let skipped = words.iter().skip(taken).take(3);
    let at = taken
        + skipped
            .take_while(|word| matches!(word.sense, Some(Sense::On | Sense::Am | Sense::Filler)))
            .count();
    match (words.get(at).and_then(nth), sense(words, at + 1)) {
        (Some(nth), Some(Sense::Weekday(day))) => (
            Rule {
                days: vec![day],
                nth: Some(nth),
                ..rule
            },
            at + 2,
        ),
        _ => (rule, taken),
    }
}

/// `first`, `ersten`, `1.`
fn nth(word: &Word) -> Option<i8> {
    match word.sense {
        Some(Sense::Ordinal(nth)) => Some(nth),
        _ => word
            .lower
            .strip_suffix('.')?
            .parse()
            .ok()
            .filter(|nth| (1..=4).contains(nth)),
    }
}

/// The end of a rule at the beginning of these words, `until 30.6.2027` or `10 times`, and how many of them it takes.
///
/// # Errors
///
/// [`Why::SlashDate`], as [`day::day`].
pub(super) fn end(words: &[Word]) -> Result<Option<(Ending, usize)>, Why> {
    if sense(words, 0) == Some(Sense::Until) {
        let skipped = words.iter().skip(1).take(2);
        let at = 1 + skipped
            .take_while(|word| matches!(word.sense, Some(Sense::To | Sense::Filler)))
            .count();
        let Some((day, taken)) = day::day(from(words, at))? else {
            return Ok(None);
        };
        // "Until Wednesday 30 June": of the two, the date says more.
        if let (Day::Weekdays { .. }, Some((date @ Day::On { .. }, more))) =
            (&day, day::day(from(words, at + taken))?)
        {
            return Ok(Some((Ending::Until(date), at + taken + more)));
        }
        return Ok(Some((Ending::Until(day), at + taken)));
    }
    let Some(first) = words.first() else {
        return Ok(None);
    };
    if let (Some(count), Some(Sense::Times)) = (first.number(), sense(words, 1)) {
        return Ok(Some((Ending::Count(count), 2)));
    }
    let bare = first
        .lower
        .strip_suffix('x')
        .or_else(|| first.lower.strip_suffix("mal"));
    let bare = bare
        .map(|bare| bare.trim_end_matches('-'))
        .filter(|bare| bare.bytes().all(|byte| byte.is_ascii_digit()));
    Ok(bare
        .and_then(|count| count.parse().ok())
        .map(|count| (Ending::Count(count), 1)))
}

/// An end as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Until(Day),
    Count(u32),
}

/// The rule in words, as "every week on Thursday". It can be said to the bot again. One that the bot does not make itself is
/// shown as it is.
///
/// `zone`: of the meeting; the last day is one there.
pub fn words(repeat: &Repeat, zone: &TimeZone, language: Language) -> String {
    let text = String::from(repeat.clone());
    let Some(rule) = Rule::parse(&text, zone) else {
        return match language {
            Language::English => format!("by the rule {text}"),
            Language::German => format!("nach der Regel {text}"),
        };
    };
    let base = match language {
        Language::English => english(&rule),
        Language::German => german(&rule),
    };
    let end = match (rule.end, language) {
        (End::Never, _) => String::new(),
        (End::Count(times), Language::English) => format!(", {times} times"),
        (End::Count(times), Language::German) => format!(", {times} mal"),
        (End::Until(date), Language::English) => format!(", until {}", long_date(date, language)),
        (End::Until(date), Language::German) => format!(", bis {}", long_date(date, language)),
    };
    format!("{base}{end}")
}

fn english(rule: &Rule) -> String {
    if rule.days == WORKDAYS && rule.interval == 1 {
        return "every weekday".to_owned();
    }
    let unit = match rule.every {
        Every::Day => "day",
        Every::Week => "week",
        Every::Month => "month",
        Every::Year => "year",
    };
    let every = match rule.interval {
        0 | 1 => format!("every {unit}"),
        interval => format!("every {interval} {unit}s"),
    };
    match rule.nth {
        Some(nth) => format!(
            "{every} on the {} {}",
            ordinal(nth, Language::English),
            days(rule, Language::English)
        ),
        None if rule.days.is_empty() => every,
        None => format!("{every} on {}", days(rule, Language::English)),
    }
}

fn german(rule: &Rule) -> String {
    if rule.days == WORKDAYS && rule.interval == 1 {
        return "jeden Werktag".to_owned();
    }
    let (one, many) = match rule.every {
        Every::Day => ("jeden Tag", "Tage"),
        Every::Week => ("jede Woche", "Wochen"),
        Every::Month => ("jeden Monat", "Monate"),
        Every::Year => ("jedes Jahr", "Jahre"),
    };
    let every = match rule.interval {
        0 | 1 => one.to_owned(),
        interval => format!("alle {interval} {many}"),
    };
    match rule.nth {
        Some(nth) => format!(
            "{every} am {} {}",
            ordinal(nth, Language::German),
            days(rule, Language::German)
        ),
        None if rule.days.is_empty() => every,
        None => format!("{every} am {}", days(rule, Language::German)),
    }
}

fn days(rule: &Rule, language: Language) -> String {
    let names: Vec<&str> = rule.days.iter().map(|day| weekday(*day, language)).collect();
    super::answer::and(&names, language)
}
