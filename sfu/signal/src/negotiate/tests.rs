use super::answer::{Answer, OpusParameters, OutgoingTrack, SectionAnswer};
use super::candidate::{Candidate, CandidateTransport};
use super::codec::CODECS;
use super::offer::{Msid, Offer, OfferError, SectionKind};
use hanse_sfu_core::command::{Codec, ExtensionIds, IceCredentials, LayerSource};
use hanse_sfu_core::ids::Layer;

/// Of Chromium 156: 3 audio and 3 video slots, microphone, camera (simulcast), screen, data.
const CAPTURE: &str = include_str!("../../tests/offers/chromium-publish.sdp");

const PLAIN: OpusParameters = OpusParameters {
    stereo: false,
    dtx: true,
    sends_stereo: false,
};

/// A small offer with one section, whose attributes are given.
fn small(media: &str, attributes: &str) -> String {
    let head = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0\n";
    let fingerprint = ["AB"; 32].join(":");
    let transport = format!(
        "c=IN IP4 0.0.0.0\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=fingerprint:sha-256 {fingerprint}\n\
         a=setup:actpass\na=rtcp-mux\n"
    );
    format!("{head}m={media}\n{transport}{attributes}\n")
}

fn small_video(attributes: &str) -> Offer {
    let codecs = "a=mid:0\na=rtpmap:100 H264/90000\na=rtpmap:101 vp8/90000\na=rtpmap:102 rtx/90000\na=fmtp:102 apt=101";
    Offer::parse(
        &small(
            "video 9 UDP/TLS/RTP/SAVPF 100 101 102",
            &format!("{codecs}\n{attributes}"),
        ),
        &CODECS,
    )
    .unwrap()
}

fn audio(attributes: &str) -> Result<Offer, OfferError> {
    Offer::parse(
        &small(
            "audio 9 UDP/TLS/RTP/SAVPF 111",
            &format!("a=rtpmap:111 opus/48000/2\n{attributes}"),
        ),
        &CODECS,
    )
}

fn local() -> IceCredentials {
    IceCredentials {
        ufrag: "ours".into(),
        password: "p".repeat(24),
    }
}

fn answer(offer: &Offer, opus: OpusParameters, sections: Vec<SectionAnswer>) -> String {
    let candidates = [Candidate {
        transport: CandidateTransport::Udp,
        address: "192.0.2.1:7882".parse().unwrap(),
    }];
    let local = local();
    Answer {
        offer,
        local: &local,
        fingerprint: "sha-256 AB",
        candidates: &candidates,
        sdp_session: 1,
        sdp_version: 2,
        opus,
        sections,
    }
    .write()
}

fn block(answer: &str, place: usize) -> Vec<&str> {
    answer.split("\r\nm=").nth(place + 1).unwrap().lines().collect()
}

fn outgoing() -> OutgoingTrack {
    OutgoingTrack {
        stream_id: "PA_a|TR_b".into(),
        track_sid: "TR_b".into(),
        ssrc: 5,
        rtx_ssrc: Some(6),
        payload_type: 96,
    }
}

