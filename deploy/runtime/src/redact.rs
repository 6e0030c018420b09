//! Personal data in log lines: a tag that is the same for the same value within one run of the process, and that
//! cannot be turned back.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;

/// A Matrix id, an IP address, a room name or the like, as it may appear in a log line.
///
/// `Debug` and `Display` print a tag of eight hexadecimal digits. It is a keyed hash (SipHash) whose key is drawn at
/// random once per process and never leaves it: two lines about the same person can be matched within one run,
/// and neither a list of all addresses nor the log of another run turns a tag back into its value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Redacted<T>(pub T);

static KEY: OnceLock<RandomState> = OnceLock::new();

impl<T: Hash> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = KEY.get_or_init(RandomState::new).hash_one(&self.0) >> 32;
        write!(f, "~{tag:08x}")
    }
}

impl<T: Hash> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_has_the_same_tag_and_another_has_not() {
        let (alice, bob) = ("@alice:org-a.example", "@bob:org-b.example");
        assert_eq!(Redacted(alice).to_string(), Redacted(alice).to_string());
        assert_ne!(Redacted(alice).to_string(), Redacted(bob).to_string());
    }

    #[test]
    fn neither_form_shows_the_value() {
        let address: std::net::IpAddr = "192.0.2.44".parse().expect("an address");
        for printed in [
            format!("{}", Redacted(address)),
            format!("{:?}", Redacted(address)),
        ] {
            assert!(!printed.contains("192"), "{printed}");
            assert_eq!(printed.len(), 9, "{printed}");
        }
    }
}
