//! What coturn needs to be a relay for people whose network lets nothing out but TLS: its configuration, and the secret that it
//! shares with Hanse. The relay leads to the SFU and to nothing else.

use super::config::secret;
use super::files::{Readers, Wanted, text_of};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Relays that one participant may have at a time: an old connection and a new one, each of two halves, with room to spare.
const RELAYS_PER_PERSON: u32 = 12;

/// Where coturn is to be, and what it leads to.
#[derive(Args, Default)]
pub struct TurnArguments {
    /// Name or address of a TURN server (coturn) for people whose network lets nothing out but TLS: its files are written, too.
    #[arg(long = "turn", value_name = "HOST")]
    host: Option<String>,
    /// Its port for TLS. Where something else has 443, 5349 is usual, but fewer networks let it through.
    #[arg(long = "turn-port", value_name = "PORT", default_value_t = 443)]
    port: u16,
    /// Its certificate, with the chain.
    #[arg(
        id = "turn-certificate",
        long = "turn-certificate",
        value_name = "FILE",
        default_value = "/etc/coturn/fullchain.pem"
    )]
    certificate: PathBuf,
    /// The key of the certificate.
    #[arg(
        id = "turn-key",
        long = "turn-key",
        value_name = "FILE",
        default_value = "/etc/coturn/privkey.pem"
    )]
    key: PathBuf,
    /// An address of the SFU, to which the relay leads; more than once if there are more [default: those of this machine].
    #[arg(long = "turn-sfu-address", value_name = "ADDRESS")]
    sfu_addresses: Vec<IpAddr>,
}

/// A relay beside an installation.
pub struct Turn {
    host: String,
    port: u16,
    certificate: PathBuf,
    key: PathBuf,
    sfu_addresses: Vec<IpAddr>,
    secret: String,
    secret_path: PathBuf,
    config_path: PathBuf,
}

