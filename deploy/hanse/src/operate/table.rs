//! Answers for people: tables and sentences. What others have chosen (names, devices) is printed so that it cannot move
//! the cursor, hide itself or turn the line around.

use super::streams::Streams;
use super::{Blocked, BlockedHomeservers, Draining, Unblocked};
use hanse_focus::calls::{Call, CallWithPeople, Calls, Removed};
use std::fmt::Write;

/// Letters of a call's id that are shown: 48 bits of a hash, so no two calls of a server share them by chance.
const ID_LETTERS: usize = 8;

/// Space between columns.
const GAP: &str = "  ";

pub fn calls(calls: &Calls, now_unix_ms: u64) -> String {
    if calls.calls.is_empty() {
        return "No call is going on.\n".to_owned();
    }
    let rows = calls.calls.iter().map(|call| {
        [
            short(&call.id).to_owned(),
            call.people.to_string(),
            since(call, now_unix_ms),
            printable(&call.room_id),
            homeservers(call),
        ]
    });
    let mut text = table(["CALL", "PEOPLE", "SINCE", "ROOM", "HOMESERVERS"], rows);
    left_off(&mut text, calls.left_off);
    text
}

pub fn call(answer: &CallWithPeople, now_unix_ms: u64) -> String {
    let call = &answer.call;
    let mut text = format!(
        "Call {} of room {}, {} connected{}{}\n\n",
        call.id,
        printable(&call.room_id),
        number(call.people, "person", "people"),
        if call.began_unix_ms.is_some() {
            " since "
        } else {
            ""
        },
        since(call, now_unix_ms),
    );
    let rows = answer.people.iter().map(|person| {
        let may_publish = match person.may_publish.is_empty() {
            true => "nothing".to_owned(),
            false => person.may_publish.join(", "),
        };
        [
            printable(&person.user_id),
            printable(&person.role),
            if person.is_connected {
                "connected"
            } else {
                "expected"
            }
            .to_owned(),
            printable(&may_publish),
            printable(&person.identity),
        ]
    });
    text.push_str(&table(["USER", "ROLE", "STATE", "MAY PUBLISH", "DEVICE"], rows));
    left_off(&mut text, answer.left_off);
    if !answer.policy_warnings.is_empty() {
        text.push_str("\nIn the call policy of the room (org.hanse.call_policy):\n");
    }
    for warning in &answer.policy_warnings {
        text.push_str(&format!("  {}\n", printable(warning)));
    }
    text
}

pub fn streams(answer: &Streams) -> String {
    if answer.streams.is_empty() {
        return "Nobody there receives a video.\n".to_owned();
    }
    let rows = answer.streams.iter().map(|stream| {
        [
            printable(&stream.subscriber),
            printable(&stream.publisher),
            printable(&stream.source),
            match stream.asked.as_str() {
                "" => "-".to_owned(),
                asked => printable(asked),
            },
            printable(&stream.why),
        ]
    });
    let mut text = table(["RECEIVES", "FROM", "SOURCE", "ASKED FOR", "GETS"], rows);
    left_off(&mut text, answer.left_off);
    text
}

pub fn removed(removed: Removed) -> String {
    let seats = number(removed.seats, "place", "places");
    let calls = number(removed.calls, "call", "calls");
    match removed.is_confirmed {
        true => format!("Removed: {seats} in {calls} ended.\n"),
        false => format!(
            "Removed: {seats} in {calls} end. The SFU has not confirmed it yet and is told again; the log says more.\n"
        ),
    }
}

pub fn blocked(blocked: &Blocked) -> String {
    let server = printable(&blocked.homeserver);
    let now = match blocked.was_blocked {
        true => "was blocked already",
        false => "is blocked",
    };
    match blocked.seats {
        0 => format!("{server} {now}. None of its people is in a call here.\n"),
        seats => format!(
            "{server} {now}. Its people leave: {}.\n",
            number(seats, "place ends", "places end")
        ),
    }
}

pub fn draining(draining: &Draining) -> String {
    if !draining.is_draining {
        return "New calls begin again.\n".to_owned();
    }
    match (draining.people, draining.calls) {
        (0, _) => "No new calls begin, and nobody is in one.\n".to_owned(),
        (people, calls) => format!("No new calls begin. {people} people are still here, in {calls} calls.\n"),
    }
}

pub fn unblocked(unblocked: &Unblocked) -> String {
    let server = printable(&unblocked.homeserver);
    let mut text = match unblocked.was_blocked {
        true => format!("{server} is not blocked any more.\n"),
        false => format!("{server} was not blocked.\n"),
    };
    if unblocked.is_denied {
        text.push_str("Its people stay out all the same: denied_homeservers in [policy] has it.\n");
    }
    text
}

pub fn all_blocked(blocked: &BlockedHomeservers, now_unix_ms: u64) -> String {
    if blocked.homeservers.is_empty() {
        return "No homeserver is blocked.\n".to_owned();
    }
    let rows = blocked.homeservers.iter().map(|blocked| {
        [
            printable(&blocked.homeserver),
            duration(now_unix_ms.saturating_sub(blocked.blocked_unix_ms)),
        ]
    });
    table(["HOMESERVER", "BLOCKED FOR"], rows)
}

