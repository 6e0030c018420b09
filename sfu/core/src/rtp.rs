//! RTP headers (RFC 3550, section 5.1) and their extensions (RFC 8285), read in place and never copied.

use crate::command::ExtensionIds;
use crate::ids::Mid;

/// Bytes of a header without CSRCs and extensions.
pub const FIXED_HEADER: usize = 12;

/// A parsed header. Only lengths and numbers; the bytes stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// The packet ends a frame.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// 16 bits, wraps.
    pub sequence: u16,
    /// In units of the codec's clock, wraps.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// Bytes of the whole header with CSRCs and extensions.
    pub len: usize,
    /// The P bit: the last byte of the (opened) payload counts the padding.
    pub padding: bool,
    extension: Option<(u16, usize, usize)>,
}

/// `true` for RTCP by the second byte (RFC 5761, section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|second| (192..=223).contains(second))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

impl RtpHeader {
    /// Reads a header; `None` if the packet is shorter than its header says or is not version 2.
    pub fn parse(packet: &[u8]) -> Option<RtpHeader> {
        let first = *packet.first()?;
        let second = *packet.get(1)?;
        if first >> 6 != 2 {
            return None;
        }
        let mut len = FIXED_HEADER + 4 * usize::from(first & 0x0f);
        let extension = if first & 0x10 != 0 {
            let profile = u16_at(packet, len)?;
            let bytes = 4 * usize::from(u16_at(packet, len + 2)?);
            let start = len + 4;
            len = start + bytes;
            Some((profile, start, len))
        } else {
            None
        };
        if packet.len() < len {
            return None;
        }
        Some(RtpHeader {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16_at(packet, 2)?,
            timestamp: u32_at(packet, 4)?,
            ssrc: u32_at(packet, 8)?,
            len,
            padding: first & 0x20 != 0,
            extension,
        })
    }

    /// Reads the extensions that `ids` names. Unknown ones are passed over; a malformed block ends the reading.
    pub fn extensions<'a>(&self, packet: &'a [u8], ids: &ExtensionIds) -> Extensions<'a> {
        let mut found = Extensions::default();
        let Some((profile, start, end)) = self.extension else {
            return found;
        };
        let Some(mut rest) = packet.get(start..end) else {
            return found;
        };
        let one_byte = match profile {
            0xBEDE => true,
            0x1000..=0x100F => false,
            _ => return found,
        };
        while let Some((&first, tail)) = rest.split_first() {
            if first == 0 {
                rest = tail; // padding between elements
                continue;
            }
            let (id, len, tail) = if one_byte {
                (first >> 4, usize::from(first & 0x0f) + 1, tail)
            } else {
                let Some((&len, tail)) = tail.split_first() else {
                    return found;
                };
                (first, usize::from(len), tail)
            };
            if one_byte && id == 15 {
                return found; // RFC 8285, section 4.2: stop here
            }
            let Some((data, tail)) = tail.split_at_checked(len) else {
                return found;
            };
            found.note(id, data, ids);
            if Some(id) == ids.dependency_descriptor {
                found.dependency_descriptor = Some((end - tail.len() - len, len));
            }
            rest = tail;
        }
        found
    }
}

/// The extensions of one packet that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a> {
    /// Media section (RFC 9143).
    pub mid: Option<&'a str>,
    /// Simulcast layer (RFC 8852).
    pub rid: Option<&'a str>,
    /// Simulcast layer that this retransmission repairs (RFC 8852).
    pub repaired_rid: Option<&'a str>,
    /// Loudness in −dBov, 0 (loud) to 127 (silent), RFC 6464.
    pub audio_level: Option<u8>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u16>,
    /// Where the dependency descriptor stands in the packet, and how long it is.
    pub dependency_descriptor: Option<(usize, usize)>,
}

