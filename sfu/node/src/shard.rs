//! One thread per shard: it owns the shard's sockets, sleeps until something is there, and never waits for anybody.
//!
//! What crosses its border:
//! - commands of the control side come in by a queue of [`COMMANDS_MAX`]; none is ever dropped, the control side waits;
//! - events for the control side go out by a queue of [`EVENTS_MAX`]; when it is full they stay in the shard, which
//!   tries again [`EVENT_RETRY`] later;
//! - messages of data channels go out by a queue of [`DATA_MAX`]; when it is full they stay with their peers, whose
//!   windows close;
//! - messages to neighbours go out by a queue of [`NEIGHBOURS_MAX`] per shard; they carry packets and requests for
//!   key frames, so what does not fit is dropped and counted, as on a network.

use crate::forwarding::{Samples, Stopwatch};
use crate::metrics::{FIRS, NACKS, PACKET_BYTES, PACKETS, PLIS};
use crate::net::{MediaSocket, Ready, Sender, Slab, Waiter, Waker};
use crate::secure::DtlsTransports;
use hanse_runtime::clock;
use hanse_sfu_core::ids::ShardId;
use hanse_sfu_core::shard::{NeighbourMessage, Shard, ShardCommand, ShardConfig, ShardCounters, ShardEvent};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as threads;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Commands that may wait for one shard. One join of a person into a room of a hundred makes a few hundred. More cost
/// memory, fewer make the control side wait more often.
pub const COMMANDS_MAX: usize = 8192;

/// Events of all shards that may wait for the control side: a loudness a talking person every 400 ms, a quality a
/// person every 5 s.
pub const EVENTS_MAX: usize = 16_384;

/// Messages of data channels, of all shards, that may wait for the control side: at most 32 MiB. It takes this many in
/// some milliseconds; more would only make messages later.
pub const DATA_MAX: usize = 512;

/// Messages that may wait for one shard from its neighbours: about 40 ms of a busy shard's traffic. More would only
/// make late media later.
pub const NEIGHBOURS_MAX: usize = 4096;

/// How long a shard sleeps at most while an event or a message does not fit into its queue.
const EVENT_RETRY: Duration = Duration::from_millis(10);

/// Commands and neighbours' messages that are taken per wake-up, so that a flood of them leaves room for datagrams.
const MESSAGES_PER_TURN: usize = 256;

/// Peers whose address on our side is remembered, twice: when this many are known, the older half is forgotten. Each
/// answers for itself again with its next STUN check, 2.5 s later at most.
const ROUTES_MAX: usize = 16_384;

/// How often a shard that works adds what it has counted to the metrics.
const COUNT_INTERVAL: Duration = Duration::from_secs(2);

/// How the control side reaches one shard.
pub struct ShardLink {
    /// Commands, in order.
    pub commands: mpsc::Sender<ShardCommand>,
    /// To be called after a command was put in.
    pub waker: Waker,
}

/// How one shard reaches another.
#[derive(Clone)]
struct NeighbourLink {
    messages: threads::SyncSender<(ShardId, NeighbourMessage)>,
    waker: Waker,
}

/// Where what all shards have to say goes.
pub struct Listeners {
    /// At most [`EVENTS_MAX`].
    pub events: mpsc::Sender<(ShardId, ShardEvent)>,
    /// Messages of data channels; at most [`DATA_MAX`].
    pub data: mpsc::Sender<(ShardId, ShardEvent)>,
    /// How long media stays in the shards; at most [`LISTS_MAX`](crate::forwarding::LISTS_MAX).
    pub(crate) forwarded: mpsc::Sender<Samples>,
    /// A shard that ended without having been told to.
    pub gone: mpsc::Sender<ShardId>,
}

/// All shards of a node.
pub struct Shards {
    threads: Vec<JoinHandle<()>>,
    wakers: Vec<Waker>,
    stop: Arc<AtomicBool>,
}

/// Shards to run: what was configured, or (0) one on a machine of up to two cores and otherwise all cores but one, which
/// is left for signalling and the kernel.
pub fn shard_count(configured: u16, cores: usize) -> u16 {
    match configured {
        0 if cores <= 2 => 1,
        0 => u16::try_from(cores - 1).unwrap_or(u16::MAX),
        count => count,
    }
}

