//! Numbers about this process, for Prometheus and whatever reads its text format.
//!
//! Each crate describes its own metrics as constants, and `deploy/hanse` puts the lists together. A label says one of a
//! few words that are written in the code ([`Word`]), so that nobody's id can become one, and so that their number is
//! bounded. Nothing is counted in a process that has not called [`install`].

use crate::config::{ConfigError, Key, Section, Table, Values};
use metrics::{KeyName, Label, Level, Metadata, SharedString, Unit};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often [`Metrics::tidy`] is to be called. Between two calls each observation of a time takes 8 bytes.
pub const TIDY_INTERVAL: Duration = Duration::from_secs(5);

/// Where a time belongs, in seconds: from half a millisecond to as long as anybody waits.
pub const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// How it is now.
    Gauge,
    /// Times, counted in [`SECONDS`].
    Histogram,
    /// Numbers of another unit, counted in buckets that end at these.
    Distribution(&'static [f64]),
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name; ends in its unit, and that of a counter in `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says, in a sentence.
    pub about: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// What a label says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(Cow<'static, str>);

impl From<&'static str> for Word {
    fn from(word: &'static str) -> Self {
        Word(Cow::Borrowed(word))
    }
}

impl Word {
    /// A name that the administrator has written into the configuration, as that of an own homeserver. Never one that
    /// came over the network.
    pub fn configured(name: &str) -> Self {
        Word(Cow::Owned(name.to_owned()))
    }
}

/// Of this process.
static COUNTED: OnceLock<Metrics> = OnceLock::new();

static HERE: Metadata<'_> = Metadata::new("hanse", Level::INFO, None);

impl Metric {
    /// Adds to a counter. The words stand in the order of [`Metric::labels`].
    pub fn add<const N: usize>(&self, number: u64, words: [Word; N]) {
        metrics::with_recorder(|recorder| {
            recorder
                .register_counter(&self.key(words), &HERE)
                .increment(number)
        });
    }

    /// Sets a gauge.
    pub fn set<const N: usize>(&self, number: usize, words: [Word; N]) {
        // Exact up to 2^53.
        let number = number as f64;
        metrics::with_recorder(|recorder| recorder.register_gauge(&self.key(words), &HERE).set(number));
    }

    /// Notes a time in a histogram.
    pub fn observe<const N: usize>(&self, time: Duration, words: [Word; N]) {
        metrics::with_recorder(|recorder| {
            recorder
                .register_histogram(&self.key(words), &HERE)
                .record(time.as_secs_f64());
        });
    }

    /// Notes a number in a distribution.
    pub fn record<const N: usize>(&self, number: f64, words: [Word; N]) {
        metrics::with_recorder(|recorder| {
            recorder
                .register_histogram(&self.key(words), &HERE)
                .record(number);
        });
    }

    fn key<const N: usize>(&self, words: [Word; N]) -> metrics::Key {
        debug_assert_eq!(N, self.labels.len(), "{}", self.name);
        let labels = self.labels.iter().zip(words);
        let labels: Vec<Label> = labels.map(|(name, word)| Label::new(*name, word.0)).collect();
        metrics::Key::from_parts(self.name, labels)
    }
}

/// What was counted.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    /// Name, sentence and kind of each.
    described: Arc<[(&'static str, &'static str, &'static str)]>,
}

/// Why nothing is counted.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A list of buckets is empty.
    #[error(transparent)]
    Buckets(#[from] BuildError),
    /// Called twice.
    #[error("this process counts already")]
    Twice,
}

impl Metrics {
    /// Everything that was counted, in Prometheus' text format; what was not counted yet is named at the end, so that a
    /// dashboard's names can be looked up.
    pub fn text(&self) -> String {
        let mut text = self.handle.render();
        let named: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .map(str::to_owned)
            .collect();
        for (name, about, kind) in self.described.iter().filter(|(name, ..)| !named.contains(*name)) {
            text.push_str(&format!("# HELP {name} {about}\n# TYPE {name} {kind}\n"));
        }
        text
    }

    /// What was counted under names that begin like this.
    pub fn text_of(&self, beginning: &str) -> String {
        let text = self.handle.render();
        let is_meant = |line: &&str| {
            let name = line
                .strip_prefix("# HELP ")
                .or_else(|| line.strip_prefix("# TYPE "))
                .unwrap_or(line);
            name.starts_with(beginning)
        };
        text.lines()
            .filter(is_meant)
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    /// Puts times into their buckets. To be called every [`TIDY_INTERVAL`]: without it they pile up until somebody reads.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

/// Counts these from now on, in the whole process.
///
/// # Errors
///
/// See [`MetricsError`].
pub fn install<'a>(described: impl IntoIterator<Item = &'a Metric>) -> Result<Metrics, MetricsError> {
    let (recorder, counted) = recorder(described)?;
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Twice)?;
    // Set once, like the recorder.
    let _ = COUNTED.set(counted.clone());
    Ok(counted)
}

/// What [`install`] counts, if it was called.
pub fn counted() -> Option<Metrics> {
    COUNTED.get().cloned()
}

/// What counts, and what was counted; for tests, which count for their own thread only.
///
/// # Errors
///
/// [`MetricsError::Buckets`]
pub fn recorder<'a>(
    described: impl IntoIterator<Item = &'a Metric>,
) -> Result<(PrometheusRecorder, Metrics), MetricsError> {
    use metrics::Recorder;
    let described: Vec<&Metric> = described.into_iter().collect();
    let mut builder = PrometheusBuilder::new();
    for metric in &described {
        let buckets = match metric.kind {
            Kind::Histogram => SECONDS,
            Kind::Distribution(buckets) => buckets,
            Kind::Counter | Kind::Gauge => continue,
        };
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
    }
    let recorder = builder.build_recorder();
    let names = described.iter().map(|metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram | Kind::Distribution(_) => "histogram",
        };
        (metric.name, metric.about, kind)
    });
    let names = names.collect();
    for metric in described {
        let name = KeyName::from_const_str(metric.name);
        let about = SharedString::const_str(metric.about);
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, about),
            Kind::Gauge => recorder.describe_gauge(name, None, about),
            Kind::Histogram => recorder.describe_histogram(name, Some(Unit::Seconds), about),
            Kind::Distribution(_) => recorder.describe_histogram(name, None, about),
        }
    }
    let handle = recorder.handle();
    let metrics = Metrics {
        handle,
        described: names,
    };
    Ok((recorder, metrics))
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where they are to be read; `None`: nowhere, and nothing is counted.
    pub bind_address: Option<IpAddr>,
    /// TCP port; 0 lets the system choose (tests).
    pub port: u16,
}

impl Section for MetricsConfig {
    const TABLE: Table = Table {
        name: "metrics",
        about: "Numbers for Prometheus, at /metrics on a port of their own. They name nobody; docs/operation.md explains each. \
                Whoever reaches the port can read them, so let only your monitoring reach it.",
        keys: &[
            Key {
                name: "bind_address",
                default: "\"\"",
                about: "Local address to listen on, for instance \"127.0.0.1\". Empty: nothing is counted.",
            },
            Key {
                name: "port",
                default: "7889",
                about: "TCP port.",
            },
        ],
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let bind_address: String = values.read("bind_address")?;
        let bind_address = match bind_address.as_str() {
            "" => None,
            address => Some(address.parse().map_err(|_| {
                values.refuse("bind_address", "an IP address is expected, as in \"127.0.0.1\"")
            })?),
        };
        Ok(MetricsConfig {
            bind_address,
            port: values.read("port")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    const VISITS: Metric = Metric {
        name: "shop_visits_total",
        kind: Kind::Counter,
        about: "Visits.",
        labels: &["end"],
    };
    const OPEN: Metric = Metric {
        name: "shop_doors",
        kind: Kind::Gauge,
        about: "Doors that are open.",
        labels: &[],
    };
    const WEIGHTS: Metric = Metric {
        name: "market_weight_grams",
        kind: Kind::Distribution(&[10.0, 100.0]),
        about: "Of what was bought.",
        labels: &[],
    };
    const WAITS: Metric = Metric {
        name: "shop_wait_seconds",
        kind: Kind::Histogram,
        about: "Time in the queue.",
        labels: &[],
    };

    #[test]
    fn what_is_counted_is_said_with_its_explanation_and_the_rest_is_not() {
        let (recorder, counted) = recorder([&VISITS, &OPEN, &WAITS]).unwrap();
        VISITS.add(1, ["before".into()]);
        metrics::with_local_recorder(&recorder, || {
            VISITS.add(2, ["bought".into()]);
            OPEN.set(3, []);
            WAITS.observe(Duration::from_millis(3), []);
        });
        counted.tidy();
        let text = counted.text();
        for line in [
            "# HELP shop_visits_total Visits.",
            "shop_visits_total{end=\"bought\"} 2",
            "shop_doors 3",
            "shop_wait_seconds_bucket{le=\"0.0025\"} 0",
            "shop_wait_seconds_bucket{le=\"0.005\"} 1",
            "shop_wait_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        assert!(!text.contains("before"), "{text}");
    }

    #[test]
    fn a_distribution_has_buckets_of_its_own_and_names_can_be_read_by_their_beginning() {
        let (recorder, counted) = recorder([&WEIGHTS, &OPEN]).unwrap();
        metrics::with_local_recorder(&recorder, || {
            WEIGHTS.record(50.0, []);
            OPEN.set(3, []);
        });
        let text = counted.text_of("market_");
        for line in [
            "# TYPE market_weight_grams histogram",
            "market_weight_grams_bucket{le=\"10\"} 0",
            "market_weight_grams_bucket{le=\"100\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        assert!(!text.contains("shop") && text.ends_with('\n'), "{text}");
    }

    #[test]
    fn nothing_is_counted_unless_an_address_is_named_and_a_name_is_none() {
        static TABLE: Table = MetricsConfig::TABLE;
        let read = |text: &str| {
            let text = format!("[metrics]\n{text}");
            Document::load(&[&TABLE], Some(("hanse.toml", &text)), &|_| None)
                .and_then(|document| document.section::<MetricsConfig>())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("").unwrap().bind_address, None);
        let here = read("bind_address = \"::1\"").unwrap();
        assert_eq!(
            (here.bind_address, here.port),
            (Some("::1".parse().unwrap()), 7889)
        );
        let error = read("bind_address = \"localhost\"").unwrap_err();
        assert!(error.contains("an IP address is expected"), "{error}");
    }
}
