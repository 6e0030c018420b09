//! One shard: the connections, tracks and down tracks of one core.
//!
//! A datagram comes in by `ingress`, is told apart, opened, and kept in its track's ring; `egress` seals it for every
//! subscriber when the shell asks for datagrams, and `pacing` keeps what finds no room on its link; `feedback` takes what the peers report, `tick` does what is due,
//! `probing` finds out whether more could be sent, `quality` says how it went; `data` passes messages of data channels on;
//! `neighbours` is what shards of one node say to each other.

mod commands;
mod data;
mod egress;
mod feedback;
mod ingress;
mod neighbours;
mod pacing;
mod probing;
mod quality;
mod tick;

pub use crate::arena::{Batch, Train};
pub use neighbours::{NeighbourMessage, ShardCommand, ShardEvent};

use crate::arena::SendArena;
use crate::command::{ConnectionEnd, MediaEvent};
use crate::connection::Connection;
use crate::ids::{ConnectionId, DownTrackId, ShardId, TrackId};
use crate::secure::SecureTransports;
use crate::track::{Origin, Track};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use slab::Slab;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often a shard with connections looks at what is due: short enough for a NACK after 20 ms, long enough to cost
/// an idle core nothing that could be measured.
pub const TICK: Duration = Duration::from_millis(10);

/// Connections of one shard. Further ones are refused with [`ConnectionEnd::IceTimeout`]; a core is full long before.
pub const CONNECTIONS_MAX: usize = 20_000;

/// Addresses of peers that live on a neighbour. When full, the oldest knowledge goes and is learned again from the
/// next STUN check.
pub const FOREIGN_ADDRESSES_MAX: usize = 20_000;

/// Keys are inserted only for peers that know their password, so that nobody outside can choose collisions, and the
/// order of a map never depends on the process.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// What a shard is made of.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Its place among its neighbours.
    pub id: ShardId,
    /// Seed of its generator.
    pub seed: [u8; 32],
}

/// Datagrams that a shard has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardCounters {
    /// All of them.
    pub datagrams_in: u64,
    /// From nobody known, for nobody known, malformed, forged or of a stream that was not negotiated.
    pub datagrams_dropped: u64,
    /// Authentic media that had been seen before.
    pub packets_replayed: u64,
    /// Media that went out, without retransmissions.
    pub packets_forwarded: u64,
    /// Retransmissions that went out.
    pub packets_repaired: u64,
    /// Bytes of the media that went out, without retransmissions, sealed.
    pub bytes_forwarded: u64,
    /// Bytes of the retransmissions that went out, sealed.
    pub bytes_repaired: u64,
    /// Packets of video that had to wait for room on their subscriber's link.
    pub packets_waited: u64,
    /// Those of them that were given up.
    pub packets_given_up: u64,
    /// Packets of padding that went out to measure links.
    pub packets_probed: u64,
    /// Their bytes, sealed.
    pub bytes_probed: u64,
    /// Authentic media that came in for the first time, without retransmissions.
    pub packets_in: u64,
    /// Its bytes, sealed.
    pub bytes_in: u64,
    /// Authentic retransmissions that came in.
    pub repairs_in: u64,
    /// Their bytes, sealed.
    pub repair_bytes_in: u64,
    /// Packets that subscribers have asked for again (RFC 4585 NACK).
    pub nacks_in: u64,
    /// Packets that publishers were asked for again.
    pub nacks_out: u64,
    /// Key frames that subscribers have asked for by PLI (RFC 4585).
    pub plis_in: u64,
    /// Key frames that publishers were asked for.
    pub plis_out: u64,
    /// Key frames that subscribers have asked for by FIR (RFC 5104).
    pub firs_in: u64,
}

impl ShardCounters {
    /// Each of ours with each of theirs, by a sum or a difference.
    #[must_use]
    pub fn combine(self, other: ShardCounters, each: fn(u64, u64) -> u64) -> ShardCounters {
        ShardCounters {
            datagrams_in: each(self.datagrams_in, other.datagrams_in),
            datagrams_dropped: each(self.datagrams_dropped, other.datagrams_dropped),
            packets_replayed: each(self.packets_replayed, other.packets_replayed),
            packets_forwarded: each(self.packets_forwarded, other.packets_forwarded),
            packets_repaired: each(self.packets_repaired, other.packets_repaired),
            bytes_forwarded: each(self.bytes_forwarded, other.bytes_forwarded),
            bytes_repaired: each(self.bytes_repaired, other.bytes_repaired),
            packets_waited: each(self.packets_waited, other.packets_waited),
            packets_given_up: each(self.packets_given_up, other.packets_given_up),
            packets_probed: each(self.packets_probed, other.packets_probed),
            bytes_probed: each(self.bytes_probed, other.bytes_probed),
            packets_in: each(self.packets_in, other.packets_in),
            bytes_in: each(self.bytes_in, other.bytes_in),
            repairs_in: each(self.repairs_in, other.repairs_in),
            repair_bytes_in: each(self.repair_bytes_in, other.repair_bytes_in),
            nacks_in: each(self.nacks_in, other.nacks_in),
            nacks_out: each(self.nacks_out, other.nacks_out),
            plis_in: each(self.plis_in, other.plis_in),
            plis_out: each(self.plis_out, other.plis_out),
            firs_in: each(self.firs_in, other.firs_in),
        }
    }
}

