//! After a meeting: what became of its room, and how what was forgotten is found again.

use super::{Desk, Task};
use crate::meeting::Meeting;
use crate::rooms::Closed;
use crate::speech::answer;
use crate::store::{Due, StoreError};
use jiff::Timestamp;

impl Desk {
    /// The meeting's room is closed; its organiser is told who keeps what, and until when.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn room_closed(
        &mut self,
        uid: &str,
        closed: &Closed,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(Due { meeting, .. }) = self.store.meeting(uid).await? else {
            return Ok(());
        };
        let language = self.reader(&meeting.organiser).await?.language;
        let others: Vec<&str> = closed.others.iter().map(|server| server.as_str()).collect();
        let text = answer::room_closed(
            &meeting,
            closed.people,
            &others,
            self.rules.delete_after_days,
            language,
        );
        let task = Task::Tell {
            user: meeting.organiser.clone(),
            text,
            calendar: None,
            question: None,
        };
        self.add(&task, now).await
    }

    /// The meeting's room is deleted; its organiser is told, and the meeting is forgotten.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn room_deleted(&mut self, uid: &str, is_gone: bool, now: Timestamp) -> Result<(), StoreError> {
        let Some(Due { meeting, .. }) = self.store.meeting(uid).await? else {
            return Ok(());
        };
        let language = self.reader(&meeting.organiser).await?.language;
        let text = answer::room_deleted(&meeting, is_gone, language);
        let task = Task::Tell {
            user: meeting.organiser.clone(),
            text,
            calendar: None,
            question: None,
        };
        self.add(&task, now).await?;
        self.store.forget_meeting(uid).await
    }

    /// Takes up the meetings that are written in their rooms and not in the store; says how many. What is in both is as in the one that
    /// was changed later.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rebuild(&mut self, meetings: Vec<Meeting>, now: Timestamp) -> Result<usize, StoreError> {
        let mut found = 0;
        for meeting in meetings {
            let known = self.store.meeting(&meeting.uid).await?;
            match known {
                // The room has not been brought in line yet, or the store is what was put back from a backup.
                Some(known) if known.meeting.sequence >= meeting.sequence && known.meeting.room.is_some() => {
                }
                // What begins while this is done is told of, what began before is not.
                _ => {
                    self.keep(&meeting, now).await?;
                    found += 1;
                }
            }
        }
        Ok(found)
    }
}
