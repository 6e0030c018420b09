//! Webhooks: others are told what happens, as LiveKit's server tells them.
//!
//! In: the SFU's events, time, answers. Out: signed HTTP requests. One task turns events into webhooks and carries them to
//! and from `queue.rs`, which knows what is to be sent when; each request is a task of its own (`deliver.rs`). Nothing
//! in the SFU waits for it.
//!
//! What has not arrived is on disk as well (`spool.rs`), written before it is sent for the first time, and the next process
//! sends it. What an SFU that is killed has not told yet is lost, as is what nobody has taken for ten minutes; a receiver
//! that must know who is there looks itself after a while.
//!
//! Where to look next: `event.rs` for what a webhook says.

mod config;
mod deliver;
mod event;
mod queue;
mod spool;

pub use config::WebhookConfig;
pub use spool::SpoolError;

use crate::handle::{Heard, SfuEvents};
use crate::metrics::WEBHOOKS;
use crate::node::letters;
use bytes::Bytes;
use deliver::Destinations;
use event::Importance;
use hanse_runtime::{Redacted, clock};
use hanse_sfu_signal::SfuEvent;
use queue::{Delivery, Outcome, Queue, Verdict, Webhook};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spool::{Change, Spool};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::sleep_until;

/// After the first webhook that a full queue does not take, so many more are dropped before it is said again.
const DROPPED_PER_LINE: u64 = 1_000;

