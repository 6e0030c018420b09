//! What a simulated device puts behind the codec's descriptor: who, which layer, which frame, which part, and a
//! checksum over all of it. In a real call these bytes are sealed by the sender's device.

use hanse_sfu_core::ids::TrackId;
use std::hash::Hasher;

/// One packet's worth of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// Whose.
    pub track: TrackId,
    /// Of which layer.
    pub layer: u8,
    /// Counts the captured frames of a track; all layers of one moment share it.
    pub frame: u32,
    /// Counts the packets of a frame …
    pub packet: u8,
    /// … of which there are so many.
    pub packets: u8,
    /// Part of a key frame.
    pub key: bool,
    /// When it was captured, in µs since the world began.
    pub captured_us: u64,
}

const HEAD: usize = 24;
const CHECKSUM: usize = 8;

impl Content {
    /// `len` bytes, at least 32.
    pub fn write(&self, len: usize) -> Vec<u8> {
        // The P bit of VP8's first byte: 0 says key frame (RFC 7741, section 4.3). Devices leave it clear.
        let mut out = vec![0x50 | u8::from(!self.key)];
        out.extend(self.track.0.to_be_bytes());
        out.extend([self.layer, self.packet, self.packets]);
        out.extend(self.frame.to_be_bytes());
        out.extend(self.captured_us.to_be_bytes());
        let filler = self.frame as u8 ^ self.packet;
        out.extend((out.len()..len.max(HEAD + CHECKSUM) - CHECKSUM).map(|at| filler.wrapping_add(at as u8)));
        out.extend(checksum(&out).to_be_bytes());
        out
    }

    /// Reads it back; `None` if a single bit has changed.
    pub fn read(bytes: &[u8]) -> Option<Content> {
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
        if checksum(body) != u64::from_be_bytes(*sum) || body.len() < HEAD {
            return None;
        }
        let u64_at = |at: usize| body[at..at + 8].try_into().map(u64::from_be_bytes).unwrap();
        Some(Content {
            key: body[0] & 1 == 0,
            track: TrackId(u64_at(1)),
            layer: body[9],
            packet: body[10],
            packets: body[11],
            frame: u32::from_be_bytes(body[12..16].try_into().unwrap()),
            captured_us: u64_at(16),
        })
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
