//! Another organisation's homeserver, and where it says that calls are: to strangers by its well-known (MSC4143), to its own people
//! by an endpoint that wants a log-in.

use super::ask::{Answer, Asked, Client, words};
use super::certificate::Place;
use super::sentence::{Check, Said, Sentence, green, grey, red};
use super::{transports, well_known};
use hanse_bridge::{ProofError, ServerName};

static REACHED: Sentence = green(
    "with-federation-good",
    "{0} is found by federation, and answers",
    "{0} wird über Föderation gefunden und antwortet",
);
static NOT_REACHED: Sentence = red(
    "with-federation-no-answer",
    "{0} is not reached by federation: {1}; see that the name is right and that this machine gets out, else tell its administrator",
    "{0} ist über Föderation nicht zu erreichen: {1}; sehen Sie nach, ob der Name stimmt und diese Maschine hinauskommt, sonst sagen Sie es dort dem Administrator",
    "Without it nobody of that homeserver gets a token here, because Hanse cannot ask it who they are.",
);

/// Its homeserver.
pub static FEDERATION: Check = Check {
    id: "with-federation",
    en: "the other homeserver",
    de: "der andere Homeserver",
    about: "With `--with other.example`: finds that homeserver by its name as other homeservers do, and asks it, with a token that nobody has, who \
            that is (OpenID).",
    sentences: &[&REACHED, &NOT_REACHED],
};

static TOLD: Sentence = green(
    "with-place-good",
    "{0} says that its calls are at {1}",
    "{0} sagt, dass seine Gespräche bei {1} sind",
);
static OWN: Sentence = green(
    "with-place-own",
    "{0} tells its own people, and nobody else, that its calls are at {1}",
    "{0} sagt seinen eigenen Leuten, und sonst niemandem, dass seine Gespräche bei {1} sind",
);
static NOT_TOLD: Sentence = grey(
    "with-place-not-told",
    "{0} does not tell strangers where its calls are ({1}), which it need not: to look further, name an account there with --account",
    "{0} sagt Fremden nicht, wo seine Gespräche sind ({1}), was es auch nicht muss: um weiterzusehen, nennen Sie mit --account ein Konto dort",
);
static NONE: Sentence = red(
    "with-place-none",
    "{0} names no place for calls, not even to its own people ({1}): its administrator must name one (`matrix_rtc` in homeserver.yaml)",
    "{0} nennt keinen Ort für Gespräche, auch seinen eigenen Leuten nicht ({1}): sein Administrator muss einen nennen (`matrix_rtc` in homeserver.yaml)",
    "Its people hear “MISSING_MATRIX_RTC_TRANSPORT” or “calls are not supported by your homeserver”.",
);

static ODD: Sentence = red(
    "with-place-odd",
    "{0} says that its calls are at {1}, where no client gets: its administrator must name a URL",
    "{0} sagt, dass seine Gespräche bei {1} sind, und da kommt kein Client hin: sein Administrator muss eine URL nennen",
    "",
);

/// Its place for calls.
pub static PLACE: Check = Check {
    id: "with-place",
    en: "the other place for calls",
    de: "der andere Ort für Gespräche",
    about: "Reads `org.matrix.msc4143.rtc_foci` in `https://other.example/.well-known/matrix/client`, as strangers do; with an account there also what \
            the homeserver tells its own people.",
    sentences: &[&TOLD, &OWN, &NOT_TOLD, &NONE, &ODD],
};

/// Whether it is reached, by what came of a token that nobody has.
pub fn judge_federation(proof: &Result<String, ProofError>, other: &ServerName) -> Said {
    match proof {
        Ok(_) | Err(ProofError::Refused) => REACHED.with([other.into()]),
        Err(error) => NOT_REACHED.with([other.into(), error.into()]),
    }
}

/// Reads its well-known for clients.
pub async fn probe(client: &Client, other: &ServerName) -> Asked {
    well_known::follow(client, &well_known::url(other)).await.0
}

/// Where it says that its client-server API is.
pub fn homeserver_url(known: &Asked) -> Option<String> {
    well_known::base_url(found(known)?)
}

fn found(known: &Asked) -> Option<&Answer> {
    known.as_ref().ok().filter(|answer| answer.status == 200)
}

/// The focus that strangers are told, and what is said of it. `own`: what its own people are told, if an account there has asked.
pub fn judge(other: &ServerName, well_known: &Asked, own: Option<&Asked>) -> (Said, Option<String>) {
    let told = found(well_known).and_then(well_known::place);
    let own_url = own.and_then(transports::service_url);
    if let Some(url) = told.as_ref().or(own_url.as_ref())
        && Place::of(url).is_none()
    {
        return (ODD.with([other.into(), url.into()]), None);
    }
    let said = match (&told, &own_url, own) {
        (Some(url), ..) => TOLD.with([other.into(), url.into()]),
        (None, Some(url), _) => OWN.with([other.into(), url.into()]),
        (None, None, Some(own)) => NONE.with([other.into(), words(own)]),
        (None, None, None) => NOT_TOLD.with([other.into(), words(well_known)]),
    };
    (
        said,
        told.or(own_url).map(|url| url.trim_end_matches('/').to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::super::ask::NoAnswer;
    use super::*;
    use hanse_bridge::dial::DialError;

    fn answer(status: u16, text: &str) -> Asked {
        Ok(Answer::of(status, text))
    }

    fn well_known() -> Asked {
        answer(
            200,
            r#"{"m.homeserver":{"base_url":"https://matrix.b.example/"},
                "org.matrix.msc4143.rtc_foci":[{"type":"x"},{"type":"livekit","livekit_service_url":"https://b.example/jwt/"}]}"#,
        )
    }

    #[test]
    fn a_homeserver_that_refuses_a_forged_token_is_reached() {
        let other = "b.example".parse().unwrap();
        assert!(judge_federation(&Err(ProofError::Refused), &other).is_green());
        let said = judge_federation(&Err(ProofError::Dial(DialError::NotPublic)), &other);
        assert_eq!(said.sentence.id, "with-federation-no-answer");
    }

    #[test]
    fn what_strangers_are_told_goes_before_what_only_its_own_people_are_told() {
        let other = "b.example".parse().unwrap();
        let own = answer(
            200,
            r#"{"rtc_transports":[{"type":"livekit","livekit_service_url":"https://own.b.example"}]}"#,
        );
        let nothing = answer(404, "");
        let silent = Err(NoAnswer::TimedOut);
        let there = Some("https://b.example/jwt".to_owned());
        for (well_known, own, id, url) in [
            (&well_known(), None, "with-place-good", there.clone()),
            (&well_known(), Some(&own), "with-place-good", there),
            (
                &silent,
                Some(&own),
                "with-place-own",
                Some("https://own.b.example".to_owned()),
            ),
            (&nothing, None, "with-place-not-told", None),
            (
                &answer(
                    200,
                    r#"{"org.matrix.msc4143.rtc_foci":[{"type":"livekit","livekit_service_url":"nowhere"}]}"#,
                ),
                None,
                "with-place-odd",
                None,
            ),
            (&answer(200, "{}"), Some(&nothing), "with-place-none", None),
        ] {
            let (said, found) = judge(&other, well_known, own);
            assert_eq!((said.sentence.id, found), (id, url));
        }
        assert_eq!(
            homeserver_url(&well_known()).as_deref(),
            Some("https://matrix.b.example")
        );
    }
}
