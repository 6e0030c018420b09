//! `addresses`, `offer_local_addresses`, `stun_servers`, and the keys of `[sfu]` about TURN.

use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Key, SecretKey, Values};
use hanse_sfu_signal::TurnServers;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// STUN servers that may be named. All are asked at once.
const STUN_SERVERS_MAX: usize = 4;

/// URLs of TURN servers that may be named: with five, browsers begin to complain, and a call begins later.
const TURN_URLS_MAX: usize = 4;

/// Bytes of the file with the secret of the TURN server.
const TURN_SECRET_BYTES_MAX: u64 = 4096;

/// Characters that the secret of a TURN server should have.
const TURN_SECRET_CHARACTERS_MIN: usize = 16;

/// Shortest and longest life of a TURN credential.
const TURN_LIFETIME_S: std::ops::RangeInclusive<u64> = 60..=604_800;

/// STUN's own port (RFC 8489, section 18.6).
const STUN_PORT: u16 = 3478;

/// How people reach the SFU with their media.
#[derive(Clone, Debug)]
pub struct ReachConfig {
    /// Addresses that clients are told to send media to, and no others; empty: those of the local interfaces.
    pub addresses: Vec<IpAddr>,
    /// Whether addresses of local interfaces are offered beside one that STUN servers see.
    pub offer_local_addresses: bool,
    /// Who is asked how the outside sees us; empty: nobody.
    pub stun_servers: Vec<StunServer>,
    /// Relays for those who reach none of the addresses.
    pub turn: Option<TurnServers>,
}

/// A STUN server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunServer {
    /// Name or address, without brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

pub(crate) const ADDRESSES: Key = Key {
    name: "addresses",
    default: "[]",
    about: "Addresses that clients are told to send media to, and no others. Behind NAT or in a container, name the \
            address that the outside sees, of IPv4 and of IPv6 where there are both, and the local one, too, if people \
            inside do not reach the outer one. Empty: the addresses of this machine's interfaces. The server says at \
            start which ones it offers; docs/networks.md explains what it says.",
};

pub(crate) const STUN_SERVERS: Key = Key {
    name: "stun_servers",
    default: "[]",
    about: "STUN servers that are asked, at start and every five minutes, from which address they see this machine; that \
            one is offered, too. Each as \"host\" or \"host:port\", at most four. Only for NAT that passes udp_port and \
            tcp_port on under the same numbers. Empty: nobody is asked.",
};

pub(crate) const OFFER_LOCAL_ADDRESSES: Key = Key {
    name: "offer_local_addresses",
    default: "true",
    about: "Whether the addresses of this machine's interfaces are offered beside the one that STUN servers see: people in \
            the same network, and a TURN server there, often reach no other. false: strangers do not learn them.",
};

pub(crate) const TURN_URLS: Key = Key {
    name: "turn_urls",
    default: "[]",
    about: "TURN servers for people whose network lets nothing out but TLS, as clients are to find them, for instance \
            [\"turns:turn.org-a.example:443?transport=tcp\"]; at most four. `hanse setup --turn` writes what coturn needs.",
};

pub(crate) const TURN_SECRET_FILE: Key = Key {
    name: "turn_secret_file",
    default: "\"\"",
    about: "File with the secret that the TURN servers have, too (coturn: static-auth-secret); from it each client's own \
            credential is made. Nobody but owner and group may read it. Empty: the secret comes from the environment.",
};

pub(crate) const TURN_CREDENTIAL_LIFETIME_S: Key = Key {
    name: "turn_credential_lifetime_s",
    default: "14400",
    about: "How long after a join, or a return to a call, its TURN credential lets a client in. A relay that is in use \
            goes on after it.",
};

pub(crate) const TURN_SECRET: SecretKey = SecretKey {
    variable: "TURN_SECRET",
    about: "The secret of the TURN servers; it replaces the file.",
};

