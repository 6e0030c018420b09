//! `[homeservers]`: how homeservers that others name are reached, as written and as meant.

use crate::dial::address::AllowedNetworks;
use hanse_runtime::config::{ConfigError, Key, Section, Table, Values};
use ipnet::IpNet;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// `[homeservers]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeserversConfig {
    /// Networks that are dialled although they are not public.
    pub allowed_networks: AllowedNetworks,
    /// Certificate authorities that are believed besides the system's.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Section for HomeserversConfig {
    const TABLE: Table = Table {
        name: "homeservers",
        about: "How the homeservers of callers are reached. Anybody may name any server, so only public addresses are \
                connected to; a proxy from the environment is not used. Names are looked up as the system does, with its \
                hosts file (read once, at start) and its name servers.",
        keys: &[
            Key {
                name: "allowed_networks",
                default: "[]",
                about: "Networks that may be connected to although they are not public, as in [\"10.20.0.0/16\", \
                        \"fd00:1::/64\"]: for homeservers in the same data centre, or in a closed network. Whoever can ask \
                        for a token can make Hanse connect to any port there, so keep them small.",
            },
            Key {
                name: "ca_files",
                default: "[]",
                about: "Files with further certificate authorities, PEM, for homeservers with certificates of their own. \
                        They are believed besides the system's; where the system has none, Mozilla's list is taken.",
            },
        ],
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let networks: Vec<String> = values.read("allowed_networks")?;
        let networks = networks
            .iter()
            .map(|text| {
                let refuse = |reason: &str| values.refuse("allowed_networks", &format!("{text}: {reason}"));
                let network: IpNet = text
                    .parse()
                    .map_err(|_| refuse("a network is expected, as in 10.20.0.0/16"))?;
                if network.trunc() != network {
                    return Err(refuse(&format!("the network is {}", network.trunc())));
                }
                Ok(network)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut authorities = Vec::new();
        for file in values.read::<Vec<String>>("ca_files")? {
            authorities.extend(
                read_authorities(&file)
                    .map_err(|reason| values.refuse("ca_files", &format!("{file}: {reason}")))?,
            );
        }
        Ok(HomeserversConfig {
            allowed_networks: AllowedNetworks::new(networks),
            authorities,
        })
    }
}

fn read_authorities(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let authorities = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("certificates cannot be read from it: {error}"))?;
    if authorities.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    let mut roots = tokio_rustls::rustls::RootCertStore::empty();
    for authority in &authorities {
        roots
            .add(authority.clone())
            .map_err(|_| "one of its certificates cannot be an authority".to_owned())?;
    }
    Ok(authorities)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = HomeserversConfig::TABLE;

    fn read(text: &str) -> Result<HomeserversConfig, String> {
        let text = format!("[homeservers]\n{text}\n");
        let nothing = |_: &str| None;
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &nothing)
            .and_then(|document| document.section())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_allowed_by_default_and_a_listed_network_is() {
        let loopback = "127.0.0.1:1".parse().unwrap();
        assert!(read("").unwrap().allowed_networks.permit(loopback).is_none());
        let listed = read("allowed_networks = [\"127.0.0.0/8\", \"::1/128\"]").unwrap();
        assert!(listed.allowed_networks.permit(loopback).is_some());
        assert!(
            listed
                .allowed_networks
                .permit("10.0.0.1:1".parse().unwrap())
                .is_none()
        );
    }

    #[test]
    fn a_network_that_is_none_is_refused_in_a_sentence() {
        for (written, sentence) in [
            ("localhost", "a network is expected, as in 10.20.0.0/16"),
            ("10.0.0.1", "a network is expected"),
            ("10.0.0.1/8", "the network is 10.0.0.0/8"),
        ] {
            let error = read(&format!("allowed_networks = [\"{written}\"]")).unwrap_err();
            assert!(error.contains(sentence) && error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn a_file_without_an_authority_is_refused_in_a_sentence() {
        let error = read("ca_files = [\"/does/not/exist.pem\"]").unwrap_err();
        assert!(
            error.contains("/does/not/exist.pem: certificates cannot be read"),
            "{error}"
        );
        let error = read(&format!(
            "ca_files = [\"{}/Cargo.toml\"]",
            env!("CARGO_MANIFEST_DIR")
        ))
        .unwrap_err();
        assert!(error.contains("there is no certificate in it"), "{error}");
    }
}
