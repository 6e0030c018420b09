//! The words that have a sense for the bot, in both languages.

use super::Language;
use jiff::civil::Weekday;

/// What a word means, whatever its language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    Weekday(Weekday),
    /// `Thursdays`, `donnerstags`.
    Weekdays(Weekday),
    Month(i8),
    Number(u32),
    OneAndAHalf,
    /// So many minutes in one word, as `Viertelstunde`.
    Span(u32),
    /// `first` is 1; `last` is -1.
    Ordinal(i8),
    Today,
    Tomorrow,
    Overmorrow,
    Minute,
    Hour,
    Day,
    Week,
    MonthUnit,
    Year,
    Every,
    Other,
    Daily,
    /// `werktags`, and the noun after `every`.
    Workday,
    Weekly,
    Fortnightly,
    Monthly,
    Quarterly,
    Yearly,
    Next,
    AfterNext,
    This,
    In,
    From,
    To,
    Until,
    Dash,
    At,
    On,
    For,
    /// Before noon, or the German "on".
    Am,
    Pm,
    Morning,
    OClock,
    Half,
    Quarter,
    After,
    Before,
    Noon,
    And,
    About,
    With,
    Guests,
    Here,
    Room,
    Only,
    Times,
    Off,
    Add,
    /// `meeting`, where one is spoken of.
    Meeting,
    /// Has no part in the meaning.
    Filler,
}

/// What somebody wants: the first word of what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Meet,
    List,
    Move,
    Cancel,
    Invite,
    Agenda,
    Who,
    Remind,
    Zone,
    Speak,
    Subscribe,
    Share,
    Help,
}

/// The words for what somebody wants. Of several, the first is the one that the bot itself uses.
pub(super) const ENGLISH: &[(&str, Verb)] = &[
    ("meet", Verb::Meet),
    ("meeting", Verb::Meet),
    ("schedule", Verb::Meet),
    ("plan", Verb::Meet),
    ("list", Verb::List),
    ("meetings", Verb::List),
    ("upcoming", Verb::List),
    ("move", Verb::Move),
    ("reschedule", Verb::Move),
    ("postpone", Verb::Move),
    ("cancel", Verb::Cancel),
    ("invite", Verb::Invite),
    ("agenda", Verb::Agenda),
    ("who", Verb::Who),
    ("remind", Verb::Remind),
    ("reminder", Verb::Remind),
    ("zone", Verb::Zone),
    ("timezone", Verb::Zone),
    ("language", Verb::Speak),
    ("calendar", Verb::Subscribe),
    ("subscribe", Verb::Subscribe),
    ("share", Verb::Share),
    ("help", Verb::Help),
    ("?", Verb::Help),
    ("hello", Verb::Help),
    ("hi", Verb::Help),
];

/// The same in German.
pub(super) const GERMAN: &[(&str, Verb)] = &[
    ("treffen", Verb::Meet),
    ("termin", Verb::Meet),
    ("besprechung", Verb::Meet),
    ("plane", Verb::Meet),
    ("planen", Verb::Meet),
    ("liste", Verb::List),
    ("termine", Verb::List),
    ("übersicht", Verb::List),
    ("verschiebe", Verb::Move),
    ("verschieben", Verb::Move),
    ("verlege", Verb::Move),
    ("verlegen", Verb::Move),
    ("absagen", Verb::Cancel),
    ("absage", Verb::Cancel),
    ("sage", Verb::Cancel),
    ("streiche", Verb::Cancel),
    ("einladen", Verb::Invite),
    ("lade", Verb::Invite),
    ("agenda", Verb::Agenda),
    ("tagesordnung", Verb::Agenda),
    ("wer", Verb::Who),
    ("erinnere", Verb::Remind),
    ("erinnern", Verb::Remind),
    ("erinnerung", Verb::Remind),
    ("zeitzone", Verb::Zone),
    ("sprache", Verb::Speak),
    ("kalender", Verb::Subscribe),
    ("abonnieren", Verb::Subscribe),
    ("teilen", Verb::Share),
    ("teile", Verb::Share),
    ("hilfe", Verb::Help),
    ("hallo", Verb::Help),
];

/// What the word asks for.
pub(super) fn verb(lower: &str) -> Option<Verb> {
    let words = ENGLISH.iter().chain(GERMAN);
    words
        .into_iter()
        .find(|(word, _)| *word == lower)
        .map(|(_, verb)| *verb)
}

