//! Looks after guests until the homeserver has erased them: at each change in their rooms, and every [`ROUND`].

use super::Guests;
use super::port::{GuestError, GuestMove};
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
            asides: HashMap::new(),
            earlier: None,
            ending: HashSet::new(),
            waiting: VecDeque::new(),
            ends: JoinSet::new(),
        }
        .run()
        .await;
    }
}

/// A conversation of a guest with somebody of their meeting, who has invited them to it.
struct Aside {
    meeting: RoomId,
    guest: UserId,
    with: UserId,
    /// Whether it is still to be seen who is there, or the guest could not be taken out.
    is_open: bool,
}

impl Aside {
    fn new(visit: &GuestVisit, with: &UserId, is_open: bool) -> Self {
        Aside {
            meeting: visit.room_id.clone(),
            guest: visit.user.clone(),
            with: with.clone(),
            is_open,
        }
    }
}

struct Keeper<'a> {
    focus: &'a Arc<Focus>,
    guests: &'a Guests,
    /// Rooms with guests, as of the last round.
    rooms: HashSet<RoomId>,
    /// When anybody but guests was seen in their calls last, in Unix ms.
    hosted: HashMap<RoomId, u64>,
    /// By their rooms: where guests may be beside their meetings.
    asides: HashMap<RoomId, Aside>,
    /// Guests from before this start whose conversations are to be found again. `None`: it is not known who these are.
    earlier: Option<HashSet<UserId>>,
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
        // Before what was told meanwhile: it may be of conversations that were there before the start.
        round.tick().await;
        self.look().await;
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
                    Err(RecvError::Lagged(_)) => self.asides.values_mut().for_each(|aside| aside.is_open = true),
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
        self.look_aside(&visits).await;
        for visit in visits {
            self.judge(visit).await;
        }
    }

    /// Looks at the conversations of guests: at those that are to be looked at, and those whose two have not both stayed in the meeting.
    async fn look_aside(&mut self, visits: &[GuestVisit]) {
        let inside = |visit: &&GuestVisit| visit.state == VisitState::Inside;
        let of_before = || {
            visits
                .iter()
                .filter(inside)
                .map(|visit| visit.user.clone())
                .collect()
        };
        let mut earlier: HashSet<UserId> = self.earlier.take().unwrap_or_else(of_before);
        for visit in visits {
            if !earlier.contains(&visit.user) {
                continue;
            }
            match self.find_asides(visit).await {
                Ok(()) => _ = earlier.remove(&visit.user),
                Err(error) => tracing::warn!("in which rooms a guest of before is cannot be asked: {error}"),
            }
        }
        earlier.retain(|guest| visits.iter().any(|visit| visit.user == *guest));
        self.earlier = Some(earlier);
        let there: HashSet<&UserId> = visits.iter().map(|visit| &visit.user).collect();
        self.asides.retain(|_, aside| there.contains(&aside.guest));
        let rooms = self.asides.iter();
        let to_see = rooms.filter(|(_, aside)| aside.is_open || self.meet(aside) == Some(false));
        for room in to_see.map(|(room, _)| room.clone()).collect::<Vec<_>>() {
            self.see_aside(&room).await;
        }
    }

    /// Finds again the conversations that a guest had before the start. A room of more than two is none.
    async fn find_asides(&mut self, visit: &GuestVisit) -> Result<(), GuestError> {
        let accounts = &self.guests.accounts;
        for room in accounts.rooms_of(&visit.user).await? {
            if room == visit.room_id {
                continue;
            }
            match accounts.beside(&visit.user, &room).await?.as_slice() {
                [with] => drop(self.asides.insert(room, Aside::new(visit, with, true))),
                _ => accounts.take_out(&visit.user, &room).await?,
            }
        }
        Ok(())
    }

    /// Whether both are in the meeting, the other one with an account; `None`: nothing is known of its room at the moment.
    fn meet(&self, aside: &Aside) -> Option<bool> {
        let facts = self.focus.rooms().and_then(|rooms| rooms.facts(&aside.meeting))?;
        let is_in = |user| facts.membership(user) == Membership::Join;
        Some(is_in(&aside.guest) && is_in(&aside.with) && !is_guest(&aside.with))
    }

    /// Sees who is in a conversation. If it is anybody but these two, who meet, the guest leaves it.
    async fn see_aside(&mut self, room: &RoomId) {
        let Some(mut aside) = self.asides.remove(room) else {
            return;
        };
        let accounts = &self.guests.accounts;
        let are_two = self.meet(&aside) != Some(false)
            && (accounts.beside(&aside.guest, room).await).is_ok_and(|beside| beside == [aside.with.clone()]);
        if !are_two {
            let user = Redacted(aside.guest.as_str());
            match accounts.take_out(&aside.guest, room).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%user, "a guest could not be taken out of a conversation: {error}")
                }
            }
        }
        aside.is_open = !are_two;
        self.asides.insert(room.clone(), aside);
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

    /// A guest may be in the one room of the link, and in conversations of two to which somebody there has invited them. Who goes
    /// elsewhere is none any more; an invitation elsewhere is declined.
    async fn heard(&mut self, moved: &GuestMove) {
        if !moved.is_ours {
            return self.heard_aside(moved).await;
        }
        if matches!(moved.membership, Membership::Leave | Membership::Ban) {
            self.asides.remove(&moved.room);
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
        let is_aside = (self.asides.get(&moved.room)).is_some_and(|aside| aside.guest == moved.user);
        let Some(visit) = visit else {
            // Of a database that is lost, for instance.
            tracing::warn!(%user, "a guest of whom nothing is known is ended");
            if let Err(error) = self.guests.accounts.end(&moved.user).await {
                tracing::warn!(%user, "a guest of whom nothing is known could not be ended: {error}");
            }
            return;
        };
        match moved.membership {
            Membership::Invite if is_aside => {}
            Membership::Invite => {
                let aside = Aside::new(&visit, &moved.by, false);
                if moved.is_direct && visit.state != VisitState::Ending && self.meet(&aside) == Some(true) {
                    self.asides.insert(moved.room.clone(), aside);
                } else if let Err(error) = self.guests.accounts.take_out(&moved.user, &moved.room).await {
                    tracing::warn!(%user, "a guest's invitation elsewhere could not be declined: {error}");
                }
            }
            Membership::Join if is_aside => self.see_aside(&moved.room).await,
            // Where they were before the start is still to be found out.
            Membership::Join
                if (self.earlier.as_ref()).is_none_or(|earlier| earlier.contains(&moved.user)) => {}
            _ => self.strayed(&moved.user).await,
        }
    }

    /// Somebody comes or goes where a guest may be in a conversation. Who comes at the guest's wish ends the visit.
    async fn heard_aside(&mut self, moved: &GuestMove) {
        let Some(aside) = self.asides.get(&moved.room) else {
            return;
        };
        if moved.by == aside.guest {
            let guest = aside.guest.clone();
            self.strayed(&guest).await;
        } else {
            self.see_aside(&moved.room).await;
        }
    }

    async fn strayed(&self, guest: &UserId) {
        let user = Redacted(guest.as_str());
        tracing::warn!(%user, "a guest has gone to another room or invited somebody, so the visit is over");
        GUESTS_ENDED.add(1, ["strayed".into()]);
        self.guests.end_visit(guest).await;
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
