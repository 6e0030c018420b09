//! The payload ring of a track: the last packets of all its layers, opened once and kept in one place, for forwarding
//! now and for retransmission to any subscriber later.

use crate::dependency::Frame;
use crate::ids::Layer;
use crate::vp8::Vp8Descriptor;
use crate::vp9::Vp9Descriptor;

/// Bytes of one slot. A larger payload cannot have come over Ethernet and is dropped.
pub const SLOT: usize = 1500;

/// Slots for a video track: 1.5 to 2 s of three layers at 2.3 Mbit/s. Fewer, and retransmissions on long round trips
/// miss; more costs 1.5 kB each per track.
pub const VIDEO_SLOTS: usize = 512;

/// Slots for an audio track. Audio is never retransmitted to subscribers; this only has to outlast one wake-up.
pub const AUDIO_SLOTS: usize = 64;

/// What is known of a packet besides its payload.
#[derive(Clone, Copy, Debug)]
pub struct PacketFacts {
    /// Which layer it belongs to.
    pub layer: Layer,
    /// Sequence number in its layer, extended.
    pub sequence: u64,
    /// RTP timestamp in its layer, extended.
    pub timestamp: u64,
    /// Ends a frame.
    pub marker: bool,
    /// Starts a key frame (video), or any packet (audio): forwarding may begin here.
    pub entry: bool,
    /// What the codec's payload descriptor says.
    pub description: Description,
    /// What the dependency descriptor says, if there is one and its structure is known.
    pub dependency: Option<Frame>,
}

/// What a forwarder knows of a payload.
#[derive(Clone, Copy, Debug)]
pub enum Description {
    /// It goes on as it is.
    Opaque,
    /// There is no payload.
    Padding,
    /// The VP8 payload descriptor.
    Vp8(Vp8Descriptor),
    /// The VP9 payload descriptor.
    Vp9(Vp9Descriptor),
}

/// Where a packet lies: counts up for the life of the ring, so that a reference to an overwritten slot is noticed.
pub type RingPosition = u32;

/// A slot's packet: the payload, and behind it the dependency descriptor.
#[derive(Clone, Copy, Debug)]
struct Kept {
    facts: PacketFacts,
    payload: u16,
    extension: u16,
}

/// A packet as it lies in the ring.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// What is known of it.
    pub facts: &'a PacketFacts,
    /// Its payload, as the sender's device sealed it.
    pub payload: &'a [u8],
    /// Its dependency descriptor; empty without one.
    pub extension: &'a [u8],
}

/// Fixed memory, oldest overwritten first. Allocated at the first packet, so that a silent track costs nothing.
#[derive(Debug)]
pub struct PacketRing {
    slots: usize,
    bytes: Vec<u8>,
    facts: Vec<Option<Kept>>,
    next: RingPosition,
}

impl PacketRing {
    /// An empty ring of `slots` (a power of two, so that positions may wrap).
    pub fn new(slots: usize) -> Self {
        PacketRing {
            slots: slots.next_power_of_two(),
            bytes: Vec::new(),
            facts: Vec::new(),
            next: 0,
        }
    }

    /// Keeps a packet with its dependency descriptor; `None` if both together are larger than [`SLOT`].
    pub fn push(&mut self, facts: PacketFacts, payload: &[u8], extension: &[u8]) -> Option<RingPosition> {
        if self.facts.is_empty() {
            self.bytes = vec![0; self.slots * SLOT];
            self.facts = vec![None; self.slots];
        }
        let position = self.next;
        let slot = self.slot(position);
        let len = payload.len() + extension.len();
        if len > SLOT {
            return None;
        }
        let room = self.bytes.get_mut(slot * SLOT..slot * SLOT + len)?;
        let (first, second) = room.split_at_mut(payload.len());
        first.copy_from_slice(payload);
        second.copy_from_slice(extension);
        *self.facts.get_mut(slot)? = Some(Kept {
            facts,
            payload: payload.len() as u16,
            extension: extension.len() as u16,
        });
        self.next = self.next.wrapping_add(1);
        Some(position)
    }

