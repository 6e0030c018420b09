//! What went out on a transport, by transport-wide number, until the peer has said what became of it.

/// Packets that are remembered; feedback about older ones is ignored. At 1,100 bytes a packet it holds two seconds of
/// 9 Mbit/s. A power of two.
pub const LOG_LEN: usize = 2_048;

/// What became of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    /// Nothing was sent under this number.
    #[default]
    Unused,
    /// The peer has said nothing yet.
    Unknown,
    /// It has arrived.
    Arrived,
    /// It was missing when the peer spoke of it; it may still arrive.
    Missing,
}

/// One packet: 12 bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// µs since the estimator began; wraps every 71 min.
    sent_us: u32,
    bytes: u16,
    /// Bytes that went out without a number since the packet before it.
    unnumbered: u16,
    number: u16,
    /// The probe cluster; 0 is none.
    cluster: u8,
    fate: Fate,
}

const _: () = assert!(size_of::<Entry>() == 12 && LOG_LEN.is_power_of_two());
const _: () = assert!(LOG_LEN.is_multiple_of(HEAD_LEN));

/// A packet about which the peer has said something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When it was sent, in µs since the estimator began.
    pub sent_us: i64,
    /// Its size.
    pub bytes: u32,
    /// What went out without a number before it.
    pub unnumbered: u32,
    /// The probe cluster; 0 is none.
    pub cluster: u8,
    /// It had been reported missing before.
    pub was_missing: bool,
}

/// Packets that are noted beside the next number before they go to the ring together. Divides [`LOG_LEN`].
const HEAD_LEN: usize = 4;

/// The log: a ring, allocated once ([`LOG_LEN`] × 12 bytes), and before it the latest few entries. Where one packet goes to a
/// thousand subscribers, everything that it touches of each of them is cold; so most packets touch no ring.
#[derive(Debug)]
#[repr(C)]
pub struct SendLog {
    next: u16,
    unnumbered: u16,
    head: [Entry; HEAD_LEN],
    entries: Box<[Entry]>,
}

impl SendLog {
    /// An empty log; the first number is 0.
    pub fn new() -> Self {
        SendLog {
            next: 0,
            unnumbered: 0,
            head: [Entry::default(); HEAD_LEN],
            entries: vec![Entry::default(); LOG_LEN].into_boxed_slice(),
        }
    }

    /// The number of the next packet.
    #[inline]
    pub fn next_number(&self) -> u16 {
        self.next
    }

    /// A packet went out under the next number.
    #[inline]
    pub fn push(&mut self, now_us: i64, bytes: usize, cluster: u8) {
        let number = self.next;
        self.next = number.wrapping_add(1);
        let unnumbered = std::mem::take(&mut self.unnumbered);
        let place = usize::from(number) % HEAD_LEN;
        if let Some(entry) = self.head.get_mut(place) {
            *entry = Entry {
                sent_us: now_us as u32,
                bytes: bytes.min(usize::from(u16::MAX)) as u16,
                unnumbered,
                number,
                cluster,
                fate: Fate::Unknown,
            };
        }
        if place == HEAD_LEN - 1
            && let Some(ring) = self.entries.get_mut(slot(number) - place..=slot(number))
        {
            ring.copy_from_slice(&self.head);
        }
    }

    /// Something went out without a number.
    #[inline]
    pub fn add_unnumbered(&mut self, bytes: usize) {
        let bytes = bytes.min(usize::from(u16::MAX)) as u16;
        self.unnumbered = self.unnumbered.saturating_add(bytes);
    }

    /// Forgets what became of everything so far; the numbers run on.
    pub fn forget(&mut self) {
        for entry in self.entries.iter_mut().chain(&mut self.head) {
            entry.fate = Fate::Unused;
        }
        self.unnumbered = 0;
    }

    /// The peer says whether a packet has arrived. `None`: it was never sent, is forgotten, or this is no news.
    pub fn tell(&mut self, now_us: i64, number: u16, has_arrived: bool) -> Option<Told> {
        let in_head = usize::from(self.next) % HEAD_LEN;
        let entry = if usize::from(self.next.wrapping_sub(number).wrapping_sub(1)) < in_head {
            self.head.get_mut(usize::from(number) % HEAD_LEN)
        } else {
            self.entries.get_mut(slot(number))
        };
        let entry = entry.filter(|entry| entry.number == number)?;
        let fate = match (entry.fate, has_arrived) {
            (Fate::Unknown, false) => Fate::Missing,
            (Fate::Unknown | Fate::Missing, true) => Fate::Arrived,
            _ => return None,
        };
        let was_missing = std::mem::replace(&mut entry.fate, fate) == Fate::Missing;
        let age = (now_us as u32).wrapping_sub(entry.sent_us);
        Some(Told {
            sent_us: now_us - i64::from(age),
            bytes: u32::from(entry.bytes),
            unnumbered: u32::from(entry.unnumbered),
            cluster: entry.cluster,
            was_missing,
        })
    }
}

const fn slot(number: u16) -> usize {
    number as usize & (LOG_LEN - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_told_once_as_missing_and_once_as_arrived_and_nothing_else_is() {
        let mut log = SendLog::new();
        log.add_unnumbered(60);
        log.push(5, 1_000, 0);
        log.push(7, 500, 3);
        assert_eq!(log.next_number(), 2);
        let first = log.tell(100, 0, false).unwrap();
        assert_eq!((first.sent_us, first.bytes, first.unnumbered), (5, 1_000, 60));
        assert_eq!(log.tell(100, 0, false), None, "no news");
        assert!(log.tell(100, 0, true).unwrap().was_missing);
        assert_eq!(log.tell(100, 0, true), None);
        assert_eq!(log.tell(100, 0, false), None, "it cannot vanish again");
        let second = log.tell(100, 1, true).unwrap();
        assert_eq!(
            (second.sent_us, second.cluster, second.was_missing),
            (7, 3, false)
        );
        assert_eq!(log.tell(100, 2, true), None, "never sent");
        assert_eq!(log.tell(100, 2_048, true), None, "never sent either");
    }

    #[test]
    fn each_packet_is_told_once_whether_or_not_it_has_gone_to_the_ring() {
        let mut log = SendLog::new();
        for number in 0..3 * HEAD_LEN as u16 {
            log.push(i64::from(number), 100, 0);
            let heard = (0..=number).rev().map(|each| log.tell(1_000, each, true));
            let sent_us: Vec<i64> = heard.flatten().map(|told| told.sent_us).collect();
            assert_eq!(sent_us, [i64::from(number)]);
        }
        (0..HEAD_LEN + 1).for_each(|_| log.push(1_000, 100, 0));
        log.forget();
        for number in 0..4 * HEAD_LEN as u16 + 1 {
            assert_eq!(log.tell(1_000, number, true), None, "all is forgotten");
        }
    }

    #[test]
    fn what_is_overwritten_is_forgotten_and_times_outlive_their_wrap() {
        let mut log = SendLog::new();
        for number in 0..=LOG_LEN as i64 {
            log.push(i64::from(u32::MAX) - 10 + number, 100, 0);
        }
        let now_us = i64::from(u32::MAX) + 5_000;
        assert!(log.tell(now_us, 1, true).is_some(), "not overwritten yet");
        (1..HEAD_LEN).for_each(|_| log.push(now_us, 100, 0));
        for number in 0..HEAD_LEN as u16 {
            assert_eq!(log.tell(now_us, number, true), None);
        }
        let last = log.tell(now_us, LOG_LEN as u16, true).unwrap();
        assert_eq!(last.sent_us, i64::from(u32::MAX) - 10 + LOG_LEN as i64);
    }
}
