//! Reading an offer (RFC 8866, RFC 9429): which sections it has, and what of each we can use. An offer comes from a
//! stranger; everything that is kept of it is checked or bounded here, and what is not understood is not kept.

use crate::limits::{MEDIA_SECTIONS_MAX, OFFER_BYTES_MAX, OFFER_LINES_MAX};
use hanse_sfu_core::command::{Codec, ExtensionIds, Fingerprint, IceCredentials, LayerSource};
use hanse_sfu_core::ids::{LAYERS_MAX, Layer, Mid, Rid};
use rtc_sdp::description::media::MediaDescription;
use rtc_sdp::description::session::SessionDescription;
use std::collections::HashSet;
use std::sync::Arc;

use super::codec::{Format, has_same_formats, read_formats};
use super::extension::{ExtensionSpace, Extmap};
use crate::track::RID_SPACES;

const EXTMAP_ALLOW_MIXED: &str = "extmap-allow-mixed";

/// SSRCs that are remembered of one section; libwebrtc sends 6 for legacy simulcast with retransmissions.
const SSRCS_PER_SECTION_MAX: usize = 16;

/// Why an offer is not answered, or an answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OfferError {
    #[error("the description is longer than {OFFER_BYTES_MAX} bytes or {OFFER_LINES_MAX} lines")]
    TooLong,
    #[error("the description has more than {MEDIA_SECTIONS_MAX} media sections")]
    TooManySections,
    #[error("it is no session description")]
    Syntax,
    #[error("the description has no media section that we can use")]
    Nothing,
    #[error("a media section has no mid, or one that is not a token of at most 16 characters")]
    Mid,
    #[error("two media sections have the same mid")]
    MidTwice,
    #[error("a simulcast layer has a rid that is not a token of at most 16 characters")]
    Rid,
    #[error("the description has no valid ICE credentials")]
    Ice,
    #[error("the description has no sha-256 certificate fingerprint")]
    Fingerprint,
    #[error("the description wants us to be the DTLS client")]
    Setup,
    #[error("the description changes its transport, which needs a new session")]
    TransportChanged,
    #[error("the answer does not have the sections of our offer")]
    Sections,
    #[error("too many offers in a short time")]
    TooMany,
}

/// What an offer says, as far as we care.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
    /// `a=extmap-allow-mixed` (RFC 8285, section 6) for all sections.
    pub allows_mixed_extensions: bool,
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
    /// Media, protocol and payload types as offered; a refusal repeats them.
    pub media: String,
    pub protocol: String,
    pub payload_types: String,
    pub mid: Mid,
    /// Not to be used: stopped by the client, outside the BUNDLE, or nothing we understand.
    pub is_refused: bool,
    /// Refused only because it has no codec that we forward.
    pub lacks_codec: bool,
    pub sends: bool,
    pub receives: bool,
    /// What can be carried on it, in the client's order. Most sections of an offer have the same ones; they share them.
    pub formats: Arc<[Format]>,
    /// Its packets may mix one-byte and two-byte header extensions.
    pub allows_mixed_extensions: bool,
    /// RTCP packets may come alone (RFC 5506).
    pub reduced_size: bool,
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

/// Formats of the sections that have been read. An offer with hundreds of sections has two or three different lists, each
/// with some eighty attributes: what a section says of its codecs is read once, and then compared.
#[derive(Default)]
struct SharedFormats<'a>(Vec<(&'a MediaDescription, Arc<[Format]>)>);

impl<'a> SharedFormats<'a> {
    /// The formats of an audio or video section.
    fn of(&mut self, media: &'a MediaDescription, kind: SectionKind, enabled: &[Codec]) -> Arc<[Format]> {
        // Searched from the latest: a stranger's offer that has many lists costs memory, but hardly time.
        let mut known = self.0.iter().rev().take(8);
        if let Some((_, formats)) = known.find(|(other, _)| has_same_formats(media, other)) {
            return formats.clone();
        }
        let formats: Arc<[Format]> = read_formats(media, kind, enabled).into();
        self.0.push((media, formats.clone()));
        formats
    }
}

/// `a=msid` (RFC 8830).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Msid {
    pub stream: String,
    pub track: String,
}

