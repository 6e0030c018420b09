//! When the video of one subscriber leaves: at once while there is room, else one after the other at the rate of the link,
//! so that sound, which never waits here, finds no picture in front of it on the way.
//!
//! What waits is a reference into its track's ring. A packet gets its numbers and its seal when it leaves, so that
//! what is given up leaves no gap. Retransmissions wait behind all of it.
//!
//! The rates are leaky buckets: each remembers until when what has gone out keeps the link busy. Nothing here looks at
//! packets; times are nanoseconds since the shard began.

use crate::ids::{DownTrackId, Layer};
use arrayvec::ArrayVec;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets of video that may wait for one subscriber: 200 ms at 24 Mbit/s, in 12 kB.
pub const WAITING_MAX: usize = 512;

/// Retransmissions that may wait for one subscriber. It asks again for what does not come.
pub const REPAIRS_MAX: usize = 128;

/// What of pictures that are no key frames may wait for one subscriber, at the rate at which it leaves. More is given up if
/// it is also more than the key frame takes with which that video then goes on …
pub const WAIT_MAX: Duration = Duration::from_millis(200);

/// … and this much in any case.
pub const WAIT_EVER_MAX: Duration = Duration::from_secs(1);

/// So much of the link's time may go out as one train: a picture, as a rule. Sound that comes right behind it waits for as
/// long.
pub const TRAIN_TIME: Duration = Duration::from_millis(30);

/// Between two steps of what waits: what a wake-up costs.
pub const SLOT: Duration = Duration::from_millis(5);

/// Video leaves at the rate of the link times this, in %, while everything that is wanted fits …
const SWIFT_PERCENT: u64 = 250;

/// … and times this where the rate may be all that the link carries. An overuse lowers the estimate to 85 % of what arrives:
/// much less than this, and the estimate would follow what leaves, down and down.
const STEADY_PERCENT: u64 = 120;

/// Retransmissions leave only while all that goes out together stays below what is to be sent times this, in % …
const REPAIRS_PERCENT: u64 = 110;

/// … and wait at most this long for it after more went out.
const REPAIRS_DELAY_MAX: Duration = Duration::from_millis(500);

/// Down tracks among which the one with the most waiting packets is looked for.
const COMPARED_MAX: usize = 32;

const fn ns(duration: Duration) -> i64 {
    duration.as_nanos() as i64
}

/// A packet of video that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// For which it is.
    pub down_track: DownTrackId,
    /// Where it lies in its track's ring.
    pub position: u32,
    /// What it will take, about; 0 if it will not go out.
    pub bytes: u16,
    /// The layer to move to when it came.
    pub target: Layer,
    /// Its down track's line (see [`crate::line`]).
    pub epoch: u8,
    /// It belongs to a key frame.
    pub key: bool,
    /// It begins a key frame before which something was given up.
    pub anew: bool,
}

/// The rate of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// In bit/s.
    pub bps: u64,
    /// It may be all that the link carries.
    pub is_limit: bool,
}

/// What became of a video of which too much waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Which.
    pub down_track: DownTrackId,
    /// So many of its packets do not wait any more.
    pub packets: u16,
    /// The key frame with which it goes on has yet to come.
    pub needs_key_frame: bool,
}

/// The pacer of one subscriber. What each packet touches that goes out lies in its first cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Pacer {
    /// Until when the link is busy with what has gone out, by the rate for video …
    busy_ns: i64,
    /// … which is this; 0 is no limit.
    ns_per_kbyte: u64,
    /// The same by the rate for retransmissions.
    repairs_busy_ns: i64,
    repairs_ns_per_kbyte: u64,
    waiting: VecDeque<Waiting>,
    repairs: VecDeque<(DownTrackId, u16)>,
    /// Of the packets that wait and belong to no key frame.
    bytes: u64,
    /// It is on the shard's list.
    pub is_listed: bool,
}

impl Pacer {
    /// Sets the rate of the link; `None`: nothing is known of it, and nothing waits. Allocates at the first rate all that it
    /// will ever need.
    pub fn set_pace(&mut self, pace: Option<Pace>) {
        let Some(Pace { bps, is_limit }) = pace else {
            (self.ns_per_kbyte, self.repairs_ns_per_kbyte) = (0, 0);
            return;
        };
        if self.waiting.capacity() == 0 {
            self.waiting.reserve_exact(WAITING_MAX);
            self.repairs.reserve_exact(REPAIRS_MAX);
        }
        let percent = if is_limit { STEADY_PERCENT } else { SWIFT_PERCENT };
        self.ns_per_kbyte = ns_per_kbyte(bps, percent);
        self.repairs_ns_per_kbyte = ns_per_kbyte(bps, REPAIRS_PERCENT);
    }

