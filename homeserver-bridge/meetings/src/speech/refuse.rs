//! Why something was not understood, as the one sentence that helps.

use super::answer::{long_date, time};
use super::{Language, Refusal};
use crate::meeting::{MINUTES_MAX, PEOPLE_MAX, TITLE_LETTERS_MAX};
use jiff::civil::DateTime;

/// What was wrong with what somebody said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Why {
    NoTime,
    NoDay,
    Past(DateTime),
    TooFar,
    NoSuchTime(String),
    NoSuchDay { day: u32, month: u32, year: Option<i16> },
    SlashDate(String),
    Skipped(DateTime, String),
    UnknownZone(String, Option<String>),
    NoZone,
    NoLanguage,
    TwoDates,
    TwoTimes,
    TwoLengths,
    TwoZones,
    TwoRules,
    TwoTitles(String),
    NoLength,
    TooLong,
    LongTitle,
    LongPoint,
    EverySecond,
    EndWithoutRule,
    EndBeforeStart,
    Rule,
    Unclear(String, Option<String>),
    Names(String),
    NoPerson(String),
    NobodyToInvite,
    TooManyPeople,
    NoReminder,
    NoSharing,
    Command(String, Option<&'static str>),
}

impl Why {
    /// The sentence in this language.
    pub fn refusal(&self, language: Language) -> Refusal {
        Refusal(match language {
            Language::English => self.english(),
            Language::German => self.german(),
        })
    }

    fn english(&self) -> String {
        match self {
            Why::NoTime => "I miss the time at which it begins: say it as well, as in `Thursday 14:00`.".to_owned(),
            Why::NoDay => "I miss the day: say it as well, as in `Thursday 14:00` or `24 December 14:00`.".to_owned(),
            Why::Past(when) => format!(
                "{}, {}, is already over: say a time that is still to come, as in `tomorrow 14:00`.",
                long_date(when.date(), Language::English),
                time(when.time())
            ),
            Why::TooFar => "That is too far ahead for my calendar: say a nearer day, as in `in 3 days 14:00`.".to_owned(),
            Why::NoSuchTime(said) => format!("There is no time “{}”: write it as in `14:00` or `2:30 pm`.", shown(said)),
            Why::NoSuchDay { day, month, year } => match year {
                Some(year) => format!("There is no {day}.{month}.{year}: look at the date again and write it as in `24.12.2026`."),
                None => format!("There is no day {day}.{month}.: look at the date again and write it as in `24.12.`."),
            },
            Why::SlashDate(said) => format!(
                "“{}” is another day in Europe than in America: write it as in `24.12.`, `December 24` or `2026-12-24`.",
                shown(said)
            ),
            Why::Skipped(when, zone) => format!(
                "On {} the clocks in {zone} are put forward and skip {}: take another time, as in `14:00`.",
                long_date(when.date(), Language::English),
                time(when.time())
            ),
            Why::UnknownZone(said, near) => format!(
                "I do not know a time zone “{}”: name it by continent and city, as in `{}`.",
                shown(said),
                near.as_deref().unwrap_or("Europe/Vienna")
            ),
            Why::NoZone => "I miss your time zone: name it by continent and city, as in `zone Europe/Berlin`.".to_owned(),
            Why::NoLanguage => "I speak English and German: say `language english` or `language deutsch`.".to_owned(),
            Why::TwoDates => "You named days that do not agree: say only one, as in `Thursday 14:00`.".to_owned(),
            Why::TwoTimes => "You named more than one time: say one, as in `14:00`, or both ends, as in `14:00-15:30`.".to_owned(),
            Why::TwoLengths => "You named lengths that do not agree: say only one, as in `14:00 45 min`.".to_owned(),
            Why::TwoZones => "You named more than one time zone: say only one, as in `14:00 Europe/Vienna`.".to_owned(),
            Why::TwoRules => "You named more than one way to repeat it: say only one, as in `every Thursday`.".to_owned(),
            Why::TwoTitles(title) => {
                format!("You gave more than one title, the second being “{}”: say only one, as in `\"Budget\"`.", shown(title))
            }
            Why::NoLength => "It would end as it begins: say how long it is, as in `45 min`.".to_owned(),
            Why::TooLong => {
                format!("A meeting lasts at most {} hours: say a shorter length, as in `90 min`.", MINUTES_MAX / 60)
            }
            Why::LongTitle => {
                format!("A title has at most {TITLE_LETTERS_MAX} letters: choose a shorter one, as in `\"Budget\"`.")
            }
            Why::LongPoint => format!(
                "A point of an agenda has at most {} letters: choose a shorter one, as in `agenda add Budget`.",
                super::POINT_LETTERS_MAX
            ),
            Why::EverySecond => "That can mean two things: say `every two weeks on Monday`, or `monthly on the second Monday`.".to_owned(),
            Why::EndWithoutRule => {
                "You said how long it goes on, but not how it repeats: say that as well, as in `weekly until 30.6.2027`.".to_owned()
            }
            Why::EndBeforeStart => {
                "It would stop repeating before it begins: say a later day, as in `weekly until 30.6.2027`.".to_owned()
            }
            Why::Rule => "I cannot repeat a meeting in this way: say for example `weekly`, `every two weeks` or `every first Monday`.".to_owned(),
            Why::Unclear(word, near) => match near {
                Some(near) => format!("I do not understand “{}”: do you mean `{near}`? A title stands in quotes, as in `\"Budget\"`.", shown(word)),
                None => format!("I do not understand “{}”: put the title in quotes, as in `\"Budget\"`, or leave that out.", shown(word)),
            },
            Why::Names(names) => format!(
                "I know people only by their Matrix ids, not as “{}”: mention them or write it as in `with @anna:org-a.example`.",
                shown(names)
            ),
            Why::NoPerson(said) => format!("“{}” is no Matrix id: write it as in `@anna:org-a.example`.", shown(said)),
            Why::NobodyToInvite => "I miss who shall come: name them, as in `invite @anna:org-a.example to 2`.".to_owned(),
            Why::TooManyPeople => {
                format!("I invite at most {PEOPLE_MAX} people by name: invite fewer, as in `with @anna:org-a.example`, and the others into the room.")
            }
            Why::NoReminder => "I miss when to remind: say the minutes before, as in `remind 15`, or `remind off`.".to_owned(),
            Why::NoSharing => {
                "I miss whether others may ask when you have time: say `share on` or `share off`.".to_owned()
            }
            Why::Command(said, Some(near)) => format!("I do not know “{}”: do you mean `{near}`? `help` shows all.", shown(said)),
            Why::Command(said, None) => format!(
                "I do not know “{}”: say for example `meet Thursday 14:00 \"Budget\" with @anna:org-a.example`, or `help`.",
                shown(said)
            ),
        }
    }

