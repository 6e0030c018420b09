//! `cargo xtask lint`: every rule of the house that a machine can check. All checks run, also after one has failed, and
//! each failure says what to do.

pub mod imports;
mod links;
mod packages;
mod tidy;

use crate::install;
use crate::parts;
use crate::place::Place;
use crate::process::{self, cargo};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::process::Command;

/// The folders with web code, each with a `package.json`.
pub const WEB_FOLDERS: [&str; 4] = [
    "client-web",
    "client-web/app",
    "client-web/organisations",
    "federation-tests",
];

/// One group of rules that can be checked alone.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Check {
    /// rustfmt's format
    Format,
    /// Lengths, `unsafe`, what must not be written down, names of files in documents
    Tidy,
    /// Who may use whom
    Imports,
    /// Licences, bans and sources of dependencies
    Deny,
    /// What the web folders check themselves
    Web,
    /// Clippy, with warnings as errors
    Clippy,
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Check::Format => "format",
            Check::Tidy => "tidy",
            Check::Imports => "imports",
            Check::Deny => "deny",
            Check::Web => "web",
            Check::Clippy => "clippy",
        }
    }

    fn run(self, place: &Place) -> Result<()> {
        match self {
            Check::Format => format(place),
            Check::Tidy => tidy::check(place),
            Check::Imports => imports::check(place),
            Check::Deny => deny(place),
            Check::Web => web(place),
            Check::Clippy => clippy(place),
        }
    }
}

/// Runs every check, or one.
pub fn run(place: &Place, only: Option<Check>) -> Result<()> {
    parts::run("lint", &parts::chosen(only), Check::name, |check| {
        check.run(place)
    })
}

fn format(place: &Place) -> Result<()> {
    process::run(
        "checking the formatting",
        cargo(place, "fmt").args(["--all", "--check"]),
    )
    .context("the formatting differs from rustfmt's: run `cargo fmt --all`")
}

fn clippy(place: &Place) -> Result<()> {
    let mut command = cargo(place, "clippy");
    command.args([
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "--deny",
        "warnings",
    ]);
    process::run("clippy", &mut command)
        .context("clippy has objections (above): follow them, or `expect` one with its reason")
}

fn deny(place: &Place) -> Result<()> {
    let mut command = Command::new(install::cargo_deny(place)?);
    // Advisories are left to a machine that reaches their database.
    command
        .args(["--log-level", "error", "check", "bans", "licenses", "sources"])
        .current_dir(&place.root);
    process::run("cargo deny", &mut command)
        .context("a dependency is banned or its licence is not on our list (above): use another crate, or its features \
                  without it; deny.toml gives the reasons")
}

fn web(place: &Place) -> Result<()> {
    for name in WEB_FOLDERS {
        let folder = place.root.join(name);
        install::node_packages(place, &folder)?;
        for script in ["check", "lint"] {
            let mut npm = Command::new("npm");
            npm.args(["run", "--silent", "--if-present", script])
                .current_dir(&folder);
            process::run(&format!("`npm run {script}` in {name}"), &mut npm)
                .with_context(|| format!("the web code in {name} has mistakes (above): mend them"))?;
        }
    }
    Ok(())
}
