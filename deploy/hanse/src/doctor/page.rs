//! The page: whether browsers get it through the proxy as Hanse sends it, whether what it asks at its start answers, and whether people
//! log in from there.

use super::ask::{Answer, Asked, Client, ORIGIN, Question, words};
use super::sentence::{Check, Said, Sentence, Words, green, grey, red};
use crate::settings::Settings;
use crate::web;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

/// What browsers say they take when somebody opens a page.
const A_PAGE: &str = "text/html,application/xhtml+xml";

/// What stands in the page, and in nothing else.
const MARK: &str = "<div id=\"app\">";

const POLICY: &str = "content-security-policy";

static GOOD: Sentence = green(
    "page-good",
    "browsers get the page at {0} with its policy, and what it asks at its start answers",
    "Browser bekommen die Seite unter {0} mit ihrer Richtlinie, und was sie zu Beginn fragt, antwortet",
);
static OFF: Sentence = grey(
    "page-off",
    "no page is served: `[web] page` is false",
    "es gibt keine Seite: `[web] page` ist false",
);
static ABSENT: Sentence = grey(
    "page-absent",
    "this Hanse was built without its page; calls with Element work",
    "dieses Hanse wurde ohne seine Seite gebaut; Anrufe mit Element gehen",
);
static NOT_PASSED: Sentence = red(
    "page-not-passed",
    "{0} is not what Hanse answers there ({1}), so the page does not open: take over the proxy file that `hanse setup` has written",
    "{0} ist nicht, was Hanse dort antwortet ({1}), darum öffnet sich die Seite nicht: übernehmen Sie die Proxy-Datei, die `hanse setup` geschrieben hat",
    "The proxy must pass `/`, `/config.json`, `/manifest.webmanifest`, `/icon.svg`, `/notices.txt`, `/sw.js`, `/assets/` and `/livekit/jwt/` on, and the \
     header `Accept`: at `/` Hanse gives the page to browsers, and `OK` to others.",
);
static NO_POLICY: Sentence = red(
    "page-no-policy",
    "{0} comes without its Content Security Policy: have the proxy keep the header `Content-Security-Policy` (nginx: no `proxy_hide_header` of it)",
    "{0} kommt ohne seine Content Security Policy: lassen Sie den Proxy den Header `Content-Security-Policy` stehen (nginx: kein `proxy_hide_header` dafür)",
    "The page works without it, and browsers would then let it speak with anybody.",
);
static OTHER_POLICY: Sentence = red(
    "page-other-policy",
    "{0} comes with a Content Security Policy that Hanse does not send: take the line that sets `Content-Security-Policy` out of the proxy; if there is none, restart Hanse",
    "{0} kommt mit einer Content Security Policy, die Hanse nicht sendet: nehmen Sie die Zeile, die `Content-Security-Policy` setzt, aus dem Proxy; gibt es keine, starten Sie Hanse neu",
    "Of two policies browsers keep both, so the page may then reach no homeserver. Hanse's own follows from [web] and [focus], and changes with a \
     restart.",
);
static OTHER_GUESTS: Sentence = red(
    "page-other-guests",
    "the page at {0} offers guests otherwise than `[guests] allowed` says: `systemctl reload hanse`",
    "die Seite unter {0} hält es mit Gästen anders, als `[guests] allowed` sagt: `systemctl reload hanse`",
    "",
);

/// See the module's page.
pub static PAGE: Check = Check {
    id: "page",
    en: "page",
    de: "Seite",
    about: "Opens the page as a browser does: `/` at the name of the focus, the script in it, `/config.json`, and, where `[guests]` allows people \
            without an account, the route that looks at a guest's link, with none. Compares policy and guests with the configuration.",
    sentences: &[
        &GOOD,
        &OFF,
        &ABSENT,
        &NOT_PASSED,
        &NO_POLICY,
        &OTHER_POLICY,
        &OTHER_GUESTS,
    ],
};

