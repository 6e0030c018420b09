//! Codecs: how messages and session descriptions name them, the formats of a media section, and which format of a
//! receiver can carry what a sender sends.

use super::offer::SectionKind;
use hanse_sfu_core::command::Codec;
use rtc_sdp::description::media::MediaDescription;

/// Every codec that can be forwarded, in the order in which clients are told of them: what every client can decode
/// first, because clients look for a fallback from the front; video before audio, because of an old Flutter client.
pub const CODECS: [Codec; 9] = [
    Codec::Vp8,
    Codec::H264,
    Codec::Vp9,
    Codec::Av1,
    Codec::H265,
    Codec::Opus,
    Codec::Red,
    Codec::Pcmu,
    Codec::Pcma,
];

/// Formats that are kept of one section; libwebrtc offers 14 that we forward. Further ones are not answered.
const FORMATS_PER_SECTION_MAX: usize = 40;

/// Bytes of a format's parameters (`a=fmtp`) that are kept. A format with more is not answered.
const PARAMETERS_BYTES_MAX: usize = 512;

/// A codec by its name in the configuration and in LiveKit's messages, in any case, with or without `audio/` or
/// `video/`. `None`: not one that we forward.
pub fn codec_named(name: &str) -> Option<Codec> {
    let name = name.trim();
    let bare = name.rsplit_once('/').map_or(name, |(_, bare)| bare);
    let codec = CODECS
        .into_iter()
        .find(|codec| codec.name().eq_ignore_ascii_case(bare))?;
    let kind = name.split_once('/').map(|(kind, _)| kind);
    let own = if codec.is_video() { "video" } else { "audio" };
    kind.is_none_or(|kind| kind.eq_ignore_ascii_case(own))
        .then_some(codec)
}

/// Its MIME type, in LiveKit's spelling.
pub(crate) const fn mime(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "audio/opus",
        Codec::Red => "audio/red",
        Codec::Pcmu => "audio/PCMU",
        Codec::Pcma => "audio/PCMA",
        Codec::Vp8 => "video/VP8",
        Codec::H264 => "video/H264",
        Codec::H265 => "video/H265",
        Codec::Vp9 => "video/VP9",
        Codec::Av1 => "video/AV1",
    }
}

/// What follows the payload type in `a=rtpmap`. Compared without regard to case.
pub(crate) const fn encoding(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus/48000/2",
        Codec::Red => "red/48000/2",
        Codec::Pcmu => "PCMU/8000",
        Codec::Pcma => "PCMA/8000",
        Codec::Vp8 => "VP8/90000",
        Codec::H264 => "H264/90000",
        Codec::H265 => "H265/90000",
        Codec::Vp9 => "VP9/90000",
        Codec::Av1 => "AV1/90000",
    }
}

/// Whether one stream of it may have several spatial layers.
pub(crate) const fn is_scalable(codec: Codec) -> bool {
    matches!(codec, Codec::Vp9 | Codec::Av1)
}

/// One payload type of a section, of a codec that we forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub codec: Codec,
    pub payload_type: u8,
    pub rtx_payload_type: Option<u8>,
    /// Of RED: the payload type of the Opus inside.
    pub primary_payload_type: Option<u8>,
    /// `a=fmtp` as offered; empty: there is none.
    pub parameters: String,
    pub feedback: Feedback,
}

/// RTCP feedback that an offer has for a format (RFC 4585).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Feedback {
    pub transport_cc: bool,
    pub remb: bool,
    pub fir: bool,
    pub nack: bool,
    pub pli: bool,
}

/// What a decoder must be able to do besides knowing the codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// The codec has only one.
    Only,
    /// RFC 6184, section 8.1.
    H264 {
        profile: H264Profile,
        /// `packetization-mode`: 0 is one NAL unit a packet, 1 has aggregates and fragments.
        mode: u8,
        /// `level_idc`, if it binds whoever sends to this format; `None` with `level-asymmetry-allowed`.
        level_max: Option<u8>,
    },
    /// A number, equal or not: VP9's `profile-id` (RFC 9628), AV1's `profile`, H265's `profile-id` (RFC 7798).
    Number(u8),
}

