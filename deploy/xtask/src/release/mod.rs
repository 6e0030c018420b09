//! `cargo xtask release`: the Debian package, the same to the last byte wherever it is built from the same commit with the
//! same tools.
//!
//! What comes in: a commit. What goes out: `hanse_VERSION_ARCHITECTURE.deb`, its bill of materials beside it, and the
//! package's digest on standard output. What decides the bytes: the commit ([`commit`]), what the compiler is told
//! ([`executables`]), and the order, owners and times in the package ([`debian`]).

mod bill;
mod commit;
mod debian;
mod executables;
mod linked;
mod notices;
mod page;
mod scratch;
pub mod weigh;

use crate::install;
use crate::place::Place;
use crate::process::{read, say};
use crate::web_client;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use commit::Commit;
use executables::Wanted;
use linked::LinkedPackages;
use page::PagePackages;
use scratch::Scratch;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is to be packed, and how.
#[derive(Args)]
pub struct Wish {
    /// How the executables are built
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// Pack this executable as `hanse` instead of building one
    #[arg(long, value_name = "FILE")]
    hanse: Option<PathBuf>,
    /// Pack this executable as `hanse-participant` instead of building one
    #[arg(long, value_name = "FILE")]
    participant: Option<PathBuf>,
    /// Version of the package [default: the tag `vVERSION` of the commit, else one that says when it was made and which it is]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Folder for the package [default: target/package/out in the checkout]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// How the executables are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// For people: optimised, no path of the building machine in it, only from a commit without changes
    Release,
    /// For tests: what `cargo build` makes, packed quickly
    Dev,
}

/// Builds the package and prints its digest and its path, as `sha256sum` does.
pub fn run(place: &Place, wish: &Wish) -> Result<()> {
    println!("{}", digest(&make(place, wish)?)?);
    Ok(())
}

/// Builds the package and says where it is.
fn make(place: &Place, wish: &Wish) -> Result<PathBuf> {
    install::packaging()?;
    let is_release = wish.profile == Profile::Release;
    let commit = Commit::read(place, is_release)?;
    let version = match &wish.version {
        Some(version) => version.clone(),
        None => commit.version(place)?,
    };
    let out = std::path::absolute(
        wish.out
            .clone()
            .unwrap_or_else(|| place.root.join("target/package/out")),
    )
    .context("the folder for the package has no name")?;
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;

    let wanted = [
        Wanted {
            name: "hanse",
            purpose: "video calls between organisations, on their own Matrix homeservers",
            given: wish.hanse.as_deref(),
        },
        Wanted {
            name: "hanse-participant",
            purpose: "a member of Matrix calls without a screen",
            given: wish.participant.as_deref(),
        },
    ];
    if wish.hanse.is_none() {
        web_client::build(place)?;
    } else {
        // For the texts of their licences.
        install::node_packages(place, &place.root.join(web_client::FOLDER))?;
    }
    let built = executables::all(place, &wanted, is_release, &commit)?;
    let scratch = Scratch::new("package")?;
    let linked = LinkedPackages::read(place, &wanted.map(|wanted| wanted.name))?;
    let page = PagePackages::read(place)?;
    let bill = bill::write(&linked, &page, &commit, &version)?;
    let contents = debian::Contents {
        executables: built,
        bill: bill.clone(),
        notices: notices::collect(&linked, &page)?,
        version,
        profile: wish.profile,
    };
    let package = debian::pack(place, &scratch, &contents, &commit, &out)?;
    let bill_file = package.with_extension("cdx.json");
    fs::write(&bill_file, bill).with_context(|| format!("cannot write {}", bill_file.display()))?;
    Ok(package)
}

/// The line of `sha256sum` for one file.
fn digest(file: &Path) -> Result<String> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        bail!("{} is no file", file.display());
    };
    let mut command = Command::new("sha256sum");
    command.arg(name).current_dir(folder);
    let line = read("taking the digest of the package", &mut command)?;
    let size = fs::metadata(file)
        .with_context(|| format!("cannot look at {}", file.display()))?
        .len();
    say(&format!(
        "{} has {:.1} MB",
        file.display(),
        size as f64 / 1_000_000.0
    ));
    Ok(line.trim_end().to_owned())
}
