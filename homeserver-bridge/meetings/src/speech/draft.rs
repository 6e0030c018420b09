//! A meeting as somebody wants it, from the words in any order.

use super::command::people;
use super::refuse::Why;
use super::vocabulary::{self, Sense};
use super::when::When;
use super::words::{Kind, Word, from, sense, squeeze};
use super::{Draft, MINUTES, Speaker};
use crate::meeting::TITLE_LETTERS_MAX;

/// Words that are neither of a time nor of people.
#[derive(Default)]
struct Rest {
    /// Runs of words that are perhaps the title: from where to where in the text, and whether something says that it is the title.
    runs: Vec<Run>,
    /// Names of people behind "with".
    names: Vec<String>,
}

struct Run {
    start: usize,
    end: usize,
    word: String,
    is_title: bool,
    /// It stands behind somebody, and may be the name of the next.
    is_name: bool,
    /// It speaks of a time in a way that was not understood, so that it is no title.
    is_time: bool,
    /// It only says what everything here is, as "a meeting".
    is_little: bool,
}

/// Where the words now are.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Nowhere in particular.
    Open,
    /// In words that are perhaps the title.
    Title,
    /// Behind "about": what comes is the title.
    About,
    /// Behind "with": what comes is people.
    With,
    /// Behind somebody: what comes is a name if somebody follows, or else the title.
    Person,
}

/// Whether a day and a time are in it.
pub(super) fn is_full(words: &[Word]) -> bool {
    let mut when = When::default();
    let mut rest = words;
    while !rest.is_empty() {
        let Ok(taken) = when.take(rest) else { return false };
        rest = from(rest, taken.max(1));
    }
    when.is_full()
}

/// Whether a word may stand anywhere and means nothing by itself.
pub(super) fn is_passed_over(word: &Word) -> bool {
    word.kind == Kind::Colon
        || matches!(
            word.sense,
            Some(
                Sense::Filler
                    | Sense::At
                    | Sense::On
                    | Sense::Am
                    | Sense::In
                    | Sense::For
                    | Sense::From
                    | Sense::Dash
                    | Sense::And
            )
        )
}

/// Reads the words behind "meet".
///
/// # Errors
///
/// What is missing, does not agree, or was not understood.
pub(super) fn draft(text: &str, words: &[Word], speaker: &Speaker<'_>) -> Result<Draft, Why> {
    let mut when = When::default();
    let mut rest = Rest::default();
    let mut title: Option<String> = None;
    let (mut is_here, mut guests) = (false, false);
    let mut place = Place::Open;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let tail = from(words, at);
        if word.kind == Kind::Quoted {
            if title.replace(word.text.clone()).is_some() {
                return Err(Why::TwoTitles(word.text.clone()));
            }
            (place, at) = (Place::Open, at + 1);
            continue;
        }
        if let Kind::Person(_) | Kind::NoPerson = word.kind {
            rest.runs.pop_if(|run| run.is_name && place == Place::Title);
            (place, at) = (Place::Person, at + 1);
            continue;
        }
        // "Budget: Thursday 14:00", and "Thursday 14:00: Budget".
        if word.kind == Kind::Colon {
            if let (Place::Title, Some(run)) = (place, rest.runs.last_mut()) {
                run.is_title = true;
                place = Place::Open;
            } else if at > 0 {
                place = Place::About;
            }
            at += 1;
            continue;
        }
        let taken = if let (Some(Sense::With), Some(Sense::Guests)) = (word.sense, sense(words, at + 1)) {
            guests = true;
            2
        } else if let Some(taken) = here(tail) {
            is_here = true;
            taken
        } else {
            when.take(tail)?
        };
        if taken > 0 {
            (place, at) = (Place::Open, at + taken);
            continue;
        }
        at += 1;
        match (word.sense, place) {
            (Some(Sense::With), _) => place = Place::With,
            (Some(Sense::And), Place::Person) => place = Place::With,
            (Some(Sense::About), Place::Open | Place::Title | Place::With | Place::Person) => {
                place = Place::About
            }
            // Little words are of the title only inside it.
            (_, Place::Open | Place::With | Place::Person) if is_passed_over(word) => {}
            (_, Place::With) => rest.names.push(word.text.trim_start_matches('@').to_owned()),
            (_, Place::Open | Place::About | Place::Person) => {
                let run = Run {
                    start: word.start,
                    end: word.end,
                    word: word.text.clone(),
                    is_title: place == Place::About,
                    is_name: place == Place::Person,
                    is_time: is_of_time(tail),
                    is_little: is_little(word),
                };
                rest.runs.push(run);
                place = Place::Title;
            }
            (_, Place::Title) => {
                // A little word counts once another word follows it: of "Budget at 14:00" the title is "Budget".
                let is_last = is_passed_over(word) && !goes_on(from(words, at));
                if let (false, Some(run)) = (is_last, rest.runs.last_mut()) {
                    run.end = word.end;
                    run.is_little &= is_little(word);
                }
            }
        }
    }
    let people = people(words, speaker)?;
    if people.is_empty() && !rest.names.is_empty() {
        return Err(Why::Names(rest.names.join(" ")));
    }
    let title = rest.title(text, title)?;
    let set = when.set(speaker.now, None, true)?;
    Ok(Draft {
        start: set.start,
        zone: set.zone.and_then(|zone| zone.iana_name().map(str::to_owned)),
        minutes: set.minutes.unwrap_or(MINUTES),
        title,
        people,
        repeat: set.repeat,
        is_here,
        guests,
    })
}