impl Turn {
    /// The relay that was asked for, if one was. A secret that is in the folder stays.
    ///
    /// # Errors
    ///
    /// A sentence: what stands in a flag is no host or path, or there is no address of an SFU.
    pub fn read(arguments: &TurnArguments, out: &Path) -> Result<Option<Self>> {
        let Some(host) = &arguments.host else {
            return Ok(None);
        };
        let is_host = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|it| it.is_ascii_alphanumeric() || "-.".contains(it))
        };
        let is_ipv6 = host.parse::<std::net::Ipv6Addr>().is_ok();
        ensure!(
            is_ipv6 || is_host(host),
            "--turn is a name or an address, as in turn.org-a.example"
        );
        for path in [&arguments.certificate, &arguments.key] {
            let is_line = path.to_str().is_some_and(|path| !path.contains(['\n', '\r']));
            ensure!(is_line, "--turn-certificate and --turn-key are paths of files");
        }
        let sfu_addresses = if arguments.sfu_addresses.is_empty() {
            hanse_sfu::usual_addresses().context("the addresses of this machine cannot be listed")?
        } else {
            arguments.sfu_addresses.clone()
        };
        ensure!(
            !sfu_addresses.is_empty(),
            "this machine has no address that a relay could lead to: say where the SFU is with --turn-sfu-address"
        );
        let secret_path = out.join("turn.secret");
        let kept = text_of(&secret_path).map(|text| text.trim().to_owned());
        Ok(Some(Turn {
            host: if is_ipv6 {
                format!("[{host}]")
            } else {
                host.clone()
            },
            port: arguments.port,
            certificate: arguments.certificate.clone(),
            key: arguments.key.clone(),
            sfu_addresses,
            secret: kept.filter(|text| !text.is_empty()).map_or_else(secret, Ok)?,
            secret_path,
            config_path: out.join("turnserver.conf"),
        }))
    }

    /// Lines for `[sfu]`.
    pub fn sfu_lines(&self) -> String {
        format!(
            "turn_urls = [\"turns:{}:{}?transport=tcp\"]\nturn_secret_file = {}\n",
            self.host,
            self.port,
            serde_json::Value::from(self.secret_path.display().to_string())
        )
    }

    /// The secret, and coturn's configuration.
    pub fn files(&self) -> [Wanted; 2] {
        [
            Wanted {
                path: self.secret_path.clone(),
                text: format!("{}\n", self.secret),
                readers: Readers::Hanse,
                about: "The secret that Hanse and coturn share.".to_owned(),
            },
            Wanted {
                path: self.config_path.clone(),
                text: self.turnserver_conf(),
                readers: Readers::Hanse,
                about: "The configuration of coturn, with that secret in it.".to_owned(),
            },
        ]
    }

    /// What is left to do for it.
    pub fn steps(&self) -> [String; 3] {
        let Turn { host, port, .. } = self;
        [
            format!(
                "Install coturn where {host} leads, and put its configuration in place: install -o root -g turnserver -m 640 {} \
                 /etc/turnserver.conf. It must be able to read {} and {}.",
                self.config_path.display(),
                self.certificate.display(),
                self.key.display()
            ),
            format!(
                "Open {port}/tcp for it. If something else has that port on the same address, give coturn an address of its own \
                 (listening-ip), or have the proxy tell them apart by name (docs/networks.md says how)."
            ),
            format!(
                "Lines about relays stand in [sfu] of hanse.toml. If that file was there already, add them:\n{}",
                self.sfu_lines()
                    .lines()
                    .map(|line| format!("      {line}\n"))
                    .collect::<String>()
            ),
        ]
    }

    fn turnserver_conf(&self) -> String {
        let Turn {
            host, port, secret, ..
        } = self;
        let allowed: String = self
            .sfu_addresses
            .iter()
            .map(|ip| format!("allowed-peer-ip={ip}\n"))
            .collect();
        format!(
            "# coturn as a relay to Hanse's SFU, as `hanse setup` wrote it. The secret in it lets whoever knows it in.\n\
             \n\
             # TLS alone: who can send anything else reaches the SFU without a relay.\n\
             tls-listening-port={port}\n\
             cert={certificate}\n\
             pkey={key}\n\
             no-udp\n\
             no-tcp\n\
             no-dtls\n\
             no-tlsv1\n\
             no-tlsv1_1\n\
             \n\
             # Each client has a credential of its own that Hanse has made from this, for a few hours.\n\
             use-auth-secret\n\
             static-auth-secret={secret}\n\
             realm={host}\n\
             user-quota={RELAYS_PER_PERSON}\n\
             \n\
             # To the SFU and to nothing else, neither to the Internet nor to anything private.\n\
             no-tcp-relay\n\
             no-multicast-peers\n\
             denied-peer-ip=0.0.0.0-255.255.255.255\n\
             denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n\
             {allowed}\
             \n\
             fingerprint\n\
             no-cli\n\
             no-software-attribute\n",
            certificate = self.certificate.display(),
            key = self.key.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(host: &str) -> TurnArguments {
        TurnArguments {
            host: Some(host.to_owned()),
            port: 443,
            certificate: "/etc/coturn/fullchain.pem".into(),
            key: "/etc/coturn/privkey.pem".into(),
            sfu_addresses: vec!["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        }
    }

    fn nowhere() -> PathBuf {
        std::env::temp_dir().join(format!("hanse-turn-nowhere-{}", std::process::id()))
    }

    #[test]
    fn the_relay_leads_to_the_sfu_and_nowhere_else_and_both_have_the_same_secret() {
        let turn = Turn::read(&arguments("turn.org-a.example"), &nowhere())
            .unwrap()
            .unwrap();
        let [secret, config] = turn.files();
        let lines: Vec<&str> = config.text.lines().collect();
        let peers: Vec<&&str> = lines.iter().filter(|line| line.contains("-peer-ip=")).collect();
        assert_eq!(
            peers,
            [
                &"denied-peer-ip=0.0.0.0-255.255.255.255",
                &"denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                &"allowed-peer-ip=203.0.113.7",
                &"allowed-peer-ip=2001:db8::7"
            ]
        );
        assert!(lines.contains(&format!("static-auth-secret={}", secret.text.trim()).as_str()));
        assert_eq!(secret.text.trim().len(), 64);
        assert_eq!((secret.readers, config.readers), (Readers::Hanse, Readers::Hanse));
        assert!(
            turn.sfu_lines()
                .starts_with("turn_urls = [\"turns:turn.org-a.example:443?transport=tcp\"]\n")
        );
        for step in turn.steps() {
            assert!(!step.contains(secret.text.trim()), "{step}");
        }
    }

    #[test]
    fn each_relay_has_a_secret_of_its_own_and_one_that_is_there_stays() {
        let made = || {
            Turn::read(&arguments("turn.org-a.example"), &nowhere())
                .unwrap()
                .unwrap()
                .secret
        };
        assert_ne!(made(), made());
        let folder = std::env::temp_dir().join(format!("hanse-turn-kept-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("turn.secret"), "kept\n").unwrap();
        let kept = Turn::read(&arguments("2001:db8::9"), &folder).unwrap().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(kept.secret, "kept");
        assert!(kept.sfu_lines().contains("turns:[2001:db8::9]:443"));
    }

    #[test]
    fn what_is_no_host_is_refused_and_without_one_there_is_no_relay() {
        for host in ["", "turn:turn.org-a.example", "a b", "host\nno-auth", "host:443"] {
            assert!(Turn::read(&arguments(host), &nowhere()).is_err(), "{host:?}");
        }
        let key = TurnArguments {
            key: "/key\nno-auth".into(),
            ..arguments("turn.org-a.example")
        };
        assert!(Turn::read(&key, &nowhere()).is_err());
        let none = TurnArguments {
            host: None,
            ..arguments("")
        };
        assert!(Turn::read(&none, &nowhere()).unwrap().is_none());
    }
}
