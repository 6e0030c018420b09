//! Days, as people say them.

use super::refuse::Why;
use super::vocabulary::Sense;
use super::words::{Kind, Word, from, sense};
use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

/// A day as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Day {
    /// So many days from today.
    Ahead(i64),
    /// A day of the calendar.
    On {
        day: u32,
        month: u32,
        /// `None`: the next such day.
        year: Option<i16>,
    },
    /// The next of these days of the week.
    Weekdays {
        days: Vec<Weekday>,
        /// Not today.
        is_next: bool,
    },
    /// So many weeks ahead; of `next week` it is not said which day, `in two weeks` means the same day of the week.
    Weeks { weeks: i64, is_exact: bool },
}

/// The day at the beginning of these words, and how many of them it takes.
///
/// # Errors
///
/// [`Why::SlashDate`]: `12/24`, which half of the world reads as another day.
pub(super) fn day(words: &[Word]) -> Result<Option<(Day, usize)>, Why> {
    let Some(first) = words.first().filter(|word| word.kind == Kind::Plain) else {
        return Ok(None);
    };
    let said = match (first.sense, sense(words, 1), sense(words, 2)) {
        (Some(Sense::Today), ..) => (Day::Ahead(0), 1),
        (Some(Sense::Tomorrow), ..) => (Day::Ahead(1), 1),
        (Some(Sense::Overmorrow), ..) => (Day::Ahead(2), 1),
        (Some(Sense::Day), Some(Sense::After), Some(Sense::Tomorrow)) => (Day::Ahead(2), 3),
        (Some(Sense::Next), Some(Sense::Week), _) => (
            Day::Weeks {
                weeks: 1,
                is_exact: false,
            },
            2,
        ),
        (Some(Sense::AfterNext), Some(Sense::Week), _) => (
            Day::Weeks {
                weeks: 2,
                is_exact: false,
            },
            2,
        ),
        (Some(Sense::This), Some(Sense::Week), _) => (
            Day::Weeks {
                weeks: 0,
                is_exact: false,
            },
            2,
        ),
        (Some(Sense::Next), Some(Sense::Weekday(_)), _) => return Ok(next_weekday(from(words, 1), true)),
        (Some(Sense::This), Some(Sense::Weekday(_)), _) => return Ok(next_weekday(from(words, 1), false)),
        (Some(Sense::Weekday(_)), ..) => match weekdays(words, |sense| match sense {
            Sense::Weekday(day) => Some(day),
            _ => None,
        }) {
            Some((days, taken)) => (Day::Weekdays { days, is_next: false }, taken),
            None => return Ok(None),
        },
        (Some(Sense::In), ..) => return Ok(ahead(from(words, 1)).map(|(day, taken)| (day, taken + 1))),
        _ => return dated(words),
    };
    Ok(Some(said))
}

fn next_weekday(words: &[Word], is_next: bool) -> Option<(Day, usize)> {
    let Some(Sense::Weekday(day)) = sense(words, 0) else {
        return None;
    };
    Some((
        Day::Weekdays {
            days: vec![day],
            is_next,
        },
        2,
    ))
}

/// One day of the week or several: `Monday, Wednesday and Friday`.
pub(super) fn weekdays(
    words: &[Word],
    day: impl Fn(Sense) -> Option<Weekday>,
) -> Option<(Vec<Weekday>, usize)> {
    let mut days = Vec::new();
    let mut taken = 0;
    loop {
        let at = taken + usize::from(taken > 0 && sense(words, taken) == Some(Sense::And));
        let Some(next) = sense(words, at)
            .and_then(&day)
            .filter(|_| is_weekday(from(words, at)))
        else {
            break;
        };
        if !days.contains(&next) {
            days.push(next);
        }
        taken = at + 1;
    }
    (taken > 0).then_some((days, taken))
}

/// Two letters are a day only where something else shows it: "so" and "do" are words.
fn is_weekday(words: &[Word]) -> bool {
    let Some(word) = words.first() else { return false };
    let is_before_figure = words
        .get(1)
        .is_some_and(|next| next.lower.starts_with(|digit: char| digit.is_ascii_digit()));
    word.lower.chars().count() != 2
        || is_before_figure
        || matches!(sense(words, 1), Some(Sense::At | Sense::And))
}

/// The rest of `in 3 days` and `in einer Woche`.
fn ahead(words: &[Word]) -> Option<(Day, usize)> {
    let count = i64::from(words.first()?.number()?);
    match sense(words, 1)? {
        Sense::Day => Some((Day::Ahead(count), 2)),
        Sense::Week => Some((
            Day::Weeks {
                weeks: count,
                is_exact: true,
            },
            2,
        )),
        _ => None,
    }
}

