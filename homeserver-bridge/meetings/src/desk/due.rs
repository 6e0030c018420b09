//! What happens when a meeting's time comes: people are reminded, told that it begins, and at its end its room is closed and later
//! deleted. When nothing of that is done because the bot is away, the meeting is held all the same: its room is there from the day
//! on which it was planned.

use super::{Desk, Task};
use crate::meeting::{Meeting, Occurrence, Reply, Status};
use crate::speech::answer;
use crate::store::{Due, StoreError};
use jiff::{SignedDuration, Timestamp};

/// Meetings that are looked at in one go.
const AT_ONCE: u32 = 64;

/// Occurrences that are looked at for what is due in one go. When the bot was away for longer, those that are over are passed over.
const OCCURRENCES: usize = 64;

impl Desk {
    /// Does what is due, and says when something is due next, in ms since 1970.
    ///
    /// # Errors
    /// Those of the store; what was done before stays done.
    pub async fn due(&mut self, now: Timestamp) -> Result<Option<i64>, StoreError> {
        loop {
            let due = self.store.due(now.as_millisecond(), AT_ONCE).await?;
            if due.is_empty() {
                break;
            }
            for Due { meeting, done_ms } in due {
                let done = Timestamp::from_millisecond(done_ms).unwrap_or(now);
                self.store.begin().await?;
                match self.due_of(meeting, done, now).await {
                    Ok(()) => self.store.commit().await?,
                    Err(error) => {
                        self.store.roll_back().await?;
                        return Err(error);
                    }
                }
            }
        }
        self.store.sweep_questions(now.as_millisecond()).await?;
        self.store.next_due_ms().await
    }

    async fn due_of(
        &mut self,
        mut meeting: Meeting,
        done: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if meeting.status != Status::Planned {
            // Its room was closed then; now it goes.
            self.add(
                &Task::Delete {
                    uid: meeting.uid.clone(),
                },
                now,
            )
            .await?;
            return self
                .store
                .keep_meeting(&meeting, now.as_millisecond(), None)
                .await;
        }
        let zone = meeting.time_zone();
        let occurrences: Vec<Occurrence> = meeting
            .occurrences(&done.to_zoned(zone))
            .take(OCCURRENCES)
            .collect();
        let is_due = |at: Timestamp| done < at && at <= now;
        for occurrence in &occurrences {
            let (start, end) = (occurrence.start.timestamp(), occurrence.end.timestamp());
            if is_due(start) && now < end {
                self.tell_of(&meeting, occurrence, Moment::Begins, now).await?;
            } else if reminder(&meeting, occurrence).is_some_and(is_due) && now < start {
                self.tell_of(&meeting, occurrence, Moment::Soon, now).await?;
            }
        }
        if self.closes(&meeting).is_some_and(|at| at <= now) {
            meeting.status = Status::Over;
            if meeting.is_in_room || meeting.room.is_none() {
                return self.store.forget_meeting(&meeting.uid).await;
            }
            self.add(
                &Task::Close {
                    uid: meeting.uid.clone(),
                },
                now,
            )
            .await?;
        }
        self.keep(&meeting, now).await
    }

    /// Writes a meeting down, with when something of it is due next. Everything up to `done` has been done.
    pub(super) async fn keep(&mut self, meeting: &Meeting, done: Timestamp) -> Result<(), StoreError> {
        let next = self.next(meeting, done).map(Timestamp::as_millisecond);
        self.store
            .keep_meeting(meeting, done.as_millisecond(), next)
            .await
    }

    fn next(&self, meeting: &Meeting, done: Timestamp) -> Option<Timestamp> {
        if meeting.status != Status::Planned {
            let days = SignedDuration::from_hours(24 * i64::from(self.rules.delete_after_days));
            return done.checked_add(days).ok();
        }
        let zone = meeting.time_zone();
        let coming = meeting.occurrences(&done.to_zoned(zone)).take(2);
        let times = coming
            .flat_map(|occurrence| [reminder(meeting, &occurrence), Some(occurrence.start.timestamp())]);
        let next = times.flatten().filter(|at| *at > done).min();
        next.or_else(|| self.closes(meeting))
    }

    /// When the meeting's room is closed; `None`: it goes on for ever.
    fn closes(&self, meeting: &Meeting) -> Option<Timestamp> {
        let after = SignedDuration::from_mins(self.rules.close_after_min.into());
        meeting.last_end()?.timestamp().checked_add(after).ok()
    }

    async fn tell_of(
        &mut self,
        meeting: &Meeting,
        occurrence: &Occurrence,
        moment: Moment,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let link = self.rules.link(meeting);
        let coming = meeting.people.iter().filter(|(_, reply)| **reply != Reply::No);
        for (user, _) in coming {
            let reader = self.reader(user).await?;
            let mut text = match moment {
                Moment::Soon => {
                    let minutes = (occurrence.start.timestamp().as_second() - now.as_second())
                        .max(0)
                        .unsigned_abs()
                        .div_ceil(60);
                    let minutes = u32::try_from(minutes).unwrap_or(u32::MAX);
                    answer::reminder(meeting, occurrence, minutes, Some(&reader.zone), reader.language)
                }
                Moment::Begins => answer::begins(meeting, reader.language),
            };
            if let Some(link) = &link {
                text = format!("{text}\n{}", answer::come_by(link, reader.language));
            }
            let task = Task::Tell {
                user: user.clone(),
                text,
                calendar: None,
                question: None,
            };
            self.add(&task, now).await?;
        }
        Ok(())
    }
}

/// Of what people are told.
#[derive(Clone, Copy)]
enum Moment {
    Soon,
    Begins,
}

fn reminder(meeting: &Meeting, occurrence: &Occurrence) -> Option<Timestamp> {
    let before = SignedDuration::from_mins(meeting.remind?.into());
    occurrence.start.timestamp().checked_sub(before).ok()
}
