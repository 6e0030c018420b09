//! What a participant has seen and heard of each other person in the call.

use crate::mode::Mode;
use crate::sfu::ice::Path;
use hanse_callkeys::frame::{FrameKind, NotOpened, is_vp8_key_frame};
use serde::Serialize;

/// So many opened frames of sound are half a second of it.
const SOUNDS_HEARD: u64 = 25;
/// So many opened pictures in a row are somebody who moves.
const PICTURES_SEEN: u64 = 8;

/// One kind of media of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Track {
    /// Frames that came.
    pub received: u64,
    /// Frames that opened, or that needed no opening.
    pub opened: u64,
    /// When the first one opened, in ms since the start.
    pub first_ms: Option<u64>,
    /// Why the last one that did not open did not.
    pub not_opened: Option<String>,
}

/// One other person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Who.
    pub user: String,
    /// With which device.
    pub device: String,
    /// Where they publish, as their membership says.
    pub service_url: Option<String>,
    /// When they were on the SFU, in ms since the start.
    pub on_sfu_ms: Option<u64>,
    /// When a key of theirs had come, in ms since the start.
    pub key_ms: Option<u64>,
    /// Their microphone.
    pub sound: Track,
    /// Their camera.
    pub picture: Track,
    /// A picture that stands for itself was among them.
    pub key_frame: bool,
}

impl Person {
    /// Notes a frame: as it was opened, or why it was not.
    pub fn note(&mut self, kind: FrameKind, opened: Result<&[u8], NotOpened>, now_ms: u64) {
        let track = match kind {
            FrameKind::Sound => &mut self.sound,
            FrameKind::Vp8 => &mut self.picture,
        };
        track.received += 1;
        match opened {
            Ok(frame) => {
                track.opened += 1;
                track.first_ms.get_or_insert(now_ms);
                self.key_frame |= kind == FrameKind::Vp8 && is_vp8_key_frame(frame);
            }
            Err(reason) => track.not_opened = Some(reason.to_string()),
        }
    }

    /// Whether they are heard.
    pub fn is_heard(&self) -> bool {
        self.sound.opened >= SOUNDS_HEARD
    }

    /// Whether they are seen.
    pub fn is_seen(&self) -> bool {
        self.key_frame && self.picture.opened >= PICTURES_SEEN
    }

    /// What is wrong, and where; `None`: they are seen and heard. The order is that in which things have to happen.
    pub fn trouble(&self) -> Option<&'static str> {
        if self.is_heard() && self.is_seen() {
            None
        } else if self.service_url.is_none() {
            Some("their membership names no LiveKit service")
        } else if self.on_sfu_ms.is_none() {
            Some("they are in the Matrix room's call but not on their SFU")
        } else if self.sound.received + self.picture.received == 0 {
            Some("they are on the SFU, and nothing of their media arrives")
        } else if self.sound.opened + self.picture.opened == 0 && self.key_ms.is_none() {
            Some("their media arrives, and the key for it does not")
        } else if self.sound.opened + self.picture.opened == 0 {
            Some("their media does not open with the key that they have sent")
        } else if self.is_heard() {
            Some("they are heard and not seen")
        } else if self.is_seen() {
            Some("they are seen and not heard")
        } else {
            Some("too little of their media arrives")
        }
    }
}

/// A way that media has taken to an SFU, the last one if there were several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The focus that let this device in there.
    pub service_url: String,
    /// The way.
    #[serde(flatten)]
    pub path: Path,
}

/// The whole of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// When this device was signed in and in the room, in ms since the start.
    pub signed_in_ms: Option<u64>,
    /// When media flowed both ways on its own SFU.
    pub connected_ms: Option<u64>,
    /// Whether the room's calls are sealed.
    pub is_encrypted: bool,
    /// How this device said that it was there.
    pub mode: Mode,
    /// Whether its focus has kept its leave waiting, so that it is gone at once if it dies.
    pub is_leave_delegated: bool,
    /// By which ways media went.
    pub ways: Vec<Way>,
    /// How often the connection to its own SFU was made anew.
    pub reconnects: u32,
    /// How often it had to say anew that it is there, because others were told that it was not.
    pub rejoins: u32,
    /// Memberships at the end that are sealed, and this device was given no key for.
    pub sealed_memberships: usize,
    /// Everybody who was in the call meanwhile.
    pub people: Vec<Person>,
    /// Connections that ended unasked, each with its reason.
    pub lost: Vec<String>,
}

impl Report {
    /// How many are seen and heard.
    pub fn met(&self) -> usize {
        self.people
            .iter()
            .filter(|person| person.trouble().is_none())
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_callkeys::KeyIndex;

    const KEY_FRAME: &[u8] = &[0x10; 20];
    const DELTA: &[u8] = &[0x11; 20];

    #[test]
    fn each_step_that_is_missing_is_named() {
        let mut person = Person::default();
        assert_eq!(
            person.trouble(),
            Some("their membership names no LiveKit service")
        );
        person.service_url = Some("https://rtc.example".to_owned());
        assert_eq!(
            person.trouble(),
            Some("they are in the Matrix room's call but not on their SFU")
        );
        person.on_sfu_ms = Some(1);
        assert_eq!(
            person.trouble(),
            Some("they are on the SFU, and nothing of their media arrives")
        );
        person.note(FrameKind::Sound, Err(NotOpened::NoKey(KeyIndex(0))), 2);
        assert_eq!(
            person.trouble(),
            Some("their media arrives, and the key for it does not")
        );
        person.key_ms = Some(3);
        assert_eq!(
            person.trouble(),
            Some("their media does not open with the key that they have sent")
        );
        for _ in 0..SOUNDS_HEARD {
            person.note(FrameKind::Sound, Ok(b"tone"), 4);
        }
        assert_eq!(person.trouble(), Some("they are heard and not seen"));
        for _ in 0..PICTURES_SEEN {
            person.note(FrameKind::Vp8, Ok(DELTA), 5);
        }
        assert_eq!(
            person.trouble(),
            Some("they are heard and not seen"),
            "nobody sees without a key frame"
        );
        person.note(FrameKind::Vp8, Ok(KEY_FRAME), 6);
        assert_eq!(person.trouble(), None);
        assert_eq!(
            (person.sound.first_ms, person.picture.first_ms),
            (Some(4), Some(5))
        );
    }
}
