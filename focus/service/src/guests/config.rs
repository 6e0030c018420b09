//! `[guests]`: whether people without an account may take part. Read again when the process is told to (SIGHUP).

use hanse_runtime::config::{ConfigError, Key, Section, Table, Values};
use std::ops::RangeInclusive;

const HOUR_MS: u64 = 3_600_000;

/// Range of `link_lifetime_max_h`: up to 90 days.
const LINK_LIFETIME_H: RangeInclusive<u64> = 1..=2160;

/// Range of `stay_max_h`: up to three days.
const STAY_H: RangeInclusive<u64> = 1..=72;

/// Range of `after_call_s`: a network that breaks must not end a meeting, and an hour afterwards nobody is a guest any more.
const AFTER_CALL_S: RangeInclusive<u64> = 60..=3600;

/// `[guests]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestsConfig {
    /// Whether there are guests at all.
    pub allowed: bool,
    /// The longest that a link opens, in milliseconds.
    pub link_lifetime_max_ms: u64,
    /// The longest that a guest stays, in milliseconds.
    pub stay_max_ms: u64,
    /// How long guests stay when everybody else has left the call, in milliseconds.
    pub after_call_ms: u64,
}

impl Section for GuestsConfig {
    const TABLE: Table = Table {
        name: "guests",
        about: "People without an account, who come by a link that a moderator of a room has made, wait until a moderator lets \
                them in, and are erased after the meeting (docs/guests.md). `systemctl reload`, or the signal SIGHUP, puts \
                changes into force, also for guests who are there.",
        keys: &[
            Key {
                name: "allowed",
                default: "false",
                about: "Whether there are any. Off until you say so: for each guest Hanse makes a user on your homeserver.",
            },
            Key {
                name: "link_lifetime_max_h",
                default: "168",
                about: "The longest that a link may open, in hours, 1 to 2160. Who makes one may choose less.",
            },
            Key {
                name: "stay_max_h",
                default: "12",
                about: "The longest that a guest may stay, in hours, 1 to 72.",
            },
            Key {
                name: "after_call_s",
                default: "300",
                about: "How long guests stay when everybody but guests has left the call, 60 to 3600.",
            },
        ],
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let within = |key: &'static str, range: RangeInclusive<u64>| {
            let value: u64 = values.read(key)?;
            if range.contains(&value) {
                Ok(value)
            } else {
                Err(values.refuse(key, &format!("{} to {}", range.start(), range.end())))
            }
        };
        Ok(GuestsConfig {
            allowed: values.read("allowed")?,
            link_lifetime_max_ms: within("link_lifetime_max_h", LINK_LIFETIME_H)?.saturating_mul(HOUR_MS),
            stay_max_ms: within("stay_max_h", STAY_H)?.saturating_mul(HOUR_MS),
            after_call_ms: within("after_call_s", AFTER_CALL_S)?.saturating_mul(1000),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = GuestsConfig::TABLE;

    fn read(text: &str) -> Result<GuestsConfig, String> {
        let text = format!("[guests]\n{text}\n");
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &|_| None)
            .and_then(|document| document.section())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_is_a_guest_until_an_administrator_says_so() {
        assert!(!read("").unwrap().allowed);
        assert!(read("allowed = true").unwrap().allowed);
    }

    #[test]
    fn times_outside_of_their_range_are_refused_by_name() {
        for (text, key) in [
            ("link_lifetime_max_h = 0", "link_lifetime_max_h"),
            ("link_lifetime_max_h = 2161", "link_lifetime_max_h"),
            ("stay_max_h = 73", "stay_max_h"),
            ("after_call_s = 59", "after_call_s"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(&format!("[guests] {key}: ")), "{error}");
        }
    }
}
