//! What the bot says about itself, about what somebody wanted, and about what it does not do.

use super::super::Language;
use super::{and, escaped};
use crate::meeting::{Meeting, PEOPLE_MAX};
use hanse_matrixrtc::{ServerName, UserId};

/// Asks for somebody's zone.
pub fn ask_zone(language: Language) -> String {
    match language {
        Language::English => "Which time zone are you in? Say it once, by continent and city, as `zone Europe/Berlin`; then all times are yours.",
        Language::German => {
            "In welcher Zeitzone bist du? Sag sie einmal, nach Erdteil und Stadt, etwa `zeitzone Europe/Berlin`; dann gelten alle Zeiten bei dir."
        }
    }
    .to_owned()
}

/// The zone is noted.
pub fn zone_set(zone: &str, language: Language) -> String {
    match language {
        Language::English => format!("Good: from now on I understand and show times in {zone}."),
        Language::German => format!("Gut: Von jetzt an verstehe und zeige ich Zeiten in {zone}."),
    }
}

/// The language is noted.
pub fn language_set(language: Language) -> String {
    match language {
        Language::English => "Good: from now on I speak English.",
        Language::German => "Gut: Von jetzt an spreche ich Deutsch.",
    }
    .to_owned()
}

/// What can be said.
pub fn help(language: Language) -> String {
    let (head, lines, foot) = match language {
        Language::English => (
            "I plan meetings. Say for example:",
            [
                (
                    "meet Thursday 14:00 45m \"Budget\" with @anna:org-a.example weekly",
                    "a new meeting",
                ),
                ("list", "your meetings, by number"),
                (
                    "move 2 to Friday 15:00",
                    "another time; `move 2 only on 24.12. to 25.12. 15:00` for one of many",
                ),
                (
                    "cancel 2",
                    "call it off; `cancel 2 only on 24.12.` for one of many",
                ),
                ("invite @anna:org-a.example to 2", "more people"),
                ("agenda 2 add Numbers of the quarter", "what will be spoken of"),
                ("who 2", "who comes"),
                ("remind 2 15 min", "when I remind, or `remind 2 off`"),
                ("zone Europe/Berlin", "your time zone"),
                ("language deutsch", "ich spreche auch Deutsch"),
                ("calendar", "an address with your meetings for your calendar"),
                (
                    "share on",
                    "whoever plans meetings here may ask when you have time, not what you do; `share off` ends it",
                ),
            ],
            "With `here` the meeting is in this room, with `with guests` people may come by a link. In rooms with others, mention me or begin with `!meet`, as in `!meet list`.",
        ),
        Language::German => (
            "Ich plane Treffen. Sag zum Beispiel:",
            [
                (
                    "treffen Donnerstag 14 Uhr 45 Min \"Haushalt\" mit @anna:org-a.example wöchentlich",
                    "ein neues Treffen",
                ),
                ("liste", "deine Treffen, mit Nummern"),
                (
                    "verschiebe 2 auf Freitag 15 Uhr",
                    "eine andere Zeit; `verschiebe 2 nur am 24.12. auf 25.12. 15 Uhr` für eines von vielen",
                ),
                (
                    "absagen 2",
                    "fällt aus; `absagen 2 nur am 24.12.` für eines von vielen",
                ),
                ("einladen @anna:org-a.example zu 2", "mehr Leute"),
                ("agenda 2 dazu Zahlen des Quartals", "worüber gesprochen wird"),
                ("wer 2", "wer kommt"),
                ("erinnere 2 15 Min", "wann ich erinnere, oder `erinnere 2 aus`"),
                ("zeitzone Europe/Berlin", "deine Zeitzone"),
                ("sprache english", "I speak English, too"),
                ("kalender", "eine Adresse mit deinen Treffen für deinen Kalender"),
                (
                    "teilen an",
                    "wer hier Treffen plant, darf fragen, wann du Zeit hast, nicht was du tust; `teilen aus` beendet das",
                ),
            ],
            "Mit `hier` ist das Treffen in diesem Raum, mit `mit Gästen` kommen Leute auch über einen Link. In Räumen mit anderen erwähne mich oder beginne mit `!treffen`, etwa `!treffen liste`.",
        ),
    };
    let lines: Vec<String> = lines
        .iter()
        .map(|(say, what)| format!("- `{say}`: {what}"))
        .collect();
    format!("{head}\n\n{}\n\n{foot}", lines.join("\n"))
}

/// Only the organiser may change a meeting.
pub fn not_yours(meeting: &Meeting, language: Language) -> String {
    let (title, organiser) = (escaped(&meeting.title), escaped(meeting.organiser.as_str()));
    match language {
        Language::English => {
            format!("**{title}** is a meeting of {organiser}: only they can change it. Ask them to.")
        }
        Language::German => format!(
            "**{title}** ist ein Treffen von {organiser}: Nur diese Person kann es ändern. Bitte sie darum."
        ),
    }
}

