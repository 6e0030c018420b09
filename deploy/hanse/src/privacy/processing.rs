//! What is processed, why, on which legal basis perhaps, how long, and where.

use super::facts::{Facts, StoreFacts};
use super::guests;
use super::report::{Block, Section};
use super::words::{Words, filled, period, same, say};

/// A kind of data.
pub struct Category {
    /// What it is called.
    pub name: Words,
    /// What belongs to it.
    pub data: Words,
    /// What it is for.
    pub purpose: Words,
    /// A suggestion.
    pub basis: Words,
    /// How long it is there.
    pub how_long: Words,
    /// In memory, on disk, elsewhere.
    pub place: Words,
}

/// The kinds that this configuration brings about.
pub fn categories(facts: &Facts) -> Vec<Category> {
    let mut all = Vec::new();
    admission(&mut all, facts);
    call(&mut all, facts);
    kept(&mut all, facts);
    others(&mut all, facts);
    all
}

fn memory() -> Words {
    say!("memory", "Arbeitsspeicher")
}

/// The basis that is suggested for most.
pub fn to_hold_the_call() -> Words {
    say!(
        "to hold the call: Art. 6(1)(b) or (f) GDPR, for public bodies (e) with the law of their country",
        "Durchführung des Gesprächs: Art. 6 Abs. 1 Buchst. b oder f DSGVO, bei öffentlichen Stellen Buchst. e mit dem Recht des \
         Landes"
    )
}

fn to_be_secure() -> Words {
    say!(
        "to run it securely: Art. 6(1)(f) GDPR with Art. 32, for public bodies (e)",
        "sicherer Betrieb: Art. 6 Abs. 1 Buchst. f DSGVO mit Art. 32, bei öffentlichen Stellen Buchst. e"
    )
}

fn admission(all: &mut Vec<Category>, facts: &Facts) {
    let Some(focus) = &facts.focus else {
        return;
    };
    let kept = period(hanse_focus::PROOF_LIFETIME.as_secs());
    let open = period(focus.token_lifetime_s);
    all.push(Category {
        name: say!("Admission", "Einlass"),
        data: say!(
            "Matrix id, device id, room id, OpenID token of the homeserver; the answer is a token with the name on the SFU",
            "Matrix-Kennung, Gerätekennung, Raumkennung, OpenID-Token des Homeservers; die Antwort ist ein Token mit dem Namen auf \
             der SFU"
        ),
        purpose: say!("that only people enter who may", "dass nur eintritt, wer darf"),
        basis: to_hold_the_call(),
        how_long: filled(
            &say!(
                "while the request lasts; user id and a hash of the OpenID token for {{0}}; the token that is handed out opens the SFU \
                 for {{1}}",
                "für die Dauer der Anfrage; Kennung der Person und ein Hash des OpenID-Tokens für {{0}}; das ausgegebene Token öffnet \
                 die SFU für {{1}}"
            ),
            &[kept, open],
        ),
        place: memory(),
    });
    if facts.knows_members() {
        all.push(Category {
            name: say!("Members and rights", "Mitglieder und Rechte"),
            data: say!(
                "who is in the rooms of calls and has which power level, as the homeserver says; no messages",
                "wer in den Räumen der Gespräche ist und welche Rechte hat, wie der Homeserver es sagt; keine Nachrichten"
            ),
            purpose: say!(
                "that whoever leaves or is banned is out of the call, and that roles hold",
                "dass nicht mehr im Gespräch ist, wer den Raum verlässt oder verbannt wird, und dass Rollen gelten"
            ),
            basis: to_hold_the_call(),
            how_long: say!(
                "while the bridge user is in the room; never written down",
                "solange der Brückennutzer im Raum ist; nie gespeichert"
            ),
            place: memory(),
        });
    }
    all.push(Category {
        name: say!("Limits", "Begrenzungen"),
        data: say!(
            "how often somebody asked, under a keyed hash of their id or address",
            "wie oft jemand gefragt hat, unter einem Hash mit Schlüssel über Kennung oder Adresse"
        ),
        purpose: say!("to fend off abuse", "Abwehr von Missbrauch"),
        basis: to_be_secure(),
        how_long: say!(
            "until its place is needed; at the latest until the server ends",
            "bis der Platz gebraucht wird; längstens bis der Server endet"
        ),
        place: memory(),
    });
}