/// Profiles of H264, each of which decodes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum H264Profile {
    /// Also plain baseline: what it has beyond the constrained one, no WebRTC encoder uses.
    Baseline,
    Main,
    High,
    /// Not decoded by ordinary receivers, and no receiver for others.
    Other(u8),
}

impl Format {
    /// One parameter of `a=fmtp`.
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|parameter| {
            let (own, value) = parameter.trim().split_once('=')?;
            own.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    fn number(&self, name: &str) -> Option<u8> {
        self.parameter(name)?.parse().ok()
    }

    pub fn profile(&self) -> Profile {
        match self.codec {
            Codec::H264 => {
                // RFC 6184: without the parameter it is baseline at level 1.
                let id = self
                    .parameter("profile-level-id")
                    .and_then(|id| u32::from_str_radix(id, 16).ok())
                    .filter(|id| *id <= 0xFF_FFFF)
                    .unwrap_or(0x42_000A);
                let [_, idc, constraints, level] = id.to_be_bytes();
                let profile = match idc {
                    0x42 => H264Profile::Baseline,
                    // Extended and main with the first constraint are baseline (RFC 6184, table 5).
                    0x4D | 0x58 if constraints & 0x80 != 0 => H264Profile::Baseline,
                    0x4D => H264Profile::Main,
                    0x64 => H264Profile::High,
                    other => H264Profile::Other(other),
                };
                Profile::H264 {
                    profile,
                    mode: self.number("packetization-mode").unwrap_or(0),
                    level_max: (self.number("level-asymmetry-allowed") != Some(1)).then_some(level),
                }
            }
            Codec::Vp9 => Profile::Number(self.number("profile-id").unwrap_or(0)),
            Codec::Av1 => Profile::Number(self.number("profile").unwrap_or(0)),
            Codec::H265 => Profile::Number(self.number("profile-id").unwrap_or(1)),
            Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma | Codec::Vp8 => Profile::Only,
        }
    }

    /// Whether a receiver that offers this format can decode what a sender sends with `sent`.
    pub fn decodes(&self, sent: &Format) -> bool {
        self.codec == sent.codec
            && match (self.profile(), sent.profile()) {
                (
                    Profile::H264 {
                        profile,
                        mode,
                        level_max,
                    },
                    Profile::H264 {
                        profile: sent_profile,
                        mode: sent_mode,
                        level_max: sent_level,
                    },
                ) => {
                    let is_decoded = match (profile, sent_profile) {
                        (H264Profile::Other(own), H264Profile::Other(sent)) => own == sent,
                        (H264Profile::Other(_), _) | (_, H264Profile::Other(_)) => false,
                        (own, sent) => own >= sent,
                    };
                    let is_low_enough = match (level_max, sent_level) {
                        (Some(own), Some(sent)) => own >= sent,
                        _ => true,
                    };
                    is_decoded && mode >= sent_mode && is_low_enough
                }
                (own, sent) => own == sent,
            }
    }
}

/// Which of a receiver's formats carries what is sent with `sent`: the one that is most like it.
pub(crate) fn matching<'a>(formats: &'a [Format], sent: &Format) -> Option<&'a Format> {
    formats
        .iter()
        .find(|format| format.codec == sent.codec && format.profile() == sent.profile())
        .or_else(|| formats.iter().find(|format| format.decodes(sent)))
}

/// With which format of a section a client shall send a codec. The more receivers can decode it the better: of H264 it
/// is the lowest profile, in fragments; of the others the first one, which is the client's own preference.
pub(crate) fn to_publish(formats: &[Format], codec: Codec) -> Option<&Format> {
    let own = || formats.iter().filter(move |format| format.codec == codec);
    let is_universal = |format: &&Format| {
        matches!(
            format.profile(),
            Profile::H264 {
                profile: H264Profile::Baseline,
                mode: 1,
                ..
            }
        )
    };
    own().find(is_universal).or_else(|| own().next())
}

