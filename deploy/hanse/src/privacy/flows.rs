//! Every connection that Hanse opens and every port on which it listens, from the configuration: what a firewall has to let pass,
//! and what goes over the wire there.

use super::facts::{Facts, FocusFacts, Listening, StoreFacts};
use super::guests;
use super::words::{Words, same, say};
use reqwest::Url;
use std::net::IpAddr;

/// One connection, or one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The other end of an outgoing one, the local address of an incoming one.
    pub place: Words,
    /// `TCP` or `UDP`.
    pub protocol: &'static str,
    /// One port, or words about several.
    pub port: Words,
    /// What for.
    pub purpose: Words,
    /// What is known there of people.
    pub data: Words,
}

/// The port of `https`.
const HTTPS_PORT: u16 = 443;

/// The federation port of a homeserver that says nothing else (Matrix server-server API, "Resolving server names").
const FEDERATION_PORT: u16 = 8448;

/// The port of DNS.
const DNS_PORT: u16 = 53;

/// Every connection that Hanse opens by itself.
pub fn outgoing(facts: &Facts) -> Vec<Flow> {
    let mut flows = Vec::new();
    if let Some(focus) = &facts.focus {
        homeservers(&mut flows, focus, facts.guests().is_some());
        database(&mut flows, &focus.store);
        if let Some(url) = &focus.sfu_elsewhere {
            flows.push(to_url(
                url,
                &say!(
                    "SFU elsewhere: rooms are made, people are removed",
                    "SFU anderswo: Räume anlegen, Personen entfernen"
                ),
                &say!(
                    "names of rooms and devices on the SFU",
                    "Namen von Räumen und Geräten auf der SFU"
                ),
            ));
        }
    }
    for url in &facts.webhooks {
        flows.push(to_url(
            url.as_str(),
            &say!(
                "Webhook: who comes and goes, what is published (`webhook_urls`)",
                "Webhook: wer kommt und geht, was gesendet wird (`webhook_urls`)"
            ),
            &say!(
                "names of rooms and devices on the SFU, times",
                "Namen von Räumen und Geräten auf der SFU, Zeiten"
            ),
        ));
    }
    for (host, port) in &facts.stun {
        flows.push(Flow {
            place: same(host),
            protocol: "UDP",
            port: same(port),
            purpose: say!(
                "STUN: from which address is this server seen? At the start and every five minutes",
                "STUN: unter welcher Adresse wird dieser Server gesehen? Beim Start und alle fünf Minuten"
            ),
            data: nobody(),
        });
    }
    if let Some(acme) = facts.tls.as_ref().and_then(|tls| tls.acme.as_ref()) {
        let names = acme.names.join(", ");
        let data = match &acme.contact {
            Some(contact) => say!(
                "the name {names}, which the authority publishes, and the address {contact}",
                "den Namen {names}, den die Stelle veröffentlicht, und die Adresse {contact}"
            ),
            None => say!(
                "the name {names}, which the authority publishes; nothing about people",
                "den Namen {names}, den die Stelle veröffentlicht; nichts über Personen"
            ),
        };
        flows.push(to_url(
            &acme.directory,
            &say!("Certificate by ACME", "Zertifikat über ACME"),
            &data,
        ));
    }
    if !flows.is_empty() {
        flows.push(Flow {
            place: say!(
                "the name servers of this machine",
                "die Nameserver dieser Maschine"
            ),
            protocol: "UDP, TCP",
            port: same(DNS_PORT),
            purpose: say!("DNS: names of the places above", "DNS: Namen der Orte oben"),
            data: say!(
                "names of homeservers whose people ask to join",
                "Namen von Homeservern, deren Personen teilnehmen wollen"
            ),
        });
    }
    flows
}

