//! What the bot says about a meeting's room, its changes, and what cannot be.

use super::super::Language;
use super::{and, escaped, long_date, span};
use crate::meeting::{Meeting, Reply};
use hanse_matrixrtc::UserId;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A meeting that nobody gave a name.
pub fn untitled(language: Language) -> String {
    match language {
        Language::English => "Meeting",
        Language::German => "Treffen",
    }
    .to_owned()
}

/// Shall it be moved? `start` is on the clock of the meeting's zone; where the reader's is another, it is said in theirs, too.
pub fn shall_move(
    meeting: &Meeting,
    occurrence: Option<DateTime>,
    start: DateTime,
    minutes: u32,
    zone: &TimeZone,
    language: Language,
) -> String {
    let title = escaped(&meeting.title);
    let Ok(start) = start.to_zoned(meeting.time_zone()) else {
        return title;
    };
    let end = start.saturating_add(SignedDuration::from_mins(minutes.into()));
    let mut when = span(&start, &end, language);
    if zone.iana_name() != meeting.time_zone().iana_name() {
        let there = (
            start.with_time_zone(zone.clone()),
            end.with_time_zone(zone.clone()),
        );
        when = format!("{when}; {}", span(&there.0, &there.1, language));
    }
    let which = which(occurrence, meeting, language);
    match language {
        Language::English => {
            format!("Move **{title}**{which} to {when}? React with ✅ to move it, ❌ to leave it.")
        }
        Language::German => format!(
            "**{title}**{which} verschieben auf {when}? Reagiere mit ✅, um es zu verschieben, mit ❌, um es zu lassen."
        ),
    }
}

/// Shall it be called off?
pub fn shall_cancel(meeting: &Meeting, occurrence: Option<DateTime>, language: Language) -> String {
    let title = escaped(&meeting.title);
    let which = which(occurrence, meeting, language);
    match language {
        Language::English => {
            format!("Cancel **{title}**{which}? React with ✅ to cancel it, ❌ to leave it.")
        }
        Language::German => {
            format!("**{title}**{which} absagen? Reagiere mit ✅, um es abzusagen, mit ❌, um es zu lassen.")
        }
    }
}

fn which(occurrence: Option<DateTime>, meeting: &Meeting, language: Language) -> String {
    match (occurrence, meeting.repeat.is_some(), language) {
        (Some(one), _, Language::English) => format!(" of {} only", long_date(one.date(), language)),
        (Some(one), _, Language::German) => format!(" nur am {}", long_date(one.date(), language)),
        (None, true, Language::English) => ", all of them,".to_owned(),
        (None, true, Language::German) => ", alle Male,".to_owned(),
        (None, false, _) => String::new(),
    }
}

/// It repeats by a rule that does not follow to another day.
pub fn rule_does_not_move(meeting: &Meeting, language: Language) -> String {
    let title = escaped(&meeting.title);
    match language {
        Language::English => format!(
            "**{title}** repeats on days that I cannot move all at once. Move one of them with `move 2 only on 24.12. to 25.12. 15:00`, or cancel it and \
             plan it anew."
        ),
        Language::German => format!(
            "**{title}** wiederholt sich an Tagen, die ich nicht alle auf einmal verschieben kann. Verschiebe eines mit `verschiebe 2 nur am 24.12. \
             auf 25.12. 15 Uhr`, oder sag es ab und plane es neu."
        ),
    }
}

/// It is not held on that day.
pub fn no_such_occurrence(meeting: &Meeting, language: Language) -> String {
    let title = escaped(&meeting.title);
    match language {
        Language::English => {
            format!("**{title}** is not held on that day. `list` shows when it is held next.")
        }
        Language::German => format!(
            "**{title}** findet an dem Tag nicht statt. `liste` zeigt, wann es das nächste Mal stattfindet."
        ),
    }
}

/// There is no calendar to subscribe to.
pub fn no_calendar(language: Language) -> String {
    match language {
        Language::English => "There is no address for calendars here; whoever runs me can switch that on. I send you a file for each meeting.",
        Language::German => {
            "Hier gibt es keine Adresse für Kalender; wer mich betreibt, kann das einschalten. Ich schicke dir zu jedem Treffen eine Datei."
        }
    }
    .to_owned()
}

/// A secret is not said where others read along.
pub fn only_in_private(language: Language) -> String {
    match language {
        Language::English => "Others read along here, and that address is for you alone. Ask me for `calendar` in a direct message.",
        Language::German => "Hier lesen andere mit, und diese Adresse ist nur für dich. Frag mich nach `kalender` in einer Direktnachricht.",
    }
    .to_owned()
}

/// A meeting cannot be held in the direct message with the bot.
pub fn not_here(language: Language) -> String {
    match language {
        Language::English => "Only the two of us are here. Invite me to the room where it shall be, and say `!meet tomorrow 14:00 here` there.",
        Language::German => {
            "Hier sind nur wir beide. Lade mich in den Raum ein, in dem es sein soll, und sag dort `!treffen morgen 14 Uhr hier`."
        }
    }
    .to_owned()
}

/// People without an account cannot come.
pub fn no_guests(language: Language) -> String {
    match language {
        Language::English => "People without an account cannot come here; whoever runs me can switch that on. Say it again without guests.",
        Language::German => "Leute ohne Konto können hier nicht kommen; wer mich betreibt, kann das einschalten. Sag es noch einmal ohne Gäste.",
    }
    .to_owned()
}

/// The link for people without an account.
pub fn guest_link(meeting: &Meeting, link: &str, language: Language) -> String {
    let title = escaped(&meeting.title);
    match language {
        Language::English => format!(
            "For people without an account who shall come to **{title}**: {link}\nWhoever has it can knock; you or another moderator lets them in."
        ),
        Language::German => format!(
            "Für Leute ohne Konto, die zu **{title}** kommen sollen: {link}\nWer ihn hat, kann anklopfen; du oder wer sonst moderiert, lässt sie ein."
        ),
    }
}

