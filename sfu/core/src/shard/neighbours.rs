//! What crosses between shards, and between a shard and [`crate::placement::Placement`]. Values, never handles.

use super::{FOREIGN_ADDRESSES_MAX, Shard};
use crate::command::{Codec, Layering, MediaCommand, MediaEvent};
use crate::ids::{ConnectionId, Layer, ShardId, TrackId};
use crate::ring::{PacketFacts, Slot};
use crate::track::{Origin, Track};
use std::net::SocketAddr;
use std::time::Instant;

/// What [`crate::placement::Placement`] tells a shard. Opaque to the shell, which carries it in order.
#[derive(Debug)]
pub enum ShardCommand {
    /// For this shard.
    Media(MediaCommand),
    /// Another shard has this connection: stop waiting for it, and hand over what arrives for it.
    Yield {
        /// Which.
        connection: ConnectionId,
        /// Its local ufrag; after an ICE restart it has two until the peer follows.
        ufrag: String,
        /// Who has it.
        owner: ShardId,
    },
    /// A connection of another shard has restarted ICE: nobody is known by this ufrag any more.
    ForgetUfrag {
        /// Its earlier local ufrag.
        ufrag: String,
    },
    /// A track of another shard will be copied here.
    Mirror {
        /// Which.
        track: TrackId,
        /// Its codec.
        codec: Codec,
        /// How its layers come in.
        layering: Layering,
        /// In how many streams.
        layers: usize,
        /// From where.
        owner: ShardId,
    },
    /// Copy a track of this shard to another one.
    Feed {
        /// Which.
        track: TrackId,
        /// To where.
        to: ShardId,
    },
    /// A mirrored track has ended.
    EndMirror {
        /// Which.
        track: TrackId,
    },
}

/// What a shard tells [`crate::placement::Placement`]. Opaque to the shell, which carries it in order.
#[derive(Debug)]
pub enum ShardEvent {
    /// For the control side.
    Media(MediaEvent),
    /// A valid STUN check for this connection arrived here first.
    Claimed(ConnectionId),
    /// A peer has followed an ICE restart: only its new credentials are good now.
    Restarted {
        /// Whose.
        connection: ConnectionId,
        /// Our ufrag from now on.
        ufrag: String,
    },
}

/// What shards of one node tell each other. Opaque to the shell, which carries it in order.
#[derive(Debug)]
pub enum NeighbourMessage {
    /// A datagram for a connection that lives there.
    Datagram {
        /// Who sent it.
        source: SocketAddr,
        /// As it came.
        datagram: Vec<u8>,
    },
    /// A packet of a track that is mirrored there.
    Packet {
        /// Which track.
        track: TrackId,
        /// What is known of it.
        facts: PacketFacts,
        /// Opened.
        payload: Vec<u8>,
        /// Its dependency descriptor; empty without one.
        dependency: Vec<u8>,
    },
    /// A sender report of a mirrored track.
    SenderReport {
        /// Which track.
        track: TrackId,
        /// Which layer.
        layer: Layer,
        /// NTP time.
        ntp: u64,
        /// The same moment on the layer's clock.
        rtp: u32,
    },
    /// A subscriber over there waits for a key frame.
    KeyFrame {
        /// Of which track.
        track: TrackId,
        /// Of which layer.
        layer: Layer,
    },
}

impl NeighbourMessage {
    fn packet(track: TrackId, facts: PacketFacts, payload: &[u8], dependency: &[u8]) -> Self {
        NeighbourMessage::Packet {
            track,
            facts,
            payload: payload.to_vec(),
            dependency: dependency.to_vec(),
        }
    }
}

