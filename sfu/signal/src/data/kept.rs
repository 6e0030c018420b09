//! Reliable packets of one sender that are kept for a moment. A client that resumes its session says how far it has come
//! with each sender's numbers, and gets what came later and was for it once more; receivers drop what they have by its
//! number (LiveKit's server: the same). Those of a sender that has left meanwhile are kept in the room.

use crate::limits::{KEPT_DATA_BYTES_MAX, KEPT_DATA_WAIT, LEFT_DATA_BYTES_MAX};
use crate::signalling::SessionId;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

/// What each packet counts for besides its bytes.
const PACKET_BYTES: usize = 64;

/// What each receiver counts for that a packet names: its place in a set.
const RECEIVER_BYTES: usize = 16;

/// Whom a packet was for.
pub(super) enum Addressees {
    /// Everybody who was there then: the latest of them is this one. Sessions are counted, so later ones came later.
    Everybody(SessionId),
    /// These.
    Some(BTreeSet<SessionId>),
}

impl Addressees {
    fn has(&self, session: SessionId) -> bool {
        match self {
            Addressees::Everybody(latest) => session <= *latest,
            Addressees::Some(sessions) => sessions.contains(&session),
        }
    }
}

struct Kept {
    at: Instant,
    sequence: u32,
    payload: Bytes,
    to: Addressees,
}

/// The latest of them, the oldest first. What is too old is given to nobody, and goes with the next one or with its sender.
#[derive(Default)]
pub(super) struct KeptPackets {
    packets: VecDeque<Kept>,
    bytes: usize,
}

/// Packets of senders that have left, the first of them first.
#[derive(Default)]
pub(super) struct LeftPackets {
    senders: VecDeque<(String, KeptPackets)>,
}

impl LeftPackets {
    /// Keeps what there is of a sender with this sid. Of those who left first nothing is kept when that is too much.
    pub fn keep(&mut self, now: Instant, sid: &str, mut kept: KeptPackets) {
        self.senders.retain_mut(|(_, kept)| kept.expire(now));
        if !kept.expire(now) {
            return;
        }
        self.senders.push_back((sid.to_owned(), kept));
        while self.bytes() > LEFT_DATA_BYTES_MAX {
            self.senders.pop_front();
        }
    }

    /// Each sender by its sid.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut KeptPackets)> {
        self.senders.iter_mut().map(|(sid, kept)| (sid.as_str(), kept))
    }

    fn bytes(&self) -> usize {
        self.senders.iter().map(|(_, kept)| kept.bytes).sum()
    }
}

/// What a packet counts for.
pub(super) fn bytes(payload: &Bytes) -> usize {
    payload.len() + PACKET_BYTES
}

impl Kept {
    fn bytes(&self) -> usize {
        let receivers = match &self.to {
            Addressees::Everybody(_) => 0,
            Addressees::Some(sessions) => sessions.len(),
        };
        bytes(&self.payload) + receivers * RECEIVER_BYTES
    }
}

impl KeptPackets {
    /// Keeps a packet that goes out to these. Their numbers grow.
    pub fn keep(&mut self, now: Instant, sequence: u32, payload: Bytes, to: Addressees) {
        let kept = Kept {
            at: now,
            sequence,
            payload,
            to,
        };
        self.bytes += kept.bytes();
        self.packets.push_back(kept);
        self.expire(now);
    }

    /// What one of them has not had, in order.
    pub fn after(&mut self, now: Instant, sequence: u32, to: SessionId) -> Vec<Bytes> {
        self.expire(now);
        let later = self
            .packets
            .iter()
            .filter(|kept| kept.sequence > sequence && kept.to.has(to));
        later.map(|kept| kept.payload.clone()).collect()
    }

