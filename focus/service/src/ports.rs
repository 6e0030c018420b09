//! What the focus needs of the rest of the world, as traits. Their adapters live elsewhere: the homeserver's in
//! `deploy/hanse`, the SFU's there for the one in the same process and in [`crate::twirp`] for any other.

use hanse_matrixrtc::ServerName;
use std::pin::Pin;

/// An answer that takes its time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Homeservers, as far as they know who asks.
pub trait Homeserver: Send + Sync {
    /// The id of the user to whom the homeserver of this name has given this OpenID token, as the homeserver writes it.
    ///
    /// The name comes from a stranger: an adapter connects to no address that strangers must not reach through us, and
    /// bounds what it reads and how long it waits. Given up after [`crate::PROOF_TIMEOUT`].
    fn prove<'a>(
        &'a self,
        server: &'a ServerName,
        access_token: &'a str,
    ) -> Answer<'a, Result<String, ProofError>>;
}

/// Why nobody is proven. Sentences are for the log: they name no user, no server, no address and no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The homeserver does not vouch for the token: never given out, or expired.
    #[error("the homeserver does not vouch for the OpenID token")]
    NotAuthorised,
    /// The homeserver vouches for a user who is not its own.
    #[error("the homeserver vouches for a user of another server")]
    OtherServer,
    /// No answer, or none that makes sense.
    #[error("the homeserver could not be asked: {0}")]
    Unreachable(String),
    /// The name leads to an address that is not dialled for strangers.
    #[error("the homeserver has no address that may be connected to: {0}")]
    RefusedAddress(String),
    /// The time was up.
    #[error("the homeserver did not answer in time")]
    TooSlow,
    /// Too many questions are waiting already.
    #[error("too many homeservers are being asked at the moment")]
    Busy,
}

/// A room to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    /// Its name on the SFU.
    pub name: String,
    /// Seconds after which it is closed if nobody ever joined.
    pub empty_timeout_s: u32,
    /// Seconds after which it is closed when everybody has left.
    pub departure_timeout_s: u32,
}

/// The SFU, as far as the focus controls it.
pub trait Sfu: Send + Sync {
    /// Makes a room. One that is there already stays as it is. Given up after [`crate::SFU_TIMEOUT`].
    fn create_room<'a>(&'a self, room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>>;
}

/// Why the SFU did not do what it was told. The sentences are for the log: they name no room and no participant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SfuError {
    /// No answer, or none of an SFU.
    #[error("the SFU could not be asked: {0}")]
    Unreachable(String),
    /// It does not want to.
    #[error("the SFU refuses: {0}")]
    Refused(String),
}
