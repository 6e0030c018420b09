//! Who is what to whom: controllers side by side, together, or processor (Art. 26 and 28 GDPR).

use super::facts::Facts;
use super::report::{Block, Section};
use super::words::{Words, say};
use reqwest::Url;

/// For the officer.
pub fn section(facts: &Facts) -> Section {
    let mut list = vec![say!(
        "Other organisations with their own homeserver and their own Hanse: as a rule each is a controller for itself. Each admits its own \
         people, decides about its server, and gets the data that its own server sees. Whoever runs calls together for a common purpose, \
         such as a joint committee, should look at joint controllership (Art. 26) and agree who informs whom.",
        "Andere Organisationen mit eigenem Homeserver und eigener Hanse: in der Regel jede für sich verantwortlich. Jede lässt die \
         Ihren ein, entscheidet über ihren Server und bekommt die Daten, die ihr eigener Server sieht. Wer Gespräche gemeinsam zu einem \
         gemeinsamen Zweck führt, etwa in einem Gremium, sollte gemeinsame Verantwortlichkeit prüfen (Art. 26) und vereinbaren, wer \
         wen informiert."
    )];
    if !facts.publishing.is_empty() {
        let names = facts.publishing.join(", ");
        list.push(say!(
            "{names}: their people publish here as if they were yours (`publishing_homeservers`). If they have no Hanse of their own and \
             you run it for them, you may be their processor: a contract by Art. 28(3) is then needed.",
            "{names}: Ihre Personen senden hier, als gehörten sie zu Ihnen (`publishing_homeservers`). Haben sie keine eigene Hanse und \
             betreiben Sie sie für sie, können Sie ihr Auftragsverarbeiter sein: Dann ist ein Vertrag nach Art. 28 Abs. 3 nötig."
        ));
    }
    if let Some(focus) = &facts.focus {
        if focus.own.as_ref().is_some_and(|own| own.len() > 1) || focus.registered.len() > 1 {
            let names = facts.own_homeservers().join(", ");
            list.push(say!(
                "Several homeservers are called own ones: {names}. If they belong to different legal persons, clear up between them who is \
                 controller and who processor.",
                "Mehrere Homeserver gelten als eigene: {names}. Gehören sie verschiedenen Rechtsträgern, klären Sie untereinander, wer \
                 verantwortlich und wer Auftragsverarbeiter ist."
            ));
        }
        if let Some(url) = &focus.sfu_elsewhere {
            list.push(say!(
                "The SFU at {url}: if somebody else runs it, it is a processor (Art. 28).",
                "Die SFU unter {url}: Betreibt sie jemand anderes, ist er Auftragsverarbeiter (Art. 28)."
            ));
        }
    }
    list.extend(processors(facts));
    list.push(say!(
        "The makers of Hanse get no data, have no access and are no processors. Whoever maintains your server may be one.",
        "Die Hersteller von Hanse bekommen keine Daten, haben keinen Zugang und sind keine Auftragsverarbeiter. Wer Ihren Server wartet, \
         kann einer sein."
    ));
    Section {
        id: "roles",
        title: say!(
            "Roles between organisations (Art. 26 and 28 GDPR)",
            "Rollen zwischen Organisationen (Art. 26 und 28 DSGVO)"
        ),
        blocks: vec![
            Block::Text(say!(
                "Suggestions; the controller decides by what was really agreed.",
                "Vorschläge; der Verantwortliche entscheidet nach dem, was wirklich vereinbart ist."
            )),
            Block::List(list),
        ],
    }
}

fn processors(facts: &Facts) -> Vec<Words> {
    let mut list = Vec::new();
    if !facts.turn.is_empty() {
        let urls = facts.turn.join(", ");
        list.push(say!(
            "TURN at {urls}: whoever runs it sees addresses and times; if it is not you, it is a processor.",
            "TURN unter {urls}: Wer es betreibt, sieht Adressen und Zeiten; sind Sie es nicht, ist er Auftragsverarbeiter."
        ));
    }
    for url in &facts.webhooks {
        let host = url.host_str().unwrap_or_default();
        list.push(say!(
            "Webhooks to {host}: the receiver is a processor, or a controller of its own if it decides what for.",
            "Webhooks an {host}: Der Empfänger ist Auftragsverarbeiter, oder selbst verantwortlich, wenn er über den Zweck entscheidet."
        ));
    }
    if !facts.stun.is_empty() {
        let hosts: Vec<&str> = facts.stun.iter().map(|(host, _)| host.as_str()).collect();
        let hosts = hosts.join(", ");
        list.push(say!(
            "STUN at {hosts} sees the address of this server alone: no data of people.",
            "STUN unter {hosts} sieht nur die Adresse dieses Servers: keine Daten von Personen."
        ));
    }
    if let Some(acme) = facts.tls.as_ref().and_then(|tls| tls.acme.as_ref()) {
        let directory = Url::parse(&acme.directory).ok();
        let host = directory.as_ref().and_then(Url::host_str).unwrap_or_default();
        list.push(say!(
            "The certificate authority at {host} is a controller of its own for what it publishes about certificates.",
            "Die Zertifizierungsstelle unter {host} ist selbst verantwortlich für das, was sie über Zertifikate veröffentlicht."
        ));
    }
    list
}
