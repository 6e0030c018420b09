//! Matrix' client-server API, where the SDK has no words for it: delayed events (MSC4140), transports (MSC4143), OpenID.

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, Url};
use serde_json::Value;
use std::time::Duration;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The API with this device's token.
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

    /// `GET`, by the segments of the path behind `/_matrix/client`.
    ///
    /// # Errors
    /// With the homeserver's own words.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        self.ask(Method::GET, path, query, None).await
    }

    /// `POST`, likewise.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post(&self, path: &[&str], body: Value) -> Result<Value> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    /// `PUT`, likewise.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn put(&self, path: &[&str], query: &[(&str, &str)], body: Value) -> Result<Value> {
        self.ask(Method::PUT, path, query, Some(body)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value> {
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
            .timeout(TIMEOUT);
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
        let text = answer.text().await?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if !status.is_success() {
            let words = value
                .get("error")
                .and_then(Value::as_str)
                .unwrap_or("no reason is given");
            bail!(
                "the homeserver refuses `{what}` with status {}: {words}",
                status.as_u16()
            );
        }
        Ok(value)
    }
}
