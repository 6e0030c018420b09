//! RTCP as the media plane needs it: reports and feedback of peers as plain values, and writers for ours.
//!
//! Formats: RFC 3550, section 6 (SR, RR, SDES, BYE); RFC 4585, section 6 (NACK, PLI); RFC 5104, section 4.3.1 (FIR);
//! draft-alvestrand-rmcat-remb-03 (REMB); RFC 3611, sections 4.4 and 4.5 (reference times). In: a decrypted compound packet; feedback alone is fine (RFC 5506). Out: one
//! call per fact. Writers append whole packets to a buffer and allocate only if it has no room. Transport-wide feedback
//! is written by [`crate::twcc`] and read by [`crate::estimate::feedback`]. Nothing here remembers anything.

/// Facts taken from one compound packet; the rest is ignored. A datagram has room for about 370, so only a peer that
/// means harm (over TCP framing) gets here.
pub const FEEDBACK_MAX: usize = 512;

/// Report blocks in one packet (the count has five bits); more make a further packet.
const REPORT_BLOCKS_MAX: usize = 31;

/// Sequence numbers that one NACK packet asks for at most; more make a further packet. Keeps each below 420 bytes.
const NACK_NUMBERS_MAX: usize = 100;

/// Bytes of an SDES item: its length has eight bits. Longer texts are cut.
const SDES_TEXT_LEN_MAX: usize = 255;

/// Version, count, kind and length.
const HEADER_LEN: usize = 4;

const VERSION: u8 = 2 << 6;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

/// Receiver reference time (RFC 3611, section 4.4).
const BLOCK_REFERENCE_TIME: u8 = 4;
/// Delay since the last one, DLRR (section 4.5).
const BLOCK_REFERENCE_ECHO: u8 = 5;

const FORMAT_NACK: u8 = 1;
const FORMAT_PLI: u8 = 1;
const FORMAT_FIR: u8 = 4;
const FORMAT_APPLICATION: u8 = 15;
const FORMAT_TRANSPORT_WIDE: u8 = 15;

const SDES_CNAME: u8 = 1;
/// RFC 9143, section 15.2.
const SDES_MID: u8 = 15;

/// The sender's part of a sender report (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderReport {
    /// Of which stream.
    pub ssrc: u32,
    /// Wall clock, NTP format: seconds since 1900 in the upper half, fraction in the lower.
    pub ntp: u64,
    /// The same moment on the stream's RTP clock.
    pub rtp: u32,
    /// Packets sent so far; wraps.
    pub packets: u32,
    /// Payload bytes sent so far; wraps.
    pub octets: u32,
}

/// What a receiver says of one stream (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Of which stream.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the stream began; 24 bits, signed. The writer saturates.
    pub cumulative_lost: i32,
    /// Highest sequence number, turns of the counter in the upper half.
    pub highest: u32,
    /// Interarrival jitter in units of the stream's clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0: none yet.
    pub lsr: u32,
    /// Delay since then in 1/65,536 s.
    pub dlsr: u32,
}

/// A number and which of the sixteen after it are missing too (RFC 4585, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NackPair {
    /// PID: the first missing number.
    pub first: u16,
    /// BLP: bit n set means that `first` + n + 1 is missing.
    pub following: u16,
}

impl NackPair {
    /// The missing numbers, 1 to 17, in order.
    pub fn numbers(self) -> impl Iterator<Item = u16> {
        let following = (0..16_u16).filter(move |bit| self.following & (1 << bit) != 0);
        std::iter::once(self.first).chain(following.map(move |bit| self.first.wrapping_add(bit + 1)))
    }
}

