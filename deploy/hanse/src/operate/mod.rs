//! What administrators ask the running server and tell it, on a Unix socket of its own: `hanse calls` and the like.
//!
//! One line of JSON in, one line of JSON out, then the connection ends. A request names its command
//! (`{"command":"call","id":"5z8AurUs"}`), an answer is `{"answer": …}`, or `{"refused": "a sentence"}`. Here ids are in
//! clear: whoever may open the socket is the server's own user, or root.
//!
//! Where to look next: `server.rs` for who answers, `client.rs` for who asks, `streams.rs` for what is
//! asked of the SFU, `table.rs` for how it looks on a terminal.

mod client;
mod health;
mod server;
mod streams;
mod table;

pub use client::{NotAsked, OperatorCommand, ask_health, run};
pub use health::Health;
pub use server::{Operator, OperatorSocket};
pub use table::printable;

use hanse_focus::store::StoreConfig;
use hanse_runtime::config::{ConfigError, Key, Section, Table, Values};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of a request. A longer one is refused; the longest sensible one has some 600.
const REQUEST_BYTES_MAX: u64 = 4096;

/// Bytes of an answer that are read. The longest possible one, a call of [`hanse_focus::calls::LISTED_MAX`] people with the
/// longest names, is shorter.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// `drain_s` at most.
const DRAIN_S_MAX: u64 = 86_400;

/// `[operate]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperateConfig {
    /// Where the socket is to be; `None`: beside the database.
    socket: Option<PathBuf>,
    /// How long calls may go on after SIGTERM.
    pub drain: Duration,
}

impl Section for OperateConfig {
    const TABLE: Table = Table {
        name: "operate",
        about: "How administrators reach the running server: \"hanse calls\", \"hanse remove\", \"hanse block\" and the like \
                (docs/operation.md).",
        keys: &[
            Key {
                name: "socket",
                default: "\"\"",
                about: "Path of the Unix socket; its folder must exist. Only the user that hanse runs as, and root, may open it. \
                        Empty: hanse.sock in the folder of the SQLite database, or in the folder that hanse runs in.",
            },
            Key {
                name: "drain_s",
                default: "0",
                about: "Seconds for which calls may go on after SIGTERM; no new ones begin meanwhile, and when the last call \
                        is over, the server ends. A second signal ends it at once. 0: everybody is sent to the next process \
                        at once, which takes them some 2 s when it starts at the same place; whatever kills slow servers \
                        (Docker after 10 s, Kubernetes after 30 s) need not be told of it then.",
            },
        ],
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let socket: String = values.read("socket")?;
        let drain_s: u64 = values.read("drain_s")?;
        if drain_s > DRAIN_S_MAX {
            return Err(values.refuse("drain_s", "a day is 86400 s, and the longest"));
        }
        Ok(OperateConfig {
            socket: (!socket.is_empty()).then(|| PathBuf::from(socket)),
            drain: Duration::from_secs(drain_s),
        })
    }
}

impl OperateConfig {
    /// Where the socket is.
    pub fn socket(&self, store: &StoreConfig) -> PathBuf {
        self.socket
            .clone()
            .unwrap_or_else(|| database_folder(store.url.expose()).join("hanse.sock"))
    }

    /// Where the server's data is: the folder of the SQLite database, or the one that hanse runs in.
    pub fn data_folder(store: &StoreConfig) -> PathBuf {
        let folder = database_folder(store.url.expose());
        if folder.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            folder
        }
    }
}

/// Empty: the one that hanse runs in.
fn database_folder(url: &str) -> PathBuf {
    let file = database_path(url).unwrap_or_default();
    file.parent().unwrap_or(Path::new("")).to_owned()
}

/// Where SQLite's file is; `None` for other databases.
pub fn database_path(url: &str) -> Option<PathBuf> {
    let file = url.strip_prefix("sqlite:")?;
    let file = file.strip_prefix("//").unwrap_or(file);
    Some(PathBuf::from(file.split('?').next().unwrap_or_default()))
}

/// What is asked, as it is written.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// Answered with [`hanse_focus::calls::Calls`].
    Calls {},
    /// Answered with [`hanse_focus::calls::CallWithPeople`].
    Call {
        /// The beginning of its id.
        id: String,
    },
    /// Answered with [`streams::Streams`].
    Streams {
        /// The beginning of its id.
        id: String,
        /// Whose; `None`: everybody's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
    },
    /// Answered with [`hanse_focus::calls::Removed`].
    Remove {
        user_id: String,
        /// The beginning of a call's id; `None`: from all calls.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
    },
    /// Answered with [`Blocked`].
    Block { homeserver: String },
    /// Answered with [`Unblocked`].
    Unblock { homeserver: String },
    /// Answered with [`BlockedHomeservers`].
    Blocked {},
    /// Answered with [`Draining`].
    Drain {},
    /// Answered with [`Draining`].
    Undrain {},
    /// Answered with [`Health`].
    Health {},
}

/// How it is answered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Answer(serde_json::Value),
    Refused(String),
}

/// Whether new calls begin, and who is still there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Draining {
    /// No new calls begin.
    is_draining: bool,
    /// Calls with anybody connected.
    calls: usize,
    /// People on the SFU, connected or expected back for a moment.
    people: usize,
}

/// A homeserver is blocked now.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Blocked {
    homeserver: String,
    /// Whether it was before.
    was_blocked: bool,
    /// Devices of its people whose seats end.
    seats: usize,
}

/// A homeserver is not blocked (any more).
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unblocked {
    homeserver: String,
    /// Whether it was before.
    was_blocked: bool,
    /// Whether `denied_homeservers` in `[policy]` has it, which keeps its people out as well.
    is_denied: bool,
}

/// Homeservers that are blocked, by name.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BlockedHomeservers {
    homeservers: Vec<BlockedSince>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BlockedSince {
    homeserver: String,
    blocked_unix_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_beside_the_database() {
        for (url, folder) in [
            ("sqlite:/var/lib/hanse/hanse.db", "/var/lib/hanse"),
            ("sqlite:///var/lib/hanse/hanse.db?mode=rwc", "/var/lib/hanse"),
            ("sqlite:data/hanse.db", "data"),
            ("sqlite:hanse.db", ""),
            ("sqlite::memory:", ""),
            ("postgres://hanse@db/hanse", ""),
        ] {
            assert_eq!(database_folder(url), Path::new(folder), "{url}");
        }
    }

    #[test]
    fn requests_are_written_as_the_page_says() {
        let request = |text: &str| serde_json::from_str::<Request>(text).ok();
        assert_eq!(request(r#"{"command":"calls"}"#), Some(Request::Calls {}));
        let remove = Request::Remove {
            user_id: "@bob:org-b.example".to_owned(),
            call: None,
        };
        assert_eq!(
            request(r#"{"command":"remove","user_id":"@bob:org-b.example"}"#),
            Some(remove)
        );
        for wrong in [
            r#"{"command":"listen"}"#,
            r#"{"command":"calls","all":true}"#,
            "{}",
        ] {
            assert_eq!(request(wrong), None, "{wrong}");
        }
    }
}
