use super::*;
use crate::meeting::{Change, Status};
use jiff::ToSpan;
use jiff::Zoned;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn meeting(start: &str, zone: &str, rule: &str) -> Meeting {
    let organiser: hanse_matrixrtc::UserId = "@one:org-a.example".parse().unwrap();
    Meeting {
        uid: "1@org-a.example".to_owned(),
        sequence: 0,
        title: "Planning".to_owned(),
        people: BTreeMap::from([(organiser.clone(), crate::meeting::Reply::Yes)]),
        organiser,
        start: start.parse().unwrap(),
        zone: zone.to_owned(),
        minutes: 60,
        repeat: (!rule.is_empty()).then(|| rule.parse().unwrap()),
        changes: BTreeMap::new(),
        agenda: Vec::new(),
        remind: None,
        status: Status::Planned,
        room: None,
        is_in_room: false,
    }
}

fn moved(to: &str, minutes: u32) -> Change {
    Change::Moved {
        start: to.parse().unwrap(),
        minutes,
    }
}

fn with(mut meeting: Meeting, changes: &[(&str, Change)]) -> Meeting {
    meeting.changes = changes
        .iter()
        .map(|(when, change)| (when.parse().unwrap(), change.clone()))
        .collect();
    meeting
}

fn beginning(meeting: &Meeting) -> Zoned {
    meeting
        .start
        .to_zoned(meeting.time_zone())
        .unwrap()
        .checked_sub(1.day())
        .unwrap()
}

/// The first `count` beginnings, with their offsets.
fn starts(meeting: &Meeting, count: usize) -> Vec<String> {
    let all = meeting.occurrences(&beginning(meeting)).take(count);
    all.map(|occurrence| occurrence.start.strftime("%Y-%m-%d %H:%M %:z").to_string())
        .collect()
}

fn refusal(rule: &str) -> RepeatError {
    rule.parse::<Repeat>().unwrap_err()
}

#[test]
fn fourteen_o_clock_stays_when_the_clocks_change() {
    let weekly = meeting("2026-03-26T14:00", "Europe/Berlin", "FREQ=WEEKLY;BYDAY=TH");
    assert_eq!(
        starts(&weekly, 2),
        ["2026-03-26 14:00 +01:00", "2026-04-02 14:00 +02:00"]
    );
}

#[test]
fn a_time_that_the_clocks_skip_is_the_same_while_later_and_of_one_that_they_repeat_it_is_the_first() {
    let daily = meeting("2026-03-28T02:30", "Europe/Berlin", "FREQ=DAILY");
    let around = [
        "2026-03-28 02:30 +01:00",
        "2026-03-29 03:30 +02:00",
        "2026-03-30 02:30 +02:00",
    ];
    assert_eq!(starts(&daily, 3), around);
    let daily = meeting("2026-10-24T02:30", "Europe/Berlin", "FREQ=DAILY");
    let around = [
        "2026-10-24 02:30 +02:00",
        "2026-10-25 02:30 +02:00",
        "2026-10-26 02:30 +01:00",
    ];
    assert_eq!(starts(&daily, 3), around);
}

#[test]
fn occurrences_whose_order_a_gap_turns_around_come_in_order_of_beginning() {
    let twice = meeting(
        "2026-03-28T02:30",
        "Europe/Berlin",
        "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=5,30",
    );
    let on_the_day = starts(&twice, 6);
    assert_eq!(
        on_the_day[3..],
        [
            "2026-03-29 03:05 +02:00",
            "2026-03-29 03:05 +02:00",
            "2026-03-29 03:30 +02:00"
        ]
    );
}

#[test]
fn a_meeting_without_a_rule_is_held_once() {
    let once = meeting("2026-05-05T09:00", "Asia/Kolkata", "");
    assert_eq!(starts(&once, 9), ["2026-05-05 09:00 +05:30"]);
    let running = once.start.to_zoned(once.time_zone()).unwrap();
    assert!(once.next(&running).is_some());
    let over = running.checked_add(60.minutes()).unwrap();
    assert_eq!(once.next(&over), None);
    assert_eq!(once.last_end(), Some(over));
}