#[test]
fn a_chromium_offer_is_read_whole() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let kinds: Vec<SectionKind> = offer.sections.iter().map(|section| section.kind).collect();
    let (a, v) = (SectionKind::Audio, SectionKind::Video);
    assert_eq!(kinds, [a, a, a, v, v, v, a, v, v, SectionKind::Data]);
    assert!(offer.sections.iter().all(|section| !section.is_refused));
    let directions: Vec<_> = offer
        .sections
        .iter()
        .map(|section| (section.sends, section.receives))
        .collect();
    assert_eq!(directions[..6], [(false, true); 6]);
    assert_eq!(directions[6..9], [(true, false); 3]);
    let camera = &offer.sections[7];
    let formats: Vec<_> = camera
        .formats
        .iter()
        .map(|format| (format.codec, format.payload_type, format.rtx_payload_type))
        .collect();
    assert_eq!(formats.first(), Some(&(Codec::Vp8, 96, Some(97))));
    assert!(formats.contains(&(Codec::H264, 108, Some(109))));
    assert!(formats.contains(&(Codec::Av1, 45, Some(46))));
    assert!(formats.contains(&(Codec::Vp9, 100, Some(101))));
    let audio: Vec<_> = offer.sections[0]
        .formats
        .iter()
        .map(|format| (format.codec, format.payload_type, format.primary_payload_type))
        .collect();
    assert_eq!(
        audio,
        [
            (Codec::Opus, 111, None),
            (Codec::Red, 63, Some(111)),
            (Codec::Pcmu, 0, None),
            (Codec::Pcma, 8, None)
        ]
    );
    assert!(
        std::sync::Arc::ptr_eq(&offer.sections[3].formats, &offer.sections[5].formats),
        "equal lists are kept once"
    );
    assert_eq!(
        camera.rids.iter().map(|rid| rid.as_str()).collect::<Vec<_>>(),
        ["q", "h", "f"]
    );
    let screen = &offer.sections[8];
    assert_eq!(
        screen.msid,
        Some(Msid {
            stream: "-".into(),
            track: "ddcee637-a4d1-4189-b6fb-2e4a5722ef48".into()
        })
    );
    let one = LayerSource {
        layer: Layer(0),
        rid: None,
        ssrc: Some(2_843_800_252),
        rtx_ssrc: Some(803_772_243),
    };
    assert_eq!(screen.layers(), [one]);
    assert_eq!(
        offer.extensions,
        ExtensionIds {
            mid: Some(4),
            rid: Some(10),
            repaired_rid: Some(11),
            audio_level: Some(1),
            transport_cc: Some(3),
            abs_send_time: Some(2),
            dependency_descriptor: Some(12),
        }
    );
}

#[test]
fn a_section_that_says_something_else_of_its_formats_has_its_own_and_a_like_one_shares_them() {
    // The second of two video slots that are alike.
    let start = CAPTURE.match_indices("m=video").nth(1).unwrap().0;
    let changed = |from: &str, to: &str| {
        let (before, own) = CAPTURE.split_at(start);
        assert!(own.contains(from));
        let offer = Offer::parse(&format!("{before}{}", own.replacen(from, to, 1)), &CODECS).unwrap();
        let [one, other] = [3, 4].map(|place| offer.sections[place].formats.clone());
        (std::sync::Arc::ptr_eq(&one, &other), one == other)
    };
    assert_eq!(changed("a=recvonly", "a=recvonly"), (true, true));
    for (from, to) in [
        ("a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP7/90000"),
        ("a=fmtp:98 profile-id=0", "a=fmtp:98 profile-id=1"),
        ("a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 nothing"),
        ("SAVPF 96 97 98", "SAVPF 98 97 96"),
    ] {
        assert_eq!(changed(from, to), (false, false), "{to}");
    }
}

fn receiving(codec: Codec) -> SectionAnswer {
    SectionAnswer {
        receives: Some(codec),
        sends: None,
    }
}

/// Payload types of an m-line.
fn payload_types(answer: &str, place: usize) -> Vec<u8> {
    let line = block(answer, place)[0];
    line.split(' ')
        .skip(3)
        .map(|word| word.parse().unwrap())
        .collect()
}

#[test]
fn payload_types_are_echoed_and_what_we_do_not_forward_is_dropped() {
    let offer = small_video("a=sendonly");
    let text = answer(&offer, PLAIN, vec![receiving(Codec::Vp8)]);
    let block = block(&text, 0);
    assert_eq!(block[0], "video 9 UDP/TLS/RTP/SAVPF 101 102 100");
    assert!(block.contains(&"a=rtpmap:101 VP8/90000") && block.contains(&"a=fmtp:102 apt=101"));
    let capture = Offer::parse(CAPTURE, &CODECS).unwrap();
    let text = answer(&capture, PLAIN, vec![SectionAnswer::default(); 10]);
    for name in ["red/90000", "flexfec", "ulpfec", "telephone-event", "G722", "CN/"] {
        assert!(!text.contains(name), "{name}");
    }
}

#[test]
fn a_codec_that_is_not_enabled_is_not_negotiated_at_all() {
    let offer = Offer::parse(CAPTURE, &[Codec::Opus, Codec::Vp8]).unwrap();
    let text = answer(&offer, PLAIN, vec![SectionAnswer::default(); 10]);
    for name in ["H264", "VP9", "AV1", "red/", "PCMU"] {
        assert!(!text.contains(name), "{name}");
    }
}

