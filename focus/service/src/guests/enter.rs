//! The guest's side: looking at a link, coming in, leaving.

use super::ask::{EnterAsk, Key};
use super::door::Code;
use super::host::{away, knockable, not_made};
use super::link::{self, Begun, GuestLink, NAME_BYTES, Pepper};
use super::port::RoomDoor;
use super::refusal::GuestRefusal;
use super::visit::{GuestVisit, VisitState};
use super::{Guests, GuestsConfig};
use crate::admission::Focus;
use crate::policy::Denied;
use crate::refusal::Refusal;
use hanse_matrixrtc::{GUEST_PREFIX, RoomId, UserId, is_guest};
use hanse_runtime::{ClientAddress, Redacted, Secret};
use serde::Serialize;

/// What a link leads to.
#[derive(Serialize)]
pub(crate) struct Looked {
    /// The room's name.
    meeting: Option<String>,
    /// The homeserver that will make the guest.
    organisation: String,
    needs_passcode: bool,
    once: bool,
    expires_ms: u64,
}

/// Who somebody is now, and by what.
#[derive(Serialize)]
pub(crate) struct Entered {
    homeserver: String,
    user_id: String,
    device_id: String,
    access_token: String,
    room_id: String,
    via: Vec<String>,
}

impl Focus {
    /// What a link leads to.
    pub(crate) async fn look_at_guest_link(
        &self,
        key: &Key,
        address: Option<ClientAddress>,
    ) -> Result<Looked, Refusal> {
        let (guests, _) = self.open_door()?;
        let (link, door) = self.open(guests, key, address).await?;
        Ok(Looked {
            meeting: door.name,
            organisation: door.server.to_string(),
            needs_passcode: link.passcode_hash.is_some(),
            once: link.uses_max == 1,
            expires_ms: link.expires_at_ms,
        })
    }

    /// Lets somebody in, as far as the lobby: makes their user.
    pub(crate) async fn enter_as_guest(
        &self,
        ask: &EnterAsk,
        address: Option<ClientAddress>,
    ) -> Result<Entered, Refusal> {
        let (guests, config) = self.open_door()?;
        let (link, door) = self.open(guests, &ask.key, address).await?;
        self.check_passcode(guests, &link, ask.passcode.as_ref(), address)
            .await?;
        self.guests_door(guests, |door, now| door.enter(&link.id, address, now))
            .map_err(GuestRefusal::TooOften)?;
        let visit = self.begin(guests, &config, &link, &door).await?;
        let user = &visit.user;
        let made = guests.accounts.make(user, &ask.name).await;
        let session = match made {
            Ok(session) => session,
            Err(error) => {
                // Perhaps it was made all the same: then it is ended like any other.
                guests.end_visit(user).await;
                if let Err(error) = guests.store.give_use_back(&link.id).await {
                    tracing::warn!("a link counts a guest who did not come in: {error}");
                }
                return Err(not_made(&error));
            }
        };
        let token_hash = link::plain_hash(session.access_token.expose());
        let noted = guests.store.note_guest_token(user, &token_hash).await;
        // Revoked, or the settings have changed, while the homeserver was asked; or nobody knows.
        if !noted.as_ref().is_ok_and(|noted| *noted) {
            guests.end_visit(user).await;
            return Err(match noted {
                Ok(_) => GuestRefusal::NoLink.into(),
                Err(error) => away(&error),
            });
        }
        guests.news.notify_one();
        tracing::info!(
            user = %Redacted(user.as_str()),
            room = %Redacted(link.room_id.as_str()),
            "a guest has come as far as the lobby"
        );
        Ok(Entered {
            homeserver: session.homeserver,
            user_id: user.to_string(),
            device_id: session.device_id,
            access_token: session.access_token.expose().clone(),
            room_id: link.room_id.to_string(),
            via: vec![door.server.to_string()],
        })
    }

    /// Ends the visit of whoever has this token.
    pub(crate) async fn leave_as_guest(
        &self,
        access_token: &Secret<String>,
        address: Option<ClientAddress>,
    ) -> Result<(), Refusal> {
        let guests = self.guests.as_ref().ok_or(GuestRefusal::Off)?;
        let charged = self.guests_door(guests, |door, now| door.charge(Code::Secret, address, now));
        charged.map_err(GuestRefusal::TooOften)?;
        let hash = link::plain_hash(access_token.expose());
        let visit = guests
            .store
            .visit_by_token(&hash)
            .await
            .map_err(|error| away(&error))?;
        let is_theirs = |visit: &GuestVisit| {
            visit
                .token_hash
                .as_ref()
                .is_some_and(|known| link::same(known, &hash))
        };
        let visit = visit.filter(is_theirs).ok_or(GuestRefusal::NotAGuest)?;
        self.guests_door(guests, |door, _| door.give_back(Code::Secret, address));
        guests.end_visit(&visit.user).await;
        self.finish_visit(guests, &visit).await;
        Ok(())
    }