/// Whether words that were not understood begin as a time does, as "2 days" and "until Christmas".
fn is_of_time(words: &[Word]) -> bool {
    let is_count = words.first().is_some_and(|word| word.number().is_some());
    match sense(words, 0) {
        Some(Sense::Until | Sense::Ordinal(_) | Sense::Every | Sense::Next | Sense::AfterNext) => true,
        _ => {
            is_count
                && matches!(
                    sense(words, 1),
                    Some(Sense::Day | Sense::Week | Sense::MonthUnit | Sense::Year)
                )
        }
    }
}

/// Whether a word says no more than the command, as in "a meeting".
fn is_little(word: &Word) -> bool {
    matches!(word.sense, Some(Sense::Number(1) | Sense::Meeting)) && word.digits().is_none()
}

/// Whether behind little words another one follows that is of a title.
fn goes_on(words: &[Word]) -> bool {
    const LITTLE_WORDS_MAX: usize = 4;
    let little = words
        .iter()
        .take(LITTLE_WORDS_MAX)
        .take_while(|word| word.kind == Kind::Plain && is_passed_over(word))
        .count();
    let next = from(words, little);
    let is_word = next.first().is_some_and(|word| {
        word.kind == Kind::Plain && !matches!(word.sense, Some(Sense::With | Sense::About | Sense::Here))
    });
    let is_time = |words: &[Word]| !matches!(When::default().take(words), Ok(0));
    is_word && (0..=little).all(|at| !is_time(from(words, at)))
}

/// `here`, `in this room`, and how many words.
fn here(words: &[Word]) -> Option<usize> {
    let at = usize::from(sense(words, 0) == Some(Sense::In));
    match (sense(words, at), sense(words, at + 1)) {
        (Some(Sense::This), Some(Sense::Room)) => Some(at + 2),
        (Some(Sense::Here), _) => Some(at + 1),
        _ => None,
    }
}

impl Rest {
    /// The title: what stood in quotes, else what was said to be it, else the words that are left over if they stand together.
    fn title(self, text: &str, quoted: Option<String>) -> Result<Option<String>, Why> {
        let mut runs = self.runs;
        runs.retain(|run| run.is_title || !run.is_little);
        if let Some(run) = runs.iter().find(|run| run.is_time && !run.is_title) {
            return Err(Why::Unclear(
                text.get(run.start..run.end).unwrap_or_default().to_owned(),
                None,
            ));
        }
        let marked = runs
            .iter()
            .position(|run| run.is_title)
            .filter(|_| quoted.is_none());
        let marked = if quoted.is_none() && marked.is_none() && runs.len() == 1 {
            Some(0)
        } else {
            marked
        };
        let title = match marked {
            Some(at) => {
                let run = runs.remove(at);
                text.get(run.start..run.end).map(squeeze)
            }
            None => quoted,
        };
        if let Some(run) = runs.into_iter().next() {
            let near = vocabulary::nearest_said(&run.word.to_lowercase()).map(str::to_owned);
            return Err(Why::Unclear(run.word, near));
        }
        match title {
            Some(title) if title.chars().count() > TITLE_LETTERS_MAX => Err(Why::LongTitle),
            title => Ok(title),
        }
    }
}