#[test]
fn a_published_section_is_answered_with_the_wanted_codec_and_no_other() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    for (codec, expected) in [
        (Codec::Vp8, &[96, 97][..]),
        (Codec::H264, &[102, 103]),
        (Codec::Vp9, &[98, 99]),
        (Codec::Av1, &[45, 46]),
    ] {
        let mut sections = vec![SectionAnswer::default(); 10];
        sections[7] = receiving(codec);
        let text = answer(&offer, PLAIN, sections);
        assert_eq!(payload_types(&text, 7), expected);
    }
}

#[test]
fn red_is_answered_together_with_the_opus_inside_it() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let mut sections = vec![SectionAnswer::default(); 10];
    sections[6] = receiving(Codec::Red);
    sections[0].sends = Some(OutgoingTrack {
        payload_type: 63,
        ..outgoing()
    });
    let text = answer(&offer, PLAIN, sections);
    assert_eq!(payload_types(&text, 6), [63, 111]);
    assert_eq!(payload_types(&text, 0), [63, 111]);
    assert_eq!(
        payload_types(&text, 1),
        [111],
        "an unused slot stands for nothing in particular"
    );
    assert!(block(&text, 6).contains(&"a=fmtp:63 111/111"));
}

#[test]
fn the_first_video_section_tells_what_every_payload_type_means() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let mut sections = vec![SectionAnswer::default(); 10];
    sections[3].sends = Some(OutgoingTrack {
        payload_type: 98,
        ..outgoing()
    });
    let text = answer(&offer, PLAIN, sections);
    let legend = payload_types(&text, 3);
    assert_eq!(legend[..2], [98, 99], "what goes out comes first");
    assert!([96, 102, 45].iter().all(|payload| legend.contains(payload)));
    assert_eq!(payload_types(&text, 4), [96, 97]);
}

#[test]
fn one_payload_type_has_the_same_parameters_everywhere_and_those_of_what_is_published_count() {
    let own = "a=fmtp:98 profile-id=0\r\n";
    let (head, published) = CAPTURE.split_at(CAPTURE.find("a=mid:14").unwrap());
    let published = published.replace(own, "a=fmtp:98 profile-id=0;x-google-start-bitrate=900\r\n");
    let offer = Offer::parse(&format!("{head}{published}"), &CODECS).unwrap();
    let mut sections = vec![SectionAnswer::default(); 10];
    sections[7] = receiving(Codec::Vp9);
    let text = answer(&offer, PLAIN, sections);
    assert_eq!(
        text.matches("a=fmtp:98 profile-id=0;x-google-start-bitrate=900\r\n")
            .count(),
        2
    );
    assert_eq!(text.matches("a=fmtp:98 ").count(), 2);
}

#[test]
fn mixed_header_extensions_are_accepted_where_they_are_offered() {
    let line = "a=extmap-allow-mixed\r\n";
    let with = answer(&Offer::parse(CAPTURE, &CODECS).unwrap(), PLAIN, Vec::new());
    assert_eq!(with.matches(line).count(), 1);
    assert!(with.find(line) < with.find("m=audio"), "for all sections");
    let without = CAPTURE.replacen(line, "", 1);
    let without = answer(&Offer::parse(&without, &CODECS).unwrap(), PLAIN, Vec::new());
    assert!(!without.contains("allow-mixed"));
    let one = audio("a=mid:0\na=extmap-allow-mixed").unwrap();
    let one = answer(&one, PLAIN, Vec::new());
    assert!(block(&one, 0).contains(&"a=extmap-allow-mixed"));
}

#[test]
fn the_dependency_descriptor_alone_may_have_an_id_that_takes_the_two_byte_form() {
    let descriptor =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
    let ids = |extra: &str, id: u8| {
        let lines = format!("a=sendonly\n{extra}a=extmap:{id} {descriptor}");
        small_video(&lines).extensions.dependency_descriptor
    };
    assert_eq!(ids("", 14), Some(14));
    assert_eq!(ids("", 15), None);
    assert_eq!(ids("a=extmap-allow-mixed\n", 15), Some(15));
}