    /// The packet at a position, unless it has been overwritten.
    #[inline]
    pub fn read(&self, position: RingPosition) -> Option<Slot<'_>> {
        if !self.holds(position) {
            return None;
        }
        let slot = self.slot(position);
        let Kept {
            facts,
            payload,
            extension,
        } = self.facts.get(slot)?.as_ref()?;
        let (payload, extension) = (usize::from(*payload), usize::from(*extension));
        let bytes = self.bytes.get(slot * SLOT..slot * SLOT + payload + extension)?;
        let (payload, extension) = bytes.split_at_checked(payload)?;
        Some(Slot {
            facts,
            payload,
            extension,
        })
    }

    /// Writes down what became known of a packet later.
    pub fn describe(&mut self, position: RingPosition, dependency: Frame) {
        let slot = self.slot(position);
        if self.holds(position)
            && let Some(Some(kept)) = self.facts.get_mut(slot)
        {
            kept.facts.dependency = Some(dependency);
        }
    }

    fn holds(&self, position: RingPosition) -> bool {
        let age = self.next.wrapping_sub(position) as usize;
        age != 0 && age <= self.slots
    }

    /// Where packets lie that arrived from `first` on, and before `end` (without it: until now).
    pub fn between(
        &self,
        first: RingPosition,
        end: Option<RingPosition>,
    ) -> impl Iterator<Item = RingPosition> {
        let count = end.unwrap_or(self.next).wrapping_sub(first).cast_signed();
        (0..count).map(move |age| first.wrapping_add_signed(age))
    }

    /// Where the latest packet lies.
    pub fn latest(&self) -> RingPosition {
        self.next.wrapping_sub(1)
    }

    /// Packets of the same layer that were sent after the one at `position` but arrived before it, in order of arrival.
    pub fn overtakers(&self, position: RingPosition) -> impl Iterator<Item = RingPosition> {
        let of = self
            .read(position)
            .map(|Slot { facts, .. }| (facts.layer, facts.sequence));
        let before = (1..self.slots as RingPosition)
            .rev()
            .map(move |age| position.wrapping_sub(age));
        before.filter(move |earlier| {
            let Some(((layer, sequence), Slot { facts: earlier, .. })) = of.zip(self.read(*earlier)) else {
                return false;
            };
            earlier.layer == layer && earlier.sequence > sequence
        })
    }

    fn slot(&self, position: RingPosition) -> usize {
        position as usize & (self.slots - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(sequence: u64) -> PacketFacts {
        PacketFacts {
            layer: Layer(0),
            sequence,
            timestamp: 0,
            marker: false,
            entry: true,
            description: Description::Opaque,
            dependency: None,
        }
    }

    #[test]
    fn a_packet_is_readable_until_it_is_overwritten_and_not_after() {
        let mut ring = PacketRing::new(4);
        let first = ring.push(facts(1), b"one", b"xy").unwrap();
        assert_eq!(ring.read(first).unwrap().payload, b"one");
        assert_eq!(ring.read(first).unwrap().extension, b"xy");
        assert!(ring.read(first + 1).is_none(), "not written yet");
        for n in 2..=4 {
            ring.push(facts(n), b"x", b"").unwrap();
        }
        assert_eq!(ring.read(first).unwrap().facts.sequence, 1);
        ring.push(facts(5), b"", b"").unwrap();
        assert!(ring.read(first).is_none());
        assert_eq!(ring.read(first + 4).unwrap().payload, b"");
    }

    #[test]
    fn a_payload_larger_than_a_slot_is_refused_and_nothing_is_lost() {
        let mut ring = PacketRing::new(4);
        let first = ring.push(facts(1), &[1; SLOT - 3], &[7; 3]).unwrap();
        assert_eq!(ring.push(facts(2), &[2; SLOT], &[2]), None);
        assert_eq!(ring.read(first).unwrap().payload, &[1; SLOT - 3]);
        assert_eq!(ring.read(first).unwrap().extension, &[7; 3]);
    }
}
