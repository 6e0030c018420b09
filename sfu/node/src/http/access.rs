//! The token of a request.

use super::Api;
use hanse_runtime::clock;
use hanse_sfu_signal::{Claims, verify};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Finds and checks the token of a request: `Authorization: Bearer`, otherwise the `access_token` parameter.
///
/// # Errors
///
/// The sentence for the body of a 401.
pub(super) fn claims(api: &Api, headers: &HeaderMap, parameter: Option<&str>) -> Result<Claims, String> {
    let token = match headers.get(AUTHORIZATION) {
        Some(header) => header
            .to_str()
            .ok()
            .and_then(|header| header.strip_prefix("Bearer "))
            .ok_or("invalid authorization header: it must be \"Bearer\" and a token")?,
        None => parameter
            .filter(|token| !token.is_empty())
            .ok_or("no permissions to access the room: there is no access token")?,
    };
    verify(token.trim(), &api.handle.keys(), clock::unix_s()).map_err(|error| error.to_string())
}
