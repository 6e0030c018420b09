//! Putting a node together: sockets, shards, the control task, HTTP; and taking it apart again.

use crate::config::{HttpConfig, SfuConfig};
use crate::control::{Control, Input, Inputs};
use crate::forwarding::LISTS_MAX;
use crate::handle::SfuHandle;
use crate::http::{Api, Beside, Entrance, Inherited, Server, SocketCount, bind, router};
use crate::ice_tcp::IceTcp;
use crate::net::{BUFFER_WANTED, BUFFER_WARN, MediaSocket};
use crate::prometheus::Prometheus;
use crate::reach::{Reach, Sockets};
use crate::secure::{DtlsTransports, Identity};
use crate::shard::{DATA_MAX, EVENTS_MAX, Listeners, Shards, shard_count};
use crate::tls::config::{TlsConfig, TlsSettings};
use crate::tls::{Tls, TlsServer};
use crate::webhooks::Webhooks;
use hanse_runtime::clock;
use hanse_runtime::shutdown::SHUTDOWN_DEADLINE;
use hanse_sfu_core::ids::ShardId;
use hanse_sfu_core::shard::CONNECTIONS_MAX;
use hanse_sfu_signal::{Candidate, SignalConfig, Signalling, WallClock};
use std::io;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A port is taken, an address is not ours, and the like.
    #[error("cannot listen on {what} {address}: {error}{}", may_not(.address, .error))]
    Listen {
        /// `TCP` or `UDP`.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// Nobody could send us media.
    #[error(
        "this machine has no network address that others could reach, so no media could come in: \
         name one in [sfu] addresses (\"127.0.0.1\" for a trial on this machine alone)"
    )]
    NoAddress,
    /// No randomness, no threads, no descriptors.
    #[error("the system refuses what the SFU needs: {0}")]
    System(String),
    /// What runs beside the SFU cannot start; the sentence says why.
    #[error("{0}")]
    Beside(String),
}

/// A running SFU.
pub struct Node {
    handle: SfuHandle,
    inputs: Inputs,
    http: Vec<SocketAddr>,
    media: Vec<Candidate>,
    server: Server,
    https: Vec<SocketAddr>,
    tls: Option<TlsServer>,
    ice_tcp: Option<IceTcp>,
    sockets: SocketCount,
    control: JoinHandle<()>,
    shards: Shards,
    gone: mpsc::Receiver<ShardId>,
    webhooks: Option<Webhooks>,
    /// Looks whether our addresses have changed.
    watch: Option<JoinHandle<()>>,
    _prometheus: Option<Prometheus>,
}

impl Node {
    /// Starts an SFU. Needs a tokio runtime with timers and I/O.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing is left running then.
    pub async fn start(http: &HttpConfig, sfu: &SfuConfig) -> Result<Self, StartError> {
        let tls = TlsConfig { settings: None };
        Self::start_beside(http, &tls, sfu, async |_| Ok(Beside::default())).await
    }

