//! Server names: `host`, or `host:port` (Matrix specification, appendices, "Server Name").
//!
//! Stricter than the grammar where a name could mean an address in disguise: a last label that is a number (`127.1`,
//! `2130706433`, `0x7f.1`) is no name, though some resolvers read an address out of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Bytes of a server name: the longest DNS name, a colon and a port. A longer one is none.
pub const SERVER_NAME_BYTES_MAX: usize = 259;

/// Bytes of a DNS name (RFC 1035, section 2.3.4, without the length bytes at its ends).
const HOST_BYTES_MAX: usize = 253;

/// Bytes of a label of a DNS name.
const LABEL_BYTES_MAX: usize = 63;

/// The name of a homeserver, of valid form. It says nothing about whether such a server exists or may be asked.
///
/// Compared letter by letter, as homeservers do. `Debug` does not show it: a server may be one person's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(Box<str>);

/// The part before the port. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An IP address, as it was written.
    Address(IpAddr),
    /// A DNS name in lower case, without a dot at its end.
    Name(String),
}

/// Why a text is no server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerNameError {
    /// Nothing in front of the port.
    #[error("a server name needs a host")]
    NoHost,
    /// Longer than [`SERVER_NAME_BYTES_MAX`], or a name or label longer than DNS allows.
    #[error("the server name is longer than DNS allows")]
    TooLong,
    /// Something that may stand in no host: a scheme, a path, a space, an empty label.
    #[error("a server name is a host name or an address, without a scheme or a path")]
    Letter,
    /// Brackets around what is no IPv6 address.
    #[error("what stands in brackets in a server name is an IPv6 address")]
    Brackets,
    /// A number where a name must end in a word.
    #[error("the server name ends in a number, but is not an IPv4 address in its usual form")]
    Number,
    /// A port that is none.
    #[error("the port of a server name is a number from 1 to 65535")]
    Port,
}

impl ServerName {
    /// As it was written: what an id must end in, and the `Host` header of requests to it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the port.
    pub fn host(&self) -> Host {
        // What was read once can be read again; the other arm is never taken.
        parts(&self.0).map_or_else(|_| Host::Name(String::new()), |(host, _)| host)
    }

    /// The port, if it names one.
    pub fn port(&self) -> Option<u16> {
        parts(&self.0).ok().and_then(|(_, port)| port)
    }
}

impl FromStr for ServerName {
    type Err = ServerNameError;

    fn from_str(text: &str) -> Result<Self, ServerNameError> {
        parts(text)?;
        Ok(ServerName(text.into()))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerName(not shown)")
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host(not shown)")
    }
}

fn parts(text: &str) -> Result<(Host, Option<u16>), ServerNameError> {
    if text.len() > SERVER_NAME_BYTES_MAX {
        return Err(ServerNameError::TooLong);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or(ServerNameError::Brackets)?;
            let address: Ipv6Addr = address.parse().map_err(|_| ServerNameError::Brackets)?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':').ok_or(ServerNameError::Port)?),
            };
            (Host::Address(address.into()), port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (parse_host(host)?, Some(port)),
            None => (parse_host(text)?, None),
        },
    };
    Ok((host, port.map(parse_port).transpose()?))
}

fn parse_port(text: &str) -> Result<u16, ServerNameError> {
    // `u16::from_str` would also take a plus sign.
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(ServerNameError::Port),
    }
}

