//! Vectors of a browser's SVC stream, and what must hold for any bytes.

use super::*;
use proptest::prelude::*;

/// A key picture's first packet of a stream with three spatial and three temporal layers, as a browser sent it.
const KEY: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

fn frame(hex: &str, structure: &mut Option<Box<Structure>>) -> Frame {
    match parse(&bytes(hex), structure) {
        Some(Parsed::Frame(frame)) => frame,
        other => panic!("{hex}: {other:?}"),
    }
}

#[test]
fn a_browsers_structure_is_read() {
    let mut structure = None;
    let key = frame(KEY, &mut structure);
    assert!(key.start && key.end && key.has_structure);
    assert_eq!(
        (key.number, key.spatial, key.temporal, key.active),
        (370, 0, 0, None)
    );
    let structure = structure.unwrap();
    assert_eq!(structure.chains, 3);
    let layers: Vec<_> = structure
        .targets()
        .iter()
        .map(|target| (target.spatial, target.temporal, target.chain))
        .collect();
    let expected: Vec<_> = (0..3)
        .flat_map(|spatial| (0..3).map(move |temporal| (spatial, temporal, Some(spatial))))
        .collect();
    assert_eq!(layers, expected);
    assert!((0..9).all(|target| key.indication(target) == Indication::Switch));
    assert!(
        (0..3).all(|chain| key.chain_difference(chain) == 0),
        "the chains begin"
    );
    assert_eq!(key.all_targets(), 0x1ff);
}

#[test]
fn the_frames_behind_it_are_read_by_its_templates() {
    let mut structure = None;
    frame(KEY, &mut structure);
    // The first packet of the middle layer's frame: the large layer is switched off from here on.
    let first = frame("86017340fc", &mut structure);
    assert!(first.start && !first.end && !first.has_structure);
    assert_eq!(
        (first.number, first.spatial, first.temporal, first.active),
        (371, 1, 0, Some(0x3f))
    );
    assert_eq!(
        first.indication(2),
        Indication::NotPresent,
        "targets of the small layer do not need it"
    );
    assert_eq!(first.indication(3), Indication::Switch);
    let last = frame("46017340fc", &mut structure);
    assert!(!last.start && last.end);
    // Frames without anything of their own have three bytes.
    let short = frame("c30175", &mut structure);
    assert_eq!(
        (short.number, short.spatial, short.temporal, short.active),
        (373, 0, 2, None)
    );
    assert_eq!(short.indication(0), Indication::NotPresent);
    assert_ne!(short.indication(2), Indication::NotPresent);
}

#[test]
fn a_frame_without_its_structure_waits_for_it() {
    assert_eq!(parse(&bytes("c30175"), &mut None), Some(Parsed::UnknownTemplate));
    let mut structure = None;
    frame(KEY, &mut structure);
    assert_eq!(
        parse(&bytes("ff0175"), &mut structure),
        Some(Parsed::UnknownTemplate)
    );
}

#[test]
fn a_malformed_structure_leaves_the_known_one() {
    let mut structure = None;
    frame(KEY, &mut structure);
    let before = structure.clone();
    let key = bytes(KEY);
    for len in 3..40 {
        assert_eq!(
            parse(&key[..len], &mut structure).filter(|_| len > 3),
            None,
            "cut to {len}"
        );
    }
    assert_eq!(structure, before);
}

#[test]
fn what_is_written_without_a_change_is_what_came() {
    let mut structure = None;
    for hex in [KEY, "86017340fc", "46017340fc", "c30175"] {
        let own = frame(hex, &mut structure);
        let mut out = [0xff; LEN_MAX + GROWTH_MAX];
        let len = write(&bytes(hex), &own, own.number, None, &mut out).unwrap();
        assert_eq!(out[..len], bytes(hex), "{hex}");
    }
}

#[test]
fn a_mask_and_a_number_are_written_and_all_else_stays() {
    let mut structure = None;
    for hex in [KEY, "86017340fc", "46017340fc", "c30175"] {
        let own = frame(hex, &mut structure);
        let mut out = [0xff; LEN_MAX + GROWTH_MAX];
        let len = write(&bytes(hex), &own, 0xfffe, Some(0b1_0101_0011), &mut out).unwrap();
        let mut again = structure.clone();
        let Some(Parsed::Frame(written)) = parse(&out[..len], &mut again) else {
            panic!("{hex}: what was written cannot be read");
        };
        assert_eq!((written.number, written.active), (0xfffe, Some(0b1_0101_0011)));
        assert_eq!(again, structure);
        let unmoved = |frame: Frame| Frame {
            number: 0,
            active: None,
            structure_end: 0,
            active_end: 0,
            end_bit: 0,
            ..frame
        };
        assert_eq!(unmoved(written), unmoved(own));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_written_without_a_panic(extension in prop::collection::vec(any::<u8>(), 0..120), behind in any::<bool>(), room in 0usize..140, mask in any::<u32>()) {
        let mut structure = None;
        if behind {
            parse(&bytes(KEY), &mut structure);
        }
        if let Some(Parsed::Frame(frame)) = parse(&extension, &mut structure) {
            let mut out = vec![0; room];
            write(&extension, &frame, 7, Some(mask), &mut out);
            write(&extension, &frame, 7, None, &mut out);
            for place in 0..=u8::MAX {
                frame.indication(place);
                frame.chain_difference(place);
            }
        }
    }

    #[test]
    fn a_key_descriptor_with_any_bit_changed_is_read_without_a_panic(at in 0usize..760, cut in 0usize..96) {
        let mut key = bytes(KEY);
        key[at / 8 % 95] ^= 1 << (at % 8);
        key.truncate(95 - cut.min(92));
        let mut structure = None;
        if let Some(Parsed::Frame(frame)) = parse(&key, &mut structure) {
            let mut out = [0; LEN_MAX + GROWTH_MAX];
            let len = write(&key, &frame, 1, Some(1), &mut out).unwrap();
            prop_assert!(len <= key.len() + GROWTH_MAX);
            prop_assert!(parse(&out[..len], &mut structure).is_some());
        }
    }
}
