//! Looks after guests until the homeserver has erased them: at each change in their rooms, and every [`ROUND`].

use super::Guests;
use super::port::GuestMove;
use super::visit::{ALL_STATES, GuestVisit, Seen, Verdict, VisitState, judge};
use crate::admission::Focus;
use crate::metrics::{GUESTS, GUESTS_ENDED};
use crate::policy::Denied;
use hanse_matrixrtc::{Membership, RoomFacts, RoomId, UserId, is_guest};
use hanse_runtime::Redacted;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How often all visits are looked at, and what could not be ended is tried again.
pub(crate) const ROUND: Duration = Duration::from_secs(10);

/// Ends that are carried out at a time; the others wait for their turn.
const ENDS_AT_A_TIME: usize = 8;

/// Looks after the guests of this focus until it is dropped.
pub async fn keep(focus: Arc<Focus>) {
    if let Some(guests) = &focus.guests {
        Keeper {
            focus: &focus,
            guests,
            rooms: HashSet::new(),
            hosted: HashMap::new(),
            ending: HashSet::new(),
            waiting: VecDeque::new(),
            ends: JoinSet::new(),
        }
        .run()
        .await;
    }
}

struct Keeper<'a> {
    focus: &'a Arc<Focus>,
    guests: &'a Guests,
    /// Rooms with guests, as of the last round.
    rooms: HashSet<RoomId>,
    /// When anybody but guests was seen in their calls last, in Unix ms.
    hosted: HashMap<RoomId, u64>,
    /// Whose ends are being carried out, or wait.
    ending: HashSet<UserId>,
    waiting: VecDeque<GuestVisit>,
    ends: JoinSet<UserId>,
}

