//! The VP9 payload descriptor (RFC 9628, section 4.2) and its rewriting for a subscriber.
//!
//! As with [`crate::vp8`]: everything behind the descriptor is opaque, and nothing behind it is read. PictureID and
//! TL0PICIDX go on without a step when the stream behind a down track changes. Within a stream they keep their
//! distances: pictures that are left out leave a gap, which the differences between references count on.

use crate::vp8::PictureId;

const HAS_PICTURE_ID: u8 = 0x80;
const INTER_PREDICTED: u8 = 0x40;
const HAS_LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const FRAME_START: u8 = 0x08;
const FRAME_END: u8 = 0x04;
const HAS_STRUCTURE: u8 = 0x02;

const WIDE: u8 = 0x80;
const MORE_REFERENCES: u8 = 0x01;

/// References that a frame may name in flexible mode. What follows the last one is read as the next field.
const REFERENCES_MAX: usize = 3;

const PICTURE_ID_MASK: u16 = 0x7fff;
const NARROW_PICTURE_ID_MAX: u16 = 0x7f;

/// What a payload descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9Descriptor {
    /// Bytes of the descriptor; the payload proper follows.
    pub len: usize,
    /// I: PictureID.
    pub picture_id: Option<PictureId>,
    /// P: the frame needs earlier pictures.
    pub inter_predicted: bool,
    /// B: first packet of a frame.
    pub start: bool,
    /// E: last packet of a frame.
    pub end: bool,
    /// TID: temporal layer, 0 without layer indices.
    pub temporal: u8,
    /// U: one may climb to this temporal layer here.
    pub switching_up: bool,
    /// SID: spatial layer, 0 without layer indices.
    pub spatial: u8,
    /// D: the frame needs the next smaller spatial layer of its picture.
    pub inter_layer: bool,
    /// TL0PICIDX, and where it stands.
    pub tl0_pic_idx: Option<u8>,
}

/// Reads the descriptor at the start of an RTP payload. `None` when the payload ends inside it.
pub fn parse(payload: &[u8]) -> Option<Vp9Descriptor> {
    let mut rest = payload;
    let mut take = || -> Option<u8> {
        let (first, behind) = rest.split_first()?;
        rest = behind;
        Some(*first)
    };
    let first = take()?;
    let picture_id = if first & HAS_PICTURE_ID != 0 {
        let high = take()?;
        Some(if high & WIDE != 0 {
            PictureId {
                value: u16::from_be_bytes([high & !WIDE, take()?]),
                wide: true,
            }
        } else {
            PictureId {
                value: u16::from(high),
                wide: false,
            }
        })
    } else {
        None
    };
    let mut layers = 0;
    let mut tl0_pic_idx = None;
    if first & HAS_LAYERS != 0 {
        layers = take()?;
        if first & FLEXIBLE == 0 {
            tl0_pic_idx = Some(take()?);
        }
    }
    if first & (INTER_PREDICTED | FLEXIBLE) == INTER_PREDICTED | FLEXIBLE {
        for _ in 0..REFERENCES_MAX {
            if take()? & MORE_REFERENCES == 0 {
                break;
            }
        }
    }
    if first & HAS_STRUCTURE != 0 {
        let head = take()?;
        if head & 0x10 != 0 {
            for _ in 0..4 * (usize::from(head >> 5) + 1) {
                take()?; // width and height of each spatial layer
            }
        }
        if head & 0x08 != 0 {
            for _ in 0..take()? {
                let references = take()? >> 2 & 0x03;
                for _ in 0..references {
                    take()?;
                }
            }
        }
    }
    Some(Vp9Descriptor {
        len: payload.len() - rest.len(),
        picture_id,
        inter_predicted: first & INTER_PREDICTED != 0,
        start: first & FRAME_START != 0,
        end: first & FRAME_END != 0,
        temporal: layers >> 5,
        switching_up: layers & 0x10 != 0,
        spatial: layers >> 1 & 0x07,
        inter_layer: layers & 0x01 != 0,
        tl0_pic_idx,
    })
}

/// The running numbers that one packet carries to one subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vp9Rewritten {
    /// PictureID, 15 bits; written only if the source has one.
    pub picture_id: Option<u16>,
    /// TL0PICIDX; written only if the source has one.
    pub tl0: Option<u8>,
}

/// Where the current stream's numbering and ours meet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vp9Rewriter {
    picture_id_offset: u16,
    tl0_offset: u8,
    /// The highest numbers that went out, and the sequence number of the packet that had them.
    latest: Option<(u64, u16, u8)>,
}

impl Vp9Rewriter {
    /// Another stream begins with this packet, the first of a key picture: each of its numbers becomes last + 1.
    pub fn switch(&mut self, to: &Vp9Descriptor) {
        if let Some((_, picture_id, tl0)) = self.latest.take() {
            if let Some(id) = to.picture_id {
                self.picture_id_offset = picture_id.wrapping_add(1).wrapping_sub(id.value);
            }
            if let Some(index) = to.tl0_pic_idx {
                self.tl0_offset = tl0.wrapping_add(1).wrapping_sub(index);
            }
        }
    }

    /// The numbers of a packet of the current stream, which has the (extended) sequence number `sequence`.
    pub fn rewrite(&mut self, sequence: u64, descriptor: &Vp9Descriptor) -> Vp9Rewritten {
        let picture_id = descriptor.picture_id.map(|id| {
            let out = id.value.wrapping_add(self.picture_id_offset);
            // Seven bits wrap after 127 in the source, and must do so at the subscriber.
            out & if id.wide {
                PICTURE_ID_MASK
            } else {
                NARROW_PICTURE_ID_MAX
            }
        });
        let tl0 = descriptor
            .tl0_pic_idx
            .map(|index| index.wrapping_add(self.tl0_offset));
        if self.latest.is_none_or(|(latest, ..)| sequence > latest) {
            self.latest = Some((sequence, picture_id.unwrap_or(0), tl0.unwrap_or(0)));
        }
        Vp9Rewritten { picture_id, tl0 }
    }
}

