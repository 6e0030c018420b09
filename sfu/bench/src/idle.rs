//! What participants cost who are only there.
//!
//! Each has a WebSocket, a transport of ICE, DTLS and SRTP, an SCTP association with three open channels, and six slots
//! in its session description, as a browser that has just joined. The memory is what is resident above the same process
//! before the first has come, divided by their number.

use crate::figures::{Figures, Target};
use crate::joins::FormName;
use crate::load::client::{Part, World, play};
use crate::load::crowd::Crowd;
use crate::load::transport::Identity;
use crate::server::{Holdings, Server};
use anyhow::ensure;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// What a participant may cost, in MB (10^6 bytes).
const MEMORY_MB_MAX: f64 = 1.0;

/// People who come in a second.
const RATE: u32 = 50;

/// How long everybody may take to be connected.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that a join makes has been sent, acknowledged and dropped by then; the counters of quality and the like
/// have gone round.
const SETTLING: Duration = Duration::from_secs(8);

/// Longer than any of these takes.
const STAY: Duration = Duration::from_secs(3600);

/// Options of `idle`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The server's executable
    #[arg(long, value_name = "FILE")]
    hanse: PathBuf,
    /// Print a JSON list instead of a table
    #[arg(long)]
    json: bool,
    /// How many there are
    #[arg(long, default_value_t = 500)]
    people: usize,
    /// Measure this form of signalling alone
    #[arg(long, value_enum)]
    form: Option<FormName>,
}

/// A way to be idle.
#[derive(Clone, Copy)]
struct Case {
    about: &'static str,
    /// People in a room; 0: all of them in one.
    room: usize,
    /// The first in each room has a microphone and a camera.
    publisher: bool,
}

const CASES: [Case; 3] = [
    Case {
        about: "rooms of 10, nobody publishes",
        room: 10,
        publisher: false,
    },
    Case {
        about: "rooms of 10, one publishes",
        room: 10,
        publisher: true,
    },
    Case {
        about: "one room, nobody publishes",
        room: 0,
        publisher: false,
    },
];

/// Runs the measurement.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut figures = Figures::default();
    for form in FormName::ALL {
        if arguments.form.is_some_and(|only| only != form) {
            continue;
        }
        for case in CASES {
            let place = format!("{}, {}: ", form.path(), case.about);
            eprintln!("measuring {} idle people by {place}…", arguments.people);
            let measured = measure(arguments, form, case)?;
            tell(&mut figures, &place, arguments.people, &measured);
        }
    }
    figures.print(arguments.json)
}

struct Measured {
    before: Holdings,
    during: Holdings,
    after: Holdings,
    cpu_share: f64,
}

fn measure(arguments: &Arguments, form: FormName, case: Case) -> anyhow::Result<Measured> {
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
    let before = server.holdings()?;
    let (during, cpu_share) = LocalSet::new().block_on(&runtime, async {
        let mut ticks = interval(Duration::from_secs(1) / RATE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0..arguments.people {
            ticks.tick().await;
            let room = number.checked_div(case.room).unwrap_or_default();
            let publishes = case.publisher && number % case.room == 0;
            let who = world.crowd.borrow_mut().enter(Instant::now(), room, publishes);
            let part = Part {
                who,
                room,
                form: form.form(),
                publishes,
                stays: STAY,
                vanishes: false,
            };
            tokio::task::spawn_local(play(Rc::clone(&world), part));
        }
        let begun = Instant::now();
        while world
            .crowd
            .borrow()
            .people()
            .iter()
            .any(|person| person.settled.is_none())
        {
            let failed = world
                .crowd
                .borrow()
                .people()
                .iter()
                .find_map(|person| person.failed.clone());
            ensure!(failed.is_none(), "a client failed: {failed:?}");
            ensure!(begun.elapsed() < PATIENCE, "not everybody is connected in time");
            sleep(Duration::from_millis(50)).await;
        }
        sleep(SETTLING).await;
        let (cpu, since) = (server.cpu()?, Instant::now());
        sleep(SETTLING).await;
        let cpu_share = server.cpu()?.saturating_sub(cpu).as_secs_f64() / since.elapsed().as_secs_f64();
        ensure!(
            world.crowd.borrow().present().count() == arguments.people,
            "not everybody has stayed"
        );
        anyhow::Ok((server.holdings()?, cpu_share))
    })?;
    // All clients are gone now, without a word.
    drop(runtime);
    let begun = Instant::now();
    let mut after = server.holdings()?;
    while after.descriptors > before.descriptors && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
        server.check()?;
        after = server.holdings()?;
    }
    server.log();
    // Media is given up after 15 s of silence.
    std::thread::sleep(Duration::from_secs(20));
    after = server.holdings()?;
    server.stop()?;
    Ok(Measured {
        before,
        during,
        after,
        cpu_share,
    })
}

fn tell(figures: &mut Figures, place: &str, people: usize, measured: &Measured) {
    let each = |of: fn(&Holdings) -> u64| {
        of(&measured.during).saturating_sub(of(&measured.before)) as f64 / people as f64
    };
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    figures.judge(
        format!("{place}memory of each"),
        each(|holdings| holdings.resident_bytes) / 1e6,
        "MB",
        Target::AtMost(MEMORY_MB_MAX),
    );
    figures.note(
        format!("{place}descriptors of each"),
        each(|holdings| holdings.descriptors),
        "",
    );
    figures.note(
        format!("{place}tasks of each"),
        each(|holdings| holdings.tasks),
        "",
    );
    figures.note(format!("{place}share of a core"), measured.cpu_share * 100.0, "%");
    figures.note(
        format!("{place}memory before the first"),
        megabytes(measured.before.resident_bytes),
        "MB",
    );
    figures.note(
        format!("{place}memory after the last"),
        megabytes(measured.after.resident_bytes),
        "MB",
    );
}
