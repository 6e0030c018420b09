//! Where what is stored lies, and every stored field.

use super::facts::{Facts, StoreFacts};
use super::guests;
use super::processing::log_days;
use super::report::{Block, Section};
use super::stored::{self, Place, Row};
use super::words::{Words, say};

/// The places of this machine, for the officer.
pub fn section(facts: &Facts) -> Section {
    let mut rows = Vec::new();
    if let Some(focus) = &facts.focus {
        rows.push(match &focus.store {
            StoreFacts::Sqlite(path) => vec![
                say!("Database", "Datenbank"),
                say!("SQLite, `{path}`", "SQLite, `{path}`"),
                say!(
                    "readable by the service's own user only; what is deleted is overwritten",
                    "nur für den Nutzer des Dienstes lesbar; Gelöschtes wird überschrieben"
                ),
            ],
            StoreFacts::Postgres {
                host, port, database, ..
            } => vec![
                say!("Database", "Datenbank"),
                say!(
                    "PostgreSQL, `{database}` at `{host}`, port {port}",
                    "PostgreSQL, `{database}` auf `{host}`, Port {port}"
                ),
                say!(
                    "copies of deleted rows may stay in its files, log and backups until they are overwritten",
                    "Kopien gelöschter Zeilen können in ihren Dateien, ihrem Protokoll und Sicherungen bleiben, bis sie überschrieben \
                     werden"
                ),
            ],
        });
        let socket = &focus.socket;
        rows.push(vec![
            say!("Commands of administrators", "Befehle der Administration"),
            say!("socket `{socket}`", "Socket `{socket}`"),
            say!(
                "shows who is in which call now; open to root and the service's own user; writes nothing down",
                "zeigt, wer gerade in welchem Gespräch ist; offen für root und den Nutzer des Dienstes; speichert nichts"
            ),
        ]);
    }
    if let (false, Some(folder)) = (facts.webhooks.is_empty(), &facts.webhook_folder) {
        rows.push(vec![
            say!(
                "Webhooks that have not arrived",
                "Webhooks, die nicht angekommen sind"
            ),
            say!("folder `{folder}`", "Ordner `{folder}`"),
            say!(
                "readable by the service's own user only",
                "nur für den Nutzer des Dienstes lesbar"
            ),
        ]);
    }
    if let Some(acme) = facts.tls.as_ref().and_then(|tls| tls.acme.as_ref()) {
        let folder = &acme.folder;
        let what = match &acme.contact {
            Some(contact) => say!(
                "key of the account of {contact}",
                "Schlüssel des Kontos von {contact}"
            ),
            None => say!(
                "key of an account without a name",
                "Schlüssel eines Kontos ohne Namen"
            ),
        };
        rows.push(vec![
            say!("Certificate by ACME", "Zertifikat über ACME"),
            say!("folder `{folder}`", "Ordner `{folder}`"),
            what,
        ]);
    }
    if facts.focus.is_some() || !facts.webhooks.is_empty() {
        rows.push(vec![
            say!("Backups, if you make any", "Sicherungen, falls Sie welche anlegen"),
            say!("where `hanse backup` was told to write", "wohin `hanse backup` schreiben sollte"),
            say!(
                "what is in the database and waits as webhooks at that moment, and with `--with-configuration` the secrets, too; readable by \
                 their owner only; nobody but you deletes them",
                "was in diesem Augenblick in der Datenbank steht und als Webhook wartet, mit `--with-configuration` auch die Geheimnisse; \
                 nur für ihren Besitzer lesbar; niemand außer Ihnen löscht sie"
            ),
        ]);
    }
    let filter = &facts.log;
    rows.push(vec![
        say!("Log", "Protokoll"),
        say!(
            "standard error, filter `{filter}`",
            "Standardfehlerausgabe, Filter `{filter}`"
        ),
        say!("kept for:", "aufbewahrt:").and(&log_days(facts)),
    ]);
    let mut blocks = vec![Block::Table {
        head: vec![
            say!("What", "Was"),
            say!("Where", "Wo"),
            say!("To know", "Zu wissen"),
        ],
        rows,
    }];
    if !facts.region.is_empty() {
        let region = &facts.region;
        blocks.push(Block::Text(say!(
            "The configuration calls the place of this server {region}, and clients are told so.",
            "Die Konfiguration nennt den Ort dieses Servers {region}, und Clients erfahren ihn."
        )));
    }
    blocks.push(Block::Text(say!(
        "Who runs the machine (a data centre, a cloud) is not in the configuration: if it is not the controller, it is a processor \
         (Art. 28 GDPR), and the country where it stands is the place of processing.",
        "Wer die Maschine betreibt (ein Rechenzentrum, eine Cloud), steht nicht in der Konfiguration: Ist es nicht der Verantwortliche, \
         so ist es ein Auftragsverarbeiter (Art. 28 DSGVO), und das Land, in dem sie steht, ist der Ort der Verarbeitung."
    )));
    if facts.tls.is_none() {
        let proxies = facts.proxies.join(", ");
        blocks.push(Block::Text(if proxies.is_empty() {
            say!(
                "A reverse proxy with TLS stands before this server. It has a log of its own: leave out queries and addresses of \
                 clients there. None is trusted to say who asks (`trusted_proxies`).",
                "Vor diesem Server steht ein Reverse-Proxy mit TLS. Er führt ein eigenes Protokoll: Lassen Sie dort Anfrageteile und \
                 Adressen der Clients weg. Keinem wird geglaubt, wer anfragt (`trusted_proxies`)."
            )
        } else {
            say!(
                "A reverse proxy with TLS stands before this server. It has a log of its own: leave out queries and addresses of \
                 clients there. Those in {proxies} are trusted to say who asks.",
                "Vor diesem Server steht ein Reverse-Proxy mit TLS. Er führt ein eigenes Protokoll: Lassen Sie dort Anfrageteile und \
                 Adressen der Clients weg. Denen in {proxies} wird geglaubt, wer anfragt."
            )
        }));
    } else if !facts.proxies.is_empty() {
        let proxies = facts.proxies.join(", ");
        blocks.push(Block::Text(say!(
            "Reverse proxies in {proxies} are trusted to say who asks.",
            "Reverse-Proxys in {proxies} wird geglaubt, wer anfragt."
        )));
    }
    Section {
        id: "places",
        title: say!("What is stored where", "Was wo gespeichert ist"),
        blocks,
    }
}

