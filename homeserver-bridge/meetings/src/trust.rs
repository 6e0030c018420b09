//! How the bot reaches its own homeserver, Hanse, and whom programs name for webhooks.

use anyhow::{Context, Result, ensure};
use reqwest::Certificate;
use reqwest::redirect::Policy;
use std::path::PathBuf;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(90);

/// An HTTP client that believes the system's authorities and those in these files (PEM). A token goes along with requests, so they go
/// nowhere else: no redirect, no proxy of the environment.
///
/// # Errors
/// When a file cannot be read.
pub fn http(ca_files: &[PathBuf]) -> Result<reqwest::Client> {
    let mut authorities = Vec::new();
    for file in ca_files {
        let pem = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let found = Certificate::from_pem_bundle(&pem)
            .with_context(|| format!("{} holds no certificates", file.display()))?;
        ensure!(!found.is_empty(), "{} holds no certificates", file.display());
        authorities.extend(found);
    }
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent("Hanse meetings")
        .tls_certs_merge(authorities);
    Ok(client.build()?)
}