/// People of this homeserver may not plan meetings here.
pub fn homeserver_not_allowed(homeserver: &ServerName, language: Language) -> String {
    match language {
        Language::English => {
            format!(
                "I may not plan meetings for people of {homeserver}. Whoever runs me can allow that; you can still be invited."
            )
        }
        Language::German => {
            format!(
                "Für Leute von {homeserver} darf ich keine Treffen planen. Wer mich betreibt, kann das erlauben; eingeladen werden kannst du trotzdem."
            )
        }
    }
}

/// So many meetings are planned already that there is no room for another. `most`: how many somebody may have.
pub fn too_many_meetings(most: usize, language: Language) -> String {
    match language {
        Language::English => format!(
            "You have {most} meetings planned already, and more I do not keep. Cancel one with `cancel 2`, then say it again."
        ),
        Language::German => {
            format!(
                "Du hast schon {most} Treffen geplant, mehr behalte ich nicht. Sag eines mit `absagen 2` ab, dann noch einmal dies."
            )
        }
    }
}

/// More people would be invited than a meeting may have.
pub fn too_many_people(language: Language) -> String {
    match language {
        Language::English => format!(
            "I invite at most {PEOPLE_MAX} people to a meeting by name. Invite the others into its room yourself."
        ),
        Language::German => format!(
            "Ich lade höchstens {PEOPLE_MAX} Leute mit Namen zu einem Treffen ein. Lade die anderen selbst in seinen Raum ein."
        ),
    }
}

/// None of the speaker's meetings is meant.
pub fn no_such_meeting(language: Language) -> String {
    match language {
        Language::English => "You have no such meeting. `list` shows yours with their numbers.",
        Language::German => "Ein solches Treffen hast du nicht. `liste` zeigt deine mit ihren Nummern.",
    }
    .to_owned()
}

/// The meeting is over, so it cannot be changed.
pub fn already_over(meeting: &Meeting, language: Language) -> String {
    let title = escaped(&meeting.title);
    match language {
        Language::English => format!(
            "**{title}** is already over and cannot be changed. Plan a new one with `meet tomorrow 14:00`."
        ),
        Language::German => format!(
            "**{title}** ist schon vorbei und nicht mehr zu ändern. Plane ein neues mit `treffen morgen 14 Uhr`."
        ),
    }
}

/// What was understood is dropped, as was wanted.
pub fn dropped(language: Language) -> String {
    match language {
        Language::English => "Dropped; nothing was planned.",
        Language::German => "Verworfen; nichts wurde geplant.",
    }
    .to_owned()
}

/// These people were invited, too.
pub fn invited(meeting: &Meeting, people: &[UserId], language: Language) -> String {
    let title = escaped(&meeting.title);
    let names: Vec<String> = people.iter().map(|user| escaped(user.as_str())).collect();
    let names = and(&names, language);
    match language {
        Language::English => format!("I have invited {names} to **{title}**."),
        Language::German => format!("Zu **{title}** habe ich {names} eingeladen."),
    }
}

/// The private address from which calendars read the speaker's meetings.
pub fn subscription(address: &str, language: Language) -> String {
    match language {
        Language::English => format!(
            "Your meetings for your calendar: {address}\n\nWhoever has this address sees your meetings, so keep it to yourself."
        ),
        Language::German => format!(
            "Deine Treffen für deinen Kalender: {address}\n\nWer diese Adresse hat, sieht deine Treffen; behalte sie also für dich."
        ),
    }
}

/// Others may ask when this person has time, or not any more.
pub fn sharing_set(shares: bool, language: Language) -> String {
    match (shares, language) {
        (true, Language::English) => {
            "Good: whoever plans meetings here may ask when you have time. They learn nothing else of your meetings."
        }
        (false, Language::English) => "Good: nobody is told any more when you have time.",
        (true, Language::German) => {
            "Gut: Wer hier Treffen plant, darf fragen, wann du Zeit hast. Sonst erfährt niemand etwas von deinen Treffen."
        }
        (false, Language::German) => "Gut: Niemand erfährt mehr, wann du Zeit hast.",
    }
    .to_owned()
}

/// Somebody is invited to this meeting no more.
pub fn uninvited(meeting: &Meeting, language: Language) -> String {
    let title = escaped(&meeting.title);
    match language {
        Language::English => format!("You are no longer invited to **{title}**."),
        Language::German => format!("Du bist zu **{title}** nicht mehr eingeladen."),
    }
}
