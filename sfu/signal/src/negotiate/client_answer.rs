//! Reading the answer to an offer of ours (RFC 9429, section 5.3). It comes from a stranger; everything that is kept of it
//! is checked or bounded here.

use super::codec::read_feedback;
use super::extension::{ExtensionSpace, Extmap};
use super::offer::{OfferError, Transport, allows_mixed, attribute, bundled, read_description};
use hanse_sfu_core::command::ExtensionIds;
use hanse_sfu_core::ids::Mid;

/// What an answer says, as far as we care.
#[derive(Clone, Debug)]
pub(crate) struct ClientAnswer {
    pub transport: Transport,
    pub extensions: ExtensionIds,
    /// In order of their m-lines, one for each that we offered.
    pub sections: Vec<AnsweredSection>,
}

/// What became of an offered section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnsweredSection {
    /// False: refused for good.
    pub is_accepted: bool,
    pub receives: bool,
    /// In the client's order of preference.
    pub payload_types: Vec<u8>,
    /// Those of them about which it tells what arrives (transport-wide feedback).
    pub measured: Vec<u8>,
}

/// Payload types of one section; there are 128.
const PAYLOAD_TYPES_MAX: usize = 128;

impl ClientAnswer {
    /// Reads an answer to an offer with these sections. `setups`: what the client may say of DTLS.
    pub fn parse(sdp: &str, mids: &[Mid], setups: &[&str]) -> Result<Self, OfferError> {
        let description = read_description(sdp)?;
        let media = &description.media_descriptions;
        let answered = media.iter().map(|media| attribute(media, "mid"));
        let is_answer_to = media.len() == mids.len()
            && answered
                .zip(mids)
                .all(|(answered, mid)| answered.is_none_or(|answered| answered == mid.as_str()));
        if !is_answer_to {
            return Err(OfferError::Sections);
        }
        let bundle = bundled(&description);
        let mut space = ExtensionSpace::default();
        space.allows_mixed = allows_mixed(&description);
        let mut sections = Vec::new();
        for (media, mid) in media.iter().zip(mids) {
            let is_accepted = media.media_name.port.value != 0 && bundle.contains(mid.as_str());
            let is_mixed = space.allows_mixed;
            if is_accepted {
                let extmaps = media
                    .attributes
                    .iter()
                    .filter(|attribute| attribute.key == "extmap")
                    .filter_map(|attribute| Extmap::parse(attribute.value.as_deref()?, is_mixed));
                for extmap in extmaps {
                    // One that contradicts an earlier one is left out.
                    let _ = space.admit(extmap);
                }
            }
            let formats = media.media_name.formats.iter().take(PAYLOAD_TYPES_MAX);
            let parse = |format: &String| format.parse().ok();
            let is_measured = |format: &&String| read_feedback(media, format).transport_cc;
            sections.push(AnsweredSection {
                is_accepted,
                receives: is_accepted && !media.has_attribute("sendonly") && !media.has_attribute("inactive"),
                payload_types: formats.clone().filter_map(parse).collect(),
                measured: formats.filter(is_measured).filter_map(parse).collect(),
            });
        }
        let tagged = sections
            .iter()
            .position(|section| section.is_accepted)
            .and_then(|place| media.get(place))
            .ok_or(OfferError::Nothing)?;
        Ok(ClientAnswer {
            transport: Transport::read(&description, tagged, setups)?,
            extensions: space.ids(),
            sections,
        })
    }
}
