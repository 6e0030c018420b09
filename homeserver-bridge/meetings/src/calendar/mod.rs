//! Meetings as calendar files (RFC 5545) for the programs in which people keep their calendars.
//!
//! A file names the room of the meeting by a link, if it is given one, and nobody who was not invited; it never holds a secret.

mod line;
mod zone;

#[cfg(test)]
mod tests;

use crate::meeting::{Change, Meeting, Reply, Status};
use hanse_matrixrtc::UserId;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use line::{Lines, lines_of, one_line, parameter, uri};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Who makes these files (`PRODID`).
const PRODUCT: &str = "-//Hanse//Meetings//EN";

/// How often a subscribed calendar should be fetched again (RFC 7986 §5.7).
const REFRESH: &str = "PT1H";

/// What a file is for (RFC 5546 §1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Invites, and tells of changes: all who are invited stand in it.
    Request,
    /// Calls the meeting off, whatever its status says.
    Cancel,
    /// Shows it. Nobody is asked anything, so nobody who is invited stands in it (RFC 5546 §3.2.1).
    Publish,
}

/// One meeting as a file, of type `text/calendar`.
///
/// `for_whom` reads it: who has declined is not shown as busy nor reminded, and only they are asked for an answer. `stamp` is when the
/// meeting was last changed (`DTSTAMP`, `LAST-MODIFIED`), `link` leads to its room and must be no secret; one that is no URI is left
/// out. Where the rule gives the meeting no time at all, the file has it once, at its start.
pub fn file(
    meeting: &Meeting,
    for_whom: Option<&UserId>,
    method: Method,
    stamp: Timestamp,
    link: Option<&str>,
) -> String {
    let mut lines = begin(method);
    write_zones(&mut lines, &[meeting]);
    Event {
        meeting,
        for_whom,
        method,
        stamp,
        link,
    }
    .write(&mut lines);
    lines.end("VCALENDAR");
    lines.finish()
}

/// The calendar `name` with all meetings of one person, each with the link to its room, to subscribe to. For the rest see [`file`].
pub fn feed(
    name: &str,
    meetings: &[(&Meeting, Option<&str>)],
    for_whom: &UserId,
    stamp: Timestamp,
) -> String {
    let method = Method::Publish;
    let mut lines = begin(method);
    lines.plain("X-WR-CALNAME", one_line(name));
    lines.add("REFRESH-INTERVAL", REFRESH, &[("VALUE", "DURATION")]);
    lines.plain("X-PUBLISHED-TTL", REFRESH);
    write_zones(
        &mut lines,
        &meetings.iter().map(|(meeting, _)| *meeting).collect::<Vec<_>>(),
    );
    for (meeting, link) in meetings {
        Event {
            meeting,
            for_whom: Some(for_whom),
            method,
            stamp,
            link: *link,
        }
        .write(&mut lines);
    }
    lines.end("VCALENDAR");
    lines.finish()
}

/// The URI of a person (Matrix specification, appendix “matrix: URI scheme”), as `matrix:u/one:org-a.example`.
pub fn matrix_uri(user: &UserId) -> String {
    let mut uri = "matrix:u/".to_owned();
    for octet in user.as_str().trim_start_matches('@').bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~:".contains(&octet) {
            uri.push(char::from(octet));
        } else {
            // Writing to a String does not fail.
            let _ = write!(uri, "%{octet:02X}");
        }
    }
    uri
}

fn begin(method: Method) -> Lines {
    let mut lines = Lines::default();
    lines.begin("VCALENDAR");
    lines.plain("VERSION", "2.0");
    lines.plain("PRODID", PRODUCT);
    lines.plain("CALSCALE", "GREGORIAN");
    lines.plain(
        "METHOD",
        match method {
            Method::Request => "REQUEST",
            Method::Cancel => "CANCEL",
            Method::Publish => "PUBLISH",
        },
    );
    lines
}

