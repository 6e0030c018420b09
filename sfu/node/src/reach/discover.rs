//! Asking STUN servers from which address they see this machine. The socket is one of its own: what NAT does to the port of
//! media is not found out, because only NAT that keeps it can be offered.

use super::config::StunServer;
use super::offer::is_plausible;
use super::stun::{ANSWER_MAX, ANSWER_WAIT, Question, Step};
use hanse_runtime::clock;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant as TokioInstant, timeout, timeout_at};

/// Addresses of one STUN server that are asked.
const ADDRESSES_PER_SERVER_MAX: usize = 4;

/// What STUN servers said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// From where we are seen, at most one address of each family.
    pub addresses: Vec<IpAddr>,
    /// Families by which nobody has answered (IPv4: true), and the servers that were asked, each once.
    pub silent: Vec<(bool, String)>,
}

/// Asks STUN servers.
pub(super) struct Discovery {
    servers: Vec<StunServer>,
    /// Addresses of the media sockets.
    from: Vec<IpAddr>,
    random: ChaCha20Rng,
}

impl Discovery {
    pub fn new(servers: Vec<StunServer>, from: Vec<IpAddr>, seed: [u8; 32]) -> Self {
        Discovery {
            servers,
            from,
            random: ChaCha20Rng::from_seed(seed),
        }
    }

    pub fn is_wanted(&self) -> bool {
        !self.servers.is_empty()
    }

    /// Asks all servers at once by each family. Takes [`ANSWER_WAIT`] for their names and as much for their answers, at most.
    pub async fn ask(&mut self) -> Seen {
        let mut questions = JoinSet::new();
        let mut seen = Seen::default();
        let mut asked: Vec<(bool, String)> = Vec::new();
        for (server, addresses) in self.resolved().await {
            if addresses.is_empty() {
                // Nobody to ask; as silent as can be, by every family.
                asked.extend(self.from.iter().map(|own| (own.is_ipv4(), server.clone())));
            }
            for address in addresses {
                let Some(own) = self.from.iter().find(|own| own.is_ipv4() == address.is_ipv4()) else {
                    continue;
                };
                let question = Question::new(clock::now(), self.random.random());
                let (own, is_ipv4, server) = (*own, address.is_ipv4(), server.clone());
                questions.spawn(async move {
                    let answer = ask_one(own, address, question).await;
                    (is_ipv4, server, answer)
                });
            }
        }
        while let Some(answer) = questions.join_next().await {
            match answer {
                // This machine has no way there, which is no fault of the server.
                Ok((_, _, Err(_))) | Err(_) => {}
                Ok((is_ipv4, server, Ok(answer))) => {
                    asked.push((is_ipv4, server));
                    let is_first = !seen.addresses.iter().any(|known| known.is_ipv4() == is_ipv4);
                    if let Some(ip) = answer
                        && ip.is_ipv4() == is_ipv4
                        && is_plausible(ip)
                        && is_first
                    {
                        seen.addresses.push(ip);
                    }
                }
            }
        }
        for (is_ipv4, server) in asked {
            let is_answered = seen.addresses.iter().any(|ip| ip.is_ipv4() == is_ipv4);
            let question = (is_ipv4, server);
            if !is_answered && !seen.silent.contains(&question) {
                seen.silent.push(question);
            }
        }
        seen.addresses.sort_unstable_by_key(|ip| !ip.is_ipv4());
        seen.silent.sort_unstable();
        seen
    }

    /// The addresses of each server.
    async fn resolved(&self) -> Vec<(String, Vec<SocketAddr>)> {
        let mut lookups = JoinSet::new();
        for server in &self.servers {
            let StunServer { host, port } = server.clone();
            lookups.spawn(async move {
                let name = (host.clone(), port);
                let addresses = match timeout(ANSWER_WAIT, tokio::net::lookup_host(name)).await {
                    Ok(Ok(addresses)) => addresses.take(ADDRESSES_PER_SERVER_MAX).collect(),
                    Ok(Err(_)) | Err(_) => Vec::new(),
                };
                (host, addresses)
            });
        }
        lookups.join_all().await
    }
}

/// The answer to one question; `Ok(None)`: there is none.
///
/// # Errors
///
/// Nothing can be sent there.
async fn ask_one(own: IpAddr, server: SocketAddr, mut question: Question) -> std::io::Result<Option<IpAddr>> {
    let socket = UdpSocket::bind(SocketAddr::new(own, 0)).await?;
    // From nobody else anything is taken then.
    socket.connect(server).await?;
    // One more, so that what is too long is not read as if it were whole.
    let mut datagram = [0; ANSWER_MAX + 1];
    loop {
        let wait_until: Instant = match question.poll(clock::now()) {
            Step::Ask => {
                // A port that nobody listens on may refuse; the answer may come all the same.
                let _ = socket.send(question.datagram()).await;
                continue;
            }
            Step::Wait(until) => until,
            Step::GiveUp => return Ok(None),
        };
        if let Ok(Ok(length)) = timeout_at(
            TokioInstant::from_std(wait_until),
            receive(&socket, &mut datagram),
        )
        .await
            && let Some(ip) = datagram.get(..length).and_then(|bytes| question.answer(bytes))
        {
            return Ok(Some(ip));
        }
    }
}

/// Like [`UdpSocket::recv`], but a refusal of the other side (ICMP), which is told once for each datagram that was sent, is none.
async fn receive(socket: &UdpSocket, datagram: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match socket.recv(datagram).await {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            other => return other,
        }
    }
}