/// The word of [`ENGLISH`] and [`GERMAN`] that was probably meant.
pub(super) fn nearest_verb(lower: &str) -> Option<&'static str> {
    nearest(lower, ENGLISH.iter().chain(GERMAN).map(|(word, _)| *word))
}

/// The word for a time, a repeat or a place that was probably meant.
pub(super) fn nearest_said(lower: &str) -> Option<&'static str> {
    const SAID: &[&str] = &[
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "today",
        "tomorrow",
        "daily",
        "weekly",
        "monthly",
        "yearly",
        "every",
        "until",
        "minutes",
        "hours",
        "here",
        "with",
        "guests",
        "montag",
        "dienstag",
        "mittwoch",
        "donnerstag",
        "freitag",
        "samstag",
        "sonntag",
        "heute",
        "morgen",
        "übermorgen",
        "täglich",
        "werktags",
        "wöchentlich",
        "monatlich",
        "jährlich",
        "jeden",
        "minuten",
        "stunden",
        "hier",
        "gäste",
    ];
    nearest(lower, SAID.iter().copied())
}

/// Which of these differs least, if little enough to be the same word with a slip.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LETTERS_MAX: usize = 40;
    const ALIKE: f64 = 0.6;
    if !(3..=LETTERS_MAX).contains(&word.chars().count()) {
        return None;
    }
    let near = known.map(|known| (strsim::normalized_damerau_levenshtein(word, known), known));
    let (alike, known) = near.max_by(|one, two| one.0.total_cmp(&two.0))?;
    (alike >= ALIKE).then_some(known)
}

/// The sense of a word in small letters, and its language where only one has it.
pub(super) fn sense(lower: &str) -> Option<(Sense, Option<Language>)> {
    let bare = lower.trim_end_matches('.');
    let shared = shared(bare).map(|sense| (sense, None));
    let english = || english(bare).map(|sense| (sense, Some(Language::English)));
    let german = || german(bare).map(|sense| (sense, Some(Language::German)));
    shared.or_else(english).or_else(german)
}

/// The language that has this word and the other has not.
pub(super) fn language(lower: &str) -> Option<Language> {
    let has = |words: &[(&str, Verb)]| words.iter().any(|(word, _)| *word == lower);
    match (has(ENGLISH), has(GERMAN)) {
        (true, false) => Some(Language::English),
        (false, true) => Some(Language::German),
        _ => sense(lower)?.1,
    }
}

fn shared(word: &str) -> Option<Sense> {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    Some(match word {
        "mo" => Sense::Weekday(Monday),
        "di" => Sense::Weekday(Tuesday),
        "mi" => Sense::Weekday(Wednesday),
        "do" => Sense::Weekday(Thursday),
        "fr" => Sense::Weekday(Friday),
        "sa" => Sense::Weekday(Saturday),
        "so" => Sense::Weekday(Sunday),
        "in" => Sense::In,
        "am" => Sense::Am,
        "an" => Sense::Number(1),
        "-" | "–" | "—" => Sense::Dash,
        "&" => Sense::And,
        "+" => Sense::Add,
        "min" | "m" => Sense::Minute,
        "h" => Sense::Hour,
        "x" => Sense::Times,
        "april" | "apr" => Sense::Month(4),
        "jan" => Sense::Month(1),
        "feb" => Sense::Month(2),
        "jun" => Sense::Month(6),
        "jul" => Sense::Month(7),
        "august" | "aug" => Sense::Month(8),
        "september" | "sep" | "sept" => Sense::Month(9),
        "nov" | "november" => Sense::Month(11),
        _ => return None,
    })
}

