//! TURN servers (RFC 8656) that carry the media of people whose network lets nothing else through, and the credentials with
//! which they let a client in: made for it, for a while, from a secret that we share with the server
//! (draft-uberti-behave-turn-rest-00; coturn's `use-auth-secret`). Pure; the clock is an argument.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use livekit_protocol::IceServer;
use std::fmt;
use std::time::Duration;

/// Where clients find a relay, and what it and we alone know. Its `Debug` form does not show the secret.
#[derive(Clone)]
pub struct TurnServers {
    urls: Vec<String>,
    secret: String,
    lifetime: Duration,
}

impl fmt::Debug for TurnServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TurnServers({:?}, {:?})", self.urls, self.lifetime)
    }
}

impl TurnServers {
    /// Takes `turn:` and `turns:` URLs (RFC 7065) of servers that have the same secret, and for how long after it was made a
    /// credential lets a client in.
    pub fn new(urls: Vec<String>, secret: String, lifetime: Duration) -> Self {
        TurnServers {
            urls,
            secret,
            lifetime,
        }
    }

    /// Where they are, as clients are told.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// For how long after it was made a credential lets a client in.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// What a client is told at `unix_s` (seconds since 1970). `name` stands in the user name, which the TURN server may write
    /// into its log, so it must name nobody.
    pub fn for_client(&self, unix_s: u64, name: &str) -> IceServer {
        let username = format!("{}:{name}", unix_s.saturating_add(self.lifetime.as_secs()));
        // The draft and coturn know no other hash; a MAC needs no more of it than SHA-1 still has (RFC 6194, section 3.3).
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.secret.as_bytes());
        let credential = BASE64_STANDARD.encode(hmac::sign(&key, username.as_bytes()));
        IceServer {
            urls: self.urls.clone(),
            username,
            credential,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(secret: &str, lifetime_s: u64) -> TurnServers {
        let urls = vec!["turns:turn.org-a.example:443?transport=tcp".to_owned()];
        TurnServers::new(urls, secret.to_owned(), Duration::from_secs(lifetime_s))
    }

    /// Made with `printf %s NAME | openssl dgst -sha1 -hmac SECRET -binary | base64`, which is how coturn's manual says it
    /// (README.turnserver, "TURN REST API").
    #[test]
    fn a_credential_is_what_coturn_computes_from_the_same_secret() {
        for (secret, lifetime_s, now, name, username, credential) in VECTORS {
            let told = servers(secret, lifetime_s).for_client(now, name);
            assert_eq!(
                (told.username.as_str(), told.credential.as_str()),
                (username, credential)
            );
        }
    }

    const VECTORS: [(&str, u64, u64, &str, &str, &str); 3] = [
        (
            "north",
            86400,
            1433895918,
            "PA_7vK3mQ9xYzT2",
            "1433982318:PA_7vK3mQ9xYzT2",
            "x737qsW77MJfo3/a2p6GP4OEFxs=",
        ),
        (
            "a secret of more than sixty-four bytes, so that it has to be hashed before it is a key",
            14400,
            1700000000,
            "PA_abc",
            "1700014400:PA_abc",
            "B7ouMxb2hk50OerXKO10Cf+EGS0=",
        ),
        (
            "0123456789abcdef0123456789abcdef",
            600,
            1800000000,
            "",
            "1800000600:",
            "oBl8YFOE6Yw0idzheRFks2KoNDQ=",
        ),
    ];

    #[test]
    fn a_credential_holds_from_now_for_its_lifetime_and_an_endless_one_does_not_wrap() {
        let expiry = |lifetime_s, now| {
            let username = servers("s", lifetime_s).for_client(now, "PA_x").username;
            username.split_once(':').unwrap().0.parse::<u64>().unwrap()
        };
        assert_eq!(expiry(3600, 1_700_000_000), 1_700_003_600);
        assert_eq!(expiry(u64::MAX, 5), u64::MAX);
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert!(!format!("{:?}", servers("hunter2", 1)).contains("hunter2"));
    }
}
