//! Prints calendars for another implementation to read: a line of JSON for each, with the file and with what is in it by ours.
//! `federation-tests/installation/calendar_check.py` reads them.

use hanse_meetings::calendar::{Method, file};
use hanse_meetings::meeting::{Change, Meeting, Reply, Status};
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;

/// Start, zone, minutes, rule (or none) and changes: `cancelled` or `moved to/minutes`, by when they would have begun.
type Case = (
    &'static str,
    &'static str,
    u32,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";
const SYDNEY: &str = "Australia/Sydney";
const KOLKATA: &str = "Asia/Kolkata";
const CASABLANCA: &str = "Africa/Casablanca";

const CASES: [Case; 47] = [
    // Once.
    ("2026-03-29T14:00", BERLIN, 60, "", &[]),
    ("2026-10-25T01:30", BERLIN, 120, "", &[]),
    ("2026-11-01T23:30", NEW_YORK, 90, "", &[]),
    ("2026-06-01T10:00", "UTC", 1440, "", &[]),
    (
        "2026-06-01T10:00",
        KOLKATA,
        30,
        "",
        &[("2026-06-01T10:00", "2026-06-02T11:00/45")],
    ),
    ("2026-03-01T10:00", CASABLANCA, 30, "", &[]),
    // Days, over changes of the clocks.
    ("2026-03-20T14:00", BERLIN, 60, "FREQ=DAILY", &[]),
    ("2026-10-20T14:00", BERLIN, 60, "FREQ=DAILY;COUNT=20", &[]),
    ("2026-03-01T09:15", NEW_YORK, 25, "FREQ=DAILY;INTERVAL=3", &[]),
    ("2026-04-01T23:45", SYDNEY, 60, "FREQ=DAILY;UNTIL=20261031", &[]),
    ("2026-02-01T10:00", CASABLANCA, 60, "FREQ=DAILY", &[]),
    (
        "2026-02-01T00:15",
        KOLKATA,
        60,
        "FREQ=DAILY;UNTIL=20260401T001500",
        &[],
    ),
    (
        "2026-02-01T08:00",
        "UTC",
        60,
        "FREQ=DAILY;UNTIL=20260301T080000Z",
        &[],
    ),
    (
        "2026-03-02T09:00",
        BERLIN,
        15,
        "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
        &[],
    ),
    (
        "2026-03-20T09:00",
        NEW_YORK,
        15,
        "FREQ=DAILY;BYHOUR=9,15;BYMINUTE=0,30",
        &[],
    ),
    ("2026-01-20T09:00", SYDNEY, 15, "FREQ=DAILY;BYMONTH=4,10", &[]),
    // Weeks.
    ("2026-03-26T14:00", BERLIN, 60, "FREQ=WEEKLY", &[]),
    ("2026-03-05T14:00", NEW_YORK, 60, "FREQ=WEEKLY;BYDAY=TH", &[]),
    (
        "2026-01-05T16:00",
        SYDNEY,
        60,
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,FR",
        &[],
    ),
    (
        "2026-01-07T16:00",
        SYDNEY,
        60,
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,WE;WKST=SU",
        &[],
    ),
    (
        "2026-01-07T16:00",
        KOLKATA,
        60,
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,WE;COUNT=25",
        &[],
    ),
    ("2026-01-06T11:00", CASABLANCA, 60, "FREQ=WEEKLY;BYDAY=TU", &[]),
    (
        "2025-12-29T22:00",
        "UTC",
        300,
        "FREQ=WEEKLY;BYDAY=MO,SU;UNTIL=20270601T220000Z",
        &[],
    ),
    // A Monday, before the first Thursday.
    (
        "2026-03-02T14:00",
        BERLIN,
        60,
        "FREQ=WEEKLY;BYDAY=TH;COUNT=9",
        &[],
    ),
    // Months.
    ("2026-01-31T10:00", BERLIN, 60, "FREQ=MONTHLY", &[]),
    ("2026-01-13T10:00", NEW_YORK, 60, "FREQ=MONTHLY;BYDAY=2TU", &[]),
    ("2026-01-30T10:00", SYDNEY, 60, "FREQ=MONTHLY;BYDAY=-1FR", &[]),
    (
        "2026-01-01T10:00",
        KOLKATA,
        60,
        "FREQ=MONTHLY;BYMONTHDAY=1,-1",
        &[],
    ),
    (
        "2026-01-30T18:00",
        CASABLANCA,
        60,
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        &[],
    ),
    (
        "2026-02-13T10:00",
        "UTC",
        60,
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        &[],
    ),
    (
        "2026-01-15T10:00",
        BERLIN,
        60,
        "FREQ=MONTHLY;INTERVAL=5;COUNT=6",
        &[],
    ),
    // Years.
    ("2024-02-29T10:00", BERLIN, 60, "FREQ=YEARLY", &[]),
    ("2026-07-04T10:00", NEW_YORK, 60, "FREQ=YEARLY;INTERVAL=2", &[]),
    (
        "2026-03-29T02:30",
        BERLIN,
        60,
        "FREQ=YEARLY;BYMONTH=10;BYDAY=1MO",
        &[],
    ),
    (
        "2026-01-12T10:00",
        SYDNEY,
        60,
        "FREQ=YEARLY;BYWEEKNO=3,53;BYDAY=MO",
        &[],
    ),
    (
        "2026-04-10T10:00",
        KOLKATA,
        60,
        "FREQ=YEARLY;BYYEARDAY=100,-1",
        &[],
    ),
    (
        "2026-04-06T10:00",
        "UTC",
        60,
        "FREQ=YEARLY;BYMONTH=4;BYDAY=MO;BYSETPOS=1",
        &[],
    ),
    ("2026-04-06T10:00", NEW_YORK, 60, "FREQ=YEARLY;BYDAY=20MO", &[]),
    // Occurrences that are otherwise.
    (
        "2026-03-19T14:00",
        BERLIN,
        60,
        "FREQ=WEEKLY;COUNT=8",
        &[
            ("2026-03-26T14:00", "cancelled"),
            ("2026-04-02T14:00", "2026-04-03T09:00/30"),
        ],
    ),
    (
        "2026-10-12T09:00",
        NEW_YORK,
        60,
        "FREQ=DAILY;UNTIL=20261120",
        &[
            ("2026-10-12T09:00", "cancelled"),
            ("2026-10-31T09:00", "2026-11-01T00:30/60"),
            ("2026-11-20T09:00", "2026-10-11T09:00/20"),
        ],
    ),
    (
        "2026-01-05T16:00",
        SYDNEY,
        60,
        "FREQ=WEEKLY",
        // Past its neighbour, and one that is not in the rule.
        &[
            ("2026-03-30T16:00", "2026-04-07T16:00/60"),
            ("2026-03-31T16:00", "cancelled"),
        ],
    ),
    (
        "2026-01-31T08:00",
        CASABLANCA,
        60,
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        &[("2026-03-31T08:00", "2026-04-01T08:00/90")],
    ),
    (
        "2026-01-01T08:00",
        "UTC",
        60,
        "FREQ=DAILY;INTERVAL=10",
        &[("2026-01-11T08:00", "2026-01-12T08:00/60")],
    ),
    // From long ago, and for long.
    ("2005-06-01T10:00", NEW_YORK, 60, "FREQ=DAILY", &[]),
    ("1995-06-01T10:00", SYDNEY, 60, "FREQ=WEEKLY;UNTIL=20280101", &[]),
    ("2015-06-01T10:00", CASABLANCA, 60, "FREQ=WEEKLY", &[]),
    ("2026-06-01T10:00", "Asia/Jerusalem", 60, "FREQ=WEEKLY", &[]),
];

fn main() -> Result<(), Box<dyn Error>> {
    for (index, case) in CASES.into_iter().enumerate() {
        let meeting = meeting(index, case)?;
        let begin = meeting.start.to_zoned(meeting.time_zone())?;
        // The first year and a half, in which the clocks change three times, and one that is ten years later.
        for years in [0, 10] {
            let from = begin.checked_sub(30.days())?.checked_add(years.years())?;
            let to = from.checked_add(18.months())?;
            let there = meeting
                .occurrences(&from)
                .take_while(|occurrence| occurrence.start < to);
            let occurrences: Vec<_> = there
                .map(|occurrence| json!({ "start": occurrence.start.timestamp(), "end": occurrence.end.timestamp() }))
                .collect();
            let ics = file(
                &meeting,
                None,
                Method::Request,
                Timestamp::UNIX_EPOCH,
                Some("https://matrix.to/#/!room:org-a.example"),
            );
            let case = json!({
                "ics": ics,
                "title": meeting.title,
                "description": "1. First; of all\n2. Then",
                "from": from.timestamp(),
                "to": to.timestamp(),
                "occurrences": occurrences,
            });
            println!("{case}");
        }
    }
    Ok(())
}

fn meeting(index: usize, (start, zone, minutes, rule, changes): Case) -> Result<Meeting, Box<dyn Error>> {
    let organiser: hanse_matrixrtc::UserId = "@one:org-a.example".parse()?;
    let mut by_original = BTreeMap::new();
    for (original, change) in changes {
        let change = match change.split_once('/') {
            Some((start, minutes)) => Change::Moved {
                start: start.parse()?,
                minutes: minutes.parse()?,
            },
            None => Change::Cancelled,
        };
        by_original.insert(original.parse()?, change);
    }
    Ok(Meeting {
        uid: format!("{index}@org-a.example"),
        sequence: 1,
        title: "Budget; costs, and “all that”: a title that is long enough to be folded, äöü 語".to_owned(),
        people: BTreeMap::from([
            (organiser.clone(), Reply::Yes),
            ("@two:org-b.example".parse()?, Reply::Maybe),
        ]),
        organiser,
        start: start.parse()?,
        zone: zone.to_owned(),
        minutes,
        repeat: if rule.is_empty() {
            None
        } else {
            Some(rule.parse()?)
        },
        changes: by_original,
        agenda: vec!["First; of all".to_owned(), "Then".to_owned()],
        remind: Some(10),
        status: Status::Planned,
        room: None,
        is_in_room: false,
    })
}
