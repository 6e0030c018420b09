//! `[tls]`: the settings as written, and as meant.

use hanse_runtime::config::{ConfigError, Key, Section, Table, Values};
use rustls_pki_types::DnsName;
use std::net::IpAddr;
use std::path::PathBuf;

/// `[tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// `None`: a reverse proxy serves TLS.
    pub settings: Option<TlsSettings>,
}

/// How TLS is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Local addresses.
    pub bind_addresses: Vec<IpAddr>,
    /// TCP port.
    pub port: u16,
    /// TCP port for plain HTTP that is sent on to HTTPS; 0: none.
    pub redirect_port: u16,
    /// Where certificates come from.
    pub source: CertificateSource,
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// From an authority that speaks ACME (RFC 8555).
    Acme(AcmeSettings),
    /// From files that somebody else renews.
    Files(CertificateFiles),
}

/// How an authority is asked for certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// Names that the certificate is for.
    pub names: Vec<String>,
    /// URL of the authority's directory.
    pub directory: String,
    /// E-mail address that the authority may write to.
    pub contact: Option<String>,
    /// Folder for the account's key and the certificate.
    pub folder: PathBuf,
    /// File with authorities that are believed when the directory is asked, beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// A certificate with its chain and its key, each in a file (PEM).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those that sign it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Section for TlsConfig {
    const TABLE: Table = Table {
        name: "tls",
        about: "TLS without a reverse proxy. With names or certificate_file set, Hanse serves HTTPS itself, beside the \
                plain HTTP of [http]: let that listen on 127.0.0.1 only. docs/direct.md shows a whole file.",
        keys: &[
            Key {
                name: "names",
                default: "[]",
                about: "Names by which people reach this server, for instance [\"hanse.org-a.example\"]. A certificate \
                        for them is got and renewed by ACME (challenge TLS-ALPN-01, on this port), so the names must lead \
                        to this machine and the port must be 443 outside. Empty: see certificate_file.",
            },
            Key {
                name: "certificate_file",
                default: "\"\"",
                about: "File with a certificate and those that sign it (PEM), in place of ACME. Read again on SIGHUP, and \
                        within seconds of a change; a file that cannot be used leaves the old certificate in force.",
            },
            Key {
                name: "key_file",
                default: "\"\"",
                about: "File with the private key of that certificate (PEM). Nobody but owner and group may read it.",
            },
            Key {
                name: "port",
                default: "443",
                about: "TCP port of HTTPS. With the same number in [sfu] tcp_port, media over TCP comes in here, too: the \
                        two are told apart by their first bytes.",
            },
            Key {
                name: "redirect_port",
                default: "80",
                about: "TCP port on which plain HTTP is sent on to HTTPS. Nothing else is answered there. 0: none.",
            },
            Key {
                name: "bind_addresses",
                default: "[\"0.0.0.0\", \"::\"]",
                about: "Local addresses for both ports. A family that this machine does not have is left out.",
            },
            Key {
                name: "acme_directory",
                default: "\"https://acme-v02.api.letsencrypt.org/directory\"",
                about: "Directory of the authority. The default is Let's Encrypt; whoever sets names agrees to its terms \
                        of service.",
            },
            Key {
                name: "acme_contact",
                default: "\"\"",
                about: "E-mail address that the authority may write to, for instance \"admin@org-a.example\". May be empty.",
            },
            Key {
                name: "acme_folder",
                default: "\"hanse-acme\"",
                about: "Folder for the key of the account and the certificate, so that a restart asks for nothing. Made if \
                        it is missing; a relative path begins in the folder that hanse runs in.",
            },
            Key {
                name: "acme_ca_file",
                default: "\"\"",
                about: "File with authorities (PEM) that are believed when the directory is asked, for an ACME server of \
                        your own. Those of the system are believed, too.",
            },
        ],
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let names: Vec<String> = values.read("names")?;
        let file = |key| {
            values
                .read::<String>(key)
                .map(|file| (!file.is_empty()).then(|| PathBuf::from(file)))
        };
        let (certificate, key) = (file("certificate_file")?, file("key_file")?);
        // What is wrong is said even where it is not used yet.
        let acme = acme(values, names, file("acme_ca_file")?)?;
        let bind_addresses: Vec<IpAddr> = values.read("bind_addresses")?;
        if bind_addresses.is_empty() {
            return Err(values.refuse("bind_addresses", "at least one address is needed"));
        }
        let source = match (acme.names.is_empty(), certificate, key) {
            (true, None, None) => return Ok(TlsConfig { settings: None }),
            (false, None, None) => CertificateSource::Acme(acme),
            (true, Some(certificate), Some(key)) => {
                CertificateSource::Files(CertificateFiles { certificate, key })
            }
            (_, Some(_), None) => return Err(values.refuse("key_file", "certificate_file needs it")),
            (_, None, Some(_)) => return Err(values.refuse("certificate_file", "key_file needs it")),
            (false, Some(_), Some(_)) => {
                let reason =
                    "either this, or names: where the certificate comes from files, its names are in it";
                return Err(values.refuse("certificate_file", reason));
            }
        };
        let port = values.read("port")?;
        let redirect_port = values.read("redirect_port")?;
        if port != 0 && port == redirect_port {
            return Err(values.refuse("redirect_port", "this is the port of HTTPS"));
        }
        Ok(TlsConfig {
            settings: Some(TlsSettings {
                bind_addresses,
                port,
                redirect_port,
                source,
            }),
        })
    }
}

