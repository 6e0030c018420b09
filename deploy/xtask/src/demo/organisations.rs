//! `cargo xtask demo`: two homeservers that federate, a Hanse for each, and Element Call for their users.
//!
//! Here stand only installing and building. What runs, and what judges it, is `federation-tests/organisations`, because its
//! tests start the same. It takes our place as the process, so that Ctrl-C and the exit status are its own.

use crate::install;
use crate::place::Place;
use crate::process::{self, build, hanse_with_debug_tap, say};
use crate::web_client;
use anyhow::{Result, anyhow};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was asked for on the command line.
pub struct Wish {
    /// Let headless Chromium hold the call and judge it.
    pub check: bool,
    /// End with the verdict as JSON.
    pub json: bool,
    /// Take the pictures of the book into this folder.
    pub pictures: Option<PathBuf>,
}

/// Where the page lies that shows Element Call.
const PAGE: &str = "client-web/organisations";

/// Installs what is missing, builds, and goes over into the demo. Returns only when something is wrong before.
pub fn run(place: &Place, wish: Wish) -> Result<()> {
    let node = install::node()?;
    let python = homeserver_python(place)?;
    let mut command = Command::new(node);
    if wish.check || wish.pictures.is_some() {
        command.env("CHROMIUM", install::chromium()?);
        install::node_packages(place, &place.root.join("federation-tests"))?;
    }
    build_page(place)?;
    web_client::build(place)?;
    let hanse = if wish.check {
        hanse_with_debug_tap(place)?
    } else {
        build(place, "hanse", &[])?
    };

    command
        .arg(place.root.join("federation-tests/organisations/run.mjs"))
        .arg("--hanse")
        .arg(hanse)
        .arg("--python")
        .arg(python)
        .arg("--folder")
        .arg(place.root.join(".hanse/organisations"));
    if wish.check {
        command.arg("--check");
    }
    if let Some(folder) = wish.pictures {
        command.arg("--pictures").arg(std::path::absolute(folder)?);
    }
    if wish.json {
        command.arg("--json");
    }
    // Only a failure comes back.
    Err(anyhow!(command.exec()).context("the demo cannot be started"))
}

/// A Python with Synapse.
pub fn homeserver_python(place: &Place) -> Result<std::path::PathBuf> {
    install::python(
        place,
        &place.root.join("federation-tests/organisations/requirements.txt"),
    )
}

/// Installs Element Call and what the page around it needs, and builds that page.
pub fn build_page(place: &Place) -> Result<()> {
    let folder = place.root.join(Path::new(PAGE));
    install::node_packages(place, &folder)?;
    say("building the page");
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", "build"]).current_dir(&folder);
    process::run_quietly("building the page", &mut npm)
}
