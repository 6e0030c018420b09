//! `[http]` and `[sfu]`: the settings of this service as written, and as meant.

use crate::http::TrustedProxies;
use crate::prometheus::PrometheusConfig;
use crate::reach::ReachConfig;
use crate::reach::config::{
    ADDRESSES, OFFER_LOCAL_ADDRESSES, STUN_SERVERS, TURN_CREDENTIAL_LIFETIME_S, TURN_SECRET,
    TURN_SECRET_FILE, TURN_URLS,
};
use crate::webhooks::WebhookConfig;
use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Key, SecretKey, Section, Table, Values};
use hanse_sfu_core::command::Codec;
use hanse_sfu_signal::{ApiKeys, CODECS, codec_named};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Local addresses.
    pub bind_addresses: Vec<IpAddr>,
    /// TCP port; 0 lets the system choose (tests).
    pub port: u16,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
}

impl Section for HttpConfig {
    const TABLE: Table = Table {
        name: "http",
        about: "Signalling, and the server API. Plain HTTP and WebSocket: put a reverse proxy with TLS in front, or see \
                [tls]. Clients ask with long paths (up to 64 KiB), so raise the proxy's limit for request heads.",
        keys: &[
            Key {
                name: "bind_addresses",
                default: "[\"0.0.0.0\", \"::\"]",
                about: "Local addresses to listen on. \"0.0.0.0\" and \"::\" mean all of IPv4 and of IPv6; a family that \
                        this machine does not have is left out.",
            },
            Key {
                name: "port",
                default: "7880",
                about: "TCP port.",
            },
            Key {
                name: "trusted_proxies",
                default: "[\"127.0.0.0/8\", \"::1/128\"]",
                about: "Networks of your reverse proxies. What they say in X-Forwarded-For is believed, so that requests \
                        are counted by who sent them. A proxy that says nothing there has nobody counted by address.",
            },
        ],
        secrets: &[
            SecretKey {
                variable: "LIVEKIT_JWT_BIND",
                about: "Address and port, as in Element's service (\":8080\"); replaces bind_addresses and port.",
            },
            SecretKey {
                variable: "LIVEKIT_JWT_PORT",
                about: "Port, as in older releases of Element's service; replaces port.",
            },
        ],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let mut bind_addresses: Vec<IpAddr> = values.read("bind_addresses")?;
        if bind_addresses.is_empty() {
            return Err(values.refuse("bind_addresses", "at least one address is needed"));
        }
        let mut port = values.read("port")?;
        if let Some(text) = values.secret("LIVEKIT_JWT_PORT") {
            port = text.expose().trim().parse().map_err(|_| {
                ConfigError::Refused("environment variable LIVEKIT_JWT_PORT: a port is expected".to_owned())
            })?;
        }
        if let Some(text) = values.secret("LIVEKIT_JWT_BIND") {
            let (address, bound) = bind(text.expose().trim()).ok_or_else(|| {
                ConfigError::Refused(
                    "environment variable LIVEKIT_JWT_BIND: an address and a port are expected, as in \":8080\" or \
                     \"127.0.0.1:8080\""
                        .to_owned(),
                )
            })?;
            port = bound;
            bind_addresses = address.map_or(bind_addresses, |address| vec![address]);
        }
        let proxies: Vec<String> = values.read("trusted_proxies")?;
        let proxies = proxies.iter().map(|text| {
            text.parse().map_err(|_| {
                values.refuse(
                    "trusted_proxies",
                    &format!("{text}: a network is expected, as in 10.20.0.0/16"),
                )
            })
        });
        Ok(HttpConfig {
            bind_addresses,
            port,
            trusted_proxies: TrustedProxies(proxies.collect::<Result<_, _>>()?),
        })
    }
}

/// An address and a port as Go's servers take them; without an address, all.
fn bind(text: &str) -> Option<(Option<IpAddr>, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let address = match host {
        "" => None,
        host => Some(host.parse().ok()?),
    };
    Some((address, port.parse().ok()?))
}

