//! The moderator's side: making links, seeing them, revoking them.

use super::ask::{By, LinkAsk, RevokeAsk};
use super::link::{self, GuestLink, ID_BYTES, Pepper, SECRET_BYTES};
use super::port::{GuestError, RoomDoor};
use super::refusal::GuestRefusal;
use super::visit::VisitState;
use super::{Guests, USES_MAX};
use crate::admission::Focus;
use crate::policy::{Denied, Role};
use crate::refusal::Refusal;
use crate::request_log::Notes;
use crate::store::DatabaseError;
use hanse_matrixrtc::{RoomFacts, RoomId, UserId};
use hanse_runtime::Redacted;
use serde::Serialize;

/// How often another code is drawn when a link has it already: with 20,000 links once in 50,000 times.
const DRAWS_MAX: usize = 4;

/// A new link, told once.
#[derive(Serialize)]
pub(crate) struct NewLink {
    id: String,
    secret: String,
    spoken: String,
    expires_ms: u64,
}

/// A link in a list.
#[derive(Serialize)]
pub(crate) struct ListedLink {
    id: String,
    once: bool,
    needs_passcode: bool,
    /// How many have come in by it.
    uses: u32,
    made_by: String,
    expires_ms: u64,
}

/// All links into a room that open.
#[derive(Serialize)]
pub(crate) struct Links {
    links: Vec<ListedLink>,
}

impl Focus {
    /// Makes a link into a room.
    pub(crate) async fn make_guest_link(&self, ask: &LinkAsk, notes: &mut Notes) -> Result<NewLink, Refusal> {
        let (guests, config) = self.open_door()?;
        let maker = self.host(&ask.by, notes).await?;
        let door = knockable(guests, &ask.by.room).await?;
        if door.server != *maker.server_name() && !self.policy().full_access.names(maker.server_name()) {
            return Err(GuestRefusal::NotOurs.into());
        }
        guests
            .accounts
            .can_make(&door.server)
            .await
            .map_err(|error| not_made(&error))?;
        let now_ms = self.now_ms();
        let wanted_ms = ask.expires_s.map_or(u64::MAX, |s| s.saturating_mul(1000));
        let expires_at_ms = now_ms.saturating_add(wanted_ms.min(config.link_lifetime_max_ms));
        let pepper = Pepper::new(self.key().secret.expose());
        for _ in 0..DRAWS_MAX {
            let secret = link::text(&guests.random::<SECRET_BYTES>()?);
            let spoken = link::spoken(guests.random()?);
            let id = link::text(&guests.random::<ID_BYTES>()?);
            let made = GuestLink {
                room_id: ask.by.room.clone(),
                made_by: maker.clone(),
                secret_hash: link::plain_hash(&secret),
                spoken_hash: pepper.spoken_hash(&spoken),
                passcode_hash: ask
                    .passcode
                    .as_ref()
                    .map(|passcode| pepper.passcode_hash(&id, passcode.expose())),
                uses_max: if ask.once { 1 } else { USES_MAX },
                uses: 0,
                expires_at_ms,
                id,
            };
            if guests
                .store
                .add_guest_link(&made, now_ms)
                .await
                .map_err(|error| away(&error))?
            {
                tracing::info!(by = %Redacted(maker.as_str()), once = ask.once, "a link for guests was made");
                return Ok(NewLink {
                    id: made.id,
                    secret,
                    spoken: link::in_groups(&spoken),
                    expires_ms: expires_at_ms,
                });
            }
            let taken = guests.store.guest_link_by_spoken(&made.spoken_hash).await;
            if taken.map_err(|error| away(&error))?.is_none() {
                return Err(GuestRefusal::TooManyLinks.into());
            }
        }
        Err(GuestRefusal::Away.into())
    }

    /// The links into a room.
    pub(crate) async fn guest_links(&self, by: &By, notes: &mut Notes) -> Result<Links, Refusal> {
        let guests = self.guests.as_ref().ok_or(GuestRefusal::Off)?;
        self.host(by, notes).await?;
        let links = guests.store.guest_links_in(&by.room, self.now_ms()).await;
        let links = links.map_err(|error| away(&error))?;
        let listed = links.into_iter().map(|link| ListedLink {
            once: link.uses_max == 1,
            needs_passcode: link.passcode_hash.is_some(),
            uses: link.uses,
            made_by: link.made_by.to_string(),
            expires_ms: link.expires_at_ms,
            id: link.id,
        });
        Ok(Links {
            links: listed.collect(),
        })
    }

