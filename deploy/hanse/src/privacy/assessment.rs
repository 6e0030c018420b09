//! Input for a data protection impact assessment (Art. 35 GDPR): what could happen, what is done about it, which tests prove that,
//! and what remains.

use super::facts::{Facts, StoreFacts};
use super::guests;
use super::report::{Block, Section};
use super::words::{Words, say};

/// A test that fails when the measure does not hold.
#[derive(Debug)]
pub struct Proof {
    /// Its file in the source.
    pub file: &'static str,
    /// Its name there.
    pub test: &'static str,
}

/// Something that could happen to people.
pub struct Risk {
    /// What.
    pub what: Words,
    /// What is done about it.
    pub measures: Words,
    /// What shows that it is done.
    pub proofs: &'static [Proof],
    /// What is to be judged by people.
    pub remains: Words,
}

/// One of them.
pub const fn proof(file: &'static str, test: &'static str) -> Proof {
    Proof { file, test }
}

static SEALED: [Proof; 3] = [
    proof(
        "deploy/xtask/src/lint/imports.rs",
        "the_table_of_the_book_is_the_table_that_is_checked",
    ),
    proof(
        "federation-tests/organisations/calls.mjs",
        "who was given no key decodes nothing, and everything once it has one",
    ),
    proof(
        "federation-tests/tests/seal.test.mjs",
        "livekit_client_opens_what_we_have_sealed_and_nothing_that_was_changed",
    ),
];

static ADMITTED: [Proof; 3] = [
    proof(
        "federation-tests/organisations/admission.mjs",
        "who is not in the room gets no token and is told why, and who is in it gets one",
    ),
    proof(
        "federation-tests/organisations/bans.mjs",
        "who is banned or removed in mid-call is out of it, and the others go on",
    ),
    proof(
        "focus/service/tests/rooms.rs",
        "a_token_from_before_its_holder_was_removed_opens_nothing_for_long",
    ),
];

static UNNAMED: [Proof; 4] = [
    proof("focus/service/tests/privacy.rs", "no_log_line_names_anybody"),
    proof(
        "federation-tests/organisations/clear.mjs",
        "nothing that names anybody is in the logs of any Hanse, however much they log",
    ),
    proof(
        "deploy/hanse/tests/operate.rs",
        "metrics_count_what_happens_and_name_nobody",
    ),
    proof(
        "deploy/runtime/src/telemetry.rs",
        "no_rule_makes_a_library_name_what_came_in_from_the_network",
    ),
];

static STORED: [Proof; 3] = [
    proof(
        "focus/service/tests/store/personal_data.rs",
        "every_column_has_a_row_in_the_book_and_every_row_a_column",
    ),
    proof(
        "focus/service/tests/store/seats.rs",
        "a_sweep_deletes_what_is_over_and_nothing_else",
    ),
    proof(
        "focus/service/tests/store/opening.rs",
        "what_is_deleted_from_an_sqlite_file_is_gone_from_the_disk",
    ),
];

static PROVEN: [Proof; 2] = [
    proof(
        "federation-tests/organisations/bad-input.mjs",
        "an OpenID token opens a focus for its own user, from its own homeserver, in its time",
    ),
    proof(
        "federation-tests/organisations/bad-input.mjs",
        "a homeserver that lies, floods, redirects or says nothing proves nobody",
    ),
];

static GUARDED: [Proof; 2] = [
    proof(
        "homeserver-bridge/service/src/dial/address.rs",
        "what_is_not_public_is_refused_unless_its_network_is_listed",
    ),
    proof(
        "federation-tests/organisations/bad-input.mjs",
        "no homeserver at a private address is asked, under whatever name, unless the configuration allows it",
    ),
];

static ROLES: [Proof; 2] = [
    proof(
        "federation-tests/organisations/rules.mjs",
        "rules of a room, moderators, and rules of an organisation: in mid-call they end what they mean to, and nothing else",
    ),
    proof(
        "focus/service/tests/rooms.rs",
        "a_moderator_mutes_and_removes_one_and_the_room_is_told",
    ),
];

static KEYS: [Proof; 2] = [
    proof(
        "federation-tests/tests/server-api.test.mjs",
        "without the secret the server API does nothing",
    ),
    proof(
        "federation-tests/organisations/bad-input.mjs",
        "what one organisation's focus grants opens that organisation's SFU only",
    ),
];

