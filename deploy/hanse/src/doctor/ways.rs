//! By which ways media gets to the SFU: one of the two who call each other goes by UDP alone, the other one by TCP, and if there is a
//! relay, a third one by that.

use super::call::{Outcome, Party};
use super::sentence::{Check, Said, Sentence, green, grey, red};

static UDP_GOOD: Sentence = green(
    "udp-good",
    "media gets to UDP port {0}",
    "Medien kommen an UDP-Port {0} an",
);
static UDP_CLOSED: Sentence = red(
    "udp-closed",
    "no media gets to UDP port {0}: open it in the firewall and pass it on at the router; if it is open, see that `addresses` of [sfu] names where this server is reached",
    "keine Medien kommen an UDP-Port {0} an: öffnen Sie ihn in der Firewall und leiten Sie ihn am Router weiter; ist er offen, sehen Sie nach, ob `addresses` von [sfu] nennt, wo dieser Server zu erreichen ist",
    "Without UDP media takes TCP, where a lost packet holds up all that follow. If TCP is red as well, the address is the likeliest cause: \
     [How people reach a call](networks.md). Asked from this machine: a firewall that only stops others is not seen.",
);
static TCP_GOOD: Sentence = green(
    "tcp-good",
    "media gets to TCP port {0}",
    "Medien kommen an TCP-Port {0} an",
);
static TCP_CLOSED: Sentence = red(
    "tcp-closed",
    "no media gets to TCP port {0}: open it in the firewall and pass it on at the router; if it is open, see that `addresses` of [sfu] names where this server is reached",
    "keine Medien kommen an TCP-Port {0} an: öffnen Sie ihn in der Firewall und leiten Sie ihn am Router weiter; ist er offen, sehen Sie nach, ob `addresses` von [sfu] nennt, wo dieser Server zu erreichen ist",
    "People whose network lets no UDP through are in calls that stay silent and dark without it.",
);
static TCP_OFF: Sentence = grey(
    "tcp-off",
    "not tried: `tcp_port` of [sfu] is 0, so people whose network lets no UDP through hear and see nothing",
    "nicht versucht: `tcp_port` von [sfu] ist 0; wessen Netz kein UDP durchlässt, hört und sieht also nichts",
);

static TURN_GOOD: Sentence = green(
    "turn-good",
    "media gets through the relay, which was reached by {0}",
    "Medien kommen durch das Relay, das über {0} erreicht wurde",
);
static TURN_CLOSED: Sentence = red(
    "turn-closed",
    "no media gets through the relay ({0}): start coturn, give it the secret of `turn_secret_file`, a certificate that is believed, and the SFU's addresses in `allowed-peer-ip`",
    "keine Medien kommen durch das Relay ({0}): starten Sie coturn, geben Sie ihm das Geheimnis von `turn_secret_file`, ein Zertifikat, dem geglaubt wird, und die Adressen des SFU in `allowed-peer-ip`",
    "`hanse setup --turn` writes these into `turnserver.conf`, as [How people reach a call](networks.md#a-relay-for-strict-networks) says. coturn's own      log tells which it is: nothing stands there if it is not reached, 401 for another secret, 403 for an address that it leads nobody to. Of      several addresses in `turn_urls` one that works is enough.",
);
static TURN_OFF: Sentence = grey(
    "turn-off",
    "not tried: `turn_urls` of [sfu] is empty, so people whose network lets nothing out but TLS to port 443 hear and see nothing",
    "nicht versucht: `turn_urls` von [sfu] ist leer; wessen Netz nichts hinauslässt als TLS zu Port 443, hört und sieht also nichts",
);

/// Media by UDP.
pub static UDP: Check = Check {
    id: "udp",
    en: "media by UDP",
    de: "Medien über UDP",
    about: "The first of the two who call each other goes by UDP alone, to an address that the SFU offers.",
    sentences: &[&UDP_GOOD, &UDP_CLOSED],
};

/// Media by TCP.
pub static TCP: Check = Check {
    id: "tcp",
    en: "media by TCP",
    de: "Medien über TCP",
    about: "The second one goes by TCP alone.",
    sentences: &[&TCP_GOOD, &TCP_CLOSED, &TCP_OFF],
};

/// Media by a relay.
pub static TURN: Check = Check {
    id: "turn",
    en: "media by a relay",
    de: "Medien über ein Relay",
    about: "If there are `turn_urls`: a third one in the same call goes by that TURN server alone, by UDP, TCP or TLS as the addresses say, with credentials \
            as the SFU gives them to everybody.",
    sentences: &[&TURN_GOOD, &TURN_CLOSED, &TURN_OFF],
};