/// `[sfu]`
#[derive(Clone, Debug)]
pub struct SfuConfig {
    /// Local addresses of the media sockets, at most one of each family.
    pub bind_addresses: Vec<IpAddr>,
    /// UDP port of all media; 0 lets the system choose (tests).
    pub udp_port: u16,
    /// TCP port of media for those who are let out by no other way; 0: none.
    pub tcp_port: u16,
    /// Where clients are told to send media.
    pub reach: ReachConfig,
    /// Threads that forward media; 0: by the number of cores.
    pub shards: u16,
    /// Whether a valid token makes a room.
    pub auto_create: bool,
    /// Codecs that may be used.
    pub codecs: Vec<Codec>,
    /// Seconds.
    pub room_empty_timeout_s: u32,
    /// Seconds.
    pub room_departure_timeout_s: u32,
    /// People; 0: no limit.
    pub room_participants_max: u32,
    /// People; 0: as many as the shards can hold.
    pub participants_max: u32,
    /// Free text that clients are told.
    pub region: String,
    /// Whether clients may ask for simulated scenarios.
    pub simulate: bool,
    /// Keys that sign tokens.
    pub keys: Secret<ApiKeys>,
    /// Whether a secret is so short that it could be guessed; said at start.
    pub short_secret: bool,
    /// Who is told what happens.
    pub webhooks: WebhookConfig,
    /// Where LiveKit's metrics are to be read; `None`: nowhere.
    pub prometheus: Option<PrometheusConfig>,
}

/// Characters that a secret should have: HS256 wants as many bits as its hash (RFC 7518, section 3.2).
const SECRET_CHARACTERS_MIN: usize = 32;

/// Shards that a node may have; more threads than cores only fight for them.
const SHARDS_MAX: u16 = 256;

impl Section for SfuConfig {
    const TABLE: Table = Table {
        name: "sfu",
        about: "The SFU: where media comes in, and how rooms behave.",
        keys: &[
            Key {
                name: "bind_addresses",
                default: "[\"0.0.0.0\", \"::\"]",
                about: "Local addresses of the media sockets, at most one of IPv4 and one of IPv6. A family that this \
                        machine does not have is left out.",
            },
            Key {
                name: "udp_port",
                default: "7882",
                about: "UDP port of all media. Open it in the firewall.",
            },
            Key {
                name: "tcp_port",
                default: "7881",
                about: "TCP port of media for people whose network lets no UDP through. Open it in the firewall, too; \
                        without it they are in calls that stay silent and dark. It may be the port of [tls]. 0: none.",
            },
            ADDRESSES,
            STUN_SERVERS,
            OFFER_LOCAL_ADDRESSES,
            TURN_URLS,
            TURN_SECRET_FILE,
            TURN_CREDENTIAL_LIFETIME_S,
            Key {
                name: "shards",
                default: "0",
                about: "Threads that forward media. 0: one on a machine of up to two cores, otherwise all cores but one.",
            },
            Key {
                name: "auto_create",
                default: "true",
                about: "Whether the first who comes with a valid token makes the room. false: rooms are made by the server \
                        API or by a token that may create rooms.",
            },
            Key {
                name: "codecs",
                default: "[\"opus\", \"red\", \"pcmu\", \"pcma\", \"vp8\", \"h264\", \"vp9\", \"av1\", \"h265\"]",
                about: "Codecs that clients may use; others are not negotiated. There are \"opus\", \"red\" (Opus with \
                        copies against loss), \"pcmu\", \"pcma\", \"vp8\", \"h264\", \"vp9\", \"av1\" and \"h265\". What a \
                        person publishes is never converted: whoever cannot decode it sees and hears nothing of it, unless \
                        its client publishes a second codec, too.",
            },
            Key {
                name: "room_empty_timeout_s",
                default: "300",
                about: "A room that nobody ever joined is closed after this time.",
            },
            Key {
                name: "room_departure_timeout_s",
                default: "20",
                about: "A room that everybody has left is closed after this time.",
            },
            Key {
                name: "room_participants_max",
                default: "0",
                about: "People in one room at a time. 0: no limit.",
            },
            Key {
                name: "participants_max",
                default: "0",
                about: "People on this server at a time. 0: as many as it can hold, 20000 per shard.",
            },
            Key {
                name: "region",
                default: "\"\"",
                about: "Name of the place, as clients are told. May be empty.",
            },
            Key {
                name: "simulate",
                default: "false",
                about: "Whether clients may ask for simulated failures, as testers of clients do. Never on a server that \
                        people use: whoever is in a call could appear to speak.",
            },
            Key {
                name: "keys_file",
                default: "\"\"",
                about: "File with the API keys that sign tokens: one a line, \"name: secret\", the secret should have \
                        at least 32 characters. The first one signs what the server itself hands out. Nobody but owner and \
                        group may read it. Empty: the keys come from the environment.",
            },
            Key {
                name: "webhook_urls",
                default: "[]",
                about: "URLs that are told when rooms, people and tracks come and go, as LiveKit's server tells them, for \
                        instance [\"https://hanse.org-a.example/livekit/jwt/sfu_webhook\"]. The focus in this process needs \
                        none. docs/operation.md says what is sent.",
            },
            Key {
                name: "webhook_key",
                default: "\"\"",
                about: "Name of the API key that signs webhooks. Empty: the first one.",
            },
            Key {
                name: "webhook_folder",
                default: "\"hanse-webhooks\"",
                about: "Folder for webhooks that have not arrived yet, so that a restart loses none. Made when there are \
                        webhook_urls and it is missing; a relative path begins in the folder that hanse runs in. Empty: \
                        they are in memory only.",
            },
            Key {
                name: "prometheus_port",
                default: "0",
                about: "TCP port for numbers about calls under the names of LiveKit's server, at /metrics, for dashboards \
                        that are made for it. They name nobody; docs/operation.md explains each. 0: none.",
            },
            Key {
                name: "prometheus_bind_addresses",
                default: "[\"127.0.0.1\"]",
                about: "Local addresses for it.",
            },
            Key {
                name: "prometheus_user",
                default: "\"\"",
                about: "Name that whoever reads them has to give with a password (HTTP Basic). Empty: let only your \
                        monitoring reach the port.",
            },
        ],
        secrets: &[
            SecretKey {
                variable: "LIVEKIT_KEYS",
                about: "API keys in the same form; they replace the file.",
            },
            TURN_SECRET,
            SecretKey {
                variable: "PROMETHEUS_PASSWORD",
                about: "The password for prometheus_user.",
            },
        ],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let bind_addresses: Vec<IpAddr> = values.read("bind_addresses")?;
        let v4 = bind_addresses.iter().filter(|address| address.is_ipv4()).count();
        if bind_addresses.is_empty() || v4 > 1 || bind_addresses.len() - v4 > 1 {
            return Err(values.refuse(
                "bind_addresses",
                "one IPv4 address, one IPv6 address, or one of each",
            ));
        }
        let reach = ReachConfig::resolve(values, &bind_addresses)?;
        let shards: u16 = values.read("shards")?;
        if shards > SHARDS_MAX {
            return Err(values.refuse("shards", &format!("at most {SHARDS_MAX}")));
        }
        let (keys, short_secret) = keys(values)?;
        let webhooks = WebhookConfig::resolve(values, &keys)?;
        let prometheus = PrometheusConfig::resolve(values)?;
        Ok(SfuConfig {
            bind_addresses,
            prometheus,
            udp_port: values.read("udp_port")?,
            tcp_port: values.read("tcp_port")?,
            reach,
            shards,
            auto_create: values.read("auto_create")?,
            codecs: codecs(values)?,
            room_empty_timeout_s: values.read("room_empty_timeout_s")?,
            room_departure_timeout_s: values.read("room_departure_timeout_s")?,
            room_participants_max: values.read("room_participants_max")?,
            participants_max: values.read("participants_max")?,
            region: values.read("region")?,
            simulate: values.read("simulate")?,
            keys: Secret::new(keys),
            short_secret,
            webhooks,
        })
    }
}

