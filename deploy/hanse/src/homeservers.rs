//! Homeservers, as the focus sees them: by way of the bridge.

use hanse_bridge::dial::DialError;
use hanse_bridge::{Bridge, DelayedLeaveError, NotKnown, ProofError as Unproven};
use hanse_focus::signed::{Forwarded, LookedUp, OwnHomeservers};
use hanse_focus::{
    Answer, DelayedEventError, DelayedEvents, Homeserver, ProofError, RoomFacts, RoomId, Rooms, RoomsError,
    ServerName, UserId,
};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast;

/// The bridge behind the ports of the focus.
pub struct Homeservers {
    bridge: Arc<Bridge>,
    /// No message of ours has the transaction id of another, also not of one before a restart.
    started_unix_ms: u64,
    messages: AtomicU64,
}

impl Homeservers {
    /// The homeservers that this bridge knows.
    pub fn new(bridge: Arc<Bridge>) -> Self {
        Homeservers {
            bridge,
            started_unix_ms: hanse_runtime::clock::unix_ms(),
            messages: AtomicU64::new(0),
        }
    }
}

impl Homeserver for Homeservers {
    fn prove<'a>(
        &'a self,
        server: &'a ServerName,
        access_token: &'a str,
    ) -> Answer<'a, Result<String, ProofError>> {
        Box::pin(async move {
            self.bridge
                .prove(server.as_str(), access_token)
                .await
                .map_err(|error| match error {
                    Unproven::Refused | Unproven::Token => ProofError::NotAuthorised,
                    Unproven::OtherServer => ProofError::OtherServer,
                    Unproven::Dial(DialError::NotPublic) => {
                        ProofError::RefusedAddress(DialError::NotPublic.to_string())
                    }
                    Unproven::Dial(DialError::TimedOut) => ProofError::TooSlow,
                    Unproven::Dial(DialError::Busy) => ProofError::Busy,
                    other => ProofError::Unreachable(other.to_string()),
                })
        })
    }
}

impl Rooms for Homeservers {
    fn is_joined<'a>(&'a self, room: &'a RoomId, user: &'a UserId) -> Answer<'a, Result<bool, RoomsError>> {
        Box::pin(async move {
            self.bridge
                .is_joined(room, user)
                .await
                .map_err(|why| not_known(&why))
        })
    }

    fn facts(&self, room: &RoomId) -> Option<Arc<RoomFacts>> {
        self.bridge.facts(room)
    }

    fn tell<'a>(
        &'a self,
        room: &'a RoomId,
        kind: &'a str,
        content: &'a Map<String, Value>,
    ) -> Answer<'a, Result<(), RoomsError>> {
        Box::pin(async move {
            let number = self.messages.fetch_add(1, Ordering::Relaxed);
            let transaction = format!("hanse-{}-{number}", self.started_unix_ms);
            self.bridge
                .send_message(room, kind, &transaction, content)
                .await
                .map(drop)
                .map_err(|why| not_known(&why))
        })
    }

    fn changes(&self) -> broadcast::Receiver<RoomId> {
        self.bridge.changes()
    }
}

fn not_known(why: &NotKnown) -> RoomsError {
    match why {
        NotKnown::NotTold(reason) => RoomsError::NotTold(reason.clone()),
        NotKnown::Api(error) => RoomsError::Unreachable(error.to_string()),
    }
}

impl OwnHomeservers for Homeservers {
    fn server_of(&self, hs_token: &[u8]) -> Option<ServerName> {
        self.bridge.server_of(hs_token).cloned()
    }

    fn is_server_joined<'a>(
        &'a self,
        room: &'a RoomId,
        server: &'a ServerName,
    ) -> Answer<'a, Result<bool, RoomsError>> {
        Box::pin(async move {
            let joined = self.bridge.is_server_joined(room, server).await;
            joined.map_err(|why| not_known(&why))
        })
    }

    fn forward<'a>(
        &'a self,
        own: &'a ServerName,
        destination: &'a ServerName,
        path: &'a str,
        body: &'a Value,
    ) -> Answer<'a, Result<Forwarded, RoomsError>> {
        Box::pin(async move {
            let forwarded = self.bridge.forward(own, destination, path, body).await;
            let forwarded = forwarded.map_err(|why| not_known(&why))?;
            Ok(Forwarded {
                status: forwarded.status,
                content: forwarded.content,
            })
        })
    }

    fn look_up_delay<'a>(
        &'a self,
        user: &'a UserId,
        delay_id: &'a str,
    ) -> Answer<'a, Result<Option<LookedUp>, RoomsError>> {
        Box::pin(async move {
            let found = self.bridge.look_up_delayed(user, delay_id).await;
            let found = found.map_err(|why| not_known(&why))?;
            Ok(found.map(|event| LookedUp {
                room: event.room_id,
                delay_ms: event.delay_ms,
            }))
        })
    }
}

impl DelayedEvents for Homeservers {
    fn restart<'a>(
        &'a self,
        server: &'a ServerName,
        delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        Box::pin(async move { self.bridge.restart_leave(server, delay_id).await.map_err(delayed) })
    }

    fn send<'a>(
        &'a self,
        server: &'a ServerName,
        delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        Box::pin(async move { self.bridge.send_leave(server, delay_id).await.map_err(delayed) })
    }

    fn cancel<'a>(
        &'a self,
        server: &'a ServerName,
        delay_id: &'a str,
    ) -> Answer<'a, Result<(), DelayedEventError>> {
        Box::pin(async move { self.bridge.cancel_leave(server, delay_id).await.map_err(delayed) })
    }
}

fn delayed(error: DelayedLeaveError) -> DelayedEventError {
    match error {
        DelayedLeaveError::Unknown => DelayedEventError::Unknown,
        DelayedLeaveError::TooOften(wait) => DelayedEventError::TooOften(wait),
        DelayedLeaveError::Api(error) => DelayedEventError::Unreachable(error.to_string()),
        DelayedLeaveError::Dial(error) => DelayedEventError::Unreachable(error.to_string()),
    }
}