/// The formats of a section that we can forward, in the client's order, if the codec is among `enabled`.
pub(crate) fn read_formats(media: &MediaDescription, kind: SectionKind, enabled: &[Codec]) -> Vec<Format> {
    let listed = &media.media_name.formats;
    let mut formats: Vec<Format> = Vec::new();
    for payload in listed {
        if formats.len() >= FORMATS_PER_SECTION_MAX {
            break;
        }
        let Some(payload_type) = parse_payload_type(payload) else {
            continue;
        };
        let is_new = !formats.iter().any(|format| format.payload_type == payload_type);
        let mapped = mapping(media, payload);
        let codec = enabled.iter().copied().find(|codec| {
            codec.is_video() == (kind == SectionKind::Video)
                && mapped.is_some_and(|mapped| mapped.eq_ignore_ascii_case(encoding(*codec)))
        });
        let Some(codec) = codec.filter(|_| is_new) else {
            continue;
        };
        let parameters = values(media, "fmtp")
            .find(|(own, _)| own == payload)
            .map_or("", |(_, value)| value.trim());
        if parameters.len() > PARAMETERS_BYTES_MAX {
            continue;
        }
        let rtx = values(media, "fmtp").find(|(rtx, parameters)| {
            let apt = parameters
                .split(';')
                .find_map(|parameter| parameter.trim().strip_prefix("apt="));
            apt == Some(payload)
                && mapping(media, rtx).is_some_and(|mapped| mapped.eq_ignore_ascii_case("rtx/90000"))
                && listed.iter().any(|own| own == rtx)
        });
        let primary = parameters.split('/').next().and_then(parse_payload_type);
        formats.push(Format {
            codec,
            payload_type,
            rtx_payload_type: rtx.and_then(|(rtx, _)| parse_payload_type(rtx)),
            primary_payload_type: primary.filter(|_| codec == Codec::Red),
            parameters: parameters.to_owned(),
            feedback: read_feedback(media, payload),
        });
    }
    // RED is of use only around an Opus that the section has, too.
    let opus: Vec<u8> = formats
        .iter()
        .filter(|format| format.codec == Codec::Opus)
        .map(|format| format.payload_type)
        .collect();
    formats.retain(|format| {
        format.codec != Codec::Red
            || format
                .primary_payload_type
                .is_some_and(|primary| opus.contains(&primary))
    });
    formats
}

fn values<'a>(media: &'a MediaDescription, key: &'static str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let own = media
        .attributes
        .iter()
        .filter(move |attribute| attribute.key == key);
    own.filter_map(|attribute| attribute.value.as_deref()?.split_once(' '))
}

/// The encoding of a payload type. Two of our codecs have a payload type of their own (RFC 3551, table 4) and need no
/// `a=rtpmap`.
fn mapping<'a>(media: &'a MediaDescription, payload: &str) -> Option<&'a str> {
    match values(media, "rtpmap").find(|(own, _)| *own == payload) {
        Some((_, value)) => Some(value.trim()),
        None => match payload {
            "0" => Some(encoding(Codec::Pcmu)),
            "8" => Some(encoding(Codec::Pcma)),
            _ => None,
        },
    }
}

/// Whether two sections say the same about their formats, so that [`read_formats`] says the same of both.
pub(crate) fn has_same_formats(one: &MediaDescription, other: &MediaDescription) -> bool {
    fn said(media: &MediaDescription) -> impl Iterator<Item = (&str, Option<&str>)> {
        let all = media.attributes.iter();
        let of_formats =
            all.filter(|attribute| matches!(attribute.key.as_str(), "rtpmap" | "fmtp" | "rtcp-fb"));
        of_formats.map(|attribute| (attribute.key.as_str(), attribute.value.as_deref()))
    }
    one.media_name.media == other.media_name.media
        && one.media_name.formats == other.media_name.formats
        && said(one).eq(said(other))
}

/// What feedback a section promises about a payload type.
pub(crate) fn read_feedback(media: &MediaDescription, payload: &str) -> Feedback {
    let mut feedback = Feedback::default();
    for (_, value) in values(media, "rtcp-fb").filter(|(own, _)| *own == payload || *own == "*") {
        match value.trim() {
            "transport-cc" => feedback.transport_cc = true,
            "goog-remb" => feedback.remb = true,
            "ccm fir" => feedback.fir = true,
            "nack" => feedback.nack = true,
            "nack pli" => feedback.pli = true,
            _ => {}
        }
    }
    feedback
}

fn parse_payload_type(text: &str) -> Option<u8> {
    text.trim()
        .parse()
        .ok()
        .filter(|payload_type| *payload_type < 128)
}
