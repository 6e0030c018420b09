//! What clients are offered: one list, from which offers and answers are made, and what the log says.

use super::config::ReachConfig;
use crate::net::{LocalAddress, local_addresses};
use hanse_sfu_signal::{Candidate, CandidateTransport, TurnServers};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where the sockets for media listen; each family has one port for each transport.
#[derive(Clone, Debug)]
pub(crate) struct Sockets {
    pub udp: Vec<SocketAddr>,
    pub tcp: Vec<SocketAddr>,
}

/// What clients are offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// UDP first, and of each transport IPv4 or IPv6 as the sockets are; in a family what the outside sees first.
    pub candidates: Vec<Candidate>,
    /// Addresses of this machine that are not offered because nobody could use them.
    left_out: Vec<LocalAddress>,
}

impl Offer {
    /// Puts it together: the configured addresses; else the bound ones, where a wildcard stands for every interface of its
    /// family, and those from which STUN servers see us (`seen`). `None`: there is nothing to offer.
    pub fn new(
        config: &ReachConfig,
        sockets: &Sockets,
        local: &[LocalAddress],
        seen: &[IpAddr],
    ) -> Option<Self> {
        let mut left_out = Vec::new();
        let addresses = if config.addresses.is_empty() {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for bound in &sockets.udp {
                let same_family = |ip: &&IpAddr| ip.is_ipv4() == bound.is_ipv4();
                let seen: Vec<IpAddr> = seen.iter().filter(same_family).copied().collect();
                let own = if bound.ip().is_unspecified() {
                    let of_family = local.iter().filter(|it| same_family(&&it.ip));
                    let (bridges, others): (Vec<_>, Vec<_>) = of_family.cloned().partition(is_bridge);
                    // Whoever has nothing else means it.
                    if others.is_empty() && seen.is_empty() {
                        bridges
                    } else {
                        left_out.extend(bridges);
                        others
                    }
                } else {
                    vec![LocalAddress {
                        ip: bound.ip(),
                        interface: String::new(),
                    }]
                };
                let is_hidden = !seen.is_empty() && !config.offer_local_addresses;
                let own = own.into_iter().map(|it| it.ip).filter(|_| !is_hidden);
                for ip in seen.iter().copied().chain(own) {
                    if !addresses.contains(&ip) {
                        addresses.push(ip);
                    }
                }
            }
            addresses
        } else {
            let is_served = |ip: &IpAddr| sockets.udp.iter().any(|bound| bound.is_ipv4() == ip.is_ipv4());
            config.addresses.iter().copied().filter(is_served).collect()
        };
        let candidates = candidates(&addresses, sockets);
        (!candidates.is_empty()).then_some(Offer { candidates, left_out })
    }

    /// What is offered, exactly, by family, and by relay.
    pub fn sentence(&self, turn: Option<&TurnServers>) -> String {
        let family = |is_ipv4| {
            let of_family = self
                .candidates
                .iter()
                .filter(|it| it.address.is_ipv4() == is_ipv4);
            listed(&of_family.map(Candidate::to_string).collect::<Vec<_>>())
        };
        format!(
            "clients are offered these media addresses: by IPv4 {}; by IPv6 {}; by relay {}",
            family(true),
            family(false),
            listed(turn.map_or(&[], TurnServers::urls)),
        )
    }

    /// What of it cannot work, or not for everybody, and what to do.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for refused in self.candidates.iter().filter(|it| !browsers_take(it.address)) {
            warnings.push(format!(
                "browsers send no media to {refused}: below 1024 they take ports 80 and 443 only, and those at public addresses \
                 only; set udp_port and tcp_port of [sfu] to others, or offer a public address"
            ));
        }
        for LocalAddress { ip, interface } in &self.left_out {
            warnings.push(format!(
                "{ip} ({interface}) is not offered: it leads to containers and virtual machines here, and to nobody else"
            ));
        }
        for family in [true, false] {
            let mut addresses: Vec<IpAddr> = self.candidates.iter().map(|it| it.address.ip()).collect();
            addresses.retain(|ip| ip.is_ipv4() == family);
            addresses.dedup();
            for ip in addresses.iter().filter(|ip| reaches(ip) == Reaches::Link) {
                warnings.push(format!(
                    "{ip} is a link-local address, which no client can use: take it out of [sfu] addresses"
                ));
            }
            let own: Vec<String> = addresses
                .iter()
                .filter(|ip| reaches(ip) == Reaches::Network)
                .map(IpAddr::to_string)
                .collect();
            if !own.is_empty() && !addresses.iter().any(|ip| reaches(ip) == Reaches::Everybody) {
                let name = family_name(family);
                warnings.push(format!(
                    "by {name} only people in the same network can send media to {}; whoever comes from outside by {name} is in \
                     calls that stay silent and dark. Behind NAT or in a container, name the address that the outside sees in \
                     [sfu] addresses, or have it found by [sfu] stun_servers (docs/networks.md)",
                    listed(&own)
                ));
            }
        }
        warnings
    }
}

