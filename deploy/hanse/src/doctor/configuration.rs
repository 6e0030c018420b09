//! The configuration: read as `hanse run` reads it.

use super::sentence::{Check, Said, Sentence, green, red};

static GOOD: Sentence = green(
    "configuration-good",
    "read, with a focus for {0}",
    "gelesen, mit einem Fokus für {0}",
);
static BAD: Sentence = red(
    "configuration-bad",
    "{0}; correct it, then say `hanse check-config`",
    "{0}; korrigieren Sie das, dann sagen Sie `hanse check-config`",
    "The sentence before the semicolon is that of the configuration itself: it names the key and the line. Nothing else is looked \
     at before. Whoever asks must be allowed to read the file and those that it names: root, or the user that Hanse runs as.",
);
static NO_FOCUS: Sentence = red(
    "configuration-no-focus",
    "[focus] is not set up, so this Hanse admits nobody to calls: set `sfu_url` there",
    "[focus] ist nicht eingerichtet, darum lässt dieses Hanse niemanden in Gespräche: setzen Sie dort `sfu_url`",
    "Without a focus Hanse is an SFU for somebody else's focus, and there is no chain to walk from here.",
);
static NO_HOMESERVER: Sentence = red(
    "configuration-no-homeserver",
    "[homeservers] has no registration, so no homeserver tells Hanse who is in a room: let `hanse setup` write one, and name it in `registrations`",
    "[homeservers] hat keine Registrierung, darum sagt kein Homeserver Hanse, wer in einem Raum ist: lassen Sie `hanse setup` eine schreiben und nennen Sie sie in `registrations`",
    "The doctor needs the registration to ask the homeserver anything.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "configuration",
    en: "configuration",
    de: "Konfiguration",
    about: "Reads `hanse.toml`, the environment and the files that they name.",
    sentences: &[&GOOD, &BAD, &NO_FOCUS, &NO_HOMESERVER],
};

/// What was read: whose focus it is, or why it cannot be read.
pub fn judge(read: Result<(bool, Option<&str>), &str>) -> Said {
    match read {
        Err(reason) => BAD.with([reason.into()]),
        Ok((false, _)) => NO_FOCUS.plain(),
        Ok((true, None)) => NO_HOMESERVER.plain(),
        Ok((true, Some(homeserver))) => GOOD.with([homeserver.into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_focus_with_a_homeserver_is_green() {
        assert!(judge(Ok((true, Some("org-a.example")))).is_green());
        assert_eq!(judge(Ok((true, None))).sentence.id, "configuration-no-homeserver");
        assert_eq!(
            judge(Ok((false, Some("org-a.example")))).sentence.id,
            "configuration-no-focus"
        );
        assert_eq!(
            judge(Err("line 3: there is no key `prot`")).en(),
            "line 3: there is no key `prot`; correct it, then say `hanse check-config`"
        );
    }
}
