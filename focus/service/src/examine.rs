//! Whether somebody's network reaches the SFU, before they join a call.
//!
//! `POST /examine` takes `{"openid_token"}` and answers as `/sfu/get`: with the address of the SFU and a token for it. The token opens a
//! room that nobody else has, in which its holder neither sends nor receives and is shown to nobody; so what is tried is the real way, and
//! no call learns of it. It is for people of our own homeservers: others try their own focus.

use crate::admission::Focus;
use crate::refusal::Refusal;
use crate::request_log::Notes;
use hanse_matrixrtc::names::hashed_identity;
use hanse_matrixrtc::{Granted, OpenIdToken};
use hanse_runtime::Secret;
use serde::Deserialize;

/// How long the token lets somebody in: a page uses it at once.
const TOKEN_LIFETIME_S: u64 = 60;

/// What rooms are called in which somebody tries the way.
const ROOM: &str = "hanse-examine-";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    openid_token: OpenIdToken,
}

/// Who wants to try the way. Nothing in it is proven.
pub(crate) struct ExamineAsk {
    server_name: String,
    access_token: Secret<String>,
}

impl ExamineAsk {
    /// Reads the body of `/examine`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the sentence for whoever sent it.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let body: Body = hanse_matrixrtc::read(body).map_err(crate::ask::unreadable)?;
        crate::ask::require_token(&body.openid_token)?;
        Ok(ExamineAsk {
            server_name: body.openid_token.matrix_server_name,
            access_token: Secret::new(body.openid_token.access_token),
        })
    }
}

impl Focus {
    /// Gives somebody of ours a seat in a room alone.
    ///
    /// # Errors
    ///
    /// Why there is no token.
    pub(crate) async fn examine(&self, ask: &ExamineAsk, notes: &mut Notes) -> Result<Granted, Refusal> {
        let user = self.asker(&ask.server_name, &ask.access_token, notes).await?;
        if !self.policy().full_access.includes(user.server_name()) {
            return Err(Refusal::Forbidden(
                "People try the way to the SFU of their own organisation only",
            ));
        }
        // Nobody guesses it, and who asks again with the same proof comes back into the same room.
        let own = hashed_identity(&user, ask.access_token.expose(), "examine");
        let expires_at = self.now().unix_s.saturating_add(TOKEN_LIFETIME_S);
        let jwt = self
            .key()
            .sign_examination(&format!("{ROOM}{own}"), &own, expires_at)
            .ok_or(Refusal::NoToken)?;
        Ok(Granted {
            url: self.sfu_url().to_owned(),
            jwt,
        })
    }
}
