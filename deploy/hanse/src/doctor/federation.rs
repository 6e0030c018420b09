//! The proof of who asks: does the homeserver's federation say to whom it has given an OpenID token?

use super::ask::{Client, Question, part};
use super::sentence::{Check, Said, Sentence, green, red};
use hanse_bridge::{Bridge, ProofError};
use http::Method;
use serde_json::{Value, json};

static GOOD: Sentence = green(
    "federation-good",
    "{0} has given {1} an OpenID token, and says so to whoever asks by federation",
    "{0} hat {1} ein OpenID-Token gegeben und sagt das jedem, der über Föderation fragt",
);
static ANSWERS: Sentence = green(
    "federation-answers",
    "{0} is asked by federation who somebody is, and answers",
    "{0} wird über Föderation gefragt, wer jemand ist, und antwortet",
);
static NO_ANSWER: Sentence = red(
    "federation-no-answer",
    "{0} cannot be asked who somebody is: {1}; correct that, or nobody of {0} gets a token",
    "{0} kann nicht gefragt werden, wer jemand ist: {1}; korrigieren Sie das, sonst bekommt niemand von {0} ein Token",
    "Hanse asks as any homeserver would: by `.well-known/matrix/server`, SRV records or port 8448, from this machine. So the name must lead there \
     from here, too, and not only from outside. A homeserver in your own network goes into `allowed_networks` of [homeservers].",
);
static OTHER: Sentence = red(
    "federation-other",
    "what answers as {0} by federation does not know a token that the homeserver has just given to {1}: it is another one; correct \
     `.well-known/matrix/server` or the DNS of {0}, or `client_api_url` in the registration file",
    "was über Föderation als {0} antwortet, kennt ein Token nicht, das der Homeserver eben {1} gegeben hat: es ist ein anderer; korrigieren Sie \
     `.well-known/matrix/server` oder das DNS von {0}, oder `client_api_url` in der Registrierungsdatei",
    "With several workers, one of them may answer from a copy of the database that is not kept up.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "federation",
    en: "proof of who asks",
    de: "Beweis, wer fragt",
    about: "Has the homeserver give Hanse's own user an OpenID token, as it does for people who go into calls. Then finds the homeserver by its name as \
            other homeservers do, and asks it whose token that is. If it gives Hanse none, it is asked with one that nobody has.",
    sentences: &[&GOOD, &ANSWERS, &NO_ANSWER, &OTHER],
};

/// What came of asking.
pub struct Facts {
    /// Whether the token is one that the homeserver has just given.
    is_given: bool,
    proof: Result<String, ProofError>,
}

/// Asks for a token at the homeserver's client-server API, and by federation whose it is.
pub async fn probe(
    client: &Client,
    bridge: &Bridge,
    (url, as_token): (&str, &str),
    (server, user): (&str, &str),
) -> Facts {
    let url = format!("{url}/_matrix/client/v3/user/{}/openid/request_token", part(user));
    let given = client
        .ask(Question {
            token: Some(as_token),
            body: Some(json!({})),
            ..Question::new(Method::POST, &url)
        })
        .await;
    let json = given.map(|answer| answer.json()).unwrap_or_default();
    let token = json.get("access_token").and_then(Value::as_str);
    Facts {
        is_given: token.is_some(),
        proof: bridge.prove(server, token.unwrap_or("doctor")).await,
    }
}

/// Whether `user` is whose token it is.
pub fn judge(facts: &Facts, server: &str, user: &str) -> Said {
    match (&facts.proof, facts.is_given) {
        (Ok(who), true) if who == user => GOOD.with([server.into(), user.into()]),
        (Ok(_) | Err(ProofError::Refused | ProofError::OtherServer), true) => {
            OTHER.with([server.into(), user.into()])
        }
        (Ok(_) | Err(ProofError::Refused), false) => ANSWERS.with([server.into()]),
        (Err(error), _) => NO_ANSWER.with([server.into(), error.into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_bridge::dial::DialError;

    const USER: &str = "@hanse:a.example";

    fn said(is_given: bool, proof: Result<&str, ProofError>) -> Said {
        let proof = proof.map(str::to_owned);
        judge(&Facts { is_given, proof }, "a.example", USER)
    }

    #[test]
    fn who_was_given_a_token_must_be_the_one_who_has_it() {
        for (is_given, proof, id) in [
            (true, Ok(USER), "federation-good"),
            (true, Ok("@mallory:a.example"), "federation-other"),
            (true, Err(ProofError::Refused), "federation-other"),
            (true, Err(ProofError::OtherServer), "federation-other"),
            (false, Err(ProofError::Refused), "federation-answers"),
        ] {
            assert_eq!(said(is_given, proof).sentence.id, id);
        }
    }

    #[test]
    fn who_cannot_be_asked_vouches_for_nobody() {
        for error in [
            ProofError::NotOffered,
            ProofError::Dial(DialError::NotPublic),
            ProofError::Status(502),
        ] {
            for is_given in [true, false] {
                let said = said(is_given, Err(error));
                assert_eq!(said.sentence.id, "federation-no-answer");
                assert!(said.en().contains(&error.to_string()));
            }
        }
    }
}
