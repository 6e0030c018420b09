//! After the admission: what holds in a room changes, and what follows reaches the SFU.
//!
//! Three things are listened to: rooms whose facts change, the SFU's news of its seats, and, for those who sit in calls of
//! rooms whose events do not reach us, the homeserver's word every [`ASK_INTERVAL`].

use crate::admission::{Focus, News};
use crate::delayed_leave::Seat;
use crate::policy::Denied;
use crate::ports::{Rooms, SfuError};
use hanse_matrixrtc::{RoomId, UserId};
use hanse_runtime::Redacted;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// How often it is asked about those in a call whether they are still in its room.
pub const ASK_INTERVAL: Duration = Duration::from_secs(2);

/// Questions to our homeserver at a time. While a round of questions goes on, no other begins.
const ASKS_AT_A_TIME: usize = 16;

/// Questions about people who have just come or gone that wait at a time. With more of them, the next round asks about those
/// who are there.
const MOVES_MAX: usize = 1_024;

/// Orders to the SFU at a time; the others wait.
const ORDERS_AT_A_TIME: usize = 32;

/// How often the SFU is told something that it does not answer.
const ORDER_TRIES: u32 = 10;

/// The first pause between two tries; each is twice as long as the one before, up to [`ORDER_PAUSE_MAX`].
const ORDER_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two tries.
const ORDER_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Judges seats anew and tells the SFU.
pub struct Watch {
    focus: Arc<Focus>,
    rooms: Option<Arc<dyn Rooms>>,
    changes: Option<Receiver<RoomId>>,
    news: Receiver<News>,
    /// Seats about which the SFU is being told, and whether something has changed since.
    told: HashMap<Seat, bool>,
    /// The seat that the SFU was told about; `None`: only the store was.
    orders: JoinSet<Option<Seat>>,
    order_permits: Arc<Semaphore>,
    /// Questions of a round, about everybody.
    asks: JoinSet<Option<(RoomId, UserId)>>,
    /// Questions about those who have just come or gone.
    moves: JoinSet<Option<(RoomId, UserId)>>,
    ask_permits: Arc<Semaphore>,
}

