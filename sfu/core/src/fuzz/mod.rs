//! Every parser of this crate as a function of bytes, with what must hold whatever the bytes are (feature `fuzzing`;
//! never part of a release). `tests/properties.rs` calls them with damaged packets and with noise, always the same ones;
//! a fuzzer may call them with its own. `docs/development.md` says how.
//!
//! A function says that something does not hold by panicking, and it holds no state from call to call.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fuzz target says what it finds by panicking, and needs one instant to start from"
)]

mod hostile;

pub use hostile::{Script, examine};

use crate::command::{Codec, ExtensionIds, IceCredentials};
use crate::dependency::{self, Parsed, TARGETS_MAX};
use crate::estimate::LOG_LEN;
use crate::estimate::feedback::TransportFeedback;
use crate::estimate::{Arrived, BandwidthEstimator, MAX_BPS, MIN_BPS};
use crate::ice::Check;
use crate::ids::Mid;
use crate::nack::{MISSING_MAX, NackTracker};
use crate::nal::{self, KeyFrameFinder, NalUnits};
use crate::replay::{REPLAY_WINDOW, ReplayWindow};
use crate::rtcp::{self, FEEDBACK_MAX, Feedback};
use crate::rtp::{FIXED_HEADER, HeaderTemplate, RtpHeader, Stamp};
use crate::secure::SrtpKeys;
use crate::sequence::{SequenceExtender, TimestampExtender};
use crate::srtp::{SrtpSession, TAG};
use crate::twcc::TwccRecorder;
use crate::vp8::{self, DESCRIPTOR_LEN_MAX, Vp8Rewriter};
use crate::vp9::{self, Vp9Descriptor, Vp9Rewriter};
use arrayvec::ArrayVec;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Our password and the peer's names in [`parse_stun`]: checks that a test builds with these are authentic.
pub const ICE_USERNAME: &str = "ours:them";
/// See [`ICE_USERNAME`].
pub const ICE_PASSWORD: &str = "our-password";

fn credentials(ufrag: &str, password: &str) -> IceCredentials {
    IceCredentials {
        ufrag: ufrag.into(),
        password: password.into(),
    }
}

/// An RTP packet: its header and extensions lie inside it, and ours continues what was read.
pub fn parse_rtp(packet: &[u8]) {
    let Some(header) = RtpHeader::parse(packet) else {
        return;
    };
    assert!((FIXED_HEADER..=packet.len()).contains(&header.len));
    assert!(header.payload_type < 128);
    for first in 1..=14 {
        let id = |offset: u8| Some((first + offset) % 15);
        let ids = ExtensionIds {
            mid: id(0),
            rid: id(1),
            repaired_rid: id(2),
            audio_level: id(3),
            transport_cc: id(4),
            ..ExtensionIds::default()
        };
        let found = header.extensions(packet, &ids);
        for text in [found.mid, found.rid, found.repaired_rid].into_iter().flatten() {
            assert!(
                (1..=16).contains(&text.len()),
                "longer than any name that is negotiated"
            );
        }
        assert!(found.audio_level.is_none_or(|level| level < 128));
    }
    assert_eq!(
        header.extensions(packet, &ExtensionIds::default()),
        crate::rtp::Extensions::default(),
        "nothing is read that was not negotiated"
    );

    let mut written = [0; 100];
    let ids = ExtensionIds {
        mid: Some(3),
        ..ExtensionIds::default()
    };
    let mid = Mid::from("0123456789abcdef").ok();
    let template = HeaderTemplate::new(header.ssrc, header.payload_type, &ids, mid.as_ref());
    let len = template
        .write(
            &mut written,
            header.marker,
            header.sequence,
            header.timestamp,
            Stamp::default(),
        )
        .unwrap();
    let back = RtpHeader::parse(&written[..len]).unwrap();
    assert_eq!(
        (
            back.ssrc,
            back.payload_type,
            back.marker,
            back.sequence,
            back.timestamp,
            back.len
        ),
        (
            header.ssrc,
            header.payload_type,
            header.marker,
            header.sequence,
            header.timestamp,
            len
        )
    );
    assert_eq!(back.extensions(&written[..len], &ids).mid, mid.as_deref());
}

