//! The rules, state by state. The picture is in `mod.rs`.

use super::job::{DELAY_MS_MAX, Delegation, Departure, LeaveJob, LeaveState, Seat, SeatEvent};
use super::machine::{
    ABORT_WAIT_MS, ABSENCE_WAIT_MS, ANEW_WAIT_MS, CONNECT_WAIT_MS, End, JOBS_MAX, Job, LeaveMachine,
    LeaveRefusal, LookUpAnswer, MISSING_WAIT_MS, Output, Question, RETURN_WAIT_MS, Ticket, WAIT_MS_MAX,
};
use crate::ports::{DelayedEventError, LeaveChange};
use rand::RngExt;

/// First pause after a failed request; each further one is half as long again.
const BACKOFF_MS_MIN: u64 = 1_000;

/// Longest pause.
const BACKOFF_MS_MAX: u64 = 60_000;

/// The delay is started anew when this much of it is over, in percent. Drawn, so that leaves that were handed over
/// together part.
const RESTART_PERCENT: std::ops::RangeInclusive<u64> = 75..=80;

/// Look-ups of many seats at once are spread over this time.
const SPREAD_MS: u64 = 1_000;

/// Bounds of how long the homeserver is told to send a leave. The lower one is for leaves that should have been sent
/// already: one attempt.
const SENDING_MS: std::ops::RangeInclusive<u64> = 1_000..=3_600_000;

impl Job {
    fn waiting(leave: LeaveJob, absence_counts_from: u64, look_up_at: u64, now: u64) -> Self {
        Job {
            deadline: leave.expires_at_ms().min(now.saturating_add(WAIT_MS_MAX)),
            leave: LeaveJob {
                state: LeaveState::WaitingForConnect,
                delay_ms: leave.delay_ms.min(DELAY_MS_MAX),
                ..leave
            },
            sid: None,
            absence_counts_from,
            returned: None,
            homeserver: Question::default(),
            presence: Question {
                due: Some(look_up_at),
                ..Question::default()
            },
            timer: None,
        }
    }