#[test]
fn an_answer_is_ice_lite_and_passive_with_our_candidates_in_the_first_section() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let text = answer(&offer, PLAIN, vec![SectionAnswer::default(); 10]);
    assert!(text.contains("\r\na=ice-lite\r\n"));
    assert!(text.contains("\r\na=group:BUNDLE 7 8 9 10 11 12 13 14 15 16\r\n"));
    assert_eq!(text.matches("a=setup:passive").count(), 10);
    assert_eq!(text.matches("a=candidate:").count(), 1);
    assert!(block(&text, 0).contains(&"a=candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host"));
    assert!(block(&text, 0).contains(&"a=end-of-candidates"));
    let data = block(&text, 9);
    assert_eq!(data[0], "application 9 UDP/DTLS/SCTP webrtc-datachannel");
    assert!(data.contains(&"a=sctp-port:5000") && data.contains(&"a=max-message-size:65535"));
    assert!(text.ends_with("\r\n") && !text.contains("sctp-init") && !text.contains("goog-sped"));
}

#[test]
fn a_slot_says_whose_track_it_carries_and_an_unused_one_is_inactive() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let mut sections = vec![SectionAnswer::default(); 10];
    sections[3].sends = Some(outgoing());
    let text = answer(&offer, PLAIN, sections);
    let busy = block(&text, 3);
    for line in [
        "a=sendonly",
        "a=msid:PA_a|TR_b TR_b",
        "a=ssrc-group:FID 5 6",
        "a=ssrc:5 cname:PA_a|TR_b",
        "a=ssrc:6 cname:PA_a|TR_b",
    ] {
        assert!(busy.contains(&line), "{line}");
    }
    let free = block(&text, 4);
    assert!(free.contains(&"a=inactive"));
    assert!(
        !free
            .iter()
            .any(|line| line.contains("msid") || line.contains("ssrc:"))
    );
}

#[test]
fn feedback_follows_the_direction() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let text = answer(
        &offer,
        PLAIN,
        vec![
            SectionAnswer {
                receives: Some(Codec::Vp8),
                sends: None
            };
            10
        ],
    );
    let feedback = |place| -> Vec<String> {
        let lines = block(&text, place);
        lines
            .iter()
            .filter_map(|line| line.strip_prefix("a=rtcp-fb:96 "))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(feedback(7), ["transport-cc", "ccm fir", "nack", "nack pli"]);
    assert_eq!(
        feedback(3),
        ["transport-cc", "goog-remb", "ccm fir", "nack", "nack pli"]
    );
    assert!(!text.contains("a=rtcp-fb:111"));
}

#[test]
fn sound_that_comes_in_is_asked_for_again_but_not_with_redundancy_and_not_what_goes_out() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let sound = |receives: Option<Codec>| {
        let mut sections = vec![SectionAnswer::default(); 10];
        sections[0].sends = Some(OutgoingTrack {
            rtx_ssrc: None,
            payload_type: 111,
            ..outgoing()
        });
        sections[6].receives = receives;
        let text = answer(&offer, PLAIN, sections);
        let lines = |place| -> Vec<String> {
            let block = block(&text, place);
            let feedback = block.iter().filter(|line| line.starts_with("a=rtcp-fb:"));
            feedback.map(|line| (*line).to_owned()).collect()
        };
        (lines(0), lines(6))
    };
    assert_eq!(
        sound(Some(Codec::Opus)),
        (vec![], vec!["a=rtcp-fb:111 nack".to_owned()])
    );
    assert_eq!(
        sound(Some(Codec::Pcmu)),
        (vec![], vec!["a=rtcp-fb:0 nack".to_owned()])
    );
    assert_eq!(sound(Some(Codec::Red)), (vec![], vec![]));
    assert_eq!(sound(None), (vec![], vec![]));
}

#[test]
fn slots_keep_the_extensions_that_publishing_will_need() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let text = answer(&offer, PLAIN, vec![SectionAnswer::default(); 10]);
    let ids = |place| -> Vec<u32> {
        let lines = block(&text, place);
        let extmaps = lines.iter().filter_map(|line| line.strip_prefix("a=extmap:"));
        extmaps
            .map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect()
    };
    assert_eq!(ids(0), [1, 4]);
    assert_eq!(ids(3), [2, 3, 4, 10, 11]);
    assert_eq!(ids(7), [2, 3, 4, 10, 11, 12]);
}

