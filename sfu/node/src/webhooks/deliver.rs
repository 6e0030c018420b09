//! One try of one webhook: a signed request, and what its answer means.

use super::config::WebhookConfig;
use super::queue::Outcome;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hanse_runtime::{Secret, clock};
use hanse_sfu_signal::sign_webhook;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Response, Url, redirect};
use std::time::Duration;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a whole try may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Seconds for which the token of a try is valid, as LiveKit's.
const TOKEN_TTL_S: u64 = 300;

/// Bytes of an answer that are read, only so that the connection can be used again; beyond: it is closed.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// All destinations, and the key.
pub struct Destinations {
    client: Client,
    urls: Vec<Url>,
    key_name: String,
    secret: Secret<String>,
}

impl Destinations {
    /// Those of the configuration.
    pub fn new(config: &WebhookConfig) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TRY_TIMEOUT)
            // Who is in which room goes where the administrator said, and nowhere else.
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Destinations {
            client,
            urls: config.urls.clone(),
            key_name: config.key_name.clone(),
            secret: config.secret.clone(),
        })
    }

    /// What a destination is called in the log: without path and query, which may be what lets somebody in.
    pub fn name(&self, place: usize) -> String {
        let url = self.urls.get(place);
        url.map_or_else(String::new, |url| url.origin().ascii_serialization())
    }

    /// Sends it once, with a token of its own. Says also why it failed.
    pub async fn send(&self, place: usize, body: Bytes) -> (Outcome, String) {
        let sha256 = BASE64_STANDARD.encode(digest(&SHA256, &body));
        let key = (self.key_name.as_str(), self.secret.expose().as_str());
        let Some(url) = self.urls.get(place) else {
            return (Outcome::Refused, "there is no such destination".to_owned());
        };
        let Ok(token) = sign_webhook(key, &sha256, clock::unix_s(), TOKEN_TTL_S) else {
            return (Outcome::Failed, "the token could not be signed".to_owned());
        };
        let request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/webhook+json")
            .header(AUTHORIZATION, token)
            .body(body);
        match request.send().await {
            Ok(response) => {
                let status = response.status();
                skip(response).await;
                (
                    meaning(status),
                    format!("it answered with status {}", status.as_u16()),
                )
            }
            Err(error) => (Outcome::Failed, unreachable(&error).to_owned()),
        }
    }
}

/// As LiveKit's server has it: what is refused as such is not asked again.
fn meaning(status: StatusCode) -> Outcome {
    match status {
        status if status.is_success() => Outcome::Taken,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Failed
        }
        StatusCode::NOT_IMPLEMENTED => Outcome::Refused,
        status if status.is_server_error() => Outcome::Failed,
        _ => Outcome::Refused,
    }
}

async fn skip(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// In words of ours: those of the library name URLs and addresses.
fn unreachable(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "no connection, or no TLS that we trust"
    } else {
        "its answer broke off or is not HTTP"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_different_later_is_tried_again_and_what_is_refused_is_not() {
        let meaning = |status: u16| meaning(StatusCode::from_u16(status).unwrap());
        for status in [200, 202, 204] {
            assert_eq!(meaning(status), Outcome::Taken, "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(meaning(status), Outcome::Failed, "{status}");
        }
        for status in [301, 307, 400, 401, 404, 413, 501] {
            assert_eq!(meaning(status), Outcome::Refused, "{status}");
        }
    }
}
