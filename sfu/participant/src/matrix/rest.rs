//! Matrix' client-server API, where the SDK has no words for it: delayed events (MSC4140), sticky events (MSC4354), transports (MSC4143),
//! OpenID.

use crate::tls::text;
use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, Url};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes of an answer: the whole state of a large room is some of them. A longer one is refused.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a homeserver refuses, with its own words.
#[derive(Debug)]
pub struct Refused {
    what: String,
    /// The status of its answer.
    pub status: u16,
    words: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { what, status, words } = self;
        write!(f, "the homeserver refuses `{what}` with status {status}: {words}")
    }
}

impl std::error::Error for Refused {}

/// The API with this device's token.
#[derive(Clone)]
pub struct Rest {
    http: Client,
    homeserver: Url,
    token: String,
}

impl Rest {
    /// At this homeserver.
    pub fn new(http: Client, homeserver: Url, token: String) -> Rest {
        Rest {
            http,
            homeserver,
            token,
        }
    }

    /// Where the homeserver is.
    pub fn homeserver(&self) -> &Url {
        &self.homeserver
    }

    /// `GET`, by the segments of the path behind `/_matrix/client`.
    ///
    /// # Errors
    /// With the homeserver's own words ([`Refused`]).
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        Ok(value(&self.get_text(path, query).await?))
    }

    /// `GET`, likewise; the answer as it came, for whoever reads it piece by piece.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_text(&self, path: &[&str], query: &[(&str, &str)]) -> Result<String> {
        self.ask(Method::GET, path, query, None, TIMEOUT).await
    }

    /// `POST`, likewise.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post(&self, path: &[&str], body: Value) -> Result<Value> {
        Ok(value(
            &self.ask(Method::POST, path, &[], Some(body), TIMEOUT).await?,
        ))
    }

    /// `POST` whose answer the homeserver may keep waiting for so long; the answer as it came.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn wait(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: Value,
        wait: Duration,
    ) -> Result<String> {
        self.ask(Method::POST, path, query, Some(body), wait + TIMEOUT)
            .await
    }

    /// `PUT`, likewise.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn put(&self, path: &[&str], query: &[(&str, &str)], body: Value) -> Result<Value> {
        Ok(value(
            &self.ask(Method::PUT, path, query, Some(body), TIMEOUT).await?,
        ))
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
        patience: Duration,
    ) -> Result<String> {
        let mut url = self.homeserver.clone();
        let Ok(mut segments) = url.path_segments_mut() else {
            bail!("the homeserver's address has no path");
        };
        segments.pop_if_empty().extend(["_matrix", "client"]).extend(path);
        drop(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        // Ids are in the path, and they are nobody's business but the user's.
        let what = path.last().copied().unwrap_or_default();
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(&self.token)
            .timeout(patience);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request
            .send()
            .await
            .with_context(|| format!("the homeserver does not answer about `{what}`"))?;
        let status = answer.status();
        let text = text(answer, ANSWER_BYTES_MAX)
            .await
            .with_context(|| format!("the homeserver's answer about `{what}` cannot be read"))?;
        if !status.is_success() {
            let value = value(&text);
            let words = value.get("error").and_then(Value::as_str);
            return Err(Refused {
                what: what.to_owned(),
                status: status.as_u16(),
                words: words.unwrap_or("no reason is given").to_owned(),
            }
            .into());
        }
        Ok(text)
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