fn english(word: &str) -> Option<Sense> {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    Some(match word {
        "monday" | "mon" => Sense::Weekday(Monday),
        "tuesday" | "tue" | "tues" => Sense::Weekday(Tuesday),
        "wednesday" | "wed" => Sense::Weekday(Wednesday),
        "thursday" | "thu" | "thur" | "thurs" => Sense::Weekday(Thursday),
        "friday" | "fri" => Sense::Weekday(Friday),
        "saturday" | "sat" => Sense::Weekday(Saturday),
        "sunday" | "sun" => Sense::Weekday(Sunday),
        "mondays" => Sense::Weekdays(Monday),
        "tuesdays" => Sense::Weekdays(Tuesday),
        "wednesdays" => Sense::Weekdays(Wednesday),
        "thursdays" => Sense::Weekdays(Thursday),
        "fridays" => Sense::Weekdays(Friday),
        "saturdays" => Sense::Weekdays(Saturday),
        "sundays" => Sense::Weekdays(Sunday),
        "january" => Sense::Month(1),
        "february" => Sense::Month(2),
        "march" | "mar" => Sense::Month(3),
        "may" => Sense::Month(5),
        "june" => Sense::Month(6),
        "july" => Sense::Month(7),
        "october" | "oct" => Sense::Month(10),
        "december" | "dec" => Sense::Month(12),
        "a" | "one" => Sense::Number(1),
        "two" => Sense::Number(2),
        "three" => Sense::Number(3),
        "four" => Sense::Number(4),
        "five" => Sense::Number(5),
        "six" => Sense::Number(6),
        "seven" => Sense::Number(7),
        "eight" => Sense::Number(8),
        "nine" => Sense::Number(9),
        "ten" => Sense::Number(10),
        "eleven" => Sense::Number(11),
        "twelve" => Sense::Number(12),
        "fifteen" => Sense::Number(15),
        "twenty" => Sense::Number(20),
        "thirty" => Sense::Number(30),
        "first" | "1st" => Sense::Ordinal(1),
        "second" | "2nd" => Sense::Ordinal(2),
        "third" | "3rd" => Sense::Ordinal(3),
        "fourth" | "4th" => Sense::Ordinal(4),
        "last" => Sense::Ordinal(-1),
        "today" | "tonight" => Sense::Today,
        "tomorrow" => Sense::Tomorrow,
        "mins" | "minute" | "minutes" => Sense::Minute,
        "hr" | "hrs" | "hour" | "hours" => Sense::Hour,
        "day" | "days" => Sense::Day,
        "week" | "weeks" => Sense::Week,
        "month" | "months" => Sense::MonthUnit,
        "year" | "years" => Sense::Year,
        "every" | "each" => Sense::Every,
        "other" => Sense::Other,
        "daily" => Sense::Daily,
        "weekday" | "weekdays" | "workday" | "workdays" => Sense::Workday,
        "weekly" => Sense::Weekly,
        "fortnightly" => Sense::Fortnightly,
        "monthly" => Sense::Monthly,
        "quarterly" => Sense::Quarterly,
        "yearly" | "annually" => Sense::Yearly,
        "next" => Sense::Next,
        "this" => Sense::This,
        "from" => Sense::From,
        "to" => Sense::To,
        "until" | "till" => Sense::Until,
        "at" | "@" => Sense::At,
        "on" => Sense::On,
        "for" => Sense::For,
        "a.m" => Sense::Am,
        "morning" => Sense::Morning,
        "pm" | "p.m" | "afternoon" | "evening" => Sense::Pm,
        "o'clock" | "o’clock" => Sense::OClock,
        "half" => Sense::Half,
        "quarter" => Sense::Quarter,
        "past" | "after" => Sense::After,
        "before" => Sense::Before,
        "noon" | "midday" => Sense::Noon,
        "and" => Sense::And,
        "about" | "regarding" | "titled" | "called" | "topic" | "title" | "subject" => Sense::About,
        "with" => Sense::With,
        "guest" | "guests" => Sense::Guests,
        "here" => Sense::Here,
        "room" => Sense::Room,
        "only" | "just" => Sense::Only,
        "times" => Sense::Times,
        "off" | "never" => Sense::Off,
        "add" => Sense::Add,
        "meeting" | "number" | "no" => Sense::Meeting,
        "the" | "of" | "please" | "starting" | "beginning" | "comes" | "coming" | "is" | "us" | "me" => {
            Sense::Filler
        }
        _ => return None,
    })
}

