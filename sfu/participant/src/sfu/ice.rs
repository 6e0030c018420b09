//! By which ways media may reach an SFU, and by which one it did.

use super::turn;
use anyhow::{Context, Result, ensure};
use livekit_protocol::IceServer;
use rtc::peer_connection::configuration::{RTCIceServer, RTCIceTransportPolicy};
use rtc::statistics::StatsSelector;
use rtc::statistics::report::{RTCStatsReport, RTCStatsReportEntry};
use rtc::statistics::stats::ice_candidate::RTCIceCandidateStats;
use rustls::ClientConfig;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;
use webrtc::peer_connection::PeerConnection;

/// Where sockets are opened: on every interface, and on loopback for an SFU on this machine.
const ADDRESSES: [&str; 4] = ["0.0.0.0:0", "[::]:0", "127.0.0.1:0", "[::1]:0"];

/// TURN servers that are used. Further ones that an SFU names are passed over.
const SERVERS_MAX: usize = 4;

/// By which ways media may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Ice {
    /// Whichever is there: straight by UDP or TCP, or through a TURN server.
    #[default]
    Any,
    /// Straight, by UDP.
    Udp,
    /// Straight, by TCP (RFC 6544).
    Tcp,
    /// Through a TURN server that the SFU names (RFC 8656), by UDP, TCP or TLS.
    Relay,
}

impl Ice {
    /// What may be in the way when none of these ways leads to an SFU.
    pub(super) fn blocked(self) -> &'static str {
        match self {
            Ice::Any => "UDP and TCP may be blocked, and no TURN server helps",
            Ice::Udp => "UDP may be blocked",
            Ice::Tcp => "the SFU offers no media by TCP, or its port may be blocked",
            Ice::Relay => "the TURN server cannot be reached, refuses, or does not reach the SFU",
        }
    }
}

/// A way that media goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Path {
    /// Which way: `publisher` or `subscriber`.
    pub connection: &'static str,
    /// `udp` or `tcp`; through a TURN server, that between it and the SFU.
    pub protocol: String,
    /// What kind of address is used here: `host`, `srflx`, `prflx` or `relay`.
    pub local: String,
    /// The same at the SFU.
    pub remote: String,
    /// How the TURN server is reached: `udp`, `tcp` or `tls`. `None`: there is none in between.
    pub turn: Option<String>,
}

/// What a connection needs to go these ways.
#[derive(Default)]
pub(super) struct Ways {
    pub udp: Vec<&'static str>,
    pub tcp: Vec<&'static str>,
    pub policy: RTCIceTransportPolicy,
    pub servers: Vec<RTCIceServer>,
    /// How the TURN servers are reached.
    turns: Vec<turn::Reach>,
    pub carriers: Vec<JoinHandle<()>>,
}

impl Drop for Ways {
    fn drop(&mut self) {
        for carrier in &self.carriers {
            carrier.abort();
        }
    }
}

impl Ways {
    /// Opens what is needed for one connection, with the TURN servers that the SFU names.
    ///
    /// # Errors
    /// When nothing but a TURN server will do and there is none.
    pub async fn open(ice: Ice, named: &[IceServer], tls: &Arc<ClientConfig>) -> Result<Ways> {
        let mut ways = Ways::default();
        if ice != Ice::Tcp {
            ways.udp = ADDRESSES.to_vec();
        }
        if matches!(ice, Ice::Tcp | Ice::Any) {
            ways.tcp = ADDRESSES.to_vec();
        }
        if matches!(ice, Ice::Relay | Ice::Any) {
            ways.add_servers(named, tls).await?;
        }
        if ice == Ice::Relay {
            ways.policy = RTCIceTransportPolicy::Relay;
            ensure!(
                !ways.servers.is_empty(),
                "the SFU names no TURN server that can be used, so nothing can be relayed"
            );
        }
        Ok(ways)
    }

    async fn add_servers(&mut self, named: &[IceServer], tls: &Arc<ClientConfig>) -> Result<()> {
        let mut servers = Vec::new();
        for server in named {
            for turn in server.urls.iter().filter_map(|url| turn::Server::read(url)) {
                servers.push((server.username.clone(), server.credential.clone(), turn));
            }
        }
        servers.truncate(SERVERS_MAX);
        for (username, credential, turn) in servers {
            let reach = turn.reach;
            let url = match reach {
                turn::Reach::Udp => turn.by_udp(),
                // The crate reaches TURN servers by UDP only.
                turn::Reach::Tcp | turn::Reach::Tls => {
                    let (address, carrier) = turn::carry(turn, Arc::clone(tls))
                        .await
                        .context("no socket can be opened for a TURN server")?;
                    self.carriers.push(carrier);
                    format!("turn:{address}?transport=udp")
                }
            };
            self.turns.push(reach);
            self.servers.push(RTCIceServer {
                urls: vec![url],
                username,
                credential,
            });
        }
        Ok(())
    }

