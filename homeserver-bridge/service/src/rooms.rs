//! What holds in the rooms that invited the bridge user, kept up with what the homeserver tells.
//!
//! An event that is told of says *that* something may have changed. What holds now, the homeserver is asked: of events that
//! were sent at the same time on several servers it has chosen one, perhaps another; and after a time without us it tells of
//! everything that has happened since, bans included that are long over. That somebody has left, was removed or banned is
//! asked about first, and counts unconfirmed when the answer is not there within half a second. Sticky events are no state
//! and count as they are. If the homeserver does not answer, what it told of counts, and the room is read again later.
//!
//! Nothing is stored: at the start, and every quarter of an hour, the rooms are read again from the homeserver.
//!
//! Invitations are followed if they come from a user of one of our homeservers, or if somebody of ours is in the room already,
//! or is within some hours (MSC4502); all others are declined. Otherwise anybody anywhere could make us keep large rooms in
//! memory. That the inviter may invite at all, homeservers have checked.

use crate::client::ApiError;
use crate::guests::GuestMove;
use crate::homeserver::{Homeserver, Standing};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use hanse_matrixrtc::call_member::{CALL_MEMBER_STATE, CALL_MEMBER_STICKY};
use hanse_matrixrtc::call_policy::CALL_POLICY;
use hanse_matrixrtc::power::POWER_LEVELS;
use hanse_matrixrtc::room_facts::ROOM_MEMBER;
use hanse_matrixrtc::{Event, Membership, NoFacts, RoomFacts, RoomId, ServerName, UserId, is_guest};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

/// Rooms of one homeserver that are kept up with. Invitations to more are declined, and of more that the bridge user is in
/// already only so many are read.
pub const ROOMS_MAX: usize = 5_000;

/// Invitations that wait to be followed. Further ones are passed over; whoever invited may do so again.
const INVITATIONS_MAX: usize = 256;

/// State events of one room that are confirmed one by one. With more of them in one transaction, the whole state is read.
const CONFIRMED_ONE_BY_ONE_MAX: usize = 8;

/// That somebody is gone waits for its confirmation for at most this long.
const GONE_TIMEOUT: Duration = Duration::from_millis(500);

/// Invitations that are being answered at a time: joining over federation may take long.
const ANSWERED_AT_A_TIME: usize = 8;

/// Invitations that wait: for somebody of ours to be in the room, or for the homeserver. Further ones are declined at once.
const WAITING_MAX: usize = 256;

/// How often such an invitation is looked at before it is declined: at the usual pace, for almost three hours.
const LOOKS_MAX: u32 = 11;

/// How often joining is tried again that was refused with 403, and the first pause before that; each further one is twice as
/// long. Synapse tells of an invitation from another homeserver some milliseconds before it lets anybody join on it.
const JOIN_TRIES_MAX: u32 = 4;

/// See [`JOIN_TRIES_MAX`].
const JOIN_PAUSE_MIN: Duration = Duration::from_millis(200);

/// The first pause after a homeserver did not answer; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How often things are done that nothing else asks for. An argument, so that tests need not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// All rooms are read again.
    pub reading: Duration,
    /// The homeserver is asked to call us, and what it lets us know is looked at.
    pub check: Duration,
    /// An invitation from elsewhere is looked at again for the first time; each further time takes twice as long.
    pub invitation: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            reading: Duration::from_secs(15 * 60),
            check: Duration::from_secs(60),
            invitation: Duration::from_secs(5),
        }
    }
}

/// A transaction to be applied.
pub(crate) struct Told {
    pub(crate) events: Vec<Event>,
    /// Dropped without a word if it could not be applied.
    pub(crate) done: oneshot::Sender<()>,
}

struct Invitation {
    room: RoomId,
    from: UserId,
}

/// Looks after the rooms of one homeserver.
pub(crate) struct Keeper {
    homeserver: Arc<Homeserver>,
    told: mpsc::Receiver<Told>,
    /// Rooms to be read, each once.
    to_read: VecDeque<RoomId>,
}

impl Keeper {
    pub(crate) fn new(homeserver: Arc<Homeserver>, told: mpsc::Receiver<Told>) -> Self {
        Keeper {
            homeserver,
            told,
            to_read: VecDeque::new(),
        }
    }

