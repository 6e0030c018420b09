//! Sending trains: many datagrams to many destinations with one system call, and datagrams of one size to one
//! destination as one message that the kernel or the network card cuts (UDP_SEGMENT, "GSO").

use super::control::{self, ControlBuffer};
use super::socket::MediaSocket;
use hanse_sfu_core::shard::Train;
use std::mem::zeroed;
use std::net::{IpAddr, SocketAddr};

/// Messages that one call sends at most. Each is a whole train.
const SEND_BATCH: usize = 64;

/// Datagrams in one train at most (UDP_MAX_SEGMENTS of older kernels); longer trains are cut.
const SEGMENTS_MAX: usize = 64;

/// A train of several datagrams that the kernel refuses with "invalid argument" may only have met a path with a
/// smaller MTU. After this many in a row, with none accepted in between, the socket gives trains up.
const REFUSALS_MAX: u8 = 16;

/// What became of datagrams, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// Handed to the kernel.
    pub sent: u64,
    /// Dropped because the send buffer was full. Waiting would hold up everybody on the shard; media that is late is
    /// worth nothing, and what matters is asked for again.
    pub dropped_full: u64,
    /// Refused by the kernel for another reason (no route, forbidden by a firewall).
    pub failed: u64,
}

/// One message that waits for the next call: a train or a datagram.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    len: usize,
    /// 0: a plain datagram.
    segment: usize,
    source: Option<IpAddr>,
}

impl Entry {
    fn datagrams(&self) -> u64 {
        if self.segment == 0 {
            1
        } else {
            self.len.div_ceil(self.segment) as u64
        }
    }
}

/// The sending half of one socket: room for one call, reused, and what the kernel has taught us.
pub struct Sender {
    entries: Vec<Entry>,
    names: Box<[libc::sockaddr_storage; SEND_BATCH]>,
    vectors: Box<[libc::iovec; SEND_BATCH]>,
    controls: Box<[ControlBuffer; SEND_BATCH]>,
    headers: Box<[libc::mmsghdr; SEND_BATCH]>,
    trains: bool,
    refusals: u8,
    counters: SendCounters,
}

impl Default for Sender {
    fn default() -> Self {
        Sender::new()
    }
}

impl Sender {
    /// For a new socket.
    pub fn new() -> Self {
        Sender {
            entries: Vec::with_capacity(SEND_BATCH),
            // SAFETY: all-zero is a valid value of these C structs.
            names: Box::new(unsafe { zeroed() }),
            // SAFETY: as above.
            vectors: Box::new(unsafe { zeroed() }),
            controls: Box::new([ControlBuffer::EMPTY; SEND_BATCH]),
            // SAFETY: as above.
            headers: Box::new(unsafe { zeroed() }),
            trains: true,
            refusals: 0,
            counters: SendCounters::default(),
        }
    }

    /// What became of everything so far.
    pub fn counters(&self) -> SendCounters {
        self.counters
    }

    /// Whether the kernel still takes trains on this socket.
    pub fn sends_trains(&self) -> bool {
        self.trains
    }

