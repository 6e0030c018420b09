//! What is still to be done outside: it survives a kill, and is tried again until it is done or given up.

use super::{Store, StoreError};
use sqlx::Row;

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// Jobs of one lane are done one after the other.
    pub lane: String,
    /// [`crate::desk::Task`] as JSON.
    pub body: String,
    /// How often it has been tried.
    pub attempts: u32,
}

impl Store {
    /// Adds one to the end of its lane.
    pub async fn add_job(&mut self, lane: &str, body: &str, not_before_ms: i64) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO job (lane, body, not_before_ms) VALUES (?, ?, ?)")
            .bind(lane)
            .bind(body)
            .bind(not_before_ms)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// The first of each lane, if its time has come, at most so many.
    pub async fn jobs(&mut self, now_ms: i64, at_most: u32) -> Result<Vec<Job>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, lane, body, attempts FROM job AS first
             WHERE not_before_ms <= ? AND NOT EXISTS (SELECT 1 FROM job WHERE lane = first.lane AND id < first.id)
             ORDER BY id LIMIT ?",
        )
        .bind(now_ms)
        .bind(at_most)
        .fetch_all(&mut self.connection)
        .await?;
        let jobs = rows.iter().map(|row| {
            Ok(Job {
                id: row.try_get("id")?,
                lane: row.try_get("lane")?,
                body: row.try_get("body")?,
                attempts: row.try_get("attempts")?,
            })
        });
        jobs.collect()
    }

    /// It is done, or given up.
    pub async fn end_job(&mut self, id: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM job WHERE id = ?")
            .bind(id)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// It is tried again, not before this time.
    pub async fn put_off_job(&mut self, id: i64, not_before_ms: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE job SET attempts = attempts + 1, not_before_ms = ? WHERE id = ?")
            .bind(not_before_ms)
            .bind(id)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
