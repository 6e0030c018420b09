//! Server names: `host`, or `host:port` (Matrix specification, appendices, "Server Name").

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Bytes of a host (RFC 1035's limit for a name). A longer one is no server name.
const HOST_BYTES_MAX: usize = 255;

/// The name of a homeserver, of valid form. It says nothing about whether such a server exists or may be asked.
///
/// Compared letter by letter, as homeservers do. `Debug` does not show it: a server may be one person's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(String);

/// Why a text is no server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerNameError {
    /// Nothing in front of the port.
    #[error("a server name needs a host")]
    NoHost,
    /// Longer than a name may be.
    #[error("the host of a server name has at most {HOST_BYTES_MAX} letters")]
    TooLong,
    /// Something that may stand in no host: a scheme, a path, a space.
    #[error("a server name is a host name or an address, without a scheme or a path")]
    Letter,
    /// Brackets around what is no IPv6 address.
    #[error("what stands in brackets in a server name is an IPv6 address")]
    Brackets,
    /// A port that is none.
    #[error("the port of a server name is a number from 1 to 65535")]
    Port,
}

impl ServerName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerName {
    type Err = ServerNameError;

    fn from_str(text: &str) -> Result<Self, ServerNameError> {
        let (host, port) = split(text)?;
        if host.is_empty() {
            return Err(ServerNameError::NoHost);
        }
        if host.len() > HOST_BYTES_MAX {
            return Err(ServerNameError::TooLong);
        }
        if let Some(rest) = host.strip_prefix('[') {
            let address = rest.strip_suffix(']').ok_or(ServerNameError::Brackets)?;
            let _: Ipv6Addr = address.parse().map_err(|_| ServerNameError::Brackets)?;
        } else if !host
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'.')
        {
            return Err(ServerNameError::Letter);
        }
        if let Some(port) = port {
            if !port.bytes().all(|digit| digit.is_ascii_digit()) {
                return Err(ServerNameError::Letter);
            }
            if port.len() > 5 || !port.parse::<u16>().is_ok_and(|number| number != 0) {
                return Err(ServerNameError::Port);
            }
        }
        Ok(ServerName(text.to_owned()))
    }
}

/// Host (with its brackets) and port. An IPv6 address has colons of its own, but a bracket behind them.
fn split(text: &str) -> Result<(&str, Option<&str>), ServerNameError> {
    match text.rsplit_once(':') {
        Some((_, port)) if port.contains(']') => Ok((text, None)),
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => Err(ServerNameError::Letter),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_the_specification_are_understood() {
        for text in [
            "org-a.example",
            "Org-A.example:8448",
            "localhost:80",
            "192.0.2.1:1",
            "[2001:db8::1]",
            "[2001:db8::1]:443",
        ] {
            assert_eq!(text.parse::<ServerName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_server_name_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<ServerName>().unwrap_err();
        let long = "a".repeat(256);
        for (text, error) in [
            ("", ServerNameError::NoHost),
            (":8448", ServerNameError::NoHost),
            (long.as_str(), ServerNameError::TooLong),
            ("https://org-a.example", ServerNameError::Letter),
            ("org-a.example/path", ServerNameError::Letter),
            ("org-a.example?x=1", ServerNameError::Letter),
            ("user@org-a.example", ServerNameError::Letter),
            ("org a.example", ServerNameError::Letter),
            ("örg.example", ServerNameError::Letter),
            ("a:b:1", ServerNameError::Letter),
            ("2001:db8::1", ServerNameError::Letter),
            ("[org-a.example]", ServerNameError::Brackets),
            ("[::1", ServerNameError::Letter),
            ("[::1]x", ServerNameError::Brackets),
            ("[fe80::1%25eth0]", ServerNameError::Brackets),
            ("org-a.example:", ServerNameError::Port),
            ("org-a.example:0", ServerNameError::Port),
            ("org-a.example:008448", ServerNameError::Port),
            ("org-a.example:+80", ServerNameError::Letter),
            ("org-a.example:65536", ServerNameError::Port),
            ("org-a.example:8448/path", ServerNameError::Letter),
        ] {
            assert_eq!(refused(text), error, "{text}");
        }
    }

    #[test]
    fn no_form_for_developers_shows_a_server() {
        let name: ServerName = "org-a.example".parse().unwrap();
        let shown = format!("{name:?}");
        assert!(!shown.contains("org-a"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_survives_unchanged(text in "[a-z0-9.:\\[\\]/ -]{0,40}") {
            if let Ok(name) = text.parse::<ServerName>() {
                prop_assert_eq!(name.as_str(), &text);
            }
        }
    }
}