/// One fact from a peer's RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// A stream's clock and counters.
    SenderReport(SenderReport),
    /// One report block of an SR or RR: how one of our streams arrives.
    Report(ReportBlock),
    /// Packets to send again.
    Nack {
        /// Of which stream.
        media_ssrc: u32,
        /// Which.
        pair: NackPair,
    },
    /// A picture was lost: a key frame is needed.
    Pli {
        /// Of which stream.
        media_ssrc: u32,
    },
    /// A key frame is needed (RFC 5104); one call per entry.
    Fir {
        /// Of which stream.
        media_ssrc: u32,
    },
    /// The most that the peer believes its downlink carries.
    Remb {
        /// Over all streams.
        bitrate_bps: u64,
    },
    /// A peer tells a receiver's reference time back (DLRR, RFC 3611, section 4.5), from which the round trip follows.
    ReferenceEcho {
        /// Who had sent it.
        ssrc: u32,
        /// Middle 32 bits of that time; 0: none has come.
        time: u32,
        /// Delay since then in 1/65,536 s.
        delay: u32,
    },
    /// Which packets of the transport arrived, and when (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).
    TransportWide {
        /// Where what follows its header begins in the compound packet.
        at: usize,
        /// Bytes of it, without padding.
        len: usize,
    },
    /// A stream ended.
    Bye {
        /// Which.
        ssrc: u32,
    },
}

/// Takes a compound packet apart, one call of `each` per fact, in order, [`FEEDBACK_MAX`] at most. Stops at the first
/// header that is malformed (version, length, padding); skips packets of unknown kind and facts that are cut off.
pub fn parse(compound: &[u8], each: &mut impl FnMut(Feedback)) {
    let mut left = FEEDBACK_MAX;
    let mut each = |feedback| {
        if left > 0 {
            left -= 1;
            each(feedback);
        }
    };
    let mut rest = Reader(compound);
    loop {
        let at = compound.len() - rest.0.len() + HEADER_LEN;
        let Some(packet) = rest.packet() else { return };
        // `None` means that the body ended early; what came before has been told.
        let _complete = parse_packet(at, packet, &mut each);
    }
}

struct Packet<'a> {
    /// Report count, source count or feedback message type, by kind.
    count: u8,
    kind: u8,
    body: Reader<'a>,
}

/// `at` is where the body begins in the compound packet.
fn parse_packet(at: usize, packet: Packet<'_>, each: &mut impl FnMut(Feedback)) -> Option<()> {
    let Packet {
        count,
        kind,
        mut body,
    } = packet;
    match (kind, count) {
        (SENDER_REPORT, blocks) => {
            each(Feedback::SenderReport(SenderReport {
                ssrc: body.u32()?,
                ntp: body.u64()?,
                rtp: body.u32()?,
                packets: body.u32()?,
                octets: body.u32()?,
            }));
            report_blocks(body, blocks, each)
        }
        (RECEIVER_REPORT, blocks) => {
            let _reporter = body.u32()?;
            report_blocks(body, blocks, each)
        }
        (BYE, sources) => {
            for _ in 0..sources {
                each(Feedback::Bye { ssrc: body.u32()? });
            }
            Some(())
        }
        (TRANSPORT_FEEDBACK, FORMAT_NACK) => {
            let (_sender, media_ssrc) = (body.u32()?, body.u32()?);
            loop {
                let pair = NackPair {
                    first: body.u16()?,
                    following: body.u16()?,
                };
                each(Feedback::Nack { media_ssrc, pair });
            }
        }
        (TRANSPORT_FEEDBACK, FORMAT_TRANSPORT_WIDE) => {
            let len = body.0.len();
            each(Feedback::TransportWide { at, len });
            Some(())
        }
        (PAYLOAD_FEEDBACK, FORMAT_PLI) => {
            let (_sender, media_ssrc) = (body.u32()?, body.u32()?);
            each(Feedback::Pli { media_ssrc });
            Some(())
        }
        (PAYLOAD_FEEDBACK, FORMAT_FIR) => {
            // The header's media SSRC is unused here; each entry names its own.
            let _header = body.u64()?;
            loop {
                let media_ssrc = body.u32()?;
                let _sequence_and_reserved = body.u32()?;
                each(Feedback::Fir { media_ssrc });
            }
        }
        (PAYLOAD_FEEDBACK, FORMAT_APPLICATION) => {
            let _header = body.u64()?;
            if body.array()? == *b"REMB" {
                // Eight bits of SSRC count, six of exponent, eighteen of mantissa.
                let word = body.u32()?;
                let (exponent, mantissa) = (word >> 18 & 0x3f, u64::from(word & 0x3_ffff));
                let bits = u64::BITS - mantissa.leading_zeros();
                let bitrate_bps = if bits + exponent > u64::BITS {
                    u64::MAX
                } else {
                    mantissa << exponent
                };
                each(Feedback::Remb { bitrate_bps });
            }
            Some(())
        }
        (EXTENDED_REPORT, _) => {
            let _reporter = body.u32()?;
            while let Some((kind, block)) = body.block() {
                if kind == BLOCK_REFERENCE_ECHO {
                    echoes(block, each);
                }
            }
            Some(())
        }
        _ => Some(()),
    }
}

