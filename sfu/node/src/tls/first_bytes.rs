//! What comes in on the port of TLS, by its first bytes.

use crate::ice_tcp::{BINDING_REQUEST, FRAME_BYTES_MAX, HEADER, MAGIC_COOKIE};

/// Bytes after which everything is decided: the length of a packet, and its beginning up to STUN's cookie.
pub const DECIDED: usize = HEADER + 4 + MAGIC_COOKIE.len();

/// Content type of a handshake, and the major version that all records of TLS have (RFC 8446, section 5.1).
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

/// Bytes of the header of a STUN message (RFC 8489, section 5).
const STUN_HEADER: usize = 20;

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// TLS.
    Tls,
    /// Media: packets with their lengths in front (RFC 4571), of which the first is an ICE check (RFC 6544).
    Media,
    /// Neither: it is closed.
    Neither,
}

/// What a connection carries that begins like this. `None`: it cannot be told yet. The two never meet: what TLS begins with
/// would be a packet of more than 5,000 bytes.
pub fn carried(begun: &[u8]) -> Option<Carried> {
    if begun.starts_with(&TLS_HANDSHAKE) {
        return Some(Carried::Tls);
    }
    if TLS_HANDSHAKE.starts_with(begun) {
        return None;
    }
    if !may_be_check(begun) {
        return Some(Carried::Neither);
    }
    (begun.len() >= DECIDED).then_some(Carried::Media)
}

/// Whether a framed check may begin like this.
fn may_be_check(begun: &[u8]) -> bool {
    let (length, packet) = begun.split_at_checked(HEADER).unwrap_or((begun, &[]));
    let length_fits = match *length {
        [high, low] => {
            (STUN_HEADER..=FRAME_BYTES_MAX).contains(&usize::from(u16::from_be_bytes([high, low])))
        }
        [high] => usize::from(high) <= FRAME_BYTES_MAX >> 8,
        _ => true,
    };
    length_fits
        && agree(packet, &BINDING_REQUEST)
        && agree(packet.get(4..).unwrap_or_default(), &MAGIC_COOKIE)
}

/// Whether what is there of both is the same.
fn agree(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHECK: [u8; 12] = [0, 92, 0, 1, 0, 72, 0x21, 0x12, 0xa4, 0x42, 7, 7];
    const HELLO: [u8; 6] = [0x16, 3, 1, 2, 0, 1];

    /// What each beginning of something is taken for, from none of its bytes to all.
    fn taken_for(bytes: &[u8]) -> Vec<Option<Carried>> {
        (0..=bytes.len()).map(|len| carried(&bytes[..len])).collect()
    }

    #[test]
    fn tls_is_known_by_two_bytes_and_a_check_by_the_cookie() {
        let hello = taken_for(&HELLO);
        assert_eq!(hello[..2], [None; 2]);
        assert!(hello[2..].iter().all(|known| *known == Some(Carried::Tls)));
        let check = taken_for(&CHECK);
        assert_eq!(check[..DECIDED], [None; DECIDED]);
        assert!(
            check[DECIDED..]
                .iter()
                .all(|known| *known == Some(Carried::Media))
        );
    }

    #[test]
    fn what_is_neither_is_known_by_the_first_byte_that_is_wrong() {
        for (bytes, wrong) in [
            (&b"GET / HTTP/1.1"[..], 1),
            (b"SSH-2.0", 1),
            (&[0x16, 4, 0], 2),
            (&[0x80, 3, 1], 1),
            // A packet of 19 bytes, one that is too long, one that is no check, a check of before RFC 5389.
            (&[0, 19, 0, 1], 2),
            (&[0xff, 0xff, 0, 1], 1),
            (&[0, 92, 1, 1], 3),
            (&[0, 92, 0, 1, 0, 72, 0x21, 0x13], 8),
        ] {
            let known = taken_for(bytes);
            assert_eq!(known[..wrong], vec![None; wrong], "{bytes:?}");
            assert!(
                known[wrong..].iter().all(|it| *it == Some(Carried::Neither)),
                "{bytes:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_said_once_holds_whatever_comes_after(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let known = taken_for(&bytes);
            for pair in known.windows(2) {
                prop_assert!(pair[0].is_none() || pair[0] == pair[1]);
            }
            if bytes.len() >= DECIDED {
                prop_assert!(known.last().unwrap().is_some());
            }
        }
    }
}
