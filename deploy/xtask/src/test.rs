//! `cargo xtask test`: installs what is missing, then runs every test in three parts. All parts run, also after one has
//! failed.

use crate::demo::organisations;
use crate::install;
use crate::parts;
use crate::place::Place;
use crate::process::{self, cargo, hanse_with_debug_tap};
use anyhow::Result;
use clap::ValueEnum;
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
    let homeserver_python = organisations::homeserver_python(place)?;
    organisations::build_page(place)?;
    let hanse = hanse_with_debug_tap(place)?;
    npm_test(
        &folder,
        &[
            ("HANSE_BIN", &hanse),
            ("HANSE_PYTHON", &python),
            ("HANSE_HOMESERVER_PYTHON", &homeserver_python),
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