    /// Like [`Node::start`], with TLS if that is wanted, and with further routes on the same ports: `beside` makes them from the handle of the SFU, which
    /// nobody has joined yet.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing is left running then.
    pub async fn start_beside(
        http: &HttpConfig,
        tls: &TlsConfig,
        sfu: &SfuConfig,
        beside: impl AsyncFnOnce(SfuHandle) -> Result<Beside, String>,
    ) -> Result<Self, StartError> {
        let system = |error: &dyn std::fmt::Display| StartError::System(error.to_string());
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut inherited = Inherited::from_environment();
        let listeners = listen(&http.bind_addresses, http.port, &mut inherited)?;
        let settings = tls.settings.as_ref();
        let doors = settings
            .map(|settings| Doors::open(settings, &mut inherited))
            .transpose()?;
        let is_shared = doors.as_ref().is_some_and(|doors| doors.port == sfu.tcp_port);
        let streams = match sfu.tcp_port {
            0 => None,
            _ if is_shared => Some(Vec::new()),
            port => Some(listen(&sfu.bind_addresses, port, &mut inherited)?),
        };
        inherited.close_others();
        let shard_count = shard_count(sfu.shards, cores);
        let sockets = media_sockets(sfu, shard_count)?;
        let bound: Vec<SocketAddr> = sockets.iter().take(1).flatten().map(MediaSocket::local).collect();
        let https = doors.as_ref().map_or(Vec::new(), |doors| local_of(&doors.secure));
        let tcp = match &streams {
            Some(_) if is_shared => https.clone(),
            Some(streams) => local_of(streams),
            None => Vec::new(),
        };
        let prometheus = sfu.prometheus.as_ref().map(Prometheus::start).transpose()?;

        let identity = Identity::generate().map_err(|error| system(&error))?;
        let seed = || identity.random_seed().map_err(io::Error::other);
        let udp = bound.clone();
        let stun_seed = seed().map_err(|error| system(&error))?;
        let reach = Reach::look(sfu.reach.clone(), Sockets { udp, tcp }, stun_seed).await?;
        let candidates = reach.candidates().to_vec();
        let (events, shard_events) = mpsc::channel(EVENTS_MAX);
        let (data, shard_data) = mpsc::channel(DATA_MAX);
        let (gone_sender, gone) = mpsc::channel(1);
        let (forwarded_sender, forwarded) = mpsc::channel(LISTS_MAX);
        let listening = Listeners {
            events,
            data,
            forwarded: forwarded_sender,
            gone: gone_sender,
        };
        let transports = DtlsTransports::new(identity.clone());
        let (shards, links) =
            Shards::start(sockets, &transports, seed, &listening).map_err(|error| system(&error))?;

        let now = clock::now();
        let signalling = Signalling::new(
            now,
            SignalConfig {
                auto_create: sfu.auto_create,
                empty_timeout_s: sfu.room_empty_timeout_s,
                departure_timeout_s: sfu.room_departure_timeout_s,
                max_participants: sfu.room_participants_max,
                participants_max_on_node: match sfu.participants_max {
                    0 => u32::from(shard_count).saturating_mul(CONNECTIONS_MAX as u32),
                    max => max,
                },
                codecs: sfu.codecs.clone(),
                candidates: candidates.clone(),
                turn: sfu.reach.turn.clone(),
                fingerprint: identity.sdp_fingerprint(),
                node_id: node_id(&seed().map_err(|error| system(&error))?),
                region: sfu.region.clone(),
                keys: sfu.keys.expose().clone(),
                wall: WallClock {
                    at: now,
                    unix_ms: clock::unix_ms(),
                },
                simulate: sfu.simulate,
            },
            seed().map_err(|error| system(&error))?,
        );
        let (control, inputs, handle) = Control::new(signalling, links, shard_events, shard_data, forwarded);
        // Before anything can happen.
        let events = handle.subscribe();
        let webhook_seed = seed().map_err(|error| system(&error))?;
        let webhooks = Webhooks::start(&sfu.webhooks, events, webhook_seed)
            .map_err(|error| StartError::Beside(error.to_string()))?;
        let control = tokio::spawn(control.run());
        let sockets = SocketCount::new();
        let addresses = local_of(&listeners);
        let beside = match beside(handle.clone()).await {
            Ok(beside) => beside,
            Err(reason) => {
                control.abort();
                let _ = tokio::task::spawn_blocking(move || shards.stop()).await;
                return Err(StartError::Beside(reason));
            }
        };
        let ice_tcp = streams
            .zip(bound.first())
            .map(|(streams, media)| IceTcp::start(streams, *media));
        let api = Api {
            inputs: inputs.clone(),
            handle: handle.clone(),
            sockets: sockets.clone(),
            front: beside.front,
        };
        let entrance = Entrance::new(router(api).merge(beside.routes), http.trusted_proxies.clone());
        let server = Server::open(listeners, &entrance);
        let tls = doors.map(|doors| {
            let media = ice_tcp.as_ref().filter(|_| is_shared).map(IceTcp::arrivals);
            TlsServer::open(doors.tls, doors.secure, doors.plain, entrance, media)
        });

        if sfu.short_secret {
            tracing::warn!("an API secret has fewer than 32 characters; a longer one is harder to guess");
        }
        if sfu.simulate {
            tracing::warn!("clients may simulate failures and speech ([sfu] simulate): for tests only");
        }
        reach.say();
        let watch = reach.watch(inputs.clone());
        Ok(Node {
            handle,
            inputs,
            http: addresses,
            media: candidates,
            server,
            https,
            tls,
            ice_tcp,
            sockets,
            control,
            shards,
            gone,
            webhooks,
            watch,
            _prometheus: prometheus,
        })
    }

