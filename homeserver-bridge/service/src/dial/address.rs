//! Which addresses a stranger may make us connect to.
//!
//! Public ones only: what IANA's registries of special-purpose addresses (RFC 6890, as maintained) call globally reachable.
//! Everything else (loopback, private, link-local, shared, multicast, documentation …) is reached by us but perhaps not by the
//! stranger, so it is refused unless the configuration lists its network.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket address that passed the check. Only [`AllowedNetworks::permit`] makes one, and only with one can a socket be
/// opened: what was checked is what is dialled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PermittedAddress(SocketAddr);

impl PermittedAddress {
    /// The address to dial.
    pub fn socket_address(self) -> SocketAddr {
        self.0
    }
}

/// Networks that may be dialled although they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNetworks(Vec<IpNet>);

impl AllowedNetworks {
    /// Takes the networks that the configuration lists.
    pub fn new(networks: Vec<IpNet>) -> Self {
        AllowedNetworks(networks)
    }

    /// Those that the configuration lists.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// The check. An IPv4 address in IPv6 clothes is judged, and dialled, as the IPv4 address that it is.
    pub fn permit(&self, address: SocketAddr) -> Option<PermittedAddress> {
        let ip = address.ip().to_canonical();
        let allowed = |ip: &IpAddr| self.0.iter().any(|network| network.contains(ip));
        let judged = translated(ip).map_or(ip, IpAddr::V4);
        (allowed(&ip) || allowed(&judged) || is_public(judged))
            .then(|| PermittedAddress(SocketAddr::new(ip, address.port())))
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 4], prefix: u8) -> Ipv6Net {
    let [a, b, c, d] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// IPv4 networks that are not public.
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),       // "this network"; 0.0.0.0 reaches the machine itself
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // shared by a provider's customers (CGNAT)
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link-local, and the metadata services of clouds
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // IETF protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 88, 99, 0, 24),  // 6to4 relays, withdrawn
    v4(192, 168, 0, 0, 16),  // private
    v4(198, 18, 0, 0, 15),   // benchmarks
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved, and the broadcast address
];

/// The part of IPv6 from which public addresses are given out. Loopback, mapped, unique-local, link-local, site-local and
/// multicast addresses lie outside.
const GLOBAL_UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// What is not public inside of [`GLOBAL_UNICAST_V6`].
const SPECIAL_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0, 0], 23), // IETF protocol assignments: Teredo, benchmarks, ORCHID
    v6([0x2001, 0x0db8, 0, 0], 32), // documentation
    v6([0x2002, 0, 0, 0], 16), // 6to4: an IPv4 address in clothes, withdrawn
    v6([0x3fff, 0, 0, 0], 20), // documentation
];

/// NAT64 (RFC 6052): how an IPv6-only machine reaches IPv4, so the IPv4 address inside is what counts.
const NAT64: Ipv6Net = v6([0x0064, 0xff9b, 0, 0], 96);

