//! Connectivity checks that came over a stream (RFC 6544) and were passed on as datagrams.
//!
//! The answer to a check names the address that it came from (RFC 8445, section 7.3.1.1), which for these is not the
//! datagram's: whoever carries them writes the stream's behind the check. Firefox takes no other answer: a pair with an
//! address that the answer places on loopback fails.
//!
//! Anybody can write it there, and is then told what they said themselves. Nothing else follows from it: what is for the peer goes
//! to where its datagrams come from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Bytes behind a check that was carried: an address in IPv6's form, and a port.
pub const PEER_BYTES: usize = 18;

/// Of the header of a STUN message (RFC 8489, section 5).
const HEADER: usize = 20;

/// What is written behind a check that came over a stream from `peer`.
pub fn peer_bytes(peer: SocketAddr) -> [u8; PEER_BYTES] {
    let mut bytes = [0; PEER_BYTES];
    let address = match peer.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let (ip, port) = bytes.split_at_mut(PEER_BYTES - 2);
    ip.copy_from_slice(&address.octets());
    port.copy_from_slice(&peer.port().to_be_bytes());
    bytes
}

/// A check, and where it says to have been carried from.
pub(crate) fn split(datagram: &[u8]) -> (&[u8], Option<SocketAddr>) {
    let peer = || {
        let length = u16::from_be_bytes(*datagram.get(2..)?.first_chunk()?);
        let (check, behind) = datagram.split_at_checked(HEADER + usize::from(length))?;
        let (ip, port) = <&[u8; PEER_BYTES]>::try_from(behind).ok()?.split_last_chunk()?;
        let ip = Ipv6Addr::from(*<&[u8; 16]>::try_from(ip).ok()?).to_canonical();
        Some((check, SocketAddr::new(ip, u16::from_be_bytes(*port))))
    };
    peer().map_or((datagram, None), |(check, peer)| (check, Some(peer)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation;

    #[test]
    fn what_is_written_behind_a_check_is_read_and_anything_else_is_left_to_the_check() {
        let check = simulation::check("ours:them", "password", true);
        assert_eq!(split(&check), (&check[..], None));
        for peer in ["192.0.2.7:4242", "[2001:db8::7]:80"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let carried = [&check[..], &peer_bytes(peer)].concat();
            assert_eq!(split(&carried), (&check[..], Some(peer)));
            for cut in 0..carried.len() {
                let cut = &carried[..cut];
                assert_eq!(split(cut), (cut, None));
            }
            let twice = [&carried[..], &peer_bytes(peer)].concat();
            assert_eq!(split(&twice), (&twice[..], None));
        }
        // As a socket of both families names an address of the older one.
        let mapped = "[::ffff:192.0.2.7]:4242".parse().unwrap();
        let carried = [&check[..], &peer_bytes(mapped)].concat();
        assert_eq!(split(&carried).1, Some("192.0.2.7:4242".parse().unwrap()));
    }
}
