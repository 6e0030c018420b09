//! `prometheus_port` in `[sfu]`: what LiveKit's server counts, under its names, on a port of its own.

use crate::http::{Server, TrustedProxies, bind};
use crate::metrics::METRICS;
use crate::node::StartError;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Values};
use hanse_runtime::metrics::{Metrics, TIDY_INTERVAL, counted, install};
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use std::net::{IpAddr, SocketAddr};
use tokio::task::JoinHandle;
use tokio::time::interval;

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How names begin that LiveKit's server has.
const NAMES: &str = "livekit_";

/// Where LiveKit's metrics are to be read.
#[derive(Clone, Debug)]
pub struct PrometheusConfig {
    /// Local addresses.
    pub bind_addresses: Vec<IpAddr>,
    /// TCP port.
    pub port: u16,
    /// Name and password; `None`: whoever reaches the port may read them.
    pub login: Option<(String, Secret<String>)>,
}

impl PrometheusConfig {
    /// Reads the keys; `None`: nobody is to read them.
    pub(crate) fn resolve(values: &Values<'_>) -> Result<Option<Self>, ConfigError> {
        let port = values.read("prometheus_port")?;
        let bind_addresses: Vec<IpAddr> = values.read("prometheus_bind_addresses")?;
        let user: String = values.read("prometheus_user")?;
        let login = match (user.as_str(), values.secret("PROMETHEUS_PASSWORD")) {
            ("", _) => None,
            (_, Some(password)) if !password.expose().is_empty() => Some((user, password.clone())),
            _ => {
                return Err(values.refuse(
                    "prometheus_user",
                    "the environment variable PROMETHEUS_PASSWORD has to say the password",
                ));
            }
        };
        if bind_addresses.is_empty() {
            return Err(values.refuse("prometheus_bind_addresses", "at least one address is needed"));
        }
        Ok((port != 0).then_some(PrometheusConfig {
            bind_addresses,
            port,
            login,
        }))
    }
}

/// Metrics that can be read. Dropping it ends that.
pub(crate) struct Prometheus {
    _server: Server,
    tidy: JoinHandle<()>,
}

impl Prometheus {
    /// Counts from now on, unless the process does already, and serves it.
    pub fn start(config: &PrometheusConfig) -> Result<Self, StartError> {
        let metrics = match counted() {
            Some(metrics) => metrics,
            None => install(&METRICS).map_err(|error| StartError::Beside(error.to_string()))?,
        };
        let mut listeners = Vec::new();
        for &ip in &config.bind_addresses {
            let address = SocketAddr::new(ip, config.port);
            listeners.push(bind(address).map_err(|error| StartError::Listen {
                what: "TCP",
                address,
                error,
            })?);
        }
        tracing::info!("LiveKit's metrics are on port {}", config.port);
        let login = config.login.as_ref().map(|(user, password)| {
            let login = Secret::new(format!("{user}:{}", password.expose()));
            hash(login.expose().as_bytes())
        });
        let page = Page {
            metrics: metrics.clone(),
            login,
        };
        let tidy = tokio::spawn(async move {
            let mut round = interval(TIDY_INTERVAL);
            loop {
                round.tick().await;
                metrics.tidy();
            }
        });
        Ok(Prometheus {
            _server: Server::start(listeners, &router(page), &TrustedProxies::default()),
            tidy,
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.tidy.abort();
    }
}

#[derive(Clone)]
struct Page {
    metrics: Metrics,
    /// Of `name:password`.
    login: Option<Vec<u8>>,
}

/// LiveKit's server answers at every path; Prometheus asks at the second.
fn router(page: Page) -> Router {
    Router::new()
        .route("/", get(read))
        .route("/metrics", get(read))
        .with_state(page)
}

async fn read(State(page): State<Page>, headers: HeaderMap) -> Response {
    if page
        .login
        .as_ref()
        .is_some_and(|login| !is_known(&headers, login))
    {
        let challenge = "Basic realm=\"metrics\"";
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response();
    }
    ([(CONTENT_TYPE, TEXT_FORMAT)], page.metrics.text_of(NAMES)).into_response()
}

/// Whether a request has the login (RFC 7617). Compares hashes, in a time that says nothing of them.
fn is_known(headers: &HeaderMap, login: &[u8]) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|encoded| BASE64_STANDARD.decode(encoded.trim()).ok());
    given.is_some_and(|given| verify_slices_are_equal(&hash(&given), login).is_ok())
}

fn hash(text: &[u8]) -> Vec<u8> {
    digest(&SHA256, text).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SfuConfig;
    use hanse_runtime::config::{Document, Section, Table};

    static TABLE: Table = SfuConfig::TABLE;

    fn resolve(text: &str, password: Option<&str>) -> Result<Option<PrometheusConfig>, String> {
        let text = format!("[sfu]\n{text}\n");
        let variables = |name: &str| match name {
            "LIVEKIT_KEYS" => Some("devkey: secret".to_owned()),
            "PROMETHEUS_PASSWORD" => password.map(str::to_owned),
            _ => None,
        };
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &variables)
            .and_then(|document| document.section::<SfuConfig>())
            .map(|config| config.prometheus)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn metrics_are_served_nowhere_unless_a_port_is_named_and_then_on_this_machine_only() {
        assert!(resolve("", None).unwrap().is_none());
        let config = resolve("prometheus_port = 6789", None).unwrap().unwrap();
        assert_eq!(
            (config.port, config.bind_addresses),
            (6789, vec!["127.0.0.1".parse().unwrap()])
        );
        assert!(config.login.is_none());
        assert!(resolve("prometheus_port = 6789\nprometheus_bind_addresses = []", None).is_err());
    }

    #[test]
    fn a_user_without_a_password_is_refused_and_the_password_is_in_no_error() {
        let text = "prometheus_port = 6789\nprometheus_user = \"prometheus\"";
        let error = resolve(text, None).unwrap_err();
        assert!(error.contains("PROMETHEUS_PASSWORD"), "{error}");
        assert!(resolve(text, Some("")).is_err());
        let (user, password) = resolve(text, Some("hunter2")).unwrap().unwrap().login.unwrap();
        assert_eq!(
            (user.as_str(), password.expose().as_str()),
            ("prometheus", "hunter2")
        );
        assert!(!format!("{:?}", resolve(text, Some("hunter2"))).contains("hunter2"));
    }

    #[test]
    fn only_the_right_name_and_password_open() {
        let login = hash(b"prometheus:hunter2");
        let known = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            is_known(&headers, &login)
        };
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert!(known(&basic("prometheus:hunter2")));
        for wrong in [
            "prometheus:hunter3",
            "prometheus:",
            ":hunter2",
            "prometheus:hunter2 ",
            "",
        ] {
            assert!(!known(&basic(wrong)), "{wrong}");
        }
        assert!(!known("Bearer hunter2") && !known("Basic ?") && !is_known(&HeaderMap::new(), &login));
    }
}
