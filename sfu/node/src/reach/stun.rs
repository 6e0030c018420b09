//! One question to a STUN server: from which address do you see me? (RFC 8489, section 6.) Without I/O; time is an argument.

use rtc_stun::attributes::ATTR_XORMAPPED_ADDRESS;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, TransactionId};
use rtc_stun::xoraddr::XorMappedAddress;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// When the question is asked, counted from the first time: a datagram may be lost (RFC 8489, section 6.2.1).
const ASKED_AT: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_millis(1500),
];

/// How long a STUN server is waited for, and so how much later a server starts whose STUN servers are silent.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Bytes of an answer of a STUN server that is looked at. Longer ones are ignored.
pub(super) const ANSWER_MAX: usize = 1280;

/// What to do about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send [`Question::datagram`].
    Ask,
    /// Nothing before that moment.
    Wait(Instant),
    /// There is no answer.
    GiveUp,
}

/// A question that is not answered yet.
pub(super) struct Question {
    transaction: TransactionId,
    datagram: Vec<u8>,
    began: Instant,
    asked: usize,
}

impl Question {
    /// A question with 12 random bytes that nobody else can guess: by them an answer is known.
    pub fn new(now: Instant, random: [u8; 12]) -> Self {
        let transaction = TransactionId(random);
        let mut message = Message::new();
        // Setters of constants; they cannot fail.
        let _ = message.build(&[Box::new(transaction), Box::new(BINDING_REQUEST)]);
        Question {
            transaction,
            datagram: message.raw,
            began: now,
            asked: 0,
        }
    }

    /// What is sent, each time.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// What is to be done now. [`Step::Ask`] is said once for each time.
    pub fn poll(&mut self, now: Instant) -> Step {
        let end = self.began + ANSWER_WAIT;
        if now >= end {
            return Step::GiveUp;
        }
        match ASKED_AT.get(self.asked).map(|after| self.began + *after) {
            Some(at) if at <= now => {
                self.asked += 1;
                Step::Ask
            }
            Some(at) => Step::Wait(at),
            None => Step::Wait(end),
        }
    }

    /// The address that the server saw, if this datagram is its answer to this question.
    pub fn answer(&self, datagram: &[u8]) -> Option<IpAddr> {
        if datagram.len() > ANSWER_MAX {
            return None;
        }
        let mut message = Message::new();
        message.unmarshal_binary(datagram).ok()?;
        if message.typ != BINDING_SUCCESS || message.transaction_id != self.transaction {
            return None;
        }
        let mut seen = XorMappedAddress::default();
        seen.get_from_as(&message, ATTR_XORMAPPED_ADDRESS).ok()?;
        Some(seen.ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc_stun::message::BINDING_ERROR;

    const RANDOM: [u8; 12] = *b"twelve bytes";

    fn question() -> Question {
        Question::new(Instant::now(), RANDOM)
    }

    fn answer(random: [u8; 12], typ: rtc_stun::message::MessageType, ip: &str) -> Vec<u8> {
        let mut message = Message::new();
        message
            .build(&[
                Box::new(TransactionId(random)),
                Box::new(typ),
                Box::new(XorMappedAddress {
                    ip: ip.parse().unwrap(),
                    port: 7,
                }),
            ])
            .unwrap();
        message.raw
    }

    #[test]
    fn the_question_is_a_binding_request_of_twenty_bytes() {
        let expected = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &RANDOM[..]].concat();
        assert_eq!(question().datagram(), expected);
    }

    #[test]
    fn it_is_asked_three_times_and_given_up_after_two_seconds() {
        let now = Instant::now();
        let mut question = Question::new(now, RANDOM);
        let at = |ms| now + Duration::from_millis(ms);
        let steps: Vec<Step> = [0, 0, 499, 500, 500, 1500, 1999, 2000, 9000]
            .into_iter()
            .map(|ms| question.poll(at(ms)))
            .collect();
        assert_eq!(
            steps,
            [
                Step::Ask,
                Step::Wait(at(500)),
                Step::Wait(at(500)),
                Step::Ask,
                Step::Wait(at(1500)),
                Step::Ask,
                Step::Wait(at(2000)),
                Step::GiveUp,
                Step::GiveUp
            ]
        );
    }

    #[test]
    fn only_a_success_that_answers_this_question_is_believed() {
        for ip in ["203.0.113.7", "2001:db8::7"] {
            let seen = question().answer(&answer(RANDOM, BINDING_SUCCESS, ip));
            assert_eq!(seen, Some(ip.parse().unwrap()));
        }
        let refused = |bytes: &[u8]| question().answer(bytes).is_none();
        assert!(refused(&answer(*b"other bytes!", BINDING_SUCCESS, "203.0.113.7")));
        assert!(refused(&answer(RANDOM, BINDING_ERROR, "203.0.113.7")));
        assert!(refused(&answer(RANDOM, BINDING_REQUEST, "203.0.113.7")));
        assert!(refused(question().datagram()));
        let mut long = answer(RANDOM, BINDING_SUCCESS, "203.0.113.7");
        long.resize(ANSWER_MAX + 1, 0);
        assert!(refused(&long));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_tell_nothing(datagram in proptest::collection::vec(any::<u8>(), 0..1400)) {
            prop_assert_eq!(question().answer(&datagram), None);
        }

        #[test]
        fn a_damaged_answer_never_panics_and_is_not_believed_if_it_is_none_to_the_question(at in 0usize..32, flip in 1u8.., cut in 0usize..40, tail in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut datagram = answer(RANDOM, BINDING_SUCCESS, "203.0.113.7");
            if let Some(byte) = datagram.get_mut(at) {
                *byte ^= flip;
            }
            datagram.truncate(cut);
            datagram.extend(tail);
            let seen = question().answer(&datagram);
            // An answer is known by its kind and by what the question had; its length (bytes 2 and 3) may grow.
            let is_known = cut >= 20 && (at >= 20 || at == 2 || at == 3);
            prop_assert!(seen.is_none() || is_known, "{seen:?}");
        }
    }
}
