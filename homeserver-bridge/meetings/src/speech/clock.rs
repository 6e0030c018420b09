//! Times of day and lengths, as people say them.

use super::refuse::Why;
use super::vocabulary::Sense;
use super::words::{Word, from, sense};
use jiff::civil::Time;

/// A time of day, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    /// When it begins.
    pub start: Time,
    /// When it ends, where that was said.
    pub end: Option<Time>,
}

/// A length that may have been meant as a time, as `14h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    pub minutes: u32,
    /// Whether it can also be a time of day: `14h` and `9h30` can, `1h` and `90 min` cannot.
    pub is_perhaps_time: bool,
}

/// A time, and how surely it is one.
#[derive(Clone, Copy)]
struct Clock {
    hour: u32,
    minute: u32,
    /// Whether it was said which half of the day; `None`: neither said nor clear, as in `from 2 to 3pm`.
    is_settled: bool,
}

/// What a word in digits is made of.
enum Figure<'a> {
    /// `14`, `14uhr`.
    Whole(u32, &'a str),
    /// `14:30`.
    Clock(u32, u32, &'a str),
    /// `1.5` and `14.30`: the digits behind the point.
    Point(u32, &'a str, &'a str),
}

fn figure(word: &Word) -> Option<Figure<'_>> {
    if word.kind != super::words::Kind::Plain {
        return None;
    }
    let digits = |text: &str| {
        text.find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let (whole, rest) = word.lower.split_at_checked(digits(&word.lower))?;
    let whole: u32 = whole.parse().ok()?;
    let (mark, after) = match rest.chars().next() {
        Some(mark @ (':' | '.' | ',')) => (mark, rest.get(1..)?),
        _ => return Some(Figure::Whole(whole, rest)),
    };
    let (part, rest) = after.split_at_checked(digits(after))?;
    match mark {
        ':' if part.len() == 2 => Some(Figure::Clock(whole, part.parse().ok()?, rest)),
        '.' | ',' if (1..=2).contains(&part.len()) => Some(Figure::Point(whole, part, rest)),
        _ => None,
    }
}

/// The length at the beginning of these words, and how many of them it takes.
pub(super) fn length(words: &[Word]) -> Option<(Length, usize)> {
    let (minutes, taken) = match (sense(words, 0), sense(words, 1), sense(words, 2)) {
        (Some(Sense::Span(minutes)), ..) => (minutes, 1),
        (Some(Sense::Number(1)), Some(Sense::Span(minutes)), _) => (minutes, 2),
        (Some(Sense::Half), Some(Sense::Hour), _) => (30, 2),
        (Some(Sense::Half), Some(Sense::Number(1)), Some(Sense::Hour)) => (30, 3),
        (Some(Sense::Number(1)), Some(Sense::Half), Some(Sense::Hour)) => (30, 3),
        (Some(Sense::OneAndAHalf), Some(Sense::Hour), _) => (90, 2),
        _ => return counted(words),
    };
    Some((
        Length {
            minutes,
            is_perhaps_time: false,
        },
        taken,
    ))
}

/// A number of minutes or hours.
fn counted(words: &[Word]) -> Option<(Length, usize)> {
    let first = words.first()?;
    // In one word, `45m`, or in two, `45 min`.
    let (unit, taken) = match figure(first) {
        Some(Figure::Whole(_, "") | Figure::Clock(_, _, "") | Figure::Point(_, _, "")) | None => {
            (words.get(1)?.lower.as_str(), 2)
        }
        Some(Figure::Whole(_, unit) | Figure::Clock(_, _, unit) | Figure::Point(_, _, unit)) => (unit, 1),
    };
    let (unit, minutes_after) = match unit
        .strip_prefix('h')
        .filter(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    {
        Some(rest) => (
            "h",
            Some(
                rest.trim_end_matches(|letter: char| letter.is_alphabetic())
                    .parse::<u32>()
                    .ok()?,
            ),
        ),
        None => (unit, None),
    };
    let is_short = unit == "h";
    let is_hours = super::vocabulary::sense(unit).is_some_and(|(sense, _)| sense == Sense::Hour);
    let is_minutes = super::vocabulary::sense(unit).is_some_and(|(sense, _)| sense == Sense::Minute);
    let whole = match figure(first) {
        Some(Figure::Whole(count, _)) => count,
        // `14:30 h` is a time.
        Some(Figure::Clock(hours, minutes, _)) if is_hours && !is_short => {
            let minutes = hours.saturating_mul(60).saturating_add(minutes);
            return Some((
                Length {
                    minutes,
                    is_perhaps_time: false,
                },
                taken,
            ));
        }
        Some(Figure::Point(hours, part, _)) if is_hours => {
            let part = format!("{part:0<2}").parse::<u32>().ok()? * 60 / 100;
            let minutes = hours.saturating_mul(60).saturating_add(part);
            return Some((
                Length {
                    minutes,
                    is_perhaps_time: false,
                },
                taken,
            ));
        }
        Some(_) => return None,
        None => match first.sense {
            Some(Sense::Number(count)) => count,
            _ => return None,
        },
    };
    if is_minutes {
        return Some((
            Length {
                minutes: whole,
                is_perhaps_time: false,
            },
            taken,
        ));
    }
    if !is_hours {
        return None;
    }
    let (more, taken) = match minutes_after {
        Some(minutes) => (minutes, taken),
        None => minutes_after_hours(words, taken),
    };
    let minutes = whole.saturating_mul(60).saturating_add(more);
    Some((
        Length {
            minutes,
            is_perhaps_time: is_short && (7..24).contains(&whole) && more < 60,
        },
        taken,
    ))
}

/// The rest of `1 h 30`, `an hour and 15 minutes` and `an hour and a half`.
fn minutes_after_hours(words: &[Word], taken: usize) -> (u32, usize) {
    let at = taken + usize::from(sense(words, taken) == Some(Sense::And));
    if at > taken && sense(words, at) == Some(Sense::Number(1)) && sense(words, at + 1) == Some(Sense::Half) {
        return (30, at + 2);
    }
    let Some(next) = words.get(at) else {
        return (0, taken);
    };
    let (minutes, end) = match figure(next) {
        Some(Figure::Whole(minutes, "")) => (minutes, at + 1),
        Some(Figure::Whole(minutes, "m" | "min")) => return (minutes, at + 1),
        _ => return (0, taken),
    };
    match sense(words, end) {
        Some(Sense::Minute) => (minutes, end + 1),
        // `1 h 30`, but not `1 h 24 December`.
        None if at == taken && minutes < 60 && next.lower.len() == 2 => (minutes, end),
        _ => (0, taken),
    }
}

/// The time or the two times at the beginning of these words, and how many of them they take.
///
/// # Errors
///
/// [`Why::NoSuchTime`], as of `25:00`.
pub(super) fn hours(words: &[Word]) -> Result<Option<(Hours, usize)>, Why> {
    let is_named = matches!(sense(words, 0), Some(Sense::At | Sense::From));
    let skipped = usize::from(is_named);
    let first = clock(from(words, skipped), is_named);
    // `14-15:30 Uhr`: the second says what the first is.
    let first = first.or_else(|| {
        let first = clock(words, true)?;
        let is_range = matches!(
            sense(words, first.1),
            Some(Sense::Dash | Sense::Until | Sense::To)
        );
        (is_range && clock(from(words, first.1 + 1), false).is_some()).then_some(first)
    });
    let Some((first, taken)) = first else {
        return Ok(None);
    };
    let taken = taken + skipped;
    let end = match sense(words, taken) {
        Some(Sense::Dash | Sense::Until | Sense::To) => {
            let at = taken + 1 + usize::from(sense(words, taken + 1) == Some(Sense::At));
            clock(from(words, at), true).map(|(end, more)| (end, at + more))
        }
        _ => None,
    };
    let said = |taken: usize| {
        let words = words.iter().take(taken).skip(skipped);
        Why::NoSuchTime(words.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "))
    };
    let time = |clock: Clock, taken| time(clock.hour, clock.minute).ok_or_else(|| said(taken));
    let Some((end, all)) = end else {
        return Ok(Some((
            Hours {
                start: time(first, taken)?,
                end: None,
            },
            taken,
        )));
    };
    let (mut first, mut end) = (first, end);
    let minutes = |clock: Clock| clock.hour * 60 + clock.minute;
    if !first.is_settled && end.is_settled && first.hour < 12 && minutes(first) + 720 < minutes(end) {
        first.hour += 12;
    }
    if first.is_settled
        && !end.is_settled
        && end.hour < 12
        && minutes(end) < minutes(first)
        && minutes(first) < minutes(end) + 720
    {
        end.hour += 12;
    }
    Ok(Some((
        Hours {
            start: time(first, all)?,
            end: Some(time(end, all)?),
        },
        all,
    )))
}

/// The hour of `14h`, where no other time was said.
pub(super) fn time(hour: u32, minute: u32) -> Option<Time> {
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()
}

/// A time, and how many words it takes. A bare hour is one only where something before or behind it says so.
fn clock(words: &[Word], may_be_bare: bool) -> Option<(Clock, usize)> {
    if let Some(spoken) = spoken(words) {
        return Some(spoken);
    }
    let first = words.first()?;
    let (hour, minute, suffix) = match figure(first) {
        Some(Figure::Whole(hour, suffix)) => (hour, None, suffix),
        Some(Figure::Clock(hour, minute, suffix)) => (hour, Some(minute), suffix),
        // `14.30 Uhr`, and nothing else: `14.3.` is a day.
        Some(Figure::Point(hour, minute, suffix)) if minute.len() == 2 => {
            let is_time = !suffix.is_empty() || matches!(sense(words, 1), Some(Sense::OClock | Sense::Pm));
            (
                hour,
                is_time.then(|| minute.parse().ok()).flatten().map(Some)?,
                suffix,
            )
        }
        Some(Figure::Point(..)) => return None,
        None => match first.sense {
            Some(Sense::Number(hour)) => (hour, None, ""),
            _ => return None,
        },
    };
    let settled = |hour, minute: Option<u32>, taken| {
        Some((
            Clock {
                hour,
                minute: minute.unwrap_or(0),
                is_settled: true,
            },
            taken,
        ))
    };
    match suffix {
        "" => {}
        "am" | "a.m" | "a.m." | "pm" | "p.m" | "p.m." => {
            return settled(half(hour, suffix.starts_with('p')), minute, 1);
        }
        "uhr" => return of_day(words, hour, minute, 1),
        "h" if minute.is_some() || may_be_bare => return settled(hour, minute, 1),
        _ => return None,
    }
    match sense(words, 1) {
        Some(Sense::OClock) => return of_day(words, hour, minute, 2),
        Some(Sense::Hour)
            if words.get(1).is_some_and(|word| word.lower == "h") && (minute.is_some() || may_be_bare) =>
        {
            return settled(hour, minute, 2);
        }
        Some(Sense::Noon) if hour == 12 => return settled(12, minute, 2),
        Some(Sense::Pm) if hour <= 12 => return settled(half(hour, true), minute, 2),
        Some(Sense::Morning) if hour <= 12 => return settled(hour, minute, 2),
        // `12:00 am Donnerstag` is noon; with an English word behind it, midnight.
        Some(Sense::Am) if (1..=12).contains(&hour) && (minute.is_some() || !is_day(words.get(2))) => {
            let is_german = is_day(words.get(2));
            return settled(if is_german { hour } else { half(hour, false) }, minute, 2);
        }
        _ => {}
    }
    if minute.is_some() {
        return settled(hour, minute, 1);
    }
    let is_count = matches!(
        sense(words, 1),
        Some(
            Sense::Minute
                | Sense::Hour
                | Sense::Day
                | Sense::Week
                | Sense::MonthUnit
                | Sense::Year
                | Sense::Month(_)
                | Sense::Times
        )
    );
    if !may_be_bare || is_count || hour > 24 {
        return None;
    }
    // Nobody means three at night who says "at three"; who writes 03 does.
    let is_afternoon = (1..7).contains(&hour) && !first.lower.starts_with('0');
    Some((
        Clock {
            hour: if is_afternoon { hour + 12 } else { hour },
            minute: 0,
            is_settled: false,
        },
        1,
    ))
}

/// `14 Uhr`, `14 Uhr 30` and `8 Uhr abends`, from behind the "Uhr".
fn of_day(words: &[Word], hour: u32, minute: Option<u32>, taken: usize) -> Option<(Clock, usize)> {
    let settled = |hour, minute, taken| {
        Some((
            Clock {
                hour,
                minute,
                is_settled: true,
            },
            taken,
        ))
    };
    match (sense(words, taken), minute) {
        (Some(Sense::Pm), _) if hour <= 12 => {
            return settled(half(hour, true), minute.unwrap_or(0), taken + 1);
        }
        (Some(Sense::Morning), _) => return settled(hour, minute.unwrap_or(0), taken + 1),
        (_, Some(minute)) => return settled(hour, minute, taken),
        _ => {}
    }
    let after = words
        .get(taken)
        .filter(|word| word.lower.len() == 2)
        .and_then(Word::digits);
    match (after, sense(words, taken + 1)) {
        // The 24 of `14 Uhr 24 Dezember` and the 45 of `14 Uhr 45 Min` are none of its minutes.
        (Some(_), Some(Sense::Minute | Sense::Hour | Sense::Month(_) | Sense::Times | Sense::Day)) => {
            settled(hour, 0, taken)
        }
        (Some(minute), _) if minute < 60 => settled(hour, minute, taken + 1),
        _ => settled(hour, 0, taken),
    }
}

/// `noon`, `halb drei`, `half past two`, `Viertel nach drei`.
fn spoken(words: &[Word]) -> Option<(Clock, usize)> {
    let settled = |minutes: u32, taken| {
        let minutes = if minutes < 7 * 60 { minutes + 720 } else { minutes };
        Some((
            Clock {
                hour: minutes / 60 % 24,
                minute: minutes % 60,
                is_settled: true,
            },
            taken,
        ))
    };
    let hour = |at: usize| {
        words
            .get(at)
            .and_then(Word::number)
            .filter(|hour| (1..=12).contains(hour))
    };
    match (sense(words, 0)?, sense(words, 1)) {
        (Sense::Noon, _) => settled(720, 1),
        (Sense::Half, Some(Sense::After)) => settled(hour(2)? * 60 + 30, 3),
        (Sense::Half, _) if words.first().is_some_and(|word| word.lower == "halb") => {
            settled(hour(1)? * 60 - 30, 2)
        }
        (Sense::Quarter, Some(Sense::After)) => settled(hour(2)? * 60 + 15, 3),
        (Sense::Quarter, Some(Sense::Before | Sense::To)) => settled(hour(2)? * 60 - 15, 3),
        _ => None,
    }
}

/// The hour of the day from one of a half.
fn half(hour: u32, is_second: bool) -> u32 {
    match (hour, is_second) {
        (12, false) => 0,
        (1..12, true) => hour + 12,
        _ => hour,
    }
}

/// Whether a German "am" may stand before it.
fn is_day(word: Option<&Word>) -> bool {
    let Some(word) = word else { return false };
    let is_german = super::vocabulary::language(&word.lower) == Some(super::Language::German);
    word.lower.starts_with(|digit: char| digit.is_ascii_digit()) || is_german
}