    /// Whether another packet of video may leave now.
    #[inline]
    pub fn has_room(&self, now_ns: i64) -> bool {
        self.busy_ns - now_ns < ns(TRAIN_TIME)
    }

    /// When the next packet of video may leave.
    pub fn room_at_ns(&self) -> i64 {
        self.busy_ns - ns(TRAIN_TIME)
    }

    /// Whether video waits, so that more of it has to wait, too.
    #[inline]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether retransmissions wait.
    pub fn is_repairing(&self) -> bool {
        !self.repairs.is_empty()
    }

    /// A packet has gone out, of whatever kind.
    #[inline]
    pub fn on_sent(&mut self, now_ns: i64, bytes: usize) {
        let bytes = bytes as u64;
        self.busy_ns = self.busy_ns.max(now_ns) + ((bytes * self.ns_per_kbyte) >> 10).cast_signed();
        let time = ((bytes * self.repairs_ns_per_kbyte) >> 10).cast_signed();
        self.repairs_busy_ns = (self.repairs_busy_ns.max(now_ns) + time).min(now_ns + ns(REPAIRS_DELAY_MAX));
    }

    /// Lets a packet wait. False: too many do.
    pub fn push(&mut self, packet: Waiting) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.count(packet, true);
        self.waiting.push_back(packet);
        true
    }

    /// The next packet, whether there is room or not.
    pub fn pop(&mut self) -> Option<Waiting> {
        let packet = self.waiting.pop_front()?;
        self.count(packet, false);
        Some(packet)
    }

    fn count(&mut self, packet: Waiting, comes: bool) {
        let bytes = if packet.key { 0 } else { u64::from(packet.bytes) };
        self.bytes = if comes {
            self.bytes + bytes
        } else {
            self.bytes.saturating_sub(bytes)
        };
    }

    /// Whether so much waits that some may have to be given up. Key frames do not count: instead of one that is given up the
    /// next one would have to come, and that is as large.
    pub fn is_too_long(&self) -> bool {
        self.takes_ns(self.bytes) > ns(WAIT_MAX)
    }

    fn takes_ns(&self, bytes: u64) -> i64 {
        ((bytes * self.ns_per_kbyte) >> 10).cast_signed()
    }

    /// Gives up of the video of which the most waits: what lies before its latest key frame, or else all but that. Does
    /// nothing where less waits than a key frame has, by `key_frame_bytes`, unless even that is too much.
    pub fn give_up(&mut self, key_frame_bytes: impl FnOnce(DownTrackId) -> u64) -> Option<GivenUp> {
        let mut sums = ArrayVec::<(DownTrackId, u64), COMPARED_MAX>::new();
        for packet in self.waiting.iter().filter(|packet| !packet.key) {
            let bytes = u64::from(packet.bytes);
            match sums.iter_mut().find(|(other, _)| *other == packet.down_track) {
                Some((_, sum)) => *sum += bytes,
                None => sums.try_push((packet.down_track, bytes)).unwrap_or(()),
            }
        }
        let (down_track, sum) = sums.into_iter().max_by_key(|(_, sum)| *sum)?;
        let is_worth_it = sum > key_frame_bytes(down_track) || self.takes_ns(self.bytes) > ns(WAIT_EVER_MAX);
        is_worth_it.then(|| self.give_up_of(down_track))
    }

    /// Like [`Pacer::give_up`], of one video.
    pub fn give_up_of(&mut self, down_track: DownTrackId) -> GivenUp {
        let is_own = |packet: &Waiting| packet.down_track == down_track;
        let mut own = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, packet)| is_own(packet));
        let first = own.next().map(|(place, _)| place);
        // The packet behind one that is no part of a key frame, or at the front.
        let mut is_key = first.is_some_and(|first| self.waiting.get(first).is_some_and(|packet| packet.key));
        let mut latest = None;
        for (place, packet) in own {
            if packet.key && !is_key {
                latest = Some(place);
            }
            is_key = packet.key;
        }
        let before = self.waiting.len();
        let mut place = 0;
        self.waiting.retain(|packet| {
            let keeps = !is_own(packet) || latest.map_or(packet.key, |latest| place >= latest);
            place += 1;
            keeps
        });
        if latest.is_some()
            && let Some(start) = self.waiting.iter_mut().find(|packet| is_own(packet))
        {
            start.anew = true;
        }
        self.bytes = 0;
        for place in 0..self.waiting.len() {
            if let Some(packet) = self.waiting.get(place).copied() {
                self.count(packet, true);
            }
        }
        GivenUp {
            down_track,
            packets: (before - self.waiting.len()) as u16,
            needs_key_frame: latest.is_none(),
        }
    }

    /// Whether a retransmission may leave now.
    pub fn has_room_for_repairs(&self, now_ns: i64) -> bool {
        !self.is_waiting() && self.repairs_busy_ns - now_ns < ns(TRAIN_TIME)
    }

    /// When one may, if no video waits.
    pub fn repairs_at_ns(&self) -> i64 {
        self.repairs_busy_ns - ns(TRAIN_TIME)
    }

    /// Lets a retransmission wait, unless it does already or too many do.
    pub fn push_repair(&mut self, down_track: DownTrackId, number: u16) {
        let repair = (down_track, number);
        if self.repairs.len() < REPAIRS_MAX && !self.repairs.contains(&repair) {
            self.repairs.push_back(repair);
        }
    }

    /// The next retransmission, whether there is room or not.
    pub fn pop_repair(&mut self) -> Option<(DownTrackId, u16)> {
        self.repairs.pop_front()
    }
}

