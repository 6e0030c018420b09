//! The registration file of an application service (Matrix application service API, "Registration"): what one of our
//! homeservers and Hanse know of each other. Both read the same file; Hanse writes it once.
//!
//! The key `org.hanse.homeserver` is ours and says where the homeserver is, so that one file says everything. Synapse 1.163.2
//! loads a file with such a key and says nothing about it: it reads the keys that it knows by name.
//!
//! `org.hanse.previous` is ours, too: the tokens before the present ones. The homeserver reads the file only when it starts, so
//! for a while it speaks with the old ones. [`rotate`] and [`settle`] change the text of a file that somebody may have edited,
//! and nothing else in it.
//!
//! Beside Hanse's own names a registration may reserve those of guests ([`GUEST_PREFIX`]): without that the homeserver lets
//! Hanse make no users for people without an account.
//!
//! `io.element.msc4502.scopes` is how Synapse 1.163.2 calls the right to ask who is in a room (MSC4502); without the scope the
//! question is answered with 403.

use hanse_matrixrtc::{GUEST_PREFIX, ServerName, UserId};
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
    /// What the homeserver may still know in their place; `None`: nothing.
    pub previous: Option<PreviousTokens>,
    /// The user that is invited to rooms: `@hanse:…`. It has no device.
    pub bridge_user: UserId,
    /// Where we reach the homeserver's client-server API; no slash at its end.
    pub client_api_url: String,
    /// Where the homeserver passes requests for tokens on to (MSC4512, MSC4195); `None`: it does not.
    pub proxy_url: Option<String>,
    /// Whether the names of guests are reserved, so that Hanse may make users for them.
    pub guests: bool,
}

/// Tokens that are good until the homeserver has read the new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousTokens {
    /// As [`Registration::as_token`].
    pub as_token: Secret<String>,
    /// As [`Registration::hs_token`].
    pub hs_token: Secret<String>,
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
    /// A token that anybody could guess, or two alike.
    #[error(
        "as_token and hs_token, and those in org.hanse.previous, are different random texts of at least 16 letters"
    )]
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
        "namespaces may reserve names that begin with @ and sender_localpart, and those of guests (@{GUEST_PREFIX}), and nothing \
         else: with more, the homeserver sends Hanse what is said in rooms that have not invited it"
    )]
    Namespace,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// [`rotate`] of a file that has been rotated and not been settled.
    #[error("its tokens are being changed already: end that first, with `hanse rotate --finish`")]
    IsRotating,
    /// The text is written in a way in which tokens cannot be put into their places.
    #[error(
        "it is not written as `hanse setup` writes it, so the tokens cannot be changed in it: take it away, run `hanse setup`, \
         and restart the homeserver and Hanse"
    )]
    Unchangeable,
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
    #[serde(rename = "org.hanse.previous")]
    previous: Option<Previous>,
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

#[derive(Deserialize)]
struct Previous {
    as_token: String,
    hs_token: String,
}

/// The text of a registration file with fresh tokens, and the present ones as those before. Everything else stays, letter by
/// letter.
///
/// # Errors
///
/// As [`Registration::read`], and [`RegistrationError::IsRotating`], [`RegistrationError::Unchangeable`],
/// [`RegistrationError::Random`].
pub fn rotate(yaml: &str) -> Result<String, RegistrationError> {
    let old = Registration::read(yaml)?;
    if old.previous.is_some() {
        return Err(RegistrationError::IsRotating);
    }
    let new = Registration {
        as_token: Secret::new(token()?),
        hs_token: Secret::new(token()?),
        previous: Some(PreviousTokens {
            as_token: old.as_token.clone(),
            hs_token: old.hs_token.clone(),
        }),
        ..old.clone()
    };
    let mut text = yaml
        .replace(old.as_token.expose(), new.as_token.expose())
        .replace(old.hs_token.expose(), new.hs_token.expose());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&new.previous_lines());
    expect(text, &new)
}

