//! A certificate from an authority that speaks ACME (RFC 8555), proven on our own port (TLS-ALPN-01, RFC 8737).
//!
//! `rustls-acme` speaks the protocol. Here is what it leaves open: where certificate and account are kept, how long it waits after a
//! refusal, what is said, and that a server that never answers does not hold up a renewal for ever.

use super::config::AcmeSettings;
use super::kept::Kept;
use futures_util::StreamExt;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_acme::acme::{Auth, Order};
use rustls_acme::{
    AcmeConfig, EventError, EventOk, OrderError, ResolvesServerCertAcme, is_tls_alpn_challenge,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long we wait after the first refusal; then three times as long each time.
const PAUSE_MIN: Duration = Duration::from_secs(5);

/// The longest such wait.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Characters of what an authority says that are passed on.
const REASON_MAX: usize = 400;

/// An authority that has said nothing for so long is asked anew. When nothing is due, this looks at what is kept and at the clock,
/// and at nothing else.
const ANEW_INTERVAL: Duration = Duration::from_secs(3600);

/// What is shown to whoever comes.
#[derive(Debug)]
pub(super) struct FromAcme(pub watch::Receiver<Showing>);

/// Which of the library's stores has what.
#[derive(Clone, Debug, Default)]
pub(super) struct Showing {
    /// Has the certificate.
    serving: Option<Arc<ResolvesServerCertAcme>>,
    /// Has what the authority wants to see.
    asking: Option<Arc<ResolvesServerCertAcme>>,
}

impl ResolvesServerCert for FromAcme {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let showing = self.0.borrow().clone();
        let from = if is_tls_alpn_challenge(&hello) {
            showing.asking
        } else {
            showing.serving
        };
        from?.resolve(hello)
    }
}

/// How the authority is reached.
///
/// # Errors
///
/// A sentence: the file of authorities cannot be used.
pub(super) fn client(
    settings: &AcmeSettings,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = &settings.ca_file {
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| format!("acme_ca_file: {} cannot be read: {error}", file.display()))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(format!("acme_ca_file: {} holds no certificate", file.display()));
        }
    }
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Keeps the certificate in force, for as long as this is polled.
pub(super) async fn keep(
    settings: AcmeSettings,
    client: Arc<ClientConfig>,
    kept: Kept,
    showing: watch::Sender<Showing>,
) {
    let names = settings.names.join(", ");
    let contact = settings.contact.iter().map(|address| format!("mailto:{address}"));
    let contact: Vec<String> = contact.collect();
    let mut pause = PAUSE_MIN;
    let mut is_start = true;
    loop {
        let mut state = AcmeConfig::new_with_client_config(&settings.names, Arc::clone(&client))
            .directory(&settings.directory)
            .contact(&contact)
            .cache(kept.clone())
            .state();
        let resolver = state.resolver();
        showing.send_modify(|showing| showing.asking = Some(Arc::clone(&resolver)));
        loop {
            let Ok(event) = timeout(ANEW_INTERVAL, state.next()).await else {
                break;
            };
            match event {
                Some(Ok(EventOk::DeployedCachedCert)) => {
                    showing.send_modify(|showing| showing.serving = Some(Arc::clone(&resolver)));
                    if is_start {
                        tracing::info!("the certificate for {names} that is kept is in force");
                    }
                }
                Some(Ok(EventOk::DeployedNewCert)) => {
                    pause = PAUSE_MIN;
                    showing.send_modify(|showing| showing.serving = Some(Arc::clone(&resolver)));
                    tracing::info!("a new certificate for {names} is in force");
                }
                Some(Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore)) => {}
                Some(Err(EventError::CertCacheStore(error) | EventError::AccountCacheStore(error))) => {
                    tracing::error!(
                        "what came by ACME cannot be kept in {} ({error}), so a restart will ask for it again: give \
                         the user that hanse runs as the right to write there",
                        settings.folder.display()
                    );
                }
                Some(Err(EventError::Order(error))) => {
                    tracing::error!(
                        "no new certificate for {names}: {}. The authority is asked again in {} s",
                        reason(&error),
                        pause.as_secs()
                    );
                    sleep(pause).await;
                    pause = (pause * 3).min(PAUSE_MAX);
                    break;
                }
                Some(Err(error)) => {
                    // What is kept cannot be used: a new one takes its place.
                    tracing::warn!(
                        "what is kept in {} cannot be used: {error}",
                        settings.folder.display()
                    );
                }
                None => break,
            }
            is_start = false;
        }
        is_start = false;
    }
}

/// Why an authority gave none, for an administrator.
fn reason(error: &OrderError) -> String {
    let reason = match error {
        OrderError::BadAuth(auth) => unproven(auth),
        OrderError::BadOrder(order) => refused(order),
        OrderError::TooManyAttemptsAuth(name) => format!("the authority has not looked at {name} in time"),
        other => problem(&other.to_string()),
    };
    let reason = reason.trim_end_matches('.').chars().take(REASON_MAX);
    reason
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn unproven(auth: &Auth) -> String {
    let detail = auth
        .challenges
        .iter()
        .find_map(|challenge| challenge.error.as_ref()?.detail.as_deref());
    format!(
        "the authority could not see that the name leads here ({}); it must reach this machine on port 443 under it",
        detail.unwrap_or("it does not say why")
    )
}

fn refused(order: &Order) -> String {
    let detail = order.error.as_ref().and_then(|error| error.detail.as_deref());
    format!(
        "the authority refuses: {}",
        detail.unwrap_or("it does not say why")
    )
}

/// What the authority says is wrong (RFC 8555, section 6.7), where it stands in the library's words; else those.
fn problem(words: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Problem {
        detail: String,
    }
    let body = words.split_once("non 2xx http status: ").and_then(|(_, answer)| {
        let (status, body) = answer.split_once(' ')?;
        let body: String = serde_json::from_str(body).ok()?;
        let problem: Problem = serde_json::from_str(&body).ok()?;
        Some(format!("the authority answers {status}: {}", problem.detail))
    });
    body.unwrap_or_else(|| words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authority_says_is_passed_on_as_a_sentence_of_one_line() {
        let body = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many \"hanse\"\nnow"}"#;
        let words = format!("acme error: http request error: non 2xx http status: 429 {body:?}");
        assert_eq!(
            problem(&words),
            "the authority answers 429: too many \"hanse\"\nnow"
        );
        assert_eq!(
            problem("acme error: io error: refused"),
            "acme error: io error: refused"
        );
        let long = serde_json::json!({"status": "invalid", "identifier": {"type": "dns", "value": "hanse.test"},
            "challenges": [{"type": "tls-alpn-01", "url": "", "error": {"detail": "no\nroute ".repeat(200)}}]});
        let said = reason(&OrderError::BadAuth(serde_json::from_value(long).unwrap()));
        assert!(
            said.contains("no route") && said.chars().count() == REASON_MAX,
            "{said}"
        );
    }
}