/// A compound RTCP packet: bounded facts, and what we can write ourselves reads back as it was.
pub fn parse_rtcp(compound: &[u8]) {
    let mut facts = Vec::new();
    rtcp::parse(compound, &mut |feedback| facts.push(feedback));
    assert!(facts.len() <= FEEDBACK_MAX);
    assert!(facts.len() <= compound.len() / 4, "a fact takes at least a word");
    for fact in facts {
        let mut written = Vec::new();
        match fact {
            Feedback::SenderReport(report) => rtcp::sender_report(report, &mut written),
            Feedback::Report(block) => rtcp::receiver_report(1, &[block], &mut written),
            Feedback::Nack { media_ssrc, pair } => {
                let numbers: Vec<u16> = pair.numbers().collect();
                assert!((1..=17).contains(&numbers.len()));
                rtcp::nack(1, media_ssrc, &numbers, &mut written);
            }
            Feedback::Pli { media_ssrc } => rtcp::pli(1, media_ssrc, &mut written),
            Feedback::Bye { ssrc } => rtcp::bye(ssrc, &mut written),
            // We never send these.
            Feedback::Fir { .. } | Feedback::Remb { .. } | Feedback::ReferenceEcho { .. } => continue,
            Feedback::TransportWide { at, len } => {
                feedback(&compound[at..at + len]);
                continue;
            }
        }
        let mut back = Vec::new();
        rtcp::parse(&written, &mut |feedback| back.push(feedback));
        assert_eq!(back, [fact]);
    }
}

/// Transport-wide feedback about packets of which half were sent: it ends, and no rate leaves its bounds.
#[expect(clippy::cast_possible_truncation, reason = "bounded by MAX_BPS")]
fn feedback(body: &[u8]) {
    let Some(feedback) = TransportFeedback::parse(body) else {
        return;
    };
    assert!(feedback.statuses().count() <= LOG_LEN);
    let start = Instant::now();
    let mut estimator = BandwidthEstimator::new(start);
    let mut scratch: Vec<Arrived> = Vec::new();
    for round in 0..4_u64 {
        let now = start + Duration::from_millis(100 * round);
        (0..LOG_LEN / 2).for_each(|_| estimator.on_media_sent(now, 1_000));
        estimator.on_feedback(now + Duration::from_millis(50), &feedback, &mut scratch);
        let bps = estimator.target_bps(now).unwrap();
        assert!((MIN_BPS as u64..=MAX_BPS as u64).contains(&bps));
        assert!(scratch.len() <= LOG_LEN);
    }
}

/// The VP8 payloads of a stream, one after the other, each with its length in front: a rewritten descriptor reads back
/// as the one that was rewritten, but for its running numbers.
pub fn parse_vp8(payloads: &[u8]) {
    let mut script = Script::new(payloads);
    let mut rewriter = Vp8Rewriter::new();
    while let Some(len) = script.byte() {
        let payload = script.bytes(usize::from(len));
        let Some(descriptor) = vp8::parse(payload) else {
            continue;
        };
        assert!((1..=payload.len()).contains(&descriptor.len));
        assert!(descriptor.start || !descriptor.key_frame);
        if descriptor.key_frame {
            rewriter.switch(&descriptor);
        }
        let Some(numbers) = rewriter.rewrite(&descriptor) else {
            continue;
        };
        let mut out = [0; DESCRIPTOR_LEN_MAX + 1];
        let len = vp8::write(payload, &descriptor, numbers, &mut out[..DESCRIPTOR_LEN_MAX]).unwrap();
        assert!(len <= descriptor.len + 1);
        out[len] = payload.get(descriptor.len).copied().unwrap_or(1);
        let back = vp8::parse(&out[..=len]).unwrap();
        assert_eq!(back.len, len);
        assert_eq!(
            (back.start, back.tid, back.layer_sync, back.key_frame),
            (
                descriptor.start,
                descriptor.tid,
                descriptor.layer_sync,
                descriptor.key_frame
            )
        );
        assert_eq!(back.picture_id.map(|id| id.value), numbers.picture_id);
        assert_eq!((back.tl0_pic_idx, back.key_idx), (numbers.tl0, numbers.key_idx));
    }
}

/// H.264 and H.265 payloads of a stream, one after the other, each with its length in front: decoding may begin only
/// where a key frame or its parameter sets do.
pub fn parse_nal(payloads: &[u8]) {
    for codec in [Codec::H264, Codec::H265] {
        let mut script = Script::new(payloads);
        let mut finder = KeyFrameFinder::default();
        let mut number = 0_u64;
        while let Some(len) = script.byte() {
            let payload = script.bytes(usize::from(len));
            let units = nal::units(codec, payload);
            assert_eq!(nal::units(Codec::Vp8, payload), NalUnits::default());
            assert!(!payload.is_empty() || units == NalUnits::default());
            number += 1 + u64::from(len / 128);
            let begins = finder.begins(number, number / 3, units);
            assert!(!begins || units.sequence_start || units.key);
        }
    }
}

