//! What the bot says about a meeting.

use super::super::{Language, rule};
use super::{and, escaped, length, long_date, span, time};
use crate::meeting::{Meeting, Occurrence, Reply};
use hanse_matrixrtc::UserId;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// People who are named in a sentence. Of more, the number is said.
const NAMED_MAX: usize = 10;

/// What was understood, to be confirmed with ✅ or ❌.
pub fn confirm(meeting: &Meeting, language: Language) -> String {
    let mut said = described(meeting, None, language);
    said += match language {
        Language::English => " React with ✅ to make it, ❌ to drop it.",
        Language::German => " Reagiere mit ✅, um es anzulegen, mit ❌, um es zu verwerfen.",
    };
    said
}

/// The meeting was made; its room is there if it is to have one already.
pub fn made(meeting: &Meeting, language: Language) -> String {
    let is = match language {
        Language::English => "It is planned, and everybody is invited:",
        Language::German => "Es ist geplant, und alle sind eingeladen:",
    };
    format!("{is} {}", described(meeting, None, language))
}

/// The meeting, or one of its occurrences, is at another time. `occurrence`: the one that was moved, as it now is; `None`: all of it.
pub fn moved(meeting: &Meeting, occurrence: Option<&Occurrence>, language: Language) -> String {
    let title = escaped(&meeting.title);
    match (occurrence, language) {
        (None, Language::English) => format!("**{title}** was moved: {}", when(meeting, None, language)),
        (None, Language::German) => {
            format!("**{title}** wurde verschoben: {}", when(meeting, None, language))
        }
        (Some(one), Language::English) => format!(
            "**{title}** of {} was moved: {}. The others stay as they are.",
            long_date(one.original.date(), language),
            span(&one.start, &one.end, language)
        ),
        (Some(one), Language::German) => format!(
            "**{title}** vom {} wurde verschoben: {}. Die anderen bleiben, wie sie sind.",
            long_date(one.original.date(), language),
            span(&one.start, &one.end, language)
        ),
    }
}

/// The meeting, or only the one of this day, is called off.
pub fn cancelled(meeting: &Meeting, occurrence: Option<Date>, language: Language) -> String {
    let title = escaped(&meeting.title);
    match (occurrence, language) {
        (None, Language::English) => format!("**{title}** is cancelled; everybody who was invited is told."),
        (None, Language::German) => format!("**{title}** ist abgesagt; alle Eingeladenen erfahren es."),
        (Some(day), Language::English) => {
            format!(
                "**{title}** is not held on {}; the others stay as they are.",
                long_date(day, language)
            )
        }
        (Some(day), Language::German) => {
            format!(
                "**{title}** findet am {} nicht statt; die anderen bleiben, wie sie sind.",
                long_date(day, language)
            )
        }
    }
}

/// The meetings of somebody by number, each with its next time, on the clock of `zone`.
pub fn list<'a>(
    meetings: impl IntoIterator<Item = (u32, &'a Meeting, &'a Occurrence)>,
    zone: &TimeZone,
    language: Language,
) -> String {
    let lines: Vec<String> = meetings
        .into_iter()
        .map(|(number, meeting, next)| {
            let (start, end) = (
                next.start.with_time_zone(zone.clone()),
                next.end.with_time_zone(zone.clone()),
            );
            let repeat = meeting
                .repeat
                .as_ref()
                .map(|repeat| rule::words(repeat, &meeting.time_zone(), language));
            let repeat = repeat.map(|repeat| format!(", {repeat}")).unwrap_or_default();
            format!(
                "{number}. **{}**, {}{repeat}",
                escaped(&meeting.title),
                span(&start, &end, language)
            )
        })
        .collect();
    if lines.is_empty() {
        return nothing_planned(language);
    }
    let head = match language {
        Language::English => "Your meetings:",
        Language::German => "Deine Treffen:",
    };
    format!("{head}\n\n{}", lines.join("\n"))
}