static IN: Sentence = green(
    "page-log-in-good",
    "from the page people log in at {0}",
    "von der Seite aus melden sich Leute bei {0} an",
);
static SILENT: Sentence = red(
    "page-log-in-silent",
    "the page looks for the homeserver of {0} at {1}, and none answers there ({2}): correct `homeservers` of [web] and restart Hanse, or have the proxy there pass `/_matrix/` on to the homeserver",
    "die Seite sucht den Homeserver von {0} unter {1}, und dort antwortet keiner ({2}): berichtigen Sie `homeservers` in [web] und starten Sie Hanse neu, oder lassen Sie den Proxy dort `/_matrix/` an den Homeserver weitergeben",
    "Guests need the homeserver there, too. Where Hanse itself reaches it, as the registration file says, is often another address.",
);
static NO_CORS: Sentence = red(
    "page-log-in-no-cors",
    "the homeserver of {0} comes without CORS headers at {1}, so the page cannot read what it says: have the proxy there pass OPTIONS on and keep `Access-Control-Allow-Origin`",
    "der Homeserver von {0} kommt unter {1} ohne CORS-Header, darum kann die Seite nicht lesen, was er sagt: lassen Sie den Proxy dort OPTIONS weitergeben und `Access-Control-Allow-Origin` stehen",
    "",
);
static NO_WAY: Sentence = red(
    "page-log-in-no-way",
    "the homeserver of {0} at {1} lets people log in neither by password nor by single sign-on, and the page knows no other way: switch one of them on there",
    "der Homeserver von {0} unter {1} lässt Leute weder mit Passwort noch mit Single Sign-On herein, und die Seite kennt keinen anderen Weg: schalten Sie dort einen davon ein",
    "Matrix Authentication Service offers single sign-on to clients by its compatibility layer (the resource `compat` of its listener).",
);

/// See the module's page.
pub static LOG_IN: Check = Check {
    id: "page-log-in",
    en: "log-in on the page",
    de: "Anmeldung auf der Seite",
    about: "Asks each homeserver whose people the page lets log in how it does that (`/_matrix/client/v3/login`), at the address and as the page \
            asks it.",
    sentences: &[&IN, &SILENT, &NO_CORS, &NO_WAY],
};

/// What browsers get.
pub enum Facts {
    /// Nothing was asked: the page is switched off.
    Off,
    /// Nothing was asked: it is not in the executable.
    Absent,
    /// It was opened.
    Opened(Box<Opened>),
}

/// What a browser was answered.
pub struct Opened {
    /// The page.
    front: There,
    /// What it begins with, if the page names it.
    script: Option<There>,
    /// What it is told.
    config: There,
    /// Where guests are let in; `None`: there are to be none.
    door: Option<There>,
    /// With which policy it should come.
    policy: String,
}

/// What came back from an address.
struct There {
    url: String,
    asked: Asked,
}

/// Opens it. It is where the focus is, at the root.
pub async fn probe(client: &Client, settings: &Settings, service_url: &str) -> Facts {
    if !settings.web.page {
        return Facts::Off;
    }
    let (Some(policy), Some(origin)) = (web::policy_of(settings), web::origin(service_url)) else {
        return Facts::Absent;
    };
    let accept = [("accept", A_PAGE)];
    let front = async {
        let url = format!("{origin}/");
        let question = Question {
            headers: &accept,
            ..Question::new(Method::GET, &url)
        };
        let asked = client.ask(question).await;
        let script = match asked.as_ref().ok().and_then(script_of) {
            Some(path) => Some(There::get(client, format!("{origin}/{path}")).await),
            None => None,
        };
        (There { url, asked }, script)
    };
    let config = There::get(client, format!("{origin}/config.json"));
    let door = async {
        if !settings.guests.allowed {
            return None;
        }
        let url = format!("{service_url}/guest/look");
        let question = Question {
            body: Some(json!({})),
            ..Question::new(Method::POST, &url)
        };
        let asked = client.ask(question).await;
        Some(There { url, asked })
    };
    let ((front, script), config, door) = tokio::join!(front, config, door);
    Facts::Opened(Box::new(Opened {
        front,
        script,
        config,
        door,
        policy,
    }))
}

/// The path of the script with which a page begins.
fn script_of(page: &Answer) -> Option<&str> {
    let (_, after) = page.text.split_once("<script type=\"module\"")?;
    let (_, after) = after.split_once("src=\"./")?;
    let (path, _) = after.split_once('"')?;
    let name = path.strip_prefix("assets/")?;
    // Nothing that could lead elsewhere.
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (!name.is_empty() && name.chars().all(is_plain)).then_some(path)
}

