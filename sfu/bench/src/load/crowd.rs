//! Who is in which room, and who has heard and seen whom when.

use super::sdp::Kind;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A client's number.
pub type Who = usize;

/// What is known of one client.
#[derive(Clone, Debug)]
pub struct Person {
    /// Where.
    pub room: usize,
    /// It has a microphone and a camera.
    pub publishes: bool,
    /// Just before it dialled.
    pub came: Instant,
    /// Its media is connected.
    pub connected: Option<Instant>,
    /// It hears and sees, and is heard and seen: it has published, if it does.
    pub settled: Option<Instant>,
    /// It has left, or was thrown out.
    pub left: Option<Instant>,
    /// Why it could not stay.
    pub failed: Option<String>,
    /// Whom it has heard, and whose key frame it has.
    received: HashMap<(Who, Kind), Instant>,
}

/// Everybody there ever was.
#[derive(Default)]
pub struct Crowd {
    people: Vec<Person>,
    sids: HashMap<String, Who>,
}

/// How a newcomer fared with those who were in the room before it and stayed.
#[derive(Clone, Copy, Debug)]
pub struct Welcome {
    /// Until everybody heard and saw it, since it dialled; `None`: it publishes nothing, or there is nobody.
    pub shown: Option<Wait>,
    /// Until it heard and saw everybody who publishes.
    pub shows: Option<Wait>,
    /// Until its own first key frame.
    pub first_picture: Option<Duration>,
}

/// A wait for the last of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// So long.
    For(Duration),
    /// For so many of them it was in vain.
    InVain(usize),
}

impl Crowd {
    /// Somebody comes.
    pub fn enter(&mut self, now: Instant, room: usize, publishes: bool) -> Who {
        self.people.push(Person {
            room,
            publishes,
            came: now,
            connected: None,
            settled: None,
            left: None,
            failed: None,
            received: HashMap::new(),
        });
        self.people.len() - 1
    }

    /// The server has named somebody.
    pub fn name(&mut self, who: Who, sid: &str) {
        self.sids.insert(sid.to_owned(), who);
    }

    /// Notes something about somebody.
    pub fn note(&mut self, who: Who, note: impl FnOnce(&mut Person)) {
        if let Some(person) = self.people.get_mut(who) {
            note(person);
        }
    }

    /// Somebody hears, or has a whole key frame of, the participant with this sid.
    pub fn received(&mut self, who: Who, publisher_sid: &str, kind: Kind, now: Instant) {
        if let Some(&publisher) = self.sids.get(publisher_sid)
            && let Some(person) = self.people.get_mut(who)
        {
            person.received.entry((publisher, kind)).or_insert(now);
        }
    }

    /// Everybody, in order of coming.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Those who have not left.
    pub fn present(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(|person| person.left.is_none())
    }

    /// How a newcomer was received. Judged are those who had settled before it came and stayed for `patience` after.
    pub fn welcome(&self, newcomer: Who, patience: Duration) -> Option<Welcome> {
        let person = self.people.get(newcomer)?;
        let end = person.came + patience;
        let others = || {
            self.people.iter().enumerate().filter(move |(who, other)| {
                *who != newcomer
                    && other.room == person.room
                    && other.settled.is_some_and(|settled| settled < person.came)
                    && other.left.is_none_or(|left| left >= end)
            })
        };
        let judge = |moments: Vec<Option<Instant>>| {
            let missing = moments.iter().filter(|moment| moment.is_none()).count();
            if missing > 0 {
                return Some(Wait::InVain(missing));
            }
            let last = moments.into_iter().flatten().max()?;
            Some(Wait::For(last.saturating_duration_since(person.came)))
        };
        let both = |viewer: &Person, publisher: Who| {
            [Kind::Audio, Kind::Video].map(|kind| viewer.received.get(&(publisher, kind)).copied())
        };
        let shown = others()
            .filter(|_| person.publishes)
            .flat_map(|(_, other)| both(other, newcomer))
            .collect();
        let shows = others()
            .filter(|(_, other)| other.publishes)
            .flat_map(|(who, _)| both(person, who))
            .collect();
        let first = person
            .received
            .iter()
            .filter(|((_, kind), _)| *kind == Kind::Video)
            .map(|(_, moment)| moment.saturating_duration_since(person.came))
            .min();
        Some(Welcome {
            shown: judge(shown),
            shows: judge(shows),
            first_picture: first,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A test may panic.
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    /// Somebody who has settled long ago, and a newcomer.
    fn two() -> (Crowd, Instant) {
        let start = Instant::now();
        let now = start + Duration::from_secs(10);
        let mut crowd = Crowd::default();
        let old = crowd.enter(start, 0, true);
        crowd.name(old, "PA_old");
        crowd.note(old, |person| person.settled = Some(start));
        let new = crowd.enter(now, 0, true);
        crowd.name(new, "PA_new");
        (crowd, now)
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_newcomer_is_shown_when_the_last_has_heard_and_seen_it() {
        let (mut crowd, now) = two();
        crowd.received(0, "PA_new", Kind::Audio, now + ms(100));
        assert_eq!(crowd.welcome(1, PATIENCE).unwrap().shown, Some(Wait::InVain(1)));
        crowd.received(0, "PA_new", Kind::Video, now + ms(300));
        crowd.received(0, "PA_new", Kind::Video, now + ms(900));
        let welcome = crowd.welcome(1, PATIENCE).unwrap();
        assert_eq!(welcome.shown, Some(Wait::For(ms(300))));
        assert_eq!(welcome.shows, Some(Wait::InVain(2)));
        crowd.received(1, "PA_old", Kind::Audio, now + ms(50));
        crowd.received(1, "PA_old", Kind::Video, now + ms(40));
        let welcome = crowd.welcome(1, PATIENCE).unwrap();
        assert_eq!(welcome.shows, Some(Wait::For(ms(50))));
        assert_eq!(welcome.first_picture, Some(ms(40)));
    }

    #[test]
    fn who_leaves_too_early_or_is_elsewhere_or_not_settled_is_not_waited_for() {
        let (mut crowd, now) = two();
        crowd.enter(now - ms(10), 0, true);
        let elsewhere = crowd.enter(now - ms(10), 1, true);
        crowd.note(elsewhere, |person| person.settled = Some(now - ms(5)));
        crowd.note(0, |person| person.left = Some(now + ms(999)));
        let welcome = crowd.welcome(1, PATIENCE).unwrap();
        assert_eq!((welcome.shown, welcome.shows), (None, None));
        crowd.note(0, |person| person.left = Some(now + PATIENCE));
        assert_eq!(crowd.welcome(1, PATIENCE).unwrap().shown, Some(Wait::InVain(2)));
    }
}
