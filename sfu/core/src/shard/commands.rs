//! What the control side says.

use super::{CONNECTIONS_MAX, Shard, ShardCommand, TICK};
use crate::command::{
    ConnectionEnd, IceCredentials, MediaCommand, MediaEvent, Peer, ReceivePlan, SendPlan, Want,
};
use crate::connection::Connection;
use crate::down_track::{DownTrack, Packaging};
use crate::estimate::BandwidthEstimator;
use crate::ids::{ConnectionId, DownTrackId, TrackId};
use crate::track::{Origin, Track};
use rand::RngExt;
use std::time::Instant;

impl Shard {
    /// Takes a command of the control side.
    pub fn handle_command(&mut self, now: Instant, command: ShardCommand) {
        match command {
            ShardCommand::Media(command) => self.handle_media(now, command),
            ShardCommand::Yield {
                connection,
                ufrag,
                owner,
            } => self.yield_to(connection, ufrag, owner),
            ShardCommand::ForgetUfrag { ufrag } => {
                self.foreign_ufrags.remove(&ufrag);
            }
            ShardCommand::Mirror {
                track,
                codec,
                layering,
                layers,
                owner,
            } => self.mirror(track, codec, layering, layers, owner),
            ShardCommand::Feed { track, to } => self.feed(now, track, to),
            ShardCommand::EndMirror { track } => self.remove_track(track),
        }
    }