#[test]
fn simulcast_is_accepted_with_its_rids_and_only_where_we_receive() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let mut sections = vec![SectionAnswer::default(); 10];
    sections[7].receives = Some(Codec::Vp8);
    let text = answer(&offer, PLAIN, sections.clone());
    let camera = block(&text, 7);
    for line in [
        "a=recvonly",
        "a=rid:q recv",
        "a=rid:h recv",
        "a=rid:f recv",
        "a=simulcast:recv q;h;f",
    ] {
        assert!(camera.contains(&line), "{line}");
    }
    sections[7].receives = None;
    let text = answer(&offer, PLAIN, sections);
    assert!(block(&text, 7).contains(&"a=inactive"));
    assert!(!text.contains("a=simulcast"));
}

#[test]
fn opus_has_one_set_of_parameters_on_every_section() {
    let offer = Offer::parse(CAPTURE, &CODECS).unwrap();
    let all = OpusParameters {
        stereo: true,
        dtx: false,
        sends_stereo: true,
    };
    for (opus, parameters) in [
        (PLAIN, "minptime=10;useinbandfec=1;usedtx=1"),
        (
            all,
            "minptime=10;useinbandfec=1;stereo=1;maxaveragebitrate=510000;sprop-stereo=1",
        ),
    ] {
        let text = answer(&offer, opus, vec![SectionAnswer::default(); 10]);
        assert_eq!(text.matches(&format!("a=fmtp:111 {parameters}\r\n")).count(), 4);
        assert_eq!(text.matches("a=fmtp:111").count(), 4);
    }
}

#[test]
fn layers_are_ordered_by_their_rids() {
    let layers = |line: &str| -> Vec<String> {
        let offer = small_video(&format!("a=sendonly\na=simulcast:send {line}"));
        let layers = offer.sections[0].layers();
        layers
            .iter()
            .map(|layer| layer.rid.unwrap().to_string())
            .collect()
    };
    assert_eq!(layers("f;h;q"), ["q", "h", "f"]);
    assert_eq!(layers("0;1;2"), ["2", "1", "0"]);
    assert_eq!(layers("~q;h,x"), ["q", "h"]);
    assert_eq!(layers("low;high"), ["low", "high"]);
    assert_eq!(layers("a;b;c;d"), ["a", "b", "c"], "three at most");
}

#[test]
fn simulcast_without_rids_is_told_apart_by_ssrc() {
    let lines = "a=sendonly\na=ssrc:1 cname:c\na=ssrc:2 cname:c\na=ssrc:11 cname:c\na=ssrc-group:SIM 1 2\n\
                 a=ssrc-group:FID 1 11";
    let layers = small_video(lines).sections[0].layers();
    assert_eq!(layers.len(), 2);
    assert_eq!((layers[0].ssrc, layers[0].rtx_ssrc), (Some(1), Some(11)));
    assert_eq!(
        (layers[1].ssrc, layers[1].rtx_ssrc, layers[1].layer),
        (Some(2), None, Layer(1))
    );
}

#[test]
fn a_section_that_we_cannot_serve_is_refused_in_its_place() {
    let offer = small(
        "video 9 UDP/TLS/RTP/SAVPF 100",
        "a=mid:0\na=rtpmap:100 theora/90000",
    );
    assert_eq!(Offer::parse(&offer, &CODECS).unwrap_err(), OfferError::Nothing);
    let two = CAPTURE.replacen("m=audio 9", "m=audio 0", 1);
    let offer = Offer::parse(&two, &CODECS).unwrap();
    assert!(offer.sections[0].is_refused && !offer.sections[1].is_refused);
    let text = answer(&offer, PLAIN, vec![SectionAnswer::default(); 10]);
    assert!(block(&text, 0)[0].starts_with("audio 0 "));
    assert!(block(&text, 0).contains(&"a=mid:7"));
    assert!(text.contains("BUNDLE 8 9"));
    assert!(
        block(&text, 1).contains(&"a=end-of-candidates"),
        "the next one speaks for the transport"
    );
}