    /// Works until it is dropped. `ours`: the names of all our homeservers.
    pub(crate) async fn run(self, ours: Arc<HashSet<ServerName>>, pace: Pace) {
        let (invitations, invited) = mpsc::channel(INVITATIONS_MAX);
        let homeserver = Arc::clone(&self.homeserver);
        tokio::join!(
            self.keep(invitations, pace),
            follow(&homeserver, invited, &ours, pace.invitation),
            check(&homeserver, pace),
        );
    }

    async fn keep(mut self, invitations: mpsc::Sender<Invitation>, pace: Pace) {
        let mut next_reading = Instant::now();
        let mut pause = PAUSE_MIN;
        let mut paused_until = Instant::now();
        loop {
            let outcome = tokio::select! {
                // What is told comes first: it may end seats.
                biased;
                told = self.told.recv() => {
                    let Some(told) = told else { return };
                    self.apply(told.events, &invitations).await;
                    // Whoever told may have gone away; the homeserver tells again.
                    let _gone = told.done.send(());
                    continue;
                }
                () = sleep_until(next_reading.max(paused_until)) => {
                    next_reading = Instant::now() + pace.reading;
                    let listed = self.list().await;
                    if listed.is_err() {
                        next_reading = Instant::now();
                    }
                    listed
                }
                () = sleep_until(paused_until), if !self.to_read.is_empty() => self.read_next().await,
            };
            match outcome {
                Ok(()) => pause = PAUSE_MIN,
                Err(error) => {
                    debug!(%error, "the homeserver was asked about rooms in vain");
                    paused_until = Instant::now() + pause;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Finds out which rooms there are, and has all of them read.
    async fn list(&mut self) -> Result<(), ApiError> {
        let mut rooms = self.homeserver.client.joined_rooms().await?;
        if rooms.len() > ROOMS_MAX {
            warn!("the bridge user is in more than {ROOMS_MAX} rooms; the rest is not kept up with");
            rooms.truncate(ROOMS_MAX);
        }
        let joined: HashSet<&RoomId> = rooms.iter().collect();
        for room in self.homeserver.facts.rooms() {
            if !joined.contains(&room) {
                self.homeserver.facts.set(&room, None);
            }
        }
        self.to_read = rooms.into();
        Ok(())
    }

    async fn read_next(&mut self) -> Result<(), ApiError> {
        let Some(room) = self.to_read.pop_front() else {
            return Ok(());
        };
        let outcome = self.read(&room).await;
        if outcome.is_err() {
            self.read_later(&room);
        }
        outcome
    }

    fn read_later(&mut self, room: &RoomId) {
        if !self.to_read.contains(room) && self.to_read.len() < ROOMS_MAX {
            self.to_read.push_back(room.clone());
        }
    }

    /// Reads the whole state of a room.
    async fn read(&mut self, room: &RoomId) -> Result<(), ApiError> {
        let facts = &self.homeserver.facts;
        let state = match self.homeserver.client.state(room).await {
            Ok(state) => state,
            Err(ApiError::TooLong) => {
                warn!("a room is too large to be kept up with; who is in it is asked one by one");
                facts.set(room, None);
                return Ok(());
            }
            Err(error) if error.is(403) || error.is(404) => {
                facts.set(room, None);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match RoomFacts::read(&state) {
            Ok(mut read) if read.is_joined(self.homeserver.bridge_user()) => {
                if let Some(before) = facts.of(room) {
                    read.keep_sticky_of(&before);
                }
                read.sweep(hanse_runtime::clock::unix_ms());
                facts.set(room, Some(read));
                // Of those who were guests before a database was lost nothing more may ever be told.
                for event in &state {
                    if matches!(
                        Membership::read(&event.content),
                        Membership::Join | Membership::Invite | Membership::Knock
                    ) {
                        self.tell_of_guest(event, room);
                    }
                }
            }
            // Whoever is no longer in a room is told what held when they left.
            Ok(_) => facts.set(room, None),
            Err(error) => {
                if matches!(error, NoFacts::TooLarge(_)) {
                    warn!(%error, "a room is not kept up with; who is in it is asked one by one");
                }
                facts.set(room, None);
            }
        }
        Ok(())
    }

    /// Takes in what the homeserver tells.
    async fn apply(&mut self, events: Vec<Event>, invitations: &mpsc::Sender<Invitation>) {
        let mut to_confirm: BTreeMap<RoomId, Confirm> = BTreeMap::new();
        for event in events {
            let Some(room) = event.room_id.clone() else {
                continue;
            };
            self.tell_of_guest(&event, &room);
            if event.kind == ROOM_MEMBER
                && event.state_key.as_deref() == Some(self.homeserver.bridge_user().as_str())
            {
                match Membership::read(&event.content) {
                    Membership::Invite => {
                        let invitation = Invitation {
                            room,
                            from: event.sender,
                        };
                        if invitations.try_send(invitation).is_err() {
                            warn!("too many invitations at a time; one is passed over");
                        }
                    }
                    Membership::Join => to_confirm.entry(room).or_default().whole = true,
                    Membership::Knock | Membership::Leave | Membership::Ban => {
                        self.homeserver.facts.set(&room, None);
                        to_confirm.remove(&room);
                    }
                }
                continue;
            }
            if event.state_key.is_none() && CALL_MEMBER_STICKY.contains(&event.kind.as_str()) {
                self.hold(&room, |facts| facts.apply(&event));
            }
            if let Some(state_key) = &event.state_key
                && [ROOM_MEMBER, POWER_LEVELS, CALL_POLICY, CALL_MEMBER_STATE].contains(&event.kind.as_str())
            {
                let confirm = to_confirm.entry(room).or_default();
                let place = (event.kind.clone(), state_key.clone());
                confirm.told.insert(place, event);
            }
        }
        self.confirm_gone(&mut to_confirm).await;
        for (room, confirm) in to_confirm {
            self.confirm(&room, confirm).await;
        }
    }

    /// Has whoever looks after guests know that one of ours stands otherwise to a room, whichever it is; and of others in rooms that
    /// are not followed: of these we hear only because a guest is there.
    fn tell_of_guest(&self, event: &Event, room: &RoomId) {
        if event.kind != ROOM_MEMBER {
            return;
        }
        let Some(Ok(user)) = event.state_key.as_deref().map(str::parse::<UserId>) else {
            return;
        };
        let is_ours = is_guest(&user) && user.server_name() == self.homeserver.server_name();
        if is_ours || (user != *self.homeserver.bridge_user() && self.homeserver.facts.of(room).is_none()) {
            self.homeserver.tell_of_guest(GuestMove {
                user,
                is_ours,
                by: event.sender.clone(),
                room: room.clone(),
                membership: Membership::read(&event.content),
                is_direct: event.content.get("is_direct") == Some(&Value::Bool(true)),
            });
        }
    }

    /// Sees to those who are gone, and takes them out of what is to be confirmed.
    async fn confirm_gone(&mut self, to_confirm: &mut BTreeMap<RoomId, Confirm>) {
        let mut gone = Vec::new();
        for (room, confirm) in to_confirm.iter_mut() {
            if self.homeserver.facts.of(room).is_none() {
                continue;
            }
            let events = confirm.told.extract_if(.., |(kind, _), event| {
                kind == ROOM_MEMBER
                    && matches!(
                        Membership::read(&event.content),
                        Membership::Leave | Membership::Ban
                    )
            });
            gone.extend(events.map(|((_, user), event)| (room.clone(), user, event)));
        }
        let client = &self.homeserver.client;
        let answers = join_all(gone.iter().map(|(room, user, _)| async move {
            timeout(GONE_TIMEOUT, client.state_event(room, ROOM_MEMBER, user)).await
        }))
        .await;
        for ((room, user, told), answer) in gone.iter().zip(answers) {
            match answer {
                Ok(Ok(Some(event))) => self.hold(room, |facts| facts.apply(&event)),
                Ok(Ok(None)) => self.hold(room, |facts| Ok(facts.forget(ROOM_MEMBER, user))),
                Ok(Err(_)) | Err(_) => {
                    self.hold(room, |facts| facts.apply(told));
                    self.read_later(room);
                }
            }
        }
    }

    async fn confirm(&mut self, room: &RoomId, confirm: Confirm) {
        let known = self.homeserver.facts.of(room).is_some();
        let outcome = if confirm.whole || (known && confirm.told.len() > CONFIRMED_ONE_BY_ONE_MAX) {
            if !known && self.homeserver.facts.len() >= ROOMS_MAX {
                return;
            }
            self.read(room).await
        } else if known {
            self.confirm_one_by_one(room, &confirm).await
        } else {
            // Too large, or still to be read: then it is read as it is by then.
            return;
        };
        if let Err(error) = outcome {
            debug!(%error, "what a room's homeserver told of could not be confirmed");
            for event in confirm.told.values() {
                self.hold(room, |facts| facts.apply(event));
            }
            self.read_later(room);
        }
    }

    async fn confirm_one_by_one(&mut self, room: &RoomId, confirm: &Confirm) -> Result<(), ApiError> {
        for (kind, state_key) in confirm.told.keys() {
            match self.homeserver.client.state_event(room, kind, state_key).await {
                Ok(Some(event)) => self.hold(room, |facts| facts.apply(&event)),
                Ok(None) => self.hold(room, |facts| Ok(facts.forget(kind, state_key))),
                // A homeserver that tells single events in another form.
                Err(ApiError::Form) => return self.read(room).await,
                Err(error) if error.is(403) => return self.read(room).await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Notes what holds; a room that becomes too large by that is given up.
    fn hold(
        &self,
        room: &RoomId,
        change: impl FnOnce(&mut RoomFacts) -> Result<bool, hanse_matrixrtc::TooLarge>,
    ) {
        let held = self.homeserver.facts.change(room, |facts| match change(facts) {
            Ok(changed) => (changed, true),
            Err(_) => (false, false),
        });
        if held == Some(false) {
            warn!("a room has become too large to be kept up with; who is in it is asked one by one");
            self.homeserver.facts.set(room, None);
        }
    }
}

/// What is to be confirmed in one room.
#[derive(Default)]
struct Confirm {
    /// All of it.
    whole: bool,
    /// By type and state key, as it was told last.
    told: BTreeMap<(String, String), Event>,
}

/// Follows invitations, or declines them. One from elsewhere may come before the people of ours who are invited with it have
/// followed theirs, and any may come while the homeserver is still starting, so it is looked at again, `pause` later at first.
async fn follow(
    homeserver: &Homeserver,
    mut invited: mpsc::Receiver<Invitation>,
    ours: &HashSet<ServerName>,
    pause: Duration,
) {
    let mut answered = FuturesUnordered::new();
    let mut waiting = FuturesUnordered::new();
    let later = async |invitation: Invitation, looks: u32| {
        sleep(pause * 2_u32.saturating_pow(looks)).await;
        (invitation, looks + 1)
    };
    loop {
        let is_free = answered.len() < ANSWERED_AT_A_TIME;
        tokio::select! {
            invitation = invited.recv(), if is_free => {
                let Some(invitation) = invitation else { return };
                answered.push(answer(homeserver, invitation, 0, ours));
            }
            Some((invitation, looks)) = waiting.next(), if is_free && !waiting.is_empty() => {
                answered.push(answer(homeserver, invitation, looks, ours));
            }
            Some(unanswered) = answered.next(), if !answered.is_empty() => match unanswered {
                Some((invitation, looks)) if looks < LOOKS_MAX && waiting.len() < WAITING_MAX => {
                    waiting.push(later(invitation, looks));
                }
                Some((invitation, _)) => decline(homeserver, &invitation.room).await,
                None => {}
            }
        }
    }
}

/// Answers an invitation, or gives it back with the number of looks at it: nobody knows yet whether it is to be followed, or the
/// homeserver is not there to follow it.
async fn answer(
    homeserver: &Homeserver,
    invitation: Invitation,
    looks: u32,
    ours: &HashSet<ServerName>,
) -> Option<(Invitation, u32)> {
    let Invitation { room, from } = &invitation;
    let via = from.server_name();
    let (client, own_name) = (&homeserver.client, homeserver.server_name());
    if homeserver.facts.len() >= ROOMS_MAX {
        decline(homeserver, room).await;
        return None;
    }
    if !ours.contains(via) && !client.is_server_joined(room, own_name).await.unwrap_or(false) {
        return Some((invitation, looks));
    }
    match join(homeserver, room, via).await {
        Ok(()) => info!("the bridge user has followed an invitation"),
        Err(error) if error.may_pass() => {
            info!(%error, "an invitation could not be followed yet");
            return Some((invitation, looks));
        }
        Err(error) => warn!(%error, "an invitation could not be followed"),
    }
    None
}

async fn decline(homeserver: &Homeserver, room: &RoomId) {
    match homeserver.client.leave(room).await {
        Ok(()) => info!(
            "an invitation was declined: nobody of this organisation is in the room, or it could not be followed for hours"
        ),
        Err(error) => warn!(%error, "an invitation could not be declined"),
    }
}

async fn join(homeserver: &Homeserver, room: &RoomId, via: &ServerName) -> Result<(), ApiError> {
    let mut pause = JOIN_PAUSE_MIN;
    for _ in 0..JOIN_TRIES_MAX {
        match homeserver.client.join(room, via).await {
            Err(error) if error.is(403) => sleep(pause).await,
            outcome => return outcome,
        }
        pause *= 2;
    }
    homeserver.client.join(room, via).await
}

/// Looks again and again at what the homeserver lets us know, and says so when that changes.
async fn check(homeserver: &Homeserver, pace: Pace) {
    let mut pause = PAUSE_MIN.min(pace.check);
    loop {
        let standing = standing(homeserver).await;
        let good = matches!(standing, Standing::Full | Standing::OnlyInvited);
        if homeserver.set_standing(standing) {
            match good {
                true => info!("{}", sentence(homeserver)),
                false => warn!("{}", sentence(homeserver)),
            }
        }
        // Whatever is wrong may be over soon: the start, above all.
        pause = if good {
            pace.check
        } else {
            (pause * 2).min(pace.check)
        };
        sleep(pause).await;
    }
}

async fn standing(homeserver: &Homeserver) -> Standing {
    let client = &homeserver.client;
    match client.whoami().await {
        Ok(user) if user == *homeserver.bridge_user() => {}
        Ok(_) => return Standing::OtherUser,
        Err(error) => return Standing::Silent(error),
    }
    let is_joined = match probe(homeserver).await {
        Ok(offered) => offered,
        Err(error) => return Standing::Silent(error),
    };
    match client.ping(&homeserver.registration.id).await {
        Ok(()) if is_joined => Standing::Full,
        Ok(()) => Standing::OnlyInvited,
        // A homeserver that has no such question (older than specification 1.7) may well reach us.
        Err(error) if error.is(404) || error.is(405) => match is_joined {
            true => Standing::Full,
            false => Standing::OnlyInvited,
        },
        Err(_) => Standing::NotPushed { is_joined },
    }
}

/// Whether the homeserver answers `is_joined`: asked about a room that cannot be.
async fn probe(homeserver: &Homeserver) -> Result<bool, ApiError> {
    let Ok(room) = "!hanse-asks-whether-it-may-ask".parse() else {
        return Ok(false);
    };
    match homeserver.client.is_joined(&room, homeserver.bridge_user()).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_offered() => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a homeserver lets us know, for whoever runs this server.
pub(crate) fn sentence(homeserver: &Homeserver) -> String {
    match homeserver.standing() {
        Standing::Unknown => "the homeserver has not been asked yet".to_owned(),
        Standing::Silent(error) => format!("the homeserver cannot be asked who is in a room: {error}"),
        Standing::OtherUser => "the homeserver knows the as_token of the registration as that of another user".to_owned(),
        Standing::Full => {
            "the homeserver says who is in any room, and tells of rooms that invited the bridge user".to_owned()
        }
        Standing::OnlyInvited => "the homeserver tells of rooms that invited the bridge user, and says nothing of others: \
             msc4502_enabled in its experimental_features, and io.element.msc4502.scopes in the registration, let it"
            .to_owned(),
        Standing::NotPushed { is_joined } => format!(
            "the homeserver does not reach Hanse at the url of the registration, so it tells of no room; who is in a room \
             {}",
            if is_joined { "is asked when it matters" } else { "is not known" }
        ),
    }
}
