//! What the configuration means for people's data: plain values, without secrets, from which every sentence of the report is made.

use crate::operate::database_path;
use crate::settings::Settings;
use crate::web::{self, Organisations};
use hanse_focus::guests::GuestsConfig;
use hanse_focus::{Access, FullAccess, SfuPlace};
use hanse_sfu::CertificateSource;
use reqwest::Url;
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::config::PrivacyConfig;

/// Everything that the report depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the operator says of itself.
    pub said: PrivacyConfig,
    /// Plain HTTP.
    pub http: Listening,
    /// Reverse proxies whose word about addresses counts.
    pub proxies: Vec<String>,
    /// HTTPS in this process.
    pub tls: Option<Tls>,
    /// The media port, UDP.
    pub udp: Listening,
    /// The media port, TCP.
    pub tcp: Option<Listening>,
    /// Addresses that clients are told, if they are written down.
    pub offered: Vec<IpAddr>,
    /// Whether clients are told addresses of this machine's interfaces beside what STUN servers see.
    pub offers_local: bool,
    /// STUN servers that are asked, host and port.
    pub stun: Vec<(String, u16)>,
    /// TURN servers that clients are told.
    pub turn: Vec<String>,
    /// Seconds for which a credential of them is good.
    pub turn_lifetime_s: u64,
    /// Seconds for which a room stays that nobody came to.
    pub room_empty_s: u32,
    /// Seconds for which a room stays that everybody has left.
    pub room_departure_s: u32,
    /// The place that clients are told.
    pub region: String,
    /// Whether testers may simulate failures.
    pub simulates: bool,
    /// Who is told who comes and goes.
    pub webhooks: Vec<Url>,
    /// Where what has not arrived waits; `None`: in memory.
    pub webhook_folder: Option<String>,
    /// Numbers for Prometheus.
    pub metrics: Option<Listening>,
    /// Numbers under LiveKit's names, and whether a password guards them.
    pub livekit_metrics: Option<(Listening, bool)>,
    /// The page for browsers; `None`: none is served.
    pub web: Option<WebFacts>,
    /// The focus; `None`: this server has none, and no database.
    pub focus: Option<FocusFacts>,
    /// Homeservers of others whose people publish here.
    pub publishing: Vec<String>,
    /// Homeservers whose people get in nowhere.
    pub denied: Vec<String>,
    /// Whether people of all other homeservers get in nowhere.
    pub strangers_denied: bool,
    /// What `[guests]` allows; see [`Facts::guests`].
    pub allowed_guests: Option<GuestFacts>,
    /// Filter of the log.
    pub log: String,
}

/// What the focus adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FocusFacts {
    /// Where clients are sent.
    pub sfu_url: String,
    /// Homeservers whose users publish here; `None`: everybody.
    pub own: Option<Vec<String>>,
    /// Seconds for which a token opens the SFU.
    pub token_lifetime_s: u64,
    /// Server API of an SFU elsewhere.
    pub sfu_elsewhere: Option<String>,
    /// Homeservers that know Hanse as an application service.
    pub registered: Vec<Registered>,
    /// Where the client-server APIs of other homeservers are, as written.
    pub client_apis: Vec<(String, String)>,
    /// Networks that may be connected to although they are not public.
    pub networks: Vec<String>,
    /// The database.
    pub store: StoreFacts,
    /// Path of the socket for administrators.
    pub socket: String,
}

/// How people without an account may take part. Whether the homeserver makes users for them is not in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestFacts {
    /// Seconds for which a link opens at most.
    pub link_lifetime_s: u64,
    /// Seconds for which a guest stays at most.
    pub stay_s: u64,
    /// Seconds for which guests stay when everybody else has left the call.
    pub after_call_s: u64,
}

/// The page for browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebFacts {
    /// Homeservers whose people may log in: name, and where browsers reach it.
    pub homeservers: Vec<(String, String)>,
    /// Addresses of other organisations that it may connect to; `None`: every server with TLS.
    pub organisations: Option<Vec<String>>,
}

/// A homeserver that knows Hanse as an application service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub name: String,
    /// Where it is asked.
    pub url: String,
    /// Whether it passes requests on to us.
    pub passes_on: bool,
}

/// Where something is listened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Local addresses.
    pub addresses: Vec<IpAddr>,
    /// Port.
    pub port: u16,
}

/// HTTPS in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where.
    pub here: Listening,
    /// Port on which plain HTTP is sent on; 0: none.
    pub redirect_port: u16,
    /// The authority, if certificates come by ACME.
    pub acme: Option<Acme>,
}

/// How an authority is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// Names of this server.
    pub names: Vec<String>,
    /// URL of the authority's directory.
    pub directory: String,
    /// E-mail address of an administrator.
    pub contact: Option<String>,
    /// Where the account and the certificate are.
    pub folder: String,
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFacts {
    /// A file on this machine.
    Sqlite(String),
    /// A server.
    Postgres {
        /// Host, or the folder of its socket.
        host: String,
        /// TCP port.
        port: u16,
        /// Name of the database.
        database: String,
        /// Whether its certificate is checked (`sslmode=verify-full`).
        is_checked: bool,
    },
}

