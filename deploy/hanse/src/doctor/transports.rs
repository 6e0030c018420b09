//! Whom the homeserver names as the place for calls: with a log-in, and that the way to it exists without one (MSC4143).

use super::ask::{Asked, Client, Question, words};
use super::sentence::{Check, Said, Sentence, green, red};
use http::Method;
use serde_json::Value;

/// See MSC4143.
const PATH: &str = "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports";

static GOOD: Sentence = green(
    "transports-good",
    "the homeserver names {0}",
    "der Homeserver nennt {0}",
);
static OFF: Sentence = red(
    "transports-off",
    "the homeserver does not tell clients where calls are ({0}): put `msc4143_enabled: true` below `experimental_features` of homeserver.yaml, and restart it",
    "der Homeserver sagt Clients nicht, wo Gespräche sind ({0}): schreiben Sie `msc4143_enabled: true` unter `experimental_features` in homeserver.yaml und starten Sie ihn neu",
    "If it is there and still missing, the proxy in front of the homeserver, or one of its workers, does not pass `/_matrix/client/unstable/` on.",
);
static EMPTY: Sentence = red(
    "transports-empty",
    "the homeserver names no place for calls: put `matrix_rtc` with `transports` into homeserver.yaml as `hanse setup` prints it, and restart it",
    "der Homeserver nennt keinen Ort für Gespräche: schreiben Sie `matrix_rtc` mit `transports` in homeserver.yaml, wie `hanse setup` es ausgibt, und starten Sie ihn neu",
    "Clients then say “MISSING_MATRIX_RTC_TRANSPORT” or “calls are not supported by your homeserver”.",
);
static SLASH: Sentence = red(
    "transports-slash",
    "the homeserver names {0} with a slash at its end, and clients put another behind it: take it off in homeserver.yaml",
    "der Homeserver nennt {0} mit einem Schrägstrich am Ende, und Clients setzen noch einen dahinter: nehmen Sie ihn in homeserver.yaml weg",
    "",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "transports",
    en: "place for calls",
    de: "Ort für Gespräche",
    about: "Asks the homeserver as clients do where calls are, without a log-in (it must say that one is missing) and with Hanse's own.",
    sentences: &[&GOOD, &OFF, &EMPTY, &SLASH],
};

/// Asks without and with log-in.
pub async fn probe(client: &Client, url: &str, as_token: &str) -> (Asked, Asked) {
    let url = format!("{url}{PATH}");
    let with = Question {
        token: Some(as_token),
        ..Question::new(Method::GET, &url)
    };
    tokio::join!(client.get(&url), client.ask(with))
}

/// The focus that it names first, as Element Call chooses.
pub fn service_url(asked: &Asked) -> Option<String> {
    let json = asked.as_ref().ok()?.json();
    let transports = json.get("rtc_transports").or_else(|| json.get("transports"))?;
    let mut urls = transports.as_array()?.iter().filter_map(|each| {
        let is_livekit = each.get("type").and_then(Value::as_str) == Some("livekit");
        each.get("livekit_service_url")
            .and_then(Value::as_str)
            .filter(|_| is_livekit)
    });
    urls.next().map(str::to_owned)
}

/// What both said.
pub fn judge((without, with): &(Asked, Asked)) -> Said {
    match without {
        Ok(answer) if answer.status == 401 => {}
        _ => return OFF.with([words(without)]),
    }
    match (with, service_url(with)) {
        (_, Some(url)) if url.ends_with('/') => SLASH.with([url.into()]),
        (_, Some(url)) => GOOD.with([url.into()]),
        (Ok(answer), None) if answer.status == 200 => EMPTY.plain(),
        _ => OFF.with([words(with)]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::Answer;
    use super::*;

    #[test]
    fn a_place_that_clients_find_is_green() {
        let answer = |status, text: &str| Ok(Answer::of(status, text));
        let missing = || answer(401, r#"{"errcode":"M_MISSING_TOKEN"}"#);
        let named = |url: &str| {
            answer(
                200,
                &format!(
                    r#"{{"rtc_transports":[{{"type":"x"}},{{"type":"livekit","livekit_service_url":"{url}"}}]}}"#
                ),
            )
        };
        for (without, with, id) in [
            (
                missing(),
                named("https://a.example/livekit/jwt"),
                "transports-good",
            ),
            (
                missing(),
                named("https://a.example/livekit/jwt/"),
                "transports-slash",
            ),
            (missing(), answer(200, "{}"), "transports-empty"),
            (
                answer(404, r#"{"errcode":"M_UNRECOGNIZED"}"#),
                answer(404, "{}"),
                "transports-off",
            ),
        ] {
            assert_eq!(judge(&(without, with)).sentence.id, id);
        }
    }
}
