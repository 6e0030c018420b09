//! The second peer connection of a browser that speaks the older form: the server offers, it answers, and it checks in
//! every offer what a real client would stumble over.

use livekit_protocol::{ParticipantInfo, SessionDescription};
use std::collections::{BTreeMap, BTreeSet};

/// One media section, as the last offer that was answered has it.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    pub mid: String,
    pub media: String,
    pub direction: String,
    /// Whose, and which track.
    pub msid: Option<(String, String)>,
    pub ssrc: u32,
    pub is_refused: bool,
}

pub struct Second {
    pub sections: Vec<Incoming>,
    /// Every offer that came, the latest last.
    pub offers: Vec<SessionDescription>,
    /// The latest is not answered yet.
    pub owes: bool,
    /// It waits until the test answers.
    pub is_slow: bool,
    /// Codecs that it cannot decode, by their encoding name, and feedback that it does not give.
    pub lacks: BTreeSet<String>,
    /// Says id 0 in its answers, as libwebrtc SDKs do.
    pub says_zero: bool,
    /// What it is offered of DTLS.
    pub setup: &'static str,
}

impl Default for Second {
    fn default() -> Self {
        Second {
            sections: Vec::new(),
            offers: Vec::new(),
            owes: false,
            is_slow: false,
            lacks: BTreeSet::new(),
            says_zero: false,
            setup: "actpass",
        }
    }
}

fn value<'a>(block: &'a str, key: &str) -> Option<&'a str> {
    block.lines().find_map(|line| line.strip_prefix(key))
}

