//! The report as a structure: sections of texts, lists and tables, in both languages. What is in them is in the files beside;
//! how they look is in `render.rs`.

use super::facts::Facts;
use super::words::{Words, say};
use super::{assessment, notice, places, processing, recipients, register, roles, traffic};

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub title: Words,
    /// What stands before everything else.
    pub intro: Vec<Block>,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// For links and programs.
    pub id: &'static str,
    /// Its heading.
    pub title: Words,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// A piece of a part. What stands between backticks is to be typed, or is a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading below that of the section.
    Heading(Words),
    /// A paragraph.
    Text(Words),
    /// A list.
    List(Vec<Words>),
    /// A table; every row has as many cells as the head.
    Table {
        /// What the columns are.
        head: Vec<Words>,
        /// The rest.
        rows: Vec<Vec<Words>>,
    },
}

/// Everything, for the data protection officer. `date` is when it was made, as `2026-01-31`.
pub fn whole(facts: &Facts, date: &str) -> Report {
    let version = env!("CARGO_PKG_VERSION");
    Report {
        title: say!("Privacy report of this Hanse", "Datenschutzbericht dieser Hanse"),
        intro: vec![
            Block::Text(say!(
                "Made on {date} by hanse {version} from its configuration. When the configuration changes, make it anew: the texts \
                 change with it.",
                "Erstellt am {date} von hanse {version} aus seiner Konfiguration. Ändert sich die Konfiguration, ist er neu zu \
                 erstellen: Die Texte ändern sich mit."
            )),
            Block::Text(say!(
                "It describes a technical system for the controller and their data protection officer. It is no legal advice: legal \
                 bases, periods and roles are suggestions, and the controller decides.",
                "Er beschreibt ein technisches System für den Verantwortlichen und seine Datenschutzbeauftragten. Er ist keine \
                 Rechtsberatung: Rechtsgrundlagen, Fristen und Rollen sind Vorschläge, und der Verantwortliche entscheidet."
            )),
        ],
        sections: vec![
            notice::controller(facts),
            processing::section(facts),
            places::section(facts),
            places::fields(facts),
            recipients::section(facts),
            traffic::section(facts),
            notice::section(facts),
            register::section(facts),
            assessment::section(facts),
            roles::section(facts),
        ],
    }
}

/// What everybody may read: no address, path or partner of this server.
pub fn public(facts: &Facts) -> Report {
    Report {
        title: say!(
            "Privacy in calls on this server",
            "Datenschutz in Gesprächen auf diesem Server"
        ),
        intro: vec![Block::Text(say!(
            "No server gets the content of a call in an encrypted room, or a key to it: sound and pictures are sealed on people's \
             devices. Servers do learn who calls whom, when, and from which address. This page is made from the configuration of \
             this server.",
            "Kein Server bekommt den Inhalt eines Gesprächs in einem verschlüsselten Raum oder einen Schlüssel dazu: Ton und Bild \
             werden auf den Geräten der Personen versiegelt. Server erfahren aber, wer mit wem spricht, wann und von welcher \
             Adresse. Diese Seite entsteht aus der Konfiguration dieses Servers."
        ))],
        sections: vec![
            notice::controller(facts),
            processing::public(facts),
            recipients::public(facts),
            notice::rights(facts),
            places::fields(facts),
        ],
    }
}
