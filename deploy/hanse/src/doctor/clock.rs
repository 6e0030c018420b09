//! Clocks: those of the running server, of the homeserver and of this machine agree.

use super::sentence::{Check, Said, Sentence, Words, green, red};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Answers take their time, and dates in HTTP are whole seconds.
const DIFFERENCE_S_MAX: u64 = 20;

static GOOD: Sentence = green(
    "clock-good",
    "all clocks agree within {0} s",
    "alle Uhren gehen innerhalb von {0} s gleich",
);
static DIFFERS: Sentence = red(
    "clock-differs",
    "the clock of {0} differs from this machine's by {1} s: set both by NTP (`timedatectl set-ntp true`)",
    "die Uhr {0} geht gegenüber dieser Maschine um {1} s anders: stellen Sie beide über NTP (`timedatectl set-ntp true`)",
    "Tokens are valid for a time, and a token of a server whose clock is ahead is refused as not valid yet. In containers it is the host's clock \
     that must be set.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "clock",
    en: "clock",
    de: "Uhr",
    about: "Compares this machine's clock with that of the running server and with the `Date` of the homeserver's answers. Nobody else is asked.",
    sentences: &[&GOOD, &DIFFERS],
};

/// One clock: whose, and by how many seconds it differs from ours.
pub struct Clock {
    whose: (&'static str, &'static str),
    difference_s: u64,
}

impl Clock {
    /// The running server's.
    pub fn server(unix_ms: u64, now_unix_ms: u64) -> Self {
        Clock {
            whose: ("the running server", "des laufenden Servers"),
            difference_s: unix_ms.abs_diff(now_unix_ms) / 1_000,
        }
    }

    /// The homeserver's, by the `Date` of its answer; `None`: it is no date.
    pub fn homeserver(date: &str, now_unix_ms: u64) -> Option<Self> {
        Some(Clock {
            whose: ("the homeserver", "des Homeservers"),
            difference_s: unix_s(date)?.abs_diff(now_unix_ms / 1_000),
        })
    }
}

/// A date of HTTP (RFC 9110, section 5.6.7) in the form that is sent today, in s since 1970.
fn unix_s(date: &str) -> Option<u64> {
    let time: SystemTime = httpdate::parse_http_date(date).ok()?;
    time.duration_since(UNIX_EPOCH)
        .ok()
        .map(|since: Duration| since.as_secs())
}

/// The one that differs most.
pub fn judge(clocks: &[Clock]) -> Said {
    match clocks.iter().max_by_key(|clock| clock.difference_s) {
        Some(clock) if clock.difference_s > DIFFERENCE_S_MAX => {
            let (en, de) = clock.whose;
            DIFFERS.with([
                Words {
                    en: en.to_owned(),
                    de: de.to_owned(),
                },
                clock.difference_s.into(),
            ])
        }
        _ => GOOD.with([DIFFERENCE_S_MAX.into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_are_too_much_in_both_directions() {
        // 784111777 s since 1970.
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let now = 784_111_777_000;
        let judged = |now| judge(&[Clock::homeserver(date, now).unwrap(), Clock::server(now, now)]);
        assert!(judged(now).is_green());
        assert!(judged(now + 20_000).is_green());
        for now in [now + 300_000, now - 300_000] {
            assert!(
                judged(now)
                    .en()
                    .starts_with("the clock of the homeserver differs from this machine's by 300 s")
            );
        }
        assert!(
            judge(&[Clock::server(now, now + 300_000)])
                .en()
                .contains("the running server")
        );
        assert!(Clock::homeserver("yesterday", now).is_none());
    }
}
