//! Who gets which data, and who gets into calls.

use super::facts::Facts;
use super::guests;
use super::report::{Block, Section};
use super::words::{Words, same, say};
use reqwest::Url;

/// A recipient, and what they learn.
pub struct Recipient {
    /// Who.
    pub who: Words,
    /// What, and when.
    pub what: Words,
}

fn list(facts: &Facts, is_public: bool) -> Vec<Recipient> {
    let mut list = Vec::new();
    if facts.focus.is_some() {
        list.push(own_homeservers(facts, is_public));
        list.push(Recipient {
            who: say!(
                "Homeservers of other organisations in the same room",
                "Homeserver anderer Organisationen im selben Raum"
            ),
            what: with_guests(
                facts,
                say!(
                    "by Matrix, not by this server: user, device, display name, when somebody joins and leaves; not the address",
                    "durch Matrix, nicht durch diesen Server: Person, Gerät, Anzeigename, wann jemand kommt und geht; nicht die Adresse"
                ),
                guests::at_other_homeservers,
            ),
        });
        list.push(Recipient {
            who: say!(
                "The Hanse (or another SFU) of other organisations in the same call",
                "Die Hanse (oder eine andere SFU) anderer Organisationen im selben Gespräch"
            ),
            what: say!(
                "user, device and the address of each device that connects there, and whom it watches; no content",
                "Person, Gerät und die Adresse jedes Geräts, das sich dort verbindet, und wen es sieht; keinen Inhalt"
            ),
        });
    }
    if facts.guests().is_some() {
        list.extend(guests::recipients());
    }
    list.push(Recipient {
        who: say!("Other participants of the call", "Andere im Gespräch"),
        what: say!(
            "what somebody says, shows and writes; not the address. Nobody can keep them from recording it on their devices",
            "was jemand sagt, zeigt und schreibt; nicht die Adresse. Niemand kann sie hindern, es auf ihren Geräten aufzuzeichnen"
        ),
    });
    turn(&mut list, facts, is_public);
    if !facts.webhooks.is_empty() {
        let hosts: Vec<&str> = facts.webhooks.iter().filter_map(Url::host_str).collect();
        let who = say!(
            "Programs that the operator has named (webhooks)",
            "Programme, die der Betreiber benannt hat (Webhooks)"
        );
        list.push(Recipient {
            who: if is_public {
                who
            } else {
                Words::joined(&[who, same(hosts.join(", "))], ": ")
            },
            what: say!(
                "names of rooms and devices on the SFU: who comes and goes, and begins or ends to send",
                "Namen von Räumen und Geräten auf der SFU: wer kommt und geht und zu senden beginnt oder aufhört"
            ),
        });
    }
    let elsewhere = facts
        .focus
        .as_ref()
        .and_then(|focus| focus.sfu_elsewhere.as_ref());
    if let (Some(url), false) = (elsewhere, is_public) {
        list.push(Recipient {
            who: say!("The SFU elsewhere: {url}", "Die SFU anderswo: {url}"),
            what: say!(
                "everything that an SFU knows of a call: addresses of devices, times, names on the SFU; no content",
                "alles, was eine SFU von einem Gespräch weiß: Adressen der Geräte, Zeiten, Namen auf der SFU; keinen Inhalt"
            ),
        });
    }
    if !facts.stun.is_empty() {
        let hosts: Vec<&str> = facts.stun.iter().map(|(host, _)| host.as_str()).collect();
        let who = say!("STUN servers", "STUN-Server");
        list.push(Recipient {
            who: if is_public {
                who
            } else {
                Words::joined(&[who, same(hosts.join(", "))], ": ")
            },
            what: say!(
                "the address of this server; nothing about people",
                "die Adresse dieses Servers; nichts über Personen"
            ),
        });
    }
    if let Some(acme) = facts.tls.as_ref().and_then(|tls| tls.acme.as_ref()) {
        let directory = Url::parse(&acme.directory).ok();
        let host = directory
            .as_ref()
            .and_then(Url::host_str)
            .unwrap_or_default()
            .to_owned();
        let who = say!("Certificate authority", "Zertifizierungsstelle");
        list.push(Recipient {
            who: if is_public {
                who
            } else {
                Words::joined(&[who, same(host)], ": ")
            },
            what: match (&acme.contact, is_public) {
                (Some(contact), false) => say!(
                    "the name of this server and the address {contact}; nothing about people in calls",
                    "den Namen dieses Servers und die Adresse {contact}; nichts über Personen in Gesprächen"
                ),
                _ => say!(
                    "the name of this server; nothing about people in calls",
                    "den Namen dieses Servers; nichts über Personen in Gesprächen"
                ),
            },
        });
    }
    list.push(Recipient {
        who: say!("Administrators of this server", "Die Administration dieses Servers"),
        what: say!(
            "while a call lasts, who is in it, by a command on the machine itself; no content",
            "solange ein Gespräch dauert, wer darin ist, durch einen Befehl auf der Maschine selbst; keinen Inhalt"
        ),
    });
    list.push(Recipient {
        who: say!(
            "Programs to which the operator has given an API key of the SFU",
            "Programme, denen der Betreiber einen API-Schlüssel der SFU gegeben hat"
        ),
        what: say!(
            "while a call lasts, who is in it, by names on the SFU; they can mute and remove people, and connect without being shown; no \
             sealed content",
            "solange ein Gespräch dauert, wer darin ist, mit Namen auf der SFU; sie können Personen stummschalten und entfernen und sich \
             verbinden, ohne gezeigt zu werden; keinen versiegelten Inhalt"
        ),
    });
    list
}

