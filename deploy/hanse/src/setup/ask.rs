//! Questions to servers and to the administrator.

use anyhow::{Context, Result, bail};
use hanse_bridge::ServerName;
use hanse_bridge::config::HomeserversConfig;
use hanse_bridge::dial::address::AllowedNetworks;
use hanse_bridge::dial::{DialError, Dialler, tls_config};
use reqwest::Response;
use serde_json::{Map, Value};
use std::io::{IsTerminal, Write};
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// One question, from looking the name up to the last byte.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer. Of a longer one nothing is believed.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Letters of a name and a version that are repeated.
const SOFTWARE_LETTERS_MAX: usize = 60;

/// Where a homeserver says what it is.
const VERSION_PATH: &str = "/_matrix/federation/v1/version";

/// Asks servers, for an administrator: any address may be asked.
pub struct Asker {
    http: reqwest::Client,
    dialler: Dialler,
    /// As the running server dials, without anything allowed that is not public.
    guarded: Dialler,
}

impl Asker {
    /// Believes the system's certificate authorities.
    ///
    /// # Errors
    ///
    /// When TLS or name resolution cannot be set up.
    pub fn new() -> Result<Self> {
        let everywhere = ["0.0.0.0/0", "::/0"]
            .map(str::parse)
            .into_iter()
            .collect::<Result<_, _>>()?;
        let config = HomeserversConfig {
            allowed_networks: AllowedNetworks::new(everywhere),
            ..HomeserversConfig::default()
        };
        let http = reqwest::Client::builder()
            .timeout(ASK_TIMEOUT)
            .no_proxy()
            .user_agent("Hanse")
            .tls_backend_preconfigured(tls_config(&config)?)
            .build()
            .context("no HTTP client can be made")?;
        Ok(Asker {
            http,
            dialler: Dialler::new(&config)?,
            guarded: Dialler::new(&HomeserversConfig::default())?,
        })
    }

    /// The JSON object at a URL; `None`: there is none.
    pub async fn object(&self, url: String) -> Option<Map<String, Value>> {
        let response = self.http.get(url).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        serde_json::from_slice(&body(response).await?).ok()
    }

    /// The status of an answer; `None`: there is none.
    pub async fn status(&self, url: String) -> Option<u16> {
        Some(self.http.get(url).send().await.ok()?.status().as_u16())
    }

    /// What answers at a client-server API: by the federation's question where it is answered there, too, else by the header
    /// `Server`, which Synapse writes itself.
    pub async fn software(&self, url: &str) -> Option<String> {
        if let Some(answer) = self.object(format!("{url}{VERSION_PATH}")).await
            && let Some(software) = name_and_version(&answer)
        {
            return Some(software);
        }
        let response = self
            .http
            .get(format!("{url}/_matrix/client/versions"))
            .send()
            .await
            .ok()?;
        let server = response.headers().get("server")?.to_str().ok()?;
        server
            .strip_prefix("Synapse/")
            .map(|version| printable(&format!("Synapse {version}")))
    }

    /// What answers other organisations under this name, found as they find it; the inner `None`: it does not say.
    ///
    /// # Errors
    ///
    /// A sentence: why they do not reach it.
    pub async fn federation_version(&self, server_name: &ServerName) -> Result<Option<String>, String> {
        let answer = self
            .dialler
            .get(server_name, VERSION_PATH)
            .await
            .map_err(|why| why.to_string())?;
        if !answer.status().is_success() {
            return Err(format!(
                "{VERSION_PATH} is answered with status {}",
                answer.status().as_u16()
            ));
        }
        Ok(serde_json::from_slice(answer.body())
            .ok()
            .and_then(|answer| name_and_version(&answer)))
    }

    /// The addresses for which the running server will not ask the homeserver of this name who somebody is, because they are
    /// not public; `host`: where its name leads.
    pub async fn refused_addresses(&self, server_name: &ServerName, host: &str) -> Vec<IpAddr> {
        match self.guarded.get(server_name, VERSION_PATH).await {
            Err(DialError::NotPublic) => {
                let found = timeout(ASK_TIMEOUT, lookup_host((host, 443))).await;
                let found = found.ok().and_then(Result::ok).into_iter().flatten();
                let nothing = AllowedNetworks::default();
                let mut refused: Vec<IpAddr> = found
                    .filter(|address| nothing.permit(*address).is_none())
                    .map(|address| address.ip())
                    .collect();
                refused.sort_unstable();
                refused.dedup();
                refused
            }
            _ => Vec::new(),
        }
    }

    /// Whether the homeserver there signs as that name.
    pub async fn is_named(&self, url: &str, server_name: &ServerName) -> bool {
        let keys = self.object(format!("{url}/_matrix/key/v2/server")).await;
        keys.is_some_and(|keys| keys.get("server_name").and_then(Value::as_str) == Some(server_name.as_str()))
    }
}

async fn body(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.ok()? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_BYTES_MAX {
            return None;
        }
    }
    Some(body)
}

fn name_and_version(answer: &Map<String, Value>) -> Option<String> {
    let server = answer.get("server")?;
    let (name, version) = (server.get("name")?.as_str()?, server.get("version")?.as_str()?);
    Some(printable(&format!("{name} {version}")))
}

/// What a server says of itself, fit for a terminal.
fn printable(text: &str) -> String {
    let plain = text
        .chars()
        .filter(|letter| letter.is_ascii_graphic() || *letter == ' ');
    plain.take(SOFTWARE_LETTERS_MAX).collect()
}

/// Asks the administrator for the server name. `likely`: the one to which an empty answer says yes.
///
/// # Errors
///
/// A sentence: nobody is there to answer, or the answer is no server name.
pub fn server_name(likely: Option<&str>) -> Result<ServerName> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!(
            "no terminal is there to ask at: say --server-name {}, the name behind the colon of your users' ids",
            likely.unwrap_or("org-a.example")
        );
    }
    let offer = likely.map_or(String::new(), |name| format!(" [{name}]"));
    let mut out = std::io::stdout();
    write!(
        out,
        "What is the server name of your homeserver, the part behind the colon of your users' ids?{offer} "
    )
    .and_then(|()| out.flush())
    .context("the terminal takes no question")?;
    let mut answer = String::new();
    stdin
        .read_line(&mut answer)
        .context("the terminal gives no answer")?;
    let answer = match answer.trim() {
        "" => likely.context("no server name was said")?,
        answer => answer,
    };
    answer
        .parse()
        .with_context(|| format!("{answer} is no server name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_server_says_of_itself_is_short_and_plain() {
        let answer = |name: &str| {
            json!({"server": {"name": name, "version": "1\u{1b}[31m.2"}})
                .as_object()
                .cloned()
                .unwrap()
        };
        assert_eq!(
            name_and_version(&answer("Synapse")).as_deref(),
            Some("Synapse 1[31m.2")
        );
        assert_eq!(
            name_and_version(&answer(&"x".repeat(500))).unwrap().len(),
            SOFTWARE_LETTERS_MAX
        );
        assert_eq!(name_and_version(&Map::new()), None);
    }
}
