//! Homeservers and name servers that do what a test says, on loopback, with TLS by an authority of their own.

// Each test file is a crate of its own and uses its part of this.
#![allow(dead_code)]

pub mod homeserver;
mod log;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hanse_bridge::dial::Dialler;
use hanse_bridge::dial::address::AllowedNetworks;
use hanse_bridge::dial::limits::Timeouts;
use hanse_bridge::dial::resolver::{LookupFailed, Resolve, Service};
use hanse_bridge::{Bridge, HomeserversConfig, Pace};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use log::Log;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The token that every homeserver here knows.
pub const TOKEN: &str = "syt_QWxpY2U_secretSecretSecret+/";

/// Where the proof is asked for.
pub const USERINFO: &str = "/_matrix/federation/v1/openid/userinfo";

/// Where delegation is asked for.
pub const WELL_KNOWN: &str = "/.well-known/matrix/server";

/// What one request was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    pub host: String,
    pub token: Option<String>,
    pub path: String,
    pub query: Option<String>,
}

type Answer = Response<Full<Bytes>>;
type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A server with TLS that notes what it is asked.
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<u32>>,
}

impl Server {
    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths of all requests so far.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    /// TCP connections so far, with or without a request in them.
    pub fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }
}

/// Two organisations' world: an authority, name servers, and networks that the configuration allows. When it ends, nothing
/// personal may have been logged.
pub struct World {
    pub log: Log,
    _listening: tracing::subscriber::DefaultGuard,
    authority: CertifiedIssuer<'static, KeyPair>,
    pub names: Arc<Names>,
    pub allowed: Vec<&'static str>,
    pub timeouts: Timeouts,
    pub clock: Arc<Mutex<Instant>>,
}

