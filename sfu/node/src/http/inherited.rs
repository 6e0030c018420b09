//! Listening sockets that a supervisor has opened and hands over (systemd's socket units; sd_listen_fds(3)).
//!
//! Such a socket stays open while one process ends and the next one starts: whoever connects meanwhile waits in the
//! kernel's queue for some hundred milliseconds, and is not refused.

use listenfd::ListenFd;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// What was handed over and not yet taken.
pub struct Inherited {
    sockets: Vec<(SocketAddr, TcpListener)>,
}

impl Inherited {
    /// What the environment says was handed over to this very process. To be asked once: afterwards the descriptors have an
    /// owner. What is no listening TCP socket is left alone.
    pub fn from_environment() -> Self {
        let mut handed = ListenFd::from_env();
        let sockets = (0..handed.len())
            .filter_map(|index| handed.take_tcp_listener(index).ok().flatten())
            .filter_map(|socket| Some((socket.local_addr().ok()?, socket)))
            .collect();
        Inherited { sockets }
    }

    /// The one that listens at this address.
    ///
    /// # Errors
    ///
    /// When it cannot be used as ours are.
    pub fn take(&mut self, address: SocketAddr) -> io::Result<Option<tokio::net::TcpListener>> {
        let place = self.sockets.iter().position(|(at, _)| *at == address);
        let Some(place) = place else { return Ok(None) };
        let (_, socket) = self.sockets.swap_remove(place);
        socket.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(socket).map(Some)
    }

    /// Says which ones nobody wanted: whoever connects there would wait for ever.
    pub fn close_others(self) {
        for (address, _) in self.sockets {
            tracing::warn!(
                "the supervisor hands over a socket at {address}, where nothing listens by the configuration: write the same \
                 addresses into the socket unit and into [http] and [sfu], 0.0.0.0 and [::] apart (BindIPv6Only=ipv6-only)"
            );
        }
    }
}