/// What browsers make of it. `guests`: whether there are to be any.
pub fn judge(facts: &Facts, guests: bool) -> Said {
    let opened = match facts {
        Facts::Off => return OFF.plain(),
        Facts::Absent => return ABSENT.plain(),
        Facts::Opened(opened) => opened,
    };
    let is_page = |answer: &Answer| is_of(answer, "text/html") && answer.text.contains(MARK);
    if let Some(said) = opened.front.unlike(is_page) {
        return said;
    }
    let url = || Words::from(&opened.front.url);
    let Some(script) = &opened.script else {
        return NOT_PASSED.with([url(), something_else()]);
    };
    if let Some(said) = script.unlike(|answer| is_of(answer, "text/javascript")) {
        return said;
    }
    let told = |answer: &Answer| answer.json().get("guests").and_then(Value::as_bool);
    if let Some(said) = opened.config.unlike(|answer| told(answer).is_some()) {
        return said;
    }
    if let Some(There { url, asked }) = &opened.door {
        // It wants a link.
        let is_door = |answer: &Answer| answer.status == 400 && answer.errcode().starts_with("M_");
        if !asked.as_ref().is_ok_and(is_door) {
            return NOT_PASSED.with([Words::from(url), words(asked)]);
        }
    }
    let headers = opened.front.asked.as_ref().map(|answer| &answer.headers);
    let policies: Vec<_> = headers
        .iter()
        .flat_map(|headers| headers.get_all(POLICY))
        .collect();
    match policies.as_slice() {
        [] => return NO_POLICY.with([url()]),
        [one] if one.as_bytes() == opened.policy.as_bytes() => {}
        _ => return OTHER_POLICY.with([url()]),
    }
    if opened.config.asked.as_ref().ok().and_then(told) != Some(guests) {
        return OTHER_GUESTS.with([url()]);
    }
    GOOD.with([url()])
}

impl There {
    async fn get(client: &Client, url: String) -> Self {
        let asked = client.get(&url).await;
        There { url, asked }
    }

    /// That it is not as Hanse answers there.
    fn unlike(&self, is_ours: impl Fn(&Answer) -> bool) -> Option<Said> {
        let what = match &self.asked {
            Ok(answer) if answer.status != 200 => words(&self.asked),
            Ok(answer) if is_ours(answer) => return None,
            Ok(_) => something_else(),
            Err(_) => words(&self.asked),
        };
        Some(NOT_PASSED.with([Words::from(&self.url), what]))
    }
}

fn something_else() -> Words {
    Words {
        en: "something else is there".to_owned(),
        de: "dort ist etwas anderes".to_owned(),
    }
}

/// Whether browsers take it for this: they do not guess (`nosniff`).
fn is_of(answer: &Answer, kind: &str) -> bool {
    let said = answer.header("content-type").unwrap_or_default();
    said.split(';').next().is_some_and(|said| said.trim() == kind)
}

/// One homeserver, as the page asks it.
pub struct Home {
    name: String,
    url: String,
    asked: Asked,
}

/// Asks each.
pub async fn probe_log_in(client: &Client, settings: &Settings) -> Vec<Home> {
    let origin = [("origin", ORIGIN)];
    let homes = web::homeservers(settings).into_iter().map(|home| async {
        let url = format!("{}/_matrix/client/v3/login", home.url);
        let question = Question {
            headers: &origin,
            ..Question::new(Method::GET, &url)
        };
        let asked = client.ask(question).await;
        Home {
            name: home.name,
            url: home.url,
            asked,
        }
    });
    join_all(homes).await
}

/// The first at which nobody would get in.
pub fn judge_log_in(homes: &[Home]) -> Said {
    for home in homes {
        let (name, url) = (Words::from(&home.name), Words::from(&home.url));
        let answer = match &home.asked {
            Ok(answer) if answer.status == 200 => answer,
            asked => return SILENT.with([name, url, words(asked)]),
        };
        let json = answer.json();
        let Some(flows) = json.get("flows").and_then(Value::as_array) else {
            return SILENT.with([name, url, something_else()]);
        };
        if !answer.is_readable() {
            return NO_CORS.with([name, url]);
        }
        let is_known = |flow: &Value| {
            let kind = flow.get("type").and_then(Value::as_str);
            kind.is_some_and(|kind| ["m.login.password", "m.login.sso"].contains(&kind))
        };
        if !flows.iter().any(is_known) {
            return NO_WAY.with([name, url]);
        }
    }
    let urls: Vec<&str> = homes.iter().map(|home| home.url.as_str()).collect();
    IN.with([urls.join(", ").into()])
}

#[cfg(test)]
mod tests {
    use super::super::ask::NoAnswer;
    use super::*;
    use http::{HeaderMap, HeaderValue};

    const HTML: &str =
        "<div id=\"app\"></div><script type=\"module\" crossorigin src=\"./assets/index-Ab_1.js\"></script>";

    fn answer(status: u16, headers: &[(&'static str, &'static str)], text: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Answer {
            status,
            headers: map,
            text: text.to_owned(),
        }
    }

