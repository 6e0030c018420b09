//! Every field that Hanse writes to disk: what it is, why, how long, who deletes it, and whether it says something about a person.
//!
//! This is the one place where that is written. The tables of docs/personal-data.md are compared with it, and those with the
//! databases that the migrations make (`focus/service/tests/store/personal_data.rs`) and with the webhooks that are kept
//! (`sfu/node/src/webhooks/spool/tests.rs`): a field that is new is in none of them, and three tests say so.

mod focus;
mod guests;
mod migrations;
mod webhooks;

use super::facts::Facts;
use super::words::Words;

/// A text that is always the same.
#[derive(Debug)]
pub struct Pair {
    /// English, as in the book.
    pub en: &'static str,
    /// Deutsch.
    pub de: &'static str,
}

impl Pair {
    /// To be filled into a report.
    pub fn words(&self) -> Words {
        Words {
            en: self.en.to_owned(),
            de: self.de.to_owned(),
        }
    }
}

/// A group of fields that are there, or not, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A table of the database.
    DelayedLeaves,
    /// A table of the database.
    Processes,
    /// A table of the database, filled where the SFU is another process.
    Seats,
    /// A table of the database.
    BlockedHomeservers,
    /// A table of the database, filled where guests are or were allowed: links stay until their time is over.
    GuestLinks,
    /// A table of the database, filled where guests are or were allowed: guests stay until the homeserver has erased them.
    Guests,
    /// A table of the database.
    Migrations,
    /// Files in the folder of webhooks.
    Webhooks,
}

impl Place {
    /// Whether this server fills it.
    pub fn is_filled(self, facts: &Facts) -> bool {
        match self {
            Place::DelayedLeaves
            | Place::Processes
            | Place::BlockedHomeservers
            | Place::GuestLinks
            | Place::Guests
            | Place::Migrations => facts.focus.is_some(),
            Place::Seats => facts
                .focus
                .as_ref()
                .is_some_and(|focus| focus.sfu_elsewhere.is_some()),
            Place::Webhooks => !facts.webhooks.is_empty() && facts.webhook_folder.is_some(),
        }
    }
}

/// A field on disk.
#[derive(Debug)]
pub struct Row {
    /// Its name, as in the book.
    pub column: &'static str,
    /// Where it is.
    pub place: Place,
    /// Whether it says something about a person or an organisation; the report explains it then.
    pub is_personal: bool,
    /// What it is.
    pub what: Pair,
    /// What it is for.
    pub why: Pair,
    /// How long it is there.
    pub how_long: Pair,
    /// Who deletes it.
    pub deleted_by: Pair,
}

const FOCUS_AND_SWEEP: Pair = Pair {
    en: "The focus; the sweep",
    de: "Der Fokus; das Aufräumen",
};

/// All of them, in the order of the book.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    let of_calls = focus::ROWS.iter().chain(&guests::ROWS);
    of_calls.chain(&migrations::ROWS).chain(&webhooks::ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    const PAGE: &str = "docs/personal-data.md";

    /// The rows of the page's tables: the field, and its four answers.
    fn page() -> BTreeMap<String, Vec<String>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
        let text = std::fs::read_to_string(path).unwrap();
        let cells = |line: &str| -> Option<Vec<String>> {
            let line = line.strip_prefix('|')?.strip_suffix('|')?;
            Some(line.split('|').map(|cell| cell.trim().to_owned()).collect())
        };
        text.lines()
            .filter_map(cells)
            .filter_map(|mut cells| {
                let column = cells.remove(0).strip_prefix('`')?.strip_suffix('`')?.to_owned();
                Some((column, cells))
            })
            .collect()
    }

    #[test]
    fn the_book_and_the_report_say_the_same_of_every_stored_field() {
        let mut page = page();
        for row in rows() {
            let written = page.remove(row.column).unwrap_or_default();
            let said = [&row.what, &row.why, &row.how_long, &row.deleted_by].map(|pair| pair.en);
            assert_eq!(written, said, "{}: {PAGE} and {} differ", row.column, file!());
        }
        assert!(
            page.is_empty(),
            "{PAGE} has fields that {} does not classify as personal or not: {:?}",
            file!(),
            page.keys()
        );
    }

    #[test]
    fn what_is_not_about_a_person_says_so_in_both_languages() {
        for row in rows() {
            assert_eq!(
                row.is_personal,
                !row.what.en.contains("not about a person"),
                "{}",
                row.column
            );
            assert_eq!(
                row.is_personal,
                !row.what.de.contains("nicht über eine Person"),
                "{}",
                row.column
            );
        }
    }

    #[test]
    fn what_is_as_elsewhere_is_so_in_both_languages() {
        for pair in rows().flat_map(|row| [&row.what, &row.why, &row.how_long, &row.deleted_by]) {
            let as_in = |text: &str, word: &str| text.strip_prefix(word).map(str::to_owned);
            assert_eq!(as_in(pair.en, "As `"), as_in(pair.de, "Wie `"), "{pair:?}");
        }
    }
}