/// PostgreSQL's own port.
const POSTGRES_PORT: u16 = 5432;

impl Facts {
    /// Those of a configuration.
    pub fn of(settings: &Settings) -> Self {
        let sfu = &settings.sfu;
        let sorted = |servers: &std::collections::HashSet<hanse_focus::ServerName>| {
            let names: BTreeSet<String> = servers.iter().map(|server| server.as_str().to_owned()).collect();
            names.into_iter().collect::<Vec<_>>()
        };
        let media = |port| Listening {
            addresses: sfu.bind_addresses.clone(),
            port,
        };
        Facts {
            said: settings.privacy.clone(),
            http: Listening {
                addresses: settings.http.bind_addresses.clone(),
                port: settings.http.port,
            },
            proxies: settings
                .http
                .trusted_proxies
                .0
                .iter()
                .map(ToString::to_string)
                .collect(),
            tls: tls(settings),
            udp: media(sfu.udp_port),
            tcp: (sfu.tcp_port != 0).then(|| media(sfu.tcp_port)),
            offered: sfu.reach.addresses.clone(),
            offers_local: sfu.reach.offer_local_addresses,
            stun: sfu
                .reach
                .stun_servers
                .iter()
                .map(|server| (server.host.clone(), server.port))
                .collect(),
            turn: sfu
                .reach
                .turn
                .as_ref()
                .map_or(Vec::new(), |turn| turn.urls().to_vec()),
            turn_lifetime_s: sfu
                .reach
                .turn
                .as_ref()
                .map_or(0, |turn| turn.lifetime().as_secs()),
            room_empty_s: sfu.room_empty_timeout_s,
            room_departure_s: sfu.room_departure_timeout_s,
            region: sfu.region.clone(),
            simulates: sfu.simulate,
            webhooks: sfu.webhooks.urls.clone(),
            webhook_folder: sfu
                .webhooks
                .folder
                .as_ref()
                .map(|folder| folder.display().to_string()),
            metrics: settings.metrics.bind_address.map(|address| Listening {
                addresses: vec![address],
                port: settings.metrics.port,
            }),
            livekit_metrics: sfu.prometheus.as_ref().map(|prometheus| {
                let here = Listening {
                    addresses: prometheus.bind_addresses.clone(),
                    port: prometheus.port,
                };
                (here, prometheus.login.is_some())
            }),
            web: page(settings),
            focus: focus(settings),
            publishing: sorted(&settings.policy.publishing),
            denied: sorted(&settings.policy.denied),
            strangers_denied: settings.policy.strangers == Access::Deny,
            allowed_guests: guests(&settings.guests),
            log: settings.log.filter.clone(),
        }
    }

    /// What holds once a running server has read its file again: the rules of the new one, everything else as it was at the
    /// start.
    #[must_use]
    pub fn reloaded(mut self, fresh: &Facts) -> Self {
        self.publishing.clone_from(&fresh.publishing);
        self.denied.clone_from(&fresh.denied);
        self.strangers_denied = fresh.strangers_denied;
        self.said.clone_from(&fresh.said);
        self.allowed_guests.clone_from(&fresh.allowed_guests);
        if let (Some(focus), Some(fresh)) = (&mut self.focus, &fresh.focus) {
            focus.own.clone_from(&fresh.own);
        }
        self
    }

    /// Names of the homeservers of this organisation, as far as the configuration names them.
    pub fn own_homeservers(&self) -> Vec<&str> {
        let Some(focus) = &self.focus else {
            return Vec::new();
        };
        let registered = focus.registered.iter().map(|homeserver| homeserver.name.as_str());
        let listed = focus.own.iter().flatten().map(String::as_str);
        let on_page = self
            .web
            .iter()
            .flat_map(|web| &web.homeservers)
            .map(|(name, _)| name.as_str());
        let names: BTreeSet<&str> = registered.chain(listed).chain(on_page).collect();
        names.into_iter().collect()
    }

    /// Whether Hanse knows of every own homeserver who is in its rooms.
    pub fn knows_members(&self) -> bool {
        self.focus
            .as_ref()
            .is_some_and(|focus| !focus.registered.is_empty())
    }

    /// How people without an account may take part; `None`: they may not. A focus lets them in.
    pub fn guests(&self) -> Option<&GuestFacts> {
        self.focus.as_ref().and(self.allowed_guests.as_ref())
    }

    /// Whether everybody may publish here, whatever their homeserver.
    pub fn everybody_publishes(&self) -> bool {
        self.focus.as_ref().is_some_and(|focus| focus.own.is_none())
    }

    /// Whether log lines say more than what an administrator needs every day.
    pub fn logs_much(&self) -> bool {
        let filter = self.log.to_ascii_lowercase();
        filter.contains("debug") || filter.contains("trace")
    }
}

