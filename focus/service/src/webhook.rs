//! Webhooks of an SFU elsewhere (LiveKit, `protocol/webhook`): JSON in the form of protobuf, and in the `Authorization`
//! header, without a scheme, a token that is signed with the API key and says the SHA-256 of the body.
//!
//! Nothing in a body is believed before its signature holds. An event that comes twice is heard once: an SFU repeats what
//! was not answered, and whoever has recorded a webhook might.

use crate::admission::{Focus, lock};
use crate::delayed_leave::{Departure, Seat, SeatEvent};
use crate::grant::ApiKey;
use crate::refusal::Refusal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use std::collections::{HashSet, VecDeque};

/// Bytes of the token in the header; LiveKit's have some 300.
const TOKEN_BYTES_MAX: usize = 4_096;

/// Seconds by which the clocks of SFU and focus may differ.
const LEEWAY_S: u64 = 60;

/// Longest validity of a token that is believed. LiveKit's are valid for 5 minutes.
const VALIDITY_S_MAX: u64 = 600;

/// Events that are remembered in order not to be heard twice, some 100 bytes each. With more than this many in the
/// validity of a token, an event could be heard twice after all.
const REMEMBERED_MAX: usize = 16_384;

/// Bytes of an event's id, of a name or of a reason. An event with a longer one makes no sense.
const TEXT_BYTES_MAX: usize = 1_024;

/// Which events were heard.
#[derive(Default)]
pub(crate) struct Webhooks {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Webhooks {
    /// Whether it is heard for the first time.
    fn is_new(&mut self, id: &str) -> bool {
        if id.is_empty() {
            return true;
        }
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    nbf: u64,
    exp: u64,
    sha256: String,
}

/// As far as it matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Webhook {
    event: Option<String>,
    id: Option<String>,
    room: Option<Room>,
    participant: Option<Participant>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Room {
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Participant {
    identity: Option<String>,
    sid: Option<String>,
    /// A name. In protobuf's JSON it may also be a number: that of a reason which has no name yet.
    disconnect_reason: Option<serde_json::Value>,
}

impl Focus {
    /// Hears a webhook.
    ///
    /// # Errors
    ///
    /// When it is not signed by the SFU, or makes no sense.
    pub async fn hear_webhook(&self, signature: Option<&str>, body: &[u8]) -> Result<(), Refusal> {
        let signed = signature.is_some_and(|token| is_signed(&self.key(), token, body, self.now().unix_s));
        if !signed {
            tracing::warn!("a webhook is not signed by the SFU");
            return Err(Refusal::ForgedWebhook);
        }
        let webhook: Webhook = serde_json::from_slice(body).map_err(|_| Refusal::BadWebhook)?;
        let id = webhook.id.clone().unwrap_or_default();
        if id.len() > TEXT_BYTES_MAX {
            return Err(Refusal::BadWebhook);
        }
        if let Some(event) = event(webhook)?
            && lock(&self.webhooks).is_new(&id)
        {
            self.hear(event).await;
        }
        Ok(())
    }
}

/// Whether the token is signed with the key, for this body, and holds now.
fn is_signed(key: &ApiKey, token: &str, body: &[u8], now_unix_s: u64) -> bool {
    verified(key, token).is_some_and(|claims| {
        let hash = BASE64_STANDARD_NO_PAD.encode(digest(&SHA256, body));
        claims.iss == key.name
            && claims.sha256.trim_end_matches('=') == hash
            && claims.nbf <= now_unix_s.saturating_add(LEEWAY_S)
            && claims.exp.saturating_add(LEEWAY_S) > now_unix_s
            && claims.exp <= now_unix_s.saturating_add(LEEWAY_S + VALIDITY_S_MAX)
    })
}

/// The claims of a token with a good signature.
fn verified(key: &ApiKey, token: &str) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose().as_bytes());
    hmac::verify(&hmac_key, message.as_bytes(), &signature).ok()?;
    let header: Header = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    (header.alg == "HS256").then_some(claims)
}

/// What it says of a seat; `None`: it is about something else.
fn event(webhook: Webhook) -> Result<Option<SeatEvent>, Refusal> {
    let kind = webhook.event.ok_or(Refusal::BadWebhook)?;
    let about_seats = [
        "participant_joined",
        "participant_left",
        "participant_connection_aborted",
        "room_finished",
    ];
    if !about_seats.contains(&kind.as_str()) {
        return Ok(None);
    }
    let room = name(webhook.room.and_then(|room| room.name))?;
    if kind == "room_finished" {
        return Ok(Some(SeatEvent::RoomFinished { room }));
    }
    let participant = webhook.participant.ok_or(Refusal::BadWebhook)?;
    let seat = Seat {
        room,
        identity: name(participant.identity)?,
    };
    let sid = participant.sid.unwrap_or_default();
    if sid.len() > TEXT_BYTES_MAX {
        return Err(Refusal::BadWebhook);
    }
    let reason = participant.disconnect_reason.as_ref();
    let reason = reason.and_then(serde_json::Value::as_str).unwrap_or_default();
    Ok(Some(match kind.as_str() {
        "participant_joined" => SeatEvent::Joined { seat, sid },
        "participant_left" => SeatEvent::Left {
            seat,
            sid,
            departure: Departure::from_reason(reason),
        },
        _ => SeatEvent::Aborted { seat, sid },
    }))
}

fn name(name: Option<String>) -> Result<String, Refusal> {
    name.filter(|name| !name.is_empty() && name.len() <= TEXT_BYTES_MAX)
        .ok_or(Refusal::BadWebhook)
}
