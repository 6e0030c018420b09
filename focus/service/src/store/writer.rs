//! Group commit: one task writes, and all writes that wait share one transaction, so one flush to disk. Each writer
//! learns when its own row is on disk. Under load, thousands of writes a second cost a few dozen flushes.

use super::DatabaseError;
use super::database::{Database, Statement, unreachable_or_refused};
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};

/// Writes that wait. Whoever comes when so many wait, waits for a place among them.
const WAITING_MAX: usize = 1024;

/// Statements in one transaction, and one write more, however long. More would make the first of them wait longer
/// without saving a flush worth the name.
const BATCH_STATEMENTS_MAX: usize = 512;

/// Statements that go together, and who wants to know how many rows each has changed.
struct Write {
    statements: Vec<Statement>,
    reply: oneshot::Sender<Result<Vec<u64>, DatabaseError>>,
}

/// The way to the task. It ends with the last of its clones.
#[derive(Clone)]
pub(super) struct Writer {
    writes: mpsc::Sender<Write>,
}

impl Writer {
    pub fn start(database: Database) -> Self {
        let (writes, mut waiting) = mpsc::channel::<Write>(WAITING_MAX);
        tokio::spawn(async move {
            let mut limits = Limits::default();
            while let Some(first) = waiting.recv().await {
                let mut statements = first.statements.len();
                let mut batch = vec![first];
                while statements < BATCH_STATEMENTS_MAX
                    && let Ok(next) = waiting.try_recv()
                {
                    statements += next.statements.len();
                    batch.push(next);
                }
                write_batch(&database, &mut limits, batch).await;
            }
        });
        Writer { writes }
    }

    /// Done when it is on disk: how many rows it has changed. An error may come although it was done, when the
    /// connection broke in between.
    pub async fn write(&self, statement: Statement) -> Result<u64, DatabaseError> {
        let changed = self.write_all(vec![statement]).await?;
        Ok(changed.into_iter().sum())
    }

    /// All of them or none, in this order.
    pub async fn write_all(&self, statements: Vec<Statement>) -> Result<Vec<u64>, DatabaseError> {
        let (reply, answer) = oneshot::channel();
        let gone = || DatabaseError::Unreachable("the store is closed".to_owned());
        self.writes
            .send(Write { statements, reply })
            .await
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn write_batch(database: &Database, limits: &mut Limits, batch: Vec<Write>) {
    let mut admitted = Vec::with_capacity(batch.len());
    for write in batch {
        match limits.admit(database, &write.statements).await {
            Ok(()) => admitted.push(write),
            Err(error) => reply(write, Err(error)),
        }
    }
    if admitted.is_empty() {
        return;
    }
    let mut together = Vec::with_capacity(admitted.len());
    for write in &admitted {
        together.extend(&write.statements);
    }
    match database.execute(&together).await {
        Ok(changed) => {
            let mut changed = changed.into_iter();
            for write in admitted {
                let own = changed.by_ref().take(write.statements.len()).collect();
                reply(write, Ok(own));
            }
        }
        // One of them cannot be done. The others must not suffer for it.
        Err(sqlx::Error::Database(_)) if admitted.len() > 1 => {
            for write in admitted {
                let own: Vec<_> = write.statements.iter().collect();
                let outcome = database.execute(&own).await;
                reply(write, outcome.map_err(unreachable_or_refused));
            }
        }
        Err(error) => {
            let error = unreachable_or_refused(error);
            for write in admitted {
                reply(write, Err(error.clone()));
            }
        }
    }
}

fn reply(write: Write, outcome: Result<Vec<u64>, DatabaseError>) {
    // Who does not wait any more does not want to know.
    let _ = write.reply.send(outcome);
}

/// How many rows each table may still get before it is counted again. Every insertion counts as a new row, so the
/// estimate errs towards counting; processes that share a database may together pass a limit by what they had left.
#[derive(Default)]
struct Limits {
    left: HashMap<&'static str, u64>,
}

impl Limits {
    async fn admit(&mut self, database: &Database, statements: &[Statement]) -> Result<(), DatabaseError> {
        for table in statements.iter().filter_map(|statement| statement.grows) {
            let left = self.left.entry(table.what).or_default();
            if *left == 0 {
                let rows: Vec<(i64,)> = database.rows(&Statement::new(table.count, [])).await?;
                let rows = rows
                    .first()
                    .map_or(0, |(rows,)| u64::try_from(*rows).unwrap_or(0));
                *left = table.rows_max.saturating_sub(rows);
            }
            *left = left.checked_sub(1).ok_or(DatabaseError::Full(table.what))?;
        }
        Ok(())
    }
}