impl ReachConfig {
    /// Reads all of them. `bind_addresses` are those of the media sockets.
    pub(crate) fn resolve(values: &Values<'_>, bind_addresses: &[IpAddr]) -> Result<Self, ConfigError> {
        let addresses: Vec<IpAddr> = values.read("addresses")?;
        for address in &addresses {
            if address.is_unspecified() || address.is_multicast() {
                return Err(values.refuse("addresses", &format!("nobody can send media to {address}")));
            }
            if !bind_addresses
                .iter()
                .any(|bound| bound.is_ipv4() == address.is_ipv4())
            {
                let reason =
                    format!("{address} is offered, but no address of its family is in bind_addresses");
                return Err(values.refuse("addresses", &reason));
            }
        }
        let texts: Vec<String> = values.read("stun_servers")?;
        if texts.len() > STUN_SERVERS_MAX {
            return Err(values.refuse("stun_servers", &format!("at most {STUN_SERVERS_MAX}")));
        }
        if !texts.is_empty() && !addresses.is_empty() {
            let reason = "with addresses set, nothing but those is offered, so there is nothing to ask: leave one of both empty";
            return Err(values.refuse("stun_servers", reason));
        }
        let servers = texts.iter().map(|text| {
            stun_server(text).ok_or_else(|| {
                let reason = format!(
                    "{text}: a host, and a port if it is not {STUN_PORT}, as in stun.org-a.example:3478"
                );
                values.refuse("stun_servers", &reason)
            })
        });
        Ok(ReachConfig {
            stun_servers: servers.collect::<Result<_, _>>()?,
            addresses,
            offer_local_addresses: values.read("offer_local_addresses")?,
            turn: turn(values)?,
        })
    }
}

/// `host`, `host:port`, `[address]:port` or an address, with or without `stun:` in front.
fn stun_server(text: &str) -> Option<StunServer> {
    let text = text.strip_prefix("stun:").unwrap_or(text);
    let (host, port) = if text.parse::<Ipv6Addr>().is_ok() {
        (text, STUN_PORT)
    } else {
        host_and_port(text, STUN_PORT)?
    };
    Some(StunServer {
        host: host.to_owned(),
        port,
    })
}

/// Splits `host`, `host:port` and `[address]:port`; the host has no brackets then.
fn host_and_port(text: &str, default: u16) -> Option<(&str, u16)> {
    if let Some(inside) = text.strip_prefix('[') {
        let (host, rest) = inside.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        let port = match rest {
            "" => default,
            rest => rest.strip_prefix(':')?.parse().ok()?,
        };
        return Some((host, port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (text, default),
    };
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|each| each.is_ascii_alphanumeric() || "-._".contains(each))
    };
    is_name(host).then_some((host, port))
}

/// Whether this is a `turn:` or `turns:` URL (RFC 7065) as browsers take it.
fn is_turn_url(text: &str) -> bool {
    let Some((scheme @ ("turn" | "turns"), rest)) = text.split_once(':') else {
        return false;
    };
    let (place, query) = rest
        .split_once('?')
        .map_or((rest, None), |(place, query)| (place, Some(query)));
    // Browsers know no DTLS to a TURN server.
    let transport_is_known = match query {
        None | Some("transport=tcp") => true,
        Some("transport=udp") => scheme == "turn",
        Some(_) => false,
    };
    transport_is_known && host_and_port(place, STUN_PORT).is_some()
}

