//! Guests: people without an account who take part in one meeting, by a link that a moderator made.
//!
//! In: a moderator's wish for a link ([`http`], `host.rs`), and whoever comes with one (`enter.rs`). Out: a user at our
//! homeserver, made only now, with a device of its own for the person's page. The page then knocks at the room, and a
//! moderator admits or refuses with any client; to everybody here the guest is somebody in the room like others, with the
//! role [`crate::Role::Guest`]. When the visit is over (`visit.rs` says when, `keeper.rs` carries it out), the user is
//! deactivated and erased. The rows in the store are the truth: what they say survives a restart.
//!
//! # What opens a link
//!
//! - The **secret** of the link: 192 random bits. Stored is its SHA-256, which is enough: nobody finds 192 bits by trying.
//! - The **spoken code**: 9 digits, for the telephone. A hash of it is no secret (a billion hashes take a second), so
//!   stored is an HMAC with a key that is not in the database, and wrong ones are limited per address, over all codes, and
//!   overall (`door.rs`, with the probability of a guess).
//! - The **passcode**, if the moderator wants one: the same HMAC, and ten wrong ones end it for good. A slow hash would cost
//!   us work at a place that strangers reach, and slow down whoever stole the database by a factor only; without the key
//!   the HMAC tells such a thief nothing at all. The key comes from the API key that signs grants, so
//!   when that is changed, spoken codes and passcodes that are about end; links without passcode go on.
//!
//! All hashes are compared in constant time. Links, codes and passcodes are in no log.
//!
//! What cannot be prevented stands in `docs/guests.md`.

mod ask;
mod config;
mod door;
mod enter;
mod host;
pub mod http;
mod keeper;
mod link;
mod name;
mod port;
mod refusal;
mod visit;

pub use config::GuestsConfig;
pub use keeper::keep;
pub use link::{Begun, GuestLink, Randomness, system_randomness};
pub use port::{GuestAccounts, GuestError, GuestMove, GuestSession, RoomDoor};
pub use refusal::GuestRefusal;
pub use visit::{GuestVisit, VisitState, WAITING_MAX_MS};

use crate::admission::{Focus, lock};
use crate::store::Store;
use door::Door;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Notify;

/// Links into one room that open at a time. Beyond: the moderator is told to revoke one.
pub const LINKS_PER_ROOM_MAX: i64 = 50;

/// Links of one person that open at a time. Beyond: as above.
pub const LINKS_PER_PERSON_MAX: i64 = 100;

/// How many may come in by a link that is not for one only.
pub const USES_MAX: u32 = 500;

/// Guests of one room at a time, in the lobby or inside. Beyond: nobody comes in until some are gone.
pub const VISITS_PER_ROOM_MAX: i64 = 250;

/// Wrong passcodes for one link. After these no passcode opens it any more.
pub const PASSCODE_TRIES_MAX: i64 = 10;

/// Letters of a passcode, at least and at most (in bytes).
pub const PASSCODE_BYTES: std::ops::RangeInclusive<usize> = 4..=128;

/// Letters of a name that a guest may have; what is longer is cut off.
pub const NAME_LETTERS_MAX: usize = 64;

/// The part of the focus that has guests.
pub(crate) struct Guests {
    pub config: RwLock<GuestsConfig>,
    pub store: Store,
    pub accounts: Arc<dyn GuestAccounts>,
    pub door: Mutex<Door>,
    pub randomness: Randomness,
    /// That some visit is to be looked at now.
    pub news: Notify,
}

impl Guests {
    pub fn config(&self) -> GuestsConfig {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Focus {
    /// Lets guests in, as far as the settings allow. [`keep`] is to be driven beside.
    #[must_use]
    pub fn with_guests(
        mut self,
        config: GuestsConfig,
        store: Store,
        accounts: Arc<dyn GuestAccounts>,
        randomness: Randomness,
    ) -> Self {
        self.guests = Some(Guests {
            config: RwLock::new(config),
            store,
            accounts,
            door: Mutex::new(Door::new()),
            randomness,
            news: Notify::new(),
        });
        self
    }

    /// Puts other settings into force, also for guests who are there.
    pub fn change_guests(&self, config: GuestsConfig) {
        if let Some(guests) = &self.guests {
            *guests.config.write().unwrap_or_else(PoisonError::into_inner) = config;
            guests.news.notify_one();
        }
    }

    /// The door, if anybody may come in by it.
    pub(crate) fn open_door(&self) -> Result<(&Guests, GuestsConfig), crate::Refusal> {
        let guests = self.guests.as_ref().ok_or(GuestRefusal::Off)?;
        let config = guests.config();
        if !config.allowed {
            return Err(GuestRefusal::Off.into());
        }
        Ok((guests, config))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now().unix_s.saturating_mul(1000)
    }

    pub(crate) fn guests_door<T>(
        &self,
        guests: &Guests,
        act: impl FnOnce(&mut Door, std::time::Instant) -> T,
    ) -> T {
        act(&mut lock(&guests.door), self.now().instant)
    }
}
