//! Does outside what the desk has decided: rooms, messages. What fails is tried again, later each time, and given up after three days;
//! what was done is not done twice, but for a message whose homeserver answered and was not heard.

use crate::bot::Bot;
use crate::desk::{DeskHandle, Task};
use crate::rooms::Rooms;
use crate::speech::answer;
use crate::store::Job;
use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hanse_runtime::clock;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Things that are done at a time.
const AT_ONCE: u32 = 8;

/// How long the bot sleeps when nothing tells it of work.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The first wait after a failure; each further one is twice as long.
const WAIT: SignedDuration = SignedDuration::from_secs(2);

/// The longest wait.
const WAIT_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Tries until something is given up: three days of the longest wait.
const TRIES_MAX: u32 = 300;

/// Seconds for which a link for guests opens: until the meeting is over, at most what Hanse allows.
const GUEST_LINK_S: u64 = 30 * 24 * 3600;

/// The hands of the bot.
pub struct Work {
    /// Decides.
    pub desk: DeskHandle,
    /// Speaks.
    pub bot: Bot,
    /// Makes rooms; `None`: there are none of its own.
    pub rooms: Option<Rooms>,
    /// Wakes it.
    pub wake: Arc<Notify>,
}

/// Now.
pub fn now() -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(clock::unix_ms()).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
}

impl Work {
    /// Works until the desk is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run(&self) -> Result<()> {
        let mut running = FuturesUnordered::new();
        let mut lanes: HashSet<String> = HashSet::new();
        loop {
            // What is due becomes jobs.
            self.desk.due(now()).await?;
            for job in self.desk.jobs(now(), AT_ONCE * 4).await? {
                if running.len() < AT_ONCE as usize && lanes.insert(job.lane.clone()) {
                    running.push(self.job(job));
                }
            }
            tokio::select! {
                Some(lane) = running.next(), if !running.is_empty() => {
                    lanes.remove(&lane?);
                }
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Does one, and says which lane is free again.
    async fn job(&self, job: Job) -> Result<String> {
        let Ok(task) = serde_json::from_str::<Task>(&job.body) else {
            tracing::error!("something that was to be done cannot be read, and is passed over");
            self.desk.end_job(job.id).await?;
            return Ok(job.lane);
        };
        match self.task(task, job.attempts).await {
            Ok(()) => self.desk.end_job(job.id).await?,
            Err(error) if job.attempts >= TRIES_MAX => {
                tracing::error!("given up after {TRIES_MAX} tries: {error:#}");
                self.desk.end_job(job.id).await?;
            }
            Err(error) => {
                tracing::warn!("it is tried again: {error:#}");
                let wait = WAIT.saturating_mul(1 << job.attempts.min(16)).min(WAIT_MAX);
                self.desk.put_off_job(job.id, now().saturating_add(wait)?).await?;
            }
        }
        Ok(job.lane)
    }

    async fn task(&self, task: Task, attempts: u32) -> Result<()> {
        match task {
            Task::Room { uid, guests } => self.room(&uid, guests, attempts).await,
            Task::Tell {
                user,
                text,
                calendar,
                question,
            } => {
                let reactions = question
                    .as_ref()
                    .map(|question| question.reactions())
                    .unwrap_or_default();
                let event = self
                    .bot
                    .tell(&user, &text, reactions, calendar.as_deref())
                    .await?;
                if let Some(question) = question {
                    self.desk.asked(event, user, question, now()).await?;
                }
                Ok(())
            }
            Task::Announce { room, text } => {
                self.bot.announce(&room.parse()?, &text).await?;
                Ok(())
            }
            Task::Close { uid } => {
                let (Some(rooms), Some(due)) = (&self.rooms, self.desk.meeting(uid.clone()).await?) else {
                    return Ok(());
                };
                let Some(room) = &due.meeting.room else {
                    return Ok(());
                };
                let closed = rooms.close(room, &due.meeting).await?;
                Ok(self.desk.room_closed(uid, closed, now()).await?)
            }
            Task::Delete { uid } => {
                let (Some(rooms), Some(due)) = (&self.rooms, self.desk.meeting(uid.clone()).await?) else {
                    return Ok(());
                };
                let Some(room) = &due.meeting.room else {
                    return Ok(());
                };
                let is_gone = rooms.delete(room).await?;
                Ok(self.desk.room_deleted(uid, is_gone, now()).await?)
            }
        }
    }

    async fn room(&self, uid: &str, guests: bool, attempts: u32) -> Result<()> {
        let Some(rooms) = &self.rooms else { return Ok(()) };
        let Some(due) = self.desk.meeting(uid.to_owned()).await? else {
            return Ok(());
        };
        let meeting = due.meeting;
        let topic = answer::topic(&meeting);
        if let Some(room) = &meeting.room {
            return rooms.align(room, &meeting, &topic).await;
        }
        // The last try may have made it, and its answer was lost.
        let made = match attempts {
            0 => None,
            _ => rooms
                .meetings()
                .await?
                .into_iter()
                .find(|found| found.uid == meeting.uid),
        };
        let room = match made.and_then(|found| found.room) {
            Some(room) => {
                rooms.align(&room, &meeting, &topic).await?;
                room
            }
            None => rooms.make(&meeting, &topic, guests).await?,
        };
        let link = match guests {
            true => rooms
                .guest_link(&room, GUEST_LINK_S)
                .await
                .context("there is no link for guests")?,
            false => None,
        };
        Ok(self.desk.room_made(uid.to_owned(), room, link, now()).await?)
    }
}
