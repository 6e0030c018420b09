//! `cargo xtask test`: installs what is missing, then runs every test in three parts. All parts run, also after one has
//! failed.

use crate::install;
use crate::parts;
use crate::place::Place;
use crate::process::{self, build, cargo};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A part of the tests that can run alone.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Part {
    /// Every Rust test of the workspace
    Rust,
    /// The tests of client-web
    Web,
    /// Clients that we did not write, against the executable: federation-tests
    Contract,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Rust => "rust",
            Part::Web => "web",
            Part::Contract => "contract",
        }
    }

    fn run(self, place: &Place) -> Result<()> {
        match self {
            Part::Rust => rust(place),
            Part::Web => web(place),
            Part::Contract => contract(place),
        }
    }
}

/// Runs all parts, or one.
pub fn run(place: &Place, only: Option<Part>) -> Result<()> {
    parts::run("test", &parts::chosen(only), Part::name, |part| part.run(place))
}

fn rust(place: &Place) -> Result<()> {
    process::run(
        "cargo test",
        cargo(place, "test").args(["--workspace", "--no-fail-fast"]),
    )
}

fn web(place: &Place) -> Result<()> {
    let folder = place.root.join("client-web");
    install::node_packages(place, &folder)?;
    npm_test(&folder, &[])
}

/// `federation-tests` is told by environment variables what to test and with what.
fn contract(place: &Place) -> Result<()> {
    let folder = place.root.join("federation-tests");
    install::node_packages(place, &folder)?;
    let chromium = install::chromium()?;
    let python = install::python(place, &folder.join("requirements.txt"))?;
    let hanse = hanse_with_debug_tap(place)?;
    npm_test(
        &folder,
        &[
            ("HANSE_BIN", &hanse),
            ("HANSE_PYTHON", &python),
            ("CHROMIUM", &chromium),
        ],
    )
}

fn npm_test(folder: &Path, environment: &[(&str, &PathBuf)]) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", "test"])
        .current_dir(folder)
        .envs(environment.iter().copied());
    let name = folder.file_name().unwrap_or_default().display();
    process::run(&format!("`npm test` in {name}"), &mut npm)
}

/// Builds `hanse` with the tap that copies forwarded frames to a file. It is moved aside at once: what lies at cargo's usual
/// place must never be an executable with a tap.
fn hanse_with_debug_tap(place: &Place) -> Result<PathBuf> {
    let built = build(place, "hanse", &["--features", "debug-tap"])?;
    let folder = built
        .parent()
        .and_then(Path::parent)
        .context("cargo built hanse at the top of the file system")?;
    let folder = folder.join("debug-tap");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let moved = folder.join("hanse");
    fs::rename(&built, &moved)
        .with_context(|| format!("cannot move {} to {}", built.display(), moved.display()))?;
    Ok(moved)
}
