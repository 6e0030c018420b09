//! What people say to the bot, and what it makes of it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use hanse_matrixrtc::UserId;
use hanse_meetings::meeting::{PEOPLE_MAX, Repeat};
use hanse_meetings::speech::{
    Command, Draft, Language, Refusal, Speaker, Understood, Which, read, rule_in_words,
};
use jiff::Zoned;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

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

fn command(text: &str) -> Command {
    hear(text)
        .unwrap_or_else(|why| panic!("{text}: {}", why.0))
        .command
}

fn draft(text: &str) -> Draft {
    match command(text) {
        Command::Meet(draft) => draft,
        other => panic!("{text}: {other:?}"),
    }
}

fn refused(text: &str) -> String {
    match hear(text) {
        Err(why) => why.0,
        Ok(understood) => panic!("{text}: {understood:?}"),
    }
}

fn users(ids: &[&str]) -> Vec<UserId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

fn repeat(rule: &str) -> Repeat {
    Repeat::try_from(rule.to_owned()).unwrap()
}

/// The rows of a table, whose columns stand between `|`.
fn table<const N: usize>(rows: &str) -> impl Iterator<Item = [&str; N]> {
    let rows = rows.lines().map(str::trim).filter(|row| !row.is_empty());
    rows.map(|row| {
        row.split('|')
            .map(str::trim)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    })
}

/// Text, when it begins, how many minutes it lasts.
fn begins(cases: &str) {
    for [text, start, minutes] in table(cases) {
        let draft = draft(text);
        assert_eq!(draft.start, start.parse::<DateTime>().unwrap(), "{text}");
        assert_eq!(draft.minutes.to_string(), minutes, "{text}");
    }
}

/// Text, when it first begins, how it repeats.
fn repeats(cases: &str) {
    for [text, start, rule] in table(cases) {
        let draft = draft(text);
        assert_eq!(draft.start, start.parse::<DateTime>().unwrap(), "{text}");
        assert_eq!(draft.repeat.map(String::from).as_deref(), Some(rule), "{text}");
    }
}

#[test]
fn a_meeting_is_understood_in_both_languages() {
    let english = "!meet Thursday 14:00 45m \"Budget\" with @one:org-a.example @two:org-b.example weekly";
    let wanted = Draft {
        start: date(2026, 11, 26).at(14, 0, 0, 0),
        zone: None,
        minutes: 45,
        title: Some("Budget".to_owned()),
        people: users(&["@one:org-a.example", "@two:org-b.example"]),
        repeat: Some(repeat("FREQ=WEEKLY;BYDAY=TH")),
        is_here: false,
        guests: false,
    };
    assert_eq!(
        hear(english).unwrap(),
        Understood {
            command: Command::Meet(wanted.clone()),
            language: Language::English
        }
    );
    let german = "!treffen Donnerstag 14 Uhr 45 Min „Haushalt“ mit @one:org-a.example und @two:org-b.example wöchentlich";
    let wanted = Draft {
        title: Some("Haushalt".to_owned()),
        ..wanted
    };
    assert_eq!(
        hear(german).unwrap(),
        Understood {
            command: Command::Meet(wanted.clone()),
            language: Language::German
        }
    );
    let mixed = "!meet wöchentlich mit @one:org-a.example, @two:org-b.example: \"Haushalt\" 45 Min um 14 Uhr am Donnerstag";
    assert_eq!(
        hear(mixed).unwrap(),
        Understood {
            command: Command::Meet(wanted),
            language: Language::German
        }
    );
}

#[test]
fn a_weekday_is_the_next_such_day() {
    begins(
        "
        meet Thursday 14:00 | 2026-11-26 14:00 | 60
        meet Monday 14:00 | 2026-11-23 14:00 | 60
        meet Monday 9:00 | 2026-11-30 09:00 | 60
        meet next Monday 14:00 | 2026-11-30 14:00 | 60
        meet this Thursday 14:00 | 2026-11-26 14:00 | 60
        meet Thu 14:00 | 2026-11-26 14:00 | 60
        treffen am Donnerstag um 14 Uhr | 2026-11-26 14:00 | 60
        treffen Do. 14 Uhr | 2026-11-26 14:00 | 60
        treffen Do 14:00 | 2026-11-26 14:00 | 60
        treffen nächsten Montag 14 Uhr | 2026-11-30 14:00 | 60
    ",
    );
}

