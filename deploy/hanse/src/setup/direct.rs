//! TLS without a reverse proxy (`--direct`): what `hanse.toml` says of it, and what is left to do.

use super::config::{quoted, state_folder};
use anyhow::{Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};

/// The port of HTTPS.
const HTTPS_PORT: u16 = 443;

/// How Hanse shall serve TLS itself.
#[derive(Args, Clone, Default)]
pub struct DirectArguments {
    /// Have Hanse serve TLS itself on port 443, with a certificate by ACME; no file for a reverse proxy is written.
    #[arg(long)]
    pub direct: bool,
    /// E-mail address that the authority may write to.
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "direct",
        conflicts_with = "certificate"
    )]
    pub acme_contact: Option<String>,
    /// Directory of another authority than Let's Encrypt.
    #[arg(long, value_name = "URL", requires = "direct", conflicts_with = "certificate")]
    pub acme_directory: Option<String>,
    /// File with a certificate and those that sign it (PEM), in place of ACME.
    #[arg(long, value_name = "FILE", requires_all = ["direct", "key"])]
    pub certificate: Option<PathBuf>,
    /// File with its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
}

/// TLS without a reverse proxy, under one name.
pub struct Direct {
    arguments: DirectArguments,
    name: String,
}

impl Direct {
    /// `None`: a reverse proxy does it.
    ///
    /// # Errors
    ///
    /// A sentence: `public_url` is not `https://` and a name alone.
    pub fn wanted(arguments: &DirectArguments, public_url: &str) -> Result<Option<Self>> {
        if !arguments.direct {
            return Ok(None);
        }
        match public_url.strip_prefix("https://") {
            Some(name) if !name.contains(['/', ':', '?', '#', '@']) && !name.is_empty() => Ok(Some(Direct {
                arguments: arguments.clone(),
                name: name.to_ascii_lowercase(),
            })),
            _ => {
                bail!("--direct needs a --public-url of https:// and a name alone, without a port or a path")
            }
        }
    }

    /// The table `[tls]`; what is kept goes beside the database.
    pub fn table(&self, out: &Path) -> String {
        let of = |path: &Path| quoted(&path.display().to_string());
        let mut table = "[tls]\n".to_owned();
        let mut line = |key: &str, value: String| table.push_str(&format!("{key} = {value}\n"));
        match (&self.arguments.certificate, &self.arguments.key) {
            (Some(certificate), Some(key)) => {
                line("certificate_file", of(&absolute(certificate)));
                line("key_file", of(&absolute(key)));
            }
            _ => {
                line("names", format!("[{}]", quoted(&self.name)));
                line("acme_folder", of(&state_folder(out).join("acme")));
                if let Some(contact) = &self.arguments.acme_contact {
                    line("acme_contact", quoted(contact));
                }
                if let Some(directory) = &self.arguments.acme_directory {
                    line("acme_directory", quoted(directory));
                }
            }
        }
        table.push('\n');
        table
    }

    /// What `[sfu]` says of ports: people's networks let this one out.
    pub fn media_ports(&self) -> String {
        format!("udp_port = {HTTPS_PORT}\ntcp_port = {HTTPS_PORT}\n")
    }

    /// What only the administrator can do.
    pub fn steps(&self) -> Vec<String> {
        let name = &self.name;
        let mut steps = vec![format!(
            "Have the name {name} lead to this machine (A and AAAA), and no other program listen on ports 80 and 443 here."
        )];
        if self.arguments.certificate.is_none() {
            steps.push(
                "The certificate comes by ACME when Hanse starts; starting it, you agree to the authority's terms of service."
                    .to_owned(),
            );
        }
        steps.push(
            "Let it have these ports, which only root has by default: install -D -m 644 /usr/share/hanse/direct.conf \
             /etc/systemd/system/hanse.service.d/direct.conf && systemctl daemon-reload"
                .to_owned(),
        );
        steps.push("Open 80/tcp, 443/tcp and 443/udp in the firewall: everything comes in there.".to_owned());
        steps
    }
}

/// As it is from everywhere; as it was said where that cannot be told.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
