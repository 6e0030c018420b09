//! The decision, and what it takes: a proof from the homeserver, a look into the room, a room on the SFU, a signature.
//!
//! [`Focus::admit`] asks the ports; what it concludes from their answers is in [`crate::policy`].

use crate::ask::{Ask, AskedMember};
use crate::clock::{Clock, Now};
use crate::config::FocusSettings;
use crate::delayed_leave::{Leaves, Seat};
use crate::grant::{ApiKey, Grant};
use crate::guests::Guests;
use crate::limiter::{self, Limiter};
use crate::policy::{Crowd, SitePolicy};
use crate::ports::{Homeserver, NewRoom, ProofError, Rooms, Sfu, SfuError};
use crate::proofs::{ProofKey, Proofs};
use crate::refusal::{NotAuthorised, Refusal};
use crate::request_log::Notes;
use crate::seats::{Admitted, Seats};
use crate::standing::{Standing, standing};
use crate::store::Store;
use crate::webhook::Webhooks;
use hanse_matrixrtc::names::{hashed_identity, plain_identity};
use hanse_matrixrtc::{Granted, RoomId, ServerName, UserId};
use hanse_runtime::{ClientAddress, Redacted, Secret};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

/// How long a homeserver may take to prove a user. An adapter has a limit of its own, which is shorter.
pub const PROOF_TIMEOUT: Duration = Duration::from_secs(9);

/// How long the SFU may take to make a room.
pub const SFU_TIMEOUT: Duration = Duration::from_secs(5);

/// Seconds after which a room is closed that nobody joined. Element Call connects at once, or after its user has looked
/// at the lobby. It matters with an SFU that makes no rooms by itself: a client that comes later finds none, and asks for
/// no second token.
const ROOM_EMPTY_TIMEOUT_S: u32 = 300;

/// Seconds after which a room is closed that everybody has left: time for a client that lost its network.
const ROOM_DEPARTURE_TIMEOUT_S: u32 = 20;

/// News that wait for [`crate::Watch`]. When there are more, it looks at everything.
const NEWS_MAX: usize = 256;

/// What the focus asks and drives.
#[derive(Clone)]
pub struct Ports {
    /// Proves who asks.
    pub homeserver: Arc<dyn Homeserver>,
    /// Knows who is in a room. Without it, admission rests on the proof alone.
    pub rooms: Option<Arc<dyn Rooms>>,
    /// Has the calls.
    pub sfu: Arc<dyn Sfu>,
    /// What time it is.
    pub clock: Clock,
}

/// The focus of one organisation, with the ports that it asks.
pub struct Focus {
    sfu_url: String,
    token_lifetime_s: u64,
    key: RwLock<ApiKey>,
    ports: Ports,
    policy: RwLock<Arc<SitePolicy>>,
    pub(crate) proofs: Mutex<Proofs>,
    people: Mutex<Limiter>,
    homeservers: Mutex<Limiter>,
    addresses: Mutex<Limiter>,
    pub(crate) seats: Mutex<Seats>,
    news: broadcast::Sender<News>,
    pub(crate) leaves: Option<Leaves>,
    /// Where seats outlive this process; an SFU in the same process does not outlive it either.
    pub(crate) kept_seats: Option<Store>,
    pub(crate) webhooks: Mutex<Webhooks>,
    /// Where this organisation may have guests.
    pub(crate) guests: Option<Guests>,
    /// Whether the SFU begins no new calls, if it says so.
    pub(crate) draining: Option<watch::Receiver<bool>>,
}

/// What [`crate::Watch`] has to look at.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// Somebody was admitted to a call of this room, by what may not hold any more.
    Room(RoomId),
    /// Somebody has come into a call of this room, or gone from it.
    Person(RoomId, UserId),
    /// Somebody has come with a token that may say more than what holds.
    Seat(Seat),
    /// The rules have changed, or events were lost.
    Everything,
}