/// How one comes to the meeting, to be put behind another sentence.
pub fn come_by(link: &str, language: Language) -> String {
    match language {
        Language::English => format!("Its room: {link}"),
        Language::German => format!("Sein Raum: {link}"),
    }
}

/// The organiser is told what somebody answered.
pub fn somebody_replied(meeting: &Meeting, user: &UserId, reply: Reply, language: Language) -> String {
    let (title, user) = (escaped(&meeting.title), escaped(user.as_str()));
    let says = match (reply, language) {
        (Reply::Yes, Language::English) => "comes to",
        (Reply::Maybe, Language::English) => "perhaps comes to",
        (Reply::No, Language::English) => "does not come to",
        (Reply::Open, Language::English) => "has not answered about",
        (Reply::Yes, Language::German) => "kommt zu",
        (Reply::Maybe, Language::German) => "kommt vielleicht zu",
        (Reply::No, Language::German) => "kommt nicht zu",
        (Reply::Open, Language::German) => "hat nicht geantwortet zu",
    };
    format!("{user} {says} **{title}**.")
}

/// What somebody answered is noted.
pub fn your_reply(meeting: &Meeting, reply: Reply, language: Language) -> String {
    let title = escaped(&meeting.title);
    let noted = match (reply, language) {
        (Reply::Yes, Language::English) => "Good, you come to",
        (Reply::Maybe, Language::English) => "Noted, you perhaps come to",
        (Reply::No | Reply::Open, Language::English) => "Noted, you do not come to",
        (Reply::Yes, Language::German) => "Schön, du kommst zu",
        (Reply::Maybe, Language::German) => "Notiert, du kommst vielleicht zu",
        (Reply::No | Reply::Open, Language::German) => "Notiert, du kommst nicht zu",
    };
    match language {
        Language::English => format!("{noted} **{title}**. Another reaction changes it."),
        Language::German => format!("{noted} **{title}**. Eine andere Reaktion ändert das."),
    }
}

/// What stands below the name of the meeting's room. It is no secret: homeservers read it.
pub fn topic(meeting: &Meeting) -> String {
    let Ok(start) = meeting.start.to_zoned(meeting.time_zone()) else {
        return String::new();
    };
    let end = start.saturating_add(SignedDuration::from_mins(meeting.minutes.into()));
    // In the form that both languages read.
    format!(
        "{} {}–{} ({})",
        start.date(),
        super::time(start.time()),
        super::time(end.time()),
        meeting.zone
    )
}

/// The meeting's room is closed: who keeps what, and until when.
pub fn room_closed(
    meeting: &Meeting,
    people: usize,
    others: &[&str],
    days: u32,
    language: Language,
) -> String {
    let title = escaped(&meeting.title);
    let shown_out = match (people, language) {
        (1, Language::English) => "one person was shown out".to_owned(),
        (1, Language::German) => "eine Person wurde hinausbegleitet".to_owned(),
        (people, Language::English) => format!("{people} people were shown out"),
        (people, Language::German) => format!("{people} Leute wurden hinausbegleitet"),
    };
    let elsewhere = and(others, language);
    match (others.is_empty(), language) {
        (true, Language::English) => format!(
            "The room of **{title}** is closed, {shown_out}. It is deleted in {days} days. Nobody of another homeserver was in it."
        ),
        (true, Language::German) => format!(
            "Der Raum von **{title}** ist geschlossen, {shown_out}. In {days} Tagen wird er gelöscht. Von anderen Homeservern war niemand darin."
        ),
        (false, Language::English) => format!(
            "The room of **{title}** is closed, {shown_out}. It is deleted here in {days} days. {elsewhere} took part and keep what was written, sealed, \
             for as long as they keep rooms; that I cannot delete. What people have saved themselves stays with them."
        ),
        (false, Language::German) => format!(
            "Der Raum von **{title}** ist geschlossen, {shown_out}. Hier wird er in {days} Tagen gelöscht. Beteiligt waren auch {elsewhere}: Sie \
             behalten das Geschriebene, versiegelt, so lange sie Räume behalten; das kann ich nicht löschen. Was Leute selbst gespeichert haben, \
             bleibt bei ihnen."
        ),
    }
}

/// The meeting's room is deleted, as far as this homeserver does that.
pub fn room_deleted(meeting: &Meeting, is_gone: bool, language: Language) -> String {
    let title = escaped(&meeting.title);
    match (is_gone, language) {
        (true, Language::English) => format!(
            "The room of **{title}** is deleted from this homeserver, with what was written in it, and I have forgotten the meeting."
        ),
        (true, Language::German) => format!(
            "Der Raum von **{title}** ist auf diesem Homeserver gelöscht, mit dem, was darin geschrieben wurde, und ich habe das Treffen vergessen."
        ),
        (false, Language::English) => format!(
            "Nobody is in the room of **{title}** any more, and I have forgotten the meeting. When this homeserver deletes what was written there, its \
             own settings say."
        ),
        (false, Language::German) => format!(
            "Im Raum von **{title}** ist niemand mehr, und ich habe das Treffen vergessen. Wann dieser Homeserver löscht, was dort geschrieben wurde, \
             sagen seine eigenen Einstellungen."
        ),
    }
}

/// So many changes were made that the next one has to wait.
pub fn too_often(language: Language) -> String {
    match language {
        Language::English => "You have changed a great deal in the last hour. Say it again a little later.",
        Language::German => {
            "Du hast in der letzten Stunde sehr viel geändert. Sag es etwas später noch einmal."
        }
    }
    .to_owned()
}
