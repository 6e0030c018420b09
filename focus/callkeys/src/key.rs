use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use rand::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of a key that is made here: as many as matrix-js-sdk gives it.
pub const KEY_BYTES: usize = 16;

/// Bytes of the shortest key that is taken: fewer could be guessed.
pub const KEY_BYTES_MIN: usize = 16;

/// Bytes of the longest key that is taken. MSC4143 asks for at least 32.
pub const KEY_BYTES_MAX: usize = 64;

/// Which of its sender's keys a frame is sealed with: the last byte of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyIndex(pub u8);

impl KeyIndex {
    /// The one after this; after 255 comes 0.
    pub fn next(self) -> KeyIndex {
        KeyIndex(self.0.wrapping_add(1))
    }
}

/// The secret that one participant seals its media with, before anything is derived from it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaKey(Zeroizing<Vec<u8>>);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// Letters that are in no base64 alphabet.
    #[error("a media key is written in base64")]
    Base64,
    /// Too short or too long.
    #[error("a media key has {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes")]
    Length,
}

impl MediaKey {
    /// A new one of [`KEY_BYTES`].
    pub fn random(random: &mut impl CryptoRng) -> MediaKey {
        let mut bytes = Zeroizing::new(vec![0; KEY_BYTES]);
        random.fill_bytes(&mut bytes);
        MediaKey(bytes)
    }

    /// From its bytes.
    ///
    /// # Errors
    /// [`NoKey::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<MediaKey, NoKey> {
        if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&bytes.len()) {
            return Err(NoKey::Length);
        }
        Ok(MediaKey(Zeroizing::new(bytes.to_vec())))
    }

    /// From base64 of either alphabet, padded or not, as matrix-js-sdk takes it (`src/base64.ts`).
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn from_base64(text: &str) -> Result<MediaKey, NoKey> {
        // Four letters for three bytes, and padding.
        if text.len() > KEY_BYTES_MAX.div_ceil(3) * 4 {
            return Err(NoKey::Length);
        }
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let url_safe = text.contains(['-', '_']);
        let engine = GeneralPurpose::new(if url_safe { &URL_SAFE } else { &STANDARD }, config);
        let bytes = engine
            .decode(text)
            .map(Zeroizing::new)
            .map_err(|_| NoKey::Base64)?;
        MediaKey::from_bytes(&bytes)
    }

    /// As it is sent: padded, in the standard alphabet. Who calls it puts the text into a sealed message and nowhere else.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_STANDARD.encode(&*self.0))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaKey(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_every_base64_that_clients_write() {
        let key = MediaKey::from_bytes(&[0xfb; 16]).unwrap();
        for text in [
            "+/v7+/v7+/v7+/v7+/v7+w==",
            "+/v7+/v7+/v7+/v7+/v7+w",
            "-_v7-_v7-_v7-_v7-_v7-w",
            "-_v7-_v7-_v7-_v7-_v7-w==",
        ] {
            assert_eq!(MediaKey::from_base64(text), Ok(key.clone()), "{text}");
        }
        assert_eq!(*key.to_base64(), "+/v7+/v7+/v7+/v7+/v7+w==");
    }

    #[test]
    fn what_is_too_short_too_long_or_no_base64_is_no_key() {
        assert_eq!(MediaKey::from_base64("c2hvcnQ="), Err(NoKey::Length));
        assert_eq!(MediaKey::from_base64(&"A".repeat(88)), Err(NoKey::Length));
        assert_eq!(MediaKey::from_base64(&"A".repeat(1 << 20)), Err(NoKey::Length));
        assert_eq!(MediaKey::from_base64("not base64 at all"), Err(NoKey::Base64));
        assert_eq!(MediaKey::from_base64(""), Err(NoKey::Length));
    }

    #[test]
    fn no_form_of_it_shows_a_key() {
        let key = MediaKey::from_bytes(&[7; 16]).unwrap();
        assert_eq!(
            format!("{key:?} {key:#?}"),
            "MediaKey(not shown) MediaKey(not shown)"
        );
    }

    #[test]
    fn after_the_last_index_comes_the_first() {
        assert_eq!(KeyIndex(0).next(), KeyIndex(1));
        assert_eq!(KeyIndex(255).next(), KeyIndex(0));
    }
}
