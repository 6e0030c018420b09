//! The guarded dialler: the only way from here to a server that a stranger named.
//!
//! In: a server name and a path. Out: the answer of that homeserver's federation API, or client-server API, whatever its
//! status. On the way:
//! discovery as the Matrix server-server API has it ("Resolving server names"): an address or a port in the name is taken as it
//! is; else `https://<name>/.well-known/matrix/server` may delegate to another name; else SRV records; else port 8448.
//!
//! An address is looked up once, checked ([`address`]), and that very address is dialled; certificates are checked against the
//! name that discovery ended at. Every step has its limit in [`limits`].

pub mod address;
mod client_api;
mod delegation;
mod discovery;
mod exchange;
mod gate;
pub mod limits;
pub mod resolver;

pub use delegation::Clock;

use crate::config::HomeserversConfig;
use address::AllowedNetworks;
use bytes::Bytes;
use client_api::ClientApi;
use delegation::Delegations;
use exchange::Question;
use gate::Gate;
use hanse_matrixrtc::ServerName;
use http::Response;
use limits::{ANSWER_BYTES_MAX, Timeouts};
use resolver::{Resolve, SystemResolver};
use std::io;
use std::sync::Arc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Why a homeserver gave no answer. The text is for whoever runs this server; it names neither the homeserver nor an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Discovery ended at a name that has no address.
    #[error("its name has no address, or the name servers do not answer")]
    NoAddress,
    /// All its addresses are refused.
    #[error(
        "it has only addresses that are not public; if it is a server of yours, list its network in allowed_networks of \
         [homeservers]"
    )]
    NotPublic,
    /// No connection.
    #[error("no connection to it: {0}")]
    Unreachable(io::ErrorKind),
    /// A limit in time was reached.
    #[error("it did not answer in time")]
    TimedOut,
    /// Its certificate is not believed.
    #[error("its certificate {0}")]
    Certificate(Certificate),
    /// It speaks no TLS, or none that we do.
    #[error("it does not speak TLS 1.2 or 1.3 on its federation port")]
    Tls,
    /// What came back is not HTTP, or broke off.
    #[error("its answer is not HTTP, or broke off")]
    Http,
    /// The body is longer than the limit.
    #[error("its answer is too long")]
    TooLong,
    /// The well-known delegates to nothing usable; ends in a look-up without delegation.
    #[error("its well-known is not usable")]
    WellKnown,
    /// The path cannot be asked for.
    #[error("the question cannot be put into a request")]
    Request,
    /// A limit in number was reached.
    #[error("too many questions to homeservers at a time")]
    Busy,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Its time is over.
    Expired,
    /// It is for another name.
    OtherName,
    /// Nobody whom we believe vouches for it.
    UnknownIssuer,
    /// Something else.
    Invalid,
}

impl std::fmt::Display for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Certificate::Expired => "has expired",
            Certificate::OtherName => "is for another name",
            Certificate::UnknownIssuer => {
                "is signed by nobody whom this server believes; an authority of your own goes into ca_files of [homeservers]"
            }
            Certificate::Invalid => "is not valid",
        })
    }
}

/// Why there is no dialler.
#[derive(Debug, thiserror::Error)]
pub enum DiallerError {
    /// The library that looks names up refuses to work.
    #[error("names cannot be looked up: {0}")]
    Resolver(#[from] hickory_resolver::net::NetError),
    /// The TLS library refuses to work.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// See the module's page. Shared by reference; its answers do not depend on each other.
pub struct Dialler {
    allowed_networks: AllowedNetworks,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
    timeouts: Timeouts,
    gate: Gate,
    delegations: Delegations<ServerName>,
    client_apis: Delegations<ClientApi>,
}

impl Dialler {
    /// A dialler with the system's name servers and the limits of [`limits`].
    ///
    /// # Errors
    ///
    /// When TLS or name resolution cannot be set up.
    pub fn new(config: &HomeserversConfig) -> Result<Self, DiallerError> {
        let resolver = SystemResolver::new()?;
        let clock = Arc::new(hanse_runtime::clock::now);
        Self::with_surroundings(config, Arc::new(resolver), Timeouts::default(), clock)
    }

    /// A dialler with name servers, time limits and a clock of its own (tests). The clock decides about the age of what is
    /// remembered only.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn with_surroundings(
        config: &HomeserversConfig,
        resolver: Arc<dyn Resolve>,
        timeouts: Timeouts,
        clock: Clock,
    ) -> Result<Self, DiallerError> {
        Ok(Dialler {
            allowed_networks: config.allowed_networks.clone(),
            resolver,
            tls: TlsConnector::from(Arc::new(tls_config(config)?)),
            timeouts,
            gate: Gate::new(),
            delegations: Delegations::new(clock.clone()),
            client_apis: Delegations::new(clock),
        })
    }

    /// `GET https://<the homeserver of that name><path_and_query>`. Redirects are answers like others: they are not followed.
    ///
    /// # Errors
    ///
    /// When there is no whole answer within the limits.
    pub async fn get(&self, server: &ServerName, path_and_query: &str) -> Result<Response<Bytes>, DialError> {
        self.within_limits(async {
            let destination = self.discover(server).await?;
            self.exchange(&destination, Question::Get(path_and_query), ANSWER_BYTES_MAX)
                .await
        })
        .await
    }

    /// `POST {}` to `path` of the client-server API of the homeserver of that name, wherever its well-known says that it is.
    /// Nothing goes along that proves who asks.
    ///
    /// # Errors
    ///
    /// When there is no whole answer within the limits, or no well-known.
    pub async fn post_to_client_api(
        &self,
        server: &ServerName,
        path: &str,
    ) -> Result<Response<Bytes>, DialError> {
        self.within_limits(async {
            let api = self.discover_client_api(server).await?;
            let destination = self.client_api_host(&api).await?;
            let path = format!("{}{path}", api.path);
            self.exchange(&destination, Question::Post(&path), ANSWER_BYTES_MAX)
                .await
        })
        .await
    }

    async fn within_limits(
        &self,
        answer: impl Future<Output = Result<Response<Bytes>, DialError>>,
    ) -> Result<Response<Bytes>, DialError> {
        let _question = self.gate.begin_question()?;
        timeout(self.timeouts.whole, answer)
            .await
            .unwrap_or(Err(DialError::TimedOut))
    }

    async fn exchange(
        &self,
        destination: &exchange::Destination,
        question: Question<'_>,
        body_bytes_max: usize,
    ) -> Result<Response<Bytes>, DialError> {
        exchange::ask(
            destination,
            question,
            body_bytes_max,
            &self.tls,
            &self.gate,
            &self.timeouts,
        )
        .await
    }
}

/// Whose certificates are believed: the system's authorities, Mozilla's where there are none, and the configuration's.
///
/// # Errors
///
/// When TLS cannot be set up.
pub fn tls_config(config: &HomeserversConfig) -> Result<ClientConfig, DiallerError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    // Small containers come without a store.
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots.add_parsable_certificates(config.authorities.iter().cloned());
    let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}
