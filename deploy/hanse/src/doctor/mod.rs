//! `hanse doctor`: walks the chain from the name to a sealed call as a stranger would, and says of each link whether it holds, and
//! if not, what mends it.
//!
//! In: the configuration of the server, and what the world answers. Out: one line for each check, as soon as it is known; an exit
//! status for monitoring. Each check is one file: what it asks (its facts), what it makes of them (`judge`, without any I/O), and
//! every sentence that it can say. What depends on something broken is not looked at, so that the red lines are those to mend.
//!
//! Where to look next: `sentence.rs` for the form of all sentences, `chain.rs` for the order of the checks.

mod accounts;
mod ask;
mod book;
mod call;
mod certificate;
mod chain;
mod clock;
mod configuration;
mod delayed;
mod federation;
mod guests;
mod hold;
mod homeserver;
mod key;
mod name;
mod page;
mod ping;
mod routes;
mod sentence;
mod server;
mod status;
mod token;
mod transports;
mod upgrade;
mod ways;
mod well_known;
mod with;
mod with_call;
mod with_outside;
mod with_place;
mod with_token;

use crate::settings::Settings;
use anyhow::{Context, Result};
use chain::Chain;
use clap::Args;
use hanse_bridge::ServerName;
use sentence::{Check, Colour, Line, Said};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;

/// Everything that is looked at, in the order of the book.
static CHECKS: [&Check; 32] = [
    &configuration::CHECK,
    &server::SERVER,
    &server::DISK,
    &server::FILES,
    &homeserver::CHECK,
    &token::CHECK,
    &ping::CHECK,
    &guests::CHECK,
    &transports::CHECK,
    &well_known::CHECK,
    &delayed::CHECK,
    &federation::CHECK,
    &clock::CHECK,
    &name::CHECK,
    &certificate::CHECK,
    &routes::CHECK,
    &page::PAGE,
    &page::LOG_IN,
    &upgrade::CHECK,
    &key::CHECK,
    &hold::CHECK,
    &ways::UDP,
    &ways::TCP,
    &ways::TURN,
    &call::CHECK,
    &with_place::FEDERATION,
    &with_place::PLACE,
    &with_outside::NAME,
    &with_outside::CERTIFICATE,
    &with_outside::ROUTES,
    &with_token::CHECK,
    &with_call::CHECK,
];

/// What is looked at, and how it is said.
#[derive(Args)]
pub struct DoctorArguments {
    /// The configuration file of the running server.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The socket of the running server; without it, what the configuration says.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Have no call made.
    #[arg(long)]
    no_call: bool,
    /// The executable for the call [default: hanse-participant beside hanse, or in PATH].
    #[arg(long, value_name = "PATH")]
    participant: Option<PathBuf>,
    /// Look at another organisation as well, by the name of its homeserver (other.example): whether its people and yours get into
    /// each other's calls.
    #[arg(long, value_name = "SERVER")]
    with: Option<ServerName>,
    /// An account for the call in place of the two that Hanse makes for itself, or, if it is on the homeserver that --with names,
    /// for a call with that organisation: a file with the Matrix id in its first line, the password in its second, and, if its
    /// well-known does not say it, the homeserver's URL in its third.
    #[arg(long, value_name = "FILE")]
    account: Option<PathBuf>,
    /// Keep a WebSocket open through the proxy for so long, to see whether it is cut; the SFU itself lets go of who has no media
    /// after a minute.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=55))]
    hold: Option<u64>,
    /// Print JSON, a line for each check.
    #[arg(long)]
    json: bool,
    /// Print in German.
    #[arg(long)]
    german: bool,
    /// Write what was seen as a page for browsers, too, in English and German.
    #[arg(long, value_name = "FILE")]
    status: Option<PathBuf>,
    /// Print the page of the book about it (docs/doctor.md), and look at nothing.
    #[arg(long)]
    page: bool,
}

/// Where lines go as soon as they are known.
#[derive(Clone)]
pub(crate) struct Book {
    lines: mpsc::UnboundedSender<Line>,
}

