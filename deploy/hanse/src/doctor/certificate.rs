//! The certificate: believed, for this name, and for how long still.

use super::sentence::{Check, Said, Sentence, green, grey, red};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as TlsError};
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long connecting may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// With less time left the renewal has failed already: authorities' programs renew a third of the lifetime ahead, and the shortest lifetimes
/// in use are 6 days.
const DAYS_LEFT_MIN: i64 = 2;

static GOOD: Sentence = green(
    "certificate-good",
    "valid for {0}, {1} more days",
    "gültig für {0}, noch {1} Tage",
);
static EXPIRED: Sentence = red(
    "certificate-expired",
    "the certificate of {0} has expired: renew it (with certbot: `certbot renew`), then have the reverse proxy load it again",
    "das Zertifikat von {0} ist abgelaufen: erneuern Sie es (mit certbot: `certbot renew`) und lassen Sie den Reverse-Proxy es neu laden",
    "If it was renewed and this still stands here, the proxy has the old one in memory: reload it.",
);
static EXPIRES: Sentence = red(
    "certificate-expires",
    "the certificate of {0} ends in {1} days, and nobody has renewed it: look why the renewal does not run",
    "das Zertifikat von {0} endet in {1} Tagen, und niemand hat es erneuert: sehen Sie nach, warum die Erneuerung nicht läuft",
    "`systemctl list-timers` shows whether the renewal is planned at all; `certbot renew --dry-run` says what hinders it.",
);
static NOT_YET: Sentence = red(
    "certificate-not-yet",
    "the certificate of {0} is not valid yet: is the clock of this machine right?",
    "das Zertifikat von {0} ist noch nicht gültig: geht die Uhr dieser Maschine richtig?",
    "",
);
static OTHER_NAME: Sentence = red(
    "certificate-other-name",
    "the certificate that {0} shows is for another name: get one for {0}, and name it in the proxy's server block for {0}",
    "das Zertifikat, das {0} zeigt, ist für einen anderen Namen: holen Sie eines für {0} und nennen Sie es im Server-Block des Proxys für {0}",
    "Often the proxy has no block for the name and takes its first one.",
);
static UNKNOWN_ISSUER: Sentence = red(
    "certificate-unknown-issuer",
    "nobody whom clients believe has signed the certificate of {0}, or its chain is incomplete: serve `fullchain.pem` and not `cert.pem`",
    "niemand, dem Clients glauben, hat das Zertifikat von {0} unterschrieben, oder seine Kette ist unvollständig: liefern Sie `fullchain.pem` aus und nicht `cert.pem`",
    "Browsers mend an incomplete chain themselves, phones and servers do not. An authority of your own goes into `ca_files` of \
     [homeservers], and onto everybody's devices.",
);
static INVALID: Sentence = red(
    "certificate-invalid",
    "the certificate of {0} is not valid: get a new one",
    "das Zertifikat von {0} ist nicht gültig: holen Sie ein neues",
    "",
);
static NO_TLS: Sentence = red(
    "certificate-no-tls",
    "{0} does not speak TLS on port {1}: have the reverse proxy listen there with `ssl`",
    "{0} spricht auf Port {1} kein TLS: lassen Sie den Reverse-Proxy dort mit `ssl` lauschen",
    "",
);
static NO_CONNECTION: Sentence = red(
    "certificate-no-connection",
    "nobody answers at {0}, port {1}: start the reverse proxy, and let the port through the firewall",
    "bei {0}, Port {1}, antwortet niemand: starten Sie den Reverse-Proxy und lassen Sie den Port durch die Firewall",
    "If the proxy runs, the name may lead to another machine: compare its address (`getent hosts NAME`) with this machine's.",
);
static PLAIN: Sentence = red(
    "certificate-plain",
    "clients are told {0} without TLS, and browsers refuse that from pages with TLS: write https:// and wss:// in homeserver.yaml and hanse.toml",
    "Clients wird {0} ohne TLS genannt, und Browser lehnen das von Seiten mit TLS aus ab: schreiben Sie https:// und wss:// in homeserver.yaml und hanse.toml",
    "",
);
static LOOPBACK: Sentence = grey(
    "certificate-loopback",
    "{0} is this machine, where nobody needs TLS; nobody else gets there",
    "{0} ist diese Maschine, da braucht niemand TLS; sonst kommt da niemand hin",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "certificate",
    en: "certificate",
    de: "Zertifikat",
    about: "Connects to focus and SFU as a stranger does and checks the certificate: its name, its time, and whether its chain leads to an \
            authority that this system or `ca_files` believes.",
    sentences: &[
        &GOOD,
        &EXPIRED,
        &EXPIRES,
        &NOT_YET,
        &OTHER_NAME,
        &UNKNOWN_ISSUER,
        &INVALID,
        &NO_TLS,
        &NO_CONNECTION,
        &PLAIN,
        &LOOPBACK,
    ],
};

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether by TLS.
    pub is_tls: bool,
}

impl Place {
    /// Of `https://…` and `wss://…`, and without the s.
    pub fn of(url: &str) -> Option<Self> {
        let url: http::Uri = url.parse().ok()?;
        let is_tls = match url.scheme_str()? {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return None,
        };
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Some(Place {
            host: url.host()?.to_owned(),
            port,
            is_tls,
        })
    }

