//! `.well-known/matrix/client`: how clients come from the server name to the homeserver (Matrix client-server API, "Well-known
//! URI"), and where those look for calls that do not ask the homeserver (MSC4143).

use super::ask::{Answer, Asked, Client, ORIGIN, Question, words};
use super::sentence::{Check, Said, Sentence, green, grey, red};
use crate::setup::{WELL_KNOWN_KEY, host_of};
use hanse_focus::ServerName;
use http::Method;
use serde_json::Value;

/// Redirects that are followed, as browsers do.
const REDIRECTS_MAX: usize = 5;

static GOOD: Sentence = green(
    "well-known-good",
    "{0} leads to the homeserver at {1} and to the same place for calls",
    "{0} führt zum Homeserver bei {1} und zum selben Ort für Gespräche",
);
static NO_PLACE: Sentence = green(
    "well-known-no-place",
    "{0} leads to the homeserver at {1} and names no place for calls: fine for clients that ask the homeserver; for older ones put \
     `org.matrix.msc4143.rtc_foci` there as `hanse setup` has written it",
    "{0} führt zum Homeserver bei {1} und nennt keinen Ort für Gespräche: in Ordnung für Clients, die den Homeserver fragen; schreiben \
     Sie für ältere `org.matrix.msc4143.rtc_foci` dorthin, wie `hanse setup` es geschrieben hat",
);
static MISSING: Sentence = grey(
    "well-known-missing",
    "{0} is not there, so people must type where their homeserver is, and older clients find no calls: serve what `hanse setup` has written \
     as well-known-matrix-client.json",
    "{0} gibt es nicht; also müssen Leute eintippen, wo ihr Homeserver ist, und ältere Clients finden keine Gespräche: liefern Sie aus, was \
     `hanse setup` als well-known-matrix-client.json geschrieben hat",
);
static NOT_ASKED: Sentence = grey(
    "well-known-not-asked",
    "{0} cannot be asked ({1}), so people must type where their homeserver is, and older clients find no calls; where nobody is meant to ask, all is well",
    "{0} kann nicht gefragt werden ({1}); also müssen Leute eintippen, wo ihr Homeserver ist, und ältere Clients finden keine Gespräche; wo niemand fragen soll, ist alles gut",
);
static ODD: Sentence = red(
    "well-known-odd",
    "{0} answers wrongly ({1}), and clients say that the homeserver cannot be found: have it answer with status 200 and what `hanse setup` has \
     written as well-known-matrix-client.json, or with 404",
    "{0} antwortet falsch ({1}), und Clients sagen, der Homeserver sei nicht zu finden: lassen Sie es mit Status 200 antworten und mit dem, was \
     `hanse setup` als well-known-matrix-client.json geschrieben hat, oder mit 404",
    "Clients take only a missing file (404) for “ask the name itself”; every other trouble ends the log-in.",
);
static NO_HOMESERVER: Sentence = red(
    "well-known-no-homeserver",
    "{0} does not say where the homeserver is: it must be JSON with `base_url` in `m.homeserver`, as `hanse setup` has written it in \
     well-known-matrix-client.json",
    "{0} sagt nicht, wo der Homeserver ist: es muss JSON sein mit `base_url` in `m.homeserver`, wie `hanse setup` es in \
     well-known-matrix-client.json geschrieben hat",
    "",
);
static NO_CORS: Sentence = red(
    "well-known-no-cors",
    "{0} comes without CORS headers, so clients in browsers cannot read it: have the web server add `Access-Control-Allow-Origin: *` there, once",
    "{0} kommt ohne CORS-Header, darum können Clients in Browsern es nicht lesen: lassen Sie den Webserver dort `Access-Control-Allow-Origin: *` \
     hinzufügen, einmal",
    "nginx: `add_header Access-Control-Allow-Origin * always;`. Where it redirects, the redirect needs the header, too.",
);
static HOMESERVER_SILENT: Sentence = red(
    "well-known-homeserver-silent",
    "{0} sends clients to {1}, and no homeserver answers there ({2}): correct `base_url`, or have the proxy there pass `/_matrix/` on to the homeserver",
    "{0} schickt Clients zu {1}, und da antwortet kein Homeserver ({2}): korrigieren Sie `base_url`, oder lassen Sie den Proxy dort `/_matrix/` \
     an den Homeserver weitergeben",
    "Asked is `/_matrix/client/versions` below it, which everybody may ask.",
);
static OTHER_PLACE: Sentence = red(
    "well-known-other-place",
    "{0} sends older clients to {1} for calls, and the homeserver sends newer ones to {2}: name the same place first in both, letter for letter",
    "{0} schickt ältere Clients für Gespräche zu {1}, und der Homeserver neuere zu {2}: nennen Sie in beiden denselben Ort zuerst, Buchstabe für \
     Buchstabe",
    "It stands behind `livekit_service_url` in `org.matrix.msc4143.rtc_foci`. With two places the people of one room may sit in two calls.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "well-known",
    en: ".well-known",
    de: ".well-known",
    about: "Asks `https://SERVER/.well-known/matrix/client` as browsers do (the server name without its port, always port 443), asks the homeserver that \
            it names for its versions, and compares the place for calls with the one that the homeserver names.",
    sentences: &[
        &GOOD,
        &NO_PLACE,
        &MISSING,
        &NOT_ASKED,
        &ODD,
        &NO_HOMESERVER,
        &NO_CORS,
        &HOMESERVER_SILENT,
        &OTHER_PLACE,
    ],
};