/// The addresses that a server on this machine offers of which nothing else is said.
///
/// # Errors
///
/// When the system refuses to list them.
pub fn usual_addresses() -> io::Result<Vec<IpAddr>> {
    let any = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let sockets = Sockets {
        udp: any.map(|ip: IpAddr| SocketAddr::new(ip, 0)).to_vec(),
        tcp: Vec::new(),
    };
    let config = ReachConfig {
        addresses: Vec::new(),
        offer_local_addresses: true,
        stun_servers: Vec::new(),
        turn: None,
    };
    let offer = Offer::new(&config, &sockets, &local_addresses()?, &[]);
    Ok(offer.map_or_else(Vec::new, |offer| {
        offer.candidates.iter().map(|it| it.address.ip()).collect()
    }))
}

/// What people call a family of addresses.
pub(super) fn family_name(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "IPv4" } else { "IPv6" }
}

/// Each address over each transport that is bound for its family.
fn candidates(addresses: &[IpAddr], sockets: &Sockets) -> Vec<Candidate> {
    let over = |transport, bound: &[SocketAddr]| {
        let port_of = |ip: &IpAddr| {
            let same = bound.iter().find(|bound| bound.is_ipv4() == ip.is_ipv4());
            same.map(SocketAddr::port)
        };
        let reached = addresses
            .iter()
            .filter_map(|ip| Some(SocketAddr::new(*ip, port_of(ip)?)));
        reached
            .map(|address| Candidate { transport, address })
            .collect::<Vec<_>>()
    };
    [
        over(CandidateTransport::Udp, &sockets.udp),
        over(CandidateTransport::Tcp, &sockets.tcp),
    ]
    .concat()
}

fn listed(all: &[String]) -> String {
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

/// Interfaces that container engines and hypervisors make for what runs on this machine: the names that they give them.
fn is_bridge(local: &LocalAddress) -> bool {
    let name = local.interface.as_str();
    let follows = |prefix: &str, is_meant: fn(&str) -> bool| name.strip_prefix(prefix).is_some_and(is_meant);
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_docker_id = |rest: &str| rest.len() == 12 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let engines = [
        "cni", "docker", "flannel.", "lxcbr", "lxdbr", "podman", "virbr", "vmnet",
    ];
    name == "docker_gwbridge"
        || engines.iter().any(|prefix| follows(prefix, is_number))
        || follows("br-", is_docker_id)
}

/// Who can send to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaches {
    Everybody,
    /// Those in a network that has private addresses.
    Network,
    /// Neighbours, who have to know over which interface.
    Link,
    /// This machine.
    Machine,
}

fn reaches(ip: &IpAddr) -> Reaches {
    match ip {
        ip if ip.is_loopback() => Reaches::Machine,
        IpAddr::V4(ip) if ip.is_link_local() => Reaches::Link,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Reaches::Link,
        // RFC 1918, and RFC 6598: what providers have who give no address of its own to anybody.
        IpAddr::V4(ip) if ip.is_private() || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64) => {
            Reaches::Network
        }
        IpAddr::V6(ip) if ip.is_unique_local() => Reaches::Network,
        _ => Reaches::Everybody,
    }
}

/// Whether what a STUN server has seen can be an address of ours, behind however many NATs.
pub(super) fn is_plausible(ip: IpAddr) -> bool {
    !ip.is_unspecified()
        && !ip.is_multicast()
        && matches!(reaches(&ip), Reaches::Everybody | Reaches::Network)
}

