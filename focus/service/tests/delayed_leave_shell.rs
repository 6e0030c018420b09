//! Delayed leaves between a homeserver, an SFU and a store that only pretend: what is durable, who acts when several processes
//! share a store, and what one that hangs does to the others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

use hanse_focus::delayed_leave::*;
use hanse_focus::{
    Answer, Clock, DelayedEventError, DelayedEvents, LeaveChange, LeaveStore, Now, Presence, Seen,
    ServerName, SfuError, StoreError,
};
use hanse_runtime::Secret;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::{pending, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const HOUR_MS: u64 = 3_600_000;
const UNIX_S: u64 = 1_800_000_000;

/// Homeservers that write down what they are told, `silent.example` excepted.
#[derive(Default)]
struct Homeservers {
    told: Mutex<Vec<String>>,
}

impl Homeservers {
    fn tell(
        &self,
        server: &ServerName,
        what: &str,
        delay_id: &str,
    ) -> Answer<'_, Result<(), DelayedEventError>> {
        self.told.lock().unwrap().push(format!("{what} {delay_id}"));
        if server.as_str() == "silent.example" {
            return Box::pin(pending());
        }
        Box::pin(ready(Ok(())))
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl DelayedEvents for Homeservers {
    fn restart<'a>(
        &'a self,
        server: &'a ServerName,
        id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        self.tell(server, "restart", id)
    }

    fn send<'a>(&'a self, server: &'a ServerName, id: &'a str) -> Answer<'a, Result<(), DelayedEventError>> {
        self.tell(server, "send", id)
    }

    fn cancel<'a>(
        &'a self,
        server: &'a ServerName,
        id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        self.tell(server, "cancel", id)
    }
}

/// An SFU with these people in it.
#[derive(Default)]
struct People {
    there: Mutex<HashSet<String>>,
    asked: AtomicUsize,
    open: AtomicUsize,
    open_max: AtomicUsize,
}

impl Presence for People {
    fn look_up<'a>(&'a self, _room: &'a str, identity: &'a str) -> Answer<'a, Result<Seen, SfuError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let open = 1 + self.open.fetch_add(1, Ordering::Relaxed);
            self.open_max.fetch_max(open, Ordering::Relaxed);
            sleep(Duration::from_millis(1)).await;
            self.open.fetch_sub(1, Ordering::Relaxed);
            let sid = format!("PA_{identity}");
            Ok(match self.there.lock().unwrap().contains(identity) {
                true => Seen::Connected { sid },
                false => Seen::Absent,
            })
        })
    }
}

/// The rows that processes share, each with the number of the one that holds it.
#[derive(Default)]
struct Table {
    rows: Mutex<BTreeMap<Seat, (usize, LeaveJob)>>,
    claimed_at: Mutex<HashMap<usize, Instant>>,
}

/// The table as one process has it.
struct Store {
    table: Arc<Table>,
    process: usize,
    is_away: AtomicBool,
}

impl Store {
    fn write_now(&self, changes: &[LeaveChange]) -> Vec<Seat> {
        let mut rows = self.table.rows.lock().unwrap();
        let mut lost = Vec::new();
        for change in changes {
            match change {
                LeaveChange::Take(job) => {
                    rows.insert(job.seat.clone(), (self.process, job.clone()));
                }
                LeaveChange::Update(job) => match rows.get_mut(&job.seat) {
                    Some((holder, row)) if *holder == self.process => *row = job.clone(),
                    _ => lost.push(job.seat.clone()),
                },
                LeaveChange::Forget(seat) => {
                    if rows.get(seat).is_some_and(|(holder, _)| *holder == self.process) {
                        rows.remove(seat);
                    }
                }
            }
        }
        lost
    }
}

impl LeaveStore for Store {
    fn write<'a>(&'a self, changes: &'a [LeaveChange]) -> Answer<'a, Result<Vec<Seat>, StoreError>> {
        Box::pin(async move {
            sleep(Duration::from_millis(5)).await;
            if self.is_away.load(Ordering::Relaxed) {
                return Err(StoreError("the disk is full".into()));
            }
            Ok(self.write_now(changes))
        })
    }

