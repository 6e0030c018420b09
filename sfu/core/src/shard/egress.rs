//! Datagrams out: every fresh packet to every subscriber, subscriber by subscriber, so that the packets of one frame
//! lie next to each other and leave as one train.

use super::{Batch, NeighbourMessage, Shard, ShardEvent};
use crate::command::MediaEvent;
use crate::connection::{Connection, FEEDBACK_SSRC, Wire};
use crate::down_track::{DownTrack, OVERHEAD_MAX, Packet};
use crate::ids::{DownTrackId, Layer};
use crate::red::{Earlier, REDUNDANT_MAX};
use crate::ring::{PacketRing, RingPosition, Slot};
use crate::rtcp;
use crate::rtp::Stamp;
use crate::track::{Origin, translate};
use arrayvec::ArrayVec;
use std::time::Instant;

/// Where a pass over the first pending track stopped because the arena was full.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    down_track: usize,
    /// Fresh packets that this pass forwards; later ones wait for the next.
    packets: usize,
}

/// Fresh packets that a pass reads once for all subscribers: a picture of a camera, in which they come. Those of a larger
/// burst that stand behind them are read for each.
const READY_MAX: usize = 8;

impl Shard {
    /// The next datagrams to send; the arena is reused by the next call.
    pub fn poll_batch(&mut self, now: Instant) -> Option<Batch<'_>> {
        if self.arena_taken {
            self.arena.clear();
            self.arena_taken = false;
        }
        self.fan_out(now);
        if self.arena.is_empty() {
            return None;
        }
        self.arena_taken = true;
        Some(self.arena.batch())
    }

    fn fan_out(&mut self, now: Instant) {
        let abs_send_time = self.abs_send_time(now);
        while let Some(&key) = self.pending.front() {
            let Some(track) = self.tracks.get_mut(key) else {
                self.pending.pop_front();
                continue;
            };
            if self.cursor.down_track == 0 {
                self.cursor.packets = track.fresh.len();
            }
            let fresh = track.fresh.get(..self.cursor.packets).unwrap_or_default();
            let clock_rate = track.codec.clock_rate_hz();
            let read = |position| Packet::read(&track.ring, &track.layers, position);
            // Read once for all subscribers.
            let ready: ArrayVec<Packet<'_>, READY_MAX> = fresh
                .iter()
                .take(READY_MAX)
                .map_while(|position| read(*position))
                .collect();
            while let Some(down_track) = track.down_tracks.get_mut(self.cursor.down_track) {
                if self.arena.is_full() {
                    return;
                }
                self.cursor.down_track += 1;
                let Some(target) = down_track.target().map(|target| track.reach.of(target)) else {
                    continue;
                };
                let Some(connection) = self.connections.get_mut(down_track.connection) else {
                    continue;
                };
                let Connection {
                    id: connection,
                    wire:
                        Wire {
                            session: Some(session),
                            address: Some(address),
                            ..
                        },
                    sent,
                    due,
                    estimator,
                    ..
                } = connection
                else {
                    continue;
                };
                let started = down_track.has_started();
                let wraps = down_track.packaging.wraps();
                let mut send = |down_track: &mut DownTrack, packet: &Packet<'_>| {
                    let Slot {
                        payload, extension, ..
                    } = packet.slot;
                    let mut room = payload.len() + extension.len() + OVERHEAD_MAX;
                    let earlier = wraps.then(|| earlier_packets(&track.ring, packet));
                    let earlier = earlier.as_ref().map_or(&[][..], |earlier| earlier.as_slice());
                    for copy in earlier.iter().flatten() {
                        room += copy.payload.len();
                    }
                    let layers = &track.layers;
                    let mut bytes = 0;
                    let forwarded = self.arena.push(*address, room, |out| {
                        let translate =
                            |from, to, timestamp| translate(layers, clock_rate, from, to, timestamp);
                        let stamp = Stamp {
                            abs_send_time,
                            transport_number: estimator.as_ref().map_or(0, |it| it.next_number()),
                        };
                        let len = down_track
                            .forward(now, stamp, session, packet, earlier, target, translate, out)?;
                        sent.add(len);
                        if let Some(estimator) = estimator {
                            estimator.on_sent(now, len, down_track.is_numbered());
                        }
                        bytes = len as u64;
                        Some(len)
                    });
                    self.counters.packets_forwarded += u64::from(forwarded);
                    self.counters.bytes_forwarded += bytes;
                    #[cfg(feature = "debug-tap")]
                    if forwarded {
                        crate::tap::tap(
                            &mut self.tapped,
                            track.id,
                            track.codec,
                            down_track,
                            packet.slot.facts,
                            payload,
                        );
                    }
                };
                // `next`: the first fresh packet that waits its turn.
                let mut advance = |down_track: &mut DownTrack, packet: &Packet<'_>, next| {
                    let before = down_track.stream();
                    send(down_track, packet);
                    if down_track.stream() != before {
                        // The key frame's first packet was late: the rest of it has arrived already. What waits its turn
                        // must not go out twice.
                        let waiting = fresh.get(next..).unwrap_or_default();
                        let overtakers = track.ring.overtakers(packet.position);
                        overtakers
                            .filter(|overtaker| !waiting.contains(overtaker))
                            .filter_map(read)
                            .for_each(|overtaker| send(down_track, &overtaker));
                    }
                };
                if let Some(key_frame) = down_track.take_catch_up() {
                    let missed = track.ring.between(key_frame, fresh.first().copied());
                    missed
                        .filter_map(read)
                        .for_each(|packet| advance(down_track, &packet, 0));
                }
                for (packet, next) in ready.iter().zip(1..) {
                    advance(down_track, packet, next);
                }
                let further = fresh.iter().zip(1..).skip(ready.len());
                for (position, next) in further {
                    if let Some(packet) = read(*position) {
                        advance(down_track, &packet, next);
                    }
                }
                if down_track.is_report_due() {
                    due.first_reports.get_or_insert(now);
                }
                if !started && down_track.has_started() {
                    self.events
                        .push_back(ShardEvent::Media(MediaEvent::FirstForwarded {
                            connection: *connection,
                            track: track.id,
                        }));
                }
            }
            drop(ready);
            self.end_pass();
        }
    }

    /// Ends the pass over the first pending track; packets that came meanwhile wait for the next.
    fn end_pass(&mut self) {
        let Cursor { packets, .. } = std::mem::take(&mut self.cursor);
        let Some(key) = self.pending.pop_front() else {
            return;
        };
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        track.fresh.drain(..packets.min(track.fresh.len()));
        track.queued = !track.fresh.is_empty();
        if track.queued {
            self.pending.push_back(key);
        }
    }

    /// Before a list of down tracks changes: gives up a pass that waits for the shell to take datagrams, instead of
    /// starting it over. Who got a packet already would get it sealed a second time under the same number.
    pub(super) fn abandon_pass(&mut self) {
        if self.cursor.down_track > 0 {
            self.end_pass();
        }
    }

    /// Sends a packet again, on the retransmission stream.
    pub(super) fn repair(&mut self, now: Instant, down_track: DownTrackId, number: u16) {
        let abs_send_time = self.abs_send_time(now);
        let now_ms = now.saturating_duration_since(self.started).as_millis() as u32;
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
            if let Some(estimator) = &mut connection.estimator {
                estimator.on_sent(now, len, down_track.is_numbered());
            }
            bytes = len as u64;
            Some(len)
        });
        self.counters.packets_repaired += u64::from(repaired);
        self.counters.bytes_repaired += bytes;
    }

    /// Sends the key-frame requests that are wanted and due: to the publisher by PLI, or to the shard that has it.
    pub(super) fn ask_for_key_frames(&mut self, now: Instant, key: usize) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        let (id, origin) = (track.id, track.origin);
        for (layer, state) in (0..).map(Layer).zip(track.layers.iter_mut()) {
            match origin {
                Origin::Connection(publisher) => {
                    // Before its first packet the layer has no SSRC; the wish stays.
                    let Some(ssrc) = state.ssrc else { continue };
                    let Some(connection) = self.connections.get_mut(publisher) else {
                        return;
                    };
                    if connection.wire.is_ready() && state.seeker.poll(now) {
                        self.counters.plis_out += 1;
                        rtcp::pli(FEEDBACK_SSRC, ssrc, &mut connection.wire.control);
                        connection.wire.flush(&mut self.arena);
                    }
                }
                Origin::Shard(owner) => {
                    if state.seeker.poll(now) {
                        self.neighbours
                            .push_back((owner, NeighbourMessage::KeyFrame { track: id, layer }));
                    }
                }
            }
        }
    }
}

/// How far back in order of arrival the packet before one may lie.
const LOOK_BACK: RingPosition = 8;

/// The packets of sound that were sent just before one, oldest first, as far as they have arrived.
#[inline(never)]
fn earlier_packets<'a>(ring: &'a PacketRing, packet: &Packet<'_>) -> [Option<Earlier<'a>>; REDUNDANT_MAX] {
    let mut earlier = [None; REDUNDANT_MAX];
    for age in 1..=LOOK_BACK {
        let Some(other) = ring.read(packet.position.wrapping_sub(age)) else {
            break;
        };
        let facts = packet.slot.facts;
        let back = facts.sequence.wrapping_sub(other.facts.sequence);
        let offset = facts.timestamp.wrapping_sub(other.facts.timestamp);
        let place = usize::try_from(back)
            .ok()
            .and_then(|back| REDUNDANT_MAX.checked_sub(back));
        if let Some(place) = place.and_then(|place| earlier.get_mut(place)) {
            *place = Some(Earlier {
                offset,
                payload: other.payload,
            });
        }
    }
    earlier
}