/// What came back.
pub struct Facts {
    url: String,
    asked: Asked,
    /// Whether browsers let pages read the answer, and each redirect before it.
    is_readable: bool,
    /// Where it says that the homeserver is, and what that said of its versions.
    homeserver: Option<(String, Asked)>,
}

impl Facts {
    /// Where clients reach the homeserver, if it answers there; no slash at its end.
    pub fn base_url(&self) -> Option<&str> {
        let (url, versions) = self.homeserver.as_ref()?;
        is_homeserver(versions).then_some(url.as_str())
    }
}

/// Where a server has it.
pub fn url(server: &ServerName) -> String {
    format!("https://{}/.well-known/matrix/client", host_of(server))
}

/// Asks, and asks whom it names.
pub async fn probe(client: &Client, server: &ServerName) -> Facts {
    let url = url(server);
    let (asked, is_readable) = follow(client, &url).await;
    let homeserver = match asked.as_ref().ok().and_then(base_url) {
        Some(base_url) => {
            let versions = client.get(&format!("{base_url}/_matrix/client/versions")).await;
            Some((base_url, versions))
        }
        None => None,
    };
    Facts {
        url,
        asked,
        is_readable,
        homeserver,
    }
}

/// What is there behind all redirects, and whether browsers let pages read each answer.
pub async fn follow(client: &Client, first: &str) -> (Asked, bool) {
    let mut url = first.to_owned();
    let mut is_readable = true;
    let mut redirects = 0;
    loop {
        let headers = [("origin", ORIGIN)];
        let question = Question {
            headers: &headers,
            ..Question::new(Method::GET, &url)
        };
        let asked = client.ask(question).await;
        is_readable &= asked.as_ref().is_ok_and(Answer::is_readable);
        match asked.as_ref().ok().and_then(|answer| next(&url, answer)) {
            Some(next) if redirects < REDIRECTS_MAX => url = next,
            _ => return (asked, is_readable),
        }
        redirects += 1;
    }
}

/// Where a redirect leads, if browsers go there.
fn next(url: &str, answer: &Answer) -> Option<String> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = reqwest::Url::parse(url)
        .ok()?
        .join(answer.header("location")?)
        .ok()?;
    (next.scheme() == "https").then(|| next.into())
}

/// Where it says that the homeserver is; no slash at its end.
pub fn base_url(answer: &Answer) -> Option<String> {
    let json = answer.json();
    let url = json.get("m.homeserver")?.get("base_url")?.as_str()?;
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    is_url.then(|| url.trim_end_matches('/').to_owned())
}

fn is_homeserver(versions: &Asked) -> bool {
    matches!(versions, Ok(answer) if answer.status == 200 && answer.json().get("versions").is_some_and(Value::is_array))
}

/// The place for calls that it names first.
pub fn place(answer: &Answer) -> Option<String> {
    let json = answer.json();
    let mut urls = json.get(WELL_KNOWN_KEY)?.as_array()?.iter().filter_map(|each| {
        let is_livekit = each.get("type").and_then(Value::as_str) == Some("livekit");
        each.get("livekit_service_url")
            .and_then(Value::as_str)
            .filter(|_| is_livekit)
    });
    urls.next().map(str::to_owned)
}

