//! `[homeservers]`: how homeservers that others name are reached, as written and as meant.

use crate::dial::address::AllowedNetworks;
use crate::registration::{REGISTRATION_BYTES_MAX, Registration, base_url};
use hanse_matrixrtc::ServerName;
use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Key, SecretKey, Section, Table, Values};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// `[homeservers]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeserversConfig {
    /// Networks that are dialled although they are not public.
    pub allowed_networks: AllowedNetworks,
    /// Certificate authorities that are believed besides the system's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Our homeservers: those that know Hanse as an application service.
    pub registrations: Vec<Registration>,
    /// Where the client-server APIs of other homeservers are, in place of what their well-known says.
    pub client_api_urls: BTreeMap<ServerName, String>,
}

impl Section for HomeserversConfig {
    const TABLE: Table = Table {
        name: "homeservers",
        about: "Our own homeservers, and how those of callers are reached. Anybody may name any server, so only public \
                addresses are connected to; a proxy from the environment is not used. Names are looked up as the system \
                does, with its hosts file (read once, at start) and its name servers.",
        keys: &[
            Key {
                name: "registrations",
                default: "[]",
                about: "Registration files, one for each homeserver of this organisation, as `hanse setup` writes them: \
                        [\"/etc/hanse/registration-org-a.example.yaml\"]. Such a homeserver tells Hanse who is in a room. Without \
                        any, everybody who knows the id of a room and has an account somewhere gets into its calls.",
            },
            Key {
                name: "client_api_urls",
                default: "[]",
                about: "Where the client-server API of a homeserver without registration is, as in \
                        [\"org-b.example=https://matrix.org-b.example\"], instead of what its well-known says. Only needed for \
                        homeservers with full access whose well-known does not help; these URLs are connected to wherever \
                        they are. The variable LIVEKIT_CS_API_URL_OVERRIDES of Element's service is read as well.",
            },
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
        secrets: &[SecretKey {
            variable: "LIVEKIT_CS_API_URL_OVERRIDES",
            about: "As client_api_urls, with commas between them; what client_api_urls says of a server goes before it.",
        }],
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
        let mut client_api_urls = BTreeMap::new();
        if let Some(overrides) = values.secret("LIVEKIT_CS_API_URL_OVERRIDES") {
            for entry in overrides
                .expose()
                .split(',')
                .filter(|entry| !entry.trim().is_empty())
            {
                let (server, url) = read_client_api_url(entry).map_err(|reason| {
                    ConfigError::Refused(format!(
                        "environment variable LIVEKIT_CS_API_URL_OVERRIDES: {reason}"
                    ))
                })?;
                client_api_urls.insert(server, url);
            }
        }
        for entry in values.read::<Vec<String>>("client_api_urls")? {
            let (server, url) =
                read_client_api_url(&entry).map_err(|reason| values.refuse("client_api_urls", &reason))?;
            client_api_urls.insert(server, url);
        }
        Ok(HomeserversConfig {
            allowed_networks: AllowedNetworks::new(networks),
            authorities,
            registrations: read_registrations(&values.read::<Vec<String>>("registrations")?)
                .map_err(|reason| values.refuse("registrations", &reason))?,
            client_api_urls,
        })
    }
}

fn read_client_api_url(entry: &str) -> Result<(ServerName, String), String> {
    let expected = || {
        format!("{entry}: a server and a URL are expected, as in org-b.example=https://matrix.org-b.example")
    };
    let (server, url) = entry.trim().split_once('=').ok_or_else(expected)?;
    let server = server
        .trim()
        .parse()
        .map_err(|error| format!("{entry}: {error}"))?;
    Ok((server, base_url(url.trim()).ok_or_else(expected)?))
}

fn read_registrations(files: &[String]) -> Result<Vec<Registration>, String> {
    let mut registrations: Vec<Registration> = Vec::new();
    for file in files {
        let registration = read_registration(file).map_err(|reason| format!("{file}: {reason}"))?;
        for other in &registrations {
            if other.server_name() == registration.server_name() {
                return Err(format!("{file}: another registration is for the same homeserver"));
            }
            if alike(other.hs_tokens(), registration.hs_tokens())
                || alike(other.as_tokens(), registration.as_tokens())
            {
                return Err(format!("{file}: another registration has the same token"));
            }
        }
        registrations.push(registration);
    }
    Ok(registrations)
}

/// Whether one token is in both.
fn alike<'a>(
    some: impl Iterator<Item = &'a Secret<String>>,
    others: impl Iterator<Item = &'a Secret<String>>,
) -> bool {
    let others: Vec<_> = others.collect();
    some.into_iter().any(|token| others.contains(&token))
}

