//! The tables of `hanse.toml`, in the order in which they are explained. Each is described where it is used.

use crate::operate::{OperateConfig, database_path};
use crate::privacy::PrivacyConfig;
use crate::web::WebConfig;
use anyhow::{Context, Result};
use hanse_bridge::HomeserversConfig;
use hanse_focus::guests::GuestsConfig;
use hanse_focus::store::StoreConfig;
use hanse_focus::{FocusConfig, PolicyConfig};
use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Document, Section, Table, Values, example};
use hanse_runtime::metrics::MetricsConfig;
use hanse_runtime::telemetry::LogConfig;
use hanse_sfu::{HttpConfig, SfuConfig, TlsConfig};
use std::path::{Path, PathBuf};

static HTTP: Table = HttpConfig::TABLE;
static TLS: Table = TlsConfig::TABLE;
static SFU: Table = SfuConfig::TABLE;
static FOCUS: Table = FocusConfig::TABLE;
static POLICY: Table = PolicyConfig::TABLE;
static GUESTS: Table = GuestsConfig::TABLE;
static STORE: Table = StoreConfig::TABLE;
static HOMESERVERS: Table = HomeserversConfig::TABLE;
static WEB: Table = WebConfig::TABLE;
static OPERATE: Table = OperateConfig::TABLE;
static METRICS: Table = MetricsConfig::TABLE;
static LOG: Table = LogConfig::TABLE;
static PRIVACY: Table = PrivacyConfig::TABLE;

/// All tables.
pub static TABLES: [&Table; 13] = [
    &HTTP,
    &TLS,
    &SFU,
    &FOCUS,
    &POLICY,
    &GUESTS,
    &HOMESERVERS,
    &STORE,
    &WEB,
    &OPERATE,
    &METRICS,
    &LOG,
    &PRIVACY,
];

/// Everything that `hanse.toml` and the environment say, checked.
pub struct Settings {
    /// `[http]`
    pub http: HttpConfig,
    /// `[tls]`
    pub tls: TlsConfig,
    /// `[sfu]`
    pub sfu: SfuConfig,
    /// `[focus]`
    pub focus: FocusConfig,
    /// `[policy]`
    pub policy: PolicyConfig,
    /// `[guests]`
    pub guests: GuestsConfig,
    /// `[homeservers]`
    pub homeservers: HomeserversConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[web]`
    pub web: WebConfig,
    /// `[operate]`
    pub operate: OperateConfig,
    /// `[metrics]`
    pub metrics: MetricsConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[privacy]`
    pub privacy: PrivacyConfig,
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
        Self::of(&document(file)?)
    }

    /// What a configuration says that was found already.
    ///
    /// # Errors
    ///
    /// As [`Settings::read`].
    pub fn of(document: &Document) -> Result<Self> {
        Ok(Settings {
            http: document.section()?,
            tls: document.section()?,
            sfu: document.section()?,
            focus: document.section()?,
            policy: document.section()?,
            guests: document.section()?,
            homeservers: document.section()?,
            store: document.section()?,
            web: document.section()?,
            operate: document.section()?,
            metrics: document.section()?,
            log: document.section()?,
            privacy: document.section()?,
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

/// Where the data of a server is, and what its configuration consists of.
pub struct DataPlaces {
    /// The store, with its password, if it came with one.
    pub store_url: Secret<String>,
    /// Webhooks that wait; `None`: they are in memory only.
    pub webhook_folder: Option<PathBuf>,
    /// The configuration file and the files that it names.
    pub configuration: Vec<PathBuf>,
    /// Where ACME's account and certificates are; `None`: they are not wanted.
    pub acme_folder: Option<PathBuf>,
}

impl DataPlaces {
    /// SQLite's file; `None` in PostgreSQL.
    ///
    /// # Errors
    ///
    /// When a relative path begins nowhere.
    pub fn database_file(&self) -> Result<Option<PathBuf>> {
        let path = database_path(self.store_url.expose());
        Ok(path.map(std::path::absolute).transpose()?)
    }

    /// The folder of SQLite's file, or that in which hanse runs.
    ///
    /// # Errors
    ///
    /// As [`DataPlaces::database_file`].
    pub fn data_folder(&self) -> Result<PathBuf> {
        let file = self.database_file()?;
        match file.as_deref().and_then(Path::parent) {
            Some(folder) => Ok(folder.to_owned()),
            None => Ok(std::path::absolute(".")?),
        }
    }
}

/// The keys of `[sfu]` that name files. Asks for nothing else there, as [`operator_socket`].
struct SfuFiles {
    webhook_folder: String,
    keys_file: String,
}

impl Section for SfuFiles {
    const TABLE: Table = SfuConfig::TABLE;

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(SfuFiles {
            webhook_folder: values.read("webhook_folder")?,
            keys_file: values.read("keys_file")?,
        })
    }
}

/// The same of `[homeservers]`.
struct HomeserverFiles {
    registrations: Vec<String>,
    ca_files: Vec<String>,
}

impl Section for HomeserverFiles {
    const TABLE: Table = HomeserversConfig::TABLE;

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(HomeserverFiles {
            registrations: values.read("registrations")?,
            ca_files: values.read("ca_files")?,
        })
    }
}

/// The same of `[tls]`.
struct TlsFiles {
    files: [String; 3],
    acme_folder: Option<String>,
}

impl Section for TlsFiles {
    const TABLE: Table = TlsConfig::TABLE;

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let names: Vec<String> = values.read("names")?;
        let folder: String = values.read("acme_folder")?;
        Ok(TlsFiles {
            files: [
                values.read("certificate_file")?,
                values.read("key_file")?,
                values.read("acme_ca_file")?,
            ],
            acme_folder: (!names.is_empty() && !folder.is_empty()).then_some(folder),
        })
    }
}

/// The registration files, and what is in them in the same order, with how their homeservers are reached.
///
/// # Errors
///
/// As [`Settings::read`].
pub fn registrations(file: Option<&Path>) -> Result<(Vec<PathBuf>, HomeserversConfig)> {
    let document = document(file)?;
    let files: HomeserverFiles = document.section()?;
    let paths = files.registrations.into_iter().map(PathBuf::from);
    Ok((paths.collect(), document.section()?))
}

/// Where the data is. Needs none of the secrets, nor that the files are there.
///
/// # Errors
///
/// As [`Settings::read`].
pub fn data_places(file: Option<&Path>) -> Result<DataPlaces> {
    let document = document(file)?;
    let store: StoreConfig = document.section()?;
    let sfu: SfuFiles = document.section()?;
    let homeservers: HomeserverFiles = document.section()?;
    let named = file.map(Path::to_owned).into_iter();
    let tls: TlsFiles = document.section()?;
    let homeservers = homeservers.registrations.into_iter().chain(homeservers.ca_files);
    let files = std::iter::once(sfu.keys_file)
        .chain(homeservers)
        .chain(tls.files)
        .filter(|path| !path.is_empty());
    Ok(DataPlaces {
        store_url: store.url,
        webhook_folder: Some(sfu.webhook_folder)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
        configuration: named.chain(files.map(PathBuf::from)).collect(),
        acme_folder: tls.acme_folder.map(PathBuf::from),
    })
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
