//! The file of a backup: a tar archive whose first entry says what follows, with the SHA-256 of each, and whose second is
//! the SHA-256 of the first. `tar -tf` lists it; nothing in it is believed before its digest was compared.

use super::{beside, sync_folder};
use crate::owner::Owner;
use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest::{self, SHA256};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Cursor, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The form of these files. A later one that earlier releases cannot read has a larger number.
const FORMAT: u32 = 1;

const MANIFEST: &str = "hanse-backup.json";

const MANIFEST_DIGEST: &str = "hanse-backup.sha256";

/// Bytes of a manifest. A longer one is refused; some 300 for each webhook that waits.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a file of a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The store, as an SQLite file.
    Database,
    /// A webhook that waits, below `webhooks/`.
    Webhook,
    /// A file of the configuration; it has a path.
    Configuration,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// In the archive.
    pub name: String,
    pub kind: Kind,
    /// Where it was; only the configuration's files go back to where they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Permissions.
    pub mode: u32,
    /// Whose it was; of the configuration's files only, as the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The folder that it was in, for a machine that has none there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderOf>,
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// The folder of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderOf {
    /// Permissions.
    pub mode: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

impl Entry {
    /// Not yet measured.
    pub fn new(name: &str, kind: Kind) -> Self {
        Entry {
            name: name.to_owned(),
            kind,
            path: None,
            mode: 0o600,
            owner: None,
            folder: None,
            bytes: 0,
            sha256: String::new(),
        }
    }
}

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The release that wrote it.
    pub hanse: String,
    pub created_unix_s: u64,
    pub files: Vec<Entry>,
}

/// Only this of a manifest holds for every format.
#[derive(Deserialize)]
struct Format {
    format: u32,
    hanse: String,
}

/// What is to be written.
pub struct Source {
    entry: Entry,
    content: Content,
}

enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Source {
    /// What is in memory.
    pub fn bytes(mut entry: Entry, bytes: Vec<u8>) -> Self {
        entry.bytes = bytes.len() as u64;
        entry.sha256 = hex(digest::digest(&SHA256, &bytes).as_ref());
        Source {
            entry,
            content: Content::Bytes(bytes),
        }
    }

    /// A file that nobody changes meanwhile.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn file(mut entry: Entry, path: &Path) -> Result<Self> {
        let mut reading = Digesting::new(File::open(path)?);
        entry.bytes = std::io::copy(&mut reading, &mut std::io::sink())?;
        entry.sha256 = reading.sha256();
        Ok(Source {
            entry,
            content: Content::File(path.to_owned()),
        })
    }
}

/// Whether a file is a backup of any format.
pub fn is_backup(path: &Path) -> bool {
    let first = || -> Result<bool> {
        let mut archive = tar::Archive::new(File::open(path)?);
        let entry = archive.entries()?.next().context("it is empty")??;
        Ok(entry.path()?.as_ref() == Path::new(MANIFEST))
    };
    first().unwrap_or(false)
}

/// Writes a backup, for its owner's eyes only. What was at its place stays until the new one is on the disk.
///
/// # Errors
///
/// A sentence.
pub fn write(to: &Path, created_unix_s: u64, sources: Vec<Source>) -> Result<()> {
    let part = beside(to, "backup")?;
    let outcome = write_part(&part, created_unix_s, sources)
        .and_then(|()| Ok(std::fs::rename(&part, to)?))
        .and_then(|()| Ok(sync_folder(to)?));
    if outcome.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    outcome.with_context(|| format!("{} cannot be written", to.display()))
}

