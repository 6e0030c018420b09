//! Reading an offer (RFC 8866, RFC 9429): which sections it has, and what of each we can use. An offer comes from a
//! stranger; everything that is kept of it is checked or bounded here, and what is not understood is not kept.

use crate::limits::{MEDIA_SECTIONS_MAX, OFFER_BYTES_MAX, OFFER_LINES_MAX};
use hanse_sfu_core::command::{Codec, ExtensionIds, Fingerprint, IceCredentials, LayerSource};
use hanse_sfu_core::ids::{LAYERS_MAX, Layer, Mid, Rid};
use rtc_sdp::description::media::MediaDescription;
use rtc_sdp::description::session::SessionDescription;
use std::collections::HashSet;

use super::extension::{ExtensionSpace, Extmap};
use crate::track::RID_SPACES;

/// SSRCs that are remembered of one section; libwebrtc sends 6 for legacy simulcast with retransmissions.
const SSRCS_PER_SECTION_MAX: usize = 16;

/// Why an offer is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OfferError {
    #[error("the offer is longer than {OFFER_BYTES_MAX} bytes or {OFFER_LINES_MAX} lines")]
    TooLong,
    #[error("the offer has more than {MEDIA_SECTIONS_MAX} media sections")]
    TooManySections,
    #[error("the offer is no session description")]
    Syntax,
    #[error("the offer has no media section that we can answer")]
    Nothing,
    #[error("a media section has no mid, or one that is not a token of at most 16 characters")]
    Mid,
    #[error("two media sections have the same mid")]
    MidTwice,
    #[error("a simulcast layer has a rid that is not a token of at most 16 characters")]
    Rid,
    #[error("the offer has no valid ICE credentials")]
    Ice,
    #[error("the offer has no sha-256 certificate fingerprint")]
    Fingerprint,
    #[error("the offer wants us to be the DTLS client")]
    Setup,
    #[error("the offer changes its transport, which needs a new session")]
    TransportChanged,
    #[error("too many offers in a short time")]
    TooMany,
}

/// What an offer says, as far as we care.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
    pub extensions: ExtensionIds,
    /// In order of their m-lines.
    pub sections: Vec<Section>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Audio,
    Video,
    Data,
    Other,
}

/// One m-line with its attributes.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub kind: SectionKind,
    /// Media, protocol and formats as offered; a refusal repeats them.
    pub media: String,
    pub protocol: String,
    pub formats: String,
    pub mid: Mid,
    /// Not to be used: stopped by the client, outside the BUNDLE, or nothing we understand.
    pub is_refused: bool,
    /// Refused only because it has no codec that we forward.
    pub lacks_codec: bool,
    pub sends: bool,
    pub receives: bool,
    pub codec: Option<SectionCodec>,
    /// Header extensions that we know, in the offer's numbering.
    pub extensions: Vec<Extmap>,
    pub msid: Option<Msid>,
    /// Of simulcast, in the offer's order.
    pub rids: Vec<Rid>,
    /// Announced SSRCs, without those of retransmissions, in the offer's order.
    ssrcs: Vec<u32>,
    /// Pairs of SSRC and the SSRC of its retransmissions.
    retransmissions: Vec<(u32, u32)>,
    /// SSRCs of simulcast without rids, smallest layer first.
    simulcast_ssrcs: Vec<u32>,
}

/// How a section carries the one codec that we forward.
#[derive(Clone, Debug)]
pub(crate) struct SectionCodec {
    pub codec: Codec,
    pub payload_type: u8,
    pub rtx_payload_type: Option<u8>,
    pub feedback: Feedback,
}

/// RTCP feedback that the offer has for a codec (RFC 4585).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Feedback {
    pub transport_cc: bool,
    pub remb: bool,
    pub fir: bool,
    pub nack: bool,
    pub pli: bool,
}

/// `a=msid` (RFC 8830).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Msid {
    pub stream: String,
    pub track: String,
}

