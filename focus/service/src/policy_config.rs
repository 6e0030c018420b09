//! `[policy]`: the organisation's rules for calls on its server. They are read again when the process is told to (SIGHUP).

use hanse_matrixrtc::{Access, ServerName};
use hanse_runtime::config::{ConfigError, Key, Section, Table, Values};
use std::collections::HashSet;

/// `[policy]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyConfig {
    /// Homeservers of others whose people publish here as well.
    pub publishing: HashSet<ServerName>,
    /// Homeservers whose people get nothing.
    pub denied: HashSet<ServerName>,
    /// What people of all other homeservers may: [`Access::Subscribe`] or [`Access::Deny`].
    pub strangers: Access,
}

impl Section for PolicyConfig {
    const TABLE: Table = Table {
        name: "policy",
        about: "Your rules for calls on this server. A room may have stricter ones (the state event org.hanse.call_policy). \
                `systemctl reload`, or the signal SIGHUP, puts changes into force, also for those who are in a call.",
        keys: &[
            Key {
                name: "publishing_homeservers",
                default: "[]",
                about: "Homeservers of others whose people may publish here as if they were yours: those that have no focus \
                        of their own, for instance.",
            },
            Key {
                name: "denied_homeservers",
                default: "[]",
                about: "Homeservers whose people get into no call here.",
            },
            Key {
                name: "strangers",
                default: "\"subscribe\"",
                about: "What people of all other homeservers may in calls of rooms that they are in. \"subscribe\": watch and \
                        listen here, and publish on the SFU of their own organisation; a room that one of your users made \
                        may let them publish here. \"deny\": nothing.",
            },
        ],
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let strangers: String = values.read("strangers")?;
        Ok(PolicyConfig {
            publishing: homeservers(values, "publishing_homeservers")?,
            denied: homeservers(values, "denied_homeservers")?,
            strangers: match strangers.as_str() {
                "subscribe" => Access::Subscribe,
                "deny" => Access::Deny,
                _ => {
                    return Err(values.refuse(
                        "strangers",
                        "\"subscribe\" or \"deny\"; whose people may publish stands in publishing_homeservers",
                    ));
                }
            },
        })
    }
}

fn homeservers(values: &Values<'_>, key: &'static str) -> Result<HashSet<ServerName>, ConfigError> {
    let entries: Vec<String> = values.read(key)?;
    entries
        .iter()
        .map(|entry| {
            entry
                .parse()
                .map_err(|error| values.refuse(key, &format!("\"{entry}\" is no server name: {error}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = PolicyConfig::TABLE;

    fn read(text: &str) -> Result<PolicyConfig, String> {
        let text = format!("[policy]\n{text}\n");
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &|_| None)
            .and_then(|document| document.section())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn strangers_watch_unless_they_are_denied() {
        assert_eq!(read("").unwrap().strangers, Access::Subscribe);
        assert_eq!(read("strangers = \"deny\"").unwrap().strangers, Access::Deny);
        let error = read("strangers = \"publish\"").unwrap_err();
        assert!(error.contains("publishing_homeservers"), "{error}");
    }

    #[test]
    fn what_is_no_homeserver_is_refused_by_name() {
        let policy = read("denied_homeservers = [\"evil.example\"]").unwrap();
        assert!(policy.denied.contains(&"evil.example".parse().unwrap()) && policy.publishing.is_empty());
        let error = read("publishing_homeservers = [\"https://org-b.example\"]").unwrap_err();
        assert!(
            error.contains("\"https://org-b.example\" is no server name"),
            "{error}"
        );
    }
}
