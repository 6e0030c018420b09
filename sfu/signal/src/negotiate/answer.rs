//! Writing an answer (RFC 9429, section 5.3): one section per offered section, in the offer's order, with the offer's
//! numbers. We are ICE-lite, always the DTLS server, and gather nothing: our candidates are known from the start.

use super::candidate::{Candidate, candidate_lines};
use super::codec::{Format, encoding, to_publish};
use super::extension::Extension;
use super::offer::{Offer, Section, SectionKind};
use hanse_sfu_core::DATA_MESSAGE_BYTES_MAX;
use hanse_sfu_core::command::{Codec, IceCredentials};
use std::collections::HashMap;
use std::fmt::Write;

/// What an answer says besides the offer.
pub(crate) struct Answer<'a> {
    pub offer: &'a Offer,
    pub local: &'a IceCredentials,
    pub fingerprint: &'a str,
    pub candidates: &'a [Candidate],
    pub sdp_session: u64,
    pub sdp_version: u64,
    pub opus: OpusParameters,
    /// One for each of the offer's sections.
    pub sections: Vec<SectionAnswer>,
}

/// Parameters of Opus: the same on every section, because a payload type may have only one set of them in a BUNDLE
/// (libwebrtc reports a collision otherwise).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpusParameters {
    /// Something that the client publishes is stereo.
    pub stereo: bool,
    /// Nothing that the client publishes forbids silence suppression.
    pub dtx: bool,
    /// Something that the client receives is stereo.
    pub sends_stereo: bool,
}

/// What we do with a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct SectionAnswer {
    /// We take what the client sends on it, in this codec.
    pub receives: Option<Codec>,
    /// We send this on it.
    pub sends: Option<OutgoingTrack>,
}

/// A track as a section announces it.
#[derive(Clone, Debug)]
pub(crate) struct OutgoingTrack {
    pub stream_id: String,
    pub track_sid: String,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    /// The payload type it goes out with.
    pub payload_type: u8,
}

/// Parameters of every payload type. In a BUNDLE one payload type may have only one set of them (libwebrtc reports a
/// collision otherwise), but clients offer different ones: livekit-client adds a bitrate to start with where it
/// publishes. What it says there counts.
type Parameters<'a> = HashMap<(u8, Codec), &'a str>;