impl Offer {
    pub fn parse(sdp: &str) -> Result<Self, OfferError> {
        if sdp.len() > OFFER_BYTES_MAX || sdp.bytes().filter(|byte| *byte == b'\n').count() > OFFER_LINES_MAX
        {
            return Err(OfferError::TooLong);
        }
        if sdp.lines().filter(|line| line.starts_with("m=")).count() > MEDIA_SECTIONS_MAX {
            return Err(OfferError::TooManySections);
        }
        let description = SessionDescription::unmarshal(&mut std::io::Cursor::new(sdp.as_bytes()))
            .map_err(|_| OfferError::Syntax)?;
        let bundle: HashSet<&str> = description
            .attributes
            .iter()
            .filter(|attribute| attribute.key == "group")
            .filter_map(|attribute| attribute.value.as_deref()?.strip_prefix("BUNDLE "))
            .take(1)
            .flat_map(str::split_whitespace)
            .collect();
        let mut mids = HashSet::new();
        let mut space = ExtensionSpace::default();
        let mut sections = Vec::new();
        for media in &description.media_descriptions {
            let section = Section::read(media, &bundle, &mut space)?;
            if !mids.insert(section.mid) {
                return Err(OfferError::MidTwice);
            }
            sections.push(section);
        }
        // The first section that is alive speaks for the transport of the whole BUNDLE (RFC 9143, section 7.2).
        let place = sections
            .iter()
            .position(|section| !section.is_refused)
            .ok_or(OfferError::Nothing)?;
        let tagged = description
            .media_descriptions
            .get(place)
            .ok_or(OfferError::Nothing)?;
        let transport = |key: &'static str| {
            attribute(tagged, key).or_else(|| {
                let own = description
                    .attributes
                    .iter()
                    .find(|attribute| attribute.key == key);
                own.and_then(|attribute| attribute.value.as_deref())
            })
        };
        if !matches!(transport("setup"), None | Some("actpass" | "active")) {
            return Err(OfferError::Setup);
        }
        let ice = IceCredentials {
            ufrag: transport("ice-ufrag").unwrap_or_default().to_owned(),
            password: transport("ice-pwd").unwrap_or_default().to_owned(),
        };
        if !is_ice_text(&ice.ufrag, 4) || !is_ice_text(&ice.password, 22) {
            return Err(OfferError::Ice);
        }
        let fingerprint = tagged
            .attributes
            .iter()
            .chain(&description.attributes)
            .filter(|attribute| attribute.key == "fingerprint")
            .find_map(|attribute| parse_fingerprint(attribute.value.as_deref()?))
            .ok_or(OfferError::Fingerprint)?;
        Ok(Offer {
            ice,
            fingerprint,
            extensions: space.ids(),
            sections,
        })
    }
}

impl Section {
    fn read(
        media: &MediaDescription,
        bundle: &HashSet<&str>,
        space: &mut ExtensionSpace,
    ) -> Result<Self, OfferError> {
        let name = &media.media_name;
        let mid = attribute(media, "mid").and_then(token).ok_or(OfferError::Mid)?;
        let protocol = name.protos.join("/");
        let kind = match name.media.as_str() {
            "audio" => SectionKind::Audio,
            "video" => SectionKind::Video,
            "application" => SectionKind::Data,
            _ => SectionKind::Other,
        };
        let is_understood = match kind {
            SectionKind::Audio | SectionKind::Video => {
                protocol.ends_with("/SAVPF") && media.has_attribute("rtcp-mux")
            }
            SectionKind::Data => {
                protocol.ends_with("/SCTP") && name.formats.iter().any(|f| f == "webrtc-datachannel")
            }
            SectionKind::Other => false,
        };
        let is_stopped = name.port.value == 0 && !media.has_attribute("bundle-only");
        let mut section = Section {
            kind,
            media: name.media.clone(),
            protocol,
            formats: name.formats.join(" "),
            is_refused: is_stopped || !is_understood || !bundle.contains(mid.as_str()),
            mid,
            lacks_codec: false,
            sends: !media.has_attribute("recvonly") && !media.has_attribute("inactive"),
            receives: !media.has_attribute("sendonly") && !media.has_attribute("inactive"),
            codec: None,
            extensions: Vec::new(),
            msid: None,
            rids: Vec::new(),
            ssrcs: Vec::new(),
            retransmissions: Vec::new(),
            simulcast_ssrcs: Vec::new(),
        };
        if section.is_refused || kind == SectionKind::Data {
            return Ok(section);
        }
        section.codec = find_codec(media, kind);
        section.lacks_codec = section.codec.is_none();
        section.is_refused = section.lacks_codec;
        for attribute in &media.attributes {
            let Some(value) = attribute.value.as_deref() else {
                continue;
            };
            match attribute.key.as_str() {
                "extmap" => section
                    .extensions
                    .extend(Extmap::parse(value).and_then(|extmap| space.admit(extmap))),
                "msid" if section.msid.is_none() => section.msid = Msid::parse(value),
                "simulcast" => section.rids = parse_simulcast(value)?,
                "ssrc" => section.read_ssrc(value),
                "ssrc-group" => section.read_ssrc_group(value),
                _ => {}
            }
        }
        let retransmissions = &section.retransmissions;
        section
            .ssrcs
            .retain(|ssrc| !retransmissions.iter().any(|(_, rtx)| rtx == ssrc));
        Ok(section)
    }

