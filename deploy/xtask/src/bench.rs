//! `cargo xtask bench`: the benchmarks of `sfu/bench`, `focus/bench` and `federation-tests/bench`, built in release mode.

use crate::demo::organisations::homeserver_python;
use crate::install;
use crate::place::Place;
use crate::process::{self, build};
use crate::release;
use crate::web_client;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Those of `sfu/bench` that run the executable.
const AGAINST_A_SERVER: [&str; 3] = ["joins", "idle", "churn"];

/// Runs one benchmark. Its figures go to standard output, and nothing else does.
pub fn run(place: &Place, arguments: &[String]) -> Result<()> {
    if let Some((name, options)) = arguments.split_first()
        && name == "package"
    {
        return release::weigh::run(place, options);
    }
    let mut bench = match arguments.split_first() {
        Some((name, options)) if name == "focus" => {
            let programs = install::postgresql()?;
            let mut bench = Command::new(build(place, "hanse-focus-bench", &["--release"])?);
            bench.arg("--postgresql").arg(programs).args(options);
            bench
        }
        Some((name, options)) if name == "clients" => {
            let folder = place.root.join("federation-tests");
            install::node_packages(place, &folder)?;
            let mut bench = Command::new(install::node()?);
            bench
                .current_dir(&folder)
                .arg("bench/clients.mjs")
                .args(options)
                .env("CHROMIUM", install::chromium()?)
                .env(
                    "HANSE_PYTHON",
                    install::python(place, &folder.join("requirements.txt"))?,
                )
                .env("HANSE_BIN", build(place, "hanse", &["--release"])?);
            bench
        }
        Some((name, options)) if name == "web" => web(place, options)?,
        Some((name, options)) if AGAINST_A_SERVER.contains(&name.as_str()) => {
            let hanse = build(place, "hanse", &["--release"])?;
            let mut bench = Command::new(build(place, "hanse-bench", &["--release"])?);
            bench.arg(name).arg("--hanse").arg(hanse).args(options);
            bench
        }
        _ => {
            install::valgrind()?;
            let mut bench = Command::new(build(place, "hanse-bench", &["--release"])?);
            bench.args(arguments);
            bench
        }
    };
    process::run("the benchmark", &mut bench)
}

/// The page in a browser, with two organisations around it. `--hanse FILE` and `--participant FILE` name executables that are there, so
/// that those of a package can be measured.
fn web(place: &Place, options: &[String]) -> Result<Command> {
    let mut options = options.to_vec();
    let mut given = |name: &str| -> Option<PathBuf> {
        let at = options.iter().position(|option| option == name)?;
        options.remove(at);
        (at < options.len()).then(|| PathBuf::from(options.remove(at)))
    };
    let (hanse, participant) = (given("--hanse"), given("--participant"));
    let folder = place.root.join("federation-tests");
    install::node_packages(place, &folder)?;
    let python = homeserver_python(place)?;
    let built = |given: Option<PathBuf>, name| match given {
        Some(file) => std::path::absolute(&file).with_context(|| format!("{} is no file", file.display())),
        None => build(place, name, &["--release"]),
    };
    web_client::build(place)?;
    let mut bench = Command::new(install::node()?);
    bench
        .current_dir(&folder)
        .arg("bench/web.mjs")
        .args(options)
        .env("CHROMIUM", install::chromium()?)
        .env("HANSE_HOMESERVER_PYTHON", python)
        .env("HANSE_BIN", built(hanse, "hanse")?)
        .env("HANSE_PARTICIPANT_BIN", built(participant, "hanse-participant")?);
    Ok(bench)
}
