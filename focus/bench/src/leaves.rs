//! Delayed leaves: what it costs to hold many, how soon they are taken up after a restart, and that none is lost by a kill.

use crate::figures::{Figures, Target};
use crate::postgres::Server;
use crate::stand_ins::GONE;
use anyhow::{Context, ensure};
use hanse_focus::LeaveChange;
use hanse_focus::delayed_leave::{LeaveJob, LeaveState, Seat};
use hanse_focus::store::Store;
use hanse_runtime::{Secret, clock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Jobs that are held, and that are there at a restart.
pub const JOBS: usize = 10_000;

/// Of these, how many are due at a restart: their people left while nobody was there to say so.
const DUE: usize = JOBS / 2;

/// People in each call.
const CALL: usize = 20;

/// Leaves that are acknowledged before the kill, in each round.
const KILLED_AFTER: [usize; 8] = [1, 10, 100, 500, 1000, 2000, 3000, 4000];

const HOUR_MS: u64 = 3_600_000;

/// What a process says that held [`JOBS`] jobs.
#[derive(Serialize, Deserialize)]
pub struct Held {
    pub resident_bytes: u64,
    /// Of one core.
    pub cpu_share: f64,
    pub restarts_per_second: f64,
}

/// What a process says that took [`JOBS`] jobs up.
#[derive(Serialize, Deserialize)]
pub struct TakenUp {
    pub claimed_s: f64,
    pub acted_s: f64,
}

/// A folder for SQLite's files; removed with the value.
struct Sqlite(PathBuf);

impl Sqlite {
    fn new() -> anyhow::Result<Self> {
        let name = format!("hanse-focus-bench-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Sqlite(folder))
    }

    fn url(&self, name: &str) -> String {
        format!("sqlite:{}/{name}.db", self.0.display())
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A seat with names as long as real ones.
pub fn seat(number: usize, prefix: &str) -> Seat {
    Seat {
        room: format!("{prefix}{:A>40}", number / CALL),
        identity: format!("{prefix}{number:B>40}"),
    }
}

/// All of it, on SQLite, and on PostgreSQL if its programs are there.
///
/// # Errors
///
/// When a database or a process fails; the figures are worth nothing then.
pub fn measure(figures: &mut Figures, postgresql: Option<&Path>) -> anyhow::Result<()> {
    let sqlite = Sqlite::new()?;
    measure_holding(figures, &sqlite.url("hold"))?;
    measure_restart(figures, "SQLite", &sqlite.url("restart"))?;
    measure_kills(figures, "SQLite", &sqlite.url("kills"))?;
    let Some(programs) = postgresql else {
        eprintln!("PostgreSQL is not measured: --postgresql names the folder of its programs");
        return Ok(());
    };
    // Each has a server of its own.
    measure_restart(figures, "PostgreSQL", &Server::start(programs)?.url())?;
    measure_kills(figures, "PostgreSQL", &Server::start(programs)?.url())
}

/// Memory and processor time of [`JOBS`] open jobs.
fn measure_holding(figures: &mut Figures, url: &str) -> anyhow::Result<()> {
    eprintln!("delayed leaves: {JOBS} are held for a minute …");
    let mut process = Process::start(&["hold", url])?;
    let held: Held = process.hear()?;
    process.end()?;
    figures.judge(
        format!("{JOBS} delayed leaves, memory above the empty process"),
        held.resident_bytes as f64 / 1e6,
        "MB",
        Target::Below(50.0),
    );
    figures.judge(
        format!("{JOBS} delayed leaves of a minute each, share of a core"),
        held.cpu_share * 100.0,
        "%",
        Target::Below(5.0),
    );
    figures.note(
        "in it, delays that were started anew",
        held.restarts_per_second,
        "1/s",
    );
    Ok(())
}

/// The time from the start of a process to when it has acted on [`JOBS`] stored jobs.
fn measure_restart(figures: &mut Figures, database: &str, url: &str) -> anyhow::Result<()> {
    eprintln!("delayed leaves: restart with {JOBS} on {database} …");
    tokio::runtime::Runtime::new()?.block_on(fill(url))?;
    let begun = Instant::now();
    let mut process = Process::start(&["take-up", url, &DUE.to_string()])?;
    let taken_up: TakenUp = process.hear()?;
    let whole = begun.elapsed();
    process.end()?;
    // What the process has not seen of itself: its start, and the way of its words.
    let around = (whole.as_secs_f64() - taken_up.acted_s).max(0.0);
    figures.note(
        format!("restart with {JOBS} jobs on {database}: all claimed"),
        taken_up.claimed_s + around,
        "s",
    );
    figures.judge(
        format!("restart with {JOBS} jobs on {database}: {DUE} due sent, others renewed"),
        whole.as_secs_f64(),
        "s",
        Target::Below(2.0),
    );
    Ok(())
}

/// Writes jobs as an earlier process left them.
async fn fill(url: &str) -> anyhow::Result<()> {
    let store = Store::open(url).await?;
    let restarted_at_ms = clock::unix_ms() - HOUR_MS / 2;
    let jobs = (0..JOBS).map(|number| {
        let is_due = number % (JOBS / DUE) == 0;
        let seat = seat(number, if is_due { GONE } else { "" });
        anyhow::Ok(LeaveChange::Take(LeaveJob {
            other_identity: None,
            server: "org-a.example".parse()?,
            delay_id: Secret::new(format!("syd_{}", seat.identity)),
            seat,
            delay_ms: HOUR_MS,
            restarted_at_ms,
            state: if is_due {
                LeaveState::Disconnected
            } else {
                LeaveState::Connected
            },
        }))
    });
    let jobs = jobs.collect::<anyhow::Result<Vec<_>>>()?;
    for some in jobs.chunks(1000) {
        store.write_leaves(some).await?;
    }
    store.close().await;
    Ok(())
}

/// Kills processes with SIGKILL while they take leaves over, and looks for what they had acknowledged.
fn measure_kills(figures: &mut Figures, database: &str, url: &str) -> anyhow::Result<()> {
    let kills = KILLED_AFTER.len();
    eprintln!("delayed leaves: {kills} kills in the middle of writes to {database} …");
    let runtime = tokio::runtime::Runtime::new()?;
    let mut acknowledged = HashSet::new();
    let mut lost = HashSet::new();
    for (round, count) in KILLED_AFTER.into_iter().enumerate() {
        let round = format!("round{round}");
        let mut process = Process::start(&["take-over", url, &round])?;
        for _ in 0..count {
            acknowledged.insert(process.hear::<(String, String)>()?);
        }
        acknowledged.extend(process.kill()?);
        let found = runtime.block_on(find(url))?;
        lost.extend(acknowledged.difference(&found).cloned());
    }
    figures.note(
        format!("acknowledged in {kills} kills in the middle of writes to {database}"),
        acknowledged.len() as f64,
        "jobs",
    );
    figures.judge(
        format!("lost by {kills} kills in the middle of writes to {database}"),
        lost.len() as f64,
        "jobs",
        Target::AtMost(0.0),
    );
    Ok(())
}

/// All jobs that are stored as they were handed over, as the next process finds them.
async fn find(url: &str) -> anyhow::Result<HashSet<(String, String)>> {
    let store = Store::open(url).await?;
    // By then nobody lives any more who shares the database.
    let later = clock::unix_ms() + HOUR_MS;
    let jobs = store.claim(later, Duration::from_secs(15)).await?;
    store.release().await?;
    store.close().await;
    let whole = jobs.into_iter().filter(|job| {
        let delay_id = format!("syd_{}", job.seat.identity);
        *job.delay_id.expose() == delay_id && job.delay_ms == HOUR_MS
    });
    Ok(whole.map(|job| (job.seat.room, job.seat.identity)).collect())
}

/// This executable, started once more.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("no pipe")?;
        Ok(Process {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// The next thing that it says.
    fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let line = self
            .lines
            .next()
            .context("the process ended early; it says why above")??;
        Ok(serde_json::from_str(&line)?)
    }

    fn end(mut self) -> anyhow::Result<()> {
        let status = self.child.wait()?;
        ensure!(
            status.success(),
            "the process failed ({status}); it says why above"
        );
        Ok(())
    }

    /// Kills it: what it had said by then and was not heard.
    fn kill<T: DeserializeOwned>(mut self) -> anyhow::Result<Vec<T>> {
        self.child.kill()?;
        self.child.wait()?;
        let rest = self.lines.map(|line| Ok(serde_json::from_str(&line?)?));
        rest.collect()
    }
}
