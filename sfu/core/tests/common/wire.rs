//! Packets as a device builds and reads them.

use hanse_sfu_core::srtp::{SrtpSession, TAG};
use rtc_rtcp::packet::Packet;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, SymbolTypeTcc, TransportLayerCc};
use std::collections::BTreeMap;

/// An RTP packet before it is sealed.
#[derive(Clone, Debug)]
pub struct Rtp {
    pub marker: bool,
    pub payload_type: u8,
    /// Counts on past the wrap; turns start at 0.
    pub sequence: u64,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Header extensions (RFC 8285): id and data.
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl Rtp {
    /// The packet as it goes onto the wire.
    pub fn seal(&self, session: &SrtpSession) -> Vec<u8> {
        let mut packet = vec![0x80, u8::from(self.marker) << 7 | self.payload_type];
        packet.extend((self.sequence as u16).to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        if !self.extensions.is_empty() {
            let mut block = Vec::new();
            let is_short = self
                .extensions
                .iter()
                .all(|(_, data)| (1..=16).contains(&data.len()));
            for (id, data) in &self.extensions {
                if is_short {
                    block.push(id << 4 | (data.len() as u8 - 1));
                } else {
                    block.extend([*id, data.len() as u8]);
                }
                block.extend(data);
            }
            block.resize(block.len().next_multiple_of(4), 0);
            packet[0] |= 0x10;
            packet.extend(if is_short { [0xBE, 0xDE] } else { [0x10, 0] });
            packet.extend([0, (block.len() / 4) as u8]);
            packet.extend(block);
        }
        let header = packet.len();
        packet.extend(&self.payload);
        packet.extend([0; TAG]);
        session
            .seal(&mut packet, header, self.ssrc, self.sequence)
            .unwrap();
        packet
    }

    /// Sets or replaces one extension.
    pub fn set_extension(&mut self, id: u8, data: Vec<u8>) {
        self.extensions.retain(|(known, _)| *known != id);
        self.extensions.push((id, data));
    }
}

/// A sequence number with its turns in front, nearest to the highest one; the first turn is 0.
pub fn extend(highest: Option<u64>, sequence: u16) -> u64 {
    let Some(highest) = highest else {
        return u64::from(sequence);
    };
    let distance = sequence.wrapping_sub(highest as u16).cast_signed();
    highest
        .checked_add_signed(i64::from(distance))
        .unwrap_or(u64::from(sequence))
}

/// What a VP8 descriptor of a device says.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    pub start: bool,
    pub picture_id: u16,
    pub tl0: u8,
    pub tid: u8,
    pub sync: bool,
    pub key_idx: u8,
}

impl Descriptor {
    /// All fields, picture id with 15 bits (RFC 7741, section 4.2).
    pub fn write(&self) -> Vec<u8> {
        let [high, low] = (self.picture_id & 0x7fff).to_be_bytes();
        vec![
            0x80 | u8::from(self.start) << 4,
            0xf0,
            high | 0x80,
            low,
            self.tl0,
            self.tid << 6 | u8::from(self.sync) << 5 | self.key_idx & 0x1f,
        ]
    }
}

/// The packets of a compound packet, as an independent parser reads them. Source descriptions are passed over: that
/// parser takes the MID item (RFC 9143, section 15.2) for the end of the list.
pub fn read_compound(mut compound: &[u8]) -> Vec<Box<dyn Packet>> {
    const SOURCE_DESCRIPTION: u8 = 202;
    let mut packets = Vec::new();
    while !compound.is_empty() {
        let words = u16::from_be_bytes([compound[2], compound[3]]);
        let (mut packet, rest) = compound.split_at(4 + 4 * usize::from(words));
        compound = rest;
        if packet[1] != SOURCE_DESCRIPTION {
            packets.extend(rtc_rtcp::packet::unmarshal(&mut packet).expect("well-formed RTCP"));
        }
    }
    packets
}

/// Which transport-wide numbers arrived, as an independent parser reads the SFU's feedback.
pub fn note_feedback(feedback: &TransportLayerCc, told: &mut BTreeMap<u16, bool>) {
    let mut symbols = Vec::new();
    for chunk in &feedback.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(run) => {
                symbols.extend(std::iter::repeat_n(
                    run.packet_status_symbol,
                    run.run_length.into(),
                ));
            }
            PacketStatusChunk::StatusVectorChunk(list) => symbols.extend(&list.symbol_list),
        }
    }
    for (offset, symbol) in (0..feedback.packet_status_count).zip(symbols) {
        let arrived = symbol != SymbolTypeTcc::PacketNotReceived;
        *told
            .entry(feedback.base_sequence_number.wrapping_add(offset))
            .or_default() |= arrived;
    }
}
