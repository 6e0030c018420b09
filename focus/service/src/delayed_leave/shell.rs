//! Carries out what the machine says: one task owns it, and everything else comes to that task as a message.

use super::job::{Delegation, LeaveJob, LeaveState, Seat, SeatEvent};
use super::machine::{End, Input, LeaveMachine, LeaveRefusal, LookUpAnswer, Output, Ticket};
use super::writes::{Batch, Stored, Writes};
use crate::clock::Clock;
use crate::metrics::LEAVES_ENDED;
use crate::ports::{DelayedEventError, DelayedEvents, LeaveStore, Presence, Seen, StoreError};
use hanse_runtime::Redacted;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// How long one question to a homeserver, to the SFU or to the store may take.
pub const ERRAND_TIMEOUT: Duration = Duration::from_secs(10);

/// How often this process says to the store that it is alive, and asks for jobs of processes that are not.
pub const CLAIM_INTERVAL: Duration = Duration::from_secs(5);

/// Messages that wait for the task. Whoever has one more waits.
const INBOX_MAX: usize = 1_024;

/// Questions of one kind that are open at a time. More wait: homeservers and SFUs are not flooded after a restart.
const LANE_OPEN_MAX: usize = 128;

/// Questions to the store about seats of other processes are asked one after the other, so that events stay in order.
const TAKES_OPEN_MAX: usize = 1;

/// Questions of one kind that wait. One more is answered with a failure at once, and so asked again later.
const LANE_WAITING_MAX: usize = 2 * super::JOBS_MAX;

/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What the delayed leaves need of the world.
#[derive(Clone)]
pub struct LeavePorts {
    /// Homeservers.
    pub delayed_events: Arc<dyn DelayedEvents>,
    /// The SFU.
    pub presence: Arc<dyn Presence>,
    /// What outlives the process.
    pub store: Arc<dyn LeaveStore>,
}

/// The delayed leaves that this process holds. Clones reach the same; when the last is dropped, it stops as by
/// [`Leaves::shutdown`].
#[derive(Clone)]
pub struct Leaves {
    inbox: mpsc::Sender<Message>,
}

/// How many delayed leaves are how far.
pub type LeaveCounts = [(LeaveState, usize); 3];

enum Message {
    Delegate(Delegation, Stored),
    Seat(SeatEvent),
    Count(oneshot::Sender<LeaveCounts>),
    Shutdown(oneshot::Sender<()>),
}

/// What comes back from a question.
enum Done {
    Answered(Lane, Option<Input>),
    Taken(SeatEvent, Result<Option<LeaveJob>, StoreError>),
    Claimed(Result<Vec<LeaveJob>, StoreError>),
    Written(Batch, Result<Vec<Seat>, StoreError>),
}

#[derive(Clone, Copy)]
enum Lane {
    Send,
    Restart,
    LookUp,
    Take,
}

