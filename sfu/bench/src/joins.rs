//! How long newcomers wait, and are waited for, while people come and go.
//!
//! The population is constant: somebody comes twenty times a second, stays for ten seconds, and goes. So two hundred
//! people are there, in many small rooms or in few large ones. When everybody has been replaced once, the next
//! two hundred newcomers are judged.

use crate::figures::{Figures, Target, percentile};
use crate::load::client::{Form, Part, World, play};
use crate::load::crowd::{Crowd, Wait, Welcome};
use crate::load::transport::Identity;
use crate::server::{Server, logged};
use anyhow::Context;
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// People who come in a second.
const RATE: u32 = 20;

/// How long everybody stays.
const STAY: Duration = Duration::from_secs(10);

/// Newcomers who are judged.
const JUDGED: usize = 200;

/// By when a newcomer has to be heard and seen by everybody.
const PATIENCE: Duration = Duration::from_secs(1);

/// The server's part of it, for 95 of 100 newcomers.
const FIRST_PICTURE_MS: f64 = 300.0;

/// People in a room; the first is judged, the others show how it grows.
const ROOMS: [usize; 3] = [10, 50, 100];

/// Of them, with microphone and camera: all in a small room, and as many in a large one.
const PUBLISHERS: usize = 10;

/// Options of `joins`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The server's executable
    #[arg(long, value_name = "FILE")]
    hanse: PathBuf,
    /// Print a JSON list instead of a table
    #[arg(long)]
    json: bool,
    /// Measure this form of signalling alone
    #[arg(long, value_enum)]
    form: Option<FormName>,
    /// Measure rooms of this size alone
    #[arg(long, value_name = "PEOPLE")]
    room: Option<usize>,
}

/// The forms by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FormName {
    /// `/rtc/v1`
    Single,
    /// `/rtc`
    Dual,
}

impl FormName {
    /// All.
    pub const ALL: [FormName; 2] = [FormName::Single, FormName::Dual];

    /// The form.
    pub fn form(self) -> Form {
        match self {
            FormName::Single => Form::Single,
            FormName::Dual => Form::Dual,
        }
    }

    /// Where clients of this form connect to.
    pub fn path(self) -> &'static str {
        match self {
            FormName::Single => "/rtc/v1",
            FormName::Dual => "/rtc",
        }
    }
}

/// Runs the measurement.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut figures = Figures::default();
    for form in FormName::ALL {
        for size in ROOMS {
            let wanted = arguments.form.is_none_or(|only| only == form)
                && arguments.room.is_none_or(|only| only == size);
            if wanted {
                eprintln!("measuring joins by {} into rooms of {size} …", form.path());
                measure(arguments, form, size, &mut figures)?;
            }
        }
    }
    figures.print(arguments.json)
}

fn measure(arguments: &Arguments, form: FormName, size: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let server = Server::start(&arguments.hanse)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let world = Rc::new(World {
        server: server.http,
        key: server.key.clone(),
        identity: Identity::generate()?,
        crowd: RefCell::new(Crowd::default()),
    });
    let measured = LocalSet::new().block_on(&runtime, come_and_go(&server, &world, form.form(), size))?;
    server.stop()?;
    tell(figures, form, size, &measured);
    Ok(())
}

struct Measured {
    welcomes: Vec<Welcome>,
    /// As the server says, in ms.
    first_pictures_ms: Vec<f64>,
    /// Of those whom the server has let in.
    let_in: usize,
    failures: Vec<String>,
    cpu_share: f64,
}

async fn come_and_go(
    server: &Server,
    world: &Rc<World>,
    form: Form,
    size: usize,
) -> anyhow::Result<Measured> {
    let population = RATE as usize * STAY.as_secs() as usize;
    let rooms = (population / size).max(1);
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut players = Vec::new();
    let mut log = Vec::new();
    let mut begun = (Instant::now(), server.cpu()?);
    for number in 0..population + JUDGED {
        ticks.tick().await;
        if number == population {
            log.clear();
            server.log();
            begun = (Instant::now(), server.cpu()?);
        }
        log.extend(server.log());
        // In turn, and the publishers among them evenly.
        let room = number % rooms;
        let turn = number / rooms;
        let publishes = turn * PUBLISHERS / size != (turn + 1) * PUBLISHERS / size || PUBLISHERS >= size;
        let who = world.crowd.borrow_mut().enter(Instant::now(), room, publishes);
        let part = Part {
            who,
            room,
            form,
            publishes,
            stays: STAY,
            vanishes: false,
        };
        players.push(tokio::task::spawn_local(play(Rc::clone(world), part)));
    }
    let cpu_share = server.cpu()?.saturating_sub(begun.1).as_secs_f64() / begun.0.elapsed().as_secs_f64();
    // The last ones are judged a moment after they came.
    sleep(PATIENCE * 2).await;
    log.extend(server.log());
    let crowd = world.crowd.borrow();
    let judged = population..population + JUDGED;
    let welcomes = judged
        .clone()
        .map(|who| crowd.welcome(who, PATIENCE).context("somebody was not noted"))
        .collect::<anyhow::Result<Vec<Welcome>>>()?;
    let failures = crowd
        .people()
        .iter()
        .filter_map(|person| person.failed.clone())
        .collect();
    let let_in: HashSet<u64> = log
        .iter()
        .filter(|line| line.contains(" joined"))
        .filter_map(|line| logged(line, "session"))
        .collect();
    let first_pictures_ms = log
        .iter()
        .filter(|line| logged(line, "session").is_some_and(|session| let_in.contains(&session)))
        .filter_map(|line| logged(line, "sfu_ms"))
        .map(|milliseconds| milliseconds as f64)
        .collect();
    players.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(Measured {
        welcomes,
        first_pictures_ms,
        let_in: let_in.len(),
        failures,
        cpu_share,
    })
}

