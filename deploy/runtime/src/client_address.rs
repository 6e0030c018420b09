//! Whose request it is, as far as an address says: beside a request, for whoever counts.

use std::net::IpAddr;

/// The address that a request came from: of the connection, or, when a trusted reverse proxy made that, what it says in
/// `X-Forwarded-For`. A request without one came from a trusted proxy that says nothing.
///
/// It names somebody, so it is for counting only; its `Debug` form does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl std::fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientAddress(not shown)")
    }
}
