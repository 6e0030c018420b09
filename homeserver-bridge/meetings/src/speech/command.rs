//! What somebody wants: the word for it, and what stands behind it.

use super::refuse::Why;
use super::vocabulary::{self, Sense, Verb, nearest_verb};
use super::when::{When, is_day, own_zone};
use super::words::{Kind, Word, clean, from, language, sense, split, squeeze};
use super::{CALLS, Command, Language, POINT_LETTERS_MAX, Refusal, Speaker, Understood, Which, draft};
use crate::meeting::PEOPLE_MAX;
use hanse_matrixrtc::UserId;
use jiff::civil::Date;

/// Minutes before a meeting at which people can be reminded at the earliest: four weeks.
const REMIND_MINUTES_MAX: u32 = 28 * 24 * 60;

/// Reads what somebody says to the bot.
///
/// # Errors
///
/// The sentence that helps, in the language of the words.
pub(super) fn read(text: &str, speaker: &Speaker<'_>) -> Result<Understood, Refusal> {
    let text = clean(text);
    let words = split(&text);
    // Who is spoken to may stand before, as in "@hanse:org-a.example: list".
    let spoken_to = words
        .iter()
        .take_while(|word| matches!(word.kind, Kind::Person(_) | Kind::Colon))
        .count();
    let spoken_to = match (
        words.get(spoken_to),
        words.get(spoken_to + 1).map(|word| &word.kind),
    ) {
        // "Meetings" may be the bot's name; behind the command of that name nothing stands.
        (Some(name), Some(Kind::Colon))
            if matches!(vocabulary::verb(bare(name)), None | Some(Verb::List)) =>
        {
            spoken_to + 2
        }
        _ => spoken_to,
    };
    let words = from(&words, spoken_to);
    // In rooms everything begins with "!meet", as in "!meet list".
    let words = match words {
        [called, wanted, ..] if is_call(called) && is_other_verb(wanted) => from(words, 1),
        _ => words,
    };
    let said = Said {
        text: &text,
        rest: from(words, 1),
        speaker,
    };
    let Some(first) = words.first() else {
        return Ok(Understood {
            command: Command::Help,
            language: speaker.language,
        });
    };
    let verb = if first.kind == Kind::Plain {
        vocabulary::verb(bare(first))
    } else {
        None
    };
    let command_word = Word {
        lower: bare(first).to_owned(),
        ..first.clone()
    };
    let tongue = match verb {
        Some(_) => language(Some(&command_word), said.rest, speaker.language),
        None => language(None, words, speaker.language),
    };
    let command = match verb {
        Some(verb) => said.command(verb),
        None => Said { rest: words, ..said }.without_verb(first),
    };
    let command = command.map_err(|why| why.refusal(tongue))?;
    let language = if let Command::Speak(language) = command {
        language
    } else {
        tongue
    };
    Ok(Understood { command, language })
}

/// Whether this calls the bot, whatever is wanted of it.
fn is_call(word: &Word) -> bool {
    CALLS.contains(&word.lower.as_str())
}

fn is_other_verb(word: &Word) -> bool {
    word.kind == Kind::Plain && vocabulary::verb(&word.lower).is_some_and(|verb| verb != Verb::Meet)
}

/// The word for a command without the mark before it.
fn bare(word: &Word) -> &str {
    word.lower.trim_start_matches(['!', '/'])
}

/// What stands behind the word for the command.
#[derive(Clone, Copy)]
struct Said<'a> {
    text: &'a str,
    rest: &'a [Word],
    speaker: &'a Speaker<'a>,
}

