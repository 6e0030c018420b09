//! The order of the checks: what is asked at the same time, and what waits for what.

use super::accounts::{self, Account, Device, Refused};
use super::ask::Client;
use super::call::{self, Outcome, Plan, Scratch};
use super::certificate::{self, Place};
use super::clock::{self, Clock};
use super::sentence::Check;
use super::{
    Book, DoctorArguments, delayed, federation, guests, hold, homeserver, key, name, page, ping, routes,
    server, token, transports, upgrade, ways, well_known,
};
use crate::operate::ask_health;
use crate::settings::Settings;
use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::join_all;
use hanse_bridge::{Bridge, Registration, dial};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::ClientConfig;

/// How long the running server may take to say how it is.
const SERVER_PATIENCE: Duration = Duration::from_secs(5);

/// Names of the users that the doctor makes, in the namespace of every registration.
pub(super) const USERS: [&str; 2] = ["hanse_doctor_a", "hanse_doctor_b"];

/// What is below the focus' name, and can only be asked once that is sound.
static OUTSIDE: [&Check; 5] = [
    &routes::CHECK,
    &page::PAGE,
    &page::LOG_IN,
    &upgrade::CHECK,
    &key::CHECK,
];

/// What only a call tells.
static IN_CALL: [&Check; 4] = [&ways::UDP, &ways::TCP, &ways::TURN, &call::CHECK];

/// Everything that is needed to ask.
pub struct Chain<'a> {
    settings: &'a Settings,
    pub(super) arguments: &'a DoctorArguments,
    pub(super) registration: &'a Registration,
    sfu_url: &'a str,
    pub(super) book: Book,
    pub(super) client: Client,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) account: Option<Account>,
    pub(super) bridge: Bridge,
}

/// What the homeserver has told.
struct Home {
    clock: Option<Clock>,
    /// The focus, as clients are told it.
    service_url: Option<String>,
    /// What must be green before more can be asked of it.
    ill: Option<&'static Check>,
}

impl<'a> Chain<'a> {
    /// `None`: the settings have no focus or no homeserver.
    ///
    /// # Errors
    ///
    /// A sentence: an account file that is none.
    pub fn new(settings: &'a Settings, arguments: &'a DoctorArguments, book: Book) -> Result<Option<Self>> {
        let (Some(focus), Some(registration)) = (
            &settings.focus.settings,
            settings.homeservers.registrations.first(),
        ) else {
            return Ok(None);
        };
        let tls = dial::tls_config(&settings.homeservers)?;
        let account = arguments
            .account
            .as_deref()
            .map(Account::read)
            .transpose()
            .context("--account")?;
        Ok(Some(Chain {
            settings,
            arguments,
            registration,
            sfu_url: focus.sfu_url.trim_end_matches('/'),
            book,
            client: Client::new(tls.clone()).context("TLS cannot be set up")?,
            tls: Arc::new(tls),
            account,
            bridge: Bridge::new(&settings.homeservers).context("[homeservers]")?,
        }))
    }

    /// Walks it.
    ///
    /// # Errors
    ///
    /// A sentence: this machine has no room for a few files.
    pub async fn walk(&self) -> Result<()> {
        let began = Instant::now();
        let server_name = self.registration.server_name();
        let (health, home, (), known) = tokio::join!(
            self.server(),
            self.homeserver(),
            self.federation(),
            well_known::probe(&self.client, server_name)
        );
        let service_url = home.service_url;
        match &service_url {
            Some(service_url) => {
                let said = well_known::judge(&known, service_url);
                self.book.note(&well_known::CHECK, &said, began);
            }
            None => self.book.waits(&[&well_known::CHECK], &transports::CHECK),
        }
        match home.ill {
            Some(ill) => self.book.waits(&[&delayed::CHECK], ill),
            None => self.delayed(known.base_url()).await,
        }
        let is_running = health.is_some();
        let clocks: Vec<Clock> = health.into_iter().chain(home.clock).collect();
        if clocks.is_empty() {
            self.book.waits(&[&clock::CHECK], &server::SERVER);
        } else {
            self.book.note(&clock::CHECK, &clock::judge(&clocks), began);
        }
        let ill = match &service_url {
            Some(service_url) => self.outside(service_url).await,
            None => {
                self.book
                    .waits(&[&name::CHECK, &certificate::CHECK], &transports::CHECK);
                self.book.waits(&OUTSIDE, &transports::CHECK);
                Some(&transports::CHECK)
            }
        };
        let hindrance = if is_running { ill } else { Some(&server::SERVER) };
        let scratch = match self.arguments.no_call {
            true => None,
            false => Some(Scratch::new()?),
        };
        let scratch = scratch.as_ref();
        // Each takes some seconds.
        let ((), home, with) = tokio::join!(self.keep_open(ill), self.at_home(scratch, hindrance), async {
            match &self.arguments.with {
                Some(other) => self.with(other, scratch, hindrance).await,
                None => Ok(()),
            }
        });
        home.and(with)
    }

