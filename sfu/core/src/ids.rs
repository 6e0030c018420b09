//! Names of things on the media plane. All of them are chosen by the control side (`hanse-sfu-signal`), which maps
//! them to LiveKit's `PA_…` and `TR_…`; a shard only looks them up.

use arrayvec::ArrayString;

/// One transport: one ICE/DTLS/SRTP session with one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// One published track, over its whole life, on every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u64);

/// One track as one subscriber receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DownTrackId(pub u64);

/// One shard of a node, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

/// Media section identification (RFC 9143). A one-byte header extension carries at most 16 bytes; longer ones are
/// refused at negotiation.
pub type Mid = ArrayString<16>;

/// RTP stream identification of a simulcast layer (RFC 8852), at most 16 bytes.
pub type Rid = ArrayString<16>;

/// Simulcast layer, counted from the smallest picture (0 = LOW, 1 = MEDIUM, 2 = HIGH).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layer(pub u8);

/// Simulcast layers that a track may have.
pub const LAYERS_MAX: usize = 3;

/// Temporal layers that are told apart where a downlink does not carry all pictures of the smallest layer; higher ones come
/// and go with the highest of them. As many as VP8 has (RFC 7741, section 4.2, TID).
pub const TEMPORAL_LAYERS_MAX: usize = 4;
