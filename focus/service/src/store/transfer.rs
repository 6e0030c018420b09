//! Everything of a store in one go: from SQLite to PostgreSQL, back, and into a file for a backup.
//!
//! A copy is one transaction at the target, and what was written is read again and compared before it ends. So a copier
//! that is killed leaves a target that is as it was; the source is only read.
//!
//! Whoever adds a table or a column adds it to [`TABLES`], and a test (`focus/service/tests/store/transfer.rs`) says so.

use super::DatabaseError;
use super::database::{Database, Value, lock_beside, unreachable_or_refused};
use super::rows::stored_ms;
use super::schema::{self, MIGRATIONS_TABLE};
use aws_lc_rs::digest::{Context, SHA256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

/// Rows of one statement. Times the columns of the widest table it stays below the 32,766 values that SQLite takes.
const ROWS_PER_STATEMENT: usize = 500;

/// A column as it is copied.
enum Column {
    Text(&'static str),
    Number(&'static str),
}

impl Column {
    fn name(&self) -> &'static str {
        match self {
            Column::Text(name) | Column::Number(name) => name,
        }
    }
}

/// A table as it is copied.
struct Table {
    name: &'static str,
    columns: &'static [Column],
}

/// All tables, as the migrations make them.
const TABLES: [Table; 6] = [
    Table {
        name: "delayed_leaves",
        columns: &[
            Column::Text("sfu_room"),
            Column::Text("identity"),
            Column::Text("other_identity"),
            Column::Text("server"),
            Column::Text("delay_id"),
            Column::Number("delay_ms"),
            Column::Number("restarted_at_ms"),
            Column::Text("state"),
            Column::Text("owner"),
        ],
    },
    Table {
        name: "processes",
        columns: &[Column::Text("process"), Column::Number("lease_until_ms")],
    },
    Table {
        name: "seats",
        columns: &[
            Column::Text("sfu_room"),
            Column::Text("identity"),
            Column::Text("room_id"),
            Column::Text("user_id"),
            Column::Number("admitted_at_ms"),
        ],
    },
    Table {
        name: "blocked_homeservers",
        columns: &[Column::Text("server"), Column::Number("blocked_at_ms")],
    },
    Table {
        name: "guest_links",
        columns: &[
            Column::Text("id"),
            Column::Text("room_id"),
            Column::Text("made_by"),
            Column::Text("secret_hash"),
            Column::Text("spoken_hash"),
            Column::Text("passcode_hash"),
            Column::Number("uses_max"),
            Column::Number("uses"),
            Column::Number("tries"),
            Column::Number("expires_at_ms"),
        ],
    },
    Table {
        name: "guests",
        columns: &[
            Column::Text("user_id"),
            Column::Text("link_id"),
            Column::Text("room_id"),
            Column::Text("token_hash"),
            Column::Text("state"),
            Column::Number("entered_at_ms"),
            Column::Number("ends_at_ms"),
        ],
    },
];

/// Keeps everybody else from writing until the transaction ends.
const LOCK_POSTGRES: &str = "LOCK TABLE delayed_leaves, processes, seats, blocked_homeservers, guest_links, guests IN ACCESS EXCLUSIVE MODE";

/// Reads a table, in the order of its bytes. A macro, since connections are another type for each database.
macro_rules! rows_of {
    ($connection:expr, $table:expr) => {{
        let found = sqlx::query(AssertSqlSafe(select($table)))
            .fetch_all($connection)
            .await
            .map_err(unreachable_or_refused)?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            let mut values = Vec::with_capacity($table.columns.len());
            for (index, column) in $table.columns.iter().enumerate() {
                values.push(
                    match column {
                        Column::Text(_) => row
                            .try_get::<Option<String>, _>(index)
                            .map(|text| text.map_or(Value::Absent, Value::Text)),
                        Column::Number(_) => row.try_get::<i64, _>(index).map(Value::Number),
                    }
                    .map_err(unreachable_or_refused)?,
                );
            }
            rows.push(values);
        }
        rows.sort_unstable();
        rows
    }};
}

/// Empties, fills and compares, in a transaction that has begun.
macro_rules! write_within {
    ($transaction:expr, $all:expr, $target:expr) => {{
        for (table, rows) in TABLES.iter().zip($all) {
            if $target == Target::Replaced {
                sqlx::query(AssertSqlSafe(format!("DELETE FROM {}", table.name)))
                    .execute(&mut *$transaction)
                    .await
                    .map_err(unreachable_or_refused)?;
            } else if !rows_of!(&mut *$transaction, table).is_empty() {
                return Err(DatabaseError::NotEmpty(table.name));
            }
            for some in rows.chunks(ROWS_PER_STATEMENT) {
                let mut query = sqlx::query(AssertSqlSafe(insert(table, some.len())));
                for value in some.iter().flatten().cloned() {
                    query = match value {
                        Value::Text(text) => query.bind(text),
                        Value::Number(number) => query.bind(number),
                        Value::Absent => query.bind(Option::<String>::None),
                    };
                }
                query
                    .execute(&mut *$transaction)
                    .await
                    .map_err(unreachable_or_refused)?;
            }
        }
        let mut census = Vec::new();
        for (table, rows) in TABLES.iter().zip($all) {
            let written = count(table, &rows_of!(&mut *$transaction, table));
            if written != count(table, rows) {
                return Err(DatabaseError::Differs(table.name));
            }
            census.push(written);
        }
        $transaction.commit().await.map_err(unreachable_or_refused)?;
        Ok(census)
    }};
}

/// What a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows {
    /// Its name.
    pub table: &'static str,
    /// How many.
    pub rows: usize,
    /// SHA-256 of all of them, in hexadecimal: the same for the same rows in either kind of database.
    pub digest: String,
}

