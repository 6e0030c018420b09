//! The entry for the record of processing activities (Art. 30 GDPR).

use super::facts::Facts;
use super::guests;
use super::notice::{or_missing, third_countries};
use super::processing;
use super::recipients;
use super::report::{Block, Section};
use super::words::{Words, say};

/// The entry, field by field.
pub fn section(facts: &Facts) -> Section {
    let said = &facts.said;
    let each = |of: fn(processing::Category) -> [Words; 2]| {
        let parts: Vec<Words> = processing::categories(facts)
            .into_iter()
            .map(|category| Words::joined(&of(category), ": "))
            .collect();
        Words::joined(&parts, ". ")
    };
    let rows = vec![
        vec![
            say!("Name of the processing", "Bezeichnung der Verarbeitung"),
            say!(
                "Video calls by Matrix, also with other organisations (Hanse)",
                "Videogespräche über Matrix, auch mit anderen Organisationen (Hanse)"
            ),
        ],
        vec![
            say!("Controller (a)", "Verantwortlicher (Buchst. a)"),
            Words::joined(
                &[
                    or_missing(said.controller.as_ref(), "controller"),
                    or_missing(said.contact.as_ref(), "contact"),
                ],
                "; ",
            ),
        ],
        vec![
            say!(
                "Data protection officer (a)",
                "Datenschutzbeauftragte (Buchst. a)"
            ),
            or_missing(said.officer.as_ref(), "officer"),
        ],
        vec![
            say!("Purposes (b)", "Zwecke (Buchst. b)"),
            each(|category| [category.name, category.purpose]),
        ],
        vec![
            say!("People concerned (c)", "Betroffene Personen (Buchst. c)"),
            concerned(facts),
        ],
        vec![
            say!("Kinds of data (c)", "Kategorien von Daten (Buchst. c)"),
            each(|category| [category.name, category.data]),
        ],
        vec![
            say!("Recipients (d)", "Empfänger (Buchst. d)"),
            recipients::names(facts),
        ],
        vec![
            say!("Third countries (e)", "Drittländer (Buchst. e)"),
            third_countries(facts),
        ],
        vec![
            say!("Deletion (f)", "Löschfristen (Buchst. f)"),
            each(|category| [category.name, category.how_long]),
        ],
        vec![
            say!("Measures (g, Art. 32)", "Maßnahmen (Buchst. g, Art. 32)"),
            say!(
                "see the impact assessment: sealing end to end; least data for the shortest time; tags in place of names in the log; \
                 connections by TLS, DTLS and SRTP; admission by the homeserver; limits; tests for each",
                "siehe Folgenabschätzung: Versiegelung von Ende zu Ende; wenigste Daten für kürzeste Zeit; Marken statt Namen im \
                 Protokoll; Verbindungen über TLS, DTLS und SRTP; Einlass durch den Homeserver; Begrenzungen; Tests für jede"
            ),
        ],
    ];
    Section {
        id: "register",
        title: say!(
            "Entry for the record of processing (Art. 30(1) GDPR)",
            "Eintrag im Verzeichnis der Verarbeitungstätigkeiten (Art. 30 Abs. 1 DSGVO)"
        ),
        blocks: vec![Block::Table {
            head: vec![say!("Field", "Feld"), say!("Entry", "Eintrag")],
            rows,
        }],
    }
}

fn concerned(facts: &Facts) -> Words {
    let with_account = say!(
        "employees and members of this organisation; people of other organisations who are in calls with them",
        "Beschäftigte und Mitglieder dieser Organisation; Personen anderer Organisationen, die mit ihnen sprechen"
    );
    match facts.guests() {
        Some(_) => Words::joined(&[with_account, guests::people()], "; "),
        None => with_account,
    }
}