fn german(word: &str) -> Option<Sense> {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    Some(match word {
        "montag" => Sense::Weekday(Monday),
        "dienstag" => Sense::Weekday(Tuesday),
        "mittwoch" => Sense::Weekday(Wednesday),
        "donnerstag" => Sense::Weekday(Thursday),
        "freitag" => Sense::Weekday(Friday),
        "samstag" | "sonnabend" => Sense::Weekday(Saturday),
        "sonntag" => Sense::Weekday(Sunday),
        "montags" => Sense::Weekdays(Monday),
        "dienstags" => Sense::Weekdays(Tuesday),
        "mittwochs" => Sense::Weekdays(Wednesday),
        "donnerstags" => Sense::Weekdays(Thursday),
        "freitags" => Sense::Weekdays(Friday),
        "samstags" | "sonnabends" => Sense::Weekdays(Saturday),
        "sonntags" => Sense::Weekdays(Sunday),
        "januar" | "jänner" => Sense::Month(1),
        "februar" | "feber" => Sense::Month(2),
        "märz" | "mär" | "maerz" => Sense::Month(3),
        "mai" => Sense::Month(5),
        "juni" => Sense::Month(6),
        "juli" => Sense::Month(7),
        "oktober" | "okt" => Sense::Month(10),
        "dezember" | "dez" => Sense::Month(12),
        "ein" | "eine" | "einem" | "einen" | "einer" | "eins" => Sense::Number(1),
        "zwei" => Sense::Number(2),
        "drei" => Sense::Number(3),
        "vier" => Sense::Number(4),
        "fünf" => Sense::Number(5),
        "sechs" => Sense::Number(6),
        "sieben" => Sense::Number(7),
        "acht" => Sense::Number(8),
        "neun" => Sense::Number(9),
        "zehn" => Sense::Number(10),
        "elf" => Sense::Number(11),
        "zwölf" => Sense::Number(12),
        "fünfzehn" => Sense::Number(15),
        "zwanzig" => Sense::Number(20),
        "dreißig" | "dreissig" => Sense::Number(30),
        "anderthalb" | "eineinhalb" => Sense::OneAndAHalf,
        "viertelstunde" => Sense::Span(15),
        "dreiviertelstunde" => Sense::Span(45),
        "erste" | "ersten" | "erster" | "erstes" => Sense::Ordinal(1),
        "zweite" | "zweiten" | "zweiter" | "zweites" => Sense::Ordinal(2),
        "dritte" | "dritten" | "dritter" | "drittes" => Sense::Ordinal(3),
        "vierte" | "vierten" | "vierter" | "viertes" => Sense::Ordinal(4),
        "letzte" | "letzten" | "letzter" | "letztes" => Sense::Ordinal(-1),
        "heute" => Sense::Today,
        "morgen" => Sense::Tomorrow,
        "übermorgen" => Sense::Overmorrow,
        "minute" | "minuten" => Sense::Minute,
        "std" | "stunde" | "stunden" => Sense::Hour,
        "tag" | "tage" | "tagen" => Sense::Day,
        "woche" | "wochen" => Sense::Week,
        "monat" | "monate" | "monaten" | "monats" => Sense::MonthUnit,
        "jahr" | "jahre" | "jahren" => Sense::Year,
        "jede" | "jeden" | "jeder" | "jedes" | "alle" | "aller" => Sense::Every,
        "täglich" => Sense::Daily,
        "werktag" | "werktags" | "arbeitstag" => Sense::Workday,
        "wöchentlich" => Sense::Weekly,
        "vierzehntägig" | "zweiwöchentlich" => Sense::Fortnightly,
        "monatlich" => Sense::Monthly,
        "vierteljährlich" | "quartalsweise" => Sense::Quarterly,
        "jährlich" => Sense::Yearly,
        "nächste" | "nächsten" | "nächster" | "nächstes" => Sense::Next,
        "übernächste" | "übernächsten" | "übernächster" => Sense::AfterNext,
        "diese" | "diesen" | "dieser" | "diesem" | "dieses" | "kommenden" | "kommende" => Sense::This,
        "von" | "vom" => Sense::From,
        "auf" | "zu" | "zum" | "zur" => Sense::To,
        "bis" => Sense::Until,
        "um" => Sense::At,
        "für" => Sense::For,
        "nachmittags" | "abends" | "nachmittag" | "abend" => Sense::Pm,
        "morgens" | "vormittags" | "vormittag" | "früh" => Sense::Morning,
        "uhr" => Sense::OClock,
        "halb" | "halbe" | "halben" => Sense::Half,
        "viertel" => Sense::Quarter,
        "nach" => Sense::After,
        "vor" | "vorher" => Sense::Before,
        "mittag" | "mittags" => Sense::Noon,
        "und" => Sense::And,
        "über" | "wegen" | "thema" | "titel" | "namens" | "betreff" => Sense::About,
        "mit" => Sense::With,
        "gast" | "gäste" | "gästen" => Sense::Guests,
        "hier" => Sense::Here,
        "raum" => Sense::Room,
        "nur" => Sense::Only,
        "mal" => Sense::Times,
        "aus" | "nie" => Sense::Off,
        "dazu" | "hinzu" | "ergänze" => Sense::Add,
        "treffen" | "termin" | "besprechung" | "nummer" | "nr" => Sense::Meeting,
        "der" | "die" | "das" | "den" | "dem" | "des" | "im" | "bitte" | "ab" | "kommt" | "lang"
        | "jeweils" | "uns" | "mich" => Sense::Filler,
        _ => return None,
    })
}
