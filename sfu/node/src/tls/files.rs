//! A certificate from files: read at start, and again when they change or somebody asks for it.

use super::config::CertificateFiles;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks whether the files have changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What is shown to whoever comes.
#[derive(Debug)]
pub(super) struct FromFiles(pub watch::Receiver<Arc<CertifiedKey>>);

impl ResolvesServerCert for FromFiles {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.borrow()))
    }
}

/// What tells one state of the files from another, without reading them.
type Stamp = [Option<(u64, u64, i64, i64, u64)>; 2];

impl CertificateFiles {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// A sentence: which file cannot be used, and why.
    pub(super) fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
        let certificate = self.certificate.display();
        let key = self.key.display();
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| format!("{certificate} cannot be read: {error}"))?;
        if chain.is_empty() {
            return Err(format!("{certificate} holds no certificate (PEM is expected)"));
        }
        let mode = std::fs::metadata(&self.key)
            .map_err(|error| format!("{key} cannot be read: {error}"))?
            .permissions()
            .mode();
        if mode & 0o007 != 0 {
            return Err(format!(
                "everybody on this machine may use {key}; say: chmod o-rwx {key}"
            ));
        }
        let private = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("{key} cannot be read as a private key: {error}"))?;
        CertifiedKey::from_der(chain, private, provider).map_err(|error| {
            format!("the key in {key} is not that of the certificate in {certificate}: {error}")
        })
    }

    fn stamp(&self) -> Stamp {
        let stamp = |path: &Path| {
            let file = std::fs::metadata(path).ok()?;
            Some((
                file.dev(),
                file.ino(),
                file.mtime(),
                file.mtime_nsec(),
                file.len(),
            ))
        };
        [stamp(&self.certificate), stamp(&self.key)]
    }

    /// Shows what the files hold from now on, whenever they change or `again` says so. What cannot be used leaves in force
    /// what was there. `provider` reads keys.
    pub(super) async fn keep(
        self,
        provider: Arc<CryptoProvider>,
        shown: watch::Sender<Arc<CertifiedKey>>,
        again: Arc<Notify>,
    ) {
        let mut seen = None;
        let mut look = interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                _ = look.tick() => false,
                () = again.notified() => true,
            };
            let (files, provider) = (self.clone(), Arc::clone(&provider));
            let before = seen;
            let read = tokio::task::spawn_blocking(move || {
                // Before reading: what changes meanwhile is seen the next time.
                let stamp = files.stamp();
                let is_new = is_asked || before.is_none_or(|before| before != stamp);
                (stamp, is_new.then(|| files.read(&provider)))
            });
            let Ok((stamp, read)) = read.await else { continue };
            // The first look only says how the files are that were read at start.
            let is_first = seen.replace(stamp).is_none() && !is_asked;
            match read {
                Some(Ok(read)) if shown.borrow().cert != read.cert => {
                    shown.send_replace(Arc::new(read));
                    tracing::info!(
                        "the certificate in {} is in force now",
                        self.certificate.display()
                    );
                }
                Some(Err(reason)) if !is_first => {
                    tracing::error!("the certificate that was there stays in force: {reason}");
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("hanse-tls-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }

        fn files(&self) -> CertificateFiles {
            CertificateFiles {
                certificate: self.0.join("certificate.pem"),
                key: self.0.join("key.pem"),
            }
        }

        fn write(&self, certificate: &str, key: &str) {
            let files = self.files();
            std::fs::write(&files.certificate, certificate).unwrap();
            std::fs::write(&files.key, key).unwrap();
            std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["hanse.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_cannot_be_used_is_said_with_the_file_that_is_wrong() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let folder = Folder::new("wrong");
        let files = folder.files();
        let refused = || files.read(&provider).err().unwrap_or_default();
        let ((certificate, key), (_, other)) = (made(), made());
        assert!(
            refused().contains("certificate.pem cannot be read"),
            "{}",
            refused()
        );
        folder.write(&certificate, &key);
        assert_eq!(refused(), "");
        folder.write(&certificate, &other);
        assert!(
            refused().contains("is not that of the certificate"),
            "{}",
            refused()
        );
        folder.write(&certificate[..certificate.len() / 2], &key);
        assert!(refused().contains("certificate.pem"), "{}", refused());
        folder.write("", &key);
        assert!(refused().contains("holds no certificate"), "{}", refused());
        folder.write(&certificate, "nothing");
        assert!(refused().contains("as a private key"), "{}", refused());
        folder.write(&certificate, &key);
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refused().contains("chmod o-rwx"), "{}", refused());
    }
}