fn turn(values: &Values<'_>) -> Result<Option<TurnServers>, ConfigError> {
    let urls: Vec<String> = values.read("turn_urls")?;
    if urls.len() > TURN_URLS_MAX {
        return Err(values.refuse("turn_urls", &format!("at most {TURN_URLS_MAX}")));
    }
    if let Some(wrong) = urls.iter().find(|url| !is_turn_url(url)) {
        let reason = format!(
            "{wrong}: turns:host:port?transport=tcp, turn:host:port?transport=udp or turn:host:port?transport=tcp is expected"
        );
        return Err(values.refuse("turn_urls", &reason));
    }
    let lifetime_s: u64 = values.read("turn_credential_lifetime_s")?;
    if !TURN_LIFETIME_S.contains(&lifetime_s) {
        let reason = format!("from {} to {}", TURN_LIFETIME_S.start(), TURN_LIFETIME_S.end());
        return Err(values.refuse("turn_credential_lifetime_s", &reason));
    }
    if urls.is_empty() {
        return Ok(None);
    }
    let file: String = values.read("turn_secret_file")?;
    let secret = match values.secret("TURN_SECRET") {
        Some(secret) => secret.clone(),
        None if file.is_empty() => {
            let reason = "there is no secret from which credentials could be made: name its file in turn_secret_file, or \
                          put it into the environment variable TURN_SECRET";
            return Err(values.refuse("turn_urls", reason));
        }
        None => read_secret(&file).map_err(|reason| values.refuse("turn_secret_file", &reason))?,
    };
    let secret = secret.expose().trim().to_owned();
    if secret.chars().count() < TURN_SECRET_CHARACTERS_MIN || secret.contains(['\n', '\r']) {
        let reason = format!(
            "the secret is one line of at least {TURN_SECRET_CHARACTERS_MIN} characters; make one with: openssl rand -hex 32"
        );
        return Err(values.refuse("turn_secret_file", &reason));
    }
    Ok(Some(TurnServers::new(
        urls,
        secret,
        Duration::from_secs(lifetime_s),
    )))
}

