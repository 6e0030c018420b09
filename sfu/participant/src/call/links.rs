//! The connections to SFUs: one's own, where this device publishes, and those of the others in the call. Each is made by a task of its own,
//! so that the call goes on meanwhile, and made anew when it has ended unasked.

use crate::call::Wish;
use crate::focus::{Asker, Grant};
use crate::matrix::membership::Leave;
use crate::sfu::link::{Link, Observer, Seat, Seen};
use crate::sfu::peer::Outgoing;
use crate::tls::Trust;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A connection that has ended is made anew at once, and after each failure twice as much later, from the first of these to the last.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// SFUs at a time. Further ones that members name are passed over.
const LINKS_MAX: usize = 64;

/// A connection that is made, or why it is not.
pub struct Joined {
    url: String,
    number: usize,
    link: Result<(Link, Option<[Outgoing; 2]>)>,
}

enum State {
    Joining(usize),
    Joined(Link, usize),
    NotBefore(Instant),
}

struct Kept {
    state: State,
    failures: u32,
}

/// All connections, by the focus that lets this device in.
pub struct Links {
    own: String,
    asker: Asker,
    trust: Trust,
    wish: Wish,
    is_encrypted: bool,
    links: BTreeMap<String, Kept>,
    number: usize,
    observe: mpsc::Sender<(usize, Seen)>,
    joined: mpsc::Sender<Joined>,
    /// What is published on one's own SFU, once media flows there.
    tracks: Option<[Outgoing; 2]>,
    /// The connection on which media flowed last.
    flows: usize,
}

impl Links {
    /// None yet. `observe` is told what they see, `joined` what has become of making them.
    pub fn new(
        own: String,
        asker: Asker,
        (trust, wish): (&Trust, Wish),
        is_encrypted: bool,
        observe: mpsc::Sender<(usize, Seen)>,
        joined: mpsc::Sender<Joined>,
    ) -> Links {
        Links {
            own,
            asker,
            trust: trust.clone(),
            wish,
            is_encrypted,
            links: BTreeMap::new(),
            number: 0,
            observe,
            joined,
            tracks: None,
            flows: 0,
        }
    }

    /// Joins one's own SFU for the first time.
    ///
    /// # Errors
    /// When the focus or the SFU does not let this device in, in a sentence.
    pub async fn join_own(&mut self, leave: Option<Leave>) -> Result<()> {
        let own = self.own.clone();
        let joined = self.joining(&own, leave).await;
        let (link, tracks) = joined.link?;
        self.tracks = tracks;
        let state = State::Joined(link, joined.number);
        self.links.insert(own, Kept { state, failures: 0 });
        Ok(())
    }

    /// Hands another leave to one's own focus, in place of the one that it had.
    ///
    /// # Errors
    /// With the focus' own words.
    pub async fn hand_over(&self, leave: &Leave) -> Result<()> {
        self.asker.own(&self.own, Some(leave.clone())).await.map(|_| ())
    }

    /// Connects where somebody is, and leaves where nobody is any more. `leave`: what one's own focus keeps waiting.
    pub fn advance(&mut self, mut wanted: BTreeSet<String>, leave: Option<&Leave>, now: Instant) {
        wanted.insert(self.own.clone());
        let unwanted: Vec<String> = self
            .links
            .keys()
            .filter(|url| !wanted.contains(*url))
            .cloned()
            .collect();
        for url in unwanted {
            if let Some(Kept {
                state: State::Joined(link, _),
                ..
            }) = self.links.remove(&url)
            {
                tokio::spawn(link.leave());
            }
        }
        for url in wanted {
            let failures = match self.links.get(&url) {
                None if self.links.len() < LINKS_MAX || url == self.own => 0,
                Some(Kept {
                    state: State::NotBefore(at),
                    failures,
                }) if *at <= now => *failures,
                _ => continue,
            };
            let leave = leave.filter(|_| url == self.own).cloned();
            let joining = self.joining(&url, leave);
            let state = State::Joining(self.number);
            let joined = self.joined.clone();
            tokio::spawn(async move {
                let _ = joined.send(joining.await).await;
            });
            self.links.insert(url, Kept { state, failures });
        }
    }

