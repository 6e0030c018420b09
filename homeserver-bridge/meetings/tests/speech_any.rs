//! Whatever is said to the bot, nothing panics, and what leaves no doubt is understood as it was meant.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use hanse_meetings::meeting::{MINUTES_MAX, Repeat};
use hanse_meetings::speech::{Command, Draft, Language, Refusal, Speaker, Understood, read, rule_in_words};
use jiff::Zoned;
use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// A Monday at ten in Berlin.
fn now() -> Zoned {
    "2026-11-23T10:00:27+01:00[Europe/Berlin]".parse().unwrap()
}

fn hear(text: &str) -> Result<Understood, Refusal> {
    read(
        text,
        &Speaker {
            now: &now(),
            language: Language::English,
            mentions: &[],
        },
    )
}

fn repeat(rule: &str) -> Repeat {
    Repeat::try_from(rule.to_owned()).unwrap()
}

/// A draft in words that leave no doubt.
fn canonical(draft: &Draft, language: Language) -> String {
    let zone = TimeZone::get(draft.zone.as_deref().unwrap_or("Europe/Berlin")).unwrap();
    let (meet, with, minutes, here, guests) = match language {
        Language::English => ("!meet", "with", "min", "here", "with guests"),
        Language::German => ("!treffen", "mit", "Minuten", "hier", "mit Gästen"),
    };
    let mut text = format!(
        "{meet} {} {} {minutes}",
        draft.start.strftime("%Y-%m-%d %H:%M"),
        draft.minutes
    );
    let mut say = |words: String| text = format!("{text} {words}");
    if let Some(title) = &draft.title {
        say(format!("\"{title}\""));
    }
    if let Some(zone) = &draft.zone {
        say(zone.clone());
    }
    if let Some(repeat) = &draft.repeat {
        say(rule_in_words(repeat, &zone, language));
    }
    if !draft.people.is_empty() {
        say(with.to_owned());
    }
    for user in &draft.people {
        say(user.to_string());
    }
    if draft.is_here {
        say(here.to_owned());
    }
    if draft.guests {
        say(guests.to_owned());
    }
    text
}

prop_compose! {
    fn drafts()(
        day in 1..2000i64, hour in 0..24i8, minute in 0..60i8, minutes in 1..=MINUTES_MAX,
        zone in prop::option::of(prop::sample::select(vec!["Europe/Vienna", "America/New_York", "Asia/Kolkata", "UTC"])),
        title in prop::option::of("[A-Za-zäöüß0-9@:.,!?'-]{1,8}( [A-Za-zäöüß0-9@:.,!?'-]{1,8}){0,9}"),
        people in prop::collection::btree_set("@[a-z0-9._=/-]{1,12}:[a-z][a-z0-9-]{0,8}[a-z]\\.example", 0..5),
        freq in prop::option::of(prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])),
        interval in 1..30u32, end in 0..3u8, count in 1..100u32, is_here: bool, guests: bool,
    ) -> Draft {
        let start = date(2026, 11, 24).checked_add(jiff::Span::new().days(day)).unwrap().at(hour, minute, 0, 0);
        let rule = freq.map(|freq| {
            let mut rule = format!("FREQ={freq}");
            if interval > 1 { rule.push_str(&format!(";INTERVAL={interval}")); }
            if freq == "WEEKLY" { rule.push_str(&format!(";BYDAY={}", &start.strftime("%a").to_string().to_uppercase()[..2])); }
            match end {
                1 => rule.push_str(&format!(";COUNT={count}")),
                2 => {
                    let zone = TimeZone::get(zone.unwrap_or("Europe/Berlin")).unwrap();
                    let last = start.date().checked_add(jiff::Span::new().days(i64::from(count))).unwrap();
                    let last = last.at(23, 59, 59, 0).to_zoned(zone).unwrap().with_time_zone(TimeZone::UTC);
                    rule.push_str(&format!(";UNTIL={}", last.strftime("%Y%m%dT%H%M%SZ")));
                }
                _ => {}
            }
            repeat(&rule)
        });
        Draft {
            start, zone: zone.map(str::to_owned), minutes, title, is_here, guests, repeat: rule,
            people: people.iter().map(|id| id.parse().unwrap()).collect(),
        }
    }
}

/// Words that mean something, to be thrown together.
const WORDS: &str = r##"
    meet move cancel remind agenda invite zone to from at on am in until bis every jeden first
    zweiten Monday Donnerstag Do. next week Woche 3 99999999999 4294967295 31.2. 24.12. 9999-12-31
    12/24 14:00 25:61 halb viertel nach vor drei Uhr pm h 14h 1h30 4294967295h 1.5 hours and half -
    14-15:30 "x " : with guests @a:b.example @a:b Europe/Berlin UTC 10x times only off about Budget 2
    # days ein ab
"##;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(text in "\\PC{0,200}") {
        let _ = hear(&text);
        let _ = hear(&format!("!meet {text}"));
    }

    #[test]
    fn no_row_of_known_words_panics(words in prop::collection::vec(prop::sample::select(WORDS.split_whitespace().collect::<Vec<_>>()), 0..14)) {
        let _ = hear(&words.join(" "));
    }

    #[test]
    fn a_draft_in_plain_words_is_read_as_itself(draft in drafts(), is_german: bool) {
        let language = if is_german { Language::German } else { Language::English };
        let text = canonical(&draft, language);
        match hear(&text) {
            Ok(heard) => prop_assert_eq!(heard, Understood { command: Command::Meet(draft), language }, "{}", text),
            // Some of these times are skipped by the clocks.
            Err(why) => prop_assert!(why.0.contains("skip") || why.0.contains("überspringen"), "{}: {}", text, why.0),
        }
    }
}