/// Each zone of these meetings once, from the first occurrence to the last.
fn write_zones(lines: &mut Lines, meetings: &[&Meeting]) {
    let mut zones = BTreeMap::<String, (TimeZone, Timestamp, Option<Timestamp>)>::new();
    for meeting in meetings {
        let zone = meeting.time_zone();
        let Some(name) = name_of(&zone) else { continue };
        // A moved occurrence can begin before the first.
        let moved = meeting.changes.values().filter_map(|change| match change {
            Change::Moved { start, .. } => Some(*start),
            Change::Cancelled => None,
        });
        let first = moved.fold(meeting.start, DateTime::min);
        let first = zone.to_timestamp(first).unwrap_or(Timestamp::MIN);
        let last = meeting.last_end().map(|end| end.timestamp());
        zones
            .entry(name)
            .and_modify(|(_, begin, end)| {
                *begin = first.min(*begin);
                *end = end.zip(last).map(|(end, last)| end.max(last));
            })
            .or_insert((zone, first, last));
    }
    for (name, (zone, begin, end)) in zones {
        zone::write(lines, &zone, &name, begin, end);
    }
}

/// `TZID`; `None` for UTC, which has a form of its own (§3.3.5, form 2).
fn name_of(zone: &TimeZone) -> Option<String> {
    zone.iana_name()
        .filter(|_| *zone != TimeZone::UTC)
        .map(str::to_owned)
}

/// A meeting on its way into a file: a `VEVENT`, and one more for each moved occurrence.
struct Event<'a> {
    meeting: &'a Meeting,
    for_whom: Option<&'a UserId>,
    method: Method,
    stamp: Timestamp,
    link: Option<&'a str>,
}