fn write_part(part: &Path, created_unix_s: u64, sources: Vec<Source>) -> Result<()> {
    // Of a backup that was killed: its mode is not to be trusted.
    let _ = std::fs::remove_file(part);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(part)?;
    let manifest = Manifest {
        format: FORMAT,
        hanse: env!("CARGO_PKG_VERSION").to_owned(),
        created_unix_s,
        files: sources.iter().map(|source| source.entry.clone()).collect(),
    };
    let manifest = serde_json::to_vec_pretty(&manifest)?;
    let sum = hex(digest::digest(&SHA256, &manifest).as_ref());
    let mut archive = tar::Builder::new(BufWriter::new(file));
    let mut add = |name: &str, bytes: u64, content: &mut dyn Read| -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o600);
        header.set_size(bytes);
        header.set_mtime(created_unix_s);
        archive.append_data(&mut header, name, content)?;
        Ok(())
    };
    add(MANIFEST, manifest.len() as u64, &mut Cursor::new(&manifest))?;
    add(MANIFEST_DIGEST, sum.len() as u64, &mut Cursor::new(&sum))?;
    for source in sources {
        let Entry { name, bytes, .. } = &source.entry;
        match source.content {
            Content::Bytes(content) => add(name, *bytes, &mut Cursor::new(content))?,
            Content::File(path) => add(name, *bytes, &mut File::open(path)?)?,
        }
    }
    let mut buffer = archive.into_inner()?;
    buffer.flush()?;
    buffer.get_ref().sync_all()?;
    Ok(())
}

/// Reads a backup from its beginning to its end, and hands out each file. What it hands out is proven only when this
/// returns: read it once for nothing before anything is done with it.
///
/// # Errors
///
/// A sentence: damaged, of a later release, no backup; or what `take` says.
pub fn read(
    path: &Path,
    mut take: impl FnMut(&Manifest, &Entry, &mut dyn Read) -> Result<()>,
) -> Result<Manifest> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let damaged = || {
        format!(
            "{} is damaged, and nothing was changed: take another backup",
            path.display()
        )
    };
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut entries = archive.entries().with_context(damaged)?;
    let mut head = |name: &str| -> Result<Vec<u8>> {
        let entry = entries.next().context("it ends too early")??;
        ensure!(
            entry.path()?.as_ref() == Path::new(name),
            "{name} is not at its place"
        );
        let mut bytes = Vec::new();
        entry.take(MANIFEST_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let manifest = head(MANIFEST)
        .with_context(|| format!("{} is no backup of hanse, or a damaged one", path.display()))?;
    let sum = head(MANIFEST_DIGEST).with_context(damaged)?;
    if sum != hex(digest::digest(&SHA256, &manifest).as_ref()).into_bytes() {
        bail!("{}", damaged());
    }
    let Format { format, hanse } = serde_json::from_slice(&manifest).with_context(damaged)?;
    if format > FORMAT {
        bail!(
            "{} was written by hanse {hanse}, and this is {}, which does not understand it: restore it with that release or a \
             later one",
            path.display(),
            env!("CARGO_PKG_VERSION")
        );
    }
    let manifest: Manifest = serde_json::from_slice(&manifest).with_context(damaged)?;
    for expected in &manifest.files {
        let entry = entries.next().with_context(damaged)?.with_context(damaged)?;
        let is_expected = entry
            .path()
            .is_ok_and(|path| path.as_ref() == Path::new(&expected.name));
        ensure!(is_expected && entry.size() == expected.bytes, "{}", damaged());
        let mut reading = Digesting::new(entry);
        take(&manifest, expected, &mut reading)?;
        std::io::copy(&mut reading, &mut std::io::sink()).with_context(damaged)?;
        ensure!(reading.sha256() == expected.sha256, "{}", damaged());
    }
    ensure!(entries.next().is_none(), "{}", damaged());
    Ok(manifest)
}

/// Reads, and knows the digest of what it has read.
struct Digesting<R> {
    inner: R,
    digest: digest::Context,
}

impl<R: Read> Digesting<R> {
    fn new(inner: R) -> Self {
        Digesting {
            inner,
            digest: digest::Context::new(&SHA256),
        }
    }

    fn sha256(self) -> String {
        hex(self.digest.finish().as_ref())
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
