//! Time, the network and the shell around the shards.

use super::client::Client;
use super::link::Link;
use super::sink::Sink;
use super::source::Source;
use super::{ms, up_to};
use hanse_sfu_core::command::{Codec, IceCredentials, MediaCommand, MediaEvent, Peer, SendPlan, Want};
use hanse_sfu_core::ids::{ConnectionId, DownTrackId, ShardId, TrackId};
use hanse_sfu_core::placement::{Placement, PlacementOutput};
use hanse_sfu_core::rtp::is_rtcp;
use hanse_sfu_core::shard::{NeighbourMessage, Shard, ShardConfig, ShardCounters};
use hanse_sfu_core::simulation::ReadyKeys;
use std::cmp::Reverse;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Somebody in the world; their place in [`World::people`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Person(pub usize);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Travelling {
    Up {
        source: SocketAddr,
        datagram: Vec<u8>,
    },
    Down {
        destination: SocketAddr,
        datagram: Vec<u8>,
    },
}

/// The world.
pub struct World {
    pub now: Instant,
    pub start: Instant,
    pub shards: Vec<Shard>,
    pub people: Vec<Client>,
    /// What the control side heard, and when.
    pub events: Vec<(Instant, MediaEvent)>,
    /// The path of people who join from now on.
    pub link: Link,
    /// The kernel's choice of a shard for an address, where it is not the hash.
    pub routes: BTreeMap<SocketAddr, usize>,
    /// Datagrams of the SFU for addresses where nobody is.
    pub nowhere: Vec<(SocketAddr, Vec<u8>)>,
    /// Messages that crossed between shards: datagrams, packets, reports, key-frame requests.
    pub crossed: [u64; 4],
    /// Allocations of the packet path: of taking media in, and of sending it on.
    pub allocations: u64,
    seed: u64,
    placement: Placement,
    travelling: BinaryHeap<Reverse<(Instant, u64, Travelling)>>,
    order: u64,
    next_id: u64,
    trace: DefaultHasher,
}

impl World {
    /// One shard, clean links.
    pub fn new(seed: u64) -> World {
        World::with_shards(seed, 1)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made otherwise; only differences matter"
    )]
    pub fn with_shards(seed: u64, shards: u16) -> World {
        let start = Instant::now();
        let shard = |id| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_be_bytes());
            let config = ShardConfig {
                id: ShardId(id),
                seed: bytes,
            };
            Shard::new(start, config, Box::new(ReadyKeys))
        };
        World {
            now: start,
            start,
            shards: (0..shards).map(shard).collect(),
            people: Vec::new(),
            events: Vec::new(),
            link: Link::CLEAN,
            routes: BTreeMap::new(),
            nowhere: Vec::new(),
            crossed: [0; 4],
            allocations: 0,
            seed,
            placement: Placement::new(shards),
            travelling: BinaryHeap::new(),
            order: 0,
            next_id: 0,
            trace: DefaultHasher::new(),
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A hash of every datagram and event so far, with their times.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    // Who is there.

    /// Opens a connection; the device begins to check.
    pub fn join(&mut self, name: &'static str) -> Person {
        let place = self.people.len() as u16;
        self.join_from(name, SocketAddr::from(([192, 0, 2, 1], 40_000 + place)))
    }

    /// Like [`World::join`], with the device's address.
    pub fn join_from(&mut self, name: &'static str, address: SocketAddr) -> Person {
        let connection = ConnectionId(self.new_id());
        let seed = self.seed ^ (self.people.len() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let client = Client::new(self.now, self.start, name, connection, address, seed, self.link);
        let IceCredentials { ufrag, password } = client.remote.clone();
        let command = MediaCommand::OpenConnection {
            connection,
            peer: Peer::Client,
            local: client.local.clone(),
            remote: IceCredentials { ufrag, password },
            fingerprint: client.fingerprint,
        };
        self.people.push(client);
        self.command(command);
        Person(self.people.len() - 1)
    }

    /// Joins on a shard of choice.
    pub fn join_on(&mut self, name: &'static str, shard: usize) -> Person {
        let address = SocketAddr::from(([192, 0, 2, 1], 40_000 + self.people.len() as u16));
        self.routes.insert(address, shard);
        self.join_from(name, address)
    }

    pub fn client(&mut self, person: Person) -> &mut Client {
        &mut self.people[person.0]
    }

    pub fn sink(&self, person: Person, track: TrackId) -> &Sink {
        self.people[person.0].sink(track)
    }

    pub fn source(&mut self, person: Person, track: TrackId) -> &mut Source {
        self.people[person.0].source_mut(track)
    }

    // What the control side does.

    pub fn command(&mut self, command: MediaCommand) {
        self.placement.handle_command(self.now, command);
        self.settle();
    }

    pub fn publish(&mut self, person: Person, codec: Codec) -> TrackId {
        let track = TrackId(self.new_id());
        let now = self.now;
        self.client(person).add_source(now, track, codec);
        self.negotiate(person);
        track
    }

    /// Publishes a track that differs from the usual.
    pub fn publish_as(&mut self, person: Person, codec: Codec, change: impl FnOnce(&mut Source)) -> TrackId {
        let track = TrackId(self.new_id());
        let now = self.now;
        self.client(person).add_source(now, track, codec);
        change(self.source(person, track));
        self.negotiate(person);
        track
    }

    /// Takes a track off the air.
    pub fn unpublish(&mut self, person: Person, track: TrackId) {
        self.client(person).sources.retain(|source| source.track != track);
        self.negotiate(person);
    }

    /// Tells the SFU what a device sends.
    pub fn negotiate(&mut self, person: Person) {
        let client = self.client(person);
        let (connection, plan) = (client.connection, client.plan());
        self.command(MediaCommand::SetReceivePlan { connection, plan });
    }

    pub fn subscribe(&mut self, person: Person, track: TrackId, want: Want) -> DownTrackId {
        let down_track = DownTrackId(self.new_id());
        let codec = self.people.iter().flat_map(|client| &client.sources);
        let codec = codec
            .filter(|source| source.track == track)
            .map(|source| source.codec)
            .next()
            .unwrap();
        let client = self.client(person);
        let plan = client.add_sink(down_track, track, codec);
        self.subscribe_with(person, track, down_track, plan, want)
    }

    /// Subscribes to sound in a codec that may differ from the publisher's.
    pub fn subscribe_as(&mut self, person: Person, track: TrackId, codec: Codec) -> DownTrackId {
        let down_track = DownTrackId(self.new_id());
        let plan = self.client(person).add_sink(down_track, track, codec);
        self.subscribe_with(person, track, down_track, plan, up_to(0))
    }

    fn subscribe_with(
        &mut self,
        person: Person,
        track: TrackId,
        down_track: DownTrackId,
        plan: SendPlan,
        want: Want,
    ) -> DownTrackId {
        let connection = self.client(person).connection;
        self.command(MediaCommand::Subscribe {
            connection,
            track,
            down_track,
            plan,
            want,
        });
        down_track
    }

    /// Everybody publishes a camera and a microphone and subscribes to everybody else.
    pub fn meet(&mut self, people: &[Person]) {
        for person in people {
            self.publish(*person, Codec::Vp8);
            self.publish(*person, Codec::Opus);
        }
        for person in people {
            self.subscribe_to_all(*person, people);
        }
    }

    /// Subscribes one person to all that the others publish.
    pub fn subscribe_to_all(&mut self, person: Person, people: &[Person]) {
        for other in people.iter().filter(|other| **other != person) {
            for track in self.tracks(*other) {
                self.subscribe(person, track, up_to(2));
            }
        }
    }

    pub fn tracks(&self, person: Person) -> Vec<TrackId> {
        self.people[person.0]
            .sources
            .iter()
            .map(|source| source.track)
            .collect()
    }

    pub fn camera(&self, person: Person) -> TrackId {
        let mut sources = self.people[person.0].sources.iter();
        sources.find(|source| source.codec.is_video()).unwrap().track
    }

    pub fn microphone(&self, person: Person) -> TrackId {
        let mut sources = self.people[person.0].sources.iter();
        sources.find(|source| !source.codec.is_video()).unwrap().track
    }

    pub fn want(&mut self, person: Person, track: TrackId, want: Want) {
        let down_track = self.sink(person, track).down_track;
        self.command(MediaCommand::SetWant { down_track, want });
    }

    pub fn limit_downlink(&mut self, person: Person, bits_per_second: Option<u64>) {
        let connection = self.client(person).connection;
        self.command(MediaCommand::LimitDownlink {
            connection,
            bits_per_second,
        });
    }

    pub fn close(&mut self, person: Person) {
        let connection = self.client(person).connection;
        self.command(MediaCommand::CloseConnection { connection });
    }

    /// How often an event was heard.
    pub fn heard(&self, matches: impl Fn(&MediaEvent) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| matches(event)).count()
    }

    // Time.

    /// Runs for so long.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.next_wake_up().filter(|next| *next <= end) {
            self.step(next);
        }
        self.now = end;
    }

    /// Runs until something is true; it must become true in `limit`.
    pub fn run_until(&mut self, limit: Duration, what: &str, done: impl Fn(&World) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            let next = self.next_wake_up().filter(|next| *next <= end);
            let Some(next) = next else {
                panic!("seed {}: {what}: not in {limit:?}", self.seed)
            };
            self.step(next);
        }
    }

    /// Runs until everybody's handshake is done.
    pub fn connect(&mut self) {
        self.run_until(ms(5_000), "everybody connects", |world| {
            world.people.iter().all(|client| client.connected || client.off)
        });
    }

    /// Captures one frame of a track by hand.
    pub fn capture(&mut self, person: Person, track: TrackId) -> BTreeMap<(u8, u8), Vec<u8>> {
        let now = self.now;
        self.client(person).capture(now, track)
    }

    /// A datagram of a person reaches the SFU at once.
    pub fn hand_in(&mut self, person: Person, datagram: Vec<u8>) {
        let source = self.client(person).address;
        self.arrive(source, datagram);
    }

    /// What all shards have counted together.
    pub fn counters(&self) -> ShardCounters {
        self.shards
            .iter()
            .map(Shard::counters)
            .fold(ShardCounters::default(), |sum, one| {
                sum.combine(one, u64::saturating_add)
            })
    }

    fn next_wake_up(&self) -> Option<Instant> {
        let travelling = self.travelling.peek().map(|Reverse((at, ..))| *at);
        let clients = self.people.iter().filter_map(Client::poll_timeout);
        let shards = self.shards.iter().filter_map(Shard::poll_timeout);
        clients.chain(shards).chain(travelling).min()
    }

    fn step(&mut self, to: Instant) {
        self.now = self.now.max(to);
        while let Some(Reverse((at, ..))) = self.travelling.peek()
            && *at <= self.now
        {
            let Some(Reverse((_, _, travelling))) = self.travelling.pop() else {
                break;
            };
            match travelling {
                Travelling::Up { source, datagram } => self.arrive(source, datagram),
                Travelling::Down {
                    destination,
                    datagram,
                } => {
                    // A device that joined later has taken over the address.
                    let at_address = |client: &&mut Client| client.address == destination;
                    if let Some(client) = self.people.iter_mut().rev().find(at_address) {
                        client.handle_datagram(self.now, datagram);
                    }
                }
            }
        }
        for at in 0..self.people.len() {
            self.people[at].handle_timeout(self.now);
            self.collect(Person(at));
        }
        for shard in &mut self.shards {
            shard.handle_timeout(self.now);
        }
        self.settle();
    }

    /// Puts a device's datagrams on their way.
    pub fn collect(&mut self, person: Person) {
        let client = &mut self.people[person.0];
        for datagram in std::mem::take(&mut client.outbox) {
            for at in client.up.carry(self.now, datagram.len()) {
                let travelling = Travelling::Up {
                    source: client.address,
                    datagram: datagram.clone(),
                };
                self.order += 1;
                self.travelling.push(Reverse((at, self.order, travelling)));
            }
        }
    }

    /// The kernel hands a datagram to a shard.
    pub fn arrive(&mut self, source: SocketAddr, datagram: Vec<u8>) {
        let shard = self.routes.get(&source).copied().unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            source.hash(&mut hasher);
            hasher.finish() as usize % self.shards.len()
        });
        self.arrive_at(shard, source, datagram);
        self.settle();
    }

    /// A datagram reaches a shard, which is not yet asked what follows.
    pub fn arrive_at(&mut self, shard: usize, source: SocketAddr, mut datagram: Vec<u8>) {
        self.note(&(0, shard, source, &datagram));
        let (shard, now) = (&mut self.shards[shard], self.now);
        let is_media = datagram.first().is_some_and(|first| (128..=191).contains(first));
        if is_media && !is_rtcp(&datagram) {
            let take = || shard.handle_datagram(now, source, &mut datagram);
            self.allocations += allocation_counter::measure(take).count_total;
        } else {
            shard.handle_datagram(now, source, &mut datagram);
        }
    }

    fn note(&mut self, what: &impl Hash) {
        (self.now - self.start).hash(&mut self.trace);
        what.hash(&mut self.trace);
    }

    /// Carries what the shards and the control side have to say, in order, until all is said.
    pub fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for at in 0..self.shards.len() {
                quiet &= !self.drain(at);
            }
            while let Some(output) = self.placement.poll_output() {
                quiet = false;
                match output {
                    PlacementOutput::Shard(shard, command) => {
                        self.shards[usize::from(shard.0)].handle_command(self.now, command);
                    }
                    PlacementOutput::Event(event) => self.hear(event),
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn hear(&mut self, event: MediaEvent) {
        self.note(&format!("{event:?}"));
        if let MediaEvent::Connected { connection } = event {
            for client in self
                .people
                .iter_mut()
                .filter(|client| client.connection == connection)
            {
                client.connected = true;
            }
        }
        self.events.push((self.now, event));
    }

    fn drain(&mut self, at: usize) -> bool {
        let mut any = false;
        let from = ShardId(at as u16);
        while let Some(event) = self.shards[at].poll_event() {
            any = true;
            self.placement.handle_event(self.now, from, event);
        }
        while let Some((to, message)) = self.shards[at].poll_neighbour() {
            any = true;
            let kind = match &message {
                NeighbourMessage::Datagram { .. } => 0,
                NeighbourMessage::Packet { .. } => 1,
                NeighbourMessage::SenderReport { .. } => 2,
                NeighbourMessage::KeyFrame { .. } => 3,
            };
            self.crossed[kind] += 1;
            assert_ne!(to, from);
            self.shards[usize::from(to.0)].handle_neighbour(self.now, from, message);
        }
        let mut sent = Vec::new();
        loop {
            let mut batch = None;
            let (shard, now) = (&mut self.shards[at], self.now);
            let counted = allocation_counter::measure(|| batch = shard.poll_batch(now));
            self.allocations += counted.count_total;
            let Some(batch) = batch else { break };
            sent.extend(batch.datagrams().map(|(to, datagram)| (to, datagram.to_vec())));
        }
        for (destination, datagram) in sent {
            any = true;
            self.note(&(1, at, destination, &datagram));
            let client = self
                .people
                .iter_mut()
                .rev()
                .find(|client| client.address == destination);
            let Some(client) = client else {
                self.nowhere.push((destination, datagram));
                continue;
            };
            client.witness(&datagram);
            let arrivals = match client.behind {
                Some(Person(other)) => self.people[other].down.carry(self.now, datagram.len()),
                None => client.down.carry(self.now, datagram.len()),
            };
            for at in arrivals {
                self.order += 1;
                let travelling = Travelling::Down {
                    destination,
                    datagram: datagram.clone(),
                };
                self.travelling.push(Reverse((at, self.order, travelling)));
            }
        }
        any
    }
}