impl<'a> Extensions<'a> {
    fn note(&mut self, id: u8, data: &'a [u8], ids: &ExtensionIds) {
        let id = Some(id);
        let text = || {
            std::str::from_utf8(data)
                .ok()
                .filter(|text| text.len() <= 16 && !text.is_empty())
        };
        if id == ids.transport_cc {
            self.transport_cc = u16_at(data, 0);
        } else if id == ids.audio_level {
            self.audio_level = data.first().map(|level| level & 0x7f);
        } else if id == ids.mid {
            self.mid = text();
        } else if id == ids.rid {
            self.rid = text();
        } else if id == ids.repaired_rid {
            self.repaired_rid = text();
        }
    }
}

/// Bytes of the extensions in a [`HeaderTemplate`].
const BLOCK_MAX: usize = 24;

/// Bytes that one header of [`HeaderTemplate`] may take.
const TEMPLATE_MAX: usize = FIXED_HEADER + 4 + BLOCK_MAX;

/// A ready header of an outgoing stream; [`HeaderTemplate::write`] fills in what changes per packet.
#[derive(Clone, Debug)]
pub struct HeaderTemplate {
    bytes: [u8; TEMPLATE_MAX],
    len: usize,
    /// Bytes of the extensions without padding.
    elements: usize,
    stamped: Stamped,
}

/// What differs in the extensions from packet to packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// 6.18 fixed-point seconds in 24 bits.
    pub abs_send_time: u32,
    /// The transport-wide number.
    pub transport_number: u16,
}

/// What is written into the first extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamped {
    Nothing,
    AbsSendTime,
    TransportNumber,
}

impl HeaderTemplate {
    /// A template for `ssrc`. `mid` goes into the MID extension if that was negotiated; receivers need it only until
    /// they have learned the SSRC. A packet with a transport-wide number needs no sending time: we have noted it.
    pub fn new(ssrc: u32, payload_type: u8, extensions: &ExtensionIds, mid: Option<&Mid>) -> HeaderTemplate {
        let mut block = arrayvec::ArrayVec::<u8, BLOCK_MAX>::new();
        let mut stamped = Stamped::Nothing;
        if let Some(id) = extensions.transport_cc {
            stamped = Stamped::TransportNumber;
            block.extend([id << 4 | 1, 0, 0]);
        } else if let Some(id) = extensions.abs_send_time {
            stamped = Stamped::AbsSendTime;
            block.extend([id << 4 | 2, 0, 0, 0]);
        }
        if let (Some(id), Some(mid)) = (extensions.mid, mid)
            && let Some(len) = u8::try_from(mid.len()).ok().and_then(|len| len.checked_sub(1))
        {
            block.push(id << 4 | len);
            block.extend(mid.bytes());
        }
        let elements = block.len();
        while block.len() % 4 != 0 {
            block.push(0);
        }
        let mut header = arrayvec::ArrayVec::<u8, TEMPLATE_MAX>::new();
        header.push(if block.is_empty() { 0x80 } else { 0x90 });
        header.push(payload_type & 0x7f);
        header.extend([0; 6]);
        header.extend(ssrc.to_be_bytes());
        if !block.is_empty() {
            header.extend([0xBE, 0xDE, 0, (block.len() / 4) as u8]);
            header.extend(block);
        }
        let len = header.len();
        let mut bytes = [0; TEMPLATE_MAX];
        bytes.iter_mut().zip(header).for_each(|(to, from)| *to = from);
        HeaderTemplate {
            bytes,
            len,
            elements,
            stamped,
        }
    }

    /// Whether its packets carry transport-wide numbers.
    pub fn is_numbered(&self) -> bool {
        self.stamped == Stamped::TransportNumber
    }

