//! The registration file of an application service (Matrix application service API, "Registration"): what one of our
//! homeservers and Hanse know of each other. Both read the same file; Hanse writes it once.
//!
//! The key `org.hanse.homeserver` is ours and says where the homeserver is, so that one file says everything. Synapse 1.163.2
//! loads a file with such a key and says nothing about it: it reads the keys that it knows by name.
//!
//! `io.element.msc4502.scopes` is how Synapse 1.163.2 calls the right to ask who is in a room (MSC4502); without the scope the
//! question is answered with 403.

use hanse_matrixrtc::{ServerName, UserId};
use hanse_runtime::Secret;
use serde::Deserialize;

/// Bytes of a registration file. A longer one is refused.
pub const REGISTRATION_BYTES_MAX: usize = 64 * 1024;

/// The right to ask about anybody in any room (MSC4502).
const IS_JOINED_SCOPE: &str = "urn:matrix:client:io.element.msc4502:rooms:is_joined";

/// Below which part of a path a homeserver passes requests on to us (MSC4512), as MSC4195 wants it.
const PROXY_PREFIX: &str = "rtc/livekit";

/// The bridge user's name, and the beginning of all names that are reserved for it.
const SENDER: &str = "hanse";

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// One homeserver and what we and it know of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The name under which the homeserver knows us.
    pub id: String,
    /// Where the homeserver reaches us.
    pub hanse_url: String,
    /// Proves to the homeserver that it is us.
    pub as_token: Secret<String>,
    /// Proves to us that it is the homeserver.
    pub hs_token: Secret<String>,
    /// The user that is invited to rooms: `@hanse:…`. It has no device.
    pub bridge_user: UserId,
    /// Where we reach the homeserver's client-server API; no slash at its end.
    pub client_api_url: String,
    /// Where the homeserver passes requests for tokens on to (MSC4512, MSC4195); `None`: it does not.
    pub proxy_url: Option<String>,
}

/// Why a file is no registration for us. The sentences name keys, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Not YAML, or a key is missing or of the wrong kind.
    #[error("it is no registration file: {0}")]
    Form(String),
    /// See [`REGISTRATION_BYTES_MAX`].
    #[error("it is longer than {REGISTRATION_BYTES_MAX} bytes")]
    TooLong,
    /// A token that anybody could guess, or both alike.
    #[error("as_token and hs_token are two different random texts of at least 16 letters")]
    Token,
    /// The server name, or the name of the sender.
    #[error("sender_localpart and server_name in org.hanse.homeserver make no user id: {0}")]
    Sender(String),
    /// No URL that can be asked.
    #[error("{0} is a URL that begins with http:// or https:// and has no user and no query")]
    Url(&'static str),
    /// One of the two keys that belong together, or another path than MSC4195's.
    #[error(
        "io.element.msc4512.proxy_prefix is {PROXY_PREFIX} and io.element.msc4512.proxy_url is the URL of Hanse, or both are \
         left out"
    )]
    Proxy,
    /// A namespace that takes in others than the bridge user.
    #[error(
        "namespaces may reserve names that begin with @ and sender_localpart, and nothing else: with more, the homeserver \
         sends Hanse what is said in rooms that have not invited it"
    )]
    Namespace,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// The file, as far as it matters to us.
