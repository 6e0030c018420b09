//! What is measured in a process of its own. It says what it finds on standard output, one line at a time.

use crate::leaves::{Held, JOBS, TakenUp, seat};
use crate::stand_ins::{CountedEvents, HalfEmptySfu, SilentSfu};
use crate::usage::{process_cpu, resident_bytes};
use anyhow::ensure;
use clap::Subcommand;
use hanse_focus::delayed_leave::{Delegation, LeavePorts, Leaves, Seat};
use hanse_focus::store::Store;
use hanse_focus::{Presence, system_clock};
use hanse_runtime::Secret;
use serde::Serialize;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The delay of leaves that are held. Element Call plans an hour ahead: with a minute, homeservers are asked sixty times as
/// often, and each leave comes round while it is watched.
pub const HELD_DELAY: Duration = Duration::from_secs(60);

/// How long they are watched.
const WATCHED: Duration = Duration::from_secs(60);

/// Clients at a time that hand leaves over.
const WRITERS: usize = 64;

/// How long a step may take before the measurement has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process of its own does.
#[derive(Clone, Subcommand)]
#[command(hide = true)]
pub enum Child {
    /// Takes leaves over and keeps them alive
    #[command(hide = true)]
    Hold { url: String },
    /// Begins with the leaves that are stored
    #[command(hide = true)]
    TakeUp { url: String, due: usize },
    /// Takes leaves over until it is killed, and says which
    #[command(hide = true)]
    TakeOver { url: String, round: String },
}

impl Child {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When something did not go as it should; the figures are worth nothing then.
    pub fn run(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Child::Hold { url } => hold(url).await,
                Child::TakeUp { url, due } => take_up(url, *due, begun).await,
                Child::TakeOver { url, round } => take_over(url, round).await,
            }
        })
    }
}

/// One whole line at once.
fn say(line: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(line)?;
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    Ok(stdout.flush()?)
}

async fn start(
    url: &str,
    events: &Arc<CountedEvents>,
    presence: impl Presence + 'static,
) -> anyhow::Result<Leaves> {
    let (store, clock) = (Store::open(url).await?, system_clock());
    let ports = LeavePorts {
        delayed_events: Arc::clone(events) as _,
        presence: Arc::new(presence),
        store: Arc::new(store.leaves(Arc::clone(&clock))),
    };
    Ok(Leaves::start(ports, Duration::ZERO, &clock).await?)
}

fn delegation(seat: Seat, delay: Duration) -> anyhow::Result<Delegation> {
    Ok(Delegation {
        other_identity: Some(format!("@{}:org-a.example:ABCDEFGHIJ", seat.identity)),
        delay_id: Secret::new(format!("syd_{}", seat.identity)),
        seat,
        server: "org-a.example".parse()?,
        delay_ms: u64::try_from(delay.as_millis())?,
    })
}

/// Waits until as many are counted.
async fn counted(counter: &AtomicUsize, enough: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    while counter.load(Ordering::Relaxed) < enough {
        ensure!(
            begun.elapsed() < PATIENCE,
            "only {} of {enough}",
            counter.load(Ordering::Relaxed)
        );
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn hold(url: &str) -> anyhow::Result<()> {
    let empty = resident_bytes()?;
    let events = Arc::new(CountedEvents::default());
    let leaves = start(url, &events, HalfEmptySfu).await?;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let leaves = leaves.clone();
        writers.spawn(async move {
            for number in (writer..JOBS).step_by(WRITERS) {
                leaves.delegate(delegation(seat(number, ""), HELD_DELAY)?).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    // Everybody is seen on the SFU, and so the delay begins anew.
    counted(&events.restarts, JOBS).await?;
    let filled = resident_bytes()?;
    let (cpu, restarts) = (process_cpu(), events.restarts.load(Ordering::Relaxed));
    sleep(WATCHED).await;
    let restarts = events.restarts.load(Ordering::Relaxed) - restarts;
    let cpu = process_cpu().saturating_sub(cpu);
    ensure!(restarts >= JOBS, "only {restarts} delays were started anew");
    ensure!(events.sends.load(Ordering::Relaxed) == 0, "a leave was sent");
    say(&Held {
        resident_bytes: resident_bytes()?.max(filled).saturating_sub(empty),
        cpu_share: cpu.as_secs_f64() / WATCHED.as_secs_f64(),
        restarts_per_second: restarts as f64 / WATCHED.as_secs_f64(),
    })
}

async fn take_up(url: &str, due: usize, begun: Instant) -> anyhow::Result<()> {
    let events = Arc::new(CountedEvents::default());
    let leaves = start(url, &events, HalfEmptySfu).await?;
    let claimed = begun.elapsed();
    counted(&events.sends, due).await?;
    counted(&events.restarts, JOBS - due).await?;
    let acted = begun.elapsed();
    say(&TakenUp {
        claimed_s: claimed.as_secs_f64(),
        acted_s: acted.as_secs_f64(),
    })?;
    leaves.shutdown().await;
    Ok(())
}

async fn take_over(url: &str, round: &str) -> anyhow::Result<()> {
    let events = Arc::new(CountedEvents::default());
    let leaves = start(url, &events, SilentSfu).await?;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (leaves, round) = (leaves.clone(), round.to_owned());
        writers.spawn(async move {
            for number in (writer..).step_by(WRITERS) {
                let seat = seat(number, &format!("{round}-"));
                let hour = Duration::from_secs(3600);
                leaves.delegate(delegation(seat.clone(), hour)?).await?;
                say(&(seat.room, seat.identity))?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    Ok(())
}
