use super::*;
use proptest::prelude::*;
use rtc_rtcp::extended_report::{
    DLRRReport, DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock,
};
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::source_description::{SdesType, SourceDescription};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc_shared::marshal::{Marshal, Unmarshal};

fn read(compound: &[u8]) -> Vec<Feedback> {
    let mut all = Vec::new();
    parse(compound, &mut |feedback| all.push(feedback));
    all
}

fn append(writer: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    writer(&mut out);
    out
}

/// The one packet in these bytes, as an independent parser reads it.
fn read_independently<T: Unmarshal>(bytes: &[u8]) -> T {
    T::unmarshal(&mut &bytes[..]).unwrap()
}

#[test]
fn a_compound_packet_is_read_in_order() {
    let sender = SenderReport {
        ssrc: 1,
        ntp: 0x0102_0304_0506_0708,
        rtp: 9,
        packets: 10,
        octets: 11,
    };
    let compound = append(|out| {
        sender_report(sender, out);
        sdes_cname(1, "someone", Some("0"), out);
        pli(1, 2, out);
        bye(1, out);
    });
    assert_eq!(
        read(&compound),
        [
            Feedback::SenderReport(sender),
            Feedback::Pli { media_ssrc: 2 },
            Feedback::Bye { ssrc: 1 }
        ]
    );
}

#[test]
fn an_empty_receiver_report_opens_a_compound_packet() {
    assert_eq!(
        append(|out| receiver_report(7, &[], out)),
        [0x80, 201, 0, 1, 0, 0, 0, 7]
    );
}

#[test]
fn loss_beyond_24_bits_saturates() {
    for (lost, written) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (-1, -1)] {
        let block = ReportBlock {
            cumulative_lost: lost,
            ..ReportBlock::default()
        };
        assert_eq!(
            read(&append(|out| receiver_report(1, &[block], out))),
            [Feedback::Report(ReportBlock {
                cumulative_lost: written,
                ..block
            })]
        );
    }
}

#[test]
fn no_numbers_make_no_nack() {
    assert!(append(|out| nack(1, 2, &[], out)).is_empty());
}

#[test]
fn neighbouring_numbers_share_a_pair_across_the_wrap() {
    let bytes = append(|out| nack(1, 2, &[65_535, 0, 15, 16, 40], out));
    let pair = |first, following| Feedback::Nack {
        media_ssrc: 2,
        pair: NackPair { first, following },
    };
    assert_eq!(read(&bytes), [pair(65_535, 0x8001), pair(16, 0), pair(40, 0)]);
}

#[test]
fn a_source_description_ends_in_zeros_and_fills_its_words() {
    assert_eq!(
        append(|out| sdes_cname(1, "abc", Some("0"), out)),
        [
            0x81, 202, 0, 4, 0, 0, 0, 1, 1, 3, b'a', b'b', b'c', 15, 1, b'0', 0, 0, 0, 0
        ]
    );
    for len in [0, 1, 2, 3, 4, 255, 300] {
        let bytes = append(|out| sdes_cname(5, &"x".repeat(len), None, out));
        let chunk = &read_independently::<SourceDescription>(&bytes).chunks[0];
        assert_eq!((chunk.source, chunk.items.len()), (5, 1));
        assert_eq!(chunk.items[0].sdes_type, SdesType::SdesCname);
        assert_eq!(chunk.items[0].text.len(), len.min(255));
    }
}

#[test]
fn each_entry_of_a_fir_asks_its_own_stream() {
    let fir = [3, 4]
        .map(|ssrc| FirEntry {
            ssrc,
            sequence_number: 1,
        })
        .to_vec();
    let bytes = FullIntraRequest {
        sender_ssrc: 1,
        media_ssrc: 0,
        fir,
    }
    .marshal()
    .unwrap();
    assert_eq!(
        read(&bytes),
        [Feedback::Fir { media_ssrc: 3 }, Feedback::Fir { media_ssrc: 4 }]
    );
}

#[test]
fn remb_is_read_and_the_largest_one_saturates() {
    let remb = ReceiverEstimatedMaximumBitrate {
        sender_ssrc: 1,
        bitrate: 2_500_000.0,
        ssrcs: vec![1, 2],
    };
    let mut bytes = remb.marshal().unwrap().to_vec();
    let [Feedback::Remb { bitrate_bps }] = read(&bytes)[..] else {
        panic!("not one REMB")
    };
    assert!((2_499_000..=2_500_000).contains(&bitrate_bps), "{bitrate_bps}");
    bytes[17..20].fill(0xff);
    assert_eq!(
        read(&bytes),
        [Feedback::Remb {
            bitrate_bps: u64::MAX
        }]
    );
    bytes[17..20].copy_from_slice(&[46 << 2 | 3, 0xff, 0xff]);
    assert_eq!(
        read(&bytes),
        [Feedback::Remb {
            bitrate_bps: 0x3_ffff << 46
        }]
    );
    bytes[12] = b'X';
    assert_eq!(read(&bytes), [], "another application's feedback");
}

