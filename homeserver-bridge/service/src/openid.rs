//! `GET /_matrix/federation/v1/openid/userinfo` (Matrix server-server API, "OpenID"): who holds a token.
//!
//! A homeserver is believed about its own users only. The token is not bound to an audience and can be used for an hour, so
//! whoever sees one can play its holder: here it is only ever in the request to the server that the asker named.

use crate::dial::{DialError, Dialler};
use hanse_matrixrtc::{ServerName, ServerNameError};
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// Bytes of a token. Longer ones are refused without asking; those of known homeservers have up to some hundred.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 4096;

/// Bytes of a user id (Matrix specification, appendices, "User Identifiers"). Longer ones are refused.
pub const USER_ID_BYTES_MAX: usize = 255;

/// Why nobody is vouched for. The text is for whoever runs this server; it holds no token, no id and no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// `matrix_server_name` is no server name.
    #[error("{0}")]
    ServerName(#[from] ServerNameError),
    /// `access_token` is empty or longer than [`ACCESS_TOKEN_BYTES_MAX`].
    #[error("the OpenID token is empty or too long")]
    Token,
    /// No answer.
    #[error("the asker's homeserver was not reached: {0}")]
    Dial(#[from] DialError),
    /// The homeserver does not know the token: it never gave it out, or its time is over.
    #[error("the asker's homeserver does not vouch for this OpenID token")]
    Refused,
    /// The homeserver has no such endpoint.
    #[error(
        "the asker's homeserver does not offer OpenID userinfo on its federation port: its listener needs the resource \
         `federation` or `openid`, and a proxy must pass /_matrix/federation"
    )]
    NotOffered,
    /// Some other status; redirects are not followed, because they would carry the token elsewhere.
    #[error("the asker's homeserver answered with status {0}")]
    Status(u16),
    /// The answer is not what the specification says.
    #[error("the asker's homeserver answered, but not with a user id")]
    NoUserId,
    /// The homeserver vouches for somebody who is not its own.
    #[error("the asker's homeserver vouches for a user of another server")]
    OtherServer,
}

/// The answer, as far as it matters.
#[derive(Deserialize)]
struct UserInfo {
    sub: String,
}

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Asks the homeserver of that name who holds the token, and believes it about its own users only.
///
/// # Errors
///
/// Why nobody is vouched for.
pub async fn prove(dialler: &Dialler, server_name: &str, access_token: &str) -> Result<String, ProofError> {
    let server: ServerName = server_name.parse()?;
    if access_token.is_empty() || access_token.len() > ACCESS_TOKEN_BYTES_MAX {
        return Err(ProofError::Token);
    }
    let token = utf8_percent_encode(access_token, &RESERVED);
    let path_and_query = format!("/_matrix/federation/v1/openid/userinfo?access_token={token}");
    let answer = dialler.get(&server, &path_and_query).await?;
    match answer.status() {
        StatusCode::OK => own_user(answer.body(), &server),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ProofError::Refused),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(ProofError::NotOffered),
        status => Err(ProofError::Status(status.as_u16())),
    }
}

fn own_user(body: &[u8], server: &ServerName) -> Result<String, ProofError> {
    let UserInfo { sub } = serde_json::from_slice(body).map_err(|_| ProofError::NoUserId)?;
    let id = sub.strip_prefix('@').and_then(|rest| rest.split_once(':'));
    let Some((localpart, of)) = id else {
        return Err(ProofError::NoUserId);
    };
    if sub.len() > USER_ID_BYTES_MAX || localpart.is_empty() || localpart.contains(char::is_control) {
        return Err(ProofError::NoUserId);
    }
    if of != server.as_str() {
        return Err(ProofError::OtherServer);
    }
    Ok(sub)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(body: &str, server: &str) -> Result<String, ProofError> {
        own_user(body.as_bytes(), &server.parse().unwrap())
    }

    #[test]
    fn a_user_of_exactly_the_named_server_is_believed() {
        for (id, server) in [
            ("@alice:org-a.example", "org-a.example"),
            ("@alice:org-a.example:8448", "org-a.example:8448"),
            ("@alice:[::1]:8448", "[::1]:8448"),
            ("@Ällice=2f/+:org-a.example", "org-a.example"),
        ] {
            let body = format!(r#"{{"sub":"{id}","more":[1]}}"#);
            assert_eq!(judge(&body, server).as_deref(), Ok(id));
        }
    }

    #[test]
    fn a_user_of_any_other_server_is_not() {
        for (id, server) in [
            ("@alice:org-b.example", "org-a.example"),
            ("@alice:ORG-A.example", "org-a.example"),
            ("@alice:org-a.example:8448", "org-a.example"),
            ("@alice:org-a.example", "org-a.example:8448"),
            ("@alice:org-b.example:org-a.example", "org-a.example"),
            ("@alice:org-a.example.org-b.example", "org-a.example"),
            ("@alice:sub.org-a.example", "org-a.example"),
            ("@alice: org-a.example", "org-a.example"),
            ("@alice:", "org-a.example"),
        ] {
            assert_eq!(
                judge(&format!(r#"{{"sub":"{id}"}}"#), server),
                Err(ProofError::OtherServer),
                "{id}"
            );
        }
    }

    #[test]
    fn what_is_no_user_id_is_not_believed() {
        let long = format!(r#"{{"sub":"@{}:org-a.example"}}"#, "a".repeat(USER_ID_BYTES_MAX));
        let nested = "[".repeat(60_000);
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "not JSON",
            r#"{"sub":null}"#,
            r#"{"sub":7}"#,
            r#"{"sub":""}"#,
            r#"{"sub":"alice:org-a.example"}"#,
            r#"{"sub":"@alice"}"#,
            r#"{"sub":"@:org-a.example"}"#,
            r#"{"sub":"@a\u0000b:org-a.example"}"#,
            r#"{"sub":"@a\nb:org-a.example"}"#,
            r#"{"error":"x"}"#,
            &long,
            &nested,
        ] {
            assert_eq!(
                judge(body, "org-a.example"),
                Err(ProofError::NoUserId),
                "{body:.80}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_what_is_believed_ends_in_the_server(sub in "\\PC{0,40}") {
            let body = serde_json::json!({"sub": sub}).to_string();
            if let Ok(id) = judge(&body, "org-a.example") {
                prop_assert!(id.starts_with('@') && id.ends_with(":org-a.example"));
                prop_assert_eq!(id.matches(':').count(), 1);
            }
        }

        #[test]
        fn a_token_stays_one_parameter_of_the_query(token in "\\PC{1,40}") {
            let written = utf8_percent_encode(&token, &RESERVED).to_string();
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        }
    }
}