    fn joining(&mut self, url: &str, leave: Option<Leave>) -> impl Future<Output = Joined> + use<> {
        self.number += 1;
        let (number, url, is_own) = (self.number, url.to_owned(), url == self.own);
        let (asker, trust, wish) = (self.asker.clone(), self.trust.clone(), self.wish);
        let sealed = is_own.then_some(self.is_encrypted);
        let observer = Observer {
            link: number,
            to: self.observe.clone(),
        };
        async move {
            let link = match grant(asker, &url, is_own, leave).await {
                Ok(grant) => {
                    let seat = Seat {
                        url: grant.url,
                        jwt: grant.jwt,
                        tls: trust.config(),
                        ice: wish.ice,
                        receives: !wish.send_only,
                    };
                    Link::join(seat, sealed, observer).await
                }
                Err(error) => Err(error),
            };
            Joined { url, number, link }
        }
    }

    /// A connection is made. With `Some`, it is one's own, and media goes there from now on.
    ///
    /// # Errors
    /// Why it is not, in words.
    pub fn handle_joined(&mut self, joined: Joined, now: Instant) -> Result<Option<[Outgoing; 2]>, String> {
        let Joined { url, number, link } = joined;
        let kept = self
            .links
            .get_mut(&url)
            .filter(|kept| matches!(kept.state, State::Joining(waits) if waits == number));
        match (kept, link) {
            (Some(kept), Ok((link, tracks))) => {
                kept.state = State::Joined(link, number);
                if tracks.is_some() {
                    self.tracks = tracks;
                }
                // Media may have been faster than this message.
                Ok(if self.flows == number {
                    self.tracks.take()
                } else {
                    None
                })
            }
            (Some(kept), Err(error)) => {
                *kept = later(kept.failures, now);
                Err(format!("{error:#}"))
            }
            // Nobody is there any more.
            (None, Ok((link, _))) => {
                tokio::spawn(link.leave());
                Ok(None)
            }
            (None, Err(_)) => Ok(None),
        }
    }

    /// Media flows on a connection. With `Some`, it is one's own, and goes there from now on.
    pub fn handle_connected(&mut self, number: usize) -> Option<[Outgoing; 2]> {
        let url = self.url(number)?.to_owned();
        if let Some(kept) = self.links.get_mut(&url) {
            kept.failures = 0;
        }
        if url != self.own {
            return None;
        }
        self.flows = number;
        self.tracks.take()
    }

    /// A connection has ended unasked.
    pub fn handle_lost(&mut self, number: usize, now: Instant) {
        for kept in self.links.values_mut() {
            if matches!(&kept.state, State::Joined(_, of) | State::Joining(of) if *of == number) {
                *kept = later(kept.failures, now);
            }
        }
    }

    /// Through which focus a connection was made.
    pub fn url(&self, number: usize) -> Option<&str> {
        let is_it =
            |kept: &Kept| matches!(&kept.state, State::Joined(_, of) | State::Joining(of) if *of == number);
        self.links
            .iter()
            .find(|(_, kept)| is_it(kept))
            .map(|(url, _)| url.as_str())
    }

    /// When one is to be made anew.
    pub fn wake_at(&self) -> Option<Instant> {
        let due = self.links.values().filter_map(|kept| match kept.state {
            State::NotBefore(at) => Some(at),
            _ => None,
        });
        due.min()
    }

    /// Asks for a picture of somebody's that stands for itself.
    pub fn ask_for_key_frame(&self, number: usize, identity: &str) {
        for kept in self.links.values() {
            if let State::Joined(link, of) = &kept.state
                && *of == number
            {
                link.ask_for_key_frame(identity);
            }
        }
    }

    /// Says goodbye everywhere.
    pub async fn leave(self) {
        let mut leaving = tokio::task::JoinSet::new();
        for kept in self.links.into_values() {
            if let State::Joined(link, _) = kept.state {
                leaving.spawn(link.leave());
            }
        }
        leaving.join_all().await;
    }
}

async fn grant(asker: Asker, url: &str, is_own: bool, leave: Option<Leave>) -> Result<Grant> {
    if is_own {
        asker.own(url, leave).await
    } else {
        asker.other(url).await
    }
}

fn later(failures: u32, now: Instant) -> Kept {
    let wait = RETRY_FIRST.saturating_mul(1 << failures.min(8)).min(RETRY_LAST);
    Kept {
        state: State::NotBefore(now + wait),
        failures: failures + 1,
    }
}
