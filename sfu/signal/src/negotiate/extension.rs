//! RTP header extensions (RFC 8285) that we know, and their one id space per BUNDLE.

use hanse_sfu_core::command::ExtensionIds;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    Mid,
    Rid,
    RepairedRid,
    AudioLevel,
    TransportCc,
    AbsSendTime,
    DependencyDescriptor,
}

impl Extension {
    const ALL: [Extension; 7] = [
        Extension::Mid,
        Extension::Rid,
        Extension::RepairedRid,
        Extension::AudioLevel,
        Extension::TransportCc,
        Extension::AbsSendTime,
        Extension::DependencyDescriptor,
    ];

    pub const fn uri(self) -> &'static str {
        match self {
            Extension::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Extension::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Extension::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Extension::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Extension::TransportCc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Extension::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Extension::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
        }
    }
}

/// One `a=extmap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extmap {
    pub id: u8,
    pub extension: Extension,
    /// What our side may do with it, if the offer restricts it: the mirror image of the offer's direction.
    pub direction: Option<&'static str>,
}

impl Extmap {
    /// `None`: not one of ours, or an id that may not be used. Ids above 14 do not fit the one-byte form of the header.
    /// Where both forms may be mixed, the dependency descriptor may have one nevertheless: on a key frame it is longer
    /// than the 16 bytes of the one-byte form and takes the two-byte form anyway, and livekit-client gives it the number
    /// after the last one of the browser, which is 15 in Chromium.
    pub fn parse(value: &str, allows_mixed: bool) -> Option<Self> {
        let mut words = value.split_whitespace();
        let (id, direction) = words
            .next()
            .map(|word| word.split_once('/').map_or((word, ""), |pair| pair))?;
        let uri = words.next()?;
        let direction = match direction {
            "" | "sendrecv" => None,
            "sendonly" => Some("recvonly"),
            "recvonly" => Some("sendonly"),
            _ => return None,
        };
        let extension = Extension::ALL
            .into_iter()
            .find(|extension| extension.uri() == uri)?;
        let id_max = match extension {
            Extension::DependencyDescriptor if allows_mixed => u8::MAX,
            _ => 14,
        };
        let id = id.parse().ok().filter(|id| (1..=id_max).contains(id))?;
        Some(Extmap {
            id,
            extension,
            direction,
        })
    }
}

/// Which id means what, over all sections of an offer: the first section that uses an id or an extension decides.
#[derive(Default)]
pub(crate) struct ExtensionSpace {
    /// `a=extmap-allow-mixed` for the whole description.
    pub allows_mixed: bool,
    admitted: Vec<Extmap>,
}

impl ExtensionSpace {
    /// Takes a section's mapping, unless it contradicts an earlier section's.
    pub fn admit(&mut self, extmap: Extmap) -> Option<Extmap> {
        let clash = |own: &Extmap| (own.id == extmap.id) != (own.extension == extmap.extension);
        if self.admitted.iter().any(clash) {
            return None;
        }
        if !self.admitted.iter().any(|own| own.id == extmap.id) {
            self.admitted.push(extmap);
        }
        Some(extmap)
    }

    pub fn ids(&self) -> ExtensionIds {
        let id = |extension| {
            self.admitted
                .iter()
                .find(|own| own.extension == extension)
                .map(|own| own.id)
        };
        ExtensionIds {
            mid: id(Extension::Mid),
            rid: id(Extension::Rid),
            repaired_rid: id(Extension::RepairedRid),
            audio_level: id(Extension::AudioLevel),
            transport_cc: id(Extension::TransportCc),
            abs_send_time: id(Extension::AbsSendTime),
            dependency_descriptor: id(Extension::DependencyDescriptor),
        }
    }
}