#[derive(Deserialize)]
struct File {
    id: String,
    url: String,
    as_token: String,
    hs_token: String,
    sender_localpart: String,
    #[serde(default)]
    namespaces: Namespaces,
    #[serde(rename = "org.hanse.homeserver")]
    homeserver: Homeserver,
    #[serde(rename = "io.element.msc4512.proxy_prefix")]
    proxy_prefix: Option<String>,
    #[serde(rename = "io.element.msc4512.proxy_url")]
    proxy_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Namespaces {
    users: Vec<Namespace>,
    aliases: Vec<Namespace>,
    rooms: Vec<Namespace>,
}

#[derive(Deserialize)]
struct Namespace {
    regex: String,
}

#[derive(Deserialize)]
struct Homeserver {
    server_name: String,
    client_api_url: String,
}

impl Registration {
    /// A new registration with fresh tokens.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Url`], [`RegistrationError::Random`]
    pub fn generate(
        server_name: &ServerName,
        client_api_url: &str,
        hanse_url: &str,
    ) -> Result<Self, RegistrationError> {
        let file = File {
            id: SENDER.to_owned(),
            url: hanse_url.to_owned(),
            as_token: token()?,
            hs_token: token()?,
            sender_localpart: SENDER.to_owned(),
            namespaces: Namespaces::default(),
            homeserver: Homeserver {
                server_name: server_name.to_string(),
                client_api_url: client_api_url.to_owned(),
            },
            proxy_prefix: None,
            proxy_url: None,
        };
        check(file)
    }

    /// The same with requests for tokens passed on to us: the signed form of MSC4195.
    #[must_use]
    pub fn signed(mut self) -> Self {
        self.proxy_url = Some(self.hanse_url.clone());
        self
    }

    /// Reads the file's text. Keys that mean nothing to us are passed over.
    ///
    /// # Errors
    ///
    /// See [`RegistrationError`].
    pub fn read(yaml: &str) -> Result<Self, RegistrationError> {
        if yaml.len() > REGISTRATION_BYTES_MAX {
            return Err(RegistrationError::TooLong);
        }
        // Without a snippet: it would show the tokens around the place.
        let file = serde_saphyr::from_str::<File>(yaml).map_err(|error| {
            RegistrationError::Form(
                error
                    .without_snippet()
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            )
        })?;
        check(file)
    }

    /// The file's text.
    pub fn to_yaml(&self) -> String {
        let server_name = self.server_name();
        let sender = localpart(&self.bridge_user);
        let regex = format!("^@{sender}(_.*)?:{}$", escaped(server_name.as_str()));
        let signed = self.proxy_url.as_ref().map(|url| {
            format!(
                "# Has the homeserver pass requests for tokens on to Hanse (MSC4512, MSC4195).\n\
                 io.element.msc4512.proxy_prefix: {PROXY_PREFIX}\n\
                 io.element.msc4512.proxy_url: {}\n",
                quoted(url)
            )
        });
        format!(
            "# What the homeserver {server_name} and Hanse know of each other. Both read this file, nobody else may: whoever has\n\
             # as_token acts as Hanse, whoever has hs_token tells Hanse what happens in rooms.\n\
             id: {id}\n\
             url: {url}\n\
             as_token: {as_token}\n\
             hs_token: {hs_token}\n\
             sender_localpart: {sender}\n\
             rate_limited: false\n\
             receive_ephemeral: false\n\
             # Only names of Hanse's own. Rooms are told of when they invite @{sender}:{server_name}.\n\
             namespaces:\n\
             \x20 users:\n\
             \x20   - exclusive: true\n\
             \x20     regex: {regex}\n\
             \x20 aliases: []\n\
             \x20 rooms: []\n\
             # Lets Hanse ask who is in a room (MSC4502).\n\
             io.element.msc4502.scopes:\n\
             \x20 - {IS_JOINED_SCOPE}\n\
             {signed}\
             # For Hanse: whose file this is, and where Hanse reaches its client-server API.\n\
             org.hanse.homeserver:\n\
             \x20 server_name: {name}\n\
             \x20 client_api_url: {client_api_url}\n",
            id = quoted(&self.id),
            url = quoted(&self.hanse_url),
            as_token = self.as_token.expose(),
            hs_token = self.hs_token.expose(),
            signed = signed.unwrap_or_default(),
            regex = quoted(&regex),
            name = quoted(server_name.as_str()),
            client_api_url = quoted(&self.client_api_url),
        )
    }

    /// The homeserver's name.
    pub fn server_name(&self) -> &ServerName {
        self.bridge_user.server_name()
    }

