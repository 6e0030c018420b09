//! Who is responsible, and the notice for participants (Art. 13 and 14 GDPR).

use super::facts::Facts;
use super::guests;
use super::processing;
use super::recipients;
use super::report::{Block, Section};
use super::words::{Words, same, say};

/// What is said, or what is missing and where to write it.
pub fn or_missing(said: Option<&String>, key: &str) -> Words {
    match said {
        Some(said) => same(said),
        None => say!(
            "not said yet: `{key}` in `[privacy]` of the configuration",
            "noch nicht angegeben: `{key}` in `[privacy]` der Konfiguration"
        ),
    }
}

/// Who answers for this server.
pub fn controller(facts: &Facts) -> Section {
    let said = &facts.said;
    let title = say!("Who is responsible", "Wer verantwortlich ist");
    let entries = [
        (say!("Controller", "Verantwortlicher"), &said.controller),
        (say!("Contact", "Kontakt"), &said.contact),
        (
            say!("Data protection officer", "Datenschutzbeauftragte"),
            &said.officer,
        ),
    ];
    let known: Vec<Words> = entries
        .into_iter()
        .filter_map(|(label, entry)| Some(Words::joined(&[label, same(entry.as_ref()?)], ": ")))
        .collect();
    let blocks = if known.is_empty() {
        vec![Block::Text(say!(
            "The operator of this server has not said it here. Ask whoever invited you to the call, or the administrators of your \
             homeserver.",
            "Der Betreiber dieses Servers hat es hier nicht angegeben. Fragen Sie, wer Sie zum Gespräch eingeladen hat, oder die \
             Administration Ihres Homeservers."
        ))]
    } else {
        vec![Block::List(known)]
    };
    Section {
        id: "controller",
        title,
        blocks,
    }
}

fn labelled(label: Words, text: &Words) -> Words {
    Words::joined(&[label, text.clone()], ": ")
}

/// The notice as a text to hand out, for the officer to check.
pub fn section(facts: &Facts) -> Section {
    let said = &facts.said;
    let named = |categories: Vec<processing::Category>| {
        let parts: Vec<Words> = categories
            .into_iter()
            .map(|category| Words::joined(&[category.name, category.purpose], ": "))
            .collect();
        Words::joined(&parts, "; ")
    };
    let periods = |categories: Vec<processing::Category>| {
        let parts: Vec<Words> = categories
            .into_iter()
            .map(|category| Words::joined(&[category.name, category.how_long], ": "))
            .collect();
        Words::joined(&parts, ". ")
    };
    let mut list = vec![
        labelled(
            say!(
                "Controller (Art. 13(1)(a))",
                "Verantwortlicher (Art. 13 Abs. 1 Buchst. a)"
            ),
            &Words::joined(
                &[
                    or_missing(said.controller.as_ref(), "controller"),
                    or_missing(said.contact.as_ref(), "contact"),
                ],
                "; ",
            ),
        ),
        labelled(
            say!(
                "Data protection officer (b)",
                "Datenschutzbeauftragte (Buchst. b)"
            ),
            &or_missing(said.officer.as_ref(), "officer"),
        ),
        labelled(
            say!("Purposes (c)", "Zwecke (Buchst. c)"),
            &named(processing::categories(facts)),
        ),
        labelled(
            say!("Legal basis (c)", "Rechtsgrundlage (Buchst. c)"),
            &say!(
                "to be filled in by the controller; suggestions stand above",
                "vom Verantwortlichen einzutragen; Vorschläge stehen oben"
            ),
        ),
        labelled(
            say!("Legitimate interests (d)", "Berechtigte Interessen (Buchst. d)"),
            &say!(
                "secure and confidential conversation without a third party; undisturbed operation",
                "sichere und vertrauliche Gespräche ohne Dritte; ungestörter Betrieb"
            ),
        ),
        labelled(
            say!("Recipients (e)", "Empfänger (Buchst. e)"),
            &recipients::names(facts),
        ),
        labelled(
            say!("Third countries (f)", "Drittländer (Buchst. f)"),
            &third_countries(facts),
        ),
        labelled(
            say!(
                "Periods (Art. 13(2)(a))",
                "Speicherdauer (Art. 13 Abs. 2 Buchst. a)"
            ),
            &periods(processing::categories(facts)),
        ),
    ];
    list.extend(your_rights(facts));
    Section {
        id: "notice",
        title: say!(
            "Notice for participants (Art. 13 and 14 GDPR)",
            "Hinweise für Teilnehmende (Art. 13 und 14 DSGVO)"
        ),
        blocks: vec![
            Block::Text(say!(
                "A draft to hand out before the first call. The page `/privacy` of this server shows everybody the same without \
                 addresses of machines and names of partners.",
                "Ein Entwurf zum Aushändigen vor dem ersten Gespräch. Die Seite `/privacy` dieses Servers zeigt allen dasselbe ohne \
                 Adressen von Maschinen und Namen von Partnern."
            )),
            Block::List(list),
        ],
    }
}

