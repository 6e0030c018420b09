//! Every limit of the dialler, with what happens at it.

use std::time::Duration;

/// One question, from the server name to the end of the answer. Past it the question ends in an error. The focus owes its own
/// asker an answer within 10 s, and needs some of them itself.
pub const WHOLE_TIMEOUT: Duration = Duration::from_secs(8);

/// Opening a connection to one address.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One look-up of a name. Past it the name counts as unknown for this question.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Asking for delegation by well-known, redirects included. Past it the server counts as one that does not delegate, and half
/// of [`WHOLE_TIMEOUT`] is left for the question itself.
pub const WELL_KNOWN_TIMEOUT: Duration = Duration::from_secs(4);

/// How much later the next address of a server is tried beside those that have not answered yet (RFC 8305, section 5).
pub const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Body of an answer in bytes. Beyond it reading stops and the question ends in an error.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Body of a well-known answer in bytes (Matrix specification, "Resolving server names"). Beyond it the server counts as one
/// that does not delegate.
pub const WELL_KNOWN_BYTES_MAX: usize = 50 * 1024;

/// Head of an answer in bytes. Beyond it the question ends in an error.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Redirects that are followed for a well-known. One more, and the server counts as one that does not delegate.
pub const REDIRECTS_MAX: usize = 5;

/// Addresses of one server that are tried; the rest is left out.
pub const ADDRESSES_MAX: usize = 6;

/// SRV records of one server that are looked at; the rest is left out.
pub const SERVICES_MAX: usize = 4;

/// Questions at a time, those that wait included. One more ends in an error at once.
pub const QUESTIONS_MAX: usize = 256;

/// Connections to one address (IPv6: one /64 network) at a time. Further ones wait, within their own time limit. So nobody
/// can turn this server into a flood against another.
pub const CONNECTIONS_PER_HOST_MAX: usize = 16;

/// Connections to one address at a time, those that wait included. One more ends in an error at once, so that questions
/// about one slow server do not use up [`QUESTIONS_MAX`].
pub const QUESTIONS_PER_HOST_MAX: usize = 64;

/// Servers whose delegation is remembered. Beyond it those that are seldom asked for are forgotten.
pub const DELEGATIONS_MAX: u64 = 4096;

/// A delegation is believed for at least this long, whatever its cache headers say; that there is none, for just this long.
pub const DELEGATION_LIFETIME_MIN: Duration = Duration::from_secs(60);

/// A delegation is believed without its cache headers saying anything. Shorter than the day that the specification proposes:
/// a well-known is one small request, and whoever moves a server should not wait a day for calls to work again.
pub const DELEGATION_LIFETIME_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// A delegation is believed for at most this long, whatever its cache headers say, and for at most this long after it was last
/// read if it cannot be read again.
pub const DELEGATION_LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits in time, together, so that a test need not wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// [`WHOLE_TIMEOUT`]
    pub whole: Duration,
    /// [`CONNECT_TIMEOUT`]
    pub connect: Duration,
    /// [`LOOKUP_TIMEOUT`]
    pub lookup: Duration,
    /// [`WELL_KNOWN_TIMEOUT`]
    pub well_known: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            whole: WHOLE_TIMEOUT,
            connect: CONNECT_TIMEOUT,
            lookup: LOOKUP_TIMEOUT,
            well_known: WELL_KNOWN_TIMEOUT,
        }
    }
}
