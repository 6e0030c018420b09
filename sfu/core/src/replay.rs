//! Replay protection for one incoming stream (RFC 3711, section 3.3.2).

/// Packets that may arrive late and still be accepted once. A retransmission at the end of a long round trip at
/// 5 Mbit/s is some 200 packets late; libwebrtc uses 1,024.
pub const REPLAY_WINDOW: u64 = 1024;

const WORDS: usize = (REPLAY_WINDOW / 64) as usize;

/// Which of the latest [`REPLAY_WINDOW`] numbers have been seen. Numbers are extended to 64 bits.
#[derive(Clone, Debug, Default)]
pub struct ReplayWindow {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// Notes a number; `false` if it was seen before or is too old to tell.
    pub fn accept(&mut self, number: u64) -> bool {
        let highest = *self.highest.get_or_insert(number);
        if number > highest {
            if number - highest >= REPLAY_WINDOW {
                self.seen = [0; WORDS];
            } else {
                for skipped in highest + 1..=number {
                    self.word(skipped, |word, bit| *word &= !bit);
                }
            }
            self.highest = Some(number);
        } else if highest - number >= REPLAY_WINDOW {
            return false;
        }
        let mut fresh = false;
        self.word(number, |word, bit| {
            fresh = *word & bit == 0;
            *word |= bit;
        });
        fresh
    }

    #[inline]
    fn word(&mut self, number: u64, change: impl FnOnce(&mut u64, u64)) {
        if let Some(word) = self.seen.get_mut((number / 64) as usize % WORDS) {
            change(word, 1 << (number % 64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_number_is_accepted_once_and_too_old_ones_never() {
        let mut window = ReplayWindow::default();
        assert!(window.accept(5000));
        assert!(!window.accept(5000));
        assert!(window.accept(4000), "late, but inside the window");
        assert!(!window.accept(4000));
        assert!(!window.accept(5000 - REPLAY_WINDOW));
        assert!(window.accept(1_000_000), "a jump empties the window");
        assert!(!window.accept(5001));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set(steps in proptest::collection::vec(0u64..3000, 1..400)) {
            let mut window = ReplayWindow::default();
            let mut seen = HashSet::new();
            let mut highest = 0;
            for number in steps {
                let number = number + 10_000;
                let fresh = (highest < REPLAY_WINDOW || number > highest - REPLAY_WINDOW) && seen.insert(number);
                highest = highest.max(number);
                prop_assert_eq!(window.accept(number), fresh);
            }
        }
    }
}