impl Focus {
    /// `key` signs grants, and must be one that the SFU knows.
    pub fn new(settings: &FocusSettings, policy: SitePolicy, key: ApiKey, ports: Ports) -> Self {
        Focus {
            sfu_url: settings.sfu_url.clone(),
            token_lifetime_s: settings.token_lifetime_s,
            key: RwLock::new(key),
            ports,
            policy: RwLock::new(Arc::new(policy)),
            proofs: Mutex::default(),
            people: Mutex::new(Limiter::new(limiter::PERSON)),
            homeservers: Mutex::new(Limiter::new(limiter::HOMESERVER)),
            addresses: Mutex::new(Limiter::new(limiter::ADDRESS)),
            seats: Mutex::default(),
            news: broadcast::channel(NEWS_MAX).0,
            leaves: None,
            kept_seats: None,
            webhooks: Mutex::default(),
            guests: None,
            draining: None,
        }
    }

    /// With an SFU in the same process: `/healthz` says whether it begins new calls.
    #[must_use]
    pub fn with_draining(mut self, draining: watch::Receiver<bool>) -> Self {
        self.draining = Some(draining);
        self
    }

    /// Has the asker proven and looked for in the room, decides, and has the room made before a grant goes out: the SFU may
    /// be one that makes no room for whoever joins.
    ///
    /// # Errors
    ///
    /// Why there is no token.
    pub(crate) async fn admit(&self, ask: &Ask, notes: &mut Notes) -> Result<Granted, Refusal> {
        let user = self.asker(&ask.server_name, &ask.access_token, notes).await?;
        self.only_in_meeting(&user, &ask.matrix_room).await?;
        let seat = Seat {
            room: ask.room.clone(),
            identity: identity(ask, &user)?,
        };
        // Whom nobody admits here is not looked for in a room, for which a homeserver is asked and a late join waited for.
        self.policy().rights(None, &user).map_err(Refusal::Denied)?;
        // Where nobody takes leaves over, 404 at `/delegate_delayed_leave` says so, and clients that send one all the same
        // go on keeping it alive themselves: a token without further words takes nothing from them, whereas a refusal ends
        // the call for Element Call in its `matrix_2_0` mode. Only users of other homeservers are refused, as by Element's
        // service; Element Call never hands a leave to a focus that is not its own.
        if ask.leave.is_some() && !self.policy().full_access.includes(user.server_name()) {
            return Err(Refusal::ForeignDelay);
        }
        let standing = match &self.ports.rooms {
            Some(rooms) => standing(&**rooms, &ask.matrix_room, &user).await?,
            None => Standing::Unknown,
        };
        let granted = self
            .give_seat(&seat, &ask.matrix_room, &user, &standing, notes)
            .await?;
        self.take_leave_over(ask.leave.as_ref(), seat, None, &user)
            .await?;
        Ok(granted)
    }

    /// Decides about somebody who is proven, and has the room made before a grant goes out.
    ///
    /// # Errors
    ///
    /// Why there is no token.
    pub(crate) async fn give_seat(
        &self,
        seat: &Seat,
        matrix_room: &RoomId,
        user: &UserId,
        standing: &Standing,
        notes: &mut Notes,
    ) -> Result<Granted, Refusal> {
        let now = self.now();
        notes.grade = Some(standing.name());
        let crowd = self.crowd(seat, matrix_room, user);
        let policy = self.policy();
        let rights = policy
            .admit(standing.facts(), user, crowd, now.unix_ms())
            .map_err(Refusal::Denied)?;
        notes.role = Some(rights.role);
        let grant = Grant {
            room: seat.room.clone(),
            identity: seat.identity.clone(),
            rights,
        };
        let jwt = self
            .key()
            .sign(&grant, now.unix_s, self.token_lifetime_s)
            .ok_or(Refusal::NoToken)?;
        self.make_room(&grant).await?;
        let admitted = Admitted {
            room: matrix_room.clone(),
            user: user.clone(),
            rights,
            // A token has no word for it.
            has_old_token: rights.bitrate_kbps.is_some(),
            was_there: false,
            is_present: false,
            session: None,
            token_until_ms: now
                .unix_s
                .saturating_add(self.token_lifetime_s)
                .saturating_mul(1000),
        };
        let must_be_told = lock(&self.seats)
            .admit(seat.clone(), admitted)
            .map_err(|_| Refusal::TooManySeats)?;
        if must_be_told {
            self.tell(News::Seat(seat.clone()));
        }
        if !self.still_holds(matrix_room, standing, &policy) {
            self.tell(News::Room(matrix_room.clone()));
        }
        self.keep_seat(seat, matrix_room, user, now).await;
        tracing::debug!(
            user = %Redacted(user.as_str()),
            room = %Redacted(grant.room.as_str()),
            role = rights.role.as_str(),
            publishes = rights.publishes(),
            "admitted"
        );
        Ok(Granted {
            url: self.sfu_url.clone(),
            jwt,
        })
    }

