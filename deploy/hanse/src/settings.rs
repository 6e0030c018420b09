//! The tables of `hanse.toml`, in the order in which they are explained. Each is described where it is used.

use crate::operate::OperateConfig;
use anyhow::{Context, Result};
use hanse_bridge::HomeserversConfig;
use hanse_focus::store::StoreConfig;
use hanse_focus::{FocusConfig, PolicyConfig};
use hanse_runtime::config::{Document, Section, Table, example};
use hanse_runtime::metrics::MetricsConfig;
use hanse_runtime::telemetry::LogConfig;
use hanse_sfu::{HttpConfig, SfuConfig};
use std::path::{Path, PathBuf};

static HTTP: Table = HttpConfig::TABLE;
static SFU: Table = SfuConfig::TABLE;
static FOCUS: Table = FocusConfig::TABLE;
static POLICY: Table = PolicyConfig::TABLE;
static STORE: Table = StoreConfig::TABLE;
static HOMESERVERS: Table = HomeserversConfig::TABLE;
static OPERATE: Table = OperateConfig::TABLE;
static METRICS: Table = MetricsConfig::TABLE;
static LOG: Table = LogConfig::TABLE;

/// All tables.
static TABLES: [&Table; 9] = [
    &HTTP,
    &SFU,
    &FOCUS,
    &POLICY,
    &HOMESERVERS,
    &STORE,
    &OPERATE,
    &METRICS,
    &LOG,
];

/// Everything that `hanse.toml` and the environment say, checked.
pub struct Settings {
    /// `[http]`
    pub http: HttpConfig,
    /// `[sfu]`
    pub sfu: SfuConfig,
    /// `[focus]`
    pub focus: FocusConfig,
    /// `[policy]`
    pub policy: PolicyConfig,
    /// `[homeservers]`
    pub homeservers: HomeserversConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[operate]`
    pub operate: OperateConfig,
    /// `[metrics]`
    pub metrics: MetricsConfig,
    /// `[log]`
    pub log: LogConfig,
    /// Every value and where it came from.
    pub explanation: String,
}

impl Settings {
    /// Reads the file, if one is named, and the environment.
    ///
    /// # Errors
    ///
    /// A sentence for whoever wrote the configuration.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let document = document(file)?;
        Ok(Settings {
            http: document.section()?,
            sfu: document.section()?,
            focus: document.section()?,
            policy: document.section()?,
            homeservers: document.section()?,
            store: document.section()?,
            operate: document.section()?,
            metrics: document.section()?,
            log: document.section()?,
            explanation: document.explain(),
        })
    }
}

/// Where the socket for administrators is. Asks for nothing else in the configuration: administrators need not have the
/// secrets of the server at hand.
///
/// # Errors
///
/// As [`Settings::read`].
pub fn operator_socket(file: Option<&Path>) -> Result<PathBuf> {
    let document = document(file)?;
    let operate: OperateConfig = document.section()?;
    Ok(operate.socket(&document.section()?))
}

fn document(file: Option<&Path>) -> Result<Document> {
    let text = match file {
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("the configuration file {name} cannot be read"))?;
            Some((name, text))
        }
        None => None,
    };
    let file = text.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(Document::load(&TABLES, file, &|variable| {
        std::env::var(variable).ok()
    })?)
}

/// An example `hanse.toml` that says what holds without one.
pub fn example_file() -> String {
    example(&TABLES)
}

/// The page of the book about the configuration.
pub fn example_page() -> String {
    format!(
        "# Configuration\n\n\
         Hanse reads one file, `hanse run --config hanse.toml`, with a table per service. Every key has a default that \
         is right for one machine, so the smallest file is an empty one. A key that does not exist is refused with the \
         nearest name that does.\n\n\
         An environment variable wins over the file: `HANSE_<TABLE>_<KEY>` in capitals, for instance \
         `HANSE_SFU_UDP_PORT=3478`; a list is written with commas. Secrets never stand in this file.\n\n\
         `hanse check-config --config hanse.toml` says of every value what it is and where it came from. This page is \
         what `hanse example-config --page` prints: all keys with their defaults.\n\n\
         ```toml\n{}```\n",
        example_file()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_says_what_the_executable_says() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let written = std::fs::read_to_string(page).unwrap_or_default();
        assert!(
            written == example_page(),
            "docs/configuration.md is out of date; say: \
             cargo run -p hanse -- example-config --page > docs/configuration.md"
        );
    }

    #[test]
    fn the_example_file_changes_no_default() {
        let nothing = |_: &str| None;
        let example = example_file();
        let with = Document::load(&TABLES, Some(("hanse.toml", &example)), &nothing).unwrap();
        let without = Document::load(&TABLES, None, &nothing).unwrap();
        let values = |document: &Document| {
            let text = document.explain();
            text.lines()
                .map(|line| line.split("    #").next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(values(&with), values(&without));
    }
}
