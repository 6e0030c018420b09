//! Sentences in both languages. They are written side by side, so that none is without the other, and the report is made
//! once: whoever renders it chooses.

use serde::Serialize;

/// A sentence in English and German; what stands in braces is taken from around, as `format!` does.
macro_rules! say {
    ($en:literal, $de:literal $(,)?) => {
        $crate::privacy::words::Words {
            en: format!($en),
            de: format!($de),
        }
    };
}
pub(crate) use say;

/// A language that the report is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Deutsch.
    De,
    /// English.
    En,
}

impl Language {
    /// Both.
    pub const ALL: [Language; 2] = [Language::De, Language::En];

    /// Its code (BCP 47).
    pub fn code(self) -> &'static str {
        match self {
            Language::De => "de",
            Language::En => "en",
        }
    }

    /// Its own name.
    pub fn name(self) -> &'static str {
        match self {
            Language::De => "Deutsch",
            Language::En => "English",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Language::De => Language::En,
            Language::En => Language::De,
        }
    }

    /// The one that a browser likes better (`Accept-Language`, RFC 9110, section 12.5.4); English where it names neither.
    pub fn accepted(header: &str) -> Self {
        let weight = |language: Language| {
            let of = |range: &str| {
                let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
                let primary = tag.trim().split('-').next().unwrap_or_default();
                let quality = parameters
                    .trim()
                    .strip_prefix("q=")
                    .map_or(Some(1.0), |q| q.trim().parse().ok());
                primary
                    .eq_ignore_ascii_case(language.code())
                    .then_some(quality)
                    .flatten()
            };
            header.split(',').filter_map(of).fold(0.0_f32, f32::max)
        };
        if weight(Language::De) > weight(Language::En) {
            Language::De
        } else {
            Language::En
        }
    }
}

/// The same in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// English.
    pub en: String,
    /// Deutsch.
    pub de: String,
}

impl Words {
    /// In one of them.
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::De => &self.de,
            Language::En => &self.en,
        }
    }

    /// All of them in one, with this between.
    pub fn joined(parts: &[Words], between: &str) -> Words {
        let join = |language| {
            let parts: Vec<&str> = parts.iter().map(|part| part.in_language(language)).collect();
            parts.join(between)
        };
        Words {
            en: join(Language::En),
            de: join(Language::De),
        }
    }

    /// One after the other.
    #[must_use]
    pub fn and(self, more: &Words) -> Words {
        Words::joined(&[self, more.clone()], " ")
    }
}

/// A name, an address or a number is the same in both.
pub fn same(text: impl ToString) -> Words {
    let en = text.to_string();
    Words { de: en.clone(), en }
}

/// The words with `{0}`, `{1}` replaced by what differs between the languages.
pub fn filled(template: &Words, values: &[Words]) -> Words {
    let mut words = template.clone();
    for (number, value) in values.iter().enumerate() {
        let gap = format!("{{{number}}}");
        words.en = words.en.replace(&gap, &value.en);
        words.de = words.de.replace(&gap, &value.de);
    }
    words
}

const DAY_S: u64 = 86_400;

/// A time in the largest unit that it is a whole number of, for people; in German as what lasts (accusative).
pub fn period(seconds: u64) -> Words {
    match seconds {
        3600 => say!("1 hour", "1 Stunde"),
        60 => say!("1 minute", "1 Minute"),
        // One day is said as 24 hours.
        long if long > DAY_S && long.is_multiple_of(DAY_S) => {
            let days = long / DAY_S;
            say!("{days} days", "{days} Tage")
        }
        long if long > 0 && long.is_multiple_of(3600) => {
            let hours = long / 3600;
            say!("{hours} hours", "{hours} Stunden")
        }
        long if long > 0 && long.is_multiple_of(60) => {
            let minutes = long / 60;
            say!("{minutes} minutes", "{minutes} Minuten")
        }
        seconds => say!("{seconds} s", "{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_said_in_its_largest_unit() {
        let said = |seconds| (period(seconds).en, period(seconds).de);
        for (seconds, en, de) in [
            (0, "0 s", "0 s"),
            (43, "43 s", "43 s"),
            (60, "1 minute", "1 Minute"),
            (300, "5 minutes", "5 Minuten"),
            (3600, "1 hour", "1 Stunde"),
            (14_400, "4 hours", "4 Stunden"),
            (3601, "3601 s", "3601 s"),
            (86_400, "24 hours", "24 Stunden"),
            (604_800, "7 days", "7 Tage"),
        ] {
            assert_eq!(said(seconds), (en.to_owned(), de.to_owned()));
        }
    }

    #[test]
    fn a_browser_gets_the_language_that_it_likes_better() {
        for (header, language) in [
            ("", Language::En),
            ("de", Language::De),
            ("de-AT,de;q=0.9,en;q=0.8", Language::De),
            ("en-GB,en;q=0.9,de;q=0.8", Language::En),
            ("fr, DE;q=0.5, en;q=0.4", Language::De),
            ("de;q=0, en;q=0.1", Language::En),
            ("fr", Language::En),
            ("de;q=x", Language::En),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }
}