impl Shard {
    /// Takes a message of a neighbour.
    pub fn handle_neighbour(&mut self, now: Instant, _from: ShardId, message: NeighbourMessage) {
        match message {
            NeighbourMessage::Datagram { source, mut datagram } => {
                // The neighbour believes that we have this peer, so our belief that a neighbour has it is wrong. With
                // both, the datagram would go to and fro for ever.
                self.foreign_addresses.remove(&source);
                self.handle_own_datagram(now, source, &mut datagram);
            }
            NeighbourMessage::Packet {
                track,
                facts,
                payload,
                dependency,
            } => {
                let Some(&key) = self.track_keys.get(&track) else {
                    return;
                };
                let Some(track) = self.tracks.get_mut(key) else {
                    return;
                };
                if track.take_mirrored(now, facts, &payload, &dependency) {
                    self.queue(key);
                }
            }
            NeighbourMessage::SenderReport {
                track,
                layer,
                ntp,
                rtp,
            } => {
                let Some(&key) = self.track_keys.get(&track) else {
                    return;
                };
                let layers = self.tracks.get_mut(key).map(|track| &mut track.layers);
                if let Some(layer) = layers.and_then(|layers| layers.get_mut(usize::from(layer.0))) {
                    layer.on_sender_report(now, ntp, rtp);
                }
            }
            NeighbourMessage::KeyFrame { track, layer } => {
                let Some(&key) = self.track_keys.get(&track) else {
                    return;
                };
                let layers = self.tracks.get_mut(key).map(|track| &mut track.layers);
                if let Some(layer) = layers.and_then(|layers| layers.get_mut(usize::from(layer.0))) {
                    layer.seeker.want();
                }
                self.ask_for_key_frames(now, key);
            }
        }
    }

    /// Hands a datagram over, if its sender or its ufrag is known to live on a neighbour.
    pub(super) fn hand_over(&mut self, source: SocketAddr, ufrag: Option<&str>, datagram: &[u8]) -> bool {
        let owner = match ufrag {
            Some(ufrag) => self.foreign_ufrags.get(ufrag).map(|(_, owner)| *owner),
            None => self.foreign_addresses.get(&source).copied(),
        };
        let Some(owner) = owner else { return false };
        if ufrag.is_some() {
            if self.foreign_addresses.len() >= FOREIGN_ADDRESSES_MAX {
                self.foreign_addresses.clear();
            }
            self.foreign_addresses.insert(source, owner);
        }
        self.neighbours.push_back((
            owner,
            NeighbourMessage::Datagram {
                source,
                datagram: datagram.to_vec(),
            },
        ));
        true
    }

    pub(super) fn yield_to(&mut self, connection: ConnectionId, ufrag: String, owner: ShardId) {
        if let Some(&key) = self.connection_keys.get(&connection) {
            self.forget(key, None);
        }
        self.foreign_ufrags.insert(ufrag, (connection, owner));
    }

    pub(super) fn mirror(
        &mut self,
        track: TrackId,
        codec: Codec,
        layering: Layering,
        layers: usize,
        owner: ShardId,
    ) {
        if owner != self.id && !self.track_keys.contains_key(&track) {
            let key = self
                .tracks
                .insert(Track::new(track, codec, layering, Origin::Shard(owner), layers));
            self.track_keys.insert(track, key);
        }
    }

    /// Has a track copied to another shard from now on, and what has come since a recent key frame at once: who subscribes
    /// there begins with it as subscribers here do.
    pub(super) fn feed(&mut self, now: Instant, track: TrackId, to: ShardId) {
        let track = self
            .track_keys
            .get(&track)
            .and_then(|&key| self.tracks.get_mut(key));
        if let Some(track) = track
            && to != self.id
            && !track.mirrors.contains(&to)
        {
            track.mirrors.push(to);
            let missed = track.oldest_recent_key_frame(now).into_iter();
            let missed = missed.flat_map(|key_frame| track.ring.between(key_frame, None));
            let missed = missed.filter_map(|position| track.ring.read(position));
            let messages = missed.map(|slot| {
                let Slot {
                    facts,
                    payload,
                    extension,
                } = slot;
                (to, NeighbourMessage::packet(track.id, *facts, payload, extension))
            });
            self.neighbours.extend(messages);
        }
    }

    /// Copies a packet once for each shard that mirrors the track.
    pub(super) fn copy_to_mirrors(
        &mut self,
        key: usize,
        facts: PacketFacts,
        payload: &[u8],
        dependency: &[u8],
    ) {
        let Some(track) = self.tracks.get(key) else { return };
        for to in &track.mirrors {
            let message = NeighbourMessage::packet(track.id, facts, payload, dependency);
            self.neighbours.push_back((*to, message));
        }
    }

    /// Copies packets that had to wait for what explains them.
    pub(super) fn copy_released(&mut self, key: usize) {
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        for position in std::mem::take(&mut track.released) {
            let Some(slot) = track.ring.read(position) else {
                continue;
            };
            for to in &track.mirrors {
                let message = NeighbourMessage::packet(track.id, *slot.facts, slot.payload, slot.extension);
                self.neighbours.push_back((*to, message));
            }
        }
    }
}
