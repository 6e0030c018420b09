//! Where a key frame begins in H.264 (RFC 6184) and H.265 (RFC 7798), by the types of NAL units alone.
//!
//! The types stay clear when a device seals its frames; nothing behind them is read. Neither codec has running numbers
//! that a forwarder would have to rewrite.

use crate::command::Codec;

/// What kinds of NAL units begin in one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NalUnits {
    /// The parameter set with which a coded sequence begins: SPS (H.264), VPS (H.265).
    pub sequence_start: bool,
    /// A further part of a key frame: an IDR slice (H.264), SPS or a slice of an IRAP picture (H.265).
    pub key: bool,
    /// Any slice, or the middle of one.
    pub slice: bool,
}

impl NalUnits {
    fn h264(&mut self, kind: u8) {
        match kind {
            7 => self.sequence_start = true,
            5 => (self.key, self.slice) = (true, true),
            1..=4 => self.slice = true,
            _ => {}
        }
    }

    fn h265(&mut self, kind: u8) {
        match kind {
            32 => self.sequence_start = true,
            33 => self.key = true,
            // BLA, IDR and CRA: pictures with which decoding may begin (H.265, table 7-1).
            16..=21 => (self.key, self.slice) = (true, true),
            0..=31 => self.slice = true,
            _ => {}
        }
    }
}

/// The NAL units that begin in an RTP payload; none for other codecs. A malformed payload says what stands before the
/// fault.
pub fn units(codec: Codec, payload: &[u8]) -> NalUnits {
    let mut units = NalUnits::default();
    match codec {
        Codec::H264 => h264(payload, &mut units),
        Codec::H265 => h265(payload, &mut units),
        _ => {}
    }
    units
}

/// Bit of a fragmentation header that marks the first fragment (RFC 6184, section 5.8; RFC 7798, section 4.4.3).
const FIRST_FRAGMENT: u8 = 0x80;

fn h264(payload: &[u8], units: &mut NalUnits) {
    let Some((&header, rest)) = payload.split_first() else {
        return;
    };
    match header & 0x1f {
        // STAP-A (RFC 6184, section 5.7.1).
        24 => aggregated(rest, |unit| {
            if let Some(header) = unit.first() {
                units.h264(header & 0x1f);
            }
        }),
        // FU-A (RFC 6184, section 5.8).
        28 => match rest.first() {
            Some(fragment) if fragment & FIRST_FRAGMENT != 0 => units.h264(fragment & 0x1f),
            _ => units.slice = true,
        },
        kind => units.h264(kind),
    }
}

fn h265(payload: &[u8], units: &mut NalUnits) {
    let Some((header, rest)) = payload.split_first_chunk::<2>() else {
        return;
    };
    let kind = |header: u8| header >> 1 & 0x3f;
    match kind(header[0]) {
        // Aggregation packet (RFC 7798, section 4.4.2).
        48 => aggregated(rest, |unit| {
            if let Some(header) = unit.first() {
                units.h265(kind(*header));
            }
        }),
        // Fragmentation unit (RFC 7798, section 4.4.3).
        49 => match rest.first() {
            Some(fragment) if fragment & FIRST_FRAGMENT != 0 => units.h265(fragment & 0x3f),
            _ => units.slice = true,
        },
        own => units.h265(own),
    }
}

/// Units of an aggregation packet: each has its size in two bytes in front.
fn aggregated(mut rest: &[u8], mut unit: impl FnMut(&[u8])) {
    while let Some((size, behind)) = rest.split_first_chunk() {
        let Some((own, behind)) = behind.split_at_checked(usize::from(u16::from_be_bytes(*size))) else {
            return;
        };
        unit(own);
        rest = behind;
    }
}

/// Finds the first packet of each key frame of one stream. The parameter sets usually lead a key frame in a packet of
/// their own; what follows them is part of it and no beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyFrameFinder {
    latest: Option<Latest>,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    sequence: u64,
    timestamp: u64,
    /// Everything of the picture so far was neither slice nor parameter set (delimiters, SEI).
    prelude: bool,
}