    fn handle_media(&mut self, now: Instant, command: MediaCommand) {
        match command {
            MediaCommand::OpenConnection {
                connection,
                peer,
                local,
                remote,
                fingerprint,
            } => {
                match peer {
                    Peer::Client => {}
                    Peer::Relay(relay) => relay.impossible(),
                }
                if self.connections.len() >= CONNECTIONS_MAX || self.ufrags.contains_key(&local.ufrag) {
                    self.event(MediaEvent::Ended {
                        connection,
                        end: ConnectionEnd::IceTimeout,
                    });
                    return;
                }
                let ufrag = local.ufrag.clone();
                let key =
                    self.connections
                        .insert(Connection::new(now, connection, local, remote, fingerprint));
                self.connection_keys.insert(connection, key);
                self.ufrags.insert(ufrag, key);
                self.next_tick.get_or_insert(now + TICK);
            }
            MediaCommand::RestartIce {
                connection,
                local,
                remote,
            } => self.restart_ice(connection, local, remote),
            MediaCommand::SetReceivePlan { connection, plan } => self.set_receive_plan(connection, &plan),
            MediaCommand::Subscribe {
                connection,
                track,
                down_track,
                plan,
                want,
            } => {
                self.subscribe(now, connection, track, down_track, plan, want);
            }
            MediaCommand::Unsubscribe { down_track } => self.remove_down_track(down_track),
            MediaCommand::SetWant { down_track, want } => {
                let Some(&(key, place)) = self.down_track_keys.get(&down_track) else {
                    return;
                };
                let down_tracks = self.tracks.get_mut(key).map(|track| &mut track.down_tracks);
                if let Some(down_track) = down_tracks.and_then(|down_tracks| down_tracks.get_mut(place)) {
                    down_track.set_want(want);
                    let connection = down_track.connection;
                    self.share_changed_downlink(now, connection);
                }
                self.seek_key_frames(now, key);
            }
            MediaCommand::LimitDownlink {
                connection,
                bits_per_second,
            } => {
                let Some(&key) = self.connection_keys.get(&connection) else {
                    return;
                };
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.downlink.set_cap(bits_per_second);
                }
                self.share_downlink(now, key);
            }
            MediaCommand::SetPrecedence { track, precedence } => {
                let key = self.track_keys.get(&track).copied();
                if let Some(track) = key.and_then(|key| self.tracks.get_mut(key)) {
                    track.precedence = precedence;
                }
            }
            MediaCommand::RequestKeyFrame { track } => {
                let Some(&key) = self.track_keys.get(&track) else {
                    return;
                };
                if let Some(track) = self.tracks.get_mut(key) {
                    track.want_all_key_frames(now);
                }
                self.ask_for_key_frames(now, key);
            }
            MediaCommand::OpenDataChannels { connection } => self.open_channels(now, connection),
            MediaCommand::SendData { to, channel, payload } => self.send_data(now, &to, channel, &payload),
            MediaCommand::CloseConnection { connection } => {
                self.foreign_ufrags
                    .retain(|_, (foreign, _)| *foreign != connection);
                if let Some(&key) = self.connection_keys.get(&connection) {
                    self.forget(key, None);
                }
            }
        }
    }

    /// A restart that the peer has not followed yet gives way to the new one.
    fn restart_ice(&mut self, connection: ConnectionId, local: IceCredentials, remote: IceCredentials) {
        let key = self.connection_keys.get(&connection).copied();
        let Some(key) = key.filter(|_| !self.ufrags.contains_key(&local.ufrag)) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        self.ufrags.insert(local.ufrag.clone(), key);
        if let Some((before, _)) = connection.next.replace((local, remote)) {
            self.ufrags.remove(&before.ufrag);
        }
    }

    fn set_receive_plan(&mut self, connection: ConnectionId, plan: &ReceivePlan) {
        let Some(&key) = self.connection_keys.get(&connection) else {
            return;
        };
        for section in &plan.sections {
            if !self.track_keys.contains_key(&section.track) {
                let track = Track::new(
                    section.track,
                    section.codec,
                    section.layering,
                    Origin::Connection(key),
                    section
                        .layers
                        .iter()
                        .map(|layer| usize::from(layer.layer.0) + 1)
                        .max()
                        .unwrap_or(1),
                );
                let track_key = self.tracks.insert(track);
                self.track_keys.insert(section.track, track_key);
            }
        }
        let Some(state) = self.connections.get_mut(key) else {
            return;
        };
        let before: Vec<TrackId> = state.sections.iter().map(|section| section.track_id).collect();
        let tracks = &self.tracks;
        let track_keys = &self.track_keys;
        state.set_plan(plan, |track| {
            // A track belongs to the connection that first announced it.
            let track_key = *track_keys.get(&track)?;
            (tracks.get(track_key)?.origin == Origin::Connection(key)).then_some(track_key)
        });
        for track in before {
            if !plan.sections.iter().any(|section| section.track == track) {
                self.remove_track(track);
            }
        }
    }

    fn subscribe(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        track: TrackId,
        down_track: DownTrackId,
        plan: SendPlan,
        want: Want,
    ) {
        let Some(&connection_key) = self.connection_keys.get(&connection) else {
            return;
        };
        let Some(&key) = self.track_keys.get(&track) else {
            return;
        };
        // Nobody gets what they cannot decode.
        if self
            .tracks
            .get(key)
            .is_none_or(|track| Packaging::of(track.codec, &plan).is_none())
        {
            return;
        }
        // Nobody gets their own, whatever the control side believes.
        if self.publisher(key) == Some(connection_key) || self.down_track_keys.contains_key(&down_track) {
            return;
        }
        let (Some(connection), Some(track)) =
            (self.connections.get_mut(connection_key), self.tracks.get_mut(key))
        else {
            return;
        };
        connection.sends.push((plan.ssrc, down_track));
        if plan.is_measured() {
            connection
                .estimator
                .get_or_insert_with(|| Box::new(BandwidthEstimator::new(now)));
        }
        let rtx_start = self.random.random_range(0..0x8000);
        self.down_track_keys
            .insert(down_track, (key, track.down_tracks.len()));
        track.down_tracks.push(DownTrack::new(
            down_track,
            connection_key,
            track.codec,
            track.layering,
            plan,
            want,
            rtx_start,
        ));
        if track.down_tracks.last().is_some_and(DownTrack::is_numbered) {
            connection.probes_on = Some(down_track);
        }
        self.share_changed_downlink(now, connection_key);
        let Some(track) = self.tracks.get_mut(key) else {
            return;
        };
        track.foresee_key_frame(now, track.down_tracks.len() - 1);
        self.seek_key_frames(now, key);
    }

    /// Sees to the key frames that a track's subscribers wait for.
    pub(super) fn seek_key_frames(&mut self, now: Instant, key: usize) {
        let connections = &self.connections;
        if let Some(track) = self.tracks.get_mut(key)
            && track.seek_key_frames(now, |connection| Self::is_ready(connections, connection))
            && !track.queued
        {
            track.queued = true;
            self.pending.push_back(key);
        }
        self.ask_for_key_frames(now, key);
    }
}
