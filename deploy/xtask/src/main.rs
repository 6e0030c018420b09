//! `cargo xtask`: the workshop of the project.
//!
//! What comes in: a command line (`lint`, `test`, `bench`, `demo`, `release`). What goes out: progress on standard error, results
//! on standard output, exit code 0 or 1. What it never does: ask a question, install anything that is there already,
//! write outside the checkout, the cache ([`place::Place`]) and, for Debian packages, the system's package manager.
//! Where to look next: [`lint`] for the rules, [`lint::imports`] for who may use whom, [`install`] for what is installed.

mod bench;
mod demo;
mod install;
mod lint;
mod parts;
mod place;
mod process;
mod release;
mod test;
mod web_client;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "The workshop of the project: lint, test, bench, demo, release"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check formatting, clippy, licences and bans, who uses whom, web code, and the tidiness of the tree
    Lint {
        /// Run this check alone
        #[arg(long, value_enum)]
        only: Option<lint::Check>,
    },
    /// Install what is missing and run every test
    Test {
        /// Run this part alone
        #[arg(long, value_enum)]
        only: Option<test::Part>,
    },
    /// Build a benchmark in release mode and run it
    Bench {
        /// The benchmark (`packet-path`, `links`, `joins`, `idle`, `churn`, `clients`, `web`, `focus` or `package`), then what it takes (`--json`)
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "BENCHMARK"
        )]
        arguments: Vec<String>,
    },
    /// Start two organisations on this machine: a homeserver and a Hanse for each, and Element Call for their users
    Demo {
        /// Let headless Chromium hold the call, judge it, and stop everything
        #[arg(long)]
        check: bool,
        /// End the check with its figures as one line of JSON
        #[arg(long, requires = "check", conflicts_with = "sfu_only")]
        json: bool,
        /// Without homeservers: the SFU alone, and a small page that calls through it
        #[arg(long)]
        sfu_only: bool,
        /// Take the pictures of the book with headless Chromium instead, into this folder
        #[arg(long, value_name = "DIR", conflicts_with_all = ["check", "sfu_only"])]
        pictures: Option<PathBuf>,
    },
    /// Build the Debian package, the same to the last byte for the same commit
    Release(release::Wish),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = place::Place::find().and_then(|place| match arguments.command {
        Command::Lint { only } => lint::run(&place, only),
        Command::Test { only } => test::run(&place, only),
        Command::Bench { arguments } => bench::run(&place, &arguments),
        Command::Demo {
            check,
            sfu_only: true,
            ..
        } => demo::sfu_only::run(&place, check),
        Command::Release(wish) => release::run(&place, &wish),
        Command::Demo {
            check,
            json,
            pictures,
            ..
        } => demo::organisations::run(
            &place,
            demo::organisations::Wish {
                check,
                json,
                pictures,
            },
        ),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