/// Names and columns of all tables that are copied, for whoever compares them with a database.
pub fn copied_columns() -> Vec<(&'static str, Vec<&'static str>)> {
    let columns = |table: &Table| table.columns.iter().map(Column::name).collect();
    TABLES.iter().map(|table| (table.name, columns(table))).collect()
}

/// What a target may have in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing; otherwise the copy is refused.
    Empty,
    /// Anything; it is deleted in the same transaction.
    Replaced,
}

/// Copies a store into the database at another URL, whose tables are made if they are missing. Both must be out of use.
///
/// # Errors
/// [`DatabaseError::InUse`], [`DatabaseError::Missing`], [`DatabaseError::Older`] and [`DatabaseError::Newer`] of the
/// source; [`DatabaseError::NotEmpty`] and [`DatabaseError::Differs`] of the target; and what opening may say. The target
/// has what it had then, besides tables.
pub async fn transfer(
    from: &str,
    to: &str,
    target: Target,
    now_ms: u64,
) -> Result<Vec<TableRows>, DatabaseError> {
    let source = existing(from).await?;
    let outcome = async {
        let rows = all_rows(&source, now_ms).await?;
        let database = Database::open(to).await?;
        let outcome = async {
            schema::migrate(&database).await?;
            write(&database, &rows, target).await
        }
        .await;
        database.close().await;
        outcome
    }
    .await;
    source.close().await;
    outcome
}

/// Keeps a store in an SQLite file from being used by anybody else until it is dropped. One in PostgreSQL has no such thing.
///
/// # Errors
/// [`DatabaseError::InUse`], [`DatabaseError::Url`], [`DatabaseError::Unreachable`].
pub fn hold(url: &str) -> Result<Option<Held>, DatabaseError> {
    if !url.starts_with("sqlite:") {
        return Ok(None);
    }
    let options =
        SqliteConnectOptions::from_str(url).map_err(|error| DatabaseError::Url(error.to_string()))?;
    let lock = lock_beside(options.get_filename())?;
    Ok(Some(Held { _lock: lock }))
}

/// See [`hold`].
pub struct Held {
    _lock: File,
}

/// Whether a store in PostgreSQL has no rows; one without tables gets them.
///
/// # Errors
/// As [`super::Store::open`].
pub async fn is_empty(url: &str) -> Result<bool, DatabaseError> {
    let database = Database::open(url).await?;
    let outcome = async {
        schema::migrate(&database).await?;
        let all = all_rows(&database, u64::MAX).await?;
        Ok(all.iter().all(Vec::is_empty))
    }
    .await;
    database.close().await;
    outcome
}

