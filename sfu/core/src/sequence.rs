//! Counting on past the wrap: 16-bit RTP sequence numbers and 32-bit RTP timestamps as 64-bit numbers that only grow.
//!
//! The rule is that of RFC 3711, section 3.3.1 and appendix A: a number is taken to be the one nearest to the highest
//! seen so far. In: numbers as they stand in packets, in order of arrival. Out: the same numbers with the turns of
//! their counter in front. Nothing is rejected here; whoever keeps a window decides what is too old.

/// Extends 16-bit numbers to 64 bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceExtender {
    highest: Option<u64>,
}

impl SequenceExtender {
    /// What the first number gets in front, so that packets which were sent before it and arrive later fit below.
    pub const FIRST_TURN: u64 = 1 << 16;

    /// An extender that has seen nothing.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The extended number. The first one becomes [`SequenceExtender::FIRST_TURN`] + `sequence`; later ones land
    /// within 32,768 of the highest, and only those above it move it.
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.highest() else {
            let first = Self::FIRST_TURN + u64::from(sequence);
            self.highest = Some(first);
            return first;
        };
        let distance = sequence.wrapping_sub(highest as u16).cast_signed();
        let extended = highest.saturating_add_signed(i64::from(distance));
        self.highest = Some(highest.max(extended));
        extended
    }

    /// The highest number so far; `None` before the first.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Extends 32-bit numbers to 64 bits; the default has seen nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampExtender {
    highest: Option<u64>,
}

impl TimestampExtender {
    /// What the first number gets in front.
    pub const FIRST_TURN: u64 = 1 << 32;

    /// The extended timestamp. The first one becomes [`TimestampExtender::FIRST_TURN`] + `timestamp`; later ones land
    /// within 2³¹ of the highest, and only those above it move it.
    pub fn extend(&mut self, timestamp: u32) -> u64 {
        let Some(highest) = self.highest() else {
            let first = Self::FIRST_TURN + u64::from(timestamp);
            self.highest = Some(first);
            return first;
        };
        let distance = timestamp.wrapping_sub(highest as u32).cast_signed();
        let extended = highest.saturating_add_signed(i64::from(distance));
        self.highest = Some(highest.max(extended));
        extended
    }

    /// The highest timestamp so far; `None` before the first.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_number_leaves_room_for_older_ones() {
        let mut extender = SequenceExtender::new();
        assert_eq!(extender.highest(), None);
        assert_eq!(extender.extend(3), 65_539);
        assert_eq!(extender.extend(65_535), 65_535);
        assert_eq!(extender.highest(), Some(65_539));
    }

    #[test]
    fn a_wrap_counts_on_and_a_late_packet_from_before_it_stays_below() {
        let mut extender = SequenceExtender::new();
        let before = extender.extend(65_534);
        assert_eq!(extender.extend(1), before + 3);
        assert_eq!(extender.extend(65_535), before + 1);
        assert_eq!(extender.highest(), Some(before + 3));
        assert_eq!(extender.extend(2), before + 4);
    }

    #[test]
    fn timestamps_wrap_like_sequence_numbers() {
        let mut extender = TimestampExtender::default();
        let before = extender.extend(u32::MAX - 1);
        assert_eq!(before, (1 << 32) + u64::from(u32::MAX) - 1);
        assert_eq!(extender.extend(2_998), before + 3_000);
        assert_eq!(extender.extend(u32::MAX), before + 1);
        assert_eq!(extender.highest(), Some(before + 3_000));
    }

    proptest! {
        #[test]
        fn extended_numbers_keep_their_low_bits_and_the_highest_never_falls(numbers in prop::collection::vec(any::<u32>(), 1..200)) {
            let mut sequences = SequenceExtender::new();
            let mut timestamps = TimestampExtender::default();
            let mut highest = (0, 0);
            for number in numbers {
                prop_assert_eq!(sequences.extend(number as u16) as u16, number as u16);
                prop_assert_eq!(timestamps.extend(number) as u32, number);
                let now = (sequences.highest().unwrap(), timestamps.highest().unwrap());
                prop_assert!(now.0 >= highest.0 && now.1 >= highest.1);
                highest = now;
            }
        }
    }
}
