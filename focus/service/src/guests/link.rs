//! Links, and what opens them: texts from random bytes, and hashes of texts. No randomness of its own.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hanse_matrixrtc::{RoomId, UserId};
use std::sync::Arc;

/// Random bytes of a link's secret: 192 bits.
pub(crate) const SECRET_BYTES: usize = 24;

/// Random bytes of a link's id, by which moderators name it. No secret.
pub(crate) const ID_BYTES: usize = 9;

/// Random bytes of a guest's name at the homeserver.
pub(crate) const NAME_BYTES: usize = 10;

/// Spoken codes: all numbers of nine digits.
pub(crate) const SPOKEN_CODES: u64 = 1_000_000_000;

/// Digits of a spoken code.
const SPOKEN_DIGITS: usize = 9;

/// Fills a slice with random bytes; `false`: the system gives none.
pub type Randomness = Arc<dyn Fn(&mut [u8]) -> bool + Send + Sync>;

/// The system's.
pub fn system_randomness() -> Randomness {
    Arc::new(|bytes| aws_lc_rs::rand::fill(bytes).is_ok())
}

/// A link as it is stored. It names nobody who came by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestLink {
    /// By which moderators name it.
    pub id: String,
    /// Into which room.
    pub room_id: RoomId,
    /// Who made it. It opens as long as they could make another.
    pub made_by: UserId,
    /// Of the secret.
    pub secret_hash: String,
    /// Of the spoken code.
    pub spoken_hash: String,
    /// Of the passcode; `None`: it needs none.
    pub passcode_hash: Option<String>,
    /// How many may come in by it.
    pub uses_max: u32,
    /// How many have.
    pub uses: u32,
    /// Until when it opens, in Unix ms.
    pub expires_at_ms: u64,
}

impl GuestLink {
    /// Whether it opens at this time.
    pub(crate) fn opens(&self, now_ms: u64) -> bool {
        now_ms < self.expires_at_ms && self.uses < self.uses_max
    }
}

/// What became of a use of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It let somebody in.
    Yes,
    /// It does not open any more.
    LinkUsed,
    /// It would, and there are as many guests in the room as there may be.
    RoomFull,
}

/// Random bytes as a text that may stand in a URL.
pub(crate) fn text(random: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random)
}

/// Random bytes as a part of a user's name: small letters and digits only.
pub(crate) fn name(random: [u8; NAME_BYTES]) -> String {
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number of nine digits. That 2^64 is no multiple of a billion makes some codes likelier than others by less than one
/// part in ten billion.
pub(crate) fn spoken(random: [u8; 8]) -> String {
    format!("{:09}", u64::from_le_bytes(random) % SPOKEN_CODES)
}

/// Nine digits in groups of three, as they are read out.
pub(crate) fn in_groups(digits: &str) -> String {
    let groups: Vec<String> = digits
        .as_bytes()
        .chunks(3)
        .map(|group| group.iter().map(|digit| char::from(*digit)).collect())
        .collect();
    groups.join(" ")
}

/// The digits of a spoken code, however they are grouped; `None`: it is none.
pub(crate) fn read_spoken(text: &str) -> Option<String> {
    let is_gap = |letter: char| letter == ' ' || letter == '-' || letter == '.';
    let digits: String = text.chars().filter(|letter| !is_gap(*letter)).collect();
    let is_code = digits.len() == SPOKEN_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_code.then_some(digits)
}

/// The hash of a text that has enough random bits in it: a link's secret, or an access token.
pub(crate) fn plain_hash(secret: &str) -> String {
    hexadecimal(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// Whether a link's secret can be one of ours, so that nobody is asked about anything else.
pub(crate) fn is_secret(text: &str) -> bool {
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .is_ok_and(|bytes| bytes.len() == SECRET_BYTES)
}

/// Whether two hashes are the same, in a time that does not depend on where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// The key for hashes of texts that have few random bits in them. It is not in the database, so who has only that cannot try
/// all of them.
pub(crate) struct Pepper(hmac::Key);

impl Pepper {
    /// From the secret that signs grants.
    pub fn new(signing_secret: &str) -> Self {
        let signing = hmac::Key::new(hmac::HMAC_SHA256, signing_secret.as_bytes());
        // Not that key itself: what is signed with it must never be one of these hashes.
        let derived = hmac::sign(&signing, b"org.hanse.guests");
        Pepper(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// Of the digits of a spoken code.
    pub fn spoken_hash(&self, digits: &str) -> String {
        self.hash(&[b"spoken", digits.as_bytes()])
    }

    /// Of a passcode of one link; the same passcode has another hash for another link.
    pub fn passcode_hash(&self, link_id: &str, passcode: &str) -> String {
        self.hash(&[b"passcode", link_id.as_bytes(), passcode.as_bytes()])
    }

    fn hash(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // With its length, so that no two lists of parts are the same bytes.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        hexadecimal(context.sign().as_ref())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_192_bits_and_nothing_else_is_taken_for_one() {
        let secret = text(&[0xff; SECRET_BYTES]);
        assert_eq!(secret.len(), 32);
        assert!(
            is_secret(&secret)
                && secret
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        for other in [
            "",
            "abc",
            &text(&[1; 23]),
            &text(&[1; 25]),
            &format!("{}=", text(&[1; 24])),
            &"ä".repeat(16),
        ] {
            assert!(!is_secret(other), "{other}");
        }
    }

    #[test]
    fn a_spoken_code_is_nine_digits_however_it_is_read_out() {
        assert_eq!(spoken([0; 8]), "000000000");
        assert_eq!(spoken(1_123_456_789_u64.to_le_bytes()), "123456789");
        assert_eq!(in_groups("123456789"), "123 456 789");
        for text in ["123 456 789", "123-456-789", " 123456789 ", "123.456.789"] {
            assert_eq!(read_spoken(text).as_deref(), Some("123456789"), "{text}");
        }
        for text in [
            "",
            "12345678",
            "1234567890",
            "12345678a",
            "１２３４５６７８９",
            "+23456789",
        ] {
            assert_eq!(read_spoken(text), None, "{text}");
        }
    }

    #[test]
    fn hashes_depend_on_the_key_the_kind_and_the_link() {
        let (one, other) = (Pepper::new("one"), Pepper::new("other"));
        let code = one.spoken_hash("123456789");
        assert_eq!(code, Pepper::new("one").spoken_hash("123456789"));
        assert_eq!(code.len(), 64);
        for differs in [
            other.spoken_hash("123456789"),
            one.spoken_hash("123456780"),
            one.passcode_hash("", "123456789"),
            plain_hash("123456789"),
        ] {
            assert!(!same(&code, &differs));
        }
        assert!(!same(
            &one.passcode_hash("a", "bc"),
            &one.passcode_hash("ab", "c")
        ));
        assert!(!same(
            &one.passcode_hash("a", "code"),
            &one.passcode_hash("b", "code")
        ));
    }

    #[test]
    fn a_link_opens_until_it_is_used_up_or_out_of_date() {
        let link = GuestLink {
            id: "id".to_owned(),
            room_id: "!a:org-a.example".parse().unwrap(),
            made_by: "@alice:org-a.example".parse().unwrap(),
            secret_hash: String::new(),
            spoken_hash: String::new(),
            passcode_hash: None,
            uses_max: 1,
            uses: 0,
            expires_at_ms: 1000,
        };
        assert!(link.opens(999) && !link.opens(1000));
        assert!(!GuestLink { uses: 1, ..link }.opens(0));
    }
}