/// Replaces everything in a store by what is in an SQLite file, which may be of an older release: it is brought up to date
/// first.
///
/// # Errors
/// As [`transfer`].
pub async fn fill(url: &str, file: &Path) -> Result<Vec<TableRows>, DatabaseError> {
    let source = format!("sqlite:{}", file.display());
    let database = existing(&source).await?;
    let outcome = schema::migrate(&database).await;
    database.close().await;
    outcome?;
    let outcome = transfer(&source, url, Target::Replaced, u64::MAX).await;
    let _ = std::fs::remove_file(format!("{}-lock", file.display()));
    outcome
}

/// Writes what a store has at one moment into a new SQLite file, for its owner's eyes only. SQLite's store may be in use;
/// one in PostgreSQL may, too.
///
/// # Errors
/// [`DatabaseError::Missing`], [`DatabaseError::Older`], [`DatabaseError::Newer`], [`DatabaseError::Unreachable`],
/// [`DatabaseError::Refused`]: a file may be left then.
pub async fn snapshot(url: &str, file: &Path) -> Result<Vec<TableRows>, DatabaseError> {
    let cannot = |error: std::io::Error| {
        DatabaseError::Unreachable(format!("{} cannot be written: {error}", file.display()))
    };
    // SQLite fills a file that is there and empty, and leaves its mode as it is.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(cannot)?;
    let name = file.to_str().ok_or_else(|| {
        DatabaseError::Url("the name of a file for a snapshot must be plain text".to_owned())
    })?;
    if url.starts_with("sqlite:") {
        let mut live = connect(url).await?;
        check_version(versions_of(&mut live).await?)?;
        sqlx::query("VACUUM INTO $1")
            .bind(name)
            .execute(&mut live)
            .await
            .map_err(unreachable_or_refused)?;
        live.close().await.map_err(unreachable_or_refused)?;
    } else {
        let source = existing(url).await?;
        let rows = all_rows(&source, u64::MAX).await;
        source.close().await;
        let database = Database::open(&format!("sqlite:{name}")).await?;
        let written = async {
            schema::migrate(&database).await?;
            write(&database, &rows?, Target::Empty).await
        }
        .await;
        database.close().await;
        let _ = std::fs::remove_file(format!("{name}-lock"));
        written?;
    }
    examine(file).await
}

/// Looks whether an SQLite file is a whole store that this release understands, and what is in it.
///
/// # Errors
/// [`DatabaseError::Schema`] for one that is damaged or something else, [`DatabaseError::Newer`], and what reading may say.
pub async fn examine(file: &Path) -> Result<Vec<TableRows>, DatabaseError> {
    let mut connection = connect(&format!("sqlite:{}", file.display())).await?;
    let outcome = async {
        let sound: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&mut connection)
            .await
            .map_err(unreachable_or_refused)?;
        if sound != "ok" {
            return Err(DatabaseError::Schema("the file is damaged".to_owned()));
        }
        match versions_of(&mut connection).await? {
            Some(version) if version > schema::version() => Err(DatabaseError::Newer {
                found: version,
                known: schema::version(),
            }),
            Some(_) => Ok(()),
            None => Err(DatabaseError::Schema("it is no store of hanse".to_owned())),
        }?;
        let mut census = Vec::new();
        for table in &TABLES {
            let rows = rows_of!(&mut connection, table);
            census.push(count(table, &rows));
        }
        Ok(census)
    }
    .await;
    let _ = connection.close().await;
    outcome
}

type Rows = Vec<Vec<Value>>;

async fn write(database: &Database, all: &[Rows], target: Target) -> Result<Vec<TableRows>, DatabaseError> {
    match database {
        Database::Sqlite { pool, .. } => {
            let mut transaction = pool
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map_err(unreachable_or_refused)?;
            write_within!(transaction, all, target)
        }
        Database::Postgres { pool } => {
            let mut transaction = pool.begin().await.map_err(unreachable_or_refused)?;
            sqlx::query(LOCK_POSTGRES)
                .execute(&mut *transaction)
                .await
                .map_err(unreachable_or_refused)?;
            write_within!(transaction, all, target)
        }
    }
}