/// The text of a registration file without the tokens before the present ones. Without any, it is the same text.
///
/// # Errors
///
/// As [`Registration::read`], and [`RegistrationError::Unchangeable`].
pub fn settle(yaml: &str) -> Result<String, RegistrationError> {
    let old = Registration::read(yaml)?;
    let text = match old.previous_lines() {
        lines if lines.is_empty() => yaml.to_owned(),
        lines => yaml.replace(&lines, ""),
    };
    let new = Registration {
        previous: None,
        ..old
    };
    expect(text, &new)
}

/// The text, if it says that.
fn expect(text: String, wanted: &Registration) -> Result<String, RegistrationError> {
    if Registration::read(&text).as_ref() == Ok(wanted) {
        Ok(text)
    } else {
        Err(RegistrationError::Unchangeable)
    }
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
            previous: None,
            proxy_prefix: None,
            proxy_url: None,
        };
        Ok(check(file)?.with_guests())
    }

    /// The same with the names of guests reserved.
    #[must_use]
    pub fn with_guests(mut self) -> Self {
        self.guests = true;
        self
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
        let guests = format!("^@{GUEST_PREFIX}.*:{}$", escaped(server_name.as_str()));
        let guests = self.guests.then(|| {
            format!(
                "\x20   # People without an account, for one meeting each (docs/guests.md); none is made while [guests] allows none.\n\
                 \x20   - exclusive: true\n\
                 \x20     regex: {}\n",
                quoted(&guests)
            )
        });
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
             {guests}\
             \x20 aliases: []\n\
             \x20 rooms: []\n\
             # Lets Hanse ask who is in a room (MSC4502).\n\
             io.element.msc4502.scopes:\n\
             \x20 - {IS_JOINED_SCOPE}\n\
             {signed}\
             # For Hanse: whose file this is, and where Hanse reaches its client-server API.\n\
             org.hanse.homeserver:\n\
             \x20 server_name: {name}\n\
             \x20 client_api_url: {client_api_url}\n\
             {previous}",
            id = quoted(&self.id),
            url = quoted(&self.hanse_url),
            as_token = self.as_token.expose(),
            hs_token = self.hs_token.expose(),
            signed = signed.unwrap_or_default(),
            guests = guests.unwrap_or_default(),
            regex = quoted(&regex),
            name = quoted(server_name.as_str()),
            client_api_url = quoted(&self.client_api_url),
            previous = self.previous_lines(),
        )
    }

    /// What the file says of the tokens before.
    fn previous_lines(&self) -> String {
        self.previous.as_ref().map_or_else(String::new, |previous| {
            format!(
                "# Until the homeserver has been restarted: what it knew before. `hanse rotate --finish` takes it out.\n\
                 org.hanse.previous:\n\
                 \x20 as_token: {}\n\
                 \x20 hs_token: {}\n",
                previous.as_token.expose(),
                previous.hs_token.expose()
            )
        })
    }

    /// The tokens by which the homeserver may prove itself to us, the present one first.
    pub fn hs_tokens(&self) -> impl Iterator<Item = &Secret<String>> {
        std::iter::once(&self.hs_token).chain(self.previous.iter().map(|previous| &previous.hs_token))
    }

    /// The tokens by which we may prove ourselves to the homeserver, the present one first.
    pub fn as_tokens(&self) -> impl Iterator<Item = &Secret<String>> {
        std::iter::once(&self.as_token).chain(self.previous.iter().map(|previous| &previous.as_token))
    }

    /// The homeserver's name.
    pub fn server_name(&self) -> &ServerName {
        self.bridge_user.server_name()
    }
}

