//! The ICE-lite side of a connection (RFC 8445, section 2.5): we answer connectivity checks and never send any.

use crate::carried;
use crate::command::IceCredentials;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{ATTR_FINGERPRINT, ATTR_MESSAGE_INTEGRITY, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message};
use rtc_stun::xoraddr::XorMappedAddress;
use std::net::SocketAddr;

/// Bytes of a check that is still looked at. Real ones are about 120; longer ones are dropped before anything is computed.
const CHECK_MAX: usize = 1280;

/// A binding request, not yet known to be authentic.
pub struct Check {
    message: Message,
    username: String,
    carried_from: Option<SocketAddr>,
}

impl Check {
    /// Reads a datagram; `None` if it is no binding request with a user name.
    pub fn parse(datagram: &[u8]) -> Option<Check> {
        if datagram.len() > CHECK_MAX {
            return None;
        }
        let (check, carried_from) = carried::split(datagram);
        let mut message = Message::new();
        message.unmarshal_binary(check).ok()?;
        if message.typ != BINDING_REQUEST {
            return None;
        }
        let username = String::from_utf8(message.get(ATTR_USERNAME).ok()?).ok()?;
        username.contains(':').then_some(Check {
            message,
            username,
            carried_from,
        })
    }

    /// Our ufrag, to which the check is addressed (RFC 8445, section 7.2.2: `ours:theirs`).
    pub fn local_ufrag(&self) -> &str {
        self.username.split_once(':').map_or("", |(local, _)| local)
    }

    /// Whether it comes from the peer with `remote`'s ufrag and knows our password.
    pub fn is_authentic(&mut self, local: &IceCredentials, remote: &IceCredentials) -> bool {
        let addressed = self
            .username
            .split_once(':')
            .is_some_and(|(ours, theirs)| ours == local.ufrag && theirs == remote.ufrag);
        // Checks carry a fingerprint (RFC 8445, section 7.1), so that nothing can be added behind the integrity.
        let intact = self.message.contains(ATTR_FINGERPRINT) && FINGERPRINT.check(&self.message).is_ok();
        let provider = AwsLcRsProvider::new();
        addressed
            && intact
            && MessageIntegrity::check(&mut self.message, local.password.as_bytes(), provider.crypto())
                .is_ok()
    }

    /// The peer wants media on this pair from now on. What stands behind the integrity is not the peer's word.
    pub fn nominates(&self) -> bool {
        let protected = self
            .message
            .attributes
            .0
            .iter()
            .take_while(|it| it.typ != ATTR_MESSAGE_INTEGRITY);
        protected
            .into_iter()
            .any(|attribute| attribute.typ == ATTR_USE_CANDIDATE)
    }

    /// The success response to a check whose datagram came from `source`.
    pub fn answer(&self, local: &IceCredentials, source: SocketAddr) -> Option<Vec<u8>> {
        let source = self.carried_from.unwrap_or(source);
        let provider = AwsLcRsProvider::new();
        let mut response = Message::new();
        response
            .build(&[
                Box::new(self.message.transaction_id),
                Box::new(BINDING_SUCCESS),
                Box::new(XorMappedAddress {
                    ip: source.ip(),
                    port: source.port(),
                }),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    local.password.clone(),
                    provider.crypto(),
                )),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some(response.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation;
    use proptest::prelude::*;

    fn credentials(ufrag: &str, password: &str) -> IceCredentials {
        IceCredentials {
            ufrag: ufrag.into(),
            password: password.into(),
        }
    }

    #[test]
    fn a_check_with_the_right_password_is_answered_and_others_are_not_believed() {
        let (ours, theirs) = (credentials("ours", "our-password"), credentials("them", "x"));
        let mut check = Check::parse(&simulation::check("ours:them", "our-password", true)).unwrap();
        assert_eq!(check.local_ufrag(), "ours");
        assert!(check.nominates());
        assert!(check.is_authentic(&ours, &theirs));
        let source = SocketAddr::from(([192, 0, 2, 7], 4242));
        assert_eq!(named_in(&check.answer(&ours, source).unwrap()), source);

        for (username, password) in [
            ("ours:them", "guess"),
            ("ours:other", "our-password"),
            ("x:them", "our-password"),
        ] {
            let mut check = Check::parse(&simulation::check(username, password, false)).unwrap();
            assert!(!check.is_authentic(&ours, &theirs), "{username} with {password}");
            assert!(!check.nominates());
        }
        assert!(Check::parse(&simulation::check("no colon", "our-password", false)).is_none());
    }

    /// The address that a success response names.
    fn named_in(raw: &[u8]) -> SocketAddr {
        let mut response = Message::new();
        response.unmarshal_binary(raw).unwrap();
        assert_eq!(response.typ, BINDING_SUCCESS);
        let mut address = XorMappedAddress::default();
        address
            .get_from_as(&response, rtc_stun::attributes::ATTR_XORMAPPED_ADDRESS)
            .unwrap();
        SocketAddr::new(address.ip, address.port)
    }

    #[test]
    fn the_answer_to_a_check_that_was_carried_names_the_stream_and_not_the_carrier() {
        let (ours, theirs) = (credentials("ours", "our-password"), credentials("them", "x"));
        let [carrier, stream] = [[127, 0, 0, 1], [192, 0, 2, 7]].map(|ip| SocketAddr::from((ip, 4242)));
        let mut datagram = simulation::check("ours:them", "our-password", true);
        datagram.extend(carried::peer_bytes(stream));
        let mut check = Check::parse(&datagram).unwrap();
        assert!(check.is_authentic(&ours, &theirs) && check.nominates());
        assert_eq!(named_in(&check.answer(&ours, carrier).unwrap()), stream);
    }

    proptest! {
        #[test]
        fn damaged_checks_never_panic_and_are_never_believed(at in 0usize..100, flip in 1u8.., cut in 0usize..140) {
            let mut datagram = simulation::check("ours:them", "our-password", true);
            datagram.truncate(cut.max(1));
            if let Some(byte) = datagram.get_mut(at) {
                *byte ^= flip;
                if let Some(mut check) = Check::parse(&datagram) {
                    prop_assert!(!check.is_authentic(&credentials("ours", "our-password"), &credentials("them", "x")));
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(datagram in proptest::collection::vec(any::<u8>(), 0..300)) {
            Check::parse(&datagram);
        }
    }
}