#[test]
fn days_are_said_in_many_ways() {
    begins(
        "
        meet today 14:00 | 2026-11-23 14:00 | 60
        meet tomorrow 14:00 | 2026-11-24 14:00 | 60
        meet the day after tomorrow 14:00 | 2026-11-25 14:00 | 60
        meet next week Thursday 14:00 | 2026-12-03 14:00 | 60
        meet Thursday next week at 14:00 | 2026-12-03 14:00 | 60
        meet in 3 days 14:00 | 2026-11-26 14:00 | 60
        meet in two weeks 14:00 | 2026-12-07 14:00 | 60
        meet Thursday in two weeks 14:00 | 2026-12-10 14:00 | 60
        meet in 2 hours | 2026-11-23 12:00 | 60
        meet in 30 minutes | 2026-11-23 10:30 | 60
        meet in half an hour 45m | 2026-11-23 10:30 | 45
        meet 24.12. 14:00 | 2026-12-24 14:00 | 60
        meet 24.12.2026 14:00 | 2026-12-24 14:00 | 60
        meet 24.12.27 14:00 | 2027-12-24 14:00 | 60
        meet 3.2. 14:00 | 2027-02-03 14:00 | 60
        meet December 24 14:00 | 2026-12-24 14:00 | 60
        meet Dec 24th, 2027 14:00 | 2027-12-24 14:00 | 60
        meet 24th of December 14:00 | 2026-12-24 14:00 | 60
        meet on Thursday, the 24th of Dec at 14:00 | 2026-12-24 14:00 | 60
        meet 2026-12-24 14:00 | 2026-12-24 14:00 | 60
        meet 29.2. 14:00 | 2028-02-29 14:00 | 60
        meet 14:00 | 2026-11-23 14:00 | 60
        meet 9:00 | 2026-11-24 09:00 | 60
        treffen heute 14 Uhr | 2026-11-23 14:00 | 60
        treffen morgen 14 Uhr | 2026-11-24 14:00 | 60
        treffen übermorgen 14 Uhr | 2026-11-25 14:00 | 60
        treffen nächste Woche Donnerstag 14 Uhr | 2026-12-03 14:00 | 60
        treffen Donnerstag nächster Woche 14 Uhr | 2026-12-03 14:00 | 60
        treffen in drei Tagen 14 Uhr | 2026-11-26 14:00 | 60
        treffen in einer Woche um 14 Uhr | 2026-11-30 14:00 | 60
        treffen in einer Stunde | 2026-11-23 11:00 | 60
        treffen 24. Dezember 14 Uhr | 2026-12-24 14:00 | 60
        treffen am Donnerstag, den 24. Dezember 2026, 14 Uhr | 2026-12-24 14:00 | 60
        treffen 14 Uhr 24. Dezember | 2026-12-24 14:00 | 60
    ",
    );
}

