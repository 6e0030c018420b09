//! The tables, and how they came to be: migrations, applied in order, each exactly once. One that was released is never
//! edited; the next one mends it.

use super::DatabaseError;
use super::database::Database;
use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use std::borrow::Cow;

/// Where the database notes which migrations it has had. Not sqlx's usual name, under which other services that share a
/// PostgreSQL database by mistake keep theirs.
pub(super) const MIGRATIONS_TABLE: &str = "hanse_migrations";

/// A step, in the words of each database.
struct Step {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// Version 1 is the first of them, and so on.
const STEPS: [Step; 2] = [
    Step {
        name: "first",
        sqlite: include_str!("../../migrations/sqlite/0001_first.sql"),
        postgres: include_str!("../../migrations/postgres/0001_first.sql"),
    },
    Step {
        name: "guests",
        sqlite: include_str!("../../migrations/sqlite/0002_guests.sql"),
        postgres: include_str!("../../migrations/postgres/0002_guests.sql"),
    },
];

/// The last version that we know.
pub(super) fn version() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Applies what is missing.
pub(super) async fn migrate(database: &Database) -> Result<(), DatabaseError> {
    let outcome = match database {
        Database::Sqlite { pool, .. } => migrator(|step| step.sqlite).run(pool).await,
        Database::Postgres { pool } => migrator(|step| step.postgres).run(pool).await,
    };
    outcome.map_err(|error| match error {
        MigrateError::VersionMissing(found) => DatabaseError::Newer {
            found,
            known: version(),
        },
        MigrateError::VersionMismatch(version) => DatabaseError::Schema(format!(
            "migration {version} was another one when it was applied; has an unreleased hanse used this database?"
        )),
        error => DatabaseError::Schema(error.to_string()),
    })
}

fn migrator(text: impl Fn(&Step) -> &'static str) -> Migrator {
    let migrations = (1..)
        .zip(&STEPS)
        .map(|(version, step)| {
            let sql = text(step).into_sql_str();
            Migration::new(
                version,
                Cow::Borrowed(step.name),
                MigrationType::Simple,
                sql,
                false,
            )
        })
        .collect();
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator
}
