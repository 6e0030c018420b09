//! `cargo xtask bench`: the benchmarks of `sfu/bench`, built in release mode.

use crate::install;
use crate::place::Place;
use crate::process::{self, build};
use anyhow::Result;
use std::process::Command;

/// Runs one benchmark. Its figures go to standard output, and nothing else does.
pub fn run(place: &Place, arguments: &[String]) -> Result<()> {
    install::valgrind()?;
    let bench = build(place, "hanse-bench", &["--release"])?;
    process::run("the benchmark", Command::new(bench).args(arguments))
}
