//! Session descriptions: offers and answers of a browser, cut from real ones of Chromium so that the server has as much to
//! read as with people, and what the server's descriptions say.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::LazyLock;

/// Three audio and three video slots, a microphone, a camera, a screen, data.
const CAPTURE: &str = include_str!("../../../signal/tests/offers/chromium-publish.sdp");

/// Slots of a kind in a first offer, as livekit-client makes them.
const FIRST_SLOTS: usize = 3;

/// What a media section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// What is the same in all descriptions of one peer connection.
#[derive(Clone, Debug)]
pub struct Local {
    /// ICE, ours.
    pub ufrag: String,
    /// `sha-256 AA:…`
    pub fingerprint: String,
}

/// The client checks nothing with it, since the server sends no checks (ICE-lite); it only has to be long enough.
const PASSWORD: &str = "Icy94q4pX1NpYABCzDdrqU6L";

#[derive(Clone, Debug)]
enum Section {
    Slot(Kind),
    Sender { kind: Kind, cid: String, ssrc: u32 },
    Data,
}

/// The media sections of a peer connection on which this client offers. They only ever grow.
#[derive(Clone, Debug, Default)]
pub struct Sections(Vec<Section>);

/// Parts of [`CAPTURE`] with `{names}` where a client puts its own.
struct Templates {
    head: String,
    audio_slot: String,
    video_slot: String,
    audio_sender: String,
    video_sender: String,
    data: String,
}

static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| {
    let mut blocks = CAPTURE.split("m=");
    let head = blocks.next().unwrap_or_default().lines();
    let head = head
        .filter(|line| !line.starts_with("a=group:"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let blocks: Vec<&str> = blocks.collect();
    let block = |number: usize| template(blocks.get(number).copied().unwrap_or_default());
    Templates {
        head,
        audio_slot: block(0),
        video_slot: block(3),
        audio_sender: block(6),
        // The screen's: one layer.
        video_sender: block(8),
        data: block(9),
    }
});

fn template(block: &str) -> String {
    let mut text = String::from("m=");
    for line in block.lines() {
        let name = line.split_once(':').map_or(line, |(name, _)| name);
        let line = match name {
            "a=ice-ufrag" => "a=ice-ufrag:{ufrag}",
            "a=ice-pwd" => "a=ice-pwd:{password}",
            "a=fingerprint" => "a=fingerprint:{fingerprint}",
            "a=mid" => "a=mid:{mid}",
            "a=msid" => "a=msid:- {cid}",
            "a=ssrc-group" => continue,
            // Without repetition: what is lost on loopback was lost by the kernel, and a key frame is asked for.
            "a=ssrc" if line.contains("cname") && text.contains("a=ssrc") => continue,
            "a=ssrc" if line.contains("cname") => "a=ssrc:{ssrc} cname:client",
            "a=ssrc" => continue,
            _ => line,
        };
        text.push_str(line);
        text.push_str("\r\n");
    }
    text
}

impl Sections {
    /// What livekit-client offers in its join request: slots, and data.
    pub fn first() -> Self {
        let mut sections = Sections::default();
        sections.add_slots(Kind::Audio, FIRST_SLOTS);
        sections.add_slots(Kind::Video, FIRST_SLOTS);
        sections.0.push(Section::Data);
        sections
    }

    /// What it offers on a peer connection that only publishes.
    pub fn publisher() -> Self {
        Sections(vec![Section::Data])
    }

    /// Further sections on which it receives.
    pub fn add_slots(&mut self, kind: Kind, count: usize) {
        self.0.extend((0..count).map(|_| Section::Slot(kind)));
    }

    /// A section on which it sends.
    pub fn add_sender(&mut self, kind: Kind, cid: &str, ssrc: u32) {
        let cid = cid.to_owned();
        self.0.push(Section::Sender { kind, cid, ssrc });
    }

    /// The offer.
    pub fn offer(&self, local: &Local) -> String {
        let templates = &*TEMPLATES;
        let mut text = templates.head.clone();
        text.push_str("a=group:BUNDLE");
        for mid in 0..self.0.len() {
            // Writing to a string cannot fail.
            let _ = write!(text, " {mid}");
        }
        text.push_str("\r\n");
        for (mid, section) in self.0.iter().enumerate() {
            let (template, cid, ssrc) = match section {
                Section::Slot(Kind::Audio) => (&templates.audio_slot, "", 0),
                Section::Slot(Kind::Video) => (&templates.video_slot, "", 0),
                Section::Sender {
                    kind: Kind::Audio,
                    cid,
                    ssrc,
                } => (&templates.audio_sender, cid.as_str(), *ssrc),
                Section::Sender {
                    kind: Kind::Video,
                    cid,
                    ssrc,
                } => (&templates.video_sender, cid.as_str(), *ssrc),
                Section::Data => (&templates.data, "", 0),
            };
            let mut block = template
                .replace("{ufrag}", &local.ufrag)
                .replace("{password}", PASSWORD)
                .replace("{fingerprint}", &local.fingerprint)
                .replace("{mid}", &mid.to_string());
            if !cid.is_empty() {
                block = block.replace("{cid}", cid).replace("{ssrc}", &ssrc.to_string());
            }
            text.push_str(&block);
        }
        text
    }
}

/// A stream that the server announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its SSRC, that of repetitions left out.
    pub ssrc: u32,
    /// Sound or pictures.
    pub kind: Kind,
    /// Whose it is: `PA_…`
    pub publisher_sid: String,
}

