//! Delayed leaves, and which process has which.
//!
//! A process lives until its lease ends. Jobs whose owner does not live belong to whoever claims first; claims follow
//! one another, so no job is handed out twice. Only its owner changes or forgets a job, except by a new delegation or by
//! [`Store::take`], which bring the job to where its client is.
//!
//! Leases compare the clocks of machines: they must agree within a small part of a lease.

use super::database::{Growing, Statement, Value};
use super::rows::{fit, read_ms, stored_ms};
use super::{DatabaseError, LEAVES_MAX, Store};
use crate::clock::Clock;
use crate::delayed_leave::{CLAIM_INTERVAL, LeaveJob, LeaveState, Seat};
use crate::ports::{Answer, LeaveChange, LeaveStore, StoreError};
use hanse_runtime::Secret;
use std::fmt;
use std::time::Duration;

const GROWING: Growing = Growing {
    what: "delayed leaves",
    count: "SELECT count(*) FROM delayed_leaves",
    rows_max: LEAVES_MAX,
};

/// A new job replaces the one of that seat, whoever had it.
const TAKE_NEW: &str = "
    INSERT INTO delayed_leaves
        (sfu_room, identity, other_identity, server, delay_id, delay_ms, restarted_at_ms, state, owner)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (sfu_room, identity) DO UPDATE SET
        other_identity = excluded.other_identity, server = excluded.server, delay_id = excluded.delay_id,
        delay_ms = excluded.delay_ms, restarted_at_ms = excluded.restarted_at_ms, state = excluded.state,
        owner = excluded.owner";

/// With the values of [`TAKE_NEW`].
const UPDATE: &str = "
    UPDATE delayed_leaves SET
        other_identity = $3, server = $4, delay_id = $5, delay_ms = $6, restarted_at_ms = $7, state = $8
    WHERE sfu_room = $1 AND identity = $2 AND owner = $9";

const FORGET: &str = "DELETE FROM delayed_leaves WHERE sfu_room = $1 AND identity = $2 AND owner = $3";

/// One job at most: the seat's own before one that names it as the other.
const TAKE: &str = "
    UPDATE delayed_leaves SET owner = $3
    WHERE (sfu_room, identity) IN (
        SELECT sfu_room, identity FROM delayed_leaves
        WHERE sfu_room = $1 AND (identity = $2 OR other_identity = $2)
        ORDER BY CASE WHEN identity = $2 THEN 0 ELSE 1 END LIMIT 1)
    RETURNING sfu_room, identity, other_identity, server, delay_id, delay_ms, restarted_at_ms, state";

const LOCK_CLAIMS: &str = "LOCK TABLE processes IN SHARE ROW EXCLUSIVE MODE";

const RENEW: &str = "
    INSERT INTO processes (process, lease_until_ms) VALUES ($1, $2)
    ON CONFLICT (process) DO UPDATE SET lease_until_ms = excluded.lease_until_ms";

const CLAIM: &str = "
    UPDATE delayed_leaves SET owner = $1
    WHERE owner <> $1 AND owner NOT IN (SELECT process FROM processes WHERE lease_until_ms > $2)
    RETURNING sfu_room, identity, other_identity, server, delay_id, delay_ms, restarted_at_ms, state";

const RELEASE: &str = "DELETE FROM processes WHERE process = $1";

const RELEASE_ALL: &str = "DELETE FROM processes";

/// Not as a sum, which a hostile row could make too large.
const SWEEP: &str = "DELETE FROM delayed_leaves WHERE restarted_at_ms < $1 - delay_ms";

const SWEEP_PROCESSES: &str = "DELETE FROM processes WHERE lease_until_ms <= $1";

type LeaveRow = (String, String, Option<String>, String, String, i64, i64, String);

impl Store {
    /// Writes changes of delayed leaves, all or none, and answers with the seats of [`LeaveChange::Update`] whose job is
    /// another process's by now, or gone.
    ///
    /// # Errors
    /// [`DatabaseError::Full`] beyond [`LEAVES_MAX`] if one of them is a [`LeaveChange::Take`],
    /// [`DatabaseError::Unfit`], [`DatabaseError::Unreachable`], [`DatabaseError::Refused`].
    pub async fn write_leaves(&self, changes: &[LeaveChange]) -> Result<Vec<Seat>, DatabaseError> {
        let statements = changes
            .iter()
            .map(|change| self.change(change))
            .collect::<Result<Vec<_>, _>>()?;
        let changed = self.writer.write_all(statements).await?;
        let lost = changes
            .iter()
            .zip(changed)
            .filter_map(|(change, changed)| match change {
                LeaveChange::Update(job) if changed == 0 => Some(job.seat.clone()),
                _ => None,
            });
        Ok(lost.collect())
    }

    /// Something about this seat was told to this process: whoever is told has its job. A job that names the identity as
    /// its other one counts. `None`: there is none.
    ///
    /// # Errors
    /// [`DatabaseError::Unfit`], [`DatabaseError::Unreachable`], [`DatabaseError::Refused`].
    pub async fn take(&self, seat: &Seat) -> Result<Option<LeaveJob>, DatabaseError> {
        let take = self.about_seat(TAKE, seat)?;
        let rows: Vec<LeaveRow> = self.database.rows(&take).await?;
        Ok(rows.into_iter().find_map(job))
    }