fn homeservers(flows: &mut Vec<Flow>, focus: &FocusFacts, has_guests: bool) {
    for homeserver in &focus.registered {
        let name = &homeserver.name;
        let mut purpose = vec![say!(
            "Own homeserver {name}: who is in a room and may what; delayed leaves",
            "Eigener Homeserver {name}: wer im Raum ist und was darf; verzögerte Abmeldungen"
        )];
        let mut data = vec![say!(
            "Matrix ids of people and rooms",
            "Matrix-Kennungen von Personen und Räumen"
        )];
        if has_guests {
            purpose.push(guests::asked_of_homeserver());
            data.push(guests::told_to_homeserver());
        }
        flows.push(to_url(
            &homeserver.url,
            &Words::joined(&purpose, "; "),
            &Words::joined(&data, "; "),
        ));
    }
    for (name, url) in &focus.client_apis {
        flows.push(to_url(
            url,
            &say!(
                "Homeserver {name} (`client_api_urls`): delayed leaves",
                "Homeserver {name} (`client_api_urls`): verzögerte Abmeldungen"
            ),
            &say!("names of delayed leaves", "Namen verzögerter Abmeldungen"),
        ));
    }
    let asked = say!(
        "Homeservers of whoever asks to join: is this person who they say? And delayed leaves of people who may publish here \
         (`/_matrix/federation`, `/_matrix/client`, `/.well-known/matrix`)",
        "Homeserver dessen, der teilnehmen will: ist die Person, wer sie sagt? Und verzögerte Abmeldungen derer, die hier senden dürfen \
         (`/_matrix/federation`, `/_matrix/client`, `/.well-known/matrix`)"
    );
    let proof = say!(
        "the OpenID token of the person and the name of their delayed leave, to their own homeserver alone",
        "das OpenID-Token der Person und der Name ihrer verzögerten Abmeldung, nur an ihren eigenen Homeserver"
    );
    let ports = say!(
        "{HTTPS_PORT}, {FEDERATION_PORT}, or the one that the homeserver names",
        "{HTTPS_PORT}, {FEDERATION_PORT} oder der, den der Homeserver nennt"
    );
    let mut to = |place| {
        flows.push(Flow {
            place,
            protocol: "TCP",
            port: ports.clone(),
            purpose: asked.clone(),
            data: proof.clone(),
        });
    };
    to(say!("any public address", "jede öffentliche Adresse"));
    for network in &focus.networks {
        to(say!(
            "{network} (`allowed_networks`)",
            "{network} (`allowed_networks`)"
        ));
    }
}

fn database(flows: &mut Vec<Flow>, store: &StoreFacts) {
    let StoreFacts::Postgres {
        host,
        port,
        database,
        is_checked,
    } = store
    else {
        return;
    };
    // A folder is the place of a socket.
    if host.starts_with('/') {
        return;
    }
    let purpose = if *is_checked {
        say!(
            "PostgreSQL, database {database}; encrypted, certificate checked",
            "PostgreSQL, Datenbank {database}; verschlüsselt, Zertifikat geprüft"
        )
    } else {
        say!(
            "PostgreSQL, database {database}; encryption and certificate are not insisted on",
            "PostgreSQL, Datenbank {database}; auf Verschlüsselung und Zertifikat wird nicht bestanden"
        )
    };
    flows.push(Flow {
        place: same(host),
        protocol: "TCP",
        port: same(port),
        purpose,
        data: say!(
            "what is in the database, see there",
            "was in der Datenbank steht, siehe dort"
        ),
    });
}

