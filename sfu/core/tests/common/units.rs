//! What a device puts in front of the content in H.264 and H.265: the heads of NAL units, which stay clear.

use hanse_sfu_core::command::Codec;

/// Parameter sets that lead a key frame, in one packet with its first slice: STAP-A (RFC 6184, section 5.7.1).
const H264_SETS: [u8; 9] = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce];

/// The same for H.265 (RFC 7798, section 4.4.2): VPS, SPS and PPS.
const H265_SETS: [u8; 17] = [
    0x60, 1, 0, 3, 0x40, 1, 0x0c, 0, 3, 0x42, 1, 1, 0, 3, 0x44, 1, 0xc1,
];

/// What stands in front of `len` bytes of content; nothing for other codecs.
pub fn head(codec: Codec, key: bool, start: bool, len: usize) -> Vec<u8> {
    let (sets, slice): (&[u8], &[u8]) = match (codec, key) {
        (Codec::H264, true) => (&H264_SETS, &[0x65]),
        (Codec::H264, false) => (&[], &[0x41]),
        (Codec::H265, true) => (&H265_SETS, &[0x26, 1]),
        (Codec::H265, false) => (&[], &[0x02, 1]),
        _ => return Vec::new(),
    };
    let mut head = Vec::new();
    if start && key {
        head.extend(sets);
        head.extend((slice.len() as u16 + len as u16).to_be_bytes());
    }
    head.extend(slice);
    head
}

/// How long the head of a payload is.
pub fn head_len(codec: Codec, payload: &[u8]) -> usize {
    match codec {
        Codec::H264 if payload[0] == H264_SETS[0] => H264_SETS.len() + 3,
        Codec::H264 => 1,
        Codec::H265 if payload[0] == H265_SETS[0] => H265_SETS.len() + 4,
        Codec::H265 => 2,
        _ => 0,
    }
}