/// What is said, and more where there are guests.
fn with_guests(facts: &Facts, what: Words, more: fn() -> Words) -> Words {
    match facts.guests() {
        Some(_) => what.and(&more()),
        None => what,
    }
}

fn own_homeservers(facts: &Facts, is_public: bool) -> Recipient {
    let names = facts.own_homeservers().join(", ");
    let passes_on = facts
        .focus
        .iter()
        .flat_map(|focus| &focus.registered)
        .any(|homeserver| homeserver.passes_on);
    let who = say!("Own homeserver", "Eigener Homeserver");
    let who = if names.is_empty() {
        who
    } else {
        Words::joined(&[who, same(names)], ": ")
    };
    let what = with_guests(
        facts,
        say!(
            "user, device, display name, address, when somebody joins and leaves: it keeps the history of its rooms",
            "Person, Gerät, Anzeigename, Adresse, wann jemand kommt und geht: Er bewahrt den Verlauf seiner Räume"
        ),
        guests::at_own_homeserver,
    );
    let what = if passes_on && !is_public {
        what.and(&say!(
            "(it also passes requests for tokens on to Hanse, so that no OpenID token leaves it)",
            "(er reicht auch Anfragen nach Token an Hanse weiter, sodass kein OpenID-Token ihn verlässt)"
        ))
    } else {
        what
    };
    Recipient { who, what }
}

fn turn(list: &mut Vec<Recipient>, facts: &Facts, is_public: bool) {
    if facts.turn.is_empty() {
        return;
    }
    let who = say!("TURN server", "TURN-Server");
    let urls = facts.turn.join(", ");
    list.push(Recipient {
        who: if is_public {
            who
        } else {
            Words::joined(&[who, same(urls)], ": ")
        },
        what: say!(
            "the address of devices that use it, when and how much; only sealed packets",
            "die Adresse der Geräte, die ihn benutzen, wann und wie viel; nur versiegelte Pakete"
        ),
    });
}

