//! Proofs that were just given, so that the second and third request of a joining client cost no look-up.
//!
//! Clients ask two or three times within seconds. A proof that is believed for [`PROOF_LIFETIME`] lets a token live that
//! much longer than its homeserver wants; tokens live an hour, so that is little.

use aws_lc_rs::digest::{Context, SHA256};
use hanse_matrixrtc::{ServerName, UserId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a proof is believed without asking again. Longer saves look-ups, and keeps believing in tokens that were
/// revoked.
pub const PROOF_LIFETIME: Duration = Duration::from_secs(60);

/// Proofs that are remembered, some 200 bytes each. Beyond it, while none has expired, new ones are not: their holders
/// cost a look-up each time.
pub const PROOFS_MAX: usize = 4096;

/// Which token of which server. The token itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ProofKey([u8; 32]);

impl ProofKey {
    pub(crate) fn new(server: &ServerName, access_token: &str) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(server.as_str().as_bytes());
        // No server name has this byte, so no two pairs are the same bytes.
        hash.update(&[0]);
        hash.update(access_token.as_bytes());
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(hash.finish().as_ref()) {
            *to = *from;
        }
        ProofKey(key)
    }
}

struct Proof {
    user: UserId,
    until: Instant,
}

/// A bounded table. Only what a homeserver vouched for is in it: a refusal is not remembered, because a token that is
/// not known yet may be known a moment later.
#[derive(Default)]
pub(crate) struct Proofs {
    known: HashMap<ProofKey, Proof>,
}

impl Proofs {
    /// Whose token this is, if it was proven a short while ago.
    pub(crate) fn user(&self, key: ProofKey, now: Instant) -> Option<UserId> {
        let proof = self.known.get(&key)?;
        (now < proof.until).then(|| proof.user.clone())
    }

    /// Forgets what is not believed any more.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.known.retain(|_, proof| now < proof.until);
    }

    pub(crate) fn remember(&mut self, key: ProofKey, user: UserId, now: Instant) {
        if self.known.len() >= PROOFS_MAX {
            self.known.retain(|_, proof| now < proof.until);
        }
        if self.known.len() < PROOFS_MAX {
            let until = now + PROOF_LIFETIME;
            self.known.insert(key, Proof { user, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(server: &str, token: &str) -> ProofKey {
        ProofKey::new(&server.parse().unwrap(), token)
    }

    fn alice() -> UserId {
        "@alice:org-a.example".parse().unwrap()
    }

    #[test]
    fn a_proof_holds_for_its_token_and_server_only_and_for_a_minute() {
        let now = hanse_runtime::clock::now();
        let mut proofs = Proofs::default();
        proofs.remember(key("org-a.example", "token"), alice(), now);
        let later = |s: u64| now + Duration::from_secs(s);
        assert_eq!(
            proofs.user(key("org-a.example", "token"), later(59)),
            Some(alice())
        );
        assert_eq!(proofs.user(key("org-a.example", "token"), later(60)), None);
        assert_eq!(proofs.user(key("org-b.example", "token"), now), None);
        assert_eq!(proofs.user(key("org-a.example", "other"), now), None);
        assert!(key("a", "bc") != key("ab", "c"));
    }

    #[test]
    fn a_full_table_takes_nothing_until_something_expires() {
        let now = hanse_runtime::clock::now();
        let mut proofs = Proofs::default();
        for number in 0..=PROOFS_MAX {
            proofs.remember(key("org-a.example", &number.to_string()), alice(), now);
        }
        assert_eq!(proofs.known.len(), PROOFS_MAX);
        let last = key("org-a.example", &PROOFS_MAX.to_string());
        assert_eq!(proofs.user(last, now), None, "one too many");
        assert!(proofs.user(key("org-a.example", "0"), now).is_some());
        let later = now + PROOF_LIFETIME;
        proofs.remember(last, alice(), later);
        assert_eq!(proofs.known.len(), 1);
        assert!(proofs.user(last, later).is_some());
    }
}
