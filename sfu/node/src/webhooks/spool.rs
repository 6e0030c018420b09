//! Webhooks on disk: what has not arrived when the process ends is sent by the next one.
//!
//! One file for each webhook and destination, in a folder for each destination, named by a number that only grows. It is
//! there before the webhook is sent for the first time, and goes when the destination has it, refuses it, or it is given
//! up. So a process that is killed between sending and hearing the answer sends again: at least once, with the same id.
//!
//! A file is written under another name and renamed when it is whole, so a killed process leaves no half ones. What is
//! still there [`SYNC_AFTER`] its writing is synced to the disk: a power cut loses the last second, and a receiver that
//! answers at once costs no sync. Removals are not synced; after a power cut some webhooks may come twice.
//!
//! All of it blocks, and belongs on a thread that may.

use super::event::Importance;
use super::queue::Webhook;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// A webhook that is older when the server starts is deleted unsent: whoever was told nothing for so long has looked
/// itself. Also how long broken files are kept. Longer keeps ids of people longer.
pub const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Broken files that are kept. Beyond: further ones are deleted.
pub const BROKEN_MAX: usize = 100;

/// Bytes of one file. A webhook has some 500; what is longer was not written by us.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// How long a file may be unsynced.
pub const SYNC_AFTER: Duration = Duration::from_secs(1);

/// Files that may be unsynced; each is open until then. Beyond: they are synced at once.
const UNSYNCED_MAX: usize = 128;

/// Where broken files are set aside.
const BROKEN: &str = "broken";

/// Held by the process that the folder belongs to.
const LOCK: &str = "lock";

/// Why there is no spool. The sentence is for whoever wrote the configuration.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// No rights, no such file system.
    #[error("[sfu] webhook_folder: {} cannot be used: {error}", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Two servers with one folder would both send what is in it.
    #[error("[sfu] webhook_folder: another server uses {}; each needs its own", .0.display())]
    Taken(PathBuf),
}

/// What is to be done on disk.
#[derive(Debug)]
pub enum Change {
    /// A destination is to get this.
    Keep {
        /// Its place in the list.
        destination: usize,
        /// What.
        webhook: Webhook,
    },
    /// It needs it no more.
    Delete {
        /// Its place in the list.
        destination: usize,
        /// The number of the webhook.
        number: u64,
    },
}

/// What was found.
pub struct Found {
    /// What has not arrived, by destination, each in its order.
    pub webhooks: Vec<(usize, Webhook)>,
    /// The first number that was never used.
    pub next_number: u64,
}

/// The folder.
pub struct Spool {
    /// Of each destination.
    folders: Vec<PathBuf>,
    /// Written, and perhaps not yet on the disk.
    unsynced: BTreeMap<(usize, u64), File>,
    sync_at: Option<Instant>,
    /// The last write failed; said once.
    is_failing: bool,
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct Record {
    room: String,
    event: String,
    is_ending: bool,
    created_unix_s: u64,
    body: String,
}

impl Spool {
    /// Opens a folder, making it if need be, and reads what was left in it.
    ///
    /// # Errors
    ///
    /// See [`SpoolError`].
    pub fn open(folder: &Path, urls: &[Url], now_unix_s: u64) -> Result<(Self, Found), SpoolError> {
        let refuse = |error: io::Error| SpoolError::Folder {
            folder: folder.to_owned(),
            error,
        };
        make(folder).map_err(refuse)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join(LOCK))
            .map_err(refuse)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::Taken(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(refuse(error)),
        }
        let folders: Vec<PathBuf> = urls.iter().map(|url| folder.join(folder_name(url))).collect();
        forget_others(folder, &folders).map_err(refuse)?;
        let broken = folder.join(BROKEN);
        make(&broken).map_err(refuse)?;
        let mut aside = Aside::new(broken, now_unix_s).map_err(refuse)?;
        let mut found = Found {
            webhooks: Vec::new(),
            next_number: 1,
        };
        let mut late = 0_usize;
        for (destination, folder) in folders.iter().enumerate() {
            make(folder).map_err(refuse)?;
            for (number, path) in numbered(folder).map_err(refuse)? {
                found.next_number = found.next_number.max(number.saturating_add(1));
                match read(&path, number) {
                    Ok(webhook) if now_unix_s.saturating_sub(webhook.created_unix_s) > AGE_MAX.as_secs() => {
                        late += 1;
                        remove(&path).map_err(refuse)?;
                    }
                    Ok(webhook) => found.webhooks.push((destination, webhook)),
                    Err(reason) => aside.take(&path, reason).map_err(refuse)?,
                }
            }
        }
        if late > 0 {
            tracing::warn!("{late} webhooks are from more than a day ago; they are deleted unsent");
        }
        let spool = Spool {
            folders,
            unsynced: BTreeMap::new(),
            sync_at: None,
            is_failing: false,
            _lock: lock,
        };
        Ok((spool, found))
    }

    /// Makes changes, in their order. What cannot be written is sent all the same, and lost with the process.
    pub fn apply(&mut self, now: Instant, changes: Vec<Change>) {
        for change in changes {
            let done = match change {
                Change::Keep { destination, webhook } => self.write(now, destination, &webhook),
                Change::Delete { destination, number } => self.delete(destination, number),
            };
            self.note(done);
        }
        if self.unsynced.len() >= UNSYNCED_MAX || self.sync_at.is_some_and(|at| at <= now) {
            self.sync();
        }
    }

