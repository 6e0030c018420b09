//! Every parser meets damaged packets and noise: always the same ones, so that what fails once fails again. What each
//! of them must hold is said in `src/fuzz`.

// A test says what it expects by failing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use hanse_sfu_core::carried;
use hanse_sfu_core::fuzz::{self, ICE_PASSWORD, ICE_USERNAME, examine};
use hanse_sfu_core::rtcp;
use hanse_sfu_core::simulation::check;
use std::net::SocketAddr;

const CASES: u32 = 4_000;

/// With one-byte extensions (mid, transport-wide number, level), with two-byte ones, and bare; VP8 behind them.
fn media() -> Vec<Vec<u8>> {
    let payload = [0x90, 0xf0, 0x81, 0x02, 7, 0x23, 0, 1, 2, 3];
    let header = |first: u8| vec![first, 96, 0xff, 0xfe, 0, 0, 0, 9, 0xde, 0xad, 0xbe, 0xef];
    let one_byte = [
        0xBE, 0xDE, 0, 3, 0x10, b'7', 0x51, 1, 2, 0x40, 0x83, 0x22, b'h', b'i', b'!', 0,
    ];
    let two_bytes = [0x10, 0, 0, 3, 1, 1, b'7', 5, 2, 1, 2, 4, 1, 0x83, 0, 0];
    vec![
        [header(0x80), payload.to_vec()].concat(),
        [header(0x90), one_byte.to_vec(), payload.to_vec()].concat(),
        [header(0x90), two_bytes.to_vec(), payload.to_vec()].concat(),
        // Padding, and two contributing sources.
        [
            header(0xb2),
            vec![1; 8],
            one_byte.to_vec(),
            payload.to_vec(),
            vec![0, 0, 3],
        ]
        .concat(),
    ]
}

fn control() -> Vec<Vec<u8>> {
    let write = |writer: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        writer(&mut out);
        out
    };
    let block = rtcp::ReportBlock {
        ssrc: 7,
        fraction_lost: 3,
        cumulative_lost: -2,
        highest: 0x1_0007,
        jitter: 90,
        lsr: 4,
        dlsr: 5,
    };
    vec![
        write(&|out| rtcp::receiver_report(1, &[block; 3], out)),
        write(&|out| {
            rtcp::sender_report(
                rtcp::SenderReport {
                    ssrc: 7,
                    ntp: 1 << 40,
                    rtp: 9,
                    packets: 1,
                    octets: 2,
                },
                out,
            );
            rtcp::sdes_cname(7, "someone", Some("0"), out);
            rtcp::bye(7, out);
        }),
        write(&|out| {
            rtcp::nack(1, 7, &[65_535, 0, 15, 16, 40], out);
            rtcp::pli(1, 7, out);
        }),
        // A FIR with one entry, and REMB.
        vec![0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 1, 0, 0, 0],
        [
            &[0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0][..],
            b"REMB",
            &[1, 0x1b, 0xff, 0xff, 0, 0, 0, 7],
        ]
        .concat(),
        // An extended report, of which nothing is known, with padding.
        vec![0xa0, 207, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4],
    ]
}

/// Numbers with gaps, repeats, a wrap and jumps; each with its time.
fn arrivals() -> Vec<Vec<u8>> {
    let of = |numbers: &mut dyn Iterator<Item = u16>| -> Vec<u8> {
        numbers
            .flat_map(|number| {
                let [high, low] = number.to_be_bytes();
                [high, low, low % 23]
            })
            .collect()
    };
    vec![
        of(&mut (0..200)),
        of(&mut (0..200_u16).map(|step| step.wrapping_mul(3).wrapping_sub(300))),
        of(&mut (0..100_u16).map(|step| 65_500_u16.wrapping_add(step ^ 1))),
        of(&mut [0, 40_000, 14_464, 60_000, 3, 2, 1, 0, 32_768, 0].into_iter()),
        vec![0, 1, 255, 0, 2, 255, 0, 3, 0, 0, 1, 9],
    ]
}

#[test]
fn an_rtp_header_of_any_bytes_lies_inside_its_packet() {
    examine(CASES, &media(), fuzz::parse_rtp);
}

#[test]
fn rtcp_of_any_bytes_makes_a_bounded_number_of_facts() {
    examine(CASES, &control(), fuzz::parse_rtcp);
}

#[test]
fn vp8_payloads_of_any_bytes_are_rewritten_without_a_change_but_of_their_numbers() {
    let payloads: [&[u8]; 6] = [
        &[0x90, 0xf0, 0x81, 0x02, 7, 0x23, 0, 1],
        &[0x90, 0x80, 0x7f, 0],
        &[0x80, 0x80, 0x80, 0x80, 1],
        &[0x90, 0x60, 3, 0xe0, 1],
        &[0x10, 0],
        &[0x01, 1],
    ];
    let sized = |payload: &&[u8]| [&[payload.len() as u8][..], payload].concat();
    let stream = payloads.iter().flat_map(sized).collect();
    let mut examples: Vec<Vec<u8>> = payloads.iter().map(sized).collect();
    examples.push(stream);
    examine(CASES, &examples, fuzz::parse_vp8);
}

