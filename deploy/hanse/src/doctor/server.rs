//! The running server, by its socket for administrators: is it there, and has it room to work?

use super::sentence::{Check, Said, Sentence, green, red};
use crate::operate::{Health, NotAsked};

/// With less free the database cannot be trusted to grow for a day.
const DISK_FREE_MIN: u64 = 200 * 1024 * 1024;

/// With fewer the server cannot hold a large call: each participant has up to two of them.
const FILES_MAX_MIN: u64 = 4_096;

/// Above this part of its files in use the next peak is refused.
const FILES_USED_PERCENT_MAX: u64 = 80;

static RUNS: Sentence = green("server-runs", "Hanse {0} runs", "Hanse {0} läuft");
static OTHER_VERSION: Sentence = red(
    "server-other-version",
    "Hanse {0} runs, and {1} is installed: restart the server, so that the new one runs",
    "Hanse {0} läuft, und installiert ist {1}: starten Sie den Server neu, damit das neue läuft",
    "",
);
static AWAY: Sentence = red(
    "server-away",
    "no server answers at {0}: start it (`systemctl start hanse`), or name its configuration with --config",
    "bei {0} antwortet kein Server: starten Sie ihn (`systemctl start hanse`), oder nennen Sie seine Konfiguration mit --config",
    "`journalctl -u hanse` says why it ended. The socket is beside the database, or where `[operate] socket` says.",
);
static NOT_ALLOWED: Sentence = red(
    "server-not-allowed",
    "you may not open {0}: ask as root, or as the user that Hanse runs as",
    "Sie dürfen {0} nicht öffnen: fragen Sie als root oder als der Benutzer, unter dem Hanse läuft",
    "",
);
static MUTE: Sentence = red(
    "server-mute",
    "something listens at {0} and does not say how it is: is it an older Hanse? Restart the server",
    "bei {0} lauscht etwas und sagt nicht, wie es ihm geht: ist es ein älteres Hanse? Starten Sie den Server neu",
    "",
);

/// That it runs.
pub static SERVER: Check = Check {
    id: "server",
    en: "running server",
    de: "laufender Server",
    about: "Asks the running server how it is, on its [socket for administrators](operation.md#the-socket).",
    sentences: &[&RUNS, &OTHER_VERSION, &AWAY, &NOT_ALLOWED, &MUTE],
};

static DISK_GOOD: Sentence = green(
    "disk-good",
    "{0} MB are free where the data is",
    "{0} MB sind frei, wo die Daten sind",
);
static DISK_FULL: Sentence = red(
    "disk-full",
    "only {0} MB are free where Hanse has its data: make room there, or move `[store] url`",
    "nur {0} MB sind frei, wo Hanse seine Daten hat: schaffen Sie dort Platz, oder verlegen Sie `[store] url`",
    "Less than 200 MB. On a full disk delayed leaves cannot be taken over and blocked homeservers cannot be written down; calls that run go on.",
);
static DISK_UNKNOWN: Sentence = red(
    "disk-unknown",
    "the system does not say how much is free where Hanse has its data: is the folder still there?",
    "das System sagt nicht, wie viel frei ist, wo Hanse seine Daten hat: gibt es den Ordner noch?",
    "",
);

/// That it has room for its data.
pub static DISK: Check = Check {
    id: "disk",
    en: "disk",
    de: "Platte",
    about: "How much the running server can still write where its data is.",
    sentences: &[&DISK_GOOD, &DISK_FULL, &DISK_UNKNOWN],
};