    /// When [`Spool::apply`] wants to be called, if only to sync.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sync_at
    }

    /// Has everything written to the disk.
    pub fn sync(&mut self) {
        self.sync_at = None;
        let files = std::mem::take(&mut self.unsynced);
        let mut places = BTreeSet::new();
        for ((destination, _), file) in files {
            places.insert(destination);
            let done = file.sync_data();
            self.note(done);
        }
        for destination in places {
            let done = match self.folders.get(destination) {
                // The names in it.
                Some(folder) => File::open(folder).and_then(|folder| folder.sync_all()),
                None => Ok(()),
            };
            self.note(done);
        }
    }

    fn write(&mut self, now: Instant, destination: usize, webhook: &Webhook) -> io::Result<()> {
        let Some(folder) = self.folders.get(destination) else {
            return Ok(());
        };
        let record = Record {
            room: webhook.room.to_string(),
            event: webhook.event.to_string(),
            is_ending: webhook.importance == Importance::Ending,
            created_unix_s: webhook.created_unix_s,
            body: String::from_utf8(webhook.body.to_vec()).map_err(io::Error::other)?,
        };
        let path = folder.join(file_name(webhook.number));
        let half = path.with_extension("half");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        let written = serde_json::to_vec(&record)
            .map_err(io::Error::other)
            .and_then(|bytes| file.write_all(&bytes))
            .and_then(|()| std::fs::rename(&half, &path));
        if written.is_err() {
            // A full disk: not even a part of it stays.
            let _ = std::fs::remove_file(&half);
        }
        written?;
        self.unsynced.insert((destination, webhook.number), file);
        self.sync_at.get_or_insert(now + SYNC_AFTER);
        Ok(())
    }

    fn delete(&mut self, destination: usize, number: u64) -> io::Result<()> {
        self.unsynced.remove(&(destination, number));
        if self.unsynced.is_empty() {
            self.sync_at = None;
        }
        match self.folders.get(destination) {
            Some(folder) => remove(&folder.join(file_name(number))),
            None => Ok(()),
        }
    }

    /// Says of a disk that does not do as told, once for each time.
    fn note(&mut self, done: io::Result<()>) {
        match done {
            Ok(()) => self.is_failing = false,
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                tracing::error!(
                    "webhooks cannot be kept on disk, and are lost if the server ends now: {}",
                    error.kind()
                );
            }
            Err(_) => {}
        }
    }
}

/// Where broken files go.
struct Aside {
    folder: PathBuf,
    count: usize,
}

impl Aside {
    /// Deletes those that were set aside too long ago.
    fn new(folder: PathBuf, now_unix_s: u64) -> io::Result<Self> {
        let mut count = 0;
        let since = UNIX_EPOCH + Duration::from_secs(now_unix_s).saturating_sub(AGE_MAX);
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.metadata()?.modified()? < since {
                remove(&entry.path())?;
            } else {
                count += 1;
            }
        }
        Ok(Aside { folder, count })
    }

    fn take(&mut self, path: &Path, reason: &str) -> io::Result<()> {
        if self.count >= BROKEN_MAX {
            tracing::error!(
                "a webhook that was kept is broken ({reason}), and so many are that it is deleted"
            );
            return remove(path);
        }
        self.count += 1;
        let place = path.parent().and_then(Path::file_name).unwrap_or_default();
        let mut name = place.to_owned();
        name.push("-");
        name.push(path.file_name().unwrap_or_default());
        tracing::error!(
            "a webhook that was kept is broken ({reason}); it is not sent, its file is in {BROKEN} in webhook_folder"
        );
        std::fs::rename(path, self.folder.join(name))
    }
}

/// Nobody but us looks into it.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Of a destination: its URL may hold what lets somebody in.
fn folder_name(url: &Url) -> String {
    let hash = digest(&SHA256, url.as_str().as_bytes());
    let hex: String = hash
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("to-{hex}")
}

/// Sorts by number.
fn file_name(number: u64) -> String {
    format!("{number:020}.json")
}

/// Deletes what is for destinations that are not configured any more: nobody will send it.
fn forget_others(folder: &Path, known: &[PathBuf]) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_destination = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("to-"));
        if is_destination && !known.contains(&path) {
            let kept = numbered(&path)?.len();
            if kept > 0 {
                tracing::warn!(
                    "{kept} webhooks wait for a destination that is not configured any more; they are deleted"
                );
            }
            std::fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Files of webhooks in their order. Halves of a killed process are deleted.
fn numbered(folder: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("half") => remove(&path)?,
            Some("json") => {
                let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
                if let Some(number) = number {
                    files.insert(number, path);
                }
            }
            _ => {}
        }
    }
    Ok(files)
}

fn read(path: &Path, number: u64) -> Result<Webhook, &'static str> {
    let mut bytes = Vec::new();
    let length = File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|_| "it cannot be read")?;
    if length as u64 > FILE_BYTES_MAX {
        return Err("it is too long");
    }
    let record: Record = serde_json::from_slice(&bytes).map_err(|_| "it is no record of ours")?;
    Ok(Webhook {
        number,
        room: record.room.into(),
        event: record.event.into(),
        importance: if record.is_ending {
            Importance::Ending
        } else {
            Importance::Ordinary
        },
        created_unix_s: record.created_unix_s,
        body: Bytes::from(record.body),
    })
}

/// What is not there need not be removed.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
