//! A homeserver that makes guests, for the tests of `guests.rs`.

use hanse_focus::guests::{GuestAccounts, GuestError, GuestMove, GuestSession, RoomDoor};
use hanse_focus::{Answer, RoomId, ServerName, UserId};
use hanse_runtime::Secret;
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

/// A homeserver that makes guests.
pub struct Accounts {
    pub door: Mutex<RoomDoor>,
    /// Guests who are there, by the names that they gave.
    pub made: Mutex<BTreeMap<String, String>>,
    pub ended: Mutex<Vec<String>>,
    /// How often it was to end somebody.
    pub ends: AtomicU64,
    pub taken_out: Mutex<Vec<(String, String)>>,
    /// Who is in rooms beside the meetings.
    pub elsewhere: Mutex<BTreeMap<String, Vec<String>>>,
    /// Makes users, and says that it could not.
    pub makes_and_fails: Mutex<bool>,
    /// What it says instead.
    pub trouble: Mutex<Option<GuestError>>,
    pub moves: broadcast::Sender<GuestMove>,
}

impl Accounts {
    pub fn new() -> Arc<Self> {
        Arc::new(Accounts {
            door: Mutex::new(RoomDoor {
                server: "org-a.example".parse().unwrap(),
                name: Some("Kitchen".to_owned()),
                can_be_knocked: true,
            }),
            made: Mutex::default(),
            ended: Mutex::default(),
            ends: AtomicU64::new(0),
            taken_out: Mutex::default(),
            elsewhere: Mutex::default(),
            makes_and_fails: Mutex::default(),
            trouble: Mutex::default(),
            moves: broadcast::channel(16).0,
        })
    }

    fn says<T: Send + 'static>(&self, answer: T) -> Answer<'static, Result<T, GuestError>> {
        let trouble = self.trouble.lock().unwrap().clone();
        Box::pin(ready(trouble.map_or(Ok(answer), Err)))
    }

    pub fn there(&self) -> Vec<String> {
        self.made.lock().unwrap().keys().cloned().collect()
    }
}

impl GuestAccounts for Accounts {
    fn room_door<'a>(&'a self, _: &'a RoomId) -> Answer<'a, Result<RoomDoor, GuestError>> {
        self.says(self.door.lock().unwrap().clone())
    }

    fn can_make<'a>(&'a self, _: &'a ServerName) -> Answer<'a, Result<(), GuestError>> {
        self.says(())
    }

    fn make<'a>(&'a self, user: &'a UserId, name: &'a str) -> Answer<'a, Result<GuestSession, GuestError>> {
        if self.trouble.lock().unwrap().is_none() {
            self.made
                .lock()
                .unwrap()
                .insert(user.to_string(), name.to_owned());
        }
        if *self.makes_and_fails.lock().unwrap() {
            return Box::pin(ready(Err(GuestError::Unreachable("it broke off".to_owned()))));
        }
        self.says(GuestSession {
            homeserver: "https://matrix.org-a.example".to_owned(),
            device_id: "DEVICE".to_owned(),
            access_token: Secret::new(format!("token of {user}")),
        })
    }

    fn end<'a>(&'a self, user: &'a UserId) -> Answer<'a, Result<(), GuestError>> {
        self.ends.fetch_add(1, Ordering::Relaxed);
        if self.trouble.lock().unwrap().is_none() {
            self.made.lock().unwrap().remove(user.as_str());
            self.ended.lock().unwrap().push(user.to_string());
        }
        self.says(())
    }

    fn take_out<'a>(&'a self, user: &'a UserId, room: &'a RoomId) -> Answer<'a, Result<(), GuestError>> {
        if self.trouble.lock().unwrap().is_none() {
            self.taken_out
                .lock()
                .unwrap()
                .push((user.to_string(), room.to_string()));
            if let Some(people) = self.elsewhere.lock().unwrap().get_mut(room.as_str()) {
                people.retain(|each| each != user.as_str());
            }
        }
        self.says(())
    }

    fn rooms_of<'a>(&'a self, user: &'a UserId) -> Answer<'a, Result<Vec<RoomId>, GuestError>> {
        let elsewhere = self.elsewhere.lock().unwrap();
        let theirs = (elsewhere.iter()).filter(|(_, people)| people.iter().any(|each| each == user.as_str()));
        self.says(theirs.map(|(room, _)| room.parse().unwrap()).collect())
    }

    fn beside<'a>(
        &'a self,
        user: &'a UserId,
        room: &'a RoomId,
    ) -> Answer<'a, Result<Vec<UserId>, GuestError>> {
        let elsewhere = self.elsewhere.lock().unwrap();
        let people = elsewhere.get(room.as_str()).cloned().unwrap_or_default();
        if !people.iter().any(|each| each == user.as_str()) {
            return Box::pin(ready(Err(GuestError::Unreachable(
                "they are not in it".to_owned(),
            ))));
        }
        let others = people.iter().filter(|each| *each != user.as_str());
        self.says(others.map(|each| each.parse().unwrap()).collect())
    }

    fn moves(&self) -> broadcast::Receiver<GuestMove> {
        self.moves.subscribe()
    }
}
