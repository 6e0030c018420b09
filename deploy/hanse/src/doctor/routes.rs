//! The routes of the focus, through the real proxy: may a page of another origin ask them (CORS)?

use super::ask::{Asked, Client, ORIGIN, Question, words};
use super::sentence::{Check, Said, Sentence, Words, green, red};
use futures_util::future::join_all;
use http::Method;

/// What clients `POST` to, below the focus' URL.
const ROUTES: [&str; 3] = ["/sfu/get", "/get_token", "/delegate_delayed_leave"];

/// What clients ask the SFU before they say that something is wrong.
const VALIDATE: &str = "/rtc/validate";

static GOOD: Sentence = green(
    "routes-good",
    "pages of other origins may ask {0} routes",
    "Seiten anderer Herkunft dürfen {0} Routen fragen",
);
static NO_ANSWER: Sentence = red(
    "routes-no-answer",
    "{0} does not answer ({1}): start Hanse, and have the proxy pass this path on to it",
    "{0} antwortet nicht ({1}): starten Sie Hanse und lassen Sie den Proxy diesen Pfad dorthin weitergeben",
    "With status 502 or 504 the proxy is there and does not reach Hanse: compare the address behind `proxy_pass` with `[http]` in hanse.toml.",
);
static NOT_PASSED: Sentence = red(
    "routes-not-passed",
    "{0} is not passed on to Hanse ({1}): take over the proxy file that `hanse setup` has written",
    "{0} wird nicht an Hanse weitergegeben ({1}): übernehmen Sie die Proxy-Datei, die `hanse setup` geschrieben hat",
    "The proxy answers itself, or passes the path on to something else, most often to the homeserver.",
);
static NO_CORS: Sentence = red(
    "routes-no-cors",
    "{0} comes without CORS headers, so browsers refuse its answers: have the proxy pass OPTIONS on and keep `Access-Control-Allow-Origin`",
    "{0} kommt ohne CORS-Header, darum lehnen Browser seine Antworten ab: lassen Sie den Proxy OPTIONS weitergeben und `Access-Control-Allow-Origin` stehen",
    "Hanse sends these headers on every answer. Where they are missing, something between has taken them off (`proxy_hide_header`), or has \
     answered `OPTIONS` itself.",
);
static TWICE: Sentence = red(
    "routes-cors-twice",
    "{0} comes with two `Access-Control-Allow-Origin` headers, and browsers refuse that: take the line that adds one out of the proxy",
    "{0} kommt mit zwei `Access-Control-Allow-Origin`-Headern, und Browser lehnen das ab: nehmen Sie die Zeile, die einen hinzufügt, aus dem Proxy",
    "",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "routes",
    en: "routes",
    de: "Routen",
    about: "Asks each route that clients use, as a browser asks before it lets a page ask (CORS preflight): `/sfu/get`, `/get_token`, \
            `/delegate_delayed_leave` of the focus; and `/rtc/validate` of the SFU.",
    sentences: &[&GOOD, &NO_ANSWER, &NOT_PASSED, &NO_CORS, &TWICE],
};

/// One route and what came back.
pub struct Facts {
    /// Its path and what is before it.
    pub url: String,
    /// Whether it was asked by `OPTIONS`, so that it is all about headers.
    pub is_preflight: bool,
    /// What came back.
    pub asked: Asked,
}

/// Asks those of another organisation's focus by which its guests get a token. An older one has the first alone.
pub async fn probe_for_strangers(client: &Client, service_url: &str) -> Vec<Facts> {
    let mut facts = ask_focus(client, service_url, &["/sfu/get", "/get_token"]).await;
    let is_known = |facts: &Facts| !matches!(&facts.asked, Ok(answer) if answer.status == 404);
    if facts.first().is_some_and(is_known) {
        facts.retain(is_known);
    }
    facts
}

/// Asks all of them.
pub async fn probe(client: &Client, service_url: &str, sfu_http_url: &str) -> Vec<Facts> {
    let origin = [("origin", ORIGIN)];
    let validate = async {
        let url = format!("{sfu_http_url}{VALIDATE}");
        let question = Question {
            headers: &origin,
            ..Question::new(Method::GET, &url)
        };
        let asked = client.ask(question).await;
        Facts {
            url,
            is_preflight: false,
            asked,
        }
    };
    let (mut facts, last) = tokio::join!(ask_focus(client, service_url, &ROUTES), validate);
    facts.push(last);
    facts
}

