//! Looks at DTLS records (RFC 6347, section 4.1) before the crate does, and keeps what a peer can make it store within
//! bounds: the crate keeps every fragment of a handshake message, joins them by recursion, and queues every record
//! that it cannot decrypt yet.

/// Fragments of handshake messages over a connection's life. A browser's handshake has about a dozen, and each lost
/// flight repeats half of them. What comes after is dropped, so a handshake that needs more never completes.
const FRAGMENTS_MAX: u32 = 512;

/// Records that may wait for keys. One flight brings one or two; a client repeats its last flight about ten times
/// within the handshake's limit. More are dropped.
const EARLY_RECORDS_MAX: u32 = 32;

/// Encrypted handshake records after the handshake: the client repeats its `Finished` when ours was lost, nothing
/// else is allowed. More are dropped.
const LATE_HANDSHAKE_RECORDS_MAX: u32 = 16;

/// Bytes of one handshake message. The largest from a browser is its certificate, below 2 KiB.
const MESSAGE_MAX: usize = 16 * 1024;

const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// What a datagram may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is malformed or over a bound.
    Drop,
    /// It may pass.
    Pass {
        /// It carries a handshake record in clear text.
        handshake: bool,
    },
}

/// Counts of one connection.
#[derive(Debug, Default)]
pub struct RecordGuard {
    fragments: u32,
    early: u32,
    late: u32,
    complete: bool,
}

impl RecordGuard {
    /// The handshake is over: nothing waits for keys any more.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// Judges a datagram as a whole: records of one datagram come from one sender.
    pub fn judge(&mut self, datagram: &[u8]) -> Verdict {
        let mut rest = datagram;
        let mut handshake = false;
        while !rest.is_empty() {
            let Some(record) = Record::parse(rest) else {
                return Verdict::Drop;
            };
            if !self.admit(&record) {
                return Verdict::Drop;
            }
            handshake |= record.kind == HANDSHAKE && record.epoch == 0;
            rest = rest.get(RECORD_HEADER + record.body.len()..).unwrap_or_default();
        }
        if datagram.is_empty() {
            Verdict::Drop
        } else {
            Verdict::Pass { handshake }
        }
    }

    fn admit(&mut self, record: &Record<'_>) -> bool {
        match (record.kind, record.epoch) {
            (HANDSHAKE, 0) => self.admit_fragments(record.body),
            (ALERT, 0) => true,
            // Clear text where only sealed text makes sense: the crate would answer with a fatal alert.
            (APPLICATION_DATA, 0) => false,
            (HANDSHAKE, 1) if self.complete => count(&mut self.late, LATE_HANDSHAKE_RECORDS_MAX),
            (CHANGE_CIPHER_SPEC, 0) | (_, 1) => self.complete || count(&mut self.early, EARLY_RECORDS_MAX),
            // We never renegotiate, so there is no third epoch.
            _ => false,
        }
    }

    /// Every message in a clear-text handshake record: is it whole or a proper part, and not one too many?
    fn admit_fragments(&mut self, body: &[u8]) -> bool {
        let mut rest = body;
        while !rest.is_empty() {
            let (Some(length), Some(offset), Some(fragment)) = (be24(rest, 1), be24(rest, 6), be24(rest, 9))
            else {
                return false;
            };
            let proper =
                length <= MESSAGE_MAX && offset + fragment <= length && (fragment > 0 || length == 0);
            if !proper || !count(&mut self.fragments, FRAGMENTS_MAX) {
                return false;
            }
            let Some(next) = rest.get(HANDSHAKE_HEADER + fragment..) else {
                return false;
            };
            // The crate cuts the record by the message's length, so a part must be the last in its record.
            if fragment < length && !next.is_empty() {
                return false;
            }
            rest = next;
        }
        !body.is_empty()
    }
}

fn count(counter: &mut u32, max: u32) -> bool {
    *counter = counter.saturating_add(1);
    *counter <= max
}

