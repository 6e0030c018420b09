//! The decision, and what it takes: a proof from the homeserver, a room on the SFU, a signature.
//!
//! [`decide`] and everything before it is without I/O; [`Focus::admit`] asks the two ports in between.

use crate::ask::{Ask, AskedMember};
use crate::clock::{Clock, Now};
use crate::config::FocusSettings;
use crate::grant::{ApiKey, Grant};
use crate::limiter::Limiter;
use crate::policy::FullAccess;
use crate::ports::{Homeserver, NewRoom, ProofError, Sfu, SfuError};
use crate::proofs::{ProofKey, Proofs};
use crate::refusal::{NotAuthorised, Refusal};
use hanse_matrixrtc::names::{hashed_identity, plain_identity};
use hanse_matrixrtc::{Granted, ServerName, UserId};
use hanse_runtime::Redacted;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
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

/// The focus of one organisation, with the ports that it asks.
pub struct Focus {
    sfu_url: String,
    full_access: FullAccess,
    token_lifetime_s: u64,
    key: ApiKey,
    homeserver: Arc<dyn Homeserver>,
    sfu: Arc<dyn Sfu>,
    clock: Clock,
    proofs: Mutex<Proofs>,
    limiter: Mutex<Limiter>,
}

impl Focus {
    /// `key` signs grants, and must be one that the SFU knows.
    pub fn new(
        settings: &FocusSettings,
        key: ApiKey,
        homeserver: Arc<dyn Homeserver>,
        sfu: Arc<dyn Sfu>,
        clock: Clock,
    ) -> Self {
        Focus {
            sfu_url: settings.sfu_url.clone(),
            full_access: settings.full_access.clone(),
            token_lifetime_s: settings.token_lifetime_s,
            key,
            homeserver,
            sfu,
            clock,
            proofs: Mutex::default(),
            limiter: Mutex::default(),
        }
    }

    /// Has the asker proven, decides, and has the room made before a grant goes out: the SFU may be one that makes no
    /// room for whoever joins.
    ///
    /// # Errors
    ///
    /// Why there is no token.
    pub async fn admit(&self, ask: &Ask) -> Result<Granted, Refusal> {
        let server: ServerName = ask
            .server_name
            .parse()
            .map_err(|_| Refusal::NotAuthorised(NotAuthorised::Name))?;
        let user = self.proven(&server, ask).await?;
        let now = (self.clock)();
        self.count(&user, now)?;
        let grant = decide(&self.full_access, ask, &user)?;
        let jwt = self
            .key
            .sign(&grant, now.unix_s, self.token_lifetime_s)
            .ok_or(Refusal::NoToken)?;
        self.make_room(&grant).await?;
        tracing::debug!(
            user = %Redacted(user.as_str()),
            room = %Redacted(grant.room.as_str()),
            publishes = grant.can_publish,
            "admitted"
        );
        Ok(Granted {
            url: self.sfu_url.clone(),
            jwt,
        })
    }

    async fn proven(&self, server: &ServerName, ask: &Ask) -> Result<UserId, Refusal> {
        let access_token = ask.access_token.expose();
        let key = ProofKey::new(server, access_token);
        let known = lock(&self.proofs).user(key, (self.clock)().instant);
        if let Some(user) = known {
            return Ok(user);
        }
        let answer = timeout(PROOF_TIMEOUT, self.homeserver.prove(server, access_token)).await;
        let user = answer
            .unwrap_or(Err(ProofError::TooSlow))
            .and_then(|user| believed(&user, server))
            .map_err(|error| {
                tracing::info!(server = %Redacted(server.as_str()), "nobody is proven: {error}");
                refusal(&error)
            })?;
        lock(&self.proofs).remember(key, user.clone(), (self.clock)().instant);
        Ok(user)
    }

    fn count(&self, user: &UserId, now: Now) -> Result<(), Refusal> {
        lock(&self.limiter).count(user, now.instant).map_err(|wait| {
            tracing::info!(user = %Redacted(user.as_str()), "asks too often");
            Refusal::TooOften(wait)
        })
    }

    async fn make_room(&self, grant: &Grant) -> Result<(), Refusal> {
        let room = NewRoom {
            name: grant.room.clone(),
            empty_timeout_s: ROOM_EMPTY_TIMEOUT_S,
            departure_timeout_s: ROOM_DEPARTURE_TIMEOUT_S,
        };
        timeout(SFU_TIMEOUT, self.sfu.create_room(&room))
            .await
            .unwrap_or_else(|_| Err(SfuError::Unreachable("it did not answer in time".to_owned())))
            .map_err(|error| {
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

/// What a proven user gets for what was asked.
fn decide(full_access: &FullAccess, ask: &Ask, user: &UserId) -> Result<Grant, Refusal> {
    if let AskedMember::Hashed { claimed_user_id, .. } = &ask.member
        && claimed_user_id != user.as_str()
    {
        return Err(Refusal::NotAuthorised(NotAuthorised::Claim));
    }
    let can_publish = full_access.includes(user.server_name());
    // Nobody here takes delayed leaves over yet, and 404 at `/delegate_delayed_leave` says so. Clients that send one all
    // the same go on keeping it alive themselves, so a token without further words takes nothing from them, whereas a
    // refusal ends the call for Element Call in its `matrix_2_0` mode. Only users of other homeservers are refused, as
    // by Element's service; Element Call never hands a leave to a focus that is not its own.
    if ask.hands_leave_over && !can_publish {
        return Err(Refusal::ForeignDelay);
    }
    let identity = match &ask.member {
        AskedMember::Plain { device_id } => {
            plain_identity(user, device_id).ok_or(Refusal::BadField("device_id begins like a port"))?
        }
        AskedMember::Hashed {
            claimed_device_id,
            member_id,
            ..
        } => hashed_identity(user, claimed_device_id, member_id),
    };
    Ok(Grant {
        room: ask.room.clone(),
        identity,
        can_publish,
    })
}

/// A panic elsewhere leaves both tables whole: each change is one insertion.
fn lock<T>(table: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
