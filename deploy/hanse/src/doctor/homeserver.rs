//! Our homeserver, where the registration says it is: does it answer, which one is it, and has it what calls need?

use super::ask::{Asked, Client, Question, words};
use super::sentence::{Check, Said, Sentence, Words, green, red};
use http::Method;
use serde_json::Value;

static GOOD: Sentence = green(
    "homeserver-good",
    "{0} answers, and has what calls need",
    "{0} antwortet und hat, was Gespräche brauchen",
);
static SILENT: Sentence = red(
    "homeserver-silent",
    "the homeserver does not answer at {0} ({1}): start it, or correct `client_api_url` in the registration file",
    "der Homeserver antwortet nicht bei {0} ({1}): starten Sie ihn, oder korrigieren Sie `client_api_url` in der Registrierungsdatei",
    "The key is below `org.hanse.homeserver`. It is the address by which Hanse reaches the client-server API, which need not be the one \
     that people use.",
);
static LACKS: Sentence = red(
    "homeserver-lacks",
    "the homeserver ({0}) lacks {1}: put `{2}` into homeserver.yaml as `hanse setup` prints it, and restart it; if it does not know the key, update it",
    "dem Homeserver ({0}) fehlt {1}: schreiben Sie `{2}` in homeserver.yaml, wie `hanse setup` es ausgibt, und starten Sie ihn neu; wenn er den Schlüssel nicht kennt, aktualisieren Sie ihn",
    "Without delayed events (MSC4140) people whose device dies stay in calls as ghosts; without sticky events (MSC4354) newer clients \
     cannot join; without `is_joined` (MSC4502) Hanse does not know who is in a room that has not invited its bridge user.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "homeserver",
    en: "homeserver",
    de: "Homeserver",
    about: "Asks the homeserver for its version and for what it can do, and whether it says who is in a room.",
    sentences: &[&GOOD, &SILENT, &LACKS],
};

/// What calls need that a homeserver says of itself: its flag, what it is, and what switches it on.
const FLAGS: [(&str, &str, &str, &str); 2] = [
    (
        "org.matrix.msc4140",
        "delayed events (MSC4140)",
        "verzögerte Ereignisse (MSC4140)",
        "max_event_delay_duration",
    ),
    (
        "org.matrix.msc4354",
        "sticky events (MSC4354)",
        "haftende Ereignisse (MSC4354)",
        "msc4354_enabled: true",
    ),
];

/// What came back.
pub struct Facts {
    /// `/_matrix/client/versions`
    pub versions: Asked,
    /// `/_matrix/federation/v1/version`, which few let everybody ask.
    pub software: Asked,
    /// Whether anybody of ours is in a room that nobody knows (MSC4502).
    pub is_joined: Asked,
}

/// Asks all.
pub async fn probe(client: &Client, url: &str, as_token: &str, user: &str) -> Facts {
    let versions = format!("{url}/_matrix/client/versions");
    let software = format!("{url}/_matrix/federation/v1/version");
    let room = super::ask::part(&format!(
        "!doctor:{}",
        user.split_once(':').map_or("", |(_, server)| server)
    ));
    let is_joined = format!(
        "{url}/_matrix/client/unstable/io.element.msc4502/rooms/{room}/is_joined?mxid={}",
        super::ask::part(user)
    );
    let (versions, software, is_joined) = tokio::join!(
        client.ask(Question {
            token: Some(as_token),
            ..Question::new(Method::GET, &versions)
        }),
        client.get(&software),
        client.ask(Question {
            token: Some(as_token),
            ..Question::new(Method::GET, &is_joined)
        }),
    );
    // A wrong token has a line of its own.
    let versions = match versions {
        Ok(answer) if answer.status == 401 => client.get(&format!("{url}/_matrix/client/versions")).await,
        asked => asked,
    };
    Facts {
        versions,
        software,
        is_joined,
    }
}

/// Whether it answers, and what it lacks.
pub fn judge(url: &str, facts: &Facts) -> Said {
    let name = software(facts);
    let versions = match &facts.versions {
        Ok(answer) if answer.status == 200 && answer.json().get("versions").is_some() => answer.json(),
        asked => return SILENT.with([url.into(), words(asked)]),
    };
    for (flag, en, de, key) in FLAGS {
        let is_there = versions
            .get("unstable_features")
            .and_then(|all| all.get(flag))
            .and_then(Value::as_bool);
        if is_there != Some(true) {
            return LACKS.with([
                name.into(),
                Words {
                    en: en.to_owned(),
                    de: de.to_owned(),
                },
                key.into(),
            ]);
        }
    }
    // 404 M_UNRECOGNIZED: it has no such question. 403: the registration gives no right to it. Anything else is about the room or the token.
    if let Ok(answer) = &facts.is_joined
        && (answer.status == 403 || answer.status == 404 && answer.errcode() == "M_UNRECOGNIZED")
    {
        let what = Words {
            en: "who is in a room (MSC4502)".to_owned(),
            de: "wer in einem Raum ist (MSC4502)".to_owned(),
        };
        return LACKS.with([name.into(), what, "msc4502_enabled: true".into()]);
    }
    GOOD.with([name.into()])
}

/// Its name and version, if it says them: by its federation, or as its web server.
fn software(facts: &Facts) -> String {
    let server = facts.software.as_ref().ok().map(super::ask::Answer::json);
    let server = server.as_ref().and_then(|json| json.get("server"));
    let word = |key| server.and_then(|server| server.get(key)).and_then(Value::as_str);
    let header = || {
        facts
            .versions
            .as_ref()
            .ok()
            .and_then(|answer| answer.header("server"))
    };
    match (word("name"), word("version")) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        _ => header().unwrap_or("Matrix").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Answer, NoAnswer};
    use super::*;

    fn answer(status: u16, text: &str) -> Asked {
        Ok(Answer::of(status, text))
    }

    fn facts(versions: Asked, is_joined: Asked) -> Facts {
        let software = answer(200, r#"{"server":{"name":"Synapse","version":"1.163.2"}}"#);
        Facts {
            versions,
            software,
            is_joined,
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_switch() {
        let all = r#"{"versions":["v1.11"],"unstable_features":{"org.matrix.msc4140":true,"org.matrix.msc4354":true}}"#;
        let no_sticky = r#"{"versions":["v1.11"],"unstable_features":{"org.matrix.msc4140":true,"org.matrix.msc4354":false}}"#;
        let no_delayed = r#"{"versions":["v1.11"],"unstable_features":{}}"#;
        let joined = || answer(200, r#"{"joined":false}"#);
        let unknown = answer(404, r#"{"errcode":"M_UNRECOGNIZED"}"#);
        let wrong_token = answer(401, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#);
        for (facts, part) in [
            (facts(answer(200, all), joined()), "Synapse 1.163.2 answers"),
            (facts(answer(200, all), wrong_token), "Synapse 1.163.2 answers"),
            (facts(answer(200, no_sticky), joined()), "`msc4354_enabled: true`"),
            (
                facts(answer(200, no_delayed), joined()),
                "`max_event_delay_duration`",
            ),
            (facts(answer(200, all), unknown), "`msc4502_enabled: true`"),
            (facts(answer(200, "<html>"), joined()), "client_api_url"),
            (facts(Err(NoAnswer::NoConnection), joined()), "(no connection)"),
        ] {
            let said = judge("http://hs:8008", &facts).en();
            assert!(said.contains(part), "{part} is missing in: {said}");
        }
    }
}
