//! Several parts of one task: all run, also after one has failed; at the end stands what became of each.

use crate::process::say;
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::time::Instant;

/// The one part that was asked for, or all of them.
pub fn chosen<P: ValueEnum + Clone>(only: Option<P>) -> Vec<P> {
    only.map_or_else(|| P::value_variants().to_vec(), |part| vec![part])
}

/// Runs the parts in order. Prints the trouble of each where it happens, then one line a part with its time, then
/// `parts: N passed, N failed`. `task` is their subcommand.
pub fn run<P: Copy>(
    task: &str,
    parts: &[P],
    name: impl Fn(P) -> &'static str,
    run_part: impl Fn(P) -> Result<()>,
) -> Result<()> {
    let mut summary = String::new();
    let mut failed = Vec::new();
    for part in parts.iter().copied() {
        say(&format!("{task}: {}", name(part)));
        let began = Instant::now();
        let outcome = run_part(part);
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        summary.push_str(&format!(
            "{:<10} {verdict:<6} {:>7.1} s\n",
            name(part),
            began.elapsed().as_secs_f64()
        ));
        if let Err(error) = outcome {
            say(&format!("{error:#}"));
            failed.push(name(part));
        }
    }
    println!(
        "\n{summary}parts: {} passed, {} failed",
        parts.len() - failed.len(),
        failed.len()
    );
    match failed.first() {
        None => Ok(()),
        Some(first) => bail!(
            "failed: {} (`cargo xtask {task} --only {first}` repeats that)",
            failed.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn all_parts_run_and_the_failed_ones_are_named() {
        let ran = RefCell::new(Vec::new());
        let task = |part: usize| {
            ran.borrow_mut().push(part);
            if part == 1 { bail!("no") } else { Ok(()) }
        };
        let error = run("test", &[0, 1, 2], |part| ["a", "b", "c"][part], task).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed: b (`cargo xtask test --only b` repeats that)"
        );
        assert_eq!(ran.into_inner(), [0, 1, 2]);
    }
}
