//! A text as words: what stands in quotes is one, people are known by their ids, and each other word by its sense.

use super::Language;
use super::vocabulary::{self, Sense};
use hanse_matrixrtc::UserId;

/// Letters of a text that are looked at. What stands behind them is not.
pub const LETTERS_MAX: usize = 4000;

/// What a word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Neither of the others.
    Plain,
    /// What stood in quotes, without them.
    Quoted,
    /// Somebody.
    Person(UserId),
    /// Looks like somebody's id and is none.
    NoPerson,
    /// A colon that ends a word.
    Colon,
}

/// A word of a text.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub kind: Kind,
    /// As it was written, without the marks around it.
    pub text: String,
    /// The same in small letters.
    pub lower: String,
    /// What it means where the vocabulary has it.
    pub sense: Option<Sense>,
    /// Where it begins and ends in the text, in bytes.
    pub start: usize,
    pub end: usize,
}

impl Word {
    /// The number that the word is: `2`, `two` or `zwei`.
    pub fn number(&self) -> Option<u32> {
        match self.sense {
            Some(Sense::Number(number)) => Some(number),
            _ => self.digits(),
        }
    }

    /// The number that the word is in digits.
    pub fn digits(&self) -> Option<u32> {
        let is_number = self.kind == Kind::Plain && self.lower.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| self.lower.parse().ok()).flatten()
    }

    /// What the word means.
    pub fn is(&self, sense: Sense) -> bool {
        self.sense == Some(sense)
    }
}

/// What the word at this place means.
pub(super) fn sense(words: &[Word], at: usize) -> Option<Sense> {
    words.get(at)?.sense
}

/// What is said from this place on.
pub(super) fn from(words: &[Word], at: usize) -> &[Word] {
    words.get(at..).unwrap_or_default()
}

/// The beginning of a text without what nobody can see: controls are spaces, marks that turn the direction of writing go.
pub(super) fn clean(text: &str) -> String {
    let letters = text.chars().take(LETTERS_MAX);
    let visible = letters.filter(|letter| {
        !matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    });
    visible
        .map(|letter| {
            if letter.is_control() || letter.is_whitespace() {
                ' '
            } else {
                letter
            }
        })
        .collect()
}

/// One space between words and none around them.
pub(super) fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of a text that was [cleaned](clean).
pub(super) fn split(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text.char_indices().peekable();
    // Quotes of this kind are not closed any more: looked for once, so that the time stays linear.
    let mut unclosed = Vec::new();
    while let Some((start, letter)) = rest.next() {
        if letter == ' ' || is_between(letter) {
            continue;
        }
        let after = start + letter.len_utf8();
        if let Some(close) = closing(letter)
            && !unclosed.contains(&letter)
        {
            if let Some(end) = quote_end(text, after, close) {
                let inner = squeeze(text.get(after..end).unwrap_or_default());
                if !inner.is_empty() {
                    words.push(word(Kind::Quoted, inner, start, end));
                }
                while rest.next_if(|(at, _)| *at <= end).is_some() {}
                continue;
            }
            unclosed.push(letter);
        }
        let mut before = letter;
        let mut end = after;
        while let Some((at, next)) = rest.peek().copied() {
            let then = text
                .get(at + next.len_utf8()..)
                .and_then(|text| text.chars().next());
            let is_decimal = before.is_ascii_digit() && then.is_some_and(|letter| letter.is_ascii_digit());
            if next == ' ' || (is_between(next) && !is_decimal) {
                break;
            }
            before = next;
            end = at + next.len_utf8();
            rest.next();
        }
        plain(text.get(start..end).unwrap_or_default(), start, &mut words);
    }
    words
}

/// What stands between the people and days of a list.
fn is_between(letter: char) -> bool {
    matches!(letter, ',' | ';')
}

/// What closes a quote that was opened so.
fn closing(open: char) -> Option<&'static [char]> {
    Some(match open {
        '"' | '„' | '“' => &['"', '“', '”'],
        '”' => &['"', '”'],
        '«' => &['»'],
        '»' => &['«'],
        '\'' | '‘' | '‚' => &['\'', '‘', '’'],
        _ => return None,
    })
}

/// Where the quote ends. A single one inside a word is an apostrophe.
fn quote_end(text: &str, from: usize, close: &[char]) -> Option<usize> {
    let is_single = close.contains(&'\'');
    let mut letters = text.get(from..)?.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let is_inside = is_single && letters.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        if close.contains(&letter) && !is_inside {
            return Some(from + at);
        }
    }
    None
}