impl Shards {
    /// Starts one thread for each set of sockets.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors or threads left.
    pub fn start(
        sockets: Vec<Vec<MediaSocket>>,
        transports: &DtlsTransports,
        seeds: impl Fn() -> io::Result<[u8; 32]>,
        listeners: &Listeners,
    ) -> io::Result<(Self, Vec<ShardLink>)> {
        let count = u16::try_from(sockets.len()).map_err(io::Error::other)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut waiters = Vec::new();
        let mut neighbours = Vec::new();
        let mut inboxes = Vec::new();
        for sockets in &sockets {
            let waiter = Waiter::new(sockets)?;
            let (messages, inbox) = threads::sync_channel(NEIGHBOURS_MAX);
            neighbours.push(NeighbourLink {
                messages,
                waker: waiter.waker(),
            });
            inboxes.push(inbox);
            waiters.push(waiter);
        }
        let mut shards = Shards {
            threads: Vec::new(),
            wakers: Vec::new(),
            stop: Arc::clone(&stop),
        };
        let mut links = Vec::new();
        for (((id, sockets), waiter), inbox) in (0..count).zip(sockets).zip(waiters).zip(inboxes) {
            let (commands, orders) = mpsc::channel(COMMANDS_MAX);
            links.push(ShardLink {
                commands,
                waker: waiter.waker(),
            });
            shards.wakers.push(waiter.waker());
            let config = ShardConfig {
                id: ShardId(id),
                seed: seeds()?,
            };
            let farewell = Farewell {
                id: config.id,
                stop: Arc::clone(&stop),
                gone: listeners.gone.clone(),
            };
            let (neighbours, transports) = (neighbours.clone(), transports.clone());
            let (events, data) = (listeners.events.clone(), listeners.data.clone());
            let forwarded = listeners.forwarded.clone();
            let stop = Arc::clone(&stop);
            let thread = std::thread::Builder::new()
                .name(format!("shard-{id}"))
                .spawn(move || {
                    let _farewell = farewell;
                    let now = clock::now();
                    let worker = Worker {
                        id: ShardId(id),
                        shard: Shard::new(now, config, Box::new(transports)),
                        ports: sockets
                            .into_iter()
                            .map(|socket| Port {
                                socket,
                                sender: Sender::new(),
                            })
                            .collect(),
                        waiter,
                        slab: Slab::new(),
                        routes: Routes::default(),
                        orders,
                        inbox,
                        neighbours,
                        events,
                        data,
                        held: None,
                        data_waits: false,
                        neighbours_dropped: 0,
                        counted: ShardCounters::default(),
                        counted_at: now,
                        stopwatch: Stopwatch::default(),
                        forwarded,
                        #[cfg(feature = "debug-tap")]
                        tap: crate::tap::Tap::from_environment(),
                        #[cfg(feature = "debug-tap")]
                        recorder: crate::tap::Recorder::from_environment(ShardId(id)),
                    };
                    if let Err(error) = worker.run(now, &stop) {
                        tracing::error!(shard = id, %error, "a shard cannot go on");
                    }
                })?;
            shards.threads.push(thread);
        }
        Ok((shards, links))
    }

