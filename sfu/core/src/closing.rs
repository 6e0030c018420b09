//! Closing up sequence numbers behind packets that a subscriber does not get.
//!
//! The receiver must see no gap where nothing was lost. A packet that is left out while it is the newest takes no number,
//! so that everything after it moves down by one; packets that were late keep the number that waits for them.

/// Runs of left-out packets that are remembered for late packets: about two seconds of pictures. A packet that is
/// later than that is lost.
const RUNS_MAX: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    count: u64,
}

/// The left-out packets of one stream. Costs memory only once something has been left out.
#[derive(Debug, Default)]
pub struct Closing {
    total: u64,
    /// A ring: the run at `runs % RUNS_MAX` is the oldest once it is full.
    memory: Option<Box<[Run; RUNS_MAX]>>,
    runs: usize,
}

impl Closing {
    /// Another stream begins: nothing of it has been left out.
    pub fn clear(&mut self) {
        self.total = 0;
        self.runs = 0;
    }

    /// Leaves out the newest packet.
    pub fn leave_out(&mut self, sequence: u64) {
        self.total += 1;
        let memory = self
            .memory
            .get_or_insert_with(|| Box::new([Run { first: 0, count: 0 }; RUNS_MAX]));
        let last = self.runs.checked_sub(1).map(|last| last % RUNS_MAX);
        if let Some(run) = last.and_then(|last| memory.get_mut(last))
            && run.first + run.count == sequence
        {
            run.count += 1;
            return;
        }
        if let Some(run) = memory.get_mut(self.runs % RUNS_MAX) {
            *run = Run {
                first: sequence,
                count: 1,
            };
            self.runs += 1;
        }
    }

    /// By how much a packet that goes out moves down; `None` if it is too late to know.
    #[inline]
    pub fn shift(&self, sequence: u64, is_newest: bool) -> Option<u64> {
        if is_newest || self.total == 0 {
            return Some(self.total);
        }
        let memory = self.memory.as_ref()?;
        let mut shift = self.total;
        let known = self.runs.min(RUNS_MAX);
        for age in 1..=known {
            let run = memory.get((self.runs - age) % RUNS_MAX)?;
            if run.first < sequence {
                return Some(shift);
            }
            shift -= run.count;
        }
        (known < RUNS_MAX).then_some(shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_close_up_and_a_late_packet_finds_its_place() {
        let mut closing = Closing::default();
        assert_eq!(closing.shift(10, true), Some(0));
        closing.leave_out(13); // 11 and 12 are late
        closing.leave_out(14);
        assert_eq!(closing.shift(15, true), Some(2));
        assert_eq!(closing.shift(12, false), Some(0));
        closing.leave_out(17); // 16 is late
        assert_eq!(closing.shift(16, false), Some(2));
        assert_eq!(closing.shift(11, false), Some(0));
        closing.clear();
        assert_eq!(closing.shift(18, true), Some(0));
    }

    #[test]
    fn what_is_later_than_the_memory_is_lost() {
        let mut closing = Closing::default();
        for run in 0..=RUNS_MAX as u64 {
            closing.leave_out(100 + 2 * run);
        }
        assert_eq!(closing.shift(99, false), None);
        assert_eq!(closing.shift(101, false), None, "the run before it is forgotten");
        assert_eq!(closing.shift(103, false), Some(2));
    }

    proptest! {
        /// Whatever is left out and whatever is late: no number is given twice, and the order stays.
        #[test]
        fn no_two_packets_get_one_number(fates in prop::collection::vec(0u8..4, 1..300)) {
            let mut closing = Closing::default();
            let mut given = BTreeSet::new();
            let mut late = Vec::new();
            for (sequence, fate) in (1000..).zip(fates) {
                match fate {
                    0 => closing.leave_out(sequence),
                    1 => late.push(sequence),
                    _ => prop_assert!(given.insert(sequence - closing.shift(sequence, true).unwrap())),
                }
            }
            let newest = given.last().copied().unwrap_or(0);
            for sequence in late {
                if let Some(shift) = closing.shift(sequence, false) {
                    let number = sequence - shift;
                    prop_assert!(given.insert(number), "{sequence} again as {number}");
                    prop_assert!(newest == 0 || number <= newest + 300);
                }
            }
        }
    }
}
