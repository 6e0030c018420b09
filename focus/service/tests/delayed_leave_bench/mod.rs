//! A machine in virtual time, with its store and its open questions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // A test may panic.
#![allow(dead_code)] // Each test file uses its own part.

use hanse_focus::delayed_leave::*;
use hanse_focus::{DelayedEventError, LeaveChange};
use hanse_runtime::Secret;
use std::collections::BTreeMap;

pub const HOUR: u64 = 3_600_000;
pub const SECOND: u64 = 1_000;
pub const START: u64 = 1_800_000_000_000;
pub const ALICE: &str = "oSVOnlPHTxVrtN2zra08D0aahmd0qC+fR2fVs09/oMI";
pub const ALICE_PLAIN: &str = "@alice:org-a.example:ALICESDEV";
pub const BOB: &str = "PysMqAxKf+RWiGEp8fyFkJjwJBvrz64q39Xbh7SX5F8";

/// What was asked, in short.
#[derive(Clone, Debug, PartialEq)]
pub enum Did {
    Restart(String),
    Send(String),
    Cancel(String),
    LookUp,
    End(End),
}

/// A machine, what it has stored, and its open questions.
pub struct Bench {
    pub machine: LeaveMachine,
    pub now: u64,
    pub stored: BTreeMap<Seat, LeaveJob>,
    pub restarts: Vec<Ticket>,
    pub sends: Vec<Ticket>,
    pub look_ups: Vec<Ticket>,
    pub did: Vec<(u64, Did)>,
}

pub fn seat(identity: &str) -> Seat {
    Seat {
        room: "room".into(),
        identity: identity.into(),
    }
}

pub fn delegation(identity: &str, delay_id: &str, delay_ms: u64) -> Delegation {
    Delegation {
        seat: seat(identity),
        other_identity: None,
        server: "org-a.example".parse().unwrap(),
        delay_id: Secret::new(delay_id.into()),
        delay_ms,
    }
}

pub fn unreachable() -> DelayedEventError {
    DelayedEventError::Unreachable("no connection to it".into())
}

impl Bench {
    pub fn new() -> Self {
        Bench::with_glances(0)
    }

    pub fn with_glances(presence_interval_ms: u64) -> Self {
        Bench {
            machine: LeaveMachine::new(presence_interval_ms, [7; 32]),
            now: START,
            stored: BTreeMap::new(),
            restarts: Vec::new(),
            sends: Vec::new(),
            look_ups: Vec::new(),
            did: Vec::new(),
        }
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            let did = match output {
                Output::Write(LeaveChange::Take(job)) => {
                    self.stored.insert(job.seat.clone(), job);
                    continue;
                }
                Output::Write(LeaveChange::Update(job)) => {
                    assert!(
                        self.stored.insert(job.seat.clone(), job).is_some(),
                        "was taken before"
                    );
                    continue;
                }
                Output::Write(LeaveChange::Forget(seat)) => {
                    assert!(self.stored.remove(&seat).is_some(), "was taken before");
                    continue;
                }
                Output::Restart(ticket, _, delay_id) => {
                    self.restarts.push(ticket);
                    Did::Restart(delay_id.expose().clone())
                }
                Output::Send(ticket, _, delay_id) => {
                    self.sends.push(ticket);
                    Did::Send(delay_id.expose().clone())
                }
                Output::Cancel(_, delay_id) => Did::Cancel(delay_id.expose().clone()),
                Output::LookUp { ticket, .. } => {
                    self.look_ups.push(ticket);
                    Did::LookUp
                }
                Output::Ended(_, end) => Did::End(end),
            };
            self.did.push((self.now - START, did));
        }
        if self.machine.is_empty() {
            assert_eq!(self.machine.next_deadline(), None, "no timer without a job");
        }
    }

    /// What was done since the last call, without times.
    pub fn done(&mut self) -> Vec<Did> {
        self.did.drain(..).map(|(_, did)| did).collect()
    }

    pub fn delegate(&mut self, delegation: Delegation) {
        self.machine.delegate(delegation, self.now).unwrap();
        self.drain();
    }

    pub fn give(&mut self, input: Input) {
        self.machine.handle(input, self.now);
        self.drain();
    }

    pub fn joined(&mut self, identity: &str, sid: &str) {
        let (seat, sid) = (seat(identity), sid.into());
        self.give(Input::Seat(SeatEvent::Joined { seat, sid }));
    }

    pub fn left(&mut self, identity: &str, sid: &str, reason: &str) {
        let (seat, sid) = (seat(identity), sid.into());
        let departure = Departure::from_reason(reason);
        self.give(Input::Seat(SeatEvent::Left { seat, sid, departure }));
    }

    /// A look finds nobody in the seat.
    pub fn missing(&mut self, identity: &str, sid: &str) {
        let (seat, sid) = (seat(identity), sid.into());
        let departure = Departure::Missing;
        self.give(Input::Seat(SeatEvent::Left { seat, sid, departure }));
    }

    pub fn aborted(&mut self, identity: &str, sid: &str) {
        let (seat, sid) = (seat(identity), sid.into());
        self.give(Input::Seat(SeatEvent::Aborted { seat, sid }));
    }

    pub fn restarted(&mut self, result: Result<(), DelayedEventError>) {
        let ticket = self.restarts.pop().expect("a restart is awaited");
        self.give(Input::Restarted(ticket, result));
    }

    pub fn sent(&mut self, result: Result<(), DelayedEventError>) {
        let ticket = self.sends.pop().expect("a send is awaited");
        self.give(Input::Sent(ticket, result));
    }

    pub fn looked_up(&mut self, answer: LookUpAnswer) {
        let ticket = self.look_ups.pop().expect("a look-up is awaited");
        self.give(Input::LookedUp(ticket, answer));
    }

    /// Lets time pass, deadline by deadline, answering every question the same way at once.
    pub fn pass(&mut self, ms: u64, homeserver: &Result<(), DelayedEventError>, sfu: &LookUpAnswer) {
        let end = self.now + ms;
        loop {
            // A look-up may lead to a request, but no request to a look-up at once.
            while let Some(ticket) = self.look_ups.pop() {
                self.give(Input::LookedUp(ticket, sfu.clone()));
            }
            while let Some(ticket) = self.restarts.pop() {
                self.give(Input::Restarted(ticket, homeserver.clone()));
            }
            while let Some(ticket) = self.sends.pop() {
                self.give(Input::Sent(ticket, homeserver.clone()));
            }
            match self.machine.next_deadline() {
                Some(deadline) if deadline <= end => self.now = self.now.max(deadline),
                _ => break,
            }
            self.machine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Somebody connected, with a leave of an hour.
    pub fn with_alice_connected() -> Self {
        let mut bench = Bench::new();
        bench.delegate(delegation(ALICE, "first", HOUR));
        bench.looked_up(LookUpAnswer::Absent);
        bench.joined(ALICE, "PA_1");
        bench.restarted(Ok(()));
        bench.did.clear();
        bench
    }

    pub fn state(&self, identity: &str) -> LeaveState {
        self.stored[&seat(identity)].state
    }

    /// The process dies without a word; another begins with what was stored.
    pub fn crash(&mut self) {
        let jobs = self.stored.values().cloned().collect();
        self.machine = LeaveMachine::new(0, [8; 32]);
        self.restarts.clear();
        self.sends.clear();
        self.look_ups.clear();
        self.did.clear();
        self.give(Input::Recovered(jobs));
    }
}

pub const CONNECTED: fn() -> LookUpAnswer = || LookUpAnswer::Connected { sid: "PA_1".into() };