fn read_secret(file: &str) -> Result<Secret<String>, String> {
    let unreadable = |error: std::io::Error| format!("{file} cannot be read: {error}");
    let metadata = std::fs::metadata(Path::new(file)).map_err(unreadable)?;
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(format!(
            "everybody on this machine may use {file}; say: chmod o-rwx {file}"
        ));
    }
    if metadata.len() > TURN_SECRET_BYTES_MAX {
        return Err(format!(
            "{file} has more than {TURN_SECRET_BYTES_MAX} bytes, so it is another file"
        ));
    }
    std::fs::read_to_string(file).map(Secret::new).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SfuConfig;
    use hanse_runtime::config::{Document, Section, Table};

    static TABLE: Table = SfuConfig::TABLE;

    const SECRET: &str = "a secret that nobody guesses";

    fn resolve(text: &str) -> Result<ReachConfig, String> {
        let text = format!("[sfu]\n{text}\n");
        let environment = |name: &str| match name {
            "LIVEKIT_KEYS" => Some("one: first".to_owned()),
            "TURN_SECRET" => Some(SECRET.to_owned()),
            _ => None,
        };
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &environment)
            .and_then(|document| document.section::<SfuConfig>())
            .map(|config| config.reach)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_is_asked_and_no_relay_is_told_of_unless_one_is_named() {
        let config = resolve("").unwrap();
        assert!(config.addresses.is_empty() && config.stun_servers.is_empty() && config.turn.is_none());
        assert!(config.offer_local_addresses);
    }

    #[test]
    fn an_address_that_no_socket_could_serve_is_refused() {
        let error = resolve("bind_addresses = [\"0.0.0.0\"]\naddresses = [\"2001:db8::1\"]").unwrap_err();
        assert!(
            error.starts_with("hanse.toml line 3: [sfu] addresses: 2001:db8::1 is offered"),
            "{error}"
        );
        assert!(resolve("addresses = [\"0.0.0.0\"]").is_err());
        assert!(resolve("addresses = [\"203.0.113.7\", \"2001:db8::7\"]").is_ok());
    }

    #[test]
    fn stun_servers_are_read_in_every_form_and_what_is_none_is_refused() {
        let of = |text: &str| stun_server(text).map(|server| (server.host, server.port));
        let server = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(of("stun.org-a.example"), server("stun.org-a.example", 3478));
        assert_eq!(
            of("stun:stun.org-a.example:5349"),
            server("stun.org-a.example", 5349)
        );
        assert_eq!(of("192.0.2.2:19302"), server("192.0.2.2", 19302));
        assert_eq!(of("2001:db8::2"), server("2001:db8::2", 3478));
        assert_eq!(of("[2001:db8::2]:9"), server("2001:db8::2", 9));
        for wrong in [
            "",
            ":3478",
            "host:",
            "host:0",
            "host:70000",
            "a b",
            "https://host",
            "[::1",
            "[host]:9",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert!(
            resolve("stun_servers = [\"a b\"]")
                .unwrap_err()
                .contains("as in stun.org-a.example")
        );
        assert!(resolve("stun_servers = [\"a\", \"b\", \"c\", \"d\", \"e\"]").is_err());
        let both = "addresses = [\"203.0.113.7\"]\nstun_servers = [\"stun.org-a.example\"]";
        assert!(resolve(both).unwrap_err().contains("leave one of both empty"));
    }

    #[test]
    fn turn_urls_are_those_that_browsers_take() {
        for url in [
            "turn:turn.org-a.example",
            "turn:192.0.2.2:3478?transport=udp",
            "turn:[2001:db8::2]:3478?transport=tcp",
            "turns:turn.org-a.example:443?transport=tcp",
            "turns:turn.org-a.example",
        ] {
            let turn = resolve(&format!("turn_urls = [\"{url}\"]"))
                .unwrap()
                .turn
                .unwrap();
            assert_eq!(turn.urls(), [url]);
        }
        for url in [
            "turn.org-a.example",
            "stun:turn.org-a.example",
            "https://turn.org-a.example",
            "turns://turn.org-a.example",
            "turns:turn.org-a.example?transport=udp",
            "turn:turn.org-a.example?transport=sctp",
            "turn:user@turn.org-a.example",
        ] {
            assert!(resolve(&format!("turn_urls = [\"{url}\"]")).is_err(), "{url}");
        }
    }

    #[test]
    fn the_secret_of_the_turn_server_is_read_from_a_file_that_not_everybody_may_read_and_is_in_no_error() {
        let file = std::env::temp_dir().join(format!("hanse-turn-{}", std::process::id()));
        let read = |text: &str, mode| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let toml = format!(
                "[sfu]\nturn_urls = [\"turn:turn.org-a.example\"]\nturn_secret_file = \"{}\"\n",
                file.display()
            );
            let keys = |name: &str| (name == "LIVEKIT_KEYS").then(|| "one: first".to_owned());
            Document::load(&[&TABLE], Some(("hanse.toml", &toml)), &keys)
                .and_then(|document| document.section::<SfuConfig>())
                .map_err(|error| error.to_string())
        };
        let config = read("a secret of some length\n", 0o640).unwrap();
        let turn = config.reach.turn.as_ref().unwrap();
        let of_the_line = TurnServers::new(
            vec![],
            "a secret of some length".to_owned(),
            Duration::from_secs(14_400),
        );
        assert_eq!(
            turn.for_client(7, "x").credential,
            of_the_line.for_client(7, "x").credential
        );
        assert!(!format!("{config:?}").contains("some length"));
        for (text, mode, reason) in [
            ("a secret of some length", 0o644, "chmod o-rwx"),
            ("too short", 0o600, "openssl rand"),
            ("two lines of some length\nare none", 0o600, "one line"),
        ] {
            let error = read(text, mode).unwrap_err();
            assert!(error.contains(reason) && !error.contains("length"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(resolve("turn_urls = [\"turn:a\"]\nturn_credential_lifetime_s = 1").is_err());
    }

    #[test]
    fn relays_without_a_secret_are_refused() {
        let keys = |name: &str| (name == "LIVEKIT_KEYS").then(|| "one: first".to_owned());
        let toml = "[sfu]\nturn_urls = [\"turn:turn.org-a.example\"]\n";
        let document = Document::load(&[&TABLE], Some(("hanse.toml", toml)), &keys).unwrap();
        let error = document.section::<SfuConfig>().err().unwrap().to_string();
        assert!(error.contains("turn_secret_file"), "{error}");
    }
}