/// Who gets in, in sentences.
pub fn rules(facts: &Facts, is_public: bool) -> Vec<Words> {
    let mut rules = Vec::new();
    let Some(focus) = &facts.focus else {
        return vec![say!(
            "Whoever has a token that another service has signed.",
            "Wer ein Token hat, das ein anderer Dienst unterschrieben hat."
        )];
    };
    rules.push(match &focus.own {
        None => say!(
            "People of every homeserver may publish here (`full_access_homeservers` is `*`).",
            "Personen jedes Homeservers dürfen hier senden (`full_access_homeservers` ist `*`)."
        ),
        Some(own) => {
            let own = own.join(", ");
            say!(
                "People of {own} may publish here.",
                "Personen von {own} dürfen hier senden."
            )
        }
    });
    if !facts.publishing.is_empty() {
        let names = facts.publishing.join(", ");
        rules.push(if is_public {
            say!(
                "People of some other organisations may publish here, too.",
                "Personen einiger anderer Organisationen dürfen hier ebenfalls senden."
            )
        } else {
            say!(
                "Of other organisations, people of {names} may publish here, too.",
                "Von anderen Organisationen dürfen Personen von {names} hier ebenfalls senden."
            )
        });
    }
    if focus.own.is_some() {
        rules.push(if facts.strangers_denied {
            say!(
                "People of all other homeservers get into no call here.",
                "Personen aller anderen Homeserver kommen hier in kein Gespräch."
            )
        } else {
            say!(
                "People of all other homeservers may watch and listen in calls of rooms that they are in, also from countries outside \
                 the European Economic Area.",
                "Personen aller anderen Homeserver dürfen in Gesprächen von Räumen, in denen sie sind, zusehen und zuhören, auch aus \
                 Ländern außerhalb des Europäischen Wirtschaftsraums."
            )
        });
    }
    if !(facts.denied.is_empty() || is_public) {
        let names = facts.denied.join(", ");
        rules.push(say!(
            "Nobody of {names} gets in.",
            "Niemand von {names} kommt herein."
        ));
    }
    rules.push(if facts.knows_members() {
        say!(
            "Only members of the Matrix room get in, and whoever is removed from it is out of the call within seconds.",
            "Nur Mitglieder des Matrix-Raums kommen herein, und wer aus ihm entfernt wird, ist binnen Sekunden nicht mehr im Gespräch."
        )
    } else {
        say!(
            "This server is not told who is in a room: whoever knows the room's id and has an account gets a token, and could see who \
             calls when, but open no content.",
            "Dieser Server erfährt nicht, wer in einem Raum ist: Wer die Kennung des Raums kennt und ein Konto hat, bekommt ein Token \
             und könnte sehen, wer wann spricht, aber keinen Inhalt öffnen."
        )
    });
    rules.extend(facts.guests().map(|_| guests::rule()));
    rules
}

fn made(facts: &Facts, is_public: bool) -> Section {
    let rows = list(facts, is_public)
        .into_iter()
        .map(|recipient| vec![recipient.who, recipient.what]);
    let mut blocks = vec![
        Block::Table {
            head: vec![say!("Who", "Wer"), say!("What they learn", "Was sie erfahren")],
            rows: rows.collect(),
        },
        Block::Heading(say!("Who gets into calls here", "Wer hier in Gespräche kommt")),
        Block::List(rules(facts, is_public)),
    ];
    if !is_public {
        blocks.push(Block::Heading(say!(
            "Addresses of this server that clients learn",
            "Adressen dieses Servers, die Clients erfahren"
        )));
        blocks.push(Block::Text(offered(facts)));
    }
    Section {
        id: "recipients",
        title: say!("Who learns what", "Wer was erfährt"),
        blocks,
    }
}

fn offered(facts: &Facts) -> Words {
    let written: Vec<String> = facts.offered.iter().map(ToString::to_string).collect();
    if !written.is_empty() {
        let written = written.join(", ");
        return say!("For media: {written}.", "Für Medien: {written}.");
    }
    match (facts.stun.is_empty(), facts.offers_local) {
        (false, false) => say!(
            "For media: the one that STUN servers see, and none of the local network.",
            "Für Medien: die, die STUN-Server sehen, und keine des lokalen Netzes."
        ),
        (false, true) => say!(
            "For media: the one that STUN servers see, and those of the machine's interfaces, also private ones.",
            "Für Medien: die, die STUN-Server sehen, und die der Schnittstellen der Maschine, auch private."
        ),
        (true, _) => say!(
            "For media: those of the machine's interfaces, also private ones.",
            "Für Medien: die der Schnittstellen der Maschine, auch private."
        ),
    }
}

/// For the officer, with names.
pub fn section(facts: &Facts) -> Section {
    made(facts, false)
}

/// For everybody, with the names of this organisation's homeservers alone.
pub fn public(facts: &Facts) -> Section {
    made(facts, true)
}

/// Their names alone, in one sentence.
pub fn names(facts: &Facts) -> Words {
    let names: Vec<Words> = list(facts, false)
        .into_iter()
        .map(|recipient| recipient.who)
        .collect();
    Words::joined(&names, "; ")
}
