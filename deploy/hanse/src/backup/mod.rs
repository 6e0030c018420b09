//! `hanse backup` and `hanse restore`: the data of a server in one file, and back.
//!
//! A backup is taken while the server runs: the database says what it had at one moment, and each webhook that waits is a
//! file of its own. It is written beside its place and renamed when it is whole. A restore puts everything beside its place
//! first, notes what is to be renamed, and then renames it; whoever comes next, `hanse run` too, ends what was noted. So
//! whoever is killed leaves either the old or the new.
//!
//! Where to look next: `archive.rs` for the file, `restore.rs` for the way back.

mod archive;
mod restore;

pub use restore::{RestoreArguments, finish, replace_file, run as run_restore};

use crate::owner::Owner;
use crate::settings::{DataPlaces, data_places};
use anyhow::{Context, Result, bail};
use archive::{Entry, FolderOf, Kind, Source};
use clap::Args;
use hanse_focus::store::transfer;
use hanse_runtime::clock;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is to be saved, and where.
#[derive(Args)]
pub struct BackupArguments {
    /// The file to write. An earlier backup there is replaced once the new one is whole.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The configuration file of the server; it says where its data is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Save the configuration file, too, and the files with secrets that it names (API keys, registrations, certificates and
    /// their keys).
    #[arg(long)]
    with_configuration: bool,
}

/// Writes a backup, and says what is in it.
///
/// # Errors
///
/// A sentence; an earlier backup at the same place is as it was then.
pub async fn run_backup(arguments: &BackupArguments) -> Result<String> {
    restore::finish(arguments.config.as_deref()).await?;
    let places = data_places(arguments.config.as_deref())?;
    let to = std::path::absolute(&arguments.to).context("--to")?;
    match fs::symlink_metadata(&to) {
        Ok(_) if archive::is_backup(&to) => {}
        Ok(_) => bail!(
            "{} is there, and is no backup of hanse: name another file",
            to.display()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| to.display().to_string()),
    }
    let snapshot = beside(&to, "database")?;
    // Of a backup that was killed.
    let _ = fs::remove_file(&snapshot);
    let outcome = write(arguments, &places, &to, &snapshot).await;
    let _ = fs::remove_file(&snapshot);
    outcome
}

async fn write(
    arguments: &BackupArguments,
    places: &DataPlaces,
    to: &Path,
    snapshot: &Path,
) -> Result<String> {
    let rows = transfer::snapshot(places.store_url.expose(), snapshot)
        .await
        .context("[store]")?;
    let mut sources = vec![Source::file(
        Entry::new("database.sqlite", Kind::Database),
        snapshot,
    )?];
    if let Some(folder) = &places.webhook_folder {
        sources.extend(webhooks(folder)?);
    }
    let webhooks = sources.len() - 1;
    if arguments.with_configuration {
        for path in configuration(places)? {
            let name = format!("configuration/{}", sources.len());
            let source = configuration_file(&name, &path);
            sources.push(source.with_context(|| format!("{} cannot be read", path.display()))?);
        }
    }
    let files = sources.len() - 1 - webhooks;
    archive::write(to, clock::unix_s(), sources)?;
    let mut said = format!("{} is written.\n", to.display());
    for table in rows {
        said.push_str(&format!("{:>8} rows of {}\n", table.rows, table.table));
    }
    said.push_str(&format!(
        "{webhooks:>8} webhooks that wait\n{files:>8} files of the configuration\n"
    ));
    if arguments.with_configuration {
        said.push_str("Its secrets let whoever has it sign tokens: keep it as you keep the keys.\n");
    }
    Ok(said)
}

/// The files of the configuration, each once: those that it names, and what ACME has got.
fn configuration(places: &DataPlaces) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in &places.configuration {
        let path = std::path::absolute(path)?;
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if let Some(folder) = &places.acme_folder {
        let folder = std::path::absolute(folder)?;
        let found = entries(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        // What is just being written has another ending.
        let kept = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|end| end != "new");
        paths.extend(found.into_iter().filter(kept));
    }
    Ok(paths)
}

fn configuration_file(name: &str, path: &Path) -> std::io::Result<Source> {
    let mut entry = Entry::new(name, Kind::Configuration);
    let (bytes, metadata) = (fs::read(path)?, fs::metadata(path)?);
    entry.mode = metadata.permissions().mode() & 0o777;
    entry.owner = Owner::of(&metadata);
    if let Some(folder) = path.parent() {
        let metadata = fs::metadata(folder)?;
        entry.folder = Some(FolderOf {
            mode: metadata.permissions().mode() & 0o777,
            owner: Owner::of(&metadata),
        });
    }
    entry.path = Some(path.to_owned());
    Ok(Source::bytes(entry, bytes))
}

/// What waits to be sent. A file that goes meanwhile has arrived.
fn webhooks(folder: &Path) -> Result<Vec<Source>> {
    let cannot = || format!("[sfu] webhook_folder: {} cannot be read", folder.display());
    let mut sources = Vec::new();
    for destination in entries(folder).with_context(cannot)? {
        let Some(place) = destination.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if !place.starts_with("to-") {
            continue;
        }
        for file in entries(&destination).with_context(cannot)? {
            let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if !name.ends_with(".json") {
                continue;
            }
            match fs::read(&file) {
                Ok(bytes) => {
                    let entry = Entry::new(&format!("webhooks/{place}/{name}"), Kind::Webhook);
                    sources.push(Source::bytes(entry, bytes));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(cannot),
            }
        }
    }
    Ok(sources)
}

/// In the order of their names. A folder that is not there has nothing in it.
fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let found = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => found?,
    };
    let mut paths = found
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// A name beside a file, for what becomes it or helps it.
fn beside(path: &Path, what: &str) -> Result<PathBuf> {
    let name = path
        .file_name()
        .with_context(|| format!("{} is no name of a file", path.display()))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".hanse-");
    hidden.push(what);
    Ok(path.with_file_name(hidden))
}

/// Has the names in the folder of a file written to the disk.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
