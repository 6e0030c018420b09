//! Sealing and opening whole frames, as livekit-client's worker does (`src/e2ee/worker/FrameCryptor.ts`), so that every Element client
//! reads what is sealed here and the other way round:
//!
//! ```text
//! clear header | ciphertext | tag (16) | nonce (12) | 12 | key index
//! ```
//!
//! The key is AES-128-GCM, by HKDF-SHA-256 from the [`MediaKey`], with the salt `LKFrameEncryptionKey` and 128 zero bytes as info. The
//! clear header is what an SFU must read to forward; it is authenticated. What livekit-client calls ratcheting is not there: Matrix
//! clients change keys by sending new ones.

use crate::{KeyIndex, MediaKey};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

const SALT: &[u8] = b"LKFrameEncryptionKey";
const INFO: [u8; 128] = [0; 128];
const TAG_BYTES: usize = 16;

/// Bytes that a sealed frame has more than a clear one.
pub const SEAL_BYTES: usize = TAG_BYTES + NONCE_LEN + 2;

/// What a frame is, which says how much of it stays clear (`UNENCRYPTED_BYTES` in livekit-client).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Sound of any codec: its first byte stays clear (RFC 6716, section 3.1, for Opus).
    Sound,
    /// A VP8 picture: 10 bytes of a key frame, 3 of any other stay clear (RFC 6386, section 9.1).
    Vp8,
}

impl FrameKind {
    /// How many bytes at the beginning of the frame stay clear.
    fn clear_bytes(self, frame: &[u8]) -> usize {
        match self {
            FrameKind::Sound => 1,
            FrameKind::Vp8 if is_vp8_key_frame(frame) => 10,
            FrameKind::Vp8 => 3,
        }
    }
}

/// Whether a VP8 frame, sealed or not, stands for itself (RFC 6386, section 9.1: the lowest bit is 0).
pub fn is_vp8_key_frame(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0)
}

/// Why a frame does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// Too short for a seal, or with a nonce of another length: nobody has sealed it.
    #[error("the frame is not sealed")]
    NotSealed,
    /// Its sender has sent no key of this index.
    #[error("the key of index {} has not come", .0.0)]
    NoKey(KeyIndex),
    /// It was sealed with another key than the one that came, or changed on the way.
    #[error("the frame does not open with the key of index {}", .0.0)]
    WrongKey(KeyIndex),
}

/// The index of the key that a sealed frame names.
///
/// # Errors
/// [`NotOpened::NotSealed`].
pub fn key_index(sealed: &[u8]) -> Result<KeyIndex, NotOpened> {
    match sealed {
        [.., nonce_bytes, index] if sealed.len() >= SEAL_BYTES && usize::from(*nonce_bytes) == NONCE_LEN => {
            Ok(KeyIndex(*index))
        }
        _ => Err(NotOpened::NotSealed),
    }
}

/// A key with which frames are sealed. No nonce comes twice: it counts, so it must live as long as its key is in use.
pub struct Sealer {
    key: LessSafeKey,
    index: KeyIndex,
    sealed: u64,
}

/// A key with which frames are opened.
pub struct Opener(LessSafeKey);

impl Sealer {
    /// For a key that no other sealer has.
    pub fn new(key: &MediaKey, index: KeyIndex) -> Sealer {
        Sealer {
            key: derive(key),
            index,
            sealed: 0,
        }
    }

    /// The index that its frames name.
    pub fn index(&self) -> KeyIndex {
        self.index
    }

    /// The frame, sealed. Receivers do not look into the nonce, so it need not be made of RTP's numbers: one key seals all streams of
    /// its owner, and each frame takes the next number. Empty frames (silence) stay empty. `None`: the frame is shorter than what has to
    /// stay clear, which no codec's is.
    pub fn seal(&mut self, kind: FrameKind, frame: &[u8]) -> Option<Vec<u8>> {
        if frame.is_empty() {
            return Some(Vec::new());
        }
        let (clear, rest) = frame.split_at_checked(kind.clear_bytes(frame))?;
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&self.sealed.to_be_bytes());
        self.sealed += 1;
        let mut out = Vec::with_capacity(frame.len() + SEAL_BYTES);
        out.extend_from_slice(clear);
        let mut sealed = rest.to_vec();
        #[expect(clippy::expect_used, reason = "fails only for frames of more than 64 GiB")]
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(clear), &mut sealed)
            .expect("a frame is not that long");
        out.append(&mut sealed);
        out.extend_from_slice(&nonce);
        out.extend([NONCE_LEN as u8, self.index.0]);
        Some(out)
    }
}

impl Opener {
    /// For a key that somebody has sent.
    pub fn new(key: &MediaKey) -> Opener {
        Opener(derive(key))
    }

    /// The frame, opened. Empty frames (silence) are not sealed.
    ///
    /// # Errors
    /// [`NotOpened::NotSealed`], [`NotOpened::WrongKey`].
    pub fn open(&self, kind: FrameKind, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        if sealed.is_empty() {
            return Ok(Vec::new());
        }
        let index = key_index(sealed)?;
        let (body, trailer) = sealed.split_at(sealed.len() - NONCE_LEN - 2);
        let (nonce, _) = trailer.split_at(NONCE_LEN);
        let (clear, rest) = body
            .split_at_checked(kind.clear_bytes(body))
            .ok_or(NotOpened::NotSealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOpened::NotSealed)?;
        let mut rest = rest.to_vec();
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(clear), &mut rest)
            .map_err(|_| NotOpened::WrongKey(index))?;
        Ok([clear, opened].concat())
    }
}

