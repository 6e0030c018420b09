use super::*;
use proptest::prelude::*;

/// A descriptor with all fields: S, PictureID of 15 bits, TL0PICIDX, TID with Y, KEYIDX.
const FULL: [u8; 6] = [0x90, 0xf0, 0x80 | 0x12, 0x34, 200, 0b0110_0101];

fn wide(picture: u16, tl0: u8, key: u8) -> Vec<u8> {
    let [high, low] = picture.to_be_bytes();
    vec![0x90, 0xf0, high | 0x80, low, tl0, key, 0x00]
}

fn narrow(picture: u8) -> Vec<u8> {
    vec![0x90, 0x80, picture, 0x00]
}

fn read(payload: &[u8]) -> Vp8Descriptor {
    parse(payload).unwrap()
}

/// Sends packets of one layer and returns the picture ids that come out.
fn pictures(rewriter: &mut Vp8Rewriter, payloads: &[Vec<u8>]) -> Vec<u16> {
    payloads
        .iter()
        .map(|payload| rewriter.rewrite(&read(payload)).unwrap().picture_id.unwrap())
        .collect()
}

fn written(payload: &[u8], numbers: Vp8Rewritten) -> Vec<u8> {
    let mut out = [0xee; DESCRIPTOR_LEN_MAX];
    let len = write(payload, &read(payload), numbers, &mut out).unwrap();
    out[..len].to_vec()
}

#[test]
fn every_field_is_read() {
    let descriptor = read(&[&FULL[..], &[0x00]].concat());
    assert_eq!(
        descriptor,
        Vp8Descriptor {
            len: 6,
            start: true,
            picture_id: Some(PictureId {
                value: 0x1234,
                wide: true
            }),
            tl0_pic_idx: Some(200),
            tid: Some(1),
            layer_sync: true,
            key_idx: Some(5),
            key_frame: true,
        }
    );
}

#[test]
fn a_descriptor_of_one_byte_has_no_running_numbers() {
    let descriptor = read(&[0x10, 0x01]);
    assert_eq!(
        (descriptor.len, descriptor.start, descriptor.key_frame),
        (1, true, false)
    );
    assert_eq!(
        (descriptor.picture_id, descriptor.tid, descriptor.key_idx),
        (None, None, None)
    );
}

#[test]
fn only_the_first_packet_of_a_picture_says_key_frame() {
    assert!(read(&[0x10, 0x00]).key_frame);
    assert!(!read(&[0x10, 0x01]).key_frame, "P bit: predicted");
    assert!(!read(&[0x00, 0x00]).key_frame, "not the start of a partition");
    assert!(!read(&[0x11, 0x00]).key_frame, "the start of another partition");
    assert!(!read(&[0x10]).key_frame, "nothing behind the descriptor");
    assert!(read(&[0x30, 0x00]).key_frame, "reserved and N bits do not matter");
}

#[test]
fn a_payload_that_ends_inside_its_descriptor_is_refused() {
    assert_eq!(parse(&[]), None);
    for len in 1..FULL.len() {
        assert_eq!(parse(&FULL[..len]), None, "{len} bytes");
    }
}

#[test]
fn key_idx_without_tid_is_not_a_temporal_layer() {
    let descriptor = read(&[0x90, 0x10, 0xff]);
    assert_eq!(
        (descriptor.tid, descriptor.layer_sync, descriptor.key_idx),
        (None, false, Some(31))
    );
}

#[test]
fn the_first_layer_keeps_its_numbers() {
    let mut rewriter = Vp8Rewriter::new();
    let payload = wide(32_767, 255, 31);
    rewriter.switch(&read(&payload));
    let numbers = rewriter.rewrite(&read(&payload)).unwrap();
    assert_eq!(
        numbers,
        Vp8Rewritten {
            picture_id: Some(32_767),
            tl0: Some(255),
            key_idx: Some(31)
        }
    );
    assert_eq!(written(&payload, numbers), payload[..6]);
}