    fn read_ssrc(&mut self, value: &str) {
        let mut words = value.splitn(2, ' ');
        let Some(ssrc) = words.next().and_then(|word| word.parse().ok()) else {
            return;
        };
        if !self.ssrcs.contains(&ssrc) && self.ssrcs.len() < SSRCS_PER_SECTION_MAX {
            self.ssrcs.push(ssrc);
        }
        if let (None, Some(msid)) = (
            &self.msid,
            words.next().and_then(|rest| rest.strip_prefix("msid:")),
        ) {
            self.msid = Msid::parse(msid);
        }
    }

    fn read_ssrc_group(&mut self, value: &str) {
        let mut words = value.split_whitespace();
        let semantics = words.next();
        let ssrcs: Vec<u32> = words
            .take(SSRCS_PER_SECTION_MAX)
            .filter_map(|word| word.parse().ok())
            .collect();
        match (semantics, ssrcs.as_slice()) {
            (Some("FID"), [ssrc, rtx]) if self.retransmissions.len() < SSRCS_PER_SECTION_MAX => {
                self.retransmissions.push((*ssrc, *rtx));
            }
            (Some("SIM"), ssrcs) => self.simulcast_ssrcs = ssrcs.iter().copied().take(LAYERS_MAX).collect(),
            _ => {}
        }
    }

    /// Its layers, and how their packets are recognised. One without rid when it is not simulcast.
    pub fn layers(&self) -> Vec<LayerSource> {
        let rtx_of = |ssrc: u32| {
            self.retransmissions
                .iter()
                .find(|(own, _)| *own == ssrc)
                .map(|(_, rtx)| *rtx)
        };
        if !self.rids.is_empty() {
            return ordered(&self.rids)
                .into_iter()
                .zip(0..)
                .map(|(rid, place)| LayerSource {
                    layer: Layer(place),
                    rid: Some(rid),
                    ssrc: None,
                    rtx_ssrc: None,
                })
                .collect();
        }
        let one = self.ssrcs.first().copied();
        let by_ssrc = if self.simulcast_ssrcs.is_empty() {
            Vec::from_iter(one)
        } else {
            self.simulcast_ssrcs.clone()
        };
        if by_ssrc.is_empty() {
            return vec![LayerSource {
                layer: Layer(0),
                rid: None,
                ssrc: None,
                rtx_ssrc: None,
            }];
        }
        by_ssrc
            .into_iter()
            .zip(0..)
            .map(|(ssrc, place)| LayerSource {
                layer: Layer(place),
                rid: None,
                ssrc: Some(ssrc),
                rtx_ssrc: rtx_of(ssrc),
            })
            .collect()
    }
}