/// A text of others, as it may be printed: what is no visible letter appears as its number.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_hidden = matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
        if letter.is_control() || is_hidden {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Columns as wide as their widest cell; the last one ends where it ends.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing into a text never fails.
            let _ = write!(line, "{cell:width$}{GAP}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn left_off(text: &mut String, number: usize) {
    if number > 0 {
        let _ = writeln!(text, "and {number} more");
    }
}

fn short(id: &str) -> &str {
    id.get(..ID_LETTERS).unwrap_or(id)
}

fn since(call: &Call, now_unix_ms: u64) -> String {
    call.began_unix_ms
        .map(|began| duration(now_unix_ms.saturating_sub(began)))
        .unwrap_or_default()
}

fn homeservers(call: &Call) -> String {
    let mut homeservers: Vec<(&String, &usize)> = call.homeservers.iter().collect();
    homeservers.sort_by_key(|(_, people)| std::cmp::Reverse(**people));
    let homeservers: Vec<String> = homeservers
        .into_iter()
        .map(|(server, people)| format!("{people} {}", printable(server)))
        .collect();
    homeservers.join(", ")
}

fn number(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The two largest units.
fn duration(ms: u64) -> String {
    let minutes = ms / 60_000;
    let (hours, days) = (minutes / 60, minutes / (24 * 60));
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", ms / 1000),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::streams::Stream;
    use hanse_focus::calls::Person;
    use std::collections::BTreeMap;

    fn kitchen() -> Call {
        Call {
            id: "5z8AurUsuturdh6mey5pwvZ9CPbJoI2mud9iFTTkbeU".to_owned(),
            room_id: "!kitchen:org-a.example".to_owned(),
            began_unix_ms: Some(1_000),
            people: 3,
            homeservers: BTreeMap::from([("org-a.example".to_owned(), 1), ("org-b.example".to_owned(), 2)]),
        }
    }

    #[test]
    fn calls_are_a_table() {
        let listed = Calls {
            calls: vec![kitchen()],
            left_off: 2,
        };
        let expected = "CALL      PEOPLE  SINCE      ROOM                    HOMESERVERS\n\
                        5z8AurUs  3       1 h 1 min  !kitchen:org-a.example  2 org-b.example, 1 org-a.example\n\
                        and 2 more\n";
        assert_eq!(calls(&listed, 1_000 + 61 * 60_000), expected);
        let none = Calls {
            calls: vec![],
            left_off: 0,
        };
        assert_eq!(calls(&none, 0), "No call is going on.\n");
    }

    #[test]
    fn a_device_cannot_paint_on_the_administrators_terminal() {
        let mallory = Person {
            user_id: "@mallory:evil.example".to_owned(),
            identity: "@mallory:evil.example:\u{1b}[2J\u{202e}DEV\n@alice".to_owned(),
            role: "participant".to_owned(),
            may_publish: vec![],
            is_connected: true,
        };
        let shown = call(
            &CallWithPeople {
                call: kitchen(),
                people: vec![mallory],
                left_off: 0,
                policy_warnings: vec!["there is no key \"\u{1b}[2J\"".to_owned()],
            },
            1_000,
        );
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
        assert!(shown.contains("\\u{1b}[2J\\u{202e}DEV\\u{a}@alice"), "{shown}");
        assert_eq!(shown.lines().count(), 7, "{shown}");
        assert!(
            shown.ends_with("(org.hanse.call_policy):\n  there is no key \"\\u{1b}[2J\"\n"),
            "{shown}"
        );
    }

    #[test]
    fn each_video_that_somebody_receives_is_a_line_with_its_reason() {
        let stream = |subscriber: &str, asked: &str, why: &str| Stream {
            subscriber: subscriber.to_owned(),
            publisher: "@alice:org-a.example".to_owned(),
            source: "camera".to_owned(),
            track: "TR_1".to_owned(),
            asked: asked.to_owned(),
            why: why.to_owned(),
        };
        let link = "layer 1 of 2: the link carries 640 kbit/s, with sound; layer 2 would need 1,700";
        let shown = streams(&Streams {
            streams: vec![
                stream("@bob:org-b.example", "640x360", link),
                stream("@carol:\u{1b}[2J", "", "nothing: the publisher has muted it"),
            ],
            left_off: 1,
        });
        let expected = format!(
            "RECEIVES            FROM                  SOURCE  ASKED FOR  GETS\n\
             @bob:org-b.example  @alice:org-a.example  camera  640x360    {link}\n\
             @carol:\\u{{1b}}[2J    @alice:org-a.example  camera  -          nothing: the publisher has muted it\n\
             and 1 more\n"
        );
        assert_eq!(shown, expected);
        let none = Streams {
            streams: vec![],
            left_off: 0,
        };
        assert_eq!(streams(&none), "Nobody there receives a video.\n");
    }

    #[test]
    fn times_have_two_units_and_numbers_their_plural() {
        for (ms, said) in [
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h 0 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(ms), said);
        }
        let one = Removed {
            seats: 1,
            calls: 1,
            is_confirmed: true,
        };
        assert_eq!(removed(one), "Removed: 1 place in 1 call ended.\n");
    }
}
