//! Finding the homeserver of a name, and saying what it is.
//!
//! In: its name, and where this machine keeps Synapse's configuration. Out: [`Found`], which says in sentences what it is. It
//! is looked for where its `.well-known` says, under its name, and on this machine; what answers there is asked what it is. An
//! administrator asks, so unlike the focus this may talk to any address.

use super::ask::Asker;
use super::local::LocalSynapse;
use crate::web::origin;
use hanse_bridge::ServerName;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Features in `unstable_features` of `/versions` that calls use, and what is missing without.
const FEATURES: [(&str, &str); 4] = [
    (
        "org.matrix.msc4140",
        "delayed events: nobody stays in a call as a ghost (MSC4140)",
    ),
    (
        "org.matrix.msc4143",
        "clients ask the homeserver where calls are (MSC4143)",
    ),
    ("org.matrix.msc4222", "state that clients can rely on (MSC4222)"),
    (
        "org.matrix.msc4354",
        "sticky events: memberships of calls (MSC4354)",
    ),
];

/// How people log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// At the homeserver itself.
    Classic,
    /// At a service beside it, as Matrix Authentication Service (MSC2965): its issuer.
    Service(String),
    /// It did not say.
    Unknown,
}

/// Where the homeserver's client-server API was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The administrator has said it.
    Said,
    /// On this machine.
    Here,
    /// Where the well-known for clients says.
    WellKnown,
    /// Under the server name itself.
    Name,
    /// Nowhere: it is taken to be where Synapse usually is.
    Nowhere,
}

/// What was found of a homeserver.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its client-server API, as Hanse will ask it; no slash at its end.
    pub client_api_url: String,
    /// How that is known.
    pub place: Place,
    /// Name and version of what answers there; `None`: nothing answers.
    pub software: Option<String>,
    /// See [`Login`].
    pub login: Login,
    /// `unstable_features`, as far as they are on.
    pub features: Vec<String>,
    /// Whether clients can ask it where calls are (MSC4143).
    pub tells_transports: bool,
    /// `/.well-known/matrix/client`, as it is served.
    pub well_known_client: Option<Map<String, Value>>,
    /// The name to which `/.well-known/matrix/server` delegates.
    pub delegated_to: Option<String>,
    /// Why other organisations do not reach it, as far as that can be seen from here.
    pub not_federating: Option<String>,
    /// Addresses of it, as others find it, that are not public: Hanse asks there only where it is told that it may.
    pub not_public: Vec<IpAddr>,
    /// Its configuration, when it is a Synapse of this machine.
    pub local: Option<LocalSynapse>,
}

impl Found {
    /// Where browsers reach its client-server API, as `/.well-known/matrix/client` says; no slash at its end. `None`: it says nothing
    /// of which the page could make use.
    pub fn url_for_browsers(&self) -> Option<&str> {
        let said = self.well_known_client.as_ref()?.get("m.homeserver")?;
        let url = said.get("base_url")?.as_str()?.trim_end_matches('/');
        origin(url).is_some().then_some(url)
    }

    /// A homeserver of which nothing is known but where it is.
    pub fn unseen(client_api_url: &str, place: Place) -> Self {
        Found {
            client_api_url: client_api_url.trim_end_matches('/').to_owned(),
            place,
            software: None,
            login: Login::Unknown,
            features: Vec::new(),
            tells_transports: false,
            well_known_client: None,
            delegated_to: None,
            not_federating: None,
            not_public: Vec::new(),
            local: None,
        }
    }

    /// URLs of focuses that its well-known and its configuration announce already.
    pub fn announced(&self) -> Vec<String> {
        let well_known = self
            .well_known_client
            .as_ref()
            .and_then(|known| known.get(super::well_known::KEY));
        let listed = well_known.and_then(Value::as_array).into_iter().flatten();
        let listed = listed.filter_map(|focus| focus.get("livekit_service_url")?.as_str());
        let configured = self.local.iter().flat_map(|local| local.config.announced());
        let mut urls: Vec<String> = configured.chain(listed).map(str::to_owned).collect();
        urls.dedup();
        urls
    }

