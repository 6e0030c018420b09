//! The numbers of our own offers: payload types and header extensions. They are the same on every section and in every
//! session, so that a section can carry one track after another, and one payload type means one thing in the BUNDLE.
//!
//! Payload types are those of Chromium where it has one for the codec: clients that seal frames look a received payload
//! type up in what they negotiated for their own (livekit-client, `RTPVideoPayloadTypes`).

use super::codec::{Feedback, Format};
use super::extension::Extension;
use super::offer::SectionKind;
use hanse_sfu_core::command::{Codec, ExtensionIds};

/// Every format that we offer: codec, payload type, that of its retransmissions, parameters. Those of Opus depend on the
/// tracks and are written elsewhere.
const TABLE: [(Codec, u8, Option<u8>, &str); 11] = [
    (Codec::Opus, OPUS, None, ""),
    (Codec::Red, 63, None, "111/111"),
    (Codec::Pcmu, 0, None, ""),
    (Codec::Pcma, 8, None, ""),
    (Codec::Vp8, 96, Some(97), ""),
    (Codec::Vp9, 98, Some(99), "profile-id=0"),
    (
        Codec::H264,
        106,
        Some(107),
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ),
    (
        Codec::H264,
        108,
        Some(109),
        "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f",
    ),
    (
        Codec::H264,
        127,
        Some(125),
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f",
    ),
    (Codec::Av1, 45, Some(46), "level-idx=5;profile=0;tier=0"),
    (
        Codec::H265,
        49,
        Some(50),
        "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST",
    ),
];

/// RED has Opus inside (RFC 2198); its parameters name this number.
const OPUS: u8 = 111;

/// Our formats of some codecs.
pub(crate) fn formats(is_meant: impl Fn(Codec) -> bool) -> Vec<Format> {
    let format =
        |(codec, payload_type, rtx_payload_type, parameters): (Codec, u8, Option<u8>, &str)| Format {
            codec,
            payload_type,
            rtx_payload_type,
            primary_payload_type: (codec == Codec::Red).then_some(OPUS),
            parameters: parameters.to_owned(),
            feedback: Feedback::default(),
        };
    let meant = TABLE.into_iter().filter(|(codec, ..)| is_meant(*codec));
    meant.map(format).collect()
}

/// The header extensions of a section's kind, and the numbers that we give them.
pub(crate) fn extensions(kind: SectionKind) -> impl Iterator<Item = (u8, Extension)> {
    let is_video = kind == SectionKind::Video;
    let all = [
        (1, Extension::Mid, true),
        (2, Extension::AbsSendTime, is_video),
        (3, Extension::DependencyDescriptor, is_video),
        (4, Extension::TransportCc, is_video),
    ];
    all.into_iter()
        .filter(|(_, _, is_used)| *is_used)
        .map(|(id, extension, _)| (id, extension))
}

/// What is left of our extensions when the client has answered with `theirs`.
pub(crate) fn agreed(theirs: ExtensionIds) -> ExtensionIds {
    let keep = |extension: Extension, answered: Option<u8>| {
        let ours = extensions(SectionKind::Video)
            .find(|(_, own)| *own == extension)
            .map(|(id, _)| id);
        answered.filter(|id| Some(*id) == ours)
    };
    ExtensionIds {
        mid: keep(Extension::Mid, theirs.mid),
        abs_send_time: keep(Extension::AbsSendTime, theirs.abs_send_time),
        dependency_descriptor: keep(Extension::DependencyDescriptor, theirs.dependency_descriptor),
        transport_cc: keep(Extension::TransportCc, theirs.transport_cc),
        ..ExtensionIds::default()
    }
}