static WEBHOOKS: [Proof; 2] = [
    proof(
        "sfu/node/src/webhooks/config.rs",
        "webhooks_go_nowhere_unless_a_url_is_named_and_the_first_key_signs_unless_another_is_named",
    ),
    proof(
        "sfu/node/src/webhooks/spool/tests.rs",
        "what_is_older_than_a_day_is_deleted_unsent",
    ),
];

fn risks(facts: &Facts) -> Vec<Risk> {
    let mut risks = vec![
        Risk {
            what: say!(
                "A server, its operator or somebody on the network listens in.",
                "Ein Server, sein Betreiber oder jemand im Netz hört mit."
            ),
            measures: say!(
                "Sound and pictures are sealed on the devices. The server's program cannot even name the type of a key: a change that \
                 brings one in fails before it is merged.",
                "Ton und Bild werden auf den Geräten versiegelt. Das Programm des Servers kennt nicht einmal den Typ eines Schlüssels: \
                 Eine Änderung, die einen hineinbringt, scheitert, bevor sie übernommen wird."
            ),
            proofs: &SEALED,
            remains: say!(
                "Rooms that are not encrypted; a dishonest program or device of a participant; a homeserver that adds a device to one \
                 of its own users. Use encrypted rooms and verified devices.",
                "Räume, die nicht verschlüsselt sind; ein unehrliches Programm oder Gerät einer teilnehmenden Person; ein Homeserver, \
                 der einem seiner eigenen Nutzer ein Gerät hinzufügt. Nutzen Sie verschlüsselte Räume und bestätigte Geräte."
            ),
        },
        Risk {
            what: say!(
                "Somebody draws up who calls whom, when and how often.",
                "Jemand erstellt eine Übersicht, wer mit wem wann und wie oft spricht."
            ),
            measures: say!(
                "No history of calls is written. Log lines and numbers name nobody; tags change with each start.",
                "Es wird kein Verlauf von Gesprächen gespeichert. Protokollzeilen und Zahlen nennen niemanden; Marken wechseln mit jedem \
                 Start."
            ),
            proofs: &UNNAMED,
            remains: say!(
                "Administrators see who is in a call while it lasts. The history of rooms at the homeservers has entries of calls.",
                "Die Administration sieht, wer in einem Gespräch ist, solange es dauert. Der Verlauf der Räume auf den Homeservern \
                 enthält Einträge über Gespräche."
            ),
        },
        Risk {
            what: say!(
                "Another organisation learns from where somebody calls.",
                "Eine andere Organisation erfährt, von wo jemand spricht."
            ),
            measures: say!(
                "Devices never connect to each other, so participants do not learn each other's addresses.",
                "Geräte verbinden sich nie miteinander, sodass Teilnehmende die Adressen der anderen nicht erfahren."
            ),
            proofs: &[],
            remains: say!(
                "The server of each organisation in the call sees the addresses of all devices that connect to it. Whoever must hide \
                 theirs needs a VPN of their own organisation.",
                "Der Server jeder Organisation im Gespräch sieht die Adressen aller Geräte, die sich mit ihm verbinden. Wer seine \
                 verbergen muss, braucht ein VPN der eigenen Organisation."
            ),
        },
        Risk {
            what: say!(
                "Somebody is exposed: camera or microphone are switched on by others, or a removed person stays.",
                "Jemand wird bloßgestellt: Kamera oder Mikrofon werden von anderen eingeschaltet, oder eine entfernte Person bleibt."
            ),
            measures: say!(
                "There is no command that switches on somebody's camera or microphone. Roles come from the room and hold on the server.",
                "Es gibt keinen Befehl, der jemandes Kamera oder Mikrofon einschaltet. Rollen kommen aus dem Raum und gelten auf dem \
                 Server."
            ),
            proofs: &ROLES,
            remains: say!(
                "Whoever is in a call can record it on their own device.",
                "Wer im Gespräch ist, kann es auf dem eigenen Gerät aufzeichnen."
            ),
        },
        Risk {
            what: say!(
                "Somebody gets hold of an API key of the SFU and follows calls unseen.",
                "Jemand gelangt an einen API-Schlüssel der SFU und verfolgt Gespräche ungesehen."
            ),
            measures: say!(
                "A key file that others on the machine may read is refused, and no key is printed. Reverse proxies as `hanse setup` writes \
                 them keep the server API inside. Keys can be changed without ending calls.",
                "Eine Schlüsseldatei, die andere auf der Maschine lesen dürfen, wird abgelehnt, und kein Schlüssel wird ausgegeben. \
                 Reverse-Proxys, wie `hanse setup` sie schreibt, halten die Server-API im Inneren. Schlüssel lassen sich wechseln, ohne \
                 Gespräche zu beenden."
            ),
            proofs: &KEYS,
            remains: say!(
                "Sealed content stays closed to them; who is in which call does not. Give a key to nobody who does not need it.",
                "Versiegelter Inhalt bleibt ihnen verschlossen; wer in welchem Gespräch ist, nicht. Geben Sie niemandem einen Schlüssel, \
                 der ihn nicht braucht."
            ),
        },
    ];
    if let Some(focus) = &facts.focus {
        risks.push(uninvited(facts));
        risks.push(Risk {
            what: say!(
                "Somebody passes for somebody else at the door.",
                "Jemand gibt sich an der Tür für jemand anderen aus."
            ),
            measures: say!(
                "A person's own homeserver has to vouch for them, over TLS, and is believed about its own people only.",
                "Der eigene Homeserver einer Person muss über TLS für sie bürgen, und ihm wird nur über die eigenen Personen geglaubt."
            ),
            proofs: &PROVEN,
            remains: passing(facts),
        });
        risks.push(inside(&focus.networks));
        let mut lost = lost(&focus.store);
        if facts.guests().is_some() {
            lost.remains = lost.remains.and(&guests::in_database());
        }
        risks.push(lost);
        if facts.guests().is_some() {
            risks.extend(guests::risks(facts));
        }
    }
    if !facts.webhooks.is_empty() {
        risks.push(Risk {
            what: say!(
                "Receivers of webhooks draw up attendance lists.",
                "Empfänger von Webhooks führen Anwesenheitslisten."
            ),
            measures: say!(
                "Only receivers in the configuration are told, signed, with names on the SFU; what waits is deleted in time.",
                "Nur Empfänger in der Konfiguration erfahren es, unterschrieben, mit Namen auf der SFU; was wartet, wird rechtzeitig \
                 gelöscht."
            ),
            proofs: &WEBHOOKS,
            remains: say!(
                "What receivers do with it. Names on the SFU are Matrix ids for clients of the first generation. Name none that is not \
                 needed.",
                "Was die Empfänger damit tun. Namen auf der SFU sind bei Clients der ersten Generation Matrix-Kennungen. Benennen Sie \
                 keinen, der nicht nötig ist."
            ),
        });
    }
    unusual(&mut risks, facts);
    risks
}

