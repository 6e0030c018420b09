//! The Hanse server: one executable, SFU inside.
//!
//! In: a command line, `hanse.toml`, environment variables, signals. Out: a running server, or a sentence that says why
//! not. It only joins parts; what each part does is in its own crate.
//!
//! Where to look next: `settings.rs` for the tables of the configuration, `focus.rs` for how the focus reaches the SFU and
//! homeservers, `hanse_sfu::node` for the SFU.

mod drop_in;
mod focus;
mod homeservers;
mod measure;
mod memory;
mod open_files;
mod operate;
mod settings;
mod setup;
mod sfu_here;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use focus::RunningFocus;
use hanse_runtime::{reload, shutdown, telemetry};
use hanse_sfu::Node;
use measure::MetricsServer;
use operate::OperatorCommand;
use settings::{Settings, example_file, example_page};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
    /// Make the registration file by which a homeserver knows Hanse, and print what goes into both configurations.
    Setup(setup::SetupArguments),
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
            let settings = Settings::read(config.as_deref())?;
            telemetry::init(&settings.log);
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("the system refuses threads")?
                .block_on(run(&settings, config.as_deref()))?;
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
        Command::Operate(command) => return operate::run(command),
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the file again. What cannot be used leaves the old rules in force.
fn reload(config: Option<&Path>, focus: Option<&RunningFocus>) {
    match Settings::read(config) {
        Ok(settings) => {
            if let Some(focus) = focus {
                focus.reload(&settings);
            }
            tracing::info!(
                "the rules of [policy] and full_access_homeservers are read again; the rest needs a restart"
            );
        }
        Err(error) => tracing::error!("the rules stay as they were: {error:#}"),
    }
}

async fn run(settings: &Settings, config: Option<&Path>) -> Result<()> {
    // Before the node starts, so that a signal during the start is not lost.
    let asked_to_stop = shutdown::requested();
    tokio::pin!(asked_to_stop);
    open_files::raise_limit();
    for warning in drop_in::warnings(|name| std::env::var_os(name).is_some()) {
        tracing::warn!("{warning}");
    }
    let metrics = measure::count(&settings.metrics)?;
    let mut focus = None;
    let beside = async |sfu| match RunningFocus::start(settings, sfu).await {
        Ok(Some((running, routes))) => {
            focus = Some(running);
            Ok(routes)
        }
        Ok(None) => Ok(axum::Router::new()),
        // The sentence and its causes, on one line.
        Err(error) => Err(format!("{error:#}")),
    };
    let mut node = tokio::select! {
        node = Node::start_beside(&settings.http, &settings.sfu, beside) => node?,
        signal = &mut asked_to_stop => {
            tracing::info!("stopped by {} before the start was complete", signal?);
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
    let mut asked_to_reload = reload::requested().context("no signal can be awaited")?;
    let failure = loop {
        tokio::select! {
            signal = &mut asked_to_stop => {
                tracing::info!("{}: saying goodbye to everybody", signal.context("no signal can be awaited")?);
                break None;
            }
            failure = node.failed() => break Some(failure),
            _ = asked_to_reload.recv() => reload(config, focus.as_ref()),
        }
    };
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
