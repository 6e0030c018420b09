//! `webhook_urls`, `webhook_key` and `webhook_folder` in `[sfu]`.

use hanse_runtime::Secret;
use hanse_runtime::config::{ConfigError, Values};
use hanse_sfu_signal::ApiKeys;
use reqwest::Url;
use std::path::PathBuf;

/// Destinations that may be named. Each has a queue of its own.
const URLS_MAX: usize = 16;

/// Who is told what happens, and whose signature is on it.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Where to. Empty: nobody is told.
    pub urls: Vec<Url>,
    /// Name of the API key.
    pub key_name: String,
    /// Its secret.
    pub secret: Secret<String>,
    /// Where what has not arrived survives the process; `None`: only in memory.
    pub folder: Option<PathBuf>,
}

impl WebhookConfig {
    /// Reads all three keys.
    pub(crate) fn resolve(values: &Values<'_>, keys: &ApiKeys) -> Result<Self, ConfigError> {
        let texts: Vec<String> = values.read("webhook_urls")?;
        if texts.len() > URLS_MAX {
            return Err(values.refuse("webhook_urls", &format!("at most {URLS_MAX}")));
        }
        let mut urls = Vec::with_capacity(texts.len());
        for text in &texts {
            let url = url(text).map_err(|reason| values.refuse("webhook_urls", &reason))?;
            if urls.contains(&url) {
                return Err(values.refuse("webhook_urls", &format!("{text} is listed twice")));
            }
            urls.push(url);
        }
        let name: String = values.read("webhook_key")?;
        let (key_name, secret) = match name.as_str() {
            "" => keys.signing(),
            name => {
                let secret = keys.secret(name).ok_or_else(|| {
                    values.refuse("webhook_key", &format!("no API key has the name \"{name}\""))
                })?;
                (name, secret)
            }
        };
        let folder: String = values.read("webhook_folder")?;
        Ok(WebhookConfig {
            folder: (!folder.is_empty()).then(|| folder.into()),
            urls,
            key_name: key_name.to_owned(),
            secret: Secret::new(secret.to_owned()),
        })
    }
}

fn url(text: &str) -> Result<Url, String> {
    let expected = "a URL is expected, as in https://hanse.org-a.example/livekit/jwt/sfu_webhook";
    let url = Url::parse(text).map_err(|_| format!("{text}: {expected}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("{text}: {expected}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "a URL with a password in it; webhooks are signed, the receiver needs nothing else to know them"
                .to_owned(),
        );
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use crate::SfuConfig;
    use hanse_runtime::config::{Document, Section, Table};

    static TABLE: Table = SfuConfig::TABLE;

    fn resolve(text: &str) -> Result<SfuConfig, String> {
        let text = format!("[sfu]\n{text}\n");
        let keys = |name: &str| (name == "LIVEKIT_KEYS").then(|| "one: first\ntwo: second".to_owned());
        Document::load(&[&TABLE], Some(("hanse.toml", &text)), &keys)
            .and_then(|document| document.section())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn webhooks_go_nowhere_unless_a_url_is_named_and_the_first_key_signs_unless_another_is_named() {
        let webhooks = resolve("").unwrap().webhooks;
        assert!(webhooks.urls.is_empty());
        assert_eq!(
            (webhooks.key_name.as_str(), webhooks.secret.expose().as_str()),
            ("one", "first")
        );
        let text = "webhook_urls = [\"http://10.0.0.5:8080/sfu_webhook\"]\nwebhook_key = \"two\"";
        let webhooks = resolve(text).unwrap().webhooks;
        assert_eq!(webhooks.urls.len(), 1);
        assert_eq!(
            (webhooks.key_name.as_str(), webhooks.secret.expose().as_str()),
            ("two", "second")
        );
    }

    #[test]
    fn what_cannot_be_reached_or_signed_is_refused_with_a_sentence() {
        for (text, reason) in [
            (
                "webhook_urls = [\"jwt.org-a.example\"]",
                "jwt.org-a.example: a URL is expected",
            ),
            (
                "webhook_urls = [\"wss://org-a.example\"]",
                "wss://org-a.example: a URL is expected",
            ),
            (
                "webhook_urls = [\"http://a/\", \"http://a\"]",
                "http://a is listed twice",
            ),
            ("webhook_key = \"three\"", "no API key has the name \"three\""),
        ] {
            let error = resolve(text).err().unwrap();
            assert!(error.contains(reason), "{error}");
        }
        let error = resolve("webhook_urls = [\"https://me:hunter2@org-a.example\"]")
            .err()
            .unwrap();
        assert!(
            error.contains("password") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
