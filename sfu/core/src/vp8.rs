//! The VP8 payload descriptor (RFC 7741, section 4.2) and its rewriting for a subscriber.
//!
//! In: RTP payloads of a publisher's layers. Out: what a forwarder must know of them (does a picture start here, is it
//! a key frame), and a descriptor whose running numbers continue across layer switches. Everything behind the
//! descriptor is opaque (end-to-end encrypted); only the P bit of a picture's first byte is read, which clients leave
//! clear. [`Vp8Rewriter`] keeps one down track's numbers; [`write`] applies them.

/// The longest descriptor this module writes: first byte, extension byte, 15-bit PictureID, TL0PICIDX, TID/KEYIDX.
pub const DESCRIPTOR_LEN_MAX: usize = 6;

const EXTENDED: u8 = 0x80;
const HAS_PICTURE_ID: u8 = 0x80;
const HAS_TL0_PIC_IDX: u8 = 0x40;
const HAS_TID: u8 = 0x20;
const HAS_KEY_IDX: u8 = 0x10;
const WIDE: u8 = 0x80;

const PICTURE_ID_BITS: u32 = 15;
const NARROW_PICTURE_ID_BITS: u32 = 7;
const TL0_PIC_IDX_BITS: u32 = 8;
const KEY_IDX_BITS: u32 = 5;

/// A picture's number as the sender wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// 0 to 32,767 when wide, else 0 to 127.
    pub value: u16,
    /// Whether it was written with 15 bits. A sender may change that at any packet (RFC 7741, section 4.2).
    pub wide: bool,
}

/// What a payload descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Descriptor {
    /// Bytes of the descriptor; the payload proper follows.
    pub len: usize,
    /// First packet of a picture: S is set and the partition index is 0.
    pub start: bool,
    /// PictureID.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX: running number of pictures of the base temporal layer.
    pub tl0_pic_idx: Option<u8>,
    /// TID: temporal layer, 0 is the base.
    pub tid: Option<u8>,
    /// Y: this picture needs only base layer pictures, so a receiver may climb to its temporal layer here.
    pub layer_sync: bool,
    /// KEYIDX: running number of key frames, mod 32.
    pub key_idx: Option<u8>,
    /// First packet of a key frame: [`Vp8Descriptor::start`], and the P bit behind the descriptor is clear.
    pub key_frame: bool,
}