/// Everything at one moment. A store on which a process still has a lease at `now_ms` is in use.
async fn all_rows(database: &Database, now_ms: u64) -> Result<Vec<Rows>, DatabaseError> {
    let mut all = Vec::with_capacity(TABLES.len());
    match database {
        Database::Sqlite { pool, .. } => {
            let mut transaction = pool.begin().await.map_err(unreachable_or_refused)?;
            check_version(versions_of(&mut transaction).await?)?;
            for table in &TABLES {
                all.push(rows_of!(&mut *transaction, table));
            }
        }
        Database::Postgres { pool } => {
            let mut transaction = pool
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
                .map_err(unreachable_or_refused)?;
            let versions = format!("SELECT max(version) FROM {MIGRATIONS_TABLE}");
            let version: Option<i64> = sqlx::query_scalar(AssertSqlSafe(versions))
                .fetch_one(&mut *transaction)
                .await
                .map_err(no_store)?;
            check_version(version)?;
            let in_use: i64 = sqlx::query_scalar("SELECT count(*) FROM processes WHERE lease_until_ms > $1")
                .bind(stored_ms(now_ms))
                .fetch_one(&mut *transaction)
                .await
                .map_err(unreachable_or_refused)?;
            if in_use > 0 {
                return Err(DatabaseError::InUse("in PostgreSQL".to_owned()));
            }
            for table in &TABLES {
                all.push(rows_of!(&mut *transaction, table));
            }
        }
    }
    Ok(all)
}

/// A database that is read and must be there.
async fn existing(url: &str) -> Result<Database, DatabaseError> {
    if url.starts_with("sqlite:") {
        sqlite_file(url)?;
    }
    Database::open(url).await
}

fn sqlite_file(url: &str) -> Result<SqliteConnectOptions, DatabaseError> {
    let options =
        SqliteConnectOptions::from_str(url).map_err(|error| DatabaseError::Url(error.to_string()))?;
    if !options.get_filename().is_file() {
        return Err(DatabaseError::Missing(
            options.get_filename().display().to_string(),
        ));
    }
    Ok(options)
}

/// A connection beside that of a process that uses the file.
async fn connect(url: &str) -> Result<SqliteConnection, DatabaseError> {
    let options = sqlite_file(url)?.disable_statement_logging();
    options.connect().await.map_err(unreachable_or_refused)
}

async fn versions_of(connection: &mut SqliteConnection) -> Result<Option<i64>, DatabaseError> {
    let versions = format!("SELECT max(version) FROM {MIGRATIONS_TABLE}");
    sqlx::query_scalar(AssertSqlSafe(versions))
        .fetch_one(connection)
        .await
        .map_err(no_store)
}

fn no_store(error: sqlx::Error) -> DatabaseError {
    match unreachable_or_refused(error) {
        DatabaseError::Refused(_) => DatabaseError::Schema("it is no store of hanse".to_owned()),
        error => error,
    }
}

fn check_version(found: Option<i64>) -> Result<(), DatabaseError> {
    let known = schema::version();
    match found {
        Some(found) if found == known => Ok(()),
        Some(found) if found > known => Err(DatabaseError::Newer { found, known }),
        Some(found) => Err(DatabaseError::Older { found, known }),
        None => Err(DatabaseError::Schema("it is no store of hanse".to_owned())),
    }
}

fn names(table: &Table) -> String {
    let names: Vec<&str> = table.columns.iter().map(Column::name).collect();
    names.join(", ")
}

fn select(table: &Table) -> String {
    format!("SELECT {} FROM {}", names(table), table.name)
}

fn insert(table: &Table, rows: usize) -> String {
    let width = table.columns.len();
    let groups: Vec<String> = (0..rows)
        .map(|row| {
            let places: Vec<String> = (1..=width)
                .map(|column| format!("${}", row * width + column))
                .collect();
            format!("({})", places.join(", "))
        })
        .collect();
    format!(
        "INSERT INTO {} ({}) VALUES {}",
        table.name,
        names(table),
        groups.join(", ")
    )
}

/// Each value with its kind and length, so that no two tables look alike.
fn count(table: &Table, rows: &Rows) -> TableRows {
    let mut digest = Context::new(&SHA256);
    for value in rows.iter().flatten() {
        match value {
            Value::Text(text) => {
                digest.update(b"t");
                digest.update(&text.len().to_be_bytes());
                digest.update(text.as_bytes());
            }
            Value::Number(number) => {
                digest.update(b"n");
                digest.update(&number.to_be_bytes());
            }
            Value::Absent => digest.update(b"-"),
        }
    }
    let digest = digest.finish();
    TableRows {
        table: table.name,
        rows: rows.len(),
        digest: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
