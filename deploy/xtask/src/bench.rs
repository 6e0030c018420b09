//! `cargo xtask bench`: the benchmarks of `sfu/bench`, `focus/bench` and `federation-tests/bench`, built in release mode.

use crate::install;
use crate::place::Place;
use crate::process::{self, build};
use anyhow::Result;
use std::process::Command;

/// Those of `sfu/bench` that run the executable.
const AGAINST_A_SERVER: [&str; 3] = ["joins", "idle", "churn"];

/// Runs one benchmark. Its figures go to standard output, and nothing else does.
pub fn run(place: &Place, arguments: &[String]) -> Result<()> {
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