impl Watch {
    /// Of this focus; hears of everything from now on.
    pub fn new(focus: Arc<Focus>) -> Self {
        let rooms = focus.rooms().cloned();
        Watch {
            changes: rooms.as_ref().map(|rooms| rooms.changes()),
            news: focus.news(),
            rooms,
            focus,
            told: HashMap::new(),
            orders: JoinSet::new(),
            order_permits: Arc::new(Semaphore::new(ORDERS_AT_A_TIME)),
            asks: JoinSet::new(),
            moves: JoinSet::new(),
            ask_permits: Arc::new(Semaphore::new(ASKS_AT_A_TIME)),
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        let mut round = interval(ASK_INTERVAL);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = next(&mut self.changes) => match changed {
                    Some(room) => self.judge(&room),
                    None => self.judge_all(),
                },
                heard = self.news.recv() => match heard {
                    Ok(News::Room(room)) => self.judge(&room),
                    Ok(News::Person(room, user)) => {
                        self.judge(&room);
                        self.ask_about(room, user);
                    }
                    Ok(News::Seat(seat)) => self.tell([seat]),
                    Ok(News::Everything) | Err(_) => self.judge_all(),
                },
                _ = round.tick() => {
                    for seat in self.focus.sweep() {
                        self.forget(seat);
                    }
                    self.ask_about_everybody();
                }
                Some(asked) = self.asks.join_next() => self.heard_of(asked),
                Some(asked) = self.moves.join_next() => self.heard_of(asked),
                Some(told) = self.orders.join_next() => {
                    if let Ok(Some(seat)) = told
                        && self.told.remove(&seat) == Some(true)
                    {
                        self.tell([seat]);
                    }
                }
            }
        }
    }

    fn judge_all(&mut self) {
        for room in self.focus.rooms_with_seats() {
            self.judge(&room);
        }
    }

    fn judge(&mut self, room: &RoomId) {
        let facts = self.rooms.as_ref().and_then(|rooms| rooms.facts(room));
        let changed = self.focus.judge(room, facts.as_deref());
        self.tell(changed);
    }

    /// Tells the SFU what holds for these seats by then.
    fn tell(&mut self, seats: impl IntoIterator<Item = Seat>) {
        for seat in seats {
            if let Some(changed) = self.told.get_mut(&seat) {
                *changed = true;
                continue;
            }
            self.told.insert(seat.clone(), false);
            let focus = Arc::clone(&self.focus);
            let permits = Arc::clone(&self.order_permits);
            self.orders.spawn(async move {
                // Fails when it is closed, which nobody does.
                let _permit = permits.acquire().await;
                settle(&focus, &seat).await;
                Some(seat)
            });
        }
    }

    /// Has a seat that is over forgotten by the store as well.
    fn forget(&mut self, seat: Seat) {
        if self.focus.kept_seats.is_none() {
            return;
        }
        let focus = Arc::clone(&self.focus);
        self.orders.spawn(async move {
            focus.forget_kept(&seat).await;
            None
        });
    }

    /// Those who sit in calls of rooms of which nothing else is heard.
    fn ask_about_everybody(&mut self) {
        let Some(rooms) = self.rooms.clone().filter(|_| self.asks.is_empty()) else {
            return;
        };
        for (room, user) in self.focus.people_present() {
            if rooms.facts(&room).is_none() {
                self.asks.spawn(is_gone(
                    Arc::clone(&rooms),
                    Arc::clone(&self.ask_permits),
                    room,
                    user,
                ));
            }
        }
    }

    /// The same for somebody who has just come or gone. Whoever comes may have a token from before they were removed, and be
    /// gone again before the next round; whoever goes may do so because their client has heard of it before us. In both cases
    /// the token would go on opening the SFU.
    fn ask_about(&mut self, room: RoomId, user: UserId) {
        if let Some(rooms) = &self.rooms
            && rooms.facts(&room).is_none()
            && self.moves.len() < MOVES_MAX
        {
            self.moves.spawn(is_gone(
                Arc::clone(rooms),
                Arc::clone(&self.ask_permits),
                room,
                user,
            ));
        }
    }

    fn heard_of(&mut self, asked: Result<Option<(RoomId, UserId)>, JoinError>) {
        if let Ok(Some((room, user))) = asked {
            let ended = self.focus.end_seats_of(&room, &user, Denied::NotJoined);
            self.tell(ended);
        }
    }
}

/// Asks about somebody: who they are, if they are in the room no more. A homeserver that is away puts nobody out.
async fn is_gone(
    rooms: Arc<dyn Rooms>,
    permits: Arc<Semaphore>,
    room: RoomId,
    user: UserId,
) -> Option<(RoomId, UserId)> {
    let _permit = permits.acquire().await;
    let is_gone = matches!(rooms.is_joined(&room, &user).await, Ok(false));
    is_gone.then_some((room, user))
}

/// `None`: everything may have changed.
async fn next(changes: &mut Option<Receiver<RoomId>>) -> Option<RoomId> {
    match changes {
        Some(receiver) => match receiver.recv().await {
            Ok(room) => Some(room),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => {
                *changes = None;
                None
            }
        },
        None => std::future::pending().await,
    }
}

/// Tells the SFU what holds for a seat, until it has answered.
async fn settle(focus: &Focus, seat: &Seat) {
    let mut pause = ORDER_PAUSE;
    for _ in 0..ORDER_TRIES {
        let rights = focus.rights_of(seat);
        let order = match rights {
            Some(rights) => focus.sfu().change_rights(seat, rights),
            None => focus.sfu().end_seat(seat),
        };
        let answer = timeout(crate::SFU_TIMEOUT, order)
            .await
            .unwrap_or_else(|_| Err(SfuError::Unreachable("it did not answer in time".to_owned())));
        match answer {
            // Judged otherwise in between: once more.
            Ok(()) if focus.rights_of(seat) != rights => {}
            Ok(()) => {
                if rights.is_none() {
                    focus.forget_kept(seat).await;
                }
                return;
            }
            Err(error) => {
                tracing::warn!(room = %Redacted(seat.room.as_str()), "the SFU was not told who may stay: {error}");
                sleep(pause).await;
                pause = (pause * 2).min(ORDER_PAUSE_MAX);
            }
        }
    }
    tracing::error!(room = %Redacted(seat.room.as_str()), "the SFU cannot be told who may stay; given up");
}