    fn claim(&self) -> Answer<'_, Result<Vec<LeaveJob>, StoreError>> {
        let now = Instant::now();
        let mut claimed_at = self.table.claimed_at.lock().unwrap();
        claimed_at.insert(self.process, now);
        let mut jobs = Vec::new();
        for (holder, job) in self.table.rows.lock().unwrap().values_mut() {
            let renewed = claimed_at.get(holder);
            if renewed.is_none_or(|at| now - *at >= 3 * CLAIM_INTERVAL) {
                *holder = self.process;
                jobs.push(job.clone());
            }
        }
        Box::pin(ready(Ok(jobs)))
    }

    fn take<'a>(&'a self, seat: &'a Seat) -> Answer<'a, Result<Option<LeaveJob>, StoreError>> {
        let mut rows = self.table.rows.lock().unwrap();
        let taken = rows.get_mut(seat).map(|(holder, job)| {
            *holder = self.process;
            job.clone()
        });
        Box::pin(ready(Ok(taken)))
    }
}

/// A process, and its view of the world.
struct Process {
    leaves: Leaves,
    homeservers: Arc<Homeservers>,
    store: Arc<Store>,
}

#[derive(Default)]
struct World {
    table: Arc<Table>,
    people: Arc<People>,
    processes: AtomicUsize,
}

impl World {
    async fn process(&self) -> Process {
        let homeservers = Arc::new(Homeservers::default());
        let store = Arc::new(Store {
            table: Arc::clone(&self.table),
            process: self.processes.fetch_add(1, Ordering::Relaxed),
            is_away: AtomicBool::new(false),
        });
        let ports = LeavePorts {
            delayed_events: Arc::clone(&homeservers) as _,
            presence: Arc::clone(&self.people) as _,
            store: Arc::clone(&store) as _,
        };
        let now = Now {
            instant: hanse_runtime::clock::now(),
            unix_s: UNIX_S,
        };
        let clock: Clock = Arc::new(move || now);
        Process {
            leaves: Leaves::start(ports, Duration::ZERO, &clock).await.unwrap(),
            homeservers,
            store,
        }
    }

    fn comes(&self, identity: &str) {
        self.people.there.lock().unwrap().insert(identity.into());
    }

    fn goes(&self, identity: &str) {
        self.people.there.lock().unwrap().remove(identity);
    }

    fn stored(&self) -> Vec<LeaveJob> {
        let rows = self.table.rows.lock().unwrap();
        rows.values().map(|(_, job)| job.clone()).collect()
    }
}

fn seat(identity: &str) -> Seat {
    Seat {
        room: "room".into(),
        identity: identity.into(),
    }
}

fn of(identity: &str) -> Delegation {
    Delegation {
        seat: seat(identity),
        other_identity: None,
        server: "org-a.example".parse().unwrap(),
        delay_id: Secret::new(identity.into()),
        delay_ms: HOUR_MS,
    }
}

fn left(identity: &str) -> SeatEvent {
    SeatEvent::Left {
        seat: seat(identity),
        sid: String::new(),
        departure: Departure::Gone,
    }
}

