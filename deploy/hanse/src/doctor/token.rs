//! Hanse at the homeserver: as whom does it know Hanse's token?

use super::ask::{Asked, Client, Question, words};
use super::sentence::{Check, Said, Sentence, green, red};
use http::Method;
use serde_json::Value;

static GOOD: Sentence = green(
    "token-good",
    "the homeserver knows Hanse as {0}",
    "der Homeserver kennt Hanse als {0}",
);
static UNKNOWN: Sentence = red(
    "token-unknown",
    "the homeserver does not know Hanse's token: name this registration file in `app_service_config_files` of homeserver.yaml, and restart the homeserver",
    "der Homeserver kennt das Token von Hanse nicht: nennen Sie diese Registrierungsdatei in `app_service_config_files` in homeserver.yaml und starten Sie den Homeserver neu",
    "Both read the same file, or copies of it. If the file was made anew, the homeserver still has the old tokens until it is restarted. \
     With several workers each of them must be.",
);
static OTHER: Sentence = red(
    "token-other",
    "the homeserver takes Hanse for {0} and not for {1}: the two read different registration files; give both the same",
    "der Homeserver hält Hanse für {0} und nicht für {1}: die beiden lesen verschiedene Registrierungsdateien; geben Sie beiden dieselbe",
    "",
);
static ODD: Sentence = red(
    "token-odd",
    "the homeserver does not say who Hanse is ({0}): look into its log",
    "der Homeserver sagt nicht, wer Hanse ist ({0}): sehen Sie in sein Log",
    "",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "token",
    en: "Hanse at the homeserver",
    de: "Hanse beim Homeserver",
    about: "Asks the homeserver with the `as_token` of the registration who that is (`whoami`).",
    sentences: &[&GOOD, &UNKNOWN, &OTHER, &ODD],
};

/// Asks.
pub async fn probe(client: &Client, url: &str, as_token: &str) -> Asked {
    let url = format!("{url}/_matrix/client/v3/account/whoami");
    client
        .ask(Question {
            token: Some(as_token),
            ..Question::new(Method::GET, &url)
        })
        .await
}

/// Whether it is the bridge user.
pub fn judge(asked: &Asked, bridge_user: &str) -> Said {
    match asked {
        Ok(answer) if answer.status == 200 => match answer.json().get("user_id").and_then(Value::as_str) {
            Some(user) if user == bridge_user => GOOD.with([user.into()]),
            Some(other) => OTHER.with([other.into(), bridge_user.into()]),
            None => ODD.with([words(asked)]),
        },
        Ok(answer) if matches!(answer.status, 401 | 403) => UNKNOWN.plain(),
        _ => ODD.with([words(asked)]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Answer, NoAnswer};
    use super::*;

    #[test]
    fn only_the_bridge_user_is_green() {
        let answer = |status, text| Ok(Answer::of(status, text));
        for (asked, id) in [
            (answer(200, r#"{"user_id":"@hanse:a.example"}"#), "token-good"),
            (answer(200, r#"{"user_id":"@other:a.example"}"#), "token-other"),
            (answer(401, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#), "token-unknown"),
            (answer(200, "<html>"), "token-odd"),
            (Err(NoAnswer::TimedOut), "token-odd"),
        ] {
            assert_eq!(judge(&asked, "@hanse:a.example").sentence.id, id);
        }
    }
}