/// Every field on disk that this configuration fills, for everybody.
pub fn fields(facts: &Facts) -> Section {
    let filled = || stored::rows().filter(|row| row.place.is_filled(facts));
    let personal: Vec<Vec<Words>> = filled()
        .filter(|row| row.is_personal)
        .map(|row| {
            vec![
                name(row),
                row.what.words(),
                row.why.words(),
                row.how_long.words(),
                row.deleted_by.words(),
            ]
        })
        .collect();
    let mut blocks = Vec::new();
    if personal.is_empty() {
        blocks.push(Block::Text(say!(
            "This server writes nothing about people to disk: it has no database.",
            "Dieser Server speichert nichts über Personen: Er hat keine Datenbank."
        )));
    } else {
        blocks.push(Block::Text(say!(
            "Every field that says something about a person or an organisation. The sweep is a job of the focus itself, every few \
             minutes.",
            "Jedes Feld, das etwas über eine Person oder eine Organisation sagt. Das Aufräumen ist eine Aufgabe des Fokus selbst, alle \
             paar Minuten."
        )));
        blocks.push(Block::Table {
            head: vec![
                say!("Field", "Feld"),
                say!("What", "Was"),
                say!("Why", "Wozu"),
                say!("How long", "Wie lange"),
                say!("Who deletes it", "Wer es löscht"),
            ],
            rows: personal,
        });
        let other: Vec<String> = filled()
            .filter(|row| !row.is_personal)
            .map(|row| format!("`{}`", row.column))
            .collect();
        if !other.is_empty() {
            let other = other.join(", ");
            blocks.push(Block::Text(say!(
                "Not about people: {other}.",
                "Nicht über Personen: {other}."
            )));
        }
    }
    if facts.focus.is_some() && !Place::Seats.is_filled(facts) {
        blocks.push(Block::Text(say!(
            "The table of seats is empty here: focus and SFU are one process.",
            "Die Tabelle der Plätze ist hier leer: Fokus und SFU sind ein Prozess."
        )));
    }
    if facts.focus.is_some() && facts.guests().is_none() {
        blocks.push(Block::Text(guests::tables_are_empty()));
    }
    Section {
        id: "stored",
        title: say!("Every stored field", "Jedes gespeicherte Feld"),
        blocks,
    }
}

fn name(row: &Row) -> Words {
    let column = row.column;
    say!("`{column}`", "`{column}`")
}