/// Whether Chromium and its kin use a candidate (`VerifyCandidate` in libwebrtc): a page must not reach services of a local
/// network.
fn browsers_take(address: SocketAddr) -> bool {
    match address.port() {
        80 | 443 => reaches(&address.ip().to_canonical()) == Reaches::Everybody,
        port => port >= 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn config() -> ReachConfig {
        ReachConfig {
            addresses: vec![],
            offer_local_addresses: true,
            stun_servers: vec![],
            turn: None,
        }
    }

    fn sockets(udp: &[&str], tcp: &[&str]) -> Sockets {
        let parsed = |all: &[&str]| all.iter().map(|it| it.parse().unwrap()).collect();
        Sockets {
            udp: parsed(udp),
            tcp: parsed(tcp),
        }
    }

    fn both() -> Sockets {
        sockets(&["0.0.0.0:7882", "[::]:7882"], &["0.0.0.0:7881", "[::]:7881"])
    }

    fn ips(all: &[&str]) -> Vec<IpAddr> {
        all.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    fn local(all: &[(&str, &str)]) -> Vec<LocalAddress> {
        let parsed = |(ip, interface): &(&str, &str)| LocalAddress {
            ip: ip.parse().unwrap(),
            interface: (*interface).to_owned(),
        };
        all.iter().map(parsed).collect()
    }

    fn shown(offer: &Offer) -> Vec<String> {
        offer.candidates.iter().map(Candidate::to_string).collect()
    }

    #[test]
    fn configured_addresses_are_offered_and_nothing_else() {
        let config = ReachConfig {
            addresses: ips(&["203.0.113.7", "2001:db8::7"]),
            ..config()
        };
        let local = local(&[("10.0.0.5", "eth0")]);
        let offer = Offer::new(&config, &both(), &local, &[]).unwrap();
        let expected = [
            "203.0.113.7:7882/udp",
            "[2001:db8::7]:7882/udp",
            "203.0.113.7:7881/tcp",
            "[2001:db8::7]:7881/tcp",
        ];
        assert_eq!(shown(&offer), expected);
        let only = Offer::new(&config, &sockets(&["0.0.0.0:7882"], &[]), &local, &[]).unwrap();
        assert_eq!(
            shown(&only),
            ["203.0.113.7:7882/udp"],
            "this machine has no IPv6, and no TCP is wanted"
        );
    }

    #[test]
    fn without_configured_ones_a_bound_address_is_offered_and_a_wildcard_means_the_interfaces() {
        let local = local(&[
            ("203.0.113.7", "eth0"),
            ("2001:db8::7", "eth0"),
            ("198.51.100.1", "eth1"),
        ]);
        let bound = Offer::new(&config(), &sockets(&["127.0.0.1:7882"], &[]), &local, &[]).unwrap();
        assert_eq!(shown(&bound), ["127.0.0.1:7882/udp"]);
        let all = Offer::new(
            &config(),
            &sockets(&["0.0.0.0:7882", "[::]:7882"], &[]),
            &local,
            &[],
        )
        .unwrap();
        assert_eq!(
            shown(&all),
            [
                "203.0.113.7:7882/udp",
                "198.51.100.1:7882/udp",
                "[2001:db8::7]:7882/udp"
            ]
        );
        assert!(Offer::new(&config(), &both(), &[], &[]).is_none());
    }

    #[test]
    fn what_a_stun_server_sees_comes_first_and_local_addresses_stay_unless_they_are_not_wanted() {
        let (local, seen) = (
            local(&[("10.0.0.5", "eth0"), ("2001:db8::7", "eth0")]),
            ips(&["203.0.113.7"]),
        );
        let sockets = sockets(&["0.0.0.0:7882", "[::]:7882"], &[]);
        let beside = Offer::new(&config(), &sockets, &local, &seen).unwrap();
        assert_eq!(
            shown(&beside),
            [
                "203.0.113.7:7882/udp",
                "10.0.0.5:7882/udp",
                "[2001:db8::7]:7882/udp"
            ]
        );
        let config = ReachConfig {
            offer_local_addresses: false,
            ..config()
        };
        let alone = Offer::new(&config, &sockets, &local, &seen).unwrap();
        assert_eq!(
            shown(&alone),
            ["203.0.113.7:7882/udp", "[2001:db8::7]:7882/udp"],
            "of IPv6 nothing was seen"
        );
        // Where there is no NAT, it is the same address.
        let same = Offer::new(&config, &sockets, &local, &ips(&["2001:db8::7"])).unwrap();
        assert_eq!(shown(&same), ["10.0.0.5:7882/udp", "[2001:db8::7]:7882/udp"]);
    }

    #[test]
    fn the_sentence_lists_what_is_offered_by_family_and_relays() {
        let local = local(&[("203.0.113.7", "eth0")]);
        let offer = Offer::new(&config(), &both(), &local, &[]).unwrap();
        assert_eq!(
            offer.sentence(None),
            "clients are offered these media addresses: by IPv4 203.0.113.7:7882/udp, 203.0.113.7:7881/tcp; by IPv6 none; by relay none"
        );
        let turn = TurnServers::new(
            vec!["turns:turn:443".into(), "turn:turn".into()],
            "s".into(),
            Duration::ZERO,
        );
        assert!(
            offer
                .sentence(Some(&turn))
                .ends_with("; by relay turns:turn:443, turn:turn")
        );
    }

    #[test]
    fn who_has_private_addresses_only_is_warned_for_each_family() {
        let warned = |addresses: &[(&str, &str)], seen: &[&str]| {
            let offer = Offer::new(&config(), &both(), &local(addresses), &ips(seen)).unwrap();
            offer.warnings()
        };
        assert_eq!(
            warned(&[("203.0.113.7", "eth0"), ("2001:db8::7", "eth0")], &[]),
            [""; 0]
        );
        assert_eq!(warned(&[("10.0.0.5", "eth0")], &["203.0.113.7"]), [""; 0]);
        for (ip, name) in [
            ("10.0.0.5", "IPv4"),
            ("100.64.0.1", "IPv4"),
            ("172.18.0.2", "IPv4"),
            ("fd00::5", "IPv6"),
        ] {
            let warnings = warned(&[(ip, "eth0")], &[]);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].starts_with(&format!(
                "by {name} only people in the same network can send media to {ip};"
            )));
            assert!(warnings[0].contains("[sfu] stun_servers"));
        }
    }

    #[test]
    fn bridges_to_containers_are_left_out_and_said_unless_there_is_nothing_else() {
        let bridges = [
            ("172.17.0.1", "docker0"),
            ("172.18.0.1", "br-0af31c22d9e4"),
            ("192.168.122.1", "virbr0"),
        ];
        let with = local(&[&[("203.0.113.7", "eth0")][..], &bridges[..]].concat());
        let offer = Offer::new(&config(), &sockets(&["0.0.0.0:7882"], &[]), &with, &[]).unwrap();
        assert_eq!(shown(&offer), ["203.0.113.7:7882/udp"]);
        let warnings = offer.warnings();
        assert_eq!(warnings.len(), 3);
        assert!(
            warnings[0].starts_with("172.17.0.1 (docker0) is not offered"),
            "{warnings:?}"
        );
        let only = Offer::new(
            &config(),
            &sockets(&["0.0.0.0:7882"], &[]),
            &local(&bridges[..1]),
            &[],
        )
        .unwrap();
        assert_eq!(shown(&only), ["172.17.0.1:7882/udp"]);
        for name in ["eth0", "br-lan", "br0", "bridge", "dockerish", "wlan0", "cnic"] {
            let here = LocalAddress {
                ip: "10.0.0.5".parse().unwrap(),
                interface: name.to_owned(),
            };
            assert!(!is_bridge(&here), "{name}");
        }
    }

    #[test]
    fn a_link_local_address_is_warned_of_and_a_trial_on_this_machine_is_not() {
        let offered = |ip: &str| {
            let config = ReachConfig {
                addresses: ips(&[ip]),
                ..config()
            };
            Offer::new(&config, &both(), &[], &[]).unwrap().warnings()
        };
        for ip in ["169.254.7.7", "fe80::7"] {
            assert!(offered(ip)[0].contains("link-local"), "{ip}");
        }
        assert_eq!(offered("127.0.0.1"), [""; 0]);
    }

    #[test]
    fn nonsense_of_a_stun_server_is_not_plausible() {
        for ip in [
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "::1",
            "224.0.0.1",
            "ff02::1",
            "169.254.1.1",
            "fe80::1",
        ] {
            assert!(!is_plausible(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["203.0.113.7", "2001:db8::7", "10.0.0.5"] {
            assert!(is_plausible(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn browsers_take_443_at_public_addresses_only_and_other_low_ports_nowhere() {
        let taken = |address: &str| browsers_take(address.parse().unwrap());
        for address in [
            "203.0.113.7:443",
            "[2001:db8::1]:443",
            "203.0.113.7:80",
            "10.0.0.1:7882",
            "127.0.0.1:1024",
        ] {
            assert!(taken(address), "{address}");
        }
        for address in [
            "10.0.0.1:443",
            "100.64.0.1:443",
            "[fd00::1]:443",
            "127.0.0.1:80",
            "203.0.113.7:123",
        ] {
            assert!(!taken(address), "{address}");
        }
    }
}
