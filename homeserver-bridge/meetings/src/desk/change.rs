//! How a meeting is made, moved and called off, and what people's reactions do.

use super::{Answer, Desk, MAYBE, NO, Question, Task, YES};
use crate::calendar::{self, Method};
use crate::meeting::{CHANGES_MAX, Change, Meeting, Repeat, Reply, Status};
use crate::speech::answer;
use crate::store::{Due, StoreError};
use hanse_matrixrtc::{RoomId, UserId};
use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};

/// A variation selector: clients add them to an emoji or do not.
const SELECTOR: char = '\u{fe0f}';

impl Desk {
    /// Answers a reaction; `None`: it is to nothing that was asked of this person.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn reacted(
        &mut self,
        event: &str,
        user: &UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Answer>, StoreError> {
        let Some(body) = self.store.question(event, user, now.as_millisecond()).await? else {
            return Ok(None);
        };
        let question: Question = serde_json::from_str(&body).map_err(|_| StoreError::Row("questions"))?;
        let key = key.trim_end_matches(SELECTOR);
        self.store.begin().await?;
        match self.answered(event, user, key, question, now).await {
            Ok(answer) => {
                self.store.commit().await?;
                Ok(answer)
            }
            Err(error) => {
                self.store.roll_back().await?;
                Err(error)
            }
        }
    }

    async fn answered(
        &mut self,
        event: &str,
        user: &UserId,
        key: &str,
        question: Question,
        now: Timestamp,
    ) -> Result<Option<Answer>, StoreError> {
        let language = self.store.person(user).await?.language;
        if let Question::Reply { uid } = question {
            let reply = match key {
                YES => Reply::Yes,
                MAYBE => Reply::Maybe,
                NO => Reply::No,
                _ => return Ok(None),
            };
            return self.replied(user, &uid, reply, now).await;
        }
        match key {
            YES => {}
            NO => {
                self.store.forget_question(event).await?;
                return Ok(Some(Answer::of(answer::dropped(language))));
            }
            _ => return Ok(None),
        }
        self.store.forget_question(event).await?;
        if self.is_too_many(user, now) {
            return Ok(Some(Answer::of(answer::too_often(language))));
        }
        match question {
            Question::Make { meeting, guests } => {
                self.make(&meeting, guests, now).await?;
                Ok(Some(Answer::of(answer::made(&meeting, language))))
            }
            Question::Move {
                uid,
                occurrence,
                start,
                minutes,
            } => {
                let Some(mut meeting) = self.planned(&uid).await? else {
                    return Ok(Some(Answer::of(answer::no_such_meeting(language))));
                };
                if !shift(&mut meeting, occurrence, start, minutes) {
                    return Ok(Some(Answer::of(answer::rule_does_not_move(&meeting, language))));
                }
                meeting.sequence += 1;
                self.changed(&meeting, now).await?;
                self.tell_change(&meeting, user, Told::Moved(occurrence), now)
                    .await?;
                let one = occurrence.and_then(|original| meeting.occurrence(original));
                Ok(Some(Answer::of(answer::moved(&meeting, one.as_ref(), language))))
            }
            Question::Cancel { uid, occurrence } => {
                let Some(mut meeting) = self.planned(&uid).await? else {
                    return Ok(Some(Answer::of(answer::no_such_meeting(language))));
                };
                meeting.sequence += 1;
                match occurrence {
                    Some(original) if meeting.changes.len() < CHANGES_MAX => {
                        meeting.changes.insert(original, Change::Cancelled);
                        self.changed(&meeting, now).await?;
                    }
                    Some(_) => return Ok(Some(Answer::of(answer::too_often(language)))),
                    None => {
                        meeting.status = Status::Cancelled;
                        self.keep(&meeting, now).await?;
                        if meeting.is_in_room || meeting.room.is_none() {
                            self.store.forget_meeting(&uid).await?;
                        } else {
                            self.add(&Task::Close { uid: uid.clone() }, now).await?;
                        }
                    }
                }
                self.tell_change(&meeting, user, Told::Cancelled(occurrence), now)
                    .await?;
                Ok(Some(Answer::of(answer::cancelled(
                    &meeting,
                    occurrence.map(DateTime::date),
                    language,
                ))))
            }
            Question::Reply { .. } => Ok(None),
        }
    }

