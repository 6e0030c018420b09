//! The table in which it is written how the tables were made.

use super::{Pair, Place, Row};

const AS_DATABASE: Pair = Pair {
    en: "As long as the database",
    de: "So lange wie die Datenbank",
};
const NOBODY: Pair = Pair {
    en: "Nobody",
    de: "Niemand",
};
const AS_MIGRATION: Pair = Pair {
    en: "As `hanse_migrations.version`",
    de: "Wie `hanse_migrations.version`",
};

/// In the order of the book.
pub(super) static ROWS: [Row; 6] = [
    Row {
        column: "hanse_migrations.version",
        place: Place::Migrations,
        is_personal: false,
        what: Pair {
            en: "Number of a change of the tables; not about a person",
            de: "Nummer einer Änderung der Tabellen; nicht über eine Person",
        },
        why: Pair {
            en: "To bring the tables up to date, and never back",
            de: "Um die Tabellen auf den neuen Stand zu bringen und nie zurück",
        },
        how_long: AS_DATABASE,
        deleted_by: NOBODY,
    },
    Row {
        column: "hanse_migrations.description",
        place: Place::Migrations,
        is_personal: false,
        what: Pair {
            en: "Its name; not about a person",
            de: "Ihr Name; nicht über eine Person",
        },
        why: AS_MIGRATION,
        how_long: AS_DATABASE,
        deleted_by: NOBODY,
    },
    Row {
        column: "hanse_migrations.installed_on",
        place: Place::Migrations,
        is_personal: false,
        what: Pair {
            en: "When it was made; not about a person",
            de: "Wann sie gemacht wurde; nicht über eine Person",
        },
        why: AS_MIGRATION,
        how_long: AS_DATABASE,
        deleted_by: NOBODY,
    },
    Row {
        column: "hanse_migrations.success",
        place: Place::Migrations,
        is_personal: false,
        what: Pair {
            en: "Whether it went through; not about a person",
            de: "Ob sie gelang; nicht über eine Person",
        },
        why: AS_MIGRATION,
        how_long: AS_DATABASE,
        deleted_by: NOBODY,
    },
    Row {
        column: "hanse_migrations.checksum",
        place: Place::Migrations,
        is_personal: false,
        what: Pair {
            en: "Its fingerprint; not about a person",
            de: "Ihr Fingerabdruck; nicht über eine Person",
        },
        why: AS_MIGRATION,
        how_long: AS_DATABASE,
        deleted_by: NOBODY,
    },
    Row {
        column: "hanse_migrations.execution_time",
        place: Place::Migrations,
        is_personal: false,
        what: Pair {
            en: "How long it took; not about a person",
            de: "Wie lange sie dauerte; nicht über eine Person",
        },
        why: AS_MIGRATION,
        how_long: AS_DATABASE,
        deleted_by: NOBODY,
    },
];
