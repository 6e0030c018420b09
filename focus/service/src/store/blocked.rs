//! Homeservers that an administrator has blocked.

use super::database::{Growing, Statement, Value};
use super::rows::{read_ms, stored_ms};
use super::{BLOCKED_MAX, BlockedHomeserver, DatabaseError, Store};
use hanse_matrixrtc::ServerName;

const GROWING: Growing = Growing {
    what: "blocked homeservers",
    count: "SELECT count(*) FROM blocked_homeservers",
    rows_max: BLOCKED_MAX,
};

const BLOCK: &str = "
    INSERT INTO blocked_homeservers (server, blocked_at_ms) VALUES ($1, $2) ON CONFLICT (server) DO NOTHING";

const UNBLOCK: &str = "DELETE FROM blocked_homeservers WHERE server = $1";

const ALL: &str = "SELECT server, blocked_at_ms FROM blocked_homeservers ORDER BY server";

impl Store {
    /// Blocks a homeserver until [`Store::unblock`]. `false`: it was blocked already, and is since then.
    ///
    /// # Errors
    /// [`DatabaseError::Full`] beyond [`BLOCKED_MAX`], [`DatabaseError::Unreachable`], [`DatabaseError::Refused`].
    pub async fn block(&self, server: &ServerName, now_ms: u64) -> Result<bool, DatabaseError> {
        let values = [
            Value::Text(server.as_str().to_owned()),
            Value::Number(stored_ms(now_ms)),
        ];
        let block = Statement::new(BLOCK, values).growing(GROWING);
        Ok(self.writer.write(block).await? > 0)
    }

    /// `false`: it was not blocked.
    ///
    /// # Errors
    /// [`DatabaseError::Unreachable`], [`DatabaseError::Refused`].
    pub async fn unblock(&self, server: &ServerName) -> Result<bool, DatabaseError> {
        let unblock = Statement::new(UNBLOCK, [Value::Text(server.as_str().to_owned())]);
        Ok(self.writer.write(unblock).await? > 0)
    }

    /// All blocked homeservers, by name.
    ///
    /// # Errors
    /// As [`Store::unblock`].
    pub async fn blocked(&self) -> Result<Vec<BlockedHomeserver>, DatabaseError> {
        let rows: Vec<(String, i64)> = self.database.rows(&Statement::new(ALL, [])).await?;
        let read = |(server, blocked_at_ms): (String, i64)| {
            Some(BlockedHomeserver {
                server: server.parse().ok()?,
                blocked_at_ms: read_ms(blocked_at_ms),
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}
