//! `[web]`: what the web client is told, and what it may reach.

use hanse_runtime::config::{ConfigError, Key, Section, Table, Values};
use http::Uri;

/// Any organisation.
const ANY: &str = "*";

/// `[web]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebConfig {
    /// Whether the page is served.
    pub page: bool,
    /// Where browsers reach our homeservers; empty: what can be told from the registrations.
    pub homeservers: Vec<OwnHomeserver>,
    /// What people's browsers may connect to besides us.
    pub organisations: Organisations,
}

/// A homeserver whose people may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnHomeserver {
    /// What user ids end in.
    pub name: String,
    /// Base of its client-server API for browsers; no slash at its end.
    pub url: String,
}

/// The organisations whose focuses and SFUs the page may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Organisations {
    /// Whoever is met in a call, as long as they have TLS.
    Any,
    /// Those with these addresses, `https://host[:port]` or, on this machine, `http://…`.
    These(Vec<String>),
}

impl Default for Organisations {
    fn default() -> Self {
        Organisations::These(Vec::new())
    }
}

impl Section for WebConfig {
    const TABLE: Table = Table {
        name: "web",
        about: "The web client: a page for people's browsers at / of this server, below the name of the focus. It is there if this \
                server has a focus.",
        keys: &[
            Key {
                name: "page",
                default: "true",
                about: "Whether the page is served.",
            },
            Key {
                name: "homeservers",
                default: "[]",
                about: "Where browsers reach the client-server API of your homeservers, as in \
                        [\"org-a.example=https://matrix.org-a.example\"]: their people may log in on the page. Empty: those of \
                        the registrations in [homeservers], where Hanse reaches them, or, if that is on this machine, under \
                        their names.",
            },
            Key {
                name: "organisations",
                default: "[]",
                about: "Addresses of other organisations' focuses and SFUs, as in [\"https://hanse.org-b.example\"]. The page \
                        connects to them, to your homeservers and to this server, and a browser refuses everything else; whoever \
                        publishes elsewhere is shown with that reason. [\"*\"]: every server with TLS.",
            },
        ],
        secrets: &[],
    };

    fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        let mut homeservers = Vec::new();
        for entry in values.read::<Vec<String>>("homeservers")? {
            let expected =
                "a server and a URL are expected, as in org-a.example=https://matrix.org-a.example";
            let read = entry
                .split_once('=')
                .map(|(name, url)| (name.trim(), url.trim().trim_end_matches('/')))
                .filter(|(name, url)| !name.is_empty() && origin(url).is_some());
            let (name, url) =
                read.ok_or_else(|| values.refuse("homeservers", &format!("{entry}: {expected}")))?;
            homeservers.push(OwnHomeserver {
                name: name.to_owned(),
                url: url.to_owned(),
            });
        }
        let written: Vec<String> = values.read("organisations")?;
        let organisations = if written.iter().any(|each| each == ANY) {
            Organisations::Any
        } else {
            let read = |entry: &String| {
                origin(entry).ok_or_else(|| {
                    let expected = "an address is expected, as in https://hanse.org-b.example";
                    values.refuse("organisations", &format!("{entry}: {expected}"))
                })
            };
            Organisations::These(written.iter().map(read).collect::<Result<_, _>>()?)
        };
        Ok(WebConfig {
            page: values.read("page")?,
            homeservers,
            organisations,
        })
    }
}

/// Scheme, host and port of a URL for HTTP, and nothing that could end a source in a policy.
pub fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| ["http", "https"].contains(scheme))?;
    let authority = uri.authority()?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
    let is_address = !authority.host().is_empty() && authority.as_str().chars().all(is_plain);
    (is_address && uri.query().is_none())
        .then(|| format!("{scheme}://{}", authority.as_str().to_ascii_lowercase()))
}

/// Whether it names this machine alone.
pub fn is_loopback(url: &str) -> bool {
    let host = url
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_owned));
    host.is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        address.map_or(host == "localhost" || host.ends_with(".localhost"), |address| {
            address.is_loopback()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_runtime::config::Document;

    static TABLE: Table = WebConfig::TABLE;

    fn read(text: &str) -> Result<WebConfig, String> {
        let document = Document::load(&[&TABLE], Some(("hanse.toml", text)), &|_| None)
            .map_err(|error| error.to_string())?;
        document.section().map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_taken_apart_and_kept_without_paths() {
        let text = "[web]\nhomeservers = [\"a.example = https://matrix.a.example/\"]\n\
                    organisations = [\"https://Hanse.B.example/livekit/jwt\", \"http://127.0.0.1:7880\"]\n";
        let config = read(text).unwrap();
        assert_eq!(config.homeservers[0].name, "a.example");
        assert_eq!(config.homeservers[0].url, "https://matrix.a.example");
        let expected = ["https://hanse.b.example", "http://127.0.0.1:7880"].map(str::to_owned);
        assert_eq!(config.organisations, Organisations::These(expected.to_vec()));
        assert!(config.page);
    }

    #[test]
    fn nothing_can_smuggle_a_further_rule_into_the_policy() {
        for hostile in [
            "https://b.example; script-src *",
            "https://b.example *",
            "https://user@b.example",
            "javascript:alert(1)",
            "b.example",
            "https://*.example",
            "https://b.example?x=;",
        ] {
            let text = format!("[web]\norganisations = [{}]\n", serde_json::json!(hostile));
            let refusal = read(&text).expect_err(hostile);
            assert!(refusal.contains("organisations"), "{refusal}");
        }
    }

    #[test]
    fn a_star_stands_for_everybody_and_never_by_default() {
        assert_eq!(read("").unwrap().organisations, Organisations::default());
        let any = read("[web]\norganisations = [\"*\"]\n").unwrap();
        assert_eq!(any.organisations, Organisations::Any);
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for here in [
            "http://127.0.0.1:8008",
            "http://[::1]:8008",
            "http://localhost:8008",
            "http://a.localhost",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "https://matrix.a.example",
            "http://10.0.0.5:8008",
            "https://localhost.example",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
