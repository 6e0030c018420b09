//! What the focus must not forget when it is killed: delayed leaves that it has promised, who was admitted where, links for
//! guests and the guests who came by them, and which homeservers are blocked. SQLite by default, PostgreSQL by URL; one exam runs over both (`focus/service/tests/store/`).
//!
//! In: rows and times as arguments. Out: rows. What is acknowledged is on disk. Nothing here knows what a row means for
//! a call, no clock is read, and no row outlives what `docs/personal-data.md` says of it: each is deleted by whoever ends
//! its thing, and by [`Store::sweep`] at the latest.
//!
//! A [`Store`] acts as one process. Several on one PostgreSQL share the delayed leaves: each job has one owner, and who
//! does not [`claim`](Store::claim) in time loses its jobs to the others. An owner that was thought dead notices at its
//! next write, which changes nothing and says so.
//!
//! Where to look next: `rows.rs` for what is stored, `leaves.rs` for who owns what, `writer.rs` for how many writes share
//! one flush to disk, `focus/service/migrations` for the tables.

mod blocked;
mod config;
mod database;
mod guests;
mod leaves;
mod rows;
mod schema;
mod seats;
pub mod transfer;
mod writer;

pub use config::StoreConfig;
pub use rows::{AdmittedSeat, BlockedHomeserver, ProcessId, TEXT_BYTES_MAX};

use database::Database;
use std::fmt;
use writer::Writer;

/// Delayed leaves in one database. One more is refused with [`DatabaseError::Full`].
pub const LEAVES_MAX: u64 = 100_000;

/// Seats in one database. A seat more is refused with [`DatabaseError::Full`], so nobody else is admitted until some end.
pub const SEATS_MAX: u64 = 200_000;

/// Blocked homeservers in one database. One more is refused with [`DatabaseError::Full`].
pub const BLOCKED_MAX: u64 = 10_000;

/// Links for guests in one database. One more is refused with [`DatabaseError::Full`].
pub const GUEST_LINKS_MAX: u64 = 20_000;

/// Guests in one database. One more is refused with [`DatabaseError::Full`].
pub const GUESTS_MAX: u64 = 20_000;

/// A database, and the process that this handle acts as. Clones are the same database. `Debug` shows no URL.
#[derive(Clone)]
pub struct Store {
    database: Database,
    writer: Writer,
    process: ProcessId,
}

/// What [`Store::sweep`] deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Delayed leaves that nobody ended in time.
    pub leaves: u64,
    /// Seats past their age.
    pub seats: u64,
    /// Processes whose lease is over.
    pub processes: u64,
    /// Links for guests that open nothing any more.
    pub guest_links: u64,
    /// Guests whom the homeserver could not be made to erase for [`Store::GUEST_AGE_MAX_MS`].
    pub guests: u64,
}