/// What a description of the server says.
#[derive(Clone, Debug, Default)]
pub struct Remote {
    /// ICE, the server's.
    pub ufrag: String,
    /// The same.
    pub password: String,
    /// Where media goes: the first candidate.
    pub address: Option<SocketAddr>,
    /// What it sends.
    pub streams: Vec<Announced>,
}

impl Remote {
    /// Reads an answer, or an offer.
    pub fn parse(sdp: &str) -> Self {
        let mut remote = Remote::default();
        let mut blocks = sdp.split("\r\nm=");
        let head = blocks.next().unwrap_or_default();
        let mut note_transport = |block: &str| {
            for line in block.lines() {
                if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
                    ufrag.clone_into(&mut remote.ufrag);
                } else if let Some(password) = line.strip_prefix("a=ice-pwd:") {
                    password.clone_into(&mut remote.password);
                } else if let Some(candidate) = line.strip_prefix("a=candidate:") {
                    remote.address = remote.address.or_else(|| address_of(candidate));
                }
            }
        };
        note_transport(head);
        let mut streams = Vec::new();
        for block in blocks {
            note_transport(block);
            streams.extend(announced(block));
        }
        remote.streams = streams;
        remote
    }

    /// Reads what a trickled candidate adds: its JSON as browsers write it.
    pub fn add_candidate(&mut self, candidate_init: &str) {
        let candidate: Option<serde_json::Value> = serde_json::from_str(candidate_init).ok();
        let line = candidate
            .as_ref()
            .and_then(|candidate| candidate.get("candidate")?.as_str())
            .unwrap_or_default();
        let line = line.strip_prefix("candidate:").unwrap_or(line);
        self.address = self.address.or_else(|| address_of(line));
    }
}

/// `1 1 udp 2130706431 127.0.0.1 7882 typ host`
fn address_of(candidate: &str) -> Option<SocketAddr> {
    let mut words = candidate.split_whitespace().skip(4);
    Some(SocketAddr::new(
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    ))
}

fn announced(block: &str) -> Option<Announced> {
    let kind = if block.starts_with("audio") {
        Kind::Audio
    } else if block.starts_with("video") {
        Kind::Video
    } else {
        return None;
    };
    let sends = block
        .lines()
        .any(|line| line == "a=sendonly" || line == "a=sendrecv");
    let msid = block.lines().find_map(|line| line.strip_prefix("a=msid:"))?;
    let ssrc = block.lines().find_map(|line| line.strip_prefix("a=ssrc:"))?;
    let ssrc = ssrc.split_whitespace().next()?.parse().ok()?;
    let publisher_sid = msid.split_once('|')?.0.to_owned();
    sends.then_some(Announced {
        ssrc,
        kind,
        publisher_sid,
    })
}