#[test]
fn a_new_layer_continues_each_number_with_last_plus_one() {
    let mut rewriter = Vp8Rewriter::new();
    rewriter.rewrite(&read(&wide(32_767, 255, 31)));
    let key_frame = wide(500, 60, 7);
    rewriter.switch(&read(&key_frame));
    let first = Vp8Rewritten {
        picture_id: Some(0),
        tl0: Some(0),
        key_idx: Some(0),
    };
    assert_eq!(rewriter.rewrite(&read(&key_frame)), Some(first));
    assert_eq!(
        rewriter.rewrite(&read(&key_frame)),
        Some(first),
        "the other packets of the picture"
    );
    let next = rewriter.rewrite(&read(&wide(502, 61, 7))).unwrap();
    assert_eq!(
        next,
        Vp8Rewritten {
            picture_id: Some(2),
            tl0: Some(1),
            key_idx: Some(0)
        }
    );
}

#[test]
fn a_late_packet_gets_the_number_it_would_have_had() {
    let mut rewriter = Vp8Rewriter::new();
    rewriter.rewrite(&read(&wide(1_000, 1, 1)));
    rewriter.switch(&read(&wide(32_766, 250, 1)));
    let out = pictures(
        &mut rewriter,
        &[
            wide(32_766, 250, 1),
            wide(1, 253, 1),
            wide(32_767, 251, 1),
            wide(2, 254, 1),
        ],
    );
    assert_eq!(out, [1_001, 1_004, 1_002, 1_005]);
}

#[test]
fn a_switch_behind_late_packets_continues_from_the_highest() {
    let mut rewriter = Vp8Rewriter::new();
    pictures(&mut rewriter, &[wide(10, 0, 0), wide(12, 0, 0), wide(11, 0, 0)]);
    rewriter.switch(&read(&wide(99, 0, 0)));
    assert_eq!(pictures(&mut rewriter, &[wide(99, 0, 0)]), [13]);
}

#[test]
fn seven_bit_numbers_wrap_into_fifteen_bits() {
    let mut rewriter = Vp8Rewriter::new();
    let out = pictures(&mut rewriter, &[narrow(126), narrow(127), narrow(1), narrow(0)]);
    assert_eq!(out, [126, 127, 129, 128]);
}

#[test]
fn a_sender_may_change_the_width_at_any_packet() {
    let mut rewriter = Vp8Rewriter::new();
    rewriter.rewrite(&read(&wide(20_000, 0, 0)));
    rewriter.switch(&read(&narrow(127)));
    let out = pictures(
        &mut rewriter,
        &[
            narrow(127),
            wide(128, 0, 0),
            wide(300, 0, 0),
            narrow((301 % 128) as u8),
            narrow((300 % 128) as u8),
            wide(302, 0, 0),
        ],
    );
    assert_eq!(out, [20_001, 20_002, 20_174, 20_175, 20_174, 20_176]);
}

#[test]
fn a_layer_without_numbers_gets_none_and_does_not_disturb_the_next() {
    let mut rewriter = Vp8Rewriter::new();
    rewriter.rewrite(&read(&wide(5, 5, 5)));
    rewriter.switch(&read(&[0x10, 0x00]));
    assert_eq!(
        rewriter.rewrite(&read(&[0x10, 0x00])),
        Some(Vp8Rewritten::default())
    );
    assert_eq!(written(&[0x10, 0x00], Vp8Rewritten::default()), [0x10]);
    rewriter.switch(&read(&wide(70, 70, 1)));
    assert_eq!(pictures(&mut rewriter, &[wide(70, 70, 1)]), [6]);
}

#[test]
fn the_descriptor_grows_only_when_seven_bits_do_not_suffice() {
    let payload = narrow(3);
    let numbers = |id| Vp8Rewritten {
        picture_id: Some(id),
        ..Vp8Rewritten::default()
    };
    assert_eq!(written(&payload, numbers(127)), [0x90, 0x80, 127]);
    assert_eq!(written(&payload, numbers(128)), [0x90, 0x80, 0x80, 128]);
    let payload = wide(1_000, 9, 0b1010_0011);
    assert_eq!(
        written(
            &payload,
            Vp8Rewritten {
                picture_id: Some(3),
                tl0: Some(4),
                key_idx: Some(5)
            }
        ),
        [0x90, 0xf0, 0x80, 3, 4, 0b1010_0101]
    );
}