/// What stood between two spaces: somebody, a word, or two words that a dash joins, as `14:00-15:30`.
fn plain(text: &str, start: usize, words: &mut Vec<Word>) {
    let bare = text.trim_start_matches(['(', '[', '<']);
    let start = start + text.len() - bare.len();
    let bare = bare.trim_end_matches([')', ']', '>', '!', '?']);
    let (bare, is_colon) = match bare.strip_suffix(':') {
        Some(bare) => (bare, true),
        None => (bare, false),
    };
    let end = start + bare.len();
    if let Some(person) = person(bare) {
        words.push(match person {
            Some(user) => word(Kind::Person(user), bare.to_owned(), start, end),
            None => word(Kind::NoPerson, bare.to_owned(), start, end),
        });
    } else if let Some((before, dash, after)) = range(bare) {
        words.push(word(Kind::Plain, before.to_owned(), start, start + before.len()));
        words.push(word(
            Kind::Plain,
            dash.to_owned(),
            start + before.len(),
            end - after.len(),
        ));
        words.push(word(Kind::Plain, after.to_owned(), end - after.len(), end));
    } else if !bare.is_empty() {
        words.push(word(Kind::Plain, bare.to_owned(), start, end));
    }
    if is_colon {
        words.push(word(Kind::Colon, ":".to_owned(), end, end + 1));
    }
}

fn word(kind: Kind, text: String, start: usize, end: usize) -> Word {
    let lower = text.to_lowercase();
    let sense = match kind {
        Kind::Plain => vocabulary::sense(&lower).map(|(sense, _)| sense),
        _ => None,
    };
    Word {
        kind,
        text,
        lower,
        sense,
        start,
        end,
    }
}

/// Two figures with a dash between them, unless they are a date as `2026-12-24`.
fn range(text: &str) -> Option<(&str, &str, &str)> {
    let (at, dash) = text
        .char_indices()
        .find(|(_, letter)| matches!(letter, '-' | '–' | '—'))?;
    let (before, after) = (text.get(..at)?, text.get(at + dash.len_utf8()..)?);
    let is_figure = |text: &str| text.starts_with(|letter: char| letter.is_ascii_digit());
    let is_date = dash == '-' && before.len() == 4 && before.bytes().all(|byte| byte.is_ascii_digit());
    (is_figure(before) && is_figure(after) && !is_date)
        .then(|| (before, text.get(at..at + dash.len_utf8()).unwrap_or("-"), after))
}

/// Whom the word names: by id, or by a link as clients make them. `Some(None)`: it looks so and names nobody.
fn person(text: &str) -> Option<Option<UserId>> {
    let id = text.trim_end_matches(['.', ':', ')', '\'', '’']);
    if id.starts_with('@') && id.contains(':') {
        return Some(id.parse().ok());
    }
    let (link, sigil) = match text.split_once("matrix.to/#/") {
        Some((_, link)) => (link, ""),
        None => (text.split_once("matrix:u/")?.1, "@"),
    };
    let id = link.split(['?', ')', '>', ']', '"']).next().unwrap_or_default();
    let id = format!("{sigil}{}", decoded(id));
    id.starts_with('@')
        .then(|| id.trim_end_matches(['.', ':', '/']).parse().ok())
}

/// The text of a part of a URI, without `%40` and the like.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut next = rest.clone();
        let mut digit = || char::from(next.next()?).to_digit(16);
        let code = if byte == b'%' { digit().zip(digit()) } else { None };
        match code.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = next;
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The language of most of the words that only one language has; the command's word only where the others show none.
pub(super) fn language(command: Option<&Word>, words: &[Word], otherwise: Language) -> Language {
    let said = |words: &[Word]| {
        let tongues = words.iter().filter(|word| word.kind == Kind::Plain);
        let tongues = tongues.filter_map(|word| vocabulary::language(&word.lower));
        tongues.fold(0, |german, tongue| {
            german + if tongue == Language::German { 1 } else { -1 }
        })
    };
    let german = match said(words) {
        0 => command.map_or(0, |word| said(std::slice::from_ref(word))),
        german => german,
    };
    match german {
        0 => otherwise,
        1.. => Language::German,
        _ => Language::English,
    }
}