fn call(all: &mut Vec<Category>, facts: &Facts) {
    let departure = period(facts.room_departure_s.into());
    let empty = period(facts.room_empty_s.into());
    all.push(Category {
        name: say!("Connection", "Verbindung"),
        data: say!(
            "IP addresses and ports of the device, also those in its local network, that browsers tell; quality of the connection",
            "IP-Adressen und Ports des Geräts, auch die im lokalen Netz, die Browser nennen; Güte der Verbindung"
        ),
        purpose: say!("to send media to the device", "um Medien an das Gerät zu senden"),
        basis: to_hold_the_call(),
        how_long: say!("while the device is connected", "solange das Gerät verbunden ist"),
        place: memory(),
    });
    all.push(Category {
        name: say!("Course of the call", "Verlauf des Gesprächs"),
        data: say!(
            "who is there since when, who sends camera, microphone or screen, muted or not, in which size, how loud; who watches whom",
            "wer seit wann da ist, wer Kamera, Mikrofon oder Bildschirm sendet, stumm oder nicht, in welcher Größe, wie laut; wer wen \
             sieht"
        ),
        purpose: say!("to forward to each what they want", "um jedem weiterzuleiten, was er möchte"),
        basis: to_hold_the_call(),
        how_long: filled(
            &say!(
                "while the call lasts, and {{0}} after the last one has left; a room that nobody comes to, {{1}}",
                "solange das Gespräch dauert und {{0}}, nachdem die letzte Person gegangen ist; ein Raum, in den niemand kommt, {{1}}"
            ),
            &[departure, empty],
        ),
        place: memory(),
    });
    all.push(Category {
        name: say!("Content", "Inhalt"),
        data: say!(
            "sound, pictures and data of the call, sealed on the devices; this server has no key. In a Matrix room that is not \
             encrypted nothing is sealed",
            "Ton, Bild und Daten des Gesprächs, auf den Geräten versiegelt; dieser Server hat keinen Schlüssel. In einem \
             Matrix-Raum, der nicht verschlüsselt ist, wird nichts versiegelt"
        ),
        purpose: say!("to forward it", "um ihn weiterzuleiten"),
        basis: to_hold_the_call(),
        how_long: say!(
            "packets of the last moments, to repair losses; nothing is recorded",
            "Pakete der letzten Augenblicke, um Verluste zu beheben; nichts wird aufgezeichnet"
        ),
        place: memory(),
    });
}

fn kept(all: &mut Vec<Category>, facts: &Facts) {
    if let Some(focus) = &facts.focus {
        let place = match focus.store {
            StoreFacts::Sqlite(_) => say!("database on this machine", "Datenbank auf dieser Maschine"),
            StoreFacts::Postgres { .. } => say!("PostgreSQL database", "PostgreSQL-Datenbank"),
        };
        all.push(Category {
            name: say!("Delayed leaves", "Verzögerte Abmeldungen"),
            data: say!(
                "names of room and device on the SFU, homeserver, until when the person was in the call",
                "Namen von Raum und Gerät auf der SFU, Homeserver, bis wann die Person im Gespräch war"
            ),
            purpose: say!(
                "that nobody stays in a room as a ghost whose device has died",
                "dass niemand als Geist im Raum bleibt, dessen Gerät ausgefallen ist"
            ),
            basis: to_hold_the_call(),
            how_long: say!(
                "while the person is in the call, then until the leave is sent; at most the delay and one hour",
                "solange die Person im Gespräch ist, dann bis die Abmeldung gesendet ist; höchstens die Verzögerung und eine Stunde"
            ),
            place: place.clone(),
        });
        if focus.sfu_elsewhere.is_some() {
            all.push(Category {
                name: say!("Seats", "Plätze"),
                data: say!(
                    "Matrix ids of person and room, names on the SFU, when the person was admitted",
                    "Matrix-Kennungen von Person und Raum, Namen auf der SFU, wann die Person eingelassen wurde"
                ),
                purpose: say!(
                    "that whoever is banned is out of the call also after a restart",
                    "dass Verbannte auch nach einem Neustart nicht mehr im Gespräch sind"
                ),
                basis: to_hold_the_call(),
                how_long: say!(
                    "until the person leaves the call; at most 24 hours",
                    "bis die Person das Gespräch verlässt; höchstens 24 Stunden"
                ),
                place: place.clone(),
            });
        }
        if let Some(guests) = facts.guests() {
            all.extend(guests::categories(guests, &place));
        }
        all.push(Category {
            name: say!("Blocked homeservers", "Gesperrte Homeserver"),
            data: say!(
                "names of homeservers, and since when",
                "Namen von Homeservern, und seit wann"
            ),
            purpose: say!("to keep out whoever abuses it", "um Missbrauch fernzuhalten"),
            basis: to_be_secure(),
            how_long: say!(
                "until an administrator unblocks it",
                "bis die Administration ihn wieder zulässt"
            ),
            place,
        });
    }
    all.push(Category {
        name: say!("Log", "Protokoll"),
        data: log_data(facts),
        purpose: say!("to find faults and attacks", "um Fehler und Angriffe zu finden"),
        basis: to_be_secure(),
        how_long: log_days(facts),
        place: say!(
            "where this machine keeps its logs",
            "wo diese Maschine ihre Protokolle ablegt"
        ),
    });
}