    /// This process lives until `now_ms` plus `lease`, and takes over the jobs of all that live no more: those are
    /// returned. Call it at start, and again every third of a lease.
    ///
    /// # Errors
    /// [`DatabaseError::Unreachable`], [`DatabaseError::Refused`]: try again; who cannot for a whole lease may lose its
    /// jobs.
    pub async fn claim(&self, now_ms: u64, lease: Duration) -> Result<Vec<LeaveJob>, DatabaseError> {
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let until_ms = now_ms.saturating_add(lease_ms);
        let renew = Statement::new(RENEW, [self.own_name(), Value::Number(stored_ms(until_ms))]);
        let claim = Statement::new(CLAIM, [self.own_name(), Value::Number(stored_ms(now_ms))]);
        let rows: Vec<LeaveRow> = self.database.rows_alone(LOCK_CLAIMS, &renew, &claim).await?;
        Ok(rows.into_iter().filter_map(job).collect())
    }

    /// This process stops: others may have its jobs now.
    ///
    /// # Errors
    /// [`DatabaseError::Unreachable`], [`DatabaseError::Refused`]: others then wait until the lease ends.
    pub async fn release(&self) -> Result<(), DatabaseError> {
        self.writer
            .write(Statement::new(RELEASE, [self.own_name()]))
            .await
            .map(|_| ())
    }

    /// This store as the port of the delayed leaves. The clock is for leases only.
    pub fn leaves(&self, clock: Clock) -> impl LeaveStore + use<> {
        LeavePort {
            store: self.clone(),
            clock,
        }
    }

    fn own_name(&self) -> Value {
        Value::Text(self.process.as_str().to_owned())
    }

    fn change(&self, change: &LeaveChange) -> Result<Statement, DatabaseError> {
        match change {
            LeaveChange::Take(job) => Ok(self.about_job(TAKE_NEW, job)?.growing(GROWING)),
            LeaveChange::Update(job) => self.about_job(UPDATE, job),
            LeaveChange::Forget(seat) => self.about_seat(FORGET, seat),
        }
    }

    fn about_seat(&self, sql: &'static str, seat: &Seat) -> Result<Statement, DatabaseError> {
        let values = [
            Value::Text(fit("the SFU room", &seat.room)?),
            Value::Text(fit("the identity", &seat.identity)?),
            self.own_name(),
        ];
        Ok(Statement::new(sql, values))
    }

    fn about_job(&self, sql: &'static str, job: &LeaveJob) -> Result<Statement, DatabaseError> {
        let other_identity = job
            .other_identity
            .as_ref()
            .map(|identity| fit("the identity", identity))
            .transpose()?;
        let values = [
            Value::Text(fit("the SFU room", &job.seat.room)?),
            Value::Text(fit("the identity", &job.seat.identity)?),
            other_identity.map_or(Value::Absent, Value::Text),
            Value::Text(job.server.as_str().to_owned()),
            Value::Text(fit("the delay id", job.delay_id.expose())?),
            Value::Number(stored_ms(job.delay_ms)),
            Value::Number(stored_ms(job.restarted_at_ms)),
            Value::Text(job.state.as_str().to_owned()),
            self.own_name(),
        ];
        Ok(Statement::new(sql, values))
    }
}

/// What was stored. A row that we did not write like this is none: nothing can be done for it.
fn job(row: LeaveRow) -> Option<LeaveJob> {
    let (room, identity, other_identity, server, delay_id, delay_ms, restarted_at_ms, state) = row;
    Some(LeaveJob {
        seat: Seat { room, identity },
        other_identity,
        server: server.parse().ok()?,
        delay_id: Secret::new(delay_id),
        delay_ms: read_ms(delay_ms),
        restarted_at_ms: read_ms(restarted_at_ms),
        state: LeaveState::from_name(&state)?,
    })
}

/// Jobs whose delayed leave has fired before this time.
pub(super) fn sweep(fired_before_ms: u64) -> Statement {
    Statement::new(SWEEP, [Value::Number(stored_ms(fired_before_ms))])
}

/// Processes whose lease is over.
pub(super) fn sweep_processes(now_ms: u64) -> Statement {
    Statement::new(SWEEP_PROCESSES, [Value::Number(stored_ms(now_ms))])
}

/// No process lives: for a database that was just opened by the only one that can.
pub(super) fn release_all() -> Statement {
    Statement::new(RELEASE_ALL, [])
}

/// A store and a clock.
struct LeavePort {
    store: Store,
    clock: Clock,
}

impl fmt::Debug for LeavePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeavePort").finish_non_exhaustive()
    }
}

impl LeaveStore for LeavePort {
    fn write<'a>(&'a self, changes: &'a [LeaveChange]) -> Answer<'a, Result<Vec<Seat>, StoreError>> {
        Box::pin(async { self.store.write_leaves(changes).await.map_err(port_error) })
    }

    fn claim(&self) -> Answer<'_, Result<Vec<LeaveJob>, StoreError>> {
        let now_ms = (self.clock)().unix_s.saturating_mul(1000);
        Box::pin(async move {
            let lease = CLAIM_INTERVAL.saturating_mul(3);
            self.store.claim(now_ms, lease).await.map_err(port_error)
        })
    }

    fn take<'a>(&'a self, seat: &'a Seat) -> Answer<'a, Result<Option<LeaveJob>, StoreError>> {
        Box::pin(async { self.store.take(seat).await.map_err(port_error) })
    }
}

fn port_error(error: DatabaseError) -> StoreError {
    StoreError(error.to_string())
}