    /// The name or address as programs look it up: IPv6 without its brackets.
    pub fn bare(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    fn is_loopback(&self) -> bool {
        let address = self.bare().parse::<std::net::IpAddr>();
        address.is_ok_and(|address| address.is_loopback())
            || self.host == "localhost"
            || self.host.ends_with(".localhost")
    }
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Believed; so many days are left.
    Believed(i64),
    /// Not believed.
    NotBelieved(Doubt),
    /// Something answers, and not by TLS.
    NoTls,
    /// Nothing answers.
    NoConnection,
    /// Nobody wants TLS there.
    Plain,
}

/// Why a certificate is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Over.
    Expired,
    /// Not begun.
    NotYet,
    /// For somebody else.
    OtherName,
    /// Signed by nobody known.
    UnknownIssuer,
    /// Something else.
    Other,
}

/// Connects.
pub async fn look_at(place: &Place, tls: &Arc<ClientConfig>, now_unix_s: i64) -> Found {
    if !place.is_tls {
        return Found::Plain;
    }
    let Ok(name) = ServerName::try_from(place.bare().to_owned()) else {
        return Found::NotBelieved(Doubt::OtherName);
    };
    let Ok(Ok(stream)) = timeout(TIMEOUT, TcpStream::connect((place.bare(), place.port))).await else {
        return Found::NoConnection;
    };
    match timeout(TIMEOUT, TlsConnector::from(Arc::clone(tls)).connect(name, stream)).await {
        Err(_) => Found::NoTls,
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let certificate = session.peer_certificates().and_then(|chain| chain.first());
            let end = certificate.and_then(|der| X509Certificate::from_der(der).ok());
            match end {
                Some((_, certificate)) => {
                    Found::Believed((certificate.validity().not_after.timestamp() - now_unix_s) / 86_400)
                }
                None => Found::NotBelieved(Doubt::Other),
            }
        }
        Ok(Err(error)) => match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(TlsError::InvalidCertificate(why)) => Found::NotBelieved(match why {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Doubt::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Doubt::NotYet,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Doubt::OtherName
                }
                CertificateError::UnknownIssuer => Doubt::UnknownIssuer,
                _ => Doubt::Other,
            }),
            _ => Found::NoTls,
        },
    }
}

/// The worst of all places.
pub fn judge(found: &[(Place, Found)]) -> Said {
    let mut good = Vec::new();
    let mut days_left = i64::MAX;
    let mut grey = None;
    for (place, found) in found {
        let host = || place.host.clone().into();
        match found {
            Found::Believed(days) if *days < DAYS_LEFT_MIN => return EXPIRES.with([host(), (*days).into()]),
            Found::Believed(days) => {
                days_left = days_left.min(*days);
                good.push(place.host.as_str());
            }
            Found::NotBelieved(Doubt::Expired) => return EXPIRED.with([host()]),
            Found::NotBelieved(Doubt::NotYet) => return NOT_YET.with([host()]),
            Found::NotBelieved(Doubt::OtherName) => return OTHER_NAME.with([host()]),
            Found::NotBelieved(Doubt::UnknownIssuer) => return UNKNOWN_ISSUER.with([host()]),
            Found::NotBelieved(Doubt::Other) => return INVALID.with([host()]),
            Found::NoTls => return NO_TLS.with([host(), place.port.into()]),
            Found::NoConnection => return NO_CONNECTION.with([host(), place.port.into()]),
            Found::Plain if place.is_loopback() => grey = Some(LOOPBACK.with([host()])),
            Found::Plain => return PLAIN.with([host()]),
        }
    }
    match grey {
        Some(said) => said,
        None => GOOD.with([good.join(", ").into(), days_left.into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place::of(url).unwrap()
    }

    #[test]
    fn each_fault_has_its_sentence_and_names_the_host() {
        for (found, id) in [
            (Found::Believed(60), "certificate-good"),
            (Found::Believed(1), "certificate-expires"),
            (Found::NotBelieved(Doubt::Expired), "certificate-expired"),
            (Found::NotBelieved(Doubt::NotYet), "certificate-not-yet"),
            (Found::NotBelieved(Doubt::OtherName), "certificate-other-name"),
            (
                Found::NotBelieved(Doubt::UnknownIssuer),
                "certificate-unknown-issuer",
            ),
            (Found::NotBelieved(Doubt::Other), "certificate-invalid"),
            (Found::NoTls, "certificate-no-tls"),
            (Found::NoConnection, "certificate-no-connection"),
            (Found::Plain, "certificate-plain"),
        ] {
            let good = (place("https://a.example"), Found::Believed(80));
            let said = judge(&[good, (place("wss://b.example/x"), found)]);
            assert_eq!(said.sentence.id, id);
            assert!(said.en().contains("b.example"), "{}", said.en());
        }
    }

    #[test]
    fn on_this_machine_nobody_needs_tls() {
        for url in ["http://127.0.0.1:7880", "ws://[::1]:1", "http://a.localhost"] {
            assert_eq!(
                judge(&[(place(url), Found::Plain)]).sentence.id,
                "certificate-loopback"
            );
        }
    }

    #[test]
    fn ports_follow_from_the_scheme() {
        assert_eq!(place("https://a.example/x").port, 443);
        assert_eq!(place("ws://a.example").port, 80);
        assert_eq!(place("wss://a.example:8443").port, 8443);
        assert_eq!(Place::of("ftp://a.example"), None);
    }
}