/// All, in the order of those who call.
pub static CHECKS: [&Check; 3] = [&UDP, &TCP, &TURN];

/// What to say of these ways; `None` where a call that did not come about tells nothing of it.
pub fn judge(outcome: &Outcome, udp_port: u16, tcp_port: u16, turn_urls: &[String]) -> [Option<Said>; 3] {
    let (parties, relayed) = match outcome {
        Outcome::Held { pair, relayed } => (Some(&**pair), relayed.as_ref()),
        _ => (None, None),
    };
    let said = |party: &Party, good: &'static Sentence, closed: &'static Sentence, port: u16| {
        let sentence = if party.has_media() {
            good
        } else if party.is_joined {
            closed
        } else {
            return None;
        };
        Some(sentence.with([port.into()]))
    };
    let udp = parties.and_then(|[by_udp, _]| said(by_udp, &UDP_GOOD, &UDP_CLOSED, udp_port));
    let tcp = match tcp_port {
        0 => Some(TCP_OFF.plain()),
        _ => parties.and_then(|[_, by_tcp]| said(by_tcp, &TCP_GOOD, &TCP_CLOSED, tcp_port)),
    };
    let turn = match turn_urls {
        [] => Some(TURN_OFF.plain()),
        _ => relayed.and_then(|party| match party {
            Party { turn: Some(turn), .. } => Some(TURN_GOOD.with([turn.to_uppercase().into()])),
            // One that had to be killed has not said by which way it went.
            _ if party.has_media() => Some(TURN_GOOD.with([turn_urls.join(", ").into()])),
            _ if party.is_joined || parties.is_some_and(|pair| pair.iter().all(|party| party.is_joined)) => {
                Some(TURN_CLOSED.with([turn_urls.join(", ").into()]))
            }
            _ => None,
        }),
    };
    [udp, tcp, turn]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(udp: Party, tcp: Party, tcp_port: u16) -> [Option<&'static str>; 2] {
        let [udp, tcp, turn] = ids([udp, tcp], None, tcp_port, &[]);
        assert_eq!(turn, Some("turn-off"));
        [udp, tcp]
    }

    fn ids(
        pair: [Party; 2],
        relayed: Option<Party>,
        tcp_port: u16,
        turn_urls: &[String],
    ) -> [Option<&'static str>; 3] {
        judge(
            &Outcome::Held {
                pair: Box::new(pair),
                relayed,
            },
            7882,
            tcp_port,
            turn_urls,
        )
        .map(|said| said.map(|said| said.sentence.id))
    }

    #[test]
    fn a_relay_that_lets_nothing_through_is_red_and_one_that_nobody_tried_tells_nothing() {
        let urls = ["turns:turn.org-a.example:443?transport=tcp".to_owned()];
        let joined = Party {
            is_joined: true,
            ..Party::default()
        };
        let there = Party {
            is_connected: true,
            turn: Some("tls".to_owned()),
            ..joined.clone()
        };
        let turn = |pair: &Party, relayed| ids([pair.clone(), pair.clone()], relayed, 7881, &urls)[2];
        assert_eq!(turn(&there, Some(there.clone())), Some("turn-good"));
        assert_eq!(turn(&there, Some(joined)), Some("turn-closed"));
        assert_eq!(turn(&Party::default(), Some(Party::default())), None);
        assert_eq!(turn(&there, None), None);
    }

    #[test]
    fn each_way_has_its_own_line_and_who_never_joined_tells_nothing() {
        let joined = Party {
            is_joined: true,
            ..Party::default()
        };
        let there = Party {
            is_connected: true,
            ..joined.clone()
        };
        assert_eq!(
            said(there.clone(), there.clone(), 7881),
            [Some("udp-good"), Some("tcp-good")]
        );
        assert_eq!(
            said(joined.clone(), there.clone(), 7881),
            [Some("udp-closed"), Some("tcp-good")]
        );
        assert_eq!(
            said(there.clone(), joined, 7881),
            [Some("udp-good"), Some("tcp-closed")]
        );
        assert_eq!(said(Party::default(), Party::default(), 7881), [None, None]);
        assert_eq!(said(there.clone(), there, 0), [Some("udp-good"), Some("tcp-off")]);
    }
}
