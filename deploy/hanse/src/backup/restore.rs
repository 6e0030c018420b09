//! The way back. Everything is put beside its place, a note says what is to be renamed, and then it is renamed: the note is
//! the moment at which the old becomes the new. Whoever comes after a killed restore ends what is noted ([`finish`]).

use super::archive::{self, Entry, Kind, Manifest};
use super::{beside, sync_folder};
use crate::owner::Owner;
use crate::settings::{DataPlaces, data_places};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hanse_focus::store::transfer;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// The note, beside the database.
const NOTE: &str = "hanse-restore.json";

/// What is to be put back.
#[derive(Args)]
pub struct RestoreArguments {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The configuration file of the server; it says where its data goes.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Put the configuration of the backup back, too, each file where it was.
    #[arg(long)]
    with_configuration: bool,
    /// Replace what is there. Without it, a restore over anything is refused.
    #[arg(long)]
    replace: bool,
}

/// A part of what is noted. Each is done when what it begins with is gone, and may be tried again and again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// `from` becomes `to`; what belonged to the old one goes first.
    File {
        from: PathBuf,
        to: PathBuf,
        obsolete: Vec<PathBuf>,
    },
    /// The same of a folder.
    Folder { from: PathBuf, to: PathBuf },
    /// PostgreSQL's tables become what is in this SQLite file.
    Fill { from: PathBuf },
}

/// Puts a backup back, and says what it was.
///
/// # Errors
///
/// A sentence: a damaged or newer backup, a server that runs, something that is there. Nothing is changed then.
pub async fn run(arguments: &RestoreArguments) -> Result<String> {
    // Once for nothing: from here on every byte is as it was written.
    let manifest = archive::read(&arguments.from, |_, entry, _| check(entry))?;
    let config = arguments.config.as_deref();
    match config {
        // A new machine: where data goes, says the configuration of the backup.
        Some(path) if arguments.with_configuration && !path.exists() => {
            let path = std::path::absolute(path)?;
            let saved = beside(&path, "saved")?;
            archive::read(&arguments.from, |_, entry, content| {
                if entry.path.as_ref() == Some(&path) {
                    put(&saved, 0o600, &path, None, content)?;
                }
                Ok(())
            })?;
            let outcome = restore(arguments, &manifest, Some(&saved)).await;
            let _ = fs::remove_file(&saved);
            outcome
        }
        config => restore(arguments, &manifest, config).await,
    }
}

async fn restore(arguments: &RestoreArguments, manifest: &Manifest, config: Option<&Path>) -> Result<String> {
    finish(config).await?;
    let has_configuration = manifest
        .files
        .iter()
        .any(|entry| entry.kind == Kind::Configuration);
    ensure!(
        has_configuration || !arguments.with_configuration,
        "this backup has no configuration in it: leave out --with-configuration"
    );
    let places = data_places(config)?;
    let url = places.store_url.expose();
    let held = transfer::hold(url).context("[store]")?;
    let steps = steps(arguments, manifest, &places)?;
    if !arguments.replace {
        for step in &steps {
            let there = match step {
                Step::File { to, .. } => to.exists().then(|| to.display().to_string()),
                Step::Folder { to, .. } => {
                    (!super::webhooks(to)?.is_empty()).then(|| to.display().to_string())
                }
                Step::Fill { .. } => (!transfer::is_empty(url).await.context("[store]")?)
                    .then(|| "the database in PostgreSQL".to_owned()),
            };
            if let Some(there) = there {
                bail!("{there} is there already, and nothing was changed: say --replace to have it replaced");
            }
        }
    }
    stage(arguments, &places)?;
    if let Some(database) = staged_database(&steps) {
        transfer::examine(database)
            .await
            .context("the database in the backup")?;
    }
    note(&places, &steps)?;
    carry_out(&places, &steps).await?;
    drop(held);
    Ok(format!(
        "Restored from a backup of hanse {}, taken {} s after 1970: {} files. Start the server.\n",
        manifest.hanse,
        manifest.created_unix_s,
        steps.len()
    ))
}

/// Ends a restore that was killed after everything was decided. Does nothing if there is none.
///
/// # Errors
///
/// A sentence; the note stays, and the next one tries again.
pub async fn finish(config: Option<&Path>) -> Result<()> {
    let places = data_places(config)?;
    let note = places.data_folder()?.join(NOTE);
    let text = match fs::read(&note) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| note.display().to_string()),
    };
    let steps: Vec<Step> = serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} says what a restore still has to do, and cannot be read",
            note.display()
        )
    })?;
    let _held = transfer::hold(places.store_url.expose()).context("[store]")?;
    carry_out(&places, &steps).await?;
    eprintln!("hanse: a restore that had been interrupted is done now");
    Ok(())
}