impl Leaves {
    /// Reads what is stored and begins; must be called within a Tokio runtime. `presence_interval` is how often seats of
    /// connected people are looked at although nothing was heard; zero: never.
    ///
    /// # Errors
    ///
    /// When the store cannot be read: leaves in it would be kept by nobody.
    pub async fn start(
        ports: LeavePorts,
        presence_interval: Duration,
        clock: &Clock,
    ) -> Result<Self, StoreError> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed)
            .map_err(|_| StoreError("the system gives no random numbers".to_owned()))?;
        let interval_ms = u64::try_from(presence_interval.as_millis()).unwrap_or(u64::MAX);
        let claimed = timeout(ERRAND_TIMEOUT, ports.store.claim()).await;
        let jobs = claimed.unwrap_or_else(|_| Err(too_slow()))?;
        let (inbox, messages) = mpsc::channel(INBOX_MAX);
        let mut owner = Owner {
            machine: LeaveMachine::new(interval_ms, seed),
            ports,
            began: Instant::now(),
            began_unix_ms: (clock)().unix_s.saturating_mul(1000),
            errands: JoinSet::new(),
            lanes: Default::default(),
            writes: Writes::default(),
            writing: false,
            write_not_before: Instant::now(),
            claim_at: Instant::now() + CLAIM_INTERVAL,
            claiming: false,
        };
        if !jobs.is_empty() {
            tracing::info!(jobs = jobs.len(), "delayed leaves are taken up again");
        }
        owner.input(Input::Recovered(jobs));
        tokio::spawn(owner.run(messages));
        Ok(Leaves { inbox })
    }

    /// Takes a leave over; when this returns `Ok`, a crash does not lose it.
    ///
    /// # Errors
    ///
    /// See [`LeaveRefusal`]. After [`LeaveRefusal::NotStored`] it is kept as long as this process lives.
    pub async fn delegate(&self, delegation: Delegation) -> Result<(), LeaveRefusal> {
        let (stored, answer) = oneshot::channel();
        self.inbox
            .send(Message::Delegate(delegation, stored))
            .await
            .map_err(|_| LeaveRefusal::Stopping)?;
        answer.await.unwrap_or(Err(LeaveRefusal::Stopping))
    }

    /// Hears what the SFU tells. Events of one seat must come in their order. After [`Leaves::shutdown`] nothing is heard.
    pub async fn seat_event(&self, event: SeatEvent) {
        let _ = self.inbox.send(Message::Seat(event)).await;
    }

    /// How many this process holds; `None`: it stops.
    pub async fn counts(&self) -> Option<LeaveCounts> {
        let (answer, counts) = oneshot::channel();
        self.inbox.send(Message::Count(answer)).await.ok()?;
        counts.await.ok()
    }

    /// Stops, with everything stored; leaves of people whose seats are still theirs are taken up at the next start.
    pub async fn shutdown(&self) {
        let (done, stopped) = oneshot::channel();
        if self.inbox.send(Message::Shutdown(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }
}

/// Questions of one kind.
#[derive(Default)]
struct Waiting {
    open: usize,
    queue: VecDeque<Errand>,
}

enum Errand {
    Output(Output),
    Take(SeatEvent),
}

struct Owner {
    machine: LeaveMachine,
    ports: LeavePorts,
    began: Instant,
    began_unix_ms: u64,
    errands: JoinSet<Done>,
    lanes: [Waiting; 4],
    writes: Writes,
    writing: bool,
    write_not_before: Instant,
    claim_at: Instant,
    claiming: bool,
}

impl Owner {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        loop {
            self.begin_writing();
            let wake = self.wake();
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Delegate(delegation, stored)) => self.delegate(delegation, stored),
                    Some(Message::Seat(event)) => self.seat(event),
                    Some(Message::Count(answer)) => {
                        // Whoever asked may have gone.
                        let _ = answer.send(LeaveState::ALL.map(|state| (state, self.machine.count(state))));
                    }
                    Some(Message::Shutdown(done)) => {
                        self.stop().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return self.stop().await,
                },
                Some(done) = self.errands.join_next() => {
                    // A question is never cancelled here, and none of ours panics.
                    if let Ok(done) = done {
                        self.done(done);
                    }
                }
                () = sleep_until(wake) => self.time(),
            }
        }
    }

    fn now_ms(&self) -> u64 {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began_unix_ms.saturating_add(passed)
    }

    /// When something is due.
    fn wake(&self) -> Instant {
        let mut wake = self.began + Duration::from_secs(86_400 * 365);
        if let Some(deadline_ms) = self.machine.next_deadline() {
            let after = Duration::from_millis(deadline_ms.saturating_sub(self.began_unix_ms));
            wake = self.began.checked_add(after).unwrap_or(wake);
        }
        if !self.claiming {
            wake = wake.min(self.claim_at);
        }
        if !self.writing && !self.writes.is_empty() {
            wake = wake.min(self.write_not_before);
        }
        wake
    }

    fn time(&mut self) {
        let now_ms = self.now_ms();
        self.machine.handle_timeout(now_ms);
        self.drain();
        if !self.claiming && Instant::now() >= self.claim_at {
            self.claiming = true;
            let store = Arc::clone(&self.ports.store);
            self.errands.spawn(async move {
                let claimed = timeout(ERRAND_TIMEOUT, store.claim()).await;
                Done::Claimed(claimed.unwrap_or_else(|_| Err(too_slow())))
            });
        }
    }

    fn input(&mut self, input: Input) {
        let now_ms = self.now_ms();
        self.machine.handle(input, now_ms);
        self.drain();
    }

    fn delegate(&mut self, delegation: Delegation, stored: Stored) {
        let seat = delegation.seat.clone();
        let now_ms = self.now_ms();
        match self.machine.delegate(delegation, now_ms) {
            Ok(()) => {
                self.drain();
                self.writes.wait(seat, stored);
            }
            Err(refusal) => {
                tracing::warn!("a delayed leave is not taken over: {refusal}");
                let _ = stored.send(Err(refusal));
            }
        }
    }

    fn seat(&mut self, event: SeatEvent) {
        match event.seat() {
            // Another process may have the job.
            Some(seat) if !self.machine.knows(seat) => self.errand(Lane::Take, Errand::Take(event)),
            _ => self.input(Input::Seat(event)),
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Answered(lane, input) => {
                self.free(lane);
                if let Some(input) = input {
                    self.input(input);
                }
            }
            Done::Taken(event, taken) => {
                self.free(Lane::Take);
                match taken {
                    Ok(Some(job)) => self.input(Input::Recovered(vec![job])),
                    Ok(None) => {}
                    Err(error) => tracing::warn!("whose delayed leave it is, is not known: {error}"),
                }
                self.input(Input::Seat(event));
            }
            Done::Claimed(claimed) => {
                self.claiming = false;
                self.claim_at = Instant::now() + CLAIM_INTERVAL;
                match claimed {
                    Ok(jobs) if jobs.is_empty() => {}
                    Ok(jobs) => {
                        tracing::info!(
                            jobs = jobs.len(),
                            "delayed leaves of another process are taken over"
                        );
                        self.input(Input::Recovered(jobs));
                    }
                    Err(error) => {
                        tracing::warn!("this process could not hold on to its delayed leaves: {error}")
                    }
                }
            }
            Done::Written(batch, written) => {
                self.writing = false;
                match written {
                    Ok(lost) => {
                        self.writes.written(batch);
                        if !lost.is_empty() {
                            self.input(Input::Lost(lost));
                        }
                    }
                    Err(error) => {
                        tracing::warn!("delayed leaves are not stored: {error}");
                        self.writes.not_written(batch);
                        self.write_not_before = Instant::now() + STORE_PAUSE;
                    }
                }
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Write(change) => self.writes.add(change),
                Output::Ended(seat, end) => {
                    LEAVES_ENDED.add(1, [end.name().into()]);
                    log_end(&seat, end);
                }
                Output::Send(..) => self.errand(Lane::Send, Errand::Output(output)),
                Output::Restart(..) | Output::Cancel(..) => {
                    self.errand(Lane::Restart, Errand::Output(output));
                }
                Output::LookUp { .. } => self.errand(Lane::LookUp, Errand::Output(output)),
            }
        }
    }

    fn errand(&mut self, lane: Lane, errand: Errand) {
        let Some(waiting) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        let open_max = match lane {
            Lane::Take => TAKES_OPEN_MAX,
            Lane::Send | Lane::Restart | Lane::LookUp => LANE_OPEN_MAX,
        };
        if waiting.open < open_max {
            waiting.open += 1;
            self.begin(lane, errand);
        } else if waiting.queue.len() < LANE_WAITING_MAX {
            waiting.queue.push_back(errand);
        } else {
            match errand {
                Errand::Output(output) => {
                    if let Some(input) = in_vain(output) {
                        let now_ms = self.now_ms();
                        self.machine.handle(input, now_ms);
                    }
                }
                Errand::Take(_) => {
                    tracing::warn!("too many events of seats that nobody knows: one is not heard")
                }
            }
        }
    }

    fn free(&mut self, lane: Lane) {
        let Some(waiting) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        match waiting.queue.pop_front() {
            Some(errand) => self.begin(lane, errand),
            None => waiting.open = waiting.open.saturating_sub(1),
        }
    }

    fn begin(&mut self, lane: Lane, errand: Errand) {
        let ports = self.ports.clone();
        match errand {
            Errand::Output(output) => self.errands.spawn(async move {
                let input = carry_out(&ports, output).await;
                Done::Answered(lane, input)
            }),
            Errand::Take(event) => self.errands.spawn(async move {
                let taken = match event.seat() {
                    Some(seat) => timeout(ERRAND_TIMEOUT, ports.store.take(seat))
                        .await
                        .unwrap_or_else(|_| Err(too_slow())),
                    None => Ok(None),
                };
                Done::Taken(event, taken)
            }),
        };
    }

    fn begin_writing(&mut self) {
        if self.writing || Instant::now() < self.write_not_before {
            return;
        }
        if let Some(batch) = self.writes.next() {
            self.writing = true;
            let store = Arc::clone(&self.ports.store);
            self.errands.spawn(async move {
                let written = timeout(ERRAND_TIMEOUT, store.write(&batch.changes)).await;
                Done::Written(batch, written.unwrap_or_else(|_| Err(too_slow())))
            });
        }
    }

    /// Writes what is left. Answers that are still awaited are not: the jobs are judged anew at the next start.
    async fn stop(&mut self) {
        self.input(Input::Shutdown);
        while self.writing {
            match self.errands.join_next().await {
                Some(Ok(done @ Done::Written(..))) => self.done(done),
                Some(_) => {}
                None => break,
            }
        }
        self.errands.abort_all();
        while let Some(batch) = self.writes.next() {
            let written = timeout(ERRAND_TIMEOUT, self.ports.store.write(&batch.changes)).await;
            if let Err(error) = written.unwrap_or_else(|_| Err(too_slow())) {
                tracing::error!("delayed leaves are not stored: {error}");
                return self.writes.not_written(batch);
            }
            self.writes.written(batch);
        }
    }
}

