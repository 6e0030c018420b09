//! Receiving up to 64 datagrams with one system call.

use super::control::{self, CONTROL_SIZE, ControlBuffer};
use super::socket::MediaSocket;
use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, SocketAddr};

/// Datagrams that one call receives at most.
pub const RECEIVE_BATCH: usize = 64;

/// Bytes of one slot. WebRTC keeps datagrams below 1,500 bytes; one that does not fit is dropped and counted.
pub const SLOT_SIZE: usize = 2048;

/// Room for one batch of received datagrams, reused for every call.
pub struct Slab {
    bytes: Box<[[u8; SLOT_SIZE]; RECEIVE_BATCH]>,
    names: Box<[libc::sockaddr_storage; RECEIVE_BATCH]>,
    vectors: Box<[libc::iovec; RECEIVE_BATCH]>,
    controls: Box<[ControlBuffer; RECEIVE_BATCH]>,
    headers: Box<[libc::mmsghdr; RECEIVE_BATCH]>,
    received: usize,
    oversized: u64,
}

impl Default for Slab {
    fn default() -> Self {
        Slab::new()
    }
}

impl Slab {
    /// An empty slab.
    pub fn new() -> Self {
        Slab {
            bytes: Box::new([[0; SLOT_SIZE]; RECEIVE_BATCH]),
            // SAFETY: all-zero is a valid value of these C structs.
            names: Box::new(unsafe { zeroed() }),
            // SAFETY: as above.
            vectors: Box::new(unsafe { zeroed() }),
            controls: Box::new([ControlBuffer::EMPTY; RECEIVE_BATCH]),
            // SAFETY: as above.
            headers: Box::new(unsafe { zeroed() }),
            received: 0,
            oversized: 0,
        }
    }

    /// Takes what the socket has, at most [`RECEIVE_BATCH`], and returns how many came; 0 when there is nothing.
    ///
    /// # Errors
    ///
    /// As `recvmmsg(2)`, except that "try again" and "interrupted" are 0.
    pub fn receive(&mut self, socket: &MediaSocket) -> io::Result<usize> {
        self.received = 0;
        let slots = self
            .bytes
            .iter_mut()
            .zip(self.names.iter_mut())
            .zip(self.vectors.iter_mut());
        for (((bytes, name), vector), (control, header)) in
            slots.zip(self.controls.iter_mut().zip(self.headers.iter_mut()))
        {
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = SLOT_SIZE;
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_SIZE as _;
        }
        // SAFETY: the loop above has pointed every header to its own slot, name, vector and control buffer, all of which
        // live in `self`; the count is the number of headers; no timeout is given.
        let result = unsafe {
            libc::recvmmsg(
                socket.raw(),
                self.headers.as_mut_ptr(),
                RECEIVE_BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        match usize::try_from(result) {
            Ok(count) => {
                self.received = count.min(RECEIVE_BATCH);
                Ok(self.received)
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                    _ => Err(error),
                }
            }
        }
    }

    /// Hands over each datagram of the last [`Slab::receive`]: who sent it, to which of our addresses (when the socket
    /// tells), and its bytes. Those that were larger than a slot are left out.
    pub fn drain(&mut self, mut take: impl FnMut(SocketAddr, Option<IpAddr>, &mut [u8])) {
        let slots = self
            .bytes
            .iter_mut()
            .zip(self.names.iter())
            .zip(self.headers.iter());
        for ((bytes, name), header) in slots.take(self.received) {
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                self.oversized += 1;
                continue;
            }
            let Some(source) = address(name) else { continue };
            let Some(datagram) = bytes.get_mut(..header.msg_len as usize) else {
                continue;
            };
            take(source, control::local_address(&header.msg_hdr), datagram);
        }
        self.received = 0;
    }

    /// Datagrams that did not fit into a slot, since the start.
    pub fn oversized(&self) -> u64 {
        self.oversized
    }
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let pointer: *const libc::sockaddr_storage = name;
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the storage is larger than every socket address, aligned for all, and its family says which it is.
            let name = unsafe { &*pointer.cast::<libc::sockaddr_in>() };
            Some(SocketAddr::from((
                name.sin_addr.s_addr.to_ne_bytes(),
                u16::from_be(name.sin_port),
            )))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*pointer.cast::<libc::sockaddr_in6>() };
            Some(SocketAddr::from((
                name.sin6_addr.s6_addr,
                u16::from_be(name.sin6_port),
            )))
        }
        _ => None,
    }
}
