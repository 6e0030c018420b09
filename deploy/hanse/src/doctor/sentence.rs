//! What the doctor says. Every sentence it knows is here in one form: with an id for programs, in English and German, and with what
//! the book says about it. Checks fill in names and numbers, so that nothing is said that the book does not explain.

use serde::{Deserialize, Serialize};

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// As it should be.
    Green,
    /// Broken; the sentence says what mends it.
    Red,
    /// Not looked at; the sentence says why.
    Grey,
}

/// The same in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// English.
    pub en: String,
    /// German.
    pub de: String,
}

/// A name or a number is the same in both.
impl<T: ToString> From<T> for Words {
    fn from(text: T) -> Self {
        let en = text.to_string();
        Words { de: en.clone(), en }
    }
}

/// One sentence, with `{0}`, `{1}` for what is filled in.
#[derive(Debug)]
pub struct Sentence {
    /// For programs, and for looking it up in the book.
    pub id: &'static str,
    /// Of the line.
    pub colour: Colour,
    /// English.
    pub en: &'static str,
    /// German.
    pub de: &'static str,
    /// What the book says besides; only a red one needs it.
    pub more: &'static str,
}

/// A green sentence.
pub const fn green(id: &'static str, en: &'static str, de: &'static str) -> Sentence {
    Sentence {
        id,
        colour: Colour::Green,
        en,
        de,
        more: "",
    }
}

/// A grey one.
pub const fn grey(id: &'static str, en: &'static str, de: &'static str) -> Sentence {
    Sentence {
        id,
        colour: Colour::Grey,
        en,
        de,
        more: "",
    }
}

/// A red one. It says what is wrong and what mends it; `more` is for the book.
pub const fn red(id: &'static str, en: &'static str, de: &'static str, more: &'static str) -> Sentence {
    Sentence {
        id,
        colour: Colour::Red,
        en,
        de,
        more,
    }
}

impl Sentence {
    /// The sentence with this filled in.
    pub fn with<const N: usize>(&'static self, values: [Words; N]) -> Said {
        Said {
            sentence: self,
            values: values.into(),
        }
    }

    /// The sentence as it is.
    pub fn plain(&'static self) -> Said {
        self.with([])
    }
}

/// A sentence about this server.
#[derive(Clone, Debug)]
pub struct Said {
    /// Which one.
    pub sentence: &'static Sentence,
    values: Vec<Words>,
}

impl Said {
    /// Whether it is a green one.
    pub fn is_green(&self) -> bool {
        self.sentence.colour == Colour::Green
    }

    /// In English.
    pub fn en(&self) -> String {
        filled(
            self.sentence.en,
            self.values.iter().map(|words| words.en.as_str()),
        )
    }

    /// In German.
    pub fn de(&self) -> String {
        filled(
            self.sentence.de,
            self.values.iter().map(|words| words.de.as_str()),
        )
    }
}

fn filled<'a>(template: &str, values: impl Iterator<Item = &'a str>) -> String {
    let mut text = template.to_owned();
    for (number, value) in values.enumerate() {
        text = text.replace(&format!("{{{number}}}"), value);
    }
    text
}

/// One line of the examination: what is looked at, and everything that can be said about it.
#[derive(Debug)]
pub struct Check {
    /// For programs.
    pub id: &'static str,
    /// English.
    pub en: &'static str,
    /// German.
    pub de: &'static str,
    /// What is done, for the book.
    pub about: &'static str,
    /// What can be said, besides [`WAITS`].
    pub sentences: &'static [&'static Sentence],
}

/// Every check may say this.
pub static WAITS: Sentence = grey(
    "waits",
    "not looked at: first “{0}” must be green",
    "nicht angesehen: erst muss „{0}“ grün sein",
);

impl Check {
    /// That one check waits for another.
    pub fn waits_for_it(&'static self) -> Said {
        WAITS.with([Words {
            en: self.en.to_owned(),
            de: self.de.to_owned(),
        }])
    }
}

/// A line as programs get it, and as it stands on the status page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The check.
    pub check: String,
    /// What it is called.
    pub title_en: String,
    /// What it is called, in German.
    pub title_de: String,
    /// Green, red or grey.
    pub colour: Colour,
    /// Which sentence.
    pub sentence: String,
    /// The sentence.
    pub en: String,
    /// The sentence, in German.
    pub de: String,
    /// How long it took to find out, in ms.
    pub ms: u64,
}

impl Line {
    /// A line about a check.
    pub fn new(check: &Check, said: &Said, ms: u64) -> Self {
        Line {
            check: check.id.to_owned(),
            title_en: check.en.to_owned(),
            title_de: check.de.to_owned(),
            colour: said.sentence.colour,
            sentence: said.sentence.id.to_owned(),
            en: said.en(),
            de: said.de(),
            ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BROKEN: Sentence = red("broken", "{0} of {1} are broken", "{0} von {1} sind kaputt", "");

    #[test]
    fn names_and_numbers_are_filled_into_both_languages() {
        let two = Words {
            en: "two".to_owned(),
            de: "zwei".to_owned(),
        };
        let said = BROKEN.with([two, 3.into()]);
        assert_eq!(
            (said.en().as_str(), said.de().as_str()),
            ("two of 3 are broken", "zwei von 3 sind kaputt")
        );
        assert!(!said.is_green());
    }
}
