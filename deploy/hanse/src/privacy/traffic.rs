//! The list for whoever keeps the firewall.

use super::facts::Facts;
use super::flows::{self, Flow};
use super::report::{Block, Section};
use super::words::{Words, same, say};

/// Where people's browsers connect to from the page that this server shows them.
fn page(facts: &Facts) -> Words {
    let Some(web) = &facts.web else {
        return say!(
            "This server shows no page with which people's browsers hold calls.",
            "Dieser Server zeigt keine Seite, mit der Browser Gespräche führen."
        );
    };
    let homeservers: Vec<&str> = web.homeservers.iter().map(|(_, url)| url.as_str()).collect();
    let homeservers = homeservers.join(", ");
    let own = if homeservers.is_empty() {
        say!(
            "From the page at `/`, people's browsers connect to this server",
            "Von der Seite unter `/` verbinden sich Browser mit diesem Server"
        )
    } else {
        say!(
            "From the page at `/`, people's browsers connect to this server, to {homeservers}",
            "Von der Seite unter `/` verbinden sich Browser mit diesem Server, mit {homeservers}"
        )
    };
    let others = match &web.organisations {
        None => say!(
            "and to every server with TLS on which somebody in the call publishes (`organisations` in `[web]` is `*`).",
            "und mit jedem Server mit TLS, auf dem jemand im Gespräch sendet (`organisations` in `[web]` ist `*`)."
        ),
        Some(addresses) if addresses.is_empty() => say!(
            "and to nothing else: the browser refuses it.",
            "und mit nichts sonst: Der Browser lehnt es ab."
        ),
        Some(addresses) => {
            let addresses = addresses.join(", ");
            say!(
                "and to {addresses}, and to nothing else: the browser refuses it.",
                "und mit {addresses}, und mit nichts sonst: Der Browser lehnt es ab."
            )
        }
    };
    own.and(&others)
}

/// Both directions.
pub fn section(facts: &Facts) -> Section {
    let table = |place, flows: Vec<Flow>| {
        let rows = flows.into_iter().map(|flow| {
            vec![
                flow.place,
                same(flow.protocol),
                flow.port,
                flow.purpose,
                flow.data,
            ]
        });
        Block::Table {
            head: vec![
                place,
                say!("Protocol", "Protokoll"),
                say!("Port", "Port"),
                say!("What for", "Wozu"),
                say!("What is known there", "Was dort bekannt wird"),
            ],
            rows: rows.collect(),
        }
    };
    let out = flows::outgoing(facts);
    let mut blocks = vec![Block::Heading(say!("Outgoing", "Ausgehend"))];
    if out.is_empty() {
        blocks.push(Block::Text(say!(
            "Hanse opens no connection by itself. A firewall may refuse all of them.",
            "Hanse baut von sich aus keine Verbindung auf. Eine Firewall darf alle ablehnen."
        )));
    } else {
        blocks.push(Block::Text(say!(
            "Every connection that Hanse opens; a firewall may refuse all others. Media go out from the media port only, in answer to \
             what came in. `hanse doctor`, when an administrator runs it, also connects to the public name of this server, and with \
             `--with` to another organisation.",
            "Jede Verbindung, die Hanse aufbaut; eine Firewall darf alle anderen ablehnen. Medien gehen nur vom Medienport hinaus, als \
             Antwort auf das, was hereinkam. `hanse doctor` verbindet sich, wenn die Administration es ausführt, auch mit dem \
             öffentlichen Namen dieses Servers und mit `--with` mit einer anderen Organisation."
        )));
        blocks.push(table(say!("To", "Wohin"), out));
    }
    blocks.push(Block::Heading(say!("Incoming", "Eingehend")));
    blocks.push(table(say!("Where", "Wo"), flows::incoming(facts)));
    if let Some(focus) = &facts.focus {
        let url = &focus.sfu_url;
        blocks.push(Block::Text(say!(
            "Clients are sent to `{url}`.",
            "Clients werden zu `{url}` geschickt."
        )));
    }
    if facts.focus.is_some() {
        blocks.push(Block::Text(page(facts)));
    }
    if !facts.turn.is_empty() {
        let urls = facts.turn.join(", ");
        blocks.push(Block::Text(say!(
            "Clients, not this server, connect to the TURN servers {urls}; these send on to the media port.",
            "Clients, nicht dieser Server, verbinden sich mit den TURN-Servern {urls}; diese senden weiter an den Medienport."
        )));
    }
    Section {
        id: "traffic",
        title: say!("Connections, for the firewall", "Verbindungen, für die Firewall"),
        blocks,
    }
}