impl Book {
    /// Notes a line that took since `began`; whether it is a green one.
    fn note(&self, check: &'static Check, said: &Said, began: Instant) -> bool {
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Who does not read any more does not want it.
        let _unread = self.lines.send(Line::new(check, said, ms));
        said.is_green()
    }

    /// Notes of these that they wait for another one.
    fn waits(&self, checks: &[&'static Check], other: &'static Check) {
        for check in checks {
            self.note(check, &other.waits_for_it(), Instant::now());
        }
    }
}

/// Looks, and says what it sees.
///
/// # Errors
///
/// A sentence: an account file that cannot be read, a status page that cannot be written, or a system that refuses threads.
pub fn run(arguments: &DoctorArguments) -> Result<ExitCode> {
    if arguments.page {
        print(&book::page());
        return Ok(ExitCode::SUCCESS);
    }
    let began = Instant::now();
    let settings = Settings::read(arguments.config.as_deref());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system refuses threads")?;
    let lines = runtime.block_on(async {
        let (lines, said) = mpsc::unbounded_channel();
        let book = Book { lines };
        let (done, lines) = tokio::join!(examine(settings, arguments, book), show(said, arguments));
        done.map(|()| lines)
    })?;
    finish(&lines, arguments, began.elapsed());
    if let Some(path) = &arguments.status {
        status::write(path, &lines, SystemTime::now())?;
    }
    // A name server that does not answer is waited for by a thread of the system's library.
    runtime.shutdown_background();
    let is_ill = lines.iter().any(|line| line.colour == Colour::Red);
    Ok(if is_ill {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn examine(settings: Result<Settings>, arguments: &DoctorArguments, book: Book) -> Result<()> {
    let began = Instant::now();
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            let reason = format!("{error:#}");
            book.note(&configuration::CHECK, &configuration::judge(Err(&reason)), began);
            return Ok(());
        }
    };
    let registration = settings.homeservers.registrations.first();
    let read = (
        settings.focus.settings.is_some(),
        registration.map(|registration| registration.server_name().as_str()),
    );
    if !book.note(&configuration::CHECK, &configuration::judge(Ok(read)), began) {
        return Ok(());
    }
    match Chain::new(&settings, arguments, book)? {
        Some(chain) => chain.walk().await,
        None => Ok(()),
    }
}

/// Prints lines as they come.
async fn show(mut said: mpsc::UnboundedReceiver<Line>, arguments: &DoctorArguments) -> Vec<Line> {
    let mut lines = Vec::new();
    let is_coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    while let Some(line) = said.recv().await {
        print(&printed(&line, arguments, is_coloured));
        lines.push(line);
    }
    lines
}

fn printed(line: &Line, arguments: &DoctorArguments, is_coloured: bool) -> String {
    if arguments.json {
        return format!("{}\n", json!(line));
    }
    let (title, text) = match arguments.german {
        true => (&line.title_de, &line.de),
        false => (&line.title_en, &line.en),
    };
    let (word, paint) = match line.colour {
        Colour::Green => ("ok  ", "\u{1b}[32m"),
        Colour::Red => ("FAIL", "\u{1b}[31m"),
        Colour::Grey => ("-   ", "\u{1b}[90m"),
    };
    let text = crate::operate::printable(text);
    match is_coloured {
        true => format!("{paint}{word}\u{1b}[0m  {title}: {text}\n"),
        false => format!("{word}  {title}: {text}\n"),
    }
}

fn finish(lines: &[Line], arguments: &DoctorArguments, took: Duration) {
    let count = |colour| lines.iter().filter(|line| line.colour == colour).count();
    let (green, red, grey) = (count(Colour::Green), count(Colour::Red), count(Colour::Grey));
    let seconds = took.as_secs_f64();
    if arguments.json {
        let total = json!({"green": green, "red": red, "grey": grey, "ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX)});
        print(&format!("{total}\n"));
    } else if arguments.german {
        print(&format!(
            "{green} grün, {red} rot, {grey} nicht angesehen, in {seconds:.1} s\n"
        ));
    } else {
        print(&format!(
            "{green} green, {red} red, {grey} not looked at, in {seconds:.1} s\n"
        ));
    }
}

/// Whoever reads may have read enough.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
