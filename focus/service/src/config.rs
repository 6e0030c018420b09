//! `[focus]`: the settings of this service as written, and as meant. The names of Element's MatrixRTC Authorization Service
//! are read too, so that its environment can stay when Hanse takes its place.

use crate::grant::ApiKey;
use crate::policy::FullAccess;
use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Key, SecretKey, Section, Table, Values};
use http::Uri;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// `[focus]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FocusConfig {
    /// `None`: no focus on this server.
    pub settings: Option<FocusSettings>,
}

/// The settings of a focus that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FocusSettings {
    /// WebSocket URL of the SFU, as clients are told.
    pub sfu_url: String,
    /// Whose users may publish.
    pub full_access: FullAccess,
    /// Seconds for which a grant opens the SFU. Who is connected stays.
    pub token_lifetime_s: u64,
    /// Seconds between two looks at the seat of somebody whose delayed leave is in our hands; 0: events are trusted.
    pub presence_check_interval_s: u64,
    /// Where the SFU is.
    pub sfu: SfuPlace,
}

/// Where the SFU is, and what signs grants for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SfuPlace {
    /// In this process. Its first API key signs.
    Here,
    /// Somewhere else, a LiveKit server or another Hanse.
    At {
        /// URL of its server API.
        api_url: String,
        /// A key that it knows.
        key: ApiKey,
    },
}

/// Range of `token_lifetime_s`: a grant must outlive the way from here to the SFU, and should not outlive the meeting.
const TOKEN_LIFETIME_S: std::ops::RangeInclusive<u64> = 60..=86_400;

/// Range of `presence_check_interval_s`, besides 0: more often asks the SFU too much, less often leaves ghosts for long.
const PRESENCE_CHECK_INTERVAL_S: std::ops::RangeInclusive<u64> = 5..=3_600;

/// Bytes of a file that holds a key. A longer one is not a key.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