    /// Controls the SFU and hears of what happens.
    pub fn handle(&self) -> SfuHandle {
        self.handle.clone()
    }

    /// Where HTTP is served.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where HTTPS is served; empty: nowhere.
    pub fn https_addresses(&self) -> &[SocketAddr] {
        &self.https
    }

    /// Reads certificate files again, if there are any.
    pub fn read_certificates_again(&self) {
        if let Some(tls) = &self.tls {
            tls.read_again();
        }
    }

    /// Where clients were told to send media at start.
    pub fn media_addresses(&self) -> &[Candidate] {
        &self.media
    }

    /// Returns when a part of the node has ended unasked and the process should end, too; with a sentence that says
    /// which.
    pub async fn failed(&mut self) -> String {
        tokio::select! {
            shard = self.gone.recv() => match shard {
                Some(ShardId(id)) => format!("media shard {id} has ended"),
                None => "all media shards have ended".to_owned(),
            },
            _ = &mut self.control => "the control task has ended".to_owned(),
        }
    }

    /// Tells everybody that the server stops, lets their sockets carry it, and ends everything. Takes
    /// [`SHUTDOWN_DEADLINE`] at most.
    pub async fn stop(self) {
        drop((self.server, self.tls));
        if let Some(watch) = self.watch {
            watch.abort();
        }
        let webhooks = self.webhooks;
        let (answer, done) = oneshot::channel();
        let farewell = async {
            if self.inputs.send(Input::Shutdown { answer }).await.is_ok() {
                let _ = done.await;
            }
            // Each socket flushes its own farewell and closes; and those who get webhooks hear who has left.
            let told = async {
                if let Some(webhooks) = webhooks {
                    webhooks.drain().await;
                }
            };
            tokio::join!(self.sockets.none(), told);
        };
        if timeout(SHUTDOWN_DEADLINE, farewell).await.is_err() {
            tracing::warn!("not everybody could be told in time that the server stops");
        }
        self.control.abort();
        if let Some(ice_tcp) = self.ice_tcp {
            ice_tcp.stop().await;
        }
        let shards = self.shards;
        let _ = tokio::task::spawn_blocking(move || shards.stop()).await;
    }
}

/// Certificates, and the sockets in front of them.
struct Doors {
    tls: Tls,
    port: u16,
    secure: Vec<TcpListener>,
    plain: Vec<TcpListener>,
}

impl Doors {
    fn open(settings: &TlsSettings, inherited: &mut Inherited) -> Result<Self, StartError> {
        let secure = listen(&settings.bind_addresses, settings.port, inherited)?;
        let plain = match settings.redirect_port {
            0 => Vec::new(),
            port => listen(&settings.bind_addresses, port, inherited)?,
        };
        let tls = Tls::start(settings).map_err(|reason| StartError::Beside(format!("[tls] {reason}")))?;
        Ok(Doors {
            tls,
            port: settings.port,
            secure,
            plain,
        })
    }
}

fn local_of(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect()
}