impl KeyFrameFinder {
    /// Whether decoding may begin with this packet. `sequence` and `timestamp` are extended.
    pub fn begins(&mut self, sequence: u64, timestamp: u64, units: NalUnits) -> bool {
        let follows = self.latest.filter(|latest| latest.sequence + 1 == sequence);
        let starts = follows.is_some_and(|latest| latest.timestamp != timestamp || latest.prelude);
        if self.latest.is_none_or(|latest| sequence > latest.sequence) {
            self.latest = Some(Latest {
                sequence,
                timestamp,
                prelude: starts && !(units.sequence_start || units.key || units.slice),
            });
        }
        units.sequence_start || units.key && starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: NalUnits = NalUnits {
        sequence_start: true,
        key: false,
        slice: false,
    };
    const KEY_SLICE: NalUnits = NalUnits {
        sequence_start: false,
        key: true,
        slice: true,
    };
    const SLICE: NalUnits = NalUnits {
        sequence_start: false,
        key: false,
        slice: true,
    };

    #[test]
    fn types_of_h264_units_are_found_in_every_packetisation() {
        let of = |payload: &[u8]| units(Codec::H264, payload);
        assert_eq!(of(&[0x67, 0x42, 0xc0, 0x1f]), START, "a single SPS");
        assert_eq!(of(&[0x65, 0x88]), KEY_SLICE, "a single IDR slice");
        assert_eq!(of(&[0x41, 0x9a]), SLICE, "a single slice");
        assert_eq!(of(&[0x68, 1]), NalUnits::default(), "a PPS begins nothing");
        // What browsers send before an IDR picture: SPS and PPS in one packet.
        let sets = [0x78, 0, 4, 0x67, 0x42, 0xc0, 0x1f, 0, 2, 0x68, 0xce];
        assert_eq!(of(&sets), START);
        let whole = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88];
        assert!(of(&whole).sequence_start && of(&whole).key);
        assert_eq!(
            of(&[0x7c, 0x85, 1]),
            KEY_SLICE,
            "the first fragment of an IDR slice"
        );
        assert_eq!(of(&[0x7c, 0x05, 1]), SLICE, "its middle");
        assert_eq!(of(&[0x7c, 0x45, 1]), SLICE, "its end");
        assert_eq!(of(&[]), NalUnits::default());
        assert_eq!(
            of(&[0x78, 0, 200, 0x67]),
            NalUnits::default(),
            "a unit that ends early"
        );
    }

    #[test]
    fn types_of_h265_units_are_found_in_every_packetisation() {
        let of = |payload: &[u8]| units(Codec::H265, payload);
        assert_eq!(of(&[0x40, 1, 0x0c]), START, "a single VPS");
        assert!(of(&[0x42, 1]).key && !of(&[0x42, 1]).slice, "a single SPS");
        assert_eq!(of(&[0x26, 1]), KEY_SLICE, "IDR_W_RADL");
        assert_eq!(of(&[0x2a, 1]), KEY_SLICE, "CRA");
        assert_eq!(of(&[0x02, 1]), SLICE, "TRAIL_R");
        assert!(of(&[0x60, 1, 0, 3, 0x40, 1, 0x0c, 0, 2, 0x42, 1]).sequence_start);
        assert_eq!(
            of(&[0x62, 1, 0x93, 7]),
            KEY_SLICE,
            "the first fragment of an IDR slice"
        );
        assert_eq!(of(&[0x62, 1, 0x13, 7]), SLICE, "its middle");
        assert_eq!(of(&[0x62]), NalUnits::default());
    }

    #[test]
    fn a_key_frame_begins_once() {
        let mut finder = KeyFrameFinder::default();
        assert!(!finder.begins(1, 10, SLICE));
        assert!(finder.begins(2, 20, START));
        assert!(!finder.begins(3, 20, KEY_SLICE), "its slices follow");
        assert!(!finder.begins(4, 20, SLICE));
        assert!(finder.begins(5, 30, KEY_SLICE), "without parameter sets");
        assert!(!finder.begins(6, 40, NalUnits::default()), "a delimiter");
        assert!(finder.begins(7, 40, KEY_SLICE), "behind a delimiter");
    }

    #[test]
    fn a_slice_behind_a_gap_begins_nothing_because_its_parameter_sets_may_be_missing() {
        let mut finder = KeyFrameFinder::default();
        finder.begins(1, 10, SLICE);
        assert!(!finder.begins(3, 20, KEY_SLICE));
        assert!(finder.begins(2, 20, START), "the late packet is the beginning");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            units(Codec::H264, &payload);
            units(Codec::H265, &payload);
        }
    }
}