/// Names in a backup become paths here, so each must be what we would have written.
fn check(entry: &Entry) -> Result<()> {
    let is_plain = |path: &Path| {
        path.components()
            .all(|part| matches!(part, Component::Normal(_) | Component::RootDir))
    };
    let is_good = match (entry.kind, &entry.path) {
        (Kind::Database, None) => entry.name == "database.sqlite",
        (Kind::Webhook, None) => entry.name.starts_with("webhooks/to-") && is_plain(Path::new(&entry.name)),
        (Kind::Configuration, Some(path)) => path.is_absolute() && is_plain(path),
        _ => false,
    };
    ensure!(
        is_good,
        "the backup has {} in it, which hanse does not write",
        entry.name
    );
    Ok(())
}

/// Where an entry is put first; `None`: it is left out.
fn staged(arguments: &RestoreArguments, places: &DataPlaces, entry: &Entry) -> Result<Option<PathBuf>> {
    Ok(match (entry.kind, &entry.path) {
        (Kind::Database, _) => Some(staged_beside(&database_place(places)?)?),
        (Kind::Webhook, _) => match &places.webhook_folder {
            Some(folder) => {
                let below = entry.name.trim_start_matches("webhooks/");
                Some(staged_beside(&std::path::absolute(folder)?)?.join(below))
            }
            None => None,
        },
        (Kind::Configuration, Some(path)) if arguments.with_configuration => {
            Some(staged_beside(&led_to(path))?)
        }
        (Kind::Configuration, _) => None,
    })
}

/// Where a link leads to, which is what is replaced; what is no link, is its own place.
fn led_to(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn staged_beside(path: &Path) -> Result<PathBuf> {
    beside(path, "restore")
}

/// Where the database is, or, for PostgreSQL, is put on its way.
fn database_place(places: &DataPlaces) -> Result<PathBuf> {
    Ok(match places.database_file()? {
        Some(file) => file,
        None => places.data_folder()?.join("hanse-restore.sqlite"),
    })
}

fn staged_database(steps: &[Step]) -> Option<&Path> {
    steps.iter().find_map(|step| match step {
        Step::File { from, obsolete, .. } if !obsolete.is_empty() => Some(from.as_path()),
        Step::Fill { from } => Some(from.as_path()),
        _ => None,
    })
}

/// What is to be done, the configuration file first: whoever ends it finds by that where the note is.
fn steps(arguments: &RestoreArguments, manifest: &Manifest, places: &DataPlaces) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for entry in &manifest.files {
        if let (Kind::Configuration, Some(to), true) = (entry.kind, &entry.path, arguments.with_configuration)
        {
            let to = led_to(to);
            steps.push(Step::File {
                from: staged_beside(&to)?,
                to,
                obsolete: Vec::new(),
            });
        }
    }
    if let Some(folder) = &places.webhook_folder {
        let to = std::path::absolute(folder)?;
        steps.push(Step::Folder {
            from: staged_beside(&to)?,
            to,
        });
    }
    let place = database_place(places)?;
    let from = staged_beside(&place)?;
    steps.push(if places.database_file()?.is_some() {
        let with = |end: &str| {
            let mut name = place.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        Step::File {
            obsolete: vec![with("-wal"), with("-shm"), with("-journal")],
            from,
            to: place,
        }
    } else {
        Step::Fill { from }
    });
    Ok(steps)
}

/// Puts everything beside its place, on the disk.
fn stage(arguments: &RestoreArguments, places: &DataPlaces) -> Result<()> {
    if let Some(folder) = &places.webhook_folder {
        let folder = std::path::absolute(folder)?;
        let staged = staged_beside(&folder)?;
        // Of a restore that was killed.
        remove_folder(&staged)?;
        make_folder(&staged, &folder)?;
    }
    archive::read(&arguments.from, |_, entry, content| {
        let Some(path) = staged(arguments, places, entry)? else {
            return Ok(());
        };
        if entry.kind == Kind::Webhook
            && let Some(folder) = path.parent()
        {
            make_folder(folder, folder)?;
        }
        if let Some(folder) = path.parent() {
            make_folder_of(entry, folder)?;
        }
        let like = match (entry.kind, &entry.path) {
            (Kind::Database, _) => database_place(places)?,
            (_, Some(at)) => at.clone(),
            (_, None) => path.clone(),
        };
        put(&path, entry.mode, &like, entry.owner.as_ref(), content)
            .with_context(|| format!("{} cannot be written", path.display()))
    })?;
    Ok(())
}

/// Writes a file with this mode that belongs to whom [`give`] says.
fn put(path: &Path, mode: u32, like: &Path, owner: Option<&Owner>, content: &mut dyn Read) -> Result<()> {
    // Its mode is not to be trusted.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    std::io::copy(content, &mut file)?;
    file.flush()?;
    give(path, like, owner)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    Ok(sync_folder(path)?)
}

/// Gives a file that is there another content, as a whole or not at all; its owner and mode stay.
///
/// # Errors
///
/// A sentence; the file is as it was.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    let replace = || -> Result<()> {
        // What a link leads to is replaced, and not the link.
        let path = fs::canonicalize(path)?;
        let part = beside(&path, "part")?;
        let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
        let outcome =
            put(&part, mode, &path, None, &mut &*content).and_then(|()| Ok(fs::rename(&part, &path)?));
        if outcome.is_err() {
            let _ = fs::remove_file(&part);
        }
        outcome?;
        Ok(sync_folder(&path)?)
    };
    replace().with_context(|| format!("{} cannot be written", path.display()))
}