    /// What was found, a sentence each.
    pub fn sentences(&self, server_name: &ServerName, service_url: &str) -> Vec<String> {
        let mut said = vec![self.where_it_is(server_name)];
        if let Some(name) = &self.delegated_to {
            said.push(format!(
                "Other organisations are sent to {name} by its well-known."
            ));
        }
        match &self.not_federating {
            None => {}
            Some(why) => said.push(format!(
                "From here other organisations do not reach it: {why}. Calls with them need that."
            )),
        }
        if !self.not_public.is_empty() {
            let addresses: Vec<String> = self.not_public.iter().map(ToString::to_string).collect();
            said.push(format!(
                "From here its name leads to an address that is not public ({}). hanse.toml allows Hanse to ask there; any port \
                 there, so if that is too much, have the name lead to a public address.",
                addresses.join(", ")
            ));
        }
        if self.software.is_some() {
            said.push(match &self.login {
                Login::Classic => "People log in at the homeserver itself.".to_owned(),
                Login::Service(issuer) => {
                    format!("People log in at a service beside it (Matrix Authentication Service): {issuer}.")
                }
                Login::Unknown => "It does not say how people log in.".to_owned(),
            });
            let (on, off): (Vec<_>, Vec<_>) = FEATURES
                .iter()
                .partition(|(name, _)| self.features.iter().any(|feature| feature == name));
            if !on.is_empty() {
                said.push(format!("It has what calls use: {}.", abouts(&on)));
            }
            if !off.is_empty() {
                said.push(format!(
                    "It does not say that it has: {}. The lines for homeserver.yaml turn on what its version knows.",
                    abouts(&off)
                ));
            }
            said.push(if self.tells_transports {
                "Clients can ask it where calls are (rtc/transports).".to_owned()
            } else {
                "Clients cannot ask it where calls are yet (rtc/transports).".to_owned()
            });
        }
        if let Some(local) = &self.local {
            said.extend(local.sentences());
        }
        for url in self.announced() {
            said.push(if url.trim_end_matches('/') == service_url {
                format!("It announces {url} already, which is this Hanse.")
            } else {
                format!(
                    "It announces another focus for calls already: {url}. Hanse is put before it, and new calls use the first."
                )
            });
        }
        said
    }

    fn where_it_is(&self, server_name: &ServerName) -> String {
        let url = &self.client_api_url;
        match (&self.software, self.place) {
            (Some(software), place) => format!(
                "{software} serves {server_name}. Hanse reaches it at {url} ({}).",
                match place {
                    Place::Said => "as you said",
                    Place::Here | Place::Nowhere => "on this machine",
                    Place::WellKnown => "as its well-known for clients says",
                    Place::Name => "under its own name",
                }
            ),
            (None, Place::Nowhere) => format!(
                "No homeserver was found for {server_name}: neither by its well-known, nor at https://{server_name}, nor one that \
                 says that this is its name on this machine. Hanse will look for it at {url}; say --homeserver-url if it is elsewhere."
            ),
            (None, _) => format!(
                "The homeserver of {server_name} does not answer at {url} right now. What it is could not be seen; run this once \
                 more when it does."
            ),
        }
    }
}

fn abouts(features: &[&(&str, &str)]) -> String {
    let abouts: Vec<&str> = features.iter().map(|(_, about)| *about).collect();
    abouts.join("; ")
}

/// Looks for the homeserver. `said`: its client-server API, if the administrator has said it; `local`: the Synapse of this
/// machine, if it is the one of that name.
pub async fn find(
    asker: &Asker,
    server_name: &ServerName,
    said: Option<&str>,
    local: Option<LocalSynapse>,
) -> Found {
    let host = host_of(server_name);
    let (well_known_client, well_known_server, federation) = tokio::join!(
        asker.object(format!("https://{host}/.well-known/matrix/client")),
        asker.object(format!("https://{host}/.well-known/matrix/server")),
        asker.federation_version(server_name),
    );
    let mut found = match said {
        Some(url) => Found::unseen(url, Place::Said),
        None => {
            look_around(
                asker,
                server_name,
                &host,
                well_known_client.as_ref(),
                local.as_ref(),
            )
            .await
        }
    };
    found.delegated_to = well_known_server
        .and_then(|known| Some(known.get("m.server")?.as_str()?.to_owned()))
        .filter(|name| name != server_name.as_str());
    found.well_known_client = well_known_client;
    found.local = local;
    // What answers there does not say that it is the one that is looked for, and would be given a token.
    if found.place != Place::Nowhere {
        describe(asker, &mut found).await;
    }
    let destination = found.delegated_to.as_deref().and_then(|name| name.parse().ok());
    let leads_to = destination.as_ref().map_or(host, host_of);
    found.not_public = asker.refused_addresses(server_name, &leads_to).await;
    match federation {
        Ok(software) => found.software = found.software.map(|from_here| software.unwrap_or(from_here)),
        Err(why) => found.not_federating = Some(why),
    }
    found
}

/// The first place at which a homeserver answers; one that is on this machine and says that it has this name goes first: the
/// way to it is the shortest.
async fn look_around(
    asker: &Asker,
    server_name: &ServerName,
    host: &str,
    well_known: Option<&Map<String, Value>>,
    local: Option<&LocalSynapse>,
) -> Found {
    let here = local
        .and_then(|local| local.config.client_listener())
        .unwrap_or_else(|| super::USUAL_HOMESERVER_URL.to_owned());
    let is_here = local.is_some() || asker.is_named(&here, server_name).await;
    let base_url = well_known
        .and_then(|known| known.get("m.homeserver")?.get("base_url")?.as_str())
        .filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let by_name = format!("https://{host}");
    let mut places = Vec::new();
    if is_here {
        places.push((here.as_str(), Place::Here));
    }
    places.extend(base_url.map(|url| (url.trim_end_matches('/'), Place::WellKnown)));
    places.push((&by_name, Place::Name));
    for (url, place) in &places {
        if asker
            .object(format!("{url}/_matrix/client/versions"))
            .await
            .is_some()
        {
            return Found::unseen(url, *place);
        }
    }
    match places.first() {
        // Said by its own files, or by its well-known: it only sleeps.
        Some((url, place)) if *place != Place::Name => Found::unseen(url, *place),
        _ => Found::unseen(&here, Place::Nowhere),
    }
}

