//! Redundant audio (RFC 2198): Opus with copies of the packets before it, made and undone for subscribers that differ
//! from the publisher.
//!
//! A RED payload is a list of block headers, the blocks they speak of, and last the primary block. Only payloads that no
//! device has sealed come here: the control side never asks for a conversion of others.

/// Copies that a packet carries besides its own sound. Browsers and LiveKit's server use as many.
pub const REDUNDANT_MAX: usize = 2;

/// Header of a redundant block: F, payload type, timestamp offset (14 bits), length (10 bits).
const BLOCK_HEADER: usize = 4;

/// Bytes that [`wrap`] adds beyond the copies themselves.
pub const OVERHEAD_MAX: usize = REDUNDANT_MAX * BLOCK_HEADER + 1;

const FOLLOWS: u8 = 0x80;

/// Bounds of the fields (RFC 2198, section 3).
const OFFSET_MAX: u64 = (1 << 14) - 1;
const LENGTH_MAX: usize = (1 << 10) - 1;

/// Blocks that a payload may have; more than any sender makes. A payload with more is dropped.
const BLOCKS_MAX: usize = 32;

/// The primary block of a payload: the sound of its own moment. `None` if the payload is malformed, or its primary is
/// empty.
pub fn primary(payload: &[u8]) -> Option<&[u8]> {
    let mut rest = payload;
    let mut redundant = 0;
    for _ in 0..BLOCKS_MAX {
        let first = *rest.first()?;
        if first & FOLLOWS == 0 {
            let blocks = rest.get(1..)?;
            return blocks.get(redundant..).filter(|primary| !primary.is_empty());
        }
        let (header, behind) = rest.split_first_chunk::<BLOCK_HEADER>()?;
        redundant += usize::from(u16::from_be_bytes([header[2] & 0x03, header[3]]));
        rest = behind;
    }
    None
}

/// An earlier packet: how far back it is on the RTP clock, and its sound.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// In units of the RTP clock.
    pub offset: u64,
    /// Opus.
    pub payload: &'a [u8],
}

/// Writes a payload with `payload` as its primary block and `earlier`, oldest first, as redundant ones, all of
/// `payload_type`; returns its length. A copy that the format cannot express is left out. `None` if `out` is too short.
pub fn wrap(
    payload_type: u8,
    earlier: &[Option<Earlier<'_>>],
    payload: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let mut end = 0;
    let mut put = |bytes: &[u8]| -> Option<()> {
        out.get_mut(end..end + bytes.len())?.copy_from_slice(bytes);
        end += bytes.len();
        Some(())
    };
    let fits = |it: &&Earlier<'_>| {
        (1..=OFFSET_MAX).contains(&it.offset) && (1..=LENGTH_MAX).contains(&it.payload.len())
    };
    let copies = || earlier.iter().flatten().filter(fits);
    for copy in copies() {
        let [_, high, middle, low] = ((copy.offset as u32) << 10 | copy.payload.len() as u32).to_be_bytes();
        put(&[FOLLOWS | payload_type & 0x7f, high, middle, low])?;
    }
    put(&[payload_type & 0x7f])?;
    for copy in copies() {
        put(copy.payload)?;
    }
    put(payload)?;
    Some(end)
}

/// Copies a payload, with all of its blocks as `payload_type`: each subscriber numbers its payload types as it likes.
/// Returns its length; `None` if it is malformed or `out` is too short.
pub fn renumber(payload_type: u8, payload: &[u8], out: &mut [u8]) -> Option<usize> {
    let out = out.get_mut(..payload.len())?;
    out.copy_from_slice(payload);
    let mut at = 0;
    for _ in 0..BLOCKS_MAX {
        let first = out.get_mut(at)?;
        let follows = *first & FOLLOWS;
        *first = follows | payload_type & 0x7f;
        if follows == 0 {
            return Some(payload.len());
        }
        at += BLOCK_HEADER;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_carries_the_two_before_it() {
        let earlier =
            [(1920, &b"aa"[..]), (960, b"bbb")].map(|(offset, payload)| Some(Earlier { offset, payload }));
        let mut out = [0; 40];
        let len = wrap(111, &earlier, b"cccc", &mut out).unwrap();
        // 1,920 << 10 | 2 and 960 << 10 | 3.
        let expected = [
            &[0xef, 0x1e, 0x00, 0x02, 0xef, 0x0f, 0x00, 0x03, 0x6f][..],
            b"aabbbcccc",
        ]
        .concat();
        assert_eq!(out[..len], expected);
        assert_eq!(primary(&out[..len]), Some(&b"cccc"[..]));
        assert_eq!(wrap(111, &earlier, b"cccc", &mut [0; 17]), None, "no room");
    }

    #[test]
    fn what_the_format_cannot_say_is_left_out() {
        let long = [7; LENGTH_MAX + 1];
        let earlier = [
            Some(Earlier {
                offset: OFFSET_MAX + 1,
                payload: b"a",
            }),
            Some(Earlier {
                offset: 960,
                payload: &long,
            }),
            None,
            Some(Earlier {
                offset: 960,
                payload: b"",
            }),
        ];
        let mut out = [0; 40];
        assert_eq!(wrap(111, &earlier, b"c", &mut out), Some(2));
        assert_eq!(out[..2], [111, b'c']);
    }

    #[test]
    fn malformed_payloads_have_no_primary() {
        assert_eq!(primary(&[]), None);
        assert_eq!(primary(&[0x6f]), None, "an empty one is none");
        assert_eq!(primary(&[0xef, 0, 0]), None);
        assert_eq!(
            primary(&[0xef, 0x0f, 0, 9, 0x6f, 1, 2]),
            None,
            "a block that ends early"
        );
        assert_eq!(primary(&[0xef; 400]), None, "headers without end");
    }

    #[test]
    fn payload_types_of_all_blocks_become_the_subscribers() {
        let payload = [0xef, 0x0f, 0x00, 0x01, 0x6f, 9, 8];
        let mut out = [0; 7];
        assert_eq!(renumber(100, &payload, &mut out), Some(7));
        assert_eq!(out, [0xe4, 0x0f, 0x00, 0x01, 0x64, 9, 8]);
        assert_eq!(renumber(100, &payload, &mut [0; 6]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(payload in prop::collection::vec(any::<u8>(), 0..300), room in 0usize..320) {
            let mut out = vec![0; room];
            if let Some(primary) = primary(&payload) {
                prop_assert!(payload.ends_with(primary));
                let own = wrap(1, &[Some(Earlier { offset: 5, payload: primary })], primary, &mut out);
                if let Some(len) = own {
                    prop_assert_eq!(super::primary(&out[..len]), Some(primary));
                }
            }
            if let Some(len) = renumber(9, &payload, &mut out) {
                prop_assert_eq!(super::primary(&out[..len]), super::primary(&payload));
            }
        }
    }
}