impl Keeper<'_> {
    async fn run(mut self) {
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = self.focus.rooms().map(|rooms| rooms.changes());
        let mut moves = self.guests.accounts.moves();
        loop {
            let changed = async {
                match &mut changes {
                    Some(changes) => changes.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = round.tick() => self.look().await,
                () = self.guests.news.notified() => self.look().await,
                changed = changed => match changed {
                    Ok(room) if !self.rooms.contains(&room) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => self.look().await,
                    Err(RecvError::Closed) => changes = None,
                },
                moved = moves.recv() => match moved {
                    Ok(moved) => self.heard(&moved).await,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                Some(ended) = self.ends.join_next() => {
                    if let Ok(user) = ended {
                        self.ending.remove(&user);
                    }
                    self.end_next();
                }
            }
        }
    }

    /// Looks at all visits.
    async fn look(&mut self) {
        let visits = match self.guests.store.visits().await {
            Ok(visits) => visits,
            Err(error) => {
                tracing::warn!("who is a guest cannot be read: {error}");
                return;
            }
        };
        self.rooms = visits.iter().map(|visit| visit.room_id.clone()).collect();
        let rooms = &self.rooms;
        self.hosted.retain(|room, _| rooms.contains(room));
        for room in rooms {
            let facts = self.focus.rooms().and_then(|known| known.facts(room));
            if facts.is_some_and(|facts| is_hosted(&facts, self.focus.now_ms())) {
                self.hosted.insert(room.clone(), self.focus.now_ms());
            }
        }
        for state in ALL_STATES {
            let number = visits.iter().filter(|visit| visit.state == state).count();
            GUESTS.set(number, [state.as_str().into()]);
        }
        for visit in visits {
            self.judge(visit).await;
        }
    }

    async fn judge(&mut self, visit: GuestVisit) {
        let facts = self.focus.rooms().and_then(|rooms| rooms.facts(&visit.room_id));
        let config = self.guests.config();
        let seen = Seen {
            membership: facts.as_ref().map(|facts| facts.membership(&visit.user)),
            hosted_at_ms: self.hosted.get(&visit.room_id).copied(),
            is_allowed: config.allowed && facts.as_ref().is_none_or(|facts| facts.policy.guests),
            after_call_ms: config.after_call_ms,
        };
        match judge(&visit, &seen, self.focus.now_ms()) {
            Verdict::Stays if visit.state == VisitState::Ending => self.end(visit),
            Verdict::Stays => {}
            Verdict::Becomes(state) => {
                if let Err(error) = self.guests.store.set_visit_state(&visit.user, state).await {
                    tracing::warn!("how far a guest's visit is, is not written down: {error}");
                }
            }
            Verdict::Ends(why) => {
                let user = Redacted(visit.user.as_str());
                tracing::info!(%user, reason = why.as_str(), "a guest's visit is over");
                GUESTS_ENDED.add(1, [why.as_str().into()]);
                match self
                    .guests
                    .store
                    .set_visit_state(&visit.user, VisitState::Ending)
                    .await
                {
                    Ok(_) => self.end(visit),
                    Err(error) => tracing::warn!("that a guest's visit is over is not written down: {error}"),
                }
            }
        }
    }

    /// Carries an end out, beside everything else, when it is its turn. One that fails is tried again in the next round.
    fn end(&mut self, visit: GuestVisit) {
        if self.ending.insert(visit.user.clone()) {
            self.waiting.push_back(visit);
            self.end_next();
        }
    }

    fn end_next(&mut self) {
        while self.ends.len() < ENDS_AT_A_TIME
            && let Some(visit) = self.waiting.pop_front()
        {
            let focus = Arc::clone(self.focus);
            self.ends.spawn(async move {
                if let Some(guests) = &focus.guests {
                    focus.finish_visit(guests, &visit).await;
                }
                visit.user
            });
        }
    }

    /// A guest may be in the one room of the link. Who goes elsewhere is none any more; an invitation elsewhere is declined.
    async fn heard(&mut self, moved: &GuestMove) {
        if !matches!(
            moved.membership,
            Membership::Join | Membership::Knock | Membership::Invite
        ) {
            return;
        }
        let visit = match self.guests.store.visit_of(&moved.user).await {
            Ok(Some(visit)) if visit.room_id == moved.room => return,
            Ok(visit) => visit,
            Err(error) => {
                tracing::warn!("whose guest it is that is elsewhere cannot be read: {error}");
                return;
            }
        };
        let user = Redacted(moved.user.as_str());
        match visit {
            // Of a database that is lost, for instance.
            None => {
                tracing::warn!(%user, "a guest of whom nothing is known is ended");
                if let Err(error) = self.guests.accounts.end(&moved.user).await {
                    tracing::warn!(%user, "a guest of whom nothing is known could not be ended: {error}");
                }
            }
            Some(_) if moved.membership == Membership::Invite => {
                if let Err(error) = self.guests.accounts.take_out(&moved.user, &moved.room).await {
                    tracing::warn!(%user, "a guest's invitation elsewhere could not be declined: {error}");
                }
            }
            Some(_) => {
                tracing::warn!(%user, "a guest has gone to another room, so the visit is over");
                GUESTS_ENDED.add(1, ["strayed".into()]);
                self.guests.end_visit(&moved.user).await;
            }
        }
    }
}

/// Whether anybody but guests is in the room's call.
fn is_hosted(facts: &RoomFacts, now_ms: u64) -> bool {
    facts.call_members(now_ms).any(|member| !is_guest(&member.user))
}

impl Focus {
    /// Ends what a guest has: the seats at once, then the user, then the row. What is left is tried again.
    pub(crate) async fn finish_visit(&self, guests: &Guests, visit: &GuestVisit) {
        let ended = self.end_seats_of(&visit.room_id, &visit.user, Denied::GuestOver);
        // What the SFU does not answer is told again by whoever watches seats.
        let _ = self.end_on_sfu(&ended).await;
        if let Err(error) = guests.accounts.end(&visit.user).await {
            let user = Redacted(visit.user.as_str());
            tracing::warn!(%user, "a guest is not erased yet: {error}");
            return;
        }
        if let Err(error) = guests.store.forget_visit(&visit.user).await {
            tracing::warn!("a guest who is erased is still written down: {error}");
        }
    }
}