    /// Ends all threads and waits for them. What they still had to send is lost.
    pub fn stop(mut self) {
        self.tell();
        for thread in std::mem::take(&mut self.threads) {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }

    fn tell(&self) {
        self.stop.store(true, Ordering::Relaxed);
        for waker in &self.wakers {
            waker.wake();
        }
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Reports a thread that ends unasked, be it by an error or by a panic.
struct Farewell {
    id: ShardId,
    stop: Arc<AtomicBool>,
    gone: mpsc::Sender<ShardId>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if !self.stop.load(Ordering::Relaxed) {
            // A full queue means that it is known already.
            let _ = self.gone.try_send(self.id);
        }
    }
}

struct Port {
    socket: MediaSocket,
    sender: Sender,
}

struct Worker {
    id: ShardId,
    shard: Shard,
    ports: Vec<Port>,
    waiter: Waiter,
    slab: Slab,
    routes: Routes,
    orders: mpsc::Receiver<ShardCommand>,
    inbox: threads::Receiver<(ShardId, NeighbourMessage)>,
    neighbours: Vec<NeighbourLink>,
    events: mpsc::Sender<(ShardId, ShardEvent)>,
    data: mpsc::Sender<(ShardId, ShardEvent)>,
    /// An event that did not fit into the queue.
    held: Option<ShardEvent>,
    /// There may be messages that did not fit into their queue.
    data_waits: bool,
    neighbours_dropped: u64,
    /// What the metrics have of it.
    counted: ShardCounters,
    counted_at: Instant,
    stopwatch: Stopwatch,
    forwarded: mpsc::Sender<Samples>,
    #[cfg(feature = "debug-tap")]
    tap: Option<crate::tap::Tap>,
    #[cfg(feature = "debug-tap")]
    recorder: Option<crate::tap::Recorder>,
}

impl Worker {
    /// One turn per wake-up: the clock is read once, then everything that came is taken in, and everything that is due
    /// goes out.
    fn run(mut self, mut now: Instant, stop: &AtomicBool) -> io::Result<()> {
        let mut busy = false;
        while !stop.load(Ordering::Relaxed) {
            let timeout = match self.shard.poll_timeout() {
                _ if busy => Some(Duration::ZERO),
                Some(at) => Some(at.saturating_duration_since(now)),
                None => None,
            };
            // Before a sleep without end, too: nobody would count the rest.
            if timeout.is_none() || now.saturating_duration_since(self.counted_at) >= COUNT_INTERVAL {
                self.count(now);
            }
            let timeout = if self.held.is_some() || self.data_waits {
                Some(timeout.map_or(EVENT_RETRY, |timeout| timeout.min(EVENT_RETRY)))
            } else {
                timeout
            };
            let ready = self.waiter.wait(timeout)?;
            now = clock::now();
            // A client's first check may come with the command that tells of its connection: it is to find it.
            busy = self.take_messages(now);
            self.receive(now, ready);
            if self.shard.poll_timeout().is_some_and(|at| at <= now) {
                self.shard.handle_timeout(now);
            }
            self.send_timed(now);
            self.report();
            self.pass_data(now);
            self.tell_neighbours();
            #[cfg(feature = "debug-tap")]
            if let Some(tap) = &mut self.tap {
                tap.drain(&mut self.shard);
            }
            #[cfg(feature = "debug-tap")]
            if let Some(recorder) = &mut self.recorder {
                recorder.drain(now, &mut self.shard);
            }
        }
        Ok(())
    }

    /// Adds what has been counted since the last time to the metrics; nothing is shared while packets are carried.
    fn count(&mut self, now: Instant) {
        let counters = self.shard.counters();
        let fresh = counters.combine(self.counted, u64::saturating_sub);
        self.counted = counters;
        self.counted_at = now;
        for (direction, transmission, packets, bytes) in [
            ("incoming", "initial", fresh.packets_in, fresh.bytes_in),
            ("incoming", "retransmit", fresh.repairs_in, fresh.repair_bytes_in),
            (
                "outgoing",
                "initial",
                fresh.packets_forwarded,
                fresh.bytes_forwarded,
            ),
            (
                "outgoing",
                "retransmit",
                fresh.packets_repaired,
                fresh.bytes_repaired,
            ),
            ("outgoing", "padding", fresh.packets_probed, fresh.bytes_probed),
        ] {
            if packets > 0 {
                PACKETS.add(packets, [direction.into(), transmission.into()]);
                PACKET_BYTES.add(bytes, [direction.into(), transmission.into()]);
            }
        }
        let samples = self.stopwatch.take();
        if !samples.is_empty() {
            // They are a few of many: what does not fit is not missed.
            drop(self.forwarded.try_send(samples));
        }
        for (metric, direction, number) in [
            (NACKS, "incoming", fresh.nacks_in),
            (NACKS, "outgoing", fresh.nacks_out),
            (PLIS, "incoming", fresh.plis_in),
            (PLIS, "outgoing", fresh.plis_out),
            (FIRS, "incoming", fresh.firs_in),
        ] {
            if number > 0 {
                metric.add(number, [direction.into()]);
            }
        }
    }

    fn receive(&mut self, now: Instant, ready: Ready) {
        for (port, ready) in self.ports.iter().zip(ready.sockets) {
            if !ready {
                continue;
            }
            // Errors of a UDP socket are echoes of what was sent (ICMP); the next call goes on.
            if let Ok(1..) = self.slab.receive(&port.socket) {
                let (shard, routes) = (&mut self.shard, &mut self.routes);
                self.slab.drain(|source, local, datagram| {
                    routes.learn(source, local, datagram);
                    shard.handle_datagram(now, source, datagram);
                });
            }
        }
    }

    /// Whether there may be more.
    fn take_messages(&mut self, now: Instant) -> bool {
        let mut taken = 0;
        while taken < MESSAGES_PER_TURN
            && let Ok(command) = self.orders.try_recv()
        {
            self.shard.handle_command(now, command);
            taken += 1;
        }
        let mut heard = 0;
        while heard < MESSAGES_PER_TURN
            && let Ok((from, message)) = self.inbox.try_recv()
        {
            self.shard.handle_neighbour(now, from, message);
            heard += 1;
        }
        taken == MESSAGES_PER_TURN || heard == MESSAGES_PER_TURN
    }

    /// Sends what there is; now and then says how long that took since it was there.
    fn send_timed(&mut self, now: Instant) {
        if !self.stopwatch.is_due(now) {
            return self.send(now);
        }
        let before = self.shard.counters().packets_forwarded;
        self.send(now);
        if self.shard.counters().packets_forwarded != before {
            self.stopwatch.note(now, clock::now());
        }
    }

    fn send(&mut self, now: Instant) {
        while let Some(batch) = self.shard.poll_batch(now) {
            for port in &mut self.ports {
                let ours = port.socket.local().is_ipv4();
                let trains = batch
                    .trains
                    .iter()
                    .filter(|train| train.destination.is_ipv4() == ours);
                let routes = &self.routes;
                port.sender
                    .send(&port.socket, batch.bytes, trains, |to| routes.source(to));
            }
        }
    }

    fn report(&mut self) {
        while let Some(event) = self.held.take().or_else(|| self.shard.poll_event()) {
            match self.events.try_send((self.id, event)) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full((_, event))) => {
                    self.held = Some(event);
                    return;
                }
                // The node is stopping.
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
    }

    fn pass_data(&mut self, now: Instant) {
        loop {
            let room = match self.data.try_reserve() {
                Ok(room) => room,
                Err(full) => {
                    self.data_waits = matches!(full, mpsc::error::TrySendError::Full(()));
                    return;
                }
            };
            let Some(message) = self.shard.poll_data(now) else {
                self.data_waits = false;
                return;
            };
            room.send((self.id, ShardEvent::Media(message)));
        }
    }

    fn tell_neighbours(&mut self) {
        while let Some((to, message)) = self.shard.poll_neighbour() {
            let Some(link) = self.neighbours.get(usize::from(to.0)) else {
                continue;
            };
            if link.messages.try_send((self.id, message)).is_err() {
                self.neighbours_dropped += 1;
                if self.neighbours_dropped.is_power_of_two() {
                    let (dropped, to) = (self.neighbours_dropped, to.0);
                    tracing::warn!(
                        shard = self.id.0,
                        to,
                        dropped,
                        "a neighbouring shard does not keep up"
                    );
                }
                continue;
            }
            link.waker.wake();
        }
    }
}

/// To which of our addresses each peer speaks, on sockets that are bound to all of them: the answer has to leave from
/// the same one. Learned from STUN only (RFC 7983: first byte 0 to 3), because checks come on the path that is in
/// use and are rare, so media costs nothing here.
#[derive(Default)]
struct Routes {
    recent: HashMap<SocketAddr, IpAddr>,
    older: HashMap<SocketAddr, IpAddr>,
}

impl Routes {
    fn learn(&mut self, peer: SocketAddr, local: Option<IpAddr>, datagram: &[u8]) {
        let (Some(local), Some(0..=3)) = (local, datagram.first()) else {
            return;
        };
        if self.recent.len() >= ROUTES_MAX && !self.recent.contains_key(&peer) {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(peer, local);
    }

    fn source(&self, peer: &SocketAddr) -> Option<IpAddr> {
        self.recent.get(peer).or_else(|| self.older.get(peer)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_has_one_shard_and_a_large_one_leaves_a_core_free() {
        assert_eq!([1, 2, 3, 16].map(|cores| shard_count(0, cores)), [1, 1, 2, 15]);
        assert_eq!(shard_count(5, 2), 5);
    }

    #[test]
    fn the_answering_address_is_learned_from_stun_only_and_memory_is_bounded() {
        let local: IpAddr = "192.0.2.2".parse().unwrap();
        let peer = |port: u16| SocketAddr::from(([192, 0, 2, 9], port));
        let mut routes = Routes::default();
        routes.learn(peer(1), Some(local), &[0, 1]);
        routes.learn(peer(2), Some(local), &[128]);
        routes.learn(peer(3), None, &[0, 1]);
        assert_eq!(routes.source(&peer(1)), Some(local));
        assert_eq!(routes.source(&peer(2)), None);
        assert_eq!(routes.source(&peer(3)), None);
        for port in 0..=u16::MAX {
            routes.learn(peer(port), Some(local), &[0, 1]);
        }
        assert!(routes.recent.len() <= ROUTES_MAX && routes.older.len() <= ROUTES_MAX);
        assert_eq!(routes.source(&peer(u16::MAX)), Some(local));
    }
}