/// Writes the descriptor of `source_payload` with the running numbers of `numbers` and returns its length, which is that
/// of the source: PictureID keeps its width. The caller copies the payload behind it. `None` when `descriptor` does not
/// belong to `source_payload` or `out` is too short.
pub fn write(
    source_payload: &[u8],
    descriptor: &Vp9Descriptor,
    numbers: Vp9Rewritten,
    out: &mut [u8],
) -> Option<usize> {
    let out = out.get_mut(..descriptor.len)?;
    out.copy_from_slice(source_payload.get(..descriptor.len)?);
    let mut at = 1;
    if let Some(id) = descriptor.picture_id {
        let [high, low] = numbers.picture_id.unwrap_or(id.value).to_be_bytes();
        if id.wide {
            *out.get_mut(at)? = high | WIDE;
            at += 1;
        }
        *out.get_mut(at)? = if id.wide { low } else { low & !WIDE };
        at += 1;
    }
    if descriptor.tl0_pic_idx.is_some() {
        *out.get_mut(at + 1)? = numbers.tl0.or(descriptor.tl0_pic_idx)?;
    }
    Some(descriptor.len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn descriptors_of_browsers_are_read() {
        // A key picture's smallest layer, non-flexible, with the structure of three spatial layers behind it.
        let key = [
            0xaa,
            0x80 | 0x12,
            0x34,
            0x00,
            0x07,
            0x58,
            0x01,
            0x40,
            0x00,
            0xb4,
            0x02,
            0x80,
            0x01,
            0x68,
            0x05,
            0x00,
            0x02,
            0xd0,
            1,
            0x04,
            1,
            0xff,
        ];
        let read = parse(&key).unwrap();
        assert_eq!(read.len, 21, "{read:?}");
        assert!(read.start && !read.end && !read.inter_predicted);
        assert_eq!(
            read.picture_id,
            Some(PictureId {
                value: 0x1234,
                wide: true
            })
        );
        assert_eq!((read.spatial, read.temporal, read.tl0_pic_idx), (0, 0, Some(7)));
        // The middle layer of the same picture.
        let middle = parse(&[0xac, 0x92, 0x34, 0x03, 0x07]).unwrap();
        assert!(middle.start && middle.end && middle.inter_layer);
        assert_eq!((middle.spatial, middle.len), (1, 5));
        // A delta picture of the second temporal layer in flexible mode with two references and 7 bits.
        let flexible = parse(&[0xfc, 0x55, 0x30, 0x03, 0x06, 0xee]).unwrap();
        assert_eq!((flexible.temporal, flexible.spatial, flexible.len), (1, 0, 5));
        assert!(flexible.switching_up && flexible.inter_predicted && flexible.tl0_pic_idx.is_none());
        assert_eq!(
            flexible.picture_id,
            Some(PictureId {
                value: 0x55,
                wide: false
            })
        );
        assert_eq!(parse(&[0x08]).unwrap().len, 1, "nothing but the flags");
        assert_eq!(parse(&[0x80]), None);
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn another_stream_continues_each_number_and_nothing_else_changes() {
        let mut rewriter = Vp9Rewriter::default();
        let before = parse(&[0xac, 0xff, 0xff, 0x00, 0xff, 9]).unwrap();
        let numbers = rewriter.rewrite(10, &before);
        assert_eq!((numbers.picture_id, numbers.tl0), (Some(0x7fff), Some(0xff)));
        let payload = [0xac, 0x80, 0x50, 0x03, 0x20, 9];
        let to = parse(&payload).unwrap();
        rewriter.switch(&to);
        let numbers = rewriter.rewrite(11, &to);
        assert_eq!((numbers.picture_id, numbers.tl0), (Some(0), Some(0)));
        let mut out = [0; 8];
        assert_eq!(write(&payload, &to, numbers, &mut out), Some(5));
        assert_eq!(out[..5], [0xac, 0x80, 0x00, 0x03, 0x00]);
        let later = rewriter.rewrite(15, &parse(&[0xac, 0x80, 0x53, 0x03, 0x21, 9]).unwrap());
        assert_eq!((later.picture_id, later.tl0), (Some(3), Some(1)), "gaps stay");
        let late = rewriter.rewrite(13, &parse(&[0xac, 0x80, 0x51, 0x03, 0x20, 9]).unwrap());
        assert_eq!(late.picture_id, Some(1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_written_without_a_panic(payload in prop::collection::vec(any::<u8>(), 0..80), room in 0usize..80, id: u16, tl0: u8) {
            if let Some(descriptor) = parse(&payload) {
                prop_assert!(descriptor.len <= payload.len());
                let numbers = Vp9Rewritten { picture_id: Some(id & PICTURE_ID_MASK), tl0: Some(tl0) };
                let mut out = vec![0; room];
                if write(&payload, &descriptor, numbers, &mut out).is_some() {
                    let again = parse(&out[..descriptor.len]).unwrap();
                    prop_assert_eq!(again.len, descriptor.len);
                    prop_assert_eq!((again.spatial, again.temporal, again.start, again.end), (descriptor.spatial, descriptor.temporal, descriptor.start, descriptor.end));
                }
            }
        }
    }
}
