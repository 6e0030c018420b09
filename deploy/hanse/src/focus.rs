//! Joins the focus to what it asks: the SFU in this process or elsewhere, homeservers by way of the bridge, the store.

use crate::guests::Accounts;
use crate::homeservers::Homeservers;
use crate::measure::Measured;
use crate::operate::{OperateConfig, Operator, OperatorSocket};
use crate::settings::Settings;
use crate::sfu_here::{SfuHere, seat_event};
use anyhow::{Context, Result};
use axum::Router;
use hanse_bridge::{Bridge, HomeserversConfig, ServerName};
use hanse_focus::delayed_leave::{LeavePorts, Leaves, SeatEvent};
use hanse_focus::guests::system_randomness;
use hanse_focus::store::Store;
use hanse_focus::{
    ApiKey, Focus, FocusSettings, Ports, Presence, Sfu, SfuPlace, SitePolicy, TwirpSfu, Watch, system_clock,
};
use hanse_runtime::Secret;
use hanse_sfu::SfuHandle;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Where the focus is served besides the root: the path that Element's deployments announce, so that a reverse proxy need
/// not take anything off.
pub const FOCUS_PATH: &str = "/livekit/jwt";

/// For a registration of before there were guests.
pub const NAMES_NOT_RESERVED: &str = "[guests] allows guests, and a registration reserves no names for them, so there can be none: \
     take the registration file away, run `hanse setup`, and restart the homeserver and Hanse";

/// How often what is over is deleted from the store.
const SWEEP_INTERVAL: Duration = Duration::from_secs(300);

/// The focus of this process, with everything that it needs, running.
pub struct RunningFocus {
    focus: Arc<Focus>,
    leaves: Leaves,
    store: Store,
    bridge: Arc<Bridge>,
    /// What goes on beside requests. Ends when this is dropped.
    tasks: JoinSet<()>,
}

impl RunningFocus {
    /// Starts it beside an SFU. `None`: the settings want no focus.
    ///
    /// # Errors
    ///
    /// A sentence for the administrator: a database that cannot be opened, and the like.
    pub async fn start(settings: &Settings, handle: SfuHandle) -> Result<Option<(Self, Router)>> {
        let Some(focus_settings) = &settings.focus.settings else {
            return Ok(None);
        };
        let bridge = Arc::new(Bridge::new(&settings.homeservers).context("[homeservers]")?);
        let store = Store::open(settings.store.url.expose())
            .await
            .context("[store]")?;
        let socket_path = settings.operate.socket(&settings.store);
        let socket = OperatorSocket::open(&socket_path)
            .await
            .context("[operate] socket")?;
        tracing::info!("administrators are answered at {}", socket_path.display());
        let clock = system_clock();
        let SfuParts {
            key,
            sfu,
            presence,
            elsewhere,
        } = sfu(focus_settings, settings, handle.clone())?;
        let homeservers = Arc::new(Homeservers::new(Arc::clone(&bridge)));
        let policy = policy(settings, focus_settings, &store).await?;
        let leave_ports = LeavePorts {
            delayed_events: Arc::clone(&homeservers) as _,
            presence,
            store: Arc::new(store.leaves(Arc::clone(&clock))),
        };
        let leaves = Leaves::start(
            leave_ports,
            Duration::from_secs(focus_settings.presence_check_interval_s),
            &clock,
        )
        .await
        .context("[store]")?;
        let ports = Ports {
            rooms: Some(Arc::clone(&homeservers) as _),
            homeserver: Arc::clone(&homeservers) as _,
            sfu,
            clock: Arc::clone(&clock),
        };
        let mut focus = Focus::new(focus_settings, policy, key, ports).with_delayed_leaves(leaves.clone());
        if elsewhere.is_some() {
            focus = focus.with_kept_seats(store.clone()).await.context("[store]")?;
        }
        let accounts = Arc::new(Accounts::new(Arc::clone(&bridge)));
        focus = focus.with_guests(
            settings.guests.clone(),
            store.clone(),
            Arc::clone(&accounts) as _,
            system_randomness(),
        );
        warn_of_guests(settings);
        let is_here = elsewhere.is_none();
        if is_here {
            focus = focus.with_draining(handle.draining());
        }
        let focus = Arc::new(focus);
        tracing::info!("{}", bridge.grade());

        let mut tasks = JoinSet::new();
        tasks.spawn(Watch::new(Arc::clone(&focus)).run());
        tasks.spawn(sweep(store.clone()));
        tasks.spawn(accounts.run());
        tasks.spawn(hanse_focus::guests::keep(Arc::clone(&focus)));
        match elsewhere {
            Some(sfu) => tasks.spawn(hanse_focus::follow(Arc::clone(&focus), sfu)),
            None => tasks.spawn(listen(Arc::clone(&focus), handle.clone())),
        };
        let routes = hanse_focus::routes(Arc::clone(&focus))
            .nest(FOCUS_PATH, hanse_focus::router(Arc::clone(&focus)))
            .merge(hanse_focus::signed::routes(
                Arc::clone(&focus),
                signed(&settings.homeservers),
                homeservers,
            ))
            .merge(bridge.routes());
        let operator = Operator {
            focus: Arc::clone(&focus),
            store: store.clone(),
            sfu: is_here.then_some(handle),
            data_folder: OperateConfig::data_folder(&settings.store),
        };
        tasks.spawn(operator.serve(socket));
        let told = Arc::clone(&bridge);
        tasks.spawn(async move { told.run().await });
        let running = RunningFocus {
            focus,
            leaves,
            store,
            bridge,
            tasks,
        };
        Ok(Some((running, routes)))
    }