async fn carry_out(ports: &LeavePorts, output: Output) -> Option<Input> {
    let homeserver = &ports.delayed_events;
    match output {
        Output::Send(ticket, server, delay_id) => {
            let sent = timeout(ERRAND_TIMEOUT, homeserver.send(&server, delay_id.expose())).await;
            let sent = sent.unwrap_or_else(|_| Err(silent()));
            log_failure("not sent", server.as_str(), &sent);
            Some(Input::Sent(ticket, sent))
        }
        Output::Restart(ticket, server, delay_id) => {
            let restarted = timeout(ERRAND_TIMEOUT, homeserver.restart(&server, delay_id.expose())).await;
            let restarted = restarted.unwrap_or_else(|_| Err(silent()));
            log_failure("not started anew", server.as_str(), &restarted);
            Some(Input::Restarted(ticket, restarted))
        }
        Output::Cancel(server, delay_id) => {
            let cancelled = timeout(ERRAND_TIMEOUT, homeserver.cancel(&server, delay_id.expose())).await;
            let cancelled = cancelled.unwrap_or_else(|_| Err(silent()));
            log_failure("not cancelled", server.as_str(), &cancelled);
            None
        }
        Output::LookUp { ticket, seats } => Some(Input::LookedUp(ticket, look_up(ports, &seats).await)),
        Output::Write(_) | Output::Ended(..) => None,
    }
}

