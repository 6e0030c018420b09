//! `cargo xtask test`: installs what is missing, then runs the tests in five parts. All parts run, also after one has
//! failed.

use crate::demo::organisations;
use crate::install;
use crate::parts;
use crate::place::Place;
use crate::process::{self, cargo, hanse_with_debug_tap};
use crate::web_client;
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
    /// Element Call between two organisations with homeservers of their own
    Organisations,
    /// How Hanse is installed, examined and operated: package, setup, doctor, networks, drain. Needs root.
    Installation,
}

/// What runs when no part is named, quick ones first.
const ALL: [Part; 5] = [
    Part::Rust,
    Part::Web,
    Part::Contract,
    Part::Organisations,
    Part::Installation,
];

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Rust => "rust",
            Part::Web => "web",
            Part::Contract => "contract",
            Part::Organisations => "organisations",
            Part::Installation => "installation",
        }
    }

    fn run(self, place: &Place) -> Result<()> {
        match self {
            Part::Rust => rust(place),
            Part::Web => web(place),
            Part::Contract => contract(place),
            Part::Organisations => between_organisations(place),
            Part::Installation => installation(place),
        }
    }
}

/// Runs all parts, or one.
pub fn run(place: &Place, only: Option<Part>) -> Result<()> {
    let parts = only.map_or(ALL.to_vec(), |part| vec![part]);
    parts::run("test", &parts, Part::name, |part| part.run(place))
}

fn rust(place: &Place) -> Result<()> {
    install::postgresql()?;
    process::run(
        "cargo test",
        cargo(place, "test").args(["--workspace", "--no-fail-fast"]),
    )
}

fn web(place: &Place) -> Result<()> {
    for name in ["client-web", web_client::FOLDER] {
        let folder = place.root.join(name);
        install::node_packages(place, &folder)?;
        npm(&folder, "test", &[])?;
    }
    Ok(())
}

/// `federation-tests` is told by environment variables what to test and with what.
fn contract(place: &Place) -> Result<()> {
    let folder = place.root.join("federation-tests");
    install::node_packages(place, &folder)?;
    let chromium = install::chromium()?;
    let firefox = install::firefox()?;
    install::network_namespaces()?;
    install::certificates()?;
    let python = install::python(place, &folder.join("requirements.txt"))?;
    // So that all parts share one executable.
    web_client::build(place)?;
    let hanse = hanse_with_debug_tap(place)?;
    let environment = [
        ("HANSE_BIN", &hanse),
        ("HANSE_PYTHON", &python),
        ("CHROMIUM", &chromium),
        ("FIREFOX", &firefox),
    ];
    npm(&folder, "test", &environment)
}

fn between_organisations(place: &Place) -> Result<()> {
    with_homeservers(place, "test:organisations", &[])
}

fn installation(place: &Place) -> Result<()> {
    install::network_namespaces()?;
    install::certificates()?;
    install::reverse_proxies()?;
    install::wrong_clocks()?;
    install::clean_debian()?;
    install::walls_and_relays()?;
    let schemas = place.root.join("federation-tests/installation/requirements.txt");
    let schemas = install::python(place, &schemas)?;
    let calendars = calendars(place)?;
    let more = [("HANSE_SCHEMA_PYTHON", &schemas), ("HANSE_CALENDARS", &calendars)];
    with_homeservers(place, "test:installation", &more)
}

/// A file with calendars as the meetings' bot makes them, for other programs to read.
fn calendars(place: &Place) -> Result<PathBuf> {
    let mut example = cargo(place, "run");
    example.args(["--quiet", "--package", "hanse-meetings", "--example", "calendars"]);
    let calendars = process::read("printing calendars", &mut example)?;
    let file = place.cache.join("calendars.jsonl");
    fs::write(&file, calendars).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Runs a script of `federation-tests` that starts homeservers, browsers and participants. `more` is for its environment.
fn with_homeservers(place: &Place, script: &str, more: &[(&str, &PathBuf)]) -> Result<()> {
    let folder = place.root.join("federation-tests");
    install::node_packages(place, &folder)?;
    let chromium = install::chromium()?;
    install::postgresql()?;
    let python = organisations::homeserver_python(place)?;
    organisations::build_page(place)?;
    web_client::build(place)?;
    let hanse = hanse_with_debug_tap(place)?;
    // Each names the other, so that the features of what they share are the same and it is compiled once.
    let participant = process::build(place, "hanse-participant", &["--package", "hanse-meetings"])?;
    let meetings = process::build(place, "hanse-meetings", &["--package", "hanse-participant"])?;
    let environment = [
        ("HANSE_BIN", &hanse),
        ("HANSE_PARTICIPANT_BIN", &participant),
        ("HANSE_MEETINGS_BIN", &meetings),
        ("HANSE_HOMESERVER_PYTHON", &python),
        ("CHROMIUM", &chromium),
    ];
    npm(&folder, script, &[environment.as_slice(), more].concat())
}

fn npm(folder: &Path, script: &str, environment: &[(&str, &PathBuf)]) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", script])
        .current_dir(folder)
        .envs(environment.iter().copied());
    let name = folder.file_name().unwrap_or_default().display();
    process::run(&format!("`npm run {script}` in {name}"), &mut npm)
}