fn acme(
    values: &Values<'_>,
    names: Vec<String>,
    ca_file: Option<PathBuf>,
) -> Result<AcmeSettings, ConfigError> {
    for name in &names {
        let is_name = DnsName::try_from(name.as_str()).is_ok() && name.contains('.') && !name.ends_with('.');
        // An address looks like a name whose last label is a number.
        if !is_name || name.parse::<IpAddr>().is_ok() {
            let reason = format!("{name}: a name is expected, as in hanse.org-a.example");
            return Err(values.refuse("names", &reason));
        }
    }
    let directory: String = values.read("acme_directory")?;
    let is_url = directory
        .parse::<http::Uri>()
        .is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    if !is_url {
        return Err(values.refuse(
            "acme_directory",
            "the URL of a directory is expected; it begins with https://",
        ));
    }
    let contact: String = values.read("acme_contact")?;
    let contact = contact.trim_start_matches("mailto:");
    if !contact.is_empty() && (!contact.contains('@') || contact.contains(char::is_whitespace)) {
        return Err(values.refuse("acme_contact", "an e-mail address is expected"));
    }
    let folder: String = values.read("acme_folder")?;
    if folder.is_empty() {
        return Err(values.refuse(
            "acme_folder",
            "a folder is needed: without it every restart would ask for a new certificate",
        ));
    }
    Ok(AcmeSettings {
        names,
        directory,
        contact: (!contact.is_empty()).then(|| contact.to_owned()),
        folder: folder.into(),
        ca_file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = TlsConfig::TABLE;

    fn resolve(text: &str) -> Result<Option<TlsSettings>, String> {
        let text = format!("[tls]\n{text}\n");
        let document = Document::load(&[&TABLE], Some(("hanse.toml", &text)), &|_| None);
        let config = document.and_then(|document| document.section::<TlsConfig>());
        config
            .map(|config| config.settings)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_name_or_a_file_there_is_no_tls() {
        assert_eq!(resolve(""), Ok(None));
        assert_eq!(resolve("acme_contact = \"admin@org-a.example\""), Ok(None));
    }

    #[test]
    fn a_name_is_all_that_acme_needs() {
        let settings = resolve("names = [\"hanse.org-a.example\"]").unwrap().unwrap();
        assert_eq!((settings.port, settings.redirect_port), (443, 80));
        let CertificateSource::Acme(acme) = settings.source else {
            panic!("{:?}", settings.source)
        };
        assert_eq!(acme.names, ["hanse.org-a.example"]);
        assert_eq!(acme.directory, "https://acme-v02.api.letsencrypt.org/directory");
        assert_eq!((acme.contact, acme.ca_file), (None, None));
    }

    #[test]
    fn files_come_in_pairs_and_in_place_of_names() {
        let files = "certificate_file = \"c.pem\"\nkey_file = \"k.pem\"";
        let expected = CertificateSource::Files(CertificateFiles {
            certificate: "c.pem".into(),
            key: "k.pem".into(),
        });
        assert_eq!(resolve(files).unwrap().unwrap().source, expected);
        for wrong in [
            "certificate_file = \"c.pem\"".to_owned(),
            "key_file = \"k.pem\"".to_owned(),
            format!("names = [\"hanse.org-a.example\"]\n{files}"),
            format!("{files}\nport = 8443\nredirect_port = 8443"),
        ] {
            assert!(resolve(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_no_authority_could_use_is_refused() {
        for wrong in [
            "names = [\"https://hanse.org-a.example\"]",
            "names = [\"hanse\"]",
            "names = [\"*.org-a.example\"]",
            "names = [\"192.0.2.1\"]",
            "names = [\"2001:db8::1\"]",
            "acme_directory = \"http://acme.example/directory\"",
            "acme_contact = \"org-a.example\"",
            "acme_folder = \"\"",
        ] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
    }
}
