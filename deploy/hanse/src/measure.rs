//! Metrics on a port of their own, for Prometheus.

use crate::focus::RunningFocus;
use anyhow::{Context, Result};
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use hanse_bridge::{Bridge, Standing};
use hanse_focus::Focus;
use hanse_runtime::metrics::{Kind, Metric, Metrics, MetricsConfig, TIDY_INTERVAL, Word, install};
use hanse_sfu::{HttpServer, TrustedProxies, bind_http};
use http::header::CONTENT_TYPE;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

/// How long the parts may take to say how they are. What they have not said by then stays as it was.
const MEASURE_TIMEOUT: Duration = Duration::from_secs(2);

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What our homeservers let us know.
const HOMESERVERS: Metric = Metric {
    name: "hanse_homeserver_standing",
    kind: Kind::Gauge,
    about: "1 for what each of our homeservers lets us know of rooms: unknown, silent, other_user, full, only_invited or not_pushed.",
    labels: &["homeserver", "standing"],
};

/// All standings.
const STANDINGS: [&str; 6] = [
    "unknown",
    "silent",
    "other_user",
    "full",
    "only_invited",
    "not_pushed",
];

/// How many things this process does at a time.
const TASKS: Metric = Metric {
    name: "hanse_runtime_tasks",
    kind: Kind::Gauge,
    about: "Tasks of the asynchronous runtime that have not ended: a few, and some for each connection.",
    labels: &[],
};

/// What is counted in this crate.
static METRICS: [Metric; 2] = [HOMESERVERS, TASKS];

/// Everything that this executable counts.
fn all() -> impl Iterator<Item = &'static Metric> {
    let parts: [&'static [Metric]; 3] = [
        &hanse_focus::metrics::METRICS,
        &METRICS,
        &hanse_sfu::metrics::METRICS,
    ];
    parts.into_iter().flatten()
}

/// Counts from now on, if the settings want it.
///
/// # Errors
///
/// When it counts already.
pub fn count(config: &MetricsConfig) -> Result<Option<Metrics>> {
    match config.bind_address {
        Some(_) => Ok(Some(install(all()).context("[metrics]")?)),
        None => Ok(None),
    }
}

/// What says how it is now, at the time of reading.
#[derive(Clone)]
pub struct Measured {
    pub focus: Arc<Focus>,
    pub bridge: Arc<Bridge>,
}

impl Measured {
    async fn measure(&self) {
        for (server, standing) in self.bridge.standings() {
            let now = name(&standing);
            for standing in STANDINGS {
                let homeserver = Word::configured(server.as_str());
                HOMESERVERS.set(usize::from(standing == now), [homeserver, standing.into()]);
            }
        }
        self.focus.measure().await;
    }
}

const fn name(standing: &Standing) -> &'static str {
    match standing {
        Standing::Unknown => "unknown",
        Standing::Silent(_) => "silent",
        Standing::OtherUser => "other_user",
        Standing::Full => "full",
        Standing::OnlyInvited => "only_invited",
        Standing::NotPushed { .. } => "not_pushed",
    }
}

/// Metrics that can be read. Dropping it ends that.
pub struct MetricsServer {
    _server: HttpServer,
    tidy: JoinHandle<()>,
}

impl MetricsServer {
    /// Serves what is counted.
    ///
    /// # Errors
    ///
    /// A sentence: the port is taken.
    pub fn start(
        config: &MetricsConfig,
        metrics: Option<Metrics>,
        focus: Option<&RunningFocus>,
    ) -> Result<Option<Self>> {
        let (Some(metrics), Some(address)) = (metrics, config.bind_address) else {
            return Ok(None);
        };
        let listener = bind_http(SocketAddr::new(address, config.port)).with_context(|| {
            format!(
                "[metrics] port {} of {address} cannot be listened to",
                config.port
            )
        })?;
        tracing::info!("metrics are at http://{}/metrics", listener.local_addr()?);
        let measured = focus.map(RunningFocus::measured);
        let counted = metrics.clone();
        let read = move || {
            let (metrics, measured) = (counted.clone(), measured.clone());
            async move {
                if let Some(measured) = measured
                    && timeout(MEASURE_TIMEOUT, measured.measure()).await.is_err()
                {
                    tracing::warn!("metrics are read whose gauges are of before");
                }
                TASKS.set(Handle::current().metrics().num_alive_tasks(), []);
                ([(CONTENT_TYPE, TEXT_FORMAT)], metrics.text()).into_response()
            }
        };
        let router = Router::new().route("/metrics", get(read));
        let tidy = tokio::spawn(async move {
            let mut round = interval(TIDY_INTERVAL);
            loop {
                round.tick().await;
                metrics.tidy();
            }
        });
        Ok(Some(MetricsServer {
            _server: HttpServer::start(vec![listener], &router, &TrustedProxies::default()),
            tidy,
        }))
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.tidy.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_book_explains_every_metric_and_no_other() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operation.md")).unwrap();
        let explained: BTreeSet<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `hanse_")?.split_once('`'))
            .map(|(name, _)| name)
            .collect();
        let counted: BTreeSet<&str> = all()
            .filter_map(|metric| metric.name.strip_prefix("hanse_"))
            .collect();
        assert_eq!(explained, counted);
        for metric in all() {
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("| `{}`", metric.name)));
            for label in metric.labels {
                assert!(
                    row.unwrap().contains(&format!("`{label}`")),
                    "{label} of {}",
                    metric.name
                );
            }
        }
    }
}