impl Second {
    /// Takes an offer and checks it.
    pub fn take(&mut self, offer: &SessionDescription, known: &BTreeMap<String, ParticipantInfo>) {
        assert!(!self.owes, "one offer is out at a time");
        assert_eq!(offer.r#type, "offer");
        match self.offers.last() {
            Some(before) => assert!(offer.id > before.id, "ids grow"),
            None => assert!((1..=255).contains(&offer.id)),
        }
        let blocks: Vec<&str> = offer.sdp.split("\r\nm=").skip(1).collect();
        assert!(blocks.len() > self.sections.len() || blocks.len() == self.sections.len());
        assert!(blocks[0].starts_with("application "), "data channels come first");
        let mut fmtps: BTreeMap<&str, &str> = BTreeMap::new();
        let mut rtpmaps: BTreeMap<&str, &str> = BTreeMap::new();
        let mut mids = BTreeSet::new();
        let mut mapped = BTreeMap::new();
        for (place, block) in blocks.iter().enumerate() {
            let mid = value(block, "a=mid:").expect("a section has a mid");
            assert!(mids.insert(mid), "a mid is there once");
            let media = block.split(' ').next().unwrap();
            if let Some(before) = self.sections.get(place) {
                assert_eq!(
                    (before.mid.as_str(), before.media.as_str()),
                    (mid, media),
                    "sections keep their place"
                );
                assert!(
                    !before.is_refused || block.contains(" 0 "),
                    "what was refused stays so"
                );
            }
            if block.split(' ').nth(1) == Some("0") {
                continue;
            }
            assert_eq!(value(block, "a=setup:"), Some(self.setup));
            assert_eq!(value(block, "a=ice-ufrag:"), value(blocks[0], "a=ice-ufrag:"));
            for (key, all) in [("a=fmtp:", &mut fmtps), ("a=rtpmap:", &mut rtpmaps)] {
                for line in block.lines().filter_map(|line| line.strip_prefix(key)) {
                    let (payload_type, content) = line.split_once(' ').unwrap();
                    let before = all.insert(payload_type, content);
                    assert!(
                        before.is_none_or(|before| before == content),
                        "one {key} per payload type"
                    );
                }
            }
            if media == "application" {
                assert!(block.contains("a=sctp-port:"));
                continue;
            }
            let sends = block.lines().any(|line| line == "a=sendonly");
            assert!(sends || block.lines().any(|line| line == "a=inactive"));
            let msid = value(block, "a=msid:");
            assert_eq!(
                msid.is_some(),
                sends,
                "a msid where something is sent, and only there"
            );
            let Some((stream, track)) = msid.and_then(|msid| msid.split_once(' ')) else {
                continue;
            };
            let (participant, own) = stream.split_once('|').expect("PA_x|TR_y");
            assert!(participant.starts_with("PA_") && own == track && track.starts_with("TR_"));
            let known = known
                .get(participant)
                .expect("the participant is known before its track is offered");
            assert!(
                known.tracks.iter().any(|info| info.sid == track),
                "the track is known before it is offered"
            );
            mapped.insert(mid.to_owned(), track.to_owned());
            if let Some((_, before)) = self.sections.get(place).and_then(|section| section.msid.as_ref()) {
                assert_eq!(
                    before, track,
                    "a section is inactive once before it carries another track"
                );
            }
        }
        assert_eq!(
            offer
                .mid_to_track_id
                .clone()
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            mapped
        );
        self.offers.push(offer.clone());
        self.owes = true;
    }

    /// The answer to the latest offer, in the words of a browser.
    pub fn answer(&mut self, ufrag: &str) -> SessionDescription {
        let offer = self.offers.last().expect("nothing was offered").clone();
        self.owes = false;
        let blocks: Vec<&str> = offer.sdp.split("\r\nm=").skip(1).collect();
        let mut text = String::new();
        let mut bundle = String::new();
        self.sections.resize(blocks.len(), Incoming::default());
        for (section, block) in self.sections.iter_mut().zip(&blocks) {
            let mut words = block.lines().next().unwrap().split(' ');
            let (media, port) = (words.next().unwrap(), words.next().unwrap());
            let protocol = words.next().unwrap();
            let formats: Vec<&str> = words
                .filter(|format| {
                    let encoding = block
                        .lines()
                        .find_map(|line| line.strip_prefix(&format!("a=rtpmap:{format} ")));
                    encoding.is_none_or(|encoding| !self.lacks.contains(encoding.split('/').next().unwrap()))
                })
                .collect();
            let is_useful = media == "application"
                || formats
                    .iter()
                    .any(|format| !block.contains(&format!("a=rtpmap:{format} rtx/")));
            let mid = value(block, "a=mid:").unwrap();
            section.mid = mid.into();
            section.media = media.into();
            section.is_refused = port == "0" || !is_useful;
            let sends = block.lines().any(|line| line == "a=sendonly") && !section.is_refused;
            section.direction = if sends {
                "recvonly".into()
            } else {
                "inactive".into()
            };
            section.msid = value(block, "a=msid:").filter(|_| sends).map(|msid| {
                let (stream, track) = msid.split_once(' ').unwrap();
                (stream.split('|').next().unwrap().to_owned(), track.to_owned())
            });
            section.ssrc =
                value(block, "a=ssrc:").map_or(0, |line| line.split(' ').next().unwrap().parse().unwrap());
            let port = if section.is_refused {
                0
            } else {
                bundle += &format!(" {mid}");
                9
            };
            text += &format!(
                "m={media} {port} {protocol} {}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n",
                formats.join(" ")
            );
            text += &format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\na=setup:active\r\n");
            text += &format!("a=fingerprint:sha-256 {}\r\n", ["CD"; 32].join(":"));
            if media != "application" {
                text += &format!("a={}\r\na=rtcp-mux\r\n", section.direction);
                for line in block.lines().filter(|line| line.starts_with("a=extmap:")) {
                    text += &format!("{line}\r\n");
                }
                for format in &formats {
                    for line in block
                        .lines()
                        .filter(|line| line.starts_with(&format!("a=rtpmap:{format} ")))
                    {
                        text += &format!("{line}\r\n");
                    }
                    let feedback = format!("a=rtcp-fb:{format} ");
                    for line in block.lines() {
                        let given = line.strip_prefix(&feedback);
                        if given.is_some_and(|given| !self.lacks.contains(given)) {
                            text += &format!("{line}\r\n");
                        }
                    }
                }
            }
        }
        SessionDescription {
            r#type: "answer".into(),
            sdp: format!(
                "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{bundle}\r\n{text}"
            ),
            id: if self.says_zero { 0 } else { offer.id },
            ..Default::default()
        }
    }
}