impl Event<'_> {
    fn write(&self, lines: &mut Lines) {
        let meeting = self.meeting;
        let Some(repeat) = &meeting.repeat else {
            let (start, minutes) = match meeting.changes.get(&meeting.start) {
                Some(Change::Moved { start, minutes }) => (*start, *minutes),
                _ => (meeting.start, meeting.minutes),
            };
            self.component(lines, start, minutes, |_| ());
            return;
        };
        let first = meeting.first_original();
        self.component(lines, first.unwrap_or(meeting.start), meeting.minutes, |lines| {
            if first.is_some() {
                lines.plain("RRULE", repeat.in_calendar(&meeting.time_zone()));
            }
            for (original, change) in meeting.changes_in_force() {
                if *change == Change::Cancelled {
                    self.time(lines, "EXDATE", original);
                }
            }
        });
        // Calling all of it off needs none of them (RFC 5546 §3.2.5).
        if self.method == Method::Cancel {
            return;
        }
        for (original, change) in meeting.changes_in_force() {
            if let Change::Moved { start, minutes } = change {
                self.component(lines, *start, *minutes, |lines| {
                    self.time(lines, "RECURRENCE-ID", original)
                });
            }
        }
    }

    fn component(&self, lines: &mut Lines, start: DateTime, minutes: u32, more: impl FnOnce(&mut Lines)) {
        let meeting = self.meeting;
        let stamp = utc(self.stamp);
        lines.begin("VEVENT");
        lines.plain("UID", one_line(&meeting.uid));
        lines.plain("DTSTAMP", &*stamp);
        lines.plain("LAST-MODIFIED", stamp);
        lines.plain("SEQUENCE", meeting.sequence.to_string());
        self.time(lines, "DTSTART", start);
        self.end(lines, start, minutes);
        more(lines);
        lines.plain("SUMMARY", one_line(&meeting.title));
        lines.plain(
            "STATUS",
            if self.is_cancelled() {
                "CANCELLED"
            } else {
                "CONFIRMED"
            },
        );
        lines.plain("CLASS", "PRIVATE");
        lines.plain("TRANSP", if self.is_free() { "TRANSPARENT" } else { "OPAQUE" });
        let agenda = meeting
            .agenda
            .iter()
            .enumerate()
            .map(|(index, point)| format!("{}. {}", index + 1, one_line(point)));
        let agenda = agenda.collect::<Vec<_>>().join("\n");
        if !agenda.is_empty() {
            lines.plain("DESCRIPTION", lines_of(&agenda));
        }
        if let Some(link) = self.link.and_then(uri) {
            lines.plain("LOCATION", link);
            lines.plain("URL", link);
        }
        self.people(lines);
        self.alarm(lines);
        lines.end("VEVENT");
    }

    /// On the clock of the meeting's zone, or in UTC if that is its zone.
    fn time(&self, lines: &mut Lines, name: &str, wall: DateTime) {
        match name_of(&self.meeting.time_zone()) {
            Some(zone) => lines.add(name, zone::local(wall), &[("TZID", &zone)]),
            None => lines.plain(name, zone::local(wall) + "Z"),
        }
    }

    /// `DTEND`; where the clocks are turned back and its time comes twice, `DURATION`, which says which one it is.
    fn end(&self, lines: &mut Lines, start: DateTime, minutes: u32) {
        let zone = self.meeting.time_zone();
        let end = |start: Zoned| start.checked_add(SignedDuration::from_mins(minutes.into()));
        let end = start.to_zoned(zone.clone()).and_then(end);
        match end {
            Ok(end)
                if zone
                    .to_timestamp(end.datetime())
                    .is_ok_and(|instant| instant == end.timestamp()) =>
            {
                self.time(lines, "DTEND", end.datetime());
            }
            _ => lines.plain("DURATION", format!("PT{minutes}M")),
        }
    }

    fn people(&self, lines: &mut Lines) {
        let meeting = self.meeting;
        let organiser = meeting.organiser.as_str();
        lines.add(
            "ORGANIZER",
            matrix_uri(&meeting.organiser),
            &[("CN", &parameter(organiser))],
        );
        if self.method == Method::Publish {
            return;
        }
        for (user, reply) in &meeting.people {
            let is_asked = *reply == Reply::Open && self.for_whom.is_none_or(|reader| reader == user);
            let parameters = [
                ("CN", &*parameter(user.as_str())),
                ("CUTYPE", "INDIVIDUAL"),
                ("PARTSTAT", participation(*reply)),
                (
                    "ROLE",
                    if meeting.is_of(user) {
                        "CHAIR"
                    } else {
                        "REQ-PARTICIPANT"
                    },
                ),
                (
                    "RSVP",
                    if is_asked && self.method == Method::Request {
                        "TRUE"
                    } else {
                        "FALSE"
                    },
                ),
            ];
            lines.add("ATTENDEE", matrix_uri(user), &parameters);
        }
    }

    /// Not for who does not come, and none in what calls the meeting off (RFC 5546 §3.2.5).
    fn alarm(&self, lines: &mut Lines) {
        let Some(minutes) = self.meeting.remind else {
            return;
        };
        if self.is_free() {
            return;
        }
        lines.begin("VALARM");
        lines.plain("ACTION", "DISPLAY");
        lines.plain("DESCRIPTION", one_line(&self.meeting.title));
        lines.plain("TRIGGER", format!("-PT{minutes}M"));
        lines.end("VALARM");
    }

    fn is_cancelled(&self) -> bool {
        let meeting = self.meeting;
        let is_once_and_off =
            meeting.repeat.is_none() && meeting.changes.get(&meeting.start) == Some(&Change::Cancelled);
        self.method == Method::Cancel || meeting.status == Status::Cancelled || is_once_and_off
    }

    /// Whether the reader has this time for something else.
    fn is_free(&self) -> bool {
        let reply = self.for_whom.and_then(|reader| self.meeting.people.get(reader));
        self.is_cancelled() || reply == Some(&Reply::No)
    }
}

fn utc(instant: Timestamp) -> String {
    instant.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn participation(reply: Reply) -> &'static str {
    match reply {
        Reply::Open => "NEEDS-ACTION",
        Reply::Yes => "ACCEPTED",
        Reply::Maybe => "TENTATIVE",
        Reply::No => "DECLINED",
    }
}
