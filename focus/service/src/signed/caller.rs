//! Whom to believe: a request says by its token through which of our homeservers it came, and by a header for whom.

use super::Signed;
use crate::refusal::{NotAuthorised, Refusal};
use hanse_matrixrtc::{ServerName, UserId};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Says which of its users asks.
const USER: &str = "x-matrix-user-identifier";

/// Says which other homeserver has signed the request.
const ORIGIN: &str = "x-matrix-origin";

impl Signed {
    /// Our homeserver, and its user who asks.
    pub(super) fn user(&self, headers: &HeaderMap) -> Result<(&ServerName, UserId), Refusal> {
        let own = self.homeserver(headers)?;
        let user: UserId = header(headers, USER, NotAuthorised::NoUser)?
            .parse()
            .map_err(|_| Refusal::BadParameter("X-Matrix-User-Identifier is no Matrix user id"))?;
        if user.server_name() == own {
            Ok((own, user))
        } else {
            Err(Refusal::BadParameter(
                "X-Matrix-User-Identifier names a user of another homeserver than the one that asks",
            ))
        }
    }

    /// Our homeserver, and the other one that asks.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Result<(&ServerName, ServerName), Refusal> {
        let own = self.homeserver(headers)?;
        let origin = header(headers, ORIGIN, NotAuthorised::NoOrigin)?
            .parse()
            .map_err(|_| Refusal::BadParameter("X-Matrix-Origin is no server name"))?;
        Ok((own, origin))
    }

    fn homeserver(&self, headers: &HeaderMap) -> Result<&ServerName, Refusal> {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|header| header.as_bytes().strip_prefix(b"Bearer "))
            .ok_or(Refusal::NoHomeserverToken)?;
        let own = self.own.server_of(token);
        self.homeservers
            .iter()
            .find(|server| Some(*server) == own.as_ref())
            .ok_or(Refusal::WrongHomeserverToken)
    }
}

/// A second header of that name would mean that somebody else put one in.
fn header<'a>(headers: &'a HeaderMap, name: &str, missing: NotAuthorised) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.to_str().unwrap_or_default()),
        _ => Err(Refusal::NotAuthorised(missing)),
    }
}