#[test]
fn a_buffer_that_is_too_short_is_refused() {
    let mut out = [0; 5];
    let descriptor = read(&FULL);
    assert_eq!(write(&FULL, &descriptor, Vp8Rewritten::default(), &mut out), None);
    assert_eq!(
        write(&FULL[..5], &descriptor, Vp8Rewritten::default(), &mut [0; 6]),
        None
    );
}

#[test]
fn the_kept_numbers_take_eight_bytes_in_a_history() {
    assert!(size_of::<Vp8Rewritten>() <= 8);
}

proptest! {
    #[test]
    fn parsing_and_writing_never_panic_and_agree(
        payload in prop::collection::vec(any::<u8>(), 0..12),
        (picture, tl0, key) in (0_u16..32_768, any::<u8>(), 0_u8..32),
        room in 0_usize..8,
    ) {
        let Some(source) = parse(&payload) else { return Ok(()) };
        let numbers = Vp8Rewritten { picture_id: Some(picture), tl0: Some(tl0), key_idx: Some(key) };
        let mut out = vec![0; room];
        let Some(len) = write(&payload, &source, numbers, &mut out) else {
            prop_assert!(room < source.len + 1);
            return Ok(());
        };
        prop_assert!(len <= source.len + 1 && len <= DESCRIPTOR_LEN_MAX);
        out.truncate(len);
        out.extend(&payload[source.len..]);
        let target = parse(&out).unwrap();
        prop_assert_eq!(target.picture_id.map(|id| id.value), source.picture_id.map(|_| picture));
        prop_assert_eq!(target.tl0_pic_idx, source.tl0_pic_idx.map(|_| tl0));
        prop_assert_eq!(target.key_idx, source.key_idx.map(|_| key));
        prop_assert_eq!(
            (target.start, target.key_frame, target.tid, target.layer_sync, target.len),
            (source.start, source.key_frame, source.tid, source.layer_sync, len)
        );
    }

    #[test]
    fn the_same_numbers_always_make_the_same_descriptor_whatever_came_between(
        ids in prop::collection::vec((0_u16..32_768, any::<bool>()), 1..40),
    ) {
        let mut rewriter = Vp8Rewriter::new();
        let mut history = Vec::new();
        for (id, change) in ids {
            let payload = wide(id, id as u8, id as u8 & 31);
            if change {
                rewriter.switch(&read(&payload));
            }
            let numbers = rewriter.rewrite(&read(&payload)).unwrap();
            history.push((payload.clone(), numbers, written(&payload, numbers)));
        }
        for (payload, numbers, before) in history {
            prop_assert_eq!(written(&payload, numbers), before);
        }
    }
}

#[test]
fn pictures_that_are_left_out_take_no_number_and_late_ones_find_theirs() {
    let mut rewriter = Vp8Rewriter::new();
    let number = |rewriter: &mut Vp8Rewriter, id| {
        rewriter
            .rewrite(&read(&wide(id, 0, 0)))
            .map(|it| it.picture_id.unwrap())
    };
    let id = |value| PictureId { value, wide: true };
    assert_eq!(number(&mut rewriter, 32_765), Some(32_765));
    // 32,766 and 32,767 are late.
    rewriter.leave_out(id(0));
    rewriter.leave_out(id(1));
    assert!(rewriter.is_left_out(id(0)) && !rewriter.is_left_out(id(2)));
    assert!(rewriter.is_new(id(2)) && !rewriter.is_new(id(1)));
    assert_eq!(number(&mut rewriter, 2), Some(0));
    assert_eq!(number(&mut rewriter, 32_767), Some(32_767));
    assert_eq!(number(&mut rewriter, 3), Some(1));
    rewriter.leave_out(id(4));
    rewriter.switch(&read(&wide(500, 0, 0)));
    assert_eq!(
        number(&mut rewriter, 500),
        Some(2),
        "a new layer goes on behind the last that went out"
    );
    for left_out in 0..LEFT_OUT_MAX as u16 {
        rewriter.leave_out(id(502 + 2 * left_out));
    }
    assert_eq!(number(&mut rewriter, 501), None, "too late to know");
}