    /// How full the call of a seat is for somebody who wants in.
    fn crowd(&self, seat: &Seat, room: &RoomId, user: &UserId) -> Crowd {
        let seats = lock(&self.seats);
        let mut crowd = seats.crowd(&seat.room, user);
        crowd.has_asker |= seats.was_there(room, &seat.room, user);
        crowd
    }

    /// Whether somebody was admitted by what is known now. What changes later, [`crate::Watch`] hears, and finds the seat.
    /// Compared is where the facts are, which is enough: whoever is admitted holds on to theirs, so nobody changes these.
    /// To judge the room each time instead would cost as much as there are people in it.
    fn still_holds(&self, room: &RoomId, standing: &Standing, policy: &Arc<SitePolicy>) -> bool {
        let facts = self.rooms().and_then(|rooms| rooms.facts(room));
        let same_facts = match (standing, &facts) {
            (Standing::Known(before), Some(now)) => Arc::ptr_eq(before, now),
            (Standing::Joined | Standing::Unknown, None) => true,
            (Standing::Known(_), None) | (Standing::Joined | Standing::Unknown, Some(_)) => false,
        };
        same_facts && Arc::ptr_eq(policy, &self.policy())
    }

    /// The rules of the organisation, as they are now.
    pub fn policy(&self) -> Arc<SitePolicy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other rules into force, also for those who are in a call.
    pub fn change_policy(&self, change: impl FnOnce(&mut SitePolicy)) {
        let mut policy = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut policy));
        drop(policy);
        self.tell(News::Everything);
    }

    pub(crate) fn rooms(&self) -> Option<&Arc<dyn Rooms>> {
        self.ports.rooms.as_ref()
    }

    pub(crate) fn sfu_url(&self) -> &str {
        &self.sfu_url
    }

    pub(crate) fn sfu(&self) -> &dyn Sfu {
        &*self.ports.sfu
    }

    pub(crate) fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    pub(crate) fn tell(&self, news: News) {
        // Nobody may be watching (yet).
        let _ = self.news.send(news);
    }

    pub(crate) const fn token_lifetime_s(&self) -> u64 {
        self.token_lifetime_s
    }

    pub(crate) fn key(&self) -> ApiKey {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another key signs grants from now on; the SFU must know it already.
    pub fn change_key(&self, key: ApiKey) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    pub(crate) fn now(&self) -> Now {
        (self.ports.clock)()
    }

    /// Who asks, as their homeserver says; noted and counted.
    pub(crate) async fn asker(
        &self,
        server_name: &str,
        access_token: &Secret<String>,
        notes: &mut Notes,
    ) -> Result<UserId, Refusal> {
        let server: ServerName = server_name
            .parse()
            .map_err(|_| Refusal::NotAuthorised(NotAuthorised::Name))?;
        let user = self.proven(&server, access_token.expose()).await?;
        notes.user = Some(user.clone());
        self.count(&user, self.now())?;
        Ok(user)
    }

    async fn proven(&self, server: &ServerName, access_token: &str) -> Result<UserId, Refusal> {
        let key = ProofKey::new(server, access_token);
        let known = lock(&self.proofs).user(key, (self.ports.clock)().instant);
        if let Some(user) = known {
            return Ok(user);
        }
        self.count_homeserver(server)?;
        let answer = timeout(PROOF_TIMEOUT, self.ports.homeserver.prove(server, access_token)).await;
        let user = answer
            .unwrap_or(Err(ProofError::TooSlow))
            .and_then(|user| believed(&user, server))
            .map_err(|error| {
                tracing::info!(server = %Redacted(server.as_str()), "nobody is proven: {error}");
                refusal(&error)
            })?;
        lock(&self.proofs).remember(key, user.clone(), (self.ports.clock)().instant);
        Ok(user)
    }

    pub(crate) fn count(&self, user: &UserId, now: Now) -> Result<(), Refusal> {
        lock(&self.people).count(user, now.instant).map_err(|wait| {
            tracing::info!(user = %Redacted(user.as_str()), "asks too often");
            Refusal::TooOften(wait)
        })
    }

    /// Before a homeserver of others is asked; our own may have as many people as they like.
    fn count_homeserver(&self, server: &ServerName) -> Result<(), Refusal> {
        if self.policy().full_access.names(server) {
            return Ok(());
        }
        let counted = lock(&self.homeservers).count(server, self.now().instant);
        counted.map_err(|wait| {
            tracing::info!(server = %Redacted(server.as_str()), "too many people of one homeserver ask");
            Refusal::TooOften(wait)
        })
    }

    /// Before anything is known about who asks but where from.
    pub(crate) fn count_address(&self, address: ClientAddress) -> Result<(), Refusal> {
        let counted = lock(&self.addresses).count(&address, self.now().instant);
        counted.map_err(|wait| {
            tracing::info!(address = %Redacted(address.0), "too many requests from one address");
            Refusal::TooOften(wait)
        })
    }

    async fn make_room(&self, grant: &Grant) -> Result<(), Refusal> {
        let room = NewRoom {
            name: grant.room.clone(),
            empty_timeout_s: ROOM_EMPTY_TIMEOUT_S,
            departure_timeout_s: ROOM_DEPARTURE_TIMEOUT_S,
        };
        timeout(SFU_TIMEOUT, self.ports.sfu.create_room(&room))
            .await
            .unwrap_or_else(|_| Err(SfuError::Unreachable("it did not answer in time".to_owned())))
            .map_err(|error| {
                if error == SfuError::Draining {
                    return Refusal::Draining;
                }
                tracing::warn!(room = %Redacted(grant.room.as_str()), "no room was made: {error}");
                Refusal::NoRoom
            })
    }
}