fn log_data(facts: &Facts) -> Words {
    let tags = say!(
        "what happened, when, with tags in place of people, rooms and addresses, which cannot be turned back and are others after each \
         start",
        "was geschah und wann, mit Marken anstelle von Personen, Räumen und Adressen, die nicht zurückgerechnet werden können und \
         nach jedem Start andere sind"
    );
    if facts.logs_much() {
        tags.and(&say!(
            "(at present far more lines than usual, for finding a fault)",
            "(derzeit weit mehr Zeilen als üblich, zur Fehlersuche)"
        ))
    } else {
        tags
    }
}

/// How long log lines are kept, as far as the configuration says it.
pub fn log_days(facts: &Facts) -> Words {
    match facts.said.log_days {
        Some(days) => say!("{days} days", "{days} Tage"),
        None => say!(
            "as the operator of this machine has set it",
            "wie es der Betreiber dieser Maschine eingestellt hat"
        ),
    }
}

fn others(all: &mut Vec<Category>, facts: &Facts) {
    if !facts.webhooks.is_empty() {
        let place = match facts.webhook_folder {
            Some(_) => say!(
                "memory and files on this machine",
                "Arbeitsspeicher und Dateien auf dieser Maschine"
            ),
            None => memory(),
        };
        all.push(Category {
            name: say!("Notifications (webhooks)", "Benachrichtigungen (Webhooks)"),
            data: say!(
                "names of rooms and devices on the SFU: who comes and goes, and begins or ends to send",
                "Namen von Räumen und Geräten auf der SFU: wer kommt und geht und zu senden beginnt oder aufhört"
            ),
            purpose: say!(
                "to tell programs that the operator has named",
                "um Programme zu benachrichtigen, die der Betreiber benannt hat"
            ),
            basis: say!(
                "depends on what the receiver does with it; to be decided by the controller",
                "hängt davon ab, was der Empfänger damit tut; vom Verantwortlichen zu entscheiden"
            ),
            how_long: say!(
                "until the receiver has it; at most 10 minutes of tries, and over a restart at most 24 hours",
                "bis der Empfänger es hat; höchstens 10 Minuten mit Versuchen, über einen Neustart höchstens 24 Stunden"
            ),
            place,
        });
    }
    if !facts.turn.is_empty() {
        let lifetime = period(facts.turn_lifetime_s);
        all.push(Category {
            name: say!("Relay (TURN)", "Vermittlung (TURN)"),
            data: say!(
                "IP address of the device; a random name of the session. The relay passes on what is sealed",
                "IP-Adresse des Geräts; ein zufälliger Name der Sitzung. Der Server vermittelt, was versiegelt ist"
            ),
            purpose: say!(
                "for people whose network lets nothing out but TLS",
                "für Personen, deren Netz nur TLS hinauslässt"
            ),
            basis: to_hold_the_call(),
            how_long: filled(
                &say!(
                    "its credential lets a device in for {{0}}; what the relay logs, its operator says",
                    "seine Zugangsdaten lassen ein Gerät für {{0}} ein; was er protokolliert, sagt sein Betreiber"
                ),
                &[lifetime],
            ),
            place: say!("the TURN server", "der TURN-Server"),
        });
    }
    if facts.web.is_some() {
        all.push(Category {
            name: say!("Page in the browser", "Seite im Browser"),
            data: say!(
                "log-in at the own homeserver, keys of the device, chosen language and settings. They stay in the browser of the person; this server \
                 does not get them",
                "Anmeldung beim eigenen Homeserver, Schlüssel des Geräts, gewählte Sprache und Einstellungen. Sie bleiben im Browser der Person; dieser \
                 Server bekommt sie nicht"
            ),
            purpose: say!(
                "to hold calls without installing a program",
                "um Gespräche zu führen, ohne ein Programm zu installieren"
            ),
            basis: to_hold_the_call().and(&say!(
                "(stored on the device because it is necessary for that: Art. 5(3) of Directive 2002/58/EC)",
                "(auf dem Gerät gespeichert, weil dazu erforderlich: § 25 Abs. 2 Nr. 2 TDDDG)"
            )),
            how_long: say!(
                "log-in and keys until the person logs out, which deletes the device; language and settings until they are deleted in the browser",
                "Anmeldung und Schlüssel, bis die Person sich abmeldet, was das Gerät löscht; Sprache und Einstellungen, bis sie im Browser gelöscht werden"
            ),
            place: say!("the browser of the person", "der Browser der Person"),
        });
        all.push(Category {
            name: say!("Messages", "Nachrichten"),
            data: say!(
                "what is written beside a call, to everybody in its room or, in a direct room, to one person alone. It is sealed on the device where the \
                 room is encrypted, which a direct room always is. The homeservers of those in a room learn who writes to whom, and when; this server does \
                 not get it",
                "was neben einem Gespräch geschrieben wird, an alle im Raum oder, in einem direkten Raum, an eine Person allein. Es wird auf dem Gerät \
                 verschlüsselt, wenn der Raum es ist; ein direkter ist es immer. Die Homeserver derer, die in einem Raum sind, erfahren, wer wann an wen \
                 schreibt; dieser Server bekommt es nicht"
            ),
            purpose: say!("to write to each other during a call", "um einander während eines Gesprächs zu schreiben"),
            basis: to_hold_the_call(),
            how_long: say!(
                "as long as the homeservers keep the room",
                "solange die Homeserver den Raum behalten"
            ),
            place: say!("the homeservers of those in the room", "die Homeserver derer, die im Raum sind"),
        });
    }
    if facts.metrics.is_some() || facts.livekit_metrics.is_some() {
        all.push(Category {
            name: say!("Numbers", "Zahlen"),
            data: say!(
                "sums about all calls: how many, how long, how good. No person, room or address is in them",
                "Summen über alle Gespräche: wie viele, wie lange, wie gut. Keine Person, kein Raum und keine Adresse ist darin"
            ),
            purpose: say!("to watch over the server", "Überwachung des Servers"),
            basis: say!("none is needed: not about people", "keine nötig: nicht über Personen"),
            how_long: say!("as the monitoring keeps them", "wie die Überwachung sie aufbewahrt"),
            place: say!("memory; the monitoring", "Arbeitsspeicher; die Überwachung"),
        });
    }
}