/// To the owner of what is there, or else whose it was, if we may give things away and this machine has them, or else to the
/// owner of the folder: root restores what the users of server and homeserver have to read.
fn give(path: &Path, like: &Path, owner: Option<&Owner>) -> Result<()> {
    let of = |metadata: fs::Metadata| (metadata.uid(), metadata.gid());
    let folder = like.parent().unwrap_or(Path::new("/"));
    let before = owner.filter(|_| rustix::process::geteuid().is_root());
    let wanted = match (fs::metadata(like).ok(), before.and_then(Owner::ids)) {
        (Some(there), _) => of(there),
        (None, Some(ids)) => ids,
        (None, None) => of(fs::metadata(folder)?),
    };
    if of(fs::metadata(path)?) != wanted {
        std::os::unix::fs::chown(path, Some(wanted.0), Some(wanted.1))?;
    }
    Ok(())
}

/// Makes the folder of a file of the configuration as it was, where there is none.
fn make_folder_of(entry: &Entry, folder: &Path) -> Result<()> {
    let Some(was) = entry.folder.as_ref().filter(|_| !folder.is_dir()) else {
        return Ok(());
    };
    let make = || -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(was.mode & 0o777))?;
        if let Some(ids) = was.owner.as_ref().and_then(Owner::ids)
            && rustix::process::geteuid().is_root()
        {
            std::os::unix::fs::chown(folder, Some(ids.0), Some(ids.1))?;
        }
        Ok(())
    };
    make().with_context(|| format!("the folder {} cannot be made", folder.display()))
}

fn make_folder(path: &Path, like: &Path) -> Result<()> {
    if !path.is_dir() {
        DirBuilder::new()
            .mode(0o700)
            .create(path)
            .with_context(|| format!("the folder {} cannot be made", path.display()))?;
    }
    give(path, like, None)
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

/// From here on the new is what holds.
fn note(places: &DataPlaces, steps: &[Step]) -> Result<()> {
    let note = places.data_folder()?.join(NOTE);
    let part = beside(&note, "part")?;
    let text = serde_json::to_vec_pretty(steps)?;
    put(&part, 0o600, &note, None, &mut text.as_slice())
        .and_then(|()| Ok(fs::rename(&part, &note)?))
        .and_then(|()| Ok(sync_folder(&note)?))
        .with_context(|| format!("{} cannot be written", note.display()))
}

async fn carry_out(places: &DataPlaces, steps: &[Step]) -> Result<()> {
    for step in steps {
        match step {
            Step::File { from, to, obsolete } if from.exists() => {
                for old in obsolete {
                    match fs::remove_file(old) {
                        Err(error) if error.kind() != ErrorKind::NotFound => {
                            return Err(error).with_context(|| old.display().to_string());
                        }
                        _ => {}
                    }
                }
                fs::rename(from, to)
                    .and_then(|()| sync_folder(to))
                    .with_context(|| format!("{} cannot be replaced", to.display()))?;
            }
            Step::Folder { from, to } if from.exists() => {
                remove_folder(to)?;
                fs::rename(from, to)
                    .and_then(|()| sync_folder(to))
                    .with_context(|| format!("{} cannot be replaced", to.display()))?;
            }
            Step::Fill { from } if from.exists() => {
                transfer::fill(places.store_url.expose(), from)
                    .await
                    .context("[store]")?;
                fs::remove_file(from)?;
            }
            // Done before.
            _ => {}
        }
    }
    let note = places.data_folder()?.join(NOTE);
    fs::remove_file(&note)
        .and_then(|()| sync_folder(&note))
        .with_context(|| note.display().to_string())
}
