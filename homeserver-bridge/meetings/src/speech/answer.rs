//! What the bot says, in both languages.
//!
//! Plain text with a little Markdown: `**bold**`, lists and `code`. What people wrote, as titles, is [`escaped`] in it, so that it can
//! neither be a link nor look like the bot's own words.

mod about;
mod dialogue;
mod room;
#[cfg(test)]
mod tests;

pub use about::{
    agenda, begins, cancelled, confirm, invitation, list, made, moved, nothing_planned, reminder,
    reminder_set, several, who,
};
pub use dialogue::{
    already_over, ask_zone, dropped, help, homeserver_not_allowed, invited, language_set, no_such_meeting,
    not_yours, sharing_set, subscription, too_many_meetings, too_many_people, uninvited, zone_set,
};
pub use room::{
    come_by, guest_link, no_calendar, no_guests, no_such_occurrence, not_here, only_in_private, room_closed,
    room_deleted, rule_does_not_move, shall_cancel, shall_move, somebody_replied, too_often, topic, untitled,
    your_reply,
};

use super::Language;
use jiff::Zoned;
use jiff::civil::{Date, Time, Weekday};

/// The name of a day of the week.
pub fn weekday(day: Weekday, language: Language) -> &'static str {
    match (language, day) {
        (Language::English, Weekday::Monday) => "Monday",
        (Language::English, Weekday::Tuesday) => "Tuesday",
        (Language::English, Weekday::Wednesday) => "Wednesday",
        (Language::English, Weekday::Thursday) => "Thursday",
        (Language::English, Weekday::Friday) => "Friday",
        (Language::English, Weekday::Saturday) => "Saturday",
        (Language::English, Weekday::Sunday) => "Sunday",
        (Language::German, Weekday::Monday) => "Montag",
        (Language::German, Weekday::Tuesday) => "Dienstag",
        (Language::German, Weekday::Wednesday) => "Mittwoch",
        (Language::German, Weekday::Thursday) => "Donnerstag",
        (Language::German, Weekday::Friday) => "Freitag",
        (Language::German, Weekday::Saturday) => "Samstag",
        (Language::German, Weekday::Sunday) => "Sonntag",
    }
}

/// `26 November 2026`, `26. November 2026`.
pub fn date(date: Date, language: Language) -> String {
    const ENGLISH: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const GERMAN: [&str; 12] = [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ];
    let month = |names: &[&'static str; 12]| {
        names
            .get(usize::from(date.month().unsigned_abs()).saturating_sub(1))
            .copied()
    };
    match language {
        Language::English => format!(
            "{} {} {}",
            date.day(),
            month(&ENGLISH).unwrap_or_default(),
            date.year()
        ),
        Language::German => format!(
            "{}. {} {}",
            date.day(),
            month(&GERMAN).unwrap_or_default(),
            date.year()
        ),
    }
}

/// `Thursday 26 November 2026`, `Donnerstag, 26. November 2026`.
pub fn long_date(day: Date, language: Language) -> String {
    let comma = if language == Language::German { "," } else { "" };
    format!(
        "{}{comma} {}",
        weekday(day.weekday(), language),
        date(day, language)
    )
}

/// `14:00`.
pub fn time(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// A time from when to when with its zone: `Thursday 26 November 2026, 14:00–14:45 (Europe/Berlin)`.
pub fn span(start: &Zoned, end: &Zoned, language: Language) -> String {
    let zone = start.time_zone().iana_name().unwrap_or("UTC");
    let end = match start.date() == end.date() {
        true => time(end.time()),
        false => format!("{}, {}", long_date(end.date(), language), time(end.time())),
    };
    format!(
        "{}, {}–{end} ({zone})",
        long_date(start.date(), language),
        time(start.time())
    )
}

/// `1 hour 30 minutes`, `2 days`.
pub fn length(minutes: u32, language: Language) -> String {
    let units = match language {
        Language::English => [("day", "days"), ("hour", "hours"), ("minute", "minutes")],
        Language::German => [("Tag", "Tage"), ("Stunde", "Stunden"), ("Minute", "Minuten")],
    };
    let counts = [minutes / 1440, minutes / 60 % 24, minutes % 60];
    let parts = counts.into_iter().zip(units).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, (one, many))| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    if parts.is_empty() {
        format!("0 {}", units[2].1)
    } else {
        parts.join(" ")
    }
}

/// `one, two and three`.
pub fn and<T: AsRef<str>>(parts: &[T], language: Language) -> String {
    let and = match language {
        Language::English => " and ",
        Language::German => " und ",
    };
    match parts.split_last() {
        None => String::new(),
        Some((last, [])) => last.as_ref().to_owned(),
        Some((last, before)) => {
            before.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ") + and + last.as_ref()
        }
    }
}

/// The number of something in the month: -1 is the last.
pub(super) fn ordinal(nth: i8, language: Language) -> &'static str {
    match (language, nth) {
        (Language::English, 1) => "first",
        (Language::English, 2) => "second",
        (Language::English, 3) => "third",
        (Language::English, 4) => "fourth",
        (Language::English, 5) => "fifth",
        (Language::English, _) => "last",
        (Language::German, 1) => "ersten",
        (Language::German, 2) => "zweiten",
        (Language::German, 3) => "dritten",
        (Language::German, 4) => "vierten",
        (Language::German, 5) => "fünften",
        (Language::German, _) => "letzten",
    }
}

/// What people wrote, so that Markdown shows it as it is.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(
            letter,
            '\\' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '~' | '|' | '#' | '!'
        ) {
            shown.push('\\');
        }
        shown.push(if letter.is_control() { ' ' } else { letter });
    }
    shown
}
