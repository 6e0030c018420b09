//! How many questions and connections there may be at a time.

use super::DialError;
use super::limits::{CONNECTIONS_PER_HOST_MAX, QUESTIONS_MAX, QUESTIONS_PER_HOST_MAX};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts. One entry for each host that somebody is connected to or waits for, so the limits of questions and of addresses
/// bound it.
pub(super) struct Gate {
    questions: Arc<Semaphore>,
    hosts: Mutex<HashMap<IpAddr, Queue>>,
}

struct Queue {
    connections: Arc<Semaphore>,
    /// Passes that exist, with or without a connection.
    passes: usize,
}

impl Gate {
    pub(super) fn new() -> Self {
        Gate {
            questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            hosts: Mutex::default(),
        }
    }

    /// A question begins; it ends when the permit is dropped.
    pub(super) fn begin_question(&self) -> Result<OwnedSemaphorePermit, DialError> {
        self.questions
            .clone()
            .try_acquire_owned()
            .map_err(|_| DialError::Busy)
    }

    /// Waits until there may be another connection to the address; it ends when the pass is dropped.
    pub(super) async fn enter(&self, address: IpAddr) -> Result<HostPass<'_>, DialError> {
        let (mut pass, connections) = self.queue_up(host_of(address))?;
        let permit = connections.acquire_owned().await;
        pass.permit = Some(permit.map_err(|_| DialError::Busy)?);
        Ok(pass)
    }

    fn queue_up(&self, host: IpAddr) -> Result<(HostPass<'_>, Arc<Semaphore>), DialError> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = hosts.entry(host).or_insert_with(|| Queue {
            connections: Arc::new(Semaphore::new(CONNECTIONS_PER_HOST_MAX)),
            passes: 0,
        });
        if queue.passes >= QUESTIONS_PER_HOST_MAX {
            return Err(DialError::Busy);
        }
        queue.passes += 1;
        let pass = HostPass {
            gate: self,
            host,
            permit: None,
        };
        Ok((pass, queue.connections.clone()))
    }
}

/// The right to one connection, or the place in the queue for it.
pub(super) struct HostPass<'a> {
    gate: &'a Gate,
    host: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for HostPass<'_> {
    fn drop(&mut self) {
        let mut hosts = self.gate.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        self.permit = None;
        if let Some(queue) = hosts.get_mut(&self.host) {
            queue.passes = queue.passes.saturating_sub(1);
            if queue.passes == 0 {
                hosts.remove(&self.host);
            }
        }
    }
}

/// What counts as one host: an IPv4 address, or the IPv6 network that one host has all addresses of.
fn host_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_for_one_to_end_and_other_hosts_do_not() {
        let gate = Gate::new();
        let host = address("192.0.2.1");
        let mut passes = Vec::new();
        for _ in 0..CONNECTIONS_PER_HOST_MAX {
            passes.push(gate.enter(host).now_or_never().unwrap().unwrap());
        }
        let mut waiting = Box::pin(gate.enter(host));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(gate.enter(address("192.0.2.2")).now_or_never().unwrap().is_ok());
        passes.pop();
        assert!(waiting.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_queue_that_is_full_refuses_at_once_and_forgets_hosts_that_are_done_with() {
        let gate = Gate::new();
        let host = address("2001:db8::1");
        let neighbour = address("2001:db8::2");
        let mut questions: Vec<_> = (0..QUESTIONS_PER_HOST_MAX)
            .map(|_| Box::pin(gate.enter(host)))
            .collect();
        let mut passes: Vec<_> = questions
            .iter_mut()
            .filter_map(|question| question.as_mut().now_or_never())
            .collect();
        assert_eq!(passes.len(), CONNECTIONS_PER_HOST_MAX);
        let refused = gate.enter(neighbour).now_or_never().unwrap();
        assert_eq!(refused.err(), Some(DialError::Busy), "the same network");
        assert!(
            gate.enter(address("2001:db8:0:1::1"))
                .now_or_never()
                .unwrap()
                .is_ok()
        );
        drop(questions);
        passes.clear();
        assert!(gate.hosts.lock().unwrap().is_empty());
    }

    #[test]
    fn a_question_too_many_is_refused_at_once() {
        let gate = Gate::new();
        let mut questions: Vec<_> = (0..QUESTIONS_MAX)
            .map(|_| gate.begin_question().unwrap())
            .collect();
        assert_eq!(gate.begin_question().err(), Some(DialError::Busy));
        questions.pop();
        assert!(gate.begin_question().is_ok());
    }
}
