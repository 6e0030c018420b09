//! Hours of calls in virtual time, from seeds: people come, go, die and come back; the homeserver is away now and then and its
//! answers get lost; the SFU's events get lost; the process is killed at any point, in the middle of writes too. Whatever
//! happens, nobody who is there is sent away, and nobody who is not stays for long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.

use hanse_focus::delayed_leave::*;
use hanse_focus::{DelayedEventError, LeaveChange};
use hanse_runtime::Secret;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};

const SECOND: u64 = 1_000;
const START: u64 = 1_800_000_000_000;
const STEP: u64 = 250;
const DELAY: u64 = 3_600 * SECOND;
const GLANCES: u64 = 60 * SECOND;

/// The SFU notices this late that a device has died.
const ICE: u64 = 15 * SECOND;

/// Whoever is there for longer than this, with a leave that is in our hands, is not sent away.
const SETTLED: u64 = 100 * SECOND;

/// Whoever is gone for longer than this, while homeserver and process are there, is sent away: a lost event costs a
/// glance, a lost answer a time-out and a pause.
const GONE: u64 = 240 * SECOND;

#[derive(Clone, Debug, PartialEq)]
enum Leave {
    Pending { fires_at: u64 },
    Over,
}

#[derive(Default)]
struct Device {
    /// The session that the SFU sees.
    session: Option<String>,
    /// Whether there is somebody behind it.
    is_alive: bool,
    /// When either last changed.
    since: u64,
    /// When the SFU notices that nobody is behind it.
    noticed_at: Option<u64>,
    /// Whether a new session of its own takes the seat over, or follows at once, which moves nobody.
    takes_over: bool,
    /// When it tries to connect (again).
    connects_at: Option<u64>,
    leave: Option<String>,
    /// When it was acknowledged that the leave is in our hands.
    delegated_at: Option<u64>,
    delegates_at: Option<u64>,
}

struct World {
    random: ChaCha8Rng,
    now: u64,
    machine: Option<LeaveMachine>,
    process_since: u64,
    restarts_at: u64,
    stored: BTreeMap<Seat, LeaveJob>,
    unwritten: VecDeque<LeaveChange>,
    questions: Vec<(u64, Output)>,
    homeserver_is_up: bool,
    homeserver_since: u64,
    leaves: BTreeMap<String, Leave>,
    devices: Vec<Device>,
    names: u64,
    /// What happened, to see that the simulation covers it.
    seen: BTreeMap<&'static str, u64>,
}

