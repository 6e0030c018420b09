//! Whether a server that people come to and go from for long stays as it is.
//!
//! Two hundred people in rooms of ten, twenty of whom are replaced in each second; one in ten vanishes without a word, as
//! when a network is gone. The first minute fills pools and caches; then everybody leaves, and what the server holds with
//! nobody in it is the base. The churn goes on for the rest of the time, everybody leaves again, and the same is
//! read again. In between it is read every ten seconds.
//!
//! Flat is: with nobody in it, as many file descriptors and tasks as at the base, and at most [`GROWTH_MAX`] more memory;
//! and while people are there, the median memory of the last quarter at most [`GROWTH_MAX`] above that of the first.

use crate::figures::{Figures, Target, percentile};
use crate::joins::FormName;
use crate::load::client::{Part, World, play};
use crate::load::crowd::Crowd;
use crate::load::transport::Identity;
use crate::server::{Holdings, Server};
use anyhow::ensure;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval};

/// People who come in a second.
const RATE: u32 = 20;

/// How long everybody stays.
const STAY: Duration = Duration::from_secs(10);

/// People in a room. All of them publish.
const ROOM: usize = 10;

/// One in so many vanishes.
const VANISHING: usize = 10;

/// The time in which pools and caches fill.
const WARM_UP: Duration = Duration::from_secs(60);

/// Between two readings.
const READING: Duration = Duration::from_secs(10);

/// Until the last room is closed: who vanished is given up after 15 s of silence, and a room ends a second after the last
/// has left.
const EMPTYING: Duration = Duration::from_secs(25);

/// What memory may grow by, as a share: a leak of 1 kB for each of the 12,000 people of ten minutes is twice that.
const GROWTH_MAX: f64 = 0.05;

/// Options of `churn`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The server's executable
    #[arg(long, value_name = "FILE")]
    hanse: PathBuf,
    /// Print a JSON list instead of a table
    #[arg(long)]
    json: bool,
    /// How long people come and go
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// In which form of signalling
    #[arg(long, value_enum, default_value_t = FormName::Single)]
    form: FormName,
}

/// Runs the measurement.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(
        arguments.minutes >= 2,
        "a minute fills the caches, so it takes two at least"
    );
    let mut server = Server::start(&arguments.hanse)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let world = Rc::new(World {
        server: server.http,
        key: server.key.clone(),
        identity: Identity::generate()?,
        crowd: RefCell::new(Crowd::default()),
    });
    let local = LocalSet::new();
    let begun = server.holdings()?;
    eprintln!("people come and go for a minute …");
    local.block_on(&runtime, churn(&mut server, &world, arguments.form, WARM_UP))?;
    let base = emptied(&mut server, &begun)?;
    let time = Duration::from_secs(arguments.minutes * 60);
    eprintln!("people come and go for {} minutes …", arguments.minutes);
    let readings = local.block_on(&runtime, churn(&mut server, &world, arguments.form, time))?;
    let end = emptied(&mut server, &base)?;
    server.stop()?;

    let mut figures = Figures::default();
    let crowd = world.crowd.borrow();
    let failures: Vec<&String> = crowd
        .people()
        .iter()
        .filter_map(|person| person.failed.as_ref())
        .collect();
    figures.note("people who came", crowd.people().len() as f64, "people");
    figures.judge(
        "clients that failed",
        failures.len() as f64,
        "people",
        Target::AtMost(0.0),
    );
    if let Some(failure) = failures.first() {
        eprintln!("the first failure: {failure}");
    }
    tell(&mut figures, &readings, &base, &end);
    figures.print(arguments.json)
}

async fn churn(
    server: &mut Server,
    world: &Rc<World>,
    form: FormName,
    time: Duration,
) -> anyhow::Result<Vec<Holdings>> {
    let population = RATE as usize * STAY.as_secs() as usize;
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let begun = Instant::now();
    let mut players = JoinSet::new();
    let mut readings = Vec::new();
    // The first after everybody has been replaced once.
    let mut read_at = begun + STAY + READING;
    let mut number = 0;
    while begun.elapsed() < time {
        ticks.tick().await;
        let room = number % (population / ROOM);
        let who = world.crowd.borrow_mut().enter(Instant::now(), room, true);
        let part = Part {
            who,
            room,
            form: form.form(),
            publishes: true,
            stays: STAY,
            vanishes: number % VANISHING == 3,
        };
        players.spawn_local(play(Rc::clone(world), part));
        number += 1;
        while players.try_join_next().is_some() {}
        if read_at <= Instant::now() {
            read_at += READING;
            server.check()?;
            server.log();
            readings.push(server.holdings()?);
        }
    }
    while players.join_next().await.is_some() {}
    Ok(readings)
}

/// What the server holds once the last has gone.
fn emptied(server: &mut Server, base: &Holdings) -> anyhow::Result<Holdings> {
    let begun = Instant::now();
    let mut holdings = server.holdings()?;
    while begun.elapsed() < EMPTYING
        || holdings.descriptors > base.descriptors && begun.elapsed() < 2 * EMPTYING
    {
        thread::sleep(Duration::from_secs(1));
        server.check()?;
        server.log();
        holdings = server.holdings()?;
    }
    Ok(holdings)
}

/// One of the things that a server holds.
type Held = fn(&Holdings) -> u64;

fn tell(figures: &mut Figures, readings: &[Holdings], base: &Holdings, end: &Holdings) {
    let quarter = (readings.len() / 4).max(1);
    let first = readings.get(..quarter).unwrap_or_default();
    let last = readings.get(readings.len() - quarter..).unwrap_or_default();
    let median = |holdings: &[Holdings], of: Held| {
        let mut values: Vec<f64> = holdings.iter().map(|holdings| of(holdings) as f64).collect();
        values.sort_by(f64::total_cmp);
        percentile(&values, 0.5)
    };
    let memory: Held = |holdings| holdings.resident_bytes;
    let megabytes = |bytes: f64| bytes / 1e6;
    let growth = |from: f64, to: f64| (to / from - 1.0) * 100.0;
    let limit = Target::AtMost(GROWTH_MAX * 100.0);
    let (busy, busy_end) = (median(first, memory), median(last, memory));
    figures.note("memory with people, first quarter", megabytes(busy), "MB");
    figures.note("memory with people, last quarter", megabytes(busy_end), "MB");
    figures.judge("growth with people", growth(busy, busy_end), "%", limit);
    let (empty, empty_end) = (memory(base) as f64, memory(end) as f64);
    figures.note("memory with nobody, after a minute", megabytes(empty), "MB");
    figures.note("memory with nobody, at the end", megabytes(empty_end), "MB");
    figures.judge("growth with nobody", growth(empty, empty_end), "%", limit);
    let counts: [(&str, Held); 2] = [
        ("file descriptors", |holdings| holdings.descriptors),
        ("tasks", |holdings| holdings.tasks),
    ];
    for (name, of) in counts {
        figures.note(
            format!("{name} with people, first quarter"),
            median(first, of),
            "",
        );
        figures.note(format!("{name} with people, last quarter"), median(last, of), "");
        figures.note(format!("{name} with nobody, after a minute"), of(base) as f64, "");
        let target = Target::AtMost(of(base) as f64);
        figures.judge(
            format!("{name} with nobody, at the end"),
            of(end) as f64,
            "",
            target,
        );
    }
    figures.judge(
        "threads more than after a minute",
        end.threads.saturating_sub(base.threads) as f64,
        "",
        Target::AtMost(0.0),
    );
}