/// A day of the calendar: `24.12.`, `24. Dezember 2026`, `December 24th`, `2026-12-24`.
fn dated(words: &[Word]) -> Result<Option<(Day, usize)>, Why> {
    let Some(first) = words.first() else {
        return Ok(None);
    };
    if let Some(Sense::Month(month)) = first.sense {
        let Some(day) = words.get(1).and_then(day_of_month) else {
            return Ok(None);
        };
        return Ok(Some(with_year(words, 2, day, month.unsigned_abs().into())));
    }
    if let Some(day) = day_of_month(first) {
        let at = 1 + usize::from(words.get(1).is_some_and(|word| word.lower == "of"));
        if let Some(Sense::Month(month)) = sense(words, at) {
            return Ok(Some(with_year(words, at + 1, day, month.unsigned_abs().into())));
        }
    }
    if !first.lower.starts_with(|digit: char| digit.is_ascii_digit()) {
        return Ok(None);
    }
    let parts = |mark: char| {
        let parts = first.lower.trim_end_matches('.').split(mark);
        let parts: Option<Vec<(u32, usize)>> = parts
            .take(4)
            .map(|part| Some((figure(part)?, part.len())))
            .collect();
        parts.unwrap_or_default()
    };
    if let [_, _] | [_, _, _] = *parts('/') {
        return Err(Why::SlashDate(first.text.clone()));
    }
    if let [(year, 4), (month, 1..=2), (day, 1..=2)] = *parts('-') {
        return Ok(Some((
            Day::On {
                day,
                month,
                year: i16::try_from(year).ok(),
            },
            1,
        )));
    }
    let is_ended = first.lower.ends_with('.');
    match *parts('.') {
        [(day, 1..=2), (month, 1..=2), (year, 4)] => Ok(Some((
            Day::On {
                day,
                month,
                year: i16::try_from(year).ok(),
            },
            1,
        ))),
        [(day, 1..=2), (month, 1..=2), (year, 2)] => Ok(Some((
            Day::On {
                day,
                month,
                year: i16::try_from(2000 + year).ok(),
            },
            1,
        ))),
        [(day, 1..=2), (month, 1..=2)]
            if is_ended || (is_day(day, month) && sense(words, 1) != Some(Sense::OClock)) =>
        {
            Ok(Some(with_year(words, 1, day, month)))
        }
        _ => Ok(None),
    }
}

fn figure(text: &str) -> Option<u32> {
    let is_digits = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

/// Whether a figure with a point may be a day: `24.12`, but not `14.30`.
fn is_day(day: u32, month: u32) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month)
}

/// `24`, `24.` and `24th`.
fn day_of_month(word: &Word) -> Option<u32> {
    let text = word.lower.as_str();
    let bare = ["st", "nd", "rd", "th", "."]
        .iter()
        .find_map(|end| text.strip_suffix(end))
        .unwrap_or(text);
    figure(bare).filter(|_| bare.len() <= 2)
}

fn with_year(words: &[Word], taken: usize, day: u32, month: u32) -> (Day, usize) {
    let year = words
        .get(taken)
        .and_then(Word::digits)
        .filter(|year| (1900..2200).contains(year));
    match year.and_then(|year| i16::try_from(year).ok()) {
        Some(year) => (
            Day::On {
                day,
                month,
                year: Some(year),
            },
            taken + 1,
        ),
        None => (
            Day::On {
                day,
                month,
                year: None,
            },
            taken,
        ),
    }
}

impl Day {
    /// The one day that it is, whatever else was said; `None` where a weekday must be looked for.
    ///
    /// # Errors
    ///
    /// [`Why::NoSuchDay`], as of 31.2.
    pub fn date(&self, today: Date) -> Result<Option<Date>, Why> {
        match self {
            Day::Ahead(days) => ahead_of(today, *days).map(Some),
            Day::Weeks {
                weeks,
                is_exact: true,
            } => ahead_of(today, weeks.saturating_mul(7)).map(Some),
            Day::On { day, month, year } => {
                let in_year =
                    |year| Date::new(year, i8::try_from(*month).ok()?, i8::try_from(*day).ok()?).ok();
                let found = match year {
                    Some(year) => in_year(*year),
                    // Eight years hold a 29 February, also around 2100.
                    None => (0..=8)
                        .filter_map(|more| in_year(today.year() + more))
                        .find(|date| *date >= today),
                };
                found.map(Some).ok_or(Why::NoSuchDay {
                    day: *day,
                    month: *month,
                    year: *year,
                })
            }
            Day::Weekdays { .. } | Day::Weeks { .. } => Ok(None),
        }
    }
}

/// So many days later.
///
/// # Errors
///
/// [`Why::TooFar`]: behind the end of the calendar.
pub(super) fn ahead_of(today: Date, days: i64) -> Result<Date, Why> {
    // A span that is too long panics where it is made.
    let days = i32::try_from(days)
        .ok()
        .filter(|days| days.abs() < 100_000)
        .ok_or(Why::TooFar)?;
    today.checked_add(days.days()).map_err(|_| Why::TooFar)
}