impl Answer<'_> {
    pub fn write(&self) -> String {
        let used = self.offer.sections.iter().filter(|section| !section.is_refused);
        let mut lines = Lines::with_head(
            (self.sdp_session, self.sdp_version),
            used.map(|section| section.mid.as_str()),
            self.offer.allows_mixed_extensions,
        );
        let tagged = self.offer.sections.iter().position(|section| !section.is_refused);
        // Clients that seal frames learn from the first video section of an answer which payload type is which codec
        // (livekit-client, `RTPVideoPayloadTypes`), so that one has all of them.
        let legend = self
            .offer
            .sections
            .iter()
            .position(|section| section.kind == SectionKind::Video && !section.is_refused);
        let parameters = self.parameters();
        let unused = SectionAnswer::default();
        for (place, section) in self.offer.sections.iter().enumerate() {
            if section.is_refused {
                write_refused(&mut lines, section);
                continue;
            }
            if section.formats.is_empty() {
                self.write_data(&mut lines, section);
            } else {
                let answer = self.sections.get(place).unwrap_or(&unused);
                let formats = answer.formats(section, legend == Some(place));
                self.write_media(&mut lines, section, &formats, &parameters, answer);
            }
            if tagged == Some(place) {
                lines.push_candidates(self.candidates);
            }
        }
        lines.into_text()
    }

    fn parameters(&self) -> Parameters<'_> {
        let mut parameters = Parameters::new();
        let sections = &self.offer.sections;
        let sending = sections.iter().filter(|section| section.sends);
        for section in sending.chain(sections.iter().filter(|section| !section.sends)) {
            for format in section.formats.iter() {
                parameters
                    .entry((format.payload_type, format.codec))
                    .or_insert(&format.parameters);
            }
        }
        parameters
    }

    fn write_transport(&self, lines: &mut Lines, section: &Section) {
        lines.push_transport(self.local, self.fingerprint, "passive", &section.mid);
    }

    fn write_data(&self, lines: &mut Lines, section: &Section) {
        write_data_section(lines, &section.protocol, |lines| {
            self.write_transport(lines, section)
        });
    }

    fn write_media(
        &self,
        lines: &mut Lines,
        section: &Section,
        formats: &[&Format],
        parameters: &Parameters<'_>,
        answer: &SectionAnswer,
    ) {
        let mut payload_types = String::new();
        for format in formats {
            for payload_type in [Some(format.payload_type), format.rtx_payload_type]
                .into_iter()
                .flatten()
            {
                // Writing to a string cannot fail.
                let _ = write!(payload_types, " {payload_type}");
            }
        }
        lines.push(format_args!(
            "m={} 9 {}{payload_types}",
            section.media, section.protocol
        ));
        lines.push(format_args!("c=IN IP4 0.0.0.0"));
        lines.push(format_args!("a=rtcp:9 IN IP4 0.0.0.0"));
        self.write_transport(lines, section);
        if section.allows_mixed_extensions {
            lines.push(format_args!("a=extmap-allow-mixed"));
        }
        for extmap in section
            .extensions
            .iter()
            .filter(|extmap| is_useful(extmap.extension, section.kind))
        {
            let direction = extmap
                .direction
                .map(|direction| format!("/{direction}"))
                .unwrap_or_default();
            lines.push(format_args!(
                "a=extmap:{}{direction} {}",
                extmap.id,
                extmap.extension.uri()
            ));
        }
        let receives = answer.receives.is_some() && section.sends;
        let sends = answer.sends.as_ref().filter(|_| section.receives);
        lines.push(format_args!(
            "a={}",
            match (sends.is_some(), receives) {
                (true, true) => "sendrecv",
                (true, false) => "sendonly",
                (false, true) => "recvonly",
                (false, false) => "inactive",
            }
        ));
        if let Some(track) = sends {
            lines.push(format_args!("a=msid:{} {}", track.stream_id, track.track_sid));
        }
        lines.push(format_args!("a=rtcp-mux"));
        if section.reduced_size {
            lines.push(format_args!("a=rtcp-rsize"));
        }
        for format in formats {
            self.write_format(lines, section, answer, format, parameters);
        }
        if receives && !section.rids.is_empty() {
            for rid in &section.rids {
                lines.push(format_args!("a=rid:{rid} recv"));
            }
            let rids: Vec<&str> = section.rids.iter().map(|rid| rid.as_str()).collect();
            lines.push(format_args!("a=simulcast:recv {}", rids.join(";")));
        }
        if let Some(track) = sends {
            write_ssrcs(lines, track);
        }
    }

    fn write_format(
        &self,
        lines: &mut Lines,
        section: &Section,
        answer: &SectionAnswer,
        format: &Format,
        parameters: &Parameters<'_>,
    ) {
        let (codec, payload_type) = (format.codec, format.payload_type);
        lines.push(format_args!("a=rtpmap:{payload_type} {}", encoding(codec)));
        if codec.is_video() {
            // Both ways are measured by transport-wide feedback; what we send, where a client has none, by the receiver's
            // estimate.
            let is_outgoing = section.receives || !section.sends;
            let feedback = [
                ("transport-cc", format.feedback.transport_cc),
                ("goog-remb", format.feedback.remb && is_outgoing),
                ("ccm fir", format.feedback.fir),
                ("nack", format.feedback.nack),
                ("nack pli", format.feedback.pli),
            ];
            for (name, _) in feedback.into_iter().filter(|(_, is_used)| *is_used) {
                lines.push(format_args!("a=rtcp-fb:{payload_type} {name}"));
            }
        } else if answer.receives == Some(codec) && codec != Codec::Red {
            // Browsers do not offer to send sound again, and LiveKit's server answers it all the same. RED needs none. What
            // we send of sound we send once: there is no RTX for it, and sealing a packet twice under one number is unsafe.
            lines.push(format_args!("a=rtcp-fb:{payload_type} nack"));
        }
        let parameters = parameters.get(&(payload_type, codec)).copied().unwrap_or("");
        write_parameters(lines, format, parameters, &self.opus);
    }
}

/// A format's parameters, and its retransmissions (RFC 4588).
pub(super) fn write_parameters(lines: &mut Lines, format: &Format, parameters: &str, opus: &OpusParameters) {
    let payload_type = format.payload_type;
    match format.codec {
        Codec::Opus => lines.push(format_args!("a=fmtp:{payload_type} {opus}")),
        _ if parameters.is_empty() => {}
        _ => lines.push(format_args!("a=fmtp:{payload_type} {parameters}")),
    }
    if let Some(rtx) = format.rtx_payload_type {
        lines.push(format_args!("a=rtpmap:{rtx} rtx/90000"));
        lines.push(format_args!("a=fmtp:{rtx} apt={payload_type}"));
    }
}

impl SectionAnswer {
    /// What the section is answered with: the codec that comes in first, then the one that goes out; both if RED is
    /// involved, because it has Opus inside. Nothing else, lest a client sends what we do not expect. On a section that
    /// carries nothing the first format has to stand for it; the `legend` lists the others behind.
    fn formats<'a>(&self, section: &'a Section, is_legend: bool) -> Vec<&'a Format> {
        let all: &[Format] = &section.formats;
        let mut formats: Vec<&Format> = Vec::new();
        let add = |formats: &mut Vec<&'a Format>, format: Option<&'a Format>| {
            let inside = format.and_then(|format| format.primary_payload_type);
            let inside = all.iter().find(|format| Some(format.payload_type) == inside);
            for format in format.into_iter().chain(inside) {
                if !formats.iter().any(|own| own.payload_type == format.payload_type) {
                    formats.push(format);
                }
            }
        };
        let incoming = self.receives.and_then(|codec| to_publish(all, codec));
        add(&mut formats, incoming);
        let outgoing = self.sends.as_ref().map(|track| track.payload_type);
        add(
            &mut formats,
            all.iter().find(|format| Some(format.payload_type) == outgoing),
        );
        if formats.is_empty() {
            add(&mut formats, all.first());
        }
        if is_legend {
            all.iter().for_each(|format| add(&mut formats, Some(format)));
        }
        formats
    }
}