    /// Makes a meeting: from here on it is held, whatever becomes of the bot.
    pub(super) async fn make(
        &mut self,
        meeting: &Meeting,
        guests: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.keep(meeting, now).await?;
        if meeting.is_in_room {
            for user in meeting.people.keys().cloned().collect::<Vec<_>>() {
                self.invite(meeting, &user, now).await?;
            }
        } else {
            // People are told when there is a room to come to: see `room_made`.
            self.add(
                &Task::Room {
                    uid: meeting.uid.clone(),
                    guests,
                },
                now,
            )
            .await?;
        }
        Ok(())
    }

    /// The meeting has its room: people are invited.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn room_made(
        &mut self,
        uid: &str,
        room: &RoomId,
        guest_link: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(Due { mut meeting, done_ms }) = self.store.meeting(uid).await? else {
            return Ok(());
        };
        if meeting.room.as_ref() == Some(room) {
            return Ok(());
        }
        meeting.room = Some(room.clone());
        self.store.begin().await?;
        let done = Timestamp::from_millisecond(done_ms).unwrap_or(now);
        let told = async {
            self.keep(&meeting, done).await?;
            for user in meeting.people.keys() {
                self.invite(&meeting, user, now).await?;
            }
            if let Some(link) = guest_link {
                let language = self.reader(&meeting.organiser).await?.language;
                let text = answer::guest_link(&meeting, link, language);
                let task = Task::Tell {
                    user: meeting.organiser.clone(),
                    text,
                    calendar: None,
                    question: None,
                };
                self.add(&task, now).await?;
            }
            Ok::<(), StoreError>(())
        };
        match told.await {
            Ok(()) => self.store.commit().await,
            Err(error) => {
                self.store.roll_back().await?;
                Err(error)
            }
        }
    }

    /// Writes down that a meeting is otherwise, and has its room follow.
    pub(super) async fn changed(&mut self, meeting: &Meeting, now: Timestamp) -> Result<(), StoreError> {
        self.keep(meeting, now).await?;
        if !meeting.is_in_room {
            self.add(
                &Task::Room {
                    uid: meeting.uid.clone(),
                    guests: false,
                },
                now,
            )
            .await?;
        }
        Ok(())
    }

    /// Tells somebody that they are invited, with the meeting for their calendar.
    pub(super) async fn invite(
        &mut self,
        meeting: &Meeting,
        user: &UserId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let reader = self.reader(user).await?;
        let mut text = if meeting.is_of(user) {
            answer::made(meeting, reader.language)
        } else {
            answer::invitation(meeting, Some(&reader.zone), reader.language)
        };
        if let Some(link) = self.rules.link(meeting) {
            text = format!("{text}\n{}", answer::come_by(&link, reader.language));
        }
        let task = Task::Tell {
            user: user.clone(),
            text,
            calendar: Some(self.file(meeting, user, Method::Request, now)),
            question: (!meeting.is_of(user)).then(|| Question::Reply {
                uid: meeting.uid.clone(),
            }),
        };
        self.add(&task, now).await
    }

    fn file(&self, meeting: &Meeting, user: &UserId, method: Method, now: Timestamp) -> String {
        let link = self.rules.link(meeting);
        calendar::file(meeting, Some(user), method, now, link.as_deref())
    }

    async fn tell_change(
        &mut self,
        meeting: &Meeting,
        by: &UserId,
        told: Told,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let is_whole = matches!(told, Told::Cancelled(None));
        let method = if is_whole { Method::Cancel } else { Method::Request };
        for (user, reply) in &meeting.people {
            if *reply == Reply::No && user != by {
                continue;
            }
            let reader = self.reader(user).await?;
            let text = match told {
                Told::Moved(occurrence) => {
                    let one = occurrence.and_then(|original| meeting.occurrence(original));
                    answer::moved(meeting, one.as_ref(), reader.language)
                }
                Told::Cancelled(occurrence) => {
                    answer::cancelled(meeting, occurrence.map(DateTime::date), reader.language)
                }
            };
            let task = Task::Tell {
                user: user.clone(),
                text,
                calendar: Some(self.file(meeting, user, method, now)),
                question: None,
            };
            self.add(&task, now).await?;
        }
        Ok(())
    }

    async fn replied(
        &mut self,
        user: &UserId,
        uid: &str,
        reply: Reply,
        now: Timestamp,
    ) -> Result<Option<Answer>, StoreError> {
        let language = self.store.person(user).await?.language;
        let Some(mut meeting) = self.planned(uid).await? else {
            return Ok(Some(Answer::of(answer::no_such_meeting(language))));
        };
        let Some(before) = meeting.people.get_mut(user) else {
            return Ok(None);
        };
        if *before != reply {
            *before = reply;
            self.changed(&meeting, now).await?;
            let organiser = self.reader(&meeting.organiser).await?.language;
            let text = answer::somebody_replied(&meeting, user, reply, organiser);
            let task = Task::Tell {
                user: meeting.organiser.clone(),
                text,
                calendar: None,
                question: None,
            };
            self.add(&task, now).await?;
        }
        Ok(Some(Answer::of(answer::your_reply(&meeting, reply, language))))
    }

    pub(super) async fn planned(&mut self, uid: &str) -> Result<Option<Meeting>, StoreError> {
        let due = self.store.meeting(uid).await?;
        Ok(due
            .map(|due| due.meeting)
            .filter(|meeting| meeting.status == Status::Planned))
    }
}