impl Section for FocusConfig {
    const TABLE: Table = Table {
        name: "focus",
        about: "The focus: admits people to calls on the SFU (Element's MatrixRTC Authorization Service does the same).",
        keys: &[
            Key {
                name: "sfu_url",
                default: "\"\"",
                about: "WebSocket URL of the SFU as clients reach it, for instance \"wss://hanse.org-a.example/livekit/sfu\". \
                        Empty: this server has no focus.",
            },
            Key {
                name: "full_access_homeservers",
                default: "[]",
                about: "Homeservers whose users may publish here, by the names that their user ids end in: your own. Users of \
                        all others may watch and listen; they publish on the SFU of their own organisation. [\"*\"]: \
                        everybody may publish.",
            },
            Key {
                name: "token_lifetime_s",
                default: "3600",
                about: "How long the token that a client gets opens the SFU, 60 to 86400. Who is connected stays connected.",
            },
            Key {
                name: "presence_check_interval_s",
                default: "60",
                about: "How often the focus looks on the SFU whether people whose delayed leave it has are still there, in \
                        case that it was not told, 5 to 3600; 0: never.",
            },
            Key {
                name: "sfu_api_url",
                default: "\"\"",
                about: "URL of the server API of an SFU that runs elsewhere, a LiveKit server or another Hanse, for instance \
                        \"http://10.0.0.5:7880\". Empty: the SFU in this process.",
            },
            Key {
                name: "key_file",
                default: "\"\"",
                about: "File with an API key that the SFU elsewhere knows, one line \"name: secret\". Nobody but owner and \
                        group may read it. The SFU in this process needs none.",
            },
        ],
        secrets: &[
            SecretKey {
                variable: "LIVEKIT_URL",
                about: "WebSocket URL of an SFU elsewhere, as in Element's service; replaces sfu_url, and sfu_api_url if that \
                        is empty.",
            },
            SecretKey {
                variable: "LIVEKIT_FULL_ACCESS_HOMESERVERS",
                about: "Homeservers with commas between them, or *; replaces full_access_homeservers.",
            },
            SecretKey {
                variable: "LIVEKIT_SANITY_CHECK_INTERVAL_SECONDS",
                about: "Replaces presence_check_interval_s.",
            },
            SecretKey {
                variable: "LIVEKIT_KEY",
                about: "Name of the API key; with LIVEKIT_SECRET it replaces key_file.",
            },
            SecretKey {
                variable: "LIVEKIT_SECRET",
                about: "Secret of the API key.",
            },
            SecretKey {
                variable: "LIVEKIT_KEY_FROM_FILE",
                about: "File with the name of the API key.",
            },
            SecretKey {
                variable: "LIVEKIT_SECRET_FROM_FILE",
                about: "File with its secret.",
            },
            SecretKey {
                variable: "LIVEKIT_KEY_FILE",
                about: "File with both, one line \"name: secret\".",
            },
        ],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let written: String = values.read("sfu_url")?;
        let elsewhere = values.secret("LIVEKIT_URL").map(|url| url.expose().clone());
        let sfu_url = elsewhere.clone().unwrap_or(written);
        if sfu_url.is_empty() {
            return Ok(FocusConfig { settings: None });
        }
        let http_url = http_url(&sfu_url).map_err(|reason| match elsewhere {
            Some(_) => ConfigError::Refused(format!("environment variable LIVEKIT_URL: {reason}")),
            None => values.refuse("sfu_url", reason),
        })?;
        let mut api_url: String = values.read("sfu_api_url")?;
        if api_url.is_empty() && elsewhere.is_some() {
            api_url = http_url;
        }
        let sfu = if api_url.is_empty() {
            SfuPlace::Here
        } else {
            if !has_host(&api_url, ["http", "https"]) {
                let reason = "a URL is expected that begins with http:// or https://";
                return Err(values.refuse("sfu_api_url", reason));
            }
            let key = key(values)?;
            SfuPlace::At { api_url, key }
        };
        let token_lifetime_s: u64 = values.read("token_lifetime_s")?;
        if !TOKEN_LIFETIME_S.contains(&token_lifetime_s) {
            return Err(values.refuse("token_lifetime_s", "60 to 86400 seconds"));
        }
        let presence_check_interval_s = presence_check_interval_s(values)?;
        Ok(FocusConfig {
            settings: Some(FocusSettings {
                presence_check_interval_s,
                sfu_url,
                full_access: full_access(values)?,
                token_lifetime_s,
                sfu,
            }),
        })
    }
}

fn presence_check_interval_s(values: &Values<'_>) -> Result<u64, ConfigError> {
    const EXPECTED: &str = "5 to 3600 seconds, or 0";
    const VARIABLE: &str = "LIVEKIT_SANITY_CHECK_INTERVAL_SECONDS";
    let is_allowed = |interval: &u64| *interval == 0 || PRESENCE_CHECK_INTERVAL_S.contains(interval);
    if let Some(text) = values.secret(VARIABLE) {
        let interval = text.expose().trim().parse().ok();
        return interval
            .filter(is_allowed)
            .ok_or_else(|| ConfigError::Refused(format!("environment variable {VARIABLE}: {EXPECTED}")));
    }
    let interval = values.read("presence_check_interval_s")?;
    if is_allowed(&interval) {
        Ok(interval)
    } else {
        Err(values.refuse("presence_check_interval_s", EXPECTED))
    }
}

/// The same place for HTTP, as LiveKit's own clients derive it.
fn http_url(websocket_url: &str) -> Result<String, &'static str> {
    if !has_host(websocket_url, ["ws", "wss"]) {
        return Err("a WebSocket URL is expected, wss://… (or ws://… where there is no TLS)");
    }
    let rest = websocket_url.strip_prefix("ws").unwrap_or_default();
    Ok(format!("http{rest}"))
}

/// Without a query: clients append paths to it.
fn has_host(url: &str, schemes: [&str; 2]) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| {
        let scheme = uri.scheme_str().unwrap_or_default();
        schemes.contains(&scheme)
            && url.starts_with(scheme)
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
    })
}