fn who(facts: &Facts) -> Words {
    let with_account = say!(
        "people of this organisation in calls; people of other organisations who are in calls with them",
        "Personen dieser Organisation in Gesprächen; Personen anderer Organisationen, die mit ihnen sprechen"
    );
    let all = match facts.guests() {
        Some(_) => Words::joined(&[with_account, guests::people()], "; "),
        None => with_account,
    };
    filled(&say!("About whom: {{0}}.", "Über wen: {{0}}."), &[all])
}

/// For the officer.
pub fn section(facts: &Facts) -> Section {
    let rows = categories(facts).into_iter().map(|category| {
        vec![
            category.name,
            category.data,
            category.purpose,
            category.basis,
            category.how_long,
            category.place,
        ]
    });
    Section {
        id: "processing",
        title: say!(
            "What is processed, why, and how long",
            "Was verarbeitet wird, wozu und wie lange"
        ),
        blocks: vec![
            Block::Text(who(facts)),
            Block::Table {
                head: vec![
                    say!("Kind", "Art"),
                    say!("Data", "Daten"),
                    say!("Purpose", "Zweck"),
                    say!("Legal basis (suggestion)", "Rechtsgrundlage (Vorschlag)"),
                    say!("How long", "Wie lange"),
                    say!("Where", "Wo"),
                ],
                rows: rows.collect(),
            },
            Block::Text(never()),
            Block::Heading(say!(
                "To be decided by the controller",
                "Vom Verantwortlichen zu entscheiden"
            )),
            Block::List(decisions(facts)),
        ],
    }
}

