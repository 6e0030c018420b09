//! Requests for tokens: the focus's router over HTTP on loopback, in a thread of its own, as the whole of one core. Every
//! request is proven before (the proof is in the cache), judged by the facts of a room of [`MEMBERS`] people who are all in
//! its call, signed, noted, logged; and the watch over admitted seats runs beside it as in the executable.

use crate::client::{Client, post};
use crate::figures::{Figures, Target, percentile};
use crate::stand_ins::{KnownRooms, ObedientSfu, TOKEN_PREFIX, TrustfulHomeserver};
use crate::usage::thread_cpu;
use anyhow::{Context, ensure};
use axum::extract::Request;
use axum::middleware::map_request;
use axum::serve::ListenerExt;
use hanse_focus::delayed_leave::{Seat, SeatEvent};
use hanse_focus::{
    ApiKey, Focus, FocusSettings, FullAccess, PolicyConfig, Ports, RoomFacts, RoomId, SfuPlace, SitePolicy,
    UserId, Watch, router, system_clock,
};
use hanse_matrixrtc::names::{ROOM_CALL_SLOT, hashed_identity, plain_identity, sfu_room};
use hanse_matrixrtc::{Access, Event};
use hanse_runtime::{ClientAddress, Secret};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Rooms. With their people they fit into the cache of proofs, and nobody needs more requests than one person may make.
const ROOMS: usize = 20;

/// People of each, all in its call.
const MEMBERS: usize = 200;

/// Connections, each with one request at a time.
const CONNECTIONS: usize = 8;

/// Requests a second while the time of each is taken: a call with 200 people that begins at the full hour, and then some.
const MODERATE_RATE: u32 = 300;

/// Requests whose time is taken.
const TIMED: usize = 6_000;

/// Requests as fast as they are answered.
const FLOOD: usize = 40_000;

/// Measures answering times, and how many requests one core answers.
///
/// # Errors
///
/// When a request is refused, or answered from anything but the cache.
pub fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    log_as_in_production()?;
    let homeserver = Arc::new(TrustfulHomeserver::default());
    let people = people()?;
    let focus = focus(&people, Arc::clone(&homeserver))?;
    let server = FocusServer::start(Arc::clone(&focus))?;
    let requests: Vec<Vec<u8>> = people.iter().map(Person::request).collect();

    eprintln!(
        "token requests: {} people come into {ROOMS} calls …",
        people.len()
    );
    ask(server.address, &requests, requests.len(), None)?;
    for person in &people {
        let (seat, sid) = (person.seat()?, "PA_abcdefghijkl".to_owned());
        focus.heard(&SeatEvent::Joined { seat, sid });
    }

    eprintln!("token requests: {TIMED} at {MODERATE_RATE} a second …");
    let mut times = ask(server.address, &requests, TIMED, Some(MODERATE_RATE))?;
    times.sort_by(f64::total_cmp);
    let at_rate = format!("at {MODERATE_RATE} requests/s, seen by the client");
    figures.note(
        format!("token request, p50 {at_rate}"),
        percentile(&times, 0.50),
        "ms",
    );
    figures.judge(
        format!("token request, p95 {at_rate}"),
        percentile(&times, 0.95),
        "ms",
        Target::Below(5.0),
    );
    figures.note(
        format!("token request, p99 {at_rate}"),
        percentile(&times, 0.99),
        "ms",
    );

    eprintln!("token requests: {FLOOD} as fast as they are answered …");
    let (cpu, clock) = (server.cpu()?, Instant::now());
    ask(server.address, &requests, FLOOD, None)?;
    let (cpu, clock) = (server.cpu()?.saturating_sub(cpu), clock.elapsed());
    figures.judge(
        "token requests a second of one core's time",
        FLOOD as f64 / cpu.as_secs_f64(),
        "1/s",
        Target::AtLeast(3000.0),
    );
    let wall_rate = FLOOD as f64 / clock.as_secs_f64();
    figures.note(
        "the same by the clock, clients on the same machine",
        wall_rate,
        "1/s",
    );

    let asked = homeserver.asked.load(Ordering::Relaxed);
    ensure!(
        asked == people.len(),
        "the cache of proofs was not warm: {asked} questions about {} people",
        people.len()
    );
    Ok(())
}