fn tell(figures: &mut Figures, form: FormName, size: usize, measured: &Measured) {
    let place = format!("{}, rooms of {size}: ", form.path());
    let is_judged = ROOMS.first() == Some(&size);
    let mut say = |name: &str, value: f64, unit: &'static str, target: Option<Target>| {
        let name = format!("{place}{name}");
        match target.filter(|_| is_judged) {
            Some(target) => figures.judge(name, value, unit, target),
            None => figures.note(name, value, unit),
        }
    };
    let waits = |of: fn(&Welcome) -> Option<Wait>| {
        let waits: Vec<Wait> = measured.welcomes.iter().filter_map(of).collect();
        let mut milliseconds: Vec<f64> = waits
            .iter()
            .map(|wait| match wait {
                Wait::For(wait) => wait.as_secs_f64() * 1000.0,
                Wait::InVain(_) => f64::INFINITY,
            })
            .collect();
        milliseconds.sort_by(f64::total_cmp);
        milliseconds
    };
    let late = |milliseconds: &[f64]| {
        let late = milliseconds
            .iter()
            .filter(|wait| **wait > PATIENCE.as_secs_f64() * 1000.0);
        late.count() as f64
    };
    let all = JUDGED as f64;
    let (shown, shows) = (waits(|welcome| welcome.shown), waits(|welcome| welcome.shows));
    let publishers = if size <= PUBLISHERS { all } else { 1.0 };
    say(
        "newcomers who publish",
        shown.len() as f64,
        "people",
        Some(Target::AtLeast(publishers)),
    );
    let none = Some(Target::AtMost(0.0));
    say(
        "not heard and seen by everybody within 1 s",
        late(&shown),
        "people",
        none,
    );
    say(
        "until heard and seen by all, p50",
        percentile(&shown, 0.50),
        "ms",
        None,
    );
    say(
        "until heard and seen by all, p95",
        percentile(&shown, 0.95),
        "ms",
        None,
    );
    say(
        "until heard and seen by all, max",
        percentile(&shown, 1.0),
        "ms",
        None,
    );
    say(
        "newcomers with somebody to see",
        shows.len() as f64,
        "people",
        Some(Target::AtLeast(all)),
    );
    say(
        "not hearing and seeing all within 1 s",
        late(&shows),
        "people",
        none,
    );
    say(
        "until hearing and seeing all, p95",
        percentile(&shows, 0.95),
        "ms",
        None,
    );
    let mut client: Vec<f64> = measured
        .welcomes
        .iter()
        .filter_map(|welcome| welcome.first_picture)
        .map(|wait| wait.as_secs_f64() * 1000.0)
        .collect();
    client.sort_by(f64::total_cmp);
    let mut server = measured.first_pictures_ms.clone();
    server.sort_by(f64::total_cmp);
    say(
        "first pictures the server counted",
        server.len() as f64,
        "people",
        Some(Target::AtLeast(all)),
    );
    say(
        "first picture, server's time, p50",
        percentile(&server, 0.50),
        "ms",
        None,
    );
    let limit = Some(Target::Below(FIRST_PICTURE_MS));
    say(
        "first picture, server's time, p95",
        percentile(&server, 0.95),
        "ms",
        limit,
    );
    say(
        "first picture, server's time, max",
        percentile(&server, 1.0),
        "ms",
        None,
    );
    say(
        "first picture, client's time, p95",
        percentile(&client, 0.95),
        "ms",
        None,
    );
    say(
        "let in",
        measured.let_in as f64,
        "people",
        Some(Target::AtLeast(all)),
    );
    say(
        "clients that failed",
        measured.failures.len() as f64,
        "people",
        none,
    );
    say(
        "the server's share of a core",
        measured.cpu_share * 100.0,
        "%",
        None,
    );
    if let Some(failure) = measured.failures.first() {
        eprintln!("the first failure: {failure}");
    }
}