struct Record<'a> {
    kind: u8,
    epoch: u16,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER>()?;
        let [
            kind,
            major,
            minor,
            epoch_high,
            epoch_low,
            _,
            _,
            _,
            _,
            _,
            _,
            length_high,
            length_low,
        ] = *header;
        // DTLS 1.0 (254.255) is what a first ClientHello may say; 1.2 is 254.253.
        let known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) && major == 254 && minor >= 253;
        let body = rest.get(..usize::from(u16::from_be_bytes([length_high, length_low])))?;
        (known && !body.is_empty()).then_some(Record {
            kind,
            epoch: u16::from_be_bytes([epoch_high, epoch_low]),
            body,
        })
    }
}

fn be24(bytes: &[u8], at: usize) -> Option<usize> {
    let &[high, middle, low] = bytes.get(at..at + 3)? else {
        return None;
    };
    Some(usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 254, 253];
        bytes.extend(epoch.to_be_bytes());
        bytes.extend([0; 6]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn fragment(length: u32, offset: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(&length.to_be_bytes()[1..]);
        bytes.extend([0, 0]);
        bytes.extend(&offset.to_be_bytes()[1..]);
        bytes.extend(&(body.len() as u32).to_be_bytes()[1..]);
        bytes.extend(body);
        bytes
    }

    const PASS: Verdict = Verdict::Pass { handshake: true };

    #[test]
    fn a_whole_message_and_a_last_part_pass_and_broken_ones_do_not() {
        let mut guard = RecordGuard::default();
        assert_eq!(guard.judge(&record(HANDSHAKE, 0, &fragment(3, 0, b"abc"))), PASS);
        assert_eq!(guard.judge(&record(HANDSHAKE, 0, &fragment(9, 3, b"abc"))), PASS);
        let two = [fragment(3, 0, b"abc"), fragment(2, 0, b"ab")].concat();
        assert_eq!(guard.judge(&record(HANDSHAKE, 0, &two)), PASS);
        for broken in [
            fragment(3, 1, b"abc"),
            fragment(MESSAGE_MAX as u32 + 1, 0, b"abc"),
            fragment(9, 0, b""),
            [fragment(9, 0, b"abc"), fragment(3, 0, b"abc")].concat(),
            fragment(3, 0, b"abc")[..13].to_vec(),
        ] {
            assert_eq!(
                guard.judge(&record(HANDSHAKE, 0, &broken)),
                Verdict::Drop,
                "{broken:?}"
            );
        }
    }

    #[test]
    fn fragments_beyond_the_bound_are_dropped() {
        let mut guard = RecordGuard::default();
        let datagram = record(HANDSHAKE, 0, &fragment(9, 3, b"a"));
        for _ in 0..FRAGMENTS_MAX {
            assert_eq!(guard.judge(&datagram), PASS);
        }
        assert_eq!(guard.judge(&datagram), Verdict::Drop);
    }

    #[test]
    fn sealed_records_are_few_before_the_keys_and_free_after() {
        let mut guard = RecordGuard::default();
        let datagram = record(APPLICATION_DATA, 1, b"sealed");
        for _ in 0..EARLY_RECORDS_MAX {
            assert_eq!(guard.judge(&datagram), Verdict::Pass { handshake: false });
        }
        assert_eq!(guard.judge(&datagram), Verdict::Drop);
        guard.complete();
        for _ in 0..1000 {
            assert_eq!(guard.judge(&datagram), Verdict::Pass { handshake: false });
        }
    }

    #[test]
    fn other_epochs_versions_and_kinds_are_dropped() {
        let mut guard = RecordGuard::default();
        assert_eq!(guard.judge(&record(APPLICATION_DATA, 0, b"clear")), Verdict::Drop);
        assert_eq!(guard.judge(&record(HANDSHAKE, 2, b"x")), Verdict::Drop);
        assert_eq!(guard.judge(&record(24, 0, b"x")), Verdict::Drop);
        assert_eq!(guard.judge(&record(ALERT, 0, b"")), Verdict::Drop);
        assert_eq!(guard.judge(&[]), Verdict::Drop);
        let mut version = record(ALERT, 0, b"xx");
        version[1] = 3;
        assert_eq!(guard.judge(&version), Verdict::Drop);
        assert_eq!(
            guard.judge(&record(ALERT, 0, b"xx")),
            Verdict::Pass { handshake: false }
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = RecordGuard::default().judge(&bytes);
        }

        #[test]
        fn any_handshake_body_is_judged_without_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = RecordGuard::default().judge(&record(HANDSHAKE, 0, &body));
        }
    }
}
