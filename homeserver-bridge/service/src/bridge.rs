//! The entrance: one value that the process makes once and everybody shares.

use crate::appservice;
use crate::client::{ApiError, Client, DelayedAction, DelayedEvent, Forwarded, refusal};
use crate::config::HomeserversConfig;
use crate::dial::{DialError, Dialler, DiallerError, tls_config};
use crate::guests::GuestMove;
use crate::homeserver::{Homeserver, Standing};
use crate::openid::{self, ProofError};
use crate::registration::Registration;
use crate::rooms::{Keeper, Pace, sentence};
use futures_util::future::join_all;
use hanse_matrixrtc::{RoomFacts, RoomId, ServerName, UserId};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;

/// Changes of rooms that a slow listener may be behind. One that is further behind is told that it missed some.
pub const CHANGES_MAX: usize = 1024;

/// Everything that is asked of homeservers goes through here. Cheap to share behind an `Arc`; holds no task of its own, but
/// [`Bridge::run`] is to be driven while it is used.
pub struct Bridge {
    dialler: Dialler,
    homeservers: Arc<[Arc<Homeserver>]>,
    /// Of homeservers that are not ours, where the configuration says where their client-server API is.
    others: HashMap<ServerName, Client>,
    changes: broadcast::Sender<RoomId>,
    guest_moves: broadcast::Sender<GuestMove>,
    keepers: Mutex<Vec<Keeper>>,
    pace: Pace,
}

