//! The machine: inputs, outputs, and its tables. Time is Unix time in ms, because jobs outlive the process; it may stand
//! still, and should not run backwards.

use super::job::{Delegation, LeaveJob, LeaveState, Seat, SeatEvent};
use crate::ports::{DelayedEventError, LeaveChange};
use hanse_matrixrtc::ServerName;
use hanse_runtime::Secret;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Jobs at a time, about 1 kB each. Beyond it leaves are refused; their clients keep them alive themselves.
pub const JOBS_MAX: usize = 50_000;

/// How long a client may take from handing its leave over to being connected. After that, its seat being empty means
/// that it is gone. Longer leaves ghosts of those who died on the way; shorter throws people on very slow links out.
pub const CONNECT_WAIT_MS: u64 = 90_000;

/// How long somebody may take to come back whose session ended on the server's side: LiveKit's clients try for 44 s, and
/// most of them are back after a few. Also how long everybody has after this process has started anew.
pub const RETURN_WAIT_MS: u64 = 30_000;

/// How long somebody may take to come back whose client ended the session itself: LiveKit's clients begin anew at once, and
/// once more 0.3 s, 2 s and 5 s later if that fails. Who hangs up does not stay for longer: Element Call has the homeserver
/// send the leave before its client ends the session. Whoever only closes the page stays for so long.
pub const ANEW_WAIT_MS: u64 = 5_000;

/// How long after a failed attempt to connect the seat is looked at: time for the client's next attempt.
pub const ABORT_WAIT_MS: u64 = 5_000;

/// After this an absence that no event announced is looked at once more, before it counts.
pub const ABSENCE_WAIT_MS: u64 = 3_000;

/// The same where a look at the whole SFU found the seat empty, which is all that one without webhooks tells, and up to
/// 2 s late (`follow.rs`). Media that is lost ends a session after 15 s, and a dead device is to be out of
/// the call within 20 s.
pub const MISSING_WAIT_MS: u64 = 1_500;

/// Longest wait for somebody to connect, whatever the delay and whether or not the SFU answers.
pub const WAIT_MS_MAX: u64 = 3_600_000;

/// Which question an answer is for. An answer to one that has become pointless changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(super) job: u64,
    pub(super) number: u32,
}

/// What goes in.
#[derive(Debug)]
pub enum Input {
    /// The SFU tells something.
    Seat(SeatEvent),
    /// The answer to [`Output::LookUp`].
    LookedUp(Ticket, LookUpAnswer),
    /// The answer to [`Output::Restart`].
    Restarted(Ticket, Result<(), DelayedEventError>),
    /// The answer to [`Output::Send`].
    Sent(Ticket, Result<(), DelayedEventError>),
    /// Jobs that this process holds from now on: at its start, or taken over from another. They are judged anew.
    Recovered(Vec<LeaveJob>),
    /// The jobs of these seats are held by another process.
    Lost(Vec<Seat>),
    /// The process stops. Nothing happens any more; everything is stored as it is.
    Shutdown,
}

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// To be stored.
    Write(LeaveChange),
    /// The homeserver is to start the delay anew.
    Restart(Ticket, ServerName, Secret<String>),
    /// The homeserver is to send the leave.
    Send(Ticket, ServerName, Secret<String>),
    /// The homeserver is to forget a leave that was replaced: later it would throw the next session out. No answer is
    /// expected, and no second attempt made.
    Cancel(ServerName, Secret<String>),
    /// The SFU is to be asked who is there.
    LookUp {
        /// For the answer.
        ticket: Ticket,
        /// One or two.
        seats: Vec<Seat>,
    },
    /// A job is done.
    Ended(Seat, End),
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The leave is sent.
    Sent,
    /// The homeserver does not know the leave any more, or was not to be asked until it had to send it by itself.
    Aborted,
    /// The homeserver could not be told to send it until it had to send it by itself.
    GaveUp,
    /// Another leave took its place.
    Replaced,
    /// Another process has it.
    Lost,
}

impl End {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            End::Sent => "sent",
            End::Aborted => "aborted",
            End::GaveUp => "gave_up",
            End::Replaced => "replaced",
            End::Lost => "taken_by_another_process",
        }
    }
}

/// What the SFU says of the one or two identities of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUpAnswer {
    /// One of them is connected, in this session.
    Connected {
        /// `PA_…`
        sid: String,
    },
    /// One of them is about to.
    Connecting,
    /// None is there, for certain.
    Absent,
    /// The SFU gave no answer.
    Unknown,
}

/// Why a leave is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaveRefusal {
    /// The process stops.
    #[error("the focus is stopping")]
    Stopping,
    /// There are [`JOBS_MAX`].
    #[error("too many delayed leaves are in our hands already")]
    Full,
    /// The store did not take it, so a crash would lose it.
    #[error("the delayed leave could not be stored")]
    NotStored,
}

/// One kind of question of a job: to the homeserver, or to the SFU. At most one is open at a time.
#[derive(Default)]
pub(super) struct Question {
    /// The open one.
    pub open: Option<u32>,
    /// When the open one was asked.
    pub asked_at: u64,
    /// When to ask next, if none is open.
    pub due: Option<u64>,
    /// How often in a row it was in vain.
    pub failures: u32,
}

impl Question {
    /// Whether this is the answer that is waited for; from now on none is.
    pub fn close(&mut self, number: u32) -> bool {
        let expected = self.open == Some(number);
        if expected {
            self.open = None;
        }
        expected
    }

