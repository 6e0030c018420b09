//! What people in the town send each other besides media.

use super::Town;
use bytes::Bytes;
use hanse_sfu_core::command::{DataChannel, MediaEvent};
use livekit_protocol::DataPacket;
use livekit_protocol::data_packet::Value;
use prost::Message as _;
use std::collections::BTreeMap;

pub fn open(town: &mut Town, name: &str, channel: DataChannel) {
    let connection = town.connection(name);
    town.media.channels.insert((connection, channel));
    town.event(MediaEvent::DataChannelOpen { connection, channel });
}

pub fn open_all(town: &mut Town, name: &str) {
    for channel in DataChannel::KNOWN {
        open(town, name, channel);
    }
}

/// Everybody joins and opens the three channels.
pub fn town(names: &[&str]) -> Town {
    let mut town = Town::default();
    for name in names {
        town.join(name);
        open_all(&mut town, name);
    }
    town
}

pub fn send_raw(town: &mut Town, from: &str, channel: DataChannel, payload: impl Into<Bytes>) {
    let connection = town.connection(from);
    town.event(MediaEvent::Data {
        connection,
        channel,
        payload: payload.into(),
    });
}

pub fn send(town: &mut Town, from: &str, channel: DataChannel, packet: &DataPacket) {
    send_raw(town, from, channel, packet.encode_to_vec());
}

/// What has gone out since the last call, by receiver.
pub fn received(town: &mut Town) -> BTreeMap<String, Vec<(DataChannel, Bytes)>> {
    let names: BTreeMap<_, _> = town
        .people
        .keys()
        .map(|name| (town.connection(name), name.clone()))
        .collect();
    let mut received: BTreeMap<String, Vec<(DataChannel, Bytes)>> = BTreeMap::new();
    for (connection, channel, payload) in std::mem::take(&mut town.media.data) {
        let mine = received.entry(names[&connection].clone()).or_default();
        mine.push((channel, payload));
    }
    received
}

pub fn receivers(town: &mut Town) -> Vec<String> {
    received(town).into_keys().collect()
}

pub fn decoded((_, payload): &(DataChannel, Bytes)) -> DataPacket {
    DataPacket::decode(payload.clone()).unwrap()
}

pub fn packet(value: Value) -> DataPacket {
    DataPacket {
        value: Some(value),
        ..DataPacket::default()
    }
}

pub fn to(names: &[&str], packet: DataPacket) -> DataPacket {
    DataPacket {
        destination_identities: names.iter().map(|name| (*name).to_owned()).collect(),
        ..packet
    }
}
