//! The web client (`client-web/app`), built so that the next build of `hanse` takes it in.

use crate::install;
use crate::place::{Place, key_of};
use crate::process::{read, run_quietly, say};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where it lies.
pub const FOLDER: &str = "client-web/app";

/// The first file of what is built.
const FIRST_FILE: &str = "dist/index.html.gz";

/// Installs what it needs and builds it, unless what is there was built from the same files: then nothing is written, and cargo
/// has nothing to do anew.
pub fn build(place: &Place) -> Result<()> {
    let folder = place.root.join(FOLDER);
    install::node_packages(place, &folder)?;
    let wanted = sources(place, &folder)?;
    let stamp = folder.join("node_modules/.built-from");
    let is_there = folder.join(FIRST_FILE).is_file();
    if is_there && fs::read_to_string(&stamp).is_ok_and(|built| built == wanted) {
        return Ok(());
    }
    say("building the web client");
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", "build"]).current_dir(&folder);
    run_quietly("building the web client", &mut npm)?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// A name for the state of its files.
fn sources(place: &Place, folder: &Path) -> Result<String> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        FOLDER,
    ])
    .current_dir(&place.root);
    let names = read("asking git for the web client's files", &mut git)?;
    let mut contents = String::new();
    for name in names.split_terminator('\0') {
        // One that is deleted, and not committed so yet, says nothing.
        if let Ok(bytes) = fs::read(place.root.join(name)) {
            contents.push_str(name);
            contents.push('\0');
            contents.push_str(&String::from_utf8_lossy(&bytes));
            contents.push('\0');
        }
    }
    anyhow::ensure!(!contents.is_empty(), "{} has no files", folder.display());
    Ok(key_of(&contents))
}