fn parse_host(text: &str) -> Result<Host, ServerNameError> {
    if text.is_empty() {
        return Err(ServerNameError::NoHost);
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    if text.len() > HOST_BYTES_MAX {
        return Err(ServerNameError::TooLong);
    }
    let mut last = "";
    for label in text.split('.') {
        let letters = label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if label.is_empty() || !letters || label.starts_with('-') || label.ends_with('-') {
            return Err(ServerNameError::Letter);
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(ServerNameError::TooLong);
        }
        last = label;
    }
    if is_number(last) {
        return Err(ServerNameError::Number);
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}

/// Whether a resolver might read a part of an address out of a label: decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    let decimal = label.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"))
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    decimal || hexadecimal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<ServerName, ServerNameError> {
        text.parse()
    }

    fn parts(text: &str) -> (Host, Option<u16>) {
        let name = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(name.as_str(), text);
        (name.host(), name.port())
    }

    fn name(text: &str) -> Host {
        Host::Name(text.to_owned())
    }

    #[test]
    fn the_specifications_examples_are_read() {
        let address = |text: &str| Host::Address(text.parse().unwrap());
        assert_eq!(parts("matrix.org"), (name("matrix.org"), None));
        assert_eq!(parts("matrix.org:8888"), (name("matrix.org"), Some(8888)));
        assert_eq!(parts("1.2.3.4"), (address("1.2.3.4"), None));
        assert_eq!(parts("1.2.3.4:1234"), (address("1.2.3.4"), Some(1234)));
        assert_eq!(parts("[1234:5678::abcd]"), (address("1234:5678::abcd"), None));
        assert_eq!(
            parts("[1234:5678::abcd]:5678"),
            (address("1234:5678::abcd"), Some(5678))
        );
        assert_eq!(parts("localhost"), (name("localhost"), None));
    }

    #[test]
    fn case_matters_for_the_name_but_not_for_its_host() {
        assert_eq!(parts("Org-A.Example"), (name("org-a.example"), None));
        assert_ne!(read("Org-A.Example"), read("org-a.example"));
    }

    #[test]
    fn an_address_in_disguise_is_no_name() {
        for disguised in [
            "127.1",
            "2130706433",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "0x7F.1",
            "127.0.0.01",
            "1.2.3.4.5",
            "a.0x",
            "1",
            "256.256.256.256",
        ] {
            assert_eq!(read(disguised), Err(ServerNameError::Number), "{disguised}");
        }
        assert_eq!(parts("1.2.3.4.example"), (name("1.2.3.4.example"), None));
    }

    #[test]
    fn what_is_no_server_name_is_refused_with_its_reason() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "a.".repeat(125));
        let endless = "a".repeat(SERVER_NAME_BYTES_MAX + 1);
        for (text, reason) in [
            ("", ServerNameError::NoHost),
            (":8448", ServerNameError::NoHost),
            ("::1", ServerNameError::NoHost),
            (".", ServerNameError::Letter),
            ("a..example", ServerNameError::Letter),
            ("a.example.", ServerNameError::Letter),
            ("-a.example", ServerNameError::Letter),
            ("a-.example", ServerNameError::Letter),
            ("a_b.example", ServerNameError::Letter),
            ("user@a.example", ServerNameError::Letter),
            ("a.example/path", ServerNameError::Letter),
            ("a.example?x", ServerNameError::Letter),
            ("a.example#x", ServerNameError::Letter),
            ("a.exam\r\nple", ServerNameError::Letter),
            ("a example", ServerNameError::Letter),
            ("bücher.example", ServerNameError::Letter),
            ("127.0.0.1%lo", ServerNameError::Letter),
            ("https://a.example", ServerNameError::Port),
            ("a.example:", ServerNameError::Port),
            ("a.example:0", ServerNameError::Port),
            ("a.example:65536", ServerNameError::Port),
            ("a.example:+80", ServerNameError::Port),
            ("a.example:000080", ServerNameError::Port),
            ("a.example:80:80", ServerNameError::Port),
            ("a.example:8448/path", ServerNameError::Port),
            ("[::1", ServerNameError::Brackets),
            ("[::1%lo]", ServerNameError::Brackets),
            ("[127.0.0.1]", ServerNameError::Brackets),
            ("[a.example]", ServerNameError::Brackets),
            ("[::1]80", ServerNameError::Port),
            (&long_label, ServerNameError::TooLong),
            (&long_name, ServerNameError::TooLong),
            (&endless, ServerNameError::TooLong),
        ] {
            assert_eq!(read(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn no_form_for_developers_shows_a_server() {
        let name = read("org-a.example:8448").unwrap();
        let shown = format!("{name:?} {:?}", name.host());
        assert!(!shown.contains("org-a") && !shown.contains("8448"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_safe_in_a_header(text in "\\PC{0,300}") {
            if let Ok(name) = read(&text) {
                prop_assert!(name.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!name.as_str().contains(['/', '@', '?', '#', '%', '\\']));
            }
        }

        #[test]
        fn texts_like_server_names_never_hide_an_address(text in "[0-9a-fx.:\\[\\]-]{1,40}") {
            if let Ok(name) = read(&text) {
                prop_assert_eq!(name.as_str(), &text);
                if let Host::Name(host) = name.host() {
                    prop_assert!(host.parse::<IpAddr>().is_err());
                    prop_assert!(host.rsplit('.').next().is_some_and(|last| !is_number(last)));
                }
            }
        }

        #[test]
        fn every_address_and_port_is_read_back(address: IpAddr, port in 1u16..) {
            let text = std::net::SocketAddr::new(address, port).to_string();
            prop_assert_eq!(parts(&text), (Host::Address(address), Some(port)));
        }
    }
}
