//! ICE over TCP (RFC 6544), passive, for people whose network lets no UDP through.
//!
//! **In:** TCP streams with framed packets (RFC 4571). **Out:** the same packets as datagrams to our own media port, from a
//! UDP socket that each stream has for itself; and back. To the shards a stream is a peer like any other, whichever shard
//! the kernel or the room put it on. It costs a packet a second way through the kernel, for those few who have no other way
//! at all. Streams come from ports of their own, or from the port of TLS, which knows them by their first bytes
//! (`crate::tls`).
//!
//! What waits for a slow stream is in the kernel's buffer of its UDP socket, which drops what does not fit: media that
//! is late is worth nothing, and a loss tells the sender to send less.
//!
//! Behind each check it writes where the stream comes from (`hanse_sfu_core::carried`), because that is what the answer has to name.
//! Else it never looks behind the first bytes of a packet, and believes nobody: a stream that begins with anything but checks,
//! or whose checks no shard answers, is closed.

mod frames;
#[cfg(test)]
mod tests;

use crate::http::Places;
use frames::Frames;
use hanse_sfu_core::carried::peer_bytes;
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

pub use frames::{FRAME_BYTES_MAX, HEADER};

/// Media streams over TCP at a time; each costs two descriptors and about 300 KB of the kernel's memory at worst.
pub const STREAMS_MAX: usize = 4096;

/// How many of them one address may have, in IPv6 one network: a whole organisation may be behind one.
pub const STREAMS_PER_ADDRESS_MAX: usize = 1024;

/// Streams at a time of which no shard has answered a check yet. Beyond: closed at once.
pub const UNPROVEN_MAX: usize = 512;

/// How many of them one address may have.
pub const UNPROVEN_PER_ADDRESS_MAX: usize = 64;

/// How long a stream may take until a shard answers one of its checks. Clients send the first at once.
pub const PROOF_TIMEOUT: Duration = Duration::from_secs(5);

/// A stream on which nothing comes for this long is closed. Clients check every few seconds (RFC 7675, section 5.1).
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A stream that takes nothing for this long is closed.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes that the kernel may have under way on a stream: 3.5 Mbit/s at a round trip of 300 ms. More would only make media
/// later when the network has less to give.
pub const SEND_BUFFER: usize = 128 * 1024;

/// Bytes written to a stream at once.
const WRITE_MAX: usize = 16 * 1024;

/// How a binding request begins (RFC 8489, section 5).
pub(crate) const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];

/// What every message of STUN has in its bytes 4 to 7.
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// After a failed `accept` (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Streams that wait to be taken in from another port. Beyond: closed at once.
const ARRIVALS_MAX: usize = 64;

/// A stream from another port.
pub(crate) struct Arrival {
    /// The stream.
    pub stream: TcpStream,
    /// Who is at its other end.
    pub peer: SocketAddr,
    /// What has been read of it.
    pub begun: Vec<u8>,
}

/// Streams of clients, and the tasks that accept them. Dropping it ends all.
pub(crate) struct IceTcp {
    accepting: Vec<JoinHandle<()>>,
    arrivals: mpsc::Sender<Arrival>,
}

impl IceTcp {
    /// Accepts streams for the media port that is bound to `media`.
    pub fn start(listeners: Vec<TcpListener>, media: SocketAddr) -> Self {
        let doors = Doors {
            media: reachable(media),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            places: Places::new(STREAMS_PER_ADDRESS_MAX),
            unproven: Arc::new(Semaphore::new(UNPROVEN_MAX)),
            unproven_places: Places::new(UNPROVEN_PER_ADDRESS_MAX),
        };
        let (arrivals, arriving) = mpsc::channel(ARRIVALS_MAX);
        let mut accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| tokio::spawn(accept(listener, doors.clone())))
            .collect();
        accepting.push(tokio::spawn(take_in(arriving, doors)));
        IceTcp { accepting, arrivals }
    }

    /// Where streams of another port go; the same limits hold for them.
    pub fn arrivals(&self) -> mpsc::Sender<Arrival> {
        self.arrivals.clone()
    }

    /// Ends all; the ports are free afterwards.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.accepting) {
            task.abort();
            // It has ended either way.
            let _ = task.await;
        }
    }
}

impl Drop for IceTcp {
    fn drop(&mut self) {
        for task in &self.accepting {
            task.abort();
        }
    }
}

