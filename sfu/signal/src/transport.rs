//! A session's transports. In the newer form of LiveKit's protocol there is one peer connection, which carries both ways.
//! In the older one there are two: what the client publishes comes in on one, what it subscribes to goes out on the
//! other.

use crate::signalling::SessionId;
use hanse_sfu_core::ids::ConnectionId;

/// One of a session's peer connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// The client offers. The only one there is in the form with one peer connection.
    Publisher,
    /// We offer.
    Subscriber,
}

/// Sessions are counted from 1 up, so that this bit is never part of their number.
const SUBSCRIBER: u64 = 1 << 63;

/// The media plane's name for a session's transport.
pub(crate) fn connection(session: SessionId, side: Side) -> ConnectionId {
    match side {
        Side::Publisher => ConnectionId(session.0 & !SUBSCRIBER),
        Side::Subscriber => ConnectionId(session.0 | SUBSCRIBER),
    }
}

/// Whose transport it is, and which one.
pub(crate) fn session_of(connection: ConnectionId) -> (SessionId, Side) {
    let side = if connection.0 & SUBSCRIBER == 0 {
        Side::Publisher
    } else {
        Side::Subscriber
    };
    (SessionId(connection.0 & !SUBSCRIBER), side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transport_of_each_session_has_a_name_of_its_own_and_leads_back() {
        let mut seen = std::collections::BTreeSet::new();
        for session in [1, 2, u64::from(u32::MAX), SUBSCRIBER - 1].map(SessionId) {
            for side in [Side::Publisher, Side::Subscriber] {
                let name = connection(session, side);
                assert!(seen.insert(name));
                assert_eq!(session_of(name), (session, side));
            }
        }
    }
}
