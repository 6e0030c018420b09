//! Changes on their way to the store. One batch is written at a time; what happens meanwhile to the same job becomes one
//! change. So there is at most one a job, however slow the store is.

use super::job::Seat;
use super::machine::LeaveRefusal;
use crate::ports::LeaveChange;
use std::collections::BTreeMap;
use std::ops::Bound;
use tokio::sync::oneshot;

/// Changes in one batch. More would keep a delegation waiting longer, fewer cost more flushes to disk.
const BATCH_MAX: usize = 1_000;

/// Waits until a leave that was taken over is stored.
pub(super) type Stored = oneshot::Sender<Result<(), LeaveRefusal>>;

/// What is to be written, and who waits for it.
pub(super) struct Writes {
    changes: BTreeMap<Seat, LeaveChange>,
    waiting: BTreeMap<Seat, Vec<Stored>>,
    /// Where the next batch begins.
    after: Option<Seat>,
    /// How many changes the next batch may have: fewer after each failure, so that one change that the store does not
    /// take holds up no other.
    size: usize,
}

impl Default for Writes {
    fn default() -> Self {
        Writes {
            changes: BTreeMap::new(),
            waiting: BTreeMap::new(),
            after: None,
            size: BATCH_MAX,
        }
    }
}

/// What is being written.
pub(super) struct Batch {
    pub changes: Vec<LeaveChange>,
    pub waiting: Vec<Stored>,
}

impl Writes {
    pub fn add(&mut self, change: LeaveChange) {
        let seat = seat(&change).clone();
        let change = match (self.changes.remove(&seat), change) {
            (Some(LeaveChange::Take(_)), LeaveChange::Update(job)) => LeaveChange::Take(job),
            (_, newer) => newer,
        };
        self.changes.insert(seat, change);
    }

    /// Tells `stored` when the change of this seat, which was added just now, is written.
    pub fn wait(&mut self, seat: Seat, stored: Stored) {
        self.waiting.entry(seat).or_default().push(stored);
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn next(&mut self) -> Option<Batch> {
        let start = self.after.take().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.changes.range((start, Bound::Unbounded));
        let mut seats: Vec<Seat> = behind.map(|(seat, _)| seat.clone()).take(self.size).collect();
        if seats.is_empty() {
            seats = self.changes.keys().take(self.size).cloned().collect();
        }
        self.after = seats.last().cloned();
        let mut batch = Batch {
            changes: Vec::with_capacity(seats.len()),
            waiting: Vec::new(),
        };
        for seat in seats {
            batch.changes.extend(self.changes.remove(&seat));
            batch
                .waiting
                .extend(self.waiting.remove(&seat).unwrap_or_default());
        }
        (!batch.changes.is_empty()).then_some(batch)
    }

    pub fn written(&mut self, batch: Batch) {
        self.size = (self.size * 2).min(BATCH_MAX);
        for stored in batch.waiting {
            // Whoever asked may have gone.
            let _ = stored.send(Ok(()));
        }
    }

    /// The changes stay, except where there is a newer one of the same seat.
    pub fn not_written(&mut self, batch: Batch) {
        self.size = (batch.changes.len() / 2).max(1);
        for change in batch.changes {
            let seat = seat(&change).clone();
            let change = match (change, self.changes.remove(&seat)) {
                (LeaveChange::Take(_), Some(LeaveChange::Update(job))) => LeaveChange::Take(job),
                (_, Some(newer)) => newer,
                (older, None) => older,
            };
            self.changes.insert(seat, change);
        }
        for stored in batch.waiting {
            let _ = stored.send(Err(LeaveRefusal::NotStored));
        }
    }
}

fn seat(change: &LeaveChange) -> &Seat {
    match change {
        LeaveChange::Take(job) | LeaveChange::Update(job) => &job.seat,
        LeaveChange::Forget(seat) => seat,
    }
}