/// Nothing is planned.
pub fn nothing_planned(language: Language) -> String {
    match language {
        Language::English => {
            "You have no meetings planned. Say for example `meet Thursday 14:00 45m \"Budget\"`."
        }
        Language::German => {
            "Du hast nichts geplant. Sag etwa `treffen Donnerstag 14 Uhr 45 Min \"Haushalt\"`."
        }
    }
    .to_owned()
}

/// Several meetings that may be meant, by number, of which one must be chosen.
pub fn several<'a>(meetings: impl IntoIterator<Item = (u32, &'a Meeting)>, language: Language) -> String {
    let lines: Vec<String> = meetings
        .into_iter()
        .map(|(number, meeting)| {
            let start = meeting.start;
            format!(
                "{number}. **{}**, {}, {}",
                escaped(&meeting.title),
                long_date(start.date(), language),
                time(start.time())
            )
        })
        .collect();
    let head = match language {
        Language::English => "Several meetings can be meant. Say it again with the number of one:",
        Language::German => {
            "Mehrere Treffen können gemeint sein. Sag es noch einmal mit der Nummer von einem:"
        }
    };
    format!("{head}\n\n{}", lines.join("\n"))
}

/// What will be spoken of.
pub fn agenda(meeting: &Meeting, language: Language) -> String {
    let title = escaped(&meeting.title);
    if meeting.agenda.is_empty() {
        return match language {
            Language::English => format!(
                "**{title}** has no agenda yet. Add a point with `agenda add Numbers of the quarter`."
            ),
            Language::German => {
                format!(
                    "**{title}** hat noch keine Agenda. Ergänze einen Punkt mit `agenda dazu Zahlen des Quartals`."
                )
            }
        };
    }
    let points: Vec<String> = meeting
        .agenda
        .iter()
        .zip(1..)
        .map(|(point, number)| format!("{number}. {}", escaped(point)))
        .collect();
    match language {
        Language::English => format!("Agenda of **{title}**:\n\n{}", points.join("\n")),
        Language::German => format!("Agenda von **{title}**:\n\n{}", points.join("\n")),
    }
}

/// Who comes, by what they have said.
pub fn who(meeting: &Meeting, language: Language) -> String {
    let heads = match language {
        Language::English => [
            (Reply::Yes, "✅ Coming"),
            (Reply::Maybe, "❔ Perhaps"),
            (Reply::No, "❌ Not coming"),
            (Reply::Open, "No answer yet"),
        ],
        Language::German => [
            (Reply::Yes, "✅ Zugesagt"),
            (Reply::Maybe, "❔ Vielleicht"),
            (Reply::No, "❌ Abgesagt"),
            (Reply::Open, "Noch keine Antwort"),
        ],
    };
    let lines: Vec<String> = heads
        .into_iter()
        .filter_map(|(reply, head)| {
            let people: Vec<&UserId> = meeting
                .people
                .iter()
                .filter(|(_, said)| **said == reply)
                .map(|(user, _)| user)
                .collect();
            let names: Vec<String> = people.iter().map(|user| escaped(user.as_str())).collect();
            (!names.is_empty()).then(|| format!("- {head} ({}): {}", names.len(), names.join(", ")))
        })
        .collect();
    format!("**{}**\n\n{}", escaped(&meeting.title), lines.join("\n"))
}

/// The meeting begins in so many minutes. Its time is on the clock of `zone` where that is given.
pub fn reminder(
    meeting: &Meeting,
    occurrence: &Occurrence,
    minutes: u32,
    zone: Option<&TimeZone>,
    language: Language,
) -> String {
    let title = escaped(&meeting.title);
    let when = span_in(occurrence, zone, language);
    match language {
        Language::English => format!("**{title}** begins in {}: {when}.", length(minutes, language)),
        Language::German => format!(
            "**{title}** beginnt in {}: {when}.",
            dative(length(minutes, language))
        ),
    }
}

/// "in 2 Tagen", not "in 2 Tage".
fn dative(length: String) -> String {
    length.replace("Tage", "Tagen")
}

