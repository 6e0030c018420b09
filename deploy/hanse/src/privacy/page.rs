//! `GET /privacy` and `GET /privacy.json`: what everybody may know, of the server that runs.

use super::facts::Facts;
use super::render;
use super::report;
use super::words::Language;
use crate::settings::Settings;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{
    ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::watch;

/// How long a browser may show it without asking again. A new configuration is seen after that.
const CACHE: &str = "max-age=60";

/// The page of a running server. Reloading changes what it says.
pub struct PrivacyPage {
    shown: watch::Sender<Shown>,
}

/// What is said at present.
#[derive(Clone)]
struct Shown {
    facts: Facts,
    pages: Arc<Pages>,
}

/// As it goes out.
struct Pages {
    german: String,
    english: String,
    json: String,
    policy: String,
}

impl Shown {
    fn of(facts: Facts) -> Self {
        let report = report::public(&facts);
        let page = |language: Language| {
            let link = format!("?lang={}", language.other().code());
            render::html(&report, language, Some(&link))
        };
        let json = json!({
            "homeservers": facts.own_homeservers(),
            "controller": facts.said.controller,
            "contact": facts.said.contact,
            "officer": facts.said.officer,
            "reports": Language::ALL.map(|language| render::json(&report, language)),
        });
        let pages = Pages {
            german: page(Language::De),
            english: page(Language::En),
            json: json.to_string(),
            policy: format!("{}; frame-ancestors 'none'", render::policy()),
        };
        Shown {
            facts,
            pages: Arc::new(pages),
        }
    }
}

impl PrivacyPage {
    /// Of a server that starts with these settings.
    pub fn new(settings: &Settings) -> Self {
        let (shown, _) = watch::channel(Shown::of(Facts::of(settings)));
        PrivacyPage { shown }
    }

    /// Says what holds once the file was read again.
    pub fn reload(&self, settings: &Settings) {
        let fresh = Facts::of(settings);
        self.shown
            .send_modify(|shown| *shown = Shown::of(shown.facts.clone().reloaded(&fresh)));
    }

    /// The routes.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/privacy", get(page))
            .route("/privacy.json", get(for_programs))
            .with_state(self.shown.subscribe())
    }
}

async fn page(
    State(shown): State<watch::Receiver<Shown>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> impl IntoResponse {
    let pages = Arc::clone(&shown.borrow().pages);
    let asked = Language::ALL
        .into_iter()
        .find(|language| query.as_deref() == Some(&format!("lang={}", language.code())));
    let language = asked.unwrap_or_else(|| {
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Language::accepted(header.unwrap_or_default())
    });
    let text = match language {
        Language::De => pages.german.clone(),
        Language::En => pages.english.clone(),
    };
    let headers: [(HeaderName, String); 7] = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_LANGUAGE, language.code().to_owned()),
        (CONTENT_SECURITY_POLICY, pages.policy.clone()),
        (VARY, "accept-language".to_owned()),
        (CACHE_CONTROL, CACHE.to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, text)
}

/// Any page may read it: it is for everybody.
async fn for_programs(State(shown): State<watch::Receiver<Shown>>) -> impl IntoResponse {
    let text = shown.borrow().pages.json.clone();
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (CACHE_CONTROL, CACHE),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}