/// Lines are made and written as the executable does it, to where nobody reads them.
fn log_as_in_production() -> anyhow::Result<()> {
    let nowhere = File::options().write(true).open("/dev/null")?;
    tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_writer(Arc::new(nowhere))
        .with_ansi(false)
        .try_init()
        .map_err(|error| anyhow::anyhow!("no log: {error}"))
}

/// Somebody in a room.
struct Person {
    room: RoomId,
    user: UserId,
    /// Comes by `/sfu/get` and not by `/get_token`.
    by_sfu_get: bool,
    address: Ipv4Addr,
}

/// 10.0.0.0; each address is shared by one person of every room.
const FIRST_ADDRESS: u32 = 10 << 24;

const DEVICE: &str = "ABCDEFGHIJ";
const MEMBERSHIP: &str = "5c0f1a52-6f0e-4d2f-9a64-3c5b0a1e7d11";

fn people() -> anyhow::Result<Vec<Person>> {
    let mut people = Vec::with_capacity(ROOMS * MEMBERS);
    for number in 0..MEMBERS {
        for room in 0..ROOMS {
            // Half of them of our own homeserver, the others of one other in each room.
            let server = if number % 4 < 2 {
                "org-a.example".to_owned()
            } else {
                format!("org-{room}.example")
            };
            people.push(Person {
                room: format!("!room{room}:org-a.example").parse()?,
                user: format!("@person{number}-{room}:{server}").parse()?,
                by_sfu_get: number % 2 == 0,
                address: Ipv4Addr::from(FIRST_ADDRESS | u32::try_from(number)?),
            });
        }
    }
    Ok(people)
}

impl Person {
    fn request(&self) -> Vec<u8> {
        let openid = json!({
            "access_token": format!("{TOKEN_PREFIX}{}", self.user), "expires_in": 3600,
            "matrix_server_name": self.user.server_name().as_str(), "token_type": "Bearer",
        });
        let (path, body) = if self.by_sfu_get {
            let body = json!({"room": self.room.as_str(), "openid_token": openid, "device_id": DEVICE});
            ("/sfu/get", body)
        } else {
            let member =
                json!({"id": MEMBERSHIP, "claimed_user_id": self.user.as_str(), "claimed_device_id": DEVICE});
            let body = json!({
                "room_id": self.room.as_str(), "slot_id": ROOM_CALL_SLOT, "openid_token": openid, "member": member,
            });
            ("/get_token", body)
        };
        post(path, self.address, &body.to_string())
    }

    fn seat(&self) -> anyhow::Result<Seat> {
        let identity = if self.by_sfu_get {
            plain_identity(&self.user, DEVICE).context("no identity")?
        } else {
            hashed_identity(&self.user, DEVICE, MEMBERSHIP)
        };
        let room = sfu_room(self.room.as_str(), ROOM_CALL_SLOT);
        Ok(Seat { room, identity })
    }
}

fn focus(people: &[Person], homeserver: Arc<TrustfulHomeserver>) -> anyhow::Result<Arc<Focus>> {
    let mut state: HashMap<RoomId, Vec<Event>> = HashMap::new();
    for person in people {
        let events = match state.entry(person.room.clone()) {
            std::collections::hash_map::Entry::Occupied(events) => events.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(room_state(&person.user)?),
        };
        let user = person.user.as_str();
        events.push(event("m.room.member", user, user, json!({"membership": "join"}))?);
    }
    let facts = state.into_iter().map(|(room, events)| {
        let facts = RoomFacts::read(&events).context("the facts of a room")?;
        Ok((room, Arc::new(facts)))
    });
    let facts = facts.collect::<anyhow::Result<HashMap<_, _>>>()?;
    let full_access = FullAccess::Only(HashSet::from(["org-a.example".parse()?]));
    let settings = FocusSettings {
        sfu_url: "wss://hanse.org-a.example/livekit/sfu".to_owned(),
        full_access: full_access.clone(),
        token_lifetime_s: 3600,
        presence_check_interval_s: 0,
        sfu: SfuPlace::Here,
    };
    let policy = SitePolicy {
        full_access,
        rules: PolicyConfig {
            publishing: HashSet::new(),
            denied: HashSet::new(),
            strangers: Access::Subscribe,
        },
        blocked: HashSet::new(),
    };
    let key = ApiKey {
        name: "bench".to_owned(),
        secret: Secret::new("a secret for measurements, long enough".to_owned()),
    };
    let ports = Ports {
        homeserver,
        rooms: Some(Arc::new(KnownRooms::new(facts))),
        sfu: Arc::new(ObedientSfu),
        clock: system_clock(),
    };
    Ok(Arc::new(Focus::new(&settings, policy, key, ports)))
}