#[test]
fn cancelled_occurrences_are_left_out_and_moved_ones_come_at_their_new_place() {
    let weekly = meeting("2026-06-01T10:00", "UTC", "FREQ=WEEKLY;COUNT=5");
    let weekly = with(
        weekly,
        &[
            ("2026-06-08T10:00", Change::Cancelled),
            // Past its neighbour, and before the first.
            ("2026-06-15T10:00", moved("2026-06-23T09:00", 30)),
            ("2026-06-29T10:00", moved("2026-05-31T08:00", 15)),
            // Not in the rule: left from an earlier one.
            ("2026-06-16T10:00", moved("2026-06-17T10:00", 30)),
        ],
    );
    let from = beginning(&weekly).checked_sub(3.days()).unwrap();
    let all: Vec<_> = weekly.occurrences(&from).collect();
    let told: Vec<_> = all
        .iter()
        .map(|one| (one.original.to_string(), one.start.datetime().to_string()))
        .collect();
    let expected = [
        ("2026-06-29T10:00:00", "2026-05-31T08:00:00"),
        ("2026-06-01T10:00:00", "2026-06-01T10:00:00"),
        ("2026-06-22T10:00:00", "2026-06-22T10:00:00"),
        ("2026-06-15T10:00:00", "2026-06-23T09:00:00"),
    ];
    assert_eq!(
        told,
        expected.map(|(original, start)| (original.to_owned(), start.to_owned()))
    );
    assert_eq!(all[3].end.datetime().to_string(), "2026-06-23T09:30:00");
    assert_eq!(
        weekly.last_end().unwrap().datetime().to_string(),
        "2026-06-23T09:30:00"
    );
}

#[test]
fn only_occurrences_that_end_later_are_told() {
    let daily = meeting("2026-01-01T23:30", "America/New_York", "FREQ=DAILY");
    let at = |text: &str| text.parse::<Zoned>().unwrap();
    let running = daily.next(&at("2026-07-02T00:29[America/New_York]")).unwrap();
    assert_eq!(running.original.to_string(), "2026-07-01T23:30:00");
    let next = daily.next(&at("2026-07-02T00:30[America/New_York]")).unwrap();
    assert_eq!(next.original.to_string(), "2026-07-02T23:30:00");
}

#[test]
fn until_is_a_day_or_a_time_on_the_wall_or_one_in_utc() {
    let last = |until: &str| {
        let rule = format!("FREQ=DAILY;UNTIL={until}");
        let daily = meeting("2026-03-25T14:00", "Europe/Berlin", &rule);
        assert_eq!(
            daily.occurrences(&beginning(&daily)).last().unwrap().end,
            daily.last_end().unwrap()
        );
        daily.last_end().unwrap().date().to_string()
    };
    assert_eq!(last("20260331"), "2026-03-31");
    assert_eq!(last("20260331T140000"), "2026-03-31");
    assert_eq!(last("20260331T135959"), "2026-03-30");
    // 14:00 in summer.
    assert_eq!(last("20260331T120000Z"), "2026-03-31");
    assert_eq!(last("20260331T115959Z"), "2026-03-30");
}

#[test]
fn until_stands_in_calendars_in_utc() {
    let rule = |text: &str| {
        text.parse::<Repeat>()
            .unwrap()
            .in_calendar(&TimeZone::get("Europe/Berlin").unwrap())
    };
    assert_eq!(
        rule("FREQ=DAILY;UNTIL=20260331;WKST=SU"),
        "FREQ=DAILY;UNTIL=20260331T215959Z;WKST=SU"
    );
    assert_eq!(
        rule("FREQ=DAILY;UNTIL=20260131T140000"),
        "FREQ=DAILY;UNTIL=20260131T130000Z"
    );
    assert_eq!(
        rule("FREQ=DAILY;UNTIL=20260131T140000Z"),
        "FREQ=DAILY;UNTIL=20260131T140000Z"
    );
}

#[test]
fn the_last_end_is_of_what_is_left() {
    let daily = meeting("2026-01-05T10:00", "Europe/Berlin", "FREQ=DAILY;UNTIL=20260107");
    assert_eq!(
        daily.last_end().unwrap().datetime().to_string(),
        "2026-01-07T11:00:00"
    );
    let shorter = with(daily.clone(), &[("2026-01-07T10:00", Change::Cancelled)]);
    assert_eq!(
        shorter.last_end().unwrap().datetime().to_string(),
        "2026-01-06T11:00:00"
    );
    let days = ["2026-01-05T10:00", "2026-01-06T10:00", "2026-01-07T10:00"];
    let nothing = with(daily, &days.map(|day| (day, Change::Cancelled)));
    assert_eq!(nothing.next(&beginning(&nothing)), None);
    assert_eq!(
        nothing.last_end().unwrap().datetime().to_string(),
        "2026-01-05T11:00:00"
    );
    assert_eq!(
        meeting("2026-01-05T10:00", "UTC", "FREQ=MONTHLY").last_end(),
        None
    );
    // Looked for from the end, a long way back.
    let seldom = meeting("2024-02-29T10:00", "UTC", "FREQ=YEARLY;UNTIL=21040227");
    assert_eq!(seldom.last_end().unwrap().date().to_string(), "2096-02-29");
}

