//! When a participant's own key is made, told and used, as matrix-js-sdk does (`RTCEncryptionManager.ts`):
//!
//! - Who comes gets the key that is in use if it is younger than [`JOIN_GRACE_MS`]; else everybody gets a new one, so that nobody opens
//!   what was said before they came.
//! - When somebody leaves (or is back as a new membership), everybody who stays gets a new key, and what is said from then on is closed to
//!   who left.
//! - A new key is used [`USE_DELAY_MS`] after it was sent, so that it has arrived before the first frame that needs it.
//! - One message goes out at a time; what changes meanwhile is one change when it has gone.
//!
//! Where it differs: who could not be told is told again ([`RETRY_MS`]). In matrix-js-sdk they stay without the key until the next change.

use crate::{KeyIndex, MediaKey};
use hanse_matrixrtc::UserId;
use rand::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// For how long a key is given to who comes, in ms.
pub const JOIN_GRACE_MS: u64 = 10_000;

/// After being sent, a key is used this much later, in ms.
pub const USE_DELAY_MS: u64 = 1_000;

/// Who could not be told is told again after this, in ms.
pub const RETRY_MS: u64 = 2_000;

/// A device in the call. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub device_id: String,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(not shown)")
    }
}

/// The other devices in the call, each with what tells this membership from an earlier one of the same device (its time, its id).
pub type Members = BTreeMap<Device, String>;

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Seal with this key from now on.
    Use(KeyIndex, MediaKey),
    /// Send this key to these devices, and say with [`Rotation::handle_told`] how that went.
    Tell(KeyIndex, MediaKey, Vec<Device>),
}

/// One participant's own key.
pub struct Rotation {
    members: Members,
    newest: (KeyIndex, MediaKey),
    made_at_ms: u64,
    /// Who is to have the newest key.
    due: Members,
    /// Who of them has it.
    told: BTreeSet<Device>,
    /// Who is being told it.
    telling: Option<Vec<Device>>,
    use_at: Use,
    retry_at_ms: u64,
}

#[derive(Clone, Copy)]
enum Use {
    /// When it has been sent.
    WhenSent,
    At(u64),
    Done,
}

impl Rotation {
    /// With a first key, which is used at once: nobody has been told another.
    pub fn new(now_ms: u64, random: &mut impl CryptoRng) -> Rotation {
        Rotation {
            members: Members::new(),
            newest: (KeyIndex(0), MediaKey::random(random)),
            made_at_ms: now_ms,
            due: Members::new(),
            told: BTreeSet::new(),
            telling: None,
            use_at: Use::At(now_ms),
            retry_at_ms: now_ms,
        }
    }

    /// All who are in the call now, without this device.
    pub fn handle_members(&mut self, members: Members) {
        self.members = members;
    }

    /// What the last [`Step::Tell`] came to: all of its devices have been sent the key but `failed`.
    pub fn handle_told(&mut self, now_ms: u64, failed: &[Device]) {
        let Some(telling) = self.telling.take() else {
            return;
        };
        self.told
            .extend(telling.into_iter().filter(|device| !failed.contains(device)));
        if !failed.is_empty() {
            self.retry_at_ms = now_ms + RETRY_MS;
        }
        if matches!(self.use_at, Use::WhenSent) {
            self.use_at = Use::At(now_ms + USE_DELAY_MS);
        }
    }