fn check(file: File) -> Result<Registration, RegistrationError> {
    let good = |token: &str| {
        token.len() >= 16 && token.len() <= 1024 && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let before = file.previous.iter();
    let mut tokens: Vec<&str> = before
        .flat_map(|previous| [previous.as_token.as_str(), previous.hs_token.as_str()])
        .chain([file.as_token.as_str(), file.hs_token.as_str()])
        .collect();
    let all = tokens.len();
    tokens.sort_unstable();
    tokens.dedup();
    if tokens.len() < all || !tokens.into_iter().all(good) {
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
    let of_guests = |namespace: &Namespace| {
        let regex = namespace.regex.trim_start_matches('^');
        let rest = regex
            .strip_prefix('@')
            .and_then(|rest| rest.strip_prefix(GUEST_PREFIX));
        // An alternative could take in anybody.
        rest.is_some_and(|rest| !rest.contains('|'))
    };
    let reserved = |namespace: &Namespace| {
        let regex = namespace.regex.trim_start_matches('^');
        of_guests(namespace)
            || regex.strip_prefix(own.as_str()).is_some_and(|rest| {
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
        guests: namespaces.users.iter().any(of_guests),
        proxy_url,
        id: file.id,
        hanse_url: base_url(&file.url).ok_or(RegistrationError::Url("url"))?,
        as_token: Secret::new(file.as_token),
        hs_token: Secret::new(file.hs_token),
        previous: file.previous.map(|previous| PreviousTokens {
            as_token: Secret::new(previous.as_token),
            hs_token: Secret::new(previous.hs_token),
        }),
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
    fn the_names_of_guests_are_reserved_and_a_file_without_them_is_read_as_it_is() {
        let text = fresh().to_yaml();
        assert!(
            text.contains(r#"regex: "^@hanse-guest-.*:org-a\\.example:8448$""#),
            "{text}"
        );
        assert!(Registration::read(&text).unwrap().guests);
        let before: Vec<&str> = text.lines().filter(|line| !line.contains("guest")).collect();
        let before = before
            .join("\n")
            .replace("    - exclusive: true\n  aliases", "  aliases");
        let read = Registration::read(&before).unwrap();
        assert!(!read.guests && !read.to_yaml().contains("guest"), "{before}");
        assert_eq!(
            Registration::read(&read.clone().with_guests().to_yaml()),
            Ok(read.with_guests())
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
    fn rotating_changes_the_tokens_and_settling_forgets_the_old_ones_and_nothing_else() {
        let old = fresh();
        let mine = format!("{}# mine\nlater: [1, 2]\n", old.to_yaml());
        let rotated = rotate(&mine).unwrap();
        let new = Registration::read(&rotated).unwrap();
        let before = new.previous.clone().unwrap();
        assert_eq!(
            (&before.as_token, &before.hs_token),
            (&old.as_token, &old.hs_token)
        );
        assert!(
            old.as_tokens()
                .chain(old.hs_tokens())
                .all(|token| *token != new.as_token && *token != new.hs_token)
        );
        assert_eq!(rotate(&rotated), Err(RegistrationError::IsRotating));
        let settled = settle(&rotated).unwrap();
        let with_old_tokens = settled
            .replace(new.as_token.expose(), old.as_token.expose())
            .replace(new.hs_token.expose(), old.hs_token.expose());
        assert_eq!(with_old_tokens, mine);
        assert_eq!(settle(&settled), Ok(settled.clone()));
        assert_eq!(Registration::read(&new.to_yaml()), Ok(new));
    }

    #[test]
    fn a_file_in_which_tokens_cannot_be_put_into_their_places_is_left_alone() {
        let inline = r#"{id: calls, url: "http://hanse.internal:7880/", as_token: aaaaaaaaaaaaaaaa, hs_token: bbbbbbbbbbbbbbbb,
            sender_localpart: hanse, org.hanse.homeserver: {server_name: a.example, client_api_url: "https://a.example"}}"#;
        let as_name = {
            let registration = fresh();
            let text = registration.to_yaml();
            text.replace(
                "id: \"hanse\"",
                &format!("id: {}", registration.as_token.expose()),
            )
        };
        assert!(Registration::read(&as_name).is_ok());
        for text in [inline, as_name.as_str()] {
            assert_eq!(rotate(text), Err(RegistrationError::Unchangeable), "{text}");
        }
        let changed_since = rotate(&fresh().to_yaml())
            .unwrap()
            .replace("previous:\n", "previous: # mine\n");
        assert_eq!(settle(&changed_since), Err(RegistrationError::Unchangeable));
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
            "@hanse-guest-|.*",
            "@hanse-guest.*",
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