    /// Writes the header of one packet to the start of `out` and returns its length; `None` if `out` is too short.
    #[inline]
    pub fn write(
        &self,
        out: &mut [u8],
        marker: bool,
        sequence: u16,
        timestamp: u32,
        stamp: Stamp,
    ) -> Option<usize> {
        // A copy of constant size is two vector moves; a copy of `self.len` would be a call.
        let header: &mut [u8; TEMPLATE_MAX] = out.first_chunk_mut()?;
        *header = self.bytes;
        header[1] |= u8::from(marker) << 7;
        header[2..4].copy_from_slice(&sequence.to_be_bytes());
        header[4..8].copy_from_slice(&timestamp.to_be_bytes());
        match self.stamped {
            Stamped::Nothing => {}
            Stamped::AbsSendTime => {
                let [_, a, b, c] = stamp.abs_send_time.to_be_bytes();
                header[FIXED_HEADER + 5] = a;
                header[FIXED_HEADER + 6] = b;
                header[FIXED_HEADER + 7] = c;
            }
            Stamped::TransportNumber => {
                let [a, b] = stamp.transport_number.to_be_bytes();
                header[FIXED_HEADER + 5] = a;
                header[FIXED_HEADER + 6] = b;
            }
        }
        Some(self.len)
    }

    /// Puts one more extension into the header that [`HeaderTemplate::write`] has just written to `out`, in the
    /// one-byte form if it fits (RFC 8285, section 4.2), else in the two-byte form (section 4.3). Returns the length of
    /// the header; `None` if `out` is too short or `data` too long.
    pub fn extend(&self, out: &mut [u8], id: u8, data: &[u8]) -> Option<usize> {
        let len = u8::try_from(data.len()).ok()?;
        let own = out.get(FIXED_HEADER + 4..FIXED_HEADER + 4 + self.elements)?;
        let own: arrayvec::ArrayVec<u8, BLOCK_MAX> = own.try_into().ok()?;
        let mut end = FIXED_HEADER + 4;
        let mut put = |bytes: &[u8]| -> Option<()> {
            out.get_mut(end..end + bytes.len())?.copy_from_slice(bytes);
            end += bytes.len();
            Some(())
        };
        let is_short = (1..=16).contains(&len);
        if is_short {
            put(&own)?;
            put(&[id << 4 | (len - 1)])?;
        } else {
            let mut rest = own.as_slice();
            while let Some((head, behind)) = rest.split_first() {
                let (value, behind) = behind.split_at_checked(usize::from(head & 0x0f) + 1)?;
                put(&[head >> 4, value.len() as u8])?;
                put(value)?;
                rest = behind;
            }
            put(&[id, len])?;
        }
        put(data)?;
        while !end.is_multiple_of(4) {
            *out.get_mut(end)? = 0;
            end += 1;
        }
        *out.first_mut()? |= 0x10;
        let words = ((end - FIXED_HEADER) / 4 - 1) as u16;
        let profile: u16 = if is_short { 0xBEDE } else { 0x1000 };
        *out.get_mut(FIXED_HEADER..)?.first_chunk_mut()? = profile.to_be_bytes();
        *out.get_mut(FIXED_HEADER + 2..)?.first_chunk_mut()? = words.to_be_bytes();
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IDS: ExtensionIds = ExtensionIds {
        mid: Some(1),
        rid: Some(2),
        repaired_rid: Some(3),
        audio_level: Some(4),
        transport_cc: Some(5),
        abs_send_time: Some(6),
        dependency_descriptor: Some(7),
    };

    const STAMP: Stamp = Stamp {
        abs_send_time: 0x00ab_cdef,
        transport_number: 0x1234,
    };

    #[test]
    fn a_template_reads_back_as_it_was_written() {
        let mid = Mid::from("12").unwrap();
        let without_numbers = ExtensionIds {
            transport_cc: None,
            ..IDS
        };
        let template = HeaderTemplate::new(0xdead_beef, 96, &without_numbers, Some(&mid));
        assert!(!template.is_numbered());
        let mut out = [0; 100];
        let len = template.write(&mut out, true, 0xfffe, 77, STAMP).unwrap();
        let header = RtpHeader::parse(&out[..len]).unwrap();
        assert_eq!(
            (header.ssrc, header.payload_type, header.sequence),
            (0xdead_beef, 96, 0xfffe)
        );
        assert_eq!((header.timestamp, header.marker, header.len), (77, true, len));
        let extensions = header.extensions(&out[..len], &IDS);
        assert_eq!(extensions.mid, Some("12"));
        assert_eq!((extensions.rid, extensions.transport_cc), (None, None));
        assert_eq!(&out[17..20], &[0xab, 0xcd, 0xef]);
    }

    #[test]
    fn a_numbered_packet_carries_its_number_instead_of_its_time() {
        let mid = Mid::from("12").unwrap();
        let template = HeaderTemplate::new(1, 96, &IDS, Some(&mid));
        assert!(template.is_numbered());
        let mut out = [0; 100];
        let len = template.write(&mut out, true, 5, 77, STAMP).unwrap();
        let header = RtpHeader::parse(&out[..len]).unwrap();
        let extensions = header.extensions(&out[..len], &IDS);
        assert_eq!(
            (extensions.mid, extensions.transport_cc),
            (Some("12"), Some(0x1234))
        );
        assert!(!out[..len].windows(3).any(|bytes| bytes == [0xab, 0xcd, 0xef]));
    }

    #[test]
    fn a_template_without_negotiated_extensions_is_a_bare_header() {
        let template = HeaderTemplate::new(1, 96, &ExtensionIds::default(), Some(&Mid::from("0").unwrap()));
        assert_eq!(
            template.write(&mut [0; 100], false, 0, 0, STAMP),
            Some(FIXED_HEADER)
        );
        assert_eq!(
            template.write(&mut [0; 39], false, 0, 0, STAMP),
            None,
            "no room for the constant-size copy"
        );
    }

    #[test]
    fn one_more_extension_stands_behind_the_others_in_the_form_that_fits() {
        let mid = Mid::from("12").unwrap();
        for template in [
            HeaderTemplate::new(1, 96, &IDS, Some(&mid)),
            HeaderTemplate::new(1, 96, &ExtensionIds::default(), None),
        ] {
            for len in [1, 3, 16, 17, 100, 255] {
                let data: Vec<u8> = (1..=len).collect();
                let mut out = [0xff; 400];
                template.write(&mut out, true, 5, 77, STAMP).unwrap();
                let end = template.extend(&mut out, 7, &data).unwrap();
                let header = RtpHeader::parse(&out[..end]).unwrap();
                assert_eq!((header.len, header.sequence, header.marker), (end, 5, true));
                assert_eq!(&out[12..14], if len <= 16 { &[0xBE, 0xDE] } else { &[0x10, 0] });
                let extensions = header.extensions(&out[..end], &IDS);
                let (start, found) = extensions.dependency_descriptor.unwrap();
                assert_eq!(out[start..start + found], data);
                assert_eq!(extensions.mid, (template.elements > 0).then_some("12"));
                assert_eq!(template.extend(&mut out[..end - 1], 7, &data), None, "no room");
            }
        }
    }

    #[test]
    fn both_forms_of_extension_headers_are_read() {
        let one = [
            0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xBE, 0xDE, 0, 2, 0x10, b'7', 0x51, 1, 2, 0x40, 0x83, 0,
        ];
        let two = [
            0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 3, 1, 1, b'7', 5, 2, 1, 2, 4, 1, 0x83, 0, 0,
        ];
        for packet in [&one[..], &two[..]] {
            let header = RtpHeader::parse(packet).unwrap();
            let extensions = header.extensions(packet, &IDS);
            assert_eq!(extensions.mid, Some("7"));
            assert_eq!(extensions.transport_cc, Some(0x0102));
            assert_eq!(extensions.audio_level, Some(3));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(header) = RtpHeader::parse(&packet) {
                prop_assert!(header.len <= packet.len());
                header.extensions(&packet, &IDS);
            }
        }

        #[test]
        fn any_extension_block_is_read_without_a_panic(profile in prop_oneof![Just(0xBEDEu16), Just(0x1000), any::<u16>()], block in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut packet = vec![0x90; 12];
            packet.extend(profile.to_be_bytes());
            packet.extend(((block.len() / 4) as u16).to_be_bytes());
            packet.extend(&block);
            if let Some(header) = RtpHeader::parse(&packet) {
                header.extensions(&packet, &IDS);
            }
        }
    }
}
