//! The Hanse server: one executable, SFU inside.
//!
//! In: a command line, `hanse.toml`, environment variables, signals. Out: a running server, or a sentence that says why
//! not. It only joins parts; what each part does is in its own crate.
//!
//! Where to look next: `settings.rs` for the tables of the configuration, `focus.rs` for how the focus reaches the SFU and
//! homeservers, `hanse_sfu::node` for the SFU.

mod focus;
mod settings;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use hanse_runtime::{shutdown, telemetry};
use hanse_sfu::Node;
use settings::{Settings, example_file, example_page};
use std::path::PathBuf;
use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    match execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The sentence and its causes, on one line; a backtrace would bury them.
            eprintln!("hanse: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute() -> Result<()> {
    match Arguments::parse().command {
        Command::Run { config } => {
            let settings = Settings::read(config.as_deref())?;
            telemetry::init(&settings.log);
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("the system refuses threads")?
                .block_on(run(&settings))
        }
        Command::CheckConfig { config } => {
            let settings = Settings::read(config.as_deref())?;
            print!("{}", settings.explanation);
            println!("# This configuration is valid.");
            Ok(())
        }
        Command::ExampleConfig { page } => {
            print!("{}", if page { example_page() } else { example_file() });
            Ok(())
        }
    }
}

async fn run(settings: &Settings) -> Result<()> {
    // Before the node starts, so that a signal during the start is not lost.
    let asked_to_stop = shutdown::requested();
    tokio::pin!(asked_to_stop);
    let focus = focus::routes(settings)?;
    let beside = |sfu| focus.map(|routes| routes(sfu)).unwrap_or_default();
    let mut node = tokio::select! {
        node = Node::start_beside(&settings.http, &settings.sfu, beside) => node?,
        signal = &mut asked_to_stop => {
            tracing::info!("stopped by {} before the start was complete", signal?);
            return Ok(());
        }
    };
    let addresses: Vec<String> = node.http_addresses().iter().map(ToString::to_string).collect();
    tracing::info!(
        "hanse {} serves HTTP on {}",
        env!("CARGO_PKG_VERSION"),
        addresses.join(", ")
    );
    let failure = tokio::select! {
        signal = &mut asked_to_stop => {
            tracing::info!("{}: saying goodbye to everybody", signal.context("no signal can be awaited")?);
            None
        }
        failure = node.failed() => Some(failure),
    };
    node.stop().await;
    match failure {
        Some(failure) => bail!("{failure}; the server cannot go on"),
        None => {
            tracing::info!("stopped");
            Ok(())
        }
    }
}