/// What is true of the identities together: that one is there outweighs that nothing is known of another.
async fn look_up(ports: &LeavePorts, seats: &[Seat]) -> LookUpAnswer {
    let mut answer = LookUpAnswer::Absent;
    for seat in seats {
        let seen = timeout(ERRAND_TIMEOUT, ports.presence.look_up(&seat.room, &seat.identity)).await;
        match (seen, &answer) {
            (Ok(Ok(Seen::Connected { sid })), _) => return LookUpAnswer::Connected { sid },
            (Ok(Ok(Seen::Connecting)), _) => answer = LookUpAnswer::Connecting,
            (Ok(Err(_)) | Err(_), LookUpAnswer::Absent) => answer = LookUpAnswer::Unknown,
            (Ok(Ok(Seen::Absent)) | Ok(Err(_)) | Err(_), _) => {}
        }
    }
    answer
}

/// The answer to a question that was not asked.
fn in_vain(output: Output) -> Option<Input> {
    let busy = || {
        Err(DelayedEventError::Unreachable(
            "too many questions wait".to_owned(),
        ))
    };
    let answer =
        |ticket: Ticket, input: fn(Ticket, Result<(), DelayedEventError>) -> Input| input(ticket, busy());
    match output {
        Output::Send(ticket, ..) => Some(answer(ticket, Input::Sent)),
        Output::Restart(ticket, ..) => Some(answer(ticket, Input::Restarted)),
        Output::LookUp { ticket, .. } => Some(Input::LookedUp(ticket, LookUpAnswer::Unknown)),
        Output::Cancel(..) | Output::Write(_) | Output::Ended(..) => None,
    }
}

fn silent() -> DelayedEventError {
    DelayedEventError::Unreachable("it did not answer in time".to_owned())
}

fn too_slow() -> StoreError {
    StoreError("it did not answer in time".to_owned())
}

fn log_failure(what: &str, server: &str, result: &Result<(), DelayedEventError>) {
    if let Err(error) = result {
        tracing::info!(server = %Redacted(server), "a delayed leave is {what}: {error}");
    }
}

fn log_end(seat: &Seat, end: End) {
    let (room, identity) = (Redacted(seat.room.as_str()), Redacted(seat.identity.as_str()));
    match end {
        End::GaveUp => {
            tracing::warn!(%room, %identity, "a homeserver could not be told in time that somebody left")
        }
        end => tracing::debug!(%room, %identity, ?end, "a delayed leave is done"),
    }
}