impl Offer {
    /// Reads an offer. Codecs that are not `enabled` are as good as unknown.
    pub fn parse(sdp: &str, enabled: &[Codec]) -> Result<Self, OfferError> {
        let description = read_description(sdp)?;
        let bundle = bundled(&description);
        let mut mids = HashSet::new();
        let mut space = ExtensionSpace::default();
        space.allows_mixed = description
            .attributes
            .iter()
            .any(|attribute| attribute.key == EXTMAP_ALLOW_MIXED);
        let mut shared = SharedFormats::default();
        let mut sections = Vec::new();
        for media in &description.media_descriptions {
            let section = Section::read(media, &bundle, &mut space, &mut shared, enabled)?;
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
        let transport = Transport::read(&description, tagged, &["actpass", "active"])?;
        Ok(Offer {
            ice: transport.ice,
            fingerprint: transport.fingerprint,
            allows_mixed_extensions: space.allows_mixed,
            extensions: space.ids(),
            sections,
        })
    }
}

/// A session description, if it is not too large to be looked at.
pub(super) fn read_description(sdp: &str) -> Result<SessionDescription, OfferError> {
    if sdp.len() > OFFER_BYTES_MAX || sdp.bytes().filter(|byte| *byte == b'\n').count() > OFFER_LINES_MAX {
        return Err(OfferError::TooLong);
    }
    if sdp.lines().filter(|line| line.starts_with("m=")).count() > MEDIA_SECTIONS_MAX {
        return Err(OfferError::TooManySections);
    }
    SessionDescription::unmarshal(&mut std::io::Cursor::new(sdp.as_bytes())).map_err(|_| OfferError::Syntax)
}

/// The mids of the first BUNDLE group.
pub(super) fn bundled(description: &SessionDescription) -> HashSet<&str> {
    description
        .attributes
        .iter()
        .filter(|attribute| attribute.key == "group")
        .filter_map(|attribute| attribute.value.as_deref()?.strip_prefix("BUNDLE "))
        .take(1)
        .flat_map(str::split_whitespace)
        .collect()
}

/// Whether header extensions of both forms may be mixed, in all sections (RFC 8285, section 6).
pub(super) fn allows_mixed(description: &SessionDescription) -> bool {
    description
        .attributes
        .iter()
        .any(|attribute| attribute.key == EXTMAP_ALLOW_MIXED)
}

/// The other end of a transport, as a session description has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
}

impl Transport {
    /// Reads it from a section and, where that says nothing, from the head. `setups`: which roles in DTLS it may take.
    pub fn read(
        description: &SessionDescription,
        tagged: &MediaDescription,
        setups: &[&str],
    ) -> Result<Self, OfferError> {
        let transport = |key: &'static str| {
            attribute(tagged, key).or_else(|| {
                let own = description
                    .attributes
                    .iter()
                    .find(|attribute| attribute.key == key);
                own.and_then(|attribute| attribute.value.as_deref())
            })
        };
        if transport("setup").is_some_and(|setup| !setups.contains(&setup)) {
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
        Ok(Transport { ice, fingerprint })
    }
}

impl Section {
    fn read<'a>(
        media: &'a MediaDescription,
        bundle: &HashSet<&str>,
        space: &mut ExtensionSpace,
        shared: &mut SharedFormats<'a>,
        enabled: &[Codec],
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
            payload_types: name.formats.join(" "),
            is_refused: is_stopped || !is_understood || !bundle.contains(mid.as_str()),
            mid,
            lacks_codec: false,
            sends: !media.has_attribute("recvonly") && !media.has_attribute("inactive"),
            receives: !media.has_attribute("sendonly") && !media.has_attribute("inactive"),
            formats: Arc::default(),
            allows_mixed_extensions: media.has_attribute(EXTMAP_ALLOW_MIXED),
            reduced_size: media.has_attribute("rtcp-rsize"),
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
        section.formats = shared.of(media, kind, enabled);
        section.lacks_codec = section.formats.is_empty();
        section.is_refused = section.lacks_codec;
        let allows_mixed = space.allows_mixed || section.allows_mixed_extensions;
        for attribute in &media.attributes {
            let Some(value) = attribute.value.as_deref() else {
                continue;
            };
            match attribute.key.as_str() {
                "extmap" => section
                    .extensions
                    .extend(Extmap::parse(value, allows_mixed).and_then(|extmap| space.admit(extmap))),
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

    /// The stream that has all layers in it.
    pub fn one_stream(&self) -> Vec<LayerSource> {
        let ssrc = self.ssrcs.first().copied();
        let rtx = self.retransmissions.iter().find(|(own, _)| Some(*own) == ssrc);
        vec![LayerSource {
            layer: Layer(0),
            rid: self.rids.first().copied(),
            ssrc: ssrc.filter(|_| self.rids.is_empty()),
            rtx_ssrc: rtx.map(|(_, rtx)| *rtx).filter(|_| self.rids.is_empty()),
        }]
    }

    /// Whether it can carry a codec at all.
    pub fn has_codec(&self, codec: Codec) -> bool {
        self.formats.iter().any(|format| format.codec == codec)
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

pub(super) fn attribute<'a>(media: &'a MediaDescription, key: &str) -> Option<&'a str> {
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
