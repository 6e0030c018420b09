//! Which shard has which connection: turns the control side's commands into shard commands, and back.
//!
//! A new connection is announced to every shard; the kernel's choice of a socket for its first STUN check decides which
//! shard gets it. Until then its commands wait here. A track with subscribers on other shards is mirrored there, and
//! each packet crosses once per shard.

use crate::command::{Codec, Layering, MediaCommand, MediaEvent, Precedence};
use crate::ids::{ConnectionId, DownTrackId, ShardId, TrackId};
use crate::shard::{ShardCommand, ShardEvent};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// Commands that wait for one connection to be claimed. A negotiation makes a handful; past this the connection has
/// been talked to for minutes without a peer, and further commands are dropped (it will never see them).
pub const WAITING_MAX: usize = 10_000;

/// What comes out of [`Placement`].
#[derive(Debug)]
pub enum PlacementOutput {
    /// To be carried to a shard.
    Shard(ShardId, ShardCommand),
    /// For the control side.
    Event(MediaEvent),
}

#[derive(Debug)]
struct Seat {
    ufrag: String,
    /// Of an ICE restart that the peer has not followed yet.
    next_ufrag: Option<String>,
    owner: Option<ShardId>,
    waiting: Vec<MediaCommand>,
    tracks: BTreeSet<TrackId>,
    down_tracks: BTreeSet<DownTrackId>,
}

#[derive(Debug)]
struct Published {
    by: ConnectionId,
    codec: Codec,
    layering: Layering,
    layers: usize,
    precedence: Precedence,
    mirrored: BTreeSet<ShardId>,
}

/// Owned by the control side, one for a node.
#[derive(Debug)]
pub struct Placement {
    shards: u16,
    seats: BTreeMap<ConnectionId, Seat>,
    tracks: BTreeMap<TrackId, Published>,
    down_tracks: BTreeMap<DownTrackId, (ConnectionId, TrackId)>,
    outputs: VecDeque<PlacementOutput>,
}

