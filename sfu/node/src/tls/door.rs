//! The port of TLS: what comes in is told apart by its first bytes and goes where it belongs.

use super::begun::Begun;
use super::first_bytes::{Carried, DECIDED, carried};
use crate::http::{ACCEPT_PAUSE, Entrance, Place, Places};
use crate::ice_tcp::Arrival;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsAcceptor;

/// Connections at a time that have not said yet what they carry, or whose handshake is not complete. Beyond: closed at once.
pub const UNDECIDED_MAX: usize = 2048;

/// How many of them one address may have, in IPv6 one network.
pub const UNDECIDED_PER_ADDRESS_MAX: usize = 256;

/// How long a connection may take until its first bytes say what it carries. Then it is closed.
pub const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take until its handshake is complete, that included. Clients on slow links take a second or two.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is behind the port.
#[derive(Clone)]
pub(crate) struct Behind {
    /// For TLS.
    pub acceptor: TlsAcceptor,
    /// Where requests go.
    pub entrance: Entrance,
    /// Where media goes; `None`: no media comes in here.
    pub media: Option<mpsc::Sender<Arrival>>,
}

/// The tasks that accept connections. Dropping it stops them; connections that are open go on.
pub(crate) struct Door {
    accepting: Vec<JoinHandle<()>>,
}

impl Door {
    pub(crate) fn open(listeners: Vec<TcpListener>, behind: &Behind) -> Self {
        let undecided = Arc::new(Semaphore::new(UNDECIDED_MAX));
        let places = Places::new(UNDECIDED_PER_ADDRESS_MAX);
        let accepting = listeners
            .into_iter()
            .map(|listener| {
                tokio::spawn(accept(
                    listener,
                    behind.clone(),
                    Arc::clone(&undecided),
                    places.clone(),
                ))
            })
            .collect();
        Door { accepting }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        for task in &self.accepting {
            task.abort();
        }
    }
}

/// What a connection holds until it is decided.
type Undecided = (OwnedSemaphorePermit, Place);

async fn accept(listener: TcpListener, behind: Behind, undecided: Arc<Semaphore>, places: Places) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let one_of_all = Arc::clone(&undecided).try_acquire_owned().ok();
                let Some(place) = one_of_all.zip(places.take(peer.ip())) else {
                    continue;
                };
                let behind = behind.clone();
                // However it ends concerns nobody else.
                tokio::spawn(async move { behind.pass(stream, peer, place).await });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Behind {
    async fn pass(self, mut stream: TcpStream, peer: SocketAddr, undecided: Undecided) -> io::Result<()> {
        let start = Instant::now();
        let mut begun = Vec::with_capacity(DECIDED);
        match timeout_at(start + FIRST_BYTES_TIMEOUT, look(&mut stream, &mut begun)).await?? {
            Carried::Tls => {
                let place = self.entrance.admit(peer.ip());
                let place = place.ok_or(io::ErrorKind::QuotaExceeded)?;
                // Signalling messages are small and wanted at once.
                stream.set_nodelay(true)?;
                let handshake = self.acceptor.accept(Begun::new(begun, stream));
                let stream = timeout_at(start + HANDSHAKE_TIMEOUT, handshake).await??;
                drop(undecided);
                if stream.get_ref().1.alpn_protocol() != Some(super::ACME_PROTOCOL) {
                    self.entrance.serve(stream, peer.ip()).await;
                }
                drop(place);
            }
            Carried::Media => {
                if let Some(media) = self.media {
                    // Full: closed.
                    let _ = media.try_send(Arrival { stream, peer, begun });
                }
            }
            Carried::Neither => {}
        }
        Ok(())
    }
}

/// Reads until it is known what comes, and never more than is needed for that.
async fn look(stream: &mut TcpStream, begun: &mut Vec<u8>) -> io::Result<Carried> {
    loop {
        if let Some(known) = carried(begun) {
            return Ok(known);
        }
        let left = DECIDED.saturating_sub(begun.len()) as u64;
        if (&mut *stream).take(left).read_buf(begun).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
