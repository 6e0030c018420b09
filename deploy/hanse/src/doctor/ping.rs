//! The homeserver at Hanse: does it reach Hanse, and does Hanse believe it (MSC2659, "Pinging" of the application service API)?

use super::ask::{Asked, Client, Question, part, words};
use super::sentence::{Check, Said, Sentence, green, red};
use http::Method;
use serde_json::{Value, json};

static GOOD: Sentence = green(
    "ping-good",
    "the homeserver reaches Hanse in {0} ms",
    "der Homeserver erreicht Hanse in {0} ms",
);
static NOT_REACHED: Sentence = red(
    "ping-not-reached",
    "the homeserver does not reach Hanse at {0}: start Hanse, or correct `url` in the registration file and restart the homeserver",
    "der Homeserver erreicht Hanse nicht bei {0}: starten Sie Hanse, oder korrigieren Sie `url` in der Registrierungsdatei und starten Sie den Homeserver neu",
    "`url` is where the homeserver's machine, or its container, reaches the HTTP port of Hanse; 127.0.0.1 means the homeserver's own.",
);
static REFUSED: Sentence = red(
    "ping-refused",
    "Hanse refuses the homeserver's token (status {0}): the two read different registration files; give both the same, and restart both",
    "Hanse lehnt das Token des Homeservers ab (Status {0}): die beiden lesen verschiedene Registrierungsdateien; geben Sie beiden dieselbe und starten Sie beide neu",
    "It is about `hs_token`. If something else than Hanse listens at `url`, it may be that which refuses.",
);
static NOT_OFFERED: Sentence = red(
    "ping-not-offered",
    "the homeserver cannot be asked to ping ({0}): update it, it must know Matrix 1.7",
    "der Homeserver kann nicht um einen Ping gebeten werden ({0}): aktualisieren Sie ihn, er muss Matrix 1.7 können",
    "",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "ping",
    en: "the homeserver at Hanse",
    de: "Homeserver bei Hanse",
    about: "Has the homeserver ping Hanse with its `hs_token`. That is the way on which Hanse hears of changes in rooms.",
    sentences: &[&GOOD, &NOT_REACHED, &REFUSED, &NOT_OFFERED],
};

/// Asks.
pub async fn probe(client: &Client, url: &str, as_token: &str, id: &str) -> Asked {
    let url = format!("{url}/_matrix/client/v1/appservice/{}/ping", part(id));
    let body = Some(json!({"transaction_id": "doctor"}));
    client
        .ask(Question {
            token: Some(as_token),
            body,
            ..Question::new(Method::POST, &url)
        })
        .await
}

/// What came of it.
pub fn judge(asked: &Asked, hanse_url: &str) -> Said {
    let Ok(answer) = asked else {
        return NOT_REACHED.with([hanse_url.into()]);
    };
    let json = answer.json();
    match (answer.status, answer.errcode().as_str()) {
        (200, _) => GOOD.with([json
            .get("duration_ms")
            .and_then(Value::as_u64)
            .unwrap_or_default()
            .into()]),
        (_, "M_BAD_STATUS") => REFUSED.with([json
            .get("status")
            .and_then(Value::as_u64)
            .unwrap_or_default()
            .into()]),
        (_, "M_CONNECTION_FAILED" | "M_CONNECTION_TIMEOUT" | "M_URL_NOT_SET") => {
            NOT_REACHED.with([hanse_url.into()])
        }
        _ => NOT_OFFERED.with([words(asked)]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Answer, NoAnswer};
    use super::*;

    #[test]
    fn who_is_not_reached_and_who_is_refused_are_told_apart() {
        let answer = |status, text| Ok(Answer::of(status, text));
        for (asked, id) in [
            (answer(200, r#"{"duration_ms":7}"#), "ping-good"),
            (
                answer(502, r#"{"errcode":"M_BAD_STATUS","status":403}"#),
                "ping-refused",
            ),
            (
                answer(502, r#"{"errcode":"M_CONNECTION_FAILED"}"#),
                "ping-not-reached",
            ),
            (
                answer(504, r#"{"errcode":"M_CONNECTION_TIMEOUT"}"#),
                "ping-not-reached",
            ),
            (answer(404, r#"{"errcode":"M_UNRECOGNIZED"}"#), "ping-not-offered"),
            (Err(NoAnswer::TimedOut), "ping-not-reached"),
        ] {
            assert_eq!(judge(&asked, "http://hanse:7880").sentence.id, id);
        }
    }
}
