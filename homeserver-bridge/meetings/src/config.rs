//! `meetings.toml`: who the bot is, who may command it, and where it keeps what it knows.

use anyhow::{Context, Result};
use hanse_matrixrtc::{ServerName, UserId};
use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Document, Key, SecretKey, Section, Table, Values, example};
use hanse_runtime::telemetry::LogConfig;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Bytes of the registration file, as in the bridge.
const REGISTRATION_BYTES_MAX: u64 = 64 * 1024;

/// The tables that this executable reads.
const TABLES: [&Table; 2] = [&MeetingsConfig::TABLE, &LogConfig::TABLE];

/// `[meetings]`
#[derive(Clone, Debug)]
pub struct MeetingsConfig {
    /// Where the homeserver's client-server API is; no slash at its end.
    pub homeserver: String,
    /// Name of the bot's account, without server.
    pub user: String,
    /// Its password.
    pub password: Secret<String>,
    /// Acts as the bridge user; `None`: no meeting has a room of its own.
    pub bridge: Option<BridgeUser>,
    /// Where it keeps what it knows.
    pub data: PathBuf,
    /// Who may command it; empty: the people of its own homeserver.
    pub allowed_homeservers: Vec<ServerName>,
    /// Who may verify it.
    pub owners: Vec<UserId>,
    /// The zone of people who have not said theirs.
    pub zone: String,
    /// Meetings of one person that are still to be.
    pub meetings_per_person: usize,
    /// New meetings and changes of one person in an hour.
    pub changes_per_hour: usize,
    /// Minutes after its end at which a meeting's room is closed.
    pub close_after_min: u32,
    /// Days after that at which it is deleted.
    pub delete_after_days: u32,
    /// Where people open a meeting's room: `%` stands for its id.
    pub room_link: String,
    /// Where Hanse's focus is, for links for guests; `None`: there are none.
    pub focus: Option<String>,
    /// Proves to the homeserver that rooms may be deleted (an administrator's token); `None`: they are only emptied.
    pub admin_token: Option<Secret<String>>,
    /// Further certificate authorities.
    pub ca_files: Vec<PathBuf>,
}

/// The user without a device who owns the rooms of meetings.
#[derive(Clone, Debug)]
pub struct BridgeUser {
    /// Its id.
    pub user: UserId,
    /// Proves to the homeserver that it is Hanse that asks.
    pub token: Secret<String>,
}

