//! What the bot must not forget: people's zones, meetings, questions that a reaction answers, and what is still to be done outside.
//!
//! In: rows and times as arguments. Out: rows. What is acknowledged is on disk. It knows nothing of Matrix, reads no clock, and holds
//! nothing that was said but what became of it.
//!
//! One owner ([`crate::desk::Desk`]) has it, so nothing here guards against a second one. The exception are the tables `token` and `hook`:
//! the command line writes single rows of them while the bot runs, and the bot reads them each time; SQLite has either wait for the other.

mod jobs;
mod meetings;
mod people;
mod programs;

pub use jobs::Job;
pub use meetings::{Due, Listed};
pub use people::Person;
pub use programs::{Hash, Hook, Token};

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection};
use std::borrow::Cow;
use std::path::Path;

/// The database file in the data folder.
const FILE: &str = "meetings.db";

/// The tables, and how they came to be. What was released is never edited; the next one mends it.
const STEPS: [(&str, &str); 1] = [("meetings", include_str!("../../migrations/1_meetings.sql"))];

fn migrator() -> Migrator {
    let steps = (1..).zip(STEPS).map(|(version, (name, sql))| {
        Migration::new(
            version,
            Cow::Borrowed(name),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(steps.collect())
}

/// The bot's database.
pub struct Store {
    connection: SqliteConnection,
}

/// Why the store did not do it. Sentences name no row's content.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not open, or refuses.
    #[error("the database refuses: {0}")]
    Database(#[from] sqlx::Error),
    /// Its tables are not what this release makes.
    #[error("the database's tables cannot be brought to what this release needs: {0}")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// A row that is not what was written.
    #[error("a row of {0} cannot be read")]
    Row(&'static str),
}

impl Store {
    /// Opens the database in this folder, or makes it.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn open(folder: &Path) -> Result<Store, StoreError> {
        Store::with(SqliteConnectOptions::new().filename(folder.join(FILE))).await
    }

    /// A database that is gone with its handle.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub async fn in_memory() -> Result<Store, StoreError> {
        Store::with(SqliteConnectOptions::new().in_memory(true)).await
    }

    async fn with(options: SqliteConnectOptions) -> Result<Store, StoreError> {
        let options = options
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // What is deleted is overwritten.
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        migrator().run(&mut connection).await?;
        Ok(Store { connection })
    }

    /// Takes part in everything that `change` does, or in nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        Ok(())
    }

    pub(crate) async fn roll_back(&mut self) -> Result<(), StoreError> {
        sqlx::query("ROLLBACK").execute(&mut self.connection).await?;
        Ok(())
    }

    /// Closes the file.
    ///
    /// # Errors
    /// When SQLite cannot write the last of it.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }
}
