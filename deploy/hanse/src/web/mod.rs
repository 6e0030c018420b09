//! The web client: a page at `/` for people's browsers, from this executable.
//!
//! In: requests for its files, and what the configuration says. Out: the files, a policy that confines them ([`policy`]), and
//! `GET /config.json`, which tells the page where it is. Nothing here knows who asks.
//!
//! The page itself is `client-web/app`; `build.rs` puts what was built there into the executable ([`files`]).

mod config;
mod files;
mod policy;

pub use config::{Organisations, WebConfig, origin};

use crate::focus::FOCUS_PATH;
use crate::settings::Settings;
use axum::Router;
use axum::extract::Path;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use config::{OwnHomeserver, is_loopback};
use hanse_sfu::Beside;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::sync::watch;

/// What stands at `/` of an executable that was built without the page.
const ABSENT: &str = "OK\n\nThis Hanse was built without its web client, so there is no page here; calls with Element work. \
                      The packages have it; `cargo xtask release` builds it.\n";

/// Files beside `index.html` that have paths of their own.
pub const BESIDE: [&str; 4] = ["manifest.webmanifest", "icon.svg", "notices.txt", "sw.js"];

/// The page of a running server. Reloading changes whether it offers links for guests; the rest needs a restart.
pub struct WebPage {
    takes_guests: watch::Sender<bool>,
}

impl WebPage {
    /// Of a server that starts with these settings.
    pub fn new(settings: &Settings) -> Self {
        WebPage {
            takes_guests: watch::Sender::new(settings.guests.allowed),
        }
    }

    /// Puts new settings into force, for pages that are opened from now on.
    pub fn reload(&self, settings: &Settings) {
        self.takes_guests.send_replace(settings.guests.allowed);
    }

    /// The page beside the routes of the focus.
    pub fn beside(&self, settings: &Settings, routes: Router) -> Beside {
        beside(settings, routes, self.takes_guests.subscribe())
    }
}

fn beside(settings: &Settings, routes: Router, takes_guests: watch::Receiver<bool>) -> Beside {
    if settings.focus.settings.is_none() || !settings.web.page {
        return Beside { routes, front: None };
    }
    let Some(policy) = policy_of(settings) else {
        return Beside {
            routes,
            front: Some(get(async || ABSENT)),
        };
    };
    let homeservers = homeservers(settings);
    // It consists of visible ASCII: every address in it was looked at.
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let told = move || json_response(told(&homeservers, *takes_guests.borrow()).to_string());
    let mut pages = Router::new()
        .route("/config.json", get(async move || told()))
        .route("/assets/{*path}", get(asset));
    for name in BESIDE {
        pages = pages.route(
            &format!("/{name}"),
            get(move |headers: HeaderMap| async move { files::file(name, &headers) }),
        );
    }
    let confined = policy.clone();
    let pages = pages.layer(map_response(move |mut response: Response| {
        policy::apply(response.headers_mut(), &policy);
        std::future::ready(response)
    }));
    let front: MethodRouter = get(move |headers: HeaderMap| {
        let mut response = files::file("index.html", &headers);
        policy::apply(response.headers_mut(), &confined);
        std::future::ready(response)
    });
    Beside {
        routes: routes.merge(pages),
        front: Some(front),
    }
}

/// With which policy the page is sent; `None`: it is not in this executable, or there is no focus.
pub fn policy_of(settings: &Settings) -> Option<String> {
    let focus = settings.focus.settings.as_ref().filter(|_| files::are_here())?;
    let organisations = &settings.web.organisations;
    Some(policy::policy(
        &homeservers(settings),
        &focus.sfu_url,
        organisations,
    ))
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    files::file(&format!("assets/{path}"), &headers)
}

fn json_response(text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

/// The homeservers whose people may log in, and where browsers reach them.
pub fn homeservers(settings: &Settings) -> Vec<OwnHomeserver> {
    if !settings.web.homeservers.is_empty() {
        return settings.web.homeservers.clone();
    }
    let registrations = settings.homeservers.registrations.iter();
    let own = registrations.map(|registration| {
        let name = registration.server_name().as_str().to_owned();
        let url = likely_url(&name, &registration.client_api_url);
        OwnHomeserver { name, url }
    });
    own.collect()
}

/// Where browsers reach a homeserver of this name, as long as nobody says so: where Hanse does, or, if that is on this machine, under
/// its name.
pub fn likely_url(name: &str, client_api_url: &str) -> String {
    if !is_loopback(client_api_url) {
        return client_api_url.to_owned();
    }
    // Without the port, which is that of the federation.
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    format!("https://{host}")
}

/// What the page is told. `guests`: whether people without an account may take part.
fn told(homeservers: &[OwnHomeserver], guests: bool) -> serde_json::Value {
    let own: Vec<_> = homeservers
        .iter()
        .map(|OwnHomeserver { name, url }| json!({ "name": name, "url": url }))
        .collect();
    json!({
        "organisation": homeservers.first().map_or("", |homeserver| homeserver.name.as_str()),
        "homeservers": own,
        "focus": FOCUS_PATH,
        "guests": guests,
        "privacy": {"page": "/privacy", "report": "/privacy.json"},
    })
}
