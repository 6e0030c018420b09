//! Delayed events (MSC4140) from outside and from Hanse: a homeserver of several processes has the routes to them in one of these only,
//! and proxies often pass on other paths than these.

use super::ask::{Asked, Client, Question, words};
use super::sentence::{Check, Said, Sentence, green, red};
use http::Method;
use serde_json::json;

/// What Hanse does with leaves that it has taken over, and clients with their own.
const ACTIONS: [&str; 2] = ["restart", "send"];

/// What a homeserver says of an event that does not exist: that it is not there, that somebody asks too often, or that it wants to know
/// who asks. All of these come from the code for delayed events.
const KNOWING: [&str; 4] = [
    "M_NOT_FOUND",
    "M_LIMIT_EXCEEDED",
    "M_MISSING_TOKEN",
    "M_UNKNOWN_TOKEN",
];

static GOOD: Sentence = green(
    "delayed-good",
    "delayed events are reached at {0}",
    "verzögerte Ereignisse sind zu erreichen bei {0}",
);
static NOT_PASSED: Sentence = red(
    "delayed-not-passed",
    "{0} does not reach the homeserver ({1}), so people stay in calls as ghosts: have the proxy pass everything on to the homeserver that matches \
     `^/_matrix/client/unstable/org\\.matrix\\.msc4140/delayed_events/`",
    "{0} erreicht den Homeserver nicht ({1}), darum bleiben Leute als Geister in Gesprächen: lassen Sie den Proxy alles an den Homeserver \
     weitergeben, worauf `^/_matrix/client/unstable/org\\.matrix\\.msc4140/delayed_events/` passt",
    "Asked is for an event that does not exist; the homeserver says so itself (`M_NOT_FOUND`), a proxy says something else. Devices that die are \
     taken out of calls by these routes.",
);
static WORKER: Sentence = red(
    "delayed-worker",
    "{0} reaches a process of the homeserver that does not know it ({1}): route `^/_matrix/client/unstable/org\\.matrix\\.msc4140/delayed_events/` to the \
     main process, and not to a worker",
    "{0} erreicht einen Prozess des Homeservers, der es nicht kennt ({1}): leiten Sie \
     `^/_matrix/client/unstable/org\\.matrix\\.msc4140/delayed_events/` zum Hauptprozess und nicht zu einem Worker",
    "Of Synapse's processes only the main one sends and cancels delayed events; workers know `restart` at most.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "delayed",
    en: "delayed events",
    de: "verzögerte Ereignisse",
    about: "Asks for the restart and the sending of a delayed event that does not exist, at the homeserver's address for Hanse and at the one that \
            `.well-known` names for clients. The homeserver itself must say that there is none.",
    sentences: &[&GOOD, &NOT_PASSED, &WORKER],
};

/// One question and what came back.
pub struct Facts {
    /// Of the homeserver.
    base_url: String,
    /// What was asked.
    url: String,
    asked: Asked,
}

/// Asks at both addresses of the homeserver: with Hanse's token where Hanse does, and as a stranger where clients do.
pub async fn probe(client: &Client, hanses: &str, as_token: &str, clients: Option<&str>) -> Vec<Facts> {
    let clients = clients.filter(|url| *url != hanses);
    let ways = [(hanses, Some(as_token))]
        .into_iter()
        .chain(clients.map(|url| (url, None)));
    let asked = ways.flat_map(|way| ACTIONS.map(|action| (way, action)));
    futures_util::future::join_all(asked.map(|((base_url, token), action)| async move {
        let url = format!(
            "{base_url}/_matrix/client/unstable/org.matrix.msc4140/delayed_events/hanse_doctor/{action}"
        );
        let question = Question {
            token,
            body: Some(json!({})),
            ..Question::new(Method::POST, &url)
        };
        let asked = client.ask(question).await;
        Facts {
            base_url: base_url.to_owned(),
            url,
            asked,
        }
    }))
    .await
}

/// The first one that does not arrive.
pub fn judge(facts: &[Facts]) -> Said {
    for each in facts {
        let code = each
            .asked
            .as_ref()
            .map(super::ask::Answer::errcode)
            .unwrap_or_default();
        if KNOWING.contains(&code.as_str()) {
            continue;
        }
        let sentence = if code == "M_UNRECOGNIZED" {
            &WORKER
        } else {
            &NOT_PASSED
        };
        return sentence.with([(&each.url).into(), words(&each.asked)]);
    }
    let mut ways: Vec<&str> = facts.iter().map(|each| each.base_url.as_str()).collect();
    ways.dedup();
    GOOD.with([ways.join(", ").into()])
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Answer, NoAnswer};
    use super::*;

    fn facts(base_url: &str, status: u16, text: &str) -> Facts {
        Facts {
            base_url: base_url.to_owned(),
            url: format!("{base_url}/restart"),
            asked: Ok(Answer::of(status, text)),
        }
    }

    #[test]
    fn only_the_homeserver_itself_knows_that_there_is_no_such_event() {
        // Synapse 1.163.
        let none = r#"{"errcode":"M_NOT_FOUND","error":"Delayed event not found"}"#;
        let unknown = r#"{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}"#;
        for (status, text, id) in [
            (404, none, "delayed-good"),
            (
                429,
                r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":900}"#,
                "delayed-good",
            ),
            (401, r#"{"errcode":"M_MISSING_TOKEN"}"#, "delayed-good"),
            (404, unknown, "delayed-worker"),
            (404, "<html>404 Not Found</html>", "delayed-not-passed"),
            (502, "", "delayed-not-passed"),
            (200, "{}", "delayed-not-passed"),
        ] {
            let said = judge(&[
                facts("http://hs:8008", 404, none),
                facts("https://a.example", status, text),
            ]);
            assert_eq!(said.sentence.id, id);
            assert!(said.en().contains("https://a.example"), "{}", said.en());
        }
        let silent = Facts {
            asked: Err(NoAnswer::TimedOut),
            ..facts("http://hs:8008", 404, none)
        };
        assert_eq!(judge(&[silent]).sentence.id, "delayed-not-passed");
    }
}
