//! A real call with another organisation: somebody of ours at home and an account over there, each by their own homeserver and focus.

use super::call::{self, Outcome};
use super::sentence::{Check, Colour, Said, Sentence, Words, green, grey, red};
use hanse_bridge::ServerName;

static GOOD: Sentence = green("with-call-good", "with {0}: {1}", "mit {0}: {1}");
static BROKEN: Sentence = red(
    "with-call-broken",
    "no call with {0}: {1}",
    "kein Gespräch mit {0}: {1}",
    "Behind the colon stands what [the line about the call at home](#sealed-call) would say. If that one is green, it lies between the \
     organisations: the invitation and the keys go from homeserver to homeserver, and each of the two asks the other's focus for a token.",
);
static NOT_TRIED: Sentence = grey("with-call-not-tried", "with {0}: {1}", "mit {0}: {1}");
static NO_ACCOUNT: Sentence = grey(
    "with-call-no-account",
    "not tried: for a call with {0} the doctor needs an account there, with --account",
    "nicht versucht: für ein Gespräch mit {0} braucht der Doktor dort ein Konto, mit --account",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "with-call",
    en: "call with the other organisation",
    de: "Gespräch mit der anderen Organisation",
    about: "If `--account` names an account on that homeserver: it and `@hanse_doctor_b` call each other in a room that is made here, and that the account \
            joins over federation; each publishes at its own focus and SFU, and watches at the other's.",
    sentences: &[&GOOD, &BROKEN, &NOT_TRIED, &NO_ACCOUNT],
};

/// That nobody over there takes part.
pub fn no_account(other: &ServerName) -> Said {
    NO_ACCOUNT.with([other.into()])
}

/// What to say of it.
pub fn judge(other: &ServerName, outcome: &Outcome) -> Said {
    let said = call::judge(outcome);
    let words = Words {
        en: said.en(),
        de: said.de(),
    };
    let sentence = match said.sentence.colour {
        Colour::Green => &GOOD,
        Colour::Red => &BROKEN,
        Colour::Grey => &NOT_TRIED,
    };
    sentence.with([other.into(), words])
}

#[cfg(test)]
mod tests {
    use super::super::call::Party;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_call_in_which_one_does_not_see_the_other_is_red_and_says_with_whom() {
        let party = |user: &str, met| Party {
            user: user.to_owned(),
            is_connected: true,
            met,
            is_encrypted: true,
            ..Party::default()
        };
        let other = "b.example".parse().unwrap();
        let second = Some(Duration::from_secs(1));
        let held = |pair| Outcome::Held {
            pair: Box::new(pair),
            relayed: None,
        };
        let both = held([party("@a:a.example", second), party("@b:b.example", second)]);
        assert_eq!(judge(&other, &both).sentence.id, "with-call-good");
        let deaf = held([party("@a:a.example", None), party("@b:b.example", second)]);
        let deaf = judge(&other, &deaf);
        assert_eq!(deaf.sentence.id, "with-call-broken");
        assert!(
            deaf.en()
                .starts_with("no call with b.example: both are in the call, and @a:a.example"),
            "{}",
            deaf.en()
        );
        let absent = judge(&other, &Outcome::NoParticipant("x".to_owned()));
        assert_eq!(absent.sentence.id, "with-call-not-tried");
    }
}
