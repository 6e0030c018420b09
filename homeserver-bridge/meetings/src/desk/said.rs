//! What each command does.

use super::{Answer, Desk, Question, on_clock};
use crate::meeting::{AGENDA_MAX, Meeting, Occurrence, PEOPLE_MAX, Reply, Status};
use crate::speech::{self, Command, Draft, Language, Speaker, Understood, Which, answer};
use crate::store::{Listed, Person, StoreError};
use hanse_matrixrtc::{RoomId, UserId};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Minutes before a meeting at which people are reminded who have said nothing else.
const REMIND_MIN: u32 = 15;

/// What somebody wrote.
pub struct Said<'a> {
    /// Who.
    pub user: &'a UserId,
    /// Where.
    pub room: &'a RoomId,
    /// The text.
    pub text: &'a str,
    /// Whom it names.
    pub mentions: &'a [UserId],
    /// To whom.
    pub to: To,
}

/// Whom a text is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The bot: nobody else is there.
    BotAlone,
    /// The bot, which it mentions, before others.
    Bot,
    /// A room with others; the bot, if it begins so ([`speech::is_called`]).
    Room,
}

impl Desk {
    /// Answers; `None`: it was not for the bot.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn said(&mut self, said: &Said<'_>, now: Timestamp) -> Result<Option<Answer>, StoreError> {
        if said.to == To::Room && !speech::is_called(said.text) {
            return Ok(None);
        }
        let mut person = self.store.person(said.user).await?;
        if !self.rules.allowed.contains(said.user.server_name()) {
            return Ok(Some(Answer::of(answer::homeserver_not_allowed(
                said.user.server_name(),
                person.language,
            ))));
        }
        let zone = self.zone_of(&person);
        let now_there = on_clock(now, &zone);
        let speaker = Speaker {
            now: &now_there,
            language: person.language,
            mentions: said.mentions,
        };
        let Understood { command, language } = match speech::read(said.text, &speaker) {
            Ok(understood) => understood,
            Err(refusal) => return Ok(Some(Answer::of(refusal.0))),
        };
        if person.language != language {
            person.language = language;
            self.store.keep_person(said.user, &person).await?;
        }
        self.store.begin().await?;
        match self.command(command, said, &mut person, &zone, now).await {
            Ok(answer) => {
                self.store.commit().await?;
                Ok(Some(answer))
            }
            Err(error) => {
                self.store.roll_back().await?;
                Err(error)
            }
        }
    }

    fn zone_of(&self, person: &Person) -> TimeZone {
        let name = person.zone.as_deref().unwrap_or(&self.rules.zone);
        TimeZone::get(name).unwrap_or(TimeZone::UTC)
    }

    async fn command(
        &mut self,
        command: Command,
        said: &Said<'_>,
        person: &mut Person,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Answer, StoreError> {
        let language = person.language;
        match command {
            Command::Help => Ok(Answer::of(answer::help(language))),
            Command::Speak(language) => {
                person.language = language;
                self.store.keep_person(said.user, person).await?;
                Ok(Answer::of(answer::language_set(language)))
            }
            Command::Zone(name) => {
                person.zone = Some(name.clone());
                self.store.keep_person(said.user, person).await?;
                Ok(Answer::of(answer::zone_set(&name, language)))
            }
            Command::Subscribe => self.subscribe(said, person).await,
            Command::Share(shares) => {
                person.shares = shares;
                self.store.keep_person(said.user, person).await?;
                Ok(Answer::of(answer::sharing_set(shares, language)))
            }
            Command::List => {
                let listed = self.store.meetings_of(said.user).await?;
                let coming: Vec<(u32, &Meeting, Occurrence)> = listed
                    .iter()
                    .filter_map(|Listed { number, meeting }| {
                        Some((*number, meeting, meeting.next(&on_clock(now, zone))?))
                    })
                    .collect();
                if coming.is_empty() {
                    return Ok(Answer::of(answer::nothing_planned(language)));
                }
                let coming = coming
                    .iter()
                    .map(|(number, meeting, next)| (*number, *meeting, next));
                Ok(Answer::of(answer::list(coming, zone, language)))
            }
            Command::Meet(draft) => self.meet(draft, said, person).await,
            Command::Who { which } => match self.find(&which, said, language).await? {
                Ok(listed) => Ok(Answer::of(answer::who(&listed.meeting, language))),
                Err(answer) => Ok(answer),
            },
            Command::Agenda { which, add } => self.agenda(&which, add, said, language, now).await,
            Command::Move {
                which,
                occurrence,
                start,
                minutes,
            } => {
                let meeting = match self.own(&which, said, language).await? {
                    Ok(meeting) => meeting,
                    Err(answer) => return Ok(answer),
                };
                let original = match one_of(&meeting, occurrence, now, language) {
                    Ok(original) => original,
                    Err(answer) => return Ok(answer),
                };
                // What was said is on the speaker's clock.
                let Some(start) = start
                    .to_zoned(zone.clone())
                    .ok()
                    .map(|start| start.with_time_zone(meeting.time_zone()).datetime())
                else {
                    return Ok(Answer::of(answer::no_such_occurrence(&meeting, language)));
                };
                let minutes = minutes.unwrap_or(meeting.minutes);
                if original.is_none()
                    && meeting.repeat.is_some()
                    && super::change::moved_rule(&meeting, start).is_none()
                {
                    return Ok(Answer::of(answer::rule_does_not_move(&meeting, language)));
                }
                let text = answer::shall_move(&meeting, original, start, minutes, zone, language);
                let question = Question::Move {
                    uid: meeting.uid,
                    occurrence: original,
                    start,
                    minutes,
                };
                Ok(Answer {
                    text,
                    question: Some(question),
                })
            }
            Command::Cancel { which, occurrence } => {
                let meeting = match self.own(&which, said, language).await? {
                    Ok(meeting) => meeting,
                    Err(answer) => return Ok(answer),
                };
                let original = match one_of(&meeting, occurrence, now, language) {
                    Ok(original) => original,
                    Err(answer) => return Ok(answer),
                };
                let text = answer::shall_cancel(&meeting, original, language);
                let question = Question::Cancel {
                    uid: meeting.uid,
                    occurrence: original,
                };
                Ok(Answer {
                    text,
                    question: Some(question),
                })
            }
            Command::Invite { which, people } => {
                let mut meeting = match self.own(&which, said, language).await? {
                    Ok(meeting) => meeting,
                    Err(answer) => return Ok(answer),
                };
                let new: Vec<UserId> = people
                    .into_iter()
                    .filter(|user| !meeting.people.contains_key(user))
                    .collect();
                if meeting.people.len() + new.len() > PEOPLE_MAX {
                    return Ok(Answer::of(answer::too_many_people(language)));
                }
                if self.is_too_many(said.user, now) {
                    return Ok(Answer::of(answer::too_often(language)));
                }
                meeting
                    .people
                    .extend(new.iter().map(|user| (user.clone(), Reply::Open)));
                self.changed(&meeting, now).await?;
                for user in &new {
                    self.invite(&meeting, user, now).await?;
                }
                Ok(Answer::of(answer::invited(&meeting, &new, language)))
            }
            Command::Remind { which, minutes } => {
                let mut meeting = match self.own(&which, said, language).await? {
                    Ok(meeting) => meeting,
                    Err(answer) => return Ok(answer),
                };
                meeting.remind = minutes;
                self.changed(&meeting, now).await?;
                Ok(Answer::of(answer::reminder_set(&meeting, language)))
            }
        }
    }

    async fn subscribe(&mut self, said: &Said<'_>, person: &mut Person) -> Result<Answer, StoreError> {
        let language = person.language;
        let Some(url) = self.rules.feed_url.clone() else {
            return Ok(Answer::of(answer::no_calendar(language)));
        };
        // Where others read along it would be theirs, too.
        if said.to != To::BotAlone {
            return Ok(Answer::of(answer::only_in_private(language)));
        }
        let feed = match &person.feed {
            Some(feed) => feed.clone(),
            None => {
                let feed = self.fresh();
                person.feed = Some(feed.clone());
                self.store.keep_person(said.user, person).await?;
                feed
            }
        };
        Ok(Answer::of(answer::subscription(
            &format!("{url}{feed}.ics"),
            language,
        )))
    }

    async fn meet(
        &mut self,
        draft: Draft,
        said: &Said<'_>,
        person: &mut Person,
    ) -> Result<Answer, StoreError> {
        let language = person.language;
        if self.store.planned_by(said.user).await? >= self.rules.meetings_per_person {
            return Ok(Answer::of(answer::too_many_meetings(
                self.rules.meetings_per_person,
                language,
            )));
        }
        let is_here = draft.is_here || !self.rules.has_rooms;
        if is_here && said.to == To::BotAlone {
            return Ok(Answer::of(answer::not_here(language)));
        }
        if draft.guests && !self.rules.has_guests {
            return Ok(Answer::of(answer::no_guests(language)));
        }
        let mut people: BTreeMap<UserId, Reply> =
            draft.people.into_iter().map(|user| (user, Reply::Open)).collect();
        people.insert(said.user.clone(), Reply::Yes);
        let is_zone_unsaid = person.zone.is_none() && draft.zone.is_none();
        let zone_name = draft
            .zone
            .or_else(|| person.zone.clone())
            .unwrap_or_else(|| self.rules.zone.clone());
        let meeting = Meeting {
            uid: self.fresh(),
            sequence: 0,
            title: draft.title.unwrap_or_else(|| answer::untitled(language)),
            organiser: said.user.clone(),
            people,
            start: draft.start,
            zone: zone_name,
            minutes: draft.minutes,
            repeat: draft.repeat,
            changes: BTreeMap::new(),
            agenda: Vec::new(),
            remind: Some(REMIND_MIN),
            status: Status::Planned,
            room: is_here.then(|| said.room.clone()),
            is_in_room: is_here,
        };
        let mut text = answer::confirm(&meeting, language);
        if is_zone_unsaid {
            // Once: what is not contradicted holds.
            person.zone = Some(self.rules.zone.clone());
            self.store.keep_person(said.user, person).await?;
            text = format!("{text}\n{}", answer::ask_zone(language));
        }
        let question = Question::Make {
            meeting: Box::new(meeting),
            guests: draft.guests,
        };
        Ok(Answer {
            text,
            question: Some(question),
        })
    }

    async fn agenda(
        &mut self,
        which: &Which,
        add: Option<String>,
        said: &Said<'_>,
        language: Language,
        now: Timestamp,
    ) -> Result<Answer, StoreError> {
        let Listed { mut meeting, .. } = match self.find(which, said, language).await? {
            Ok(listed) => listed,
            Err(answer) => return Ok(answer),
        };
        if let Some(point) = add {
            if !meeting.is_of(said.user) {
                return Ok(Answer::of(answer::not_yours(&meeting, language)));
            }
            if meeting.agenda.len() >= AGENDA_MAX || self.is_too_many(said.user, now) {
                return Ok(Answer::of(answer::too_often(language)));
            }
            meeting.agenda.push(point);
            self.changed(&meeting, now).await?;
        }
        Ok(Answer::of(answer::agenda(&meeting, language)))
    }

    /// The meeting that somebody means, or what the bot says instead.
    async fn find(
        &mut self,
        which: &Which,
        said: &Said<'_>,
        language: Language,
    ) -> Result<Result<Listed, Answer>, StoreError> {
        let mut listed = self.store.meetings_of(said.user).await?;
        let meant: Vec<usize> = match which {
            Which::Number(number) => (0..listed.len())
                .filter(|at| listed.get(*at).is_some_and(|one| one.number == *number))
                .collect(),
            Which::Title(title) => {
                let title = title.to_lowercase();
                let begins = |one: &Listed| one.meeting.title.to_lowercase().starts_with(&title);
                (0..listed.len())
                    .filter(|at| listed.get(*at).is_some_and(begins))
                    .collect()
            }
            Which::Only => {
                let is_here = |one: &Listed| one.meeting.room.as_ref() == Some(said.room);
                let here: Vec<usize> = (0..listed.len())
                    .filter(|at| listed.get(*at).is_some_and(is_here))
                    .collect();
                if here.is_empty() {
                    (0..listed.len()).collect()
                } else {
                    here
                }
            }
        };
        Ok(match meant.as_slice() {
            [one] => Ok(listed.swap_remove(*one)),
            [] => Err(Answer::of(answer::no_such_meeting(language))),
            several => {
                let several = several
                    .iter()
                    .filter_map(|at| listed.get(*at))
                    .map(|one| (one.number, &one.meeting));
                Err(Answer::of(answer::several(several, language)))
            }
        })
    }

    /// As [`Desk::find`], and only if it is the speaker's.
    async fn own(
        &mut self,
        which: &Which,
        said: &Said<'_>,
        language: Language,
    ) -> Result<Result<Meeting, Answer>, StoreError> {
        let found = self.find(which, said, language).await?;
        Ok(found.and_then(|Listed { meeting, .. }| {
            if meeting.is_of(said.user) {
                Ok(meeting)
            } else {
                Err(Answer::of(answer::not_yours(&meeting, language)))
            }
        }))
    }
}

/// The occurrence of this day, by when it would begin by the rule; `None` when all of the meeting is meant.
fn one_of(
    meeting: &Meeting,
    day: Option<Date>,
    now: Timestamp,
    language: Language,
) -> Result<Option<DateTime>, Answer> {
    let zone = meeting.time_zone();
    let none = || Answer::of(answer::no_such_occurrence(meeting, language));
    match day {
        None => match meeting.next(&on_clock(now, &zone)) {
            Some(_) => Ok(None),
            None => Err(Answer::of(answer::already_over(meeting, language))),
        },
        Some(day) => {
            let from = day.to_zoned(zone).map_err(|_| none())?;
            let found = meeting
                .occurrences(&from)
                .take_while(|one| one.start.date() <= day)
                .find(|one| one.start.date() == day);
            let found = found.ok_or_else(none)?;
            // What does not repeat has one occurrence, which is all of it.
            Ok(meeting.repeat.is_some().then_some(found.original))
        }
    }
}
