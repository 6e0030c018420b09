//! Log lines: one a thing that happened, to standard error. Ids, addresses and tokens pass through
//! [`crate::Redacted`] first; the type is the guard, this file only prints.

use crate::config::{ConfigError, Key, Section, Table, Values};
use std::io::IsTerminal;
use tracing_subscriber::filter::EnvFilter;

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
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let filter: String = values.read("filter")?;
        EnvFilter::try_new(&filter)
            .map_err(|error| values.refuse("filter", &format!("this is no filter: {error}")))?;
        Ok(LogConfig { filter })
    }
}

/// Crates that print what came in from the network when they are asked for more than warnings, kept quiet whatever
/// the filter says. The protocol crates speak through `log`, which is bridged.
const QUIET: [&str; 13] = [
    // Writes names and addresses, also at error level.
    "hickory_net=off",
    "hickory_proto=off",
    "hickory_resolver=off",
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
    use tracing_subscriber::prelude::*;
    let filter = QUIET
        .iter()
        .fold(config.filter.clone(), |filter, rule| format!("{filter},{rule}"));
    let Ok(filter) = EnvFilter::try_new(filter) else {
        return;
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // `try_init` also bridges the `log` crate.
    let _already_started = tracing_subscriber::registry().with(filter).with(lines).try_init();
}