/// The VP9 payloads of a stream, as above: a rewritten descriptor reads back as the one that was rewritten, but for its
/// running numbers.
pub fn parse_vp9(payloads: &[u8]) {
    let mut script = Script::new(payloads);
    let mut rewriter = Vp9Rewriter::default();
    let mut sequence = 0;
    while let Some(len) = script.byte() {
        let payload = script.bytes(usize::from(len));
        let Some(descriptor) = vp9::parse(payload) else {
            continue;
        };
        assert!((1..=payload.len()).contains(&descriptor.len));
        if !descriptor.inter_predicted && len % 4 == 0 {
            rewriter.switch(&descriptor);
        }
        sequence += 1;
        let numbers = rewriter.rewrite(sequence, &descriptor);
        let mut out = vec![0; descriptor.len];
        assert_eq!(
            vp9::write(payload, &descriptor, numbers, &mut out),
            Some(descriptor.len)
        );
        let back = vp9::parse(&out).unwrap();
        assert_eq!(back.picture_id.map(|id| id.value), numbers.picture_id);
        assert_eq!(back.tl0_pic_idx, numbers.tl0);
        let as_before = Vp9Descriptor {
            picture_id: descriptor.picture_id,
            tl0_pic_idx: descriptor.tl0_pic_idx,
            ..back
        };
        assert_eq!(as_before, descriptor);
    }
}

/// The dependency descriptors of a stream, each with its length in front: what is malformed changes no structure, and
/// a rewritten one reads back as it was, but for its number and its mask.
pub fn parse_dependency_descriptor(extensions: &[u8]) {
    let mut script = Script::new(extensions);
    let mut structure = None;
    while let Some(len) = script.byte() {
        let extension = script.bytes(usize::from(len));
        let before = structure.clone();
        let Some(parsed) = dependency::parse(extension, &mut structure) else {
            assert_eq!(structure, before);
            continue;
        };
        let Parsed::Frame(frame) = parsed else {
            continue;
        };
        let known = structure.as_ref().expect("a frame is read by a structure");
        assert!((1..=TARGETS_MAX).contains(&known.targets().len()));
        let (number, mask) = (frame.number ^ 0x5555, frame.all_targets() & 0x2aaa_aaab);
        for active in [None, Some(mask)] {
            let mut out = [0; dependency::LEN_MAX + dependency::GROWTH_MAX];
            let len = dependency::write(extension, &frame, number, active, &mut out).expect("there is room");
            assert!(len <= extension.len() + dependency::GROWTH_MAX);
            if len > dependency::LEN_MAX {
                continue;
            }
            let Some(Parsed::Frame(back)) = dependency::parse(&out[..len], &mut structure.clone()) else {
                panic!("what was written is not read");
            };
            assert_eq!((back.number, back.active), (number, active.or(frame.active)));
            assert_eq!(
                (
                    back.start,
                    back.end,
                    back.spatial,
                    back.temporal,
                    back.has_structure
                ),
                (
                    frame.start,
                    frame.end,
                    frame.spatial,
                    frame.temporal,
                    frame.has_structure
                )
            );
            for target in 0..TARGETS_MAX as u8 {
                assert_eq!(back.indication(target), frame.indication(target));
                assert_eq!(back.chain_difference(target), frame.chain_difference(target));
            }
        }
    }
}

/// A STUN datagram: only what names us and knows the password is believed, and our answer is one.
pub fn parse_stun(datagram: &[u8]) {
    let Some(mut check) = Check::parse(datagram) else {
        return;
    };
    let (ours, theirs) = (credentials("ours", ICE_PASSWORD), credentials("them", "x"));
    let named = check.local_ufrag() == "ours";
    let authentic = check.is_authentic(&ours, &theirs);
    assert!(named || !authentic);
    assert!(
        !check.is_authentic(&credentials("ours", "another-password"), &theirs),
        "believed without the password"
    );
    let source = SocketAddr::from(([192, 0, 2, 7], 4242));
    let answer = check.answer(&ours, source).expect("an answer can be written");
    assert!(
        Check::parse(&answer).is_none(),
        "an answer is no check: two of us would talk for ever"
    );
}

/// Keys of both ends of a connection.
pub(crate) fn keys() -> (SrtpKeys, SrtpKeys) {
    let ours = SrtpKeys {
        remote_key: [1; 16],
        remote_salt: [2; 12],
        local_key: [3; 16],
        local_salt: [4; 12],
    };
    let theirs = SrtpKeys {
        remote_key: ours.local_key,
        remote_salt: ours.local_salt,
        local_key: ours.remote_key,
        local_salt: ours.remote_salt,
    };
    (ours, theirs)
}

fn sessions() -> (SrtpSession, SrtpSession) {
    let (ours, theirs) = keys();
    (
        SrtpSession::new(&ours).unwrap(),
        SrtpSession::new(&theirs).unwrap(),
    )
}

