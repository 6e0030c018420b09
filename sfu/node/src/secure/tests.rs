//! A client of the same crate shakes hands with our server, in memory and in virtual time.

mod broken_rules;
mod data_channels;

use super::*;
use bytes::{Bytes, BytesMut};
use hanse_sfu_core::secure::{SecureEvent, SrtpKeys};
use proptest::prelude::*;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use std::time::Duration;

struct Client {
    endpoint: Endpoint,
    complete: bool,
    data: Vec<Bytes>,
}

impl Client {
    fn new(now: Instant, identity: &Identity) -> Self {
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&identity.provider))
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(vec![
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            ])
            .with_insecure_skip_verify(true)
            .build(true, None)
            .unwrap();
        let mut endpoint = Endpoint::new(PSEUDO_LOCAL, TransportProtocol::UDP, None);
        endpoint
            .connect(now, PSEUDO_PEER, Arc::new(config), None)
            .unwrap();
        Client {
            endpoint,
            complete: false,
            data: Vec::new(),
        }
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|transmit| transmit.message.to_vec())
            .collect()
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        for event in self
            .endpoint
            .read(now, PSEUDO_PEER, None, BytesMut::from(datagram))
            .unwrap_or_default()
        {
            match event {
                EndpointEvent::HandshakeComplete => self.complete = true,
                EndpointEvent::ApplicationData(data) => self.data.push(data.freeze()),
                _ => {}
            }
        }
    }

    fn keys(&self) -> Vec<u8> {
        let state = self.endpoint.get_connection_state(PSEUDO_PEER).unwrap();
        state
            .export_keying_material("EXTRACTOR-dtls_srtp", &[], 56)
            .unwrap()
            .into_bytes()
    }
}

fn server(now: Instant, identity: &Identity, expected: Fingerprint) -> Box<dyn SecureTransport> {
    DtlsTransports::new(identity.clone()).accept(now, expected)
}

fn sent(server: &mut dyn SecureTransport, now: Instant) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| server.poll_transmit(now)).collect()
}

/// Carries datagrams until nobody has anything to say; `change` sees each one that the client sends.
fn talk(
    now: Instant,
    client: &mut Client,
    server: &mut dyn SecureTransport,
    mut change: impl FnMut(&mut Vec<u8>),
) {
    for _ in 0..50 {
        let mut quiet = true;
        for mut datagram in client.sent() {
            quiet = false;
            change(&mut datagram);
            server.handle_datagram(now, &datagram);
        }
        for datagram in sent(server, now) {
            quiet = false;
            client.receive(now, &datagram);
        }
        if quiet {
            return;
        }
    }
    panic!("they never stop talking");
}

fn keys(server: &mut dyn SecureTransport) -> SrtpKeys {
    match server.poll_event() {
        Some(SecureEvent::Keys(keys)) => keys,
        other => panic!("no keys but {other:?}"),
    }
}

fn pair() -> (Identity, Identity) {
    (Identity::generate().unwrap(), Identity::generate().unwrap())
}

#[test]
fn both_sides_of_a_handshake_have_the_same_keys_and_ours_are_the_servers() {
    let now = Instant::now();
    let (ours, theirs) = pair();
    let mut client = Client::new(now, &theirs);
    let mut server = server(now, &ours, theirs.fingerprint);
    talk(now, &mut client, server.as_mut(), |_| {});
    assert!(client.complete);
    let (keys, material) = (keys(server.as_mut()), client.keys());
    assert_eq!(keys.remote_key, material[..16]);
    assert_eq!(keys.local_key, material[16..32]);
    assert_eq!(keys.remote_salt, material[32..44]);
    assert_eq!(keys.local_salt, material[44..]);
    assert!(server.poll_event().is_none());
    assert!(server.poll_timeout().is_none());
}

#[test]
fn another_certificate_than_the_promised_one_gets_no_keys_on_either_side() {
    let now = Instant::now();
    let (ours, theirs) = pair();
    let mut client = Client::new(now, &theirs);
    let mut server = server(now, &ours, ours.fingerprint);
    talk(now, &mut client, server.as_mut(), |_| {});
    assert!(matches!(server.poll_event(), Some(SecureEvent::Failed)));
    assert!(server.poll_event().is_none());
    assert!(!client.complete);
}

#[test]
fn the_fingerprint_is_written_as_sdp_wants_it() {
    let identity = Identity::generate().unwrap();
    let text = identity.sdp_fingerprint();
    assert!(
        text.starts_with("sha-256 ") && text.len() == 8 + 32 * 3 - 1,
        "{text}"
    );
    assert_ne!(text, Identity::generate().unwrap().sdp_fingerprint());
}

#[test]
fn a_lost_flight_is_repeated_even_after_the_client_has_spoken_again() {
    let mut now = Instant::now();
    let (ours, theirs) = pair();
    let mut client = Client::new(now, &theirs);
    let mut server = server(now, &ours, theirs.fingerprint);
    // Hello, cookie, hello with cookie; then our whole flight is lost.
    let hello = client.sent();
    server.handle_datagram(now, &hello[0]);
    for datagram in sent(server.as_mut(), now) {
        client.receive(now, &datagram);
    }
    let hello = client.sent();
    server.handle_datagram(now, &hello[0]);
    assert!(!sent(server.as_mut(), now).is_empty());
    // The client repeats its hello before our timer runs out.
    client
        .endpoint
        .handle_timeout(PSEUDO_PEER, now + Duration::from_secs(2))
        .unwrap();
    for datagram in client.sent() {
        server.handle_datagram(now, &datagram);
    }
    sent(server.as_mut(), now);
    now = server.poll_timeout().unwrap();
    server.handle_timeout(now);
    for datagram in sent(server.as_mut(), now) {
        client.receive(now, &datagram);
    }
    talk(now, &mut client, server.as_mut(), |_| {});
    assert!(client.complete);
    keys(server.as_mut());
}