#[test]
fn times_are_said_in_many_ways() {
    begins(
        "
        meet tomorrow 14h | 2026-11-24 14:00 | 60
        meet tomorrow 14h 1h | 2026-11-24 14:00 | 60
        meet tomorrow 14h30 | 2026-11-24 14:30 | 60
        meet tomorrow 2pm | 2026-11-24 14:00 | 60
        meet tomorrow 2:30 pm | 2026-11-24 14:30 | 60
        meet tomorrow 2:30 p.m. | 2026-11-24 14:30 | 60
        meet tomorrow 9 am | 2026-11-24 09:00 | 60
        meet tomorrow 12am | 2026-11-24 00:00 | 60
        meet tomorrow 12 pm | 2026-11-24 12:00 | 60
        meet tomorrow noon | 2026-11-24 12:00 | 60
        meet tomorrow at 3 | 2026-11-24 15:00 | 60
        meet tomorrow at 9 | 2026-11-24 09:00 | 60
        meet tomorrow at half past two | 2026-11-24 14:30 | 60
        meet tomorrow quarter to three | 2026-11-24 14:45 | 60
        treffen morgen 14 Uhr 30 | 2026-11-24 14:30 | 60
        treffen morgen 14.30 Uhr | 2026-11-24 14:30 | 60
        treffen morgen 14:30 Uhr | 2026-11-24 14:30 | 60
        treffen morgen 14uhr | 2026-11-24 14:00 | 60
        treffen morgen halb drei | 2026-11-24 14:30 | 60
        treffen morgen um halb zehn | 2026-11-24 09:30 | 60
        treffen morgen Viertel nach drei | 2026-11-24 15:15 | 60
        treffen morgen um drei | 2026-11-24 15:00 | 60
        treffen morgen 3 Uhr nachmittags | 2026-11-24 15:00 | 60
        treffen morgen 8 Uhr abends | 2026-11-24 20:00 | 60
        treffen morgen Mittag | 2026-11-24 12:00 | 60
        treffen 12:00 am Donnerstag | 2026-11-26 12:00 | 60
        treffen heute Abend um 8 | 2026-11-23 20:00 | 60
        meet tonight at 8 | 2026-11-23 20:00 | 60
        meet tomorrow morning 9:00 | 2026-11-24 09:00 | 60
        treffen morgen früh um 9 | 2026-11-24 09:00 | 60
    ",
    );
}

#[test]
fn two_times_give_the_length() {
    begins(
        "
        meet tomorrow from 14:00 to 15:30 | 2026-11-24 14:00 | 90
        meet tomorrow 14:00-15:30 | 2026-11-24 14:00 | 90
        meet tomorrow 14:00 – 15:30 | 2026-11-24 14:00 | 90
        meet tomorrow from 2 to 3pm | 2026-11-24 14:00 | 60
        meet tomorrow 10-11am | 2026-11-24 10:00 | 60
        meet tomorrow 11am-1pm | 2026-11-24 11:00 | 120
        meet tomorrow from 9 to 5 | 2026-11-24 09:00 | 480
        meet tomorrow 22:00-1:00 | 2026-11-24 22:00 | 180
        meet 14:00 tomorrow until 15:30 | 2026-11-24 14:00 | 90
        treffen morgen von 14 bis 15:30 Uhr | 2026-11-24 14:00 | 90
        treffen morgen 14-15:30 Uhr | 2026-11-24 14:00 | 90
        treffen morgen 14 bis 16 Uhr | 2026-11-24 14:00 | 120
        treffen morgen 14 Uhr bis 16 Uhr | 2026-11-24 14:00 | 120
    ",
    );
}

#[test]
fn lengths_are_said_in_many_ways() {
    let cases = "
        45m | 45
        45 min | 45
        45 minutes | 45
        for 45 min | 45
        1h | 60
        1h30 | 90
        1h30m | 90
        1h 30m | 90
        1 h 30 | 90
        2 hours | 120
        1.5 hours | 90
        1.25h | 75
        an hour | 60
        half an hour | 30
        1:30 hours | 90
        an hour and a half | 90
        one hour and 15 minutes | 75
        45 Minuten | 45
        1,5 Stunden | 90
        anderthalb Stunden | 90
        eine Stunde | 60
        eine halbe Stunde | 30
        zwei Stunden | 120
        eine Viertelstunde | 15
        für 90 Minuten | 90
    ";
    for [said, minutes] in table(cases) {
        let text = format!("meet tomorrow 14:00 {said}");
        assert_eq!(draft(&text).minutes.to_string(), minutes, "{text}");
    }
    begins(
        "
        treffen morgen 14 Uhr 45 Min | 2026-11-24 14:00 | 45
        meet tomorrow 8h 9:00 | 2026-11-24 09:00 | 480
    ",
    );
}

