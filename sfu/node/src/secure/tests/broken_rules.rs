//! A peer whose SCTP breaks the rules: packets that no association of the crate would send.

use super::data_channels::{Call, LOSSY, RELIABLE};
use super::*;
use crate::secure::fuzz::sum_up;

fn chunk(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u16 + 4).to_be_bytes();
    let mut chunk = [&[kind, flags][..], &len, content].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// Of one message on a stream, in order; the first piece is marked as such, none as the last.
fn piece(tsn: u32, stream: u16, is_first: bool, len: usize) -> Vec<u8> {
    let head = [
        &tsn.to_be_bytes()[..],
        &stream.to_be_bytes(),
        &[0, 2, 0, 0, 0, 53],
    ]
    .concat();
    chunk(0, u8::from(is_first) * 2, &[head, vec![7; len]].concat())
}

struct Mallory {
    call: Call,
    /// Ports and tag.
    header: Vec<u8>,
    /// Her next number.
    tsn: u32,
}

impl Mallory {
    fn new() -> Self {
        let mut call = Call::with_channels();
        call.write(RELIABLE, b"x");
        let sent = call.sent_by_association();
        // There may be acknowledgements, too.
        let data = sent.iter().find(|packet| packet[12] == 0).unwrap();
        let header = data[..8].to_vec();
        let tsn = u32::from_be_bytes(data[16..20].try_into().unwrap());
        call.carry(sent);
        call.rounds(100);
        assert!(call.poll().is_some());
        Mallory {
            call,
            header,
            tsn: tsn.wrapping_add(1),
        }
    }

    /// What comes back for it.
    fn send(&mut self, chunk: &[u8]) -> Vec<Bytes> {
        let mut packet = [&self.header, &[0; 4][..], chunk].concat();
        sum_up(&mut packet);
        self.call.carry(vec![packet.into()]);
        self.call.now += Duration::from_millis(1);
        std::mem::take(&mut self.call.client.data)
    }
}

/// Up to which number a packet acknowledges.
fn acknowledged(packet: &Bytes) -> Option<u32> {
    (packet.get(12) == Some(&3)).then(|| u32::from_be_bytes(packet[16..20].try_into().unwrap()))
}

#[test]
fn a_message_that_never_ends_is_kept_only_so_far() {
    let mut mallory = Mallory::new();
    let first = mallory.tsn;
    let mut count = 0;
    for number in 0..6_000 {
        let answers = mallory.send(&piece(first.wrapping_add(number), RELIABLE, number == 0, 1_000));
        let acknowledged = answers.iter().filter_map(acknowledged);
        // The numbers begin anywhere, and may wrap.
        count = acknowledged
            .map(|last| last.wrapping_sub(first).wrapping_add(1))
            .fold(count, u32::max);
    }
    let kept = count * 1_000;
    assert!(
        (256 * 1024..2 * 1024 * 1024).contains(&kept),
        "{kept} bytes are kept"
    );
}

#[test]
fn what_comes_out_of_order_is_kept_only_so_far() {
    let mut mallory = Mallory::new();
    let first = mallory.tsn;
    let mut lengths = Vec::new();
    // Every other one, and never the first.
    for number in 1..6_000 {
        let answers = mallory.send(&piece(first.wrapping_add(2 * number), LOSSY, true, 1));
        lengths.extend(answers.iter().map(Bytes::len));
    }
    // Each of them is a gap that an acknowledgement names, in four bytes.
    let longest = lengths.into_iter().max().unwrap();
    assert!((4_000..9_000).contains(&longest), "{longest}");
}

#[test]
fn nobody_is_led_far_ahead_and_what_keeps_the_rules_still_arrives() {
    let mut mallory = Mallory::new();
    let far = mallory.tsn.wrapping_add(1 << 30);
    assert!(mallory.send(&chunk(192, 0, &far.to_be_bytes())).is_empty());
    mallory.send(&piece(far, RELIABLE, true, 100));
    mallory.call.write(RELIABLE, b"still here");
    mallory.call.rounds(100);
    assert_eq!(&mallory.call.poll().unwrap().1[..], b"still here");
}

#[test]
fn requests_that_wait_for_ever_are_few_and_so_are_the_answers_to_what_comes_meanwhile() {
    let mut mallory = Mallory::new();
    for number in 0..1_000_u32 {
        // To be done after what will never come.
        let last = mallory.tsn.wrapping_add(1 << 20);
        let content = [number, 0, last].map(u32::to_be_bytes).concat();
        let parameter = [&[0, 13, 0, 18][..], &content, &9_u16.to_be_bytes()].concat();
        mallory.send(&chunk(130, 0, &parameter));
    }
    let answers = mallory.send(&piece(mallory.tsn, LOSSY, true, 100)).len();
    assert!((2..40).contains(&answers), "{answers} answers to one packet");
}
