//! What people say to the bot, and what it understands.
//!
//! In: a text, who said it, when, and what the bot knows of that person (zone, language). Out: a [`Command`], or a [`Refusal`]: the one
//! sentence that helps, with an example. No clock, no network, nothing of Matrix but ids.

pub mod answer;
mod clock;
mod command;
mod day;
mod draft;
mod refuse;
mod rule;
mod vocabulary;
mod when;
mod words;

pub use rule::words as rule_in_words;
pub use words::LETTERS_MAX;

use crate::meeting::Repeat;
use hanse_matrixrtc::UserId;
use jiff::Zoned;
use jiff::civil::{Date, DateTime};

/// The language in which somebody is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

/// Who speaks.
pub struct Speaker<'a> {
    /// Now, on the clock of the speaker's zone.
    pub now: &'a Zoned,
    /// The language of the last answer; what is said may show another one.
    pub language: Language,
    /// Whom the message names beside its text (`m.mentions`, and links to people in `formatted_body`), the bot not among them.
    pub mentions: &'a [UserId],
}

/// Which meeting somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with this number, as the list of their meetings shows.
    Number(u32),
    /// The one whose title begins or is so, whatever the case.
    Title(String),
    /// They did not say: the meeting of the room, or the only one they have.
    Only,
}

/// A meeting as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// When it begins, on the clock of `zone`.
    pub start: DateTime,
    /// The zone that was said, by its IANA name; `None`: the speaker's.
    pub zone: Option<String>,
    /// How long; 60 when nothing was said.
    pub minutes: u32,
    /// What it is called; `None`: not said.
    pub title: Option<String>,
    /// Who shall come, beside the speaker.
    pub people: Vec<UserId>,
    /// How it repeats.
    pub repeat: Option<Repeat>,
    /// Whether it shall be in the room in which this was said, instead of one of its own.
    pub is_here: bool,
    /// Whether people without an account may come by a link.
    pub guests: bool,
}

/// What somebody wants of the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A new meeting.
    Meet(Draft),
    /// Which meetings there are.
    List,
    /// A meeting at another time.
    Move {
        /// Which meeting.
        which: Which,
        /// Only the occurrence of this day; `None`: all of it.
        occurrence: Option<Date>,
        /// When instead.
        start: DateTime,
        /// How long instead; `None`: as before.
        minutes: Option<u32>,
    },
    /// A meeting, or one occurrence of it, is called off.
    Cancel {
        /// Which meeting.
        which: Which,
        /// Only the occurrence of this day; `None`: all of it.
        occurrence: Option<Date>,
    },
    /// More people shall come.
    Invite {
        /// To which meeting.
        which: Which,
        /// Who; never empty.
        people: Vec<UserId>,
    },
    /// What will be spoken of.
    Agenda {
        /// In which meeting.
        which: Which,
        /// A point to add; `None`: show it.
        add: Option<String>,
    },
    /// Who comes.
    Who {
        /// To which meeting.
        which: Which,
    },
    /// When people are reminded.
    Remind {
        /// Of which meeting.
        which: Which,
        /// So many minutes before; `None`: not at all.
        minutes: Option<u32>,
    },
    /// The speaker's zone, by its IANA name.
    Zone(String),
    /// The speaker's language.
    Speak(Language),
    /// A private address from which calendars read the speaker's meetings.
    Subscribe,
    /// Whether others may ask when the speaker has time.
    Share(bool),
    /// What can be said.
    Help,
}

/// Why something was not understood: the sentence that helps, with an example, in the language of the speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// What was said, and in which language it seems to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Understood {
    /// What is wanted.
    pub command: Command,
    /// The language of the words; the speaker's where they show none.
    pub language: Language,
}

/// Minutes of a meeting of which nobody said how long it is.
pub const MINUTES: u32 = 60;

/// Letters of a point of an agenda. A longer one is refused.
pub const POINT_LETTERS_MAX: usize = 300;

/// Words with which a text in a room with others is meant for the bot, whatever is wanted: `!meet Thursday 14:00`, `!meet list`.
const CALLS: [&str; 3] = ["!meet", "!treffen", "!termin"];

/// Whether a text in a room with others is meant for the bot.
pub fn is_called(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    CALLS.contains(&first.to_lowercase().as_str())
}

/// What somebody who says this to the bot wants. Of the text, the first [`LETTERS_MAX`] letters are looked at.
///
/// A [`Command::Move`] begins on the speaker's clock, also where they named another zone. Nothing that was said is passed over but small
/// words: what is not understood is refused, so that nobody gets another meeting than they think.
///
/// # Errors
///
/// The sentence that says what is missing or wrong, with an example, in the language of the words.
pub fn read(text: &str, speaker: &Speaker<'_>) -> Result<Understood, Refusal> {
    command::read(text, speaker)
}