fn codecs(values: &Values<'_>) -> Result<Vec<Codec>, ConfigError> {
    let names: Vec<String> = values.read("codecs")?;
    let mut codecs = Vec::new();
    for name in &names {
        let codec = codec_named(name).ok_or_else(|| {
            let known: Vec<&str> = CODECS.iter().map(|codec| codec.name()).collect();
            values.refuse(
                "codecs",
                &format!("there is no codec {name}; there are {}", known.join(", ")),
            )
        })?;
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    if !codecs.contains(&Codec::Opus) {
        return Err(values.refuse("codecs", "opus is needed: no browser can do without it"));
    }
    Ok(codecs)
}

const HOW_TO_MAKE_A_KEY: &str = "Make one with: echo \"hanse: $(openssl rand -hex 32)\" > hanse.keys && chmod 600 \
                                 hanse.keys, and set keys_file = \"hanse.keys\" in [sfu], or put the line into the \
                                 environment variable LIVEKIT_KEYS";

fn keys(values: &Values<'_>) -> Result<(ApiKeys, bool), ConfigError> {
    let (text, place) = match values.secret("LIVEKIT_KEYS") {
        Some(text) => (text.clone(), "LIVEKIT_KEYS".to_owned()),
        None => {
            let file: String = values.read("keys_file")?;
            if file.is_empty() {
                return Err(ConfigError::Refused(format!(
                    "There is no API key, so no token could be checked. {HOW_TO_MAKE_A_KEY}."
                )));
            }
            (read_keys_file(values, &file)?, file)
        }
    };
    let keys = parse_keys(text.expose()).map_err(|line| {
        ConfigError::Refused(format!(
            "{place} line {line}: \"name: secret\" is expected. {HOW_TO_MAKE_A_KEY}."
        ))
    })?;
    let short = keys
        .iter()
        .any(|(_, secret)| secret.chars().count() < SECRET_CHARACTERS_MIN);
    let keys = ApiKeys::new(keys)
        .map_err(|error| ConfigError::Refused(format!("{place}: {error}. {HOW_TO_MAKE_A_KEY}.")))?;
    Ok((keys, short))
}

fn read_keys_file(values: &Values<'_>, file: &str) -> Result<Secret<String>, ConfigError> {
    let refuse =
        |error: std::io::Error| values.refuse("keys_file", &format!("{file} cannot be read: {error}"));
    let mode = std::fs::metadata(Path::new(file))
        .map_err(refuse)?
        .permissions()
        .mode();
    if mode & 0o007 != 0 {
        let reason = format!("everybody on this machine may use {file}; say: chmod o-rwx {file}");
        return Err(values.refuse("keys_file", &reason));
    }
    std::fs::read_to_string(file).map(Secret::new).map_err(refuse)
}

/// `name: secret` lines, as LiveKit's server reads them (a YAML map without nesting); quotes around either are taken
/// off. The error is the line that is none, counted from 1.
fn parse_keys(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, secret) = line.split_once(':').ok_or(index + 1)?;
        let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        let (name, secret) = (bare(name), bare(secret));
        if name.is_empty() || secret.is_empty() {
            return Err(index + 1);
        }
        keys.push((name, secret));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = SfuConfig::TABLE;
    const KEY: (&str, &str) = ("LIVEKIT_KEYS", "devkey: 0123456789abcdef0123456789abcdef");

    fn resolve(text: &str, environment: &[(&str, &str)]) -> Result<SfuConfig, ConfigError> {
        let lookup = |name: &str| {
            environment
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Document::load(&[&TABLE], Some(("hanse.toml", text)), &lookup)?.section()
    }

    #[test]
    fn defaults_need_nothing_but_a_key() {
        let config = resolve("", &[KEY]).unwrap();
        assert_eq!(
            (config.udp_port, config.auto_create, config.room_empty_timeout_s),
            (7882, true, 300)
        );
    }

    #[test]
    fn a_missing_key_is_refused_with_the_way_to_make_one() {
        let error = resolve("", &[]).err().unwrap().to_string();
        assert!(
            error.contains("no API key") && error.contains("openssl rand -hex 32"),
            "{error}"
        );
    }

    #[test]
    fn key_lines_are_read_as_livekit_reads_them() {
        let expected = vec![
            ("one".to_owned(), "first".to_owned()),
            ("two".to_owned(), "sec:ond".to_owned()),
        ];
        assert_eq!(
            parse_keys("\n# comment\none: first\n  \"two\" : 'sec:ond'\n"),
            Ok(expected)
        );
        assert_eq!(parse_keys("one: first\nnonsense\n"), Err(2));
        assert_eq!(parse_keys("one:\n"), Err(1));
    }

    #[test]
    fn a_secret_is_in_no_error() {
        let error = resolve("", &[("LIVEKIT_KEYS", "hunter2hunter2")])
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("LIVEKIT_KEYS line 1") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn codecs_are_read_by_name_and_an_unknown_one_is_refused_with_a_list_of_those_that_exist() {
        let sfu = |codecs: &str| resolve(&format!("[sfu]\ncodecs = {codecs}\n"), &[KEY]);
        let config = sfu("[\"H264\", \"opus\", \"h264\"]").unwrap();
        assert_eq!(config.codecs, [Codec::H264, Codec::Opus]);
        let refusal = sfu("[\"opus\", \"theora\"]").err().unwrap().to_string();
        assert!(refusal.contains("theora") && refusal.contains("vp8"), "{refusal}");
        assert!(sfu("[\"vp8\"]").is_err());
    }

    #[test]
    fn at_most_one_address_of_each_family_is_bound() {
        assert!(resolve("[sfu]\nbind_addresses = [\"127.0.0.1\", \"127.0.0.2\"]\n", &[KEY]).is_err());
        assert!(resolve("[sfu]\nbind_addresses = [\"127.0.0.1\", \"::1\"]\n", &[KEY]).is_ok());
    }

    #[test]
    fn a_keys_file_is_read_unless_everybody_may_read_it() {
        let file = std::env::temp_dir().join(format!("hanse-keys-{}", std::process::id()));
        std::fs::write(&file, "devkey: 0123456789abcdef0123456789abcdef\n").unwrap();
        let text = format!("[sfu]\nkeys_file = \"{}\"\n", file.display());
        let set_mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        set_mode(0o640);
        let private = resolve(&text, &[]);
        set_mode(0o644);
        let public = resolve(&text, &[]);
        std::fs::remove_file(&file).unwrap();
        assert!(private.is_ok());
        assert!(public.err().unwrap().to_string().contains("chmod o-rwx"));
        assert!(
            resolve(&text, &[])
                .err()
                .unwrap()
                .to_string()
                .contains("cannot be read")
        );
    }
}