fn full_access(values: &Values<'_>) -> Result<FullAccess, ConfigError> {
    if let Some(list) = values.secret("LIVEKIT_FULL_ACCESS_HOMESERVERS") {
        let entries: Vec<String> = list
            .expose()
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect();
        return FullAccess::read(&entries).map_err(|error| {
            ConfigError::Refused(format!(
                "environment variable LIVEKIT_FULL_ACCESS_HOMESERVERS: {error}"
            ))
        });
    }
    let entries: Vec<String> = values.read("full_access_homeservers")?;
    FullAccess::read(&entries).map_err(|error| values.refuse("full_access_homeservers", &error.to_string()))
}

/// The environment first, then the file.
fn key(values: &Values<'_>) -> Result<ApiKey, ConfigError> {
    let name = variable_or_its_file(values, "LIVEKIT_KEY", "LIVEKIT_KEY_FROM_FILE")?;
    let secret = variable_or_its_file(values, "LIVEKIT_SECRET", "LIVEKIT_SECRET_FROM_FILE")?;
    match (name, secret) {
        (Some(name), Some(secret)) => {
            return Ok(ApiKey {
                name: name.expose().clone(),
                secret,
            });
        }
        (None, None) => {}
        _ => {
            return Err(ConfigError::Refused(
                "LIVEKIT_KEY and LIVEKIT_SECRET (or their files) belong together".to_owned(),
            ));
        }
    }
    if let Some(file) = values.secret("LIVEKIT_KEY_FILE") {
        return read_key(file.expose()).map_err(|reason| {
            ConfigError::Refused(format!("environment variable LIVEKIT_KEY_FILE: {reason}"))
        });
    }
    let file: String = values.read("key_file")?;
    if file.is_empty() {
        return Err(values.refuse(
            "key_file",
            "an SFU elsewhere takes only grants that are signed with an API key that it knows; write \"name: secret\" into a \
             file and name it here",
        ));
    }
    let refuse = |reason: String| values.refuse("key_file", &reason);
    let metadata = std::fs::metadata(Path::new(&file))
        .map_err(|error| refuse(format!("{file} cannot be read: {error}")))?;
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(refuse(format!(
            "everybody on this machine may use {file}; say: chmod o-rwx {file}"
        )));
    }
    read_key(&file).map_err(refuse)
}

fn variable_or_its_file(
    values: &Values<'_>,
    variable: &str,
    file_variable: &str,
) -> Result<Option<Secret<String>>, ConfigError> {
    if let Some(value) = values.secret(variable) {
        return Ok(Some(value.clone()));
    }
    let Some(file) = values.secret(file_variable) else {
        return Ok(None);
    };
    let text = read_file(file.expose())
        .map_err(|reason| ConfigError::Refused(format!("environment variable {file_variable}: {reason}")))?;
    let value = text.expose().trim();
    if value.is_empty() {
        return Err(ConfigError::Refused(format!(
            "environment variable {file_variable}: {} is empty",
            file.expose()
        )));
    }
    Ok(Some(Secret::new(value.to_owned())))
}

/// The first line that is not empty or a comment, `name: secret`; quotes around either are taken off.
fn read_key(file: &str) -> Result<ApiKey, String> {
    let text = read_file(file)?;
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    text.expose()
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .and_then(|line| line.split_once(':'))
        .map(|(name, secret)| (bare(name), bare(secret)))
        .filter(|(name, secret)| !name.is_empty() && !secret.is_empty())
        .map(|(name, secret)| ApiKey {
            name,
            secret: Secret::new(secret),
        })
        .ok_or_else(|| format!("{file}: a line \"name: secret\" is expected"))
}

