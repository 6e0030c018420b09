//! The executables of the package: built so that the folder they were built in leaves no trace, and stripped.

use super::commit::Commit;
use crate::place::Place;
use crate::process::{build, build_with, read};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An executable as it goes into the package, but for stripping.
pub struct Executable {
    /// Its name in `/usr/bin`.
    pub name: &'static str,
    /// What it is for, in half a sentence.
    pub purpose: &'static str,
    /// Where it was built.
    pub built: PathBuf,
    /// What must not be found in it.
    pub traces: Vec<String>,
}

/// One that is to be packed.
pub struct Wanted<'a> {
    /// Its name, and that of its Cargo package.
    pub name: &'static str,
    /// What it is for, in half a sentence.
    pub purpose: &'static str,
    /// The file, if it is built already.
    pub given: Option<&'a Path>,
}

/// Builds what is not given.
pub fn all(
    place: &Place,
    wanted: &[Wanted<'_>],
    is_release: bool,
    commit: &Commit,
) -> Result<Vec<Executable>> {
    let folders = if is_release {
        building_folders(place)?
    } else {
        Vec::new()
    };
    let one = |wanted: &Wanted<'_>| {
        let name = wanted.name;
        let built = match wanted.given {
            Some(given) => {
                std::path::absolute(given).with_context(|| format!("{} is no file", given.display()))?
            }
            None if is_release => release(place, name, &folders, commit)?,
            None => build(place, name, &[])?,
        };
        Ok(Executable {
            name,
            purpose: wanted.purpose,
            built,
            traces: folders.iter().map(|(folder, _)| folder.clone()).collect(),
        })
    };
    wanted.iter().map(one).collect()
}

/// One executable, from a target folder of its own: the flags differ from those of other builds, which would begin anew
/// each time.
fn release(place: &Place, name: &str, folders: &[(String, &str)], commit: &Commit) -> Result<PathBuf> {
    let target = place.root.join("target/package");
    let flags = |flag: &str, separator: &str| {
        let flags: Vec<String> = folders
            .iter()
            .map(|(folder, instead)| format!("{flag}={folder}={instead}"))
            .collect();
        flags.join(separator)
    };
    let environment = [
        // Paths may have spaces, so not RUSTFLAGS.
        ("CARGO_ENCODED_RUSTFLAGS", flags("--remap-path-prefix", "\u{1f}")),
        // What crates compile in C says its file names in messages, too.
        ("CFLAGS", flags("-ffile-prefix-map", " ")),
        ("CXXFLAGS", flags("-ffile-prefix-map", " ")),
        ("SOURCE_DATE_EPOCH", commit.epoch_s.to_string()),
        ("CARGO_INCREMENTAL", "0".to_owned()),
        ("LC_ALL", "C".to_owned()),
    ];
    let target = target
        .to_str()
        .context("the checkout's folder has a name that is not UTF-8")?;
    build_with(
        place,
        name,
        &["--release", "--locked", "--target-dir", target],
        &environment,
    )
}

/// Folders of this machine, each with what stands for it in the executables. rustc and gcc take the last one that fits.
fn building_folders(place: &Place) -> Result<Vec<(String, &'static str)>> {
    let mut rustc = Command::new("rustc");
    let sysroot = read(
        "asking rustc for its folder",
        rustc.args(["--print", "sysroot"]).current_dir(&place.root),
    )?;
    let home = std::env::var("HOME").unwrap_or_default();
    let cargo = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let root = place.root.display().to_string();
    let folders = vec![
        (sysroot.trim().to_owned(), "/rust"),
        (cargo, "/cargo"),
        (root, "/hanse"),
    ];
    for (folder, _) in &folders {
        refuse_space(folder)?;
    }
    Ok(folders)
}

/// `CFLAGS` are taken apart at spaces.
fn refuse_space(folder: &str) -> Result<()> {
    if folder.contains(char::is_whitespace) {
        bail!(
            "{folder} has a space in its name, which C compilers cannot be told of: build from a checkout elsewhere"
        );
    }
    Ok(())
}

/// Copies an executable without symbols and debug information, and refuses it if a folder of this machine is in it.
pub fn strip(executable: &Executable, to: &Path) -> Result<()> {
    let mut strip = Command::new("strip");
    strip
        .args(["--strip-all", "--remove-section=.comment", "-o"])
        .arg(to)
        .arg(&executable.built);
    read(&format!("stripping {}", executable.name), &mut strip)?;
    let bytes = fs::read(to).with_context(|| format!("cannot read {}", to.display()))?;
    match first_trace(&bytes, &executable.traces) {
        None => Ok(()),
        Some(trace) => bail!(
            "{} contains {trace}, a folder of this machine, so that another machine builds another executable: \
             find who compiles it in, and map it away in deploy/xtask/src/release/executables.rs",
            executable.name
        ),
    }
}

fn first_trace<'a>(bytes: &[u8], traces: &'a [String]) -> Option<&'a str> {
    let is_in = |trace: &&String| {
        bytes
            .windows(trace.len().max(1))
            .any(|window| window == trace.as_bytes())
    };
    traces.iter().find(is_in).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_space_is_refused_before_the_compiler_trips_over_it() {
        assert!(refuse_space("/srv/my checkout").is_err());
        assert!(refuse_space("/srv/my-checkout").is_ok());
    }

    #[test]
    fn a_folder_of_the_machine_is_found_in_an_executable_and_others_are_not() {
        let traces = ["/some/checkout".to_owned(), "/some/cargo".to_owned()];
        assert_eq!(first_trace(b"\0/cargo/registry\0", &traces), None);
        assert_eq!(
            first_trace(b"\0/some/cargo/registry\0", &traces),
            Some("/some/cargo")
        );
    }
}