fn never() -> Words {
    say!(
        "Never written to disk: audio, video, chat, files, keys, passwords, access tokens, addresses of people's devices, display \
         names, and who talked when. There is no telemetry and no search for updates, nothing is evaluated about people, and nobody's \
         data is used for purposes of Hanse's makers.",
        "Nie gespeichert: Ton, Bild, Chat, Dateien, Schlüssel, Passwörter, Zugangstoken, Adressen der Geräte, Anzeigenamen und wer \
         wann gesprochen hat. Es gibt keine Telemetrie und keine Suche nach Aktualisierungen, nichts wird über Personen ausgewertet, \
         und nichts dient Zwecken der Hersteller von Hanse."
    )
}

fn decisions(facts: &Facts) -> Vec<Words> {
    let mut decisions = vec![
        say!(
            "The legal basis for each group of people. For employees it may be their contract (Art. 6(1)(b) GDPR), a works agreement \
             (Art. 88) or, in Germany, the law on employee data; how far § 26(1) BDSG still carries is disputed since the Court of \
             Justice's judgment C-34/21.",
            "Die Rechtsgrundlage für jede Personengruppe. Bei Beschäftigten kommen der Vertrag (Art. 6 Abs. 1 Buchst. b DSGVO), eine \
             Betriebs- oder Dienstvereinbarung (Art. 88) oder das Beschäftigtendatenschutzrecht in Betracht; wie weit § 26 Abs. 1 BDSG \
             noch trägt, ist seit dem Urteil C-34/21 des EuGH umstritten."
        ),
        say!(
            "Whether the works council has a say (in Germany § 87(1) no. 6 BetrVG, or the law on staff councils): the system could \
             technically show administrators who is in a call.",
            "Ob der Betriebs- oder Personalrat mitbestimmt (§ 87 Abs. 1 Nr. 6 BetrVG oder Personalvertretungsrecht): Das System kann \
             der Administration technisch zeigen, wer in einem Gespräch ist."
        ),
        say!(
            "Whether the secrecy of telecommunications applies, if calls are offered to others (in Germany § 3 TDDDG).",
            "Ob das Fernmeldegeheimnis gilt, wenn Gespräche anderen angeboten werden (§ 3 TDDDG)."
        ),
        say!(
            "Whether calls touch special categories of data or professional secrets (Art. 9 GDPR, in Germany § 203 StGB), and \
             therefore only encrypted rooms and verified devices are allowed.",
            "Ob Gespräche besondere Kategorien von Daten oder Berufsgeheimnisse berühren (Art. 9 DSGVO, § 203 StGB) und darum nur \
             verschlüsselte Räume und bestätigte Geräte erlaubt sind."
        ),
    ];
    decisions.extend(facts.guests().map(|_| guests::decision()));
    decisions
}

/// For everybody.
pub fn public(facts: &Facts) -> Section {
    let rows = categories(facts).into_iter().map(|category| {
        vec![
            category.name,
            category.data,
            category.purpose,
            category.how_long,
            category.place,
        ]
    });
    let mut blocks = vec![
        Block::Text(who(facts)),
        Block::Table {
            head: vec![
                say!("Kind", "Art"),
                say!("Data", "Daten"),
                say!("Purpose", "Zweck"),
                say!("How long", "Wie lange"),
                say!("Where", "Wo"),
            ],
            rows: rows.collect(),
        },
        Block::Text(never()),
    ];
    let homeservers = facts.own_homeservers();
    if !homeservers.is_empty() {
        let names = same(homeservers.join(", "));
        blocks.push(Block::Text(
            say!(
                "Your Matrix homeserver keeps the history of its rooms, and in it who was in which call when. The homeservers of this \
                 organisation:",
                "Ihr Matrix-Homeserver bewahrt den Verlauf seiner Räume, und darin, wer wann in welchem Gespräch war. Die Homeserver \
                 dieser Organisation:"
            )
            .and(&names),
        ));
    }
    Section {
        id: "processing",
        title: say!(
            "What is processed, why, and how long",
            "Was verarbeitet wird, wozu und wie lange"
        ),
        blocks,
    }
}