/// A homeserver is believed about its own users only.
fn believed(user: &str, server: &ServerName) -> Result<UserId, ProofError> {
    let user: UserId = user
        .parse()
        .map_err(|_| ProofError::Unreachable("it answered with something that is no user id".to_owned()))?;
    if user.server_name() == server {
        Ok(user)
    } else {
        Err(ProofError::OtherServer)
    }
}

fn refusal(error: &ProofError) -> Refusal {
    let why = match error {
        ProofError::NotAuthorised | ProofError::OtherServer => NotAuthorised::Token,
        ProofError::Unreachable(_) | ProofError::RefusedAddress(_) | ProofError::TooSlow => {
            NotAuthorised::NoAnswer
        }
        ProofError::Busy => return Refusal::TooOften(Duration::from_secs(1)),
    };
    Refusal::NotAuthorised(why)
}

/// The name under which a proven user sits in the call.
pub(crate) fn identity(ask: &Ask, user: &UserId) -> Result<String, Refusal> {
    match &ask.member {
        AskedMember::Plain { device_id } => {
            plain_identity(user, device_id).ok_or(Refusal::BadField("device_id begins like a port"))
        }
        AskedMember::Hashed {
            claimed_user_id,
            claimed_device_id,
            member_id,
        } => {
            if claimed_user_id != user.as_str() {
                return Err(Refusal::NotAuthorised(NotAuthorised::Claim));
            }
            Ok(hashed_identity(user, claimed_device_id, member_id))
        }
    }
}

/// A panic elsewhere leaves the tables whole: each change is one insertion.
pub(crate) fn lock<T>(table: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
