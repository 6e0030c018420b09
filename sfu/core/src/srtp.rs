//! SRTP with AEAD_AES_128_GCM (RFC 7714): media is opened and sealed in place, with one key per transport and
//! direction; control packets go through `rtc-srtp`, whose media functions also serve as the oracle in tests.

use crate::secure::SrtpKeys;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_crypto::{BlockCipherAlgorithm, RTCCryptoProvider};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

/// Bytes that sealing adds to a packet.
pub const TAG: usize = 16;

/// A packet's index has 48 bits.
const INDEX_MAX: u64 = (1 << 48) - 1;

/// What may be wrong with a packet or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Too short, or the tag does not fit: forged, damaged, or another key's.
    #[error("the packet is not authentic")]
    NotAuthentic,
    /// The crypto library refused the keys.
    #[error("the key material was refused")]
    Keys,
}

/// One direction's session key and salt for media.
struct SessionKey {
    key: LessSafeKey,
    /// 96 bits.
    salt: u128,
}

impl SessionKey {
    /// RFC 3711, section 4.3, with labels 0x00 (key) and 0x02 (salt).
    fn derive(master_key: &[u8; 16], master_salt: &[u8; 12]) -> Result<Self, SrtpError> {
        let block = |label: u8| -> Result<[u8; 16], SrtpError> {
            let mut block = [0; 16];
            block
                .iter_mut()
                .zip(master_salt)
                .for_each(|(to, from)| *to = *from);
            if let Some(byte) = block.get_mut(7) {
                *byte ^= label;
            }
            AwsLcRsProvider::new()
                .crypto()
                .block_encrypt(BlockCipherAlgorithm::Aes128, master_key, &mut block)
                .map_err(|_| SrtpError::Keys)?;
            Ok(block)
        };
        let key = UnboundKey::new(&AES_128_GCM, &block(0)?).map_err(|_| SrtpError::Keys)?;
        // The first 96 bits of the block.
        let salt = u128::from_be_bytes(block(2)?) >> 32;
        Ok(SessionKey {
            key: LessSafeKey::new(key),
            salt,
        })
    }

    /// RFC 7714, section 8.1: 00 00 SSRC ROC SEQ, exclusive-or salt; as one number, because it is made for every packet.
    #[inline]
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let iv = u128::from(ssrc) << 48 | u128::from(index & INDEX_MAX);
        let [_, _, _, _, nonce @ ..] = (iv ^ self.salt).to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Both directions of one transport.
pub struct SrtpSession {
    remote: SessionKey,
    local: SessionKey,
    remote_control: Context,
    local_control: Context,
}

impl SrtpSession {
    /// Derives the session keys.
    pub fn new(keys: &SrtpKeys) -> Result<Self, SrtpError> {
        let provider = AwsLcRsProvider::new();
        let control = |key: &[u8; 16], salt: &[u8; 12], protect| {
            let replay = protect_replay(protect);
            Context::new(
                key,
                salt,
                ProtectionProfile::AeadAes128Gcm,
                None,
                replay,
                provider.crypto(),
            )
            .map_err(|_| SrtpError::Keys)
        };
        Ok(SrtpSession {
            remote: SessionKey::derive(&keys.remote_key, &keys.remote_salt)?,
            local: SessionKey::derive(&keys.local_key, &keys.local_salt)?,
            remote_control: control(&keys.remote_key, &keys.remote_salt, true)?,
            local_control: control(&keys.local_key, &keys.local_salt, false)?,
        })
    }

    /// Opens a media packet in place; `index` is the extended sequence number (ROC ‖ SEQ, 48 bits). Returns the
    /// length of header and payload together. On failure the bytes are unusable.
    #[inline]
    pub fn open(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Result<usize, SrtpError> {
        let (header, payload) = packet
            .split_at_mut_checked(header)
            .ok_or(SrtpError::NotAuthentic)?;
        let nonce = self.remote.nonce(ssrc, index);
        let opened = self
            .remote
            .key
            .open_in_place(nonce, Aad::from(&*header), payload)
            .map_err(|_| SrtpError::NotAuthentic)?;
        Ok(header.len() + opened.len())
    }

    /// Seals a media packet in place. `packet` is header, payload and [`TAG`] bytes of room.
    ///
    /// The caller never seals two different packets under one (`ssrc`, `index`): GCM would break.
    #[inline]
    pub fn seal(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        let (rest, room) = packet
            .split_last_chunk_mut::<TAG>()
            .ok_or(SrtpError::NotAuthentic)?;
        let (header, payload) = rest.split_at_mut_checked(header).ok_or(SrtpError::NotAuthentic)?;
        let nonce = self.local.nonce(ssrc, index);
        let tag = self
            .local
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)
            .map_err(|_| SrtpError::Keys)?;
        *room = *tag.as_ref().first_chunk().ok_or(SrtpError::Keys)?;
        Ok(())
    }