static FILES_GOOD: Sentence = green(
    "files-good",
    "{0} of {1} files and connections are open",
    "{0} von {1} Dateien und Verbindungen sind offen",
);
static FILES_FEW: Sentence = red(
    "files-few",
    "the server may have only {0} files and connections open, and each participant needs two: raise the limit (systemd: `LimitNOFILE=65536`) and restart it",
    "der Server darf nur {0} Dateien und Verbindungen offen haben, und jeder Teilnehmer braucht zwei: erhöhen Sie die Grenze (systemd: `LimitNOFILE=65536`) und starten Sie ihn neu",
    "Hanse raises the limit itself to the hard one, which only whoever starts it can raise.",
);
static FILES_FULL: Sentence = red(
    "files-full",
    "{0} of {1} files and connections are open, and nobody gets in beyond that: raise the limit (systemd: `LimitNOFILE=`) and restart it",
    "{0} von {1} Dateien und Verbindungen sind offen, und darüber kommt niemand mehr hinein: erhöhen Sie die Grenze (systemd: `LimitNOFILE=`) und starten Sie ihn neu",
    "",
);

/// That it may have connections enough.
pub static FILES: Check = Check {
    id: "files",
    en: "files and connections",
    de: "Dateien und Verbindungen",
    about: "How many files and connections the running server has open, and may have.",
    sentences: &[&FILES_GOOD, &FILES_FEW, &FILES_FULL],
};

/// Whether it runs.
pub fn judge(health: &Result<Health, NotAsked>, socket: &str) -> Said {
    let installed = env!("CARGO_PKG_VERSION");
    match health {
        Ok(health) if health.version == installed => RUNS.with([installed.into()]),
        Ok(health) => OTHER_VERSION.with([(&health.version).into(), installed.into()]),
        Err(NotAsked::Away) => AWAY.with([socket.into()]),
        Err(NotAsked::NotAllowed) => NOT_ALLOWED.with([socket.into()]),
        Err(NotAsked::Mute) => MUTE.with([socket.into()]),
    }
}

/// Whether it has room.
pub fn judge_disk(health: &Health) -> Said {
    let megabytes = |bytes: u64| (bytes / (1024 * 1024)).into();
    match health.disk_free_bytes {
        None => DISK_UNKNOWN.plain(),
        Some(free) if free < DISK_FREE_MIN => DISK_FULL.with([megabytes(free)]),
        Some(free) => DISK_GOOD.with([megabytes(free)]),
    }
}

/// Whether it may have more connections.
pub fn judge_files(health: &Health) -> Said {
    let (open, max) = (health.files_open, health.files_max);
    if max < FILES_MAX_MIN {
        FILES_FEW.with([max.into()])
    } else if open.saturating_mul(100) > max.saturating_mul(FILES_USED_PERCENT_MAX) {
        FILES_FULL.with([open.into(), max.into()])
    } else {
        FILES_GOOD.with([open.into(), max.into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            unix_ms: 0,
            files_open: 40,
            files_max: 65_536,
            disk_free_bytes: Some(1 << 40),
        }
    }

    #[test]
    fn a_server_that_does_not_answer_or_is_an_older_one_is_red() {
        let old = Health {
            version: "0.0.1".to_owned(),
            ..health()
        };
        for (health, id) in [
            (Ok(health()), "server-runs"),
            (Ok(old), "server-other-version"),
            (Err(NotAsked::Away), "server-away"),
            (Err(NotAsked::NotAllowed), "server-not-allowed"),
            (Err(NotAsked::Mute), "server-mute"),
        ] {
            assert_eq!(judge(&health, "/run/hanse.sock").sentence.id, id);
        }
    }

    #[test]
    fn little_room_is_red() {
        let disk = |disk_free_bytes| {
            judge_disk(&Health {
                disk_free_bytes,
                ..health()
            })
            .sentence
            .id
        };
        assert_eq!(disk(Some(DISK_FREE_MIN)), "disk-good");
        assert_eq!(disk(Some(DISK_FREE_MIN - 1)), "disk-full");
        assert_eq!(disk(None), "disk-unknown");
        let files = |files_open, files_max| {
            judge_files(&Health {
                files_open,
                files_max,
                ..health()
            })
            .sentence
            .id
        };
        assert_eq!(files(40, 65_536), "files-good");
        assert_eq!(files(40, u64::MAX), "files-good");
        assert_eq!(files(40, 1_024), "files-few");
        assert_eq!(files(8_100, 10_000), "files-full");
    }
}