fn seat(device: usize) -> Seat {
    Seat {
        room: format!("room{}", device % 2),
        identity: format!("device{device}"),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let devices = (0..4).map(|_| Device::default()).collect();
        World {
            random: ChaCha8Rng::seed_from_u64(seed),
            now: START,
            machine: Some(LeaveMachine::new(GLANCES, [seed as u8; 32])),
            process_since: START,
            restarts_at: 0,
            stored: BTreeMap::new(),
            unwritten: VecDeque::new(),
            questions: Vec::new(),
            homeserver_is_up: true,
            homeserver_since: START,
            leaves: BTreeMap::new(),
            devices,
            names: 0,
            seen: BTreeMap::new(),
        }
    }

    fn one_in(&mut self, times: u32) -> bool {
        self.random.random_range(0..times) == 0
    }

    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    fn give(&mut self, input: Input) {
        if let Some(machine) = &mut self.machine {
            machine.handle(input, self.now);
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.as_mut().and_then(LeaveMachine::poll_output) {
            match output {
                Output::Write(change) => self.unwritten.push_back(change),
                Output::Ended(_, end) => self.see(match end {
                    End::Sent => "sent",
                    End::Aborted => "aborted",
                    End::GaveUp => "gave up",
                    End::Replaced => "replaced",
                    End::Lost => "lost",
                }),
                question => {
                    let at = self.now + self.random.random_range(0..2 * SECOND);
                    self.questions.push((at, question));
                }
            }
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        self.write();
        self.kill_or_start();
        self.homeserver();
        for device in 0..self.devices.len() {
            self.device(device);
        }
        self.answer();
        if let Some(machine) = &mut self.machine {
            machine.handle_timeout(self.now);
        }
        self.drain();
        self.check();
    }

    fn write(&mut self) {
        while let Some(change) = self.unwritten.pop_front() {
            match change {
                LeaveChange::Take(job) => {
                    for device in &mut self.devices {
                        if device.leave.as_ref() == Some(job.delay_id.expose()) {
                            device.delegated_at.get_or_insert(self.now);
                        }
                    }
                    self.stored.insert(job.seat.clone(), job);
                }
                LeaveChange::Update(job) => {
                    assert!(self.stored.insert(job.seat.clone(), job).is_some());
                }
                LeaveChange::Forget(seat) => assert!(self.stored.remove(&seat).is_some()),
            }
        }
        if let Some(machine) = &self.machine {
            assert_eq!(machine.len(), self.stored.len());
            assert!(self.stored.keys().all(|seat| machine.knows(seat)));
            let pending = self.questions.len();
            assert!(machine.is_empty() || machine.next_deadline().is_some() || pending > 0);
        }
    }

    fn kill_or_start(&mut self) {
        if self.machine.is_some() && self.one_in(6_000) {
            self.see("killed");
            // Some of what was under way had its effect, and nobody heard of it.
            for (_, question) in std::mem::take(&mut self.questions) {
                if self.one_in(2) {
                    let _ = self.carry_out(&question);
                }
            }
            self.machine = None;
            self.unwritten.clear();
            self.restarts_at = self.now + self.random.random_range(0..15 * SECOND);
        } else if self.machine.is_none() && self.now >= self.restarts_at {
            let seed = self.random.random();
            self.machine = Some(LeaveMachine::new(GLANCES, seed));
            self.process_since = self.now;
            let jobs = self.stored.values().cloned().collect();
            self.give(Input::Recovered(jobs));
            for device in &mut self.devices {
                // What was not acknowledged is handed over again.
                if device.leave.is_some() && device.delegated_at.is_none() && device.is_alive {
                    device.delegates_at = Some(self.now);
                }
            }
        }
    }

    fn homeserver(&mut self) {
        if self.homeserver_is_up && self.one_in(8_000) {
            self.homeserver_is_up = false;
            self.homeserver_since = self.now + self.random.random_range(0..90 * SECOND);
            self.see("homeserver away");
        }
        if !self.homeserver_is_up && self.now >= self.homeserver_since {
            self.homeserver_is_up = true;
        }
        if !self.homeserver_is_up {
            return;
        }
        let due: Vec<String> = self
            .leaves
            .iter()
            .filter(|(_, leave)| matches!(leave, Leave::Pending { fires_at } if *fires_at <= self.now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.see("fired by itself");
            self.fire(&id);
        }
    }

    /// The leave is sent: whose is it, and may that be?
    fn fire(&mut self, id: &str) {
        self.leaves.insert(id.to_owned(), Leave::Over);
        let now = self.now;
        let Some(device) = self
            .devices
            .iter_mut()
            .find(|device| device.leave.as_deref() == Some(id))
        else {
            return;
        };
        let settled_since = device
            .since
            .max(device.delegated_at.unwrap_or(now))
            .max(self.homeserver_since);
        assert!(
            !(device.is_alive && (device.session.is_some() || device.takes_over))
                || now - settled_since <= SETTLED,
            "somebody who is there is sent away, at {} s",
            (now - START) / SECOND
        );
        device.leave = None;
        device.delegated_at = None;
        device.delegates_at = None;
    }

    fn device(&mut self, number: usize) {
        let now = self.now;
        let (is_alive, is_there) = (
            self.devices[number].is_alive,
            self.devices[number].session.is_some(),
        );
        if self.devices[number].noticed_at.is_some_and(|at| at <= now) {
            self.leaves_sfu(number, "CONNECTION_TIMEOUT");
        }
        if is_alive && self.devices[number].connects_at.is_some_and(|at| at <= now) {
            self.connects(number);
        }
        if is_alive && self.devices[number].leave.is_none() {
            let id = self.name("leave");
            self.leaves.insert(
                id.clone(),
                Leave::Pending {
                    fires_at: now + DELAY,
                },
            );
            let soon = now + self.random.random_range(0..5 * SECOND);
            let device = &mut self.devices[number];
            device.leave = Some(id);
            device.delegates_at = Some(soon);
        }
        if is_alive && self.devices[number].delegates_at.is_some_and(|at| at <= now) {
            self.delegates(number);
        }
        if !is_alive && self.one_in(1_500) {
            // It comes, or comes back; an old leave of its seat may still be on its way.
            self.see("came");
            let soon = now + self.random.random_range(0..10 * SECOND);
            let device = &mut self.devices[number];
            device.is_alive = true;
            device.since = now;
            device.leave = None;
            device.delegated_at = None;
            device.connects_at = Some(soon);
        } else if is_alive && is_there && self.one_in(4_000) {
            match self.random.random_range(0..5) {
                0 => {
                    self.see("left");
                    self.goes(number);
                    self.leaves_sfu(number, "CLIENT_INITIATED");
                }
                1 => {
                    self.see("died");
                    self.goes(number);
                    self.devices[number].noticed_at = Some(now + ICE);
                }
                2 => {
                    self.see("took over");
                    self.devices[number].takes_over = true;
                    self.leaves_sfu(number, "DUPLICATE_IDENTITY");
                    self.devices[number].connects_at = Some(now + 3 * SECOND);
                }
                3 => {
                    self.see("began anew");
                    self.devices[number].takes_over = true;
                    self.leaves_sfu(number, "CLIENT_INITIATED");
                    self.devices[number].connects_at = Some(now + 4 * SECOND);
                }
                _ => {
                    self.see("lost its way");
                    self.leaves_sfu(number, "CONNECTION_TIMEOUT");
                    self.devices[number].connects_at = Some(now + 8 * SECOND);
                }
            }
        }
    }

    fn goes(&mut self, number: usize) {
        let device = &mut self.devices[number];
        device.is_alive = false;
        device.takes_over = false;
        device.since = self.now;
        device.connects_at = None;
        device.delegates_at = None;
    }

    fn connects(&mut self, number: usize) {
        if self.devices[number].session.is_some() {
            self.leaves_sfu(number, "DUPLICATE_IDENTITY");
        }
        let sid = self.name("PA_");
        let device = &mut self.devices[number];
        device.session = Some(sid.clone());
        if !std::mem::take(&mut device.takes_over) {
            device.since = self.now;
        }
        device.connects_at = None;
        device.noticed_at = None;
        self.event(SeatEvent::Joined {
            seat: seat(number),
            sid,
        });
    }

    fn leaves_sfu(&mut self, number: usize, reason: &str) {
        self.devices[number].noticed_at = None;
        if self.devices[number].is_alive && !self.devices[number].takes_over {
            self.devices[number].since = self.now;
        }
        if let Some(sid) = self.devices[number].session.take() {
            let departure = Departure::from_reason(reason);
            self.event(SeatEvent::Left {
                seat: seat(number),
                sid,
                departure,
            });
        }
    }

    fn event(&mut self, event: SeatEvent) {
        if self.one_in(30) {
            self.see("event lost");
        } else {
            self.give(Input::Seat(event));
        }
    }

    fn delegates(&mut self, number: usize) {
        let Some(machine) = &mut self.machine else {
            return;
        };
        let id = self.devices[number].leave.clone().unwrap();
        let delegation = Delegation {
            seat: seat(number),
            other_identity: None,
            server: "org-a.example".parse().unwrap(),
            delay_id: Secret::new(id),
            delay_ms: DELAY,
        };
        machine.delegate(delegation, self.now).unwrap();
        self.devices[number].delegates_at = None;
        self.drain();
    }

    fn answer(&mut self) {
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.questions)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.questions = later;
        let due: Vec<(u64, Output)> = due;
        for (_, question) in due {
            let result = self.carry_out(&question);
            let result = if self.one_in(20) {
                self.see("answer lost");
                Err(DelayedEventError::Unreachable("it did not answer in time".into()))
            } else {
                result
            };
            match question {
                Output::Restart(ticket, ..) => self.give(Input::Restarted(ticket, result)),
                Output::Send(ticket, ..) => self.give(Input::Sent(ticket, result)),
                Output::LookUp { ticket, seats } => {
                    let number: usize = seats[0].identity.trim_start_matches("device").parse().unwrap();
                    let is_lost = self.one_in(20);
                    let answer = match &self.devices[number].session {
                        _ if is_lost => LookUpAnswer::Unknown,
                        Some(sid) => LookUpAnswer::Connected { sid: sid.clone() },
                        None if self.devices[number].connects_at.is_some() => LookUpAnswer::Connecting,
                        None => LookUpAnswer::Absent,
                    };
                    self.give(Input::LookedUp(ticket, answer));
                }
                _ => {}
            }
        }
    }

    /// What a question does to the homeserver.
    fn carry_out(&mut self, question: &Output) -> Result<(), DelayedEventError> {
        let (Output::Restart(_, _, id) | Output::Send(_, _, id) | Output::Cancel(_, id)) = question else {
            return Ok(());
        };
        if !self.homeserver_is_up {
            return Err(DelayedEventError::Unreachable("no connection to it".into()));
        }
        if self.leaves.get(id.expose()) == Some(&Leave::Over) {
            return Err(DelayedEventError::Unknown);
        }
        match question {
            Output::Restart(..) => {
                let fires_at = self.now + DELAY;
                self.leaves
                    .insert(id.expose().clone(), Leave::Pending { fires_at });
            }
            Output::Send(..) => self.fire(id.expose()),
            _ => {
                self.leaves.insert(id.expose().clone(), Leave::Over);
            }
        }
        Ok(())
    }

    fn check(&self) {
        for device in &self.devices {
            let (Some(_), Some(delegated_at), false) = (&device.leave, device.delegated_at, device.is_alive)
            else {
                continue;
            };
            if self.machine.is_none() || !self.homeserver_is_up {
                continue;
            }
            let since = device
                .since
                .max(delegated_at)
                .max(self.process_since)
                .max(self.homeserver_since);
            assert!(
                self.now - since <= GONE,
                "a ghost, at {} s",
                (self.now - START) / SECOND
            );
        }
    }
}

#[test]
fn nobody_who_is_there_is_sent_away_and_no_ghost_stays() {
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 0..40 {
        let mut world = World::new(seed);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..4 * 3_600 * SECOND / STEP {
                world.step();
            }
        }));
        assert!(run.is_ok(), "seed {seed}");
        for (what, times) in world.seen {
            *seen.entry(what).or_default() += times;
        }
    }
    for what in [
        "sent",
        "replaced",
        "killed",
        "homeserver away",
        "came",
        "left",
        "died",
        "took over",
        "began anew",
        "lost its way",
        "event lost",
        "answer lost",
    ] {
        assert!(
            seen.get(what).is_some_and(|times| *times >= 20),
            "{what}: {seen:?}"
        );
    }
}
