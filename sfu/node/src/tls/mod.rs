//! TLS without a reverse proxy.
//!
//! **In:** TCP connections on one port, whatever they carry; plain HTTP on another. **Out:** HTTPS to the routes that plain HTTP
//! has, too; media to `crate::ice_tcp`; answers that send on to HTTPS.
//!
//! What comes is told apart by its first bytes ([`first_bytes`], without I/O). Certificates come from an authority by ACME
//! (`acme.rs`) or from files (`files.rs`); each keeps itself in force in a task of its own, and a handshake takes whatever is in
//! force.

mod acme;
mod begun;
pub(crate) mod config;
mod door;
mod files;
mod first_bytes;
mod kept;
mod redirect;

use crate::http::{Entrance, Server, TrustedProxies};
use crate::ice_tcp::Arrival;
use acme::{FromAcme, Showing};
use config::{CertificateSource, TlsSettings};
use door::{Behind, Door};
use files::FromFiles;
use kept::Kept;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is spoken inside. HTTP/2 is not: WebSockets would need RFC 8441 there, and browsers take HTTP/1.1.
const HTTP_PROTOCOL: &[u8] = b"http/1.1";

/// What an authority speaks that looks whether a name leads here (RFC 8737, section 6.1).
const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// Certificates, and what keeps them in force. Dropping it stops that.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    keeping: JoinHandle<()>,
    again: Arc<Notify>,
}

impl Tls {
    /// Reads what is there; what is not comes while the server runs.
    ///
    /// # Errors
    ///
    /// A sentence: files that cannot be used.
    pub(crate) fn start(settings: &TlsSettings) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let again = Arc::new(Notify::new());
        let (resolver, keeping): (Arc<dyn ResolvesServerCert>, _) = match &settings.source {
            CertificateSource::Files(files) => {
                let (shown, showing) = watch::channel(Arc::new(files.read(&provider)?));
                let keep = files
                    .clone()
                    .keep(Arc::clone(&provider), shown, Arc::clone(&again));
                (Arc::new(FromFiles(showing)), tokio::spawn(keep))
            }
            CertificateSource::Acme(acme) => {
                let client = acme::client(acme, Arc::clone(&provider))?;
                let (shown, showing) = watch::channel(Showing::default());
                let keep = acme::keep(acme.clone(), client, Kept::new(&acme.folder), shown);
                (Arc::new(FromAcme(showing)), tokio::spawn(keep))
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![HTTP_PROTOCOL.to_vec()];
        if matches!(settings.source, CertificateSource::Acme(_)) {
            config.alpn_protocols.push(ACME_PROTOCOL.to_vec());
        }
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            keeping,
            again,
        })
    }

    /// Has certificate files read again, whether they look changed or not.
    pub(crate) fn read_again(&self) {
        self.again.notify_one();
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

/// The open ports. Dropping it stops them; connections that are open go on.
pub(crate) struct TlsServer {
    _door: Door,
    _redirect: Option<Server>,
    tls: Tls,
}

impl TlsServer {
    /// Serves `entrance` by TLS, passes media on if it has a place to go, and sends plain HTTP on.
    pub(crate) fn open(
        tls: Tls,
        listeners: Vec<TcpListener>,
        plain: Vec<TcpListener>,
        entrance: Entrance,
        media: Option<mpsc::Sender<Arrival>>,
    ) -> Self {
        let port = listeners.first().and_then(|listener| listener.local_addr().ok());
        let port = port.as_ref().map_or(0, SocketAddr::port);
        let behind = Behind {
            acceptor: tls.acceptor.clone(),
            entrance,
            media,
        };
        let redirect = (!plain.is_empty())
            .then(|| Server::start(plain, &redirect::router(port), &TrustedProxies::default()));
        TlsServer {
            _door: Door::open(listeners, &behind),
            _redirect: redirect,
            tls,
        }
    }

    /// Has certificate files read again.
    pub(crate) fn read_again(&self) {
        self.tls.read_again();
    }
}
