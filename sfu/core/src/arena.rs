//! Where outgoing datagrams are built: one buffer, in which consecutive datagrams of one size for one destination lie
//! next to each other and leave as one train (UDP GSO).

use std::net::SocketAddr;

/// Datagrams of one size for one destination: one `sendmsg` with UDP_SEGMENT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Train {
    /// Where to.
    pub destination: SocketAddr,
    /// First byte in [`Batch::bytes`].
    pub start: usize,
    /// Bytes of the whole train, at most [`TRAIN_BYTES_MAX`].
    pub len: usize,
    /// Bytes of each datagram; only the last may be shorter.
    pub segment: usize,
}

/// Datagrams that want to be sent now.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The trains lie in here.
    pub bytes: &'a [u8],
    /// In sending order.
    pub trains: &'a [Train],
}

/// Bytes of a train: UDP's length field holds 65,507.
pub const TRAIN_BYTES_MAX: usize = 64_000;

/// Datagrams of a train: the kernel's UDP_MAX_SEGMENTS before Linux 6.9.
pub const TRAIN_DATAGRAMS_MAX: usize = 64;

/// Bytes after which fan-out stops and waits for the datagrams to be sent. Some L2 caches' worth: more would only
/// push the packets out of the cache before the kernel reads them.
pub const ARENA_BATCH: usize = 256 * 1024;

/// Bytes that all of it may take when the shell does not drain. Datagrams beyond are dropped; media repairs itself by
/// retransmission, control by repetition.
pub const ARENA_MAX: usize = 4 * 1024 * 1024;

/// The buffer. Kept at its size, so that a warm shard allocates nothing.
#[derive(Debug, Default)]
pub struct SendArena {
    bytes: Vec<u8>,
    len: usize,
    trains: Vec<Train>,
    /// Datagrams of the last train; 0 once a short one has ended it. Counted, because a division takes longer than all
    /// the rest of putting a datagram behind another.
    coupled: usize,
}

impl SendArena {
    /// Nothing to send.
    pub fn is_empty(&self) -> bool {
        self.trains.is_empty()
    }

    /// Enough for one batch.
    pub fn is_full(&self) -> bool {
        self.len >= ARENA_BATCH
    }

    /// Starts over after a batch was sent.
    pub fn clear(&mut self) {
        self.len = 0;
        self.trains.clear();
        self.coupled = 0;
    }

    /// What is to be sent.
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            bytes: self.bytes.get(..self.len).unwrap_or_default(),
            trains: &self.trains,
        }
    }

    /// Lets `write` build one datagram of at most `room` bytes in place; it returns the length, or `None` to give up.
    #[inline]
    pub fn push(
        &mut self,
        destination: SocketAddr,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let start = self.len;
        let end = start + room;
        if end > ARENA_MAX {
            return false;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end.max(ARENA_BATCH + 64 * 1024), 0);
        }
        let Some(len) = self.bytes.get_mut(start..end).and_then(write) else {
            return false;
        };
        self.len = start + len;
        if let Some(train) = self.trains.last_mut()
            && (1..TRAIN_DATAGRAMS_MAX).contains(&self.coupled)
            && len <= train.segment
            && train.len + len <= TRAIN_BYTES_MAX
            && train.destination == destination
        {
            train.len += len;
            self.coupled = if len == train.segment { self.coupled + 1 } else { 0 };
        } else {
            self.coupled = 1;
            self.trains.push(Train {
                destination,
                start,
                len,
                segment: len.max(1),
            });
        }
        true
    }

    /// Copies a ready datagram.
    pub fn push_datagram(&mut self, destination: SocketAddr, datagram: &[u8]) -> bool {
        self.push(destination, datagram.len(), |room| {
            room.copy_from_slice(datagram);
            Some(datagram.len())
        })
    }
}

impl Batch<'_> {
    /// Every datagram of the batch by itself, in sending order.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.trains.iter().flat_map(|train| {
            let bytes = self
                .bytes
                .get(train.start..train.start + train.len)
                .unwrap_or_default();
            bytes
                .chunks(train.segment)
                .map(|datagram| (train.destination, datagram))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn equal_sizes_for_one_destination_become_one_train_and_nothing_else_does() {
        let mut arena = SendArena::default();
        for (port, len) in [(1, 100), (1, 100), (1, 60), (1, 60), (2, 60), (2, 80)] {
            assert!(arena.push_datagram(to(port), &vec![port as u8; len]));
        }
        let batch = arena.batch();
        let shapes: Vec<_> = batch
            .trains
            .iter()
            .map(|train| (train.destination.port(), train.len, train.segment))
            .collect();
        assert_eq!(shapes, [(1, 260, 100), (1, 60, 60), (2, 60, 60), (2, 80, 80)]);
        let sizes: Vec<_> = batch.datagrams().map(|(_, datagram)| datagram.len()).collect();
        assert_eq!(sizes, [100, 100, 60, 60, 60, 80]);
    }

    #[test]
    fn a_train_ends_at_64_datagrams() {
        let mut arena = SendArena::default();
        for _ in 0..65 {
            arena.push_datagram(to(1), &[0; 10]);
        }
        assert_eq!(arena.batch().trains.len(), 2);
    }

    #[test]
    fn an_arena_that_nobody_drains_stops_growing() {
        let mut arena = SendArena::default();
        let taken = (0..10_000)
            .filter(|_| arena.push_datagram(to(1), &[0; 1000]))
            .count();
        assert_eq!(taken, ARENA_MAX / 1000);
        arena.clear();
        assert!(arena.push_datagram(to(1), &[0; 1000]));
    }
}
