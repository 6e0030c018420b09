use super::*;
use crate::meeting::{Meeting, Occurrence, Repeat, Reply, Status};
use hanse_matrixrtc::UserId;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn budget() -> Meeting {
    Meeting {
        uid: "u".to_owned(),
        sequence: 0,
        title: "Budget".to_owned(),
        organiser: user("@anna:org-a.example"),
        people: BTreeMap::from([
            (user("@anna:org-a.example"), Reply::Yes),
            (user("@one:org-a.example"), Reply::Open),
            (user("@two:org-b.example"), Reply::Maybe),
        ]),
        start: "2026-11-26T14:00".parse().unwrap(),
        zone: "Europe/Berlin".to_owned(),
        minutes: 45,
        repeat: Some(Repeat::try_from("FREQ=WEEKLY;BYDAY=TH".to_owned()).unwrap()),
        changes: BTreeMap::new(),
        agenda: Vec::new(),
        remind: Some(15),
        status: Status::Planned,
        room: None,
        is_in_room: false,
    }
}

fn next(meeting: &Meeting) -> Occurrence {
    meeting.occurrence(meeting.start).unwrap()
}

const BOTH: [Language; 2] = [Language::English, Language::German];

#[test]
fn what_was_understood_is_said_and_asked() {
    assert_eq!(
        confirm(&budget(), Language::English),
        "**Budget**, Thursday 26 November 2026, 14:00–14:45 (Europe/Berlin), every week on Thursday. \
         With @one:org-a.example and @two:org-b.example. React with ✅ to make it, ❌ to drop it."
    );
    assert_eq!(
        confirm(&budget(), Language::German),
        "**Budget**, Donnerstag, 26. November 2026, 14:00–14:45 (Europe/Berlin), jede Woche am Donnerstag. \
         Mit @one:org-a.example und @two:org-b.example. Reagiere mit ✅, um es anzulegen, mit ❌, um es zu verwerfen."
    );
}

#[test]
fn who_is_invited_reads_the_time_on_their_own_clock() {
    let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
    let said = invitation(&budget(), Some(&tokyo), Language::English);
    assert!(
        said.contains(
            "14:00–14:45 (Europe/Berlin), for you Thursday 26 November 2026, 22:00–22:45 (Asia/Tokyo)"
        ),
        "{said}"
    );
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    assert_eq!(
        invitation(&budget(), Some(&berlin), Language::German),
        invitation(&budget(), None, Language::German)
    );
}

#[test]
fn a_list_has_numbers_and_the_next_times() {
    let meeting = budget();
    let next = next(&meeting);
    let utc = TimeZone::UTC;
    assert_eq!(
        list([(2, &meeting, &next)], &utc, Language::English),
        "Your meetings:\n\n2. **Budget**, Thursday 26 November 2026, 13:00–13:45 (UTC), every week on Thursday"
    );
    for language in BOTH {
        assert_eq!(list([], &utc, language), nothing_planned(language));
    }
}

#[test]
fn a_title_is_neither_a_link_nor_bold() {
    let meeting = Meeting {
        title: "[x](https://evil.example) **!**".to_owned(),
        ..budget()
    };
    for language in BOTH {
        let said = begins(&meeting, language);
        assert!(
            said.contains("\\[x\\](https://evil.example) \\*\\*\\!\\*\\*"),
            "{said}"
        );
    }
}

#[test]
fn who_comes_is_grouped_by_what_they_said() {
    assert_eq!(
        who(&budget(), Language::English),
        "**Budget**\n\n- ✅ Coming (1): @anna:org-a.example\n- ❔ Perhaps (1): @two:org-b.example\n- No answer yet (1): @one:org-a.example"
    );
}

#[test]
fn lengths_are_in_words() {
    for (minutes, english, german) in [
        (0, "0 minutes", "0 Minuten"),
        (1, "1 minute", "1 Minute"),
        (90, "1 hour 30 minutes", "1 Stunde 30 Minuten"),
        (2880, "2 days", "2 Tage"),
    ] {
        assert_eq!(length(minutes, Language::English), english);
        assert_eq!(length(minutes, Language::German), german);
    }
    assert!(reminder(&budget(), &next(&budget()), 2880, None, Language::German).contains("in 2 Tagen"));
}

#[test]
fn a_closed_room_names_who_was_shown_out_and_who_keeps_what() {
    let said = room_closed(&budget(), 3, &["org-b.example"], 7, Language::English);
    assert!(
        said.contains("3 people were shown out")
            && said.contains("in 7 days")
            && said.contains("org-b.example took part"),
        "{said}"
    );
    let said = room_closed(&budget(), 1, &[], 7, Language::German);
    assert!(
        said.contains("eine Person") && said.contains("Von anderen Homeservern war niemand darin"),
        "{said}"
    );
}

#[test]
fn what_the_help_says_is_understood() {
    use crate::speech::{Speaker, read};
    let now = "2026-11-23T10:00+01:00[Europe/Berlin]".parse().unwrap();
    for language in BOTH {
        for line in help(language).lines().filter(|line| line.starts_with("- ")) {
            // What stands between backticks are examples.
            for example in line.split('`').skip(1).step_by(2) {
                let speaker = Speaker {
                    now: &now,
                    language,
                    mentions: &[],
                };
                assert!(
                    read(example, &speaker).is_ok(),
                    "{example}: {:?}",
                    read(example, &speaker)
                );
            }
        }
    }
}