impl Placement {
    /// For a node with this many shards (at least 1).
    pub fn new(shards: u16) -> Self {
        Placement {
            shards: shards.max(1),
            seats: BTreeMap::new(),
            tracks: BTreeMap::new(),
            down_tracks: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes a command of the signalling.
    pub fn handle_command(&mut self, _now: Instant, mut command: MediaCommand) {
        match &mut command {
            MediaCommand::OpenConnection {
                connection, local, ..
            } => {
                let ufrag = local.ufrag.clone();
                let seat = Seat {
                    ufrag,
                    next_ufrag: None,
                    owner: None,
                    waiting: Vec::new(),
                    tracks: BTreeSet::new(),
                    down_tracks: BTreeSet::new(),
                };
                self.seats.insert(*connection, seat);
                self.tell_all(command);
            }
            MediaCommand::RestartIce {
                connection, local, ..
            } => {
                let (connection, ufrag) = (*connection, local.ufrag.clone());
                let Some(seat) = self.seats.get_mut(&connection) else {
                    return;
                };
                let replaced = seat.next_ufrag.replace(ufrag.clone());
                // Until somebody has it, everybody expects it.
                let Some(owner) = seat.owner else {
                    return self.tell_all(command);
                };
                self.pass_on(connection, command);
                if let Some(ufrag) = replaced {
                    self.forget_ufrag(owner, &ufrag);
                }
                self.yield_ufrag(connection, owner, &ufrag);
            }
            MediaCommand::SetReceivePlan { connection, plan } => {
                let connection = *connection;
                let Some(seat) = self.seats.get_mut(&connection) else {
                    return;
                };
                // A track belongs to the connection that first announced it, whatever shard that is on.
                let published = &self.tracks;
                plan.sections
                    .retain(|section| published.get(&section.track).is_none_or(|it| it.by == connection));
                let tracks: BTreeSet<_> = plan.sections.iter().map(|section| section.track).collect();
                let ended: Vec<_> = seat.tracks.difference(&tracks).copied().collect();
                seat.tracks = tracks;
                for section in &plan.sections {
                    let layers = section
                        .layers
                        .iter()
                        .map(|layer| usize::from(layer.layer.0) + 1)
                        .max();
                    self.tracks.entry(section.track).or_insert_with(|| Published {
                        by: connection,
                        codec: section.codec,
                        layering: section.layering,
                        layers: layers.unwrap_or(1),
                        precedence: Precedence::default(),
                        mirrored: BTreeSet::new(),
                    });
                }
                self.pass_on(connection, command);
                self.end_tracks(ended);
            }
            MediaCommand::Subscribe {
                connection,
                track,
                down_track,
                ..
            } => {
                let (connection, track) = (*connection, *track);
                let Some(seat) = self.seats.get_mut(&connection) else {
                    return;
                };
                seat.down_tracks.insert(*down_track);
                self.down_tracks.insert(*down_track, (connection, track));
                // The track's shard must be known before it can be mirrored, so a subscription waits for both.
                let Some(by) = self.tracks.get(&track).map(|track| track.by) else {
                    return self.pass_on(connection, command);
                };
                match (self.owner(by), self.owner(connection)) {
                    (None, Some(_)) => self.wait(by, command),
                    (Some(_), None) => {
                        // The way to the publisher and back takes its time while the subscriber's handshake takes its own.
                        self.pass_on(by, MediaCommand::RequestKeyFrame { track });
                        self.pass_on(connection, command);
                    }
                    _ => self.pass_on(connection, command),
                }
            }
            MediaCommand::Unsubscribe { down_track } => {
                let Some((connection, track)) = self.down_tracks.remove(down_track) else {
                    return;
                };
                let by = self.tracks.get(&track).map(|track| track.by);
                for seat in [Some(connection), by].into_iter().flatten() {
                    let Some(seat) = self.seats.get_mut(&seat) else {
                        continue;
                    };
                    seat.waiting.retain(|waiting| !subscribes(waiting, *down_track));
                    seat.down_tracks.remove(down_track);
                }
                self.pass_on(connection, command);
            }
            MediaCommand::SetWant {
                down_track,
                want: new,
            } => {
                let Some(&(connection, track)) = self.down_tracks.get(down_track) else {
                    return;
                };
                // The subscription may still wait for the track's publisher; then it starts with the new wish.
                let by = self.tracks.get(&track).map(|track| track.by);
                let waiting = by
                    .and_then(|by| self.seats.get_mut(&by))
                    .map(|seat| &mut seat.waiting);
                for waiting in waiting.into_iter().flatten() {
                    if let MediaCommand::Subscribe {
                        down_track: waiting,
                        want,
                        ..
                    } = waiting
                        && waiting == down_track
                    {
                        *want = *new;
                    }
                }
                self.pass_on(connection, command);
            }
            MediaCommand::LimitDownlink { connection, .. }
            | MediaCommand::OpenDataChannels { connection } => {
                let connection = *connection;
                self.pass_on(connection, command);
            }
            MediaCommand::SetPrecedence { track, precedence } => {
                let Some(published) = self.tracks.get_mut(track) else {
                    return;
                };
                published.precedence = *precedence;
                for shard in &published.mirrored {
                    let command = ShardCommand::Media(command.clone());
                    self.outputs.push_back(PlacementOutput::Shard(*shard, command));
                }
                let by = published.by;
                self.pass_on(by, command);
            }
            MediaCommand::RequestKeyFrame { track } => {
                if let Some(by) = self.tracks.get(track).map(|track| track.by) {
                    self.pass_on(by, command);
                }
            }
            MediaCommand::SendData { to, channel, payload } => {
                // One command for each shard. A peer without a shard has no channel either.
                for shard in (0..self.shards).map(ShardId) {
                    let here = |connection: &ConnectionId| self.owner(*connection) == Some(shard);
                    let to: Vec<ConnectionId> = to.iter().copied().filter(here).collect();
                    if !to.is_empty() {
                        let command = MediaCommand::SendData {
                            to,
                            channel: *channel,
                            payload: payload.clone(),
                        };
                        self.outputs
                            .push_back(PlacementOutput::Shard(shard, ShardCommand::Media(command)));
                    }
                }
            }
            MediaCommand::CloseConnection { connection } => {
                let connection = *connection;
                self.remove_seat(connection);
            }
        }
    }

    /// Takes what a shard said.
    pub fn handle_event(&mut self, now: Instant, from: ShardId, event: ShardEvent) {
        match event {
            ShardEvent::Claimed(connection) => {
                let Some(seat) = self.seats.get_mut(&connection) else {
                    return;
                };
                let owner = *seat.owner.get_or_insert(from);
                let ufrags = [Some(seat.ufrag.clone()), seat.next_ufrag.clone()];
                let waiting = std::mem::take(&mut seat.waiting);
                for ufrag in ufrags.into_iter().flatten() {
                    self.yield_ufrag(connection, owner, &ufrag);
                }
                for command in waiting {
                    match command {
                        MediaCommand::Subscribe { .. } => self.handle_command(now, command),
                        command => self.pass_on(connection, command),
                    }
                }
            }
            ShardEvent::Restarted { connection, ufrag } => {
                let Some(seat) = self
                    .seats
                    .get_mut(&connection)
                    .filter(|seat| seat.owner == Some(from))
                else {
                    return;
                };
                let over = std::mem::replace(&mut seat.ufrag, ufrag.clone());
                // The peer may have followed an earlier restart just when another one was on its way.
                let is_latest = seat.next_ufrag.take_if(|next| *next == ufrag).is_some();
                self.forget_ufrag(from, &over);
                if !is_latest {
                    self.yield_ufrag(connection, from, &ufrag);
                }
            }
            ShardEvent::Media(event) => {
                // Only the owner's word counts; a shard that lost the race for a connection forgets it in silence.
                if let MediaEvent::Connected { connection }
                | MediaEvent::Ended { connection, .. }
                | MediaEvent::DataChannelOpen { connection, .. }
                | MediaEvent::Data { connection, .. }
                | MediaEvent::DataStalled { connection }
                | MediaEvent::Quality { connection, .. } = event
                    && self.owner(connection).is_some_and(|owner| owner != from)
                {
                    return;
                }
                if let MediaEvent::Ended { connection, .. } = event {
                    self.remove_seat(connection);
                }
                self.outputs.push_back(PlacementOutput::Event(event));
            }
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<PlacementOutput> {
        self.outputs.pop_front()
    }

    fn owner(&self, connection: ConnectionId) -> Option<ShardId> {
        self.seats.get(&connection)?.owner
    }

    fn remove_seat(&mut self, connection: ConnectionId) {
        let Some(seat) = self.seats.remove(&connection) else {
            return;
        };
        self.tell_all(MediaCommand::CloseConnection { connection });
        self.end_tracks(seat.tracks);
        for down_track in seat.down_tracks {
            self.down_tracks.remove(&down_track);
        }
    }

    fn tell_all(&mut self, command: MediaCommand) {
        for shard in (0..self.shards).map(ShardId) {
            self.outputs.push_back(PlacementOutput::Shard(
                shard,
                ShardCommand::Media(command.clone()),
            ));
        }
    }

    fn tell_others(&mut self, owner: ShardId, command: impl Fn() -> ShardCommand) {
        for shard in (0..self.shards).map(ShardId).filter(|shard| *shard != owner) {
            self.outputs.push_back(PlacementOutput::Shard(shard, command()));
        }
    }

    /// Whoever checks with this ufrag belongs to another shard.
    fn yield_ufrag(&mut self, connection: ConnectionId, owner: ShardId, ufrag: &str) {
        self.tell_others(owner, || ShardCommand::Yield {
            connection,
            ufrag: ufrag.to_owned(),
            owner,
        });
    }

    fn forget_ufrag(&mut self, owner: ShardId, ufrag: &str) {
        self.tell_others(owner, || ShardCommand::ForgetUfrag {
            ufrag: ufrag.to_owned(),
        });
    }

    fn wait(&mut self, connection: ConnectionId, command: MediaCommand) {
        if let Some(seat) = self.seats.get_mut(&connection)
            && seat.waiting.len() < WAITING_MAX
        {
            seat.waiting.push(command);
        }
    }

    /// To the connection's shard, or into its queue until it has one.
    fn pass_on(&mut self, connection: ConnectionId, command: MediaCommand) {
        let Some(owner) = self.owner(connection) else {
            return self.wait(connection, command);
        };
        if let MediaCommand::Subscribe { track, .. } = &command {
            self.mirror(*track, owner);
        }
        self.outputs
            .push_back(PlacementOutput::Shard(owner, ShardCommand::Media(command)));
    }

    /// Makes a track available on a shard.
    fn mirror(&mut self, track: TrackId, to: ShardId) {
        let Some(owner) = self
            .tracks
            .get(&track)
            .and_then(|published| self.owner(published.by))
        else {
            return;
        };
        let Some(published) = self.tracks.get_mut(&track) else {
            return;
        };
        if owner == to || !published.mirrored.insert(to) {
            return;
        }
        let Published {
            codec,
            layering,
            layers,
            precedence,
            ..
        } = *published;
        let mirror = ShardCommand::Mirror {
            track,
            codec,
            layering,
            layers,
            owner,
        };
        self.outputs.push_back(PlacementOutput::Shard(to, mirror));
        if precedence != Precedence::default() {
            let command = ShardCommand::Media(MediaCommand::SetPrecedence { track, precedence });
            self.outputs.push_back(PlacementOutput::Shard(to, command));
        }
        self.outputs
            .push_back(PlacementOutput::Shard(owner, ShardCommand::Feed { track, to }));
    }

    fn end_tracks(&mut self, ended: impl IntoIterator<Item = TrackId>) {
        for track in ended {
            let mirrored = self
                .tracks
                .remove(&track)
                .map(|track| track.mirrored)
                .unwrap_or_default();
            for shard in mirrored {
                self.outputs
                    .push_back(PlacementOutput::Shard(shard, ShardCommand::EndMirror { track }));
            }
        }
    }
}

fn subscribes(command: &MediaCommand, to: DownTrackId) -> bool {
    matches!(command, MediaCommand::Subscribe { down_track, .. } if *down_track == to)
}
