//! One UDP socket of one shard.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Bytes that we ask the kernel to keep per direction: at 1 Gbit/s that is 130 ms, so a shard that is held up for one
/// scheduler round loses nothing. Less costs bursts of loss under load; more only costs memory.
pub const BUFFER_WANTED: usize = 16 * 1024 * 1024;

/// Below this the administrator hears of it.
pub const BUFFER_WARN: usize = 5_000_000;

/// One UDP socket on the media port. Every shard has its own (`SO_REUSEPORT`): the kernel spreads peers over them by
/// their addresses and keeps each peer where it is.
pub struct MediaSocket {
    descriptor: OwnedFd,
    local: SocketAddr,
    receive_buffer: usize,
    send_buffer: usize,
}

impl MediaSocket {
    /// Binds a socket. With port 0 the system chooses; [`MediaSocket::local`] says what it chose.
    ///
    /// # Errors
    ///
    /// When the address is not ours, the port is taken by another program, or the family is switched off.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_port(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Both are wishes: the kernel cuts them to net.core.rmem_max and wmem_max.
        let _ = socket.set_recv_buffer_size(BUFFER_WANTED);
        let _ = socket.set_send_buffer_size(BUFFER_WANTED);
        socket.set_nonblocking(true)?;
        if address.ip().is_unspecified() {
            report_local_address(&socket, address.ip())?;
        }
        socket.bind(&address.into())?;
        let local = socket.local_addr()?.as_socket().unwrap_or(address);
        // The kernel counts its own bookkeeping in: it doubles what was asked for and reports the double.
        let (receive_buffer, send_buffer) = (socket.recv_buffer_size()? / 2, socket.send_buffer_size()? / 2);
        // SAFETY: `into_raw_fd` gives up ownership of an open descriptor, and `OwnedFd` takes it at once.
        let descriptor = unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) };
        Ok(MediaSocket {
            descriptor,
            local,
            receive_buffer,
            send_buffer,
        })
    }

    /// Asks whether a port is free. [`MediaSocket::bind`] would share it with another process of the same user (a second
    /// server, say), and each would get a part of the other's datagrams.
    ///
    /// # Errors
    ///
    /// When it is taken, or as [`MediaSocket::bind`].
    pub fn probe(address: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())
    }

    /// Where it is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Bytes that the kernel keeps for us, in and out.
    pub fn buffers(&self) -> (usize, usize) {
        (self.receive_buffer, self.send_buffer)
    }

    pub(super) fn raw(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

/// On a socket that is bound to all addresses, each datagram shall say to which of them it came, so that the answer
/// leaves from the same one: ICE drops an answer from elsewhere.
fn report_local_address(socket: &Socket, family: IpAddr) -> io::Result<()> {
    let (level, option) = match family {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    let on: libc::c_int = 1;
    // SAFETY: the option's value is one `c_int`, and its size goes with it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
