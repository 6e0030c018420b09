//! What requests about guests must have, before anybody is asked about them.

use super::PASSCODE_BYTES;
use super::link::{is_secret, read_spoken};
use super::refusal::GuestRefusal;
use crate::ask::{require_token, room_id, unreadable};
use crate::refusal::Refusal;
use hanse_matrixrtc::{OpenIdToken, RoomId, read};
use hanse_runtime::Secret;
use serde::Deserialize;

/// Bytes of an access token that is looked for; Synapse's have some 70.
const ACCESS_TOKEN_BYTES_MAX: usize = 4096;

/// A link that is wanted.
pub(crate) struct LinkAsk {
    pub by: By,
    pub once: bool,
    /// Seconds for which it is to open; `None`: as long as it may.
    pub expires_s: Option<u64>,
    pub passcode: Option<Secret<String>>,
}

/// Who asks about which room. Nothing of it is proven.
pub(crate) struct By {
    pub room: RoomId,
    pub server_name: String,
    pub access_token: Secret<String>,
}

/// A link that is to be revoked.
pub(crate) struct RevokeAsk {
    pub by: By,
    pub id: String,
    /// Also those who came by it.
    pub with_guests: bool,
}

/// What somebody has of a link.
pub(crate) enum Key {
    Secret(Secret<String>),
    /// Its digits.
    Spoken(Secret<String>),
}

/// Somebody who wants in.
pub(crate) struct EnterAsk {
    pub key: Key,
    pub passcode: Option<Secret<String>>,
    pub name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ByBody {
    room_id: String,
    openid_token: OpenIdToken,
    once: bool,
    expires_s: Option<u64>,
    passcode: Option<String>,
    id: String,
    with_guests: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyBody {
    secret: Option<String>,
    spoken: Option<String>,
    passcode: Option<String>,
    name: String,
    access_token: String,
}

fn by_body(body: &[u8]) -> Result<(By, ByBody), Refusal> {
    let mut body: ByBody = read(body).map_err(unreadable)?;
    require_token(&body.openid_token)?;
    let by = By {
        room: room_id(&body.room_id)?,
        server_name: std::mem::take(&mut body.openid_token.matrix_server_name),
        access_token: Secret::new(std::mem::take(&mut body.openid_token.access_token)),
    };
    Ok((by, body))
}

impl By {
    /// Reads the body of `/guest/links`.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        by_body(body).map(|(by, _)| by)
    }
}

impl LinkAsk {
    /// Reads the body of `/guest/link`.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let (by, body) = by_body(body)?;
        let passcode = passcode(body.passcode);
        if let Some(passcode) = &passcode
            && !PASSCODE_BYTES.contains(&passcode.expose().len())
        {
            return Err(Refusal::BadField("passcode has 4 to 128 bytes, or is left out"));
        }
        if body.expires_s == Some(0) {
            return Err(Refusal::BadField(
                "expires_s is above 0: the seconds for which the link opens",
            ));
        }
        Ok(LinkAsk {
            by,
            once: body.once,
            expires_s: body.expires_s,
            passcode,
        })
    }
}

impl RevokeAsk {
    /// Reads the body of `/guest/revoke`.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let (by, body) = by_body(body)?;
        if body.id.is_empty() || body.id.len() > 64 {
            return Err(Refusal::BadField(
                "id is missing: it names the link, as /guest/links lists it",
            ));
        }
        Ok(RevokeAsk {
            by,
            id: body.id,
            with_guests: body.with_guests,
        })
    }
}

impl Key {
    /// Reads the body of `/guest/look`.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let body: KeyBody = read(body).map_err(unreadable)?;
        key(body.secret, body.spoken)
    }
}

impl EnterAsk {
    /// Reads the body of `/guest/enter`.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let body: KeyBody = read(body).map_err(unreadable)?;
        Ok(EnterAsk {
            key: key(body.secret, body.spoken)?,
            passcode: passcode(body.passcode),
            name: super::name::clean(&body.name).ok_or(GuestRefusal::NoName)?,
        })
    }
}

/// Reads the body of `/guest/leave`: the access token of the guest who leaves.
pub(crate) fn leaving(body: &[u8]) -> Result<Secret<String>, Refusal> {
    let body: KeyBody = read(body).map_err(unreadable)?;
    if body.access_token.is_empty() || body.access_token.len() > ACCESS_TOKEN_BYTES_MAX {
        return Err(GuestRefusal::NotAGuest.into());
    }
    Ok(Secret::new(body.access_token))
}

/// Spaces around it are from whoever copied it.
fn passcode(text: Option<String>) -> Option<Secret<String>> {
    let text = text?.trim().to_owned();
    (!text.is_empty()).then(|| Secret::new(text))
}

/// What has not the form of a secret or a code opens nothing, and is not a guess either.
fn key(secret: Option<String>, spoken: Option<String>) -> Result<Key, Refusal> {
    match (secret, spoken) {
        (Some(secret), None) if is_secret(&secret) => Ok(Key::Secret(Secret::new(secret))),
        (None, Some(spoken)) => {
            let digits = read_spoken(&spoken).ok_or(GuestRefusal::NoLink)?;
            Ok(Key::Spoken(Secret::new(digits)))
        }
        (Some(_), None) => Err(GuestRefusal::NoLink.into()),
        _ => Err(Refusal::BadField(
            "secret (of a link) or spoken (nine digits) is missing, or both are there",
        )),
    }
}