fn uninvited(facts: &Facts) -> Risk {
    let what = say!(
        "Somebody who was not invited is in a call, or stays in it.",
        "Jemand, der nicht eingeladen ist, ist in einem Gespräch oder bleibt darin."
    );
    if facts.knows_members() {
        Risk {
            what,
            measures: say!(
                "The homeserver says who is in the room; nobody else gets a token, and whoever is removed is out within seconds.",
                "Der Homeserver sagt, wer im Raum ist; niemand sonst bekommt ein Token, und wer entfernt wird, ist binnen Sekunden \
                 draußen."
            ),
            proofs: &ADMITTED,
            remains: say!(
                "Whom members invite into the room, they decide.",
                "Wen Mitglieder in den Raum einladen, entscheiden sie."
            ),
        }
    } else {
        Risk {
            what,
            measures: say!(
                "Content stays sealed to whoever is given no key. No registration is set up, so this server does not know who is in a \
                 room.",
                "Der Inhalt bleibt für alle versiegelt, denen kein Schlüssel gegeben wird. Keine Registrierung ist eingerichtet, sodass \
                 dieser Server nicht weiß, wer in einem Raum ist."
            ),
            proofs: &[],
            remains: say!(
                "HIGH: whoever knows a room's id can connect unseen, and sees who is there and when. `hanse setup` mends it.",
                "HOCH: Wer die Kennung eines Raums kennt, kann sich ungesehen verbinden und sieht, wer wann da ist. `hanse setup` \
                 behebt es."
            ),
        }
    }
}

