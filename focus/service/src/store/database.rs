//! The two databases behind one face. Statements are the same text for both: `$1` is a parameter in either, and
//! `ON CONFLICT` and `RETURNING` mean the same.

use super::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, FromRow};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Connections to PostgreSQL of one process: the writer's, and some that read beside it. More would wait for the same
/// disk.
const POSTGRES_CONNECTIONS_MAX: u32 = 4;

/// Whoever waits this long for a connection is told that the database cannot be reached.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whoever waits this long for an answer is told so: a server that hangs must not hang us. Shorter than what the delayed
/// leaves wait for the store.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// How long SQLite waits for another program, a backup for instance, that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One value of a statement.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Absent,
}

/// A text and its values, in the order of `$1`, `$2` and so on.
#[derive(Clone)]
pub(super) struct Statement {
    pub sql: &'static str,
    pub values: Vec<Value>,
    /// The table that it may make longer.
    pub grows: Option<Growing>,
}

impl Statement {
    pub fn new<const N: usize>(sql: &'static str, values: [Value; N]) -> Self {
        Statement {
            sql,
            values: values.into(),
            grows: None,
        }
    }

    /// One that may add a row.
    pub fn growing(self, table: Growing) -> Self {
        Statement {
            grows: Some(table),
            ..self
        }
    }
}

/// A table with a limit.
#[derive(Clone, Copy)]
pub(super) struct Growing {
    /// What its rows are: its name in the sentence of a refusal.
    pub what: &'static str,
    pub count: &'static str,
    pub rows_max: u64,
}

#[derive(Clone)]
pub(super) enum Database {
    Sqlite {
        pool: SqlitePool,
        /// Held as long as the file is in use; `None` in memory.
        lock: Option<Arc<File>>,
    },
    Postgres {
        pool: PgPool,
    },
}

/// The query of a statement. A macro, since the type is another one for each database.
macro_rules! query {
    ($constructor:path, $statement:expr) => {{
        let mut query = $constructor($statement.sql);
        for value in $statement.values.clone() {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
                Value::Absent => query.bind(Option::<String>::None),
            };
        }
        query
    }};
}

/// All statements in one transaction that has begun.
macro_rules! execute_within {
    ($transaction:expr, $statements:expr) => {{
        let mut transaction = $transaction;
        let mut changed = Vec::with_capacity($statements.len());
        for statement in $statements {
            let result = query!(sqlx::query, statement).execute(&mut *transaction).await?;
            changed.push(result.rows_affected());
        }
        transaction.commit().await?;
        Ok(changed)
    }};
}