    /// Puts the rules of new settings into force, also for those who are in a call, and the tokens of registrations. Which
    /// homeservers are blocked does not come from there.
    pub fn reload(&self, settings: &Settings) {
        self.bridge.change_tokens(&settings.homeservers.registrations);
        self.focus.change_guests(settings.guests.clone());
        if let Some(focus_settings) = &settings.focus.settings {
            self.focus.change_policy(|policy| {
                policy.full_access = focus_settings.full_access.clone();
                policy.rules = settings.policy.clone();
            });
            if let SfuPlace::Here = focus_settings.sfu {
                self.focus.change_key(signing_key(settings));
            }
        }
    }

    /// What says for metrics how it is.
    pub fn measured(&self) -> Measured {
        Measured {
            focus: Arc::clone(&self.focus),
            bridge: Arc::clone(&self.bridge),
        }
    }

    /// Stops, with everything stored. To be done before the SFU says goodbye to everybody: those who come back after the
    /// restart have not left.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.leaves.shutdown().await;
        if let Err(error) = self.store.release().await {
            tracing::warn!("delayed leaves wait for others until our lease ends: {error}");
        }
        self.store.close().await;
    }
}

/// What an administrator who wants guests should know at the start.
fn warn_of_guests(settings: &Settings) {
    if !settings.guests.allowed {
        return;
    }
    let mut registrations = settings.homeservers.registrations.iter();
    if registrations.any(|registration| !registration.guests) {
        tracing::warn!("{NAMES_NOT_RESERVED}");
    }
}

/// What the focus needs of an SFU.
struct SfuParts {
    key: ApiKey,
    sfu: Arc<dyn Sfu>,
    presence: Arc<dyn Presence>,
    /// One that says nothing by itself.
    elsewhere: Option<Arc<TwirpSfu>>,
}

/// With which tokens for the SFU in this process are signed.
pub fn signing_key(settings: &Settings) -> ApiKey {
    let (name, secret) = settings.sfu.keys.expose().signing();
    ApiKey {
        name: name.to_owned(),
        secret: Secret::new(secret.to_owned()),
    }
}

fn sfu(focus: &FocusSettings, settings: &Settings, handle: SfuHandle) -> Result<SfuParts> {
    Ok(match &focus.sfu {
        SfuPlace::Here => {
            let here = Arc::new(SfuHere::new(handle, system_clock()));
            SfuParts {
                key: signing_key(settings),
                sfu: Arc::clone(&here) as _,
                presence: here,
                elsewhere: None,
            }
        }
        SfuPlace::At { api_url, key } => {
            let sfu = TwirpSfu::new(api_url, key.clone(), system_clock()).context("[focus] sfu_api_url")?;
            let there = Arc::new(sfu);
            SfuParts {
                key: key.clone(),
                sfu: Arc::clone(&there) as _,
                presence: Arc::clone(&there) as _,
                elsewhere: Some(there),
            }
        }
    })
}

/// The rules as the file, the environment and `hanse block` say.
async fn policy(settings: &Settings, focus: &FocusSettings, store: &Store) -> Result<SitePolicy> {
    let blocked = store.blocked().await.context("[store]")?;
    Ok(SitePolicy {
        full_access: focus.full_access.clone(),
        rules: settings.policy.clone(),
        blocked: blocked.into_iter().map(|blocked| blocked.server).collect(),
    })
}

/// The homeservers that pass requests for tokens on to us.
fn signed(homeservers: &HomeserversConfig) -> Vec<ServerName> {
    let signed = homeservers
        .registrations
        .iter()
        .filter(|registration| registration.proxy_url.is_some());
    signed
        .map(|registration| registration.server_name().clone())
        .collect()
}

/// Carries what the SFU in this process says of its seats.
async fn listen(focus: Arc<Focus>, handle: SfuHandle) {
    let mut events = handle.subscribe();
    let here = Arc::new(SfuHere::new(handle, system_clock()));
    while let Some(heard) = events.next().await {
        let Some(event) = seat_event(&heard) else { continue };
        let is_missed = event == SeatEvent::Missed;
        focus.hear(event).await;
        if is_missed {
            let participants = |room: String| {
                let here = Arc::clone(&here);
                async move { here.participants(&room).await }
            };
            hanse_focus::look_again(&focus, participants).await;
        }
    }
}

async fn sweep(store: Store) {
    let mut round = interval(SWEEP_INTERVAL);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        match store.sweep(hanse_runtime::clock::unix_ms()).await {
            Ok(swept) => tracing::debug!(?swept, "what is over is deleted"),
            Err(error) => tracing::warn!("what is over could not be deleted: {error}"),
        }
    }
}