fn passing(facts: &Facts) -> Words {
    let all_signed = facts.focus.as_ref().is_some_and(|focus| {
        !focus.registered.is_empty() && focus.registered.iter().all(|homeserver| homeserver.passes_on)
    });
    if all_signed {
        say!(
            "Clients that still use OpenID tokens: whoever is handed one could pass for its person for an hour.",
            "Clients, die noch OpenID-Token benutzen: Wer eines bekommt, könnte eine Stunde lang als diese Person auftreten."
        )
    } else {
        say!(
            "The operator of another organisation's server in the call is handed an OpenID token and could pass for its person for an hour; \
             without their keys, which warns the others. `hanse setup --signed` avoids it.",
            "Der Betreiber des Servers einer anderen Organisation im Gespräch bekommt ein OpenID-Token und könnte eine Stunde lang als \
             diese Person auftreten; ohne ihre Schlüssel, was die anderen warnt. `hanse setup --signed` vermeidet es."
        )
    }
}

fn inside(networks: &[String]) -> Risk {
    Risk {
        what: say!(
            "The server is misused to reach systems inside the network.",
            "Der Server wird missbraucht, um Systeme im Inneren des Netzes zu erreichen."
        ),
        measures: say!(
            "Servers that strangers name are connected to at public addresses only, at the one address that was checked.",
            "Mit Servern, die Fremde nennen, wird nur unter öffentlichen Adressen verbunden, und nur unter der geprüften Adresse."
        ),
        proofs: &GUARDED,
        remains: if networks.is_empty() {
            say!("None is known.", "Keines bekannt.")
        } else {
            let networks = networks.join(", ");
            say!(
                "Exempt are {networks} (`allowed_networks`): whoever may ask for a token can have Hanse connect to any port there.",
                "Ausgenommen sind {networks} (`allowed_networks`): Wer ein Token erbitten darf, kann Hanse mit jedem Port dort verbinden \
                 lassen."
            )
        },
    }
}

fn lost(store: &StoreFacts) -> Risk {
    Risk {
        what: say!(
            "The database or a copy of it gets into wrong hands.",
            "Die Datenbank oder eine Kopie gerät in falsche Hände."
        ),
        measures: say!(
            "Few fields, each with a period and somebody who deletes it; no content, no keys, no passwords, no addresses of devices.",
            "Wenige Felder, jedes mit Frist und jemandem, der es löscht; kein Inhalt, keine Schlüssel, keine Passwörter, keine Adressen von \
             Geräten."
        ),
        proofs: &STORED,
        remains: match store {
            StoreFacts::Sqlite(_) => say!(
                "Who was in a call at that moment. Encrypt the disk; a backup is not needed.",
                "Wer in diesem Augenblick im Gespräch war. Verschlüsseln Sie den Datenträger; eine Sicherung ist nicht nötig."
            ),
            StoreFacts::Postgres { is_checked: true, .. } => say!(
                "Copies of deleted rows in PostgreSQL's files, log and backups, until they are overwritten.",
                "Kopien gelöschter Zeilen in den Dateien, dem Protokoll und den Sicherungen von PostgreSQL, bis sie überschrieben werden."
            ),
            StoreFacts::Postgres { .. } => say!(
                "Copies of deleted rows in PostgreSQL's files, log and backups. On the way there nobody insists on encryption: set \
                 `sslmode=verify-full`, unless it is reached by a socket of this machine.",
                "Kopien gelöschter Zeilen in den Dateien, dem Protokoll und den Sicherungen von PostgreSQL. Auf dem Weg dorthin besteht \
                 niemand auf Verschlüsselung: Setzen Sie `sslmode=verify-full`, wenn sie nicht über einen Socket dieser Maschine erreicht \
                 wird."
            ),
        },
    }
}

