use super::*;
use crate::meeting::Repeat;

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn meeting(start: &str, zone: &str, rule: &str) -> Meeting {
    Meeting {
        uid: "1@org-a.example".to_owned(),
        sequence: 3,
        title: "Planning".to_owned(),
        organiser: user("@one:org-a.example"),
        people: BTreeMap::from([
            (user("@one:org-a.example"), Reply::Yes),
            (user("@two:org-b.example:8448"), Reply::Open),
            (user("@three:org-b.example"), Reply::No),
        ]),
        start: start.parse().unwrap(),
        zone: zone.to_owned(),
        minutes: 45,
        repeat: (!rule.is_empty()).then(|| rule.parse::<Repeat>().unwrap()),
        changes: BTreeMap::new(),
        agenda: vec!["Budget; and costs".to_owned(), "Other".to_owned()],
        remind: Some(10),
        status: Status::Planned,
        room: None,
        is_in_room: false,
    }
}

fn stamp() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// The lines of a file, after unfolding, with what every line must keep to.
fn lines(file: &str) -> Vec<String> {
    assert!(file.ends_with("\r\n"));
    for line in file.trim_end_matches("\r\n").split("\r\n") {
        assert!(
            line.len() <= 75 && !line.contains(['\r', '\n']),
            "{line:?} has {} octets",
            line.len()
        );
    }
    let lines: Vec<_> = file
        .replace("\r\n ", "")
        .split_terminator("\r\n")
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.first().map(String::as_str), Some("BEGIN:VCALENDAR"));
    assert_eq!(lines.last().map(String::as_str), Some("END:VCALENDAR"));
    lines
}

fn request(meeting: &Meeting) -> Vec<String> {
    lines(&file(
        meeting,
        None,
        Method::Request,
        stamp(),
        Some("https://matrix.to/#/!room:org-a.example"),
    ))
}

fn has(lines: &[String], line: &str) -> bool {
    lines.iter().any(|other| other == line)
}

fn count(lines: &[String], beginning: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(beginning)).count()
}

#[test]
fn an_invitation_says_who_when_what_and_where() {
    let lines = request(&meeting("2026-06-01T10:00", "Europe/Berlin", "FREQ=WEEKLY"));
    for line in [
        "METHOD:REQUEST",
        "UID:1@org-a.example",
        "SEQUENCE:3",
        "DTSTAMP:20260102T030405Z",
        "LAST-MODIFIED:20260102T030405Z",
        "DTSTART;TZID=Europe/Berlin:20260601T100000",
        "DTEND;TZID=Europe/Berlin:20260601T104500",
        "RRULE:FREQ=WEEKLY",
        "SUMMARY:Planning",
        "STATUS:CONFIRMED",
        "CLASS:PRIVATE",
        "DESCRIPTION:1. Budget\\; and costs\\n2. Other",
        "URL:https://matrix.to/#/!room:org-a.example",
        "LOCATION:https://matrix.to/#/!room:org-a.example",
        "ORGANIZER;CN=\"@one:org-a.example\":matrix:u/one:org-a.example",
        "ATTENDEE;CN=\"@two:org-b.example:8448\";CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;RSVP=TRUE:matrix:u/two:org-b.example:8448",
        "ATTENDEE;CN=\"@three:org-b.example\";CUTYPE=INDIVIDUAL;PARTSTAT=DECLINED;ROLE=REQ-PARTICIPANT;RSVP=FALSE:matrix:u/three:org-b.example",
        "TRIGGER:-PT10M",
    ] {
        assert!(has(&lines, line), "{line} is not in {lines:#?}");
    }
    // One each: none is made up for zones and alarms.
    assert_eq!((count(&lines, "UID"), count(&lines, "DTSTAMP")), (1, 1));
}

#[test]
fn the_same_meeting_gives_the_same_file() {
    let meeting = meeting("2026-06-01T10:00", "Europe/Berlin", "FREQ=WEEKLY");
    assert_eq!(request(&meeting), request(&meeting));
}