/// Events that are taken before they are kept and sent.
const EVENTS_PER_TURN: usize = 64;

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    /// No TLS.
    #[error("webhooks cannot be sent: TLS cannot be set up")]
    Tls(#[from] reqwest::Error),
    /// No folder.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The task that sends webhooks. Ends when this is dropped.
pub struct Webhooks {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Webhooks {
    /// Tells of these events from now on, after what an earlier process has left. `None`: nobody is to be told. Reads a
    /// folder, which blocks.
    ///
    /// # Errors
    ///
    /// See [`WebhooksError`].
    pub fn start(
        config: &WebhookConfig,
        events: SfuEvents,
        seed: [u8; 32],
    ) -> Result<Option<Self>, WebhooksError> {
        if config.urls.is_empty() {
            return Ok(None);
        }
        let mut random = ChaCha8Rng::from_seed(seed);
        let mut sender = Sender {
            queue: Queue::new(config.urls.len(), random.random()),
            destinations: Arc::new(Destinations::new(config)?),
            deliveries: JoinSet::new(),
            standing: config.urls.iter().map(|_| Standing::default()).collect(),
            random,
            next_number: 1,
            spool: None,
            changes: Vec::new(),
        };
        if let Some(folder) = &config.folder {
            let (spool, found) = Spool::open(folder, &config.urls, clock::unix_s())?;
            sender.spool = Some(spool);
            sender.next_number = found.next_number;
            sender.take_up(found.webhooks);
        }
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(sender.run(events, stopped));
        Ok(Some(Webhooks {
            stop: Some(stop),
            task,
        }))
    }

    /// Sends what has happened so far, each at most once more, and ends.
    pub async fn drain(mut self) {
        if let Some(stop) = self.stop.take() {
            // The task may have ended with the SFU.
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a destination has done, for the log.
#[derive(Default)]
struct Standing {
    is_away: bool,
    dropped: u64,
}

struct Tried {
    delivery: Delivery,
    outcome: Outcome,
    reason: String,
}

struct Sender {
    queue: Queue,
    destinations: Arc<Destinations>,
    deliveries: JoinSet<Tried>,
    standing: Vec<Standing>,
    random: ChaCha8Rng,
    next_number: u64,
    spool: Option<Spool>,
    /// To be made on disk before anything else is sent.
    changes: Vec<Change>,
}

impl Sender {
    /// What an earlier process has not delivered.
    fn take_up(&mut self, found: Vec<(usize, Webhook)>) {
        let now = clock::now();
        let count = found.len();
        for (place, webhook) in found {
            if !self.queue.push_to(now, place, &webhook) {
                self.changes.push(Change::Delete {
                    destination: place,
                    number: webhook.number,
                });
                self.dropped(place, &webhook);
            }
        }
        if count > 0 {
            tracing::info!("{count} webhooks had not arrived when the server ended last; they are sent now");
        }
    }

    async fn run(mut self, mut events: SfuEvents, mut stopped: oneshot::Receiver<()>) {
        let mut is_stopping = false;
        loop {
            self.keep().await;
            let now = clock::now();
            while let Some(delivery) = self.queue.poll_delivery(now) {
                self.send(delivery);
            }
            if is_stopping && self.queue.is_quiet(now) {
                break;
            }
            let kept = self.spool.as_ref().and_then(Spool::poll_timeout);
            let wait = [self.queue.poll_timeout(), kept].into_iter().flatten().min();
            tokio::select! {
                heard = events.next(), if !is_stopping => match heard {
                    Some(heard) => {
                        self.hear(&heard);
                        for _ in 0..EVENTS_PER_TURN {
                            match events.try_next() {
                                Some(heard) => self.hear(&heard),
                                None => break,
                            }
                        }
                    }
                    None => is_stopping = true,
                },
                _ = &mut stopped, if !is_stopping => {
                    while let Some(heard) = events.try_next() {
                        self.hear(&heard);
                    }
                    is_stopping = true;
                }
                Some(Ok(tried)) = self.deliveries.join_next() => self.handle_outcome(&tried),
                () = due(wait) => {}
            }
        }
        if let Some(mut spool) = self.spool.take() {
            // Fails only when it panics, and then there is nothing to be synced.
            let _ = spawn_blocking(move || spool.sync()).await;
            match self.queue.pending() {
                0 => {}
                left => tracing::warn!(
                    "{left} webhooks have not arrived when the SFU stops; they are sent when it starts again"
                ),
            }
        } else {
            match self.queue.pending() {
                0 => {}
                left => {
                    tracing::warn!("{left} webhooks have not arrived when the SFU stops; they are lost");
                }
            }
        }
    }

    /// Brings the disk up to date.
    async fn keep(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let now = clock::now();
        let is_due = |spool: &Spool| spool.poll_timeout().is_some_and(|at| at <= now);
        if changes.is_empty() && !self.spool.as_ref().is_some_and(is_due) {
            return;
        }
        let Some(mut spool) = self.spool.take() else {
            return;
        };
        let applied = spawn_blocking(move || {
            spool.apply(now, changes);
            spool
        });
        self.spool = applied.await.ok();
    }

    fn send(&mut self, delivery: Delivery) {
        let destinations = Arc::clone(&self.destinations);
        self.deliveries.spawn(async move {
            let body = delivery.webhook.body.clone();
            let (outcome, reason) = destinations.send(delivery.destination, body).await;
            Tried {
                delivery,
                outcome,
                reason,
            }
        });
    }

    fn hear(&mut self, heard: &Heard) {
        match heard {
            Heard::Event(event) => self.push(event),
            Heard::Missed(missed) => {
                tracing::error!("{missed} events of the SFU came too fast; there are no webhooks for them");
            }
        }
    }

    fn push(&mut self, event: &SfuEvent) {
        let Some((mut said, importance)) = event::webhook(event) else {
            return;
        };
        said.id = format!("EV_{}", letters(self.random.random::<[u8; 12]>().iter()));
        let created_unix_s = clock::unix_s();
        said.created_at = i64::try_from(created_unix_s).unwrap_or(i64::MAX);
        let body = match serde_json::to_vec(&said) {
            Ok(body) => Bytes::from(body),
            Err(error) => {
                tracing::error!(event = said.event, "a webhook cannot be written: {error}");
                return;
            }
        };
        let webhook = Webhook {
            number: self.next_number,
            room: said.room.map_or_else(String::new, |room| room.name).into(),
            event: said.event.into(),
            importance,
            created_unix_s,
            body,
        };
        self.next_number += 1;
        let full = self.queue.push(clock::now(), &webhook);
        if self.spool.is_some() {
            let taken = (0..self.standing.len()).filter(|place| !full.contains(place));
            self.changes.extend(taken.map(|destination| Change::Keep {
                destination,
                webhook: webhook.clone(),
            }));
        }
        for place in full {
            self.dropped(place, &webhook);
        }
    }

    fn dropped(&mut self, place: usize, webhook: &Webhook) {
        WEBHOOKS.add(1, ["dropped".into()]);
        let Some(standing) = self.standing.get_mut(place) else {
            return;
        };
        let is_said = standing.dropped.is_multiple_of(DROPPED_PER_LINE);
        standing.dropped += 1;
        if is_said || webhook.importance == Importance::Ending {
            tracing::error!(
                event = &*webhook.event,
                room = %Redacted(&*webhook.room),
                dropped = standing.dropped,
                "too many webhooks wait for {}; this one is dropped",
                self.destinations.name(place)
            );
        }
    }

    fn handle_outcome(&mut self, tried: &Tried) {
        let Tried {
            delivery,
            outcome,
            reason,
        } = tried;
        let verdict = self.queue.handle_outcome(clock::now(), delivery, *outcome);
        let name = self.destinations.name(delivery.destination);
        let (room, event) = (Redacted(&*delivery.webhook.room), &*delivery.webhook.event);
        if let Some(standing) = self.standing.get_mut(delivery.destination) {
            let is_away = *outcome == Outcome::Failed;
            // Once for each time that it goes away, not once for each room.
            if is_away && !standing.is_away {
                tracing::warn!("webhooks do not reach {name}, and are tried again: {reason}");
            } else if !is_away && standing.is_away {
                tracing::info!("webhooks reach {name} again");
            }
            standing.is_away = is_away;
        }
        let word = match verdict {
            Verdict::Again(after) => {
                tracing::debug!(event, %room, ?after, "a webhook is tried again");
                return;
            }
            Verdict::Done(Outcome::Taken) => "taken",
            Verdict::Done(_) => {
                tracing::warn!(event, %room, "{name} refuses a webhook: {reason}");
                "refused"
            }
            Verdict::GivenUp => {
                tracing::error!(event, %room, "a webhook for {name} is given up: {reason}");
                "gave_up"
            }
        };
        if self.spool.is_some() {
            self.changes.push(Change::Delete {
                destination: delivery.destination,
                number: delivery.webhook.number,
            });
        }
        WEBHOOKS.add(1, [word.into()]);
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