impl Said<'_> {
    fn command(self, verb: Verb) -> Result<Command, Why> {
        match verb {
            Verb::Meet => draft::draft(self.text, self.rest, self.speaker).map(Command::Meet),
            Verb::List => Ok(Command::List),
            Verb::Move => self.moved(),
            Verb::Cancel => self.cancel(),
            Verb::Invite => self.invite(),
            Verb::Agenda => self.agenda(),
            Verb::Who => Ok(Command::Who {
                which: self.which(skip(self.rest)).0,
            }),
            Verb::Remind => self.remind(),
            Verb::Zone => own_zone(&squeeze(self.source(skip(self.rest)))).map(Command::Zone),
            Verb::Speak => self.speak(),
            Verb::Subscribe => Ok(Command::Subscribe),
            Verb::Share => self.share(),
            Verb::Help => Ok(Command::Help),
        }
    }

    /// Without a word for what is wanted it is a zone, as an answer to the question for it, or a meeting if a day and a time are in it.
    fn without_verb(self, first: &Word) -> Result<Command, Why> {
        let said = || bare(first).to_owned();
        if let Some(near) =
            nearest_verb(bare(first)).filter(|_| first.sense.is_none() && first.kind == Kind::Plain)
        {
            return Err(Why::Command(said(), Some(near)));
        }
        let is_alone =
            self.rest.len() == 1 && first.text.contains('/') && !first.text.starts_with(['!', '/']);
        if is_alone {
            return own_zone(&first.text).map(Command::Zone);
        }
        if !first.text.starts_with(['!', '/']) && draft::is_full(self.rest) {
            return self.command(Verb::Meet);
        }
        Err(Why::Command(said(), None))
    }

    /// The text of these words as it was written.
    fn source(&self, words: &[Word]) -> &str {
        let ends = words.first().zip(words.last());
        ends.and_then(|(first, last)| self.text.get(first.start..last.end))
            .unwrap_or_default()
    }

    /// Which meeting the words begin with, and what stands behind it.
    fn which<'w>(&self, words: &'w [Word]) -> (Which, &'w [Word]) {
        let Some(first) = words.first() else {
            return (Which::Only, words);
        };
        let number = first.lower.trim_start_matches('#').trim_end_matches('.');
        let is_number = (1..=6).contains(&number.len())
            && number.bytes().all(|digit| digit.is_ascii_digit())
            && !is_day(words);
        if first.kind == Kind::Plain
            && is_number
            && let Ok(number) = number.parse()
        {
            return (Which::Number(number), from(words, 1));
        }
        if first.kind == Kind::Quoted {
            return (Which::Title(first.text.clone()), from(words, 1));
        }
        let is_end = |at: &usize| {
            let is_mark = matches!(
                sense(words, *at),
                Some(Sense::Only | Sense::To | Sense::On | Sense::Am | Sense::Add | Sense::Off | Sense::From)
            );
            is_mark || words.get(*at).is_none_or(|word| word.kind != Kind::Plain) || is_day(from(words, *at))
        };
        let taken = (0..=words.len()).find(is_end).unwrap_or(words.len());
        let title = squeeze(self.source(words.get(..taken).unwrap_or_default()));
        let which = if matches!(title.as_str(), "" | "it" | "this" | "es" | "dies" | "das") {
            Which::Only
        } else {
            Which::Title(title)
        };
        (which, from(words, taken))
    }

    /// The day of the one occurrence that is meant.
    fn occurrence(&self, words: &[Word]) -> Result<Option<Date>, Why> {
        let mut when = When::default();
        let mut rest = words;
        while let Some(word) = rest.first() {
            let taken = when.take(rest)?;
            let is_passed_over = matches!(
                word.sense,
                Some(
                    Sense::Only
                        | Sense::On
                        | Sense::Am
                        | Sense::From
                        | Sense::Filler
                        | Sense::At
                        | Sense::For
                        | Sense::Meeting
                )
            );
            if taken == 0 && !is_passed_over && word.kind != Kind::Colon && word.lower != "ab" {
                return Err(Why::Unclear(word.text.clone(), None));
            }
            rest = from(rest, taken.max(1));
        }
        when.only_day(self.speaker.now)
    }

    fn moved(self) -> Result<Command, Why> {
        let (which, rest) = self.which(skip(self.rest));
        // The first "to" parts what is moved from where; without one, a day behind "only" is the occurrence.
        let to = (0..rest.len()).find(|at| sense(rest, *at) == Some(Sense::To) && !is_range(rest, *at));
        let (before, after) = match to {
            Some(at) => rest.split_at_checked(at).unwrap_or_default(),
            None if sense(rest, 0) == Some(Sense::Only) => {
                let day = 1 + usize::from(matches!(sense(rest, 1), Some(Sense::On | Sense::Am)));
                let taken = super::day::day(from(rest, day))?.map_or(day, |(_, taken)| day + taken);
                rest.split_at_checked(taken).unwrap_or_default()
            }
            None => (<&[Word]>::default(), rest),
        };
        let occurrence = self.occurrence(before)?;
        let mut when = When::default();
        let mut rest = after;
        while let Some(word) = rest.first() {
            let taken = when.take(rest)?;
            if taken == 0
                && !draft::is_passed_over(word)
                && !matches!(word.sense, Some(Sense::To | Sense::Here))
            {
                return Err(Why::Unclear(word.text.clone(), None));
            }
            rest = from(rest, taken.max(1));
        }
        let set = when.set(self.speaker.now, occurrence, false)?;
        let start = match set.zone {
            None => set.start,
            Some(zone) => {
                let there = set.start.to_zoned(zone).map_err(|_| Why::TooFar)?;
                there
                    .with_time_zone(self.speaker.now.time_zone().clone())
                    .datetime()
            }
        };
        if set.repeat.is_some() {
            return Err(Why::Rule);
        }
        Ok(Command::Move {
            which,
            occurrence,
            start,
            minutes: set.minutes,
        })
    }

    fn cancel(self) -> Result<Command, Why> {
        // "Sage 2 ab."
        let rest = match self.rest.split_last() {
            Some((last, rest)) if last.lower == "ab" || last.lower == "ab." => rest,
            _ => self.rest,
        };
        let (which, rest) = self.which(skip(rest));
        Ok(Command::Cancel {
            which,
            occurrence: self.occurrence(rest)?,
        })
    }

    fn invite(self) -> Result<Command, Why> {
        let people = people(self.rest, self.speaker)?;
        if people.is_empty() {
            return Err(Why::NobodyToInvite);
        }
        let rest: Vec<Word> = self
            .rest
            .iter()
            .filter(|word| !is_of_list(word))
            .cloned()
            .collect();
        let to = rest.iter().position(|word| word.is(Sense::To));
        let which = match to {
            Some(to) => self.which(skip(from(&rest, to + 1))).0,
            // Without "to", words are the names of whom the message mentions.
            None => match self.which(skip(&rest)).0 {
                Which::Title(_) if rest.iter().all(|word| word.kind != Kind::Quoted) => Which::Only,
                which => which,
            },
        };
        Ok(Command::Invite {
            which: without_ein(which),
            people,
        })
    }

    fn agenda(self) -> Result<Command, Why> {
        // A colon is no little word here: "agenda: Taxes" adds a point.
        let rest = match self.rest.first() {
            Some(word) if word.kind == Kind::Colon => self.rest,
            _ => skip(self.rest),
        };
        let add = |at: usize| squeeze(self.source(from(rest, at)));
        let is_mark = |at: usize| {
            sense(rest, at) == Some(Sense::Add) || rest.get(at).is_some_and(|word| word.kind == Kind::Colon)
        };
        let marks = |at: usize| (at..rest.len()).take_while(|at| is_mark(*at)).count();
        let is_named = rest.first().is_some_and(|word| {
            word.kind == Kind::Quoted || word.digits().is_some() || word.lower.starts_with('#')
        });
        let (which, point) = if is_named {
            (self.which(rest).0, add(1 + marks(1)))
        } else {
            match (0..rest.len()).find(|at| is_mark(*at)) {
                Some(mark) => (
                    self.which(rest.get(..mark).unwrap_or_default()).0,
                    add(mark + marks(mark)),
                ),
                None => (self.which(rest).0, String::new()),
            }
        };
        let point = point
            .trim_matches(['"', '„', '“', '”', '«', '»'])
            .trim()
            .to_owned();
        if point.chars().count() > POINT_LETTERS_MAX {
            return Err(Why::LongPoint);
        }
        Ok(Command::Agenda {
            which,
            add: Some(point).filter(|point| !point.is_empty()),
        })
    }

    fn remind(self) -> Result<Command, Why> {
        let mut minutes: Option<Option<u32>> = None;
        let mut numbers = Vec::new();
        let mut others = Vec::new();
        let mut rest = self.rest;
        while let Some(word) = rest.first() {
            let days = match (word.number(), sense(rest, 1)) {
                (Some(count), Some(Sense::Day)) => Some(count.saturating_mul(24 * 60)),
                (Some(count), Some(Sense::Week)) => Some(count.saturating_mul(7 * 24 * 60)),
                _ => None,
            };
            let length = super::clock::length(rest).map(|(length, taken)| (length.minutes, taken));
            let mut taken = 1;
            if let Some((length, words)) = days.map(|days| (days, 2)).or(length) {
                minutes = Some(Some(length));
                taken = words;
            } else if word.is(Sense::Off) {
                minutes = Some(None);
            } else if let Some(number) = word.digits() {
                numbers.push(number);
            } else if !draft::is_passed_over(word)
                && !matches!(
                    word.sense,
                    Some(Sense::Before | Sense::To | Sense::Meeting | Sense::After)
                )
            {
                others.push(word.clone());
            }
            rest = from(rest, taken);
        }
        let number = match (minutes, numbers.as_slice()) {
            (None, [said]) => {
                minutes = Some(Some(*said));
                None
            }
            (None, [number, said]) => {
                minutes = Some(Some(*said));
                Some(*number)
            }
            (Some(_), [number]) => Some(*number),
            (_, []) => None,
            _ => return Err(Why::NoReminder),
        };
        let minutes = minutes
            .filter(|minutes| minutes.is_none_or(|minutes| minutes <= REMIND_MINUTES_MAX))
            .ok_or(Why::NoReminder)?;
        let which = match number {
            Some(number) => Which::Number(number),
            None => self.which(&others).0,
        };
        Ok(Command::Remind { which, minutes })
    }

    fn speak(self) -> Result<Command, Why> {
        self.rest
            .iter()
            .find_map(|word| match word.lower.as_str() {
                "english" | "englisch" | "en" => Some(Command::Speak(Language::English)),
                "german" | "deutsch" | "de" => Some(Command::Speak(Language::German)),
                _ => None,
            })
            .ok_or(Why::NoLanguage)
    }

    /// Nothing but one word: what is shared by mistake is known.
    fn share(self) -> Result<Command, Why> {
        let [word] = skip(self.rest) else {
            return Err(Why::NoSharing);
        };
        match word.lower.trim_end_matches('.') {
            "on" | "yes" | "an" | "ein" | "ja" => Ok(Command::Share(true)),
            "off" | "no" | "aus" | "nein" => Ok(Command::Share(false)),
            _ => Err(Why::NoSharing),
        }
    }
}