/// How much a shard remembers. Nothing that a stranger sends may change it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardMemory {
    /// Connections, open or waiting for their peer.
    pub connections: usize,
    /// Tracks, mirrored ones included.
    pub tracks: usize,
    /// Tracks as their subscribers receive them.
    pub down_tracks: usize,
    /// Streams that peers send.
    pub streams: usize,
    /// Addresses of peers.
    pub addresses: usize,
    /// Ufrags and addresses of peers that live on a neighbour.
    pub foreign: usize,
}

/// One shard. Feed it with `handle_*`, then drain `poll_batch`, `poll_event` and `poll_neighbour` until each says
/// `None`, and `poll_data` as far as there is room, then sleep until `poll_timeout`.
pub struct Shard {
    id: ShardId,
    started: Instant,
    random: ChaCha8Rng,
    secure: Box<dyn SecureTransports>,
    connections: Slab<Connection>,
    tracks: Slab<Track>,
    connection_keys: Map<ConnectionId, usize>,
    track_keys: Map<TrackId, usize>,
    /// Track and place in its list.
    down_track_keys: Map<DownTrackId, (usize, usize)>,
    addresses: Map<SocketAddr, usize>,
    ufrags: Map<String, usize>,
    foreign_ufrags: Map<String, (ConnectionId, ShardId)>,
    foreign_addresses: Map<SocketAddr, ShardId>,
    /// Tracks with packets that are not forwarded yet, and how far the running pass has come.
    pending: VecDeque<usize>,
    cursor: egress::Cursor,
    arena: SendArena,
    arena_taken: bool,
    events: VecDeque<ShardEvent>,
    /// Peers that may have messages, each once.
    talking: VecDeque<usize>,
    neighbours: VecDeque<(ShardId, NeighbourMessage)>,
    next_tick: Option<Instant>,
    /// Connections whose probes go on at [`Shard::next_probe`], each once.
    probing: Vec<usize>,
    next_probe: Option<Instant>,
    /// Connections for which something waits until [`Shard::next_paced`] at least, each once.
    paced: Vec<usize>,
    next_paced: Option<Instant>,
    /// Reused lists, so that a warm shard allocates nothing.
    keys: Vec<usize>,
    facts: Vec<crate::rtcp::Feedback>,
    arrived: Vec<crate::estimate::Arrived>,
    counters: ShardCounters,
    #[cfg(feature = "debug-tap")]
    tapped: VecDeque<crate::tap::Tapped>,
}

impl Shard {
    /// An empty shard.
    pub fn new(now: Instant, config: ShardConfig, secure: Box<dyn SecureTransports>) -> Self {
        Shard {
            id: config.id,
            started: now,
            random: ChaCha8Rng::from_seed(config.seed),
            secure,
            connections: Slab::new(),
            tracks: Slab::new(),
            connection_keys: Map::default(),
            track_keys: Map::default(),
            down_track_keys: Map::default(),
            addresses: Map::default(),
            ufrags: Map::default(),
            foreign_ufrags: Map::default(),
            foreign_addresses: Map::default(),
            pending: VecDeque::new(),
            cursor: egress::Cursor::default(),
            arena: SendArena::default(),
            arena_taken: false,
            events: VecDeque::new(),
            talking: VecDeque::new(),
            neighbours: VecDeque::new(),
            next_tick: None,
            probing: Vec::new(),
            next_probe: None,
            paced: Vec::new(),
            next_paced: None,
            keys: Vec::new(),
            facts: Vec::new(),
            arrived: Vec::with_capacity(crate::estimate::LOG_LEN),
            counters: ShardCounters::default(),
            #[cfg(feature = "debug-tap")]
            tapped: VecDeque::new(),
        }
    }

    /// The next event for the control side.
    pub fn poll_event(&mut self) -> Option<ShardEvent> {
        self.events.pop_front()
    }

    /// The next message for a neighbour.
    pub fn poll_neighbour(&mut self) -> Option<(ShardId, NeighbourMessage)> {
        self.neighbours.pop_front()
    }