/// The answer of a client to an offer of the server: it takes everything, with the codecs that are offered.
pub fn answer(offer: &str, local: &Local) -> String {
    let mut blocks = offer.split("\r\nm=");
    let mut text = String::new();
    for line in blocks.next().unwrap_or_default().lines() {
        if !line.starts_with("a=ice-") && !line.starts_with("a=fingerprint:") && !line.starts_with("a=setup:")
        {
            let _ = write!(text, "{line}\r\n");
        }
    }
    for block in blocks {
        let (first, rest) = block.split_once("\r\n").unwrap_or((block, ""));
        let _ = write!(text, "m={first}\r\n");
        for line in rest.lines() {
            let name = line.split_once(':').map_or(line, |(name, _)| name);
            match name {
                "a=sendonly" | "a=sendrecv" => text.push_str("a=recvonly\r\n"),
                "a=setup" => text.push_str("a=setup:active\r\n"),
                "a=ice-ufrag" => {
                    let _ = write!(text, "a=ice-ufrag:{}\r\n", local.ufrag);
                }
                "a=ice-pwd" => {
                    let _ = write!(text, "a=ice-pwd:{PASSWORD}\r\n");
                }
                "a=fingerprint" => {
                    let _ = write!(text, "a=fingerprint:{}\r\n", local.fingerprint);
                }
                "a=msid" | "a=ssrc" | "a=ssrc-group" | "a=candidate" | "a=end-of-candidates" => {}
                _ => {
                    let _ = write!(text, "{line}\r\n");
                }
            }
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A test may panic.
mod tests {
    use super::*;

    fn local() -> Local {
        Local {
            ufrag: "abcd".to_owned(),
            fingerprint: "sha-256 00:11".to_owned(),
        }
    }

    #[test]
    fn an_offer_has_a_section_for_each_slot_and_sender_and_nothing_of_the_captured_client() {
        let mut sections = Sections::first();
        sections.add_sender(Kind::Audio, "mic", 11);
        sections.add_sender(Kind::Video, "cam", 12);
        let offer = sections.offer(&local());
        assert_eq!(offer.matches("m=audio").count(), 4);
        assert_eq!(offer.matches("m=video").count(), 4);
        assert_eq!(offer.matches("m=application").count(), 1);
        assert!(offer.contains("a=group:BUNDLE 0 1 2 3 4 5 6 7 8\r\n"));
        assert!(offer.contains("a=msid:- mic\r\n") && offer.contains("a=ssrc:12 cname:"));
        for strange in ["6bnX", "F5:E5", "2843800252", "ddcee637", "{"] {
            assert!(!offer.contains(strange), "{strange}");
        }
    }

    #[test]
    fn an_answer_says_who_sends_what_and_where_to() {
        let sdp = "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:theirs\r\na=ice-pwd:secret\r\n\
            a=mid:0\r\na=sendonly\r\na=msid:PA_x|TR_a TR_a\r\na=ssrc:7 cname:c\r\n\
            a=candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendonly\r\na=msid:PA_y|TR_v TR_v\r\n\
            a=ssrc-group:FID 8 9\r\na=ssrc:8 cname:c\r\na=ssrc:9 cname:c\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:2\r\na=inactive\r\n";
        let remote = Remote::parse(sdp);
        assert_eq!(
            (remote.ufrag.as_str(), remote.password.as_str()),
            ("theirs", "secret")
        );
        assert_eq!(remote.address, "127.0.0.1:7882".parse().ok());
        let streams: Vec<_> = remote
            .streams
            .iter()
            .map(|stream| (stream.ssrc, stream.kind, stream.publisher_sid.as_str()))
            .collect();
        assert_eq!(streams, [(7, Kind::Audio, "PA_x"), (8, Kind::Video, "PA_y")]);
    }
}