impl Section for MeetingsConfig {
    const TABLE: Table = Table {
        name: "meetings",
        about: "The bot that schedules meetings.",
        keys: &[
            Key {
                name: "homeserver",
                default: "\"http://localhost:8008\"",
                about: "Where the client-server API of the bot's homeserver is.",
            },
            Key {
                name: "user",
                default: "\"meet\"",
                about: "Name of the bot's account, without its server.",
            },
            Key {
                name: "password_file",
                default: "\"\"",
                about: "File whose first line is the account's password.",
            },
            Key {
                name: "registration",
                default: "\"\"",
                about: "Hanse's registration file for this homeserver, as `hanse setup` writes it. With it rooms of meetings belong to \
                        Hanse's user, who has no device and can read nothing. Without it meetings are held in the room that one is in.",
            },
            Key {
                name: "data",
                default: "\"/var/lib/hanse-meetings\"",
                about: "Folder for what the bot knows, its keys among it. Whoever can read it can speak as the bot.",
            },
            Key {
                name: "allowed_homeservers",
                default: "[]",
                about: "Homeservers whose people may plan meetings, as in [\"org-a.example\", \"org-b.example\"]. Empty: the bot's own. \
                        People of others may be invited, and answer.",
            },
            Key {
                name: "owners",
                default: "[]",
                about: "People who may verify the bot, as in [\"@admin:org-a.example\"]. The emoji to compare are in the log.",
            },
            Key {
                name: "zone",
                default: "\"UTC\"",
                about: "Time zone of people who have not said theirs, as in \"Europe/Berlin\".",
            },
            Key {
                name: "meetings_per_person",
                default: "200",
                about: "Meetings that one person may have planned at a time.",
            },
            Key {
                name: "changes_per_hour",
                default: "60",
                about: "New meetings and changes that one person may make in an hour.",
            },
            Key {
                name: "close_after_min",
                default: "60",
                about: "Minutes after the end of a meeting at which its room is closed: everybody is shown out.",
            },
            Key {
                name: "delete_after_days",
                default: "7",
                about: "Days after that at which the room is deleted, as far as this homeserver does that.",
            },
            Key {
                name: "room_link",
                default: "\"https://matrix.to/#/%\"",
                about: "How people come to a room; % stands for its id. For Hanse's page: \"https://hanse.org-a.example/#/room/%\".",
            },
            Key {
                name: "focus",
                default: "\"\"",
                about: "Where Hanse is, as https://hanse.org-a.example: for links for guests. Empty: there are none.",
            },
            Key {
                name: "admin_token_file",
                default: "\"\"",
                about: "File with the access token of an administrator of this Synapse, by which rooms are deleted at their time. Empty: \
                        they are emptied only, and Synapse deletes them as its own settings say.",
            },
            Key {
                name: "ca_files",
                default: "[]",
                about: "Files with further certificate authorities, PEM.",
            },
        ],
        secrets: &[SecretKey {
            variable: "HANSE_MEETINGS_PASSWORD",
            about: "The account's password; replaces password_file.",
        }],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let url = |key: &'static str| -> Result<Option<String>, ConfigError> {
            let text: String = values.read(key)?;
            let text = text.trim_end_matches('/');
            if text.is_empty() {
                return Ok(None);
            }
            if !(text.starts_with("http://") || text.starts_with("https://")) {
                return Err(values.refuse(key, "a URL that begins with http:// or https:// is expected"));
            }
            Ok(Some(text.to_owned()))
        };
        let file = |key: &'static str| -> Result<Option<Secret<String>>, ConfigError> {
            let path: String = values.read(key)?;
            if path.is_empty() {
                return Ok(None);
            }
            let text = std::fs::read_to_string(&path)
                .map_err(|error| values.refuse(key, &format!("{path}: {error}")))?;
            Ok(Some(Secret::new(
                text.lines().next().unwrap_or_default().trim().to_owned(),
            )))
        };
        let password = match values.secret("HANSE_MEETINGS_PASSWORD") {
            Some(password) => password.clone(),
            None => file("password_file")?
                .ok_or_else(|| values.refuse("password_file", "the bot needs the password of its account"))?,
        };
        let registration: String = values.read("registration")?;
        let bridge = match registration.as_str() {
            "" => None,
            path => Some(
                read_registration(Path::new(path))
                    .map_err(|reason| values.refuse("registration", &format!("{path}: {reason}")))?,
            ),
        };
        let zone: String = values.read("zone")?;
        jiff::tz::TimeZone::get(&zone)
            .map_err(|_| values.refuse("zone", "a time zone is expected, as in \"Europe/Berlin\""))?;
        let room_link: String = values.read("room_link")?;
        if !room_link.contains('%') {
            return Err(values.refuse("room_link", "% is expected in it, where the id of the room goes"));
        }
        Ok(MeetingsConfig {
            homeserver: url("homeserver")?
                .ok_or_else(|| values.refuse("homeserver", "the bot needs a homeserver"))?,
            user: values.read("user")?,
            password,
            bridge,
            data: PathBuf::from(values.read::<String>("data")?),
            allowed_homeservers: parse_all(values, "allowed_homeservers")?,
            owners: parse_all(values, "owners")?,
            zone,
            meetings_per_person: values.read("meetings_per_person")?,
            changes_per_hour: values.read("changes_per_hour")?,
            close_after_min: values.read("close_after_min")?,
            delete_after_days: values.read("delete_after_days")?,
            room_link,
            focus: url("focus")?,
            admin_token: file("admin_token_file")?,
            ca_files: values.read::<Vec<PathBuf>>("ca_files")?,
        })
    }
}

fn parse_all<T: std::str::FromStr<Err: std::fmt::Display>>(
    values: &Values<'_>,
    key: &'static str,
) -> Result<Vec<T>, ConfigError> {
    let texts: Vec<String> = values.read(key)?;
    let parsed = texts.iter().map(|text| {
        text.parse()
            .map_err(|error| values.refuse(key, &format!("{text}: {error}")))
    });
    parsed.collect()
}

/// What of the registration matters here; the bridge checks the whole of it.
#[derive(Deserialize)]
struct Registration {
    as_token: String,
    sender_localpart: String,
    #[serde(rename = "org.hanse.homeserver")]
    homeserver: Homeserver,
}

#[derive(Deserialize)]
struct Homeserver {
    server_name: String,
}

fn read_registration(path: &Path) -> Result<BridgeUser, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > REGISTRATION_BYTES_MAX {
        return Err(format!("it is longer than {REGISTRATION_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    // The parser's words may quote what it read, and that is a token.
    let read: Registration = serde_saphyr::from_str(&text)
        .map_err(|_| "it is not a registration file as `hanse setup` writes it".to_owned())?;
    let user = format!("@{}:{}", read.sender_localpart, read.homeserver.server_name);
    Ok(BridgeUser {
        user: user
            .parse()
            .map_err(|error| format!("sender_localpart and server_name make no user id: {error}"))?,
        token: Secret::new(read.as_token),
    })
}

/// Everything that the executable is told.
pub struct Settings {
    /// The bot.
    pub meetings: MeetingsConfig,
    /// Its log.
    pub log: LogConfig,
}

impl Settings {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// In a sentence that names the key, and what would be right.
    pub fn read(path: Option<&Path>) -> Result<Settings> {
        let text = path
            .map(|path| {
                std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
            })
            .transpose()?;
        let name = path.map(|path| path.display().to_string());
        let document = Document::load(&TABLES, name.as_deref().zip(text.as_deref()), &|name| {
            std::env::var(name).ok()
        })?;
        Ok(Settings {
            meetings: document.section()?,
            log: document.section()?,
        })
    }

    /// A file with every key, its default and its explanation.
    pub fn example() -> String {
        example(&TABLES)
    }
}
