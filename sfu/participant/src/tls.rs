//! Whom to believe who they are: the system's authorities, and further ones that are named.

use anyhow::{Context, Result, ensure};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Certificate authorities.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The system's, and those in these files (PEM).
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn new(files: &[PathBuf]) -> Result<Trust> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for file in files {
            let certificates = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .with_context(|| format!("{} holds no certificates", file.display()))?;
            roots.add_parsable_certificates(certificates);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Trust(Arc::new(config)))
    }

    /// For WebSockets.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    /// For HTTP. A token goes along with requests, so they go nowhere else.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn http(&self) -> Result<reqwest::Client> {
        Ok(reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(Policy::none())
            .user_agent("Hanse participant")
            .tls_backend_preconfigured(ClientConfig::clone(&self.0))
            .build()?)
    }
}

/// The text of an answer of at most so many bytes.
///
/// # Errors
/// When it breaks off, or is longer.
pub async fn text(mut answer: reqwest::Response, bytes_max: usize) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await? {
        ensure!(
            bytes.len() + part.len() <= bytes_max,
            "it is longer than {bytes_max} bytes"
        );
        bytes.extend_from_slice(&part);
    }
    Ok(String::from_utf8(bytes)?)
}
