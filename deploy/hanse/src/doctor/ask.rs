//! Questions by HTTP, and what came of them, as plain data that can be judged.

use super::sentence::Words;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::redirect::Policy;
use serde_json::Value;
use std::error::Error;
use std::time::Duration;
use tokio_rustls::rustls;

/// How long one answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Whose page asks, as some Element's does.
pub const ORIGIN: &str = "https://app.element.example";

/// Bytes of an answer that are read; the rest is not looked at.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// Of HTTP.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Matrix' code of an error; empty if there is none.
    pub fn errcode(&self) -> String {
        let json = self.json();
        json.get("errcode")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// What came back, for tests.
    #[cfg(test)]
    pub fn of(status: u16, text: &str) -> Self {
        Answer {
            status,
            headers: HeaderMap::new(),
            text: text.to_owned(),
        }
    }

    /// Whether browsers let pages of [`ORIGIN`] read it (CORS).
    pub fn is_readable(&self) -> bool {
        let mut origins = self.headers.get_all("access-control-allow-origin").iter();
        let is_theirs = origins.next().is_some_and(|who| who == "*" || who == ORIGIN);
        is_theirs && origins.next().is_none()
    }

    /// Matrix' sentence of an error; empty if there is none.
    pub fn error(&self) -> String {
        let json = self.json();
        json.get("error")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// One header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why nothing came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It took too long.
    TimedOut,
    /// Nobody listens there, or a firewall is between.
    NoConnection,
    /// A certificate that is not believed, or no TLS at all.
    Tls,
    /// It broke off, or is no HTTP.
    Broken,
}

impl NoAnswer {
    /// What that means, as part of a sentence.
    pub fn words(self) -> Words {
        let (en, de) = match self {
            NoAnswer::TimedOut => ("no answer within 5 s", "keine Antwort innerhalb von 5 s"),
            NoAnswer::NoConnection => ("no connection", "keine Verbindung"),
            NoAnswer::Tls => (
                "its certificate is not believed",
                "seinem Zertifikat wird nicht geglaubt",
            ),
            NoAnswer::Broken => (
                "the answer broke off or is no HTTP",
                "die Antwort brach ab oder ist kein HTTP",
            ),
        };
        Words {
            en: en.to_owned(),
            de: de.to_owned(),
        }
    }
}

/// What came back, or why nothing did.
pub type Asked = Result<Answer, NoAnswer>;

/// In words: a status with Matrix' code, or why there was no answer.
pub fn words(asked: &Asked) -> Words {
    match asked {
        Ok(answer) => format!("status {} {}", answer.status, answer.errcode())
            .trim_end()
            .into(),
        Err(none) => none.words(),
    }
}

/// Who asks.
pub struct Client {
    http: reqwest::Client,
}

/// One question.
pub struct Question<'a> {
    /// With which method.
    pub method: Method,
    /// Of whom.
    pub url: &'a str,
    /// What proves who asks.
    pub token: Option<&'a str>,
    /// What is sent.
    pub body: Option<Value>,
    /// Further headers.
    pub headers: &'a [(&'static str, &'a str)],
    /// How long the answer may take.
    pub patience: Duration,
}

impl<'a> Question<'a> {
    /// A question without anything but an address.
    pub fn new(method: Method, url: &'a str) -> Self {
        Question {
            method,
            url,
            token: None,
            body: None,
            headers: &[],
            patience: TIMEOUT,
        }
    }
}

impl Client {
    /// With these authorities. Redirects are answers like others: a token goes nowhere else.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new(tls: rustls::ClientConfig) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent("Hanse doctor")
            // A long address must reach the proxy as one header line, as a browser's would.
            .http1_only()
            .tls_backend_preconfigured(tls)
            .build()?;
        Ok(Client { http })
    }

    /// `GET`, without saying who asks.
    pub async fn get(&self, url: &str) -> Asked {
        self.ask(Question::new(Method::GET, url)).await
    }

    /// Asks.
    pub async fn ask(&self, question: Question<'_>) -> Asked {
        let mut request = self.http.request(question.method, question.url);
        request = request.timeout(question.patience);
        if let Some(token) = question.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in question.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                request = request.header(HeaderName::from_static(name), value);
            }
        }
        if let Some(body) = question.body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let mut response = request.send().await.map_err(|error| why(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut bytes = Vec::new();
        // What became another protocol has no body that ends.
        while status != 101 && bytes.len() < ANSWER_BYTES_MAX {
            match response.chunk().await.map_err(|error| why(&error))? {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => break,
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer {
            status,
            headers,
            text,
        })
    }
}

fn why(error: &reqwest::Error) -> NoAnswer {
    if error.is_timeout() {
        return NoAnswer::TimedOut;
    }
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        let io = inner.downcast_ref::<std::io::Error>();
        if inner.is::<rustls::Error>()
            || io
                .and_then(std::io::Error::get_ref)
                .is_some_and(|inner| inner.is::<rustls::Error>())
        {
            return NoAnswer::Tls;
        }
        cause = inner.source();
    }
    if error.is_connect() {
        NoAnswer::NoConnection
    } else {
        NoAnswer::Broken
    }
}

/// Part of a path, with everything escaped that is not plain.
pub fn part(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
