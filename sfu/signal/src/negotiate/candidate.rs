//! Where clients may send media: host candidates that are known from the start (RFC 8445, section 5.1.1.1).

use std::fmt;
use std::net::SocketAddr;

/// How media comes in at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateTransport {
    /// As datagrams: always better where it works.
    Udp,
    /// In a stream that the client opens (RFC 6544, passive).
    Tcp,
}

/// One address that clients are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How.
    pub transport: CandidateTransport,
    /// Where.
    pub address: SocketAddr,
}

/// `203.0.113.7:7882/udp`, as administrators write ports.
impl fmt::Display for Candidate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            CandidateTransport::Udp => "udp",
            CandidateTransport::Tcp => "tcp",
        };
        write!(out, "{}/{transport}", self.address)
    }
}

impl Candidate {
    /// The value of its attribute. `place` is its place among all: of those of one kind, the first is preferred.
    fn attribute(&self, place: usize) -> String {
        let foundation = place + 1;
        let earlier = u32::try_from(place).unwrap_or(u32::MAX);
        let (ip, port) = (self.address.ip(), self.address.port());
        match self.transport {
            CandidateTransport::Udp => {
                // RFC 8445, section 5.1.2.1.
                let local_preference = 65_535u32.saturating_sub(earlier);
                let priority = (126 << 24) | (local_preference << 8) | 255;
                format!("{foundation} 1 udp {priority} {ip} {port} typ host")
            }
            CandidateTransport::Tcp => {
                // RFC 6544, section 4.2: below every type of UDP candidate (relayed ones, which clients have of their own,
                // excepted), and 4 for the direction "passive" of a host.
                let local_preference = (4 << 13) | 8_191u32.saturating_sub(earlier);
                let priority = (99 << 24) | (local_preference << 8) | 255;
                format!("{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive")
            }
        }
    }
}

/// The `candidate` attributes of our addresses, without `a=`.
pub(crate) fn candidate_lines(candidates: &[Candidate]) -> Vec<String> {
    let numbered = candidates.iter().enumerate();
    numbered
        .map(|(place, candidate)| format!("candidate:{}", candidate.attribute(place)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_is_preferred_to_tcp_and_the_first_to_those_after_it_and_ipv6_has_no_brackets() {
        let candidate = |transport, address: &str| Candidate {
            transport,
            address: address.parse().unwrap(),
        };
        let lines = candidate_lines(&[
            candidate(CandidateTransport::Udp, "192.0.2.1:1"),
            candidate(CandidateTransport::Udp, "[2001:db8::1]:2"),
            candidate(CandidateTransport::Tcp, "192.0.2.1:3"),
            candidate(CandidateTransport::Tcp, "[2001:db8::1]:4"),
        ]);
        assert_eq!(
            lines,
            [
                "candidate:1 1 udp 2130706431 192.0.2.1 1 typ host",
                "candidate:2 1 udp 2130706175 2001:db8::1 2 typ host",
                "candidate:3 1 tcp 1671429631 192.0.2.1 3 typ host tcptype passive",
                "candidate:4 1 tcp 1671429375 2001:db8::1 4 typ host tcptype passive",
            ]
        );
    }
}
