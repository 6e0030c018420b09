//! What a request must have, before anybody is asked about it.

use crate::delayed_leave::{DELAY_MS_MAX, DELAY_MS_MIN};
use crate::refusal::Refusal;
use hanse_matrixrtc::names::{ROOM_CALL_SLOT, sfu_room};
use hanse_matrixrtc::{BodyError, GetToken, OpenIdToken, RoomId, SfuGet, read};
use hanse_runtime::Secret;
use std::fmt;

/// Bytes of an OpenID access token; Synapse's have 24. A longer one is refused: it travels on in a query string.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 4096;

/// Bytes of a device id (as of any id in Matrix). A longer one is refused: in the plain form it is part of a name on the
/// SFU.
pub const DEVICE_ID_BYTES_MAX: usize = 255;

/// Bytes of a delay id; Synapse's have 24. A longer one is refused: it is stored, and travels on in a path.
pub const DELAY_ID_BYTES_MAX: usize = 255;

/// A request with everything in it that it must have. Nothing in it is proven.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// The Matrix room.
    pub(crate) matrix_room: RoomId,
    /// The name of its call on the SFU.
    pub(crate) room: String,
    pub(crate) server_name: String,
    pub(crate) access_token: Secret<String>,
    pub(crate) member: AskedMember,
    /// The delayed leave that comes along.
    pub(crate) leave: Option<AskedLeave>,
}

/// A delayed leave at the homeserver of whoever asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AskedLeave {
    pub delay_id: Secret<String>,
    pub delay_ms: u64,
}

/// How the one who asks wants to be known on the SFU.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum AskedMember {
    /// By user and device in clear.
    Plain { device_id: String },
    /// By a hash.
    Hashed {
        claimed_user_id: String,
        claimed_device_id: String,
        member_id: String,
    },
}

impl Ask {
    /// Reads the body of `/sfu/get`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the sentence for whoever sent it.
    pub fn from_sfu_get(body: &[u8]) -> Result<Self, Refusal> {
        let body: SfuGet = read(body).map_err(unreadable)?;
        require(
            &body.room,
            "room is missing: it names the Matrix room of the call",
        )?;
        require_token(&body.openid_token)?;
        Ok(Ask {
            matrix_room: room_id(&body.room)?,
            room: sfu_room(&body.room, ROOM_CALL_SLOT),
            leave: leave(body.delay_id, body.delay_timeout)?,
            member: AskedMember::Plain {
                device_id: bounded_device(body.device_id)?,
            },
            server_name: body.openid_token.matrix_server_name,
            access_token: Secret::new(body.openid_token.access_token),
        })
    }

    /// Reads the body of `/get_token`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the sentence for whoever sent it.
    pub fn from_get_token(body: &[u8]) -> Result<Self, Refusal> {
        let body: GetToken = read(body).map_err(unreadable)?;
        require(
            &body.room_id,
            "room_id is missing: it names the Matrix room of the call",
        )?;
        require(
            &body.slot_id,
            "slot_id is missing: it names the call in the room, as m.call#ROOM",
        )?;
        require(&body.member.id, "member.id is missing: it names the membership")?;
        require(
            &body.member.claimed_user_id,
            "member.claimed_user_id is missing: it names the user",
        )?;
        require(
            &body.member.claimed_device_id,
            "member.claimed_device_id is missing: it names the device",
        )?;
        require_token(&body.openid_token)?;
        Ok(Ask {
            matrix_room: room_id(&body.room_id)?,
            room: sfu_room(&body.room_id, &body.slot_id),
            leave: leave(body.delay_id, body.delay_timeout)?,
            member: AskedMember::Hashed {
                claimed_user_id: body.member.claimed_user_id,
                claimed_device_id: bounded_device(body.member.claimed_device_id)?,
                member_id: body.member.id,
            },
            server_name: body.openid_token.matrix_server_name,
            access_token: Secret::new(body.openid_token.access_token),
        })
    }

    /// Reads the body of `/delegate_delayed_leave`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the sentence for whoever sent it.
    pub fn from_delegation(body: &[u8]) -> Result<Self, Refusal> {
        let ask = Self::from_get_token(body)?;
        if ask.leave.is_none() {
            return Err(Refusal::BadField(
                "delay_id and delay_timeout (milliseconds) are missing: they name the delayed leave",
            ));
        }
        Ok(ask)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask(not shown)")
    }
}

pub(crate) fn unreadable(error: BodyError) -> Refusal {
    match error {
        BodyError::NotJson { .. } => Refusal::NotJson(error),
        BodyError::Shape { .. } => Refusal::Shape(error),
    }
}

pub(crate) fn require(field: &str, sentence: &'static str) -> Result<(), Refusal> {
    if field.is_empty() {
        Err(Refusal::BadField(sentence))
    } else {
        Ok(())
    }
}

pub(crate) fn room_id(text: &str) -> Result<RoomId, Refusal> {
    text.parse().map_err(|_| {
        Refusal::BadField("what stands for the room is no Matrix room id, as in !kitchen:org-a.example")
    })
}

pub(crate) fn require_token(token: &OpenIdToken) -> Result<(), Refusal> {
    require(
        &token.access_token,
        "openid_token.access_token is missing: the homeserver gives it out at /openid/request_token",
    )?;
    require(
        &token.matrix_server_name,
        "openid_token.matrix_server_name is missing: it names the homeserver that gave the token out",
    )?;
    if token.access_token.len() > ACCESS_TOKEN_BYTES_MAX {
        return Err(Refusal::BadField("openid_token.access_token is too long"));
    }
    Ok(())
}

pub(crate) fn bounded_device(device_id: String) -> Result<String, Refusal> {
    if device_id.len() > DEVICE_ID_BYTES_MAX {
        return Err(Refusal::BadField("the device id is too long"));
    }
    Ok(device_id)
}

pub(crate) fn bounded_delay_id(delay_id: &str) -> Result<(), Refusal> {
    if delay_id.len() > DELAY_ID_BYTES_MAX || !delay_id.bytes().all(|letter| letter.is_ascii_graphic()) {
        return Err(Refusal::BadField(
            "delay_id is not one that a homeserver gives out: at most 255 visible ASCII letters",
        ));
    }
    Ok(())
}

pub(crate) fn leave(delay_id: String, delay_ms: u64) -> Result<Option<AskedLeave>, Refusal> {
    match (delay_id.is_empty(), delay_ms) {
        (true, 0) => return Ok(None),
        (false, 1..) => {}
        _ => {
            return Err(Refusal::BadField(
                "delay_id and delay_timeout (milliseconds, above 0) belong together: send both or neither",
            ));
        }
    }
    bounded_delay_id(&delay_id)?;
    if delay_ms < DELAY_MS_MIN {
        return Err(Refusal::BadField(
            "delay_timeout is too short to be taken over: at least 5000 milliseconds",
        ));
    }
    Ok(Some(AskedLeave {
        delay_id: Secret::new(delay_id),
        delay_ms: delay_ms.min(DELAY_MS_MAX),
    }))
}