impl std::fmt::Display for OpusParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("minptime=10;useinbandfec=1")?;
        if self.dtx {
            f.write_str(";usedtx=1")?;
        }
        if self.stereo {
            f.write_str(";stereo=1;maxaveragebitrate=510000")?;
        }
        if self.sends_stereo {
            f.write_str(";sprop-stereo=1")?;
        }
        Ok(())
    }
}

/// Whether an extension serves the section's kind. Slots keep those that only incoming media uses, too: Chromium offers
/// no extension on a new section which an earlier answer has refused, and simulcast without rids is an error to it.
fn is_useful(extension: Extension, kind: SectionKind) -> bool {
    match extension {
        Extension::Mid => true,
        Extension::AudioLevel => kind == SectionKind::Audio,
        Extension::Rid
        | Extension::RepairedRid
        | Extension::TransportCc
        | Extension::AbsSendTime
        | Extension::DependencyDescriptor => kind == SectionKind::Video,
    }
}

/// The section of the data channels (RFC 8841).
pub(super) fn write_data_section(
    lines: &mut Lines,
    protocol: &str,
    write_transport: impl FnOnce(&mut Lines),
) {
    lines.push(format_args!("m=application 9 {protocol} webrtc-datachannel"));
    lines.push(format_args!("c=IN IP4 0.0.0.0"));
    write_transport(lines);
    lines.push(format_args!("a=sctp-port:5000"));
    lines.push(format_args!("a=max-message-size:{DATA_MESSAGE_BYTES_MAX}"));
}

/// The streams of a track that goes out.
pub(super) fn write_ssrcs(lines: &mut Lines, track: &OutgoingTrack) {
    let cname = &track.stream_id;
    if let Some(rtx) = track.rtx_ssrc {
        lines.push(format_args!("a=ssrc-group:FID {} {rtx}", track.ssrc));
    }
    for ssrc in [Some(track.ssrc), track.rtx_ssrc].into_iter().flatten() {
        lines.push(format_args!("a=ssrc:{ssrc} cname:{cname}"));
        lines.push(format_args!(
            "a=ssrc:{ssrc} msid:{} {}",
            track.stream_id, track.track_sid
        ));
    }
}

fn write_refused(lines: &mut Lines, section: &Section) {
    lines.push(format_args!(
        "m={} 0 {} {}",
        section.media, section.protocol, section.payload_types
    ));
    lines.push(format_args!("c=IN IP4 0.0.0.0"));
    lines.push(format_args!("a=mid:{}", section.mid));
    lines.push(format_args!("a=inactive"));
}

/// The lines of a session description.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// The session's part of a description (RFC 9429, section 5.2.1), with the mids of its BUNDLE. `id`: its number and
    /// version.
    pub fn with_head<'a>(id: (u64, u64), mids: impl Iterator<Item = &'a str>, allows_mixed: bool) -> Self {
        let mut lines = Lines::default();
        lines.push(format_args!("v=0"));
        lines.push(format_args!("o=- {} {} IN IP4 127.0.0.1", id.0, id.1));
        lines.push(format_args!("s=-"));
        lines.push(format_args!("t=0 0"));
        let mut bundle = String::from("BUNDLE");
        for mid in mids {
            bundle.push(' ');
            bundle.push_str(mid);
        }
        lines.push(format_args!("a=group:{bundle}"));
        // Dependency descriptors of key frames are longer than the one-byte form of header extensions can carry. A sender
        // may use the two-byte form for some packets only if both sides have said so (RFC 8285, section 4.1.2).
        if allows_mixed {
            lines.push(format_args!("a=extmap-allow-mixed"));
        }
        lines.push(format_args!("a=ice-lite"));
        lines.push(format_args!("a=msid-semantic: WMS *"));
        lines
    }

    /// Our end of the transport, on one section.
    pub fn push_transport(&mut self, local: &IceCredentials, fingerprint: &str, setup: &str, mid: &str) {
        self.push(format_args!("a=ice-ufrag:{}", local.ufrag));
        self.push(format_args!("a=ice-pwd:{}", local.password));
        self.push(format_args!("a=fingerprint:{fingerprint}"));
        self.push(format_args!("a=setup:{setup}"));
        self.push(format_args!("a=mid:{mid}"));
    }

    /// Our addresses; there are no others.
    pub fn push_candidates(&mut self, candidates: &[Candidate]) {
        for candidate in candidate_lines(candidates) {
            self.push(format_args!("a={candidate}"));
        }
        self.push(format_args!("a=end-of-candidates"));
    }

    pub fn into_text(self) -> String {
        self.0
    }

    pub fn push(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{line}\r\n");
    }
}