    /// When something is to be done. An open request to the homeserver is waited for, even past the end of the state.
    pub(super) fn next(&self) -> Option<u64> {
        let deadline = self.homeserver.open.is_none().then_some(self.deadline);
        [deadline, self.homeserver.next(), self.presence.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// An event of no known session counts for the one that is there, and so does one whose session we do not know.
    fn is_session(&self, sid: &str) -> bool {
        sid.is_empty() || self.sid.as_deref().is_none_or(|known| known == sid)
    }
}

impl LeaveMachine {
    pub(super) fn on_delegated(&mut self, delegation: Delegation, now: u64) -> Result<(), LeaveRefusal> {
        let mut leave = LeaveJob {
            seat: delegation.seat,
            other_identity: delegation.other_identity,
            server: delegation.server,
            delay_id: delegation.delay_id,
            delay_ms: delegation.delay_ms.min(DELAY_MS_MAX),
            restarted_at_ms: now,
            state: LeaveState::WaitingForConnect,
        };
        leave
            .other_identity
            .take_if(|other| *other == leave.seat.identity);
        let mut replaced: Vec<u64> = leave
            .seats()
            .filter_map(|seat| self.seats.get(&seat).copied())
            .collect();
        replaced.dedup();
        if replaced.is_empty() && self.jobs.len() >= JOBS_MAX {
            return Err(LeaveRefusal::Full);
        }
        let mut connected = None;
        for id in replaced {
            let Some(old) = self.jobs.remove(&id) else {
                continue;
            };
            if old.leave.state == LeaveState::Connected {
                connected = Some(old.sid.clone());
            }
            let same = old.leave.delay_id == leave.delay_id && old.leave.server == leave.server;
            // What is being sent is not to be cancelled, and the same leave handed over again is none that is replaced.
            if !same
                && old
                    .homeserver
                    .open
                    .is_none_or(|_| old.leave.state == LeaveState::Connected)
            {
                let (server, delay_id) = (old.leave.server.clone(), old.leave.delay_id.clone());
                self.outputs.push_back(Output::Cancel(server, delay_id));
            }
            self.end(id, old, End::Replaced);
        }
        self.last_job += 1;
        let id = self.last_job;
        for seat in leave.seats() {
            self.seats.insert(seat, id);
        }
        let mut job = Job::waiting(leave, now.saturating_add(CONNECT_WAIT_MS), now, now);
        if let Some(sid) = connected {
            self.connect(&mut job, id, sid, now);
        }
        self.outputs
            .push_back(Output::Write(LeaveChange::Take(job.leave.clone())));
        self.put(id, job);
        self.handle_timeout(now);
        Ok(())
    }

    pub(super) fn on_recovered(&mut self, leaves: Vec<LeaveJob>, now: u64) {
        for leave in leaves {
            if leave.seats().any(|seat| self.seats.contains_key(&seat)) {
                continue; // ours is newer
            }
            self.last_job += 1;
            let id = self.last_job;
            for seat in leave.seats() {
                self.seats.insert(seat, id);
            }
            // Nobody answers for the time in which we were away: the SFU may have been away, too, so people get time to
            // come back, except those of whom we know that they had left before.
            let absence_counts_from = match leave.state {
                LeaveState::Disconnected => now,
                LeaveState::WaitingForConnect | LeaveState::Connected => now.saturating_add(RETURN_WAIT_MS),
            };
            let look_up_at = now.saturating_add(self.random.random_range(0..SPREAD_MS));
            let expired = leave.expires_at_ms() <= now;
            let job = Job::waiting(leave, absence_counts_from, look_up_at, now);
            if expired {
                // The homeserver has sent it by itself.
                self.end(id, job, End::Aborted);
            } else {
                self.put(id, job);
            }
        }
    }

    pub(super) fn on_lost(&mut self, seats: &[Seat]) {
        for seat in seats {
            if let Some(&id) = self.seats.get(seat) {
                self.with(id, |_, _| Some(End::Lost));
            }
        }
    }

    pub(super) fn on_seat(&mut self, event: SeatEvent, now: u64) {
        match event {
            SeatEvent::Joined { seat, sid } => {
                self.with_seat(&seat, |machine, job, id| machine.on_joined(job, id, sid, now));
            }
            SeatEvent::Left { seat, sid, departure } => {
                self.with_seat(&seat, |machine, job, id| {
                    machine.on_left(job, id, &sid, departure, now)
                });
            }
            SeatEvent::Aborted { seat, sid } => {
                self.with_seat(&seat, |machine, job, id| machine.on_aborted(job, id, &sid, now));
            }
            SeatEvent::RoomFinished { room } => self.on_room_finished(room, now),
            SeatEvent::Missed => self.on_missed(now),
            // Who does not get further is told of as an attempt that failed.
            SeatEvent::Connecting { .. } => {}
        }
    }

    fn with_seat(&mut self, seat: &Seat, change: impl FnOnce(&mut Self, &mut Job, u64) -> Option<End>) {
        if let Some(&id) = self.seats.get(seat) {
            self.with(id, |machine, job| change(machine, job, id));
        }
    }

    fn on_joined(&mut self, job: &mut Job, id: u64, sid: String, now: u64) -> Option<End> {
        match job.leave.state {
            LeaveState::Connected => {
                job.sid = Some(sid);
                job.presence.drop_and_ask_at(self.next_glance(now));
            }
            LeaveState::WaitingForConnect => {
                self.connect(job, id, Some(sid), now);
                self.save(job);
            }
            // Whether the homeserver sends the leave after all is not known before it has answered.
            LeaveState::Disconnected if job.homeserver.open.is_some() => job.returned = Some(sid),
            LeaveState::Disconnected => {
                self.connect(job, id, Some(sid), now);
                self.save(job);
            }
        }
        None
    }

    fn on_left(&mut self, job: &mut Job, id: u64, sid: &str, departure: Departure, now: u64) -> Option<End> {
        match (job.leave.state, departure) {
            (LeaveState::Connected, _) if !job.is_session(sid) => {}
            (LeaveState::Connected, Departure::Gone) => self.leave(job, id, now),
            (LeaveState::Connected, Departure::ByClient) => self.wait_for(job, ANEW_WAIT_MS, now),
            (LeaveState::Connected, Departure::Missing) => self.wait_for(job, MISSING_WAIT_MS, now),
            (LeaveState::Connected, Departure::ComingBack) => self.wait_for(job, RETURN_WAIT_MS, now),
            // It may be a session of before that is told of late. The SFU knows.
            (LeaveState::WaitingForConnect, Departure::Gone | Departure::ByClient) => {
                let wait = if departure == Departure::Gone {
                    0
                } else {
                    ANEW_WAIT_MS
                };
                job.absence_counts_from = now.saturating_add(wait);
                job.presence.drop_and_ask_at(Some(now));
                self.ask(job, id, now);
            }
            // It is waited for, and looked for.
            (LeaveState::WaitingForConnect, Departure::Missing) => {}
            (LeaveState::WaitingForConnect, Departure::ComingBack) => {
                job.absence_counts_from = now.saturating_add(RETURN_WAIT_MS);
                job.presence.drop_and_ask_at(Some(job.absence_counts_from));
            }
            (LeaveState::Disconnected, _) => {
                job.returned
                    .take_if(|returned| sid.is_empty() || returned.as_str() == sid);
            }
        }
        None
    }

    fn on_aborted(&mut self, job: &mut Job, id: u64, sid: &str, now: u64) -> Option<End> {
        match job.leave.state {
            LeaveState::WaitingForConnect => {
                // Whoever tries again and again is alive, so each attempt gives time for the next.
                job.absence_counts_from = now.saturating_add(ABORT_WAIT_MS);
                job.presence.drop_and_ask_at(Some(job.absence_counts_from));
            }
            LeaveState::Connected if job.sid.as_deref() == Some(sid) => self.leave(job, id, now),
            // Another attempt of the same identity, or so it seems.
            LeaveState::Connected => job
                .presence
                .drop_and_ask_at(Some(now.saturating_add(ABORT_WAIT_MS))),
            LeaveState::Disconnected => {}
        }
        None
    }

    fn on_room_finished(&mut self, room: String, now: u64) {
        let first = Seat {
            room,
            identity: String::new(),
        };
        let ids: Vec<u64> = self
            .seats
            .range(&first..)
            .take_while(|(seat, _)| seat.room == first.room)
            .map(|(_, id)| *id)
            .collect();
        for id in ids {
            self.with(id, |machine, job| {
                // The room may be there again already.
                if job.leave.state == LeaveState::Connected {
                    machine.wait(job, now, now);
                    machine.save(job);
                    machine.ask(job, id, now);
                }
                None
            });
        }
    }

    fn on_missed(&mut self, now: u64) {
        let ids: Vec<u64> = self.jobs.keys().copied().collect();
        for id in ids {
            self.with(id, |machine, job| {
                if job.leave.state != LeaveState::Disconnected {
                    let at = now.saturating_add(machine.random.random_range(0..SPREAD_MS));
                    job.presence.drop_and_ask_at(Some(at));
                }
                None
            });
        }
    }

    pub(super) fn on_looked_up(
        &mut self,
        job: &mut Job,
        ticket: Ticket,
        answer: LookUpAnswer,
        now: u64,
    ) -> Option<End> {
        if !job.presence.close(ticket.number) {
            return None;
        }
        match (job.leave.state, answer) {
            (LeaveState::WaitingForConnect, LookUpAnswer::Connected { sid }) => {
                self.connect(job, ticket.job, Some(sid), now);
                self.save(job);
            }
            (LeaveState::WaitingForConnect, LookUpAnswer::Absent) if now >= job.absence_counts_from => {
                self.leave(job, ticket.job, now);
            }
            (LeaveState::WaitingForConnect, LookUpAnswer::Absent) => {
                job.presence.failures += 1;
                let again = now.saturating_add(self.backoff(job.presence.failures));
                job.presence.due = Some(again.min(job.absence_counts_from));
            }
            (LeaveState::WaitingForConnect, LookUpAnswer::Connecting | LookUpAnswer::Unknown) => {
                job.presence.failures += 1;
                job.presence.due = Some(now.saturating_add(self.backoff(job.presence.failures)));
            }
            (LeaveState::Connected, LookUpAnswer::Absent) => self.wait_for(job, ABSENCE_WAIT_MS, now),
            (LeaveState::Connected, LookUpAnswer::Connected { sid }) => {
                job.sid = Some(sid);
                job.presence.due = self.next_glance(now);
            }
            (LeaveState::Connected, LookUpAnswer::Connecting | LookUpAnswer::Unknown) => {
                job.presence.due = self.next_glance(now);
            }
            (LeaveState::Disconnected, _) => {}
        }
        None
    }

    pub(super) fn on_restarted(
        &mut self,
        job: &mut Job,
        ticket: Ticket,
        result: Result<(), DelayedEventError>,
        now: u64,
    ) -> Option<End> {
        if !job.homeserver.close(ticket.number) || job.leave.state != LeaveState::Connected {
            return None;
        }
        match result {
            Ok(()) => {
                let asked_at = job.homeserver.asked_at;
                job.leave.restarted_at_ms = asked_at;
                job.deadline = job.leave.expires_at_ms();
                let percent = self.random.random_range(RESTART_PERCENT);
                let due = asked_at.saturating_add(job.leave.delay_ms * percent / 100);
                job.homeserver.failures = 0;
                job.homeserver.due = Some(due);
                self.save(job);
            }
            Err(DelayedEventError::Unknown) => return Some(End::Aborted),
            Err(error) => {
                if now >= job.deadline {
                    return Some(End::Aborted);
                }
                self.ask_again(job, &error, now);
            }
        }
        None
    }

    pub(super) fn on_sent(
        &mut self,
        job: &mut Job,
        ticket: Ticket,
        result: Result<(), DelayedEventError>,
        now: u64,
    ) -> Option<End> {
        if !job.homeserver.close(ticket.number) || job.leave.state != LeaveState::Disconnected {
            return None;
        }
        match result {
            Ok(()) | Err(DelayedEventError::Unknown) => return Some(End::Sent),
            Err(_) if job.returned.is_some() => {
                let sid = job.returned.take();
                self.connect(job, ticket.job, sid, now);
                self.save(job);
            }
            Err(_) if now >= job.deadline => return Some(End::GaveUp),
            Err(error) => self.ask_again(job, &error, now),
        }
        None
    }

    pub(super) fn on_time(&mut self, job: &mut Job, id: u64, now: u64) -> Option<End> {
        if job.homeserver.open.is_none() && now >= job.deadline {
            match job.leave.state {
                LeaveState::WaitingForConnect => self.leave(job, id, now),
                LeaveState::Connected => return Some(End::Aborted),
                LeaveState::Disconnected => return Some(End::GaveUp),
            }
        }
        self.ask(job, id, now);
        None
    }

    fn connect(&mut self, job: &mut Job, id: u64, sid: Option<String>, now: u64) {
        job.leave.state = LeaveState::Connected;
        job.sid = sid;
        job.deadline = job.leave.expires_at_ms();
        job.returned = None;
        job.homeserver.drop_and_ask_at(Some(now));
        job.presence.drop_and_ask_at(self.next_glance(now));
        self.ask(job, id, now);
    }

    /// Gives somebody so much time to be back.
    fn wait_for(&mut self, job: &mut Job, ms: u64, now: u64) {
        self.wait(job, now.saturating_add(ms), now);
        self.save(job);
    }

    fn wait(&mut self, job: &mut Job, absence_counts_from: u64, now: u64) {
        job.leave.state = LeaveState::WaitingForConnect;
        job.sid = None;
        job.deadline = job.leave.expires_at_ms().min(now.saturating_add(WAIT_MS_MAX));
        job.absence_counts_from = absence_counts_from;
        job.homeserver.drop_and_ask_at(None);
        job.presence.drop_and_ask_at(Some(absence_counts_from));
    }

    fn leave(&mut self, job: &mut Job, id: u64, now: u64) {
        job.leave.state = LeaveState::Disconnected;
        job.sid = None;
        job.returned = None;
        let left = job.leave.expires_at_ms().saturating_sub(now);
        job.deadline = now.saturating_add(left.clamp(*SENDING_MS.start(), *SENDING_MS.end()));
        job.homeserver.drop_and_ask_at(Some(now));
        job.presence.drop_and_ask_at(None);
        self.save(job);
        self.ask(job, id, now);
    }

    /// Asks what is due.
    fn ask(&mut self, job: &mut Job, id: u64, now: u64) {
        if job.homeserver.next().is_some_and(|due| due <= now) {
            let ticket = self.open(id, &mut job.homeserver, now);
            let (server, delay_id) = (job.leave.server.clone(), job.leave.delay_id.clone());
            self.outputs.push_back(match job.leave.state {
                LeaveState::Disconnected => Output::Send(ticket, server, delay_id),
                _ => Output::Restart(ticket, server, delay_id),
            });
        }
        if job.presence.next().is_some_and(|due| due <= now) {
            let ticket = self.open(id, &mut job.presence, now);
            self.outputs.push_back(Output::LookUp {
                ticket,
                seats: job.leave.seats().collect(),
            });
        }
    }

    fn open(&mut self, job: u64, question: &mut Question, now: u64) -> Ticket {
        self.last_number = self.last_number.wrapping_add(1);
        question.open = Some(self.last_number);
        question.asked_at = now;
        question.due = None;
        Ticket {
            job,
            number: self.last_number,
        }
    }

    fn ask_again(&mut self, job: &mut Job, error: &DelayedEventError, now: u64) {
        job.homeserver.failures += 1;
        let pause = self.backoff(job.homeserver.failures);
        let asked_for = match error {
            DelayedEventError::TooOften(wait) => u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            DelayedEventError::Unknown | DelayedEventError::Unreachable(_) => 0,
        };
        job.homeserver.due = Some(now.saturating_add(pause.max(asked_for)));
    }

    /// The pause after this many failures in a row.
    fn backoff(&mut self, failures: u32) -> u64 {
        let mut pause = BACKOFF_MS_MIN;
        for _ in 1..failures {
            pause = (pause * 3 / 2).min(BACKOFF_MS_MAX);
            if pause == BACKOFF_MS_MAX {
                break;
            }
        }
        self.random
            .random_range(pause / 2..=pause * 3 / 2)
            .min(BACKOFF_MS_MAX)
    }

    /// When to look at the seat of somebody who is connected.
    fn next_glance(&mut self, now: u64) -> Option<u64> {
        let interval = self.presence_interval_ms;
        (interval > 0).then(|| now.saturating_add(self.random.random_range(interval / 2..=interval)))
    }

    fn save(&mut self, job: &Job) {
        self.outputs
            .push_back(Output::Write(LeaveChange::Update(job.leave.clone())));
    }
}