#[test]
fn vp9_payloads_of_any_bytes_are_rewritten_without_a_change_but_of_their_numbers() {
    let examples: [&[u8]; 5] = [
        // A key picture's smallest layer with the structure of three spatial layers, as a browser sends it.
        &[
            24, 0xaa, 0x92, 0x34, 0, 7, 0x58, 1, 0x40, 0, 0xb4, 2, 0x80, 1, 0x68, 5, 0, 2, 0xd0, 1, 4, 0, 1,
            0, 0,
        ],
        &[5, 0xec, 0x92, 0x35, 0x22, 7, 5, 0xec, 0x92, 0x36, 0x44, 7],
        // Flexible mode with two references, and seven bits of PictureID.
        &[6, 0xd8, 0x12, 3, 5, 0, 0, 6, 0xf8, 0x7f, 0x20, 3, 2, 0],
        &[2, 0x80, 0x7f, 2, 0x80, 0],
        &[1, 0x08],
    ];
    let examples: Vec<Vec<u8>> = examples.into_iter().map(<[u8]>::to_vec).collect();
    examine(CASES, &examples, fuzz::parse_vp9);
}

#[test]
fn dependency_descriptors_of_any_bytes_are_read_by_a_whole_structure_or_not_at_all() {
    // Three spatial and three temporal layers; then frames by the templates, with a mask and without.
    let key = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b04a\
0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d";
    let stream: Vec<u8> = [key, "86017340fc", "c20174", "4301750000", "c101761fffffff00ff"]
        .iter()
        .flat_map(|hex| {
            let bytes = hex.as_bytes().chunks_exact(2);
            let bytes: Vec<u8> = bytes
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect();
            [vec![bytes.len() as u8], bytes].concat()
        })
        .collect();
    examine(CASES / 2, &[stream], fuzz::parse_dependency_descriptor);
}

#[test]
fn decoding_begins_at_a_key_frame_whatever_the_bytes_of_a_nal_unit() {
    let examples: [&[u8]; 6] = [
        // H.264: SPS, PPS and IDR apart; aggregated; in fragments.
        &[3, 0x67, 1, 2, 2, 0x68, 1, 3, 0x65, 1, 2, 2, 0x41, 9],
        &[10, 0x78, 0, 2, 0x67, 1, 0, 3, 0x65, 1, 2],
        &[3, 0x7c, 0x85, 1, 3, 0x7c, 0x05, 1, 3, 0x7c, 0x45, 1],
        // H.265: the same.
        &[3, 0x40, 1, 2, 3, 0x42, 1, 2, 3, 0x26, 1, 2],
        &[11, 0x60, 1, 0, 2, 0x40, 1, 0, 3, 0x26, 1, 2],
        &[4, 0x62, 1, 0x93, 1, 4, 0x62, 1, 0x13, 1],
    ];
    let examples: Vec<Vec<u8>> = examples.into_iter().map(<[u8]>::to_vec).collect();
    examine(CASES, &examples, fuzz::parse_nal);
}

#[test]
fn a_stun_datagram_of_any_bytes_is_believed_only_with_the_password() {
    let carried = carried::peer_bytes(SocketAddr::from(([192, 0, 2, 7], 4242)));
    let examples = [
        check(ICE_USERNAME, ICE_PASSWORD, true),
        [&check(ICE_USERNAME, ICE_PASSWORD, true)[..], &carried].concat(),
        check(ICE_USERNAME, ICE_PASSWORD, false),
        check(ICE_USERNAME, "a guess", true),
        check("nobody:them", ICE_PASSWORD, true),
        check("no colon", ICE_PASSWORD, true),
    ];
    examine(1_000, &examples, fuzz::parse_stun);
}

#[test]
fn what_nobody_has_sealed_is_not_opened_whatever_the_bytes() {
    examine(1_000, &[media(), control()].concat(), fuzz::open_srtp);
}

#[test]
fn numbers_in_any_order_are_extended_and_accepted_once_and_asked_for_within_bounds() {
    examine(CASES, &arrivals(), fuzz::number_packets);
}

#[test]
fn transport_wide_numbers_in_any_order_make_whole_and_bounded_feedback() {
    examine(250, &arrivals(), fuzz::record_twcc);
}

#[test]
#[should_panic(expected = "a byte of 0xfd")]
fn the_smallest_bytes_that_break_a_property_are_named() {
    examine(CASES, &media(), |bytes| {
        assert!(!bytes.contains(&0xfd), "a byte of 0xfd")
    });
}
