//! Guests: people without an account, for whom the homeserver that invites them has made a user for one meeting. Their names
//! begin alike, so everybody can tell, at every homeserver that runs Hanse.

use crate::UserId;

/// How the localpart of every guest begins.
pub const GUEST_PREFIX: &str = "hanse-guest-";

/// Whether this user is a guest of the homeserver that its id names.
pub fn is_guest(user: &UserId) -> bool {
    user.as_str()
        .strip_prefix('@')
        .is_some_and(|rest| rest.starts_with(GUEST_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_known_by_the_beginning_of_the_name_and_by_nothing_else() {
        let is_guest = |name: &str| is_guest(&name.parse().unwrap());
        assert!(is_guest("@hanse-guest-abc:org-a.example"));
        for other in [
            "@hanse:org-a.example",
            "@hanse_guest_abc:org-a.example",
            "@alice:hanse-guest-a.example",
            "@xhanse-guest-abc:org-a.example",
        ] {
            assert!(!is_guest(other), "{other}");
        }
    }
}