fn guests(config: &GuestsConfig) -> Option<GuestFacts> {
    config.allowed.then_some(GuestFacts {
        link_lifetime_s: config.link_lifetime_max_ms / 1000,
        stay_s: config.stay_max_ms / 1000,
        after_call_s: config.after_call_ms / 1000,
    })
}

fn tls(settings: &Settings) -> Option<Tls> {
    let tls = settings.tls.settings.as_ref()?;
    let acme = match &tls.source {
        CertificateSource::Files(_) => None,
        CertificateSource::Acme(acme) => Some(Acme {
            names: acme.names.clone(),
            directory: acme.directory.clone(),
            contact: acme.contact.clone(),
            folder: acme.folder.display().to_string(),
        }),
    };
    Some(Tls {
        here: Listening {
            addresses: tls.bind_addresses.clone(),
            port: tls.port,
        },
        redirect_port: tls.redirect_port,
        acme,
    })
}

fn page(settings: &Settings) -> Option<WebFacts> {
    // Where there is no focus, there is no page either.
    let is_served = settings.web.page && settings.focus.settings.is_some();
    is_served.then(|| WebFacts {
        homeservers: web::homeservers(settings)
            .into_iter()
            .map(|homeserver| (homeserver.name, homeserver.url))
            .collect(),
        organisations: match &settings.web.organisations {
            Organisations::Any => None,
            Organisations::These(addresses) => Some(addresses.clone()),
        },
    })
}

fn focus(settings: &Settings) -> Option<FocusFacts> {
    let focus = settings.focus.settings.as_ref()?;
    let own = match &focus.full_access {
        FullAccess::Everyone => None,
        FullAccess::Only(servers) => {
            let names: BTreeSet<String> = servers.iter().map(|server| server.as_str().to_owned()).collect();
            Some(names.into_iter().collect())
        }
    };
    let homeservers = &settings.homeservers;
    Some(FocusFacts {
        sfu_url: focus.sfu_url.clone(),
        own,
        token_lifetime_s: focus.token_lifetime_s,
        sfu_elsewhere: match &focus.sfu {
            SfuPlace::Here => None,
            SfuPlace::At { api_url, .. } => Some(api_url.clone()),
        },
        registered: homeservers
            .registrations
            .iter()
            .map(|registration| Registered {
                name: registration.server_name().as_str().to_owned(),
                url: registration.client_api_url.clone(),
                passes_on: registration.proxy_url.is_some(),
            })
            .collect(),
        client_apis: homeservers
            .client_api_urls
            .iter()
            .map(|(server, url)| (server.as_str().to_owned(), url.clone()))
            .collect(),
        networks: homeservers
            .allowed_networks
            .networks()
            .iter()
            .map(ToString::to_string)
            .collect(),
        store: store(settings.store.url.expose()),
        socket: settings.operate.socket(&settings.store).display().to_string(),
    })
}

/// The place, never user or password.
fn store(url: &str) -> StoreFacts {
    if let Some(path) = database_path(url) {
        return StoreFacts::Sqlite(path.display().to_string());
    }
    let parsed = Url::parse(url).ok();
    let query = |name: &str| {
        let pairs = parsed.as_ref()?.query_pairs();
        pairs
            .into_iter()
            .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    };
    let host = query("host").or_else(|| Some(parsed.as_ref()?.host_str()?.to_owned()));
    let port = query("port").and_then(|port| port.parse().ok());
    StoreFacts::Postgres {
        host: host.unwrap_or_default(),
        port: port.or_else(|| parsed.as_ref()?.port()).unwrap_or(POSTGRES_PORT),
        database: query("dbname").unwrap_or_else(|| {
            let path = parsed.as_ref().map(|url| url.path().trim_start_matches('/'));
            path.unwrap_or_default().to_owned()
        }),
        is_checked: query("sslmode").as_deref() == Some("verify-full"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_database_its_place_is_known_and_neither_user_nor_password() {
        assert_eq!(
            store("sqlite:/var/lib/hanse/hanse.db"),
            StoreFacts::Sqlite("/var/lib/hanse/hanse.db".to_owned())
        );
        let there = store("postgres://somebody:secret@db.org-a.example:5433/hanse?sslmode=verify-full");
        assert_eq!(
            there,
            StoreFacts::Postgres {
                host: "db.org-a.example".to_owned(),
                port: 5433,
                database: "hanse".to_owned(),
                is_checked: true,
            }
        );
        let text = format!("{there:?}");
        assert!(!text.contains("secret") && !text.contains("somebody"));
        let by_socket = store("postgres:///hanse?host=/run/postgresql");
        let StoreFacts::Postgres { host, port, .. } = by_socket else {
            panic!("{by_socket:?}")
        };
        assert_eq!((host.as_str(), port), ("/run/postgresql", POSTGRES_PORT));
    }
}