/// Asks what answers there what it is.
async fn describe(asker: &Asker, found: &mut Found) {
    let url = &found.client_api_url;
    let (versions, software, stable, unstable, login, transports) = tokio::join!(
        asker.object(format!("{url}/_matrix/client/versions")),
        asker.software(url),
        asker.object(format!("{url}/_matrix/client/v1/auth_metadata")),
        asker.object(format!(
            "{url}/_matrix/client/unstable/org.matrix.msc2965/auth_metadata"
        )),
        asker.object(format!("{url}/_matrix/client/v3/login")),
        asker.status(format!(
            "{url}/_matrix/client/unstable/org.matrix.msc4143/rtc/transports"
        )),
    );
    let Some(versions) = versions else { return };
    found.software = Some(software.unwrap_or_else(|| "A homeserver that does not say what it is".to_owned()));
    let features = versions.get("unstable_features").and_then(Value::as_object);
    let on = features
        .into_iter()
        .flatten()
        .filter(|(_, on)| on.as_bool() == Some(true));
    found.features = on.map(|(name, _)| name.clone()).collect();
    let issuer = |metadata: Option<Map<String, Value>>| Some(metadata?.get("issuer")?.as_str()?.to_owned());
    found.login = match (issuer(stable).or_else(|| issuer(unstable)), login) {
        (Some(issuer), _) => Login::Service(issuer),
        (None, Some(flows)) if flows.contains_key("flows") => Login::Classic,
        _ => Login::Unknown,
    };
    // Whoever is not logged in is told so, where there is something to tell.
    found.tells_transports = matches!(transports, Some(200 | 401 | 403));
}

/// The name without a port: where well-knowns are.
pub fn host_of(server_name: &ServerName) -> String {
    let name = server_name.as_str();
    match server_name.port() {
        Some(_) => name.rsplit_once(':').map_or(name, |(host, _)| host).to_owned(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SERVICE: &str = "https://hanse.org-a.example/livekit/jwt";

    fn said(found: &Found) -> String {
        found
            .sentences(&"org-a.example".parse().unwrap(), SERVICE)
            .join("\n")
    }

    #[test]
    fn what_was_found_is_said_in_sentences() {
        let seen = Found {
            software: Some("Synapse 1.163.2".to_owned()),
            login: Login::Service("https://account.org-a.example/".to_owned()),
            features: vec!["org.matrix.msc4140".to_owned()],
            delegated_to: Some("matrix.org-a.example:443".to_owned()),
            tells_transports: true,
            ..Found::unseen("http://127.0.0.1:8008", Place::Here)
        };
        let said = said(&seen);
        for part in [
            "Synapse 1.163.2 serves org-a.example. Hanse reaches it at http://127.0.0.1:8008 (on this machine).",
            "sent to matrix.org-a.example:443",
            "Matrix Authentication Service): https://account.org-a.example/.",
            "It has what calls use: delayed events",
            "It does not say that it has: clients ask the homeserver",
            "Clients can ask it where calls are",
        ] {
            assert!(said.contains(part), "{part} is missing in: {said}");
        }
    }

    #[test]
    fn a_homeserver_that_sleeps_and_one_that_is_nowhere_are_told_apart() {
        let sleeps = said(&Found::unseen("https://matrix.org-a.example", Place::Said));
        assert!(
            sleeps.contains("does not answer at https://matrix.org-a.example"),
            "{sleeps}"
        );
        let nowhere = said(&Found::unseen("http://127.0.0.1:8008", Place::Nowhere));
        assert!(
            nowhere.contains("No homeserver was found for org-a.example"),
            "{nowhere}"
        );
        assert!(!nowhere.contains("log in") && !sleeps.contains("log in"));
    }

    #[test]
    fn a_focus_that_is_announced_already_is_named_and_our_own_is_recognised() {
        let announcing = |url: &str| Found {
            well_known_client:
                json!({"org.matrix.msc4143.rtc_foci": [{"type": "livekit", "livekit_service_url": url}]})
                    .as_object()
                    .cloned(),
            ..Found::unseen("http://127.0.0.1:8008", Place::Here)
        };
        assert!(
            said(&announcing("https://old.example"))
                .contains("another focus for calls already: https://old.example")
        );
        assert!(said(&announcing(SERVICE)).contains("which is this Hanse"));
    }
}