#[test]
fn a_rule_that_cannot_be_kept_is_refused_with_a_sentence() {
    for rule in ["FREQ=HOURLY", "FREQ=SECONDLY", "BYDAY=MO", "FREQ=ALWAYS"] {
        assert_eq!(refusal(rule), RepeatError::Frequency, "{rule}");
    }
    assert_eq!(
        refusal(&format!("FREQ=DAILY;BYHOUR={}", "1,".repeat(100))),
        RepeatError::TooLong
    );
    assert_eq!(
        refusal("FREQ=DAILY;FREQ=DAILY"),
        RepeatError::Twice("FREQ".to_owned())
    );
    assert_eq!(refusal("FREQ=DAILY;COUNT=2;UNTIL=20260101"), RepeatError::TwoEnds);
    assert_eq!(refusal("FREQ=WEEKLY;BYDAY=1MO"), RepeatError::NumberedDay);
    assert_eq!(refusal("FREQ=MONTHLY;BYDAY=MO,2TU"), RepeatError::NumberedDay);
    assert_eq!(
        refusal("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1"),
        RepeatError::Position
    );
    assert_eq!(refusal("FREQ=YEARLY;BYWEEKNO=20"), RepeatError::WeekWithoutDay);
    assert_eq!(
        refusal("FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=0,10,20,30,40"),
        RepeatError::TooOften
    );
    for rule in [
        "FREQ=DAILY;BYSECOND=1",
        "every thursday",
        "",
        "FREQ=DAILY;",
        "FREQ=DAILY;X=1",
        "FREQ=DAILY\nDTSTART:1",
    ] {
        assert!(
            matches!(refusal(rule), RepeatError::Part(_) | RepeatError::Frequency),
            "{rule}: {:?}",
            refusal(rule)
        );
    }
    for value in [
        "INTERVAL=0",
        "COUNT=0",
        "COUNT=100001",
        "COUNT=+1",
        "UNTIL=tomorrow",
        "UNTIL=20261301",
        "BYDAY=",
        "BYDAY=0MO",
        "BYMONTH=13",
        "BYMONTHDAY=0",
        "BYMONTHDAY=32",
        "BYHOUR=24",
        "BYMINUTE=60",
    ] {
        assert!(
            matches!(
                refusal(&format!("FREQ=MONTHLY;{value}")),
                RepeatError::Value { .. }
            ),
            "{value}"
        );
    }
    for rule in [
        "FREQ=MONTHLY;BYDAY=9MO",
        "FREQ=WEEKLY;BYMONTHDAY=3",
        "FREQ=MONTHLY;BYWEEKNO=3;BYDAY=MO",
    ] {
        assert!(matches!(refusal(rule), RepeatError::Refused(_)), "{rule}");
    }
    assert_eq!(
        refusal("FREQ=HOURLY").to_string(),
        "a meeting repeats with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, and not more often"
    );
}

#[test]
fn a_rule_that_no_day_meets_is_refused() {
    for rule in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2",
    ] {
        assert_eq!(refusal(rule), RepeatError::Never, "{rule}");
    }
}

#[test]
fn a_rule_that_never_occurs_from_its_start_on_ends_after_bounded_work() {
    let never = meeting("2026-01-06T10:00", "UTC", "FREQ=DAILY;INTERVAL=7;BYDAY=MO");
    assert_eq!(never.next(&beginning(&never)), None);
    let never = meeting(
        "2025-01-01T10:00",
        "UTC",
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29",
    );
    assert_eq!(never.next(&beginning(&never)), None);
}

