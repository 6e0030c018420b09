//! Everything that is made up at random or counted: ids, ICE credentials, SSRCs. From one seed, so that a run can be
//! replayed.

use hanse_sfu_core::command::IceCredentials;
use hanse_sfu_core::ids::{DownTrackId, TrackId};
use livekit_protocol::{TrackSource, TrackType};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// LiveKit's alphabet for ids: no letter that reads like another.
const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Characters behind an id's prefix.
const ID_CHARACTERS: usize = 12;

/// 16 of 57 letters are 93 bits: unique on any node, and not to be guessed.
const UFRAG_CHARACTERS: usize = 16;

/// As many as a user fragment: unique, and not to be guessed.
const CALL_CHARACTERS: usize = UFRAG_CHARACTERS;

/// 32 of 57 letters are 186 bits; RFC 8839 asks for 128.
const PASSWORD_CHARACTERS: usize = 32;

/// Bytes of a room's `sif_trailer`.
const TRAILER_BYTES: usize = 24;

pub(crate) struct Names {
    rng: ChaCha20Rng,
    counted: u64,
}

impl Names {
    pub fn new(seed: [u8; 32]) -> Self {
        Names {
            rng: ChaCha20Rng::from_seed(seed),
            counted: 0,
        }
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| {
                let place = self.rng.random_range(0..ALPHABET.len());
                ALPHABET.get(place).copied().map_or('2', char::from)
            })
            .collect()
    }

    pub fn participant_sid(&mut self) -> String {
        format!("PA_{}", self.letters(ID_CHARACTERS))
    }

    pub fn room_sid(&mut self) -> String {
        format!("RM_{}", self.letters(ID_CHARACTERS))
    }

    /// The letters behind `TR_` say kind and source, as LiveKit's do.
    pub fn track_sid(&mut self, kind: TrackType, source: TrackSource) -> String {
        let kind = if kind == TrackType::Video { "V" } else { "A" };
        let source = match source {
            TrackSource::Camera => "C",
            TrackSource::Microphone => "M",
            TrackSource::ScreenShare => "S",
            TrackSource::ScreenShareAudio => "s",
            TrackSource::Unknown => "",
        };
        format!("TR_{kind}{source}{}", self.letters(ID_CHARACTERS))
    }

    pub fn data_track_sid(&mut self) -> String {
        format!("DTR_{}", self.letters(ID_CHARACTERS))
    }

    /// What a call of a method is called in packets.
    pub fn call_request(&mut self) -> String {
        format!("RPC_{}", self.letters(CALL_CHARACTERS))
    }

    pub fn ice_credentials(&mut self) -> IceCredentials {
        IceCredentials {
            ufrag: self.letters(UFRAG_CHARACTERS),
            password: self.letters(PASSWORD_CHARACTERS),
        }
    }

    pub fn trailer(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; TRAILER_BYTES];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// For the `o=` line: 63 bits (RFC 9429, section 5.2.1).
    pub fn sdp_session(&mut self) -> u64 {
        self.rng.next_u64() >> 1
    }

    /// Never 0, which some receivers take for "none".
    pub fn ssrc(&mut self) -> u32 {
        self.rng.random_range(1..=u32::MAX)
    }

    /// Of a first offer, with room to count up: from 1 to 255, as LiveKit's server does.
    pub fn offer_id(&mut self) -> u32 {
        self.rng.random_range(1..=255)
    }

    fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    pub fn session(&mut self) -> u64 {
        self.count()
    }

    pub fn call(&mut self) -> u64 {
        self.count()
    }

    pub fn room(&mut self) -> u64 {
        self.count()
    }

    pub fn track(&mut self) -> TrackId {
        TrackId(self.count())
    }

    pub fn down_track(&mut self) -> DownTrackId {
        DownTrackId(self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_livekits_form_and_differ() {
        let mut names = Names::new([1; 32]);
        let first = names.participant_sid();
        assert!(first.starts_with("PA_"));
        assert_eq!(first.len(), 15);
        assert_ne!(first, names.participant_sid());
        assert!(
            names
                .track_sid(TrackType::Video, TrackSource::Camera)
                .starts_with("TR_VC")
        );
        assert!(
            names
                .track_sid(TrackType::Audio, TrackSource::ScreenShareAudio)
                .starts_with("TR_As")
        );
    }

    #[test]
    fn ice_credentials_are_long_enough_and_differ() {
        let mut names = Names::new([1; 32]);
        let (one, other) = (names.ice_credentials(), names.ice_credentials());
        assert!(one.ufrag.len() >= 4 && one.password.len() >= 24);
        assert_ne!(one.ufrag, other.ufrag);
        assert_ne!(one.password, other.password);
    }

    #[test]
    fn the_same_seed_says_the_same_and_another_does_not() {
        assert_eq!(Names::new([7; 32]).room_sid(), Names::new([7; 32]).room_sid());
        assert_ne!(Names::new([7; 32]).room_sid(), Names::new([8; 32]).room_sid());
    }
}