    /// Whether any are left.
    fn expire(&mut self, now: Instant) -> bool {
        while let Some(oldest) = self.packets.front()
            && (oldest.at + KEPT_DATA_WAIT < now || self.bytes > KEPT_DATA_BYTES_MAX)
        {
            self.bytes -= oldest.bytes();
            self.packets.pop_front();
        }
        !self.packets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[expect(clippy::disallowed_methods, reason = "virtual time starts at some moment")]
    fn start() -> Instant {
        Instant::now()
    }

    fn to(sessions: &[u64]) -> Addressees {
        Addressees::Some(sessions.iter().copied().map(SessionId).collect())
    }

    #[test]
    fn who_comes_back_gets_what_is_later_and_was_for_it_in_order() {
        let now = start();
        let mut kept = KeptPackets::default();
        for (sequence, sessions) in [(1, &[7, 8][..]), (2, &[8]), (3, &[7, 8]), (4, &[7])] {
            kept.keep(now, sequence, vec![sequence as u8].into(), to(sessions));
        }
        assert_eq!(kept.after(now, 1, SessionId(7)), [vec![3], vec![4]]);
        assert_eq!(kept.after(now, 0, SessionId(8)), [vec![1], vec![2], vec![3]]);
        assert!(kept.after(now, 4, SessionId(7)).is_empty());
        assert!(kept.after(now, 0, SessionId(9)).is_empty());
    }

    #[test]
    fn what_was_for_everybody_is_not_for_those_who_came_later() {
        let now = start();
        let mut kept = KeptPackets::default();
        kept.keep(now, 1, vec![1].into(), Addressees::Everybody(SessionId(8)));
        kept.keep(now, 2, vec![2].into(), Addressees::Everybody(SessionId(9)));
        for session in [7, 8] {
            assert_eq!(kept.after(now, 0, SessionId(session)), [vec![1], vec![2]]);
        }
        assert_eq!(kept.after(now, 0, SessionId(9)), [vec![2]]);
    }

    #[test]
    fn the_oldest_go_with_time_and_when_there_are_too_many() {
        let start = start();
        let mut kept = KeptPackets::default();
        kept.keep(start, 1, vec![1].into(), to(&[7]));
        kept.keep(start + Duration::from_secs(1), 2, vec![2].into(), to(&[7]));
        let late = start + KEPT_DATA_WAIT + Duration::from_millis(1);
        assert_eq!(kept.after(start + KEPT_DATA_WAIT, 0, SessionId(7)).len(), 2);
        assert_eq!(kept.after(late, 0, SessionId(7)), [vec![2]]);
        for sequence in 3..100 {
            kept.keep(late, sequence, vec![0; 10_000].into(), to(&[7]));
        }
        assert!(kept.bytes <= KEPT_DATA_BYTES_MAX);
        let each = 10_000 + PACKET_BYTES + RECEIVER_BYTES;
        assert_eq!(
            kept.after(late, 0, SessionId(7)).len(),
            KEPT_DATA_BYTES_MAX / each
        );
    }

    #[test]
    fn of_those_who_have_left_the_latest_are_kept_for_as_long_as_of_others() {
        let start = start();
        let mut left = LeftPackets::default();
        let sids = |left: &mut LeftPackets| -> Vec<String> {
            left.iter_mut().map(|(sid, _)| sid.to_owned()).collect()
        };
        let of = |at, bytes: usize| {
            let mut kept = KeptPackets::default();
            for sequence in 0..3 {
                kept.keep(at, sequence, vec![0; bytes].into(), to(&[7]));
            }
            kept
        };
        left.keep(start, "silent", KeptPackets::default());
        left.keep(start, "early", of(start, 10));
        left.keep(start, "late", of(start + Duration::from_secs(1), 10));
        assert_eq!(sids(&mut left), ["early", "late"]);
        let later = start + KEPT_DATA_WAIT + Duration::from_millis(1);
        left.keep(later, "later", of(later, 10));
        left.keep(later, "long gone", of(start, 10));
        assert_eq!(sids(&mut left), ["late", "later"]);
        for number in 0..100 {
            left.keep(later, &number.to_string(), of(later, 30_000));
        }
        assert!(left.bytes() <= LEFT_DATA_BYTES_MAX, "{}", left.bytes());
        let kept = sids(&mut left);
        assert!(kept.len() > 8 && kept.last().unwrap() == "99", "{kept:?}");
    }
}