/// What to do where only root may listen.
fn may_not(address: &SocketAddr, error: &io::Error) -> &'static str {
    if address.port() < 1024 && error.kind() == io::ErrorKind::PermissionDenied {
        "; ports below 1024 need the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)"
    } else {
        ""
    }
}

fn listen(
    bind_addresses: &[IpAddr],
    port: u16,
    inherited: &mut Inherited,
) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for &ip in bind_addresses {
        // With port 0 all addresses share what the system chose for the first.
        let port = match listeners.first().and_then(|first| first.local_addr().ok()) {
            Some(first) => first.port(),
            None => port,
        };
        let address = SocketAddr::new(ip, port);
        let listener = match inherited.take(address) {
            Ok(None) => bind(address),
            Ok(Some(listener)) => Ok(listener),
            Err(error) => Err(error),
        };
        match listener {
            Ok(listener) => listeners.push(listener),
            Err(error) if left_out(ip, &error) => tracing::info!("this machine has no {}", family(ip)),
            Err(error) => {
                return Err(StartError::Listen {
                    what: "TCP",
                    address,
                    error,
                });
            }
        }
    }
    if listeners.is_empty() {
        Err(StartError::NoAddress)
    } else {
        Ok(listeners)
    }
}

/// The media sockets of each shard; all shards share the port.
fn media_sockets(config: &SfuConfig, shards: u16) -> Result<Vec<Vec<MediaSocket>>, StartError> {
    let mut port = config.udp_port;
    let mut all = Vec::with_capacity(usize::from(shards));
    for shard in 0..shards {
        let mut sockets = Vec::new();
        for &ip in &config.bind_addresses {
            let address = SocketAddr::new(ip, port);
            let free = if shard == 0 {
                MediaSocket::probe(address)
            } else {
                Ok(())
            };
            match free.and_then(|()| MediaSocket::bind(address)) {
                Ok(socket) => {
                    port = socket.local().port();
                    sockets.push(socket);
                }
                Err(error) if left_out(ip, &error) => {}
                Err(error) => {
                    return Err(StartError::Listen {
                        what: "UDP",
                        address,
                        error,
                    });
                }
            }
        }
        if let (0, Some(socket)) = (shard, sockets.first()) {
            say_buffers(socket);
        }
        if sockets.is_empty() {
            return Err(StartError::NoAddress);
        }
        all.push(sockets);
    }
    Ok(all)
}

/// A wildcard of a family that this machine does not have.
fn left_out(ip: IpAddr, error: &io::Error) -> bool {
    ip.is_unspecified()
        && matches!(
            error.raw_os_error(),
            Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT)
        )
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IPv4" } else { "IPv6" }
}

fn say_buffers(socket: &MediaSocket) {
    let (receive, send) = socket.buffers();
    if receive.min(send) < BUFFER_WARN {
        tracing::warn!(
            "the kernel keeps {receive} bytes of received and {send} bytes of sent media for us where {BUFFER_WANTED} \
             were asked for; under load packets will be lost. Raise both: sysctl -w net.core.rmem_max={BUFFER_WANTED} \
             net.core.wmem_max={BUFFER_WANTED}"
        );
    }
}

/// `ND_` and 12 characters, as clients expect of an id.
fn node_id(random: &[u8; 32]) -> String {
    format!("ND_{}", letters(random.iter().take(12)))
}

/// A letter of an id for each random byte.
pub(crate) fn letters<'a>(random: impl Iterator<Item = &'a u8>) -> String {
    const LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let letter = |byte: &u8| {
        LETTERS
            .get(usize::from(*byte) % LETTERS.len())
            .map_or('x', |&letter| char::from(letter))
    };
    random.map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_id_looks_like_one() {
        let id = node_id(&[200; 32]);
        assert!(id.starts_with("ND_") && id.len() == 15, "{id}");
        assert_ne!(id, node_id(&[201; 32]));
    }
}