/// The meeting begins now.
pub fn begins(meeting: &Meeting, language: Language) -> String {
    let title = escaped(&meeting.title);
    match language {
        Language::English => format!("**{title}** begins now. Start or join the call of this room."),
        Language::German => {
            format!("**{title}** beginnt jetzt. Starte den Anruf in diesem Raum, oder tritt ihm bei.")
        }
    }
}

/// From now on people are reminded so, or not.
pub fn reminder_set(meeting: &Meeting, language: Language) -> String {
    let title = escaped(&meeting.title);
    match (meeting.remind, language) {
        (Some(minutes), Language::English) => format!(
            "I remind everybody of **{title}** {} before it begins.",
            length(minutes, language)
        ),
        (Some(minutes), Language::German) => format!(
            "Ich erinnere alle {} vor Beginn an **{title}**.",
            length(minutes, language)
        ),
        (None, Language::English) => format!("I remind nobody of **{title}** any more."),
        (None, Language::German) => format!("Ich erinnere niemanden mehr an **{title}**."),
    }
}

/// For somebody who is invited: by whom, to what, when on their own clock, and how to answer. `zone`: theirs; `None`: not known.
pub fn invitation(meeting: &Meeting, zone: Option<&TimeZone>, language: Language) -> String {
    let organiser = escaped(meeting.organiser.as_str());
    let what = described(meeting, zone, language);
    match language {
        Language::English => {
            format!("{organiser} invites you: {what} React with ✅ if you come, ❔ if perhaps, ❌ if not.")
        }
        Language::German => {
            format!(
                "{organiser} lädt dich ein: {what} Reagiere mit ✅, wenn du kommst, mit ❔, wenn vielleicht, mit ❌, wenn nicht."
            )
        }
    }
}

/// Title, time, repeat and people.
fn described(meeting: &Meeting, zone: Option<&TimeZone>, language: Language) -> String {
    let mut said = format!(
        "**{}**, {}",
        escaped(&meeting.title),
        when(meeting, zone, language)
    );
    let people: Vec<String> = meeting
        .people
        .keys()
        .filter(|user| !meeting.is_of(user))
        .map(|user| escaped(user.as_str()))
        .collect();
    let people = match people.len() {
        0 => return said,
        1..=NAMED_MAX => and(&people, language),
        more => match language {
            Language::English => format!("{more} people"),
            Language::German => format!("{more} Leuten"),
        },
    };
    said.push_str(&match language {
        Language::English => format!(" With {people}."),
        Language::German => format!(" Mit {people}."),
    });
    said
}

/// Time and repeat, as a sentence. Where `zone` is another one, also the time there.
fn when(meeting: &Meeting, zone: Option<&TimeZone>, language: Language) -> String {
    let Ok(start) = meeting.start.to_zoned(meeting.time_zone()) else {
        return String::new();
    };
    let end = start.saturating_add(jiff::SignedDuration::from_mins(meeting.minutes.into()));
    let mut said = span(&start, &end, language);
    if let Some(zone) = zone.filter(|zone| zone.iana_name() != start.time_zone().iana_name()) {
        let (start, end) = (
            start.with_time_zone(zone.clone()),
            end.with_time_zone(zone.clone()),
        );
        said.push_str(&match language {
            Language::English => format!(", for you {}", span(&start, &end, language)),
            Language::German => format!(", bei dir {}", span(&start, &end, language)),
        });
    }
    if let Some(repeat) = &meeting.repeat {
        said.push_str(&format!(
            ", {}",
            rule::words(repeat, &meeting.time_zone(), language)
        ));
    }
    said + "."
}

/// The time of an occurrence, on another clock where one is given.
fn span_in(occurrence: &Occurrence, zone: Option<&TimeZone>, language: Language) -> String {
    match zone {
        Some(zone) => span(
            &occurrence.start.with_time_zone(zone.clone()),
            &occurrence.end.with_time_zone(zone.clone()),
            language,
        ),
        None => span(&occurrence.start, &occurrence.end, language),
    }
}