#[test]
fn changed_occurrences_are_exceptions_of_the_rule_or_events_of_their_own() {
    let mut meeting = meeting("2026-06-01T10:00", "Europe/Berlin", "FREQ=WEEKLY");
    let to = Change::Moved {
        start: "2026-06-17T09:00".parse().unwrap(),
        minutes: 30,
    };
    meeting
        .changes
        .insert("2026-06-08T10:00".parse().unwrap(), Change::Cancelled);
    meeting.changes.insert("2026-06-15T10:00".parse().unwrap(), to);
    meeting
        .changes
        .insert("2026-06-16T10:00".parse().unwrap(), Change::Cancelled);
    let lines = request(&meeting);
    assert_eq!(count(&lines, "BEGIN:VEVENT"), 2);
    assert_eq!(count(&lines, "EXDATE"), 1);
    for line in [
        "EXDATE;TZID=Europe/Berlin:20260608T100000",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260615T100000",
        "DTSTART;TZID=Europe/Berlin:20260617T090000",
        "DTEND;TZID=Europe/Berlin:20260617T093000",
    ] {
        assert!(has(&lines, line), "{line} is not in {lines:#?}");
    }
}

#[test]
fn a_start_beside_the_rule_is_put_in_step_with_it() {
    // A Monday.
    let lines = request(&meeting("2026-06-01T10:00", "UTC", "FREQ=WEEKLY;BYDAY=TH"));
    assert!(has(&lines, "DTSTART:20260604T100000Z"));
    assert_eq!(count(&lines, "BEGIN:VTIMEZONE"), 0);
}

#[test]
fn what_is_called_off_says_so_and_reminds_nobody() {
    let mut meeting = meeting("2026-06-01T10:00", "Europe/Berlin", "FREQ=WEEKLY");
    let by_method = lines(&file(&meeting, None, Method::Cancel, stamp(), None));
    assert!(has(&by_method, "METHOD:CANCEL") && has(&by_method, "STATUS:CANCELLED"));
    assert_eq!(count(&by_method, "BEGIN:VALARM"), 0);
    meeting.status = Status::Cancelled;
    assert!(has(&request(&meeting), "STATUS:CANCELLED"));
}

#[test]
fn who_has_declined_is_neither_busy_nor_reminded() {
    let meeting = meeting("2026-06-01T10:00", "Europe/Berlin", "");
    let for_whom = |id: &str| lines(&file(&meeting, Some(&user(id)), Method::Publish, stamp(), None));
    let declined = for_whom("@three:org-b.example");
    assert!(has(&declined, "TRANSP:TRANSPARENT") && count(&declined, "BEGIN:VALARM") == 0);
    let open = for_whom("@two:org-b.example:8448");
    assert!(has(&open, "TRANSP:OPAQUE") && count(&open, "BEGIN:VALARM") == 1);
    // RFC 5546 §3.2.1.
    assert_eq!(count(&open, "ATTENDEE"), 0);
}

#[test]
fn a_feed_has_each_zone_once() {
    let one = meeting("2026-06-01T10:00", "Europe/Berlin", "FREQ=WEEKLY");
    let other = meeting("2020-06-01T10:00", "Europe/Berlin", "");
    let far = meeting("2026-06-01T10:00", "America/New_York", "");
    let meetings = [
        (&one, None),
        (&other, Some("https://org-a.example/r")),
        (&far, None),
    ];
    let lines = lines(&feed(
        "Meetings, of one",
        &meetings,
        &user("@one:org-a.example"),
        stamp(),
    ));
    assert_eq!(
        (count(&lines, "BEGIN:VTIMEZONE"), count(&lines, "BEGIN:VEVENT")),
        (2, 3)
    );
    assert!(has(&lines, "X-WR-CALNAME:Meetings\\, of one"));
}

