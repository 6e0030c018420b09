//! A window for one test only (feature `debug-tap`): the RTP payloads that are forwarded, as they are before SRTP. What
//! it shows must be sealed by the sender's device; the test proves that it is.

use crate::command::Codec;
use crate::down_track::DownTrack;
use crate::ids::{DownTrackId, TrackId};
use crate::ring::PacketFacts;
use std::collections::VecDeque;

/// Packets that wait to be read; further ones are not kept.
const TAPPED_MAX: usize = 1024;

/// A packet as one subscriber gets it.
#[derive(Clone, Debug)]
pub struct Tapped {
    /// Of which track.
    pub track: TrackId,
    /// To whom.
    pub down_track: DownTrackId,
    /// Its codec.
    pub codec: Codec,
    /// Low 16 bits of the publisher's number.
    pub sequence: u16,
    /// The publisher's time.
    pub timestamp: u32,
    /// Ends a frame.
    pub marker: bool,
    /// The whole RTP payload.
    pub payload: Vec<u8>,
}

pub(crate) fn tap(
    tapped: &mut VecDeque<Tapped>,
    track: TrackId,
    codec: Codec,
    down_track: &DownTrack,
    facts: &PacketFacts,
    payload: &[u8],
) {
    if tapped.len() < TAPPED_MAX {
        tapped.push_back(Tapped {
            track,
            down_track: down_track.id,
            codec,
            sequence: facts.sequence as u16,
            timestamp: facts.timestamp as u32,
            marker: facts.marker,
            payload: payload.to_vec(),
        });
    }
}