    /// Sends trains that lie in `bytes`, in order; never waits. `source` says from which of our addresses to answer a
    /// peer; `None` leaves it to the kernel.
    pub fn send<'a>(
        &mut self,
        socket: &MediaSocket,
        bytes: &[u8],
        trains: impl Iterator<Item = &'a Train>,
        source: impl Fn(&SocketAddr) -> Option<IpAddr>,
    ) {
        for train in trains {
            let Some(end) = train.start.checked_add(train.len) else {
                continue;
            };
            if end > bytes.len() || train.len == 0 {
                continue;
            }
            let segment = if train.segment == 0 {
                train.len
            } else {
                train.segment
            };
            let source = source(&train.destination);
            let piece_max = if self.trains {
                segment.saturating_mul(SEGMENTS_MAX)
            } else {
                segment
            };
            let mut start = train.start;
            while start < end {
                let len = (end - start).min(piece_max);
                let segment = if len > segment { segment } else { 0 };
                self.push(
                    socket,
                    bytes,
                    &train.destination,
                    Entry {
                        start,
                        len,
                        segment,
                        source,
                    },
                );
                start += len;
            }
        }
        self.flush(socket, bytes);
    }

    fn push(&mut self, socket: &MediaSocket, bytes: &[u8], destination: &SocketAddr, entry: Entry) {
        if self.entries.len() == SEND_BATCH {
            self.flush(socket, bytes);
        }
        let index = self.entries.len();
        let (Some(name), Some(header)) = (self.names.get_mut(index), self.headers.get_mut(index)) else {
            return;
        };
        header.msg_hdr.msg_namelen = write_name(name, destination);
        self.entries.push(entry);
    }

    /// Points header `index` at its parts. Done right before the call, so that no pointer outlives what it points to.
    fn point(&mut self, index: usize, bytes: &[u8], entry: Entry) {
        let (Some(name), Some(vector), Some(control), Some(header), Some(payload)) = (
            self.names.get_mut(index),
            self.vectors.get_mut(index),
            self.controls.get_mut(index),
            self.headers.get_mut(index),
            bytes.get(entry.start..entry.start + entry.len),
        ) else {
            return;
        };
        let segment = (entry.segment != 0).then(|| u16::try_from(entry.segment).unwrap_or(u16::MAX));
        let control_len = control::write(control, entry.source, segment);
        // The kernel only reads through it.
        vector.iov_base = payload.as_ptr().cast_mut().cast();
        vector.iov_len = payload.len();
        header.msg_hdr.msg_name = (&raw mut *name).cast();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = if control_len == 0 {
            std::ptr::null_mut()
        } else {
            control.0.as_mut_ptr().cast()
        };
        header.msg_hdr.msg_controllen = control_len as _;
        header.msg_hdr.msg_flags = 0;
    }

    fn flush(&mut self, socket: &MediaSocket, bytes: &[u8]) {
        let count = self.entries.len();
        for index in 0..count {
            if let Some(&entry) = self.entries.get(index) {
                self.point(index, bytes, entry);
            }
        }
        let mut start = 0;
        while let Some(&first) = self.entries.get(start) {
            match self.call(socket, start, count - start) {
                Ok(sent) => {
                    for entry in self.entries.iter().skip(start).take(sent) {
                        self.counters.sent += entry.datagrams();
                        if entry.segment != 0 {
                            self.refusals = 0;
                        }
                    }
                    start += sent.max(1);
                }
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN | libc::ENOBUFS) => {
                    self.counters.dropped_full +=
                        self.entries.iter().skip(start).map(Entry::datagrams).sum::<u64>();
                    break;
                }
                Err(error) if first.segment != 0 && refuses_train(error) => {
                    self.note_refusal(socket, error);
                    self.send_apart(socket, bytes, start, first);
                    start += 1;
                }
                Err(_) => {
                    self.counters.failed += first.datagrams();
                    start += 1;
                }
            }
        }
        self.entries.clear();
    }

    /// Sends a refused train as single datagrams, through the slot that it already has.
    fn send_apart(&mut self, socket: &MediaSocket, bytes: &[u8], index: usize, train: Entry) {
        let end = train.start + train.len;
        let mut start = train.start;
        while start < end {
            let len = (end - start).min(train.segment);
            self.point(
                index,
                bytes,
                Entry {
                    start,
                    len,
                    segment: 0,
                    source: train.source,
                },
            );
            match self.call(socket, index, 1) {
                Ok(_) => self.counters.sent += 1,
                Err(libc::EAGAIN | libc::ENOBUFS) => self.counters.dropped_full += 1,
                Err(_) => self.counters.failed += 1,
            }
            start += len;
        }
    }

    fn note_refusal(&mut self, socket: &MediaSocket, error: i32) {
        self.refusals += 1;
        if error == libc::EINVAL && self.refusals < REFUSALS_MAX {
            return;
        }
        if self.trains {
            self.trains = false;
            tracing::warn!(
                port = socket.local().port(),
                error,
                "the kernel refuses trains of datagrams (UDP_SEGMENT) on this socket: each goes alone from now on, \
                 which costs more CPU"
            );
        }
    }

    /// One `sendmmsg`, from header `start`; the number of messages sent, or the error number of the first.
    fn call(&mut self, socket: &MediaSocket, start: usize, count: usize) -> Result<usize, i32> {
        let Some(headers) = self.headers.get_mut(start..start + count) else {
            return Err(libc::EINVAL);
        };
        // SAFETY: `point` has aimed each of these headers at its name, vector and control buffer in `self` and at a
        // payload in the caller's arena; all of them outlive the call, and the count is the length of the slice.
        let result = unsafe {
            libc::sendmmsg(
                socket.raw(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(result).map_err(|_| {
            std::io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO)
        })
    }
}

/// Whether an error may mean "not as a train": the device cannot checksum it (EIO), the kernel or the protocol does
/// not know it, or a segment is larger than the path allows (EINVAL).
fn refuses_train(error: i32) -> bool {
    matches!(
        error,
        libc::EIO | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOPROTOOPT | libc::EMSGSIZE
    )
}

fn write_name(name: &mut libc::sockaddr_storage, address: &SocketAddr) -> libc::socklen_t {
    let pointer: *mut libc::sockaddr_storage = name;
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: the storage is larger than every socket address and aligned for all; all-zero is valid for it.
            let name = unsafe {
                pointer.write(zeroed());
                &mut *pointer.cast::<libc::sockaddr_in>()
            };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = address.port().to_be();
            name.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(address) => {
            // SAFETY: as above.
            let name = unsafe {
                pointer.write(zeroed());
                &mut *pointer.cast::<libc::sockaddr_in6>()
            };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = address.port().to_be();
            name.sin6_addr.s6_addr = address.ip().octets();
            name.sin6_scope_id = address.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}