    fn opened() -> Opened {
        let html = ("content-type", "text/html; charset=utf-8");
        let front = answer(200, &[html, (POLICY, "default-src 'none'")], HTML);
        let script = answer(200, &[("content-type", "text/javascript; charset=utf-8")], "");
        let at = |path: &str, answer| There {
            url: format!("https://a.example/{path}"),
            asked: Ok(answer),
        };
        Opened {
            front: at("", front),
            script: Some(at("assets/index-Ab_1.js", script)),
            config: at("config.json", answer(200, &[], r#"{"guests":true}"#)),
            door: Some(at("guest/look", answer(400, &[], r#"{"errcode":"M_BAD_JSON"}"#))),
            policy: "default-src 'none'".to_owned(),
        }
    }

    fn judged(change: impl FnOnce(&mut Opened)) -> &'static str {
        let mut opened = opened();
        change(&mut opened);
        judge(&Facts::Opened(Box::new(opened)), true).sentence.id
    }

    #[test]
    fn what_keeps_browsers_from_the_page_is_red() {
        assert_eq!(judged(|_| {}), "page-good");
        assert_eq!(
            judged(|page| page.front.asked = Ok(answer(404, &[], ""))),
            "page-not-passed"
        );
        assert_eq!(
            judged(|page| page.front.asked = Err(NoAnswer::TimedOut)),
            "page-not-passed"
        );
        let ok = answer(200, &[("content-type", "text/plain")], "OK");
        assert_eq!(judged(|page| page.front.asked = Ok(ok)), "page-not-passed");
        let as_text = answer(200, &[("content-type", "text/plain")], "");
        assert_eq!(
            judged(|page| page.script.as_mut().unwrap().asked = Ok(as_text)),
            "page-not-passed"
        );
        assert_eq!(judged(|page| page.script = None), "page-not-passed");
        assert_eq!(
            judged(|page| page.config.asked = Ok(answer(200, &[], "<html>"))),
            "page-not-passed"
        );
        let other = answer(405, &[], "<html>");
        assert_eq!(
            judged(|page| page.door.as_mut().unwrap().asked = Ok(other)),
            "page-not-passed"
        );
    }

    #[test]
    fn a_policy_that_is_not_ours_is_red_and_so_is_ours_with_another() {
        let with = |policies: &[&'static str]| {
            let mut headers = vec![("content-type", "text/html")];
            headers.extend(policies.iter().map(|policy| (POLICY, *policy)));
            let page = answer(200, &headers, HTML);
            judged(|opened| opened.front.asked = Ok(page))
        };
        assert_eq!(with(&["default-src 'none'"]), "page-good");
        assert_eq!(with(&[]), "page-no-policy");
        assert_eq!(with(&["default-src *"]), "page-other-policy");
        assert_eq!(
            with(&["default-src 'none'", "default-src 'self'"]),
            "page-other-policy"
        );
    }

    #[test]
    fn a_server_that_has_not_read_its_file_again_is_told_from_one_that_has() {
        assert_eq!(
            judge(&Facts::Opened(Box::new(opened())), false).sentence.id,
            "page-other-guests"
        );
        let door = |opened: &mut Opened| opened.door = None;
        assert_eq!(judged(door), "page-good");
    }

    #[test]
    fn only_what_is_among_the_files_of_the_page_is_taken_for_its_script() {
        assert_eq!(script_of(&answer(200, &[], HTML)), Some("assets/index-Ab_1.js"));
        for other in [
            "assets/../x.js",
            "assets/",
            "x.js",
            "assets/x.js?y",
            "/b.example/assets/x.js",
        ] {
            let page = answer(200, &[], &HTML.replace("assets/index-Ab_1.js", other));
            assert_eq!(script_of(&page), None, "{other}");
        }
    }

    #[test]
    fn a_homeserver_at_which_nobody_gets_in_from_the_page_is_red() {
        let home = |asked| {
            let home = Home {
                name: "a.example".to_owned(),
                url: "https://a.example".to_owned(),
                asked,
            };
            judge_log_in(&[home]).sentence.id
        };
        let says =
            |headers: &[(&'static str, &'static str)], text: &str| home(Ok(answer(200, headers, text)));
        let cors = [("access-control-allow-origin", "*")];
        for flow in ["m.login.password", "m.login.sso"] {
            let flows = json!({"flows": [{"type": "m.login.token"}, {"type": flow}]}).to_string();
            assert_eq!(says(&cors, &flows), "page-log-in-good");
            assert_eq!(says(&[], &flows), "page-log-in-no-cors");
        }
        assert_eq!(
            says(&cors, r#"{"flows":[{"type":"m.login.token"}]}"#),
            "page-log-in-no-way"
        );
        assert_eq!(says(&cors, "<html>"), "page-log-in-silent");
        assert_eq!(home(Ok(answer(404, &cors, "{}"))), "page-log-in-silent");
        assert_eq!(home(Err(NoAnswer::NoConnection)), "page-log-in-silent");
    }
}