fn echoes(mut block: Reader<'_>, each: &mut impl FnMut(Feedback)) -> Option<()> {
    loop {
        each(Feedback::ReferenceEcho {
            ssrc: block.u32()?,
            time: block.u32()?,
            delay: block.u32()?,
        });
    }
}

fn report_blocks(mut body: Reader<'_>, blocks: u8, each: &mut impl FnMut(Feedback)) -> Option<()> {
    for _ in 0..blocks {
        let ssrc = body.u32()?;
        let lost = body.u32()?;
        each(Feedback::Report(ReportBlock {
            ssrc,
            fraction_lost: (lost >> 24) as u8,
            // Shifted up and down again to spread the sign of the 24-bit number.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            highest: body.u32()?,
            jitter: body.u32()?,
            lsr: body.u32()?,
            dlsr: body.u32()?,
        }));
    }
    Some(())
}

/// Bytes not read yet. Every read answers `None` at the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next block of an extended report (RFC 3611, section 3): its type and what stands in it.
    fn block(&mut self) -> Option<(u8, Reader<'a>)> {
        let [kind, _, words_high, words_low] = self.array()?;
        let len = usize::from(u16::from_be_bytes([words_high, words_low])) * 4;
        let (block, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some((kind, Reader(block)))
    }

    /// The next packet, its body without padding; `None` at the end or at a malformed header.
    fn packet(&mut self) -> Option<Packet<'a>> {
        let [first, kind, words_high, words_low] = self.array()?;
        if first & 0xc0 != VERSION {
            return None;
        }
        let len = usize::from(u16::from_be_bytes([words_high, words_low])) * 4;
        let (mut body, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        if first & 0x20 != 0 {
            let padding = usize::from(*body.last()?);
            if padding == 0 {
                return None;
            }
            body = body.get(..body.len().checked_sub(padding)?)?;
        }
        Some(Packet {
            count: first & 0x1f,
            kind,
            body: Reader(body),
        })
    }
}

/// Appends a receiver report with these blocks; an empty one is valid and opens a compound packet. Beyond 31 blocks
/// further reports follow.
pub fn receiver_report(sender_ssrc: u32, blocks: &[ReportBlock], out: &mut Vec<u8>) {
    let mut rest = blocks;
    loop {
        let (group, behind) = rest.split_at(rest.len().min(REPORT_BLOCKS_MAX));
        // At most 31: fits into the count and the length.
        begin(
            group.len() as u8,
            RECEIVER_REPORT,
            1 + 6 * group.len() as u16,
            out,
        );
        put_u32(sender_ssrc, out);
        for block in group {
            let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
            put_u32(block.ssrc, out);
            put_u32(u32::from(block.fraction_lost) << 24 | lost, out);
            put_u32(block.highest, out);
            put_u32(block.jitter, out);
            put_u32(block.lsr, out);
            put_u32(block.dlsr, out);
        }
        rest = behind;
        if rest.is_empty() {
            return;
        }
    }
}

/// Appends a sender report without report blocks.
pub fn sender_report(report: SenderReport, out: &mut Vec<u8>) {
    begin(0, SENDER_REPORT, 6, out);
    put_u32(report.ssrc, out);
    out.extend_from_slice(&report.ntp.to_be_bytes());
    put_u32(report.rtp, out);
    put_u32(report.packets, out);
    put_u32(report.octets, out);
}