#[test]
fn a_lost_last_flight_is_sent_again_when_the_client_repeats_its_own() {
    let now = Instant::now();
    let (ours, theirs) = pair();
    let mut client = Client::new(now, &theirs);
    let mut server = server(now, &ours, theirs.fingerprint);
    while server.poll_event().is_none() {
        for datagram in client.sent() {
            server.handle_datagram(now, &datagram);
        }
        for datagram in sent(server.as_mut(), now) {
            // Our last flight begins with ChangeCipherSpec (20).
            if datagram[0] != 20 {
                client.receive(now, &datagram);
            }
        }
    }
    assert!(!client.complete);
    client
        .endpoint
        .handle_timeout(PSEUDO_PEER, now + Duration::from_secs(2))
        .unwrap();
    talk(now, &mut client, server.as_mut(), |_| {});
    assert!(client.complete);
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let now = Instant::now();
    let (ours, theirs) = pair();
    let mut client = Client::new(now, &theirs);
    let mut server = server(now, &ours, theirs.fingerprint);
    assert!(server.poll_timeout().is_none());
    server.handle_datagram(now, &client.sent()[0]);
    let mut repeats = 0;
    while let Some(at) = server.poll_timeout() {
        server.handle_timeout(at);
        repeats += sent(server.as_mut(), at).len();
        assert!(at <= now + dtls::HANDSHAKE_LIMIT && repeats < 100);
    }
    assert!(matches!(server.poll_event(), Some(SecureEvent::Failed)));
}

#[test]
fn a_peer_that_closes_in_order_is_heard_and_answered() {
    let now = Instant::now();
    let (ours, theirs) = pair();
    let mut client = Client::new(now, &theirs);
    let mut server = server(now, &ours, theirs.fingerprint);
    talk(now, &mut client, server.as_mut(), |_| {});
    keys(server.as_mut());
    client.endpoint.stop(now, PSEUDO_PEER);
    for datagram in client.sent() {
        server.handle_datagram(now, &datagram);
    }
    assert!(matches!(server.poll_event(), Some(SecureEvent::Closed)));
    assert!(!sent(server.as_mut(), now).is_empty());
}

#[test]
fn forged_clear_text_does_not_end_an_open_connection() {
    let now = Instant::now();
    let (ours, theirs) = pair();
    let mut client = Client::new(now, &theirs);
    let mut server = server(now, &ours, theirs.fingerprint);
    talk(now, &mut client, server.as_mut(), |_| {});
    keys(server.as_mut());
    // A fatal alert and a close_notify without keys.
    for body in [[2, 40], [1, 0]] {
        let forged = [&[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2][..], &body].concat();
        server.handle_datagram(now, &forged);
    }
    assert!(server.poll_event().is_none());
    assert!(sent(server.as_mut(), now).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_makes_no_keys_and_no_panic(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..30)
    ) {
        let now = Instant::now();
        let ours = Identity::generate().unwrap();
        let mut server = server(now, &ours, ours.fingerprint);
        for mut datagram in datagrams {
            if let Some(first) = datagram.first_mut() {
                *first = 20 + *first % 44;
            }
            server.handle_datagram(now, &datagram);
            sent(server.as_mut(), now);
        }
        prop_assert!(!matches!(server.poll_event(), Some(SecureEvent::Keys(_))));
    }

    #[test]
    fn a_handshake_with_flipped_bits_ends_or_hangs_but_never_panics_or_loops(
        flips in proptest::collection::vec((0usize..12, any::<prop::sample::Index>(), 0u8..8), 1..4)
    ) {
        let now = Instant::now();
        let (ours, theirs) = pair();
        let mut client = Client::new(now, &theirs);
        let mut server = server(now, &ours, theirs.fingerprint);
        let mut number = 0;
        talk(now, &mut client, server.as_mut(), |datagram| {
            for (which, place, bit) in &flips {
                if *which == number && !datagram.is_empty() {
                    let at = place.index(datagram.len());
                    datagram[at] ^= 1 << bit;
                }
            }
            number += 1;
        });
        // Whatever happened, keys that were handed out are the client's.
        if let Some(SecureEvent::Keys(keys)) = server.poll_event() {
            prop_assert_eq!(&keys.remote_key[..], &client.keys()[..16]);
        }
    }

    #[test]
    fn a_cut_datagram_of_a_handshake_never_panics(cut in any::<prop::sample::Index>(), which in 0usize..6) {
        let now = Instant::now();
        let (ours, theirs) = pair();
        let mut client = Client::new(now, &theirs);
        let mut server = server(now, &ours, theirs.fingerprint);
        let mut number = 0;
        talk(now, &mut client, server.as_mut(), |datagram| {
            if number == which {
                datagram.truncate(cut.index(datagram.len().max(1)));
            }
            number += 1;
        });
        let event = server.poll_event();
        prop_assert!(event.is_none() || matches!(event, Some(SecureEvent::Keys(_) | SecureEvent::Failed)));
    }
}