/// What a room of `creator` has besides its people.
fn room_state(creator: &UserId) -> anyhow::Result<Vec<Event>> {
    let creator = creator.as_str();
    let power =
        json!({"users": {creator: 100}, "users_default": 0, "events": {"org.matrix.msc3401.call.member": 0}});
    let policy = json!({"start": 0, "screen": 0, "homeservers": {"org-c.example": {"access": "deny"}}});
    Ok(vec![
        event("m.room.create", "", creator, json!({"room_version": "11"}))?,
        event("m.room.power_levels", "", creator, power)?,
        event("org.hanse.call_policy", "", creator, policy)?,
    ])
}

fn event(kind: &str, key: &str, sender: &str, content: Value) -> anyhow::Result<Event> {
    let event =
        json!({"type": kind, "state_key": key, "sender": sender, "event_id": "$event", "content": content});
    Event::read(event).context("an event")
}

/// As the executable does it behind a reverse proxy.
async fn with_address(mut request: Request) -> Request {
    let forwarded = request.headers().get("x-forwarded-for");
    let address = forwarded.and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(address) = address {
        request.extensions_mut().insert(ClientAddress(address));
    }
    request
}

/// The focus behind a socket, in one thread.
struct FocusServer {
    address: SocketAddr,
    cpu: mpsc::Sender<oneshot::Sender<Duration>>,
}

impl FocusServer {
    fn start(focus: Arc<Focus>) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (cpu, mut asked) = mpsc::channel::<oneshot::Sender<Duration>>(1);
        thread::Builder::new().name("focus".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(Watch::new(Arc::clone(&focus)).run());
                tokio::spawn(async move {
                    while let Some(answer) = asked.recv().await {
                        let _ = answer.send(thread_cpu());
                    }
                });
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let listener = listener.tap_io(|stream| {
                    let _ = stream.set_nodelay(true);
                });
                axum::serve(listener, router(focus).layer(map_request(with_address))).await
            })
        })?;
        Ok(FocusServer { address, cpu })
    }

    /// What its thread has used of a core so far.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let (answer, answered) = oneshot::channel();
        self.cpu.blocking_send(answer)?;
        Ok(answered.blocking_recv()?)
    }
}

/// Sends this many requests, everybody's in turn, over [`CONNECTIONS`] connections: how long each took, in ms. With a rate,
/// each has its moment; one that is late because the one before it on its connection took longer than the time between
/// the two is not counted as late, which at these rates takes an answer of tens of milliseconds, that counts.
fn ask(
    address: SocketAddr,
    requests: &[Vec<u8>],
    count: usize,
    rate: Option<u32>,
) -> anyhow::Result<Vec<f64>> {
    let interval = rate.map(|rate| Duration::from_secs(1) / rate);
    let begin = Instant::now() + Duration::from_millis(50);
    let one = |connection: usize| -> anyhow::Result<Vec<f64>> {
        let mut client = Client::connect(address)?;
        let mut times = Vec::with_capacity(count / CONNECTIONS + 1);
        for number in (connection..count).step_by(CONNECTIONS) {
            let request = requests.get(number % requests.len()).context("nobody asks")?;
            if let Some(interval) = interval {
                let due = begin + interval * u32::try_from(number)?;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let sent = Instant::now();
            client.ask(request)?;
            times.push(sent.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(times)
    };
    thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|connection| scope.spawn(move || one(connection)))
            .collect();
        let mut times = Vec::with_capacity(count);
        for connection in connections {
            let joined = connection.join().ok().context("a client broke down")?;
            times.extend(joined?);
        }
        Ok(times)
    })
}