    /// What goes into Synapse's `homeserver.yaml`: this registration at that path, and what calls need besides. Clients are
    /// told of the focus at `livekit_service_url`, and in the signed form of the SFU at `sfu_url`.
    pub fn homeserver_lines(&self, path: &str, livekit_service_url: &str, sfu_url: &str) -> String {
        let (feature, transport) = match self.proxy_url {
            Some(_) => (
                "\x20 msc4512_enabled: true         # passes requests for tokens on to Hanse\n",
                format!("\x20     url: {}\n", quoted(sfu_url)),
            ),
            None => ("", String::new()),
        };
        format!(
            "app_service_config_files:\n\
             \x20 - {path}\n\
             max_event_delay_duration: 24h   # leaves that the homeserver sends when a device is gone (MSC4140)\n\
             experimental_features:\n\
             \x20 msc3266_enabled: true         # what a room is, before joining it\n\
             \x20 msc4143_enabled: true         # tells clients where calls are\n\
             \x20 msc4222_enabled: true         # state that clients can rely on\n\
             \x20 msc4354_enabled: true         # sticky events: memberships of calls without power for state events\n\
             \x20 msc4502_enabled: true         # lets Hanse ask who is in a room\n\
             {feature}\
             matrix_rtc:\n\
             \x20 transports:\n\
             \x20   - type: livekit\n\
             \x20     livekit_service_url: {url}\n\
             {transport}\
             rc_message: {{per_second: 0.5, burst_count: 30}}            # keys of calls are messages\n\
             rc_delayed_event_mgmt: {{per_second: 1, burst_count: 20}}   # clients keep their leaves waiting\n\
             # One listener that other organisations reach needs the resource `federation` or `openid`.\n",
            path = quoted(path),
            url = quoted(livekit_service_url),
        )
    }
}

fn check(file: File) -> Result<Registration, RegistrationError> {
    let good = |token: &str| {
        token.len() >= 16 && token.len() <= 1024 && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !good(&file.as_token) || !good(&file.hs_token) || file.as_token == file.hs_token {
        return Err(RegistrationError::Token);
    }
    let server_name: ServerName = file
        .homeserver
        .server_name
        .parse()
        .map_err(|error| RegistrationError::Sender(format!("{error}")))?;
    let bridge_user: UserId = format!("@{}:{server_name}", file.sender_localpart)
        .parse()
        .map_err(|error| RegistrationError::Sender(format!("{error}")))?;
    let own = format!("@{}", file.sender_localpart);
    let reserved = |namespace: &Namespace| {
        let regex = namespace.regex.trim_start_matches('^');
        regex.strip_prefix(own.as_str()).is_some_and(|rest| {
            // `@hanse.*` takes in everybody whose name begins so; `@hanse(_.*)?:` and `@hanse_.*` do not.
            file.sender_localpart.len() >= 2 && rest.starts_with([':', '_', '(', '$'])
        })
    };
    let namespaces = &file.namespaces;
    if !namespaces.users.iter().all(reserved)
        || !namespaces.aliases.is_empty()
        || !namespaces.rooms.is_empty()
    {
        return Err(RegistrationError::Namespace);
    }
    let proxy_url = match (file.proxy_prefix.as_deref(), &file.proxy_url) {
        (None, None) => None,
        (Some(PROXY_PREFIX), Some(url)) => Some(base_url(url).ok_or(RegistrationError::Proxy)?),
        _ => return Err(RegistrationError::Proxy),
    };
    Ok(Registration {
        proxy_url,
        id: file.id,
        hanse_url: base_url(&file.url).ok_or(RegistrationError::Url("url"))?,
        as_token: Secret::new(file.as_token),
        hs_token: Secret::new(file.hs_token),
        bridge_user,
        client_api_url: base_url(&file.homeserver.client_api_url)
            .ok_or(RegistrationError::Url("client_api_url in org.hanse.homeserver"))?,
    })
}

/// A URL to which paths can be added, without a slash at its end.
pub(crate) fn base_url(url: &str) -> Option<String> {
    let url = url.trim_end_matches('/');
    let read: http::Uri = url.parse().ok()?;
    let authority = read.authority()?;
    let plain = matches!(read.scheme_str(), Some("http" | "https"));
    let usable = plain && !authority.as_str().contains('@') && read.query().is_none() && !url.contains('#');
    (usable && !authority.host().is_empty()).then(|| url.to_owned())
}

fn localpart(user: &UserId) -> &str {
    let whole = user.as_str();
    whole
        .strip_prefix('@')
        .and_then(|rest| rest.split_once(':'))
        .map_or(whole, |(localpart, _)| localpart)
}

/// A text as a regular expression for just that text. A server name has no other special letters.
fn escaped(server_name: &str) -> String {
    server_name
        .replace('.', "\\.")
        .replace('[', "\\[")
        .replace(']', "\\]")
}

/// As a YAML scalar in double quotes, which JSON texts are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn token() -> Result<String, RegistrationError> {
    let mut random = [0; TOKEN_BYTES];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| RegistrationError::Random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fresh() -> Registration {
        let name = "org-a.example:8448".parse().unwrap();
        Registration::generate(&name, "http://127.0.0.1:8008/", "http://127.0.0.1:7880").unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let registration = fresh();
        let text = registration.to_yaml();
        assert_eq!(Registration::read(&text), Ok(registration.clone()));
        assert_eq!(registration.bridge_user.as_str(), "@hanse:org-a.example:8448");
        assert_eq!(registration.client_api_url, "http://127.0.0.1:8008");
        assert!(
            text.contains(r#"regex: "^@hanse(_.*)?:org-a\\.example:8448$""#),
            "{text}"
        );
        assert!(
            text.contains("exclusive: true") && !text.contains("'.*'"),
            "{text}"
        );
    }

    #[test]
    fn tokens_are_256_bits_and_never_the_same() {
        let (one, other) = (fresh(), fresh());
        let tokens = [&one.as_token, &one.hs_token, &other.as_token, &other.hs_token].map(Secret::expose);
        for (place, token) in tokens.iter().enumerate() {
            assert_eq!(token.len(), 64);
            assert!(tokens.iter().skip(place + 1).all(|later| later != token));
        }
    }

    #[test]
    fn a_file_with_other_keys_and_another_way_of_writing_is_read() {
        let text = r#"
            {id: calls, url: "http://hanse.internal:7880/", as_token: aaaaaaaaaaaaaaaa, hs_token: bbbbbbbbbbbbbbbb,
             sender_localpart: hanse, protocols: [], namespaces: {users: [{exclusive: true, regex: '@hanse_.*'}]}, later: 1,
             org.hanse.homeserver: {server_name: org-a.example, client_api_url: "https://matrix.org-a.example", later: 1}}"#;
        let read = Registration::read(text).unwrap();
        assert_eq!(
            (read.id.as_str(), read.hanse_url.as_str()),
            ("calls", "http://hanse.internal:7880")
        );
    }

    #[test]
    fn a_registration_that_would_hear_everything_is_refused() {
        for regex in [
            "@.*",
            ".*",
            "@.*:org-a.example",
            "@hanse.*",
            "^@.*",
            "@alice:org-a.example",
            "@hanse|.*",
        ] {
            let text = fresh()
                .to_yaml()
                .replace("^@hanse(_.*)?:org-a\\\\.example:8448$", regex);
            assert_eq!(
                Registration::read(&text),
                Err(RegistrationError::Namespace),
                "{regex}"
            );
        }
        let text = fresh()
            .to_yaml()
            .replace("rooms: []", "rooms: [{exclusive: false, regex: '.*'}]");
        assert_eq!(Registration::read(&text), Err(RegistrationError::Namespace));
    }

    #[test]
    fn what_is_wrong_is_said_without_showing_a_token() {
        let good = fresh();
        let text = good.to_yaml();
        let without = |key: &str| {
            let kept: Vec<&str> = text
                .lines()
                .filter(|line| !line.trim().starts_with(key))
                .collect();
            kept.join("\n")
        };
        for (text, expected) in [
            (without("id:"), "id"),
            (without("hs_token:"), "hs_token"),
            (without("server_name:"), "server_name"),
            (
                text.replace("sender_localpart: hanse", "sender_localpart: [1]"),
                "",
            ),
            (
                text.replace("http://127.0.0.1:8008", "ftp://127.0.0.1"),
                "client_api_url",
            ),
            (
                text.replace("http://127.0.0.1:8008", "http://user:pw@127.0.0.1"),
                "client_api_url",
            ),
            (text.replace("\"http://127.0.0.1:7880\"", "null"), ""),
            (text.replace(good.as_token.expose(), "short"), "16 letters"),
            (
                text.replace(good.as_token.expose(), good.hs_token.expose()),
                "different",
            ),
            (
                text.replace("name: \"org-a.example:8448\"", "name: \"https://org-a\""),
                "server_name",
            ),
            ("[".repeat(60_000), ""),
            ("x".repeat(REGISTRATION_BYTES_MAX + 1), "longer"),
            (String::new(), ""),
        ] {
            let sentence = Registration::read(&text).unwrap_err().to_string();
            assert!(sentence.contains(expected), "{sentence}");
            assert!(!sentence.contains(good.as_token.expose()) && !sentence.contains(good.hs_token.expose()));
        }
    }

    #[test]
    fn the_lines_for_the_homeserver_are_yaml_and_name_the_file_and_the_focus() {
        let lines = |registration: &Registration| -> serde_json::Value {
            let lines = registration.homeserver_lines(
                "/etc/hanse/r.yaml",
                "https://hanse.org-a.example/livekit/jwt",
                "wss://hanse.org-a.example",
            );
            serde_saphyr::from_str(&lines).unwrap()
        };
        let read = lines(&fresh());
        assert_eq!(read["app_service_config_files"][0], "/etc/hanse/r.yaml");
        let transport = &read["matrix_rtc"]["transports"][0];
        assert_eq!(
            transport["livekit_service_url"],
            "https://hanse.org-a.example/livekit/jwt"
        );
        assert_eq!(read["experimental_features"]["msc4502_enabled"], true);
        assert_eq!(read["rc_message"]["burst_count"], 30);
        assert!(transport["url"].is_null() && read["experimental_features"]["msc4512_enabled"].is_null());
        let signed = lines(&fresh().signed());
        assert_eq!(
            signed["matrix_rtc"]["transports"][0]["url"],
            "wss://hanse.org-a.example"
        );
        assert_eq!(signed["experimental_features"]["msc4512_enabled"], true);
    }

    #[test]
    fn requests_for_tokens_are_passed_on_only_where_the_file_says_so() {
        assert!(!fresh().to_yaml().contains("msc4512"));
        let signed = fresh().signed();
        let text = signed.to_yaml();
        assert_eq!(Registration::read(&text), Ok(signed.clone()));
        assert_eq!(signed.proxy_url.as_deref(), Some("http://127.0.0.1:7880"));
        let without = |key: &str| {
            let kept: Vec<&str> = text.lines().filter(|line| !line.contains(key)).collect();
            kept.join("\n")
        };
        for wrong in [
            without("proxy_url"),
            without("proxy_prefix"),
            text.replace("proxy_prefix: rtc/livekit", "proxy_prefix: rtc"),
            text.replace("proxy_url: \"http", "proxy_url: \"ftp"),
        ] {
            assert_eq!(
                Registration::read(&wrong),
                Err(RegistrationError::Proxy),
                "{wrong}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_to_be_refused(text in "\\PC{0,200}") {
            let _ = Registration::read(&text);
        }
    }
}