#[test]
fn a_meeting_repeats_as_was_said() {
    repeats("
        meet daily 9:00 | 2026-11-24 09:00 | FREQ=DAILY
        meet every day 14:00 | 2026-11-23 14:00 | FREQ=DAILY
        meet every weekday 9:00 | 2026-11-24 09:00 | FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR
        meet Thursday 14:00 weekly | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH
        meet 14:00 weekly | 2026-11-23 14:00 | FREQ=WEEKLY;BYDAY=MO
        meet every Thursday 14:00 | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH
        meet Thursdays 14:00 | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH
        meet every Thursday and Tuesday 14:00 | 2026-11-24 14:00 | FREQ=WEEKLY;BYDAY=TU,TH
        meet weekly on Tuesday and Thursday 14:00 | 2026-11-24 14:00 | FREQ=WEEKLY;BYDAY=TU,TH
        meet every Thursday 14:00 from 24.12. | 2026-12-24 14:00 | FREQ=WEEKLY;BYDAY=TH
        meet every Thursday 14:00 starting 22.12. | 2026-12-24 14:00 | FREQ=WEEKLY;BYDAY=TH
        meet every two weeks Thursday 14:00 | 2026-11-26 14:00 | FREQ=WEEKLY;INTERVAL=2;BYDAY=TH
        meet every other Thursday 14:00 | 2026-11-26 14:00 | FREQ=WEEKLY;INTERVAL=2;BYDAY=TH
        meet monthly 24.12. 14:00 | 2026-12-24 14:00 | FREQ=MONTHLY
        meet every 3 months 24.12. 14:00 | 2026-12-24 14:00 | FREQ=MONTHLY;INTERVAL=3
        meet every first Monday 14:00 | 2026-12-07 14:00 | FREQ=MONTHLY;BYDAY=1MO
        meet first Monday of every month 14:00 | 2026-12-07 14:00 | FREQ=MONTHLY;BYDAY=1MO
        treffen am ersten Montag im Monat 14 Uhr | 2026-12-07 14:00 | FREQ=MONTHLY;BYDAY=1MO
        meet every second Monday of the month 14:00 | 2026-12-14 14:00 | FREQ=MONTHLY;BYDAY=2MO
        meet monthly on the last Friday 14:00 | 2026-11-27 14:00 | FREQ=MONTHLY;BYDAY=-1FR
        meet yearly 24.12. 14:00 | 2026-12-24 14:00 | FREQ=YEARLY
        meet Thursday 14:00 weekly until 30.6.2027 | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH;UNTIL=20270630T215959Z
        meet Thursday 14:00 weekly 10 times | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH;COUNT=10
        treffen täglich 9 Uhr | 2026-11-24 09:00 | FREQ=DAILY
        treffen werktags 9 Uhr | 2026-11-24 09:00 | FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR
        treffen alle zwei Wochen Donnerstag 14 Uhr | 2026-11-26 14:00 | FREQ=WEEKLY;INTERVAL=2;BYDAY=TH
        treffen jede zweite Woche am Donnerstag 14 Uhr | 2026-11-26 14:00 | FREQ=WEEKLY;INTERVAL=2;BYDAY=TH
        treffen jeden Donnerstag 14 Uhr | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH
        treffen donnerstags 14 Uhr | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH
        treffen jeden ersten Montag im Monat 14 Uhr | 2026-12-07 14:00 | FREQ=MONTHLY;BYDAY=1MO
        treffen monatlich am ersten Montag 14 Uhr | 2026-12-07 14:00 | FREQ=MONTHLY;BYDAY=1MO
        treffen jährlich 24.12. 14 Uhr | 2026-12-24 14:00 | FREQ=YEARLY
        treffen Donnerstag 14 Uhr wöchentlich bis zum 30. Juni 2027 | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH;UNTIL=20270630T215959Z
        treffen Donnerstag 14 Uhr wöchentlich 10 mal | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH;COUNT=10
        treffen Donnerstag 14 Uhr wöchentlich 10x | 2026-11-26 14:00 | FREQ=WEEKLY;BYDAY=TH;COUNT=10
    ");
}

#[test]
fn a_title_stands_in_quotes_or_is_left_over() {
    for (said, title) in [
        ("\"Budget 2027\"", "Budget 2027"),
        ("„Haushalt“", "Haushalt"),
        ("“Budget”", "Budget"),
        ("«Budget»", "Budget"),
        ("»Budget«", "Budget"),
        ("'Anna's Budget'", "Anna's Budget"),
        ("‚Haushalt‘", "Haushalt"),
        ("\"Every Monday with @x\"", "Every Monday with @x"),
        ("\"  two \t\u{202e}words\u{7} \"", "two words"),
        ("about Budget", "Budget"),
        ("about the state of the art", "the state of the art"),
        (": Budget", "Budget"),
        ("Budget and more", "Budget and more"),
        ("Budget 2027", "Budget 2027"),
        ("über den Haushalt", "den Haushalt"),
    ] {
        for text in [
            format!("meet tomorrow 14:00 {said}"),
            format!("meet {said} tomorrow at 14:00"),
        ] {
            assert_eq!(draft(&text).title.as_deref(), Some(title), "{text}");
        }
    }
    assert_eq!(
        draft("meet Budget: tomorrow 14:00").title.as_deref(),
        Some("Budget")
    );
    for text in [
        "meet tomorrow 14:00",
        "schedule a meeting tomorrow at 14:00",
        "plane ein Treffen morgen um 14 Uhr",
    ] {
        assert_eq!(draft(text).title, None, "{text}");
    }
    assert_eq!(
        draft("meet tomorrow 14:00 @one:org-a.example Budget")
            .title
            .as_deref(),
        Some("Budget")
    );
    assert_eq!(
        draft("!meet Budget on Thursday at 14:00 with @one:org-a.example")
            .title
            .as_deref(),
        Some("Budget")
    );
}

#[test]
fn people_are_named_by_id_by_link_and_by_mention() {
    let text = "meet tomorrow 14:00 with @one:org-a.example, Two https://matrix.to/#/%40two%3Aorg-b.example?via=x \
                [Three](https://matrix.to/#/@three:org-c.example), and @one:org-a.example.";
    let mentions = users(&["@two:org-b.example", "@four:org-a.example"]);
    let heard = read(
        text,
        &Speaker {
            now: &now(),
            language: Language::English,
            mentions: &mentions,
        },
    )
    .unwrap();
    let Command::Meet(draft) = heard.command else {
        panic!()
    };
    let ids = [
        "@one:org-a.example",
        "@two:org-b.example",
        "@three:org-c.example",
        "@four:org-a.example",
    ];
    assert_eq!(draft.people, users(&ids));
    assert_eq!(draft.title, None);
    let mentions = users(&["@anna:org-a.example"]);
    let text = "treffen morgen 14 Uhr mit Anna Müller wöchentlich \"Haushalt\"";
    let heard = read(
        text,
        &Speaker {
            now: &now(),
            language: Language::English,
            mentions: &mentions,
        },
    )
    .unwrap();
    assert!(
        matches!(heard.command, Command::Meet(Draft { people, title: Some(title), .. }) if people == mentions && title == "Haushalt")
    );
    let sentence = refused("meet tomorrow 14:00 with Anna Müller");
    assert!(
        sentence.contains("Anna Müller") && sentence.contains("@anna:org-a.example"),
        "{sentence}"
    );
}

#[test]
fn a_meeting_is_here_or_with_guests_or_in_a_zone_where_that_is_said() {
    let said = draft("meet tomorrow 14:00 here with guests and @one:org-a.example europe/vienna");
    assert!(said.is_here && said.guests);
    assert_eq!(said.zone.as_deref(), Some("Europe/Vienna"));
    let said = draft("treffen morgen 14 Uhr hier mit Gästen UTC");
    assert!(said.is_here && said.guests);
    assert_eq!(said.zone.as_deref(), Some("UTC"));
    let said = draft("meet today 23:30 America/New_York");
    assert_eq!(
        (said.start, said.zone.as_deref()),
        (date(2026, 11, 23).at(23, 30, 0, 0), Some("America/New_York"))
    );
    assert!(draft("meet tomorrow 14:00 in this room").is_here);
    assert!(!draft("meet tomorrow 14:00").is_here);
}

#[test]
fn what_cannot_be_is_refused_with_one_sentence_in_the_language_of_the_words() {
    let long = format!("meet tomorrow 14:00 \"{}\"", "a".repeat(121));
    assert!(refused(&long).contains("120 letters"));
    let cases = r#"
        meet today 9:00 | already over
        meet 24.12.2025 14:00 | already over
        treffen heute 9 Uhr | schon vorbei
        meet Thursday | the time
        treffen Donnerstag | die Uhrzeit
        meet | the time
        meet next week 14:00 | the day
        meet tomorrow 14:00 Europe/Wein | Europe/Wein
        treffen morgen 14 Uhr Europe/Wein | kenne ich nicht
        meet 31.2. 14:00 | no day 31.2.
        meet 31.2.2027 14:00 | no 31.2.2027
        treffen 31.2. 14 Uhr | gibt es nicht
        meet 28.3.2027 2:30 | skip 02:30
        treffen am 28.3.2027 2:30 Uhr | überspringen 02:30
        meet tomorrow 25:00 | no time “25:00”
        meet 12/24 14:00 | America
        treffen morgen 12/24 14 Uhr | Amerika
        meet tomorrow 14:00 0 min | end as it begins
        meet tomorrow 14:00-14:00 | end as it begins
        meet tomorrow 14:00 25 hours | at most 24 hours
        treffen morgen 14 Uhr 25 Stunden | höchstens 24 Stunden
        meet tomorrow 24.12. 14:00 | do not agree
        meet Friday 24.12.2026 14:00 | do not agree
        meet Monday and Thursday 14:00 | do not agree
        treffen Freitag 24.12.2026 14 Uhr | nicht zusammenpassen
        meet tomorrow 14:00 15:00 | more than one time
        meet tomorrow 14:00 45m 50m | lengths
        meet tomorrow 14:00 daily weekly | repeat
        meet every second Monday 14:00 | two things
        treffen jeden zweiten Montag 14 Uhr | zweierlei
        meet tomorrow 14:00 until 30.6.2027 | how it repeats
        meet 24.12.2026 14:00 weekly until 1.12.2026 | before it begins
        meet tomorrow 14:00 "Budget" wekly | `weekly`
        meet tomorrow 14:00 "Budget" "Taxes" | Taxes
        meet tomorrow 14:00 weekly until Christmas | until Christmas
        meet tomorrow 14:00 for 2 days | “2 days”
        meet tomorrow 14:00 with @one:bad/server | no Matrix id
        meet in 99999999 days 14:00 | too far
        move 2 to 15:00 | the day
        move 2 to Friday | the time
        invite | who shall come
        remind | minutes before
        zone | zone Europe/Berlin
        zone Europe/Berln | `Europe/Berlin`
        language klingon | language deutsch
        !meat Thursday 14:00 | `meet`
        !verschibe 2 auf Freitag 15 Uhr | `verschiebe`
        canel 2 | `cancel`
        what is this | `help`
    "#;
    for [text, part] in table(cases) {
        let sentence = refused(text);
        assert!(sentence.contains(part), "{text}: {sentence}");
        assert!(sentence.contains('`'), "{text} has no example: {sentence}");
    }
    let many: String = (0..=PEOPLE_MAX).map(|n| format!(" @{n}:a.example")).collect();
    assert!(refused(&format!("meet tomorrow 14:00 with{many}")).contains("at most 200 people"));
}

/// A command in short: its parts between commas, `-` where one is missing.
fn short(command: &Command) -> String {
    let day = |day: &Option<Date>| day.map_or("-".to_owned(), |day| day.to_string());
    let number = |number: &Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
    let which = |which: &Which| match which {
        Which::Number(number) => format!("#{number}"),
        Which::Title(title) => title.clone(),
        Which::Only => "only".to_owned(),
    };
    match command {
        Command::Meet(_) => "meet".to_owned(),
        Command::List => "list".to_owned(),
        Command::Move {
            which: meeting,
            occurrence,
            start,
            minutes,
        } => {
            format!(
                "move, {}, {}, {start}, {}",
                which(meeting),
                day(occurrence),
                number(minutes)
            )
        }
        Command::Cancel {
            which: meeting,
            occurrence,
        } => format!("cancel, {}, {}", which(meeting), day(occurrence)),
        Command::Invite {
            which: meeting,
            people,
        } => {
            let people: Vec<&str> = people.iter().map(UserId::as_str).collect();
            format!("invite, {}, {}", which(meeting), people.join(" "))
        }
        Command::Agenda { which: meeting, add } => {
            format!("agenda, {}, {}", which(meeting), add.as_deref().unwrap_or("-"))
        }
        Command::Who { which: meeting } => format!("who, {}", which(meeting)),
        Command::Remind {
            which: meeting,
            minutes,
        } => format!("remind, {}, {}", which(meeting), number(minutes)),
        Command::Zone(zone) => format!("zone, {zone}"),
        Command::Speak(language) => format!("speak, {language:?}"),
        Command::Subscribe => "subscribe".to_owned(),
        Command::Share(shares) => format!("share, {shares}"),
        Command::Help => "help".to_owned(),
    }
}

#[test]
fn the_other_commands_are_understood_in_both_languages() {
    let cases = r##"
        list | list
        !liste | list
        Termine | list
        @hanse:org-a.example: list | list
        Hanse: !list | list
        Meetings: wer kommt zu Haushalt | who, Haushalt
        move 2 to Friday 15:00 | move, #2, -, 2026-11-27T15:00:00, -
        move Friday 15:00 | move, only, -, 2026-11-27T15:00:00, -
        move Budget to Friday 15:00 | move, Budget, -, 2026-11-27T15:00:00, -
        move "Budget" to Friday 15:00-16:30 | move, Budget, -, 2026-11-27T15:00:00, 90
        move 2 to Friday 15:00 to 16:30 | move, #2, -, 2026-11-27T15:00:00, 90
        move 2 to Friday 14:00 UTC | move, #2, -, 2026-11-27T15:00:00, -
        move 2 only on 24.12. to 25.12. 15:00 | move, #2, 2026-12-24, 2026-12-25T15:00:00, -
        move 2 only on 24.12. to 15:00 | move, #2, 2026-12-24, 2026-12-24T15:00:00, -
        move 2 only 24.12. 15:00 45m | move, #2, 2026-12-24, 2026-12-24T15:00:00, 45
        verschiebe 2 auf Freitag 15 Uhr | move, #2, -, 2026-11-27T15:00:00, -
        verschiebe „Haushalt“ nur am 24.12. auf 16 Uhr | move, Haushalt, 2026-12-24, 2026-12-24T16:00:00, -
        cancel 2 | cancel, #2, -
        cancel | cancel, only, -
        cancel the meeting #2 | cancel, #2, -
        cancel Budget only on 24.12. | cancel, Budget, 2026-12-24
        absagen 2 nur am 24.12. | cancel, #2, 2026-12-24
        sage 2 ab | cancel, #2, -
        absagen „Haushalt“ | cancel, Haushalt, -
        invite @one:org-a.example | invite, only, @one:org-a.example
        invite @one:org-a.example to 2 | invite, #2, @one:org-a.example
        invite 2 @one:org-a.example | invite, #2, @one:org-a.example
        einladen @one:org-a.example zu Haushalt | invite, Haushalt, @one:org-a.example
        lade @one:org-a.example zu Haushalt ein | invite, Haushalt, @one:org-a.example
        agenda | agenda, only, -
        agenda 2 | agenda, #2, -
        agenda 2 add The 3 numbers, weekly | agenda, #2, The 3 numbers, weekly
        agenda Budget add Taxes | agenda, Budget, Taxes
        agenda: Taxes | agenda, only, Taxes
        cancel it | cancel, only, -
        agenda dazu „Zahlen“ | agenda, only, Zahlen
        tagesordnung "Haushalt" | agenda, Haushalt, -
        who | who, only
        who comes to 2? | who, #2
        wer kommt zu Haushalt | who, Haushalt
        remind 15 | remind, only, 15
        remind 2 15 | remind, #2, 15
        remind me 1 hour before 2 | remind, #2, 60
        remind "Budget" 1 day before | remind, Budget, 1440
        remind off | remind, only, -
        erinnere 2 aus | remind, #2, -
        erinnere 10 Minuten vor Haushalt | remind, Haushalt, 10
        zone Europe/Berlin | zone, Europe/Berlin
        zone new york | zone, America/New_York
        Zeitzone: europe/vienna | zone, Europe/Vienna
        Europe/Vienna | zone, Europe/Vienna
        language deutsch | speak, German
        sprache english | speak, English
        calendar | subscribe
        kalender | subscribe
        share on | share, true
        share off | share, false
        teilen an | share, true
        teile: aus | share, false
        !meet list | list
        !treffen verschiebe "Haushalt" nur am 24.12. auf 25.12. 15 Uhr | move, Haushalt, 2026-12-24, 2026-12-25T15:00:00, -
        !treffen absagen Haushalt | cancel, Haushalt, -
        @hanse:org-a.example !termin wer kommt zu Haushalt | who, Haushalt
        help | help
        hilfe | help
        ? | help
    "##;
    for [text, wanted] in table(cases) {
        assert_eq!(short(&command(text)), wanted, "{text}");
    }
    assert_eq!(command(""), Command::Help);
}

#[test]
fn without_a_word_for_it_a_day_and_a_time_are_a_meeting() {
    assert_eq!(draft("Thursday 14:00 Budget").title.as_deref(), Some("Budget"));
    assert_eq!(
        draft("Morgen um 14 Uhr \"Haushalt\"").start,
        date(2026, 11, 24).at(14, 0, 0, 0)
    );
    refused("!Thursday 14:00 Budget");
    refused("see you Thursday");
}

#[test]
fn the_language_is_that_of_the_words() {
    for (text, language) in [
        ("!meet Donnerstag 14:00", Language::German),
        ("!meet Thursday 14:00", Language::English),
        ("!treffen 14:00", Language::German),
        ("sprache english", Language::English),
        ("hilfe", Language::German),
    ] {
        assert_eq!(hear(text).unwrap().language, language, "{text}");
    }
    let german = Speaker {
        now: &now(),
        language: Language::German,
        mentions: &[],
    };
    assert_eq!(read("agenda 2", &german).unwrap().language, Language::German);
    assert_eq!(read("!list", &german).unwrap().language, Language::English);
}

#[test]
fn a_rule_in_words_can_be_said_again() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    for (rule, english, german) in [
        ("FREQ=DAILY", "every day", "jeden Tag"),
        (
            "FREQ=WEEKLY;BYDAY=TH",
            "every week on Thursday",
            "jede Woche am Donnerstag",
        ),
        (
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
            "every weekday",
            "jeden Werktag",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
            "every 2 weeks on Monday and Thursday",
            "alle 2 Wochen am Montag und Donnerstag",
        ),
        ("FREQ=MONTHLY", "every month", "jeden Monat"),
        (
            "FREQ=MONTHLY;BYDAY=1MO",
            "every month on the first Monday",
            "jeden Monat am ersten Montag",
        ),
        (
            "FREQ=MONTHLY;INTERVAL=3;BYDAY=-1FR",
            "every 3 months on the last Friday",
            "alle 3 Monate am letzten Freitag",
        ),
        ("FREQ=YEARLY", "every year", "jedes Jahr"),
        ("FREQ=DAILY;COUNT=10", "every day, 10 times", "jeden Tag, 10 mal"),
        (
            "FREQ=WEEKLY;BYDAY=TH;UNTIL=20270630T215959Z",
            "every week on Thursday, until Wednesday 30 June 2027",
            "jede Woche am Donnerstag, bis Mittwoch, 30. Juni 2027",
        ),
    ] {
        for (language, words) in [(Language::English, english), (Language::German, german)] {
            assert_eq!(rule_in_words(&repeat(rule), &berlin, language), words);
            let heard = draft(&format!("meet 14:00 {words}"));
            assert_eq!(heard.repeat.map(String::from).as_deref(), Some(rule), "{words}");
        }
    }
    let other = repeat("FREQ=YEARLY;BYMONTH=5;BYDAY=1MO");
    assert!(rule_in_words(&other, &berlin, Language::English).contains("BYMONTH=5"));
}

#[test]
fn only_the_beginning_of_a_long_text_is_looked_at() {
    let text = format!(
        "meet tomorrow 14:00 \"Budget\" {} @one:org-a.example",
        " ".repeat(4000)
    );
    assert!(draft(&text).people.is_empty());
    // Neither open quotes nor words that are nearly something take long.
    for text in [
        "\"".repeat(100_000),
        "' ".repeat(100_000),
        "halb ".repeat(50_000),
        "every ".repeat(50_000),
        "a-1-".repeat(50_000),
    ] {
        let _ = hear(&format!("meet {text}"));
    }
}