/// What is there only if somebody has configured it.
fn unusual(risks: &mut Vec<Risk>, facts: &Facts) {
    let mut add = |what, measures, remains| {
        risks.push(Risk {
            what,
            measures,
            proofs: &[],
            remains,
        });
    };
    if facts.simulates {
        add(
            say!(
                "Testers simulate failures and speech (`simulate`).",
                "Tester täuschen Störungen und Sprache vor (`simulate`)."
            ),
            say!(
                "None: the switch is for tests.",
                "Keine: Der Schalter ist für Tests."
            ),
            say!(
                "HIGH on a server that people use: whoever is in a call could appear to speak. Switch it off.",
                "HOCH auf einem Server, den Menschen benutzen: Wer im Gespräch ist, könnte scheinbar sprechen. Schalten Sie es ab."
            ),
        );
    }
    if facts.everybody_publishes() {
        add(
            say!(
                "Strangers use this server for calls of their own.",
                "Fremde benutzen diesen Server für eigene Gespräche."
            ),
            say!(
                "Only `denied_homeservers` and blocked ones are kept out.",
                "Nur `denied_homeservers` und gesperrte werden ferngehalten."
            ),
            say!(
                "You process data of people whom you do not know. Name your homeserver in `full_access_homeservers` instead of `*`.",
                "Sie verarbeiten Daten von Personen, die Sie nicht kennen. Nennen Sie in `full_access_homeservers` Ihren Homeserver statt \
                 `*`."
            ),
        );
    }
    if facts.tls.is_none() {
        add(
            say!(
                "The reverse proxy's log holds addresses and tokens.",
                "Das Protokoll des Reverse-Proxys enthält Adressen und Token."
            ),
            say!(
                "The file that `hanse setup` writes for nginx switches it off for signalling; other proxies log nothing unless told to.",
                "Die Datei, die `hanse setup` für nginx schreibt, schaltet es für die Signalisierung ab; andere Proxys protokollieren nur, \
                 wenn man es ihnen sagt."
            ),
            say!(
                "What your proxy really logs; look there.",
                "Was Ihr Proxy wirklich protokolliert; sehen Sie dort nach."
            ),
        );
    }
    let unguarded = facts
        .livekit_metrics
        .as_ref()
        .is_some_and(|(_, is_guarded)| !is_guarded);
    if unguarded || facts.metrics.is_some() {
        add(
            say!(
                "From the numbers somebody sees that a call takes place.",
                "An den Zahlen sieht jemand, dass ein Gespräch stattfindet."
            ),
            say!(
                "They name no person and no room.",
                "Sie nennen keine Person und keinen Raum."
            ),
            say!(
                "Let only your monitoring reach these ports.",
                "Lassen Sie nur Ihre Überwachung an diese Ports."
            ),
        );
    }
}

/// For the officer.
pub fn section(facts: &Facts) -> Section {
    let rows = risks(facts).into_iter().map(|risk| {
        let proofs: Vec<Words> = risk
            .proofs
            .iter()
            .map(|Proof { file, test }| {
                // Names of functions are sentences, too.
                let test = test.replace('_', " ");
                say!("`{file}`: “{test}”", "`{file}`: „{test}“")
            })
            .collect();
        let proofs = if proofs.is_empty() {
            say!("none; to be judged by hand", "keiner; von Hand zu beurteilen")
        } else {
            Words::joined(&proofs, "; ")
        };
        vec![risk.what, risk.measures, proofs, risk.remains]
    });
    Section {
        id: "assessment",
        title: say!(
            "Input for an impact assessment (Art. 35 GDPR)",
            "Zuarbeit zur Datenschutz-Folgenabschätzung (Art. 35 DSGVO)"
        ),
        blocks: vec![
            Block::Text(say!(
                "Whether an assessment is needed, the controller decides: by the list of their supervisory authority, by the number of \
                 people and by what they talk about. How likely and how grave a risk is depends on that. Marked HIGH is only \
                 what another configuration ends.",
                "Ob eine Folgenabschätzung nötig ist, entscheidet der Verantwortliche: nach der Liste seiner Aufsichtsbehörde, nach der \
                 Zahl der Personen und danach, worüber sie sprechen. Wie wahrscheinlich und wie schwer ein Risiko ist, hängt davon ab. Mit \
                 HOCH bezeichnet ist nur, was eine andere Konfiguration beendet."
            )),
            Block::Text(say!(
                "Necessity: a call cannot be held without the addresses of the devices and the names of those who take part; everything \
                 else is left out, sealed, or deleted as soon as the call is over.",
                "Erforderlichkeit: Ein Gespräch ist ohne die Adressen der Geräte und die Namen der Teilnehmenden nicht möglich; alles \
                 andere wird weggelassen, versiegelt oder gelöscht, sobald das Gespräch vorbei ist."
            )),
            Block::Table {
                head: vec![
                    say!("Risk", "Risiko"),
                    say!("Measures", "Maßnahmen"),
                    say!("Tests that prove it", "Tests, die es belegen"),
                    say!("What remains", "Was bleibt"),
                ],
                rows: rows.collect(),
            },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_test_that_is_named_as_a_proof_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let all: [&[Proof]; 11] = [
            &SEALED,
            &ADMITTED,
            &UNNAMED,
            &STORED,
            &PROVEN,
            &GUARDED,
            &ROLES,
            &KEYS,
            &WEBHOOKS,
            &guests::OPENED,
            &guests::ENDED,
        ];
        for Proof { file, test } in all.into_iter().flatten() {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(text.contains(test), "{file} has no test \"{test}\"");
        }
    }
}