    /// The call at home. `scratch`: `None` if none is wanted.
    async fn at_home(&self, scratch: Option<&Scratch>, hindrance: Option<&'static Check>) -> Result<()> {
        match (scratch, hindrance) {
            (None, _) => {
                for check in IN_CALL {
                    self.book.note(check, &call::not_wanted(), Instant::now());
                }
                Ok(())
            }
            (Some(_), Some(check)) => {
                self.book.waits(&IN_CALL, check);
                Ok(())
            }
            (Some(scratch), None) => self.call(scratch).await,
        }
    }

    /// A WebSocket for as long as the administrator wants to wait.
    async fn keep_open(&self, hindrance: Option<&'static Check>) {
        let began = Instant::now();
        let token = self.token();
        match (self.arguments.hold, hindrance) {
            (None, _) => {
                self.book.note(&hold::CHECK, &hold::not_wanted(), began);
            }
            (Some(_), Some(check)) => self.book.waits(&[&hold::CHECK], check),
            (Some(seconds), None) => {
                let whole = Duration::from_secs(seconds);
                let held = hold::hold(&self.tls, self.sfu_url, &token, whole).await;
                self.book
                    .note(&hold::CHECK, &hold::judge(held, self.sfu_url), began);
            }
        }
    }

    /// What lets the doctor into a room of its own on the SFU.
    fn token(&self) -> String {
        let now = hanse_runtime::clock::unix_ms();
        key::token(&key::configured(self.settings), now).unwrap_or_default()
    }

    /// Gives the clock of a server that runs.
    async fn server(&self) -> Option<Clock> {
        let began = Instant::now();
        let socket = self.arguments.socket.clone();
        let socket = socket.unwrap_or_else(|| self.settings.operate.socket(&self.settings.store));
        let path = socket.clone();
        let asked = tokio::task::spawn_blocking(move || ask_health(&path, SERVER_PATIENCE)).await;
        let health = asked.unwrap_or(Err(crate::operate::NotAsked::Mute));
        self.book.note(
            &server::SERVER,
            &server::judge(&health, &socket.display().to_string()),
            began,
        );
        match &health {
            Ok(health) => {
                self.book.note(&server::DISK, &server::judge_disk(health), began);
                self.book
                    .note(&server::FILES, &server::judge_files(health), began);
            }
            Err(_) => self.book.waits(&[&server::DISK, &server::FILES], &server::SERVER),
        }
        health
            .ok()
            .map(|health| Clock::server(health.unix_ms, hanse_runtime::clock::unix_ms()))
    }

    /// Whether our homeserver can be asked who somebody is, by the way that the focus takes.
    async fn federation(&self) {
        let began = Instant::now();
        let (server, user) = (
            self.registration.server_name().as_str(),
            self.registration.bridge_user.as_str(),
        );
        let facts = federation::probe(&self.client, &self.bridge, self.home(), (server, user)).await;
        self.book.note(
            &federation::CHECK,
            &federation::judge(&facts, server, user),
            began,
        );
    }

    /// Whether people's delayed leaves can be put off and sent, by the ways of Hanse and of clients.
    async fn delayed(&self, clients: Option<&str>) {
        let began = Instant::now();
        let (url, as_token) = self.home();
        let facts = delayed::probe(&self.client, url, as_token, clients).await;
        self.book.note(&delayed::CHECK, &delayed::judge(&facts), began);
    }

    /// Where the homeserver is for Hanse, and what proves to it that it is Hanse.
    fn home(&self) -> (&str, &str) {
        (
            self.registration.client_api_url.as_str(),
            self.registration.as_token.expose().as_str(),
        )
    }