fn translated(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V6(v6) if NAT64.contains(&v6) => {
            let [.., a, b, c, d] = v6.octets();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_UNICAST_V6.contains(&address)
                && !SPECIAL_V6.iter().any(|network| network.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn permitted(address: &str, allowed: &[&str]) -> Option<String> {
        let allowed = AllowedNetworks::new(allowed.iter().map(|network| network.parse().unwrap()).collect());
        let address = SocketAddr::new(address.parse().unwrap(), 8448);
        allowed
            .permit(address)
            .map(|permitted| permitted.socket_address().ip().to_string())
    }

    #[test]
    fn public_addresses_pass() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00::1",
            "3ffe::1",
        ] {
            assert_eq!(permitted(address, &[]).as_deref(), Some(address));
        }
    }

    #[test]
    fn what_is_not_public_is_refused_unless_its_network_is_listed() {
        for (address, network) in [
            ("0.0.0.0", "0.0.0.0/8"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("100.64.0.1", "100.64.0.0/10"),
            ("127.0.0.1", "127.0.0.0/8"),
            ("127.255.255.255", "127.0.0.0/8"),
            ("169.254.169.254", "169.254.0.0/16"),
            ("172.16.0.1", "172.16.0.0/12"),
            ("172.31.255.255", "172.16.0.0/12"),
            ("192.0.0.8", "192.0.0.0/24"),
            ("192.0.2.1", "192.0.2.0/24"),
            ("192.88.99.1", "192.88.99.0/24"),
            ("192.168.0.1", "192.168.0.0/16"),
            ("198.19.255.255", "198.18.0.0/15"),
            ("198.51.100.1", "198.51.100.0/24"),
            ("203.0.113.1", "203.0.113.0/24"),
            ("224.0.0.1", "224.0.0.0/4"),
            ("255.255.255.255", "240.0.0.0/4"),
            ("::", "::/128"),
            ("::1", "::1/128"),
            ("fe80::1", "fe80::/10"),
            ("fec0::1", "fec0::/10"),
            ("fd00::1", "fc00::/7"),
            ("ff02::1", "ff00::/8"),
            ("2001::1", "2001::/32"),
            ("2001:2::1", "2001:2::/48"),
            ("2001:db8::1", "2001:db8::/32"),
            ("2002:7f00:1::", "2002::/16"),
            ("2002:0808:0808::", "2002::/16"),
            ("3fff::1", "3fff::/20"),
            ("64:ff9b:1::1", "64:ff9b:1::/48"),
            ("100::1", "100::/64"),
        ] {
            assert_eq!(permitted(address, &[]), None, "{address}");
            assert_eq!(permitted(address, &["203.0.112.0/24"]), None, "{address}");
            assert!(permitted(address, &[network]).is_some(), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_judged_as_what_it_is() {
        assert_eq!(permitted("::ffff:127.0.0.1", &[]), None);
        assert_eq!(permitted("::ffff:10.0.0.1", &[]), None);
        assert_eq!(
            permitted("::ffff:1.1.1.1", &[]).as_deref(),
            Some("1.1.1.1"),
            "and dialled as that"
        );
        assert_eq!(
            permitted("::ffff:127.0.0.1", &["127.0.0.0/8"]).as_deref(),
            Some("127.0.0.1")
        );
        assert_eq!(
            permitted("::127.0.0.1", &[]),
            None,
            "compatible addresses are withdrawn"
        );
        assert_eq!(permitted("64:ff9b::7f00:1", &[]), None);
        assert_eq!(permitted("64:ff9b::a00:1", &[]), None);
        assert_eq!(
            permitted("64:ff9b::101:101", &[]).as_deref(),
            Some("64:ff9b::101:101")
        );
        assert!(permitted("64:ff9b::a00:1", &["10.0.0.0/8"]).is_some());
    }

    proptest! {
        #[test]
        fn the_standard_library_agrees_on_ipv4(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            if is_public(address.into()) {
                prop_assert!(!address.is_private() && !address.is_loopback() && !address.is_link_local());
                prop_assert!(!address.is_multicast() && !address.is_broadcast() && !address.is_documentation());
                prop_assert!(!address.is_unspecified());
            }
        }

        #[test]
        fn the_standard_library_agrees_on_ipv6(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            if is_public(address.into()) {
                prop_assert!(!address.is_loopback() && !address.is_unspecified() && !address.is_multicast());
                prop_assert!(!address.is_unique_local() && !address.is_unicast_link_local());
                prop_assert!(address.to_ipv4_mapped().is_none());
            }
        }

        #[test]
        fn no_clothes_make_an_ipv4_address_public(bits: u32) {
            let allowed = AllowedNetworks::default();
            let address = Ipv4Addr::from_bits(bits);
            let permit = |ip: IpAddr| allowed.permit(SocketAddr::new(ip, 1)).is_some();
            let [a, b, c, d] = address.octets();
            let nat64 = Ipv6Addr::from([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]);
            prop_assert_eq!(permit(address.to_ipv6_mapped().into()), permit(address.into()));
            prop_assert_eq!(permit(nat64.into()), permit(address.into()));
            prop_assert!(!permit(address.to_ipv6_compatible().into()));
        }

        #[test]
        fn a_permitted_address_keeps_its_port(address: IpAddr, port: u16) {
            let everything = AllowedNetworks::new(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]);
            let permitted = everything.permit(SocketAddr::new(address, port)).unwrap();
            prop_assert_eq!(permitted.socket_address(), SocketAddr::new(address.to_canonical(), port));
        }
    }
}
