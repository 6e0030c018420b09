//! Signalling through the proxy: WebSockets and long addresses pass.

use super::ask::{Asked, Client, Question, words};
use super::sentence::{Check, Said, Sentence, green, red};
use http::Method;

/// What Hanse says to a request that is no WebSocket's.
const NO_WEBSOCKET: &str = "WebSocket connections only";

/// Letters of the longest address that clients make: their first message is in it, and Hanse takes 64 KiB.
const ADDRESS_LETTERS: usize = 60 * 1024;

static GOOD: Sentence = green(
    "upgrade-good",
    "WebSockets and long addresses reach Hanse",
    "WebSockets und lange Adressen kommen bei Hanse an",
);
static STRIPPED: Sentence = red(
    "upgrade-stripped",
    "the proxy takes `Upgrade` and `Connection` out of requests to {0}, so nobody gets a WebSocket: pass both on there (nginx: `proxy_http_version 1.1`, `proxy_set_header Upgrade $http_upgrade`, `proxy_set_header Connection \"upgrade\"`)",
    "der Proxy nimmt `Upgrade` und `Connection` aus Anfragen an {0}, darum bekommt niemand einen WebSocket: geben Sie dort beide weiter (nginx: `proxy_http_version 1.1`, `proxy_set_header Upgrade $http_upgrade`, `proxy_set_header Connection \"upgrade\"`)",
    "People see “connecting” and then an error. The proxy files of `hanse setup` have these lines.",
);
static NOT_PASSED: Sentence = red(
    "upgrade-not-passed",
    "{0} is not passed on to Hanse ({1}): have the proxy pass `/rtc` and everything below it on",
    "{0} wird nicht an Hanse weitergegeben ({1}): lassen Sie den Proxy `/rtc` und alles darunter weitergeben",
    "",
);
static SHORT: Sentence = red(
    "upgrade-short",
    "the proxy refuses long addresses ({0}), and a client's first message is part of one: allow 64 KiB (nginx: `large_client_header_buffers 4 128k`)",
    "der Proxy lehnt lange Adressen ab ({0}), und die erste Nachricht eines Clients steht in einer: erlauben Sie 64 KiB (nginx: `large_client_header_buffers 4 128k`)",
    "With short limits some people get in and others do not, depending on what their client has to say.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "upgrade",
    en: "WebSocket",
    de: "WebSocket",
    about: "Asks the SFU's address for a WebSocket with a token that it refuses: who gets that refusal has reached it as a WebSocket would. \
            Then asks with an address of 60 KiB.",
    sentences: &[&GOOD, &STRIPPED, &NOT_PASSED, &SHORT],
};

/// Asks both.
pub async fn probe(client: &Client, sfu_http_url: &str) -> (Asked, Asked) {
    let short = format!("{sfu_http_url}/rtc?access_token=doctor&auto_subscribe=1&protocol=16&sdk=js");
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "aGFuc2UgaGFuc2UgaGFuc2U="),
    ];
    let upgrade = client.ask(Question {
        headers: &headers,
        ..Question::new(Method::GET, &short)
    });
    let long = format!(
        "{sfu_http_url}/rtc/v1/validate?access_token=doctor&join_request={}",
        "A".repeat(ADDRESS_LETTERS)
    );
    let long = client.get(&long);
    tokio::join!(upgrade, long)
}

/// What came of both.
pub fn judge(sfu_http_url: &str, (upgrade, long): &(Asked, Asked)) -> Said {
    let url = || format!("{sfu_http_url}/rtc").into();
    match upgrade {
        Ok(answer) if answer.status == 401 => {}
        Ok(answer) if answer.text.contains(NO_WEBSOCKET) => return STRIPPED.with([url()]),
        _ => return NOT_PASSED.with([url(), words(upgrade)]),
    }
    match long {
        // Hanse has read it; what it thinks of it does not matter.
        Ok(answer) if answer.status == 401 => GOOD.plain(),
        _ => SHORT.with([words(long)]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Answer, NoAnswer};
    use super::*;

    fn answer(status: u16, text: &str) -> Asked {
        Ok(Answer::of(status, text))
    }

    #[test]
    fn only_who_reaches_hanse_as_a_websocket_would_is_green() {
        let refused = || answer(401, "invalid token");
        for (upgrade, long, id) in [
            (refused(), refused(), "upgrade-good"),
            (
                answer(404, "this path takes WebSocket connections only"),
                refused(),
                "upgrade-stripped",
            ),
            (answer(404, "404 page not found"), refused(), "upgrade-not-passed"),
            (Err(NoAnswer::TimedOut), refused(), "upgrade-not-passed"),
            (refused(), answer(414, ""), "upgrade-short"),
            (refused(), Err(NoAnswer::Broken), "upgrade-short"),
        ] {
            assert_eq!(judge("https://a.example", &(upgrade, long)).sentence.id, id);
        }
    }
}