fn read_registration(file: &str) -> Result<Registration, String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    let mut text = String::new();
    File::open(file)
        .map_err(unreadable)?
        .take(REGISTRATION_BYTES_MAX as u64 + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Registration::read(&text).map_err(|error| error.to_string())
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

    /// Files of registrations in a folder of its own.
    fn registrations(test: &str, servers: &[&str]) -> Vec<String> {
        let folder = std::env::temp_dir().join(format!("hanse-bridge-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut files = Vec::new();
        for (number, server) in servers.iter().enumerate() {
            let url = "http://127.0.0.1:8008";
            let text = Registration::generate(&server.parse().unwrap(), url, url)
                .unwrap()
                .to_yaml();
            let file = folder.join(format!("{number}.yaml"));
            std::fs::write(&file, text).unwrap();
            files.push(file.to_str().unwrap().to_owned());
        }
        files
    }

    #[test]
    fn each_homeserver_of_ours_has_a_registration_and_none_has_two() {
        let files = registrations("several", &["org-a.example", "org-c.example", "org-a.example"]);
        let config = read(&format!("registrations = {:?}", &files[..2])).unwrap();
        let names: Vec<&str> = config
            .registrations
            .iter()
            .map(|each| each.server_name().as_str())
            .collect();
        assert_eq!(names, ["org-a.example", "org-c.example"]);
        let error = read(&format!("registrations = {files:?}")).unwrap_err();
        assert!(
            error.contains("another registration is for the same homeserver"),
            "{error}"
        );
        std::fs::copy(&files[1], &files[2]).unwrap();
        let text = std::fs::read_to_string(&files[2]).unwrap();
        std::fs::write(&files[2], text.replace("org-c.example", "org-d.example")).unwrap();
        let error = read(&format!("registrations = {files:?}")).unwrap_err();
        assert!(
            error.contains("2.yaml: another registration has the same token"),
            "{error}"
        );
        for file in &files {
            std::fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_no_registration_is_refused_in_a_sentence() {
        let error = read("registrations = [\"/does/not/exist.yaml\"]").unwrap_err();
        assert!(
            error.contains("/does/not/exist.yaml: it cannot be read"),
            "{error}"
        );
        let manifest = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let error = read(&format!("registrations = [{manifest:?}]")).unwrap_err();
        assert!(error.contains("it is no registration file"), "{error}");
    }

    #[test]
    fn where_other_homeservers_are_is_read_from_the_file_and_from_the_environment() {
        let overrides = |variable: &str| {
            let set = variable == "LIVEKIT_CS_API_URL_OVERRIDES";
            set.then(|| "org-b.example=https://b.example, org-c.example=https://c.example/x/,".to_owned())
        };
        let text = "[homeservers]\nclient_api_urls = [\"org-b.example=http://10.0.0.1:8008\"]\n";
        let config: HomeserversConfig = Document::load(&[&TABLE], Some(("hanse.toml", text)), &overrides)
            .and_then(|document| document.section())
            .unwrap();
        let urls: Vec<(&str, &str)> = config
            .client_api_urls
            .iter()
            .map(|(server, url)| (server.as_str(), url.as_str()))
            .collect();
        assert_eq!(
            urls,
            [
                ("org-b.example", "http://10.0.0.1:8008"),
                ("org-c.example", "https://c.example/x")
            ]
        );
        for (wrong, sentence) in [
            ("org-b.example", "a server and a URL are expected"),
            ("org-b.example=b.example", "a server and a URL are expected"),
            ("https://b.example=https://b.example", "the port of a server name"),
        ] {
            let error = read(&format!("client_api_urls = [\"{wrong}\"]")).unwrap_err();
            assert!(error.contains(sentence), "{error}");
        }
    }
}
