//! The decision: who asks is known already, so it is about the room, and about whose SFU is meant.

use super::Signed;
use super::ask::Wanted;
use super::port::{FEDERATION_TIMEOUT, Forwarded, LOOK_UP_TIMEOUT};
use crate::ask::{bounded_delay_id, leave, require};
use crate::ports::{Answer, RoomsError};
use crate::refusal::Refusal;
use crate::request_log::Notes;
use crate::standing::{Standing, standing};
use hanse_matrixrtc::names::plain_identity;
use hanse_matrixrtc::{Granted, RoomId, ServerName, UserId};
use hanse_runtime::Redacted;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// Letters that are handed on of the sentence with which another focus refuses. The rest is cut off.
const SENTENCE_LETTERS_MAX: usize = 500;

impl Signed {
    /// A token for a user of ours, on our SFU or on another organisation's.
    pub(super) async fn get_token(
        &self,
        own: &ServerName,
        user: UserId,
        body: &[u8],
        federation: &str,
        notes: &mut Notes,
    ) -> Result<Granted, Refusal> {
        let wanted = self.read(&user, body, notes)?;
        let Some(other) = self.other_server(&wanted)? else {
            self.expect_own_sfu(&wanted)?;
            let standing = self.standing(&wanted.matrix_room, &user).await?;
            return self.give_seat(&wanted, &user, &standing, notes).await;
        };
        let standing = self.standing(&wanted.matrix_room, &user).await?;
        notes.grade = Some(standing.name());
        let sentence = "Nobody of the homeserver that server_name names is in the Matrix room of this call";
        self.expect_server(&wanted.matrix_room, &other, sentence).await?;
        self.ask_abroad(own, &other, &user, &wanted, federation).await
    }

    /// A token on our SFU for somebody of another homeserver, as that one says.
    pub(super) async fn get_token_from_abroad(
        &self,
        own: &ServerName,
        origin: &ServerName,
        body: &[u8],
        notes: &mut Notes,
    ) -> Result<Granted, Refusal> {
        let wanted = Wanted::read(body)?;
        require(
            &wanted.body.user_id,
            "user_id is missing: it names the user for whom the homeserver asks",
        )?;
        let user: UserId = wanted
            .body
            .user_id
            .parse()
            .map_err(|_| Refusal::BadParameter("user_id is no Matrix user id"))?;
        // So, once the user is in the room, the origin is in it, too.
        if user.server_name() != origin {
            return Err(Refusal::Forbidden("A homeserver can ask for its own users only"));
        }
        notes.user = Some(user.clone());
        self.focus.count(&user, self.focus.now())?;
        self.expect_own_sfu(&wanted)?;
        // What a homeserver knows of a room that it has left is out of date.
        let sentence = "Nobody of this organisation's homeserver is in the Matrix room of this call";
        self.expect_server(&wanted.matrix_room, own, sentence).await?;
        let standing = self.standing(&wanted.matrix_room, &user).await?;
        self.give_seat(&wanted, &user, &standing, notes).await
    }

    /// Takes over the delayed leave of a user of ours who is on our SFU, or about to be.
    pub(super) async fn delegate(&self, user: UserId, body: &[u8], notes: &mut Notes) -> Result<(), Refusal> {
        let wanted = self.read(&user, body, notes)?;
        let delay_id = wanted.body.delay_id.clone();
        require(
            &delay_id,
            "delay_id is missing: it names the delayed leave at the homeserver",
        )?;
        bounded_delay_id(&delay_id)?;
        self.expect_own_sfu(&wanted)?;
        if !self.focus.policy().full_access.includes(user.server_name()) {
            return Err(Refusal::ForeignLeave);
        }
        let delay_ms = match wanted.body.delay_timeout {
            0 => self.delay_of(&user, &delay_id, &wanted.body.room_id).await?,
            given => given,
        };
        // A client of the earlier draft may have come by `/sfu/get`.
        let device = wanted.body.member.claimed_device_id.as_str();
        let plain = (!device.is_empty())
            .then(|| plain_identity(&user, device))
            .flatten();
        let leave = leave(delay_id, delay_ms)?;
        self.focus
            .take_leave_over(leave.as_ref(), wanted.seat(&user), plain, &user)
            .await
    }

    /// What a user of ours wants; noted and counted.
    fn read(&self, user: &UserId, body: &[u8], notes: &mut Notes) -> Result<Wanted, Refusal> {
        notes.user = Some(user.clone());
        let wanted = Wanted::read(body)?;
        self.focus.count(user, self.focus.now())?;
        Ok(wanted)
    }