    async fn homeserver(&self) -> Home {
        let began = Instant::now();
        let (registration, client) = (self.registration, &self.client);
        let (url, as_token) = self.home();
        let bridge_user = registration.bridge_user.as_str();
        let (facts, whoami) = tokio::join!(
            homeserver::probe(client, url, as_token, bridge_user),
            token::probe(client, url, as_token),
        );
        let is_sound = self
            .book
            .note(&homeserver::CHECK, &homeserver::judge(url, &facts), began);
        let date = facts
            .versions
            .as_ref()
            .ok()
            .and_then(|answer| answer.header("date"));
        let mut home = Home {
            clock: date.and_then(|date| Clock::homeserver(date, hanse_runtime::clock::unix_ms())),
            service_url: None,
            ill: (!is_sound).then_some(&homeserver::CHECK),
        };
        if facts.versions.is_err() {
            self.book.waits(
                &[&token::CHECK, &ping::CHECK, &guests::CHECK, &transports::CHECK],
                &homeserver::CHECK,
            );
            return home;
        }
        if !self
            .book
            .note(&token::CHECK, &token::judge(&whoami, bridge_user), began)
        {
            self.book
                .waits(&[&ping::CHECK, &guests::CHECK, &transports::CHECK], &token::CHECK);
            home.ill = Some(&token::CHECK);
            return home;
        }
        let ping = async {
            let began = Instant::now();
            let asked = ping::probe(client, url, as_token, &registration.id).await;
            self.book
                .note(&ping::CHECK, &ping::judge(&asked, &registration.hanse_url), began);
        };
        let transports = async {
            let began = Instant::now();
            let asked = transports::probe(client, url, as_token).await;
            self.book
                .note(&transports::CHECK, &transports::judge(&asked), began);
            transports::service_url(&asked.1)
        };
        let allowed = self.settings.guests.allowed;
        let of_guests = async {
            let began = Instant::now();
            let facts = guests::probe(client, url, as_token, registration, allowed).await;
            self.book.note(&guests::CHECK, &guests::judge(&facts), began);
        };
        home.service_url = tokio::join!(ping, transports, of_guests).1;
        home
    }