/// SRTP and SRTCP: what nobody sealed is not opened, and what was sealed is opened as long as it is whole.
pub fn open_srtp(packet: &[u8]) {
    let (mut ours, mut theirs) = sessions();
    let header = RtpHeader::parse(packet);
    let (len, ssrc, index) = header.map_or((0, 0, 0), |header| {
        (header.len, header.ssrc, header.sequence.into())
    });
    assert!(
        ours.open(&mut packet.to_vec(), len, ssrc, index).is_err(),
        "opened, but never sealed"
    );
    assert!(ours.open(&mut packet.to_vec(), usize::MAX, ssrc, index).is_err());
    assert!(ours.open_control(packet).is_err(), "opened, but never sealed");

    let mut sealed = packet.to_vec();
    sealed.extend([0; TAG]);
    theirs.seal(&mut sealed, len, ssrc, index).unwrap();
    let mut damaged = sealed.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(ours.open(&mut damaged, len, ssrc, index).is_err());
    assert!(
        ours.open(&mut sealed.clone(), len, ssrc, index + (1 << 16))
            .is_err()
    );
    assert_eq!(ours.open(&mut sealed, len, ssrc, index), Ok(packet.len()));
    assert_eq!(sealed[..packet.len()], *packet);

    if let Ok(sealed) = theirs.seal_control(packet) {
        let opened = ours.open_control(&sealed);
        assert!(opened.is_err() || opened.is_ok_and(|opened| opened[..] == *packet));
        assert!(ours.open_control(&sealed).is_err(), "opened twice");
    }
}

/// Sequence numbers and times as they come (three bytes each: the number, and ms since the one before): extended
/// numbers keep their low bits, none is accepted twice, and what is asked for again is bounded and really missing.
pub fn number_packets(arrivals: &[u8]) {
    let mut now = Instant::now();
    let (mut extender, mut timestamps) = (SequenceExtender::new(), TimestampExtender::default());
    let (mut replay, mut nack) = (ReplayWindow::default(), NackTracker::default());
    let (mut seen, mut highest) = (HashSet::new(), 0);
    for arrival in arrivals.chunks_exact(3) {
        let sequence = u16::from_be_bytes([arrival[0], arrival[1]]);
        now += Duration::from_millis(arrival[2].into());
        let number = extender.extend(sequence);
        assert_eq!(number as u16, sequence);
        let timestamp = u32::from_be_bytes([arrival[1], arrival[0], arrival[2], arrival[1]]);
        assert_eq!(timestamps.extend(timestamp) as u32, timestamp);
        highest = number.max(highest);
        assert_eq!(extender.highest(), Some(highest));

        let accepted = replay.accept(number);
        assert_eq!(accepted, number + REPLAY_WINDOW > highest && seen.insert(number));
        if !accepted {
            continue;
        }
        if arrival[2] % 16 == 5 {
            nack.on_recovered(now, number);
        } else {
            nack.on_packet(now, number);
        }
        nack.on_timestamp(now, timestamp, 90_000);
        let mut asked = ArrayVec::<u16, MISSING_MAX>::new();
        nack.poll_nacks(
            now + Duration::from_millis(20),
            Duration::from_millis(50),
            &mut asked,
        );
        assert!(!asked.contains(&sequence), "asked for what has just come");
        let _ = nack.key_frame_needed();
    }
    let stats = nack.report();
    assert!(stats.received <= seen.len() as u64 && stats.recovered <= seen.len() as u64);
    assert!((-0x80_0000..0x80_0000).contains(&stats.cumulative_lost));
}

/// Transport-wide numbers and times as they come (three bytes each: the number, and units of 4 ms since the one
/// before): every feedback is a whole RTCP packet of bounded length, and feedback comes to an end.
pub fn record_twcc(arrivals: &[u8]) {
    let mut now = Instant::now();
    let mut recorder = TwccRecorder::new();
    let mut out = Vec::new();
    let mut tell = |recorder: &mut TwccRecorder, now| {
        for told in 0.. {
            out.clear();
            if !recorder.poll_feedback(now, 1, 2, &mut out) {
                return;
            }
            assert!(told < 4_096, "feedback without end");
            assert!((24..=1_024).contains(&out.len()) && out.len().is_multiple_of(4));
            assert_eq!(
                usize::from(u16::from_be_bytes([out[2], out[3]])) * 4 + 4,
                out.len()
            );
            assert_eq!((out[0] & 0xdf, out[1]), (0x8f, 205));
        }
    };
    for arrival in arrivals.chunks_exact(3) {
        now += Duration::from_millis(4 * u64::from(arrival[2]));
        recorder.record(now, u16::from_be_bytes([arrival[0], arrival[1]]));
        tell(&mut recorder, now);
    }
    now += Duration::from_secs(1);
    tell(&mut recorder, now);
    assert_eq!(recorder.poll_timeout(), None, "everything has been told");
}
