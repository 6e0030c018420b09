//! What of a peer's SCTP packets reaches its association.
//!
//! The crate is made for peers that keep the rules. One that does not could have it follow a FORWARD-TSN step by step for
//! seconds, keep chunks of any number, take a message that never ends although its buffer is full, or remember any number
//! of requests to reset streams. Such packets are dropped here, as a network would drop them: a peer that keeps the rules
//! repeats them later, and they fit.

use super::channels::BUFFER_MAX;
use std::collections::BTreeSet;

/// How far ahead of what has come in order a chunk may be: as many as a peer's budget takes in a second. Beyond: it is dropped,
/// and comes again. More would make the list of gaps that answers each packet longer than a DTLS record.
const AHEAD_MAX: u32 = 4096;

/// What a chunk costs beyond its bytes while it waits.
const CHUNK_COST: usize = 256;

/// Bytes and costs ([`CHUNK_COST`]) of the chunks that may wait for the rest of their message, or for the peer's budget. Beyond:
/// only the next chunk in order is taken, since a message may need it, up to twice as much; others are dropped.
const HELD_MAX: usize = 1024 * 1024;

/// Requests to reset streams that may be in progress; a client has one for each channel that it closes. More are dropped.
const RESETS_MAX: usize = 16;

/// Kinds of chunks (RFC 9260, section 3.2; RFC 6525, section 3.1; RFC 3758, section 3.2) and of parameters (RFC 6525,
/// section 4).
const DATA: u8 = 0;
const SACK: u8 = 3;
const RECONFIG: u8 = 130;
const FORWARD_TSN: u8 = 192;
const OUTGOING_RESET: u16 = 13;
const RECONFIG_RESPONSE: u16 = 16;
const IN_PROGRESS: u32 = 6;

const COMMON_HEADER: usize = 12;
const CHUNK_HEADER: usize = 4;
/// TSN, stream, number within the stream, protocol.
const DATA_HEADER: usize = 12;

/// See [`self`].
pub(super) struct Gate {
    /// Up to where everything has come, as we have told the peer.
    acknowledged: u32,
    /// At least what waits in the association, with its costs.
    held: usize,
    /// Requests that the association may keep.
    resets: BTreeSet<u32>,
}

impl Gate {
    /// For the association that an INIT begins.
    pub(super) fn new(init: &[u8]) -> Self {
        // Its tag, window, and numbers of streams come before the first number (RFC 9260, section 3.3.2).
        let first = u32_at(init, COMMON_HEADER + CHUNK_HEADER + 12).unwrap_or_default();
        Gate {
            acknowledged: first.wrapping_sub(1),
            held: 0,
            resets: BTreeSet::new(),
        }
    }

    /// Whether a packet may go on to the association.
    pub(super) fn admits(&mut self, packet: &[u8]) -> bool {
        let (mut cost, mut is_next) = (0, false);
        for (kind, content) in blocks(packet.get(COMMON_HEADER..).unwrap_or_default(), chunk_header) {
            match kind {
                DATA => {
                    let Some(ahead) = self.ahead(content) else {
                        return false;
                    };
                    let bytes = content.len().saturating_sub(DATA_HEADER);
                    if bytes == 0 || ahead > AHEAD_MAX {
                        return false;
                    }
                    is_next |= ahead == 1;
                    if ahead > 0 {
                        cost += bytes + CHUNK_COST;
                    }
                }
                FORWARD_TSN => match self.ahead(content) {
                    Some(..=AHEAD_MAX) => {}
                    _ => return false,
                },
                RECONFIG => {
                    for (kind, content) in blocks(content, parameter_header) {
                        let Some(number) = u32_at(content, 0).filter(|_| kind == OUTGOING_RESET) else {
                            continue;
                        };
                        if self.resets.len() >= RESETS_MAX && !self.resets.contains(&number) {
                            return false;
                        }
                        self.resets.insert(number);
                    }
                }
                _ => {}
            }
        }
        let most = if is_next { 2 * HELD_MAX } else { HELD_MAX };
        if cost > 0 && self.held + cost > most {
            return false;
        }
        self.held += cost;
        true
    }

