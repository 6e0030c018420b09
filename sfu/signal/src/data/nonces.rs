//! Which messages a room has seen, by their nonce: a server SDK repeats a request whose answer was lost.

use std::collections::{HashSet, VecDeque};

/// Nonces of one room (LiveKit's server: the same). Beyond: the oldest are forgotten.
const NONCES_MAX: usize = 100;

#[derive(Default)]
pub(super) struct Nonces {
    known: HashSet<[u8; 16]>,
    order: VecDeque<[u8; 16]>,
}

impl Nonces {
    /// Whether a message is seen for the first time. What has no nonce of 16 bytes always is.
    pub fn is_new(&mut self, nonce: &[u8]) -> bool {
        let Ok(nonce) = <[u8; 16]>::try_from(nonce) else {
            return true;
        };
        if !self.known.insert(nonce) {
            return false;
        }
        self.order.push_back(nonce);
        if self.order.len() > NONCES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_new_once_and_the_oldest_are_forgotten() {
        let mut nonces = Nonces::default();
        assert!(nonces.is_new(&[1; 16]) && !nonces.is_new(&[1; 16]));
        assert!(
            nonces.is_new(&[]) && nonces.is_new(&[]) && nonces.is_new(&[1; 15]) && nonces.is_new(&[1; 15])
        );
        for byte in 2..=101 {
            assert!(nonces.is_new(&[byte; 16]));
        }
        assert!(nonces.is_new(&[1; 16]) && !nonces.is_new(&[101; 16]));
        assert_eq!(nonces.known.len(), NONCES_MAX);
    }
}
