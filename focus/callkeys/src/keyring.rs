//! The keys of others: kept by the device that sent them and by index, used for frames that name them.

use crate::frame::{FrameKind, NotOpened, Opener, key_index};
use crate::rotation::Device;
use crate::{KeyIndex, MediaKey};
use std::collections::BTreeMap;

/// Devices of which keys are kept, whether they are in the call already or not. Keys of further ones are not taken.
pub const DEVICES_MAX: usize = 1_024;

/// After so many frames in a row that did not open, no further one is tried with the key until another comes (livekit-client,
/// `DEFAULT_MAX_RETRIES`).
const FAILURES_MAX: u8 = 10;

struct Held {
    opener: Opener,
    sent_at_ms: u64,
    failures: u8,
}

/// What other devices have sent.
#[derive(Default)]
pub struct Keyring(BTreeMap<Device, BTreeMap<KeyIndex, Held>>);

impl Keyring {
    /// Takes a key. `false`: it was sent before the one that is kept under the same index, or there are [`DEVICES_MAX`] already, all of
    /// which are `present`. The keys of others give way then, and not before: whoever comes back may be heard of after their new key.
    pub fn insert(
        &mut self,
        from: &Device,
        index: KeyIndex,
        key: &MediaKey,
        sent_at_ms: u64,
        present: impl Fn(&Device) -> bool,
    ) -> bool {
        if !self.0.contains_key(from) && self.0.len() >= DEVICES_MAX {
            self.0.retain(|device, _| present(device));
        }
        if !self.0.contains_key(from) && self.0.len() >= DEVICES_MAX {
            return false;
        }
        let keys = self.0.entry(from.clone()).or_default();
        if keys.get(&index).is_some_and(|held| held.sent_at_ms > sent_at_ms) {
            return false;
        }
        let opener = Opener::new(key);
        keys.insert(
            index,
            Held {
                opener,
                sent_at_ms,
                failures: 0,
            },
        );
        true
    }

    /// Opens a frame with the key of its sender that it names.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&mut self, from: &Device, kind: FrameKind, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        if sealed.is_empty() {
            return Ok(Vec::new());
        }
        let index = key_index(sealed)?;
        let held = self.0.get_mut(from).and_then(|keys| keys.get_mut(&index));
        let held = held.ok_or(NotOpened::NoKey(index))?;
        if held.failures >= FAILURES_MAX {
            return Err(NotOpened::WrongKey(index));
        }
        let opened = held.opener.open(kind, sealed);
        held.failures = if opened.is_ok() { 0 } else { held.failures + 1 };
        opened
    }

    /// Whether any key of the device has come.
    pub fn knows(&self, device: &Device) -> bool {
        self.0.contains_key(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Sealer;

    fn device(name: &str) -> Device {
        Device {
            user: format!("@{name}:a.example").parse().unwrap(),
            device_id: "DEV".to_owned(),
        }
    }

    fn key(byte: u8) -> MediaKey {
        MediaKey::from_bytes(&[byte; 16]).unwrap()
    }

    fn sealed(byte: u8, index: u8) -> Vec<u8> {
        Sealer::new(&key(byte), KeyIndex(index))
            .seal(FrameKind::Sound, b"hello")
            .unwrap()
    }

    #[test]
    fn a_frame_opens_with_its_senders_key_only() {
        let mut ring = Keyring::default();
        ring.insert(&device("alice"), KeyIndex(0), &key(1), 0, |_| true);
        ring.insert(&device("bob"), KeyIndex(0), &key(2), 0, |_| true);
        let frame = sealed(1, 0);
        assert_eq!(
            ring.open(&device("alice"), FrameKind::Sound, &frame).unwrap(),
            b"hello"
        );
        assert_eq!(
            ring.open(&device("bob"), FrameKind::Sound, &frame),
            Err(NotOpened::WrongKey(KeyIndex(0)))
        );
        assert_eq!(
            ring.open(&device("carol"), FrameKind::Sound, &frame),
            Err(NotOpened::NoKey(KeyIndex(0)))
        );
    }

    #[test]
    fn of_two_keys_of_one_index_the_one_sent_later_holds() {
        let mut ring = Keyring::default();
        assert!(ring.insert(&device("alice"), KeyIndex(0), &key(2), 20, |_| true));
        assert!(!ring.insert(&device("alice"), KeyIndex(0), &key(1), 10, |_| true));
        assert!(
            ring.open(&device("alice"), FrameKind::Sound, &sealed(2, 0))
                .is_ok()
        );
        assert!(ring.insert(&device("alice"), KeyIndex(0), &key(3), 30, |_| true));
        assert!(
            ring.open(&device("alice"), FrameKind::Sound, &sealed(3, 0))
                .is_ok()
        );
    }

    #[test]
    fn a_key_that_never_fits_is_not_tried_for_ever_and_a_new_one_is() {
        let mut ring = Keyring::default();
        let alice = device("alice");
        ring.insert(&alice, KeyIndex(0), &key(1), 0, |_| true);
        for _ in 0..FAILURES_MAX {
            assert!(ring.open(&alice, FrameKind::Sound, &sealed(2, 0)).is_err());
        }
        assert!(ring.open(&alice, FrameKind::Sound, &sealed(1, 0)).is_err());
        ring.insert(&alice, KeyIndex(0), &key(2), 1, |_| true);
        assert!(ring.open(&alice, FrameKind::Sound, &sealed(2, 0)).is_ok());
    }

    #[test]
    fn keys_of_endless_devices_are_not_kept() {
        let mut ring = Keyring::default();
        for number in 0..DEVICES_MAX {
            assert!(ring.insert(&device(&format!("u{number}")), KeyIndex(0), &key(1), 0, |_| true));
        }
        assert!(!ring.insert(&device("late"), KeyIndex(0), &key(1), 0, |_| true));
        assert!(ring.insert(&device("u0"), KeyIndex(1), &key(1), 0, |_| true));
    }

    #[test]
    fn keys_of_who_has_left_are_kept_until_the_room_for_them_is_needed() {
        let mut ring = Keyring::default();
        for number in 0..DEVICES_MAX {
            ring.insert(&device(&format!("u{number}")), KeyIndex(0), &key(1), 0, |_| true);
        }
        assert!(ring.open(&device("u0"), FrameKind::Sound, &sealed(1, 0)).is_ok());
        let stays = |device_: &Device| *device_ == device("u1");
        assert!(ring.insert(&device("late"), KeyIndex(0), &key(1), 0, stays));
        assert!(
            ring.open(&device("late"), FrameKind::Sound, &sealed(1, 0))
                .is_ok()
        );
        assert!(ring.knows(&device("u1")) && !ring.knows(&device("u0")));
        assert_eq!(
            ring.open(&device("u0"), FrameKind::Sound, &sealed(1, 0)),
            Err(NotOpened::NoKey(KeyIndex(0)))
        );
    }
}
