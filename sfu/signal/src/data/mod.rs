//! Data: what people send each other besides media. Packets are routed here and nowhere else; the media plane only knows
//! channels. `packet.rs` is LiveKit's packet, `tracks.rs` what data tracks add, `rpc.rs` calls of methods from outside,
//! `metrics.rs` measurements.

mod kept;
mod metrics;
mod nonces;
mod packet;
mod rpc;
mod tracks;

use crate::api::{CallId, DataMessage, SfuRefusal};
use crate::context::Context;
use crate::life::Cause;
#[cfg(doc)]
use crate::limits::{CALLS_MAX, DATA_SUBSCRIPTIONS_MAX, DATA_TRACKS_MAX};
use crate::limits::{LIST_ENTRIES_MAX, RESENT_DATA_BYTES_MAX, WAITING_DATA_BYTES_MAX};
use crate::participant::Participant;
use crate::room::Room;
use crate::signalling::SessionId;
use bytes::Bytes;
use hanse_sfu_core::DATA_MESSAGE_BYTES_MAX;
use hanse_sfu_core::command::{DataChannel, MediaCommand};
use hanse_sfu_core::ids::ConnectionId;
use kept::{Addressees, KeptPackets, LeftPackets};
use livekit_protocol::data_packet::Value;
use livekit_protocol::participant_info::Kind;
use livekit_protocol::{DataChannelReceiveState, DataTrackInfo, UserPacket};
use metrics::{Offset, Report};
use nonces::Nonces;
use packet::{Packet, Sender};
use rpc::Call;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};
use tracks::DataTrack;

/// What a room remembers about data.
#[derive(Default)]
pub(crate) struct RoomData {
    nonces: Nonces,
    /// Reliable packets of those who have left, for those who resume their sessions.
    left: LeftPackets,
    /// Whose data track it is, by sid, and the publisher's handle of it.
    tracks: BTreeMap<String, (SessionId, u16)>,
    /// What packets of data tracks carry to subscribers; one for each track.
    handles: BTreeSet<u16>,
    last_handle: u16,
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
    /// Its latest reliable packets, for those who resume their sessions.
    kept: KeptPackets,
    /// It has come again, and has not said yet how far it had come with the packets of others.
    awaits_receive_states: bool,
    /// Data tracks that it publishes, by its own handles; at most [`DATA_TRACKS_MAX`].
    published: BTreeMap<u16, DataTrack>,
    /// Data tracks that it wants, by sid, and whether it gets them; at most [`DATA_SUBSCRIPTIONS_MAX`].
    wishes: BTreeMap<String, bool>,
    /// It wants every data track.
    auto_subscribes: bool,
    /// Calls of its methods that it has not answered; at most [`CALLS_MAX`].
    calls: BTreeMap<CallId, Call>,
    /// From us to it and back, when that was measured last.
    round_trip: Option<Duration>,
    /// What its measurements are late by.
    clock_offset: Offset,
    /// Measurements that it has not been told.
    metrics: Report,
}

impl ParticipantData {
    pub fn new(auto_subscribes: bool) -> Self {
        ParticipantData {
            auto_subscribes,
            ..ParticipantData::default()
        }
    }

    /// The number of its latest reliable packet that has come in.
    pub fn last_sequence(&self) -> u32 {
        self.last_sequence
    }

    /// It comes again.
    pub fn expect_receive_states(&mut self) {
        self.awaits_receive_states = true;
    }