    /// The way that a connection has taken; `None`: none yet.
    pub async fn taken(&self, connection: &'static str, peer: &dyn PeerConnection) -> Option<Path> {
        let stats = peer.get_stats(Instant::now(), StatsSelector::None).await;
        let (protocol, local, remote, url) = selected(&stats)?;
        let relays = local == "relay";
        // Which of several it was, its address says.
        let number = self
            .servers
            .iter()
            .position(|server| server.urls.contains(&url))
            .unwrap_or(0);
        let turn = self.turns.get(number).filter(|_| relays);
        Some(Path {
            connection,
            protocol,
            local,
            remote,
            turn: turn.map(|reach| reach.name().to_owned()),
        })
    }
}

/// Of the pair of candidates in use: the protocol, the types of both, and of which server the local one is.
fn selected(stats: &RTCStatsReport) -> Option<(String, String, String, String)> {
    let current = &stats.transport()?.selected_candidate_pair_id;
    let pair = stats.candidate_pairs().find(|pair| pair.stats.id == *current)?;
    let local = stats.iter().find_map(|entry| match entry {
        RTCStatsReportEntry::LocalCandidate(candidate) => is_it(candidate, &pair.local_candidate_id),
        _ => None,
    });
    let remote = stats.iter().find_map(|entry| match entry {
        RTCStatsReportEntry::RemoteCandidate(candidate) => is_it(candidate, &pair.remote_candidate_id),
        _ => None,
    });
    // One that only its checks have shown is in no list.
    let kind = |candidate: &RTCIceCandidateStats| candidate.candidate_type.to_string();
    let named: BTreeSet<String> = stats
        .iter()
        .filter_map(|entry| match entry {
            RTCStatsReportEntry::RemoteCandidate(candidate) => Some(kind(candidate)),
            _ => None,
        })
        .collect();
    // The crate knows one that was named twice by another name than the pair has; an SFU's are all of a kind.
    let remote_kind = remote
        .map(kind)
        .or_else(|| named.first().filter(|_| named.len() == 1).cloned());
    Some((
        local.or(remote)?.protocol.to_lowercase(),
        local.map_or_else(|| "prflx".to_owned(), kind),
        remote_kind.unwrap_or_else(|| "prflx".to_owned()),
        local.map(|each| each.url.clone()).unwrap_or_default(),
    ))
}

/// The crate names a candidate by its kind and its id, and in a pair by its id alone.
fn is_it<'a>(candidate: &'a RTCIceCandidateStats, id: &str) -> Option<&'a RTCIceCandidateStats> {
    let name = candidate.stats.id.strip_suffix(id)?;
    name.ends_with('_').then_some(candidate)
}

/// Addresses by TCP that are dialled on one connection. Further ones are passed over.
const DIALLED_MAX: usize = 16;

/// Which candidates by TCP are dialled. The crate dials those that come one by one, not those in a description, and each as often as it
/// comes; and an SFU names the same ones in every description.
#[derive(Default)]
pub(super) struct Dial(BTreeSet<(&'static str, String)>);

impl Dial {
    /// The candidates by TCP in a description that have not been there before on this connection.
    pub fn new_in(&mut self, connection: &'static str, sdp: &str) -> Vec<String> {
        sdp.lines()
            .filter_map(|line| line.trim_end().strip_prefix("a="))
            .filter(|line| is_passive(line) && self.is_new(connection, line))
            .map(str::to_owned)
            .collect()
    }

    /// Whether a candidate is to be added. Those by UDP always are.
    pub fn is_new(&mut self, connection: &'static str, candidate: &str) -> bool {
        if !is_passive(candidate) {
            return true;
        }
        // `candidate:foundation component tcp priority address port …`
        let address: Vec<&str> = candidate.split_whitespace().skip(4).take(2).collect();
        let is_one_more = self.0.iter().filter(|(name, _)| *name == connection).count() < DIALLED_MAX;
        is_one_more && self.0.insert((connection, address.join(" ")))
    }
}

fn is_passive(candidate: &str) -> bool {
    candidate.starts_with("candidate:") && candidate.contains("tcptype passive")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "candidate:3 1 tcp 1671429631 192.0.2.1 7881 typ host tcptype passive";

    #[test]
    fn an_address_by_tcp_is_dialled_once_on_each_connection_however_often_it_is_named() {
        let mut dial = Dial::default();
        let udp = "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host";
        let sdp = format!("v=0\r\na={udp}\r\na={TCP}\r\na=end-of-candidates\r\n");
        assert_eq!(dial.new_in("publisher", &sdp), [TCP]);
        assert!(dial.new_in("publisher", &sdp).is_empty());
        assert!(!dial.is_new("publisher", TCP));
        assert!(dial.is_new("publisher", udp) && dial.is_new("publisher", udp));
        assert!(dial.is_new("subscriber", TCP));
    }

    #[test]
    fn endless_addresses_are_not_dialled() {
        let mut dial = Dial::default();
        let dialled =
            (0..100).filter(|port| dial.is_new("publisher", &TCP.replace("7881", &port.to_string())));
        assert_eq!(dialled.count(), DIALLED_MAX);
    }
}