#[test]
fn echoes_of_reference_times_are_read_and_other_blocks_passed_over() {
    let report = |ssrc, last_rr, dlrr| DLRRReport { ssrc, last_rr, dlrr };
    let extended = ExtendedReport {
        sender_ssrc: 9,
        reports: vec![
            Box::new(ReceiverReferenceTimeReportBlock { ntp_timestamp: 7 }),
            Box::new(DLRRReportBlock {
                reports: vec![report(1, 2, 3), report(4, 0, 0)],
            }),
        ],
    };
    let mut bytes = extended.marshal().unwrap().to_vec();
    let echo = |ssrc, time, delay| Feedback::ReferenceEcho { ssrc, time, delay };
    let both = [echo(1, 2, 3), echo(4, 0, 0)];
    assert_eq!(read(&bytes), both);
    bye(9, &mut bytes);
    assert_eq!(read(&bytes), [both[0], both[1], Feedback::Bye { ssrc: 9 }]);
    // A block that says it is longer than its packet.
    bytes[8 + 3] = 99;
    assert_eq!(read(&bytes), [Feedback::Bye { ssrc: 9 }]);
}

#[test]
fn a_reference_time_is_written_as_others_read_it() {
    let bytes = append(|out| reference_time(1, 0x0102_0304_0506_0708, out));
    let extended: ExtendedReport = read_independently(&bytes);
    let [block] = &extended.reports[..] else {
        panic!("one block")
    };
    let block = block
        .as_any()
        .downcast_ref::<ReceiverReferenceTimeReportBlock>()
        .unwrap();
    assert_eq!(
        (extended.sender_ssrc, block.ntp_timestamp),
        (1, 0x0102_0304_0506_0708)
    );
    assert_eq!(read(&bytes), []);
}

#[test]
fn padding_is_not_feedback_and_wrong_padding_ends_the_reading() {
    let mut bytes = append(|out| nack(1, 2, &[5], out));
    bytes.extend([0, 0, 0, 4]);
    bytes[0] |= 0x20;
    bytes[3] += 1;
    let nacked = Feedback::Nack {
        media_ssrc: 2,
        pair: NackPair {
            first: 5,
            following: 0,
        },
    };
    assert_eq!(read(&bytes), [nacked]);
    for wrong in [0, 17] {
        *bytes.last_mut().unwrap() = wrong;
        assert_eq!(read(&bytes), []);
    }
}

#[test]
fn a_malformed_header_ends_the_reading_and_an_unknown_kind_does_not() {
    let pli = append(|out| pli(1, 2, out));
    let seen = Feedback::Pli { media_ssrc: 2 };
    assert_eq!(read(&[&pli[..], &[0x80, 210, 0, 0], &pli].concat()), [seen, seen]);
    assert_eq!(
        read(&[&pli[..], &[0x40, 210, 0, 0], &pli].concat()),
        [seen],
        "version 1"
    );
    assert_eq!(
        read(&[&pli[..], &[0x80, 210, 0, 9], &pli].concat()),
        [seen],
        "beyond the end"
    );
    assert_eq!(read(&[&pli[..], &[0x80]].concat()), [seen], "half a header");
}

#[test]
fn facts_that_are_cut_off_are_skipped_and_the_next_packet_is_read() {
    let mut bytes = append(|out| receiver_report(1, &[ReportBlock::default(); 2], out));
    bytes[0] += 1;
    bye(9, &mut bytes);
    let block = Feedback::Report(ReportBlock::default());
    assert_eq!(read(&bytes), [block, block, Feedback::Bye { ssrc: 9 }]);
}

#[test]
fn a_flood_of_facts_is_cut() {
    let numbers = (0..u16::MAX).step_by(32).collect::<Vec<_>>();
    assert!(numbers.len() > FEEDBACK_MAX);
    assert_eq!(read(&append(|out| nack(1, 2, &numbers, out))).len(), FEEDBACK_MAX);
}