    /// What others are told of its data tracks.
    pub fn track_infos(&self) -> Vec<DataTrackInfo> {
        self.published.values().map(|track| track.info.clone()).collect()
    }

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

impl Participant {
    /// Sends it a packet by the channel that keeps everything, or keeps it until that is open.
    fn send_reliably(&mut self, cx: &mut Context, payload: &Bytes) {
        if self.data.open.contains(&DataChannel::Reliable) {
            cx.media(MediaCommand::SendData {
                to: vec![self.data_connection()],
                channel: DataChannel::Reliable,
                payload: payload.clone(),
            });
        } else {
            self.data.wait(payload);
        }
    }
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
            DataChannel::DataTrack => return self.forward_data_track(cx, session, &payload),
        };
        if channel == DataChannel::Reliable && packet.sequence() > 0 {
            // After a reconnection a client repeats what we may not have had.
            if packet.sequence() <= participant.data.last_sequence {
                return;
            }
            participant.data.last_sequence = packet.sequence();
        }
        if self.take_answer(cx, session, packet.value()) {
            return;
        }
        if let Some(Value::Metrics(batch)) = packet.value() {
            return self.take_metrics(cx, session, batch.clone());
        }
        self.send_packet(cx, Some(session), channel, &packet);
    }

    /// A message of whoever controls the SFU.
    pub fn send_data(&mut self, cx: &mut Context, message: DataMessage) -> Result<(), SfuRefusal> {
        if !matches!(message.nonce.len(), 0 | 16) {
            let len = message.nonce.len();
            let text = format!("nonce should be 16-bytes or not present, got: {len} bytes");
            return Err(SfuRefusal::Invalid(text));
        }
        let channel = if message.is_lossy {
            DataChannel::Lossy
        } else {
            DataChannel::Reliable
        };
        #[expect(deprecated, reason = "clients of long ago read it")]
        let user = UserPacket {
            payload: message.payload,
            destination_sids: message.destination_sids,
            topic: message.topic,
            nonce: message.nonce,
            ..UserPacket::default()
        };
        let packet = Packet::of(user, message.destination_identities);
        let len = packet
            .encode(Sender::default(), channel)
            .map_or(0, |payload| payload.len());
        if len > DATA_MESSAGE_BYTES_MAX {
            let text =
                format!("data size exceeds limits: max size {DATA_MESSAGE_BYTES_MAX}, as a packet {len}");
            return Err(SfuRefusal::Invalid(text));
        }
        self.send_packet(cx, None, channel, &packet);
        Ok(())
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
        if channel == DataChannel::Reliable
            && packet.sequence() > 0
            && let Some(latest) = to.last()
            && let Some(sender) = sender.and_then(|sender| self.participants.get_mut(&sender))
        {
            let addressees = if packet.is_for_all() {
                Addressees::Everybody(*latest)
            } else {
                Addressees::Some(to.clone())
            };
            let kept = &mut sender.data.kept;
            kept.keep(cx.now, packet.sequence(), payload.clone(), addressees);
        }
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

    /// Somebody has left; what it sent may still not have arrived everywhere.
    pub fn keep_data_of_left(&mut self, now: Instant, participant: &mut Participant) {
        let kept = std::mem::take(&mut participant.data.kept);
        self.data.left.keep(now, &participant.sid, kept);
    }

    /// Sends a participant again what it has not had of those whose packets it numbers: their later ones that were for it.
    /// Once each time that it comes again.
    pub fn resend_data(&mut self, cx: &mut Context, session: SessionId, states: &[DataChannelReceiveState]) {
        let Some(participant) = self.participants.get_mut(&session) else {
            return;
        };
        let connection = participant.data_connection();
        let is_awaited = std::mem::take(&mut participant.data.awaits_receive_states);
        if !is_awaited || !participant.data.open.contains(&DataChannel::Reliable) {
            return;
        }
        let states = states.iter().take(LIST_ENTRIES_MAX);
        let states: HashMap<&str, u32> = states
            .map(|state| (state.publisher_sid.as_str(), state.last_seq))
            .collect();
        let mut bytes = 0;
        let others = self.participants.values_mut();
        let here = others
            .filter(|sender| sender.session != session)
            .map(|sender| (sender.sid.as_str(), &mut sender.data.kept));
        for (sid, kept) in self.data.left.iter_mut().chain(here) {
            let Some(last) = states.get(sid) else {
                continue;
            };
            for payload in kept.after(cx.now, *last, session) {
                bytes += kept::bytes(&payload);
                if bytes > RESENT_DATA_BYTES_MAX {
                    return;
                }
                cx.media(MediaCommand::SendData {
                    to: vec![connection],
                    channel: DataChannel::Reliable,
                    payload,
                });
            }
        }
    }

    /// Each of them once.
    fn destinations(&self, sender: Option<SessionId>, packet: &Packet) -> BTreeSet<SessionId> {
        let (identities, sids) = (packet.identities(), packet.sids());
        let mut to: BTreeSet<SessionId> = if packet.is_for_all() {
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