    /// How far a number is ahead of what has come; 0: it has come already (serial numbers, RFC 1982).
    fn ahead(&self, content: &[u8]) -> Option<u32> {
        let ahead = u32_at(content, 0)?.wrapping_sub(self.acknowledged);
        Some(if ahead < 1 << 31 { ahead } else { 0 })
    }

    /// A message has been taken from the association.
    pub(super) fn on_taken(&mut self, bytes: usize, chunks: usize) {
        self.held = self.held.saturating_sub(bytes + chunks * CHUNK_COST);
    }

    /// The association answers: what it says of its buffer is exact, while what is counted here includes repetitions.
    pub(super) fn on_sent(&mut self, packet: &[u8]) {
        for (kind, content) in blocks(packet.get(COMMON_HEADER..).unwrap_or_default(), chunk_header) {
            match kind {
                SACK => {
                    let (Some(acknowledged), Some(room)) = (u32_at(content, 0), u32_at(content, 4)) else {
                        continue;
                    };
                    self.acknowledged = acknowledged;
                    if room > 0 {
                        // Each chunk has a byte at least.
                        let waits = BUFFER_MAX.saturating_sub(room) as usize;
                        self.held = self.held.min(waits * (1 + CHUNK_COST));
                    }
                }
                RECONFIG => {
                    for (kind, content) in blocks(content, parameter_header) {
                        if let (RECONFIG_RESPONSE, Some(number)) = (kind, u32_at(content, 0))
                            && u32_at(content, 4) != Some(IN_PROGRESS)
                        {
                            self.resets.remove(&number);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let (word, _) = bytes.get(at..)?.split_first_chunk()?;
    Some(u32::from_be_bytes(*word))
}

/// Kind and length: of a chunk, there are flags between them; of a parameter, the kind has two bytes.
fn chunk_header([kind, _, high, low]: [u8; 4]) -> (u8, u16) {
    (kind, u16::from_be_bytes([high, low]))
}

fn parameter_header([kind_high, kind_low, high, low]: [u8; 4]) -> (u16, u16) {
    (
        u16::from_be_bytes([kind_high, kind_low]),
        u16::from_be_bytes([high, low]),
    )
}

/// Chunks of a packet, or parameters of a chunk, up to where they are broken; the crate takes no packet that is.
fn blocks<K>(mut rest: &[u8], header: fn([u8; 4]) -> (K, u16)) -> impl Iterator<Item = (K, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, len) = header(*rest.first_chunk()?);
        let len = usize::from(len);
        let content = rest.get(CHUNK_HEADER..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut chunk = vec![kind, 0];
        chunk.extend((content.len() as u16 + 4).to_be_bytes());
        chunk.extend(content);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    fn packet(chunks: &[Vec<u8>]) -> Vec<u8> {
        [vec![0; COMMON_HEADER], chunks.concat()].concat()
    }

    fn data(tsn: u32, len: usize) -> Vec<u8> {
        chunk(DATA, &[&tsn.to_be_bytes()[..], &[0; 8], &vec![0; len]].concat())
    }

    fn sack(tsn: u32, waits: u32) -> Vec<u8> {
        let room = BUFFER_MAX - waits;
        packet(&[chunk(
            SACK,
            &[tsn.to_be_bytes(), room.to_be_bytes(), [0; 4]].concat(),
        )])
    }

    fn reset(number: u32) -> Vec<u8> {
        let mut parameter = vec![0, 13, 0, 16];
        parameter.extend(number.to_be_bytes());
        parameter.extend([0; 8]);
        packet(&[chunk(RECONFIG, &parameter)])
    }

    /// The peer's first number is 0, so that everything wraps at once.
    fn gate() -> Gate {
        Gate::new(&packet(&[chunk(1, &[0; 16])]))
    }

    #[test]
    fn numbers_up_to_a_bound_ahead_are_taken_and_what_has_come_does_no_harm() {
        let mut gate = gate();
        assert_eq!(gate.acknowledged, u32::MAX);
        let last = AHEAD_MAX - 1;
        for (tsn, is_taken) in [(0, true), (last, true), (last + 1, false), (1 << 30, false)] {
            assert_eq!(gate.admits(&packet(&[data(tsn, 10)])), is_taken, "{tsn}");
            let forward = chunk(FORWARD_TSN, &tsn.to_be_bytes());
            assert_eq!(gate.admits(&packet(&[forward])), is_taken, "forward to {tsn}");
        }
        assert!(
            !gate.admits(&packet(&[data(1, 10), data(last + 1, 10)])),
            "in one packet"
        );
        gate.on_sent(&sack(100, 0));
        assert!(gate.admits(&packet(&[data(last + 101, 10)])));
        let held = gate.held;
        assert!(gate.admits(&packet(&[data(100, 10), data(u32::MAX, 10)])));
        assert_eq!(gate.held, held, "what has come costs nothing");
    }

    #[test]
    fn what_waits_is_bounded_and_the_next_in_order_comes_through_for_longer() {
        let mut gate = gate();
        let mut taken = 0;
        while gate.admits(&packet(&[data(1 + taken, 1)])) {
            taken += 1;
            assert!(taken < 10_000);
        }
        assert_eq!(taken as usize, HELD_MAX / (1 + CHUNK_COST));
        let mut more = 0;
        while gate.admits(&packet(&[data(0, 1000)])) {
            more += 1;
            assert!(more < 10_000);
        }
        assert!((700..900).contains(&more), "{more}");
        // Somebody reads: there is room for as much.
        gate.on_taken(1000 * 1000, 1000);
        assert!(gate.admits(&packet(&[data(5, 1000)])));
        assert!(!gate.admits(&packet(&[data(5, 0)])), "no chunk is empty");
    }

    #[test]
    fn what_the_association_says_of_its_buffer_corrects_the_count() {
        let mut gate = gate();
        while gate.admits(&packet(&[data(3, 1000)])) {}
        // One chunk that came often.
        gate.on_sent(&sack(u32::MAX, 1000));
        assert_eq!(gate.held, 1000 * (1 + CHUNK_COST));
        assert!(gate.admits(&packet(&[data(4, 1000)])));
        let held = gate.held;
        gate.on_sent(&sack(u32::MAX, BUFFER_MAX));
        assert_eq!(gate.held, held, "a full buffer says nothing of how full it is");
        gate.on_sent(&sack(u32::MAX, 0));
        assert_eq!(gate.held, 0);
    }

    #[test]
    fn requests_to_reset_streams_are_few_at_a_time_and_no_more_once_they_are_done() {
        let mut gate = gate();
        for number in 0..RESETS_MAX as u32 {
            assert!(gate.admits(&reset(number)));
        }
        assert!(!gate.admits(&reset(100)));
        assert!(gate.admits(&reset(3)), "a repetition");
        let response = |number: u32, result: u32| {
            let head = [0, 16, 0, 12];
            let content = [head, number.to_be_bytes(), result.to_be_bytes()].concat();
            packet(&[chunk(RECONFIG, &content)])
        };
        gate.on_sent(&response(3, IN_PROGRESS));
        assert!(!gate.admits(&reset(100)));
        gate.on_sent(&response(3, 1));
        assert!(gate.admits(&reset(100)));
    }

    #[test]
    fn broken_packets_are_read_as_far_as_they_go() {
        let mut gate = gate();
        for broken in [&[][..], &[0; 12], &[0; 15], &[0; 16], &[255; 60]] {
            gate.on_sent(broken);
            gate.admits(broken);
        }
        let whole = packet(&[data(0, 100)]);
        for len in 0..whole.len() {
            gate.admits(&whole[..len]);
        }
        assert_eq!(gate.held, 0);
    }
}