fn any_block() -> impl Strategy<Value = ReportBlock> {
    let parts = (any::<[u32; 5]>(), any::<u8>(), -0x80_0000..=0x7f_ffff);
    parts.prop_map(
        |([ssrc, highest, jitter, lsr, dlsr], fraction_lost, cumulative_lost)| ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost,
            highest,
            jitter,
            lsr,
            dlsr,
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }

    #[test]
    fn no_body_panics_behind_a_valid_header(
        first in any::<u8>(),
        kind in 200_u8..=207,
        words in prop::collection::vec(any::<u32>(), 0..40),
    ) {
        let mut bytes = append(|out| begin(0, kind, words.len() as u16, out));
        bytes[0] = VERSION | first & 0x3f;
        bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        prop_assert!(read(&bytes).len() <= words.len() + 1);
    }

    #[test]
    fn receiver_reports_are_read_back(ssrc in any::<u32>(), blocks in prop::collection::vec(any_block(), 0..70)) {
        let bytes = append(|out| receiver_report(ssrc, &blocks, out));
        prop_assert_eq!(read(&bytes), blocks.iter().map(|block| Feedback::Report(*block)).collect::<Vec<_>>());
        let packets = rtc_rtcp::packet::unmarshal(&mut &bytes[..]).unwrap();
        prop_assert_eq!(packets.len(), blocks.len().div_ceil(31).max(1));
        let mut expected = blocks.iter();
        for packet in packets {
            let report = packet.as_any().downcast_ref::<ReceiverReport>().unwrap();
            prop_assert_eq!(report.ssrc, ssrc);
            for theirs in &report.reports {
                let ours = expected.next().unwrap();
                prop_assert_eq!(
                    (theirs.ssrc, theirs.fraction_lost, theirs.total_lost, theirs.last_sequence_number),
                    (ours.ssrc, ours.fraction_lost, ours.cumulative_lost as u32 & 0xff_ffff, ours.highest)
                );
                prop_assert_eq!(
                    (theirs.jitter, theirs.last_sender_report, theirs.delay),
                    (ours.jitter, ours.lsr, ours.dlsr)
                );
            }
        }
        prop_assert_eq!(expected.next(), None);
    }

    #[test]
    fn sender_reports_and_small_packets_are_read_back(
        [ssrc, media, rtp, packets, octets] in any::<[u32; 5]>(),
        ntp in any::<u64>(),
    ) {
        let report = SenderReport { ssrc, ntp, rtp, packets, octets };
        let bytes = append(|out| sender_report(report, out));
        prop_assert_eq!(read(&bytes), [Feedback::SenderReport(report)]);
        let theirs: rtc_rtcp::sender_report::SenderReport = read_independently(&bytes);
        prop_assert_eq!((theirs.ssrc, theirs.ntp_time, theirs.rtp_time), (ssrc, ntp, rtp));
        prop_assert_eq!((theirs.packet_count, theirs.octet_count), (packets, octets));

        let bytes = append(|out| pli(ssrc, media, out));
        prop_assert_eq!(read(&bytes), [Feedback::Pli { media_ssrc: media }]);
        let expected = PictureLossIndication { sender_ssrc: ssrc, media_ssrc: media };
        prop_assert_eq!(read_independently::<PictureLossIndication>(&bytes), expected);

        let bytes = append(|out| bye(ssrc, out));
        prop_assert_eq!(read(&bytes), [Feedback::Bye { ssrc }]);
        prop_assert_eq!(read_independently::<Goodbye>(&bytes).sources, [ssrc]);
    }

    #[test]
    fn nacked_numbers_are_read_back(
        media in any::<u32>(),
        first in any::<u16>(),
        steps in prop::collection::vec(1_u16..40, 0..250),
    ) {
        let numbers = steps
            .iter()
            .scan(first, |number, step| {
                *number = number.wrapping_add(*step);
                Some(*number)
            })
            .collect::<Vec<_>>();
        let bytes = append(|out| nack(1, media, &numbers, out));
        let mut ours = Vec::new();
        for feedback in read(&bytes) {
            let Feedback::Nack { media_ssrc, pair } = feedback else { panic!("not a NACK") };
            prop_assert_eq!(media_ssrc, media);
            ours.extend(pair.numbers());
        }
        prop_assert_eq!(&ours, &numbers);
        let mut theirs = Vec::new();
        if !numbers.is_empty() {
            for packet in rtc_rtcp::packet::unmarshal(&mut &bytes[..]).unwrap() {
                let nack = packet.as_any().downcast_ref::<TransportLayerNack>().unwrap();
                prop_assert_eq!((nack.sender_ssrc, nack.media_ssrc), (1, media));
                theirs.extend(nack.nacks.iter().flat_map(|pair| pair.packet_list()));
            }
        }
        prop_assert_eq!(theirs, numbers);
    }
}