/// Every port on which Hanse listens.
pub fn incoming(facts: &Facts) -> Vec<Flow> {
    let mut flows = vec![at(
        &facts.http,
        "TCP",
        say!(
            "HTTP: signalling, the focus, pages, the server API; plain, for a reverse proxy with TLS",
            "HTTP: Signalisierung, Fokus, Seiten, Server-API; unverschlüsselt, für einen Reverse-Proxy mit TLS"
        ),
        asked_by_people(facts),
    )];
    if let Some(tls) = &facts.tls {
        flows.push(at(
            &tls.here,
            "TCP",
            say!("HTTPS: the same, encrypted", "HTTPS: dasselbe, verschlüsselt"),
            asked_by_people(facts),
        ));
        if tls.redirect_port != 0 {
            let redirect = Listening {
                addresses: tls.here.addresses.clone(),
                port: tls.redirect_port,
            };
            flows.push(at(
                &redirect,
                "TCP",
                say!(
                    "HTTP that is sent on to HTTPS",
                    "HTTP, das auf HTTPS verwiesen wird"
                ),
                say!("address of the device", "Adresse des Geräts"),
            ));
        }
    }
    let media = say!(
        "address of the device; sealed sound and pictures; how loud somebody speaks",
        "Adresse des Geräts; versiegelte Töne und Bilder; wie laut jemand spricht"
    );
    flows.push(at(
        &facts.udp,
        "UDP",
        say!(
            "Media of everybody in a call, also from TURN servers; only what came in is answered",
            "Medien aller im Gespräch, auch von TURN-Servern; beantwortet wird nur, was hereinkam"
        ),
        media.clone(),
    ));
    if let Some(tcp) = &facts.tcp {
        flows.push(at(
            tcp,
            "TCP",
            say!(
                "Media of people whose network lets no UDP through",
                "Medien von Personen, deren Netz kein UDP durchlässt"
            ),
            media,
        ));
    }
    if let Some(metrics) = &facts.metrics {
        flows.push(at(
            metrics,
            "TCP",
            say!(
                "Numbers for monitoring, without a password",
                "Zahlen zur Überwachung, ohne Passwort"
            ),
            nobody(),
        ));
    }
    if let Some((metrics, is_guarded)) = &facts.livekit_metrics {
        let purpose = if *is_guarded {
            say!(
                "Numbers under LiveKit's names, behind a password",
                "Zahlen unter LiveKits Namen, hinter einem Passwort"
            )
        } else {
            say!(
                "Numbers under LiveKit's names, without a password",
                "Zahlen unter LiveKits Namen, ohne Passwort"
            )
        };
        flows.push(at(metrics, "TCP", purpose, nobody()));
    }
    flows
}

fn asked_by_people(facts: &Facts) -> Words {
    if facts.focus.is_some() {
        let with_account = say!(
            "address of the device, Matrix id, device, room, token",
            "Adresse des Geräts, Matrix-Kennung, Gerät, Raum, Token"
        );
        match facts.guests() {
            Some(_) => Words::joined(&[with_account, guests::asked_by_guests()], "; "),
            None => with_account,
        }
    } else {
        say!(
            "address of the device, name on the SFU, token",
            "Adresse des Geräts, Name auf der SFU, Token"
        )
    }
}

fn nobody() -> Words {
    say!("nothing about people", "nichts über Personen")
}

fn at(here: &Listening, protocol: &'static str, purpose: Words, data: Words) -> Flow {
    let addresses: Vec<Words> = here.addresses.iter().map(local).collect();
    Flow {
        place: Words::joined(&addresses, ", "),
        protocol,
        port: same(here.port),
        purpose,
        data,
    }
}

fn local(address: &IpAddr) -> Words {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => say!("all of IPv4", "alle IPv4"),
        IpAddr::V6(v6) if v6.is_unspecified() => say!("all of IPv6", "alle IPv6"),
        address => same(address),
    }
}

fn to_url(url: &str, purpose: &Words, data: &Words) -> Flow {
    let parsed = Url::parse(url).ok();
    let host = parsed.as_ref().and_then(Url::host_str);
    let port = parsed.as_ref().and_then(Url::port_or_known_default);
    Flow {
        place: same(host.unwrap_or(url)),
        protocol: "TCP",
        port: same(port.unwrap_or(HTTPS_PORT)),
        purpose: purpose.clone(),
        data: data.clone(),
    }
}