    /// The next thing to do, `None` until something changes or until [`wake_at_ms`](Self::wake_at_ms).
    pub fn poll(&mut self, now_ms: u64, random: &mut impl CryptoRng) -> Option<Step> {
        if matches!(self.use_at, Use::At(at) if at <= now_ms) {
            self.use_at = Use::Done;
            let (index, key) = self.newest.clone();
            return Some(Step::Use(index, key));
        }
        // Until a key is in use, one more would only take its place before anybody needed it.
        if self.telling.is_some() || !matches!(self.use_at, Use::Done) {
            return None;
        }
        let gone = self
            .due
            .iter()
            .any(|(device, since)| self.members.get(device) != Some(since));
        let comes = self.members.keys().any(|device| !self.due.contains_key(device));
        if gone || (comes && now_ms >= self.made_at_ms + JOIN_GRACE_MS) {
            self.newest = (self.newest.0.next(), MediaKey::random(random));
            self.made_at_ms = now_ms;
            self.told.clear();
            self.use_at = Use::WhenSent;
            self.retry_at_ms = now_ms;
        }
        if gone || comes {
            self.due.clone_from(&self.members);
        }
        if now_ms < self.retry_at_ms && !comes {
            return None;
        }
        let to: Vec<Device> = self
            .due
            .keys()
            .filter(|device| !self.told.contains(device))
            .cloned()
            .collect();
        if to.is_empty() {
            // Nobody is left who would have to get it first.
            if matches!(self.use_at, Use::WhenSent) {
                self.use_at = Use::Done;
                let (index, key) = self.newest.clone();
                return Some(Step::Use(index, key));
            }
            return None;
        }
        self.telling = Some(to.clone());
        let (index, key) = self.newest.clone();
        Some(Step::Tell(index, key, to))
    }

