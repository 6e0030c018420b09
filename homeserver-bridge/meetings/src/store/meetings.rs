//! Meetings, who is invited to them, and questions about them.

use super::{Store, StoreError};
use crate::meeting::{Meeting, Status};
use hanse_matrixrtc::{RoomId, UserId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A meeting as one person has it in their list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// By which number they name it.
    pub number: u32,
    /// The meeting.
    pub meeting: Meeting,
}

/// A meeting for which something is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The meeting.
    pub meeting: Meeting,
    /// Up to when what was due has been done, in ms since 1970.
    pub done_ms: i64,
}

pub(super) fn user_of(text: &str) -> Result<UserId, StoreError> {
    text.parse().map_err(|_| StoreError::Row("people"))
}

pub(super) fn meeting_of(row: &SqliteRow) -> Result<Meeting, StoreError> {
    serde_json::from_str(row.try_get("body")?).map_err(|_| StoreError::Row("meetings"))
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Planned => "planned",
        Status::Cancelled => "cancelled",
        Status::Over => "over",
    }
}

impl Store {
    /// Writes a meeting, new or changed; everybody who is invited gets a number for it, once.
    pub async fn keep_meeting(
        &mut self,
        meeting: &Meeting,
        done_ms: i64,
        due_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        let body = serde_json::to_string(meeting).map_err(|_| StoreError::Row("meetings"))?;
        sqlx::query(
            "INSERT INTO meeting (uid, organiser, body, room_id, status, done_ms, due_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (uid) DO UPDATE SET body = excluded.body, room_id = excluded.room_id, status = excluded.status,
                done_ms = excluded.done_ms, due_ms = excluded.due_ms, organiser = excluded.organiser",
        )
        .bind(&meeting.uid)
        .bind(meeting.organiser.as_str())
        .bind(body)
        // A room that people were in before may hold several meetings.
        .bind(meeting.room.as_ref().filter(|_| !meeting.is_in_room).map(RoomId::as_str))
        .bind(word(meeting.status))
        .bind(done_ms)
        .bind(due_ms)
        .execute(&mut self.connection)
        .await?;
        for user in meeting.people.keys() {
            sqlx::query(
                "INSERT INTO attendance (user_id, uid, number)
                 SELECT ?1, ?2, 1 + coalesce((SELECT max(number) FROM attendance WHERE user_id = ?1), 0)
                 ON CONFLICT (user_id, uid) DO NOTHING",
            )
            .bind(user.as_str())
            .bind(&meeting.uid)
            .execute(&mut self.connection)
            .await?;
        }
        Ok(())
    }

    /// One meeting, and up to when what was due has been done.
    pub async fn meeting(&mut self, uid: &str) -> Result<Option<Due>, StoreError> {
        let row = sqlx::query("SELECT body, done_ms FROM meeting WHERE uid = ?")
            .bind(uid)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| {
            Ok(Due {
                meeting: meeting_of(&row)?,
                done_ms: row.try_get("done_ms")?,
            })
        })
        .transpose()
    }

    /// The meeting that this room was made for.
    pub async fn meeting_of_room(&mut self, room: &RoomId) -> Result<Option<Meeting>, StoreError> {
        let row = sqlx::query("SELECT body FROM meeting WHERE room_id = ?")
            .bind(room.as_str())
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| meeting_of(&row)).transpose()
    }

    /// Somebody's meetings that are still to be, by number.
    pub async fn meetings_of(&mut self, user: &UserId) -> Result<Vec<Listed>, StoreError> {
        let rows = sqlx::query(
            "SELECT body, number FROM attendance JOIN meeting USING (uid) WHERE user_id = ? AND status = 'planned' ORDER BY number",
        )
        .bind(user.as_str())
        .fetch_all(&mut self.connection)
        .await?;
        let listed = rows.iter().map(|row| {
            Ok(Listed {
                number: row.try_get("number")?,
                meeting: meeting_of(row)?,
            })
        });
        listed.collect()
    }

    /// How many meetings of this organiser are still to be.
    pub async fn planned_by(&mut self, user: &UserId) -> Result<usize, StoreError> {
        let row =
            sqlx::query("SELECT count(*) AS planned FROM meeting WHERE organiser = ? AND status = 'planned'")
                .bind(user.as_str())
                .fetch_one(&mut self.connection)
                .await?;
        Ok(usize::try_from(row.try_get::<i64, _>("planned")?).unwrap_or(usize::MAX))
    }

    /// By which number somebody names a meeting.
    pub async fn number(&mut self, user: &UserId, uid: &str) -> Result<Option<u32>, StoreError> {
        let row = sqlx::query("SELECT number FROM attendance WHERE user_id = ? AND uid = ?")
            .bind(user.as_str())
            .bind(uid)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.map(|row| row.try_get("number")).transpose()?)
    }

    /// Meetings for which something is due, the longest first, at most so many.
    pub async fn due(&mut self, now_ms: i64, at_most: u32) -> Result<Vec<Due>, StoreError> {
        let rows = sqlx::query("SELECT body, done_ms FROM meeting WHERE due_ms <= ? ORDER BY due_ms LIMIT ?")
            .bind(now_ms)
            .bind(at_most)
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Due {
                    meeting: meeting_of(row)?,
                    done_ms: row.try_get("done_ms")?,
                })
            })
            .collect()
    }

    /// When something is due next, in ms since 1970.
    pub async fn next_due_ms(&mut self) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query("SELECT min(due_ms) AS due_ms FROM meeting")
            .fetch_one(&mut self.connection)
            .await?;
        Ok(row.try_get("due_ms")?)
    }

    /// Forgets a meeting and who was invited.
    pub async fn forget_meeting(&mut self, uid: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM meeting WHERE uid = ?")
            .bind(uid)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Somebody is invited no more: it is gone from their list.
    pub async fn forget_attendance(&mut self, user: &UserId, uid: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM attendance WHERE user_id = ? AND uid = ?")
            .bind(user.as_str())
            .bind(uid)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Remembers what a reaction to this message answers.
    pub async fn keep_question(
        &mut self,
        event: &str,
        user: &UserId,
        body: &str,
        until_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO question (event_id, user_id, body, until_ms) VALUES (?, ?, ?, ?)",
        )
        .bind(event)
        .bind(user.as_str())
        .bind(body)
        .bind(until_ms)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// What a reaction of this person to this message answers.
    pub async fn question(
        &mut self,
        event: &str,
        user: &UserId,
        now_ms: i64,
    ) -> Result<Option<String>, StoreError> {
        let row =
            sqlx::query("SELECT body FROM question WHERE event_id = ? AND user_id = ? AND until_ms > ?")
                .bind(event)
                .bind(user.as_str())
                .bind(now_ms)
                .fetch_optional(&mut self.connection)
                .await?;
        Ok(row.map(|row| row.try_get("body")).transpose()?)
    }

    /// Forgets a question that is answered.
    pub async fn forget_question(&mut self, event: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM question WHERE event_id = ?")
            .bind(event)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Forgets questions whose time is over.
    pub async fn sweep_questions(&mut self, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM question WHERE until_ms <= ?")
            .bind(now_ms)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
