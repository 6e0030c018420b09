//! Another organisation's focus, as far as anybody sees it: name, certificate, CORS. What is said of one's own is said of it too; only
//! who mends it is somebody else.

use super::sentence::{Check, Colour, Said, Sentence, Words, green, red};

static NAME_GOOD: Sentence = green("with-name-good", "sound: {0}", "in Ordnung: {0}");
static NAME_BAD: Sentence = red(
    "with-name-bad",
    "their administrator has to mend this: {0}",
    "deren Administrator muss das richten: {0}",
    "Behind the colon stands what [the line about your own name](#name) would say.",
);

/// Its name.
pub static NAME: Check = Check {
    id: "with-name",
    en: "the other name",
    de: "der andere Name",
    about: "Looks up the name of that focus.",
    sentences: &[&NAME_GOOD, &NAME_BAD],
};

static CERTIFICATE_GOOD: Sentence = green("with-certificate-good", "sound: {0}", "in Ordnung: {0}");
static CERTIFICATE_BAD: Sentence = red(
    "with-certificate-bad",
    "their administrator has to mend this: {0}",
    "deren Administrator muss das richten: {0}",
    "Behind the colon stands what [the line about your own certificate](#certificate) would say. If it is of an authority of theirs, it goes into \
     `ca_files` of [homeservers], and onto your people's devices.",
);

/// Its certificate.
pub static CERTIFICATE: Check = Check {
    id: "with-certificate",
    en: "the other certificate",
    de: "das andere Zertifikat",
    about: "Connects to that focus and checks its certificate.",
    sentences: &[&CERTIFICATE_GOOD, &CERTIFICATE_BAD],
};

static ROUTES_GOOD: Sentence = green("with-routes-good", "sound: {0}", "in Ordnung: {0}");
static ROUTES_BAD: Sentence = red(
    "with-routes-bad",
    "their administrator has to mend this: {0}",
    "deren Administrator muss das richten: {0}",
    "Behind the colon stands what [the line about your own routes](#routes) would say. Your people's browsers ask that focus, so its answers need \
     CORS headers.",
);

/// Its routes.
pub static ROUTES: Check = Check {
    id: "with-routes",
    en: "the other routes",
    de: "die anderen Routen",
    about: "Asks the routes of that focus by which people of other organisations get a token, as a browser asks (CORS preflight).",
    sentences: &[&ROUTES_GOOD, &ROUTES_BAD],
};

/// What is said of one's own, said of theirs.
pub fn judge_name(own: &Said) -> Said {
    theirs(own, &NAME_GOOD, &NAME_BAD)
}

/// The same about certificates.
pub fn judge_certificate(own: &Said) -> Said {
    theirs(own, &CERTIFICATE_GOOD, &CERTIFICATE_BAD)
}

/// The same about routes.
pub fn judge_routes(own: &Said) -> Said {
    theirs(own, &ROUTES_GOOD, &ROUTES_BAD)
}

fn theirs(own: &Said, good: &'static Sentence, bad: &'static Sentence) -> Said {
    let words = Words {
        en: own.en(),
        de: own.de(),
    };
    // A focus on this machine needs no certificate.
    match own.sentence.colour {
        Colour::Red => bad.with([words]),
        Colour::Green | Colour::Grey => good.with([words]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::NoAnswer;
    use super::super::routes;
    use super::*;

    #[test]
    fn what_is_wrong_at_the_other_organisation_is_said_with_who_mends_it() {
        let silent = routes::Facts {
            url: "https://b.example/sfu/get".to_owned(),
            is_preflight: true,
            asked: Err(NoAnswer::NoConnection),
        };
        let said = judge_routes(&routes::judge(&[silent]));
        assert_eq!(said.sentence.id, "with-routes-bad");
        assert!(
            said.en()
                .starts_with("their administrator has to mend this: https://b.example/sfu/get"),
            "{}",
            said.en()
        );
        assert!(said.de().contains("antwortet nicht"), "{}", said.de());
    }
}
