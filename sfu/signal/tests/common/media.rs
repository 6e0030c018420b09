//! A model of the media plane: takes every command and checks that it makes sense.

use bytes::Bytes;
use hanse_sfu_core::DATA_MESSAGE_BYTES_MAX;
use hanse_sfu_core::command::{DataChannel, MediaCommand, ReceivePlan, SendPlan, Want};
use hanse_sfu_core::ids::{ConnectionId, DownTrackId, LAYERS_MAX, TrackId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Connection {
    is_connected: bool,
    plan: ReceivePlan,
}

pub struct Down {
    pub connection: ConnectionId,
    pub track: TrackId,
    pub plan: SendPlan,
    pub want: Want,
}

#[derive(Default)]
pub struct Media {
    connections: BTreeMap<ConnectionId, Connection>,
    pub down: BTreeMap<DownTrackId, Down>,
    ufrags: BTreeSet<String>,
    used: BTreeSet<DownTrackId>,
    /// Data channels that are open.
    pub channels: BTreeSet<(ConnectionId, DataChannel)>,
    /// What went out by them, until somebody takes it.
    pub data: Vec<(ConnectionId, DataChannel, Bytes)>,
    pub commands: Vec<MediaCommand>,
}

impl Media {
    pub fn take(&mut self, command: MediaCommand) {
        self.commands.push(command.clone());
        match command {
            MediaCommand::OpenConnection {
                connection,
                local,
                remote,
                ..
            } => {
                assert!(local.password.len() >= 24 && remote.password.len() >= 22);
                assert!(self.ufrags.insert(local.ufrag), "an ICE ufrag was used twice");
                assert!(
                    self.connections
                        .insert(connection, Connection::default())
                        .is_none(),
                    "opened twice"
                );
            }
            MediaCommand::RestartIce {
                connection,
                local,
                remote,
            } => {
                assert!(local.password.len() >= 24 && remote.password.len() >= 22);
                assert!(self.ufrags.insert(local.ufrag), "an ICE ufrag was used twice");
                assert!(
                    self.connections.contains_key(&connection),
                    "a restart of no connection"
                );
            }
            MediaCommand::SetReceivePlan { connection, plan } => {
                for section in &plan.sections {
                    assert!((1..=LAYERS_MAX).contains(&section.layers.len()));
                }
                self.connections
                    .get_mut(&connection)
                    .expect("a plan for no connection")
                    .plan = plan;
                let live = self.live();
                self.down.retain(|_, down| live.contains(&down.track));
            }
            MediaCommand::Subscribe {
                connection,
                track,
                down_track,
                plan,
                want,
            } => {
                assert!(
                    self.connections.contains_key(&connection),
                    "a subscription without a connection"
                );
                assert!(
                    self.live().contains(&track),
                    "a subscription to a track that nobody sends"
                );
                assert!(self.used.insert(down_track), "a down track id was used twice");
                for other in self.down.values().filter(|down| down.connection == connection) {
                    assert_ne!(other.plan.ssrc, plan.ssrc);
                    assert_ne!(other.plan.mid, plan.mid, "two tracks on one section");
                    assert_ne!(other.track, track, "one track twice");
                }
                assert!(
                    !self.sends_itself(connection, track),
                    "somebody gets its own track"
                );
                self.down.insert(
                    down_track,
                    Down {
                        connection,
                        track,
                        plan,
                        want,
                    },
                );
            }
            MediaCommand::Unsubscribe { down_track } => {
                assert!(self.used.contains(&down_track));
                self.down.remove(&down_track);
            }
            MediaCommand::SetWant { down_track, want } => {
                self.down.get_mut(&down_track).expect("a want for nothing").want = want;
            }
            MediaCommand::SetPrecedence { track, .. } => {
                assert!(self.live().contains(&track), "precedence of nothing");
            }
            MediaCommand::RequestKeyFrame { track } => {
                assert!(self.live().contains(&track), "a key frame of nothing");
            }
            MediaCommand::LimitDownlink { connection, .. } => {
                assert!(
                    self.connections.contains_key(&connection),
                    "a limit for no connection"
                );
            }
            MediaCommand::OpenDataChannels { connection } => {
                assert!(
                    self.connections.contains_key(&connection),
                    "channels on no connection"
                );
            }
            MediaCommand::SendData { to, channel, payload } => {
                assert!(!to.is_empty() && payload.len() <= DATA_MESSAGE_BYTES_MAX);
                for connection in to {
                    assert!(
                        self.channels.contains(&(connection, channel)),
                        "no such channel is open"
                    );
                    self.data.push((connection, channel, payload.clone()));
                }
            }
            MediaCommand::CloseConnection { connection } => self.forget(connection),
        }
    }

    pub fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
        self.channels.retain(|(of, _)| *of != connection);
        let live = self.live();
        self.down
            .retain(|_, down| down.connection != connection && live.contains(&down.track));
    }

    fn live(&self) -> BTreeSet<TrackId> {
        self.connections
            .values()
            .flat_map(|own| own.plan.sections.iter().map(|section| section.track))
            .collect()
    }

    fn sends_itself(&self, connection: ConnectionId, track: TrackId) -> bool {
        self.connections[&connection]
            .plan
            .sections
            .iter()
            .any(|section| section.track == track)
    }

    pub fn unconnected(&mut self) -> Vec<ConnectionId> {
        let mut fresh = Vec::new();
        for (id, connection) in &mut self.connections {
            if !std::mem::replace(&mut connection.is_connected, true) {
                fresh.push(*id);
            }
        }
        fresh
    }

    pub fn sends(&self, connection: ConnectionId, ssrc: u32) -> bool {
        self.down
            .values()
            .any(|down| down.connection == connection && down.plan.ssrc == ssrc)
    }

    pub fn track_at(&self, connection: ConnectionId, mid: &str) -> Option<TrackId> {
        let plan = &self.connections.get(&connection)?.plan;
        plan.sections
            .iter()
            .find(|section| section.mid.as_str() == mid)
            .map(|section| section.track)
    }

    pub fn plan(&self, connection: ConnectionId) -> &ReceivePlan {
        &self.connections[&connection].plan
    }

    pub fn want(&self, connection: ConnectionId, track: TrackId) -> Option<Want> {
        self.down
            .values()
            .find(|down| down.connection == connection && down.track == track)
            .map(|down| down.want)
    }

    pub fn knows(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    /// Whether a connection sends a track.
    pub fn publishes(&self, connection: ConnectionId, track: TrackId) -> bool {
        self.connections.contains_key(&connection) && self.sends_itself(connection, track)
    }

    pub fn connections(&self) -> usize {
        self.connections.len()
    }
}
