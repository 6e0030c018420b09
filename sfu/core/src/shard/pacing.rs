//! What waits for its turn: video that found no room on its subscriber's link, and behind it what is to be sent again.
//!
//! A connection for which something waits is on the shard's list, and is looked at every [`SLOT`].

use super::egress::{Outlet, Passage};
use super::{Shard, ShardCounters};
use crate::command::MediaEvent;
use crate::connection::Connection;
use crate::down_track::{OVERHEAD_MAX, Packet};
use crate::ids::DownTrackId;
use crate::pacer::{GivenUp, SLOT};
use crate::rtp::Stamp;
use arrayvec::ArrayVec;
use std::time::{Duration, Instant};

/// Videos of one subscriber of which something is given up at once; of further ones in the next slot.
const AT_ONCE_MAX: usize = 8;

impl Shard {
    /// Nanoseconds since the shard began.
    pub(super) fn now_ns(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.started).as_nanos() as i64
    }

    /// Sends what waits, of everybody for whom that is due, as far as there is room.
    pub(super) fn send_waiting(&mut self, now: Instant) {
        if self.next_paced.is_none_or(|due| now < due) {
            return;
        }
        self.next_paced = None;
        let mut paced = std::mem::take(&mut self.paced);
        let mut place = 0;
        while let Some(&key) = paced.get(place) {
            match self.send_waiting_of(now, key) {
                Some(due) => {
                    self.next_paced = Some(self.next_paced.map_or(due, |next| next.min(due)));
                    place += 1;
                }
                None => {
                    paced.swap_remove(place);
                }
            }
        }
        // Nothing joins the list meanwhile.
        self.paced = paced;
    }

    /// The same of one connection; when to go on. `None`: nothing waits any more.
    fn send_waiting_of(&mut self, now: Instant, key: usize) -> Option<Instant> {
        let now_ns = self.now_ns(now);
        self.shorten(now, key);
        loop {
            if self.arena.is_full() {
                return Some(now);
            }
            let pacer = &mut self.connections.get_mut(key)?.pacer;
            if pacer.is_waiting() {
                if !pacer.has_room(now_ns) {
                    let due_ns = pacer.room_at_ns();
                    return Some(self.slot_at(now, due_ns));
                }
                self.send_next(now, key);
            } else if pacer.is_repairing() {
                if !pacer.has_room_for_repairs(now_ns) {
                    let due_ns = pacer.repairs_at_ns();
                    return Some(self.slot_at(now, due_ns));
                }
                self.send_next_repair(now, key);
            } else {
                pacer.is_listed = false;
                return None;
            }
        }
    }

    fn slot_at(&self, now: Instant, due_ns: i64) -> Instant {
        let due = Duration::from_nanos(due_ns.max(0).cast_unsigned());
        (self.started + due).max(now + SLOT)
    }

    /// Gives up what would wait for too long.
    fn shorten(&mut self, now: Instant, key: usize) {
        let key_frame_bytes = |down_track| {
            let (track, place) = self.down_track_keys.get(&down_track)?;
            let track = self.tracks.get(*track)?;
            Some(track.key_frame_bytes(track.down_tracks.get(*place)?))
        };
        let Some(Connection { pacer, .. }) = self.connections.get_mut(key) else {
            return;
        };
        let mut given_up = ArrayVec::<GivenUp, AT_ONCE_MAX>::new();
        while pacer.is_too_long()
            && !given_up.is_full()
            && let Some(one) = pacer.give_up(|down_track| key_frame_bytes(down_track).unwrap_or(0))
        {
            given_up.push(one);
        }
        for one in given_up {
            self.on_given_up(now, one);
        }
    }

    fn on_given_up(&mut self, now: Instant, given_up: GivenUp) {
        self.counters.packets_waited += u64::from(given_up.packets);
        self.counters.packets_given_up += u64::from(given_up.packets);
        if let Some(&(track, place)) = self.down_track_keys.get(&given_up.down_track)
            && let Some(track) = self.tracks.get_mut(track)
            && let Some(down_track) = track.down_tracks.get_mut(place)
        {
            down_track.on_given_up(now, given_up);
        }
    }

    /// Sends the first packet of video that waits.
    fn send_next(&mut self, now: Instant, key: usize) {
        let (now_ns, abs_send_time) = (self.now_ns(now), self.abs_send_time(now));
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(waiting) = connection.pacer.pop() else {
            return;
        };
        self.counters.packets_waited += 1;
        let Some(&(track, place)) = self.down_track_keys.get(&waiting.down_track) else {
            return; // it has ended
        };
        let Some(track) = self.tracks.get_mut(track) else {
            return;
        };
        let Some(down_track) = track.down_tracks.get_mut(place) else {
            return;
        };
        if !down_track.leave_line(waiting.epoch, waiting.anew) {
            return;
        }
        let Some(packet) = Packet::read(&track.ring, &track.layers, waiting.position) else {
            let given_up = connection.pacer.give_up_of(waiting.down_track);
            return self.on_given_up(now, given_up);
        };
        let passage = Passage {
            now,
            now_ns,
            abs_send_time,
            #[cfg(feature = "debug-tap")]
            track: (track.id, track.codec),
            clock_rate_hz: track.codec.clock_rate_hz(),
            ring: &track.ring,
            layers: &track.layers,
        };
        let mut outlet = Outlet {
            arena: &mut self.arena,
            counters: &mut self.counters,
            #[cfg(feature = "debug-tap")]
            tapped: &mut self.tapped,
        };
        let had_started = down_track.has_started();
        outlet.send(&passage, connection, down_track, &packet, waiting.target);
        if down_track.is_report_due() {
            connection.due.first_reports.get_or_insert(now);
        }
        if !had_started && down_track.has_started() {
            let (connection, track) = (connection.id, track.id);
            self.event(MediaEvent::FirstForwarded { connection, track });
        }
    }

    /// Sends a packet again that a subscriber misses, or lets it wait for its turn.
    pub(super) fn repair(&mut self, now: Instant, key: usize, down_track: DownTrackId, number: u16) {
        let now_ns = self.now_ns(now);
        let Some(Connection { pacer, .. }) = self.connections.get_mut(key) else {
            return;
        };
        if !pacer.is_repairing() && pacer.has_room_for_repairs(now_ns) {
            return self.send_again(now, down_track, number);
        }
        pacer.push_repair(down_track, number);
        if !std::mem::replace(&mut pacer.is_listed, true) {
            self.paced.push(key);
            self.next_paced = Some(now);
        }
    }

    fn send_next_repair(&mut self, now: Instant, key: usize) {
        let next = self.connections.get_mut(key).and_then(|it| it.pacer.pop_repair());
        if let Some((down_track, number)) = next {
            self.send_again(now, down_track, number);
        }
    }

    /// Sends the next of what waits before its turn, because the link is to be tried out anyway; its bytes. `None`: nothing
    /// waits.
    pub(super) fn send_ahead(&mut self, now: Instant, key: usize) -> Option<usize> {
        let sent = |counters: &ShardCounters| counters.bytes_forwarded + counters.bytes_repaired;
        let before = sent(&self.counters);
        let pacer = &self.connections.get(key)?.pacer;
        if pacer.is_waiting() {
            self.send_next(now, key);
        } else if pacer.is_repairing() {
            self.send_next_repair(now, key);
        } else {
            return None;
        }
        Some((sent(&self.counters) - before) as usize)
    }

    /// Sends a packet again, on the retransmission stream.
    fn send_again(&mut self, now: Instant, down_track: DownTrackId, number: u16) {
        let (now_ns, abs_send_time) = (self.now_ns(now), self.abs_send_time(now));
        let now_ms = (now_ns / 1_000_000) as u32;
        let Some(&(key, place)) = self.down_track_keys.get(&down_track) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        let Some(down_track) = track.down_tracks.get_mut(place) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(down_track.connection) else {
            return;
        };
        let (Some(session), Some(address)) = (&connection.wire.session, connection.wire.address) else {
            return;
        };
        let Some(repair) = down_track.missing(now_ms, number) else {
            return;
        };
        let Some(slot) = track.ring.read(repair.position) else {
            return;
        };
        let mut bytes = 0;
        let room = slot.payload.len() + slot.extension.len() + OVERHEAD_MAX;
        let repaired = self.arena.push(address, room, |out| {
            let stamp = Stamp {
                abs_send_time,
                transport_number: connection.estimator.as_ref().map_or(0, |it| it.next_number()),
            };
            let len = down_track.repair(repair, stamp, session, slot, out)?;
            connection.sent.add(len);
            connection.pacer.on_sent(now_ns, len);
            if let Some(estimator) = &mut connection.estimator {
                estimator.on_sent(now, len, down_track.is_numbered());
            }
            bytes = len as u64;
            Some(len)
        });
        self.counters.packets_repaired += u64::from(repaired);
        self.counters.bytes_repaired += bytes;
    }
}
