//! Data: what people send each other besides media. Packets are routed here and nowhere else; the media plane only knows
//! channels.

mod nonces;
mod packet;

use crate::context::Context;
use crate::life::Cause;
use crate::limits::WAITING_DATA_BYTES_MAX;
use crate::participant::Participant;
use crate::room::Room;
use crate::signalling::SessionId;
use bytes::Bytes;
use hanse_sfu_core::DATA_MESSAGE_BYTES_MAX;
use hanse_sfu_core::command::{DataChannel, MediaCommand};
use hanse_sfu_core::ids::ConnectionId;
use livekit_protocol::UserPacket;
use livekit_protocol::participant_info::Kind;
use nonces::Nonces;
use packet::{Packet, Sender};
use std::collections::{BTreeSet, HashSet};

/// What a room remembers about data.
#[derive(Default)]
pub(crate) struct RoomData {
    nonces: Nonces,
}

/// What a participant's data is like.
#[derive(Default)]
pub(crate) struct ParticipantData {
    /// Channels by which it can be reached.
    open: BTreeSet<DataChannel>,
    /// Reliable packets from before it could be reached; at most [`WAITING_DATA_BYTES_MAX`].
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    /// The number of its latest reliable packet; clients count from 1.
    last_sequence: u32,
}

impl ParticipantData {
    /// Keeps a reliable packet until there is a channel for it. What does not fit is dropped.
    fn wait(&mut self, payload: &Bytes) {
        let bytes = self.waiting_bytes + payload.len();
        if bytes <= WAITING_DATA_BYTES_MAX {
            self.waiting_bytes = bytes;
            self.waiting.push(payload.clone());
        }
    }
}

/// Receivers of one packet, by the way in which they get it.
#[derive(Default)]
struct Receivers {
    /// As it is, by the channel of its kind.
    packet: Vec<ConnectionId>,
    /// Only the user's bytes: by a channel without packets.
    raw: Vec<ConnectionId>,
}

impl Room {
    /// A channel can be written to.
    pub fn handle_data_channel_open(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        connection: ConnectionId,
        channel: DataChannel,
    ) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        // With two peer connections, each has channels of the same names, and only one of them is for us to write to.
        if participant.data_connection() != connection {
            return;
        }
        participant.data.open.insert(channel);
        if channel == DataChannel::Reliable {
            participant.data.waiting_bytes = 0;
            for payload in std::mem::take(&mut participant.data.waiting) {
                cx.media(MediaCommand::SendData {
                    to: vec![connection],
                    channel,
                    payload,
                });
            }
        }
    }

    /// It takes nothing that is sent to it reliably. It has missed messages by now, so it begins anew; nobody else has lost
    /// anything by it.
    pub fn handle_data_stalled(&mut self, cx: &mut Context, session: SessionId) {
        self.live(cx, session, Cause::DataStalled);
    }

    /// A message of a participant.
    pub fn handle_data(
        &mut self,
        cx: &mut Context,
        session: SessionId,
        channel: DataChannel,
        payload: Bytes,
    ) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        if !participant.permission.can_publish_data {
            return;
        }
        let is_agent = participant.claims.kind == Kind::Agent;
        let (packet, channel) = match channel {
            // It knows nothing of packets. Everybody else gets one.
            DataChannel::Foreign => {
                let user = UserPacket {
                    payload: payload.into(),
                    ..UserPacket::default()
                };
                (Packet::of(user, Vec::new()), DataChannel::Reliable)
            }
            DataChannel::Reliable | DataChannel::Lossy => match Packet::parse(payload, is_agent) {
                Some(packet) => (packet, channel),
                None => return,
            },
            DataChannel::DataTrack => return,
        };
        if channel == DataChannel::Reliable && packet.sequence() > 0 {
            // After a reconnection a client repeats what we may not have had.
            if packet.sequence() <= participant.data.last_sequence {
                return;
            }
            participant.data.last_sequence = packet.sequence();
        }
        self.send_packet(cx, Some(session), channel, &packet);
    }

    /// Sends a packet to whom it is for, but never to its sender. `None`: the server sends it.
    fn send_packet(
        &mut self,
        cx: &mut Context,
        sender: Option<SessionId>,
        channel: DataChannel,
        packet: &Packet,
    ) {
        let nonce = packet.user().map_or(&[][..], |user| &user.nonce);
        if !self.data.nonces.is_new(nonce) {
            return;
        }
        let to = self.destinations(sender, packet);
        let from = sender
            .and_then(|sender| self.participants.get(&sender))
            .filter(|participant| !participant.is_hidden())
            .map(|participant| Sender {
                identity: &participant.identity,
                sid: &participant.sid,
                is_agent: participant.claims.kind == Kind::Agent,
            });
        let Some(payload) = packet
            .encode(from.unwrap_or_default(), channel)
            .filter(|payload| payload.len() <= DATA_MESSAGE_BYTES_MAX)
        else {
            return;
        };
        let mut receivers = Receivers::default();
        for session in to {
            let Some(participant) = self.participants.get_mut(&session) else {
                continue;
            };
            let connection = participant.data_connection();
            let data = &mut participant.data;
            if data.open.contains(&channel) {
                receivers.packet.push(connection);
            } else if data.open.contains(&DataChannel::Foreign) {
                receivers.raw.push(connection);
            } else if channel == DataChannel::Reliable {
                data.wait(&payload);
            }
        }
        if !receivers.packet.is_empty() {
            cx.media(MediaCommand::SendData {
                to: receivers.packet,
                channel,
                payload,
            });
        }
        if let Some(user) = packet.user().filter(|_| !receivers.raw.is_empty()) {
            cx.media(MediaCommand::SendData {
                to: receivers.raw,
                channel: DataChannel::Foreign,
                payload: user.payload.clone().into(),
            });
        }
    }

    /// Each of them once.
    fn destinations(&self, sender: Option<SessionId>, packet: &Packet) -> BTreeSet<SessionId> {
        let (identities, sids) = (packet.identities(), packet.sids());
        let mut to: BTreeSet<SessionId> = if identities.is_empty() && sids.is_empty() {
            self.participants.keys().copied().collect()
        } else {
            let named = identities.iter().filter_map(|it| self.identities.get(it));
            named.copied().collect()
        };
        if !sids.is_empty() {
            let sids: HashSet<&str> = sids.iter().map(String::as_str).collect();
            let is_meant = |participant: &&Participant| sids.contains(participant.sid.as_str());
            let meant = self.participants.values().filter(is_meant);
            to.extend(meant.map(|participant| participant.session));
        }
        if let Some(sender) = sender {
            to.remove(&sender);
        }
        to
    }
}