impl Database {
    pub async fn open(url: &str) -> Result<Self, DatabaseError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Self::open_sqlite(url).await,
            Some("postgres" | "postgresql") => Self::open_postgres(url).await,
            _ => Err(DatabaseError::Url(
                "it begins with sqlite: or postgres:, for instance sqlite:hanse.db or postgres://hanse@localhost/hanse"
                    .to_owned(),
            )),
        }
    }

    async fn open_sqlite(url: &str) -> Result<Self, DatabaseError> {
        let options =
            SqliteConnectOptions::from_str(url).map_err(|error| DatabaseError::Url(error.to_string()))?;
        let in_memory = url.contains(":memory:");
        let lock = if in_memory {
            None
        } else {
            Some(Arc::new(take_file(options.get_filename())?))
        };
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            // Flushed at each commit: what is acknowledged survives a power cut too.
            .synchronous(SqliteSynchronous::Full)
            // What is deleted is overwritten.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        // One connection: SQLite writes one at a time, and a database in memory is its connection.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(unreachable_or_refused)?;
        Ok(Database::Sqlite { pool, lock })
    }

    async fn open_postgres(url: &str) -> Result<Self, DatabaseError> {
        // sqlx quotes parts of a URL in its errors, and a URL may hold a password.
        let options = PgConnectOptions::from_str(url).map_err(|_| {
            DatabaseError::Url(
                "PostgreSQL is expected as postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full"
                    .to_owned(),
            )
        })?;
        let options = options.application_name("hanse").disable_statement_logging();
        // Once without the pool, which would try again and again, and then say no more than that the time is up.
        let trial = in_time(options.connect()).await.map_err(unreachable_or_refused)?;
        in_time(trial.close()).await.map_err(unreachable_or_refused)?;
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        Ok(Database::Postgres { pool })
    }

    /// Whether several processes may use it at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self, Database::Postgres { .. })
    }

    pub async fn close(&self) {
        match self {
            Database::Sqlite { pool, lock } => {
                pool.close().await;
                if let Some(lock) = lock {
                    // Dropping the last clone would do it too, but nobody waits for that.
                    let _ = lock.unlock();
                }
            }
            Database::Postgres { pool } => pool.close().await,
        }
    }

    /// All of the statements, or none: how many rows each has changed.
    pub async fn execute(&self, statements: &[&Statement]) -> Result<Vec<u64>, sqlx::Error> {
        in_time(async {
            match self {
                Database::Sqlite { pool, .. } => {
                    execute_within!(pool.begin_with("BEGIN IMMEDIATE").await?, statements)
                }
                Database::Postgres { pool } => execute_within!(pool.begin().await?, statements),
            }
        })
        .await
    }

    /// The rows that a statement selects or returns.
    pub async fn rows<Row>(&self, statement: &Statement) -> Result<Vec<Row>, DatabaseError>
    where
        Row: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>,
    {
        let rows = in_time(async {
            match self {
                Database::Sqlite { pool, .. } => query!(sqlx::query_as, statement).fetch_all(pool).await,
                Database::Postgres { pool } => query!(sqlx::query_as, statement).fetch_all(pool).await,
            }
        });
        rows.await.map_err(unreachable_or_refused)
    }

    /// Like [`Database::rows`], after another statement and alone: nobody else is between the two, and nobody else who
    /// calls this is within either. PostgreSQL needs the statement `lock` for that.
    pub async fn rows_alone<Row>(
        &self,
        lock: &'static str,
        first: &Statement,
        then: &Statement,
    ) -> Result<Vec<Row>, DatabaseError>
    where
        Row: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>,
    {
        let rows = in_time(async {
            match self {
                Database::Sqlite { pool, .. } => {
                    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                    query!(sqlx::query, first).execute(&mut *transaction).await?;
                    let rows = query!(sqlx::query_as, then).fetch_all(&mut *transaction).await?;
                    transaction.commit().await?;
                    Ok(rows)
                }
                Database::Postgres { pool } => {
                    let mut transaction = pool.begin().await?;
                    sqlx::query(lock).execute(&mut *transaction).await?;
                    query!(sqlx::query, first).execute(&mut *transaction).await?;
                    let rows = query!(sqlx::query_as, then).fetch_all(&mut *transaction).await?;
                    transaction.commit().await?;
                    Ok(rows)
                }
            }
        });
        rows.await.map_err(unreachable_or_refused)
    }

    /// Takes what was deleted out of SQLite's log of changes too, where it would stay until the log is written over.
    /// PostgreSQL does the like by itself (autovacuum).
    pub async fn forget_deleted(&self) -> Result<(), DatabaseError> {
        if let Database::Sqlite { pool, .. } = self {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(pool)
                .await
                .map_err(unreachable_or_refused)?;
        }
        Ok(())
    }
}

/// Makes the file if it is missing, for its owner's eyes only (SQLite gives its log the same mode), and keeps other
/// processes out as long as the returned file is open. The kernel lets go of it however the process ends. A file beside
/// it is locked, not the database itself, whose locks SQLite manages.
fn take_file(path: &Path) -> Result<File, DatabaseError> {
    let lock = lock_beside(path)?;
    open(path)?;
    Ok(lock)
}

/// The lock alone.
pub(super) fn lock_beside(path: &Path) -> Result<File, DatabaseError> {
    let mut lock_name = path.as_os_str().to_owned();
    lock_name.push("-lock");
    let lock = open(Path::new(&lock_name))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DatabaseError::InUse(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(cannot_open(path, &error)),
    }
}

fn open(path: &Path) -> Result<File, DatabaseError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| cannot_open(path, &error))
}

fn cannot_open(path: &Path, error: &std::io::Error) -> DatabaseError {
    DatabaseError::Unreachable(format!(
        "{} cannot be opened for writing: {error}",
        path.display()
    ))
}

/// The answer, unless it does not come.
async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let too_slow = || std::io::Error::new(std::io::ErrorKind::TimedOut, "it does not answer in time");
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::Io(too_slow())),
    }
}

/// What our callers can tell apart. The texts are the database's own, without the values of a statement.
pub(super) fn unreachable_or_refused(error: sqlx::Error) -> DatabaseError {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => DatabaseError::Unreachable(error.to_string()),
        error => DatabaseError::Refused(error.to_string()),
    }
}