/// What people are told of.
#[derive(Clone, Copy)]
enum Told {
    Moved(Option<DateTime>),
    Cancelled(Option<DateTime>),
}

/// Moves a meeting or one occurrence of it; whether that was possible.
fn shift(meeting: &mut Meeting, occurrence: Option<DateTime>, start: DateTime, minutes: u32) -> bool {
    match occurrence {
        Some(original) => {
            if meeting.changes.len() >= CHANGES_MAX && !meeting.changes.contains_key(&original) {
                return false;
            }
            meeting.changes.insert(original, Change::Moved { start, minutes });
        }
        None => {
            let Some(rule) = moved_rule(meeting, start) else {
                return false;
            };
            meeting.repeat = rule;
            meeting.start = start;
            meeting.minutes = minutes;
            // They were about times that are none any more.
            meeting.changes.clear();
        }
    }
    true
}

/// The rule of a meeting whose first time is moved: a weekly Thursday becomes a weekly Friday. `None`: it cannot be said how.
pub(super) fn moved_rule(meeting: &Meeting, start: DateTime) -> Option<Option<Repeat>> {
    let Some(repeat) = &meeting.repeat else {
        return Some(None);
    };
    let (from, to) = (meeting.start, start);
    let parts = repeat.as_str().split(';').map(|part| {
        let (key, value) = part.split_once('=')?;
        let value = match key {
            "BYDAY" if from.weekday() == to.weekday() => value.to_owned(),
            "BYDAY" if value == code(from.weekday()) => code(to.weekday()).to_owned(),
            "BYMONTHDAY" if value == from.day().to_string() => to.day().to_string(),
            "BYMONTH" if value == from.month().to_string() => to.month().to_string(),
            key if key.starts_with("BY") && from.date() != to.date() => return None,
            _ => value.to_owned(),
        };
        Some(format!("{key}={value}"))
    });
    let rule = parts.collect::<Option<Vec<_>>>()?.join(";");
    Some(Some(Repeat::try_from(rule).ok()?))
}

fn code(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "MO",
        Weekday::Tuesday => "TU",
        Weekday::Wednesday => "WE",
        Weekday::Thursday => "TH",
        Weekday::Friday => "FR",
        Weekday::Saturday => "SA",
        Weekday::Sunday => "SU",
    }
}