/// Reads the descriptor at the start of an RTP payload. `None` when the payload ends inside it.
pub fn parse(payload: &[u8]) -> Option<Vp8Descriptor> {
    let mut rest = payload;
    let first = take(&mut rest)?;
    let start = first & 0x10 != 0 && first & 0x07 == 0;
    let present = if first & EXTENDED != 0 {
        take(&mut rest)?
    } else {
        0
    };
    let picture_id = if present & HAS_PICTURE_ID != 0 {
        let high = take(&mut rest)?;
        Some(if high & WIDE != 0 {
            PictureId {
                value: u16::from_be_bytes([high & !WIDE, take(&mut rest)?]),
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
    let tl0_pic_idx = if present & HAS_TL0_PIC_IDX != 0 {
        Some(take(&mut rest)?)
    } else {
        None
    };
    let indices = if present & (HAS_TID | HAS_KEY_IDX) != 0 {
        take(&mut rest)?
    } else {
        0
    };
    let has_tid = present & HAS_TID != 0;
    Some(Vp8Descriptor {
        len: payload.len() - rest.len(),
        start,
        picture_id,
        tl0_pic_idx,
        tid: has_tid.then_some(indices >> 6),
        layer_sync: has_tid && indices & 0x20 != 0,
        key_idx: (present & HAS_KEY_IDX != 0).then_some(indices & 0x1f),
        key_frame: start && rest.first().is_some_and(|header| header & 0x01 == 0),
    })
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    Some(*first)
}

/// The running numbers that one packet carries to one subscriber. Small enough for a retransmission history: the same
/// packet and the same value always make the same descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vp8Rewritten {
    /// PictureID, 15 bits; written only if the source has one.
    pub picture_id: Option<u16>,
    /// TL0PICIDX; written only if the source has one.
    pub tl0: Option<u8>,
    /// KEYIDX, 5 bits; written only if the source has one.
    pub key_idx: Option<u8>,
}

/// A running number of a down track: where the current layer's numbering and ours meet.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    /// The highest number of the current layer, as its sender wrote it.
    source: u16,
    /// Bits of `source` that are known.
    bits: u32,
    /// What it became.
    out: u16,
}

/// `number` as the one nearest to the anchor in our numbering of `out_bits`; moves the anchor when it lies ahead.
/// A width change costs only the bits that the narrow form never had.
fn follow(anchor: &mut Option<Anchor>, number: u16, bits: u32, out_bits: u32) -> u16 {
    let Some(known) = anchor else {
        *anchor = Some(Anchor {
            source: number,
            bits,
            out: number,
        });
        return number;
    };
    let distance = signed_distance(known.source, number, bits.min(known.bits));
    let out = known.out.wrapping_add_signed(distance) & mask(out_bits);
    if distance > 0 {
        *known = Anchor {
            source: number,
            bits,
            out,
        };
    }
    out
}

/// Left-out pictures that are remembered, so that late packets of earlier ones find their number. With more, a 7-bit
/// PictureID could not tell early from late.
const LEFT_OUT_MAX: usize = 16;

/// Puts the anchor of a new layer one step ahead of the old one.
fn step_to(anchor: &mut Option<Anchor>, number: u16, bits: u32, out_bits: u32) {
    let out = match anchor {
        Some(known) => known.out.wrapping_add(1) & mask(out_bits),
        None => number,
    };
    *anchor = Some(Anchor {
        source: number,
        bits,
        out,
    });
}

const fn mask(bits: u32) -> u16 {
    u16::MAX >> (u16::BITS - bits)
}

/// How far `to` lies ahead of `from` on a counter of `bits` bits: the shorter way round, negative if behind.
const fn signed_distance(from: u16, to: u16, bits: u32) -> i16 {
    let unused = u16::BITS - bits;
    (to.wrapping_sub(from) << unused).cast_signed() >> unused
}

impl PictureId {
    const fn bits(self) -> u32 {
        if self.wide {
            PICTURE_ID_BITS
        } else {
            NARROW_PICTURE_ID_BITS
        }
    }
}

/// The running numbers of one down track. They go on without a step when the layer behind them changes.
///
/// A packet of the current layer that is late gets the number it would have had in order. The rewriter does not know
/// layers: packets of a layer that is no longer the current one, and packets of the current one from before the switch,
/// must not come here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vp8Rewriter {
    picture_id: Option<Anchor>,
    tl0: Option<Anchor>,
    key_idx: Option<Anchor>,
    /// The latest pictures of the current layer that were left out: a ring, and how many there have been.
    left_out: [u16; LEFT_OUT_MAX],
    left_out_count: usize,
}

impl Vp8Rewriter {
    /// A down track that has sent nothing: the first layer keeps its numbers.
    pub const fn new() -> Self {
        Self {
            picture_id: None,
            tl0: None,
            key_idx: None,
            left_out: [0; LEFT_OUT_MAX],
            left_out_count: 0,
        }
    }

    /// Whether a picture of the current layer is newer than all before it.
    pub fn is_new(&self, id: PictureId) -> bool {
        self.picture_id
            .is_none_or(|known| signed_distance(known.source, id.value, id.bits().min(known.bits)) > 0)
    }

    /// Leaves out a new picture: the next one gets the number that it would have had.
    pub fn leave_out(&mut self, id: PictureId) {
        let Some(known) = &mut self.picture_id else { return };
        let distance = signed_distance(known.source, id.value, id.bits().min(known.bits));
        *known = Anchor {
            source: id.value,
            bits: id.bits(),
            out: known.out.wrapping_add_signed(distance - 1) & mask(PICTURE_ID_BITS),
        };
        if let Some(slot) = self.left_out.get_mut(self.left_out_count % LEFT_OUT_MAX) {
            *slot = id.value;
            self.left_out_count += 1;
        }
    }

    /// Whether no picture of the current layer has been left out.
    pub fn has_all(&self) -> bool {
        self.left_out_count == 0
    }

    /// Whether a picture has been left out lately.
    pub fn is_left_out(&self, id: PictureId) -> bool {
        self.remembered()
            .any(|left_out| left_out & mask(id.bits()) == id.value)
    }

    /// From the latest to the oldest.
    fn remembered(&self) -> impl Iterator<Item = u16> {
        let known = self.left_out_count.min(LEFT_OUT_MAX);
        (1..=known).filter_map(|age| {
            self.left_out
                .get((self.left_out_count - age) % LEFT_OUT_MAX)
                .copied()
        })
    }

    /// The number of a picture. A late one moves up by the pictures that were left out after it; `None` if there may
    /// have been more than are remembered.
    fn number(&mut self, id: PictureId) -> Option<u16> {
        let number = follow(&mut self.picture_id, id.value, id.bits(), PICTURE_ID_BITS);
        if self.left_out_count == 0 {
            return Some(number);
        }
        let after = self
            .remembered()
            .take_while(|left_out| signed_distance(id.value, *left_out, id.bits()) > 0);
        let after = after.count();
        (after < LEFT_OUT_MAX).then(|| number.wrapping_add(after as u16) & mask(PICTURE_ID_BITS))
    }

    /// Another layer begins with this packet, the first of a key frame: each of its numbers becomes last + 1.
    /// [`Vp8Rewriter::rewrite`] must follow for the same packet.
    pub fn switch(&mut self, to: &Vp8Descriptor) {
        self.left_out_count = 0;
        if let Some(id) = to.picture_id {
            step_to(&mut self.picture_id, id.value, id.bits(), PICTURE_ID_BITS);
        }
        if let Some(index) = to.tl0_pic_idx {
            step_to(
                &mut self.tl0,
                u16::from(index),
                TL0_PIC_IDX_BITS,
                TL0_PIC_IDX_BITS,
            );
        }
        if let Some(index) = to.key_idx {
            step_to(&mut self.key_idx, u16::from(index), KEY_IDX_BITS, KEY_IDX_BITS);
        }
    }

    /// The numbers of a packet of the current layer; `None` if it is too late to know them.
    pub fn rewrite(&mut self, descriptor: &Vp8Descriptor) -> Option<Vp8Rewritten> {
        Some(Vp8Rewritten {
            picture_id: match descriptor.picture_id {
                Some(id) => Some(self.number(id)?),
                None => None,
            },
            // Both counters have at most eight bits, so nothing is cut off.
            tl0: descriptor.tl0_pic_idx.map(|index| {
                follow(
                    &mut self.tl0,
                    u16::from(index),
                    TL0_PIC_IDX_BITS,
                    TL0_PIC_IDX_BITS,
                ) as u8
            }),
            key_idx: descriptor
                .key_idx
                .map(|index| follow(&mut self.key_idx, u16::from(index), KEY_IDX_BITS, KEY_IDX_BITS) as u8),
        })
    }
}

/// Writes the descriptor of `source_payload` with the running numbers of `numbers` and returns its length, at most
/// one more than before: PictureID takes 15 bits when it did so or exceeds 127. The caller copies the payload behind it.
/// `None` when `descriptor` does not belong to `source_payload` or `out` is too short
/// ([`DESCRIPTOR_LEN_MAX`] always suffices).
pub fn write(
    source_payload: &[u8],
    descriptor: &Vp8Descriptor,
    numbers: Vp8Rewritten,
    out: &mut [u8],
) -> Option<usize> {
    let mut rest = source_payload.get(..descriptor.len)?;
    let mut len = 0;
    let mut put = |byte: u8| -> Option<()> {
        *out.get_mut(len)? = byte;
        len += 1;
        Some(())
    };
    let first = take(&mut rest)?;
    put(first)?;
    let present = if first & EXTENDED != 0 {
        take(&mut rest)?
    } else {
        0
    };
    if first & EXTENDED != 0 {
        put(present)?;
    }
    if let Some(id) = descriptor.picture_id {
        let new = numbers.picture_id.unwrap_or(id.value) & mask(PICTURE_ID_BITS);
        let [high, low] = new.to_be_bytes();
        if id.wide || new > mask(NARROW_PICTURE_ID_BITS) {
            put(high | WIDE)?;
        }
        put(low)?;
        rest = rest.get(if id.wide { 2 } else { 1 }..)?;
    }
    if let Some(index) = descriptor.tl0_pic_idx {
        take(&mut rest)?;
        put(numbers.tl0.unwrap_or(index))?;
    }
    if present & (HAS_TID | HAS_KEY_IDX) != 0 {
        let indices = take(&mut rest)?;
        let key_idx = descriptor.key_idx.and(numbers.key_idx);
        put(key_idx.map_or(indices, |index| indices & 0xe0 | index & 0x1f))?;
    }
    Some(len)
}

#[cfg(test)]
mod tests;