    /// Refuses a guest of ours a seat in any other call than that of their meeting: in a conversation of two they write.
    pub(crate) async fn only_in_meeting(&self, user: &UserId, room: &RoomId) -> Result<(), Refusal> {
        let Some(guests) = self.guests.as_ref().filter(|_| is_guest(user)) else {
            return Ok(());
        };
        let visit = guests.store.visit_of(user).await;
        match visit.map_err(|error| away(&error))? {
            Some(visit) if visit.room_id != *room => Err(Refusal::Denied(Denied::NotJoined)),
            _ => Ok(()),
        }
    }

    /// The link that this opens, and what is behind it. Counts it if there is none.
    async fn open(
        &self,
        guests: &Guests,
        key: &Key,
        address: Option<ClientAddress>,
    ) -> Result<(GuestLink, RoomDoor), Refusal> {
        let code = match key {
            Key::Secret(_) => Code::Secret,
            Key::Spoken(_) => Code::Spoken,
        };
        let charged = self.guests_door(guests, |door, now| door.charge(code, address, now));
        charged.map_err(|wait| {
            tracing::info!("too many wrong links or codes");
            GuestRefusal::TooOften(wait)
        })?;
        let link = self.find(guests, key).await?;
        let link = link.filter(|link| link.opens(self.now_ms()));
        let link = link.ok_or(GuestRefusal::NoLink)?;
        self.guests_door(guests, |door, _| door.give_back(code, address));
        let facts = self.rooms().and_then(|rooms| rooms.facts(&link.room_id));
        // Also for some moments after a start.
        let facts = facts.ok_or(GuestRefusal::Away)?;
        match self.may_host(&facts, &link.made_by) {
            Ok(_) => {}
            Err(Refusal::Guests(GuestRefusal::OffInRoom)) => return Err(GuestRefusal::OffInRoom.into()),
            // Whoever made it may not any more.
            Err(_) => return Err(GuestRefusal::NoLink.into()),
        }
        let door = knockable(guests, &link.room_id).await?;
        Ok((link, door))
    }

    async fn find(&self, guests: &Guests, key: &Key) -> Result<Option<GuestLink>, Refusal> {
        let (found, hash) = match key {
            Key::Secret(secret) => {
                let hash = link::plain_hash(secret.expose());
                (guests.store.guest_link_by_secret(&hash).await, hash)
            }
            Key::Spoken(digits) => {
                let hash = Pepper::new(self.key().secret.expose()).spoken_hash(digits.expose());
                (guests.store.guest_link_by_spoken(&hash).await, hash)
            }
        };
        // A database may compare as it likes; what it finds are hashes, of which nobody can choose the beginning.
        let is_same = |link: &GuestLink| match key {
            Key::Secret(_) => link::same(&link.secret_hash, &hash),
            Key::Spoken(_) => link::same(&link.spoken_hash, &hash),
        };
        Ok(found.map_err(|error| away(&error))?.filter(is_same))
    }

    /// A try counts before it is looked at, so that many at a time are many.
    async fn check_passcode(
        &self,
        guests: &Guests,
        link: &GuestLink,
        passcode: Option<&Secret<String>>,
        address: Option<ClientAddress>,
    ) -> Result<(), Refusal> {
        let Some(expected) = &link.passcode_hash else {
            return Ok(());
        };
        // Who asks without one has not guessed.
        let passcode = passcode.ok_or(GuestRefusal::WrongPasscode)?;
        let charged = self.guests_door(guests, |door, now| door.charge(Code::Passcode, address, now));
        charged.map_err(GuestRefusal::TooOften)?;
        let taken = guests.store.take_passcode_try(&link.id).await;
        if !taken.map_err(|error| away(&error))? {
            return Err(GuestRefusal::PasscodeSpent.into());
        }
        let pepper = Pepper::new(self.key().secret.expose());
        if !link::same(expected, &pepper.passcode_hash(&link.id, passcode.expose())) {
            return Err(GuestRefusal::WrongPasscode.into());
        }
        self.guests_door(guests, |door, _| door.give_back(Code::Passcode, address));
        let given = guests.store.give_passcode_try_back(&link.id).await;
        given.map_err(|error| away(&error))
    }

    /// Writes a guest down who is to be made: from then on they are ended, whatever happens.
    async fn begin(
        &self,
        guests: &Guests,
        config: &GuestsConfig,
        link: &GuestLink,
        door: &RoomDoor,
    ) -> Result<GuestVisit, Refusal> {
        let name = link::name(guests.random::<NAME_BYTES>()?);
        let user: Result<UserId, _> = format!("@{GUEST_PREFIX}{name}:{}", door.server).parse();
        let now_ms = self.now_ms();
        let visit = GuestVisit {
            // A server name so long that no user fits to it.
            user: user.map_err(|_| GuestRefusal::NoAccounts)?,
            link_id: link.id.clone(),
            room_id: link.room_id.clone(),
            token_hash: None,
            state: VisitState::Coming,
            entered_at_ms: now_ms,
            ends_at_ms: now_ms.saturating_add(config.stay_max_ms),
        };
        let begun = guests.store.begin_visit(&visit, now_ms).await;
        match begun.map_err(|error| away(&error))? {
            Begun::Yes => Ok(visit),
            Begun::LinkUsed => Err(GuestRefusal::NoLink.into()),
            Begun::RoomFull => Err(GuestRefusal::RoomFull.into()),
        }
    }
}
