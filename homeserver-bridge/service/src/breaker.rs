//! A circuit breaker: whoever does not answer is left alone for a while, so that those who ask hear so at once instead of
//! waiting for it, and so that it is not buried under questions when it comes back.
//!
//! In: the time, and how questions ended. Out: whether one may be asked now. No clock, no task.

use std::time::{Duration, Instant};

/// Failures in a row after which nobody asks any more.
pub(crate) const FAILURES_MAX: u32 = 5;

/// The first pause. Each that follows without a success between is twice as long.
pub(crate) const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest pause.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(15);

/// A trial that has not ended after this long counts as lost: whoever asked has gone away.
pub(crate) const TRIAL_MAX: Duration = Duration::from_secs(10);

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// Failures in a row.
    failures: u32,
    /// How long the last pause was.
    pause: Duration,
}

#[derive(Debug)]
enum State {
    /// Everybody may ask.
    Closed,
    /// Nobody may, until then.
    Open(Instant),
    /// One asks, since then; the others wait for how that ends.
    Trial(Instant),
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Breaker {
            state: State::Closed,
            failures: 0,
            pause: Duration::ZERO,
        }
    }

    /// Whether a question may be asked now; its end is to be reported. After a pause one may be, as a trial.
    pub(crate) fn enter(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open(until) if now < until => false,
            State::Trial(since) if now < since + TRIAL_MAX => false,
            State::Open(_) | State::Trial(_) => {
                self.state = State::Trial(now);
                true
            }
        }
    }

    /// A question was answered, with whatever status that tells of a homeserver at work.
    pub(crate) fn succeeded(&mut self) {
        *self = Breaker::new();
    }

    /// A question was not answered.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            // One of those who asked before the pause began.
            State::Open(_) => {}
            State::Closed if self.failures < FAILURES_MAX => {}
            State::Closed | State::Trial(_) => {
                self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
                self.state = State::Open(now + self.pause);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..FAILURES_MAX {
            assert!(breaker.enter(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn some_failures_in_a_row_begin_a_pause_and_a_success_between_them_does_not() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..10 {
            for _ in 1..FAILURES_MAX {
                breaker.failed(now);
            }
            assert!(breaker.enter(now));
            breaker.succeeded();
        }
        let mut breaker = open(now);
        assert!(!breaker.enter(now) && !breaker.enter(now + PAUSE_MIN - Duration::from_millis(1)));
    }

    #[test]
    fn after_the_pause_one_asks_and_the_others_wait_for_how_it_ends() {
        let now = Instant::now();
        let mut breaker = open(now);
        let later = now + PAUSE_MIN;
        assert!(breaker.enter(later) && !breaker.enter(later));
        breaker.succeeded();
        assert!(breaker.enter(later) && breaker.enter(later));
    }

    #[test]
    fn pauses_grow_to_their_limit_and_start_small_again_after_a_success() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let began = now;
            while !breaker.enter(now) {
                now += Duration::from_millis(100);
            }
            pauses.push((now - began).as_secs());
            breaker.failed(now);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
        breaker.succeeded();
        let mut breaker = open(now);
        assert!(breaker.enter(now + PAUSE_MIN));
    }

    #[test]
    fn failures_that_come_late_do_not_make_the_pause_longer_and_a_lost_trial_blocks_nobody_for_good() {
        let now = Instant::now();
        let mut breaker = open(now);
        breaker.failed(now + Duration::from_millis(900));
        assert!(breaker.enter(now + PAUSE_MIN), "the trial");
        let later = now + PAUSE_MIN + TRIAL_MAX;
        assert!(!breaker.enter(later - Duration::from_millis(1)) && breaker.enter(later));
    }
}
