//! Who has spoken with the bot.

use super::{Store, StoreError};
use crate::speech::Language;
use hanse_matrixrtc::UserId;
use sqlx::Row;

/// What the bot knows of somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Their zone by its IANA name; `None`: not said yet.
    pub zone: Option<String>,
    /// The language of their last words.
    pub language: Language,
    /// Opens their calendar. A secret.
    pub feed: Option<String>,
    /// Whether others may ask when they have time.
    pub shares: bool,
}

fn code(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::German => "de",
    }
}

impl Store {
    /// What is known of somebody; of a stranger, nothing.
    pub async fn person(&mut self, user: &UserId) -> Result<Person, StoreError> {
        let row = sqlx::query("SELECT zone, language, feed, shares FROM person WHERE user_id = ?")
            .bind(user.as_str())
            .fetch_optional(&mut self.connection)
            .await?;
        let Some(row) = row else {
            return Ok(Person::default());
        };
        Ok(Person {
            zone: row.try_get("zone")?,
            language: if row.try_get::<&str, _>("language")? == "de" {
                Language::German
            } else {
                Language::English
            },
            feed: row.try_get("feed")?,
            shares: row.try_get("shares")?,
        })
    }

    /// Remembers it.
    pub async fn keep_person(&mut self, user: &UserId, person: &Person) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO person (user_id, zone, language, feed, shares) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (user_id) DO UPDATE SET zone = excluded.zone, language = excluded.language, feed = excluded.feed,
                shares = excluded.shares",
        )
        .bind(user.as_str())
        .bind(person.zone.as_deref())
        .bind(code(person.language))
        .bind(person.feed.as_deref())
        .bind(person.shares)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// Whose calendar this secret opens.
    pub async fn person_of_feed(&mut self, feed: &str) -> Result<Option<UserId>, StoreError> {
        let row = sqlx::query("SELECT user_id FROM person WHERE feed = ?")
            .bind(feed)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| super::meetings::user_of(row.try_get("user_id")?))
            .transpose()
    }
}
