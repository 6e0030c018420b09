//! Joins the focus to what it asks: the SFU in this process or elsewhere, and homeservers by way of the bridge.

use crate::settings::Settings;
use anyhow::{Context, Result};
use axum::Router;
use hanse_bridge::Bridge;
use hanse_bridge::dial::DialError;
use hanse_focus::{
    Answer, ApiKey, Focus, Homeserver, NewRoom, ProofError, ServerName, Sfu, SfuError, SfuPlace, TwirpSfu,
};
use hanse_runtime::Secret;
use hanse_sfu::{RoomSettings, SfuCommand, SfuHandle};
use std::sync::Arc;

/// Where the focus is served besides the root: the path that Element's deployments announce, so that a reverse proxy need
/// not take anything off.
const FOCUS_PATH: &str = "/livekit/jwt";

/// Makes the focus' routes from the handle of the SFU in this process. `None`: the settings want no focus.
///
/// # Errors
///
/// A sentence for the administrator: a file with certificates that cannot be read, and the like.
pub fn routes(settings: &Settings) -> Result<Option<impl FnOnce(SfuHandle) -> Router + use<>>> {
    let Some(focus) = settings.focus.settings.clone() else {
        return Ok(None);
    };
    let bridge = Bridge::new(&settings.homeservers).context("[homeservers]")?;
    let (key, elsewhere) = match &focus.sfu {
        SfuPlace::Here => {
            let (name, secret) = settings.sfu.keys.expose().signing();
            let key = ApiKey {
                name: name.to_owned(),
                secret: Secret::new(secret.to_owned()),
            };
            (key, None)
        }
        SfuPlace::At { api_url, key } => {
            let sfu = TwirpSfu::new(api_url, key.clone(), hanse_focus::system_clock())
                .context("[focus] sfu_api_url")?;
            (key.clone(), Some(Arc::new(sfu) as Arc<dyn Sfu>))
        }
    };
    Ok(Some(move |handle: SfuHandle| {
        let sfu = elsewhere.unwrap_or_else(|| Arc::new(SfuHere(handle)));
        let homeserver = Arc::new(Homeservers(bridge));
        let focus = Arc::new(Focus::new(
            &focus,
            key,
            homeserver,
            sfu,
            hanse_focus::system_clock(),
        ));
        hanse_focus::routes(Arc::clone(&focus)).nest(FOCUS_PATH, hanse_focus::router(focus))
    }))
}

/// The SFU in this process.
struct SfuHere(SfuHandle);

impl Sfu for SfuHere {
    fn create_room<'a>(&'a self, room: &'a NewRoom) -> Answer<'a, Result<(), SfuError>> {
        let settings = RoomSettings {
            name: room.name.clone(),
            empty_timeout_s: room.empty_timeout_s,
            departure_timeout_s: room.departure_timeout_s,
            ..RoomSettings::default()
        };
        Box::pin(async move {
            let made = self.0.command(SfuCommand::CreateRoom(settings)).await;
            made.map(drop)
                .map_err(|refusal| SfuError::Refused(refusal.to_string()))
        })
    }
}

/// Homeservers, by the guarded way.
struct Homeservers(Bridge);

impl Homeserver for Homeservers {
    fn prove<'a>(
        &'a self,
        server: &'a ServerName,
        access_token: &'a str,
    ) -> Answer<'a, Result<String, ProofError>> {
        Box::pin(async move {
            use hanse_bridge::ProofError as Unproven;
            self.0
                .prove(server.as_str(), access_token)
                .await
                .map_err(|error| match error {
                    Unproven::Refused | Unproven::Token => ProofError::NotAuthorised,
                    Unproven::OtherServer => ProofError::OtherServer,
                    Unproven::Dial(DialError::NotPublic) => {
                        ProofError::RefusedAddress(DialError::NotPublic.to_string())
                    }
                    Unproven::Dial(DialError::TimedOut) => ProofError::TooSlow,
                    Unproven::Dial(DialError::Busy) => ProofError::Busy,
                    other => ProofError::Unreachable(other.to_string()),
                })
        })
    }
}