    pub fn drop_and_ask_at(&mut self, due: Option<u64>) {
        *self = Question {
            due,
            ..Question::default()
        };
    }

    pub fn next(&self) -> Option<u64> {
        if self.open.is_some() { None } else { self.due }
    }
}

pub(super) struct Job {
    pub leave: LeaveJob,
    /// The session in the seat, if it is known.
    pub sid: Option<String>,
    /// When the state ends by itself.
    pub deadline: u64,
    /// From when on an empty seat means that its owner is gone, while waiting.
    pub absence_counts_from: u64,
    /// Somebody sat down again while the homeserver was being told to send.
    pub returned: Option<String>,
    pub homeserver: Question,
    pub presence: Question,
    /// Where the job stands in the order of timers.
    pub timer: Option<u64>,
}

/// All delayed leaves of this process.
///
/// Give it an input or the time, then take its outputs until there are none; come back at [`LeaveMachine::next_deadline`].
pub struct LeaveMachine {
    pub(super) jobs: HashMap<u64, Job>,
    /// In order of rooms, so that a room's seats stand together.
    pub(super) seats: BTreeMap<Seat, u64>,
    timers: BTreeSet<(u64, u64)>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) random: ChaCha8Rng,
    /// 0: seats are looked at only where events leave a doubt.
    pub(super) presence_interval_ms: u64,
    pub(super) last_job: u64,
    pub(super) last_number: u32,
    pub(super) stopping: bool,
}

impl LeaveMachine {
    /// `presence_interval_ms` is how often the seats of connected people are looked at, in case that an event was lost;
    /// 0: never. The seed spreads requests; nothing secret is drawn.
    pub fn new(presence_interval_ms: u64, seed: [u8; 32]) -> Self {
        LeaveMachine {
            jobs: HashMap::new(),
            seats: BTreeMap::new(),
            timers: BTreeSet::new(),
            outputs: VecDeque::new(),
            random: ChaCha8Rng::from_seed(seed),
            presence_interval_ms,
            last_job: 0,
            last_number: 0,
            stopping: false,
        }
    }

    /// Takes a leave over. One that this seat has already is replaced, and whoever sits there stays. It is safe from a
    /// crash once the [`LeaveChange::Take`] that comes out is stored.
    ///
    /// # Errors
    ///
    /// See [`LeaveRefusal`]; then nothing has changed.
    pub fn delegate(&mut self, delegation: Delegation, now_ms: u64) -> Result<(), LeaveRefusal> {
        if self.stopping {
            return Err(LeaveRefusal::Stopping);
        }
        self.on_delegated(delegation, now_ms)
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, now_ms: u64) {
        if self.stopping {
            return;
        }
        match input {
            Input::Seat(event) => self.on_seat(event, now_ms),
            Input::LookedUp(ticket, answer) => self.with(ticket.job, |machine, job| {
                machine.on_looked_up(job, ticket, answer, now_ms)
            }),
            Input::Restarted(ticket, result) => self.with(ticket.job, |machine, job| {
                machine.on_restarted(job, ticket, result, now_ms)
            }),
            Input::Sent(ticket, result) => self.with(ticket.job, |machine, job| {
                machine.on_sent(job, ticket, result, now_ms)
            }),
            Input::Recovered(jobs) => self.on_recovered(jobs, now_ms),
            Input::Lost(seats) => self.on_lost(&seats),
            Input::Shutdown => {
                self.stopping = true;
                self.timers.clear();
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        while let Some((at, id)) = self.timers.pop_first() {
            if at > now_ms {
                self.timers.insert((at, id));
                break;
            }
            self.with(id, |machine, job| {
                job.timer = None;
                machine.on_time(job, id, now_ms)
            });
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`LeaveMachine::handle_timeout`] at the latest, in Unix ms.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether there is a job for this seat.
    pub fn knows(&self, seat: &Seat) -> bool {
        self.seats.contains_key(seat)
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// How many are how far.
    pub fn count(&self, state: LeaveState) -> usize {
        self.jobs.values().filter(|job| job.leave.state == state).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Lets `change` have the job, and afterwards puts it back with its timer set, or takes it out of the tables if it
    /// is over.
    pub(super) fn with(&mut self, id: u64, change: impl FnOnce(&mut Self, &mut Job) -> Option<End>) {
        let Some(mut job) = self.jobs.remove(&id) else {
            return;
        };
        match change(self, &mut job) {
            None => self.put(id, job),
            Some(end) => self.end(id, job, end),
        }
    }

    pub(super) fn put(&mut self, id: u64, mut job: Job) {
        let timer = job.next();
        if job.timer != timer {
            if let Some(old) = job.timer {
                self.timers.remove(&(old, id));
            }
            if let Some(new) = timer {
                self.timers.insert((new, id));
            }
            job.timer = timer;
        }
        self.jobs.insert(id, job);
    }

    pub(super) fn end(&mut self, id: u64, job: Job, end: End) {
        if let Some(timer) = job.timer {
            self.timers.remove(&(timer, id));
        }
        for seat in job.leave.seats() {
            if self.seats.get(&seat) == Some(&id) {
                self.seats.remove(&seat);
            }
        }
        if end != End::Lost {
            self.outputs
                .push_back(Output::Write(LeaveChange::Forget(job.leave.seat.clone())));
        }
        self.outputs.push_back(Output::Ended(job.leave.seat, end));
    }
}