    /// Ends a link; those who came by it stay, unless they shall go as well.
    pub(crate) async fn revoke_guest_link(&self, ask: &RevokeAsk, notes: &mut Notes) -> Result<(), Refusal> {
        let guests = self.guests.as_ref().ok_or(GuestRefusal::Off)?;
        self.host(&ask.by, notes).await?;
        let room = &ask.by.room;
        let revoked = guests.store.revoke_guest_link(room, &ask.id).await;
        let revoked = revoked.map_err(|error| away(&error))?;
        let mut ended = 0;
        if ask.with_guests {
            let of_link = guests.store.end_visits_by(room, &ask.id).await;
            ended = of_link.map_err(|error| away(&error))?;
            guests.news.notify_one();
        }
        if revoked || ended > 0 {
            Ok(())
        } else {
            Err(GuestRefusal::NoSuchLink.into())
        }
    }

    /// Who asks, if they may have guests in that room.
    async fn host(&self, by: &By, notes: &mut Notes) -> Result<UserId, Refusal> {
        let user = self.asker(&by.server_name, &by.access_token, notes).await?;
        let facts = self
            .rooms()
            .and_then(|rooms| rooms.facts(&by.room))
            .ok_or(Refusal::RoomNotFollowed)?;
        let role = self.may_host(&facts, &user)?;
        notes.role = Some(role);
        Ok(user)
    }

    /// Whether somebody may make links into a room now: whoever moderates its calls and may invite into it.
    pub(crate) fn may_host(&self, facts: &RoomFacts, user: &UserId) -> Result<Role, Refusal> {
        let rights = self.policy().rights(Some(facts), user).map_err(Refusal::Denied)?;
        if rights.role < Role::Moderator {
            return Err(Refusal::Denied(Denied::NoModerator));
        }
        if !facts.power.of(user).reaches(facts.power.invite()) {
            return Err(GuestRefusal::MayNotInvite.into());
        }
        if !facts.policy.guests {
            return Err(GuestRefusal::OffInRoom.into());
        }
        Ok(rights.role)
    }
}

impl Guests {
    /// Random bytes.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Refusal> {
        let mut bytes = [0; N];
        if (self.randomness)(&mut bytes) {
            return Ok(bytes);
        }
        tracing::error!("the system gives no random numbers, so there are no links and no guests");
        Err(GuestRefusal::Away.into())
    }

    /// Has a visit end, and says so to whoever carries it out. An error is for the log: the next round ends it.
    pub(crate) async fn end_visit(&self, user: &UserId) {
        if let Err(error) = self.store.set_visit_state(user, VisitState::Ending).await {
            tracing::warn!("that a guest's visit is over is not written down: {error}");
        }
        self.news.notify_one();
    }
}

/// The door of a room at which one can knock.
pub(crate) async fn knockable(guests: &Guests, room: &RoomId) -> Result<RoomDoor, Refusal> {
    let door = guests
        .accounts
        .room_door(room)
        .await
        .map_err(|error| not_made(&error))?;
    if door.can_be_knocked {
        Ok(door)
    } else {
        Err(GuestRefusal::NoKnocking.into())
    }
}

/// What a homeserver did not do.
pub(crate) fn not_made(error: &GuestError) -> Refusal {
    tracing::warn!("{error}");
    match error {
        GuestError::NotOffered(_) => GuestRefusal::NoAccounts.into(),
        GuestError::Unreachable(_) => GuestRefusal::Away.into(),
    }
}

/// What the store did not do.
pub(crate) fn away(error: &DatabaseError) -> Refusal {
    tracing::warn!("guests and their links: {error}");
    match error {
        DatabaseError::Full(_) => GuestRefusal::RoomFull.into(),
        _ => GuestRefusal::Away.into(),
    }
}