/// Where data may go in the world.
pub fn third_countries(facts: &Facts) -> Words {
    if facts.focus.is_none() {
        return say!(
            "this server sends nothing there by itself; who connects to it decides the service that signs its tokens",
            "dieser Server übermittelt von sich aus nichts dorthin; wer sich verbindet, entscheidet der Dienst, der die Token unterschreibt"
        );
    }
    let members = if facts.strangers_denied && !facts.everybody_publishes() {
        say!(
            "only people of the homeservers that the rules above name get in; where these stand, the controller knows",
            "nur Personen der Homeserver, die die Regeln oben nennen, kommen herein; wo diese stehen, weiß der Verantwortliche"
        )
    } else {
        say!(
            "people of any homeserver may be in a call if they are in its room; if theirs is outside the European Economic Area, data \
             goes there because they take part (Art. 44 and following). `strangers = \"deny\"` in `[policy]` prevents it",
            "Personen jedes Homeservers können im Gespräch sein, wenn sie in seinem Raum sind; steht ihrer außerhalb des Europäischen \
             Wirtschaftsraums, gelangen Daten dorthin, weil sie teilnehmen (Art. 44 ff.). `strangers = \"deny\"` in `[policy]` verhindert \
             es"
        )
    };
    match facts.guests() {
        Some(_) => Words::joined(&[members, guests::third_countries()], ". "),
        None => members,
    }
}

fn your_rights(facts: &Facts) -> Vec<Words> {
    let mut rights = vec![
        say!(
            "Rights (Art. 13(2)(b)): access, rectification, erasure, restriction, portability, and objection (Art. 15 to 21). This server \
             keeps so little for so short a time that there is mostly nothing to hand out after a call; the history of rooms is with your \
             homeserver.",
            "Rechte (Art. 13 Abs. 2 Buchst. b): Auskunft, Berichtigung, Löschung, Einschränkung, Übertragbarkeit und Widerspruch (Art. 15 \
             bis 21). Dieser Server bewahrt so wenig für so kurze Zeit, dass es nach einem Gespräch meist nichts herauszugeben gibt; der \
             Verlauf der Räume liegt bei Ihrem Homeserver."
        ),
        say!(
            "Complaint (d): to a supervisory authority for data protection (Art. 77).",
            "Beschwerde (Buchst. d): bei einer Datenschutz-Aufsichtsbehörde (Art. 77)."
        ),
        say!(
            "Necessary (e): without an address, a Matrix id and the device's name there is no call. Camera, microphone and screen are \
             voluntary: nobody but you can switch them on.",
            "Erforderlich (Buchst. e): Ohne Adresse, Matrix-Kennung und Namen des Geräts gibt es kein Gespräch. Kamera, Mikrofon und \
             Bildschirm sind freiwillig: Niemand außer Ihnen kann sie einschalten."
        ),
        say!(
            "Automated decisions and profiling (f): none.",
            "Automatisierte Entscheidungen und Profilbildung (Buchst. f): keine."
        ),
        say!(
            "Source (Art. 14(2)(f)): that you are in a room, and what you may there, your homeserver says.",
            "Quelle (Art. 14 Abs. 2 Buchst. f): Dass Sie in einem Raum sind und was Sie dort dürfen, sagt Ihr Homeserver."
        ),
    ];
    rights.extend(facts.guests().map(|_| guests::rights()));
    rights
}

/// Rights, for everybody.
pub fn rights(facts: &Facts) -> Section {
    Section {
        id: "rights",
        title: say!("Your rights", "Ihre Rechte"),
        blocks: vec![Block::List(your_rights(facts))],
    }
}