/// Whether this "to" stands between two times, as in "14:00 to 15:30".
fn is_range(words: &[Word], to: usize) -> bool {
    let is_figure = |at: Option<usize>| {
        let word = at.and_then(|at| words.get(at));
        word.is_some_and(|word| {
            word.lower.starts_with(|digit: char| digit.is_ascii_digit()) || word.is(Sense::OClock)
        })
    };
    is_figure(to.checked_sub(1))
        && is_figure(Some(to + 1))
        && words.iter().skip(to + 1).all(|word| !word.is(Sense::To))
        && words.iter().take(to).any(|word| word.is(Sense::To))
}

/// What stands behind the words that only lead to a meeting, as "to the meeting number".
fn skip(words: &[Word]) -> &[Word] {
    let is_led = |word: &&Word| {
        word.kind == Kind::Colon
            || matches!(
                word.sense,
                Some(Sense::Filler | Sense::Meeting | Sense::To | Sense::For | Sense::With)
            )
    };
    from(words, words.iter().take_while(is_led).count())
}

/// Whether a word is part of a list of people.
fn is_of_list(word: &Word) -> bool {
    let is_person = matches!(word.kind, Kind::Person(_) | Kind::NoPerson | Kind::Colon);
    is_person || matches!(word.sense, Some(Sense::And | Sense::With))
}

/// "Lade @eins:org-a.example zu Haushalt ein": the last word belongs to the first.
fn without_ein(which: Which) -> Which {
    match which {
        Which::Title(title) => match title.strip_suffix(" ein") {
            Some(title) => Which::Title(title.to_owned()),
            None if title == "ein" => Which::Only,
            None => Which::Title(title),
        },
        which => which,
    }
}

/// Whom the words and the message name, each once.
///
/// # Errors
///
/// [`Why::TooManyPeople`], [`Why::NoPerson`].
pub(super) fn people(words: &[Word], speaker: &Speaker<'_>) -> Result<Vec<UserId>, Why> {
    let mut people = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for word in words {
        match &word.kind {
            Kind::Person(user) if seen.insert(user.clone()) => people.push(user.clone()),
            Kind::NoPerson => return Err(Why::NoPerson(word.text.clone())),
            _ => {}
        }
    }
    let mentions = speaker
        .mentions
        .iter()
        .filter(|user| seen.insert((*user).clone()));
    people.extend(mentions.cloned());
    if people.len() > PEOPLE_MAX {
        Err(Why::TooManyPeople)
    } else {
        Ok(people)
    }
}