    /// What strangers reach. Gives what hinders a call.
    async fn outside(&self, service_url: &str) -> Option<&'static Check> {
        let service_url = service_url.trim_end_matches('/');
        let mut places: Vec<Place> = [service_url, self.sfu_url]
            .into_iter()
            .filter_map(Place::of)
            .collect();
        places.dedup();
        let began = Instant::now();
        let mut names: Vec<&str> = places.iter().map(|place| place.host.as_str()).collect();
        names.dedup();
        let names = join_all(names.into_iter().map(name::look_up)).await;
        if !self.book.note(&name::CHECK, &name::judge(&names), began) {
            self.book.waits(&[&certificate::CHECK], &name::CHECK);
            self.book.waits(&OUTSIDE, &name::CHECK);
            return Some(&name::CHECK);
        }
        let began = Instant::now();
        let now = unix_s();
        let found = join_all(places.into_iter().map(|place| async move {
            let found = certificate::look_at(&place, &self.tls, now).await;
            (place, found)
        }));
        let said = certificate::judge(&found.await);
        self.book.note(&certificate::CHECK, &said, began);
        if said.sentence.colour == super::Colour::Red {
            self.book.waits(&OUTSIDE, &certificate::CHECK);
            return Some(&certificate::CHECK);
        }
        let sfu_http_url = self.sfu_url.replacen("ws", "http", 1);
        let began = Instant::now();
        let routes = async {
            let facts = routes::probe(&self.client, service_url, &sfu_http_url).await;
            self.book.note(&routes::CHECK, &routes::judge(&facts), began);
        };
        let upgrade = async {
            let facts = upgrade::probe(&self.client, &sfu_http_url).await;
            self.book
                .note(&upgrade::CHECK, &upgrade::judge(&sfu_http_url, &facts), began)
        };
        if !tokio::join!(routes, upgrade, self.page(service_url)).1 {
            self.book.waits(&[&key::CHECK], &upgrade::CHECK);
            return Some(&upgrade::CHECK);
        }
        let (began, key) = (Instant::now(), key::configured(self.settings));
        let asked = key::probe(&self.client, &sfu_http_url, &self.token()).await;
        let is_known = self
            .book
            .note(&key::CHECK, &key::judge(&asked, self.sfu_url, &key), began);
        (!is_known).then_some(&key::CHECK)
    }

    /// What people's browsers get.
    async fn page(&self, service_url: &str) {
        let began = Instant::now();
        let facts = page::probe(&self.client, self.settings, service_url).await;
        let said = page::judge(&facts, self.settings.guests.allowed);
        if !self.book.note(&page::PAGE, &said, began) {
            return self.book.waits(&[&page::LOG_IN], &page::PAGE);
        }
        let began = Instant::now();
        let homes = page::probe_log_in(&self.client, self.settings).await;
        self.book.note(&page::LOG_IN, &page::judge_log_in(&homes), began);
    }

    async fn call(&self, scratch: &Scratch) -> Result<()> {
        let began = Instant::now();
        let outcome = match self.devices().await {
            Ok(devices) => {
                let ways = match self.settings.sfu.tcp_port {
                    0 => ["udp", "udp"],
                    _ => ["udp", "tcp"],
                };
                let relayed = match self.turn_urls() {
                    [] => None,
                    _ => self.own(USERS[1]).await.ok(),
                };
                let [host, guest] = &devices;
                let outcome = self
                    .hold(scratch, "home", [host, guest], relayed.as_ref(), ways)
                    .await?;
                if let Some(relayed) = relayed {
                    relayed.sign_out(&self.client).await;
                }
                join_all(devices.iter().map(|device| device.sign_out(&self.client))).await;
                outcome
            }
            Err(refused) => Outcome::NoUsers(refused),
        };
        self.note_call(&outcome, began);
        Ok(())
    }

    fn note_call(&self, outcome: &Outcome, began: Instant) {
        let sfu = &self.settings.sfu;
        let mut broken = None;
        let said = ways::judge(outcome, sfu.udp_port, sfu.tcp_port, self.turn_urls());
        for (check, said) in ways::CHECKS.into_iter().zip(said) {
            match said {
                Some(said) => {
                    self.book.note(check, &said, began);
                    if said.sentence.colour == super::Colour::Red {
                        broken.get_or_insert(check);
                    }
                }
                None => self.book.waits(&[check], &call::CHECK),
            }
        }
        match broken {
            Some(check) if call::waits_for_media(outcome) => self.book.waits(&[&call::CHECK], check),
            _ => {
                self.book.note(&call::CHECK, &call::judge(outcome), began);
            }
        }
    }

    /// Has two call each other in the host's room of this name, each by their way.
    ///
    /// # Errors
    ///
    /// A sentence: this machine has no room for a few files.
    pub(super) async fn hold(
        &self,
        scratch: &Scratch,
        name: &str,
        devices: [&Device; 2],
        relayed: Option<&Device>,
        ways: [&'static str; 2],
    ) -> Result<Outcome> {
        let authorities = match self.settings.homeservers.authorities.as_slice() {
            [] => None,
            some => {
                let text = pem(some.iter().map(AsRef::as_ref));
                Some(scratch.write(&format!("{name}.pem"), &text)?)
            }
        };
        let [host, guest] = devices;
        let room = match host.room(&self.client, name, &guest.user).await {
            Ok(room) => room,
            Err(refused) => return Ok(Outcome::NoUsers(refused)),
        };
        let plan = Plan {
            participant: &self.participant(),
            scratch,
            authorities: authorities.as_deref(),
            room: &room,
            devices,
            relayed,
            ways,
        };
        Ok(call::hold(&plan).await)
    }

    fn turn_urls(&self) -> &[String] {
        let turn = self.settings.sfu.reach.turn.as_ref();
        turn.map_or(&[], |turn| turn.urls())
    }

    /// One of Hanse's own users, signed in.
    ///
    /// # Errors
    ///
    /// What the homeserver did not do.
    pub(super) async fn own(&self, localpart: &str) -> Result<Device, Refused> {
        let (url, as_token) = self.home();
        let server = self.registration.server_name().as_str();
        accounts::own(&self.client, url, as_token, localpart, server).await
    }

    /// Whoever has an account of their own is called with it, twice: two devices of one person are two members of a call.
    async fn devices(&self) -> Result<[Device; 2], Refused> {
        let [a, b] = USERS;
        // One of the other organisation is for the call with that.
        let is_at_home =
            |account: &&Account| self.arguments.with.as_ref() != Some(account.user.server_name());
        let (a, b) = match self.account.as_ref().filter(is_at_home) {
            Some(account) => {
                let place = account.homeserver_url.as_deref();
                let place = place.unwrap_or(self.registration.client_api_url.as_str());
                tokio::join!(accounts::given(&self.client, place, account), self.own(b))
            }
            None => tokio::join!(self.own(a), self.own(b)),
        };
        match (a, b) {
            (Ok(a), Ok(b)) => Ok([a, b]),
            (Ok(one), Err(refused)) | (Err(refused), Ok(one)) => {
                one.sign_out(&self.client).await;
                Err(refused)
            }
            (Err(refused), Err(_)) => Err(refused),
        }
    }

    fn participant(&self) -> PathBuf {
        const NAME: &str = "hanse-participant";
        let beside = || Some(std::env::current_exe().ok()?.with_file_name(NAME)).filter(|path| path.exists());
        let named = self.arguments.participant.clone();
        named.or_else(beside).unwrap_or_else(|| PathBuf::from(NAME))
    }
}

/// This machine's time.
pub(super) fn unix_s() -> i64 {
    i64::try_from(hanse_runtime::clock::unix_ms() / 1_000).unwrap_or(i64::MAX)
}

/// Certificates as programs read them (RFC 7468).
fn pem<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> String {
    let mut text = String::new();
    for der in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let base64 = BASE64_STANDARD.encode(der);
        for line in base64.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
