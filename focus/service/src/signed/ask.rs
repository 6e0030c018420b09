//! What a request must have. Nothing in it is believed but by whom it comes.

use crate::ask::{bounded_device, require, room_id, unreadable};
use crate::delayed_leave::Seat;
use crate::refusal::Refusal;
use hanse_matrixrtc::names::{hashed_identity, member_identity, sfu_room};
use hanse_matrixrtc::{RoomId, SignedAsk, UserId, read};
use serde_json::{Value, json};

/// A request with everything that all of this form have.
pub(super) struct Wanted {
    /// The Matrix room.
    pub matrix_room: RoomId,
    pub body: SignedAsk,
}

impl Wanted {
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut body: SignedAsk = read(body).map_err(unreadable)?;
        require(
            &body.url,
            "url is missing: it names the SFU, as its homeserver announces it",
        )?;
        require(
            &body.room_id,
            "room_id is missing: it names the Matrix room of the call",
        )?;
        require(
            &body.slot_id,
            "slot_id is missing: it names the call in the room, as m.call#ROOM",
        )?;
        if body.member_id.is_empty() {
            require(
                &body.member.id,
                "member_id is missing (member.id in earlier drafts): it names the membership",
            )?;
        }
        body.member.claimed_device_id = bounded_device(body.member.claimed_device_id)?;
        Ok(Wanted {
            matrix_room: room_id(&body.room_id)?,
            body,
        })
    }

    /// Where this user sits as that member. Clients compute the name too; those of the earlier draft with the device in it.
    pub fn seat(&self, user: &UserId) -> Seat {
        let SignedAsk {
            member_id, member, ..
        } = &self.body;
        let identity = if !member_id.is_empty() {
            member_identity(user, member_id)
        } else if member.claimed_device_id.is_empty() {
            member_identity(user, &member.id)
        } else {
            hashed_identity(user, &member.claimed_device_id, &member.id)
        };
        Seat {
            room: sfu_room(&self.body.room_id, &self.body.slot_id),
            identity,
        }
    }

    /// The same request on behalf of a user, as one homeserver sends it to another; in the draft in which it came.
    pub fn for_abroad(&self, user: &UserId) -> Value {
        let SignedAsk {
            url,
            room_id,
            slot_id,
            member_id,
            member,
            ..
        } = &self.body;
        let mut body = json!({"user_id": user.as_str(), "url": url, "room_id": room_id, "slot_id": slot_id});
        if let Some(fields) = body.as_object_mut() {
            if member_id.is_empty() {
                let member = json!({
                    "id": member.id, "claimed_user_id": user.as_str(), "claimed_device_id": member.claimed_device_id,
                });
                fields.insert("member".to_owned(), member);
            } else {
                fields.insert("member_id".to_owned(), member_id.as_str().into());
            }
        }
        body
    }
}
