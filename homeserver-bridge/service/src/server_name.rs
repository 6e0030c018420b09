//! Matrix server names, as a stranger may write them. Grammar: Matrix specification, appendices, "Server Name".
//!
//! Stricter than the grammar where a name could mean an address in disguise: a last label that is a number (`127.1`,
//! `2130706433`, `0x7f.1`) is no name, though some resolvers read an address out of it.

use hanse_runtime::Redacted;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a server name: the longest DNS name, a colon and a port. Longer ones are refused.
pub const SERVER_NAME_BYTES_MAX: usize = 259;

/// Bytes of a DNS name (RFC 1035, section 2.3.4, without the length bytes at its ends).
const NAME_BYTES_MAX: usize = 253;

/// Bytes of a label of a DNS name.
const LABEL_BYTES_MAX: usize = 63;

/// A server name that keeps to the grammar. Two names are equal if they are written the same: Matrix tells upper from lower
/// case in ids.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerName {
    text: String,
    host: Host,
    port: Option<u16>,
}

/// The part before the port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An IP address, as it was written.
    Address(IpAddr),
    /// A DNS name in lower case, without a dot at its end.
    Name(String),
}

/// Why a text is no server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadServerName {
    /// Longer than [`SERVER_NAME_BYTES_MAX`], or a name or label longer than DNS allows.
    #[error("the server name is too long")]
    TooLong,
    /// Brackets without an IPv6 address in them.
    #[error("the server name has brackets, but no IPv6 address in them")]
    Address,
    /// Empty, an empty label, or a character that no host name has.
    #[error("the server name is not a host name: letters, digits, hyphens and dots are expected")]
    Name,
    /// A number where a name must end in a word.
    #[error("the server name ends in a number, but is not an IPv4 address in its usual form")]
    Number,
    /// Not a number from 1 to 65535.
    #[error("the port of the server name is not a number from 1 to 65535")]
    Port,
}

impl ServerName {
    /// Reads a server name: `host`, `host:port`, where host is a DNS name, an IPv4 address or an IPv6 address in brackets.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadServerName> {
        if text.len() > SERVER_NAME_BYTES_MAX {
            return Err(BadServerName::TooLong);
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']').ok_or(BadServerName::Address)?;
                let address: Ipv6Addr = address.parse().map_err(|_| BadServerName::Address)?;
                let port = match rest {
                    "" => None,
                    _ => Some(rest.strip_prefix(':').ok_or(BadServerName::Port)?),
                };
                (Host::Address(address.into()), port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (parse_host(host)?, Some(port)),
                None => (parse_host(text)?, None),
            },
        };
        Ok(ServerName {
            text: text.to_owned(),
            host,
            port: port.map(parse_port).transpose()?,
        })
    }

    /// As it was written: what an id must end in, and the `Host` header of requests to it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the port.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, if it names one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerName({})", Redacted(&self.text))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", Redacted(self))
    }
}

fn parse_port(text: &str) -> Result<u16, BadServerName> {
    // `u16::from_str` would also take a plus sign.
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(BadServerName::Port),
    }
}

fn parse_host(text: &str) -> Result<Host, BadServerName> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(BadServerName::TooLong);
    }
    let mut last = "";
    for label in text.split('.') {
        let letters = label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if label.is_empty() || !letters || label.starts_with('-') || label.ends_with('-') {
            return Err(BadServerName::Name);
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(BadServerName::TooLong);
        }
        last = label;
    }
    if is_number(last) {
        return Err(BadServerName::Number);
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

    fn parts(text: &str) -> (Host, Option<u16>) {
        let name = ServerName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(name.as_str(), text);
        (name.host().clone(), name.port())
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
        assert_ne!(
            ServerName::parse("Org-A.Example"),
            ServerName::parse("org-a.example")
        );
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
            assert_eq!(
                ServerName::parse(disguised),
                Err(BadServerName::Number),
                "{disguised}"
            );
        }
        assert_eq!(parts("1.2.3.4.example"), (name("1.2.3.4.example"), None));
    }

    #[test]
    fn what_is_no_server_name_is_refused_with_its_reason() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "a.".repeat(125));
        let endless = "a".repeat(SERVER_NAME_BYTES_MAX + 1);
        for (text, reason) in [
            ("", BadServerName::Name),
            (".", BadServerName::Name),
            ("a..example", BadServerName::Name),
            ("a.example.", BadServerName::Name),
            ("-a.example", BadServerName::Name),
            ("a-.example", BadServerName::Name),
            ("a_b.example", BadServerName::Name),
            ("user@a.example", BadServerName::Name),
            ("a.example/path", BadServerName::Name),
            ("a.example?x", BadServerName::Name),
            ("a.example#x", BadServerName::Name),
            ("a.exam\r\nple", BadServerName::Name),
            ("bücher.example", BadServerName::Name),
            ("127.0.0.1%lo", BadServerName::Name),
            ("a.example:", BadServerName::Port),
            ("a.example:0", BadServerName::Port),
            ("a.example:65536", BadServerName::Port),
            ("a.example:+80", BadServerName::Port),
            ("a.example:000080", BadServerName::Port),
            ("a.example:80:80", BadServerName::Port),
            ("::1", BadServerName::Name),
            ("[::1", BadServerName::Address),
            ("[::1%lo]", BadServerName::Address),
            ("[127.0.0.1]", BadServerName::Address),
            ("[a.example]", BadServerName::Address),
            ("[::1]80", BadServerName::Port),
            (&long_label, BadServerName::TooLong),
            (&long_name, BadServerName::TooLong),
            (&endless, BadServerName::TooLong),
        ] {
            assert_eq!(ServerName::parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn a_server_name_shows_nothing_in_debug_output() {
        let shown = format!("{:?}", ServerName::parse("127.0.0.1:8448").unwrap());
        assert!(!shown.contains("127") && !shown.contains("8448"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_safe_in_a_header(text in "\\PC{0,300}") {
            if let Ok(name) = ServerName::parse(&text) {
                prop_assert!(name.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!name.as_str().contains(['/', '@', '?', '#', '%', '\\']));
            }
        }

        #[test]
        fn texts_like_server_names_never_hide_an_address(text in "[0-9a-fx.:\\[\\]-]{1,40}") {
            if let Ok(read) = ServerName::parse(&text)
                && let Host::Name(host) = read.host()
            {
                prop_assert!(host.parse::<IpAddr>().is_err());
                prop_assert!(host.rsplit('.').next().is_some_and(|last| !is_number(last)));
            }
        }

        #[test]
        fn every_address_and_port_is_read_back(address: IpAddr, port in 1u16..) {
            let text = std::net::SocketAddr::new(address, port).to_string();
            prop_assert_eq!(parts(&text), (Host::Address(address), Some(port)));
        }
    }
}
