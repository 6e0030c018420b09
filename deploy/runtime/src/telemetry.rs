//! Log lines: one a thing that happened, to standard error. Ids, addresses and tokens pass through
//! [`crate::Redacted`] first; the type is the guard, this file only prints.

use crate::config::{ConfigError, Key, SecretKey, Section, Table, Values};
use std::io::IsTerminal;
use tracing::Subscriber;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A tracing filter.
    pub filter: String,
}

impl Section for LogConfig {
    const TABLE: Table = Table {
        name: "log",
        about: "What is written to standard error. People's names and addresses, and tokens, never are: they appear as \
                tags that change with every start.",
        keys: &[Key {
            name: "filter",
            default: "\"info\"",
            about: "error, warn, info, debug or trace; or a list with finer rules, as in \
                    \"info,hanse_sfu::http=debug\".",
        }],
        secrets: &[SecretKey {
            variable: "LIVEKIT_LOG_LEVEL",
            about: "As in Element's service; replaces filter.",
        }],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let written: String = values.read("filter")?;
        EnvFilter::try_new(&written)
            .map_err(|error| values.refuse("filter", &format!("this is no filter: {error}")))?;
        let filter = match values.secret("LIVEKIT_LOG_LEVEL") {
            Some(level) => level.expose().to_ascii_lowercase(),
            None => written,
        };
        EnvFilter::try_new(&filter).map_err(|error| {
            ConfigError::Refused(format!(
                "environment variable LIVEKIT_LOG_LEVEL: this is no level: {error}"
            ))
        })?;
        Ok(LogConfig { filter })
    }
}

/// Crates that print what came in from the network when they are asked for more than warnings, kept quiet whatever
/// the filter says. The protocol crates speak through `log`, which is bridged.
const QUIET: [&str; 18] = [
    // Writes names and addresses, also at error level.
    "hickory_net=off",
    "hickory_proto=off",
    "hickory_resolver=off",
    // Write addresses, rooms and people, also at error level.
    "matrix_sdk=off",
    "matrix_sdk_base=off",
    "matrix_sdk_crypto=off",
    "matrix_sdk_sqlite=off",
    "vodozemac=off",
    "hyper=warn",
    "hyper_util=warn",
    "reqwest=warn",
    // Warns of every extension of a ClientHello that it does not know; each browser sends three.
    "rtc_dtls=error",
    "rtc_sctp=warn",
    "rtc_shared=warn",
    "rtc_srtp=warn",
    "rtc_stun=warn",
    "tokio_tungstenite=warn",
    "tungstenite=warn",
];

/// Starts logging for the whole process. A second call changes nothing (tests start several nodes).
pub fn init(config: &LogConfig) {
    use tracing_subscriber::util::SubscriberInitExt;
    let writes_colours = std::io::stderr().is_terminal();
    if let Some(lines) = lines(config, std::io::stderr, writes_colours) {
        // `try_init` also bridges the `log` crate.
        let _already_started = lines.try_init();
    }
}

/// What is written, and where to. `None`: the filter cannot be read, which [`LogConfig`] rules out.
fn lines<W>(config: &LogConfig, writer: W, colours: bool) -> Option<impl Subscriber + Send + Sync + use<W>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    use tracing_subscriber::prelude::*;
    let filter = EnvFilter::try_new(&config.filter).ok()?;
    // Of its own, so that no finer rule of the other one wins over it.
    let quiet = EnvFilter::try_new(format!("trace,{}", QUIET.join(","))).ok()?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colours)
        .with_filter(quiet);
    Some(tracing_subscriber::registry().with(filter).with(lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_rule_makes_a_library_name_what_came_in_from_the_network() {
        let config = LogConfig {
            filter: "trace,hickory_proto=trace,hickory_proto::xfer=trace,hyper::client=trace".to_owned(),
        };
        let written = Written::default();
        let writer = written.clone();
        tracing::subscriber::with_default(lines(&config, move || writer.clone(), false).unwrap(), || {
            tracing::error!(target: "hickory_proto::xfer", "who was looked up");
            tracing::debug!(target: "hyper::client", "what was asked");
            tracing::warn!(target: "hyper::client", "a warning");
            tracing::trace!(target: "hanse_focus", "ours");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("a warning") && text.contains("ours"), "{text}");
        assert!(!text.contains("looked up") && !text.contains("asked"), "{text}");
    }
}
