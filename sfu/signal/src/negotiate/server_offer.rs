//! Writing an offer of ours (RFC 9429, section 5.2): the data channels first, then one section for each subscribed track,
//! and those that carry none for now. We are ICE-lite, the DTLS server, and gather nothing: our candidates are known from
//! the start.

use super::answer::{
    Lines, OpusParameters, OutgoingTrack, write_data_section, write_parameters, write_ssrcs,
};
use super::candidate::Candidate;
use super::codec::{Format, encoding};
use super::offer::SectionKind;
use super::payload;
use hanse_sfu_core::command::IceCredentials;
use hanse_sfu_core::ids::Mid;

/// The section of the data channels. It is the first one and is never stopped, so the transport of the whole BUNDLE is
/// described there (RFC 9143, section 7.2).
pub(crate) const DATA_MID: &str = "0";

/// What an offer says.
pub(crate) struct ServerOffer<'a> {
    pub local: &'a IceCredentials,
    pub fingerprint: &'a str,
    /// `a=setup`
    pub setup: &'static str,
    pub candidates: &'a [Candidate],
    pub sdp_session: u64,
    pub sdp_version: u64,
    pub opus: OpusParameters,
    /// Behind the section of the data channels, in the order in which they were first offered.
    pub sections: Vec<OfferedSection<'a>>,
}

/// One section of media.
pub(crate) struct OfferedSection<'a> {
    pub mid: Mid,
    pub kind: SectionKind,
    /// The client has refused it for good.
    pub is_dead: bool,
    pub formats: &'a [Format],
    /// What goes out on it.
    pub sends: Option<OutgoingTrack>,
}

impl ServerOffer<'_> {
    pub fn write(&self) -> String {
        let used = self.sections.iter().filter(|section| !section.is_dead);
        let mids = std::iter::once(DATA_MID).chain(used.map(|section| section.mid.as_str()));
        let mut lines = Lines::with_head((self.sdp_session, self.sdp_version), mids, true);
        write_data_section(&mut lines, "UDP/DTLS/SCTP", |lines| {
            self.write_transport(lines, DATA_MID);
        });
        lines.push_candidates(self.candidates);
        for section in &self.sections {
            self.write_media(&mut lines, section);
        }
        lines.into_text()
    }

    fn write_transport(&self, lines: &mut Lines, mid: &str) {
        lines.push_transport(self.local, self.fingerprint, self.setup, mid);
    }

    fn write_media(&self, lines: &mut Lines, section: &OfferedSection<'_>) {
        let payload_types: Vec<String> = section
            .formats
            .iter()
            .flat_map(|format| [Some(format.payload_type), format.rtx_payload_type])
            .flatten()
            .map(|payload_type| payload_type.to_string())
            .collect();
        let media = if section.kind == SectionKind::Video {
            "video"
        } else {
            "audio"
        };
        let port = if section.is_dead { 0 } else { 9 };
        lines.push(format_args!(
            "m={media} {port} UDP/TLS/RTP/SAVPF {}",
            payload_types.join(" ")
        ));
        lines.push(format_args!("c=IN IP4 0.0.0.0"));
        if section.is_dead {
            lines.push(format_args!("a=mid:{}", section.mid));
            lines.push(format_args!("a=inactive"));
            return;
        }
        lines.push(format_args!("a=rtcp:9 IN IP4 0.0.0.0"));
        self.write_transport(lines, &section.mid);
        for (id, extension) in payload::extensions(section.kind) {
            lines.push(format_args!("a=extmap:{id} {}", extension.uri()));
        }
        match &section.sends {
            Some(track) => {
                lines.push(format_args!("a=sendonly"));
                lines.push(format_args!("a=msid:{} {}", track.stream_id, track.track_sid));
            }
            None => lines.push(format_args!("a=inactive")),
        }
        lines.push(format_args!("a=rtcp-mux"));
        lines.push(format_args!("a=rtcp-rsize"));
        for format in section.formats {
            self.write_format(lines, format);
        }
        if let Some(track) = &section.sends {
            write_ssrcs(lines, track);
        }
    }

    fn write_format(&self, lines: &mut Lines, format: &Format) {
        let (codec, payload_type) = (format.codec, format.payload_type);
        lines.push(format_args!("a=rtpmap:{payload_type} {}", encoding(codec)));
        if codec.is_video() {
            for feedback in ["transport-cc", "goog-remb", "ccm fir", "nack", "nack pli"] {
                lines.push(format_args!("a=rtcp-fb:{payload_type} {feedback}"));
            }
        }
        write_parameters(lines, format, &format.parameters, &self.opus);
    }
}