/// Why the store did not do it. Sentences name no row's content and no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Not a URL of a database that we know.
    #[error("the store's URL is not understood: {0}")]
    Url(String),
    /// Another process has this SQLite file.
    #[error(
        "another hanse process uses the database {0}: stop that one, or let both use PostgreSQL, which they can share"
    )]
    InUse(String),
    /// A newer release was here. It stays as it is: going back could lose what only the newer one knows.
    #[error(
        "the database has schema version {found}, and this hanse knows versions up to {known}: a newer release has changed \
         it. Run that release or a later one, or give this one a database of its own"
    )]
    Newer {
        /// Version in the database.
        found: i64,
        /// The last one that we know.
        known: i64,
    },
    /// A store that is to be copied is of an older release.
    #[error(
        "the database has schema version {found}, and this hanse wants version {known}: start this hanse with it once, which \
         brings it up to date"
    )]
    Older {
        /// Version in the database.
        found: i64,
        /// The one that we want.
        known: i64,
    },
    /// A store that is to be read is not there.
    #[error("there is no database {0}")]
    Missing(String),
    /// A copy would mix with what is there.
    #[error("the database that is to be filled has rows in {0} already: name an empty one")]
    NotEmpty(&'static str),
    /// What was written is read back as something else. Nothing stays of it.
    #[error("what the new database says it has in {0} is not what was written, so nothing was kept")]
    Differs(&'static str),
    /// The tables are not what the migrations made, or a migration did not go through.
    #[error("the database's tables cannot be brought to what this hanse needs: {0}")]
    Schema(String),
    /// No connection, or not in time. What was asked may have been done.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The database refused a statement.
    #[error("the database refuses: {0}")]
    Refused(String),
    /// No room for one more row.
    #[error("the store has no room for more {0}")]
    Full(&'static str),
    /// A value that cannot be stored.
    #[error("{0} cannot be stored: it is longer than {TEXT_BYTES_MAX} bytes or has a NUL in it")]
    Unfit(&'static str),
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("shared", &self.database.is_shared())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at a URL, makes what is missing and brings its tables up to date.
    ///
    /// - `sqlite:PATH` (or `sqlite::memory:` for tests): the file is made if it is not there, readable by its owner only,
    ///   and belongs to one process at a time.
    /// - `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full&sslrootcert=FILE`: the database must exist; a folder
    ///   as `host=` means its socket.
    ///
    /// Call it within a Tokio runtime: one task of the store writes.
    ///
    /// # Errors
    /// [`DatabaseError::Url`], [`DatabaseError::InUse`], [`DatabaseError::Newer`], [`DatabaseError::Schema`],
    /// [`DatabaseError::Unreachable`].
    pub async fn open(url: &str) -> Result<Self, DatabaseError> {
        let database = Database::open(url).await?;
        if let Err(error) = schema::migrate(&database).await {
            // A connection that could hold the migrations' lock does not go back to the pool.
            database.close().await;
            return Err(error);
        }
        let store = Store {
            writer: Writer::start(database.clone()),
            process: ProcessId::random()?,
            database,
        };
        if !store.database.is_shared() {
            // Whoever had this file is gone, or it could not have been opened: its jobs need not wait for its lease.
            store.writer.write(leaves::release_all()).await?;
        }
        Ok(store)
    }

    /// The process that this handle acts as: a new name each time that a database is opened.
    pub fn process(&self) -> &ProcessId {
        &self.process
    }

    /// The same database, acting as another process.
    #[must_use]
    pub fn acting_as(&self, process: ProcessId) -> Self {
        Store {
            process,
            ..self.clone()
        }
    }

    /// Deletes what nobody ended in time: seats that are older than [`Store::SEAT_AGE_MAX_MS`], delayed leaves that are
    /// over since [`Store::LEAVE_GRACE_MS`], processes whose lease has ended, links for guests that open nothing any more, and
    /// guests whose time was over [`Store::GUEST_AGE_MAX_MS`] ago. Call it every few minutes.
    ///
    /// # Errors
    /// [`DatabaseError::Unreachable`] or [`DatabaseError::Refused`]; the next sweep deletes what this one did not.
    pub async fn sweep(&self, now_ms: u64) -> Result<Swept, DatabaseError> {
        let statements = vec![
            leaves::sweep(now_ms.saturating_sub(Self::LEAVE_GRACE_MS)),
            seats::sweep(now_ms.saturating_sub(Self::SEAT_AGE_MAX_MS)),
            leaves::sweep_processes(now_ms),
            guests::sweep_links(now_ms),
            guests::sweep_guests(now_ms.saturating_sub(Self::GUEST_AGE_MAX_MS)),
        ];
        let mut deleted = self.writer.write_all(statements).await?.into_iter();
        let mut next = || deleted.next().unwrap_or(0);
        let swept = Swept {
            leaves: next(),
            seats: next(),
            processes: next(),
            guest_links: next(),
            guests: next(),
        };
        self.database.forget_deleted().await?;
        Ok(swept)
    }

    /// Ends all connections once what is being written is written. Later calls on any clone are refused.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Milliseconds after admission at which a seat's row goes, whatever became of the seat.
    pub const SEAT_AGE_MAX_MS: u64 = 24 * 60 * 60 * 1000;

    /// Milliseconds for which it is tried to have a guest erased whose time is over: 30 days.
    pub const GUEST_AGE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;

    /// Milliseconds for which a delayed leave stays after it has fired at the homeserver by itself: as long as the
    /// focus may still try to send it.
    pub const LEAVE_GRACE_MS: u64 = 60 * 60 * 1000;
}
