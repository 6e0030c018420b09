//! Another organisation's focus, asked by somebody of ours: can it find out who they are, and does it admit them? Its refusal tells a
//! broken way between the homeservers from a rule.

use super::accounts::{Device, Refused};
use super::ask::{Asked, Client, NoAnswer, Question, words};
use super::sentence::{Check, Said, Sentence, Words, green, red};
use hanse_bridge::ServerName;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// A focus may take 9 s to have a proof checked.
const PATIENCE: Duration = Duration::from_secs(10);

/// The call that every room has (MSC4143).
const SLOT: &str = "m.call#ROOM";

static GRANTED: Sentence = green(
    "with-token-good",
    "the focus of {0} has had {1} say who we are, and lets us listen",
    "der Fokus von {0} hat sich von {1} sagen lassen, wer wir sind, und lässt uns zuhören",
);
static NOT_IN_ROOM: Sentence = green(
    "with-token-not-in-room",
    "the focus of {0} has had {1} say who we are, and has looked whether we are in the room, which we are not",
    "der Fokus von {0} hat sich von {1} sagen lassen, wer wir sind, und hat nachgesehen, ob wir im Raum sind; das sind wir nicht",
);
static UNPROVEN: Sentence = red(
    "with-token-unproven",
    "the focus of {0} could not find out from {1} who we are ({2}): your homeserver must be reachable by federation from there, by `.well-known/matrix/server` or port 8448",
    "der Fokus von {0} konnte von {1} nicht erfahren, wer wir sind ({2}): Ihr Homeserver muss von dort über Föderation zu erreichen sein, durch `.well-known/matrix/server` oder Port 8448",
    "The way from there to here is broken, and only for that organisation if others reach you: a firewall, a deny list of either homeserver, or a name \
     that leads elsewhere from there. The log of that focus says what went wrong.",
);
static DENIED: Sentence = red(
    "with-token-denied",
    "the focus of {0} knows who we are and does not want people of {1} ({2}): ask its administrator to let your organisation in",
    "der Fokus von {0} weiß, wer wir sind, und will keine Leute von {1} ({2}): bitten Sie seinen Administrator, Ihre Organisation zuzulassen",
    "With Hanse there that is `hanse block`, `denied_homeservers` or `strangers` of [policy].",
);
static NO_ANSWER: Sentence = red(
    "with-token-no-answer",
    "the focus of {0} gives neither a token nor a reason why not ({1}; its homeserver is asked by {2}): its administrator finds it in its log",
    "der Fokus von {0} gibt weder ein Token noch einen Grund dagegen ({1}; er wird für {2} gefragt): sein Administrator findet es in seinem Log",
    "",
);
static NO_PROOF: Sentence = red(
    "with-token-no-proof",
    "the homeserver did not {0} ({1}): look into its log",
    "der Homeserver wollte nicht {0} ({1}): sehen Sie in sein Log",
    "Your own homeserver gives its users a proof of who they are (OpenID), which `@hanse_doctor_b` shows to the other focus.",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "with-token",
    en: "a token from the other focus",
    de: "ein Token vom anderen Fokus",
    about: "Asks that focus for a place in a call, as somebody of your homeserver with a real proof of who they are (OpenID). It must have your \
            homeserver asked by federation; so this proves the way from there to here, too.",
    sentences: &[&GRANTED, &NOT_IN_ROOM, &UNPROVEN, &DENIED, &NO_ANSWER, &NO_PROOF],
};

/// Asks, as the holder of this device.
///
/// # Errors
///
/// What our own homeserver did not do.
pub async fn probe(
    client: &Client,
    service_url: &str,
    device: &Device,
    home: &ServerName,
) -> Result<Asked, Refused> {
    let proof = device.proof(client).await?;
    // Nobody is in it.
    let room = format!("!hanse-doctor:{home}");
    let member =
        json!({"id": "hanse-doctor", "claimed_user_id": device.user, "claimed_device_id": device.device_id});
    let named = json!({"room_id": room, "slot_id": SLOT, "openid_token": proof, "member": member});
    let asked = post(client, &format!("{service_url}/get_token"), named).await;
    if !matches!(&asked, Ok(answer) if answer.status == 404) {
        return Ok(asked);
    }
    // An older one.
    let plain = json!({"room": room, "openid_token": proof, "device_id": device.device_id});
    Ok(post(client, &format!("{service_url}/sfu/get"), plain).await)
}

async fn post(client: &Client, url: &str, body: Value) -> Asked {
    let question = Question {
        body: Some(body),
        patience: PATIENCE,
        ..Question::new(Method::POST, url)
    };
    client.ask(question).await
}

/// What came of it.
pub fn judge(other: &ServerName, home: &ServerName, asked: &Result<Asked, Refused>) -> Said {
    let asked = match asked {
        Ok(asked) => asked,
        Err(refused) => return NO_PROOF.with([refused.what.clone(), refused.answer.clone()]),
    };
    let names = |with: Words| [other.into(), home.into(), with];
    match asked {
        Ok(answer) if answer.status == 200 => GRANTED.with([other.into(), home.into()]),
        Ok(answer) if answer.status == 401 => UNPROVEN.with(names(reason(asked))),
        Ok(answer) if answer.status == 403 && is_about_room(&answer.error()) => {
            NOT_IN_ROOM.with([other.into(), home.into()])
        }
        Ok(answer) if answer.status == 403 => DENIED.with(names(reason(asked))),
        // It took as long as a homeserver may take to answer.
        Err(NoAnswer::TimedOut) => UNPROVEN.with(names(words(asked))),
        _ => NO_ANSWER.with([other.into(), reason(asked), home.into()]),
    }
}

/// Whether a refusal is for want of being in the room; else it is for who one is.
fn is_about_room(error: &str) -> bool {
    error.contains("not in the Matrix room")
}

fn reason(asked: &Asked) -> Words {
    match asked {
        Ok(answer) if !answer.error().is_empty() => answer.error().trim_end_matches('.').into(),
        _ => words(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::Answer;
    use super::*;
    use hanse_focus::{Denied, Refusal};

    fn answer(status: u16, error: &str) -> Asked {
        let text = json!({"errcode": "M_X", "error": error}).to_string();
        Ok(Answer::of(status, &text))
    }

    #[test]
    fn who_is_not_believed_is_told_from_who_is_not_wanted() {
        let (other, home) = ("b.example".parse().unwrap(), "a.example".parse().unwrap());
        let denied = |denied| answer(403, &Refusal::Denied(denied).to_string());
        for (asked, id) in [
            (answer(200, ""), "with-token-good"),
            (denied(Denied::NotJoined), "with-token-not-in-room"),
            (denied(Denied::Homeserver), "with-token-denied"),
            (
                answer(401, "The request could not be authorised."),
                "with-token-unproven",
            ),
            (Err(NoAnswer::TimedOut), "with-token-unproven"),
            (answer(503, ""), "with-token-no-answer"),
            (Err(NoAnswer::NoConnection), "with-token-no-answer"),
        ] {
            let said = judge(&other, &home, &Ok(asked));
            assert_eq!(said.sentence.id, id);
            assert!(
                said.en().contains("b.example") && said.en().contains("a.example"),
                "{}",
                said.en()
            );
        }
    }
}