/// Appends a receiver's reference time, NTP format, in an extended report: a sender tells its middle 32 bits back, with the
/// delay since it came ([`Feedback::ReferenceEcho`]). Any clock will do; nobody else reads it.
pub fn reference_time(sender_ssrc: u32, ntp: u64, out: &mut Vec<u8>) {
    begin(0, EXTENDED_REPORT, 4, out);
    put_u32(sender_ssrc, out);
    out.extend_from_slice(&[BLOCK_REFERENCE_TIME, 0, 0, 2]);
    out.extend_from_slice(&ntp.to_be_bytes());
}

/// Appends a picture loss indication: asks `media` for a key frame.
pub fn pli(sender: u32, media: u32, out: &mut Vec<u8>) {
    begin(FORMAT_PLI, PAYLOAD_FEEDBACK, 2, out);
    put_u32(sender, out);
    put_u32(media, out);
}

/// Appends a request to send these packets of `media` again; nothing when there are none. Numbers in ascending order
/// (mod 2¹⁶) take the least room. Beyond 100 numbers further packets follow.
pub fn nack(sender: u32, media: u32, numbers: &[u16], out: &mut Vec<u8>) {
    for group in numbers.chunks(NACK_NUMBERS_MAX) {
        let pairs = || NackPairs { numbers: group };
        // At most 100: fits into the length.
        begin(FORMAT_NACK, TRANSPORT_FEEDBACK, 2 + pairs().count() as u16, out);
        put_u32(sender, out);
        put_u32(media, out);
        for pair in pairs() {
            put_u32(u32::from(pair.first) << 16 | u32::from(pair.following), out);
        }
    }
}

/// Packs numbers into pairs: each pair takes as many as it reaches.
struct NackPairs<'a> {
    numbers: &'a [u16],
}

impl Iterator for NackPairs<'_> {
    type Item = NackPair;

    fn next(&mut self) -> Option<NackPair> {
        let (&first, mut rest) = self.numbers.split_first()?;
        let mut following = 0;
        while let Some((number, behind)) = rest.split_first() {
            match number.wrapping_sub(first) {
                0 => {}
                distance @ 1..=16 => following |= 1 << (distance - 1),
                _ => break,
            }
            rest = behind;
        }
        self.numbers = rest;
        Some(NackPair { first, following })
    }
}

/// Appends a source description: the canonical name that ties streams of one source together (RFC 3550, section 6.5.1),
/// and the media section it belongs to (RFC 9143, section 15.2). Texts end after 255 bytes.
pub fn sdes_cname(ssrc: u32, cname: &str, mid: Option<&str>, out: &mut Vec<u8>) {
    let cname = cut(cname);
    let mid = mid.map(cut);
    let items_len = 2 + cname.len() + mid.map_or(0, |mid| 2 + mid.len());
    // At least one zero ends the list, and more fill the word.
    let padding = 4 - items_len % 4;
    // Two items of at most 257 bytes: fits into the length.
    begin(1, SOURCE_DESCRIPTION, 1 + ((items_len + padding) / 4) as u16, out);
    put_u32(ssrc, out);
    for (kind, text) in [(SDES_CNAME, Some(cname)), (SDES_MID, mid)] {
        if let Some(text) = text {
            // Cut to 255 bytes.
            out.extend_from_slice(&[kind, text.len() as u8]);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.extend(std::iter::repeat_n(0, padding));
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(SDES_TEXT_LEN_MAX))
        .unwrap_or_default()
}

/// Appends a goodbye: the stream ends.
pub fn bye(ssrc: u32, out: &mut Vec<u8>) {
    begin(1, BYE, 1, out);
    put_u32(ssrc, out);
}

/// Appends a header. `words`: 32-bit words that follow it.
fn begin(count: u8, kind: u8, words: u16, out: &mut Vec<u8>) {
    let [high, low] = words.to_be_bytes();
    out.extend_from_slice(&[VERSION | count, kind, high, low]);
}

fn put_u32(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests;
