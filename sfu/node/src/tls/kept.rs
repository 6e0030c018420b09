//! What comes by ACME and outlives a restart: the account's key, and the certificate with its key.

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use rustls_acme::{AccountCache, CertCache};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a hash that tell file names apart.
const HASH_BYTES: usize = 8;

/// A folder that nobody but its owner may read. What could not be written there is in memory for as long as the process runs, so
/// that a full disk does not make us ask for one certificate after the other.
#[derive(Clone)]
pub(super) struct Kept {
    folder: PathBuf,
    certificate: Memory,
    account: Memory,
}

type Memory = Arc<Mutex<Option<Vec<u8>>>>;

impl Kept {
    pub(super) fn new(folder: &Path) -> Self {
        Kept {
            folder: folder.to_owned(),
            certificate: Memory::default(),
            account: Memory::default(),
        }
    }

    /// Another name or authority needs another certificate.
    fn certificate_path(&self, names: &[String], directory: &str) -> PathBuf {
        let of: Vec<&str> = names.iter().map(String::as_str).chain([directory]).collect();
        self.folder
            .join(format!("certificate-{}.pem", hash(&of.join("\n"))))
    }

    fn account_path(&self, directory: &str) -> PathBuf {
        self.folder.join(format!("account-{}.der", hash(directory)))
    }
}

fn hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let bytes = hash.as_ref().iter().take(HASH_BYTES);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

async fn load(memory: &Memory, path: PathBuf) -> io::Result<Option<Vec<u8>>> {
    if let Some(bytes) = &*memory.lock().unwrap_or_else(PoisonError::into_inner) {
        return Ok(Some(bytes.clone()));
    }
    let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await?;
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn store(memory: &Memory, path: PathBuf, bytes: &[u8]) -> io::Result<()> {
    let bytes = bytes.to_vec();
    *memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.clone());
    tokio::task::spawn_blocking(move || write(&path, &bytes)).await?
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}

#[async_trait]
impl CertCache for Kept {
    type EC = io::Error;

    async fn load_cert(&self, domains: &[String], directory_url: &str) -> io::Result<Option<Vec<u8>>> {
        load(&self.certificate, self.certificate_path(domains, directory_url)).await
    }

    async fn store_cert(&self, domains: &[String], directory_url: &str, cert: &[u8]) -> io::Result<()> {
        store(
            &self.certificate,
            self.certificate_path(domains, directory_url),
            cert,
        )
        .await
    }
}

#[async_trait]
impl AccountCache for Kept {
    type EA = io::Error;

    async fn load_account(&self, _: &[String], directory_url: &str) -> io::Result<Option<Vec<u8>>> {
        load(&self.account, self.account_path(directory_url)).await
    }

    async fn store_account(&self, _: &[String], directory_url: &str, account: &[u8]) -> io::Result<()> {
        store(&self.account, self.account_path(directory_url), account).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hanse-acme-{name}-{}", std::process::id()));
        let _was_there = std::fs::remove_dir_all(&folder);
        folder
    }

    #[tokio::test]
    async fn what_is_kept_is_its_owners_only_and_is_found_after_a_restart() {
        let folder = folder("kept");
        let names = ["hanse.test".to_owned()];
        Kept::new(&folder)
            .store_cert(&names, "https://a/", b"certificate")
            .await
            .unwrap();
        Kept::new(&folder)
            .store_account(&[], "https://a/", b"account")
            .await
            .unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|file| mode(file) == 0o600));

        let restarted = Kept::new(&folder);
        let certificate = restarted.load_cert(&names, "https://a/").await.unwrap();
        assert_eq!(certificate.as_deref(), Some(&b"certificate"[..]));
        let account = restarted
            .load_account(&["mailto:a@b".to_owned()], "https://a/")
            .await
            .unwrap();
        assert_eq!(account.as_deref(), Some(&b"account"[..]));
        let elsewhere = Kept::new(&folder);
        assert_eq!(elsewhere.load_cert(&names, "https://b/").await.unwrap(), None);
        let others = ["hanse.test".to_owned(), "hanse2.test".to_owned()];
        assert_eq!(elsewhere.load_cert(&others, "https://a/").await.unwrap(), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_said_and_used_until_the_end_of_the_process() {
        let folder = folder("full");
        std::fs::write(&folder, "a file where the folder should be").unwrap();
        let kept = Kept::new(&folder);
        let names = ["hanse.test".to_owned()];
        assert!(
            kept.store_cert(&names, "https://a/", b"certificate")
                .await
                .is_err()
        );
        let certificate = kept.load_cert(&names, "https://a/").await.unwrap();
        assert_eq!(certificate.as_deref(), Some(&b"certificate"[..]));
        std::fs::remove_file(&folder).unwrap();
    }
}
