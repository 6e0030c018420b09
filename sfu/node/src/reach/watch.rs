//! Looking again: addresses change, as those of homes do every night, and STUN servers may have been silent at start.

use super::config::ReachConfig;
use super::discover::{Discovery, Seen};
use super::offer::{Offer, Sockets, family_name};
use crate::control::{Input, Inputs};
use crate::net::local_addresses;
use crate::node::StartError;
use hanse_sfu_signal::Candidate;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often STUN servers are asked again, and the addresses of this machine looked at, if there are STUN servers.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// How soon STUN servers are asked again of which none has answered by some family.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How people reach us, as it was at start.
pub(crate) struct Reach {
    config: ReachConfig,
    sockets: Sockets,
    discovery: Discovery,
    offer: Offer,
    seen: Seen,
}

impl Reach {
    /// Looks, and asks STUN servers if there are any: then it takes up to four seconds. Their silence is no error.
    ///
    /// # Errors
    ///
    /// There is no address that anybody could send media to, or the system does not tell.
    pub async fn look(config: ReachConfig, sockets: Sockets, seed: [u8; 32]) -> Result<Self, StartError> {
        let from = sockets.udp.iter().map(SocketAddr::ip).collect();
        let mut discovery = Discovery::new(config.stun_servers.clone(), from, seed);
        let seen = if discovery.is_wanted() {
            discovery.ask().await
        } else {
            Seen::default()
        };
        let offer = offer(&config, &sockets, &seen.addresses)?.ok_or(StartError::NoAddress)?;
        Ok(Reach {
            config,
            sockets,
            discovery,
            offer,
            seen,
        })
    }

    /// What clients are offered.
    pub fn candidates(&self) -> &[Candidate] {
        &self.offer.candidates
    }

    /// Says what is offered, and what cannot work. The server's own addresses are no secret, and most trouble with media is a
    /// wrong one.
    pub fn say(&self) {
        say_silence(&self.seen, &[]);
        self.say_offer();
    }

    fn say_offer(&self) {
        tracing::info!("{}", self.offer.sentence(self.config.turn.as_ref()));
        for warning in self.offer.warnings() {
            tracing::warn!("{warning}");
        }
    }

    /// Looks again from time to time, if STUN servers are to be asked. What has changed holds for whoever joins or comes again
    /// from then on. An address that was seen stays until another one is.
    pub fn watch(mut self, inputs: Inputs) -> Option<JoinHandle<()>> {
        if !self.discovery.is_wanted() {
            return None;
        }
        Some(tokio::spawn(async move {
            loop {
                let is_whole = self.seen.silent.is_empty();
                sleep(if is_whole { LOOK_AGAIN } else { ASK_AGAIN }).await;
                let Some(candidates) = self.look_again().await else {
                    continue;
                };
                if inputs.send(Input::Candidates(candidates)).await.is_err() {
                    return;
                }
            }
        }))
    }

    /// Looks once more; gives what clients are offered from now on, if that is something else.
    async fn look_again(&mut self) -> Option<Vec<Candidate>> {
        let now = self.discovery.ask().await;
        if self.seen.silent.is_empty() {
            say_silence(&now, &self.seen.addresses);
        }
        self.seen = merged(&self.seen.addresses, now);
        // A machine without an address has nothing better to say than what it said before.
        let offer = offer(&self.config, &self.sockets, &self.seen.addresses).ok()??;
        if offer == self.offer {
            return None;
        }
        self.offer = offer;
        tracing::info!("the addresses of this server have changed");
        self.say_offer();
        Some(self.offer.candidates.clone())
    }
}

fn offer(config: &ReachConfig, sockets: &Sockets, seen: &[IpAddr]) -> Result<Option<Offer>, StartError> {
    let local = local_addresses().map_err(|error| StartError::System(error.to_string()))?;
    Ok(Offer::new(config, sockets, &local, seen))
}

/// What is seen now, and of a family by which nobody has answered what was seen before.
fn merged(before: &[IpAddr], mut now: Seen) -> Seen {
    for known in before {
        if !now.addresses.iter().any(|ip| ip.is_ipv4() == known.is_ipv4()) {
            now.addresses.push(*known);
        }
    }
    now.addresses.sort_unstable_by_key(|ip| !ip.is_ipv4());
    now
}

