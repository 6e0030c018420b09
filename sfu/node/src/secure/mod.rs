//! DTLS (RFC 6347) and SCTP (RFC 8261) behind the core's small traits, on webrtc-rs' crates.
//!
//! In: datagrams whose first byte says DTLS, of a peer that has passed a STUN check. Out: SRTP keys once the peer has
//! shown the certificate that its signalling promised, and the messages of data channels, both ways.
//!
//! What the crates do not do for us, and this folder does: it bounds what a peer can make them store
//! ([`guard`]), repeats lost flights of the handshake ([`dtls`]), answers an SCTP handshake whose first answer was lost
//! ([`channels`]), keeps from SCTP what would overrun it ([`gate`]), and fences panics in: a peer that finds one loses its
//! own connection and nothing else.

mod budget;
mod channels;
mod dtls;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod gate;
mod guard;
#[cfg(test)]
mod tests;

use dtls::DtlsTransport;
use hanse_sfu_core::command::Fingerprint;
use hanse_sfu_core::secure::{SecureTransport, SecureTransports};
use rtc_crypto::{HashAlgorithm, RTCCryptoProvider, constant_time_eq};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::error::Error as RtcError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use thiserror::Error;

/// The crates tell associations apart by address. We make one endpoint per connection, and its peer has always this
/// address, so a peer may roam without its handshake noticing.
const PSEUDO_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// What the endpoints take for their own address.
const PSEUDO_LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 9);

/// Our half of the trust: no certificate could be made.
#[derive(Debug, Error)]
#[error("no DTLS certificate could be made: {0}")]
pub struct IdentityError(String);

/// The certificate that this process shows to every peer, made at start and never stored.
#[derive(Clone)]
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Makes a key pair (ECDSA, P-256) and signs it with itself.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, IdentityError> {
        let refuse = |error: &dyn std::fmt::Display| IdentityError(error.to_string());
        let provider = rtc_crypto::default_provider().map_err(|error| refuse(&error))?;
        let certificate = Certificate::generate_self_signed(vec!["hanse".to_owned()], provider.crypto())
            .map_err(|error| refuse(&error))?;
        let first = certificate
            .certificate
            .first()
            .ok_or_else(|| refuse(&"it is empty"))?;
        let fingerprint =
            fingerprint_of(provider.as_ref(), first).ok_or_else(|| refuse(&"it cannot be hashed"))?;
        Ok(Identity {
            provider,
            certificate,
            fingerprint,
        })
    }

    /// `sha-256 AA:BB:…`, as it stands in an SDP (RFC 8122, section 5).
    pub fn sdp_fingerprint(&self) -> String {
        let pairs: Vec<String> = self
            .fingerprint
            .0
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        format!("sha-256 {}", pairs.join(":"))
    }

    /// Random bytes from the system, for seeds.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub fn random_seed(&self) -> Result<[u8; 32], IdentityError> {
        let mut seed = [0; 32];
        self.provider
            .random()
            .fill(&mut seed)
            .map_err(|error| IdentityError(error.to_string()))?;
        Ok(seed)
    }
}

/// Makes the transports of one shard.
#[derive(Clone)]
pub struct DtlsTransports {
    identity: Identity,
}

impl DtlsTransports {
    /// All shards show the same certificate.
    pub fn new(identity: Identity) -> Self {
        DtlsTransports { identity }
    }

    /// Server, AES-128-GCM for media only (the crate would take the client's first choice), any certificate as long as
    /// it is the expected one.
    fn configuration(&self, expected: Fingerprint) -> Result<HandshakeConfig, RtcError> {
        let provider = Arc::clone(&self.identity.provider);
        ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&provider))
            .with_certificates(vec![self.identity.certificate.clone()])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // No authority signs these certificates; the fingerprint from the signalling is what counts.
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(move |chain, _| {
                if shows(provider.as_ref(), chain, expected) {
                    Ok(())
                } else {
                    Err(RtcError::Other(
                        "the certificate is not the one that was promised".to_owned(),
                    ))
                }
            })))
            // The transport repeats flights itself, see `dtls`.
            .with_flight_interval(dtls::HANDSHAKE_LIMIT)
            .build(false, None)
    }
}

impl SecureTransports for DtlsTransports {
    fn accept(&mut self, _now: Instant, expected: Fingerprint) -> Box<dyn SecureTransport> {
        let configuration = match self.configuration(expected) {
            Ok(configuration) => Some(configuration),
            Err(error) => {
                tracing::error!(%error, "a DTLS configuration was refused");
                None
            }
        };
        Box::new(DtlsTransport::new(
            configuration,
            Arc::clone(&self.identity.provider),
            expected,
        ))
    }
}

/// Whether a certificate chain begins with the expected certificate. Takes the same time for every wrong one.
fn shows(provider: &dyn RTCCryptoProvider, chain: &[Vec<u8>], expected: Fingerprint) -> bool {
    chain
        .first()
        .and_then(|certificate| fingerprint_of(provider, certificate))
        .is_some_and(|shown| constant_time_eq(&shown.0, &expected.0))
}

fn fingerprint_of(provider: &dyn RTCCryptoProvider, certificate: &[u8]) -> Option<Fingerprint> {
    let hash = provider.crypto().hash(HashAlgorithm::Sha256, certificate).ok()?;
    Some(Fingerprint(hash.try_into().ok()?))
}

/// Runs a protocol crate on what came from the network. `None`: it panicked, and what it worked on must not be used
/// again. The crates index into what they parse; a slip of theirs must end one connection, not a shard.
fn fenced<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(_) => {
            tracing::error!("a protocol crate panicked on a peer's datagram; its connection ends");
            None
        }
    }
}