    /// When [`Shard::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let steps = self.next_probe.into_iter().chain(self.next_paced);
        steps.chain(self.next_tick).min()
    }

    /// What has been counted since the start.
    pub fn counters(&self) -> ShardCounters {
        self.counters
    }

    /// What is remembered right now.
    pub fn memory(&self) -> ShardMemory {
        ShardMemory {
            connections: self.connections.len(),
            tracks: self.tracks.len(),
            down_tracks: self.down_track_keys.len(),
            streams: self
                .connections
                .iter()
                .map(|(_, connection)| connection.streams.len())
                .sum(),
            addresses: self.addresses.len(),
            foreign: self.foreign_ufrags.len() + self.foreign_addresses.len(),
        }
    }

    /// The next forwarded packet in clear, for the test that looks for sealed frames.
    #[cfg(feature = "debug-tap")]
    pub fn poll_tapped(&mut self) -> Option<crate::tap::Tapped> {
        self.tapped.pop_front()
    }

    /// What went into some connection's estimator since that was last asked for, and since when its times count. It goes on
    /// where what was told before ends.
    #[cfg(feature = "debug-tap")]
    pub fn poll_recorded(&mut self) -> Option<(crate::ids::ConnectionId, Instant, String)> {
        self.connections.iter_mut().find_map(|(_, connection)| {
            let estimator = connection.estimator.as_mut()?;
            let text = estimator.record.take();
            (!text.is_empty()).then(|| (connection.id, estimator.epoch(), text))
        })
    }

    fn event(&mut self, event: MediaEvent) {
        self.events.push_back(ShardEvent::Media(event));
    }

    /// Forgets a connection and all that hangs on it. `end` is what the control side hears, if it has not said so
    /// itself.
    fn forget(&mut self, key: usize, end: Option<ConnectionEnd>) {
        let Some(connection) = self.connections.try_remove(key) else {
            return;
        };
        self.connection_keys.remove(&connection.id);
        self.ufrags.remove(&connection.local.ufrag);
        if let Some((next, _)) = &connection.next {
            self.ufrags.remove(&next.ufrag);
        }
        for address in &connection.addresses {
            release(&mut self.addresses, *address, key);
        }
        for (_, down_track) in &connection.sends {
            self.remove_down_track(*down_track);
        }
        for section in &connection.sections {
            self.remove_track(section.track_id);
        }
        if let Some(end) = end {
            self.event(MediaEvent::Ended {
                connection: connection.id,
                end,
            });
        }
        if self.connections.is_empty() {
            (self.next_tick, self.next_probe, self.next_paced) = (None, None, None);
        }
    }

    fn remove_track(&mut self, track: TrackId) {
        self.abandon_pass();
        let Some(key) = self.track_keys.remove(&track) else {
            return;
        };
        let Some(track) = self.tracks.try_remove(key) else {
            return;
        };
        for down_track in &track.down_tracks {
            self.down_track_keys.remove(&down_track.id);
            if let Some(subscriber) = self.connections.get_mut(down_track.connection) {
                subscriber.sends.retain(|(_, id)| *id != down_track.id);
            }
        }
        self.pending.retain(|pending| *pending != key);
    }

    fn remove_down_track(&mut self, down_track: DownTrackId) {
        self.abandon_pass();
        let Some((key, place)) = self.down_track_keys.remove(&down_track) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        if place >= track.down_tracks.len() {
            return;
        }
        let removed = track.down_tracks.swap_remove(place);
        if let Some(moved) = track.down_tracks.get(place) {
            self.down_track_keys.insert(moved.id, (key, place));
        }
        if let Some(subscriber) = self.connections.get_mut(removed.connection) {
            subscriber.sends.retain(|(_, id)| *id != down_track);
        }
    }

    /// The connection that publishes a track, if it lives on this shard.
    fn publisher(&self, track: usize) -> Option<usize> {
        match self.tracks.get(track)?.origin {
            Origin::Connection(key) => Some(key),
            Origin::Shard(_) => None,
        }
    }

    fn is_ready(connections: &Slab<Connection>, key: usize) -> bool {
        connections.get(key).is_some_and(|it| it.wire.is_ready())
    }

    /// 6.18 fixed-point seconds, 24 bits (abs-send-time).
    fn abs_send_time(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.started);
        let seconds = elapsed.as_secs() & 0x3f;
        ((seconds << 18) + (u64::from(elapsed.subsec_nanos()) << 18) / 1_000_000_000) as u32 & 0x00ff_ffff
    }
}

/// Forgets an address of a connection, unless another one has it by now.
fn release(addresses: &mut Map<SocketAddr, usize>, address: SocketAddr, key: usize) {
    if addresses.get(&address) == Some(&key) {
        addresses.remove(&address);
    }
}