/// Says by which families no STUN server has answered, and what holds then. `before`: what was seen earlier.
fn say_silence(seen: &Seen, before: &[IpAddr]) {
    for family in [true, false] {
        let silent = seen.silent.iter().filter(|(is_ipv4, _)| *is_ipv4 == family);
        let servers: Vec<&str> = silent.map(|(_, server)| server.as_str()).collect();
        if servers.is_empty() {
            continue;
        }
        let what_holds = match before.iter().find(|ip| ip.is_ipv4() == family) {
            None => "until one comes, clients are offered what this machine knows by itself".to_owned(),
            Some(known) => format!("clients are still offered {known}"),
        };
        tracing::warn!(
            "no usable answer came by {} from the STUN servers ({}): {what_holds}. Let UDP out to them, or name the address that \
             the outside sees in [sfu] addresses",
            family_name(family),
            servers.join(", ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::StunServer;
    use rtc_stun::message::{BINDING_SUCCESS, Message};
    use rtc_stun::xoraddr::XorMappedAddress;
    use std::sync::{Arc, Mutex};
    use tokio::net::UdpSocket;

    /// A STUN server that sees everybody at the address that it is told; silent while there is none.
    async fn stun_server() -> (StunServer, Arc<Mutex<Option<IpAddr>>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = StunServer {
            host: "127.0.0.1".to_owned(),
            port: socket.local_addr().unwrap().port(),
        };
        let sees = Arc::new(Mutex::new(None));
        let told = sees.clone();
        tokio::spawn(async move {
            let mut bytes = [0; 100];
            loop {
                let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
                let mut question = Message::new();
                question.unmarshal_binary(&bytes[..length]).unwrap();
                let Some(ip) = *told.lock().unwrap() else {
                    continue;
                };
                let mut answer = Message::new();
                let seen = XorMappedAddress { ip, port: 9 };
                answer
                    .build(&[
                        Box::new(question.transaction_id),
                        Box::new(BINDING_SUCCESS),
                        Box::new(seen),
                    ])
                    .unwrap();
                // Junk first: it is passed over.
                socket.send_to(b"junk", from).await.unwrap();
                socket.send_to(&answer.raw, from).await.unwrap();
            }
        });
        (server, sees)
    }

    fn shown(candidates: &[Candidate]) -> Vec<String> {
        candidates.iter().map(Candidate::to_string).collect()
    }

    async fn look(servers: Vec<StunServer>, offer_local_addresses: bool) -> Reach {
        let config = ReachConfig {
            addresses: vec![],
            offer_local_addresses,
            stun_servers: servers,
            turn: None,
        };
        let sockets = Sockets {
            udp: vec!["127.0.0.1:7".parse().unwrap()],
            tcp: vec![],
        };
        Reach::look(config, sockets, [7; 32]).await.unwrap()
    }

    #[tokio::test]
    async fn an_address_that_comes_late_or_changes_is_offered_from_then_on_and_stays_through_silence() {
        let (server, sees) = stun_server().await;
        let mut reach = look(vec![server], true).await;
        assert_eq!(
            shown(reach.candidates()),
            ["127.0.0.1:7/udp"],
            "silence is no error"
        );
        assert_eq!(reach.seen.silent, [(true, "127.0.0.1".to_owned())]);
        let see = |ip: &str| *sees.lock().unwrap() = Some(ip.parse().unwrap());

        see("203.0.113.7");
        let late = reach.look_again().await.unwrap();
        assert_eq!(shown(&late), ["203.0.113.7:7/udp", "127.0.0.1:7/udp"]);
        assert_eq!(reach.look_again().await, None);

        *sees.lock().unwrap() = None;
        assert_eq!(reach.look_again().await, None);
        assert_eq!(shown(reach.candidates()), shown(&late));

        see("203.0.113.8");
        let changed = reach.look_again().await.unwrap();
        assert_eq!(shown(&changed), ["203.0.113.8:7/udp", "127.0.0.1:7/udp"]);
        see("224.0.0.1");
        assert_eq!(reach.look_again().await, None, "nonsense is no answer");
        see("2001:db8::7");
        assert_eq!(reach.look_again().await, None, "nor is the other family");
    }

    #[tokio::test]
    async fn one_server_that_answers_is_enough_and_one_that_is_none_is_no_error() {
        let (silent, _) = stun_server().await;
        let (server, sees) = stun_server().await;
        *sees.lock().unwrap() = Some("203.0.113.7".parse().unwrap());
        let nobody = StunServer {
            host: "127.0.0.1".to_owned(),
            port: 1,
        };
        let nowhere = StunServer {
            host: "there-is-no-such-name.invalid".to_owned(),
            port: 3478,
        };
        let reach = look(vec![silent, nobody, nowhere, server], false).await;
        assert_eq!(shown(reach.candidates()), ["203.0.113.7:7/udp"]);
        assert_eq!(reach.seen.silent, []);
    }

    #[test]
    fn what_was_seen_stays_when_servers_fall_silent_and_goes_when_they_see_another() {
        let ips = |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|ip| ip.parse().unwrap()).collect() };
        let seen = |all: &[&str]| Seen {
            addresses: ips(all),
            silent: vec![],
        };
        let before = ips(&["203.0.113.7", "2001:db8::7"]);
        assert_eq!(merged(&before, seen(&[])).addresses, before);
        assert_eq!(
            merged(&before, seen(&["203.0.113.8"])).addresses,
            ips(&["203.0.113.8", "2001:db8::7"])
        );
        assert_eq!(
            merged(&[], seen(&["203.0.113.8"])).addresses,
            ips(&["203.0.113.8"])
        );
    }
}
