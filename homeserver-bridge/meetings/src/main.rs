//! `hanse-meetings`: a bot on Matrix that schedules meetings across organisations.

// The futures of the Matrix SDK are deep.
#![recursion_limit = "256"]

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use hanse_meetings::config::Settings;
use hanse_meetings::serve;
use hanse_runtime::telemetry;
use std::path::PathBuf;
use std::process::ExitCode;

/// A bot on Matrix that schedules meetings across organisations.
#[derive(Parser)]
#[command(name = "hanse-meetings", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the bot until SIGINT or SIGTERM.
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Check the configuration.
    CheckConfig {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print a configuration file with every key, its default and its explanation.
    ExampleConfig,
}

fn main() -> ExitCode {
    match execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hanse-meetings: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute() -> Result<()> {
    match Arguments::parse().command {
        Command::Run { config } => {
            let settings = Settings::read(config.as_deref())?;
            telemetry::init(&settings.log);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("the system refuses threads")?;
            runtime.block_on(serve::run(&settings.meetings))
        }
        Command::CheckConfig { config } => {
            Settings::read(config.as_deref())?;
            println!("This configuration is valid.");
            Ok(())
        }
        Command::ExampleConfig => {
            print!("{}", Settings::example());
            Ok(())
        }
    }
}
