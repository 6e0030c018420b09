//! Messages of data channels: from peers to the control side, and back. Nothing is kept here: what the control side has
//! not taken yet waits in the peer's own secure transport, whose window tells the peer to wait.

use super::Shard;
use crate::command::{DataChannel, MediaEvent};
use crate::ids::ConnectionId;
use bytes::Bytes;
use std::time::Instant;

impl Shard {
    /// The next message of a peer, each peer in turn ([`MediaEvent::Data`]). To be called only when there is room for it.
    pub fn poll_data(&mut self, now: Instant) -> Option<MediaEvent> {
        while let Some(key) = self.talking.pop_front() {
            // It may have gone, and another have taken its place.
            let Some(connection) = self.connections.get_mut(key).filter(|it| it.talks) else {
                continue;
            };
            let message = connection.secure.as_mut().and_then(|it| it.poll_data(now));
            let Some((channel, payload)) = message else {
                connection.talks = false;
                continue;
            };
            self.talking.push_back(key);
            return Some(MediaEvent::Data {
                connection: connection.id,
                channel,
                payload,
            });
        }
        None
    }

    /// Notes that a peer may have messages.
    pub(super) fn listen(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.talks
            && connection.secure.as_ref().is_some_and(|it| it.has_data())
        {
            connection.talks = true;
            self.talking.push_back(key);
        }
    }

    pub(super) fn open_channels(&mut self, now: Instant, connection: ConnectionId) {
        let Some(&key) = self.connection_keys.get(&connection) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(key) {
            connection.opens_channels = true;
            if let Some(secure) = &mut connection.secure {
                secure.open_channels(now);
            }
        }
        self.drain_secure(now, key);
    }

    pub(super) fn send_data(
        &mut self,
        now: Instant,
        to: &[ConnectionId],
        channel: DataChannel,
        payload: &Bytes,
    ) {
        for connection in to {
            let Some(&key) = self.connection_keys.get(connection) else {
                continue;
            };
            let secure = self
                .connections
                .get_mut(key)
                .and_then(|connection| connection.secure.as_mut());
            if let Some(secure) = secure {
                secure.send_data(now, channel, payload);
                self.drain_secure(now, key);
            }
        }
    }
}