/// Asks these routes of a focus, as a browser asks before it lets a page do so.
async fn ask_focus(client: &Client, service_url: &str, routes: &[&str]) -> Vec<Facts> {
    let preflight = &[
        ("origin", ORIGIN),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let asked = routes.iter().map(|route| async move {
        let url = format!("{service_url}{route}");
        let question = Question {
            headers: preflight,
            ..Question::new(Method::OPTIONS, &url)
        };
        let asked = client.ask(question).await;
        Facts {
            url,
            is_preflight: true,
            asked,
        }
    });
    join_all(asked).await
}

/// The first route that browsers could not use.
pub fn judge(routes: &[Facts]) -> Said {
    for facts in routes {
        let url = || Words::from(&facts.url);
        let answer = match &facts.asked {
            Ok(answer) => answer,
            Err(_) => return NO_ANSWER.with([url(), words(&facts.asked)]),
        };
        if matches!(answer.status, 500..) {
            return NO_ANSWER.with([url(), words(&facts.asked)]);
        }
        let origins = answer
            .headers
            .get_all("access-control-allow-origin")
            .iter()
            .count();
        // Hanse answers a question of the SFU without a token with 401, and a preflight with 200; others say that they know no such path.
        let is_passed = match facts.is_preflight {
            true => answer.status != 404,
            false => answer.status == 401,
        };
        match origins {
            _ if !is_passed => return NOT_PASSED.with([url(), words(&facts.asked)]),
            2.. => return TWICE.with([url()]),
            _ if !answer.is_readable() => return NO_CORS.with([url()]),
            _ => {}
        }
        let allows = |name: &str, wanted: &str| {
            answer.header(name).is_some_and(|list| {
                list.split(',')
                    .any(|each| matches!(each.trim(), "*") || each.trim().eq_ignore_ascii_case(wanted))
            })
        };
        let may_post = allows("access-control-allow-headers", "content-type");
        if facts.is_preflight && !may_post {
            return NO_CORS.with([url()]);
        }
    }
    GOOD.with([routes.len().into()])
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Answer, NoAnswer};
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn facts(status: u16, origins: &[&'static str], headers: &'static str) -> Facts {
        let mut map = HeaderMap::new();
        for origin in origins {
            map.append("access-control-allow-origin", HeaderValue::from_static(origin));
        }
        map.insert("access-control-allow-headers", HeaderValue::from_static(headers));
        let answer = Answer {
            status,
            headers: map,
            text: String::new(),
        };
        Facts {
            url: "https://a.example/sfu/get".to_owned(),
            is_preflight: true,
            asked: Ok(answer),
        }
    }

    #[test]
    fn what_a_browser_would_refuse_is_red() {
        for (facts, id) in [
            (facts(200, &["*"], "accept,content-type"), "routes-good"),
            (facts(200, &["https://app.element.example"], "*"), "routes-good"),
            (facts(200, &["https://other.example"], "*"), "routes-no-cors"),
            (facts(200, &["*"], "accept"), "routes-no-cors"),
            (facts(405, &[], "*"), "routes-no-cors"),
            (facts(200, &["*", "*"], "*"), "routes-cors-twice"),
            (facts(404, &[], "*"), "routes-not-passed"),
            (facts(502, &[], "*"), "routes-no-answer"),
        ] {
            assert_eq!(judge(&[facts]).sentence.id, id);
        }
        let silent = Facts {
            asked: Err(NoAnswer::TimedOut),
            ..facts(200, &[], "")
        };
        assert_eq!(judge(&[silent]).sentence.id, "routes-no-answer");
    }

    #[test]
    fn the_sfu_asks_for_a_token_and_others_do_not() {
        let sfu = |status| Facts {
            is_preflight: false,
            ..facts(status, &["*"], "")
        };
        assert!(judge(&[sfu(401)]).is_green());
        assert_eq!(judge(&[sfu(200)]).sentence.id, "routes-not-passed");
    }
}