#[test]
fn hostile_text_puts_no_property_into_a_file() {
    let mut meeting = meeting("2026-06-01T10:00", "Europe/Berlin", "");
    let ends = [
        "\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\u{b}", "\u{1e}", "\\n", "\u{202e}", ";", "\0",
    ];
    for end in ends {
        meeting.title = format!("A{end}ATTACH:https://evil.example{end}END:VEVENT");
        meeting.agenda = vec![meeting.title.clone()];
        meeting.uid = meeting.title.clone();
        meeting.organiser = user("@o\",\u{2028};ne\"ATTENDEE:org-a.example");
        meeting.people.insert(meeting.organiser.clone(), Reply::Yes);
        let link = meeting.title.clone();
        let file = file(&meeting, None, Method::Request, stamp(), Some(&link));
        let lines = lines(&file);
        assert_eq!(count(&lines, "ATTACH"), 0, "{end:?}");
        assert_eq!(
            (count(&lines, "END:VEVENT"), count(&lines, "URL")),
            (1, 0),
            "{end:?}"
        );
        assert!(
            !file.contains(|letter: char| letter.is_control() && !"\r\n".contains(letter)),
            "{end:?}"
        );
        assert!(!file.contains(['\u{202e}', '\u{2028}']), "{end:?}");
        for line in lines.iter().filter(|line| line.starts_with("ORGANIZER")) {
            assert_eq!(line.matches('"').count(), 2, "{line}");
            assert!(
                line.ends_with(":matrix:u/o%22%2C%E2%80%A8%3Bne%22ATTENDEE:org-a.example"),
                "{line}"
            );
        }
    }
}

#[test]
fn long_lines_of_any_letters_are_folded_between_letters() {
    for letter in ["x", " ", "ß", "語", "🦀", ","] {
        for length in [10, 60, 66, 67, 68, 69, 120, 140, 141, 142, 143, 300] {
            let mut meeting = meeting("2026-06-01T10:00", "UTC", "");
            meeting.title = letter.repeat(length);
            let lines = request(&meeting);
            let expected = format!("SUMMARY:{}", meeting.title.replace(',', "\\,"));
            assert!(has(&lines, &expected), "{length} times {letter:?}");
        }
    }
}

#[test]
fn an_end_whose_time_comes_twice_is_told_by_the_duration() {
    // 02:30, for the second time.
    let mut meeting = meeting("2026-10-25T01:30", "Europe/Berlin", "");
    meeting.minutes = 120;
    let lines = request(&meeting);
    assert!(has(&lines, "DURATION:PT120M") && count(&lines, "DTEND") == 0);
}

fn zone_of(zone: &str, start: &str, rule: &str) -> String {
    let lines = request(&meeting(start, zone, rule));
    let begin = lines.iter().position(|line| line == "BEGIN:VTIMEZONE").unwrap();
    let end = lines.iter().position(|line| line == "END:VTIMEZONE").unwrap();
    lines[begin + 1..end].join("\n")
}

#[test]
fn a_zone_with_a_pattern_is_written_as_rules() {
    let berlin = "TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:20261025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20260329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT";
    assert_eq!(zone_of("Europe/Berlin", "2026-06-01T10:00", ""), berlin);
    let new_york = zone_of("America/New_York", "2026-06-01T10:00", "FREQ=DAILY");
    assert!(
        new_york.contains("RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU")
            && new_york.contains("BYMONTH=11;BYDAY=1SU")
    );
    let jerusalem = zone_of("Asia/Jerusalem", "2026-06-01T10:00", "FREQ=DAILY");
    assert!(
        jerusalem.contains("RRULE:FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=23,24,25,26,27,28,29;BYDAY=FR"),
        "{jerusalem}"
    );
}

#[test]
fn changes_before_a_pattern_and_without_one_stand_by_their_dates() {
    // The United States moved their clocks' changes in 2007.
    let new_york = zone_of("America/New_York", "2005-06-01T10:00", "FREQ=DAILY");
    assert!(new_york.contains(
        "DTSTART:20050403T020000\nTZOFFSETFROM:-0500\nTZOFFSETTO:-0400\nTZNAME:EDT\nRDATE:20060402T020000\n"
    ));
    assert!(
        new_york
            .contains("DTSTART:20070311T020000\nTZOFFSETFROM:-0500\nTZOFFSETTO:-0400\nTZNAME:EDT\nRRULE:")
    );
    // Casablanca's follow Ramadan: as far as the meeting goes, or as far as they are known.
    let once = zone_of("Africa/Casablanca", "2026-06-01T10:00", "");
    assert!(!once.contains("RRULE") && !once.contains("2027"), "{once}");
    let endless = zone_of("Africa/Casablanca", "2026-06-01T10:00", "FREQ=DAILY");
    assert!(
        !endless.contains("RRULE") && endless.contains("2080"),
        "{endless}"
    );
    assert!(
        zone_of("Asia/Kolkata", "2026-06-01T10:00", "")
            .contains("TZOFFSETTO:+0530\nTZNAME:IST\nEND:STANDARD")
    );
}