impl World {
    /// Nothing but 127.0.0.0/24 is allowed; the rest of 127.0.0.0/8 plays what is private.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (log, listening) = Log::listen();
        World {
            log,
            _listening: listening,
            authority: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
            names: Arc::default(),
            allowed: vec!["127.0.0.0/24"],
            timeouts: Timeouts::default(),
            clock: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// A bridge that believes this world's authority and asks its name servers.
    pub fn bridge(&self) -> Bridge {
        self.bridge_that_believes(true)
    }

    /// A bridge that believes this world's authority, or not.
    pub fn bridge_that_believes(&self, authority: bool) -> Bridge {
        self.bridge_of(self.config(authority), Pace::default())
    }

    /// What the configuration says, with this world's authority or without.
    pub fn config(&self, authority: bool) -> HomeserversConfig {
        HomeserversConfig {
            allowed_networks: AllowedNetworks::new(
                self.allowed
                    .iter()
                    .map(|network| network.parse().unwrap())
                    .collect(),
            ),
            authorities: authority
                .then(|| self.authority.der().clone())
                .into_iter()
                .collect(),
            ..HomeserversConfig::default()
        }
    }

    /// A bridge of this configuration that asks this world's name servers.
    pub fn bridge_of(&self, config: HomeserversConfig, pace: Pace) -> Bridge {
        let clock = self.clock.clone();
        let clock = Arc::new(move || *clock.lock().unwrap());
        let dialler = Dialler::with_surroundings(&config, self.names.clone(), self.timeouts, clock).unwrap();
        Bridge::over(dialler, &config, pace).unwrap()
    }

    /// Starts a server on a free port, with a certificate for these names.
    pub async fn serve(
        &self,
        address: &str,
        certificate_names: &[&str],
        handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let server = Server {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            connections: Arc::default(),
        };
        let (asked, connections) = (server.asked.clone(), server.connections.clone());
        let acceptor = self.acceptor(certificate_names);
        let handler: Arc<Handler> = Arc::new(handler);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                let (acceptor, asked, handler) = (acceptor.clone(), asked.clone(), handler.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(|request| answer(request, &asked, &*handler));
                    // A client that stops reading is the client's business.
                    let _closed = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        server
    }

    fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.authority)
            .unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Lets time pass for what is remembered.
    pub fn pass(&self, seconds: u64) {
        *self.clock.lock().unwrap() += Duration::from_secs(seconds);
    }
}

/// What no log line and no error may hold: the token, the names of people and of their servers, addresses.
pub const PERSONAL: [&str; 6] = ["secretSecret", "alice", "mallory", ".example", "127.", "::1"];

/// Fails if the text holds something personal.
pub fn assert_impersonal(text: &str) {
    for personal in PERSONAL {
        assert!(!text.contains(personal), "{personal} shows in: {text}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_impersonal(&self.log.text());
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    asked: &Mutex<Vec<Asked>>,
    handler: &Handler,
) -> Result<Answer, Infallible> {
    let token = request.headers().get("authorization");
    let request = Asked {
        method: request.method().to_string(),
        token: token.map(|token| token.to_str().unwrap().to_owned()),
        host: request.headers()["host"].to_str().unwrap().to_owned(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
    };
    asked.lock().unwrap().push(request.clone());
    Ok(handler(&request))
}

/// Name servers: what each name answers, one look-up after the other; the last answer stays. A name with port 443 may be
/// somewhere else than at its other ports, because tests cannot have that port.
#[derive(Default)]
pub struct Names {
    addresses: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    silent: Mutex<HashSet<String>>,
    services: Mutex<HashMap<String, Vec<Service>>>,
    ports: Mutex<HashMap<(String, u16), u16>>,
    looked_up: Mutex<Vec<String>>,
}

impl Names {
    /// What the look-ups of a name find, one after the other.
    pub fn set(&self, name: &str, answers: &[&[&str]]) {
        let answers = answers
            .iter()
            .map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect())
            .collect();
        self.addresses.lock().unwrap().insert(name.to_owned(), answers);
    }

    /// No look-up of this name is ever answered.
    pub fn silence(&self, name: &str) {
        self.silent.lock().unwrap().insert(name.to_owned());
    }

    /// Where a port of a name really is.
    pub fn set_port(&self, name: &str, port: u16, real: u16) {
        self.ports.lock().unwrap().insert((name.to_owned(), port), real);
    }

    /// An SRV record.
    pub fn add_service(&self, name: &str, priority: u16, target: &str, port: u16) {
        let service = Service {
            priority,
            weight: 0,
            target: target.to_owned(),
            port,
        };
        self.services
            .lock()
            .unwrap()
            .entry(name.to_owned())
            .or_default()
            .push(service);
    }

    /// Look-ups of addresses so far.
    pub fn looked_up(&self) -> Vec<String> {
        self.looked_up.lock().unwrap().clone()
    }
}

impl Resolve for Names {
    fn addresses<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Vec<SocketAddr>, LookupFailed>> {
        self.looked_up.lock().unwrap().push(name.to_owned());
        if self.silent.lock().unwrap().contains(name) {
            return Box::pin(std::future::pending());
        }
        let real = self.ports.lock().unwrap().get(&(name.to_owned(), port)).copied();
        let mut names = self.addresses.lock().unwrap();
        let found = match names.get_mut(name) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers.first().cloned().unwrap_or_default(),
            None => Vec::new(),
        };
        let found = found
            .into_iter()
            .map(|address| SocketAddr::new(address, real.unwrap_or(port)))
            .collect();
        Box::pin(async move { Ok(found) })
    }

    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Service>, LookupFailed>> {
        let found = self
            .services
            .lock()
            .unwrap()
            .get(name)
            .cloned()
            .unwrap_or_default();
        Box::pin(async move { Ok(found) })
    }
}

/// An answer with a body of JSON.
pub fn json(status: u16, body: &str) -> Answer {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/json")
        .body(Full::from(body.to_owned()))
        .unwrap()
}

/// An answer that points elsewhere.
pub fn redirect(location: &str) -> Answer {
    Response::builder()
        .status(307)
        .header("location", location)
        .body(Full::default())
        .unwrap()
}

/// What Synapse answers: the user for the one token that it knows.
pub fn userinfo(user: &'static str) -> impl Fn(&Asked) -> Answer + Send + Sync {
    let expected = "access_token=syt_QWxpY2U_secretSecretSecret%2B%2F";
    move |asked| match (asked.path.as_str(), asked.query.as_deref()) {
        (USERINFO, Some(query)) if query == expected => json(200, &format!(r#"{{"sub":"{user}"}}"#)),
        (USERINFO, _) => json(
            401,
            r#"{"errcode":"M_UNKNOWN_TOKEN","error":"Access Token unknown or expired"}"#,
        ),
        _ => json(
            404,
            r#"{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}"#,
        ),
    }
}
