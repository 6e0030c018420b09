//! Probes: a few packets of what waits, else of padding, sent a little faster than the present rate, by which [`crate::estimate`] learns
//! whether a subscriber's downlink carries more.

use super::Shard;
use crate::down_track::{DownTrack, OVERHEAD_MAX, PADDING};
use crate::ids::DownTrackId;
use crate::rtp::Stamp;
use std::time::{Duration, Instant};

/// Between two steps of a probe, at least: what a wake-up costs.
const STEP_MIN: Duration = Duration::from_millis(1);

impl Shard {
    /// Goes on with the probes that are under way, if that is due.
    pub(super) fn go_on_probing(&mut self, now: Instant) {
        if self.next_probe.is_none_or(|due| now < due) {
            return;
        }
        self.next_probe = None;
        let mut keys = std::mem::take(&mut self.keys);
        keys.append(&mut self.probing);
        for key in keys.drain(..) {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_probing = false;
                self.probe(now, key);
            }
        }
        self.keys = keys;
    }

    /// Sends what the connection's probe wants to be sent now, and remembers when it goes on.
    pub(super) fn probe(&mut self, now: Instant, key: usize) {
        let Some(connection) = self.connections.get_mut(key).filter(|it| it.wire.is_ready()) else {
            return;
        };
        let Some(estimator) = &mut connection.estimator else {
            return;
        };
        let mut left = estimator.probe_bytes(now);
        while left > 0 {
            let Some(bytes) = self.send_ahead(now, key).or_else(|| self.send_padding(now, key)) else {
                return self.abandon_probe(key);
            };
            left = left.saturating_sub(bytes);
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let due = connection.estimator.as_ref().and_then(|it| it.poll_timeout());
        if let Some(due) = due {
            let due = due.max(now + STEP_MIN);
            if !std::mem::replace(&mut connection.is_probing, true) {
                self.probing.push(key);
            }
            self.next_probe = Some(self.next_probe.map_or(due, |next| next.min(due)));
        }
    }

    fn abandon_probe(&mut self, key: usize) {
        let estimator = self.connections.get_mut(key).and_then(|it| it.estimator.as_mut());
        if let Some(estimator) = estimator {
            estimator.abandon_probe();
        }
    }

    fn numbered_down_track(&self, key: usize) -> Option<DownTrackId> {
        let sends = &self.connections.get(key)?.sends;
        let numbered = sends.iter().find(|(_, down_track)| {
            let at = self.down_track_keys.get(down_track);
            at.and_then(|(track, place)| self.tracks.get(*track)?.down_tracks.get(*place))
                .is_some_and(DownTrack::is_numbered)
        });
        numbered.map(|(_, down_track)| *down_track)
    }

    /// Sends one packet of padding; its bytes. `None` where nothing can carry it.
    fn send_padding(&mut self, now: Instant, key: usize) -> Option<usize> {
        let now_ns = self.now_ns(now);
        let connection = self.connections.get_mut(key)?;
        let down_track = connection.probes_on?;
        let Some(&(track, place)) = self.down_track_keys.get(&down_track) else {
            // It has ended; another one will do.
            let probes_on = self.numbered_down_track(key);
            self.connections.get_mut(key)?.probes_on = probes_on;
            return None;
        };
        let down_track = self.tracks.get_mut(track)?.down_tracks.get_mut(place)?;
        let estimator = connection.estimator.as_mut()?;
        let session = connection.wire.session.as_ref()?;
        let stamp = Stamp {
            transport_number: estimator.next_number(),
            ..Stamp::default()
        };
        let mut sent = None;
        self.arena.push(
            connection.wire.address?,
            usize::from(PADDING) + OVERHEAD_MAX,
            |out| {
                sent = down_track.pad(stamp, session, out);
                sent
            },
        );
        let bytes = sent?;
        estimator.on_padding_sent(now, bytes);
        connection.pacer.on_sent(now_ns, bytes);
        self.counters.packets_probed += 1;
        self.counters.bytes_probed += bytes as u64;
        Some(bytes)
    }
}