/// What clients make of it, when the homeserver names `service_url` as the place for calls.
pub fn judge(facts: &Facts, service_url: &str) -> Said {
    let url = || (&facts.url).into();
    let answer = match &facts.asked {
        Ok(answer) if answer.status == 404 => return MISSING.with([url()]),
        Ok(answer) if answer.status == 200 => answer,
        Err(_) => return NOT_ASKED.with([url(), words(&facts.asked)]),
        Ok(_) => return ODD.with([url(), words(&facts.asked)]),
    };
    let Some((base_url, versions)) = &facts.homeserver else {
        return NO_HOMESERVER.with([url()]);
    };
    if !facts.is_readable {
        return NO_CORS.with([url()]);
    }
    if !is_homeserver(versions) {
        return HOMESERVER_SILENT.with([url(), base_url.into(), words(versions)]);
    }
    match place(answer) {
        None => NO_PLACE.with([url(), base_url.into()]),
        Some(place) if place != service_url => OTHER_PLACE.with([url(), place.into(), service_url.into()]),
        Some(_) => GOOD.with([url(), base_url.into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::NoAnswer;
    use super::*;

    const PLACE: &str = "https://hanse.a.example/livekit/jwt";

    fn answer(status: u16, text: &str) -> Asked {
        Ok(Answer::of(status, text))
    }

    fn facts(asked: Asked, versions: Asked) -> Facts {
        let homeserver = asked.as_ref().ok().and_then(base_url).map(|url| (url, versions));
        Facts {
            url: "https://a.example/.well-known/matrix/client".to_owned(),
            asked,
            is_readable: true,
            homeserver,
        }
    }

    fn served(foci: &str) -> Asked {
        answer(
            200,
            &format!(r#"{{"m.homeserver":{{"base_url":"https://hs.a.example/"}}{foci}}}"#),
        )
    }

    fn foci(url: &str) -> String {
        format!(
            r#","org.matrix.msc4143.rtc_foci":[{{"type":"other"}},{{"type":"livekit","livekit_service_url":"{url}"}}]"#
        )
    }

    #[test]
    fn what_clients_stumble_over_is_red() {
        let versions = || answer(200, r#"{"versions":["v1.11"]}"#);
        for (asked, versions, id) in [
            (served(&foci(PLACE)), versions(), "well-known-good"),
            (served(""), versions(), "well-known-no-place"),
            (
                served(&foci("https://old.example")),
                versions(),
                "well-known-other-place",
            ),
            (
                served(&foci(&format!("{PLACE}/"))),
                versions(),
                "well-known-other-place",
            ),
            (served(""), answer(502, ""), "well-known-homeserver-silent"),
            (served(""), answer(200, "<html>"), "well-known-homeserver-silent"),
            (answer(200, "<html>"), versions(), "well-known-no-homeserver"),
            (
                answer(200, r#"{"m.homeserver":{"base_url":"hs"}}"#),
                versions(),
                "well-known-no-homeserver",
            ),
            (answer(404, ""), versions(), "well-known-missing"),
            (answer(502, ""), versions(), "well-known-odd"),
            (Err(NoAnswer::Tls), versions(), "well-known-not-asked"),
            (Err(NoAnswer::NoConnection), versions(), "well-known-not-asked"),
        ] {
            assert_eq!(judge(&facts(asked, versions), PLACE).sentence.id, id);
        }
        let closed = Facts {
            is_readable: false,
            ..facts(served(""), versions())
        };
        assert_eq!(judge(&closed, PLACE).sentence.id, "well-known-no-cors");
    }

    #[test]
    fn only_a_homeserver_that_answers_is_asked_further() {
        let versions = answer(200, r#"{"versions":[]}"#);
        assert_eq!(
            facts(served(""), versions).base_url(),
            Some("https://hs.a.example")
        );
        assert_eq!(facts(served(""), answer(404, "{}")).base_url(), None);
    }

    #[test]
    fn redirects_are_followed_as_browsers_do_it() {
        let redirect = |to: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("location", http::HeaderValue::from_static(to));
            next(
                "https://a.example/x",
                &Answer {
                    status: 302,
                    headers,
                    text: String::new(),
                },
            )
        };
        assert_eq!(redirect("/y").as_deref(), Some("https://a.example/y"));
        assert_eq!(
            redirect("https://www.a.example/x").as_deref(),
            Some("https://www.a.example/x")
        );
        assert_eq!(redirect("http://a.example/x"), None);
    }
}