/// At this share of a rate.
fn ns_per_kbyte(bps: u64, percent: u64) -> u64 {
    const NS_PER_KBYTE: u64 = 1024 * 8 * 1_000_000_000;
    NS_PER_KBYTE / (bps * percent / 100).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn paced(bps: u64, is_limit: bool) -> Pacer {
        let mut pacer = Pacer::default();
        pacer.set_pace(Some(Pace { bps, is_limit }));
        pacer
    }

    fn packet(down_track: u64, position: u32, key: bool) -> Waiting {
        Waiting {
            down_track: DownTrackId(down_track),
            position,
            bytes: 1_000,
            target: Layer(0),
            epoch: 0,
            key,
            anew: false,
        }
    }

    fn left(pacer: &mut Pacer) -> Vec<(u64, u32, bool)> {
        std::iter::from_fn(|| pacer.pop())
            .map(|packet| (packet.down_track.0, packet.position, packet.anew))
            .collect()
    }

    /// Packets of 1 kB that leave in so many ms, when all leave that may.
    fn sent(pacer: &mut Pacer, ms: i64) -> usize {
        let mut count = 0;
        for now_ns in (0..ms).map(|at| at * MS) {
            while pacer.has_room(now_ns) {
                pacer.on_sent(now_ns, 1_024);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn it_leaves_in_trains_of_30_ms_and_at_the_rate_times_its_factor() {
        // 1 kB takes 8.192 ms at 1 Mbit/s.
        assert_eq!(
            sent(&mut paced(1_000_000, true), 1),
            5,
            "4 in 30 ms and a fifth more"
        );
        assert_eq!(
            sent(&mut paced(1_000_000, true), 1_000),
            (1_030.0 / 8.192_f64 * 1.2) as usize + 1
        );
        assert_eq!(
            sent(&mut paced(1_000_000, false), 1_000),
            (1_030.0 / 8.192_f64 * 2.5) as usize + 1
        );
        assert!(paced(30_000, true).has_room(0), "the first always leaves");
    }

    #[test]
    fn nothing_waits_while_nothing_is_known() {
        let mut pacer = paced(100_000, true);
        pacer.on_sent(0, 1_000_000);
        assert!(!pacer.has_room(MS));
        pacer.set_pace(None);
        pacer.busy_ns = MS;
        for _ in 0..100 {
            assert!(pacer.has_room(MS) && pacer.has_room_for_repairs(1_000 * MS));
            pacer.on_sent(MS, 60_000);
        }
    }

    #[test]
    fn what_lies_before_a_key_frame_is_given_up_and_the_key_frame_begins_anew() {
        let mut pacer = paced(1_000_000, true);
        for (position, key) in [
            (1, true),
            (2, true),
            (3, false),
            (4, false),
            (5, true),
            (6, true),
            (7, false),
        ] {
            assert!(pacer.push(packet(1, position, key)));
            assert!(pacer.push(packet(2, position + 100, true)));
        }
        let expected = GivenUp {
            down_track: DownTrackId(1),
            packets: 4,
            needs_key_frame: false,
        };
        assert_eq!(pacer.give_up(|_| 0), Some(expected));
        let own: Vec<_> = left(&mut pacer).into_iter().filter(|it| it.0 == 1).collect();
        assert_eq!(own, [(1, 5, true), (1, 6, false), (1, 7, false)]);
        assert_eq!(pacer.bytes, 0);
    }

    #[test]
    fn without_one_all_but_what_has_begun_of_one_is_given_up_and_the_largest_goes_first() {
        let mut pacer = paced(1_000_000, true);
        for position in 0..3 {
            pacer.push(packet(2, position, false));
        }
        for (position, key) in [
            (1, true),
            (2, true),
            (3, false),
            (4, false),
            (5, false),
            (6, false),
        ] {
            pacer.push(packet(1, position, key));
        }
        let given_up = pacer.give_up(|_| 0).unwrap();
        assert_eq!(
            (given_up.down_track.0, given_up.packets, given_up.needs_key_frame),
            (1, 4, true)
        );
        assert_eq!(pacer.bytes, 3_000);
        let given_up = pacer.give_up(|_| 0).unwrap();
        assert_eq!(
            (given_up.down_track.0, given_up.packets, given_up.needs_key_frame),
            (2, 3, true)
        );
        assert_eq!(pacer.give_up(|_| 0), None, "key frames are never given up");
        assert_eq!(left(&mut pacer), [(1, 1, false), (1, 2, false)]);
    }

    #[test]
    fn more_than_200_ms_are_too_long_unless_they_are_a_key_frame() {
        let mut pacer = paced(1_000_000, true);
        for position in 0..100 {
            pacer.push(packet(1, position, true));
        }
        assert!(!pacer.is_too_long());
        // 1.2 Mbit/s for 200 ms.
        for position in 0..30 {
            assert!(!pacer.is_too_long(), "{position}");
            pacer.push(packet(1, 100 + position, false));
        }
        pacer.push(packet(1, 200, false));
        assert!(pacer.is_too_long());
        pacer.set_pace(None);
        assert!(!pacer.is_too_long());
    }

    #[test]
    fn less_than_a_key_frame_has_is_not_given_up_for_one_unless_it_waits_for_a_second() {
        let mut pacer = paced(1_000_000, true);
        for position in 0..100 {
            pacer.push(packet(1, position, false));
        }
        assert!(pacer.is_too_long());
        assert_eq!(pacer.give_up(|_| 100_000), None);
        // 1.2 Mbit/s for a second.
        for position in 100..151 {
            pacer.push(packet(1, position, false));
        }
        assert_eq!(pacer.give_up(|_| 1_000_000).unwrap().packets, 151);
        for position in 0..100 {
            pacer.push(packet(1, position, false));
        }
        assert_eq!(pacer.give_up(|_| 99_999).unwrap().packets, 100);
    }

    #[test]
    fn so_many_may_wait_and_no_more_and_none_of_it_allocates() {
        let mut pacer = paced(1_000_000, true);
        let fill = || {
            for position in 0..WAITING_MAX as u32 {
                assert!(pacer.push(packet(1, position, false)));
            }
            assert!(!pacer.push(packet(1, 9_999, false)));
            for number in 0..1_000 {
                pacer.push_repair(DownTrackId(1), number);
                pacer.push_repair(DownTrackId(1), number);
            }
            pacer.give_up(|_| 0);
        };
        assert_eq!(allocation_counter::measure(fill).count_total, 0);
        let repairs: Vec<u16> = std::iter::from_fn(|| pacer.pop_repair()).map(|it| it.1).collect();
        assert_eq!(repairs, (0..REPAIRS_MAX as u16).collect::<Vec<_>>(), "each once");
        assert_eq!(size_of::<Waiting>(), 24);
    }

    #[test]
    fn retransmissions_leave_when_no_picture_waits_and_the_link_is_not_full_of_what_is_new() {
        let mut pacer = paced(1_000_000, true);
        assert!(pacer.has_room_for_repairs(0));
        pacer.push(packet(1, 1, false));
        assert!(!pacer.has_room_for_repairs(0));
        pacer.pop();
        // 1.1 Mbit/s for 30 ms.
        for _ in 0..4 {
            pacer.on_sent(0, 1_024);
        }
        assert!(pacer.has_room_for_repairs(0));
        pacer.on_sent(0, 1_024);
        assert!(!pacer.has_room_for_repairs(0));
        assert!(pacer.has_room_for_repairs(10 * MS));
        pacer.on_sent(10 * MS, 1_000_000);
        assert!(
            !pacer.has_room_for_repairs(479 * MS) && pacer.has_room_for_repairs(481 * MS),
            "they do not wait for ever"
        );
    }
}