#[test]
fn a_rule_is_kept_in_capitals_and_comes_back_as_text() {
    let repeat: Repeat = "rrule:freq=weekly;byday=th".parse().unwrap();
    assert_eq!(repeat.as_str(), "FREQ=WEEKLY;BYDAY=TH");
    assert_eq!(
        serde_json::to_string(&repeat).unwrap(),
        "\"FREQ=WEEKLY;BYDAY=TH\""
    );
    assert!(serde_json::from_str::<Repeat>("\"FREQ=HOURLY\"").is_err());
}

#[test]
fn a_hundred_thousand_occurrences_are_not_held_in_memory() {
    let daily = meeting("2000-01-01T09:00", "Europe/Berlin", "FREQ=DAILY;BYHOUR=9,15");
    let peak = |count: usize| {
        let from = beginning(&daily);
        let mut seen = 0;
        let used = allocation_counter::measure(|| seen = daily.occurrences(&from).take(count).count());
        assert_eq!(seen, count);
        used.bytes_max
    };
    peak(10);
    let (few, many) = (peak(1_000), peak(100_000));
    assert!(
        many < few + 4096 && many < 200_000,
        "{few} bytes at most for a thousand, {many} for a hundred thousand"
    );
}

#[test]
fn a_day_far_from_the_start_costs_what_the_first_does() {
    let daily = meeting("1990-01-01T09:00", "Europe/Berlin", "FREQ=DAILY");
    let cost = |from: &str| {
        let from: Zoned = from.parse().unwrap();
        allocation_counter::measure(|| assert!(daily.next(&from).is_some())).count_total
    };
    cost("1990-01-01T00:00[UTC]");
    let (near, far) = (cost("1990-01-05T00:00[UTC]"), cost("2090-01-05T00:00[UTC]"));
    assert!(far < near + near / 2, "{near} allocations near, {far} far");
}

fn rules() -> impl Strategy<Value = String> {
    let by = prop_oneof![
        Just(""),
        Just(";BYDAY=MO,TH"),
        Just(";BYMONTH=2,3,10"),
        Just(";BYHOUR=2,14;BYMINUTE=30"),
        Just(";WKST=SU"),
    ];
    let long = prop_oneof![
        Just(""),
        Just(";BYDAY=-1FR"),
        Just(";BYDAY=2TU;BYMONTH=3,10"),
        Just(";BYMONTHDAY=-1,13"),
        Just(";BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
    ];
    let short = (prop_oneof![Just("DAILY"), Just("WEEKLY")], 1..5u8, by);
    let long = (prop_oneof![Just("MONTHLY"), Just("YEARLY")], 1..4u8, long);
    let text =
        |(frequency, interval, by): (&str, u8, &str)| format!("FREQ={frequency};INTERVAL={interval}{by}");
    prop_oneof![short.prop_map(text), long.prop_map(text)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn from_any_time_on_there_is_what_there_is_from_the_start_on(
        rule in rules(), day in 0i64..800, hour in 0i8..24, far in 0i64..1500, zone in 0usize..4,
    ) {
        let zone = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"][zone];
        let start = jiff::civil::date(2024, 1, 1).at(hour, 30, 0, 0).checked_add(day.days()).unwrap();
        let meeting = meeting(&start.to_string(), zone, &rule);
        let from = beginning(&meeting).checked_add(far.days()).unwrap();
        let until = from.checked_add(900.days()).unwrap();
        let all: Vec<_> = meeting.occurrences(&beginning(&meeting)).take_while(|one| one.start < until).collect();
        let later: Vec<_> = meeting.occurrences(&from).take_while(|one| one.start < until).collect();
        prop_assert!(all.is_sorted_by_key(|one| one.start.timestamp()));
        let expected: Vec<_> = all.into_iter().filter(|one| one.end > from).collect();
        prop_assert_eq!(later, expected);
    }

    #[test]
    fn no_text_makes_reading_a_rule_panic(text in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY))?(;(BY(DAY|MONTH|MONTHDAY|YEARDAY|WEEKNO|SETPOS|HOUR)|COUNT|UNTIL|INTERVAL|WKST)=[+-]?[0-9]{0,3}(MO|SU|é)?(,-?[0-9]{1,3}(MO)?)?){0,3}") {
        if let Ok(repeat) = text.parse::<Repeat>() {
            let meeting = meeting("2028-02-29T23:30", "Europe/Berlin", repeat.as_str());
            meeting.occurrences(&beginning(&meeting)).take(20).count();
        }
    }
}