/// Where we reach a socket of our own: a wildcard is reached on this machine.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// Who may come in.
#[derive(Clone)]
struct Doors {
    media: SocketAddr,
    streams: Arc<Semaphore>,
    places: Places,
    unproven: Arc<Semaphore>,
    unproven_places: Places,
}

/// What a stream holds until it ends, or until it is proven.
type Place = (OwnedSemaphorePermit, crate::http::Place);

impl Doors {
    /// Places among all streams and among those that have proven nothing.
    fn admit(&self, address: IpAddr) -> Option<(Place, Place)> {
        let take = |all: &Arc<Semaphore>, places: &Places| {
            Some((Arc::clone(all).try_acquire_owned().ok()?, places.take(address)?))
        };
        Some((
            take(&self.streams, &self.places)?,
            take(&self.unproven, &self.unproven_places)?,
        ))
    }

    /// Carries the packets of a stream, if there is a place for it; else it is closed.
    fn open(&self, arrival: Arrival, streams: &mut JoinSet<()>) {
        while streams.try_join_next().is_some() {}
        let Some((place, unproven)) = self.admit(arrival.peer.ip()) else {
            return;
        };
        let media = self.media;
        streams.spawn(async move {
            let _place = place;
            // However it ends, the shard notices that nothing comes any more.
            let _ = carry(arrival, media, unproven).await;
        });
    }
}

async fn accept(listener: TcpListener, doors: Doors) {
    let mut streams = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let begun = Vec::new();
                doors.open(Arrival { stream, peer, begun }, &mut streams);
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn take_in(mut arriving: mpsc::Receiver<Arrival>, doors: Doors) {
    let mut streams = JoinSet::new();
    while let Some(arrival) = arriving.recv().await {
        doors.open(arrival, &mut streams);
    }
}

/// Carries packets both ways until the stream ends or breaks a rule.
async fn carry(arrival: Arrival, media: SocketAddr, unproven: Place) -> io::Result<()> {
    let Arrival {
        mut stream,
        peer,
        begun,
    } = arrival;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
    let any: IpAddr = match media {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(media).await?;
    let (reader, writer) = stream.split();
    let mut frames = Frames::after(&begun, reader);
    timeout(PROOF_TIMEOUT, prove(&mut frames, peer, &socket)).await??;
    drop(unproven);
    // Each way for itself: who does not read may still be heard.
    tokio::select! {
        end = carry_in(&mut frames, peer, &socket) => end,
        end = carry_out(&socket, writer) => end,
    }
}

/// Passes checks on until there is an answer: shards answer those only that know a connection's password.
async fn prove(frames: &mut Frames<ReadHalf<'_>>, peer: SocketAddr, socket: &UdpSocket) -> io::Result<()> {
    loop {
        tokio::select! {
            frame = frames.next() => {
                let mut frame = frame?;
                if !is_check(&frame) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                frame.extend_from_slice(&peer_bytes(peer));
                socket.send(&frame).await?;
            }
            answer = socket.readable() => return answer,
        }
    }
}

/// Whether it begins as a binding request does (RFC 8489, section 5).
fn is_check(packet: &[u8]) -> bool {
    packet.starts_with(&BINDING_REQUEST) && packet.get(4..8) == Some(&MAGIC_COOKIE)
}

async fn carry_in(frames: &mut Frames<ReadHalf<'_>>, peer: SocketAddr, socket: &UdpSocket) -> io::Result<()> {
    loop {
        let mut frame = timeout(SILENCE_MAX, frames.next()).await??;
        if is_check(&frame) {
            frame.extend_from_slice(&peer_bytes(peer));
        }
        socket.send(&frame).await?;
    }
}

async fn carry_out(socket: &UdpSocket, mut writer: WriteHalf<'_>) -> io::Result<()> {
    let mut packet = [0; FRAME_BYTES_MAX];
    let mut bytes = Vec::with_capacity(WRITE_MAX);
    loop {
        socket.readable().await?;
        bytes.clear();
        while bytes.len() + HEADER + FRAME_BYTES_MAX <= WRITE_MAX {
            match socket.try_recv(&mut packet) {
                Ok(len) => {
                    bytes.extend_from_slice(&(len as u16).to_be_bytes());
                    bytes.extend_from_slice(packet.get(..len).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        timeout(WRITE_TIMEOUT, writer.write_all(&bytes)).await??;
    }
}