/// Rids from the smallest layer up: by their well-known names, else in the offer's order.
fn ordered(rids: &[Rid]) -> Vec<Rid> {
    let mut ordered = rids.to_vec();
    for space in RID_SPACES {
        let place = |rid: &Rid| space.iter().position(|name| *name == rid.as_str());
        if ordered.iter().all(|rid| place(rid).is_some()) {
            ordered.sort_by_key(place);
        }
    }
    ordered
}

impl Msid {
    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let stream = words.next()?.to_owned();
        Some(Msid {
            stream,
            track: words.next().unwrap_or_default().to_owned(),
        })
    }
}

fn attribute<'a>(media: &'a MediaDescription, key: &str) -> Option<&'a str> {
    media.attribute(key).flatten()
}

/// A short token (RFC 8866, `token`), as mids and rids are.
fn token(text: &str) -> Option<Mid> {
    let is_token = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte));
    if is_token { Mid::from(text).ok() } else { None }
}

fn is_ice_text(text: &str, length_min: usize) -> bool {
    (length_min..=256).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn parse_fingerprint(value: &str) -> Option<Fingerprint> {
    let (hash, bytes) = value.split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let mut fingerprint = [0; 32];
    let mut pairs = bytes.trim().split(':');
    for byte in &mut fingerprint {
        let pair = pairs
            .next()
            .filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(Fingerprint(fingerprint))
}

/// The first payload type of the codec that we forward, and its retransmissions.
fn find_codec(media: &MediaDescription, kind: SectionKind) -> Option<SectionCodec> {
    let (codec, encoding) = match kind {
        SectionKind::Audio => (Codec::Opus, "opus/48000/2"),
        SectionKind::Video => (Codec::Vp8, "VP8/90000"),
        _ => return None,
    };
    let values = |key: &'static str| {
        let own = media
            .attributes
            .iter()
            .filter(move |attribute| attribute.key == key);
        own.filter_map(|attribute| attribute.value.as_deref()?.split_once(' '))
    };
    let is_mapped = |payload_type: &str, encoding: &str| {
        values("rtpmap")
            .any(|(own, value)| own == payload_type && value.trim().eq_ignore_ascii_case(encoding))
    };
    let format = media
        .media_name
        .formats
        .iter()
        .find(|format| is_mapped(format, encoding))?;
    let payload_type = parse_payload_type(format)?;
    let rtx = values("fmtp").find(|(rtx, parameters)| {
        let apt = parameters
            .split(';')
            .find_map(|parameter| parameter.trim().strip_prefix("apt="));
        apt == Some(format)
            && is_mapped(rtx, "rtx/90000")
            && media.media_name.formats.iter().any(|format| format == rtx)
    });
    let mut feedback = Feedback::default();
    for (_, value) in values("rtcp-fb").filter(|(own, _)| own == format || *own == "*") {
        match value.trim() {
            "transport-cc" => feedback.transport_cc = true,
            "goog-remb" => feedback.remb = true,
            "ccm fir" => feedback.fir = true,
            "nack" => feedback.nack = true,
            "nack pli" => feedback.pli = true,
            _ => {}
        }
    }
    let rtx_payload_type = rtx.and_then(|(rtx, _)| parse_payload_type(rtx));
    Some(SectionCodec {
        codec,
        payload_type,
        rtx_payload_type,
        feedback,
    })
}

fn parse_payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|payload_type| *payload_type < 128)
}

/// The rids of `send q;h;f` (RFC 8853), without paused marks (`~`), the first of alternatives, at most [`LAYERS_MAX`].
fn parse_simulcast(value: &str) -> Result<Vec<Rid>, OfferError> {
    let mut words = value.split_whitespace();
    while let Some(direction) = words.next() {
        let Some(streams) = words.next() else { break };
        if direction == "send" {
            let rids = streams
                .split(';')
                .filter_map(|alternatives| alternatives.split(',').next());
            let mut read: Vec<Rid> = Vec::new();
            for rid in rids.take(LAYERS_MAX) {
                let rid = token(rid.trim_start_matches('~')).ok_or(OfferError::Rid)?;
                if !read.contains(&rid) {
                    read.push(rid);
                }
            }
            return Ok(read);
        }
    }
    Ok(Vec::new())
}
