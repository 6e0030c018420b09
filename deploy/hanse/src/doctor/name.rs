//! The names that clients are told: do they have addresses, and of which families?

use super::sentence::{Check, Said, Sentence, Words, green, red};
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// How long name servers may take.
const TIMEOUT: Duration = Duration::from_secs(5);

static BOTH: Sentence = green(
    "name-both",
    "{0} has addresses by IPv4 and IPv6",
    "{0} hat Adressen für IPv4 und IPv6",
);
static IPV4: Sentence = green(
    "name-ipv4",
    "{0} has an address by IPv4, and none by IPv6: fine, as long as your people all have IPv4",
    "{0} hat eine Adresse für IPv4 und keine für IPv6: in Ordnung, solange alle Ihre Leute IPv4 haben",
);
static IPV6: Sentence = green(
    "name-ipv6",
    "{0} has an address by IPv6, and none by IPv4: who has no IPv6 does not get there",
    "{0} hat eine Adresse für IPv6 und keine für IPv4: wer kein IPv6 hat, kommt nicht hin",
);
static NONE: Sentence = red(
    "name-none",
    "{0} has no address: add an A or AAAA record for it at whoever keeps your DNS, or correct the name in homeserver.yaml and hanse.toml",
    "{0} hat keine Adresse: tragen Sie dort, wo Ihr DNS liegt, einen A- oder AAAA-Eintrag ein, oder korrigieren Sie den Namen in homeserver.yaml und hanse.toml",
    "The name stands in `livekit_service_url` (homeserver.yaml, .well-known) or `sfu_url` (hanse.toml). A fresh record may take as \
     long as the zone says until everybody sees it.",
);
static SILENT: Sentence = red(
    "name-silent",
    "the name servers do not say within 5 s where {0} is: look at /etc/resolv.conf of this machine",
    "die Namensserver sagen nicht innerhalb von 5 s, wo {0} ist: sehen Sie /etc/resolv.conf dieser Maschine an",
    "",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "name",
    en: "name",
    de: "Name",
    about: "Looks up the names of focus and SFU as clients are told them, for both families, with this machine's name servers and \
            hosts file.",
    sentences: &[&BOTH, &IPV4, &IPV6, &NONE, &SILENT],
};

/// What is known of one name; `None`: the name servers did not answer.
pub struct Facts {
    name: String,
    addresses: Option<Vec<IpAddr>>,
}

/// Looks a name up.
pub async fn look_up(name: &str) -> Facts {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let addresses = match timeout(TIMEOUT, lookup_host((bare, 443))).await {
        Err(_) => None,
        Ok(Err(_)) => Some(Vec::new()),
        Ok(Ok(found)) => Some(found.map(|address| address.ip()).collect()),
    };
    Facts {
        name: name.to_owned(),
        addresses,
    }
}

/// The worst of all names.
pub fn judge(names: &[Facts]) -> Said {
    let named = |facts: &Facts| Words::from(&facts.name);
    if let Some(silent) = names.iter().find(|facts| facts.addresses.is_none()) {
        return SILENT.with([named(silent)]);
    }
    let has = |facts: &Facts, family: fn(&IpAddr) -> bool| facts.addresses.iter().flatten().any(family);
    if let Some(none) = names.iter().find(|facts| !has(facts, |_| true)) {
        return NONE.with([named(none)]);
    }
    if let Some(old) = names.iter().find(|facts| !has(facts, IpAddr::is_ipv6)) {
        return IPV4.with([named(old)]);
    }
    if let Some(new) = names.iter().find(|facts| !has(facts, IpAddr::is_ipv4)) {
        return IPV6.with([named(new)]);
    }
    let all: Vec<&str> = names.iter().map(|facts| facts.name.as_str()).collect();
    BOTH.with([all.join(", ").into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, addresses: Option<&[&str]>) -> Facts {
        let addresses = addresses.map(|all| all.iter().map(|text| text.parse().unwrap()).collect());
        Facts {
            name: name.to_owned(),
            addresses,
        }
    }

    #[test]
    fn the_worst_of_all_names_is_said() {
        let good = || facts("a.example", Some(&["203.0.113.1", "2001:db8::1"]));
        for (other, id) in [
            (
                facts("b.example", Some(&["203.0.113.1", "2001:db8::1"])),
                "name-both",
            ),
            (facts("b.example", Some(&["203.0.113.1"])), "name-ipv4"),
            (facts("b.example", Some(&["2001:db8::1"])), "name-ipv6"),
            (facts("b.example", Some(&[])), "name-none"),
            (facts("b.example", None), "name-silent"),
        ] {
            let said = judge(&[good(), other]);
            assert_eq!(said.sentence.id, id);
            assert!(said.en().contains("b.example"), "{}", said.en());
        }
    }
}