/// As long as everything that is under way takes, and nothing that waits for a time.
async fn settle() {
    sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_leave_is_acknowledged_once_it_is_stored_and_sent_when_its_owner_goes() {
    let world = World::default();
    let process = world.process().await;
    world.comes("alice");
    process.leaves.delegate(of("alice")).await.unwrap();
    let stored = world.stored();
    assert_eq!(
        (stored.len(), stored[0].delay_ms, stored[0].restarted_at_ms),
        (1, HOUR_MS, UNIX_S * 1000)
    );
    settle().await;
    assert_eq!(process.homeservers.told(), ["restart alice"]);
    process.leaves.seat_event(left("alice")).await;
    settle().await;
    assert_eq!(process.homeservers.told(), ["send alice"]);
    assert!(world.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_not_promised_but_done_and_stored_when_that_is_possible_again() {
    let world = World::default();
    let process = world.process().await;
    process.store.is_away.store(true, Ordering::Relaxed);
    let refused = process.leaves.delegate(of("alice")).await;
    assert_eq!(refused, Err(LeaveRefusal::NotStored));
    world.comes("alice");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(process.homeservers.told(), ["restart alice"]);
    assert!(world.stored().is_empty());
    process.store.is_away.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.stored()[0].state, LeaveState::Connected);
}

#[tokio::test(start_paused = true)]
async fn the_next_process_goes_on_where_one_was_killed() {
    let world = World::default();
    {
        let process = world.process().await;
        for identity in ["alice", "bob"] {
            world.comes(identity);
            process.leaves.delegate(of(identity)).await.unwrap();
        }
        settle().await;
        assert_eq!(world.stored().len(), 2);
    }
    world.goes("alice");
    sleep(3 * CLAIM_INTERVAL).await;
    let next = world.process().await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(next.homeservers.told(), ["restart bob"], "alice may come back");
    sleep(Duration::from_millis(RETURN_WAIT_MS)).await;
    assert_eq!(next.homeservers.told(), ["send alice"]);
    assert_eq!(world.stored().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stops_sends_nobody_away_and_leaves_everything_stored() {
    let world = World::default();
    let process = world.process().await;
    for number in 0..50 {
        world.comes(&number.to_string());
        process.leaves.delegate(of(&number.to_string())).await.unwrap();
    }
    for number in 0..50 {
        process
            .leaves
            .seat_event(SeatEvent::Left {
                seat: seat(&number.to_string()),
                sid: String::new(),
                departure: Departure::from_reason("SERVER_SHUTDOWN"),
            })
            .await;
    }
    process.leaves.shutdown().await;
    let waiting = |job: &LeaveJob| job.state == LeaveState::WaitingForConnect;
    assert_eq!(world.stored().iter().filter(|job| waiting(job)).count(), 50);
    process.leaves.seat_event(left("1")).await;
    assert_eq!(
        process.leaves.delegate(of("late")).await,
        Err(LeaveRefusal::Stopping)
    );
    settle().await;
    assert!(
        process
            .homeservers
            .told()
            .iter()
            .all(|told| told.starts_with("restart"))
    );
}

#[tokio::test(start_paused = true)]
async fn whichever_process_hears_of_a_seat_acts_and_the_other_does_not() {
    let world = World::default();
    let (first, second) = (world.process().await, world.process().await);
    world.comes("alice");
    first.leaves.delegate(of("alice")).await.unwrap();
    settle().await;
    assert_eq!(first.homeservers.told(), ["restart alice"]);
    world.goes("alice");
    second.leaves.seat_event(left("alice")).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(second.homeservers.told(), ["send alice"]);
    assert!(world.stored().is_empty());
    sleep(Duration::from_secs(7200)).await;
    assert_eq!(
        first.homeservers.told(),
        ["restart alice"],
        "once more at most, then it knows"
    );
}

#[tokio::test(start_paused = true)]
async fn when_one_of_two_processes_dies_the_other_takes_its_leaves_over() {
    let world = World::default();
    let (first, second) = (world.process().await, world.process().await);
    for identity in ["alice", "bob"] {
        world.comes(identity);
    }
    first.leaves.delegate(of("alice")).await.unwrap();
    second.leaves.delegate(of("bob")).await.unwrap();
    settle().await;
    second.homeservers.told();
    drop(first);
    world.goes("alice");
    sleep(4 * CLAIM_INTERVAL + Duration::from_millis(RETURN_WAIT_MS + 2_000)).await;
    assert_eq!(second.homeservers.told(), ["send alice"]);
    let holders: Vec<usize> = world
        .table
        .rows
        .lock()
        .unwrap()
        .values()
        .map(|row| row.0)
        .collect();
    assert_eq!(holders, [1], "bob's, as before");
}

#[tokio::test(start_paused = true)]
async fn a_homeserver_that_hangs_is_given_up_and_asked_again_and_holds_up_nobody() {
    let world = World::default();
    let process = world.process().await;
    let mut stuck = of("alice");
    stuck.server = "silent.example".parse().unwrap();
    for identity in ["alice", "bob"] {
        world.comes(identity);
    }
    process.leaves.delegate(stuck).await.unwrap();
    process.leaves.delegate(of("bob")).await.unwrap();
    settle().await;
    assert_eq!(process.homeservers.told(), ["restart alice", "restart bob"]);
    process.leaves.seat_event(left("alice")).await;
    process.leaves.seat_event(left("bob")).await;
    settle().await;
    assert_eq!(process.homeservers.told(), ["send alice", "send bob"]);
    sleep(ERRAND_TIMEOUT + Duration::from_secs(2)).await;
    assert_eq!(process.homeservers.told(), ["send alice"]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_leaves_are_taken_up_within_seconds_without_a_flood() {
    let world = World::default();
    for number in 0..10_000 {
        let job = LeaveJob {
            seat: seat(&number.to_string()),
            other_identity: None,
            server: "org-a.example".parse().unwrap(),
            delay_id: Secret::new(number.to_string()),
            delay_ms: HOUR_MS,
            restarted_at_ms: UNIX_S * 1000,
            state: LeaveState::Connected,
        };
        let mut rows = world.table.rows.lock().unwrap();
        rows.insert(job.seat.clone(), (99, job));
        world.comes(&number.to_string());
    }
    let process = world.process().await;
    timeout(Duration::from_secs(3), async {
        while process.homeservers.told.lock().unwrap().len() < 10_000 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("all are restarted");
    assert_eq!(world.people.asked.load(Ordering::Relaxed), 10_000);
    let open_max = world.people.open_max.load(Ordering::Relaxed);
    assert!((10..=128).contains(&open_max), "{open_max}");
}
