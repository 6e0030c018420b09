//! `[privacy]`: what no server can know of itself, and its notices must say.

use hanse_runtime::config::{ConfigError, Key, Section, Table, Values};

/// Characters of an entry. A longer one is a text, not a name with an address.
const ENTRY_CHARACTERS_MAX: usize = 500;

/// Ten years. Nobody needs log lines for longer.
const LOG_DAYS_MAX: u16 = 3_650;

/// `[privacy]`. `None`: the configuration does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivacyConfig {
    /// Who answers for this server (Art. 4 no. 7 GDPR).
    pub controller: Option<String>,
    /// How they are reached.
    pub contact: Option<String>,
    /// How their data protection officer is reached.
    pub officer: Option<String>,
    /// Days for which log lines are kept.
    pub log_days: Option<u16>,
}

impl Section for PrivacyConfig {
    const TABLE: Table = Table {
        name: "privacy",
        about: "What the page /privacy and `hanse privacy-report` cannot know by themselves. Everything here is shown to \
                everybody; docs/privacy-report.md says what else is.",
        keys: &[
            Key {
                name: "controller",
                default: "\"\"",
                about: "Name and address of whoever answers for this server, for instance \"Org A, Market 1, 12345 Town\".",
            },
            Key {
                name: "contact",
                default: "\"\"",
                about: "How they are reached, for instance \"privacy@org-a.example\".",
            },
            Key {
                name: "officer",
                default: "\"\"",
                about: "How their data protection officer is reached, for instance \"dpo@org-a.example\".",
            },
            Key {
                name: "log_days",
                default: "0",
                about: "Days for which you keep the log lines of this server, as you have set it in systemd's journal or wherever \
                        they go. Hanse does not delete them. 0: not said.",
            },
        ],
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let entry = |key| -> Result<Option<String>, ConfigError> {
            let text: String = values.read(key)?;
            if text.chars().count() > ENTRY_CHARACTERS_MAX || text.contains(char::is_control) {
                let reason = format!("one line of at most {ENTRY_CHARACTERS_MAX} characters is expected");
                return Err(values.refuse(key, &reason));
            }
            let text = text.trim();
            Ok((!text.is_empty()).then(|| text.to_owned()))
        };
        let log_days: u16 = values.read("log_days")?;
        if log_days > LOG_DAYS_MAX {
            return Err(values.refuse("log_days", &format!("at most {LOG_DAYS_MAX}")));
        }
        Ok(PrivacyConfig {
            controller: entry("controller")?,
            contact: entry("contact")?,
            officer: entry("officer")?,
            log_days: (log_days != 0).then_some(log_days),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = PrivacyConfig::TABLE;

    fn read(text: &str) -> Result<PrivacyConfig, String> {
        let text = format!("[privacy]\n{text}\n");
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &|_| None)
            .and_then(|document| document.section())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_said_unless_it_is_written() {
        assert_eq!(read("").unwrap(), PrivacyConfig::default());
        let said = read("controller = \" Org A \"\nlog_days = 7").unwrap();
        assert_eq!(said.controller.as_deref(), Some("Org A"));
        assert_eq!((said.contact, said.log_days), (None, Some(7)));
    }

    #[test]
    fn an_entry_is_one_line() {
        let error = read("contact = \"a\\nb\"").unwrap_err();
        assert!(error.contains("contact") && error.contains("one line"), "{error}");
        assert!(read(&format!("officer = \"{}\"", "x".repeat(501))).is_err());
        assert!(read("log_days = 9999").is_err());
    }
}