    /// Opens a control packet (RFC 3711, section 3.4). Replays are refused.
    pub fn open_control(&mut self, packet: &[u8]) -> Result<bytes::BytesMut, SrtpError> {
        self.remote_control
            .decrypt_rtcp(packet)
            .map_err(|_| SrtpError::NotAuthentic)
    }

    /// Seals a control packet.
    pub fn seal_control(&mut self, packet: &[u8]) -> Result<bytes::BytesMut, SrtpError> {
        self.local_control
            .encrypt_rtcp(packet)
            .map_err(|_| SrtpError::Keys)
    }
}

fn protect_replay(protect: bool) -> Option<rtc_srtp::option::ContextOption> {
    protect.then(|| rtc_srtp::option::srtcp_replay_protection(64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::keys;
    use proptest::prelude::*;

    fn oracle(key: &[u8; 16], salt: &[u8; 12]) -> Context {
        let provider = AwsLcRsProvider::new();
        Context::new(
            key,
            salt,
            ProtectionProfile::AeadAes128Gcm,
            None,
            None,
            provider.crypto(),
        )
        .unwrap()
    }

    fn packet(sequence: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 9, 0, 0, 0, 7]);
        packet.extend(payload);
        packet
    }

    proptest! {
        #[test]
        fn what_we_seal_the_reference_opens_and_back(payload in proptest::collection::vec(any::<u8>(), 0..1400), first: u16) {
            let (ours, theirs) = keys();
            let (session, peer) = (SrtpSession::new(&ours).unwrap(), SrtpSession::new(&theirs).unwrap());
            let mut open = oracle(&ours.local_key, &ours.local_salt);
            let mut seal = oracle(&ours.remote_key, &ours.remote_salt);
            // Walk across a wrap of the sequence number, so that the rollover counter matters.
            for step in 0..3u64 {
                let index = u64::from(first) + step * 30_000;
                let clear = packet(index as u16, &payload);
                let mut sealed = clear.clone();
                sealed.extend([0; TAG]);
                session.seal(&mut sealed, 12, 7, index).unwrap();
                prop_assert_eq!(&open.decrypt_rtp(&sealed).unwrap()[..], &clear[..]);
                let mut back = seal.encrypt_rtp(&clear).unwrap();
                let len = session.open(&mut back, 12, 7, index).unwrap();
                prop_assert_eq!(&back[..len], &clear[..]);
                let len = peer.open(&mut sealed, 12, 7, index).unwrap();
                prop_assert_eq!(&sealed[..len], &clear[..]);
            }
        }
    }

    #[test]
    fn a_forged_packet_and_a_wrong_rollover_counter_are_refused() {
        let (ours, theirs) = keys();
        let (session, peer) = (
            SrtpSession::new(&ours).unwrap(),
            SrtpSession::new(&theirs).unwrap(),
        );
        let mut sealed = packet(1, b"hello");
        sealed.extend([0; TAG]);
        session.seal(&mut sealed, 12, 7, 1).unwrap();
        let mut forged = sealed.clone();
        forged[13] ^= 1;
        assert_eq!(peer.open(&mut forged, 12, 7, 1), Err(SrtpError::NotAuthentic));
        assert_eq!(
            peer.open(&mut sealed.clone(), 12, 7, 65_537),
            Err(SrtpError::NotAuthentic)
        );
        assert_eq!(
            peer.open(&mut sealed[..20].to_vec(), 12, 7, 1),
            Err(SrtpError::NotAuthentic)
        );
        assert_eq!(peer.open(&mut sealed, 12, 7, 1), Ok(17));
    }

    #[test]
    fn a_control_packet_is_opened_once() {
        let (ours, theirs) = keys();
        let (mut session, mut peer) = (
            SrtpSession::new(&ours).unwrap(),
            SrtpSession::new(&theirs).unwrap(),
        );
        let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
        let sealed = session.seal_control(&report).unwrap();
        assert_eq!(&peer.open_control(&sealed).unwrap()[..], &report);
        assert!(peer.open_control(&sealed).is_err());
        assert!(peer.open_control(&report).is_err(), "in clear");
    }
}
