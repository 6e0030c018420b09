//! Who is behind a reverse proxy.

use hanse_runtime::ClientAddress;
use http::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;

/// What the nearest proxy adds to the right of (de facto standard, as nginx, Caddy and HAProxy write it).
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Reverse proxies whose word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// Whether this is one of them.
    pub fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the one who asks: the last in the list that no proxy of ours has. What stands before it, they may have
    /// written themselves. `None`: a proxy of ours does not say.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<ClientAddress> {
        if !self.include(peer) {
            return Some(ClientAddress(peer.to_canonical()));
        }
        headers
            .get_all(X_FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .rev()
            .map_while(|address| address.trim().parse::<IpAddr>().ok())
            .map(|address| address.to_canonical())
            .find(|address| !self.include(*address))
            .map(ClientAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> Option<String> {
        let proxies = TrustedProxies(vec![
            "127.0.0.0/8".parse().unwrap(),
            "10.1.0.0/16".parse().unwrap(),
        ]);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let client = proxies.client(peer.parse().unwrap(), &headers);
        client.map(|ClientAddress(address)| address.to_string())
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_nobody_else() {
        assert_eq!(
            client("192.0.2.7", &["198.51.100.1"]).as_deref(),
            Some("192.0.2.7")
        );
        assert_eq!(
            client("127.0.0.1", &["198.51.100.1"]).as_deref(),
            Some("198.51.100.1")
        );
        assert_eq!(
            client("::ffff:127.0.0.1", &["2001:db8::1"]).as_deref(),
            Some("2001:db8::1")
        );
    }

    #[test]
    fn what_clients_write_into_the_header_themselves_does_not_count() {
        assert_eq!(
            client("127.0.0.1", &["203.0.113.9, 198.51.100.1, 10.1.0.3"]).as_deref(),
            Some("198.51.100.1")
        );
        assert_eq!(
            client("127.0.0.1", &["203.0.113.9", "198.51.100.1"]).as_deref(),
            Some("198.51.100.1")
        );
        assert_eq!(client("127.0.0.1", &["203.0.113.9, unknown"]), None);
        assert_eq!(client("127.0.0.1", &[]), None);
        assert_eq!(client("127.0.0.1", &["10.1.0.3"]), None);
    }
}
