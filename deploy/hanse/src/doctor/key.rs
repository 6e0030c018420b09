//! The API key: does the SFU to which clients are sent take the tokens that this configuration signs?

use super::ask::{Asked, Client, words};
use super::sentence::{Check, Said, Sentence, green, red};
use crate::focus::signing_key;
use crate::settings::Settings;
use hanse_focus::{ApiKey, SfuPlace};

/// For how long the doctor's token is valid, in s: longer than an examination, and than clocks may differ.
const TOKEN_LIFETIME_S: u64 = 900;

/// Whom the doctor is on the SFU.
const IDENTITY: &str = "hanse-doctor";

static GOOD: Sentence = green(
    "key-good",
    "the SFU takes tokens that the key “{0}” has signed",
    "der SFU nimmt Token, die der Schlüssel „{0}“ unterschrieben hat",
);
static UNKNOWN: Sentence = red(
    "key-unknown",
    "the SFU at {0} refuses tokens that the key “{1}” has signed: give it the key that this configuration names (`keys_file`), and restart it; if it \
     has that, `sfu_url` of [focus] leads to another SFU",
    "der SFU bei {0} lehnt Token ab, die der Schlüssel „{1}“ unterschrieben hat: geben Sie ihm den Schlüssel, den diese Konfiguration nennt \
     (`keys_file`), und starten Sie ihn neu; hat er ihn schon, führt `sfu_url` von [focus] zu einem anderen SFU",
    "People get a token from the focus, and are refused with status 401 where they are to use it. A key has a name and a secret, and both must be the \
     same. A server that has been running since before the key was changed still has the old one.",
);
static ODD: Sentence = red(
    "key-odd",
    "the SFU at {0} does not say whether it takes the key “{1}” ({2}): look into its log",
    "der SFU bei {0} sagt nicht, ob er den Schlüssel „{1}“ nimmt ({2}): sehen Sie in sein Log",
    "One that is being drained (`hanse drain`) takes nobody new.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "key",
    en: "key of the SFU",
    de: "Schlüssel des SFU",
    about: "Signs a token with the key of the configuration, for a room that nobody else is in, and asks the SFU behind `sfu_url` whether it would let its \
            holder in (`/rtc/validate`).",
    sentences: &[&GOOD, &UNKNOWN, &ODD],
};

/// What signs the tokens of this configuration.
pub fn configured(settings: &Settings) -> ApiKey {
    match settings.focus.settings.as_ref().map(|focus| &focus.sfu) {
        Some(SfuPlace::At { key, .. }) => key.clone(),
        _ => signing_key(settings),
    }
}

/// A token for a room of the doctor's own. `now_unix_ms` gives the room its name, too.
pub fn token(key: &ApiKey, now_unix_ms: u64) -> Option<String> {
    let room = format!("hanse-doctor-{}-{now_unix_ms}", std::process::id());
    key.sign_examination(&room, IDENTITY, now_unix_ms / 1_000 + TOKEN_LIFETIME_S)
}

/// Asks.
pub async fn probe(client: &Client, sfu_http_url: &str, token: &str) -> Asked {
    client
        .get(&format!("{sfu_http_url}/rtc/validate?access_token={token}"))
        .await
}

/// Whether it knows the key.
pub fn judge(asked: &Asked, sfu_url: &str, key: &ApiKey) -> Said {
    match asked {
        Ok(answer) if answer.status == 200 => GOOD.with([(&key.name).into()]),
        Ok(answer) if answer.status == 401 => UNKNOWN.with([sfu_url.into(), (&key.name).into()]),
        _ => ODD.with([sfu_url.into(), (&key.name).into(), words(asked)]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::Answer;
    use super::*;
    use hanse_runtime::Secret;

    #[test]
    fn only_an_sfu_that_would_let_the_doctor_in_knows_the_key() {
        let key = ApiKey {
            name: "anna".to_owned(),
            secret: Secret::new("0123456789abcdef0123456789abcdef".to_owned()),
        };
        for (status, id) in [(200, "key-good"), (401, "key-unknown"), (503, "key-odd")] {
            let said = judge(&Ok(Answer::of(status, "")), "wss://a.example", &key);
            assert_eq!(said.sentence.id, id);
            assert!(said.en().contains("“anna”") && !said.en().contains("0123"));
        }
    }
}