fn read_file(file: &str) -> Result<Secret<String>, String> {
    let refuse = |error: std::io::Error| format!("{file} cannot be read: {error}");
    if std::fs::metadata(file).map_err(refuse)?.len() > KEY_FILE_BYTES_MAX {
        return Err(format!("{file} is too long to be a key"));
    }
    std::fs::read_to_string(file).map(Secret::new).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = FocusConfig::TABLE;
    const SFU_URL: &str = "sfu_url = \"wss://hanse.org-a.example/livekit/sfu\"\n";
    const LIST: &str = "full_access_homeservers = [\"org-a.example\"]\n";

    fn resolve(text: &str, environment: &[(&str, &str)]) -> Result<Option<FocusSettings>, String> {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let text = format!("[focus]\n{text}");
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &lookup)
            .and_then(|document| document.section::<FocusConfig>())
            .map(|config| config.settings)
            .map_err(|error| error.to_string())
    }

    /// A file of this content, readable by its owner only; gone with the value.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str, content: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hanse-focus-{}-{name}", std::process::id()));
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            Scratch(path)
        }

        fn path(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn api_key(name: &str, secret: &str) -> ApiKey {
        ApiKey {
            name: name.into(),
            secret: Secret::new(secret.into()),
        }
    }

    #[test]
    fn without_an_sfu_url_there_is_no_focus() {
        assert_eq!(resolve("", &[]), Ok(None));
        assert_eq!(resolve(LIST, &[("LIVEKIT_KEY", "devkey")]), Ok(None));
    }

    #[test]
    fn with_one_and_a_list_it_serves_the_sfu_in_this_process() {
        let settings = resolve(&format!("{SFU_URL}{LIST}"), &[]).unwrap().unwrap();
        assert_eq!(settings.sfu_url, "wss://hanse.org-a.example/livekit/sfu");
        assert_eq!((settings.token_lifetime_s, settings.sfu), (3600, SfuPlace::Here));
        assert!(settings.full_access.includes(&"org-a.example".parse().unwrap()));
        assert!(!settings.full_access.includes(&"org-b.example".parse().unwrap()));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        for (text, key) in [
            (SFU_URL.to_owned(), "full_access_homeservers"),
            (
                format!("{SFU_URL}full_access_homeservers = [\"*\", \"a\"]"),
                "full_access_homeservers",
            ),
            (format!("{LIST}sfu_url = \"hanse.org-a.example\""), "sfu_url"),
            (
                format!("{LIST}sfu_url = \"https://hanse.org-a.example\""),
                "sfu_url",
            ),
            (format!("{LIST}sfu_url = \"wss://\""), "sfu_url"),
            (format!("{LIST}sfu_url = \"wss://a/?b=c\""), "sfu_url"),
            (
                format!("{SFU_URL}{LIST}sfu_api_url = \"10.0.0.5:7880\""),
                "sfu_api_url",
            ),
            (
                format!("{SFU_URL}{LIST}sfu_api_url = \"http://10.0.0.5:7880\""),
                "key_file",
            ),
            (
                format!("{SFU_URL}{LIST}token_lifetime_s = 59"),
                "token_lifetime_s",
            ),
            (
                format!("{SFU_URL}{LIST}token_lifetime_s = 86401"),
                "token_lifetime_s",
            ),
        ] {
            let error = resolve(&text, &[]).unwrap_err();
            assert!(error.contains(&format!("[focus] {key}: ")), "{error}");
        }
    }

    #[test]
    fn the_environment_of_elements_service_is_understood() {
        let settings = resolve(
            "",
            &[
                ("LIVEKIT_URL", "wss://sfu.org-a.example"),
                ("LIVEKIT_KEY", "devkey"),
                ("LIVEKIT_SECRET", "hunter2"),
                ("LIVEKIT_FULL_ACCESS_HOMESERVERS", "org-a.example, org-c.example"),
            ],
        );
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.sfu_url, "wss://sfu.org-a.example");
        let (api_url, key) = (
            "https://sfu.org-a.example".to_owned(),
            api_key("devkey", "hunter2"),
        );
        assert_eq!(settings.sfu, SfuPlace::At { api_url, key });
        assert!(settings.full_access.includes(&"org-c.example".parse().unwrap()));
    }

    #[test]
    fn the_server_api_may_be_elsewhere_than_what_clients_are_told() {
        let environment = [
            ("LIVEKIT_URL", "wss://sfu.org-a.example"),
            ("LIVEKIT_KEY", "devkey"),
            ("LIVEKIT_SECRET", "hunter2"),
            ("LIVEKIT_FULL_ACCESS_HOMESERVERS", "*"),
        ];
        let settings = resolve("sfu_api_url = \"http://10.0.0.5:7880\"", &environment)
            .unwrap()
            .unwrap();
        assert!(matches!(settings.sfu, SfuPlace::At { api_url, .. } if api_url == "http://10.0.0.5:7880"));
        assert_eq!(settings.full_access, FullAccess::Everyone);
    }

    #[test]
    fn how_often_seats_are_looked_at_is_bounded_and_may_come_from_the_environment() {
        let interval = |text: &str, environment: &[(&str, &str)]| {
            resolve(&format!("{SFU_URL}{LIST}{text}"), environment)
                .map(|settings| settings.unwrap().presence_check_interval_s)
        };
        let variable = "LIVEKIT_SANITY_CHECK_INTERVAL_SECONDS";
        assert_eq!(interval("", &[]), Ok(60));
        assert_eq!(interval("presence_check_interval_s = 0", &[]), Ok(0));
        assert_eq!(
            interval("presence_check_interval_s = 9", &[(variable, "30")]),
            Ok(30)
        );
        for wrong in ["4", "3601", "soon", "-1"] {
            let refused = interval("", &[(variable, wrong)]).unwrap_err();
            assert!(refused.contains(variable), "{refused}");
        }
        let refused = interval("presence_check_interval_s = 4", &[]).unwrap_err();
        assert!(
            refused.contains("[focus] presence_check_interval_s: 5 to 3600"),
            "{refused}"
        );
    }

    #[test]
    fn keys_come_from_files_in_three_ways() {
        let (name, secret) = (
            Scratch::new("name", "devkey\n"),
            Scratch::new("secret", " hunter2\n"),
        );
        let both = Scratch::new("both", "# key\n\"filekey\": 'hunter:3'\n");
        let elsewhere = format!("{SFU_URL}{LIST}sfu_api_url = \"http://sfu:7880\"\n");
        let key = |text: &str, environment: &[(&str, &str)]| match resolve(text, environment)?.unwrap().sfu {
            SfuPlace::At { key, .. } => Ok(key),
            SfuPlace::Here => Err("here".to_owned()),
        };
        let parts = [
            ("LIVEKIT_KEY_FROM_FILE", name.path()),
            ("LIVEKIT_SECRET_FROM_FILE", secret.path()),
        ];
        assert_eq!(key(&elsewhere, &parts), Ok(api_key("devkey", "hunter2")));
        let file = [("LIVEKIT_KEY_FILE", both.path())];
        assert_eq!(key(&elsewhere, &file), Ok(api_key("filekey", "hunter:3")));
        let in_table = format!("{elsewhere}key_file = \"{}\"", both.path());
        assert_eq!(key(&in_table, &[]), Ok(api_key("filekey", "hunter:3")));

        let half = key(&elsewhere, &parts[..1]).unwrap_err();
        assert!(half.contains("belong together"), "{half}");
        std::fs::set_permissions(&both.0, std::fs::Permissions::from_mode(0o644)).unwrap();
        let open = key(&in_table, &[]).unwrap_err();
        assert!(open.contains("chmod o-rwx"), "{open}");
        drop(both);
        let gone = key(&in_table, &[]).unwrap_err();
        assert!(gone.contains("cannot be read"), "{gone}");
    }

    #[test]
    fn a_secret_is_in_no_error() {
        let file = Scratch::new("nonsense", "hunter2hunter2\n");
        let text = format!(
            "{SFU_URL}{LIST}sfu_api_url = \"http://sfu:7880\"\nkey_file = \"{}\"",
            file.path()
        );
        let error = resolve(&text, &[]).unwrap_err();
        assert!(
            error.contains("\"name: secret\" is expected") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