#[test]
fn a_bundle_only_section_is_served_and_one_outside_the_bundle_is_not() {
    let bundled =
        CAPTURE
            .replacen("m=audio 9", "m=audio 0", 1)
            .replacen("a=mid:7", "a=bundle-only\r\na=mid:7", 1);
    assert!(!Offer::parse(&bundled, &CODECS).unwrap().sections[0].is_refused);
    let outside = CAPTURE.replacen("BUNDLE 7 8", "BUNDLE 8", 1);
    assert!(Offer::parse(&outside, &CODECS).unwrap().sections[0].is_refused);
}

#[test]
fn bad_offers_are_refused_for_a_reason() {
    assert!(audio("a=mid:0").is_ok());
    assert_eq!(Offer::parse("", &CODECS).unwrap_err(), OfferError::Syntax);
    assert_eq!(audio("").unwrap_err(), OfferError::Mid);
    assert_eq!(
        audio(&format!("a=mid:{}", "m".repeat(17))).unwrap_err(),
        OfferError::Mid
    );
    assert_eq!(audio("a=mid:a b").unwrap_err(), OfferError::Mid);
    let twice = CAPTURE.replacen("a=mid:8", "a=mid:7", 1);
    assert_eq!(Offer::parse(&twice, &CODECS).unwrap_err(), OfferError::MidTwice);
    let rid = CAPTURE.replacen(
        "simulcast:send q",
        &format!("simulcast:send {}", "q".repeat(17)),
        1,
    );
    assert_eq!(Offer::parse(&rid, &CODECS).unwrap_err(), OfferError::Rid);
    let good = small(
        "audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=rtpmap:111 opus/48000/2\na=mid:0",
    );
    for (from, to, error) in [
        ("setup:actpass", "setup:passive", OfferError::Setup),
        ("setup:actpass", "setup:holdconn", OfferError::Setup),
        ("ice-ufrag:abcd", "ice-ufrag:abc", OfferError::Ice),
        ("ice-ufrag:abcd", "ice-ufrag:ab cd", OfferError::Ice),
        ("ice-pwd:0123", "ice-pwd:", OfferError::Ice),
        ("sha-256", "sha-1", OfferError::Fingerprint),
        ("AB:AB\n", "AB\n", OfferError::Fingerprint),
        ("AB:AB\n", "AB:XY\n", OfferError::Fingerprint),
        ("SAVPF", "AVP", OfferError::Nothing),
    ] {
        assert_eq!(
            Offer::parse(&good.replacen(from, to, 1), &CODECS).unwrap_err(),
            error,
            "{from} -> {to}"
        );
        assert!(!error.to_string().is_empty());
    }
    assert!(Offer::parse(&good.replacen("setup:actpass", "setup:active", 1), &CODECS).is_ok());
}

#[test]
fn the_first_section_decides_what_an_extension_id_means() {
    let uri = "urn:ietf:params:rtp-hdrext:sdes:mid";
    let second = CAPTURE.replacen(
        &format!("a=extmap:4 {uri}\r\na=recvonly"),
        &format!("a=extmap:9 {uri}\r\na=recvonly"),
        1,
    );
    let offer = Offer::parse(&second, &CODECS).unwrap();
    assert_eq!(offer.extensions.mid, Some(9));
    assert!(offer.sections[0].extensions.iter().any(|extmap| extmap.id == 9));
    assert!(
        !offer.sections[1].extensions.iter().any(|extmap| extmap.id == 4),
        "a contradiction is dropped"
    );
}

#[test]
fn two_byte_ids_are_not_accepted_and_directions_are_mirrored() {
    let uri = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    let offer = audio(&format!("a=mid:0\na=extmap:15 {uri}")).unwrap();
    assert!(offer.sections[0].extensions.is_empty());
    let offer = audio(&format!("a=mid:0\na=extmap:3/sendonly {uri}")).unwrap();
    let text = answer(&offer, PLAIN, vec![SectionAnswer::default()]);
    assert!(text.contains(&format!("a=extmap:3/recvonly {uri}")));
}
