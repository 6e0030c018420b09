//! Keys of calls: how a native participant makes its own, changes it, tells it to others, and uses theirs.
//!
//! In: who is in the call, what other devices have sent, whole frames of media, the time, a generator of randomness. Out: to whom
//! which key has to be sent and from when on it is used ([`rotation`]), the bodies of the messages that carry it ([`envelope`]), sealed
//! and opened frames ([`frame`], [`keyring`]).
//!
//! It does no I/O and never shows a key: [`MediaKey`] has no printable form, and is wiped when it is dropped. Sealing the messages to
//! devices (Olm) is not its work: that needs a device's store and is done by who has one. No server of ours may link this crate.
//!
//! Where to look next: [`frame`] for the format on the wire, [`rotation`] for when a key changes. What is the same in a browser is
//! proven by `tests/vectors.rs`, with frames that livekit-client has sealed.

pub mod envelope;
pub mod frame;
mod key;
pub mod keyring;
pub mod rotation;

pub use key::{KEY_BYTES, KEY_BYTES_MAX, KEY_BYTES_MIN, KeyIndex, MediaKey, NoKey};