fn derive(key: &MediaKey) -> LessSafeKey {
    struct FrameKey;
    impl KeyType for FrameKey {
        fn len(&self) -> usize {
            AES_128_GCM.key_len()
        }
    }
    let material = Salt::new(HKDF_SHA256, SALT).extract(key.bytes());
    let mut bytes = zeroize::Zeroizing::new([0; 16]);
    #[expect(clippy::expect_used, reason = "lengths that do not depend on any input")]
    material
        .expand(&[&INFO], FrameKey)
        .and_then(|okm| okm.fill(&mut *bytes))
        .expect("16 bytes are fewer than HKDF can give");
    #[expect(clippy::expect_used, reason = "lengths that do not depend on any input")]
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &*bytes).expect("the key has the length of its algorithm"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> MediaKey {
        MediaKey::from_bytes(&[byte; 16]).unwrap()
    }

    const VP8_KEY: [u8; 40] = [0x10; 40];
    const VP8_DELTA: [u8; 40] = [0x11; 40];

    #[test]
    fn a_frame_opens_with_its_key_and_with_no_other() {
        for (kind, frame) in [
            (FrameKind::Sound, &VP8_KEY),
            (FrameKind::Vp8, &VP8_KEY),
            (FrameKind::Vp8, &VP8_DELTA),
        ] {
            let sealed = Sealer::new(&key(1), KeyIndex(3)).seal(kind, frame).unwrap();
            assert_eq!(sealed.len(), frame.len() + SEAL_BYTES);
            assert_eq!(key_index(&sealed), Ok(KeyIndex(3)));
            assert_eq!(Opener::new(&key(1)).open(kind, &sealed).unwrap(), frame);
            assert_eq!(
                Opener::new(&key(2)).open(kind, &sealed),
                Err(NotOpened::WrongKey(KeyIndex(3)))
            );
        }
    }

    #[test]
    fn only_what_an_sfu_must_read_stays_clear() {
        for (kind, frame, clear) in [
            (FrameKind::Sound, &VP8_KEY, 1),
            (FrameKind::Vp8, &VP8_KEY, 10),
            (FrameKind::Vp8, &VP8_DELTA, 3),
        ] {
            let sealed = Sealer::new(&key(1), KeyIndex(0)).seal(kind, frame).unwrap();
            assert_eq!(sealed[..clear], frame[..clear]);
            let rest = &sealed[clear..frame.len()];
            assert_ne!(rest, &frame[clear..]);
            // Sixteen equal bytes would be two equal blocks of no cipher.
            assert!(rest.windows(4).all(|four| four != &frame[..4]));
        }
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let sealed = Sealer::new(&key(1), KeyIndex(0))
            .seal(FrameKind::Vp8, &VP8_DELTA)
            .unwrap();
        // The last byte names the key; who looks it up finds another one or none.
        for at in 0..sealed.len() - 1 {
            let mut changed = sealed.clone();
            changed[at] ^= 2;
            assert!(
                Opener::new(&key(1)).open(FrameKind::Vp8, &changed).is_err(),
                "byte {at}"
            );
        }
    }

    #[test]
    fn equal_frames_are_never_sealed_alike() {
        let mut sealer = Sealer::new(&key(1), KeyIndex(0));
        let sealed: std::collections::BTreeSet<_> = (0..1000)
            .map(|_| sealer.seal(FrameKind::Sound, b"same"))
            .collect();
        assert_eq!(sealed.len(), 1000);
    }

    #[test]
    fn silence_stays_empty() {
        let sealed = Sealer::new(&key(1), KeyIndex(0)).seal(FrameKind::Sound, b"");
        assert_eq!(sealed, Some(Vec::new()));
        assert_eq!(Opener::new(&key(1)).open(FrameKind::Sound, b""), Ok(Vec::new()));
    }

    #[test]
    fn what_nobody_has_sealed_is_told_apart_from_a_wrong_key() {
        let opener = Opener::new(&key(1));
        for clear in [&b"x"[..], &[12; 29], &[0; 1000]] {
            assert_eq!(opener.open(FrameKind::Vp8, clear), Err(NotOpened::NotSealed));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

        #[test]
        fn every_frame_comes_back_as_it_was(frame: Vec<u8>, video: bool) {
            let kind = if video { FrameKind::Vp8 } else { FrameKind::Sound };
            let sealed = Sealer::new(&key(1), KeyIndex(9)).seal(kind, &frame);
            match sealed {
                Some(sealed) => prop_assert_eq!(Opener::new(&key(1)).open(kind, &sealed).unwrap(), frame),
                None => prop_assert!(frame.len() < kind.clear_bytes(&frame)),
            }
        }

        #[test]
        fn nothing_that_comes_from_outside_panics(bytes: Vec<u8>, video: bool, nonce: bool) {
            let kind = if video { FrameKind::Vp8 } else { FrameKind::Sound };
            let mut bytes = bytes;
            if nonce {
                bytes.extend([12, 0]);
            }
            let _ = Opener::new(&key(1)).open(kind, &bytes);
        }
    }
}