    /// When to poll again even if nothing happens.
    pub fn wake_at_ms(&self) -> Option<u64> {
        let retry = (self.telling.is_none() && self.told.len() < self.due.len()).then_some(self.retry_at_ms);
        match self.use_at {
            Use::At(at) => Some(at),
            Use::WhenSent | Use::Done => retry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    struct Call {
        rotation: Rotation,
        random: ChaCha20Rng,
        now: u64,
        /// Who has been sent which key; who is offline.
        sent: Vec<(Device, KeyIndex, MediaKey)>,
        offline: Vec<Device>,
        used: Vec<(u64, KeyIndex, MediaKey)>,
    }

    fn device(name: &str) -> Device {
        Device {
            user: format!("@{name}:a.example").parse().unwrap(),
            device_id: "DEV".to_owned(),
        }
    }

    fn call() -> Call {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let mut call = Call {
            rotation: Rotation::new(0, &mut random),
            random,
            now: 0,
            sent: Vec::new(),
            offline: Vec::new(),
            used: Vec::new(),
        };
        call.run();
        call
    }

    impl Call {
        fn with(&mut self, members: &[(&str, &str)]) {
            let members = members
                .iter()
                .map(|(name, since)| (device(name), (*since).to_owned()));
            self.rotation.handle_members(members.collect());
            self.run();
        }

        fn run(&mut self) {
            while let Some(step) = self.rotation.poll(self.now, &mut self.random) {
                match step {
                    Step::Use(index, key) => self.used.push((self.now, index, key)),
                    Step::Tell(index, key, to) => {
                        let (failed, told): (Vec<_>, Vec<_>) =
                            to.into_iter().partition(|device| self.offline.contains(device));
                        self.sent
                            .extend(told.into_iter().map(|device| (device, index, key.clone())));
                        self.rotation.handle_told(self.now, &failed);
                    }
                }
            }
        }

        /// Time passes as the rotation wishes to be woken.
        fn until(&mut self, end: u64) {
            while let Some(at) = self.rotation.wake_at_ms().filter(|at| *at <= end) {
                self.now = self.now.max(at);
                self.run();
            }
            self.now = end;
            self.run();
        }

        fn in_use(&self) -> KeyIndex {
            self.used.last().unwrap().1
        }

        /// Whether the device can open what is sealed now.
        fn opens(&self, name: &str) -> bool {
            let (_, index, key) = self.used.last().unwrap();
            self.sent.contains(&(device(name), *index, key.clone()))
        }
    }

    #[test]
    fn the_first_key_is_used_at_once_and_given_to_who_is_there() {
        let mut call = call();
        assert_eq!(call.used.len(), 1);
        call.with(&[("alice", "1"), ("bob", "1")]);
        assert_eq!(call.sent.len(), 2);
        assert!(call.opens("alice") && call.opens("bob"));
        assert_eq!(call.in_use(), KeyIndex(0));
    }

    #[test]
    fn who_comes_soon_gets_the_same_key_and_nobody_else_is_bothered() {
        let mut call = call();
        call.with(&[("alice", "1")]);
        call.until(JOIN_GRACE_MS - 1);
        call.with(&[("alice", "1"), ("bob", "1")]);
        assert_eq!(call.sent.len(), 2);
        assert!(call.opens("bob"));
        assert_eq!(call.in_use(), KeyIndex(0));
    }

    #[test]
    fn who_comes_late_cannot_open_what_was_said_before() {
        let mut call = call();
        call.with(&[("alice", "1")]);
        call.until(JOIN_GRACE_MS);
        call.with(&[("alice", "1"), ("bob", "1")]);
        call.until(JOIN_GRACE_MS + USE_DELAY_MS - 1);
        assert_eq!(
            call.in_use(),
            KeyIndex(0),
            "the new key is not used before it has arrived"
        );
        call.until(JOIN_GRACE_MS + USE_DELAY_MS);
        assert_eq!(call.in_use(), KeyIndex(1));
        assert!(call.opens("alice") && call.opens("bob"));
        assert!(
            !call
                .sent
                .iter()
                .any(|(to, index, _)| *to == device("bob") && *index == KeyIndex(0))
        );
    }

    #[test]
    fn who_has_left_cannot_open_what_is_said_after() {
        let mut call = call();
        call.with(&[("alice", "1"), ("bob", "1")]);
        call.with(&[("alice", "1")]);
        call.until(USE_DELAY_MS);
        assert_eq!(call.in_use(), KeyIndex(1));
        assert!(call.opens("alice"));
        assert!(!call.opens("bob"));
    }

    #[test]
    fn who_is_back_is_somebody_who_left_and_somebody_who_came() {
        let mut call = call();
        call.with(&[("alice", "1"), ("bob", "1")]);
        call.with(&[("alice", "2"), ("bob", "1")]);
        call.until(USE_DELAY_MS);
        assert_eq!(call.in_use(), KeyIndex(1));
        assert!(call.opens("alice") && call.opens("bob"));
    }

    #[test]
    fn changes_that_come_while_a_key_is_on_its_way_are_one_change() {
        let mut call = call();
        call.with(&[("alice", "1"), ("bob", "1"), ("carol", "1"), ("dave", "1")]);
        call.with(&[("alice", "1"), ("bob", "1"), ("carol", "1")]);
        call.with(&[("alice", "1"), ("bob", "1")]);
        call.with(&[("alice", "1")]);
        call.until(10 * USE_DELAY_MS);
        // One for dave, one for both of the others.
        assert_eq!(call.in_use(), KeyIndex(2));
        assert!(call.opens("alice"));
        assert!(!call.opens("bob") && !call.opens("carol") && !call.opens("dave"));
    }

    #[test]
    fn who_could_not_be_told_is_told_again_with_the_same_key() {
        let mut call = call();
        call.offline = vec![device("bob")];
        call.with(&[("alice", "1"), ("bob", "1")]);
        call.until(60_000);
        assert!(call.opens("alice") && !call.opens("bob"));
        assert_eq!(call.sent.len(), 1, "who has it is not sent it again");
        call.offline.clear();
        call.until(60_000 + RETRY_MS);
        assert!(call.opens("bob"));
        assert_eq!(call.in_use(), KeyIndex(0), "a retry is nobody who comes");
    }

    #[test]
    fn alone_one_changes_the_key_without_asking_anybody() {
        let mut call = call();
        call.with(&[("alice", "1")]);
        call.with(&[]);
        assert_eq!(call.in_use(), KeyIndex(1));
        assert_eq!(call.rotation.wake_at_ms(), None);
    }

    #[test]
    fn a_key_is_never_used_twice() {
        let mut call = call();
        for round in 0..600_u64 {
            call.with(&[("alice", "1"), ("bob", &round.to_string())]);
            call.until((round + 1) * 2 * USE_DELAY_MS);
        }
        let keys: Vec<_> = call
            .used
            .iter()
            .map(|(_, _, key)| key.to_base64().to_string())
            .collect();
        assert_eq!(keys.len(), 600);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert!(call.opens("alice") && call.opens("bob"));
    }
}
