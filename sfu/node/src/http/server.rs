//! Listening and serving: one task per connection, bounds on connections, a limit for slow request heads.

use super::forwarded::TrustedProxies;
use super::places::{Place, Places};
use axum::Router;
use axum::body::Body;
use http::{Request, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tower_service::Service;

/// Connections at a time, open sockets of participants included. More wait in the system's queue.
const CONNECTIONS_MAX: usize = 20_000;

/// How many of them one address may have. A whole organisation may be behind one; a reverse proxy that is trusted has all.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 5_000;

/// How long a client may take to send a request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of a request head. The path alone may have 65,534 (the `http` crate's limit; a longer one is answered with
/// 414): a join carries a whole session description in its query.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// Connections that the system may hold back for us.
const BACKLOG: i32 = 1024;

/// After a failed `accept` (no descriptors left), so that the loop does not spin.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket on one address; `::` does not take IPv4 in, so that both can be listened to.
///
/// # Errors
///
/// When the address is not ours or the port is taken.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Who may come in to be served, and what is served. All doors to the same routes share one.
#[derive(Clone)]
pub(crate) struct Entrance {
    router: Router,
    proxies: TrustedProxies,
    all: Arc<Semaphore>,
    places: Places,
}

/// What a connection holds until it ends.
pub(crate) type HttpPlace = (OwnedSemaphorePermit, Option<Place>);

impl Entrance {
    pub(crate) fn new(router: Router, proxies: TrustedProxies) -> Self {
        Entrance {
            router,
            proxies,
            all: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            places: Places::new(CONNECTIONS_PER_ADDRESS_MAX),
        }
    }

    /// A place for a connection from this address; `None`: there is none, now or for it.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<HttpPlace> {
        let one_of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        self.place(one_of_all, address)
    }

    fn place(&self, one_of_all: OwnedSemaphorePermit, address: IpAddr) -> Option<HttpPlace> {
        let place = self.places.take(address);
        (place.is_some() || self.proxies.include(address)).then_some((one_of_all, place))
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve<S>(&self, stream: S, peer: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            let mut router = self.router.clone();
            if let Some(client) = self.proxies.client(peer, request.headers()) {
                request.extensions_mut().insert(client);
            }
            async move { Ok::<_, Infallible>(answer(&mut router, collapse_slashes(request)).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        // Broken requests were answered already; broken connections concern nobody.
        let _ = connection.await;
    }
}

/// The tasks that accept connections. Dropping it stops them; connections that are open go on.
pub struct Server {
    accepting: Vec<JoinHandle<()>>,
}

impl Server {
    /// Serves on all of these.
    pub fn start(listeners: Vec<TcpListener>, router: &Router, proxies: &TrustedProxies) -> Self {
        Self::open(listeners, &Entrance::new(router.clone(), proxies.clone()))
    }

    /// As [`Server::start`], for an entrance that may have other doors, too.
    pub(crate) fn open(listeners: Vec<TcpListener>, entrance: &Entrance) -> Self {
        let accepting = listeners
            .into_iter()
            .map(|listener| tokio::spawn(accept(listener, entrance.clone())))
            .collect();
        Server { accepting }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.accepting {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, entrance: Entrance) {
    loop {
        let Ok(one_of_all) = Arc::clone(&entrance.all).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(place) = entrance.place(one_of_all, peer.ip()) else {
                    continue;
                };
                // Signalling messages are small and wanted at once.
                let _ = stream.set_nodelay(true);
                let entrance = entrance.clone();
                tokio::spawn(async move {
                    entrance.serve(stream, peer.ip()).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer(router: &mut Router, request: Request<Incoming>) -> http::Response<Body> {
    match router.call(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Clients whose configured URL ends in a slash ask for `//rtc/v1`.
fn collapse_slashes<B>(mut request: Request<B>) -> Request<B> {
    let whole = request.uri().path_and_query().map_or("", |whole| whole.as_str());
    if whole.starts_with("//") {
        let single = format!("/{}", whole.trim_start_matches('/'));
        if let Ok(uri) = Uri::try_from(single) {
            *request.uri_mut() = uri;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_slashes_collapse_and_others_stay() {
        let collapsed = |uri: &str| {
            let request = Request::builder().uri(uri).body(()).unwrap();
            collapse_slashes(request).uri().to_string()
        };
        assert_eq!(collapsed("//rtc/v1?a=//b"), "/rtc/v1?a=//b");
        assert_eq!(collapsed("///"), "/");
        assert_eq!(collapsed("/rtc//v1"), "/rtc//v1");
    }
}
