//! The test picture and the test tone: two seconds of each, encoded by a browser (`federation-tests/record-clip.mjs`) and repeated.
//! Every second of the picture begins with a key frame, so whoever comes waits for at most one.

use bytes::Bytes;
use std::time::Duration;

/// 320 × 180, 15 pictures a second, VP8.
const PICTURE: &[u8] = include_bytes!("picture.ivf");
/// 1150 Hz, Opus.
const TONE: &[u8] = include_bytes!("tone.ivf");

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 12;

/// A recording that begins anew when it ends.
pub struct Clip {
    frames: Vec<Bytes>,
    frame_time: Duration,
    at: usize,
}

impl Clip {
    /// The test picture.
    pub fn picture() -> Clip {
        Clip::read(PICTURE)
    }

    /// The test tone.
    pub fn tone() -> Clip {
        Clip::read(TONE)
    }

    /// For how long each frame is shown or played.
    pub fn frame_time(&self) -> Duration {
        self.frame_time
    }

    /// The next frame.
    pub fn next_frame(&mut self) -> Bytes {
        let frame = self.frames.get(self.at).cloned().unwrap_or_default();
        self.at = (self.at + 1) % self.frames.len().max(1);
        frame
    }

    /// An IVF file: a header with the rate at byte 16, then length (4 bytes), time (8 bytes) and bytes of each frame.
    fn read(file: &'static [u8]) -> Clip {
        let number = |at: usize| {
            let bytes = file.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        let mut frames = Vec::new();
        let mut at = HEADER_BYTES;
        while at < file.len() {
            let from = at + FRAME_HEADER_BYTES;
            let to = from + number(at) as usize;
            frames.push(Bytes::from_static(file.get(from..to).unwrap_or_default()));
            at = to;
        }
        Clip {
            frames,
            frame_time: Duration::from_secs(1) / number(16).max(1),
            at: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hanse_callkeys::frame::is_vp8_key_frame;

    #[test]
    fn a_key_frame_begins_every_second_of_the_picture() {
        let mut clip = Clip::picture();
        assert_eq!(clip.frame_time(), Duration::from_secs(1) / 15);
        for number in 0..60 {
            let frame = clip.next_frame();
            assert_eq!(is_vp8_key_frame(&frame), number % 15 == 0, "{number}");
            assert!(frame.len() > 10);
        }
    }

    #[test]
    fn the_tone_has_fifty_frames_a_second() {
        let mut clip = Clip::tone();
        assert_eq!(clip.frame_time(), Duration::from_millis(20));
        assert_eq!(clip.frames.len(), 100);
        assert!((0..200).all(|_| clip.next_frame().len() > 10));
    }
}
