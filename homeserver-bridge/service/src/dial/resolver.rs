//! Names to addresses and services. A trait, so that tests can play a name server that changes its mind.

use super::limits::LOOKUP_TIMEOUT;
use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use tracing::warn;

/// Answers of name servers that are kept, about 1 KB each. Beyond it those that are seldom asked for are forgotten.
const ANSWERS_MAX: u64 = 1024;

/// That a name is unknown is believed for at most this long, whatever its zone says.
const UNKNOWN_NAME_LIFETIME_MAX: Duration = Duration::from_secs(60);

/// How often a name server is asked within [`LOOKUP_TIMEOUT`].
const TRIES: u32 = 3;

/// What a name server knows. Answers may come from its cache; a caller looks up once and keeps to the answer.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a DNS name, each with the port that was asked for. An unknown name has none.
    fn addresses<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Vec<SocketAddr>, LookupFailed>>;

    /// The SRV records of a service (`_matrix-fed._tcp.org-a.example`), in any order. An unknown name has none.
    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Service>, LookupFailed>>;
}

/// One SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Lower ones first.
    pub priority: u16,
    /// Of one priority, the share of connections. We ask each server seldom, so the largest simply goes first.
    pub weight: u16,
    /// DNS name of the machine; `.` says that the service is not offered.
    pub target: String,
    /// Its port.
    pub port: u16,
}

/// No name server gave a usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name servers do not answer")]
pub struct LookupFailed;

/// The system's name servers and hosts file, as they were at start. Answers are kept as long as they say themselves, that a
/// name is unknown for at most a minute.
pub struct SystemResolver(TokioResolver);

impl SystemResolver {
    /// Reads the system's configuration. Without `/etc/resolv.conf` the name server of this machine is asked, as
    /// resolv.conf(5) has it.
    ///
    /// # Errors
    ///
    /// When the resolver cannot be built.
    pub fn new() -> Result<Self, NetError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            warn!(%error, "/etc/resolv.conf cannot be used; names are looked up at this machine's own name server");
            let local = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![local]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.cache_size = ANSWERS_MAX;
        options.negative_max_ttl = Some(UNKNOWN_NAME_LIFETIME_MAX);
        // A lost datagram must not cost the whole time.
        options.timeout = LOOKUP_TIMEOUT / TRIES;
        options.attempts = TRIES as usize;
        Ok(SystemResolver(builder.build()?))
    }
}

/// A name that is complete: the system's search domains are for its users, not for names that strangers wrote.
fn complete(name: &str) -> Result<Name, LookupFailed> {
    let mut name = Name::from_ascii(name).map_err(|_| LookupFailed)?;
    name.set_fqdn(true);
    Ok(name)
}

/// The library logs names and addresses, down to an error when somebody's zone is broken, so what it says is not listened to.
/// (The tasks that it keeps for connections to name servers are out of reach here; `hanse_runtime::telemetry` keeps them quiet.)
fn unheard<F: Future>(lookup: F) -> impl Future<Output = F::Output> {
    lookup.with_subscriber(NoSubscriber::new())
}

/// The error says which name was asked for, so only its kind goes on.
fn known<T: Default>(error: &NetError) -> Result<T, LookupFailed> {
    if error.is_no_records_found() {
        Ok(T::default())
    } else {
        Err(LookupFailed)
    }
}

impl Resolve for SystemResolver {
    fn addresses<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Vec<SocketAddr>, LookupFailed>> {
        Box::pin(async move {
            match unheard(self.0.lookup_ip(complete(name)?)).await {
                Ok(found) => Ok(found
                    .iter()
                    .map(|address| SocketAddr::new(address, port))
                    .collect()),
                Err(error) => known(&error),
            }
        })
    }

    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Service>, LookupFailed>> {
        Box::pin(async move {
            match unheard(self.0.srv_lookup(complete(name)?)).await {
                Ok(found) => Ok(found
                    .answers()
                    .iter()
                    .filter_map(|record| service(&record.data))
                    .collect()),
                Err(error) => known(&error),
            }
        })
    }
}

fn service(data: &RData) -> Option<Service> {
    match data {
        RData::SRV(record) => Some(Service {
            priority: record.priority,
            weight: record.weight,
            target: record.target.to_ascii(),
            port: record.port,
        }),
        _ => None,
    }
}