    fn german(&self) -> String {
        match self {
            Why::NoTime => "Mir fehlt die Uhrzeit: Sag bitte auch sie, etwa `Donnerstag 14 Uhr`.".to_owned(),
            Why::NoDay => "Mir fehlt der Tag: Sag bitte auch ihn, etwa `Donnerstag 14 Uhr` oder `24.12. 14 Uhr`.".to_owned(),
            Why::Past(when) => format!(
                "{}, {} Uhr, ist schon vorbei: Sag bitte eine Zeit, die noch kommt, etwa `morgen 14 Uhr`.",
                long_date(when.date(), Language::German),
                time(when.time())
            ),
            Why::TooFar => "So weit reicht mein Kalender nicht: Sag bitte einen näheren Tag, etwa `in 3 Tagen 14 Uhr`.".to_owned(),
            Why::NoSuchTime(said) => format!("Die Uhrzeit „{}“ gibt es nicht: Schreib sie etwa so: `14:00` oder `14 Uhr 30`.", shown(said)),
            Why::NoSuchDay { day, month, year } => match year {
                Some(year) => format!("Den {day}.{month}.{year} gibt es nicht: Sieh bitte nach und schreib den Tag etwa so: `24.12.2026`."),
                None => format!("Den {day}.{month}. gibt es nicht: Sieh bitte nach und schreib den Tag etwa so: `24.12.`."),
            },
            Why::SlashDate(said) => format!(
                "„{}“ ist in Europa ein anderer Tag als in Amerika: Schreib ihn etwa so: `24.12.`, `24. Dezember` oder `2026-12-24`.",
                shown(said)
            ),
            Why::Skipped(when, zone) => format!(
                "Am {} werden die Uhren in {zone} vorgestellt und überspringen {} Uhr: Nimm eine andere Zeit, etwa `14 Uhr`.",
                long_date(when.date(), Language::German),
                time(when.time())
            ),
            Why::UnknownZone(said, near) => format!(
                "Eine Zeitzone „{}“ kenne ich nicht: Nenne sie nach Erdteil und Stadt, etwa `{}`.",
                shown(said),
                near.as_deref().unwrap_or("Europe/Vienna")
            ),
            Why::NoZone => "Mir fehlt deine Zeitzone: Nenne sie nach Erdteil und Stadt, etwa `zeitzone Europe/Berlin`.".to_owned(),
            Why::NoLanguage => "Ich spreche Deutsch und Englisch: Sag `sprache deutsch` oder `sprache english`.".to_owned(),
            Why::TwoDates => "Du hast Tage genannt, die nicht zusammenpassen: Nenne nur einen, etwa `Donnerstag 14 Uhr`.".to_owned(),
            Why::TwoTimes => "Du hast mehr als eine Uhrzeit genannt: Nenne eine, etwa `14:00`, oder Anfang und Ende, etwa `14:00-15:30`.".to_owned(),
            Why::TwoLengths => "Du hast Längen genannt, die nicht zusammenpassen: Nenne nur eine, etwa `14:00 45 Min`.".to_owned(),
            Why::TwoZones => "Du hast mehr als eine Zeitzone genannt: Nenne nur eine, etwa `14:00 Europe/Vienna`.".to_owned(),
            Why::TwoRules => "Du hast mehrere Wiederholungen genannt: Nenne nur eine, etwa `jeden Donnerstag`.".to_owned(),
            Why::TwoTitles(title) => {
                format!("Du hast mehr als einen Titel genannt, der zweite ist „{}“: Nenne nur einen, etwa `\"Haushalt\"`.", shown(title))
            }
            Why::NoLength => "Es wäre zu Ende, wenn es beginnt: Sag, wie lange es dauert, etwa `45 Min`.".to_owned(),
            Why::TooLong => format!("Ein Treffen dauert höchstens {} Stunden: Nimm eine kürzere Länge, etwa `90 Min`.", MINUTES_MAX / 60),
            Why::LongTitle => format!("Ein Titel hat höchstens {TITLE_LETTERS_MAX} Zeichen: Nimm einen kürzeren, etwa `\"Haushalt\"`."),
            Why::LongPoint => format!(
                "Ein Punkt der Agenda hat höchstens {} Zeichen: Nimm einen kürzeren, etwa `agenda dazu Haushalt`.",
                super::POINT_LETTERS_MAX
            ),
            Why::EverySecond => "Das kann zweierlei heißen: Sag `alle zwei Wochen am Montag` oder `monatlich am zweiten Montag`.".to_owned(),
            Why::EndWithoutRule => {
                "Du sagst, bis wann, aber nicht, wie es sich wiederholt: Sag auch das, etwa `wöchentlich bis 30.6.2027`.".to_owned()
            }
            Why::EndBeforeStart => "Die Wiederholung würde enden, bevor sie beginnt: Nimm einen späteren Tag, etwa `wöchentlich bis 30.6.2027`.".to_owned(),
            Why::Rule => "So kann ich ein Treffen nicht wiederholen: Sag etwa `wöchentlich`, `alle zwei Wochen` oder `jeden ersten Montag`.".to_owned(),
            Why::Unclear(word, near) => match near {
                Some(near) => format!("„{}“ verstehe ich nicht: Meinst du `{near}`? Ein Titel steht in Anführungszeichen, etwa `\"Haushalt\"`.", shown(word)),
                None => format!("„{}“ verstehe ich nicht: Setz den Titel in Anführungszeichen, etwa `\"Haushalt\"`, oder lass es weg.", shown(word)),
            },
            Why::Names(names) => format!(
                "Ich kenne Leute nur mit ihrer Matrix-ID, nicht als „{}“: Erwähne sie oder schreib etwa `mit @anna:org-a.example`.",
                shown(names)
            ),
            Why::NoPerson(said) => format!("„{}“ ist keine Matrix-ID: Schreib sie etwa so: `@anna:org-a.example`.", shown(said)),
            Why::NobodyToInvite => "Mir fehlt, wer kommen soll: Nenne die Leute, etwa `einladen @anna:org-a.example zu 2`.".to_owned(),
            Why::TooManyPeople => format!(
                "Ich lade höchstens {PEOPLE_MAX} Leute mit Namen ein: Nenne weniger, etwa `mit @anna:org-a.example`, und lade die anderen in den Raum ein."
            ),
            Why::NoReminder => "Mir fehlt, wann ich erinnern soll: Sag die Minuten davor, etwa `erinnere 15`, oder `erinnere aus`.".to_owned(),
            Why::NoSharing => {
                "Mir fehlt, ob andere fragen dürfen, wann du Zeit hast: Sag `teilen an` oder `teilen aus`.".to_owned()
            }
            Why::Command(said, Some(near)) => format!("„{}“ kenne ich nicht: Meinst du `{near}`? `hilfe` zeigt alles.", shown(said)),
            Why::Command(said, None) => format!(
                "„{}“ kenne ich nicht: Sag etwa `treffen Donnerstag 14 Uhr \"Haushalt\" mit @anna:org-a.example` oder `hilfe`.",
                shown(said)
            ),
        }
    }
}

/// Some of what somebody wrote, in an answer.
fn shown(said: &str) -> String {
    const LETTERS_MAX: usize = 40;
    let mut short: String = said.chars().take(LETTERS_MAX).collect();
    if short.len() < said.len() {
        short.push('…');
    }
    super::answer::escaped(&short)
}
