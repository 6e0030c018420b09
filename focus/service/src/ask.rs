//! What a request must have, before anybody is asked about it.

use crate::refusal::Refusal;
use hanse_matrixrtc::names::{ROOM_CALL_SLOT, sfu_room};
use hanse_matrixrtc::{BodyError, GetToken, OpenIdToken, SfuGet, read};
use hanse_runtime::Secret;
use std::fmt;

/// Bytes of an OpenID access token; Synapse's have 24. A longer one is refused: it travels on in a query string.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 4096;

/// Bytes of a device id (as of any id in Matrix). A longer one is refused: in the plain form it is part of a name on the
/// SFU.
pub const DEVICE_ID_BYTES_MAX: usize = 255;

/// A request with everything in it that it must have. Nothing in it is proven.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    pub(crate) room: String,
    pub(crate) server_name: String,
    pub(crate) access_token: Secret<String>,
    pub(crate) member: AskedMember,
    pub(crate) hands_leave_over: bool,
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
            room: sfu_room(&body.room, ROOM_CALL_SLOT),
            hands_leave_over: hands_leave_over(&body.delay_id, body.delay_timeout)?,
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
            room: sfu_room(&body.room_id, &body.slot_id),
            hands_leave_over: hands_leave_over(&body.delay_id, body.delay_timeout)?,
            member: AskedMember::Hashed {
                claimed_user_id: body.member.claimed_user_id,
                claimed_device_id: bounded_device(body.member.claimed_device_id)?,
                member_id: body.member.id,
            },
            server_name: body.openid_token.matrix_server_name,
            access_token: Secret::new(body.openid_token.access_token),
        })
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask(not shown)")
    }
}

fn unreadable(error: BodyError) -> Refusal {
    match error {
        BodyError::NotJson { .. } => Refusal::NotJson(error),
        BodyError::Shape { .. } => Refusal::Shape(error),
    }
}

fn require(field: &str, sentence: &'static str) -> Result<(), Refusal> {
    if field.is_empty() {
        Err(Refusal::BadField(sentence))
    } else {
        Ok(())
    }
}

fn require_token(token: &OpenIdToken) -> Result<(), Refusal> {
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

fn bounded_device(device_id: String) -> Result<String, Refusal> {
    if device_id.len() > DEVICE_ID_BYTES_MAX {
        return Err(Refusal::BadField("the device id is too long"));
    }
    Ok(device_id)
}

fn hands_leave_over(delay_id: &str, delay_timeout_ms: u64) -> Result<bool, Refusal> {
    match (!delay_id.is_empty(), delay_timeout_ms > 0) {
        (true, true) => Ok(true),
        (false, false) => Ok(false),
        _ => Err(Refusal::BadField(
            "delay_id and delay_timeout (milliseconds, above 0) belong together: send both or neither",
        )),
    }
}
