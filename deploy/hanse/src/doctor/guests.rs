//! People without an account: whether the homeserver makes users with devices for Hanse, as far as it says without making one.

use super::ask::{Asked, Client, Question, part, words};
use super::sentence::{Check, Said, Sentence, green, grey, red};
use hanse_bridge::Registration;
use http::Method;
use serde_json::json;

static GOOD: Sentence = green(
    "guests-good",
    "the homeserver makes users for guests",
    "der Homeserver legt Benutzer für Gäste an",
);
static OFF: Sentence = grey(
    "guests-off",
    "nobody takes part without an account: `[guests] allowed` is false",
    "niemand nimmt ohne Konto teil: `[guests] allowed` ist false",
);
static NOT_RESERVED: Sentence = red(
    "guests-not-reserved",
    "the registration reserves no names for guests: take the file away, run `hanse setup`, and restart the homeserver and Hanse",
    "die Registrierung reserviert keine Namen für Gäste: nehmen Sie die Datei weg, rufen Sie `hanse setup` auf und starten Sie den Homeserver und Hanse neu",
    "It was written before there were guests. Without the names the homeserver lets Hanse make no users for them.",
);
static NOT_READ: Sentence = red(
    "guests-not-read",
    "the homeserver has not read that the registration reserves names for guests: restart it, with this file in `app_service_config_files`",
    "der Homeserver hat nicht gelesen, dass die Registrierung Namen für Gäste reserviert: starten Sie ihn neu, mit dieser Datei in `app_service_config_files`",
    "A homeserver reads registrations when it starts.",
);
static NO_ACCOUNTS: Sentence = red(
    "guests-no-accounts",
    "the homeserver makes no users with devices for application services ({0}), so nobody can take part without an account: set `[guests] allowed = false`, and give guests accounts",
    "der Homeserver legt für Anwendungsdienste keine Benutzer mit Geräten an ({0}), darum kann niemand ohne Konto teilnehmen: setzen Sie `[guests] allowed = false` und geben Sie Gästen Konten",
    "So it is behind Matrix Authentication Service, which signs in everybody itself. Hanse's page offers people log-in there.",
);
static ODD: Sentence = red(
    "guests-odd",
    "the homeserver does not say whether it makes users for guests ({0}): look into its log",
    "der Homeserver sagt nicht, ob er Benutzer für Gäste anlegt ({0}): sehen Sie in sein Protokoll",
    "",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "guests",
    en: "guests",
    de: "Gäste",
    about: "Where `[guests]` allows people without an account: asks the homeserver for a user whose name is not Hanse's, which it must refuse for that \
            reason and no other, and whether it has read that the names of guests are. It makes none.",
    sentences: &[&GOOD, &OFF, &NOT_RESERVED, &NOT_READ, &NO_ACCOUNTS, &ODD],
};

/// What was asked, if anything was.
pub enum Facts {
    /// Nothing: there are to be no guests.
    Off,
    /// Nothing: the registration is older than guests.
    NotReserved,
    /// Both.
    Asked {
        /// For a user whose name is not Hanse's.
        register: Box<Asked>,
        /// As a guest who is not there.
        as_guest: Box<Asked>,
    },
}

/// Asks.
pub async fn probe(
    client: &Client,
    url: &str,
    as_token: &str,
    registration: &Registration,
    allowed: bool,
) -> Facts {
    if !allowed {
        return Facts::Off;
    }
    if !registration.guests {
        return Facts::NotReserved;
    }
    let register = format!("{url}/_matrix/client/v3/register");
    let body = json!({"type": "m.login.application_service", "username": "not.a.name.of.hanse"});
    let nobody = format!("@hanse-guest-nobody:{}", registration.server_name());
    let whoami = format!("{url}/_matrix/client/v3/account/whoami?user_id={}", part(&nobody));
    let register = Question {
        token: Some(as_token),
        body: Some(body),
        ..Question::new(Method::POST, &register)
    };
    let as_guest = Question {
        token: Some(as_token),
        ..Question::new(Method::GET, &whoami)
    };
    let (register, as_guest) = tokio::join!(client.ask(register), client.ask(as_guest));
    Facts::Asked {
        register: Box::new(register),
        as_guest: Box::new(as_guest),
    }
}

/// What came of it.
pub fn judge(facts: &Facts) -> Said {
    let (register, as_guest) = match facts {
        Facts::Off => return OFF.plain(),
        Facts::NotReserved => return NOT_RESERVED.plain(),
        Facts::Asked { register, as_guest } => (&**register, &**as_guest),
    };
    let errcode = |asked: &Asked| asked.as_ref().map(|answer| answer.errcode()).unwrap_or_default();
    match errcode(register).as_str() {
        "M_APPSERVICE_LOGIN_UNSUPPORTED" => return NO_ACCOUNTS.with([words(register)]),
        "M_EXCLUSIVE" => {}
        _ => return ODD.with([words(register)]),
    }
    // Both that there is no such user and that Hanse may not be them are 403; Synapse's sentences differ.
    match as_guest {
        Ok(answer) if answer.status == 403 && answer.error().contains("masquerade") => NOT_READ.plain(),
        Ok(_) => GOOD.plain(),
        Err(_) => ODD.with([words(as_guest)]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::{Answer, NoAnswer};
    use super::*;

    #[test]
    fn what_keeps_guests_out_is_told_apart() {
        let answer = |status, text: &str| Ok(Answer::of(status, text));
        let exclusive = || answer(400, r#"{"errcode":"M_EXCLUSIVE"}"#);
        let no_user = || {
            answer(
                403,
                r#"{"errcode":"M_FORBIDDEN","error":"Application service has not registered this user (@a:b)"}"#,
            )
        };
        let not_ours = || {
            answer(
                403,
                r#"{"errcode":"M_FORBIDDEN","error":"Application service cannot masquerade as this user (@a:b)."}"#,
            )
        };
        let asked = |register, as_guest| Facts::Asked {
            register: Box::new(register),
            as_guest: Box::new(as_guest),
        };
        let mas = answer(400, r#"{"errcode":"M_APPSERVICE_LOGIN_UNSUPPORTED"}"#);
        for (facts, id) in [
            (Facts::Off, "guests-off"),
            (Facts::NotReserved, "guests-not-reserved"),
            (asked(exclusive(), no_user()), "guests-good"),
            (asked(exclusive(), not_ours()), "guests-not-read"),
            (asked(mas, no_user()), "guests-no-accounts"),
            (asked(answer(500, "{}"), no_user()), "guests-odd"),
            (asked(Err(NoAnswer::TimedOut), no_user()), "guests-odd"),
            (asked(exclusive(), Err(NoAnswer::Broken)), "guests-odd"),
        ] {
            assert_eq!(judge(&facts).sentence.id, id);
        }
    }
}