    /// The homeserver whose SFU is meant, if it is none of ours.
    fn other_server(&self, wanted: &Wanted) -> Result<Option<ServerName>, Refusal> {
        if wanted.body.server_name.is_empty() {
            return Ok(None);
        }
        let named: ServerName = wanted
            .body
            .server_name
            .parse()
            .map_err(|_| Refusal::BadParameter("server_name is no server name"))?;
        let is_ours = self.homeservers.contains(&named);
        Ok((!is_ours).then_some(named))
    }

    fn expect_own_sfu(&self, wanted: &Wanted) -> Result<(), Refusal> {
        if wanted.body.url == self.focus.sfu_url() {
            Ok(())
        } else {
            Err(Refusal::BadParameter(
                "url is not the SFU of this focus, letter by letter (sfu_url in its configuration)",
            ))
        }
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, Refusal> {
        let rooms = self.focus.rooms().ok_or(Refusal::RoomsNotTold)?;
        match standing(&**rooms, room, user).await? {
            Standing::Unknown => Err(Refusal::RoomsNotTold),
            known => Ok(known),
        }
    }

    async fn expect_server(
        &self,
        room: &RoomId,
        server: &ServerName,
        sentence: &'static str,
    ) -> Result<(), Refusal> {
        let asked = within(LOOK_UP_TIMEOUT, self.own.is_server_joined(room, server));
        match asked.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Forbidden(sentence)),
            Err(RoomsError::NotTold(_)) => Err(Refusal::RoomsNotTold),
            Err(error @ RoomsError::Unreachable(_)) => {
                tracing::warn!(room = %Redacted(room.as_str()), "{error}");
                Err(Refusal::HomeserverAway)
            }
        }
    }

    async fn give_seat(
        &self,
        wanted: &Wanted,
        user: &UserId,
        standing: &Standing,
        notes: &mut Notes,
    ) -> Result<Granted, Refusal> {
        self.focus
            .give_seat(&wanted.seat(user), &wanted.matrix_room, user, standing, notes)
            .await
    }

    /// Has our homeserver ask another one, whose focus decides.
    async fn ask_abroad(
        &self,
        own: &ServerName,
        other: &ServerName,
        user: &UserId,
        wanted: &Wanted,
        federation: &str,
    ) -> Result<Granted, Refusal> {
        let path = format!("{federation}/get_token");
        let body = wanted.for_abroad(user);
        let asked = self.own.forward(own, other, &path, &body);
        let forwarded = within(FEDERATION_TIMEOUT, asked).await.map_err(|error| {
            tracing::info!(server = %Redacted(other.as_str()), "another focus could not be asked: {error}");
            Refusal::OtherFocusAway
        })?;
        let jwt = token(&forwarded).inspect_err(|_| {
            let status = forwarded.status;
            tracing::info!(server = %Redacted(other.as_str()), status, "another focus gives no token");
        })?;
        Ok(Granted {
            url: wanted.body.url.clone(),
            jwt,
        })
    }

    async fn delay_of(&self, user: &UserId, delay_id: &str, room: &str) -> Result<u64, Refusal> {
        let found = within(LOOK_UP_TIMEOUT, self.own.look_up_delay(user, delay_id)).await;
        match found {
            Ok(Some(found)) if found.room == room => Ok(found.delay_ms),
            Ok(_) => Err(Refusal::BadParameter(
                "delay_id names no delayed event of this user for this room",
            )),
            Err(error) => {
                tracing::info!("how long a delayed leave waits is not known: {error}");
                Err(Refusal::DelayNotTold)
            }
        }
    }
}

/// What another focus grants, or why it does not. Its own status counts only where the asker can do something about it.
fn token(forwarded: &Forwarded) -> Result<String, Refusal> {
    let text = |key: &str| {
        forwarded
            .content
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match (forwarded.status, text("jwt")) {
        (200, jwt) if !jwt.is_empty() => Ok(jwt.to_owned()),
        (status @ (400 | 403), _) => {
            let said = text("error").chars().filter(|letter| !letter.is_control());
            let said: String = said.take(SENTENCE_LETTERS_MAX).collect();
            let said = said.trim_end_matches('.').to_owned();
            Err(match status {
                400 => Refusal::OtherFocusDoesNotUnderstand(said),
                _ => Refusal::OtherFocusRefuses(said),
            })
        }
        _ => Err(Refusal::OtherFocusAway),
    }
}

async fn within<T>(limit: Duration, asked: Answer<'_, Result<T, RoomsError>>) -> Result<T, RoomsError> {
    timeout(limit, asked)
        .await
        .unwrap_or_else(|_| Err(RoomsError::Unreachable("it did not answer in time".to_owned())))
}
