//! Fresh databases of both kinds. PostgreSQL is a throw-away server that the first test that wants it starts.

use hanse_focus::store::{DatabaseError, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What to do when PostgreSQL is not there. These tests never pass without it.
const INSTALL: &str = "PostgreSQL's programs are not on this machine: run `cargo xtask test`, which installs what is \
                       missing, or install them (Debian calls it: postgresql)";

/// An empty database of its own.
pub struct Fresh {
    url: String,
    /// Where SQLite's file is; removed with the value.
    folder: Option<PathBuf>,
}

/// A connection beside the store's, to look at what it wrote and to put things in its way.
pub enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("hanse_store_{}_{count}", std::process::id())
}

impl Fresh {
    pub fn sqlite() -> Self {
        let folder = std::env::temp_dir().join(name());
        std::fs::create_dir(&folder).unwrap();
        Fresh {
            url: format!("sqlite:{}/hanse.db", folder.display()),
            folder: Some(folder),
        }
    }

    pub async fn postgres() -> Self {
        let socket = tokio::task::spawn_blocking(Server::socket).await.unwrap();
        let url_of = |database: &str| format!("postgres://hanse@localhost/{database}?host={socket}");
        let name = name();
        let mut server = PgConnection::connect(&url_of("postgres")).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut server)
            .await
            .unwrap();
        Fresh {
            url: url_of(&name),
            folder: None,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// SQLite's file.
    pub fn file(&self) -> PathBuf {
        self.folder.as_ref().unwrap().join("hanse.db")
    }

    pub fn is_sqlite(&self) -> bool {
        self.folder.is_some()
    }

    pub async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    pub async fn try_open(&self) -> Result<Store, DatabaseError> {
        Store::open(&self.url).await
    }

    /// Of a database that nobody has opened yet.
    pub async fn raw_new(&self) -> Raw {
        if self.is_sqlite() {
            std::fs::File::create_new(self.file()).unwrap();
        }
        self.raw().await
    }

    pub async fn raw(&self) -> Raw {
        if self.is_sqlite() {
            Raw::Sqlite(SqliteConnection::connect(&self.url).await.unwrap())
        } else {
            Raw::Postgres(PgConnection::connect(&self.url).await.unwrap())
        }
    }
}

impl fmt::Display for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_sqlite() { "SQLite" } else { "PostgreSQL" })
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Raw {
    pub async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Raw::Sqlite(connection) => sqlx::query(sql).execute(connection).await.map(|_| ()),
            Raw::Postgres(connection) => sqlx::query(sql).execute(connection).await.map(|_| ()),
        }
        .unwrap();
    }

    pub async fn count(&mut self, table: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        match self {
            Raw::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await,
            Raw::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await,
        }
        .unwrap()
    }

    /// The texts of the first column.
    pub async fn texts(&mut self, sql: &'static str) -> Vec<String> {
        match self {
            Raw::Sqlite(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
            Raw::Postgres(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
        }
        .unwrap()
    }
}

/// PostgreSQL for this run of the tests. It ends when the pipe to it closes, so with this process at the latest.
struct Server {
    socket: String,
    _process: Child,
}

impl Server {
    /// The folder of its socket.
    fn socket() -> String {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Server::start).socket.clone()
    }

    fn start() -> Self {
        let programs = programs().expect(INSTALL);
        // PostgreSQL refuses to run as root; Debian's package brings a user for it.
        let mut shell = if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            let mut shell = Command::new("runuser");
            shell.args(["-u", "postgres", "--", "sh"]).env_remove("TMPDIR");
            shell
        } else {
            Command::new("sh")
        };
        let mut process = shell
            .args(["-c", include_str!("postgres.sh"), "sh"])
            .arg(&programs)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut socket = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut socket)
            .unwrap();
        assert!(
            !socket.is_empty(),
            "PostgreSQL in {} did not start; it says why above",
            programs.display()
        );
        Server {
            socket: socket.trim().to_owned(),
            _process: process,
        }
    }
}

/// The folder of `initdb` and the rest: on the path, or where Debian has it, the newest.
fn programs() -> Option<PathBuf> {
    let is_there = |folder: &Path| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = debian
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| is_there(folder))
        .max();
    std::env::split_paths(&path)
        .find(|folder| is_there(folder))
        .or(newest.map(|(_, folder)| folder))
}
