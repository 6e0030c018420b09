//! What moderators do to others in a call: mute, remove, end it for all. There is no way to switch on another's camera or
//! microphone.
//!
//! `POST /moderate` takes `{"room_id", "slot_id", "openid_token", "action", "user_id", "source"}`: the action is `mute` (one
//! `source` of `user_id`: `camera`, `microphone` or `screen`), `remove` (`user_id`) or `end`. The answer is `{}`. Who asks is
//! proven as for a token; that they may, their power in the Matrix room says, so it works in rooms whose events reach us.
//! What was done is written into the room, where everybody in it can read it.

use crate::admission::Focus;
use crate::policy::{Denied, Role};
use crate::ports::Source;
use crate::refusal::Refusal;
use crate::request_log::Notes;
use hanse_matrixrtc::names::{ROOM_CALL_SLOT, sfu_room};
use hanse_matrixrtc::{OpenIdToken, RoomFacts, RoomId, UserId};
use hanse_runtime::{Redacted, Secret};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Type of the event by which the room is told.
pub const MODERATION: &str = "org.hanse.call_moderation";

/// What a moderator wants, with everything that it must have. Nothing in it is proven.
pub struct ModerationAsk {
    room: RoomId,
    slot_id: String,
    server_name: String,
    access_token: Secret<String>,
    act: Act,
}

/// One of the things that moderators do.
#[derive(Clone, PartialEq, Eq)]
enum Act {
    Mute { user: UserId, source: Source },
    Remove { user: UserId },
    End,
}

impl Act {
    const fn name(&self) -> &'static str {
        match self {
            Act::Mute { .. } => "mute",
            Act::Remove { .. } => "remove",
            Act::End => "end",
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct Body {
    room_id: String,
    slot_id: String,
    openid_token: OpenIdToken,
    action: String,
    user_id: String,
    source: Option<Source>,
}

impl Default for Body {
    fn default() -> Self {
        Body {
            room_id: String::new(),
            slot_id: ROOM_CALL_SLOT.to_owned(),
            openid_token: OpenIdToken::default(),
            action: String::new(),
            user_id: String::new(),
            source: None,
        }
    }
}

impl ModerationAsk {
    /// Reads the body of `/moderate`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the sentence for whoever sent it.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let body: Body = hanse_matrixrtc::read(body).map_err(crate::ask::unreadable)?;
        crate::ask::require_token(&body.openid_token)?;
        let user = || {
            body.user_id
                .parse()
                .map_err(|_| Refusal::BadField("user_id is no Matrix user id, as in @bob:org-b.example"))
        };
        let act = match body.action.as_str() {
            "mute" => Act::Mute {
                user: user()?,
                source: body.source.ok_or(Refusal::BadField(
                    "source is missing: camera, microphone or screen",
                ))?,
            },
            "remove" => Act::Remove { user: user()? },
            "end" => Act::End,
            _ => return Err(Refusal::BadField("action is none of mute, remove and end")),
        };
        Ok(ModerationAsk {
            room: crate::ask::room_id(&body.room_id)?,
            slot_id: body.slot_id,
            server_name: body.openid_token.matrix_server_name,
            access_token: Secret::new(body.openid_token.access_token),
            act,
        })
    }
}

impl Focus {
    /// Does what a moderator wants, and tells the room.
    ///
    /// # Errors
    ///
    /// Why it was not done.
    pub(crate) async fn moderate(&self, ask: &ModerationAsk, notes: &mut Notes) -> Result<(), Refusal> {
        let moderator = self.asker(&ask.server_name, &ask.access_token, notes).await?;
        let facts = self
            .rooms()
            .and_then(|rooms| rooms.facts(&ask.room))
            .ok_or(Refusal::RoomNotFollowed)?;
        let rights = self
            .policy()
            .rights(Some(&facts), &moderator)
            .map_err(Refusal::Denied)?;
        notes.role = Some(rights.role);
        if rights.role < Role::Moderator {
            return Err(Refusal::Denied(Denied::NoModerator));
        }
        let call = sfu_room(ask.room.as_str(), &ask.slot_id);
        match &ask.act {
            Act::Mute { user, source } => {
                may_act_on(&facts, &moderator, user)?;
                let seats = self.seats_of(&ask.room, &call, user);
                if seats.is_empty() {
                    return Err(Refusal::NotInCall);
                }
                for seat in &seats {
                    self.have_done(self.sfu().mute(seat, *source)).await?;
                }
            }
            Act::Remove { user } => {
                may_act_on(&facts, &moderator, user)?;
                if self.seats_of(&ask.room, &call, user).is_empty() {
                    return Err(Refusal::NotInCall);
                }
                let ended = self.end_seats_of(&ask.room, user, Denied::Removed);
                self.end_on_sfu(&ended).await?;
            }
            Act::End => {
                self.empty_call(&ask.room, &call);
                self.have_done(self.sfu().close_room(&call)).await?;
            }
        }
        tracing::info!(
            by = %Redacted(moderator.as_str()),
            room = %Redacted(call.as_str()),
            action = ask.act.name(),
            "a moderator has acted"
        );
        self.put_on_record(ask, &moderator).await;
        Ok(())
    }

    /// What was done stands; that the room could not be told is for the log.
    async fn put_on_record(&self, ask: &ModerationAsk, moderator: &UserId) {
        let Some(rooms) = self.rooms() else {
            return;
        };
        let content = record(&ask.act, moderator, &ask.slot_id);
        if let Err(error) = rooms.tell(&ask.room, MODERATION, &content).await {
            let room = Redacted(ask.room.as_str());
            tracing::warn!(%room, "what a moderator did is not on record in the room: {error}");
        }
    }
}

/// Nobody acts on somebody who has more power in the room.
fn may_act_on(facts: &RoomFacts, moderator: &UserId, user: &UserId) -> Result<(), Refusal> {
    if facts.power.of(user) > facts.power.of(moderator) {
        return Err(Refusal::Denied(Denied::MorePowerful));
    }
    Ok(())
}

/// What the room is told.
fn record(act: &Act, moderator: &UserId, slot_id: &str) -> Map<String, Value> {
    let mut fields = vec![
        ("action", act.name()),
        ("by", moderator.as_str()),
        ("slot_id", slot_id),
    ];
    match act {
        Act::Mute { user, source } => {
            fields.push(("user_id", user.as_str()));
            fields.push(("source", source.as_str()));
        }
        Act::Remove { user } => fields.push(("user_id", user.as_str())),
        Act::End => {}
    }
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
}
