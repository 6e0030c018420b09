//! The Hanse server: one executable, SFU inside.
//!
//! In: a command line, `hanse.toml`, environment variables, signals. Out: a running server, or a sentence that says why
//! not. It only joins parts; what each part does is in its own crate.
//!
//! Where to look next: `settings.rs` for the tables of the configuration, `focus.rs` for how the focus reaches the SFU and
//! homeservers, `hanse_sfu::node` for the SFU.

mod backup;
mod doctor;
mod drain;
mod drop_in;
mod focus;
mod guests;
mod homeservers;
mod html;
mod measure;
mod memory;
mod move_store;
mod open_files;
mod operate;
mod owner;
mod privacy;
mod rotate;
mod settings;
mod setup;
mod sfu_here;
mod supervisor;
mod web;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use drain::Drain;
use focus::RunningFocus;
use hanse_runtime::shutdown::StopSignals;
use hanse_runtime::{reload, telemetry};
use hanse_sfu::{Beside, Node, SfuHandle};
use measure::MetricsServer;
use operate::OperatorCommand;
use privacy::PrivacyPage;
use settings::{Settings, example_file, example_page};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use web::WebPage;

/// Gives memory back to the system. The C library keeps what people who have left needed: a call that grew once would
/// hold it for as long as the server runs (`cargo xtask bench churn`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Video calls between organisations on their own Matrix homeservers.
#[derive(Parser)]
#[command(name = "hanse", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until SIGINT or SIGTERM.
    Run {
        /// The configuration file; without it, defaults and environment variables hold.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Check the configuration, and say of every value what it is and where it came from.
    CheckConfig {
        /// The configuration file; without it, defaults and environment variables hold.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print a configuration file with every key, its default and its explanation.
    ExampleConfig {
        /// As the page of the book (docs/configuration.md).
        #[arg(long)]
        page: bool,
    },
    /// Find the homeserver, and write what an installation beside it needs: settings, keys, its registration, lines for it, reverse
    /// proxies.
    Setup(Box<setup::SetupArguments>),
    /// Write the server's data into one file: the store, and webhooks that wait. The server may run meanwhile.
    Backup(backup::BackupArguments),
    /// Put a backup back. The server must not run.
    Restore(backup::RestoreArguments),
    /// Copy the store into another database, from SQLite to PostgreSQL or back. The server must not run.
    MoveStore(move_store::MoveStoreArguments),
    /// Give the application service new tokens, without ending calls. What is to be done in between, it says.
    Rotate(rotate::RotateArguments),
    /// Say for data protection officers and firewalls what this server processes, why, where, how long, and whom it tells, as its
    /// configuration has it.
    PrivacyReport(privacy::PrivacyReportArguments),
    /// Look whether calls work here, from the name to a sealed call; every red line says what mends it.
    Doctor(doctor::DoctorArguments),
    #[command(flatten)]
    Operate(OperatorCommand),
}

fn main() -> ExitCode {
    memory::take_small_pages();
    match execute() {
        Ok(code) => code,
        Err(error) => {
            // The sentence and its causes, on one line; a backtrace would bury them.
            eprintln!("hanse: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run { config } => {
            let runtime = runtime()?;
            runtime.block_on(backup::finish(config.as_deref()))?;
            let settings = Settings::read(config.as_deref())?;
            telemetry::init(&settings.log);
            runtime.block_on(run(&settings, config.as_deref()))?;
        }
        Command::CheckConfig { config } => {
            let settings = Settings::read(config.as_deref())?;
            print!("{}", settings.explanation);
            println!("# This configuration is valid.");
        }
        Command::ExampleConfig { page } => {
            print!("{}", if page { example_page() } else { example_file() });
        }
        Command::Setup(arguments) => {
            print!("{}", setup::run(&arguments)?);
        }
        Command::Backup(arguments) => print!("{}", runtime()?.block_on(backup::run_backup(&arguments))?),
        Command::Restore(arguments) => print!("{}", runtime()?.block_on(backup::run_restore(&arguments))?),
        Command::MoveStore(arguments) => print!("{}", runtime()?.block_on(move_store::run(&arguments))?),
        Command::Rotate(arguments) => print!("{}", runtime()?.block_on(rotate::run(&arguments))?),
        Command::PrivacyReport(arguments) => privacy::run(&arguments)?,
        Command::Doctor(arguments) => return doctor::run(&arguments),
        Command::Operate(command) => return operate::run(command),
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system refuses threads")
}

/// What people's browsers are shown, made of the configuration.
struct Pages {
    privacy: PrivacyPage,
    web: WebPage,
}

/// Reads the file again. What cannot be used leaves the old rules in force.
async fn reload(config: Option<&Path>, sfu: &SfuHandle, focus: Option<&RunningFocus>, pages: &Pages) {
    match Settings::read(config) {
        Ok(settings) => {
            // The SFU first: it must know what the focus signs with.
            sfu.change_keys(settings.sfu.keys.expose().clone()).await;
            if let Some(focus) = focus {
                focus.reload(&settings);
            }
            pages.privacy.reload(&settings);
            pages.web.reload(&settings);
            tracing::info!(
                "the rules of [policy] and [guests], full_access_homeservers, [privacy], the tokens of registrations and the API keys \
                 are read again; the rest needs a restart"
            );
        }
        Err(error) => tracing::error!("the rules stay as they were, and so do the keys: {error:#}"),
    }
}

async fn run(settings: &Settings, config: Option<&Path>) -> Result<()> {
    // Before the node starts, so that a signal during the start is not lost.
    let mut asked_to_stop = StopSignals::listen().context("no signal can be awaited")?;
    let mut asked_to_reload = reload::requested().context("no signal can be awaited")?;
    open_files::raise_limit();
    for warning in drop_in::warnings(|name| std::env::var_os(name).is_some()) {
        tracing::warn!("{warning}");
    }
    let metrics = measure::count(&settings.metrics)?;
    let pages = Pages {
        privacy: PrivacyPage::new(settings),
        web: WebPage::new(settings),
    };
    let mut focus = None;
    let beside = async |sfu| match RunningFocus::start(settings, sfu).await {
        Ok(Some((running, routes))) => {
            focus = Some(running);
            Ok(pages.web.beside(settings, routes.merge(pages.privacy.routes())))
        }
        Ok(None) => Ok(Beside {
            routes: pages.privacy.routes(),
            front: None,
        }),
        // The sentence and its causes, on one line.
        Err(error) => Err(format!("{error:#}")),
    };
    let mut node = tokio::select! {
        node = Node::start_beside(&settings.http, &settings.tls, &settings.sfu, beside) => node?,
        signal = asked_to_stop.next() => {
            tracing::info!("stopped by {signal} before the start was complete");
            return Ok(());
        }
    };
    let _metrics_server = MetricsServer::start(&settings.metrics, metrics, focus.as_ref())?;
    let addresses: Vec<String> = node.http_addresses().iter().map(ToString::to_string).collect();
    tracing::info!(
        "hanse {} serves HTTP on {}",
        env!("CARGO_PKG_VERSION"),
        addresses.join(", ")
    );
    if !node.https_addresses().is_empty() {
        let addresses: Vec<String> = node.https_addresses().iter().map(ToString::to_string).collect();
        tracing::info!("and HTTPS on {}", addresses.join(", "));
    }
    supervisor::tell_ready();
    let mut drain = Drain::new(node.handle(), settings.operate.drain);
    let failure = loop {
        tokio::select! {
            signal = asked_to_stop.next() => if drain.signalled(signal).await {
                break None;
            },
            () = drain.over() => break None,
            failure = node.failed() => break Some(failure),
            _ = asked_to_reload.recv() => {
                node.read_certificates_again();
                reload(config, &node.handle(), focus.as_ref(), &pages).await;
            }
        }
    };
    supervisor::tell_stopping();
    if let Some(focus) = focus {
        focus.stop().await;
    }
    node.stop().await;
    match failure {
        Some(failure) => bail!("{failure}; the server cannot go on"),
        None => {
            tracing::info!("stopped");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn no_two_flags_of_a_command_are_in_each_others_way() {
        Arguments::command().debug_assert();
    }
}
