//! Datagrams out: every fresh packet to every subscriber, subscriber by subscriber, so that the packets of one frame
//! lie next to each other and leave as one train.

use super::{Batch, NeighbourMessage, Shard, ShardCounters, ShardEvent};
use crate::arena::SendArena;
use crate::command::MediaEvent;
use crate::connection::{Connection, FEEDBACK_SSRC, Wire};
use crate::down_track::{DownTrack, OVERHEAD_MAX, Packet};
use crate::ids::Layer;
use crate::pacer::{GivenUp, Pacer, Waiting};
use crate::red::{Earlier, REDUNDANT_MAX};
use crate::ring::{PacketRing, RingPosition, Slot};
use crate::rtcp;
use crate::rtp::Stamp;
use crate::track::{LayerState, Origin, translate};
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
        self.send_waiting(now);
        if self.arena.is_empty() {
            return None;
        }
        self.arena_taken = true;
        Some(self.arena.batch())
    }

    fn fan_out(&mut self, now: Instant) {
        let (now_ns, abs_send_time) = (self.now_ns(now), self.abs_send_time(now));
        while let Some(&key) = self.pending.front() {
            let Some(track) = self.tracks.get_mut(key) else {
                self.pending.pop_front();
                continue;
            };
            if self.cursor.down_track == 0 {
                self.cursor.packets = track.fresh.len();
            }
            let fresh = track.fresh.get(..self.cursor.packets).unwrap_or_default();
            let is_video = track.codec.is_video();
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
            let read = |position| passage.read(position);
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
                let connection_key = down_track.connection;
                let Some(connection) = self.connections.get_mut(connection_key) else {
                    continue;
                };
                if !connection.wire.is_ready() {
                    continue;
                }
                let started = down_track.has_started();
                // From here on packets have to wait.
                let pacer = &connection.pacer;
                let mut waits =
                    is_video && (pacer.is_waiting() || down_track.is_held() || !pacer.has_room(now_ns));
                let mut outlet = Outlet {
                    arena: &mut self.arena,
                    counters: &mut self.counters,
                    #[cfg(feature = "debug-tap")]
                    tapped: &mut self.tapped,
                };
                // `next`: the first fresh packet that waits its turn.
                let mut advance = |down_track: &mut DownTrack, packet: &Packet<'_>, next| {
                    if waits {
                        let coming = fresh.get(next..).unwrap_or_default();
                        return passage.line_up(down_track, &mut connection.pacer, packet, target, coming);
                    }
                    let before = down_track.stream();
                    outlet.send(&passage, connection, down_track, packet, target);
                    if down_track.stream() != before {
                        // The key frame's first packet was late: the rest of it has arrived already. What waits its turn
                        // must not go out twice.
                        let waiting = fresh.get(next..).unwrap_or_default();
                        let overtakers = passage.ring.overtakers(packet.position);
                        overtakers
                            .filter(|overtaker| !waiting.contains(overtaker))
                            .filter_map(read)
                            .for_each(|overtaker| {
                                outlet.send(&passage, connection, down_track, &overtaker, target);
                            });
                    }
                    waits = is_video && !connection.pacer.has_room(now_ns);
                };
                if let Some(key_frame) = down_track.take_catch_up() {
                    let missed = passage.ring.between(key_frame, fresh.first().copied());
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
                if waits && connection.pacer.is_waiting() && !connection.pacer.is_listed {
                    connection.pacer.is_listed = true;
                    self.paced.push(connection_key);
                    self.next_paced = Some(now);
                }
                if down_track.is_report_due() {
                    connection.due.first_reports.get_or_insert(now);
                }
                if !started && down_track.has_started() {
                    self.events
                        .push_back(ShardEvent::Media(MediaEvent::FirstForwarded {
                            connection: connection.id,
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

/// A track as it goes out now.
pub(super) struct Passage<'a> {
    pub(super) now: Instant,
    pub(super) now_ns: i64,
    pub(super) abs_send_time: u32,
    #[cfg(feature = "debug-tap")]
    pub(super) track: (crate::ids::TrackId, crate::command::Codec),
    pub(super) clock_rate_hz: u32,
    pub(super) ring: &'a PacketRing,
    pub(super) layers: &'a [LayerState],
}

impl Passage<'_> {
    fn read(&self, position: RingPosition) -> Option<Packet<'_>> {
        Packet::read(self.ring, self.layers, position)
    }

    /// Lets a packet wait behind what waits already. `coming`: what comes after it by itself.
    #[inline(never)]
    fn line_up(
        &self,
        down_track: &mut DownTrack,
        pacer: &mut Pacer,
        packet: &Packet<'_>,
        target: Layer,
        coming: &[RingPosition],
    ) {
        let begins = self.line_up_one(down_track, pacer, packet, target);
        if begins {
            // As above.
            let overtakers = self.ring.overtakers(packet.position);
            let overtakers = overtakers.filter(|overtaker| !coming.contains(overtaker));
            for overtaker in overtakers.filter_map(|position| self.read(position)) {
                self.line_up_one(down_track, pacer, &overtaker, target);
            }
        }
    }

    /// True: another stream begins with it.
    fn line_up_one(
        &self,
        down_track: &mut DownTrack,
        pacer: &mut Pacer,
        packet: &Packet<'_>,
        target: Layer,
    ) -> bool {
        let Some(joins) = down_track.join_line(packet.slot.facts, target) else {
            return false;
        };
        let bytes = packet.slot.payload.len() + packet.slot.extension.len();
        let waits = pacer.push(Waiting {
            down_track: down_track.id,
            position: packet.position,
            bytes: if joins.passes { bytes as u16 } else { 0 },
            target,
            epoch: joins.epoch,
            key: joins.key,
            anew: joins.anew,
        });
        if !waits {
            let GivenUp { packets, .. } = pacer.give_up_of(down_track.id);
            let given_up = GivenUp {
                down_track: down_track.id,
                packets: packets + 1,
                needs_key_frame: true,
            };
            down_track.on_given_up(self.now, given_up);
        }
        waits && joins.begins
    }
}

/// Where packets go.
pub(super) struct Outlet<'a> {
    pub(super) arena: &'a mut SendArena,
    pub(super) counters: &'a mut ShardCounters,
    #[cfg(feature = "debug-tap")]
    pub(super) tapped: &'a mut std::collections::VecDeque<crate::tap::Tapped>,
}

impl Outlet<'_> {
    /// Seals a packet for a subscriber, if it is to have it.
    #[inline]
    pub(super) fn send(
        &mut self,
        passage: &Passage<'_>,
        connection: &mut Connection,
        down_track: &mut DownTrack,
        packet: &Packet<'_>,
        target: Layer,
    ) {
        let Connection {
            wire:
                Wire {
                    session: Some(session),
                    address: Some(address),
                    ..
                },
            sent,
            estimator,
            pacer,
            ..
        } = connection
        else {
            return;
        };
        let Slot {
            payload, extension, ..
        } = packet.slot;
        let mut room = payload.len() + extension.len() + OVERHEAD_MAX;
        let wraps = down_track.packaging.wraps();
        let earlier = wraps.then(|| earlier_packets(passage.ring, packet));
        let earlier = earlier.as_ref().map_or(&[][..], |earlier| earlier.as_slice());
        for copy in earlier.iter().flatten() {
            room += copy.payload.len();
        }
        let Passage {
            layers,
            clock_rate_hz,
            ..
        } = passage;
        let mut bytes = 0;
        let forwarded = self.arena.push(*address, room, |out| {
            let translate = |from, to, timestamp| translate(layers, *clock_rate_hz, from, to, timestamp);
            let stamp = Stamp {
                abs_send_time: passage.abs_send_time,
                transport_number: estimator.as_ref().map_or(0, |it| it.next_number()),
            };
            let len = down_track.forward(
                passage.now,
                stamp,
                session,
                packet,
                earlier,
                target,
                translate,
                out,
            )?;
            sent.add(len);
            pacer.on_sent(passage.now_ns, len);
            if let Some(estimator) = estimator {
                estimator.on_sent(passage.now, len, down_track.is_numbered());
            }
            bytes = len as u64;
            Some(len)
        });
        self.counters.packets_forwarded += u64::from(forwarded);
        self.counters.bytes_forwarded += bytes;
        #[cfg(feature = "debug-tap")]
        if forwarded {
            let (track, codec) = passage.track;
            crate::tap::tap(self.tapped, track, codec, down_track, packet.slot.facts, payload);
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