/// Why there is no bridge.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// TLS or the look-up of names.
    #[error(transparent)]
    Dialler(#[from] DiallerError),
    /// The library that speaks HTTP.
    #[error("HTTP cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why it is not known which tokens a homeserver knows. Names no token.
#[derive(Debug, thiserror::Error)]
pub enum PresentTokenError {
    /// Nothing can be asked.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// It does not say.
    #[error("{0}")]
    Api(#[from] ApiError),
}

/// Why nothing is known about somebody in a room. Names no user, room or server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKnown {
    /// No homeserver of ours answers such a question: there is none, or none offers MSC4502.
    #[error("{0}")]
    NotTold(String),
    /// It should, and does not.
    #[error("{0}")]
    Api(#[from] ApiError),
}

/// Why a delayed event was not restarted, sent or cancelled. Names no user, no server and no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelayedLeaveError {
    /// The homeserver knows no such delayed event: sent, cancelled, or never there.
    #[error("the homeserver knows no such delayed event")]
    Unknown,
    /// To be asked again after this time; zero: it does not say.
    #[error("the homeserver is asked too often")]
    TooOften(Duration),
    /// Everything else, which may pass.
    #[error("{0}")]
    Api(ApiError),
    /// Everything else on the way to a homeserver that is not ours.
    #[error("{0}")]
    Dial(DialError),
}

impl Bridge {
    /// Takes the system's certificate authorities and name servers, and what `[homeservers]` adds.
    ///
    /// # Errors
    ///
    /// When TLS, HTTP or name resolution cannot be set up.
    pub fn new(config: &HomeserversConfig) -> Result<Self, BridgeError> {
        Bridge::over(Dialler::new(config)?, config, Pace::default())
    }

    /// A bridge over a dialler with surroundings of its own, at a pace of its own (tests).
    ///
    /// # Errors
    ///
    /// When TLS or HTTP cannot be set up.
    pub fn over(dialler: Dialler, config: &HomeserversConfig, pace: Pace) -> Result<Self, BridgeError> {
        let tls = tls_config(config)?;
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        let (guest_moves, _) = broadcast::channel(CHANGES_MAX);
        let mut homeservers = Vec::new();
        let mut keepers = Vec::new();
        for registration in &config.registrations {
            let tokens = registration.as_tokens().cloned().collect();
            let client = Client::new(&registration.client_api_url, tokens, tls.clone())?;
            let (homeserver, keeper) =
                Homeserver::new(registration.clone(), client, changes.clone(), guest_moves.clone());
            homeservers.push(homeserver);
            keepers.push(keeper);
        }
        let mut others = HashMap::new();
        for (server, url) in &config.client_api_urls {
            others.insert(server.clone(), Client::new(url, Vec::new(), tls.clone())?);
        }
        Ok(Bridge {
            dialler,
            homeservers: homeservers.into(),
            others,
            changes,
            guest_moves,
            keepers: Mutex::new(keepers),
            pace,
        })
    }

    /// Who holds this OpenID token: asks the homeserver of that name (`matrix_server_name` and `access_token`, as the asker
    /// sent them) and believes it about its own users only. Answers within [`crate::dial::limits::WHOLE_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// Why nobody is vouched for. Its text is for whoever runs the server and holds nothing personal.
    pub async fn prove(&self, server_name: &str, access_token: &str) -> Result<String, ProofError> {
        openid::prove(&self.dialler, server_name, access_token).await
    }

    /// What our homeservers call, below the root of the server. Without registrations it answers nobody.
    pub fn routes(&self) -> axum::Router {
        appservice::routes(Arc::clone(&self.homeservers))
    }

    /// Keeps up with rooms until it is dropped. To be driven once, beside a server that serves [`Bridge::routes`]; without
    /// it there are no facts, and homeservers are told to send again later. A second call has nothing to do and ends.
    pub async fn run(&self) {
        let keepers = std::mem::take(&mut *self.keepers.lock().unwrap_or_else(PoisonError::into_inner));
        let ours: HashSet<ServerName> = self.our_servers().cloned().collect();
        let ours = Arc::new(ours);
        join_all(
            keepers
                .into_iter()
                .map(|keeper| keeper.run(Arc::clone(&ours), self.pace)),
        )
        .await;
    }

    /// The names of the homeservers with a registration.
    pub fn our_servers(&self) -> impl Iterator<Item = &ServerName> {
        self.homeservers.iter().map(|homeserver| homeserver.server_name())
    }

    /// Which homeserver of ours proves itself by this token.
    pub fn server_of(&self, hs_token: &[u8]) -> Option<&ServerName> {
        appservice::homeserver_of(&self.homeservers, hs_token).map(|homeserver| homeserver.server_name())
    }

    /// Puts the tokens of these registrations in place of those before. Whatever else they say, and which ones there are,
    /// holds from the next start on.
    pub fn change_tokens(&self, registrations: &[Registration]) {
        for registration in registrations {
            for homeserver in self.homeservers.iter() {
                if homeserver.server_name() == registration.server_name() {
                    homeserver.change_tokens(registration);
                }
            }
        }
    }

    /// Whether a homeserver knows us by the present token of its registration, whichever others there are.
    ///
    /// # Errors
    ///
    /// When TLS or HTTP cannot be set up, or the homeserver does not answer.
    pub async fn knows_present_token(
        config: &HomeserversConfig,
        registration: &Registration,
    ) -> Result<bool, PresentTokenError> {
        let present = vec![registration.as_token.clone()];
        let tls = tls_config(config).map_err(BridgeError::from)?;
        let client = Client::new(&registration.client_api_url, present, tls).map_err(BridgeError::from)?;
        match client.whoami().await {
            Ok(user) => Ok(user == registration.bridge_user),
            Err(error) if error.is_unknown_token() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether somebody is in a room: by what is known of it (grade 2), or else as one of our homeservers answers (MSC4502,
    /// grade 1), that of the user first. Before it says no, a homeserver is asked even where facts are known, because they
    /// may be behind. A room that none of our homeservers is in has nobody in it.
    ///
    /// # Errors
    ///
    /// Why nothing is known. If one homeserver says no and another does not answer, nothing is known.
    pub async fn is_joined(&self, room: &RoomId, user: &UserId) -> Result<bool, NotKnown> {
        if self.facts(room).is_some_and(|facts| facts.is_joined(user)) {
            return Ok(true);
        }
        let (own, others): (Vec<_>, Vec<_>) = self
            .homeservers
            .iter()
            .partition(|homeserver| homeserver.server_name() == user.server_name());
        let (mut says_no, mut silent) = (false, None);
        for homeserver in own.into_iter().chain(others) {
            match homeserver.is_joined(room, user).await {
                Ok(Some(true)) => return Ok(true),
                // The user's own homeserver knows best.
                Ok(Some(false)) if homeserver.server_name() == user.server_name() => return Ok(false),
                Ok(Some(false)) => says_no = true,
                Ok(None) => {}
                Err(error) => silent = Some(error),
            }
        }
        match silent {
            Some(error) => Err(NotKnown::Api(error)),
            None if says_no => Ok(false),
            None => Err(NotKnown::NotTold(self.grade())),
        }
    }

    /// Whether anybody of a homeserver is in a room, known as in [`Bridge::is_joined`].
    ///
    /// # Errors
    ///
    /// Why nothing is known. If one homeserver says no and another does not answer, nothing is known.
    pub async fn is_server_joined(&self, room: &RoomId, server: &ServerName) -> Result<bool, NotKnown> {
        let facts = self.facts(room);
        let is_in = |facts: &RoomFacts| facts.joined().any(|user| user.server_name() == server);
        if facts.as_deref().is_some_and(is_in) {
            return Ok(true);
        }
        let (mut says_no, mut silent) = (facts.is_some(), None);
        for homeserver in self.homeservers.iter() {
            match homeserver.is_server_joined(room, server).await {
                Ok(Some(true)) => return Ok(true),
                Ok(Some(false)) => says_no = true,
                Ok(None) => {}
                Err(error) => silent = Some(error),
            }
        }
        match silent {
            Some(error) => Err(NotKnown::Api(error)),
            None if says_no => Ok(false),
            None => Err(NotKnown::NotTold(self.grade())),
        }
    }

    /// Has one of our homeservers sign a `POST` and send it to another homeserver (MSC4512), below the path that its
    /// registration keeps for us. Answers within 20 s.
    ///
    /// # Errors
    ///
    /// When our homeserver does not, or could not reach the other one. What that one answers is no error, whatever its status.
    pub async fn forward(
        &self,
        own: &ServerName,
        destination: &ServerName,
        path: &str,
        body: &Value,
    ) -> Result<Forwarded, NotKnown> {
        Ok(self.ours(own)?.client.forward(destination, path, body).await?)
    }

    /// A delayed event of a user of one of our homeservers; `None`: they have none of that id.
    ///
    /// # Errors
    ///
    /// When the homeserver does not say.
    pub async fn look_up_delayed(
        &self,
        user: &UserId,
        delay_id: &str,
    ) -> Result<Option<DelayedEvent>, NotKnown> {
        let homeserver = self.ours(user.server_name())?;
        Ok(homeserver.client.look_up_delayed(user, delay_id).await?)
    }

    /// Tells how guests of our homeservers stand to rooms, whichever these are, from now on.
    pub fn guest_moves(&self) -> broadcast::Receiver<GuestMove> {
        self.guest_moves.subscribe()
    }

    /// The homeserver of ours whose bridge user is in a room.
    pub(crate) fn in_room(&self, room: &RoomId) -> Option<&Homeserver> {
        let mut ours = self.homeservers.iter();
        ours.find(|ours| ours.facts.of(room).is_some()).map(AsRef::as_ref)
    }

    pub(crate) fn ours(&self, server: &ServerName) -> Result<&Homeserver, NotKnown> {
        let mut ours = self.homeservers.iter();
        ours.find(|ours| ours.server_name() == server)
            .map(AsRef::as_ref)
            .ok_or_else(|| NotKnown::NotTold("it is no homeserver of ours".to_owned()))
    }

    /// What holds in a room that has invited the bridge user; `None`: it has not, or has not been read yet.
    pub fn facts(&self, room: &RoomId) -> Option<Arc<RoomFacts>> {
        self.homeservers
            .iter()
            .find_map(|homeserver| homeserver.facts.of(room))
    }

    /// Names each room whose facts have changed, or are no longer known, from now on. Who is told that it missed some
    /// ([`broadcast::error::RecvError::Lagged`]) must look at all.
    pub fn changes(&self) -> broadcast::Receiver<RoomId> {
        self.changes.subscribe()
    }

    /// What is known about rooms, in a sentence for each homeserver.
    pub fn grade(&self) -> String {
        if self.homeservers.is_empty() {
            return "no homeserver has Hanse as an application service (registrations in [homeservers]), so nobody says who \
                    is in a room"
                .to_owned();
        }
        let sentences: Vec<String> = self.homeservers.iter().map(|each| sentence(each)).collect();
        sentences.join("; ")
    }

    /// What each of our homeservers lets us know, as last seen.
    pub fn standings(&self) -> impl Iterator<Item = (&ServerName, Standing)> {
        self.homeservers
            .iter()
            .map(|homeserver| (homeserver.server_name(), homeserver.standing()))
    }

    /// Restarts a delayed event (MSC4140): the homeserver waits again as long as it was scheduled for.
    ///
    /// # Errors
    ///
    /// See [`DelayedLeaveError`].
    pub async fn restart_leave(&self, server: &ServerName, delay_id: &str) -> Result<(), DelayedLeaveError> {
        self.act_on_delayed(server, DelayedAction::Restart, delay_id)
            .await
    }

    /// Has a delayed event sent now.
    ///
    /// # Errors
    ///
    /// See [`DelayedLeaveError`].
    pub async fn send_leave(&self, server: &ServerName, delay_id: &str) -> Result<(), DelayedLeaveError> {
        self.act_on_delayed(server, DelayedAction::Send, delay_id).await
    }

    /// Has a delayed event never sent.
    ///
    /// # Errors
    ///
    /// See [`DelayedLeaveError`].
    pub async fn cancel_leave(&self, server: &ServerName, delay_id: &str) -> Result<(), DelayedLeaveError> {
        self.act_on_delayed(server, DelayedAction::Cancel, delay_id).await
    }

    /// Sends a message (no state event) as the bridge user into a room that invited it, and says its id. `transaction` is up
    /// to the caller: the same one is sent once.
    ///
    /// # Errors
    ///
    /// [`NotKnown::NotTold`] where the bridge user is not in the room.
    pub async fn send_message(
        &self,
        room: &RoomId,
        kind: &str,
        transaction: &str,
        content: &Map<String, Value>,
    ) -> Result<String, NotKnown> {
        let homeserver = self
            .homeservers
            .iter()
            .find(|homeserver| homeserver.facts.of(room).is_some())
            .ok_or_else(|| NotKnown::NotTold("the bridge user is not in the room".to_owned()))?;
        Ok(homeserver
            .client
            .send_message(room, kind, transaction, content)
            .await?)
    }

    /// The way depends on whose homeserver it is. To one of ours goes the application service's token: Synapse then does not
    /// count how often we ask. To others goes nothing: whoever has the id may.
    async fn act_on_delayed(
        &self,
        server: &ServerName,
        action: DelayedAction,
        delay_id: &str,
    ) -> Result<(), DelayedLeaveError> {
        let ours = self.homeservers.iter().find(|ours| ours.server_name() == server);
        let client = ours.map(|ours| &ours.client).or_else(|| self.others.get(server));
        let outcome = match client {
            Some(client) => client.act_on_delayed(action, delay_id).await,
            None => {
                let answer = self
                    .dialler
                    .post_to_client_api(server, &action.path(delay_id))
                    .await
                    .map_err(DelayedLeaveError::Dial)?;
                match answer.status().is_success() {
                    true => Ok(()),
                    false => Err(refusal(answer.status().as_u16(), answer.headers(), answer.body())),
                }
            }
        };
        outcome.map_err(|error| match error {
            // Only the homeserver itself says so with a code; a proxy in front of it may just not know the path.
            ApiError::Status { status: 404, errcode } if errcode == "M_NOT_FOUND" => {
                DelayedLeaveError::Unknown
            }
            ApiError::TooOften(wait) => DelayedLeaveError::TooOften(wait),
            error => DelayedLeaveError::Api(error),
        })
    }
}
