//! Programs that act as somebody, what they asked for, and the addresses that are told of changes.

use super::meetings::{meeting_of, user_of};
use super::{Listed, Store, StoreError};
use hanse_matrixrtc::UserId;
use hanse_runtime::Secret;
use sqlx::Row;

/// SHA-256 of something.
pub type Hash = [u8; 32];

/// What a program may do, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// How its owner names it; nobody else's token has this name.
    pub name: String,
    /// Whom it acts as.
    pub user: UserId,
    /// Whether it may see their meetings.
    pub may_read: bool,
    /// Whether it may make, change and call off meetings of theirs.
    pub may_write: bool,
    /// Up to when, in ms since 1970.
    pub until_ms: i64,
}

/// An address that is told of changes.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its number.
    pub id: i64,
    /// Of whose meetings.
    pub user: UserId,
    /// Where.
    pub url: String,
    /// Signs what is sent there.
    pub secret: Secret<String>,
    /// Up to when, in ms since 1970.
    pub until_ms: i64,
}

fn token_of(row: &sqlx::sqlite::SqliteRow) -> Result<Token, StoreError> {
    Ok(Token {
        name: row.try_get("name")?,
        user: user_of(row.try_get("user_id")?)?,
        may_read: row.try_get("may_read")?,
        may_write: row.try_get("may_write")?,
        until_ms: row.try_get("until_ms")?,
    })
}

fn hook_of(row: &sqlx::sqlite::SqliteRow) -> Result<Hook, StoreError> {
    Ok(Hook {
        id: row.try_get("id")?,
        user: user_of(row.try_get("user_id")?)?,
        url: row.try_get("url")?,
        secret: Secret::new(row.try_get("secret")?),
        until_ms: row.try_get("until_ms")?,
    })
}

impl Store {
    /// Adds a token; `false`: there is one of this name.
    pub async fn add_token(&mut self, token: &Token, hash: &Hash) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO token (name, hash, user_id, may_read, may_write, until_ms) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(&token.name)
        .bind(hash.as_slice())
        .bind(token.user.as_str())
        .bind(token.may_read)
        .bind(token.may_write)
        .bind(token.until_ms)
        .execute(&mut self.connection)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// All tokens by name, also those whose time is over.
    pub async fn tokens(&mut self) -> Result<Vec<Token>, StoreError> {
        let rows = sqlx::query("SELECT * FROM token ORDER BY name")
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(token_of).collect()
    }

    /// Forgets the token of this name; whether there was one.
    pub async fn revoke_token(&mut self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM token WHERE name = ?")
            .bind(name)
            .execute(&mut self.connection)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The token with this hash, if it is still good.
    pub async fn token(&mut self, hash: &Hash, now_ms: i64) -> Result<Option<Token>, StoreError> {
        let row = sqlx::query("SELECT * FROM token WHERE hash = ? AND until_ms > ?")
            .bind(hash.as_slice())
            .bind(now_ms)
            .fetch_optional(&mut self.connection)
            .await?;
        row.as_ref().map(token_of).transpose()
    }

    /// Somebody's meetings that are still to be with a number above `after`, at most so many.
    pub async fn meetings_after(
        &mut self,
        user: &UserId,
        after: u32,
        at_most: u32,
    ) -> Result<Vec<Listed>, StoreError> {
        let rows = sqlx::query(
            "SELECT body, number FROM attendance JOIN meeting USING (uid)
             WHERE user_id = ? AND status = 'planned' AND number > ? ORDER BY number LIMIT ?",
        )
        .bind(user.as_str())
        .bind(after)
        .bind(at_most)
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

    /// What was asked under this key, and what came of it, as JSON.
    pub async fn request(
        &mut self,
        user: &UserId,
        key: &str,
        now_ms: i64,
    ) -> Result<Option<(Vec<u8>, String)>, StoreError> {
        let row =
            sqlx::query("SELECT hash, body FROM request WHERE user_id = ? AND key = ? AND until_ms > ?")
                .bind(user.as_str())
                .bind(key)
                .bind(now_ms)
                .fetch_optional(&mut self.connection)
                .await?;
        row.map(|row| Ok((row.try_get("hash")?, row.try_get("body")?)))
            .transpose()
    }

    /// Remembers it, and forgets those whose time is over.
    pub async fn keep_request(
        &mut self,
        user: &UserId,
        key: &str,
        hash: &Hash,
        body: &str,
        (now_ms, until_ms): (i64, i64),
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM request WHERE until_ms <= ?")
            .bind(now_ms)
            .execute(&mut self.connection)
            .await?;
        sqlx::query("INSERT INTO request (user_id, key, hash, body, until_ms) VALUES (?, ?, ?, ?, ?)")
            .bind(user.as_str())
            .bind(key)
            .bind(hash.as_slice())
            .bind(body)
            .bind(until_ms)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Adds an address that is told of changes, and says its number.
    pub async fn add_hook(
        &mut self,
        user: &UserId,
        url: &str,
        secret: &Secret<String>,
        until_ms: i64,
    ) -> Result<i64, StoreError> {
        let done = sqlx::query("INSERT INTO hook (user_id, url, secret, until_ms) VALUES (?, ?, ?, ?)")
            .bind(user.as_str())
            .bind(url)
            .bind(secret.expose())
            .bind(until_ms)
            .execute(&mut self.connection)
            .await?;
        Ok(done.last_insert_rowid())
    }

    /// All of them by number, also those whose time is over.
    pub async fn hooks(&mut self) -> Result<Vec<Hook>, StoreError> {
        let rows = sqlx::query("SELECT * FROM hook ORDER BY id")
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(hook_of).collect()
    }

    /// Those that are told of this person's meetings, at most so many.
    pub async fn hooks_of(
        &mut self,
        user: &UserId,
        now_ms: i64,
        at_most: u32,
    ) -> Result<Vec<Hook>, StoreError> {
        let rows = sqlx::query("SELECT * FROM hook WHERE user_id = ? AND until_ms > ? ORDER BY id LIMIT ?")
            .bind(user.as_str())
            .bind(now_ms)
            .bind(at_most)
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(hook_of).collect()
    }

    /// One of them, if its time is not over.
    pub async fn hook(&mut self, id: i64, now_ms: i64) -> Result<Option<Hook>, StoreError> {
        let row = sqlx::query("SELECT * FROM hook WHERE id = ? AND until_ms > ?")
            .bind(id)
            .bind(now_ms)
            .fetch_optional(&mut self.connection)
            .await?;
        row.as_ref().map(hook_of).transpose()
    }

    /// Forgets one; whether there was one.
    pub async fn remove_hook(&mut self, id: i64) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM hook WHERE id = ?")
            .bind(id)
            .execute(&mut self.connection)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// How many jobs wait in this lane.
    pub async fn waiting(&mut self, lane: &str) -> Result<u32, StoreError> {
        let row = sqlx::query("SELECT count(*) AS waiting FROM job WHERE lane = ?")
            .bind(lane)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(row.try_get("waiting")?)
    }
}
